/*
 * inventory_state: the inventory as records that outlive the process (design.md section 8).
 *
 * A record is one device: all its nodes with addresses, MACs, VLANs, links and values with their provenance,
 * as bytes with a version number. It is self-contained; what it says of other devices (who carried whose
 * address, who made whose data) is by node numbers that stay the same from run to run. Private text is in it
 * as outputs may show it (decide/mask.h): a value in which something was masked is restored as such and gives
 * way to the first value that it can have been.
 *
 * Packets are numbered through all runs: a record's numbers above inventory_packets() before the run are the
 * run's own. Of what is restored, the reading functions of inventory.h give packet 0: it came in another run,
 * whose captures are not at hand.
 *
 * Hub thread only. All memory is mapped by inventory_saver_new; restoring allocates, before the first record.
 */
#ifndef WW_DECIDE_INVENTORY_STATE_H
#define WW_DECIDE_INVENTORY_STATE_H

#include "decide/inventory.h"
#include "decide/mask.h"

enum { STATE_VERSION = 1, STATE_MAX = 1 << 20, STATE_LOOKS = 64 };

enum state_kind {
	STATE_OVER,   /* the sweep is over; the next call begins the next one */
	STATE_DEVICE, /* is new or has changed since the last sweep: write it */
	STATE_GONE,   /* was written under this id and is no device any more (let go, or part of another) */
	STATE_PAUSE,  /* STATE_LOOKS nodes were looked at and none has changed: call again */
};

struct device_state {
	char id[DEVICE_ID];
	uint32_t order; /* devices in the order in which they came to be known */
	uint64_t first_ns, last_ns;
	bool is_listed; /* it is one of inventory_each */
	const struct device *device;
	struct bytes state; /* the record; valid until the next call */
};

struct inventory_saver;
/* Both are borrowed. NULL: no address space. The first sweep gives every device. */
struct inventory_saver *inventory_saver_new(const struct inventory *inv, struct mask *m);
void inventory_saver_free(struct inventory_saver *s);
/* The next of this sweep. Live a sweep may be spread over many calls with records fed between them: what
 * changes behind the sweep comes in the next one. */
enum state_kind inventory_save(struct inventory_saver *s, struct device_state *out);
/* The record that was given last could not be kept: it comes again next. */
void inventory_save_again(struct inventory_saver *s, const struct device_state *last);
/* Nothing that was given has been kept: the next sweep gives every device. At the end of a sweep. */
void inventory_save_all(struct inventory_saver *s);
/* How many packets all runs so far had, this one included. */
uint64_t inventory_packets(const struct inventory *inv);

/* Before the first record: the packets of earlier runs, then their records in any order (the first ones win
 * where room is short), then the end. */
void inventory_restore_begin(struct inventory *inv, uint64_t packets);
/* False: the record is damaged or of another version (nothing of it is taken), or there is no room for it. */
bool inventory_restore(struct inventory *inv, struct bytes state);
/* Ties what was restored together and asks the fingerprints. False: no memory; what refers to other devices
 * is then forgotten. */
bool inventory_restore_end(struct inventory *inv);

#endif
