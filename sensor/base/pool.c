#include "base/pool.h"

#include "base/assert.h"
#include "base/map.h"

#if defined(__SANITIZE_ADDRESS__)
#define WW_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WW_ASAN 1
#endif
#endif
#ifdef WW_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

static size_t map_bytes(const struct pool *p)
{
	return p->size * ((size_t)p->cap + 1);
}

bool pool_init(struct pool *p, size_t size, uint64_t cap)
{
	*p = (struct pool){ .size = (size + 7) & ~(size_t)7, .cap = (uint32_t)cap, .fresh = 1 };
	if (cap >= UINT32_MAX || size < sizeof(uint32_t))
		return false;
	p->base = map_new(map_bytes(p));
	if (!p->base)
		return false;
	POISON(p->base, map_bytes(p));
	return true;
}

void pool_fini(struct pool *p)
{
	if (p->base) {
		UNPOISON(p->base, map_bytes(p));
		map_free(p->base, map_bytes(p));
	}
	*p = (struct pool){ 0 };
}

uint32_t pool_get(struct pool *p)
{
	if (p->fail_at && --p->fail_at == 0)
		p->failing = true;
	if (p->failing)
		return 0;
	uint32_t i = p->free;
	if (i) {
		UNPOISON(pool_at(p, i), p->size);
		memcpy(&p->free, pool_at(p, i), sizeof p->free);
		memset(pool_at(p, i), 0, p->size);
	} else if (p->fresh <= p->cap) {
		i = p->fresh++; /* never used: the mapping is zero */
		UNPOISON(pool_at(p, i), p->size);
	} else {
		return 0;
	}
	p->used++;
	return i;
}

void pool_put(struct pool *p, uint32_t index)
{
	ASSERT(index > 0 && index < p->fresh && p->used > 0);
	memcpy(pool_at(p, index), &p->free, sizeof p->free);
	POISON(pool_at(p, index), p->size);
	UNPOISON(pool_at(p, index), sizeof p->free);
	p->free = index;
	p->used--;
}
