#include "run/term.h"

#include "base/json.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned columns_of(FILE *out)
{
	const char *said = getenv("COLUMNS");
	uint64_t n;
	struct winsize w;
	if (said && bytes_to_u64(bytes_str(said), &n) && n > 0)
		return n < 1000 ? (unsigned)n : 1000;
	return ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 100;
}

void term_init(struct term *t, FILE *out)
{
	const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
	bool tty = isatty(fileno(out)) == 1;
	unsigned width = tty ? columns_of(out) : 100;
	t->out = out;
	t->tty = tty;
	t->width = width < 60 ? 60 : width > 200 ? 200 : width;
	t->colour = tty && !(no_colour && *no_colour) && kind && strcmp(kind, "dumb") != 0;
}

size_t term_escape(struct bytes text, char *out, size_t cap)
{
	size_t n = 0;
	while (text.n) {
		char one[16];
		const uint8_t *from = text.p;
		uint32_t c = utf8_next(&text);
		size_t len = (size_t)(text.p - from);
		if (c >= UTF8_RAW)
			len = (size_t)snprintf(one, sizeof one, "\\x%02x", c - UTF8_RAW);
		else if (text_is_control(c))
			len = (size_t)snprintf(one, sizeof one, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
		else
			memcpy(one, from, len);
		if (n + len >= cap)
			break;
		memcpy(out + n, one, len);
		n += len;
	}
	out[n] = 0;
	return n;
}

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t c, const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c >= r[i].first && c <= r[i].last)
			return true;
	return false;
}

/* The large blocks of UAX #11 are enough for a table that lines up. */
static unsigned columns_of_char(uint32_t c)
{
	static const struct range none[] = { { 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd },
		{ 0x610, 0x61a }, { 0x64b, 0x65f }, { 0x900, 0x902 }, { 0xe31, 0xe31 }, { 0xe34, 0xe3a },
		{ 0xe47, 0xe4e }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f },
		{ 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xe0100, 0xe01ef } };
	static const struct range wide[] = { { 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf },
		{ 0xa960, 0xa97f }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff },
		{ 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } };
	if (c < 0x300)
		return 1;
	if (in_ranges(c, none, sizeof none / sizeof *none))
		return 0;
	return in_ranges(c, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

unsigned term_columns(struct bytes text)
{
	unsigned n = 0;
	while (text.n)
		n += columns_of_char(utf8_next(&text));
	return n;
}

static void blanks(const struct term *t, unsigned n)
{
	fprintf(t->out, "%*s", (int)n, "");
}

/* The part of text that fits into that many columns. */
static struct bytes fitting(struct bytes text, unsigned columns)
{
	struct bytes rest = text;
	unsigned used = 0;
	while (rest.n) {
		struct bytes after = rest;
		used += columns_of_char(utf8_next(&after));
		if (used > columns)
			break;
		rest = after;
	}
	return bytes_first(text, text.n - rest.n);
}

static void put(const struct term *t, struct bytes b)
{
	fwrite(b.p, 1, b.n, t->out);
}

void term_cell(const struct term *t, const char *text, unsigned columns)
{
	struct bytes all = bytes_str(text);
	unsigned need = term_columns(all);
	if (need <= columns) {
		put(t, all);
		blanks(t, columns - need);
		return;
	}
	struct bytes part = fitting(all, columns ? columns - 1 : 0);
	put(t, part);
	if (columns)
		fputs("\xe2\x80\xa6", t->out);
	blanks(t, columns ? columns - 1 - term_columns(part) : 0);
}

void term_wrap(const struct term *t, const char *text, unsigned at, unsigned indent)
{
	struct cur c = cur_of(bytes_str(text));
	bool first = true;
	while (cur_more(&c)) {
		struct bytes word = cur_until(&c, ' ');
		unsigned n = term_columns(word);
		if (n == 0)
			continue;
		if (!first && at + 1 + n > t->width) {
			fputc('\n', t->out);
			blanks(t, indent);
			at = indent;
		} else if (!first) {
			fputc(' ', t->out);
			at++;
		}
		put(t, word);
		at += n;
		first = false;
	}
	fputc('\n', t->out);
}

void term_style(const struct term *t, enum term_style s)
{
	static const char *const codes[STYLE_N] = { [STYLE_PLAIN] = "0",
		[STYLE_BOLD] = "1",
		[STYLE_DIM] = "2",
		[STYLE_RED] = "1;31",
		[STYLE_YELLOW] = "1;33",
		[STYLE_CYAN] = "36" };
	if (t->colour)
		fprintf(t->out, "\033[%sm", codes[s]);
}

const char *term_number(uint64_t v, char out[TERM_NUMBER])
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)v), k = 0;
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			out[k++] = ',';
		out[k++] = digits[i];
	}
	out[k] = 0;
	return out;
}

const char *term_bytes(uint64_t v, char out[TERM_NUMBER])
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB", "PB", "EB" };
	unsigned unit = 0;
	double d = (double)v;
	for (; d >= 999.5 && unit < 6; unit++)
		d /= 1000;
	snprintf(out, TERM_NUMBER, unit && d < 99.95 ? "%.1f %s" : "%.0f %s", d, units[unit]);
	return out;
}

const char *term_duration(uint64_t ns, char out[TERM_NUMBER])
{
	double s = (double)ns / 1e9;
	if (s < 10)
		snprintf(out, TERM_NUMBER, "%.1f s", s);
	else if (s < 120)
		snprintf(out, TERM_NUMBER, "%.0f s", s);
	else if (s < 7200)
		snprintf(out, TERM_NUMBER, "%.0f min", s / 60);
	else if (s < 172800)
		snprintf(out, TERM_NUMBER, "%.1f h", s / 3600);
	else
		snprintf(out, TERM_NUMBER, "%.0f days", s / 86400);
	return out;
}
