/*
 * LLDP (IEEE Std 802.1AB-2016 clauses 8 and 9), with what is useful of the IEEE 802.1 extensions (802.1Q
 * annex D) and of the inventory of LLDP-MED (ANSI/TIA-1057 10.2): what a station says of itself to its
 * neighbour. LLDP-MED's location (10.2.4) is not read: it can be a person's address.
 */
#include "dissect.h"

enum { ANNOUNCEMENT, SHUTDOWN };
static const char *const events[] = { [ANNOUNCEMENT] = "announcement", [SHUTDOWN] = "shutdown", NULL };

enum {
	CHASSIS_TYPE,
	CHASSIS_ID,
	CHASSIS_MAC,
	PORT_TYPE,
	PORT_ID,
	PORT_MAC,
	TTL,
	PORT_DESCRIPTION,
	SYSTEM_NAME,
	SYSTEM_DESCRIPTION,
	CAPABILITIES,
	ENABLED,
	MANAGEMENT_IP,
	PORT_VLAN,
	VLAN_NAMES,
	MED_CLASS,
	HARDWARE,
	FIRMWARE,
	SOFTWARE,
	SERIAL,
	MANUFACTURER,
	MODEL,
	ASSET_ID,
	FIELDS_N
};
static const struct field fields[] = {
	[CHASSIS_TYPE] = { "lldp.chassis_id_type", FACT_STR, OPEN, false },
	[CHASSIS_ID] = { "lldp.chassis_id", FACT_STR, SUSPECT, false },
	[CHASSIS_MAC] = { "lldp.chassis_mac", FACT_MAC, OPEN, false },
	[PORT_TYPE] = { "lldp.port_id_type", FACT_STR, OPEN, false },
	[PORT_ID] = { "lldp.port_id", FACT_STR, SUSPECT, false },
	[PORT_MAC] = { "lldp.port_mac", FACT_MAC, OPEN, false },
	[TTL] = { "lldp.ttl", FACT_UINT, OPEN, false },
	[PORT_DESCRIPTION] = { "lldp.port_description", FACT_STR, SUSPECT, false },
	[SYSTEM_NAME] = { "lldp.system_name", FACT_STR, SUSPECT, false },
	[SYSTEM_DESCRIPTION] = { "lldp.system_description", FACT_STR, SUSPECT, false },
	[CAPABILITIES] = { "lldp.capabilities", FACT_STR, OPEN, true },
	[ENABLED] = { "lldp.enabled_capabilities", FACT_STR, OPEN, true },
	[MANAGEMENT_IP] = { "lldp.management_ip", FACT_IP, OPEN, true },
	[PORT_VLAN] = { "lldp.port_vlan", FACT_UINT, OPEN, false },
	[VLAN_NAMES] = { "lldp.vlan_names", FACT_STR, SUSPECT, true },
	[MED_CLASS] = { "lldp.med_class", FACT_STR, OPEN, false },
	[HARDWARE] = { "lldp.hardware_version", FACT_STR, PRODUCT, false },
	[FIRMWARE] = { "lldp.firmware_version", FACT_STR, PRODUCT, false },
	[SOFTWARE] = { "lldp.software_version", FACT_STR, PRODUCT, false },
	[SERIAL] = { "lldp.serial_number", FACT_STR, PRODUCT, false },
	[MANUFACTURER] = { "lldp.manufacturer", FACT_STR, PRODUCT, false },
	[MODEL] = { "lldp.model", FACT_STR, PRODUCT, false },
	[ASSET_ID] = { "lldp.asset_id", FACT_STR, SUSPECT, false },
	[FIELDS_N] = { 0 },
};

/* Table 8-1. */
enum {
	TLV_END,
	TLV_CHASSIS,
	TLV_PORT,
	TLV_TTL,
	TLV_PORT_DESCRIPTION,
	TLV_SYSTEM_NAME,
	TLV_SYSTEM_DESCRIPTION,
	TLV_CAPABILITIES,
	TLV_MANAGEMENT,
	TLV_ORGANIZATION = 127
};
enum { OUI_8021 = 0x0080c2, OUI_MED = 0x0012bb };
enum { ID_LEAST = 2, ID_MOST = 256, TTL_LEAST = 2, LISTED = 8, MED_FIRST_TEXT = 5, MED_LAST_TEXT = 11 };
enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2 }; /* IANA address family numbers */
/* Below mDNS, above DHCP. */
enum { SELF_SURE = 65 };

