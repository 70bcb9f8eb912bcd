/* DNS, mDNS and LLMNR messages built after RFC 1035, over UDP and TCP; compression and hostile lengths. */
#include "dxtest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#define QUESTION "06'pacs01' 08'hospital' 07'example' 00 0001 0001"

static char *run(uint16_t port, enum dir dir, const char *hex)
{
	struct bytes b = dxtest_hex(hex);
	struct dxtest t = { .proto = PROTO_dns, .datagrams = true };
	addr_parse(bytes_str("10.0.0.1"), &t.conv.src);
	addr_parse(bytes_str("10.0.0.2"), &t.conv.dst);
	t.conv.sport = 40000;
	t.conv.dport = port;
	char *text = dxtest_run(&t, &(struct chunk){ dir, b }, 1);
	free((void *)(uintptr_t)b.p);
	return text;
}

static void expect(uint16_t port, enum dir dir, const char *hex, const char *wanted)
{
	char *text = run(port, dir, hex);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_query(void **state)
{
	(void)state;
	/* with AD set, as dig does: that is not the reserved bit */
	expect(53, DIR_CLIENT, "0065 0120 0001 0000 0000 0000" QUESTION,
		"dns.query client dns.id=101 dns.question.name=pacs01.hospital.example dns.question.type=A "
		"dns.header.z=0\n");
	expect(53, DIR_CLIENT, "0065 0140 0001 0000 0000 0000" QUESTION,
		"dns.query client dns.id=101 dns.question.name=pacs01.hospital.example dns.question.type=A "
		"dns.header.z=1\n");
}

static void test_answer(void **state)
{
	(void)state;
	/* an alias and its address: names by pointer to 12 and into the alias' own data */
	expect(53, DIR_SERVER,
		"0065 8580 0001 0002 0000 0001" QUESTION "c00c 0005 0001 00000e10 0008 05'store' c013"
		"c035 0001 0001 00000e10 0004 0a141e0a"
		"00 0029 1000 00000000 0000",
		"dns.response server dns.id=101 dns.question.name=pacs01.hospital.example "
		"dns.question.type=A dns.response_code=NOERROR dns.rejected=false dns.header.z=0 "
		"dns.answers.data=[store.hospital.example,10.20.30.10]\n"
		"observe dns address ip=10.20.30.10 mac=00-00-00-00-00-00 host_name=store@50\n");
}

static void test_reverse(void **state)
{
	(void)state;
	expect(53, DIR_SERVER,
		"0007 8580 0001 0001 0000 0000 02'21' 02'30' 02'20' 02'10' 07'in-addr' 04'arpa' 00 000c 0001"
		"c00c 000c 0001 00000e10 0014 02'ct' 08'hospital' 07'example' 00",
		"dns.response server dns.id=7 dns.question.name=21.30.20.10.in-addr.arpa "
		"dns.question.type=PTR dns.response_code=NOERROR dns.rejected=false dns.header.z=0 "
		"dns.answers.data=[ct.hospital.example]\n"
		"observe dns address ip=10.20.30.21 mac=00-00-00-00-00-00 host_name=ct@50\n");
}

static void test_no_names_from_elsewhere(void **state)
{
	(void)state;
	/* a public address; two addresses of one name; a refusal */
	char *text = run(53, DIR_SERVER,
		"0065 8180 0001 0001 0000 0000" QUESTION "c00c 0001 0001 00000e10 0004 08080808");
	assert_null(strstr(text, "observe"));
	free(text);
	text = run(53, DIR_SERVER,
		"0065 8180 0001 0002 0000 0000" QUESTION "c00c 0001 0001 00000e10 0004 0a141e0a"
		"c00c 0001 0001 00000e10 0004 0a141e0b");
	assert_null(strstr(text, "observe"));
	free(text);
	text = run(53, DIR_SERVER, "0065 8185 0001 0000 0000 0000" QUESTION);
	assert_non_null(strstr(text, "dns.response_code=REFUSED dns.rejected=true"));
	free(text);
}

static void test_extended_rcode_and_types(void **state)
{
	(void)state;
	char *text =
		run(53, DIR_SERVER, "0065 8180 0001 0000 0000 0001 00 ff7b 0001 00 0029 1000 01000000 0000");
	assert_non_null(strstr(text, "dns.response_code=BADVERS"));
	assert_non_null(strstr(text, "dns.question.type=TYPE65403"));
	free(text);
}

static void test_mdns_service(void **state)
{
	(void)state;
	/* an announcement: SRV, TXT and A of the sender, 10.0.0.1 */
	static const char own[] = "0000 8400 0000 0002 0000 0001 04'CT 1' 06'_dicom' 04'_tcp' 05'local' 00 "
				  "0021 8001 00000078 000b"
				  "0000 0000 0068 02'ct' c01d"
				  "c00c 0010 8001 00001194 0011 10'ty=ACME Scan 500'"
				  "c034 0001 8001 00000078 0004 0a000001";
	expect(5353, DIR_CLIENT, own,
		"mdns.response client dns.id=0 dns.response_code=NOERROR dns.rejected=false dns.header.z=0 "
		"dns.answers.data=[ct.local,ty=ACME Scan 500]\n"
		"observe dns sender client service.offered=_dicom._tcp:104@70\n"
		"observe dns sender client model=ACME Scan 500@60\n"
		"observe dns address ip=10.0.0.1 mac=00-00-00-00-00-00 host_name=ct@70\n");
	/* the same from another address (a reflector) says nothing of the sender */
	char *text = run(5353, DIR_SERVER, own);
	assert_null(strstr(text, "observe dns sender"));
	free(text);
}

static void test_llmnr_is_not_believed(void **state)
{
	(void)state;
	expect(5355, DIR_SERVER,
		"0001 8000 0001 0001 0000 0000 04'wpad' 00 0001 0001 c00c 0001 0001 0000001e 0004 0a141e66",
		"llmnr.response server dns.id=1 dns.question.name=wpad dns.question.type=A "
		"dns.response_code=NOERROR dns.rejected=false dns.header.z=0 "
		"dns.answers.data=[10.20.30.102]\n");
}

static void test_hostile_names(void **state)
{
	(void)state;
	/* a pointer to itself, forward, into the header, a reserved label type, a label beyond the end */
	expect(53, DIR_CLIENT, "0065 0100 0001 0000 0000 0000 c00c 0001 0001", "malformed 1\n");
	expect(53, DIR_CLIENT, "0065 0100 0001 0000 0000 0000 c00e 0001 0001 00", "malformed 1\n");
	expect(53, DIR_CLIENT, "0065 0100 0001 0000 0000 0000 c000 0001 0001", "malformed 1\n");
	expect(53, DIR_CLIENT, "0065 0100 0001 0000 0000 0000 41 00 0001 0001", "malformed 1\n");
	expect(53, DIR_CLIENT, "0065 0100 0001 0000 0000 0000 3f 61 00 0001 0001", "malformed 1\n");
	/* counts and a data length that are not there */
	expect(53, DIR_SERVER, "0065 8180 0000 ffff ffff ffff", "malformed 1\n");
	expect(53, DIR_SERVER, "0065 8180 0001 0001 0000 0000" QUESTION "c00c 0001 0001 00000e10 ffff 0a",
		"malformed 1\n");
	/* a pointer loop in the data: the record stands, its name does not */
	expect(53, DIR_SERVER, "0065 8180 0001 0001 0000 0000" QUESTION "c00c 0005 0001 00000e10 0002 c035",
		"dns.response server dns.id=101 dns.question.name=pacs01.hospital.example "
		"dns.question.type=A dns.response_code=NOERROR dns.rejected=false dns.header.z=0\n");
}

static void test_longest_name(void **state)
{
	(void)state;
	/* five labels of 60: more than the 255 bytes that a name may have */
	char hex[2048] = "0065 0100 0001 0000 0000 0000";
	for (int i = 0; i < 5; i++)
		strncat(hex, "3c '123456789012345678901234567890123456789012345678901234567890'", 80);
	strncat(hex, "00 0001 0001", 20);
	expect(53, DIR_CLIENT, hex, "malformed 1\n");
}

static void test_cuts(void **state)
{
	(void)state;
	struct bytes b =
		dxtest_hex("0065 8580 0001 0001 0000 0000" QUESTION "c00c 0001 0001 00000e10 0004 0a141e0a");
	struct dxtest t = { .proto = PROTO_dns, .datagrams = true };
	assert_int_equal(dxtest_cuts(&t, &(struct chunk){ DIR_SERVER, b }, 1, 0), 0);
	free((void *)(uintptr_t)b.p);
}

static void test_tcp(void **state)
{
	(void)state;
	struct bytes two =
		dxtest_hex("0029 0065 0120 0001 0000 0000 0000" QUESTION
			   "0020 0066 0000 0001 0000 0000 0000 08'hospital' 05'local' 00 00fc 0001");
	struct dxtest t = { .proto = PROTO_dns_tcp };
	struct chunk chunk = { DIR_CLIENT, two };
	char *text = dxtest_splits(&t, &chunk, 1);
	assert_string_equal(text,
		"dns.query client dns.id=101 dns.question.name=pacs01.hospital.example dns.question.type=A "
		"dns.header.z=0\n"
		"dns.query client dns.id=102 dns.question.name=hospital.local dns.question.type=AXFR "
		"dns.header.z=0\n");
	free(text);
	dxtest_cuts(&t, &chunk, 1, 0);
	free((void *)(uintptr_t)two.p);
}

static void probe(const struct dissector *d, enum dir dir, const char *hex, enum probe_result wanted)
{
	struct bytes b = dxtest_hex(hex);
	assert_int_equal(d->probe(bytes_first(b, 64), dir), wanted);
	free((void *)(uintptr_t)b.p);
}

static void test_probe(void **state)
{
	(void)state;
	probe(&dissector_dns, DIR_CLIENT, "0065 0120 0001 0000 0000 0000" QUESTION, PROBE_YES);
	probe(&dissector_dns, DIR_CLIENT, "0065 0120 0001 0000 0000 0000 06'pacs'", PROBE_NO);
	probe(&dissector_dns, DIR_CLIENT,
		"d1cf 0110 0001 0000 0000 0000 20 'ABACFPFPENFDECFCEPFHFDEFFPFPACAB' 00 0020 0001", PROBE_NO);
	probe(&dissector_dns, DIR_CLIENT, "1b 00000000000000000000000000000000000000", PROBE_NO);
	probe(&dissector_dns_tcp, DIR_CLIENT, "0029 0065 0120 0001 0000 0000 0000" QUESTION, PROBE_YES);
	probe(&dissector_dns_tcp, DIR_CLIENT, "0029 0065", PROBE_MORE);
	probe(&dissector_dns_tcp, DIR_CLIENT,
		"'GET / HTTP/1.1' 0d0a 'Host: pacs01.hospital.example.org is a long one'", PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_reverse),
		cmocka_unit_test(test_no_names_from_elsewhere),
		cmocka_unit_test(test_extended_rcode_and_types),
		cmocka_unit_test(test_mdns_service),
		cmocka_unit_test(test_llmnr_is_not_believed),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_probe),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
