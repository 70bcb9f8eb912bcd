/*
 * Events written as maps, in tests and in lines of events.jsonl, as the records a worker would have sent: see
 * event_write.h.
 */
#include "decide/event_write.h"

#include "packet/categories.h"

#include <math.h>
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
	*ns = (days * 86400 + hour * 3600 + minute * 60) * 1000000000 + llround(second * 1e6) * 1000;
	return true;
}

static int hex_digit(int c)
{
	if (ascii_digit(c))
		return c - '0';
	c = c < 0 ? 0 : ascii_lower((uint8_t)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An odd number of digits is a number without its leading zero. */
static bool hex_bytes(struct bytes text, uint8_t out[4096], size_t *n)
{
	size_t odd = text.n % 2;
	*n = (text.n + odd) / 2;
	for (size_t i = 0; i < text.n; i++) {
		int digit = hex_digit(text.p[i]);
		size_t at = (i + odd) / 2;
		if (digit < 0)
			return false;
		out[at] = (uint8_t)((i + odd) % 2 && i > 0 ? out[at] << 4 | digit : digit);
	}
	return true;
}

/* Also in quotes, as other tools write numbers. */
static bool whole_number(const struct yaml_node *v, int64_t *out)
{
	uint64_t n = 0;
	*out = v->integer;
	if (v->type == YAML_INT)
		return true;
	bool fine = v->type == YAML_STRING && bytes_to_u64(yaml_text(v), &n) && n <= INT64_MAX;
	*out = (int64_t)n;
	return fine;
}

/* The bytes of a value of that type in `out`; false: the text is none. */
static bool value_bytes(struct event_writer *w, const struct yaml_node *v, enum fact_type type,
	enum privacy privacy, uint8_t out[4096], size_t *n)
{
	struct bytes text = v->text ? yaml_text(v) : (struct bytes){ 0 };
	struct addr ip = { 0 };
	struct mac mac = { 0 };
	int64_t ns = 0, number;
	bool fine = true;
	if (v->type == YAML_LIST || v->type == YAML_MAP || text.n > 4096)
		return false;
	if (privacy_is_phi(privacy)) {
		struct phi_fact p = { .class = (uint8_t)privacy, .whole = privacy_pseudonym(&w->key, text) };
		memcpy(out, &p, *n = sizeof p);
		return true;
	}
	switch (type) {
	case FACT_UINT:
	case FACT_INT:
		fine = whole_number(v, &number) && (type == FACT_INT || number >= 0);
		memcpy(out, &number, *n = sizeof number);
		return fine;
	case FACT_BOOL:
		out[0] = v->type == YAML_BOOL ? v->integer != 0 : bytes_isi(text, "true");
		*n = 1;
		return v->type == YAML_BOOL || out[0] || bytes_isi(text, "false");
	case FACT_IP:
		fine = addr_parse(text, &ip);
		memcpy(out, &ip, *n = sizeof ip);
		return fine;
	case FACT_MAC:
		fine = mac_parse(text, &mac);
		memcpy(out, &mac, *n = sizeof mac);
		return fine;
	case FACT_TIME:
		fine = parse_time(text, &ns);
		memcpy(out, &ns, *n = sizeof ns);
		return fine;
	case FACT_BYTES: /* hex, or what doc_event wrote as the text it is */
		if (hex_bytes(text, out, n))
			return true;
		break;
	case FACT_STR:
	case FACT_PHI:
		break;
	}
	*n = text.n;
	if (*n)
		memcpy(out, text.p, *n);
	return true;
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
	size_t n, at = 0, room = EVENT_WRITE_BYTES - e->len;
	struct fact *fact = (struct fact *)(void *)(w->record + e->len);
	bool list = v->type == YAML_LIST, phi = privacy_is_phi(f->privacy), many = f->list && !phi;
	if (list && v->n == 0)
		return true; /* a list without elements is absent */
	if (room < sizeof *fact + 8)
		return false;
	room = room - sizeof *fact - 8 < UINT16_MAX ? room - sizeof *fact - 8 : UINT16_MAX;
	*fact = (struct fact){ .field = number, .type = (uint8_t)(phi ? FACT_PHI : f->type) };
	for (size_t i = 0; i < (list ? v->n : 1); i++) {
		if (!value_bytes(w, list ? v->items[i] : v, f->type, f->privacy, value, &n) ||
			(i > 0 && !many) || at + n + 2 > room)
			return false;
		if (many) {
			uint8_t length[2] = { (uint8_t)n, (uint8_t)(n >> 8) };
			memcpy(fact->value + at, length, 2);
			at += 2;
			fact->count++;
		}
		memcpy(fact->value + at, value, n);
		at += n;
	}
	fact->len = (uint16_t)at;
	e->len += (uint32_t)(sizeof *fact + ((at + 7u) & ~(size_t)7));
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
	int64_t n;
	bool fine = whole_number(v, &n) && n >= 0 && n <= most;
	*out = (uint16_t)n;
	return fine;
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

static bool put_vlans(struct conv *c, const struct yaml_node *v)
{
	bool list = v->type == YAML_LIST;
	const struct yaml_node *first = list && v->n ? v->items[0] : v;
	const struct yaml_node *second = list && v->n ? v->items[v->n - 1] : v;
	return number_of(first, 4095, &c->vlan[0]) && number_of(second, 4095, &c->vlan[1]) &&
	       !(list && v->n > 2);
}

enum put_result { PUT_WRONG, PUT_DONE, PUT_ELSEWHERE };

static enum put_result done(bool fine)
{
	return fine ? PUT_DONE : PUT_WRONG;
}

static enum put_result put_flag(const struct yaml_node *v, bool *flag, bool when)
{
	*flag = (v->integer != 0) == when;
	return done(v->type == YAML_BOOL);
}

static enum put_result put_common(struct event_writer *w, enum common_field field, const struct yaml_node *v)
{
	struct event *e = record_of(w);
	struct conv *c = &e->conv;
	struct bytes text = v->text ? yaml_text(v) : (struct bytes){ 0 };
	switch (field) {
	case COMMON_SOURCE_IP:
		return done(addr_parse(text, &c->src));
	case COMMON_DESTINATION_IP:
		return done(addr_parse(text, &c->dst));
	case COMMON_SOURCE_MAC:
		return done(mac_parse(text, &c->smac));
	case COMMON_DESTINATION_MAC:
		return done(mac_parse(text, &c->dmac));
	case COMMON_SOURCE_PORT:
		return done(number_of(v, 65535, &c->sport));
	case COMMON_DESTINATION_PORT:
		return done(number_of(v, 65535, &c->dport));
	case COMMON_TRANSPORT:
		return done(protocol_of(v, &c->proto));
	case COMMON_ENCRYPTED:
		return put_flag(v, &c->encrypted, true);
	case COMMON_INITIATOR_KNOWN:
		return put_flag(v, &c->initiator_known, true);
	case COMMON_STANDARD_PORT:
		return put_flag(v, &c->odd_port, false);
	case COMMON_VLAN:
		return done(put_vlans(c, v));
	case COMMON_SENDER:
		e->dir = bytes_is(text, "source") ? DIR_CLIENT : DIR_SERVER;
		return done(e->dir == DIR_CLIENT || bytes_is(text, "destination"));
	default:
		return PUT_ELSEWHERE;
	}
}

/* What the conversation's line says and a view works out from it again, or nobody asks for. */
static bool is_output_only(struct bytes name)
{
	static const char *const names[] = { "network.type", "network.community_id", "network.vni", "packet",
		"event.flags", "ecs.version" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (bytes_is(name, names[i]))
			return true;
	return bytes_starts(name, "observer.");
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

/* Keys that are read before all others, in both spellings: a test's and a line's of events.jsonl. */
static const struct yaml_node *head(const struct yaml_node *map, const char *ours, const char *line)
{
	const struct yaml_node *n = yaml_get(map, line);
	return n ? n : yaml_get(map, ours);
}

/* Says which field was perhaps meant. */
static bool unknown_field(struct event_writer *w, const struct yaml_node *key)
{
	const struct event_schema *s = w->schema;
	const char *names[SCHEMA_FIELDS];
	unsigned category = event_schema_category_of(s, record_of(w)), n = 0;
	for (uint16_t i = 0; i < s->n_fields; i++)
		if (event_schema_has(s, category, i))
			names[n++] = s->field[i].name;
	const char *near = diag_nearest(yaml_text(key), names, n);
	diag_add(w->diag, DIAG_ERROR, w->file, key->line, key->column, "E240",
		"this event has no field \"%s\"%s%s%s", key->text, near ? ": is it \"" : "", near ? near : "",
		near ? "\"?" : "");
	return false;
}

/* A value of the schema's field `number`: of the dissector's field of that name where it has one. */
static bool put_field(
	struct event_writer *w, uint16_t number, const struct yaml_node *key, const struct yaml_node *v)
{
	const struct schema_field *sf = &w->schema->field[number];
	unsigned proto = record_of(w)->proto;
	const struct field *f = proto == PROTO_named ? NULL : dissectors[proto]->fields;
	struct field written = { sf->name, sf->type, sf->privacy, v->type == YAML_LIST };
	uint16_t at = (uint16_t)(FIELD_WRITTEN | number);
	for (uint16_t i = 0; f && f[i].name; i++) {
		if (strcmp(sf->name, f[i].name) != 0)
			continue;
		written = f[i];
		at = i;
		break;
	}
	return put_fact(w, &written, at, v) || complain(w, v, "not a value of", yaml_text(key));
}

static bool put(struct event_writer *w, const struct yaml_node *key, const struct yaml_node *v)
{
	static const char *const heads[] = { "category", "event.category", "event.action", "time",
		"@timestamp" };
	const struct event_schema *s = w->schema;
	struct event *e = record_of(w);
	struct bytes name = yaml_text(key);
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		if (bytes_is(name, heads[i]))
			return true;
	if (bytes_is(name, "action") && w->action_is_event)
		return true;
	int number = s->schema.field(&s->schema, event_category(e), name);
	if ((bytes_is(name, "phi") || bytes_is(name, "phi.classes")) && !put_phi(w, v))
		return complain(w, v, "not a class of patient data", (struct bytes){ 0 });
	if (bytes_is(name, "phi") || (bytes_is(name, "phi.classes") && number < 0))
		return true;
	if (is_output_only(name))
		return true;
	if (number < 0)
		return unknown_field(w, key);
	enum put_result r = number < COMMON_N ? put_common(w, (enum common_field)number, v) : PUT_ELSEWHERE;
	if (r == PUT_WRONG)
		return complain(w, v, "not a value of", name);
	if (r == PUT_DONE)
		return true;
	if (number < s->source_device)
		return put_field(w, (uint16_t)number, key, v);
	event_view_pretend(w->view, (uint16_t)number, v->text ? yaml_text(v) : (struct bytes){ 0 });
	return true;
}

/* Lines of events.jsonl say all there is of the conversation; a test leaves out what does not matter. */
static void conversation(struct event *e, bool is_line)
{
	e->conv = (struct conv){ .initiator_known = true };
	if (is_line)
		return;
	e->conv.sport = 40000;
	e->conv.dport = 4000;
	e->conv.proto = L4_TCP;
	addr_parse(bytes_str("10.0.0.1"), &e->conv.src);
	addr_parse(bytes_str("10.0.0.2"), &e->conv.dst);
}

/* Is the key `action` a field of these events, and not the event's own name: of smb, and of flow with a word
 * of a firewall's. */
static bool action_is_field(const struct event_writer *w, struct bytes category, struct bytes action)
{
	const struct schema *s = &w->schema->schema;
	int field = s->field(s, category, bytes_str("action"));
	if (field == COMMON_FIREWALL_ACTION)
		return bytes_is(action, "accept") || bytes_is(action, "drop") || bytes_is(action, "reject") ||
		       bytes_is(action, "forward");
	return field >= 0 && !bytes_is(action, "event");
}

static bool choose_event(struct event_writer *w, const struct yaml_node *map)
{
	const struct yaml_node *category = head(map, "category", "event.category");
	const struct yaml_node *action = yaml_get(map, "event.action"), *ours = yaml_get(map, "action");
	struct bytes name = yaml_text(category);
	w->action_is_event = !(ours && ours->text && action_is_field(w, name, yaml_text(ours)));
	if (!action && w->action_is_event)
		action = ours;
	return find_event(
		w, category, name, action && action->text ? yaml_text(action) : (struct bytes){ 0 });
}

const struct event *event_write(struct event_writer *w, const struct yaml_node *map)
{
	const struct yaml_node *category = head(map, "category", "event.category");
	const struct yaml_node *time = head(map, "time", "@timestamp");
	struct event *e = record_of(w);
	int64_t ns = 0;
	if (map->type != YAML_MAP || !category || !category->text) {
		complain(w, map, "an event is a mapping with a `category`", (struct bytes){ 0 });
		return NULL;
	}
	if (time && !(time->text && parse_time(yaml_text(time), &ns))) {
		complain(w, time, "a time like 2026-03-01T08:00:00Z is needed", (struct bytes){ 0 });
		return NULL;
	}
	w->now_ns = time ? (uint64_t)ns : w->now_ns + 1000000000;
	*e = (struct event){
		.len = sizeof *e, .record = RECORD_EVENT, .ts_ns = w->now_ns, .packet = ++w->packet
	};
	conversation(e, yaml_get(map, "event.category"));
	if (!choose_event(w, map))
		return NULL;
	event_view_pretend_none(w->view);
	for (size_t i = 0; i < map->n; i++)
		if (!put(w, map->keys[i], map->items[i]))
			return NULL;
	return e;
}
