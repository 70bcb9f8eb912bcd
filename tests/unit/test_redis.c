/* The Redis delivery against scripted answers: records sent, acknowledged, looked up and sent again. What a
 * real server does is in e2e/redis.py. */
#include "fakeredis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

static void a_record_goes_and_is_acknowledged(void **state)
{
	(void)state;
	fake_up(NULL);
	fake_offer(1, false);
	fake_offer(2, false);
	fake_turn(10 * MS);
	assert_int_equal(fake.n_in, 0); /* a batch waits for more, but not long */
	fake_turn(50 * MS);
	fake_expect(
		"XADD k:alert MAXLEN ~ 1000000 1000-1 body {\"n\":1} id e1-0001 kind alert level low v 1");
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-2 body {\"n\":2} id e1-0002");
	fake_say("$6\r\n10");
	fake_say("00-1\r");
	assert_int_equal(fake.delivered, 0);
	fake_say("\n$6\r\n1000-2\r\n");
	assert_int_equal(fake.delivered, 2);
	assert_int_equal(fake.d->figures.sent, 2);
	assert_int_equal(fake.n_told, 0);
}

/* What was under way when the connection broke is read back. */
static void uncertain_records_are_looked_up(void **state)
{
	(void)state;
	fake_up(NULL);
	for (uint64_t n = 1; n <= 4; n++)
		fake_offer(n, false);
	fake_turn(60 * MS);
	for (int i = 0; i < 4; i++)
		fake_expect("XADD");
	fake_hang_up();
	fake_turn(0);
	fake_accept();
	fake_greet("1000-3");
	fake_expect("XRANGE k:alert 1000-1 1000-1");
	fake_say("*1\r\n*2\r\n$6\r\n1000-1\r\n*4\r\n$4\r\nbody\r\n$7\r\n{\"n\":1}\r\n$2\r\nid\r\n$7\r\ne1-"
		 "0001\r\n");
	fake_expect("XRANGE k:alert 1000-2 1000-2");
	fake_say("*0\r\n");
	fake_expect("XRANGE k:alert 1000-3 1000-3");
	fake_say("*1\r\n*2\r\n$6\r\n1000-3\r\n*4\r\n$4\r\nbody\r\n$7\r\n{\"n\":3}\r\n$2\r\nid\r\n$7\r\ne1-"
		 "0003\r\n");
	assert_int_equal(fake.delivered, 1);
	assert_int_equal(fake.d->figures.duplicates, 2);
	fake_turn(60 * MS);
	/* The fourth is above the last id, and goes as it was; the second cannot any more. */
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-4");
	fake_expect("XADD k:alert MAXLEN ~ 1000000 5000-1 body {\"n\":2}");
	assert_int_equal(fake.renewed, 1);
	fake_say("$6\r\n1000-4\r\n$6\r\n5000-1\r\n");
	assert_int_equal(fake.delivered, 4);
	assert_false(fake_was_told("redis_second_producer"));
}

static void an_id_that_is_taken_by_another(void **state)
{
	(void)state;
	fake_up(NULL);
	fake_offer(1, false);
	fake_turn(60 * MS);
	fake_expect("XADD");
	fake_say("-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n");
	fake_expect("XINFO STREAM k:alert");
	fake_say("*2\r\n$17\r\nlast-generated-id\r\n$6\r\n7000-0\r\n");
	assert_int_equal(fake.above.ms, 7000);
	fake_expect("XRANGE k:alert 1000-1 1000-1");
	fake_say("*0\r\n");
	assert_true(fake_was_told("redis_second_producer"));
	fake_turn(60 * MS);
	fake_expect("XADD k:alert MAXLEN ~ 1000000 7001-1");
	fake_say("$6\r\n7001-1\r\n");
	assert_int_equal(fake.delivered, 1);
}

static void without_the_right_to_read(void **state)
{
	(void)state;
	fake_make();
	fake_accept();
	for (int i = 0; i < 12 && fake.d->room(fake.d) == 0; i++) {
		const char *c = fake_command();
		fake_say(strncmp(c, "ROLE", 4) == 0     ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
			 : strncmp(c, "XINFO", 5) == 0  ? "-ERR no such key\r\n"
			 : strncmp(c, "XRANGE", 6) == 0 ? "-NOPERM no\r\n"
			 : strncmp(c, "EXEC", 4) == 0   ? "*0\r\n"
							: "+OK\r\n");
	}
	fake_offer(1, false);
	fake_offer(2, false);
	fake_turn(60 * MS);
	fake_expect("MULTI");
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-1");
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-2");
	fake_expect("EXEC");
	fake_say("+OK\r\n+QUEUED\r\n-OOM command not allowed\r\n-EXECABORT Transaction discarded\r\n");
	assert_true(fake_was_told("redis_oom"));
	assert_int_equal(fake.delivered, 0);
	fake_turn(1 * S);
	fake_expect("MULTI");
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-1");
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-2");
	fake_expect("EXEC");
	fake_say("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$6\r\n1000-1\r\n$6\r\n1000-2\r\n");
	assert_int_equal(fake.delivered, 2);
}

