/*
 * Events written as maps, in tests and in lines of events.jsonl, as the records a worker would have sent: see
 * event_write.h.
 */
#include "decide/event_write.h"

#include "packet/categories.h"

#include <stdio.h>

#define START_NS (UINT64_C(1772352000) * 1000000000) /* 2026-03-01T08:00:00Z */

void event_writer_init(struct event_writer *w, const struct event_schema *s, struct event_view *v,
	const char *file, struct diag *diag)
{
	w->schema = s;
	w->view = v;
	w->file = file;
	w->diag = diag;
	w->now_ns = START_NS - 1000000000;
	w->packet = 0;
	privacy_key_init(&w->key, bytes_str("written events"), false);
}

static bool complain(struct event_writer *w, const struct yaml_node *at, const char *what, struct bytes name)
{
	diag_add(w->diag, DIAG_ERROR, w->file, at->line, at->column, "E240", "%s%s%.*s%s", what,
		name.n ? " \"" : "", (int)name.n, name.n ? (const char *)name.p : "", name.n ? "\"" : "");
	return false;
}

/* ---- values ---------------------------------------------------------------------------------------- */

/* YYYY-MM-DDTHH:MM:SS[.fraction]Z */
static bool parse_time(struct bytes text, int64_t *ns)
{
	int year, month, day, hour, minute, used = 0;
	double second;
	char copy[40];
	snprintf(copy, sizeof copy, "%.*s", (int)(text.n < 39 ? text.n : 39), (const char *)text.p);
	if (sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%lfZ%n", &year, &month, &day, &hour, &minute, &second, &used) !=
			6 ||
		used != (int)text.n || year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 ||
		day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
		!(second >= 0 && second < 61))
		return false;
	/* Days from a calendar counted from March (the leap day last). */
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
	*ns = (days * 86400 + hour * 3600 + minute * 60) * 1000000000 + (int64_t)(second * 1e9);
	return true;
}

