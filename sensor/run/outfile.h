/*
 * outfile: a file of lines that appears whole or not at all, and only without seals.
 *
 * Lines go to a spool without a name in the output's folder (mode 0600, gone with the process), since they
 * still hold suspect text. outfile_finish opens the seals into a temporary file beside the final name,
 * outfile_commit renames it. Main thread. On false errno says why.
 *
 * Live a line opens its seals as it is put, by what the mask knows so far, and goes over a ring to the thread
 * that waits for the disk, which puts it behind what the file holds: put is the hub's, flush, reopen and
 * rotate are that thread's, the rest comes when one of them is not there. Nobody waits: what finds the ring
 * full is lost, and counted.
 */
#ifndef WW_RUN_OUTFILE_H
#define WW_RUN_OUTFILE_H

#include "base/ring.h"
#include "run/rotation.h"
#include "run/spool.h"

struct outfile_live {
	struct rotation rotation;
	uint64_t ring_kib;
};

struct outfile {
	struct spool spool; /* live: not open */
	FILE *final;
	struct ring lines; /* live */
	uint64_t lost;     /* live: lines; the hub's */
	size_t waiting;    /* live: bytes in the buffer */
	char *path, *temp; /* NULL: standard output */
	struct rotation rotation;
	uint64_t begun_ms, again_ms; /* live: since 1970; the next try after a rotation that failed */
};

/* dir NULL: standard output, the spool in TMPDIR or /tmp. After false outfile_close is still allowed. */
bool outfile_open(struct outfile *o, const char *dir, const char *name);
bool outfile_open_live(
	struct outfile *o, const char *dir, const char *name, const struct outfile_live *l, uint64_t now_ms);
bool outfile_put(struct outfile *o, struct bytes line, struct mask *m); /* without LF */
/* Live: writes what is in the ring, whole lines. */
bool outfile_flush(struct outfile *o);
/* Live: a file that was renamed is left to who did it, and a new one begun. False: the old one goes on. */
bool outfile_reopen(struct outfile *o, uint64_t now_ms);
/* Live, after a flush now and then: begins a new file where it is time for that (rotation.h). False: the old
 * one goes on, and a new one is tried for a minute later. */
bool outfile_rotate(struct outfile *o, uint64_t now_ms);
bool outfile_finish(struct outfile *o, struct mask *m);
bool outfile_commit(struct outfile *o);
void outfile_close(struct outfile *o);

#endif
