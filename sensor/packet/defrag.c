#include "packet/defrag.h"

#include "base/assert.h"
#include "base/map.h"

#define WAIT_NS 30000000000u

enum {
	PIECE_BYTES = 2048, /* so that an Ethernet frame's fragment is one piece */
	PIECES = 512,       /* of one datagram: its list is walked for each fragment */
	HEAD_BYTES = 256,
	PAYLOAD_MOST = 65535,
	JOINED_BYTES = HEAD_BYTES + PAYLOAD_MOST + 1,
};

struct key {
	struct addr src, dst;
	uint32_t id, vni;
	uint8_t proto; /* IPv6: 0, RFC 8200 4.5 tells datagrams apart without it */
	bool is_v6;
};

struct datagram {
	struct key key;
	uint64_t hash, begun_ns;
	uint32_t older, newer;
	uint32_t first, last; /* pieces, in order, without overlap */
	uint32_t pieces_n;
	uint32_t have, total; /* payload bytes; total 0: the last fragment did not come yet */
	uint16_t head_n, next_at;
	uint8_t proto;
	bool is_dropped; /* contradicted itself: what still comes of it is passed by */
	uint8_t head[HEAD_BYTES];
};

/* Apart from its bytes: a datagram's list is walked more often than it is read. */
struct piece {
	uint32_t next;
	uint16_t at, n;
};

static struct datagram *datagram_at(const struct defrag *g, uint32_t i)
{
	return pool_at(&g->datagrams, i);
}

static struct piece *piece_at(const struct defrag *g, uint32_t i)
{
	return &g->heads[i];
}

static uint8_t *data_at(const struct defrag *g, uint32_t i)
{
	return pool_at(&g->pieces, i);
}

static size_t heads_bytes(const struct defrag *g)
{
	return ((size_t)g->pieces.cap + 1) * sizeof *g->heads;
}

bool defrag_init(
	struct defrag *g, const struct limits *limits, struct counters *counters, const struct hash_key *key)
{
	*g = (struct defrag){ .counters = counters, .key = *key };
	bool ok = pool_init(&g->datagrams, sizeof(struct datagram), limits->fragments);
	ok = pool_init(&g->pieces, PIECE_BYTES, limits->fragment_kib * 1024 / PIECE_BYTES) && ok;
	ok = table_init(&g->table, limits->fragments) && ok;
	g->heads = map_new(heads_bytes(g));
	g->joined = map_new(JOINED_BYTES);
	return ok && g->heads && g->joined;
}

static void give_pieces(struct defrag *g, struct datagram *d)
{
	for (uint32_t i = d->first, next; i; i = next) {
		next = piece_at(g, i)->next;
		pool_put(&g->pieces, i);
	}
	d->first = d->last = 0;
	d->pieces_n = 0;
}

static void datagram_put(struct defrag *g, uint32_t i)
{
	struct datagram *d = datagram_at(g, i);
	give_pieces(g, d);
	table_del(&g->table, d->hash, i);
	*(d->older ? &datagram_at(g, d->older)->newer : &g->oldest) = d->newer;
	*(d->newer ? &datagram_at(g, d->newer)->older : &g->newest) = d->older;
	pool_put(&g->datagrams, i);
}

/* Its fragments did not all come, or others need the room. */
static void lose_oldest(struct defrag *g)
{
	g->counters->fragments_lost += !datagram_at(g, g->oldest)->is_dropped;
	datagram_put(g, g->oldest);
}

static void drop(struct defrag *g, struct datagram *d)
{
	g->counters->fragments_lost += !d->is_dropped;
	d->is_dropped = true;
	give_pieces(g, d);
}

void defrag_fini(struct defrag *g)
{
	while (g->oldest)
		lose_oldest(g);
	map_free(g->heads, heads_bytes(g));
	g->heads = NULL;
	pool_fini(&g->datagrams);
	pool_fini(&g->pieces);
	table_fini(&g->table);
	map_free(g->joined, JOINED_BYTES);
	g->joined = NULL;
}

/* ---- which datagram ---------------------------------------------------------------------- */

static uint64_t hash_of(const struct defrag *g, const struct key *k)
{
	uint32_t words[11] = { [8] = k->id, [9] = k->vni, [10] = (uint32_t)k->proto << 1 | k->is_v6 };
	memcpy(words, k->src.b, 16);
	memcpy(words + 4, k->dst.b, 16);
	return hash_bytes(&g->key, words, sizeof words);
}

