#include "decide/baseline.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "packet/categories.h"
#include "packet/dissect.h"

#include <stdlib.h>

/* Values are taken as equal when both hashes are. */
struct digest {
	uint64_t a, b;
};

struct key {
	struct digest digest; /* of the baseline's number too */
	struct digest last;   /* value seen last */
	uint64_t first_ns, last_ns, count;
	uint32_t values, n_values;
	uint32_t older, newer;
	uint16_t baseline;
	bool saturated;
	bool unsaved;
};

struct value_seen {
	struct digest digest; /* of the key too */
	uint64_t last_ns, count;
	uint32_t next;
};

struct baseline_run {
	const struct baselines *all;
	struct counters *counters;
	struct pool keys, values;
	struct table key_of, value_of;
	uint32_t oldest, newest;
	uint8_t says[MAX_BASELINES]; /* bits of enum baseline_is, of the event at hand */
	uint16_t said[MAX_BASELINES];
	size_t n_said;
	uint64_t unsaved; /* keys */
	uint32_t saving;  /* the key saved last in this sweep; 0: none */
	uint8_t *record;  /* being written */
};

/* A key has several values: eight on average is a guess that wastes little when it is wrong. */
enum { VALUES_PER_KEY = 8, SLOT = 16 };
/* A record: version, hash, definition, key and so on, then the values. */
enum {
	RECORD_VERSION = 2,
	RECORD_HEAD = 74,
	RECORD_VALUE = 32,
	RECORD_MOST = RECORD_HEAD + BASELINE_VALUES * RECORD_VALUE
};

struct baseline_run *baselines_start(const struct policy *p, const struct limits *l, struct counters *c)
{
	struct baseline_run *b = calloc(1, sizeof *b);
	if (!b)
		return NULL;
	b->all = p->baselines;
	b->counters = c;
	if (p->baselines->n == 0)
		return b;
	/* A table has two slots of eight bytes for each object. */
	uint64_t one =
		sizeof(struct key) + 2 * SLOT + VALUES_PER_KEY * (sizeof(struct value_seen) + 2 * SLOT);
	uint64_t keys = (l->policy_state_mib << 19) / one;
	if (pool_init(&b->keys, sizeof(struct key), keys) &&
		pool_init(&b->values, sizeof(struct value_seen), keys * VALUES_PER_KEY) &&
		table_init(&b->key_of, keys) && table_init(&b->value_of, keys * VALUES_PER_KEY) &&
		(b->record = map_new(RECORD_MOST)) != NULL)
		return b;
	baselines_stop(b);
	return NULL;
}

void baselines_stop(struct baseline_run *b)
{
	if (!b)
		return;
	pool_fini(&b->keys);
	pool_fini(&b->values);
	table_fini(&b->key_of);
	table_fini(&b->value_of);
	map_free(b->record, RECORD_MOST);
	free(b);
}

/* ---- digests --------------------------------------------------------------------------------------------
 */

static const struct hash_key one = { 0x626173656c696e65, 0x6b6579206f6e6521 },
			     two = { 0x76616c7565732073, 0x65636f6e64206b21 };

/* What a digest is of: texts with their lengths, or where they are long their hashes. */
enum { DIGEST_MOST = 512, DIGEST_LONG = 128 };

struct digested {
	size_t n;
	uint8_t bytes[DIGEST_MOST];
};

static struct digest digest_of(const void *p, size_t n)
{
	return (struct digest){ hash_bytes(&one, p, n), hash_bytes(&two, p, n) };
}

static void digested_add(struct digested *to, const void *p, size_t n)
{
	struct digest d;
	uint32_t length = (uint32_t)n;
	if (n > DIGEST_LONG) {
		d = digest_of(p, n);
		p = &d;
		n = sizeof d;
	}
	if (to->n + sizeof length + n > DIGEST_MOST) {
		struct digest before = digest_of(to->bytes, to->n);
		memcpy(to->bytes, &before, sizeof before);
		to->n = sizeof before;
	}
	memcpy(to->bytes + to->n, &length, sizeof length);
	if (n)
		memcpy(to->bytes + to->n + sizeof length, p, n);
	to->n += sizeof length + n;
}

