/* correlate, filters: each sentence of policy-language.md sections 11 and 12 that the random comparison does
 * not cover, what is refused, floods, and a state that is full. */
#include "decide/correlate.h"
#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define HEAD   "dialect: wardwatch/1\nlevel: low\n"
#define BASE(name, ports)                                                                                    \
	HEAD "title: " name "\nname: " name                                                                  \
	     "\nlogsource: {product: wardwatch, service: phi}\ndetection:\n    s: {source.port: " ports      \
	     "}\n    condition: s\n---\n"
#define CORR(name, body)                                                                                     \
	HEAD "title: " name "\nname: " name "\ncorrelation:\n    timespan: 10s\n" body                       \
	     "sensor: {suppress: {count: 100000, for: 1s}}\n---\n"

struct seen {
	struct {
		char rule[32], value[48], words[256], group[64];
		uint64_t packet, first_s, last_s, packets[16];
		unsigned n_packets;
		bool truncated;
	} one[64];
	unsigned n;
};

static void on_alert(void *arg, const struct alert *a)
{
	struct seen *s = arg;
	if (a->closing)
		return;
	if (s->n < 64) {
		const struct alert_correlation *c = &a->correlation;
		snprintf(s->one[s->n].rule, sizeof s->one->rule, "%s", rule_text(a->rule)->name);
		snprintf(s->one[s->n].value, sizeof s->one->value, "%s", c->value);
		snprintf(s->one[s->n].words, sizeof s->one->words, "%s", c->words);
		snprintf(s->one[s->n].group, sizeof s->one->group, "%.*s", (int)(c->n_by ? c->by[0].n : 0),
			(const char *)c->text);
		s->one[s->n].packet = a->event->packet;
		s->one[s->n].first_s = c->first_ns / SECOND;
		s->one[s->n].last_s = c->last_ns / SECOND;
		s->one[s->n].n_packets = c->n_packets;
		s->one[s->n].truncated = c->truncated;
		memcpy(s->one[s->n].packets, c->packets, sizeof c->packets);
	}
	s->n++;
}

struct fixture {
	struct diag diag;
	struct policy *p;
	struct policy_run *r;
	struct counters c;
	struct seen s;
	uint64_t packet;
};

static struct policy *load(const char *text, struct diag *d)
{
	*d = (struct diag){ 0 };
	return policy_load_text("t.yml", bytes_str(text), d);
}

static struct fixture *start_with(const char *text, uint64_t mib)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct limits l;
	limits_default(&l);
	l.policy_state_mib = mib;
	l.alerts = l.alert_patients = 256;
	f->p = load(text, &f->diag);
	if (!f->p) {
		diag_print(&f->diag, stderr, true);
		fail_msg("%s", text);
	}
	f->r = policy_start(f->p, &l, &f->c, NULL, (struct alert_sink){ on_alert, &f->s });
	return f;
}

static struct fixture *start(const char *text)
{
	return start_with(text, 1);
}

static void stop(struct fixture *f)
{
	policy_stop(f->r);
	policy_free(f->p);
	diag_free(&f->diag);
	free(f);
}

/* From 10.0.x.x, port `port`, to 10.1.x.x, port `to_port`; 0: no port. */
static void feed(struct fixture *f, uint64_t ms, unsigned port, unsigned from, unsigned to, unsigned to_port)
{
	struct event e = { .len = sizeof e,
		.record = RECORD_EVENT,
		.proto = PROTO_phi,
		.ts_ns = 1000 * SECOND + ms * 1000000,
		.packet = ++f->packet };
	e.conv.src = addr_v4(
		bytes_of((uint8_t[]){ 10, (uint8_t)(from >> 16), (uint8_t)(from >> 8), (uint8_t)from }, 4));
	e.conv.dst =
		addr_v4(bytes_of((uint8_t[]){ 11, (uint8_t)(to >> 16), (uint8_t)(to >> 8), (uint8_t)to }, 4));
	e.conv.proto = 6;
	e.conv.sport = (uint16_t)port;
	e.conv.dport = (uint16_t)to_port;
	policy_event(f->r, &e);
}

/* ---- firing ----------------------------------------------------------------------------------- */

