/* The page of `wardwatch status`. What it reads came through a socket: it is shown escaped, and whatever is
 * not there is 0. */
#include "run/options.h"
#include "run/status_command.h"
#include "run/term.h"

#include "base/yaml.h"

/* JSON is YAML (1.2, section 1.3). */
struct moment {
	struct yaml_file file;
	const struct yaml_node *root;
};

static bool moment_read(struct moment *m, struct bytes text)
{
	struct diag d = { 0 };
	bool ok = yaml_parse("status", text, &m->file, &d) && m->file.n == 1;
	m->root = ok ? m->file.docs[0] : NULL;
	diag_free(&d);
	return ok && m->root->type == YAML_MAP && yaml_get(m->root, "counters");
}

/* section "" or a top key; NULL: there is none. */
static const struct yaml_node *node(const struct moment *m, const char *section, const char *key)
{
	const struct yaml_node *map = *section ? yaml_get(m->root, section) : m->root;
	return map && map->type == YAML_MAP ? yaml_get(map, key) : NULL;
}

static double number_of(const struct yaml_node *n)
{
	bool is = n && (n->type == YAML_INT || n->type == YAML_FLOAT || n->type == YAML_BOOL);
	return !is ? 0 : n->type == YAML_BOOL ? (double)n->integer : n->number;
}

static double number(const struct moment *m, const char *section, const char *key)
{
	return number_of(node(m, section, key));
}

static size_t rows(const struct moment *m, const char *section, const char *key)
{
	const struct yaml_node *list = node(m, section, key);
	return list && list->type == YAML_LIST ? list->n : 0;
}

static const struct yaml_node *item(const struct moment *m, const char *section, const char *key, size_t i)
{
	return i < rows(m, section, key) ? node(m, section, key)->items[i] : NULL;
}

static uint64_t count(double v)
{
	return v >= 1 && v < 1e18 ? (uint64_t)v : 0;
}

enum { WORD = 128 };

static const char *word(const struct yaml_node *n, char out[WORD])
{
	bool is = n && n->text;
	(void)term_escape(is ? yaml_text(n) : bytes_str("?"), out, WORD);
	return out;
}

/* ---- lines ----------------------------------------------------------------------------------------- */

static const char *digits(double v, char out[TERM_NUMBER])
{
	return term_number(count(v), out);
}

static void put_since(FILE *out, double idle)
{
	char b[TERM_NUMBER];
	if (idle < 0)
		fputs("none yet", out);
	else
		fprintf(out, "the last one %s ago", term_duration((uint64_t)(idle * 1e9), b));
}

static double rate(const struct moment *before, const struct moment *now, const char *counter)
{
	double s = number(now, "", "uptime_seconds") - number(before, "", "uptime_seconds");
	double n = number(now, "counters", counter) - number(before, "counters", counter);
	return s > 0 && n > 0 ? n / s : 0; /* not if it was restarted between the two */
}

static void put_packets(FILE *out, const struct moment *before, const struct moment *now)
{
	char a[TERM_NUMBER], b[TERM_NUMBER];
	fprintf(out, "Packets     %s; now %s a second, %.1f Mbit/s; ",
		digits(number(now, "counters", "packets"), a), digits(rate(before, now, "packets"), b),
		rate(before, now, "bytes") * 8 / 1e6);
	put_since(out, number(now, "", "idle_seconds"));
	fputc('\n', out);
}

static void put_loss(FILE *out, const struct moment *m)
{
	char a[TERM_NUMBER], b[TERM_NUMBER], c[TERM_NUMBER];
	double dropped = 0, read = number(m, "counters", "packets");
	for (size_t i = 0; i < rows(m, "interfaces", "dropped"); i++)
		dropped += number_of(item(m, "interfaces", "dropped", i));
	fprintf(out, "Lost        %s packets (%.2f %%), %s events, %s bytes in holes of TCP\n",
		digits(dropped, a), dropped > 0 ? 100 * dropped / (dropped + read) : 0,
		digits(number(m, "counters", "events_lost"), b),
		digits(number(m, "counters", "gap_bytes"), c));
}

static void put_interfaces(FILE *out, const struct moment *m)
{
	char name[WORD], a[TERM_NUMBER], b[TERM_NUMBER];
	for (size_t i = 0; i < rows(m, "interfaces", "name"); i++) {
		fprintf(out, "%-11s %s, %s packets, %s dropped; ",
			word(item(m, "interfaces", "name", i), name),
			count(number_of(item(m, "interfaces", "up", i))) ? "up" : "down",
			digits(number_of(item(m, "interfaces", "packets", i)), a),
			digits(number_of(item(m, "interfaces", "dropped", i)), b));
		put_since(out, number_of(item(m, "interfaces", "idle_seconds", i)));
		fputc('\n', out);
	}
}

static double percent(const struct moment *m, const char *section, const char *used, const char *of, size_t i)
{
	double whole = number_of(item(m, section, of, i));
	return whole > 0 ? 100 * number_of(item(m, section, used, i)) / whole : 0;
}

