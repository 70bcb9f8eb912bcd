/* Which device is it that data speak of? Serial numbers, makers, EUI-64. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void states(struct world *w, const char *ip, const char *mac, const char *serial)
{
	struct rec r;
	rec_observe(&r, PROTO_dicom, OB_SENDER);
	rec_from(&r, ip, mac);
	rec_attr(&r, ATTR_MANUFACTURER, "SIEMENS", 90);
	rec_attr(&r, ATTR_SERIAL, serial, 90);
	feed(w, &r);
}

static void test_serial_moved_and_back(void **state)
{
	struct world *w = *state;
	states(w, "10.1.0.5", NULL, "75214");
	w->seconds = 7200;
	states(w, "10.2.0.9", NULL, "75214");
	assert_ptr_equal(by_ip(w, "10.1.0.5"), by_ip(w, "10.2.0.9"));
	assert_int_equal(inventory_count(w->inv), 1);
	assert_int_equal(w->conflicts, 0);
	/* The old address speaks on: there are two with one number after all. */
	w->seconds = 7210;
	sends(w, "10.1.0.5", NULL);
	assert_ptr_not_equal(by_ip(w, "10.1.0.5"), by_ip(w, "10.2.0.9"));
	assert_int_equal(w->conflicts, 1);
}

static void test_serial_at_the_same_time(void **state)
{
	struct world *w = *state;
	states(w, "10.1.0.5", NULL, "75214");
	states(w, "10.2.0.9", NULL, "75214");
	states(w, "10.1.0.5", NULL, "75214");
	states(w, "10.2.0.9", NULL, "75214");
	assert_int_equal(inventory_count(w->inv), 2);
	assert_int_equal(w->conflicts, 1);
	states(w, "10.3.0.1", NULL, "0000");
	states(w, "10.3.0.2", NULL, "0000"); /* no number at all */
	assert_int_equal(w->conflicts, 1);
}

static void test_maker_by_arc(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.5", CT);
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", "75214");
	check_attr(by_mac(w, CT), ATTR_MODEL, NULL);
	assert_int_equal(inventory_count(w->inv), 2); /* told of behind the sender */
	says(w, "10.0.0.5", CT, ATTR_DICOM_IMPLEMENTATION_UID, "1.3.12.2.1107.5.1.4");
	check_attr(by_mac(w, CT), ATTR_MODEL, "SOMATOM");
	assert_int_equal(inventory_count(w->inv), 1);
	/* A second device's objects: it passes on. */
	made(w, "10.0.0.5", CT, "SIEMENS", "MAGNETOM", "999");
	check_attr(by_mac(w, CT), ATTR_MODEL, NULL);
	assert_int_equal(inventory_count(w->inv), 3);
}

/* The maker of the software, as a fingerprint words it, is the maker of the data in other words. */
static void test_maker_in_other_words(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.5", CT, ATTR_DICOM_IMPLEMENTATION_UID, "1.2.840.113619.6.260");
	check_attr(by_mac(w, CT), ATTR_MANUFACTURER, "GE");
	made(w, "10.0.0.5", CT, "GE MEDICAL SYSTEMS", "DISCOVERY MR750", "75215");
	check_attr(by_mac(w, CT), ATTR_MODEL, "DISCOVERY MR750");
	check_attr(by_mac(w, CT), ATTR_MANUFACTURER, "GE MEDICAL SYSTEMS");
	assert_int_equal(inventory_count(w->inv), 1);
	says(w, "10.0.0.5", CT, ATTR_DICOM_SERVICE, "worklist_scu");
	says(w, "10.0.0.6", PACS, ATTR_DICOM_IMPLEMENTATION_UID, "1.2.840.113619.6.260");
	says(w, "10.0.0.6", PACS, ATTR_DICOM_SERVICE, "worklist_scu");
	made(w, "10.0.0.6", PACS, "SIEMENS", "SOMATOM", "75214"); /* another maker's */
	check_attr(by_mac(w, PACS), ATTR_MODEL, NULL);
}

static void test_maker_not_of_an_archive(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.10", PACS, ATTR_DICOM_IMPLEMENTATION_UID, "1.3.12.2.1107.5.1.4");
	made(w, "10.0.0.10", PACS, "SIEMENS", "SOMATOM", "75214");
	check_attr(by_mac(w, PACS), ATTR_MODEL, "SOMATOM");
	says(w, "10.0.0.10", PACS, ATTR_DICOM_SERVICE, "qr_scp");
	check_attr(by_mac(w, PACS), ATTR_MODEL, NULL);
}

