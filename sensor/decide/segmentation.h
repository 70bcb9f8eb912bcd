/*
 * segmentation: who may talk to whom (policy-language.md section 16).
 *
 * A document selects devices and lists what they may do; a device that some document selects for a direction
 * is isolated in it, and each conversation of it needs an entry of such a document there. Conversations are
 * judged once, when their protocol is known or they end; what nobody allows becomes an event of the category
 * `segmentation`, to which the document's own rule, and any other, answers. Not judged: what goes to a group
 * address (nobody in particular is its peer), and ICMP messages that are answers or errors.
 *
 * Read at load; segmentation_event on the hub, no allocation.
 */
#ifndef WW_DECIDE_SEGMENTATION_H
#define WW_DECIDE_SEGMENTATION_H

#include "base/hash.h"
#include "decide/policy_impl.h"

enum { MAX_SEGMENTATIONS = 1024, SEG_OUTBOUND = 1, SEG_INBOUND = 2 };

/* All of what is said must hold. */
struct seg_peer {
	int zone, group; /* -1: not said */
	const struct list *list;
	struct network network; /* bits 0: not said */
};

/* Any of them; none: anybody. */
struct seg_peers {
	struct seg_peer *list;
	size_t n;
};

struct seg_port {
	uint16_t low, high;
};

struct seg_service {
	uint8_t transport;
	uint16_t port;
	struct bytes protocol;
};

struct seg_allow {
	const char *id;
	unsigned directions;
	struct seg_peers peers;
	uint8_t *transports;
	size_t n_transports;
	struct seg_port *ports;
	size_t n_ports;
	const char *const *protocols;
	size_t n_protocols;
	struct seg_service *services;
	size_t n_services, cap_services;
	struct detect *where; /* or NULL */
	unsigned where_category;
};

struct seg_document {
	const char *name;
	struct seg_peers applies_to;
	unsigned directions;
	bool learns;
	struct seg_allow *allows;
	size_t n_allows;
	struct yaml_file rule_text; /* of its own rule's detection */
};

struct segmentation {
	struct seg_document *list[MAX_SEGMENTATIONS];
	size_t n;
	bool learning;                  /* some document only learns */
	struct category_set with_where; /* categories that some `where` looks at */
};

/* One document: itself, and the rule of its name. */
void segmentation_load(struct loader *l, const struct yaml_node *doc);
void segmentation_free(struct policy *p);

struct segmentation_run;
/* NULL: no memory. */
struct segmentation_run *segmentation_start(const struct policy *p, const struct limits *l);
void segmentation_stop(struct segmentation_run *s);
/* After the rules: judges the conversation of the event that r's view looks at. What it makes goes through
 * policy_derived and leaves the view on that. */
void segmentation_event(struct policy_run *r, const struct event *e);

#endif
