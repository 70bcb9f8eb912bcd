#include "run/alerts_command.h"

#include "run/asking.h"
#include "run/options.h"
#include "run/outbox.h"
#include "run/store.h"

#include <errno.h>
#include <stdlib.h>

static const struct asking_option rows[] = {
#define ALERTS_OPTION(name, argument, sentence) { name, argument, sentence },
#include "run/alerts.def"
#undef ALERTS_OPTION
};

enum {
	TABLE_LAST = 100,
	TABLE_FIRST = 4 /* columns before those of the outputs */,
	SIDE = 78,
	NAME_COLUMNS = 8,
	LEVEL_COLUMNS = 13
};

struct wish {
	const char *state;
	const char *class; /* NULL: all */
	unsigned level;    /* enum level */
	char since[TIME_TEXT];
	int64_t last; /* -1: all; 0: as the form has it */
	bool waiting, json, help;
};

struct output {
	char *name;
	int64_t start, cursor; /* it has what is behind the one, up to the other */
	int64_t waiting, oldest_ms;
};

struct outputs {
	struct output o[OUTBOX_OUTPUTS];
	size_t n;
};

#define wrong(...) asking_wrong("alerts", __VA_ARGS__)

/* ---- what is asked for --------------------------------------------------------------------------------- */

static bool want_one_of(
	const char *option, const char *text, const char *const *names, unsigned n, unsigned *out)
{
	for (*out = 0; *out < n; ++*out)
		if (strcmp(names[*out], text) == 0)
			return true;
	const char *near = diag_nearest(bytes_str(text), names, n);
	return near ? wrong("--%s %s: there is no such %s; is %s meant?", option, text, option, near)
		    : wrong("--%s %s: there is no such %s", option, text, option);
}

static bool want_level(struct wish *w, const char *text)
{
	const char *names[LEVELS];
	for (unsigned v = 0; v < LEVELS; v++)
		names[v] = level_name(v);
	return want_one_of("level", text, names, LEVELS, &w->level);
}

static bool want_class(struct wish *w, const char *text)
{
	const char *names[OUTBOX_CLASSES + 1];
	unsigned at;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		names[c] = outbox_class_name(c);
	names[OUTBOX_CLASSES] = "all";
	if (!want_one_of("class", text, names, OUTBOX_CLASSES + 1, &at))
		return false;
	w->class = at < OUTBOX_CLASSES ? names[at] : NULL;
	return true;
}

static bool want_last(struct wish *w, const char *text)
{
	char *end;
	w->last = strtol(text, &end, 10);
	return (ascii_digit(*text) && !*end && w->last > 0 && w->last <= INT32_MAX) ||
	       wrong("--last %s: a number is needed, 1 or more", text);
}

static bool take(void *arg, const char *name, const char *value)
{
	struct wish *w = arg;
	if (strcmp(name, "state") == 0)
		w->state = value;
	else if (strcmp(name, "level") == 0)
		return want_level(w, value);
	else if (strcmp(name, "since") == 0)
		return asking_since("alerts", value, w->since);
	else if (strcmp(name, "class") == 0)
		return want_class(w, value);
	else if (strcmp(name, "last") == 0)
		return want_last(w, value);
	else if (strcmp(name, "waiting") == 0)
		w->waiting = true;
	else if (strcmp(name, "json") == 0)
		w->json = true;
	else
		w->help = true;
	return true;
}

/* ---- asking the file ----------------------------------------------------------------------------------- */

/* All is asked in one transaction: a running sensor goes on beside it. The last N are found from the end. */
static const char columns_sql[] =
	"SELECT * FROM (SELECT number, class, level, id, document, document ->> '$.\"@timestamp\"',"
	" coalesce(document ->> '$.rule.name', document ->> '$.message', document ->> '$.event.action'),"
	" iif(document ->> '$.wardwatch.closing', document ->> '$.wardwatch.count', NULL),"
	" document ->> '$.wardwatch.source.device.name',"
	" coalesce(document ->> '$.source.ip', document ->> '$.source.mac'),"
	" document ->> '$.wardwatch.destination.device.name',"
	" coalesce(document ->> '$.destination.ip', document ->> '$.destination.mac'),"
	" document ->> '$.destination.port',"
	" coalesce(document ->> '$.wardwatch.device.name', document ->> '$.device.id',"
	" document ->> '$.observer.name'), document ->> '$.host.ip[0]'"
	" FROM outbox WHERE (?1 IS NULL OR class = ?1) AND level_rank(level) >= ?2 AND number > ?3"
	" AND (?4 = '' OR document ->> '$.\"@timestamp\"' >= ?4) ORDER BY number DESC LIMIT ?5) ORDER BY 1";

