/*
 * capture: all inputs of a run as one sequence of frames.
 *
 * Inputs are files, directories (all files in them and in the directories inside, in each by the bytes of the
 * names; links to directories and hidden ones are left out) and "-" for standard input. They are merged by
 * the time of each file's next packet, ties by the order given; packets of one file are never re-ordered.
 * Every input stays open until it is read; the number of open files may have to be raised (ulimit -n) for
 * thousands.
 *
 * All functions on the owner's thread. Memory is taken in capture_open; capture_next does not allocate.
 *
 *	struct capture *c = capture_open(paths, n, &d);
 *	if (!c) { diag_print(&d, stderr, true); return 1; }
 *	while (capture_next(c, &f))
 *		worker_packet(w, &f);
 *	int code = capture_end(c, &d);    // 0, or 2 and what was damaged in d
 *	capture_close(c);
 */
#ifndef WW_PACKET_CAPTURE_H
#define WW_PACKET_CAPTURE_H

#include "base/diag.h"
#include "packet/packet.h"

struct capture;

/* Opens all inputs and looks at each one's first packet (so it waits for standard input). NULL: nothing can
 * be read or a named file is no capture, then d holds a sentence for each (exit code 1). Files in directories
 * that are no captures are left out, each with a DIAG_SKIPPED message. Paths are copied. */
struct capture *capture_open(const char *const *paths, size_t n, struct diag *d);

/* The next packet of the run, numbered from 1; its data is valid until the next call. False: no more. */
bool capture_next(struct capture *c, struct frame *f);

/* Bytes read of the files, and their sizes' sum; *total is 0 when it is not known (a pipe is among them). */
void capture_progress(const struct capture *c, uint64_t *done, uint64_t *total);

/* The inputs in the order in which ties are decided; NULL when i is none. Lives as long as c. */
const char *capture_name(const struct capture *c, size_t i);

/* After the last packet: a DIAG_WARNING for each damaged input and each link type that is not decoded.
 * Returns the run's exit code: 2 when an input was damaged, else 0. */
int capture_end(const struct capture *c, struct diag *d);

void capture_close(struct capture *c); /* NULL is allowed */

#endif
