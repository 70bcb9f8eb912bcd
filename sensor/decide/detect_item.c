/* Items of a detection: field, modifiers and typed values (policy-language.md sections 6 to 8, 10 and 15). */
#include "decide/detect_impl.h"

#include <math.h>
#include <stdio.h>

enum modifier {
	MOD_CONTAINS,
	MOD_STARTSWITH,
	MOD_ENDSWITH,
	MOD_ALL,
	MOD_NEQ,
	MOD_CASED,
	MOD_EXISTS,
	MOD_CIDR,
	MOD_COMPARE,
	MOD_PART,
	MOD_FIELDREF,
	MOD_PHI,
	MOD_LEN,
	MOD_COUNT,
	MOD_LATER, /* of the language, but not of this version */
};

static const struct modifier_row {
	const char *name;
	enum modifier mod;
	unsigned detail;
	bool extension;
} modifiers[] = {
	{ "contains", MOD_CONTAINS, 0, false },
	{ "startswith", MOD_STARTSWITH, 0, false },
	{ "endswith", MOD_ENDSWITH, 0, false },
	{ "all", MOD_ALL, 0, false },
	{ "neq", MOD_NEQ, 0, false },
	{ "cased", MOD_CASED, 0, false },
	{ "exists", MOD_EXISTS, 0, false },
	{ "cidr", MOD_CIDR, 0, false },
	{ "lt", MOD_COMPARE, COMPARE_LT, false },
	{ "lte", MOD_COMPARE, COMPARE_LTE, false },
	{ "gt", MOD_COMPARE, COMPARE_GT, false },
	{ "gte", MOD_COMPARE, COMPARE_GTE, false },
	{ "minute", MOD_PART, PART_MINUTE, false },
	{ "hour", MOD_PART, PART_HOUR, false },
	{ "day", MOD_PART, PART_DAY, false },
	{ "week", MOD_PART, PART_WEEK, false },
	{ "month", MOD_PART, PART_MONTH, false },
	{ "year", MOD_PART, PART_YEAR, false },
	{ "fieldref", MOD_FIELDREF, 0, false },
	{ "phi", MOD_PHI, 0, true },
	{ "len", MOD_LEN, 0, true },
	{ "count", MOD_COUNT, 0, true },
	{ "re", MOD_LATER, 0, false },
	{ "i", MOD_LATER, 0, false },
	{ "m", MOD_LATER, 0, false },
	{ "s", MOD_LATER, 0, false },
	{ "ignorecase", MOD_LATER, 0, false },
	{ "multiline", MOD_LATER, 0, false },
	{ "dotall", MOD_LATER, 0, false },
	{ "base64", MOD_LATER, 0, false },
	{ "base64offset", MOD_LATER, 0, false },
	{ "wide", MOD_LATER, 0, false },
	{ "utf16le", MOD_LATER, 0, false },
	{ "utf16be", MOD_LATER, 0, false },
	{ "utf16", MOD_LATER, 0, false },
	{ "windash", MOD_LATER, 0, false },
	{ "expand", MOD_LATER, 0, false },
	{ "version_lt", MOD_LATER, 0, true },
	{ "version_lte", MOD_LATER, 0, true },
	{ "version_gt", MOD_LATER, 0, true },
	{ "version_gte", MOD_LATER, 0, true },
	{ "version_eq", MOD_LATER, 0, true },
	{ "vers", MOD_LATER, 0, true },
	{ "in_list", MOD_LATER, 0, true },
	{ "group", MOD_LATER, 0, true },
	{ "zone", MOD_LATER, 0, true },
	{ "uid_under", MOD_LATER, 0, true },
	{ "entropy", MOD_LATER, 0, true },
	{ "baseline", MOD_LATER, 0, true },
	{ "age", MOD_LATER, 0, true },
};

enum { MODIFIERS = sizeof modifiers / sizeof *modifiers };

