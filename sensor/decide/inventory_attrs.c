/* What is known: values with their provenance, and the judgement of the fingerprints on them. */
#include "decide/inventory_nodes.h"

#include "decide/mask.h"
#include "decide/types.h"
#include "packet/categories.h"

#include <stdio.h>

static struct value *value_at(const struct inventory *inv, uint32_t i)
{
	return pool_at(&inv->values, i);
}

static struct bytes value_text(const struct value *v)
{
	return bytes_of(v->text, v->len);
}

const struct value *value_best(const struct device *n, enum attr a)
{
	const struct value *best = NULL;
	for (uint32_t i = n->values; i; i = value_at(n->inv, i)->next) {
		const struct value *v = value_at(n->inv, i);
		if (v->attr == a && (!best || v->confidence > best->confidence))
			best = v;
	}
	return best;
}

static void value_set(const struct inventory *inv, struct value *v, struct bytes text, unsigned confidence,
	const char *source)
{
	v->len = (uint8_t)(text.n < VALUE_BYTES ? text.n : VALUE_BYTES);
	memcpy(v->text, text.p, v->len);
	v->confidence = (uint8_t)confidence;
	v->source = source;
	v->masked = false;
	v->packet = inv->packets_before + inv->now->packet;
	v->first_ns = v->last_ns = inv->now->ts_ns;
}

static struct value *value_new(struct device *n)
{
	struct inventory *inv = n->inv;
	uint32_t i = pool_get(&inv->values);
	if (!i) {
		inv->counters->full_attributes++;
		node_make_room(inv);
		i = pool_get(&inv->values);
	}
	if (!i)
		return NULL;
	*(n->last_value ? &value_at(inv, n->last_value)->next : &n->values) = i;
	n->last_value = i;
	return value_at(inv, i);
}

static struct value *value_add(
	struct device *n, enum attr a, struct bytes text, unsigned confidence, const char *source)
{
	struct value *v = value_new(n);
	if (!v)
		return NULL;
	v->attr = (uint8_t)a;
	value_set(n->inv, v, text, confidence, source);
	return v;
}

bool value_restore(struct device *n, const struct value *as)
{
	struct value *v = value_new(n);
	if (!v)
		return false;
	*v = *as;
	v->next = 0;
	return true;
}

/* Can it be this text that was masked so? */
static bool is_unmasked(const struct value *v, struct bytes text)
{
	struct bytes shown = value_text(v), mark = bytes_str(MASKED);
	size_t at = bytes_find(shown, 0, mark);
	if (!bytes_eq(bytes_first(shown, at), bytes_first(text, at)))
		return false;
	text = bytes_from(text, at);
	for (shown = bytes_from(shown, at + mark.n); shown.n; shown = bytes_from(shown, at + mark.n)) {
		at = bytes_find(shown, 0, mark);
		if (at == shown.n) /* the rest of it ends the text */
			return text.n >= at && bytes_eq(shown, bytes_from(text, text.n - at));
		size_t found = at ? bytes_find(text, 0, bytes_first(shown, at)) : 0;
		if (found == text.n)
			return false;
		text = bytes_from(text, found + at);
	}
	return true;
}

/* Attributes of which a device has one all its life: two of them are two devices, or a device that lies. */
static bool is_strong(enum attr a)
{
	return a == ATTR_SERIAL || a == ATTR_EUI64 || a == ATTR_DEVICE_UID;
}

enum { SURE = 80 };

static bool one_changes(
	struct device *n, struct value *v, struct bytes text, unsigned confidence, const char *source)
{
	bool both_sure = v->confidence >= SURE && confidence >= SURE;
	if (is_strong(v->attr) && both_sure)
		asset_event(n, ASSET_EV_CONFLICTING, v->attr, value_text(v), text);
	else if (confidence >= v->confidence && both_sure)
		asset_event(n, ASSET_EV_UPDATED, v->attr, value_text(v), text);
	if (confidence < v->confidence)
		return false;
	value_set(n->inv, v, text, confidence, source);
	n->inv->attr_changes[v->attr]++;
	return true;
}

