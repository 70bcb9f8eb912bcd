/*
 * replay: captures through the whole line without outputs, for whoever only wants to know what comes out
 * (policy test, policy suggest). Deterministic, and allocates for itself.
 */
#ifndef WW_RUN_REPLAY_H
#define WW_RUN_REPLAY_H

#include "run/hub.h"

struct replay {
	const struct limits *limits;
	const struct privacy_key *key;
	const struct policy *policy;
	const struct fingerprints *fingerprints;
	struct hub_tap tap;
};

/* The exit code of design.md section 12: 0; 1 when a file is no capture, 2 when one is damaged behind a good
 * start, after saying so in diag. */
int replay_run(const struct replay *r, const char *const *paths, size_t n, struct diag *diag);

#endif
