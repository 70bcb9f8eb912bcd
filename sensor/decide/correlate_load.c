/* Correlations: from document to what correlate.c runs (policy-language.md 11.1). */
#include "decide/correlate.h"

#include <stdio.h>

/* ---- conditions --------------------------------------------------------------------------- */

static bool is_temporal(const struct correlation *c)
{
	return c->type == CORR_TEMPORAL || c->type == CORR_TEMPORAL_ORDERED;
}

/* A count of what is in a sliding window, or of distinct values, is exact only as far as entries go. */
static bool can_count_to(const struct correlation *c, const struct bound *b)
{
	bool counts = c->type == CORR_EVENT_COUNT || c->type == CORR_VALUE_COUNT;
	return !counts || (c->closed && c->type == CORR_EVENT_COUNT) ||
	       b->number + (b->op == BOUND_GT || b->op == BOUND_LTE) <= MAX_ENTRIES;
}

/* Is there a count, or a sum, that is below the one and above the other? */
static bool can_hold(const struct correlation *c)
{
	const struct bound *low = NULL, *high = NULL;
	for (unsigned i = 0; i < c->n_bounds; i++) {
		const struct bound *b = &c->bound[i];
		if (b->op == BOUND_GT || b->op == BOUND_GTE)
			low = b;
		else if (b->op == BOUND_LT || b->op == BOUND_LTE)
			high = b;
	}
	if (!low || !high)
		return true;
	bool both_reach = low->op == BOUND_GTE && high->op == BOUND_LTE;
	return both_reach ? low->number <= high->number : low->number < high->number;
}

static void load_bounds(struct loader *l, struct correlation *c, const struct yaml_node *map)
{
	static const char *const keys[] = { "gt", "gte", "lt", "lte", "eq", "neq", "field", "percentile" };
	load_keys(l, map, keys, sizeof keys / sizeof *keys, true);
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *v = map->items[i];
		unsigned op = 0;
		while (op < 6 && !bytes_is(yaml_text(map->keys[i]), keys[op]))
			op++;
		if (op == 6)
			continue;
		if (v->type != YAML_INT && v->type != YAML_FLOAT)
			load_error(l, v, "E113", "a number is needed here");
		else if (c->n_bounds == 2)
			load_error(l, v, "E113", "a `condition` has one operator, or two that form a range");
		else
			c->bound[c->n_bounds++] = (struct bound){ (enum bound_op)op, v->type == YAML_INT,
				v->integer, v->number };
		c->closed = c->closed || op >= BOUND_LT;
	}
	if (c->n_bounds == 0)
		load_error(l, map, "E113", "a `condition` compares with a number, like {gte: 5}");
	if (!can_hold(c))
		load_warning(l, map, "W300", "no number is in this range, so the correlation never holds");
	for (unsigned i = 0; i < c->n_bounds; i++)
		if (!can_count_to(c, &c->bound[i]))
			load_error(l, map, "E197",
				"a group holds %d entries, so a higher count cannot be told exactly",
				MAX_ENTRIES);
}

struct expression {
	struct loader *l;
	struct correlation *c;
	const struct yaml_node *at;
	struct cur in;
	struct bytes token;
	const char **names; /* room for MAX_REFS */
	uint64_t used;
	unsigned depth;
	bool may_add; /* `rules` was left out: they are those of the condition */
	bool failed;
};

static bool expression_fail(struct expression *e, const char *what)
{
	if (!e->failed)
		load_error(e->l, e->at, "E193", "%s%s%.*s%s", what, e->token.n ? " at \"" : "",
			(int)bytes_first(e->token, 64).n, (const char *)e->token.p, e->token.n ? "\"" : "");
	e->failed = true;
	return false;
}

static bool is_name_byte(int b)
{
	return ascii_alnum(b) || b == '_' || b == '-';
}

