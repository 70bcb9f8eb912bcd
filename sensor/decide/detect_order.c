/* In which order the parts of a condition are asked. Rough costs will do: what matters is that a flag is
 * asked before a text, and a text before a regular expression. */
#include "decide/detect_impl.h"

static unsigned value_cost(const struct value *v)
{
	switch (v->kind) {
	case VALUE_NUMBER:
	case VALUE_BOOL:
	case VALUE_NULL:
	case VALUE_PHI:
	case VALUE_CIDR:
		return 1;
	case VALUE_PATTERN:
		return v->text.wild ? 10 : 2;
	case VALUE_UID:
	case VALUE_LIST:
		return 4;
	case VALUE_MEMBER:
		return 10;
	case VALUE_FIELD:
	case VALUE_VERSION:
		return 20;
	case VALUE_ANY:
		return 10 * v->n_any;
	case VALUE_REGEX:
		return 50;
	}
	return 1;
}

static unsigned item_cost(const struct item *it)
{
	enum { A_FIELD = 2, ALL_FIELDS = 1000 };
	if (it->aspect == ASPECT_MEMBER && it->member == MEMBER_BASELINE) /* known already */
		return 1;
	unsigned cost = it->keyword ? ALL_FIELDS : A_FIELD;
	for (unsigned i = 0; i < it->n; i++)
		cost += value_cost(&it->values[i]);
	return cost;
}

unsigned node_order(struct arena *a, struct node *n)
{
	if (n->cost) /* an identifier that several name */
		return n->cost;
	if (n->kind == NODE_ITEM)
		n->cost = item_cost(n->item);
	else if (n->kind == NODE_IDENT)
		n->cost = n->ident->body ? node_order(a, n->ident->body) : 1;
	else
		n->by_cost = arena_get(a, n->n * sizeof(struct node *));
	for (unsigned i = 0; n->by_cost && i < n->n; i++) {
		unsigned at = i, cost = node_order(a, n->kids[i]);
		for (; at > 0 && n->by_cost[at - 1]->cost > cost; at--)
			n->by_cost[at] = n->by_cost[at - 1];
		n->by_cost[at] = n->kids[i];
		n->cost += cost;
	}
	return n->cost;
}
