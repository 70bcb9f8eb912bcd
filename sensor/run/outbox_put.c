#include "run/outbox_impl.h"

enum { LET_GO_MOST = 1024 }; /* rows in one transaction: 4096 took a second on a busy disk */

struct row {
	uint64_t number, size, came;
	enum outbox_class class;
};

static void take_row(sqlite3_stmt *q, struct row *r)
{
	const char *class = sqlite3_column_count(q) > 3 ? (const char *)sqlite3_column_text(q, 3) : NULL;
	r->number = (uint64_t)sqlite3_column_int64(q, 0);
	r->size = (uint64_t)sqlite3_column_int64(q, 1);
	r->came = (uint64_t)sqlite3_column_int64(q, 2);
	r->class = OUTBOX_ALERT;
	for (unsigned c = 0; class && c < OUTBOX_CLASSES; c++)
		if (strcmp(class, outbox_class_name(c)) == 0)
			r->class = c;
}

/* ---- losses ---------------------------------------------------------------------------------------------
 */

static void add_loss(struct outbox_loss *l, uint64_t n, uint64_t from_ms, uint64_t to_ms)
{
	if (l->untold == 0 || from_ms < l->from_ms)
		l->from_ms = from_ms;
	if (l->untold == 0 || to_ms > l->to_ms)
		l->to_ms = to_ms;
	l->lost += n;
	l->untold += n;
}

void outbox_lose(struct outbox *o, enum outbox_class class, enum level level, uint64_t n, uint64_t wall_ms)
{
	if (n == 0)
		return;
	o->is_lost = true;
	add_loss(&o->lost[class][level], n, wall_ms, wall_ms);
	if (!o->is_counted)
		return;
	o->now.number += n;
	add_loss(&o->now.losses[class][level], n, wall_ms, wall_ms);
}

bool outbox_count_lost(struct outbox *o)
{
	if (!o->is_lost || o->is_counted)
		return true;
	if (!outbox_begin(o))
		return false;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned v = 0; v < LEVELS; v++) {
			const struct outbox_loss *l = &o->lost[c][v];
			o->now.number += l->lost;
			if (l->lost)
				add_loss(&o->now.losses[c][v], l->lost, l->from_ms, l->to_ms);
		}
	o->is_counted = true;
	return true;
}

bool outbox_losses(
	struct outbox *o, uint64_t lost[OUTBOX_CLASSES][LEVELS], uint64_t *from_ms, uint64_t *to_ms)
{
	bool any = false;
	*o->error = 0;
	if (!outbox_count_lost(o))
		return false;
	*from_ms = UINT64_MAX;
	*to_ms = 0;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned v = 0; v < LEVELS; v++)
			any |= o->now.losses[c][v].untold > 0;
	if (!any || !outbox_begin(o))
		return false;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned v = 0; v < LEVELS; v++) {
			struct outbox_loss *l = &o->now.losses[c][v];
			lost[c][v] = l->untold;
			if (l->untold && l->from_ms < *from_ms)
				*from_ms = l->from_ms;
			if (l->untold && l->to_ms > *to_ms)
				*to_ms = l->to_ms;
			*l = (struct outbox_loss){ .lost = l->lost };
		}
	return true;
}

/* ---- what is retained -----------------------------------------------------------------------------------
 */

void outbox_clock(struct outbox *o, uint64_t wall_ms)
{
	o->clock_ms = wall_ms;
	for (size_t i = 0; i < o->n_marks; i++)
		if (o->marks[i].ms > wall_ms) /* it was set back */
			o->marks[i].ms = wall_ms;
}

bool outbox_settle(struct outbox *o)
{
	uint64_t to = outbox_everywhere(o);
	struct row r;
	int got;
	if (to <= o->now.settled)
		return true;
	sqlite3_stmt *q = outbox_statement(o, OUTBOX_RANGE, o->now.settled);
	sqlite3_bind_int64(q, 2, (int64_t)to);
	sqlite3_bind_int64(q, 3, -1);
	uint64_t rows = 0, bytes = 0;
	while ((got = sqlite3_step(q)) == SQLITE_ROW) {
		take_row(q, &r);
		rows++;
		bytes += r.size;
	}
	bool fine = got == SQLITE_DONE || outbox_fail(o, "cannot be read");
	outbox_clear(o, OUTBOX_RANGE);
	if (!fine)
		return false;
	o->now.settled = to;
	o->now.waiting -= rows;
	o->now.waiting_bytes -= bytes;
	return true;
}

/* Of what every output has: up to where it had it longer ago than retain_ms. */
static uint64_t long_since(struct outbox *o)
{
	uint64_t horizon = 0, settled = o->now.settled;
	size_t n = o->n_marks;
	if (o->retain_ms == 0)
		return settled;
	if (n == 0 ? settled > 0
		   : settled > o->marks[n - 1].number &&
				o->clock_ms - o->marks[n - 1].ms >= o->retain_ms / (OUTBOX_MARKS - 1)) {
		if (n == OUTBOX_MARKS)
			memmove(o->marks, o->marks + 1, --n * sizeof *o->marks);
		o->marks[n].ms = o->clock_ms;
		o->marks[n++].number = settled;
		o->n_marks = n;
	}
	for (size_t i = 0; i < n; i++)
		if (o->clock_ms - o->marks[i].ms >= o->retain_ms)
			horizon = o->marks[i].number;
	return horizon;
}

