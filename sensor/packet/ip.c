/* IPv4, IPv6 with its extension headers, and the transports' ports. */
#include "packet/walk.h"

enum {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP = 1,
	PROTO_IPV4 = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IPV6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_GRE = 47,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_OPTIONS = 60,
	PROTO_SCTP = 132,
	PROTO_MOBILITY = 135,
	PROTO_MPLS = 137,
	PROTO_HIP = 139,
	PROTO_SHIM6 = 140,
};

enum {
	EXTENSIONS = 16,     /* more than any sender has use for: a chain to make us slow */
	OFFLOAD_LEAST = 1501 /* a length field of 0 is believed of frames no Ethernet carries: the network
				card cuts them up and writes the length (TSO, BIG TCP) */
};

enum decoded walk_ip_payload(struct walk *w)
{
	w->p->l4 = w->p->payload = w->in;
	w->p->l4_bytes = (uint32_t)w->wire;
	return DECODE_PACKET;
}

/* ---- transports -------------------------------------------------------------------------- */

/* RFC 9293 3.1 */
static enum decoded tcp(struct walk *w)
{
	struct packet *p = w->p;
	if (!walk_has(w, 20))
		return walk_short(w, 20);
	struct cur c = cur_of(w->in);
	p->sport = cur_be16(&c);
	p->dport = cur_be16(&c);
	p->seq = cur_be32(&c);
	p->ack = cur_be32(&c);
	size_t head = (size_t)(cur_u8(&c) >> 4) * 4;
	p->tcp_flags = cur_u8(&c) & 0x3f;
	p->window = cur_be16(&c);
	if (head < 20 || head > w->wire)
		return DECODE_MALFORMED;
	p->l4 = w->in;
	p->payload = bytes_from(w->in, head);
	p->l4_bytes = (uint32_t)(w->wire - head);
	return DECODE_PACKET;
}

typedef enum decoded tunnel(struct walk *w);

/* Tunnels over UDP, by the port they are sent to. GRE: RFC 8086. */
static tunnel *tunnel_of(uint16_t port)
{
	switch (port) {
	case 4789: /* RFC 7348 */
	case 4790: /* with a next protocol */
	case 8472: /* what Linux used before */
		return walk_vxlan;
	case 6081:
		return walk_geneve;
	case 4754:
		return walk_gre;
	default:
		return NULL;
	}
}

/* A port is a hint: what does not decode as that tunnel is a datagram like any other. */
static enum decoded try_tunnel(struct walk *w, tunnel *in_udp)
{
	struct walk before = *w;
	struct packet p = *w->p;
	walk_past(w, 8);
	enum decoded is = in_udp(w);
	if (is != DECODE_MALFORMED && w->depth > before.depth)
		return is;
	*w = before;
	*w->p = p;
	return DECODE_PACKET;
}

/* RFC 768 */
static enum decoded udp(struct walk *w)
{
	struct packet *p = w->p;
	if (!walk_has(w, 8))
		return walk_short(w, 8);
	struct cur c = cur_of(w->in);
	p->sport = cur_be16(&c);
	p->dport = cur_be16(&c);
	size_t n = cur_be16(&c);
	if (n == 0 && w->wire >= OFFLOAD_LEAST) /* or a jumbogram, RFC 2675 4 */
		n = w->wire;
	if (n < 8 || n > w->wire)
		return DECODE_MALFORMED;
	walk_limit(w, n);
	p->l4 = w->in;
	p->payload = bytes_from(w->in, 8);
	p->l4_bytes = (uint32_t)(n - 8);
	tunnel *in_udp = tunnel_of(p->dport);
	return in_udp ? try_tunnel(w, in_udp) : DECODE_PACKET;
}

static enum decoded icmp(struct walk *w)
{
	if (!walk_has(w, 4))
		return walk_short(w, 4);
	struct cur c = cur_of(w->in);
	w->p->icmp_type = cur_u8(&c);
	w->p->icmp_code = cur_u8(&c);
	return walk_ip_payload(w);
}

