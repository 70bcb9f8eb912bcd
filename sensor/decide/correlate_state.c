#include "decide/correlate_state.h"

#include "base/assert.h"

#include <stdlib.h>

/* A block of what is kept with a group stands in an entry's place. */
struct kept {
	uint8_t bytes[sizeof(struct entry) - sizeof(uint32_t)];
	uint32_t next;
};

/* Two entries a group; a table has two slots for each thing in it. */
enum {
	PER_ENTRY = sizeof(struct entry) + 2 * sizeof(struct table_slot),
	PER_GROUP = sizeof(struct group) + 2 * sizeof(struct table_slot) + 2 * PER_ENTRY
};

struct correlate *correlate_new(const struct policy *p, const struct limits *l, struct counters *counters)
{
	struct correlate *c = calloc(1, sizeof *c);
	uint64_t groups = 1;
	if (!c)
		return NULL;
	while (2 * groups * PER_GROUP <= l->policy_state_mib << 20)
		groups *= 2;
	*c = (struct correlate){ .p = p, .counters = counters, .due_ns = UINT64_MAX };
	size_t n = p->n_correlations + 1;
	c->state = calloc(n, sizeof *c->state);
	c->matched = calloc(n, sizeof *c->matched);
	c->touched = calloc(n, sizeof *c->touched);
	if (c->state && c->matched && c->touched &&
		(n == 1 || (pool_init(&c->groups, sizeof(struct group), groups) &&
				   pool_init(&c->entries, sizeof(struct entry), 2 * groups) &&
				   table_init(&c->group_of, groups) && table_init(&c->value_of, 2 * groups))))
		return c;
	correlate_free(c);
	return NULL;
}

void correlate_free(struct correlate *c)
{
	if (!c)
		return;
	pool_fini(&c->groups);
	pool_fini(&c->entries);
	table_fini(&c->group_of);
	table_fini(&c->value_of);
	free(c->state);
	free(c->matched);
	free(c->touched);
	free(c);
}

void correlate_fail_at(struct correlate *c, uint32_t n)
{
	c->entries.fail_at = n;
}

struct group *group_at(const struct correlate *c, uint32_t i)
{
	return pool_at(&c->groups, i);
}

struct entry *entry_at(const struct correlate *c, uint32_t i)
{
	return pool_at(&c->entries, i);
}

const struct correlation *group_correlation(const struct correlate *c, const struct group *g)
{
	return c->p->correlations[g->correlation];
}

/* ---- lists ---------------------------------------------------------------------------------- */

static struct link *group_link(const struct correlate *c, uint32_t gi, enum group_list which)
{
	return &group_at(c, gi)->link[which];
}

static struct list *list_of(struct correlate *c, uint32_t gi, enum group_list which)
{
	struct corr_state *s = &c->state[group_at(c, gi)->correlation];
	return which == LIST_ALL ? &c->all : which == LIST_OWN ? &s->own : &s->due;
}

static void list_append(struct correlate *c, uint32_t gi, enum group_list which)
{
	struct list *list = list_of(c, gi, which);
	*group_link(c, gi, which) = (struct link){ 0, list->last };
	if (list->last)
		group_link(c, list->last, which)->next = gi;
	else
		list->first = gi;
	list->last = gi;
}

static void list_remove(struct correlate *c, uint32_t gi, enum group_list which)
{
	struct list *list = list_of(c, gi, which);
	struct link at = *group_link(c, gi, which);
	if (at.prev)
		group_link(c, at.prev, which)->next = at.next;
	else
		list->first = at.next;
	if (at.next)
		group_link(c, at.next, which)->prev = at.prev;
	else
		list->last = at.prev;
}

static void entry_append(struct correlate *c, struct group *g, uint32_t ei)
{
	entry_at(c, ei)->link = (struct link){ 0, g->entries.last };
	if (g->entries.last)
		entry_at(c, g->entries.last)->link.next = ei;
	else
		g->entries.first = ei;
	g->entries.last = ei;
}

static void entry_remove(struct correlate *c, struct group *g, uint32_t ei)
{
	struct link at = entry_at(c, ei)->link;
	if (at.prev)
		entry_at(c, at.prev)->link.next = at.next;
	else
		g->entries.first = at.next;
	if (at.next)
		entry_at(c, at.next)->link.prev = at.prev;
	else
		g->entries.last = at.prev;
}

