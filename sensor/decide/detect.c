#include "decide/detect_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void compile_error(struct compiler *c, const struct yaml_node *at, const char *code, const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	diag_add(c->diag, DIAG_ERROR, c->file, at->line, at->column, code, "%s", text);
	c->ok = false;
}

void compile_warning(struct compiler *c, const struct yaml_node *at, const char *code, const char *text)
{
	diag_add(c->diag, DIAG_WARNING, c->file, at->line, at->column, code, "%s", text);
}

struct node *node_new(struct arena *a, enum node_kind kind)
{
	struct node *n = arena_get(a, sizeof *n);
	n->kind = kind;
	return n;
}

/* Kids grow by powers of two: at n = 0, 1, 2, 4, 8 ... there is a new array. */
void node_add(struct arena *a, struct node *parent, struct node *kid)
{
	if ((parent->n & (parent->n - 1)) == 0) {
		struct node **kids = arena_get(a, (parent->n ? 2u * parent->n : 1u) * sizeof(struct node *));
		if (parent->n)
			memcpy(kids, parent->kids, parent->n * sizeof(struct node *));
		parent->kids = kids;
	}
	parent->kids[parent->n++] = kid;
}

/* ---- search identifiers -------------------------------------------------------------------- */

static struct node *mapping_compile(struct compiler *c, const struct yaml_node *map)
{
	struct node *n = node_new(&c->d->memory, NODE_AND);
	bool fine = true;
	if (map->n == 0) {
		compile_error(
			c, map, "E141", "an empty mapping matches everything: give it items or remove it");
		return NULL;
	}
	for (size_t i = 0; i < map->n; i++) {
		struct node *item = item_compile(c, map->keys[i], map->items[i]);
		if (item)
			node_add(&c->d->memory, n, item);
		fine = fine && item;
	}
	return fine ? n : NULL;
}

static struct node *list_compile(struct compiler *c, const struct yaml_node *list)
{
	struct node *n = node_new(&c->d->memory, NODE_OR);
	bool fine = true, words = false;
	if (list->n == 0) {
		compile_error(c, list, "E141", "an empty list matches nothing: give it values or remove it");
		return NULL;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i]->type != YAML_MAP) {
			words = true;
			continue;
		}
		struct node *map = mapping_compile(c, list->items[i]);
		if (map)
			node_add(&c->d->memory, n, map);
		fine = fine && map;
	}
	struct node *keywords = words ? keyword_compile(c, list) : NULL;
	if (keywords)
		node_add(&c->d->memory, n, keywords);
	return fine && (keywords || !words) ? n : NULL;
}

static struct node *body_compile(struct compiler *c, const struct yaml_node *body)
{
	if (body->type == YAML_MAP)
		return mapping_compile(c, body);
	return body->type == YAML_LIST ? list_compile(c, body) : keyword_compile(c, body);
}

static bool is_identifier(struct bytes t)
{
	for (size_t i = 0; i < t.n; i++)
		if (!ascii_alnum(t.p[i]) && t.p[i] != '_' && !(t.p[i] == '-' && i > 0))
			return false;
	return t.n > 0;
}

static void ident_add(struct compiler *c, const struct yaml_node *name, const struct yaml_node *body)
{
	struct detect *d = c->d;
	if (!is_identifier(yaml_text(name)))
		compile_error(c, name, "E141", "a search identifier is made of letters, digits, _ and -");
	struct node *n = body_compile(c, body);
	arena_grow(&d->memory, &d->idents, &d->cap_idents, d->n_idents, sizeof *d->idents);
	d->idents[d->n_idents++] = (struct ident){ .name = arena_text(&d->memory, yaml_text(name)),
		.body = n,
		.line = name->line,
		.column = name->column };
}

/* ---- conditions ------------------------------------------------------------------------------ */

static bool has_fields(const struct node *n)
{
	if (n->kind == NODE_ITEM)
		return !n->item->keyword;
	if (n->kind == NODE_IDENT)
		return n->ident->body && has_fields(n->ident->body);
	for (unsigned i = 0; i < n->n; i++)
		if (has_fields(n->kids[i]))
			return true;
	return false;
}

static void condition_add(struct compiler *c, const struct yaml_node *text)
{
	struct detect *d = c->d;
	struct node *n = condition_parse(c, text);
	if (!n)
		return;
	d->conditions[d->n_conditions++] = n;
	if (c->ok && !has_fields(n))
		compile_warning(
			c, text, "W143", "only keywords: every text of every event has to be searched");
}

