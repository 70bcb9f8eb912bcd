/* run/status: who asks gets an answer, who misbehaves is dropped, and the loop never waits. With a path as
 * argument it serves there the vitals of tests/lib/vitals.h until it is ended, for tests/e2e/status.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/map.h"
#include "run/metrics.h"
#include "run/status.h"
#include "run/status_command.h"
#include "vitals.h"

#define SECOND UINT64_C(1000000000)

static char dir[] = "/tmp/test_status.XXXXXX", path[64];

/* Each time it is asked, a second and 1000 packets later. */
static void fill(void *arg, struct vitals *v)
{
	static struct counters counters;
	unsigned *asked = arg;
	*v = *vitals_sample();
	counters = *v->counters;
	counters.packets += 1000 * *asked;
	counters.bytes += 125000 * *asked;
	v->counters = &counters;
	v->now_ns += SECOND * *asked;
	++*asked;
}

static unsigned asked;
static char error[STATUS_ERROR];

static struct status *must_open(void)
{
	asked = 0;
	struct status *s = status_open(path, &(struct status_source){ fill, &asked }, error);
	if (!s)
		fail_msg("%s", error);
	return s;
}

static int reach(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
		return fd;
	close(fd);
	return -1;
}

static char got[2 * METRICS_MAX];

/* What comes until the end; serves meanwhile. */
static size_t answer(struct status *s, int fd)
{
	size_t n = 0;
	for (unsigned i = 0; i < 1000; i++) {
		ssize_t r = recv(fd, got + n, sizeof got - 1 - n, MSG_DONTWAIT);
		if (r == 0 || (r < 0 && errno != EAGAIN))
			break;
		n += r > 0 ? (size_t)r : 0;
		status_serve(s, SECOND);
	}
	got[n] = 0;
	close(fd);
	return n;
}

