/* run/page, run/term: what a person sees, from hostile devices too. */
#include "decide/fingerprint.h"
#include "decide/policy.h"
#include "records.h"
#include "run/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* The policy engine's is opaque; here a rule is what it says of itself. */
struct rule {
	struct rule_text text;
};

const struct rule_text *rule_text(const struct rule *r)
{
	return &r->text;
}

static const char *const remedy[] = { "TLS between the two" };
static const struct rule clear = { { .title = "Patient data in clear.",
	.id = "1",
	.name = "phi_clear",
	.category = "phi_exposure",
	.responses = remedy,
	.n_responses = 1 } };
static const struct rule telnet = { { .title = "Login in clear", .id = "2", .name = "", .category = "x" } };

struct world {
	struct privacy_key key;
	struct limits limits;
	struct counters counters;
	struct diag diag;
	struct mask *mask;
	struct fingerprints *f;
	struct inventory *inv;
	char text[16384];
	struct term term;
};

static int setup(void **state)
{
	static const char rules[] =
		"dialect: wardwatch/1\nkind: fingerprints\nfingerprints:\n"
		"    - {id: ct, match: {dicom.modality: CT}, set: {type: imaging_ct}, confidence: 85}\n";
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	limits_default(&w->limits);
	privacy_key_init(&w->key, bytes_str("test"), false);
	w->mask = mask_new(&w->key, &w->limits);
	w->f = fingerprints_parse("rules", bytes_str(rules), &w->diag);
	w->inv = inventory_new(&w->limits, &w->counters, w->f, NULL);
	assert_true(w->mask && w->f && w->inv);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	inventory_free(w->inv);
	fingerprints_free(w->f);
	mask_free(w->mask);
	diag_free(&w->diag);
	free(w);
	return 0;
}

static void begin(struct world *w, unsigned width, bool tty)
{
	memset(w->text, 0, sizeof w->text);
	w->term = (struct term){ fmemopen(w->text, sizeof w->text - 1, "w"), width, tty, false };
	assert_non_null(w->term.out);
}

static void has(const struct world *w, const char *part)
{
	if (!strstr(w->text, part))
		print_error("no \"%s\" in\n%s\n", part, w->text);
	assert_non_null(strstr(w->text, part));
}

static void has_not(const struct world *w, const char *part)
{
	if (strstr(w->text, part))
		print_error("\"%s\" in\n%s\n", part, w->text);
	assert_null(strstr(w->text, part));
}

static void add_ct(struct world *w, const char *ip, const char *mac, const char *host)
{
	struct rec r;
	rec_observe(&r, PROTO_dicom, OB_SENDER);
	rec_from(&r, ip, mac);
	rec_to(&r, "10.0.0.250", "00-00-0C-A1-00-01");
	rec_at(&r, 7, 1);
	rec_attr(&r, ATTR_MANUFACTURER, "SIEMENS", 90);
	rec_attr(&r, ATTR_MODEL, "SOMATOM Force", 90);
	rec_attr(&r, ATTR_FIRMWARE, "VB20A", 90);
	rec_attr(&r, ATTR_DICOM_MODALITY, "CT", 90);
	rec_attr(&r, ATTR_AE_TITLE, host, 90);
	rec_attr(&r, ATTR_HOST_NAME, host, 70);
	inventory_feed(w->inv, rec_event(&r));
}

static void table(void **state)
{
	struct world *w = *state;
	add_ct(w, "10.0.0.9", "00-01-E3-00-00-09", "CTSOMA01");
	inventory_finish(w->inv);
	begin(w, 100, false);
	assert_true(page_devices(&w->term, w->mask, w->inv, 30));
	fclose(w->term.out);
	has(w, "DEVICES  1: 1 imaging\n");
	has(w, "  TYPE        MAKER AND MODEL        VERSION  ADDRESS   VLAN  SURE  FROM\n");
	has(w, "  CT scanner  SIEMENS SOMATOM Force  VB20A    10.0.0.9     -");
	has(w, "AE CTSOMA01\n");
}

