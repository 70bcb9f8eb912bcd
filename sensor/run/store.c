#include "run/store_impl.h"

#include "run/store_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_MS = 5000, DAMAGED_MOST = 1000 };

int store_is_busy(void *unused, int count)
{
	(void)unused;
	usleep(1000);
	return count < BUSY_MS;
}

bool store_fail(struct store *s, const char *what)
{
	int code = s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_NOMEM;
	const char *why = code == SQLITE_FULL ? "the disk is full"
			  : s->db             ? sqlite3_errmsg(s->db)
					      : "out of memory";
	if (!*s->error)
		snprintf(s->error, sizeof s->error, "%s: %s: %s", s->path, what, why);
	store_forget(s);
	return false;
}

const char *store_error(const struct store *s)
{
	return s->error;
}

static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;
	int64_t v = -1;
	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
		v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return v;
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static bool connect_db(struct store *s, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	return sqlite3_open_v2(path, &s->db, flags, NULL) == SQLITE_OK &&
	       sqlite3_busy_handler(s->db, store_is_busy, NULL) == SQLITE_OK;
}

enum found { FOUND_GOOD, FOUND_OLDER, FOUND_EMPTY, FOUND_DAMAGED, FOUND_NEWER, FOUND_FOREIGN, FOUND_NOTHING };

static bool is_damage(int code)
{
	return (code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT;
}

static int check_text(void *arg, int n, char **values, char **names)
{
	(void)names;
	*(bool *)arg = n == 1 && values[0] && strcmp(values[0], "ok") == 0;
	return 0;
}

static enum found look(struct store *s)
{
	bool fine = false;
	int64_t tables = ask(s->db, "SELECT count(*) FROM sqlite_schema");
	if (tables < 0)
		return is_damage(sqlite3_errcode(s->db)) ? FOUND_DAMAGED : FOUND_NOTHING;
	if (tables == 0)
		return FOUND_EMPTY;
	int code = sqlite3_exec(s->db, "PRAGMA quick_check(1)", check_text, &fine, NULL);
	if (is_damage(code) || (code == SQLITE_OK && !fine))
		return FOUND_DAMAGED;
	if (code != SQLITE_OK)
		return FOUND_NOTHING;
	if (ask(s->db, "PRAGMA application_id") != STORE_APPLICATION)
		return FOUND_FOREIGN;
	int64_t version = ask(s->db, "PRAGMA user_version");
	return version > STORE_VERSION    ? FOUND_NEWER
	       : version == STORE_VERSION ? FOUND_GOOD
	       : version == 1             ? FOUND_OLDER
					  : FOUND_DAMAGED;
}

/* What SQLite keeps beside it would be taken for the new file's: the log, in which there may be what the file
 * has not, goes with it, the index of the log goes. */
static void set_log_aside(const char *path, const char *to)
{
	char *from, *log;
	if (asprintf(&from, "%s-wal", path) < 0)
		return;
	if (asprintf(&log, "%s-wal", to) >= 0) {
		if (rename(from, log) != 0)
			unlink(from);
		free(log);
	}
	memcpy(from + strlen(path), "-shm", 4);
	unlink(from);
	free(from);
}

static bool set_aside(const char *path, struct diag *d)
{
	char *to = NULL;
	struct stat st;
	bool done = false;
	for (unsigned i = 1; i <= DAMAGED_MOST && !done; i++) {
		if (asprintf(&to, "%s.damaged-%u", path, i) < 0)
			return false;
		if (lstat(to, &st) != 0) {
			done = rename(path, to) == 0;
			if (!done)
				i = DAMAGED_MOST;
		}
		if (done) {
			set_log_aside(path, to);
			diag_add(d, DIAG_WARNING, path, 0, 0, "C020",
				"is damaged: it was set aside as %s, and a new one is begun", to);
		}
		free(to);
	}
	return done;
}

static bool take_lock(struct store *s, const char *path, struct diag *d)
{
	s->is_made = access(path, F_OK) != 0;
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0) {
		diag_add(d, DIAG_ERROR, path, 0, 0, "", "cannot be opened: %s", strerror(errno));
		return false;
	}
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	diag_add(d, DIAG_ERROR, path, 0, 0, "", "is in use by another wardwatch");
	return false;
}