static bool key_eq(const struct key *a, const struct key *b)
{
	return a->id == b->id && a->vni == b->vni && a->proto == b->proto && a->is_v6 == b->is_v6 &&
	       addr_eq(&a->src, &b->src) && addr_eq(&a->dst, &b->dst);
}

static uint32_t begin(struct defrag *g, const struct key *k, uint64_t hash, uint64_t ts_ns)
{
	uint32_t i = pool_get(&g->datagrams);
	if (!i) {
		g->counters->full_fragments++;
		if (!g->oldest)
			return 0;
		lose_oldest(g);
		i = pool_get(&g->datagrams);
	}
	if (!i)
		return 0;
	struct datagram *d = datagram_at(g, i);
	d->key = *k;
	d->hash = hash;
	d->begun_ns = ts_ns;
	d->older = g->newest;
	*(g->newest ? &datagram_at(g, g->newest)->newer : &g->oldest) = i;
	g->newest = i;
	table_put(&g->table, hash, i);
	return i;
}

static uint32_t find(struct defrag *g, const struct packet *p, const struct fragment *f)
{
	struct key k = { .src = p->src, .dst = p->dst, .id = f->id, .vni = p->vni, .is_v6 = f->is_v6 };
	k.proto = f->is_v6 ? 0 : f->proto;
	uint64_t hash = hash_of(g, &k);
	for (uint32_t at = table_first(&g->table, hash), i; (i = table_at(&g->table, at, hash)) != TABLE_END;
		at = table_next(&g->table, at))
		if (i && key_eq(&datagram_at(g, i)->key, &k))
			return i;
	return begin(g, &k, hash, p->ts_ns);
}

/* ---- its pieces -------------------------------------------------------------------------- */

/* Where the last of its pieces ends. */
static uint32_t end_of(const struct defrag *g, const struct datagram *d)
{
	const struct piece *last = piece_at(g, d->last);
	return d->last ? (uint32_t)last->at + last->n : 0;
}

struct repeat {
	size_t bytes; /* that other fragments brought before */
	bool differs;
};

static struct repeat repeated(
	const struct defrag *g, const struct datagram *d, uint32_t at, struct bytes data)
{
	struct repeat r = { 0 };
	if (at >= end_of(g, d))
		return r; /* in order, as most come */
	for (uint32_t i = d->first; i; i = piece_at(g, i)->next) {
		const struct piece *q = piece_at(g, i);
		uint32_t from = q->at > at ? q->at : at, q_end = (uint32_t)q->at + q->n;
		uint32_t end = at + (uint32_t)data.n;
		end = q_end < end ? q_end : end;
		if (from >= end)
			continue;
		r.bytes += end - from;
		r.differs = r.differs || !bytes_eq(bytes_of(data_at(g, i) + (from - q->at), end - from),
						 bytes_sub(data, from - at, end - from));
	}
	return r;
}

/* A piece, if need be an older datagram's; 0: this is the oldest. */
static uint32_t piece_get(struct defrag *g, const struct datagram *d)
{
	uint32_t i = pool_get(&g->pieces);
	g->counters->full_fragment_kib += !i;
	while (!i && datagram_at(g, g->oldest) != d) {
		lose_oldest(g);
		i = pool_get(&g->pieces);
	}
	return i;
}

/* Bytes for a place that is free, behind piece `after` (0: in front). False: no room. */
static bool insert(struct defrag *g, struct datagram *d, uint32_t *after, uint32_t at, struct bytes data)
{
	while (data.n) {
		uint32_t i = d->pieces_n < PIECES ? piece_get(g, d) : 0;
		if (!i)
			return false;
		struct piece *q = piece_at(g, i);
		struct bytes part = bytes_first(data, PIECE_BYTES);
		uint32_t *link = *after ? &piece_at(g, *after)->next : &d->first;
		memcpy(data_at(g, i), part.p, part.n);
		q->at = (uint16_t)at;
		q->n = (uint16_t)part.n;
		q->next = *link;
		*link = i;
		if (d->last == *after)
			d->last = i;
		*after = i;
		d->pieces_n++;
		d->have += (uint32_t)part.n;
		at += (uint32_t)part.n;
		data = bytes_from(data, part.n);
	}
	return true;
}

