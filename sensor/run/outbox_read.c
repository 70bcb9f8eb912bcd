#include "run/outbox_impl.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_BYTES = 4 << 20 }; /* of one call, but for a single larger record */

/* Above it ids would come near to where signed 64 bits end; no clock is there. */
#define MS_MOST (UINT64_C(1) << 62)

uint64_t outbox_everywhere(const struct outbox *o)
{
	uint64_t least = o->committed.number;
	for (size_t i = 0; i < o->n_outputs; i++)
		if (o->outputs[i].cursor < least)
			least = o->outputs[i].cursor;
	return least;
}

uint64_t outbox_cursor(const struct outbox *o, size_t output)
{
	return o->outputs[output].cursor;
}

void outbox_acknowledge(struct outbox *o, size_t output, uint64_t number)
{
	if (number > o->committed.number)
		number = o->committed.number;
	if (number > o->outputs[output].cursor)
		o->outputs[output].cursor = number;
}

/* ---- reading --------------------------------------------------------------------------------------------
 */

static struct bytes column(sqlite3_stmt *q, int c)
{
	const unsigned char *p = sqlite3_column_text(q, c);
	return bytes_of(p, p ? (size_t)sqlite3_column_bytes(q, c) : 0);
}

static bool is_room(struct outbox *o, size_t used, size_t need)
{
	if (used + need <= o->cap)
		return true;
	if (used > 0)
		return false;
	size_t cap = need < READ_BYTES ? READ_BYTES : need;
	uint8_t *bigger = realloc(o->buffer, cap);
	if (!bigger)
		return false;
	o->buffer = bigger;
	o->cap = cap;
	return true;
}

static struct bytes keep(struct outbox *o, size_t *used, struct bytes v)
{
	uint8_t *to = o->buffer + *used;
	*used += bytes_copy(to, o->cap - *used, v);
	return bytes_of(to, v.n);
}

/* False: it is for the next call. */
static bool take(struct outbox *o, sqlite3_stmt *q, struct outbox_record *r, size_t *used)
{
	struct bytes class = column(q, 2), level = column(q, 3), id = column(q, 4), document = column(q, 5);
	if (!is_room(o, *used, id.n + document.n))
		return false;
	*r = (struct outbox_record){ .number = (uint64_t)sqlite3_column_int64(q, 0) };
	r->stream_id = (struct outbox_id){ (uint64_t)sqlite3_column_int64(q, 1), r->number };
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		if (bytes_is(class, outbox_class_name(c)))
			r->class = c;
	for (unsigned v = 0; v < LEVELS; v++)
		if (bytes_is(level, level_name(v)))
			r->level = v;
	r->id = keep(o, used, id);
	r->document = keep(o, used, document);
	return true;
}

size_t outbox_read(struct outbox *o, size_t output, uint64_t after, struct outbox_record *out, size_t cap)
{
	size_t n = 0, used = 0;
	int got = SQLITE_DONE;
	*o->error = 0;
	if (o->is_open || cap == 0)
		return 0;
	sqlite3_stmt *q = outbox_statement(o, OUTBOX_READ, after);
	sqlite3_bind_int64(q, 2, (int64_t)o->committed.number);
	sqlite3_bind_int64(q, 3, (int64_t)cap);
	while (n < cap && (got = sqlite3_step(q)) == SQLITE_ROW && take(o, q, &out[n], &used))
		n++;
	if (n == 0 && got != SQLITE_DONE)
		outbox_fail(o, "cannot be read");
	outbox_clear(o, OUTBOX_READ);
	if (n && out[n - 1].number > o->outputs[output].read)
		o->outputs[output].read = out[n - 1].number;
	return n;
}

/* ---- ids of the stream ----------------------------------------------------------------------------------
 */

/* The highest number that output was given, or may have been given by an earlier run: with the id that it
 * has. */
