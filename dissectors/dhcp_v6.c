/*
 * DHCP for IPv6 (RFC 8415): what a client says of itself, which addresses it gets, and who gives them. Events
 * and fields are of the category "dhcp", as in dhcp.c; network.type tells the two apart.
 */
#include "dhcp.h"

enum {
	EV_SOLICIT,
	EV_ADVERTISE,
	EV_REQUEST,
	EV_CONFIRM,
	EV_RENEW,
	EV_REBIND,
	EV_REPLY,
	EV_RELEASE,
	EV_DECLINE,
	EV_RECONFIGURE,
	EV_INFORMATION_REQUEST,
	EV_OTHER
};
static const char *const events[] = {
	[EV_SOLICIT] = "dhcp.solicit",
	[EV_ADVERTISE] = "dhcp.advertise",
	[EV_REQUEST] = "dhcp.request",
	[EV_CONFIRM] = "dhcp.confirm",
	[EV_RENEW] = "dhcp.renew",
	[EV_REBIND] = "dhcp.rebind",
	[EV_REPLY] = "dhcp.reply",
	[EV_RELEASE] = "dhcp.release",
	[EV_DECLINE] = "dhcp.decline",
	[EV_RECONFIGURE] = "dhcp.reconfigure",
	[EV_INFORMATION_REQUEST] = "dhcp.information_request",
	[EV_OTHER] = "dhcp.other", /* lease queries (RFC 5007) and what came after */
	NULL,
};

enum {
	MESSAGE_TYPE,
	FQDN,
	VENDOR_CLASS,
	USER_CLASS,
	PARAM_LIST,
	CLIENT_MAC,
	CLIENT_ID,
	REQUESTED_IP,
	ASSIGNED_IP,
	LEASE_TIME,
	RELAY,
	CIRCUIT_ID,
	REMOTE_ID
};
static const struct field fields[] = {
	[MESSAGE_TYPE] = { "dhcp.message_type", FACT_STR, OPEN, false },
	[FQDN] = { "dhcp.fqdn", FACT_STR, SUSPECT, false },
	[VENDOR_CLASS] = { "dhcp.vendor_class", FACT_STR, SUSPECT, false },
	[USER_CLASS] = { "dhcp.user_class", FACT_STR, SUSPECT, true },
	[PARAM_LIST] = { "dhcp.param_list", FACT_STR, OPEN, false },
	[CLIENT_MAC] = { "dhcp.client_mac", FACT_MAC, OPEN, false },
	[CLIENT_ID] = { "dhcp.client_id", FACT_BYTES, SUSPECT, false },
	[REQUESTED_IP] = { "dhcp.requested_ip", FACT_IP, OPEN, false },
	[ASSIGNED_IP] = { "dhcp.assigned_ip", FACT_IP, OPEN, true },
	[LEASE_TIME] = { "dhcp.lease_time", FACT_UINT, OPEN, false },
	[RELAY] = { "dhcp.relay", FACT_IP, OPEN, false },
	[CIRCUIT_ID] = { "dhcp.circuit_id", FACT_BYTES, SUSPECT, false },
	[REMOTE_ID] = { "dhcp.remote_id", FACT_BYTES, SUSPECT, false },
	{ 0 },
};

enum { CLIENT_PORT = 546, SERVER_PORT = 547 };
enum { SERVER_OR_RELAY_SURE = 60 };

enum {
	OPT_CLIENT_ID = 1,
	OPT_SERVER_ID = 2,
	OPT_IA_NA = 3,
	OPT_IA_TA = 4,
	OPT_IA_ADDRESS = 5,
	OPT_PARAM_LIST = 6,
	OPT_RELAY_MESSAGE = 9,
	OPT_USER_CLASS = 15,
	OPT_VENDOR_CLASS = 16,
	OPT_INTERFACE_ID = 18,
	OPT_REMOTE_ID = 37,
	OPT_FQDN = 39,
	OPT_LINK_ADDRESS = 79
};
enum { MSG_FIRST = 1, MSG_RELAY_FORWARD = 12, MSG_RELAY_REPLY = 13, MSG_LAST = 36 };
enum { RELAY_DEPTH = 8 }; /* RFC 8415 7.6 HOP_COUNT_LIMIT */
enum { DUID_LLT = 1, DUID_EN, DUID_LL, DUID_UUID };
enum { MAX_ADDRESSES = 8 };

struct message {
	unsigned event;
	bool relayed;
	struct addr relay, peer; /* of the relay next to the client */
	struct bytes client_id, interface_id, remote_id, user_class, param_list, fqdn;
	struct bytes vendor_class; /* the first */
	struct mac link;           /* RFC 6939: said by the relay that saw the client's frame */
	struct addr address[MAX_ADDRESSES];
	uint32_t lifetime;
	unsigned n_addresses;
	bool damaged;
};

