#include "run/hub.h"

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
		inventory_feed(h->inventory, e);
		judge(h, e);
	}
}

void hub_finish(struct hub *h)
{
	inventory_finish(h->inventory);
	policy_finish(h->policy);
}
