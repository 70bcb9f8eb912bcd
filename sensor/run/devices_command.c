#include "run/devices_command.h"

#include "decide/types.h"
#include "run/asking.h"
#include "run/options.h"
#include "run/store.h"

#include <errno.h>
#include <stdlib.h>

static const struct asking_option rows[] = {
#define DEVICES_OPTION(name, argument, sentence) { name, argument, sentence },
#include "run/devices.def"
#undef DEVICES_OPTION
};

enum { TABLE_COLUMNS = 8 };
enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct wish {
	const char *state, *maker;
	const char *type; /* a key of types.def */
	long vlan;        /* -1: any */
	char since[TIME_TEXT];
	enum format format;
	bool help;
};

#define wrong(...) asking_wrong("devices", __VA_ARGS__)

/* ---- what is asked for ----------------------------------------------------------------------------------
 */

static bool want_type(struct wish *w, const char *text)
{
	const char *names[256];
	size_t n = 0;
	for (size_t i = 0; i < type_rows_n; i++) {
		if (strcmp(type_rows[i].key, text) == 0 || bytes_isi(bytes_str(text), type_rows[i].words))
			w->type = type_rows[i].key;
		if (n < sizeof names / sizeof *names)
			names[n++] = type_rows[i].key;
	}
	if (w->type)
		return true;
	const char *near = diag_nearest(bytes_str(text), names, n);
	return near ? wrong("--type %s: there is no such type; is %s meant?", text, near)
		    : wrong("--type %s: there is no such type", text);
}

static bool want_vlan(struct wish *w, const char *text)
{
	char *end;
	w->vlan = strtol(text, &end, 10);
	return (ascii_digit(*text) && !*end && w->vlan >= 1 && w->vlan <= 4094) ||
	       wrong("--vlan %s: a number from 1 to 4094 is needed", text);
}

static bool want_format(struct wish *w, enum format f)
{
	if (w->format != FORMAT_TABLE && w->format != f)
		return wrong("--json and --csv: one of the two");
	w->format = f;
	return true;
}

static bool take(void *arg, const char *name, const char *value)
{
	struct wish *w = arg;
	if (strcmp(name, "state") == 0)
		w->state = value;
	else if (strcmp(name, "type") == 0)
		return want_type(w, value);
	else if (strcmp(name, "maker") == 0)
		w->maker = value;
	else if (strcmp(name, "vlan") == 0)
		return want_vlan(w, value);
	else if (strcmp(name, "since") == 0)
		return asking_since("devices", value, w->since);
	else if (strcmp(name, "json") == 0)
		return want_format(w, FORMAT_JSON);
	else if (strcmp(name, "csv") == 0)
		return want_format(w, FORMAT_CSV);
	else
		w->help = true;
	return true;
}

/* ---- asking the file --------------------------------------------------------------------------------------
 */

/* The order of the page. */
static void type_rank(sqlite3_context *c, int n, sqlite3_value **v)
{
	const char *key = n == 1 ? (const char *)sqlite3_value_text(v[0]) : NULL;
	const struct type_row *row = type_find(bytes_str(key ? key : ""));
	int rank = (int)(row ? row - type_rows : (ptrdiff_t)type_rows_n);
	sqlite3_result_int(c, row ? (int)row->group * 1000 + rank : INT32_MAX);
}

/* The address to call a device by is chosen as device_address does. */
#define ADDRESS_OF(table)                                                                                    \
	"SELECT value FROM json_each(" table ".document, '$.host.ip') ORDER BY instr(value, ':') > 0,"       \
	" value LIKE '169.254.%' OR value LIKE 'fe80:%', key LIMIT 1"
#define ALL_OF(kind)                                                                                         \
	"SELECT group_concat(address, ' ') FROM addresses WHERE device = d.id AND kind = '" kind "'"

