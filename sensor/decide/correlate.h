/*
 * correlate: rules over other rules' matches in time (policy-language.md section 11).
 *
 * A match belongs to a group, the tuple of its group-by values. Lower bounds are tested at each match over
 * the window (t - timespan, t]; conditions that later matches could undo are tested once, when the window
 * that the group's first match opened is over. All groups and their entries stand in two pools that are
 * mapped at start and together with their tables are no larger than limits.policy_state_mib; a full pool
 * loses the group longest not updated, counted, and later alerts of its correlation say so. Hub thread; no
 * allocation after correlate_new.
 */
#ifndef WW_DECIDE_CORRELATE_H
#define WW_DECIDE_CORRELATE_H

#include "decide/policy_impl.h"

enum {
	MAX_REFS = 64,        /* rules of a correlation: a bit each */
	MAX_ORDERED = 16,     /* of temporal_ordered, which keeps a chain for each */
	MAX_CORR_DEPTH = 16,  /* correlations of correlations */
	MAX_GROUPS = 100000,  /* of a correlation */
	MAX_ENTRIES = 4096,   /* of a group */
	MAX_EXPRESSION = 256, /* names and operators of an extended condition */
	TUPLE_BYTES = 256,
	CORR_IN_WORK = 0xffff
};

enum corr_type {
	CORR_EVENT_COUNT,
	CORR_VALUE_COUNT,
	CORR_VALUE_SUM,
	CORR_VALUE_AVG,
	CORR_TEMPORAL,
	CORR_TEMPORAL_ORDERED
};

enum bound_op { BOUND_GT, BOUND_GTE, BOUND_LT, BOUND_LTE, BOUND_EQ, BOUND_NEQ };

struct bound {
	enum bound_op op;
	bool is_integer;
	int64_t integer;
	double number;
};

/* An extended condition in postfix: below MAX_REFS, whether that rule matched. */
enum { EXPR_AND = 0x80, EXPR_OR, EXPR_NOT };

struct corr_ref {
	const struct rule *rule;
	/* Where its matches have the group-by and the value: fields of events, or, of a correlation, places
	 * in its tuple. */
	uint16_t by[MAX_BY], value[MAX_BY];
};

struct correlation {
	enum corr_type type;
	uint32_t number;          /* among the correlations */
	struct rule *rule;        /* its own */
	const char *const *names; /* of rules, as written */
	struct corr_ref *refs;
	unsigned n_refs;
	const char *const *by; /* names as written */
	enum fact_type by_type[MAX_BY];
	enum privacy privacy[MAX_BY];
	unsigned n_by;
	const char *const *value; /* `field` as written */
	unsigned n_value;
	uint64_t span_ns, rearm_ns;
	const char *span; /* as written: "10m" */
	struct bound bound[2];
	unsigned n_bounds;
	bool closed; /* tested when the window is over */
	bool generate;
	uint8_t expr[MAX_EXPRESSION];
	unsigned n_expr;
	uint8_t order[MAX_ORDERED]; /* temporal_ordered: refs, one after the other */
	unsigned n_order;
	unsigned depth; /* 1: of rules only; 0: not known yet; CORR_IN_WORK */
	bool skipped;   /* while loading: it counts what this sensor never sees */
};

/* ---- loading: correlate_load.c ------------------------------------------------------------ */

/* One document that has a `correlation`; its references are resolved by correlations_link. */
void correlation_load(struct loader *l, const struct yaml_node *doc);
/* Over the whole set. */
void correlations_link(struct loader *l);
/* The rule of that name or id, or NULL. */
struct rule *rule_find(const struct policy *p, struct bytes name);
/* Is there a document of that name or id, though no rule was made of it? */
bool rule_was_skipped(const struct policy *p, struct bytes name);

/* ---- running: correlate.c ----------------------------------------------------------------- */

struct correlate;
struct correlate *correlate_new(const struct policy *p, const struct limits *l, struct counters *c);
void correlate_free(struct correlate *c);
/* Tests: the n-th entry asked for, and every later one, is not to be had. */
void correlate_fail_at(struct correlate *c, uint32_t n);
/* Tests the windows that are over at now_ns; UINT64_MAX: all. */
void correlate_clock(struct policy_run *r, uint64_t now_ns);
/* The event at hand matched the rule. */
void correlate_match(struct correlate *c, const struct rule *rule);
/* All rules that it matched are known. */
void correlate_event(struct policy_run *r, const struct event *e);

#endif
