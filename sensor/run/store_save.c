#include "base/json.h"
#include "run/store_impl.h"
#include "run/store_schema.h"

#include <stdio.h>
#include <stdlib.h>

/* Records of a save come over seconds, and others want to write meanwhile: up to so many bytes they are kept
 * here, and written in one go at its end. Behind it the file is held until then. */
enum { STAGED_MOST = 64 << 20 };

static bool step(struct store *s, enum store_statement which)
{
	sqlite3_stmt *q = s->statements[which];
	int got = sqlite3_step(q);
	bool fine = got == SQLITE_DONE || got == SQLITE_ROW;
	if (!fine)
		store_fail(s, "cannot be written");
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return fine;
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

bool store_begin(struct store *s)
{
	*s->error = 0;
	s->save++;
	s->is_open = true;
	s->end = &s->first;
	return true;
}

bool store_is_open(const struct store *s)
{
	return s->is_open;
}

/* A statement about one device in this save. */
static bool of_device(struct store *s, enum store_statement which, const char *id)
{
	sqlite3_stmt *q = s->statements[which];
	bind_text(q, 1, id);
	if (sqlite3_bind_parameter_count(q) >= 2)
		sqlite3_bind_int64(q, 2, s->save);
	return step(s, which);
}

static bool of_document(struct store *s, enum store_statement which, const struct store_record *r)
{
	sqlite3_stmt *q = s->statements[which];
	bind_text(q, 1, r->id);
	if (sqlite3_bind_parameter_count(q) >= 4)
		sqlite3_bind_int64(q, 4, s->run);
	sqlite3_bind_int64(q, 2, s->save);
	sqlite3_bind_text64(q, 3, (const char *)r->document.p, r->document.n, SQLITE_STATIC, SQLITE_UTF8);
	return step(s, which);
}

static bool drop_device(struct store *s, const char *id, bool state_too)
{
	s->save++; /* all attributes are of an earlier save now */
	bool fine = of_device(s, STORE_KEEP_HISTORY, id) && of_device(s, STORE_DROP_ATTRIBUTES, id);
	s->save--;
	return fine && of_device(s, STORE_DROP_ADDRESSES, id) && of_device(s, STORE_DROP_DEVICE, id) &&
	       (!state_too || of_device(s, STORE_DROP_STATE, id));
}

static bool put_device(struct store *s, const struct store_record *r)
{
	sqlite3_stmt *q = s->statements[STORE_PUT_STATE];
	bind_text(q, 1, r->id);
	sqlite3_bind_int64(q, 2, s->save);
	sqlite3_bind_int64(q, 3, r->order);
	sqlite3_bind_int64(q, 4, (int64_t)r->last_ns);
	bind_blob(q, 5, r->state);
	if (!step(s, STORE_PUT_STATE))
		return false;
	if (r->document.n == 0)
		return drop_device(s, r->id, false);
	return of_document(s, STORE_PUT_DEVICE, r) && of_device(s, STORE_DROP_ADDRESSES, r->id) &&
	       of_document(s, STORE_PUT_ADDRESSES, r) && of_document(s, STORE_PUT_ATTRIBUTES, r) &&
	       of_device(s, STORE_KEEP_HISTORY, r->id) && of_device(s, STORE_DROP_ATTRIBUTES, r->id);
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
	return step(s, STORE_PUT_BASELINE);
}

static bool write_one(struct store *s, const struct store_record *r)
{
	if (r->kind == STORE_DEVICE)
		return put_device(s, r);
	return r->kind == STORE_GONE ? drop_device(s, r->id, true) : put_baseline(s, r);
}

/* ---- the records of a save ------------------------------------------------------------------------------
 */

static void free_staged(struct store *s)
{
	while (s->first) {
		struct store_staged *next = s->first->next;
		free(s->first);
		s->first = next;
	}
	s->end = &s->first;
	s->staged = 0;
}

void store_forget(struct store *s)
{
	if (s->is_writing)
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->is_open = s->is_writing = false;
	free_staged(s);
}

/* From here on the writer's lock is held. */
static bool write_staged(struct store *s)
{
	if (!s->is_writing && sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return store_fail(s, "cannot be written");
	s->is_writing = true;
	for (const struct store_staged *t = s->first; t; t = t->next)
		if (!write_one(s, &t->record))
			return false;
	free_staged(s);
	return true;
}

static struct bytes keep(uint8_t **to, struct bytes v)
{
	uint8_t *at = *to;
	*to += bytes_copy(at, v.n, v);
	return bytes_of(at, v.n);
}

static bool stage(struct store *s, const struct store_record *r)
{
	struct bytes name = bytes_of(r->name, r->name ? strlen(r->name) + 1 : 0);
	size_t n = name.n + r->key.n + r->document.n + r->state.n;
	struct store_staged *t = malloc(sizeof *t + n);
	if (!t) {
		snprintf(s->error, sizeof s->error, "%s: cannot be written: out of memory", s->path);
		store_forget(s);
		return false;
	}
	uint8_t *to = t->bytes;
	t->next = NULL;
	t->record = *r;
	name = keep(&to, name);
	t->record.name = name.n ? (const char *)name.p : NULL;
	t->record.key = keep(&to, r->key);
	t->record.document = keep(&to, r->document);
	t->record.state = keep(&to, r->state);
	*s->end = t;
	s->end = &t->next;
	s->staged += sizeof *t + n;
	return true;
}

bool store_put(struct store *s, const struct store_record *r)
{
	if (!s->is_open)
		return false; /* it failed before, and said so */
	if (!s->is_writing && s->staged <= STAGED_MOST)
		return stage(s, r);
	return (s->is_writing || write_staged(s)) && write_one(s, r);
}

/* The next that is in no record of this save; *more false: there is none. */
static bool next_other(struct store *s, char id[STORE_ID], bool *more)
{
	sqlite3_stmt *q = NULL;
	int got = sqlite3_prepare_v2(
		s->db, "SELECT id FROM state WHERE id > ?1 AND save <> ?2 ORDER BY id LIMIT 1", -1, &q, NULL);
	if (got == SQLITE_OK) {
		bind_text(q, 1, id);
		sqlite3_bind_int64(q, 2, s->save);
		got = sqlite3_step(q);
	}
	*more = got == SQLITE_ROW;
	if (*more)
		snprintf(id, STORE_ID, "%s", (const char *)sqlite3_column_text(q, 0));
	else if (got != SQLITE_DONE)
		store_fail(s, "cannot be written");
	sqlite3_finalize(q);
	return *more || got == SQLITE_DONE;
}

static bool drop_others(struct store *s)
{
	char id[STORE_ID] = "";
	bool more = true;
	while (more)
		if (!next_other(s, id, &more) || (more && !drop_device(s, id, true)))
			return false;
	return true;
}

bool store_commit(struct store *s, const struct store_run *run)
{
	sqlite3_stmt *q = NULL;
	if (!s->is_open || !write_staged(s) || (run->whole && !drop_others(s)))
		return false;
	if (sqlite3_prepare_v2(s->db, SQL_PUT_RUN, -1, &q, NULL) != SQLITE_OK)
		return store_fail(s, "cannot be written");
	sqlite3_bind_int64(q, 1, s->run);
	sqlite3_bind_int64(q, 2, (int64_t)s->packets);
	sqlite3_bind_int64(q, 3, (int64_t)(run->packets - s->packets));
	bind_time(q, 4, run->first_ns);
	bind_time(q, 5, run->last_ns);
	int got = sqlite3_step(q);
	sqlite3_finalize(q);
	if (got != SQLITE_DONE || sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return store_fail(s, "cannot be written");
	s->is_open = s->is_writing = false;
	return true;
}
