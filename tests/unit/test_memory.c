/* run/memory: what is said to be mapped is what the kernel has mapped, and traffic does not change it. */
#include "base/map.h"
#include "run.h"
#include "run/memory.h"

#include <glob.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

/* Of the whole process, in bytes: /proc/self/statm, first number. */
static uint64_t address_space(void)
{
	unsigned long long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu", &pages), 1);
	fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

enum { WORKERS = 2 };

struct sensor {
	struct limits limits;
	struct privacy_key key;
	struct worker worker[WORKERS];
	struct mask *mask;
	struct outputs *outputs;
	struct hub hub;
};

static void make(struct sensor *s, const struct policy *p, struct memory *m)
{
	privacy_key_init(&s->key, bytes_str("test"), false);
	struct worker_setup ws = { .limits = &s->limits, .key = &s->key, .seed = { 1, 2 }, .identify = true };
	memory_begin(m);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_true(worker_init(&s->worker[i], &ws));
	memory_workers(m, WORKERS);
	s->mask = mask_new(&s->key, &s->limits);
	assert_non_null(s->mask);
	struct sink_config sc = { .mask = s->mask };
	s->outputs = outputs_new(&sc);
	struct hub_setup hs = { .limits = &s->limits, .policy = p, .outputs = s->outputs };
	assert_true(hub_init(&s->hub, &hs));
	memory_hub(m);
}

static void unmake(struct sensor *s)
{
	hub_fini(&s->hub);
	outputs_close(s->outputs);
	mask_free(s->mask);
	for (unsigned i = 0; i < WORKERS; i++)
		worker_fini(&s->worker[i]);
}

static void measured(uint64_t times)
{
	struct diag d = { 0 };
	static const char *const paths[] = { WW_SOURCE_DIR "/policies" };
	struct policy *p = policy_load(paths, 1, &d);
	struct sensor *s = calloc(1, sizeof *s);
	struct memory m;
	char text[MEMORY_TEXT];
	assert_non_null(p);
	assert_non_null(s);
	limits_default(&s->limits);
	s->limits.flows *= times;
	s->limits.attributes *= times;
	uint64_t before = address_space(), mapped = map_total();
	make(s, p, &m);
	uint64_t grown = address_space() - before, said = memory_bytes(&m) - mapped;
	print_message(
		"%s; the kernel says %llu MiB\n", memory_text(&m, text), (unsigned long long)(grown >> 20));
	assert_true(said <= grown && grown - said <= grown / 33);
	assert_true(m.worker_bytes > s->limits.flows * 64 && m.hub_bytes > s->limits.attributes * 32);
	assert_true(strlen(text) < MEMORY_TEXT - 1);
	unmake(s);
	assert_true(map_total() == mapped);
	free(s);
	policy_free(p);
	diag_free(&d);
}

static void as_said(void **state)
{
	(void)state;
	measured(1);
	measured(4);
}

/* All golden captures, through worker and hub. */
static void traffic_maps_nothing(void **state)
{
	(void)state;
	struct diag d = { 0 };
	static const char *const paths[] = { WW_SOURCE_DIR "/policies" };
	struct policy *p = policy_load(paths, 1, &d);
	glob_t found;
	assert_non_null(p);
	assert_int_equal(glob(WW_SOURCE_DIR "/pcaps/*/*.pcap", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct run_line *l = run_line_new(p, policy_fingerprints(p));
		uint64_t mapped = map_total();
		run_line_capture(l, found.gl_pathv[i]);
		run_line_finish(l);
		assert_true(map_total() == mapped);
		run_line_free(l);
	}
	globfree(&found);
	policy_free(p);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_said),
		cmocka_unit_test(traffic_maps_nothing) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
