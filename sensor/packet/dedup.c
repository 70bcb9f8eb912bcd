#include "packet/dedup.h"

#define WINDOW_NS       10000000u
#define SHORT_WINDOW_NS 1000000u

enum { PAYLOAD = 128, HEADER = 60, TCP = 6 };
/* Words of key: two for each 16 bytes and for what is left of them. */
enum { HEADER_WORDS = (HEADER / 16 + 1) * 2, PAYLOAD_WORDS = (PAYLOAD / 16 + 1) * 2 };
_Static_assert(HEADER_WORDS + PAYLOAD_WORDS == DEDUP_WORDS, "a key for each place");

void dedup_init(struct dedup *g, const struct hash_key *key)
{
	*g = (struct dedup){ .seen = 0 };
	for (uint64_t i = 0; i < DEDUP_WORDS; i++)
		g->key[i] = hash_bytes(key, &i, sizeof i);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* A keyed hash by folded multiplication, a key for each place so that no product waits for another: fast, and
 * good enough where a collision that somebody aims for gains nothing (bytes past the first 128 can be changed
 * without one). `words`: the key from there on. */
static uint64_t mix(const uint64_t *words, uint64_t h, struct bytes b)
{
	uint64_t pair[2];
	h += b.n;
	for (; b.n >= sizeof pair; b = bytes_from(b, sizeof pair), words += 2) {
		memcpy(pair, b.p, sizeof pair);
		h += fold(pair[0] ^ words[0], pair[1] ^ words[1]);
	}
	memset(pair, 0, sizeof pair);
	if (b.n)
		memcpy(pair, b.p, b.n);
	return h + fold(pair[0] ^ words[0], pair[1] ^ words[1]);
}

/* The IP header without what changes on the way. *has_id: its sender tells his packets apart. */
static uint64_t hash_ip(const struct dedup *g, const struct packet *p, bool *has_id)
{
	uint8_t head[HEADER] = { 0 };
	bool is_v4 = bytes_at(p->ip, 0) >> 4 == 4;
	size_t n = is_v4 ? (size_t)(bytes_at(p->ip, 0) & 15) * 4 : 40;
	struct bytes header = bytes_first(p->ip, n);
	memcpy(head, header.p, header.n);
	if (is_v4) {
		head[1] = 0;             /* DSCP and ECN */
		head[8] = 0;             /* TTL */
		head[10] = head[11] = 0; /* checksum */
		*has_id = head[4] || head[5];
	} else {
		head[0] = 0x60; /* traffic class, in two bytes */
		head[1] &= 0x0f;
		head[7] = 0; /* hop limit */
		*has_id = p->is_fragment;
	}
	uint64_t h = mix(g->key, p->ip.n << 16, bytes_of(head, header.n));
	return mix(g->key + HEADER_WORDS, h, bytes_sub(p->ip, n, PAYLOAD));
}

static uint64_t hash_other(const struct dedup *g, const struct packet *p)
{
	uint8_t head[sizeof p->smac.b + sizeof p->dmac.b];
	memcpy(head, p->smac.b, sizeof p->smac.b);
	memcpy(head + sizeof p->smac.b, p->dmac.b, sizeof p->dmac.b);
	uint64_t h = mix(g->key, (uint64_t)p->l4_bytes << 32 | p->ethertype, bytes_of(head, sizeof head));
	return mix(g->key + HEADER_WORDS, h ^ (uint64_t)p->payload.n << 16, bytes_first(p->payload, PAYLOAD));
}

static bool is_remembered(const struct dedup *g, const struct dedup_entry *now, uint64_t window_ns)
{
	uint32_t at = g->buckets[now->hash % DEDUP_BUCKETS];
	/* A chain leads into the past; where it leads to a place that was taken anew, it is over. */
	while (at && g->seen - (at - 1) <= DEDUP_PACKETS) {
		const struct dedup_entry *e = &g->entries[(at - 1) % DEDUP_PACKETS];
		uint64_t apart = now->ts_ns > e->ts_ns ? now->ts_ns - e->ts_ns : e->ts_ns - now->ts_ns;
		if (e->hash == now->hash && apart <= window_ns && now->number - e->number <= DEDUP_PACKETS)
			return true;
		at = e->before;
	}
	return false;
}

bool dedup_is_copy(struct dedup *g, uint64_t ts_ns, enum decoded is, const struct packet *p)
{
	bool has_id = false;
	if (is != DECODE_PACKET && is != DECODE_FRAGMENT)
		return false;
	struct dedup_entry now = { .ts_ns = ts_ns, .number = p->number };
	now.hash = p->is_ip ? hash_ip(g, p, &has_id) : hash_other(g, p);
	bool is_long = has_id || (p->is_ip && p->proto == TCP);
	if (is_remembered(g, &now, is_long ? WINDOW_NS : SHORT_WINDOW_NS)) {
		return true;
	}
	uint32_t *bucket = &g->buckets[now.hash % DEDUP_BUCKETS];
	now.before = *bucket;
	*bucket = g->seen + 1;
	g->entries[g->seen % DEDUP_PACKETS] = now;
	g->seen++;
	return false;
}
