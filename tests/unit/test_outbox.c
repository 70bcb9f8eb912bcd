/* The outbox: one promise after the other, then all against a naive model. */
#include "boxtest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- one thing at a time ---------------------------------------------------------------------------------
 */

static void comes_back(void **state)
{
	struct folder *f = *state;
	struct outbox *o = box_open(f, box_two(0, 100, 0));
	struct outbox_record r[8];
	struct outbox_figures figures;
	bool fresh;
	assert_true(box_put(o, 1, LEVEL_HIGH, 10, BOX_START, &fresh) && fresh);
	assert_true(box_put(o, 2, LEVEL_LOW, 20, BOX_START - 5, &fresh) && fresh);
	assert_true(box_put(o, 1, LEVEL_HIGH, 10, BOX_START, &fresh) && !fresh);
	assert_int_equal(outbox_read(o, 0, 0, r, 8), 0); /* not on disk yet */
	assert_true(outbox_commit(o));
	assert_true(box_put(o, 3, LEVEL_LOW, 20, BOX_START + 9, &fresh) && fresh);
	outbox_close(o);
	o = box_open(f, box_two(0, 100, 0));
	assert_int_equal(outbox_read(o, 0, 0, r, 8), 2);
	assert_true(r[0].number == 1 && r[0].stream_id.ms == BOX_START && r[0].level == LEVEL_HIGH);
	assert_true(r[1].number == 2 && r[1].stream_id.ms == BOX_START && r[1].class == OUTBOX_HEALTH);
	assert_true(bytes_is(r[1].id, "e1-2") && r[1].document.n == 20);
	outbox_figures(o, &figures);
	assert_true(figures.waiting == 2 && figures.waiting_bytes == 30 && figures.last_number == 2);
	assert_int_equal(figures.oldest_ms, BOX_START);
	/* What one output has still waits for the other. */
	outbox_acknowledge(o, 0, 2);
	assert_true(outbox_commit(o));
	outbox_acknowledge(o, 1, 1);
	outbox_close(o); /* not committed */
	o = box_open(f, box_two(0, 100, 0));
	assert_true(outbox_cursor(o, 0) == 2 && outbox_cursor(o, 1) == 0);
	outbox_acknowledge(o, 1, 77); /* of what is there */
	assert_true(outbox_commit(o));
	assert_int_equal(outbox_cursor(o, 1), 2);
	outbox_figures(o, &figures);
	assert_true(figures.waiting == 0 && figures.waiting_bytes == 0 && figures.oldest_ms == 0);
	EXPECT(o, 0, 0, 1, 2); /* retained: an output that has lost them reads them again */
	assert_true(box_put(o, 2, LEVEL_LOW, 20, BOX_START, &fresh) && !fresh);
	outbox_close(o);
}

static void outputs_change(void **state)
{
	struct folder *f = *state;
	struct outbox_setup s = box_one(0);
	struct outbox *o = box_open(f, s);
	for (unsigned i = 1; i <= 4; i++)
		assert_true(box_put(o, i, LEVEL_LOW, 10, BOX_START, NULL));
	assert_true(outbox_commit(o));
	outbox_acknowledge(o, 0, 3);
	assert_true(outbox_commit(o));
	outbox_close(o);
	o = box_open(f, box_two(0, 10, 0)); /* syslog is new: it begins with what waits for redis */
	assert_true(outbox_cursor(o, 0) == 3 && outbox_cursor(o, 1) == 3);
	outbox_acknowledge(o, 1, 4);
	assert_true(outbox_commit(o));
	outbox_close(o);
	s.outputs[0] = "syslog"; /* alone now: nothing waits */
	o = box_open(f, s);
	struct outbox_figures figures;
	outbox_figures(o, &figures);
	assert_int_equal(figures.waiting, 0);
	outbox_close(o);
	o = box_open(f, box_two(0, 10, 0)); /* redis is back where it was */
	assert_true(outbox_cursor(o, 0) == 3 && outbox_cursor(o, 1) == 4);
	outbox_close(o);
}

