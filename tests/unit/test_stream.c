/* TCP streams: an HL7 session cut into segments and mistreated must say what the whole one says. */
#include "dxtest.h"
#include "packet/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MESSAGES = 12, SEGMENTS = 512, MSS = 61 };

struct segment {
	enum dir dir;
	uint32_t seq, ack;
	uint8_t flags;
	struct bytes data;
	uint32_t cut; /* bytes of it that the capture left out */
};

struct session {
	struct segment s[SEGMENTS];
	size_t n;
	char *texts[2 * MESSAGES];
};

static uint32_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* ---- the session ------------------------------------------------------------------------- */

static void put(struct session *x, enum dir dir, uint32_t next[2], uint8_t flags, struct bytes data)
{
	assert_true(x->n < SEGMENTS);
	x->s[x->n++] = (struct segment){ dir, next[dir], next[!dir], flags, data, 0 };
	next[dir] += (uint32_t)data.n + (flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
}

static void say(struct session *x, enum dir dir, uint32_t next[2], const char *text)
{
	for (struct bytes b = bytes_str(text); b.n;) {
		size_t n = b.n < MSS ? b.n : MSS;
		put(x, dir, next, TCP_ACK, bytes_first(b, n));
		b = bytes_from(b, n);
	}
	put(x, !dir, next, TCP_ACK, (struct bytes){ 0 });
}

/* Client and server begin near the end of sequence space, so that it wraps. */
static void session_make(struct session *x)
{
	uint32_t next[2] = { UINT32_MAX - 300, UINT32_MAX - 40 };
	x->n = 0;
	put(x, DIR_CLIENT, next, TCP_SYN, (struct bytes){ 0 });
	x->s[0].ack = 0;
	put(x, DIR_SERVER, next, TCP_SYN | TCP_ACK, (struct bytes){ 0 });
	put(x, DIR_CLIENT, next, TCP_ACK, (struct bytes){ 0 });
	for (int i = 0; i < MESSAGES; i++) {
		assert_true(
			asprintf(&x->texts[2 * i],
				"\vMSH|^~\\&|MON%02d|ICU|HIS|CENTRAL|20260301080000||ORU^R01|C%04d|P|2.5\r"
				"PID|1||%06d||Roe^Jane\rOBX|1|NM|HR||%d\r\x1c\r",
				i, i, 100000 + i, 60 + i) > 0);
		assert_true(asprintf(&x->texts[2 * i + 1],
				    "\vMSH|^~\\&|HIS|CENTRAL|MON%02d|ICU|20260301080001||ACK|A%04d|P|2.5\r"
				    "MSA|AA|C%04d\r\x1c\r",
				    i, i, i) > 0);
		say(x, DIR_CLIENT, next, x->texts[2 * i]);
		say(x, DIR_SERVER, next, x->texts[2 * i + 1]);
	}
	put(x, DIR_CLIENT, next, TCP_ACK | TCP_FIN, (struct bytes){ 0 });
	put(x, DIR_SERVER, next, TCP_ACK | TCP_FIN, (struct bytes){ 0 });
	put(x, DIR_CLIENT, next, TCP_ACK, (struct bytes){ 0 });
}

static void session_free(struct session *x)
{
	for (int i = 0; i < 2 * MESSAGES; i++)
		free(x->texts[i]);
}

/* ---- the line under test ----------------------------------------------------------------- */

struct line {
	struct limits limits;
	struct counters counters;
	struct ring ring;
	struct privacy_key key;
	struct dx_engine engine;
	struct flows flows;
	uint64_t ns, number;
	char text[1 << 16]; /* the client's lines; the server's behind them at the end */
	char server_text[1 << 15];
	size_t text_n, server_text_n;
	unsigned conflicts, ends;
	char state[32];
};

static void add_line(char *to, size_t *n, const char *text, size_t len)
{
	assert_true(*n + len + 2 < (1 << 15));
	memcpy(to + *n, text, len);
	*n += len;
	to[(*n)++] = '\n';
	to[*n] = 0;
}

/* Only hl7's own events: one line each, without the pseudonyms' records. */
static void drain(void *arg)
{
	struct line *l = arg;
	uint32_t n;
	for (const struct event *e; (e = ring_peek(&l->ring, &n)); ring_pop(&l->ring)) {
		if (e->record == RECORD_EVENT && e->proto == PROTO_tcp)
			l->conflicts++;
		if (e->record == RECORD_EVENT && e->proto == PROTO_flow && e->event == 2) {
			const struct fact *f = fact_find(e, 1);
			l->ends++;
			snprintf(l->state, sizeof l->state, "%.*s", f ? (int)f->len : 0,
				f ? (const char *)f->value : "");
		}
		if (e->record != RECORD_EVENT || e->proto != PROTO_hl7)
			continue;
		char *text = record_text(e);
		char *latency = strstr(text, " hl7.ack_latency");
		size_t len = latency ? (size_t)(latency - text) : strlen(text);
		/* Which direction's message comes first depends on the order of packets; the order within one
		 * does not. */
		bool is_client = e->dir == DIR_CLIENT;
		add_line(is_client ? l->text : l->server_text, is_client ? &l->text_n : &l->server_text_n,
			text, len);
		free(text);
	}
}

static struct line *line_new(void)
{
	static const struct hash_key key = { 5, 6 };
	struct line *l = calloc(1, sizeof *l);
	assert_non_null(l);
	limits_default(&l->limits);
	l->limits.flows = 64;
	l->limits.halves = 64;
	l->limits.states = 16;
	l->limits.stream_total_mib = 2;
	privacy_key_init(&l->key, bytes_str("k"), false);
	assert_true(ring_init(&l->ring, 1 << 20));
	assert_true(dx_engine_init(&l->engine, &l->limits, &l->counters, &l->ring, &l->key, drain, l));
	assert_true(flows_init(&l->flows, &l->limits, &l->counters, &l->engine, NULL, &key));
	l->ns = 1772352000000000000ull;
	return l;
}

static void push(struct line *l, const struct segment *s)
{
	struct packet p = {
		.proto = L4_TCP, .is_ip = true, .tcp_flags = s->flags, .seq = s->seq, .ack = s->ack
	};
	uint8_t *copy = malloc(s->data.n + 1);
	enum dir dir;
	assert_non_null(copy);
	assert_true(addr_parse(bytes_str(s->dir == DIR_CLIENT ? "10.0.0.1" : "10.0.0.2"), &p.src));
	assert_true(addr_parse(bytes_str(s->dir == DIR_CLIENT ? "10.0.0.2" : "10.0.0.1"), &p.dst));
	p.sport = s->dir == DIR_CLIENT ? 50000 : 2575;
	p.dport = s->dir == DIR_CLIENT ? 2575 : 50000;
	p.payload = bytes_of(copy, bytes_copy(copy, s->data.n - s->cut, s->data));
	p.l4_bytes = (uint32_t)s->data.n;
	p.is_cut = s->cut > 0;
	p.wire_bytes = 54 + p.l4_bytes;
	p.ts_ns = l->ns;
	p.number = ++l->number;
	dx_engine_packet(&l->engine, l->ns, l->number);
	flows_advance(&l->flows, l->ns);
	struct flow *f = flow_of(&l->flows, &p, &dir);
	if (f)
		stream_push(&l->flows, f, dir, &p);
	drain(l);
	free(copy);
	l->ns += 1000000;
}

static void line_end(struct line *l)
{
	flows_finish(&l->flows);
	drain(l);
	memcpy(l->text + l->text_n, l->server_text, l->server_text_n + 1);
	assert_int_equal(l->flows.pool.used, 0);
	assert_int_equal(l->flows.halves.used, 0);
	assert_int_equal(l->flows.convs.used, 0);
	assert_int_equal(l->engine.memory.used_kib, 0);
}

static void line_free(struct line *l)
{
	flows_fini(&l->flows);
	dx_engine_fini(&l->engine);
	ring_fini(&l->ring);
	free(l);
}

static char *whole_text(const struct session *x)
{
	struct line *l = line_new();
	for (size_t i = 0; i < x->n; i++)
		push(l, &x->s[i]);
	line_end(l);
	char *text = strdup(l->text);
	assert_int_equal(l->conflicts, 0);
	assert_string_equal(l->state, "closed");
	line_free(l);
	return text;
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
		n++;
	return n;
}

/* ---- tests ------------------------------------------------------------------------------- */

static struct session session;

static int setup(void **state)
{
	(void)state;
	session_make(&session);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	session_free(&session);
	return 0;
}

static void whole(void **state)
{
	(void)state;
	char *text = whole_text(&session);
	assert_int_equal(count(text, "hl7.message client"), MESSAGES);
	assert_int_equal(count(text, "hl7.ack server"), MESSAGES);
	assert_int_equal(count(text, "+gap"), 0);
	free(text);
}

/* Neighbours swapped, repeated, repeated in other pieces, keep-alives between. */
static void mistreated(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	for (seed = 1; seed < 400; seed++) {
		uint32_t kept_seed = seed;
		struct line *l = line_new();
		size_t order[SEGMENTS];
		for (size_t i = 0; i < session.n; i++)
			order[i] = i;
		for (size_t i = 3; i + 4 < session.n; i++) { /* not the handshake, not the farewell */
			size_t j = i + below(3);
			if (below(4) == 0 && j + 3 < session.n) {
				size_t t = order[i];
				order[i] = order[j];
				order[j] = t;
			}
		}
		size_t furthest = 0;
		for (size_t i = 0; i < session.n; i++) {
			const struct segment *s = &session.s[order[i]];
			furthest = order[i] > furthest ? order[i] : furthest;
			push(l, s);
			if (s->data.n > 4 && below(3) == 0)
				push(l, s);
			if (s->data.n > 4 && below(3) == 0) { /* a part of it again */
				struct segment part = *s;
				size_t from = below((uint32_t)s->data.n - 2);
				part.seq += (uint32_t)from;
				part.data = bytes_from(s->data, from);
				push(l, &part);
			}
			bool is_idle = furthest == i && order[i] == i;
			if (is_idle && s->data.n && below(5) == 0) {
				/* keep-alive with a garbage byte (RFC 1122 4.2.3.6) */
				struct segment alive = *s;
				alive.seq += (uint32_t)s->data.n - 1;
				alive.data = bytes_str("?");
				push(l, &alive);
			}
		}
		line_end(l);
		assert_int_equal(l->conflicts, 0);
		assert_string_equal(l->text, want);
		line_free(l);
		seed = kept_seed;
	}
	free(want);
}

/* One data segment lost: its message is missing, the later ones are there, the next is marked. */
static void one_lost(void **state)
{
	(void)state;
	for (size_t lost = 3; lost < session.n - 3; lost++) {
		if (session.s[lost].data.n == 0)
			continue;
		struct line *l = line_new();
		for (size_t i = 0; i < session.n; i++)
			if (i != lost)
				push(l, &session.s[i]);
		line_end(l);
		unsigned n = count(l->text, "hl7.message client") + count(l->text, "hl7.ack server");
		assert_in_range(n, 2 * MESSAGES - 2, 2 * MESSAGES - 1);
		bool more = false; /* nothing shows the loss of a direction's last bytes */
		for (size_t i = lost + 1; i < session.n; i++)
			more |= session.s[i].dir == session.s[lost].dir && session.s[i].data.n;
		assert_int_equal(l->counters.gaps, more);
		assert_int_equal(l->counters.gap_bytes, more ? session.s[lost].data.n : 0);
		bool is_last = count(l->text, "+gap") == 0;
		assert_true(!is_last || lost + 12 > session.n || lost < 8);
		line_free(l);
	}
}

static void lost_on_one_side_only_seen(void **state)
{
	(void)state;
	struct line *l = line_new();
	unsigned data = 0;
	for (size_t i = 0; i < session.n; i++) {
		const struct segment *s = &session.s[i];
		if (s->dir == DIR_SERVER || (s->data.n && ++data == 5))
			continue;
		push(l, s);
		if (data == 6)
			l->ns += 3000000000u; /* silence: the hole is overdue */
	}
	line_end(l);
	assert_int_equal(count(l->text, "hl7.message client"), MESSAGES - 1);
	assert_int_equal(l->counters.gaps, 1);
	line_free(l);
}

static void begun_in_the_middle(void **state)
{
	(void)state;
	for (size_t from = 3; from < 60; from++) {
		struct line *l = line_new();
		for (size_t i = from; i < session.n; i++)
			push(l, &session.s[i]);
		line_end(l);
		unsigned first = (unsigned)(from / 7);
		assert_true(count(l->text, "hl7.message client +midstream") + first + 2 >= MESSAGES);
		assert_true(count(l->text, "hl7.ack server +midstream") + first + 2 >= MESSAGES);
		line_free(l);
	}
}

static void other_bytes_for_the_same_place(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	size_t at = 20; /* two data segments of one side in a row */
	while (session.s[at].data.n < MSS || session.s[at + 1].data.n == 0)
		at++;
	for (int before = 0; before < 2; before++) {
		struct line *l = line_new();
		for (size_t i = 0; i < session.n; i++) {
			struct segment forged = session.s[i];
			char other[MSS];
			memset(other, 'x', sizeof other);
			forged.data.p = (const uint8_t *)other;
			if (i == at && !before) { /* held back first, then contradicted */
				push(l, &session.s[i + 1]);
				forged = session.s[i + 1];
				forged.data.p = (const uint8_t *)other;
				push(l, &forged);
			}
			push(l, &session.s[i]);
			if (i == at && before)
				push(l, &forged);
		}
		line_end(l);
		assert_int_equal(l->conflicts, 1);
		assert_string_equal(l->text, want);
		line_free(l);
	}
	free(want);
}

static void far_away_garbage_does_not_blind(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		push(l, &session.s[i]);
		if (i % 7 == 4) {
			struct segment far = session.s[i];
			far.seq += 100000000u * (uint32_t)(1 + i % 3);
			far.data = bytes_str("garbage");
			push(l, &far);
		}
		if (i == 10) {
			struct segment near = session.s[i];
			near.seq += 500000;
			near.data = bytes_str("near garbage");
			push(l, &near);
		}
		l->ns += 400000000u;
	}
	line_end(l);
	assert_string_equal(l->text, want);
	line_free(l);
	free(want);
}

