#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- addresses and MACs ---------------------------------------------------------------------------- */

static void test_mac_and_addresses(void **state)
{
	struct world *w = *state;
	sends(w, "10.0.0.5", CT);
	sends(w, "fe80::5", CT);
	arp(w, "10.0.0.5", CT);
	assert_int_equal(inventory_count(w->inv), 1);
	assert_ptr_equal(by_ip(w, "10.0.0.5"), by_mac(w, CT));
	assert_ptr_equal(by_ip(w, "fe80::5"), by_mac(w, CT));
	assert_false(device_is_router(by_mac(w, CT)));
	assert_int_equal(w->created, 1);
}

static void test_router(void **state)
{
	struct world *w = *state;
	sends(w, "10.9.0.1", GW);
	says(w, "10.9.0.1", GW, ATTR_MODEL, "FAR AWAY");
	assert_ptr_equal(by_ip(w, "10.9.0.1"), by_mac(w, GW));
	sends(w, "10.9.0.2", GW);
	/* Two hosts behind it: taken apart, and nothing of theirs stays with the router. */
	assert_ptr_not_equal(by_ip(w, "10.9.0.1"), by_mac(w, GW));
	assert_ptr_not_equal(by_ip(w, "10.9.0.2"), by_ip(w, "10.9.0.1"));
	talks(w, "10.9.0.2", GW, "10.0.0.5", CT);
	assert_true(device_is_router(by_mac(w, GW)));
	check_attr(by_mac(w, GW), ATTR_MODEL, NULL);
	check_attr(by_ip(w, "10.9.0.1"), ATTR_MODEL, "FAR AWAY");
	arp(w, "10.0.0.1", GW);
	assert_ptr_equal(by_ip(w, "10.0.0.1"), by_mac(w, GW));
	assert_int_equal(inventory_count(w->inv), 4); /* the two, the router, 10.0.0.5 */
}

static void test_forged_sources(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.102", EVIL);
	sends(w, "203.0.113.9", EVIL);
	sends(w, "198.51.100.20", EVIL);
	sends(w, "10.0.0.77", EVIL);
	assert_false(device_is_router(by_mac(w, EVIL)));
	assert_ptr_equal(by_ip(w, "10.0.0.102"), by_mac(w, EVIL));
	assert_ptr_not_equal(by_ip(w, "10.0.0.77"), by_mac(w, EVIL));
}

static void test_router_with_its_own_address_first(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.1", GW);
	talks(w, "10.9.0.1", GW, "10.0.0.5", PACS);
	talks(w, "10.9.0.1", GW, "10.0.0.5", PACS);
	assert_ptr_not_equal(by_ip(w, "10.9.0.1"), by_mac(w, GW));
	assert_true(device_is_router(by_mac(w, GW)));
	assert_string_equal(device_type(by_mac(w, GW)), "firewall");
	/* The host's own segment is mirrored too, with other VLAN ids. */
	struct rec r;
	rec_observe(&r, PROTO_arp, OB_ADDRESS);
	rec_from(&r, NULL, CT);
	rec_about(&r, "10.9.0.1", CT);
	rec_event(&r)->conv.vlan[0] = 9;
	feed(w, &r);
	assert_ptr_equal(by_ip(w, "10.9.0.1"), by_mac(w, CT));
	assert_int_equal(w->conflicts, 0);
}

/* ARP in that VLAN. */
static void arp_in(struct world *w, uint16_t vlan, const char *ip, const char *mac)
{
	struct rec r;
	rec_observe(&r, PROTO_arp, OB_ADDRESS);
	rec_from(&r, NULL, mac);
	rec_about(&r, ip, mac);
	rec_event(&r)->conv.vlan[0] = vlan;
	feed(w, &r);
}

/* The first packet of a conversation, seen in that VLAN on its way to that MAC. */
static void handed(struct world *w, uint16_t vlan, const char *mac, const char *ip)
{
	struct rec r;
	rec_begin(&r, PROTO_flow, FLOW_EV_START);
	rec_from(&r, "10.0.30.9", CT);
	rec_to(&r, ip, mac);
	rec_event(&r)->conv.vlan[0] = vlan;
	rec_event(&r)->conv.vlan[1] = 0;
	feed(w, &r);
}