enum column {
	COL_NUMBER,
	COL_CLASS,
	COL_LEVEL,
	COL_ID,
	COL_DOCUMENT,
	COL_TIME,
	COL_WHAT,
	COL_TIMES, /* of a closing document */
	COL_FROM_NAME,
	COL_FROM,
	COL_TO_NAME,
	COL_TO,
	COL_TO_PORT,
	COL_DEVICE, /* of documents about no conversation */
	COL_DEVICE_IP
};

static void level_rank(sqlite3_context *c, int n, sqlite3_value **v)
{
	const char *name = n == 1 ? (const char *)sqlite3_value_text(v[0]) : NULL;
	int rank = 0;
	for (unsigned l = 0; name && l < LEVELS; l++)
		if (strcmp(level_name(l), name) == 0)
			rank = (int)l;
	sqlite3_result_int(c, rank);
}

static bool take_outputs(sqlite3 *db, struct outputs *all)
{
	sqlite3_stmt *q = NULL;
	int got = sqlite3_prepare_v2(db,
		"SELECT name, start, cursor, (SELECT count(*) FROM outbox INDEXED BY outbox_by WHERE number "
		"> "
		"cursor), (SELECT came FROM outbox WHERE number > cursor ORDER BY number LIMIT 1)"
		" FROM outbox_outputs WHERE used ORDER BY name",
		-1, &q, NULL);
	while (got == SQLITE_OK || got == SQLITE_ROW) {
		got = sqlite3_step(q);
		if (got != SQLITE_ROW || all->n == OUTBOX_OUTPUTS)
			break;
		struct output *o = &all->o[all->n];
		o->name = strdup((const char *)sqlite3_column_text(q, 0));
		o->start = sqlite3_column_int64(q, 1);
		o->cursor = sqlite3_column_int64(q, 2);
		o->waiting = sqlite3_column_int64(q, 3);
		o->oldest_ms = sqlite3_column_int64(q, 4);
		all->n += o->name != NULL;
	}
	sqlite3_finalize(q);
	return got == SQLITE_DONE || got == SQLITE_ROW;
}

/* Up to there every output has all. */
static int64_t everywhere(const struct outputs *all)
{
	int64_t least = all->n ? all->o[0].cursor : INT64_MAX;
	for (size_t i = 1; i < all->n; i++)
		least = all->o[i].cursor < least ? all->o[i].cursor : least;
	return least;
}

/* ---- showing ------------------------------------------------------------------------------------------- */

static const char *delivery(const struct output *o, int64_t number)
{
	return number > o->cursor ? "waiting" : number > o->start ? "delivered" : "before";
}

static void json_text_out(struct bytes v)
{
	uint8_t text[6 * 256];
	v = bytes_first(v, sizeof text / 6);
	printf("\"%.*s\"", (int)json_escape(v, text), (const char *)text);
}

/* The document is as it was sent, byte for byte. */
static void print_object(sqlite3_stmt *q, const struct outputs *all)
{
	int64_t number = sqlite3_column_int64(q, COL_NUMBER);
	struct bytes document = asking_column(q, COL_DOCUMENT);
	printf("{\"class\":");
	json_text_out(asking_column(q, COL_CLASS));
	printf(",\"delivery\":{");
	for (size_t i = 0; i < all->n; i++) {
		fputs(i ? "," : "", stdout);
		json_text_out(bytes_str(all->o[i].name));
		printf(":\"%s\"", delivery(&all->o[i], number));
	}
	printf("},\"document\":%.*s,\"id\":", (int)document.n, (const char *)document.p);
	json_text_out(asking_column(q, COL_ID));
	printf(",\"level\":");
	json_text_out(asking_column(q, COL_LEVEL));
	printf(",\"number\":%lld}\n", (long long)number);
}

