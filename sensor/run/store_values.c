#include "run/store_values.h"

#include <stdio.h>
#include <stdlib.h>

static struct store_value *add(struct store_values *v)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? 2 * v->cap : 64;
		struct store_value *all = realloc(v->all, cap * sizeof *all);
		if (!all)
			return NULL;
		v->all = all;
		v->cap = cap;
	}
	return &v->all[v->n++];
}

static const struct json_node *part(const struct json_tree *t, const struct json_node *of, const char *name)
{
	JSON_EACH (c, t, of)
		if (bytes_is(c->name, name))
			return c;
	return NULL;
}

/* The n-th of a list, or what stands alone. */
static struct bytes nth(const struct json_tree *t, const struct json_node *of, size_t n)
{
	if (!of || of->type != JSON_ARRAY)
		return of && n == 0 ? of->raw : (struct bytes){ 0 };
	JSON_EACH (c, t, of)
		if (n-- == 0)
			return c->raw;
	return (struct bytes){ 0 };
}

/* An attribute with several values has a list of each part, which run in parallel. */
static bool add_attribute(
	struct store_values *v, const struct json_tree *t, const struct json_node *of, const char *name)
{
	static const char *const names[] = { "value", "source", "packet", "confidence", "first", "last" };
	const struct json_node *parts[6];
	for (size_t p = 0; p < 6; p++)
		parts[p] = part(t, of, names[p]);
	for (size_t n = 0; parts[0] && nth(t, parts[0], n).n; n++) {
		struct store_value *to = add(v);
		if (!to)
			return false;
		*to = (struct store_value){ .value = nth(t, parts[0], n),
			.source = nth(t, parts[1], n),
			.packet = nth(t, parts[2], n),
			.confidence = nth(t, parts[3], n),
			.first = nth(t, parts[4], n),
			.last = nth(t, parts[5], n) };
		snprintf(to->attribute, sizeof to->attribute, "%s", name);
	}
	return true;
}

/* An object is an attribute, or has some within it: {"tls":{"subject":{"value":...}}}. */
static bool add_within(struct store_values *v, const struct json_tree *t, const struct json_node *of,
	const char *prefix, unsigned depth)
{
	bool fine = add_attribute(v, t, of, prefix);
	JSON_EACH (c, t, of) {
		char name[STORE_ATTRIBUTE];
		if (c->type != JSON_OBJECT || depth == 0)
			continue;
		snprintf(name, sizeof name, "%s%s%.*s", prefix, *prefix ? "." : "", (int)c->name.n,
			(const char *)c->name.p);
		fine = fine && add_within(v, t, c, name, depth - 1);
	}
	return fine;
}

bool store_values_of(struct store_values *v, const struct json_tree *document)
{
	enum { DEPTH = 4 };
	const struct json_node *all = json_at(document, "wardwatch.attributes");
	v->n = 0;
	return !all || add_within(v, document, all, "", DEPTH);
}

void store_values_fini(struct store_values *v)
{
	free(v->all);
	*v = (struct store_values){ 0 };
}

static bool is_same(const struct store_value *a, const struct store_value *b)
{
	return bytes_eq(a->value, b->value) && strcmp(a->attribute, b->attribute) == 0;
}

const struct store_value *store_values_find(
	const struct store_values *v, const struct store_value *like, size_t near)
{
	if (near < v->n && is_same(&v->all[near], like))
		return &v->all[near];
	for (size_t i = 0; i < v->n; i++)
		if (is_same(&v->all[i], like))
			return &v->all[i];
	return NULL;
}