static void advance(struct expression *e)
{
	while (cur_more(&e->in) && bytes_chr(bytes_str(" \t\r\n"), 0, cur_peek(&e->in).p[0]) < 4)
		cur_skip(&e->in, 1);
	struct bytes rest = cur_peek(&e->in);
	size_t n = 0;
	while (is_name_byte(bytes_at(rest, n)))
		n++;
	e->token = cur_take(&e->in, n ? n : rest.n > 0);
}

static bool emit(struct expression *e, unsigned code)
{
	if (e->c->n_expr == MAX_EXPRESSION)
		return expression_fail(e, "the condition is too long");
	e->c->expr[e->c->n_expr++] = (uint8_t)code;
	return true;
}

static bool parse_name(struct expression *e)
{
	struct correlation *c = e->c;
	unsigned i = 0;
	while (i < c->n_refs && !bytes_is(e->token, e->names[i]))
		i++;
	if (i == c->n_refs) {
		if (!e->may_add)
			return expression_fail(e, "`rules` does not name every rule of the condition:");
		if (i == MAX_REFS)
			return expression_fail(e, "more than 64 rules");
		e->names[c->n_refs++] = arena_text(&e->l->p->memory, e->token);
	}
	e->used |= UINT64_C(1) << i;
	advance(e);
	return emit(e, i);
}

static bool parse_or(struct expression *e);

static bool parse_not(struct expression *e)
{
	bool fine;
	if (++e->depth > 24)
		return expression_fail(e, "the condition is nested too deep");
	if (bytes_is(e->token, "not")) {
		advance(e);
		fine = parse_not(e) && emit(e, EXPR_NOT);
	} else if (bytes_is(e->token, "(")) {
		advance(e);
		fine = parse_or(e) &&
		       (bytes_is(e->token, ")") || expression_fail(e, "a closing parenthesis is missing"));
		advance(e);
	} else if (e->token.n == 0 || !is_name_byte(e->token.p[0]) || bytes_is(e->token, "and") ||
		   bytes_is(e->token, "or")) {
		fine = expression_fail(e, "the name of a rule is needed");
	} else {
		fine = parse_name(e);
	}
	e->depth--;
	return fine;
}

static bool parse_and(struct expression *e)
{
	bool fine = parse_not(e);
	while (fine && bytes_is(e->token, "and")) {
		advance(e);
		fine = parse_not(e) && emit(e, EXPR_AND);
	}
	return fine;
}

static bool parse_or(struct expression *e)
{
	bool fine = parse_and(e);
	while (fine && bytes_is(e->token, "or")) {
		advance(e);
		fine = parse_and(e) && emit(e, EXPR_OR);
	}
	return fine;
}

/* An order is one of all that must happen; what must not happen has none. */
static void load_order(struct loader *l, struct correlation *c, const struct yaml_node *at)
{
	uint64_t negated = 0;
	bool plain = true;
	for (unsigned i = 0; i < c->n_expr; i++) {
		plain = plain && c->expr[i] != EXPR_OR;
		if (c->expr[i] == EXPR_NOT) {
			plain = plain && i > 0 && c->expr[i - 1] < MAX_REFS;
			if (plain)
				negated |= UINT64_C(1) << c->expr[i - 1];
		}
	}
	for (unsigned i = 0; i < c->n_refs && c->n_order < MAX_ORDERED; i++)
		if (!(negated >> i & 1))
			c->order[c->n_order++] = (uint8_t)i;
	unsigned want = c->n_refs - (unsigned)__builtin_popcountll(negated);
	if (!plain)
		load_error(l, at, "E193",
			"temporal_ordered takes `and` and `not NAME` only: what else it says has no order");
	else if (want > MAX_ORDERED || c->n_order == 0)
		load_error(
			l, at, "E193", "temporal_ordered takes 1 to %d rules that must match", MAX_ORDERED);
}