bool value_put(struct device *n, enum attr a, struct bytes text, unsigned confidence, const char *source)
{
	unsigned same_attr = 0;
	text = bytes_first(bytes_trim(text), VALUE_BYTES);
	if (text.n == 0 || (a == ATTR_SERIAL && identity_no_serial(text)))
		return false;
	for (uint32_t i = n->values; i; i = value_at(n->inv, i)->next) {
		struct value *v = value_at(n->inv, i);
		if (v->attr != a || v->by_fingerprint)
			continue;
		same_attr++;
		if (v->masked && is_unmasked(v, text)) {
			uint64_t first_ns = v->first_ns;
			value_set(n->inv, v, text, confidence, source);
			v->first_ns = first_ns;
			node_root(n)->dirty = true;
			return true;
		}
		if (bytes_eq(value_text(v), text)) {
			seen_at(&v->first_ns, &v->last_ns, n->inv->now->ts_ns);
			if (confidence <= v->confidence)
				return false;
			v->confidence = (uint8_t)confidence;
			v->source = source;
			node_root(n)->dirty = true;
			return true;
		}
		if (!attr_rows[a].many) {
			bool changed = one_changes(n, v, text, confidence, source);
			node_root(n)->dirty |= changed;
			return changed;
		}
	}
	if (same_attr >= VALUES_MANY) {
		n->inv->counters->full_attributes++;
		return false;
	}
	if (!value_add(n, a, text, confidence, source))
		return false;
	n->inv->attr_changes[a]++;
	node_root(n)->dirty = true;
	return true;
}

static void values_keep(struct device *n, bool keep_stated)
{
	uint32_t *at = &n->values;
	n->last_value = 0;
	while (*at) {
		uint32_t i = *at;
		struct value *v = value_at(n->inv, i);
		if (keep_stated && !v->by_fingerprint) {
			n->last_value = i;
			at = &v->next;
			continue;
		}
		*at = v->next;
		pool_put(&n->inv->values, i);
	}
}

void values_free(struct device *n)
{
	values_keep(n, false);
}

void mac_describe(struct device *m)
{
	struct inventory *inv = m->inv;
	/* The virtual addresses of routers are nobody's network card. */
	if (mac_is_local(&m->mac) || mac_is_virtual_router(&m->mac))
		return;
	if (inv->fingerprints) {
		const struct mac_prefix *row = fingerprints_prefix(inv->fingerprints, m->mac.b);
		if (row) {
			value_put(m, ATTR_MAC_VENDOR, bytes_str(row->vendor), 40, "mac");
			value_put(m, ATTR_MAC_CLASS, bytes_str(row->class), 40, "mac");
		}
	}
	if (inv->oui && !value_best(m, ATTR_MAC_VENDOR))
		value_put(m, ATTR_MAC_VENDOR, oui_vendor(inv->oui, &m->mac), 40, "mac");
}

/* ---- judgement ------------------------------------------------------------------------------------ */

enum { VIEW_VALUES = 64 };

struct tree_view {
	struct view view; /* first: fingerprints get its address */
	struct device *root;
	struct bytes values[VIEW_VALUES];
};

static struct leaf tree_get(const struct view *view, uint16_t field)
{
	/* Our own view object, which the caller holds as const. */
	struct tree_view *t = (struct tree_view *)(uintptr_t)view;
	unsigned n = 0;
	/* Seen in how it forwards: evidence that can turn, so it is no stored value. */
	if (field == ATTR_ROUTER && device_is_router(t->root))
		t->values[n++] = bytes_str("true");
	TREE_EACH (d, t->root)
		for (uint32_t i = d->values; i && n < VIEW_VALUES; i = value_at(d->inv, i)->next) {
			const struct value *v = value_at(d->inv, i);
			if (v->attr == field && !v->by_fingerprint)
				t->values[n++] = value_text(v);
		}
	return (struct leaf){ .type = FACT_STR, .values = t->values, .n = n };
}

struct verdict {
	struct device *root;
	unsigned n;
	struct {
		const char *type, *source;
		unsigned best, doubt; /* doubt: in 1/10000, the product over all that say so */
	} type[16];
};

static void say_type(struct verdict *v, const char *source, const char *type, unsigned confidence)
{
	unsigned i = 0;
	while (i < v->n && v->type[i].type != type)
		i++;
	if (i == sizeof v->type / sizeof *v->type)
		return;
	if (i == v->n) {
		v->n++;
		v->type[i].type = type;
		v->type[i].best = 0;
		v->type[i].doubt = 10000;
	}
	v->type[i].doubt = v->type[i].doubt * (100 - confidence) / 100;
	if (confidence > v->type[i].best) {
		v->type[i].best = confidence;
		v->type[i].source = source;
	}
}

static void on_set(void *arg, const char *source, unsigned what, struct bytes value, unsigned confidence)
{
	struct verdict *v = arg;
	struct device *root = v->root;
	if (what == ATTR_TYPE) {
		const struct type_row *row = type_find(value);
		if (row)
			say_type(v, source, row->key, confidence);
	} else if (what == SET_MAKES) {
		for (unsigned p = 0; p < PROTO_DISSECTED; p++)
			root->makes |= (uint64_t)bytes_is(value, dissectors[p]->name) << p;
	} else if (what == SET_PASSES_ON) {
		*(bytes_is(value, "maybe") ? &root->receives : &root->passes_on) = true;
	} else {
		struct value *made = value_add(root, (enum attr)what, value, confidence, source);
		if (made)
			made->by_fingerprint = true;
	}
}

