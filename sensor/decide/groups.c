#include "decide/groups.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

struct group {
	const char *name;
	const struct yaml_node *body;
	const char *file;
	struct detect *detect; /* NULL: not yet, or refused */
	bool on_way;           /* while circles are looked for */
	bool seen;
	uint16_t *needs; /* other groups */
	size_t n_needs, cap_needs;
};

struct groups {
	struct arena *memory;
	struct group list[DEVICE_GROUPS];
	size_t n;
	uint16_t order[DEVICE_GROUPS]; /* those that another needs before it */
	size_t n_order;
	struct schema schema; /* of device records */
	const struct event_schema *events;
	struct group *compiling;
	const struct detect_env *outer;
};

/* ---- the record as a schema ------------------------------------------------------------------------- */

static const char *const more_names[] = { "device.ip", "device.mac", "device.vlan", "device.zone" };

static const struct event_schema *events_of(const struct schema *s)
{
	const struct groups *g =
		(const struct groups *)(const void *)((const char *)s - offsetof(struct groups, schema));
	return g->events;
}

/* source.device.type without the side. */
static const char *record_name(const struct schema *s, uint16_t field)
{
	const struct event_schema *e = events_of(s);
	return field < DEVICE_FIELDS ? e->field[e->source_device + field].name + sizeof "source." - 1
				     : more_names[field - DEVICE_FIELDS];
}

static int record_field(const struct schema *s, struct bytes category, struct bytes name)
{
	(void)category;
	for (uint16_t i = 0; i < DEVICE_RECORD_FIELDS; i++)
		if (bytes_is(name, record_name(s, i)))
			return i;
	return FIELD_UNKNOWN;
}

static enum fact_type record_type(const struct schema *s, uint16_t field)
{
	const struct event_schema *e = events_of(s);
	return field < DEVICE_FIELDS        ? e->field[e->source_device + field].type
	       : field == DEVICE_FIELD_IP   ? FACT_IP
	       : field == DEVICE_FIELD_MAC  ? FACT_MAC
	       : field == DEVICE_FIELD_VLAN ? FACT_UINT
					    : FACT_STR;
}

