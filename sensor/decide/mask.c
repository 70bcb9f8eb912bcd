#include "decide/mask.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/json.h"
#include "decide/shapes.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
	TEXT_MAX = 4096,
	MASKED_MAX = TEXT_MAX / 2 * sizeof MASKED, /* every other byte masked */
	/* A seal of n bytes becomes at most 6 * n of escaped text. */
	LINE_MAX_OUT = 6 * 4 * JSON_MAX,
	CACHE_ROWS = 2048,
	CACHE_TEXT = 120,
	PART_LETTERS = 3, /* shortest part of a word that is looked up: privacy_token's three */
	PART_DIGITS = 4,
	EDGE_MIN = 5, /* shortest and longest name looked for at the edges of a word: each costs a hash */
	EDGE_MAX = 20,
};

/* Most suspect texts come again and again: their masked form is kept. */
struct cached {
	uint64_t hash; /* 0: empty */
	uint8_t in_n, out_n;
	uint8_t in[CACHE_TEXT], out[CACHE_TEXT];
};

struct mask {
	const struct privacy_key *key;
	uint64_t *slots; /* first 8 bytes of pseudonyms, 0: empty; open addressing, at most half full */
	uint64_t slot_mask, used, cap;
	uint64_t lost;
	struct cached *cache;
	bool cache_used;
	uint8_t *line;
	uint8_t hit[TEXT_MAX];
	uint8_t out[MASKED_MAX];
};

static void *map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static size_t slots_bytes(const struct mask *m)
{
	return (m->slot_mask + 1) * sizeof *m->slots;
}

struct mask *mask_new(const struct privacy_key *key, const struct limits *l)
{
	struct mask *m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	m->key = key;
	m->cap = l->phi_tokens;
	m->slot_mask = 1;
	while (m->slot_mask + 1 < 2 * m->cap)
		m->slot_mask = m->slot_mask << 1 | 1;
	m->slots = map(slots_bytes(m));
	m->cache = map(CACHE_ROWS * sizeof *m->cache);
	m->line = map(LINE_MAX_OUT);
	if (m->slots && m->cache && m->line)
		return m;
	mask_free(m);
	return NULL;
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	if (m->slots)
		munmap(m->slots, slots_bytes(m));
	if (m->cache)
		munmap(m->cache, CACHE_ROWS * sizeof *m->cache);
	if (m->line)
		munmap(m->line, LINE_MAX_OUT);
	free(m);
}

uint64_t mask_lost(const struct mask *m)
{
	return m->lost;
}

/* ---- what is a patient's ----------------------------------------------------------------- */

/* The slot where this pseudonym is or would be. Pseudonyms are keyed and spread evenly: no further hash. */
static uint64_t *slot_of(const struct mask *m, const struct pseudonym *p, uint64_t *value)
{
	uint64_t v;
	memcpy(&v, p->b, sizeof v);
	v += v == 0;
	*value = v;
	uint64_t at = v & m->slot_mask;
	while (m->slots[at] && m->slots[at] != v)
		at = (at + 1) & m->slot_mask;
	return &m->slots[at];
}

static void learn(struct mask *m, const struct pseudonym *p)
{
	uint64_t v, *slot = slot_of(m, p, &v);
	if (*slot == v)
		return;
	if (m->used == m->cap) {
		m->lost++;
		return;
	}
	*slot = v;
	m->used++;
}

/* The single words of an address (a city), of a diagnosis or a free text are anybody's ("LAB", "CHEST"): only
 * the whole.
 */
static bool words_name_someone(enum privacy class)
{
	return class != PHI_ADDRESS && class != PHI_DIAGNOSIS && class != PHI_FREE_TEXT && class != PHI_IMAGE;
}

void mask_learn(struct mask *m, const struct event *e)
{
	m->lost += (e->flags & EVENT_PHI_LOST) != 0;
	FACT_EACH (f, e) {
		for (unsigned i = 0; f->type == FACT_PHI && i < fact_count(f); i++) {
			struct phi_fact phi;
			struct bytes v = fact_value(f, i);
			if (v.n != sizeof phi)
				continue;
			memcpy(&phi, v.p, sizeof phi);
			learn(m, &phi.whole);
			for (unsigned t = 0;
				words_name_someone(phi.class) && t < phi.n_tokens && t < PHI_TOKENS; t++)
				learn(m, &phi.token[t]);
		}
	}
	if (m->cache_used)
		memset(m->cache, 0, CACHE_ROWS * sizeof *m->cache);
	m->cache_used = false;
}

static bool is_known(const struct mask *m, struct bytes word)
{
	uint64_t v;
	struct pseudonym p = privacy_pseudonym(m->key, word);
	return *slot_of(m, &p, &v) == v;
}

enum kind { KIND_OTHER, KIND_DIGIT, KIND_LOWER, KIND_UPPER };