/* Of `first` and the fields. False: one is absent. */
static bool digest_fields(
	const struct view *v, const uint16_t *fields, unsigned n, struct bytes first, struct digest *d)
{
	struct digested all;
	all.n = 0;
	digested_add(&all, first.p, first.n);
	for (unsigned i = 0; i < n; i++) {
		struct leaf l = v->get(v, fields[i]);
		if (l.n == 0)
			return false;
		digested_add(&all, &l.n, sizeof l.n);
		for (unsigned k = 0; k < l.n; k++) {
			struct bytes raw = l.fact ? fact_value(l.fact, k) : l.values[k];
			digested_add(&all, raw.p, raw.n);
		}
	}
	*d = digest_of(all.bytes, all.n);
	return true;
}

static bool same(const struct digest *x, const struct digest *y)
{
	return x->a == y->a && x->b == y->b;
}

/* ---- keys and values --------------------------------------------------------------------------------------
 */

static struct key *key_at(const struct baseline_run *b, uint32_t i)
{
	return pool_at(&b->keys, i);
}

static struct value_seen *value_at(const struct baseline_run *b, uint32_t i)
{
	return pool_at(&b->values, i);
}

static void lru_take(struct baseline_run *b, uint32_t i)
{
	struct key *k = key_at(b, i);
	*(k->older ? &key_at(b, k->older)->newer : &b->oldest) = k->newer;
	*(k->newer ? &key_at(b, k->newer)->older : &b->newest) = k->older;
}

static void lru_add(struct baseline_run *b, uint32_t i)
{
	struct key *k = key_at(b, i);
	k->older = b->newest;
	k->newer = 0;
	*(b->newest ? &key_at(b, b->newest)->newer : &b->oldest) = i;
	b->newest = i;
}

static void values_drop(struct baseline_run *b, struct key *k)
{
	for (uint32_t i = k->values, next; i; i = next) {
		next = value_at(b, i)->next;
		table_del(&b->value_of, value_at(b, i)->digest.a, i);
		pool_put(&b->values, i);
	}
	k->values = k->n_values = 0;
	k->saturated = false;
}

static void key_drop(struct baseline_run *b, uint32_t i)
{
	struct key *k = key_at(b, i);
	values_drop(b, k);
	lru_take(b, i);
	table_del(&b->key_of, k->digest.a, i);
	b->unsaved -= k->unsaved;
	b->saving = b->saving == i ? 0 : b->saving;
	pool_put(&b->keys, i);
	b->counters->baseline_keys_lost++;
}

/* The key, the last to be let go; 0 when there is no room at all. */
static uint32_t key_get(struct baseline_run *b, size_t baseline, const struct digest *d, uint64_t now)
{
	uint32_t i;
	for (uint32_t at = table_first(&b->key_of, d->a); (i = table_at(&b->key_of, at, d->a)) != TABLE_END;
		at = table_next(&b->key_of, at))
		if (i && same(&key_at(b, i)->digest, d)) {
			lru_take(b, i);
			lru_add(b, i);
			return i;
		}
	if (b->keys.used == b->keys.cap && b->oldest)
		key_drop(b, b->oldest);
	i = pool_get(&b->keys);
	if (!i)
		return 0;
	*key_at(b, i) =
		(struct key){ .digest = *d, .baseline = (uint16_t)baseline, .first_ns = now, .last_ns = now };
	table_put(&b->key_of, d->a, i);
	lru_add(b, i);
	return i;
}

static struct value_seen *value_find(const struct baseline_run *b, const struct digest *d)
{
	uint32_t i;
	for (uint32_t at = table_first(&b->value_of, d->a);
		(i = table_at(&b->value_of, at, d->a)) != TABLE_END; at = table_next(&b->value_of, at))
		if (i && same(&value_at(b, i)->digest, d))
			return value_at(b, i);
	return NULL;
}

/* NULL: the key is saturated, or no other key is left to make room. */
static struct value_seen *value_new(struct baseline_run *b, uint32_t ki, const struct digest *d)
{
	struct key *k = key_at(b, ki);
	if (k->n_values == BASELINE_VALUES) {
		k->saturated = true;
		return NULL;
	}
	while (b->values.used == b->values.cap && b->oldest != ki)
		key_drop(b, b->oldest);
	uint32_t i = pool_get(&b->values);
	if (!i) {
		k->saturated = true; /* from now on it cannot be known what is new */
		return NULL;
	}
	*value_at(b, i) = (struct value_seen){ .digest = *d, .next = k->values };
	table_put(&b->value_of, d->a, i);
	k->values = i;
	k->n_values++;
	return value_at(b, i);
}