static size_t ask(struct status *s, const char *request)
{
	int fd = reach();
	assert_true(fd >= 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return answer(s, fd);
}

static void answers(void **state)
{
	(void)state;
	static char text[METRICS_MAX];
	struct status *s = must_open();
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	ask(s, "status\n");
	assert_non_null(strstr(got, "\"sensor\":\"ward-east-1\""));
	assert_non_null(strstr(got, "\"uptime_seconds\":1.01e+04,"));
	assert_non_null(strstr(got, "\"interfaces\":{\"bytes\":[64000,0],\"dropped\":[12,0],"
				    "\"idle_seconds\":[0.75,-1]"));
	assert_int_equal(got[strlen(got) - 1], '\n');
	asked = 0;
	ask(s, "metrics\r\n");
	assert_int_equal(metrics_text(vitals_sample(), text, sizeof text), strlen(got));
	assert_string_equal(got, text);
	ask(s, "reboot\n");
	assert_string_equal(got, "say status or metrics\n");
	asked = 0;
	ask(s, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(
		bytes_starts(bytes_str(got), "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
	assert_string_equal(strstr(got, "\r\n\r\n") + 4, text);
	ask(s, "GET /status?pretty HTTP/1.0\n\n");
	assert_non_null(strstr(got, "application/json"));
	ask(s, "GET /../etc/passwd HTTP/1.0\r\n\r\n");
	assert_true(bytes_starts(bytes_str(got), "HTTP/1.1 404"));
	status_close(s);
	assert_int_not_equal(lstat(path, &st), 0);
}

/* A socket that is left from a killed sensor is replaced; another's live one and a file are not. */
static void whose(void **state)
{
	(void)state;
	struct stat st;
	struct status *s = must_open();
	assert_null(status_open(path, &(struct status_source){ fill, &asked }, error));
	assert_non_null(strstr(error, "is another process's, which listens on it"));
	ask(s, "status\n"); /* and is not disturbed by that */
	assert_true(strlen(got) > 100);
	/* Another took the place: closing does not remove its socket. */
	assert_int_equal(unlink(path), 0);
	struct status *other = must_open();
	status_close(s);
	assert_int_equal(lstat(path, &st), 0);
	status_close(other);
	assert_int_not_equal(lstat(path, &st), 0);

	struct sockaddr_un name = { .sun_family = AF_UNIX };
	snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	close(fd);
	s = must_open();
	status_close(s);

	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_null(status_open(path, &(struct status_source){ fill, &asked }, error));
	assert_non_null(strstr(error, "is there and is no socket"));
	assert_int_equal(unlink(path), 0);
	uint64_t mapped = map_total();
	assert_null(status_open("/nonexistent/s", &(struct status_source){ fill, &asked }, error));
	assert_non_null(strstr(error, "/nonexistent/s cannot be made: No such file"));
	char longest[200];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = 0;
	assert_null(status_open(longest, &(struct status_source){ fill, &asked }, error));
	assert_non_null(strstr(error, "too long"));
	assert_true(map_total() == mapped);
}

static void in_pieces(void **state)
{
	(void)state;
	struct status *s = must_open();
	int fd = reach();
	for (const char *p = "status\n"; *p; p++) {
		status_serve(s, SECOND);
		assert_int_equal(asked, 0);
		assert_int_equal(send(fd, p, 1, 0), 1);
	}
	assert_true(answer(s, fd) > 100);
	/* A request that ends without its line feed is one, when no more will come. */
	fd = reach();
	assert_int_equal(send(fd, "status", 6, 0), 6);
	status_serve(s, SECOND);
	assert_int_equal(asked, 1);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(answer(s, fd) > 100);
	status_close(s);
}

static size_t clients(const struct status *s)
{
	struct pollfd fds[STATUS_FDS];
	return status_fds(s, fds) - 1;
}

static void hostile(void **state)
{
	(void)state;
	static char junk[1 << 20];
	struct status *s = must_open();
	memset(junk, 'j', sizeof junk);
	/* 1 MiB without a line: dropped at the end of its buffer. */
	int fd = reach();
	ssize_t sent = 0;
	for (unsigned i = 0; i < 100 && sent >= 0; i++) {
		sent = send(fd, junk, sizeof junk, MSG_NOSIGNAL | MSG_DONTWAIT);
		status_serve(s, SECOND);
	}
	assert_int_equal(clients(s), 0);
	close(fd);
	/* The same behind a good start, with a request of HTTP that does not end, and NULs. */
	memcpy(junk, "GET /metrics HTTP/1.1\r\n", 23);
	fd = reach();
	assert_true(send(fd, junk, 65536, MSG_NOSIGNAL) > 0);
	status_serve(s, SECOND);
	assert_int_equal(clients(s), 0);
	close(fd);
	memset(junk, 0, sizeof junk);
	fd = reach();
	assert_true(send(fd, junk, 65536, MSG_NOSIGNAL) > 0);
	status_serve(s, SECOND);
	assert_int_equal(clients(s), 0);
	close(fd);
	/* One that goes away before the answer. */
	fd = reach();
	assert_int_equal(send(fd, "metrics\n", 8, 0), 8);
	close(fd);
	status_serve(s, SECOND);
	status_serve(s, SECOND);
	assert_int_equal(clients(s), 0);
	/* Half a line, then silence: dropped when its time is over, not before. */
	fd = reach();
	assert_int_equal(send(fd, "sta", 3, 0), 3);
	status_serve(s, 10 * SECOND);
	status_serve(s, (10 + STATUS_SECONDS) * SECOND - 1);
	assert_int_equal(clients(s), 1);
	status_serve(s, (10 + STATUS_SECONDS) * SECOND);
	assert_int_equal(clients(s), 0);
	close(fd);
	ask(s, "status\n");
	assert_true(strlen(got) > 100);
	status_close(s);
}

/* One that does not read: its answer waits in the socket, the rest in its buffer, until its time is over. */
static void reads_nothing(void **state)
{
	(void)state;
	struct status *s = must_open();
	int small = 1;
	int fd = reach();
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
	assert_int_equal(send(fd, "metrics\n", 8, 0), 8);
	for (unsigned i = 0; i < 10; i++)
		status_serve(s, SECOND);
	status_serve(s, (1 + STATUS_SECONDS) * SECOND);
	assert_int_equal(clients(s), 0);
	close(fd);
	status_close(s);
}

/* 1000 connections that say nothing: never more than STATUS_CLIENTS are held, and a good one gets its answer.
 */
static void crowd(void **state)
{
	(void)state;
	static int fds[1000];
	struct status *s = must_open();
	for (size_t i = 0; i < 1000; i++) {
		while ((fds[i] = reach()) < 0)
			status_serve(s, (i + 1) * 1000);
		assert_true(clients(s) <= STATUS_CLIENTS);
	}
	for (unsigned i = 0; i < 4; i++)
		status_serve(s, SECOND);
	assert_int_equal(clients(s), STATUS_CLIENTS);
	ask(s, "status\n");
	assert_true(strlen(got) > 100);
	for (size_t i = 0; i < 1000; i++)
		close(fds[i]);
	status_serve(s, SECOND);
	assert_int_equal(clients(s), 0);
	status_close(s);
}

static void page(void **state)
{
	(void)state;
	static char before[METRICS_MAX], text[8192];
	struct status *s = must_open();
	ask(s, "status\n");
	memcpy(before, got, sizeof before);
	ask(s, "status\n");
	FILE *f = fmemopen(text, sizeof text, "w");
	assert_true(status_page(bytes_str(before), bytes_str(got), f));
	fclose(f);
	static const char *const lines[] = {
		"ward-east-1: wardwatch " WW_VERSION ", up for 2.8 h\n",
		"Packets     1,001; now 1,000 a second, 1.0 Mbit/s; the last one 1.8 s ago\n",
		"Lost        12 packets (1.18 %), ",
		"eth1        up, 1,000 packets, 12 dropped; the last one 1.8 s ago\n",
		"\na\"b\\c\\x0ad  down,",
		" down, 0 packets, 0 dropped; none yet\n",
		"Worker 2    400 packets, its ring 0 % full\n",
		"Tables      1,234 of 262,144 conversations (0 %)\n            77 of 16,384 devices (0 %)\n",
		"Full        limits.",
		"Policies    432 rules, 3 left out, read 2025-11-24T13:13:21.000000Z\n",
		"Memory      tables take at most 663 MiB",
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if (!strstr(text, lines[i]))
			fail_msg("no %s in\n%s", lines[i], text);
	status_close(s);
	/* Documents that are none of ours, or lie. */
	static const char *const others[] = { "", "[1]", "{\"a\":1}", "say status or metrics\n",
		"{\"counters\":1", "HTTP/1.1 404 Not Found\r\n" };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(status_page(bytes_str(before), bytes_str(others[i]), stdout));
	f = fmemopen(text, sizeof text, "w");
	assert_true(status_page(bytes_str("{\"counters\":{}}"),
		bytes_str("{\"counters\":[],\"interfaces\":{\"name\":[1,{}]},\"full\":{\"a\":[]},\"tables\":{"
			  "\"name\":[\"x\"],\"used\":3},\"idle_seconds\":1e999,\"uptime_seconds\":-5}"),
		f));
	fclose(f);
}

static int serve_for_ever(const char *at)
{
	struct status *s = status_open(at, &(struct status_source){ fill, &asked }, error);
	struct pollfd fds[STATUS_FDS];
	if (!s)
		return fprintf(stderr, "%s\n", error), 1;
	/* The end of standard input ends it. */
	for (uint64_t now = 0;; now += SECOND / 10) {
		size_t n = status_fds(s, fds);
		fds[n % STATUS_FDS] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
		if (poll(fds, n < STATUS_FDS ? n + 1 : n, 100) > 0 && n < STATUS_FDS && fds[n].revents)
			break;
		status_serve(s, now);
	}
	status_close(s);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return serve_for_ever(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(whose),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(hostile),
		cmocka_unit_test(reads_nothing),
		cmocka_unit_test(crowd),
		cmocka_unit_test(page),
	};
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/s", dir);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed != 0;
}
