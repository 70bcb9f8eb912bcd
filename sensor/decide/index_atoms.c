/* What of an event a value of a rule cannot do without. When in doubt: nothing, and the rule is always looked
 * at. */
#include "decide/index_impl.h"

enum { LITERAL_MOST = 255 };

void atoms_add(struct arena *a, struct atoms *to, const struct atom *one)
{
	arena_grow(a, &to->list, &to->cap, to->n, sizeof *to->list);
	to->list[to->n++] = *one;
}

static void add_exists(struct arena *a, struct atoms *out, uint16_t field)
{
	struct atom one = { .kind = ATOM_EXISTS, .field = field };
	one.key = index_key(1000 + ATOM_EXISTS, field, (struct bytes){ 0 });
	atoms_add(a, out, &one);
}

static void add_text(struct arena *a, struct atoms *out, uint16_t field, struct bytes text)
{
	struct atom one = { .kind = ATOM_TEXT, .field = field, .text = text };
	one.key = index_key(PART_TEXT, field, text);
	atoms_add(a, out, &one);
}

/* A text that must stand in the field's, or in any for keywords; false: too short to be looked for. */
static bool add_literal(struct arena *a, struct atoms *out, const struct item *it, struct bytes text)
{
	struct atom one = { .kind = it->keyword ? ATOM_ANY : ATOM_LITERAL,
		.field = it->keyword ? 0 : it->field,
		.text = bytes_first(text, LITERAL_MOST) };
	if (text.n < GRAM && it->keyword)
		return false;
	if (text.n < GRAM) {
		add_exists(a, out, it->field);
		return true;
	}
	one.key = index_key(1000 + one.kind, one.field, one.text);
	atoms_add(a, out, &one);
	return true;
}

/* MAC addresses are matched as they are shown, with hyphens: not as patterns see them. */
static bool is_mac(const struct detect *d, const struct item *it)
{
	return !it->keyword && d->schema->type(d->schema, it->field) == FACT_MAC;
}

/* ---- patterns -------------------------------------------------------------------------------------- */

/* n characters of a pattern as folded bytes. */
static struct bytes units(struct arena *a, const uint32_t *unit, size_t n)
{
	uint8_t *out = arena_get(a, 4 * n + 1);
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t c = utf8_fold(unit[i]);
		if (c >= UTF8_RAW)
			out[at++] = (uint8_t)(c - UTF8_RAW);
		else
			at += utf8_put(c, out + at);
	}
	return bytes_of(out, at);
}

/* The longest run between wildcards. */
static struct bytes longest_run(struct arena *a, const struct pattern *p)
{
	size_t best = 0, n = 0;
	for (size_t from = 0; from < p->n; from++) {
		size_t to = from;
		while (to < p->n && p->unit[to] < UNIT_MANY)
			to++;
		if (to - from > n) {
			best = from;
			n = to - from;
		}
		from = to;
	}
	return units(a, p->unit + best, n);
}

static bool pattern_atoms(struct arena *a, const struct detect *d, const struct item *it,
	const struct value *v, struct atoms *out)
{
	const struct pattern *p = is_mac(d, it) ? &v->mac : &v->text;
	bool wild = false;
	for (size_t i = 0; i < p->n; i++)
		wild = wild || p->unit[i] >= UNIT_MANY;
	if (wild)
		return add_literal(a, out, it, longest_run(a, p));
	if (it->keyword)
		return false;
	add_text(a, out, it->field, units(a, p->unit, p->n));
	if (!v->text.wild && v->is_ip) {
		struct atom one = { .kind = ATOM_ADDRESS, .field = it->field };
		one.key = index_key(PART_ADDRESS, it->field, bytes_of(v->ip.b, sizeof v->ip.b));
		atoms_add(a, out, &one);
	}
	return true;
}

/* ---- regular expressions (regex_parse.c says what is accepted) ------------------------------------- */

static size_t after_class(struct bytes t, size_t at)
{
	at++;
	at += bytes_at(t, at) == '^';
	at += bytes_at(t, at) == ']';
	for (; at < t.n && t.p[at] != ']'; at++)
		at += t.p[at] == '\\';
	return at + 1;
}

static size_t after_group(struct bytes t, size_t at)
{
	unsigned depth = 0;
	while (at < t.n) {
		int c = t.p[at];
		if (c == '[') {
			at = after_class(t, at);
			continue;
		}
		if (c == '\\')
			at++;
		depth += c == '(';
		depth -= c == ')';
		at++;
		if (depth == 0)
			break;
	}
	return at;
}

struct run {
	uint8_t now[LITERAL_MOST], best[LITERAL_MOST];
	size_t n, n_best;
};

static void run_end(struct run *r)
{
	if (r->n > r->n_best) {
		bytes_copy(r->best, sizeof r->best, bytes_of(r->now, r->n));
		r->n_best = r->n;
	}
	r->n = 0;
}

static void run_add(struct run *r, int c)
{
	if (r->n == LITERAL_MOST)
		run_end(r);
	r->now[r->n++] = ascii_lower((uint8_t)c);
}

/* What stands at `at`; gives what follows it. Characters beyond ASCII are not compared as they are
 * (regex.h). */