/* The maker's own network card, while nothing is passed on and there is no second device. */
static void test_maker_by_card(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.5", CT, ATTR_MAC_VENDOR, "Siemens AG");
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", "75214");
	check_attr(by_mac(w, CT), ATTR_MODEL, "SOMATOM");
	assert_int_equal(inventory_count(w->inv), 1);
	says(w, "10.0.0.6", MON, ATTR_MAC_VENDOR, "Siemens AG"); /* another maker's data */
	made(w, "10.0.0.6", MON, "Philips", "EPIQ", "US1");
	check_attr(by_mac(w, MON), ATTR_MODEL, NULL);
	says(w, "10.0.0.5", CT, ATTR_DICOM_SERVICE, "qr_scp"); /* it hands on what others made */
	check_attr(by_mac(w, CT), ATTR_MODEL, NULL);
}

static void test_maker_by_worklist(void **state)
{
	struct world *w = *state;
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", "75214");
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", NULL); /* anonymised: no second device */
	says(w, "10.0.0.5", CT, ATTR_DICOM_SERVICE, "worklist_scu");
	check_attr(by_mac(w, CT), ATTR_SERIAL, "75214");
	/* The same object from the archive: still that CT. */
	says(w, "10.0.0.10", PACS, ATTR_DICOM_SERVICE, "qr_scp");
	made(w, "10.0.0.10", PACS, "SIEMENS", "SOMATOM", "75214");
	check_attr(by_mac(w, PACS), ATTR_MODEL, NULL);
	assert_int_equal(inventory_count(w->inv), 2);
}

static void test_maker_not_against_own_word(void **state)
{
	struct world *w = *state;
	states(w, "10.0.0.5", CT, "75214");
	says(w, "10.0.0.5", CT, ATTR_DICOM_SERVICE, "mpps_scu");
	made(w, "10.0.0.5", CT, "Philips", "EPIQ", "US1");
	check_attr(by_mac(w, CT), ATTR_MODEL, NULL);
	check_attr(by_mac(w, CT), ATTR_MANUFACTURER, "SIEMENS");
	assert_int_equal(inventory_count(w->inv), 2);
}

static void test_station_named_as_sender(void **state)
{
	struct world *w = *state;
	struct rec r;
	says(w, "10.0.0.5", CT, ATTR_AE_TITLE, "CTSOMA01");
	made(w, "10.0.0.5", CT, "Philips", "EPIQ", "US1");
	rec_observe(&r, PROTO_dicom, OB_MAKER);
	rec_from(&r, "10.0.0.5", CT);
	rec_attr(&r, ATTR_MANUFACTURER, "SIEMENS", 90);
	rec_attr(&r, ATTR_SERIAL, "75214", 90);
	rec_attr(&r, ATTR_STATION_NAME, "CTSOMA01", 90);
	feed(w, &r);
	check_attr(by_mac(w, CT), ATTR_SERIAL, "75214");
	check_attr(by_mac(w, CT), ATTR_MODEL, NULL);
	assert_int_equal(inventory_count(w->inv), 2);
}

static void made_by(struct world *w, const char *ip, const char *mac, const char *maker, const char *serial,
	const char *station)
{
	struct rec r;
	rec_observe(&r, PROTO_dicom, OB_MAKER);
	rec_from(&r, ip, mac);
	rec_to(&r, "10.0.0.10", PACS);
	rec_attr(&r, ATTR_MANUFACTURER, maker, 90);
	rec_attr(&r, ATTR_SERIAL, serial, 90);
	rec_attr(&r, ATTR_STATION_NAME, station, 90);
	feed(w, &r);
}

