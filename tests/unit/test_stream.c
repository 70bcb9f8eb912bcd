/* TCP streams: an HL7 session cut into segments and mistreated must say what the whole one says. */
#include "tcpline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { MESSAGES = 12 };

static uint32_t seed;

static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static struct session session;
static char *texts[2 * MESSAGES];
static char *want; /* what the whole session says */

static char *whole_text(const struct session *x)
{
	struct line *l = line_new();
	for (size_t i = 0; i < x->n; i++)
		line_push(l, &x->s[i]);
	line_end(l);
	char *text = strdup(l->text);
	assert_int_equal(l->conflicts, 0);
	assert_string_equal(l->state, "closed");
	line_free(l);
	return text;
}

static int setup(void **state)
{
	(void)state;
	session_begin(&session);
	for (int i = 0; i < MESSAGES; i++) {
		assert_true(
			asprintf(&texts[2 * i],
				"\vMSH|^~\\&|MON%02d|ICU|HIS|CENTRAL|20260301080000||ORU^R01|C%04d|P|2.5\r"
				"PID|1||%06d||Roe^Jane\rOBX|1|NM|HR||%d\r\x1c\r",
				i, i, 100000 + i, 60 + i) > 0);
		assert_true(asprintf(&texts[2 * i + 1],
				    "\vMSH|^~\\&|HIS|CENTRAL|MON%02d|ICU|20260301080001||ACK|A%04d|P|2.5\r"
				    "MSA|AA|C%04d\r\x1c\r",
				    i, i, i) > 0);
		session_say(&session, DIR_CLIENT, texts[2 * i]);
		session_say(&session, DIR_SERVER, texts[2 * i + 1]);
	}
	session_close(&session);
	want = whole_text(&session);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * MESSAGES; i++)
		free(texts[i]);
	free(want);
	return 0;
}

/* The run is over and has said all, of one conversation. */
static void says_all(struct line *l)
{
	line_end(l);
	assert_int_equal(l->ends, 1);
	assert_int_equal(l->conflicts, 0);
	assert_string_equal(l->text, want);
	assert_string_equal(l->state, "closed");
	line_free(l);
}

static unsigned count(const char *text, const char *word)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
		n++;
	return n;
}

static void whole(void **state)
{
	(void)state;
	assert_int_equal(count(want, "hl7.message client"), MESSAGES);
	assert_int_equal(count(want, "hl7.ack server"), MESSAGES);
	assert_int_equal(count(want, "+gap"), 0);
}

/* Neighbours swapped, repeated, repeated in other pieces, keep-alives between. */
static void mistreated(void **state)
{
	(void)state;
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
			line_push(l, s);
			if (s->data.n > 4 && below(3) == 0)
				line_push(l, s);
			if (s->data.n > 4 && below(3) == 0) { /* a part of it again */
				struct segment part = *s;
				size_t from = below((uint32_t)s->data.n - 2);
				part.seq += (uint32_t)from;
				part.data = bytes_from(s->data, from);
				line_push(l, &part);
			}
			bool is_idle = furthest == i && order[i] == i;
			if (is_idle && s->data.n && below(5) == 0) {
				/* keep-alive with a garbage byte (RFC 1122 4.2.3.6) */
				struct segment alive = *s;
				alive.seq += (uint32_t)s->data.n - 1;
				alive.data = bytes_str("?");
				line_push(l, &alive);
			}
		}
		says_all(l);
		seed = kept_seed;
	}
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
				line_push(l, &session.s[i]);
		line_end(l);
		unsigned n = count(l->text, "hl7.message client") + count(l->text, "hl7.ack server");
		assert_in_range(n, 2 * MESSAGES - 2, 2 * MESSAGES - 1);
		assert_int_equal(l->counters.gaps, 1); /* of a direction's last bytes the FIN shows it */
		assert_int_equal(l->counters.gap_bytes, session.s[lost].data.n);
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
		line_push(l, s);
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
			line_push(l, &session.s[i]);
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
				line_push(l, &session.s[i + 1]);
				forged = session.s[i + 1];
				forged.data.p = (const uint8_t *)other;
				line_push(l, &forged);
			}
			line_push(l, &session.s[i]);
			if (i == at && before)
				line_push(l, &forged);
		}
		line_end(l);
		assert_int_equal(l->conflicts, 1);
		assert_string_equal(l->text, want);
		line_free(l);
	}
}

