/*
 * Tests of policies, each in a fresh engine with the events' own time: those of a rule itself (sensor.tests)
 *and those of `kind: tests` documents (policy_suite.h). Events written as maps become records and go through
 *the same engine.
 *
 *	sensor:
 *	    tests:
 *	        - name: a message with a patient's name over plain HL7
 *	          events: [{category: phi, action: message, phi.container: hl7, phi: [patient_name]}]
 *	          expect: 1                     # alerts of this rule, repeats folded into one
 */
#include "decide/event_write.h"
#include "decide/policy_suite.h"

#include <stdio.h>
#include <stdlib.h>

struct runner {
	const struct policy *p;
	const struct policy_tests *setup;
	struct diag *diag;
	struct policy_run *run;
	const struct rule *rule; /* whose own test it is, or */
	const struct suite_test *test;
	const struct suite_devices *devices; /* of either */
	uint64_t alerts;                     /* first documents of `rule` */
	uint64_t *seen;                      /* first documents, per expectation of `test` */
	struct event_writer writer;
};

/* ---- counting ------------------------------------------------------------------------------------- */

static bool alert_has(struct policy_run *run, const struct suite_expect *e, const struct alert *a)
{
	if (!e->detect)
		return !e->has;
	event_view_look(run->view, a->event);
	return detect_eval(e->detect, event_view_as_view(run->view), NULL);
}

static void count(struct runner *t, struct policy_run *run, const struct alert *a)
{
	if (t->setup->on_alert)
		t->setup->on_alert(t->setup->arg, a);
	if (a->closing)
		return;
	t->alerts += a->rule == t->rule;
	for (size_t i = 0; t->test && i < t->test->n_expects; i++) {
		const struct suite_expect *e = &t->test->expects[i];
		if (e->rule == a->rule && alert_has(run, e, a))
			t->seen[i]++;
	}
}

static void on_alert(void *arg, const struct alert *a)
{
	struct runner *t = arg;
	count(t, t->run, a);
}

static void on_replayed(void *arg, struct policy_run *run, const struct alert *a)
{
	count(arg, run, a);
}

/* ---- events --------------------------------------------------------------------------------------- */

/* What is said of devices, in so far as the event does not say otherwise. */
static void pretend_device(
	struct runner *t, const struct suite_device *d, const struct yaml_node *event, bool destination)
{
	const struct event_schema *s = t->p->schema;
	for (size_t i = 0; i < d->node->n; i++) {
		int f = suite_device_field(s, d->node->keys[i]->text);
		if (f < 0)
			continue;
		f += destination ? s->destination_device - s->source_device : 0;
		if (!yaml_get(event, s->field[f].name) && d->node->items[i]->text)
			event_view_pretend(t->run->view, (uint16_t)f, yaml_text(d->node->items[i]));
	}
}

static void pretend_devices(struct runner *t, const struct event *e, const struct yaml_node *event)
{
	for (size_t i = 0; i < t->devices->n; i++) {
		const struct suite_device *d = &t->devices->list[i];
		if (addr_eq(&d->ip, &e->conv.src))
			pretend_device(t, d, event, false);
		if (addr_eq(&d->ip, &e->conv.dst))
			pretend_device(t, d, event, true);
	}
}

static bool run_events(struct runner *t, const char *file, const struct yaml_node *events)
{
	struct limits limits;
	struct counters counters = { 0 };
	bool fine = true;
	limits_default(&limits);
	limits.alerts = limits.alert_patients = 256;
	limits.policy_state_mib = 1;
	t->run = policy_start(t->p, &limits, &counters, NULL, (struct alert_sink){ on_alert, t });
	if (!t->run)
		return false;
	t->run->loud = t->rule;
	event_writer_init(&t->writer, t->p->schema, t->run->view, file, t->diag);
	for (size_t i = 0; fine && i < events->n; i++) {
		const struct event *e = event_write(&t->writer, events->items[i]);
		fine = e != NULL;
		if (!fine)
			break;
		pretend_devices(t, e, events->items[i]);
		policy_event(t->run, e);
	}
	policy_finish(t->run);
	policy_stop(t->run);
	t->run = NULL;
	return fine;
}

/* ---- one test ------------------------------------------------------------------------------------- */