/* ---- events -----------------------------------------------------------------------------------------------
 */

static bool is_past(const struct baseline *base, uint64_t last_ns, uint64_t now)
{
	return base->forget_ns && now > last_ns && now - last_ns > base->forget_ns;
}

static unsigned take(struct baseline_run *b, const struct baseline *base, uint32_t ki, const struct digest *d,
	uint64_t now)
{
	struct key *k = key_at(b, ki);
	if (is_past(base, k->last_ns, now)) {
		values_drop(b, k);
		k->count = 0;
		k->first_ns = now;
		k->last = (struct digest){ 0 };
	}
	bool active = now >= k->first_ns && now - k->first_ns >= base->learn_ns &&
		      k->count >= base->min_observations;
	struct value_seen *v = value_find(b, d);
	bool known = v && !is_past(base, v->last_ns, now), full = k->saturated;
	unsigned says = 0;
	if (!v)
		v = value_new(b, ki, d);
	else if (!known)
		v->count = 0;
	k = key_at(b, ki);
	if (v) {
		v->count++;
		v->last_ns = now;
	}
	if (active && !known && v && !full)
		says |= 1u << BASELINE_NEW;
	if (active && v && v->count < base->rare_below)
		says |= 1u << BASELINE_RARE;
	if (active && k->last.a && !same(&k->last, d))
		says |= 1u << BASELINE_CHANGED;
	k->last = *d;
	k->last_ns = now;
	k->count++;
	b->unsaved += !k->unsaved;
	k->unsaved = true;
	return says;
}

void baselines_event(struct baseline_run *b, const struct view *v, const struct event *e, unsigned category)
{
	while (b->n_said)
		b->says[b->said[--b->n_said]] = 0;
	if (!(b->all->categories.word[category / 64] >> category % 64 & 1) ||
		(e->proto == PROTO_flow && e->event != FLOW_EV_END))
		return;
	for (size_t i = 0; i < b->all->n; i++) {
		const struct baseline *base = &b->all->list[i];
		struct digest key, value;
		if (base->category != category ||
			!digest_fields(v, base->key, base->n_key,
				bytes_of(&base->digest, sizeof base->digest), &key) ||
			!digest_fields(v, base->value, base->n_value, bytes_of(&key, sizeof key), &value))
			continue;
		uint32_t ki = key_get(b, i, &key, e->ts_ns);
		if (!ki)
			continue;
		b->says[i] = (uint8_t)take(b, base, ki, &value, e->ts_ns);
		b->said[b->n_said++] = (uint16_t)i;
	}
}

bool baselines_say(const struct baseline_run *b, unsigned baseline, enum baseline_is is)
{
	return baseline < b->all->n && b->says[baseline] >> is & 1;
}

/* ---- beyond the run ---------------------------------------------------------------------------------------
 */

static void put(uint8_t **at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		*(*at)++ = (uint8_t)(v >> 8 * i);
}

static void put_digest(uint8_t **at, const struct digest *d)
{
	put(at, d->a, 8);
	put(at, d->b, 8);
}

static struct digest take_digest(struct cur *c)
{
	uint64_t a = cur_le64(c);
	return (struct digest){ a, cur_le64(c) };
}

static uint64_t record_hash(struct bytes behind_hash)
{
	return hash_bytes(&one, behind_hash.p, behind_hash.n);
}

static struct bytes record_of(const struct baseline_run *b, const struct key *k)
{
	uint8_t *at = b->record + 9, *head = b->record;
	put(&at, b->all->list[k->baseline].digest, 8);
	put_digest(&at, &k->digest);
	put_digest(&at, &k->last);
	put(&at, k->first_ns, 8);
	put(&at, k->last_ns, 8);
	put(&at, k->count, 8);
	put(&at, k->saturated, 1);
	for (uint32_t i = k->values; i; i = value_at(b, i)->next) {
		const struct value_seen *v = value_at(b, i);
		put_digest(&at, &v->digest);
		put(&at, v->last_ns, 8);
		put(&at, v->count, 8);
	}
	struct bytes record = bytes_of(b->record, (size_t)(at - b->record));
	ASSERT(record.n <= RECORD_MOST);
	put(&head, RECORD_VERSION, 1);
	put(&head, record_hash(bytes_from(record, 9)), 8);
	return record;
}

