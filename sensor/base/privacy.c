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

/* One character in canonical form; gives its bytes. HL7 says M\xfcller (ISO 8859-1) of whom a DHCP client's
 * name m\xc3\xbcller-pc is: a byte of no UTF-8 sequence is taken for Latin-1, and all alphabets are folded.
 */
static size_t canonical(uint32_t c, uint8_t out[4])
{
	c = utf8_fold(c >= UTF8_RAW ? c - UTF8_RAW : c);
	if (c < 0x80) {
		out[0] = ascii_upper((uint8_t)c);
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(0xf00 >> n | c);
	return n;
}

struct pseudonym privacy_pseudonym(const struct privacy_key *k, struct bytes value)
{
	SHA256_CTX c;
	uint8_t sum[SHA256_DIGEST_LENGTH], upper[64];
	struct pseudonym out;
	value = bytes_trim(value);
	SHA256_Init(&c);
	SHA256_Update(&c, k->inner, sizeof k->inner);
	while (value.n) {
		size_t n = 0;
		while (value.n && n + 4 <= sizeof upper)
			n += canonical(utf8_next(&value), upper + n);
		SHA256_Update(&c, upper, n);
	}
	SHA256_Final(sum, &c);
	SHA256_Init(&c);
	SHA256_Update(&c, k->outer, sizeof k->outer);
	SHA256_Update(&c, sum, sizeof sum);
	SHA256_Final(sum, &c);
	memcpy(out.b, sum, sizeof out.b);
	explicit_bzero(upper, sizeof upper);
	explicit_bzero(&c, sizeof c);
	return out;
}

static bool in_token(uint8_t c)
{
	return ascii_alnum(c) || c >= 0x80;
}

struct bytes privacy_token(struct bytes text, size_t *at)
{
	while (*at < text.n) {
		size_t from = *at;
		while (from < text.n && !in_token(text.p[from]))
			from++;
		size_t to = from;
		while (to < text.n && in_token(text.p[to]))
			to++;
		*at = to;
		if (to - from >= 3)
			return bytes_sub(text, from, to - from);
	}
	return (struct bytes){ 0 };
}
