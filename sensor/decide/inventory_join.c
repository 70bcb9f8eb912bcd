/*
 * Whose address is it? A frame's source MAC is its host's, or the router's that passed it on. ARP, neighbour
 * discovery and leases say whose it is; without them, a MAC that sends from one address has it, and one that
 * sends from several, or from one beside those that it claims, passes on packets of others.
 */
#include "decide/inventory_nodes.h"

#include "packet/categories.h"

bool mac_forwards(const struct device *m)
{
	uint32_t outside = m->public_many ? 2 : m->public_ip.family ? 1 : 0;
	uint32_t carried = m->carried4 + outside;
	/* Of a virtual router only what it claims is its own: all else came through it. */
	return mac_is_virtual_router(&m->mac) || m->seen_forward || carried >= 2 ||
	       (carried && m->claimed4) || m->carried6 >= 3;
}

/* The MAC under which an address belongs, or NULL. */
static struct device *owner(const struct device *a)
{
	struct device *m = ref_get(a->inv, a->carrier);
	if (m && (a->claimed || !mac_forwards(m)))
		return m;
	m = ref_get(a->inv, a->second);
	return m && !mac_forwards(m) ? m : ref_get(a->inv, a->managed);
}

static bool is_privacy6(const struct device *a)
{
	return a->kind == NODE_IP && a->ip.family == 6 && !addr_is_link_local(&a->ip);
}

/* Privacy addresses (RFC 8981) are used for a day: the oldest makes place. */
static void forget_oldest6(struct device *m)
{
	uint32_t i = m->child;
	while (i && !is_privacy6(node_at(m->inv, i)))
		i = node_at(m->inv, i)->next;
	if (i && node_at(m->inv, i)->fed != m->inv->fed)
		node_drop(node_at(m->inv, i));
}

static void relink(struct device *a)
{
	struct device *m = owner(a);
	if (m ? a->up == node_index(m) : a->up == 0 || a->link != LINK_OWNER)
		return;
	if (m && m->n_children >= CHILDREN_MAX && a->ip.family == 6)
		forget_oldest6(m);
	if (!m || !node_link(a, m, LINK_OWNER))
		node_unlink(a);
}

/* After what m carries or claims changed: its addresses may not be its own any more. */
static void relink_all(struct device *m)
{
	uint32_t i = m->child;
	node_root(m)->dirty = true;
	while (i) {
		struct device *a = node_at(m->inv, i);
		i = a->next;
		if (a->kind == NODE_IP)
			relink(a);
	}
}

/* RFC 4291 appendix A: the interface identifier made from that MAC. */
static bool is_eui64_of(const struct addr *ip, const struct mac *m)
{
	const uint8_t id[8] = { m->b[0] ^ 2, m->b[1], m->b[2], 0xff, 0xfe, m->b[3], m->b[4], m->b[5] };
	return ip->family == 6 && memcmp(ip->b + 8, id, sizeof id) == 0;
}

static void count_prefix6(struct device *m, const struct addr *ip)
{
	for (unsigned i = 0; i < m->carried6; i++)
		if (memcmp(m->prefix6[i], ip->b, sizeof m->prefix6[i]) == 0)
			return;
	if (m->carried6 < sizeof m->prefix6 / sizeof *m->prefix6)
		memcpy(m->prefix6[m->carried6++], ip->b, sizeof m->prefix6[0]);
}

static void count_carried(struct device *m, const struct addr *ip)
{
	if (ip->family == 4)
		m->carried4++;
	else
		count_prefix6(m, ip);
	relink_all(m);
}

static void outside_carried(struct device *m, const struct addr *ip)
{
	if (ip->family == 6) {
		count_prefix6(m, ip);
	} else if (m->public_ip.family == 0) {
		m->public_ip = *ip;
	} else if (!m->public_many && !addr_eq(&m->public_ip, ip)) {
		m->public_many = true;
	} else {
		return;
	}
	relink_all(m);
}

static void routes(struct device *m)
{
	if (!m->seen_routing)
		node_root(m)->dirty = true;
	m->seen_routing = true;
}

static bool share_vlan(const struct device *a, const struct device *b)
{
	if (a->n_vlan == 0 || b->n_vlan == 0)
		return true;
	for (unsigned i = 0; i < a->n_vlan; i++)
		for (unsigned k = 0; k < b->n_vlan; k++)
			if (a->vlan[i] == b->vlan[k])
				return true;
	return false;
}

static bool in_vlan(const struct device *n, uint16_t vlan)
{
	for (unsigned i = 0; i < n->n_vlan; i++)
		if (n->vlan[i] == vlan)
			return true;
	return false;
}