static void count_and_words(void **state)
{
	struct fixture *f = start(
		BASE("a", "1") CORR("c", "    type: value_count\n    rules: a\n    group-by: source.ip\n"
					 "    condition: {gte: 3, field: destination.ip}\n"));
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		feed(f, 1000 * i, 1, 7, i, 9);
	assert_int_equal(f->s.n, 1);
	assert_string_equal(f->s.one[0].rule, "c"); /* and not a */
	assert_string_equal(f->s.one[0].value, "3");
	assert_string_equal(f->s.one[0].words, "3 different destination.ip within 10 s");
	assert_string_equal(f->s.one[0].group, "10.0.0.7");
	assert_int_equal(f->s.one[0].packet, 3);
	assert_int_equal(f->s.one[0].first_s, 1000);
	assert_int_equal(f->s.one[0].last_s, 1002);
	assert_int_equal(f->s.one[0].n_packets, 3);
	assert_int_equal(f->s.one[0].packets[0], 1);
	assert_int_equal(f->s.one[0].packets[2], 3);
	assert_false(f->s.one[0].truncated);
	assert_int_equal(f->c.policy_corr_fired, 1);
	stop(f);
}

/* Sixteen packets, the last ones; the window's edge; once until it has been false. */
static void window_and_evidence(void **state)
{
	struct fixture *f = start(
		BASE("a", "1") CORR("c", "    type: event_count\n    rules: [a]\n    condition: {gt: 19}\n"));
	(void)state;
	for (unsigned i = 0; i < 25; i++)
		feed(f, 100 * i, 1, 7, 1, 9);
	assert_int_equal(f->s.n, 1);
	assert_string_equal(f->s.one[0].words, "20 matches within 10 s");
	assert_int_equal(f->s.one[0].n_packets, 16);
	assert_int_equal(f->s.one[0].packets[15], 20);
	assert_string_equal(f->s.one[0].group, "");
	feed(f, 10000, 1, 7, 1, 9); /* that of 0 ms has left, that of 100 ms not: 25 */
	feed(f, 10100, 1, 7, 1, 9); /* engaged since 1900 ms */
	assert_int_equal(f->s.n, 1);
	stop(f);
}

static void rearmed(void **state)
{
	struct fixture *f =
		start(BASE("a", "1") HEAD "title: c\nname: c\ncorrelation: {type: event_count, rules: [a], "
					  "timespan: 10s, condition: {gte: 2}}\n"
					  "sensor: {rearm: 3s, suppress: {count: 100, for: 1s}}\n");
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		feed(f, 1000 * i, 1, 7, 1, 9); /* fires at 1, 4 and 7 s */
	assert_int_equal(f->s.n, 3);
	assert_int_equal(f->s.one[1].packet, 5);
	assert_string_equal(f->s.one[2].value, "8");
	stop(f);
}

/* Aliases; absent group-by; event order in temporal_ordered of one event. */
static void chain_of_hosts(void **state)
{
	struct fixture *f = start(BASE("into", "[1, 3]") BASE("out_of", "[2, 3]") CORR("hop",
		"    type: temporal_ordered\n    rules: [into, out_of]\n    group-by: [host]\n"
		"    aliases: {host: {into: destination.ip, out_of: source.ip}}\n"));
	(void)state;
	feed(f, 0, 1, 1, 5, 9);    /* to 11.0.0.5 */
	feed(f, 1000, 2, 5, 6, 9); /* from 10.0.0.5: another host */
	assert_int_equal(f->s.n, 0);
	struct event e = { .len = sizeof e,
		.record = RECORD_EVENT,
		.proto = PROTO_phi,
		.ts_ns = 1002 * SECOND,
		.packet = 3 };
	e.conv.src = addr_v4(bytes_of((uint8_t[]){ 11, 0, 0, 5 }, 4));
	e.conv.dst = e.conv.src;
	e.conv.proto = 6;
	e.conv.sport = 3; /* both rules, one event: no sequence by itself, but after the first */
	policy_event(f->r, &e);
	assert_int_equal(f->s.n, 1);
	assert_string_equal(f->s.one[0].group, "11.0.0.5");
	assert_string_equal(f->s.one[0].words, "into, then out_of within 10 s");
	assert_int_equal(f->s.one[0].n_packets, 2);
	assert_int_equal(f->s.one[0].packets[0], 1);
	assert_int_equal(f->s.one[0].packets[1], 3);
	e.conv.src = (struct addr){ 0 };
	e.conv.sport = 2;
	policy_event(f->r, &e);
	assert_int_equal(f->c.policy_corr_ungrouped, 1);
	stop(f);
}

