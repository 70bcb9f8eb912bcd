/* Nodes: keys, the tree, and who is let go when a table is full. */
#include "decide/inventory_nodes.h"

#include "base/assert.h"
#include "base/digest.h"

uint32_t node_index(const struct device *n)
{
	const struct pool *p = &n->inv->nodes;
	return (uint32_t)((size_t)((const uint8_t *)n - p->base) / p->size);
}

struct ref ref_of(const struct device *n)
{
	if (!n)
		return (struct ref){ 0 };
	uint32_t i = node_index(n);
	return (struct ref){ i, n->inv->gens[i] };
}

struct device *ref_get(const struct inventory *inv, struct ref r)
{
	return r.at && inv->gens[r.at] == r.gen ? node_at(inv, r.at) : NULL;
}

/* ---- tree -------------------------------------------------------------------------------------- */

struct device *node_root(const struct device *n)
{
	uint32_t i = node_index(n);
	while (node_at(n->inv, i)->up)
		i = node_at(n->inv, i)->up;
	return node_at(n->inv, i);
}

struct device *tree_next(const struct device *n, const struct device *root)
{
	if (n->child)
		return node_at(n->inv, n->child);
	while (n != root && !n->next)
		n = node_at(n->inv, n->up);
	return n == root ? NULL : node_at(n->inv, n->next);
}

bool node_link(struct device *n, struct device *up, enum link_kind kind)
{
	if (n->up == node_index(up)) {
		n->link = (uint8_t)kind;
		return true;
	}
	if (n->up)
		node_unlink(n);
	if (node_root(up) == n || up->n_children >= CHILDREN_MAX)
		return false;
	struct device *root = node_root(up);
	/* At the end: children stay in the order in which they came. */
	uint32_t *at = &up->child;
	while (*at)
		at = &node_at(n->inv, *at)->next;
	*at = node_index(n);
	n->next = 0;
	n->up = node_index(up);
	n->link = (uint8_t)kind;
	up->n_children++;
	n->inv->roots--;
	root->dirty = true;
	node_touch(root);
	return true;
}

void node_unlink(struct device *n)
{
	if (!n->up)
		return;
	struct device *root = node_root(n), *up = node_at(n->inv, n->up);
	uint32_t i = node_index(n), *at = &up->child;
	while (*at != i)
		at = &node_at(n->inv, *at)->next;
	*at = n->next;
	n->next = n->up = 0;
	up->n_children--;
	n->inv->roots++;
	root->dirty = n->dirty = true;
	node_touch(root);
	node_touch(n);
}

/* ---- order --------------------------------------------------------------------------------------- */

static void lru_take(struct device *n)
{
	struct inventory *inv = n->inv;
	struct sightings *o = &inv->seen[n->is_kept];
	*(n->older ? &node_at(inv, n->older)->newer : &o->oldest) = n->newer;
	*(n->newer ? &node_at(inv, n->newer)->older : &o->newest) = n->older;
	o->n--;
}

static void lru_append(struct device *n)
{
	struct inventory *inv = n->inv;
	struct sightings *o = &inv->seen[n->is_kept];
	n->older = o->newest;
	n->newer = 0;
	*(n->older ? &node_at(inv, n->older)->newer : &o->oldest) = node_index(n);
	o->newest = node_index(n);
	o->n++;
}

static void touch_one(struct device *n)
{
	struct inventory *inv = n->inv;
	if (n->fed == inv->fed)
		return;
	n->fed = inv->fed;
	lru_take(n);
	lru_append(n);
	if (inv->n_touched < sizeof inv->touched / sizeof *inv->touched)
		inv->touched[inv->n_touched++] = node_index(n);
}

void node_touch(struct device *n)
{
	touch_one(n);
	touch_one(node_root(n));
	if (n->inv->now)
		seen_at(&n->first_ns, &n->last_ns, n->inv->now->ts_ns);
}

void node_vlan(struct device *n, uint16_t vlan)
{
	if (vlan == 0)
		return;
	for (unsigned i = 0; i < n->n_vlan; i++)
		if (n->vlan[i] == vlan)
			return;
	if (n->n_vlan < NODE_VLANS)
		n->vlan[n->n_vlan++] = vlan;
	node_root(n)->change = ++n->inv->changes;
}

/* ---- letting go ------------------------------------------------------------------------------------ */

