#include "decide/fingerprint.h"

#include "base/arena.h"
#include "decide/detect.h"
#include "decide/types.h"

#include <stdio.h>
#include <stdlib.h>

enum { SETS_MAX = 8 };

struct fingerprint {
	const char *id;
	struct detect *match;
	uint64_t needs; /* 1 << attr: it holds only where there is one of these; all ones: ask always */
	unsigned confidence;
	unsigned n_sets;
	struct {
		unsigned what; /* enum attr, SET_* */
		const char *value;
	} set[SETS_MAX];
};

struct prefix_row {
	uint64_t key; /* digits in the top byte, then the prefix */
	struct mac_prefix row;
};

struct arc {
	struct bytes prefix;
	const char *maker;
};

struct fingerprints {
	struct arena arena;
	struct fingerprint *list;
	size_t n, cap;
	struct prefix_row *prefixes; /* sorted by key */
	size_t n_prefixes, cap_prefixes;
	struct arc *arcs;
	size_t n_arcs, cap_arcs;
};

/* ---- schema ------------------------------------------------------------------------------------------ */

static int attr_field(const struct schema *s, struct bytes category, struct bytes name)
{
	(void)s;
	(void)category;
	for (int a = 0; a < ATTR_N; a++)
		if (bytes_is(name, attr_rows[a].name))
			return a;
	return FIELD_UNKNOWN;
}

static enum fact_type attr_type(const struct schema *s, uint16_t field)
{
	(void)s;
	(void)field;
	return FACT_STR;
}

static enum privacy attr_privacy(const struct schema *s, uint16_t field)
{
	(void)s;
	return attr_rows[field].privacy;
}

static const char *attr_name(const struct schema *s, uint16_t field)
{
	(void)s;
	return attr_rows[field].name;
}

const struct schema attr_schema = { .field = attr_field,
	.type = attr_type,
	.privacy = attr_privacy,
	.name = attr_name,
	.n_fields = ATTR_N,
	.n_searched = ATTR_N };

/* ---- reading the documents ------------------------------------------------------------------------------
 */

struct reader {
	struct fingerprints *f;
	const char *file;
	struct diag *diag;
};

static void wrong(
	struct reader *r, const struct yaml_node *at, const char *code, const char *text, const char *detail)
{
	diag_add(r->diag, DIAG_ERROR, r->file, at->line, at->column, code, text, detail);
}

/* A scalar's text under that key, or NULL after saying so. */
static const char *text_of(struct reader *r, const struct yaml_node *map, const char *key)
{
	const struct yaml_node *v = map->type == YAML_MAP ? yaml_get(map, key) : NULL;
	if (!v || v->type == YAML_LIST || v->type == YAML_MAP || !v->text) {
		wrong(r, map, "E701", "this entry needs a text under `%s`", key);
		return NULL;
	}
	return arena_text(&r->f->arena, bytes_of(v->text, v->text_n));
}

static void read_one_set(struct reader *r, struct fingerprint *fp, const struct yaml_node *at, unsigned what,
	const struct yaml_node *value)
{
	const char *names[256];
	if (!value->text || value->type == YAML_LIST || value->type == YAML_MAP) {
		wrong(r, value, "E702", "what is set must be a text%s", "");
		return;
	}
	if ((what == ATTR_TYPE || what == ATTR_ROLE) && !type_find(bytes_of(value->text, value->text_n))) {
		size_t n = 0;
		for (; n < type_rows_n && n < 256; n++)
			names[n] = type_rows[n].key;
		const char *near = diag_nearest(bytes_of(value->text, value->text_n), names, n);
		wrong(r, value, "E703", "there is no such device type; did you mean `%s`?",
			near ? near : "imaging_ct");
		return;
	}
	if (fp->n_sets == SETS_MAX) {
		wrong(r, at, "E704", "a fingerprint sets at most eight things%s", "");
		return;
	}
	fp->set[fp->n_sets].what = what;
	fp->set[fp->n_sets++].value = arena_text(&r->f->arena, bytes_of(value->text, value->text_n));
}

static void read_sets(struct reader *r, struct fingerprint *fp, const struct yaml_node *entry)
{
	const struct yaml_node *set = yaml_get(entry, "set");
	const char *names[SET_N] = { [SET_MAKES] = "makes", [SET_PASSES_ON] = "passes_on" };
	if (!set || set->type != YAML_MAP || set->n == 0) {
		wrong(r, entry, "E702", "a fingerprint needs a map under `%s`", "set");
		return;
	}
	for (int a = 0; a < ATTR_N; a++)
		names[a] = attr_rows[a].name;
	for (size_t i = 0; i < set->n; i++) {
		const struct yaml_node *key = set->keys[i], *value = set->items[i];
		struct bytes name = bytes_of(key->text, key->text_n);
		unsigned what = 0;
		while (what < SET_N && !bytes_is(name, names[what]))
			what++;
		if (what == SET_N) {
			const char *near = diag_nearest(name, names, SET_N);
			wrong(r, key, "E705", "there is no such attribute; did you mean `%s`?",
				near ? near : "type");
		} else if (value->type == YAML_LIST) {
			for (size_t k = 0; k < value->n; k++)
				read_one_set(r, fp, value, what, value->items[k]);
		} else {
			read_one_set(r, fp, value, what, value);
		}
	}
}

