/* What a rule says of others: `related` (policy-language.md section 4). */
#include "decide/policy_impl.h"

#include <stdlib.h>

static bool is_text(const struct yaml_node *n)
{
	return n && n->type == YAML_STRING && n->text_n > 0;
}

void related_load(struct loader *l, struct rule *r, const struct yaml_node *doc)
{
	static const char *const types[] = { "derived", "obsolete", "obsoletes", "merged", "renamed",
		"similar" };
	const struct yaml_node *list = yaml_get(doc, "related");
	if (!list || list->type == YAML_NULL)
		return;
	bool fine = list->type == YAML_LIST;
	for (size_t i = 0; fine && i < list->n; i++) {
		const struct yaml_node *one = list->items[i];
		fine = one->type == YAML_MAP && is_text(yaml_get(one, "id")) &&
		       is_text(yaml_get(one, "type")) &&
		       load_choice(l, yaml_get(one, "type"), types, sizeof types / sizeof *types) >= 0;
	}
	if (fine)
		r->related = list;
	else
		load_error(l, list, "E127",
			"`related` is a list like [{id: 2f6c5c06-0a0f-4f25-9ef2-6f2f8d1f9a42, type: "
			"similar}]");
}

static int by_id(const void *a, const void *b)
{
	return strcasecmp((*(struct rule *const *)a)->text.id, (*(struct rule *const *)b)->text.id);
}

static int id_of(const void *id, const void *rule)
{
	return strcasecmp(id, (*(struct rule *const *)rule)->text.id);
}

static void check_rule(struct loader *l, const struct rule *r, struct rule *const *sorted)
{
	for (size_t k = 0; r->related && k < r->related->n; k++) {
		const struct yaml_node *id = yaml_get(r->related->items[k], "id");
		if (!bytes_starts(yaml_text(yaml_get(r->related->items[k], "type")), "obsolete"))
			continue;
		struct rule *const *old = bsearch(id->text, sorted, l->p->n_rules, sizeof *sorted, id_of);
		if (old)
			diag_add(l->diag, DIAG_WARNING, r->file, id->line, id->column, "W122",
				"\"%s\" replaces \"%s\" (%s:%u), which is loaded too: remove that one",
				r->text.title, (*old)->text.title, (*old)->file, (*old)->line);
	}
}

void related_complete(struct loader *l)
{
	const struct policy *p = l->p;
	struct rule **sorted = arena_get(&l->p->memory, (p->n_rules + 1) * sizeof(struct rule *));
	if (p->n_rules)
		memcpy(sorted, p->rules, p->n_rules * sizeof(struct rule *));
	qsort(sorted, p->n_rules, sizeof *sorted, by_id);
	for (size_t i = 0; i < p->n_rules; i++)
		check_rule(l, p->rules[i], sorted);
}
