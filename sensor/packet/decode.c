#include "packet/walk.h"

static struct mac mac_of(struct bytes six)
{
	struct mac m = { { 0 } };
	if (six.n == sizeof m.b)
		memcpy(m.b, six.p, sizeof m.b);
	return m;
}

bool walk_enter(struct walk *w)
{
	struct packet *p = w->p;
	if (w->depth >= w->d->limits->tunnel_depth) {
		w->d->counters->full_tunnel_depth++;
		return false;
	}
	w->depth++;
	if (!p->is_ip)
		return true;
	if (!p->outer_src.family) {
		p->outer_src = p->src;
		p->outer_dst = p->dst;
	}
	p->src = p->dst = (struct addr){ .family = 0 };
	p->smac = p->dmac = (struct mac){ 0 }; /* the tunnel's ends, not the hosts' */
	p->is_ip = false;
	p->sport = p->dport = 0;
	p->proto = p->ttl = 0;
	p->ip = p->l4 = (struct bytes){ 0 };
	return true;
}

enum decoded walk_payload(struct walk *w, uint16_t ethertype)
{
	w->p->ethertype = ethertype;
	w->p->payload = w->in;
	w->p->l4_bytes = (uint32_t)w->wire;
	return DECODE_PACKET;
}

/* ---- link layers ------------------------------------------------------------------------- */

/* IEEE 802.2 with SNAP (RFC 1042). Of what has no EtherType, only Cisco's own protocols are handed on (CDP is
 * 0x2000: no EtherType has these numbers). */
enum decoded walk_llc(struct walk *w)
{
	enum { OUI_ETHERTYPE = 0, OUI_BRIDGE_TUNNEL = 0x0000f8, OUI_CISCO = 0x00000c };
	if (!walk_has(w, 3))
		return walk_short(w, 3);
	struct cur c = cur_of(w->in);
	if (cur_be24(&c) != 0xaaaa03)
		return DECODE_OTHER;
	if (!walk_has(w, 8))
		return walk_short(w, 8);
	uint32_t oui = cur_be24(&c);
	uint16_t type = cur_be16(&c);
	walk_past(w, 8);
	if (oui == OUI_CISCO)
		return walk_payload(w, type);
	if ((oui != OUI_ETHERTYPE && oui != OUI_BRIDGE_TUNNEL) || type < 0x600)
		return DECODE_OTHER;
	return walk_ethertype(w, type);
}

enum decoded walk_ethernet(struct walk *w)
{
	w->layer = LAYER_LINK;
	if (!walk_has(w, 14))
		return walk_short(w, 14);
	struct cur c = cur_of(w->in);
	w->p->dmac = mac_of(cur_take(&c, 6));
	w->p->smac = mac_of(cur_take(&c, 6));
	w->p->has_mac = true;
	w->tunneled = false;
	uint16_t type = cur_be16(&c);
	walk_past(w, 14);
	return walk_ethertype(w, type);
}

enum decoded walk_inner_ethernet(struct walk *w)
{
	w->tags = 0;
	w->p->outer_vlan = 0;
	return walk_ethernet(w);
}

/* IEEE 802.3 3.2.6: up to 1500 it is a length, from 1536 on a type. */
static enum decoded length_field(struct walk *w, size_t n)
{
	if (n > 1500 || n > w->wire)
		return DECODE_MALFORMED;
	walk_limit(w, n);
	return walk_llc(w);
}

enum decoded walk_ethertype(struct walk *w, uint16_t type)
{
	switch (type) {
	case ETHER_IPV4:
		return walk_ipv4(w);
	case ETHER_IPV6:
		return walk_ipv6(w);
	case 0x8100: /* IEEE 802.1Q */
	case 0x88a8: /* 802.1ad */
	case 0x9100: /* before 802.1ad */
	case 0x9200:
		return walk_vlan(w, type);
	case 0x8847: /* RFC 5332 */
	case 0x8848:
		return walk_mpls(w, type);
	case 0x8864:
		return walk_pppoe(w);
	default:
		return type < 0x600 ? length_field(w, type) : walk_payload(w, type);
	}
}

enum decoded walk_ip(struct walk *w)
{
	w->layer = LAYER_NETWORK;
	switch (bytes_at(w->in, 0) >> 4) {
	case 4:
		return walk_ipv4(w);
	case 6:
		return walk_ipv6(w);
	default:
		return w->in.n ? DECODE_MALFORMED : walk_short(w, 1);
	}
}

/* LINKTYPE_LINUX_SLL and _SLL2: the EtherType, or 4 for an 802.2 header. The address is the sender's. */
static enum decoded cooked(
	struct walk *w, uint16_t hardware, uint16_t address_bytes, struct bytes address, uint16_t type)
{
	enum { ARPHRD_ETHER = 1, ARPHRD_NETLINK = 824 };
	if (hardware == ARPHRD_NETLINK)
		return DECODE_OTHER;
	if (hardware == ARPHRD_ETHER && address_bytes == 6) {
		w->p->smac = mac_of(bytes_first(address, 6));
		w->p->has_mac = true;
	}
	if (type == 4)
		return walk_llc(w);
	return type < 0x600 ? DECODE_OTHER : walk_ethertype(w, type);
}

