/* Values of a match: what they are grouped by, what is counted (policy-language.md 11.2). */
#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "decide/correlate_state.h"

#include <stdio.h>

enum { FOLDED = 128 };

/* Fixed: equal runs must give equal bytes. */
static const struct hash_key keys[2] = { { 0x636f7272656c6174, 1 }, { 0x636f7272656c6174, 2 } };

/* ---- elements of a leaf --------------------------------------------------------------------- */

struct walk {
	const struct leaf *leaf;
	struct cur list;
	unsigned i;
};

static struct walk walk_of(const struct leaf *l)
{
	struct walk w = { .leaf = l };
	if (l->fact && l->fact->count)
		w.list = cur_of(bytes_of(l->fact->value, l->fact->len));
	return w;
}

static bool walk_next(struct walk *w, struct bytes *out)
{
	const struct leaf *l = w->leaf;
	if (w->i >= l->n)
		return false;
	*out = !l->fact          ? l->values[w->i]
	       : !l->fact->count ? bytes_of(l->fact->value, l->fact->len)
				 : cur_take(&w->list, cur_le16(&w->list));
	w->i++;
	return true;
}

/* ---- hashes ----------------------------------------------------------------------------------- */

/* Without case, as values compare elsewhere in the language (section 7.2). */
static uint64_t text_hash(struct bytes t)
{
	uint32_t folded[FOLDED + 2];
	uint64_t h = 0;
	do {
		size_t n = 2;
		memcpy(folded, &h, sizeof h);
		while (n < FOLDED + 2 && t.n)
			folded[n++] = utf8_fold(utf8_next(&t));
		h = hash_bytes(&keys[0], folded, n * sizeof *folded);
	} while (t.n);
	return h;
}

static uint64_t element_hash(enum fact_type type, struct bytes raw)
{
	return type == FACT_STR ? text_hash(raw) : hash_bytes(&keys[0], raw.p, raw.n);
}

static uint64_t leaf_hash(const struct leaf *l)
{
	struct walk w = walk_of(l);
	struct bytes raw;
	uint64_t pair[2] = { 0, 0 };
	for (unsigned i = 0; walk_next(&w, &raw); i++) {
		pair[1] = element_hash(l->type, raw);
		pair[0] = i ? hash_bytes(&keys[0], pair, sizeof pair) : pair[1];
	}
	return pair[0];
}

/* ---- tuples ----------------------------------------------------------------------------------- */

static bool put(struct tuple *t, unsigned i, const struct leaf *l)
{
	struct walk w = walk_of(l);
	struct bytes raw;
	if (!walk_next(&w, &raw))
		return false;
	size_t room = sizeof t->bytes - t->used, n = raw.n < room ? raw.n : room;
	t->value[i].hash = leaf_hash(l);
	t->value[i].type = (uint8_t)l->type;
	t->value[i].at = t->used;
	t->value[i].len = (uint16_t)n;
	t->value[i].partly = n < raw.n || l->n > 1;
	if (n)
		memcpy(t->bytes + t->used, raw.p, n);
	t->used = (uint16_t)(t->used + n);
	return true;
}

static void copy(struct tuple *t, unsigned i, const struct tuple *from, unsigned k)
{
	t->value[i] = from->value[k];
	t->value[i].at = t->used;
	size_t room = sizeof t->bytes - t->used;
	if (t->value[i].len > room) {
		t->value[i].len = (uint16_t)room;
		t->value[i].partly = true;
	}
	memcpy(t->bytes + t->used, from->bytes + from->value[k].at, t->value[i].len);
	t->used = (uint16_t)(t->used + t->value[i].len);
}

bool tuple_make(const struct correlation *cor, unsigned ref, const struct match *m, struct tuple *out)
{
	const struct corr_ref *r = &cor->refs[ref];
	out->n = (uint16_t)cor->n_by;
	out->used = 0;
	for (unsigned i = 0; i < cor->n_by; i++) {
		if (m->tuple) {
			copy(out, i, m->tuple, r->by[i]);
			continue;
		}
		struct leaf l = m->view->get(m->view, r->by[i]);
		if (!put(out, i, &l))
			return false;
	}
	return true;
}

void tuple_key(const struct correlation *cor, const struct tuple *t, uint64_t key[2])
{
	uint64_t material[MAX_BY + 1] = { cor->number };
	for (unsigned i = 0; i < t->n; i++)
		material[i + 1] = t->value[i].hash;
	for (unsigned k = 0; k < 2; k++)
		key[k] = hash_bytes(&keys[k], material, (t->n + 1u) * sizeof *material);
}

