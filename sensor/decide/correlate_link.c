/* Correlations over the whole set: what they refer to, where its matches have what they group by, and which
 * rules speak only through them (policy-language.md 11.1, 11.2). */
#include "decide/correlate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct rule *rule_find(const struct policy *p, struct bytes name)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule_text *t = &p->rules[i]->text;
		if ((*t->name && bytes_is(name, t->name)) || (*t->id && bytes_isi(name, t->id)))
			return p->rules[i];
	}
	return NULL;
}

bool rule_was_skipped(const struct policy *p, struct bytes name)
{
	static const char *const keys[] = { "name", "id" };
	for (size_t i = 0; i < p->n_files; i++)
		for (size_t k = 0; k < p->files[i].n; k++)
			for (size_t j = 0; j < 2; j++) {
				const struct yaml_node *doc = p->files[i].docs[k];
				const struct yaml_node *v =
					doc->type == YAML_MAP ? yaml_get(doc, keys[j]) : NULL;
				if (v && v->text && name.n == v->text_n && bytes_isi(name, v->text))
					return true;
			}
	return false;
}

/* The files have been read: messages are of the rule's own. */
__attribute__((format(printf, 4, 5))) static void say(
	struct loader *l, const struct correlation *c, const char *code, const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	const struct yaml_node *at = yaml_get(c->rule->doc, "correlation");
	diag_add(l->diag, code[0] == 'S' ? DIAG_SKIPPED : DIAG_ERROR, c->rule->file, at->line, at->column,
		code, "%s", text);
}

/* ---- fields --------------------------------------------------------------------------------- */

/* What the alias stands for in matches of that rule; the name itself when it is no alias, NULL after saying
 * that it says nothing of the rule. */
static const char *unalias(struct loader *l, const struct correlation *c, unsigned ref, const char *name)
{
	const struct yaml_node *aliases = yaml_get(yaml_get(c->rule->doc, "correlation"), "aliases");
	const struct yaml_node *alias = aliases && aliases->type == YAML_MAP ? yaml_get(aliases, name) : NULL;
	const struct rule_text *t = &c->refs[ref].rule->text;
	if (!alias)
		return name;
	for (size_t i = 0; alias->type == YAML_MAP && i < alias->n; i++)
		if ((bytes_is(yaml_text(alias->keys[i]), t->name) ||
			    bytes_isi(yaml_text(alias->keys[i]), t->id)) &&
			alias->items[i]->text)
			return alias->items[i]->text;
	say(l, c, "E196", "the alias \"%s\" does not say which field of \"%s\" it stands for", name,
		c->names[ref]);
	return NULL;
}

struct place {
	uint16_t at;
	enum fact_type type;
	enum privacy privacy;
};

static bool place_in_tuple(struct loader *l, const struct correlation *c, const struct rule *of,
	const char *name, struct place *out)
{
	const struct correlation *inner = of->correlation;
	for (unsigned i = 0; i < inner->n_by; i++)
		if (strcmp(inner->by[i], name) == 0) {
			*out = (struct place){ (uint16_t)i, inner->by_type[i], inner->privacy[i] };
			return true;
		}
	say(l, c, "E196", "\"%s\" is not in the `group-by` of the correlation \"%s\", which has nothing else",
		name, of->text.title);
	return false;
}

/* False: this cannot be counted, which was said. */
static bool place_find(
	struct loader *l, struct correlation *c, unsigned ref, const char *name, struct place *out)
{
	const struct event_schema *s = l->p->schema;
	const struct rule *of = c->refs[ref].rule;
	name = unalias(l, c, ref, name);
	if (!name)
		return false;
	if (of->correlation)
		return place_in_tuple(l, c, of, name, out);
	int f = s->schema.field(&s->schema, s->category[of->category], bytes_str(name));
	bool foreign = of->foreign && !is_wardwatch(c->rule->doc);
	if (f == FIELD_UNSEEN || (f < 0 && foreign)) {
		say(l, c, "S2", "this sensor never sees \"%s\"", name);
		c->skipped = true;
	} else if (f < 0) {
		say(l, c, "E144", "there is no field \"%s\" in the events of \"%s\"", name, c->names[ref]);
	} else if (s->field[f].privacy >= SECRET) {
		say(l, c, "E182", "\"%s\" holds patient data: it cannot be counted or grouped by", name);
	} else {
		*out = (struct place){ (uint16_t)f, s->schema.type(&s->schema, (uint16_t)f),
			s->field[f].privacy };
	}
	return f >= 0 && s->field[f].privacy < SECRET;
}

static bool same_type(enum fact_type a, enum fact_type b)
{
	return a == b || ((a == FACT_UINT || a == FACT_INT) && (b == FACT_UINT || b == FACT_INT));
}

