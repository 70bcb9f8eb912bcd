#include "packet/flow.h"

#include "base/assert.h"
#include "packet/categories.h"
#include "packet/label.h"

#define SECOND 1000000000ull

static const char *const state_names[] = { [FLOW_OTHER] = "",
	[FLOW_ATTEMPT] = "attempt",
	[FLOW_REFUSED] = "refused",
	[FLOW_ESTABLISHED] = "established",
	[FLOW_MIDSTREAM] = "midstream",
	[FLOW_CLOSED] = "closed",
	[FLOW_RESET] = "reset" };

/* Silence after which a conversation is over, in seconds of packet time. */
static const uint16_t idle_s[] = { [FLOW_OTHER] = 120,
	[FLOW_ATTEMPT] = 60,
	[FLOW_REFUSED] = 10,
	[FLOW_ESTABLISHED] = 3600,
	[FLOW_MIDSTREAM] = 3600,
	[FLOW_CLOSED] = 10,
	[FLOW_RESET] = 10 };

enum { HELD_S = 2 };

bool flows_init(struct flows *t, const struct limits *l, struct counters *c, struct dx_engine *e,
	struct labels *labels, const struct hash_key *seed)
{
	*t = (struct flows){ .limits = l, .counters = c, .engine = e, .labels = labels, .seed = *seed };
	if (!pool_init(&t->pool, sizeof(struct flow), l->flows) ||
		!pool_init(&t->halves, sizeof(struct half), l->halves) ||
		!pool_init(&t->convs, sizeof(struct dx_conv), l->states) || !table_init(&t->table, l->flows))
		return false;
	wheel_init(&t->wheel, &t->pool, offsetof(struct flow, wheel), offsetof(struct flow, key),
		sizeof(struct flow_key));
	lru_init(&t->by_half, &t->halves, offsetof(struct half, by_half));
	lru_init(&t->by_conv, &t->convs, offsetof(struct dx_conv, by_conv));
	lru_init(&t->by_extra, &t->convs, offsetof(struct dx_conv, by_extra));
	lru_init(&t->by_inflater, &t->convs, offsetof(struct dx_conv, by_inflater));
	return true;
}

void flows_fini(struct flows *t)
{
	pool_fini(&t->pool);
	pool_fini(&t->halves);
	pool_fini(&t->convs);
	table_fini(&t->table);
}

uint32_t flow_index(const struct flows *t, const struct flow *f)
{
	return (uint32_t)((size_t)((const uint8_t *)f - t->pool.base) / t->pool.size);
}

/* Whether the sender is the key's higher end. */
static bool key_of(const struct packet *p, struct flow_key *k)
{
	int order = addr_cmp(&p->src, &p->dst);
	bool src_is_hi = order > 0 || (order == 0 && p->sport > p->dport);
	const struct addr *lo = src_is_hi ? &p->dst : &p->src, *hi = src_is_hi ? &p->src : &p->dst;
	*k = (struct flow_key){ .vni = p->vni,
		.proto = p->proto,
		.family = p->src.family,
		.lo_port = src_is_hi ? p->dport : p->sport,
		.hi_port = src_is_hi ? p->sport : p->dport };
	memcpy(k->lo, lo->b, 16);
	memcpy(k->hi, hi->b, 16);
	return src_is_hi;
}

static bool has_hint(uint8_t l4, uint16_t port)
{
	for (unsigned p = 0; p < PROTO_DISSECTED; p++)
		if (dissectors[p]->l4 == l4)
			for (unsigned i = 0; i < 8 && dissectors[p]->ports[i]; i++)
				if (dissectors[p]->ports[i] == port)
					return true;
	return false;
}

/* Whose the server's port is, when the beginning was not seen: a port a dissector knows, else a system port
 * (RFC 6335 section 6), else the lower one. */
static bool sport_is_server(const struct packet *p)
{
	bool s = has_hint(p->proto, p->sport), d = has_hint(p->proto, p->dport);
	if (s != d)
		return s;
	if ((p->sport < 1024) != (p->dport < 1024))
		return p->sport < 1024;
	return p->sport < p->dport && p->proto == L4_TCP;
}

static void write_event(struct flows *t, const struct flow *f, const struct packet *p, unsigned event);