/* RADWS1 (10.60.50.102:104), or the address alone. Two of them are less than a cell. */
static void side(char out[SIDE], struct bytes name, struct bytes address, struct bytes port)
{
	char a[40], n[28], p[6];
	bool is_named = name.n && !bytes_eq(name, address), is_both = is_named && address.n;
	bool is_v6 = bytes_chr(address, 0, ':') < address.n && port.n;
	term_escape(address, a, sizeof a);
	term_escape(name, n, sizeof n);
	term_escape(port, p, sizeof p);
	snprintf(out, SIDE, "%s%s%s%s%s%s%s%s", is_named ? n : "", is_both ? " (" : "", is_v6 ? "[" : "", a,
		is_v6 ? "]" : "", *p ? ":" : "", p, is_both ? ")" : "");
}

static void where_cell(char out[CELL], sqlite3_stmt *q)
{
	char from[SIDE], to[SIDE];
	struct bytes none = bytes_of("", 0); /* who began speaks from any port */
	side(from, asking_column(q, COL_FROM_NAME), asking_column(q, COL_FROM), none);
	side(to, asking_column(q, COL_TO_NAME), asking_column(q, COL_TO), asking_column(q, COL_TO_PORT));
	if (!*from && !*to)
		side(from, asking_column(q, COL_DEVICE), asking_column(q, COL_DEVICE_IP), none);
	snprintf(out, CELL, "%s%s%s", *from || *to ? from : "-", *from && *to ? " to " : "", to);
}

static bool table_row(struct asking_table *t, sqlite3_stmt *q, const struct outputs *all)
{
	char(*out)[CELL] = asking_row(t, TABLE_FIRST + (unsigned)all->n);
	char times[32] = "";
	if (!out)
		return false;
	if (sqlite3_column_type(q, COL_TIMES) != SQLITE_NULL)
		snprintf(times, sizeof times, " (%lld times)", sqlite3_column_int64(q, COL_TIMES));
	asking_cell(
		out[0], "", bytes_first(asking_column(q, COL_TIME), sizeof "2026-03-01T08:00:00" - 1), "");
	asking_cell(out[1], "", asking_column(q, COL_LEVEL), "");
	asking_cell(out[2], "", asking_column(q, COL_WHAT), times);
	where_cell(out[3], q);
	for (size_t i = 0; i < all->n; i++)
		asking_cell(out[TABLE_FIRST + i], "",
			bytes_str(delivery(&all->o[i], sqlite3_column_int64(q, COL_NUMBER))), "");
	return true;
}

static void print_table(const struct wish *w, const struct asking_table *t, const struct outputs *all)
{
	char heads[OUTBOX_OUTPUTS][CELL], n[TERM_NUMBER];
	struct columns columns = { .n = TABLE_FIRST + (unsigned)all->n,
		.heads = { "TIME (UTC)", "LEVEL", "WHAT", "WHERE" },
		.most = { 19, LEVEL_COLUMNS, 60, 90 },
		.least = { 16, 4, 16, 16 },
		.gives = { 3, 2, 0 },
		.n_gives = 3 };
	struct term term;
	for (size_t i = 0; i < all->n; i++) {
		asking_cell(heads[i], "", bytes_str(all->o[i].name), "");
		for (char *c = heads[i]; *c; c++)
			*c = (char)ascii_upper((uint8_t)*c);
		columns.heads[TABLE_FIRST + i] = heads[i];
		columns.most[TABLE_FIRST + i] = columns.least[TABLE_FIRST + i] = 16;
	}
	term_init(&term, stdout);
	printf("ALERTS  %s%s\n", (int64_t)t->n == w->last ? "the last " : "", term_number(t->n, n));
	columns_print(&term, &columns, t->cells, t->n);
}

static void print_outputs(const struct outputs *all)
{
	char since[TIME_TEXT], name[CELL], n[TERM_NUMBER];
	struct term term;
	term_init(&term, stdout);
	printf("\nOUTPUTS\n");
	if (all->n == 0)
		printf("  none whose deliveries are kept here\n");
	for (size_t i = 0; i < all->n; i++) {
		const struct output *o = &all->o[i];
		asking_cell(name, "", bytes_str(o->name), "");
		fputs("  ", stdout);
		term_cell(&term, name, NAME_COLUMNS);
		time_text((uint64_t)o->oldest_ms * 1000000u, since);
		if (o->waiting == 0)
			printf("  has all\n");
		else
			printf("  %s %s, the oldest since %.19sZ\n", term_number((uint64_t)o->waiting, n),
				o->waiting == 1 ? "waits" : "wait", since);
	}
}

