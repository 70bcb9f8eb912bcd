#include "decide/suppress.h"

#include "base/pool.h"
#include "base/table.h"

#include <stdlib.h>

#define DAY     (UINT64_C(86400) * 1000000000)
#define LONGEST (366 * DAY)

/* Of a rule and its suppress.by: what was held back since it last spoke. */
struct held {
	uint64_t key[2];
	uint64_t count, first_ns;
	uint32_t next, prev;
};

/* Of an entry, since its last summary. */
struct total {
	uint64_t count, first_ns, first_packet;
	struct event last; /* without facts */
	bool told_expired;
};

struct suppress {
	struct counters *counters;
	struct pool held;
	struct table held_of;
	uint32_t first, last; /* of held, oldest first */
	struct total *total;  /* by entry */
	uint64_t *acted;      /* by pair of rule and entry */
	uint64_t next_ns;     /* summary; 0: no event yet */
};

struct suppress *suppress_new(const struct policy *p, const struct limits *l, struct counters *c)
{
	struct suppress *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->counters = c;
	s->total = calloc(p->n_suppressions + 1, sizeof *s->total);
	s->acted = calloc(p->n_suppressed + 1, sizeof *s->acted);
	if (s->total && s->acted &&
		(p->n_suppressions == 0 || (pool_init(&s->held, sizeof(struct held), l->suppressed) &&
						   table_init(&s->held_of, l->suppressed))))
		return s;
	suppress_free(s);
	return NULL;
}

void suppress_free(struct suppress *s)
{
	if (!s)
		return;
	pool_fini(&s->held);
	table_fini(&s->held_of);
	free(s->total);
	free(s->acted);
	free(s);
}

/* ---- what is held back ------------------------------------------------------------------------ */

static struct held *held_at(const struct suppress *s, uint32_t i)
{
	return pool_at(&s->held, i);
}

static uint32_t held_find(const struct suppress *s, const uint64_t key[2])
{
	uint32_t i;
	for (uint32_t at = table_first(&s->held_of, key[0]);
		(i = table_at(&s->held_of, at, key[0])) != TABLE_END; at = table_next(&s->held_of, at))
		if (i && memcmp(held_at(s, i)->key, key, sizeof(uint64_t[2])) == 0)
			return i;
	return 0;
}

static void held_put(struct suppress *s, uint32_t i)
{
	const struct held *h = held_at(s, i);
	if (h->prev)
		held_at(s, h->prev)->next = h->next;
	else
		s->first = h->next;
	if (h->next)
		held_at(s, h->next)->prev = h->prev;
	else
		s->last = h->prev;
	table_del(&s->held_of, h->key[0], i);
	pool_put(&s->held, i);
}

static uint32_t held_get(struct suppress *s, const uint64_t key[2], uint64_t ts_ns)
{
	uint32_t i = pool_get(&s->held);
	if (!i && s->first) {
		s->counters->full_suppressed++;
		held_put(s, s->first);
		i = pool_get(&s->held);
	}
	if (!i)
		return 0;
	*held_at(s, i) = (struct held){ { key[0], key[1] }, 0, ts_ns, 0, s->last };
	if (s->last)
		held_at(s, s->last)->next = i;
	else
		s->first = i;
	s->last = i;
	table_put(&s->held_of, key[0], i);
	return i;
}

static void hold(struct suppress *s, const struct alert *a, struct bytes by)
{
	uint64_t key[2];
	fold_key(a->rule, by, key);
	uint32_t i = held_find(s, key);
	if (!i)
		i = held_get(s, key, a->event->ts_ns);
	if (i)
		held_at(s, i)->count++;
	s->counters->alerts_suppressed++;
}

void suppress_tell(const struct policy_run *r, const uint64_t key[2], struct alert *a)
{
	uint32_t i = r->p->n_suppressions ? held_find(r->suppress, key) : 0;
	if (!i)
		return;
	a->suppressed = held_at(r->suppress, i)->count;
	a->suppressed_first_ns = held_at(r->suppress, i)->first_ns;
	held_put(r->suppress, i);
}

/* ---- entries ---------------------------------------------------------------------------------- */

static void say(struct policy_run *r, const struct rule *rule, const struct total *t)
{
	struct alert a = { .rule = rule,
		.event = &t->last,
		.level = rule->text.level,
		.count = t->count,
		.first_ns = t->first_ns,
		.last_ns = t->last.ts_ns,
		.first_packet = t->first_packet,
		.last_packet = t->last.packet };
	alert_score(&a);
	alert_id(&a, bytes_str(rule->text.title));
	memcpy(a.first_id, a.id, sizeof a.id);
	alert_count(r->counters, a.level);
	r->sink.on_alert(r->sink.arg, &a);
}

static void head(struct event *out, const struct event *e)
{
	*out = *e;
	out->len = sizeof *out;
	out->n_facts = 0;
}

static void say_expired(struct policy_run *r, const struct suppression *entry, const struct event *e)
{
	struct total *t = &r->suppress->total[entry->number];
	struct total now = { .count = 1, .first_ns = e->ts_ns, .first_packet = e->packet };
	if (t->told_expired)
		return;
	t->told_expired = true;
	head(&now.last, e);
	say(r, &entry->expired, &now);
}

static void count(struct policy_run *r, const struct rule_suppression *s, const struct event *e)
{
	struct total *t = &r->suppress->total[s->entry->number];
	r->suppress->acted[s->number]++;
	if (t->count++ == 0) {
		t->first_ns = e->ts_ns;
		t->first_packet = e->packet;
	}
	head(&t->last, e);
}

bool suppress_alert(struct policy_run *r, struct alert *a, struct bytes by)
{
	uint64_t ts = a->event->ts_ns;
	for (size_t i = 0; i < a->rule->n_suppressions; i++) {
		const struct rule_suppression *s = &a->rule->suppressions[i];
		if (ts + LONGEST < s->entry->expires_ns ||
			(s->match && !detect_eval(s->match, event_view_as_view(r->view), NULL)))
			continue;
		if (ts >= s->entry->expires_ns) {
			say_expired(r, s->entry, a->event);
			continue;
		}
		count(r, s, a->event);
		if (s->entry->action == SUPPRESS_DROP || s->entry->action == SUPPRESS_SUMMARIZE) {
			hold(r->suppress, a, by);
			return true;
		}
		a->suppression = s->entry->id;
		if (s->entry->action == SUPPRESS_LOWER && a->level > LEVEL_INFORMATIONAL)
			a->level--;
	}
	return false;
}

void suppress_clock(struct policy_run *r, uint64_t now_ns)
{
	struct suppress *s = r->suppress;
	if (now_ns < s->next_ns || r->p->n_suppressions == 0)
		return;
	for (size_t i = 0; i < r->p->n_suppressions; i++) {
		struct total *t = &s->total[i];
		if (t->count)
			say(r, &r->p->suppressions[i]->summary, t);
		t->count = 0;
	}
	s->next_ns = now_ns == UINT64_MAX ? now_ns : now_ns + DAY;
}

uint64_t suppress_count(const struct policy_run *r, const struct rule *rule, const char *id)
{
	for (size_t i = 0; i < rule->n_suppressions; i++)
		if (strcmp(rule->suppressions[i].entry->id, id) == 0)
			return r->suppress->acted[rule->suppressions[i].number];
	return 0;
}
