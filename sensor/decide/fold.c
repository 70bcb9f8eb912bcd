/*
 * fold: repeats of an alert become one count (policy-language.md section 18, mode limit).
 *
 * A group is a rule and the values of its suppress.by, of an address the device that has it. It lives from
 * its first hit for the rule's `for`, in packet time: the first hit is said at once, the others are counted,
 * and at the end one closing document says how many there were. Groups of equal duration close in the order
 * they were opened, so each duration has one queue. A full pool closes the oldest group early and counts
 * that: nothing is lost, only said sooner.
 */
#include "decide/suppress.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/table.h"
#include "packet/categories.h"

#include <stdlib.h>

enum { MAX_QUEUES = 32, BY_BYTES = 512 };

struct group {
	uint64_t key[2];
	uint64_t opened; /* number of the group in the run: the order of closing */
	uint64_t due_ns;
	uint32_t next; /* in its queue */
	uint8_t queue;
	uint64_t said; /* the count when it was last said; 0: not yet */
	bool patients_at_least;
	uint32_t patients; /* head of the chain of those counted */
	uint16_t by_n;
	struct event head;       /* of the last hit, without facts */
	struct holder holder[2]; /* who its addresses were then */
	struct alert alert;      /* as last said; id is the first document's */
	uint8_t by[BY_BYTES];
};

/* A patient seen in a group. */
struct patient {
	struct pseudonym who;
	uint32_t group, next;
};

struct queue {
	uint64_t for_ns;
	uint32_t head, tail;
};

struct fold {
	struct counters *counters;
	struct pool groups, patients;
	struct table group_of, patient_of;
	struct queue queue[MAX_QUEUES];
	unsigned n_queues;
	uint64_t opened;
	uint64_t due_ns; /* no group is due before */
};

/* Fixed: the pools are bounded, and equal runs must give equal bytes. */
static const struct hash_key keys[2] = { { 0x7761726477617463, 1 }, { 0x7761726477617463, 2 } };

struct fold *fold_new(const struct policy *p, const struct limits *l, struct counters *c)
{
	struct fold *f = calloc(1, sizeof *f);
	bool fine = f && pool_init(&f->groups, sizeof(struct group), l->alerts) &&
		    pool_init(&f->patients, sizeof(struct patient), l->alert_patients) &&
		    table_init(&f->group_of, l->alerts) && table_init(&f->patient_of, l->alert_patients);
	if (!fine) {
		fold_free(f);
		return NULL;
	}
	f->counters = c;
	f->due_ns = UINT64_MAX;
	for (size_t i = 0; i < p->n_rules; i++) {
		unsigned q = 0;
		while (q < f->n_queues && f->queue[q].for_ns != p->rules[i]->for_ns)
			q++;
		if (q == f->n_queues) {
			ASSERT(q < MAX_QUEUES); /* policy_load refuses more */
			f->queue[f->n_queues++].for_ns = p->rules[i]->for_ns;
		}
	}
	return f;
}

void fold_free(struct fold *f)
{
	if (!f)
		return;
	pool_fini(&f->groups);
	pool_fini(&f->patients);
	table_fini(&f->group_of);
	table_fini(&f->patient_of);
	free(f);
}

void fold_fail_at(struct fold *f, uint32_t n)
{
	f->groups.fail_at = n;
}

static struct group *group_at(const struct fold *f, uint32_t i)
{
	return pool_at(&f->groups, i);
}

/* ---- patients ------------------------------------------------------------------------------ */

static uint64_t patient_hash(uint32_t group, const struct pseudonym *who)
{
	uint8_t material[sizeof group + sizeof who->b];
	memcpy(material, &group, sizeof group);
	memcpy(material + sizeof group, who->b, sizeof who->b);
	return hash_bytes(&keys[0], material, sizeof material);
}

static void count_one(struct fold *f, uint32_t gi, const struct phi_fact *p)
{
	struct group *g = group_at(f, gi);
	uint64_t h = patient_hash(gi, &p->whole);
	uint32_t i;
	for (uint32_t at = table_first(&f->patient_of, h); (i = table_at(&f->patient_of, at, h)) != TABLE_END;
		at = table_next(&f->patient_of, at)) {
		const struct patient *seen = pool_at(&f->patients, i);
		if (i && seen->group == gi && memcmp(&seen->who, &p->whole, sizeof p->whole) == 0)
			return;
	}
	uint32_t fresh = pool_get(&f->patients);
	if (!fresh) {
		f->counters->full_alert_patients++;
		g->patients_at_least = true;
		return;
	}
	struct patient *slot = pool_at(&f->patients, fresh);
	*slot = (struct patient){ p->whole, gi, g->patients };
	g->patients = fresh;
	g->alert.patients++;
	table_put(&f->patient_of, h, fresh);
}

