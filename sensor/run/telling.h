/*
 * telling: everything in which a live sensor tells of itself, in one place: the status socket, the metrics
 * file, the log's summaries, systemd's watchdog.
 *
 * One thread, which may wait for a disk: not a worker, not the hub. All figures come from their boards, so
 * nothing here can hold them up, and the watchdog is fed only while every one of them posts.
 */
#ifndef WW_RUN_TELLING_H
#define WW_RUN_TELLING_H

#include "run/figures.h"
#include "run/log.h"
#include "run/memory.h"
#include "run/shipper.h"
#include "run/status.h"

enum { TELLING_INTERFACES = 64, TELLING_WORKERS = 64, TELLING_FILE_S = 15, TELLING_HEALTH_S = 60 };

/* Borrowed until telling_free, but for the struct itself. */
struct telling_setup {
	const char *socket, *metrics_file; /* "": none */
	const char *sensor_name;
	const struct limits *limits;
	const struct board *workers, *hub;
	size_t n_workers; /* at most TELLING_WORKERS */
	/* Fills in at most cap interfaces, returns how many; on the telling thread. May be NULL. */
	size_t (*interfaces)(void *arg, struct vitals_interface *out, size_t cap);
	void *arg;
	struct log *log;
	struct shipper *shipper; /* each minute it gets the vitals as a document; NULL: none */
	struct doc_context doc;
	uint64_t wall_ns; /* now, since 1970 */
};

struct telling;

/* Before rights are given up: the status socket and systemd's are opened. NULL: error is one sentence. */
struct telling *telling_new(const struct telling_setup *s, char error[STATUS_ERROR]);
/* What is mapped, once all is made: this is part of it. */
void telling_memory(struct telling *t, const struct memory *m);
/* The rules in force, at start and after a reload; failed: it kept the ones before. */
void telling_policies(struct telling *t, uint64_t rules, uint64_t left_out, uint64_t read_ns, bool failed);
/* What to poll for, for a second at most; returns how many. */
size_t telling_fds(const struct telling *t, struct pollfd fds[STATUS_FDS]);
/* After each poll. Monotonic and wall clock. */
void telling_serve(struct telling *t, uint64_t now_ns, uint64_t wall_ns);
/* To systemd, "READY=1" after a reload and the like (notify.h); the first one telling_serve sends, once every
 * board has been posted. */
void telling_notify(struct telling *t, const char *state);
/* Writes the metrics file a last time and closes all. */
void telling_free(struct telling *t);

#endif
