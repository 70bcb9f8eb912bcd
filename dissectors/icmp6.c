/*
 * ICMPv6 neighbour discovery (RFC 4861): who has which IPv6 address, and who routes. Category "icmp" of the
 * taxonomy. Other ICMPv6 types are passed over.
 */
#include "dissect.h"

#include <stdio.h>

enum { ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT, NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT, REDIRECT };
static const char *const events[] = {
	[ROUTER_SOLICITATION] = "icmp.router_solicitation",
	[ROUTER_ADVERTISEMENT] = "icmp.router_advertisement",
	[NEIGHBOR_SOLICITATION] = "icmp.neighbor_solicitation",
	[NEIGHBOR_ADVERTISEMENT] = "icmp.neighbor_advertisement",
	[REDIRECT] = "icmp.redirect",
	NULL,
};

enum { TYPE, TARGET, MAC, DESTINATION, DUPLICATE_CHECK, ROUTER, LIFETIME, PREFIXES, MAC_MISMATCH };
static const struct field fields[] = {
	[TYPE] = { "icmp.type", FACT_UINT, OPEN, false },
	[TARGET] = { "icmp.target_ip", FACT_IP, OPEN, false },
	[MAC] = { "icmp.link_address", FACT_MAC, OPEN, false },
	[DESTINATION] = { "icmp.redirect_ip", FACT_IP, OPEN, false },
	[DUPLICATE_CHECK] = { "icmp.duplicate_check", FACT_BOOL, OPEN, false },
	[ROUTER] = { "icmp.router", FACT_BOOL, OPEN, false },
	[LIFETIME] = { "icmp.router_lifetime", FACT_UINT, OPEN, false },
	[PREFIXES] = { "icmp.prefixes", FACT_STR, OPEN, true },
	[MAC_MISMATCH] = { "icmp.mac_mismatch", FACT_BOOL, OPEN, false },
	{ 0 },
};

enum { FIRST_ND_TYPE = 133, LAST_ND_TYPE = 137 };
enum { OPT_SOURCE_LINK = 1, OPT_TARGET_LINK = 2, OPT_PREFIX = 3, MAX_OPTIONS = 64 };
enum { FLAG_ROUTER = 0x80 };

struct message {
	unsigned event;
	struct addr target, redirected; /* family 0: none */
	uint8_t flags;
	uint16_t lifetime;
	struct bytes options;
	struct mac source_link, target_link; /* zero: not said */
};

static enum probe_result probe(struct bytes first, enum dir dir)
{
	(void)dir;
	return first.n ? PROBE_YES : PROBE_MORE; /* every ICMPv6 conversation is ours */
}

/* RFC 4861 4.1 to 4.5: what stands before the options. */
static void read_fixed(struct cur *c, struct message *m)
{
	switch (m->event) {
	case ROUTER_SOLICITATION:
		cur_skip(c, 4);
		break;
	case ROUTER_ADVERTISEMENT:
		cur_skip(c, 2);
		m->lifetime = cur_be16(c);
		cur_skip(c, 8);
		break;
	case NEIGHBOR_SOLICITATION:
		cur_skip(c, 4);
		m->target = addr_v6(cur_take(c, 16));
		break;
	case NEIGHBOR_ADVERTISEMENT:
		m->flags = cur_u8(c);
		cur_skip(c, 3);
		m->target = addr_v6(cur_take(c, 16));
		break;
	case REDIRECT:
		cur_skip(c, 4);
		m->target = addr_v6(cur_take(c, 16));
		m->redirected = addr_v6(cur_take(c, 16));
		break;
	}
	m->options = cur_peek(c);
}

/* The next option; false at the end or when it is damaged (c is then bad). */
static bool next_option(struct cur *c, uint8_t *type, struct cur *value)
{
	if (!cur_more(c))
		return false;
	*type = cur_u8(c);
	uint8_t eights = cur_u8(c);
	if (eights == 0) { /* 4.6: nodes MUST silently discard a packet with an option of length zero */
		c->bad = true;
		return false;
	}
	*value = cur_sub(c, eights * 8u - 2u);
	return cur_ok(c);
}

static bool read_options(struct message *m)
{
	struct cur c = cur_of(m->options), value;
	uint8_t type;
	for (unsigned i = 0; i < MAX_OPTIONS && next_option(&c, &type, &value); i++) {
		if ((type != OPT_SOURCE_LINK && type != OPT_TARGET_LINK) || cur_left(&value) != 6)
			continue; /* RFC 2464 6: on Ethernet six bytes */
		struct mac *link = type == OPT_SOURCE_LINK ? &m->source_link : &m->target_link;
		for (unsigned k = 0; k < 6; k++)
			link->b[k] = cur_u8(&value);
	}
	return cur_ok(&c);
}

