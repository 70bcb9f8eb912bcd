#include "base/wheel.h"

#include "base/assert.h"
#include "base/pool.h"

static struct wheel_link *link_of(const struct wheel *w, uint32_t index)
{
	return (struct wheel_link *)(void *)((uint8_t *)pool_at(w->pool, index) + w->offset);
}

void wheel_init(struct wheel *w, const struct pool *pool, size_t link_offset)
{
	*w = (struct wheel){ .pool = pool, .offset = link_offset };
}

void wheel_add(struct wheel *w, uint32_t index, uint64_t due_s)
{
	if (due_s <= w->now_s)
		due_s = w->now_s + 1;
	if (due_s > w->now_s + WHEEL_SLOTS - 1)
		due_s = w->now_s + WHEEL_SLOTS - 1;
	uint32_t slot = (uint32_t)(due_s % WHEEL_SLOTS);
	struct wheel_link *l = link_of(w, index);
	ASSERT(l->prev == 0);
	*l = (struct wheel_link){ w->slot[slot], WHEEL_HEAD | slot };
	if (l->next)
		link_of(w, l->next)->prev = index;
	w->slot[slot] = index;
	w->n++;
}

void wheel_del(struct wheel *w, uint32_t index)
{
	struct wheel_link *l = link_of(w, index);
	ASSERT(l->prev != 0);
	if (l->prev & WHEEL_HEAD)
		w->slot[l->prev & ~WHEEL_HEAD] = l->next;
	else
		link_of(w, l->prev)->next = l->next;
	if (l->next)
		link_of(w, l->next)->prev = l->prev;
	*l = (struct wheel_link){ 0 };
	w->n--;
}

uint32_t wheel_fire(struct wheel *w, uint64_t to_s, uint64_t *at_s)
{
	for (;;) {
		uint32_t index = w->slot[w->now_s % WHEEL_SLOTS];
		if (index) {
			*at_s = w->now_s;
			wheel_del(w, index);
			return index;
		}
		if (w->now_s >= to_s)
			return 0;
		w->now_s = w->n ? w->now_s + 1 : to_s;
	}
}
