#include "decide/fingerprint.h"
#include "decide/policy.h"
#include "packet/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct facts {
	struct view view;
	uint16_t field[8];
	struct bytes value[8];
	unsigned n;
};

static struct leaf get(const struct view *v, uint16_t field)
{
	const struct facts *f = (const struct facts *)(const void *)v;
	for (unsigned i = 0; i < f->n; i++)
		if (f->field[i] == field)
			return (struct leaf){ .type = FACT_STR, .values = &f->value[i], .n = 1 };
	return (struct leaf){ 0 };
}

static void collect(void *arg, const char *source, unsigned set, struct bytes value, unsigned confidence)
{
	char *out = arg;
	const char *name = set < ATTR_N ? attr_rows[set].name : set == SET_MAKES ? "makes" : "passes_on";
	snprintf(out + strlen(out), 512 - strlen(out), "%s:%s=%.*s@%u ", source, name, (int)value.n,
		(const char *)value.p, confidence);
}

static struct fingerprints *parse(const char *text, struct diag *d)
{
	return fingerprints_parse("t.yml", bytes_str(text), d);
}

#define HEAD "dialect: wardwatch/1\nkind: fingerprints\n"

static void test_eval(void **state)
{
	(void)state;
	struct diag d = { 0 };
	char out[512] = "";
	struct fingerprints *f = parse(HEAD
		"fingerprints:\n"
		"  - {id: ct, match: {dicom.modality: CT}, set: {type: imaging_ct, role: [pacs, ris]}, "
		"confidence: 85}\n"
		"  - id: both\n"
		"    match: {a: {host_name|startswith: ct}, b: {mac.vendor: X}, condition: a and not b}\n"
		"    set: {makes: dicom, passes_on: 'yes'}\n"
		"    confidence: 40\n",
		&d);
	diag_print(&d, stderr, true);
	assert_non_null(f);
	assert_int_equal(fingerprints_count(f), 2);
	struct facts v = { .view = { .get = get },
		.field = { ATTR_DICOM_MODALITY, ATTR_HOST_NAME },
		.value = { bytes_str("ct"), bytes_str("CT-1") },
		.n = 2 };
	uint64_t present = 1ull << ATTR_DICOM_MODALITY | 1ull << ATTR_HOST_NAME;
	fingerprints_eval(f, &v.view, present, collect, out);
	assert_string_equal(out, "ct:type=imaging_ct@85 ct:role=pacs@85 ct:role=ris@85 both:makes=dicom@40 "
				 "both:passes_on=yes@40 ");
	out[0] = 0;
	v.field[0] = ATTR_MAC_VENDOR;
	v.value[0] = bytes_str("x");
	present = 1ull << ATTR_MAC_VENDOR | 1ull << ATTR_HOST_NAME;
	fingerprints_eval(f, &v.view, present, collect, out);
	assert_string_equal(out, "");
	fingerprints_free(f);
	diag_free(&d);
}

/* Asked only where it could hold, and always where it could: with `not`, null and keywords too. */
static void needs(void **state)
{
	(void)state;
	struct diag d = { 0 };
	char out[512] = "";
	struct fingerprints *f =
		parse("dialect: wardwatch/1\nkind: fingerprints\nfingerprints:\n"
		      "  - {id: absent, match: {host_name: null}, set: {role: pacs}, confidence: 40}\n"
		      "  - id: no\n    match: {a: {host_name: x}, condition: not a}\n"
		      "    set: {role: pacs}\n    confidence: 40\n"
		      "  - id: either\n    match: {a: [ct], b: {host_name: x}, condition: a or b}\n"
		      "    set: {role: pacs}\n    confidence: 40\n",
			&d);
	diag_print(&d, stderr, false);
	assert_non_null(f);
	struct facts v = {
		.view = { .get = get }, .field = { ATTR_DICOM_MODALITY }, .value = { bytes_str("ct") }, .n = 1
	};
	fingerprints_eval(f, &v.view, 1ull << ATTR_DICOM_MODALITY, collect, out);
	assert_string_equal(out, "absent:role=pacs@40 no:role=pacs@40 either:role=pacs@40 ");
	fingerprints_free(f);
	diag_free(&d);
}

static const char *prefix_of(const struct fingerprints *f, const char *text)
{
	struct mac m;
	assert_true(mac_parse(bytes_str(text), &m));
	const struct mac_prefix *p = fingerprints_prefix(f, m.b);
	return p ? p->vendor : "-";
}