/* A router that calls by the title of whomever it stands for: with the second it is known as none of them. */
static void test_router_under_others_titles(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.7", HIS, ATTR_AE_TITLE, "CTSOMA01");
	made_by(w, "10.0.0.7", HIS, "SIEMENS", "75214", "CTSOMA01");
	says(w, "10.0.0.7", HIS, ATTR_AE_TITLE, "EPIQ02");
	made_by(w, "10.0.0.7", HIS, "Philips", "US1", "EPIQ02");
	check_attr(by_mac(w, HIS), ATTR_SERIAL, NULL);
	check_attr(by_mac(w, HIS), ATTR_MANUFACTURER, NULL);
	assert_int_equal(inventory_count(w->inv), 3);
	/* One that stands for a scanner that spoke before it is no second scanner, and no conflict. */
	says(w, "10.0.0.5", CT, ATTR_AE_TITLE, "MR01");
	made_by(w, "10.0.0.5", CT, "SIEMENS", "999", "MR01");
	says(w, "10.0.0.8", GW, ATTR_AE_TITLE, "MR01");
	made_by(w, "10.0.0.8", GW, "SIEMENS", "999", "MR01");
	check_attr(by_mac(w, CT), ATTR_SERIAL, "999");
	check_attr(by_mac(w, GW), ATTR_SERIAL, NULL);
	assert_int_equal(w->conflicts, 0);
}

#define CT2 "00-01-E3-52-21-22"

/* Two of the maker's own cards under one title and one number: each keeps what it said, and it is an event.
 */
static void test_one_number_sent_twice(void **state)
{
	struct world *w = *state;
	static const char *const mac[] = { CT, CT2, CT, CT2 }, *const ip[] = { "10.0.0.5", "10.0.0.6" };
	for (unsigned i = 0; i < 4; i++) {
		says(w, ip[i & 1], mac[i], ATTR_MAC_VENDOR, "Siemens AG");
		says(w, ip[i & 1], mac[i], ATTR_AE_TITLE, "CT1");
		made(w, ip[i & 1], mac[i], "SIEMENS", "SOMATOM", "75214");
	}
	check_attr(by_mac(w, CT), ATTR_MODEL, "SOMATOM");
	check_attr(by_mac(w, CT2), ATTR_MODEL, "SOMATOM");
	check_attr(by_mac(w, CT2), ATTR_SERIAL, "75214");
	assert_int_equal(inventory_count(w->inv), 2);
	assert_int_equal(w->conflicts, 1);
	/* The second turns out to pass on: it is no device of its own, and the first keeps its own. */
	says(w, "10.0.0.6", CT2, ATTR_DICOM_SERVICE, "qr_scp");
	check_attr(by_mac(w, CT2), ATTR_MODEL, NULL);
	check_attr(by_mac(w, CT), ATTR_SERIAL, "75214");
	assert_int_equal(inventory_count(w->inv), 2);
}

static void wrote(struct world *w, const char *app, const char *maker, const char *product)
{
	struct rec r;
	says(w, "10.0.0.5", HIS, ATTR_HL7_APPLICATION, app);
	rec_observe(&r, PROTO_hl7, OB_MAKER);
	rec_from(&r, "10.0.0.5", HIS);
	rec_attr(&r, ATTR_HL7_SOFTWARE, product, 90);
	rec_attr(&r, ATTR_MANUFACTURER, maker, 60);
	rec_attr(&r, ATTR_MODEL, product, 60);
	rec_attr(&r, ATTR_FIRMWARE, "7.2.1", 60);
	feed(w, &r);
}

/* Software that the sender is called by is its own, until it is called by another's too. */
static void test_software_named_as_application(void **state)
{
	struct world *w = *state;
	wrote(w, "ADT1", "Other", "OtherADT");
	check_attr(by_mac(w, HIS), ATTR_MODEL, NULL);
	wrote(w, "ACME ADT", "ACME Health", "Acme ADT");
	check_attr(by_mac(w, HIS), ATTR_MODEL, "Acme ADT");
	check_attr(by_mac(w, HIS), ATTR_FIRMWARE, "7.2.1");
	wrote(w, "RadNet", "Cerner", "RadNet");
	check_attr(by_mac(w, HIS), ATTR_MODEL, NULL);
	check_attr(by_mac(w, HIS), ATTR_MANUFACTURER, NULL);
}

/* What stands in the form's place is no number, of one device or of two. */
static void test_placeholder_serials(void **state)
{
	struct world *w = *state;
	static const char *const words[] = { "000000", "123456", "1234567890", "N/A", "Unknown", "SERIAL",
		"XXXX", "-" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		states(w, "10.0.0.5", CT, words[i]);
		states(w, "10.0.0.6", CT2, words[i]);
	}
	check_attr(by_mac(w, CT), ATTR_SERIAL, NULL);
	assert_int_equal(w->conflicts, 0);
	assert_int_equal(inventory_count(w->inv), 2);
	states(w, "10.0.0.5", CT, "1234");
	check_attr(by_mac(w, CT), ATTR_SERIAL, "1234");
}

