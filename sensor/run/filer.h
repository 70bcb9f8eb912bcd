/*
 * filer: the thread that writes a live sensor's lines to their files and to standard output, so that a slow
 * disk or a reader that stops reading holds up nobody else (design.md section 1).
 */
#ifndef WW_RUN_FILER_H
#define WW_RUN_FILER_H

#include "run/log.h"
#include "run/sink.h"

#include <pthread.h>

struct filer {
	struct outputs *outputs;
	struct log *log;
	/* First of all on the thread; false: it ends. */
	bool (*begin)(void *arg);
	void *arg;
	_Atomic bool is_over, wants_reopen;
	pthread_t thread;
	bool is_running;
};

/* The first four members are set. False: errno. That an output failed is logged; outputs_ok says so to
 * others. */
bool filer_start(struct filer *f);
/* From any thread: files that were renamed are left to who did it, and new ones are begun. */
void filer_reopen(struct filer *f);
/* Nothing is put in any more: waits until all is written. */
void filer_stop(struct filer *f);

#endif