static void test_router_that_is_only_sent_to(void **state)
{
	struct world *w = *state;
	arp_in(w, 20, "10.0.20.1", GW);
	arp_in(w, 30, "10.0.30.1", GW);
	arp_in(w, 20, "10.0.20.5", PACS);
	arp_in(w, 20, "10.0.20.6", HIS);
	handed(w, 30, GW, "10.0.20.5");
	handed(w, 30, GW, "10.0.20.5");
	handed(w, 30, GW, "10.0.20.6");
	handed(w, 30, GW, "10.0.20.1"); /* its own */
	handed(w, 30, GW, "10.0.20.7"); /* nobody's yet: asked for or not, it may be anybody's */
	assert_false(device_is_router(by_mac(w, GW)));
	arp_in(w, 20, "10.0.20.7", MON);
	handed(w, 30, GW, "10.0.20.7");
	assert_true(device_is_router(by_mac(w, GW)));
	assert_string_equal(device_type(by_mac(w, GW)), "firewall");
	assert_int_equal(n_ips(by_mac(w, GW)), 2);
	assert_ptr_equal(by_ip(w, "10.0.20.5"), by_mac(w, PACS));
	assert_false(device_is_router(by_mac(w, PACS)));
}

/* A server with a leg in each VLAN, a cluster whose addresses moved, a balancer's servers, a forger. */
static void test_sent_to_but_no_router(void **state)
{
	struct world *w = *state;
	static const char *const far[] = { "10.0.20.5", "10.0.20.6", "10.0.20.7", "10.0.20.8" };
	char ip[ADDR_TEXT];
	for (uint16_t vlan = 20; vlan < 25; vlan++) {
		snprintf(ip, sizeof ip, "10.0.%u.1", (unsigned)vlan);
		arp_in(w, vlan, ip, HIS);
		handed(w, 30, HIS, ip);
	}
	assert_false(device_is_router(by_mac(w, HIS)));
	arp_in(w, 30, "10.0.30.2", MON);
	for (size_t i = 0; i < 4; i++) {
		arp_in(w, 30, far[i], PACS);
		handed(w, 30, MON, far[i]);
		handed(w, 0, MON, far[i]); /* no VLAN: who knows where */
	}
	assert_false(device_is_router(by_mac(w, MON)));
	for (unsigned i = 0; i < 4; i++) {
		snprintf(ip, sizeof ip, "10.0.40.%u", i + 1);
		arp_in(w, 40, ip, GW);
		arp_in(w, 40, ip, EVIL);
		handed(w, 30, EVIL, ip);
	}
	assert_false(device_is_router(by_mac(w, EVIL)));
}

/* A mirror that strips VLAN tags: the addresses are then those of as many MACs, as no cluster's or balancer's
 * are. */
static void test_router_without_vlans(void **state)
{
	struct world *w = *state;
	arp_in(w, 0, "10.0.30.1", GW);
	arp_in(w, 0, "10.0.20.5", PACS);
	arp_in(w, 0, "10.0.20.6", HIS);
	arp_in(w, 0, "10.0.20.7", HIS);
	handed(w, 0, GW, "10.0.20.5");
	handed(w, 0, GW, "10.0.20.6");
	handed(w, 0, GW, "10.0.20.7");
	assert_false(device_is_router(by_mac(w, GW)));
	arp_in(w, 0, "10.0.20.8", MON);
	arp_in(w, 0, "10.0.20.8", EVIL); /* contested */
	handed(w, 0, GW, "10.0.20.8");
	assert_false(device_is_router(by_mac(w, GW)));
	arp_in(w, 0, "10.0.20.9", MON);
	handed(w, 0, GW, "10.0.20.9");
	assert_true(device_is_router(by_mac(w, GW)));
	assert_int_equal(n_ips(by_mac(w, GW)), 1);
	assert_ptr_equal(by_ip(w, "10.0.20.5"), by_mac(w, PACS));
}

