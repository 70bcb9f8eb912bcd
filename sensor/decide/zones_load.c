/* `kind: zones` documents. */
#include "decide/zones_impl.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct reading {
	struct zones *z;
	const char *file;
	struct diag *diag;
};

static void wrong(struct reading *r, const struct yaml_node *at, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void wrong(struct reading *r, const struct yaml_node *at, const char *code, const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	diag_add(r->diag, DIAG_ERROR, r->file, at->line, at->column, code, "%s", text);
}

struct zones *zones_new(struct arena *a)
{
	static const char *const names[ZONE_OWN] = { "home-unassigned", "internet", "multicast", "local" };
	struct zones *z = arena_get(a, sizeof *z);
	z->memory = a;
	for (unsigned i = 0; i < ZONE_OWN; i++) {
		z->list[i] = (struct zone){ names[i], "", 0, i == ZONE_INTERNET, ZONE_NONE, (uint16_t)i };
		z->written[i] = (struct zone_written){ .up = -1 };
	}
	z->n = ZONE_OWN;
	memset(z->of_vlan, 0xff, sizeof z->of_vlan);
	return z;
}

void zones_add_home(struct zones *z, const struct network *list, size_t n)
{
	for (size_t i = 0; i < n && z->n_home < MAX_HOME; i++)
		z->home[z->n_home++] = list[i];
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* The bits behind the prefix set to `ones`. */
static void fill_host(uint8_t b[16], const struct network *n, bool ones)
{
	for (unsigned bit = (n->addr.family == 4 ? 96u : 0u) + n->bits; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80u >> bit % 8);
		b[bit / 8] = (uint8_t)(ones ? b[bit / 8] | mask : b[bit / 8] & ~mask);
	}
}

static bool read_network(struct reading *r, const struct yaml_node *v, struct network *out)
{
	char text[ADDR_TEXT];
	if (v->type != YAML_STRING || !network_parse(yaml_text(v), out)) {
		wrong(r, v, "E156", "a network like 10.40.0.0/16 or fd00:20::/32 is needed here");
		return false;
	}
	struct addr net = out->addr;
	fill_host(net.b, out, false);
	if (addr_eq(&net, &out->addr))
		return true;
	wrong(r, v, "E156", "this network has host bits set: write %s/%u", addr_text(&net, text), out->bits);
	return false;
}

static const struct yaml_node *one_of(const struct yaml_node *v, size_t i)
{
	return v->type == YAML_LIST ? i < v->n ? v->items[i] : NULL : i == 0 ? v : NULL;
}

static void read_cidr(struct reading *r, const struct yaml_node *v, uint16_t zone)
{
	struct zones *z = r->z;
	struct network n;
	for (size_t i = 0; one_of(v, i); i++) {
		if (!read_network(r, one_of(v, i), &n))
			continue;
		if (z->n_prefixes == MAX_PREFIXES) {
			wrong(r, v, "E119", "all zones together may have %d prefixes", MAX_PREFIXES);
			return;
		}
		arena_grow(z->memory, &z->prefixes, &z->cap_prefixes, z->n_prefixes, sizeof *z->prefixes);
		z->prefixes[z->n_prefixes++] = (struct zone_place){
			.network = n, .zone = zone, .file = r->file, .at = one_of(v, i)
		};
	}
}

static void read_vlan(struct reading *r, const struct yaml_node *v, uint16_t zone)
{
	struct zones *z = r->z;
	for (size_t i = 0; one_of(v, i); i++) {
		const struct yaml_node *one = one_of(v, i);
		if (one->type != YAML_INT || one->integer < 1 || one->integer > 4094) {
			wrong(r, one, "E113", "a VLAN is a whole number from 1 to 4094");
			continue;
		}
		arena_grow(z->memory, &z->vlans, &z->cap_vlans, z->n_vlans, sizeof *z->vlans);
		z->vlans[z->n_vlans++] = (struct zone_place){
			.vlan = (uint16_t)one->integer, .zone = zone, .file = r->file, .at = one
		};
	}
}

static bool is_zone_name(struct bytes t)
{
	for (size_t i = 0; i < t.n; i++)
		if (!ascii_alnum(t.p[i]) && t.p[i] != '_' && t.p[i] != '-' && t.p[i] != '.')
			return false;
	return t.n > 0 && t.n <= 64;
}

static void check_keys(struct reading *r, const struct yaml_node *map, const char *const *names, size_t n)
{
	for (size_t i = 0; i < map->n; i++) {
		bool known = false;
		for (size_t k = 0; k < n && !known; k++)
			known = bytes_is(yaml_text(map->keys[i]), names[k]);
		const char *near = known ? NULL : diag_nearest(yaml_text(map->keys[i]), names, n);
		if (!known)
			wrong(r, map->keys[i], "E118", "there is no key \"%s\" here%s%s%s",
				map->keys[i]->text, near ? ": is it \"" : "", near ? near : "",
				near ? "\"?" : "");
	}
}

static void read_words(struct reading *r, const struct yaml_node *body, struct zone *zone)
{
	const struct yaml_node *v;
	if ((v = yaml_get(body, "sl"))) {
		if (v->type != YAML_INT || v->integer < 0 || v->integer > 4)
			wrong(r, v, "E113", "`sl` is a security level of IEC 62443, 0 to 4");
		else
			zone->sl = (uint8_t)v->integer;
	}
	if ((v = yaml_get(body, "external"))) {
		if (v->type != YAML_BOOL)
			wrong(r, v, "E113", "true or false is needed here");
		zone->external = v->integer != 0;
	}
	if ((v = yaml_get(body, "purpose"))) {
		if (v->type != YAML_STRING || v->text_n > 256)
			wrong(r, v, "E112", "`purpose` must be a short text");
		else
			zone->purpose = arena_text(r->z->memory, yaml_text(v));
	}
}

static void read_zone(struct reading *r, const struct yaml_node *key, const struct yaml_node *body)
{
	static const char *const keys[] = { "cidr", "vlan", "parent", "sl", "purpose", "external" };
	struct zones *z = r->z;
	if (!is_zone_name(yaml_text(key)) || zones_find(z, yaml_text(key)) >= 0 || z->n == MAX_ZONES) {
		wrong(r, key, "E222",
			"\"%s\" cannot be the name of a zone here: it is of letters, digits, - _ and ., not "
			"that of another or built-in zone, and there are at most %d",
			key->text, MAX_ZONES);
		return;
	}
	if (body->type != YAML_MAP) {
		wrong(r, body, "E112", "a zone is a mapping like {cidr: [10.40.0.0/16]}, and this is %s",
			yaml_type_name(body->type));
		return;
	}
	uint16_t number = (uint16_t)z->n++;
	check_keys(r, body, keys, sizeof keys / sizeof *keys);
	z->list[number] =
		(struct zone){ arena_text(z->memory, yaml_text(key)), "", 0, false, ZONE_NONE, number };
	z->written[number] = (struct zone_written){
		.parent = yaml_get(body, "parent"), .file = r->file, .at = key, .up = -1
	};
	read_words(r, body, &z->list[number]);
	if (yaml_get(body, "cidr"))
		read_cidr(r, yaml_get(body, "cidr"), number);
	if (yaml_get(body, "vlan"))
		read_vlan(r, yaml_get(body, "vlan"), number);
}

void zones_read(struct zones *z, const struct yaml_node *doc, const char *file, struct diag *diag)
{
	static const char *const keys[] = { "dialect", "kind", "home", "zones", "title", "description" };
	struct reading r = { z, file, diag };
	const struct yaml_node *home = yaml_get(doc, "home"), *list = yaml_get(doc, "zones");
	struct network n;
	check_keys(&r, doc, keys, sizeof keys / sizeof *keys);
	for (size_t i = 0; home && one_of(home, i); i++)
		if (read_network(&r, one_of(home, i), &n))
			zones_add_home(z, &n, 1);
	if (list && list->type != YAML_MAP)
		wrong(&r, list, "E112", "`zones` must be a mapping of names, and this is %s",
			yaml_type_name(list->type));
	else if (!list && !home)
		wrong(&r, doc, "E103", "a document of kind zones has `zones` or `home`");
	for (size_t i = 0; list && list->type == YAML_MAP && i < list->n; i++)
		read_zone(&r, list->keys[i], list->items[i]);
}

/* ---- prefixes --------------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct zone_place *x = a, *y = b;
	int order = x->network.addr.family - y->network.addr.family;
	order = order ? order : memcmp(x->network.addr.b, y->network.addr.b, sizeof x->network.addr.b);
	return order ? order : x->network.bits - y->network.bits;
}

static void say_twice(struct diag *diag, const struct zones *z, const struct zone_place *one,
	const struct zone_place *two, const char *what)
{
	if (one->zone == two->zone)
		diag_add(diag, DIAG_WARNING, two->file, two->at->line, two->at->column, "W220",
			"the %s %s stands twice in the zone \"%s\"", what, two->at->text,
			z->list[two->zone].name);
	else
		diag_add(diag, DIAG_ERROR, two->file, two->at->line, two->at->column, "E220",
			"the %s %s is also that of the zone \"%s\" (%s:%u)", what, two->at->text,
			z->list[one->zone].name, one->file, one->at->line);
}

struct sweep {
	struct zone_edges *to;
	struct zone_place *open[129]; /* prefixes around the place, the outermost first */
	unsigned n;
};

