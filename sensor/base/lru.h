/*
 * lru: objects of a pool by when they were last of use, the weak ones apart from the strong.
 *
 * Owner thread only; nothing allocates. Intrusive by pool index, 0 = none. Times are seconds: within one
 * second the order is that of the first touch, so that what is busy costs one comparison and no more.
 */
#ifndef WW_BASE_LRU_H
#define WW_BASE_LRU_H

#include "base/bytes.h"

/* In the object, zeroed: in no list; the lru knows where by offset. */
struct lru_link {
	uint32_t older, newer;
	uint32_t at_s; /* of the last touch */
	bool is_listed, is_strong;
};

struct pool;

struct lru {
	const struct pool *pool;
	size_t offset; /* of the struct lru_link in the object */
	struct {
		uint32_t oldest, newest;
	} list[2]; /* weak, strong */
};

void lru_init(struct lru *l, const struct pool *pool, size_t link_offset);
/* It is of use now: the newest of its kind. Lists it if it is in no list. */
void lru_touch(struct lru *l, uint32_t index, bool is_strong, uint64_t now_s);
/* To be called before pool_put; does nothing for what is not listed. */
void lru_del(struct lru *l, uint32_t index);
/* Who goes: the weak one touched longest ago, without any the strong one; never `keep` (0: no such). 0: none.
 */
uint32_t lru_oldest(const struct lru *l, uint32_t keep);

#endif