static bool print_losses(sqlite3 *db)
{
	sqlite3_stmt *q = NULL;
	char class[CELL], level[CELL], n[TERM_NUMBER];
	bool any = false;
	struct term term;
	term_init(&term, stdout);
	int got = sqlite3_prepare_v2(db,
		"SELECT class, level, lost FROM outbox_losses WHERE lost > 0"
		" ORDER BY class, level_rank(level) DESC",
		-1, &q, NULL);
	while (got == SQLITE_OK || got == SQLITE_ROW) {
		got = sqlite3_step(q);
		if (got != SQLITE_ROW)
			break;
		fputs(any ? "" : "\nLOST since the file was begun: not every output had them\n", stdout);
		any = true;
		asking_cell(class, "", asking_column(q, 0), "");
		asking_cell(level, "", asking_column(q, 1), "");
		fputs("  ", stdout);
		term_cell(&term, class, NAME_COLUMNS);
		fputs("  ", stdout);
		term_cell(&term, level, LEVEL_COLUMNS);
		printf("  %s\n", term_number((uint64_t)sqlite3_column_int64(q, 2), n));
	}
	sqlite3_finalize(q);
	return got == SQLITE_DONE;
}

static bool show_all(sqlite3 *db, const struct wish *w, const struct outputs *all, struct asking_table *t)
{
	sqlite3_stmt *q = NULL;
	int got = sqlite3_prepare_v2(db, columns_sql, -1, &q, NULL);
	bool fine = got == SQLITE_OK;
	sqlite3_bind_text(q, 1, w->class, -1, SQLITE_STATIC);
	sqlite3_bind_int64(q, 2, w->level);
	sqlite3_bind_int64(q, 3, w->waiting ? everywhere(all) : 0);
	sqlite3_bind_text(q, 4, w->since, -1, SQLITE_STATIC);
	sqlite3_bind_int64(q, 5, w->last);
	while (fine && (got = sqlite3_step(q)) == SQLITE_ROW)
		if (w->json)
			print_object(q, all);
		else
			fine = table_row(t, q, all);
	sqlite3_finalize(q);
	return fine && got == SQLITE_DONE;
}

static bool show(sqlite3 *db, const struct wish *w)
{
	struct outputs all = { 0 };
	struct asking_table t = { 0 };
	bool fine = sqlite3_create_function(db, "level_rank", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
			    level_rank, NULL, NULL) == SQLITE_OK &&
		    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK && take_outputs(db, &all) &&
		    show_all(db, w, &all, &t);
	if (fine && !w->json) {
		print_table(w, &t, &all);
		print_outputs(&all);
		fine = print_losses(db);
	}
	if (!fine)
		wrong("%s: cannot be read: %s", w->state, sqlite3_errmsg(db));
	for (size_t i = 0; i < all.n; i++)
		free(all.o[i].name);
	free(t.cells);
	return fine;
}

int alerts_command(int argc, char **argv)
{
	struct wish w = { .state = STORE_DEFAULT, .class = outbox_class_name(OUTBOX_ALERT) };
	const struct asking a = { .command = "alerts",
		.about = "What was sent to a SIEM and what waits, as a state file has it.",
		.options = rows,
		.n_options = sizeof rows / sizeof *rows,
		.take = take,
		.arg = &w };
	sqlite3 *db = NULL;
	if (!asking_parse(&a, argc, argv))
		return EXIT_WRONG;
	if (w.help)
		return asking_help(&a);
	if (w.last == 0)
		w.last = w.json ? -1 : TABLE_LAST;
	bool fine = asking_open(a.command, w.state, &db);
	if (fine && asking_number(db, "PRAGMA user_version") < STORE_VERSION)
		fine = wrong("%s: is of an older wardwatch, which sent nothing", w.state);
	fine = fine && show(db, &w);
	sqlite3_close(db);
	if (fflush(stdout) != 0)
		fine = wrong("standard output: writing failed: %s", strerror(errno));
	return fine ? EXIT_GOOD : EXIT_WRONG;
}
