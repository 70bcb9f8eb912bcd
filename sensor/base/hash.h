/* hash: a keyed 64-bit hash for tables whose keys come from the wire (SipHash-1-3, Aumasson and Bernstein
 * 2012): who does not know the seed cannot aim for one bucket. Any thread. */
#ifndef WW_BASE_HASH_H
#define WW_BASE_HASH_H

#include "base/bytes.h"

struct hash_key {
	uint64_t k0, k1;
};

uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t n);

#endif