/* Without ARP a router that passes the address on looks like a second host that has it; but where the cards
 * of both are of makers of devices, neither routes. */
static bool carries_twin(
	const struct device *m, const struct device *a, const struct device *c, uint16_t vlan)
{
	return vlan && !a->claimed && a->segment == 0 && a->ip.family == 4 && !share_vlan(c, m) &&
	       !in_vlan(c, vlan) && m->carried4 + m->claimed4 == 0 && m->public_ip.family == 0 &&
	       !m->told_router && !mac_forwards(c) && value_best(m, ATTR_MAC_CLASS) &&
	       value_best(c, ATTR_MAC_CLASS);
}

static void carry_twin(struct device *m, const struct device *a, uint16_t vlan)
{
	struct device *twin = new_ip(m->inv, &a->ip, vlan, a->vni);
	if (!twin)
		return;
	m->inv->has_twins = true;
	twin->carrier = ref_of(m);
	count_carried(m, &a->ip);
	relink(twin);
}

void join_carried(struct device *m, const struct addr *ip, struct device *a, uint16_t vlan, bool answered)
{
	if (is_eui64_of(ip, &m->mac) || addr_is_link_local(ip)) {
		join_claimed(m, ip, false);
		return;
	}
	if (!a) {
		outside_carried(m, ip);
		if (answered)
			routes(m);
		return;
	}
	struct device *c = ref_get(a->inv, a->carrier);
	if (answered && !a->claimed && (!c || c == m))
		routes(m);
	if (!c) {
		a->carrier = ref_of(m);
		a->claimed = false;
		count_carried(m, ip);
	} else if (c != m && !a->claimed) {
		if (carries_twin(m, a, c, vlan)) {
			carry_twin(m, a, vlan);
			return;
		}
		a->second = ref_of(m);
	}
	relink(a);
}

/* c only passed that address on: it lives with another MAC. */
static void found_elsewhere(struct device *c)
{
	c->seen_forward = true;
	relink_all(c);
}

static bool is_known_hop(
	const struct device *m, const struct device *a, const struct device *holder, bool tagged)
{
	for (unsigned i = 0; i < m->n_next_hop; i++) {
		const struct device *known = find_ip(m->inv, &m->next_hop[i], 0, a->vni);
		if (addr_eq(&m->next_hop[i], &a->ip) ||
			(!tagged && known && ref_get(m->inv, known->carrier) == holder))
			return true;
	}
	return false;
}

/*
 * A mirror shows a routed packet twice, before the router and behind it, and only the first copy counts
 * (packet/dedup.h): then a router is never seen to send what it passes on, but to be sent it. Only addresses
 * count that another MAC claims, in VLANs of which this is none: within one, a cluster's address that moved
 * and a balancer's that its servers take (with the MAC alone rewritten) look the same. Those are one MAC's,
 * so where frames carry no VLAN each of the addresses must be another MAC's. A forged claim is contested, and
 * counts for nobody.
 */
void join_next_hop(struct device *m, const struct device *a, uint16_t vlan)
{
	const struct device *c = ref_get(a->inv, a->carrier);
	bool tagged = vlan != 0;
	if (!c || !a->claimed || a->contested || mac_eq(&c->mac, &m->mac) || addr_is_link_local(&a->ip) ||
		m->n_next_hop == NEXT_HOPS)
		return;
	if (tagged ? c->n_vlan == 0 || c->n_vlan == NODE_VLANS || in_vlan(c, vlan) || in_vlan(a, vlan)
		   : c->n_vlan || a->n_vlan || m->n_vlan)
		return;
	if (is_known_hop(m, a, c, tagged))
		return;
	m->next_hop[m->n_next_hop++] = a->ip;
	if (m->n_next_hop == NEXT_HOPS) {
		routes(m);
		found_elsewhere(m);
	}
}

static void take(struct device *m, struct device *a)
{
	a->carrier = ref_of(m);
	a->second = (struct ref){ 0 };
	a->claimed = true;
	a->contested = false;
	if (a->ip.family == 4 && !addr_is_link_local(&a->ip))
		m->claimed4++;
	relink(a);
	relink_all(m);
}

static void claim_own(struct device *m, struct device *a)
{
	if (a->claimed)
		return;
	if (a->ip.family == 4 && !addr_is_link_local(&a->ip))
		m->carried4--;
	take(m, a);
}

/* The address has a new holder: what is known of the old one stays with the old one. */
static void hand_over(struct device *m, struct device *a)
{
	struct inventory *inv = m->inv;
	node_close(a);
	struct device *fresh = new_ip(inv, &a->ip, a->segment, a->vni);
	if (!fresh)
		return;
	fresh->turn = a->turn + 1;
	for (unsigned i = 0; i < m->n_vlan; i++)
		node_vlan(fresh, m->vlan[i]);
	take(m, fresh);
}

