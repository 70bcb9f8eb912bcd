/* resolved: names of addresses by who asked; and a rule that asks for destination.domain. */
#include "decide/event_write.h"
#include "decide/policy_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define DAY (UINT64_C(86400) * 1000000000)

static struct addr ip(const char *text)
{
	struct addr a;
	assert_true(addr_parse(bytes_str(text), &a));
	return a;
}

static bool is_named(
	const struct resolved *r, const char *client, const char *server, uint64_t ts, const char *name)
{
	struct addr c = ip(client), s = ip(server);
	return bytes_is(resolved_name(r, &c, &s, ts), name);
}

static void names(void **state)
{
	struct resolved *r = resolved_new(64);
	struct addr one = ip("10.0.0.1"), none = { 0 };
	char longest[300];
	(void)state;
	assert_non_null(r);
	assert_true(is_named(r, "10.0.0.1", "203.0.113.5", 0, ""));
	resolved_learn(r, &one, bytes_str("a.example"), bytes_str("203.0.113.5"), 10);
	assert_true(is_named(r, "10.0.0.1", "203.0.113.5", 10, "a.example"));
	assert_true(is_named(r, "10.0.0.2", "203.0.113.5", 10, ""));
	assert_true(is_named(r, "10.0.0.1", "203.0.113.6", 10, ""));
	assert_true(is_named(r, "10.0.0.1", "203.0.113.5", 10 + DAY, "a.example"));
	assert_true(is_named(r, "10.0.0.1", "203.0.113.5", 11 + DAY, ""));
	resolved_learn(r, &one, bytes_str("b.example"), bytes_str("203.0.113.5"), 20);
	assert_true(is_named(r, "10.0.0.1", "203.0.113.5", 20, "b.example"));
	resolved_learn(r, &one, bytes_str("c.example"), bytes_str("alias.example"), 20);
	resolved_learn(r, &none, bytes_str("c.example"), bytes_str("203.0.113.5"), 20);
	memset(longest, 'x', sizeof longest);
	resolved_learn(r, &one, bytes_of(longest, 254), bytes_str("203.0.113.5"), 20);
	resolved_learn(r, &one, (struct bytes){ 0 }, bytes_str("203.0.113.5"), 20);
	assert_true(is_named(r, "10.0.0.1", "203.0.113.5", 20, "b.example"));
	resolved_learn(r, &one, bytes_of(longest, 253), bytes_str("2001:db8::1"), 20);
	struct addr six = ip("2001:db8::1");
	assert_int_equal(resolved_name(r, &one, &six, 20).n, 253);
	resolved_free(r);
}

/* Full of other answers, a name may be lost, and none is another's. */
static void crowded(void **state)
{
	struct resolved *r = resolved_new(16);
	struct addr one = ip("10.0.0.1");
	char text[64];
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "198.51.100.%u", i);
		resolved_learn(r, &one, bytes_str(text), bytes_str(text), i);
	}
	unsigned known = 0;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "198.51.100.%u", i);
		assert_true(
			is_named(r, "10.0.0.1", text, 200, text) || is_named(r, "10.0.0.1", text, 200, ""));
		known += is_named(r, "10.0.0.1", text, 200, text);
	}
	assert_true(known >= 8 && known <= 16);
	resolved_free(r);
}

/* ---- a rule ------------------------------------------------------------------------------------------ */

static void on_alert(void *arg, const struct alert *a)
{
	unsigned *alerts = arg;
	*alerts += !a->closing;
}

static void rule(void **state)
{
	static const char text[] =
		"title: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n"
		"logsource: {product: zeek, service: conn}\n"
		"detection: {s: {destination.domain|endswith: .tunnel.example}, condition: s}\n";
	static const char *const events[] = {
		"{category: dns, action: response, source.ip: 10.0.0.1, query: x.tunnel.example, qtype_name: "
		"A, "
		"answers: [y.example, 203.0.113.5]}",
		"{category: dns, action: response, source.ip: 10.0.0.1, query: t.tunnel.example, qtype_name: "
		"TXT, "
		"answers: [203.0.113.6]}",
		"{category: flow, source.ip: 10.0.0.2, destination.ip: 203.0.113.5}",
		"{category: flow, source.ip: 10.0.0.1, destination.ip: 203.0.113.6}",
		"{category: flow, source.ip: 10.0.0.1, destination.ip: 203.0.113.5}",
	};
	struct diag d = { 0 };
	struct limits limits;
	struct counters counters = { 0 };
	struct event_writer *w = calloc(1, sizeof *w);
	unsigned alerts = 0;
	(void)state;
	limits_default(&limits);
	limits.alerts = limits.alert_patients = 256;
	struct policy *p = policy_load_text("t.yml", bytes_str(text), &d);
	assert_true(w && p);
	struct policy_run *run =
		policy_start(p, &limits, &counters, NULL, (struct alert_sink){ on_alert, &alerts });
	assert_non_null(run);
	event_writer_init(w, p->schema, run->view, "t", &d);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		struct yaml_file file;
		assert_true(yaml_parse("t", bytes_str(events[i]), &file, &d));
		const struct event *e = event_write(w, file.docs[0]);
		assert_non_null(e);
		policy_event(run, e);
		assert_int_equal(alerts, i == 4);
		yaml_fini(&file);
	}
	policy_stop(run);
	policy_free(p);
	diag_free(&d);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(crowded),
		cmocka_unit_test(rule),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