static void cut_by_the_capture(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		struct segment s = session.s[i];
		if (i == 20 || i == 21)
			s.cut = s.data.n ? 5 : 0;
		push(l, &s);
	}
	line_end(l);
	assert_in_range(count(l->text, "hl7.message client"), MESSAGES - 2, MESSAGES);
	assert_true(l->counters.gaps >= 1);
	line_free(l);
}

/* The client asks again because its answer is late: the same conversation. */
static void syn_sent_again(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		push(l, &session.s[i]);
		if (i == 1 || i == 5)
			push(l, &session.s[0]);
	}
	line_end(l);
	assert_int_equal(l->ends, 1);
	assert_string_equal(l->text, want);
	assert_string_equal(l->state, "closed");
	line_free(l);
	free(want);
}

/* A mirror port that shows the client alone: data prove that it was answered. */
static void only_the_client(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++)
		if (session.s[i].dir == DIR_CLIENT) {
			push(l, &session.s[i]);
			l->ns += session.s[i].data.n ? 70000000000u : 0;
		}
	line_end(l);
	assert_int_equal(l->ends, 1);
	assert_int_equal(count(l->text, "hl7.message client"), MESSAGES);
	assert_int_equal(count(l->text, "midstream"), 0);
	assert_string_equal(l->state, "established");
	line_free(l);
}

