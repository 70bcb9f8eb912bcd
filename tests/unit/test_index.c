/*
 * index: which rules are looked at for an event; and on every capture there is, a rule that holds is among
 * them, and alerts are the same without the index.
 */
#include "decide/index.h"

#include "decide/event_write.h"
#include "packet/capture.h"
#include "run/worker.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- by hand ------------------------------------------------------------------------------------- */

static struct event_writer *writer;

/* Is a rule of that detection looked at for the event? */
static bool is_looked_at(const char *service, const char *detection, const char *event, bool *holds)
{
	struct diag d = { 0 };
	struct yaml_file file = { 0 };
	char text[4096];
	snprintf(text, sizeof text,
		"{dialect: wardwatch/1, title: t, id: 5b0f5a3e-6a54-4a0b-9d55-0f4f5f7b6a01, level: low, "
		"logsource: {product: wardwatch, service: %s}, detection: %s}",
		service, detection);
	struct policy *p = policy_load_text("t", bytes_str(text), &d);
	if (!p || p->n_rules != 1)
		fail_msg("%s: %s", detection, d.n ? d.messages[d.n - 1].text : "no rule");
	struct event_view *view = event_view_new(p->schema, NULL);
	struct candidates *c = candidates_new(p);
	assert_true(view && c && yaml_parse("t", bytes_str(event), &file, &d));
	event_writer_init(writer, p->schema, view, "t", &d);
	const struct event *e = event_write(writer, file.docs[0]);
	if (!e)
		fail_msg("%s: %s", event, d.messages[d.n - 1].text);
	event_view_look(view, e);
	candidates_find(c, p->index[p->rules[0]->category], view);
	bool looked_at = candidates_next(c, 0) == 0;
	*holds = rule_holds(p->rules[0], event_view_as_view(view), NULL);
	candidates_free(c);
	event_view_free(view);
	yaml_fini(&file);
	policy_free(p);
	diag_free(&d);
	return looked_at;
}

enum verdict { PASSED_OVER, IN_VAIN, HOLDS };

