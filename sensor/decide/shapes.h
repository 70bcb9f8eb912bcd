/* shapes: what looks like a person's name, number or date whatever the run has seen. Any thread. */
#ifndef WW_DECIDE_SHAPES_H
#define WW_DECIDE_SHAPES_H

#include "base/bytes.h"

/* Sets hit[i] for each byte of text (hit holds text.n) in: a run of six or more digits, a number written
 * 123-45-6789, a date in digits or with a month's name, a name Last^First, a name "Last, First". */
void shapes_mark(struct bytes text, uint8_t *hit);

#endif
