/*
 * confine: the jail of a sensor as it is configured: what it still has to reach, and nothing else.
 *
 * Policies and files with passwords are read (a reload, a connection); of a single file its folder, since an
 * editor replaces the file. A folder that is replaced as a whole, or a link that is turned to another one, is
 * found after a restart only. Outputs, the store's and the metrics file's folders are written, the status
 * socket is removed at the end.
 */
#ifndef WW_RUN_CONFINE_H
#define WW_RUN_CONFINE_H

#include "base/diag.h"
#include "packet/live.h"

enum { CONFINE_POLICIES = 32, CONFINE_PASSWORDS = 2 };

/* Paths: "" and NULL are none. */
struct confine {
	const char *user;            /* sensor.user */
	const char *const *policies; /* at most CONFINE_POLICIES */
	size_t n_policies;
	const char *output; /* a folder */
	const char *state, *metrics_file, *socket;
	const char *passwords[CONFINE_PASSWORDS]; /* files */
	const struct live *live;
};

/* jail_process (jail.h says when) with that. False: errors in d, the process is to end. */
bool confine(const struct confine *c, struct diag *d);

#endif
