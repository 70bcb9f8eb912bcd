#include "decide/shapes.h"

enum { NUMBER_DIGITS = 6 };

static void mark(uint8_t *hit, size_t from, size_t to)
{
	if (to > from)
		memset(hit + from, 1, to - from);
}

static bool digit_at(struct bytes t, size_t i)
{
	return ascii_digit(bytes_at(t, i));
}

/* A letter of any alphabet in any 8-bit or UTF-8 encoding. */
static bool letter_at(struct bytes t, size_t i)
{
	int c = bytes_at(t, i);
	return ascii_alpha(c) || c >= 0x80;
}

static size_t digits_end(struct bytes t, size_t i)
{
	while (digit_at(t, i))
		i++;
	return i;
}

static size_t letters_end(struct bytes t, size_t i)
{
	while (letter_at(t, i))
		i++;
	return i;
}

static unsigned number(struct bytes t, size_t from, size_t to)
{
	unsigned v = 0;
	for (; from < to && v < 100000; from++)
		v = v * 10 + (unsigned)(t.p[from] - '0');
	return v;
}

static bool is_day_month(unsigned a, unsigned b)
{
	return a >= 1 && b >= 1 && ((a <= 12 && b <= 31) || (a <= 31 && b <= 12));
}

static bool is_year(unsigned y)
{
	return y >= 1850 && y < 2100;
}

/* Three groups of digits with one separator; returns the end of what has to be masked, or 0. */
static size_t three_groups(struct bytes t, size_t from)
{
	size_t a = digits_end(t, from), b = digits_end(t, a + 1), c = digits_end(t, b + 1);
	int sep = bytes_at(t, a);
	if (b == a + 1 || c == b + 1 || sep < 0 || !memchr("-./_ ", sep, 5) || bytes_at(t, b) != sep)
		return 0;
	size_t n1 = a - from, n2 = b - a - 1, n3 = c - b - 1;
	unsigned v1 = number(t, from, a), v2 = number(t, a + 1, b), v3 = number(t, b + 1, c);
	if (sep == '-' && n1 == 3 && n2 == 2 && n3 == 4)
		return c; /* a social security number */
	/* A fourth group makes it an address or a version. */
	if (bytes_at(t, c) == sep && digit_at(t, c + 1))
		return 0;
	if (n1 == 4 && n2 <= 2 && n3 <= 2)
		return is_year(v1) && is_day_month(v2, v3) ? c : 0;
	if (n1 <= 2 && n2 <= 2 && n3 == 4)
		return is_year(v3) && is_day_month(v1, v2) ? c : 0;
	return n1 == 2 && n2 == 2 && n3 == 2 && (is_day_month(v1, v2) || is_day_month(v2, v3)) ? c : 0;
}

