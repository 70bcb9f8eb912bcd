/* policy_impl: a loaded rule, shared by what loads, runs and tests it. Constant after policy_load. */
#ifndef WW_DECIDE_POLICY_IMPL_H
#define WW_DECIDE_POLICY_IMPL_H

#include "base/arena.h"
#include "decide/names.h"
#include "decide/policy.h"
#include "decide/schema.h"

enum { MAX_RULES = 50000, MAX_BY = 8, MAX_EVIDENCE = 64 };

/* What a log source takes for granted besides the category. */
enum where {
	WHERE_ALL,
	WHERE_ENDED,
	WHERE_SMB_FILE,
	WHERE_SMB_TREE,
	WHERE_TO_HOME,
	WHERE_TO_OUTSIDE,
	WHERE_N
};

struct suite_test;
struct rule_index;
struct candidates;
struct segmentation;
struct baselines;
struct correlation;
struct filter;
struct suppression;
struct rule_suppression;

enum { MAX_HOURS = 8 };

/* Times of the week. */
struct schedule {
	uint8_t days; /* Monday is bit 0 */
	uint8_t n_hours;
	bool invert;
	int16_t offset_min; /* of local time from UTC */
	struct {
		uint16_t from, to; /* minutes of the day */
	} hours[MAX_HOURS];
};

/* A correlation that counts a rule: in which places of its list, a bit each. */
struct rule_feed {
	const struct correlation *to;
	uint64_t places;
};

struct rule_filter {
	const char *title;
	const struct detect *detect; /* must hold beside the rule's own */
};

/* One group or zone, of either of the sides given by bits. */
struct rule_test {
	enum member_kind kind;
	uint8_t sides;
	uint16_t number;
};

/* Any of its tests. */
struct rule_clause {
	struct rule_test *tests;
	size_t n;
};

struct rule {
	struct rule_text text;
	struct detect *detect;                 /* NULL: a correlation */
	const struct correlation *correlation; /* or NULL */
	const struct yaml_node *doc;
	enum where where;
	const struct detect *source; /* of `where`, ANDed to the rule; NULL: nothing */
	bool of_host;                /* written for a host's log */
	bool foreign;                /* written for the log of another sensor, or a host's */
	const struct yaml_node *related;
	uint32_t number;
	unsigned category; /* of the events it looks at, event_schema_category(); a correlation: none */
	bool silent;       /* sensor.alert: never */
	bool counted;      /* speaks through the correlations that count it only */
	bool always;       /* sensor.alert: always */
	struct rule_clause *clauses; /* policy_limit.c: all of them hold */
	size_t n_clauses, cap_clauses;
	struct rule_feed *feeds;
	size_t n_feeds, cap_feeds;
	struct rule_filter *filters;
	size_t n_filters, cap_filters;
	struct rule_suppression *suppressions;
	size_t n_suppressions, cap_suppressions;
	const struct schedule *schedule; /* NULL: always */
	uint16_t by[MAX_BY];             /* fields; of a correlation: places in its group-by */
	unsigned n_by;
	uint64_t for_ns;
	uint64_t first_alerts; /* suppress.count */
	bool threshold;        /* suppress.mode: every count-th is said, not the first count */
	unsigned evidence;     /* packet numbers to list */
	int score_add;
	bool score_criticality;
	const struct yaml_node *tests;            /* sensor.tests, and */
	const struct suite_devices *test_devices; /* of each */
	const char *file;
	unsigned line;
};

struct policy {
	struct arena memory;
	struct policy_options options;
	struct detect *where[WHERE_N];
	struct yaml_file where_file[WHERE_N];
	struct event_schema *schema;
	struct names names;
	struct segmentation *segmentation;
	struct baselines *baselines;
	struct fingerprints *fingerprints;
	struct yaml_file *files; /* kept: tests stand in them */
	size_t n_files, cap_files;
	struct rule **rules;
	size_t n_rules, cap_rules;
	struct filter **filters;
	size_t n_filters, cap_filters;
	struct suppression **suppressions;
	size_t n_suppressions, cap_suppressions;
	uint32_t n_suppressed; /* pairs of rule and entry */
	struct correlation **correlations;
	size_t n_correlations, cap_correlations;
	struct suite_test **suite; /* policy_suite.h */
	size_t n_suite, cap_suite;
	/* Rules by category, in load order. */
	const struct rule **of_category[SCHEMA_CATEGORIES];
	size_t n_of_category[SCHEMA_CATEGORIES];
	const struct rule_index *index[SCHEMA_CATEGORIES]; /* index.h */
};

struct origin {
	const char *file, *ruleset;
};

struct loader {
	struct policy *p;
	struct diag *diag;
	const char *file;       /* being read */
	const char *ruleset;    /* folder below the root */
	struct origin *origins; /* of policy.files */
	size_t cap_origins;
};

/* One document that has a `detection`. */
void rule_load(struct loader *l, const struct yaml_node *doc);
/* What rules, correlations and filters have in common. False: not to be loaded. */
bool document_head(struct loader *l, const struct yaml_node *doc, struct rule *r);
/* The same and what only the first two have. */
bool rule_head(struct loader *l, const struct yaml_node *doc, struct rule *r);
void rule_defaults(struct rule *r);
/* False after saying that there are too many. */
bool rule_add(struct loader *l, struct rule *r);
bool is_wardwatch(const struct yaml_node *doc); /* dialect: wardwatch/1 */
/* The `sensor` block of a rule. */
void rule_sensor(struct loader *l, struct rule *r, const struct yaml_node *sensor);
/* Category of a log source (section 5), or -1: attaches to nothing this sensor sees, which was said. Fills
 * what the source takes for granted in the rule. */
