#include "run/outbox_impl.h"
#include "run/store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#define FILE_MOST (UINT64_C(2) << 30)

/* The page cache is for the index of ids, which are as good as random; a checkpoint costs two more syncs. */
#define SQL_OUTBOX_SETTINGS                                                                                  \
	"PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"                  \
	"PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;"                                 \
	"PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16384;"

static const char *const texts[OUTBOX_STATEMENTS] = {
	[OUTBOX_BEGIN] = "BEGIN IMMEDIATE",
	[OUTBOX_COMMIT] = "COMMIT",
	[OUTBOX_PUT] =
		"INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
	[OUTBOX_RANGE] = "SELECT number, size, came FROM outbox WHERE number > ?1 AND number <= ?2"
			 " ORDER BY number LIMIT ?3",
	[OUTBOX_LOWEST] = "SELECT number, size, came, class FROM outbox WHERE number > ?1 AND level = ?2"
			  " ORDER BY number LIMIT 1",
	[OUTBOX_DROP] = "DELETE FROM outbox WHERE number = ?1",
	[OUTBOX_DROP_TO] = "DELETE FROM outbox WHERE number <= ?1",
	[OUTBOX_SET_LAST] = "UPDATE outbox_last SET number = ?1, ms = ?2",
	[OUTBOX_SET_CURSOR] = "UPDATE outbox_outputs SET cursor = ?1 WHERE name = ?2",
	[OUTBOX_SET_LOSS] = "REPLACE INTO outbox_losses VALUES (?5, ?6, ?1, ?2, ?3, ?4)",
	[OUTBOX_READ] = "SELECT number, max(ms, coalesce((SELECT f.ms FROM outbox_floors AS f"
			" WHERE f.number <= o.number ORDER BY f.number DESC LIMIT 1), 0)),"
			" class, level, id, document FROM outbox AS o WHERE number > ?1 AND number <= ?2"
			" ORDER BY number LIMIT ?3",
	[OUTBOX_SET_MS] = "UPDATE outbox SET ms = ?2 WHERE number = ?1",
	[OUTBOX_DROP_FLOORS] = "DELETE FROM outbox_floors WHERE number >= ?1 OR number < (SELECT max(number)"
			       " FROM outbox_floors WHERE number <= (SELECT min(number) FROM outbox))",
	[OUTBOX_PUT_FLOOR] = "INSERT INTO outbox_floors VALUES (?1, ?2)",
};

const char *outbox_class_name(enum outbox_class c)
{
	static const char *const names[OUTBOX_CLASSES] = { "alert", "asset", "health" };
	return names[c];
}

const char *outbox_error(const struct outbox *o)
{
	return o->error;
}

bool outbox_fail(struct outbox *o, const char *what)
{
	int code = o->db ? sqlite3_errcode(o->db) & 0xff : SQLITE_NOMEM;
	const char *why = code == SQLITE_FULL ? "the disk is full"
			  : o->db             ? sqlite3_errmsg(o->db)
					      : "out of memory";
	if (!*o->error)
		snprintf(o->error, sizeof o->error, "%s: the outbox %s: %s", o->path, what, why);
	if (o->is_open)
		sqlite3_exec(o->db, "ROLLBACK", NULL, NULL, NULL);
	o->is_broken |= o->is_open;
	o->is_open = o->is_counted = false;
	o->is_unsure = true;
	o->now = o->committed;
	return false;
}

/* ---- statements -----------------------------------------------------------------------------------------
 */

sqlite3_stmt *outbox_statement(struct outbox *o, enum outbox_statement which, uint64_t first)
{
	sqlite3_bind_int64(o->statements[which], 1, (int64_t)first);
	return o->statements[which];
}

void outbox_clear(struct outbox *o, enum outbox_statement which)
{
	sqlite3_reset(o->statements[which]);
	sqlite3_clear_bindings(o->statements[which]);
}

bool outbox_step(struct outbox *o, enum outbox_statement which)
{
	bool fine = sqlite3_step(o->statements[which]) == SQLITE_DONE || outbox_fail(o, "cannot be written");
	outbox_clear(o, which);
	return fine;
}

static bool ask(struct outbox *o, const char *sql, uint64_t *out, int n)
{
	sqlite3_stmt *q = NULL;
	bool fine =
		sqlite3_prepare_v2(o->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
	for (int i = 0; fine && i < n; i++)
		out[i] = (uint64_t)sqlite3_column_int64(q, i);
	if (!fine)
		outbox_fail(o, "cannot be read");
	sqlite3_finalize(q);
	return fine;
}

/* ---- what the file knows --------------------------------------------------------------------------------
 */

static void take_loss(struct outbox_ledger *l, sqlite3_stmt *q)
{
	const char *class = (const char *)sqlite3_column_text(q, 0);
	const char *level = (const char *)sqlite3_column_text(q, 1);
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned v = 0; v < LEVELS; v++)
			if (class && level && strcmp(class, outbox_class_name(c)) == 0 &&
				strcmp(level, level_name(v)) == 0)
				l->losses[c][v] = (struct outbox_loss){
					.lost = (uint64_t)sqlite3_column_int64(q, 2),
					.untold = (uint64_t)sqlite3_column_int64(q, 3),
					.from_ms = (uint64_t)sqlite3_column_int64(q, 4),
					.to_ms = (uint64_t)sqlite3_column_int64(q, 5),
				};
}

