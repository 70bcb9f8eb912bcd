/* policy: what is loaded and refused, folding, ids, scores; the shipped rules. */
#include "decide/policy_impl.h"
#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- the shipped rules -------------------------------------------------------------------------- */

static void print_and_fail(const struct diag *d)
{
	diag_print(d, stderr, true);
	fail();
}

/* Their tests run in tests/e2e/policy.py: some of them are captures. */
static void shipped_rules(void **state)
{
	const char *path = WW_SOURCE_DIR "/policies";
	struct diag d = { 0 };
	struct policy *p = policy_load(&path, 1, &d);
	(void)state;
	if (!p || d.n)
		print_and_fail(&d);
	assert_true(policy_rules(p) >= 11);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *r = p->rules[i];
		bool speaks = !r->counted || r->always; /* else its correlation says the rest */
		if (!*r->text.id || !*r->text.name || !*r->text.description || !*r->text.ruleset ||
			(speaks && (!r->text.n_responses || !r->text.n_tags || !r->text.n_maps)))
			fail_msg("%s says too little", r->file);
	}
	policy_free(p);
	diag_free(&d);
}

/* The template of a site: left alone with the rest, right when it is named, also together with the rest. */
static void site_example(void **state)
{
	const char *paths[] = { WW_SOURCE_DIR "/policies", WW_SOURCE_DIR "/policies/site.example" };
	struct diag d = { 0 };
	unsigned ran;
	(void)state;
	struct policy *p = policy_load(paths, 1, &d);
	struct policy *both = policy_load(paths, 2, &d), *site = policy_load(paths + 1, 1, &d);
	if (!p || !both || !site || d.n)
		print_and_fail(&d);
	assert_int_equal(zones_count(p->names.zones), ZONE_OWN);
	assert_true(zones_count(both->names.zones) > ZONE_OWN);
	assert_int_equal(policy_rules(both), policy_rules(p) + policy_rules(site));
	if (policy_test(site, &d, &ran) != 0 || ran == 0)
		print_and_fail(&d);
	policy_free(p);
	policy_free(both);
	policy_free(site);
	diag_free(&d);
}

/* tests/policy: the language from file to alert; and a test that is wrong is a failure, not a pass. */
static void language(void **state)
{
	const char *path = WW_SOURCE_DIR "/tests/policy/language.yml";
	struct diag d = { 0 };
	unsigned ran;
	struct policy *p = policy_load(&path, 1, &d);
	(void)state;
	if (!p || d.n)
		print_and_fail(&d);
	if (policy_test(p, &d, &ran) != 0)
		print_and_fail(&d);
	assert_int_equal(ran, 16);
	policy_free(p);
	diag_free(&d);
}

/* ---- loading --------------------------------------------------------------------------------------- */

static struct policy *load_text_as(const char *text, struct diag *d)
{
	*d = (struct diag){ 0 };
	return policy_load_text("t.yml", bytes_str(text), d);
}

#define HEAD   "title: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n"
#define SOURCE "logsource: {product: wardwatch, service: phi}\n"
#define BODY   "detection: {s: {phi.container: hl7}, condition: s}\n"
#define OURS   "dialect: wardwatch/1\n" HEAD SOURCE BODY