static void flow_start(struct flows *t, struct flow *f, const struct packet *p, bool src_is_hi)
{
	bool is_tcp = p->proto == L4_TCP, src_is_client = true;
	bool syn = is_tcp && p->tcp_flags & TCP_SYN;
	f->proto_id = PROTO_N;
	f->first_ns = f->last_ns = p->ts_ns;
	f->state = FLOW_OTHER;
	if (is_tcp)
		f->state = !syn ? FLOW_MIDSTREAM : p->tcp_flags & TCP_ACK ? FLOW_ESTABLISHED : FLOW_ATTEMPT;
	if (syn) {
		src_is_client = !(p->tcp_flags & TCP_ACK);
		f->flags |= FLOW_INITIATOR_KNOWN;
	} else if (is_tcp) {
		src_is_client = !sport_is_server(p);
	} else {
		/* policy-language.md section 16: the first sender, unless a server's port says otherwise. */
		bool reversed = p->proto == L4_UDP && p->sport != p->dport && sport_is_server(p);
		src_is_client = !reversed;
		if (!reversed)
			f->flags |= FLOW_INITIATOR_KNOWN;
	}
	if (src_is_client == src_is_hi)
		f->flags |= FLOW_CLIENT_IS_HI;
	enum dir dir = src_is_client ? DIR_CLIENT : DIR_SERVER;
	f->mac[dir] = p->smac;
	f->mac[!dir] = p->dmac;
	f->vlan[0] = f->vlan[1] = p->vlan;
	t->counters->conversations++;
}

/* Full: the oldest of eight goes, what was never established first. */
static void make_room(struct flows *t)
{
	struct flow *worst = NULL;
	t->counters->full_flows++;
	for (unsigned i = 0; i < 8; i++) {
		t->clock_hand = t->clock_hand % t->pool.cap + 1;
		struct flow *f = pool_at(&t->pool, t->clock_hand);
		bool f_weak = f->state == FLOW_ATTEMPT || f->state == FLOW_REFUSED || f->state == FLOW_OTHER;
		bool w_weak = worst && (worst->state == FLOW_ATTEMPT || worst->state == FLOW_REFUSED ||
					       worst->state == FLOW_OTHER);
		if (!worst || (f_weak && !w_weak) || (f_weak == w_weak && f->last_ns < worst->last_ns))
			worst = f;
	}
	flow_end(t, worst);
}

/* Packets come in trains, several at a time: most of them need no keyed hash. Somebody who makes
 * conversations meet here gains that they do. */
static uint32_t *recent(struct flows *t, const struct flow_key *k)
{
	uint32_t lo, hi;
	memcpy(&lo, k->lo + 12, sizeof lo);
	memcpy(&hi, k->hi + 12, sizeof hi);
	uint32_t mixed = (lo ^ hi * 31 ^ (uint32_t)k->lo_port << 16 ^ k->hi_port) * 0x9e3779b1u;
	return &t->recent[(mixed >> 16) % FLOWS_RECENT];
}

static bool is_flow_of(const struct flows *t, uint32_t i, const struct flow_key *k)
{
	return i && memcmp(&((struct flow *)pool_at(&t->pool, i))->key, k, sizeof *k) == 0;
}

static uint32_t flow_find(struct flows *t, const struct flow_key *k, uint64_t hash)
{
	uint32_t i;
	for (uint32_t at = table_first(&t->table, hash); (i = table_at(&t->table, at, hash)) != TABLE_END;
		at = table_next(&t->table, at))
		if (is_flow_of(t, i, k))
			return i;
	return 0;
}

static enum dir dir_of(const struct flow *f, bool src_is_hi)
{
	return !(f->flags & FLOW_CLIENT_IS_HI) == src_is_hi ? DIR_SERVER : DIR_CLIENT;
}

/* A new connection on the ports of an old one that is over, or whose end was not seen. Anybody can forge a
 * SYN into a live conversation: while both sides are heard, only the server's answer to it counts (a live
 * server answers with a mere ACK, RFC 9293 3.10.7.4, RFC 5961 section 4). */
static bool begins_anew(const struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	if (p->proto != L4_TCP || !(p->tcp_flags & TCP_SYN))
		return false;
	if (p->tcp_flags & TCP_ACK)
		return f->flags & FLOW_SYN_ASKED && f->syn_low == (uint16_t)p->ack;
	if (f->state == FLOW_ESTABLISHED && stream_has_isn(t, f, dir, p->seq))
		return false; /* sent again, since its answer was late */
	if (f->state == FLOW_ATTEMPT)
		return p->ts_ns - f->last_ns > 10 * SECOND;
	bool is_live = f->state == FLOW_ESTABLISHED || f->state == FLOW_MIDSTREAM;
	if (!is_live || !f->packets[0] || !f->packets[1])
		return true;
	f->flags |= FLOW_SYN_ASKED;
	f->syn_low = (uint16_t)(p->seq + 1);
	return false;
}