bool match_values(const struct correlation *cor, unsigned ref, const struct match *m,
	void (*fn)(void *arg, enum fact_type type, struct bytes raw, uint64_t hash), void *arg)
{
	const uint16_t *fields = cor->refs[ref].value;
	uint64_t hashes[MAX_BY];
	struct bytes raw;
	if (m->tuple && cor->n_value == 1) {
		unsigned i = fields[0];
		raw = bytes_of(m->tuple->bytes + m->tuple->value[i].at, m->tuple->value[i].len);
		fn(arg, (enum fact_type)m->tuple->value[i].type, raw, m->tuple->value[i].hash);
		return true;
	}
	for (unsigned i = 0; i < cor->n_value; i++) {
		struct leaf l = { 0 };
		if (!m->tuple)
			l = m->view->get(m->view, fields[i]);
		if (!m->tuple && l.n == 0)
			return false;
		struct walk w = walk_of(&l);
		while (cor->n_value == 1 && walk_next(&w, &raw))
			fn(arg, l.type, raw, element_hash(l.type, raw));
		hashes[i] = m->tuple ? m->tuple->value[fields[i]].hash : cor->n_value > 1 ? leaf_hash(&l) : 0;
	}
	if (cor->n_value > 1)
		fn(arg, FACT_BYTES, (struct bytes){ 0 },
			hash_bytes(&keys[0], hashes, cor->n_value * sizeof *hashes));
	return true;
}

/* ---- showing ---------------------------------------------------------------------------------- */

static size_t hex(struct bytes raw, uint8_t *out, size_t room)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;
	for (size_t i = 0; i < raw.n && at + 2 <= room; i++) {
		out[at++] = (uint8_t)digits[raw.p[i] >> 4];
		out[at++] = (uint8_t)digits[raw.p[i] & 15];
	}
	return at;
}

static size_t text(struct bytes raw, uint8_t *out, size_t room)
{
	size_t n = raw.n < room ? raw.n : room;
	if (n)
		memcpy(out, raw.p, n);
	return n;
}

struct bytes tuple_by(const struct rule *r, const struct tuple *t, uint8_t *out, size_t room)
{
	size_t at = 0;
	for (unsigned i = 0; i < r->n_by; i++) {
		unsigned k = r->by[i];
		struct bytes raw = bytes_of(t->bytes + t->value[k].at, t->value[k].len);
		at += text(bytes_str("\x1e"), out + at, room - at);
		at += (t->value[k].type == FACT_STR ? text : hex)(raw, out + at, room - at);
		if (t->value[k].partly) {
			at += text(bytes_str("\x1d"), out + at, room - at);
			at += hex(bytes_of(&t->value[k].hash, sizeof t->value[k].hash), out + at, room - at);
		}
	}
	return bytes_of(out, at);
}

static size_t value_words(enum fact_type type, struct bytes raw, uint8_t *out, size_t room)
{
	char line[128] = "";
	struct addr ip = { 0 };
	struct mac mac = { 0 };
	switch (type) {
	case FACT_STR:
		return text(raw, out, room);
	case FACT_UINT:
		snprintf(line, sizeof line, "%llu", (unsigned long long)value_uint(raw));
		break;
	case FACT_INT:
		snprintf(line, sizeof line, "%lld", (long long)value_uint(raw));
		break;
	case FACT_BOOL:
		return text(bytes_str(bytes_at(raw, 0) > 0 ? "true" : "false"), out, room);
	case FACT_IP:
		memcpy(&ip, raw.p, raw.n < sizeof ip ? raw.n : sizeof ip);
		(void)addr_text(&ip, line);
		break;
	case FACT_MAC:
		memcpy(&mac, raw.p, raw.n < sizeof mac ? raw.n : sizeof mac);
		(void)mac_text(&mac, line);
		break;
	case FACT_TIME:
		time_text(value_uint(raw), line);
		break;
	case FACT_BYTES:
		return hex(raw, out, room);
	case FACT_PHI:
		break; /* has no text */
	}
	return text(bytes_str(line), out, room);
}

void tuple_words(const struct correlation *cor, const struct tuple *t, struct alert_correlation *out)
{
	size_t at = 0;
	out->n_by = t->n;
	for (unsigned i = 0; i < t->n; i++) {
		struct bytes raw = bytes_of(t->bytes + t->value[i].at, t->value[i].len);
		size_t n = value_words(
			(enum fact_type)t->value[i].type, raw, out->text + at, sizeof out->text - at);
		out->by[i].name = cor->by[i];
		out->by[i].privacy = cor->privacy[i];
		out->by[i].at = (uint16_t)at;
		out->by[i].n = (uint16_t)n;
		at += n;
	}
}
