/* DHCP for both IP versions, messages built after RFC 2131/2132 and RFC 8415. */
#include "dxtest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

/* BOOTP's fixed part: op, ciaddr, yiaddr, giaddr; the client is 00:09:fb:31:31:31. sname and file empty. */
static void fixed(char *out, size_t size, const char *op, const char *ci, const char *yi, const char *gi)
{
	int n = snprintf(out, size, "%s 01 06 00 12345678 0000 8000 %s %s 00000000 %s 0009fb313131 %020d", op,
		ci, yi, gi, 0);
	for (int i = 0; i < 192; i++)
		n += snprintf(out + n, size - (size_t)n, "00");
}

static char *run(const struct dxtest *t, const char *hex)
{
	struct bytes b = dxtest_hex(hex);
	char *text = dxtest_run(t, &(struct chunk){ DIR_CLIENT, b }, 1);
	free((void *)(uintptr_t)b.p);
	return text;
}

static struct dxtest conversation(
	enum proto proto, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct dxtest t = { .proto = proto, .datagrams = true };
	assert_true(addr_parse(bytes_str(src), &t.conv.src));
	assert_true(addr_parse(bytes_str(dst), &t.conv.dst));
	t.conv.sport = sport;
	t.conv.dport = dport;
	return t;
}

static char *from_client(const char *ci, const char *options)
{
	char hex[2048];
	struct dxtest t = conversation(PROTO_dhcp, "0.0.0.0", 68, "255.255.255.255", 67);
	fixed(hex, sizeof hex, "01", ci, "00000000", "00000000");
	strncat(hex, options, sizeof hex - strlen(hex) - 1);
	return run(&t, hex);
}

static char *from_server(const char *yi, const char *gi, uint16_t dport, const char *options)
{
	char hex[2048];
	struct dxtest t = conversation(PROTO_dhcp, "10.20.30.13", 67, "255.255.255.255", dport);
	fixed(hex, sizeof hex, "02", "00000000", yi, gi);
	strncat(hex, options, sizeof hex - strlen(hex) - 1);
	return run(&t, hex);
}

static void same(char *text, const char *wanted)
{
	assert_string_equal(text, wanted);
	free(text);
}

static void test_discover(void **state)
{
	(void)state;
	same(from_client("00000000", "63825363 350101 3d07010009fb313131 0c09'MX750-ICU' 3c08'MSFT 5.0' "
				     "370b010f03062c2e2f1f21f92b 4d04'pump' ff 0000"),
		"dhcp.discover client dhcp.message_type=discover dhcp.host_name=MX750-ICU "
		"dhcp.vendor_class=MSFT 5.0 dhcp.param_list=1,15,3,6,44,46,47,31,33,249,43 "
		"dhcp.user_class=[pump] dhcp.client_mac=00-09-FB-31-31-31 dhcp.client_id=010009fb313131\n"
		"observe dhcp address ip= mac=00-09-FB-31-31-31 host_name=MX750-ICU@60 "
		"dhcp.vendor_class=MSFT 5.0@60 dhcp.user_class=pump@60 "
		"dhcp.param_list=1,15,3,6,44,46,47,31,33,249,43@60\n");
}

static void test_lease(void **state)
{
	(void)state;
	same(from_server("0a141e1f", "00000000", 68, "63825363 350105 36040a141e0d 330400000e10 ff"),
		"dhcp.ack client dhcp.message_type=ack dhcp.client_mac=00-09-FB-31-31-31 "
		"dhcp.assigned_ip=10.20.30.31 dhcp.server=10.20.30.13 dhcp.lease_time=3600\n"
		"observe dhcp address ip=10.20.30.31 mac=00-09-FB-31-31-31\n"
		"observe dhcp sender client role=dhcp_server@90\n");
	/* an offer binds nothing yet; an answer handed on by a relay names no server */
	same(from_server("0a141e1f", "00000000", 68, "63825363 350102 36040a141e0d ff"),
		"dhcp.offer client dhcp.message_type=offer dhcp.client_mac=00-09-FB-31-31-31 "
		"dhcp.assigned_ip=10.20.30.31 dhcp.server=10.20.30.13\n"
		"observe dhcp sender client role=dhcp_server@90\n");
	same(from_server("0a141e1f", "0a141e01", 68, "63825363 350102 36040a141e0d ff"),
		"dhcp.offer client dhcp.message_type=offer dhcp.client_mac=00-09-FB-31-31-31 "
		"dhcp.assigned_ip=10.20.30.31 dhcp.server=10.20.30.13 dhcp.relay=10.20.30.1\n");
	same(from_server("00000000", "00000000", 68, "63825363 350106 36040a141e0d ff"),
		"dhcp.nak client dhcp.message_type=nak dhcp.client_mac=00-09-FB-31-31-31 "
		"dhcp.server=10.20.30.13\n");
}

