/* What a rule says of others: `related` (policy-language.md section 4). */
#include "decide/policy_impl.h"

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

static const struct rule *rule_of_id(const struct policy *p, const char *id)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (strcasecmp(p->rules[i]->text.id, id) == 0)
			return p->rules[i];
	return NULL;
}

void related_complete(struct loader *l)
{
	for (size_t i = 0; i < l->p->n_rules; i++) {
		const struct rule *r = l->p->rules[i], *old;
		for (size_t k = 0; r->related && k < r->related->n; k++) {
			const struct yaml_node *id = yaml_get(r->related->items[k], "id");
			struct bytes type = yaml_text(yaml_get(r->related->items[k], "type"));
			if (!bytes_starts(type, "obsolete") || !(old = rule_of_id(l->p, id->text)))
				continue;
			diag_add(l->diag, DIAG_WARNING, r->file, id->line, id->column, "W122",
				"\"%s\" replaces \"%s\" (%s:%u), which is loaded too: remove that one",
				r->text.title, old->text.title, old->file, old->line);
		}
	}
}
