#include "base/yaml.h"

#include "base/arena.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

/* policy-language.md section 2, hard limits. */
enum {
	FILE_BYTES = 4 << 20,
	DOCUMENT_BYTES = 512 << 10,
	DEPTH = 32,
	NODES = 200000,
	SCALAR_BYTES = 64 << 10,
	ANCHORS = 1024,
	MERGED = 1024, /* keys of a map that is merged or merged into */
};

struct anchor {
	const char *name;
	struct yaml_node *node;
	size_t nodes; /* it and all below, aliases expanded */
};

struct level {
	struct yaml_node *node;
	struct yaml_node *key; /* map: read, its value is awaited */
	size_t cap;
	size_t nodes;
	const char *anchor;
};

struct reader {
	yaml_parser_t parser;
	struct arena *memory;
	const char *name;
	struct diag *diag;
	bool ok;
	struct level level[DEPTH + 1];
	unsigned depth;
	struct anchor anchors[ANCHORS];
	size_t n_anchors;
	size_t nodes; /* of this document, aliases expanded */
	size_t document_at;
	bool too_large; /* said once per document */
	const struct yaml_node *merge;
	struct yaml_node *root;
};

static void complain(struct reader *r, const yaml_mark_t *at, const char *code, const char *text)
{
	r->ok = false;
	diag_add(r->diag, DIAG_ERROR, r->name, (unsigned)at->line + 1, (unsigned)at->column + 1, code, "%s",
		text);
}

/* ---- scalars ----------------------------------------------------------------------------- */

static void scalar_type(struct reader *r, const yaml_event_t *ev, struct yaml_node *n)
{
	const char *tag = (const char *)ev->data.scalar.tag;
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	n->type = YAML_STRING;
	if (tag && strcmp(tag, "tag:yaml.org,2002:str") != 0 && strcmp(tag, "!") != 0)
		complain(r, &ev->start_mark, "E108",
			"tags are not used here: remove the one before this value");
	else if (!tag && !n->quoted && !yaml_type_plain(yaml_text(n), n))
		complain(r, &ev->start_mark, "E109",
			"this number does not fit 64 bits: put it in quotes if it is a text");
}

/* ---- the tree ---------------------------------------------------------------------------- */

static void remember_anchor(struct reader *r, const char *name, struct yaml_node *node, size_t nodes)
{
	if (!name)
		return;
	if (r->n_anchors == ANCHORS) {
		r->ok = false;
		diag_add(r->diag, DIAG_ERROR, r->name, node->line, node->column, "E104",
			"more than %d anchors in one document", ANCHORS);
		return;
	}
	r->anchors[r->n_anchors++] = (struct anchor){ name, node, nodes };
}

static void take_key(struct reader *r, struct level *l, struct yaml_node *n, const yaml_mark_t *at)
{
	l->key = n;
	if (n->type == YAML_LIST || n->type == YAML_MAP)
		complain(r, at, "E105", "a key must be a single word or text");
}

static void append(struct reader *r, struct level *l, struct yaml_node *key, struct yaml_node *value)
{
	size_t cap = l->cap;
	arena_grow(r->memory, &l->node->items, &l->cap, l->node->n, sizeof(struct yaml_node *));
	if (l->node->type == YAML_MAP) {
		arena_grow(r->memory, &l->node->keys, &cap, l->node->n, sizeof(struct yaml_node *));
		l->node->keys[l->node->n] = key;
	}
	l->node->items[l->node->n++] = value;
}

/* A finished node goes to the level above it. */
static void attach(struct reader *r, struct yaml_node *n, size_t nodes, const yaml_mark_t *at)
{
	if (r->depth == 0) {
		r->root = n;
		return;
	}
	struct level *l = &r->level[r->depth - 1];
	l->nodes += nodes;
	if (l->node->type == YAML_LIST) {
		append(r, l, NULL, n);
	} else if (!l->key) {
		take_key(r, l, n, at);
	} else {
		append(r, l, l->key, n);
		l->key = NULL;
	}
}