/* The station name is the host name, which may be learnt later; priors of other makers are others'. */
static void test_station_named_as_host(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.5", HIS);
	made_by(w, "10.0.0.5", HIS, "Philips", "US1", "EPIQ02");
	made_by(w, "10.0.0.5", HIS, "SIEMENS", "75214", "CTSOMA01");
	check_attr(by_mac(w, HIS), ATTR_SERIAL, NULL);
	assert_int_equal(inventory_count(w->inv), 3);
	says(w, "10.0.0.5", HIS, ATTR_HOST_NAME, "epiq02.hospital.example");
	check_attr(by_mac(w, HIS), ATTR_SERIAL, "US1");
	assert_int_equal(inventory_count(w->inv), 2);
}

/* The same scanner under a second spelling of its maker, and objects of it without number. */
static void test_one_maker_in_two_spellings(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.5", CT, ATTR_AE_TITLE, "CTSOMA01");
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", NULL);
	made_by(w, "10.0.0.5", CT, "SIEMENS", "75214", "CTSOMA01");
	made_by(w, "10.0.0.5", CT, "Siemens Healthineers", "75214", "CTSOMA01");
	check_attr(by_mac(w, CT), ATTR_SERIAL, "75214");
	check_attr(by_mac(w, CT), ATTR_MODEL, "SOMATOM");
	assert_int_equal(inventory_count(w->inv), 1);
}

/* An analyser by card and host name that also hands on what a pump says. */
static void test_host_named_as_model(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.5", CT, ATTR_MAC_VENDOR, "Sysmex");
	made(w, "10.0.0.5", CT, "SYSMEX", "XN-1000", "A8812");
	made(w, "10.0.0.5", CT, "CareFusion", "PCU 8015", "14441778");
	check_attr(by_mac(w, CT), ATTR_SERIAL, NULL); /* so far it may be of anyone's */
	says(w, "10.0.0.5", CT, ATTR_HOST_NAME, "XN1000-A");
	check_attr(by_mac(w, CT), ATTR_SERIAL, "A8812");
	assert_int_equal(inventory_count(w->inv), 2);
	/* A second one of the card's maker: it is their gateway, whatever it is called. */
	made(w, "10.0.0.5", CT, "SYSMEX", "XN-2000", "B1");
	check_attr(by_mac(w, CT), ATTR_SERIAL, NULL);
	assert_int_equal(inventory_count(w->inv), 4);
}

static void test_many_devices_data(void **state)
{
	static const char *const serials[] = { "1", "2", "3", "4", "5", "6" };
	struct world *w = *state;
	says(w, "10.0.0.5", CT, ATTR_MAC_VENDOR, "Siemens AG");
	says(w, "10.0.0.5", CT, ATTR_AE_TITLE, "CTSOMA01");
	for (size_t i = 0; i < sizeof serials / sizeof *serials; i++)
		made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", serials[i]);
	made_by(w, "10.0.0.5", CT, "SIEMENS", "6", "CTSOMA01");
	check_attr(by_mac(w, CT), ATTR_SERIAL, NULL);
	assert_int_equal(inventory_count(w->inv), 7);
}

/* Whoever is sent objects may hand them on: the card counts, for what nobody sent before. */
static void test_receiver(void **state)
{
	struct world *w = *state;
	says(w, "10.0.0.5", CT, ATTR_MAC_VENDOR, "Siemens AG");
	says(w, "10.0.0.5", CT, ATTR_DICOM_SERVICE, "storage_scp");
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", "75214");
	check_attr(by_mac(w, CT), ATTR_SERIAL, "75214");
	says(w, "10.0.0.7", HIS, ATTR_MAC_VENDOR, "Siemens AG");
	says(w, "10.0.0.7", HIS, ATTR_DICOM_SERVICE, "storage_scp");
	made(w, "10.0.0.6", GW, "SIEMENS", "MAGNETOM", "999"); /* to the router */
	made(w, "10.0.0.7", HIS, "SIEMENS", "MAGNETOM", "999");
	check_attr(by_mac(w, HIS), ATTR_SERIAL, NULL);
	/* Its software's maker is no ground: the maker's workstations run it too. */
	says(w, "10.0.0.8", MON, ATTR_DICOM_IMPLEMENTATION_UID, "1.3.12.2.1107.5.1.4");
	says(w, "10.0.0.8", MON, ATTR_DICOM_SERVICE, "storage_scp");
	made(w, "10.0.0.8", MON, "SIEMENS", "SOMATOM", "8");
	check_attr(by_mac(w, MON), ATTR_SERIAL, NULL);
}

