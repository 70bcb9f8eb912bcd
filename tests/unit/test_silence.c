/* silence: what was steady and stops is told once; what never was, or stops with all the rest, is not. */
#include "packet/silence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

enum { SOME = 64, START_S = 6000 };

static struct limits limits;
static struct counters counters;
static struct silence silence;
static struct traffic traffic;
static struct silence_news told[SOME];
static size_t n_told;
static uint64_t minute_s; /* the end of the one under way */

static void on_news(void *arg, const struct silence_news *n)
{
	(void)arg;
	assert_true(n_told < SOME);
	told[n_told++] = *n;
}

static void begin(uint32_t interfaces)
{
	limits_default(&limits);
	memset(&counters, 0, sizeof counters);
	assert_true(silence_init(&silence, &limits, &counters, interfaces));
	assert_true(traffic_init(&traffic, (uint32_t)limits.vlans, &counters));
	n_told = 0;
	minute_s = START_S + 60;
}

static int setup(void **state)
{
	(void)state;
	begin(0);
	return 0;
}

static int setup_live(void **state)
{
	(void)state;
	begin(2);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	silence_fini(&silence);
	traffic_fini(&traffic);
	return 0;
}

static void at(uint64_t s, uint32_t interface, uint16_t vlan)
{
	struct frame f = {
		.wire_bytes = 100, .interface = interface, .input = silence.is_live ? interface : 0
	};
	traffic_count(&traffic, &f, vlan, s * SECOND);
}

/* A packet each `every` seconds of this minute, up to `until` of it. */
static void some(uint32_t interface, uint16_t vlan, unsigned every, unsigned until)
{
	for (unsigned s = 0; s < until; s += every)
		at(minute_s - 60 + s, interface, vlan);
}

static void look_at(uint64_t s)
{
	silence_take(&silence, traffic.rows, traffic.n, traffic.is_cut);
	traffic_clear(&traffic);
	silence_look(&silence, s * SECOND, on_news, NULL);
}

static void next(void)
{
	look_at(minute_s);
	minute_s += 60;
}

static void one_vlan_stops(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 12; m++, next()) {
		some(0, 10, 5, 60);
		some(0, 20, 5, m < 11 ? 60 : 20); /* eleven minutes and a third */
	}
	for (unsigned m = 0; m < 4; m++, next())
		some(0, 10, 5, 60);
	assert_int_equal(n_told, 0);
	for (unsigned m = 0; m < 3; m++, next())
		some(0, 10, 5, 60);
	assert_int_equal(n_told, 1);
	assert_true(!told[0].is_over && told[0].vlan == 20);
	assert_int_equal(told[0].packets, 12);
	assert_int_equal(told[0].bytes, 1200);
	assert_in_range(told[0].silent_ns / SECOND, 300, 400);
	some(0, 10, 5, 60);
	at(minute_s - 30, 0, 20);
	next();
	assert_int_equal(n_told, 2);
	assert_true(told[1].is_over && told[1].vlan == 20);
	assert_int_equal(told[1].silent_ns / SECOND, 495);
	for (unsigned m = 0; m < 12; m++, next()) /* it has to be steady again */
		some(0, 10, 5, 60);
	assert_int_equal(n_told, 2);
}

static void ten_minutes_and_no_less(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 30; m++, next()) {
		some(0, 10, 5, 60);
		if (m < 9)
			some(0, 20, 5, 60);
		if (m < 10)
			some(0, 30, 10, 60);
	}
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].vlan, 30);
}

/* A packet a minute, bursts, and a pause in between are not steady. */
static void now_and_then(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 60; m++, next()) {
		some(0, 10, 5, 60);
		if (m < 30) {
			some(0, 20, 12, 60);
			some(0, 30, 1, 45);
		}
		if (m < 30 && m % 8)
			some(0, 40, 1, 60);
	}
	assert_int_equal(n_told, 0);
}

/* The end of a capture, and a pause in it, are none; VLANs that do not come back behind the pause are. */
static void everything_stops(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 12; m++, next()) {
		some(0, 10, 5, 60);
		some(0, 20, 5, 60);
	}
	for (unsigned m = 0; m < 20; m++) /* another capture goes on */
		next();
	assert_int_equal(n_told, 0);
	for (unsigned m = 0; m < 4; m++, next())
		some(0, 10, 5, 60);
	assert_int_equal(n_told, 0);
	for (unsigned m = 0; m < 4; m++, next())
		some(0, 10, 5, 60);
	assert_int_equal(n_told, 1);
	assert_true(told[0].vlan == 20 && told[0].silent_ns / SECOND > 1200);
}

