/* suppressions, suppress.mode and sensor.schedule (policy-language.md sections 14 and 18). */
#include "decide/suppress.h"
#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define DAY    UINT64_C(86400)
#define MONDAY UINT64_C(1772409600) /* 2026-03-02T00:00:00Z */
#define RULE(s)                                                                                              \
	"dialect: wardwatch/1\ntitle: r\nname: r\nlevel: high\nlogsource: {product: wardwatch, service: "    \
	"phi}\n"                                                                                             \
	"detection: {s: {source.port: 1}, condition: s}\nsensor: " s "\n---\n"
#define ENTRY(more)                                                                                          \
	"dialect: wardwatch/1\nkind: suppressions\nsuppressions:\n"                                          \
	"    - {id: sup, rules: [r], reason: planned, owner: it, " more "}\n"

struct seen {
	char title[32][96];
	enum level level[32];
	uint64_t count[32], suppressed[32], first_s[32];
	const char *mark[32];
	bool closing[32];
	unsigned n;
};

static void on_alert(void *arg, const struct alert *a)
{
	struct seen *s = arg;
	assert_true(s->n < 32);
	snprintf(s->title[s->n], sizeof *s->title, "%s", rule_text(a->rule)->title);
	s->level[s->n] = a->level;
	s->count[s->n] = a->count;
	s->suppressed[s->n] = a->suppressed;
	s->first_s[s->n] = a->suppressed_first_ns / SECOND;
	s->mark[s->n] = a->suppression;
	s->closing[s->n++] = a->closing;
}

struct fixture {
	struct diag diag;
	struct policy *p;
	struct policy_run *r;
	struct counters c;
	struct seen s;
	uint64_t packet;
};

static struct fixture *start(const char *text)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct limits l;
	limits_default(&l);
	l.alerts = l.alert_patients = l.suppressed = 64;
	l.policy_state_mib = 1;
	f->p = policy_load_text("t.yml", bytes_str(text), &f->diag);
	if (!f->p) {
		diag_print(&f->diag, stderr, true);
		fail_msg("%s", text);
	}
	f->r = policy_start(f->p, &l, &f->c, NULL, (struct alert_sink){ on_alert, &f->s });
	return f;
}

static void stop(struct fixture *f)
{
	policy_stop(f->r);
	policy_free(f->p);
	diag_free(&f->diag);
	free(f);
}

static void feed(struct fixture *f, uint64_t seconds, unsigned from)
{
	struct event e = { .len = sizeof e,
		.record = RECORD_EVENT,
		.proto = PROTO_phi,
		.ts_ns = seconds * SECOND,
		.packet = ++f->packet };
	e.conv.src = addr_v4(bytes_of((uint8_t[]){ 10, 0, (uint8_t)(from >> 8), (uint8_t)from }, 4));
	e.conv.dst = addr_v4(bytes_of((uint8_t[]){ 10, 1, 0, 1 }, 4));
	e.conv.proto = 6;
	e.conv.sport = 1;
	policy_event(f->r, &e);
}

/* ---- entries ---------------------------------------------------------------------------------- */

/* Held back, counted, told of by the next alert of the key, summed up. */
static void dropped(void **state)
{
	struct fixture *f = start(
		RULE("{suppress: {for: 1h}}") ENTRY("match: {source.ip: 10.0.0.7}, expires: 2026-03-02"));
	(void)state;
	feed(f, MONDAY, 7);
	feed(f, MONDAY + 1, 8);
	feed(f, MONDAY + 2, 7);
	assert_int_equal(f->s.n, 1); /* of the other host */
	assert_int_equal(f->s.suppressed[0], 0);
	assert_int_equal(f->c.alerts_suppressed, 2);
	assert_int_equal(suppress_count(f->r, f->p->rules[0], "sup"), 2);
	feed(f, MONDAY + DAY, 7); /* expired: the day is over */
	assert_int_equal(f->s.n, 4);
	assert_string_equal(f->s.title[1], "Alerts held back by the suppression sup");
	assert_int_equal(f->s.count[1], 2);
	assert_string_equal(f->s.title[2], "The suppression sup has expired: its alerts are given again");
	assert_string_equal(f->s.title[3], "r");
	assert_int_equal(f->s.suppressed[3], 2);
	assert_int_equal(f->s.first_s[3], MONDAY);
	feed(f, MONDAY + DAY + 7200, 7);
	assert_int_equal(f->s.n, 5); /* said once that it expired; told once what was held back */
	assert_int_equal(f->s.suppressed[4], 0);
	policy_finish(f->r);
	assert_int_equal(f->s.n, 5); /* and nothing is left to sum up */
	stop(f);
}

