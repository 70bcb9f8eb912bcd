/* The view of one event: its facts by field number, its conversation, and lazily its devices. */
#include "decide/schema.h"

#include "base/assert.h"
#include "decide/groups.h"
#include "packet/categories.h"
#include "packet/community_id.h"

#include <stdlib.h>

enum { DEVICE_VALUES = 16 }; /* of a MANY attribute that rules look at */

struct common_value {
	struct bytes value[2];
	union {
		uint64_t number[2];
		bool truth;
		char text[COMMUNITY_ID_TEXT];
	} room;
};

struct device_side {
	const struct device *device;
	bool asked, zone_known;
	unsigned zone;
	struct bytes value[DEVICE_FIELDS][DEVICE_VALUES];
	struct bytes pretended[DEVICE_FIELDS];
	char id[DEVICE_ID];
	uint64_t confidence;
};

struct event_view {
	struct view view;
	const struct event_schema *schema;
	const struct inventory *inv;
	const struct resolved *names;
	const struct event *event;
	uint32_t turn; /* which event: a slot of another turn is empty */
	struct {
		uint32_t turn;
		const struct fact *fact;
	} slot[SCHEMA_FIELDS];
	uint16_t filled[SCHEMA_FIELDS];
	size_t n_filled;
	struct common_value common[COMMON_N];
	struct device_side side[2];
	bool pretends;
	const struct zones *zones; /* or NULL */
	bool (*member)(void *arg, enum member_kind kind, uint16_t subject, unsigned number);
	void *member_arg;
	struct event_view
		*self; /* views are const to those who read them, and fill themselves as they are read */
};

static struct leaf zone_leaf(struct event_view *v, enum dir side);
static struct leaf outside_leaf(struct event_view *v, enum dir side);

/* ---- the conversation ------------------------------------------------------------------------ */

static struct leaf number_leaf(struct common_value *c, uint64_t v)
{
	c->room.number[0] = v;
	c->value[0] = bytes_of(&c->room.number[0], sizeof v);
	return (struct leaf){ FACT_UINT, NULL, c->value, 1 };
}

static struct leaf text_leaf(struct common_value *c, struct bytes v)
{
	c->value[0] = v;
	return (struct leaf){ FACT_STR, NULL, c->value, v.n > 0 };
}

static struct leaf bool_leaf(struct common_value *c, bool v)
{
	c->room.truth = v;
	c->value[0] = bytes_of(&c->room.truth, 1);
	return (struct leaf){ FACT_BOOL, NULL, c->value, 1 };
}

static struct leaf ip_leaf(struct common_value *c, const struct addr *a)
{
	c->value[0] = bytes_of(a, sizeof *a);
	return (struct leaf){ FACT_IP, NULL, c->value, a->family != 0 };
}

static struct leaf mac_leaf(struct common_value *c, const struct mac *m)
{
	c->value[0] = bytes_of(m, sizeof *m);
	return (struct leaf){ FACT_MAC, NULL, c->value, !mac_is_zero(m) };
}

static struct leaf port_leaf(struct common_value *c, const struct conv *conv, uint16_t port)
{
	struct leaf l = number_leaf(c, port);
	/* A written event may name a port and leave the transport out. */
	l.n = conv->proto == L4_TCP || conv->proto == L4_UDP || (conv->proto == 0 && port != 0);
	return l;
}

/* One number, or two when a mirror port shows the two directions in different VLANs. */
static struct leaf vlan_leaf(struct common_value *c, const struct conv *conv)
{
	struct leaf l = { FACT_UINT, NULL, c->value, 0 };
	for (unsigned i = 0; i < 2; i++) {
		if (conv->vlan[i] == 0 || (i == 1 && conv->vlan[1] == conv->vlan[0]))
			continue;
		c->room.number[l.n] = conv->vlan[i];
		c->value[l.n] = bytes_of(&c->room.number[l.n], sizeof c->room.number[0]);
		l.n++;
	}
	return l;
}

/* The engine's own events name the protocol they were derived from. */
static struct leaf protocol_leaf(struct common_value *c, const struct event *e)
{
	const struct fact *f = NULL;
	if (e->proto < PROTO_DISSECTED)
		return text_leaf(c, bytes_str(dissectors[e->proto]->name));
	if (e->proto == PROTO_named)
		return text_leaf(c, event_category(e));
	if (e->proto == PROTO_phi)
		f = fact_find(e, PHI_CONTAINER);
	else if (e->proto == PROTO_credential)
		f = fact_find(e, CREDENTIAL_PROTOCOL);
	return text_leaf(c, f ? fact_value(f, 0) : (struct bytes){ 0 });
}

/* What a firewall in the way would have said of the conversation: section 20.2. What nobody answered was
 * dropped, what was refused by RST or ICMP was rejected, and the rest came through. */
