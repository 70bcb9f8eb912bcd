/* merge: records of several workers come out in the one order, and none before it is sure to be the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/merge.h"

#include <pthread.h>

enum { LANES = 4, RECORDS = 4000, PER_PACKET = 3 };

static uint32_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

struct world {
	struct ring ring[LANES];
	struct lane lane[LANES];
};

static void start(struct world *w)
{
	memset(w, 0, sizeof *w);
	for (unsigned i = 0; i < LANES; i++) {
		assert_true(ring_init(&w->ring[i], 1 << 20));
		w->lane[i].ring = &w->ring[i];
	}
}

static void stop(struct world *w)
{
	for (unsigned i = 0; i < LANES; i++)
		ring_fini(&w->ring[i]);
}

static struct event record(uint64_t packet, enum turn turn, uint64_t ts_ns, uint8_t src, uint8_t dst)
{
	struct event e = { .len = sizeof e, .packet = packet, .turn = (uint8_t)turn, .ts_ns = ts_ns };
	e.conv.src = (struct addr){ .b = { [15] = src }, .family = 4 };
	e.conv.dst = (struct addr){ .b = { [15] = dst }, .family = 4 };
	return e;
}

static void put(struct world *w, unsigned lane, struct event e)
{
	struct event *room = ring_reserve(&w->ring[lane], sizeof e);
	assert_non_null(room);
	*room = e;
	ring_commit(&w->ring[lane], sizeof e);
}

/* The packet of the next record, 0: none yet. */
static uint64_t next(struct world *w, unsigned *which)
{
	bool over;
	const struct event *e = merge_next(w->lane, LANES, BY_PACKET, which, &over);
	uint64_t packet = e ? e->packet : 0;
	if (e)
		ring_pop(w->lane[*which].ring);
	return packet;
}

static void waits_for_those_behind(void **state)
{
	static struct world w;
	unsigned which;
	bool over;
	(void)state;
	start(&w);
	put(&w, 0, record(5, TURN_PACKET, 1, 1, 2));
	assert_int_equal(next(&w, &which), 0); /* the others may have an earlier one */
	lane_done(&w.lane[1], 9);
	lane_done(&w.lane[2], 4);
	lane_done(&w.lane[3], LANE_OVER);
	assert_int_equal(next(&w, &which), 0);
	put(&w, 2, record(5, TURN_DUE, 1, 1, 2));
	assert_int_equal(next(&w, &which), 5);
	assert_int_equal(which, 2);
	assert_int_equal(next(&w, &which), 0); /* there may be more of 5 */
	lane_done(&w.lane[2], 5);
	assert_int_equal(next(&w, &which), 5);
	assert_int_equal(which, 0);
	for (unsigned i = 0; i < 3; i++) { /* the fourth is over */
		assert_null(merge_next(w.lane, LANES, BY_PACKET, &which, &over));
		assert_false(over);
		lane_done(&w.lane[i], LANE_OVER);
	}
	assert_null(merge_next(w.lane, LANES, BY_PACKET, &which, &over));
	assert_true(over);
	stop(&w);
}

static void order_within_a_packet(void **state)
{
	static struct world w;
	/* In the order in which they must come out; lanes as they come. */
	const struct {
		unsigned lane;
		struct event e;
	} rows[] = {
		{ 3, record(7, TURN_DUE, 10, 9, 1) }, /* lower address 1, then 9 */
		{ 1, record(7, TURN_DUE, 10, 2, 3) }, /* the same second */
		{ 0, record(7, TURN_DUE, 11, 1, 2) }, /* a later one */
		{ 0, record(7, TURN_COUNTERS, 12, 0, 0) },
		{ 1, record(7, TURN_COUNTERS, 12, 0, 0) },
		{ 2, record(7, TURN_PACKET, 12, 8, 9) },
		{ 3, record(7, TURN_END, 12, 1, 5) },
		{ 1, record(7, TURN_END, 12, 6, 2) },
		{ 0, record(7, TURN_LAST, 12, 0, 0) },
	};
	unsigned which;
	(void)state;
	start(&w);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		put(&w, rows[i].lane, rows[i].e);
	for (unsigned i = 0; i < LANES; i++)
		lane_done(&w.lane[i], LANE_OVER);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(next(&w, &which), 7);
		if (which != rows[i].lane)
			fail_msg("row %zu: lane %u", i, which);
	}
	stop(&w);
}

/* ---- with threads ------------------------------------------------------------------------ */

static struct world shared;

/* Every packet number is one lane's; a ring that is full waits. */
static void *writer(void *arg)
{
	unsigned lane = *(const unsigned *)arg;
	for (uint64_t packet = 1; packet <= RECORDS; packet++) {
		for (unsigned k = 0; packet % LANES == lane && k < PER_PACKET; k++) {
			struct event *room;
			while (!(room = ring_reserve(&shared.ring[lane], sizeof *room)))
				sched_yield();
			*room = record(packet, TURN_PACKET, packet, (uint8_t)k, 0);
			ring_commit(&shared.ring[lane], sizeof *room);
		}
		if (packet % 7 == 0)
			lane_done(&shared.lane[lane], packet);
	}
	lane_done(&shared.lane[lane], LANE_OVER);
	return NULL;
}

static void threads(void **state)
{
	pthread_t thread[LANES];
	unsigned number[LANES], which = 0;
	uint64_t taken = 0;
	bool over = false;
	(void)state;
	start(&shared);
	for (unsigned i = 0; i < LANES; i++) {
		number[i] = i;
		assert_int_equal(pthread_create(&thread[i], NULL, writer, &number[i]), 0);
	}
	while (!over) {
		const struct event *e = merge_next(shared.lane, LANES, BY_PACKET, &which, &over);
		if (!e) {
			sched_yield();
			continue;
		}
		assert_int_equal(e->packet, taken / PER_PACKET + 1);
		assert_int_equal(e->conv.src.b[15], taken % PER_PACKET);
		taken++;
		ring_pop(shared.lane[which].ring);
	}
	assert_int_equal(taken, RECORDS * PER_PACKET);
	for (unsigned i = 0; i < LANES; i++)
		pthread_join(thread[i], NULL);
	stop(&shared);
}

/* Any distribution over lanes comes out sorted, however far each lane is at each moment. */
static void random_lanes(void **state)
{
	static struct world w;
	(void)state;
	for (seed = 1; seed < 40; seed++) {
		uint64_t written = 0, read = 0;
		unsigned which;
		start(&w);
		uint32_t own = seed;
		while (read < 500) {
			if (written < 500 && below(3)) {
				written++;
				put(&w, below(LANES), record(written, TURN_PACKET, written, 1, 2));
				if (below(2))
					for (unsigned i = 0; i < LANES; i++)
						lane_done(&w.lane[i], written);
			} else if (written == 500) {
				for (unsigned i = 0; i < LANES; i++)
					lane_done(&w.lane[i], LANE_OVER);
			}
			for (uint64_t packet; (packet = next(&w, &which)) != 0;)
				assert_int_equal(packet, ++read);
		}
		stop(&w);
		seed = own;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(waits_for_those_behind),
		cmocka_unit_test(order_within_a_packet), cmocka_unit_test(random_lanes),
		cmocka_unit_test(threads) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