static const char columns_sql[] =
	"SELECT d.document, d.id, d.type, d.confidence, d.maker, d.model,"
	" coalesce(d.version, 'OS ' || (d.document ->> '$.host.os.name') ||"
	" coalesce(' ' || (d.document ->> '$.host.os.version'), '')), d.name"
	", (" ADDRESS_OF("d") "), (" ADDRESS_OF("b") "), (" ALL_OF("ip") "), (" ALL_OF("mac") "), (" ALL_OF(
		"vlan") "), d.router, d.behind, d.first_seen, d.last_seen,"
			" d.document ->> '$.wardwatch.attributes.mac.vendor.value'"
			" FROM devices AS d LEFT JOIN state AS s ON s.id = d.id LEFT JOIN devices AS b ON "
			"b.id = d.behind"
			" WHERE (?1 IS NULL OR d.type = ?1)"
			" AND (?2 IS NULL OR instr(lower(d.maker), lower(?2)) > 0)"
			" AND (?3 < 0 OR EXISTS (SELECT 1 FROM addresses WHERE device = d.id AND kind = "
			"'vlan'"
			" AND address = CAST(?3 AS TEXT)))"
			" AND d.last_seen >= ?4 ORDER BY type_rank(d.type), s.sequence";

enum column {
	COL_DOCUMENT,
	COL_ID,
	COL_TYPE,
	COL_CONFIDENCE,
	COL_MAKER,
	COL_MODEL,
	COL_VERSION,
	COL_NAME,
	COL_ADDRESS,
	COL_VIA,
	COL_IPS,
	COL_MACS,
	COL_VLANS,
	COL_ROUTER,
	COL_BEHIND,
	COL_FIRST,
	COL_LAST,
	COL_CARD
};

static struct bytes column(sqlite3_stmt *q, enum column c)
{
	return asking_column(q, (int)c);
}

/* ---- showing ----------------------------------------------------------------------------------------------
 */

static void csv_field(struct bytes v, bool first)
{
	/* Escaped as on the page; a formula would be run by who opens the file in a spreadsheet. */
	char text[2048];
	bool formula = v.n && strchr("=+-@", v.p[0]);
	term_escape(v, text, sizeof text);
	fputs(first ? "\"" : ",\"", stdout);
	if (formula)
		putchar('\'');
	for (const char *c = text; *c; c++) {
		if (*c == '"')
			putchar('"');
		putchar(*c);
	}
	putchar('"');
}

static void csv_row(sqlite3_stmt *q)
{
	static const enum column fields[] = { COL_ID, COL_TYPE, COL_CONFIDENCE, COL_MAKER, COL_MODEL,
		COL_VERSION, COL_NAME, COL_IPS, COL_MACS, COL_VLANS, COL_ROUTER, COL_BEHIND, COL_FIRST,
		COL_LAST };
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		csv_field(column(q, fields[i]), i == 0);
	fputs("\r\n", stdout); /* RFC 4180 */
}

static void maker_cell(char out[CELL], sqlite3_stmt *q)
{
	char maker[CELL / 2], model[CELL / 2 - 1];
	struct bytes a = column(q, COL_MAKER), b = column(q, COL_MODEL), card = column(q, COL_CARD);
	term_escape(a, maker, sizeof maker);
	term_escape(b, model, sizeof model);
	if (a.n || b.n)
		snprintf(out, CELL, "%s%s%s", maker, a.n && b.n ? " " : "", b.n ? model : " (model unknown)");
	else
		asking_cell(out, card.n ? "network card: " : "-", card, "");
}

static void address_cell(char out[CELL], sqlite3_stmt *q)
{
	struct bytes ip = column(q, COL_ADDRESS), via = column(q, COL_VIA), macs = column(q, COL_MACS);
	struct bytes all = column(q, COL_IPS);
	size_t others = 0;
	for (size_t i = 0; i < all.n; i++)
		others += all.p[i] == ' ';
	if (ip.n == 0) {
		struct bytes mac = bytes_first(macs, bytes_chr(macs, 0, ' '));
		asking_cell(out, via.n ? "via " : mac.n ? "" : "-", via.n ? via : mac, "");
		return;
	}
	asking_cell(out, "", ip, "");
	if (others)
		snprintf(out + strlen(out), CELL - strlen(out), " +%zu", others);
}

static void vlan_cell(char out[CELL], sqlite3_stmt *q)
{
	struct bytes all = column(q, COL_VLANS);
	size_t first = bytes_chr(all, 0, ' '), second = bytes_chr(all, first + 1, ' ');
	asking_cell(out, all.n ? "" : "-", bytes_first(all, second), second < all.n ? "..." : "");
	char *blank = strchr(out, ' ');
	if (blank)
		*blank = ',';
}

