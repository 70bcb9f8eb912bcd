#include "run/policy_command.h"

#include "decide/fingerprint.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

/* Long options without a letter; a plain word is 1 to getopt. */
enum {
	OPT_WORD = 1,
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

static const struct option_row {
	int letter;
	const char *name, *argument, *commands, *sentence;
} rows[] = {
#define POLICY_OPTION(letter, name, argument, commands, sentence)                                            \
	{ letter, name, argument, commands, sentence },
#include "run/policy.def"
#undef POLICY_OPTION
};
enum { ROWS = sizeof rows / sizeof *rows };

static const struct command_row {
	const char *name, *arguments, *sentence;
} commands[] = {
#define POLICY_COMMAND(name, arguments, sentence) { #name, arguments, sentence },
#include "run/policy.def"
#undef POLICY_COMMAND
};

/* ---- help ------------------------------------------------------------------------------------------ */

static void help(FILE *out)
{
	char left[64];
	fputs("Usage: wardwatch policy COMMAND [options]\nFor who writes policies: proves them without a "
	      "capture.\n\n",
		out);
	for (size_t i = 0; i < POLICY_WORDS; i++) {
		snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].arguments);
		fprintf(out, "  %-26s %s\n", left, commands[i].sentence);
	}
	fputs("\n", out);
	for (size_t i = 0; i < ROWS; i++) {
		const struct option_row *r = &rows[i];
		if (r->letter < OPT_FORMAT)
			snprintf(left, sizeof left, "-%c, --%s%s%s", r->letter, r->name,
				*r->argument ? " " : "", r->argument);
		else
			snprintf(left, sizeof left, "    --%s%s%s", r->name, *r->argument ? " " : "",
				r->argument);
		fprintf(out, "  %-26s %s%s%s%s\n", left, *r->commands ? "(" : "", r->commands,
			*r->commands ? ") " : "", r->sentence);
	}
	fputs("\nExit status: 0 good; 1 something is wrong, a test failed, or the command line is;\n"
	      "2 a capture was damaged behind a good start.\nMore in wardwatch(8).\n",
		out);
}

/* ---- command line ------------------------------------------------------------------------------------ */