/* A scanner that sends a prior of another maker's before anything of its own. */
static void test_card_denies(void **state)
{
	struct world *w = *state;
	arp(w, "10.0.0.31", MON); /* 0009FB: Philips, by the rules of this test */
	says(w, "10.0.0.31", MON, ATTR_DICOM_SERVICE, "worklist_scu");
	made(w, "10.0.0.31", MON, "SIEMENS", "SOMATOM", "75214");
	check_attr(by_mac(w, MON), ATTR_SERIAL, NULL);
	check_attr(by_mac(w, MON), ATTR_MANUFACTURER, NULL);
	assert_int_equal(inventory_count(w->inv), 2);
	made(w, "10.0.0.5", CT, "SIEMENS", "SOMATOM", "75214");
	says(w, "10.0.0.5", CT, ATTR_DICOM_SERVICE, "worklist_scu");
	check_attr(by_mac(w, CT), ATTR_SERIAL, "75214"); /* once it sends itself */
	assert_int_equal(inventory_count(w->inv), 2);
}

static void test_eui64(void **state)
{
	struct world *w = *state;
	behind(w, "10.0.0.11", HIS, "0009FBFFFF313131");
	behind(w, "10.0.0.11", HIS, "00A0370098007A80");
	behind(w, "10.0.0.11", HIS, "00a0370098007a80");
	assert_int_equal(inventory_count(w->inv), 3);
	check_attr(by_mac(w, HIS), ATTR_MODEL, NULL);
	/* The monitor itself turns up on the segment. */
	arp(w, "10.0.0.31", MON);
	check_attr(by_mac(w, MON), ATTR_MODEL, "VS900");
	assert_null(device_behind(by_mac(w, MON)));
	assert_int_equal(inventory_count(w->inv), 3);
}

/* A pump's message from a host that is not the pump: it is of the card that the number was made from. */
static void test_eui64_from_elsewhere(void **state)
{
	struct world *w = *state;
	struct rec r;
	arp(w, "10.0.0.31", MON);
	says(w, "10.0.0.6", HIS, ATTR_DICOM_SERVICE, "worklist_scu");
	rec_observe(&r, PROTO_dicom, OB_MAKER);
	rec_from(&r, "10.0.0.6", HIS);
	rec_attr(&r, ATTR_EUI64, "0009FBFFFF313131", 90);
	rec_attr(&r, ATTR_SERIAL, "14441778", 90);
	feed(w, &r);
	check_attr(by_mac(w, HIS), ATTR_SERIAL, NULL);
	check_attr(by_mac(w, MON), ATTR_SERIAL, "14441778");
	assert_int_equal(inventory_count(w->inv), 2);
}

static void find_behind(void *arg, const struct device *d)
{
	if (device_behind(d))
		*(const struct device **)arg = device_behind(d);
}

static void test_behind(void **state)
{
	struct world *w = *state;
	const struct device *carrier = NULL;
	behind(w, "10.0.0.11", HIS, "00A0370098007A80");
	inventory_each(w->inv, find_behind, &carrier);
	assert_ptr_equal(carrier, by_mac(w, HIS));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = { T(test_serial_moved_and_back), T(test_serial_at_the_same_time),
		T(test_maker_by_arc), T(test_maker_by_card), T(test_maker_in_other_words),
		T(test_maker_not_of_an_archive), T(test_maker_by_worklist),
		T(test_maker_not_against_own_word), T(test_station_named_as_sender),
		T(test_router_under_others_titles), T(test_one_number_sent_twice),
		T(test_software_named_as_application), T(test_placeholder_serials),
		T(test_station_named_as_host), T(test_one_maker_in_two_spellings),
		T(test_host_named_as_model), T(test_many_devices_data), T(test_receiver), T(test_card_denies),
		T(test_eui64), T(test_eui64_from_elsewhere), T(test_behind) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
