/*
 * health: what the sensor did not see or could not keep, told as events of category `sensor`.
 *
 * Whoever counts (a worker, the hub) owns one and shows it its counters; once a minute of packet time it
 * looks at what they grew by. A share is told only over a number of things that makes it more than chance,
 * and the same thing once an hour. Deterministic in packet time, no allocation.
 */
#ifndef WW_PACKET_HEALTH_H
#define WW_PACKET_HEALTH_H

#include "base/counters.h"
#include "packet/categories.h"

enum {
#define LIMIT(name, def, least, most, sentence) HEALTH_FULL_##name,
#define CAP(name, def, least, most, sentence)
#include "base/limits.def"
#undef LIMIT
	HEALTH_GAPS,
	HEALTH_CUT,
	HEALTH_ONE_SIDED,
	HEALTH_DUPLICATES,
	HEALTH_CLOCK,
	HEALTH_KINDS
};

struct health {
	struct counters before; /* at the beginning of this minute */
	uint64_t minute_end_ns; /* 0: no packet yet */
	uint64_t back_ns;       /* most that a packet of this minute lay before an earlier one's time */
	uint64_t told_ns[HEALTH_KINDS]; /* 0: never */
};

struct health_news {
	enum sensor_event event;
	const char *counter; /* a name of counters.def or limits.def; "clock" */
	uint64_t value;      /* by how much it grew; of the clock: seconds */
	uint64_t share;      /* percent of all; 0 where there is no all */
};

/* Takes the time of what is in hand and calls fn for each thing to be told. */
void health_look(struct health *h, const struct counters *now, uint64_t now_ns,
	void (*fn)(void *arg, const struct health_news *n), void *arg);
/* A packet's time, and the latest before it. */
void health_time(struct health *h, uint64_t ts_ns, uint64_t latest_ns);
/* The run is over: the minute that is not full. */
void health_finish(struct health *h, const struct counters *now, uint64_t now_ns,
	void (*fn)(void *arg, const struct health_news *n), void *arg);

#endif
