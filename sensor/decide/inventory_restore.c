/* What was known before this run: records become nodes again. */
#include "decide/inventory_state.h"

#include "decide/inventory_codec.h"

#include <stdlib.h>

void inventory_restore_begin(struct inventory *inv, uint64_t packets)
{
	inv->packets_before = packets;
}

/* Looked for among the last n nodes made. */
static struct device *made_with(const struct inventory *inv, uint32_t gen, unsigned n)
{
	for (uint32_t i = inv->made_last; i && n > 0; i = node_at(inv, i)->made_before, n--)
		if (inv->gens[i] == gen)
			return node_at(inv, i);
	return NULL;
}

static void hang(struct device *n, struct device *up)
{
	struct inventory *inv = n->inv;
	if (!up || up->n_children >= CHILDREN_MAX)
		return;
	uint32_t *at = &up->child;
	while (*at)
		at = &node_at(inv, *at)->next;
	*at = node_index(n);
	n->up = node_index(up);
	up->n_children++;
	inv->roots--;
}

static bool is_whole(struct bytes state)
{
	struct cur nodes;
	struct codec_node node;
	struct value v;
	bool known, fine = codec_open(state, &nodes);
	while (fine && cur_more(&nodes)) {
		fine = codec_node(&nodes, &node);
		for (unsigned i = 0; fine && i < node.n_values; i++)
			fine = codec_value(&node, &v, &known);
	}
	return fine;
}

bool inventory_restore(struct inventory *inv, struct bytes state)
{
	struct cur nodes;
	struct codec_node node;
	unsigned made = 0, wanted = 0;
	if (!is_whole(state) || !codec_open(state, &nodes))
		return false;
	while (cur_more(&nodes) && codec_node(&nodes, &node)) {
		struct device *n = node_restore(inv, &node.as, node.gen);
		wanted++;
		if (!n)
			continue;
		if (node.up)
			hang(n, made_with(inv, node.up, made + 1));
		made++;
		for (unsigned i = 0; i < node.n_values; i++) {
			struct value v;
			bool known;
			if (codec_value(&node, &v, &known) && known)
				value_restore(n, &v);
		}
	}
	return made == wanted;
}

/* ---- references -----------------------------------------------------------------------------------------
 */

struct place {
	uint32_t gen, at;
	uint64_t last_ns;
};

static int by_gen(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	return a->gen < b->gen ? -1 : a->gen > b->gen;
}

static int by_sight(const void *x, const void *y)
{
	const struct place *a = x, *b = y;
	return a->last_ns != b->last_ns ? a->last_ns < b->last_ns ? -1 : 1 : by_gen(x, y);
}

static void point(struct ref *r, const struct place *all, size_t n)
{
	struct place key = { .gen = r->gen };
	const struct place *p = r->gen ? bsearch(&key, all, n, sizeof *all, by_gen) : NULL;
	*r = p ? (struct ref){ p->at, p->gen } : (struct ref){ 0 };
}

static void point_all(struct device *d, const struct place *all, size_t n)
{
	point(&d->carrier, all, n);
	point(&d->second, all, n);
	point(&d->managed, all, n);
	point(&d->sender, all, n);
	point(&d->told_first, all, n);
	for (unsigned k = 0; k < MADE_KINDS; k++)
		for (unsigned i = 0; i < MADE_MOST; i++)
			point(&d->made[k][i], all, n);
}

/* all: every node; order: room for two lists of their places. */
static void tie(struct inventory *inv, struct place *all, uint32_t *order, size_t n)
{
	size_t i = 0;
	for (uint32_t at = inv->made_first; at; at = node_at(inv, at)->made_after)
		all[i++] = (struct place){ inv->gens[at], at, node_at(inv, at)->last_ns };
	qsort(all, n, sizeof *all, by_gen);
	for (i = 0; i < n; i++) {
		point_all(node_at(inv, all[i].at), all, n);
		order[i] = all[i].at;
	}
	qsort(all, n, sizeof *all, by_sight);
	for (i = 0; i < n; i++)
		order[n + i] = all[i].at;
	nodes_reorder(inv, order, order + n, n);
}

bool inventory_restore_end(struct inventory *inv)
{
	size_t n = inv->nodes.used;
	struct place *all = calloc(n + 1, sizeof *all);
	uint32_t *order = calloc(2 * n + 1, sizeof *order);
	bool fine = all && order;
	if (fine)
		tie(inv, all, order, n);
	free(all);
	free(order);
	for (uint32_t i = inv->made_first; i; i = node_at(inv, i)->made_after) {
		struct device *root = node_at(inv, i);
		struct event then = { .ts_ns = root->last_ns };
		inv->now = &then;
		if (!root->up && inv->fingerprints)
			device_judge(root);
	}
	inv->now = NULL;
	return fine;
}
