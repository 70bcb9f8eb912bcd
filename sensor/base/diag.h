/*
 * diag: what is wrong with a file somebody wrote, and what would be right.
 *
 * Start-up and reload only. A diag collects all messages of a load; printing them is the caller's.
 */
#ifndef WW_BASE_DIAG_H
#define WW_BASE_DIAG_H

#include "base/bytes.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_SKIPPED };

struct diag_message {
	char *file;            /* "-" when the message is about no file */
	unsigned line, column; /* from 1; 0: the whole file */
	enum diag_level level;
	char code[8]; /* "E174" */
	char *text;   /* one sentence and, where possible, the fix */
};

struct diag {
	struct diag_message *messages;
	size_t n, cap;
	size_t errors;
};

void diag_add(struct diag *d, enum diag_level level, const char *file, unsigned line, unsigned column,
	const char *code, const char *format, ...) __attribute__((format(printf, 7, 8)));
/* One line each: file:line:column: error E174: text */
void diag_print(const struct diag *d, void *stdio_file, bool warnings_too);
/* In the order of files, lines and columns, each said once: two readers of a file say its mistakes twice. */
void diag_sort(struct diag *d);
void diag_free(struct diag *d);
/* The nearest of n names by edit distance, or NULL when none is near. */
const char *diag_nearest(struct bytes word, const char *const *names, size_t n);

#endif
