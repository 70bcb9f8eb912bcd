#include "base/hash.h"

static inline uint64_t rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t n)
{
	uint64_t v[4] = { k->k0 ^ 0x736f6d6570736575u, k->k1 ^ 0x646f72616e646f6du,
		k->k0 ^ 0x6c7967656e657261u, k->k1 ^ 0x7465646279746573u };
	const uint8_t *b = p;
	size_t whole = n & ~(size_t)7;
	uint64_t m;
	for (size_t i = 0; i < whole; i += 8) {
		memcpy(&m, b + i, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)n << 56;
	for (size_t i = whole; i < n; i++)
		m |= (uint64_t)b[i] << 8 * (i - whole);
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
