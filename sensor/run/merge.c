#include "run/merge.h"

void lane_done(struct lane *l, uint64_t packet_or_ns)
{
	atomic_store_explicit(
		&l->done, packet_or_ns == LANE_OVER ? UINT64_MAX : packet_or_ns, memory_order_release);
}

/* The lower of both addresses first, as in struct flow_key. */
static int pair_cmp(const struct conv *x, const struct conv *y)
{
	bool x_turned = addr_cmp(&x->src, &x->dst) > 0, y_turned = addr_cmp(&y->src, &y->dst) > 0;
	int order = memcmp(x_turned ? x->dst.b : x->src.b, y_turned ? y->dst.b : y->src.b, sizeof x->src.b);
	if (order)
		return order;
	return memcmp(x_turned ? x->src.b : x->dst.b, y_turned ? y->src.b : y->dst.b, sizeof x->src.b);
}

static uint64_t place(const struct event *e, enum merge_by by)
{
	return by == BY_TIME ? e->ts_ns : e->packet;
}

static bool is_before(const struct event *x, const struct event *y, enum merge_by by)
{
	if (by == BY_TIME)
		return x->ts_ns < y->ts_ns;
	if (x->packet != y->packet)
		return x->packet < y->packet;
	if (x->turn != y->turn)
		return x->turn < y->turn;
	if (x->ts_ns != y->ts_ns)
		return x->ts_ns < y->ts_ns;
	return pair_cmp(&x->conv, &y->conv) < 0;
}

const struct event *merge_next(struct lane *lanes, unsigned n, enum merge_by by, unsigned *which, bool *over)
{
	const struct event *first = NULL;
	uint64_t least = UINT64_MAX; /* how far those have come that have nothing to give */
	uint32_t bytes;
	for (unsigned i = 0; i < n; i++) {
		uint64_t done = atomic_load_explicit(&lanes[i].done, memory_order_acquire);
		const struct event *e = ring_peek(lanes[i].ring, &bytes);
		if (!e) {
			least = done < least ? done : least;
		} else if (!first || is_before(e, first, by)) {
			first = e;
			*which = i;
		}
	}
	*over = !first && least == UINT64_MAX;
	return first && place(first, by) <= least ? first : NULL;
}
