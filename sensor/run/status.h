/*
 * status: a Unix socket that tells how the live sensor does. Mode 0660: who may ask is who its folder and
 * group let in.
 *
 * A client sends one line, `status` or `metrics`, and gets one JSON document or Prometheus' text; or it sends
 * an HTTP GET of /status or /metrics. Then the connection is closed. Served from the caller's poll loop: no
 * threads, nothing blocks, STATUS_CLIENTS clients at once of whom the oldest goes for a new one, and each has
 * STATUS_SECONDS. All memory is mapped by status_open. One thread, the one that owns the vitals.
 */
#ifndef WW_RUN_STATUS_H
#define WW_RUN_STATUS_H

#include "base/json.h"
#include "run/vitals.h"

#include <poll.h>

enum { STATUS_CLIENTS = 8, STATUS_FDS = STATUS_CLIENTS + 1, STATUS_SECONDS = 5, STATUS_ERROR = 256 };

/* Where the systemd unit puts it and `wardwatch status` looks for it. */
#define STATUS_SOCKET "/run/wardwatch/status.sock"

struct status_source {
	/* Fills in what is the case now; what it points to stays as it is until status_serve returns. */
	void (*fill)(void *arg, struct vitals *v);
	void *arg;
};

struct status;

/* Before rights are given up. A socket that no one listens on is replaced; a live one, or a file that is no
 * socket, is not. NULL: error is one sentence. */
struct status *status_open(const char *path, const struct status_source *source, char error[STATUS_ERROR]);
/* What to poll for; returns how many. */
size_t status_fds(const struct status *s, struct pollfd fds[STATUS_FDS]);
/* Does what can be done without waiting: after each poll, and once a second for clients that say nothing.
 * now_ns: monotonic. */
void status_serve(struct status *s, uint64_t now_ns);
/* Removes the socket, if it is still ours and we may. */
void status_close(struct status *s);

/* The document of `status`, into an empty doc. */
void status_json(const struct vitals *v, struct json_doc *d);

#endif
