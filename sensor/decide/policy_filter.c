/* Filters: conditions that a site adds to rules it does not want to edit (policy-language.md section 12). */
#include "decide/correlate.h"

struct filter {
	const struct yaml_node *doc;
	const struct yaml_node *detection; /* the `filter` mapping without `rules` */
	const char *file, *title;
	struct detect *of_category[SCHEMA_CATEGORIES + 1]; /* the last: of any category */
	bool tried[SCHEMA_CATEGORIES + 1];
};

/* ---- the document --------------------------------------------------------------------------- */

/* Only the condition as text tells whether the author thought of an exclusion. */
static bool has_not(const struct yaml_node *condition)
{
	struct cur c = cur_of(condition->text ? yaml_text(condition) : (struct bytes){ 0 });
	for (size_t i = 0; condition->type == YAML_LIST && i < condition->n; i++)
		if (has_not(condition->items[i]))
			return true;
	while (cur_more(&c)) {
		size_t n = 0;
		while (ascii_alnum(bytes_at(cur_peek(&c), n)) || bytes_at(cur_peek(&c), n) == '_' ||
			bytes_at(cur_peek(&c), n) == '-')
			n++;
		if (bytes_is(cur_take(&c, n ? n : 1), "not"))
			return true;
	}
	return false;
}

static const struct yaml_node *without_rules(struct loader *l, const struct yaml_node *filter)
{
	struct yaml_node *out = arena_get(&l->p->memory, sizeof *out);
	*out = *filter;
	out->keys = arena_get(&l->p->memory, filter->n * sizeof *out->keys);
	out->items = arena_get(&l->p->memory, filter->n * sizeof *out->items);
	out->n = 0;
	for (size_t i = 0; i < filter->n; i++)
		if (!bytes_is(yaml_text(filter->keys[i]), "rules")) {
			out->keys[out->n] = filter->keys[i];
			out->items[out->n++] = filter->items[i];
		}
	return out;
}

static bool check_filter(struct loader *l, const struct yaml_node *filter)
{
	if (filter->type != YAML_MAP) {
		load_error(l, filter, "E203", "`filter` must be a mapping, and this is %s",
			yaml_type_name(filter->type));
		return false;
	}
	const struct yaml_node *rules = yaml_get(filter, "rules"), *condition = yaml_get(filter, "condition");
	if (!rules || rules->type == YAML_NULL || rules->type == YAML_MAP ||
		(rules->type == YAML_LIST && rules->n == 0))
		load_error(l, rules ? rules : filter, "E200",
			"a filter applies to no rule without `rules`: name rules, or write `rules: any`");
	if (!condition) {
		load_error(l, filter, "E203", "a filter needs search identifiers and a `condition`");
		return false;
	}
	if (!has_not(condition))
		load_warning(l, condition, "W201",
			"nothing is negated: the rules become \"(rule) and (%s)\", so they fire only where "
			"the "
			"filter holds; to leave out what it describes, write `not`",
			condition->text ? condition->text : "the filter");
	return true;
}

void filter_load(struct loader *l, const struct yaml_node *doc)
{
	struct policy *p = l->p;
	const struct yaml_node *filter = yaml_get(doc, "filter"), *source = yaml_get(doc, "logsource");
	struct rule head = { 0 };
	if (!document_head(l, doc, &head))
		return;
	bool fine =
		source && source->type == YAML_MAP &&
		(yaml_get(source, "product") || yaml_get(source, "service") || yaml_get(source, "category"));
	if (!fine)
		load_error(l, source ? source : doc, "E130",
			"`logsource` needs one of product, service and category");
	if (!check_filter(l, filter) || !fine)
		return;
	struct filter *f = arena_get(&p->memory, sizeof *f);
	*f = (struct filter){
		.doc = doc, .detection = without_rules(l, filter), .file = l->file, .title = head.text.title
	};
	arena_grow(&p->memory, &p->filters, &p->cap_filters, p->n_filters, sizeof(struct filter *));
	p->filters[p->n_filters++] = f;
}

