/*
 * shipping: how far one output is: what it was offered, and which of that it has acknowledged, in whatever
 * order it did. For shipper.c. Nothing allocates.
 */
#ifndef WW_RUN_SHIPPING_H
#define WW_RUN_SHIPPING_H

#include "run/delivery.h"

enum { SHIPPING_WINDOW = 16384 /* records under way */ };

struct shipper;

struct shipping {
	struct shipper *owner;
	struct delivery *delivery;
	size_t index;            /* in the outbox */
	uint64_t cursor;         /* all up to there are acknowledged */
	uint64_t offered;        /* the last number that was offered */
	uint64_t offered_before; /* up to there a record may have been offered earlier */
	/* A ring of those offered and not all acknowledged, in order. */
	struct {
		uint64_t number;
		bool is_there;
	} window[SHIPPING_WINDOW];
	size_t first, n;
};

/* At start: acknowledged up to cursor; up to `last` an earlier run may have offered. */
void shipping_begin(struct shipping *s, uint64_t cursor, uint64_t last);
static inline size_t shipping_room(const struct shipping *s)
{
	return SHIPPING_WINDOW - s->n;
}
/* Ascending, with room. */
void shipping_offered(struct shipping *s, uint64_t number);
/* Numbers that are not under way are ignored. */
void shipping_delivered(struct shipping *s, uint64_t number);
/* What comes behind number is to be offered again. */
void shipping_rewind(struct shipping *s, uint64_t number);

#endif