static const struct {
	const char *text, *code;
	unsigned line;
} refused_rows[] = {
	{ "[a]\n", "E103", 1 },
	{ "title: t\n", "E103", 1 },
	{ "action: global\n", "E102", 1 },
	{ HEAD "correlation: {}\n", "E113", 4 },
	{ "kind: firmware\ndialect: wardwatch/1\n", "E164", 1 },
	{ "kind: zoens\ndialect: wardwatch/1\n", "E103", 1 },
	{ "kind: fingerprints\n", "E103", 1 },
	{ SOURCE BODY "id: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n", "E116", 1 },
	{ "title: [a]\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n" SOURCE BODY, "E112", 1 },
	{ "title: t\nid: abc\nlevel: low\n" SOURCE BODY, "E125", 2 },
	{ HEAD "name: 1x\n" SOURCE BODY, "E126", 4 },
	{ HEAD "status: fine\n" SOURCE BODY, "E113", 4 },
	{ HEAD "date: 2026/03/01\n" SOURCE BODY, "E115", 4 },
	{ HEAD "tags: [Attack.T1040]\n" SOURCE BODY, "E114", 4 },
	{ "title: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: severe\n" SOURCE BODY, "E113", 3 },
	{ HEAD BODY, "E130", 1 },
	{ HEAD "logsource: {definition: x}\n" BODY, "E130", 4 },
	{ HEAD "logsource: {product: Zeek}\n" BODY, "E130", 4 },
	{ HEAD "logsource: {product: wardwatch, service: dicmo}\n" BODY, "E131", 4 },
	{ HEAD SOURCE "detection: {s: {phi.container: hl7}}\n", "E146", 5 },
	{ HEAD SOURCE "detection: {s: {phi.contaner: hl7}, condition: s}\n", "E144", 5 },
	{ HEAD SOURCE "detection: {s: {dicom.called_ae: x}, condition: s}\n", "E144", 5 },
	{ OURS "fields: [x.y]\n", "E144", 7 },
	{ OURS "sensor: {catgory: policy}\n", "E118", 7 },
	{ OURS "sensor: {category: polic}\n", "E113", 7 },
	{ OURS "sensor: {confidence: 101}\n", "E113", 7 },
	{ OURS "sensor: {score: {add: 21}}\n", "E113", 7 },
	{ OURS "sensor: {score: {kev: true}}\n", "E164", 7 },
	{ OURS "sensor: {score: {kev: 1}}\n", "E113", 7 },
	{ OURS "sensor: {suppress: {for: 1y}}\n", "E113", 7 },
	{ OURS "sensor: {suppress: {mode: backoff}}\n", "E164", 7 },
	{ OURS "sensor: {suppress: {by: [phi.patient]}}\n", "E182", 7 },
	{ OURS "sensor: {suppress: {by: [phi.patent]}}\n", "E144", 7 },
	{ OURS "sensor: {evidence: {packets: 65}}\n", "E113", 7 },
	{ OURS "sensor: {maps: {hippa: [x]}}\n", "E118", 7 },
	{ OURS "sensor: {response: [text]}\n", "E112", 7 },
	{ OURS "sensor: {zones: {any: [x]}}\n", "E223", 7 },
	{ OURS "sensor: {subject: both}\n", "E113", 7 },
	{ OURS "sensor: []\n", "E112", 7 },
	{ OURS "sensor: {tests: [{name: x, devicez: [], events: [], expect: 0}]}\n", "E118", 7 },
	{ OURS "sensor: {tests: [{name: x, devices: [{ip: x}], events: [], expect: 0}]}\n", "E241", 7 },
	{ OURS "---\n" OURS, "E121", 8 },
	{ "a: [\n", "E100", 2 },
};

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused_rows / sizeof *refused_rows; i++) {
		struct diag d;
		struct policy *p = load_text_as(refused_rows[i].text, &d);
		const struct diag_message *m = NULL;
		for (size_t k = 0; k < d.n && !m; k++)
			if (d.messages[k].level == DIAG_ERROR)
				m = &d.messages[k];
		if (p)
			fail_msg("accepted: %s", refused_rows[i].text);
		if (strcmp(m->code, refused_rows[i].code) != 0 || m->line != refused_rows[i].line)
			fail_msg("%s: %s in line %u: %s", refused_rows[i].text, m->code, m->line, m->text);
		diag_free(&d);
	}
}

