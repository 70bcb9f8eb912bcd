/*
 * policy_command: `wardwatch policy ...`, for whoever writes policies: check, list, test, explain, coverage,
 * dump, suggest. Each is a program run of its own: it may allocate, and returns the exit code.
 */
#ifndef WW_RUN_POLICY_COMMAND_H
#define WW_RUN_POLICY_COMMAND_H

#include "run/config.h"
#include "run/options.h"

#include "decide/policy_impl.h"

/* argv[0] is "policy". default_dir: the policies when none are named. */
int policy_command(int argc, char **argv, const char *default_dir);

/* ---- shared by the commands --------------------------------------------------------------------- */

enum policy_word {
#define POLICY_COMMAND(name, arguments, sentence) POLICY_##name,
#include "run/policy.def"
#undef POLICY_COMMAND
	POLICY_WORDS
};

struct policy_options_given { /* the command line over the configuration */
	bool strict_logsource, compat_host, load_deprecated, drop_empty_quantifiers;
	const char *min_status;
};

struct policy_command {
	enum policy_word word;
	const char **args; /* DIR..., RULE, CAPTURE... */
	size_t n_args;
	const char **dirs; /* policies to load */
	size_t n_dirs;
	const char *policies, *config_file, *format, *event, *golden, *alerts;
	bool skipped, ast, help, json;
	struct policy_options_given given;
	struct config config;
	struct policy *policy; /* NULL: something is wrong with it, in diag */
	struct diag diag;
	char error[256]; /* of the command line */
};

int policy_check(struct policy_command *c);
int policy_list(struct policy_command *c);
int policy_prove(struct policy_command *c); /* test */
int policy_explain(struct policy_command *c);
int policy_coverage(struct policy_command *c);
int policy_dump(struct policy_command *c);
int policy_suggest(struct policy_command *c);

/* file:line:column: code sentence, of the levels in the set (1 << DIAG_ERROR ...). */
void policy_say(FILE *out, const struct diag *d, unsigned levels);
/* How many messages there are of that level. */
size_t policy_count(const struct diag *d, enum diag_level level);
/* The command cannot go on: what is wrong on stderr; returns EXIT_WRONG. */
int policy_refuse(const struct policy_command *c);
/* One sentence on stderr; returns EXIT_WRONG. */
int policy_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* EXIT_WRONG and a sentence when standard output could not be written, else code. */
int policy_written(int code);

#endif
