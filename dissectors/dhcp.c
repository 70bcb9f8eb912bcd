/*
 * DHCP for IPv4 (RFC 2131, 2132), and BOOTP where option 53 is not there (RFC 951): what a client says of
 * itself, which address it gets, and who gives it. IPv6 is dhcp_v6.c, in the same category.
 */
#include "dhcp.h"

/* dhcp.message_type says the same word. */
enum {
	EV_DISCOVER,
	EV_OFFER,
	EV_REQUEST,
	EV_DECLINE,
	EV_ACK,
	EV_NAK,
	EV_RELEASE,
	EV_INFORM,
	EV_BOOTP_REQUEST,
	EV_BOOTP_REPLY,
	EV_OTHER
};
static const char *const events[] = {
	[EV_DISCOVER] = "discover",
	[EV_OFFER] = "offer",
	[EV_REQUEST] = "request",
	[EV_DECLINE] = "decline",
	[EV_ACK] = "ack",
	[EV_NAK] = "nak",
	[EV_RELEASE] = "release",
	[EV_INFORM] = "inform",
	[EV_BOOTP_REQUEST] = "bootp_request",
	[EV_BOOTP_REPLY] = "bootp_reply",
	[EV_OTHER] = "other", /* lease queries (RFC 4388) and what came after */
	NULL,
};

enum {
	MESSAGE_TYPE,
	HOST_NAME,
	FQDN,
	VENDOR_CLASS,
	USER_CLASS,
	PARAM_LIST,
	CLIENT_MAC,
	CLIENT_ID,
	CLIENT_IP,
	REQUESTED_IP,
	ASSIGNED_IP,
	SERVER,
	LEASE_TIME,
	RELAY,
	CIRCUIT_ID,
	REMOTE_ID,
	MAC_MISMATCH
};
static const struct field fields[] = {
	[MESSAGE_TYPE] = { "dhcp.message_type", FACT_STR, OPEN, false },
	[HOST_NAME] = { "dhcp.host_name", FACT_STR, SUSPECT, false },
	[FQDN] = { "dhcp.fqdn", FACT_STR, SUSPECT, false },
	[VENDOR_CLASS] = { "dhcp.vendor_class", FACT_STR, SUSPECT, false },
	[USER_CLASS] = { "dhcp.user_class", FACT_STR, SUSPECT, true },
	[PARAM_LIST] = { "dhcp.param_list", FACT_STR, OPEN, false },
	[CLIENT_MAC] = { "dhcp.client_mac", FACT_MAC, OPEN, false },
	[CLIENT_ID] = { "dhcp.client_id", FACT_BYTES, SUSPECT, false },
	[CLIENT_IP] = { "dhcp.client_ip", FACT_IP, OPEN, false },
	[REQUESTED_IP] = { "dhcp.requested_ip", FACT_IP, OPEN, false },
	[ASSIGNED_IP] = { "dhcp.assigned_ip", FACT_IP, OPEN, false },
	[SERVER] = { "dhcp.server", FACT_IP, OPEN, false },
	[LEASE_TIME] = { "dhcp.lease_time", FACT_UINT, OPEN, false },
	[RELAY] = { "dhcp.relay", FACT_IP, OPEN, false },
	[CIRCUIT_ID] = { "dhcp.circuit_id", FACT_BYTES, SUSPECT, false },
	[REMOTE_ID] = { "dhcp.remote_id", FACT_BYTES, SUSPECT, false },
	[MAC_MISMATCH] = { "dhcp.mac_mismatch", FACT_BOOL, OPEN, false },
	{ 0 },
};

enum { SERVER_PORT = 67, CLIENT_PORT = 68 };

static void emit_client(struct dx *x, const struct dhcp_client *k)
{
	ev_str(x, HOST_NAME, k->host_name);
	ev_str(x, FQDN, k->fqdn);
	ev_str(x, VENDOR_CLASS, k->vendor_class);
	ev_str(x, PARAM_LIST, k->param_list);
}

/* Between ob_begin and ob_end. */
static void observe_client(struct dx *x, const struct dhcp_client *k)
{
	dhcp_observe_client(x, k);
	ob_str(x, ATTR_DHCP_PARAM_LIST, k->param_list, SURE);
}