static void wrong_tests_fail(void **state)
{
	static const char *const tests[] = {
		"[{name: x, events: [{category: phi, phi.container: hl7}], expect: 0}]",
		"[{name: x, events: [{category: phi, phi.container: dicom}], expect: 1}]",
		"[{name: x, events: [{category: ihp}], expect: 0}]",
		"[{name: x, events: [{category: phi, action: ack}], expect: 0}]",
		"[{name: x, events: [{category: phi, phi.contaner: hl7}], expect: 0}]",
		"[{name: x, events: [{category: phi, phi.count: many}], expect: 0}]",
		"[{name: x, events: [{category: phi, source.ip: ten}], expect: 0}]",
		"[{name: x, events: [{category: phi, phi: [name]}], expect: 0}]",
		"[{name: x, events: [{category: phi, time: noon}], expect: 0}]",
		"[{name: x, events: [{phi.count: 1}], expect: 0}]",
		"[{name: x, events: [phi], expect: 0}]",
		"[{events: [], expect: 0}]",
		"[{name: x, events: {}, expect: 0}]",
		"[{name: x, events: []}]",
		"[x]",
	};
	(void)state;
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
		char text[1024];
		struct diag d;
		unsigned ran;
		snprintf(text, sizeof text, "%ssensor: {tests: %s}\n", OURS, tests[i]);
		struct policy *p = load_text_as(text, &d);
		if (!p)
			print_and_fail(&d);
		if (policy_test(p, &d, &ran) != 1 || ran != 1)
			fail_msg("passed: %s", tests[i]);
		policy_free(p);
		diag_free(&d);
	}
}

static void warned_and_skipped(void **state)
{
	static const struct {
		const char *text, *code;
		size_t rules;
	} rows[] = {
		{ "title: t\nlevel: low\n" SOURCE BODY, "W120", 1 },
		{ "title: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\n" SOURCE BODY, "W124", 1 },
		{ HEAD SOURCE BODY "sensor: {category: policy}\n", "W125", 1 },
		{ OURS "descripton: x\n", "W126", 1 },
		/* Values that a field never has. */
		{ HEAD SOURCE "detection: {s: {source.ip: 10.0.0.0/8}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {source.ip: 300.1.1.1}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {source.port: 70000}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {source.port|gt: 65535}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {source.port: [80, 'http']}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {network.encrypted: 'no!'}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {network.transport: tpc}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {network.transport|startswith: x}, condition: s}\n", "W300",
			1 },
		{ HEAD SOURCE "detection: {s: {event.action: mesage}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {event.category: dicom}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {source.mac: '00:1b:21'}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {'@timestamp': 5}, condition: s}\n", "W300", 1 },
		{ HEAD SOURCE "detection: {s: {source.port|hour: 5}, condition: s}\n", "W300", 1 },
		{ HEAD "status: deprecated\n" SOURCE BODY, "S5", 0 },
		{ HEAD "logsource: {product: zeek, service: weird}\ndetection: {s: {f: x}, condition: s}\n",
			"S1", 0 },
		{ HEAD "logsource: {category: process_creation}\ndetection: {s: {f: x}, condition: s}\n",
			"S1", 0 },
		{ HEAD "logsource: {product: zeek, service: conn}\ndetection: {s: {Image: x}, condition: "
		       "s}\n",
			"S2", 0 },
		/* Of another sensor's log: neither near nor known is left out, not refused. */
		{ HEAD "logsource: {category: dns}\ndetection: {s: {no.such.thing: x}, condition: s}\n", "S2",
			0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d;
		struct policy *p = load_text_as(rows[i].text, &d);
		if (!p || d.n != 1 || strcmp(d.messages[0].code, rows[i].code) != 0)
			print_and_fail(&d);
		assert_int_equal(policy_rules(p), rows[i].rules);
		policy_free(p);
		diag_free(&d);
	}
}

/* A misspelt field is told with the nearest name, an alias among them; of our own events it is an error. */
static const struct {
	const char *text, *code, *near;
	bool refused;
} misspelt_fields_rows[] = {
	{ HEAD "logsource: {product: zeek, service: dns}\ndetection: {s: {qury: x}, condition: s}\n", "W301",
		"is it \"query\"?", false },
	{ HEAD "logsource: {product: wardwatch, service: dns}\n"
	       "detection: {s: {qury: x}, condition: s}\n",
		"E144", "is it \"query\"?", true },
	{ HEAD SOURCE "detection: {s: {phi.contaner: x}, condition: s}\n", "E144", "is it \"phi.container\"?",
		true },
};

static void misspelt_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof misspelt_fields_rows / sizeof *misspelt_fields_rows; i++) {
		struct diag d;
		struct policy *p = load_text_as(misspelt_fields_rows[i].text, &d);
		if ((p == NULL) != misspelt_fields_rows[i].refused || d.n == 0 ||
			strcmp(d.messages[0].code, misspelt_fields_rows[i].code) != 0 ||
			!strstr(d.messages[0].text, misspelt_fields_rows[i].near))
			print_and_fail(&d);
		if (p) {
			assert_int_equal(policy_rules(p), 0);
			policy_free(p);
		}
		diag_free(&d);
	}
}

