/* evict: full pools let the oldest out, what was never understood first, and a flood leaves nobody unread. */
#include "dicomtalk.h"
#include "packet/label.h"
#include "tcpline.h"
#include "tlstalk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND 1000000000ull

#define MSH    "\vMSH|^~\\&|MON|ICU|HIS|C|20260301080000||"

enum { FAKES = 1000 };

/* One conversation of many. */
struct client {
	struct session x;
	size_t sent;
	uint16_t client;
};

static void send_on(struct line *l, struct client *t)
{
	for (; t->sent < t->x.n; t->sent++) {
		struct segment s = t->x.s[t->sent];
		s.client = t->client;
		line_push(l, &s);
	}
}

static void client_begin(struct line *l, struct client *t, unsigned client)
{
	session_begin(&t->x);
	t->sent = 0;
	t->client = (uint16_t)client;
	send_on(l, t);
}

static void client_says(struct line *l, struct client *t, enum dir dir, const char *text)
{
	session_say(&t->x, dir, text);
	send_on(l, t);
}

/* A message of that client; whether it was read. */
static bool is_read(struct line *l, struct client *t)
{
	size_t before = l->text_n;
	client_says(l, t, DIR_CLIENT, MSH "ORU^R01|7|P|2.5\r\x1c\r");
	return l->text_n > before;
}

static void acknowledged(struct line *l, struct client *t)
{
	client_says(l, t, DIR_SERVER, MSH "ACK|8|P|2.5\rMSA|AA|7\r\x1c\r");
}

static void fake(struct line *l, unsigned client, const char *start)
{
	static struct client t;
	l->text_n = 0; /* what it says is of no interest */
	client_begin(l, &t, client);
	client_says(l, &t, DIR_CLIENT, start);
}

/* A conversation of long standing that speaks every minute and one that begins behind the flood are read;
 * only those of the flood made room. */
static void flood(struct line *l, const char *start, const uint64_t *full, unsigned want_full)
{
	static struct client old, new;
	client_begin(l, &old, 0);
	assert_true(is_read(l, &old));
	acknowledged(l, &old);
	for (unsigned i = 1; i <= FAKES; i++) {
		fake(l, i, start);
		if (i % 50)
			continue;
		l->ns += 60 * SECOND;
		assert_true(is_read(l, &old));
	}
	client_begin(l, &new, FAKES + 1);
	assert_true(is_read(l, &new));
	assert_int_equal(*full, want_full);
	line_end(l);
	assert_int_equal(l->ends, FAKES + 2);
	line_free(l);
}

static void fake_conversations(void **state)
{
	(void)state;
	struct line *l = line_new_for(4096, 8192, 64, 16);
	flood(l, "\vMSH|^~\\&|A|B", &l->counters.full_states, FAKES + 2 - 64);
}

/* They say whole messages, that nobody answers. */
static void fake_messages(void **state)
{
	(void)state;
	struct line *l = line_new_for(4096, 8192, 64, 16);
	flood(l, MSH "ORU^R01|9|P|2.5\r\x1c\r", &l->counters.full_states, FAKES + 2 - 64);
}

/* Of which not even the protocol is known. */
static void fake_starts(void **state)
{
	(void)state;
	struct line *l = line_new_for(4096, 64, 2048, 16);
	flood(l, "\v", &l->counters.full_halves, FAKES + 3 - 64);
}

/* Among equals the one that was silent longest goes. It is counted on, and read from the middle when it
 * speaks again. */
static void silent_longest(void **state)
{
	(void)state;
	enum { N = 16, SILENT = 5 };
	static struct client t[N + 1];
	struct line *l = line_new_for(64, 128, N, 16);
	for (unsigned i = 0; i < N; i++) {
		client_begin(l, &t[i], i);
		assert_true(is_read(l, &t[i]));
		l->ns += SECOND;
	}
	for (unsigned i = 0; i < N; i++) {
		if (i != SILENT)
			assert_true(is_read(l, &t[i]));
		l->ns += SECOND;
	}
	assert_int_equal(l->counters.full_states, 0);
	client_begin(l, &t[N], N);
	assert_true(is_read(l, &t[N]));
	assert_int_equal(l->counters.full_states, 1);
	for (unsigned i = 0; i <= N; i++)
		assert_true(i == SILENT || is_read(l, &t[i]));
	assert_int_equal(l->counters.full_states, 1);
	assert_true(is_read(l, &t[SILENT]));
	assert_int_equal(l->counters.full_states, 2);
	assert_int_equal(l->ends, 0);
	line_end(l);
	assert_int_equal(l->ends, N + 1);
	line_free(l);
}

