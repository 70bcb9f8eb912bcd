/* What modifiers make of a text while a rule is compiled: encodings, dashes, placeholders, wildcards at the
 * ends (policy-language.md 8, 13). Characters keep their case until all is done. */
#include "decide/detect_impl.h"

#include <stdio.h>

enum { DASHES = 5, MAX_DASHED = 3125, MAX_PLACEHOLDERS = 8 };

/* ---- characters ---------------------------------------------------------------------------- */

/* Letters, digits, _; of the characters beyond ASCII all but the punctuation that texts have. */
static bool is_word(uint32_t c)
{
	if (c < 0x80)
		return ascii_alnum((int)c) || c == '_';
	return c < UTF8_RAW && !(c < 0xc0 && c != 0xaa && c != 0xb5 && c != 0xba) && c != 0xd7 && c != 0xf7 &&
	       !(c >= 0x2000 && c < 0x2070) && !(c >= 0x3000 && c < 0x3040);
}

static void add(struct pattern *p, uint32_t c)
{
	p->unit[p->n++] = c;
	p->wild = p->wild || c >= UNIT_MANY;
}

static void add_all(struct pattern *p, const struct pattern *more, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(p, more->unit[from + i]);
}

static struct pattern of_bytes(struct arena *a, struct bytes t)
{
	struct pattern p = pattern_new(a, t.n);
	while (t.n)
		add(&p, utf8_next(&t));
	return p;
}

static void become(struct texts *t, struct pattern *list, size_t n)
{
	t->list = list;
	t->n = n;
	t->many = true;
}

/* ---- encodings ------------------------------------------------------------------------------ */

/* The bytes between two wildcards may be no UTF-8, or other characters of it: they are read again. */
static struct pattern utf16(struct arena *a, const struct pattern *p, enum utf16 form)
{
	struct pattern out = pattern_new(a, 4 * p->n + 2);
	uint8_t *raw = arena_get(a, 4 * p->n + 2);
	size_t n = 0;
	if (form == UTF16_BOM) {
		raw[n++] = 0xff;
		raw[n++] = 0xfe;
	}
	for (size_t i = 0; i <= p->n; i++) {
		uint32_t c = i < p->n ? p->unit[i] : UNIT_MANY;
		if (c >= UNIT_MANY) {
			struct bytes run = bytes_of(raw, n);
			while (run.n)
				add(&out, utf8_next(&run));
			n = 0;
			if (i < p->n)
				add(&out, c);
			continue;
		}
		uint32_t pair[2] = { c, 0 };
		if (c >= 0x10000 && c < UTF8_RAW) {
			pair[0] = 0xd800 + ((c - 0x10000) >> 10);
			pair[1] = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		for (unsigned k = 0; k < (pair[1] ? 2u : 1u); k++) {
			raw[n++] = (uint8_t)(form == UTF16_BE ? pair[k] >> 8 : pair[k]);
			raw[n++] = (uint8_t)(form == UTF16_BE ? pair[k] : pair[k] >> 8);
		}
	}
	return out;
}

/* What the reference parser encodes of a text (its vectors): a literal * or ? keeps its backslash, and
 * base64offset cuts as if it did not. */
static struct bytes escaped(struct arena *a, const struct pattern *p, size_t *backslashes)
{
	struct pattern out = pattern_new(a, 2 * p->n);
	*backslashes = 0;
	for (size_t i = 0; i < p->n; i++) {
		if (p->unit[i] == '*' || p->unit[i] == '?') {
			add(&out, '\\');
			++*backslashes;
		}
		add(&out, p->unit[i]);
	}
	return pattern_bytes(a, &out);
}

/* RFC 4648 section 4, of `skip` zero bytes and the text; when `bare`, without the characters that depend on
 * what stands before and after a text of `length` bytes. */
static struct pattern base64(struct arena *a, struct bytes t, unsigned skip, bool bare, size_t length)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const unsigned cut_start[] = { 0, 2, 3 }, cut_end[] = { 0, 3, 2 };
	size_t n = t.n + skip, at = 0;
	char *out = arena_get(a, (n + 2) / 3 * 4 + 1);
	for (size_t i = 0; i < n; i += 3) {
		uint32_t group = 0;
		for (size_t k = i; k < i + 3; k++)
			group = group << 8 | (uint32_t)(k < skip || k >= n ? 0 : t.p[k - skip]);
		for (unsigned k = 0; k < 4; k++)
			out[at++] = i + k > n ? '=' : letters[group >> (18 - 6 * k) & 63];
	}
	size_t from = bare ? cut_start[skip] : 0,
	       to = bare ? at - (n ? cut_end[(length + skip) % 3] : 0) : at;
	return of_bytes(a, bytes_of(out + from, to > from ? to - from : 0));
}