static enum decoded linux_sll(struct walk *w)
{
	if (!walk_has(w, 16))
		return walk_short(w, 16);
	struct cur c = cur_of(w->in);
	cur_skip(&c, 2); /* to us, from us, multicast ... */
	uint16_t hardware = cur_be16(&c), n = cur_be16(&c);
	struct bytes address = cur_take(&c, 8);
	uint16_t type = cur_be16(&c);
	walk_past(w, 16);
	return cooked(w, hardware, n, address, type);
}

static enum decoded linux_sll2(struct walk *w)
{
	if (!walk_has(w, 20))
		return walk_short(w, 20);
	struct cur c = cur_of(w->in);
	uint16_t type = cur_be16(&c);
	cur_skip(&c, 6); /* reserved, interface */
	uint16_t hardware = cur_be16(&c);
	cur_skip(&c, 1);
	uint8_t n = cur_u8(&c);
	struct bytes address = cur_take(&c, 8);
	walk_past(w, 20);
	return cooked(w, hardware, n, address, type);
}

/* LINKTYPE_NULL has the address family in the capturing host's byte order, LINKTYPE_LOOP in network order:
 * the numbers are small enough to tell. */
static enum decoded loopback(struct walk *w)
{
	if (!walk_has(w, 4))
		return walk_short(w, 4);
	struct cur c = cur_of(w->in);
	uint32_t family = cur_le32(&c);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	walk_past(w, 4);
	switch (family) {
	case 2:
		return walk_ipv4(w);
	case 10: /* AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS */
	case 24:
	case 28:
	case 30:
		return walk_ipv6(w);
	default:
		return DECODE_OTHER;
	}
}

typedef enum decoded link_layer(struct walk *w);

static link_layer *layer_of(uint16_t linktype)
{
	switch (linktype) {
	case 1:
		return walk_ethernet;
	case 0:
	case 108:
		return loopback;
	case 12: /* LINKTYPE_RAW is 101; 12 and 14 are what some systems write */
	case 14:
	case 101:
	case 228: /* IPv4 */
	case 229: /* IPv6 */
		return walk_ip;
	case 113:
		return linux_sll;
	case 276:
		return linux_sll2;
	default:
		return NULL;
	}
}

bool decode_knows_link(uint16_t linktype)
{
	return layer_of(linktype) != NULL;
}

/* ---- entry ------------------------------------------------------------------------------- */

bool decode_init(
	struct decoder *d, const struct limits *limits, struct counters *counters, const struct hash_key *key)
{
	*d = (struct decoder){ .limits = limits, .counters = counters };
	if (defrag_init(&d->defrag, limits, counters, key))
		return true;
	defrag_fini(&d->defrag);
	return false;
}

void decode_fini(struct decoder *d)
{
	defrag_fini(&d->defrag);
}

static void count_bad(struct counters *n, enum decoded is, enum walk_layer layer)
{
	uint64_t *const of_layer[] = { [LAYER_LINK] = &n->malformed_link,
		[LAYER_NETWORK] = &n->malformed_network,
		[LAYER_TUNNEL] = &n->malformed_tunnel,
		[LAYER_TRANSPORT] = &n->malformed_transport };
	n->packets_other += is == DECODE_OTHER;
	if (is != DECODE_MALFORMED)
		return;
	n->packets_malformed++;
	++*of_layer[layer];
}

enum decoded decode_frame(struct decoder *d, const struct frame *f, struct packet *p)
{
	struct counters *n = d->counters;
	struct walk w = { .d = d, .p = p, .in = f->data, .wire = f->wire_bytes };
	*p = (struct packet){ .ts_ns = f->ts_ns, .number = f->number, .wire_bytes = f->wire_bytes };
	n->packets++;
	n->bytes += f->wire_bytes;
	if (f->ts_ns < d->last_ns) {
		n->packets_late++;
		p->ts_ns = d->last_ns;
	}
	d->last_ns = p->ts_ns;
	link_layer *layer = layer_of(f->linktype);
	enum decoded is = layer ? layer(&w) : DECODE_OTHER;
	p->is_cut = w.in.n < w.wire;
	d->fragment.depth = w.depth;
	n->packets_cut += p->is_cut || f->data.n < f->wire_bytes;
	n->fragments += is == DECODE_FRAGMENT;
	count_bad(n, is, w.layer);
	return is;
}

enum decoded decode_join(struct decoder *d, struct packet *p)
{
	enum decoded is = DECODE_FRAGMENT;
	enum walk_layer layer = LAYER_NETWORK;
	/* The joined datagram may hold a tunnel with a fragment in it: one turn more, as deep as tunnels go.
	 */
	while (is == DECODE_FRAGMENT) {
		bool malformed = false;
		struct bytes whole = defrag_add(&d->defrag, p, &d->fragment, &malformed);
		if (malformed) {
			is = DECODE_MALFORMED;
			layer = LAYER_NETWORK;
			break;
		}
		if (!whole.n)
			return DECODE_FRAGMENT;
		struct walk w = {
			.d = d, .p = p, .in = whole, .wire = whole.n, .depth = d->fragment.depth + 1
		};
		p->is_fragment = false;
		p->is_joined = true;
		if (w.depth > d->limits->tunnel_depth) {
			d->counters->full_tunnel_depth++;
			return DECODE_OTHER;
		}
		is = walk_ip(&w);
		layer = w.layer;
		p->is_cut = w.in.n < w.wire;
		d->fragment.depth = w.depth;
		d->counters->fragments += is == DECODE_FRAGMENT;
	}
	count_bad(d->counters, is, layer);
	return is;
}
