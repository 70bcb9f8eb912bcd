/*
 * figures: what a thread of the live sensor counts, on a board where another thread can read it: no locks, no
 * waiting for the one who counts, and never half of one moment and half of the next.
 *
 * The owner posts a few times a second, also when no packet comes (its turns are its sign of life). Whoever
 * tells (telling.h) reads.
 */
#ifndef WW_RUN_FIGURES_H
#define WW_RUN_FIGURES_H

#include "run/hub.h"
#include "run/worker.h"

#include <stdatomic.h>

/* Tables whose fill is told, by the name of their limit. */
enum figure_table {
	TABLE_FLOWS,
	TABLE_HALVES,
	TABLE_STATES,
	TABLE_STREAM_MIB,
	TABLE_FRAGMENTS,
	TABLE_DEVICES,
	FIGURE_TABLES
};

/* Only uint64_t, in structs of them. */
struct figures {
	struct counters counters;
	struct dx_proto_counters proto[PROTO_N];
	uint64_t used[FIGURE_TABLES];
	uint64_t packets, ring_used, ring_bytes, stream_kib; /* a worker's */
	uint64_t attr_changes[ATTR_N];                       /* the hub's: inventory.h */
};

/* All zero at first. */
struct board {
	_Alignas(64) _Atomic uint64_t turn; /* odd while the owner writes */
	_Atomic uint64_t words[sizeof(struct figures) / sizeof(uint64_t)];
};

/* On the thread that owns w or h. */
void figures_of_worker(struct figures *f, const struct worker *w);
void figures_of_hub(struct figures *f, const struct hub *h);

void board_post(struct board *b, const struct figures *f);
/* The last figures posted; returns their turn. 0: there are none yet, or the owner is in the middle of it; f
 * is then as it was. */
uint64_t board_read(const struct board *b, struct figures *f);

/* The limit's name ("flows") and value. */
const char *figure_table_name(enum figure_table t);
uint64_t figure_table_limit(enum figure_table t, const struct limits *l);

#endif
