/*
 * table: from a hash to a pool index, open addressing with backward-shift delete.
 *
 * Slots are 8 bytes (32-bit tag, 32-bit index), the load is at most a half. Keys live in the pool objects;
 * whoever looks compares them. Owner thread only; nothing allocates after table_init.
 *
 *	for (uint32_t at = table_first(t, h), i; (i = table_at(t, at, h)) != TABLE_END; at = table_next(t,
 *at)) if (i && equal(pool_at(pool, i), key)) return i;
 */
#ifndef WW_BASE_TABLE_H
#define WW_BASE_TABLE_H

#include "base/bytes.h"

#define TABLE_END UINT32_MAX

struct table_slot {
	uint32_t tag, index; /* index 0: empty */
};

struct table {
	struct table_slot *slots;
	uint32_t mask;
	uint32_t used, cap;
};

bool table_init(struct table *t, uint64_t cap); /* room for cap entries; false: no memory */
void table_fini(struct table *t);
/* ASSERTs that fewer than cap entries are in: the pool behind it is never larger than the table. */
void table_put(struct table *t, uint64_t hash, uint32_t index);
void table_del(struct table *t, uint64_t hash, uint32_t index);

static inline uint32_t table_first(const struct table *t, uint64_t hash)
{
	return (uint32_t)hash & t->mask;
}

static inline uint32_t table_next(const struct table *t, uint32_t at)
{
	return (at + 1) & t->mask;
}

/* The index at this slot, 0 when its tag is another's, TABLE_END when the chain is over. */
static inline uint32_t table_at(const struct table *t, uint32_t at, uint64_t hash)
{
	const struct table_slot *s = &t->slots[at];
	if (s->index == 0)
		return TABLE_END;
	return s->tag == (uint32_t)hash ? s->index : 0;
}

#endif
