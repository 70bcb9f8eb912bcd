/*
 * buddy: blocks of 1, 4, 16, 64 and 256 KiB out of one region mapped at start: unfinished messages and
 * out-of-order data. A block is named by its number, 0 means none.
 *
 * Owner thread only. buddy_get gives 0 when there is no room (count it); the memory is not zeroed.
 */
#ifndef WW_BASE_BUDDY_H
#define WW_BASE_BUDDY_H

#include "base/bytes.h"

enum { BUDDY_ORDERS = 5, BUDDY_LEAST = 1024, BUDDY_MOST = 256 * 1024 };

struct buddy {
	uint8_t *base;
	uint8_t *state;              /* per KiB: order of the block that begins here, | BUDDY_USED */
	uint32_t *next, *prev;       /* free lists, by KiB */
	uint32_t free[BUDDY_ORDERS]; /* KiB number + 1, 0 = none */
	uint32_t kib;
	uint32_t used_kib;
	uint32_t fail_at; /* tests: as struct pool */
	bool failing;
};

bool buddy_init(struct buddy *b, uint64_t bytes); /* rounded down to 256 KiB, one at least */
void buddy_fini(struct buddy *b);
uint32_t buddy_get(struct buddy *b, size_t n); /* n <= BUDDY_MOST */
void buddy_put(struct buddy *b, uint32_t block);
size_t buddy_size(const struct buddy *b, uint32_t block);

static inline uint8_t *buddy_at(const struct buddy *b, uint32_t block)
{
	return b->base + (size_t)(block - 1) * BUDDY_LEAST;
}

#endif