struct flow *flow_of(struct flows *t, const struct packet *p, enum dir *dir)
{
	struct flow_key k;
	bool src_is_hi = key_of(p, &k);
	uint32_t *lately = recent(t, &k), i = *lately;
	if (!is_flow_of(t, i, &k))
		i = flow_find(t, &k, hash_bytes(&t->seed, &k, sizeof k));
	if (i) {
		struct flow *old = pool_at(&t->pool, i);
		if (begins_anew(t, old, dir_of(old, src_is_hi), p)) {
			t->counters->conversations_closed++;
			flow_end(t, old);
			i = 0;
		}
	}
	bool is_new = i == 0;
	if (is_new) {
		if (t->pool.used == t->pool.cap)
			make_room(t);
		i = pool_get(&t->pool);
		if (!i) {
			t->counters->full_flows++;
			return NULL;
		}
	}
	struct flow *f = pool_at(&t->pool, i);
	*lately = i;
	if (is_new) {
		f->key = k;
		flow_start(t, f, p, src_is_hi);
		table_put(&t->table, hash_bytes(&t->seed, &k, sizeof k), i);
		wheel_add(&t->wheel, i, p->ts_ns / SECOND + idle_s[f->state]);
	}
	*dir = dir_of(f, src_is_hi);
	f->last_ns = p->ts_ns;
	f->packets[*dir]++;
	f->bytes[*dir] += p->wire_bytes;
	f->vlan[*dir] = p->vlan;
	if (is_new) {
		f->vlan[!*dir] = 0;
		write_event(t, f, p, FLOW_EV_START);
	}
	return f;
}

void flow_conv(const struct flow *f, const struct packet *p, struct conv *c)
{
	bool client_is_hi = f->flags & FLOW_CLIENT_IS_HI;
	*c = (struct conv){ .vni = f->key.vni,
		.proto = f->key.proto,
		.vlan = { f->vlan[0], f->vlan[1] },
		.sport = client_is_hi ? f->key.hi_port : f->key.lo_port,
		.dport = client_is_hi ? f->key.lo_port : f->key.hi_port,
		.smac = f->mac[0],
		.dmac = f->mac[1],
		.initiator_known = f->flags & FLOW_INITIATOR_KNOWN,
		.encrypted = f->flags & FLOW_ENCRYPTED,
		.odd_port = f->flags & FLOW_ODD_PORT };
	memcpy(c->src.b, client_is_hi ? f->key.hi : f->key.lo, 16);
	memcpy(c->dst.b, client_is_hi ? f->key.lo : f->key.hi, 16);
	c->src.family = c->dst.family = f->key.family;
	if (p) {
		c->icmp_type = p->icmp_type;
		c->icmp_code = p->icmp_code;
	}
}

static const char *protocol_name(const struct flows *t, const struct flow *f)
{
	if (f->proto_id < PROTO_DISSECTED)
		return dissectors[f->proto_id]->name;
	return f->ident == IDENT_LABELLED ? label_name(t->labels, f->reader) : "";
}

static void write_event(struct flows *t, const struct flow *f, const struct packet *p, unsigned event)
{
	struct conv c;
	flow_conv(f, p, &c);
	struct dx x = dx_own(t->engine, &c, DIR_CLIENT);
	ev_begin_own(&x, PROTO_flow, event);
	if (event == FLOW_EV_START) {
		if (c.proto == L4_ICMP || c.proto == L4_ICMP6)
			ev_uint(&x, FLOW_ICMP_TYPE, c.icmp_type);
	} else {
		ev_text(&x, FLOW_PROTOCOL, protocol_name(t, f));
		ev_text(&x, FLOW_STATE, state_names[f->state]);
		ev_uint(&x, FLOW_BYTES, f->bytes[0] + f->bytes[1]);
		ev_uint(&x, FLOW_PACKETS, (uint64_t)f->packets[0] + f->packets[1]);
		ev_uint(&x, FLOW_SOURCE_BYTES, f->bytes[0]);
		ev_uint(&x, FLOW_SOURCE_PACKETS, f->packets[0]);
		ev_uint(&x, FLOW_DESTINATION_BYTES, f->bytes[1]);
		ev_uint(&x, FLOW_DESTINATION_PACKETS, f->packets[1]);
		ev_time(&x, FLOW_START, (int64_t)f->first_ns);
		ev_uint(&x, FLOW_DURATION, f->last_ns - f->first_ns);
	}
	ev_end(&x);
}

