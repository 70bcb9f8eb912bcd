#include "run/hub.h"

#include "base/assert.h"
#include "packet/dissect.h"

static void on_alert(void *arg, const struct alert *a)
{
	struct hub *h = arg;
	if (h->tap.on_alert)
		h->tap.on_alert(h->tap.arg, h, a);
	if (h->outputs)
		(void)outputs_alert(
			h->outputs, a); /* a failed output says so itself; the run looks at outputs_ok */
}

/* An event: to the outputs, then to the rules, with the inventory as it stands. */
static void judge(void *arg, const struct event *e)
{
	struct hub *h = arg;
	if (h->tap.on_record)
		h->tap.on_record(h->tap.arg, e);
	if (h->outputs)
		(void)outputs_record(h->outputs, e);
	if (e->record == RECORD_EVENT)
		policy_event(h->policy, e);
}

enum { TOLD_BYTES = 512 };

struct told {
	_Alignas(8) uint8_t b[TOLD_BYTES];
};

static void put(struct told *t, unsigned field, enum fact_type type, struct bytes v)
{
	struct event *e = (struct event *)(void *)t->b;
	size_t need = sizeof(struct fact) + ((v.n + 7) & ~(size_t)7);
	ASSERT(e->len + need <= sizeof t->b);
	struct fact *f = (struct fact *)(void *)(t->b + e->len);
	*f = (struct fact){ .field = (uint16_t)field, .type = (uint8_t)type, .len = (uint16_t)v.n };
	memcpy(f->value, v.p, v.n);
	e->len += (uint32_t)need;
	e->n_facts++;
}

/* The judging side's own tables: the inventory's, the correlations', the alerts'. */
static void tell_health(void *arg, const struct health_news *n)
{
	struct hub *h = arg;
	struct told t = { 0 };
	struct event *e = (struct event *)(void *)t.b;
	*e = (struct event){ .len = sizeof *e,
		.record = RECORD_EVENT,
		.proto = PROTO_sensor,
		.event = (uint8_t)n->event,
		.ts_ns = h->now_ns,
		.packet = h->packet };
	put(&t, SENSOR_COUNTER, FACT_STR, bytes_str(n->counter));
	put(&t, SENSOR_VALUE, FACT_UINT, bytes_of((const uint8_t *)&n->value, sizeof n->value));
	judge(h, e);
}

bool hub_init(struct hub *h, const struct hub_setup *s)
{
	size_t n_home;
	*h = (struct hub){ .outputs = s->outputs, .tap = s->tap };
	h->inventory = inventory_new(s->limits, &h->counters, s->fingerprints, s->oui);
	if (!h->inventory)
		return false;
	const struct network *home = policy_home(s->policy, &n_home);
	inventory_home(h->inventory, home, n_home);
	inventory_on_asset(h->inventory, judge, h);
	h->policy = policy_start(
		s->policy, s->limits, &h->counters, h->inventory, (struct alert_sink){ on_alert, h });
	if (h->policy)
		policy_on_derived(h->policy, judge, h);
	return h->policy != NULL;
}

void hub_fini(struct hub *h)
{
	if (h->policy)
		policy_stop(h->policy);
	if (h->inventory)
		inventory_free(h->inventory);
	*h = (struct hub){ 0 };
}

void hub_drain(struct hub *h, struct ring *r)
{
	uint32_t n;
	for (const struct event *e; (e = ring_peek(r, &n)) != NULL; ring_pop(r)) {
		h->now_ns = e->ts_ns;
		h->packet = e->packet;
		inventory_feed(h->inventory, e);
		judge(h, e);
		health_look(&h->health, &h->counters, h->now_ns, tell_health, h);
	}
}

void hub_finish(struct hub *h)
{
	inventory_finish(h->inventory);
	health_finish(&h->health, &h->counters, h->now_ns, tell_health, h);
	policy_finish(h->policy);
}
