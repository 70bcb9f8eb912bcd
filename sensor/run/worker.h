/*
 * worker: the straight line from a frame to records in the ring (design.md section 1). Read worker_packet
 * first: it is the sensor in thirty lines.
 *
 * One per thread, owning all it touches. Memory is mapped by worker_init; nothing allocates afterwards but
 * nDPI, out of its own arena.
 */
#ifndef WW_RUN_WORKER_H
#define WW_RUN_WORKER_H

#include "packet/decode.h"
#include "packet/dedup.h"
#include "packet/flow.h"
#include "packet/health.h"
#include "packet/label.h"

struct worker {
	struct counters counters;
	struct decoder decode;
	struct dedup dedup;
	struct ring ring;
	struct dx_engine engine;
	struct flows flows;
	struct labels *labels; /* NULL: identify is off */
	struct health health;
};

struct worker_setup {
	const struct limits *limits;
	const struct privacy_key *key;
	struct hash_key seed;
	bool identify;
	/* Called when the ring is full: has to make room (offline). */
	void (*on_full)(void *arg);
	void *arg;
};

/* False: no memory; worker_fini is then still right. The setup's pointers are borrowed. */
bool worker_init(struct worker *w, const struct worker_setup *s);
void worker_fini(struct worker *w);
void worker_packet(struct worker *w, const struct frame *f);
/* Ends all conversations: the run is over. */
void worker_finish(struct worker *w);

#endif
