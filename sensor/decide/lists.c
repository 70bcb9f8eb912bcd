#include "decide/lists.h"

const struct list *lists_find(const struct lists *l, struct bytes name)
{
	for (size_t i = 0; i < l->n; i++)
		if (bytes_is(name, list_name(l->list[i])))
			return l->list[i];
	return NULL;
}

void lists_read(
	struct lists *l, struct arena *a, const struct yaml_node *doc, const char *file, struct diag *diag)
{
	const struct yaml_node *map = yaml_get(doc, "lists");
	if (!map || map->type != YAML_MAP) {
		diag_add(diag, DIAG_ERROR, file, doc->line, doc->column, "E103",
			"a document of kind lists has a mapping `lists` of names to values");
		return;
	}
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *key = map->keys[i];
		if (lists_find(l, yaml_text(key))) {
			diag_add(diag, DIAG_ERROR, file, key->line, key->column, "E212",
				"there is a list \"%s\" already", key->text);
			continue;
		}
		const struct list *list = list_new(a, key->text, map->items[i], file, diag);
		if (!list)
			continue;
		arena_grow(a, &l->list, &l->cap, l->n, sizeof(struct list *));
		l->list[l->n++] = list;
	}
}