static enum privacy record_privacy(const struct schema *s, uint16_t field)
{
	const struct event_schema *e = events_of(s);
	return field < DEVICE_FIELDS ? e->field[e->source_device + field].privacy : OPEN;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

struct groups *groups_new(struct arena *a, const struct event_schema *events)
{
	struct groups *g = arena_get(a, sizeof *g);
	g->memory = a;
	g->events = events;
	g->schema = (struct schema){ .field = record_field,
		.type = record_type,
		.privacy = record_privacy,
		.name = record_name,
		.n_fields = DEVICE_RECORD_FIELDS,
		.n_searched = ATTR_N };
	return g;
}

void groups_read(struct groups *g, const struct yaml_node *doc, const char *file, struct diag *diag)
{
	const struct yaml_node *map = yaml_get(doc, "groups");
	if (!map || map->type != YAML_MAP) {
		diag_add(diag, DIAG_ERROR, file, doc->line, doc->column, "E103",
			"a document of kind groups has a mapping `groups` of names to detections");
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *key = map->keys[i], *body = map->items[i];
		if (g->n == DEVICE_GROUPS)
			diag_add(diag, DIAG_ERROR, file, key->line, key->column, "E119",
				"more than %d groups", DEVICE_GROUPS);
		else if (groups_find(g, yaml_text(key)) >= 0)
			diag_add(diag, DIAG_ERROR, file, key->line, key->column, "E213",
				"there is a group \"%s\" already", key->text);
		else if (body->type != YAML_MAP || !yaml_get(body, "condition"))
			diag_add(diag, DIAG_ERROR, file, body->line, body->column, "E146",
				"a group is a mapping of search identifiers and a `condition`");
		else
			g->list[g->n++] = (struct group){
				.name = arena_text(g->memory, yaml_text(key)), .body = body, .file = file
			};
	}
}

int groups_find(const struct groups *g, struct bytes name)
{
	for (size_t i = 0; i < g->n; i++)
		if (bytes_is(name, g->list[i].name))
			return (int)i;
	return -1;
}

size_t groups_count(const struct groups *g)
{
	return g->n;
}

const char *groups_name(const struct groups *g, unsigned group)
{
	ASSERT(group < g->n);
	return g->list[group].name;
}

/* ---- compiling ---------------------------------------------------------------------------------------- */

static const struct list *list_of_outer(void *arg, struct bytes name)
{
	const struct detect_env *outer = ((struct groups *)arg)->outer;
	return outer->list ? outer->list(outer->arg, name) : NULL;
}

static int member_of_record(const struct detect_env *env, enum member_kind kind, struct bytes name)
{
	struct groups *g = env->arg;
	if (kind == MEMBER_BASELINE)
		return -1;
	int number = g->outer->member(g->outer, kind, name);
	if (kind == MEMBER_GROUP && number >= 0) {
		struct group *me = g->compiling;
		arena_grow(g->memory, &me->needs, &me->cap_needs, me->n_needs, sizeof *me->needs);
		me->needs[me->n_needs++] = (uint16_t)number;
	}
	return number;
}

/* Depth first; at a group that is on the way already the circle is closed. */
static bool is_circle(struct groups *g, struct group *at, struct diag *diag)
{
	if (at->on_way) {
		diag_add(diag, DIAG_ERROR, at->file, at->body->line, at->body->column, "E210",
			"the group \"%s\" refers to itself, through others or at once", at->name);
		return true;
	}
	if (at->seen)
		return false;
	at->seen = at->on_way = true;
	bool circle = false;
	for (size_t i = 0; i < at->n_needs && !circle; i++)
		circle = is_circle(g, &g->list[at->needs[i]], diag);
	at->on_way = false;
	g->order[g->n_order++] = (uint16_t)(at - g->list);
	return circle;
}

void groups_compile(struct groups *g, const struct detect_env *env)
{
	g->outer = env;
	for (size_t i = 0; i < g->n; i++) {
		struct detect_env mine = *env;
		g->compiling = &g->list[i];
		mine.schema = &g->schema;
		mine.category = bytes_str("device");
		mine.extended = true;
		mine.file = g->list[i].file;
		mine.member = member_of_record;
		mine.list = list_of_outer;
		mine.arg = g;
		g->list[i].detect = detect_compile_in(&mine, g->list[i].body);
	}
	for (size_t i = 0; i < g->n; i++)
		if (is_circle(g, &g->list[i], env->diag))
			return;
}

void groups_free(struct groups *g)
{
	for (size_t i = 0; g && i < g->n; i++)
		detect_free(g->list[i].detect);
}

/* ---- a device as a view -------------------------------------------------------------------------------- */

enum { RECORD_VALUES = 16 };

struct record_view {
	struct view view;
	struct groups_run *run;
	const struct device_look *look;
	struct bytes value[RECORD_VALUES];
	char id[DEVICE_ID];
	uint64_t number[RECORD_VALUES];
};

struct groups_run {
	const struct groups *groups;
	const struct zones *zones;
	size_t words; /* of a device's bits */
	uint64_t *bits;
	uint64_t *change; /* by slot: of which change the bits are */
	uint32_t slots;
	uint64_t *building; /* bits being worked out: what a group needs of others is there already */
	uint64_t scratch[DEVICE_GROUPS / 64];
};

uint16_t device_vlan(const struct device *d)
{
	const struct mac *macs;
	const uint16_t *vlans;
	return device_macs(d, &macs) && device_vlans(d, &vlans) ? vlans[0] : 0;
}

unsigned device_zone(const struct zones *z, const struct device *d)
{
	const struct addr *ips;
	size_t n = device_ips(d, &ips);
	unsigned zone;
	for (size_t i = 0; i < n; i++)
		if (zones_by_prefix(z, &ips[i], &zone))
			return zone;
	struct addr first = n ? ips[0] : (struct addr){ 0 };
	return zones_of(z, &first, device_vlan(d));
}

static unsigned look_zone(const struct groups_run *r, const struct device_look *look)
{
	return look->device ? device_zone(r->zones, look->device) : zones_of(r->zones, &look->ip, look->vlan);
}

static struct leaf texts(struct record_view *v, unsigned n)
{
	return (struct leaf){ FACT_STR, NULL, v->value, n };
}

static struct leaf attr_leaf(struct record_view *v, uint16_t field)
{
	const struct device *d = v->look->device;
	struct attr_value a;
	unsigned n = 0;
	if (field == DEVICE_FIELD_ID) {
		device_id(d, v->id);
		v->value[n++] = bytes_str(v->id);
	} else if (field == DEVICE_FIELD_CONFIDENCE) {
		v->number[0] = device_confidence(d);
		v->value[0] = bytes_of(&v->number[0], sizeof v->number[0]);
		return (struct leaf){ FACT_UINT, NULL, v->value, 1 };
	} else if (field == ATTR_TYPE) {
		v->value[n++] = bytes_str(device_type(d));
	} else {
		while (n < RECORD_VALUES && device_attr(d, (enum attr)field, n, &a))
			v->value[n++] = a.value;
	}
	return texts(v, n);
}

static struct leaf address_leaf(struct record_view *v, uint16_t field)
{
	const struct device_look *look = v->look;
	const struct addr *ips = &look->ip;
	const struct mac *macs = &look->mac;
	const uint16_t *vlans = &look->vlan;
	size_t n = field == DEVICE_FIELD_IP    ? look->ip.family != 0
		   : field == DEVICE_FIELD_MAC ? !mac_is_zero(&look->mac)
					       : look->vlan != 0;
	struct leaf l = { field == DEVICE_FIELD_IP    ? FACT_IP
			  : field == DEVICE_FIELD_MAC ? FACT_MAC
						      : FACT_UINT,
		NULL, v->value, 0 };
	if (look->device)
		n = field == DEVICE_FIELD_IP    ? device_ips(look->device, &ips)
		    : field == DEVICE_FIELD_MAC ? device_macs(look->device, &macs)
						: device_vlans(look->device, &vlans);
	for (; l.n < n && l.n < RECORD_VALUES; l.n++) {
		v->number[l.n] = field == DEVICE_FIELD_VLAN ? vlans[l.n] : 0;
		v->value[l.n] = field == DEVICE_FIELD_IP    ? bytes_of(&ips[l.n], sizeof ips[l.n])
				: field == DEVICE_FIELD_MAC ? bytes_of(&macs[l.n], sizeof macs[l.n])
							    : bytes_of(&v->number[l.n], sizeof v->number[0]);
	}
	return l;
}

static struct leaf record_get(const struct view *view, uint16_t field)
{
	struct record_view *v = (struct record_view *)(uintptr_t)view;
	if (field == DEVICE_FIELD_ZONE) {
		unsigned zone = look_zone(v->run, v->look);
		v->value[0] = zone == ZONE_NONE ? (struct bytes){ 0 }
						: bytes_str(zones_at(v->run->zones, zone)->name);
		return texts(v, zone != ZONE_NONE);
	}
	if (field >= DEVICE_FIELDS)
		return address_leaf(v, field);
	if (v->look->device)
		return attr_leaf(v, field);
	v->value[0] = v->look->pretended ? v->look->pretended[field] : (struct bytes){ 0 };
	return texts(v, v->value[0].n > 0);
}

static bool record_member(const struct view *view, enum member_kind kind, uint16_t subject, unsigned number)
{
	struct record_view *v = (struct record_view *)(uintptr_t)view;
	if (kind == MEMBER_GROUP)
		return groups_has(v->run, v->look, number);
	if (kind != MEMBER_ZONE)
		return false;
	if (subject == DEVICE_FIELD_ZONE)
		return zone_is_inside(v->run->zones, look_zone(v->run, v->look), number);
	struct leaf l = address_leaf(v, DEVICE_FIELD_IP);
	for (unsigned i = 0; i < l.n; i++) {
		struct addr a;
		memcpy(&a, l.values[i].p, sizeof a);
		if (zone_is_inside(v->run->zones, zones_of(v->run->zones, &a, 0), number))
			return true;
	}
	return false;
}

/* ---- asking -------------------------------------------------------------------------------------------- */

static bool holds(struct groups_run *r, const struct device_look *look, unsigned group)
{
	struct record_view v = {
		.view = { .get = record_get, .member = record_member }, .run = r, .look = look
	};
	const struct detect *d = r->groups->list[group].detect;
	return d && detect_eval(d, &v.view, NULL);
}

static void work_out(struct groups_run *r, const struct device_look *look, uint64_t *bits)
{
	const struct groups *g = r->groups;
	memset(bits, 0, r->words * sizeof *bits);
	r->building = bits;
	for (size_t i = 0; i < g->n_order; i++)
		if (holds(r, look, g->order[i]))
			bits[g->order[i] / 64] |= UINT64_C(1) << g->order[i] % 64;
	r->building = NULL;
}

bool groups_has(struct groups_run *r, const struct device_look *look, unsigned group)
{
	uint64_t change = 0, *bits = r->building;
	if (group >= r->groups->n || (!look->device && !look->pretended))
		return false;
	uint32_t slot = look->device && !bits ? device_slot(look->device, &change) : 0;
	bool kept = change && slot < r->slots;
	if (!bits)
		bits = kept ? r->bits + slot * r->words : r->scratch;
	if (bits != r->building && (!kept || r->change[slot] != change)) {
		work_out(r, look, bits);
		if (kept)
			r->change[slot] = change;
	}
	return bits[group / 64] >> group % 64 & 1;
}

struct groups_run *groups_start(const struct groups *g, const struct zones *z, const struct inventory *inv)
{
	struct groups_run *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	*r = (struct groups_run){ .groups = g, .zones = z, .words = (g->n + 63) / 64 };
	if (!inv || g->n == 0)
		return r;
	r->slots = inventory_slots(inv);
	r->bits = calloc(r->slots, r->words * sizeof *r->bits);
	r->change = calloc(r->slots, sizeof *r->change);
	if (r->bits && r->change)
		return r;
	groups_stop(r);
	return NULL;
}

void groups_stop(struct groups_run *r)
{
	if (!r)
		return;
	free(r->bits);
	free(r->change);
	free(r);
}
