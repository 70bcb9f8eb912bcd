/* defrag: fragments in every order, repeated, overlapping and hostile -> datagrams. */
#include "layers.h"

#include "packet/decode.h"

enum { FRAGMENT = DECODE_FRAGMENT, PACKET = DECODE_PACKET, SECOND = 1000000000 };

static struct limits limits;
static struct counters counters;
static struct decoder decoder;
static struct packet packet; /* of the last frame */
static uint64_t now_ns;

static int setup(void **state)
{
	static const struct hash_key key = { 1, 2 };
	(void)state;
	limits_default(&limits);
	limits.fragments = 16;
	limits.fragment_kib = 256;
	memset(&counters, 0, sizeof counters);
	now_ns = SECOND;
	return decode_init(&decoder, &limits, &counters, &key) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	decode_fini(&decoder);
	return 0;
}

static enum decoded frame(const struct wire *w)
{
	uint8_t *b = wire_copy(w->b, w->n);
	struct frame f = { .ts_ns = now_ns,
		.number = 1,
		.data = bytes_of(b, w->n),
		.wire_bytes = (uint32_t)w->n,
		.linktype = 1 };
	enum decoded is = decode_frame(&decoder, &f, &packet);
	if (is == DECODE_FRAGMENT)
		is = decode_join(&decoder, &packet);
	free(b);
	return is;
}

static struct wire whole; /* the datagram behind its IP header */

static void pattern(size_t n)
{
	whole.n = n - 8;
	for (size_t i = 0; i < whole.n; i++)
		whole.b[i] = (uint8_t)(i * 7 + i / 256);
	wire_wrap(&whole, UDP);
}

static struct wire piece4(uint32_t id, size_t at, size_t n, bool more)
{
	struct wire w = { .n = n };
	memcpy(w.b, whole.b + at, n);
	wire_wrap(&w, IP4_ID("0000", "0000", "11"));
	w.b[4] = (uint8_t)(id >> 8);
	w.b[5] = (uint8_t)id;
	w.b[6] = (uint8_t)(at / 8 >> 8 | (more ? 0x20 : 0));
	w.b[7] = (uint8_t)(at / 8);
	wire_wrap(&w, ETH("0800"));
	return w;
}

static struct wire piece6(size_t at, size_t n, bool more)
{
	struct wire w = { .n = n };
	memcpy(w.b, whole.b + at, n);
	wire_wrap(&w, "1100 0000 12345678");
	w.b[2] = (uint8_t)(at >> 8);
	w.b[3] = (uint8_t)(at | more);
	wire_wrap(&w, "2c00 0104 00000000"); /* destination options in front */
	wire_wrap(&w, IP6("3c"));
	wire_wrap(&w, ETH("86dd"));
	return w;
}

static enum decoded give4(size_t at, size_t n, bool more)
{
	struct wire w = piece4(7, at, n, more);
	return frame(&w);
}

static enum decoded give6(size_t at, size_t n, bool more)
{
	struct wire w = piece6(at, n, more);
	return frame(&w);
}

static void check_whole(void)
{
	assert_true(packet.is_joined);
	assert_false(packet.is_fragment);
	assert_int_equal(packet.sport, 5000);
	assert_true(bytes_eq(packet.payload, bytes_of(whole.b + 8, whole.n - 8)));
}

static void in_order_and_not(void **state)
{
	(void)state;
	pattern(3000);
	assert_int_equal(give4(0, 1480, true), FRAGMENT);
	assert_int_equal(packet.sport, 0);
	assert_int_equal(give4(1480, 1480, true), FRAGMENT);
	assert_int_equal(give4(2960, 40, false), PACKET);
	check_whole();
	assert_int_equal(give4(2960, 40, false), FRAGMENT);
	assert_int_equal(give4(1480, 1480, true), FRAGMENT);
	assert_int_equal(give4(0, 1480, true), PACKET);
	check_whole();
	assert_int_equal(give6(1480, 1520, false), FRAGMENT);
	assert_int_equal(give6(0, 1480, true), PACKET);
	check_whole();
	assert_int_equal(packet.src.family, 6);
	assert_int_equal(counters.fragments, 8);
	assert_int_equal(counters.fragments_joined, 3);
	assert_int_equal(counters.fragments_lost, 0);
	assert_int_equal(decoder.defrag.pieces.used, 0);
	assert_int_equal(decoder.defrag.datagrams.used, 0);
}

