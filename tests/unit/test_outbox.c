/* The outbox: against a naive model, killed while it writes, at its bound, on a full disk. With a path it
 * measures: tests/unit/test_outbox FILE [RECORDS [GROUP]]. */
#include "run/outbox.h"
#include "run/store.h"

#include <fcntl.h>
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

enum { PATH = 128, START = 1000000 };

struct folder {
	char dir[64], path[PATH];
	struct diag diag;
};

static int setup(void **state)
{
	struct folder *f = calloc(1, sizeof *f);
	if (!f)
		return -1;
	snprintf(f->dir, sizeof f->dir, "/tmp/ward-outbox.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/s.db", f->dir);
	store_close(store_open(f->path, &f->diag));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;
	char command[PATH];
	diag_free(&f->diag);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	int gone = system(command);
	free(f);
	return gone;
}

static struct outbox_setup two(uint64_t bytes_most, uint64_t retain_records, uint64_t retain_ms)
{
	return (struct outbox_setup){ .outputs = { "redis", "syslog" },
		.n_outputs = 2,
		.bytes_most = bytes_most,
		.retain_records = retain_records,
		.retain_ms = retain_ms };
}

static struct outbox_setup one(uint64_t bytes_most)
{
	struct outbox_setup s = two(bytes_most, 10, 0);
	s.n_outputs = 1;
	return s;
}

static struct outbox *open_it(struct folder *f, struct outbox_setup s)
{
	struct outbox *o = outbox_open(f->path, &s, &f->diag);
	if (!o)
		diag_print(&f->diag, stderr, true);
	assert_non_null(o);
	return o;
}

static bool put(struct outbox *o, unsigned id, enum level level, size_t size, uint64_t ms, bool *fresh)
{
	char name[OUTBOX_ID], document[1024];
	bool was = false;
	snprintf(name, sizeof name, "e1-%u", id);
	assert_true(size < sizeof document);
	memset(document, 'x', size);
	struct outbox_record r = {
		.level = level, .id = bytes_str(name), .document = bytes_of(document, size)
	};
	r.class = id % 3 == 0 ? OUTBOX_ALERT : id % 3 == 1 ? OUTBOX_ASSET : OUTBOX_HEALTH;
	return outbox_put(o, &r, ms, fresh ? fresh : &was);
}

