/* mkmanual VERSION POLICY_DIR < wardwatch.8.in > wardwatch.8: fills in the rows that the .def files hold, so
 * that the manual cannot say something else than the program does. */
#include <stdio.h>
#include <string.h>

/* Text between macro lines: a leading . or ' and every \ and - would mean something to groff. */
static void text(const char *s)
{
	for (; *s; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
	}
}

static void row(const char *head, const char *tail, const char *sentence)
{
	fputs(".TP\n.B ", stdout);
	text(head);
	if (*tail) {
		fputs(" \\fI", stdout);
		text(tail);
		fputs("\\fR", stdout);
	}
	putchar('\n');
	text(sentence);
	putchar('\n');
}

static void options(void)
{
	enum { OPT_EVENTS = 256, OPT_STATE, OPT_JSON, OPT_PRINT_CONFIG, OPT_VERSION };
	static const struct {
		int letter;
		const char *name, *argument, *sentence;
	} rows[] = {
#define OPTION(letter, name, argument, sentence) { letter, name, argument, sentence },
#include "run/options.def"
#undef OPTION
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char head[64];
		if (rows[i].letter < OPT_EVENTS)
			snprintf(head, sizeof head, "-%c, --%s", rows[i].letter, rows[i].name);
		else
			snprintf(head, sizeof head, "--%s", rows[i].name);
		row(head, rows[i].argument, rows[i].sentence);
	}
}

static void policy_commands(void)
{
#define POLICY_COMMAND(name, arguments, sentence) row(#name, arguments, sentence);
#include "run/policy.def"
#undef POLICY_COMMAND
}

static void policy_options(void)
{
	enum {
		OPT_FORMAT = 256,
		OPT_SKIPPED,
		OPT_EVENT,
		OPT_GOLDEN,
		OPT_ALERTS,
		OPT_AST,
		OPT_STRICT,
		OPT_HOST,
		OPT_DEPRECATED,
		OPT_STATUS,
		OPT_QUANTIFIER
	};
	static const struct {
		int letter;
		const char *name, *argument, *commands, *sentence;
	} rows[] = {
#define POLICY_OPTION(letter, name, argument, commands, sentence)                                            \
	{ letter, name, argument, commands, sentence },
#include "run/policy.def"
#undef POLICY_OPTION
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char head[64], said[512];
		if (rows[i].letter < OPT_FORMAT)
			snprintf(head, sizeof head, "-%c, --%s", rows[i].letter, rows[i].name);
		else
			snprintf(head, sizeof head, "--%s", rows[i].name);
		snprintf(said, sizeof said, *rows[i].commands ? "(%s) %s" : "%s%s", rows[i].commands,
			rows[i].sentence);
		row(head, rows[i].argument, said);
	}
}

static void status_options(void)
{
	char head[64];
#define STATUS_OPTION(name, argument, sentence)                                                              \
	snprintf(head, sizeof head, "--%s", name);                                                           \
	row(head, argument, sentence);
#include "run/status.def"
#undef STATUS_OPTION
}

static void devices_options(void)
{
	char head[64];
#define DEVICES_OPTION(name, argument, sentence)                                                             \
	snprintf(head, sizeof head, "--%s", name);                                                           \
	row(head, argument, sentence);
#include "run/devices.def"
#undef DEVICES_OPTION
}

static void alerts_options(void)
{
	char head[64];
#define ALERTS_OPTION(name, argument, sentence)                                                              \
	snprintf(head, sizeof head, "--%s", name);                                                           \
	row(head, argument, sentence);
#include "run/alerts.def"
#undef ALERTS_OPTION
}

static void settings(void)
{
	char said[512];
#define SETTING(key, member, type, default_text, sentence)                                                   \
	snprintf(said, sizeof said, *default_text ? "%s (default %s)" : "%s%s", sentence, default_text);     \
	row(key, "", said);
#define CHOICE(key, member, choices, default_text, sentence)                                                 \
	SETTING(key, member, CHOICE, default_text, sentence)
#include "run/settings.def"
#undef CHOICE
#undef SETTING
}

static void limits(void)
{
	char said[512];
#define LIMIT(name, def, least, most, sentence)                                                              \
	snprintf(said, sizeof said, "%s (%llu to %llu, default %llu)", sentence,                             \
		(unsigned long long)(least), (unsigned long long)(most), (unsigned long long)(def));         \
	row("limits." #name, "", said);
#include "base/limits.def"
#undef LIMIT
}

static void counters(void)
{
#define COUNTER(name, unit, sentence) row(#name, "", sentence);
#include "base/counters.def"
#undef COUNTER
}

int main(int argc, char **argv)
{
	static const struct {
		const char *mark;
		void (*fill)(void);
	} parts[] = { { "@OPTIONS@\n", options }, { "@POLICY_COMMANDS@\n", policy_commands },
		{ "@POLICY_OPTIONS@\n", policy_options }, { "@STATUS_OPTIONS@\n", status_options },
		{ "@DEVICES_OPTIONS@\n", devices_options }, { "@ALERTS_OPTIONS@\n", alerts_options },
		{ "@SETTINGS@\n", settings }, { "@LIMITS@\n", limits }, { "@COUNTERS@\n", counters } };
	enum { PARTS = sizeof parts / sizeof *parts };
	char line[1024];
	if (argc != 3)
		return 1;
	while (fgets(line, sizeof line, stdin)) {
		size_t i = 0;
		while (i < PARTS && strcmp(line, parts[i].mark) != 0)
			i++;
		char *version = strstr(line, "@VERSION@"), *policies = strstr(line, "@POLICIES@");
		if (i < PARTS)
			parts[i].fill();
		else if (version)
			printf("%.*s%s%s", (int)(version - line), line, argv[1], version + 9);
		else if (policies)
			printf("%.*s%s%s", (int)(policies - line), line, argv[2], policies + 10);
		else
			fputs(line, stdout);
	}
	return fflush(stdout) != 0;
}