static void observe_server(struct dx *x)
{
	ob_begin(x, OB_SENDER);
	ob_text(x, ATTR_ROLE, "dhcp_server", SERVER_SURE);
	ob_end(x);
}

/* User classes, each with its length before it (RFC 3004 4). Microsoft and ISC clients send plain text:
 * lengths that do not fit mean that. */
static struct bytes user_class(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	while (cur_more(&c))
		cur_skip(&c, cur_u8(&c));
	if (cur_ok(&c))
		return dhcp_user_classes(x, USER_CLASS, in, false);
	ev_str(x, USER_CLASS, in);
	return in;
}

enum {
	OPT_PAD = 0,
	OPT_HOST_NAME = 12,
	OPT_REQUESTED_IP = 50,
	OPT_LEASE_TIME = 51,
	OPT_OVERLOAD = 52,
	OPT_MESSAGE_TYPE = 53,
	OPT_SERVER_ID = 54,
	OPT_PARAM_LIST = 55,
	OPT_VENDOR_CLASS = 60,
	OPT_CLIENT_ID = 61,
	OPT_USER_CLASS = 77,
	OPT_FQDN = 81,
	OPT_RELAY_INFO = 82,
	OPT_END = 255
};
enum { BOOTP_BYTES = 236, FQDN_WIRE_FORM = 0x04, RELAY_CIRCUIT = 1, RELAY_REMOTE = 2 };
static const uint32_t magic_cookie = 0x63825363;

struct header {
	uint8_t op;
	struct addr ciaddr, yiaddr, giaddr;
	struct mac mac; /* zero: no Ethernet address */
	struct bytes sname, file;
};

/* The option area, then `file`, then `sname` when option 52 says that they hold options (RFC 2131 4.1). */
struct options {
	struct bytes area[3];
	unsigned n;
};

/* Pieces of one option put together (RFC 3396). */
struct joined {
	uint8_t b[LIST_BYTES];
	size_t n;
};

static bool next_option(struct cur *c, uint8_t *code, struct bytes *value)
{
	do
		*code = cur_u8(c);
	while (cur_more(c) && *code == OPT_PAD);
	if (*code == OPT_PAD || *code == OPT_END || !cur_ok(c))
		return false;
	*value = cur_take(c, cur_u8(c));
	return cur_ok(c);
}

/* RFC 2131 4.1: the end option is required, but clients that leave it out are served. */
static bool area_is_sound(struct bytes area)
{
	struct cur c = cur_of(area);
	uint8_t code;
	struct bytes value;
	for (unsigned i = 0; i < MAX_OPTIONS && cur_more(&c); i++)
		if (!next_option(&c, &code, &value))
			break;
	return cur_ok(&c);
}

/* The option's value, its pieces in order; empty if it is not there. */
static struct bytes option(const struct options *o, uint8_t wanted, struct joined *j)
{
	struct bytes found = { 0 }, value;
	unsigned pieces = 0;
	uint8_t code;
	j->n = 0;
	for (unsigned a = 0; a < o->n; a++) {
		struct cur c = cur_of(o->area[a]);
		for (unsigned i = 0; i < MAX_OPTIONS && cur_more(&c) && next_option(&c, &code, &value); i++) {
			if (code != wanted)
				continue;
			found = value;
			pieces++;
			for (struct cur p = cur_of(value); cur_more(&p) && j->n < sizeof j->b;)
				j->b[j->n++] = cur_u8(&p);
		}
	}
	return pieces > 1 ? bytes_of(j->b, j->n) : found;
}

static struct addr address_option(const struct options *o, uint8_t code, struct joined *j)
{
	struct bytes v = option(o, code, j);
	return addr_v4(v.n == 4 ? v : (struct bytes){ 0 });
}

static void read_header(struct cur *c, struct header *h)
{
	h->op = cur_u8(c);
	uint8_t htype = cur_u8(c), hlen = cur_u8(c);
	cur_skip(c, 9); /* hops, xid, secs, flags */
	h->ciaddr = addr_v4(cur_take(c, 4));
	h->yiaddr = addr_v4(cur_take(c, 4));
	cur_skip(c, 4);
	h->giaddr = addr_v4(cur_take(c, 4));
	struct cur chaddr = cur_sub(c, 16);
	if (hlen == 6 && (htype == 1 || htype == 6)) /* Ethernet, IEEE 802 */
		h->mac = dhcp_mac(&chaddr);
	h->sname = cur_take(c, 64);
	h->file = cur_take(c, 128);
}

