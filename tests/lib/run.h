/*
 * run: the whole line, worker and hub, in the process of a test: frames in, records counted, nothing written.
 *
 * Small limits, so that a run costs little and caps are met. All functions on one thread.
 */
#ifndef WW_TESTS_RUN_H
#define WW_TESTS_RUN_H

#include "packet/capture.h"
#include "run/hub.h"
#include "run/worker.h"

struct run_line {
	struct limits limits;
	struct privacy_key key;
	struct worker worker;
	bool has_hub;
	struct hub hub;
	struct mask *mask;
	struct outputs *outputs;
	uint64_t records; /* that came out of the worker */
};

/* With policy and fingerprints also a hub, else records are only counted. nDPI is off. ASSERTs on no memory.
 */
struct run_line *run_line_new(const struct policy *policy, const struct fingerprints *fingerprints);
void run_line_frame(struct run_line *l, const struct frame *f);
/* The file's frames. */
void run_line_capture(struct run_line *l, const char *path);
/* Ends all conversations and takes the records that are left. Before run_line_free. */
void run_line_finish(struct run_line *l);
void run_line_free(struct run_line *l);

#endif
