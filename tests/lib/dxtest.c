#include "dxtest.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

struct text {
	char *p;
	size_t n;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
	va_list ap;
	char *more = NULL;
	va_start(ap, format);
	int n = vasprintf(&more, format, ap);
	va_end(ap);
	ASSERT(n >= 0);
	t->p = realloc(t->p, t->n + (size_t)n + 1);
	ASSERT(t->p);
	memcpy(t->p + t->n, more, (size_t)n + 1);
	t->n += (size_t)n;
	free(more);
}

static void add_str(struct text *t, struct bytes v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] >= ' ' && v.p[i] < 0x7f && v.p[i] != '\\')
			add(t, "%c", v.p[i]);
		else
			add(t, "\\x%02x", v.p[i]);
}

static void add_value(struct text *t, enum fact_type type, struct bytes v)
{
	char ip[ADDR_TEXT], mac[MAC_TEXT];
	struct addr a;
	struct mac m;
	switch (type) {
	case FACT_STR:
		add_str(t, v);
		break;
	case FACT_UINT:
		add(t, "%llu", (unsigned long long)value_uint(v));
		break;
	case FACT_INT:
	case FACT_TIME:
		add(t, "%lld", (long long)value_uint(v));
		break;
	case FACT_BOOL:
		add(t, "%s", value_uint(v) ? "true" : "false");
		break;
	case FACT_IP:
		memcpy(&a, v.p, sizeof a);
		add(t, "%s", addr_text(&a, ip));
		break;
	case FACT_MAC:
		memcpy(&m, v.p, sizeof m);
		add(t, "%s", mac_text(&m, mac));
		break;
	case FACT_BYTES:
		for (size_t i = 0; i < v.n; i++)
			add(t, "%02x", v.p[i]);
		break;
	case FACT_PHI:
		add(t, "<%s>", phi_name((enum privacy)v.p[0]));
		break;
	}
}

/* Kept for masking only (test_record.c). */
static bool is_typed(const struct fact *f)
{
	return f->type == FACT_PHI && f->value[offsetof(struct phi_fact, class)] == SECRET;
}

static void add_fact(struct text *t, const struct event *e, const struct fact *f)
{
	bool is_event = e->record == RECORD_EVENT;
	if (is_typed(f))
		return;
	if (f->field == FIELD_NONE)
		add(t, " (");
	else
		add(t, " %s=",
			is_event ? dissectors[e->proto]->fields[f->field].name : attr_rows[f->field].name);
	if (f->count)
		add(t, "[");
	for (unsigned i = 0; i < fact_count(f); i++) {
		if (i)
			add(t, ",");
		add_value(t, (enum fact_type)f->type, fact_value(f, i));
	}
	if (f->count)
		add(t, "]");
	if (f->field == FIELD_NONE)
		add(t, ")");
	if (!is_event)
		add(t, "@%u", f->confidence);
}

char *record_text(const struct event *e)
{
	static const char *const abouts[] = { "sender", "receiver", "maker", "behind", "address", "card" };
	struct text t = { 0 };
	const struct dissector *d = dissectors[e->proto];
	if (e->record == RECORD_OBSERVATION) {
		char ip[ADDR_TEXT], mac[MAC_TEXT];
		add(&t, "observe %s %s", d->name, abouts[e->event]);
		if (e->event == OB_ADDRESS || e->event == OB_CARD)
			add(&t, " ip=%s mac=%s", addr_text(&e->about_ip, ip), mac_text(&e->about_mac, mac));
		else
			add(&t, " %s", e->dir == DIR_CLIENT ? "client" : "server");
	} else {
		const char *name = d->events[e->event];
		add(&t, "%s%s%s %s", strchr(name, '.') ? "" : d->name, strchr(name, '.') ? "" : ".", name,
			e->dir == DIR_CLIENT ? "client" : "server");
	}
	add(&t, "%s%s%s%s%s", e->flags & EVENT_AFTER_GAP ? " +gap" : "",
		e->flags & EVENT_PDU_CUT ? " +cut" : "", e->flags & EVENT_MIDSTREAM ? " +midstream" : "",
		e->flags & EVENT_CUT ? " +facts_cut" : "", e->conv.encrypted ? " +encrypted" : "");
	FACT_EACH (f, e)
		add_fact(&t, e, f);
	return t.p;
}