static bool read_options(struct dx *x, struct bytes main_area, const struct header *h, struct options *o)
{
	struct joined j;
	*o = (struct options){ .area = { main_area }, .n = 1 };
	if (!area_is_sound(main_area) && !x->cut)
		return false;
	int overload = bytes_at(option(o, OPT_OVERLOAD, &j), 0);
	if (overload == 1 || overload == 3)
		o->area[o->n++] = h->file;
	if (overload == 2 || overload == 3)
		o->area[o->n++] = h->sname;
	for (unsigned i = 1; i < o->n; i++)
		if (!area_is_sound(o->area[i]))
			return false;
	return true;
}

/* RFC 2132 9.6. */
static unsigned event_of(int message_type)
{
	static const uint8_t of[] = {
		[1] = EV_DISCOVER, EV_OFFER, EV_REQUEST, EV_DECLINE, EV_ACK, EV_NAK, EV_RELEASE, EV_INFORM
	};
	return message_type >= 1 && message_type <= 8 ? of[message_type] : (unsigned)EV_OTHER;
}

static void emit_relay_info(struct dx *x, struct bytes info)
{
	struct cur c = cur_of(info);
	for (unsigned i = 0; i < 32 && cur_more(&c); i++) { /* RFC 3046 2.0 */
		uint8_t code = cur_u8(&c);
		struct bytes v = cur_take(&c, cur_u8(&c));
		if (code == RELAY_CIRCUIT)
			ev_bytes(x, CIRCUIT_ID, v);
		else if (code == RELAY_REMOTE)
			ev_bytes(x, REMOTE_ID, v);
	}
}

/* A client without an address speaks on its own link: then the frame's source is its own, or the client is
 * made up (address starvation). Behind a relay or a router the frame says nothing. */
static bool is_foreign_mac(const struct dx *x, const struct header *h)
{
	bool from_server = x->dir == DIR_SERVER;
	const struct addr *ip = from_server ? &x->conv->dst : &x->conv->src;
	const struct mac *source = from_server ? &x->conv->dmac : &x->conv->smac;
	return h->op == 1 && addr_is_unspecified(ip) && addr_is_unspecified(&h->giaddr) &&
	       dhcp_mac_is_host(source) && dhcp_mac_is_host(&h->mac) && !mac_eq(source, &h->mac);
}

static void emit_address(struct dx *x, unsigned field, const struct addr *a)
{
	if (a->family && !addr_is_unspecified(a))
		ev_ip(x, field, a);
}

static void emit(struct dx *x, unsigned event, const struct header *h, const struct options *o,
	struct dhcp_client *k, struct bytes classes)
{
	struct joined j;
	struct addr requested = address_option(o, OPT_REQUESTED_IP, &j);
	struct addr server = address_option(o, OPT_SERVER_ID, &j);

	ev_begin(x, event);
	ev_text(x, MESSAGE_TYPE, events[event]);
	emit_client(x, k);
	k->user_class = user_class(x, classes);
	if (!mac_is_zero(&h->mac))
		ev_mac(x, CLIENT_MAC, &h->mac);
	struct bytes id = option(o, OPT_CLIENT_ID, &j);
	if (id.n)
		ev_bytes(x, CLIENT_ID, id);
	emit_address(x, CLIENT_IP, &h->ciaddr);
	emit_address(x, REQUESTED_IP, &requested);
	emit_address(x, ASSIGNED_IP, &h->yiaddr);
	emit_address(x, SERVER, &server);
	struct cur lease = cur_of(option(o, OPT_LEASE_TIME, &j));
	if (cur_left(&lease) == 4)
		ev_uint(x, LEASE_TIME, cur_be32(&lease));
	emit_address(x, RELAY, &h->giaddr);
	emit_relay_info(x, option(o, OPT_RELAY_INFO, &j));
	if (is_foreign_mac(x, h))
		ev_bool(x, MAC_MISMATCH, true);
	ev_end(x);
}

