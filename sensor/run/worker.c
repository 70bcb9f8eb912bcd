#include "run/worker.h"

static void tell_health(void *arg, const struct health_news *n)
{
	struct worker *w = arg;
	const struct conv nobody = { 0 };
	struct dx x = dx_own(&w->engine, &nobody, DIR_CLIENT);
	ev_begin_own(&x, PROTO_sensor, n->event);
	ev_text(&x, SENSOR_COUNTER, n->counter);
	ev_uint(&x, SENSOR_VALUE, n->value);
	if (n->share)
		ev_uint(&x, SENSOR_SHARE, n->share);
	ev_end(&x);
}

void worker_packet(struct worker *w, const struct frame *f)
{
	struct packet p;
	enum dir dir;
	uint64_t latest_ns = w->decode.last_ns;
	enum decoded is = decode_frame(&w->decode, f, &p);

	dx_engine_packet(&w->engine, w->decode.last_ns, f->number);
	flows_advance(&w->flows, w->decode.last_ns);
	health_time(&w->health, f->ts_ns, latest_ns);
	health_look(&w->health, &w->counters, w->decode.last_ns, tell_health, w);
	if (dedup_is_copy(&w->dedup, f->ts_ns, is, &p))
		return;
	if (is == DECODE_FRAGMENT)
		is = decode_join(&w->decode, &p);
	if (is != DECODE_PACKET)
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

bool worker_init(struct worker *w, const struct worker_setup *s)
{
	*w = (struct worker){ .labels = NULL };
	if (s->identify && !(w->labels = labels_new(s->limits, &w->counters)))
		return false;
	dedup_init(&w->dedup, &w->counters, &s->seed);
	return decode_init(&w->decode, s->limits, &w->counters, &s->seed) &&
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
	labels_free(w->labels);
}

void worker_finish(struct worker *w)
{
	flows_finish(&w->flows);
	health_finish(&w->health, &w->counters, w->decode.last_ns, tell_health, w);
}