static bool load_losses(struct outbox *o, struct outbox_ledger *l)
{
	sqlite3_stmt *q = NULL;
	int got = sqlite3_prepare_v2(o->db, "SELECT * FROM outbox_losses", -1, &q, NULL);
	while (got == SQLITE_OK || got == SQLITE_ROW) {
		got = sqlite3_step(q);
		if (got == SQLITE_ROW)
			take_loss(l, q);
	}
	if (got != SQLITE_DONE)
		outbox_fail(o, "cannot be read");
	sqlite3_finalize(q);
	return got == SQLITE_DONE;
}

static bool load(struct outbox *o)
{
	struct outbox_ledger l = { 0 };
	uint64_t last[2], all[2], rest[2];
	char sql[128];
	if (!ask(o, "SELECT number, ms FROM outbox_last", last, 2) || !load_losses(o, &l))
		return false;
	l.number = last[0];
	l.ms = last[1];
	o->committed = l;
	l.settled = outbox_everywhere(o);
	snprintf(sql, sizeof sql,
		"SELECT count(*), coalesce(sum(size), 0) FROM outbox INDEXED BY outbox_by"
		" WHERE number > %llu",
		(unsigned long long)l.settled);
	if (!ask(o, "SELECT count(*), coalesce(sum(size), 0) FROM outbox INDEXED BY outbox_by", all, 2) ||
		!ask(o, sql, rest, 2))
		return false;
	l.rows = all[0];
	l.bytes = all[1];
	l.waiting = rest[0];
	l.waiting_bytes = rest[1];
	o->now = o->committed = l;
	o->is_unsure = false;
	return true;
}

/* ---- transactions ---------------------------------------------------------------------------------------
 */

/* A commit that said no may have come to be on disk all the same. */
static bool look_again(struct outbox *o)
{
	uint64_t last[2];
	if (!ask(o, "SELECT number, ms FROM outbox_last", last, 2))
		return false;
	if (last[0] != o->committed.number || last[1] != o->committed.ms)
		return load(o);
	if (!load_losses(o, &o->committed))
		return false;
	o->now = o->committed;
	o->is_unsure = false;
	return true;
}

bool outbox_begin(struct outbox *o)
{
	if (o->is_open)
		return true;
	o->is_broken = false;
	if (!outbox_step(o, OUTBOX_BEGIN))
		return false;
	o->is_open = true;
	return !o->is_unsure || look_again(o);
}

static bool write_losses(struct outbox *o)
{
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned v = 0; v < LEVELS; v++) {
			const struct outbox_loss *l = &o->now.losses[c][v];
			if (memcmp(l, &o->committed.losses[c][v], sizeof *l) == 0)
				continue;
			sqlite3_stmt *q = outbox_statement(o, OUTBOX_SET_LOSS, l->lost);
			sqlite3_bind_int64(q, 2, (int64_t)l->untold);
			sqlite3_bind_int64(q, 3, (int64_t)l->from_ms);
			sqlite3_bind_int64(q, 4, (int64_t)l->to_ms);
			sqlite3_bind_text(q, 5, outbox_class_name(c), -1, SQLITE_STATIC);
			sqlite3_bind_text(q, 6, level_name(v), -1, SQLITE_STATIC);
			if (!outbox_step(o, OUTBOX_SET_LOSS))
				return false;
		}
	return true;
}

static bool write_last(struct outbox *o)
{
	if (o->now.number == o->committed.number && o->now.ms == o->committed.ms)
		return true;
	sqlite3_bind_int64(outbox_statement(o, OUTBOX_SET_LAST, o->now.number), 2, (int64_t)o->now.ms);
	return outbox_step(o, OUTBOX_SET_LAST);
}

static bool write_cursors(struct outbox *o)
{
	for (size_t i = 0; i < o->n_outputs; i++) {
		if (o->outputs[i].cursor == o->outputs[i].saved)
			continue;
		sqlite3_stmt *q = outbox_statement(o, OUTBOX_SET_CURSOR, o->outputs[i].cursor);
		sqlite3_bind_text(q, 2, o->outputs[i].name, -1, SQLITE_STATIC);
		if (!outbox_step(o, OUTBOX_SET_CURSOR))
			return false;
	}
	return true;
}

