/*
 * CDP, Cisco's discovery protocol, versions 1 and 2: what a station says of itself to its neighbour. It has
 * no EtherType; the decoder hands on Cisco's own SNAP numbers as if they were. There is no public standard:
 * the types are those of wire/devices.md 9.2 and of captures (pcaps/cdp).
 */
#include "dissect.h"

enum { ANNOUNCEMENT, SHUTDOWN };
static const char *const events[] = { [ANNOUNCEMENT] = "announcement", [SHUTDOWN] = "shutdown", NULL };

enum {
	VERSION,
	TTL,
	DEVICE_ID,
	PORT_ID,
	PLATFORM,
	SOFTWARE,
	SYSTEM_NAME,
	VTP_DOMAIN,
	CAPABILITIES,
	ADDRESSES,
	NATIVE_VLAN,
	FIELDS_N
};
static const struct field fields[] = {
	[VERSION] = { "cdp.version", FACT_UINT, OPEN, false },
	[TTL] = { "cdp.ttl", FACT_UINT, OPEN, false },
	[DEVICE_ID] = { "cdp.device_id", FACT_STR, SUSPECT, false },
	[PORT_ID] = { "cdp.port_id", FACT_STR, SUSPECT, false },
	[PLATFORM] = { "cdp.platform", FACT_STR, PRODUCT, false },
	[SOFTWARE] = { "cdp.software_version", FACT_STR, SUSPECT, false },
	[SYSTEM_NAME] = { "cdp.system_name", FACT_STR, SUSPECT, false },
	[VTP_DOMAIN] = { "cdp.vtp_domain", FACT_STR, SUSPECT, false },
	[CAPABILITIES] = { "cdp.capabilities", FACT_STR, OPEN, true },
	[ADDRESSES] = { "cdp.management_ip", FACT_IP, OPEN, true },
	[NATIVE_VLAN] = { "cdp.native_vlan", FACT_UINT, OPEN, false },
	[FIELDS_N] = { 0 },
};

enum {
	TLV_DEVICE_ID = 0x01,
	TLV_ADDRESSES = 0x02,
	TLV_PORT_ID = 0x03,
	TLV_CAPABILITIES = 0x04,
	TLV_SOFTWARE = 0x05,
	TLV_PLATFORM = 0x06,
	TLV_VTP_DOMAIN = 0x09,
	TLV_NATIVE_VLAN = 0x0a,
	TLV_SYSTEM_NAME = 0x14,
	TLV_MANAGEMENT = 0x16
};
enum { PROTOCOL = 0x2000, TLV_HEAD = 4, LISTED = 8 };
/* As LLDP: below mDNS, above DHCP. */
enum { SELF_SURE = 65 };

struct station {
	uint8_t version, ttl;
	struct bytes text[FIELDS_N]; /* by field */
	uint32_t capabilities;
	struct addr address[LISTED];
	unsigned n_addresses;
	uint16_t native_vlan; /* 0: not told */
};

/* ---- TLVs -------------------------------------------------------------------------------- */

/* The length counts the four bytes before the value. */
static bool next_tlv(struct cur *c, uint16_t *type, struct bytes *value)
{
	*type = cur_be16(c);
	uint16_t length = cur_be16(c);
	if (length < TLV_HEAD)
		c->bad = true;
	*value = cur_take(c, length < TLV_HEAD ? 0 : length - (unsigned)TLV_HEAD);
	return cur_ok(c);
}

/* IPv4 by its ISO number (RFC 1700's NLPID 0xCC), IPv6 by an 802.2 SNAP header with its EtherType. */
static struct addr address_of(uint8_t kind, struct bytes protocol, struct bytes v)
{
	enum { NLPID = 1, LLC = 2, NLPID_IP = 0xcc };
	static const uint8_t snap_ipv6[] = { 0xaa, 0xaa, 0x03, 0, 0, 0, 0x86, 0xdd };
	if (kind == NLPID && protocol.n == 1 && bytes_at(protocol, 0) == NLPID_IP)
		return addr_v4(v);
	if (kind == LLC && bytes_eq(protocol, bytes_of(snap_ipv6, sizeof snap_ipv6)))
		return addr_v6(v);
	return (struct addr){ .family = 0 };
}

static void keep_address(struct station *s, const struct addr *a)
{
	if (!a->family || addr_is_unspecified(a) || s->n_addresses == LISTED)
		return;
	for (unsigned i = 0; i < s->n_addresses; i++)
		if (addr_eq(a, &s->address[i]))
			return;
	s->address[s->n_addresses++] = *a;
}

static void read_addresses(struct station *s, struct bytes v)
{
	struct cur c = cur_of(v);
	uint32_t n = cur_be32(&c);
	for (uint32_t i = 0; i < n && i < LISTED && cur_more(&c); i++) {
		uint8_t kind = cur_u8(&c);
		struct bytes protocol = cur_take(&c, cur_u8(&c));
		struct bytes value = cur_take(&c, cur_be16(&c));
		struct addr a = address_of(kind, protocol, value);
		if (cur_ok(&c))
			keep_address(s, &a);
	}
}

static void read_tlv(struct station *s, uint16_t type, struct bytes v)
{
	static const uint8_t text_of[] = { [TLV_DEVICE_ID] = DEVICE_ID,
		[TLV_PORT_ID] = PORT_ID,
		[TLV_SOFTWARE] = SOFTWARE,
		[TLV_PLATFORM] = PLATFORM,
		[TLV_VTP_DOMAIN] = VTP_DOMAIN,
		[TLV_SYSTEM_NAME] = SYSTEM_NAME };
	struct cur c = cur_of(v);
	if (type == TLV_ADDRESSES || type == TLV_MANAGEMENT)
		read_addresses(s, v);
	else if (type == TLV_CAPABILITIES)
		s->capabilities = cur_be32(&c);
	else if (type == TLV_NATIVE_VLAN)
		s->native_vlan = cur_be16(&c);
	else if (type < sizeof text_of && text_of[type] && s->text[text_of[type]].n == 0)
		s->text[text_of[type]] = bytes_trim(v);
}