/* Picked up in the middle of something long (a document, an image) on a port of ours. */
static void begun_in_a_long_message(void **state)
{
	(void)state;
	static char junk[4000];
	struct line *l = line_new();
	struct segment s = session.s[3];
	memset(junk, 'x', sizeof junk);
	s.data = bytes_of(junk, 1000);
	s.seq -= 40000;
	for (unsigned i = 0; i < 40; i++, s.seq += 1000)
		push(l, &s);
	for (size_t i = 3; i < session.n; i++)
		push(l, &session.s[i]);
	line_end(l);
	assert_int_equal(count(l->text, "hl7.message client"), MESSAGES);
	line_free(l);
}

/* One direction that makes no sense says nothing of the other, labels or not. */
static void one_side_foreign(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		struct segment s = session.s[i];
		char other[MSS];
		memset(other, 0x7e, sizeof other);
		if (s.dir == DIR_CLIENT)
			s.data.p = (const uint8_t *)other;
		push(l, &s);
	}
	line_end(l);
	assert_int_equal(count(l->text, "hl7.ack server"), MESSAGES);
	line_free(l);
}

/* The end of a conversation is not seen, a hole is open, and its ports are used again at once. */
static void held_when_ports_are_used_again(void **state)
{
	(void)state;
	struct line *l = line_new();
	size_t hole = session.n - 20;
	while (session.s[hole].dir != DIR_CLIENT || session.s[hole].data.n == 0)
		hole++;
	for (size_t i = 0; i < session.n - 3; i++)
		if (i != hole && (i < hole || session.s[i].dir == DIR_CLIENT))
			push(l, &session.s[i]);
	struct segment s = session.s[0];
	s.seq += 0x10000000;
	push(l, &s);
	s = (struct segment){ .dir = DIR_SERVER, .seq = 99, .ack = s.seq + 1, .flags = TCP_SYN | TCP_ACK };
	push(l, &s);
	line_end(l);
	assert_int_equal(l->ends, 2);
	assert_in_range(count(l->text, "hl7.message client"), MESSAGES - 2, MESSAGES - 1);
	assert_int_equal(count(l->text, "C0011"), 1);
	line_free(l);
}

