/* The Redis delivery against servers that refuse, lie, break off or say nothing: each row of the error table.
 */
#include "fakeredis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Each row: what is told, and whether the connection stays. It is well again when the record goes. */
static const struct {
	const char *reply, *event;
	bool stays;
} rows[] = {
	{ "-NOAUTH Authentication required.", "redis_auth", false },
	{ "-WRONGPASS invalid username-password pair", "redis_auth", false },
	{ "-NOPERM this user has no permissions to run the 'xadd' command", "redis_permission", false },
	{ "-LOADING Redis is loading the dataset in memory", "redis_loading", true },
	{ "-BUSY Redis is busy running a script.", "redis_busy", true },
	{ "-TRYAGAIN Multiple keys request during rehashing of slot", "redis_cluster", true },
	{ "-CLUSTERDOWN Hash slot not served", "redis_cluster", true },
	{ "-NOREPLICAS Not enough good replicas to write.", "redis_replicas", true },
	{ "-READONLY You can't write against a read only replica.", "redis_read_only", false },
	{ "-MASTERDOWN Link with MASTER is down", "redis_read_only", false },
	{ "-UNBLOCKED force unblock from blocking operation", "redis_read_only", false },
	{ "-MOVED 3999 10.0.0.1:6381", "redis_cluster", false },
	{ "-ASK 3999 10.0.0.1:6381", "redis_cluster", false },
	{ "-OOM command not allowed when used memory > 'maxmemory'.", "redis_oom", true },
	{ "-MISCONF Redis is configured to save RDB snapshots", "redis_misconf", true },
	{ "-WRONGTYPE Operation against a key holding the wrong kind of value", "redis_wrong_type", false },
	{ "-ERR max number of clients reached", "redis_refused", false },
	{ "-ERR something new", "redis_refused", false },
	{ "-\x1b[2J evil \xff text with no code", "redis_refused", false },
	{ "-", "redis_refused", false },
	{ "+OK", "redis_protocol", false },
	{ ":1", "redis_protocol", false },
	{ "$6\r\n1000-2", "redis_protocol", false }, /* an id that is not ours */
	{ "$-1", "redis_protocol", false },
	{ "*0", "redis_protocol", false },
};

static void every_refusal(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		fake_start(state);
		fake_up(NULL);
		fake_offer(1, false);
		fake_turn(60 * MS);
		fake_expect("XADD k:alert");
		fake_say(rows[i].reply);
		fake_say("\r\n");
		if (!fake_was_told(rows[i].event) || fake.n_told != 1)
			fail_msg("%s: %s is told", rows[i].reply, fake.told[0]);
		assert_null(strpbrk(fake.sentence, "\x1b\xff"));
		assert_string_equal(fake.d->figures.problem, fake.sentence);
		assert_int_equal(fake.d->room(fake.d), 0);
		assert_int_equal(fake.d->figures.is_connected, rows[i].stays);
		assert_int_equal(fake_is_closed(), !rows[i].stays);
		if (!rows[i].stays) {
			fake_accept();
			fake_greet(NULL);
		}
		fake_turn(rows[i].stays ? 1 * S : 0);
		/* PING, or a look at the stream, may come before it. */
		while (strncmp(fake_command(), "XADD k:alert MAXLEN ~ 1000000 1000-1", 36) != 0)
			fake_say("-ERR no such key\r\n");
		fake_say("$6\r\n1000-1\r\n");
		assert_int_equal(fake.delivered, 1);
		assert_string_equal(fake.told[1], "redis_recovered");
		assert_string_equal(fake.d->figures.problem, "");
		fake_stop(state);
	}
}

static void an_unknown_option_is_left_out_once(void **state)
{
	(void)state;
	fake.setup.trim_age_ms = 1000;
	fake_up(NULL);
	fake_offer(1, false);
	fake_turn(60 * MS);
	fake_expect("XADD k:alert MINID ~ 1699999999000 1000-1 body");
	fake_say("-ERR syntax error\r\n");
	fake_turn(60 * MS);
	fake_expect("XADD k:alert 1000-1 body");
	assert_true(fake_was_told("redis_unsupported"));
	fake_say("-ERR syntax error\r\n");
	assert_true(fake_is_closed());
	assert_false(fake.d->figures.is_connected);
}

static void hostile_bytes(void **state)
{
	static const char *const bytes[] = {
		"*2147483647\r\n", "*16385\r\n", "*4294967296\r\n", "*-2\r\n", "$-2\r\n",
		"$99999999999999999999\r\n", "$5x\r\n", ":\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
		"HTTP/1.1 400 Bad Request\r\n\r\n", "%1\r\n+a\r\n:1\r\n", "\r\n",
		"$6\r\n1000-1\r\n$6\r\n1000-2\r\n", /* one more than was asked */
	};
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
		fake_start(state);
		fake_up(NULL);
		fake_offer(1, false);
		fake_turn(60 * MS);
		fake_expect("XADD");
		fake_say(bytes[i]);
		if (!fake_was_told("redis_protocol"))
			fail_msg("%s: %u told, the last %s", bytes[i], fake.n_told, fake.sentence);
		assert_true(fake_is_closed());
		fake_stop(state);
	}
}

