#include "decide/segmentation.h"

#include "packet/categories.h"

#include <stdio.h>
#include <stdlib.h>

/* What is remembered of a conversation, in the low bits of its hash. */
enum { CONV_JUDGED = 1, CONV_VIOLATES = 2, CONV_BITS = 3, CONV_WAYS = 4 };

enum miss {
	MISS_NONE,
	MISS_ZONE,
	MISS_GROUP,
	MISS_LIST,
	MISS_CIDR,
	MISS_TRANSPORT,
	MISS_PORT,
	MISS_PROTOCOL,
	MISS_WHERE
};

static const char *const miss_names[] = { "", "zone", "group", "list", "cidr", "transport", "ports",
	"protocol", "where" };

enum { EVENT_BYTES = 2048 };

struct segmentation_run {
	uint64_t *convs; /* ways of a set beside one another, the latest first */
	uint32_t sets;
	_Alignas(8) uint8_t buffer[EVENT_BYTES];
};

struct segmentation_run *segmentation_start(const struct policy *p, const struct limits *l)
{
	struct segmentation_run *s = calloc(1, sizeof *s);
	if (!s || p->segmentation->n == 0)
		return s;
	for (s->sets = 1; (uint64_t)s->sets * CONV_WAYS < l->flows;)
		s->sets *= 2;
	s->convs = calloc((size_t)s->sets * CONV_WAYS, sizeof *s->convs);
	if (s->convs)
		return s;
	free(s);
	return NULL;
}

void segmentation_stop(struct segmentation_run *s)
{
	if (s)
		free(s->convs);
	free(s);
}

/* ---- conversations ---------------------------------------------------------------------------------- */

/* The same whoever is taken for the initiator. */
static uint64_t conv_hash(const struct conv *c)
{
	static const struct hash_key key = { 0x7365676d656e7461, 0x74696f6e20636f6e };
	bool swap = addr_cmp(&c->src, &c->dst) > 0 || (addr_eq(&c->src, &c->dst) && c->sport > c->dport);
	struct {
		uint8_t a[16], b[16];
		uint32_t vni;
		uint16_t port_a, port_b;
		uint8_t proto, pad[7];
	} k = { .vni = c->vni, .proto = c->proto };
	memcpy(k.a, swap ? c->dst.b : c->src.b, sizeof k.a);
	memcpy(k.b, swap ? c->src.b : c->dst.b, sizeof k.b);
	k.port_a = swap ? c->dport : c->sport;
	k.port_b = swap ? c->sport : c->dport;
	return hash_bytes(&key, &k, sizeof k) & ~(uint64_t)CONV_BITS;
}

/* Where the conversation is remembered, a new place when it is not; the one longest not judged makes room. */
static uint64_t *conv_at(struct segmentation_run *s, const struct conv *c)
{
	uint64_t hash = conv_hash(c), *set = s->convs + (size_t)(hash >> 32) % s->sets * CONV_WAYS;
	unsigned way = 0;
	while (way < CONV_WAYS && (set[way] & ~(uint64_t)CONV_BITS) != hash)
		way++;
	uint64_t found = way < CONV_WAYS ? set[way] : hash;
	for (way = way < CONV_WAYS ? way : CONV_WAYS - 1; way > 0; way--)
		set[way] = set[way - 1];
	set[0] = found;
	return &set[0];
}

/* ---- who -------------------------------------------------------------------------------------------- */

/* One side of the conversation, and the other. */
struct side {
	const struct policy_run *r;
	enum dir dir;
	const struct addr *ip;
	unsigned zone;
	struct device_look look;
};

struct judged {
	struct policy_run *r;
	const struct event *event;
	const struct conv *conv;
	struct bytes protocol; /* empty: not known */
	unsigned category;
	struct side side[2];
};

static bool in_network(const struct network *n, const struct addr *a)
{
	return n->bits == 0 || addr_in(a, &n->addr, n->bits);
}

