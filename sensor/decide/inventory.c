/* What each record says: who spoke, whose address that is, what was stated of whom, what was offered. */
#include "decide/inventory_nodes.h"

#include "base/assert.h"
#include "base/map.h"
#include "packet/categories.h"

#include <stdio.h>
#include <stdlib.h>

static size_t gens_bytes(const struct inventory *inv)
{
	return (inv->limits.addresses + 1) * sizeof *inv->gens;
}

struct inventory *inventory_new(
	const struct limits *l, struct counters *c, const struct fingerprints *f, struct oui *o)
{
	struct inventory *inv = calloc(1, sizeof *inv);
	if (!inv)
		return NULL;
	inv->limits = *l;
	inv->counters = c;
	inv->fingerprints = f;
	inv->oui = o;
	inv->hash = (struct hash_key){ 0x77617264, 0x7761746368 };
	inv->gens = map_new(gens_bytes(inv));
	if (!inv->gens || !pool_init(&inv->nodes, sizeof(struct device), l->addresses) ||
		!pool_init(&inv->values, sizeof(struct value), l->attributes) ||
		!table_init(&inv->keys, l->addresses + 1)) {
		inventory_free(inv);
		return NULL;
	}
	return inv;
}

void inventory_free(struct inventory *inv)
{
	if (!inv)
		return;
	pool_fini(&inv->nodes);
	pool_fini(&inv->values);
	table_fini(&inv->keys);
	map_free(inv->gens, gens_bytes(inv));
	free(inv);
}

void inventory_home(struct inventory *inv, const struct network *list, size_t n)
{
	inv->home = list;
	inv->n_home = n;
}

void inventory_on_asset(struct inventory *inv, void (*fn)(void *arg, const struct event *asset), void *arg)
{
	inv->on_asset = fn;
	inv->on_asset_arg = arg;
}

/* ---- asset events -------------------------------------------------------------------------------- */

enum { ASSET_BYTES = 1024 };

struct asset_buffer {
	_Alignas(8) uint8_t b[ASSET_BYTES];
};

static void asset_fact(struct asset_buffer *buffer, unsigned field, struct bytes v)
{
	struct event *e = (struct event *)(void *)buffer->b;
	v = bytes_first(v, VALUE_BYTES);
	size_t need = sizeof(struct fact) + ((v.n + 7) & ~(size_t)7);
	if (v.n == 0)
		return;
	ASSERT(e->len + need <= sizeof buffer->b);
	struct fact *f = (struct fact *)(void *)(buffer->b + e->len);
	*f = (struct fact){ .field = (uint16_t)field, .type = FACT_STR, .len = (uint16_t)v.n };
	memcpy(f->value, v.p, v.n);
	e->len += (uint32_t)need;
	e->n_facts++;
}

/* The first address and the first card of the device that n is of. */
static void first_names(const struct device *n, struct addr *ip, struct mac *mac)
{
	TREE_EACH (d, node_root(n)) {
		if (d->kind == NODE_IP && ip->family == 0)
			*ip = d->ip;
		if (d->kind == NODE_MAC && mac_is_zero(mac))
			*mac = d->mac;
	}
}

static struct event *asset_begin(struct asset_buffer *buffer, const struct device *n, unsigned what)
{
	struct event *e = (struct event *)(void *)buffer->b;
	*e = (struct event){ .len = sizeof *e,
		.record = RECORD_EVENT,
		.proto = PROTO_asset,
		.event = (uint8_t)what,
		.ts_ns = n->inv->now->ts_ns,
		.packet = n->inv->now->packet };
	first_names(n, &e->conv.src, &e->conv.smac);
	e->conv.vlan[0] = n->n_vlan ? n->vlan[0] : 0;
	e->conv.vni = n->vni;
	asset_fact(buffer, ASSET_CHANGE, bytes_str(dissectors[PROTO_asset]->events[what]));
	return e;
}

void asset_event(const struct device *n, unsigned what, enum attr a, struct bytes old, struct bytes new)
{
	struct inventory *inv = n->inv;
	struct asset_buffer buffer = { 0 };
	if (!inv->on_asset || !inv->now)
		return;
	struct event *e = asset_begin(&buffer, n, what);
	if (n->kind == NODE_IP)
		e->conv.src = n->ip;
	if (what != ASSET_EV_CREATED)
		asset_fact(&buffer, ASSET_ATTRIBUTE, bytes_str(attr_rows[a].name));
	asset_fact(&buffer, ASSET_OLD, old);
	asset_fact(&buffer, ASSET_NEW, new);
	inv->on_asset(inv->on_asset_arg, e);
}