static void missing_directory(void **state)
{
	const char *path = "/nonexistent/policies";
	struct diag d = { 0 };
	(void)state;
	assert_null(policy_load(&path, 1, &d));
	assert_string_equal(d.messages[0].code, "E111");
	diag_free(&d);
}

/* ---- running ----------------------------------------------------------------------------------------- */

struct seen {
	unsigned first, closing;
	uint64_t count, patients;
	bool at_least;
	char ids[64][ALERT_ID];
	unsigned n;
	struct alert last;
};

static void on_alert(void *arg, const struct alert *a)
{
	struct seen *s = arg;
	if (a->closing) {
		s->closing++;
		s->count += a->count;
		s->patients = a->patients;
		s->at_least = a->patients_at_least;
		assert_string_not_equal(a->id, a->first_id);
	} else {
		s->first++;
		assert_string_equal(a->id, a->first_id);
	}
	if (s->n < 64)
		memcpy(s->ids[s->n++], a->id, ALERT_ID);
	s->last = *a;
}

/* A phi event of the patient's number `who`, from host `from` to host 250. */
static void feed(struct policy_run *r, uint64_t seconds, unsigned from, unsigned who)
{
	union {
		struct event e;
		uint8_t bytes[512];
	} u = { 0 };
	struct event *e = &u.e;
	struct fact *f = (struct fact *)(void *)(e + 1);
	struct phi_fact patient = { .class = PHI_MRN, .whole = { { (uint8_t)(who >> 8), (uint8_t)who } } };
	*e = (struct event){ .record = RECORD_EVENT,
		.proto = PROTO_phi,
		.ts_ns = seconds * 1000000000,
		.packet = seconds + 1,
		.phi = PHI_BIT(PHI_MRN),
		.n_facts = 2 };
	e->conv.src = addr_v4(bytes_of((uint8_t[]){ 10, 0, (uint8_t)(from >> 8), (uint8_t)from }, 4));
	e->conv.dst = addr_v4(bytes_of((uint8_t[]){ 10, 1, 0, 250 }, 4));
	e->conv.proto = L4_TCP;
	e->conv.sport = 4000;
	e->conv.dport = 2575;
	*f = (struct fact){ .field = PHI_CONTAINER, .type = FACT_STR, .len = 3 };
	memcpy(f->value, "hl7", 3);
	f = (struct fact *)(void *)(f->value + 8);
	*f = (struct fact){ .field = PHI_PATIENT, .type = FACT_PHI, .len = sizeof patient };
	memcpy(f->value, &patient, sizeof patient);
	e->len = (uint32_t)((size_t)((uint8_t *)f - u.bytes) + sizeof *f +
			    ((sizeof patient + 7) & ~(size_t)7));
	policy_event(r, e);
}