static void conditions_compile(
	struct compiler *c, const struct yaml_node *detection, const struct yaml_node *condition)
{
	struct detect *d = c->d;
	size_t n = condition->type == YAML_LIST ? condition->n : 1;
	d->conditions = arena_get(&d->memory, (n + 1) * sizeof(struct node *));
	for (size_t i = 0; i < detection->n; i++) {
		const struct yaml_node *key = detection->keys[i];
		if (bytes_is(yaml_text(key), "timeframe"))
			compile_error(c, key, "E140", "`timeframe` is of Sigma 1: use a correlation");
		else if (detection->items[i] != condition)
			ident_add(c, key, detection->items[i]);
	}
	if (condition->type == YAML_LIST && n == 0)
		compile_error(c, condition, "E170", "a condition is a text like `selection and not filter`");
	else if (condition->type != YAML_LIST)
		condition_add(c, condition);
	for (size_t i = 0; condition->type == YAML_LIST && i < n; i++)
		condition_add(c, condition->items[i]);
	for (size_t i = 0; c->ok && i < d->n_idents; i++)
		if (!d->idents[i].used)
			diag_add(c->diag, DIAG_WARNING, c->file, d->idents[i].line, d->idents[i].column,
				"W144", "no condition uses the search identifier \"%s\"", d->idents[i].name);
}

struct detect *detect_compile_in(const struct detect_env *env, const struct yaml_node *detection)
{
	struct detect *d = calloc(1, sizeof *d);
	struct compiler c = { .d = d,
		.env = env,
		.category = env->category,
		.extended = env->extended,
		.file = env->file,
		.diag = env->diag,
		.ok = true };
	if (!d) {
		diag_add(c.diag, DIAG_ERROR, c.file, 0, 0, "E111", "not enough memory");
		return NULL;
	}
	d->schema = env->schema;
	const struct yaml_node *condition = yaml_get(detection, "condition");
	if (condition) {
		conditions_compile(&c, detection, condition);
	} else if (detection->type != YAML_MAP && detection->type != YAML_LIST) {
		compile_error(&c, detection, "E141", "a mapping of fields and values is needed here");
	} else {
		struct yaml_node name = { .text = (char[]){ "match" }, .text_n = 5, .line = detection->line };
		ident_add(&c, &name, detection);
		d->conditions = arena_get(&d->memory, sizeof(struct node *));
		d->conditions[d->n_conditions++] = d->idents[0].body;
	}
	for (size_t i = 0; c.ok && i < d->n_conditions; i++)
		(void)node_order(&d->memory, d->conditions[i]);
	if (c.ok)
		return d;
	detect_free(d);
	return NULL;
}

struct detect *detect_compile(const struct yaml_node *detection, const struct schema *schema,
	struct bytes category, bool dialect_wardwatch, const char *file, struct diag *diag)
{
	struct detect_env env = { .schema = schema,
		.category = category,
		.extended = dialect_wardwatch,
		.file = file,
		.diag = diag };
	return detect_compile_in(&env, detection);
}

void detect_free(struct detect *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n_regexes; i++)
		regex_free(d->regexes[i]);
	regex_scratch_free(&d->scratch);
	arena_fini(&d->memory);
	free(d);
}

/* ---- evaluation -------------------------------------------------------------------------------- */

struct evaluation {
	const struct detect *d;
	const struct view *v;
	struct detect_reason *reason; /* NULL: only whether */
	struct detect_record *record; /* NULL: only as far as it matters; else every node */
	unsigned condition, depth;
	const char *identifier;
};

/* The next step of the record; beyond its room, one that nobody reads. */
static struct detect_step *record_node(struct evaluation *e, const struct node *n, struct detect_step *scrap)
{
	static const enum detect_kind kinds[] = { [NODE_AND] = DETECT_AND,
		[NODE_OR] = DETECT_OR,
		[NODE_NOT] = DETECT_NOT,
		[NODE_ITEM] = DETECT_ITEM,
		[NODE_IDENT] = DETECT_IDENTIFIER };
	struct detect_record *r = e->record;
	struct detect_step *s = r->n < r->cap ? &r->step[r->n] : scrap;
	r->n++;
	*s = (struct detect_step){ .kind = kinds[n->kind], .condition = e->condition, .depth = e->depth++ };
	if (n->kind == NODE_ITEM) {
		s->name = n->item->written;
		s->field = n->item->keyword ? FIELD_EVENT : n->item->field;
	} else if (n->kind == NODE_IDENT) {
		s->name = n->ident->name;
	}
	return s;
}