static const struct {
	const char *detection, *event; /* of dns */
	enum verdict verdict;
} rows[] = {
	{ "{s: {query: 'a.example'}, condition: s}", "{query: A.example}", HOLDS },
	{ "{s: {query: 'a.example'}, condition: s}", "{query: b.example}", PASSED_OVER },
	{ "{s: {query|cased: 'a.example'}, condition: s}", "{query: A.example}", IN_VAIN },
	{ "{s: {query: ''}, condition: s}", "{query: ''}", HOLDS },
	{ "{s: {query: ['a', 'b']}, condition: s}", "{query: b}", HOLDS },
	{ "{s: {query|contains: 'ample'}, condition: s}", "{query: exAMPLEs}", HOLDS },
	{ "{s: {query|contains: 'ample'}, condition: s}", "{query: exAMPL}", PASSED_OVER },
	{ "{s: {query|contains: 'ks'}, condition: s}", "{query: xx}", IN_VAIN },
	{ "{s: {query|contains: 'ks'}, condition: s}", "{answers: x}", PASSED_OVER },
	/* Letters that fold to others: the Kelvin sign, the long s; and beyond ASCII. */
	{ "{s: {query|contains: 'desks'}, condition: s}", "{query: \"x de\\u017f\\u212as\"}", HOLDS },
	{ "{s: {query: 'desk'}, condition: s}", "{query: \"de\\u017f\\u212a\"}", HOLDS },
	{ "{s: {query|contains: \"\\u00c4rztin\"}, condition: s}", "{query: \"x\\u00e4RZTINx\"}", HOLDS },
	{ "{s: {query|contains: \"\\u00c4rztin\"}, condition: s}", "{query: \"x\\u00e5RZTINx\"}",
		PASSED_OVER },
	{ "{s: {query|re: 'ab+cde?f*gh'}, condition: s}", "{query: abbcdgh}", HOLDS },
	{ "{s: {query|re: '^(x|y)[q]abc\\.d{2}|other'}, condition: s}", "{query: yqabc.dd}", HOLDS },
	{ "{s: {query|re: '^(x|y)[q]abc\\.d{2}|other'}, condition: s}", "{query: OTHER}", IN_VAIN },
	{ "{s: {query|re: '^(x|y)[q]abc\\.d{2}|other'}, condition: s}", "{query: yqab.dd}", PASSED_OVER },
	{ "{s: {query|re|i: 'desk'}, condition: s}", "{query: \"DE\\u017f\\u212a\"}", HOLDS },
	{ "{s: {source.ip: '::ffff:10.1.2.3'}, condition: s}", "{source.ip: 10.1.2.3}", HOLDS },
	{ "{s: {source.ip: '10.1.2.4'}, condition: s}", "{source.ip: 10.1.2.3}", PASSED_OVER },
	{ "{s: {source.ip: '10.1.*'}, condition: s}", "{source.ip: 10.1.2.3}", HOLDS },
	{ "{s: {source.ip: '10.1.*'}, condition: s}", "{source.ip: 10.2.1.3}", PASSED_OVER },
	{ "{s: {source.ip|cidr: '10.1.0.0/17'}, condition: s}", "{source.ip: 10.1.2.3}", HOLDS },
	{ "{s: {source.ip|cidr: '10.1.0.0/17'}, condition: s}", "{source.ip: 10.1.128.3}", PASSED_OVER },
	{ "{s: {source.ip|cidr: '2001:db8::/33'}, condition: s}", "{source.ip: '2001:db8:7fff::'}", HOLDS },
	{ "{s: {answers|cidr: '10.1.0.0/17'}, condition: s}", "{answers: [x, 10.1.2.3]}", HOLDS },
	{ "{s: {source.mac: '00-1B-21-aa-bb-cc'}, condition: s}", "{source.mac: '00:1b:21:aa:bb:cc'}",
		HOLDS },
	{ "{s: {source.mac|startswith: '00-1B'}, condition: s}", "{source.mac: '00:1b:21:aa:bb:cc'}", HOLDS },
	{ "{s: {source.mac|startswith: '00-1B'}, condition: s}", "{source.mac: '00:1c:21:aa:bb:cc'}",
		PASSED_OVER },
	{ "{s: {source.mac|re: '^00-1B-21'}, condition: s}", "{source.mac: '00:1b:21:aa:bb:cc'}", HOLDS },
	{ "{s: {source.port: 53}, condition: s}", "{source.port: 53}", HOLDS },
	{ "{s: {source.port: '53'}, condition: s}", "{source.port: 53}", HOLDS },
	{ "{s: {source.port: 53}, condition: s}", "{source.port: 54}", PASSED_OVER },
	{ "{s: {source.port|gt: 53}, condition: s}", "{source.port: 53}", IN_VAIN },
	{ "{s: {query: 53}, condition: s}", "{query: '53.0'}", HOLDS },
	{ "{s: {query: 53}, condition: s}", "{query: '+53'}", HOLDS },
	{ "{s: {query: 53}, condition: s}", "{query: '053x'}", PASSED_OVER },
	{ "{s: {network.encrypted: false}, condition: s}", "{network.encrypted: false}", HOLDS },
	{ "{s: {network.encrypted: true}, condition: s}", "{network.encrypted: false}", PASSED_OVER },
	{ "{s: {query: true}, condition: s}", "{query: 'TRUE'}", HOLDS },
	{ "{s: {answers|exists: true}, condition: s}", "{query: x}", PASSED_OVER },
	{ "{s: {answers|exists: false}, condition: s}", "{query: x}", HOLDS },
	{ "{s: {answers: null}, condition: s}", "{query: x}", HOLDS },
	{ "{s: {answers|neq: x}, condition: s}", "{query: x}", HOLDS },
	{ "{s: {answers|count|lt: 2}, condition: s}", "{query: x}", HOLDS },
	{ "{s: {answers|contains|all: ['abc', 'def']}, condition: s}", "{answers: [xabc, defx]}", HOLDS },
	{ "{s: {query: abc}, condition: not s}", "{query: x}", HOLDS },
	{ "{s: {query: abc}, f: {answers: def}, condition: s and not f}", "{query: abc}", HOLDS },
	{ "{s: {query: abc}, f: {answers: def}, condition: s and not f}", "{query: x}", PASSED_OVER },
	{ "{s: {query: abc}, f: {answers: def}, condition: s or f}", "{answers: def}", HOLDS },
	{ "{s: {query: abc}, f: {answers: def}, condition: s or not f}", "{query: x}", HOLDS },
	{ "{s: ['needle'], condition: s}", "{answers: [x, a needle y]}", HOLDS },
	{ "{s: ['needle'], condition: s}", "{answers: [x, a needl y]}", PASSED_OVER },
	{ "{s: {'|re': 'nee.dle'}, condition: s}", "{query: neeedle}", HOLDS },
	/* Keywords see numbers as decimal text, be they asked for by other rules or not. */
	{ "{s: ['4433'], condition: s}", "{destination.port: 4433}", HOLDS },
	{ "{s: [4433], condition: s}", "{dns.id: 4433}", HOLDS },
	{ "{s: [4433], condition: s}", "{dns.id: 4434}", PASSED_OVER },
	{ "{s: ['4?3*'], condition: s}", "{dns.id: 4433}", HOLDS },
	{ "{s: {'|startswith': '443'}, condition: s}", "{dns.id: 4433}", HOLDS },
	{ "{s: {'|re': '^44+3$'}, condition: s}", "{dns.id: 4443}", HOLDS },
	{ "{s: ['4433'], n: {dns.id: '7'}, condition: s or n}", "{dns.id: 4433}", HOLDS },
	{ "{s: ['10.1.2'], condition: s}", "{source.ip: 10.1.2.3}", PASSED_OVER },
	{ "{s: {query|base64offset|contains: 'secret'}, condition: s}", "{query: 'xxc2VjcmV0'}", HOLDS },
	{ "{s: {query|windash|contains: ' -enc'}, condition: s}", "{query: 'a /ENC'}", HOLDS },
	{ "{s: {query|fieldref: answers}, condition: s}", "{query: a, answers: [b, A]}", HOLDS },
	{ "{s: {query|uid_under: 1.2.840}, condition: s}", "{query: 1.2.840.3}", HOLDS },
	{ "{s: {event|phi: any}, condition: s}", "{query: a, phi: [mrn]}", HOLDS },
	{ "{s: {event|phi: [mrn, email]}, condition: s}", "{query: a, phi: [mrn]}", HOLDS },
	{ "{s: {event|phi: [mrn, email]}, condition: s}", "{query: a, phi: [address]}", PASSED_OVER },
	{ "{s: {event|phi: any}, condition: s}", "{query: a}", PASSED_OVER },
	{ "{s: {query: xyz}, r: {answers: abc}, condition: [s, r]}", "{answers: [abc]}", HOLDS },
};