/* ---- room ----------------------------------------------------------------------------------- */

void group_note_lost(struct correlate *c, uint32_t gi)
{
	struct group *g = group_at(c, gi);
	g->truncated = true;
	c->state[g->correlation].lost++;
	c->counters->policy_corr_truncated++;
}

static bool is_idle(const struct correlate *c, uint32_t gi)
{
	const struct group *g = group_at(c, gi);
	const struct correlation *cor = group_correlation(c, g);
	return !cor->closed && g->last_ns + cor->span_ns <= c->now_ns;
}

/* Groups whose window is empty by now say nothing and are no loss. */
static bool drop_idle(struct correlate *c, struct corr_state *s, uint32_t but)
{
	bool any = false;
	while (s->own.first && s->own.first != but && is_idle(c, s->own.first)) {
		group_put(c, s->own.first);
		any = true;
	}
	return any;
}

static void evict(struct correlate *c, uint32_t gi)
{
	c->state[group_at(c, gi)->correlation].lost++;
	c->counters->policy_corr_evicted++;
	group_put(c, gi);
}

/* For the group `but`, which has been updated last (0: for a new one). */
static bool make_room(struct correlate *c, uint32_t but)
{
	bool any = false;
	for (size_t i = 0; i < c->p->n_correlations; i++)
		any = drop_idle(c, &c->state[i], but) || any;
	if (any)
		return true;
	c->counters->full_policy_state_mib++;
	if (c->all.first && c->all.first != but)
		evict(c, c->all.first);
	else if (but && group_at(c, but)->entries.first) {
		group_note_lost(c, but);
		entry_put(c, but, group_at(c, but)->entries.first);
	} else {
		return false;
	}
	return true;
}

static uint32_t entry_get(struct correlate *c, uint32_t gi)
{
	uint32_t ei;
	while (!(ei = pool_get(&c->entries)) && make_room(c, gi))
		;
	return ei;
}

/* ---- groups --------------------------------------------------------------------------------- */

uint32_t group_find(const struct correlate *c, const uint64_t key[2])
{
	uint32_t i;
	for (uint32_t at = table_first(&c->group_of, key[0]);
		(i = table_at(&c->group_of, at, key[0])) != TABLE_END; at = table_next(&c->group_of, at))
		if (i && memcmp(group_at(c, i)->key, key, sizeof(uint64_t[2])) == 0)
			return i;
	return 0;
}

uint32_t group_get(struct correlate *c, const struct correlation *cor, const uint64_t key[2])
{
	struct corr_state *s = &c->state[cor->number];
	uint32_t gi;
	(void)drop_idle(c, s, 0);
	if (s->n_groups >= MAX_GROUPS)
		evict(c, s->own.first);
	while (!(gi = pool_get(&c->groups)) && make_room(c, 0))
		;
	if (!gi)
		return 0;
	struct group *g = group_at(c, gi);
	g->key[0] = key[0];
	g->key[1] = key[1];
	g->correlation = cor->number;
	s->n_groups++;
	list_append(c, gi, LIST_ALL);
	list_append(c, gi, LIST_OWN);
	table_put(&c->group_of, key[0], gi);
	return gi;
}

void group_touch(struct correlate *c, uint32_t gi, uint64_t ts_ns)
{
	group_at(c, gi)->last_ns = ts_ns;
	for (unsigned which = LIST_ALL; which <= LIST_OWN; which++) {
		list_remove(c, gi, (enum group_list)which);
		list_append(c, gi, (enum group_list)which);
	}
}

void group_open_window(struct correlate *c, uint32_t gi, uint64_t ts_ns)
{
	struct group *g = group_at(c, gi);
	uint64_t due = ts_ns + group_correlation(c, g)->span_ns;
	g->since_ns = ts_ns;
	list_append(c, gi, LIST_DUE);
	if (due < c->due_ns)
		c->due_ns = due;
}