static void record_result(
	struct evaluation *e, const struct node *n, struct detect_step *s, bool held, unsigned which)
{
	e->depth--;
	s->held = held;
	if (n->kind == NODE_ITEM && held)
		s->value_index = which;
	else if (n->kind == NODE_ITEM)
		s->why = item_why(e->d, n->item, e->v);
}

static void note(struct evaluation *e, const struct item *it, unsigned which)
{
	struct detect_reason *r = e->reason;
	if (!r || r->n == sizeof r->item / sizeof *r->item)
		return;
	r->item[r->n].identifier = e->identifier;
	r->item[r->n].item = it->written;
	r->item[r->n].field = it->keyword ? FIELD_EVENT : it->field;
	r->item[r->n++].value_index = which;
}

static bool node_holds(struct evaluation *e, const struct node *n);

static bool ident_holds(struct evaluation *e, const struct ident *id)
{
	const char *outer = e->identifier;
	e->identifier = id->name;
	bool held = node_holds(e, id->body);
	e->identifier = outer;
	return held;
}

/* AND and OR. A record wants all kids looked at. */
static bool kids_hold(struct evaluation *e, const struct node *n)
{
	bool all = n->kind == NODE_AND, held = all;
	struct node *const *kids = e->reason || e->record ? n->kids : n->by_cost;
	for (unsigned i = 0; i < n->n && (held == all || e->record); i++)
		if (node_holds(e, kids[i]) != all)
			held = !all;
	return held;
}

/* What a branch noted before it turned out false is taken back; a `not` has nothing to show. */
static bool node_holds(struct evaluation *e, const struct node *n)
{
	unsigned noted = e->reason ? e->reason->n : 0, which = 0;
	bool held = false;
	struct detect_step scrap, *step = e->record ? record_node(e, n, &scrap) : NULL;
	switch (n->kind) {
	case NODE_ITEM:
		held = item_holds(e->d, n->item, e->v, &which);
		if (held)
			note(e, n->item, which);
		break;
	case NODE_IDENT:
		held = ident_holds(e, n->ident);
		break;
	case NODE_NOT:
		held = !node_holds(e, n->kids[0]);
		if (e->reason)
			e->reason->n = noted;
		break;
	case NODE_AND:
	case NODE_OR:
		held = kids_hold(e, n);
		break;
	}
	if (!held && e->reason)
		e->reason->n = noted;
	if (step)
		record_result(e, n, step, held, which);
	return held;
}

bool detect_eval(const struct detect *d, const struct view *v, struct detect_reason *reason)
{
	struct evaluation e = { .d = d, .v = v, .reason = reason, .identifier = "" };
	if (reason)
		*reason = (struct detect_reason){ 0 };
	if (d->n_conditions == 1 && d->conditions[0] == d->idents[0].body)
		e.identifier = d->idents[0].name;
	for (unsigned i = 0; i < d->n_conditions; i++) {
		if (!node_holds(&e, d->conditions[i]))
			continue;
		if (reason)
			reason->condition = i;
		return true;
	}
	return false;
}

bool detect_explain(const struct detect *d, const struct view *v, struct detect_record *record)
{
	struct evaluation e = { .d = d, .v = v, .record = record, .identifier = "" };
	bool held = false;
	record->n = 0;
	for (; e.condition < d->n_conditions; e.condition++)
		held = node_holds(&e, d->conditions[e.condition]) || held;
	return held;
}

const char *const detect_why_names[] = { "", "absent", "differs", "case", "type", "out_of_range",
	"not_member" };

static void node_fields(const struct node *n, void (*fn)(void *arg, uint16_t field), void *arg)
{
	if (n->kind == NODE_ITEM && n->item->keyword) {
		fn(arg, DETECT_ANY_FIELD);
	} else if (n->kind == NODE_ITEM) {
		if (!field_is_whole(n->item->field))
			fn(arg, n->item->field);
		for (unsigned i = 0; i < n->item->n; i++)
			if (n->item->values[i].kind == VALUE_FIELD)
				fn(arg, n->item->values[i].field);
	}
	for (unsigned i = 0; i < n->n; i++)
		node_fields(n->kids[i], fn, arg);
}

void detect_fields(const struct detect *d, void (*fn)(void *arg, uint16_t field), void *arg)
{
	for (size_t i = 0; i < d->n_idents; i++)
		node_fields(d->idents[i].body, fn, arg);
}