bool baselines_save(struct baseline_run *b, struct baseline_record *out)
{
	uint32_t i = b->saving ? b->saving : b->newest;
	while (i && b->unsaved && !key_at(b, i)->unsaved)
		i = key_at(b, i)->older;
	if (!i || !b->unsaved) {
		b->saving = 0;
		return false;
	}
	struct key *k = key_at(b, i);
	*out = (struct baseline_record){ .name = b->all->list[k->baseline].name,
		.key = bytes_of(&k->digest, sizeof k->digest),
		.state = record_of(b, k),
		.first_ns = k->first_ns,
		.last_ns = k->last_ns,
		.observations = k->count };
	k->unsaved = false;
	b->unsaved--;
	b->saving = i;
	return true;
}

void baselines_save_again(struct baseline_run *b)
{
	if (!b->saving || key_at(b, b->saving)->unsaved)
		return;
	key_at(b, b->saving)->unsaved = true;
	b->unsaved++;
}

void baselines_save_all(struct baseline_run *b)
{
	for (uint32_t i = b->newest; i; i = key_at(b, i)->older) {
		b->unsaved += !key_at(b, i)->unsaved;
		key_at(b, i)->unsaved = true;
	}
}

static int defined_as(const struct baseline_run *b, uint64_t digest)
{
	for (size_t i = 0; i < b->all->n; i++)
		if (b->all->list[i].digest == digest)
			return (int)i;
	return -1;
}

/* The oldest so far: what comes later was seen before. */
static void lru_add_oldest(struct baseline_run *b, uint32_t i)
{
	struct key *k = key_at(b, i);
	k->newer = b->oldest;
	k->older = 0;
	*(b->oldest ? &key_at(b, b->oldest)->older : &b->newest) = i;
	b->oldest = i;
}

static uint32_t restore_value(struct baseline_run *b, struct cur *c)
{
	uint32_t i = pool_get(&b->values);
	if (!i)
		return 0;
	struct value_seen v = { .digest = take_digest(c) };
	v.last_ns = cur_le64(c);
	v.count = cur_le64(c);
	*value_at(b, i) = v;
	table_put(&b->value_of, v.digest.a, i);
	return i;
}

static bool restore_key(struct baseline_run *b, unsigned baseline, struct cur *c)
{
	struct key k = { .baseline = (uint16_t)baseline, .digest = take_digest(c) };
	k.last = take_digest(c);
	k.first_ns = cur_le64(c);
	k.last_ns = cur_le64(c);
	k.count = cur_le64(c);
	k.saturated = cur_u8(c) & 1;
	size_t n = cur_left(c) / RECORD_VALUE;
	if (!cur_ok(c) || n > BASELINE_VALUES || n > b->values.cap - b->values.used ||
		b->keys.used == b->keys.cap)
		return false;
	uint32_t i = pool_get(&b->keys);
	if (!i)
		return false;
	*key_at(b, i) = k;
	table_put(&b->key_of, k.digest.a, i);
	lru_add_oldest(b, i);
	uint32_t *to = &key_at(b, i)->values;
	for (; n > 0; n--) {
		uint32_t at = restore_value(b, c);
		if (!at)
			break;
		*to = at;
		to = &value_at(b, at)->next;
		key_at(b, i)->n_values++;
	}
	return true;
}

bool baselines_restore(struct baseline_run *b, struct bytes state)
{
	struct cur c = cur_of(state);
	uint8_t version = cur_u8(&c);
	uint64_t hash = cur_le64(&c);
	if (!cur_ok(&c) || version != RECORD_VERSION || hash != record_hash(cur_peek(&c)))
		return false;
	int baseline = defined_as(b, cur_le64(&c));
	return baseline >= 0 && restore_key(b, (unsigned)baseline, &c);
}