static bool wrong(struct policy_command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(struct policy_command *c, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	if (!*c->error)
		vsnprintf(c->error, sizeof c->error, format, ap);
	va_end(ap);
	return false;
}

/* Is the word in a list of words apart by blanks? An empty list has all. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = list; (at = strstr(at, word)); at += n)
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0))
			return true;
	return *list == 0;
}

static bool set(struct policy_command *c, const char **to, const char *name, const char *value)
{
	if (!*value)
		return wrong(c, "--%s needs an argument", name);
	if (*to)
		return wrong(c, "--%s is given twice", name);
	*to = value;
	return true;
}

static bool take(struct policy_command *c, int letter, const char *value)
{
	switch (letter) {
	case OPT_WORD:
	case 'r':
		c->args[c->n_args++] = value;
		return *value || wrong(c, "an empty word is nothing to read");
	case 'p':
		return set(c, &c->policies, "policies", value);
	case 'c':
		return set(c, &c->config_file, "config", value);
	case OPT_FORMAT:
		return set(c, &c->format, "format", value);
	case OPT_EVENT:
		return set(c, &c->event, "event", value);
	case OPT_GOLDEN:
		return set(c, &c->golden, "golden", value);
	case OPT_ALERTS:
		return set(c, &c->alerts, "alerts", value);
	case OPT_STATUS:
		return set(c, &c->given.min_status, "min-status", value);
	case OPT_QUANTIFIER:
		c->given.drop_empty_quantifiers = true;
		return strcmp(value, "drop") == 0 ||
		       wrong(c, "--empty-quantifier is drop or not given, not \"%s\"", value);
	case OPT_SKIPPED:
		c->skipped = true;
		return true;
	case OPT_AST:
		c->ast = true;
		return true;
	case OPT_STRICT:
		c->given.strict_logsource = true;
		return true;
	case OPT_HOST:
		c->given.compat_host = true;
		return true;
	case OPT_DEPRECATED:
		c->given.load_deprecated = true;
		return true;
	case 'h':
		c->help = true;
		return true;
	default:
		return false;
	}
}

static bool take_option(struct policy_command *c, int letter, const char *value)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].letter == letter && letter != 'h' &&
			!has_word(rows[i].commands, commands[c->word].name))
			return wrong(c, "--%s is an option of `policy %s`, not of `policy %s`", rows[i].name,
				rows[i].commands, commands[c->word].name);
	return take(c, letter, value);
}

static bool say_unknown(struct policy_command *c, int got, const char *word)
{
	static const char *const later[] = { "--sigmahq", "--from-baseline" };
	const char *names[ROWS + 1], *near;
	char letter[3] = { '-', (char)optopt, 0 };
	if (optopt > 0 && optopt < OPT_FORMAT && isprint(optopt))
		word = letter;
	for (size_t i = 0; i < 2; i++)
		if (strcmp(word, later[i]) == 0)
			return wrong(c, "%s comes in a later version of this sensor", word);
	for (size_t i = 0; i < ROWS; i++)
		names[i] = rows[i].name;
	near = strncmp(word, "--", 2) == 0 ? diag_nearest(bytes_str(word + 2), names, ROWS) : NULL;
	if (got == ':')
		return wrong(c, "%s needs an argument (policy --help lists the options)", word);
	return wrong(c, "%s is not an option (policy --help lists them)%s%s%s", word,
		near ? ": is it --" : "", near ? near : "", near ? "?" : "");
}

static bool check_format(struct policy_command *c)
{
	c->json = c->word == POLICY_dump || (c->format && strcmp(c->format, "json") == 0);
	if (!c->format || strcmp(c->format, "json") == 0 ||
		(strcmp(c->format, "text") == 0 && c->word != POLICY_dump))
		return true;
	if (strcmp(c->format, "sarif") == 0)
		return wrong(c, "--format sarif comes in a later version of this sensor; text and json are "
				"here");
	return wrong(
		c, "--format is %sjson, not \"%s\"", c->word == POLICY_dump ? "" : "text or ", c->format);
}

static bool check_words(struct policy_command *c)
{
	if (c->help)
		return true;
	if (c->word == POLICY_explain && c->n_args != 1)
		return wrong(c,
			"explain needs one rule, by its name, id or title: policy explain RULE --event "
			"FILE");
	if (c->word == POLICY_explain && !c->event)
		return wrong(c, "explain needs an event: --event FILE, one line of events.jsonl or a YAML "
				"mapping");
	if (c->word == POLICY_suggest && c->n_args == 0)
		return wrong(c, "nothing to read: policy suggest -r CAPTURE");
	return check_format(c);
}

static bool find_command(struct policy_command *c, int argc, char **argv)
{
	const char *names[POLICY_WORDS], *word = argc > 1 ? argv[1] : "";
	for (size_t i = 0; i < POLICY_WORDS; i++) {
		names[i] = commands[i].name;
		c->word = (enum policy_word)i;
		if (strcmp(names[i], word) == 0)
			return true;
	}
	c->help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
	if (c->help)
		return true;
	const char *near = diag_nearest(bytes_str(word), names, POLICY_WORDS);
	if (!*word)
		return wrong(c, "policy needs a command (policy --help lists them)");
	return wrong(c, "\"%s\" is no command of policy (policy --help lists them)%s%s%s", word,
		near ? ": is it " : "", near ? near : "", near ? "?" : "");
}

static bool parse(struct policy_command *c, int argc, char **argv)
{
	struct option longs[ROWS + 1] = { { 0 } };
	char shorts[2 * ROWS + 3] = "-:";
	size_t n = 2;
	if (!find_command(c, argc, argv) || c->help)
		return c->help;
	for (size_t i = 0; i < ROWS; i++) {
		bool has = *rows[i].argument;
		longs[i] = (struct option){ rows[i].name, has ? required_argument : no_argument, NULL,
			rows[i].letter };
		if (rows[i].letter < OPT_FORMAT) {
			shorts[n++] = (char)rows[i].letter;
			if (has)
				shorts[n++] = ':';
		}
	}
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	argc--;
	argv++;
	for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
		if (got == '?' || got == ':')
			return say_unknown(c, got, argv[optind - 1]);
		if (!take_option(c, got, optarg))
			return false;
	}
	for (int i = optind; i < argc; i++)
		if (!take(c, OPT_WORD, argv[i]))
			return false;
	return check_words(c);
}

/* ---- messages ------------------------------------------------------------------------------------------ */

void policy_say(FILE *out, const struct diag *d, unsigned levels)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_message *m = &d->messages[i];
		if (!(levels & 1u << m->level))
			continue;
		fputs(m->file ? m->file : "-", out);
		if (m->line)
			fprintf(out, ":%u:%u", m->line, m->column);
		fprintf(out, ": %s%s%s\n", m->code, *m->code ? " " : "", m->text ? m->text : "out of memory");
	}
}