static void far_away_garbage_does_not_blind(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		line_push(l, &session.s[i]);
		if (i % 7 == 4) {
			struct segment far = session.s[i];
			far.seq += 100000000u * (uint32_t)(1 + i % 3);
			far.data = bytes_str("garbage");
			line_push(l, &far);
		}
		if (i == 10) {
			struct segment near = session.s[i];
			near.seq += 500000;
			near.data = bytes_str("near garbage");
			line_push(l, &near);
		}
		l->ns += 400000000u;
	}
	says_all(l);
}

static void cut_by_the_capture(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		struct segment s = session.s[i];
		if (i == 20 || i == 21)
			s.cut = s.data.n ? 5 : 0;
		line_push(l, &s);
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
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		line_push(l, &session.s[i]);
		if (i == 1 || i == 5)
			line_push(l, &session.s[0]);
	}
	says_all(l);
}

/* A mirror port that shows the client alone: data prove that it was answered. */
static void only_the_client(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++)
		if (session.s[i].dir == DIR_CLIENT) {
			line_push(l, &session.s[i]);
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
		line_push(l, &s);
	for (size_t i = 3; i < session.n; i++)
		line_push(l, &session.s[i]);
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
		line_push(l, &s);
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
			line_push(l, &session.s[i]);
	struct segment s = session.s[0];
	s.seq += 0x10000000;
	line_push(l, &s);
	s = (struct segment){ .dir = DIR_SERVER, .seq = 99, .ack = s.seq + 1, .flags = TCP_SYN | TCP_ACK };
	line_push(l, &s);
	line_end(l);
	assert_int_equal(l->ends, 2);
	assert_in_range(count(l->text, "hl7.message client"), MESSAGES - 2, MESSAGES - 1);
	assert_int_equal(count(l->text, "C0011"), 1);
	line_free(l);
}

static void blind_reset_changes_nothing(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		line_push(l, &session.s[i]);
		if (i == 15) {
			struct segment rst = session.s[i];
			rst.seq += 0x40000000;
			rst.flags = TCP_RST;
			rst.data.n = 0;
			line_push(l, &rst);
		}
	}
	says_all(l);
}

/* A SYN with numbers of its own in a live conversation resets nothing, until the server answers it. */
static void forged_syn_changes_nothing(void **state)
{
	(void)state;
	struct line *l = line_new();
	for (size_t i = 0; i < session.n; i++) {
		line_push(l, &session.s[i]);
		if (i == 15 || i == 30) {
			struct segment syn = {
				.dir = i == 15 ? DIR_CLIENT : DIR_SERVER, .seq = 0x12345678, .flags = TCP_SYN
			};
			line_push(l, &syn);
			struct segment answer = { .dir = !syn.dir,
				.seq = session.s[i].seq,
				.ack = session.s[i].ack,
				.flags = TCP_ACK };
			line_push(l, &answer);
		}
	}
	says_all(l);
}

/* The same ports twice; of the first conversation `unseen` segments of the farewell are missing. */
static void used_twice(size_t unseen)
{
	struct line *l = line_new();
	for (uint32_t round = 0; round < 2; round++)
		for (size_t i = 0; i < session.n - (round ? 0 : unseen); i++) {
			struct segment s = session.s[i];
			s.seq += 777777u * round;
			s.ack += 777777u * round;
			line_push(l, &s);
		}
	line_end(l);
	assert_int_equal(l->ends, 2);
	assert_int_equal(strlen(l->text), 2 * strlen(want));
	line_free(l);
}