/* RFC 8415 7.3: the events stand in the order of the codes 1 to 11. */
static unsigned event_of(uint8_t type)
{
	return type >= 1 && type <= 11 ? (unsigned)type - 1 : (unsigned)EV_OTHER;
}

/* 21.4, 21.5: an address counts with a valid lifetime; zero takes it away. */
static void read_ia(struct message *m, struct cur c, size_t fixed)
{
	cur_skip(&c, fixed);
	for (unsigned i = 0; i < MAX_OPTIONS && cur_more(&c); i++) {
		uint16_t code = cur_be16(&c);
		struct cur v = cur_sub(&c, cur_be16(&c));
		if (code != OPT_IA_ADDRESS)
			continue;
		struct addr a = addr_v6(cur_take(&v, 16));
		cur_skip(&v, 4);
		uint32_t valid = cur_be32(&v);
		if (!cur_ok(&v))
			m->damaged = true;
		else if (valid && m->n_addresses < MAX_ADDRESSES) {
			m->address[m->n_addresses++] = a;
			m->lifetime = valid;
		}
	}
	m->damaged |= !cur_ok(&c);
}

static void read_option(struct message *m, uint16_t code, struct cur v)
{
	switch (code) {
	case OPT_CLIENT_ID:
		m->client_id = cur_rest(&v);
		break;
	case OPT_IA_NA: /* IAID, T1, T2 */
		read_ia(m, v, 12);
		break;
	case OPT_IA_TA: /* IAID */
		read_ia(m, v, 4);
		break;
	case OPT_PARAM_LIST:
		m->param_list = cur_rest(&v);
		break;
	case OPT_USER_CLASS:
		m->user_class = cur_rest(&v);
		break;
	case OPT_VENDOR_CLASS: /* 21.16: the enterprise number, then each with its length */
		cur_skip(&v, 4);
		m->vendor_class = cur_take(&v, cur_be16(&v));
		break;
	case OPT_FQDN: /* RFC 4704 4: flags, the name in wire form */
		cur_skip(&v, 1);
		m->fqdn = cur_rest(&v);
		break;
	case OPT_INTERFACE_ID:
		m->interface_id = cur_rest(&v);
		break;
	case OPT_REMOTE_ID: /* RFC 4649 3: enterprise number first */
		cur_skip(&v, 4);
		m->remote_id = cur_rest(&v);
		break;
	case OPT_LINK_ADDRESS: /* RFC 6939 4: hardware type 1 */
		if (cur_left(&v) == 8 && cur_be16(&v) == 1)
			m->link = dhcp_mac(&v);
		break;
	}
}

/* The options of one message; of a relay's, `inner` is what it carries. */
static bool read_options(struct message *m, struct cur *c, struct bytes *inner)
{
	for (unsigned i = 0; i < MAX_OPTIONS && cur_more(c); i++) {
		uint16_t code = cur_be16(c);
		struct bytes v = cur_take(c, cur_be16(c));
		if (!cur_ok(c))
			return false;
		if (code == OPT_RELAY_MESSAGE)
			*inner = v;
		else
			read_option(m, code, cur_of(v));
	}
	return cur_ok(c) && !m->damaged;
}

/* The client's message, taken out of the relays' around it. */
static bool read_message(struct bytes in, struct message *m)
{
	for (unsigned depth = 0; depth <= RELAY_DEPTH; depth++) {
		struct cur c = cur_of(in);
		uint8_t type = cur_u8(&c);
		struct bytes inner = { 0 };
		if (type < MSG_FIRST || type > MSG_LAST)
			return false;
		if (type != MSG_RELAY_FORWARD && type != MSG_RELAY_REPLY) {
			cur_skip(&c, 3); /* transaction id */
			m->event = event_of(type);
			return cur_ok(&c) && read_options(m, &c, &inner);
		}
		m->relayed = true;
		cur_skip(&c, 1);
		m->relay = addr_v6(cur_take(&c, 16));
		m->peer = addr_v6(cur_take(&c, 16));
		if (!cur_ok(&c) || !read_options(m, &c, &inner))
			return false;
		in = inner;
	}
	return false;
}

/* RFC 8415 11 has a DUID opaque, and the interface whose address stands in it may be another one: so a link
 * address in it is shown, but no device is bound to it. */
static struct mac duid_mac(struct bytes duid)
{
	struct cur c = cur_of(duid);
	uint16_t type = cur_be16(&c), hardware = cur_be16(&c);
	if (type == DUID_LLT)
		cur_skip(&c, 4);
	if ((type != DUID_LLT && type != DUID_LL) || hardware != 1 || cur_left(&c) != 6)
		return (struct mac){ 0 };
	return dhcp_mac(&c);
}