static void blind_reset_changes_nothing(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		push(l, &session.s[i]);
		if (i == 15) {
			struct segment rst = session.s[i];
			rst.seq += 0x40000000;
			rst.flags = TCP_RST;
			rst.data.n = 0;
			push(l, &rst);
		}
	}
	line_end(l);
	assert_string_equal(l->text, want);
	assert_string_equal(l->state, "closed");
	line_free(l);
	free(want);
}

/* A SYN with numbers of its own in a live conversation resets nothing, until the server answers it. */
static void forged_syn_changes_nothing(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		push(l, &session.s[i]);
		if (i == 15 || i == 30) {
			struct segment syn = {
				.dir = i == 15 ? DIR_CLIENT : DIR_SERVER, .seq = 0x12345678, .flags = TCP_SYN
			};
			push(l, &syn);
			struct segment answer = { .dir = !syn.dir,
				.seq = session.s[i].seq,
				.ack = session.s[i].ack,
				.flags = TCP_ACK };
			push(l, &answer);
		}
	}
	line_end(l);
	assert_string_equal(l->text, want);
	assert_int_equal(l->ends, 1);
	line_free(l);
	free(want);
}

/* The end of the old one was not seen: the new one's handshake is enough. */
static void same_ports_while_open(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	struct line *l = line_new();
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < session.n - (round ? 0 : 3); i++) {
			struct segment s = session.s[i];
			s.seq += 777777u * (uint32_t)round;
			s.ack += 777777u * (uint32_t)round;
			push(l, &s);
		}
	line_end(l);
	assert_int_equal(l->ends, 2);
	assert_int_equal(strlen(l->text), 2 * strlen(want));
	line_free(l);
	free(want);
}

