/* LLDPDUs of IEEE 802.1AB-2016 clause 8 and LLDP-MED inventories, whole, cut and hostile. */
#include "dxtest.h"

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#define CHASSIS "0207 04 00135f1000 00"
#define PORT    "0408 05'Gi1/0/7'"
#define TTL     "0602 0078"
#define IDS     CHASSIS PORT TTL
#define SAID                                                                                                 \
	"lldp.chassis_id_type=mac lldp.chassis_mac=00-13-5F-10-00-00 lldp.port_id_type=interface_name "      \
	"lldp.port_id=Gi1/0/7 lldp.ttl=120"
#define ALONE "observe lldp card ip= mac=00-13-5F-10-00-00\n"

static char *run(const char *hex)
{
	struct bytes b = dxtest_hex(hex);
	struct dxtest t = { .proto = PROTO_lldp, .datagrams = true };
	mac_parse(bytes_str("00:13:5f:10:00:07"), &t.conv.smac);
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
	/* bridge and router, of which bridge is enabled; 10.20.30.2 as interface 3, object id 1.3.6 */
	expect(IDS "0807 'uplink '"
		   "0a0b 'sw1.example'"
		   "0c06 'Switch'"
		   "0e04 0014 0004"
		   "1010 05 01 0a141e02 02 00000003 04 06022b06"
		   "fe06 0080c2 01 001e"
		   "fe0b 0080c2 03 001e 04 'ward'"
		   "0000",
		"lldp.announcement client " SAID " lldp.capabilities=[bridge,router] "
		"lldp.enabled_capabilities=[bridge] lldp.management_ip=[10.20.30.2] lldp.port_vlan=30 "
		"lldp.vlan_names=[ward] lldp.port_description=uplink lldp.system_name=sw1.example "
		"lldp.system_description=Switch\n"
		"observe lldp card ip=10.20.30.2 mac=00-13-5F-10-00-00 host_name=sw1@65 "
		"discovery.description=Switch@65 discovery.capability=bridge@65\n");
}

/* The example of the wire facts (serial number SN1234) among the other inventory TLVs. */
static void test_med_inventory(void **state)
{
	(void)state;
	expect(IDS "fe07 0012bb 01 0033 03"
		   "fe06 0012bb 05 'B2'"
		   "fe07 0012bb 06 '1.0'"
		   "fe07 0012bb 07 '4.2'"
		   "fe0a 0012bb 08 534e31323334"
		   "fe08 0012bb 09 'Acme'"
		   "fe06 0012bb 0a 'M1'"
		   "fe07 0012bb 0b 'A-7'"
		   "fe08 0012bb 03 'home'"
		   "fe04 00120f 01"
		   "0000",
		"lldp.announcement client " SAID " lldp.med_class=endpoint_3 lldp.hardware_version=B2 "
		"lldp.firmware_version=1.0 lldp.software_version=4.2 lldp.serial_number=SN1234 "
		"lldp.manufacturer=Acme lldp.model=M1 lldp.asset_id=A-7\n"
		"observe lldp card ip= mac=00-13-5F-10-00-00 manufacturer=Acme@65 model=M1@65 "
		"serial=SN1234@65 firmware=1.0@65 software.version=4.2@65 hardware.version=B2@65\n");
}

static void test_version_in_description(void **state)
{
	(void)state;
	char *text = run(IDS "0c19 'IOS, Version 15.2(7)E3, x' 0000");
	assert_non_null(strstr(text, " software.version=15.2(7)E3@65"));
	free(text);
	text = run(IDS "0c0d 'Version 1.2.3' fe07 0012bb 07 '4.2' 0000"); /* the inventory knows better */
	assert_non_null(strstr(text, " software.version=4.2@65"));
	assert_null(strstr(text, "=1.2.3@"));
	free(text);
}

static void test_blank_inventory_is_none(void **state)
{
	(void)state;
	char *text = run(IDS "fe0a 0012bb 08 '000000' fe12 0012bb 08 'Default string'"
			     "fe1a 0012bb 09 'To Be Filled By O.E.M.' fe08 0012bb 0a 'None' 0000");
	assert_non_null(strstr(text, "lldp.manufacturer=To Be Filled By O.E.M."));
	assert_null(strstr(text, " manufacturer="));
	assert_null(strstr(text, " model="));
	free(text);
}