static bool encode(struct compiler *c, const struct yaml_node *at, const struct step *step, struct texts *t)
{
	struct arena *a = &c->d->memory;
	bool offsets = step->mod == MOD_BASE64OFFSET;
	struct pattern *out = arena_get(a, 3 * t->n * sizeof *out);
	for (size_t i = 0; i < t->n; i++) {
		if (t->list[i].wild) {
			compile_error(c, at, "E158",
				"a text with wildcards has no Base64: \"contains\" and its like come after "
				"\"%s\"",
				step->name);
			return false;
		}
		size_t backslashes;
		struct bytes raw = escaped(a, &t->list[i], &backslashes);
		if (backslashes)
			compile_warning(c, at, "W159",
				"the backslash before a literal * or ? is encoded too, as other Sigma tools "
				"do");
		if (!offsets)
			t->list[i] = base64(a, raw, 0, false, raw.n);
		for (unsigned k = 0; offsets && k < 3; k++)
			out[3 * i + k] = base64(a, raw, k, true, raw.n - backslashes);
	}
	if (offsets)
		become(t, out, 3 * t->n);
	return true;
}

/* ---- dashes ---------------------------------------------------------------------------------- */

/* A dash or slash that begins a word. Wildcards are no letters of a word. */
static bool is_dash(const struct pattern *p, size_t i)
{
	return (p->unit[i] == '-' || p->unit[i] == '/') && (i == 0 || !is_word(p->unit[i - 1])) &&
	       i + 1 < p->n && is_word(p->unit[i + 1]);
}

static bool windash(struct compiler *c, const struct yaml_node *at, struct texts *t)
{
	static const uint32_t dashes[DASHES] = { '-', '/', 0x2013, 0x2014, 0x2015 };
	struct arena *a = &c->d->memory;
	size_t total = 0;
	for (size_t i = 0; i < t->n; i++) {
		size_t ways = 1;
		for (size_t k = 0; k < t->list[i].n && ways <= MAX_DASHED; k++)
			ways *= is_dash(&t->list[i], k) ? DASHES : 1;
		total += ways;
		if (total > MAX_DASHED) {
			compile_error(c, at, "E159", "\"windash\" makes more than %d alternatives of this",
				MAX_DASHED);
			return false;
		}
	}
	struct pattern *out = arena_get(a, total * sizeof *out);
	size_t n = 0;
	for (size_t i = 0; i < t->n; i++) {
		const struct pattern *p = &t->list[i];
		size_t ways = 1;
		for (size_t k = 0; k < p->n; k++)
			ways *= is_dash(p, k) ? DASHES : 1;
		/* The first dash changes slowest. */
		for (size_t way = 0; way < ways; way++) {
			size_t left = way;
			out[n] = pattern_new(a, p->n);
			add_all(&out[n], p, 0, p->n);
			for (size_t k = p->n; k-- > 0;)
				if (is_dash(p, k)) {
					out[n].unit[k] = dashes[left % DASHES];
					left /= DASHES;
				}
			n++;
		}
	}
	become(t, out, n);
	return true;
}

/* ---- placeholders ------------------------------------------------------------------------------ */

