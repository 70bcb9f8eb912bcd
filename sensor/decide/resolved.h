/*
 * resolved: under which name a host asked for an address, learnt from the answers of DNS.
 *
 * Kept per asking host: what another asked for says nothing of this one, since one address serves many names.
 * A table of fixed size, in which a newer answer takes the place of an older one: then a name is not known,
 * never wrong. Hub thread; nothing allocates after resolved_new.
 */
#ifndef WW_DECIDE_RESOLVED_H
#define WW_DECIDE_RESOLVED_H

#include "base/addr.h"

struct resolved;

/* cap: pairs of host and address remembered. NULL: no memory. */
struct resolved *resolved_new(uint64_t cap);
void resolved_free(struct resolved *r);
/* `client` was told at `ts_ns` that `name` is at the address which `answer` spells; other answers are passed
 * by. */
void resolved_learn(struct resolved *r, const struct addr *client, struct bytes name, struct bytes answer,
	uint64_t ts_ns);
/* The name under which the client asked for that address last, not longer than a day before `ts_ns`; empty:
 * none. Valid until the next resolved_learn. */
struct bytes resolved_name(
	const struct resolved *r, const struct addr *client, const struct addr *server, uint64_t ts_ns);

#endif
