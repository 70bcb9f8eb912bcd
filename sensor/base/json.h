/*
 * json: the one way in which anything leaves the sensor as JSON.
 *
 * A json_doc collects (dotted key, typed value) pairs and writes them sorted, nested (ECS documents) or
 * flat (event lines), as siem-conventions.md section 7 has it: no white space, absent fields left out, times
 * YYYY-MM-DDTHH:MM:SS.ssssssZ, invalid UTF-8 replaced by U+FFFD, control characters and bidi marks escaped.
 * It takes only types that may be shown: a `struct fact` of type FACT_PHI has no text form here.
 *
 * One doc per thread, reused: json_reset gives the memory back to the doc. It grows to what the largest
 * document needed, up to JSON_MAX bytes; past that the document is cut and json_ok is false.
 */
#ifndef WW_BASE_JSON_H
#define WW_BASE_JSON_H

#include "base/addr.h"

enum { JSON_MAX = 4 << 20 };

struct json_doc;

struct json_doc *json_new(void);
void json_free(struct json_doc *d);
void json_reset(struct json_doc *d);
bool json_ok(const struct json_doc *d);

/* Keys are dotted: "source.ip". Adding a key again replaces nothing: the values become a list, in the order
 * added. json_list makes a key a list even with one value (or none). */
void json_str(struct json_doc *d, const char *key, struct bytes v);
void json_text(struct json_doc *d, const char *key, const char *v);
void json_uint(struct json_doc *d, const char *key, uint64_t v);
void json_int(struct json_doc *d, const char *key, int64_t v);
void json_float(struct json_doc *d, const char *key, double v); /* shortest text that reads back equal */
void json_bool(struct json_doc *d, const char *key, bool v);
void json_ip(struct json_doc *d, const char *key, const struct addr *v);
void json_mac(struct json_doc *d, const char *key, const struct mac *v);
void json_time(struct json_doc *d, const char *key, uint64_t ns_since_1970);
void json_list(struct json_doc *d, const char *key);

/* One line without LF, valid until the next call on d. Nested: {"source":{"ip":...}}. */
struct bytes json_nested(struct json_doc *d);
struct bytes json_flat(struct json_doc *d);

/* YYYY-MM-DDTHH:MM:SS.ssssssZ, NUL-terminated. */
enum { TIME_TEXT = 28 };
void time_text(uint64_t ns_since_1970, char out[TIME_TEXT]);

#endif
