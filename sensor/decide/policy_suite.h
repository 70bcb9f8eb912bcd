/*
 * policy_suite: documents of `kind: tests` (policy-language.md section 19), loaded and linked to the rules
 * that they expect. Constant after policy_load; run by policy_test.c.
 */
#ifndef WW_DECIDE_POLICY_SUITE_H
#define WW_DECIDE_POLICY_SUITE_H

#include "decide/policy_impl.h"

/* `expect`, and with most = 0 a name of `expect-none`. */
struct suite_expect {
	const struct yaml_node *node; /* the rule's name */
	const struct rule *rule;
	uint64_t least, most;
	const struct yaml_node *has; /* NULL: any alert of the rule */
	struct detect *detect;       /* of `has` */
};

struct suite_device {
	struct addr ip;
	const struct yaml_node *node;
};

struct suite_devices {
	struct suite_device *list;
	size_t n;
};

struct suite_test {
	const char *file, *name;
	const struct yaml_node *node;
	const struct yaml_node *events; /* or NULL and */
	const char *pcap;               /* a capture */
	struct suite_devices devices;
	struct suite_expect *expects;
	size_t n_expects, cap_expects;
};

/* The test's `devices`. */
void suite_devices_load(struct loader *l, const struct yaml_node *test, struct suite_devices *out);
void suite_load(struct loader *l, const struct yaml_node *doc);
/* When all is loaded: which rules are meant (E243). */
void suite_link(struct loader *l);
void suite_free(struct policy *p);
/* Number of a device's field (`device.type`, `id`) on the source's side, or -1. */
int suite_device_field(const struct event_schema *s, const char *key);

#endif