static size_t regex_step(struct run *r, struct bytes t, size_t at)
{
	int c = t.p[at], next = bytes_at(t, at + 1);
	if (c == '[' || c == '(') {
		run_end(r);
		return c == '[' ? after_class(t, at) : after_group(t, at);
	}
	if (c == '*' || c == '?' || c == '{') { /* what stands before may be missing */
		r->n -= r->n > 0;
		run_end(r);
		return c == '{' ? bytes_chr(t, at, '}') + 1 : at + 1;
	}
	if (c == '\\' && next > 0 && next < 0x80 && !ascii_alnum(next)) {
		run_add(r, next);
		return at + 2;
	}
	if (c == '\\' || c == '.' || c == '^' || c == '$' || c == '+' || c >= 0x80 || c == 0) {
		run_end(r);
		return at + 1 + (c == '\\');
	}
	run_add(r, c);
	return at + 1;
}

/* Of each alternative the longest run of characters that is in every text it matches. */
static bool regex_atoms(struct arena *a, const struct item *it, struct bytes t, struct atoms *out)
{
	struct run r = { .n = 0 };
	for (size_t at = 0;;) {
		if (at < t.n && t.p[at] != '|') {
			at = regex_step(&r, t, at);
			continue;
		}
		run_end(&r);
		uint8_t *kept = arena_get(a, r.n_best + 1);
		bytes_copy(kept, r.n_best, bytes_of(r.best, r.n_best));
		if (!add_literal(a, out, it, bytes_of(kept, r.n_best)))
			return false;
		r.n_best = 0;
		if (at >= t.n)
			return true;
		at++;
	}
}

/* ---- other values ------------------------------------------------------------------------------------ */

static void network_atom(struct arena *a, const struct item *it, const struct value *v, struct atoms *out)
{
	struct atom one = { .kind = ATOM_NETWORK, .field = it->field };
	one.bits = (uint8_t)(v->bits + (v->ip.family == 4 ? 96 : 0));
	one.key = index_network_key(it->field, &v->ip, one.bits);
	atoms_add(a, out, &one);
}

static bool phi_atoms(struct arena *a, const struct item *it, const struct value *v, struct atoms *out)
{
	if (it->field != FIELD_EVENT) {
		add_exists(a, out, it->field);
		return true;
	}
	for (uint8_t i = 0; i <= PHI_ANY; i++) {
		if (i == PHI_ANY ? v->phi != UINT32_MAX : v->phi == UINT32_MAX || !(v->phi >> i & 1))
			continue;
		struct atom one = { .kind = ATOM_PHI, .field = FIELD_EVENT };
		one.key = index_key(PART_PHI, FIELD_EVENT, bytes_of(&i, 1));
		atoms_add(a, out, &one);
	}
	return true;
}

static bool any_atoms(struct arena *a, const struct detect *d, const struct item *it, const struct value *v,
	struct atoms *out)
{
	for (unsigned i = 0; i < v->n_any; i++)
		if (!pattern_atoms(a, d, it, &v->any[i], out))
			return false;
	return true;
}

static bool equal_atoms(struct arena *a, const struct detect *d, const struct item *it, const struct value *v,
	struct atoms *out)
{
	struct atom number = { .kind = ATOM_NUMBER, .field = it->field };
	switch (v->kind) {
	case VALUE_PATTERN:
		return pattern_atoms(a, d, it, v, out);
	case VALUE_ANY:
		return any_atoms(a, d, it, v, out);
	case VALUE_REGEX:
		if (!is_mac(d, it))
			return regex_atoms(a, it, v->written, out);
		add_exists(a, out, it->field);
		return true;
	case VALUE_UID:
		return add_literal(a, out, it, v->written);
	case VALUE_BOOL:
		add_text(a, out, it->field, bytes_str(v->truth ? "true" : "false"));
		return true;
	case VALUE_CIDR:
		network_atom(a, it, v, out);
		return true;
	case VALUE_NUMBER:
		number.key = index_number_key(it->field, v->number);
		if (it->compare == COMPARE_EQ)
			atoms_add(a, out, &number);
		else
			add_exists(a, out, it->field);
		return true;
	case VALUE_FIELD:
	case VALUE_LIST:
	case VALUE_VERSION:
		add_exists(a, out, it->field);
		return true;
	default: /* null is true of what is absent */
		return false;
	}
}

bool value_atoms(struct arena *a, const struct detect *d, const struct item *it, const struct value *v,
	struct atoms *out)
{
	if (it->keyword)
		return (v->kind == VALUE_PATTERN || v->kind == VALUE_ANY || v->kind == VALUE_REGEX) &&
		       equal_atoms(a, d, it, v, out);
	switch (it->aspect) {
	case ASPECT_VALUE:
		return !field_is_whole(it->field) && equal_atoms(a, d, it, v, out);
	case ASPECT_PHI:
		return phi_atoms(a, it, v, out);
	case ASPECT_EXISTS:
		if (!v->truth)
			return false;
		add_exists(a, out, it->field);
		return true;
	case ASPECT_LEN:
	case ASPECT_PART:
	case ASPECT_AGE:
		add_exists(a, out, it->field);
		return true;
	default:
		return false;
	}
}