static void one_event_is_no_sequence(void **state)
{
	struct fixture *f = start(BASE("x", "[1, 3]") BASE("y", "[2, 3]")
			CORR("c", "    type: temporal_ordered\n    rules: [x, y]\n")
				CORR("t", "    type: temporal\n    rules: [x, y]\n"));
	(void)state;
	feed(f, 0, 3, 1, 1, 1);
	assert_int_equal(f->s.n, 1);
	assert_string_equal(f->s.one[0].rule, "t");
	stop(f);
}

static void windows_that_close(void **state)
{
	struct fixture *f = start(BASE("a", "1") BASE("b", "2") CORR("few",
		"    type: event_count\n    rules: [a]\n    group-by: [source.ip]\n    condition: {lt: 3}\n")
			CORR("range",
				"    type: event_count\n    rules: [a]\n    condition: {gte: 3, lte: 4}\n")
				CORR("alone", "    type: temporal\n    rules: [a, b]\n    group-by: "
					      "[source.ip]\n    condition: a and not b\n"));
	(void)state;
	feed(f, 0, 1, 1, 1, 1);
	feed(f, 1000, 1, 1, 1, 1);
	feed(f, 2000, 1, 2, 1, 1);
	feed(f, 3000, 2, 2, 1, 1);
	feed(f, 9999, 9, 1, 1, 1);
	assert_int_equal(f->s.n, 0); /* nothing is decided yet */
	feed(f, 10000, 9, 1, 1, 1);  /* any event moves the clock */
	assert_int_equal(f->s.n, 3);
	assert_string_equal(f->s.one[0].rule, "few");
	assert_string_equal(f->s.one[0].value, "2");
	assert_string_equal(f->s.one[0].group, "10.0.0.1");
	assert_int_equal(f->s.one[0].packet, 2);
	assert_string_equal(f->s.one[1].rule, "range");
	assert_string_equal(f->s.one[1].value, "3");
	assert_string_equal(f->s.one[2].rule, "alone");
	assert_string_equal(f->s.one[2].words, "a and not b within 10 s");
	assert_string_equal(f->s.one[2].group, "10.0.0.1");
	policy_finish(f->r); /* few of the second host */
	assert_int_equal(f->s.n, 4);
	assert_string_equal(f->s.one[3].group, "10.0.0.2");
	stop(f);
}

static void sums(void **state)
{
	struct fixture *f = start(BASE("a", "1") CORR("sum",
		"    type: value_sum\n    rules: [a]\n    condition: {gt: 100.5, field: destination.port}\n")
			CORR("avg", "    type: value_avg\n    rules: [a]\n    condition: {gte: 50.5, field: "
				    "destination.port}\n")
				CORR("text", "    type: value_sum\n    rules: [a]\n    condition: {gt: 0, "
					     "field: destination.ip}\n"));
	(void)state;
	feed(f, 0, 1, 1, 1, 50);
	feed(f, 1, 1, 1, 1, 50);
	assert_int_equal(f->s.n, 0);
	feed(f, 2, 1, 1, 1, 52);
	assert_int_equal(f->s.n, 2);
	assert_string_equal(f->s.one[0].words, "destination.port adds up to 152 within 10 s");
	assert_string_equal(f->s.one[1].words, "destination.port is on average 50.6666666666667 within 10 s");
	assert_int_equal(f->c.policy_corr_non_numeric, 3);
	stop(f);
}