_Static_assert(ATTR_N < 64, "a bit for each attribute");

static void add_need(void *arg, uint16_t field)
{
	*(uint64_t *)arg |= field < ATTR_N ? 1ull << field : UINT64_MAX;
}

static struct leaf get_nothing(const struct view *v, uint16_t field)
{
	(void)v;
	(void)field;
	return (struct leaf){ 0 };
}

/* What does not hold where nothing is known needs one of its fields; what does (`not`, `null`) is always
 * asked. */
static uint64_t needs_of(const struct detect *match)
{
	static const struct view nothing = { .get = get_nothing };
	uint64_t needs = 0;
	detect_fields(match, add_need, &needs);
	return needs == 0 || detect_eval(match, &nothing, NULL) ? UINT64_MAX : needs;
}

static void read_fingerprint(struct reader *r, const struct yaml_node *entry)
{
	struct fingerprints *f = r->f;
	const char *id = text_of(r, entry, "id");
	if (!id)
		return;
	const struct yaml_node *match = yaml_get(entry, "match");
	const struct yaml_node *confidence = yaml_get(entry, "confidence");
	if (!match || (match->type != YAML_MAP && match->type != YAML_LIST)) {
		wrong(r, entry, "E706", "fingerprint `%s` needs a detection under `match`", id);
		return;
	}
	if (!confidence || confidence->type != YAML_INT || confidence->integer < 1 ||
		confidence->integer > 99) {
		wrong(r, entry, "E707", "fingerprint `%s` needs a `confidence` of 1 to 99", id);
		return;
	}
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->list[i].id, id) == 0) {
			wrong(r, entry, "E708", "there is a fingerprint `%s` already", id);
			return;
		}
	struct fingerprint fp = { .id = id, .confidence = (unsigned)confidence->integer };
	read_sets(r, &fp, entry);
	fp.match = detect_compile(match, &attr_schema, (struct bytes){ 0 }, true, r->file, r->diag);
	if (!fp.match)
		return;
	fp.needs = needs_of(fp.match);
	arena_grow(&f->arena, &f->list, &f->cap, f->n, sizeof *f->list);
	f->list[f->n++] = fp;
}

static bool parse_prefix(const char *text, uint64_t *key)
{
	uint64_t v = 0, digits = 0;
	for (; text[digits]; digits++) {
		int c = (uint8_t)text[digits];
		if (digits == 9 || (!ascii_digit(c) && (c < 'A' || c > 'F')))
			return false;
		v = v << 4 | (uint64_t)(ascii_digit(c) ? c - '0' : c - 'A' + 10);
	}
	*key = digits << 56 | v;
	return digits == 6 || digits == 7 || digits == 9;
}

static void read_prefix(struct reader *r, const struct yaml_node *entry)
{
	struct fingerprints *f = r->f;
	struct prefix_row row = { .row = { "", "" } };
	const char *prefix = text_of(r, entry, "prefix");
	if (!prefix)
		return;
	if (!parse_prefix(prefix, &row.key)) {
		wrong(r, entry, "E709", "`%s` is no MAC block: 6, 7 or 9 upper-case hex digits, quoted",
			prefix);
		return;
	}
	if (yaml_get(entry, "vendor"))
		row.row.vendor = text_of(r, entry, "vendor");
	if (yaml_get(entry, "class"))
		row.row.class = text_of(r, entry, "class");
	if (!row.row.vendor || !row.row.class)
		return;
	arena_grow(&f->arena, &f->prefixes, &f->cap_prefixes, f->n_prefixes, sizeof *f->prefixes);
	f->prefixes[f->n_prefixes++] = row;
}

static void read_arc(struct reader *r, const struct yaml_node *entry)
{
	struct fingerprints *f = r->f;
	const char *prefix = text_of(r, entry, "prefix"), *maker = text_of(r, entry, "maker");
	if (!prefix || !maker)
		return;
	arena_grow(&f->arena, &f->arcs, &f->cap_arcs, f->n_arcs, sizeof *f->arcs);
	f->arcs[f->n_arcs++] = (struct arc){ bytes_str(prefix), maker };
}