static enum kind kind_of(uint8_t c)
{
	if (ascii_digit(c))
		return KIND_DIGIT;
	if (c >= 'a' && c <= 'z')
		return KIND_LOWER;
	return c >= 'A' && c <= 'Z' ? KIND_UPPER : KIND_OTHER;
}

/* Where the part that begins at `from` ends: between letters and digits, and before the capital of the next
 * word in JohnSmith. */
static size_t part_end(struct bytes word, size_t from, bool split_case)
{
	size_t to = from + 1;
	for (; to < word.n; to++) {
		enum kind a = kind_of(word.p[to - 1]), b = kind_of(word.p[to]);
		if ((a == KIND_DIGIT) != (b == KIND_DIGIT) ||
			(split_case && a == KIND_LOWER && b == KIND_UPPER))
			break;
	}
	return to;
}

static bool part_is_known(const struct mask *m, struct bytes part, bool whole)
{
	bool number = ascii_digit(part.p[0]);
	if (part.n < (number ? PART_DIGITS : PART_LETTERS))
		return false;
	if (!whole && is_known(m, part))
		return true;
	for (size_t n = EDGE_MIN; !number && n < part.n && n <= EDGE_MAX; n++)
		if (is_known(m, bytes_first(part, n)) || is_known(m, bytes_from(part, part.n - n)))
			return true;
	return false;
}

static bool word_is_known(const struct mask *m, struct bytes word)
{
	if (is_known(m, word))
		return true;
	for (unsigned split_case = 0; split_case < 2; split_case++)
		for (size_t at = 0, end; at < word.n; at = end) {
			end = part_end(word, at, split_case);
			if (part_is_known(m, bytes_sub(word, at, end - at), end - at == word.n))
				return true;
		}
	return false;
}

/* ---- text -------------------------------------------------------------------------------- */

static struct bytes replace_hits(struct mask *m, struct bytes text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (!m->hit[i]) {
			m->out[n++] = text.p[i];
		} else if (i == 0 || !m->hit[i - 1]) {
			memcpy(m->out + n, MASKED, sizeof MASKED - 1);
			n += sizeof MASKED - 1;
		}
	}
	return bytes_of(m->out, n);
}

static struct bytes mask_fresh(struct mask *m, struct bytes text)
{
	memset(m->hit, 0, text.n);
	shapes_mark(text, m->hit);
	if (is_known(m, text))
		memset(m->hit, 1, text.n);
	struct bytes word;
	for (size_t at = 0; (word = privacy_token(text, &at)).n > 0;) {
		size_t from = at - word.n;
		if (!m->hit[from] && word_is_known(m, word))
			memset(m->hit + from, 1, word.n);
	}
	return replace_hits(m, text);
}

struct bytes mask_text(struct mask *m, struct bytes suspect)
{
	static const struct hash_key hash_key = { 1, 2 }; /* a lost row costs time only */
	struct bytes text = bytes_first(suspect, TEXT_MAX);
	if (m->lost && text.n)
		return bytes_str(MASKED);
	if (text.n == 0 || text.n > CACHE_TEXT)
		return mask_fresh(m, text);
	uint64_t hash = hash_bytes(&hash_key, text.p, text.n) | 1;
	struct cached *row = &m->cache[(hash >> 32) % CACHE_ROWS];
	if (row->hash == hash && bytes_eq(text, bytes_of(row->in, row->in_n)))
		return bytes_of(row->out, row->out_n);
	struct bytes shown = mask_fresh(m, text);
	if (shown.n > CACHE_TEXT)
		return shown;
	row->hash = hash;
	row->in_n = (uint8_t)text.n;
	row->out_n = (uint8_t)shown.n;
	memcpy(row->in, text.p, text.n);
	memcpy(row->out, shown.p, shown.n);
	m->cache_used = true;
	return shown;
}

static size_t hex4(struct bytes b)
{
	size_t v = 0;
	for (size_t i = 0; i < b.n; i++) {
		uint8_t c = b.p[i];
		v = v << 4 | (size_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
	}
	return v;
}

struct bytes mask_line(struct mask *m, struct bytes line)
{
	size_t n = 0;
	struct cur c = cur_of(line);
	while (cur_more(&c)) {
		struct bytes all = cur_peek(&c);
		struct bytes plain = cur_take(&c, bytes_chr(all, 0, JSON_SEAL));
		memcpy(m->line + n, plain.p, plain.n);
		n += plain.n;
		if (!cur_more(&c))
			break;
		struct bytes head = cur_take(&c, JSON_SEAL_HEAD);
		struct bytes sealed = cur_take(&c, hex4(bytes_from(head, 1)));
		ASSERT(cur_ok(&c));
		n += json_escape(mask_text(m, sealed), m->line + n);
	}
	return bytes_of(m->line, n);
}