/* Referred to before they are read, by id, correlations by correlations; who speaks. */
static void of_correlations(void **state)
{
	static const char set[] = CORR("outer",
		"    type: value_count\n    rules: [scan]\n    condition: {gte: 2, field: source.ip}\n")
		CORR("scan", "    type: event_count\n    rules: [00000000-0000-4000-8000-00000000000A]\n"
			     "    group-by: [source.ip]\n    condition: {gte: 2}\n    generate: true\n") HEAD
		"title: a\nname: a\nid: 00000000-0000-4000-8000-00000000000a\n"
		"logsource: {product: wardwatch, service: phi}\ndetection: {s: {source.port: 1}, condition: "
		"s}\n"
		"sensor: {suppress: {count: 100, for: 1s}}\n";
	struct fixture *f = start(set);
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		feed(f, i, 1, i / 2, 1, 1);
	unsigned a = 0, scan = 0, outer = 0;
	for (unsigned i = 0; i < f->s.n; i++) {
		a += strcmp(f->s.one[i].rule, "a") == 0;
		scan += strcmp(f->s.one[i].rule, "scan") == 0;
		outer += strcmp(f->s.one[i].rule, "outer") == 0;
	}
	assert_int_equal(a, 6); /* generate: true */
	assert_int_equal(scan, 0);
	assert_int_equal(outer, 1);
	stop(f);
	f = start(BASE("n", "1") HEAD
		"title: w\nname: w\nlogsource: {product: wardwatch, service: phi}\n"
		"detection: {s: {source.port: 1}, condition: s}\nsensor: {alert: always}\n---\n" CORR(
			"c", "    type: event_count\n    rules: [n, w]\n    condition: {gte: 9}\n"));
	feed(f, 0, 1, 1, 1, 1);
	assert_int_equal(f->s.n, 1);
	assert_string_equal(f->s.one[0].rule, "w");
	for (unsigned i = 0; i < 8; i++) /* an event of two rules is one event */
		feed(f, 1 + i, 1, 1, 1, 1);
	assert_int_equal(f->s.n, 2);
	assert_int_equal(f->s.one[1].packet, 9);
	stop(f);
}

/* Case does not tell values apart; combinations of several fields. */
static void combinations(void **state)
{
	struct fixture *f =
		start(BASE("a", "1") CORR("c", "    type: value_count\n    rules: [a]\n    condition: {gte: "
					       "4, field: [destination.ip, destination.port]}\n"));
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		feed(f, i, 1, 1, i % 2, i / 2 % 2 + 1);
	assert_int_equal(f->s.n, 1);
	assert_int_equal(f->s.one[0].packet, 4);
	assert_string_equal(f->s.one[0].words, "4 different destination.ip and destination.port within 10 s");
	stop(f);
}

/* ---- what is refused -------------------------------------------------------------------------- */