static bool link_fields(struct loader *l, struct correlation *c, unsigned ref)
{
	struct place place;
	for (unsigned i = 0; i < c->n_by; i++) {
		if (!place_find(l, c, ref, c->by[i], &place))
			return false;
		if (ref > 0 && !same_type(place.type, c->by_type[i])) {
			say(l, c, "E196",
				"\"%s\" is of another type in \"%s\" than in \"%s\": they are never equal",
				c->by[i], c->names[ref], c->names[0]);
			return false;
		}
		c->refs[ref].by[i] = place.at;
		c->by_type[i] = place.type;
		c->privacy[i] = place.privacy > c->privacy[i] ? place.privacy : c->privacy[i];
	}
	for (unsigned i = 0; i < c->n_value; i++) {
		if (!place_find(l, c, ref, c->value[i], &place))
			return false;
		c->refs[ref].value[i] = place.at;
	}
	return true;
}

/* ---- references ----------------------------------------------------------------------------- */

static struct correlation *own(const struct policy *p, const struct rule *r)
{
	return r->correlation ? p->correlations[r->correlation->number] : NULL;
}

static void link_one(struct loader *l, struct correlation *c);

static bool link_ref(struct loader *l, struct correlation *c, unsigned ref)
{
	struct rule *r = rule_find(l->p, bytes_str(c->names[ref]));
	struct correlation *inner = r ? own(l->p, r) : NULL;
	if (!r) {
		bool known = rule_was_skipped(l->p, bytes_str(c->names[ref]));
		say(l, c, known ? "S4" : "E195",
			known ? "the rule \"%s\" that it counts is not loaded"
			      : "no rule has the name or id \"%s\"",
			c->names[ref]);
		c->skipped = true;
		return false;
	}
	if (inner && inner->depth == CORR_IN_WORK) {
		say(l, c, "E190", "it counts itself by way of \"%s\"", c->names[ref]);
		return false;
	}
	if (inner)
		link_one(l, inner);
	if (inner && inner->skipped) {
		say(l, c, "S4", "the correlation \"%s\" that it counts is not loaded", c->names[ref]);
		c->skipped = true;
		return false;
	}
	c->refs[ref].rule = r;
	return link_fields(l, c, ref);
}

static void link_one(struct loader *l, struct correlation *c)
{
	unsigned depth = 0;
	if (c->depth)
		return;
	c->depth = CORR_IN_WORK;
	for (unsigned i = 0; i < c->n_refs; i++) {
		const struct correlation *inner = link_ref(l, c, i) ? c->refs[i].rule->correlation : NULL;
		if (inner && inner->depth > depth)
			depth = inner->depth;
	}
	c->depth = depth + 1;
	if (c->depth > MAX_CORR_DEPTH)
		say(l, c, "E190", "correlations of correlations go %d deep at most", MAX_CORR_DEPTH);
}

static void feed(struct policy *p, const struct correlation *c, unsigned ref)
{
	struct rule *r = p->rules[c->refs[ref].rule->number];
	size_t i = 0;
	while (i < r->n_feeds && r->feeds[i].to != c)
		i++;
	if (i == r->n_feeds) {
		arena_grow(&p->memory, &r->feeds, &r->cap_feeds, r->n_feeds, sizeof *r->feeds);
		r->feeds[r->n_feeds++] = (struct rule_feed){ c, 0 };
	}
	r->feeds[i].places |= UINT64_C(1) << ref;
}

/* A rule that is counted says nothing itself, unless one who counts it, or it, wants that. */
static void silence(struct rule *r)
{
	bool generate = r->n_feeds == 0 || r->always;
	for (size_t i = 0; i < r->n_feeds; i++)
		generate = generate || r->feeds[i].to->generate;
	r->counted = !generate;
}

static int outer_first(const void *a, const void *b)
{
	const struct correlation *x = *(struct correlation *const *)a, *y = *(struct correlation *const *)b;
	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Numbers are those of what stays; of correlations, the outer ones first (correlate_event). */
static void remove_skipped(struct policy *p)
{
	size_t rules = 0, n = 0;
	for (size_t i = 0; i < p->n_rules; i++) {
		struct rule *r = p->rules[i];
		if (r->correlation && r->correlation->skipped)
			continue;
		r->number = (uint32_t)rules;
		p->rules[rules++] = r;
	}
	for (size_t i = 0; i < p->n_correlations; i++)
		if (!p->correlations[i]->skipped)
			p->correlations[n++] = p->correlations[i];
	p->n_rules = rules;
	p->n_correlations = n;
	if (n)
		qsort(p->correlations, n, sizeof *p->correlations, outer_first);
	for (size_t i = 0; i < n; i++)
		p->correlations[i]->number = (uint32_t)i;
}

void correlations_link(struct loader *l)
{
	struct policy *p = l->p;
	size_t errors = l->diag->errors;
	for (size_t i = 0; i < p->n_correlations; i++)
		link_one(l, p->correlations[i]);
	if (l->diag->errors != errors)
		return;
	remove_skipped(p);
	for (size_t i = 0; i < p->n_correlations; i++)
		for (unsigned k = 0; k < p->correlations[i]->n_refs; k++)
			feed(p, p->correlations[i], k);
	for (size_t i = 0; i < p->n_rules; i++)
		silence(p->rules[i]);
}
