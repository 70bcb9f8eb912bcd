#include "decide/mask.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/map.h"
#include "decide/find.h"
#include "decide/readings.h"

#include <stdlib.h>

enum {
	TEXT_MAX = FIND_MAX,
	MASKED_MAX = TEXT_MAX / 2 * sizeof MASKED, /* every other byte masked */
	/* A seal of n bytes becomes at most 6 * n of escaped text. */
	LINE_MAX_OUT = 6 * 4 * JSON_MAX,
	CACHE_ROWS = 2048,
	CACHE_TEXT = 120,
};

/* Most texts come again and again: their masked form is kept. */
struct cached {
	uint64_t hash; /* 0: empty */
	uint8_t kind, in_n, out_n;
	uint8_t in[CACHE_TEXT], out[CACHE_TEXT];
};

struct mask {
	struct known *known;
	struct find *find;
	struct cached *cache;
	bool cache_used;
	uint8_t *line;
	uint8_t hit[TEXT_MAX], wide[TEXT_MAX];
	uint8_t out[MASKED_MAX];
	uint8_t hex[2 * TEXT_MAX];
};

struct mask *mask_new(const struct privacy_key *key, const struct limits *l)
{
	struct mask *m = calloc(1, sizeof *m);
	if (!m)
		return NULL;
	m->known = known_new(key, l);
	m->find = m->known ? find_new(m->known) : NULL;
	m->cache = map_new(CACHE_ROWS * sizeof *m->cache);
	m->line = map_new(LINE_MAX_OUT);
	if (m->find && m->cache && m->line)
		return m;
	mask_free(m);
	return NULL;
}

void mask_free(struct mask *m)
{
	if (!m)
		return;
	find_free(m->find);
	known_free(m->known);
	map_free(m->cache, CACHE_ROWS * sizeof *m->cache);
	map_free(m->line, LINE_MAX_OUT);
	free(m);
}

uint64_t mask_lost(const struct mask *m)
{
	return known_lost(m->known);
}

void mask_learn(struct mask *m, const struct event *e)
{
	known_learn(m->known, e);
	if (m->cache_used)
		memset(m->cache, 0, CACHE_ROWS * sizeof *m->cache);
	m->cache_used = false;
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

static struct bytes mask_fresh(struct mask *m, enum seal kind, struct bytes text)
{
	memset(m->hit, 0, text.n);
	find_mark(m->find, kind == SEAL_PRODUCT, text, m->hit);
	return replace_hits(m, text);
}

static struct bytes mask_kind(struct mask *m, enum seal kind, struct bytes in)
{
	static const struct hash_key hash_key = { 1, 2 }; /* a lost row costs time only */
	struct bytes text = bytes_first(in, TEXT_MAX);
	if (mask_lost(m) && text.n && kind == SEAL_SUSPECT)
		return bytes_str(MASKED);
	if (text.n == 0 || text.n > CACHE_TEXT)
		return mask_fresh(m, kind, text);
	uint64_t hash = hash_bytes(&hash_key, text.p, text.n) | 1;
	struct cached *row = &m->cache[(hash >> 32) % CACHE_ROWS];
	if (row->hash == hash && row->kind == kind && bytes_eq(text, bytes_of(row->in, row->in_n)))
		return bytes_of(row->out, row->out_n);
	struct bytes shown = mask_fresh(m, kind, text);
	if (shown.n > CACHE_TEXT)
		return shown;
	row->hash = hash;
	row->kind = (uint8_t)kind;
	row->in_n = (uint8_t)text.n;
	row->out_n = (uint8_t)shown.n;
	memcpy(row->in, text.p, text.n);
	memcpy(row->out, shown.p, shown.n);
	m->cache_used = true;
	return shown;
}

struct bytes mask_text(struct mask *m, struct bytes suspect)
{
	return mask_kind(m, SEAL_SUSPECT, suspect);
}

struct bytes mask_product(struct mask *m, struct bytes text)
{
	return mask_kind(m, SEAL_PRODUCT, text);
}

/* Bytes that say something in letters or digits, like a DHCP client id that is a host name. */
static bool is_text(struct bytes v)
{
	struct bytes word;
	for (size_t at = 0; (word = privacy_token(v, &at)).n;) {
		size_t ascii = 0;
		for (size_t i = 0; i < word.n && ascii < 4; i++)
			ascii = ascii_alnum(word.p[i]) ? ascii + 1 : 0;
		if (ascii == 4)
			return true;
	}
	return false;
}

static struct bytes mask_bytes(struct mask *m, struct bytes v)
{
	static const uint8_t digits[] = "0123456789abcdef";
	v = bytes_first(v, TEXT_MAX);
	size_t n = read_utf16(v, m->wide, sizeof m->wide);
	bool is_wide = n && is_text(bytes_of(m->wide, n));
	if (is_text(v) || is_wide) {
		struct bytes shown = mask_text(m, v);
		if (!is_wide || bytes_find(shown, 0, bytes_str(MASKED)) < shown.n)
			return shown;
	}
	n = 0;
	for (size_t i = 0; i < v.n; i++) {
		m->hex[n++] = digits[v.p[i] >> 4];
		m->hex[n++] = digits[v.p[i] & 15];
	}
	return bytes_of(m->hex, n);
}

static struct bytes open_seal(struct mask *m, enum seal kind, struct bytes v)
{
	return kind == SEAL_BYTES ? mask_bytes(m, v) : mask_kind(m, kind, v);
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
		struct bytes sealed = cur_take(&c, hex4(bytes_from(head, 2)));
		ASSERT(cur_ok(&c));
		n += json_escape(open_seal(m, (enum seal)bytes_at(head, 1), sealed), m->line + n);
	}
	return bytes_of(m->line, n);
}
