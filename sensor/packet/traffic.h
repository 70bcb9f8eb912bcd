/*
 * traffic: what came from each interface and VLAN in the minute under way, for the hub to notice when
 * nothing comes any more (silence.h).
 *
 * One per worker, on its thread. What a full table has no row for is not counted, and is_cut says so: the
 * minute then shows nothing of what is missing in it. All memory is mapped by traffic_init.
 */
#ifndef WW_PACKET_TRAFFIC_H
#define WW_PACKET_TRAFFIC_H

#include "base/counters.h"
#include "packet/packet.h"

enum {
	TRAFFIC_MOST = 1500, /* limits.vlans at most: all rows fit in one record */
	TRAFFIC_SPAN_S = 10,
	TRAFFIC_SPANS = 6, /* of a minute */
};

struct traffic_row {
	uint64_t bytes, first_ns, last_ns;
	uint32_t input, interface; /* as in struct frame */
	uint32_t packets;
	uint16_t vlan; /* 0: untagged */
	uint8_t spans; /* a bit for each of the minute's that had a packet */
};

struct traffic {
	struct traffic_row *rows;
	uint16_t *slots; /* row and one, 0: free */
	uint32_t n, most;
	bool is_cut;
	struct counters *counters;
};

/* At most TRAFFIC_MOST rows. False: no memory; traffic_fini is then still right. */
bool traffic_init(struct traffic *t, uint32_t most, struct counters *counters);
void traffic_fini(struct traffic *t);
void traffic_count(struct traffic *t, const struct frame *f, uint16_t vlan, uint64_t now_ns);
/* The next minute begins. */
void traffic_clear(struct traffic *t);

#endif
