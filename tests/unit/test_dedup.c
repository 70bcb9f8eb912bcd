/* dedup: what is a mirror's copy and what is not. */
#include "layers.h"

#include "packet/dedup.h"

enum { US = 1000, MS = 1000000 };

static struct limits limits;
static struct counters counters;
static struct decoder decoder;
static struct dedup dedup;
static uint64_t number;

static int setup(void **state)
{
	static const struct hash_key key = { 1, 2 };
	(void)state;
	limits_default(&limits);
	memset(&counters, 0, sizeof counters);
	number = 0;
	dedup_init(&dedup, &key);
	return decode_init(&decoder, &limits, &counters, &key) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	decode_fini(&decoder);
	return 0;
}

static bool is_copy_cut(const struct wire *w, size_t n, uint64_t ts_ns)
{
	struct packet p;
	uint8_t *b = wire_copy(w->b, n);
	struct frame f = { .ts_ns = ts_ns,
		.number = ++number,
		.data = bytes_of(b, n),
		.wire_bytes = (uint32_t)w->n,
		.linktype = 1 };
	enum decoded is = decode_frame(&decoder, &f, &p);
	bool copy = dedup_is_copy(&dedup, ts_ns, is, &p);
	free(b);
	return copy;
}

static bool is_copy(const struct wire *w, uint64_t ts_ns)
{
	return is_copy_cut(w, w->n, ts_ns);
}

#define BUILD(name, ...)                                                                                     \
	struct wire name;                                                                                    \
	wire_build(&name, (const char *const[]){ __VA_ARGS__, NULL })

#define IP4_TTL(id, tos, ttl) "45" tos "T" id "0000" ttl "06 0000 0a000001 0a000002"

static void copies(void **state)
{
	(void)state;
	BUILD(first, HI, TCP, IP4_TTL("0001", "00", "40"), ETH("0800"));
	BUILD(routed, HI, TCP, IP4_TTL("0001", "b8", "3f"), ETH_IN("0800"));
	BUILD(tagged, HI, TCP, IP4_TTL("0001", "00", "40"), TAG("0005", "0800"), ETH("8100"));
	BUILD(other_tag, HI, TCP, IP4_TTL("0001", "00", "40"), TAG("0006", "0800"), ETH("8100"));
	BUILD(mirrored, HI, TCP, IP4_TTL("0001", "00", "40"), ETH("0800"), "0000 88be", IP4_OUT("2f"),
		ETH("0800"));
	routed.b[14 + 10] = 0x12; /* checksum */
	assert_false(is_copy(&first, 100 * MS));
	assert_true(is_copy(&first, 100 * MS));
	assert_true(is_copy(&routed, 100 * MS + 50 * US));
	assert_true(is_copy(&tagged, 109 * MS));
	assert_true(is_copy(&other_tag, 91 * MS)); /* merged captures: earlier by the clock */
	assert_true(is_copy(&mirrored, 100 * MS));
}

static void no_copies(void **state)
{
	(void)state;
	BUILD(first, HI, TCP, IP4_TTL("0001", "00", "40"), ETH("0800"));
	BUILD(resent, HI, TCP, IP4_TTL("0002", "00", "40"), ETH("0800"));
	BUILD(changed, "6868", TCP, IP4_TTL("0001", "00", "40"), ETH("0800"));
	BUILD(longer, "686900", TCP, IP4_TTL("0001", "00", "40"), ETH("0800"));
	BUILD(back, HI, TCP, "4500 T 0001 0000 40 06 0000 0a000002 0a000001", ETH("0800"));
	assert_false(is_copy(&first, 100 * MS));
	assert_false(is_copy(&resent, 100 * MS));
	assert_false(is_copy(&changed, 100 * MS));
	assert_false(is_copy(&longer, 100 * MS));
	assert_false(is_copy(&back, 100 * MS));
	assert_false(is_copy(&first, 111 * MS));
	/* less of it was captured: the bytes that the first one lacks are wanted */
	assert_false(is_copy_cut(&first, first.n - 1, 111 * MS));
	assert_true(is_copy_cut(&first, first.n - 1, 111 * MS));
}