static bool table_row(struct asking_table *t, sqlite3_stmt *q)
{
	char(*out)[CELL] = asking_row(t, TABLE_COLUMNS);
	if (!out)
		return false;
	const struct type_row *type = type_find(column(q, COL_TYPE));
	bool router = sqlite3_column_int(q, COL_ROUTER) && (!type || type->group == GROUP_UNKNOWN);
	struct bytes version = column(q, COL_VERSION), name = column(q, COL_NAME);
	asking_cell(out[0], "", bytes_str(type ? type->words : "unknown"), router ? " (router)" : "");
	maker_cell(out[1], q);
	asking_cell(out[2], version.n ? "" : "-", version, "");
	address_cell(out[3], q);
	vlan_cell(out[4], q);
	asking_cell(out[5], "", column(q, COL_CONFIDENCE), "%");
	/* To the minute; the bytes behind it are in --csv. */
	asking_cell(out[6], "", bytes_first(column(q, COL_LAST), sizeof "2026-03-01T08:00" - 1), "");
	bool is_named = !bytes_eq(name, column(q, COL_ADDRESS));
	asking_cell(out[7], is_named ? "" : "-", is_named ? name : bytes_of("", 0), "");
	return true;
}

static void print_table(const struct asking_table *t)
{
	static const struct columns columns = { .n = TABLE_COLUMNS,
		.heads = { "TYPE", "MAKER AND MODEL", "VERSION", "ADDRESS", "VLAN", "SURE", "LAST SEEN (UTC)",
			"NAME" },
		.most = { 24, 44, 24, ADDR_TEXT, 9, 4, 16, 70 },
		.least = { 8, 14, 6, 7, 4, 4, 16, 6 },
		.gives = { 7, 1, 2, 0 },
		.n_gives = 4,
		.numbers = 1u << 4 | 1u << 5 };
	struct term term;
	char n[TERM_NUMBER];
	term_init(&term, stdout);
	printf("DEVICES  %s\n", term_number(t->n, n));
	columns_print(&term, &columns, t->cells, t->n);
}

static bool show(sqlite3 *db, const struct wish *w)
{
	struct asking_table t = { 0 };
	sqlite3_stmt *q = NULL;
	int got = sqlite3_create_function(db, "type_rank", 1, SQLITE_UTF8, NULL, type_rank, NULL, NULL);
	bool fine = got == SQLITE_OK && sqlite3_prepare_v2(db, columns_sql, -1, &q, NULL) == SQLITE_OK;
	sqlite3_bind_text(q, 1, w->type, -1, SQLITE_STATIC);
	sqlite3_bind_text(q, 2, w->maker, -1, SQLITE_STATIC);
	sqlite3_bind_int64(q, 3, w->vlan);
	sqlite3_bind_text(q, 4, w->since, -1, SQLITE_STATIC);
	if (w->format == FORMAT_CSV)
		fputs("id,type,confidence,maker,model,version,name,ip,mac,vlan,router,behind,first_seen,"
		      "last_seen\r\n",
			stdout);
	while (fine && (got = sqlite3_step(q)) == SQLITE_ROW) {
		struct bytes document = column(q, COL_DOCUMENT);
		if (w->format == FORMAT_TABLE)
			fine = table_row(&t, q);
		else if (w->format == FORMAT_CSV)
			csv_row(q);
		else
			printf("%.*s\n", (int)document.n, (const char *)document.p);
	}
	if (fine && got == SQLITE_DONE && w->format == FORMAT_TABLE)
		print_table(&t);
	if (!fine || got != SQLITE_DONE)
		wrong("%s: cannot be read: %s", w->state, sqlite3_errmsg(db));
	sqlite3_finalize(q);
	free(t.cells);
	return fine && got == SQLITE_DONE;
}

int devices_command(int argc, char **argv)
{
	struct wish w = { .state = STORE_DEFAULT, .vlan = -1 };
	const struct asking a = { .command = "devices",
		.about = "The devices that a state file knows.",
		.options = rows,
		.n_options = sizeof rows / sizeof *rows,
		.take = take,
		.arg = &w };
	sqlite3 *db = NULL;
	if (!asking_parse(&a, argc, argv))
		return EXIT_WRONG;
	if (w.help)
		return asking_help(&a);
	bool fine = asking_open(a.command, w.state, &db) && show(db, &w);
	sqlite3_close(db);
	if (fflush(stdout) != 0)
		fine = wrong("standard output: writing failed: %s", strerror(errno));
	return fine ? EXIT_GOOD : EXIT_WRONG;
}