/* RFC 9260 3.1 */
static enum decoded sctp(struct walk *w)
{
	struct packet *p = w->p;
	if (!walk_has(w, 12))
		return walk_short(w, 12);
	struct cur c = cur_of(w->in);
	p->sport = cur_be16(&c);
	p->dport = cur_be16(&c);
	p->l4 = w->in;
	p->payload = bytes_from(w->in, 12);
	p->l4_bytes = (uint32_t)(w->wire - 12);
	return DECODE_PACKET;
}

static enum decoded ip_in_ip(struct walk *w, tunnel *inner)
{
	return walk_enter(w) ? inner(w) : walk_ip_payload(w);
}

static enum decoded mpls_in_ip(struct walk *w)
{
	w->layer = LAYER_TUNNEL;
	return walk_mpls(w, 0x8847);
}

static enum decoded transport(struct walk *w, uint8_t proto)
{
	w->layer = LAYER_TRANSPORT;
	w->p->proto = proto;
	switch (proto) {
	case PROTO_TCP:
		return tcp(w);
	case PROTO_UDP:
		return udp(w);
	case PROTO_ICMP:
	case PROTO_ICMP6:
		return icmp(w);
	case PROTO_SCTP:
		return sctp(w);
	case PROTO_GRE:
		return walk_gre(w);
	case PROTO_IPV4: /* RFC 2003 */
		return ip_in_ip(w, walk_ipv4);
	case PROTO_IPV6: /* RFC 4213: 6in4; RFC 2473 */
		return ip_in_ip(w, walk_ipv6);
	case PROTO_MPLS: /* RFC 4023 */
		return mpls_in_ip(w);
	default:
		return walk_ip_payload(w);
	}
}

/* ---- IP ---------------------------------------------------------------------------------- */

static enum decoded fragment(struct walk *w, struct fragment f)
{
	w->p->is_fragment = true;
	w->p->proto = f.proto;
	f.data = w->in;
	f.is_cut = w->in.n < w->wire;
	w->d->fragment = f;
	return DECODE_FRAGMENT;
}

/* RFC 4302 2: an authentication header hides nothing. False: *is says why it cannot be passed. */
static bool past_ah(struct walk *w, uint8_t *next, enum decoded *is)
{
	struct cur c = cur_of(w->in);
	*is = walk_short(w, 8);
	if (!walk_has(w, 8))
		return false;
	*next = cur_u8(&c);
	size_t n = ((size_t)cur_u8(&c) + 2) * 4;
	*is = walk_short(w, n);
	if (!walk_has(w, n))
		return false;
	walk_past(w, n);
	return true;
}

/* RFC 791 3.1 */
enum decoded walk_ipv4(struct walk *w)
{
	struct packet *p = w->p;
	enum decoded is;
	w->layer = LAYER_NETWORK;
	if (!walk_has(w, 20))
		return walk_short(w, 20);
	walk_at_ip(w);
	struct cur c = cur_of(w->in);
	uint8_t first = cur_u8(&c);
	size_t head = (size_t)(first & 15) * 4;
	cur_skip(&c, 1);
	size_t total = cur_be16(&c);
	uint32_t id = cur_be16(&c), flags = cur_be16(&c);
	p->ttl = cur_u8(&c);
	uint8_t proto = cur_u8(&c);
	cur_skip(&c, 2);
	if (total == 0 && w->wire >= OFFLOAD_LEAST)
		total = w->wire;
	if (first >> 4 != 4 || head < 20 || total < head)
		return DECODE_MALFORMED;
	p->src = addr_v4(cur_take(&c, 4));
	p->dst = addr_v4(cur_take(&c, 4));
	p->is_ip = true;
	p->ethertype = ETHER_IPV4;
	walk_limit(w, total);
	if (!walk_has(w, head))
		return walk_short(w, head);
	p->ip = w->in;
	struct bytes header = bytes_first(w->in, head);
	walk_past(w, head);
	if (flags & 0x3fff) /* more fragments, or an offset */
		return fragment(w, (struct fragment){ .head = header,
					   .id = id,
					   .proto = proto,
					   .at = (flags & 0x1fff) * 8,
					   .more = flags & 0x2000 });
	if (proto == PROTO_AH && !past_ah(w, &proto, &is))
		return is;
	return transport(w, proto);
}

