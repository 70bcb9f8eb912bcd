/*
 * offline: one run over captures, worker, hub and outputs on this thread around the real ring.
 */
#ifndef WW_RUN_OFFLINE_H
#define WW_RUN_OFFLINE_H

#include "packet/capture.h"
#include "run/hub.h"
#include "run/worker.h"

struct offline {
	struct capture *capture;
	const struct limits *limits;
	const struct privacy_key *key;
	bool identify;
	const struct policy *policy;
	const struct fingerprints *fingerprints; /* may be NULL */
	struct oui *oui;                         /* may be NULL */
	struct outputs *outputs;
	const char *const *inputs; /* as named on the command line */
	size_t n_inputs;
	/* Now and then; total 0: not known. May be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	volatile const bool *stop; /* set by a signal: the run ends here and says so, 2. May be NULL */
};

/* Runs to the end. Returns the exit code of design.md section 12; sentences about damaged inputs and failed
 * outputs are added to d. */
int offline_run(const struct offline *o, struct diag *d);

#endif
