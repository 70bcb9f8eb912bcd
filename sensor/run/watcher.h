/*
 * watcher: a worker of the live sensor: reads its share of all interfaces, and posts what it counts, until
 * the end; then what had come before. Who makes one fills in the fields down to `index` and makes the worker,
 * with watcher_on_full for a full ring.
 */
#ifndef WW_RUN_WATCHER_H
#define WW_RUN_WATCHER_H

#include "packet/live.h"
#include "run/figures.h"
#include "run/log.h"
#include "run/merge.h"
#include "run/steady.h"
#include "run/worker.h"

#include <pthread.h>
#include <time.h>

#define POST_NS UINT64_C(250000000) /* between two turns on a board */

/* What a worker saw of an interface, for the telling thread: written by the one, read by the other. */
struct link {
	_Atomic uint64_t packets, bytes, last_ns, dropped, unheard, malformed;
	_Atomic bool is_up;
};

struct watcher {
	struct worker worker;
	struct live *live;
	size_t n_interfaces;
	struct log *log;
	/* One of them set, all watchers come to their end: asked for; an interface is gone (set here); an
	 * output failed. */
	const _Atomic bool *stop;
	_Atomic bool *gone, *failed;
	void *run; /* its owner's */
	struct lane *lane;
	struct board *board;
	unsigned index;
	_Atomic uint64_t first_ns;
	uint64_t posted_ns, asked_ns, ended_ns;
	unsigned naps; /* how many more times a full ring is waited for: at the end, else none */
	struct steady steady;
	struct link links[LIVE_INTERFACES_MOST];
	pthread_t thread;
	bool is_running;
};

static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* The thread of one; ends with its lane over. */
void watcher_run(struct watcher *w);
/* arg: the watcher. Live a record that finds no room is lost, and counted; at the end it is waited for. */
void watcher_on_full(void *arg);

#endif
