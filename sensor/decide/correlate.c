#include "decide/correlate_state.h"

#include <stddef.h>
#include <stdio.h>

/* What is kept with the group of a closed window, which ends without an event. */
struct kept_match {
	struct event head; /* of the last one, without facts */
	struct tuple tuple;
};

/* ---- conditions ------------------------------------------------------------------------------- */

/* Which rules have matched. */
static uint64_t seen(const struct correlate *c, const struct correlation *cor, const struct group *g)
{
	uint64_t mask = cor->closed ? g->count : 0;
	for (uint32_t i = g->entries.first; i && !cor->closed; i = entry_at(c, i)->link.next)
		mask |= UINT64_C(1) << entry_at(c, i)->what;
	return mask;
}

static bool expression_holds(const struct correlation *cor, uint64_t mask)
{
	uint64_t stack = 0; /* lowest bit on top; parse_not bounds the depth */
	if (cor->n_expr == 0)
		return mask == (cor->n_refs == 64 ? UINT64_MAX : (UINT64_C(1) << cor->n_refs) - 1);
	for (unsigned i = 0; i < cor->n_expr; i++) {
		uint64_t top = stack & 1, below = stack >> 1 & 1;
		if (cor->expr[i] == EXPR_NOT)
			stack ^= 1;
		else if (cor->expr[i] == EXPR_AND)
			stack = (stack >> 2) << 1 | (top & below);
		else if (cor->expr[i] == EXPR_OR)
			stack = (stack >> 2) << 1 | (top | below);
		else
			stack = stack << 1 | (mask >> cor->expr[i] & 1);
	}
	return stack & 1;
}

/* -1, 0, 1: sum less than, equal to, more than bound * n. Exact for whole numbers. */
static int compare(i128 sum, uint64_t n, const struct bound *b)
{
	if (b->is_integer) {
		i128 want = (i128)b->integer * (i128)n;
		return (sum > want) - (sum < want);
	}
	long double have = (long double)sum / (long double)n, want = (long double)b->number;
	return (have > want) - (have < want);
}

static bool bound_holds(const struct bound *b, int order)
{
	switch (b->op) {
	case BOUND_GT:
		return order > 0;
	case BOUND_GTE:
		return order >= 0;
	case BOUND_LT:
		return order < 0;
	case BOUND_LTE:
		return order <= 0;
	case BOUND_EQ:
		return order == 0;
	case BOUND_NEQ:
		return order != 0;
	}
	return false;
}

static bool ordered_holds(const struct correlate *c, const struct correlation *cor, const struct group *g)
{
	if (cor->closed && !expression_holds(cor, g->count))
		return false;
	return group_chain(c, g, cor->n_order - 1) != 0;
}

static bool holds(const struct correlate *c, const struct correlation *cor, const struct group *g)
{
	if (cor->type == CORR_TEMPORAL)
		return expression_holds(cor, seen(c, cor, g));
	if (cor->type == CORR_TEMPORAL_ORDERED)
		return ordered_holds(c, cor, g);
	uint64_t n = group_counted(cor, g);
	bool fine = n > 0;
	for (unsigned i = 0; fine && i < cor->n_bounds; i++) {
		const struct bound *b = &cor->bound[i];
		if (cor->type == CORR_VALUE_SUM || cor->type == CORR_VALUE_AVG)
			fine = bound_holds(b, compare(g->sum, cor->type == CORR_VALUE_AVG ? n : 1, b));
		else
			fine = bound_holds(b, compare((i128)n, 1, b));
	}
	return fine;
}

/* ---- firing ----------------------------------------------------------------------------------- */

static void take(struct policy_run *r, const struct correlation *cor, uint64_t places, const struct match *m);

static void fire(struct policy_run *r, const struct correlation *cor, uint32_t gi, const struct tuple *t,
	const struct match *m)
{
	struct correlate *c = r->correlate;
	const struct rule *rule = cor->rule;
	uint8_t by[2 * TUPLE_BYTES];
	c->counters->policy_corr_fired++;
	if (rule_speaks(r, rule) && schedule_holds(rule->schedule, m->event->ts_ns)) {
		struct alert a = { .rule = rule, .event = m->event, .level = rule->text.level };
		correlation_tell(c, gi, t, &a.correlation);
		policy_alert(r, &a, tuple_by(rule, t, by, sizeof by));
	}
	struct match inner = { .tuple = t, .event = m->event, .ts_ns = m->ts_ns };
	for (size_t i = 0; i < rule->n_feeds; i++)
		take(r, rule->feeds[i].to, rule->feeds[i].places, &inner);
}