/* Every station sends its id; zeros behind the last TLV are the frame's padding. */
static bool read_all(struct cur *c, struct station *s, bool cut)
{
	uint16_t type;
	struct bytes v;
	s->version = cur_u8(c);
	s->ttl = cur_u8(c);
	cur_skip(c, 2); /* checksum */
	if (!cur_ok(c) || s->version == 0 || s->version > 2)
		return false;
	while (cur_left(c) >= TLV_HEAD) {
		struct cur next = *c;
		if (cur_be32(&next) == 0)
			break;
		if (!next_tlv(c, &type, &v))
			return cut && s->text[DEVICE_ID].n;
		read_tlv(s, type, v);
	}
	return s->text[DEVICE_ID].n > 0;
}

/* ---- what it says ------------------------------------------------------------------------ */

static const char *const capability_names[] = { "router", "transparent_bridge", "source_route_bridge",
	"switch", "host", "igmp", "repeater", "telephone", "remotely_managed", "camera", "two_port_relay" };
enum { CAPABILITIES_N = sizeof capability_names / sizeof *capability_names };

static void emit(struct dx *x, const struct station *s)
{
	ev_begin(x, s->ttl ? ANNOUNCEMENT : SHUTDOWN);
	ev_uint(x, VERSION, s->version);
	ev_uint(x, TTL, s->ttl);
	for (unsigned i = 0; i < FIELDS_N; i++)
		ev_str(x, i, s->text[i]);
	for (unsigned i = 0; i < CAPABILITIES_N; i++)
		if (s->capabilities >> i & 1)
			ev_text(x, CAPABILITIES, capability_names[i]);
	for (unsigned i = 0; i < s->n_addresses; i++)
		ev_ip(x, ADDRESSES, &s->address[i]);
	if (s->native_vlan)
		ev_uint(x, NATIVE_VLAN, s->native_vlan);
	ev_end(x);
}

/* "S1.example", "core1(FOX1234ABCD)" with a serial number: the host is the first word. */
static struct bytes host_of(struct bytes id)
{
	struct addr a;
	id = bytes_first(id, bytes_chr(id, 0, '('));
	bool is_domain = bytes_chr(id, 0, ' ') == id.n && !addr_parse(id, &a);
	return is_domain ? bytes_first(id, bytes_chr(id, 0, '.')) : id;
}

/* Hypervisors and Linux hosts speak it too, and say so: only "cisco WS-C3560" names maker and model. */
static void observe_platform(struct dx *x, struct bytes platform)
{
	static const char maker[] = "cisco ";
	if (!bytes_startsi(platform, maker))
		return;
	ob_text(x, ATTR_MANUFACTURER, "Cisco", SELF_SURE);
	ob_str(x, ATTR_MODEL, bytes_from(platform, sizeof maker - 1), SELF_SURE);
}

/* The version in a description, or a program's name and version in one word: SCCP42.9-4-2SR3. */
static struct bytes software_of(struct bytes said)
{
	struct bytes version = text_version(said);
	bool has_digit = false;
	for (size_t i = 0; i < said.n; i++)
		has_digit |= ascii_digit(bytes_at(said, i));
	if (version.n == 0 && has_digit && bytes_chr(said, 0, ' ') == said.n)
		return said;
	return version;
}

/* All of it is said of the sender: the address may be another card's. */
static void observe(struct dx *x, const struct station *s)
{
	ob_begin_card(x, s->n_addresses ? &s->address[0] : NULL, NULL);
	ob_str(x, ATTR_HOST_NAME, host_of(s->text[SYSTEM_NAME].n ? s->text[SYSTEM_NAME] : s->text[DEVICE_ID]),
		SELF_SURE);
	ob_str(x, ATTR_DISCOVERY_DESCRIPTION, s->text[SOFTWARE], SELF_SURE);
	ob_str(x, ATTR_DISCOVERY_DESCRIPTION, s->text[PLATFORM], SELF_SURE);
	for (unsigned i = 0; i < CAPABILITIES_N; i++)
		if (s->capabilities >> i & 1)
			ob_text(x, ATTR_DISCOVERY_CAPABILITY, capability_names[i], SELF_SURE);
	ob_str(x, ATTR_SOFTWARE, software_of(s->text[SOFTWARE]), SELF_SURE);
	observe_platform(x, s->text[PLATFORM]);
	ob_end(x);
	for (unsigned i = 1; i < s->n_addresses; i++) {
		ob_begin_card(x, &s->address[i], NULL);
		ob_end(x);
	}
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	struct station s = { 0 };
	if (!read_all(&c, &s, x->cut))
		return false;
	emit(x, &s);
	if (s.ttl)
		observe(x, &s);
	return true;
}

static enum probe_result probe(struct bytes first, enum dir dir)
{
	(void)dir;
	struct cur c = cur_of(first);
	uint8_t version = cur_u8(&c);
	cur_skip(&c, 3);
	uint16_t type = cur_be16(&c), length = cur_be16(&c);
	bool is_tlv = cur_ok(&c) && type < 0x40 && length >= TLV_HEAD;
	return is_tlv && (version == 1 || version == 2) ? PROBE_YES : PROBE_NO;
}

const struct dissector dissector_cdp = {
	.name = "cdp",
	.l4 = L4_ETHER,
	.ports = { PROTOCOL },
	.max_pdu = 1536,
	.fields = fields,
	.events = events,
	.probe = probe,
	.pdu = pdu,
};