/* Without a version of the device its operating system's, named as such. */
static void system_version(void **state)
{
	struct world *w = *state;
	struct rec r;
	rec_observe(&r, PROTO_dhcp, OB_SENDER);
	rec_from(&r, "10.0.0.9", "00-09-FB-10-00-09");
	rec_attr(&r, ATTR_OS_NAME, "Windows", 70);
	rec_attr(&r, ATTR_OS_VERSION, "10", 70);
	inventory_feed(w->inv, rec_event(&r));
	begin(w, 160, false);
	inventory_finish(w->inv);
	assert_true(page_devices(&w->term, w->mask, w->inv, 30));
	fclose(w->term.out);
	has(w, "  OS Windows 10  10.0.0.9");
}

/* A device that another speaks for has no address of its own. */
static void carried(void **state)
{
	struct world *w = *state;
	struct rec r;
	rec_observe(&r, PROTO_hl7, OB_BEHIND);
	rec_from(&r, "10.0.0.9", "00-09-FB-10-00-09");
	rec_to(&r, "10.0.0.250", "00-00-0C-A1-00-01");
	rec_at(&r, 8, 1);
	rec_attr(&r, ATTR_MANUFACTURER, "ACME", 90);
	rec_attr(&r, ATTR_SERIAL, "4711", 90);
	inventory_feed(w->inv, rec_event(&r));
	begin(w, 160, false);
	inventory_finish(w->inv);
	assert_true(page_devices(&w->term, w->mask, w->inv, 30));
	fclose(w->term.out);
	has(w, "via 10.0.0.9");
}

static void nobody(void **state)
{
	struct world *w = *state;
	begin(w, 100, false);
	assert_true(page_devices(&w->term, w->mask, w->inv, 30));
	fclose(w->term.out);
	assert_string_equal(w->text, "DEVICES  0\n");
}

/* Escapes, bidi marks and bytes that are no UTF-8 reach the screen as text; a patient's name not at all. */
static void hostile(void **state)
{
	struct world *w = *state;
	add_ct(w, "10.0.0.9", "00-01-E3-00-00-09",
		"a\x1b[2J\xe2\x80\xae\xff"
		"x");
	add_ct(w, "10.0.0.10", "00-01-E3-00-00-10", "DOE^JANE");
	inventory_finish(w->inv);
	begin(w, 100, false);
	assert_true(page_devices(&w->term, w->mask, w->inv, 30));
	fclose(w->term.out);
	has(w, "a\\x1b[2J\\u202e\\xffx");
	has_not(w, "\x1b");
	has(w, "AE [masked]\n");
	has_not(w, "DOE");
}

static void many(void **state)
{
	struct world *w = *state;
	for (unsigned i = 1; i <= 40; i++) {
		char ip[32], mac[32];
		snprintf(ip, sizeof ip, "10.0.1.%u", i);
		snprintf(mac, sizeof mac, "00-01-E3-00-01-%02X", i);
		add_ct(w, ip, mac, "CT");
	}
	inventory_finish(w->inv);
	begin(w, 70, true);
	assert_true(page_devices(&w->term, w->mask, w->inv, 30));
	fclose(w->term.out);
	has(w, "DEVICES  40: 40 imaging\n");
	has(w, "  and 10 more: see -o DIR\n");
	struct cur c = cur_of(bytes_str(w->text));
	while (cur_more(&c))
		assert_true(term_columns(cur_until(&c, '\n')) <= 70);
}

static struct alert alert_of(const struct rule *rule, const struct event *e, enum level level)
{
	return (struct alert){ .rule = rule,
		.event = e,
		.level = level,
		.score = 50,
		.count = 1,
		.first_packet = e->packet,
		.last_packet = e->packet };
}

