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

/* policy-language.md sections 2 and 9. */
enum { MAX_ITEMS = 4096, MAX_VALUES = 65536, MAX_CONDITION_DEPTH = 64, MAX_TOKENS = 4096 };

/* ---- values: detect_value.c --------------------------------------------------------------- */

/* Wildcards among the characters of a pattern, above everything utf8_next gives. */
enum { UNIT_MANY = 0x120000, UNIT_ONE };

struct pattern {
	uint32_t *unit; /* characters, folded unless cased, and wildcards */
	size_t n;
	bool cased, wild;
};

/* Section 7.1: escapes and wildcards. */
void pattern_parse(struct arena *a, struct bytes text, bool cased, struct pattern *out);
/* Adds UNIT_MANY where it is missing. */
void pattern_open(struct pattern *p, bool at_start, bool at_end);
bool pattern_match(const struct pattern *p, struct bytes text);

enum value_kind { VALUE_PATTERN, VALUE_NUMBER, VALUE_BOOL, VALUE_NULL, VALUE_CIDR, VALUE_FIELD, VALUE_PHI };

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
};

/* ---- items: detect_item.c ----------------------------------------------------------------- */

enum aspect { ASPECT_VALUE, ASPECT_EXISTS, ASPECT_LEN, ASPECT_COUNT, ASPECT_PHI, ASPECT_PART };
enum part { PART_MINUTE, PART_HOUR, PART_DAY, PART_WEEK, PART_MONTH, PART_YEAR };
enum compare { COMPARE_EQ, COMPARE_LT, COMPARE_LTE, COMPARE_GT, COMPARE_GTE };

struct item {
	const char *written; /* the key: "dicom.called_ae|startswith" */
	uint16_t field;
	bool keyword; /* no field: every text of the event */
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
};

struct compiler {
	struct detect *d;
	struct bytes category;
	bool extended; /* dialect wardwatch/1 */
	const char *file;
	struct diag *diag;
	unsigned items;
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

/* ---- conditions: detect_parse.c ----------------------------------------------------------- */

/* NULL when refused. */
struct node *condition_parse(struct compiler *c, const struct yaml_node *text);

/* ---- evaluation: detect_match.c ----------------------------------------------------------- */

/* *which: index of the value that held. */
bool item_holds(const struct detect *d, const struct item *it, const struct view *v, unsigned *which);

#endif
