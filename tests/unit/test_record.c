/* Records: private values beyond what an event has room for are still masked, or nothing suspect is shown;
 * and every cap that takes something from an event is counted. */
#include "decide/mask.h"
#include "packet/categories.h"
#include "packet/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct {
	struct limits limits;
	struct counters counters;
	struct ring ring;
	struct privacy_key key;
	struct dx_engine engine;
	struct dx_conv dc;
	struct conv conv;
	struct mask *mask;
	unsigned tokens, values, flags;
} t;

static void drain(void *arg)
{
	uint32_t n;
	(void)arg;
	for (const struct event *e; (e = ring_peek(&t.ring, &n)); ring_pop(&t.ring)) {
		mask_learn(t.mask, e);
		if (e->proto != PROTO_hl7)
			continue;
		t.flags |= e->flags;
		FACT_EACH (f, e) {
			struct phi_fact p;
			if (f->type != FACT_PHI)
				continue;
			memcpy(&p, f->value, sizeof p);
			t.tokens += p.n_tokens;
			t.values++;
		}
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	limits_default(&t.limits);
	t.limits.states = t.limits.extras = t.limits.inflaters = 2;
	t.limits.stream_total_mib = 1;
	privacy_key_init(&t.key, bytes_str("k"), false);
	t.mask = mask_new(&t.key, &t.limits);
	assert_non_null(t.mask);
	assert_true(ring_init(&t.ring, 1 << 20));
	assert_true(dx_engine_init(&t.engine, &t.limits, &t.counters, &t.ring, &t.key, drain, NULL));
	assert_true(dx_conv_init(&t.engine, &t.dc, PROTO_hl7, false));
	t.engine.dc = &t.dc;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dx_conv_fini(&t.engine, &t.dc);
	dx_engine_fini(&t.engine);
	ring_fini(&t.ring);
	mask_free(t.mask);
	return 0;
}

static void tell_patients(unsigned n)
{
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	char name[32];
	ev_begin(&x, 0);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof name, "Familyname%u", i);
		dx_phi_value(&x, PHI_PATIENT_NAME, bytes_str(name));
	}
	ev_end(&x);
	drain(NULL);
}

static void more_patients_than_fields(void **state)
{
	(void)state;
	tell_patients(400); /* event_facts is 255 */
	assert_int_equal(t.values, 400);
	const uint64_t(*phi)[PHI_CLASSES] = t.engine.proto[t.dc.proto].phi;
	assert_int_equal(phi[0][PHI_PATIENT_NAME - PHI_NONE - 1], 1); /* an event */
	assert_int_equal(phi[1][PHI_PATIENT_NAME - PHI_NONE - 1], 0);
	t.conv.encrypted = true;
	tell_patients(1);
	t.conv.encrypted = false;
	assert_int_equal(phi[1][PHI_PATIENT_NAME - PHI_NONE - 1], 1);
	assert_int_equal(phi[0][PHI_MRN - PHI_NONE - 1], 0);
	assert_int_equal(t.flags & EVENT_PHI_LOST, 0);
	assert_true(bytes_is(mask_text(t.mask, bytes_str("familyname399")), "[masked]"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("ct-01")), "ct-01"));
}

static void more_patients_than_bytes(void **state)
{
	(void)state;
	tell_patients(5000);
	assert_int_not_equal(t.flags & EVENT_PHI_LOST, 0);
	assert_true(bytes_is(mask_text(t.mask, bytes_str("ct-01")), "[masked]"));
}

static void more_words_than_one_fact_holds(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	ev_begin(&x, 0);
	dx_phi_value(&x, PHI_PATIENT_NAME,
		bytes_str("Anna^Bert^Carl^Dora^Emil^Frida^Gustav^Hilde^Irmgard^Jakob^Konrad^Liesel^Mathilde^"
			  "Norbert^Oskar^Pauline"));
	ev_end(&x);
	drain(NULL);
	assert_int_equal(t.tokens, 16);
	assert_true(bytes_is(mask_text(t.mask, bytes_str("pauline")), "[masked]"));
}

/* What a system puts before its order numbers stays readable; a patient's own number is known whole and in
 * words. */
