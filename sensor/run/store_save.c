#include "base/json.h"
#include "run/store_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Records of a save come over seconds, and others want to write meanwhile: up to so many bytes they are kept
 * here, sorted as the tables are, and written in transactions that are short. Between two there is a pause,
 * long enough for who looks for the lock each millisecond. */
enum { STAGED_MOST = 16 << 20, HELD_NS = 20000000, PAUSE_NS = 2000000 };

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void bind_text(sqlite3_stmt *q, int at, const char *v)
{
	sqlite3_bind_text(q, at, v, -1, SQLITE_STATIC);
}

static void bind_blob(sqlite3_stmt *q, int at, struct bytes v)
{
	sqlite3_bind_blob64(q, at, v.p, v.n, SQLITE_STATIC);
}

static void bind_time(sqlite3_stmt *q, int at, uint64_t ns)
{
	char text[TIME_TEXT];
	time_text(ns, text);
	sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
}

bool store_give_up(struct store *s, const char *why)
{
	if (!*s->error)
		snprintf(s->error, sizeof s->error, "%s: cannot be written: %s", s->path, why);
	store_forget(s);
	return false;
}

bool store_step(struct store *s, enum store_statement which)
{
	sqlite3_stmt *q = s->statements[which];
	bool fine = sqlite3_step(q) == SQLITE_DONE || store_fail(s, "cannot be written");
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return fine;
}

/* ---- short transactions ---------------------------------------------------------------------------------
 */

static bool hold(struct store *s)
{
	if (s->is_writing)
		return true;
	if (!store_step(s, STORE_BEGIN))
		return false;
	s->is_writing = true;
	s->held_ns = now_ns();
	return true;
}

static bool let_go(struct store *s)
{
	if (s->is_writing && !store_step(s, STORE_COMMIT))
		return false;
	s->is_writing = false;
	return true;
}

/* After each record. Then the lock is held. */
static bool breathe(struct store *s)
{
	uint64_t now = now_ns();
	if (now >= s->until_ns)
		return let_go(s) && store_give_up(s, "there was no time for all of it");
	if (now - s->held_ns < HELD_NS)
		return true;
	if (!let_go(s))
		return false;
	nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	return hold(s);
}

void store_until(struct store *s, uint64_t ns)
{
	s->until_ns = ns;
}

/* ---- records --------------------------------------------------------------------------------------------
 */

static bool drop_device(struct store *s, const char *id)
{
	if (!store_show(s, id, (struct bytes){ 0 }))
		return false;
	bind_text(s->statements[STORE_DROP_STATE], 1, id);
	return store_step(s, STORE_DROP_STATE);
}

static bool put_device(struct store *s, const struct store_record *r)
{
	sqlite3_stmt *q = s->statements[STORE_PUT_STATE];
	bind_text(q, 1, r->id);
	sqlite3_bind_int64(q, 2, s->save);
	sqlite3_bind_int64(q, 3, r->order);
	sqlite3_bind_int64(q, 4, (int64_t)r->last_ns);
	bind_blob(q, 5, r->state);
	return store_step(s, STORE_PUT_STATE) && store_show(s, r->id, r->document);
}

/* Its id may have become another device's, which came in this save. */
static bool put_gone(struct store *s, const struct store_record *r)
{
	sqlite3_stmt *q = s->statements[STORE_SAVED_IN];
	bind_text(q, 1, r->id);
	sqlite3_bind_int64(q, 2, s->save);
	int got = sqlite3_step(q);
	bool fine = got == SQLITE_ROW || got == SQLITE_DONE || store_fail(s, "cannot be written");
	sqlite3_reset(q);
	return fine && (got == SQLITE_ROW || drop_device(s, r->id));
}

static bool put_baseline(struct store *s, const struct store_record *r)
{
	sqlite3_stmt *q = s->statements[STORE_PUT_BASELINE];
	bind_blob(q, 1, r->key);
	bind_text(q, 2, r->name);
	bind_time(q, 3, r->first_ns);
	bind_time(q, 4, r->last_ns);
	sqlite3_bind_int64(q, 5, (int64_t)r->observations);
	bind_blob(q, 6, r->state);
	return store_step(s, STORE_PUT_BASELINE);
}

static bool write_one(struct store *s, const struct store_record *r)
{
	return r->kind == STORE_DEVICE ? put_device(s, r)
	       : r->kind == STORE_GONE ? put_gone(s, r)
				       : put_baseline(s, r);
}

/* Times: those of the packets, or 0 while they are not known. */
static bool put_run(struct store *s, uint64_t packets, uint64_t first_ns, uint64_t last_ns)
{
	sqlite3_stmt *q = s->statements[STORE_PUT_RUN];
	sqlite3_bind_int64(q, 1, s->run);
	sqlite3_bind_int64(q, 2, (int64_t)s->packets);
	sqlite3_bind_int64(q, 3, packets > s->packets ? (int64_t)(packets - s->packets) : 0);
	if (first_ns || last_ns) {
		bind_time(q, 4, first_ns);
		bind_time(q, 5, last_ns);
	}
	return store_step(s, STORE_PUT_RUN);
}