static void an_endless_answer_is_cut(void **state)
{
	static char block[16001];
	(void)state;
	fake_up(NULL);
	fake_offer(1, false);
	fake_turn(60 * MS);
	fake_expect("XADD");
	fake_say("$500000000\r\n");
	memset(block, 'x', sizeof block - 1);
	size_t fed = 0;
	while (fed < 2000000 && fake.d->figures.is_connected) {
		ssize_t n = send(fake.peer, block, sizeof block - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		fed += n > 0 ? (size_t)n : 0;
		fake_turn(0);
	}
	assert_true(fake_was_told("redis_protocol"));
	assert_true(fed < 1500000);
	assert_int_equal(fake.delivered, 0);
}

static void silence_is_not_waited_for(void **state)
{
	(void)state;
	fake_up(NULL);
	fake_offer(1, false);
	fake_turn(60 * MS);
	fake_expect("XADD");
	fake_say("$6\r\n100");
	fake_turn(4900 * MS);
	assert_int_equal(fake.n_told, 0);
	fake_turn(200 * MS);
	assert_true(fake_was_told("redis_timeout"));
	assert_true(fake_is_closed());
	/* One that says nothing to PING on an idle connection. */
	fake_accept();
	fake_greet("1000-0");
	fake_turn(60 * MS);
	fake_expect("XADD");
	fake_say("$6\r\n1000-1\r\n");
	fake_turn(15 * S);
	for (int i = 0; i < 7; i++)
		fake_command(); /* XINFO of the watch, then PING */
	fake_turn(6 * S);
	assert_true(fake_is_closed());
}

/* A server that always says so is not asked for ever. */
static void an_id_that_is_refused_again_and_again(void **state)
{
	(void)state;
	fake_up(NULL);
	fake_offer(1, false);
	for (int i = 0; i < 40 && fake.d->figures.is_connected; i++) {
		fake_turn(60 * MS);
		const char *c = fake_command();
		if (strncmp(c, "XADD", 4) == 0)
			fake_say("-ERR The ID specified in XADD is equal or smaller than the target stream "
				 "top "
				 "item\r\n");
		else if (strncmp(c, "XINFO", 5) == 0)
			fake_say("*2\r\n$17\r\nlast-generated-id\r\n$3\r\n0-0\r\n");
		else if (strncmp(c, "XRANGE", 6) == 0)
			fake_say("*0\r\n");
	}
	assert_false(fake.d->figures.is_connected);
}

static void the_password_is_read_anew_and_told_nobody(void **state)
{
	(void)state;
	fake.setup.password_file = fake.password;
	fake.setup.user = "sensor";
	FILE *file = fopen(fake.password, "w");
	assert_true(file && fputs("s3cret-one\n", file) >= 0 && fclose(file) == 0);
	chmod(fake.password, 0640);
	fake_make();
	fake_accept();
	assert_true(fake_is_closed());
	assert_non_null(strstr(fake.sentence, "chmod 0600"));
	chmod(fake.password, 0600);
	fake_accept();
	fake_expect("AUTH sensor s3cret-one");
	fake_say("-WRONGPASS invalid username-password pair or user is disabled.\r\n");
	assert_null(strstr(fake.sentence, "s3cret"));
	file = fopen(fake.password, "w");
	assert_true(file && fputs("s3cret-two", file) >= 0 && fclose(file) == 0);
	fake_accept();
	fake_expect("AUTH sensor s3cret-two");
	fake_say("+OK\r\n");
	fake_expect("CLIENT SETNAME wardwatch-wardwatch");
}

static void no_master_no_delivery(void **state)
{
	(void)state;
	fake_make();
	fake_accept();
	fake_expect("CLIENT");
	fake_say("-ERR unknown command\r\n"); /* a courtesy: it goes on */
	fake_expect("ROLE");
	fake_say("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:1\r\n");
	assert_true(fake_was_told("redis_read_only"));
	assert_true(fake_is_closed());
}

/* What a server sends us to: itself by another word, in circles, or where nobody said that we may go. */
static void redirections(void **state)
{
	char text[64];
	(void)state;
	fake.setup.is_cluster = true;
	fake.setup.clear_is_forced = true;
	fake_up(NULL);
	fake_offer(1, false);
	fake_turn(60 * MS);
	fake_expect("XADD k:alert");
	fake_say("-MOVED 3999 10.9.9.9:6379\r\n");
	for (int i = 0; i < 20 && !fake.n_told; i++)
		fake_turn(0);
	assert_true(fake_was_told("redis_unreachable"));
	assert_non_null(strstr(fake.sentence, "10.9.9.9:6379, which the configuration does not"));
	fake_accept();
	fake_greet(NULL);
	fake_turn(60 * MS);
	snprintf(text, sizeof text, "-MOVED 3999 :%s\r\n", fake.port); /* no host: the one we are at */
	for (int i = 0; i < 5; i++) {
		fake_expect("XADD k:alert");
		fake_say(text);
		if (fake_was_told("redis_cluster"))
			break;
		fake_accept();
		fake_greet(NULL);
		fake_turn(60 * MS);
	}
	assert_true(fake_was_told("redis_cluster"));
	assert_non_null(strstr(fake.sentence, "in circles"));
	fake_accept();
	fake_greet(NULL);
	fake_turn(60 * MS);
	fake_expect("XADD k:alert");
	fake_say("-MOVED 3999 \x1b[31mnode.example:6379\r\n");
	/* Of the same kind as what was told already: not told again, but it is what is wrong now. */
	assert_non_null(strstr(fake.d->figures.problem, "without a literal address"));
	assert_null(strchr(fake.d->figures.problem, '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_refusal),
		cmocka_unit_test_setup_teardown(an_unknown_option_is_left_out_once, fake_start, fake_stop),
		cmocka_unit_test(hostile_bytes),
		cmocka_unit_test_setup_teardown(an_endless_answer_is_cut, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(silence_is_not_waited_for, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(an_id_that_is_refused_again_and_again, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(
			the_password_is_read_anew_and_told_nobody, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(no_master_no_delivery, fake_start, fake_stop),
		cmocka_unit_test_setup_teardown(redirections, fake_start, fake_stop),
	};
	int failed = cmocka_run_group_tests(tests, fake_start_group, fake_stop_group);
	return failed != 0;
}
