/* run/tcp_progress: what the other side's kernel has, while it has room, when it has none, and at the end. */
#include "run/tcp_progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2]; /* ours, the other side's */

static int pair(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	(void)state;
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (const struct sockaddr *)&a, n) != 0 || listen(listener, 1) != 0 ||
		getsockname(listener, (struct sockaddr *)&a, &n) != 0 ||
		connect(ends[0], (const struct sockaddr *)&a, n) != 0)
		return -1;
	ends[1] = accept(listener, NULL, NULL);
	close(listener);
	return ends[1] < 0;
}

static int unpair(void **state)
{
	(void)state;
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return 0;
}

/* An acknowledgement takes 40 ms at most. */
static bool all_taken(void)
{
	uint64_t given = 1, taken = 0;
	for (unsigned i = 0; i < 200; i++) {
		if (tcp_progress(ends[0], &given, &taken) && given == taken)
			return true;
		usleep(5000);
	}
	return false;
}

static void counts(void **state)
{
	static char text[100000];
	uint64_t start, given, taken;
	(void)state;
	assert_true(all_taken());
	assert_true(tcp_progress(ends[0], &start, &taken));
	assert_int_equal(send(ends[0], text, 1000, 0), 1000);
	assert_true(all_taken()); /* though nobody has read it */
	assert_true(tcp_progress(ends[0], &given, &taken));
	assert_int_equal(given - start, 1000);
	size_t sent = 1000;
	for (ssize_t n = 0; n >= 0; sent += n > 0 ? (size_t)n : 0)
		n = send(ends[0], text, sizeof text, MSG_DONTWAIT);
	assert_false(all_taken());
	assert_true(tcp_progress(ends[0], &given, &taken));
	assert_int_equal(given - start, sent);
	assert_true(taken < given);
}

/* When the other side has gone, what waits is not taken. */
static void at_the_end(void **state)
{
	uint64_t given, taken;
	(void)state;
	assert_int_equal(send(ends[0], "x", 1, 0), 1);
	assert_true(all_taken());
	close(ends[1]); /* unread: a reset */
	ends[1] = -1;
	usleep(50000);
	assert_false(tcp_progress(ends[0], &given, &taken));
}

static void no_tcp(void **state)
{
	uint64_t given, taken;
	(void)state;
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	assert_false(tcp_progress(udp, &given, &taken));
	close(udp);
	assert_false(tcp_progress(-1, &given, &taken));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counts, pair, unpair),
		cmocka_unit_test_setup_teardown(at_the_end, pair, unpair),
		cmocka_unit_test(no_tcp),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