static void within_512_packets(void **state)
{
	(void)state;
	BUILD(first, HI, TCP, IP4_TTL("ffff", "00", "40"), ETH("0800"));
	BUILD(other, HI, TCP, IP4_TTL("0000", "00", "40"), ETH("0800"));
	for (unsigned others = 511; others <= 512; others++) {
		assert_false(is_copy(&first, 1));
		for (unsigned i = 0; i < others; i++) {
			other.b[14 + 4] = (uint8_t)(others - 510);
			other.b[14 + 5] = (uint8_t)i;
			other.b[14 + 16] = (uint8_t)(i >> 8);
			assert_false(is_copy(&other, 1));
		}
		assert_int_equal(is_copy(&first, 1), others == 511);
		first.b[14 + 19] = 99;
	}
}

static void without_an_identification(void **state)
{
	(void)state;
	BUILD(tcp, HI, TCP, IP4_TTL("0000", "00", "40"), ETH("0800"));
	BUILD(udp, HI, UDP, "4500 T 0000 4000 40 11 0000 0a000001 0a000002", ETH("0800"));
	BUILD(udp6, HI, UDP, IP6("11"), ETH("86dd"));
	BUILD(udp6_routed, HI, UDP, "6b800000 P 11 3f" A6("01") A6("02"), ETH("86dd"));
	BUILD(arp, HI, ETH("0806"));
	BUILD(arp_tagged, HI, TAG("0005", "0806"), ETH("8100"));
	BUILD(arp_other, HI, ETH_IN("0806"));
	assert_false(is_copy(&tcp, 100 * MS));
	assert_true(is_copy(&tcp, 109 * MS));
	assert_false(is_copy(&udp, 100 * MS));
	assert_true(is_copy(&udp, 100 * MS + 900 * US));
	assert_false(is_copy(&udp, 102 * MS));
	assert_false(is_copy(&udp6, 100 * MS));
	assert_true(is_copy(&udp6_routed, 100 * MS + 900 * US));
	assert_false(is_copy(&udp6, 102 * MS));
	assert_false(is_copy(&arp, 100 * MS));
	assert_true(is_copy(&arp_tagged, 100 * MS + 900 * US));
	assert_false(is_copy(&arp_other, 100 * MS));
	assert_false(is_copy(&arp, 102 * MS));
}

static void fragments(void **state)
{
	(void)state;
	BUILD(a, "0102030405060708", IP4_ID("0001", "2000", "11"), ETH("0800"));
	BUILD(b, "0102030405060708", IP4_ID("0001", "2001", "11"), ETH("0800"));
	BUILD(six, "0102030405060708", "1100 0001 12345678", IP6("2c"), ETH("86dd"));
	assert_false(is_copy(&a, 1));
	assert_false(is_copy(&b, 1));
	assert_true(is_copy(&a, 5 * MS));
	assert_true(is_copy(&b, 5 * MS));
	assert_false(is_copy(&six, 1));
	assert_true(is_copy(&six, 5 * MS));
}

static void not_what_was_not_decoded(void **state)
{
	(void)state;
	BUILD(bad, HI, TCP, "4400 T 0001 0000 40 06 0000 0a000001 0a000002", ETH("0800"));
	assert_false(is_copy(&bad, 1));
	assert_false(is_copy(&bad, 1));
	assert_false(is_copy_cut(&bad, 20, 1));
	assert_false(is_copy_cut(&bad, 20, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copies, setup, teardown),
		cmocka_unit_test_setup_teardown(no_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(within_512_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(without_an_identification, setup, teardown),
		cmocka_unit_test_setup_teardown(fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(not_what_was_not_decoded, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