struct station {
	uint8_t chassis_type, port_type;
	struct bytes chassis, port;
	uint16_t ttl;
	struct bytes text[FIELDS_N]; /* by field */
	uint16_t capabilities, enabled;
	struct addr managed[LISTED];
	unsigned n_managed, n_vlans;
	struct bytes vlan[LISTED];
	uint16_t port_vlan; /* 0: not told */
	uint8_t med_class;
};

/* ---- TLVs -------------------------------------------------------------------------------- */

/* 8.4: seven bits of type, nine of length. */
static bool next_tlv(struct cur *c, uint8_t *type, struct bytes *value)
{
	uint16_t head = cur_be16(c);
	*type = (uint8_t)(head >> 9);
	*value = cur_take(c, head & 0x1ff);
	return cur_ok(c);
}

/* 8.2: chassis, port and time to live stand first, in this order. */
static bool read_mandatory(struct cur *c, struct station *s)
{
	struct bytes id[2], ttl;
	uint8_t type;
	for (unsigned i = 0; i < 2; i++)
		if (!next_tlv(c, &type, &id[i]) || type != TLV_CHASSIS + i || id[i].n < ID_LEAST ||
			id[i].n > ID_MOST)
			return false;
	if (!next_tlv(c, &type, &ttl) || type != TLV_TTL || ttl.n < TTL_LEAST)
		return false;
	s->chassis_type = (uint8_t)bytes_at(id[0], 0);
	s->port_type = (uint8_t)bytes_at(id[1], 0);
	s->chassis = bytes_from(id[0], 1);
	s->port = bytes_from(id[1], 1);
	struct cur t = cur_of(ttl);
	s->ttl = cur_be16(&t);
	return true;
}

static void keep_text(struct station *s, unsigned field, struct bytes v)
{
	if (s->text[field].n == 0)
		s->text[field] = bytes_trim(v);
}

static struct addr address_of(uint8_t family, struct bytes v)
{
	if (family == FAMILY_IPV4)
		return addr_v4(v);
	return family == FAMILY_IPV6 && v.n == 16 ? addr_v6(v) : (struct addr){ .family = 0 };
}

/* 8.5.9: the length counts the family and the address. */
static void read_management(struct station *s, struct bytes v)
{
	struct cur c = cur_of(v);
	struct cur string = cur_sub(&c, cur_u8(&c));
	uint8_t family = cur_u8(&string);
	struct addr a = address_of(family, cur_rest(&string));
	for (unsigned i = 0; i < s->n_managed; i++)
		if (addr_eq(&a, &s->managed[i]))
			return;
	if (a.family && s->n_managed < LISTED)
		s->managed[s->n_managed++] = a;
}

/* 802.1Q D.2.1 and D.2.3. */
static void read_8021(struct station *s, uint8_t subtype, struct cur *c)
{
	enum { PORT_VLAN_ID = 1, VLAN_NAME = 3 };
	uint16_t id = cur_be16(c);
	if (subtype == PORT_VLAN_ID && cur_ok(c))
		s->port_vlan = id;
	if (subtype != VLAN_NAME)
		return;
	struct bytes name = bytes_trim(cur_take(c, cur_u8(c)));
	if (name.n && s->n_vlans < LISTED)
		s->vlan[s->n_vlans++] = name;
}

/* ANSI/TIA-1057 10.2.2 and 10.2.6. */
static void read_med(struct station *s, uint8_t subtype, struct cur *c)
{
	static const uint8_t field_of[] = { HARDWARE, FIRMWARE, SOFTWARE, SERIAL, MANUFACTURER, MODEL,
		ASSET_ID };
	enum { MED_CAPABILITIES = 1 };
	if (subtype == MED_CAPABILITIES) {
		cur_skip(c, 2);
		s->med_class = cur_u8(c);
	} else if (subtype >= MED_FIRST_TEXT && subtype <= MED_LAST_TEXT) {
		keep_text(s, field_of[subtype - MED_FIRST_TEXT], cur_rest(c));
	}
}

static void read_organization(struct station *s, struct bytes v)
{
	struct cur c = cur_of(v);
	uint32_t oui = cur_be24(&c);
	uint8_t subtype = cur_u8(&c);
	if (oui == OUI_8021)
		read_8021(s, subtype, &c);
	else if (oui == OUI_MED)
		read_med(s, subtype, &c);
}

