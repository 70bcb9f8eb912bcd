/*
 * map: memory that is decided at start: zeroed pages straight from the kernel, and the sum of them.
 *
 * Every table, pool and buffer of the sensor whose size a limit decides comes from here, so that what traffic
 * can make the sensor use at most is known once all is made (design.md section 7). Pages are touched on first
 * use only: an idle one costs address space and no memory. Any thread.
 */
#ifndef WW_BASE_MAP_H
#define WW_BASE_MAP_H

#include "base/bytes.h"

void *map_new(size_t n);          /* n >= 1; NULL: no address space */
void map_free(void *p, size_t n); /* p NULL: nothing is done */
/* For what is touched at random or soon used whole: fewer page faults, where the kernel gives huge pages. */
void map_huge(void *p, size_t n);
/* Bytes mapped now, in whole pages. */
uint64_t map_total(void);

#endif