static void emit(struct dx *x, const struct message *m, struct dhcp_client *k)
{
	struct mac mac = mac_is_zero(&m->link) ? duid_mac(m->client_id) : m->link;
	ev_begin(x, m->event);
	ev_text(x, MESSAGE_TYPE, events[m->event] + sizeof "dhcp." - 1);
	ev_str(x, FQDN, k->fqdn);
	ev_str(x, VENDOR_CLASS, k->vendor_class);
	ev_str(x, PARAM_LIST, k->param_list);
	k->user_class = dhcp_user_classes(x, USER_CLASS, m->user_class, true); /* RFC 8415 21.15 */
	if (!mac_is_zero(&mac))
		ev_mac(x, CLIENT_MAC, &mac);
	if (m->client_id.n)
		ev_bytes(x, CLIENT_ID, m->client_id);
	bool given = m->event == EV_ADVERTISE || m->event == EV_REPLY;
	for (unsigned i = 0; i < m->n_addresses && given; i++)
		ev_ip(x, ASSIGNED_IP, &m->address[i]);
	if (m->n_addresses && !given)
		ev_ip(x, REQUESTED_IP, &m->address[0]);
	if (m->n_addresses && given)
		ev_uint(x, LEASE_TIME, m->lifetime);
	if (m->relayed && !addr_is_unspecified(&m->relay))
		ev_ip(x, RELAY, &m->relay);
	if (m->interface_id.n)
		ev_bytes(x, CIRCUIT_ID, m->interface_id);
	if (m->remote_id.n)
		ev_bytes(x, REMOTE_ID, m->remote_id);
	ev_end(x);
}

static void observe(struct dx *x, const struct message *m, const struct dhcp_client *k)
{
	bool from_server = m->event == EV_ADVERTISE || m->event == EV_REPLY;
	if (!from_server && m->event != EV_RECONFIGURE && m->event != EV_OTHER) {
		if (!m->relayed)
			ob_begin(x, OB_SENDER);
		else if (addr_is_host(&m->peer))
			ob_begin_address(x, &m->peer, dhcp_mac_is_host(&m->link) ? &m->link : NULL);
		else
			return;
		dhcp_observe_client(x, k);
		ob_end(x);
	}
	/* On the client's own link the answer's frame goes to the client: its address and the lease belong
	 * together (RFC 8415 18.3.10: unicast to the client's link-local address). */
	const struct mac *to = x->dir == DIR_CLIENT ? &x->conv->dmac : &x->conv->smac;
	if (m->event == EV_REPLY && !m->relayed && dhcp_port_to(x) == CLIENT_PORT && dhcp_mac_is_host(to))
		for (unsigned i = 0; i < m->n_addresses; i++) {
			ob_begin_address(x, &m->address[i], to);
			ob_end(x);
		}
	/* To a relay a server answers wrapped; on the client's link it could be a relay that hands on. */
	if (from_server) {
		ob_begin(x, OB_SENDER);
		ob_text(x, ATTR_ROLE, "dhcp_server", m->relayed ? SERVER_SURE : SERVER_OR_RELAY_SURE);
		ob_end(x);
	}
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct message m = { 0 };
	struct dhcp_name name;
	char numbers[LIST_BYTES];
	if (!read_message(in, &m))
		return false;
	struct dhcp_client k = {
		.fqdn = dhcp_wire_name(m.fqdn, &name),
		.vendor_class = bytes_trim(m.vendor_class),
		.param_list = dhcp_number_list(m.param_list, true, numbers),
	};
	emit(x, &m, &k);
	observe(x, &m, &k);
	return true;
}

/* A known type, then options, the first a DUID of a known kind; or a relay's message with its addresses. */
static enum probe_result probe(struct bytes first, enum dir dir)
{
	(void)dir;
	struct cur c = cur_of(first);
	uint8_t type = cur_u8(&c);
	if (type == MSG_RELAY_FORWARD || type == MSG_RELAY_REPLY) {
		uint8_t hops = cur_u8(&c);
		cur_skip(&c, 16);
		struct addr peer = addr_v6(cur_take(&c, 16));
		uint16_t code = cur_be16(&c);
		bool ok = cur_ok(&c) && hops <= 32 && addr_is_host(&peer) && code > 0 && code < 200;
		return ok ? PROBE_YES : PROBE_NO;
	}
	cur_skip(&c, 3);
	for (unsigned i = 0; i < 8 && type >= MSG_FIRST && type <= MSG_LAST && cur_more(&c); i++) {
		uint16_t code = cur_be16(&c);
		struct cur v = cur_sub(&c, cur_be16(&c));
		uint16_t duid = cur_be16(&v);
		if (code == 0 || code > 200)
			return PROBE_NO;
		if (code == OPT_CLIENT_ID || code == OPT_SERVER_ID)
			return cur_ok(&v) && duid >= DUID_LLT && duid <= DUID_UUID ? PROBE_YES : PROBE_NO;
	}
	return PROBE_NO;
}

const struct dissector dissector_dhcp6 = {
	.name = "dhcp6",
	.l4 = L4_UDP,
	.ports = { CLIENT_PORT, SERVER_PORT },
	.max_pdu = 4096,
	.fields = fields,
	.events = events,
	.probe = probe,
	.pdu = pdu,
};
