/*
 * record: what the halves of writing records share: record.c (records, facts, what follows from others) and
 * record_private.c (private values). The worker's thread; nothing allocates.
 */
#ifndef WW_PACKET_RECORD_H
#define WW_PACKET_RECORD_H

#include "packet/engine.h"

/* A fact of n bytes in the open record, to be filled; NULL: there is no record, or no room (counted). */
struct fact *record_fact(struct dx_engine *e, unsigned field, enum fact_type type, size_t n);
/* As much of it as a fact may hold (what is cut is counted). */
struct bytes record_first(struct dx_engine *e, struct bytes v);

/* A private value of the open record; field FIELD_NONE: known to the mask only. */
void phi_put(struct dx_engine *e, unsigned field, enum privacy class, struct bytes v);
/* The same of pseudonyms that are made already. */
void phi_fact_put(struct dx_engine *e, unsigned field, const struct phi_fact *p);

#endif
