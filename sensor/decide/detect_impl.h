/*
 * detect_impl: the compiled form of a detection, shared by the files that build, run and test it.
 *
 * Everything lives in the detect's arena and is constant after detect_compile.
 */
#ifndef WW_DECIDE_DETECT_IMPL_H
#define WW_DECIDE_DETECT_IMPL_H

#include "base/arena.h"
#include "base/utf8.h"
#include "decide/detect.h"
#include "decide/list.h"
#include "decide/regex.h"
#include "decide/version.h"

/* policy-language.md sections 2 and 9. */
enum { MAX_ITEMS = 4096, MAX_VALUES = 65536, MAX_CONDITION_DEPTH = 64, MAX_TOKENS = 4096 };
/* What aliases, placeholders and encodings may make of one rule: characters, and regular expressions. */
enum { MAX_UNITS = 4 << 20, MAX_REGEXES = 4096 };

/* ---- patterns: detect_value.c ------------------------------------------------------------- */

/* Wildcards among the characters of a pattern, above everything utf8_next gives. */
enum { UNIT_MANY = 0x120000, UNIT_ONE };

struct pattern {
	uint32_t *unit; /* characters, folded unless cased, and wildcards */
	size_t n;
	bool cased, wild;
};

/* An empty one with room for n units, and for a wildcard at each end that a modifier may add. */
struct pattern pattern_new(struct arena *a, size_t n);
/* Section 7.1: escapes and wildcards. */
void pattern_parse(struct arena *a, struct bytes text, bool cased, struct pattern *out);
/* Adds UNIT_MANY where it is missing. */
void pattern_open(struct pattern *p, bool at_start, bool at_end);
void pattern_fold(struct pattern *p);
bool pattern_match(const struct pattern *p, struct bytes text);
bool pattern_match_any_case(const struct pattern *p, struct bytes text);
/* The text without wildcards as bytes, in the arena. */
struct bytes pattern_bytes(struct arena *a, const struct pattern *p);

/* ---- texts and what modifiers make of them: detect_text.c ---------------------------------- */

/* The alternatives that a value has become. */
struct texts {
	struct pattern *list;
	size_t n;
	bool many; /* a modifier that makes alternatives was there, be there one or several */
};

struct compiler;
struct step;
/* One modifier (encodings, windash, expand, contains...) on all alternatives; false after saying why not. */
bool texts_step(struct compiler *c, const struct yaml_node *at, const struct step *step, struct texts *t);
/* Counts what a value has become against MAX_UNITS; false from the first one over it on. */
bool texts_fit(struct compiler *c, const struct yaml_node *at, const struct texts *t);
/* The list of that name; NULL after saying that there is none (E160, S3). */
const struct list *list_named(struct compiler *c, const struct yaml_node *at, struct bytes name);
/* Placeholders of a regular expression; `text` itself when there are none. */
bool regex_expand(struct compiler *c, const struct yaml_node *at, struct bytes *text);

/* ---- values: detect_typed.c ---------------------------------------------------------------- */

enum value_kind {
	VALUE_PATTERN,
	VALUE_NUMBER,
	VALUE_BOOL,
	VALUE_NULL,
	VALUE_CIDR,
	VALUE_FIELD,
	VALUE_PHI,
	VALUE_REGEX,
	VALUE_ANY,     /* any of the alternatives, also under `all` */
	VALUE_LIST,    /* in_list */
	VALUE_VERSION, /* version_lt ... */
	VALUE_UID,     /* uid_under */
	VALUE_MEMBER,  /* group, zone, baseline */
};

struct value {
	enum value_kind kind;
	struct pattern text;
	struct pattern mac; /* `text` without the separators of MAC addresses */
	bool is_ip;
	struct addr ip; /* VALUE_PATTERN: is_ip; VALUE_CIDR */
	unsigned bits;
	long double number; /* holds every int64_t, uint64_t and double exactly */
	bool truth;
	uint16_t field;
	uint32_t phi;
	unsigned member; /* number of the group, zone, or enum baseline_is */
	struct bytes
		written; /* VALUE_REGEX: as matched; VERSION, UID; also CIDR and FIELD, for detect_dump */
	struct regex *regex;
	const char *regex_rewritten; /* what Vectorscan gets, and how */
	unsigned regex_flags;
	const struct list *list;
	struct value *any;
	unsigned n_any;
};