static void told(
	struct runner *t, const char *file, const struct yaml_node *at, const char *name, bool passed)
{
	struct policy_test_result r = { file, at->line, name, passed };
	if (t->setup->on_test)
		t->setup->on_test(t->setup->arg, &r);
}

/* True: passed. */
static bool run_own(struct runner *t, const struct yaml_node *test)
{
	const struct yaml_node *name = yaml_get(test, "name"), *events = yaml_get(test, "events");
	const struct yaml_node *expect = yaml_get(test, "expect");
	t->alerts = 0;
	if (!name || !name->text || !events || events->type != YAML_LIST || !expect ||
		expect->type != YAML_INT) {
		diag_add(t->diag, DIAG_ERROR, t->rule->file, test->line, test->column, "E241",
			"a test has a `name`, a list of `events` and `expect: number of alerts`");
		return false;
	}
	if (!run_events(t, t->rule->file, events))
		return false;
	if (t->alerts == (uint64_t)expect->integer)
		return true;
	diag_add(t->diag, DIAG_ERROR, t->rule->file, test->line, test->column, "E242",
		"test \"%s\": %llu alerts of \"%s\", expected %lld", name->text,
		(unsigned long long)t->alerts, t->rule->text.title, (long long)expect->integer);
	return false;
}

static bool met(struct runner *t, const struct suite_expect *e, uint64_t n)
{
	char want[64];
	if (n >= e->least && n <= e->most)
		return true;
	snprintf(want, sizeof want, e->most == UINT64_MAX ? "at least %llu" : "%llu",
		(unsigned long long)e->least);
	diag_add(t->diag, DIAG_ERROR, t->test->file, e->node->line, e->node->column, "E242",
		"test \"%s\": %llu alerts of \"%s\"%s, expected %s", t->test->name, (unsigned long long)n,
		e->node->text, e->has ? " with these fields" : "", want);
	return false;
}

static bool run_capture(struct runner *t)
{
	if (t->setup->replay)
		return t->setup->replay(t->setup->arg, t->p, t->test->pcap,
			&(struct policy_replay){ on_replayed, t }, t->diag);
	diag_add(t->diag, DIAG_ERROR, t->test->file, t->test->node->line, t->test->node->column, "E244",
		"captures are replayed by `wardwatch policy test` only");
	return false;
}

static bool run_suite_test(struct runner *t)
{
	const struct suite_test *test = t->test;
	t->seen = calloc(test->n_expects + 1, sizeof *t->seen);
	bool fine = t->seen != NULL;
	if (fine && test->events)
		fine = run_events(t, test->file, test->events);
	else if (fine)
		fine = run_capture(t);
	bool passed = fine;
	for (size_t i = 0; fine && i < test->n_expects; i++)
		passed = met(t, &test->expects[i], t->seen[i]) && passed;
	free(t->seen);
	return passed;
}

unsigned policy_tests_run(
	const struct policy *p, const struct policy_tests *setup, struct diag *diag, unsigned *ran)
{
	unsigned failed = 0;
	struct runner *t = calloc(1, sizeof *t);
	*ran = 0;
	if (!t)
		return 1;
	t->p = p;
	t->setup = setup;
	t->diag = diag;
	for (size_t i = 0; i < p->n_rules; i++) {
		t->rule = p->rules[i];
		for (size_t k = 0; t->rule->tests && k < t->rule->tests->n; k++, ++*ran) {
			const struct yaml_node *test = t->rule->tests->items[k],
					       *name = yaml_get(test, "name");
			t->devices = &t->rule->test_devices[k];
			bool passed = run_own(t, test);
			failed += !passed;
			told(t, t->rule->file, test, name && name->text ? name->text : "", passed);
		}
	}
	t->rule = NULL;
	for (size_t i = 0; i < p->n_suite; i++, ++*ran) {
		t->test = p->suite[i];
		t->devices = &t->test->devices;
		bool passed = run_suite_test(t);
		failed += !passed;
		told(t, t->test->file, t->test->node, t->test->name, passed);
	}
	free(t);
	return failed;
}

unsigned policy_test(const struct policy *p, struct diag *diag, unsigned *ran)
{
	return policy_tests_run(p, &(struct policy_tests){ 0 }, diag, ran);
}