static void test(
	struct policy_run *r, const struct correlation *cor, uint32_t gi, unsigned ref, const struct match *m)
{
	struct group *g = group_at(r->correlate, gi);
	struct tuple t;
	if (!holds(r->correlate, cor, g)) {
		g->engaged = false;
		return;
	}
	if (g->engaged && m->ts_ns - g->since_ns < cor->rearm_ns)
		return;
	g->engaged = true;
	g->since_ns = m->ts_ns;
	(void)tuple_make(cor, ref, m, &t);
	fire(r, cor, gi, &t, m);
}

/* ---- matches ---------------------------------------------------------------------------------- */

/* A match on its way into a group. */
struct adding {
	struct correlate *c;
	const struct correlation *cor;
	uint32_t gi;
	const struct match *m;
	uint64_t packet;
	unsigned values, numbers;
};

static bool is_evidence(const struct adding *a)
{
	return !a->cor->closed || group_at(a->c, a->gi)->n < EVIDENCE;
}

static void add_event(struct adding *a)
{
	group_at(a->c, a->gi)->count++;
	if (is_evidence(a))
		entry_add(a->c, a->gi, 0, a->m->ts_ns, a->packet);
}

static void add_value(void *arg, enum fact_type type, struct bytes raw, uint64_t hash)
{
	struct adding *a = arg;
	struct group *g = group_at(a->c, a->gi);
	uint64_t what = hash ^ g->key[1];
	uint32_t ei = value_find(a->c, what);
	(void)type;
	(void)raw;
	if (ei)
		entry_renew(a->c, a->gi, ei, a->m->ts_ns, a->packet);
	else if (a->cor->closed && g->n == MAX_ENTRIES)
		group_note_lost(a->c, a->gi);
	else
		entry_add(a->c, a->gi, what, a->m->ts_ns, a->packet);
}

static void add_number(void *arg, enum fact_type type, struct bytes raw, uint64_t hash)
{
	struct adding *a = arg;
	struct group *g = group_at(a->c, a->gi);
	(void)hash;
	if (type != FACT_UINT && type != FACT_INT)
		return;
	uint64_t v = value_uint(raw);
	struct entry amount = { .what = v, .packet = a->packet };
	if (type == FACT_INT && v >> 63) {
		amount.what = 0 - v;
		amount.packet |= ENTRY_NEGATIVE;
	}
	g->count++;
	if (a->cor->closed)
		g->sum += entry_amount(&amount);
	if (is_evidence(a))
		entry_add(a->c, a->gi, amount.what, a->m->ts_ns, amount.packet);
}

static void add_rule(struct adding *a, unsigned ref)
{
	struct group *g = group_at(a->c, a->gi);
	uint32_t ei = group_chain(a->c, g, ref);
	if (a->cor->closed)
		g->count |= UINT64_C(1) << ref;
	if (ei)
		entry_renew(a->c, a->gi, ei, a->m->ts_ns, a->packet);
	else
		entry_add(a->c, a->gi, ref, a->m->ts_ns, a->packet);
}

static void drop_chain(struct correlate *c, uint32_t gi, unsigned place)
{
	uint32_t ei = group_chain(c, group_at(c, gi), place);
	while (ei && entry_at(c, ei)->what == place) {
		uint32_t next = entry_at(c, ei)->link.next;
		entry_put(c, gi, ei);
		ei = next;
	}
}

/* A match of the rule at `place` makes the chain up to it: that before it, which begins as late as any can,
 * and this match. */
