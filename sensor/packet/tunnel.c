/* Tags and tunnels, one function each. */
#include "packet/walk.h"

enum { LABELS = 16 /* MPLS labels on one packet */ };

/* IEEE 802.1Q 9.6. Id 0 is a priority without a VLAN. */
enum decoded walk_vlan(struct walk *w, uint16_t ethertype)
{
	struct packet *p = w->p;
	if (!walk_has(w, 4))
		return walk_short(w, 4);
	struct cur c = cur_of(w->in);
	uint16_t id = cur_be16(&c) & 0xfff, type = cur_be16(&c);
	if (!walk_enter(w))
		return walk_payload(w, ethertype);
	if (id) {
		if (w->tags++ == 1)
			p->outer_vlan = p->vlan;
		p->vlan = id;
	}
	walk_past(w, 4);
	return walk_ethertype(w, type);
}

/* Is there an Ethernet header with a type that is likely in a tunnel at `at`? */
static bool is_ethernet(struct bytes in, size_t at)
{
	struct cur c = cur_of(bytes_from(in, at + 12));
	uint16_t type = cur_be16(&c);
	return type == ETHER_IPV4 || type == ETHER_IPV6 || type == 0x0806 || type == 0x8100;
}

/* RFC 3032 2.1. Nothing says what follows the last label: IP by its first nibble (RFC 4928 3), or Ethernet,
 * with or without a control word of four bytes (RFC 4448 4.6). */
enum decoded walk_mpls(struct walk *w, uint16_t ethertype)
{
	bool is_last = false;
	if (!walk_enter(w))
		return w->p->is_ip ? walk_ip_payload(w) : walk_payload(w, ethertype);
	for (unsigned i = 0; i < LABELS && !is_last; i++) {
		if (!walk_has(w, 4))
			return walk_short(w, 4);
		struct cur c = cur_of(w->in);
		is_last = cur_be32(&c) & 0x100;
		walk_past(w, 4);
	}
	if (!is_last)
		return DECODE_MALFORMED;
	w->tunneled = true;
	int nibble = bytes_at(w->in, 0) >> 4;
	if ((nibble == 4 || nibble == 6) && !is_ethernet(w->in, 0))
		return walk_ip(w);
	if (nibble == 0 && is_ethernet(w->in, 4)) {
		walk_past(w, 4);
		return walk_inner_ethernet(w);
	}
	return is_ethernet(w->in, 0) ? walk_inner_ethernet(w) : walk_payload(w, ethertype);
}

/* RFC 1661 2, RFC 1662 3.1: address and control, and the protocol's first byte, may be left out. */
static enum decoded ppp(struct walk *w, uint16_t ethertype)
{
	enum { PPP_IPV4 = 0x21, PPP_IPV6 = 0x57, PPP_MPLS = 0x281 };
	size_t at = bytes_at(w->in, 0) == 0xff && bytes_at(w->in, 1) == 3 ? 2 : 0;
	struct cur c = cur_of(bytes_from(w->in, at));
	uint16_t proto = cur_u8(&c);
	at++;
	if (!(proto & 1)) {
		proto = (uint16_t)(proto << 8 | cur_u8(&c));
		at++;
	}
	if (!cur_ok(&c))
		return walk_short(w, at);
	if (proto != PPP_IPV4 && proto != PPP_IPV6 && proto != PPP_MPLS)
		return walk_payload(w, ethertype); /* LCP and its like */
	walk_past(w, at);
	w->tunneled = true;
	if (proto == PPP_MPLS)
		return walk_mpls(w, 0x8847);
	return proto == PPP_IPV4 ? walk_ipv4(w) : walk_ipv6(w);
}

/* RFC 2516 4: version and type 1, code 0 in a session. */
enum decoded walk_pppoe(struct walk *w)
{
	enum { PPPOE_SESSION = 0x8864 };
	if (!walk_has(w, 6))
		return walk_short(w, 6);
	struct cur c = cur_of(w->in);
	uint16_t version_code = cur_be16(&c);
	cur_skip(&c, 2);
	size_t n = cur_be16(&c);
	if (version_code != 0x1100 || n > w->wire - 6)
		return DECODE_MALFORMED;
	if (!walk_enter(w))
		return walk_payload(w, PPPOE_SESSION);
	walk_past(w, 6);
	walk_limit(w, n);
	return ppp(w, PPPOE_SESSION);
}

/* ERSPAN I has no header of its own. The mirror session is no network: it is not the VNI, or two mirrors of
 * one conversation, or of its two directions, would be two. */
static enum decoded erspan1(struct walk *w)
{
	w->p->vlan = 0;
	return walk_inner_ethernet(w);
}

/* draft-foschiano-erspan-03 4.1. The VLAN is the mirrored port's, its tag may have been taken off. */
static enum decoded erspan2(struct walk *w)
{
	if (!walk_has(w, 8))
		return walk_short(w, 8);
	struct cur c = cur_of(w->in);
	uint16_t version_vlan = cur_be16(&c);
	if (version_vlan >> 12 != 1)
		return DECODE_MALFORMED;
	w->p->vlan = version_vlan & 0xfff;
	walk_past(w, 8);
	return walk_inner_ethernet(w);
}

