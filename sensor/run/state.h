/*
 * state: what the hub knows, between it and the store: inventory and baselines become records for
 * run/store.h, and the other way round. Hub thread (live: the founder of the threads calls state_restore
 * before there are any).
 */
#ifndef WW_RUN_STATE_H
#define WW_RUN_STATE_H

#include "decide/policy.h"
#include "run/documents.h"
#include "run/store.h"

struct mask;

/* Gives the inventory and the baselines of a run what the store has; what is damaged or finds no room is
 * counted in a warning. False after saying that the store cannot be read. Before the first record. */
bool state_restore(struct store *store, struct inventory *inv, struct policy_run *policy, struct diag *d);

/* Saves a run, again and again if it lasts. All memory is mapped by state_new. */
struct state;
/* All are borrowed. NULL: no memory. */
struct state *state_new(const struct inventory *inv, struct policy_run *policy, struct mask *mask,
	const struct doc_context *doc);
void state_free(struct state *s);
/* A save is a sweep over all that is known: some hundred microseconds of it each time, and again from the
 * beginning once it was over. */
enum state_step {
	STATE_STEP_RECORD, /* *out has changed: it and what it points to are valid until the next call */
	STATE_STEP_NOTHING,
	STATE_STEP_OVER
};
enum state_step state_step(struct state *s, struct store_record *out);
/* The record that was given last could not be handed on: it comes again. */
void state_again(struct state *s);
/* What was handed on was not kept: the next sweep has everything. At the end of a sweep. */
void state_all(struct state *s);
/* What store_commit is told at the end of a sweep, but for its times. */
struct store_run state_run(const struct state *s);

/* One whole save on this thread (offline). False: store_error says why. */
bool state_save(struct state *s, struct store *store, uint64_t first_ns, uint64_t last_ns);

#endif