static void load_expression(struct loader *l, struct correlation *c, const struct yaml_node *text)
{
	const char **names = arena_get(&l->p->memory, MAX_REFS * sizeof *names);
	struct expression e = { .l = l,
		.c = c,
		.at = text,
		.in = cur_of(yaml_text(text)),
		.names = names,
		.may_add = c->n_refs == 0 };
	for (unsigned i = 0; i < c->n_refs; i++)
		names[i] = c->names[i];
	c->names = names;
	advance(&e);
	if (parse_or(&e) && e.token.n)
		(void)expression_fail(&e, "`and` or `or` is missing");
	for (unsigned i = 0; !e.failed && i < c->n_refs; i++)
		if (!(e.used >> i & 1))
			load_error(l, text, "E193", "the condition does not say what of \"%s\"", names[i]);
	for (unsigned i = 0; i < c->n_expr; i++)
		c->closed = c->closed || c->expr[i] == EXPR_NOT;
}

static void load_condition(struct loader *l, struct correlation *c, const struct yaml_node *map)
{
	const struct yaml_node *v = yaml_get(map, "condition");
	if (!is_temporal(c)) {
		if (v && v->type == YAML_MAP)
			load_bounds(l, c, v);
		else
			load_error(l, v ? v : map, "E113", "this type needs a `condition` like {gte: 5}");
		return;
	}
	if (v && v->type != YAML_STRING)
		load_error(l, v, "E193",
			"a temporal correlation takes a condition like `rule_a and not rule_b`");
	else if (v)
		load_expression(l, c, v);
	if (c->type == CORR_TEMPORAL_ORDERED)
		load_order(l, c, v ? v : map);
}

/* ---- the document ------------------------------------------------------------------------- */

static void load_type(struct loader *l, struct correlation *c, const struct yaml_node *map)
{
	static const char *const types[] = { "event_count", "value_count", "value_sum", "value_avg",
		"temporal", "temporal_ordered", "value_median", "value_percentile" };
	const struct yaml_node *type = yaml_get(map, "type"), *condition = yaml_get(map, "condition");
	int t = type ? load_choice(l, type, types, 8) : -1;
	bool has = condition && condition->type == YAML_MAP;
	const struct yaml_node *field = has ? yaml_get(condition, "field") : NULL;
	bool needs_field = t >= CORR_VALUE_COUNT && t != CORR_TEMPORAL && t != CORR_TEMPORAL_ORDERED;
	if (!type)
		load_error(l, map, "E113", "a correlation needs a `type`");
	if (needs_field && !field)
		load_error(l, has ? condition : map, "E192", "%s needs the `field` whose values it looks at",
			types[t]);
	else if (field && !needs_field && t >= 0)
		load_error(l, field, "E192", "%s looks at no `field`", types[t]);
	if (t == 7 && has && !yaml_get(condition, "percentile"))
		load_error(l, condition, "E194", "value_percentile needs `percentile`, from 0 to 100");
	else if (t >= 6)
		load_error(l, type, "E164", "%s comes in a later version of this sensor", types[t]);
	else if (has && yaml_get(condition, "percentile"))
		load_error(l, condition, "E194", "`percentile` is for value_percentile");
	c->type = t >= 0 && t < 6 ? (enum corr_type)t : CORR_EVENT_COUNT;
	size_t n = 0;
	if (field)
		c->value = load_texts(l, condition, "field", &n);
	if (n > MAX_BY || (n == 0 && needs_field && field))
		load_error(l, field, "E192", "`field` names one to %d fields", MAX_BY);
	else if (n > 1 && t != CORR_VALUE_COUNT)
		load_error(l, field, "E192",
			"only value_count takes several fields: it counts their combinations");
	c->n_value = n > MAX_BY ? 0 : (unsigned)n;
}

static void load_span(struct loader *l, struct correlation *c, const struct yaml_node *map)
{
	const struct yaml_node *v = yaml_get(map, "timespan");
	c->span_ns = v ? parse_duration(v) : 0;
	c->span = v && v->text ? v->text : "";
	if (c->span_ns)
		return;
	load_error(l, v ? v : map, "E191",
		"`timespan` is a whole number and s, m, h, d or w, like 10m; months and years are of no "
		"fixed length");
	c->span_ns = 1000000000;
}