/* ---- the records of a save ------------------------------------------------------------------------------
 */

static void empty(struct store_stage *stage)
{
	while (stage->first) {
		struct store_staged *next = stage->first->next;
		free(stage->first);
		stage->first = next;
	}
	*stage = (struct store_stage){ 0 };
}

void store_forget(struct store *s)
{
	if (s->is_writing)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->is_open = s->is_writing = false;
	empty(&s->there);
	empty(&s->gone);
}

static int by_place(const void *x, const void *y)
{
	const struct store_staged *a = *(struct store_staged *const *)x,
				  *b = *(struct store_staged *const *)y;
	if (a->record.kind != b->record.kind)
		return a->record.kind < b->record.kind ? -1 : 1;
	struct bytes m = a->record.key, n = b->record.key;
	int order = a->record.kind == STORE_BASELINE ? memcmp(m.p, n.p, m.n < n.n ? m.n : n.n)
						     : strcmp(a->record.id, b->record.id);
	return order ? order : a->number < b->number ? -1 : 1;
}

/* The run first: packet numbers of what follows are its own. */
static bool write_stage(struct store *s, struct store_stage *stage)
{
	size_t n = 0;
	struct store_staged **all = calloc(stage->n + 1, sizeof *all);
	if (!all)
		return store_give_up(s, "out of memory");
	for (struct store_staged *t = stage->first; t; t = t->next)
		all[n++] = t;
	qsort(all, n, sizeof *all, by_place);
	bool fine = hold(s) && put_run(s, s->packets_now, 0, 0);
	for (size_t i = 0; fine && i < n; i++)
		fine = write_one(s, &all[i]->record) && breathe(s);
	free(all);
	empty(stage);
	return fine;
}

static struct bytes keep(uint8_t **to, struct bytes v)
{
	uint8_t *at = *to;
	*to += bytes_copy(at, v.n, v);
	return bytes_of(at, v.n);
}

static bool add(struct store *s, struct store_stage *stage, const struct store_record *r)
{
	struct bytes name = bytes_of(r->name, r->name ? strlen(r->name) + 1 : 0);
	size_t n = name.n + r->key.n + r->document.n + r->state.n;
	struct store_staged *t = malloc(sizeof *t + n);
	if (!t)
		return store_give_up(s, "out of memory");
	uint8_t *to = t->bytes;
	t->next = NULL;
	t->number = stage->n++;
	t->record = *r;
	name = keep(&to, name);
	t->record.name = name.n ? (const char *)name.p : NULL;
	t->record.key = keep(&to, r->key);
	t->record.document = keep(&to, r->document);
	t->record.state = keep(&to, r->state);
	if (!stage->first)
		stage->end = &stage->first;
	*stage->end = t;
	stage->end = &t->next;
	stage->size += sizeof *t + n;
	return true;
}

/* ---- a save ---------------------------------------------------------------------------------------------
 */

bool store_begin(struct store *s)
{
	*s->error = 0;
	s->save++;
	s->is_open = true;
	s->packets_now = s->packets;
	return true;
}

bool store_is_open(const struct store *s)
{
	return s->is_open;
}

bool store_put(struct store *s, const struct store_record *r)
{
	if (!s->is_open)
		return false; /* it failed before, and said so */
	if (r->packets > s->packets_now)
		s->packets_now = r->packets;
	if (!add(s, r->kind == STORE_GONE ? &s->gone : &s->there, r))
		return false;
	return s->there.size <= STAGED_MOST || (write_stage(s, &s->there) && let_go(s));
}

/* The next that is in no record of this save; *more false: there is none. */
static bool next_other(struct store *s, char id[STORE_ID], bool *more)
{
	sqlite3_stmt *q = s->statements[STORE_NEXT_OTHER];
	bind_text(q, 1, id);
	sqlite3_bind_int64(q, 2, s->save);
	int got = sqlite3_step(q);
	*more = got == SQLITE_ROW;
	bool fine = *more || got == SQLITE_DONE || store_fail(s, "cannot be written");
	char next[STORE_ID] = "";
	if (*more)
		snprintf(next, sizeof next, "%s", (const char *)sqlite3_column_text(q, 0));
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	memcpy(id, next, STORE_ID);
	return fine;
}

static bool drop_others(struct store *s)
{
	char id[STORE_ID] = "";
	bool more = true;
	while (more)
		if (!next_other(s, id, &more) || (more && !(drop_device(s, id) && breathe(s))))
			return false;
	return true;
}

/* What is no more goes last: of two devices that became one, the one that has it all is there before. */
bool store_commit(struct store *s, const struct store_run *run)
{
	if (!s->is_open)
		return false;
	if (run->packets > s->packets_now)
		s->packets_now = run->packets;
	if (!write_stage(s, &s->there) || !write_stage(s, &s->gone) || (run->whole && !drop_others(s)) ||
		!put_run(s, run->packets, run->first_ns, run->last_ns) || !let_go(s))
		return false;
	s->is_open = false;
	/* Not by each transaction that passes a mark: it waits for the disk. */
	sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return true;
}