static struct policy *one_rule(const char *sensor)
{
	char text[1024];
	struct diag d;
	snprintf(text, sizeof text, "%s%s", OURS, sensor);
	struct policy *p = load_text_as(text, &d);
	if (!p)
		print_and_fail(&d);
	diag_free(&d);
	return p;
}

static struct policy_run *start(
	const struct policy *p, struct counters *c, struct seen *s, uint64_t alerts, uint64_t patients)
{
	struct limits l;
	limits_default(&l);
	l.alerts = alerts;
	l.alert_patients = patients;
	*c = (struct counters){ 0 };
	*s = (struct seen){ 0 };
	return policy_start(p, &l, c, NULL, (struct alert_sink){ on_alert, s });
}

static void folding(void **state)
{
	struct policy *p = one_rule("sensor: {suppress: {for: 1h}, evidence: {packets: 3}}\n");
	struct counters c;
	struct seen s;
	struct policy_run *r = start(p, &c, &s, 64, 64);
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		feed(r, i, 1, i % 4);
	feed(r, 10, 2, 1);
	assert_int_equal(s.first, 2);
	assert_int_equal(s.closing, 0);
	feed(r, 3600, 2, 1); /* the first window is over, the second not */
	assert_int_equal(s.closing, 1);
	assert_int_equal(s.count, 10);
	assert_int_equal(s.patients, 4);
	assert_false(s.at_least);
	assert_int_equal(s.last.n_packets, 3);
	assert_int_equal(s.last.first_packet, 1);
	assert_int_equal(s.last.last_packet, 10);
	feed(r, 3601, 1, 9); /* a new window: said again */
	assert_int_equal(s.first, 3);
	policy_finish(r);
	assert_int_equal(s.closing, 2); /* host 2's; a group without repeats has nothing to add */
	assert_int_equal(s.count, 12);
	assert_int_equal(c.alerts, 5);
	assert_int_equal(
		c.alerts_informational + c.alerts_low + c.alerts_medium + c.alerts_high + c.alerts_critical,
		5);
	assert_int_equal(c.alerts_folded, 10);
	assert_int_equal(c.policy_matches, 13);
	assert_true(c.policy_evaluations >= 13);
	policy_stop(r);
	policy_free(p);
}

static void ids(void **state)
{
	struct policy *p = one_rule("");
	struct counters c;
	struct seen one, two;
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct policy_run *r = start(p, &c, i ? &two : &one, 64, 64);
		for (unsigned k = 0; k < 5; k++)
			feed(r, k, k / 2, k);
		policy_finish(r);
		policy_stop(r);
	}
	assert_int_equal(one.n, 5);
	assert_memory_equal(one.ids, two.ids, sizeof one.ids);
	for (unsigned i = 0; i < one.n; i++) {
		assert_int_equal(strlen(one.ids[i]), ALERT_ID - 1);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(one.ids[i], one.ids[k]);
	}
	policy_free(p);
}

/* The id does not depend on who is taken for the initiator. */
static void id_of_turned_conversation(void **state)
{
	struct policy *p = one_rule("");
	struct event e = { .record = RECORD_EVENT, .ts_ns = 5000 };
	struct alert a = { .rule = p->rules[0], .event = &e }, b = a;
	(void)state;
	addr_parse(bytes_str("10.0.0.9"), &e.conv.src);
	addr_parse(bytes_str("10.0.0.10"), &e.conv.dst);
	e.conv.sport = 5;
	e.conv.dport = 104;
	alert_id(&a, bytes_str("x\0y"));
	struct addr swap = e.conv.src;
	e.conv.src = e.conv.dst;
	e.conv.dst = swap;
	e.conv.sport = 104;
	e.conv.dport = 5;
	alert_id(&b, bytes_str("x\0y"));
	assert_string_equal(a.id, b.id);
	e.ts_ns = 6000;
	alert_id(&b, bytes_str("x\0y"));
	assert_string_not_equal(a.id, b.id);
	policy_free(p);
}

