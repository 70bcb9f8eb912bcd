#include "base/charset.h"

#include "base/utf8.h"

enum { ESC = 0x1b, PARTS = 17, KATAKANA_FIRST = 0xa1, KATAKANA_LAST = 0xdf, KATAKANA = 0xff61 };

static const struct {
	uint8_t part;
	uint16_t code[96];
} parts[] = {
#define CHARSET(part, ...) { part, { __VA_ARGS__ } },
#include "base/letters.def"
};

/* The Unicode character of an upper-half byte, 0: none. */
static uint32_t single(unsigned set, uint8_t b)
{
	if (set == CHARSET_KATAKANA)
		return b >= KATAKANA_FIRST && b <= KATAKANA_LAST ? (uint32_t)KATAKANA + b - KATAKANA_FIRST
								 : 0;
	for (size_t i = 0; b >= 0xa0 && i < sizeof parts / sizeof *parts; i++)
		if ((unsigned)CHARSET_8859 + parts[i].part == set)
			return parts[i].code[b - 0xa0];
	return 0;
}

/* ---- names ------------------------------------------------------------------------------- */

static bool has_word(struct bytes in, const char *word)
{
	for (size_t i = 0; i < in.n; i++)
		if (bytes_startsi(bytes_from(in, i), word))
			return true;
	return false;
}

/* The number behind the word, 0: none. */
static unsigned number_behind(struct bytes name, const char *word)
{
	size_t at = 0;
	unsigned n = 0;
	while (at < name.n && !bytes_startsi(bytes_from(name, at), word))
		at++;
	at += strlen(word);
	while (at < name.n &&
		(name.p[at] == '/' || name.p[at] == '-' || name.p[at] == '_' || name.p[at] == ' '))
		at++;
	for (; ascii_digit(bytes_at(name, at)) && n < 1000; at++)
		n = n * 10 + (unsigned)(name.p[at] - '0');
	return n;
}

/* PS3.3 tables C.12-2 to C.12-5: numbers of the ISO-IR registry. */
static enum charset of_registry(unsigned ir)
{
	static const struct {
		uint8_t ir, set;
	} rows[] = { { 13, CHARSET_KATAKANA }, { 14, CHARSET_KATAKANA }, { 100, CHARSET_8859 + 1 },
		{ 101, CHARSET_8859 + 2 }, { 109, CHARSET_8859 + 3 }, { 110, CHARSET_8859 + 4 },
		{ 126, CHARSET_8859 + 7 }, { 127, CHARSET_8859 + 6 }, { 138, CHARSET_8859 + 8 },
		{ 144, CHARSET_8859 + 5 }, { 148, CHARSET_8859 + 9 }, { 166, CHARSET_8859 + 11 },
		{ 192, CHARSET_UTF8 }, { 203, CHARSET_8859 + 15 } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].ir == ir)
			return (enum charset)rows[i].set;
	return CHARSET_UNSAID; /* with escape sequences */
}

enum charset charset_of(struct bytes name)
{
	static const char *const several[] = { "GB", "BIG", "KS X", "KS C", "CNS", "SHIFT", "SJIS", "EUC",
		"MS932", "WINDOWS-31J" };
	name = bytes_trim(bytes_first(name, bytes_chr(name, 0, '\\')));
	for (size_t i = 0; i < sizeof several / sizeof *several; i++)
		if (bytes_startsi(name, several[i]))
			return CHARSET_SEVERAL;
	if (has_word(name, "UTF") || has_word(name, "UNICODE"))
		return CHARSET_UTF8;
	unsigned part = number_behind(name, "8859"), ir = number_behind(name, "IR");
	if (part)
		return part < PARTS ? (enum charset)(CHARSET_8859 + part) : CHARSET_UNSAID;
	return of_registry(ir);
}

/* ---- text -------------------------------------------------------------------------------- */

struct reading {
	unsigned high;  /* what bytes of the upper half are ... */
	bool is_guess;  /* ... and nobody said so */
	bool low_pairs; /* bytes of the lower half are halves of characters */
	bool unread;
	uint8_t *out;
	size_t n, room;
};

