/* CDP messages of both versions, whole, cut and hostile: the bytes behind the SNAP header. */
#include "dxtest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#define ID "0001 0006 'S1'"

static char *run(const char *hex)
{
	struct bytes b = dxtest_hex(hex);
	struct dxtest t = { .proto = PROTO_cdp, .datagrams = true };
	mac_parse(bytes_str("00:18:ba:98:68:8f"), &t.conv.smac);
	char *text = dxtest_run(&t, &(struct chunk){ DIR_CLIENT, b }, 1);
	free((void *)(uintptr_t)b.p);
	return text;
}

static void expect(const char *hex, const char *wanted)
{
	char *text = run(hex);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_switch(void **state)
{
	(void)state;
	expect("02 b4 b0bd 0001 000e 'S1.example'"
	       "0005 0010 'Cisco IOS...'"
	       "0006 0015 'cisco WS-C3560-24'"
	       "0002 002d 00000002 01 01 cc 0004 c0a80001 02 08 aaaa0300000086dd 0010"
	       "fd200030000000000000000000000002"
	       "0003 0009 'Fa0/1'"
	       "0004 0008 00000028"
	       "0009 0007 'Lab'"
	       "000a 0006 001e"
	       "000b 0005 01"
	       "0016 0011 00000001 01 01 cc 0004 c0a80001",
		"cdp.announcement client cdp.version=2 cdp.ttl=180 cdp.device_id=S1.example "
		"cdp.port_id=Fa0/1 "
		"cdp.platform=cisco WS-C3560-24 cdp.software_version=Cisco IOS... cdp.vtp_domain=Lab "
		"cdp.capabilities=[switch,igmp] cdp.management_ip=[192.168.0.1,fd20:30::2] "
		"cdp.native_vlan=30\n"
		"observe cdp card ip=192.168.0.1 mac=00-00-00-00-00-00 host_name=S1@65 "
		"discovery.description=Cisco IOS...@65 discovery.description=cisco WS-C3560-24@65 "
		"discovery.capability=switch@65 discovery.capability=igmp@65 manufacturer=Cisco@65 "
		"model=WS-C3560-24@65\n"
		"observe cdp card ip=fd20:30::2 mac=00-00-00-00-00-00\n");
}

/* Not Cisco's: no maker, no model. The serial number behind a name is no part of it. */
static void test_hypervisor(void **state)
{
	(void)state;
	expect("01 b4 0000 0001 0013 'esx1(FOX1234)X' 00 0006 000e 'VMware ESX' 0002 0011 00000001 "
	       "0101cc0004 "
	       "00000000",
		"cdp.announcement client cdp.version=1 cdp.ttl=180 cdp.device_id=esx1(FOX1234)X "
		"cdp.platform=VMware ESX\n"
		"observe cdp card ip= mac=00-00-00-00-00-00 host_name=esx1@65 "
		"discovery.description=VMware ESX@65\n");
}

static void expect_software(const char *hex, const char *want)
{
	char *text = run(hex), all[128];
	snprintf(all, sizeof all, " software.version=%s@65", want);
	if (*want ? !strstr(text, all) : strstr(text, "software.version=") != NULL)
		fail_msg("not \"%s\" in:\n%s", want, text);
	free(text);
}

static void test_software(void **state)
{
	(void)state;
	expect_software("02 b4 0000" ID
			"0005 003c 'Cisco IOS Software, Version 12.2(44)SE, RELEASE SOFTWARE'",
		"12.2(44)SE");
	expect_software("02 b4 0000" ID "0005 0013 'SCCP42.9-4-2SR3'", "SCCP42.9-4-2SR3");
	expect_software("02 b4 0000" ID "0005 0013 'Version of ours'", "");
	expect_software("02 b4 0000" ID "0005 000e 'ESX 7.0 U1'", "");
}

static void test_shutdown(void **state)
{
	(void)state;
	expect("02 00 0000" ID, "cdp.shutdown client cdp.version=2 cdp.ttl=0 cdp.device_id=S1\n");
}

static void test_hostile(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"02b4", "03 b4 0000" ID, "00 b4 0000" ID, "02 b4 0000", /* no id */
		"02 b4 0000" ID "0003 0003 0000",                       /* a length less than its own head */
		"02 b4 0000" ID "0003 ffff 'Fa0'",                      /* and one beyond the frame */
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect(bad[i], "malformed 1\n");
	/* addresses: more than there are, of no known protocol, longer than the value; half a capability;
	 * padding */
	expect("02 b4 0000" ID "0002 0011 ffffffff 01 01 cc 0004 c0a80001"
	       "0002 0011 00000001 01 01 81 0004 c0a80002"
	       "0002 0011 00000001 01 01 cc ffff c0a80003"
	       "0004 0006 0028 00000000 0000",
		"cdp.announcement client cdp.version=2 cdp.ttl=180 cdp.device_id=S1 "
		"cdp.management_ip=[192.168.0.1]\n"
		"observe cdp card ip=192.168.0.1 mac=00-00-00-00-00-00 host_name=S1@65\n");
}

static void test_cuts(void **state)
{
	(void)state;
	struct bytes b =
		dxtest_hex("02 b4 0000" ID "0002 0011 00000001 01 01 cc 0004 c0a80001 0004 0008 00000028");
	struct dxtest t = { .proto = PROTO_cdp, .datagrams = true };
	assert_true(dxtest_cuts(&t, &(struct chunk){ DIR_CLIENT, b }, 1, 0) > 0);
	free((void *)(uintptr_t)b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_hypervisor),
		cmocka_unit_test(test_software),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_cuts),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