struct run {
	const struct dxtest *t;
	struct limits limits;
	struct counters counters;
	struct ring ring;
	struct privacy_key key;
	struct dx_engine e;
	struct dx_conv dc;
	struct conv conv;
	bool encrypted;
	struct text text;
};

static void drain(void *arg)
{
	struct run *r = arg;
	uint32_t n;
	for (const struct event *e; (e = ring_peek(&r->ring, &n)); ring_pop(&r->ring)) {
		if (r->t->quiet_observations && e->record == RECORD_OBSERVATION)
			continue;
		char *line = record_text(e);
		add(&r->text, "%s\n", line);
		free(line);
	}
}

static void run_init(struct run *r, const struct dxtest *t)
{
	*r = (struct run){ .t = t, .conv = t->conv };
	limits_default(&r->limits);
	r->limits.stream_total_mib = 2;
	r->limits.states = r->limits.extras = r->limits.inflaters = 4;
	ASSERT(ring_init(&r->ring, 1 << 18));
	privacy_key_init(&r->key, bytes_str("test"), false);
	ASSERT(dx_engine_init(&r->e, &r->limits, &r->counters, &r->ring, &r->key, drain, r));
	if (r->conv.src.family == 0 && dissectors[t->proto]->l4 != L4_ETHER) {
		addr_parse(bytes_str("10.0.0.1"), &r->conv.src);
		addr_parse(bytes_str("10.0.0.2"), &r->conv.dst);
		r->conv.sport = 40000;
		r->conv.dport = dissectors[t->proto]->ports[0];
		r->conv.proto = dissectors[t->proto]->l4;
		r->conv.initiator_known = true;
	}
	ASSERT(dx_conv_init(&r->e, &r->dc, t->proto, t->midstream));
}

static char *run_fini(struct run *r)
{
	drain(r);
	if (r->e.proto[r->t->proto].malformed)
		add(&r->text, "malformed %llu\n", (unsigned long long)r->e.proto[r->t->proto].malformed);
	if (r->e.proto[r->t->proto].junk_bytes)
		add(&r->text, "junk %llu\n", (unsigned long long)r->e.proto[r->t->proto].junk_bytes);
	dx_conv_fini(&r->e, &r->dc);
	ASSERT(r->e.memory.used_kib == 0 && r->e.extras.used == 0 && r->e.inflaters.used == 0);
	dx_engine_fini(&r->e);
	ring_fini(&r->ring);
	if (!r->text.p)
		add(&r->text, "%s", "");
	return r->text.p;
}