void asset_claimed(const struct device *claimant, const struct device *holder, const struct device *a)
{
	struct inventory *inv = a->inv;
	struct asset_buffer buffer = { 0 };
	char old[MAC_TEXT], new[MAC_TEXT];
	if (!inv->on_asset || !inv->now)
		return;
	struct event *e = asset_begin(&buffer, claimant, ASSET_EV_CONFLICTING);
	e->conv.smac = claimant->mac;
	e->conv.dst = a->ip;
	e->conv.dmac = holder->mac;
	e->conv.vlan[1] = a->n_vlan ? a->vlan[0] : 0;
	asset_fact(&buffer, ASSET_ATTRIBUTE, bytes_str("ip"));
	asset_fact(&buffer, ASSET_OLD, bytes_str(mac_text(&holder->mac, old)));
	asset_fact(&buffer, ASSET_NEW, bytes_str(mac_text(&claimant->mac, new)));
	inv->on_asset(inv->on_asset_arg, e);
}

/* ---- who spoke ------------------------------------------------------------------------------------- */

static const struct addr *side_ip(const struct event *e, unsigned side)
{
	return side == DIR_CLIENT ? &e->conv.src : &e->conv.dst;
}

static bool is_card(const struct mac *m)
{
	return !mac_is_zero(m) && !mac_is_group(m);
}

static void hear(struct device *n, uint16_t vlan)
{
	bool was_silent = !n->spoke;
	node_touch(n);
	node_vlan(n, vlan);
	n->spoke = true;
	if (was_silent && node_root(n) == n)
		asset_event(n, ASSET_EV_CREATED, ATTR_N, (struct bytes){ 0 }, (struct bytes){ 0 });
	identity_woke(n);
}

/* That side of the conversation sent a packet. Its address node, else its MAC's, else NULL. */
static struct device *spoke(struct inventory *inv, const struct event *e, unsigned side, bool answered)
{
	const struct addr *ip = side_ip(e, side);
	const struct mac *mac = side == DIR_CLIENT ? &e->conv.smac : &e->conv.dmac;
	uint16_t vlan = e->conv.vlan[side];
	struct device *m = is_card(mac) ? get_mac(inv, mac, vlan, e->conv.vni) : NULL;
	if (m)
		hear(m, vlan);
	if (!addr_is_host(ip))
		return m;
	struct device *a = addr_is_home(inv, ip) ? get_ip(inv, ip, vlan, e->conv.vni)
						 : find_ip(inv, ip, vlan, e->conv.vni);
	if (m) {
		join_carried(m, ip, a, vlan, answered);
		a = find_ip(inv, ip, vlan, e->conv.vni);
	}
	if (a)
		hear(a, vlan);
	return a;
}

/* The node that a statement about that side is kept on; one that was not heard yet is made. */
static struct device *node_of(struct inventory *inv, const struct event *e, unsigned side)
{
	const struct addr *ip = side_ip(e, side);
	uint16_t vlan = side_vlan(e, side);
	if (addr_is_home(inv, ip))
		return get_ip(inv, ip, vlan, e->conv.vni);
	if (addr_is_host(ip))
		return find_ip(inv, ip, vlan, e->conv.vni);
	const struct mac *mac = side == DIR_CLIENT ? &e->conv.smac : &e->conv.dmac;
	return is_card(mac) ? find_mac(inv, mac, vlan, e->conv.vni) : NULL;
}

/* ---- statements ---------------------------------------------------------------------------------------- */

/* Messages of applications that share not even the first letters of their names, from one sender. Who answers
 * under a name only answers as it was called: that is less than sure. */
static void look_for_engine(struct device *n)
{
	enum { SURE = 80, SHARED = 3 };
	const struct value *first = NULL, *v;
	for (uint32_t i = n->values; i; i = v->next) {
		v = pool_at(&n->inv->values, i);
		if (v->attr != ATTR_HL7_APPLICATION || v->by_fingerprint || v->confidence < SURE)
			continue;
		if (!first)
			first = v;
		else if (!bytes_eqi(bytes_first(bytes_of(first->text, first->len), SHARED),
				 bytes_first(bytes_of(v->text, v->len), SHARED))) {
			value_put(n, ATTR_HL7_SERVICE, bytes_str("sender:several"), SURE, "hl7");
			return;
		}
	}
}

