/* Items of a detection: a field, its modifiers and its values (policy-language.md sections 6 to 8, 10 and
 * 15). */
#include "decide/detect_impl.h"

/* The name of those events' fields that is nearest, or NULL. */
static const char *nearest(struct compiler *c, struct bytes name)
{
	const struct schema *s = c->d->schema;
	size_t n = 0, m = 0;
	while (s->alias && s->alias(s, c->category, m))
		m++;
	const char **names = arena_get(&c->d->memory, (s->n_fields + m + 1) * sizeof *names);
	for (uint16_t i = 0; i < s->n_fields; i++)
		if (s->field(s, c->category, bytes_str(s->name(s, i))) == i)
			names[n++] = s->name(s, i);
	for (size_t i = 0; i < m; i++)
		names[n++] = s->alias(s, c->category, i);
	return diag_nearest(name, names, n);
}

/* What the rule cannot be judged without is not seen here: the rule is left out. */
static void leave_out(struct compiler *c, const struct yaml_node *at, struct bytes name, const char *near)
{
	if (near)
		diag_add(c->diag, DIAG_WARNING, c->file, at->line, at->column, "W301",
			"there is no field \"%.*s\": is it \"%s\"?", (int)name.n, (const char *)name.p, near);
	if (!c->skipped)
		diag_add(c->diag, DIAG_SKIPPED, c->file, at->line, at->column, "S2",
			"this sensor never fills the field \"%.*s\"", (int)name.n, (const char *)name.p);
	c->skipped = true;
	c->ok = false;
}

int field_resolve(struct compiler *c, const struct yaml_node *at, struct bytes name)
{
	const struct schema *s = c->d->schema;
	int field = s->field(s, c->category, name);
	if (field >= 0)
		return field;
	const char *near = field == FIELD_UNSEEN ? NULL : nearest(c, name);
	if (c->env->foreign || (field == FIELD_UNSEEN && !c->extended))
		leave_out(c, at, name, near);
	else if (field == FIELD_UNSEEN)
		compile_error(c, at, "E144", "no protocol read here fills the field \"%.*s\"", (int)name.n,
			(const char *)name.p);
	else
		compile_error(c, at, "E144", "there is no field \"%.*s\" in %.*s events%s%s%s", (int)name.n,
			(const char *)name.p, (int)c->category.n, (const char *)c->category.p,
			near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	return FIELD_UNKNOWN;
}

/* ---- values ------------------------------------------------------------------------------ */

static bool values_compile(struct compiler *c, const struct chain *ch, const struct yaml_node *v)
{
	struct item *it = ch->it;
	bool list = v->type == YAML_LIST, fine = true;
	size_t n = list ? v->n : 1;
	if (n == 0)
		compile_error(c, v, "E142",
			"an empty list matches nothing: give a value, or `null` for an absent field");
	if (n > MAX_VALUES)
		compile_error(c, v, "E147", "more than %d values in one item", MAX_VALUES);
	if (n == 0 || n > MAX_VALUES)
		return false;
	if (it->all && n == 1)
		compile_warning(c, v, "W152", "\"all\" with a single value changes nothing");
	it->values = arena_get(&c->d->memory, n * sizeof *it->values);
	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *one = list ? v->items[i] : v;
		if (it->keyword && one->type == YAML_MAP)
			continue; /* detect.c compiles mappings of a mixed list */
		fine = value_compile(c, ch, one, list, &it->values[it->n++]) && fine;
	}
	return fine;
}

/* ---- items ------------------------------------------------------------------------------- */

/* Section 20.4: what may be asked of patient data. */
static bool privacy_allows(struct compiler *c, const struct yaml_node *key, const struct chain *ch)
{
	const struct schema *s = c->d->schema;
	if (ch->it->keyword || field_is_whole(ch->it->field) || s->privacy(s, ch->it->field) < SECRET)
		return true;
	if (ch->it->aspect == ASPECT_EXISTS || ch->it->aspect == ASPECT_PHI ||
		ch->it->aspect == ASPECT_COUNT || ch->type == CHAIN_FIELD)
		return true;
	compile_error(c, key, "E182",
		"\"%s\" holds patient data, whose value is never known here: only exists, phi, count and "
		"fieldref can be "
		"asked of it",
		s->name(s, ch->it->field));
	return false;
}

static bool field_of_item(
	struct compiler *c, const struct yaml_node *key, struct bytes name, struct chain *ch)
{
	if (ch->it->aspect == ASPECT_PHI && bytes_is(name, "event")) {
		ch->it->field = FIELD_EVENT;
		return true;
	}
	if (ch->it->aspect == ASPECT_MEMBER)
		return member_subject(c, key, name, ch->it);
	int field = field_resolve(c, key, name);
	ch->it->field = (uint16_t)(field < 0 ? 0 : field);
	return field >= 0;
}

static struct item *item_new(struct compiler *c, const struct yaml_node *at, const char *written)
{
	struct item *it = arena_get(&c->d->memory, sizeof *it);
	it->written = arena_text(&c->d->memory, bytes_str(written));
	if (++c->items == MAX_ITEMS + 1)
		compile_error(c, at, "E147", "more than %d items in one rule", MAX_ITEMS);
	return it;
}

struct node *item_compile(struct compiler *c, const struct yaml_node *key, const struct yaml_node *value)
{
	struct bytes text = yaml_text(key);
	size_t bar = bytes_chr(text, 0, '|');
	struct chain ch = { .it = item_new(c, key, key->text) };
	ch.it->keyword = bar == 0;
	if (text.n == 0) {
		compile_error(c, key, "E141", "an item needs the name of a field");
		return NULL;
	}
	bool fine = bar == text.n || chain_read(c, key, bytes_from(text, bar + 1), &ch);
	if (fine && ch.it->keyword &&
		(ch.type != CHAIN_PLAIN && ch.type != CHAIN_TEXT && ch.type != CHAIN_REGEX)) {
		compile_error(c, key, "E154",
			"keywords take only modifiers of texts, re, all and neq: this one needs a field");
		fine = false;
	}
	if (!ch.it->keyword && (fine || !bytes_is(bytes_first(text, bar), "event")))
		fine = field_of_item(c, key, bytes_first(text, bar), &ch) && fine;
	fine = fine && privacy_allows(c, key, &ch);
	/* With a bad key the values' types cannot be judged. */
	if (!fine || !values_compile(c, &ch, value))
		return NULL;
	if (!c->env->as_written)
		domain_check(c, ch.it, key, value);
	struct node *n = node_new(&c->d->memory, NODE_ITEM);
	n->item = ch.it;
	return n;
}

struct node *keyword_compile(struct compiler *c, const struct yaml_node *value)
{
	struct chain ch = { .it = item_new(c, value, "keywords") };
	ch.it->keyword = true;
	if (!values_compile(c, &ch, value))
		return NULL;
	struct node *n = node_new(&c->d->memory, NODE_ITEM);
	n->item = ch.it;
	return n;
}
