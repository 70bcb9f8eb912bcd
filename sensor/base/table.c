#include "base/table.h"

#include "base/assert.h"
#include "base/map.h"

bool table_init(struct table *t, uint64_t cap)
{
	uint64_t n = 16;
	while (n < 2 * cap)
		n *= 2;
	if (n > UINT32_MAX / 2)
		return false;
	void *m = map_new(n * sizeof *t->slots);
	if (!m)
		return false;
	map_huge(m, n * sizeof *t->slots);
	*t = (struct table){ .slots = m, .mask = (uint32_t)n - 1, .cap = (uint32_t)cap };
	return true;
}

void table_fini(struct table *t)
{
	map_free(t->slots, ((size_t)t->mask + 1) * sizeof *t->slots);
	*t = (struct table){ 0 };
}

void table_put(struct table *t, uint64_t hash, uint32_t index)
{
	ASSERT(t->used < t->cap && index != 0);
	uint32_t at = table_first(t, hash);
	while (t->slots[at].index)
		at = table_next(t, at);
	t->slots[at] = (struct table_slot){ (uint32_t)hash, index };
	t->used++;
}

void table_del(struct table *t, uint64_t hash, uint32_t index)
{
	uint32_t at = table_first(t, hash);
	while (t->slots[at].index != index) {
		ASSERT(t->slots[at].index != 0);
		at = table_next(t, at);
	}
	for (uint32_t next = table_next(t, at); t->slots[next].index; next = table_next(t, next)) {
		uint32_t home = table_first(t, t->slots[next].tag);
		if (((next - home) & t->mask) < ((next - at) & t->mask))
			continue; /* its home lies behind the hole: it must stay */
		t->slots[at] = t->slots[next];
		at = next;
	}
	t->slots[at] = (struct table_slot){ 0 };
	t->used--;
}