/* The conditions of a peer that fail, and the first of them. */
static unsigned peer_misses(const struct seg_peer *p, const struct side *s, enum miss *first)
{
	const struct names *names = &s->r->p->names;
	struct bytes raw = bytes_of(s->ip, sizeof *s->ip);
	enum miss miss[4];
	unsigned n = 0;
	if (p->zone >= 0 && !zone_is_inside(names->zones, s->zone, (unsigned)p->zone))
		miss[n++] = MISS_ZONE;
	if (p->group >= 0 && !groups_has(s->r->groups, &s->look, (unsigned)p->group))
		miss[n++] = MISS_GROUP;
	if (p->list && !list_has(p->list, FACT_IP, raw))
		miss[n++] = MISS_LIST;
	if (!in_network(&p->network, s->ip))
		miss[n++] = MISS_CIDR;
	*first = n ? miss[0] : MISS_NONE;
	return n;
}

/* Of the peer that comes nearest. */
static unsigned peers_miss(const struct seg_peers *p, const struct side *s, enum miss *first)
{
	unsigned least = p->n ? UINT32_MAX : 0;
	*first = MISS_NONE;
	for (size_t i = 0; i < p->n && least; i++) {
		enum miss here;
		unsigned n = peer_misses(&p->list[i], s, &here);
		if (n < least) {
			least = n;
			*first = here;
		}
	}
	return least;
}

/* ---- what ------------------------------------------------------------------------------------------- */

static bool transport_fits(const struct seg_allow *a, uint8_t transport)
{
	bool fits = a->n_transports == 0;
	for (size_t i = 0; i < a->n_transports && !fits; i++)
		fits = a->transports[i] == transport;
	return fits;
}

static bool port_fits(const struct seg_allow *a, uint16_t port)
{
	bool fits = a->n_ports == 0;
	for (size_t i = 0; i < a->n_ports && !fits; i++)
		fits = a->ports[i].low <= port && port <= a->ports[i].high;
	return fits;
}

/* What is not known is not another protocol. */
static bool protocol_fits(const struct seg_allow *a, struct bytes protocol)
{
	bool fits = a->n_protocols == 0 || protocol.n == 0;
	for (size_t i = 0; i < a->n_protocols && !fits; i++)
		fits = bytes_isi(protocol, a->protocols[i]);
	return fits;
}

/* A service is its transport, port and protocol; MISS_NONE: one of them fits whole. */
static enum miss services_miss(const struct seg_allow *a, const struct judged *j)
{
	enum miss miss = a->n_services ? MISS_PORT : MISS_NONE;
	for (size_t i = 0; i < a->n_services; i++) {
		const struct seg_service *s = &a->services[i];
		if (s->transport != j->conv->proto || s->port != j->conv->dport)
			continue;
		if (j->protocol.n == 0 || bytes_eqi(j->protocol, s->protocol))
			return MISS_NONE;
		miss = MISS_PROTOCOL;
	}
	return miss;
}

/* Only an event of that protocol can tell; until there is one, it holds. */
static bool where_fits(const struct seg_allow *a, const struct judged *j)
{
	return !a->where || j->category != a->where_category ||
	       detect_eval(a->where, event_view_as_view(j->r->view), NULL);
}

static unsigned misses(
	const struct seg_allow *a, const struct judged *j, const struct side *peer, enum miss *first)
{
	unsigned n = peers_miss(&a->peers, peer, first);
	enum miss miss[5], service = services_miss(a, j);
	unsigned k = 0;
	if (!transport_fits(a, j->conv->proto))
		miss[k++] = MISS_TRANSPORT;
	if (!port_fits(a, j->conv->dport))
		miss[k++] = MISS_PORT;
	if (service != MISS_NONE)
		miss[k++] = service;
	if (!protocol_fits(a, j->protocol))
		miss[k++] = MISS_PROTOCOL;
	if (!where_fits(a, j))
		miss[k++] = MISS_WHERE;
	if (n == 0 && k)
		*first = miss[0];
	return n + k;
}

/* ---- judging ---------------------------------------------------------------------------------------- */

struct finding {
	const struct seg_document *document; /* NULL: nothing to say */
	const struct seg_allow *nearest;
	unsigned misses;
	enum miss miss;
};