static void put(struct reading *r, uint32_t c)
{
	if (r->n + 4 > r->room)
		r->unread = true;
	else
		r->n += utf8_put(c, r->out + r->n);
}

static void put_unread(struct reading *r)
{
	r->unread = true;
	if (r->n && r->out[r->n - 1] != ' ')
		put(r, ' ');
}

/* ISO 2022 as PS3.5 6.1.2.5 uses it: what G0 and G1 are from here on. ISO-IR gives the final bytes. */
static void escape(struct reading *r, struct cur *c)
{
	static const char finals[] = "ABCDLGFHMTb";
	static const uint8_t of_final[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15 };
	struct bytes rest = cur_peek(c);
	size_t n = 0;
	while (n < 3 && bytes_at(rest, n) >= 0x20 && bytes_at(rest, n) < 0x30)
		n++;
	int first = bytes_at(rest, 0), second = bytes_at(rest, 1), final = bytes_at(rest, n);
	cur_skip(c, final < 0 ? n : n + 1);
	r->is_guess &= first == '(' || first == '$';
	if (first == '$') {
		if (second == ')' || second == '-')
			r->high = CHARSET_SEVERAL;
		else
			r->low_pairs = true;
	} else if (first == '(') {
		r->low_pairs = false;
	} else if (first == '-' || first == '.') {
		size_t at = bytes_chr(bytes_str(finals), 0, (uint8_t) final);
		r->high = at < sizeof of_final ? CHARSET_8859 + of_final[at] : CHARSET_SEVERAL;
	} else if (first == ')') {
		r->high = CHARSET_KATAKANA;
	}
}

/* A byte of the upper half, already taken. */
static void upper_half(struct reading *r, struct cur *c, uint8_t b)
{
	uint32_t code = r->high == CHARSET_SEVERAL ? 0 : single(r->high, b);
	r->unread |= r->is_guess;
	if (code) {
		put(r, code);
		return;
	}
	put_unread(r);
	/* The second byte may be a letter of ASCII in Shift-JIS, GBK and Big5, a digit in GB18030. */
	if (r->high == CHARSET_SEVERAL)
		cur_skip(c, cur_more(c) && bytes_at(cur_peek(c), 0) > ' ');
}

static bool is_ascii(struct bytes t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] >= 0x80 || t.p[i] == ESC)
			return false;
	return true;
}

static bool is_utf8(struct bytes t)
{
	while (t.n)
		if (bytes_chr(t, 0, ESC) == 0 || utf8_next(&t) >= UTF8_RAW)
			return false;
	return true;
}

struct bytes charset_utf8(enum charset set, struct bytes text, uint8_t *room, size_t room_n, bool *unread)
{
	if (is_ascii(text))
		return text;
	bool utf8 = is_utf8(text) && set != CHARSET_SEVERAL;
	/* Devices declare Latin-1 and send UTF-8; in other alphabets it can be an accident. */
	if (utf8 && (set == CHARSET_UNSAID || set == CHARSET_UTF8 || set == CHARSET_8859 + 1 ||
			    set == CHARSET_8859 + 15))
		return text;
	struct reading r = { .high = set, .out = room, .room = room_n, .unread = utf8 };
	r.is_guess = set == CHARSET_UTF8 || set == CHARSET_UNSAID;
	if (r.is_guess)
		r.high = CHARSET_8859 + 1;
	for (struct cur c = cur_of(text); cur_more(&c);) {
		uint8_t b = cur_u8(&c);
		if (b == ESC) {
			escape(&r, &c);
		} else if (b >= 0x80) {
			upper_half(&r, &c, b);
		} else if (r.low_pairs && b > ' ') {
			put_unread(&r);
			cur_skip(&c, cur_more(&c));
		} else {
			put(&r, b);
		}
	}
	*unread |= r.unread;
	return bytes_of(room, r.n);
}
