/*
 * fuzz_dissector: one dissector, -DPROTO=name, through the real engine (design.md section 11).
 *
 * Input: a byte of switches, a seed, then chunks: a little-endian uint16 (top bit: from the server; next bit:
 * the chunk is lost; 14 bits of length) and the bytes. Each piece is handed over in a heap block of exactly
 * its size. Oracle beside the sanitizers: the chunks as they are, joined, and split at random must say the
 * same.
 */
#include "packet/engine.h"

#include "base/assert.h"
#include "base/hash.h"

#include "dxtest.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define JOIN(a, b)  a##b
#define JOIN2(a, b) JOIN(a, b)
#define THE_PROTO   JOIN2(PROTO_, PROTO)

enum { SWITCH_MIDSTREAM = 1, SWITCH_DATAGRAM = 2, CHUNKS = 256, CHUNK_SERVER = 0x8000, CHUNK_LOST = 0x4000 };

/* Kept from input to input: mapping the pools anew each time would cost more than the dissector. */
static struct {
	bool ready;
	struct limits limits;
	struct counters counters;
	struct ring ring;
	struct privacy_key key;
	struct dx_engine e;
	uint64_t said; /* hash over all records of a run */
} f;

static void say(const void *p, size_t n)
{
	struct hash_key key = { f.said, n };
	f.said = hash_bytes(&key, p, n);
}

/* Padding is not part of what a record says. */
static void drain(void *arg)
{
	(void)arg;
	uint32_t n;
	for (const struct event *e; (e = ring_peek(&f.ring, &n)); ring_pop(&f.ring)) {
		uint64_t head[] = { e->record, e->proto, e->event, e->dir, e->n_facts, e->flags, e->phi,
			e->ts_ns, e->packet, e->conv.encrypted };
		say(head, sizeof head);
		FACT_EACH (fact, e) {
			uint16_t about[] = { fact->field, fact->type, fact->confidence, fact->len,
				fact->count };
			say(about, sizeof about);
			say(fact->value, fact->len);
		}
	}
}

static void start(void)
{
	limits_default(&f.limits);
	f.limits.stream_total_mib = 2;
	f.limits.states = f.limits.extras = f.limits.inflaters = 4;
	ASSERT(ring_init(&f.ring, 1 << 18));
	privacy_key_init(&f.key, bytes_str("fuzz"), false);
	ASSERT(dx_engine_init(&f.e, &f.limits, &f.counters, &f.ring, &f.key, drain, NULL));
	f.ready = true;
}

static struct conv conversation(void)
{
	const struct dissector *d = dissectors[THE_PROTO];
	struct conv c = { .initiator_known = true, .proto = d->l4, .dport = d->ports[0], .sport = 40000 };
	if (d->l4 == L4_ETHER)
		c.sport = c.dport = 0;
	addr_parse(bytes_str("10.0.0.1"), &c.src);
	addr_parse(bytes_str("10.0.0.2"), &c.dst);
	return c;
}

static void feed(struct dx_conv *dc, const struct conv *conv, bool *encrypted, enum dir dir, struct bytes in,
	bool datagram)
{
	uint8_t *copy = malloc(in.n ? in.n : 1);
	ASSERT(copy);
	if (in.n)
		memcpy(copy, in.p, in.n);
	if (datagram)
		dx_datagram(&f.e, dc, conv, encrypted, dir, bytes_of(copy, in.n), false);
	else
		dx_feed(&f.e, dc, conv, encrypted, dir, bytes_of(copy, in.n));
	free(copy);
}

static void feed_split(struct dx_conv *dc, const struct conv *conv, bool *encrypted, enum dir dir,
	struct bytes in, uint32_t *seed)
{
	while (in.n) {
		*seed = *seed * 1664525u + 1013904223u;
		size_t n = 1 + (*seed >> 8) % 40;
		feed(dc, conv, encrypted, dir, bytes_first(in, n), false);
		in = bytes_from(in, n);
	}
}

static uint64_t run(const struct dxtest *t, const struct chunk *chunks, size_t n)
{
	struct dx_conv dc;
	struct conv conv = conversation();
	bool encrypted = false;
	uint32_t seed = t->seed;
	f.said = 0;
	if (!dx_conv_init(&f.e, &dc, THE_PROTO, t->midstream))
		return 0;
	for (size_t i = 0; i < n; i++) {
		dx_engine_packet(&f.e, 1772352000000000000ull + i * 1000000, i + 1);
		if (!chunks[i].data.p)
			dx_gap(&f.e, &dc, chunks[i].dir, chunks[i].data.n);
		else if (t->datagrams || t->split == SPLIT_AS_IS)
			feed(&dc, &conv, &encrypted, chunks[i].dir, chunks[i].data, t->datagrams);
		else
			feed_split(&dc, &conv, &encrypted, chunks[i].dir, chunks[i].data, &seed);
	}
	enum dir first = t->seed & 1 ? DIR_SERVER : DIR_CLIENT;
	dx_end(&f.e, &dc, &conv, &encrypted, first);
	dx_end(&f.e, &dc, &conv, &encrypted, !first);
	drain(NULL);
	dx_conv_fini(&f.e, &dc);
	ASSERT(f.e.memory.used_kib == 0 && f.e.extras.used == 0 && f.e.inflaters.used == 0);
	return f.said ^ (uint64_t)encrypted;
}

/* Both texts, for whoever looks at the crash; then dies. */
static void show_difference(struct dxtest t, const struct chunk *chunks, size_t n)
{
	t.split = SPLIT_AS_IS;
	fprintf(stderr, "as it is:\n%s", dxtest_run(&t, chunks, n));
	t.split = SPLIT_RANDOM;
	fprintf(stderr, "split:\n%s", dxtest_run(&t, chunks, n));
	const bool equal_however_split = false;
	ASSERT(equal_however_split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chunk chunks[CHUNKS] = { 0 };
	size_t n = 0;
	struct cur c = cur_of(bytes_of(data, size));
	uint8_t switches = cur_u8(&c);
	const struct dissector *d = dissectors[THE_PROTO];
	struct dxtest t = {
		.proto = THE_PROTO, .midstream = switches & SWITCH_MIDSTREAM, .seed = cur_u8(&c)
	};
	t.datagrams = !d->frame || (d->l4 != L4_TCP && (switches & SWITCH_DATAGRAM));
	while (cur_more(&c) && n < CHUNKS) {
		uint16_t head = cur_le16(&c);
		size_t left = cur_left(&c);
		size_t len = head & (CHUNK_LOST - 1);
		struct bytes bytes = cur_take(&c, len < left ? len : left);
		bool lost = (head & CHUNK_LOST) && !t.datagrams;
		chunks[n].dir = head & CHUNK_SERVER ? DIR_SERVER : DIR_CLIENT;
		chunks[n].data = bytes_of(lost ? NULL : bytes.p, lost ? len + 1 : bytes.n);
		n++;
	}
	if (!f.ready)
		start();
	uint64_t whole = run(&t, chunks, n);
	if (t.datagrams)
		return 0;
	t.split = SPLIT_RANDOM;
	if (run(&t, chunks, n) != whole)
		show_difference(t, chunks, n);
	return 0;
}
