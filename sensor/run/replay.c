#include "run/replay.h"

#include "packet/capture.h"
#include "run/worker.h"

#include <stdlib.h>

enum { BATCH = 64 };

struct line {
	struct worker worker;
	struct hub hub;
};

static void drain(void *arg)
{
	struct line *l = arg;
	hub_drain(&l->hub, &l->worker.ring);
}

static void read_all(struct line *l, struct capture *c)
{
	struct frame f;
	for (unsigned i = 1; capture_next(c, &f); i++) {
		worker_packet(&l->worker, &f);
		if (i % BATCH == 0)
			drain(l);
	}
	worker_finish(&l->worker);
	drain(l);
	hub_finish(&l->hub);
}

int replay_run(const struct replay *r, const char *const *paths, size_t n, struct diag *diag)
{
	struct capture *c = capture_open(paths, n, diag);
	struct line *l = c ? calloc(1, sizeof *l) : NULL;
	/* As offline_run: the seed is fixed, equal captures give equal output. */
	struct worker_setup ws = { .limits = r->limits,
		.key = r->key,
		.seed = { 0x77617264, 0x77617463 },
		.identify = true,
		.on_full = drain,
		.arg = l };
	struct hub_setup hs = {
		.limits = r->limits, .policy = r->policy, .fingerprints = r->fingerprints, .tap = r->tap
	};
	int code = 1;
	bool ok = l && worker_init(&l->worker, &ws) && hub_init(&l->hub, &hs);
	if (ok)
		read_all(l, c);
	else if (c)
		diag_add(diag, DIAG_ERROR, paths[0], 0, 0, "E244", "not enough memory to replay it");
	if (ok)
		code = capture_end(c, diag);
	if (l) {
		hub_fini(&l->hub);
		worker_fini(&l->worker);
	}
	free(l);
	capture_close(c);
	return code;
}