static void same_ports_again(void **state)
{
	(void)state;
	char *want = whole_text(&session);
	struct line *l = line_new();
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < session.n; i++) {
			struct segment s = session.s[i];
			s.seq += 77777u * (uint32_t)round;
			s.ack += 77777u * (uint32_t)round;
			push(l, &s);
		}
	line_end(l);
	assert_int_equal(l->ends, 2);
	assert_int_equal(strlen(l->text), 2 * strlen(want));
	line_free(l);
	free(want);
}

/* Pools that fail at the n-th request: no crash, no leak, a counter that says so. */
static void starved(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 5; which++) {
		for (uint32_t n = 1; n < 12; n++) {
			struct line *l = line_new();
			struct pool *pools[] = { &l->flows.pool, &l->flows.halves, &l->flows.convs,
				&l->engine.states[PROTO_hl7] };
			if (which < 4)
				pools[which]->fail_at = n;
			else
				l->engine.memory.fail_at = n;
			for (size_t i = 0; i < session.n; i++) {
				if (session.s[i].data.n == 0 || i % 5 != 1) {
					push(l, &session.s[i]);
					continue;
				}
				push(l, &session.s[i + 1]); /* out of order, so that data is held */
				push(l, &session.s[i]);
				i++;
			}
			const struct counters *c = &l->counters;
			bool failed = which < 4 ? pools[which]->failing : l->engine.memory.failing;
			uint64_t full = c->full_flows + c->full_halves + c->full_states +
					c->full_stream_total_mib + c->full_stream_held_kib;
			assert_int_equal(failed, full > 0);
			line_end(l);
			line_free(l);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(mistreated),
		cmocka_unit_test(one_lost),
		cmocka_unit_test(lost_on_one_side_only_seen),
		cmocka_unit_test(begun_in_the_middle),
		cmocka_unit_test(other_bytes_for_the_same_place),
		cmocka_unit_test(far_away_garbage_does_not_blind),
		cmocka_unit_test(cut_by_the_capture),
		cmocka_unit_test(syn_sent_again),
		cmocka_unit_test(only_the_client),
		cmocka_unit_test(begun_in_a_long_message),
		cmocka_unit_test(one_side_foreign),
		cmocka_unit_test(held_when_ports_are_used_again),
		cmocka_unit_test(blind_reset_changes_nothing),
		cmocka_unit_test(forged_syn_changes_nothing),
		cmocka_unit_test(same_ports_while_open),
		cmocka_unit_test(same_ports_again),
		cmocka_unit_test(starved),
	};
	int failed = cmocka_run_group_tests(tests, setup, teardown);
	return failed != 0;
}
