#include "satisfy.h"

#include "base/json.h"
#include "decide/event_write.h"
#include "sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { SLOTS = 64, PART = 4096, LEAVES = 2048, NODES = 512, ATTEMPTS = 4000 };

/* One field of the event: a text of three parts, or exactly one value. */
struct slot {
	uint16_t field;
	bool exact, list;
	char head[PART], body[PART], tail[PART];
};

enum kind { IS_AND, IS_OR, IS_NOT, IS_BODY };

struct cnode {
	enum kind kind;
	const struct yaml_node *body;
	struct cnode *kids[64];
	unsigned n;
};

struct maker {
	const struct policy *p;
	const struct rule *r;
	const struct yaml_node *detection;
	struct event_view *view;
	struct event_writer *writer;
	struct slot slot[SLOTS];
	unsigned n_slots;
	uint32_t random; /* 0: the first choice everywhere */
	struct cnode node[NODES];
	unsigned n_nodes;
	struct cnode *top;
	struct { /* items of the rule, for near misses */
		const struct yaml_node *key, *value;
	} leaf[LEAVES];
	unsigned n_leaves;
};

const struct yaml_node *rule_document(const struct policy *p, const struct rule *r)
{
	for (size_t i = 0; i < p->n_files; i++)
		for (size_t k = 0; k < p->files[i].n; k++)
			if (p->files[i].docs[k]->line == r->line && strcmp(p->files[i].path, r->file) == 0)
				return p->files[i].docs[k];
	return NULL;
}

/* ---- the condition -------------------------------------------------------------------------------- */

struct words {
	struct maker *m;
	const char *c;
};

static struct cnode *node_of(struct maker *m, enum kind kind)
{
	assert_true(m->n_nodes < NODES);
	struct cnode *n = &m->node[m->n_nodes++];
	*n = (struct cnode){ .kind = kind };
	return n;
}

static struct bytes next_word(struct words *w, bool take)
{
	while (*w->c == ' ' || *w->c == '\n' || *w->c == '\t')
		w->c++;
	size_t n = strcspn(w->c, " \n\t()");
	struct bytes word = bytes_of(w->c, n ? n : *w->c != 0);
	if (take)
		w->c += word.n;
	return word;
}

static bool fits(struct bytes name, struct bytes pattern)
{
	if (bytes_is(pattern, "them"))
		return bytes_at(name, 0) != '_';
	size_t star = bytes_chr(pattern, 0, '*'), behind = pattern.n - star - (star < pattern.n);
	if (star == pattern.n)
		return bytes_eq(name, pattern);
	if (bytes_at(name, 0) == '_' && bytes_at(pattern, 0) != '_')
		return false;
	return name.n >= star + behind && bytes_eq(bytes_first(name, star), bytes_first(pattern, star)) &&
	       bytes_eq(bytes_from(name, name.n - behind), bytes_from(pattern, star + 1));
}

static struct cnode *chosen(struct maker *m, enum kind kind, struct bytes pattern)
{
	struct cnode *n = node_of(m, kind);
	for (size_t i = 0; i < m->detection->n; i++) {
		struct bytes name = yaml_text(m->detection->keys[i]);
		if (bytes_is(name, "condition") || !fits(name, pattern))
			continue;
		struct cnode *kid = node_of(m, IS_BODY);
		kid->body = m->detection->items[i];
		assert_true(n->n < 64);
		n->kids[n->n++] = kid;
	}
	return n;
}

static struct cnode *parse(struct words *w, unsigned level);

static struct cnode *parse_primary(struct words *w)
{
	struct bytes word = next_word(w, true);
	if (bytes_is(word, "(")) {
		struct cnode *n = parse(w, 0);
		(void)next_word(w, true);
		return n;
	}
	if (bytes_is(word, "not")) {
		struct cnode *n = node_of(w->m, IS_NOT);
		n->kids[n->n++] = parse_primary(w);
		return n;
	}
	bool all = bytes_is(word, "all"), any = bytes_is(word, "1") || bytes_is(word, "any");
	if ((all || any) && bytes_is(next_word(w, false), "of")) {
		(void)next_word(w, true);
		return chosen(w->m, all ? IS_AND : IS_OR, next_word(w, true));
	}
	return chosen(w->m, IS_AND, word);
}