static void add_ordered(struct adding *a, unsigned ref)
{
	struct correlate *c = a->c;
	struct group *g = group_at(c, a->gi);
	g->count |= UINT64_C(1) << ref;
	unsigned place = 0;
	while (place < a->cor->n_order && a->cor->order[place] != ref)
		place++;
	if (place == a->cor->n_order)
		return;
	struct entry earlier[MAX_ORDERED];
	unsigned n = 0;
	for (uint32_t i = place ? group_chain(c, g, place - 1) : 0; i && n < place;
		i = entry_at(c, i)->link.next)
		earlier[n++] = *entry_at(c, i);
	if (n < place)
		return;
	drop_chain(c, a->gi, place);
	bool whole = true;
	for (unsigned i = 0; i < n; i++)
		whole = entry_add(c, a->gi, place, earlier[i].ts_ns, earlier[i].packet) && whole;
	if (!entry_add(c, a->gi, place, a->m->ts_ns, a->packet) || !whole)
		drop_chain(c, a->gi, place);
}

/* What left the window (t - timespan, t]. */
static void expire(struct correlate *c, const struct correlation *cor, uint32_t gi, uint64_t now_ns)
{
	struct group *g = group_at(c, gi);
	if (g->last_ns + cor->span_ns <= now_ns)
		g->engaged = false; /* nothing in it: the condition has been false */
	if (cor->type == CORR_TEMPORAL_ORDERED) {
		for (unsigned place = 0; place < cor->n_order; place++) {
			uint32_t ei = group_chain(c, g, place);
			if (ei && entry_at(c, ei)->ts_ns + cor->span_ns <= now_ns)
				drop_chain(c, gi, place);
		}
		return;
	}
	while (g->entries.first && entry_at(c, g->entries.first)->ts_ns + cor->span_ns <= now_ns)
		entry_put(c, gi, g->entries.first);
}

static bool keep(struct correlate *c, uint32_t gi, const struct match *m, const struct tuple *t)
{
	struct kept_match k = { .head = *m->event, .tuple = *t };
	k.head.len = sizeof k.head;
	k.head.n_facts = 0;
	return kept_write(c, gi, &k, offsetof(struct kept_match, tuple.bytes) + t->used);
}

/* The group of that tuple, its window brought up to the match. 0: no room. */
static uint32_t group_for(struct correlate *c, const struct correlation *cor, const struct match *m,
	const struct tuple *t, const uint64_t key[2])
{
	uint32_t gi = group_find(c, key);
	if (!gi) {
		gi = group_get(c, cor, key);
		if (gi && cor->closed)
			group_open_window(c, gi, m->ts_ns);
	} else if (!cor->closed) {
		expire(c, cor, gi, m->ts_ns);
	}
	if (gi) {
		group_touch(c, gi, m->ts_ns);
		if (!cor->closed || keep(c, gi, m, t))
			return gi;
		group_put(c, gi);
	}
	c->state[cor->number].lost++;
	c->counters->policy_corr_truncated++;
	return 0;
}

static void note_value(void *arg, enum fact_type type, struct bytes raw, uint64_t hash)
{
	struct adding *a = arg;
	(void)raw;
	(void)hash;
	a->values++;
	a->numbers += type == FACT_UINT || type == FACT_INT;
}

/* Without a value of its field a match is none. */
static bool has_value(struct adding *a, unsigned ref)
{
	bool sums = a->cor->type == CORR_VALUE_SUM || a->cor->type == CORR_VALUE_AVG;
	if (a->cor->n_value == 0)
		return true;
	(void)match_values(a->cor, ref, a->m, note_value, a);
	if (sums)
		a->c->counters->policy_corr_non_numeric += a->values - a->numbers;
	return sums ? a->numbers > 0 : a->values > 0;
}

/* once: the event has already been counted in this group, by another of its rules. */
static void add(struct adding *a, unsigned ref, bool once)
{
	switch (a->cor->type) {
	case CORR_EVENT_COUNT:
		if (!once)
			add_event(a);
		break;
	case CORR_VALUE_COUNT:
		(void)match_values(a->cor, ref, a->m, add_value, a);
		break;
	case CORR_VALUE_SUM:
	case CORR_VALUE_AVG:
		if (!once)
			(void)match_values(a->cor, ref, a->m, add_number, a);
		break;
	case CORR_TEMPORAL:
		add_rule(a, ref);
		break;
	case CORR_TEMPORAL_ORDERED:
		add_ordered(a, ref);
		break;
	}
}

/* One match of the rules at `places`. The last rules go first: in an order, an event follows earlier ones,
 * not itself. */
