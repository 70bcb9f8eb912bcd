#include "packet/health.h"

#define SECOND UINT64_C(1000000000)

enum { HOUR_S = 3600 };
/* Below these a share says nothing: a short capture, a quiet night. */
enum { MIN_GAPS = 20, MIN_PACKETS = 1000, MIN_CONVERSATIONS = 20 };
enum { LOSS_PERCENT = 2, CUT_PERCENT = 5, ONE_SIDED_PERCENT = 50, DUPLICATES_PERCENT = 10 };
/* Packets of several network cards and captures merged lie apart by less. */
enum { BACK_S = 10 };

struct looking {
	struct health *h;
	uint64_t now_ns;
	void (*fn)(void *arg, const struct health_news *n);
	void *arg;
};

static void tell(const struct looking *l, unsigned kind, const struct health_news *n)
{
	uint64_t *told = &l->h->told_ns[kind];
	if (*told && l->now_ns - *told < HOUR_S * SECOND)
		return;
	*told = l->now_ns;
	l->fn(l->arg, n);
}

/* value is part of all; told from `least` of them on that are `percent` of all. */
static void share(
	const struct looking *l, unsigned kind, struct health_news n, uint64_t all, uint64_t percent)
{
	n.share = all ? n.value * 100 / all : 0;
	if (n.value && n.share >= percent)
		tell(l, kind, &n);
}

/* These are reached by single messages and cost no more than a part of one. */
static bool is_of_a_message(unsigned kind)
{
	return kind == HEALTH_FULL_event_facts || kind == HEALTH_FULL_fact_bytes ||
	       kind == HEALTH_FULL_array_bytes || kind == HEALTH_FULL_tunnel_depth ||
	       kind == HEALTH_FULL_junk_kib || kind == HEALTH_FULL_stream_held_kib;
}

static void look_at_tables(const struct looking *l, const struct counters *now)
{
	unsigned kind = 0;
	for (size_t i = 0; i < counter_rows_n; i++) {
		const struct counter_row *row = &counter_rows[i];
		if (!row->is_full)
			continue;
		uint64_t grown = counter_get(now, row) - counter_get(&l->h->before, row);
		if (grown && !is_of_a_message(kind))
			tell(l, kind, &(struct health_news){ SENSOR_EV_TABLE_FULL, row->name, grown, 0 });
		kind++;
	}
}

static void look_at_losses(const struct looking *l, const struct counters *now)
{
	const struct counters *before = &l->h->before;
	uint64_t packets = now->packets - before->packets;
	uint64_t gaps = now->gaps - before->gaps, lost = now->gap_bytes - before->gap_bytes;
	uint64_t read = now->stream_bytes - before->stream_bytes;
	if (gaps >= MIN_GAPS)
		share(l, HEALTH_GAPS, (struct health_news){ SENSOR_EV_LOSS, "gap_bytes", lost, 0 },
			lost + read, LOSS_PERCENT);
	/* Live only; offline nothing is dropped. Of these any is news. */
	uint64_t dropped = now->capture_lost - before->capture_lost;
	share(l, HEALTH_CAPTURE, (struct health_news){ SENSOR_EV_LOSS, "capture_lost", dropped, 0 },
		packets + dropped, 0);
	uint64_t events = now->events - before->events, unheard = now->events_lost - before->events_lost;
	share(l, HEALTH_RING, (struct health_news){ SENSOR_EV_LOSS, "events_lost", unheard, 0 },
		events + unheard, 0);
	uint64_t ended = now->tcp_ended - before->tcp_ended;
	uint64_t one_sided = now->tcp_one_sided - before->tcp_one_sided;
	if (ended >= MIN_CONVERSATIONS)
		share(l, HEALTH_ONE_SIDED,
			(struct health_news){ SENSOR_EV_ONE_SIDED, "tcp_one_sided", one_sided, 0 }, ended,
			ONE_SIDED_PERCENT);
	if (packets < MIN_PACKETS)
		return;
	uint64_t cut = now->packets_cut - before->packets_cut;
	share(l, HEALTH_CUT, (struct health_news){ SENSOR_EV_LOSS, "packets_cut", cut, 0 }, packets,
		CUT_PERCENT);
	uint64_t copies = now->duplicates - before->duplicates;
	share(l, HEALTH_DUPLICATES, (struct health_news){ SENSOR_EV_DUPLICATES, "duplicates", copies, 0 },
		packets, DUPLICATES_PERCENT);
}

void health_look(struct health *h, const struct worker_news *all, uint64_t now_ns,
	void (*fn)(void *arg, const struct health_news *n), void *arg)
{
	struct looking l = { h, now_ns, fn, arg };
	look_at_tables(&l, &all->counters);
	look_at_losses(&l, &all->counters);
	if (all->back_ns > BACK_S * SECOND)
		tell(&l, HEALTH_CLOCK,
			&(struct health_news){ SENSOR_EV_CLOCK_JUMP, "clock", all->back_ns / SECOND, 0 });
	h->before = all->counters;
}