void group_put(struct correlate *c, uint32_t gi)
{
	struct group *g = group_at(c, gi);
	while (g->entries.first)
		entry_put(c, gi, g->entries.first);
	while (g->kept) {
		struct kept k;
		memcpy(&k, pool_at(&c->entries, g->kept), sizeof k);
		pool_put(&c->entries, g->kept);
		g->kept = k.next;
	}
	if (group_correlation(c, g)->closed)
		list_remove(c, gi, LIST_DUE);
	list_remove(c, gi, LIST_ALL);
	list_remove(c, gi, LIST_OWN);
	c->state[g->correlation].n_groups--;
	table_del(&c->group_of, g->key[0], gi);
	pool_put(&c->groups, gi);
}

/* ---- entries -------------------------------------------------------------------------------- */

bool entry_add(struct correlate *c, uint32_t gi, uint64_t what, uint64_t ts_ns, uint64_t packet)
{
	struct group *g = group_at(c, gi);
	if (g->n == MAX_ENTRIES) {
		group_note_lost(c, gi);
		entry_put(c, gi, g->entries.first);
	}
	uint32_t ei = entry_get(c, gi);
	if (!ei) {
		group_note_lost(c, gi);
		return false;
	}
	struct entry *e = entry_at(c, ei);
	e->what = what;
	e->ts_ns = ts_ns;
	e->packet = packet;
	entry_append(c, g, ei);
	g->n++;
	const struct correlation *cor = group_correlation(c, g);
	if (cor->type == CORR_VALUE_COUNT)
		table_put(&c->value_of, what, ei);
	if (!cor->closed && (cor->type == CORR_VALUE_SUM || cor->type == CORR_VALUE_AVG))
		g->sum += entry_amount(e);
	return true;
}

i128 entry_amount(const struct entry *e)
{
	return e->packet & ENTRY_NEGATIVE ? -(i128)e->what : (i128)e->what;
}

void entry_put(struct correlate *c, uint32_t gi, uint32_t ei)
{
	struct group *g = group_at(c, gi);
	const struct entry *e = entry_at(c, ei);
	const struct correlation *cor = group_correlation(c, g);
	if (cor->type == CORR_VALUE_COUNT)
		table_del(&c->value_of, e->what, ei);
	if (!cor->closed && (cor->type == CORR_VALUE_SUM || cor->type == CORR_VALUE_AVG))
		g->sum -= entry_amount(e);
	entry_remove(c, g, ei);
	g->n--;
	pool_put(&c->entries, ei);
}

void entry_renew(struct correlate *c, uint32_t gi, uint32_t ei, uint64_t ts_ns, uint64_t packet)
{
	struct group *g = group_at(c, gi);
	entry_remove(c, g, ei);
	entry_append(c, g, ei);
	entry_at(c, ei)->ts_ns = ts_ns;
	entry_at(c, ei)->packet = packet;
}

uint32_t value_find(const struct correlate *c, uint64_t what)
{
	uint32_t i;
	for (uint32_t at = table_first(&c->value_of, what);
		(i = table_at(&c->value_of, at, what)) != TABLE_END; at = table_next(&c->value_of, at))
		if (i && entry_at(c, i)->what == what)
			return i;
	return 0;
}

/* ---- what is kept --------------------------------------------------------------------------- */

bool kept_write(struct correlate *c, uint32_t gi, const void *bytes, size_t n)
{
	uint32_t before = 0, at = group_at(c, gi)->kept;
	for (size_t done = 0; done < n; before = at, at = ((struct kept *)pool_at(&c->entries, at))->next) {
		if (!at && !(at = entry_get(c, gi)))
			return false;
		struct kept *k = pool_at(&c->entries, at);
		size_t part = n - done < sizeof k->bytes ? n - done : sizeof k->bytes;
		memcpy(k->bytes, (const uint8_t *)bytes + done, part);
		done += part;
		if (before)
			((struct kept *)pool_at(&c->entries, before))->next = at;
		else
			group_at(c, gi)->kept = at;
	}
	return true;
}

void kept_read(const struct correlate *c, uint32_t gi, void *bytes, size_t n)
{
	uint32_t at = group_at(c, gi)->kept;
	for (size_t done = 0; done < n && at;) {
		const struct kept *k = pool_at(&c->entries, at);
		size_t part = n - done < sizeof k->bytes ? n - done : sizeof k->bytes;
		memcpy((uint8_t *)bytes + done, k->bytes, part);
		done += part;
		at = k->next;
	}
}
