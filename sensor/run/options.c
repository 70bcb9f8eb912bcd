#include "run/options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>

struct option_row {
	int letter;
	const char *name, *argument, *sentence;
};

/* Long options without a letter; a plain word is 1 to getopt. */
enum { OPT_WORD = 1, OPT_EVENTS = 256, OPT_STATE, OPT_JSON, OPT_PRINT_CONFIG, OPT_VERSION };

static const struct option_row rows[] = {
#define OPTION(letter, name, argument, sentence) { letter, name, argument, sentence },
#include "run/options.def"
#undef OPTION
};

enum { ROWS = sizeof rows / sizeof *rows };

static bool fail(struct options *o, const char *format, const char *what)
{
	if (!*o->error)
		snprintf(o->error, sizeof o->error, format, what);
	return false;
}

static bool set_once(struct options *o, const char **to, const char *value, const char *format)
{
	if (!*value)
		return fail(o, format, "is empty");
	if (*to)
		return fail(o, format, "is given twice");
	*to = value;
	return true;
}

static bool add_read(struct options *o, const char *name)
{
	if (!*name)
		return fail(o, "-r %s", "needs the name of a capture, a folder, or - for standard input");
	for (size_t i = 0; i < o->n_reads; i++)
		if (strcmp(o->reads[i], "-") == 0 && strcmp(name, "-") == 0)
			return fail(o, "%s", "standard input (-) can be read once only");
	o->reads[o->n_reads++] = name;
	return true;
}

static bool add_word(struct options *o, const char *name)
{
	if (o->n_reads == 0)
		return fail(o, "%s: a capture is named after -r", name);
	return add_read(o, name);
}

static bool add_policies(struct options *o, const char *name)
{
	if (!*name)
		return fail(o, "the policy directory (-p) %s", "is empty");
	o->policies[o->n_policies++] = name;
	return true;
}

static bool add_interface(struct options *o, const char *name)
{
	if (!*name)
		return fail(o, "-i %s", "needs the name of a network interface");
	for (size_t i = 0; i < o->n_interfaces; i++)
		if (strcmp(o->interfaces[i], name) == 0)
			return fail(o, "-i %s: this interface is named twice", name);
	o->interfaces[o->n_interfaces++] = name;
	return true;
}

static bool set_threads(struct options *o, const char *value)
{
	char *end;
	long n = strtol(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || n < 1 || n > OPTIONS_THREADS)
		return fail(o, "-j %s: a number of threads from 1 to 64 is needed", value);
	o->threads = (unsigned)n;
	return true;
}

static bool take(struct options *o, int letter, const char *value)
{
	switch (letter) {
	case 'r':
		return add_read(o, value);
	case 'i':
		return add_interface(o, value);
	case 'o':
		return set_once(o, &o->output, value, "the output directory (-o) %s");
	case 'p':
		return add_policies(o, value);
	case 'c':
		return set_once(o, &o->config, value, "the configuration (-c) %s");
	case 'j':
		return set_threads(o, value);
	case 'q':
		o->quiet = true;
		return true;
	case 'h':
		o->help = true;
		return true;
	case OPT_EVENTS:
		o->events = true;
		return true;
	case OPT_STATE:
		return set_once(o, &o->state, value, "the state file (--state) %s");
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_PRINT_CONFIG:
		o->print_config = true;
		return true;
	case OPT_VERSION:
		o->version = true;
		return true;
	default:
		return false;
	}
}

static void say_unknown(struct options *o, int got, char **argv, int index)
{
	char what[64];
	if (optopt > 0 && optopt < OPT_EVENTS && isprint(optopt))
		snprintf(what, sizeof what, "-%c", optopt);
	else
		snprintf(what, sizeof what, "%s", index > 0 && argv[index - 1] ? argv[index - 1] : "");
	fail(o,
		got == ':' ? "%s needs an argument (--help lists the options)"
			   : "%s is not an option (--help lists them)",
		what);
}

static bool check(struct options *o)
{
	if (o->help || o->version || o->print_config)
		return true;
	if (o->n_interfaces && o->n_reads)
		return fail(o, "%s", "-i and -r: listen live, or read captures");
	if (o->n_reads == 0 && o->n_interfaces == 0)
		return fail(o, "%s",
			"nothing to read: say -r FILE, or -i NAME to listen (--help lists the options)");
	for (size_t i = 0; o->threads > 2 && i < o->n_reads; i++)
		if (strcmp(o->reads[i], "-") == 0)
			return fail(o, "%s",
				"-j: standard input (-) can be read once only, so by two threads at most");
	return true;
}

bool options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[ROWS + 1] = { { 0 } };
	char shorts[2 * ROWS + 3] = "-:";
	size_t n = 2;
	*o = (struct options){ .reads = calloc((size_t)argc + 1, sizeof *o->reads) };
	o->policies = calloc((size_t)argc + 1, sizeof *o->policies);
	o->interfaces = calloc((size_t)argc + 1, sizeof *o->interfaces);
	if (!o->reads || !o->policies || !o->interfaces)
		return fail(o, "%s", "out of memory");
	for (size_t i = 0; i < ROWS; i++) {
		bool has = *rows[i].argument;
		longs[i] = (struct option){ rows[i].name, has ? required_argument : no_argument, NULL,
			rows[i].letter };
		if (rows[i].letter < OPT_EVENTS) {
			shorts[n++] = (char)rows[i].letter;
			if (has)
				shorts[n++] = ':';
		}
	}
	optind = 0; /* glibc: begin anew, for tests */
	opterr = 0;
	for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
		if (got == '?' || got == ':') {
			say_unknown(o, got, argv, optind);
			return false;
		}
		/* -r FILE...: what the shell made of a pattern; in the order given */
		if (got == OPT_WORD ? !add_word(o, optarg) : !take(o, got, optarg))
			return false;
	}
	for (int i = optind; i < argc; i++)
		if (!add_word(o, argv[i]))
			return false;
	return check(o);
}

void options_fini(struct options *o)
{
	free(o->reads);
	free(o->policies);
	free(o->interfaces);
	o->reads = o->policies = o->interfaces = NULL;
}

void options_help(FILE *out)
{
	fputs("Usage: wardwatch -r FILE... [options]\n"
	      "       wardwatch -i INTERFACE [options]\n"
	      "       wardwatch policy | devices | alerts | status | output --help\n"
	      "Reads a hospital's network traffic and says which devices are there and what is wrong.\n\n",
		out);
	for (size_t i = 0; i < ROWS; i++) {
		char left[40];
		bool has = *rows[i].argument;
		if (rows[i].letter < OPT_EVENTS)
			snprintf(left, sizeof left, "-%c, --%s%s%s", rows[i].letter, rows[i].name,
				has ? " " : "", rows[i].argument);
		else
			snprintf(left, sizeof left, "    --%s%s%s", rows[i].name, has ? " " : "",
				rows[i].argument);
		fprintf(out, "  %-27s %s\n", left, rows[i].sentence);
	}
	fputs("\nExit status: 0 done; 1 an option, a policy, an output or a file that is no capture;\n"
	      "2 a capture was damaged behind a good start (what came before was read);\n"
	      "3 a live interface is gone.\n"
	      "More in wardwatch(8).\n",
		out);
}