static void is_conflict(
	const struct world *w, const char *source, const char *smac, const char *ip, const char *dmac)
{
	struct conv want = { 0 };
	if (source)
		assert_true(addr_parse(bytes_str(source), &want.src));
	assert_true(addr_parse(bytes_str(ip), &want.dst));
	assert_true(mac_parse(bytes_str(smac), &want.smac));
	assert_true(mac_parse(bytes_str(dmac), &want.dmac));
	assert_memory_equal(&w->conflict.src, &want.src, sizeof want.src);
	assert_memory_equal(&w->conflict.dst, &want.dst, sizeof want.dst);
	assert_true(mac_eq(&w->conflict.smac, &want.smac) && mac_eq(&w->conflict.dmac, &want.dmac));
}

/* Who claims an address that another holds is the source, with its own address where one is known. */
static void test_counts_changes(void **state)
{
	struct world *w = *state;
	const uint64_t *n = inventory_attr_changes(w->inv);
	uint64_t before = n[ATTR_MODEL];
	says(w, "10.0.0.5", CT, ATTR_MODEL, "SOMATOM");
	says(w, "10.0.0.5", CT, ATTR_MODEL, "SOMATOM");
	assert_int_equal(n[ATTR_MODEL] - before, 1);
	says(w, "10.0.0.5", CT, ATTR_MODEL, "DISCOVERY MR750");
	assert_int_equal(n[ATTR_MODEL] - before, 2);
	assert_int_equal(n[ATTR_SERIAL], 0);
}

static void test_conflict_names_the_claimant(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.31", MON);
	arp(w, "10.0.0.11", HIS);
	arp(w, "10.0.0.31", EVIL);
	assert_int_equal(w->conflicts, 1);
	is_conflict(w, NULL, EVIL, "10.0.0.31", MON);
	arp(w, "10.0.0.102", EVIL);
	arp(w, "10.0.0.11", EVIL);
	assert_int_equal(w->conflicts, 2);
	is_conflict(w, "10.0.0.102", EVIL, "10.0.0.11", HIS);
	arp(w, "10.0.0.31", MON); /* who holds it says so again */
	assert_int_equal(w->conflicts, 2);
}

static void test_two_claimed_addresses_are_no_router(void **state)
{
	struct world *w = *state;
	sends(w, "10.0.0.5", CT);
	sends(w, "10.0.0.6", CT);
	arp(w, "10.0.0.5", CT);
	arp(w, "10.0.0.6", CT);
	sends(w, "10.0.0.5", CT);
	assert_false(device_is_router(by_mac(w, CT)));
	assert_int_equal(n_ips(by_mac(w, CT)), 2);
	assert_int_equal(inventory_count(w->inv), 1);
}

static void test_internet_is_no_device(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.1", GW);
	talks(w, "10.0.0.5", CT, "203.0.113.50", GW);
	assert_null(by_ip(w, "203.0.113.50"));
	assert_int_equal(inventory_count(w->inv), 2);
	assert_true(device_is_router(by_mac(w, GW)));
	/* On the segment it is one. */
	arp(w, "198.51.100.7", CT);
	assert_non_null(by_ip(w, "198.51.100.7"));
}

/* Every host has that address. */
static void test_loopback_is_no_device(void **state)
{
	struct world *w = *state;
	says(w, "127.0.0.1", NULL, ATTR_MODEL, "SOMATOM");
	says(w, "::1", NULL, ATTR_MODEL, "EPIQ");
	assert_int_equal(inventory_count(w->inv), 0);
}

static void test_home_networks(void **state)
{
	struct world *w = *state;
	static struct network home[2];
	assert_true(network_parse(bytes_str("203.0.113.0/26"), &home[0]));
	assert_true(network_parse(bytes_str("2001:db8:30::/48"), &home[1]));
	inventory_home(w->inv, home, 2);
	sends(w, "203.0.113.50", CT);
	sends(w, "2001:db8:30::5", MON);
	talks(w, "10.0.0.5", PACS, "203.0.113.70", GW);
	sends(w, "10.0.0.250", NULL);
	assert_ptr_equal(by_ip(w, "203.0.113.50"), by_mac(w, CT));
	assert_ptr_equal(by_ip(w, "2001:db8:30::5"), by_mac(w, MON));
	assert_null(by_ip(w, "203.0.113.70"));
	assert_non_null(by_ip(w, "10.0.0.5"));
}