/* A MAC address, in any spelling that separates its six bytes: its pairs of digits are no date. */
static size_t mac_end(struct bytes t, size_t from)
{
	int sep = bytes_at(t, from + 2);
	bool joined = from > 0 && (ascii_alnum(t.p[from - 1]) || t.p[from - 1] == sep);
	if ((sep != '-' && sep != ':') || joined)
		return 0;
	for (size_t i = 0; i < 17; i++) {
		int c = bytes_at(t, from + i);
		if (i % 3 == 2 ? c != sep
			       : !(ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
			return 0;
	}
	int next = bytes_at(t, from + 17);
	return next == sep || ascii_alnum(next) ? 0 : from + 17;
}

static void mark_digits(struct bytes t, uint8_t *hit)
{
	for (size_t i = 0, end; i < t.n; i = end) {
		end = mac_end(t, i);
		if (end)
			continue;
		end = i + 1;
		if (!digit_at(t, i))
			continue;
		end = digits_end(t, i);
		if (end - i >= NUMBER_DIGITS)
			mark(hit, i, end);
		/* Groups before this one would have made one shape with it. */
		bool inside = i >= 2 && digit_at(t, i - 2) && (t.p[i - 1] == '.' || t.p[i - 1] == ':');
		mark(hit, i, inside ? 0 : three_groups(t, i));
	}
}

static bool is_month(struct bytes word)
{
	static const char *const months[] = { "january", "february", "march", "april", "may", "june", "july",
		"august", "september", "october", "november", "december" };
	for (size_t i = 0; word.n >= 3 && i < 12; i++)
		if (bytes_eqi(word, bytes_first(bytes_str(months[i]), word.n)))
			return true;
	return false;
}

static bool is_joint(int c)
{
	return c == ' ' || c == '-' || c == '.' || c == ',' || c == '/' || c == '_';
}

static size_t skip_joints(struct bytes t, size_t i)
{
	for (unsigned n = 0; n < 2 && is_joint(bytes_at(t, i)); n++)
		i++;
	return i;
}

/* 12 Mar 1975, 12-MAR-75, 12MAR1975, March 12, 1975, 1975-Mar-12. */
static void mark_month(struct bytes t, size_t from, size_t end, uint8_t *hit)
{
	size_t start = from, after = skip_joints(t, end), stop = digits_end(t, after);
	for (unsigned n = 0; n < 2 && start > 0 && is_joint(t.p[start - 1]); n++)
		start--;
	size_t day = start;
	while (day > 0 && ascii_digit(t.p[day - 1]))
		day--;
	bool day_before = start - day == 1 || start - day == 2;
	bool year_before = start - day == 4 && stop > after && stop - after <= 2; /* 1975 March 12 */
	if (year_before || (day_before && (stop - after == 4 || stop - after == 2))) {
		mark(hit, day, stop);
	} else if (stop > after && stop - after <= 2) {
		size_t year = skip_joints(t, stop);
		if (digits_end(t, year) - year == 4)
			mark(hit, from, year + 4);
	}
}

static bool ends_name(int c)
{
	return c < 0x20 || memchr("|,;:\"'<>()[]{}=/\\&~@", c, 20) != NULL;
}

/* Last^First: all that hangs together with the caret, blanks included. */
static void mark_carets(struct bytes t, uint8_t *hit)
{
	for (size_t at = bytes_chr(t, 0, '^'), to; at < t.n; at = bytes_chr(t, to, '^')) {
		size_t from = at;
		to = at + 1;
		while (from > 0 && !ends_name(t.p[from - 1]))
			from--;
		while (to < t.n && !ends_name(t.p[to]))
			to++;
		bool text = false;
		for (size_t i = from; i < to; i++)
			text = text || letter_at(t, i) || digit_at(t, i);
		if (text)
			mark(hit, from, to);
	}
}

static bool in_name(struct bytes t, size_t i)
{
	int c = bytes_at(t, i);
	return letter_at(t, i) || c == '\'' || c == '-';
}

/* The words that end at `to`, or begin at `from`, one blank between them: van der Berg. */
static size_t words_start(struct bytes t, size_t to)
{
	size_t i = to;
	while (i > 0 && (in_name(t, i - 1) || (t.p[i - 1] == ' ' && i < to && i > 1 && in_name(t, i - 2))))
		i--;
	return i;
}

static size_t words_end(struct bytes t, size_t from)
{
	size_t i = from;
	while (in_name(t, i) || (bytes_at(t, i) == ' ' && i > from && in_name(t, i + 1)))
		i++;
	return i;
}

/* A firm's or a version's word beside the comma: "Cisco Systems, Inc.", "12.2(44)SE, RELEASE SOFTWARE". */
static bool is_product_word(struct bytes word)
{
	static const char *const words[] = { "inc", "incorporated", "ltd", "limited", "llc", "gmbh", "ag",
		"kg", "corp", "corporation", "co", "company", "plc", "release", "version", "software",
		"firmware", "revision", "build", "model", "copyright" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (bytes_eqi(word, bytes_str(words[i])))
			return true;
	return false;
}

/* Is there something before a name that makes it the end of a number, SE in 12.2(44)SE? */
static bool is_number_before(struct bytes t, size_t from)
{
	int c = from ? bytes_at(t, from - 1) : -1;
	return ascii_digit(c) || c == ')' || c == ']';
}

static bool is_name_head(struct bytes t, size_t from, size_t to)
{
	return to - from >= 2 && letter_at(t, from);
}

/* "Last, First": words of letters, hyphens and apostrophes. Not "CN=a, OU=b", not where a digit or bracket
 * hangs on one of them, and no firm's or version's words at the comma. */
static void mark_comma_names(struct bytes t, uint8_t *hit)
{
	for (size_t at = bytes_chr(t, 0, ','); at < t.n; at = bytes_chr(t, at + 1, ',')) {
		size_t from = words_start(t, at), right = at + 1;
		while (bytes_at(t, right) == ' ')
			right++;
		size_t to = words_end(t, right), last = at, first = right;
		while (last > from && t.p[last - 1] != ' ')
			last--;
		while (first < to && t.p[first] != ' ')
			first++;
		int next = bytes_at(t, to);
		if (is_name_head(t, from, at) && is_name_head(t, right, to) && next != '=' &&
			!ascii_digit(next) && !is_number_before(t, from) &&
			!is_product_word(bytes_sub(t, last, at - last)) &&
			!is_product_word(bytes_sub(t, right, first - right)))
			mark(hit, from, to);
	}
}

void shapes_mark(struct bytes text, uint8_t *hit)
{
	mark_digits(text, hit);
	for (size_t i = 0, end; i < text.n; i = end) {
		end = letter_at(text, i) ? letters_end(text, i) : i + 1;
		if (is_month(bytes_sub(text, i, end - i)))
			mark_month(text, i, end, hit);
	}
	mark_carets(text, hit);
	mark_comma_names(text, hit);
}
