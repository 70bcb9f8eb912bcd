/* baselines: learning, new, rare, changed, forgotten, saturated (policy-language.md section 17). */
#include "decide/baseline.h"
#include "decide/event_write.h"
#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define W "dialect: wardwatch/1\n"
#define DOC(body)                                                                                            \
	W "kind: baselines\nbaselines:\n    peers: {event: flow, key: [source.ip], value: [destination.ip, " \
	  "destination.port], learn: 1h" body "}\n"
#define RULE(asks)                                                                                           \
	"---\n" W "title: t\nname: r\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n"                \
	"logsource: {product: wardwatch, service: flow}\ndetection: {s: {" asks "}, condition: s}\n"

static unsigned alerts;

static void on_alert(void *arg, const struct alert *a)
{
	(void)arg;
	alerts += !a->closing;
}

struct world {
	struct policy *policy;
	struct policy_run *run;
	struct counters counters;
	struct diag diag;
};

static void begin(struct world *w, const char *text, unsigned mib)
{
	struct limits limits;
	*w = (struct world){ 0 };
	w->policy = policy_load_text("t.yml", bytes_str(text), &w->diag);
	if (!w->policy || w->diag.errors) {
		diag_print(&w->diag, stderr, true);
		fail_msg("%s", text);
	}
	limits_default(&limits);
	limits.alerts = limits.alert_patients = 256;
	limits.policy_state_mib = mib;
	alerts = 0;
	w->run = policy_start(w->policy, &limits, &w->counters, NULL, (struct alert_sink){ on_alert, NULL });
	assert_non_null(w->run);
}

static void end(struct world *w)
{
	policy_finish(w->run);
	policy_stop(w->run);
	policy_free(w->policy);
	diag_free(&w->diag);
}

/* A conversation's end at that minute; what the first baseline says of it: "new", "new rare" ... */
static const char *say(struct world *w, unsigned minute, unsigned source, unsigned destination, unsigned port)
{
	static const char *const names[] = { "", "n", "r", "nr", "c", "nc", "rc", "nrc" };
	struct event e = { .len = sizeof e, .proto = PROTO_flow, .event = FLOW_EV_END, .packet = minute + 1 };
	unsigned says = 0;
	e.ts_ns = (UINT64_C(1772352000) + minute * 60) * 1000000000;
	e.conv = (struct conv){
		.proto = L4_TCP, .sport = 40000, .dport = (uint16_t)port, .initiator_known = true
	};
	e.conv.src = addr_v4(bytes_of((uint8_t[]){ 10, 1, (uint8_t)(source >> 8), (uint8_t)source }, 4));
	e.conv.dst =
		addr_v4(bytes_of((uint8_t[]){ 10, 2, (uint8_t)(destination >> 8), (uint8_t)destination }, 4));
	policy_event(w->run, &e);
	for (unsigned is = 0; is < 3; is++)
		says |= (unsigned)baselines_say(w->run->baselines, 0, (enum baseline_is)is) << is;
	return names[says];
}

static void learns(void **state)
{
	struct world w;
	(void)state;
	begin(&w, DOC("") RULE("peers|baseline: new"), 1);
	assert_string_equal(say(&w, 0, 1, 1, 80), ""); /* while it learns, nothing is new */
	assert_string_equal(say(&w, 10, 1, 2, 80), "");
	assert_string_equal(say(&w, 59, 1, 1, 443), "");
	assert_string_equal(say(&w, 60, 1, 1, 80), "c");  /* learned */
	assert_string_equal(say(&w, 61, 1, 3, 80), "nc"); /* new once */
	assert_string_equal(say(&w, 62, 1, 3, 80), "");
	assert_string_equal(say(&w, 62, 1, 4, 80), "nc");
	assert_string_equal(say(&w, 63, 2, 3, 80), ""); /* another key begins to learn */
	assert_int_equal(alerts, 2);
	end(&w);
}

static void observations(void **state)
{
	struct world w;
	(void)state;
	begin(&w, DOC(", min-observations: 3") RULE("peers|baseline: new"), 1);
	assert_string_equal(say(&w, 0, 1, 1, 80), "");
	assert_string_equal(say(&w, 100, 1, 2, 80), ""); /* long enough, but seen too seldom */
	assert_string_equal(say(&w, 101, 1, 3, 80), "");
	assert_string_equal(say(&w, 102, 1, 4, 80), "nc");
	end(&w);
}

static void rare(void **state)
{
	struct world w;
	(void)state;
	begin(&w, DOC(", rare-below: 3") RULE("peers|baseline: [rare, changed]"), 1);
	assert_string_equal(say(&w, 0, 1, 1, 80), "");
	assert_string_equal(say(&w, 70, 1, 1, 80), "r");
	assert_string_equal(say(&w, 71, 1, 1, 80), "");
	assert_string_equal(say(&w, 72, 1, 2, 80), "nrc");
	assert_string_equal(say(&w, 73, 1, 2, 80), "r");
	assert_string_equal(say(&w, 74, 1, 2, 80), "");
	end(&w);
}

