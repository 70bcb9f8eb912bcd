/* lists: all lists of `kind: lists` documents by name (policy-language.md section 13). Built at load. */
#ifndef WW_DECIDE_LISTS_H
#define WW_DECIDE_LISTS_H

#include "decide/list.h"

struct lists {
	const struct list **list;
	size_t n, cap;
};

/* One document; E212 when a name was there already. */
void lists_read(
	struct lists *l, struct arena *a, const struct yaml_node *doc, const char *file, struct diag *diag);
const struct list *lists_find(const struct lists *l, struct bytes name); /* NULL: none */

#endif
