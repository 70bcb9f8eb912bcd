/*
 * broker: a process of its own that connects to what is configured and hands the connected descriptor over,
 * so that the sensor itself never may connect (jail.h), whatever has got hold of it.
 *
 * It is forked before captures are opened and before there are threads, knows the endpoints from the
 * configuration, and is asked by index alone: a request is two numbers, an answer two numbers and perhaps a
 * descriptor. It drops its rights as the sensor does, but for sockets and the files that names are resolved
 * with, reads nothing else from anyone, and ends when the sensor does.
 *
 * For Redis (issue 5), whose sink will be its first user.
 */
#ifndef WW_RUN_BROKER_H
#define WW_RUN_BROKER_H

#include "base/diag.h"

#include <sys/types.h>

enum {
	BROKER_ENDPOINTS = 16,
	BROKER_CONNECT_MS = 5000, /* for each address of a name */
	BROKER_ANSWER_MS = 30000, /* for all of it: the resolver waits too */
};

/* Either a Unix socket's path, or host and port (names or numbers); borrowed during broker_start. */
struct broker_endpoint {
	const char *path;
	const char *host, *port;
};

struct broker {
	int fd; /* -1: none */
	pid_t pid;
	uint32_t asked; /* the number of the last request */
};

/* Main thread, before captures are opened; user as in struct jail. False: an error in d. */
bool broker_start(struct broker *b, const char *user, const struct broker_endpoint *endpoints, size_t n,
	struct diag *d);

/* A connected descriptor (close-on-exec, not blocking), the caller's; or a negative errno: -EINVAL no such
 * endpoint, -EHOSTUNREACH its name cannot be resolved, -ETIMEDOUT, -ECONNREFUSED and so on; -EPIPE the broker
 * itself is gone, which only a restart of the sensor mends. Waits, BROKER_ANSWER_MS at most. One thread, the
 * shipper. */
int broker_connect(struct broker *b, size_t endpoint);

/* It ends by itself when this closes its socket; waits for that. */
void broker_stop(struct broker *b);

#endif
