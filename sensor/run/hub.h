/*
 * hub: takes records in order and decides: inventory, policies, alerts, outputs (design.md section 1).
 *
 * One thread. Everything it uses is made before and borrowed; it allocates nothing.
 */
#ifndef WW_RUN_HUB_H
#define WW_RUN_HUB_H

#include "base/ring.h"
#include "decide/mask.h"
#include "decide/policy.h"
#include "run/sink.h"

struct hub {
	struct counters counters;
	struct inventory *inventory;
	struct policy_run *policy;
	struct mask *mask;
	struct sink *const *sinks;
	size_t n_sinks;
	const struct sink *failed; /* the first output that failed, errno in failed_errno */
	int failed_errno;
};

struct hub_setup {
	const struct limits *limits;
	const struct policy *policy;
	const struct fingerprints *fingerprints;
	struct mask *mask;
	struct sink *const *sinks;
	size_t n_sinks;
};

/* False: no memory; hub_fini is then still right. */
bool hub_init(struct hub *h, const struct hub_setup *s);
void hub_fini(struct hub *h);
/* Takes all records that are in the ring. */
void hub_drain(struct hub *h, struct ring *r);
/* The run is over: what needed the whole run is decided, windows close, outputs get the inventory. */
void hub_finish(struct hub *h, const struct run_summary *sum);

#endif