void node_drop(struct device *n)
{
	struct inventory *inv = n->inv;
	while (n->child)
		node_unlink(node_at(inv, n->child));
	node_unlink(n);
	join_node_dropped(n);
	values_free(n);
	node_close(n);
	lru_take(n);
	*(n->made_before ? &node_at(inv, n->made_before)->made_after : &inv->made_first) = n->made_after;
	*(n->made_after ? &node_at(inv, n->made_after)->made_before : &inv->made_last) = n->made_before;
	uint32_t i = node_index(n);
	for (unsigned t = 0; t < inv->n_touched; t++)
		if (inv->touched[t] == i)
			inv->touched[t--] = inv->touched[--inv->n_touched];
	inv->gens[i] = 0;
	inv->roots--;
	pool_put(&inv->nodes, i);
}

static void tree_drop(struct device *root)
{
	while (root->child) {
		struct device *n = node_at(root->inv, root->child);
		while (n->child)
			n = node_at(root->inv, n->child);
		node_drop(n);
	}
	node_drop(root);
}

/* Nothing better than its MAC vendor and an address is known of it. */
static bool is_weak(struct device *root)
{
	TREE_EACH (n, root)
		for (uint32_t v = n->values; v; v = ((struct value *)pool_at(&n->inv->values, v))->next)
			if (((struct value *)pool_at(&n->inv->values, v))->confidence >= TYPE_CONFIDENCE)
				return false;
	return true;
}

static bool in_use(struct device *root)
{
	TREE_EACH (n, root)
		if (n->fed == n->inv->fed)
			return true;
	return false;
}

static void keep(struct device *n)
{
	lru_take(n);
	n->is_kept = true;
	lru_append(n);
}

/* Weakly known ones first, so that addresses that somebody makes up do not drive out who is known: those are
 * put aside in passing, each node once. They get no more than seven eighths of the room. */
void node_make_room(struct inventory *inv)
{
	struct device *victim = NULL;
	bool too_many = inv->seen[true].n / 7 >= inv->nodes.used / 8;
	uint32_t i, newer;
	if (!inv->now || inv->now->packet == 0)
		return; /* at the end of the run nobody is let go any more */
	for (i = inv->seen[false].oldest; i && !victim && !too_many; i = newer) {
		struct device *n = node_at(inv, i), *root = node_root(n);
		newer = n->newer;
		if (in_use(root))
			continue;
		if (is_weak(root))
			victim = root;
		else
			keep(n);
	}
	for (i = inv->seen[true].oldest; i && !victim; i = node_at(inv, i)->newer)
		if (!in_use(node_root(node_at(inv, i))))
			victim = node_root(node_at(inv, i));
	if (victim)
		tree_drop(victim);
}

/* ---- keys ------------------------------------------------------------------------------------------- */

/* Everything that tells two nodes apart, without padding. */
struct key {
	uint8_t b[32];
	size_t n;
};

static void key_add(struct key *k, const void *p, size_t n)
{
	ASSERT(k->n + n <= sizeof k->b);
	memcpy(k->b + k->n, p, n);
	k->n += n;
}

static uint64_t key_hash(
	const struct inventory *inv, uint8_t kind, const void *p, size_t n, uint16_t vlan, uint32_t vni)
{
	struct key k = { 0 };
	key_add(&k, &kind, sizeof kind);
	key_add(&k, &vlan, sizeof vlan);
	key_add(&k, &vni, sizeof vni);
	key_add(&k, p, n);
	return hash_bytes(&inv->hash, k.b, k.n);
}

/* Link-local addresses repeat from segment to segment; others are the same host's in every VLAN (mirror ports
 * show the two directions with different ones) until two hosts in two VLANs claim one. */
static uint16_t ip_segment(const struct addr *ip, uint16_t vlan)
{
	return addr_is_link_local(ip) ? vlan : 0;
}

/* A globally administered MAC is one card, whatever VLAN id the mirror port shows it with. */
static uint16_t mac_segment(const struct mac *m, uint16_t vlan)
{
	return mac_is_local(m) || mac_is_virtual_router(m) ? vlan : 0;
}

static uint64_t ip_key(const struct inventory *inv, const struct addr *ip, uint16_t segment, uint32_t vni)
{
	return key_hash(inv, NODE_IP, ip->b, sizeof ip->b, segment, vni);
}

static uint64_t mac_key(const struct inventory *inv, const struct mac *m, uint16_t segment, uint32_t vni)
{
	return key_hash(inv, NODE_MAC, m->b, sizeof m->b, segment, segment ? vni : 0);
}