static void edge(struct sweep *s, const uint8_t from[16], uint16_t zone)
{
	struct zone_edges *e = s->to;
	if (e->n && memcmp(e->list[e->n - 1].from, from, 16) == 0)
		e->n--;
	memcpy(e->list[e->n].from, from, 16);
	e->list[e->n++].zone = zone;
}

/* Closes the innermost prefix: behind its last address the one around it goes on. */
static void close_one(struct sweep *s)
{
	uint8_t next[16];
	const struct network *n = &s->open[--s->n]->network;
	unsigned i = 16;
	memcpy(next, n->addr.b, sizeof next);
	fill_host(next, n, true);
	while (i > 0 && ++next[i - 1] == 0)
		i--;
	if (i > 0) /* else it ends with the last address of all */
		edge(s, next, s->n ? s->open[s->n - 1]->zone : (uint16_t)ZONE_NONE);
}

static void sweep_all(struct zones *z, unsigned family)
{
	struct sweep s = { .to = &z->edges[family == 6] };
	s.to->list = arena_get(z->memory, (2 * z->n_prefixes + 1) * sizeof *s.to->list);
	for (size_t i = 0; i < z->n_prefixes; i++) {
		struct zone_place *p = &z->prefixes[i];
		if (p->network.addr.family != family)
			continue;
		while (s.n && !addr_in(&p->network.addr, &s.open[s.n - 1]->network.addr,
				      s.open[s.n - 1]->network.bits))
			close_one(&s);
		if (s.n && s.open[s.n - 1]->network.bits == p->network.bits)
			continue; /* twice, which was said */
		s.open[s.n++] = p;
		edge(&s, p->network.addr.b, p->zone);
	}
	while (s.n)
		close_one(&s);
}

