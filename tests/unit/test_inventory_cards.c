/* What LLDP says of a device: its other cards' MACs, where it is managed, and what a MAC's vendor is not. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CHASSIS "00-13-5F-10-00-00"
#define PORT7   "00-13-5F-10-00-07"
#define PORT8   "00-13-5F-10-00-08"
#define SVI     "00-13-5F-10-00-40"

static void announces(struct world *w, const char *mac, const char *ip, const char *chassis, const char *name)
{
	struct rec r;
	rec_observe(&r, PROTO_lldp, OB_CARD);
	rec_event(&r)->conv.proto = 0;
	rec_from(&r, NULL, mac);
	rec_about(&r, ip, chassis);
	rec_attr(&r, ATTR_HOST_NAME, name, 65);
	feed(w, &r);
}

static void test_speaks_nothing_else(void **state)
{
	struct world *w = *state;
	announces(w, CT, "10.0.0.71", CT, "NAE-B2");
	assert_int_equal(inventory_count(w->inv), 1);
	assert_ptr_equal(by_ip(w, "10.0.0.71"), by_mac(w, CT));
	check_attr(by_mac(w, CT), ATTR_HOST_NAME, "NAE-B2");
	assert_false(device_is_router(by_mac(w, CT)));
}

static void test_ports_are_one_device(void **state)
{
	struct world *w = *state;
	announces(w, PORT7, "10.0.0.3", CHASSIS, "sw3");
	announces(w, PORT8, "10.0.0.3", CHASSIS, "sw3");
	assert_int_equal(inventory_count(w->inv), 1);
	assert_ptr_equal(by_mac(w, PORT7), by_mac(w, PORT8));
	assert_ptr_equal(by_mac(w, PORT7), by_mac(w, CHASSIS));
	assert_ptr_equal(by_ip(w, "10.0.0.3"), by_mac(w, CHASSIS));
	assert_false(device_is_router(by_mac(w, CHASSIS)));
	assert_int_equal(w->conflicts, 0);
}

/* CDP names no chassis: but both are managed at one address. */
static void test_ports_with_one_address(void **state)
{
	struct world *w = *state;
	announces(w, PORT7, "10.0.0.3", NULL, "sw3");
	announces(w, PORT8, "10.0.0.3", NULL, "sw3");
	announces(w, EVIL, "10.0.0.3", NULL, "sw3");
	assert_ptr_equal(by_mac(w, PORT7), by_mac(w, PORT8));
	assert_ptr_not_equal(by_mac(w, PORT7), by_mac(w, EVIL));
	assert_ptr_equal(by_ip(w, "10.0.0.3"), by_mac(w, PORT7));
	assert_int_equal(w->conflicts, 0);
}

/* Another maker's MAC, a locally administered or a virtual one: no sign of a common device. */
static void test_foreign_chassis(void **state)
{
	struct world *w = *state;
	announces(w, EVIL, NULL, MON, "desktop");
	announces(w, "02-42-AC-11-00-01", NULL, "02-42-AC-11-00-02", "vm");
	announces(w, "00-00-5E-00-02-01", NULL, "00-00-5E-00-01-01", "vrrp");
	arp(w, "10.0.0.31", MON);
	assert_ptr_not_equal(by_mac(w, EVIL), by_mac(w, MON));
	check_attr(by_mac(w, MON), ATTR_HOST_NAME, NULL);
	assert_int_equal(inventory_count(w->inv), 4);
}

/* A switch is managed at its VLAN interface: that has a MAC of its own, which is no conflict, whoever is
 * first. */
static void test_managed_at_another_card(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.3", SVI);
	announces(w, PORT7, "10.0.0.3", CHASSIS, "sw3");
	assert_ptr_equal(by_ip(w, "10.0.0.3"), by_mac(w, SVI));
	announces(w, PORT8, "10.0.0.4", CHASSIS, "sw3");
	assert_ptr_equal(by_ip(w, "10.0.0.4"), by_mac(w, CHASSIS));
	arp(w, "10.0.0.4", SVI);
	assert_ptr_equal(by_ip(w, "10.0.0.4"), by_mac(w, SVI));
	assert_int_equal(w->conflicts, 0);
	assert_false(device_is_router(by_mac(w, CHASSIS)));
}

/* Managed from elsewhere: the router that carries it has it only until it is known for a router. */
static void test_managed_behind_a_router(void **state)
{
	struct world *w = *state;
	announces(w, PORT7, "10.9.0.3", CHASSIS, "sw3");
	sends(w, "10.9.0.3", GW);
	sends(w, "10.9.0.9", GW);
	assert_ptr_equal(by_ip(w, "10.9.0.3"), by_mac(w, CHASSIS));
	assert_ptr_not_equal(by_ip(w, "10.9.0.9"), by_mac(w, CHASSIS));
	assert_false(device_is_router(by_mac(w, CHASSIS)));
}

static void test_virtual_macs_have_no_vendor(void **state)
{
	static const char *const virtual[] = { "00-00-5E-00-01-0A", "00-00-5E-00-02-0A", "00-00-0C-07-AC-01",
		"02-00-0C-A1-00-01" };
	struct world *w = *state;
	struct attr_value v;
	struct oui *o = oui_open(OUI_DIR);
	if (!o)
		skip();
	inventory_free(w->inv);
	w->inv = inventory_new(&w->limits, &w->counters, w->f, o);
	assert_non_null(w->inv);
	for (size_t i = 0; i < sizeof virtual / sizeof *virtual; i++) {
		arp(w, "10.0.0.1", virtual[i]);
		check_attr(by_mac(w, virtual[i]), ATTR_MAC_VENDOR, NULL);
	}
	arp(w, "10.0.0.2", GW);
	assert_true(device_attr(by_mac(w, GW), ATTR_MAC_VENDOR, 0, &v));
	oui_close(o);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_speaks_nothing_else),
		T(test_ports_are_one_device),
		T(test_ports_with_one_address),
		T(test_foreign_chassis),
		T(test_managed_at_another_card),
		T(test_managed_behind_a_router),
		T(test_virtual_macs_have_no_vendor),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
