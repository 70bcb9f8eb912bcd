/*
 * format: the forms in which a record leaves for a SIEM, all made from its ECS document
 * (siem-conventions.md sections 7, 9, 11 to 13).
 *
 * Shipper thread; may allocate. Nothing is added that the document does not say, so what was masked stays so.
 * What an attacker wrote (a host name, an AE title) is text in every form: it ends no field, no line and no
 * string, and characters that move the cursor, hide or turn text around are written as "\u202e" is, in JSON
 * as an escape, in CEF and LEEF as those six characters.
 */
#ifndef WW_RUN_FORMAT_H
#define WW_RUN_FORMAT_H

#include "run/outbox.h"

enum format { FORMAT_ECS, FORMAT_EVE, FORMAT_OCSF, FORMAT_CEF, FORMAT_LEEF, FORMAT_N };

enum { FORMAT_LEAST = 2048, FORMAT_MOST = 256 << 10 };

const char *format_name(enum format f); /* "ecs", "eve", ... */
bool format_find(const char *name, enum format *f);

struct formatter;
/* live: with event.sequence (the record's number). NULL: no memory. */
struct formatter *formatter_new(enum format f, bool live);
/* A body may have so many bytes, FORMAT_LEAST or more; FORMAT_MOST until it is said. What is longer loses
 * parts, what only helps to look into it first (section 6), then all but what an alert has to have, then the
 * ends of texts, and says so (wardwatch.truncated in ECS and EVE): it is always whole in its form. */
void formatter_most(struct formatter *f, size_t bytes);
/* One body without line break, in the formatter's own buffer: valid until the next call. Empty: this class
 * has no such form (CEF and LEEF: alerts and health alone), the document is none that json.h wrote (a damaged
 * store), or there is no memory. */
struct bytes format_record(struct formatter *f, const struct outbox_record *r);
void formatter_free(struct formatter *f);

#endif
