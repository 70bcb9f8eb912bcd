#include "decide/schema.h"

#include "base/assert.h"
#include "packet/categories.h"

#include <stdio.h>
#include <stdlib.h>

static const struct alias {
	const char *category, *name, *canonical;
} aliases[] = {
#define ALIAS(category, name, canonical) { category, name, canonical },
#include "decide/aliases.def"
#undef ALIAS
};

enum { ALIASES = sizeof aliases / sizeof *aliases, DEVICE_NAME = 64 };
_Static_assert(ALIASES < SCHEMA_SLOTS / 2, "the table of names stays half empty");

/* The canonical names of policy-language.md 20.4 where they are not the attribute's own. */
const char *device_field_name(unsigned field)
{
	switch (field) {
	case ATTR_MODEL:
		return "model.name";
	case ATTR_MODEL_ID:
		return "model.identifier";
	case ATTR_SERIAL:
		return "serial_number";
	case ATTR_FIRMWARE:
		return "firmware.version";
	case DEVICE_FIELD_ID:
		return "id";
	case DEVICE_FIELD_CONFIDENCE:
		return "confidence";
	default:
		return attr_rows[field].name;
	}
}

/* FNV-1a: the names in the table are ours, and one asked for costs a look at a few of them at worst. */
static unsigned slot_of(struct bytes name)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < name.n; i++)
		h = (h ^ name.p[i]) * 16777619u;
	return (h ^ h >> 15) % SCHEMA_SLOTS;
}

/* Equal keys keep the order in which they came. */
static void slot_put(uint16_t slots[SCHEMA_SLOTS], const char *name, unsigned index)
{
	unsigned at = slot_of(bytes_str(name));
	while (slots[at])
		at = (at + 1) % SCHEMA_SLOTS;
	slots[at] = (uint16_t)(index + 1);
}

static int find(const struct event_schema *s, struct bytes name)
{
	for (unsigned at = slot_of(name); s->of_name[at]; at = (at + 1) % SCHEMA_SLOTS)
		if (bytes_is(name, s->field[s->of_name[at] - 1].name))
			return s->of_name[at] - 1;
	return -1;
}

static void set_add(struct category_set *s, unsigned category)
{
	s->word[category / 64] |= UINT64_C(1) << category % 64;
}

static bool set_has(const struct category_set *s, unsigned category)
{
	return s->word[category / 64] >> category % 64 & 1;
}

static uint16_t add(struct event_schema *s, const char *name, enum fact_type type, enum privacy privacy)
{
	int at = find(s, bytes_str(name));
	if (at < 0) {
		ASSERT(s->n_fields < SCHEMA_FIELDS);
		at = s->n_fields++;
		s->field[at] = (struct schema_field){ .name = name, .type = type, .privacy = privacy };
		slot_put(s->of_name, name, (unsigned)at);
	}
	/* The stricter class stands when two dissectors differ. */
	if (privacy > s->field[at].privacy)
		s->field[at].privacy = privacy;
	return (uint16_t)at;
}

static uint8_t add_category(struct event_schema *s, struct bytes name)
{
	int at = event_schema_category(s, name);
	if (at < 0) {
		ASSERT(s->n_categories < SCHEMA_CATEGORIES);
		at = s->n_categories++;
		s->category[at] = name;
	}
	return (uint8_t)at;
}

static bool add_dissector(struct event_schema *s, unsigned proto)
{
	const struct dissector *d = dissectors[proto];
	size_t n = 0;
	size_t events = 0;
	while (d->events && d->events[events])
		events++;
	s->of_event[proto] = calloc(events + 1, 1);
	if (!s->of_event[proto])
		return false;
	struct category_set categories = { 0 };
	if (proto != PROTO_named)
		set_add(&categories, add_category(s, bytes_str(d->name)));
	for (uint8_t i = 0; i < events; i++) {
		s->of_event[proto][i] = add_category(
			s, event_category(&(struct event){ .proto = (uint8_t)proto, .event = i }));
		set_add(&categories, s->of_event[proto][i]);
	}
	while (d->fields && d->fields[n].name)
		n++;
	s->of_fact[proto] = calloc(n + 1, sizeof *s->of_fact[proto]);
	s->n_facts[proto] = (uint16_t)n;
	if (!s->of_fact[proto])
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct field *f = &d->fields[i];
		uint16_t at = s->of_fact[proto][i] = add(s, f->name, f->type, f->privacy);
		for (unsigned c = 0; proto != PROTO_named && c < s->n_categories; c++)
			if (set_has(&categories, c))
				set_add(&s->field[at].categories, c);
	}
	return true;
}

