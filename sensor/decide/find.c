#include "decide/find.h"

#include "base/utf8.h"
#include "decide/readings.h"
#include "decide/shapes.h"

#include <stdlib.h>

enum {
	PART_LETTERS = 3, /* shortest part of a word that is looked up: privacy_token's three */
	PART_DIGITS = 4,
	EDGE_MIN = 5, /* shortest and longest name looked for at the edges of a word: each costs a hash */
	EDGE_MAX = 20,
	CODED_MIN = 4,  /* shortest word believed where most readings are noise */
	NUMBER_MIN = 5, /* shortest identifier that cannot be a product's number by chance */
	PRODUCT_WORDS = 64,
	JOINED_MAX = 24, /* longest word in which two names are looked for */
};

struct find {
	const struct known *known;
	uint8_t hit[FIND_MAX], read[FIND_MAX], wide[FIND_MAX];
};

struct find *find_new(const struct known *k)
{
	struct find *f = calloc(1, sizeof *f);
	if (f)
		f->known = k;
	return f;
}

void find_free(struct find *f)
{
	free(f);
}

/* ---- words ------------------------------------------------------------------------------- */

enum kind { KIND_OTHER, KIND_DIGIT, KIND_LOWER, KIND_UPPER };

static enum kind kind_of(uint8_t c)
{
	if (ascii_digit(c))
		return KIND_DIGIT;
	if (c >= 'a' && c <= 'z')
		return KIND_LOWER;
	return c >= 'A' && c <= 'Z' ? KIND_UPPER : KIND_OTHER;
}

/* Where the part that begins at `from` ends: between letters and digits, and before the capital of the next
 * word in JohnSmith. */
static size_t part_end(struct bytes word, size_t from, bool split_case)
{
	size_t to = from + 1;
	for (; to < word.n; to++) {
		enum kind a = kind_of(word.p[to - 1]), b = kind_of(word.p[to]);
		if ((a == KIND_DIGIT) != (b == KIND_DIGIT) ||
			(split_case && a == KIND_LOWER && b == KIND_UPPER))
			break;
	}
	return to;
}

/* The next part of the word; *at is 0 at first. Empty at the end. */
static struct bytes next_part(struct bytes word, size_t *at, bool split_case)
{
	size_t from = *at;
	if (from >= word.n)
		return (struct bytes){ 0 };
	*at = part_end(word, from, split_case);
	return bytes_sub(word, from, *at - from);
}

static bool part_is_known(const struct find *f, struct bytes part, bool whole)
{
	bool number = ascii_digit(part.p[0]);
	if (part.n < (number ? PART_DIGITS : PART_LETTERS))
		return false;
	if (!whole && known_word(f->known, part))
		return true;
	for (size_t n = EDGE_MIN; !number && n < part.n && n <= EDGE_MAX; n++)
		if (known_word(f->known, bytes_first(part, n)) ||
			known_word(f->known, bytes_from(part, part.n - n)))
			return true;
	return false;
}

static bool word_is_known(const struct find *f, struct bytes word)
{
	if (known_word(f->known, word))
		return true;
	for (unsigned split_case = 0; split_case < 2; split_case++) {
		struct bytes part;
		for (size_t at = 0; (part = next_part(word, &at, split_case)).n;)
			if (part_is_known(f, part, part.n == word.n))
				return true;
	}
	return false;
}

static void set_hit(uint8_t *hit, struct bytes text, struct bytes part)
{
	memset(hit + (part.p - text.p), 1, part.n);
}

/* In characters that cannot be compared: of another set than the names, or when names were in one. */
static bool is_unreadable(const struct find *f, struct bytes word)
{
	while (word.n) {
		uint32_t c = utf8_next(&word);
		if (c >= UTF8_RAW || (c >= 0x80 && known_unread(f->known)))
			return true;
	}
	return false;
}

static void mark_unreadable(const struct find *f, struct bytes text, uint8_t *hit)
{
	struct bytes word;
	if (!known_any(f->known))
		return;
	for (size_t at = 0; (word = privacy_token(text, &at)).n > 0;)
		if (is_unreadable(f, word))
			set_hit(hit, text, word);
	if (bytes_chr(text, 0, 0x1b) < text.n) /* ISO 2022: letters of ASCII may be others' halves */
		memset(hit, 1, text.n);
}

