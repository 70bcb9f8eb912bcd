/*
 * links: which interfaces' links are down, told when it lasts: a link that goes down and up within two
 * seconds is not. Hub thread, with a monotonic clock.
 */
#ifndef WW_RUN_LINKS_H
#define WW_RUN_LINKS_H

#include "packet/live.h"
#include "run/hub.h"
#include "run/log.h"

struct links {
	struct link_state {
		bool is_down;        /* as told */
		uint64_t told_ns;    /* when it was last as told; 0: not looked at yet */
		uint64_t changed_ns; /* when it went down */
	} link[LIVE_INTERFACES_MOST];
};

/* To be called a few times a second. True: it is news; *seconds: of one that is up again how long it was
 * down, else 0. */
bool links_look(struct links *l, size_t interface, bool is_up, uint64_t now_ns, uint64_t *seconds);
/* The same, and tells it: an event of the hub, a line of the log. */
void links_tell(
	struct links *l, struct hub *h, struct log *log, size_t interface, bool is_up, uint64_t now_ns);

#endif