/* draft-foschiano-erspan-03 4.2: frame type 0 is Ethernet, 2 is IP; O adds eight bytes. */
static enum decoded erspan3(struct walk *w)
{
	if (!walk_has(w, 12))
		return walk_short(w, 12);
	struct cur c = cur_of(w->in);
	uint16_t version_vlan = cur_be16(&c);
	cur_skip(&c, 8);
	uint16_t flags = cur_be16(&c);
	unsigned type = flags >> 10 & 31;
	size_t n = flags & 1 ? 20 : 12;
	if (version_vlan >> 12 != 2)
		return DECODE_MALFORMED;
	if (!walk_has(w, n))
		return walk_short(w, n);
	w->p->vlan = version_vlan & 0xfff;
	walk_past(w, n);
	if (type == 0)
		return walk_inner_ethernet(w);
	return type == 2 ? walk_ip(w) : DECODE_OTHER;
}

/* What GRE carries: the protocol types that lead on. */
static bool gre_leads_on(uint16_t type)
{
	static const uint16_t types[] = { ETHER_IPV4, ETHER_IPV6, ETHER_TEB, 0x88be, 0x22eb, 0x880b, 0x8847,
		0x8848, 0x8100 };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i] == type)
			return true;
	return false;
}

static enum decoded gre_payload(struct walk *w, uint16_t type, bool has_sequence)
{
	w->tags = 0;
	switch (type) {
	case ETHER_TEB:
		w->p->vlan = 0;
		return walk_inner_ethernet(w);
	case 0x88be: /* types I and II differ in the sequence number alone */
		return has_sequence ? erspan2(w) : erspan1(w);
	case 0x22eb:
		return erspan3(w);
	case 0x880b:
		return ppp(w, type);
	default:
		return walk_ethertype(w, type);
	}
}

/* RFC 2784, RFC 2890; version 1: RFC 2637 4.1. A deprecated routing field (RFC 1701) is not followed.
 * The key is no VNI: mirrors (VMware's) and tunnels number the two directions of a conversation by it. */
enum decoded walk_gre(struct walk *w)
{
	enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, ACK = 0x0080 };
	w->layer = LAYER_TUNNEL;
	if (!walk_has(w, 4))
		return walk_short(w, 4);
	struct cur c = cur_of(w->in);
	uint16_t flags = cur_be16(&c), type = cur_be16(&c);
	unsigned version = flags & 7;
	size_t n = 4;
	n += flags & CHECKSUM ? 4 : 0;
	n += flags & KEY ? 4 : 0;
	n += flags & SEQUENCE ? 4 : 0;
	n += version == 1 && flags & ACK ? 4 : 0;
	if (version > 1)
		return DECODE_MALFORMED;
	if (flags & ROUTING || !gre_leads_on(type))
		return walk_ip_payload(w);
	if (!walk_has(w, n))
		return walk_short(w, n);
	if (n == w->wire || !walk_enter(w)) /* PPTP acknowledgements have no payload */
		return walk_ip_payload(w);
	walk_past(w, n);
	return gre_payload(w, type, flags & SEQUENCE);
}

/* RFC 7348 5; with the P flag a next protocol, draft-ietf-nvo3-vxlan-gpe-13 3.1. Reserved bits are to be
 * ignored, but they are what tells a tunnel from a chance port: the last byte is zero in every version of the
 * header. */
enum decoded walk_vxlan(struct walk *w)
{
	enum { HAS_VNI = 8, HAS_NEXT = 4, NEXT_IPV4 = 1, NEXT_IPV6 = 2, NEXT_ETHERNET = 3 };
	if (!walk_has(w, 8))
		return walk_short(w, 8);
	struct cur c = cur_of(w->in);
	uint8_t flags = cur_u8(&c);
	cur_skip(&c, 2); /* group policy, where it is used */
	uint8_t next = cur_u8(&c);
	uint32_t vni = cur_be24(&c);
	if (!(flags & HAS_NEXT))
		next = NEXT_ETHERNET;
	if (!(flags & HAS_VNI) || cur_u8(&c) != 0 || next < NEXT_IPV4 || next > NEXT_ETHERNET)
		return DECODE_MALFORMED;
	if (!walk_enter(w))
		return DECODE_MALFORMED; /* the UDP datagram as it is */
	w->p->vni = vni;
	walk_past(w, 8);
	if (next != NEXT_ETHERNET)
		return walk_ip(w);
	w->p->vlan = 0;
	return walk_inner_ethernet(w);
}

/* RFC 8926 3.4 */
enum decoded walk_geneve(struct walk *w)
{
	if (!walk_has(w, 8))
		return walk_short(w, 8);
	struct cur c = cur_of(w->in);
	uint8_t first = cur_u8(&c);
	size_t n = 8 + (size_t)(first & 63) * 4;
	cur_skip(&c, 1);
	uint16_t type = cur_be16(&c);
	uint32_t vni = cur_be24(&c);
	if (first >> 6 != 0 || cur_u8(&c) != 0 ||
		(type != ETHER_TEB && type != ETHER_IPV4 && type != ETHER_IPV6))
		return DECODE_MALFORMED;
	if (!walk_has(w, n))
		return walk_short(w, n);
	if (!walk_enter(w))
		return DECODE_MALFORMED;
	w->p->vni = vni;
	walk_past(w, n);
	if (type != ETHER_TEB)
		return walk_ethertype(w, type);
	w->p->vlan = 0;
	return walk_inner_ethernet(w);
}
