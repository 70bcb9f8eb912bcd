/*
 * format: the forms in which a record leaves for a SIEM, all made from its ECS document
 * (siem-conventions.md sections 7, 9, 11 to 13).
 *
 * Shipper thread; may allocate. Nothing is added that the document does not say, so what was masked stays so.
 */
#ifndef WW_RUN_FORMAT_H
#define WW_RUN_FORMAT_H

#include "run/outbox.h"

enum format { FORMAT_ECS, FORMAT_EVE, FORMAT_OCSF, FORMAT_CEF, FORMAT_LEEF, FORMAT_N };

const char *format_name(enum format f); /* "ecs", "eve", ... */
bool format_find(const char *name, enum format *f);

/* One body without line break, in the formatter's own buffer: valid until the next call. live: with
 * event.sequence (the record's number). Empty: this class has no such form (LEEF, CEF: alerts and health
 * alone).
 */
struct formatter;
struct formatter *formatter_new(enum format f, bool live); /* NULL: no memory */
struct bytes format_record(struct formatter *f, const struct outbox_record *r);
void formatter_free(struct formatter *f);

#endif
