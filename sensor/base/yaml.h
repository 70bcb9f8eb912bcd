/*
 * yaml: a document as a tree with places, read by libyaml under the limits and typing rules of
 * policy-language.md section 2. Used for policies, fingerprints and the configuration.
 *
 * Start-up and reload only; yaml_load allocates, yaml_fini gives all back. Nodes are owned by the tree; an
 * alias shares its anchor's node, so the tree may be a graph without cycles. A merge key is resolved here and
 * is an error unless the document says `dialect: wardwatch/1`.
 */
#ifndef WW_BASE_YAML_H
#define WW_BASE_YAML_H

#include "base/diag.h"

enum yaml_type { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_STRING, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_type type;
	bool quoted;           /* a scalar that was quoted */
	unsigned line, column; /* from 1 */
	char *text;            /* scalar: as written, NUL-terminated; text_n bytes */
	size_t text_n;
	int64_t integer;          /* YAML_INT, YAML_BOOL (0, 1) */
	double number;            /* YAML_FLOAT, YAML_INT */
	struct yaml_node **items; /* list: values; map: values */
	struct yaml_node **keys;  /* map: scalar keys; list: NULL */
	size_t n;
};

struct yaml_file {
	char *path;
	struct yaml_node **docs;
	size_t n;
	void *memory; /* all nodes */
};

/* False when the file cannot be read or is no YAML we take: every reason is in diag. `out` then holds what
 * could be read all the same, so that a caller can go on looking for further mistakes; yaml_fini it either
 * way. */
bool yaml_load(const char *path, struct yaml_file *out, struct diag *diag);
bool yaml_parse(const char *name, struct bytes text, struct yaml_file *out, struct diag *diag);
void yaml_fini(struct yaml_file *f); /* not yaml_free: that name is libyaml's own */
/* Value of the key in a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* "a string", "a list" ...: for messages. */
const char *yaml_type_name(enum yaml_type type);
static inline struct bytes yaml_text(const struct yaml_node *n)
{
	return bytes_of(n->text, n->text_n);
}

/* Type of a plain scalar by the table of section 2; fills integer and number. False: a number that does not
 * fit. */
bool yaml_type_plain(struct bytes text, struct yaml_node *out);

#endif