static void add_named_categories(struct event_schema *s)
{
	static const char *const rows[][2] = {
#define NAMED_CATEGORY(name)
#define NAMED(category, name, type, privacy, list) { category, name },
#include "packet/named.def"
#undef NAMED_CATEGORY
#undef NAMED
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int c = event_schema_category(s, bytes_str(rows[i][0])), f = find(s, bytes_str(rows[i][1]));
		ASSERT(f >= 0 && (c >= 0 || *rows[i][0] == 0));
		if (c >= 0)
			set_add(&s->field[f].categories, (unsigned)c);
		else
			s->field[f].everywhere = true;
	}
}

static uint16_t add_device(struct event_schema *s, const char *side, char *names)
{
	uint16_t first = s->n_fields;
	for (unsigned i = 0; i < DEVICE_FIELDS; i++) {
		char *name = names + (size_t)i * DEVICE_NAME;
		snprintf(name, DEVICE_NAME, "%s.device.%s", side, device_field_name(i));
		add(s, name, i == DEVICE_FIELD_CONFIDENCE ? FACT_UINT : FACT_STR,
			i < ATTR_N ? attr_rows[i].privacy : OPEN);
		s->field[first + i].everywhere = true;
	}
	ASSERT(s->n_fields == first + DEVICE_FIELDS);
	return first;
}

/* ---- what a compiler asks -------------------------------------------------------------------- */

static const struct event_schema *self(const struct schema *s)
{
	return (const struct event_schema *)(const void *)s;
}

static bool alias_is_of(const struct alias *a, struct bytes category)
{
	return *a->category == 0 || category.n == 0 || bytes_is(category, a->category);
}

/* The first alias of that name in the category, or NULL. */
static const struct alias *find_alias(const struct event_schema *s, struct bytes category, struct bytes name)
{
	for (unsigned at = slot_of(name); s->of_alias[at]; at = (at + 1) % SCHEMA_SLOTS) {
		const struct alias *a = &aliases[s->of_alias[at] - 1];
		if (bytes_is(name, a->name) && alias_is_of(a, category))
			return a;
	}
	return NULL;
}

static int field_number(const struct schema *schema, struct bytes category, struct bytes name)
{
	const struct event_schema *s = self(schema);
	int at = find(s, name), number = event_schema_category(s, category);
	const struct alias *alias = at < 0 ? find_alias(s, category, name) : NULL;
	if (alias)
		at = find(s, bytes_str(alias->canonical));
	if (at < 0)
		return alias ? FIELD_UNSEEN : FIELD_UNKNOWN;
	bool here = category.n == 0 || (number >= 0 && set_has(&s->field[at].categories, (unsigned)number));
	return s->field[at].everywhere || here ? at : FIELD_UNKNOWN;
}

static enum fact_type field_type(const struct schema *s, uint16_t field)
{
	return self(s)->field[field].type;
}

static enum privacy field_privacy(const struct schema *s, uint16_t field)
{
	return self(s)->field[field].privacy;
}

static const char *field_name(const struct schema *s, uint16_t field)
{
	return self(s)->field[field].name;
}

static const char *field_alias(const struct schema *s, struct bytes category, size_t i)
{
	for (size_t a = 0; a < ALIASES; a++)
		if (alias_is_of(&aliases[a], category) &&
			find(self(s), bytes_str(aliases[a].canonical)) >= 0 && i-- == 0)
			return aliases[a].name;
	return NULL;
}