static void by_hand(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char event[512];
		bool holds;
		snprintf(event, sizeof event, "{category: dns, %s", rows[i].event + 1);
		bool looked_at = is_looked_at("dns", rows[i].detection, event, &holds);
		enum verdict is = holds ? HOLDS : looked_at ? IN_VAIN : PASSED_OVER;
		if (is != rows[i].verdict || (holds && !looked_at))
			fail_msg("%s, %s: %d, and looked at: %d", rows[i].detection, event, is, looked_at);
	}
}

/* ---- captures -------------------------------------------------------------------------------------- */

#define PUBLIC WW_SOURCE_DIR "/../shared/sigma/rules"
#define LAB    WW_SOURCE_DIR "/../shared/captures"

struct log {
	uint64_t digest;
	unsigned n;
};

struct look {
	const struct policy *p;
	struct policy_run *with, *without;
	struct log logs[2];
	struct worker worker;
	struct inventory *inventory;
	struct counters counters;
	struct event_view *view;
	struct candidates *candidates;
	uint64_t events, rules, looked_at, held;
};

static void on_alert(void *arg, const struct alert *a)
{
	struct log *l = arg;
	uint64_t what[] = { a->rule->number, a->event->packet, a->event->ts_ns, a->count, a->closing,
		a->reason.n, a->reason.condition, a->reason.item[0].value_index };
	for (size_t i = 0; i < sizeof what / sizeof *what; i++)
		l->digest = index_mix(l->digest, what[i]);
	l->n++;
}

static void on_event(void *arg, const struct event *e)
{
	struct look *l = arg;
	unsigned category = event_schema_category_of(l->p->schema, e);
	size_t n = l->p->n_of_category[category];
	policy_event(l->with, e);
	policy_event(l->without, e);
	event_view_look(l->view, e);
	candidates_find(l->candidates, l->p->index[category], l->view);
	for (size_t i = 0, next; n && i < n; i++) {
		const struct rule *r = l->p->of_category[category][i];
		next = candidates_next(l->candidates, i);
		l->looked_at += next == i;
		bool holds = rule_holds(r, event_view_as_view(l->view), NULL);
		l->held += holds;
		if (holds && next != i)
			fail_msg("\"%s\" holds and is not looked at", r->text.title);
	}
	l->events++;
	l->rules += n;
}

