/* ARP packets of RFC 826 and RFC 5227, whole, cut and hostile. */
#include "dxtest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static const char reply_hex[] = "0001 0800 06 04 0002 0009fb313131 0a141e1f 00065b010101 0a141e65";

static char *run(const char *hex, const char *smac)
{
	struct bytes b = dxtest_hex(hex);
	struct dxtest t = { .proto = PROTO_arp, .datagrams = true };
	mac_parse(bytes_str(smac), &t.conv.smac);
	char *text = dxtest_run(&t, &(struct chunk){ DIR_CLIENT, b }, 1);
	free((void *)(uintptr_t)b.p);
	return text;
}

static void expect(const char *hex, const char *smac, const char *wanted)
{
	char *text = run(hex, smac);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_request(void **state)
{
	(void)state;
	/* padded to Ethernet's 46 bytes */
	expect("0001 0800 06 04 0001 0009fb313131 0a141e1f 000000000000 0a141e0b"
	       "000000000000000000000000000000000000",
		"00:09:fb:31:31:31",
		"arp.request client arp.sender_mac=00-09-FB-31-31-31 arp.sender_ip=10.20.30.31 "
		"arp.target_ip=10.20.30.11 arp.gratuitous=false arp.probe=false arp.mac_mismatch=false\n"
		"observe arp address ip=10.20.30.31 mac=00-09-FB-31-31-31\n");
}

static void test_reply(void **state)
{
	(void)state;
	expect(reply_hex, "00:09:fb:31:31:31",
		"arp.reply client arp.sender_mac=00-09-FB-31-31-31 arp.sender_ip=10.20.30.31 "
		"arp.target_mac=00-06-5B-01-01-01 arp.target_ip=10.20.30.101 arp.gratuitous=false "
		"arp.probe=false arp.mac_mismatch=false\n"
		"observe arp address ip=10.20.30.31 mac=00-09-FB-31-31-31\n");
}

static void test_announcement(void **state)
{
	(void)state;
	expect("0001 0800 06 04 0001 0009fb313131 0a141e1f 000000000000 0a141e1f", "00:09:fb:31:31:31",
		"arp.request client arp.sender_mac=00-09-FB-31-31-31 arp.sender_ip=10.20.30.31 "
		"arp.target_ip=10.20.30.31 arp.gratuitous=true arp.probe=false arp.mac_mismatch=false\n"
		"observe arp address ip=10.20.30.31 mac=00-09-FB-31-31-31\n");
}

static void test_probe_binds_nothing(void **state)
{
	(void)state;
	expect("0001 0800 06 04 0001 0009fb313131 00000000 000000000000 0a141e1f", "00:09:fb:31:31:31",
		"arp.request client arp.sender_mac=00-09-FB-31-31-31 arp.sender_ip=0.0.0.0 "
		"arp.target_ip=10.20.30.31 arp.gratuitous=false arp.probe=true arp.mac_mismatch=false\n");
}

static void test_other_frame_source_binds_nothing(void **state)
{
	(void)state;
	char *text = run(reply_hex, "00:06:5b:02:02:02");
	assert_non_null(strstr(text, "arp.mac_mismatch=true"));
	assert_null(strstr(text, "observe"));
	free(text);
}

static void test_group_addresses_bind_nothing(void **state)
{
	(void)state;
	char *text =
		run("0001 0800 06 04 0002 ffffffffffff 0a141e1f 00065b010101 0a141e65", "ff:ff:ff:ff:ff:ff");
	assert_null(strstr(text, "observe"));
	free(text);
	text = run("0001 0800 06 04 0002 0009fb313131 ffffffff 00065b010101 0a141e65", "00:09:fb:31:31:31");
	assert_null(strstr(text, "observe"));
	free(text);
}

static void test_hostile(void **state)
{
	(void)state;
	/* lengths beyond the packet, lengths that are not Ethernet's and IPv4's, operation 0 */
	expect("0001 0800 ff ff 0002 0009fb313131 0a141e1f 00065b010101 0a141e65", "00:09:fb:31:31:31",
		"malformed 1\n");
	expect("0001 0800 04 06 0002 0009fb313131 0a141e1f 00065b010101 0a141e65", "00:09:fb:31:31:31",
		"malformed 1\n");
	expect("0001 0800 06 04 0000 0009fb313131 0a141e1f 00065b010101 0a141e65", "00:09:fb:31:31:31",
		"malformed 1\n");
	/* frame relay (hardware 15) and InARP are sound and not ours */
	expect("000f 0800 02 04 0008 0421 0a141e1f 0000 0a141e65", "00:09:fb:31:31:31", "");
}

static void test_cuts(void **state)
{
	(void)state;
	struct bytes b = dxtest_hex(reply_hex);
	struct dxtest t = { .proto = PROTO_arp, .datagrams = true };
	assert_int_equal(dxtest_cuts(&t, &(struct chunk){ DIR_CLIENT, b }, 1, 0), 0);
	free((void *)(uintptr_t)b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_announcement),
		cmocka_unit_test(test_probe_binds_nothing),
		cmocka_unit_test(test_other_frame_source_binds_nothing),
		cmocka_unit_test(test_group_addresses_bind_nothing),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_cuts),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