#define BAD(body) BASE("a", "1") HEAD "title: c\nname: c\ncorrelation: " body "\n"
static const struct {
	const char *text, *code;
} refused_rows[] = {
	{ BAD("{type: event_count, rules: [c], timespan: 1m, condition: {gte: 1}}"), "E190" },
	{ BAD("{type: event_count, rules: [a], timespan: 1M, condition: {gte: 1}}"), "E191" },
	{ BAD("{type: event_count, rules: [a], timespan: 1y, condition: {gte: 1}}"), "E191" },
	{ BAD("{type: event_count, rules: [a], timespan: 0s, condition: {gte: 1}}"), "E191" },
	{ BAD("{type: event_count, rules: [a], condition: {gte: 1}}"), "E191" },
	{ BAD("{type: value_count, rules: [a], timespan: 1m, condition: {gte: 1}}"), "E192" },
	{ BAD("{type: value_median, rules: [a], timespan: 1m, condition: {gte: 1}}"), "E192" },
	{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {gte: 1, field: source.ip}}"),
		"E192" },
	{ BAD("{type: value_sum, rules: [a], timespan: 1m, condition: {gte: 1, field: [source.ip, "
	      "source.port]}}"),
		"E192" },
	{ BAD("{type: temporal, rules: [a], timespan: 1m, condition: a and b}"), "E193" },
	{ BAD("{type: temporal, rules: [a, b], timespan: 1m, condition: a}"), "E193" },
	{ BAD("{type: temporal, rules: [a], timespan: 1m, condition: a and}"), "E193" },
	{ BAD("{type: temporal, rules: [a], timespan: 1m, condition: (a}"), "E193" },
	{ BAD("{type: temporal, rules: [a], timespan: 1m, condition: {gte: 1}}"), "E193" },
	{ BAD("{type: temporal_ordered, timespan: 1m, condition: a or a}"), "E193" },
	{ BAD("{type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 1, field: "
	      "source.port}}"),
		"E194" },
	{ BAD("{type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 1, field: "
	      "source.port, percentile: 9}}"),
		"E164" },
	{ BAD("{type: value_median, rules: [a], timespan: 1m, condition: {gte: 1, field: "
	      "source.port}}"),
		"E164" },
	{ BAD("{type: event_count, rules: [nobody], timespan: 1m, condition: {gte: 1}}"), "E195" },
	{ BAD("{type: event_count, rules: [a], group-by: [host], aliases: {host: {b: source.ip}}, "
	      "timespan: 1m, condition: {gte: 1}}"),
		"E196" },
	{ BAD("{type: event_count, rules: [a], group-by: [nothing.such], timespan: 1m, condition: "
	      "{gte: 1}}"),
		"E144" },
	{ BAD("{type: event_count, rules: [a], group-by: [phi.patient], timespan: 1m, condition: "
	      "{gte: 1}}"),
		"E182" },
	{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {gte: 5000}}"), "E197" },
	{ BAD("{type: event_count, rules: [a], timespan: 1m}"), "E113" },
	{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {}}"), "E113" },
	{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {gte: x}}"), "E113" },
	{ BAD("{type: event_count, rules: [], timespan: 1m, condition: {gte: 1}}"), "E113" },
	{ BAD("{type: count, rules: [a], timespan: 1m, condition: {gte: 1}}"), "E113" },
	{ BASE("a", "1") HEAD "title: f\nlogsource: {product: wardwatch}\nfilter: {rules: [], s: "
			      "{source.port: 1}, condition: not s}\n",
		"E200" },
	{ BASE("a", "1") HEAD "title: f\nlogsource: {product: wardwatch}\nfilter: {s: {source.port: "
			      "1}, condition: not s}\n",
		"E200" },
	{ BASE("a", "1") HEAD "title: f\nlogsource: {product: wardwatch}\nfilter: {rules: b, s: "
			      "{source.port: 1}, condition: not s}\n",
		"E201" },
	{ BASE("a", "1") HEAD "title: f\nfilter: {rules: a, s: {source.port: 1}, condition: not s}\n",
		"E130" },
	{ BASE("a", "1") HEAD "title: f\nlogsource: {product: wardwatch}\nfilter: {rules: a, s: "
			      "{source.port: 1}, condition: not x}\n",
		"E174" },
};

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused_rows / sizeof *refused_rows; i++) {
		struct diag d;
		struct policy *p = load(refused_rows[i].text, &d);
		bool said = false;
		for (size_t k = 0; k < d.n; k++)
			said = said || strcmp(d.messages[k].code, refused_rows[i].code) == 0;
		if (p || !said) {
			diag_print(&d, stderr, true);
			fail_msg("%s is not said of %s", refused_rows[i].code, refused_rows[i].text);
		}
		diag_free(&d);
	}
}