static void what_a_failover_lost_is_offered_again(void **state)
{
	(void)state;
	fake_up(NULL);
	for (uint64_t n = 1; n <= 6; n++)
		fake_offer(n, false);
	fake_turn(60 * MS);
	for (uint64_t n = 1; n <= 6; n++) {
		char text[32];
		fake_expect("XADD");
		snprintf(text, sizeof text, "$6\r\n1000-%u\r\n", (unsigned)n);
		fake_say(text);
	}
	assert_int_equal(fake.delivered, 6);
	fake_hang_up();
	fake_turn(0);
	fake_accept();
	fake_greet("1000-4");
	assert_true(fake_was_told("redis_data_lost"));
	assert_int_equal(fake.rewound, 1004);
	fake_offer(5, true);
	fake_offer(6, true);
	fake_turn(60 * MS);
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-5");
	fake_expect("XADD k:alert MAXLEN ~ 1000000 1000-6");
}

/* The watch of a stream: who else writes there, how much is not read, how soon it is trimmed. */
static void the_stream_is_watched(void **state)
{
	(void)state;
	fake.setup.trim_entries = 10;
	fake_up("900-0");
	fake_offer(1, false);
	fake_turn(60 * MS);
	fake_expect("XADD k:alert");
	fake_say("$6\r\n1000-1\r\n");
	fake_turn(31 * S);
	const char *c = fake_command();
	for (int i = 0; i < 8 && strcmp(c, "XINFO STREAM k:alert") != 0; i++) {
		fake_say("+PONG\r\n");
		c = fake_command();
	}
	assert_string_equal(c, "XINFO STREAM k:alert");
	/* 1699999999000: one second old, where a day is asked for. */
	fake_say("*6\r\n$6\r\nlength\r\n:10\r\n$17\r\nlast-generated-id\r\n$6\r\n1000-1\r\n"
		 "$11\r\nfirst-entry\r\n*2\r\n$15\r\n1699999999000-0\r\n*0\r\n");
	assert_true(fake_was_told("redis_retention"));
	fake_expect("XINFO GROUPS k:alert");
	fake_say("*2\r\n*4\r\n$4\r\nname\r\n$1\r\na\r\n$3\r\nlag\r\n:7\r\n*4\r\n$4\r\nname\r\n$1\r\nb\r\n$"
		 "3\r\nlag\r\n$-1\r\n");
	assert_int_equal(fake.d->figures.lag, 7);
	for (int i = 0; i < 4; i++) {
		fake_expect("XINFO");
		fake_say("-ERR no such key\r\n");
	}
	assert_int_equal(fake.n_told, 1);
	fake_turn(31 * S);
	for (c = fake_command(); strcmp(c, "XINFO STREAM k:alert") != 0; c = fake_command())
		fake_say("+PONG\r\n");
	fake_say("*4\r\n$6\r\nlength\r\n:10\r\n$17\r\nlast-generated-id\r\n$6\r\n8000-1\r\n");
	assert_true(fake_was_told("redis_second_producer"));
	assert_true(fake.d->figures.is_connected);
}

static void replicas_that_do_not_keep_up(void **state)
{
	(void)state;
	fake.setup.wait_replicas = 2;
	fake_up(NULL);
	fake_offer(1, false);
	fake_turn(60 * MS);
	fake_expect("XADD k:alert");
	fake_expect("WAIT 2 500");
	fake_say("$6\r\n1000-1\r\n:1\r\n");
	assert_true(fake_was_told("redis_replicas"));
	assert_int_equal(fake.delivered, 0);
	fake_turn(1 * S);
	fake_expect("WAIT 2 500"); /* the record itself is there, and does not go again */
	fake_say(":2\r\n");
	assert_int_equal(fake.delivered, 1);
	assert_true(fake_was_told("redis_recovered"));
}

static void what_is_wrong_in_the_configuration(void **state)
{
	struct broker_endpoint far = { .host = "10.20.5.10", .port = "6379" };
	struct delivery_hooks h = { 0 };
	struct diag d = { 0 };
	(void)state;
	fake.setup.servers = &far;
	assert_null(redis_new(&fake.setup, &fake.broker, &h, &d));
	assert_int_equal(d.errors, 1);
	assert_non_null(strstr(d.messages[0].text, "over TLS alone"));
	fake.setup.clear_is_forced = true;
	fake.setup.max_entries = 1000;
	fake.setup.n_servers = 0;
	assert_null(redis_new(&fake.setup, &fake.broker, &h, &d));
	assert_int_equal(d.errors, 3);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_record_goes_and_is_acknowledged, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(uncertain_records_are_looked_up, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(an_id_that_is_taken_by_another, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(without_the_right_to_read, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(what_a_failover_lost_is_offered_again, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(the_stream_is_watched, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(replicas_that_do_not_keep_up, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(what_is_wrong_in_the_configuration, fake_start, fake_stop),
	};
	int failed = cmocka_run_group_tests(tests, fake_start_group, fake_stop_group);
	return failed != 0;
}
