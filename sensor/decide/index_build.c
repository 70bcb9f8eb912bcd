/* At load: the cheapest necessary parts of each rule, and the tables by which events find them. */
#include "decide/index_impl.h"

#include <stdlib.h>

/* Costs are in millionths; a guess counts as much as so many rules. */
enum { ALWAYS = 1000000, GUESS_WEIGHT = 20 };

struct build {
	struct policy *p;
	struct arena work; /* given back when the index is built */
	const struct detect *d;
	uint64_t *keys; /* of all atoms of all rules, sorted */
	size_t n_keys, cap_keys;
	uint32_t asked[SCHEMA_FIELDS + 1][ATOM_KINDS]; /* how many of the keys are of a field and kind */
	bool counting;
};

static size_t asked_at(const struct atom *one)
{
	return one->field < SCHEMA_FIELDS ? one->field : SCHEMA_FIELDS;
}

static int by_key(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;
	return (*a > *b) - (*a < *b);
}

/* ---- what a part costs -------------------------------------------------------------------------------- */

static size_t first_not_below(const struct build *b, uint64_t key)
{
	size_t low = 0, high = b->n_keys;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (b->keys[mid] < key)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint64_t cost_by_kind(const struct build *b, const struct atom *one)
{
	static const uint32_t by_length[] = { ALWAYS, 500000, 200000, 30000, 8000, 3000, 3000, 3000 };
	const struct schema *s = b->d->schema;
	switch (one->kind) {
	case ATOM_TEXT: /* what all events have of their conversation are a few words; protocols are many */
		if (one->field == COMMON_PROTOCOL)
			return 20000;
		if (s->type(s, one->field) == FACT_BOOL)
			return ALWAYS;
		if (one->field < COMMON_N)
			return 300000;
		return one->text.n <= 4 ? 50000 : 5000;
	case ATOM_LITERAL:
	case ATOM_ANY:
		return one->text.n < 8 ? by_length[one->text.n] : 1000;
	case ATOM_NUMBER:
		return 10000;
	case ATOM_ADDRESS:
		return 1000;
	case ATOM_NETWORK:
		return one->bits < 112 ? 300000 : 50000;
	case ATOM_PHI:
		return 300000;
	case ATOM_EXISTS:
		break;
	}
	return ALWAYS;
}

/* How often an event will hit it, in millionths: a guess by its kind, moved by its share among all that rules
 * ask of the field, as words that many rules name are of few. */
static uint64_t atom_cost(const struct build *b, const struct atom *one)
{
	uint64_t shared = first_not_below(b, one->key + 1) - first_not_below(b, one->key);
	uint64_t of = b->asked[asked_at(one)][one->kind];
	return (shared * ALWAYS + GUESS_WEIGHT * cost_by_kind(b, one)) / (of + GUESS_WEIGHT);
}

static uint64_t cost_of(const struct build *b, const struct atoms *set)
{
	uint64_t cost = 0;
	for (size_t i = 0; i < set->n; i++)
		cost += atom_cost(b, &set->list[i]);
	return cost;
}

/* ---- the parts of a condition -------------------------------------------------------------------------- */

/* A set being chosen among several, or joined of several. */
struct choice {
	struct atoms set;
	uint64_t cost;
	bool any;
};

static void choose(struct build *b, struct choice *c, const struct atoms *set)
{
	uint64_t cost = b->counting ? 0 : cost_of(b, set);
	if (!c->any || cost < c->cost)
		*c = (struct choice){ *set, cost, true };
}

static void count_keys(struct build *b, const struct atoms *set)
{
	for (size_t i = 0; b->counting && i < set->n; i++) {
		arena_grow(&b->work, &b->keys, &b->cap_keys, b->n_keys, sizeof *b->keys);
		b->keys[b->n_keys++] = set->list[i].key;
		b->asked[asked_at(&set->list[i])][set->list[i].kind]++;
	}
}

static bool item_parts(struct build *b, const struct item *it, struct atoms *out)
{
	struct choice best = { .any = false };
	if (it->neq)
		return false;
	for (unsigned i = 0; i < it->n; i++) {
		struct atoms own = { 0 };
		bool fine = value_atoms(&b->work, b->d, it, &it->values[i], it->all ? &own : out);
		if (it->all && fine)
			choose(b, &best, &own);
		else if (!it->all && !fine)
			return false;
		count_keys(b, &own);
	}
	if (it->all)
		*out = best.set;
	else
		count_keys(b, out);
	return it->all ? best.any : it->n > 0;
}

/* The parts of which one must be true if the node holds; false: there are none. */
static bool node_parts(struct build *b, const struct node *n, struct atoms *out)
{
	struct choice best = { .any = false };
	bool fine = true;
	switch (n->kind) {
	case NODE_ITEM:
		return item_parts(b, n->item, out);
	case NODE_IDENT:
		return node_parts(b, n->ident->body, out);
	case NODE_AND:
	case NODE_OR:
		break;
	default:
		return false;
	}
	for (unsigned i = 0; i < n->n; i++) {
		struct atoms own = { 0 };
		bool kid = node_parts(b, n->kids[i], &own);
		if (n->kind == NODE_AND && kid)
			choose(b, &best, &own);
		fine = fine && kid;
		for (size_t k = 0; n->kind == NODE_OR && k < own.n; k++)
			atoms_add(&b->work, out, &own.list[k]);
	}
	if (n->kind == NODE_AND)
		*out = best.set;
	return n->kind == NODE_AND ? best.any : fine && n->n > 0;
}

static bool detect_parts(struct build *b, const struct detect *d, struct atoms *out)
{
	bool fine = d->n_conditions > 0;
	b->d = d;
	for (size_t i = 0; i < d->n_conditions; i++) {
		struct atoms own = { 0 };
		fine = node_parts(b, d->conditions[i], &own) && fine;
		for (size_t k = 0; k < own.n; k++)
			atoms_add(&b->work, out, &own.list[k]);
	}
	return fine;
}

/* The rule's own detection, what its log source takes for granted and its filters must all hold. */
static bool rule_parts(struct build *b, const struct rule *r, struct atoms *out)
{
	struct choice best = { .any = false };
	for (size_t i = 0; i < r->n_filters + 2; i++) {
		const struct detect *d = i == 0 ? r->detect : i == 1 ? r->source : r->filters[i - 2].detect;
		struct atoms own = { 0 };
		if (d && detect_parts(b, d, &own))
			choose(b, &best, &own);
	}
	*out = best.set;
	return best.any;
}

/* ---- tables ------------------------------------------------------------------------------------------ */

/* Fields and their kinds in order, equal parts side by side, of each the rules in order. */
static int by_part(const void *x, const void *y)
{
	const struct atom *a = x, *b = y;
	if (a->field != b->field)
		return a->field < b->field ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return (a->rule > b->rule) - (a->rule < b->rule);
}

static void put_slot(struct rule_index *x, uint64_t key, struct postings rules)
{
	size_t at = key >> 1 & x->mask;
	while (x->slot[at].key && x->slot[at].key != key)
		at = (at + 1) & x->mask;
	x->slot[at].key = key;
	x->slot[at].rules = rules;
}

static struct index_literals *literals_new(struct arena *a, size_t n)
{
	struct index_literals *l = arena_get(a, sizeof *l);
	unsigned log2 = 12;
	while (log2 < 20 && (size_t)1 << log2 < 16 * n)
		log2++;
	l->shift = 32 - log2;
	l->literal = arena_get(a, n * sizeof *l->literal);
	l->bucket = arena_get(a, sizeof *l->bucket << log2);
	l->seen = arena_get(a, sizeof *l->seen << log2);
	return l;
}

/* In the bucket with the fewest so far, by whichever of its characters that is. */
static void literals_link(struct index_literals *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct index_literal *one = &l->literal[i];
		unsigned best = 0, least = 0;
		for (size_t at = 0; at + GRAM <= one->text.n; at++) {
			const uint8_t *p = one->text.p + at;
			unsigned b = index_bucket(l, p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16),
				 n = 1;
			for (uint32_t k = l->bucket[b]; k; k = l->literal[k - 1].next)
				n++;
			if (at == 0 || n < least) {
				best = b;
				least = n;
				one->at = at;
			}
		}
		one->next = l->bucket[best];
		l->bucket[best] = (uint32_t)i + 1;
		l->seen[best] = true;
	}
}