/* False: an entry allows it. */
static bool weigh(const struct seg_document *d, const struct judged *j, const struct side *peer,
	unsigned direction, struct finding *f)
{
	for (size_t i = 0; i < d->n_allows; i++) {
		const struct seg_allow *a = &d->allows[i];
		enum miss first;
		if (!(a->directions & direction))
			continue;
		unsigned n = misses(a, j, peer, &first);
		if (n == 0)
			return false;
		if (!f->nearest || n < f->misses)
			*f = (struct finding){ d, a, n, first };
	}
	return true;
}

/* The side that is judged: the source going out, the destination coming in. */
static struct finding judge(const struct judged *j, unsigned direction, bool learn)
{
	const struct segmentation *s = j->r->p->segmentation;
	const struct side *mine = &j->side[direction == SEG_OUTBOUND ? DIR_CLIENT : DIR_SERVER];
	const struct side *peer = &j->side[direction == SEG_OUTBOUND ? DIR_SERVER : DIR_CLIENT];
	struct finding f = { 0 };
	bool learns = false;
	for (size_t i = 0; i < s->n; i++) {
		const struct seg_document *d = s->list[i];
		enum miss first;
		/* What only learns allows nothing to those that do not. */
		if (!(d->directions & direction) || (d->learns && !learn) ||
			peers_miss(&d->applies_to, mine, &first))
			continue;
		learns = learns || d->learns;
		if (!f.document)
			f.document = d;
		if (!weigh(d, j, peer, direction, &f))
			return (struct finding){ 0 };
	}
	return learn && !learns ? (struct finding){ 0 } : f;
}

static const char *reason(const struct finding *f)
{
	if (!f->nearest || f->misses != 1)
		return "no_rule";
	switch (f->miss) {
	case MISS_ZONE:
		return "zone";
	case MISS_TRANSPORT:
	case MISS_PORT:
		return "port";
	case MISS_PROTOCOL: /* the port is the expected one, what speaks there is not */
		return f->nearest->n_ports || f->nearest->n_services ? "protocol_mismatch" : "protocol";
	case MISS_WHERE:
		return "where";
	default:
		return "no_rule";
	}
}

/* ---- events ------------------------------------------------------------------------------------------- */

static void put(struct segmentation_run *s, unsigned field, enum fact_type type, struct bytes v)
{
	struct event *e = (struct event *)(void *)s->buffer;
	struct fact *f = (struct fact *)(void *)(s->buffer + e->len);
	v = bytes_first(v, 128);
	if (v.n == 0)
		return;
	*f = (struct fact){ .field = (uint16_t)field, .type = (uint8_t)type, .len = (uint16_t)v.n };
	memcpy(f->value, v.p, v.n);
	e->len += (uint32_t)(sizeof *f + ((v.n + 7) & ~(size_t)7));
	e->n_facts++;
}

_Static_assert(sizeof(struct event) + (SEGMENTATION_SL + 1) * (sizeof(struct fact) + 128) <= EVENT_BYTES,
	"all facts fit");

static void write(const struct judged *j, const struct finding *f, unsigned direction, bool learn)
{
	struct segmentation_run *s = j->r->segmentation;
	struct event *e = (struct event *)(void *)s->buffer;
	const struct zones *z = j->r->p->names.zones;
	unsigned zone = j->side[direction == SEG_OUTBOUND ? DIR_CLIENT : DIR_SERVER].zone;
	uint64_t sl = zone == ZONE_NONE ? 0 : zones_at(z, zone)->sl;
	*e = (struct event){ .len = sizeof *e,
		.record = RECORD_EVENT,
		.proto = PROTO_segmentation,
		.event = learn ? SEGMENTATION_EV_LEARNED : SEGMENTATION_EV_VIOLATION,
		.ts_ns = j->event->ts_ns,
		.packet = j->event->packet,
		.conv = *j->conv };
	put(s, SEGMENTATION_POLICY, FACT_STR, bytes_str(f->document->name));
	put(s, SEGMENTATION_DIRECTION, FACT_STR,
		bytes_str(direction == SEG_OUTBOUND ? "outbound" : "inbound"));
	put(s, SEGMENTATION_REASON, FACT_STR, bytes_str(reason(f)));
	if (f->nearest)
		put(s, SEGMENTATION_NEAREST_RULE, FACT_STR, bytes_str(f->nearest->id));
	if (f->nearest && f->misses == 1)
		put(s, SEGMENTATION_NEAREST_MISS, FACT_STR, bytes_str(miss_names[f->miss]));
	put(s, SEGMENTATION_PROTOCOL, FACT_STR, j->protocol);
	if (sl)
		put(s, SEGMENTATION_SL, FACT_UINT, bytes_of(&sl, sizeof sl));
}