static int by_text(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
	size_t least = x->text_n < y->text_n ? x->text_n : y->text_n;
	int order = memcmp(x->text, y->text, least);
	if (order == 0)
		order = (x->text_n > y->text_n) - (x->text_n < y->text_n);
	if (order == 0)
		order = (x->line > y->line) - (x->line < y->line);
	return order ? order : (x->column > y->column) - (x->column < y->column);
}

/* Sorted, so that a long map costs no quadratic time. */
static void find_duplicates(struct reader *r, const struct yaml_node *map)
{
	struct yaml_node **sorted = reallocarray(NULL, map->n + 1, sizeof *sorted);
	if (!sorted)
		return;
	memcpy(sorted, map->keys, map->n * sizeof *sorted);
	qsort(sorted, map->n, sizeof *sorted, by_text);
	for (size_t i = 1; i < map->n; i++) {
		if (!bytes_eq(yaml_text(sorted[i]), yaml_text(sorted[i - 1])))
			continue;
		r->ok = false;
		diag_add(r->diag, DIAG_ERROR, r->name, sorted[i]->line, sorted[i]->column, "E101",
			"the key \"%s\" is here twice, first in line %u: remove one or join the two",
			sorted[i]->text, sorted[i - 1]->line);
	}
	free(sorted);
}

static void merge_one(struct reader *r, struct level *l, const struct yaml_node *from)
{
	for (size_t i = 0; i < from->n; i++) {
		bool has = false;
		for (size_t k = 0; k < l->node->n && !has; k++)
			has = bytes_eq(yaml_text(l->node->keys[k]), yaml_text(from->keys[i]));
		if (!has)
			append(r, l, from->keys[i], from->items[i]);
	}
}

/* YAML's merge type (yaml.org/type/merge): the map's own keys win, then the first of several. */
static void merge(struct reader *r, struct level *l)
{
	struct yaml_node *m = l->node, *from = NULL;
	size_t at = 0;
	for (; at < m->n && !from; at++)
		if (!m->keys[at]->quoted && bytes_is(yaml_text(m->keys[at]), "<<"))
			from = m->items[at];
	if (!from)
		return;
	if (!r->merge)
		r->merge = m->keys[at - 1];
	for (size_t i = at; i < m->n; i++) {
		m->keys[i - 1] = m->keys[i];
		m->items[i - 1] = m->items[i];
	}
	m->n--;
	bool fine =
		(from->type == YAML_MAP || from->type == YAML_LIST) && from->n <= MERGED && m->n <= MERGED;
	if (fine && from->type == YAML_MAP)
		merge_one(r, l, from);
	for (size_t i = 0; fine && from->type == YAML_LIST && i < from->n; i++) {
		fine = from->items[i]->type == YAML_MAP && from->items[i]->n <= MERGED;
		if (fine)
			merge_one(r, l, from->items[i]);
	}
	if (!fine) {
		r->ok = false;
		diag_add(r->diag, DIAG_ERROR, r->name, from->line, from->column, "E107",
			"a merge key takes a mapping or a list of mappings, none with more than %d keys",
			MERGED);
	}
}

static bool count_nodes(struct reader *r, size_t nodes, const yaml_mark_t *at)
{
	r->nodes += nodes;
	if (r->nodes > NODES && !r->too_large)
		complain(r, at, "E104", "more than 200000 values in one document (aliases count each time)");
	r->too_large = r->too_large || r->nodes > NODES;
	return !r->too_large;
}

static struct yaml_node *node_new(struct reader *r, const yaml_event_t *ev)
{
	struct yaml_node *n = arena_get(r->memory, sizeof *n);
	n->line = (unsigned)ev->start_mark.line + 1;
	n->column = (unsigned)ev->start_mark.column + 1;
	return n;
}

static const char *anchor_name(struct reader *r, const yaml_char_t *name)
{
	return name ? arena_text(r->memory, bytes_str((const char *)name)) : NULL;
}

