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

/* NULL on error, and when the rule names a field of the taxonomy that this sensor never fills (then diag
 * holds a DIAG_SKIPPED message and no error: the rule can never be judged exactly). `detection` may lack
 * `condition` when it is one search identifier's body (fingerprints): then it is that mapping alone.
 * dialect_wardwatch: extension modifiers are allowed. */
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
/* Calls fn for each field the detection names, and with DETECT_ANY_FIELD for keywords. */
enum { DETECT_ANY_FIELD = 0xffff };
void detect_fields(const struct detect *d, void (*fn)(void *arg, uint16_t field), void *arg);

#endif