/* Random cuts, orders and repeats of one datagram always give that datagram. */
static void any_order(void **state)
{
	(void)state;
	uint64_t seed = 1;
	for (unsigned round = 0; round < 300; round++) {
		size_t cuts[65], n = 0;
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		pattern(16 + (seed >> 33) % 6000);
		for (size_t at = 0; at < whole.n && n < 64; n++) {
			cuts[n] = at;
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			at += n == 63 ? whole.n : 8 + (seed >> 40) % 200 * 8;
		}
		cuts[n] = whole.n;
		bool six = round & 1, given[64] = { false };
		for (size_t left = n, i; left;) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			i = (seed >> 35) % n;
			left -= !given[i];
			given[i] = true;
			if (cuts[i + 1] - cuts[i] == whole.n) /* one piece is no fragment */
				break;
			bool more = cuts[i + 1] != whole.n;
			enum decoded is = six ? give6(cuts[i], cuts[i + 1] - cuts[i], more)
					      : give4(cuts[i], cuts[i + 1] - cuts[i], more);
			assert_int_equal(is, left ? FRAGMENT : PACKET);
			if (!left)
				check_whole();
		}
	}
	assert_int_equal(counters.fragments_conflicting, 0);
	assert_int_equal(counters.fragments_lost, 0);
}

static void first_bytes_win(void **state)
{
	(void)state;
	pattern(64);
	struct wire first = whole;
	assert_int_equal(give4(0, 16, true), FRAGMENT);
	assert_int_equal(give4(32, 16, true), FRAGMENT);
	memset(whole.b, 0xee, 64);
	struct wire other = whole;
	whole = first;
	memcpy(first.b + 16, other.b + 16, 16);
	memcpy(first.b + 48, other.b + 48, 16);
	whole = other;
	assert_int_equal(give4(8, 56, false), PACKET); /* over both, and what lies between and behind */
	whole = first;
	check_whole();
	assert_int_equal(counters.fragments_conflicting, 1);
}

/* RFC 5722: none of it, whatever still comes; an exact repeat is harmless. */
static void overlap_in_ipv6(void **state)
{
	(void)state;
	pattern(64);
	assert_int_equal(give6(0, 32, true), FRAGMENT);
	assert_int_equal(give6(0, 32, true), FRAGMENT);
	assert_int_equal(give6(24, 40, false), FRAGMENT);
	assert_int_equal(give6(32, 32, false), FRAGMENT);
	assert_int_equal(give6(0, 32, true), FRAGMENT);
	assert_int_equal(counters.fragments_lost, 1);
	assert_int_equal(counters.fragments_joined, 0);
	now_ns += 31ull * SECOND;
	assert_int_equal(give6(0, 32, true), FRAGMENT);
	assert_int_equal(give6(32, 32, false), PACKET);
	assert_int_equal(counters.fragments_lost, 1);
}

static void hostile(void **state)
{
	(void)state;
	pattern(66000);
	assert_int_equal(give4(65528, 40, false), DECODE_MALFORMED); /* ping of death */
	assert_int_equal(give4(8, 12, true), DECODE_MALFORMED);      /* not in units of eight */
	assert_int_equal(give4(8, 0, true), DECODE_MALFORMED);
	assert_int_equal(give6(65528, 40, false), DECODE_MALFORMED);
	assert_int_equal(counters.packets_malformed, 4);
	assert_int_equal(counters.malformed_network, 4);
	/* teardrop: the last fragment ends inside the first */
	assert_int_equal(give4(0, 40, true), FRAGMENT);
	assert_int_equal(give4(24, 4, false), FRAGMENT);
	assert_int_equal(counters.fragments_lost, 1);
	assert_int_equal(decoder.defrag.pieces.used, 0);
	/* two ends */
	now_ns += 31ull * SECOND;
	assert_int_equal(give4(80, 8, false), FRAGMENT);
	assert_int_equal(give4(40, 8, false), FRAGMENT);
	assert_int_equal(counters.fragments_lost, 2);
	/* the largest that can be */
	now_ns += 31ull * SECOND;
	limits.tunnel_depth = 8;
	pattern(65515);
	for (size_t at = 0; at < 64000; at += 800)
		assert_int_equal(give4(at, 800, true), FRAGMENT);
	assert_int_equal(give4(64000, 1515, false), PACKET);
	check_whole();
}

static void waits_half_a_minute(void **state)
{
	(void)state;
	pattern(64);
	assert_int_equal(give4(0, 32, true), FRAGMENT);
	now_ns += 29ull * SECOND;
	assert_int_equal(give4(32, 32, false), PACKET);
	assert_int_equal(give4(0, 32, true), FRAGMENT);
	now_ns += 31ull * SECOND;
	assert_int_equal(give4(32, 32, false), FRAGMENT);
	assert_int_equal(counters.fragments_lost, 1);
}

static void pools_end(void **state)
{
	(void)state;
	pattern(4000);
	for (uint32_t id = 0; id < 1000; id++) { /* more datagrams than limits.fragments */
		struct wire w = piece4(id, 0, 1480, true);
		assert_int_equal(frame(&w), FRAGMENT);
	}
	assert_int_equal(counters.full_fragments, 1000 - 16);
	assert_int_equal(counters.fragments_lost, 1000 - 16);
	for (uint32_t id = 990; id < 995;
		id++) /* more pieces than limits.fragment_kib: the oldest give way */
		for (size_t at = 1480; at < 1480 + 8 * 40; at += 8) {
			struct wire w = piece4(id, at, 8, true);
			assert_int_equal(frame(&w), FRAGMENT);
		}
	assert_true(counters.full_fragment_kib > 0);
	assert_true(decoder.defrag.pieces.used <= 128);
	pattern(64);
	assert_int_equal(give4(0, 32, true), FRAGMENT);
	assert_int_equal(give4(32, 32, false), PACKET);
	check_whole();
}