static void findings(void **state)
{
	struct world *w = *state;
	struct findings *f = findings_new();
	struct rec r;
	rec_begin(&r, PROTO_hl7, 0);
	rec_from(&r, "10.0.0.1", "00-01-E3-00-00-01");
	rec_to(&r, "fd00::2", "00-01-E3-00-00-02");
	rec_ports(&r, 40000, 2575);
	for (unsigned i = 0; i < 3; i++) {
		rec_at(&r, 2204 + i, 1);
		struct alert a = alert_of(&clear, rec_event(&r), LEVEL_HIGH);
		a.phi = PHI_BIT(PHI_PATIENT_NAME) | PHI_BIT(PHI_MRN);
		a.patients = 1;
		findings_add(f, &a);
	}
	/* The closing document of the second: more patients, so it is the one to show. */
	rec_begin(&r, PROTO_phi, 0);
	rec_at(&r, 9000, 60);
	struct alert last = alert_of(&clear, rec_event(&r), LEVEL_HIGH);
	last.closing = true;
	last.first_packet = 2205;
	last.count = 1118;
	last.patients = 42;
	last.phi = PHI_BIT(PHI_PATIENT_NAME);
	rec_event(&r)->conv.src = rec_event(&r)->conv.dst = (struct addr){ .family = 0 };
	rec_from(&r, "10.0.0.1", NULL);
	rec_to(&r, "fd00::2", NULL);
	rec_ports(&r, 40000, 2575);
	findings_add(f, &last);
	rec_at(&r, 1, 0);
	struct alert low = alert_of(&telnet, rec_event(&r), LEVEL_LOW);
	findings_add(f, &low);
	begin(w, 400, false);
	page_findings(&w->term, w->mask, f, 10);
	fclose(w->term.out);
	assert_string_equal(w->text,
		"FINDINGS  2 kinds in 4 places\n"
		"  HIGH     Patient data in clear: HL7, 10.0.0.1 to [fd00::2]:2575; names; 42 patients in "
		"1,118 "
		"messages; and 2 more like this.\n"
		"           First seen in packet 2,205. Policy phi_clear. Remedy: TLS between the two.\n"
		"  LOW      Login in clear: 10.0.0.1 to [fd00::2]:2575.\n"
		"           First seen in packet 1. Policy 2.\n");
	findings_free(f);
}

static void no_findings(void **state)
{
	struct world *w = *state;
	struct findings *f = findings_new();
	begin(w, 100, false);
	page_findings(&w->term, w->mask, f, 10);
	fclose(w->term.out);
	assert_string_equal(w->text, "FINDINGS  0\n");
	findings_free(f);
}

static void wide(void **state)
{
	struct world *w = *state;
	assert_int_equal(term_columns(bytes_str("abc")), 3);
	assert_int_equal(term_columns(bytes_str("\xe7\x97\x85\xe9\x99\xa2")), 4); /* two ideographs */
	assert_int_equal(term_columns(bytes_str("e\xcc\x81")), 1);                /* combining */
	begin(w, 100, false);
	term_cell(&w->term, "\xe7\x97\x85\xe9\x99\xa2", 3);
	term_cell(&w->term, "ab", 4);
	term_cell(&w->term, "abcdef", 4);
	fclose(w->term.out);
	assert_string_equal(w->text, "\xe7\x97\x85\xe2\x80\xa6"
				     "ab  abc\xe2\x80\xa6");
}

static void numbers(void **state)
{
	(void)state;
	char s[TERM_NUMBER];
	assert_string_equal(term_number(0, s), "0");
	assert_string_equal(term_number(999, s), "999");
	assert_string_equal(term_number(184203, s), "184,203");
	assert_string_equal(term_number(UINT64_MAX, s), "18,446,744,073,709,551,615");
	assert_string_equal(term_bytes(727, s), "727 bytes");
	assert_string_equal(term_bytes(96100000, s), "96.1 MB");
	assert_string_equal(term_bytes(999999, s), "1.0 MB");
	assert_string_equal(term_duration(3540000000000, s), "59 min");
	assert_string_equal(term_duration(1500000000, s), "1.5 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(table, setup, teardown),
		cmocka_unit_test_setup_teardown(system_version, setup, teardown),
		cmocka_unit_test_setup_teardown(carried, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown),
		cmocka_unit_test_setup_teardown(findings, setup, teardown),
		cmocka_unit_test_setup_teardown(no_findings, setup, teardown),
		cmocka_unit_test_setup_teardown(wide, setup, teardown),
		cmocka_unit_test(numbers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