static void test_slaac_is_no_router(void **state)
{
	struct world *w = *state;
	char ip[ADDR_TEXT];
	arp(w, "10.0.0.5", CT);
	for (unsigned i = 1; i < 100; i++) {
		snprintf(ip, sizeof ip, "fd20:30::%x:%x:1", i, i * 7);
		sends(w, ip, CT);
	}
	assert_false(device_is_router(by_mac(w, CT)));
	assert_int_equal(inventory_count(w->inv), 1);
	assert_ptr_equal(by_ip(w, "10.0.0.5"), by_mac(w, CT));
	for (unsigned i = 1; i <= 4; i++) {
		snprintf(ip, sizeof ip, "fd20:%x::9", i);
		talks(w, ip, GW, "10.0.0.5", CT);
	}
	assert_true(device_is_router(by_mac(w, GW)));
}

static void test_virtual_and_group_macs(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.1", "00-00-5E-00-01-0A");
	assert_true(device_is_router(by_ip(w, "10.0.0.1")));
	sends(w, "10.0.0.7", "01-00-5E-00-00-01");
	assert_null(by_mac(w, "01-00-5E-00-00-01"));
	sends(w, "255.255.255.255", NULL);
	sends(w, "0.0.0.0", NULL);
	assert_int_equal(inventory_count(w->inv), 2); /* the router and 10.0.0.7 by its address */
	/* What comes through a virtual router lives elsewhere, be it one address only. */
	sends(w, "10.9.0.5", "00-00-5E-00-01-0A");
	assert_ptr_not_equal(by_ip(w, "10.9.0.5"), by_mac(w, "00-00-5E-00-01-0A"));
	assert_false(device_is_router(by_ip(w, "10.9.0.5")));
}

static void test_local_mac_in_two_vlans(void **state)
{
	struct world *w = *state;
	arp_in(w, 10, "10.1.0.1", "02-00-00-00-00-01");
	arp_in(w, 20, "10.2.0.1", "02-00-00-00-00-01");
	assert_int_equal(inventory_count(w->inv), 2);
	arp_in(w, 10, "10.3.0.1", CT);
	arp_in(w, 20, "10.3.0.1", CT);
	const uint16_t *vlans;
	assert_int_equal(inventory_count(w->inv), 3);
	assert_int_equal(device_vlans(by_mac(w, CT), &vlans), 2);
	assert_int_equal(vlans[1], 20);
}

/* Two networks that use the same addresses, in two VLANs: two devices, and nothing of the one on the other.
 */
static void test_same_address_in_two_vlans(void **state)
{
	struct world *w = *state;
	struct rec r;
	arp_in(w, 10, "192.168.1.5", CT);
	arp_in(w, 20, "192.168.1.5", MON);
	for (uint16_t vlan = 10; vlan <= 20; vlan = (uint16_t)(vlan + 10)) {
		rec_observe(&r, PROTO_dicom, OB_SENDER);
		rec_from(&r, "192.168.1.5", vlan == 10 ? CT : MON);
		rec_to(&r, "192.168.1.2", vlan == 10 ? PACS : HIS);
		rec_event(&r)->conv.vlan[0] = vlan; /* the other side was not heard yet */
		rec_attr(&r, ATTR_MODEL, vlan == 10 ? "Aquilion" : "MX800", 90);
		feed(w, &r);
	}
	check_attr(by_mac(w, CT), ATTR_MODEL, "Aquilion");
	check_attr(by_mac(w, MON), ATTR_MODEL, "MX800");
	assert_int_equal(n_ips(by_mac(w, CT)), 1);
	assert_int_equal(n_ips(by_mac(w, MON)), 1);
	assert_int_equal(w->conflicts, 0);
	rec_begin(&r, PROTO_hl7, 0);
	rec_to(&r, "192.168.1.5", NULL);
	rec_event(&r)->conv.vlan[0] = 20;
	assert_ptr_equal(inventory_of(w->inv, rec_event(&r), DIR_SERVER), by_mac(w, MON));
	/* In one VLAN that is a conflict, and so is a claim of one who answers for others there. */
	arp_in(w, 20, "192.168.1.5", EVIL);
	arp_in(w, 30, "192.168.3.1", GW);
	arp_in(w, 30, "192.168.1.5", GW);
	assert_int_equal(w->conflicts, 2);
	assert_int_equal(n_ips(by_mac(w, GW)), 1);
}