/* Captures of different days in one file. */
static void another_day(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 12; m++, next())
		some(0, 20, 5, 60);
	minute_s += 86400;
	for (unsigned m = 0; m < 30; m++, next())
		some(0, 10, 5, 60);
	assert_int_equal(n_told, 0);
}

/* Of two interfaces in one capture. */
static void one_interface_stops(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 14; m++, next()) {
		some(0, 0, 5, 60);
		if (m < 11) {
			some(1, 0, 5, 60);
			some(1, 20, 5, 60);
		}
	}
	assert_int_equal(n_told, 1); /* not its VLAN too */
	assert_true(!told[0].vlan && told[0].packets == 24);
}

static void a_live_interface_stops(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 11; m++, next()) {
		some(0, 10, 5, 60);
		some(1, 0, 20, 60); /* seldom */
	}
	next();
	next();
	assert_int_equal(n_told, 1);
	assert_true(!told[0].is_over && !told[0].vlan && told[0].input == 0 && told[0].packets == 12);
	assert_in_range(told[0].silent_ns / SECOND, 60, 130);
	for (unsigned m = 0; m < 100; m++)
		next();
	assert_int_equal(n_told, 1);
	at(minute_s - 30, 0, 0);
	next();
	assert_int_equal(n_told, 2);
	assert_true(told[1].is_over && told[1].silent_ns / SECOND > 6000);
}

static void one_that_never_had_a_packet(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 10; m++, next())
		some(0, 0, 30, 60);
	assert_int_equal(n_told, 0);
	next();
	assert_int_equal(n_told, 1);
	assert_true(told[0].input == 1 && told[0].packets == 0 && told[0].silent_ns / SECOND == 600);
}

static void a_link_that_is_down(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 11; m++, next()) {
		some(0, 0, 5, 60);
		some(1, 0, 5, 60);
	}
	silence_link(&silence, 0, false, (minute_s - 60) * SECOND);
	for (unsigned m = 0; m < 11; m++, next())
		some(1, 0, 5, 60);
	silence_link(&silence, 0, true, (minute_s - 30) * SECOND);
	some(1, 0, 5, 60);
	next();
	assert_int_equal(n_told, 0); /* it has a minute after that */
	some(1, 0, 5, 60);
	next();
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].input, 0);
}

/* The clock goes two hours on, in traffic and without. */
static void a_clock_that_jumps(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 11; m++, next()) {
		some(0, 10, 5, 60);
		some(1, 0, 5, 60);
	}
	some(0, 10, 5, 60);
	some(1, 0, 5, 30);
	minute_s += 7200;
	next();
	for (unsigned m = 0; m < 20; m++, next()) {
		some(0, 10, 5, 60);
		some(1, 0, 5, 60);
	}
	assert_int_equal(n_told, 0);
}

/* A flood of VLAN ids: what has no room may be there all the same. */
static void a_full_table(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 11; m++, next()) {
		some(0, 10, 5, 60);
		some(0, 20, 5, 60);
	}
	for (unsigned m = 0; m < 10; m++, next()) {
		for (uint16_t vlan = 1000; vlan < 3000; vlan++)
			at(minute_s - 60, 0, vlan);
		some(0, 10, 5, 60);
	}
	assert_int_equal(n_told, 0);
	assert_true(counters.full_vlans >= 976 && traffic.n == 0);
}

/* Of two workers each sees some; they tell one after the other. */
static void two_workers(void **state)
{
	(void)state;
	for (unsigned m = 0; m < 14; m++, next()) {
		some(0, 10, 5, 60);
		for (unsigned s = 0; m < 11 && s < 60; s += 20)
			at(minute_s - 60 + s, 1, 20);
		silence_take(&silence, traffic.rows, traffic.n, false);
		traffic_clear(&traffic);
		for (unsigned s = 10; m < 11 && s < 60; s += 20)
			at(minute_s - 60 + s, 1, 20);
	}
	assert_int_equal(n_told, 1);
	assert_true(told[0].input == 1 && told[0].packets == 6 && told[0].bytes == 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_vlan_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(ten_minutes_and_no_less, setup, teardown),
		cmocka_unit_test_setup_teardown(now_and_then, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(another_day, setup, teardown),
		cmocka_unit_test_setup_teardown(one_interface_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(a_live_interface_stops, setup_live, teardown),
		cmocka_unit_test_setup_teardown(one_that_never_had_a_packet, setup_live, teardown),
		cmocka_unit_test_setup_teardown(a_link_that_is_down, setup_live, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_jumps, setup_live, teardown),
		cmocka_unit_test_setup_teardown(a_full_table, setup, teardown),
		cmocka_unit_test_setup_teardown(two_workers, setup_live, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