/* ---- fixed sets ------------------------------------------------------------------------------ */

/* The i-th name of an event of the category. */
static const char *action_at(const struct event_schema *s, struct bytes category, size_t i)
{
	int number = event_schema_category(s, category);
	for (unsigned p = 0; number >= 0 && p < PROTO_N; p++)
		for (uint8_t e = 0; dissectors[p]->events && dissectors[p]->events[e]; e++) {
			struct event of = { .proto = (uint8_t)p, .event = e };
			if (s->of_event[p][e] == number && i-- == 0)
				return (const char *)event_action(&of).p;
		}
	return NULL;
}

static const char *transport_at(size_t i)
{
	for (unsigned t = 0; t < 256; t++)
		if (transport_name((uint8_t)t) && i-- == 0)
			return transport_name((uint8_t)t);
	return NULL;
}

static const char *field_value(const struct schema *schema, struct bytes category, uint16_t field, size_t i)
{
	static const char *const rows[][2] = {
#define CLOSED(field, value) { field, value },
#include "decide/closed.def"
	};
	const struct event_schema *s = self(schema);
	if (field == COMMON_ACTION)
		return action_at(s, category, i);
	if (field == COMMON_CATEGORY && category.n)
		return i == 0 && event_schema_category(s, category) >= 0 ? (const char *)category.p : NULL;
	if (field == COMMON_TRANSPORT)
		return transport_at(i);
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
		if (strcmp(rows[r][0], s->field[field].name) == 0 && i-- == 0)
			return rows[r][1];
	return NULL;
}

/* ---- making ---------------------------------------------------------------------------------- */

struct event_schema *event_schema_new(void)
{
	struct event_schema *s = calloc(1, sizeof *s);
	bool fine = s && (s->names = calloc(2, (size_t)DEVICE_FIELDS * DEVICE_NAME));
	if (!fine) {
		event_schema_free(s);
		return NULL;
	}
	for (unsigned i = 0; i < ALIASES; i++)
		slot_put(s->of_alias, aliases[i].name, i);
#define COMMON(id, name, type) s->field[add(s, name, type, OPEN)].everywhere = true;
#define DERIVED(id, category, name, type)                                                                    \
	set_add(&s->field[add(s, name, type, OPEN)].categories, add_category(s, bytes_str(category)));
#include "decide/common.def"
#undef COMMON
	s->field[COMMON_DESTINATION_DOMAIN].privacy = SUSPECT; /* as in dns.question.name */
	for (unsigned p = 0; p < PROTO_N; p++)
		fine = add_dissector(s, p) && fine;
	add_named_categories(s);
	s->schema.n_searched = s->n_fields;
	s->schema.unsearched = COMMON_COMMUNITY_ID;
	s->source_device = add_device(s, "source", s->names);
	s->destination_device = add_device(s, "destination", s->names + (size_t)DEVICE_FIELDS * DEVICE_NAME);
	s->schema.n_fields = s->n_fields;
	s->schema.field = field_number;
	s->schema.type = field_type;
	s->schema.privacy = field_privacy;
	s->schema.name = field_name;
	s->schema.alias = field_alias;
	s->schema.value = field_value;
	if (fine)
		return s;
	event_schema_free(s);
	return NULL;
}

void event_schema_free(struct event_schema *s)
{
	if (!s)
		return;
	for (unsigned p = 0; p < PROTO_N; p++) {
		free(s->of_fact[p]);
		free(s->of_event[p]);
	}
	free(s->names);
	free(s);
}

int event_schema_category(const struct event_schema *s, struct bytes name)
{
	for (int i = 0; i < s->n_categories; i++)
		if (bytes_eq(name, s->category[i]))
			return i;
	return -1;
}

bool event_schema_has(const struct event_schema *s, unsigned category, uint16_t field)
{
	return s->field[field].everywhere || set_has(&s->field[field].categories, category);
}

unsigned event_schema_category_of(const struct event_schema *s, const struct event *e)
{
	return s->of_event[e->proto][e->event];
}