static void model_in(struct world *w, uint16_t vlan, const char *ip, const char *mac, const char *model)
{
	struct rec r;
	rec_observe(&r, PROTO_dicom, OB_SENDER);
	rec_from(&r, ip, mac);
	rec_event(&r)->conv.vlan[0] = vlan;
	rec_attr(&r, ATTR_MODEL, model, 90);
	feed(w, &r);
}

/* The same without ARP: two cards of makers of devices are two; a router's is none of those. */
static void test_same_address_in_two_vlans_without_arp(void **state)
{
	static const char *const mon[] = { "00-09-FB-00-00-01", "00-09-FB-00-00-02" };
	struct world *w = *state;
	for (unsigned turn = 0; turn < 2; turn++) {
		model_in(w, 10, "192.168.1.5", mon[0], "MX800");
		model_in(w, 20, "192.168.1.5", mon[1], "MX500");
	}
	check_attr(by_mac(w, mon[0]), ATTR_MODEL, "MX800");
	check_attr(by_mac(w, mon[1]), ATTR_MODEL, "MX500");
	assert_int_equal(n_ips(by_mac(w, mon[0])), 1);
	assert_int_equal(n_ips(by_mac(w, mon[1])), 1);
	assert_int_equal(w->conflicts, 0);
	model_in(w, 10, "192.168.1.6", CT, "SOMATOM");
	model_in(w, 20, "192.168.1.6", GW, "SOMATOM"); /* passed on by the router */
	check_attr(by_mac(w, CT), ATTR_MODEL, "SOMATOM");
	check_attr(by_mac(w, GW), ATTR_MODEL, NULL);
	assert_int_equal(inventory_count(w->inv), 4);
}

static void test_arp_spoof(void **state)
{
	struct world *w = *state;
	sends(w, "10.0.0.31", MON); /* never asked by ARP itself */
	arp(w, "10.0.0.11", HIS);
	arp(w, "10.0.0.102", EVIL);
	arp(w, "10.0.0.31", EVIL);
	arp(w, "10.0.0.11", EVIL);
	arp(w, "10.0.0.11", EVIL);
	sends(w, "10.0.0.31", EVIL); /* passes it on */
	sends(w, "10.0.0.11", EVIL);
	assert_ptr_equal(by_ip(w, "10.0.0.31"), by_mac(w, MON));
	assert_ptr_equal(by_ip(w, "10.0.0.11"), by_mac(w, HIS));
	assert_ptr_equal(by_ip(w, "10.0.0.102"), by_mac(w, EVIL));
	assert_false(device_is_router(by_mac(w, EVIL)));
	assert_int_equal(inventory_count(w->inv), 3);
	assert_int_equal(w->conflicts, 2);
}

static void test_lease(void **state)
{
	struct world *w = *state;
	lease(w, "10.0.0.50", MON, "MX800");
	says(w, "10.0.0.50", MON, ATTR_MODEL, "MONITOR");
	check_attr(by_ip(w, "10.0.0.50"), ATTR_HOST_NAME, "MX800");
	/* The address goes to another, what was said at it stays with the first. */
	lease(w, "10.0.0.50", CT, "CT1");
	lease(w, "10.0.0.51", MON, "MX800");
	check_attr(by_ip(w, "10.0.0.50"), ATTR_HOST_NAME, "CT1");
	check_attr(by_ip(w, "10.0.0.50"), ATTR_MODEL, NULL);
	check_attr(by_ip(w, "10.0.0.51"), ATTR_MODEL, "MONITOR");
	assert_ptr_equal(by_ip(w, "10.0.0.51"), by_mac(w, MON));
	assert_int_equal(w->conflicts, 0);
}

static void test_replaced_after_silence(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.5", CT);
	says(w, "10.0.0.5", CT, ATTR_MODEL, "OLD");
	w->seconds = 3600;
	arp(w, "10.0.0.5", MON);
	assert_ptr_equal(by_ip(w, "10.0.0.5"), by_mac(w, MON));
	check_attr(by_ip(w, "10.0.0.5"), ATTR_MODEL, NULL);
	check_attr(by_mac(w, CT), ATTR_MODEL, "OLD");
	assert_int_equal(w->conflicts, 0);
}