static void disconnect(struct store *s)
{
	for (unsigned i = 0; i < STORE_STATEMENTS; i++) {
		sqlite3_finalize(s->statements[i]);
		s->statements[i] = NULL;
	}
	sqlite3_close(s->db);
	s->db = NULL;
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}

/* A name mistyped must not cost a file that is somebody else's: what does not begin as a database does (file
 * format of SQLite, 1.3) was none of ours, whatever befell it. */
static bool is_ours_to_judge(struct store *s, const char *path, struct diag *d)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof magic];
	ssize_t n = pread(s->lock, head, sizeof head, 0);
	if (n == 0 || (n == (ssize_t)sizeof head && memcmp(head, magic, sizeof head) == 0))
		return true;
	if (n < 0)
		diag_add(d, DIAG_ERROR, path, 0, 0, "", "cannot be read: %s", strerror(errno));
	else
		diag_add(d, DIAG_ERROR, path, 0, 0, "",
			"is no state of wardwatch, nor a database at all: it is left as it is; name another "
			"file, or one that is not there yet");
	return false;
}

/* True: open, and found says what is in it. */
static bool try_open(struct store *s, const char *path, enum found *found, struct diag *d)
{
	if (!take_lock(s, path, d) || !is_ours_to_judge(s, path, d))
		return false;
	if (connect_db(s, path)) {
		*found = look(s);
		if (*found != FOUND_NOTHING)
			return true;
	}
	diag_add(d, DIAG_ERROR, path, 0, 0, "", "cannot be opened: %s",
		s->db ? sqlite3_errmsg(s->db) : "out of memory");
	return false;
}

static bool open_good(struct store *s, const char *path, struct diag *d)
{
	enum found found;
	if (!try_open(s, path, &found, d))
		return false;
	if (found == FOUND_DAMAGED) {
		/* Else its log would be written into it, and be gone. */
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		disconnect(s);
		if (!set_aside(path, d)) {
			diag_add(d, DIAG_ERROR, path, 0, 0, "", "is damaged and cannot be set aside: %s",
				strerror(errno));
			return false;
		}
		if (!try_open(s, path, &found, d))
			return false;
	}
	if (found == FOUND_NEWER)
		diag_add(d, DIAG_ERROR, path, 0, 0, "",
			"was written by a newer wardwatch (version %lld of the file, this one knows %d)",
			(long long)ask(s->db, "PRAGMA user_version"), STORE_VERSION);
	else if (found == FOUND_FOREIGN)
		diag_add(d, DIAG_ERROR, path, 0, 0, "", "is a database, but no state of wardwatch");
	else if (found == FOUND_GOOD || found == FOUND_OLDER || found == FOUND_EMPTY)
		return true;
	return false;
}

static const char *const statement_text[STORE_STATEMENTS] = {
	[STORE_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_COMMIT] = "COMMIT",
	[STORE_PUT_RUN] = SQL_PUT_RUN,
	[STORE_PUT_STATE] = SQL_PUT_STATE,
	[STORE_SAVED_IN] = "SELECT 1 FROM state WHERE id = ?1 AND save = ?2",
	[STORE_NEXT_OTHER] = SQL_NEXT_OTHER,
	[STORE_OLD_DOCUMENT] = "SELECT document FROM devices WHERE id = ?1",
	[STORE_PUT_DEVICE] = SQL_PUT_DEVICE,
	[STORE_DROP_ADDRESSES] = "DELETE FROM addresses WHERE device = ?1",
	[STORE_PUT_ADDRESS] = "INSERT OR IGNORE INTO addresses VALUES (?1, ?2, ?3)",
	[STORE_PUT_ATTRIBUTE] = SQL_PUT_ATTRIBUTE,
	[STORE_KEEP_HISTORY] = SQL_KEEP_HISTORY,
	[STORE_DROP_ATTRIBUTE] = SQL_DROP_ATTRIBUTE,
	[STORE_DROP_STATE] = "DELETE FROM state WHERE id = ?1",
	[STORE_DROP_DEVICE] = "DELETE FROM devices WHERE id = ?1",
	[STORE_PUT_BASELINE] = SQL_PUT_BASELINE,
};