static void sheds_in_order(void **state)
{
	struct folder *f = *state;
	struct outbox *o = box_open(f, box_one(500));
	uint64_t lost[OUTBOX_CLASSES][LEVELS], from, to;
	static const enum level levels[] = { LEVEL_MEDIUM, LEVEL_INFORMATIONAL, LEVEL_CRITICAL, LEVEL_LOW,
		LEVEL_INFORMATIONAL };
	for (unsigned i = 0; i < 5; i++)
		assert_true(box_put(o, 3 * i, levels[i], 100, BOX_START + i, NULL));
	assert_true(outbox_commit(o));
	assert_false(outbox_losses(o, lost, &from, &to));
	assert_true(
		box_put(o, 15, LEVEL_HIGH, 100, BOX_START + 5, NULL)); /* 2 goes, the oldest of the lowest */
	assert_true(box_put(o, 18, LEVEL_HIGH, 150, BOX_START + 6, NULL));     /* 5 and 4 */
	assert_true(box_put(o, 21, LEVEL_LOW, 100, BOX_START + 7, NULL));      /* itself: number 8 */
	assert_true(box_put(o, 24, LEVEL_CRITICAL, 501, BOX_START + 8, NULL)); /* 9: more than there may be */
	assert_true(
		box_put(o, 27, LEVEL_MEDIUM, 120, BOX_START + 9, NULL)); /* 1, then there is room for 10 */
	assert_true(outbox_commit(o));
	EXPECT(o, 0, 0, 3, 6, 7, 10);
	assert_true(outbox_losses(o, lost, &from, &to));
	assert_int_equal(from, BOX_START);
	assert_int_equal(to, BOX_START + 8);
	static const uint64_t want[LEVELS] = { 2, 2, 1, 0, 1 };
	for (unsigned v = 0; v < LEVELS; v++)
		assert_true(lost[OUTBOX_ALERT][v] == want[v] && lost[OUTBOX_ASSET][v] == 0);
	outbox_close(o); /* no commit after it: they were not told */
	o = box_open(f, box_one(500));
	outbox_lose(o, OUTBOX_HEALTH, LEVEL_LOW, 5, BOX_START + 20);
	assert_true(outbox_commit(o));
	outbox_lose(o, OUTBOX_HEALTH, LEVEL_LOW, 2, BOX_START + 10);
	assert_true(outbox_losses(o, lost, &from, &to));
	assert_true(lost[OUTBOX_ALERT][LEVEL_LOW] == 2 && lost[OUTBOX_HEALTH][LEVEL_LOW] == 7);
	assert_int_equal(to, BOX_START + 20);
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
	struct outbox *o = box_open(f, box_one(600));
	struct outbox_record r[3];
	for (unsigned i = 1; i <= 6; i++)
		assert_true(
			box_put(o, i, i <= 3 ? LEVEL_INFORMATIONAL : LEVEL_HIGH, 100, BOX_START + i, NULL));
	assert_true(outbox_commit(o));
	assert_int_equal(outbox_read(o, 0, 0, r, 3), 3);
	outbox_acknowledge(o, 0, 1);
	assert_true(box_put(o, 7, LEVEL_LOW, 100, BOX_START + 7, NULL)); /* 1 is there: it goes */
	assert_true(outbox_commit(o));
	EXPECT(o, 0, 3, 4, 5, 6, 7);
	outbox_close(o);
	o = box_open(f, box_one(600));
	assert_int_equal(outbox_read(o, 0, 1, r, 2), 2); /* 2 and 3 are under way */
	assert_true(box_put(o, 8, LEVEL_LOW, 100, BOX_START + 8, NULL));
	assert_true(outbox_commit(o));
	EXPECT(o, 0, 1, 2, 3, 4, 5, 6, 8);
	outbox_close(o);
}

