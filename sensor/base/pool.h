/*
 * pool: fixed-size objects by index, mapped once at start. Index 0 means none.
 *
 * Owner thread only. pool_get gives a zeroed object or 0 when the pool is empty (count the hit of its
 * limit); nothing here touches the heap after pool_init. Pages are touched on first use only, so an idle
 * pool costs address space and no memory.
 */
#ifndef WW_BASE_POOL_H
#define WW_BASE_POOL_H

#include "base/bytes.h"

struct pool {
	uint8_t *base;
	size_t size;    /* of one object, rounded up to 8 */
	uint32_t cap;   /* objects, without index 0 */
	uint32_t fresh; /* indexes above were never used */
	uint32_t free;  /* head of the free list, 0 = none */
	uint32_t used;
	uint32_t fail_at; /* tests: the n-th get from now on fails, once, and every later one; 0 = never */
	bool failing;
};

bool pool_init(struct pool *p, size_t size, uint64_t cap); /* false: no address space */
void pool_fini(struct pool *p);
uint32_t pool_get(struct pool *p);
void pool_put(struct pool *p, uint32_t index);

static inline void *pool_at(const struct pool *p, uint32_t index)
{
	return p->base + (size_t)index * p->size;
}

#endif