/* The patients the event is about: all of phi.patient, else the first record number, else the first name. */
static void count_patients(struct fold *f, uint32_t gi, const struct event *e)
{
	const struct phi_fact *first = NULL;
	FACT_EACH (fact, e) {
		const struct phi_fact *p = (const struct phi_fact *)(const void *)fact->value;
		if (fact->type != FACT_PHI)
			continue;
		if (e->proto == PROTO_phi && fact->field == PHI_PATIENT)
			count_one(f, gi, p);
		else if (p->class == PHI_MRN ? !first || first->class != PHI_MRN
					     : p->class == PHI_PATIENT_NAME && !first)
			first = p;
	}
	if (first && e->proto != PROTO_phi)
		count_one(f, gi, first);
}

static void forget_patients(struct fold *f, uint32_t gi)
{
	struct group *g = group_at(f, gi);
	while (g->patients) {
		uint32_t i = g->patients;
		struct patient *p = pool_at(&f->patients, i);
		g->patients = p->next;
		table_del(&f->patient_of, patient_hash(gi, &p->who), i);
		pool_put(&f->patients, i);
	}
}

/* ---- closing ------------------------------------------------------------------------------- */

static void say(const struct policy_run *r, struct alert *a, const uint64_t key[2])
{
	a->suppressed = 0;
	suppress_tell(r, key, a);
	alert_score(a);
	alert_count(r->counters, a->level);
	r->sink.on_alert(r->sink.arg, a);
}

/* The device of the last hit, though another may have its address by now. */
static const struct device *device_of(const struct policy_run *r, const struct group *g, enum dir side)
{
	struct holder now = inventory_holder(r->inv, &g->head, side);
	const struct device *d = inventory_held(r->inv, g->holder[side]);
	return d || now.turn != g->holder[side].turn ? d : inventory_of(r->inv, &g->head, side);
}

static void say_closing(const struct policy_run *r, struct group *g)
{
	struct alert a = g->alert;
	/* What was said last has told of all. */
	if (a.count == g->said || g->said == 0)
		return;
	a.closing = true;
	a.event = &g->head;
	a.patients_at_least = g->patients_at_least;
	a.source = r->inv ? device_of(r, g, DIR_CLIENT) : NULL;
	a.destination = r->inv ? device_of(r, g, DIR_SERVER) : NULL;
	alert_id(&a, bytes_of(g->by, g->by_n));
	say(r, &a, g->key);
}

static void close_first(struct fold *f, const struct policy_run *r, struct queue *q)
{
	uint32_t gi = q->head;
	struct group *g = group_at(f, gi);
	say_closing(r, g);
	forget_patients(f, gi);
	q->head = g->next;
	if (!q->head)
		q->tail = 0;
	table_del(&f->group_of, g->key[0], gi);
	pool_put(&f->groups, gi);
}

/* Of all queues' first groups that are due before now: the one opened first. */
static struct queue *oldest(struct fold *f, uint64_t now_ns)
{
	struct queue *best = NULL;
	for (unsigned i = 0; i < f->n_queues; i++) {
		struct queue *q = &f->queue[i];
		if (!q->head || (now_ns != UINT64_MAX && group_at(f, q->head)->due_ns > now_ns))
			continue;
		if (!best || group_at(f, q->head)->opened < group_at(f, best->head)->opened)
			best = q;
	}
	return best;
}

void fold_close(struct fold *f, const struct policy_run *r, uint64_t now_ns)
{
	struct queue *q;
	if (now_ns < f->due_ns)
		return;
	while ((q = oldest(f, now_ns)))
		close_first(f, r, q);
	f->due_ns = UINT64_MAX;
	for (unsigned i = 0; i < f->n_queues; i++)
		if (f->queue[i].head && group_at(f, f->queue[i].head)->due_ns < f->due_ns)
			f->due_ns = group_at(f, f->queue[i].head)->due_ns;
}

/* ---- hits ---------------------------------------------------------------------------------- */

static uint32_t find(const struct fold *f, const uint64_t key[2])
{
	uint32_t i;
	for (uint32_t at = table_first(&f->group_of, key[0]);
		(i = table_at(&f->group_of, at, key[0])) != TABLE_END; at = table_next(&f->group_of, at))
		if (i && memcmp(group_at(f, i)->key, key, sizeof(uint64_t[2])) == 0)
			return i;
	return 0;
}