static void add_prefix(struct index_field *f, uint8_t bits)
{
	for (unsigned i = 0; i < f->n_prefixes; i++)
		if (f->prefix[i] == bits)
			return;
	f->prefix[f->n_prefixes++] = bits;
}

/* n equal parts, of one rule each. */
static void enter(struct build *b, struct rule_index *x, struct index_field *f, const struct atom *one,
	struct postings rules)
{
	struct arena *a = &b->p->memory;
	struct bytes text = bytes_of(arena_text(a, one->text), one->text.n);
	struct index_literals *l = one->kind == ATOM_ANY ? x->any : f->literals;
	switch (one->kind) {
	case ATOM_EXISTS:
		f->exists = rules;
		return;
	case ATOM_LITERAL:
	case ATOM_ANY:
		l->literal[l->n++] = (struct index_literal){ .text = text, .rules = rules };
		return;
	case ATOM_TEXT:
		f->texts = true;
		f->longest = text.n > f->longest ? text.n : f->longest;
		break;
	case ATOM_NETWORK:
		add_prefix(f, one->bits);
		break;
	case ATOM_NUMBER:
		f->numbers = true;
		break;
	case ATOM_ADDRESS:
		f->addresses = true;
		break;
	case ATOM_PHI:
		x->phi = true;
		break;
	}
	put_slot(x, one->key, rules);
}