static void put_all(struct device *n, const struct event *e)
{
	bool strong = false, application = false;
	FACT_EACH (f, e) {
		if (f->field >= ATTR_N || f->type != FACT_STR)
			continue;
		for (unsigned i = 0; i < fact_count(f); i++)
			value_put(n, f->field, fact_value(f, i), f->confidence, dissectors[e->proto]->name);
		application |= f->field == ATTR_HL7_APPLICATION;
		strong |= f->field == ATTR_SERIAL || f->field == ATTR_EUI64 || f->field == ATTR_MANUFACTURER;
		if (f->field == ATTR_ROUTER && (n->kind == NODE_MAC || (n->up && n->link == LINK_OWNER)))
			(n->kind == NODE_MAC ? n : node_at(n->inv, n->up))->told_router = true;
	}
	if (application && n->kind != NODE_IDENTITY)
		look_for_engine(n);
	if (strong && n->kind != NODE_IDENTITY)
		identity_stated(n);
}

static void about_address(struct inventory *inv, const struct event *e)
{
	uint16_t vlan = e->conv.vlan[e->dir & 1];
	/* A lease is what a server grants: the client's own word is a claim like any other. */
	const struct mac *from = e->dir == DIR_CLIENT ? &e->conv.smac : &e->conv.dmac;
	struct device *m = NULL, *a = NULL;
	if (is_card(&e->about_mac)) {
		m = get_mac(inv, &e->about_mac, vlan, e->conv.vni);
		if (m) {
			hear(m, vlan);
			if (addr_is_host(&e->about_ip))
				join_claimed(
					m, &e->about_ip, e->proto == PROTO_dhcp && !mac_eq(from, &m->mac));
		}
	}
	if (addr_is_host(&e->about_ip))
		a = addr_is_home(inv, &e->about_ip) ? get_ip(inv, &e->about_ip, vlan, e->conv.vni)
						    : find_ip(inv, &e->about_ip, vlan, e->conv.vni);
	if (a && m && a->up == node_index(m))
		node_vlan(a, vlan);
	if (m || a)
		put_all(m ? m : a, e);
}

static void about_card(struct device *m, const struct event *e)
{
	join_chassis(m, &e->about_mac);
	if (addr_is_host(&e->about_ip))
		join_managed(m, &e->about_ip);
}

static void observe(struct inventory *inv, const struct event *e)
{
	unsigned side = e->dir & 1;
	struct device *n = NULL;
	struct device *sender = spoke(inv, e, side, e->conv.proto == L4_TCP);
	if (e->event == OB_ADDRESS) {
		about_address(inv, e);
		return;
	}
	if (e->event == OB_CARD && sender && sender->kind == NODE_MAC)
		about_card(sender, e);
	if (e->event == OB_SENDER || e->event == OB_CARD)
		n = sender;
	else if (e->event == OB_RECEIVER)
		n = node_of(inv, e, !side);
	else if (sender)
		n = identity_told(sender, e);
	if (!n)
		return;
	node_touch(n);
	put_all(n, e);
	if (n->kind == NODE_IDENTITY)
		maker_rebind(sender);
}

/* ---- services -------------------------------------------------------------------------------------------
 */

static bool has_port(const struct dissector *d, uint16_t port)
{
	for (size_t i = 0; d && i < sizeof d->ports / sizeof *d->ports && d->ports[i]; i++)
		if (d->ports[i] == port)
			return true;
	return false;
}

/* Which side serves: the one that was called; picked up in the middle, the one at a known or low port. */
static int server_side(const struct event *e, const struct dissector *d)
{
	uint16_t s = e->conv.sport, t = e->conv.dport;
	if (e->conv.initiator_known)
		return DIR_SERVER;
	if (has_port(d, t) != has_port(d, s))
		return has_port(d, t) ? DIR_SERVER : DIR_CLIENT;
	if ((t < 1024) != (s < 1024))
		return t < 1024 ? DIR_SERVER : DIR_CLIENT;
	return -1;
}

static void service(struct inventory *inv, const struct event *e, struct bytes protocol, unsigned proto)
{
	int side = server_side(e, proto < PROTO_DISSECTED ? dissectors[proto] : NULL);
	if (side < 0 || (e->conv.proto != L4_TCP && e->conv.proto != L4_UDP) || !addr_is_host(&e->conv.dst))
		return;
	uint16_t port = side == DIR_SERVER ? e->conv.dport : e->conv.sport;
	struct device *server = node_of(inv, e, (unsigned)side), *client = node_of(inv, e, !side);
	struct ref s = ref_of(server), c = ref_of(client);
	if (proto < PROTO_DISSECTED && inv->service.proto == proto && inv->service.port == port &&
		inv->service.server.gen == s.gen && inv->service.client.gen == c.gen)
		return;
	inv->service.server = s;
	inv->service.client = c;
	inv->service.port = port;
	inv->service.proto = (uint8_t)proto;
	char text[64];
	snprintf(text, sizeof text, "%.*s/%u", (int)bytes_first(protocol, 48).n, (const char *)protocol.p,
		port);
	const char *source = proto < PROTO_N ? dissectors[proto]->name : "flow";
	if (server && server->spoke)
		value_put(server, ATTR_SERVICE_OFFERED, bytes_str(text), 70, source);
	if (client && client->spoke)
		value_put(client, ATTR_SERVICE_USED, bytes_str(text), 70, source);
}