static void same_ports(void **state)
{
	(void)state;
	used_twice(0);
	used_twice(3); /* the new one's handshake is enough */
}

/* ---- the end ----------------------------------------------------------------------------- */

#define ADT(n) "MSH|^~\\&|A|F|B|G|||ADT^A0" n "|" n "|P|2.3\rPID|||7712" n "||Roe^Jane\r"

/* Without MLLP the last message of each side is told by the end alone. */
static void say_unframed(struct session *x)
{
	session_begin(x);
	session_say(x, DIR_CLIENT, ADT("1") ADT("2"));
	session_say(x, DIR_SERVER, ADT("3"));
}

enum ending { BY_FIN, BY_RESET, BY_SILENCE, BY_NEW_SYN, BY_EVICTION, BY_RUN, ENDINGS };

static void finish(struct line *l, const struct session *x, enum ending how)
{
	struct segment last = { .dir = DIR_CLIENT, .seq = x->next[0], .ack = x->next[1], .flags = TCP_RST };
	struct segment syn = { .dir = DIR_CLIENT, .seq = 5, .flags = TCP_SYN };
	struct segment answer = { .dir = DIR_SERVER, .seq = 9, .ack = 6, .flags = TCP_SYN | TCP_ACK };
	if (how == BY_FIN) {
		struct session farewell = *x;
		session_close(&farewell);
		for (size_t i = x->n; i < farewell.n; i++)
			line_push(l, &farewell.s[i]);
	} else if (how == BY_RESET) {
		line_push(l, &last);
	} else if (how == BY_SILENCE) {
		l->ns += 4000000000000u;
		flows_advance(&l->flows, l->ns);
	} else if (how == BY_NEW_SYN) {
		line_push(l, &syn);
		line_push(l, &answer);
	} else if (how == BY_EVICTION) {
		while (l->flows.pool.used < l->flows.pool.cap)
			line_crowd(l);
		while (l->ends == 0)
			line_crowd(l);
	}
}

static void same_events_however_it_ends(void **state)
{
	(void)state;
	struct session x;
	char *first = NULL;
	say_unframed(&x);
	for (int how = 0; how < ENDINGS; how++) {
		struct line *l = line_new();
		for (size_t i = 0; i < x.n; i++)
			line_push(l, &x.s[i]);
		assert_int_equal(l->text_n + l->server_text_n > 0, 1);
		assert_null(strstr(l->text, "trigger=A02"));
		assert_int_equal(l->server_text_n, 0);
		finish(l, &x, (enum ending)how);
		line_end(l);
		first = first ? first : strdup(l->text);
		assert_string_equal(l->text, first);
		assert_int_equal(count(l->text, "hl7.message "), 3);
		if (how == BY_FIN) { /* the server's FIN is the last packet but one */
			assert_int_equal(l->event_ns, l->ns - 2000000);
			assert_int_equal(l->event_packet, l->number - 1);
		} else if (how == BY_SILENCE) { /* an hour and the rest of a second after its last packet */
			uint64_t spoke = l->ns - 4000000000000u - 1000000;
			assert_in_range(l->event_ns, spoke + 3600000000000u, spoke + 3602000000000u);
		}
		line_free(l);
	}
	free(first);
}

/* A last message whose last bytes never came is not told as whole, whoever knows of them. */
static void lost_before_the_end(void **state)
{
	(void)state;
	struct session x;
	say_unframed(&x);
	size_t lost = 0;
	for (size_t i = 0; i < x.n; i++)
		if (x.s[i].dir == DIR_CLIENT && x.s[i].data.n)
			lost = i;
	for (int how = 0; how < ENDINGS; how++) {
		struct line *l = line_new();
		for (size_t i = 0; i < x.n; i++)
			if (i != lost)
				line_push(l, &x.s[i]);
		finish(l, &x, (enum ending)how);
		line_end(l);
		assert_int_equal(count(l->text, "trigger=A02"), 0);
		assert_int_equal(count(l->text, "trigger=A03"), 1);
		assert_int_equal(l->counters.gaps, 1);
		line_free(l);
	}
}