static void test_silent_peer_is_no_device(void **state)
{
	struct world *w = *state;
	struct rec r;
	sends(w, "10.0.0.5", CT);
	assert_int_equal(inventory_count(w->inv), 1);
	assert_null(by_ip(w, "10.0.0.250"));
	rec_begin(&r, PROTO_flow, FLOW_EV_END);
	rec_from(&r, "10.0.0.5", CT);
	rec_to(&r, "10.0.0.250", PACS);
	rec_str(&r, FLOW_PROTOCOL, "dicom");
	rec_str(&r, FLOW_STATE, "closed");
	rec_uint(&r, FLOW_DESTINATION_PACKETS, 3);
	feed(w, &r);
	assert_int_equal(inventory_count(w->inv), 2);
	check_attr(by_ip(w, "10.0.0.250"), ATTR_SERVICE_OFFERED, "dicom/104");
	check_attr(by_ip(w, "10.0.0.5"), ATTR_SERVICE_USED, "dicom/104");
}

/* ---- attributes --------------------------------------------------------------------------------------- */

static void test_confidence(void **state)
{
	struct world *w = *state;
	struct rec r;
	says(w, "10.0.0.5", CT, ATTR_MODEL, "A");
	rec_observe(&r, PROTO_dhcp, OB_SENDER);
	rec_from(&r, "10.0.0.5", CT);
	rec_attr(&r, ATTR_MODEL, "guess", 60);
	feed(w, &r);
	check_attr(by_mac(w, CT), ATTR_MODEL, "A");
	w->seconds = 10;
	says(w, "10.0.0.5", CT, ATTR_MODEL, "B");
	check_attr(by_mac(w, CT), ATTR_MODEL, "B");
	struct attr_value v;
	assert_true(device_attr(by_mac(w, CT), ATTR_MODEL, 0, &v));
	assert_string_equal(v.source, "dicom");
	assert_int_equal(v.confidence, 90);
	assert_int_equal(v.packet, 3);
	assert_int_equal(v.last_ns - v.first_ns, 0);
	says(w, "10.0.0.5", CT, ATTR_AE_TITLE, "CT1");
	says(w, "10.0.0.5", CT, ATTR_AE_TITLE, "CT2");
	says(w, "10.0.0.5", CT, ATTR_AE_TITLE, "CT1");
	assert_true(device_attr(by_mac(w, CT), ATTR_AE_TITLE, 1, &v));
	assert_true(bytes_is(v.value, "CT2"));
	assert_false(device_attr(by_mac(w, CT), ATTR_AE_TITLE, 2, &v));
}

static void test_changed_face(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.5", CT, ATTR_SERIAL, "111");
	assert_int_equal(w->conflicts, 0);
	says(w, "10.0.0.5", CT, ATTR_SERIAL, "222");
	assert_int_equal(w->conflicts, 1);
}

static void test_mac_class_and_type(void **state)
{
	struct world *w = *state;
	sends(w, "10.0.0.31", MON);
	check_attr(by_mac(w, MON), ATTR_MAC_VENDOR, "Philips");
	check_attr(by_mac(w, MON), ATTR_MAC_CLASS, "patient_monitor");
	assert_string_equal(device_type(by_mac(w, MON)), "unknown");
	says(w, "10.0.0.31", MON, ATTR_DICOM_MODALITY, "CT");
	assert_string_equal(device_type(by_mac(w, MON)), "imaging_ct");
	assert_int_equal(device_confidence(by_mac(w, MON)), 85);
	check_attr(by_mac(w, MON), ATTR_TYPE, "imaging_ct");
}

/* ---- caps, ids
 * ------------------------------------------------------------------------------------------------ */

static void test_full(void **state)
{
	struct world *w = *state;
	char ip[ADDR_TEXT], mac[MAC_TEXT];
	inventory_free(w->inv);
	w->limits.devices = 64;
	w->limits.addresses = 128;
	w->limits.attributes = 256;
	world_start(w);
	arp(w, "10.0.0.10", PACS);
	says(w, "10.0.0.10", PACS, ATTR_MODEL, "KNOWN");
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(ip, sizeof ip, "10.7.%u.%u", i / 250, i % 250 + 1);
		snprintf(mac, sizeof mac, "00-09-FB-00-%02X-%02X", i >> 8, i & 255);
		arp(w, ip, mac);
		if (i % 3 == 0)
			says(w, ip, mac, ATTR_SERIAL, "7");
		if (i % 5 == 0)
			made(w, ip, mac, "SIEMENS", ip, ip);
	}
	inventory_finish(w->inv);
	assert_true(inventory_count(w->inv) <= 64);
	assert_true(w->counters.full_devices > 4000);
	assert_non_null(by_mac(w, mac));
}

