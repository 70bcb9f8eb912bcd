#include "run/hub.h"

#include "base/assert.h"
#include "decide/baseline.h"
#include "packet/dissect.h"

#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

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

enum { TOLD_BYTES = 1024, TOLD_NAME = 256 };

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

static void put_uint(struct told *t, unsigned field, uint64_t v)
{
	put(t, field, FACT_UINT, bytes_of((const uint8_t *)&v, sizeof v));
}

static void put_input(const struct hub *h, struct told *t, uint32_t input)
{
	const char *name = h->input_name ? h->input_name(h->input_arg, input) : NULL;
	if (name) /* of a path its end tells the most */
		put(t, SENSOR_INTERFACE, FACT_STR,
			bytes_from(bytes_str(name), strlen(name) > TOLD_NAME ? strlen(name) - TOLD_NAME : 0));
}

static void begin(
	const struct hub *h, struct told *t, enum sensor_event event, const char *counter, uint64_t value)
{
	*(struct event *)(void *)t->b = (struct event){ .len = sizeof(struct event),
		.record = RECORD_EVENT,
		.proto = PROTO_sensor,
		.event = (uint8_t)event,
		.ts_ns = h->now_ns,
		.packet = h->packet };
	put(t, SENSOR_COUNTER, FACT_STR, bytes_str(counter));
	put_uint(t, SENSOR_VALUE, value);
}

static void end(struct hub *h, const struct told *t)
{
	judge(h, (const struct event *)(const void *)t->b);
}

void hub_tell(struct hub *h, const struct health_news *n)
{
	struct told t = { 0 };
	begin(h, &t, n->event, n->counter, n->value);
	if (n->share)
		put_uint(&t, SENSOR_SHARE, n->share);
	end(h, &t);
}

void hub_tell_link(struct hub *h, uint32_t interface, bool is_up, uint64_t seconds)
{
	struct told t = { 0 };
	silence_link(&h->silence, interface, is_up, h->now_ns);
	begin(h, &t, is_up ? SENSOR_EV_LINK_UP : SENSOR_EV_LINK_DOWN, "interface", seconds);
	put_input(h, &t, interface);
	end(h, &t);
}

static void tell_silence(void *arg, const struct silence_news *n)
{
	struct hub *h = arg;
	struct told t = { 0 };
	begin(h, &t, n->is_over ? SENSOR_EV_HEARD_AGAIN : SENSOR_EV_SILENT, n->vlan ? "vlan" : "interface",
		n->silent_ns / SECOND);
	put_input(h, &t, n->input);
	if (n->vlan)
		put_uint(&t, SENSOR_VLAN, n->vlan);
	if (!n->is_over) {
		put_uint(&t, SENSOR_PACKETS, n->packets);
		put_uint(&t, SENSOR_BYTES, n->bytes);
	}
	end(h, &t);
}

static void tell_health(void *arg, const struct health_news *n)
{
	hub_tell(arg, n);
}

/* ---- the workers' counters ------------------------------------------------------------------------- */

struct worker_report {
	struct worker_news news;
	bool is_new;
};

/* All of them at the end of a minute, and the judging side's own: the inventory's tables, the alerts'. */
static void look(struct hub *h)
{
	struct worker_news all = { .counters = h->counters };
	for (unsigned i = 0; i < h->n_workers; i++) {
		struct worker_report *r = &h->reports[i];
		counters_add(&all.counters, &r->news.counters);
		if (r->is_new && r->news.back_ns > all.back_ns)
			all.back_ns = r->news.back_ns;
		r->is_new = false;
	}
	health_look(&h->health, &all, h->now_ns, tell_health, h);
}

static void take_counters(struct hub *h, const struct event *e, unsigned worker)
{
	bool complete = true;
	struct worker_news *news = &h->reports[worker].news;
	memcpy(news, e + 1, sizeof *news);
	silence_take(&h->silence,
		(const struct traffic_row *)(const void *)((const uint8_t *)(e + 1) + sizeof *news),
		news->n_traffic, news->traffic_is_cut);
	h->reports[worker].is_new = true;
	for (unsigned i = 0; i < h->n_workers; i++)
		complete = complete && h->reports[i].is_new;
	if (!complete)
		return;
	look(h);
	silence_look(&h->silence, h->now_ns, tell_silence, h);
}

bool hub_init(struct hub *h, const struct hub_setup *s)
{
	size_t n_home;
	*h = (struct hub){ .outputs = s->outputs,
		.tap = s->tap,
		.limits = s->limits,
		.input_name = s->input_name,
		.input_arg = s->input_arg,
		.n_workers = s->n_workers ? s->n_workers : 1 };
	h->reports = calloc(h->n_workers, sizeof *h->reports);
	if (!h->reports || !silence_init(&h->silence, s->limits, &h->counters, s->n_interfaces))
		return false;
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

bool hub_reload(struct hub *h, const struct policy *p)
{
	size_t n_home;
	struct policy_run *run =
		policy_start(p, h->limits, &h->counters, h->inventory, (struct alert_sink){ on_alert, h });
	if (!run)
		return false;
	struct baseline_run *learnt = policy_baselines(h->policy), *to = policy_baselines(run);
	struct baseline_record record;
	policy_finish(h->policy);
	baselines_save_all(learnt);
	while (baselines_save(learnt, &record))
		(void)baselines_restore(to, record.state); /* not those that are no more, or are others now */
	policy_stop(h->policy);
	h->policy = run;
	policy_on_derived(run, judge, h);
	const struct network *home = policy_home(p, &n_home);
	inventory_reload(h->inventory, policy_fingerprints(p), home, n_home);
	if (h->outputs)
		outputs_zones(h->outputs, policy_zones(p));
	return true;
}

void hub_fini(struct hub *h)
{
	if (h->policy)
		policy_stop(h->policy);
	if (h->inventory)
		inventory_free(h->inventory);
	silence_fini(&h->silence);
	free(h->reports);
	*h = (struct hub){ 0 };
}

void hub_take(struct hub *h, const struct event *e, unsigned worker)
{
	h->now_ns = e->ts_ns;
	h->packet = e->packet;
	if (e->record == RECORD_COUNTERS) {
		take_counters(h, e, worker);
		return;
	}
	inventory_feed(h->inventory, e);
	judge(h, e);
}

void hub_drain(struct hub *h, struct ring *r)
{
	uint32_t n;
	for (const struct event *e; (e = ring_peek(r, &n)) != NULL; ring_pop(r))
		hub_take(h, e, 0);
}

void hub_finish(struct hub *h)
{
	inventory_finish(h->inventory);
	look(h);
	policy_finish(h->policy);
}
