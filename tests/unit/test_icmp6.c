/* Neighbour discovery messages of RFC 4861, whole, cut and hostile. */
#include "dxtest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static const char ns_hex[] = "87 00 0000 00000000 fd200030000000000000000000000016 0101 0009fb313131";

static char *run(const char *hex, const char *src, const char *smac)
{
	struct bytes b = dxtest_hex(hex);
	struct dxtest t = { .proto = PROTO_icmp6, .datagrams = true };
	assert_true(addr_parse(bytes_str(src), &t.conv.src));
	assert_true(addr_parse(bytes_str("ff02::1"), &t.conv.dst));
	mac_parse(bytes_str(smac), &t.conv.smac);
	char *text = dxtest_run(&t, &(struct chunk){ DIR_CLIENT, b }, 1);
	free((void *)(uintptr_t)b.p);
	return text;
}

static void expect(const char *hex, const char *src, const char *wanted)
{
	char *text = run(hex, src, "00:09:fb:31:31:31");
	assert_string_equal(text, wanted);
	free(text);
}

static void test_solicitation(void **state)
{
	(void)state;
	expect(ns_hex, "fd20:30::1f",
		"icmp.neighbor_solicitation client icmp.type=135 icmp.target_ip=fd20:30::16 "
		"icmp.link_address=00-09-FB-31-31-31 icmp.duplicate_check=false icmp.mac_mismatch=false\n"
		"observe icmp6 address ip=fd20:30::1f mac=00-09-FB-31-31-31\n");
}

static void test_duplicate_check_binds_nothing(void **state)
{
	(void)state;
	expect("87 00 0000 00000000 fd200030000000000000000000000016", "::",
		"icmp.neighbor_solicitation client icmp.type=135 icmp.target_ip=fd20:30::16 "
		"icmp.duplicate_check=true\n");
}

static void test_advertisement(void **state)
{
	(void)state;
	/* solicited, override; then with the router flag */
	expect("88 00 0000 60000000 fd20003000000000000000000000001f 0201 0009fb313131", "fd20:30::1f",
		"icmp.neighbor_advertisement client icmp.type=136 icmp.target_ip=fd20:30::1f "
		"icmp.link_address=00-09-FB-31-31-31 icmp.router=false icmp.mac_mismatch=false\n"
		"observe icmp6 address ip=fd20:30::1f mac=00-09-FB-31-31-31\n");
	expect("88 00 0000 e0000000 fd20003000000000000000000000001f 0201 0009fb313131", "fd20:30::1f",
		"icmp.neighbor_advertisement client icmp.type=136 icmp.target_ip=fd20:30::1f "
		"icmp.link_address=00-09-FB-31-31-31 icmp.router=true icmp.mac_mismatch=false\n"
		"observe icmp6 address ip=fd20:30::1f mac=00-09-FB-31-31-31 router=true@80\n");
}

static void test_router(void **state)
{
	(void)state;
	expect("86 00 0000 40 00 0708 00000000 00000000 0101 0009fb313131"
	       "0304 40 c0 00015180 00003840 00000000 fd200030000000000000000000000000",
		"fe80::1",
		"icmp.router_advertisement client icmp.type=134 icmp.link_address=00-09-FB-31-31-31 "
		"icmp.router_lifetime=1800 icmp.prefixes=[fd20:30::/64] icmp.mac_mismatch=false\n"
		"observe icmp6 address ip=fe80::1 mac=00-09-FB-31-31-31 router=true@80\n");
	expect("85 00 0000 00000000 0101 0009fb313131", "fe80::2",
		"icmp.router_solicitation client icmp.type=133 icmp.link_address=00-09-FB-31-31-31 "
		"icmp.mac_mismatch=false\n"
		"observe icmp6 address ip=fe80::2 mac=00-09-FB-31-31-31\n");
}

static void test_other_frame_source_binds_nothing(void **state)
{
	(void)state;
	char *text = run(ns_hex, "fd20:30::1f", "00:06:5b:02:02:02");
	assert_non_null(strstr(text, "icmp.mac_mismatch=true"));
	assert_null(strstr(text, "observe"));
	free(text);
}

static void test_redirect_binds_nothing(void **state)
{
	(void)state;
	expect("89 00 0000 00000000 fe800000000000000000000000000002 20010db8000000000000000000000009",
		"fe80::1",
		"icmp.redirect client icmp.type=137 icmp.target_ip=fe80::2 icmp.redirect_ip=2001:db8::9\n");
}

static void test_hostile(void **state)
{
	(void)state;
	/* an option of length 0, one beyond the end, a code, a multicast target */
	expect("87 00 0000 00000000 fd200030000000000000000000000016 0100 0009fb313131", "fd20:30::1f",
		"malformed 1\n");
	expect("87 00 0000 00000000 fd200030000000000000000000000016 0102 0009fb313131", "fd20:30::1f",
		"malformed 1\n");
	expect("87 01 0000 00000000 fd200030000000000000000000000016", "fd20:30::1f", "malformed 1\n");
	expect("87 00 0000 00000000 ff020000000000000000000000000001", "fd20:30::1f", "malformed 1\n");
	/* echo and multicast listeners are not of this */
	expect("80 00 0000 00010001 6162", "fd20:30::1f", "");
	expect("8f 00 0000 00000000", "fd20:30::1f", "");
}

static void test_cuts(void **state)
{
	(void)state;
	struct bytes b = dxtest_hex(ns_hex);
	struct dxtest t = { .proto = PROTO_icmp6, .datagrams = true };
	/* only without its option it is a whole message */
	assert_int_equal(dxtest_cuts(&t, &(struct chunk){ DIR_CLIENT, b }, 1, 0), 1);
	free((void *)(uintptr_t)b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_solicitation),
		cmocka_unit_test(test_duplicate_check_binds_nothing),
		cmocka_unit_test(test_advertisement),
		cmocka_unit_test(test_router),
		cmocka_unit_test(test_other_frame_source_binds_nothing),
		cmocka_unit_test(test_redirect_binds_nothing),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_cuts),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
