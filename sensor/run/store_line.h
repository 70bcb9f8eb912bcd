/*
 * store_line: saves of a live sensor, from the hub over a ring to the shipper, which alone writes the file.
 *
 * Nobody waits: when the ring is full the rest of the save goes on at the next call. A save that could not be
 * written (a full disk) is said once by store_line_take, and the next one has everything again.
 */
#ifndef WW_RUN_STORE_LINE_H
#define WW_RUN_STORE_LINE_H

#include "base/ring.h"
#include "run/state.h"

enum { STORE_LINE_BYTES = 32 << 20 };

struct store_line {
	struct ring ring;
	_Atomic bool lost; /* the shipper to the hub: a save was not written */
	bool is_skipped;   /* shipper: the rest of that save */
	/* Shipper: each device of a save, before it is written; may be NULL. */
	void (*on_device)(void *arg, const struct store_record *r);
	void *arg;
	/* hub */
	bool is_begun, is_ending;
};

bool store_line_init(struct store_line *l); /* before there are threads; false: no memory */
void store_line_fini(struct store_line *l);

/* Hub: goes on with the save at hand, or begins one; first_ns and last_ns are the times of the packets so
 * far. Hands on what has changed, at most `looks` times STATE_LOOKS devices. True: the save is over. */
bool store_line_save(
	struct store_line *l, struct state *s, uint64_t first_ns, uint64_t last_ns, unsigned looks);
/* Hub: ends the save at hand where it is, so that what it has handed on is kept. False: the ring is full. */
bool store_line_cut(struct store_line *l, struct state *s, uint64_t first_ns, uint64_t last_ns);

/* Shipper: writes what is in the ring. False: a save was not written, store_error is one sentence; the next
 * call goes on with what is left. */
bool store_line_take(struct store_line *l, struct store *s);

#endif
