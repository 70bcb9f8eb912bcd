/*
 * columns: a table on a terminal. Main thread.
 *
 * Columns are as wide as their longest cell. On a terminal that is too narrow the longest texts give way, one
 * column after the other.
 */
#ifndef WW_RUN_COLUMNS_H
#define WW_RUN_COLUMNS_H

#include "run/term.h"

enum { COLUMNS_MOST = 8, CELL = 160 };

struct columns {
	unsigned n;
	const char *heads[COLUMNS_MOST];
	unsigned most[COLUMNS_MOST], least[COLUMNS_MOST]; /* widths */
	uint8_t gives[COLUMNS_MOST];                      /* which give way, in this order */
	unsigned n_gives;
	uint32_t numbers; /* a bit for each that stands to the right */
};

/* Rows of c->n cells, escaped text each (term_escape). */
void columns_print(const struct term *t, const struct columns *c, char (*cells)[CELL], size_t rows);

#endif