size_t policy_count(const struct diag *d, enum diag_level level)
{
	size_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		n += d->messages[i].level == level;
	return n;
}

int policy_refuse(const struct policy_command *c)
{
	policy_say(stderr, &c->diag, 1u << DIAG_ERROR);
	return EXIT_WRONG;
}

int policy_fail(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fputs("wardwatch: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	return EXIT_WRONG;
}

int policy_written(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	return policy_fail("standard output: writing failed: %s", strerror(errno));
}

/* ---- loading ------------------------------------------------------------------------------------------- */

static bool load_config(struct policy_command *c)
{
	config_default(&c->config);
	if (c->config_file && !config_load(&c->config, c->config_file, &c->diag))
		return false;
	struct policy_options *o = &c->config.policy;
	o->strict_logsource |= c->given.strict_logsource;
	o->compat_host |= c->given.compat_host;
	o->load_deprecated |= c->given.load_deprecated;
	o->drop_empty_quantifiers |= c->given.drop_empty_quantifiers;
	o->home = c->config.home.list;
	o->n_home = c->config.home.n;
	if (c->given.min_status && (!rule_status_of(bytes_str(c->given.min_status), &o->min_status) ||
					   o->min_status < STATUS_EXPERIMENTAL))
		return wrong(
			c, "--min-status is experimental, test or stable, not \"%s\"", c->given.min_status);
	return true;
}

static bool load(struct policy_command *c, const char *default_dir)
{
	bool words = c->word != POLICY_explain && c->word != POLICY_suggest && c->n_args > 0;
	const char *one = c->policies ? c->policies : *c->config.policies ? c->config.policies : default_dir;
	c->dirs = calloc(c->n_args + 1, sizeof *c->dirs);
	if (!c->dirs)
		return false;
	c->dirs[c->n_dirs++] = one;
	for (size_t i = 0; words && i < c->n_args; i++)
		c->dirs[i] = c->args[i];
	c->n_dirs = words ? c->n_args : 1;
	for (size_t i = 0; i < c->n_dirs; i++)
		if (access(c->dirs[i], R_OK) != 0)
			diag_add(&c->diag, DIAG_ERROR, c->dirs[i], 0, 0, "E111", "cannot be read: %s",
				strerror(errno));
	if (c->diag.errors)
		return false;
	c->policy = policy_load_with(&c->config.policy, c->dirs, c->n_dirs, &c->diag);
	diag_sort(&c->diag);
	return c->policy && c->diag.errors == 0;
}

static void fini(struct policy_command *c)
{
	policy_free(c->policy);
	explicit_bzero(&c->config.key, sizeof c->config.key);
	diag_free(&c->diag);
	free(c->args);
	free(c->dirs);
	free(c);
}

static int run(struct policy_command *c, const char *default_dir)
{
	static int (*const run_command[])(struct policy_command *) = { [POLICY_check] = policy_check,
		[POLICY_list] = policy_list,
		[POLICY_test] = policy_prove,
		[POLICY_explain] = policy_explain,
		[POLICY_coverage] = policy_coverage,
		[POLICY_dump] = policy_dump,
		[POLICY_suggest] = policy_suggest };
	if (!load_config(c))
		return *c->error ? policy_fail("%s", c->error) : policy_refuse(c);
	if (!load(c, default_dir) && c->word != POLICY_check)
		return policy_refuse(c);
	return policy_written(run_command[c->word](c));
}

int policy_command(int argc, char **argv, const char *default_dir)
{
	struct policy_command *c = calloc(1, sizeof *c);
	int code = EXIT_WRONG;
	if (c)
		c->args = calloc((size_t)argc + 1, sizeof *c->args);
	if (!c || !c->args) {
		free(c);
		return policy_fail("out of memory");
	}
	if (!parse(c, argc, argv)) {
		code = policy_fail("%s", c->error);
	} else if (c->help) {
		help(stdout);
		code = policy_written(EXIT_GOOD);
	} else {
		code = run(c, default_dir);
	}
	fini(c);
	return code;
}