/* Every byte whose place is free yet: the first bytes win. False: no room. */
static bool fill(struct defrag *g, struct datagram *d, uint32_t at, struct bytes data)
{
	uint32_t after = at < end_of(g, d) ? 0 : d->last; /* not behind all others: look from the front */
	while (data.n) {
		uint32_t i = after ? piece_at(g, after)->next : d->first;
		const struct piece *q = i ? piece_at(g, i) : NULL;
		uint32_t q_end = q ? (uint32_t)q->at + q->n : 0;
		size_t skip = 0, take = data.n;
		if (q && q_end <= at) {
			take = 0;
		} else if (q && q->at <= at) {
			take = 0;
			skip = q_end - at;
		} else if (q && q->at - at < take) {
			take = q->at - at;
		}
		if (take && !insert(g, d, &after, at, bytes_first(data, take)))
			return false;
		if (!take)
			after = i;
		skip += take;
		at += (uint32_t)skip;
		data = bytes_from(data, skip);
	}
	return true;
}

/* ---- joining ----------------------------------------------------------------------------- */

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The datagram as it would have come in one packet. */
static struct bytes join(struct defrag *g, const struct datagram *d)
{
	uint8_t *head = g->joined;
	ASSERT(d->head_n + (size_t)d->total <= JOINED_BYTES);
	memcpy(head, d->head, d->head_n);
	for (uint32_t i = d->first; i; i = piece_at(g, i)->next) {
		const struct piece *q = piece_at(g, i);
		memcpy(head + d->head_n + q->at, data_at(g, i), q->n);
	}
	if (d->key.is_v6) {
		put16(head + 4, d->head_n - 40u + d->total);
		head[d->next_at] = d->proto;
	} else {
		put16(head + 2, d->head_n + (size_t)d->total);
		put16(head + 6, 0);
		put16(head + 10, 0); /* no checksum: it is not one that was sent */
	}
	g->counters->fragments_joined++;
	return bytes_of(head, d->head_n + (size_t)d->total);
}

/* Cannot be of any datagram: no bytes, not in units of eight though not the last, past the end of what a
 * length field can say (the ping of death). */
static bool is_absurd(const struct fragment *f)
{
	size_t head = f->is_v6 ? f->head.n - 40 : f->head.n;
	return f->data.n == 0 || (f->more && f->data.n % 8) || head + f->at + f->data.n > PAYLOAD_MOST ||
	       f->head.n > HEAD_BYTES;
}

/* Does it contradict what the others say about the datagram's end? */
static bool is_contradiction(const struct defrag *g, const struct datagram *d, const struct fragment *f)
{
	uint32_t end = f->at + (uint32_t)f->data.n;
	return f->more ? d->total && end > d->total : (d->total && d->total != end) || end_of(g, d) > end;
}

/* False: the datagram is given up. */
static bool take(struct defrag *g, struct datagram *d, const struct fragment *f)
{
	if (is_contradiction(g, d, f))
		return false;
	struct repeat r = repeated(g, d, f->at, f->data);
	g->counters->fragments_conflicting += r.differs;
	if (f->is_v6 && r.bytes && (r.differs || r.bytes != f->data.n))
		return false;
	if (f->at == 0 && !d->head_n) {
		memcpy(d->head, f->head.p, f->head.n);
		d->head_n = (uint16_t)f->head.n;
		d->next_at = (uint16_t)f->next_at;
		d->proto = f->proto;
	}
	if (!f->more)
		d->total = f->at + (uint32_t)f->data.n;
	return fill(g, d, f->at, f->data);
}

struct bytes defrag_add(struct defrag *g, const struct packet *p, const struct fragment *f, bool *malformed)
{
	struct bytes whole = { 0 };
	while (g->oldest && p->ts_ns - datagram_at(g, g->oldest)->begun_ns > WAIT_NS)
		lose_oldest(g);
	if (f->is_cut)
		return whole;
	*malformed = is_absurd(f);
	uint32_t i = *malformed ? 0 : find(g, p, f);
	if (!i)
		return whole;
	struct datagram *d = datagram_at(g, i);
	if (d->is_dropped)
		return whole;
	if (!take(g, d, f)) {
		drop(g, d);
		return whole;
	}
	/* The heads of two fragments may differ in length: what the second one allows may be too much here.
	 */
	size_t head = d->key.is_v6 ? d->head_n - 40u : d->head_n;
	if (!d->head_n || !d->total || d->have != d->total)
		return whole;
	if (head + d->total > PAYLOAD_MOST) {
		drop(g, d);
		return whole;
	}
	whole = join(g, d);
	datagram_put(g, i);
	return whole;
}
