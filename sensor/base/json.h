/*
 * json: the one way in which anything leaves the sensor as JSON.
 *
 * A json_doc collects (dotted key, typed value) pairs and writes them sorted, nested (ECS documents) or
 * flat (event lines), as siem-conventions.md section 7 has it: no white space, absent fields left out, times
 * YYYY-MM-DDTHH:MM:SS.ssssssZ, invalid UTF-8 replaced by U+FFFD, control characters and bidi marks escaped.
 * It takes only types that may be shown: a `struct fact` of type FACT_PHI has no text form here.
 *
 * Text in which a person could stand (design.md section 4) is not shown yet: json_sealed puts it in as sealed
 * bytes, which only decide/mask.h opens, when the whole run has been seen. A line with seals is not JSON and
 * must not leave.
 *
 * One doc per thread, reused. All memory is mapped at json_new and touched only as far as documents need;
 * values past JSON_MAX bytes are left out and json_ok is false.
 */
#ifndef WW_BASE_JSON_H
#define WW_BASE_JSON_H

#include "base/addr.h"

enum { JSON_MAX = 4 << 20, JSON_PAIRS = 65536 };

struct json_doc;

/* How a sealed value is judged (decide/mask.h): as a device's text, as suspect text, as bytes shown in hex.
 */
enum seal { SEAL_PRODUCT = 'p', SEAL_SUSPECT = 's', SEAL_BYTES = 'b' };

struct json_doc *json_new(void); /* NULL: no address space */
void json_free(struct json_doc *d);
void json_reset(struct json_doc *d);
bool json_ok(const struct json_doc *d); /* since the last reset */

/* Keys are dotted: "source.ip". Adding a key again replaces nothing: the values become a list, in the order
 * added. json_list makes a key a list even with one value (or none). Empty text, an address of family 0, the
 * zero MAC and numbers that are not finite are absent: nothing is added. */
void json_str(struct json_doc *d, const char *key, struct bytes v);
void json_text(struct json_doc *d, const char *key, const char *v);
/* At most 65535 bytes of it. */
void json_sealed(struct json_doc *d, const char *key, enum seal kind, struct bytes v);
void json_suspect(struct json_doc *d, const char *key, struct bytes v); /* SEAL_SUSPECT */
void json_uint(struct json_doc *d, const char *key, uint64_t v);
void json_int(struct json_doc *d, const char *key, int64_t v);
void json_float(struct json_doc *d, const char *key, double v); /* shortest text that reads back equal */
void json_bool(struct json_doc *d, const char *key, bool v);
void json_ip(struct json_doc *d, const char *key, const struct addr *v);
void json_mac(struct json_doc *d, const char *key, const struct mac *v);
void json_hex(struct json_doc *d, const char *key, struct bytes v); /* lower case */
void json_time(struct json_doc *d, const char *key, uint64_t ns_since_1970);
void json_list(struct json_doc *d, const char *key);
/* A value that is JSON already and may be shown, such as a slice of base/json_read.h. */
void json_raw(struct json_doc *d, const char *key, struct bytes v);

/* One line without LF, valid until the next call on d. Nested: {"source":{"ip":...}}; that a key is both a
 * value and the beginning of another key is our bug (ASSERT). */
struct bytes json_nested(struct json_doc *d);
struct bytes json_flat(struct json_doc *d);

/* Writes text as the inside of a JSON string; returns the bytes written. out holds 6 * text.n. */
size_t json_escape(struct bytes text, uint8_t *out);

/* A seal: JSON_SEAL, enum seal, four lower-case hex digits (length), the bytes. 0x01 stands nowhere else in a
 * line. */
enum { JSON_SEAL = 0x01, JSON_SEAL_HEAD = 6 };

/* Characters that move the cursor, hide or turn text around: C0, DEL, C1, line and bidi controls, BOM. */
bool text_is_control(uint32_t c);

/* YYYY-MM-DDTHH:MM:SS.ssssssZ, NUL-terminated. */
enum { TIME_TEXT = 28 };
void time_text(uint64_t ns_since_1970, char out[TIME_TEXT]);

#endif
