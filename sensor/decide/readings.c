#include "decide/readings.h"

#include "base/utf8.h"

static int hex_digit(int c)
{
	if (ascii_digit(c))
		return c - '0';
	c = c < 0 ? 0 : ascii_lower((uint8_t)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* -1: no byte in hexadecimal there. */
static int hex_byte(struct bytes t, size_t at)
{
	int high = hex_digit(bytes_at(t, at)), low = hex_digit(bytes_at(t, at + 1));
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

size_t read_percent(struct bytes text, uint8_t *out, size_t room)
{
	size_t n = 0;
	bool any = false;
	for (size_t i = 0; i < text.n && n < room; i++) {
		int b = text.p[i] == '%' ? hex_byte(text, i + 1) : -1;
		out[n++] = b < 0 ? text.p[i] : (uint8_t)b;
		i += b < 0 ? 0 : 2;
		any |= b >= 0;
	}
	return any ? n : 0;
}

size_t read_utf16(struct bytes text, uint8_t *out, size_t room)
{
	size_t zero = bytes_chr(text, 0, 0), n = 0;
	if (zero == text.n)
		return 0;
	/* Letters of ASCII with zeros between them read the same in both byte orders but at the ends: the
	 * first zero stands before a letter only where nothing does before it. */
	bool is_big = zero == 0;
	size_t from = is_big ? 0 : (zero - 1) % 2;
	for (size_t i = from; i + is_big < text.n && n + 4 <= room; i += 2) {
		uint32_t a = text.p[i], b = i + 1 < text.n ? text.p[i + 1] : 0,
			 c = is_big ? a << 8 | b : b << 8 | a;
		n += utf8_put(c >= 0xd800 && c < 0xe000 ? ' ' : c, out + n);
	}
	return n;
}

size_t read_hex(struct bytes word, uint8_t *out, size_t room)
{
	size_t n = 0;
	if (word.n < 6 || word.n % 2)
		return 0;
	for (size_t i = 0; i < word.n && n < room; i += 2) {
		int b = hex_byte(word, i);
		if (b < 0)
			return 0;
		out[n++] = (uint8_t)b;
	}
	return n;
}

static int base64_digit(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_digit(c))
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

size_t read_base64(struct bytes word, uint8_t *out, size_t room)
{
	size_t n = 0;
	uint32_t bits = 0;
	unsigned have = 0;
	bool upper = false, lower = false;
	for (size_t i = 0; i < word.n && n < room; i++) {
		int c = word.p[i], digit = base64_digit(c);
		if (digit < 0)
			return 0;
		upper |= c >= 'A' && c <= 'Z';
		lower |= c >= 'a' && c <= 'z';
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8)
			out[n++] = (uint8_t)(bits >> (have -= 8));
	}
	return upper && lower ? n : 0;
}

/* ---- RFC 3492 ---------------------------------------------------------------------------- */

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, FIRST_BIAS = 72, FIRST_N = 128, LABEL = 63 };

/* Section 6.1. */
static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;
	delta = first ? delta / DAMP : delta / 2;
	for (delta += delta / points; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
		delta /= BASE - T_MIN;
	return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static int puny_digit(int c)
{
	if (ascii_digit(c))
		return c - '0' + 26;
	return ascii_alpha(c) ? ascii_lower((uint8_t)c) - 'a' : -1;
}

/* The generalized variable-length integer at *at, added to *i (section 3.3); false: none, or too big. */
static bool puny_delta(struct bytes t, size_t *at, uint32_t bias, uint32_t *i)
{
	uint64_t weight = 1, sum = *i;
	for (uint32_t k = BASE;; k += BASE) {
		int digit = puny_digit(bytes_at(t, (*at)++));
		if (digit < 0 || weight > UINT32_MAX)
			return false;
		sum += (uint64_t)digit * weight;
		uint32_t least = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
		if (sum > UINT32_MAX)
			return false;
		if ((uint32_t)digit < least)
			break;
		weight *= BASE - least;
	}
	*i = (uint32_t)sum;
	return true;
}

size_t read_punycode(struct bytes label, uint8_t *out, size_t room)
{
	uint32_t point[LABEL], n = 0, i = 0, code = FIRST_N, bias = FIRST_BIAS;
	size_t written = 0, at = 0;
	if (!bytes_startsi(label, "xn--") || label.n > LABEL)
		return 0;
	label = bytes_from(label, 4);
	for (size_t b = label.n; b > 0 && at == 0; b--)
		if (label.p[b - 1] == '-')
			at = b;
	for (size_t b = 0; b + 1 < at; b++)
		point[n++] = label.p[b];
	while (at < label.n && n < LABEL) {
		uint32_t before = i;
		if (!puny_delta(label, &at, bias, &i))
			return 0;
		n++;
		bias = adapt(i - before, n, before == 0);
		if (i / n > 0x10ffff - code)
			return 0;
		code += i / n;
		i %= n;
		memmove(point + i + 1, point + i, (n - 1 - i) * sizeof *point);
		point[i++] = code;
	}
	for (uint32_t p = 0; p < n && written + 4 <= room; p++)
		written += utf8_put(point[p], out + written);
	return written;
}