static void words_of_numbers(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	ev_begin(&x, 0);
	dx_phi_value(&x, PHI_ACCESSION, bytes_str("BLOOD-47110"));
	dx_phi_value(&x, PHI_ACCESSION, bytes_str("QUARTZ"));
	dx_phi_value(&x, PHI_MRN, bytes_str("FELDSPAT-1"));
	ev_end(&x);
	drain(NULL);
	assert_true(bytes_is(mask_text(t.mask, bytes_str("blood-pc")), "blood-pc"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("x-47110")), "x-[masked]"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("quartz")), "[masked]"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("feldspat-pc")), "[masked]-pc"));
}

static void text_cut(void **state)
{
	(void)state;
	static char longer[300];
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	memset(longer, 'x', sizeof longer);
	ev_begin_own(&x, PROTO_flow, FLOW_EV_END);
	ev_str(&x, FLOW_PROTOCOL, bytes_of(longer, 256)); /* fact_bytes */
	assert_int_equal(t.counters.full_fact_bytes, 0);
	ev_str(&x, FLOW_STATE, bytes_of(longer, 257));
	dx_phi_value(&x, PHI_PATIENT_NAME, bytes_of(longer, 257));
	dx_patient(&x, bytes_of(longer, 257));
	ev_end(&x);
	ob_begin(&x, OB_SENDER);
	ob_str(&x, ATTR_MODEL, bytes_of(longer, 257), 90);
	ob_end(&x);
	assert_int_equal(t.counters.full_fact_bytes, 4);
}

static void list_cut(void **state)
{
	(void)state;
	static char element[256];
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	memset(element, 'x', sizeof element);
	ev_begin_own(&x, PROTO_flow, FLOW_EV_LABEL);
	for (unsigned i = 0; i < 15; i++) /* 258 bytes each of array_bytes, 4096 */
		ev_str(&x, FLOW_RISKS, bytes_of(element, sizeof element));
	assert_int_equal(t.counters.full_array_bytes, 0);
	for (unsigned i = 0; i < 3; i++)
		ev_str(&x, FLOW_RISKS, bytes_of(element, sizeof element));
	ev_end(&x);
	assert_int_equal(t.counters.full_array_bytes, 3);
	assert_int_equal(t.counters.events_cut, 1);
}

static void facts_left_out(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	ev_begin_own(&x, PROTO_flow, FLOW_EV_END);
	for (unsigned i = 0; i < 255; i++) /* event_facts */
		ev_uint(&x, FLOW_BYTES, i);
	assert_int_equal(t.counters.full_event_facts, 0);
	ev_uint(&x, FLOW_BYTES, 0);
	ev_uint(&x, FLOW_BYTES, 1);
	ev_end(&x);
	assert_int_equal(t.counters.full_event_facts, 2);
	assert_int_equal(t.counters.events_cut, 1);
}

static void junk_given_up(void **state)
{
	(void)state;
	static char junk[32768];
	bool encrypted = false;
	memset(junk, 'x', sizeof junk);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(t.counters.full_junk_kib, i > 2); /* 64 KiB and a byte */
		dx_feed(&t.engine, &t.dc, &t.conv, &encrypted, DIR_CLIENT, bytes_of(junk, sizeof junk));
	}
	assert_int_equal(t.counters.full_junk_kib, 1);
}

/* A ring that is full is waited for: counted, and nothing is lost. */
static void ring_waits(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	for (unsigned i = 0; i < 10000; i++) {
		ev_begin(&x, 0);
		dx_phi_value(&x, PHI_PATIENT_NAME, bytes_str("Familyname"));
		ev_end(&x);
	}
	drain(NULL);
	assert_int_equal(t.values, 10000);
	assert_true(t.counters.ring_full > 0);
	assert_int_equal(t.counters.events_lost, 0);
}

/* Each limit has a counter, but what is a mere CAP. */
static void counters_of_limits(void **state)
{
	(void)state;
	size_t full = 0;
	for (size_t i = 0; i < counter_rows_n; i++) {
		full += counter_rows[i].is_full;
		assert_string_not_equal(counter_rows[i].name, "probe_packets");
		assert_string_not_equal(counter_rows[i].name, "ring_kib");
		assert_string_not_equal(counter_rows[i].name, "resolved_names");
		assert_string_not_equal(counter_rows[i].name, "capture_kib");
		assert_string_not_equal(counter_rows[i].name, "snap_bytes");
		assert_string_not_equal(counter_rows[i].name, "steady_minutes");
		assert_string_not_equal(counter_rows[i].name, "silent_vlan_s");
		assert_string_not_equal(counter_rows[i].name, "silent_interface_s");
	}
	assert_int_equal(full + 8, limit_rows_n);
}

/* What is typed at a login is known where it is printed back; the words of every scanner's list are not
 * hidden. */
