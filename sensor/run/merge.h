/*
 * merge: the records of several workers in the order in which one worker would have written them.
 *
 * Each worker has a lane: its ring, and how far it is. The hub's thread takes; a worker's thread calls
 * lane_done. Nothing allocates, nothing waits.
 *
 * Offline all read the same packets, so the order is by packet number; in one number by turn
 * (packet/event.h). Ends of conversations that one packet's time brought about are by the second they were
 * due at, then by their two addresses: as each wheel has them (base/wheel.h), and no two workers have the
 * same two hosts.
 *
 * Live each counts its own packets: the order is by time, then by worker.
 */
#ifndef WW_RUN_MERGE_H
#define WW_RUN_MERGE_H

#include "base/ring.h"
#include "packet/event.h"

struct lane {
	struct ring *ring;
	_Alignas(64) _Atomic uint64_t done; /* all records up to that packet or time are in the ring */
};

enum { LANE_OVER = 0 };
enum merge_by { BY_PACKET, BY_TIME };

/* 0 (LANE_OVER): there will be no more. */
void lane_done(struct lane *l, uint64_t packet_or_ns);
/* The next record and whose it is, valid until ring_pop on its lane's ring. NULL: none yet, or (*over) ever.
 */
const struct event *merge_next(struct lane *lanes, unsigned n, enum merge_by by, unsigned *which, bool *over);

#endif
