/*
 * options: the command line. Start-up only; strings are argv's.
 */
#ifndef WW_RUN_OPTIONS_H
#define WW_RUN_OPTIONS_H

#include "base/bytes.h"

#include <stdio.h>

enum { EXIT_GOOD = 0, EXIT_WRONG = 1, EXIT_DAMAGED = 2, EXIT_GONE = 3 };

enum { OPTIONS_THREADS = 64 };

struct options {
	const char **reads; /* captures, folders or "-", in the order given */
	size_t n_reads;
	const char **interfaces; /* live, in the order given */
	size_t n_interfaces;
	const char **policies; /* folders or files, in the order given; with n_policies 0 the default */
	size_t n_policies;
	const char *output, *config, *state; /* NULL: not given */
	unsigned threads;                    /* 1 to OPTIONS_THREADS; 0: not given */
	bool events, json, quiet, print_config, version, help;
	char error[256]; /* one sentence when options_parse is false */
};

bool options_parse(struct options *o, int argc, char **argv);
void options_fini(struct options *o);
void options_help(FILE *out);

#endif