/* The candidates by confidence, the earlier in the file first; several grounds for one type add up, but
 * never to certainty. */
static void rank(struct device *root, struct verdict *v)
{
	root->n_candidates = 0;
	root->type = "unknown";
	root->type_confidence = 0;
	const char *source = NULL;
	for (unsigned i = 0; i < v->n; i++) {
		unsigned sure = 100 - (v->type[i].doubt + 99) / 100;
		sure = sure > 99 ? 99 : sure < v->type[i].best ? v->type[i].best : sure;
		unsigned at = root->n_candidates;
		while (at > 0 && root->candidate[at - 1].confidence < sure)
			at--;
		if (at >= CANDIDATES)
			continue;
		unsigned moved = root->n_candidates < CANDIDATES ? root->n_candidates++ : CANDIDATES - 1;
		for (; moved > at; moved--)
			root->candidate[moved] = root->candidate[moved - 1];
		root->candidate[at].type = v->type[i].type;
		root->candidate[at].confidence = (uint8_t)sure;
		if (at == 0)
			source = v->type[i].source;
	}
	bool tie = root->n_candidates > 1 && root->candidate[0].confidence == root->candidate[1].confidence;
	if (root->n_candidates == 0 || tie || root->candidate[0].confidence < TYPE_CONFIDENCE)
		return;
	root->type = root->candidate[0].type;
	root->type_confidence = root->candidate[0].confidence;
	struct value *made = value_add(root, ATTR_TYPE, bytes_str(root->type), root->type_confidence, source);
	if (made)
		made->by_fingerprint = true;
}

void device_judge(struct device *root)
{
	struct inventory *inv = root->inv;
	if (!root->dirty)
		return;
	root->dirty = false;
	root->change = ++inv->changes;
	root->passes_on = root->receives = false;
	root->makes = 0;
	TREE_EACH (n, root)
		values_keep(n, true);
	struct tree_view view = { .view = { .get = tree_get }, .root = root };
	struct verdict verdict = { .root = root };
	uint64_t present = device_is_router(root) ? 1ull << ATTR_ROUTER : 0;
	/* A type that a protocol states outright counts like a fingerprint. */
	TREE_EACH (n, root)
		for (uint32_t i = n->values; i; i = value_at(inv, i)->next) {
			const struct value *v = value_at(inv, i);
			present |= 1ull << v->attr;
			const struct type_row *row = v->attr == ATTR_TYPE ? type_find(value_text(v)) : NULL;
			if (row)
				say_type(&verdict, v->source, row->key, v->confidence);
		}
	if (inv->fingerprints)
		fingerprints_eval(inv->fingerprints, &view.view, present, on_set, &verdict);
	const char *type = root->type;
	rank(root, &verdict);
	inv->attr_changes[ATTR_TYPE] += type && strcmp(type, root->type) != 0;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static void fill(const struct inventory *inv, const struct value *v, struct attr_value *out)
{
	*out = (struct attr_value){ value_text(v), v->confidence, v->source, v->by_fingerprint,
		packet_here(inv, v->packet), v->first_ns, v->last_ns };
}

static bool better(const struct value *v, const struct value *best)
{
	if (!best || v->confidence != best->confidence)
		return !best || v->confidence > best->confidence;
	return v->last_ns > best->last_ns;
}

static bool told_before(const struct device *root, const struct value *v)
{
	TREE_EACH (n, (struct device *)(uintptr_t)root)
		for (uint32_t i = n->values; i; i = value_at(n->inv, i)->next) {
			const struct value *o = value_at(n->inv, i);
			if (o == v)
				return false;
			if (o->attr == v->attr && bytes_eq(value_text(o), value_text(v)))
				return true;
		}
	return false;
}

bool device_attr(const struct device *d, enum attr a, unsigned i, struct attr_value *out)
{
	const struct value *best = NULL;
	struct device *root = node_root(d);
	TREE_EACH (n, root)
		for (uint32_t at = n->values; at; at = value_at(n->inv, at)->next) {
			const struct value *v = value_at(n->inv, at);
			if (v->attr != a)
				continue;
			if (!attr_rows[a].many) {
				if (better(v, best))
					best = v;
			} else if (!told_before(root, v) && i-- == 0) {
				fill(d->inv, v, out);
				return true;
			}
		}
	if (attr_rows[a].many || !best || i > 0)
		return false;
	fill(d->inv, best, out);
	return true;
}
