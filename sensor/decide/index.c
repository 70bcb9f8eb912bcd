/* The event's side: what it holds is asked of the tables. */
#include "decide/index.h"

#include "decide/detect_impl.h"

#include <stdlib.h>

enum { LONGEST = 65536, WORD = 64 };
#define COMMON_BITS ((UINT64_C(1) << COMMON_N) - 1)
_Static_assert((int)COMMON_N < (int)WORD, "");

struct candidates {
	size_t n_words;
	uint64_t *word; /* a bit per rule of the category */
	uint64_t *used; /* a bit per word: only those are cleared and read */
	bool all;
	const struct rule_index *x;
	uint8_t folded[FOLD_GROWTH * LONGEST];
};

/* ---- keys ------------------------------------------------------------------------------------- */

uint64_t index_number_key(uint16_t field, long double number)
{
	double d = (double)number;
	d = d == 0 ? 0 : d; /* -0 */
	return index_key(PART_NUMBER, field, bytes_of(&d, sizeof d));
}

uint64_t index_network_key(uint16_t field, const struct addr *a, unsigned bits)
{
	uint8_t net[16];
	memcpy(net, a->b, sizeof net);
	for (unsigned i = bits / 8; i < sizeof net; i++) {
		unsigned keep = i == bits / 8 ? ~(0xffu >> bits % 8) : 0;
		net[i] = (uint8_t)(net[i] & keep);
	}
	return index_key(PART_NETWORK + bits, field, bytes_of(net, sizeof net));
}

/* The characters of ASCII that a text begins with; gives how many. */
static size_t fold_ascii(struct bytes text, uint8_t *out)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	size_t n = 0;
	/* Eight at a time: bit 7 of a byte is set by adding when it is at least 'A', at least 'Z' + 1. */
	for (uint64_t w; n + sizeof w <= text.n; n += sizeof w) {
		memcpy(&w, text.p + n, sizeof w);
		if (w & ones * 0x80)
			break;
		uint64_t upper = (w + ones * (0x80 - 'A')) & ~(w + ones * (0x80 - 'Z' - 1)) & ones * 0x80;
		w |= upper >> 2;
		memcpy(out + n, &w, sizeof w);
	}
	for (; n < text.n && text.p[n] < 0x80; n++)
		out[n] = ascii_lower(text.p[n]);
	return n;
}

struct bytes index_fold(struct bytes text, uint8_t *out)
{
	size_t n = 0;
	while (text.n) {
		size_t plain = fold_ascii(text, out + n);
		n += plain;
		text = bytes_from(text, plain);
		if (!text.n)
			break;
		uint32_t c = utf8_fold(utf8_next(&text));
		if (c >= UTF8_RAW)
			out[n++] = (uint8_t)(c - UTF8_RAW);
		else
			n += utf8_put(c, out + n);
	}
	return bytes_of(out, n);
}

/* ---- what is hit ------------------------------------------------------------------------------- */

static void hit(struct candidates *c, struct postings p)
{
	for (uint32_t i = 0; i < p.n; i++) {
		uint32_t rule = c->x->rule[p.first + i];
		c->word[rule / WORD] |= UINT64_C(1) << rule % WORD;
		c->used[rule / WORD / WORD] |= UINT64_C(1) << rule / WORD % WORD;
	}
}

static void ask(struct candidates *c, uint64_t key)
{
	const struct rule_index *x = c->x;
	for (size_t at = key >> 1 & x->mask; x->slot[at].key; at = (at + 1) & x->mask)
		if (x->slot[at].key == key) {
			hit(c, x->slot[at].rules);
			return;
		}
}

static void found_gram(
	struct candidates *c, const struct index_literals *l, struct bytes t, size_t i, unsigned b)
{
	for (uint32_t k = l->bucket[b]; k; k = l->literal[k - 1].next) {
		const struct index_literal *one = &l->literal[k - 1];
		if (i >= one->at && bytes_eq(bytes_sub(t, i - one->at, one->text.n), one->text))
			hit(c, one->rules);
	}
}

static void find_literals(struct candidates *c, const struct index_literals *l, struct bytes t)
{
	uint32_t gram = 0;
	for (size_t i = 0; i < t.n; i++) {
		gram = gram >> 8 | (uint32_t)t.p[i] << 16;
		unsigned b = index_bucket(l, gram);
		if (l->seen[b] && i + 1 >= GRAM)
			found_gram(c, l, t, i + 1 - GRAM, b);
	}
}

/* ---- one element --------------------------------------------------------------------------------- */

static void ask_address(struct candidates *c, const struct index_field *f, const struct addr *a)
{
	if (a->family == 0)
		return;
	if (f->addresses)
		ask(c, index_key(PART_ADDRESS, f->field, bytes_of(a->b, sizeof a->b)));
	for (unsigned i = 0; i < f->n_prefixes; i++)
		ask(c, index_network_key(f->field, a, f->prefix[i]));
}

static void ask_text(struct candidates *c, const struct index_field *f, struct bytes folded)
{
	if (f->texts && folded.n <= f->longest)
		ask(c, index_key(PART_TEXT, f->field, folded));
}

/* Could it be a number for element_number? */
static bool begins_number(enum fact_type type, struct bytes raw)
{
	int first = bytes_at(raw, 0);
	return type == FACT_UINT || type == FACT_INT ||
	       (type == FACT_STR && (ascii_digit(first) || first == '-' || first == '+' || first == '.'));
}

