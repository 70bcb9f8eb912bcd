/*
 * offline: one run over captures. Each worker has a thread and reads the captures itself; the hub and the
 * outputs are on the caller's. On a machine with one processor all of it is on the caller's thread, around
 * the real ring. The outputs are the same whichever it is, unless a table was full.
 */
#ifndef WW_RUN_OFFLINE_H
#define WW_RUN_OFFLINE_H

#include "packet/capture.h"
#include "run/hub.h"
#include "run/state.h"
#include "run/worker.h"

struct offline {
	struct capture *const *captures; /* the same inputs, opened once for each worker */
	unsigned n_workers;              /* at least 1 */
	bool one_thread;                 /* with one worker */
	const struct limits *limits;
	const struct privacy_key *key;
	bool identify;
	const struct policy *policy;
	const struct fingerprints *fingerprints; /* may be NULL */
	struct oui *oui;                         /* may be NULL */
	struct outputs *outputs;
	struct store *store; /* what earlier runs knew, and this one will have known; may be NULL */
	struct mask *mask;   /* of the outputs; with a store */
	struct doc_context doc;
	const char *const *inputs; /* as named on the command line */
	size_t n_inputs;
	/* Now and then, on some thread of the run; total 0: not known. May be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	const _Atomic bool *stop; /* set by a signal: the run ends here and says so, 2. May be NULL */
};

/* Runs to the end. Returns the exit code of design.md section 12; sentences about damaged inputs and failed
 * outputs are added to d. */
int offline_run(const struct offline *o, struct diag *d);

#endif
