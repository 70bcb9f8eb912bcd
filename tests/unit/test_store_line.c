/* Saves of a live sensor over the ring: what changed is written, and what could not be written comes again.
 */
#include "run/store_line.h"

#include "decide/mask.h"
#include "world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static const char rules[] =
	"dialect: wardwatch/1\nkind: baselines\nbaselines:\n    peers: {event: flow, key: [source.ip], "
	"value: "
	"[destination.ip], learn: 1h}\n---\ndialect: wardwatch/1\ntitle: t\nname: r\nid: "
	"5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\nlogsource: {product: wardwatch, service: flow}\n"
	"detection: {s: {peers|baseline: new}, condition: s}\n";

static void on_alert(void *arg, const struct alert *a)
{
	(void)arg;
	(void)a;
}

struct sensor {
	struct world *w;
	struct policy *policy;
	struct policy_run *run;
	struct mask *mask;
	struct state *state;
	struct store *store;
	struct store_line line;
	struct diag diag;
	char path[64];
};

static const struct privacy_key key = { .from_file = true };

static void start(struct sensor *s, struct world *w)
{
	struct alert_sink sink = { on_alert, NULL };
	struct doc_context context = { .sensor_name = "test" };
	*s = (struct sensor){ .w = w };
	s->policy = policy_load_text("t.yml", bytes_str(rules), &s->diag);
	assert_non_null(s->policy);
	s->run = policy_start(s->policy, &w->limits, &w->counters, w->inv, sink);
	s->mask = mask_new(&key, &w->limits);
	s->state = state_new(w->inv, s->run, s->mask, &context);
	assert_true(s->run && s->mask && s->state && store_line_init(&s->line));
	snprintf(s->path, sizeof s->path, "/tmp/ward-line-%ld.db", (long)getpid());
	s->store = store_open(s->path, &s->diag);
	assert_non_null(s->store);
}

static void stop(struct sensor *s)
{
	static const char *const parts[] = { "", "-wal", "-shm" };
	char path[80];
	store_close(s->store);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "%s%s", s->path, parts[i]);
		unlink(path);
	}
	store_line_fini(&s->line);
	state_free(s->state);
	mask_free(s->mask);
	policy_finish(s->run);
	policy_stop(s->run);
	policy_free(s->policy);
	diag_free(&s->diag);
}

static void count(void *arg, const char *name, struct bytes state)
{
	(void)name;
	*(size_t *)arg += state.n > 0;
}

static size_t kept(struct sensor *s, enum store_kind kind)
{
	size_t n = 0;
	assert_true(store_each(s->store, kind, count, &n));
	return n;
}

/* One save; true: it was written. */
static bool save(struct sensor *s)
{
	unsigned calls = 0;
	while (!store_line_save(&s->line, s->state, 1, 2, 1))
		assert_in_range(++calls, 1, 100);
	return store_line_take(&s->line, s->store);
}

static void conversation(struct sensor *s)
{
	struct event e = {
		.len = sizeof e, .proto = PROTO_flow, .event = FLOW_EV_END, .packet = 1, .ts_ns = 5
	};
	e.conv.src = addr_v4(bytes_of((uint8_t[]){ 10, 0, 0, 5 }, 4));
	e.conv.dst = addr_v4(bytes_of((uint8_t[]){ 10, 0, 0, 6 }, 4));
	policy_event(s->run, &e);
}

static void test_save(void **state)
{
	struct sensor s;
	start(&s, *state);
	arp(s.w, "10.0.0.5", CT);
	conversation(&s);
	assert_true(save(&s));
	assert_int_equal(kept(&s, STORE_DEVICE), 1);
	assert_int_equal(kept(&s, STORE_BASELINE), 1);
	arp(s.w, "10.0.0.6", PACS);
	assert_true(save(&s));
	assert_int_equal(kept(&s, STORE_DEVICE), 2);
	assert_true(save(&s)); /* nothing changed */
	assert_int_equal(kept(&s, STORE_DEVICE), 2);
	stop(&s);
}

