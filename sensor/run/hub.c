#include "run/hub.h"

#include <errno.h>

static void failed(struct hub *h, const struct sink *s)
{
	if (h->failed)
		return;
	h->failed = s;
	h->failed_errno = errno;
}

static void on_alert(void *arg, const struct alert *a)
{
	struct hub *h = arg;
	for (size_t i = 0; i < h->n_sinks; i++)
		if (h->sinks[i]->alert && !h->failed && !h->sinks[i]->alert(h->sinks[i], a))
			failed(h, h->sinks[i]);
}

bool hub_init(struct hub *h, const struct hub_setup *s)
{
	*h = (struct hub){ .mask = s->mask, .sinks = s->sinks, .n_sinks = s->n_sinks };
	h->inventory = inventory_new(s->limits, &h->counters, s->fingerprints);
	if (h->inventory)
		h->policy = policy_start(
			s->policy, s->limits, &h->counters, h->inventory, (struct alert_sink){ on_alert, h });
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

static void take(struct hub *h, const struct event *e)
{
	mask_learn(h->mask, e);
	inventory_feed(h->inventory, e);
	if (e->record != RECORD_EVENT)
		return;
	for (size_t i = 0; i < h->n_sinks; i++)
		if (h->sinks[i]->event && !h->failed && !h->sinks[i]->event(h->sinks[i], e))
			failed(h, h->sinks[i]);
	policy_event(h->policy, e);
}

void hub_drain(struct hub *h, struct ring *r)
{
	uint32_t n;
	for (const struct event *e; (e = ring_peek(r, &n)) != NULL; ring_pop(r))
		take(h, e);
}

void hub_finish(struct hub *h, const struct run_summary *sum)
{
	inventory_finish(h->inventory);
	policy_finish(h->policy);
	for (size_t i = 0; i < h->n_sinks; i++)
		if (h->sinks[i]->finish && !h->failed && !h->sinks[i]->finish(h->sinks[i], h->inventory, sum))
			failed(h, h->sinks[i]);
}