static void on_scalar(struct reader *r, const yaml_event_t *ev)
{
	struct yaml_node *n = node_new(r, ev);
	n->text = arena_text(r->memory, bytes_of(ev->data.scalar.value, ev->data.scalar.length));
	n->text_n = ev->data.scalar.length;
	if (n->text_n > SCALAR_BYTES)
		complain(r, &ev->start_mark, "E104", "a text of more than 64 KiB");
	scalar_type(r, ev, n);
	remember_anchor(r, anchor_name(r, ev->data.scalar.anchor), n, 1);
	attach(r, n, 1, &ev->start_mark);
}

static void on_alias(struct reader *r, const yaml_event_t *ev)
{
	const char *name = (const char *)ev->data.alias.anchor;
	const struct anchor *a = NULL;
	/* The latest of that name stands (YAML 1.2.2, 3.2.2.2); one still being read is not in the list, so
	 * no node can hold itself. */
	for (size_t i = r->n_anchors; i > 0 && !a; i--)
		if (strcmp(r->anchors[i - 1].name, name) == 0)
			a = &r->anchors[i - 1];
	if (!a) {
		complain(r, &ev->start_mark, "E106", "this alias names no anchor before it");
		struct yaml_node *n = node_new(r, ev);
		n->text = arena_text(r->memory, (struct bytes){ 0 });
		attach(r, n, 1, &ev->start_mark);
	} else if (count_nodes(r, a->nodes, &ev->start_mark)) {
		attach(r, a->node, a->nodes, &ev->start_mark);
	}
}

static bool on_open(struct reader *r, const yaml_event_t *ev)
{
	bool list = ev->type == YAML_SEQUENCE_START_EVENT;
	if (r->depth > DEPTH) {
		complain(r, &ev->start_mark, "E104", "more than 32 levels of nesting");
		return false;
	}
	struct yaml_node *n = node_new(r, ev);
	n->type = list ? YAML_LIST : YAML_MAP;
	n->text = arena_text(r->memory, (struct bytes){ 0 });
	const yaml_char_t *tag = list ? ev->data.sequence_start.tag : ev->data.mapping_start.tag;
	if (tag)
		complain(r, &ev->start_mark, "E108",
			"tags are not used here: remove the one before this value");
	r->level[r->depth++] = (struct level){ .node = n,
		.nodes = 1,
		.anchor = anchor_name(
			r, list ? ev->data.sequence_start.anchor : ev->data.mapping_start.anchor) };
	return true;
}

static void on_close(struct reader *r)
{
	struct level *l = &r->level[r->depth - 1];
	if (l->node->type == YAML_MAP && l->node->n) {
		find_duplicates(r, l->node);
		merge(r, l);
	}
	r->depth--;
	remember_anchor(r, l->anchor, l->node, l->nodes);
	yaml_mark_t at = { 0, l->node->line - 1, l->node->column - 1 };
	attach(r, l->node, l->nodes, &at);
}

static void on_document_end(struct reader *r, struct yaml_file *out, size_t *cap)
{
	const struct yaml_node *dialect = r->root ? yaml_get(r->root, "dialect") : NULL;
	if (r->merge && !(dialect && bytes_is(yaml_text(dialect), "wardwatch/1"))) {
		r->ok = false;
		diag_add(r->diag, DIAG_ERROR, r->name, r->merge->line, r->merge->column, "E107",
			"a merge key (<<) needs `dialect: wardwatch/1` in this document");
	}
	if (!r->root)
		return;
	arena_grow(r->memory, &out->docs, cap, out->n, sizeof(struct yaml_node *));
	out->docs[out->n++] = r->root;
}

/* False: nothing after this can be made sense of. */
static bool on_event(struct reader *r, const yaml_event_t *ev, struct yaml_file *out, size_t *cap)
{
	if (ev->type == YAML_DOCUMENT_START_EVENT) {
		r->root = NULL;
		r->merge = NULL;
		r->n_anchors = r->nodes = 0;
		r->too_large = false;
		r->document_at = ev->start_mark.index;
	}
	if (ev->end_mark.index - r->document_at > DOCUMENT_BYTES) {
		complain(r, &ev->start_mark, "E104", "a document of more than 512 KiB: split it");
		return false;
	}
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		if (!count_nodes(r, 1, &ev->start_mark))
			return false;
		on_scalar(r, ev);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(r, ev);
		return !r->too_large;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return count_nodes(r, 1, &ev->start_mark) && on_open(r, ev);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(r);
		break;
	case YAML_DOCUMENT_END_EVENT:
		on_document_end(r, out, cap);
		break;
	default:
		break;
	}
	return true;
}

