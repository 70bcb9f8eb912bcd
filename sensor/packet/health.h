/*
 * health: what the sensor did not see or could not keep, told as events of category `sensor`.
 *
 * Once a minute of packet time each worker sends its counters to the hub, which shows the sum, with its own,
 * to a health and learns what is to be told. A share is told only over a number of things that makes it more
 * than chance, and the same thing once an hour. Deterministic in packet time, no allocation.
 */
#ifndef WW_PACKET_HEALTH_H
#define WW_PACKET_HEALTH_H

#include "base/counters.h"
#include "packet/categories.h"
#include "packet/traffic.h"

enum {
#define LIMIT(name, def, least, most, sentence) HEALTH_FULL_##name,
#define CAP(name, def, least, most, sentence)
#include "base/limits.def"
#undef LIMIT
	HEALTH_CAPTURE,
	HEALTH_RING,
	HEALTH_GAPS,
	HEALTH_CUT,
	HEALTH_ONE_SIDED,
	HEALTH_DUPLICATES,
	HEALTH_CLOCK,
	HEALTH_KINDS
};

enum { HEALTH_MINUTE_S = 60 };

/* What a RECORD_COUNTERS holds behind its struct event, before its struct traffic_row. */
struct worker_news {
	struct counters counters; /* since the start */
	uint64_t back_ns;         /* most that a packet of this minute lay before an earlier one's time */
	uint32_t n_traffic;       /* rows that follow */
	bool traffic_is_cut;      /* see struct traffic */
};

struct health {
	struct counters before;         /* at the beginning of this minute */
	uint64_t told_ns[HEALTH_KINDS]; /* 0: never */
};

struct health_news {
	enum sensor_event event;
	const char *counter; /* a name of counters.def or limits.def; "clock" */
	uint64_t value;      /* by how much it grew; of the clock: seconds */
	uint64_t share;      /* percent of all; 0 where there is no all */
};

/* A minute is over, or the run: calls fn for each thing to be told. The counters are all threads'. */
void health_look(struct health *h, const struct worker_news *all, uint64_t now_ns,
	void (*fn)(void *arg, const struct health_news *n), void *arg);

#endif