static void take(struct policy_run *r, const struct correlation *cor, uint64_t places, const struct match *m)
{
	struct {
		uint64_t key[2];
		unsigned ref;
	} groups[MAX_REFS];
	unsigned n = 0;
	for (unsigned ref = cor->n_refs; ref-- > 0;) {
		struct adding a = { .c = r->correlate, .cor = cor, .m = m, .packet = m->event->packet };
		struct tuple t;
		if (!(places >> ref & 1) || !has_value(&a, ref))
			continue;
		if (!tuple_make(cor, ref, m, &t)) {
			r->counters->policy_corr_ungrouped++;
			continue;
		}
		tuple_key(cor, &t, groups[n].key);
		unsigned same = 0;
		while (memcmp(groups[same].key, groups[n].key, sizeof groups[n].key) != 0)
			same++;
		a.gi = group_for(r->correlate, cor, m, &t, groups[n].key);
		if (!a.gi)
			continue;
		add(&a, ref, same < n);
		groups[n].ref = ref;
		n += same == n;
	}
	for (unsigned i = 0; i < n && !cor->closed; i++) {
		uint32_t gi = group_find(r->correlate, groups[i].key);
		if (gi)
			test(r, cor, gi, groups[i].ref, m);
	}
}

void correlate_match(struct correlate *c, const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_feeds; i++) {
		uint32_t number = rule->feeds[i].to->number;
		if (!c->matched[number])
			c->touched[c->n_touched++] = number;
		c->matched[number] |= rule->feeds[i].places;
	}
}

/* Those furthest from the rules first (their numbers are lowest): the event itself is there before what fires
 * because of it. */
void correlate_event(struct policy_run *r, const struct event *e)
{
	struct correlate *c = r->correlate;
	struct match m = { .view = event_view_as_view(r->view), .event = e, .ts_ns = c->now_ns };
	for (size_t i = 1; i < c->n_touched; i++)
		for (size_t k = i; k > 0 && c->touched[k] < c->touched[k - 1]; k--) {
			uint32_t swap = c->touched[k];
			c->touched[k] = c->touched[k - 1];
			c->touched[k - 1] = swap;
		}
	for (size_t i = 0; i < c->n_touched; i++) {
		uint32_t number = c->touched[i];
		uint64_t places = c->matched[number];
		c->matched[number] = 0;
		take(r, c->p->correlations[number], places, &m);
	}
	c->n_touched = 0;
}

/* ---- windows that end ------------------------------------------------------------------------- */

/* Of all correlations' oldest windows the one that ends first, before `now_ns`; 0: none. */
static uint32_t next_due(struct correlate *c, uint64_t now_ns, uint64_t *due)
{
	uint32_t best = 0;
	*due = UINT64_MAX;
	for (size_t i = 0; i < c->p->n_correlations; i++) {
		uint32_t gi = c->state[i].due.first;
		uint64_t at = gi ? group_at(c, gi)->since_ns + c->p->correlations[i]->span_ns : 0;
		if (gi && at < *due) {
			best = gi;
			*due = at;
		}
	}
	return *due <= now_ns ? best : 0;
}

static void close_window(struct policy_run *r, uint32_t gi, uint64_t due)
{
	struct correlate *c = r->correlate;
	struct group *g = group_at(c, gi);
	const struct correlation *cor = group_correlation(c, g);
	if (holds(c, cor, g)) {
		struct kept_match k = { 0 };
		kept_read(c, gi, &k, sizeof k);
		event_view_look(r->view, &k.head);
		struct match m = { .event = &k.head, .ts_ns = due };
		uint64_t key[2] = { g->key[0], g->key[1] };
		fire(r, cor, gi, &k.tuple, &m);
		gi = group_find(c, key); /* what it fired may have taken its place */
	}
	if (gi)
		group_put(c, gi);
}

void correlate_clock(struct policy_run *r, uint64_t now_ns)
{
	struct correlate *c = r->correlate;
	uint64_t due;
	uint32_t gi;
	while (c->due_ns <= now_ns && (gi = next_due(c, now_ns, &due))) {
		c->now_ns = due > c->now_ns && now_ns != UINT64_MAX ? due : c->now_ns;
		close_window(r, gi, due);
	}
	if (c->due_ns <= now_ns)
		(void)next_due(c, 0, &c->due_ns);
	if (now_ns != UINT64_MAX && now_ns > c->now_ns)
		c->now_ns = now_ns;
}