struct chain {
	struct bytes ip; /* the whole packet */
	uint8_t next;    /* what is at hand */
	size_t next_at;  /* where in ip that is said */
};

/* The fragment header, RFC 8200 4.5. True: an atomic fragment, which is none (RFC 6946). */
static bool past_fragment(struct walk *w, struct chain *n, enum decoded *is)
{
	struct cur c = cur_of(w->in);
	size_t here = n->ip.n - w->in.n;
	*is = walk_short(w, 8);
	if (!walk_has(w, 8))
		return false;
	struct fragment f = { .head = bytes_first(n->ip, here), .next_at = n->next_at, .is_v6 = true };
	f.proto = cur_u8(&c);
	cur_skip(&c, 1);
	uint16_t offset = cur_be16(&c);
	f.id = cur_be32(&c);
	f.at = offset & 0xfff8;
	f.more = offset & 1;
	walk_past(w, 8);
	n->next = f.proto;
	n->next_at = here;
	if (!f.at && !f.more)
		return true;
	*is = fragment(w, f);
	return false;
}

/* RFC 8200 4.1 to 4.6: headers whose length is in units of 8 bytes, the first not counted. */
static bool past_extension(struct walk *w, struct chain *n, enum decoded *is)
{
	struct cur c = cur_of(w->in);
	size_t here = n->ip.n - w->in.n;
	*is = walk_short(w, 8);
	if (!walk_has(w, 8))
		return false;
	n->next = cur_u8(&c);
	n->next_at = here;
	size_t bytes = ((size_t)cur_u8(&c) + 1) * 8;
	*is = walk_short(w, bytes);
	if (!walk_has(w, bytes))
		return false;
	walk_past(w, bytes);
	return true;
}

/* False: *is says what came of the packet. */
static bool next_header(struct walk *w, struct chain *n, enum decoded *is)
{
	size_t here = n->ip.n - w->in.n;
	switch (n->next) {
	case PROTO_HOP_BY_HOP:
	case PROTO_ROUTING:
	case PROTO_OPTIONS:
	case PROTO_MOBILITY:
	case PROTO_HIP:
	case PROTO_SHIM6:
		return past_extension(w, n, is);
	case PROTO_AH:
		n->next_at = here;
		return past_ah(w, &n->next, is);
	case PROTO_FRAGMENT:
		return past_fragment(w, n, is);
	default:
		*is = transport(w, n->next);
		return false;
	}
}

/* RFC 8200 3 */
enum decoded walk_ipv6(struct walk *w)
{
	struct packet *p = w->p;
	enum decoded is = DECODE_MALFORMED;
	w->layer = LAYER_NETWORK;
	if (!walk_has(w, 40))
		return walk_short(w, 40);
	walk_at_ip(w);
	struct cur c = cur_of(w->in);
	unsigned version = cur_u8(&c) >> 4;
	cur_skip(&c, 3);
	size_t length = cur_be16(&c);
	uint8_t next = cur_u8(&c);
	p->ttl = cur_u8(&c);
	p->src = addr_v6(cur_take(&c, 16));
	p->dst = addr_v6(cur_take(&c, 16));
	if (version != 6)
		return DECODE_MALFORMED;
	p->is_ip = true;
	p->ethertype = ETHER_IPV6;
	if (length == 0 && w->wire - 40 >= OFFLOAD_LEAST) /* or a jumbogram, RFC 2675 3 */
		length = w->wire - 40;
	walk_limit(w, 40 + length);
	p->ip = w->in;
	walk_past(w, 40);
	struct chain n = { .ip = p->ip, .next = next, .next_at = 6 };
	for (unsigned i = 0; i < EXTENSIONS; i++)
		if (!next_header(w, &n, &is))
			return is;
	return DECODE_MALFORMED;
}
