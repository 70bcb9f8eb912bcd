/* walk: what the layers of decode.c, tunnel.c and ip.c hand from one to the next. Of no use to others. */
#ifndef WW_PACKET_WALK_H
#define WW_PACKET_WALK_H

#include "packet/decode.h"

enum {
	ETHER_IPV4 = 0x0800,
	ETHER_TEB = 0x6558, /* an Ethernet frame in GRE or GENEVE */
	ETHER_IPV6 = 0x86dd,
};

enum walk_layer { LAYER_LINK, LAYER_NETWORK, LAYER_TUNNEL, LAYER_TRANSPORT };

struct walk {
	struct decoder *d;
	struct packet *p;
	struct bytes in;       /* from the layer at hand to the end, as captured */
	size_t wire;           /* as the headers so far say; >= in.n */
	unsigned depth;        /* encapsulations taken off */
	unsigned tags;         /* VLAN tags of this Ethernet frame */
	enum walk_layer layer; /* at hand: whose fault it is */
	bool tunneled; /* since the last Ethernet header a tunnel began: its addresses are the tunnel's ends
			*/
};

/* n more bytes are needed and not there: on the wire they were, or not even there. */
static inline enum decoded walk_short(const struct walk *w, size_t n)
{
	return w->wire >= n ? DECODE_CUT : DECODE_MALFORMED;
}

static inline bool walk_has(const struct walk *w, size_t n)
{
	return w->in.n >= n;
}

/* Takes off n bytes of header that walk_has said are there. */
static inline void walk_past(struct walk *w, size_t n)
{
	w->in = bytes_from(w->in, n);
	w->wire -= n;
}

/* A header says that n bytes follow: what is behind them is padding; what is missing was cut away. */
static inline void walk_limit(struct walk *w, size_t n)
{
	w->in = bytes_first(w->in, n);
	w->wire = n;
}

/* At an IP header: the Ethernet addresses are this packet's only if no tunnel lies between. */
static inline void walk_at_ip(struct walk *w)
{
	if (w->tunneled) {
		w->p->has_mac = false;
		w->p->smac = w->p->dmac = (struct mac){ 0 };
	}
	w->tunneled = true;
}

/* Into one more encapsulation. False: the limit is reached, the layer is to be handed on as it is. */
bool walk_enter(struct walk *w);
/* An Ethernet frame inside: its tags are its own. */
enum decoded walk_inner_ethernet(struct walk *w);
/* What is at hand is the payload of an EtherType that goes no further. */
enum decoded walk_payload(struct walk *w, uint16_t ethertype);

enum decoded walk_ethernet(struct walk *w);
enum decoded walk_ethertype(struct walk *w, uint16_t type);
enum decoded walk_llc(struct walk *w);
enum decoded walk_ip(struct walk *w); /* IPv4 or IPv6, by the first nibble */
enum decoded walk_ipv4(struct walk *w);
enum decoded walk_ipv6(struct walk *w);

enum decoded walk_vlan(struct walk *w, uint16_t ethertype);
enum decoded walk_mpls(struct walk *w, uint16_t ethertype);
enum decoded walk_pppoe(struct walk *w);
enum decoded walk_gre(struct walk *w);
enum decoded walk_vxlan(struct walk *w);
enum decoded walk_geneve(struct walk *w);
/* What is at hand is the payload of p->proto and goes no further. */
enum decoded walk_ip_payload(struct walk *w);

#endif