static int hex_digit(int c)
{
	if (ascii_digit(c))
		return c - '0';
	c = c < 0 ? 0 : ascii_lower((uint8_t)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a value of that type in `out`; false: the text is none. */
static bool value_bytes(struct event_writer *w, const struct yaml_node *v, enum fact_type type,
	enum privacy privacy, uint8_t out[4096], size_t *n)
{
	struct bytes text = v->text ? yaml_text(v) : (struct bytes){ 0 };
	struct addr ip = { 0 };
	struct mac mac = { 0 };
	int64_t ns = 0;
	bool fine = v->type != YAML_LIST && v->type != YAML_MAP && text.n <= 4096;
	if (privacy_is_phi(privacy)) {
		struct phi_fact p = { .class = (uint8_t)privacy, .whole = privacy_pseudonym(&w->key, text) };
		memcpy(out, &p, *n = sizeof p);
		return fine;
	}
	switch (type) {
	case FACT_UINT:
	case FACT_INT:
		memcpy(out, &v->integer, *n = sizeof v->integer);
		return fine && v->type == YAML_INT && (type == FACT_INT || v->integer >= 0);
	case FACT_BOOL:
		out[0] = v->integer != 0;
		*n = 1;
		return fine && v->type == YAML_BOOL;
	case FACT_IP:
		fine = fine && addr_parse(text, &ip);
		memcpy(out, &ip, *n = sizeof ip);
		return fine;
	case FACT_MAC:
		fine = fine && mac_parse(text, &mac);
		memcpy(out, &mac, *n = sizeof mac);
		return fine;
	case FACT_TIME:
		fine = fine && parse_time(text, &ns);
		memcpy(out, &ns, *n = sizeof ns);
		return fine;
	case FACT_BYTES:
		*n = text.n / 2;
		for (size_t i = 0; fine && i < text.n; i++)
			fine = hex_digit(text.p[i]) >= 0;
		for (size_t i = 0; fine && i < *n; i++)
			out[i] = (uint8_t)(hex_digit(text.p[2 * i]) << 4 | hex_digit(text.p[2 * i + 1]));
		return fine && text.n % 2 == 0;
	case FACT_STR:
	case FACT_PHI:
		break;
	}
	*n = fine ? text.n : 0;
	if (*n)
		memcpy(out, text.p, *n);
	return fine;
}

/* ---- facts ----------------------------------------------------------------------------------------- */

static struct event *record_of(struct event_writer *w)
{
	return (struct event *)(void *)w->record;
}

static bool put_fact(
	struct event_writer *w, const struct field *f, uint16_t number, const struct yaml_node *v)
{
	struct event *e = record_of(w);
	uint8_t value[4096];
	size_t n, room = EVENT_WRITE_BYTES - e->len;
	struct fact *fact = (struct fact *)(void *)(w->record + e->len);
	bool list = v->type == YAML_LIST, phi = privacy_is_phi(f->privacy);
	if (room < sizeof *fact + (list ? v->n : 1) * (sizeof value + 2) + 8)
		return false;
	*fact = (struct fact){ .field = number, .type = (uint8_t)(phi ? FACT_PHI : f->type) };
	for (size_t i = 0; i < (list ? v->n : 1); i++) {
		if (!value_bytes(w, list ? v->items[i] : v, f->type, f->privacy, value, &n))
			return false;
		if (f->list && !phi) {
			uint8_t length[2] = { (uint8_t)n, (uint8_t)(n >> 8) };
			memcpy(fact->value + fact->len, length, 2);
			fact->len = (uint16_t)(fact->len + 2);
			fact->count++;
		} else if (i > 0) {
			return false;
		}
		memcpy(fact->value + fact->len, value, n);
		fact->len = (uint16_t)(fact->len + n);
	}
	e->len += (uint32_t)(sizeof *fact + ((fact->len + 7u) & ~7u));
	e->n_facts++;
	if (phi)
		e->phi |= PHI_BIT(f->privacy);
	return true;
}

static bool put_phi(struct event_writer *w, const struct yaml_node *v)
{
	bool list = v->type == YAML_LIST;
	for (size_t i = 0; i < (list ? v->n : 1); i++) {
		const struct yaml_node *one = list ? v->items[i] : v;
		enum privacy class = one->type == YAML_STRING ? phi_by_name(yaml_text(one)) : PHI_NONE;
		if (class == PHI_NONE)
			return false;
		record_of(w)->phi |= PHI_BIT(class);
	}
	return true;
}

/* ---- the conversation ------------------------------------------------------------------------------ */

static bool number_of(const struct yaml_node *v, int64_t most, uint16_t *out)
{
	*out = (uint16_t)v->integer;
	return v->type == YAML_INT && v->integer >= 0 && v->integer <= most;
}

static bool protocol_of(const struct yaml_node *v, uint8_t *out)
{
	for (unsigned i = 0; i < 256; i++) {
		const char *name = transport_name((uint8_t)i);
		*out = (uint8_t)i;
		if (name && v->type == YAML_STRING && bytes_is(yaml_text(v), name))
			return true;
	}
	return false;
}

static bool put_common(struct event_writer *w, enum common_field field, const struct yaml_node *v)
{
	struct event *e = record_of(w);
	struct conv *c = &e->conv;
	struct bytes text = v->text ? yaml_text(v) : (struct bytes){ 0 };
	bool is_bool = v->type == YAML_BOOL, truth = v->integer != 0, source = bytes_is(text, "source");
	switch (field) {
	case COMMON_SOURCE_IP:
		return addr_parse(text, &c->src);
	case COMMON_DESTINATION_IP:
		return addr_parse(text, &c->dst);
	case COMMON_SOURCE_MAC:
		return mac_parse(text, &c->smac);
	case COMMON_DESTINATION_MAC:
		return mac_parse(text, &c->dmac);
	case COMMON_SOURCE_PORT:
		return number_of(v, 65535, &c->sport);
	case COMMON_DESTINATION_PORT:
		return number_of(v, 65535, &c->dport);
	case COMMON_TRANSPORT:
		return protocol_of(v, &c->proto);
	case COMMON_ENCRYPTED:
		c->encrypted = truth;
		return is_bool;
	case COMMON_INITIATOR_KNOWN:
		c->initiator_known = truth;
		return is_bool;
	case COMMON_STANDARD_PORT:
		c->odd_port = !truth;
		return is_bool;
	case COMMON_VLAN:
		return number_of(v, 4095, &c->vlan[0]) && (c->vlan[1] = c->vlan[0], true);
	case COMMON_SENDER:
		e->dir = source ? DIR_CLIENT : DIR_SERVER;
		return source || bytes_is(text, "destination");
	default:
		return false;
	}
}

/* ---- events ---------------------------------------------------------------------------------------- */

/* The event of that category and action (or, without one, the category's first). */
static bool find_event(
	struct event_writer *w, const struct yaml_node *at, struct bytes category, struct bytes action)
{
	struct event *e = record_of(w);
	for (unsigned p = 0; p < PROTO_N; p++) {
		for (uint8_t i = 0; dissectors[p]->events && dissectors[p]->events[i]; i++) {
			e->proto = (uint8_t)p;
			e->event = i;
			if (bytes_eq(event_category(e), category) &&
				(!action.n || bytes_eq(event_action(e), action)))
				return true;
		}
	}
	return complain(w, at, "there is no such event:", action.n ? action : category);
}

static bool put(struct event_writer *w, const struct yaml_node *key, const struct yaml_node *v)
{
	const struct event_schema *s = w->schema;
	const struct event *e = record_of(w);
	struct bytes name = yaml_text(key);
	if (bytes_is(name, "category") || bytes_is(name, "action") || bytes_is(name, "time"))
		return true;
	if (bytes_is(name, "phi"))
		return put_phi(w, v) || complain(w, v, "not a class of patient data", (struct bytes){ 0 });
	const struct field *f = dissectors[e->proto]->fields;
	for (uint16_t i = 0; f && f[i].name; i++)
		if (bytes_is(name, f[i].name))
			return put_fact(w, &f[i], i, v) || complain(w, v, "not a value of", name);
	int number = s->schema.field(&s->schema, event_category(e), name);
	if (number >= 0 && number < COMMON_N)
		return put_common(w, (enum common_field)number, v) || complain(w, v, "not a value of", name);
	if (number < s->source_device)
		return complain(w, key, "this event has no field", name);
	event_view_pretend(w->view, (uint16_t)number, v->text ? yaml_text(v) : (struct bytes){ 0 });
	return true;
}

const struct event *event_write(struct event_writer *w, const struct yaml_node *map)
{
	const struct yaml_node *category = yaml_get(map, "category"), *action = yaml_get(map, "action");
	const struct yaml_node *time = yaml_get(map, "time");
	struct event *e = record_of(w);
	int64_t ns = 0;
	if (map->type != YAML_MAP || !category) {
		complain(w, map, "an event is a mapping with a `category`", (struct bytes){ 0 });
		return NULL;
	}
	if (time && !parse_time(yaml_text(time), &ns)) {
		complain(w, time, "a time like 2026-03-01T08:00:00Z is needed", (struct bytes){ 0 });
		return NULL;
	}
	w->now_ns = time ? (uint64_t)ns : w->now_ns + 1000000000;
	*e = (struct event){
		.len = sizeof *e, .record = RECORD_EVENT, .ts_ns = w->now_ns, .packet = ++w->packet
	};
	e->conv = (struct conv){ .sport = 40000, .dport = 4000, .proto = L4_TCP, .initiator_known = true };
	addr_parse(bytes_str("10.0.0.1"), &e->conv.src);
	addr_parse(bytes_str("10.0.0.2"), &e->conv.dst);
	if (!find_event(w, category, yaml_text(category), action ? yaml_text(action) : (struct bytes){ 0 }))
		return NULL;
	event_view_pretend_none(w->view);
	for (size_t i = 0; i < map->n; i++)
		if (!put(w, map->keys[i], map->items[i]))
			return NULL;
	return e;
}
