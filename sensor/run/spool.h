/*
 * spool: lines that wait until the whole run has been seen, for only then their seals may be opened
 * (decide/mask.h): a file without a name, mode 0600, gone with the process. Main thread. On false errno says
 * why.
 */
#ifndef WW_RUN_SPOOL_H
#define WW_RUN_SPOOL_H

#include "decide/mask.h"

#include <stdio.h>

enum { SPOOL_LINE = 32 << 20 }; /* more than json.h ever writes */

struct spool {
	FILE *file; /* NULL: not open */
};

bool spool_open(struct spool *s, const char *dir); /* NULL: in TMPDIR, else /tmp */
bool spool_put(struct spool *s, struct bytes line);
/* Every line, opened; valid during the call. False from fn ends it. */
bool spool_each(struct spool *s, struct mask *m, bool (*fn)(void *arg, struct bytes line), void *arg);
void spool_close(struct spool *s);

#endif
