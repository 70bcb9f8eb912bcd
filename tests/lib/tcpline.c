#include "tcpline.h"

#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- what is sent ------------------------------------------------------------------------ */

static void put(struct session *x, enum dir dir, uint8_t flags, struct bytes data)
{
	assert_true(x->n < SEGMENTS);
	x->s[x->n++] = (struct segment){
		.dir = dir, .seq = x->next[dir], .ack = x->next[!dir], .flags = flags, .data = data
	};
	x->next[dir] += (uint32_t)data.n + (flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
}

void session_begin(struct session *x)
{
	x->n = 0;
	x->next[DIR_CLIENT] = UINT32_MAX - 300;
	x->next[DIR_SERVER] = UINT32_MAX - 40;
	put(x, DIR_CLIENT, TCP_SYN, (struct bytes){ 0 });
	x->s[0].ack = 0;
	put(x, DIR_SERVER, TCP_SYN | TCP_ACK, (struct bytes){ 0 });
	put(x, DIR_CLIENT, TCP_ACK, (struct bytes){ 0 });
}

void session_say(struct session *x, enum dir dir, const char *text)
{
	for (struct bytes b = bytes_str(text); b.n;) {
		size_t n = b.n < MSS ? b.n : MSS;
		put(x, dir, TCP_ACK, bytes_first(b, n));
		b = bytes_from(b, n);
	}
	put(x, !dir, TCP_ACK, (struct bytes){ 0 });
}

void session_close(struct session *x)
{
	put(x, DIR_CLIENT, TCP_ACK | TCP_FIN, (struct bytes){ 0 });
	put(x, DIR_SERVER, TCP_ACK | TCP_FIN, (struct bytes){ 0 });
	put(x, DIR_CLIENT, TCP_ACK, (struct bytes){ 0 });
}

/* ---- the line under test ----------------------------------------------------------------- */

static void add_line(char *to, size_t *n, const char *text, size_t len)
{
	assert_true(*n + len + 2 < (1 << 15));
	memcpy(to + *n, text, len);
	*n += len;
	to[(*n)++] = '\n';
	to[*n] = 0;
}

/* Only hl7's and tls' own events: one line each, without the pseudonyms' records. */
static void drain(void *arg)
{
	struct line *l = arg;
	uint32_t n;
	for (const struct event *e; (e = ring_peek(&l->ring, &n)); ring_pop(&l->ring)) {
		if (e->record == RECORD_EVENT && e->proto == PROTO_tcp)
			l->conflicts++;
		if (e->record == RECORD_EVENT && e->proto == PROTO_flow && e->event == FLOW_EV_END) {
			const struct fact *f = fact_find(e, 1);
			l->ends++;
			snprintf(l->state, sizeof l->state, "%.*s", f ? (int)f->len : 0,
				f ? (const char *)f->value : "");
		}
		if (e->record != RECORD_EVENT || (e->proto != PROTO_hl7 && e->proto != PROTO_tls))
			continue;
		l->event_ns = e->ts_ns;
		l->event_packet = e->packet;
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

struct line *line_new(void)
{
	return line_new_for(64, 64, 16, 16);
}

struct line *line_new_for(uint64_t flows, uint64_t halves, uint64_t states, uint64_t extras)
{
	static const struct hash_key key = { 5, 6 };
	struct line *l = calloc(1, sizeof *l);
	assert_non_null(l);
	limits_default(&l->limits);
	l->limits.flows = flows;
	l->limits.halves = halves;
	l->limits.states = states;
	l->limits.extras = extras;
	l->limits.stream_total_mib = 2;
	privacy_key_init(&l->key, bytes_str("k"), false);
	assert_true(ring_init(&l->ring, 1 << 20));
	assert_true(dx_engine_init(&l->engine, &l->limits, &l->counters, &l->ring, &l->key, drain, l));
	assert_true(flows_init(&l->flows, &l->limits, &l->counters, &l->engine, NULL, &key));
	l->ns = 1772352000000000000ull;
	return l;
}

void line_push(struct line *l, const struct segment *s)
{
	struct packet p = {
		.proto = L4_TCP, .is_ip = true, .tcp_flags = s->flags, .seq = s->seq, .ack = s->ack
	};
	uint8_t *copy = malloc(s->data.n + 1), head[20] = { 0 };
	enum dir dir;
	assert_non_null(copy);
	assert_true(addr_parse(bytes_str(s->dir == DIR_CLIENT ? "10.0.0.1" : "10.0.0.2"), &p.src));
	assert_true(addr_parse(bytes_str(s->dir == DIR_CLIENT ? "10.0.0.2" : "10.0.0.1"), &p.dst));
	uint16_t client = (uint16_t)(50000 + s->client);
	p.sport = s->dir == DIR_CLIENT ? client : 2575;
	p.dport = s->dir == DIR_CLIENT ? 2575 : client;
	p.payload = bytes_of(copy, bytes_copy(copy, s->data.n - s->cut, s->data));
	p.l4_bytes = (uint32_t)s->data.n;
	p.is_cut = s->cut > 0;
	p.l4 = bytes_of(head, sizeof head); /* all that is summed, for our purpose */
	enum checksum want = s->sum_good ? CHECKSUM_GOOD : s->sum_begun ? CHECKSUM_UNKNOWN : CHECKSUM_BAD;
	for (unsigned n = 0; !p.is_cut && decode_checksum(&p) != want; n++) {
		head[16] = (uint8_t)n;
		head[17] = (uint8_t)(n >> 8);
	}
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

void line_crowd(struct line *l)
{
	struct packet p = {
		.proto = L4_UDP, .is_ip = true, .sport = 53, .dport = (uint16_t)(1000 + l->number)
	};
	enum dir dir;
	assert_true(addr_parse(bytes_str("10.9.9.1"), &p.src));
	assert_true(addr_parse(bytes_str("10.9.9.2"), &p.dst));
	p.ts_ns = l->ns;
	dx_engine_packet(&l->engine, l->ns, ++l->number);
	struct flow *f = flow_of(&l->flows, &p, &dir);
	assert_non_null(f);
	f->state = FLOW_ESTABLISHED; /* so that age alone decides who goes */
	drain(l);
	l->ns += 1000000;
}

void line_end(struct line *l)
{
	flows_finish(&l->flows);
	drain(l);
	memcpy(l->text + l->text_n, l->server_text, l->server_text_n + 1);
	assert_int_equal(l->flows.pool.used, 0);
	assert_int_equal(l->flows.halves.used, 0);
	assert_int_equal(l->flows.convs.used, 0);
	assert_int_equal(l->engine.extras.used, 0);
	assert_int_equal(l->engine.inflaters.used, 0);
	assert_int_equal(l->engine.memory.used_kib, 0);
}

void line_free(struct line *l)
{
	flows_fini(&l->flows);
	dx_engine_fini(&l->engine);
	ring_fini(&l->ring);
	free(l);
}
