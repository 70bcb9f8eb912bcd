/* Who reads a conversation: an announcement, a port whose dissector's probe agrees, any probe, nDPI. */
#include "base/assert.h"
#include "packet/categories.h"
#include "packet/flow.h"
#include "packet/label.h"

#include <pthread.h>

#define SECOND 1000000000ull

static struct {
	pthread_once_t once;
	uint64_t of[3][256]; /* bits by enum proto; TCP, UDP, other */
} by_first = { .once = PTHREAD_ONCE_INIT };

static unsigned row_of(uint8_t l4)
{
	return l4 == L4_TCP ? 0 : l4 == L4_UDP ? 1 : 2;
}

/* A probe shown one byte tells for which first bytes it need not be asked at all. A datagram is whole, so one
 * byte of it is another question. */
static void ask_by_first(void)
{
	for (unsigned p = 0; p < PROTO_DISSECTED; p++) {
		const struct dissector *d = dissectors[p];
		for (unsigned b = 0; d->probe && b < 256; b++) {
			uint8_t byte = (uint8_t)b;
			if (!d->frame || d->probe(bytes_of(&byte, 1), DIR_CLIENT) != PROBE_NO ||
				d->probe(bytes_of(&byte, 1), DIR_SERVER) != PROBE_NO)
				by_first.of[row_of(d->l4)][b] |= 1ull << p;
		}
	}
}

static bool is_port_of(const struct dissector *d, uint16_t port)
{
	for (unsigned i = 0; i < 8 && d->ports[i]; i++)
		if (d->ports[i] == port)
			return true;
	return false;
}

static bool has_port(const struct dissector *d, const struct flow *f)
{
	return is_port_of(d, f->key.lo_port) || is_port_of(d, f->key.hi_port);
}

static uint64_t candidates(const struct flow *f, struct bytes first)
{
	int byte = bytes_at(first, 0);
	(void)pthread_once(&by_first.once, ask_by_first);
	return byte < 0 ? 0 : by_first.of[row_of(f->key.proto)][byte];
}

enum proto identify_expected(struct flows *t, const struct flow *f)
{
	struct conv c;
	if (t->engine->expectations_live == 0)
		return PROTO_N;
	flow_conv(f, NULL, &c);
	return dx_expected(t->engine, &c.dst, c.dport);
}

enum probe_result identify_probe(const struct flow *f, struct bytes first, enum dir dir, enum proto *proto)
{
	uint64_t set = candidates(f, first);
	enum probe_result answer = PROBE_NO;
	for (int hinted = 1; hinted >= 0; hinted--) {
		for (uint64_t left = set; left; left &= left - 1) {
			unsigned p = (unsigned)__builtin_ctzll(left);
			if (dissectors[p]->l4 != f->key.proto || has_port(dissectors[p], f) != hinted)
				continue;
			enum probe_result r = dissectors[p]->probe(first, dir);
			if (r == PROBE_YES) {
				*proto = (enum proto)p;
				return r;
			}
			if (r == PROBE_MORE)
				answer = r;
		}
		/* A port's own dissector is waited for before others are asked. */
		if (answer == PROBE_MORE)
			return answer;
	}
	return answer;
}

bool identify_is_hinted(const struct flow *f)
{
	for (unsigned p = 0; p < PROTO_DISSECTED; p++)
		if (dissectors[p]->l4 == f->key.proto && dissectors[p]->resync && has_port(dissectors[p], f))
			return true;
	return false;
}

bool identify_midstream(const struct flow *f, struct bytes in, enum dir dir, enum proto *proto)
{
	if (identify_probe(f, in, dir, proto) == PROBE_YES)
		return true;
	for (unsigned p = 0; p < PROTO_DISSECTED; p++) {
		const struct dissector *d = dissectors[p];
		if (d->l4 != f->key.proto || !d->resync || !d->probe || !has_port(d, f))
			continue;
		size_t at = d->resync(in);
		if (at < in.n && d->probe(bytes_from(in, at), dir) == PROBE_YES) {
			*proto = (enum proto)p;
			return true;
		}
	}
	return false;
}

bool identify_begin(struct flows *t, struct flow *f, enum proto proto, bool midstream)
{
	const struct dissector *d = dissectors[proto];
	if (f->ident == IDENT_LABEL)
		label_put(t->labels, f->reader);
	f->reader = 0;
	f->ident = IDENT_READ;
	f->proto_id = (uint8_t)proto;
	if (d->ports[0] && !has_port(d, f))
		f->flags |= FLOW_ODD_PORT;
	if (d->state_size == 0 && !d->frame)
		return true;
	if (t->convs.used == t->convs.cap)
		evict_conv(t);
	f->reader = pool_get(&t->convs);
	struct dx_conv *dc = pool_at(&t->convs, f->reader);
	if (f->reader && dx_conv_init(t->engine, dc, proto, midstream)) {
		dc->owner = flow_index(t, f);
		lru_touch(&t->by_conv, f->reader, false, t->engine->ts_ns / SECOND);
		return true;
	}
	if (f->reader)
		pool_put(&t->convs, f->reader);
	else
		t->counters->full_states++;
	f->reader = 0;
	f->ident = IDENT_DONE;
	return false;
}