/* ---- the rules ------------------------------------------------------------------------------ */

/* What the filter's log source names must be the same in the rule's. */
static bool contains(const struct filter *f, const struct rule *r)
{
	static const char *const keys[] = { "category", "product", "service" };
	const struct yaml_node *ours = yaml_get(f->doc, "logsource"), *its = yaml_get(r->doc, "logsource");
	for (size_t i = 0; ours && ours->type == YAML_MAP && i < 3; i++) {
		const struct yaml_node *want = yaml_get(ours, keys[i]);
		const struct yaml_node *have = its ? yaml_get(its, keys[i]) : NULL;
		if (want && want->text && !(have && have->text && bytes_is(yaml_text(want), have->text)))
			return false;
	}
	return true;
}

/* A filter for all rules of all categories may name fields that only some of them have. */
static struct detect *compile(struct loader *l, struct filter *f, const struct rule *r, bool any)
{
	const struct yaml_node *source = yaml_get(f->doc, "logsource");
	bool everywhere = any && !yaml_get(source, "service") && !yaml_get(source, "category");
	unsigned c = everywhere ? SCHEMA_CATEGORIES : r->category;
	const struct event_schema *s = l->p->schema;
	if (!f->tried[c]) {
		struct detect_env env =
			names_env(l, everywhere ? (struct bytes){ 0 } : s->category[c], is_wardwatch(f->doc));
		env.file = f->file;
		f->of_category[c] = detect_compile_in(&env, f->detection);
	}
	f->tried[c] = true;
	return f->of_category[c];
}

static void apply(struct loader *l, struct filter *f, struct rule *r, bool any)
{
	struct detect *d = compile(l, f, r, any);
	if (!d)
		return;
	arena_grow(&l->p->memory, &r->filters, &r->cap_filters, r->n_filters, sizeof *r->filters);
	r->filters[r->n_filters++] = (struct rule_filter){ f->title, d };
}

static void apply_named(struct loader *l, struct filter *f, const struct yaml_node *name)
{
	struct rule *r = name->text ? rule_find(l->p, yaml_text(name)) : NULL;
	l->file = f->file;
	if (!r && (!name->text || !rule_was_skipped(l->p, yaml_text(name))))
		load_error(
			l, name, "E201", "no rule has the name or id \"%s\"", name->text ? name->text : "");
	else if (r && r->correlation)
		load_error(l, name, "E201",
			"\"%s\" is a correlation: a filter applies to the rules that it counts", name->text);
	else if (r && !contains(f, r))
		load_warning(l, name, "W202",
			"the log source of this filter does not contain that of \"%s\": it is not applied",
			name->text);
	else if (r)
		apply(l, f, r, false);
}

void filters_apply(struct loader *l)
{
	struct policy *p = l->p;
	for (size_t i = 0; i < p->n_filters; i++) {
		struct filter *f = p->filters[i];
		const struct yaml_node *rules = yaml_get(yaml_get(f->doc, "filter"), "rules");
		size_t errors = l->diag->errors;
		if (rules && rules->type == YAML_STRING && bytes_is(yaml_text(rules), "any")) {
			for (size_t k = 0; k < p->n_rules && l->diag->errors == errors; k++)
				if (!p->rules[k]->correlation && contains(f, p->rules[k]))
					apply(l, f, p->rules[k], true);
		} else if (rules && rules->type == YAML_LIST) {
			for (size_t k = 0; k < rules->n; k++)
				apply_named(l, f, rules->items[k]);
		} else if (rules && rules->text) {
			apply_named(l, f, rules);
		}
	}
}

void filters_free(struct policy *p)
{
	for (size_t i = 0; i < p->n_filters; i++)
		for (size_t c = 0; c <= SCHEMA_CATEGORIES; c++)
			detect_free(p->filters[i]->of_category[c]);
}