/* The FIN overtakes the data before it. */
static void fin_before_its_data(void **state)
{
	(void)state;
	struct session x;
	say_unframed(&x);
	size_t data = x.n;
	session_close(&x);
	struct line *l = line_new();
	size_t late = data;
	while (x.s[late].dir != DIR_CLIENT || x.s[late].data.n == 0)
		late--;
	for (size_t i = 0; i < x.n; i++) {
		if (i != late)
			line_push(l, &x.s[i]);
		if (i == data)
			line_push(l, &x.s[late]);
	}
	assert_int_equal(count(l->text, "trigger=A02"), 1); /* before the run's end */
	line_end(l);
	assert_int_equal(l->counters.gaps, 0);
	line_free(l);
}

/* ---- checksums --------------------------------------------------------------------------- */

/* A wrong checksum counts where a right one was seen before: of data where data had one, of a FIN or RST
 * where the SYN had. Where none was seen it is the card's. */
static void wrong_checksums(void **state)
{
	(void)state;
	enum { NONE, SYN_ALONE, DATA_TOO };
	for (int shown = NONE; shown <= DATA_TOO; shown++) {
		struct line *l = line_new();
		bool spoke[2] = { false, false };
		for (size_t i = 0; i < session.n; i++) {
			struct segment s = session.s[i], forged = s;
			s.sum_good = shown == DATA_TOO || (shown == SYN_ALONE && !s.data.n);
			char other[MSS];
			memset(other, 'x', sizeof other);
			forged.data.p = (const uint8_t *)other;
			if (shown == DATA_TOO && s.data.n && spoke[s.dir])
				line_push(l, &forged);
			spoke[s.dir] |= s.data.n > 0;
			forged.data.n = 0;
			forged.flags = i % 2 ? TCP_RST : TCP_FIN | TCP_ACK;
			if (shown && i > 2)
				line_push(l, &forged);
			line_push(l, &s);
		}
		assert_int_equal(l->conflicts, 0);
		assert_int_equal(l->counters.segments_ignored > 0, shown > NONE);
		says_all(l);
	}
}

/* One that is right by chance among those the card is to fill in makes the others no damage. */
static void right_by_chance(void **state)
{
	(void)state;
	struct line *l = line_new();
	unsigned n[2] = { 0, 0 };
	for (size_t i = 0; i < session.n; i++) {
		struct segment s = session.s[i];
		s.sum_good = s.data.n && n[s.dir]++ % 3 == 2;
		line_push(l, &s);
	}
	assert_int_equal(l->counters.segments_ignored, 0);
	says_all(l);
}

/* What a card has joined, or is to cut up, holds the pseudo-header's sum: no damage, among good ones either.
 */
static void begun_checksums(void **state)
{
	(void)state;
	struct line *l = line_new();
	unsigned n[2] = { 0, 0 };
	for (size_t i = 0; i < session.n; i++) {
		struct segment s = session.s[i];
		s.sum_begun = s.data.n && n[s.dir]++ % 3 == 2;
		s.sum_good = !s.sum_begun;
		line_push(l, &s);
	}
	assert_int_equal(l->counters.bad_checksums, 0);
	assert_int_equal(l->counters.segments_ignored, 0);
	says_all(l);
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
					line_push(l, &session.s[i]);
					continue;
				}
				line_push(l, &session.s[i + 1]); /* out of order, so that data is held */
				line_push(l, &session.s[i]);
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
		cmocka_unit_test(same_ports),
		cmocka_unit_test(same_events_however_it_ends),
		cmocka_unit_test(lost_before_the_end),
		cmocka_unit_test(fin_before_its_data),
		cmocka_unit_test(wrong_checksums),
		cmocka_unit_test(right_by_chance),
		cmocka_unit_test(begun_checksums),
		cmocka_unit_test(starved),
	};
	int failed = cmocka_run_group_tests(tests, setup, teardown);
	return failed != 0;
}