static void put_workers(FILE *out, const struct moment *m)
{
	char a[TERM_NUMBER];
	for (size_t i = 0; i < rows(m, "workers", "packets"); i++)
		fprintf(out, "Worker %-4zu %s packets, its ring %.0f %% full\n", i + 1,
			digits(number_of(item(m, "workers", "packets", i)), a),
			percent(m, "workers", "ring_used", "ring_bytes", i));
}

static void put_tables(FILE *out, const struct moment *m)
{
	char name[WORD], a[TERM_NUMBER], b[TERM_NUMBER];
	for (size_t i = 0; i < rows(m, "tables", "name"); i++)
		fprintf(out, "%-11s %s of %s %s (%.0f %%)\n", i ? "" : "Tables",
			digits(number_of(item(m, "tables", "used", i)), a),
			digits(number_of(item(m, "tables", "capacity", i)), b),
			word(item(m, "tables", "name", i), name),
			percent(m, "tables", "used", "capacity", i));
}

/* A full table is loss too. */
static void put_full(FILE *out, const struct moment *m)
{
	const struct yaml_node *full = node(m, "", "full");
	char name[WORD], a[TERM_NUMBER];
	for (size_t i = 0; full && full->type == YAML_MAP && i < full->n; i++)
		fprintf(out, "%-11s limits.%s, %s times\n", i ? "" : "Full", word(full->keys[i], name),
			digits(number_of(full->items[i]), a));
}

static void put_judged(FILE *out, const struct moment *m)
{
	char a[TERM_NUMBER], b[TERM_NUMBER], text[WORD];
	fprintf(out, "Devices     %s\nAlerts      %s, and %s repeats\n", digits(number(m, "", "devices"), a),
		digits(number(m, "counters", "alerts"), b),
		digits(number(m, "counters", "alerts_folded"), text));
	fprintf(out, "Policies    %s rules", digits(number(m, "policies", "rules"), a));
	if (number(m, "policies", "left_out") > 0)
		fprintf(out, ", %s left out", digits(number(m, "policies", "left_out"), b));
	fprintf(out, ", read %s%s\n", word(node(m, "policies", "read"), text),
		number(m, "policies", "reload_failed") > 0 ? "; the last reload failed, so these stayed"
							   : "");
	char memory[2 * WORD] = "";
	const struct yaml_node *said = node(m, "memory", "text");
	if (said && said->text)
		(void)term_escape(yaml_text(said), memory, sizeof memory);
	fprintf(out, "Memory      %s\n", memory);
}

/* Of each output whether it takes what there is, and what is wrong. */
static void put_shipping(FILE *out, const struct moment *m)
{
	char a[TERM_NUMBER], b[TERM_NUMBER], name[WORD], problem[2 * WORD];
	if (rows(m, "outputs", "name") == 0)
		return;
	fprintf(out, "Outbox      %s waiting", digits(number(m, "outbox", "waiting"), a));
	if (number(m, "outbox", "waiting") > 0)
		fprintf(out, ", the oldest for %.0f s", number(m, "outbox", "oldest_seconds"));
	if (number(m, "outbox", "lost") > 0)
		fprintf(out, "; %s LOST", digits(number(m, "outbox", "lost"), b));
	fputc('\n', out);
	for (size_t i = 0; i < rows(m, "outputs", "name"); i++) {
		const struct yaml_node *said = item(m, "outputs", "problem", i);
		(void)term_escape(
			said && said->text ? yaml_text(said) : bytes_str("-"), problem, sizeof problem);
		fprintf(out, "%-11s %s, %s sent, %s waiting%s%s\n", word(item(m, "outputs", "name", i), name),
			number_of(item(m, "outputs", "connected", i)) > 0 ? "connected" : "NOT CONNECTED",
			digits(number_of(item(m, "outputs", "sent", i)), a),
			digits(number_of(item(m, "outputs", "waiting", i)), b),
			strcmp(problem, "-") == 0 ? "" : ": ", strcmp(problem, "-") == 0 ? "" : problem);
	}
}

bool status_page(struct bytes before, struct bytes now, FILE *out)
{
	struct moment then = { .root = NULL }, m = { .root = NULL };
	bool ok = moment_read(&then, before);
	ok = moment_read(&m, now) && ok;
	if (ok) {
		char name[WORD], version[WORD], up[TERM_NUMBER];
		double seconds = number(&m, "", "uptime_seconds");
		fprintf(out, "%s: wardwatch %s, up for %s\n\n", word(node(&m, "", "sensor"), name),
			word(node(&m, "", "version"), version),
			term_duration(seconds > 0 && seconds < 1e9 ? (uint64_t)(seconds * 1e9) : 0, up));
		put_packets(out, &then, &m);
		put_loss(out, &m);
		put_interfaces(out, &m);
		put_workers(out, &m);
		put_tables(out, &m);
		put_full(out, &m);
		put_judged(out, &m);
		put_shipping(out, &m);
	}
	yaml_fini(&then.file);
	yaml_fini(&m.file);
	return ok;
}