static void test_prefixes_and_arcs(void **state)
{
	(void)state;
	struct diag d = { 0 };
	struct fingerprints *f = parse(HEAD "prefixes:\n  - {prefix: '70B3D5', vendor: block, class: a}\n"
					    "  - {prefix: '70B3D5E57', vendor: small, class: b}\n  - "
					    "{prefix: '70B3D5A', vendor: middle, class: c}\n"
					    "arcs:\n  - {prefix: '1.2.840.113619', maker: GE}\n",
		&d);
	assert_non_null(f);
	assert_string_equal(prefix_of(f, "70-B3-D5-E5-70-01"), "small");
	assert_string_equal(prefix_of(f, "70-B3-D5-E5-80-01"), "block");
	assert_string_equal(prefix_of(f, "70-B3-D5-A0-00-01"), "middle");
	assert_string_equal(prefix_of(f, "70-B3-D6-A0-00-01"), "-");
	static const struct {
		const char *uid, *maker;
		bool agrees;
	} rows[] = {
		{ "1.2.840.113619.6.55", "GE MEDICAL SYSTEMS", true },
		{ "1.2.840.113619", "GE", true },
		{ "1.2.840.1136190.1", "GE", false },
		{ "1.2.840.113619.6", "Getinge", false },
		{ "1.2.840.113619.6", "Agence", false },
		{ "1.2.276.0.7230010.3", "GE", false },
		{ "1.2.840.113619.6", "ge healthcare", true },
		{ "", "GE", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(fingerprints_arc_agrees(f, bytes_str(rows[i].uid), bytes_str(rows[i].maker)),
			rows[i].agrees);
	fingerprints_free(f);
	diag_free(&d);
}

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned line;
		const char *says;
	} rows[] = {
		{ HEAD "fingerprints:\n  - {id: a, match: {model: x}, set: {type: imaging_tc}, confidence: "
		       "5}\n",
			4, "`imaging_ct`" },
		{ HEAD "fingerprints:\n  - {id: a, match: {model: x}, set: {role: pacss}, confidence: 5}\n",
			4, "`pacs`" },
		{ HEAD "fingerprints:\n  - {id: a, match: {model: x}, set: {modell: x}, confidence: 5}\n", 4,
			"`model`" },
		{ HEAD "fingerprints:\n  - {id: a, match: {model: x}, set: {model: x}}\n", 4, "confidence" },
		{ HEAD "fingerprints:\n  - {id: a, match: {model: x}, set: {model: x}, confidence: 100}\n", 4,
			"1 to 99" },
		{ HEAD "fingerprints:\n  - {id: a, set: {model: x}, confidence: 5}\n", 4, "match" },
		{ HEAD "fingerprints:\n  - {match: {model: x}, set: {model: x}, confidence: 5}\n", 4,
			"`id`" },
		{ HEAD "fingerprints:\n  - {id: a, match: {modl: x}, set: {model: x}, confidence: 5}\n", 4,
			"modl" },
		{ HEAD "fingerprints:\n  - {id: a, match: {model: x}, confidence: 5}\n", 4, "`set`" },
		{ HEAD "prefixes:\n  - {prefix: '00aabb', vendor: x}\n", 4, "upper-case" },
		{ HEAD "prefixes: {prefix: 'AABBCC'}\n", 3, "list" },
		{ "kind: fingerprints\n", 1, "dialect" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d = { 0 };
		assert_null(parse(rows[i].text, &d));
		assert_true(d.errors > 0);
		if (d.messages[0].line != rows[i].line || !strstr(d.messages[0].text, rows[i].says))
			fail_msg("row %zu: line %u: %s", i, d.messages[0].line, d.messages[0].text);
		diag_free(&d);
	}
}

/* The shipped ones load, and every row of the medical table is in. */
static void test_shipped(void **state)
{
	(void)state;
	struct diag d = { 0 };
	const char *paths[] = { WW_SOURCE_DIR "/policies/fingerprints" };
	struct policy *p = policy_load(paths, 1, &d);
	const struct fingerprints *f = p ? policy_fingerprints(p) : NULL;
	diag_print(&d, stderr, true);
	assert_non_null(f);
	assert_true(fingerprints_count(f) > 100);
	assert_string_equal(prefix_of(f, "00-09-FB-31-31-31"), "Philips Healthcare (Patient Monitoring)");
	assert_string_equal(prefix_of(f, "70-B3-D5-E5-70-01"), "IRadimed");
	/* Not the pump maker's: a company of the same name. */
	assert_string_equal(prefix_of(f, "00-B0-94-41-41-41"), "-");
	policy_free(p);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_eval), cmocka_unit_test(needs),
		cmocka_unit_test(test_prefixes_and_arcs), cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_shipped) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
