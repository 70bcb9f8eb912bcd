/*
 * delivery: an output that acknowledges what it is given: Redis, syslog. The shipper reads the outbox and
 * offers records in order of number; the delivery sends, and says which ones are there. It keeps copies of
 * what is under way and loses nothing by a broken connection: what has no answer goes again.
 *
 * Shipper thread; never waits: connecting is the broker's, reading and writing only where poll says so. All
 * times are CLOCK_MONOTONIC nanoseconds, but for stream ids.
 */
#ifndef WW_RUN_DELIVERY_H
#define WW_RUN_DELIVERY_H

#include "run/outbox.h"

#include <poll.h>

enum { DELIVERY_FDS = 4, DELIVERY_TEXT = 256 };

/* For metrics, status and `wardwatch output test`. */
struct delivery_figures {
	uint64_t sent, retries, errors, duplicates, reconnects; /* duplicates: were there already */
	uint64_t no_receiver;                                   /* PUBLISH that nobody heard */
	uint64_t latency_ns;                                    /* of the last acknowledgement */
	int64_t lag; /* of the slowest consumer group; -1: not known */
	bool is_connected;
	char problem[DELIVERY_TEXT]; /* what is wrong now, one sentence with the remedy; "": nothing */
};

struct delivery;

struct delivery_hooks {
	/* That record has been acknowledged. */
	void (*delivered)(void *arg, uint64_t number);
	/* See outbox_renew and outbox_above. */
	bool (*renew)(void *arg, uint64_t number, struct outbox_id *fresh);
	bool (*above)(void *arg, struct outbox_id id);
	/* The other side has lost what it had acknowledged (a failover): everything after that number is
	 * offered again, as far as it is retained. Calls of delivery.offer begin there from now on. */
	void (*rewind)(void *arg, uint64_t number);
	/* Something an operator has to know, once per change: becomes a health event. Name of the event, as
	 * policies see it ("redis_oom"), and one sentence without secrets. */
	void (*tell)(void *arg, const char *event, enum level level, const char *sentence);
	void *arg;
};

struct delivery {
	const char *name; /* "redis", "syslog" */
	struct delivery_hooks hooks;
	struct delivery_figures figures;
	/* How many records it takes now; 0: not connected, backing off, or its window is full. */
	size_t (*room)(const struct delivery *d);
	/* The next one, copied; at most room() of them. was_offered: before a crash or a rewind it may have
	 * been stored already. */
	void (*offer)(struct delivery *d, const struct outbox_record *r, bool was_offered, uint64_t now_ns);
	/* Adds what to poll for to fds, at most DELIVERY_FDS; returns how many. */
	size_t (*fds)(const struct delivery *d, struct pollfd *fds);
	/* Connects, reads, writes, gives up. Returns when it wants to be called at the latest. */
	uint64_t (*serve)(struct delivery *d, uint64_t now_ns, uint64_t wall_ms);
	void (*free)(struct delivery *d);
};

#endif