/* ---- datagrams --------------------------------------------------------------------------- */

static void read_datagram(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	struct dx_conv once = { .proto = f->proto_id };
	struct dx_conv *dc = f->reader ? pool_at(&t->convs, f->reader) : &once;
	struct conv c;
	bool encrypted = f->flags & FLOW_ENCRYPTED;
	flow_conv(f, p, &c);
	/* All clients without an address share one conversation (0.0.0.0, ::): each frame says whose it is.
	 */
	if (p->has_mac) {
		c.smac = dir == DIR_CLIENT ? p->smac : p->dmac;
		c.dmac = dir == DIR_CLIENT ? p->dmac : p->smac;
	}
	c.vlan[dir] = p->vlan;
	dx_datagram(t->engine, dc, &c, &encrypted, dir, p->payload, p->is_cut);
	if (encrypted)
		f->flags |= FLOW_ENCRYPTED;
	if (f->reader && dc->s[0].dead && dc->s[1].dead) {
		flow_release(t, f);
		f->ident = IDENT_DONE;
	} else if (f->reader) {
		evict_after_call(t, f->reader);
	} else {
		dx_conv_fini(t->engine, &once);
	}
}

void datagram_push(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	enum proto proto;
	if (p->payload.n == 0 || p->is_fragment)
		return;
	if (f->ident == IDENT_NEW || f->ident == IDENT_LABEL) {
		proto = f->packets[0] + f->packets[1] == 1 ? identify_expected(t, f) : PROTO_N;
		if (proto != PROTO_N || identify_probe(f, p->payload, dir, &proto) == PROBE_YES)
			identify_begin(t, f, proto, false);
		else
			identify_label(t, f, p);
	}
	if (f->ident == IDENT_READ)
		read_datagram(t, f, dir, p);
}

void ether_push(struct flows *t, const struct packet *p)
{
	for (unsigned i = 0; i < PROTO_DISSECTED; i++) {
		if (dissectors[i]->l4 != L4_ETHER || !dissectors[i]->pdu ||
			!is_port_of(dissectors[i], p->ethertype))
			continue;
		struct dx_conv once = { .proto = (uint8_t)i };
		struct conv c = { .smac = p->smac,
			.dmac = p->dmac,
			.vlan = { p->vlan, 0 },
			.vni = p->vni,
			.initiator_known = true };
		bool encrypted = false;
		dx_datagram(t->engine, &once, &c, &encrypted, DIR_CLIENT, p->payload, p->is_cut);
		dx_conv_fini(t->engine, &once);
	}
}

/* ---- nDPI -------------------------------------------------------------------------------- */

static void put_risk(void *arg, const char *risk)
{
	ev_text(arg, FLOW_RISKS, risk);
}

static void label_end(struct flows *t, struct flow *f, const struct packet *p, uint32_t verdict)
{
	struct conv c;
	uint32_t label = f->reader;
	f->ident = verdict ? IDENT_LABELLED : IDENT_UNKNOWN;
	f->reader = verdict;
	if (verdict) {
		flow_conv(f, p, &c);
		struct dx x = dx_own(t->engine, &c, DIR_CLIENT);
		ev_begin_own(&x, PROTO_flow, FLOW_EV_LABEL);
		ev_text(&x, FLOW_PROTOCOL, label_name(t->labels, verdict));
		label_risks(t->labels, label, put_risk, &x);
		ev_end(&x);
	}
	label_put(t->labels, label);
}

/* If need be that of the conversation silent longest: nDPI says what it makes of what it has seen, and who is
 * not known to it may yet be recognised. */
static uint32_t label_for(struct flows *t, const struct flow *f)
{
	if (!t->labels)
		return 0;
	uint32_t oldest = label_evict(t->labels);
	if (oldest) {
		struct flow *old = pool_at(&t->pool, oldest);
		identify_label(t, old, NULL);
		if (old->ident == IDENT_UNKNOWN)
			old->ident = IDENT_NEW;
	}
	return label_get(t->labels, flow_index(t, f));
}

void identify_label(struct flows *t, struct flow *f, const struct packet *p)
{
	uint32_t verdict = 0;
	if (!p) {
		label_end(t, f, NULL, label_giveup(t->labels, f->reader));
		return;
	}
	if (f->ident == IDENT_NEW) {
		uint32_t label = label_for(t, f);
		if (!label) {
			/* The other direction may yet be recognised. */
			if (f->packets[0] + f->packets[1] > t->limits->probe_packets + 4)
				f->ident = IDENT_UNKNOWN;
			return;
		}
		f->ident = IDENT_LABEL;
		f->reader = label;
	}
	if (label_packet(t->labels, f->reader, p, &verdict))
		label_end(t, f, p, verdict);
	else if (f->packets[0] + f->packets[1] > t->limits->probe_packets + 4)
		label_end(t, f, p, label_giveup(t->labels, f->reader));
}
