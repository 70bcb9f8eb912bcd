#include "decide/names.h"

#include "decide/baseline.h"
#include "decide/segmentation.h"

void names_new(struct policy *p)
{
	p->names.zones = zones_new(&p->memory);
	p->segmentation = arena_get(&p->memory, sizeof *p->segmentation);
	p->baselines = arena_get(&p->memory, sizeof *p->baselines);
	p->names.groups = groups_new(&p->memory, p->schema);
}

void names_free(struct policy *p)
{
	groups_free(p->names.groups);
	segmentation_free(p);
}

/* ---- load ------------------------------------------------------------------------------------------- */

static bool is_kind(const struct yaml_node *kind, const char *name)
{
	return kind && kind->type == YAML_STRING && bytes_is(yaml_text(kind), name);
}

unsigned names_turn(const struct yaml_node *doc)
{
	const struct yaml_node *kind = doc->type == YAML_MAP ? yaml_get(doc, "kind") : NULL;
	if (is_kind(kind, "lists") || is_kind(kind, "zones"))
		return 0;
	return is_kind(kind, "groups") || is_kind(kind, "baselines") ? 1 : 2;
}

bool names_read(struct loader *l, const struct yaml_node *doc, const struct yaml_node *kind)
{
	struct names *n = &l->p->names;
	if (is_kind(kind, "lists"))
		lists_read(&n->lists, &l->p->memory, doc, l->file, l->diag);
	else if (is_kind(kind, "zones"))
		zones_read(n->zones, doc, l->file, l->diag);
	else if (is_kind(kind, "groups"))
		groups_read(n->groups, doc, l->file, l->diag);
	else if (is_kind(kind, "baselines"))
		baselines_load(l, doc);
	else if (is_kind(kind, "segmentation"))
		segmentation_load(l, doc);
	else
		return false;
	return true;
}

static const struct list *list_of(void *arg, struct bytes name)
{
	return lists_find(&((struct policy *)arg)->names.lists, name);
}

static int member_of(const struct detect_env *env, enum member_kind kind, struct bytes name)
{
	const struct policy *p = env->arg;
	int category;
	switch (kind) {
	case MEMBER_GROUP:
		return groups_find(p->names.groups, name);
	case MEMBER_ZONE:
		return zones_find(p->names.zones, name);
	case MEMBER_BASELINE:
		category = event_schema_category(p->schema, env->category);
		return category < 0 ? -1 : baselines_find(p->baselines, (unsigned)category, name);
	}
	return -1;
}

struct detect_env names_env(struct loader *l, struct bytes category, bool extended)
{
	return (struct detect_env){ .schema = &l->p->schema->schema,
		.category = category,
		.extended = extended,
		.drop_empty = !extended && l->p->options.drop_empty_quantifiers,
		.file = l->file,
		.diag = l->diag,
		.list = list_of,
		.member = member_of,
		.arg = l->p };
}

void names_turn_over(struct loader *l, unsigned turn)
{
	struct policy *p = l->p;
	if (turn == 0) {
		zones_add_home(p->names.zones, p->options.home, p->options.n_home);
		zones_complete(p->names.zones, l->diag);
		p->options.home = zones_home(p->names.zones, &p->options.n_home);
	} else if (turn == 1) {
		struct detect_env env = names_env(l, (struct bytes){ 0 }, true);
		groups_compile(p->names.groups, &env);
	}
}

/* ---- run -------------------------------------------------------------------------------------------- */

struct device_look names_look(const struct policy_run *r, enum dir side)
{
	const struct conv *c = &event_view_event(r->view)->conv;
	struct device_look look = { .pretended = event_view_pretended(r->view, side) };
	look.device = look.pretended ? NULL : event_view_device(r->view, side);
	look.ip = side == DIR_CLIENT ? c->src : c->dst;
	look.mac = side == DIR_CLIENT ? c->smac : c->dmac;
	look.vlan = c->vlan[side];
	return look;
}

/* The device at the address in that field. */
static struct device_look look_at(const struct policy_run *r, uint16_t field)
{
	const struct view *v = event_view_as_view(r->view);
	struct leaf l = v->get(v, field);
	struct device_look look = { 0 };
	struct bytes raw = l.n == 0 ? (struct bytes){ 0 } : l.fact ? fact_value(l.fact, 0) : l.values[0];
	if (field == COMMON_SOURCE_IP || field == COMMON_SOURCE_MAC)
		return names_look(r, DIR_CLIENT);
	if (field == COMMON_DESTINATION_IP || field == COMMON_DESTINATION_MAC)
		return names_look(r, DIR_SERVER);
	if (l.type == FACT_IP && raw.n == sizeof look.ip)
		memcpy(&look.ip, raw.p, raw.n);
	if (l.type == FACT_MAC && raw.n == sizeof look.mac)
		memcpy(&look.mac, raw.p, raw.n);
	uint16_t vlan = event_view_event(r->view)->conv.vlan[0];
	if (r->inv && raw.n)
		look.device = inventory_at(r->inv, l.type == FACT_IP ? &look.ip : NULL, &look.mac, vlan);
	return look;
}

static bool in_group(const struct policy_run *r, uint16_t subject, unsigned group)
{
	struct device_look look = subject == FIELD_DESTINATION ? names_look(r, DIR_SERVER)
				  : subject == FIELD_SOURCE || subject == FIELD_DEVICE
					  ? names_look(r, DIR_CLIENT)
					  : look_at(r, subject);
	return groups_has(r->groups, &look, group);
}

static bool in_zone(const struct policy_run *r, uint16_t subject, unsigned zone)
{
	const struct zones *z = r->p->names.zones;
	const struct view *v = event_view_as_view(r->view);
	struct leaf l = v->get(v, subject);
	bool found = false;
	if (!l.fact && (subject == COMMON_SOURCE_ZONE || subject == COMMON_DESTINATION_ZONE ||
			       subject == COMMON_SOURCE_IP || subject == COMMON_DESTINATION_IP))
		return zone_is_inside(z,
			event_view_zone(r->view, subject == COMMON_SOURCE_ZONE || subject == COMMON_SOURCE_IP
							 ? DIR_CLIENT
							 : DIR_SERVER),
			zone);
	for (unsigned i = 0; i < l.n && !found; i++) {
		struct bytes raw = l.fact ? fact_value(l.fact, i) : l.values[i];
		struct addr a = { 0 };
		if (l.type == FACT_IP)
			memcpy(&a, raw.p, raw.n < sizeof a ? raw.n : sizeof a);
		int at = l.type == FACT_IP ? (int)zones_of(z, &a, 0) : zones_find(z, raw);
		found = at >= 0 && zone_is_inside(z, (unsigned)at, zone);
	}
	return found;
}

bool names_member(void *arg, enum member_kind kind, uint16_t subject, unsigned number)
{
	const struct policy_run *r = arg;
	switch (kind) {
	case MEMBER_GROUP:
		return in_group(r, subject, number);
	case MEMBER_ZONE:
		return in_zone(r, subject, number);
	case MEMBER_BASELINE:
		return baselines_say(r->baselines, subject, (enum baseline_is)number);
	}
	return false;
}