bool outbox_commit(struct outbox *o)
{
	bool changed = o->is_open || o->is_lost;
	if (!o->is_open && o->is_broken) {
		if (!*o->error) /* else it is that of the call that failed */
			snprintf(o->error, sizeof o->error, "%s: the outbox could not be written", o->path);
		o->is_broken = false;
		return false;
	}
	*o->error = 0;
	for (size_t i = 0; i < o->n_outputs; i++)
		changed |= o->outputs[i].cursor != o->outputs[i].saved;
	if (!changed)
		return true;
	if (!outbox_begin(o) || !outbox_count_lost(o) || !outbox_settle(o) || !outbox_let_go(o) ||
		!write_last(o) || !write_losses(o) || !write_cursors(o) || !outbox_step(o, OUTBOX_COMMIT)) {
		o->is_broken = false;
		return false;
	}
	o->is_open = o->is_counted = o->is_lost = false;
	memset(o->lost, 0, sizeof o->lost);
	o->committed = o->now;
	for (size_t i = 0; i < o->n_outputs; i++)
		o->outputs[i].saved = o->outputs[i].cursor;
	return true;
}

/* ---- opening --------------------------------------------------------------------------------------------
 */

static bool set_outputs(struct outbox *o, const struct outbox_setup *s)
{
	uint64_t start;
	char *sql;
	if (!ask(o,
		    "SELECT coalesce((SELECT min(cursor) FROM outbox_outputs WHERE used), number)"
		    " FROM outbox_last",
		    &start, 1) ||
		sqlite3_exec(o->db, "UPDATE outbox_outputs SET used = 0", NULL, NULL, NULL) != SQLITE_OK)
		return false;
	for (size_t i = 0; i < s->n_outputs && i < OUTBOX_OUTPUTS; i++) {
		snprintf(o->outputs[i].name, OUTBOX_NAME, "%s", s->outputs[i]);
		sql = sqlite3_mprintf("INSERT INTO outbox_outputs VALUES (%Q, %lld, %lld, 1)"
				      " ON CONFLICT (name) DO UPDATE SET used = 1 RETURNING cursor",
			o->outputs[i].name, (long long)start, (long long)start);
		bool fine = sql && ask(o, sql, &o->outputs[i].cursor, 1);
		sqlite3_free(sql);
		if (!fine)
			return false;
		o->outputs[i].saved = o->outputs[i].read = o->outputs[i].cursor;
		o->n_outputs = i + 1;
	}
	return true;
}

static bool connect_db(struct outbox *o, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	uint64_t version;
	if (sqlite3_open_v2(path, &o->db, flags, NULL) != SQLITE_OK ||
		sqlite3_busy_handler(o->db, store_is_busy, NULL) != SQLITE_OK ||
		sqlite3_exec(o->db, SQL_OUTBOX_SETTINGS, NULL, NULL, NULL) != SQLITE_OK ||
		!ask(o, "PRAGMA user_version", &version, 1))
		return false;
	if (version != STORE_VERSION)
		snprintf(o->error, sizeof o->error,
			"%s: the outbox cannot be opened: version %llu of the file", o->path,
			(unsigned long long)version);
	for (unsigned i = 0; version == STORE_VERSION && i < OUTBOX_STATEMENTS; i++)
		if (sqlite3_prepare_v3(o->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &o->statements[i],
			    NULL) != SQLITE_OK)
			return false;
	return version == STORE_VERSION;
}

/* Documents take about half of the file: of two kilobytes one fills a page, and there are the indexes. */
static uint64_t most_bytes(const char *path)
{
	struct statvfs f;
	uint64_t tenth = statvfs(path, &f) == 0 ? (uint64_t)f.f_blocks * f.f_frsize / 10 : FILE_MOST;
	return (tenth < FILE_MOST ? tenth : FILE_MOST) / 2;
}

struct outbox *outbox_open(const char *path, const struct outbox_setup *s, struct diag *d)
{
	struct outbox *o = calloc(1, sizeof *o);
	if (!o) {
		diag_add(d, DIAG_ERROR, path, 0, 0, "", "out of memory");
		return NULL;
	}
	snprintf(o->path, sizeof o->path, "%s", path);
	o->bytes_most = s->bytes_most ? s->bytes_most : most_bytes(path);
	o->retain_records = s->retain_records;
	o->retain_ms = s->retain_ms;
	bool fine = connect_db(o, path) && outbox_step(o, OUTBOX_BEGIN);
	o->is_open = fine;
	if (fine && set_outputs(o, s) && load(o) && outbox_commit(o)) {
		o->before = o->committed.number;
		return o;
	}
	outbox_fail(o, "cannot be opened");
	diag_add(d, DIAG_ERROR, "-", 0, 0, "", "%s", o->error);
	outbox_close(o);
	return NULL;
}

void outbox_close(struct outbox *o)
{
	if (!o)
		return;
	if (o->is_open)
		sqlite3_exec(o->db, "ROLLBACK", NULL, NULL, NULL);
	for (unsigned i = 0; i < OUTBOX_STATEMENTS; i++)
		sqlite3_finalize(o->statements[i]);
	sqlite3_close(o->db);
	free(o->buffer);
	free(o);
}