static void load_lists(struct loader *l, struct correlation *c, const struct yaml_node *map)
{
	size_t n;
	const struct yaml_node *condition = yaml_get(map, "condition");
	bool expression = is_temporal(c) && condition && condition->type == YAML_STRING;
	c->by = load_texts(l, map, "group-by", &n);
	if (n > MAX_BY)
		load_error(l, yaml_get(map, "group-by"), "E119", "`group-by` may name %d fields at most",
			MAX_BY);
	c->n_by = n > MAX_BY ? 0 : (unsigned)n;
	c->names = load_texts(l, map, "rules", &n);
	if (n > MAX_REFS)
		load_error(l, yaml_get(map, "rules"), "E119", "`rules` may name %d rules at most", MAX_REFS);
	else if (n == 0 && !expression)
		load_error(l, map, "E113", "a correlation needs `rules`: the names or ids of what it counts");
	c->n_refs = n > MAX_REFS ? 0 : (unsigned)n;
}

static void check_keys(struct loader *l, const struct yaml_node *map, bool strict)
{
	static const char *const keys[] = { "type", "rules", "group-by", "timespan", "condition", "aliases",
		"generate" };
	load_keys(l, map, keys, sizeof keys / sizeof *keys, strict);
}

static void load_body(struct loader *l, struct correlation *c, const struct yaml_node *map)
{
	const struct yaml_node *generate = yaml_get(map, "generate"), *aliases = yaml_get(map, "aliases");
	load_type(l, c, map);
	load_span(l, c, map);
	load_lists(l, c, map);
	load_condition(l, c, map);
	if (generate && generate->type != YAML_BOOL)
		load_error(l, generate, "E113", "true or false is needed here");
	c->generate = generate && generate->type == YAML_BOOL && generate->integer;
	if (aliases && aliases->type != YAML_MAP)
		load_error(l, aliases, "E196", "`aliases` is a mapping like {client: {rule_a: source.ip}}");
	c->refs = arena_get(&l->p->memory, (c->n_refs + 1) * sizeof *c->refs);
}

static void load_sensor(struct loader *l, struct correlation *c, const struct yaml_node *doc)
{
	const struct yaml_node *sensor = yaml_get(doc, "sensor");
	struct rule *r = c->rule;
	r->n_by = c->n_by;
	for (unsigned i = 0; i < c->n_by; i++)
		r->by[i] = (uint16_t)i;
	c->rearm_ns = c->span_ns;
	if (!sensor || !is_wardwatch(doc))
		return;
	rule_sensor(l, r, sensor);
	const struct yaml_node *rearm = sensor->type == YAML_MAP ? yaml_get(sensor, "rearm") : NULL;
	if (rearm)
		c->rearm_ns = load_duration(l, rearm);
}

void correlation_load(struct loader *l, const struct yaml_node *doc)
{
	static const char *const never[] = { "detection", "logsource" };
	struct policy *p = l->p;
	struct rule *r = arena_get(&p->memory, sizeof *r);
	struct correlation *c = arena_get(&p->memory, sizeof *c);
	const struct yaml_node *map = yaml_get(doc, "correlation");
	if (!rule_head(l, doc, r))
		return;
	for (size_t i = 0; i < 2; i++)
		if (yaml_get(doc, never[i]))
			load_error(l, yaml_get(doc, never[i]), "E113",
				"a correlation has no `%s`: it counts what other rules match", never[i]);
	if (map->type != YAML_MAP) {
		load_error(l, map, "E113", "`correlation` must be a mapping, and this is %s",
			yaml_type_name(map->type));
		return;
	}
	r->category = SCHEMA_CATEGORIES;
	r->correlation = c;
	c->rule = r;
	check_keys(l, map, is_wardwatch(doc));
	load_body(l, c, map);
	load_sensor(l, c, doc);
	if (!rule_add(l, r))
		return;
	c->number = (uint32_t)p->n_correlations;
	arena_grow(&p->memory, &p->correlations, &p->cap_correlations, p->n_correlations,
		sizeof(struct correlation *));
	p->correlations[p->n_correlations++] = c;
}