struct chain;
/* One value of an item whose chain of modifiers is known; false after saying why not. */
bool value_compile(struct compiler *c, const struct chain *ch, const struct yaml_node *v, bool in_list,
	struct value *out);
/* A text, number, truth or network as an entry of a list. */
bool value_of_list(struct compiler *c, const struct yaml_node *v, struct value *out);

/* ---- modifiers: detect_chain.c ------------------------------------------------------------- */

enum modifier {
	MOD_CONTAINS,
	MOD_STARTSWITH,
	MOD_ENDSWITH,
	MOD_ALL,
	MOD_NEQ,
	MOD_CASED,
	MOD_EXISTS,
	MOD_RE,
	MOD_RE_FLAG,
	MOD_CIDR,
	MOD_COMPARE,
	MOD_PART,
	MOD_BASE64,
	MOD_BASE64OFFSET,
	MOD_UTF16,
	MOD_WINDASH,
	MOD_EXPAND,
	MOD_FIELDREF,
	MOD_PHI,
	MOD_MEASURE,
	MOD_VERSION,
	MOD_IN_LIST,
	MOD_UID_UNDER,
	MOD_MEMBER,
	MOD_LATER, /* of the language, but not of this version */
};

enum utf16 { UTF16_LE, UTF16_BE, UTF16_BOM };

struct step {
	enum modifier mod;
	unsigned detail;
	const char *name;
};

/* What the modifiers so far have made of the value. */
enum chain_type {
	CHAIN_PLAIN, /* nothing: it is what the YAML says */
	CHAIN_TEXT,
	CHAIN_REGEX,
	CHAIN_CIDR,
	CHAIN_FIELD,    /* the name of another field */
	CHAIN_COMPARED, /* a number, after lt... */
	CHAIN_MEASURE,  /* a number, or lt... may follow */
	CHAIN_OTHER,    /* nothing may follow */
};

enum { MAX_STEPS = 16 };

struct chain {
	struct item *it;
	enum chain_type type;
	unsigned n;                  /* modifiers so far */
	bool only_cased;             /* CHAIN_TEXT: by `cased` alone */
	bool opens_start, opens_end; /* contains, startswith, endswith was there */
	unsigned regex_flags;
	struct step step[MAX_STEPS]; /* those that change a text or a regular expression, in order */
	unsigned n_steps;
};

/* What stands before group, zone or baseline: a field, a device, a baseline's name; and one value behind it.
 */
bool member_subject(struct compiler *c, const struct yaml_node *key, struct bytes name, struct item *it);
bool member_value(struct compiler *c, const struct item *it, const struct yaml_node *v, struct value *out);

/* The modifiers after the name of a field: false after saying what is wrong with them. */
bool chain_read(struct compiler *c, const struct yaml_node *key, struct bytes rest, struct chain *ch);

/* ---- items: detect_item.c ----------------------------------------------------------------- */

enum aspect {
	ASPECT_VALUE,
	ASPECT_EXISTS,
	ASPECT_LEN,
	ASPECT_COUNT,
	ASPECT_PHI,
	ASPECT_PART,
	ASPECT_AGE, /* in nanoseconds */
	ASPECT_MEMBER,
};
enum part { PART_MINUTE, PART_HOUR, PART_DAY, PART_WEEK, PART_MONTH, PART_YEAR };
enum compare { COMPARE_EQ, COMPARE_LT, COMPARE_LTE, COMPARE_GT, COMPARE_GTE };