static void read_list(struct reader *r, const struct yaml_node *doc, const char *key,
	void (*read)(struct reader *, const struct yaml_node *))
{
	const struct yaml_node *list = yaml_get(doc, key);
	if (!list)
		return;
	if (list->type != YAML_LIST) {
		wrong(r, list, "E710", "`%s` must be a list", key);
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		read(r, list->items[i]);
}

void fingerprints_add(struct fingerprints *f, const char *name, const struct yaml_file *y, struct diag *diag)
{
	struct reader r = { .f = f, .file = name, .diag = diag };
	for (size_t i = 0; i < y->n; i++) {
		const struct yaml_node *doc = y->docs[i];
		const struct yaml_node *kind = doc && doc->type == YAML_MAP ? yaml_get(doc, "kind") : NULL;
		if (!kind || !kind->text || strcmp(kind->text, "fingerprints") != 0)
			continue;
		const struct yaml_node *dialect = yaml_get(doc, "dialect");
		if (!dialect || !dialect->text || strcmp(dialect->text, "wardwatch/1") != 0)
			wrong(&r, doc, "E711", "a document of kind fingerprints needs `dialect: %s`",
				"wardwatch/1");
		read_list(&r, doc, "fingerprints", read_fingerprint);
		read_list(&r, doc, "prefixes", read_prefix);
		read_list(&r, doc, "arcs", read_arc);
	}
}

static int by_key(const void *a, const void *b)
{
	const struct prefix_row *x = a, *y = b;
	return x->key < y->key ? -1 : x->key > y->key;
}

struct fingerprints *fingerprints_new(void)
{
	return calloc(1, sizeof(struct fingerprints));
}

void fingerprints_complete(struct fingerprints *f)
{
	if (f->n_prefixes)
		qsort(f->prefixes, f->n_prefixes, sizeof *f->prefixes, by_key);
}

struct fingerprints *fingerprints_parse(const char *name, struct bytes yaml, struct diag *diag)
{
	struct fingerprints *f = fingerprints_new();
	struct yaml_file y = { 0 };
	size_t errors = diag->errors;
	if (!f)
		return NULL;
	if (yaml_parse(name, yaml, &y, diag))
		fingerprints_add(f, name, &y, diag);
	yaml_fini(&y);
	fingerprints_complete(f);
	if (diag->errors == errors)
		return f;
	fingerprints_free(f);
	return NULL;
}

void fingerprints_free(struct fingerprints *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		detect_free(f->list[i].match);
	arena_fini(&f->arena);
	free(f);
}

size_t fingerprints_count(const struct fingerprints *f)
{
	return f->n;
}

/* ---- asking
 * ---------------------------------------------------------------------------------------------------- */

void fingerprints_eval(const struct fingerprints *f, const struct view *v, uint64_t present,
	void (*fn)(void *arg, const char *source, unsigned set, struct bytes value, unsigned confidence),
	void *arg)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct fingerprint *fp = &f->list[i];
		if (fp->needs != UINT64_MAX && !(fp->needs & present))
			continue;
		if (!detect_eval(fp->match, v, NULL))
			continue;
		for (unsigned s = 0; s < fp->n_sets; s++)
			fn(arg, fp->id, fp->set[s].what, bytes_str(fp->set[s].value), fp->confidence);
	}
}

const struct mac_prefix *fingerprints_prefix(const struct fingerprints *f, const uint8_t mac[6])
{
	static const unsigned lengths[] = { 9, 7, 6 };
	uint64_t address = 0;
	for (unsigned i = 0; i < 6; i++)
		address = address << 8 | mac[i];
	for (unsigned i = 0; f->n_prefixes && i < sizeof lengths / sizeof *lengths; i++) {
		struct prefix_row key = { .key = (uint64_t)lengths[i] << 56 |
						 address >> (48 - 4 * lengths[i]) };
		const struct prefix_row *row =
			bsearch(&key, f->prefixes, f->n_prefixes, sizeof *f->prefixes, by_key);
		if (row)
			return &row->row;
	}
	return NULL;
}

/* "1.2.840.113619" is a root of itself and of "1.2.840.113619.6.55", not of "1.2.840.1136199". */
static bool is_root(struct bytes arc, struct bytes uid)
{
	return uid.n >= arc.n && bytes_eq(bytes_first(uid, arc.n), arc) &&
	       (uid.n == arc.n || uid.p[arc.n] == '.');
}

/* The word, whole and in any case: GE is in "GE MEDICAL SYSTEMS", not in "Getinge". */
static bool has_word(struct bytes text, struct bytes word)
{
	for (size_t at = 0; at + word.n <= text.n; at++)
		if (bytes_eqi(bytes_sub(text, at, word.n), word) &&
			(at == 0 || !ascii_alnum(text.p[at - 1])) &&
			!ascii_alnum(bytes_at(text, at + word.n)))
			return true;
	return false;
}

bool fingerprints_arc_agrees(const struct fingerprints *f, struct bytes uid, struct bytes manufacturer)
{
	for (size_t i = 0; i < f->n_arcs; i++)
		if (is_root(f->arcs[i].prefix, uid) && has_word(manufacturer, bytes_str(f->arcs[i].maker)))
			return true;
	return false;
}