static bool is_joint(struct bytes t, size_t at)
{
	return at == 0 || at == t.n || !ascii_alnum(t.p[at - 1]) || !ascii_alnum(t.p[at]);
}

/* What was typed at a login, where it stands between signs or blanks; signs inside it are its own. */
static void mark_typed(const struct find *f, struct bytes text, uint8_t *hit)
{
	uint64_t lengths = known_typed_lengths(f->known);
	for (size_t from = 0; lengths && from < text.n; from++) {
		if (!is_joint(text, from) || text.p[from] == ' ')
			continue;
		for (uint64_t left = lengths; left; left &= left - 1) {
			struct bytes part = bytes_sub(text, from, (size_t)__builtin_ctzll(left));
			if (is_joint(text, from + part.n) && part.n && text.p[from + part.n - 1] != ' ' &&
				known_typed(f->known, part))
				set_hit(hit, text, part);
		}
	}
}

static bool is_phone_joint(int c)
{
	return c >= 0 && memchr(" -./()", c, 6) != NULL;
}

/* The end of the digits from `at` on, few signs between them; *d takes the last seven. */
static size_t phone_end(struct bytes t, size_t at, uint8_t d[7], size_t *n)
{
	size_t end = at;
	for (unsigned joints = 0; joints < 3; at++) {
		int c = bytes_at(t, at);
		if (ascii_digit(c)) {
			memmove(d, d + 1, 6);
			d[6] = (uint8_t)c;
			++*n;
			end = at + 1;
			joints = 0;
		} else if (is_phone_joint(c)) {
			joints++;
		} else {
			break;
		}
	}
	return end;
}

static void mark_phones(const struct find *f, struct bytes text, uint8_t *hit)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t d[7];
		size_t n = 0;
		if (!ascii_digit(text.p[i]))
			continue;
		size_t end = phone_end(text, i, d, &n);
		if (n >= sizeof d && known_number(f->known, bytes_of(d, sizeof d)))
			memset(hit + i, 1, end - i);
		i = end;
	}
}

static bool in_run(struct bytes t, size_t at)
{
	return ascii_alnum(bytes_at(t, at)) || bytes_at(t, at) >= 0x80;
}

/* Two words side by side of which one is too short to be known alone: Ng Bo. */
static void mark_short_names(const struct find *f, struct bytes text, uint8_t *hit)
{
	uint8_t joined[JOINED_MAX];
	struct bytes before = { 0 };
	for (size_t at = 0, from; at < text.n; at++) {
		for (from = at; in_run(text, at); at++)
			;
		struct bytes word = bytes_sub(text, from, at - from);
		bool is_short = before.n && word.n && (before.n < PART_LETTERS || word.n < PART_LETTERS);
		size_t n = before.n + word.n;
		if (is_short && n >= CODED_MIN && n <= sizeof joined) {
			bytes_copy(joined, sizeof joined, before);
			bytes_copy(joined + before.n, sizeof joined - before.n, word);
			if (known_word(f->known, bytes_of(joined, n)))
				memset(hit + (before.p - text.p), 1, at - (size_t)(before.p - text.p));
		}
		if (word.n)
			before = word;
	}
}

static void mark_suspect(const struct find *f, struct bytes text, uint8_t *hit)
{
	shapes_mark(text, hit);
	if (!known_any(f->known))
		return;
	if (known_value(f->known, text))
		memset(hit, 1, text.n);
	struct bytes word;
	for (size_t at = 0; (word = privacy_token(text, &at)).n > 0;)
		if (!hit[word.p - text.p] && word_is_known(f, word))
			set_hit(hit, text, word);
	mark_phones(f, text, hit);
	mark_short_names(f, text, hit);
}

/* ---- texts of products -------------------------------------------------------------------- */

static bool is_number(struct bytes word)
{
	bool any = false;
	for (size_t i = 0; i < word.n; i++)
		any |= ascii_digit(word.p[i]);
	return any && word.n >= NUMBER_MIN;
}

/* The words of a text, and the parts they are made of. */
struct words {
	unsigned n;
	struct bytes word[PRODUCT_WORDS];
	struct pseudonym name[PRODUCT_WORDS];
};

