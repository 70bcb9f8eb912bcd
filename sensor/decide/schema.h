/*
 * schema: every field a rule can ask of an event, and the view through which it sees one.
 *
 * The fields are those of the dissectors (by category), the common ones of the conversation (common.def) and
 * the devices on both sides (source.device.*, destination.device.*). Two dissectors that share a field name
 * share the field. Built at start or reload; constant afterwards. The view is the hub's; nothing allocates
 * after event_view_new.
 */
#ifndef WW_DECIDE_SCHEMA_H
#define WW_DECIDE_SCHEMA_H

#include "decide/inventory.h"
#include "decide/resolved.h"
#include "packet/dissect.h"

enum { SCHEMA_FIELDS = 1024, SCHEMA_CATEGORIES = 128, SCHEMA_SLOTS = 4096 };
/* A fact whose field number has this bit is of the schema's field of the rest of the number, not of the
 * dissector's: only event_write makes such, for fields that the dissector never fills. */
enum { FIELD_WRITTEN = 0x8000 };

/* What a device has beyond its attributes (packet/attrs.def), after them in number. */
enum { DEVICE_FIELD_ID = ATTR_N, DEVICE_FIELD_CONFIDENCE, DEVICE_FIELDS };

enum common_field {
#define COMMON(id, name, type) COMMON_##id,
#include "decide/common.def"
#undef COMMON
	COMMON_N
};

struct category_set {
	uint64_t word[SCHEMA_CATEGORIES / 64];
};

struct schema_field {
	const char *name;
	enum fact_type type;
	enum privacy privacy;
	bool everywhere;                /* common, or a device's */
	struct category_set categories; /* else: whose events can have it */
};

struct event_schema {
	struct schema schema; /* numbers of fields are those of field[] */
	struct schema_field field[SCHEMA_FIELDS];
	uint16_t n_fields;
	uint16_t source_device, destination_device; /* the first field of each side's device */
	uint16_t *of_fact[PROTO_N];                 /* field of a dissector's field number */
	uint16_t n_facts[PROTO_N];
	uint8_t *of_event[PROTO_N]; /* category of a dissector's event number */
	struct bytes category[SCHEMA_CATEGORIES];
	uint8_t n_categories;
	char *names;                     /* of the devices' fields */
	uint16_t of_name[SCHEMA_SLOTS];  /* open addressing: a field's number + 1 */
	uint16_t of_alias[SCHEMA_SLOTS]; /* the same of the rows of aliases.def */
};

/* Name of a device's field behind "source.device.": of an enum attr or DEVICE_FIELD_*. */
const char *device_field_name(unsigned field);

struct event_schema *event_schema_new(void); /* NULL: no memory */
void event_schema_free(struct event_schema *s);
/* Number of the category of that name, or -1. */
int event_schema_category(const struct event_schema *s, struct bytes name);
/* Can events of that category have the field? */
bool event_schema_has(const struct event_schema *s, unsigned category, uint16_t field);
/* Number of an event's category. */
unsigned event_schema_category_of(const struct event_schema *s, const struct event *e);

/* ---- view -------------------------------------------------------------------------------- */

struct event_view;
/* inv may be NULL: no device is known then. */
struct event_view *event_view_new(const struct event_schema *s, const struct inventory *inv);
/* Names of addresses, for destination.domain; borrowed. Without: the field is absent. */
void event_view_names(struct event_view *v, const struct resolved *names);
void event_view_free(struct event_view *v);
/* Turns the view to another event, which must stay until the next call. */
void event_view_look(struct event_view *v, const struct event *e);
/* Where comparisons of versions that have no order are counted. */
void event_view_count(struct event_view *v, uint64_t *versions_unordered);
const struct view *event_view_as_view(const struct event_view *v);
/* Zones of its addresses (ZONE_NONE where there are none), and who is asked for members. */
struct zones;
void event_view_zones(struct event_view *v, const struct zones *z);
void event_view_members(struct event_view *v,
	bool (*fn)(void *arg, enum member_kind kind, uint16_t subject, unsigned number), void *arg);
unsigned event_view_zone(struct event_view *v, enum dir side);
/* What a test pretends of that side's device: DEVICE_FIELDS texts, or NULL when nothing is pretended. */
const struct bytes *event_view_pretended(const struct event_view *v, enum dir side);
/* The event looked at. */
const struct event *event_view_event(const struct event_view *v);
/* The fields that the event itself has a fact of, *n of them; the conversation's and the devices' are not
 * among them. */
const uint16_t *event_view_filled(const struct event_view *v, size_t *n);
/* The device on that side of the event looked at, or NULL. */
const struct device *event_view_device(struct event_view *v, enum dir side);
/* Tests: from now on devices have only what is pretended, at first nothing; then the text (borrowed) of a
 * field source.device.* or destination.device.*. */
void event_view_pretend_none(struct event_view *v);
void event_view_pretend(struct event_view *v, uint16_t field, struct bytes text);

#endif