static void parser_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *context = p->context ? p->context : "",
		   *problem = p->problem ? p->problem : "broken YAML";
	r->ok = false;
	diag_add(r->diag, DIAG_ERROR, r->name, (unsigned)p->problem_mark.line + 1,
		(unsigned)p->problem_mark.column + 1, "E100", "%s%s%s", context, *context ? ": " : "",
		problem);
}

/* ---- text -------------------------------------------------------------------------------- */

static bool check_utf8(struct reader *r, struct bytes t)
{
	yaml_mark_t at = { 0 };
	while (t.n) {
		size_t n = utf8_length(t);
		if (n == 0) {
			complain(r, &at, "E110", "this is no UTF-8: save the file as UTF-8");
			return false;
		}
		at.column = t.p[0] == '\n' ? 0 : at.column + 1;
		at.line += t.p[0] == '\n';
		t = bytes_from(t, n);
	}
	return true;
}

bool yaml_parse(const char *name, struct bytes text, struct yaml_file *out, struct diag *diag)
{
	struct arena *memory = calloc(1, sizeof *memory);
	struct reader *r = calloc(1, sizeof *r);
	*out = (struct yaml_file){ .memory = memory };
	if (!memory || !r || !yaml_parser_initialize(&r->parser)) {
		free(r);
		diag_add(diag, DIAG_ERROR, name, 0, 0, "E111", "not enough memory");
		return false;
	}
	r->memory = memory;
	r->name = out->path = arena_text(memory, bytes_str(name));
	r->diag = diag;
	r->ok = true;
	if (bytes_starts(text, "\xef\xbb\xbf"))
		text = bytes_from(text, 3);
	if (text.n > FILE_BYTES)
		complain(r, &(yaml_mark_t){ 0 }, "E104", "a file of more than 4 MiB: split it");
	else if (check_utf8(r, text)) {
		size_t cap = 0;
		bool more = true;
		yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&r->parser, text.p ? text.p : (const uint8_t *)"", text.n);
		while (more) {
			yaml_event_t ev;
			if (!yaml_parser_parse(&r->parser, &ev)) {
				parser_error(r);
				break;
			}
			more = ev.type != YAML_STREAM_END_EVENT && on_event(r, &ev, out, &cap);
			yaml_event_delete(&ev);
		}
	}
	bool ok = r->ok;
	yaml_parser_delete(&r->parser);
	free(r);
	return ok;
}

bool yaml_load(const char *path, struct yaml_file *out, struct diag *diag)
{
	*out = (struct yaml_file){ 0 };
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(FILE_BYTES + 1) : NULL;
	size_t n = text ? fread(text, 1, FILE_BYTES + 1, f) : 0;
	bool ok = text && !ferror(f);
	if (!ok)
		diag_add(diag, DIAG_ERROR, path, 0, 0, "E111", "cannot be read: %s", strerror(errno));
	if (f)
		fclose(f);
	ok = ok && yaml_parse(path, bytes_of(text, n), out, diag);
	free(text);
	return ok;
}

void yaml_fini(struct yaml_file *f)
{
	if (f->memory)
		arena_fini(f->memory);
	free(f->memory);
	*f = (struct yaml_file){ 0 };
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	for (size_t i = 0; map && map->type == YAML_MAP && i < map->n; i++)
		if (bytes_is(yaml_text(map->keys[i]), key))
			return map->items[i];
	return NULL;
}

const char *yaml_type_name(enum yaml_type type)
{
	static const char *const names[] = { "empty", "true or false", "a whole number", "a number", "a text",
		"a list", "a mapping" };
	return names[type];
}