static void test_full_ring(void **state)
{
	struct sensor s;
	start(&s, *state);
	while (ring_reserve(&s.line.ring, 100))
		ring_commit(&s.line.ring, 100);
	arp(s.w, "10.0.0.5", CT);
	conversation(&s);
	for (unsigned i = 0; i < 5; i++)
		assert_false(store_line_save(&s.line, s.state, 1, 2, 1000)); /* nobody waits */
	uint32_t n;
	while (ring_peek(&s.line.ring, &n))
		ring_pop(&s.line.ring);
	assert_true(save(&s));
	assert_int_equal(kept(&s, STORE_DEVICE), 1);
	assert_int_equal(kept(&s, STORE_BASELINE), 1);
	stop(&s);
}

static void test_full_disk(void **state)
{
	struct sensor s;
	struct rlimit old, small;
	char ip[16], mac[MAC_TEXT];
	start(&s, *state);
	for (unsigned i = 1; i < 40; i++) {
		snprintf(ip, sizeof ip, "10.0.1.%u", i);
		snprintf(mac, sizeof mac, "00-01-E3-52-21-%02X", i);
		arp(s.w, ip, mac);
	}
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 8192;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool fine = save(&s);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_false(fine);
	assert_true(strstr(store_error(s.store), s.path) != NULL);
	assert_int_equal(kept(&s, STORE_DEVICE), 0);
	assert_true(save(&s)); /* though nothing has changed since */
	assert_int_equal(kept(&s, STORE_DEVICE), 39);
	stop(&s);
}

/* One fails, the next has begun when the shipper comes: why the first one did is not forgotten over it. */
static void test_failure_is_said(void **state)
{
	struct sensor s;
	struct rlimit old, small;
	start(&s, *state);
	arp(s.w, "10.0.0.5", CT);
	while (!store_line_save(&s.line, s.state, 1, 2, 1))
		;
	arp(s.w, "10.0.0.6", PACS);
	while (!store_line_save(&s.line, s.state, 1, 2, 1))
		;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 8192;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool fine = store_line_take(&s.line, s.store);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_false(fine);
	assert_true(strstr(store_error(s.store), s.path) != NULL);
	assert_true(store_line_take(&s.line, s.store)); /* the second */
	assert_int_equal(kept(&s, STORE_DEVICE), 1);
	assert_true(save(&s)); /* the first one's again */
	assert_int_equal(kept(&s, STORE_DEVICE), 2);
	stop(&s);
}

/* The end comes before a save's: what it has handed on is kept, and what it has not reached as well. */
static void test_cut(void **state)
{
	struct sensor s;
	char ip[16], mac[MAC_TEXT];
	start(&s, *state);
	for (unsigned i = 1; i < 40; i++) {
		snprintf(ip, sizeof ip, "10.0.1.%u", i);
		snprintf(mac, sizeof mac, "00-01-E3-52-21-%02X", i);
		arp(s.w, ip, mac);
	}
	assert_true(save(&s));
	store_close(s.store);
	state_free(s.state);
	struct doc_context context = { .sensor_name = "test" };
	s.store = store_open(s.path, &s.diag);
	s.state = state_new(s.w->inv, s.run, s.mask, &context);
	assert_true(s.store && s.state);
	assert_true(store_line_cut(&s.line, s.state, 1, 2)); /* of none */
	assert_true(store_line_take(&s.line, s.store));
	unsigned calls = 0;
	while (calls++ < 5)
		assert_false(store_line_save(&s.line, s.state, 1, 2, 1));
	assert_true(store_line_cut(&s.line, s.state, 1, 2));
	assert_true(store_line_take(&s.line, s.store));
	assert_false(store_is_open(s.store)); /* it was committed */
	assert_int_equal(kept(&s, STORE_DEVICE), 39);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_save, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_full_ring, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_failure_is_said, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_cut, world_setup, world_teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