static const char *firewall_action(const struct event *e)
{
	const struct fact *state = fact_find(e, FLOW_STATE),
			  *answers = fact_find(e, FLOW_DESTINATION_PACKETS);
	struct bytes text = state ? fact_value(state, 0) : (struct bytes){ 0 };
	if (e->proto != PROTO_flow)
		return "";
	if (text.n)
		return bytes_is(text, "attempt") ? "drop" : bytes_is(text, "refused") ? "reject" : "accept";
	return !answers || e->event != FLOW_EV_END ? "" : fact_uint(answers) ? "accept" : "drop";
}

/* Who reset a conversation is not kept, so RSTO and RSTR are never said. */
static const char *zeek_state(const struct event *e)
{
	static const char *const states[][2] = { { "attempt", "S0" }, { "refused", "REJ" },
		{ "established", "S1" }, { "closed", "SF" }, { "midstream", "OTH" } };
	const struct fact *state = fact_find(e, FLOW_STATE),
			  *answers = fact_find(e, FLOW_DESTINATION_PACKETS);
	struct bytes text = state ? fact_value(state, 0) : (struct bytes){ 0 };
	if (e->proto != PROTO_flow || e->event != FLOW_EV_END)
		return "";
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (bytes_is(text, states[i][0]))
			return states[i][1];
	return text.n || !answers ? "" : fact_uint(answers) ? "SF" : "S0";
}

static struct bytes zeek_service(const struct event *e)
{
	static const char *const services[][2] = { { "tls", "ssl" }, { "vnc", "rfb" }, { "smbv1", "smb" },
		{ "smbv23", "smb" }, { "kerberos", "krb" } };
	const struct fact *protocol = e->proto == PROTO_flow ? fact_find(e, FLOW_PROTOCOL) : NULL;
	struct bytes text = protocol ? fact_value(protocol, 0) : (struct bytes){ 0 };
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		if (bytes_is(text, services[i][0]))
			return bytes_str(services[i][1]);
	return text;
}

static struct leaf derived_leaf(const struct event *e, struct common_value *c, enum common_field field)
{
	struct bytes action = bytes_str(firewall_action(e));
	struct leaf l;
	switch (field) {
	case COMMON_FIREWALL_ACTION:
		return text_leaf(c, action);
	case COMMON_FIREWALL_BLOCKED:
		l = bool_leaf(c, !bytes_is(action, "accept"));
		l.n = action.n > 0;
		return l;
	case COMMON_ZEEK_STATE:
		return text_leaf(c, bytes_str(zeek_state(e)));
	case COMMON_ZEEK_SERVICE:
		return text_leaf(c, zeek_service(e));
	case COMMON_IS_IPV6:
		return bool_leaf(c, e->conv.src.family == 6);
	case COMMON_INITIATED:
		return bool_leaf(c, true);
	case COMMON_RPC_EVENT_LOG:
		return text_leaf(c, bytes_str("RPCFW"));
	case COMMON_RPC_EVENT_ID:
		return number_leaf(c, 3);
	default:
		return (struct leaf){ 0 };
	}
}

static struct leaf community_leaf(struct common_value *c, const struct conv *conv)
{
	bool known = community_id(conv, 0, c->room.text);
	return text_leaf(c, known ? bytes_str(c->room.text) : (struct bytes){ 0 });
}

static struct leaf domain_leaf(struct event_view *v, struct common_value *c)
{
	const struct event *e = v->event;
	if (!v->names)
		return text_leaf(c, (struct bytes){ 0 });
	return text_leaf(c, resolved_name(v->names, &e->conv.src, &e->conv.dst, e->ts_ns));
}