/* %name% at i: the name's length, 0 if there is none. */
static size_t placeholder(const struct pattern *p, size_t i)
{
	size_t n = 0;
	if (p->unit[i] != '%')
		return 0;
	while (i + 1 + n < p->n && is_word(p->unit[i + 1 + n]))
		n++;
	return i + 1 + n < p->n && p->unit[i + 1 + n] == '%' ? n : 0;
}

const struct list *list_named(struct compiler *c, const struct yaml_node *at, struct bytes name)
{
	static const char *const reserved[] = { "Administrators", "JumpServers", "Workstations", "Servers",
		"DomainControllers" };
	const struct list *l = c->env->list ? c->env->list(c->env->arg, name) : NULL;
	if (l)
		return l;
	for (size_t k = 0; k < sizeof reserved / sizeof *reserved; k++)
		if (bytes_is(name, reserved[k])) {
			diag_add(c->diag, DIAG_SKIPPED, c->file, at->line, at->column, "S3",
				"the list \"%s\" is not defined here: a document with `kind: lists` can give "
				"it",
				reserved[k]);
			c->ok = false;
			return NULL;
		}
	compile_error(c, at, "E160", "there is no list \"%.*s\": a document with `kind: lists` can give it",
		(int)name.n, (const char *)name.p);
	return NULL;
}

/* Where a text is cut: runs of characters and the lists between them. */
struct cuts {
	struct {
		const struct list *list; /* NULL: characters */
		size_t from, n;
	} part[2 * MAX_PLACEHOLDERS + 1];
	struct pattern text; /* the characters, without the backslashes of \% */
	size_t n, lists;
};

static bool cut(struct compiler *c, const struct yaml_node *at, const struct pattern *p, struct cuts *out)
{
	size_t from = 0;
	out->text = pattern_new(&c->d->memory, p->n);
	for (size_t i = 0; i < p->n; i++) {
		size_t name = placeholder(p, i);
		bool escapes = p->unit[i] == '\\' && i + 1 < p->n && p->unit[i + 1] == '%';
		if (!name) {
			add(&out->text, p->unit[i + escapes]);
			i += escapes;
			continue;
		}
		if (++out->lists > MAX_PLACEHOLDERS) {
			compile_error(
				c, at, "E147", "more than %d placeholders in one value", MAX_PLACEHOLDERS);
			return false;
		}
		struct pattern part = { .unit = p->unit + i + 1, .n = name };
		const struct list *l = list_named(c, at, pattern_bytes(&c->d->memory, &part));
		if (!l)
			return false;
		out->part[out->n].list = NULL;
		out->part[out->n].from = from;
		out->part[out->n++].n = out->text.n - from;
		out->part[out->n++].list = l;
		from = out->text.n;
		i += name + 1;
	}
	out->part[out->n].list = NULL;
	out->part[out->n].from = from;
	out->part[out->n++].n = out->text.n - from;
	return true;
}

static size_t ways_of(const struct cuts *k)
{
	size_t ways = 1;
	for (size_t i = 0; i < k->n && ways <= MAX_VALUES; i++)
		ways *= k->part[i].list ? list_size(k->part[i].list) : 1;
	return ways;
}

/* The way-th of all combinations; the first placeholder changes slowest. */
static struct pattern combine(struct arena *a, const struct cuts *k, size_t way)
{
	struct pattern value[2 * MAX_PLACEHOLDERS + 1];
	size_t n = k->text.n;
	for (size_t i = k->n; i-- > 0;) {
		if (!k->part[i].list)
			continue;
		size_t size = list_size(k->part[i].list);
		pattern_parse(a, list_text(k->part[i].list, way % size), true, &value[i]);
		way /= size;
		n += value[i].n;
	}
	struct pattern out = pattern_new(a, n);
	for (size_t i = 0; i < k->n; i++)
		if (k->part[i].list)
			add_all(&out, &value[i], 0, value[i].n);
		else
			add_all(&out, &k->text, k->part[i].from, k->part[i].n);
	return out;
}

