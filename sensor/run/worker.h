/*
 * worker: the straight line from a frame to records in the ring (design.md section 1). Read worker_packet
 * first: it is the sensor in thirty lines.
 *
 * One per thread, owning all it touches. Memory is mapped by worker_init; nothing allocates afterwards but
 * nDPI, out of its own arena.
 *
 * Several workers may read the same packets, each for itself, and share the conversations by their host pair:
 * all that two hosts say to each other is one worker's. All of them decode every packet and join every
 * fragment (a tunnel's fragments do not tell whose they are), so packets are counted by the first alone.
 */
#ifndef WW_RUN_WORKER_H
#define WW_RUN_WORKER_H

#include "packet/decode.h"
#include "packet/dedup.h"
#include "packet/flow.h"
#include "packet/label.h"

struct worker {
	unsigned index, sharers;
	struct counters counters; /* of its own conversations */
	struct counters seen;     /* of packets, whosever they are */
	struct decoder decode;
	struct dedup dedup;
	struct traffic traffic;
	struct ring ring;
	struct dx_engine engine;
	struct flows flows;
	struct labels *labels;  /* NULL: identify is off */
	uint64_t minute_end_ns; /* 0: no packet yet */
	uint64_t back_ns;       /* see struct worker_news */
};

struct worker_setup {
	const struct limits *limits;
	const struct privacy_key *key;
	struct hash_key seed;
	unsigned index, sharers; /* which of how many that read the same packets; 0: of one */
	bool identify;
	/* Called when the ring is full: has to make room (offline), or what does not fit is lost and counted.
	 */
	void (*on_full)(void *arg);
	void *arg;
};

/* False: no memory; worker_fini is then still right. The setup's pointers are borrowed. */
bool worker_init(struct worker *w, const struct worker_setup *s);
void worker_fini(struct worker *w);
void worker_packet(struct worker *w, const struct frame *f);
/* Live: no packet before that time is to come (since 1970). */
void worker_idle(struct worker *w, uint64_t now_ns);
/* Adds what it counts to the run's sums. */
void worker_add(const struct worker *w, struct counters *c, struct dx_proto_counters proto[PROTO_N]);
/* Ends all conversations: the run is over. */
void worker_finish(struct worker *w);

#endif
