/*
 * index: which rules of a category an event can fire (policy-language.md section 22).
 *
 * At load each rule gives the cheapest set of parts of which at least one must be true if the rule is: a
 * field with a certain text, number or address, an address in a network, three or more characters inside a
 * text, a class of patient data, a field that is there. An event asks tables by what it holds; rules that no
 * part of it hits are not looked at. Rules without such a part (negations alone) always are. The parts may
 * hit where the rule does not hold, never the other way round.
 *
 * Texts are looked at folded: each character in simple case folding, a byte that is no UTF-8 as itself. Where
 * two texts are equal to a pattern their folded bytes are, whether or not the pattern is cased.
 */
#ifndef WW_DECIDE_INDEX_H
#define WW_DECIDE_INDEX_H

#include "decide/policy_impl.h"

enum { GRAM = 3 }; /* characters (bytes) of a text by which the literals that may stand in it are found */
enum { NETWORK_BITS = 129 };

/* The rules that a part belongs to: index->rule[first] and n - 1 more. */
struct postings {
	uint32_t first, n;
};

struct index_slot {
	uint64_t key; /* 0: empty */
	struct postings rules;
};

struct index_literal {
	struct bytes text; /* folded */
	size_t at;         /* where in it the GRAM stands by which it is found */
	struct postings rules;
	uint32_t next; /* of the same bucket: its place + 1 */
};

/* What may stand inside a text. */
struct index_literals {
	struct index_literal *literal;
	size_t n;
	bool *seen;       /* per bucket: is there any? */
	uint32_t *bucket; /* the first literal's place + 1 */
	unsigned shift;   /* 32 less the binary logarithm of the number of buckets */
};

/* Of a field, what is asked of it. */
struct index_field {
	uint16_t field;
	bool mac, texts, numbers, addresses;
	bool searched;  /* its texts are looked at for keywords too, and are not looked at again for them */
	size_t longest; /* of the texts that are equal to it */
	struct postings exists; /* rules that need it to be there */
	uint8_t *prefix;        /* lengths of networks, in bits of IPv6 */
	unsigned n_prefixes;
	struct index_literals *literals; /* or NULL */
};

struct rule_index {
	size_t n_rules;
	const struct schema *schema;
	struct index_slot *slot; /* open addressing */
	size_t mask;
	uint32_t *rule;
	struct postings always;
	bool phi;
	struct index_field *field;
	size_t n_fields;
	struct index_literals *any;            /* of keywords: in any text of the event; or NULL */
	uint64_t keywords[SCHEMA_FIELDS / 64]; /* fields to be looked at for them, but for those `searched` */
};

/* ---- keys ------------------------------------------------------------------------------------- */

enum part_kind { PART_TEXT, PART_NUMBER, PART_ADDRESS, PART_PHI, PART_NETWORK /* + its length */ };

static inline uint64_t index_mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/* Never 0. The values are the policies' and the wire's: who aims for one key only gets rules looked at. */
static inline uint64_t index_key(unsigned kind, uint16_t field, struct bytes b)
{
	uint64_t h = index_mix((uint64_t)kind << 32 | field, b.n), word;
	for (; b.n >= 8; b = bytes_from(b, 8)) {
		memcpy(&word, b.p, 8);
		h = index_mix(h, word);
	}
	word = 0;
	if (b.n)
		memcpy(&word, b.p, b.n);
	return index_mix(h, word) | 1;
}

uint64_t index_number_key(uint16_t field, long double number);
/* bits: of IPv6. */
uint64_t index_network_key(uint16_t field, const struct addr *a, unsigned bits);
/* gram: three bytes, the first one lowest. */
static inline unsigned index_bucket(const struct index_literals *l, uint32_t gram)
{
	return gram * 0x9e3779b1u >> l->shift;
}

enum { PHI_ANY = 32 }; /* beside the numbers of the classes */

/* Folds a text into out, which has room for FOLD_GROWTH times its bytes (2 may become 3). */
enum { FOLD_GROWTH = 2 };
struct bytes index_fold(struct bytes text, uint8_t *out);

/* ---- use -------------------------------------------------------------------------------------- */

/* In the policy's arena. */
const struct rule_index *index_build(struct policy *p, unsigned category);

/* The rules to be looked at for one event, of one run. */
struct candidates;
struct candidates *candidates_new(const struct policy *p); /* NULL: no memory */
void candidates_free(struct candidates *c);
/* Of the event that the view looks at; x NULL: all of them. */
void candidates_find(struct candidates *c, const struct rule_index *x, struct event_view *v);
/* The first from there on in load order, as a place in of_category; SIZE_MAX: no more. */
size_t candidates_next(const struct candidates *c, size_t from);

#endif
