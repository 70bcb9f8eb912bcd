/*
 * page: the parts of the page (page.c), each on its own for tests. Main thread, at the end of the run.
 */
#ifndef WW_RUN_PAGE_H
#define WW_RUN_PAGE_H

#include "decide/alert.h"
#include "decide/mask.h"
#include "run/term.h"

/* A line being put together; what does not fit is cut. */
struct text {
	char s[2048];
	size_t n;
};

void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Suspect text, masked and escaped; open text, escaped. */
void text_product(struct text *t, struct mask *m, struct bytes v); /* a device's text, masked and escaped */
void text_suspect(struct text *t, struct mask *m, struct bytes v);
void text_open(struct text *t, struct bytes v);

/* The line of groups and the table, at most `rows` devices. False: no memory. */
bool page_devices(const struct term *t, struct mask *m, const struct inventory *inv, unsigned rows);

/* What was found; the page shows one finding per rule, its worst case. Memory is mapped by findings_new; the
 * 16,384 first groups of alerts are kept. */
struct findings;
struct findings *findings_new(void); /* NULL: no address space */
void findings_free(struct findings *f);
void findings_add(struct findings *f, const struct alert *a);
/* Once: it folds what was added. */
void page_findings(const struct term *t, struct mask *m, struct findings *f, unsigned rows);

#endif
