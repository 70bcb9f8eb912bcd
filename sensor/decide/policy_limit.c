/* Which devices and zones a rule is limited to: `sensor.groups`, `sensor.zones` and `scope`
 * (policy-language.md sections 4 and 14). */
#include "decide/policy_impl.h"

enum { SIDE_SOURCE = 1, SIDE_DESTINATION = 2 };

static struct rule_clause *add_clause(struct loader *l, struct rule *r, size_t names)
{
	arena_grow(&l->p->memory, &r->clauses, &r->cap_clauses, r->n_clauses, sizeof *r->clauses);
	struct rule_clause *c = &r->clauses[r->n_clauses++];
	*c = (struct rule_clause){ .tests = arena_get(&l->p->memory, (names + 1) * sizeof *c->tests) };
	return c;
}

static int number_of(const struct loader *l, enum member_kind kind, const char *name)
{
	return kind == MEMBER_ZONE ? zones_find(l->p->names.zones, bytes_str(name))
				   : groups_find(l->p->names.groups, bytes_str(name));
}

static void read_side(struct loader *l, struct rule *r, const struct yaml_node *map, const char *key,
	unsigned sides, enum member_kind kind)
{
	size_t n;
	const char *const *names = load_texts(l, map, key, &n);
	if (!yaml_get(map, key))
		return;
	struct rule_clause *c = add_clause(l, r, n);
	for (size_t i = 0; i < n; i++) {
		int number = number_of(l, kind, names[i]);
		if (number < 0)
			load_error(l, yaml_get(map, key), kind == MEMBER_ZONE ? "E223" : "E211",
				"no document has a %s \"%s\"", kind == MEMBER_ZONE ? "zone" : "group",
				names[i]);
		else
			c->tests[c->n++] = (struct rule_test){ kind, (uint8_t)sides, (uint16_t)number };
	}
}

void rule_limits(struct loader *l, struct rule *r, const struct yaml_node *map, enum member_kind kind)
{
	static const char *const keys[] = { "source", "destination", "any" };
	if (map->type != YAML_MAP || map->n == 0) {
		load_error(l, map, "E112",
			"a mapping like {source: [names], destination: [names], any: [names]}");
		return;
	}
	if (r->correlation) {
		load_error(l, map, "E113", "a correlation is limited by the rules that it counts");
		return;
	}
	load_keys(l, map, keys, 3, true);
	read_side(l, r, map, "source", SIDE_SOURCE, kind);
	read_side(l, r, map, "destination", SIDE_DESTINATION, kind);
	read_side(l, r, map, "any", SIDE_SOURCE | SIDE_DESTINATION, kind);
}

/* A name that is both a group's and a zone's is both. */
void rule_scope(struct loader *l, struct rule *r, const struct yaml_node *doc)
{
	static const enum member_kind kinds[] = { MEMBER_GROUP, MEMBER_ZONE };
	size_t n;
	const char *const *names = load_texts(l, doc, "scope", &n);
	if (n == 0)
		return;
	struct rule_clause *c = add_clause(l, r, 2 * n);
	for (size_t i = 0; i < n; i++) {
		size_t before = c->n;
		for (unsigned k = 0; k < 2; k++) {
			int number = number_of(l, kinds[k], names[i]);
			if (number >= 0)
				c->tests[c->n++] = (struct rule_test){ kinds[k],
					SIDE_SOURCE | SIDE_DESTINATION, (uint16_t)number };
		}
		if (c->n == before)
			load_error(l, yaml_get(doc, "scope"), "E211",
				"no document has a group or zone \"%s\"", names[i]);
	}
}

static bool test_holds(const struct rule_test *t, const struct view *v)
{
	bool group = t->kind == MEMBER_GROUP;
	return (t->sides & SIDE_SOURCE &&
		       v->member(v, t->kind, group ? FIELD_SOURCE : COMMON_SOURCE_ZONE, t->number)) ||
	       (t->sides & SIDE_DESTINATION &&
		       v->member(v, t->kind, group ? FIELD_DESTINATION : COMMON_DESTINATION_ZONE, t->number));
}

bool rule_is_within(const struct rule *r, const struct view *v)
{
	bool held = true;
	for (size_t i = 0; i < r->n_clauses && held; i++) {
		const struct rule_clause *c = &r->clauses[i];
		held = false;
		for (size_t k = 0; k < c->n && !held; k++)
			held = test_holds(&c->tests[k], v);
	}
	return held;
}