/* A range that holds no number is told; one of a single number is none. */
static void empty_range(void **state)
{
	static const struct {
		const char *text;
		bool empty;
	} rows[] = {
		{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {gte: 5, lte: 3}}"), true },
		{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {gt: 5, lte: 5}}"), true },
		{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {gte: 5, lte: 5}}"), false },
		{ BAD("{type: event_count, rules: [a], timespan: 1m, condition: {gte: 5, lte: 9}}"), false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d;
		struct policy *p = load(rows[i].text, &d);
		bool said = false;
		for (size_t k = 0; k < d.n; k++)
			said = said || strcmp(d.messages[k].code, "W300") == 0;
		if (!p || said != rows[i].empty)
			fail_msg("%s", rows[i].text);
		policy_free(p);
		diag_free(&d);
	}
}

/* A rule that is not loaded takes what counts it along; the rest stays. */
static void skipped(void **state)
{
	struct diag d;
	struct policy *p = load(BASE("a", "1") HEAD
		"title: d\nname: d\nstatus: deprecated\nlogsource: {product: wardwatch, service: phi}\n"
		"detection: {s: {source.port: 1}, condition: s}\n---\n" CORR(
			"c", "    type: event_count\n    rules: [d]\n    condition: {gte: 1}\n")
			CORR("o", "    type: event_count\n    rules: [c, a]\n    condition: {gte: 1}\n"),
		&d);
	(void)state;
	assert_non_null(p);
	assert_int_equal(policy_rules(p), 1);
	assert_int_equal(d.errors, 0);
	policy_free(p);
	diag_free(&d);
}

/* ---- filters ---------------------------------------------------------------------------------- */

#define FILTER(source, rules, condition)                                                                     \
	HEAD "title: the scanner\nlogsource: " source "\nfilter:\n    rules: " rules                         \
	     "\n    s: {source.ip: 10.0.0.9}\n    condition: " condition "\n---\n"

static unsigned hits(const char *text, bool warned)
{
	struct fixture *f = start(text);
	bool said = false;
	for (size_t i = 0; i < f->diag.n; i++)
		said = said || strcmp(f->diag.messages[i].code, "W201") == 0;
	assert_int_equal(said, warned);
	feed(f, 0, 1, 8, 1, 1);
	feed(f, 1, 1, 9, 1, 1);
	unsigned n = f->s.n;
	stop(f);
	return n;
}

static void filters(void **state)
{
	(void)state;
	assert_int_equal(hits(BASE("a", "1"), false), 2);
	assert_int_equal(hits(BASE("a", "1") FILTER("{product: wardwatch}", "any", "not s"), false), 1);
	assert_int_equal(hits(FILTER("{product: wardwatch}", "[a]", "not s") BASE("a", "1"), false), 1);
	assert_int_equal(
		hits(BASE("a", "1") FILTER("{product: wardwatch, service: phi}", "a", "not s"), false), 1);
	assert_int_equal(hits(BASE("a", "1") FILTER("{product: zeek}", "any", "not s"), false), 2);
	assert_int_equal(hits(BASE("a", "1") FILTER("{category: dns}", "any", "not s"), false), 2);
	/* no implied negation, and said */
	assert_int_equal(hits(BASE("a", "1") FILTER("{product: wardwatch}", "any", "s"), true), 1);
	/* two filters: both must hold */
	assert_int_equal(hits(BASE("a", "1") FILTER("{product: wardwatch}", "any", "s")
					 FILTER("{product: wardwatch}", "any", "not s"),
				 true),
		0);
}

static void filter_under_correlation(void **state)
{
	struct fixture *f = start(BASE("a", "1") FILTER("{product: wardwatch}", "any", "not s")
			CORR("c", "    type: event_count\n    rules: [a]\n    condition: {gte: 2}\n"));
	(void)state;
	feed(f, 0, 1, 9, 1, 1);
	feed(f, 1, 1, 9, 1, 1);
	feed(f, 2, 1, 8, 1, 1);
	assert_int_equal(f->s.n, 0);
	feed(f, 3, 1, 8, 1, 1);
	assert_int_equal(f->s.n, 1);
	assert_int_equal(f->p->rules[0]->n_filters, 1);
	assert_string_equal(f->p->rules[0]->filters[0].title, "the scanner");
	stop(f);
}

/* ---- bounds ----------------------------------------------------------------------------------- */

#define FAN_OUT                                                                                              \
	BASE("a", "1")                                                                                       \
	CORR("c", "    type: value_count\n    rules: [a]\n    group-by: [source.ip]\n"                       \
		  "    condition: {gte: 4000, field: destination.ip}\n")

/* A group holds 4,096 values; what more there is, is said. */
static void full_group(void **state)
{
	struct fixture *f = start_with(FAN_OUT, 32);
	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		feed(f, 0, 1, 1, i, 1);
	assert_int_equal(f->s.n, 1);
	assert_int_equal(f->c.policy_corr_truncated, 10000 - 4096);
	for (unsigned i = 0; i < 4000; i++)
		feed(f, 0, 1, 2, i, 1);
	assert_int_equal(f->s.n, 2);
	assert_true(f->s.one[1].truncated);
	assert_string_equal(f->s.one[1].value, "4000");
	stop(f);
}

/* Groups beyond the state: the one longest not updated is forgotten, counted, and later alerts say so. */
static void full_state(void **state)
{
	struct fixture *f =
		start_with(BASE("a", "1") CORR("c", "    type: event_count\n    rules: [a]\n    group-by: "
						    "[source.ip]\n    condition: {gte: 2}\n"),
			1);
	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		feed(f, i / 1000, 1, i, 1, 1);
	assert_int_equal(f->s.n, 0);
	assert_true(f->c.policy_corr_evicted > 100000);
	assert_true(f->c.full_policy_state_mib > 0);
	feed(f, 201, 1, 199999, 1, 1); /* the latest is there still */
	assert_int_equal(f->s.n, 1);
	assert_true(f->s.one[0].truncated);
	feed(f, 201, 1, 0, 1, 1); /* the first is not */
	assert_int_equal(f->s.n, 1);
	stop(f);
}

/* What has left its window makes room without being a loss. */
static void idle_groups(void **state)
{
	struct fixture *f =
		start_with(BASE("a", "1") CORR("c", "    type: event_count\n    rules: [a]\n    group-by: "
						    "[source.ip]\n    condition: {gte: 2}\n"),
			1);
	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		feed(f, i * 10, 1, i, 1, 1); /* 1,000 in any 10 s */
	assert_int_equal(f->c.policy_corr_evicted, 0);
	assert_int_equal(f->c.full_policy_state_mib, 0);
	stop(f);
}

/* No entry is to be had at all: nothing fires, nothing falls over. */
static void starved(void **state)
{
	static const char set[] = BASE("a", "1") BASE("b", "2") CORR("n",
		"    type: event_count\n    rules: [a]\n    group-by: [source.ip]\n    condition: {gte: 2}\n")
		CORR("v", "    type: value_count\n    rules: [a]\n    condition: {lt: 9, field: "
			  "destination.ip}\n") CORR("s", "    type: value_sum\n    rules: [a]\n    "
							 "condition: {gt: 9, field: destination.port}\n")
			CORR("t", "    type: temporal_ordered\n    rules: [a, b, a]\n");
	(void)state;
	for (uint32_t fail = 1; fail < 60; fail++) {
		struct fixture *f = start(set);
		correlate_fail_at(f->r->correlate, fail);
		for (unsigned i = 0; i < 40; i++)
			feed(f, 100 * i, 1 + i % 2, i % 3, i % 5, 3);
		policy_finish(f->r);
		assert_true(f->c.policy_corr_truncated + f->c.policy_corr_evicted > 0 || f->s.n > 0);
		stop(f);
	}
}

/* ---- cost ------------------------------------------------------------------------------------- */

static double flood(const char *text, unsigned n, unsigned sources)
{
	struct fixture *f = start_with(text, 32);
	struct timespec a, b;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (unsigned i = 0; i < n; i++)
		feed(f, i / 10, 1, sources == 1 ? 1 : i % sources, i & 0xffff, 1);
	policy_finish(f->r);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	stop(f);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* A /16 scanned by one host; 10,000 groups a second: a million events, and the second half costs what the
 * first did. */
static void floods(void **state)
{
	static const char counted[] =
		BASE("a", "1") CORR("c", "    type: event_count\n    rules: [a]\n    group-by: [source.ip]\n "
					 "   condition: {gte: 4000}\n");
	static const char closing[] =
		BASE("a", "1") CORR("c", "    type: event_count\n    rules: [a]\n    group-by: [source.ip]\n "
					 "   condition: {gt: 1, lt: 2}\n");
	const struct {
		const char *text;
		unsigned sources;
	} rows[] = { { FAN_OUT, 1 }, { counted, 1 }, { FAN_OUT, 1000000 }, { counted, 1000000 },
		{ closing, 1000000 } };
	unsigned most = 1000000;
#if defined(__SANITIZE_ADDRESS__)
	most = 200000; /* the sanitizers are ten times slower; linear all the same */
#endif
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		double quarter = flood(rows[i].text, most / 4, rows[i].sources);
		double all = flood(rows[i].text, most, rows[i].sources);
		print_message("%u events: %.2f s; a quarter: %.2f s\n", most, all, quarter);
		assert_true(all < 12 * quarter + 0.2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(count_and_words),
		cmocka_unit_test(window_and_evidence), cmocka_unit_test(rearmed),
		cmocka_unit_test(chain_of_hosts), cmocka_unit_test(one_event_is_no_sequence),
		cmocka_unit_test(windows_that_close), cmocka_unit_test(sums),
		cmocka_unit_test(of_correlations), cmocka_unit_test(combinations), cmocka_unit_test(refused),
		cmocka_unit_test(empty_range), cmocka_unit_test(skipped), cmocka_unit_test(filters),
		cmocka_unit_test(filter_under_correlation), cmocka_unit_test(full_group),
		cmocka_unit_test(full_state), cmocka_unit_test(idle_groups), cmocka_unit_test(starved),
		cmocka_unit_test(floods) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
