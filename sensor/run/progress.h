/* progress: one line on stderr while a long run goes on; nothing when stderr is no terminal. Main thread. */
#ifndef WW_RUN_PROGRESS_H
#define WW_RUN_PROGRESS_H

#include "base/bytes.h"

struct progress {
	bool on, drawn;
	int64_t next_ms; /* on the monotonic clock */
};

void progress_init(struct progress *p, bool wanted);
/* arg is a struct progress. total 0: how much there is is not known. */
void progress_show(void *arg, uint64_t done, uint64_t total);
void progress_clear(struct progress *p);

#endif