static uint32_t room(struct fold *f, const struct policy_run *r)
{
	uint32_t gi = pool_get(&f->groups);
	struct queue *q = gi ? NULL : oldest(f, UINT64_MAX);
	if (gi)
		return gi;
	f->counters->full_alerts++;
	if (q)
		close_first(f, r, q);
	return pool_get(&f->groups);
}

static uint32_t open_group(struct fold *f, const struct policy_run *r, const struct alert *a, struct bytes by,
	const uint64_t key[2])
{
	uint32_t gi = room(f, r);
	unsigned q = 0;
	if (!gi)
		return 0;
	while (f->queue[q].for_ns != a->rule->for_ns)
		q++;
	struct group *g = group_at(f, gi);
	g->key[0] = key[0];
	g->key[1] = key[1];
	g->opened = ++f->opened;
	g->due_ns = a->event->ts_ns + a->rule->for_ns;
	g->by_n = (uint16_t)by.n;
	memcpy(g->by, by.p, by.n);
	g->alert = *a;
	g->alert.first_ns = a->event->ts_ns;
	g->alert.first_packet = a->event->packet;
	if (f->queue[q].tail)
		group_at(f, f->queue[q].tail)->next = gi;
	else
		f->queue[q].head = gi;
	f->queue[q].tail = gi;
	if (g->due_ns < f->due_ns)
		f->due_ns = g->due_ns;
	table_put(&f->group_of, key[0], gi);
	return gi;
}

static void add_hit(struct alert *into, const struct event *e)
{
	into->count++;
	into->last_ns = e->ts_ns;
	into->last_packet = e->packet;
	into->phi |= e->phi;
	if (into->n_packets < into->rule->evidence)
		into->packets[into->n_packets++] = e->packet;
}

/* No group to be had: the alert is said alone, as the next of its kind will be. */
static void say_alone(const struct policy_run *r, struct alert *a, struct bytes by, const uint64_t key[2])
{
	a->first_ns = a->event->ts_ns;
	a->first_packet = a->event->packet;
	add_hit(a, a->event);
	alert_id(a, by);
	memcpy(a->first_id, a->id, sizeof a->id);
	say(r, a, key);
}

void fold_key(const struct rule *r, struct bytes by, uint64_t key[2])
{
	uint8_t material[BY_BYTES + sizeof r->number];
	by = bytes_first(by, BY_BYTES);
	memcpy(material, &r->number, sizeof r->number);
	memcpy(material + sizeof r->number, by.p, by.n);
	for (unsigned k = 0; k < 2; k++)
		key[k] = hash_bytes(&keys[k], material, sizeof r->number + by.n);
}

/* limit: the first ones; threshold: every so many. */
static bool is_said(const struct rule *r, uint64_t count)
{
	return r->threshold ? count % r->first_alerts == 0 : count <= r->first_alerts;
}

void fold_hit(struct fold *f, const struct policy_run *r, struct alert *a, struct bytes by)
{
	uint64_t key[2];
	by = bytes_first(by, BY_BYTES);
	fold_key(a->rule, by, key);
	uint32_t gi = find(f, key);
	if (!gi && !(gi = open_group(f, r, a, by, key))) {
		say_alone(r, a, by, key);
		return;
	}
	struct group *g = group_at(f, gi);
	const struct event *e = a->event;
	add_hit(&g->alert, e);
	g->alert.outside = g->alert.outside || a->outside;
	count_patients(f, gi, e);
	g->head = *e;
	g->head.len = sizeof g->head;
	g->head.n_facts = 0;
	for (unsigned side = 0; r->inv && side < 2; side++)
		g->holder[side] = inventory_holder(r->inv, e, (enum dir)side);
	if (!is_said(a->rule, g->alert.count)) {
		f->counters->alerts_folded++;
		g->alert.correlation = a->correlation;
		return;
	}
	struct alert now = g->alert;
	now.event = e;
	now.reason = a->reason;
	now.correlation = g->alert.correlation = a->correlation;
	now.source = a->source;
	now.destination = a->destination;
	now.patients_at_least = g->patients_at_least;
	alert_id(&now, by);
	if (g->said == 0)
		memcpy(g->alert.first_id, now.id, sizeof now.id);
	memcpy(now.first_id, g->alert.first_id, sizeof now.id);
	g->said = g->alert.count;
	say(r, &now, key);
}