/* Level 0: or, 1: and. */
static struct cnode *parse(struct words *w, unsigned level)
{
	struct cnode *n = node_of(w->m, level ? IS_AND : IS_OR);
	do {
		assert_true(n->n < 64);
		n->kids[n->n++] = level ? parse_primary(w) : parse(w, 1);
	} while (bytes_is(next_word(w, false), level ? "and" : "or") && next_word(w, true).n);
	return n;
}

/* ---- slots ---------------------------------------------------------------------------------------- */

static struct slot *slot_of(struct maker *m, uint16_t field)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		if (m->slot[i].field == field)
			return &m->slot[i];
	assert_true(m->n_slots < SLOTS);
	struct slot *s = &m->slot[m->n_slots++];
	memset(s, 0, sizeof *s);
	s->field = field;
	return s;
}

static bool has_slot(const struct maker *m, uint16_t field)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		if (m->slot[i].field == field)
			return true;
	return false;
}

static void drop_slot(struct maker *m, uint16_t field)
{
	for (unsigned i = 0; i < m->n_slots; i++)
		if (m->slot[i].field == field)
			m->slot[i] = m->slot[--m->n_slots];
}

static void append(char *to, const char *text)
{
	size_t n = strlen(to);
	snprintf(to + n, PART - n, "%s", text);
}

static void place(struct maker *m, uint16_t field, const char *text, bool open_start, bool open_end)
{
	struct slot *s = slot_of(m, field);
	if (s->exact)
		return;
	if (!open_start && !open_end) {
		*s = (struct slot){ .field = field, .exact = true };
		append(s->body, text);
	} else {
		append(!open_start ? s->head : open_end ? s->body : s->tail, text);
	}
}

/* A value that no rule asks for. */
static const char *filler(const struct maker *m, uint16_t field)
{
	if (field == COMMON_TRANSPORT)
		return "sctp";
	switch (m->p->schema->field[field].type) {
	case FACT_UINT:
	case FACT_INT:
		return "31337";
	case FACT_BOOL:
		return "false";
	case FACT_IP:
		return "203.0.113.77";
	case FACT_MAC:
		return "02-00-00-0A-0B-0C";
	case FACT_TIME:
		return "2011-11-11T11:11:11Z";
	case FACT_BYTES:
		return "fefefefe";
	case FACT_STR:
	case FACT_PHI:
		break;
	}
	return "~zqx~";
}

static uint16_t keyword_field(const struct maker *m)
{
	const struct event_schema *s = m->p->schema;
	for (uint16_t i = 0; i < s->schema.n_searched; i++)
		if (s->field[i].type == FACT_STR && s->field[i].privacy < SECRET && !s->field[i].everywhere &&
			event_schema_has(s, m->r->category, i))
			return i;
	return 0;
}

/* ---- items ---------------------------------------------------------------------------------------- */

static unsigned choose(struct maker *m, unsigned n)
{
	if (m->random == 0 || n < 2)
		return 0;
	m->random = m->random * 1664525u + 1013904223u;
	return (m->random >> 16) % 3 ? (m->random >> 8) % n : 0;
}

/* A text without its wildcards: section 7.1. */
static void plain(const char *text, char out[PART], bool *open_start, bool *open_end)
{
	size_t n = 0;
	for (const char *c = text; *c && n + 2 < PART; c++) {
		if (*c == '\\' && c[1] && strchr("*?\\", c[1]))
			out[n++] = *++c;
		else if (*c == '*' && (c == text || !c[1]))
			*(c == text ? open_start : open_end) = true;
		else if (*c == '?')
			out[n++] = 'q';
		else if (*c != '*')
			out[n++] = *c;
	}
	out[n] = 0;
}