static void score(void **state)
{
	static const struct {
		const char *sensor;
		enum level level;
		uint32_t phi;
		unsigned score;
	} rows[] = {
		{ "", LEVEL_LOW, 0, 21 },
		{ "", LEVEL_LOW, 7, 27 },
		{ "", LEVEL_LOW, 0xffff, 31 },
		{ "sensor: {confidence: 71}\n", LEVEL_LOW, 0, 17 },
		{ "sensor: {score: {add: -20}, confidence: 20}\n", LEVEL_INFORMATIONAL, 0, 1 },
		{ "sensor: {score: {add: 20}}\n", LEVEL_CRITICAL, 1, 100 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct policy *p = one_rule(rows[i].sensor);
		struct alert a = { .rule = p->rules[0], .level = rows[i].level, .phi = rows[i].phi };
		int sum = 0;
		alert_score(&a);
		assert_int_equal(a.score, rows[i].score);
		for (unsigned k = 0; k < a.n_terms; k++)
			sum += a.terms[k].amount;
		assert_int_equal(sum < 1 ? 1 : sum > 100 ? 100 : sum, (int)a.score);
		policy_free(p);
	}
}

/* ---- starvation ---------------------------------------------------------------------------------------- */

/* More pairs than groups: the oldest close early, every hit is in some document, the counter says so. */
static void full_groups(void **state)
{
	struct policy *p = one_rule("");
	struct counters c;
	struct seen s;
	struct policy_run *r = start(p, &c, &s, 64, 1024);
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		feed(r, 2 * i, i, i);
		feed(r, 2 * i + 1, i, i);
	}
	policy_finish(r);
	assert_int_equal(s.first, 200);
	assert_int_equal(s.closing, 200);
	assert_int_equal(s.count, 400);
	assert_int_equal(c.full_alerts, 136);
	policy_stop(r);
	policy_free(p);
}

/* A pool that gives nothing any more: each hit is said alone. */
static void no_groups(void **state)
{
	struct policy *p = one_rule("");
	for (uint32_t at = 1; at < 6; at++) {
		struct counters c;
		struct seen s;
		struct policy_run *r = start(p, &c, &s, 64, 64);
		fold_fail_at(r->fold, at);
		for (unsigned i = 0; i < 20; i++)
			feed(r, i, i / 2, i);
		policy_finish(r);
		assert_true(c.full_alerts > 0);
		assert_true(s.first >= 10);
		assert_int_equal(c.alerts_folded + s.first, 20);
		policy_stop(r);
	}
	(void)state;
	policy_free(p);
}

static void full_patients(void **state)
{
	struct policy *p = one_rule("sensor: {suppress: {for: 1h}}\n");
	struct counters c;
	struct seen s;
	struct policy_run *r = start(p, &c, &s, 64, 64);
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		feed(r, i, 1, i);
	policy_finish(r);
	assert_int_equal(s.patients, 64);
	assert_true(s.at_least);
	assert_true(c.full_alert_patients > 0);
	/* Their places are given back with the group. */
	for (unsigned i = 0; i < 64; i++)
		feed(r, 5000 + i, 1, i);
	policy_finish(r);
	assert_int_equal(s.patients, 64);
	assert_false(s.at_least);
	policy_stop(r);
	policy_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_rules),
		cmocka_unit_test(site_example),
		cmocka_unit_test(language),
		cmocka_unit_test(refused),
		cmocka_unit_test(wrong_tests_fail),
		cmocka_unit_test(warned_and_skipped),
		cmocka_unit_test(misspelt_fields),
		cmocka_unit_test(missing_directory),
		cmocka_unit_test(folding),
		cmocka_unit_test(ids),
		cmocka_unit_test(id_of_turned_conversation),
		cmocka_unit_test(score),
		cmocka_unit_test(full_groups),
		cmocka_unit_test(no_groups),
		cmocka_unit_test(full_patients),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