/* Of what is kept of the key, so that a restored node is found by it. */
static uint64_t identity_key(const struct inventory *inv, const uint8_t identity[IDENTITY_BYTES])
{
	return key_hash(inv, NODE_IDENTITY, identity, IDENTITY_BYTES, 0, 0);
}

static void identity_of(struct bytes key, uint8_t out[IDENTITY_BYTES])
{
	uint8_t sum[32];
	sha256_of(key, sum);
	memcpy(out, sum, IDENTITY_BYTES);
}

/* 64 bits of a keyed hash stand for the key of an identity; addresses and MACs are compared. */
static struct device *find(const struct inventory *inv, uint64_t key, enum node_kind kind,
	const struct addr *ip, const struct mac *mac)
{
	for (uint32_t at = table_first(&inv->keys, key), i; (i = table_at(&inv->keys, at, key)) != TABLE_END;
		at = table_next(&inv->keys, at)) {
		struct device *n = i ? node_at(inv, i) : NULL;
		if (n && n->key == key && n->kind == (uint8_t)kind && (!ip || addr_eq(ip, &n->ip)) &&
			(!mac || mac_eq(mac, &n->mac)))
			return n;
	}
	return NULL;
}

struct device *find_ip(const struct inventory *inv, const struct addr *ip, uint16_t vlan, uint32_t vni)
{
	struct device *twin =
		vlan && inv->has_twins ? find(inv, ip_key(inv, ip, vlan, vni), NODE_IP, ip, NULL) : NULL;
	return twin ? twin : find(inv, ip_key(inv, ip, ip_segment(ip, vlan), vni), NODE_IP, ip, NULL);
}

struct device *find_mac(const struct inventory *inv, const struct mac *m, uint16_t vlan, uint32_t vni)
{
	return find(inv, mac_key(inv, m, mac_segment(m, vlan), vni), NODE_MAC, NULL, m);
}

struct device *find_identity(const struct inventory *inv, struct bytes key)
{
	uint8_t identity[IDENTITY_BYTES];
	identity_of(key, identity);
	return find(inv, identity_key(inv, identity), NODE_IDENTITY, NULL, NULL);
}

static void made_append(struct device *n)
{
	struct inventory *inv = n->inv;
	n->made_before = inv->made_last;
	n->made_after = 0;
	*(n->made_before ? &node_at(inv, n->made_before)->made_after : &inv->made_first) = node_index(n);
	inv->made_last = node_index(n);
}

/* A place in the pool and in the orders, and nothing more. */
static struct device *node_place(struct inventory *inv, uint32_t gen)
{
	uint32_t i = pool_get(&inv->nodes);
	if (!i)
		return NULL;
	struct device *n = node_at(inv, i);
	n->inv = inv;
	inv->gens[i] = gen;
	inv->roots++;
	lru_append(n);
	made_append(n);
	return n;
}

static void node_open(struct device *n, uint64_t key)
{
	n->key = key;
	table_put(&n->inv->keys, key, node_index(n));
	n->in_table = true;
}

static struct device *node_new(struct inventory *inv, enum node_kind kind, uint64_t key)
{
	if (inv->roots >= inv->limits.devices) {
		inv->counters->full_devices++;
		node_make_room(inv);
	}
	if (inv->nodes.used >= inv->nodes.cap) {
		inv->counters->full_addresses++;
		node_make_room(inv);
	}
	struct device *n = node_place(inv, ++inv->gen);
	if (!n)
		return NULL;
	n->kind = (uint8_t)kind;
	node_open(n, key);
	n->packet = inv->packets_before + inv->now->packet;
	n->first_ns = n->last_ns = inv->now->ts_ns;
	n->dirty = true;
	node_touch(n);
	return n;
}

void node_close(struct device *n)
{
	if (n->in_table)
		table_del(&n->inv->keys, n->key, node_index(n));
	n->in_table = false;
}

struct device *get_ip(struct inventory *inv, const struct addr *ip, uint16_t vlan, uint32_t vni)
{
	struct device *n = find_ip(inv, ip, vlan, vni);
	return n ? n : new_ip(inv, ip, ip_segment(ip, vlan), vni);
}

struct device *new_ip(struct inventory *inv, const struct addr *ip, uint16_t segment, uint32_t vni)
{
	struct device *n = node_new(inv, NODE_IP, ip_key(inv, ip, segment, vni));
	if (n) {
		n->ip = *ip;
		n->segment = segment;
		n->vni = vni;
	}
	return n;
}

