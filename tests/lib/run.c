#include "run.h"

#include "base/assert.h"

#include <stdlib.h>

static void drain(void *arg)
{
	struct run_line *l = arg;
	uint32_t n;
	if (l->has_hub) {
		hub_drain(&l->hub, &l->worker.ring);
		return;
	}
	for (; ring_peek(&l->worker.ring, &n); ring_pop(&l->worker.ring))
		l->records++;
}

static void small_limits(struct limits *l)
{
	limits_default(l);
	l->flows = l->halves = l->states = 256;
	l->extras = l->inflaters = 4;
	l->stream_total_mib = 2;
	l->expectations = l->fragments = l->labels = 16;
	l->fragment_kib = 64;
	l->devices = l->addresses = l->attributes = 256;
	l->phi_tokens = l->alerts = l->alert_patients = 256;
	l->ring_kib = 256;
}

struct run_line *run_line_new(const struct policy *policy, const struct fingerprints *fingerprints)
{
	struct run_line *l = calloc(1, sizeof *l);
	ASSERT(l);
	small_limits(&l->limits);
	privacy_key_init(&l->key, bytes_str("test"), false);
	struct worker_setup ws = {
		.limits = &l->limits, .key = &l->key, .seed = { 1, 2 }, .on_full = drain, .arg = l
	};
	ASSERT(worker_init(&l->worker, &ws));
	if (policy) {
		l->has_hub = true;
		l->mask = mask_new(&l->key, &l->limits);
		struct sink_config sc = { .mask = l->mask };
		l->outputs = outputs_new(&sc);
		ASSERT(l->mask && l->outputs);
		struct hub_setup hs = { .limits = &l->limits,
			.policy = policy,
			.fingerprints = fingerprints,
			.outputs = l->outputs };
		ASSERT(hub_init(&l->hub, &hs));
	}
	return l;
}

void run_line_frame(struct run_line *l, const struct frame *f)
{
	worker_packet(&l->worker, f);
	drain(l);
}

void run_line_capture(struct run_line *l, const char *path)
{
	struct diag d = { 0 };
	struct frame f;
	struct capture *c = capture_open(&path, 1, &d);
	ASSERT(c);
	while (capture_next(c, &f))
		run_line_frame(l, &f);
	capture_close(c);
	diag_free(&d);
}

void run_line_finish(struct run_line *l)
{
	worker_finish(&l->worker);
	drain(l);
	if (l->has_hub)
		hub_finish(&l->hub);
}

void run_line_free(struct run_line *l)
{
	if (l->has_hub)
		hub_fini(&l->hub);
	worker_fini(&l->worker);
	outputs_close(l->outputs);
	mask_free(l->mask);
	free(l);
}
