#include "base/wheel.h"

#include "base/assert.h"
#include "base/pool.h"

static struct wheel_link *link_of(const struct wheel *w, uint32_t index)
{
	return (struct wheel_link *)(void *)((uint8_t *)pool_at(w->pool, index) + w->offset);
}

void wheel_init(
	struct wheel *w, const struct pool *pool, size_t link_offset, size_t key_offset, size_t key_bytes)
{
	*w = (struct wheel){
		.pool = pool, .offset = link_offset, .key_offset = key_offset, .key_bytes = key_bytes
	};
}

/* ---- order ------------------------------------------------------------------------------- */

static bool is_before(const struct wheel *w, uint32_t a, uint32_t b)
{
	return memcmp((const uint8_t *)pool_at(w->pool, a) + w->key_offset,
		       (const uint8_t *)pool_at(w->pool, b) + w->key_offset, w->key_bytes) < 0;
}

static uint32_t merged(const struct wheel *w, uint32_t a, uint32_t b)
{
	uint32_t first = 0, *to = &first;
	while (a && b) {
		uint32_t *least = is_before(w, a, b) ? &a : &b;
		*to = *least;
		to = &link_of(w, *least)->next;
		*least = *to;
	}
	*to = a ? a : b;
	return first;
}

/* Merge sort: lists of 1, 2, 4... entries wait for one as long as they. */
static void sort_slot(struct wheel *w, uint32_t slot)
{
	enum { LISTS = 32 };
	uint32_t waiting[LISTS] = { 0 }, list = 0, prev = WHEEL_HEAD | slot;
	for (uint32_t i = w->slot[slot], next; i; i = next) {
		struct wheel_link *l = link_of(w, i);
		unsigned n = 0;
		next = l->next;
		l->next = 0;
		for (list = i; waiting[n]; n++) {
			list = merged(w, waiting[n], list);
			waiting[n] = 0;
		}
		waiting[n] = list;
	}
	list = 0;
	for (unsigned n = 0; n < LISTS; n++)
		if (waiting[n])
			list = merged(w, waiting[n], list);
	w->slot[slot] = list;
	for (uint32_t i = list; i; i = link_of(w, i)->next) {
		link_of(w, i)->prev = prev;
		prev = i;
	}
}

/* ---- entries ----------------------------------------------------------------------------- */

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
		uint32_t slot = (uint32_t)(w->now_s % WHEEL_SLOTS), index = w->slot[slot];
		if (index && w->sorted_s != w->now_s) {
			sort_slot(w, slot);
			w->sorted_s = w->now_s;
			index = w->slot[slot];
		}
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

void wheel_end(struct wheel *w)
{
	uint32_t now = (uint32_t)(w->now_s % WHEEL_SLOTS);
	for (uint32_t slot = 0; slot < WHEEL_SLOTS; slot++)
		while (slot != now && w->slot[slot]) {
			uint32_t i = w->slot[slot];
			struct wheel_link *l = link_of(w, i);
			w->slot[slot] = l->next;
			l->next = w->slot[now];
			w->slot[now] = i;
		}
	sort_slot(w, now);
	w->sorted_s = w->now_s;
}