/* Handshakes that stop within a message hold a dissector's large state. */
static void fake_handshakes(void **state)
{
	(void)state;
	enum { EXTRAS = 4, FAKES_HERE = 100 };
	struct line *l = line_new_for(4096, 8192, 2048, EXTRAS);
	struct bytes hello = client_hello(0x0303, H(""), H("0002 1301"), server_name("pacs.ward"));
	struct bytes parts[] = { bytes_first(hello, 40), bytes_from(hello, 40) };
	for (unsigned i = 0; i <= FAKES_HERE; i++) {
		struct session x;
		session_begin(&x);
		for (unsigned k = 0; k < (i < FAKES_HERE ? 1 : 2); k++) {
			struct bytes b = record(22, parts[k]);
			x.s[x.n++] = (struct segment){
				.seq = x.next[0], .ack = x.next[1], .flags = TCP_ACK, .data = b
			};
			x.next[0] += (uint32_t)b.n;
		}
		l->text_n = 0;
		for (size_t k = 0; k < x.n; k++) {
			x.s[k].client = (uint16_t)i;
			line_push(l, &x.s[k]);
			assert_true(l->engine.extras.used <= EXTRAS);
		}
	}
	assert_non_null(strstr(l->text, "pacs.ward"));
	assert_int_equal(l->counters.full_extras, FAKES_HERE + 1 - EXTRAS);
	line_end(l);
	line_free(l);
	tls_reset();
}

/* Compressed data sets that stop in the middle hold an inflater each. */
static void fake_images(void **state)
{
	(void)state;
	struct line *l = line_new_for(4096, 8192, 2048, 16);
	unsigned most = (unsigned)l->limits.inflaters, fakes = most + 10;
	struct talk t = { .n = 0 };
	say_association(&t, "CT1", CT, "1.2.840.10008.1.2.1.99");
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	struct bytes set = deflated(data_set(SYNTAX_EXPLICIT, false));
	struct out half = { 0 };
	put(&half, set.p, set.n / 2);
	free_bytes(set);
	say_p_data(&t, DIR_CLIENT, 0, view(&half));
	for (unsigned i = 0; i < fakes; i++) {
		struct session x;
		session_begin(&x);
		for (size_t k = 0; k < t.n; k++) {
			enum dir dir = t.chunk[k].dir;
			x.s[x.n++] = (struct segment){ .dir = dir,
				.seq = x.next[dir],
				.ack = x.next[!dir],
				.flags = TCP_ACK,
				.data = t.chunk[k].data };
			x.next[dir] += (uint32_t)t.chunk[k].data.n;
		}
		for (size_t k = 0; k < x.n; k++) {
			x.s[k].client = (uint16_t)i;
			line_push(l, &x.s[k]);
		}
		assert_int_equal(l->engine.inflaters.used, i < most ? i + 1 : most);
	}
	assert_int_equal(l->counters.full_inflaters, fakes - most);
	talk_free(&t);
	line_end(l);
	assert_int_equal(l->ends, fakes);
	line_free(l);
}

/* nDPI's: the one that was shown no packet for longest is put back, and may still be recognised. */
static void fake_unknowns(void **state)
{
	(void)state;
	enum { LABELS = 16 };
	struct line *l = line_new_for(4096, 8192, 2048, 16);
	static struct client server_speaks;
	l->limits.labels = LABELS;
	struct labels *labels = labels_new(&l->limits, &l->counters);
	assert_non_null(labels);
	l->flows.labels = labels;
	client_begin(l, &server_speaks, 0);
	client_says(l, &server_speaks, DIR_CLIENT, "\x01\x02 what is this?");
	for (unsigned i = 1; i <= LABELS + 4; i++)
		fake(l, i, "\x01\x02 what is this?");
	assert_int_equal(l->counters.full_labels, 5);
	client_says(l, &server_speaks, DIR_SERVER, MSH "ORU^R01|7|P|2.5\r\x1c\r");
	assert_int_equal(l->server_text_n > 0, true);
	line_end(l);
	assert_int_equal(l->ends, LABELS + 5);
	assert_int_equal(label_evict(labels), 0);
	labels_free(labels);
	line_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fake_conversations),
		cmocka_unit_test(fake_messages),
		cmocka_unit_test(fake_starts),
		cmocka_unit_test(silent_longest),
		cmocka_unit_test(fake_handshakes),
		cmocka_unit_test(fake_images),
		cmocka_unit_test(fake_unknowns),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