static bool set_up(struct store *s)
{
	if (sqlite3_exec(s->db, SQL_SETTINGS, NULL, NULL, NULL) != SQLITE_OK)
		return false;
	int64_t version = ask(s->db, "PRAGMA user_version");
	if (version < STORE_VERSION &&
		sqlite3_exec(s->db, version == 0 ? SQL_SCHEMA : SQL_FROM_1, NULL, NULL, NULL) != SQLITE_OK)
		return false;
	for (unsigned i = 0; i < STORE_STATEMENTS; i++)
		if (sqlite3_prepare_v3(s->db, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
			    &s->statements[i], NULL) != SQLITE_OK)
			return false;
	s->run = ask(s->db, "SELECT coalesce(max(run), 0) + 1 FROM runs");
	s->packets = (uint64_t)ask(s->db, "SELECT coalesce(max(packets_before + packets), 0) FROM runs");
	s->save = ask(s->db, "SELECT coalesce(max(save), 0) FROM state");
	return s->run > 0 && s->save >= 0;
}

struct store *store_open(const char *path, struct diag *d)
{
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->lock = -1;
	s->file = strdup(path);
	s->until_ns = UINT64_MAX;
	snprintf(s->path, sizeof s->path, "%s", path);
	if (s->file && open_good(s, path, d)) {
		if (set_up(s))
			return s;
		store_fail(s, "cannot be made ready");
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "%s", s->error);
	}
	store_close(s);
	return NULL;
}

/* Of a file that this run made: a start that was refused leaves nothing behind. */
static bool is_unused(struct store *s)
{
	return s->is_made && s->db &&
	       ask(s->db, "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM outbox_losses)"
			  " + (SELECT number FROM outbox_last)") == 0;
}

static void end(struct store *s, bool may_remove)
{
	if (!s)
		return;
	store_forget(s);
	bool is_vain = may_remove && is_unused(s);
	int lock = s->lock;
	s->lock = -1;
	disconnect(s);
	if (is_vain)
		(void)unlink(s->file);
	if (lock >= 0)
		close(lock);
	free(s->file);
	json_tree_fini(&s->document);
	json_tree_fini(&s->old_document);
	store_values_fini(&s->now);
	store_values_fini(&s->before);
	free(s);
}

void store_close(struct store *s)
{
	end(s, false);
}

void store_close_tidily(struct store *s)
{
	end(s, true);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

uint64_t store_packets(struct store *s)
{
	return s->packets;
}

bool store_each(struct store *s, enum store_kind kind,
	void (*fn)(void *arg, const char *name, struct bytes state), void *arg)
{
	sqlite3_stmt *q = NULL;
	const char *sql = kind == STORE_BASELINE
				  ? "SELECT name, state FROM baselines ORDER BY last_seen DESC, key"
				  : "SELECT id, record FROM state ORDER BY last_ns DESC, sequence";
	int got = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
	while (got == SQLITE_OK || got == SQLITE_ROW) {
		got = sqlite3_step(q);
		if (got == SQLITE_ROW)
			fn(arg, (const char *)sqlite3_column_text(q, 0),
				bytes_of(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1)));
	}
	sqlite3_finalize(q);
	return got == SQLITE_DONE || store_fail(s, "cannot be read");
}