static void drain(void *arg)
{
	struct look *l = arg;
	uint32_t n;
	for (const void *record; (record = ring_peek(&l->worker.ring, &n)); ring_pop(&l->worker.ring)) {
		const struct event *e = record;
		if (e->record == RECORD_COUNTERS)
			continue;
		inventory_feed(l->inventory, e);
		if (e->record == RECORD_EVENT)
			on_event(l, e);
	}
}

static void one_capture(struct look *l, const char *path)
{
	struct diag d = { 0 };
	struct frame f;
	struct limits limits;
	struct privacy_key key;
	limits_default(&limits);
	limits.flows = limits.halves = limits.states = limits.devices = limits.addresses = 1024;
	limits.alerts = limits.alert_patients = 256;
	limits.policy_state_mib = 1;
	limits.ring_kib = 1024;
	limits.stream_total_mib = 4;
	privacy_key_init(&key, bytes_str("test"), false);
	struct worker_setup setup = { .limits = &limits, .key = &key, .on_full = drain, .arg = l };
	struct capture *c = capture_open(&path, 1, &d);
	assert_non_null(c);
	assert_true(worker_init(&l->worker, &setup));
	l->inventory = inventory_new(&limits, &l->counters, NULL, NULL);
	l->view = event_view_new(l->p->schema, l->inventory);
	l->candidates = candidates_new(l->p);
	l->with = policy_start(
		l->p, &limits, &l->counters, l->inventory, (struct alert_sink){ on_alert, &l->logs[0] });
	l->without = policy_start(
		l->p, &limits, &l->counters, l->inventory, (struct alert_sink){ on_alert, &l->logs[1] });
	assert_true(l->inventory && l->view && l->candidates && l->with && l->without);
	l->without->look_at_all = true;
	inventory_on_asset(l->inventory, on_event, l);
	while (capture_next(c, &f)) {
		worker_packet(&l->worker, &f);
		drain(l);
	}
	worker_finish(&l->worker);
	drain(l);
	policy_finish(l->with);
	policy_finish(l->without);
	assert_int_equal(l->logs[0].n, l->logs[1].n);
	assert_true(l->logs[0].digest == l->logs[1].digest);
	policy_stop(l->with);
	policy_stop(l->without);
	candidates_free(l->candidates);
	event_view_free(l->view);
	worker_fini(&l->worker);
	inventory_free(l->inventory);
	capture_close(c);
	diag_free(&d);
}

static void captures(void **state)
{
	static const char *const globs[] = { WW_SOURCE_DIR "/pcaps/*/*.pcap", LAB "/*/*.pcap",
		LAB "/*/*.pcapng" };
	const char *paths[] = { WW_SOURCE_DIR "/policies", WW_SOURCE_DIR "/tests/policy/language.yml",
		WW_SOURCE_DIR "/tests/policy/sigma-style", PUBLIC };
	struct policy_options o = { .compat_host = true };
	struct diag d = { 0 };
	glob_t found = { 0 };
	struct look *l = calloc(1, sizeof *l);
	(void)state;
	assert_non_null(l);
	struct policy *p = policy_load_with(&o, paths, access(PUBLIC, R_OK) == 0 ? 4 : 3, &d);
	if (!p)
		fail_msg("%s", d.n ? d.messages[0].text : "");
	l->p = p;
	for (size_t i = 0; i < sizeof globs / sizeof *globs; i++)
		(void)glob(globs[i], i ? GLOB_APPEND : 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		one_capture(l, found.gl_pathv[i]);
	print_message("%zu rules, %zu captures, %llu events with %llu rules of their category: %llu looked "
		      "at, %llu held, %u alerts\n",
		p->n_rules, found.gl_pathc, (unsigned long long)l->events, (unsigned long long)l->rules,
		(unsigned long long)l->looked_at, (unsigned long long)l->held, l->logs[0].n);
	assert_true(l->events > 300 && l->held > 30 && l->looked_at < l->rules);
	globfree(&found);
	policy_free(p);
	diag_free(&d);
	free(l);
}

static int start(void **state)
{
	(void)state;
	writer = calloc(1, sizeof *writer);
	return !writer;
}

static int end(void **state)
{
	(void)state;
	free(writer);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand),
		cmocka_unit_test(captures),
	};
	int failed = cmocka_run_group_tests(tests, start, end);
	return failed != 0;
}