/* Records with these numbers, and no others, are behind `after`. */
static void expect(struct outbox *o, size_t output, uint64_t after, const uint64_t *numbers, size_t n)
{
	struct outbox_record r[64];
	assert_int_equal(outbox_read(o, output, after, r, 64), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(r[i].number, numbers[i]);
}

#define EXPECT(o, output, after, ...)                                                                        \
	expect(o, output, after, (const uint64_t[]){ __VA_ARGS__ },                                          \
		sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

/* ---- one thing at a time ---------------------------------------------------------------------------------
 */

static void comes_back(void **state)
{
	struct folder *f = *state;
	struct outbox *o = open_it(f, two(0, 100, 0));
	struct outbox_record r[8];
	struct outbox_figures figures;
	bool fresh;
	assert_true(put(o, 1, LEVEL_HIGH, 10, START, &fresh) && fresh);
	assert_true(put(o, 2, LEVEL_LOW, 20, START - 5, &fresh) && fresh);
	assert_true(put(o, 1, LEVEL_HIGH, 10, START, &fresh) && !fresh);
	assert_int_equal(outbox_read(o, 0, 0, r, 8), 0); /* not on disk yet */
	assert_true(outbox_commit(o));
	assert_true(put(o, 3, LEVEL_LOW, 20, START + 9, &fresh) && fresh);
	outbox_close(o);
	o = open_it(f, two(0, 100, 0));
	assert_int_equal(outbox_read(o, 0, 0, r, 8), 2);
	assert_true(r[0].number == 1 && r[0].stream_id.ms == START && r[0].level == LEVEL_HIGH);
	assert_true(r[1].number == 2 && r[1].stream_id.ms == START && r[1].class == OUTBOX_HEALTH);
	assert_true(bytes_is(r[1].id, "e1-2") && r[1].document.n == 20);
	outbox_figures(o, &figures);
	assert_true(figures.waiting == 2 && figures.waiting_bytes == 30 && figures.last_number == 2);
	assert_int_equal(figures.oldest_ms, START);
	/* What one output has still waits for the other. */
	outbox_acknowledge(o, 0, 2);
	assert_true(outbox_commit(o));
	outbox_acknowledge(o, 1, 1);
	outbox_close(o); /* not committed */
	o = open_it(f, two(0, 100, 0));
	assert_true(outbox_cursor(o, 0) == 2 && outbox_cursor(o, 1) == 0);
	outbox_acknowledge(o, 1, 77); /* of what is there */
	assert_true(outbox_commit(o));
	assert_int_equal(outbox_cursor(o, 1), 2);
	outbox_figures(o, &figures);
	assert_true(figures.waiting == 0 && figures.waiting_bytes == 0 && figures.oldest_ms == 0);
	EXPECT(o, 0, 0, 1, 2); /* retained: an output that has lost them reads them again */
	assert_true(put(o, 2, LEVEL_LOW, 20, START, &fresh) && !fresh);
	outbox_close(o);
}

static void outputs_change(void **state)
{
	struct folder *f = *state;
	struct outbox_setup s = one(0);
	struct outbox *o = open_it(f, s);
	for (unsigned i = 1; i <= 4; i++)
		assert_true(put(o, i, LEVEL_LOW, 10, START, NULL));
	assert_true(outbox_commit(o));
	outbox_acknowledge(o, 0, 3);
	assert_true(outbox_commit(o));
	outbox_close(o);
	o = open_it(f, two(0, 10, 0)); /* syslog is new: it begins with what waits for redis */
	assert_true(outbox_cursor(o, 0) == 3 && outbox_cursor(o, 1) == 3);
	outbox_acknowledge(o, 1, 4);
	assert_true(outbox_commit(o));
	outbox_close(o);
	s.outputs[0] = "syslog"; /* alone now: nothing waits */
	o = open_it(f, s);
	struct outbox_figures figures;
	outbox_figures(o, &figures);
	assert_int_equal(figures.waiting, 0);
	outbox_close(o);
	o = open_it(f, two(0, 10, 0)); /* redis is back where it was */
	assert_true(outbox_cursor(o, 0) == 3 && outbox_cursor(o, 1) == 4);
	outbox_close(o);
}

static void sheds_in_order(void **state)
{
	struct folder *f = *state;
	struct outbox *o = open_it(f, one(500));
	uint64_t lost[OUTBOX_CLASSES][LEVELS], from, to;
	static const enum level levels[] = { LEVEL_MEDIUM, LEVEL_INFORMATIONAL, LEVEL_CRITICAL, LEVEL_LOW,
		LEVEL_INFORMATIONAL };
	for (unsigned i = 0; i < 5; i++)
		assert_true(put(o, 3 * i, levels[i], 100, START + i, NULL));
	assert_true(outbox_commit(o));
	assert_false(outbox_losses(o, lost, &from, &to));
	assert_true(put(o, 15, LEVEL_HIGH, 100, START + 5, NULL));     /* 2 goes, the oldest of the lowest */
	assert_true(put(o, 18, LEVEL_HIGH, 150, START + 6, NULL));     /* 5 and 4 */
	assert_true(put(o, 21, LEVEL_LOW, 100, START + 7, NULL));      /* itself: number 8 */
	assert_true(put(o, 24, LEVEL_CRITICAL, 501, START + 8, NULL)); /* 9: more than there may be */
	assert_true(put(o, 27, LEVEL_MEDIUM, 120, START + 9, NULL));   /* 1, then there is room for 10 */
	assert_true(outbox_commit(o));
	EXPECT(o, 0, 0, 3, 6, 7, 10);
	assert_true(outbox_losses(o, lost, &from, &to));
	assert_int_equal(from, START);
	assert_int_equal(to, START + 8);
	static const uint64_t want[LEVELS] = { 2, 2, 1, 0, 1 };
	for (unsigned v = 0; v < LEVELS; v++)
		assert_true(lost[OUTBOX_ALERT][v] == want[v] && lost[OUTBOX_ASSET][v] == 0);
	outbox_close(o); /* no commit after it: they were not told */
	o = open_it(f, one(500));
	assert_true(outbox_lose(o, OUTBOX_HEALTH, LEVEL_LOW, 7, START + 20));
	assert_true(outbox_losses(o, lost, &from, &to));
	assert_true(lost[OUTBOX_ALERT][LEVEL_LOW] == 2 && lost[OUTBOX_HEALTH][LEVEL_LOW] == 7);
	assert_int_equal(to, START + 20);
	assert_true(outbox_commit(o));
	assert_false(outbox_losses(o, lost, &from, &to));
	struct outbox_figures figures;
	outbox_figures(o, &figures);
	assert_true(figures.lost[OUTBOX_HEALTH][LEVEL_LOW] == 7 && figures.last_number == 17);
	outbox_close(o);
}

/* What is acknowledged makes room without loss; what an output may have already is kept the longest. */
static void sheds_what_nobody_has(void **state)
{
	struct folder *f = *state;
	struct outbox *o = open_it(f, one(600));
	struct outbox_record r[3];
	for (unsigned i = 1; i <= 6; i++)
		assert_true(put(o, i, i <= 3 ? LEVEL_INFORMATIONAL : LEVEL_HIGH, 100, START + i, NULL));
	assert_true(outbox_commit(o));
	assert_int_equal(outbox_read(o, 0, 0, r, 3), 3);
	outbox_acknowledge(o, 0, 1);
	assert_true(put(o, 7, LEVEL_LOW, 100, START + 7, NULL)); /* 1 is there: it goes */
	assert_true(outbox_commit(o));
	EXPECT(o, 0, 3, 4, 5, 6, 7);
	outbox_close(o);
	o = open_it(f, one(600));
	assert_int_equal(outbox_read(o, 0, 1, r, 2), 2); /* 2 and 3 are under way */
	assert_true(put(o, 8, LEVEL_LOW, 100, START + 8, NULL));
	assert_true(outbox_commit(o));
	EXPECT(o, 0, 1, 2, 3, 4, 5, 6, 8);
	outbox_close(o);
}

static void retains(void **state)
{
	struct folder *f = *state;
	struct outbox_setup s = two(0, 3, 1600);
	struct outbox_record r[64];
	s.n_outputs = 1;
	struct outbox *o = open_it(f, s);
	for (unsigned i = 1; i <= 50; i++) {
		assert_true(put(o, i, LEVEL_LOW, 10, START + i * 100, NULL) && outbox_commit(o));
		outbox_acknowledge(o, 0, i);
	}
	assert_true(outbox_commit(o));
	size_t n = outbox_read(o, 0, 0, r, 64);
	/* 1600 ms and up to a fifteenth, of a record each 100 ms, and the last, which was just acknowledged.
	 */
	assert_in_range(n, 16, 20);
	assert_int_equal(r[n - 1].number, 50);
	outbox_close(o);
	s.retain_ms = 0;
	o = open_it(f, s);
	assert_true(put(o, 51, LEVEL_LOW, 10, START, NULL) && outbox_commit(o));
	EXPECT(o, 0, 0, 48, 49, 50, 51);
	outbox_close(o);
}

static uint64_t ms_of(struct outbox *o, uint64_t number)
{
	struct outbox_record r;
	assert_int_equal(outbox_read(o, 0, number - 1, &r, 1), 1);
	assert_true(r.number == number && r.stream_id.seq == number);
	return r.stream_id.ms;
}

static void new_ids(void **state)
{
	struct folder *f = *state;
	struct outbox *o = open_it(f, two(0, 100, 0));
	struct outbox_record r[9];
	struct outbox_id id;
	for (unsigned i = 1; i <= 9; i++)
		assert_true(put(o, i, LEVEL_LOW, 10, START, NULL));
	assert_true(outbox_commit(o));
	assert_int_equal(outbox_read(o, 1, 0, r, 9), 9); /* the other output has nothing to do with it */
	assert_int_equal(outbox_read(o, 0, 0, r, 4), 4);
	assert_true(outbox_renew(o, 0, 2, START, &id));
	assert_true(id.ms > START && id.seq == 2);
	assert_int_equal(ms_of(o, 3), START); /* it was given already */
	assert_true(ms_of(o, 5) >= id.ms);    /* not given yet: behind the renewed one */
	outbox_close(o);
	o = open_it(f, two(0, 100, 0));
	assert_int_equal(outbox_read(o, 0, 0, r, 5), 5);
	assert_true(r[0].stream_id.ms == START && r[2].stream_id.ms == START && r[4].stream_id.ms == id.ms);
	assert_int_equal(r[1].stream_id.ms, id.ms);
	/* An id that is passed by anyway changes nothing; a later one all that was not given yet. */
	assert_true(outbox_above(o, 0, (struct outbox_id){ START, 9 }));
	uint64_t before = ms_of(o, 6);
	assert_int_equal(before, id.ms);
	assert_true(outbox_above(o, 0, (struct outbox_id){ START + 5000, 1 }));
	assert_int_equal(ms_of(o, 6), before);
	assert_true(ms_of(o, 7) > START + 5000 && ms_of(o, 9) > START + 5000);
	assert_false(outbox_above(o, 0, (struct outbox_id){ UINT64_MAX, UINT64_MAX }));
	assert_true(strstr(outbox_error(o), "end of time") != NULL);
	assert_true(put(o, 10, LEVEL_LOW, 10, START, NULL) && outbox_commit(o));
	assert_true(ms_of(o, 10) > START + 5000);
	outbox_close(o);
}

/* ---- a disk that is full, a file that is none ------------------------------------------------------------
 */

static void full_disk(void **state)
{
	struct folder *f = *state;
	struct outbox *o = open_it(f, one(0));
	struct rlimit old, small;
	assert_true(put(o, 1, LEVEL_LOW, 10, START, NULL) && outbox_commit(o));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool fine = true;
	for (unsigned round = 0; round < 3; round++) {
		outbox_acknowledge(o, 0, 1);
		for (unsigned i = 2; i < 64 && fine; i++)
			fine = put(o, i, LEVEL_LOW, 900, START, NULL);
		fine = fine && outbox_commit(o);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_false(fine);
	assert_true(strstr(outbox_error(o), f->path) != NULL);
	EXPECT(o, 0, 0, 1);
	assert_true(put(o, 2, LEVEL_LOW, 900, START, NULL) && outbox_commit(o)); /* there is room again */
	assert_int_equal(*outbox_error(o), 0);
	EXPECT(o, 0, 0, 1, 2);
	outbox_close(o);
	o = open_it(f, one(0));
	assert_int_equal(outbox_cursor(o, 0), 1); /* the acknowledgement stood */
	outbox_close(o);
}

static void damage(void **state)
{
	struct folder *f = *state;
	struct outbox *o = open_it(f, one(0));
	struct outbox_record r[8];
	bool fine = true;
	for (unsigned i = 0; i < 400; i++)
		assert_true(put(o, i, LEVEL_LOW, 900, START, NULL));
	assert_true(outbox_commit(o));
	outbox_close(o);
	o = open_it(f, one(0));
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
		fine = put(o, i, LEVEL_LOW, 900, START, NULL);
	assert_false(fine);
	assert_true(strstr(outbox_error(o), f->path) != NULL);
	outbox_close(o);
	/* The next start sets it aside. */
	struct store *s = store_open(f->path, &f->diag);
	assert_non_null(s);
	o = open_it(f, one(0));
	assert_true(put(o, 1, LEVEL_LOW, 10, START, NULL) && outbox_commit(o));
	outbox_close(o);
	store_close(s);
}

static void no_outbox(void **state)
{
	struct folder *f = *state;
	struct outbox_setup s = one(0);
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
	struct outbox *o = open_it(f, two(0, 50, 0));
	struct outbox_figures figures;
	outbox_figures(o, &figures);
	for (uint32_t n = (uint32_t)figures.last_number;;) {
		for (unsigned i = 0; i < 16; i++, n++)
			if (!put(o, n, LEVEL_LOW, 300, START + n, NULL))
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
		struct outbox *o = open_it(f, two(0, 50, 0));
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

/* ---- a naive model ----------------------------------------------------------------------------------------
 */

enum { ROWS = 3000, OUTPUTS = 2, RETAIN = 20, MOST = 6000 };

struct model {
	struct {
		uint64_t number, came;
		unsigned id;
		enum level level;
		size_t size;
	} rows[ROWS];
	size_t n;
	uint64_t last, settled, cursors[OUTPUTS], read[OUTPUTS];
	uint64_t lost[OUTBOX_CLASSES][LEVELS], untold[OUTBOX_CLASSES][LEVELS], from, to;
};

static size_t model_bytes(const struct model *m)
{
	size_t sum = 0;
	for (size_t i = 0; i < m->n; i++)
		sum += m->rows[i].size;
	return sum;
}

static void model_drop(struct model *m, size_t at, bool is_loss)
{
	if (is_loss) {
		unsigned class = m->rows[at].id % 3, v = m->rows[at].level;
		uint64_t came = m->rows[at].came;
		m->lost[class][v]++;
		m->untold[class][v]++;
		m->from = came < m->from ? came : m->from;
		m->to = came > m->to ? came : m->to;
	}
	memmove(&m->rows[at], &m->rows[at + 1], (--m->n - at) * sizeof *m->rows);
}

static void model_settle(struct model *m, const struct model *committed)
{
	uint64_t to = committed->last;
	for (size_t i = 0; i < OUTPUTS; i++)
		to = m->cursors[i] < to ? m->cursors[i] : to;
	m->settled = to > m->settled ? to : m->settled;
}

static bool is_under_way(const struct model *m, uint64_t number)
{
	for (size_t i = 0; i < OUTPUTS; i++)
		if (number > m->cursors[i] && number <= m->read[i])
			return true;
	return false;
}

static void model_shed(struct model *m)
{
	for (unsigned under = 0; under <= 1; under++)
		for (unsigned v = 0; v < LEVELS; v++)
			for (size_t i = 0; i < m->n; i++)
				if (m->rows[i].level == v && (under || !is_under_way(m, m->rows[i].number))) {
					model_drop(m, i, true);
					return;
				}
}

static bool model_put(struct model *m, const struct model *committed, unsigned id, enum level level,
	size_t size, uint64_t came)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->rows[i].id == id)
			return false;
	assert_true(m->n < ROWS);
	size_t at = m->n++;
	m->rows[at].number = ++m->last;
	m->rows[at].came = came;
	m->rows[at].id = id;
	m->rows[at].level = level;
	m->rows[at].size = size;
	while (model_bytes(m) > MOST) {
		model_settle(m, committed);
		if (m->rows[0].number <= m->settled)
			model_drop(m, 0, false);
		else
			model_shed(m);
	}
	return true;
}

static void model_commit(struct model *m, struct model *committed)
{
	size_t retained = 0;
	model_settle(m, committed);
	for (size_t i = 0; i < m->n; i++)
		retained += m->rows[i].number <= m->settled;
	for (; retained > RETAIN; retained--)
		model_drop(m, 0, false);
	*committed = *m;
}

static void compare(struct outbox *o, const struct model *m)
{
	struct outbox_figures figures;
	size_t waiting = 0, bytes = 0, oldest = 0;
	uint64_t all = m->cursors[0] < m->cursors[1] ? m->cursors[0] : m->cursors[1];
	for (size_t i = m->n; i-- > 0;)
		if (m->rows[i].number > all) {
			waiting++;
			bytes += m->rows[i].size;
			oldest = m->rows[i].came;
		}
	outbox_figures(o, &figures);
	assert_int_equal(figures.last_number, m->last);
	assert_int_equal(figures.waiting, waiting);
	assert_int_equal(figures.waiting_bytes, bytes);
	assert_int_equal(figures.oldest_ms, oldest);
	assert_memory_equal(figures.lost, m->lost, sizeof m->lost);
}

static void compare_read(struct outbox *o, struct model *m, struct model *committed)
{
	struct outbox_record r[16];
	size_t output = (size_t)rand() % OUTPUTS, cap = (size_t)rand() % 16, n = 0, at = 0;
	uint64_t after = m->cursors[output] + (uint64_t)(rand() % 9);
	size_t got = outbox_read(o, output, after, r, cap);
	for (; at < m->n && m->rows[at].number <= after; at++)
		;
	for (; n < got; n++, at++) {
		assert_true(at < m->n);
		assert_int_equal(r[n].number, m->rows[at].number);
		assert_int_equal(r[n].level, m->rows[at].level);
		assert_int_equal(r[n].document.n, m->rows[at].size);
		assert_true(n == 0 || r[n].stream_id.ms >= r[n - 1].stream_id.ms);
	}
	assert_true(got == cap || at == m->n);
	if (got && r[got - 1].number > m->read[output])
		m->read[output] = r[got - 1].number;
	committed->read[output] = m->read[output];
}

static void told(struct outbox *o, struct model *m)
{
	uint64_t lost[OUTBOX_CLASSES][LEVELS], from, to;
	static const uint64_t none[OUTBOX_CLASSES][LEVELS];
	bool any = memcmp(m->untold, none, sizeof none) != 0;
	assert_int_equal(outbox_losses(o, lost, &from, &to), any);
	if (!any)
		return;
	assert_memory_equal(lost, m->untold, sizeof lost);
	assert_true(from == m->from && to == m->to);
	memset(m->untold, 0, sizeof m->untold);
	m->from = UINT64_MAX;
	m->to = 0;
}

static void against_model(void **state)
{
	struct folder *f = *state;
	static struct model m, committed;
	struct outbox *o = open_it(f, two(MOST, RETAIN, 0));
	m.from = UINT64_MAX;
	committed = m;
	srand(3);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned what = (unsigned)rand() % 100, output = (unsigned)rand() % OUTPUTS;
		if (what < 60) {
			unsigned id = (unsigned)rand() % 4 ? i : (unsigned)rand() % (i + 1);
			enum level level = (unsigned)rand() % LEVELS;
			size_t size = 20 + (size_t)rand() % 200;
			bool fresh;
			assert_true(put(o, id, level, size, START + i, &fresh));
			assert_int_equal(fresh, model_put(&m, &committed, id, level, size, START + i));
		} else if (what < 80) {
			assert_true(outbox_commit(o));
			model_commit(&m, &committed);
			compare(o, &m);
			compare_read(o, &m, &committed);
		} else if (what < 95) {
			uint64_t to = m.cursors[output] + (uint64_t)(rand() % 12);
			outbox_acknowledge(o, output, to);
			to = to > committed.last ? committed.last : to;
			m.cursors[output] = to > m.cursors[output] ? to : m.cursors[output];
		} else if (what < 99) {
			told(o, &m);
		} else {
			outbox_close(o);
			o = open_it(f, two(MOST, RETAIN, 0));
			m = committed;
			for (size_t k = 0; k < OUTPUTS; k++)
				m.read[k] = committed.read[k] = m.cursors[k];
			compare(o, &m);
		}
	}
	outbox_close(o);
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
	struct outbox_setup s = two(0, 10000, 0);
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
			if (!outbox_put(o, &p, START + n / 10, &fresh))
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
		cmocka_unit_test_setup_teardown(comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(outputs_change, setup, teardown),
		cmocka_unit_test_setup_teardown(sheds_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(sheds_what_nobody_has, setup, teardown),
		cmocka_unit_test_setup_teardown(retains, setup, teardown),
		cmocka_unit_test_setup_teardown(new_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(damage, setup, teardown),
		cmocka_unit_test_setup_teardown(no_outbox, setup, teardown),
		cmocka_unit_test_setup_teardown(killed, setup, teardown),
		cmocka_unit_test_setup_teardown(against_model, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