/* RFC 4702 2: flags, two result codes, the name in wire form or (deprecated) ASCII. */
static struct bytes fqdn_option(struct bytes in, struct dhcp_name *t)
{
	int flags = bytes_at(in, 0);
	struct bytes name = bytes_from(in, 3);
	return flags >= 0 && (flags & FQDN_WIRE_FORM) ? dhcp_wire_name(name, t) : name;
}

static void observe(struct dx *x, unsigned event, const struct header *h, const struct dhcp_client *k)
{
	bool from_client = h->op == 1;
	const struct addr *ip = NULL;
	/* RFC 2131 4.3.6: ciaddr is an address the client holds; yiaddr is given with the ACK only (an OFFER
	 * may come to nothing, an INFORM's ACK has none). */
	if (from_client && (event == EV_REQUEST || event == EV_INFORM) && addr_is_host(&h->ciaddr))
		ip = &h->ciaddr;
	if (!from_client && event == EV_ACK && addr_is_host(&h->yiaddr))
		ip = &h->yiaddr;
	if (dhcp_mac_is_host(&h->mac) && (from_client || ip) && !is_foreign_mac(x, h)) {
		ob_begin_address(x, ip, &h->mac);
		if (from_client)
			observe_client(x, k);
		ob_end(x);
	}
	/* The answer that a relay hands on (to the client's port) comes from the relay's address. */
	bool handed_on = !addr_is_unspecified(&h->giaddr) && dhcp_port_to(x) == CLIENT_PORT;
	if (!from_client && (event == EV_OFFER || event == EV_ACK) && !handed_on)
		observe_server(x);
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	struct header h = { 0 };
	read_header(&c, &h);
	if (!cur_ok(&c) || (h.op != 1 && h.op != 2))
		return false;
	struct options o = { 0 };
	struct joined j, host, vendor, user, list;
	if (cur_left(&c) >= 4 && cur_be32(&c) == magic_cookie && !read_options(x, cur_rest(&c), &h, &o))
		return false;

	int type = bytes_at(option(&o, OPT_MESSAGE_TYPE, &j), 0);
	unsigned event = h.op == 1 ? EV_BOOTP_REQUEST : EV_BOOTP_REPLY;
	if (type >= 0)
		event = event_of(type);

	struct dhcp_name name;
	char numbers[LIST_BYTES];
	struct dhcp_client k = { 0 };
	struct bytes classes = option(&o, OPT_USER_CLASS, &user);
	k.host_name = bytes_trim(option(&o, OPT_HOST_NAME, &host));
	k.fqdn = bytes_trim(fqdn_option(option(&o, OPT_FQDN, &j), &name));
	k.vendor_class = bytes_trim(option(&o, OPT_VENDOR_CLASS, &vendor));
	k.param_list = dhcp_number_list(option(&o, OPT_PARAM_LIST, &list), false, numbers);
	emit(x, event, &h, &o, &k, classes);
	observe(x, event, &h, &k);
	return true;
}

/* The first 64 bytes: BOOTP's fixed part up to the server name. Few formats have a small hop count, a zeroed
 * flag word and ten zero bytes behind a six-byte address. */
static enum probe_result probe(struct bytes first, enum dir dir)
{
	(void)dir;
	struct cur c = cur_of(first);
	uint8_t op = cur_u8(&c), htype = cur_u8(&c), hlen = cur_u8(&c), hops = cur_u8(&c);
	cur_skip(&c, 6);
	uint16_t flags = cur_be16(&c);
	cur_skip(&c, 16u + hlen);
	if ((op != 1 && op != 2) || htype > 37 || hlen > 16 || hops > 16 || (flags & 0x7fff))
		return PROBE_NO;
	for (unsigned i = hlen; i < 16; i++)
		if (cur_u8(&c) != 0 && hlen != 0)
			return PROBE_NO;
	return cur_ok(&c) && (htype == 1) == (hlen == 6) ? PROBE_YES : PROBE_NO;
}

const struct dissector dissector_dhcp = {
	.name = "dhcp",
	.l4 = L4_UDP,
	.ports = { SERVER_PORT, CLIENT_PORT },
	.max_pdu = 4096,
	.fields = fields,
	.events = events,
	.probe = probe,
	.pdu = pdu,
};
