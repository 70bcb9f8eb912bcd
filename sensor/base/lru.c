#include "base/lru.h"

#include "base/pool.h"

static struct lru_link *link_of(const struct lru *l, uint32_t index)
{
	return (struct lru_link *)(void *)((uint8_t *)pool_at(l->pool, index) + l->offset);
}

void lru_init(struct lru *l, const struct pool *pool, size_t link_offset)
{
	*l = (struct lru){ .pool = pool, .offset = link_offset };
}

void lru_touch(struct lru *l, uint32_t index, bool is_strong, uint64_t now_s)
{
	struct lru_link *k = link_of(l, index);
	if (k->is_listed && k->at_s == (uint32_t)now_s && k->is_strong == is_strong)
		return;
	lru_del(l, index);
	uint32_t newest = l->list[is_strong].newest;
	*k = (struct lru_link){
		.older = newest, .at_s = (uint32_t)now_s, .is_listed = true, .is_strong = is_strong
	};
	*(newest ? &link_of(l, newest)->newer : &l->list[is_strong].oldest) = index;
	l->list[is_strong].newest = index;
}

void lru_del(struct lru *l, uint32_t index)
{
	struct lru_link *k = link_of(l, index);
	if (!k->is_listed)
		return;
	*(k->older ? &link_of(l, k->older)->newer : &l->list[k->is_strong].oldest) = k->newer;
	*(k->newer ? &link_of(l, k->newer)->older : &l->list[k->is_strong].newest) = k->older;
	*k = (struct lru_link){ 0 };
}

uint32_t lru_oldest(const struct lru *l, uint32_t keep)
{
	for (int strong = 0; strong < 2; strong++) {
		uint32_t i = l->list[strong].oldest;
		if (i && i == keep)
			i = link_of(l, i)->newer;
		if (i)
			return i;
	}
	return 0;
}
