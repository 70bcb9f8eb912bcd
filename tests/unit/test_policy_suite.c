/* policy_suite: `kind: tests` documents: what passes, what fails, what is refused. */
#include "decide/policy_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define RULE                                                                                                 \
	"title: Telnet to a pump\nname: telnet_pump\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n" \
	"logsource: {product: wardwatch, service: telnet}\ndetection: {s: {destination.port: 23, "           \
	"destination.device.type: infusion_pump}, condition: s}\n---\n"
#define TESTS  "dialect: wardwatch/1\nkind: tests\ntests:\n"
#define EVENT  "events: [{category: telnet, destination.ip: 10.42.0.7, destination.port: 23}]"
#define DEVICE "devices: [{id: d1, ip: 10.42.0.7, device.type: infusion_pump}]"

static struct policy *load(const char *text, struct diag *d)
{
	*d = (struct diag){ 0 };
	return policy_load_text("t.yml", bytes_str(text), d);
}

static void results(void **state)
{
	static const struct {
		const char *test;
		unsigned failed;
	} cases[] = {
		{ DEVICE ", " EVENT ", expect: [{rule: telnet_pump, count: 1}]", 0 },
		{ DEVICE ", " EVENT ", expect: [{rule: Telnet to a pump}]", 0 },
		{ DEVICE ", " EVENT ", expect: [{rule: 5E72A5B6-e903-4cb4-b2c9-30c4311a9afa}]", 0 },
		{ DEVICE ", " EVENT ", expect: [{rule: telnet_pump, has: {destination.port: 23, "
			 "destination.device.id: d1}}]",
			0 },
		{ DEVICE ", " EVENT ", expect: [{rule: telnet_pump, has: {destination.port: 24}}]", 1 },
		{ DEVICE ", " EVENT ", expect: [{rule: telnet_pump, count: 2}]", 1 },
		{ DEVICE ", " EVENT ", expect-none: [telnet_pump]", 1 },
		{ EVENT ", expect-none: [telnet_pump], zones: inherit", 0 },
		{ EVENT ", expect: [{rule: telnet_pump}]", 1 },
		{ "events: [{category: nowhere}], expect-none: [telnet_pump]", 1 },
		{ "pcap: x.pcap, expect-none: [telnet_pump]", 1 }, /* nothing here replays */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[2048];
		struct diag d;
		unsigned ran;
		snprintf(text, sizeof text, RULE TESTS "    - {name: n, %s}\n", cases[i].test);
		struct policy *p = load(text, &d);
		if (!p)
			diag_print(&d, stderr, true);
		assert_non_null(p);
		if (policy_test(p, &d, &ran) != cases[i].failed || ran != 1 || d.errors != cases[i].failed)
			fail_msg("%s: %zu errors, the first: %s", cases[i].test, d.errors,
				d.errors ? d.messages[0].text : "-");
		policy_free(p);
		diag_free(&d);
	}
}

/* A rule's own test takes devices as well. */
static void own_devices(void **state)
{
	static const char *const cases[] = { DEVICE ", " EVENT ", expect: 1", EVENT ", expect: 0" };
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[2048];
		struct diag d;
		unsigned ran;
		snprintf(text, sizeof text, "dialect: wardwatch/1\nsensor: {tests: [{name: n, %s}]}\n" RULE,
			cases[i]);
		struct policy *p = load(text, &d);
		if (!p || policy_test(p, &d, &ran) != 0 || ran != 1)
			fail_msg("%s: %s", cases[i], d.n ? d.messages[0].text : "-");
		policy_free(p);
		diag_free(&d);
	}
}

static void refused(void **state)
{
	static const char *const cases[][2] = {
		{ "{name: n, " EVENT "}", "E241" },
		{ "{" EVENT ", expect-none: []}", "E241" },
		{ "{name: n, expect-none: []}", "E241" },
		{ "{name: n, " EVENT ", pcap: a.pcap, expect-none: []}", "E241" },
		{ "{name: n, " EVENT ", expect: 1}", "E241" },
		{ "{name: n, " EVENT ", expect: [{count: 1}]}", "E241" },
		{ "{name: n, " EVENT ", expect: [{rule: telnet_pump, count: many}]}", "E241" },
		{ "{name: n, " EVENT ", expect: [{rule: telnet_pump, has: 1}]}", "E241" },
		{ "{name: n, " EVENT ", expect: [{rule: telnet_pump, has: {no.such: 1}}]}", "E144" },
		{ "{name: n, " EVENT ", expect: [{rule: telnet_punp}]}", "E243" },
		{ "{name: n, " EVENT ", expect-none: [x], zones: other}", "E241" },
		{ "{name: n, " EVENT ", expect-none: [], devices: [{ip: nowhere}]}", "E241" },
		{ "{name: n, " EVENT ", expect-none: [], devices: [{ip: 10.0.0.1, device.tpe: x}]}", "E144" },
		{ "{name: n, " EVENT ", expect-none: [], expects: []}", "E118" },
		{ "1", "E241" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[2048];
		struct diag d;
		snprintf(text, sizeof text, RULE TESTS "    - %s\n", cases[i][0]);
		struct policy *p = load(text, &d);
		bool said = false;
		for (size_t k = 0; k < d.n; k++)
			said = said ||
			       (strcmp(d.messages[k].code, cases[i][1]) == 0 && d.messages[k].line > 7);
		if (p || !said)
			fail_msg("%s: %s, not %s", cases[i][0], d.n ? d.messages[0].text : "loads",
				cases[i][1]);
		diag_free(&d);
	}
}

/* Two readers of a file: each mistake once, in the order of places. */
static void sorted(void **state)
{
	static const struct {
		const char *file, *code, *text;
		unsigned line, column;
	} rows[] = { { "b", "E1", "x", 1, 1 }, { "a", "E1", "x", 10, 1 }, { "a", "E1", "x", 9, 2 },
		{ "a", "E1", "y", 9, 2 }, { "a", "E1", "x", 9, 2 }, { "a", "E2", "x", 9, 1 },
		{ "b", "E1", "x", 1, 1 } };
	struct diag d = { 0 };
	char order[64] = "";
	(void)state;
	diag_sort(&d);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		diag_add(&d, DIAG_ERROR, rows[i].file, rows[i].line, rows[i].column, rows[i].code, "%s",
			rows[i].text);
	diag_sort(&d);
	for (size_t i = 0, at = 0; i < d.n; i++)
		at += (size_t)snprintf(order + at, sizeof order - at, "%s%u%s%s ", d.messages[i].file,
			d.messages[i].line, d.messages[i].code, d.messages[i].text);
	assert_string_equal(order, "a9E2x a9E1x a9E1y a10E1x b1E1x ");
	assert_int_equal(d.errors, 5);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(results), cmocka_unit_test(own_devices),
		cmocka_unit_test(refused), cmocka_unit_test(sorted) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
