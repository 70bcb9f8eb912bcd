/* ARP over Ethernet (RFC 826) with the probes and announcements of RFC 5227. */
#include "dissect.h"

enum { REQUEST, REPLY };
static const char *const events[] = { [REQUEST] = "request", [REPLY] = "reply", NULL };

enum { SENDER_MAC, SENDER_IP, TARGET_MAC, TARGET_IP, GRATUITOUS, PROBE, MAC_MISMATCH };
static const struct field fields[] = {
	[SENDER_MAC] = { "arp.sender_mac", FACT_MAC, OPEN, false },
	[SENDER_IP] = { "arp.sender_ip", FACT_IP, OPEN, false },
	[TARGET_MAC] = { "arp.target_mac", FACT_MAC, OPEN, false },
	[TARGET_IP] = { "arp.target_ip", FACT_IP, OPEN, false },
	[GRATUITOUS] = { "arp.gratuitous", FACT_BOOL, OPEN, false },
	[PROBE] = { "arp.probe", FACT_BOOL, OPEN, false },
	[MAC_MISMATCH] = { "arp.mac_mismatch", FACT_BOOL, OPEN, false },
	{ 0 },
};

enum { HW_ETHERNET = 1, HW_IEEE802 = 6, PROTOCOL_IPV4 = 0x0800, OP_REQUEST = 1, OP_REPLY = 2 };

struct packet_fields {
	struct mac sha, tha;
	struct addr spa, tpa;
};

static struct mac take_mac(struct cur *c)
{
	struct mac m;
	for (unsigned i = 0; i < sizeof m.b; i++)
		m.b[i] = cur_u8(c);
	return m;
}

static enum probe_result probe(struct bytes first, enum dir dir)
{
	(void)dir;
	struct cur c = cur_of(first);
	uint16_t hardware = cur_be16(&c), protocol = cur_be16(&c);
	if (!cur_ok(&c) || (hardware != HW_ETHERNET && hardware != HW_IEEE802) || protocol != PROTOCOL_IPV4)
		return PROBE_NO;
	return PROBE_YES;
}

/* A station that says an address is its own. A probe (RFC 5227 1.1) asks with sender 0.0.0.0 and claims
 * nothing; what another station's frame says of an address (a proxy, or a forger) is a fact, not a binding.
 */
static void bind_sender(struct dx *x, const struct packet_fields *p, bool mismatch)
{
	if (mismatch || !addr_is_host(&p->spa) || mac_is_zero(&p->sha) || mac_is_group(&p->sha))
		return;
	ob_begin_address(x, &p->spa, &p->sha);
	ob_end(x);
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	uint16_t hardware = cur_be16(&c), protocol = cur_be16(&c);
	uint8_t hlen = cur_u8(&c), plen = cur_u8(&c);
	uint16_t op = cur_be16(&c);
	struct cur addresses = c;
	cur_skip(&c, 2u * hlen + 2u * plen);
	if (!cur_ok(&c) || op == 0)
		return false;
	if ((hardware != HW_ETHERNET && hardware != HW_IEEE802) || protocol != PROTOCOL_IPV4)
		return true; /* another medium's ARP: nothing to say of our devices */
	if (hlen != 6 || plen != 4)
		return false;
	if (op != OP_REQUEST && op != OP_REPLY)
		return true; /* RARP, InARP and the experimental codes of RFC 5494 */

	struct packet_fields p;
	p.sha = take_mac(&addresses);
	p.spa = addr_v4(cur_take(&addresses, 4));
	p.tha = take_mac(&addresses);
	p.tpa = addr_v4(cur_take(&addresses, 4));
	const struct mac *source = x->dir == DIR_CLIENT ? &x->conv->smac : &x->conv->dmac;
	bool mismatch = !mac_is_zero(source) && !mac_eq(source, &p.sha);
	bool nobody = addr_is_unspecified(&p.spa);

	ev_begin(x, op == OP_REQUEST ? REQUEST : REPLY);
	ev_mac(x, SENDER_MAC, &p.sha);
	ev_ip(x, SENDER_IP, &p.spa);
	if (!mac_is_zero(&p.tha)) /* in a request the field has no meaning and is zero */
		ev_mac(x, TARGET_MAC, &p.tha);
	ev_ip(x, TARGET_IP, &p.tpa);
	/* RFC 5227 3: an announcement may be a request or a reply. */
	ev_bool(x, GRATUITOUS, !nobody && addr_eq(&p.spa, &p.tpa));
	ev_bool(x, PROBE, nobody && op == OP_REQUEST);
	ev_bool(x, MAC_MISMATCH, mismatch);
	ev_end(x);
	bind_sender(x, &p, mismatch);
	return true;
}

const struct dissector dissector_arp = {
	.name = "arp",
	.l4 = L4_ETHER,
	.ports = { 0x0806 },
	.max_pdu = 64,
	.fields = fields,
	.events = events,
	.probe = probe,
	.pdu = pdu,
};