static void test_ids(void **state)
{
	(void)state;
	/* a chassis known by its address, a port by its MAC; no end TLV is needed */
	expect("0206 05 01 0a141e47 0407 03 00108d717171" TTL,
		"lldp.announcement client lldp.chassis_id_type=network_address lldp.chassis_id=10.20.30.71 "
		"lldp.port_id_type=mac lldp.port_mac=00-10-8D-71-71-71 lldp.ttl=120\n"
		"observe lldp card ip= mac=00-00-00-00-00-00\n");
	/* reserved kinds have no name, a local one is text; padding follows the end */
	expect("0204 09 'abc' 0404 07 'p 7'" TTL "0000 0000000000",
		"lldp.announcement client lldp.chassis_id=abc lldp.port_id_type=local lldp.port_id=p 7 "
		"lldp.ttl=120\n"
		"observe lldp card ip= mac=00-00-00-00-00-00\n");
}

static void test_addresses(void **state)
{
	(void)state;
	/* IPv4, the same again, IPv6, a MAC (family 6), a length beyond the TLV, no address at all */
	expect(IDS "100c 05 01 0a141e02 02 00000003 00"
		   "100c 05 01 0a141e02 02 00000004 00"
		   "1018 11 02 fd200030000000000000000000000002 02 00000003 00"
		   "100e 07 06 00135f100000 02 00000003 00"
		   "1009 ff 01 0a141e03 02 0000"
		   "1001 00"
		   "0000",
		"lldp.announcement client " SAID " lldp.management_ip=[10.20.30.2,fd20:30::2]\n"
		"observe lldp card ip=10.20.30.2 mac=00-13-5F-10-00-00\n"
		"observe lldp card ip=fd20:30::2 mac=00-00-00-00-00-00\n");
}

static void test_names(void **state)
{
	(void)state;
	/* an address or a phrase has no first label; of two names the first stands */
	char *text = run(IDS "0a0a '10.20.30.2' 0000");
	assert_non_null(strstr(text, " host_name=10.20.30.2@65"));
	free(text);
	text = run(IDS "0a0c 'Floor 2.1 sw' 0a01 'x' 0000");
	assert_non_null(strstr(text, " host_name=Floor 2.1 sw@65"));
	free(text);
}

static void test_shutdown_says_nothing(void **state)
{
	(void)state;
	expect(CHASSIS PORT "0602 0000 0000",
		"lldp.shutdown client lldp.chassis_id_type=mac lldp.chassis_mac=00-13-5F-10-00-00 "
		"lldp.port_id_type=interface_name lldp.port_id=Gi1/0/7 lldp.ttl=0\n");
}

static void test_hostile(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"02",
		PORT CHASSIS TTL "0000",
		CHASSIS TTL PORT "0000",
		CHASSIS PORT "0000",
		CHASSIS PORT "0601 78 0000", /* half a time to live */
		"0201 04" PORT TTL "0000",   /* an id without a value */
		IDS TTL "0000",              /* a second time to live */
		IDS "0bff 'short'",          /* a length beyond the frame */
		"03ff 04 00135f100000" PORT TTL "0000",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect(bad[i], "malformed 1\n");
	/* TLVs with less than they must hold say nothing; unknown types and organizations are passed by */
	expect(IDS "0e02 0014 fe02 0080 fe04 0080c2 01 fe05 0080c2 01 1e fe08 0080c2 03 001e ff 'x'"
		   "fe05 0012bb 01 00 fe04 0012bb 08 fe05 0012bb 0c 41 2401 41 0000",
		"lldp.announcement client " SAID " lldp.capabilities=[bridge,router]\n" ALONE);
}

static void test_cuts(void **state)
{
	(void)state;
	struct bytes b = dxtest_hex(IDS "0a0b 'sw1.example' 0e04 0014 0004 fe0a 0012bb 08 'SN1234' 0000");
	struct dxtest t = { .proto = PROTO_lldp, .datagrams = true };
	assert_true(dxtest_cuts(&t, &(struct chunk){ DIR_CLIENT, b }, 1, 0) > 0);
	free((void *)(uintptr_t)b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_med_inventory),
		cmocka_unit_test(test_version_in_description),
		cmocka_unit_test(test_blank_inventory_is_none),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_shutdown_says_nothing),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_cuts),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
