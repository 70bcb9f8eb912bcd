#include "run/offline.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH = 64, PROGRESS_BATCHES = 256 };

struct line {
	struct worker worker;
	struct hub hub;
};

static void drain(void *arg)
{
	struct line *l = arg;
	hub_drain(&l->hub, &l->worker.ring);
}

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

/* False: a signal came before the end of the captures. */
static bool read_all(const struct offline *o, struct line *l, struct run_summary *sum)
{
	bool more = true;
	struct frame f;
	uint64_t done, total;
	for (unsigned batch = 0;; batch++) {
		for (unsigned i = 0; i < BATCH && (more = capture_next(o->capture, &f)); i++) {
			if (sum->first_ns == 0)
				sum->first_ns = f.ts_ns;
			worker_packet(&l->worker, &f);
		}
		drain(l);
		if (!more || (o->stop && *o->stop) || !outputs_ok(o->outputs))
			break;
		if (o->progress && batch % PROGRESS_BATCHES == 0) {
			capture_progress(o->capture, &done, &total);
			o->progress(o->arg, done, total);
		}
	}
	worker_finish(&l->worker);
	drain(l);
	sum->last_ns = l->worker.decode.last_ns;
	return !(o->stop && *o->stop) || !outputs_ok(o->outputs);
}

/* The worker's and the hub's counters are one run's. */
static void add_counters(struct counters *sum, const struct counters *more)
{
	for (size_t i = 0; i < counter_rows_n; i++) {
		uint64_t v = counter_get(sum, &counter_rows[i]) + counter_get(more, &counter_rows[i]);
		memcpy((char *)sum + counter_rows[i].offset, &v, sizeof v);
	}
}

static void summarise(const struct offline *o, struct line *l, struct run_summary *sum, struct diag *d)
{
	static const struct dx_proto_counters none;
	uint64_t malformed[PROTO_N], events[PROTO_N], junk[PROTO_N];
	struct counters counters;
	for (unsigned p = 0; p < PROTO_N; p++) {
		const struct dx_proto_counters *c = p < PROTO_DISSECTED ? &l->worker.engine.proto[p] : &none;
		malformed[p] = c->malformed;
		events[p] = c->events;
		junk[p] = c->junk_bytes;
	}
	sum->inputs = o->inputs;
	sum->n_inputs = o->n_inputs;
	sum->counters = &counters;
	sum->malformed = malformed;
	sum->proto_events = events;
	sum->junk_bytes = junk;
	sum->notes = d;
	sum->peak_kib = peak_kib();
	hub_finish(&l->hub);
	counters = l->worker.counters;
	add_counters(&counters, &l->hub.counters);
	(void)outputs_finish(o->outputs, l->hub.inventory, sum);
}

int offline_run(const struct offline *o, struct diag *d)
{
	double begun = seconds_now();
	struct run_summary sum = { 0 };
	struct line *l = calloc(1, sizeof *l);
	/* Offline the seed is fixed: equal captures give equal output (design.md section 7). */
	struct worker_setup ws = { .limits = o->limits,
		.key = o->key,
		.seed = { 0x77617264, 0x77617463 },
		.identify = o->identify,
		.on_full = drain,
		.arg = l };
	struct hub_setup hs = { .limits = o->limits,
		.policy = o->policy,
		.fingerprints = o->fingerprints,
		.oui = o->oui,
		.outputs = o->outputs };
	int code = 1;
	if (l && worker_init(&l->worker, &ws) && hub_init(&l->hub, &hs)) {
		bool whole = read_all(o, l, &sum);
		code = capture_end(o->capture, d);
		if (!whole) {
			diag_add(d, DIAG_WARNING, "-", 0, 0, "C012",
				"stopped by a signal after packet %llu; what follows was not read",
				(unsigned long long)l->worker.engine.packet);
			code = 2;
		}
		sum.seconds = seconds_now() - begun;
		summarise(o, l, &sum, d);
		if (!outputs_ok(o->outputs)) {
			diag_add(d, DIAG_ERROR, "-", 0, 0, "", "%s", outputs_error(o->outputs));
			code = 1;
		}
	} else {
		diag_add(
			d, DIAG_ERROR, "-", 0, 0, "", "not enough memory for the limits that are configured");
	}
	if (l) {
		hub_fini(&l->hub);
		worker_fini(&l->worker);
	}
	free(l);
	return code;
}