/* An item while its modifiers are read. */
struct chain {
	struct item *it;
	bool compares, refers, is_cidr; /* lt.., fieldref, cidr were there */
	bool opens_start, opens_end;    /* wildcards to add */
	unsigned n;                     /* modifiers so far */
};

int field_resolve(struct compiler *c, const struct yaml_node *at, struct bytes name)
{
	const struct schema *s = c->d->schema;
	int field = s->field(s, c->category, name);
	if (field >= 0)
		return field;
	if (field == FIELD_UNSEEN && !c->extended) {
		diag_add(c->diag, DIAG_SKIPPED, c->file, at->line, at->column, "S2",
			"this sensor never fills the field \"%.*s\"", (int)name.n, (const char *)name.p);
		c->ok = false;
		return FIELD_UNKNOWN;
	}
	const char **names = arena_get(&c->d->memory, (s->n_fields + 1u) * sizeof *names);
	size_t n = 0;
	for (uint16_t i = 0; i < s->n_fields; i++)
		if (s->field(s, c->category, bytes_str(s->name(s, i))) == i)
			names[n++] = s->name(s, i);
	const char *near = diag_nearest(name, names, n);
	if (field == FIELD_UNSEEN)
		compile_error(c, at, "E144", "no protocol read here fills the field \"%.*s\"", (int)name.n,
			(const char *)name.p);
	else
		compile_error(c, at, "E144", "there is no field \"%.*s\" in %.*s events%s%s%s", (int)name.n,
			(const char *)name.p, (int)c->category.n, (const char *)c->category.p,
			near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	return FIELD_UNKNOWN;
}

/* ---- modifiers --------------------------------------------------------------------------- */

static const struct modifier_row *modifier_find(
	struct compiler *c, const struct yaml_node *key, struct bytes name)
{
	const char *names[MODIFIERS];
	for (size_t i = 0; i < MODIFIERS; i++) {
		names[i] = modifiers[i].name;
		if (!bytes_is(name, modifiers[i].name))
			continue;
		if (modifiers[i].extension && !c->extended) {
			compile_error(c, key, "E150",
				"the modifier \"%s\" needs `dialect: wardwatch/1` in this document",
				names[i]);
			return NULL;
		}
		if (modifiers[i].mod == MOD_LATER) {
			compile_error(c, key, "E162",
				"the modifier \"%s\" comes in a later version of this sensor", names[i]);
			return NULL;
		}
		return &modifiers[i];
	}
	const char *near = diag_nearest(name, names, MODIFIERS);
	compile_error(c, key, "E150", "there is no modifier \"%.*s\"%s%s%s", (int)name.n,
		(const char *)name.p, near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	return NULL;
}

static bool is_plain(const struct chain *ch)
{
	return ch->it->aspect == ASPECT_VALUE && !ch->compares && !ch->refers && !ch->is_cidr &&
	       !ch->opens_start && !ch->opens_end && !ch->it->cased;
}

/* False: this modifier cannot stand here. */
static bool modifier_apply(struct chain *ch, const struct modifier_row *m)
{
	struct item *it = ch->it;
	bool plain = is_plain(ch), text = it->aspect == ASPECT_VALUE && !ch->compares && !ch->is_cidr;
	switch (m->mod) {
	case MOD_CONTAINS:
	case MOD_STARTSWITH:
	case MOD_ENDSWITH:
		ch->opens_start = ch->opens_start || m->mod != MOD_STARTSWITH;
		ch->opens_end = ch->opens_end || m->mod != MOD_ENDSWITH;
		it->starts = ch->opens_end;
		it->ends = ch->opens_start;
		return text;
	case MOD_CASED:
		it->cased = true;
		return text;
	case MOD_ALL:
		it->all = true;
		return true;
	case MOD_NEQ:
		it->neq = true;
		return true;
	case MOD_EXISTS:
		it->aspect = ASPECT_EXISTS;
		return plain;
	case MOD_CIDR:
		ch->is_cidr = true;
		return plain;
	case MOD_COMPARE:
		it->compare = (enum compare)m->detail;
		plain = plain || (it->aspect > ASPECT_EXISTS && it->aspect != ASPECT_PHI && !ch->compares);
		ch->compares = true;
		return plain;
	case MOD_PART:
		it->aspect = ASPECT_PART;
		it->part = (enum part)m->detail;
		return plain;
	case MOD_FIELDREF:
		plain = plain || (it->cased && text && !ch->refers && !ch->opens_start && !ch->opens_end);
		ch->refers = true;
		return plain;
	case MOD_PHI:
		it->aspect = ASPECT_PHI;
		return plain;
	case MOD_LEN:
		it->aspect = ASPECT_LEN;
		return plain;
	case MOD_COUNT:
		it->aspect = ASPECT_COUNT;
		return plain;
	case MOD_LATER:
		break;
	}
	return false;
}

static bool chain_read(struct compiler *c, const struct yaml_node *key, struct bytes rest, struct chain *ch)
{
	struct cur cur = cur_of(rest);
	bool fine = true;
	bool end = false;
	while (!end) {
		size_t left = cur_left(&cur);
		struct bytes name = cur_until(&cur, '|');
		end = name.n == left;
		const struct modifier_row *m = modifier_find(c, key, name);
		ch->n++;
		if (!m) {
			fine = false;
		} else if (!modifier_apply(ch, m)) {
			compile_error(c, key, "E154",
				"the modifier \"%s\" cannot stand after those before it", m->name);
			fine = false;
		}
	}
	if (fine && ch->it->aspect == ASPECT_EXISTS && (ch->n > 1 || ch->it->keyword)) {
		compile_error(c, key, "E153", "\"exists\" needs a field and must be the only modifier");
		fine = false;
	}
	return fine;
}

/* ---- values ------------------------------------------------------------------------------ */

static void lint_plain(struct compiler *c, const struct yaml_node *v)
{
	static const char *const words[] = { "yes", "no", "on", "off", NULL };
	struct bytes t = yaml_text(v);
	if (v->quoted)
		return;
	for (size_t i = 0; v->type == YAML_STRING && words[i]; i++)
		if (bytes_isi(t, words[i]))
			compile_warning(c, v, "W110",
				"this is a text here, but true or false to older YAML readers: quote it");
	size_t at = bytes_at(t, 0) == '-' || bytes_at(t, 0) == '+';
	if (v->type == YAML_INT && t.n - at > 1 && t.p[at] == '0' && ascii_digit(t.p[at + 1]))
		compile_warning(
			c, v, "W111", "this is decimal here, but octal to older YAML readers: drop the zero");
	if (v->type != YAML_STRING)
		return;
	size_t digits = 0, marks = 0;
	for (size_t i = 0; i < t.n; i++) {
		digits += ascii_digit(t.p[i]);
		marks += t.p[i] == '-' || t.p[i] == ':' || t.p[i] == '_';
	}
	if (marks && marks < digits && digits + marks == t.n)
		compile_warning(c, v, "W112",
			"this is a text here, but a date or number to older YAML readers: quote it");
}

static bool value_pattern(struct compiler *c, const struct chain *ch, struct bytes text, struct value *out)
{
	struct arena *a = &c->d->memory;
	out->kind = VALUE_PATTERN;
	pattern_parse(a, text, ch->it->cased, &out->text);
	bool wild = out->text.wild;
	out->is_ip = !wild && !ch->opens_start && !ch->opens_end && addr_parse(text, &out->ip);
	pattern_open(&out->text, ch->opens_start, ch->opens_end);
	out->mac.unit = arena_get(a, (out->text.n + 1) * sizeof *out->mac.unit);
	for (size_t i = 0; i < out->text.n; i++) {
		uint32_t u = out->text.unit[i];
		if (u != ':' && u != '-' && u != '.')
			out->mac.unit[out->mac.n++] = utf8_fold(u);
	}
	return true;
}

static bool value_cidr(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	struct bytes t = yaml_text(v);
	size_t slash = bytes_chr(t, 0, '/');
	uint64_t bits = 0;
	bool fine = v->type == YAML_STRING && addr_parse(bytes_first(t, slash), &out->ip);
	unsigned width = fine && out->ip.family == 4 ? 32 : 128;
	fine = fine && (slash == t.n || (bytes_to_u64(bytes_from(t, slash + 1), &bits) && bits <= width));
	out->kind = VALUE_CIDR;
	out->bits = slash == t.n ? width : (unsigned)bits;
	if (!fine) {
		compile_error(c, v, "E156", "a network like 10.40.0.0/16 or fd00:20::/32 is needed here");
		return false;
	}
	/* Byte 12 on holds an IPv4 address. */
	unsigned from = out->ip.family == 4 ? 96 : 0;
	struct addr net = out->ip;
	for (unsigned bit = from + out->bits; bit < 128; bit++)
		net.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	if (!addr_eq(&net, &out->ip)) {
		char text[ADDR_TEXT];
		compile_error(c, v, "E156", "this network has host bits set: write %s/%u",
			addr_text(&net, text), out->bits);
		return false;
	}
	return true;
}

static bool value_number(
	struct compiler *c, const struct yaml_node *v, const struct item *it, struct value *out)
{
	out->kind = VALUE_NUMBER;
	if (v->type != YAML_INT && v->type != YAML_FLOAT) {
		compile_error(c, v, "E157", "a number without quotes is needed here");
		return false;
	}
	if (v->type == YAML_FLOAT && !isfinite(v->number)) {
		compile_error(c, v, "E145", "infinity and not-a-number are no values to compare with");
		return false;
	}
	out->number = v->type == YAML_INT ? (long double)v->integer : (long double)v->number;
	if (v->type == YAML_FLOAT && it->aspect != ASPECT_VALUE) {
		compile_warning(c, v, "W157", "only the whole part of this number counts here");
		out->number = truncl(out->number);
	}
	return true;
}

static bool value_phi(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	const char *names[PHI_CLASSES];
	struct bytes t = yaml_text(v);
	enum privacy class = v->type == YAML_STRING ? phi_by_name(t) : PHI_NONE;
	out->kind = VALUE_PHI;
	out->phi = bytes_is(t, "any") ? UINT32_MAX : class != PHI_NONE ? PHI_BIT(class) : 0;
	if (out->phi)
		return true;
	for (unsigned i = 0; i < PHI_CLASSES; i++)
		names[i] = phi_name((enum privacy)(PHI_NONE + 1 + i));
	const char *near = diag_nearest(t, names, PHI_CLASSES);
	compile_error(c, v, "E163", "there is no class of patient data \"%s\"%s%s%s", v->text ? v->text : "",
		near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	return false;
}

static bool value_field(
	struct compiler *c, const struct chain *ch, const struct yaml_node *v, struct value *out)
{
	struct pattern p;
	const struct schema *s = c->d->schema;
	out->kind = VALUE_FIELD;
	pattern_parse(&c->d->memory, yaml_text(v), true, &p);
	if (v->type != YAML_STRING || p.wild) {
		compile_error(c, v, "E151", "\"fieldref\" takes the name of a field, without wildcards");
		return false;
	}
	int field = field_resolve(c, v, yaml_text(v));
	if (field < 0)
		return false;
	out->field = (uint16_t)field;
	bool other_phi = privacy_is_phi(s->privacy(s, out->field));
	bool phi = ch->it->field != FIELD_EVENT && privacy_is_phi(s->privacy(s, ch->it->field));
	if (phi != other_phi || (phi && (ch->opens_start || ch->opens_end))) {
		compile_error(
			c, v, "E182", "patient data can only be compared as a whole, and with patient data");
		return false;
	}
	return true;
}

/* A value without modifiers that give it a type: what the YAML says it is. */
static bool value_typed(
	struct compiler *c, const struct chain *ch, const struct yaml_node *v, struct value *out)
{
	bool shaped = ch->opens_start || ch->opens_end || ch->it->cased;
	char number[32];
	if (v->type == YAML_STRING)
		return value_pattern(c, ch, yaml_text(v), out);
	if (ch->it->keyword && v->type == YAML_INT) {
		snprintf(number, sizeof number, "%lld", (long long)v->integer);
		return value_pattern(c, ch, bytes_str(number), out);
	}
	if (ch->it->keyword && v->type != YAML_NULL)
		return value_pattern(c, ch, yaml_text(v), out);
	if (shaped || ch->it->keyword) {
		compile_error(c, v, "E151", "a text is needed here, and this is %s: put it in quotes",
			yaml_type_name(v->type));
		return false;
	}
	if (v->type == YAML_INT || v->type == YAML_FLOAT)
		return value_number(c, v, ch->it, out);
	out->kind = v->type == YAML_BOOL ? VALUE_BOOL : VALUE_NULL;
	out->truth = v->integer != 0;
	return true;
}

static bool value_compile(struct compiler *c, const struct chain *ch, const struct yaml_node *v, bool in_list,
	struct value *out)
{
	if (v->type == YAML_LIST || v->type == YAML_MAP) {
		compile_error(c, v, "E141", "a single value is needed here, and this is %s",
			yaml_type_name(v->type));
		return false;
	}
	if (v->type == YAML_NULL && in_list) {
		compile_error(
			c, v, "E181", "null cannot stand in a list: write an item of its own, `field: null`");
		return false;
	}
	if (ch->it->aspect == ASPECT_EXISTS) {
		out->kind = VALUE_BOOL;
		out->truth = v->integer != 0;
		if (v->type != YAML_BOOL || in_list)
			compile_error(c, v, "E153", "\"exists\" takes true or false");
		return v->type == YAML_BOOL && !in_list;
	}
	lint_plain(c, v);
	if (ch->it->aspect == ASPECT_PHI)
		return value_phi(c, v, out);
	if (ch->compares || ch->it->aspect != ASPECT_VALUE)
		return value_number(c, v, ch->it, out);
	if (ch->is_cidr)
		return value_cidr(c, v, out);
	if (ch->refers)
		return value_field(c, ch, v, out);
	return value_typed(c, ch, v, out);
}

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
	if (ch->it->keyword || ch->it->field == FIELD_EVENT || s->privacy(s, ch->it->field) < SECRET)
		return true;
	if (ch->it->aspect == ASPECT_EXISTS || ch->it->aspect == ASPECT_PHI ||
		ch->it->aspect == ASPECT_COUNT || ch->refers)
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
		(ch.it->aspect != ASPECT_VALUE || ch.compares || ch.is_cidr || ch.refers)) {
		compile_error(c, key, "E154",
			"keywords take only contains, startswith, endswith, cased, all and neq");
		fine = false;
	}
	if (ch.it->keyword && !ch.opens_start && !ch.opens_end)
		ch.opens_start = ch.opens_end = true;
	else if (!ch.it->keyword && (fine || !bytes_is(bytes_first(text, bar), "event")))
		fine = field_of_item(c, key, bytes_first(text, bar), &ch) && fine;
	fine = fine && privacy_allows(c, key, &ch);
	/* With a bad key the values' types cannot be judged. */
	if (!fine || !values_compile(c, &ch, value))
		return NULL;
	struct node *n = node_new(&c->d->memory, NODE_ITEM);
	n->item = ch.it;
	return n;
}

struct node *keyword_compile(struct compiler *c, const struct yaml_node *value)
{
	struct chain ch = { .it = item_new(c, value, "keywords"), .opens_start = true, .opens_end = true };
	ch.it->keyword = true;
	if (!values_compile(c, &ch, value))
		return NULL;
	struct node *n = node_new(&c->d->memory, NODE_ITEM);
	n->item = ch.it;
	return n;
}
