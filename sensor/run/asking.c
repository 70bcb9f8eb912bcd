#include "run/asking.h"

#include "run/options.h"
#include "run/store.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUSY_MS = 5000 };

bool asking_wrong(const char *command, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "wardwatch: %s: ", command);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return false;
}

/* ---- what is asked for --------------------------------------------------------------------------------- */

bool asking_parse(const struct asking *a, int argc, char **argv)
{
	struct option longs[ASKING_OPTIONS + 1] = { { 0 } };
	for (size_t i = 0; i < a->n_options; i++)
		longs[i] = (struct option){ a->options[i].name,
			*a->options[i].argument ? required_argument : no_argument, NULL, (int)i + 1 };
	optind = 0;
	opterr = 0;
	for (int got; (got = getopt_long(argc, argv, ":h", longs, NULL)) != -1;) {
		if (got == '?' || got == ':')
			return asking_wrong(a->command, "%s %s (--help lists the options)", argv[optind - 1],
				got == ':' ? "needs an argument" : "is not an option");
		if (!a->take(a->arg, got == 'h' ? "help" : a->options[got - 1].name, optarg))
			return false;
	}
	return optind == argc ||
	       asking_wrong(a->command, "%s: no such word (--help lists the options)", argv[optind]);
}

int asking_help(const struct asking *a)
{
	printf("Usage: wardwatch %s [options]\n%s\n\n", a->command, a->about);
	for (size_t i = 0; i < a->n_options; i++)
		printf("  --%s%s%-*s %s\n", a->options[i].name, *a->options[i].argument ? " " : "",
			(int)(14 - strlen(a->options[i].name) - (*a->options[i].argument != 0)),
			a->options[i].argument, a->options[i].sentence);
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_WRONG;
}

static bool is_like(const char *text, const char *form)
{
	for (; *text && *form; text++, form++)
		if (*form == '0' ? !ascii_digit(*text) : *text != *form)
			return false;
	return *text == *form;
}

/* 24h, 7d: so long ago. */
static bool so_long_ago(const char *text, char out[TIME_TEXT])
{
	static const struct {
		char unit;
		long seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	char *end;
	long n = strtol(text, &end, 10);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (ascii_digit(*text) && n > 0 && n < 100000 && end[0] == units[i].unit && !end[1]) {
			time_t then = time(NULL) - n * units[i].seconds;
			time_text(then > 0 ? (uint64_t)then * 1000000000u : 0, out);
			return true;
		}
	return false;
}

/* Times are compared as text: what is left out of one sorts before all that begins with it. */
bool asking_since(const char *command, const char *text, char out[TIME_TEXT])
{
	static const char *const forms[] = { "0000-00-00", "0000-00-00T00:00", "0000-00-00T00:00:00",
		"0000-00-00T00:00Z", "0000-00-00T00:00:00Z", "0000-00-00T00:00:00.000000Z" };
	if (so_long_ago(text, out))
		return true;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (is_like(text, forms[i])) {
			snprintf(out, TIME_TEXT, "%s", text);
			size_t n = strlen(out);
			if (n < TIME_TEXT - 1 && out[n - 1] == 'Z')
				out[n - 1] = 0;
			return true;
		}
	return asking_wrong(
		command, "--since %s: a time like 2026-03-01 or 2026-03-01T14:30, or 24h or 7d", text);
}

/* ---- the file ------------------------------------------------------------------------------------------ */

int64_t asking_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;
	int64_t v = -1;
	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
		v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return v;
}

static bool is_there(const char *path, const char *beside)
{
	char *name;
	struct stat st;
	if (asprintf(&name, "%s%s", path, beside) < 0)
		return true;
	bool there = stat(name, &st) == 0 && st.st_size > 0;
	free(name);
	return there;
}

/* SQLite makes files beside one that had a log, to read it too. Where we may not, it is read as a file that
 * nobody writes: nobody does when they are not there. */
static bool connect_db(sqlite3 **db, const char *path)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	bool is_still = access(path, W_OK) != 0 && !is_there(path, "-wal") && !is_there(path, "-shm");
	char *uri;
	if (!is_still || path[strcspn(path, "%?#")] || asprintf(&uri, "file:%s?immutable=1", path) < 0)
		return sqlite3_open_v2(path, db, flags, NULL) == SQLITE_OK;
	int got = sqlite3_open_v2(uri, db, flags | SQLITE_OPEN_URI, NULL);
	free(uri);
	return got == SQLITE_OK;
}

bool asking_open(const char *command, const char *path, sqlite3 **db)
{
	if (access(path, R_OK) != 0)
		return asking_wrong(command, "%s: %s; --state names the file", path, strerror(errno));
	if (!connect_db(db, path) || sqlite3_busy_timeout(*db, BUSY_MS) != SQLITE_OK)
		return asking_wrong(command, "%s: cannot be opened: %s", path,
			*db ? sqlite3_errmsg(*db) : "out of memory");
	int64_t id = asking_number(*db, "PRAGMA application_id");
	int64_t version = asking_number(*db, "PRAGMA user_version");
	if (id < 0)
		return asking_wrong(command, "%s: cannot be read: %s", path, sqlite3_errmsg(*db));
	if (id != STORE_APPLICATION)
		return asking_wrong(command, "%s: is no state file of wardwatch", path);
	return version <= STORE_VERSION ||
	       asking_wrong(command, "%s: was written by a newer wardwatch", path);
}

struct bytes asking_column(sqlite3_stmt *q, int column)
{
	const unsigned char *p = sqlite3_column_text(q, column);
	return bytes_of(p ? (const char *)p : "", p ? (size_t)sqlite3_column_bytes(q, column) : 0);
}

/* ---- the table ----------------------------------------------------------------------------------------- */

char (*asking_row(struct asking_table *t, unsigned columns))[CELL]
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		void *bigger = realloc(t->cells, cap * columns * sizeof *t->cells);
		if (!bigger)
			return NULL;
		t->cells = bigger;
		t->cap = cap;
	}
	return t->cells + t->n++ * columns;
}

void asking_cell(char out[CELL], const char *before, struct bytes v, const char *behind)
{
	char text[CELL - 16];
	term_escape(v, text, sizeof text);
	snprintf(out, CELL, "%s%s%s", before, text, behind);
}
