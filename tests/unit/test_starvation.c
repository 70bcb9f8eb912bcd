/* Pools that fail at the n-th request, over all golden captures: no crash, no leak, and counters that explain
 * each record that is missing (design.md section 11). */
#include "run.h"

#include <glob.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

enum { FAILURES = 6 };

/* The n-th place in the worker that hands out memory; false: there is no such place. */
static bool starve(struct worker *w, unsigned place, uint32_t fail_at)
{
	struct pool *pools[] = { &w->flows.pool, &w->flows.halves, &w->flows.convs, &w->engine.extras,
		&w->engine.inflaters, &w->decode.defrag.datagrams, &w->decode.defrag.pieces };
	enum { POOLS = sizeof pools / sizeof *pools };
	if (place < POOLS)
		pools[place]->fail_at = fail_at;
	else if (place < POOLS + PROTO_DISSECTED)
		w->engine.states[place - POOLS].fail_at = fail_at;
	else if (place == POOLS + PROTO_DISSECTED)
		w->engine.memory.fail_at = fail_at;
	else
		return false;
	return true;
}

static uint64_t all_full(const struct counters *c)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < counter_rows_n; i++)
		sum += counter_rows[i].is_full ? counter_get(c, &counter_rows[i]) : 0;
	return sum;
}

static void run_starved(const char *path, unsigned place, uint32_t fail_at, uint64_t expected)
{
	struct run_line *l = run_line_new(NULL, NULL);
	starve(&l->worker, place, fail_at);
	run_line_capture(l, path);
	run_line_finish(l);
	if (l->records < expected && all_full(&l->worker.counters) == 0)
		fail_msg("%s: %llu of %llu records at place %u, request %u, and no counter says why", path,
			(unsigned long long)l->records, (unsigned long long)expected, place, fail_at);
	assert_int_equal(l->worker.engine.memory.used_kib, 0);
	assert_int_equal(l->worker.flows.pool.used, 0);
	assert_int_equal(l->worker.flows.halves.used, 0);
	assert_int_equal(l->worker.flows.convs.used, 0);
	run_line_free(l);
}

static void test_every_pool(void **state)
{
	(void)state;
	glob_t found;
	struct worker places;
	assert_int_equal(glob(WW_SOURCE_DIR "/pcaps/*/*.pcap", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct run_line *l = run_line_new(NULL, NULL);
		run_line_capture(l, found.gl_pathv[i]);
		run_line_finish(l);
		uint64_t expected = l->records;
		run_line_free(l);
		assert_true(expected > 0);
		for (unsigned place = 0; starve(&places, place, 0); place++)
			for (uint32_t n = 1; n <= FAILURES; n += n < 3 ? 1 : 3)
				run_starved(found.gl_pathv[i], place, n, expected);
	}
	globfree(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_pool) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
