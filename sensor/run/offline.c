#include "run/offline.h"

#include "base/map.h"
#include "run/merge.h"
#include "run/thread_name.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH = 64, PROGRESS_BATCHES = 256, NAP_NS = 50000 };

struct run;

/* A worker and what it reads. */
struct reader {
	struct run *run;
	struct worker worker;
	struct capture *capture;
	struct lane *lane;
	uint64_t first_ns;
	pthread_t thread;
	bool is_running;
};

struct run {
	const struct offline *o;
	struct reader *readers;
	struct lane *lanes;
	struct hub hub;
	struct state *state; /* or NULL */
	_Atomic bool failed; /* an output cannot be written: the rest need not be read */
};

static double seconds_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t peak_kib(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)u.ru_maxrss;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
}

static bool is_stopped(const struct run *r)
{
	return r->o->stop && *r->o->stop;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void drain(void *arg)
{
	struct reader *rd = arg;
	hub_drain(&rd->run->hub, &rd->worker.ring);
}

/* Nothing is ever dropped offline: the hub takes until nobody writes any more. */
static void wait_for_room(void *arg)
{
	struct reader *rd = arg;
	while (!engine_has_room(&rd->worker.engine))
		nap();
}

/* alone: the hub is on this thread. */
static void read_all(struct reader *rd, bool alone)
{
	struct run *r = rd->run;
	bool more = true;
	struct frame f = { .number = 0 };
	uint64_t done, total;
	for (unsigned batch = 0;; batch++) {
		for (unsigned i = 0; i < BATCH && (more = capture_next(rd->capture, &f)); i++) {
			if (rd->first_ns == 0)
				rd->first_ns = f.ts_ns;
			worker_packet(&rd->worker, &f);
		}
		if (alone) {
			drain(rd);
			r->failed = !outputs_ok(r->o->outputs);
		} else if (rd->worker.engine.packet > 1) {
			/* If it was the last packet, the ends of all conversations bear its number. */
			lane_done(rd->lane, rd->worker.engine.packet - 1);
		}
		if (!more || is_stopped(r) || r->failed)
			break;
		if (r->o->progress && rd->worker.index == 0 && batch % PROGRESS_BATCHES == 0) {
			capture_progress(rd->capture, &done, &total);
			r->o->progress(r->o->arg, done, total);
		}
	}
	worker_finish(&rd->worker);
	if (alone)
		drain(rd);
}

static void *reader_thread(void *arg)
{
	struct reader *rd = arg;
	thread_name("ww-work", (unsigned)(rd - rd->run->readers) + 1);
	read_all(rd, false);
	lane_done(rd->lane, LANE_OVER);
	return NULL;
}

static void take_all(struct run *r)
{
	bool over = false;
	unsigned which = 0;
	for (uint64_t n = 1; !over; n++) {
		const struct event *e = merge_next(r->lanes, r->o->n_workers, BY_PACKET, &which, &over);
		if (e) {
			if (!r->failed)
				hub_take(&r->hub, e, which);
			ring_pop(r->lanes[which].ring);
		} else if (!over) {
			nap();
		}
		if (n % BATCH == 0 && !outputs_ok(r->o->outputs))
			r->failed = true;
	}
}

/* A reader may wait for a pipe that is silent: a signal has to wake it, and this thread leaves it to it. */
static bool run_threads(struct run *r)
{
	sigset_t ends, before;
	bool fine = true;
	for (unsigned i = 0; i < r->o->n_workers; i++) {
		struct reader *rd = &r->readers[i];
		rd->is_running = pthread_create(&rd->thread, NULL, reader_thread, rd) == 0;
		fine = fine && rd->is_running;
		if (!rd->is_running)
			lane_done(rd->lane, LANE_OVER);
	}
	if (!fine)
		r->failed = true; /* those that run end soon */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &ends, &before);
	take_all(r);
	for (unsigned i = 0; i < r->o->n_workers; i++)
		if (r->readers[i].is_running)
			pthread_join(r->readers[i].thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return fine;
}

/* ---- the end --------------------------------------------------------------------------------- */

/* False: the run is not kept, which was said. */
static bool summarise(struct run *r, struct run_summary *sum, struct diag *d)
{
	const struct offline *o = r->o;
	struct dx_proto_counters proto[PROTO_N] = { 0 };
	struct counters counters = { 0 };
	for (unsigned i = 0; i < o->n_workers; i++)
		worker_add(&r->readers[i].worker, &counters, proto);
	sum->first_ns = r->readers[0].first_ns;
	sum->last_ns = r->readers[0].worker.decode.last_ns;
	sum->inputs = o->inputs;
	sum->n_inputs = o->n_inputs;
	sum->counters = &counters;
	sum->proto = proto;
	sum->notes = d;
	sum->peak_kib = peak_kib();
	hub_finish(&r->hub);
	counters_add(&counters, &r->hub.counters);
	if (!outputs_finish(o->outputs, r->hub.inventory, sum))
		return true; /* a run that failed is to be run again: nothing of it is kept */
	if (!r->state || state_save(r->state, o->store, sum->first_ns, sum->last_ns))
		return true;
	diag_add(d, DIAG_ERROR, "-", 0, 0, "", "%s", store_error(o->store));
	return false;
}

static const char *input_name(void *arg, uint32_t input)
{
	return capture_name(arg, input);
}

static bool prepare(struct run *r)
{
	const struct offline *o = r->o;
	bool alone = o->one_thread;
	struct hub_setup hs = { .limits = o->limits,
		.policy = o->policy,
		.fingerprints = o->fingerprints,
		.oui = o->oui,
		.outputs = o->outputs,
		.input_name = input_name,
		.input_arg = o->captures[0],
		.n_workers = o->n_workers };
	if (!r->readers || !r->lanes)
		return false;
	for (unsigned i = 0; i < o->n_workers; i++) {
		struct reader *rd = &r->readers[i];
		*rd = (struct reader){ .run = r, .capture = o->captures[i], .lane = &r->lanes[i] };
		rd->lane->ring = &rd->worker.ring;
		/* The seed is fixed: equal captures give equal output (design.md section 7). */
		struct worker_setup ws = { .limits = o->limits,
			.key = o->key,
			.seed = { 0x77617264, 0x77617463 },
			.index = i,
			.sharers = o->n_workers,
			.identify = o->identify,
			.on_full = alone ? drain : wait_for_room,
			.arg = rd };
		if (!worker_init(&rd->worker, &ws))
			return false;
	}
	return hub_init(&r->hub, &hs) && (!o->store || (r->state = state_new(r->hub.inventory, r->hub.policy,
								o->mask, &o->doc)) != NULL);
}

static int run_prepared(struct run *r, double begun, struct diag *d)
{
	const struct offline *o = r->o;
	struct run_summary sum = { 0 };
	bool fine = true;
	if (o->one_thread)
		read_all(&r->readers[0], true);
	else
		fine = run_threads(r);
	int code = capture_end(o->captures[0], d);
	if (is_stopped(r) && !r->failed) {
		diag_add(d, DIAG_WARNING, "-", 0, 0, "C012",
			"stopped by a signal after packet %llu; what follows was not read",
			(unsigned long long)r->readers[0].worker.engine.packet);
		code = 2;
	}
	sum.seconds = seconds_now() - begun;
	bool is_saved = summarise(r, &sum, d);
	if (!fine)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "%u threads cannot be started: -j says how many",
			o->n_workers);
	if (!outputs_ok(o->outputs))
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "%s", outputs_error(o->outputs));
	return fine && outputs_ok(o->outputs) && is_saved ? code : 1;
}

int offline_run(const struct offline *o, struct diag *d)
{
	double begun = seconds_now();
	struct run r = { .o = o };
	int code = 1;
	r.readers = map_new(o->n_workers * sizeof *r.readers);
	r.lanes = map_new(o->n_workers * sizeof *r.lanes);
	bool is_ready = prepare(&r);
	if (is_ready && (!o->store || state_restore(o->store, r.hub.inventory, r.hub.policy, d)))
		code = run_prepared(&r, begun, d);
	else if (!is_ready)
		diag_add(
			d, DIAG_ERROR, "-", 0, 0, "", "not enough memory for the limits that are configured");
	state_free(r.state);
	hub_fini(&r.hub);
	for (unsigned i = 0; r.readers && i < o->n_workers; i++)
		worker_fini(&r.readers[i].worker);
	map_free(r.readers, o->n_workers * sizeof *r.readers);
	map_free(r.lanes, o->n_workers * sizeof *r.lanes);
	return code;
}