int logsource_attach(
	struct loader *l, struct rule *r, const struct yaml_node *doc, const struct yaml_node *logsource);
/* False, after saying so (S2): the rule is of a host's log and names what only the host knows. */
bool logsource_can_judge(struct loader *l, const struct rule *r, const struct yaml_node *detection);
/* When all is loaded: compiles what sources take for granted. */
void logsource_complete(struct loader *l);
void logsource_free(struct policy *p);
/* `related` of a rule: E127 when it is wrong. */
void related_load(struct loader *l, struct rule *r, const struct yaml_node *doc);
/* When all is loaded: W122 for rules that another says it replaces. */
void related_complete(struct loader *l);
/* One document that has a `filter`; which rules it applies to is known when all are read. */
void filter_load(struct loader *l, const struct yaml_node *doc);
void filters_apply(struct loader *l);
void filters_free(struct policy *p);
/* sensor.schedule */
void schedule_load(struct loader *l, struct rule *r, const struct yaml_node *v);
/* Does the rule count at that time? NULL: always. */
bool schedule_holds(const struct schedule *s, uint64_t ts_ns);

/* `sensor.groups` or `sensor.zones`, and `scope`: E211, E223 for names that are not there. */
void rule_limits(struct loader *l, struct rule *r, const struct yaml_node *map, enum member_kind kind);
void rule_scope(struct loader *l, struct rule *r, const struct yaml_node *doc);
bool rule_is_within(const struct rule *r, const struct view *v);

/* For messages and checks of documents. */
void load_error(struct loader *l, const struct yaml_node *at, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void load_warning(struct loader *l, const struct yaml_node *at, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Text of that key, "" when absent or (after saying so) no text. */
const char *load_text(struct loader *l, const struct yaml_node *map, const char *key, size_t most);
/* Texts of that key: a list, or one; *n of them. */
const char *const *load_texts(struct loader *l, const struct yaml_node *map, const char *key, size_t *n);
/* Index of the value in names, or -1 after saying what is allowed. */
int load_choice(struct loader *l, const struct yaml_node *value, const char *const *names, size_t n);
/* 30s, 10m, 4h, 7d, 2w: in ns; 0 when it is none of them or more than 366 days. */
uint64_t parse_duration(const struct yaml_node *v);
/* The same, after saying so when it is none. */
uint64_t load_duration(struct loader *l, const struct yaml_node *v);
/* Says which keys of a map are not among names. */
void load_keys(struct loader *l, const struct yaml_node *map, const char *const *names, size_t n, bool error);

/* The rule of that name, id or title, or NULL. */
const struct rule *rule_named(const struct policy *p, const char *name);
/* The name or title nearest to it, or NULL. */
const char *rule_nearest(const struct policy *p, const char *name);

/* ---- running ---- */

/* Does the rule hold of the event looked at: its log source's part, its own and its filters. reason may be
 * NULL. */
bool rule_holds(const struct rule *r, const struct view *v, struct detect_reason *reason);

struct policy_run {
	const struct policy *p;
	struct counters *counters;
	const struct inventory *inv;
	struct alert_sink sink;
	struct event_view *view;
	struct resolved *names;
	uint16_t dns_name, dns_type, dns_answers; /* fields */
	struct fold *fold;
	struct candidates *candidates;
	bool look_at_all; /* tests: without the index */
	struct correlate *correlate;
	struct groups_run *groups;
	struct suppress *suppress;
	struct segmentation_run *segmentation;
	struct baseline_run *baselines;
	void (*on_derived)(void *arg, const struct event *e); /* may be NULL */
	void *on_derived_arg;
	const struct rule *loud; /* tests: speaks though it is counted */
};

/* An event that was made here: to whoever wants to see it, and to the rules. */
void policy_derived(struct policy_run *r, const struct event *e);
/* Does it give alerts of its own? */
bool rule_speaks(const struct policy_run *r, const struct rule *rule);
/* One hit of a rule: a holds rule, event (which the view looks at), level and reason; by: the rendered values
 * of its suppress.by. */
void policy_alert(struct policy_run *r, struct alert *a, struct bytes by);

struct fold *fold_new(const struct policy *p, const struct limits *l, struct counters *c);
void fold_free(struct fold *f);
/* Tests: the n-th group asked for, and every later one, is not to be had. */
void fold_fail_at(struct fold *f, uint32_t n);
/* What groups are known by: a rule and the values of its suppress.by. */
void fold_key(const struct rule *r, struct bytes by, uint64_t key[2]);
/* One hit of a rule: a holds rule, event, reason, source, destination; by: the key's rendered values. Gives
 * what there is to say to the sink. */
void fold_hit(struct fold *f, const struct policy_run *r, struct alert *a, struct bytes by);
/* Closes what is due before `now_ns`; UINT64_MAX: everything. */
void fold_close(struct fold *f, const struct policy_run *r, uint64_t now_ns);

#endif