static void base64(char text[PART])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char out[PART];
	size_t n = 0, length = strlen(text);
	for (size_t i = 0; i < length && n + 5 < PART; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)text[i] << 16;
		v |= i + 1 < length ? (uint32_t)(uint8_t)text[i + 1] << 8 : 0;
		v |= i + 2 < length ? (uint8_t)text[i + 2] : 0;
		out[n++] = digits[v >> 18];
		out[n++] = digits[v >> 12 & 63];
		out[n++] = i + 1 < length ? digits[v >> 6 & 63] : '=';
		out[n++] = i + 2 < length ? digits[v & 63] : '=';
	}
	memcpy(text, out, n);
	text[n] = 0;
}

static bool has(struct bytes key, const char *modifier)
{
	size_t at = bytes_chr(key, 0, '|');
	for (struct bytes rest = bytes_from(key, at); rest.n;) {
		rest = bytes_from(rest, 1);
		size_t end = bytes_chr(rest, 0, '|');
		if (bytes_is(bytes_first(rest, end), modifier))
			return true;
		rest = bytes_from(rest, end);
	}
	return false;
}

static void number_text(const struct yaml_node *v, struct bytes key, char out[PART])
{
	int64_t by = has(key, "gt") ? 1 : has(key, "lt") ? -1 : 0;
	snprintf(out, PART, "%lld", (long long)(v->integer + by));
}

static void network_text(const char *network, char out[PART])
{
	struct addr a = { 0 };
	char text[ADDR_TEXT];
	size_t slash = strcspn(network, "/");
	if (addr_parse(bytes_of(network, slash), &a) && network[slash] && atol(network + slash + 1) < 30)
		a.b[15] |= 1;
	snprintf(out, PART, "%s", addr_text(&a, text));
}

/* One value of an item, true. */
static void value(struct maker *m, uint16_t field, struct bytes key, const struct yaml_node *v)
{
	char text[PART] = "";
	bool start = has(key, "contains") || has(key, "endswith");
	bool end = has(key, "contains") || has(key, "startswith");
	if (v->type == YAML_NULL || (has(key, "exists") && v->integer == 0)) {
		drop_slot(m, field);
	} else if (has(key, "exists")) {
		place(m, field, filler(m, field), false, false);
	} else if (has(key, "lt") || has(key, "lte") || has(key, "gt") || has(key, "gte")) {
		number_text(v, key, text);
		place(m, field, text, false, false);
	} else if (has(key, "cidr")) {
		network_text(v->text, text);
		place(m, field, text, false, false);
	} else if (has(key, "re")) {
		regex_sample(v->text, text, sizeof text);
		place(m, field, text, true, true);
	} else {
		plain(v->text, text, &start, &end);
		if (has(key, "base64") || has(key, "base64offset"))
			base64(text);
		place(m, field, text, start, end);
	}
}

static bool field_of(const struct maker *m, struct bytes key, uint16_t *field)
{
	const struct event_schema *s = m->p->schema;
	struct bytes name = bytes_first(key, bytes_chr(key, 0, '|'));
	int number =
		name.n ? s->schema.field(&s->schema, s->category[m->r->category], name) : keyword_field(m);
	*field = (uint16_t)number;
	return number >= 0;
}

static void item(struct maker *m, struct bytes key, const struct yaml_node *v, bool want)
{
	uint16_t field;
	bool list = v->type == YAML_LIST, keyword = key.n == 0 || key.p[0] == '|';
	if (!field_of(m, key, &field))
		return;
	if (has(key, "neq"))
		want = !want;
	if (!want) {
		bool absent_is_true = v->type == YAML_NULL || (has(key, "exists") && v->integer == 0);
		if (!has_slot(m, field) && !keyword && (absent_is_true || choose(m, 2)))
			place(m, field, filler(m, field), false, false);
		return;
	}
	bool worded = has(key, "startswith") || has(key, "endswith") || has(key, "re");
	struct bytes how = keyword && !worded ? bytes_str("|contains") : key;
	if (!list)
		value(m, field, how, v);
	unsigned one = list && !has(key, "all") ? choose(m, (unsigned)v->n) : 0;
	for (unsigned i = 0; list && i < v->n; i++)
		if ((has(key, "all") || i == one) && v->items[i]->type != YAML_MAP)
			value(m, field, how, v->items[i]);
}

/* ---- the tree ------------------------------------------------------------------------------------- */