static void complete_prefixes(struct zones *z, struct diag *diag)
{
	if (z->n_prefixes)
		qsort(z->prefixes, z->n_prefixes, sizeof *z->prefixes, by_address);
	for (size_t i = 1; i < z->n_prefixes; i++)
		if (by_address(&z->prefixes[i - 1], &z->prefixes[i]) == 0)
			say_twice(diag, z, &z->prefixes[i - 1], &z->prefixes[i], "prefix");
	sweep_all(z, 4);
	sweep_all(z, 6);
}

static void complete_vlans(struct zones *z, struct diag *diag)
{
	for (size_t i = 0; i < z->n_vlans; i++) {
		const struct zone_place *v = &z->vlans[i];
		size_t k = 0;
		while (k < i && z->vlans[k].vlan != v->vlan)
			k++;
		if (k < i)
			say_twice(diag, z, &z->vlans[k], v, "VLAN");
		z->of_vlan[v->vlan] = v->zone;
		z->have_vlans = true;
	}
}

/* ---- the tree --------------------------------------------------------------------------------------- */

static void find_parents(struct zones *z, struct diag *diag)
{
	for (unsigned i = ZONE_OWN; i < z->n; i++) {
		struct zone_written *w = &z->written[i];
		struct reading r = { z, w->file, diag };
		if (!w->parent)
			continue;
		int up = w->parent->text ? zones_find(z, yaml_text(w->parent)) : -1;
		if (up < ZONE_OWN)
			wrong(&r, w->parent, "E221",
				"no document has a zone \"%s\" that this one could lie in",
				w->parent->text ? w->parent->text : "");
		w->up = up < ZONE_OWN ? -1 : up;
	}
	for (unsigned i = ZONE_OWN; i < z->n; i++) {
		unsigned depth = 0;
		for (int at = (int)i; at >= 0 && depth <= MAX_ZONE_DEPTH; at = z->written[at].up)
			depth++;
		struct reading r = { z, z->written[i].file, diag };
		if (depth <= MAX_ZONE_DEPTH)
			continue;
		wrong(&r, z->written[i].parent ? z->written[i].parent : z->written[i].at, "E221",
			"the zone \"%s\" lies in itself, or deeper than %d", z->list[i].name, MAX_ZONE_DEPTH);
		z->written[i].up = -1;
	}
}

/* Numbers the zone and those inside it, in the order read. */
static void number_from(struct zones *z, unsigned zone, struct zone *out, unsigned *next, uint16_t up)
{
	unsigned mine = z->written[zone].number = (*next)++;
	out[mine] = z->list[zone];
	out[mine].up = up;
	for (unsigned i = ZONE_OWN; i < z->n; i++)
		if (z->written[i].up == (int)zone)
			number_from(z, i, out, next, (uint16_t)mine);
	out[mine].last = (uint16_t)(*next - 1);
}

static void number_all(struct zones *z)
{
	struct zone *out = arena_get(z->memory, z->n * sizeof *out);
	unsigned next = 0;
	for (unsigned i = 0; i < z->n; i++)
		if (z->written[i].up < 0)
			number_from(z, i, out, &next, ZONE_NONE);
	ASSERT(next == z->n);
	memcpy(z->list, out, z->n * sizeof *out);
	for (size_t i = 0; i < z->n_prefixes; i++)
		z->prefixes[i].zone = (uint16_t)z->written[z->prefixes[i].zone].number;
	for (size_t i = 0; i < z->n_vlans; i++)
		z->vlans[i].zone = (uint16_t)z->written[z->vlans[i].zone].number;
}

void zones_complete(struct zones *z, struct diag *diag)
{
	find_parents(z, diag);
	number_all(z);
	complete_prefixes(z, diag);
	complete_vlans(z, diag);
}
