/*
 * list: the values of a `kind: lists` entry (policy-language.md section 13), for in_list and %placeholders%.
 *
 * Built at load, in the arena given, and constant; list_has on the hub, no allocation.
 */
#ifndef WW_DECIDE_LIST_H
#define WW_DECIDE_LIST_H

#include "base/arena.h"
#include "base/yaml.h"
#include "packet/event.h"

struct list;

/* values: a list of texts (with the wildcards of section 7.1), numbers, truths and networks; false after
 * saying in diag what is wrong. */
const struct list *list_new(struct arena *a, const char *name, const struct yaml_node *values,
	const char *file, struct diag *diag);
/* Is this element, of a leaf of that type, one of the values? */
bool list_has(const struct list *l, enum fact_type type, struct bytes raw);
size_t list_size(const struct list *l);
const char *list_name(const struct list *l);
/* The i-th value as written. */
struct bytes list_text(const struct list *l, size_t i);

#endif