/* The parts of one field, n of them. */
static void enter_field(
	struct build *b, struct rule_index *x, struct index_field *f, const struct atom *list, size_t n)
{
	struct arena *a = &b->p->memory;
	size_t literals = 0, any = 0;
	bool networks = false;
	for (size_t i = 0; i < n; i++) {
		literals += list[i].kind == ATOM_LITERAL;
		any += list[i].kind == ATOM_ANY;
		networks = networks || list[i].kind == ATOM_NETWORK;
	}
	f->literals = literals ? literals_new(a, literals) : NULL;
	x->any = any ? literals_new(a, any) : x->any;
	f->prefix = networks ? arena_get(a, NETWORK_BITS) : NULL;
	for (size_t i = 0, k; i < n; i = k) {
		uint32_t first = x->always.n;
		for (k = i; k < n && list[k].kind == list[i].kind && list[k].key == list[i].key; k++)
			if (x->always.n == first || x->rule[x->always.n - 1] != list[k].rule)
				x->rule[x->always.n++] = list[k].rule;
		enter(b, x, f, &list[i], (struct postings){ first, x->always.n - first });
	}
	if (f->literals)
		literals_link(f->literals);
	if (any)
		literals_link(x->any);
}

/* What keywords look at (detect_match.c); of a field whose texts are looked at anyway along with that. */
static void keyword_fields(struct rule_index *x)
{
	const struct schema *s = x->schema;
	for (uint16_t f = 0; f < s->n_searched; f++)
		if (schema_searches(s, f))
			x->keywords[f / 64] |= UINT64_C(1) << f % 64;
	for (size_t i = 0; i < x->n_fields; i++) {
		struct index_field *f = &x->field[i];
		uint64_t bit = UINT64_C(1) << f->field % 64;
		f->searched = (f->texts || f->literals) && x->keywords[f->field / 64] & bit;
		if (f->searched)
			x->keywords[f->field / 64] &= ~bit;
	}
}

/* While they are filled, x->always.n counts the entries of x->rule. */
static void enter_all(struct build *b, struct rule_index *x, struct atoms *all, const struct atoms *always)
{
	struct arena *a = &b->p->memory;
	const struct schema *s = x->schema;
	size_t fields = 0, slots = 16;
	if (all->n)
		qsort(all->list, all->n, sizeof *all->list, by_part);
	for (size_t i = 0; i < all->n; i++)
		fields += i == 0 || all->list[i].field != all->list[i - 1].field;
	while (slots < 2 * all->n)
		slots *= 2;
	x->mask = slots - 1;
	x->slot = arena_get(a, slots * sizeof *x->slot);
	x->rule = arena_get(a, (all->n + always->n + 1) * sizeof *x->rule);
	x->field = arena_get(a, (fields + 1) * sizeof *x->field);
	for (size_t i = 0, k; i < all->n; i = k) {
		struct index_field *f = &x->field[x->n_fields];
		f->field = all->list[i].field;
		f->mac = f->field != FIELD_EVENT && s->type(s, f->field) == FACT_MAC;
		for (k = i; k < all->n && all->list[k].field == f->field; k++)
			;
		enter_field(b, x, f, &all->list[i], k - i);
		/* Of the whole event and of keywords nothing is asked field by field. */
		bool asked =
			f->exists.n || f->texts || f->numbers || f->addresses || f->literals || f->n_prefixes;
		x->n_fields += asked && f->field != FIELD_EVENT;
		if (!asked || f->field == FIELD_EVENT)
			*f = (struct index_field){ 0 };
	}
	if (x->any)
		keyword_fields(x);
	uint32_t first = x->always.n;
	for (size_t i = 0; i < always->n; i++)
		x->rule[first + i] = always->list[i].rule;
	x->always = (struct postings){ first, (uint32_t)always->n };
}

const struct rule_index *index_build(struct policy *p, unsigned category)
{
	struct rule_index *x = arena_get(&p->memory, sizeof *x);
	struct arena work = { 0 };
	struct build *b = arena_get(&work, sizeof *b);
	struct atoms all = { 0 }, always = { 0 };
	b->p = p;
	b->counting = true;
	x->n_rules = p->n_of_category[category];
	x->schema = &p->schema->schema;
	for (size_t i = 0; i < x->n_rules; i++) {
		struct atoms parts = { 0 };
		(void)rule_parts(b, p->of_category[category][i], &parts);
	}
	b->counting = false;
	if (b->n_keys)
		qsort(b->keys, b->n_keys, sizeof *b->keys, by_key);
	for (size_t i = 0; i < x->n_rules; i++) {
		struct atoms parts = { 0 };
		bool fine = rule_parts(b, p->of_category[category][i], &parts);
		for (size_t k = 0; fine && k < parts.n; k++) {
			parts.list[k].rule = (uint32_t)i;
			atoms_add(&b->work, &all, &parts.list[k]);
		}
		if (!fine)
			atoms_add(&b->work, &always, &(struct atom){ .rule = (uint32_t)i });
	}
	enter_all(b, x, &all, &always);
	arena_fini(&b->work);
	arena_fini(&work);
	return x;
}
