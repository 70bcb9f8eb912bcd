/*
 * usage: bench_rules CAPTURE... -- POLICIES...
 *
 * What the rules cost: seconds to load them, memory they take, and time per event of the captures, read once
 * and kept. policy_event is called for each event ROUNDS times over; the best round counts. A run without
 * rules is subtracted by whoever wants it.
 */
#include "decide/policy_impl.h"
#include "packet/capture.h"
#include "run/worker.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 15 };

struct bench {
	struct worker worker;
	struct inventory *inventory;
	struct counters counters;
	struct event **events;
	size_t n, cap;
	uint64_t alerts;
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void keep(void *arg, const struct event *e)
{
	struct bench *b = arg;
	if (b->n == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 1024;
		b->events = realloc(b->events, b->cap * sizeof(struct event *));
	}
	b->events[b->n] = malloc(e->len);
	memcpy(b->events[b->n++], e, e->len);
}

static void drain(void *arg)
{
	struct bench *b = arg;
	uint32_t n;
	for (const void *record; (record = ring_peek(&b->worker.ring, &n)); ring_pop(&b->worker.ring)) {
		const struct event *e = record;
		if (e->record == RECORD_COUNTERS)
			continue;
		inventory_feed(b->inventory, e);
		if (e->record == RECORD_EVENT)
			keep(b, e);
	}
}

static void read_captures(struct bench *b, const char *const *paths, size_t n, const struct limits *l,
	const struct privacy_key *key)
{
	struct diag d = { 0 };
	struct frame f;
	struct worker_setup setup = { .limits = l, .key = key, .on_full = drain, .arg = b };
	struct capture *c = capture_open(paths, n, &d);
	b->inventory = inventory_new(l, &b->counters, NULL, NULL);
	if (!c || !worker_init(&b->worker, &setup) || !b->inventory)
		exit(1);
	inventory_on_asset(b->inventory, keep, b);
	while (capture_next(c, &f)) {
		worker_packet(&b->worker, &f);
		drain(b);
	}
	worker_finish(&b->worker);
	drain(b);
	capture_close(c);
}

static void on_alert(void *arg, const struct alert *a)
{
	(void)a;
	++*(uint64_t *)arg;
}

static double least_round(struct bench *b, const struct policy *p, const struct limits *l)
{
	double least = 1e9;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct policy_run *r = policy_start(
			p, l, &b->counters, b->inventory, (struct alert_sink){ on_alert, &b->alerts });
		double from = now();
		for (size_t i = 0; i < b->n; i++)
			policy_event(r, b->events[i]);
		double took = now() - from;
		policy_stop(r);
		least = took < least ? took : least;
	}
	return least;
}

int main(int argc, char **argv)
{
	int split = 1;
	struct bench *b = calloc(1, sizeof *b);
	struct limits limits;
	struct privacy_key key;
	struct diag d = { 0 };
	struct policy_options o = { .compat_host = true };
	limits_default(&limits);
	privacy_key_init(&key, bytes_str("bench"), false);
	while (split < argc && strcmp(argv[split], "--") != 0)
		split++;
	if (!b || split < 2 || split + 1 >= argc) {
		fprintf(stderr, "usage: bench_rules CAPTURE... -- POLICIES...\n");
		return 1;
	}
	read_captures(b, (const char *const *)argv + 1, (size_t)split - 1, &limits, &key);
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	double from = now();
	struct policy *p =
		policy_load_with(&o, (const char *const *)argv + split + 1, (size_t)(argc - split - 1), &d);
	double loaded = now() - from;
	if (!p) {
		diag_print(&d, stderr, false);
		return 1;
	}
	size_t room = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	double took = least_round(b, p, &limits);
	printf("%zu rules, loaded in %.2f s, %.1f MiB; %zu events, %.0f ns an event; %llu alerts\n",
		policy_rules(p), loaded, (double)room / 1048576, b->n, took * 1e9 / (double)b->n,
		(unsigned long long)b->alerts / ROUNDS);
	policy_free(p);
	return 0;
}