static void ask_element(
	struct candidates *c, const struct index_field *f, enum fact_type type, struct bytes raw)
{
	char text[ELEMENT_TEXT];
	long double number;
	struct addr a = { 0 };
	if (type == FACT_PHI)
		return;
	if (f->numbers && begins_number(type, raw) && element_number(type, raw, &number))
		ask(c, index_number_key(f->field, number));
	if (type == FACT_IP) {
		bytes_copy(&a, sizeof a, raw);
		ask_address(c, f, &a);
	} else if (type == FACT_STR && f->n_prefixes && addr_parse(raw, &a)) {
		ask_address(c, f, &a);
	}
	if (!f->literals && (!f->texts || type == FACT_IP))
		return;
	struct bytes have = index_fold(element_text(type, raw, text), c->folded);
	ask_text(c, f, have);
	if (type == FACT_BYTES && bytes_at(have, 0) == '0') /* of a number, written without it */
		ask_text(c, f, bytes_from(have, 1));
	if (f->literals)
		find_literals(c, f->literals, have);
	if (f->searched && keyword_sees(type))
		find_literals(c, c->x->any, have);
}

static void ask_field(struct candidates *c, const struct index_field *f, const struct view *v)
{
	struct leaf leaf = v->get(v, f->field);
	if (leaf.n == 0)
		return;
	hit(c, f->exists);
	/* MAC addresses were taken for the pattern without its separators, and nothing else was. */
	if ((leaf.type == FACT_MAC) != f->mac)
		c->all = true;
	struct leaf_walk w = leaf_walk(&leaf);
	struct bytes raw;
	while ((f->texts || f->numbers || f->addresses || f->n_prefixes || f->literals) &&
		leaf_next(&w, &raw)) {
		if (raw.n > LONGEST)
			c->all = true;
		else
			ask_element(c, f, leaf.type, raw);
	}
}

/* ---- keywords ---------------------------------------------------------------------------------- */

static void ask_any(struct candidates *c, const struct view *v, uint16_t field)
{
	if (!(c->x->keywords[field / WORD] >> field % WORD & 1))
		return;
	struct leaf leaf = v->get(v, field);
	struct leaf_walk w = leaf_walk(&leaf);
	struct bytes raw;
	char text[ELEMENT_TEXT];
	while (keyword_sees(leaf.type) && leaf_next(&w, &raw)) {
		if (raw.n > LONGEST)
			c->all = true;
		else
			find_literals(
				c, c->x->any, index_fold(element_text(leaf.type, raw, text), c->folded));
	}
}

static void ask_keywords(struct candidates *c, struct event_view *ev)
{
	size_t n;
	const struct view *v = event_view_as_view(ev);
	const uint16_t *filled = event_view_filled(ev, &n);
	for (uint64_t left = c->x->keywords[0] & COMMON_BITS; left; left &= left - 1)
		ask_any(c, v, (uint16_t)__builtin_ctzll(left));
	for (size_t i = 0; i < n; i++)
		if (filled[i] >= COMMON_N)
			ask_any(c, v, filled[i]);
}

/* ---- events ------------------------------------------------------------------------------------- */

static void ask_phi(struct candidates *c, uint32_t phi)
{
	for (uint8_t i = 0; i <= PHI_ANY; i++)
		if (i == PHI_ANY ? phi != 0 : phi >> i & 1)
			ask(c, index_key(PART_PHI, FIELD_EVENT, bytes_of(&i, 1)));
}

void candidates_find(struct candidates *c, const struct rule_index *x, struct event_view *ev)
{
	const struct view *v = event_view_as_view(ev);
	for (size_t i = 0; i <= c->n_words / WORD; c->used[i++] = 0)
		for (uint64_t left = c->used[i]; left; left &= left - 1)
			c->word[i * WORD + (size_t)__builtin_ctzll(left)] = 0;
	c->x = x;
	c->all = !x;
	if (!x)
		return;
	hit(c, x->always);
	if (x->phi && v->phi)
		ask_phi(c, v->phi);
	for (size_t i = 0; i < x->n_fields; i++)
		ask_field(c, &x->field[i], v);
	if (x->any)
		ask_keywords(c, ev);
}

size_t candidates_next(const struct candidates *c, size_t from)
{
	if (c->all)
		return from;
	for (size_t w = from / WORD; w < c->n_words;) {
		uint64_t used = c->used[w / WORD] >> w % WORD;
		if (!used) {
			w = (w / WORD + 1) * WORD;
			continue;
		}
		w += (size_t)__builtin_ctzll(used);
		uint64_t left = c->word[w];
		if (w == from / WORD)
			left &= ~UINT64_C(0) << from % WORD;
		if (left)
			return w * WORD + (size_t)__builtin_ctzll(left);
		w++;
	}
	return SIZE_MAX;
}

struct candidates *candidates_new(const struct policy *p)
{
	struct candidates *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->n_words = p->n_rules / WORD + 1;
	c->word = calloc(c->n_words, sizeof *c->word);
	c->used = calloc(c->n_words / WORD + 1, sizeof *c->used);
	if (c->word && c->used)
		return c;
	candidates_free(c);
	return NULL;
}

void candidates_free(struct candidates *c)
{
	if (!c)
		return;
	free(c->word);
	free(c->used);
	free(c);
}
