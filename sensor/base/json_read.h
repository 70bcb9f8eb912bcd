/*
 * json_read: JSON that json.h wrote, looked at in place: what the store holds is turned into other forms.
 *
 * Every value is a slice of the text as it stands there, so that a number keeps its digits and a string its
 * escapes. It is strict: RFC 8259, valid UTF-8, no name twice in one object, and none of the characters that
 * json_escape escapes (text_is_control) raw in a string. So a slice may be put into another document as it
 * is.
 *
 * Any thread; json_parse allocates (the array grows, and is kept for the next text).
 */
#ifndef WW_BASE_JSON_READ_H
#define WW_BASE_JSON_READ_H

#include "base/json.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum { JSON_DEPTH = 64, JSON_NODES = 262144 };

struct json_node {
	struct bytes name; /* of a member of an object, between its quotes */
	struct bytes raw;  /* with quotes or brackets */
	uint32_t next;     /* the node after this one and all within it */
	enum json_type type;
	bool gone; /* for who reads: json_at and JSON_EACH do not see it; false after json_parse */
};

struct json_tree {
	struct json_node *nodes; /* the first one is the whole */
	uint32_t n, cap;
};

/* Borrows text. False: it is not such JSON, or there is no memory; the tree is then empty. */
bool json_parse(struct json_tree *t, struct bytes text);
void json_tree_fini(struct json_tree *t);

/* What stands at a dotted path within an object, "source.ip"; NULL: nothing, or in a tree that is empty. */
struct json_node *json_at(const struct json_tree *t, const char *path);

/* The members of an object, the values of an array. */
#define JSON_EACH(c, t, of)                                                                                  \
	for (struct json_node *c = (t)->nodes + ((of) - (t)->nodes) + 1; c < (t)->nodes + (of)->next;        \
		c = (t)->nodes + c->next)                                                                    \
		if (!c->gone)

/* The text of a string between its quotes, still escaped; of anything else and of NULL nothing. */
struct bytes json_inside(const struct json_node *string);
/* Takes the next character off such text, which must not be empty. A lone surrogate gives U+FFFD. */
uint32_t json_char(struct bytes *inside);
/* At most n bytes of it, ending between two characters. */
struct bytes json_cut(struct bytes inside, size_t n);

#endif