static bool fact_is(const struct event *e, unsigned field, const char *v)
{
	const struct fact *f = fact_find(e, field);
	return f && bytes_is(fact_value(f, 0), v);
}

/* The first packet of a conversation is the client's when only its VLAN is known, or when there is none and
 * the client is: its dmac is then the one that the client handed the packet to, not yet the one that answers.
 */
static void handed_on(struct inventory *inv, const struct event *e)
{
	uint16_t vlan = e->conv.vlan[DIR_CLIENT];
	if (e->conv.vlan[DIR_SERVER] || (vlan == 0 && !e->conv.initiator_known) || !is_card(&e->conv.dmac) ||
		!addr_is_host(&e->conv.dst))
		return;
	struct device *m = find_mac(inv, &e->conv.dmac, vlan, e->conv.vni);
	struct device *a = find_ip(inv, &e->conv.dst, vlan, e->conv.vni);
	if (!m || !m->spoke || !a)
		return;
	node_touch(m);
	join_next_hop(m, a, vlan);
}

static void flow_event(struct inventory *inv, const struct event *e)
{
	if (e->event == FLOW_EV_START)
		handed_on(inv, e);
	const struct fact *back = fact_find(e, FLOW_DESTINATION_PACKETS);
	const struct fact *protocol = fact_find(e, FLOW_PROTOCOL);
	bool both = e->event == FLOW_EV_END && back && fact_uint(back) > 0;
	/* A forged source never completes a handshake. */
	spoke(inv, e, DIR_CLIENT,
		both && (e->conv.proto != L4_TCP || fact_is(e, FLOW_STATE, "established") ||
				fact_is(e, FLOW_STATE, "closed")));
	if (!both)
		return;
	spoke(inv, e, DIR_SERVER, true);
	if (protocol && !fact_is(e, FLOW_STATE, "attempt") && !fact_is(e, FLOW_STATE, "refused"))
		service(inv, e, fact_value(protocol, 0), PROTO_flow);
}

static void message(struct inventory *inv, const struct event *e)
{
	struct device *sender = spoke(inv, e, e->dir & 1, e->conv.proto == L4_TCP);
	/* Over TCP the other side has shaken hands: it exists, though it is no device before it is heard. */
	if (sender && e->conv.proto == L4_TCP)
		node_of(inv, e, !(e->dir & 1));
	if (sender && e->dir == DIR_SERVER)
		service(inv, e, bytes_str(dissectors[e->proto]->name), e->proto);
}

/* ---- the record
 * --------------------------------------------------------------------------------------------- */

static void judge_touched(struct inventory *inv)
{
	for (unsigned i = 0; i < inv->n_touched; i++) {
		struct device *root = node_root(node_at(inv, inv->touched[i]));
		for (unsigned turns = 0; root->dirty && turns < 3; turns++) {
			device_judge(root);
			maker_rebind(root);
			root = node_root(root);
		}
	}
}

void inventory_feed(struct inventory *inv, const struct event *e)
{
	inv->now = e;
	inv->fed++;
	inv->packets = e->packet > inv->packets ? e->packet : inv->packets;
	inv->n_touched = 0;
	if (e->record == RECORD_OBSERVATION)
		observe(inv, e);
	else if (e->proto == PROTO_flow)
		flow_event(inv, e);
	else if (e->proto < PROTO_DISSECTED)
		message(inv, e);
	judge_touched(inv);
	inv->now = NULL;
}

void inventory_reload(
	struct inventory *inv, const struct fingerprints *f, const struct network *home, size_t n)
{
	inv->fingerprints = f;
	inventory_home(inv, home, n);
	for (uint32_t i = inv->made_first; i; i = node_at(inv, i)->made_after)
		node_root(node_at(inv, i))->dirty = true;
	inventory_finish(inv);
}

void inventory_finish(struct inventory *inv)
{
	static const struct event none;
	inv->now = &none;
	for (uint32_t i = inv->made_first; i; i = node_at(inv, i)->made_after) {
		struct device *root = node_root(node_at(inv, i));
		if (root->dirty)
			device_judge(root);
	}
	inv->now = NULL;
}
