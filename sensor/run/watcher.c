#include "run/watcher.h"

#define SECOND  UINT64_C(1000000000)
#define LATE_NS (SECOND / 10)
#define LAST_NS (1 * SECOND)

enum { WAIT_MS = 100, NAP_NS = 1000000, RING_NAPS = 2000 };

static void grow(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(
		counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

static uint64_t steadied(struct watcher *w, uint64_t wall_ns)
{
	uint64_t back_ns, ns = steady_ns(&w->steady, wall_ns, w->worker.decode.last_ns, &back_ns);
	if (back_ns)
		w->worker.back_ns = back_ns;
	if (back_ns && w->index == 0) /* the others see it too */
		log_warning(w->log,
			"the clock was set back by %llu s: times go on from where they were until the next "
			"start",
			(unsigned long long)(back_ns / SECOND));
	return ns;
}

/* Links tell of the wall's time. */
static void on_frame(void *arg, const struct frame *f)
{
	struct watcher *w = arg;
	struct link *link = &w->links[f->interface];
	if (w->first_ns == 0)
		w->first_ns = f->ts_ns;
	grow(&link->packets, 1);
	grow(&link->bytes, f->wire_bytes);
	atomic_store_explicit(&link->last_ns, f->ts_ns, memory_order_relaxed);
	struct frame steady = *f;
	steady.ts_ns = steadied(w, f->ts_ns);
	uint64_t lost = w->worker.counters.events_lost, malformed = w->worker.seen.packets_malformed;
	worker_packet(&w->worker, &steady);
	if (w->worker.counters.events_lost != lost)
		grow(&link->unheard, 1);
	if (w->worker.seen.packets_malformed != malformed)
		grow(&link->malformed, 1);
}

/* Live the record is lost, and counted. At the end there is nothing else to do than to wait for the hub. */
void watcher_on_full(void *arg)
{
	struct watcher *w = arg;
	for (; w->naps && !engine_has_room(&w->worker.engine); w->naps--)
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}

static void count_losses(struct watcher *w)
{
	uint64_t lost = 0;
	for (size_t i = 0; i < w->n_interfaces; i++) {
		struct live_stats stats;
		live_stats(w->live, w->index, i, &stats);
		w->links[i].dropped = stats.dropped + (w->index == 0 ? stats.interface_dropped : 0);
		w->links[i].is_up = stats.is_up;
		lost += w->links[i].dropped;
	}
	w->worker.seen.capture_lost = lost;
}

static void post(struct watcher *w)
{
	struct figures f;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	if (now - w->posted_ns < POST_NS)
		return;
	w->posted_ns = now;
	if (now - w->asked_ns >= SECOND) {
		w->asked_ns = now;
		count_losses(w);
	}
	figures_of_worker(&f, &w->worker);
	board_post(w->board, &f);
}

/* What came before the end lies in the kernel's buffer, after a while in blocks that are handed over
 * (live.h). On a network that is never silent it is enough at some time. */
static void read_rest(struct watcher *w)
{
	uint64_t late = clock_ns(CLOCK_MONOTONIC) + LAST_NS;
	nanosleep(&(struct timespec){ .tv_nsec = (long)LATE_NS }, NULL);
	while (!*w->gone && live_read(w->live, w->index, on_frame, w, 0) > 0 &&
		clock_ns(CLOCK_MONOTONIC) < late)
		lane_done(w->lane, w->worker.decode.last_ns - 1);
}

void watcher_run(struct watcher *w)
{
	count_losses(w);
	while (!*w->stop && !*w->gone && !*w->failed) {
		/* What comes after a wait for nothing was sent shortly before it began, or later (live.h). */
		uint64_t before = clock_ns(CLOCK_REALTIME);
		int n = live_read(w->live, w->index, on_frame, w, WAIT_MS);
		if (n < 0)
			*w->gone = true;
		else if (n == 0)
			worker_idle(&w->worker, before > LATE_NS ? steadied(w, before - LATE_NS) : 0);
		if (w->worker.decode.last_ns)
			lane_done(w->lane, w->worker.decode.last_ns - 1);
		post(w);
	}
	w->ended_ns = clock_ns(CLOCK_MONOTONIC);
	w->naps = RING_NAPS;
	if (!*w->failed)
		read_rest(w);
	count_losses(w);
	worker_finish(&w->worker);
	lane_done(w->lane, LANE_OVER);
}