/* In a heap block of exactly its size, so that ASan sees one byte too many. */
static void feed(struct run *r, enum dir dir, struct bytes in)
{
	uint8_t *copy = malloc(in.n ? in.n : 1);
	ASSERT(copy);
	if (in.n)
		memcpy(copy, in.p, in.n);
	if (r->t->datagrams)
		dx_datagram(&r->e, &r->dc, &r->conv, &r->encrypted, dir, bytes_of(copy, in.n), false);
	else
		dx_feed(&r->e, &r->dc, &r->conv, &r->encrypted, dir, bytes_of(copy, in.n));
	free(copy);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void feed_split(struct run *r, enum dir dir, struct bytes in, uint32_t *seed)
{
	if (r->t->datagrams || r->t->split == SPLIT_AS_IS || r->t->split == SPLIT_JOINED) {
		feed(r, dir, in);
		return;
	}
	while (in.n) {
		size_t n = r->t->split == SPLIT_BYTES ? 1 : 1 + next_random(seed) % 40;
		feed(r, dir, bytes_first(in, n));
		in = bytes_from(in, n);
	}
}

char *dxtest_run(const struct dxtest *t, const struct chunk *chunks, size_t n)
{
	struct run *r = malloc(sizeof *r);
	ASSERT(r);
	run_init(r, t);
	uint32_t seed = t->seed;
	uint64_t ts = t->ts_ns ? t->ts_ns : 1772352000000000000ull;
	struct text joined = { 0 };
	for (size_t i = 0; i < n; i++) {
		bool joins = t->split == SPLIT_JOINED && !t->datagrams && i + 1 < n && chunks[i].data.p &&
			     chunks[i + 1].data.p && chunks[i].dir == chunks[i + 1].dir;
		dx_engine_packet(&r->e, ts + i * 1000000, i + 1);
		if (!chunks[i].data.p && chunks[i].data.n) {
			dx_gap(&r->e, &r->dc, chunks[i].dir, chunks[i].data.n);
			continue;
		}
		joined.p = realloc(joined.p, joined.n + chunks[i].data.n + 1);
		ASSERT(joined.p);
		memcpy(joined.p + joined.n, chunks[i].data.p, chunks[i].data.n);
		joined.n += chunks[i].data.n;
		if (joins)
			continue;
		feed_split(r, chunks[i].dir, bytes_of(joined.p, joined.n), &seed);
		joined.n = 0;
	}
	free(joined.p);
	for (enum dir dir = DIR_CLIENT; dir <= DIR_SERVER; dir++)
		dx_end(&r->e, &r->dc, &r->conv, &r->encrypted, dir);
	char *text = run_fini(r);
	free(r);
	return text;
}

char *dxtest_splits(const struct dxtest *t, const struct chunk *chunks, size_t n)
{
	struct dxtest other = *t;
	char *whole = dxtest_run(t, chunks, n);
	for (uint32_t i = 0; i < 10; i++) {
		other.split = i == 0 ? SPLIT_BYTES : i == 1 ? SPLIT_JOINED : SPLIT_RANDOM;
		other.seed = t->seed + i * 7919;
		char *text = dxtest_run(&other, chunks, n);
		assert_string_equal(text, whole);
		free(text);
	}
	return whole;
}

void dxtest_expect(const struct dxtest *t, const struct chunk *chunks, size_t n, const char *wanted)
{
	char *text = dxtest_splits(t, chunks, n);
	assert_string_equal(text, wanted);
	free(text);
}

unsigned dxtest_cuts(const struct dxtest *t, const struct chunk *chunks, size_t n, size_t which)
{
	unsigned with_events = 0;
	struct chunk *copy = calloc(n, sizeof *copy);
	ASSERT(copy && which < n);
	for (size_t len = 0; len < chunks[which].data.n; len++) {
		memcpy(copy, chunks, n * sizeof *copy);
		copy[which].data.n = len;
		char *text = dxtest_run(t, copy + (t->datagrams ? which : 0), t->datagrams ? 1 : which + 1);
		with_events +=
			text[0] != 0 && strncmp(text, "malformed", 9) != 0 && strncmp(text, "junk", 4) != 0;
		free(text);
	}
	free(copy);
	return with_events;
}

static int hex_value(char c)
{
	c = (char)ascii_lower((uint8_t)c);
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct bytes dxtest_hex(const char *text)
{
	uint8_t *p = malloc(strlen(text) + 1);
	size_t n = 0;
	bool literal = false;
	ASSERT(p);
	for (const char *c = text; *c; c++) {
		if (*c == '\'')
			literal = !literal;
		else if (literal)
			p[n++] = (uint8_t)*c;
		else if (hex_value(c[0]) >= 0) {
			ASSERT(hex_value(c[1]) >= 0);
			p[n++] = (uint8_t)(hex_value(c[0]) << 4 | hex_value(c[1]));
			c++;
		}
	}
	return bytes_of(p, n);
}