static struct leaf common_leaf(struct event_view *v, enum common_field field)
{
	const struct event *e = v->event;
	const struct conv *conv = &e->conv;
	struct common_value *c = &v->common[field];
	switch (field) {
	case COMMON_TIMESTAMP:
		c->value[0] = bytes_of(&e->ts_ns, sizeof e->ts_ns);
		return (struct leaf){ FACT_TIME, NULL, c->value, 1 };
	case COMMON_CATEGORY:
		return text_leaf(c, event_category(e));
	case COMMON_ACTION:
		return text_leaf(c, event_action(e));
	case COMMON_SENDER:
		return text_leaf(c, bytes_str(e->dir == DIR_CLIENT ? "source" : "destination"));
	case COMMON_SOURCE_IP:
		return ip_leaf(c, &conv->src);
	case COMMON_SOURCE_PORT:
		return port_leaf(c, conv, conv->sport);
	case COMMON_SOURCE_MAC:
		return mac_leaf(c, &conv->smac);
	case COMMON_DESTINATION_IP:
		return ip_leaf(c, &conv->dst);
	case COMMON_DESTINATION_PORT:
		return port_leaf(c, conv, conv->dport);
	case COMMON_DESTINATION_MAC:
		return mac_leaf(c, &conv->dmac);
	case COMMON_TRANSPORT:
		return text_leaf(c, bytes_str(transport_name(conv->proto)));
	case COMMON_TYPE:
		return text_leaf(c, bytes_str(conv->src.family == 4   ? "ipv4"
					      : conv->src.family == 6 ? "ipv6"
								      : ""));
	case COMMON_PROTOCOL:
		return protocol_leaf(c, e);
	case COMMON_ENCRYPTED:
		return bool_leaf(c, conv->encrypted);
	case COMMON_INITIATOR_KNOWN:
		return bool_leaf(c, conv->initiator_known);
	case COMMON_STANDARD_PORT:
		return bool_leaf(c, !conv->odd_port);
	case COMMON_VLAN:
		return vlan_leaf(c, conv);
	case COMMON_COMMUNITY_ID:
		return community_leaf(c, conv);
	case COMMON_SOURCE_ZONE:
		return zone_leaf(v, DIR_CLIENT);
	case COMMON_DESTINATION_ZONE:
		return zone_leaf(v, DIR_SERVER);
	case COMMON_SOURCE_OUTSIDE:
		return outside_leaf(v, DIR_CLIENT);
	case COMMON_DESTINATION_OUTSIDE:
		return outside_leaf(v, DIR_SERVER);
	case COMMON_DESTINATION_DOMAIN:
		return domain_leaf(v, c);
	default:
		break;
	}
	/* Keywords ask for fields whatever the category. */
	bool here = event_schema_has(v->schema, event_schema_category_of(v->schema, e), (uint16_t)field);
	return here ? derived_leaf(e, c, field) : (struct leaf){ 0 };
}

/* ---- devices ----------------------------------------------------------------------------------- */

const struct device *event_view_device(struct event_view *v, enum dir side)
{
	struct device_side *s = &v->side[side];
	if (!s->asked && v->inv)
		s->device = inventory_of(v->inv, v->event, side);
	s->asked = true;
	return s->device;
}

static struct leaf device_leaf(struct event_view *v, enum dir side, unsigned field)
{
	struct device_side *s = &v->side[side];
	const struct device *d = event_view_device(v, side);
	struct leaf l = { FACT_STR, NULL, s->value[field], 0 };
	struct attr_value a;
	if (v->pretends) {
		l.values = &s->pretended[field];
		l.n = s->pretended[field].n > 0;
	} else if (!d) {
		return l;
	} else if (field == DEVICE_FIELD_ID) {
		device_id(d, s->id);
		s->value[field][l.n++] = bytes_str(s->id);
	} else if (field == DEVICE_FIELD_CONFIDENCE) {
		s->confidence = device_confidence(d);
		l.type = FACT_UINT;
		s->value[field][l.n++] = bytes_of(&s->confidence, sizeof s->confidence);
	} else if (field == ATTR_TYPE) {
		s->value[field][l.n++] = bytes_str(device_type(d));
	} else {
		while (l.n < DEVICE_VALUES && device_attr(d, (enum attr)field, l.n, &a))
			s->value[field][l.n++] = a.value;
	}
	return l;
}

void event_view_pretend_none(struct event_view *v)
{
	v->pretends = true;
	memset(v->side[0].pretended, 0, sizeof v->side[0].pretended);
	memset(v->side[1].pretended, 0, sizeof v->side[1].pretended);
}

void event_view_pretend(struct event_view *v, uint16_t field, struct bytes text)
{
	const struct event_schema *s = v->schema;
	bool destination = field >= s->destination_device;
	unsigned at = (unsigned)field - (destination ? s->destination_device : s->source_device);
	ASSERT(at < DEVICE_FIELDS);
	v->side[destination ? DIR_SERVER : DIR_CLIENT].pretended[at] = text;
}

const struct bytes *event_view_pretended(const struct event_view *v, enum dir side)
{
	return v->pretends ? v->side[side].pretended : NULL;
}

const struct event *event_view_event(const struct event_view *v)
{
	return v->event;
}

/* ---- zones and members ------------------------------------------------------------------------- */

/* The VLAN tells where an address is only when the frame was the host's own and not one that a router sent
 * on: a mirror port shows both directions of a conversation in the VLAN where it stands. */
static uint16_t own_vlan(struct event_view *v, enum dir side)
{
	const struct conv *c = &v->event->conv;
	const struct mac *mac = side == DIR_CLIENT ? &c->smac : &c->dmac, *macs;
	uint16_t vlan = c->vlan[side] ? c->vlan[side] : c->vlan[!side];
	if (!vlan || !v->inv || !zones_have_vlans(v->zones))
		return vlan;
	const struct device *d = event_view_device(v, side);
	size_t n = d ? device_macs(d, &macs) : 0;
	for (size_t i = 0; i < n; i++)
		if (mac_eq(&macs[i], mac))
			return vlan;
	return d ? device_vlan(d) : 0;
}

