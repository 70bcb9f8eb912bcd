/*
 * detect: a Sigma `detection` (search identifiers and condition, policy-language.md sections 6 to 10)
 * compiled for a schema and evaluated on a view. Used by rules, fingerprints and tests alike.
 *
 * detect_compile at load time (allocates, says every error in diag); detect_eval on the hub, no allocation.
 */
#ifndef WW_DECIDE_DETECT_H
#define WW_DECIDE_DETECT_H

#include "base/yaml.h"
#include "decide/view.h"

struct detect;
struct list;

/* All that a detection is compiled against; zero where not said otherwise. */
struct detect_env {
	const struct schema *schema;
	struct bytes category;
	bool extended; /* dialect wardwatch/1: extension modifiers are allowed */
	bool foreign;  /* written for other logs: a field that is unknown here is left out, not refused */
	const char *file;
	struct diag *diag;
	/* The list of that name, or NULL; NULL itself: there are no lists. Called while compiling only; what
	 * it gives must live as long as the detection. */
	const struct list *(*list)(void *arg, struct bytes name);
	/* Number of the group, zone or baseline of that name (see view.h), or -1; NULL: there are none. */
	int (*member)(const struct detect_env *env, enum member_kind kind, struct bytes name);
	void *arg;
	/* For detect_dump alone, never for detect_eval: texts keep their case, and regular expressions their
	 * placeholders. */
	bool as_written;
	/* A quantifier that selects nothing is left out of the condition with a warning, not refused. */
	bool drop_empty;
};

/* NULL on error, and when the rule names a field of the taxonomy that this sensor never fills (then diag
 * holds a DIAG_SKIPPED message and no error: the rule can never be judged exactly). `detection` may lack
 * `condition` when it is one search identifier's body (fingerprints): then it is that mapping alone.
 */
struct detect *detect_compile_in(const struct detect_env *env, const struct yaml_node *detection);
/* The same without lists. */
struct detect *detect_compile(const struct yaml_node *detection, const struct schema *schema,
	struct bytes category, bool dialect_wardwatch, const char *file, struct diag *diag);
void detect_free(struct detect *d);

/* What made it true, for the reason of an alert; filled only as far as it has room. */
struct detect_reason {
	unsigned n;
	unsigned condition; /* which of several conditions held */
	struct {
		const char *identifier; /* "carries_phi" */
		const char *item;       /* "event|phi", as written */
		uint16_t field;
		unsigned value_index; /* which of the rule's values */
	} item[8];
};

/* reason may be NULL. */
bool detect_eval(const struct detect *d, const struct view *v, struct detect_reason *reason);

/* ---- explanation (policy-language.md section 21) ------------------------------------------------ */

enum detect_kind { DETECT_AND, DETECT_OR, DETECT_NOT, DETECT_IDENTIFIER, DETECT_ITEM };

/* Why an item is false. */
enum detect_why {
	WHY_NONE,         /* it is true */
	WHY_ABSENT,       /* the event has no such field */
	WHY_DIFFERS,      /* another value */
	WHY_CASE,         /* the same but for the case of letters */
	WHY_TYPE,         /* a value of a type that cannot be compared with this one */
	WHY_OUT_OF_RANGE, /* a number, time or version beyond the bound; an address outside the network */
	WHY_NOT_MEMBER,   /* in none of the lists, classes or trees */
};
extern const char *const detect_why_names[]; /* "absent" ... */

/* One node of a condition, in source order, before its children. */
struct detect_step {
	enum detect_kind kind;
	unsigned condition, depth; /* which condition; 0: its root */
	bool held;
	const char *name;     /* identifier; item as written */
	uint16_t field;       /* of an item; FIELD_EVENT: keywords or the whole event */
	unsigned value_index; /* of an item that holds: which of its values */
	enum detect_why why;
};

/* Room for steps, of the caller; n may come to more than cap, then some are missing. */
struct detect_record {
	struct detect_step *step;
	size_t cap, n;
};

/* detect_eval of every node, whether or not it still matters. */
bool detect_explain(const struct detect *d, const struct view *v, struct detect_record *record);

/* The parsed tree as one line of JSON (section 24), of a detection compiled with as_written. */
void detect_dump(const struct detect *d, void *stdio_file);

/* ---- what it looks at ---------------------------------------------------------------------------- */

/* Calls fn for each field the detection names, and with DETECT_ANY_FIELD for keywords. */
enum { DETECT_ANY_FIELD = 0xffff };
void detect_fields(const struct detect *d, void (*fn)(void *arg, uint16_t field), void *arg);

#endif