static void forgets(void **state)
{
	struct world w;
	(void)state;
	begin(&w, DOC(", forget: 1d") RULE("peers|baseline: new"), 1);
	assert_string_equal(say(&w, 0, 1, 1, 80), "");
	assert_string_equal(say(&w, 100, 1, 2, 80), "nc");
	assert_string_equal(say(&w, 1500, 1, 2, 80), ""); /* 23 hours later */
	assert_string_equal(
		say(&w, 1541, 1, 1, 80), "nc");           /* a value that was not seen for more than a day */
	assert_string_equal(say(&w, 4000, 1, 9, 80), ""); /* a key that was not: it learns anew */
	assert_string_equal(say(&w, 4061, 1, 1, 80), "nc");
	end(&w);
}

static void saturates(void **state)
{
	struct world w;
	(void)state;
	begin(&w, DOC("") RULE("peers|baseline: new"), 32);
	for (unsigned i = 0; i < BASELINE_VALUES; i++)
		assert_string_equal(say(&w, 0, 1, i, 80), "");
	assert_string_equal(say(&w, 60, 1, 0, 80), "c");    /* known exactly up to here */
	assert_string_equal(say(&w, 61, 1, 9000, 80), "c"); /* and beyond, nothing is new again */
	assert_string_equal(say(&w, 62, 1, 9001, 80), "c");
	assert_int_equal(w.counters.baseline_keys_lost, 0);
	end(&w);
}

/* A full pool forgets whole keys, the longest unseen first, and says how many. */
static void full(void **state)
{
	struct world w;
	(void)state;
	begin(&w, DOC("") RULE("peers|baseline: new"), 1);
	for (unsigned i = 0; i < 3000; i++)
		assert_string_equal(say(&w, 0, i, 1, 80), "");
	assert_true(w.counters.baseline_keys_lost > 0);
	assert_string_equal(say(&w, 61, 2999, 2, 80), "nc");
	assert_string_equal(say(&w, 61, 1, 2, 80), ""); /* was forgotten */
	end(&w);
}

/* The document of section 17, and a rule in its own tests; conversations count once, at their end. */
static void written(void **state)
{
	struct diag d = { 0 };
	unsigned ran = 0;
	(void)state;
	struct policy *p = policy_load_text("t.yml",
		bytes_str(
			W "title: A device talks to somebody new\nname: new_peer\nid: "
			  "5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n"
			  "logsource: {product: wardwatch, service: flow}\n"
			  "detection: {new: {peer_of_device|baseline: new}, condition: new}\n"
			  "sensor:\n    tests:\n        - name: after a month\n          expect: 1\n         "
			  " events:\n"
			  "            - {category: flow, action: end, time: '2026-03-01T08:00:00Z', "
			  "source.device.id: "
			  "dev-1, network.protocol: tls}\n"
			  "            - {category: flow, action: end, time: '2026-03-01T09:00:00Z', "
			  "source.device.id: "
			  "dev-1, network.protocol: tls, destination.ip: 10.0.0.9}\n"
			  "            - {category: flow, action: end, time: '2026-03-01T10:00:00Z', "
			  "source.device.id: "
			  "dev-1, network.protocol: tls}\n"
			  "            - {category: flow, action: start, time: '2026-04-01T08:00:00Z', "
			  "source.device.id: dev-1, network.protocol: tls, destination.ip: 10.0.0.77}\n"
			  "            - {category: flow, action: end, time: '2026-04-01T08:00:01Z', "
			  "source.device.id: "
			  "dev-1, network.protocol: tls, destination.ip: 10.0.0.77}\n"
			  "            - {category: flow, action: end, time: '2026-04-01T08:00:02Z', "
			  "source.device.id: "
			  "dev-1, network.protocol: tls}\n"
			  "            - {category: flow, action: end, time: '2026-04-01T08:00:03Z', "
			  "network.protocol: "
			  "tls, destination.ip: 10.0.0.78}\n"
			  "---\n" W "kind: baselines\nbaselines:\n    peer_of_device:\n        event: flow\n"
			  "        key: [device.id]\n        value: [destination.zone, destination.ip, "
			  "destination.port, "
			  "network.protocol]\n        learn: 14d\n        min-observations: 3\n        "
			  "forget: 90d\n"
			  "        rare-below: 3\n"),
		&d);
	if (!p || policy_test(p, &d, &ran) != 0) {
		diag_print(&d, stderr, true);
		fail();
	}
	assert_int_equal(ran, 1);
	policy_free(p);
	diag_free(&d);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *code;
	} rows[] = {
		{ W "kind: baselines\n", "E103" },
		{ W "kind: baselines\nbaselines: {a: 7}\n", "E165" },
		{ W "kind: baselines\nbaselines: {a: {event: folw}}\n", "E165" },
		{ DOC(", learn: 2h"), "E101" },
		{ DOC(", forget: soon"), "E113" },
		{ DOC(", rare-below: -1"), "E113" },
		{ DOC(", absent-after: 1d"), "E164" },
		{ DOC(", freeze: true"), "E164" },
		{ DOC(", frget: 1d"), "E118" },
		{ DOC("") "---\n" DOC(""), "E165" },
		{ W "kind: baselines\nbaselines: {a: {event: flow, key: [source.ip], value: "
		    "[destination.ip]}}\n",
			"E165" },
		{ W "kind: baselines\nbaselines: {a: {event: flow, key: [], value: [destination.ip], learn: "
		    "1d}}\n",
			"E165" },
		{ W "kind: baselines\nbaselines: {a: {event: flow, key: [source.pi], value: "
		    "[destination.ip], "
		    "learn: 1d}}\n",
			"E144" },
		{ DOC("") RULE("perrs|baseline: new"), "E165" },
		{ DOC("") RULE("peers|baseline: old"), "E113" },
		{ DOC("") RULE("peers|baseline: absent"), "E164" },
		/* of another category */
		{ DOC("") "---\n" W
			  "title: t\nlevel: low\nlogsource: {product: wardwatch, service: dns}\ndetection: "
			  "{s: {peers|baseline: new}, condition: s}\n",
			"E165" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d = { 0 };
		bool said = false;
		struct policy *p = policy_load_text("t.yml", bytes_str(rows[i].text), &d);
		for (size_t k = 0; k < d.n; k++)
			said = said || strcmp(d.messages[k].code, rows[i].code) == 0;
		if (p || !said) {
			diag_print(&d, stderr, true);
			fail_msg("not refused with %s: %s", rows[i].code, rows[i].text);
		}
		diag_free(&d);
	}
}