static void mapping(struct maker *m, const struct yaml_node *map, bool want)
{
	unsigned one = want ? 0 : choose(m, (unsigned)map->n);
	for (unsigned i = 0; i < map->n; i++)
		if (want || i == one)
			item(m, yaml_text(map->keys[i]), map->items[i], want);
}

static void body(struct maker *m, const struct yaml_node *b, bool want)
{
	if (b->type == YAML_MAP) {
		mapping(m, b, want);
		return;
	}
	if (b->type != YAML_LIST) {
		item(m, (struct bytes){ 0 }, b, want);
		return;
	}
	unsigned one = want ? choose(m, (unsigned)b->n) : 0;
	for (unsigned i = 0; i < b->n; i++)
		if (!want || i == one) {
			if (b->items[i]->type == YAML_MAP)
				mapping(m, b->items[i], want);
			else
				item(m, (struct bytes){ 0 }, b->items[i], want);
		}
}

/* Positive parts first: what is to be false looks at what is there. */
static void tree(struct maker *m, const struct cnode *n, bool want)
{
	if (n->kind == IS_NOT) {
		tree(m, n->kids[0], !want);
		return;
	}
	if (n->kind == IS_BODY) {
		body(m, n->body, want);
		return;
	}
	bool every = (n->kind == IS_AND) == want;
	unsigned one = every ? 0 : choose(m, n->n);
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < n->n; i++)
			if ((every || i == one) && (n->kids[i]->kind == IS_NOT) == (pass == 1))
				tree(m, n->kids[i], want);
}

static void leaves_of_map(struct maker *m, const struct yaml_node *map)
{
	for (size_t i = 0; i < map->n && m->n_leaves < LEAVES; i++) {
		m->leaf[m->n_leaves].key = map->keys[i];
		m->leaf[m->n_leaves++].value = map->items[i];
	}
}

static void leaves(struct maker *m)
{
	for (size_t i = 0; i < m->detection->n; i++) {
		const struct yaml_node *b = m->detection->items[i];
		if (b->type == YAML_MAP)
			leaves_of_map(m, b);
		for (size_t k = 0; b->type == YAML_LIST && k < b->n; k++)
			if (b->items[k]->type == YAML_MAP)
				leaves_of_map(m, b->items[k]);
	}
}

/* ---- events --------------------------------------------------------------------------------------- */

static void write_slot(const struct maker *m, const struct slot *s, char *out, size_t room)
{
	static uint8_t escaped[6 * 3 * PART];
	char text[3 * PART];
	enum fact_type type = m->p->schema->field[s->field].type;
	bool bare = type == FACT_UINT || type == FACT_INT || type == FACT_BOOL;
	snprintf(text, sizeof text, "%s%s%s", s->head, s->body, s->tail);
	size_t n = json_escape(bytes_str(text), escaped);
	snprintf(out, room, ", \"%s\": %s%.*s%s", m->p->schema->field[s->field].name, bare ? "" : "\"",
		(int)n, (const char *)escaped, bare ? "" : "\"");
}

static void write_event(struct maker *m, char out[SATISFY_EVENT])
{
	struct bytes category = m->p->schema->category[m->r->category];
	size_t n = (size_t)snprintf(
		out, SATISFY_EVENT, "{\"category\": \"%.*s\"", (int)category.n, (const char *)category.p);
	if (m->r->where == WHERE_TO_OUTSIDE && !has_slot(m, COMMON_DESTINATION_IP))
		n += (size_t)snprintf(out + n, SATISFY_EVENT - n, ", \"destination.ip\": \"203.0.113.80\"");
	if (m->r->where == WHERE_SMB_FILE || m->r->where == WHERE_SMB_TREE)
		n += (size_t)snprintf(out + n, SATISFY_EVENT - n, ", \"smb.object\": \"%s\"",
			m->r->where == WHERE_SMB_FILE ? "file" : "tree");
	for (unsigned i = 0; i < m->n_slots && n + 1 < SATISFY_EVENT; i++) {
		write_slot(m, &m->slot[i], out + n, SATISFY_EVENT - n);
		n += strlen(out + n);
	}
	snprintf(out + (n < SATISFY_EVENT - 2 ? n : SATISFY_EVENT - 2), 2, "}");
}