struct device *get_mac(struct inventory *inv, const struct mac *m, uint16_t vlan, uint32_t vni)
{
	struct device *n = find_mac(inv, m, vlan, vni);
	if (n)
		return n;
	uint16_t segment = mac_segment(m, vlan);
	n = node_new(inv, NODE_MAC, mac_key(inv, m, segment, vni));
	if (!n)
		return NULL;
	n->mac = *m;
	n->segment = segment;
	n->vni = vni;
	n->told_router = mac_is_virtual_router(m);
	mac_describe(n);
	identity_mac_seen(n);
	return n;
}

struct device *get_identity(struct inventory *inv, struct bytes key)
{
	struct device *n = find_identity(inv, key);
	uint8_t identity[IDENTITY_BYTES];
	if (n)
		return n;
	identity_of(key, identity);
	n = node_new(inv, NODE_IDENTITY, identity_key(inv, identity));
	if (n)
		memcpy(n->identity, identity, sizeof n->identity);
	return n;
}

/* ---- what was known before this run ---------------------------------------------------------------------
 */

static uint64_t key_again(const struct inventory *inv, const struct device *as)
{
	if (as->kind == NODE_IP)
		return ip_key(inv, &as->ip, as->segment, as->vni);
	if (as->kind == NODE_MAC)
		return mac_key(inv, &as->mac, as->segment, as->vni);
	return identity_key(inv, as->identity);
}

struct device *node_restore(struct inventory *inv, const struct device *as, uint32_t gen)
{
	uint64_t key = key_again(inv, as);
	const struct addr *ip = as->kind == NODE_IP ? &as->ip : NULL;
	const struct mac *mac = as->kind == NODE_MAC ? &as->mac : NULL;
	bool is_known = as->in_table && find(inv, key, as->kind, ip, mac);
	if (is_known || inv->roots >= inv->limits.devices)
		return NULL;
	struct device *n = node_place(inv, gen);
	if (!n)
		return NULL;
	uint32_t older = n->older, newer = n->newer, before = n->made_before, after = n->made_after;
	*n = *as;
	n->inv = inv;
	n->in_table = false;
	n->older = older;
	n->newer = newer;
	n->made_before = before;
	n->made_after = after;
	n->is_kept = false;
	n->dirty = true;
	if (as->in_table)
		node_open(n, key);
	n->key = key;
	inv->gen = gen > inv->gen ? gen : inv->gen;
	inv->has_twins |= ip && n->segment && !addr_is_link_local(ip);
	return n;
}

void nodes_reorder(struct inventory *inv, const uint32_t *by_creation, const uint32_t *by_sight, size_t n)
{
	inv->made_first = inv->made_last = 0;
	memset(inv->seen, 0, sizeof inv->seen);
	for (size_t i = 0; i < n; i++) {
		made_append(node_at(inv, by_creation[i]));
		lru_append(node_at(inv, by_sight[i]));
	}
}

/* ---- what addresses say of themselves ----------------------------------------------------------------- */

bool addr_is_home(const struct inventory *inv, const struct addr *a)
{
	if (!addr_is_host(a) || addr_is_private(a))
		return addr_is_host(a);
	for (size_t i = 0; i < inv->n_home; i++)
		if (addr_in(a, &inv->home[i].addr, inv->home[i].bits))
			return true;
	return false;
}

/* RFC 5798 section 7.3 (VRRP); Cisco HSRP version 1 and 2 (IPv4, IPv6) and GLBP. */
bool mac_is_virtual_router(const struct mac *m)
{
	static const struct {
		uint8_t b[5];
		uint8_t bits_of_last; /* of b[4] that count */
	} blocks[] = {
		{ { 0x00, 0x00, 0x5e, 0x00, 0x01 }, 0xff },
		{ { 0x00, 0x00, 0x5e, 0x00, 0x02 }, 0xff },
		{ { 0x00, 0x00, 0x0c, 0x07, 0xac }, 0xff },
		{ { 0x00, 0x00, 0x0c, 0x9f, 0xf0 }, 0xf0 },
		{ { 0x00, 0x05, 0x73, 0xa0, 0x00 }, 0xf0 },
		{ { 0x00, 0x07, 0xb4, 0x00, 0x00 }, 0x00 },
	};
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
		if (memcmp(m->b, blocks[i].b, 4) == 0 &&
			((m->b[4] ^ blocks[i].b[4]) & blocks[i].bits_of_last) == 0)
			return true;
	return false;
}
