/* steady: a live worker's time goes on when the wall's clock is set back, and is the wall's else. */
#include "run/steady.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define NOON   (1764000000 * SECOND)

static void it_is_the_walls(void **state)
{
	(void)state;
	struct steady s = { 0 };
	uint64_t back = 1;
	assert_true(steady_ns(&s, NOON, 0, &back) == NOON && back == 0);
	assert_true(steady_ns(&s, NOON + 1, NOON, &back) == NOON + 1 && back == 0);
	/* Two interfaces, or a clock that is trimmed: decode_frame sees to these. */
	assert_true(steady_ns(&s, NOON - 10 * SECOND, NOON, &back) == NOON - 10 * SECOND && back == 0);
	assert_true(steady_ns(&s, NOON + 3600 * SECOND, NOON, &back) == NOON + 3600 * SECOND && back == 0);
}

static void a_clock_set_back(void **state)
{
	(void)state;
	struct steady s = { 0 };
	uint64_t back, hour = 3600 * SECOND;
	assert_true(steady_ns(&s, NOON - hour, NOON, &back) == NOON);
	assert_true(back == hour);
	assert_true(steady_ns(&s, NOON - hour + SECOND, NOON, &back) == NOON + SECOND);
	assert_true(back == 0); /* told once */
	assert_true(steady_ns(&s, NOON - 3 * hour + SECOND, NOON + SECOND, &back) == NOON + SECOND);
	assert_true(back == 2 * hour);
	assert_true(steady_ns(&s, NOON - 3 * hour + 2 * SECOND, NOON + SECOND, &back) == NOON + 2 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(it_is_the_walls),
		cmocka_unit_test(a_clock_set_back) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
