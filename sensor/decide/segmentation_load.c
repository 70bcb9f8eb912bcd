/* `kind: segmentation` documents. */
#include "decide/segmentation.h"

#include "packet/categories.h"

#include <stdio.h>

static const struct {
	const char *name;
	uint8_t transport;
	uint16_t port;
	const char *protocol;
} services[] = {
#define SERVICE(name, transport, port, protocol) { name, transport, port, protocol },
#include "decide/services.def"
#undef SERVICE
};

/* ---- peers ------------------------------------------------------------------------------------------ */

static bool read_peer(struct loader *l, const struct yaml_node *v, struct seg_peer *out)
{
	static const char *const keys[] = { "zone", "group", "list", "cidr" };
	const struct names *names = &l->p->names;
	const struct yaml_node *at;
	*out = (struct seg_peer){ .zone = -1, .group = -1 };
	if (v->type != YAML_MAP || v->n == 0) {
		load_error(l, v, "E224", "a peer is a mapping of zone, group, list or cidr");
		return false;
	}
	load_keys(l, v, keys, 4, true);
	if ((at = yaml_get(v, "zone"))) {
		out->zone = at->text ? zones_find(names->zones, yaml_text(at)) : -1;
		if (out->zone < 0)
			load_error(l, at, "E223", "no document has a zone \"%s\"", at->text ? at->text : "");
	}
	if ((at = yaml_get(v, "group"))) {
		out->group = at->text ? groups_find(names->groups, yaml_text(at)) : -1;
		if (out->group < 0)
			load_error(l, at, "E211", "no document has a group \"%s\"", at->text ? at->text : "");
	}
	if ((at = yaml_get(v, "list"))) {
		out->list = at->text ? lists_find(&names->lists, yaml_text(at)) : NULL;
		if (!out->list)
			load_error(l, at, "E160", "no document has a list \"%s\"", at->text ? at->text : "");
	}
	if ((at = yaml_get(v, "cidr")) && !(at->text && network_parse(yaml_text(at), &out->network)))
		load_error(l, at, "E156", "a network like 10.40.0.0/16 or fd00:20::/32 is needed here");
	return true;
}

static struct seg_peers read_peers(struct loader *l, const struct yaml_node *v)
{
	struct seg_peers out = { 0 };
	bool list = v->type == YAML_LIST;
	size_t n = list ? v->n : 1;
	if (n == 0)
		load_error(l, v, "E224", "an empty list of peers is nobody: leave it out for anybody");
	out.list = arena_get(&l->p->memory, (n + 1) * sizeof *out.list);
	for (size_t i = 0; i < n; i++)
		if (read_peer(l, list ? v->items[i] : v, &out.list[out.n]))
			out.n++;
	return out;
}

/* ---- entries ---------------------------------------------------------------------------------------- */

static void read_transports(struct loader *l, const struct yaml_node *entry, struct seg_allow *out)
{
	size_t n;
	const char *const *names = load_texts(l, entry, "transport", &n);
	out->transports = arena_get(&l->p->memory, n + 1);
	for (size_t i = 0; i < n; i++) {
		unsigned t = 0;
		while (t < 256 &&
			!(transport_name((uint8_t)t) && strcmp(transport_name((uint8_t)t), names[i]) == 0))
			t++;
		if (t == 256)
			load_error(l, yaml_get(entry, "transport"), "E113",
				"\"%s\" is not tcp, udp, icmp, sctp ...", names[i]);
		else
			out->transports[out->n_transports++] = (uint8_t)t;
	}
}

/* 443, or "8000-8100". */
static bool parse_ports(const struct yaml_node *v, struct seg_port *out)
{
	struct bytes t = v->text ? yaml_text(v) : (struct bytes){ 0 };
	size_t dash = bytes_chr(t, 0, '-');
	uint64_t low = 0, high = 0;
	bool fine =
		(v->type == YAML_INT || v->type == YAML_STRING) && bytes_to_u64(bytes_first(t, dash), &low);
	high = low;
	if (fine && dash < t.n)
		fine = bytes_to_u64(bytes_from(t, dash + 1), &high);
	*out = (struct seg_port){ (uint16_t)low, (uint16_t)high };
	return fine && low <= high && high <= 65535;
}

static void read_ports(struct loader *l, const struct yaml_node *v, struct seg_allow *out)
{
	bool list = v && v->type == YAML_LIST;
	size_t n = list ? v->n : v != NULL;
	out->ports = arena_get(&l->p->memory, (n + 1) * sizeof *out->ports);
	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *one = list ? v->items[i] : v;
		if (parse_ports(one, &out->ports[out->n_ports]))
			out->n_ports++;
		else
			load_error(
				l, one, "E113", "a port like 443 or a range like '8000-8100' is needed here");
	}
}

