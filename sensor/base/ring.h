/*
 * ring: single-producer single-consumer queue of variable-size records, 8-aligned and contiguous.
 *
 * One thread writes (reserve, then commit), one reads (peek, then pop). A reservation that is not
 * committed is simply forgotten by the next reserve. Nothing allocates after ring_init.
 */
#ifndef WW_BASE_RING_H
#define WW_BASE_RING_H

#include "base/bytes.h"

#include <stdatomic.h>

struct ring {
	uint8_t *base;
	uint64_t size;                      /* power of two */
	_Alignas(64) _Atomic uint64_t head; /* written by the producer */
	_Alignas(64) _Atomic uint64_t tail; /* written by the consumer */
};

bool ring_init(struct ring *r, uint64_t size); /* rounded up to a power of two; false: no memory */
void ring_fini(struct ring *r);
/* Room for a record of up to n bytes, or NULL when the ring is full or n can never fit. */
void *ring_reserve(struct ring *r, uint32_t n);
/* Bytes that are free, to the producer; a record needs 8 more than its own, and to be in one piece. */
uint64_t ring_free(const struct ring *r);
/* Publishes the reserved record, cut to n bytes. */
void ring_commit(struct ring *r, uint32_t n);
/* The oldest record, valid until ring_pop; NULL when empty. */
const void *ring_peek(struct ring *r, uint32_t *n);
void ring_pop(struct ring *r);

#endif
