/*
 * wheel: timers on packet time, 512 slots of one second, intrusive by pool index.
 *
 * What is due in the same second fires in the order of a key inside the objects, so that several wheels, each
 * with a part of the objects, fire together in the order in which one would.
 *
 * Owner thread only; nothing allocates. An entry is put at the second it is due, or, when that is further
 * away than the wheel is round, at the last slot, to be put further on when that fires. Time jumps over
 * empty wheels.
 */
#ifndef WW_BASE_WHEEL_H
#define WW_BASE_WHEEL_H

#include "base/bytes.h"

enum { WHEEL_SLOTS = 512 };

/* In the object; the wheel knows where by offset. 0 = none. */
struct wheel_link {
	uint32_t next, prev; /* prev: index of the entry before, or WHEEL_HEAD | slot */
};

#define WHEEL_HEAD 0x80000000u

struct pool;

struct wheel {
	const struct pool *pool;
	size_t offset;                /* of the struct wheel_link in the object */
	size_t key_offset, key_bytes; /* no two objects have the same */
	uint64_t now_s, sorted_s;
	uint32_t n;
	uint32_t slot[WHEEL_SLOTS];
};

void wheel_init(
	struct wheel *w, const struct pool *pool, size_t link_offset, size_t key_offset, size_t key_bytes);
void wheel_add(struct wheel *w, uint32_t index, uint64_t due_s);
void wheel_del(struct wheel *w, uint32_t index);
/* The next entry due at or before second `to_s`, taken off, its second in *at_s; 0 when there is none and
 * the wheel's time is to_s. */
uint32_t wheel_fire(struct wheel *w, uint64_t to_s, uint64_t *at_s);
/* Everything is due now. */
void wheel_end(struct wheel *w);

#endif
