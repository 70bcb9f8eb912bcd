/*
 * suppress: what a site has decided not to be told, for a time and for a reason (policy-language.md section
 * 18).
 *
 * An entry acts on alerts of its rules whose event matches, from 366 days before the end of the day it
 * expires on until then, in packet time, UTC. Nothing vanishes: every alert held back is counted, the next
 * one of its rule and key tells of it, and a summary event lists each entry's totals once a day and at the
 * end. Hub thread; no allocation after suppress_new.
 */
#ifndef WW_DECIDE_SUPPRESS_H
#define WW_DECIDE_SUPPRESS_H

#include "decide/policy_impl.h"

enum suppress_action { SUPPRESS_DROP, SUPPRESS_LOWER, SUPPRESS_TAG, SUPPRESS_SUMMARIZE };

struct suppression {
	const char *id, *file;
	const struct yaml_node *at, *rules, *match;
	enum suppress_action action;
	uint64_t expires_ns;
	uint32_t number;
	struct rule summary,
		expired; /* in whose name it is told what was held back, and that it no longer is */
	struct detect *of_category[SCHEMA_CATEGORIES + 1]; /* the last: of correlations */
	bool tried[SCHEMA_CATEGORIES + 1];
};

struct rule_suppression {
	const struct suppression *entry;
	const struct detect *match; /* NULL: every alert of the rule */
	uint32_t number;            /* among all pairs of rule and entry */
};

void suppressions_load(struct loader *l, const struct yaml_node *doc);
/* Over the whole set. */
void suppressions_apply(struct loader *l);
void suppressions_free(struct policy *p);

struct suppress *suppress_new(const struct policy *p, const struct limits *l, struct counters *c);
void suppress_free(struct suppress *s);
/* What the entries do with the alert, whose event the view looks at. True: it is not to be said. */
bool suppress_alert(struct policy_run *r, struct alert *a, struct bytes by);
/* The alert of that key is being said: it tells of what was held back before. */
void suppress_tell(const struct policy_run *r, const uint64_t key[2], struct alert *a);
/* Summaries that are due; UINT64_MAX: the last ones. */
void suppress_clock(struct policy_run *r, uint64_t now_ns);
/* How many alerts of the rule an entry has acted on. */
uint64_t suppress_count(const struct policy_run *r, const struct rule *rule, const char *id);

#endif