static void words_add(const struct find *f, struct words *w, struct bytes word)
{
	if (word.n < PART_LETTERS || ascii_digit(word.p[0]))
		return;
	w->word[w->n] = word;
	w->name[w->n++] = known_pseudonym(f->known, word);
}

/* DorotheaHaverkamp, and haverkampdorothea. False: more words than are looked at. */
static bool words_of(const struct find *f, struct words *w, struct bytes text)
{
	struct bytes word, part;
	w->n = 0;
	for (size_t at = 0; (word = privacy_token(text, &at)).n > 0;) {
		if (w->n + word.n > PRODUCT_WORDS)
			return false;
		words_add(f, w, word);
		for (size_t p = 0; (part = next_part(word, &p, true)).n;)
			if (part.n < word.n)
				words_add(f, w, part);
	}
	return true;
}

static bool is_joined_pair(const struct find *f, struct bytes word)
{
	for (size_t n = PART_LETTERS; word.n <= JOINED_MAX && n + PART_LETTERS <= word.n; n++) {
		struct pseudonym a = known_pseudonym(f->known, bytes_first(word, n)),
				 b = known_pseudonym(f->known, bytes_from(word, n));
		if (known_pair(f->known, &a, &b))
			return true;
	}
	return false;
}

static void mark_names(const struct find *f, const struct words *w, struct bytes text, uint8_t *hit)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (is_joined_pair(f, w->word[i]))
			set_hit(hit, text, w->word[i]);
		for (unsigned j = 0; j < i; j++)
			if (known_pair(f->known, &w->name[i], &w->name[j])) {
				set_hit(hit, text, w->word[i]);
				set_hit(hit, text, w->word[j]);
			}
	}
}

/* A date's digits in the order YYYYMMDD; false: they are none. */
static bool date_digits(struct bytes d, unsigned order, uint8_t out[8])
{
	static const uint8_t from[3][8] = { { 0, 1, 2, 3, 4, 5, 6, 7 }, { 4, 5, 6, 7, 2, 3, 0, 1 },
		{ 4, 5, 6, 7, 0, 1, 2, 3 } };
	for (size_t i = 0; i < 8; i++) {
		int c = bytes_at(d, from[order][i]);
		if (d.n != 8 || !ascii_digit(c))
			return false;
		out[i] = (uint8_t)c;
	}
	return true;
}

/* Eight digits in three groups, the year's four first or last, or in one; a one-digit day is filled up. */
static size_t read_date(struct bytes text, size_t at, uint8_t out[8])
{
	size_t n = 0;
	for (unsigned group = 0; group < 3; group++) {
		size_t from = at;
		while (ascii_digit(bytes_at(text, at)))
			at++;
		size_t have = at - from;
		if (have == 0 || n + (have == 1 ? 2 : have) > 8)
			return 0;
		if (have == 1)
			out[n++] = '0';
		n += bytes_copy(out + n, 8 - n, bytes_sub(text, from, have));
		if (n == 8)
			return at;
		if (bytes_at(text, at) < 0 || ascii_alnum(bytes_at(text, at)))
			return 0;
		at++;
	}
	return 0;
}

static void mark_birth_dates(const struct find *f, struct bytes text, uint8_t *hit)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t d[8], date[8];
		if (!ascii_digit(text.p[i]) || (i && ascii_digit(text.p[i - 1])))
			continue;
		size_t end = read_date(text, i, d);
		for (unsigned order = 0; end && order < 3; order++)
			if (date_digits(bytes_of(d, 8), order, date) &&
				known_number(f->known, bytes_of(date, 8)))
				memset(hit + i, 1, end - i);
	}
}

static void mark_product(const struct find *f, struct bytes text, uint8_t *hit)
{
	struct words words;
	struct bytes word, part;
	if (!known_any(f->known))
		return;
	if (!words_of(f, &words, text)) {
		mark_suspect(f, text, hit);
		return;
	}
	mark_names(f, &words, text, hit);
	mark_short_names(f, text, hit);
	mark_birth_dates(f, text, hit);
	if (is_number(bytes_trim(text)) && known_number(f->known, text))
		memset(hit, 1, text.n);
	for (size_t at = 0; (word = privacy_token(text, &at)).n > 0;) {
		if (is_number(word) && known_number(f->known, word))
			set_hit(hit, text, word);
		for (size_t p = 0; (part = next_part(word, &p, false)).n;)
			if (is_number(part) && known_number(f->known, part))
				set_hit(hit, text, part);
	}
}

