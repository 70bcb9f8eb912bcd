/*
 * asking: what the commands that ask a state file (`wardwatch devices`, `wardwatch alerts`) have in common.
 * They only read, also beside a running sensor. Main thread; errors are one line on standard error.
 */
#ifndef WW_RUN_ASKING_H
#define WW_RUN_ASKING_H

#include "base/json.h"
#include "run/columns.h"

#include <sqlite3.h>

enum { ASKING_OPTIONS = 16 };

struct asking_option {
	const char *name, *argument, *sentence; /* argument "": it has none */
};

struct asking {
	const char *command; /* "devices" */
	const char *about;   /* a line of --help */
	const struct asking_option *options;
	size_t n_options; /* at most ASKING_OPTIONS */
	/* An option and its argument, or "help"; false: said what is wrong. */
	bool (*take)(void *arg, const char *name, const char *value);
	void *arg;
};

/* Always false. */
bool asking_wrong(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool asking_parse(const struct asking *a, int argc, char **argv);
int asking_help(const struct asking *a); /* the exit code */
/* 2026-03-01, 2026-03-01T14:30, 24h: as a text before which all earlier times sort, and none later. */
bool asking_since(const char *command, const char *text, char out[TIME_TEXT]);
/* A state file of this version or an older one. *db is to be closed in any case. */
bool asking_open(const char *command, const char *path, sqlite3 **db);
int64_t asking_number(sqlite3 *db, const char *sql); /* -1: there is none, or it failed */
/* A column's text, valid until the next step; empty when it is NULL. */
struct bytes asking_column(sqlite3_stmt *q, int column);

/* Cells of a table (run/columns.h). */
struct asking_table {
	char (*cells)[CELL];
	size_t n, cap; /* rows */
};
char (*asking_row(struct asking_table *t, unsigned columns))[CELL]; /* a further row; NULL: no memory */
/* Escaped text between two others. */
void asking_cell(char out[CELL], const char *before, struct bytes v, const char *behind);

#endif