static void read_services(struct loader *l, const struct yaml_node *entry, struct seg_allow *out)
{
	enum { ROWS = sizeof services / sizeof *services };
	const char *all[ROWS];
	size_t n;
	const char *const *names = load_texts(l, entry, "services", &n);
	for (size_t i = 0; i < n; i++) {
		bool known = false;
		for (size_t s = 0; s < ROWS; s++) {
			all[s] = services[s].name;
			if (strcmp(names[i], services[s].name) != 0)
				continue;
			known = true;
			arena_grow(&l->p->memory, &out->services, &out->cap_services, out->n_services,
				sizeof *out->services);
			out->services[out->n_services++] = (struct seg_service){ services[s].transport,
				services[s].port, bytes_str(services[s].protocol) };
		}
		const char *near = known ? NULL : diag_nearest(bytes_str(names[i]), all, ROWS);
		if (!known)
			load_error(l, yaml_get(entry, "services"), "E113",
				"there is no service \"%s\" here%s%s%s; transport, ports and protocol say it "
				"too",
				names[i], near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	}
}

/* The category that `where` looks at is that of the one protocol of the entry. */
static void read_where(struct loader *l, const struct yaml_node *where, struct seg_allow *out)
{
	const struct event_schema *s = l->p->schema;
	struct bytes protocol = { 0 };
	if (out->n_protocols == 1)
		protocol = bytes_str(out->protocols[0]);
	for (size_t i = 0; out->n_protocols == 0 && i < out->n_services; i++)
		protocol = i && !bytes_eq(protocol, out->services[i].protocol) ? (struct bytes){ 0 }
									       : out->services[i].protocol;
	int category = protocol.n ? event_schema_category(s, protocol) : -1;
	if (category < 0) {
		load_error(l, where, "E224",
			"`where` looks at the events of one protocol: name it, like `protocol: [snmp]`");
		return;
	}
	struct detect_env env = names_env(l, s->category[category], true);
	out->where = detect_compile_in(&env, where);
	out->where_category = (unsigned)category;
	l->p->segmentation->with_where.word[category / 64] |= UINT64_C(1) << category % 64;
}

static void read_allow(struct loader *l, const struct yaml_node *entry, struct seg_allow *out, size_t number)
{
	static const char *const keys[] = { "id", "to", "from", "transport", "ports", "protocol", "services",
		"where", "description" };
	char id[24];
	if (entry->type != YAML_MAP) {
		load_error(l, entry, "E224",
			"an entry is a mapping like {id: x, to: {zone: servers}, ports: [443]}");
		return;
	}
	load_keys(l, entry, keys, sizeof keys / sizeof *keys, true);
	snprintf(id, sizeof id, "%zu", number);
	out->id = load_text(l, entry, "id", 128);
	if (!*out->id)
		out->id = arena_text(&l->p->memory, bytes_str(id));
	const struct yaml_node *to = yaml_get(entry, "to"), *from = yaml_get(entry, "from");
	if (to && from)
		load_error(l, entry, "E224",
			"an entry has `to` or `from`: the other side is the device that the policy is for");
	out->directions = to ? SEG_OUTBOUND : from ? SEG_INBOUND : SEG_OUTBOUND | SEG_INBOUND;
	if (to || from)
		out->peers = read_peers(l, to ? to : from);
	read_transports(l, entry, out);
	read_ports(l, yaml_get(entry, "ports"), out);
	out->protocols = load_texts(l, entry, "protocol", &out->n_protocols);
	read_services(l, entry, out);
	if (yaml_get(entry, "where"))
		read_where(l, yaml_get(entry, "where"), out);
}

static void read_allows(struct loader *l, const struct yaml_node *doc, struct seg_document *out)
{
	const struct yaml_node *v = yaml_get(doc, "allow");
	if (v && v->type != YAML_LIST && v->type != YAML_NULL)
		load_error(l, v, "E112", "`allow` is a list of entries, and this is %s",
			yaml_type_name(v->type));
	size_t n = v && v->type == YAML_LIST ? v->n : 0;
	out->allows = arena_get(&l->p->memory, (n + 1) * sizeof *out->allows);
	for (size_t i = 0; i < n; i++) {
		struct seg_allow *a = &out->allows[out->n_allows++];
		read_allow(l, v->items[i], a, i + 1);
		for (size_t k = 0; a->id && k < i; k++)
			if (out->allows[k].id && strcmp(a->id, out->allows[k].id) == 0)
				load_error(l, v->items[i], "E121",
					"\"%s\" is the id of an earlier entry of this policy", a->id);
	}
}

/* ---- the rule --------------------------------------------------------------------------------------- */

static bool is_policy_name(const char *t)
{
	for (const char *c = t; *c; c++)
		if (!ascii_alnum((uint8_t)*c) && *c != '_' && *c != '-' && *c != '.')
			return false;
	return *t != 0;
}

static const char *own_title(struct loader *l, const char *name)
{
	char text[200];
	snprintf(text, sizeof text, "Conversation that the segmentation policy %s does not allow", name);
	return arena_text(&l->p->memory, bytes_str(text));
}

/* What a rule over these events would say, so that everything that is done with rules is done with it. */
static void add_rule(struct loader *l, const struct yaml_node *doc, struct seg_document *d)
{
	static const char *const levels[] = { "informational", "low", "medium", "high", "critical" };
	struct policy *p = l->p;
	struct rule *r = arena_get(&p->memory, sizeof *r);
	const struct yaml_node *level = yaml_get(doc, "level"), *sensor = yaml_get(doc, "sensor");
	char text[256];
	rule_defaults(r);
	r->file = l->file;
	r->line = doc->line;
	r->doc = doc;
	r->category = (unsigned)event_schema_category(p->schema, bytes_str("segmentation"));
	r->by[r->n_by++] = COMMON_DESTINATION_PORT;
	r->text.category = "segmentation";
	r->text.ruleset = l->ruleset;
	r->text.name = d->name;
	r->text.title = load_text(l, doc, "title", 256);
	r->text.id = load_text(l, doc, "id", 64);
	r->text.description = load_text(l, doc, "description", 65535);
	r->text.author = r->text.license = r->text.reference = r->text.version = "";
	r->text.tags = load_texts(l, doc, "tags", &r->text.n_tags);
	if (!*r->text.title)
		r->text.title = own_title(l, d->name);
	int i = level ? load_choice(l, level, levels, 5) : (int)LEVEL_MEDIUM;
	r->text.level = i < 0 ? LEVEL_MEDIUM : (enum level)i;
	if (sensor)
		rule_sensor(l, r, sensor);
	snprintf(
		text, sizeof text, "{violation: {segmentation.policy: '%s'}, condition: violation}", d->name);
	if (!yaml_parse(l->file, bytes_str(text), &d->rule_text, l->diag))
		return;
	struct detect_env env = names_env(l, bytes_str("segmentation"), true);
	r->detect = detect_compile_in(&env, d->rule_text.docs[0]);
	if (r->detect && !rule_add(l, r))
		detect_free(r->detect);
}

/* ---- documents -------------------------------------------------------------------------------------- */

static unsigned read_directions(struct loader *l, const struct yaml_node *doc)
{
	size_t n;
	const char *const *names = load_texts(l, doc, "direction", &n);
	unsigned out = 0;
	for (size_t i = 0; i < n; i++) {
		bool in = strcmp(names[i], "inbound") == 0, outward = strcmp(names[i], "outbound") == 0;
		if (!in && !outward)
			load_error(l, yaml_get(doc, "direction"), "E113",
				"`direction` is inbound, outbound or both");
		out |= in ? SEG_INBOUND : outward ? SEG_OUTBOUND : 0u;
	}
	return out ? out : SEG_INBOUND | SEG_OUTBOUND;
}

void segmentation_load(struct loader *l, const struct yaml_node *doc)
{
	static const char *const keys[] = { "dialect", "kind", "name", "title", "id", "description", "tags",
		"applies-to", "direction", "mode", "allow", "level", "sensor" };
	static const char *const modes[] = { "alert", "learn" };
	struct segmentation *s = l->p->segmentation;
	const struct yaml_node *applies = yaml_get(doc, "applies-to"), *mode = yaml_get(doc, "mode");
	if (s->n == MAX_SEGMENTATIONS) {
		load_error(l, doc, "E119", "more than %d documents of kind segmentation", MAX_SEGMENTATIONS);
		return;
	}
	struct seg_document *d = s->list[s->n++] = arena_get(&l->p->memory, sizeof *d);
	load_keys(l, doc, keys, sizeof keys / sizeof *keys, true);
	d->name = load_text(l, doc, "name", 100);
	if (!is_policy_name(d->name))
		load_error(l, doc, "E126",
			"a segmentation document needs a `name` of letters, digits, - _ and .");
	if (applies)
		d->applies_to = read_peers(l, applies);
	else
		load_error(
			l, doc, "E224", "`applies-to` says which devices this is for, like {zone: infusion}");
	d->directions = read_directions(l, doc);
	d->learns = mode && load_choice(l, mode, modes, 2) == 1;
	s->learning = s->learning || d->learns;
	read_allows(l, doc, d);
	if (is_policy_name(d->name))
		add_rule(l, doc, d);
}

void segmentation_free(struct policy *p)
{
	for (size_t i = 0; i < p->segmentation->n; i++) {
		struct seg_document *d = p->segmentation->list[i];
		for (size_t k = 0; k < d->n_allows; k++)
			detect_free(d->allows[k].where);
		yaml_fini(&d->rule_text);
	}
}