/* 4.6.2: "fd20:30::/64" for each. */
static void emit_prefixes(struct dx *x, const struct message *m)
{
	struct cur c = cur_of(m->options), value;
	uint8_t type;
	for (unsigned i = 0; i < MAX_OPTIONS && next_option(&c, &type, &value); i++) {
		if (type != OPT_PREFIX)
			continue;
		uint8_t bits = cur_u8(&value);
		cur_skip(&value, 13);
		struct addr prefix = addr_v6(cur_take(&value, 16));
		char text[ADDR_TEXT], out[ADDR_TEXT + 5];
		if (!cur_ok(&value) || bits > 128)
			continue;
		snprintf(out, sizeof out, "%s/%u", addr_text(&prefix, text), bits);
		ev_text(x, PREFIXES, out);
	}
}

static void bind_address(struct dx *x, const struct addr *ip, const struct mac *mac, bool router)
{
	bool has_mac = !mac_is_zero(mac) && !mac_is_group(mac);
	if (!addr_is_host(ip) || (!has_mac && !router))
		return;
	ob_begin_address(x, ip, has_mac ? mac : NULL);
	if (router)
		ob_text(x, ATTR_ROUTER, "true", 80);
	ob_end(x);
}

/* What the sender says of itself. From :: (duplicate address detection, RFC 4862 5.4.2) it claims nothing;
 * of a link address that is not the frame's (a proxy, or a forger) nothing is believed. */
static void observe(struct dx *x, const struct message *m, const struct addr *sender, bool mismatch)
{
	static const struct mac no_mac;
	if (m->event == NEIGHBOR_ADVERTISEMENT)
		bind_address(x, &m->target, mismatch ? &no_mac : &m->target_link,
			!mismatch && (m->flags & FLAG_ROUTER));
	else if (m->event != REDIRECT) /* 6.2: only routers advertise */
		bind_address(
			x, sender, mismatch ? &no_mac : &m->source_link, m->event == ROUTER_ADVERTISEMENT);
}

static void emit(
	struct dx *x, const struct message *m, uint8_t type, const struct addr *sender, bool mismatch)
{
	const struct mac *link = m->event == NEIGHBOR_ADVERTISEMENT || m->event == REDIRECT ? &m->target_link
											    : &m->source_link;
	ev_begin(x, m->event);
	ev_uint(x, TYPE, type);
	if (m->target.family)
		ev_ip(x, TARGET, &m->target);
	if (m->redirected.family)
		ev_ip(x, DESTINATION, &m->redirected);
	if (!mac_is_zero(link))
		ev_mac(x, MAC, link);
	if (m->event == NEIGHBOR_SOLICITATION)
		ev_bool(x, DUPLICATE_CHECK, addr_is_unspecified(sender));
	if (m->event == NEIGHBOR_ADVERTISEMENT)
		ev_bool(x, ROUTER, (m->flags & FLAG_ROUTER) != 0);
	if (m->event == ROUTER_ADVERTISEMENT) {
		ev_uint(x, LIFETIME, m->lifetime);
		emit_prefixes(x, m);
	}
	if (!mac_is_zero(link) && m->event != REDIRECT)
		ev_bool(x, MAC_MISMATCH, mismatch);
	ev_end(x);
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	uint8_t type = cur_u8(&c), code = cur_u8(&c);
	if (!cur_ok(&c))
		return false;
	if (type < FIRST_ND_TYPE || type > LAST_ND_TYPE)
		return true;
	cur_skip(&c, 2);
	struct message m = { .event = type - (unsigned)FIRST_ND_TYPE };
	read_fixed(&c, &m);
	/* 6.1.1, 6.1.2, 7.1.1, 7.1.2, 8.1: the code is 0, a target is no multicast address. */
	if (!cur_ok(&c) || code != 0 || !(read_options(&m) || x->cut))
		return false;
	if (m.target.family && (addr_is_multicast(&m.target) || addr_is_unspecified(&m.target)))
		return false;

	bool from_client = x->dir == DIR_CLIENT;
	const struct addr *sender = from_client ? &x->conv->src : &x->conv->dst;
	const struct mac *source = from_client ? &x->conv->smac : &x->conv->dmac;
	const struct mac *link = m.event == NEIGHBOR_ADVERTISEMENT ? &m.target_link : &m.source_link;
	bool mismatch = !mac_is_zero(source) && !mac_is_zero(link) && !mac_eq(source, link);
	emit(x, &m, type, sender, mismatch);
	observe(x, &m, sender, mismatch);
	return true;
}

const struct dissector dissector_icmp6 = {
	.name = "icmp6",
	.l4 = L4_ICMP6,
	.max_pdu = 2048,
	.fields = fields,
	.events = events,
	.probe = probe,
	.pdu = pdu,
};