static void read_tlv(struct station *s, uint8_t type, struct bytes v)
{
	struct cur c = cur_of(v);
	switch (type) {
	case TLV_PORT_DESCRIPTION:
		keep_text(s, PORT_DESCRIPTION, v);
		break;
	case TLV_SYSTEM_NAME:
		keep_text(s, SYSTEM_NAME, v);
		break;
	case TLV_SYSTEM_DESCRIPTION:
		keep_text(s, SYSTEM_DESCRIPTION, v);
		break;
	case TLV_CAPABILITIES:
		s->capabilities = cur_be16(&c);
		s->enabled = cur_be16(&c);
		break;
	case TLV_MANAGEMENT:
		read_management(s, v);
		break;
	case TLV_ORGANIZATION:
		read_organization(s, v);
		break;
	default: /* 9.2.7.7: types that are not known are passed by */
		break;
	}
}

/* Up to the end TLV or the end of the frame. False: a mandatory TLV a second time, which discards all
 * (9.2.7.7), or a length that reaches beyond the frame. */
static bool read_optional(struct cur *c, struct station *s)
{
	uint8_t type;
	struct bytes v;
	while (cur_left(c) >= 2) {
		if (!next_tlv(c, &type, &v))
			return false;
		if (type == TLV_END)
			break;
		if (type <= TLV_TTL)
			return false;
		read_tlv(s, type, v);
	}
	return true;
}

/* ---- what it says ------------------------------------------------------------------------ */

static struct mac mac_in(struct bytes v)
{
	struct cur c = cur_of(v);
	struct mac m = { 0 };
	for (unsigned i = 0; v.n == sizeof m.b && i < sizeof m.b; i++)
		m.b[i] = cur_u8(&c);
	return m;
}

/* 8.5.2.2 and 8.5.3.2. */
enum { CHASSIS_IS_MAC = 4, CHASSIS_IS_NETWORK = 5, PORT_IS_MAC = 3, PORT_IS_NETWORK = 4 };
static const char *const chassis_types[] = { [1] = "chassis_component",
	"interface_alias",
	"port_component",
	"mac",
	"network_address",
	"interface_name",
	"local" };
static const char *const port_types[] = { [1] = "interface_alias",
	"port_component",
	"mac",
	"network_address",
	"interface_name",
	"agent_circuit_id",
	"local" };
enum { ID_TYPES = 8 };

/* Its field for a MAC is the one behind that for text. */
static void emit_id(struct dx *x, unsigned field, struct bytes v, bool is_mac, bool is_network)
{
	char text[ADDR_TEXT];
	struct mac m = mac_in(v);
	struct cur c = cur_of(v);
	uint8_t family = cur_u8(&c);
	struct addr a = address_of(family, cur_rest(&c));
	if (is_mac && v.n == sizeof m.b)
		ev_mac(x, field + 1, &m);
	else if (is_network && a.family)
		ev_text(x, field, addr_text(&a, text));
	else
		ev_str(x, field, bytes_trim(v));
}

/* Table 8-4. */
static const char *const capability_names[] = { "other", "repeater", "bridge", "wlan_access_point", "router",
	"telephone", "docsis", "station_only", "c_vlan", "s_vlan", "two_port_relay" };
enum { CAPABILITIES_N = sizeof capability_names / sizeof *capability_names };

static void emit_capabilities(struct dx *x, unsigned field, uint16_t bits)
{
	for (unsigned i = 0; i < CAPABILITIES_N; i++)
		if (bits >> i & 1)
			ev_text(x, field, capability_names[i]);
}

static void emit(struct dx *x, const struct station *s)
{
	static const char *const med_classes[] = {
		[1] = "endpoint_1", "endpoint_2", "endpoint_3", "network"
	};
	ev_begin(x, s->ttl ? ANNOUNCEMENT : SHUTDOWN);
	if (s->chassis_type < ID_TYPES)
		ev_text(x, CHASSIS_TYPE, chassis_types[s->chassis_type]);
	emit_id(x, CHASSIS_ID, s->chassis, s->chassis_type == CHASSIS_IS_MAC,
		s->chassis_type == CHASSIS_IS_NETWORK);
	if (s->port_type < ID_TYPES)
		ev_text(x, PORT_TYPE, port_types[s->port_type]);
	emit_id(x, PORT_ID, s->port, s->port_type == PORT_IS_MAC, s->port_type == PORT_IS_NETWORK);
	ev_uint(x, TTL, s->ttl);
	emit_capabilities(x, CAPABILITIES, s->capabilities);
	emit_capabilities(x, ENABLED, s->enabled);
	for (unsigned i = 0; i < s->n_managed; i++)
		ev_ip(x, MANAGEMENT_IP, &s->managed[i]);
	if (s->port_vlan)
		ev_uint(x, PORT_VLAN, s->port_vlan);
	for (unsigned i = 0; i < s->n_vlans; i++)
		ev_str(x, VLAN_NAMES, s->vlan[i]);
	if (s->med_class < sizeof med_classes / sizeof *med_classes)
		ev_text(x, MED_CLASS, med_classes[s->med_class]);
	for (unsigned i = 0; i < FIELDS_N; i++)
		ev_str(x, i, s->text[i]);
	ev_end(x);
}