static void retains(void **state)
{
	struct folder *f = *state;
	struct outbox_setup s = box_two(0, 3, 1600);
	struct outbox_record r[64];
	s.n_outputs = 1;
	struct outbox *o = box_open(f, s);
	for (unsigned i = 1; i <= 50; i++) {
		assert_true(box_put(o, i, LEVEL_LOW, 10, BOX_START + i * 100, NULL) && outbox_commit(o));
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
	o = box_open(f, s);
	assert_true(box_put(o, 51, LEVEL_LOW, 10, BOX_START, NULL) && outbox_commit(o));
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
	struct outbox *o = box_open(f, box_two(0, 100, 0));
	struct outbox_record r[9];
	struct outbox_id id;
	for (unsigned i = 1; i <= 9; i++)
		assert_true(box_put(o, i, LEVEL_LOW, 10, BOX_START, NULL));
	assert_true(outbox_commit(o));
	assert_int_equal(outbox_read(o, 1, 0, r, 9), 9); /* the other output has nothing to do with it */
	assert_int_equal(outbox_read(o, 0, 0, r, 4), 4);
	assert_true(outbox_renew(o, 0, 2, BOX_START, &id));
	assert_true(id.ms > BOX_START && id.seq == 2);
	assert_int_equal(ms_of(o, 3), BOX_START); /* it was given already */
	assert_true(ms_of(o, 5) >= id.ms);        /* not given yet: behind the renewed one */
	outbox_close(o);
	o = box_open(f, box_two(0, 100, 0));
	assert_int_equal(outbox_read(o, 0, 0, r, 5), 5);
	assert_true(r[0].stream_id.ms == BOX_START && r[2].stream_id.ms == BOX_START &&
		    r[4].stream_id.ms == id.ms);
	assert_int_equal(r[1].stream_id.ms, id.ms);
	for (unsigned i = 10; i <= 12; i++)
		assert_true(box_put(o, i, LEVEL_LOW, 10, BOX_START, NULL));
	assert_true(outbox_commit(o));
	/* An id that is passed by anyway changes nothing; a later one all that was not given yet. */
	assert_true(outbox_above(o, 0, (struct outbox_id){ BOX_START, 9 }));
	uint64_t before = ms_of(o, 10);
	assert_int_equal(before, id.ms);
	assert_true(outbox_above(o, 0, (struct outbox_id){ BOX_START + 5000, 1 }));
	assert_int_equal(ms_of(o, 10), before);
	assert_true(ms_of(o, 11) > BOX_START + 5000 && ms_of(o, 12) > BOX_START + 5000);
	/* The run before this one may have given all that it left: it is looked for under the ids it has. */
	assert_int_equal(ms_of(o, 9), id.ms);
	assert_false(outbox_above(o, 0, (struct outbox_id){ UINT64_MAX, UINT64_MAX }));
	assert_true(strstr(outbox_error(o), "end of time") != NULL);
	assert_true(box_put(o, 13, LEVEL_LOW, 10, BOX_START, NULL) && outbox_commit(o));
	assert_true(ms_of(o, 13) > BOX_START + 5000);
	outbox_close(o);
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
	struct outbox *o = box_open(f, box_two(MOST, RETAIN, 0));
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
			assert_true(box_put(o, id, level, size, BOX_START + i, &fresh));
			assert_int_equal(fresh, model_put(&m, &committed, id, level, size, BOX_START + i));
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
			o = box_open(f, box_two(MOST, RETAIN, 0));
			m = committed;
			for (size_t k = 0; k < OUTPUTS; k++)
				m.read[k] = committed.read[k] = m.cursors[k];
			compare(o, &m);
		}
	}
	outbox_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(outputs_change, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(sheds_in_order, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(sheds_what_nobody_has, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(retains, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(new_ids, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(against_model, box_setup, box_teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