static void test_made_up_addresses_drive_out_nobody(void **state)
{
	struct world *w = *state;
	char ip[ADDR_TEXT], mac[MAC_TEXT], serial[8];
	inventory_free(w->inv);
	w->limits.devices = 256;
	w->limits.addresses = 1024;
	w->limits.attributes = 2048;
	world_start(w);
	for (unsigned i = 0; i < 5100; i++) {
		snprintf(ip, sizeof ip, "10.7.%u.%u", i / 250, i % 250 + 1);
		snprintf(mac, sizeof mac, "00-09-FB-00-%02X-%02X", i >> 8, i & 255);
		snprintf(serial, sizeof serial, "S%u", i);
		arp(w, ip, mac);
		if (i < 100)
			says(w, ip, mac, ATTR_SERIAL, serial);
	}
	assert_true(w->counters.full_devices > 4000);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(mac, sizeof mac, "00-09-FB-00-00-%02X", i);
		snprintf(serial, sizeof serial, "S%u", i);
		check_attr(by_mac(w, mac), ATTR_SERIAL, serial);
	}
	for (unsigned i = 0; i < 1000; i++) { /* but who is known less still finds a place */
		snprintf(ip, sizeof ip, "10.8.%u.%u", i / 250, i % 250 + 1);
		snprintf(mac, sizeof mac, "00-09-FB-01-%02X-%02X", i >> 8, i & 255);
		snprintf(serial, sizeof serial, "T%u", i);
		arp(w, ip, mac);
		says(w, ip, mac, ATTR_SERIAL, serial);
	}
	arp(w, "10.9.0.1", "00-09-FB-02-00-01");
	arp(w, "10.9.0.2", "00-09-FB-02-00-02");
	arp(w, "10.9.0.3", "00-09-FB-02-00-03");
	assert_non_null(by_mac(w, "00-09-FB-02-00-01"));
	assert_true(inventory_count(w->inv) <= 256);
}

static void add_id(void *arg, const struct device *d)
{
	char id[DEVICE_ID], *text = arg;
	device_id(d, id);
	assert_int_equal(strlen(id), 14);
	assert_null(strstr(text, id));
	snprintf(text + strlen(text), 256 - strlen(text), "%s ", id);
}

static void test_ids(void **state)
{
	struct world *w = *state;
	char a[256] = "", b[256] = "";
	arp(w, "10.0.0.10", PACS);
	sends(w, "10.9.0.1", NULL);
	behind(w, "10.0.0.10", PACS, "00A0370098007A80");
	inventory_each(w->inv, add_id, a);
	says(w, "10.0.0.10", PACS, ATTR_SERIAL, "1");
	sends(w, "fe80::1", PACS);
	inventory_finish(w->inv);
	inventory_each(w->inv, add_id, b);
	assert_string_equal(a, b);
	assert_int_equal(strlen(a), 45);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(test_mac_and_addresses),
		T(test_router),
		T(test_forged_sources),
		T(test_router_with_its_own_address_first),
		T(test_router_that_is_only_sent_to),
		T(test_sent_to_but_no_router),
		T(test_router_without_vlans),
		T(test_two_claimed_addresses_are_no_router),
		T(test_internet_is_no_device),
		T(test_loopback_is_no_device),
		T(test_home_networks),
		T(test_slaac_is_no_router),
		T(test_virtual_and_group_macs),
		T(test_local_mac_in_two_vlans),
		T(test_same_address_in_two_vlans),
		T(test_same_address_in_two_vlans_without_arp),
		T(test_arp_spoof),
		T(test_counts_changes),
		T(test_conflict_names_the_claimant),
		T(test_lease),
		T(test_replaced_after_silence),
		T(test_silent_peer_is_no_device),
		T(test_confidence),
		T(test_changed_face),
		T(test_mac_class_and_type),
		T(test_full),
		T(test_made_up_addresses_drive_out_nobody),
		T(test_ids),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