/* ---- the event at hand -------------------------------------------------------------------------------- */

/* Who dissected or labelled it; false: such events tell nothing of their conversation. */
static bool protocol_of(const struct event *e, struct bytes *out)
{
	const struct fact *f = e->proto == PROTO_flow ? fact_find(e, FLOW_PROTOCOL) : NULL;
	*out = f                            ? fact_value(f, 0)
	       : e->proto < PROTO_DISSECTED ? bytes_str(dissectors[e->proto]->name)
	       : e->proto == PROTO_named    ? event_category(e)
					    : (struct bytes){ 0 };
	/* What nDPI does not know either. */
	if (bytes_isi(*out, "unknown"))
		*out = (struct bytes){ 0 };
	return out->n || (e->proto == PROTO_flow && e->event == FLOW_EV_END);
}

/* Echo, timestamp and such requests; the rest answers, or says what went wrong with another conversation. */
static bool asks_by_icmp(const struct conv *c)
{
	return c->proto == L4_ICMP    ? c->icmp_type == 8 || c->icmp_type == 13 || c->icmp_type == 17
	       : c->proto == L4_ICMP6 ? c->icmp_type == 128
				      : true;
}

static bool is_judged(const struct conv *c)
{
	return c->src.family && c->dst.family && !addr_is_multicast(&c->dst) && !addr_is_broadcast(&c->dst) &&
	       !addr_is_multicast(&c->src) && asks_by_icmp(c);
}

static void look_at_sides(struct judged *j)
{
	for (unsigned d = 0; d < 2; d++)
		j->side[d] = (struct side){ .r = j->r,
			.dir = (enum dir)d,
			.ip = d == DIR_CLIENT ? &j->conv->src : &j->conv->dst,
			.zone = event_view_zone(j->r->view, (enum dir)d),
			.look = names_look(j->r, (enum dir)d) };
}

void segmentation_event(struct policy_run *r, const struct event *e)
{
	static const unsigned directions[] = { SEG_OUTBOUND, SEG_INBOUND };
	const struct segmentation *s = r->p->segmentation;
	struct judged j = { .r = r, .event = e, .conv = &e->conv };
	struct finding f[4] = { 0 };
	if (s->n == 0 || !is_judged(j.conv))
		return;
	bool begins = e->proto == PROTO_flow && e->event == FLOW_EV_START;
	/* Of ICMP the first packet says all: what it asks. */
	bool icmp = j.conv->proto == L4_ICMP || j.conv->proto == L4_ICMP6;
	bool tells = protocol_of(e, &j.protocol) || (begins && icmp);
	if (!tells && !begins)
		return;
	uint64_t *known = conv_at(r->segmentation, j.conv);
	if (begins)
		*known &= ~(uint64_t)CONV_BITS;
	j.category = event_schema_category_of(r->p->schema, e);
	bool asked = s->with_where.word[j.category / 64] >> j.category % 64 & 1;
	if (!tells || *known & CONV_VIOLATES || (*known & CONV_JUDGED && !asked))
		return;
	*known |= CONV_JUDGED;
	look_at_sides(&j);
	for (unsigned i = 0; i < 4; i++)
		if (i < 2 || s->learning)
			f[i] = judge(&j, directions[i % 2], i >= 2);
	for (unsigned i = 0; i < 4; i++) {
		if (!f[i].document)
			continue;
		*known |= CONV_VIOLATES;
		write(&j, &f[i], directions[i % 2], i >= 2);
		policy_derived(r, (const struct event *)(const void *)r->segmentation->buffer);
	}
}
