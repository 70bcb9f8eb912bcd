/* worker: what it counted reaches the hub even when the ring is full, for just then there is something to
 * tell. */
#include "run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

enum { MINUTE = HEALTH_MINUTE_S, BYTES = 64 };

static void lose(void *arg)
{
	(void)arg; /* live */
}

struct scene {
	struct run_line *line; /* for its limits and key */
	struct worker w;
};

static int setup(void **state)
{
	static struct scene s;
	s.line = run_line_new(NULL, NULL);
	struct worker_setup ws = { .limits = &s.line->limits, .key = &s.line->key, .on_full = lose };
	*state = &s;
	return worker_init(&s.w, &ws) ? 0 : -1;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	worker_fini(&s->w);
	run_line_free(s->line);
	return 0;
}

/* Up to `room` bytes. */
static void fill(struct ring *r, uint64_t room)
{
	while (r->size - (r->head - r->tail) > room + BYTES && ring_reserve(r, BYTES))
		ring_commit(r, BYTES);
}

/* Empties the ring; how many of RECORD_COUNTERS there were. */
static unsigned counters_in(struct ring *r)
{
	unsigned counters = 0;
	uint32_t n;
	for (const void *p; (p = ring_peek(r, &n)) != NULL; ring_pop(r))
		counters += n > BYTES && ((const struct event *)p)->record == RECORD_COUNTERS;
	return counters;
}

static void a_full_ring_delays_the_counters(void **state)
{
	struct scene *s = *state;
	worker_idle(&s->w, SECOND);
	fill(&s->w.ring, 0);
	worker_idle(&s->w, (MINUTE + 2) * SECOND);
	assert_int_equal(counters_in(&s->w.ring), 0);
	worker_idle(&s->w, (MINUTE + 3) * SECOND);
	assert_int_equal(counters_in(&s->w.ring), 1);
	worker_idle(&s->w, (MINUTE + 4) * SECOND); /* the next minute has begun with them */
	assert_int_equal(counters_in(&s->w.ring), 0);
	worker_idle(&s->w, (2 * MINUTE + 4) * SECOND);
	assert_int_equal(counters_in(&s->w.ring), 1);
}

static void they_need_less_room_than_an_event(void **state)
{
	struct scene *s = *state;
	worker_idle(&s->w, SECOND);
	fill(&s->w.ring, 4096);
	assert_null(ring_reserve(&s->w.ring, EVENT_BYTES));
	worker_idle(&s->w, (MINUTE + 2) * SECOND);
	assert_int_equal(counters_in(&s->w.ring), 1);
}

/* A connection attempt from one of so many hosts, or its reset, and an ARP question. */
static void tcp(struct worker *w, uint8_t host, uint8_t flags)
{
	uint8_t b[54] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0,
		10, 0, 0, host, 10, 0, 1, 1, 0x40, 0, 0x1f, 0x90, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff,
		0xff };
	worker_packet(
		w, &(struct frame){
			   .ts_ns = SECOND, .data = bytes_of(b, sizeof b), .wire_bytes = 54, .linktype = 1 });
}

static void syn(struct worker *w, uint8_t host)
{
	tcp(w, host, 2);
}

static void arp(struct worker *w)
{
	uint8_t b[42] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 2,
		10, 0, 0, 9, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1 };
	worker_packet(
		w, &(struct frame){
			   .ts_ns = SECOND, .data = bytes_of(b, sizeof b), .wire_bytes = 42, .linktype = 1 });
}

static void a_flood_leaves_room_for_what_is_said(void **state)
{
	struct scene *s = *state;
	const struct counters *c = &s->w.counters;
	uint64_t before;
	syn(&s->w, 1);
	assert_int_equal(c->events_lost, 0);
	fill(&s->w.ring, 2 * EVENT_BYTES - BYTES);
	before = s->w.ring.head;
	syn(&s->w, 2);
	assert_int_equal(c->conversations, 2);
	assert_int_equal(c->events_lost, 1);
	assert_int_equal(s->w.ring.head, before);
	arp(&s->w);
	assert_int_equal(c->events_lost, 1);
	assert_true(s->w.ring.head > before);
}

/* Silent for long, closed, or gone to make room: of each conversation one of the three. */
static void ends_are_counted(void **state)
{
	struct scene *s = *state;
	const struct counters *c = &s->w.counters;
	syn(&s->w, 1);
	syn(&s->w, 2);
	tcp(&s->w, 2, 4);
	worker_idle(&s->w, 3 * SECOND);
	assert_int_equal(c->conversations_idle + c->conversations_closed, 0);
	worker_idle(&s->w, 30 * SECOND);
	assert_int_equal(c->conversations_closed, 1);
	assert_int_equal(c->conversations_idle, 0);
	worker_idle(&s->w, 300 * SECOND);
	assert_int_equal(c->conversations_closed, 1);
	assert_int_equal(c->conversations_idle, 1);
	assert_int_equal(c->conversations_ended, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_ring_delays_the_counters, setup, teardown),
		cmocka_unit_test_setup_teardown(they_need_less_room_than_an_event, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_leaves_room_for_what_is_said, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