/* ---- texts in code ------------------------------------------------------------------------ */

static void mark_plain(const struct find *f, bool product, struct bytes text, uint8_t *hit)
{
	(product ? mark_product : mark_suspect)(f, text, hit);
	mark_typed(f, text, hit);
}

/* Does the reading of n bytes in f->read name someone? */
static bool reading_tells(struct find *f, bool product, size_t n)
{
	struct bytes read = bytes_of(f->read, n);
	memset(f->hit, 0, n);
	mark_plain(f, product, read, f->hit);
	return bytes_chr(bytes_of(f->hit, n), 0, 1) < n;
}

/* The same of what is most often noise: whole words only, and a name's or number's. */
static bool noise_tells(struct find *f, size_t n)
{
	struct bytes read = bytes_of(f->read, n), word;
	if (n == 0 || !known_any(f->known))
		return false;
	memset(f->hit, 0, n);
	mark_typed(f, read, f->hit);
	bool tells = bytes_chr(bytes_of(f->hit, n), 0, 1) < n;
	for (size_t at = 0; !tells && (word = privacy_token(read, &at)).n > 0;)
		tells = word.n >= CODED_MIN && known_word(f->known, word);
	return tells;
}

static bool in_coded(int c)
{
	return ascii_alnum(c) || c == '+' || c == '/' || c == '-' || c == '_';
}

/* Hexadecimal and Base64; also of UTF-16. */
static bool coded_tells(struct find *f, struct bytes word)
{
	for (unsigned way = 0; way < 2; way++) {
		size_t n = (way ? read_base64 : read_hex)(word, f->read, sizeof f->read);
		if (noise_tells(f, n))
			return true;
		size_t n_wide = read_utf16(bytes_of(f->read, n), f->wide, sizeof f->wide);
		bytes_copy(f->read, sizeof f->read, bytes_of(f->wide, n_wide));
		if (noise_tells(f, n_wide))
			return true;
	}
	return false;
}

static void mark_coded_words(struct find *f, struct bytes text, uint8_t *hit)
{
	struct bytes word;
	for (size_t at = 0; (word = privacy_token(text, &at)).n > 0;)
		if (word.n >= 6 && coded_tells(f, word))
			set_hit(hit, text, word);
	/* Base64's signs are no letters. */
	for (size_t i = 0, end; i < text.n; i = end + 1) {
		bool joined = false;
		for (end = i; end < text.n && in_coded(text.p[end]); end++)
			joined |= !ascii_alnum(text.p[end]);
		if (joined && end - i >= 6 && coded_tells(f, bytes_sub(text, i, end - i)))
			memset(hit + i, 1, end - i);
	}
}

static void mark_punycode(struct find *f, struct bytes text, uint8_t *hit)
{
	for (size_t i = 0, end; i + 4 < text.n; i = end) {
		end = i + 1;
		if (!bytes_startsi(bytes_from(text, i), "xn--"))
			continue;
		while (end < text.n && (ascii_alnum(text.p[end]) || text.p[end] == '-'))
			end++;
		size_t n = read_punycode(bytes_sub(text, i, end - i), f->read, sizeof f->read);
		if (n == 0 || known_unread(f->known) || reading_tells(f, false, n))
			memset(hit + i, 1, end - i);
	}
}

static void mark_coded(struct find *f, bool product, struct bytes text, uint8_t *hit)
{
	size_t n = read_percent(text, f->read, sizeof f->read);
	bool tells = n && reading_tells(f, product, n);
	n = read_utf16(text, f->read, sizeof f->read);
	if (tells || (n && reading_tells(f, product, n)))
		memset(hit, 1, text.n);
	if (!known_any(f->known))
		return;
	mark_coded_words(f, text, hit);
	mark_punycode(f, text, hit);
}

void find_mark(struct find *f, bool product, struct bytes text, uint8_t *hit)
{
	mark_plain(f, product, text, hit);
	mark_unreadable(f, text, hit);
	mark_coded(f, product, text, hit);
}