/* A datagram of very many very small fragments is given up, not searched for ever. */
static void crumbs(void **state)
{
	(void)state;
	pattern(8000);
	decode_fini(&decoder);
	limits.fragment_kib = 8192;
	static const struct hash_key key = { 1, 2 };
	assert_true(decode_init(&decoder, &limits, &counters, &key));
	for (size_t at = 0; at < 7000; at += 8)
		assert_int_equal(give4(at, 8, true), FRAGMENT);
	assert_int_equal(counters.fragments_lost, 1);
	assert_int_equal(decoder.defrag.pieces.used, 0);
}

static void starved(void **state)
{
	(void)state;
	pattern(64);
	decoder.defrag.pieces.fail_at = 2;
	assert_int_equal(give4(0, 32, true), FRAGMENT);
	assert_int_equal(give4(32, 32, false), FRAGMENT);
	assert_int_equal(counters.full_fragment_kib, 1);
	assert_int_equal(counters.fragments_lost, 1);
	decoder.defrag.datagrams.fail_at = 1;
	struct wire w = piece4(8, 0, 32, true);
	assert_int_equal(frame(&w), FRAGMENT);
	assert_int_equal(decoder.defrag.datagrams.used, 0);
}

static void vlan_does_not_matter_a_vni_does(void **state)
{
	(void)state;
	pattern(64);
	struct wire a = piece4(7, 0, 32, true), b = piece4(7, 32, 32, false);
	a.n -= 14;
	memmove(a.b, a.b + 14, a.n);
	struct wire tagged = a, other = a;
	wire_wrap(&tagged, TAG("0005", "0800"));
	wire_wrap(&tagged, ETH("8100"));
	assert_int_equal(frame(&tagged), FRAGMENT);
	assert_int_equal(frame(&b), PACKET);
	check_whole();
	wire_wrap(&other, ETH_IN("0800"));
	wire_wrap(&other, "08000000 00000500");
	wire_wrap(&other, UDP_TO("12b5"));
	wire_wrap(&other, IP4_OUT("11"));
	wire_wrap(&other, ETH("0800"));
	assert_int_equal(frame(&other), FRAGMENT);
	assert_int_equal(packet.vni, 5);
	assert_int_equal(frame(&b), FRAGMENT);
}

/* The tunnel was fragmented, and in it is a fragment again. */
static void tunnel_in_fragments(void **state)
{
	(void)state;
	struct wire inner[2], datagram;
	pattern(64);
	datagram = whole;
	for (size_t half = 0; half < 2; half++) {
		whole = datagram;
		inner[half] = piece4(7, half * 32, 32, half == 0);
		wire_wrap(&inner[half], "08000000 00000500");
		wire_wrap(&inner[half], UDP_TO("12b5"));
		whole = inner[half];
		size_t n = whole.n / 16 * 8;
		struct wire a = piece4(100 + (uint32_t)half, 0, n, true);
		struct wire b = piece4(100 + (uint32_t)half, n, whole.n - n, false);
		assert_int_equal(frame(&b), FRAGMENT);
		assert_int_equal(frame(&a), half ? PACKET : FRAGMENT);
	}
	whole = datagram;
	check_whole();
	assert_int_equal(packet.vni, 5);
	assert_int_equal(packet.outer_src.family, 4);
	assert_int_equal(counters.fragments_joined, 3);
	assert_int_equal(counters.fragments, 6);
}

static void cut_fragments_join_nothing(void **state)
{
	(void)state;
	pattern(64);
	struct wire w = piece4(7, 0, 32, true);
	w.n -= 8;
	assert_int_equal(frame(&w), FRAGMENT);
	assert_true(packet.is_cut);
	assert_int_equal(give4(32, 32, false), FRAGMENT);
	assert_int_equal(counters.packets_cut, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order_and_not, setup, teardown),
		cmocka_unit_test_setup_teardown(any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(first_bytes_win, setup, teardown),
		cmocka_unit_test_setup_teardown(overlap_in_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(waits_half_a_minute, setup, teardown),
		cmocka_unit_test_setup_teardown(pools_end, setup, teardown),
		cmocka_unit_test_setup_teardown(crumbs, setup, teardown),
		cmocka_unit_test_setup_teardown(starved, setup, teardown),
		cmocka_unit_test_setup_teardown(vlan_does_not_matter_a_vni_does, setup, teardown),
		cmocka_unit_test_setup_teardown(tunnel_in_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_fragments_join_nothing, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