static void logins(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	static const struct credential rows[] = {
		{ .user = { (const uint8_t *)"mlindqvist", 10 },
			.secret = { (const uint8_t *)"Echo!7731", 9 },
			.secret_seen = true },
		{ .user = { (const uint8_t *)"admin", 5 },
			.secret = { (const uint8_t *)"service", 7 },
			.secret_seen = true },
		{ .user = { (const uint8_t *)"dicomstore", 10 }, .secret = { (const uint8_t *)"abc", 3 } },
	};
	ev_begin(&x, 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct credential c = rows[i];
		c.scheme = "password";
		dx_credential(&x, &c);
	}
	ev_end(&x);
	drain(NULL);
	assert_true(bytes_is(mask_text(t.mask, bytes_str("230 user mlindqvist pass Echo!7731 ok")),
		"230 user [masked] pass [masked] ok"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("admin service dicomstore abc")),
		"admin service dicomstore abc"));
}

/* Dates, phone numbers and mail addresses, and names in the set they are written in. */
static void in_other_forms(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	ev_begin(&x, 0);
	dx_phi_value(&x, PHI_BIRTH_DATE, bytes_str("1970.12.31"));
	dx_phi_value(&x, PHI_PHONE, bytes_str("(0471) 555-0177"));
	dx_phi_value(&x, PHI_EMAIL, bytes_str("d.quillon@northfield.example"));
	dx_charset(&x, charset_of(bytes_str("ISO_IR 101")));
	dx_phi_value(&x, PHI_PATIENT_NAME, bytes_str("Wa\xb3\xeasa^Lech"));
	ev_end(&x);
	drain(NULL);
	assert_int_equal(t.flags & (EVENT_PHI_UNREAD | EVENT_PHI_LOST), 0);
	assert_true(bytes_is(mask_product(t.mask, bytes_str("1.0 31.12.1970")), "1.0 [masked]"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("call 5550177")), "call [masked]"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("quillon.northfield")), "[masked].northfield"));
	assert_true(bytes_is(mask_product(t.mask, bytes_str("walesa_lech")), "[masked]_[masked]"));
}

static void short_names(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	ev_begin(&x, 0);
	dx_phi_value(&x, PHI_PATIENT_NAME, bytes_str("Ng^Bo"));
	dx_phi_value(&x, PHI_PATIENT_NAME, bytes_str("Li^Jana"));
	ev_end(&x);
	drain(NULL);
	assert_true(bytes_is(mask_text(t.mask, bytes_str("bo_ng-pc")), "[masked]-pc"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("ngbo.lan")), "[masked].lan"));
	assert_true(bytes_is(mask_product(t.mask, bytes_str("jana.li 2")), "[masked] 2"));
	assert_true(bytes_is(mask_text(t.mask, bytes_str("bo-x1 ng")), "bo-x1 ng"));
}

static void in_an_unknown_set(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	ev_begin(&x, 0);
	dx_charset(&x, charset_of(bytes_str("GB18030")));
	dx_phi_value(&x, PHI_PATIENT_NAME, bytes_str("\xcd\xf5^\xd0\xa1"));
	ev_end(&x);
	drain(NULL);
	assert_int_not_equal(t.flags & EVENT_PHI_UNREAD, 0);
	assert_true(bytes_is(mask_text(t.mask, bytes_str("\xe7\x8e\x8b-pc")), "[masked]-pc"));
}

static void longer_than_is_read(void **state)
{
	(void)state;
	struct dx x = dx_own(&t.engine, &t.conv, DIR_CLIENT);
	char name[400];
	memset(name, 'x', sizeof name);
	ev_begin(&x, 0);
	dx_phi_value(&x, PHI_PATIENT_NAME, bytes_of(name, sizeof name));
	ev_end(&x);
	drain(NULL);
	assert_int_not_equal(t.flags & EVENT_PHI_LOST, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(more_patients_than_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(more_patients_than_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(more_words_than_one_fact_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(words_of_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(text_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(list_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(facts_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(junk_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(ring_waits, setup, teardown),
		cmocka_unit_test(counters_of_limits),
		cmocka_unit_test_setup_teardown(logins, setup, teardown),
		cmocka_unit_test_setup_teardown(in_other_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(short_names, setup, teardown),
		cmocka_unit_test_setup_teardown(in_an_unknown_set, setup, teardown),
		cmocka_unit_test_setup_teardown(longer_than_is_read, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
