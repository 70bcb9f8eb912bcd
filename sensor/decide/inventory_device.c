/* Reading: devices, and what is known of them. */
#include "decide/inventory_nodes.h"

#include "base/digest.h"

#include <stdio.h>

bool device_is_listed(const struct device *root)
{
	bool strong = false;
	TREE_EACH (n, (struct device *)(uintptr_t)root) {
		if (n->spoke)
			return true;
		strong |= n->kind == NODE_IDENTITY && n->is_strong;
	}
	return strong;
}

static const struct device *node_of(const struct inventory *inv, const struct event *e, enum dir side)
{
	const struct addr *ip = side == DIR_CLIENT ? &e->conv.src : &e->conv.dst;
	const struct mac *mac = side == DIR_CLIENT ? &e->conv.smac : &e->conv.dmac;
	uint16_t vlan = side_vlan(e, side);
	if (addr_is_host(ip))
		return find_ip(inv, ip, vlan, e->conv.vni);
	if (!mac_is_zero(mac) && !mac_is_group(mac) && !addr_is_multicast(ip) && !addr_is_broadcast(ip))
		return find_mac(inv, mac, vlan, e->conv.vni);
	return NULL;
}

const struct device *inventory_of(const struct inventory *inv, const struct event *e, enum dir side)
{
	const struct device *n = node_of(inv, e, side);
	return n ? node_root(n) : NULL;
}

struct holder inventory_holder(const struct inventory *inv, const struct event *e, enum dir side)
{
	const struct device *n = node_of(inv, e, side);
	struct ref r = ref_of(n);
	struct holder h = { .at = r.at, .gen = r.gen };
	if (n && n->kind == NODE_IP)
		h.turn = (uint64_t)n->turn << 16 | n->segment;
	return h;
}

const struct device *inventory_held(const struct inventory *inv, struct holder h)
{
	const struct device *n = ref_get(inv, (struct ref){ h.at, h.gen });
	return n ? node_root(n) : NULL;
}

const struct device *inventory_at(
	const struct inventory *inv, const struct addr *ip, const struct mac *mac, uint16_t vlan)
{
	const struct device *n = NULL;
	if (ip && addr_is_host(ip))
		n = find_ip(inv, ip, vlan, 0);
	else if (mac && !mac_is_zero(mac) && !mac_is_group(mac))
		n = find_mac(inv, mac, vlan, 0);
	return n ? node_root(n) : NULL;
}

uint32_t device_slot(const struct device *d, uint64_t *change)
{
	const struct device *root = node_root(d);
	*change = root->dirty ? 0 : root->change;
	return node_index(root);
}

uint32_t inventory_slots(const struct inventory *inv)
{
	return inv->nodes.cap + 1;
}

void inventory_each(const struct inventory *inv, void (*fn)(void *arg, const struct device *d), void *arg)
{
	uint32_t mark = inv->made_first ? node_at(inv, inv->made_first)->walk + 1 : 0;
	for (uint32_t i = inv->made_first; i; i = node_at(inv, i)->made_after) {
		struct device *root = node_root(node_at(inv, i));
		bool done = root->walk == mark;
		node_at(inv, i)->walk = root->walk = mark;
		if (!done && device_is_listed(root))
			fn(arg, root);
	}
}

static void count_one(void *arg, const struct device *d)
{
	(void)d;
	++*(size_t *)arg;
}

size_t inventory_count(const struct inventory *inv)
{
	size_t n = 0;
	inventory_each(inv, count_one, &n);
	return n;
}

const uint64_t *inventory_attr_changes(const struct inventory *inv)
{
	return inv->attr_changes;
}

/* ---- one device -------------------------------------------------------------------------------------- */

/* The node by which the device was first known; of those of one packet, its MAC. */
static const struct device *first_node(const struct device *d)
{
	const struct device *first = NULL;
	TREE_EACH (n, node_root(d))
		if (!first || n->packet < first->packet ||
			(n->packet == first->packet && n->kind == NODE_MAC && first->kind != NODE_MAC))
			first = n;
	return first;
}

void device_id(const struct device *d, char out[DEVICE_ID])
{
	const struct device *n = first_node(d);
	uint8_t in[64] = { 0 }, sum[32];
	size_t at = 0;
	in[at++] = n->kind;
	in[at++] = (uint8_t)(n->segment >> 8);
	in[at++] = (uint8_t)n->segment;
	uint32_t vni = n->kind == NODE_IP || n->segment ? n->vni : 0;
	for (unsigned shift = 0; shift < 32; shift += 8)
		in[at++] = (uint8_t)(vni >> shift);
	if (n->kind == NODE_IP) {
		memcpy(in + at, n->ip.b, sizeof n->ip.b);
		at += sizeof n->ip.b;
	} else if (n->kind == NODE_MAC) {
		memcpy(in + at, n->mac.b, sizeof n->mac.b);
		at += sizeof n->mac.b;
	} else {
		memcpy(in + at, n->identity, sizeof n->identity);
		at += sizeof n->identity;
	}
	sha256_of(bytes_of(in, at), sum);
	memcpy(out, "dev-", 4);
	base32hex(bytes_of(sum, sizeof sum), 50, out + 4);
	out[DEVICE_ID - 1] = 0;
}

