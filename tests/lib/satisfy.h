/*
 * satisfy: for a rule, an event that fires it and a near miss, made from the rule's YAML and not from what
 * was compiled of it, so that both have to mean the same.
 *
 * The event holds as little as makes the rule true; the miss differs from it in one field. Modifiers known:
 * contains, startswith, endswith, all, neq, cased, exists, cidr, lt to gte, re (a sample of the expression),
 * base64, base64offset, windash. One thread; for tests.
 */
#ifndef WW_TESTS_SATISFY_H
#define WW_TESTS_SATISFY_H

#include "decide/policy_impl.h"

enum { SATISFY_EVENT = 16384 };

struct satisfied {
	/* Written as event_write takes them; "" when none was found. */
	char fires[SATISFY_EVENT], misses[SATISFY_EVENT];
};

/* The document of the rule, in p's files. */
const struct yaml_node *rule_document(const struct policy *p, const struct rule *r);
void satisfy(const struct policy *p, const struct rule *r, struct satisfied *out);
/* Does an event written so fire the rule? Fails the test when it is no event. */
bool fires(const struct policy *p, const struct rule *r, const char *event);

#endif