/* What stands in the inventory of a board that nobody filled in: no number, and the same on many. */
static bool is_filled_in(struct bytes v)
{
	static const char *const blanks[] = { "to be filled by o.e.m.", "default string", "not specified",
		"system manufacturer", "system product name", "system version", "system serial number",
		"chassis serial number", "0123456789", "123456789", "none", "n/a", "unknown" };
	for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++)
		if (bytes_isi(v, blanks[i]))
			return false;
	return true;
}

static void observe_text(struct dx *x, enum attr attr, struct bytes v)
{
	if (is_filled_in(v))
		ob_str(x, attr, v, SELF_SURE);
}

/* RFC 3418 2 (sysName): by convention a fully qualified domain name, of which the first label is the host. */
static struct bytes host_of(struct bytes name)
{
	struct addr a;
	bool is_domain = bytes_chr(name, 0, ' ') == name.n && !addr_parse(name, &a);
	return is_domain ? bytes_first(name, bytes_chr(name, 0, '.')) : name;
}

/* All of it is said of the sender: the chassis and the management address may be another card's. */
static void observe(struct dx *x, const struct station *s)
{
	struct mac chassis = s->chassis_type == CHASSIS_IS_MAC ? mac_in(s->chassis) : (struct mac){ 0 };
	ob_begin_card(x, s->n_managed ? &s->managed[0] : NULL, &chassis);
	ob_str(x, ATTR_HOST_NAME, host_of(s->text[SYSTEM_NAME]), SELF_SURE);
	ob_str(x, ATTR_DISCOVERY_DESCRIPTION, s->text[SYSTEM_DESCRIPTION], SELF_SURE);
	for (unsigned i = 0; i < CAPABILITIES_N; i++)
		if (s->enabled >> i & 1)
			ob_text(x, ATTR_DISCOVERY_CAPABILITY, capability_names[i], SELF_SURE);
	observe_text(x, ATTR_MANUFACTURER, s->text[MANUFACTURER]);
	observe_text(x, ATTR_MODEL, s->text[MODEL]);
	observe_text(x, ATTR_SERIAL, s->text[SERIAL]);
	observe_text(x, ATTR_FIRMWARE, s->text[FIRMWARE]);
	if (s->text[SOFTWARE].n && is_filled_in(s->text[SOFTWARE]))
		ob_str(x, ATTR_SOFTWARE, s->text[SOFTWARE], SELF_SURE);
	else
		ob_str(x, ATTR_SOFTWARE, text_version(s->text[SYSTEM_DESCRIPTION]), SELF_SURE);
	observe_text(x, ATTR_HARDWARE, s->text[HARDWARE]);
	ob_end(x);
	for (unsigned i = 1; i < s->n_managed; i++) {
		ob_begin_card(x, &s->managed[i], NULL);
		ob_end(x);
	}
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	struct station s = { 0 };
	if (!read_mandatory(&c, &s) || (!read_optional(&c, &s) && !x->cut))
		return false;
	emit(x, &s);
	if (s.ttl) /* 8.5.4: what was told before is no longer to be believed */
		observe(x, &s);
	return true;
}

static enum probe_result probe(struct bytes first, enum dir dir)
{
	(void)dir;
	struct cur c = cur_of(first);
	uint16_t head = cur_be16(&c);
	unsigned length = head & 0x1ff;
	return head >> 9 == TLV_CHASSIS && length >= ID_LEAST && length <= ID_MOST ? PROBE_YES : PROBE_NO;
}

const struct dissector dissector_lldp = {
	.name = "lldp",
	.l4 = L4_ETHER,
	.ports = { 0x88cc },
	.max_pdu = 1536,
	.fields = fields,
	.events = events,
	.probe = probe,
	.pdu = pdu,
};