void flow_release(struct flows *t, struct flow *f)
{
	half_release(t, f, DIR_CLIENT);
	half_release(t, f, DIR_SERVER);
	if (f->ident == IDENT_READ && f->reader) {
		struct dx_conv *dc = pool_at(&t->convs, f->reader);
		dx_conv_fini(t->engine, dc);
		evict_forget(t, f->reader);
		pool_put(&t->convs, f->reader);
	}
	if (f->ident == IDENT_LABEL && t->labels)
		label_put(t->labels, f->reader);
	if (f->ident != IDENT_LABELLED)
		f->reader = 0;
}

/* Probes that nobody answers are one-sided too, but short. */
enum { SIDE_PACKETS = 4 };

static void count_sides(struct flows *t, const struct flow *f)
{
	if (f->key.proto != L4_TCP || f->state == FLOW_ATTEMPT || f->state == FLOW_REFUSED ||
		f->packets[0] + (uint64_t)f->packets[1] < SIDE_PACKETS)
		return;
	t->counters->tcp_ended++;
	t->counters->tcp_one_sided += !f->packets[0] || !f->packets[1];
}

static void end_at(struct flows *t, struct flow *f, uint64_t ts_ns)
{
	uint32_t i = flow_index(t, f);
	uint64_t engine_ts = t->engine->ts_ns;
	t->engine->ts_ns = ts_ns;
	stream_end(t, f); /* what waits behind a hole, or for an answer, has waited for nothing */
	if (f->ident == IDENT_LABEL)
		identify_label(t, f, NULL);
	write_event(t, f, NULL, FLOW_EV_END);
	count_sides(t, f);
	t->counters->conversations_ended++;
	t->engine->ts_ns = engine_ts;
	flow_release(t, f);
	if (f->wheel.prev)
		wheel_del(&t->wheel, i);
	table_del(&t->table, hash_bytes(&t->seed, &f->key, sizeof f->key), i);
	uint32_t *lately = recent(t, &f->key);
	if (*lately == i)
		*lately = 0;
	pool_put(&t->pool, i);
}

void flow_end(struct flows *t, struct flow *f)
{
	end_at(t, f, t->engine->ts_ns);
}

static bool is_holding(const struct flows *t, const struct flow *f, uint64_t *since_ns)
{
	*since_ns = UINT64_MAX;
	for (unsigned d = 0; d < 2; d++) {
		if (!f->half[d] || f->flags & FLOW_ISN << d)
			continue;
		const struct half *h = pool_at(&t->halves, f->half[d]);
		if (h->held && h->held_since_ns < *since_ns)
			*since_ns = h->held_since_ns;
	}
	return *since_ns != UINT64_MAX;
}

static uint64_t due_s(const struct flows *t, const struct flow *f)
{
	uint64_t since, due = f->last_ns / SECOND + idle_s[f->state] + 1;
	if (is_holding(t, f, &since) && since / SECOND + HELD_S + 1 < due)
		due = since / SECOND + HELD_S + 1;
	return due;
}

void flow_rearm(struct flows *t, struct flow *f)
{
	uint32_t i = flow_index(t, f);
	wheel_del(&t->wheel, i);
	wheel_add(&t->wheel, i, due_s(t, f));
}

void flows_advance(struct flows *t, uint64_t now_ns)
{
	uint64_t at, now = now_ns / SECOND;
	uint32_t i;
	if (t->wheel.now_s == 0)
		t->wheel.now_s = now;
	t->now_ns = now_ns;
	if (now == t->wheel.now_s)
		return;
	t->engine->turn = TURN_DUE;
	while ((i = wheel_fire(&t->wheel, now, &at)) != 0) {
		struct flow *f = pool_at(&t->pool, i);
		uint64_t since, engine_ts = t->engine->ts_ns;
		t->engine->ts_ns = at * SECOND;
		if (is_holding(t, f, &since) && since / SECOND + HELD_S < at)
			stream_overdue(t, f);
		t->engine->ts_ns = engine_ts;
		if (f->last_ns / SECOND + idle_s[f->state] < at) {
			bool is_closed = f->state == FLOW_CLOSED || f->state == FLOW_RESET;
			++*(is_closed ? &t->counters->conversations_closed
				      : &t->counters->conversations_idle);
			end_at(t, f, at * SECOND);
		} else {
			wheel_add(&t->wheel, i, due_s(t, f));
		}
	}
	t->engine->turn = TURN_PACKET;
}

void flows_finish(struct flows *t)
{
	uint64_t at;
	uint32_t i;
	t->engine->turn = TURN_END;
	wheel_end(&t->wheel);
	while ((i = wheel_fire(&t->wheel, t->wheel.now_s, &at)) != 0)
		flow_end(t, pool_at(&t->pool, i));
}
