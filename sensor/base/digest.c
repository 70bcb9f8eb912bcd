#include "base/digest.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

void md5_hex(struct bytes in, char out[33])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[16];
	MD5(in.p, in.n, sum);
	for (unsigned i = 0; i < 16; i++) {
		out[2 * i] = digits[sum[i] >> 4];
		out[2 * i + 1] = digits[sum[i] & 15];
	}
	out[32] = 0;
}

void sha1_of(struct bytes in, uint8_t out[20])
{
	SHA_CTX c;
	SHA1_Init(&c);
	SHA1_Update(&c, in.p, in.n);
	SHA1_Final(out, &c);
}

void sha256_of(struct bytes in, uint8_t out[32])
{
	SHA256_CTX c;
	SHA256_Init(&c);
	SHA256_Update(&c, in.p, in.n);
	SHA256_Final(out, &c);
}

void base32hex(struct bytes in, unsigned bits, char *out)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
	for (unsigned at = 0; at < bits; at += 5) {
		unsigned v = 0;
		for (unsigned i = at; i < at + 5; i++) {
			int byte = bytes_at(in, i / 8);
			v = v << 1 | (i < bits && byte >= 0 ? (unsigned)byte >> (7 - i % 8) & 1 : 0);
		}
		*out++ = digits[v];
	}
	*out = 0;
}

void base64_of(struct bytes in, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < in.n; i += 3) {
		int b1 = bytes_at(in, i + 1), b2 = bytes_at(in, i + 2);
		unsigned v = (unsigned)in.p[i] << 16 | (b1 < 0 ? 0 : (unsigned)b1 << 8) |
			     (b2 < 0 ? 0 : (unsigned)b2);
		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = b1 < 0 ? '=' : digits[v >> 6 & 63];
		*out++ = b2 < 0 ? '=' : digits[v & 63];
	}
	*out = 0;
}
