/*
 * broker: a process of its own that connects to what is configured and hands the connected descriptor over,
 * so that the sensor itself never may connect (jail.h), whatever has got hold of it.
 *
 * It is forked before captures are opened and before there are threads, knows the endpoints from the
 * configuration, and is asked by index. It drops its rights as the sensor does, but for sockets and the files
 * that names are resolved with, reads nothing else from anyone, and ends when the sensor does.
 *
 * Servers of a Redis Cluster or of Sentinel name others that no file lists. Where that is configured (struct
 * broker_learned, else there is none of it) the broker also takes an address: a literal one, never a name,
 * which is that of an endpoint given as an address or lies in a network the configuration names, at a port
 * that an endpoint has or the configuration names. What has got hold of the sensor, or a lying server, can
 * choose among those and no others.
 *
 * One thread, the delivery's. Nothing here waits but broker_start and broker_stop.
 */
#ifndef WW_RUN_BROKER_H
#define WW_RUN_BROKER_H

#include "base/addr.h"
#include "base/diag.h"

#include <sys/types.h>

enum {
	BROKER_ENDPOINTS = 32,
	BROKER_CONNECT_MS = 1500, /* for each address of a name; a lost SYN comes again after a second */
};

/* Either a Unix socket's path, or host and port (names or numbers). */
struct broker_endpoint {
	const char *path;
	const char *host, *port;
	bool is_datagram; /* UDP, or a datagram Unix socket */
};

struct broker_learned {
	const struct network *networks;
	size_t n_networks;
	const uint16_t *ports;
	size_t n_ports;
};

/* Borrowed during broker_start. */
struct broker_setup {
	bool is_confined; /* false: the process keeps its user and its rights (a replay without a jail) */
	const char *user; /* as in struct jail */
	const struct broker_endpoint *endpoints;
	size_t n_endpoints;
	const struct broker_learned *learned; /* NULL: endpoints alone */
};

struct broker {
	int fd; /* -1: none; to poll for POLLIN while asked */
	pid_t pid;
	uint32_t number; /* of the last request */
	bool is_asked;   /* its answer is still to come */
};

/* Main thread, before captures are opened. False: an error in d. */
bool broker_start(struct broker *b, const struct broker_setup *s, struct diag *d);

/* Asks for a connection. 0, or -EBUSY while the last one has no answer, or -EPIPE: the broker itself is gone,
 * which only a restart of the sensor mends. */
int broker_ask(struct broker *b, size_t endpoint);
int broker_ask_address(struct broker *b, const struct addr *address, uint16_t port);
/* -EAGAIN: not yet. Else that request is over: a connected descriptor (close-on-exec, not blocking), the
 * caller's; or -EINVAL no such endpoint, -EACCES an address outside the rule above (or a Unix socket's
 * modes), -EHOSTUNREACH a name that cannot be resolved, -ETIMEDOUT, -ECONNREFUSED and so on, -EPIPE as above.
 */
int broker_answer(struct broker *b);
/* Its answer is not wanted any more; one that comes late is closed. */
void broker_cancel(struct broker *b);

/* It ends by itself when this closes its socket; waits for that. */
void broker_stop(struct broker *b);

#endif