struct item {
	const char *written; /* the key: "dicom.called_ae|startswith" */
	uint16_t field;
	enum member_kind member; /* ASPECT_MEMBER */
	uint16_t baseline;       /* MEMBER_BASELINE: which, in place of a field */
	bool keyword;            /* no field: every text of the event */
	enum aspect aspect;
	enum part part;
	enum compare compare;
	bool starts, ends; /* VALUE_FIELD: startswith, endswith; both: contains */
	bool cased, all, neq;
	struct value *values;
	unsigned n;
};

enum node_kind { NODE_AND, NODE_OR, NODE_NOT, NODE_ITEM, NODE_IDENT };

struct node {
	enum node_kind kind;
	unsigned n;
	struct node **kids;
	struct node **by_cost; /* the kids again, the cheapest first: node_order */
	unsigned cost;
	struct item *item;
	struct ident *ident;
};

struct ident {
	const char *name;
	struct node *body; /* NULL: refused */
	unsigned line, column;
	bool used;
};

struct detect {
	struct arena memory;
	struct ident *idents;
	size_t n_idents, cap_idents;
	struct node **conditions;
	size_t n_conditions;
	const struct schema *schema;
	struct regex **regexes; /* to be freed */
	size_t n_regexes, cap_regexes;
	struct regex_scratch scratch;
};

struct compiler {
	struct detect *d;
	const struct detect_env *env;
	struct bytes category;
	bool extended; /* dialect wardwatch/1 */
	bool skipped;  /* it names a field that is not seen here: said once */
	const char *file;
	struct diag *diag;
	unsigned items;
	uint64_t units; /* characters that values have come to, MAX_UNITS at most */
	bool ok;
};

void compile_error(struct compiler *c, const struct yaml_node *at, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void compile_warning(struct compiler *c, const struct yaml_node *at, const char *code, const char *text);
struct node *node_new(struct arena *a, enum node_kind kind);
void node_add(struct arena *a, struct node *parent, struct node *kid);
/* An item of a mapping; NULL when refused. */
struct node *item_compile(struct compiler *c, const struct yaml_node *key, const struct yaml_node *value);
/* Keywords: one scalar or the scalars of a list (maps left out), any of them. */
struct node *keyword_compile(struct compiler *c, const struct yaml_node *value);
/* Field number of a name, or FIELD_UNKNOWN after saying so. */
int field_resolve(struct compiler *c, const struct yaml_node *at, struct bytes name);

/* W300: says which values of the item its field can never hold (detect_domain.c). */
void domain_check(struct compiler *c, const struct item *it, const struct yaml_node *key,
	const struct yaml_node *values);

/* ---- conditions: detect_parse.c ----------------------------------------------------------- */

/* NULL when refused. */
struct node *condition_parse(struct compiler *c, const struct yaml_node *text);

/* ---- order: detect_order.c ----------------------------------------------------------------- */

/* Sorts what is below by what it costs to ask, for whoever wants to know only whether it holds; gives what
 * all of it costs. */
unsigned node_order(struct arena *a, struct node *n);

/* ---- evaluation: detect_match.c ----------------------------------------------------------- */

/* *which: index of the value that held. */
bool item_holds(const struct detect *d, const struct item *it, const struct view *v, unsigned *which);
/* Why an item does not hold. */
enum detect_why item_why(const struct detect *d, const struct item *it, const struct view *v);
/* A value of a list against one element. */
bool list_value_holds(const struct value *val, enum fact_type type, struct bytes raw);
enum { ELEMENT_TEXT = 8192 }; /* hex of the longest fact, limits.fact_bytes */
/* An element as patterns see it (section 7.3): itself, or written into `text`; nothing of patient data. */
struct bytes element_text(enum fact_type type, struct bytes raw, char text[ELEMENT_TEXT]);
/* Of a number, or of a text that is entirely a decimal number. */
bool element_number(enum fact_type type, struct bytes raw, long double *out);

/* ---- time: detect_time.c ------------------------------------------------------------------ */

int64_t time_part(int64_t ns, enum part part); /* UTC; weeks as in ISO 8601 */
/* 30s, 10m, 4h, 7d, 2w */
bool duration_parse(struct bytes text, uint64_t *ns);

#endif