/* The oldest rows up to that number, at most `most`. */
static bool drop_oldest(struct outbox *o, uint64_t to, uint64_t most)
{
	struct row r = { 0 };
	uint64_t rows = 0, bytes = 0;
	int got;
	sqlite3_stmt *q = outbox_statement(o, OUTBOX_RANGE, 0);
	sqlite3_bind_int64(q, 2, (int64_t)to);
	sqlite3_bind_int64(q, 3, (int64_t)most);
	while ((got = sqlite3_step(q)) == SQLITE_ROW) {
		take_row(q, &r);
		rows++;
		bytes += r.size;
	}
	bool fine = got == SQLITE_DONE || outbox_fail(o, "cannot be read");
	outbox_clear(o, OUTBOX_RANGE);
	if (!fine || rows == 0)
		return fine;
	outbox_statement(o, OUTBOX_DROP_TO, r.number);
	if (!outbox_step(o, OUTBOX_DROP_TO))
		return false;
	o->now.rows -= rows;
	o->now.bytes -= bytes;
	return true;
}

bool outbox_let_go(struct outbox *o)
{
	uint64_t horizon = long_since(o), retained = o->now.rows - o->now.waiting;
	if (horizon == 0 || retained <= o->retain_records)
		return true;
	uint64_t most = retained - o->retain_records;
	return drop_oldest(o, horizon, most < LET_GO_MOST ? most : LET_GO_MOST);
}

/* ---- the bound ------------------------------------------------------------------------------------------
 */

/* An output may have it already: the last one of which that is true without a break. 0: none may. */
static uint64_t under_way_to(const struct outbox *o, uint64_t number)
{
	for (size_t i = 0; i < o->n_outputs; i++)
		if (number > o->outputs[i].cursor && number <= o->outputs[i].read)
			return o->outputs[i].read;
	return 0;
}

/* The oldest that waits of that level; number 0: none. */
static bool oldest_of(struct outbox *o, enum level level, bool under_way_too, struct row *r)
{
	for (uint64_t after = o->now.settled;; after = under_way_to(o, r->number)) {
		sqlite3_stmt *q = outbox_statement(o, OUTBOX_LOWEST, after);
		sqlite3_bind_text(q, 2, level_name(level), -1, SQLITE_STATIC);
		int got = sqlite3_step(q);
		*r = (struct row){ 0 };
		if (got == SQLITE_ROW)
			take_row(q, r);
		else if (got != SQLITE_DONE)
			outbox_fail(o, "cannot be read");
		outbox_clear(o, OUTBOX_LOWEST);
		if (got != SQLITE_ROW)
			return got == SQLITE_DONE;
		if (under_way_too || under_way_to(o, r->number) == 0)
			return true;
	}
}

static bool shed(struct outbox *o, enum level level, const struct row *r)
{
	outbox_statement(o, OUTBOX_DROP, r->number);
	if (!outbox_step(o, OUTBOX_DROP))
		return false;
	add_loss(&o->now.losses[r->class][level], 1, r->came, r->came);
	o->now.rows--;
	o->now.bytes -= r->size;
	o->now.waiting--;
	o->now.waiting_bytes -= r->size;
	return true;
}

static bool shed_one(struct outbox *o)
{
	struct row r;
	for (int under_way_too = 0; under_way_too <= 1; under_way_too++)
		for (unsigned v = 0; v < LEVELS; v++) {
			if (!oldest_of(o, v, under_way_too, &r))
				return false;
			if (r.number)
				return shed(o, v, &r);
		}
	return outbox_fail(o, "has lost count of what waits");
}

static bool make_room(struct outbox *o)
{
	while (o->now.bytes > o->bytes_most) {
		if (!outbox_settle(o))
			return false;
		if (o->now.rows > o->now.waiting ? !drop_oldest(o, o->now.settled, 1) : !shed_one(o))
			return false;
	}
	return true;
}

/* ---- what comes -----------------------------------------------------------------------------------------
 */

static void bind_text(sqlite3_stmt *q, int at, struct bytes v)
{
	sqlite3_bind_text64(q, at, (const char *)v.p, v.n, SQLITE_STATIC, SQLITE_UTF8);
}

bool outbox_put(struct outbox *o, const struct outbox_record *r, uint64_t wall_ms, bool *fresh)
{
	*fresh = false;
	*o->error = 0;
	if (!outbox_begin(o))
		return false;
	outbox_clock(o, wall_ms);
	uint64_t ms = wall_ms > o->now.ms ? wall_ms : o->now.ms;
	sqlite3_stmt *q = outbox_statement(o, OUTBOX_PUT, o->now.number + 1);
	sqlite3_bind_int64(q, 2, (int64_t)wall_ms);
	sqlite3_bind_int64(q, 3, (int64_t)ms);
	bind_text(q, 4, bytes_str(outbox_class_name(r->class)));
	bind_text(q, 5, bytes_str(level_name(r->level)));
	sqlite3_bind_int64(q, 6, (int64_t)r->document.n);
	bind_text(q, 7, r->id);
	bind_text(q, 8, r->document);
	if (!outbox_step(o, OUTBOX_PUT))
		return false;
	*fresh = sqlite3_changes(o->db) > 0;
	if (!*fresh)
		return true;
	o->now.number++;
	o->now.ms = ms;
	o->now.rows++;
	o->now.bytes += r->document.n;
	o->now.waiting++;
	o->now.waiting_bytes += r->document.n;
	if (r->document.n <= o->bytes_most)
		return make_room(o);
	struct row too_large = { .number = o->now.number,
		.size = r->document.n,
		.came = wall_ms,
		.class = r->class };
	return shed(o, r->level, &too_large);
}