unsigned event_view_zone(struct event_view *v, enum dir side)
{
	struct device_side *s = &v->side[side];
	const struct addr *ip = side == DIR_CLIENT ? &v->event->conv.src : &v->event->conv.dst;
	if (s->zone_known)
		return s->zone;
	s->zone_known = true;
	s->zone = ZONE_NONE;
	if (v->zones && !zones_by_prefix(v->zones, ip, &s->zone))
		s->zone = zones_of(v->zones, ip, own_vlan(v, side));
	return s->zone;
}

static struct leaf zone_leaf(struct event_view *v, enum dir side)
{
	unsigned zone = event_view_zone(v, side);
	return text_leaf(&v->common[side == DIR_CLIENT ? COMMON_SOURCE_ZONE : COMMON_DESTINATION_ZONE],
		zone == ZONE_NONE ? (struct bytes){ 0 } : bytes_str(zones_at(v->zones, zone)->name));
}

static struct leaf outside_leaf(struct event_view *v, enum dir side)
{
	unsigned zone = event_view_zone(v, side);
	struct leaf l =
		bool_leaf(&v->common[side == DIR_CLIENT ? COMMON_SOURCE_OUTSIDE : COMMON_DESTINATION_OUTSIDE],
			zone != ZONE_NONE && zone_is_outside(v->zones, zone));
	l.n = zone != ZONE_NONE;
	return l;
}

void event_view_zones(struct event_view *v, const struct zones *z)
{
	v->zones = z;
}

void event_view_members(struct event_view *v,
	bool (*fn)(void *arg, enum member_kind kind, uint16_t subject, unsigned number), void *arg)
{
	v->member = fn;
	v->member_arg = arg;
}

static bool member(const struct view *view, enum member_kind kind, uint16_t subject, unsigned number)
{
	const struct event_view *v = (const struct event_view *)(const void *)view;
	return v->member && v->member(v->member_arg, kind, subject, number);
}

/* ---- the view ---------------------------------------------------------------------------------- */

static struct leaf get(const struct view *view, uint16_t field)
{
	struct event_view *v = ((const struct event_view *)(const void *)view)->self;
	const struct event_schema *s = v->schema;
	if (v->slot[field].turn == v->turn) {
		const struct fact *f = v->slot[field].fact;
		return (struct leaf){ (enum fact_type)f->type, f, NULL, fact_count(f) };
	}
	if (field < COMMON_N)
		return common_leaf(v, (enum common_field)field);
	if (field >= s->destination_device)
		return device_leaf(v, DIR_SERVER, field - s->destination_device);
	if (field >= s->source_device)
		return device_leaf(v, DIR_CLIENT, field - s->source_device);
	return (struct leaf){ 0 };
}

struct event_view *event_view_new(const struct event_schema *s, const struct inventory *inv)
{
	struct event_view *v = calloc(1, sizeof *v);
	if (!v)
		return NULL;
	v->view.get = get;
	v->view.member = member;
	v->schema = s;
	v->inv = inv;
	v->self = v;
	return v;
}

void event_view_names(struct event_view *v, const struct resolved *names)
{
	v->names = names;
}

void event_view_free(struct event_view *v)
{
	free(v);
}

void event_view_look(struct event_view *v, const struct event *e)
{
	const uint16_t *of_fact = v->schema->of_fact[e->proto];
	if (++v->turn == 0) {
		memset(v->slot, 0, sizeof v->slot);
		v->turn = 1;
	}
	v->event = e;
	v->view.phi = e->phi;
	v->view.now_ns = (int64_t)e->ts_ns;
	v->n_filled = 0;
	v->side[0].asked = v->side[1].asked = false;
	v->side[0].zone_known = v->side[1].zone_known = false;
	v->side[0].device = v->side[1].device = NULL;
	FACT_EACH (f, e) {
		/* Values that belong to no field (dx_phi_value) are there for masking only. */
		bool written = f->field & FIELD_WRITTEN && f->field != FIELD_NONE;
		if (!written && f->field >= v->schema->n_facts[e->proto])
			continue;
		unsigned at = written ? f->field & ~(unsigned)FIELD_WRITTEN : of_fact[f->field];
		if (v->slot[at].turn == v->turn)
			continue;
		v->slot[at].turn = v->turn;
		v->slot[at].fact = f;
		v->filled[v->n_filled++] = (uint16_t)at;
	}
}

void event_view_count(struct event_view *v, uint64_t *versions_unordered)
{
	v->view.versions_unordered = versions_unordered;
}

const uint16_t *event_view_filled(const struct event_view *v, size_t *n)
{
	*n = v->n_filled;
	return v->filled;
}

const struct view *event_view_as_view(const struct event_view *v)
{
	return &v->view;
}
