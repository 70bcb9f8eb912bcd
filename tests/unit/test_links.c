/* links: what lasts is told, once each way. */
#include "run/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static void what_lasts(void **state)
{
	(void)state;
	static const struct {
		unsigned quarter; /* of a second */
		bool is_up, is_news;
		unsigned seconds;
	} rows[] = {
		{ 4, true, false, 0 },
		{ 8, false, false, 0 }, /* since second 1 at the earliest */
		{ 10, true, false, 0 }, /* a moment only */
		{ 12, false, false, 0 },
		{ 17, false, false, 0 },
		{ 18, false, true, 0 },
		{ 400, false, false, 0 },
		{ 401, true, false, 0 },
		{ 402, false, false, 0 },
		{ 403, true, false, 0 },
		{ 410, true, true, 100 },
		{ 900, true, false, 0 },
	};
	struct links l = { 0 };
	uint64_t seconds;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool is_news = links_look(&l, 3, rows[i].is_up, rows[i].quarter * SECOND / 4, &seconds);
		assert_int_equal(is_news, rows[i].is_news);
		assert_int_equal(seconds, rows[i].seconds);
	}
}

static void down_from_the_start(void **state)
{
	(void)state;
	struct links l = { 0 };
	uint64_t seconds;
	assert_false(links_look(&l, 0, false, SECOND, &seconds));
	assert_false(links_look(&l, 0, false, 2 * SECOND, &seconds));
	assert_true(links_look(&l, 0, false, 3 * SECOND, &seconds));
	assert_false(links_look(&l, 0, false, 9 * SECOND, &seconds));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_lasts),
		cmocka_unit_test(down_from_the_start) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