static bool expand(struct compiler *c, const struct yaml_node *at, struct texts *t)
{
	struct cuts *cuts = arena_get(&c->d->memory, t->n * sizeof *cuts);
	size_t total = 0, n = 0;
	bool lists = false;
	for (size_t i = 0; i < t->n; i++) {
		if (!cut(c, at, &t->list[i], &cuts[i]))
			return false;
		lists = lists || cuts[i].lists;
		total += ways_of(&cuts[i]);
		if (total > MAX_VALUES) {
			compile_error(
				c, at, "E147", "placeholders make more than %d values of this", MAX_VALUES);
			return false;
		}
	}
	struct pattern *out = arena_get(&c->d->memory, total * sizeof *out);
	for (size_t i = 0; i < t->n; i++)
		for (size_t way = 0, ways = ways_of(&cuts[i]); way < ways; way++)
			out[n++] = combine(&c->d->memory, &cuts[i], way);
	bool many = t->many || lists;
	become(t, out, n);
	t->many = many;
	return true;
}

/* A text that a regular expression takes as it is. */
static void add_quoted(struct pattern *p, struct bytes t)
{
	while (t.n) {
		uint32_t c = utf8_next(&t);
		if (c < 0x80 && !ascii_alnum((int)c))
			add(p, '\\');
		add(p, c);
	}
}

bool regex_expand(struct compiler *c, const struct yaml_node *at, struct bytes *text)
{
	struct arena *a = &c->d->memory;
	struct pattern p = of_bytes(a, *text);
	struct cuts cuts = { 0 };
	if (c->env->as_written)
		return true;
	if (!cut(c, at, &p, &cuts))
		return false;
	size_t n = cuts.text.n;
	for (size_t i = 0; i < cuts.n; i++)
		for (size_t k = 0; cuts.part[i].list && k < list_size(cuts.part[i].list); k++)
			n += 2 * list_text(cuts.part[i].list, k).n + 5;
	struct pattern out = pattern_new(a, n);
	for (size_t i = 0; i < cuts.n; i++) {
		const struct list *l = cuts.part[i].list;
		if (!l) {
			add_all(&out, &cuts.text, cuts.part[i].from, cuts.part[i].n);
			continue;
		}
		for (size_t k = 0; k < list_size(l); k++) {
			for (const char *s = k ? "|" : "(?:"; *s; s++)
				add(&out, (uint8_t)*s);
			add_quoted(&out, list_text(l, k));
		}
		add(&out, ')');
	}
	*text = pattern_bytes(a, &out);
	return true;
}

bool texts_fit(struct compiler *c, const struct yaml_node *at, const struct texts *t)
{
	bool fitted = c->units <= MAX_UNITS;
	for (size_t i = 0; i < t->n; i++)
		c->units += t->list[i].n + 16;
	if (fitted && c->units > MAX_UNITS)
		compile_error(
			c, at, "E147", "the values of this rule come to more than %d characters", MAX_UNITS);
	return c->units <= MAX_UNITS;
}

static bool apply(struct compiler *c, const struct yaml_node *at, const struct step *step, struct texts *t)
{
	switch (step->mod) {
	case MOD_BASE64:
	case MOD_BASE64OFFSET:
		return encode(c, at, step, t);
	case MOD_UTF16:
		for (size_t i = 0; i < t->n; i++)
			t->list[i] = utf16(&c->d->memory, &t->list[i], (enum utf16)step->detail);
		return true;
	case MOD_WINDASH:
		return windash(c, at, t);
	case MOD_EXPAND:
		return expand(c, at, t);
	default:
		for (size_t i = 0; i < t->n; i++)
			pattern_open(&t->list[i], step->mod != MOD_STARTSWITH, step->mod != MOD_ENDSWITH);
		return true;
	}
}

bool texts_step(struct compiler *c, const struct yaml_node *at, const struct step *step, struct texts *t)
{
	return apply(c, at, step, t) && texts_fit(c, at, t);
}