/* Active from 366 days before it expires; a folded alert does not take what was held back from the next. */
static void longest(void **state)
{
	struct fixture *f = start(RULE("{}") ENTRY("expires: 2027-03-03, action: summarize"));
	(void)state;
	feed(f, MONDAY, 7);
	assert_int_equal(f->s.n, 1);
	feed(f, MONDAY + DAY, 7);
	policy_finish(f->r);
	assert_int_equal(f->s.n, 1 + 1 + 0);
	assert_string_equal(f->s.title[1], "Alerts summed up by the suppression sup");
	stop(f);
}

static void lowered_and_tagged(void **state)
{
	struct fixture *f = start(RULE("{}") ENTRY("expires: 2026-12-31, action: lower"));
	(void)state;
	feed(f, MONDAY, 7);
	assert_int_equal(f->s.n, 1);
	assert_int_equal(f->s.level[0], LEVEL_MEDIUM);
	assert_string_equal(f->s.mark[0], "sup");
	policy_finish(f->r);
	assert_string_equal(f->s.title[1], "Alerts lowered by the suppression sup");
	stop(f);
	f = start(RULE("{}") ENTRY("expires: 2026-12-31, action: tag"));
	feed(f, MONDAY, 7);
	assert_int_equal(f->s.level[0], LEVEL_HIGH);
	assert_string_equal(f->s.mark[0], "sup");
	stop(f);
}

static void of_a_correlation(void **state)
{
	static const char corr[] =
		"dialect: wardwatch/1\ntitle: c\nname: c\nlevel: low\ncorrelation: {type: event_count, "
		"rules: [b], group-by: [source.ip], timespan: 10s, condition: {lt: 9}}\n---\n"
		"title: b\nname: b\nlevel: low\nlogsource: {product: wardwatch, service: phi}\n"
		"detection: {s: {source.port: 1}, condition: s}\n---\n"
		"dialect: wardwatch/1\nkind: suppressions\nsuppressions:\n"
		"    - {id: sup, rules: [c], reason: planned, owner: it, match: {source.ip: "
		"10.0.0.7}, expires: 2026-12-31}\n";
	struct fixture *f = start(corr);
	(void)state;
	feed(f, MONDAY, 7);
	feed(f, MONDAY, 8);
	policy_finish(f->r);
	assert_int_equal(f->s.n, 2);
	assert_string_equal(f->s.title[0], "c");
	assert_string_equal(f->s.title[1], "Alerts held back by the suppression sup");
	stop(f);
}

