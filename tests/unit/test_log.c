/* run/log: one line a message, limited by place, readable whoever wrote it, and never waited for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/log.h"

#define SECOND UINT64_C(1000000000)

static uint64_t clock_ns;

static uint64_t test_clock(void)
{
	return clock_ns;
}

struct pipe_log {
	struct log log;
	int in;
	char text[65536];
};

static struct pipe_log *begin(void)
{
	static struct pipe_log p;
	int fds[2];
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	clock_ns = 1000 * SECOND;
	p = (struct pipe_log){ .log = { .fd = fds[1], .now_ns = test_clock }, .in = fds[0] };
	return &p;
}

static const char *said(struct pipe_log *p)
{
	ssize_t n = read(p->in, p->text, sizeof p->text - 1);
	p->text[n > 0 ? n : 0] = 0;
	return p->text;
}

static void end(struct pipe_log *p)
{
	close(p->in);
	close(p->log.fd);
}

static void lines(void **state)
{
	(void)state;
	struct pipe_log *p = begin();
	log_notice(&p->log, "started with %d workers", 2);
	log_warning(&p->log, "eth%d is down", 1);
	log_error(&p->log, "no memory");
	assert_string_equal(said(p), "wardwatch: started with 2 workers\nwardwatch: warning: eth1 is down\n"
				     "wardwatch: error: no memory\n");
	p->log.journal = true;
	log_notice(&p->log, "a");
	log_warning(&p->log, "b");
	log_error(&p->log, "c");
	log_info(&p->log, "d");
	assert_string_equal(said(p), "<5>a\n<4>b\n<3>c\n<6>d\n");
	end(p);
}

static void escaped(void **state)
{
	(void)state;
	struct pipe_log *p = begin();
	log_error(&p->log, "%s", "a\nwardwatch: b\x1b[31m \xe2\x80\xae \xff end");
	assert_string_equal(said(p), "wardwatch: error: a\\x0awardwatch: b\\x1b[31m \\u202e \\xff end\n");
	static char longest[3 * LOG_LINE];
	memset(longest, '\n', sizeof longest - 1);
	log_error(&p->log, "%s", longest);
	const char *text = said(p);
	assert_true(strlen(text) <= LOG_LINE + 32 && strlen(text) > LOG_LINE - 32);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	end(p);
}

static void flood(struct log *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		log_warning(l, "flood %u", i);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;
	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void limited(void **state)
{
	(void)state;
	struct pipe_log *p = begin();
	flood(&p->log, LOG_BURST + 7);
	log_notice(&p->log, "another place");
	const char *text = said(p);
	assert_int_equal(count(text, "flood"), LOG_BURST);
	assert_int_equal(count(text, "another place"), 1);
	clock_ns += (LOG_WINDOW_S - 1) * SECOND;
	log_tick(&p->log, false);
	flood(&p->log, 1);
	assert_string_equal(said(p), "");
	clock_ns += SECOND;
	log_tick(&p->log, false);
	assert_string_equal(
		said(p), "wardwatch: warning: 8 more messages of the kind \"flood %u\" left out\n");
	log_tick(&p->log, true);
	assert_string_equal(said(p), "");
	/* Also without a tick, by the next message; the burst begins anew. */
	flood(&p->log, LOG_BURST + 1);
	assert_int_equal(count(said(p), "flood"), LOG_BURST);
	clock_ns += LOG_WINDOW_S * SECOND;
	flood(&p->log, 2);
	assert_string_equal(said(p), "wardwatch: warning: 1 more message of the kind \"flood %u\" left out\n"
				     "wardwatch: warning: flood 0\nwardwatch: warning: flood 1\n");
	flood(&p->log, LOG_BURST);
	said(p);
	log_tick(&p->log, true);
	assert_string_equal(
		said(p), "wardwatch: warning: 2 more messages of the kind \"flood %u\" left out\n");
	end(p);
}

/* Nobody reads: what does not fit is counted, and the caller goes on at once, although the pipe blocks. */
static void unread(void **state)
{
	(void)state;
	struct pipe_log *p = begin();
	assert_int_equal(fcntl(p->log.fd, F_SETFL, 0), 0);
	static char longest[LOG_LINE];
	memset(longest, 'x', sizeof longest - 1);
	for (unsigned i = 0; i < 2000; i++) {
		clock_ns += LOG_WINDOW_S * SECOND;
		log_notice(&p->log, "%s", longest);
	}
	assert_true(atomic_load(&p->log.lost) > 1000);
	end(p);
}

enum { THREADS = 4, EACH = 5000 };

static void *shout(void *arg)
{
	for (unsigned i = 0; i < EACH; i++)
		log_warning((struct log *)arg, "shout %u", i);
	return NULL;
}

/* Every message is written or counted, and lines do not mix. */
static void threads(void **state)
{
	(void)state;
	struct pipe_log *p = begin();
	pthread_t t[THREADS];
	unsigned left_out = 0;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, shout, &p->log), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	log_tick(&p->log, true);
	const char *text = said(p), *more = strstr(text, "warning: 19");
	assert_int_equal(count(text, "wardwatch: warning: shout "), LOG_BURST);
	assert_non_null(more);
	assert_int_equal(sscanf(more, "warning: %u more messages", &left_out), 1);
	assert_int_equal(left_out, THREADS * EACH - LOG_BURST);
	assert_int_equal(count(text, "\n"), LOG_BURST + 1);
	end(p);
}

static void journal(void **state)
{
	(void)state;
	struct log l;
	struct stat st;
	char stream[64];
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init(&l);
	assert_true(l.journal);
	setenv("JOURNAL_STREAM", "8:1", 1); /* redirected since */
	log_init(&l);
	assert_false(l.journal);
	unsetenv("JOURNAL_STREAM");
	log_init(&l);
	assert_false(l.journal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(escaped),
		cmocka_unit_test(limited),
		cmocka_unit_test(unread),
		cmocka_unit_test(threads),
		cmocka_unit_test(journal),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
