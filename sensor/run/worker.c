#include "run/worker.h"

enum { AGAIN_NS = 1000000 };

static void add_counters(const struct worker *w, struct counters *c)
{
	counters_add(c, &w->counters);
	if (w->index == 0) /* what all of them see */
		counters_add(c, &w->seen);
}

void worker_add(const struct worker *w, struct counters *c, struct dx_proto_counters proto[PROTO_N])
{
	add_counters(w, c);
	for (unsigned p = 0; p < PROTO_N; p++)
		dx_proto_add(&proto[p], &w->engine.proto[p]);
}

static bool tell_counters(struct worker *w, enum turn turn)
{
	struct worker_news n = { .back_ns = w->back_ns };
	if (w->index == 0) { /* it sees what they all do */
		n.n_traffic = w->traffic.n;
		n.traffic_is_cut = w->traffic.is_cut;
	}
	add_counters(w, &n.counters);
	if (!engine_counters(&w->engine, turn, &n, w->traffic.rows))
		return false;
	traffic_clear(&w->traffic);
	w->back_ns = 0;
	return true;
}

/* Once a minute; the first begins with the first packet. Live the ring may be full, which is what has to be
 * told: it is tried again. */
static void tell_minute(struct worker *w, uint64_t ts_ns, uint64_t latest_ns)
{
	if (ts_ns < latest_ns && latest_ns - ts_ns > w->back_ns)
		w->back_ns = latest_ns - ts_ns;
	if (w->decode.last_ns < w->minute_end_ns)
		return;
	bool told = !w->minute_end_ns || tell_counters(w, TURN_COUNTERS);
	w->minute_end_ns = w->decode.last_ns + (told ? HEALTH_MINUTE_S * UINT64_C(1000000000) : AGAIN_NS);
}

/* By the host pair, the same in both directions. */
static bool is_mine(const struct worker *w, const struct packet *p)
{
	uint64_t a[2] = { 0 }, b[2] = { 0 };
	if (w->sharers < 2)
		return true;
	memcpy(a, p->is_ip ? p->src.b : p->smac.b, p->is_ip ? sizeof p->src.b : sizeof p->smac.b);
	memcpy(b, p->is_ip ? p->dst.b : p->dmac.b, p->is_ip ? sizeof p->dst.b : sizeof p->dmac.b);
	uint64_t sum = (a[0] + b[0]) * 0x9e3779b97f4a7c15u + (a[1] + b[1]) * 0xc2b2ae3d27d4eb4fu;
	return (sum >> 32) % w->sharers == w->index;
}

void worker_packet(struct worker *w, const struct frame *f)
{
	struct packet p;
	enum dir dir;
	uint64_t latest_ns = w->decode.last_ns;
	enum decoded is = decode_frame(&w->decode, f, &p);

	dx_engine_packet(&w->engine, w->decode.last_ns, f->number);
	flows_advance(&w->flows, w->decode.last_ns);
	tell_minute(w, f->ts_ns, latest_ns);
	traffic_count(&w->traffic, f, is == DECODE_MALFORMED ? 0 : p.vlan, w->decode.last_ns);
	bool is_whole = is == DECODE_PACKET;
	if (is_whole && !is_mine(w, &p))
		return;
	if (dedup_is_copy(&w->dedup, f->ts_ns, is, &p)) {
		(is_whole ? &w->counters : &w->seen)->duplicates++;
		return;
	}
	if (is == DECODE_FRAGMENT)
		is = decode_join(&w->decode, &p);
	if (is != DECODE_PACKET || (!is_whole && !is_mine(w, &p)))
		return;
	if (!p.is_ip) {
		ether_push(&w->flows, &p);
		return;
	}
	struct flow *flow = flow_of(&w->flows, &p, &dir);
	if (!flow)
		return;
	if (p.proto == L4_TCP)
		stream_push(&w->flows, flow, dir, &p);
	else
		datagram_push(&w->flows, flow, dir, &p);
}

void worker_idle(struct worker *w, uint64_t now_ns)
{
	if (now_ns <= w->decode.last_ns)
		return;
	w->decode.last_ns = now_ns;
	dx_engine_packet(&w->engine, now_ns, w->engine.packet);
	flows_advance(&w->flows, now_ns);
	tell_minute(w, now_ns, now_ns);
}

bool worker_init(struct worker *w, const struct worker_setup *s)
{
	*w = (struct worker){ .index = s->index, .sharers = s->sharers };
	if (s->identify && !(w->labels = labels_new(s->limits, &w->counters)))
		return false;
	dedup_init(&w->dedup, &s->seed);
	return traffic_init(&w->traffic, (uint32_t)s->limits->vlans, &w->seen) &&
	       decode_init(&w->decode, s->limits, &w->seen, &s->seed) &&
	       ring_init(&w->ring, s->limits->ring_kib << 10) &&
	       dx_engine_init(&w->engine, s->limits, &w->counters, &w->ring, s->key, s->on_full, s->arg) &&
	       flows_init(&w->flows, s->limits, &w->counters, &w->engine, w->labels, &s->seed);
}

void worker_fini(struct worker *w)
{
	flows_fini(&w->flows);
	dx_engine_fini(&w->engine);
	ring_fini(&w->ring);
	decode_fini(&w->decode);
	traffic_fini(&w->traffic);
	labels_free(w->labels);
}

void worker_finish(struct worker *w)
{
	flows_finish(&w->flows);
	(void)tell_counters(w, TURN_LAST);
}