static uint64_t given(const struct outbox *o, size_t output)
{
	uint64_t read = o->outputs[output].read;
	return read > o->before ? read : o->before;
}

/* What that output was not given yet has ids of at least that time: one row, however much waits. */
static bool raise_floor(struct outbox *o, size_t output)
{
	uint64_t from = given(o, output) + 1;
	outbox_statement(o, OUTBOX_DROP_FLOORS, from);
	if (!outbox_step(o, OUTBOX_DROP_FLOORS))
		return false;
	sqlite3_bind_int64(outbox_statement(o, OUTBOX_PUT_FLOOR, from), 2, (int64_t)o->now.ms);
	return outbox_step(o, OUTBOX_PUT_FLOOR);
}

bool outbox_renew(struct outbox *o, size_t output, uint64_t number, uint64_t wall_ms, struct outbox_id *fresh)
{
	*o->error = 0;
	if (!outbox_begin(o))
		return false;
	outbox_clock(o, wall_ms);
	o->now.ms = wall_ms > o->now.ms ? wall_ms : o->now.ms + 1;
	if (number > o->outputs[output].read)
		o->outputs[output].read = number;
	*fresh = (struct outbox_id){ o->now.ms, number };
	sqlite3_bind_int64(outbox_statement(o, OUTBOX_SET_MS, number), 2, (int64_t)o->now.ms);
	return outbox_step(o, OUTBOX_SET_MS) && raise_floor(o, output) && outbox_commit(o);
}

/* The id that output would be given next. */
static bool next_id(struct outbox *o, size_t output, struct outbox_id *id)
{
	*id = (struct outbox_id){ o->now.ms, o->now.number + 1 };
	sqlite3_stmt *q = outbox_statement(o, OUTBOX_READ, given(o, output));
	sqlite3_bind_int64(q, 2, (int64_t)o->now.number);
	sqlite3_bind_int64(q, 3, 1);
	int got = sqlite3_step(q);
	if (got == SQLITE_ROW)
		*id = (struct outbox_id){ (uint64_t)sqlite3_column_int64(q, 1),
			(uint64_t)sqlite3_column_int64(q, 0) };
	bool fine = got == SQLITE_ROW || got == SQLITE_DONE || outbox_fail(o, "cannot be read");
	outbox_clear(o, OUTBOX_READ);
	return fine;
}

bool outbox_above(struct outbox *o, size_t output, struct outbox_id id)
{
	struct outbox_id next;
	*o->error = 0;
	if (id.ms > MS_MOST) {
		snprintf(o->error, sizeof o->error, "a stream's last id is at the end of time");
		return false;
	}
	if (!outbox_begin(o) || !next_id(o, output, &next))
		return false;
	if (next.ms > id.ms || (next.ms == id.ms && next.seq > id.seq))
		return outbox_commit(o);
	o->now.ms = id.ms > o->now.ms ? id.ms + 1 : o->now.ms + 1;
	return raise_floor(o, output) && outbox_commit(o);
}

/* ---- figures --------------------------------------------------------------------------------------------
 */

void outbox_figures(struct outbox *o, struct outbox_figures *f)
{
	*f = (struct outbox_figures){ 0 };
	if (!outbox_settle(o))
		return;
	f->waiting = o->now.waiting;
	f->waiting_bytes = o->now.waiting_bytes;
	f->last_number = o->now.number;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned v = 0; v < LEVELS; v++)
			f->lost[c][v] = o->now.losses[c][v].lost + (o->is_counted ? 0 : o->lost[c][v].lost);
	sqlite3_stmt *q = outbox_statement(o, OUTBOX_RANGE, o->now.settled);
	sqlite3_bind_int64(q, 2, INT64_MAX);
	sqlite3_bind_int64(q, 3, 1);
	if (sqlite3_step(q) == SQLITE_ROW)
		f->oldest_ms = (uint64_t)sqlite3_column_int64(q, 2);
	outbox_clear(o, OUTBOX_RANGE);
}
