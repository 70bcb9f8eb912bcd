/* health: what is told of the sensor itself, from when on, and how often. */
#include "layers.h"

#include "packet/health.h"

#define SECOND UINT64_C(1000000000)

static struct health health;
static struct worker_news all;
static unsigned told;
static struct health_news last;

static void on_news(void *arg, const struct health_news *n)
{
	(void)arg;
	told++;
	last = *n;
}

static int setup(void **state)
{
	(void)state;
	memset(&health, 0, sizeof health);
	memset(&all, 0, sizeof all);
	told = 0;
	return 0;
}

static void look(uint64_t seconds)
{
	health_look(&health, &all, seconds * SECOND, on_news, NULL);
	all.back_ns = 0;
}

static void a_full_table_is_told_once_an_hour(void **state)
{
	(void)state;
	all.counters.full_flows = 3;
	look(61);
	assert_int_equal(told, 1);
	assert_int_equal(last.event, SENSOR_EV_TABLE_FULL);
	assert_string_equal(last.counter, "flows");
	assert_int_equal(last.value, 3);
	all.counters.full_flows = 4;
	look(200);
	assert_int_equal(told, 1);
	all.counters.full_devices = 1;
	look(300);
	assert_int_equal(told, 2);
	assert_string_equal(last.counter, "devices");
	all.counters.full_flows = 5;
	look(61 + 3600);
	assert_int_equal(told, 3);
	assert_int_equal(last.value, 1);
}

static void what_cuts_one_message_is_no_table(void **state)
{
	(void)state;
	all.counters.full_fact_bytes = all.counters.full_array_bytes = all.counters.full_event_facts = 100;
	all.counters.full_tunnel_depth = all.counters.full_junk_kib = all.counters.full_stream_held_kib = 100;
	look(61);
	assert_int_equal(told, 0);
}

static void losses(void **state)
{
	(void)state;
	all.counters.gaps = 19;
	all.counters.gap_bytes = 1000;
	look(61);
	assert_int_equal(told, 0); /* too few holes to say anything */
	all.counters.gaps += 20;
	all.counters.gap_bytes += 199;
	all.counters.stream_bytes += 9801;
	look(122);
	assert_int_equal(told, 0); /* one percent */
	all.counters.gaps += 20;
	all.counters.gap_bytes += 200;
	all.counters.stream_bytes += 9800;
	look(183);
	assert_int_equal(told, 1);
	assert_int_equal(last.event, SENSOR_EV_LOSS);
	assert_int_equal(last.share, 2);
	all.counters.packets = 1000;
	all.counters.packets_cut = 50;
	look(244);
	assert_int_equal(told, 2);
	assert_string_equal(last.counter, "packets_cut");
}

static void shares(void **state)
{
	(void)state;
	all.counters.tcp_ended = all.counters.tcp_one_sided = 19;
	all.counters.packets = all.counters.duplicates = 999;
	look(61);
	assert_int_equal(told, 0);
	all.counters.tcp_ended += 20;
	all.counters.tcp_one_sided += 9;
	all.counters.packets += 1000;
	all.counters.duplicates += 99;
	look(122);
	assert_int_equal(told, 0);
	all.counters.tcp_ended += 20;
	all.counters.tcp_one_sided += 10;
	look(183);
	assert_int_equal(told, 1);
	assert_int_equal(last.event, SENSOR_EV_ONE_SIDED);
	all.counters.packets += 1000;
	all.counters.duplicates += 100;
	look(190);
	assert_int_equal(told, 2);
	assert_int_equal(last.event, SENSOR_EV_DUPLICATES);
	assert_int_equal(last.share, 10);
}

static void clocks(void **state)
{
	(void)state;
	all.back_ns = 10 * SECOND;
	look(120);
	assert_int_equal(told, 0);
	all.back_ns = 20 * SECOND;
	look(180);
	assert_int_equal(told, 1);
	assert_int_equal(last.event, SENSOR_EV_CLOCK_JUMP);
	assert_int_equal(last.value, 20);
	look(4000);
	assert_int_equal(told, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_full_table_is_told_once_an_hour, setup),
		cmocka_unit_test_setup(what_cuts_one_message_is_no_table, setup),
		cmocka_unit_test_setup(losses, setup),
		cmocka_unit_test_setup(shares, setup),
		cmocka_unit_test_setup(clocks, setup),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
