/* The outbox where it is rough: a full disk, a damaged file, killed while it writes, beside saves of the
 * store. With a path it measures: test_outbox_rough FILE [RECORDS [GROUP]]. */
#include "boxtest.h"
#include "run/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a disk that is full, a file that is none ------------------------------------------------------------
 */

static void full_disk(void **state)
{
	struct folder *f = *state;
	struct outbox *o = box_open(f, box_one(0));
	struct rlimit old, small;
	assert_true(box_put(o, 1, LEVEL_LOW, 10, BOX_START, NULL) && outbox_commit(o));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool fine = true;
	for (unsigned round = 0; round < 3; round++) {
		outbox_acknowledge(o, 0, 1);
		outbox_lose(o, OUTBOX_ASSET, LEVEL_LOW, 4, BOX_START);
		fine = true;
		for (unsigned i = 2; i < 64 && fine; i++)
			fine = box_put(o, i, LEVEL_LOW, 900, BOX_START, NULL);
		/* Not good because nothing is open any more. */
		assert_false(outbox_commit(o));
		assert_true(strstr(outbox_error(o), f->path) != NULL);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	EXPECT(o, 0, 0, 1);
	assert_true(
		box_put(o, 2, LEVEL_LOW, 900, BOX_START, NULL) && outbox_commit(o)); /* there is room again */
	assert_int_equal(*outbox_error(o), 0);
	EXPECT(o, 0, 0, 1, 2);
	outbox_close(o);
	o = box_open(f, box_one(0));
	assert_int_equal(outbox_cursor(o, 0), 1); /* the acknowledgement stood, and so did the losses */
	struct outbox_figures figures;
	outbox_figures(o, &figures);
	assert_true(figures.lost[OUTBOX_ASSET][LEVEL_LOW] == 12 && figures.last_number == 14);
	outbox_close(o);
}

static void damage(void **state)
{
	struct folder *f = *state;
	struct outbox *o = box_open(f, box_one(0));
	struct outbox_record r[8];
	bool fine = true;
	for (unsigned i = 0; i < 400; i++)
		assert_true(box_put(o, i, LEVEL_LOW, 900, BOX_START, NULL));
	assert_true(outbox_commit(o));
	outbox_close(o);
	o = box_open(f, box_one(0));
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	int fd = open(f->path, O_RDWR);
	for (off_t at = 4096; at < st.st_size; at += 512)
		assert_int_equal(pwrite(fd, "\x9c\x03\x9c\x03", 4, at), 4);
	close(fd);
	uint64_t at = 0;
	for (size_t n = 1; n; at = r[0].number)
		n = outbox_read(o, 0, at, r, 1);
	assert_true(strstr(outbox_error(o), f->path) != NULL);
	for (unsigned i = 1000; i < 1400 && fine; i++)
		fine = box_put(o, i, LEVEL_LOW, 900, BOX_START, NULL);
	assert_false(fine);
	assert_true(strstr(outbox_error(o), f->path) != NULL);
	outbox_close(o);
	/* The next start sets it aside. */
	struct store *s = store_open(f->path, &f->diag);
	assert_non_null(s);
	o = box_open(f, box_one(0));
	assert_true(box_put(o, 1, LEVEL_LOW, 10, BOX_START, NULL) && outbox_commit(o));
	outbox_close(o);
	store_close(s);
}

static void no_outbox(void **state)
{
	struct folder *f = *state;
	struct outbox_setup s = box_one(0);
	sqlite3 *db;
	assert_null(outbox_open("/no/such/folder/s.db", &s, &f->diag));
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_null(outbox_open(f->path, &s, &f->diag));
	assert_int_equal(f->diag.errors, 2);
}

/* ---- killed ----------------------------------------------------------------------------------------------
 */

/* Puts for ever, in groups; says after each commit how many there are. */
static void write_for_ever(struct folder *f, int to)
{
	struct outbox_setup s = box_two(0, 50, 0);
	struct outbox *o = outbox_open(f->path, &s, &f->diag);
	struct outbox_figures figures;
	if (!o)
		_exit(1);
	outbox_figures(o, &figures);
	for (uint32_t n = (uint32_t)figures.last_number;;) {
		for (unsigned i = 0; i < 16; i++, n++)
			if (!box_put(o, n, LEVEL_LOW, 300, BOX_START + n, NULL))
				_exit(1);
		if (!outbox_commit(o) || write(to, &n, sizeof n) != sizeof n)
			_exit(1);
		outbox_acknowledge(o, 1, n / 2);
	}
}

static void killed(void **state)
{
	struct folder *f = *state;
	struct outbox_record r[64];
	uint32_t n = 0;
	srand(7);
	for (unsigned round = 0; round < 15; round++) {
		int pipes[2];
		assert_int_equal(pipe(pipes), 0);
		pid_t pid = fork();
		if (pid == 0)
			write_for_ever(f, pipes[1]);
		close(pipes[1]);
		assert_int_equal(read(pipes[0], &n, sizeof n), sizeof n); /* it has begun */
		usleep((useconds_t)(rand() % 30000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(pipes[0], &n, sizeof n) == sizeof n)
			;
		close(pipes[0]);
		store_close(store_open(f->path, &f->diag)); /* nothing is damaged */
		assert_int_equal(f->diag.n, 0);
		struct outbox *o = box_open(f, box_two(0, 50, 0));
		uint64_t last = 0;
		for (size_t got; (got = outbox_read(o, 0, last, r, 64)) > 0;)
			for (size_t i = 0; i < got; i++) {
				char id[OUTBOX_ID];
				snprintf(id, sizeof id, "e1-%llu", (unsigned long long)r[i].number - 1);
				assert_int_equal(r[i].number, ++last);
				assert_true(bytes_is(r[i].id, id));
			}
		assert_true(last >= n && last % 16 == 0);
		outbox_close(o);
	}
}

/* ---- beside saves of the store ----------------------------------------------------------------------------
 */

static bool save_part(struct store *s, unsigned from, unsigned to)
{
	static const char document[] = "{\"host\":{\"ip\":[\"10.0.0.1\"]},\"wardwatch\":{\"device\":{}}}";
	struct store_record r = {
		.kind = STORE_DEVICE, .document = bytes_str(document), .state = bytes_str("x")
	};
	bool fine = true;
	for (; from < to && fine; from++) {
		snprintf(r.id, sizeof r.id, "dev-%010u", from);
		r.order = from;
		fine = store_put(s, &r);
	}
	return fine;
}

static void count(void *arg, const char *name, struct bytes state)
{
	(void)name;
	(void)state;
	++*(size_t *)arg;
}

/* A save comes in parts; the outbox does not wait for its end, nor is the save's beginning on disk before. */
static void beside_a_save(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	struct outbox *o = box_open(f, box_one(0));
	struct store_run run = { .packets = 1, .whole = true };
	size_t n = 0;
	assert_true(store_begin(s));
	for (unsigned i = 0; i < 20; i++) {
		assert_true(save_part(s, 10 * i, 10 * i + 10));
		assert_true(box_put(o, i, LEVEL_LOW, 10, BOX_START, NULL) && outbox_commit(o));
	}
	assert_true(store_each(s, STORE_DEVICE, count, &n) && n == 0);
	assert_true(store_commit(s, &run));
	assert_true(store_each(s, STORE_DEVICE, count, &n) && n == 200);
	/* One that fails takes nothing of the outbox with it. */
	assert_true(store_begin(s) && save_part(s, 500, 510));
	assert_true(box_put(o, 100, LEVEL_LOW, 10, BOX_START, NULL) && outbox_commit(o));
	outbox_close(o);
	store_close(s);
	s = store_open(f->path, &f->diag);
	o = box_open(f, box_one(0));
	n = 0;
	assert_true(store_each(s, STORE_DEVICE, count, &n) && n == 200);
	struct outbox_record r[32];
	assert_int_equal(outbox_read(o, 0, 0, r, 32), 21);
	outbox_close(o);
	store_close(s);
}

struct writer {
	struct outbox *o;
	_Atomic bool stop;
	unsigned n;
	bool fine;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	for (w->fine = true; w->fine && !w->stop;) {
		for (unsigned i = 0; i < 16 && w->fine; i++)
			w->fine = box_put(w->o, w->n++, LEVEL_LOW, 300, BOX_START, NULL);
		w->fine = w->fine && outbox_commit(w->o);
	}
	return NULL;
}

/* Neither starves the other, though neither ever rests. */
static void two_writers(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	struct writer w = { .o = box_open(f, box_one(0)) };
	struct outbox_figures figures;
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
	for (unsigned round = 0; round < 20; round++) {
		struct store_run run = { .packets = round, .whole = true };
		bool fine = store_begin(s) && save_part(s, 0, 200) && store_commit(s, &run);
		if (!fine)
			fail_msg("%s", store_error(s));
	}
	w.stop = true;
	pthread_join(thread, NULL);
	if (!w.fine)
		fail_msg("%s", outbox_error(w.o));
	outbox_figures(w.o, &figures);
	assert_int_equal(figures.waiting, w.n);
	outbox_close(w.o);
	store_close(s);
}

/* ---- how fast ---------------------------------------------------------------------------------------------
 */

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* With each group the one before is read and acknowledged, as in service. */
static int measure(const char *path, unsigned records, unsigned group)
{
	struct diag d = { 0 };
	static struct outbox_record r[1024];
	static char document[1400];
	struct store *store = store_open(path, &d);
	struct outbox_setup s = box_two(0, 10000, 0);
	struct outbox *o = store ? outbox_open(path, &s, &d) : NULL;
	diag_print(&d, stderr, true);
	if (!o || group == 0 || group > 1024)
		return 1;
	memset(document, 'x', sizeof document);
	double begin = seconds();
	uint64_t at = 0;
	for (unsigned n = 0; n < records;) {
		for (unsigned i = 0; i < group; i++, n++) {
			char id[OUTBOX_ID];
			bool fresh;
			/* As good as random, as event.id is. */
			snprintf(id, sizeof id, "e1-%016llx%04x", (unsigned long long)n * 0x9e3779b97f4a7c15u,
				n & 0xffff);
			struct outbox_record p = { .level = n % LEVELS,
				.id = bytes_str(id),
				.document = bytes_of(document, sizeof document) };
			if (!outbox_put(o, &p, BOX_START + n / 10, &fresh))
				return 1;
		}
		if (!outbox_commit(o))
			return 1;
		for (size_t k = 0; k < 2; k++) {
			size_t got = outbox_read(o, k, at, r, group);
			if (got)
				outbox_acknowledge(o, k, r[got - 1].number);
		}
		at = outbox_cursor(o, 1);
	}
	double took = seconds() - begin;
	printf("%u records in groups of %u: %.2f s, %.0f a second\n", records, group, took, records / took);
	outbox_close(o);
	store_close(store);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return measure(argv[1], argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100000,
			argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 64);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(full_disk, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(damage, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(no_outbox, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(killed, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(beside_a_save, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(two_writers, box_setup, box_teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