enum verdict { NO_EVENT, SILENT, FIRES };

static enum verdict judged(struct maker *m, const char *text, bool must_be_event)
{
	struct diag d = { 0 };
	struct yaml_file file;
	enum verdict verdict = NO_EVENT;
	bool read = yaml_parse("event", bytes_str(text), &file, &d) && file.n == 1;
	m->writer->diag = &d;
	const struct event *e = read ? event_write(m->writer, file.docs[0]) : NULL;
	if (!e && must_be_event)
		fail_msg("%s: no event: %s: %s", m->r->file, text, d.n ? d.messages[0].text : "");
	if (e) {
		event_view_look(m->view, e);
		verdict = rule_holds(m->r, event_view_as_view(m->view), NULL) ? FIRES : SILENT;
	}
	yaml_fini(&file);
	diag_free(&d);
	return verdict;
}

static struct maker *maker_new(const struct policy *p, const struct rule *r)
{
	struct maker *m = calloc(1, sizeof *m);
	assert_non_null(m);
	m->p = p;
	m->r = r;
	m->view = event_view_new(p->schema, NULL);
	m->writer = calloc(1, sizeof *m->writer);
	assert_true(m->view && m->writer);
	event_writer_init(m->writer, p->schema, m->view, "event", NULL);
	return m;
}

static void maker_free(struct maker *m)
{
	event_view_free(m->view);
	free(m->writer);
	free(m);
}

bool fires(const struct policy *p, const struct rule *r, const char *event)
{
	struct maker *m = maker_new(p, r);
	bool held = judged(m, event, true) == FIRES;
	maker_free(m);
	return held;
}

/* ---- the two -------------------------------------------------------------------------------------- */

static bool fire(struct maker *m, char out[SATISFY_EVENT])
{
	for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
		m->random = attempt * 2654435761u;
		m->n_slots = 0;
		tree(m, m->top, true);
		write_event(m, out);
		if (judged(m, out, false) == FIRES)
			return true;
	}
	*out = 0;
	return false;
}

/* The event with slot i of another value, or without it; true when that does not fire. */
static bool miss_at(struct maker *m, unsigned i, const char *other, char out[SATISFY_EVENT])
{
	struct slot kept = m->slot[i];
	m->slot[i] = (struct slot){ .field = kept.field, .exact = true };
	append(m->slot[i].body, other);
	write_event(m, out);
	enum verdict verdict = judged(m, out, false);
	m->slot[i] = kept;
	return verdict == SILENT;
}

static bool miss(struct maker *m, char out[SATISFY_EVENT])
{
	static struct slot kept[SLOTS];
	unsigned n = m->n_slots;
	for (unsigned i = 0; i < n; i++)
		if (miss_at(m, i, filler(m, m->slot[i].field), out))
			return true;
	/* Nothing there has to be: then something has to be absent, or of another value. */
	memcpy(kept, m->slot, sizeof kept);
	for (unsigned i = 0; i < m->n_leaves; i++) {
		uint16_t field;
		m->random = 0;
		if (field_of(m, yaml_text(m->leaf[i].key), &field)) {
			drop_slot(m, field);
			item(m, yaml_text(m->leaf[i].key), m->leaf[i].value, true);
			write_event(m, out);
			if (judged(m, out, false) == SILENT)
				return true;
		}
		memcpy(m->slot, kept, sizeof kept);
		m->n_slots = n;
	}
	*out = 0;
	return false;
}

void satisfy(const struct policy *p, const struct rule *r, struct satisfied *out)
{
	struct maker *m = maker_new(p, r);
	const struct yaml_node *doc = rule_document(p, r);
	assert_non_null(doc);
	m->detection = yaml_get(doc, "detection");
	const struct yaml_node *c = yaml_get(m->detection, "condition");
	struct words w = { m, (c->type == YAML_LIST ? c->items[0] : c)->text };
	m->top = parse(&w, 0);
	leaves(m);
	*out->misses = 0;
	if (fire(m, out->fires))
		(void)miss(m, out->misses);
	maker_free(m);
}
