/*
 * term: text on a terminal. What came from the wire is the attacker's: nothing here lets a byte of it move
 * the cursor, colour, hide or turn text round. Main thread; nothing allocates.
 */
#ifndef WW_RUN_TERM_H
#define WW_RUN_TERM_H

#include "base/bytes.h"

#include <stdio.h>

struct term {
	FILE *out;
	unsigned width; /* columns, 60 to 200 */
	bool tty;       /* a file or a pipe has no right edge: tables are not cut to width there */
	bool colour;
};

enum term_style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_YELLOW, STYLE_CYAN, STYLE_N };

/* Width and colour as the stream, COLUMNS, NO_COLOR and TERM say; 100 columns and none for a file or pipe. */
void term_init(struct term *t, FILE *out);
/* Copies text with everything but plain characters escaped (\x1b, \u202e, \xff), cut to cap - 1 bytes at a
 * character's edge, NUL-terminated. Returns the bytes written. cap is at least 1. */
size_t term_escape(struct bytes text, char *out, size_t cap);
/* Columns that escaped text takes: 0 for combining marks, 2 for wide characters (UAX #11), else 1. */
unsigned term_columns(struct bytes text);
/* Writes text, cut to `columns` with an ellipsis, and pads with blanks to that. */
void term_cell(const struct term *t, const char *text, unsigned columns);
/* Writes text wrapped at blanks; the cursor stands at column `at`, later lines begin at `indent`. Ends with
 * a line feed. */
void term_wrap(const struct term *t, const char *text, unsigned at, unsigned indent);
void term_style(const struct term *t, enum term_style s);

/* 184203 -> "184,203"; 96100000 -> "96.1 MB"; nanoseconds -> "59 min". Each returns out. */
enum { TERM_NUMBER = 32 };
const char *term_number(uint64_t v, char out[TERM_NUMBER]);
const char *term_bytes(uint64_t v, char out[TERM_NUMBER]);
const char *term_duration(uint64_t ns, char out[TERM_NUMBER]);

#endif