struct kept {
	uint8_t b[4][512];
	size_t n[4], records;
};

static void keep(struct world *w, struct kept *k)
{
	struct baseline_record r;
	for (k->records = 0; baselines_save(policy_baselines(w->run), &r); k->records++) {
		assert_in_range(k->records, 0, 3);
		assert_string_equal(r.name, "peers");
		k->n[k->records] = bytes_copy(k->b[k->records], sizeof k->b[0], r.state);
	}
}

/* What was learnt is known after a restart; of a baseline that was changed since nothing is. */
static void survives(void **state)
{
	static const char text[] = DOC("") RULE("peers|baseline: new");
	static const char other[] =
		W "kind: baselines\nbaselines:\n    peers: {event: flow, key: [source.ip], "
		  "value: [destination.ip], learn: 1h}\n" RULE("peers|baseline: new");
	struct kept k;
	struct world w;
	(void)state;
	begin(&w, text, 1);
	say(&w, 0, 1, 1, 80);
	say(&w, 10, 1, 2, 80);
	say(&w, 59, 2, 1, 443);
	keep(&w, &k);
	assert_int_equal(k.records, 2);
	keep(&w, &k);
	assert_int_equal(k.records, 0); /* nothing new */
	say(&w, 60, 1, 1, 80);
	keep(&w, &k);
	assert_int_equal(k.records, 1);
	end(&w);
	begin(&w, text, 1);
	assert_true(baselines_restore(policy_baselines(w.run), bytes_of(k.b[0], k.n[0])));
	assert_string_equal(say(&w, 61, 1, 1, 80), "");
	assert_string_equal(say(&w, 62, 1, 3, 80), "nc");
	assert_string_equal(say(&w, 63, 1, 2, 80), "c");
	for (size_t i = 0; i < k.n[0]; i++) {
		k.b[0][i] ^= 4;
		assert_false(baselines_restore(policy_baselines(w.run), bytes_of(k.b[0], k.n[0])));
		k.b[0][i] ^= 4;
		assert_false(baselines_restore(policy_baselines(w.run), bytes_of(k.b[0], i)));
	}
	end(&w);
	begin(&w, other, 1);
	assert_false(baselines_restore(policy_baselines(w.run), bytes_of(k.b[0], k.n[0])));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(learns), cmocka_unit_test(observations),
		cmocka_unit_test(rare), cmocka_unit_test(forgets), cmocka_unit_test(saturates),
		cmocka_unit_test(full), cmocka_unit_test(written), cmocka_unit_test(refused),
		cmocka_unit_test(survives) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