/* More keys than are remembered: the oldest is forgotten, and counted. */
static void many_keys(void **state)
{
	struct fixture *f = start(RULE("{}") ENTRY("expires: 2026-03-02"));
	(void)state;
	for (unsigned i = 0; i < 200; i++)
		feed(f, MONDAY, i);
	assert_int_equal(f->c.alerts_suppressed, 200);
	assert_int_equal(f->c.full_suppressed, 200 - 64);
	stop(f);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *code;
	} rows[] = {
		{ RULE("{}") ENTRY("match: {source.ip: 10.0.0.7}"), "E230" },
		{ RULE("{}") ENTRY("expires: tomorrow"), "E230" },
		{ RULE("{}") ENTRY("expires: 2026-13-01"), "E230" },
		{ RULE("{}") ENTRY("expires: 2026-12-31, action: hide"), "E113" },
		{ RULE("{}") ENTRY("expires: 2026-12-31, until: x"), "E118" },
		{ RULE("{}") ENTRY("expires: 2026-12-31, match: [a]"), "E230" },
		{ RULE("{}") ENTRY("expires: 2026-12-31, match: {no.such: 1}"), "E144" },
		{ RULE("{}") ENTRY("expires: 2026-12-31") "    - {id: sup, rules: [r], reason: x, owner: y, "
							  "expires: 2026-12-31}\n",
			"E231" },
		{ RULE("{}") "dialect: wardwatch/1\nkind: suppressions\nsuppressions:\n"
			     "    - {id: s, rules: [x], reason: a, owner: b, expires: 2026-12-31}\n",
			"E232" },
		{ RULE("{}") "dialect: wardwatch/1\nkind: suppressions\nsuppressions:\n"
			     "    - {id: s, rules: [r], owner: b, expires: 2026-12-31}\n",
			"E230" },
		{ RULE("{suppress: {mode: both}}"), "E164" },
		{ RULE("{suppress: {mode: backoff}}"), "E164" },
		{ RULE("{suppress: {mode: never}}"), "E113" },
		{ RULE("{schedule: {timezone: Europe/Berlin}}"), "E113" },
		{ RULE("{schedule: {hours: 8-18}}"), "E113" },
		{ RULE("{schedule: {hours: '08:00-08:00'}}"), "E113" },
		{ RULE("{schedule: {days: [monday]}}"), "E113" },
		{ RULE("{schedule: {holidays: true}}"), "E118" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d = { 0 };
		struct policy *p = policy_load_text("t.yml", bytes_str(rows[i].text), &d);
		bool said = false;
		for (size_t k = 0; k < d.n; k++)
			said = said || strcmp(d.messages[k].code, rows[i].code) == 0;
		if (p || !said) {
			diag_print(&d, stderr, true);
			fail_msg("%s is not said of %s", rows[i].code, rows[i].text);
		}
		diag_free(&d);
	}
}

/* ---- suppress.mode: threshold ------------------------------------------------------------------- */

static void threshold(void **state)
{
	struct fixture *f = start(RULE("{suppress: {mode: threshold, count: 3, for: 1h}}"));
	(void)state;
	for (unsigned i = 0; i < 7; i++)
		feed(f, MONDAY + i, 7);
	feed(f, MONDAY, 8); /* never reaches three */
	assert_int_equal(f->s.n, 2);
	assert_int_equal(f->s.count[0], 3);
	assert_int_equal(f->s.count[1], 6);
	policy_finish(f->r);
	assert_int_equal(f->s.n, 3);
	assert_true(f->s.closing[2]);
	assert_int_equal(f->s.count[2], 7);
	stop(f);
}

/* ---- sensor.schedule ---------------------------------------------------------------------------- */

static bool at(const char *schedule, uint64_t seconds)
{
	char text[512];
	snprintf(text, sizeof text, RULE("{schedule: %s}"), schedule);
	struct fixture *f = start(text);
	feed(f, seconds, 1);
	bool said = f->s.n == 1;
	stop(f);
	return said;
}

static void schedules(void **state)
{
	(void)state;
	assert_true(at("{days: mon}", MONDAY));
	assert_false(at("{days: mon}", MONDAY - 1));
	assert_false(at("{days: [tue, sun]}", MONDAY));
	assert_true(at("{days: [tue, sun]}", MONDAY - 1));
	assert_true(at("{days: [tue, sun], invert: true}", MONDAY));
	assert_true(at("{hours: '08:00-18:00'}", MONDAY + 8 * 3600));
	assert_false(at("{hours: '08:00-18:00'}", MONDAY + 8 * 3600 - 1));
	assert_false(at("{hours: '08:00-18:00'}", MONDAY + 18 * 3600));
	assert_true(at("{hours: '22:00-06:00', days: [mon]}", MONDAY + DAY + 5 * 3600)); /* Monday's night */
	assert_false(at("{hours: '22:00-06:00', days: [mon]}", MONDAY + 5 * 3600));
	assert_true(at("{hours: ['00:00-01:00', '23:00-24:00']}", MONDAY - 1));
	assert_true(at("{days: [mon], timezone: '+01:00'}", MONDAY - 3600));
	assert_false(at("{days: [mon], timezone: '+01:00'}", MONDAY - 3601));
	assert_true(at("{days: [sun], timezone: '-05:30'}", MONDAY + 19799));
	assert_true(at("{timezone: UTC}", MONDAY));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(dropped), cmocka_unit_test(longest),
		cmocka_unit_test(lowered_and_tagged), cmocka_unit_test(of_a_correlation),
		cmocka_unit_test(many_keys), cmocka_unit_test(refused), cmocka_unit_test(threshold),
		cmocka_unit_test(schedules) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
