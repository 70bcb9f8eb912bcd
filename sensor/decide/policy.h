/*
 * policy: rules loaded, compiled and run (policy-language.md; design.md section 9).
 *
 * policy_load at start or reload; policy_event on the hub for every event record, after the inventory has
 * taken it. Nothing allocates after policy_start.
 */
#ifndef WW_DECIDE_POLICY_H
#define WW_DECIDE_POLICY_H

#include "decide/alert.h"

struct policy;

enum rule_status {
	STATUS_UNSUPPORTED, /* never loaded */
	STATUS_DEPRECATED,
	STATUS_EXPERIMENTAL,
	STATUS_TEST, /* also of a rule that says nothing */
	STATUS_STABLE,
};

/* "experimental", "test" ...; false: there is no such status. */
bool rule_status_of(struct bytes name, enum rule_status *out);
const char *rule_status_name(enum rule_status status);

struct policy_options {
	bool strict_logsource; /* a rule that attaches nowhere is an error (E131), not skipped (S1) */
	bool compat_host;      /* rules of hosts' logs look at dns and flow events */
	bool load_deprecated;
	bool drop_empty_quantifiers; /* of plain Sigma: `1 of x*` that selects nothing is left out (W175) */
	enum rule_status min_status; /* what is less is skipped (S5); deprecated ones are load_deprecated's */
	const struct network *home;  /* of the site, besides the private ranges; borrowed */
	size_t n_home;
};

/* Every .yml/.yaml below the paths, or the files themselves. NULL when anything is wrong: all of it is in
 * diag. */
struct policy *policy_load(const char *const *paths, size_t n, struct diag *diag);
/* The same of one text, for tests; `name` stands in messages. */
struct policy *policy_load_text(const char *name, struct bytes text, struct diag *diag);
/* The same with other options than all zero. */
struct policy *policy_load_with(
	const struct policy_options *o, const char *const *paths, size_t n, struct diag *diag);
struct policy *policy_load_text_with(
	const struct policy_options *o, const char *name, struct bytes text, struct diag *diag);
/* A folder of that name is a template to be copied: it is loaded only when it is named itself. */
bool policy_is_example(const char *folder);
void policy_free(struct policy *p);
/* Networks of the site besides the private ranges: what the options said, and `home` of the zones. */
const struct network *policy_home(const struct policy *p, size_t *n);
/* Those of the tree; they live as long as p. */
const struct fingerprints *policy_fingerprints(const struct policy *p);
const struct zones *policy_zones(const struct policy *p);
size_t policy_rules(const struct policy *p);

struct policy_run;
struct policy_run *policy_start(const struct policy *p, const struct limits *l, struct counters *c,
	const struct inventory *inv, struct alert_sink sink);
/* Calls fn for each event that the policies make of others (category segmentation), after policy_event has
 * looked at the one that brought it about; it is valid during the call. fn hands it to policy_event. */
void policy_on_derived(struct policy_run *r, void (*fn)(void *arg, const struct event *e), void *arg);
void policy_event(struct policy_run *r, const struct event *e);
/* Closes all windows (end of the run). */
void policy_finish(struct policy_run *r);
void policy_stop(struct policy_run *r);
/* What this run has learnt to be usual (baseline.h): to be saved and restored. */
struct baseline_run *policy_baselines(struct policy_run *r);

/* ---- tests (policy-language.md section 19) ------------------------------------------------------- */

struct policy_test_result {
	const char *file;
	unsigned line;
	const char *name;
	bool passed;
};

/* Told of each alert of a capture and the run that gave it. */
struct policy_replay {
	void (*on_alert)(void *to, struct policy_run *run, const struct alert *a);
	void *to;
};

/* Any may be NULL. */
struct policy_tests {
	void (*on_test)(void *arg, const struct policy_test_result *r);
	void (*on_alert)(void *arg, const struct alert *a); /* every alert, closing ones too */
	/* Runs a capture through the whole line, for tests with `pcap`; false after saying why not. */
	bool (*replay)(void *arg, const struct policy *p, const char *path, const struct policy_replay *to,
		struct diag *diag);
	void *arg;
};

/* Runs the tests of all rules (sensor.tests) and of all `kind: tests` documents; says in diag why one fails
 * and returns the number of failures; *ran is how many ran. */
unsigned policy_tests_run(
	const struct policy *p, const struct policy_tests *setup, struct diag *diag, unsigned *ran);
/* The same without a setup. */
unsigned policy_test(const struct policy *p, struct diag *diag, unsigned *ran);

/* What an alert document says of its rule. Absent strings are "". */
struct rule_text {
	const char *title, *id, *name, *description, *license, *author, *reference, *version, *category;
	const char *ruleset;     /* folder below the policy root: "unencrypted-phi" */
	const char *const *tags; /* as written: "attack.t1040" */
	size_t n_tags;
	const char *const *responses; /* texts of sensor.response */
	size_t n_responses;
	const char *(*maps)[2]; /* {"hipaa", "164.312(e)(1)"} */
	size_t n_maps;
	const char *const *fields; /* event fields to copy into the alert */
	size_t n_fields;
	enum level level;
	unsigned confidence;
	bool subject_is_destination;
};
const struct rule_text *rule_text(const struct rule *r);
static inline bool rule_asks_for(const struct rule_text *t, const char *field)
{
	for (size_t i = 0; i < t->n_fields; i++)
		if (strcmp(t->fields[i], field) == 0)
			return true;
	return false;
}

#endif
