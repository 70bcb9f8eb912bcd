#include "decide/known.h"

#include "base/map.h"

#include <stdlib.h>

/* What a pseudonym in the table stands for: it is stored with this added, so that one table serves all. */
enum kind { KIND_WORD = 0, KIND_VALUE = 1, KIND_NUMBER = 2, KIND_PAIR = 3, KIND_TYPED = 4 };

struct known {
	const struct privacy_key *key;
	uint64_t *slots; /* 0: empty; open addressing, at most half full */
	uint64_t slot_mask, used, cap;
	uint64_t lost;
	uint64_t typed_lengths;
	bool unread;
};

static size_t slots_bytes(const struct known *k)
{
	return (k->slot_mask + 1) * sizeof *k->slots;
}

struct known *known_new(const struct privacy_key *key, const struct limits *l)
{
	struct known *k = calloc(1, sizeof *k);
	if (!k)
		return NULL;
	k->key = key;
	k->cap = l->phi_tokens;
	k->slot_mask = 1;
	while (k->slot_mask + 1 < 2 * k->cap)
		k->slot_mask = k->slot_mask << 1 | 1;
	k->slots = map_new(slots_bytes(k));
	if (k->slots)
		return k;
	free(k);
	return NULL;
}

void known_free(struct known *k)
{
	if (!k)
		return;
	map_free(k->slots, slots_bytes(k));
	free(k);
}

uint64_t known_lost(const struct known *k)
{
	return k->lost;
}

bool known_any(const struct known *k)
{
	return k->used > 0;
}

bool known_unread(const struct known *k)
{
	return k->unread;
}

uint64_t known_typed_lengths(const struct known *k)
{
	return k->typed_lengths;
}

/* ---- the table --------------------------------------------------------------------------- */

static uint64_t number_of(const struct pseudonym *p)
{
	uint64_t v;
	memcpy(&v, p->b, sizeof v);
	return v;
}

/* Pseudonyms are keyed and spread evenly: no further hash. */
static uint64_t of_kind(uint64_t v, enum kind kind)
{
	v = (v & ~(uint64_t)7) + kind;
	return v < 8 ? v + 8 : v;
}

static uint64_t *slot_of(const struct known *k, uint64_t v)
{
	uint64_t at = (v ^ v >> 32) & k->slot_mask;
	while (k->slots[at] && k->slots[at] != v)
		at = (at + 1) & k->slot_mask;
	return &k->slots[at];
}

static void add(struct known *k, uint64_t v)
{
	uint64_t *slot = slot_of(k, v);
	if (*slot == v)
		return;
	if (k->used == k->cap) {
		k->lost++;
		return;
	}
	*slot = v;
	k->used++;
}

static bool has(const struct known *k, uint64_t v)
{
	return *slot_of(k, v) == v;
}

/* ---- learning ---------------------------------------------------------------------------- */

static uint64_t pair_of(const struct pseudonym *a, const struct pseudonym *b)
{
	return of_kind(number_of(a) + number_of(b), KIND_PAIR);
}

static bool is_name(enum privacy class)
{
	return class == PHI_PATIENT_NAME || class == PHI_RELATIVE || class == PHI_STAFF_NAME;
}

static bool is_number(enum privacy class)
{
	return class == PHI_MRN || class == PHI_SSN || class == PHI_ACCOUNT || class == PHI_HEALTH_PLAN ||
	       class == PHI_ACCESSION || class == PHI_DEVICE_OF_PATIENT || class == PHI_BIRTH_DATE ||
	       class == PHI_PHONE;
}

/* The single words of an address (a city), of a diagnosis or a free text are anybody's ("LAB", "CHEST"): only
 * the whole. */
static bool words_name_someone(enum privacy class)
{
	return is_name(class) || is_number(class) || class == PHI_EMAIL;
}

static void learn(struct known *k, const struct phi_fact *p)
{
	enum privacy class = (enum privacy)p->class;
	if (class == SECRET) {
		k->typed_lengths |= p->length < 64 ? (uint64_t)1 << p->length : 0;
		add(k, of_kind(number_of(&p->whole), KIND_TYPED));
		return;
	}
	enum kind kind = is_number(class) ? KIND_NUMBER : KIND_WORD;
	unsigned n = p->n_tokens < PHI_TOKENS ? p->n_tokens : PHI_TOKENS;
	/* 12-34-56: no word of it is long enough. A name of words is found by them. */
	if (is_number(class) || n == 0 || !words_name_someone(class))
		add(k, of_kind(number_of(&p->whole), is_number(class) ? KIND_NUMBER : KIND_VALUE));
	for (unsigned i = 0; words_name_someone(class) && i < n; i++) {
		add(k, of_kind(number_of(&p->token[i]), kind));
		for (unsigned j = 0; is_name(class) && j < i; j++)
			if (number_of(&p->token[i]) != number_of(&p->token[j]))
				add(k, pair_of(&p->token[i], &p->token[j]));
	}
}

void known_learn(struct known *k, const struct event *e)
{
	k->lost += (e->flags & EVENT_PHI_LOST) != 0;
	k->unread |= (e->flags & EVENT_PHI_UNREAD) != 0;
	FACT_EACH (f, e) {
		for (unsigned i = 0; f->type == FACT_PHI && i < fact_count(f); i++) {
			struct phi_fact phi;
			struct bytes v = fact_value(f, i);
			if (v.n != sizeof phi)
				continue;
			memcpy(&phi, v.p, sizeof phi);
			learn(k, &phi);
		}
	}
}

/* ---- asking ------------------------------------------------------------------------------ */

struct pseudonym known_pseudonym(const struct known *k, struct bytes word)
{
	return privacy_word(k->key, word);
}

static bool whole_is(const struct known *k, struct bytes text, enum kind kind)
{
	struct pseudonym p = privacy_pseudonym(k->key, text);
	return has(k, of_kind(number_of(&p), kind));
}

bool known_value(const struct known *k, struct bytes text)
{
	return whole_is(k, text, KIND_VALUE) || whole_is(k, text, KIND_NUMBER);
}

bool known_typed(const struct known *k, struct bytes text)
{
	return whole_is(k, text, KIND_TYPED);
}

bool known_number(const struct known *k, struct bytes word)
{
	struct pseudonym p = privacy_word(k->key, word);
	return has(k, of_kind(number_of(&p), KIND_NUMBER));
}

bool known_word(const struct known *k, struct bytes word)
{
	struct pseudonym p = privacy_word(k->key, word);
	uint64_t v = number_of(&p);
	return has(k, of_kind(v, KIND_WORD)) || has(k, of_kind(v, KIND_NUMBER));
}

bool known_pair(const struct known *k, const struct pseudonym *a, const struct pseudonym *b)
{
	return has(k, pair_of(a, b));
}
