/*
 * hub: takes records in order and decides: inventory, policies, alerts, outputs (design.md section 1).
 *
 * One thread. Everything it uses is made before and borrowed; it allocates nothing.
 */
#ifndef WW_RUN_HUB_H
#define WW_RUN_HUB_H

#include "base/ring.h"
#include "decide/policy.h"
#include "packet/health.h"
#include "packet/silence.h"
#include "run/sink.h"

struct hub;

/* Who else listens to a run: each may be NULL. */
struct hub_tap {
	void (*on_record)(void *arg, const struct event *e); /* observations too, before it is judged */
	void (*on_alert)(void *arg, struct hub *h, const struct alert *a);
	void *arg;
};

struct hub {
	struct counters counters;
	struct inventory *inventory;
	struct policy_run *policy;
	const struct limits *limits;
	struct outputs *outputs; /* or NULL */
	struct hub_tap tap;
	struct health health;
	struct silence silence;
	const char *(*input_name)(void *arg, uint32_t input);
	void *input_arg;
	unsigned n_workers;
	struct worker_report *reports; /* one for each worker */
	uint64_t now_ns, packet;       /* of the record in hand */
};

struct hub_setup {
	const struct limits *limits;
	const struct policy *policy;
	const struct fingerprints *fingerprints; /* may be NULL */
	struct oui *oui;                         /* may be NULL */
	struct outputs *outputs;                 /* may be NULL */
	struct hub_tap tap;
	unsigned n_workers;    /* 0: one */
	uint32_t n_interfaces; /* live; 0: captures */
	/* Of struct frame's input; NULL: it has no name. May itself be NULL. */
	const char *(*input_name)(void *arg, uint32_t input);
	void *input_arg;
};

/* False: no memory; hub_fini is then still right. */
bool hub_init(struct hub *h, const struct hub_setup *s);
void hub_fini(struct hub *h);
/* Takes a record that is that worker's, in the order of merge.h. */
void hub_take(struct hub *h, const struct event *e, unsigned worker);
/* Takes all records that are in the ring of the only worker. */
void hub_drain(struct hub *h, struct ring *r);
/* An event of the sensor's own, at the time of the last record. */
void hub_tell(struct hub *h, const struct health_news *n);
/* Live: an interface's link has gone down, or is up again after so many seconds. */
void hub_tell_link(struct hub *h, uint32_t interface, bool is_up, uint64_t seconds);
/* Other policies from the next record on. Windows of the old ones close first, what baselines have learnt is
 * taken over, what correlations have counted is not; nothing refers to the old ones any more. False: no
 * memory, the old ones go on. */
bool hub_reload(struct hub *h, const struct policy *p);
/* The run is over: what needed the whole run is decided and windows close. */
void hub_finish(struct hub *h);

#endif