size_t device_ips(const struct device *d, const struct addr **out)
{
	struct inventory *inv = d->inv;
	size_t count = 0;
	TREE_EACH (n, node_root(d))
		if (n->kind == NODE_IP && count < GATHER_MAX)
			inv->ips[count++] = n->ip;
	*out = inv->ips;
	return count;
}

size_t device_macs(const struct device *d, const struct mac **out)
{
	struct inventory *inv = d->inv;
	size_t count = 0;
	TREE_EACH (n, node_root(d))
		if (n->kind == NODE_MAC && count < GATHER_MAX)
			inv->macs[count++] = n->mac;
	*out = inv->macs;
	return count;
}

static size_t add_vlan(uint16_t *list, size_t n, uint16_t vlan)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == vlan)
			return n;
	if (n < GATHER_MAX)
		list[n++] = vlan;
	return n;
}

size_t device_vlans(const struct device *d, const uint16_t **out)
{
	struct inventory *inv = d->inv;
	size_t count = 0;
	TREE_EACH (n, node_root(d))
		for (unsigned i = 0; i < n->n_vlan; i++)
			count = add_vlan(inv->vlans, count, n->vlan[i]);
	*out = inv->vlans;
	return count;
}

const char *device_type(const struct device *d)
{
	const struct device *root = node_root(d);
	return root->type ? root->type : "unknown";
}

unsigned device_confidence(const struct device *d)
{
	return node_root(d)->type_confidence;
}

bool device_candidate(const struct device *d, unsigned i, const char **type, unsigned *confidence)
{
	const struct device *root = node_root(d);
	if (i >= root->n_candidates)
		return false;
	*type = root->candidate[i].type;
	*confidence = root->candidate[i].confidence;
	return true;
}

bool device_is_router(const struct device *d)
{
	struct attr_value v;
	TREE_EACH (n, node_root(d))
		if (n->kind == NODE_MAC && (n->told_router || (mac_forwards(n) && n->seen_routing)))
			return true;
	return device_attr(d, ATTR_ROUTER, 0, &v);
}

uint64_t device_first_packet(const struct device *d)
{
	return packet_here(d->inv, first_node(d)->packet);
}

void device_times(const struct device *d, uint64_t *first_ns, uint64_t *last_ns)
{
	*first_ns = UINT64_MAX;
	*last_ns = 0;
	TREE_EACH (n, node_root(d)) {
		*first_ns = n->first_ns < *first_ns ? n->first_ns : *first_ns;
		*last_ns = n->last_ns > *last_ns ? n->last_ns : *last_ns;
	}
}

const struct device *device_behind(const struct device *d)
{
	const struct device *root = node_root(d);
	if (root->kind != NODE_IDENTITY || root->spoke)
		return NULL;
	const struct device *sender = ref_get(d->inv, root->sender);
	return sender ? node_root(sender) : NULL;
}

struct addr device_address(const struct device *d, size_t *n)
{
	const struct addr *ips;
	struct addr best = { .family = 0 };
	*n = device_ips(d, &ips);
	for (size_t i = 0; i < *n; i++) {
		bool better = !best.family || (best.family == 6 && ips[i].family == 4) ||
			      (best.family == ips[i].family && addr_is_link_local(&best) &&
				      !addr_is_link_local(&ips[i]));
		best = better ? ips[i] : best;
	}
	return best;
}

struct bytes device_name(const struct device *d)
{
	static const enum attr names[] = { ATTR_HOST_NAME, ATTR_STATION_NAME, ATTR_AE_TITLE };
	struct inventory *inv = d->inv;
	struct attr_value v;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (device_attr(d, names[i], 0, &v)) {
			struct bytes b = bytes_first(v.value, sizeof inv->label);
			memcpy(inv->label, b.p, b.n);
			return bytes_of(inv->label, b.n);
		}
	return (struct bytes){ 0 };
}

struct bytes device_label(const struct device *d)
{
	struct inventory *inv = d->inv;
	struct bytes name = device_name(d);
	struct attr_value v;
	const struct mac *mac;
	char text[ADDR_TEXT];
	size_t n;
	struct addr ip = device_address(d, &n);
	if (name.n)
		return name;
	if (n)
		snprintf(inv->label, sizeof inv->label, "%s", addr_text(&ip, text));
	else if (device_macs(d, &mac))
		mac_text(mac, inv->label);
	else if (device_attr(d, ATTR_MODEL, 0, &v) || device_attr(d, ATTR_EUI64, 0, &v))
		snprintf(inv->label, sizeof inv->label, "%.*s", (int)bytes_first(v.value, 60).n,
			(const char *)v.value.p);
	else
		snprintf(inv->label, sizeof inv->label, "a device");
	return bytes_str(inv->label);
}