static void test_names(void **state)
{
	(void)state;
	/* option 81 in wire form and in ASCII; user classes with lengths; ciaddr of an inform */
	char *text = from_client(
		"0a141e1f", "63825363 350108 510f 04 00 00 02'ws' 08'hospital' 4d08 03'abc' 03'def' ff");
	assert_non_null(strstr(text, "dhcp.inform client"));
	assert_non_null(strstr(text, "dhcp.fqdn=ws.hospital "));
	assert_non_null(strstr(text, "dhcp.user_class=[abc,def]"));
	assert_non_null(strstr(text, "ip=10.20.30.31 mac=00-09-FB-31-31-31 host_name=ws@60"));
	free(text);
	text = from_client("00000000", "63825363 350101 510e 00 00 00 'ws.hospital' ff");
	assert_non_null(strstr(text, "dhcp.fqdn=ws.hospital "));
	free(text);
}

static void test_pieces_and_overload(void **state)
{
	(void)state;
	/* RFC 3396: one option in two pieces */
	char *text = from_client("00000000", "63825363 350101 0c03'MX7' 3c01'x' 0c02'50' ff");
	assert_non_null(strstr(text, "dhcp.host_name=MX750 "));
	free(text);
	/* option 52: the host name stands in `file`, the vendor class in `sname` */
	char hex[2048] = "01 01 06 00 12345678 0000 8000 00000000 00000000 00000000 00000000 0009fb313131 "
			 "00000000000000000000 3c03'udh' ff";
	for (int i = 0; i < 64 - 6; i++)
		strncat(hex, "00", 3);
	strncat(hex, "0c04'PUMP' ff", 20);
	for (int i = 0; i < 128 - 7; i++)
		strncat(hex, "00", 3);
	strncat(hex, "63825363 350101 340103 ff", 40);
	struct dxtest t = conversation(PROTO_dhcp, "0.0.0.0", 68, "255.255.255.255", 67);
	text = run(&t, hex);
	assert_non_null(strstr(text, "dhcp.host_name=PUMP dhcp.vendor_class=udh "));
	free(text);
}

static void test_relay_information(void **state)
{
	(void)state;
	char *text = from_client("00000000", "63825363 350101 520a 0104'ge07' 0202'sw' ff");
	assert_non_null(strstr(text, "dhcp.circuit_id=67653037 dhcp.remote_id=7377"));
	free(text);
}

static void test_bootp(void **state)
{
	(void)state;
	same(from_client("00000000", "00000000"), "dhcp.bootp_request client dhcp.message_type=bootp_request "
						  "dhcp.client_mac=00-09-FB-31-31-31\n"
						  "observe dhcp address ip= mac=00-09-FB-31-31-31\n");
}

static void test_made_up_client(void **state)
{
	(void)state;
	char hex[2048];
	struct dxtest t = conversation(PROTO_dhcp, "0.0.0.0", 68, "255.255.255.255", 67);
	mac_parse(bytes_str("00:06:5b:02:02:02"), &t.conv.smac);
	fixed(hex, sizeof hex, "01", "00000000", "00000000", "00000000");
	strncat(hex, "63825363 350101 ff", 60);
	same(run(&t, hex),
		"dhcp.discover client dhcp.message_type=discover dhcp.client_mac=00-09-FB-31-31-31 "
		"dhcp.mac_mismatch=true\n");
}

static void test_hostile(void **state)
{
	(void)state;
	same(from_client("00000000", "63825363 350101 0cff41"), "malformed 1\n");
	struct dxtest t = conversation(PROTO_dhcp, "0.0.0.0", 68, "255.255.255.255", 67);
	same(run(&t, "01 01 06 00 12345678"), "malformed 1\n");
	char hex[2048];
	fixed(hex, sizeof hex, "01", "00000000", "00000000", "00000000");
	strncat(hex, "63825363 350101 0c04'PUMP' ff", 60);
	struct bytes b = dxtest_hex(hex);
	dxtest_cuts(&t, &(struct chunk){ DIR_CLIENT, b }, 1, 0);
	free((void *)(uintptr_t)b.p);
}

/* ---- IPv6 ------------------------------------------------------------------------------------ */

#define DUID_LL "0001 000a 0003 0001 0009fb313131"
#define IA      "0003 0028 00000001 0000012c 000001e0 0005 0018 fd20003000000000000000000000aaf4 00000177 00000258"

static const char solicit_hex[] =
	"01 123456" DUID_LL "0006 0004 0017 0018 0010 000a 0000270f 0004'PUMP' 000f 0007 0005'class'"
	"0027 000a 00 04'pump' 03'lab'";

