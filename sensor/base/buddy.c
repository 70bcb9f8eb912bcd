#include "base/buddy.h"

#include "base/assert.h"
#include "base/map.h"

/* Each order holds four blocks of the one below: a block splits in four and joins when all four are free. */
enum { BUDDY_USED = 0x80, BUDDY_INNER = 0x7f };

static uint32_t order_kib(unsigned order)
{
	return 1u << 2 * order;
}

static void list_push(struct buddy *b, uint32_t at, unsigned order)
{
	b->state[at] = (uint8_t)order;
	b->next[at] = b->free[order];
	b->prev[at] = 0;
	if (b->free[order])
		b->prev[b->free[order] - 1] = at + 1;
	b->free[order] = at + 1;
}

static void list_cut(struct buddy *b, uint32_t at, unsigned order)
{
	if (b->prev[at])
		b->next[b->prev[at] - 1] = b->next[at];
	else
		b->free[order] = b->next[at];
	if (b->next[at])
		b->prev[b->next[at] - 1] = b->prev[at];
	b->state[at] = BUDDY_INNER;
}

bool buddy_init(struct buddy *b, uint64_t bytes)
{
	uint64_t kib = bytes / BUDDY_MOST * (BUDDY_MOST / BUDDY_LEAST);
	*b = (struct buddy){ .kib = kib ? (uint32_t)kib : BUDDY_MOST / BUDDY_LEAST };
	b->base = map_new((size_t)b->kib * BUDDY_LEAST);
	b->state = map_new(b->kib);
	b->next = map_new(b->kib * sizeof *b->next);
	b->prev = map_new(b->kib * sizeof *b->prev);
	if (!b->base || !b->state || !b->next || !b->prev) {
		buddy_fini(b);
		return false;
	}
	memset(b->state, BUDDY_INNER, b->kib);
	for (uint32_t at = b->kib; at; at -= order_kib(BUDDY_ORDERS - 1))
		list_push(b, at - order_kib(BUDDY_ORDERS - 1), BUDDY_ORDERS - 1);
	return true;
}

void buddy_fini(struct buddy *b)
{
	map_free(b->base, (size_t)b->kib * BUDDY_LEAST);
	map_free(b->state, b->kib);
	map_free(b->next, b->kib * sizeof *b->next);
	map_free(b->prev, b->kib * sizeof *b->prev);
	*b = (struct buddy){ 0 };
}

uint32_t buddy_get(struct buddy *b, size_t n)
{
	if (b->fail_at && --b->fail_at == 0)
		b->failing = true;
	if (b->failing || n > BUDDY_MOST)
		return 0;
	unsigned want = 0, order;
	while ((size_t)order_kib(want) * BUDDY_LEAST < n)
		want++;
	for (order = want; order < BUDDY_ORDERS && !b->free[order]; order++)
		;
	if (order == BUDDY_ORDERS)
		return 0;
	uint32_t at = b->free[order] - 1;
	list_cut(b, at, order);
	for (; order > want; order--)
		for (uint32_t i = 3; i > 0; i--)
			list_push(b, at + i * order_kib(order - 1), order - 1);
	b->state[at] = (uint8_t)(want | BUDDY_USED);
	b->used_kib += order_kib(want);
	return at + 1;
}

void buddy_put(struct buddy *b, uint32_t block)
{
	ASSERT(block > 0 && block <= b->kib && b->state[block - 1] & BUDDY_USED);
	uint32_t at = block - 1;
	unsigned order = b->state[at] & BUDDY_INNER;
	b->used_kib -= order_kib(order);
	for (; order < BUDDY_ORDERS - 1; order++) {
		uint32_t first = at & ~(order_kib(order + 1) - 1), free = 0;
		for (uint32_t i = 0; i < 4; i++) {
			uint32_t part = first + i * order_kib(order);
			free += part == at || b->state[part] == order;
		}
		if (free < 4)
			break;
		for (uint32_t i = 0; i < 4; i++)
			if (first + i * order_kib(order) != at)
				list_cut(b, first + i * order_kib(order), order);
		b->state[at] = BUDDY_INNER;
		at = first;
	}
	list_push(b, at, order);
}

size_t buddy_size(const struct buddy *b, uint32_t block)
{
	return (size_t)order_kib(b->state[block - 1] & BUDDY_INNER) * BUDDY_LEAST;
}
