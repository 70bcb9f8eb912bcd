/*
 * Inline tests of a rule (sensor.tests): events written as maps become records and go through the same
 *engine.
 *
 *	sensor:
 *	    tests:
 *	        - name: a message with a patient's name over plain HL7
 *	          events: [{category: phi, action: message, phi.container: hl7, phi: [patient_name]}]
 *	          expect: 1                     # alerts of this rule, repeats folded into one
 */
#include "decide/event_write.h"
#include "decide/policy_impl.h"

#include <stdlib.h>

struct test {
	const struct rule *rule;
	struct diag *diag;
	unsigned alerts; /* first documents of this rule */
	struct event_writer writer;
};

static void on_alert(void *arg, const struct alert *a)
{
	struct test *t = arg;
	if (a->rule == t->rule && !a->closing)
		t->alerts++;
}

static bool run_events(struct test *t, const struct policy *p, const struct yaml_node *events)
{
	struct limits limits;
	struct counters counters = { 0 };
	bool fine = true;
	limits_default(&limits);
	limits.alerts = limits.alert_patients = 256;
	limits.policy_state_mib = 1;
	struct policy_run *run =
		policy_start(p, &limits, &counters, NULL, (struct alert_sink){ on_alert, t });
	if (!run)
		return false;
	run->loud = t->rule;
	event_writer_init(&t->writer, p->schema, run->view, t->rule->file, t->diag);
	for (size_t i = 0; fine && i < events->n; i++) {
		const struct event *e = event_write(&t->writer, events->items[i]);
		fine = e != NULL;
		if (fine)
			policy_event(run, e);
	}
	policy_finish(run);
	policy_stop(run);
	return fine;
}

/* True: passed. */
static bool run_test(struct test *t, const struct policy *p, const struct yaml_node *test)
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
	if (!run_events(t, p, events))
		return false;
	if (t->alerts == (uint64_t)expect->integer)
		return true;
	diag_add(t->diag, DIAG_ERROR, t->rule->file, test->line, test->column, "E242",
		"test \"%s\": %u alerts of \"%s\", expected %lld", name->text, t->alerts, t->rule->text.title,
		(long long)expect->integer);
	return false;
}

unsigned policy_test(const struct policy *p, struct diag *diag, unsigned *ran)
{
	unsigned failed = 0;
	struct test *t = calloc(1, sizeof *t);
	*ran = 0;
	if (!t)
		return 1;
	t->diag = diag;
	for (size_t i = 0; i < p->n_rules; i++) {
		t->rule = p->rules[i];
		for (size_t k = 0; t->rule->tests && k < t->rule->tests->n; k++) {
			++*ran;
			failed += !run_test(t, p, t->rule->tests->items[k]);
		}
	}
	free(t);
	return failed;
}