/* Two MACs claim one address: the one that had it keeps it. */
static void contest(struct device *m, struct device *a, struct device *holder)
{
	if (!ref_get(a->inv, a->second))
		a->second = ref_of(m);
	if (a->contested || addr_is_link_local(&a->ip))
		return;
	a->contested = true;
	asset_claimed(m, holder, a);
}

/* A DHCP client is no router: what it sent from before is its earlier address. */
static void earlier_lease(struct device *m)
{
	if (m->carried4 != 1 || m->claimed4 || m->public_ip.family)
		return;
	for (uint32_t i = m->child; i; i = node_at(m->inv, i)->next) {
		struct device *a = node_at(m->inv, i);
		if (a->kind == NODE_IP && a->ip.family == 4 && !a->claimed) {
			claim_own(m, a);
			return;
		}
	}
}

/* Networks that repeat each other's addresses in two VLANs, as makers deliver them: another host has that
 * address there. One that claims more than that answers for others (RFC 1027). */
static bool claims_twin(const struct device *m, const struct device *a, const struct device *holder)
{
	return a->claimed && a->ip.family == 4 && !share_vlan(holder, m) && m->claimed4 == 0 &&
	       !mac_forwards(m) && !mac_forwards(holder) && !m->told_router;
}

static void take_twin(struct device *m, const struct device *a, uint16_t vlan)
{
	struct device *twin = new_ip(m->inv, &a->ip, vlan, a->vni);
	if (!twin)
		return;
	m->inv->has_twins = true;
	node_vlan(twin, vlan);
	take(m, twin);
}

void join_claimed(struct device *m, const struct addr *ip, bool lease)
{
	struct inventory *inv = m->inv;
	if (!addr_is_host(ip))
		return;
	uint16_t vlan = inv->now->conv.vlan[inv->now->dir & 1];
	struct device *a = get_ip(inv, ip, vlan, inv->now->conv.vni);
	if (!a)
		return;
	node_touch(a);
	if (lease && ip->family == 4)
		earlier_lease(m);
	struct device *c = ref_get(inv, a->carrier);
	if (!c) {
		take(m, a);
	} else if (c == m) {
		claim_own(m, a);
	} else if (!a->claimed && (mac_forwards(c) || !share_vlan(c, m))) {
		take(m, a);
		found_elsewhere(c);
	} else if (!lease && vlan && claims_twin(m, a, c)) {
		take_twin(m, a, vlan);
	} else if (lease || inv->now->ts_ns > c->last_ns + TAKEOVER_NS) {
		hand_over(m, a);
	} else {
		contest(m, a, c);
	}
}

/* A switch's ports and a server's cards come from one block of their maker. What is of another is no
 * evidence: software takes the MAC of whatever interface it finds first, and virtual ones have the same
 * address on many hosts. */
static bool share_block(const struct mac *a, const struct mac *b)
{
	enum { BLOCK_BYTES = 3 };
	return memcmp(a->b, b->b, BLOCK_BYTES) == 0 && !mac_is_group(a) && !mac_is_local(a) &&
	       !mac_is_virtual_router(a) && !mac_is_virtual_router(b);
}

/* Cards of one block that say they are managed at one address are one device's. */
void join_managed(struct device *m, const struct addr *ip)
{
	struct inventory *inv = m->inv;
	if (!addr_is_home(inv, ip) || addr_is_link_local(ip))
		return;
	struct device *a = get_ip(inv, ip, inv->now->conv.vlan[inv->now->dir & 1], inv->now->conv.vni);
	if (!a)
		return;
	node_touch(a);
	struct device *first = ref_get(inv, a->managed);
	if (!first)
		a->managed = ref_of(m);
	else if (first != m && !m->up && share_block(&first->mac, &m->mac))
		(void)node_link(m, first, LINK_CARD);
	relink(a);
}

void join_chassis(struct device *m, const struct mac *chassis)
{
	if (m->up || mac_eq(chassis, &m->mac) || !share_block(chassis, &m->mac))
		return;
	struct device *c = get_mac(m->inv, chassis, 0, m->vni);
	if (!c || c->up)
		return;
	node_touch(c);
	(void)node_link(m, c, LINK_CARD);
}

void join_node_dropped(struct device *n)
{
	if (n->kind != NODE_IP || n->ip.family != 4 || addr_is_link_local(&n->ip))
		return;
	struct device *m = ref_get(n->inv, n->carrier);
	if (m && m != n)
		*(n->claimed ? &m->claimed4 : &m->carried4) -= 1;
}
