#include "base/privacy.h"

#include "base/utf8.h"

#include <openssl/sha.h>

static const char *const names[][2] = {
#define PHI(id, name, words) { name, words },
#include "base/privacy.def"
#undef PHI
};

const char *phi_name(enum privacy p)
{
	return privacy_is_phi(p) ? names[p - PHI_NONE - 1][0] : "";
}

const char *phi_words(enum privacy p)
{
	return privacy_is_phi(p) ? names[p - PHI_NONE - 1][1] : "";
}

enum privacy phi_by_name(struct bytes name)
{
	for (unsigned i = 0; i < PHI_CLASSES; i++)
		if (bytes_is(name, names[i][0]))
			return (enum privacy)(PHI_NONE + 1 + i);
	return PHI_NONE;
}

void privacy_key_init(struct privacy_key *k, struct bytes secret, bool from_file)
{
	uint8_t key[64] = { 0 };
	if (secret.n > sizeof key)
		SHA256(secret.p, secret.n, key);
	else if (secret.n)
		memcpy(key, secret.p, secret.n);
	for (size_t i = 0; i < sizeof key; i++) {
		k->inner[i] = key[i] ^ 0x36;
		k->outer[i] = key[i] ^ 0x5c;
	}
	k->from_file = from_file;
	explicit_bzero(key, sizeof key);
}

/* A DHCP client's name may be m\xfcller-pc (ISO 8859-1) or m\xc3\xbcller-pc: a byte of no UTF-8 sequence is
 * taken for Latin-1, and all alphabets are folded. */
static uint32_t folded(uint32_t c)
{
	return utf8_fold(c >= UTF8_RAW ? c - UTF8_RAW : c);
}

static uint32_t upper(uint32_t c)
{
	return c < 0x80 ? ascii_upper((uint8_t)c) : c;
}

struct hmac {
	SHA256_CTX c;
	size_t n;
	uint8_t b[64]; /* not yet hashed */
};

static void hmac_begin(struct hmac *h, const struct privacy_key *k)
{
	SHA256_Init(&h->c);
	SHA256_Update(&h->c, k->inner, sizeof k->inner);
	h->n = 0;
}

static void hmac_char(struct hmac *h, uint32_t c)
{
	h->n += utf8_put(c, h->b + h->n);
	if (h->n + 4 > sizeof h->b) {
		SHA256_Update(&h->c, h->b, h->n);
		h->n = 0;
	}
}

static struct pseudonym hmac_end(struct hmac *h, const struct privacy_key *k)
{
	uint8_t sum[SHA256_DIGEST_LENGTH];
	struct pseudonym out;
	SHA256_Update(&h->c, h->b, h->n);
	SHA256_Final(sum, &h->c);
	SHA256_Init(&h->c);
	SHA256_Update(&h->c, k->outer, sizeof k->outer);
	SHA256_Update(&h->c, sum, sizeof sum);
	SHA256_Final(sum, &h->c);
	memcpy(out.b, sum, sizeof out.b);
	explicit_bzero(h, sizeof *h);
	return out;
}

struct pseudonym privacy_pseudonym(const struct privacy_key *k, struct bytes value)
{
	struct hmac h;
	hmac_begin(&h, k);
	for (value = bytes_trim(value); value.n;)
		hmac_char(&h, upper(folded(utf8_next(&value))));
	return hmac_end(&h, k);
}

/* The letter without its accent; 0: a combining accent, which goes. */
static uint32_t plain(uint32_t c)
{
	static const struct {
		uint32_t first;
		const char *letters;
	} rows[] = {
#define LETTERS(first, text) { first, text },
#include "base/letters.def"
	};
	if (c >= 0x300 && c < 0x370)
		return 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int letter = bytes_at(bytes_str(rows[i].letters), c - rows[i].first);
		if (c >= rows[i].first && letter >= 'a')
			return (uint32_t)letter;
	}
	return c;
}

/* Where ä, ö, ü, ø, å and ß cannot be written, ae, oe, ue, oe, aa and ss are, or the bare letter: both sides
 * lose the second one. */
static bool is_filler(uint32_t before, uint32_t c)
{
	return (c == 'e' && (before == 'a' || before == 'o' || before == 'u')) ||
	       (c == before && (c == 'a' || c == 's'));
}

struct pseudonym privacy_word(const struct privacy_key *k, struct bytes word)
{
	struct hmac h;
	uint32_t before = 0;
	hmac_begin(&h, k);
	while (word.n) {
		uint32_t c = folded(utf8_next(&word));
		c = c < 0x80 ? c : plain(c);
		if (c == 0 || is_filler(before, c))
			continue;
		hmac_char(&h, upper(c));
		before = c;
	}
	return hmac_end(&h, k);
}

/* Latin-1's signs, General Punctuation (the apostrophe of O'Brien, curly), CJK blank and stops. */
static bool is_punctuation(uint32_t c)
{
	return (c >= 0x80 && c < 0xc0 && c != 0xaa && c != 0xb5 && c != 0xba) ||
	       (c >= 0x2000 && c < 0x2070) || (c >= 0x3000 && c < 0x3003) || c == 0xff0c || c == 0xff1d ||
	       c == 0xff3e;
}

/* Bytes of the character at `at` if it belongs to a token. */
static size_t in_token(struct bytes text, size_t at)
{
	if (text.p[at] < 0x80)
		return ascii_alnum(text.p[at]);
	struct bytes rest = bytes_from(text, at);
	size_t n = rest.n;
	return is_punctuation(utf8_next(&rest)) ? 0 : n - rest.n;
}

struct bytes privacy_token(struct bytes text, size_t *at)
{
	while (*at < text.n) {
		size_t from = *at, n;
		while (from < text.n && !in_token(text, from))
			from++;
		size_t to = from;
		while (to < text.n && (n = in_token(text, to)) > 0)
			to += n;
		*at = to;
		if (to - from >= 3)
			return bytes_sub(text, from, to - from);
	}
	return (struct bytes){ 0 };
}