static void test_v6_client(void **state)
{
	(void)state;
	struct dxtest t = conversation(PROTO_dhcp6, "fe80::1f", 546, "ff02::1:2", 547);
	same(run(&t, solicit_hex),
		"dhcp.solicit client dhcp.message_type=solicit dhcp.fqdn=pump.lab dhcp.vendor_class=PUMP "
		"dhcp.param_list=23,24 dhcp.user_class=[class] dhcp.client_mac=00-09-FB-31-31-31 "
		"dhcp.client_id=000300010009fb313131\n"
		"observe dhcp6 sender client host_name=pump@60 dhcp.vendor_class=PUMP@60 "
		"dhcp.user_class=class@60\n");
}

static void test_v6_lease(void **state)
{
	(void)state;
	struct dxtest t = conversation(PROTO_dhcp6, "fe80::d", 547, "fe80::1f", 546);
	mac_parse(bytes_str("00:09:fb:31:31:31"), &t.conv.dmac);
	same(run(&t, "07 123456" DUID_LL IA),
		"dhcp.reply client dhcp.message_type=reply dhcp.client_mac=00-09-FB-31-31-31 "
		"dhcp.client_id=000300010009fb313131 dhcp.assigned_ip=[fd20:30::aaf4] dhcp.lease_time=600\n"
		"observe dhcp6 address ip=fd20:30::aaf4 mac=00-09-FB-31-31-31\n"
		"observe dhcp6 sender client role=dhcp_server@60\n");
}

static void test_v6_relay(void **state)
{
	(void)state;
	/* two relays; the inner one saw the client's frame (option 79) and names its port (18) */
	struct dxtest t = conversation(PROTO_dhcp6, "fd20:30::1", 547, "fd20:30::d", 547);
	same(run(&t, "0c 01 fd200031000000000000000000000001 fd200030000000000000000000000001"
		     "0009 0048 0c 00 fd200030000000000000000000000001 fe80000000000000000000000000001f"
		     "0012 0002 'p7' 004f 0008 0001 0009fb313131 0009 0010 01 123456 0027 0008 00 "
		     "06'pump-1'"),
		"dhcp.solicit client dhcp.message_type=solicit dhcp.fqdn=pump-1 "
		"dhcp.client_mac=00-09-FB-31-31-31 dhcp.relay=fd20:30::1 dhcp.circuit_id=7037\n"
		"observe dhcp6 address ip=fe80::1f mac=00-09-FB-31-31-31 host_name=pump-1@60\n");
}

static void test_v6_hostile(void **state)
{
	(void)state;
	struct dxtest t = conversation(PROTO_dhcp6, "fe80::1f", 546, "ff02::1:2", 547);
	same(run(&t, "01 123456 0001 ffff 0003"), "malformed 1\n");
	same(run(&t, "01 123456 0003 0010 00000001 0000012c 000001e0 0005 0018"), "malformed 1\n");
	same(run(&t, "ff 123456"), "malformed 1\n");
	/* relays without end: nine around each other, and one around nothing */
	same(run(&t, "0c 00 fd200030000000000000000000000001 fe80000000000000000000000000001f 0009 0000"),
		"malformed 1\n");
	struct bytes b = dxtest_hex(solicit_hex);
	dxtest_cuts(&t, &(struct chunk){ DIR_CLIENT, b }, 1, 0);
	free((void *)(uintptr_t)b.p);
}

static void probe(const struct dissector *d, const char *hex, enum probe_result wanted)
{
	struct bytes b = dxtest_hex(hex);
	assert_int_equal(d->probe(bytes_first(b, 64), DIR_CLIENT), wanted);
	free((void *)(uintptr_t)b.p);
}

static void test_probe(void **state)
{
	(void)state;
	char hex[2048];
	fixed(hex, sizeof hex, "01", "00000000", "00000000", "00000000");
	probe(&dissector_dhcp, hex, PROBE_YES);
	probe(&dissector_dhcp6, solicit_hex, PROBE_YES);
	probe(&dissector_dhcp6, hex, PROBE_NO);
	probe(&dissector_dhcp, solicit_hex, PROBE_NO);
	probe(&dissector_dhcp,
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000", PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_discover),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_pieces_and_overload),
		cmocka_unit_test(test_relay_information),
		cmocka_unit_test(test_bootp),
		cmocka_unit_test(test_made_up_client),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_v6_client),
		cmocka_unit_test(test_v6_lease),
		cmocka_unit_test(test_v6_relay),
		cmocka_unit_test(test_v6_hostile),
		cmocka_unit_test(test_probe),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
