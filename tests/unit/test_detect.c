/* detect: values, modifiers, conditions and types against tables. */
#include "decide/detect_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- a small world to look at ---------------------------------------------------------------- */

enum {
	F_TEXT,
	F_OTHER,
	F_EMPTY,
	F_ABSENT,
	F_INT,
	F_UINT,
	F_BOOL,
	F_IP,
	F_IP6,
	F_MAC,
	F_TIME,
	F_RAW,
	F_LIST,
	F_DIGITS,
	F_PHI,
	F_SAME_PHI,
	F_OTHER_PHI,
	F_LATIN,
	F_N
};

static const struct {
	const char *name;
	enum fact_type type;
	enum privacy privacy;
} fields[F_N] = {
	[F_TEXT] = { "text", FACT_STR, OPEN },
	[F_OTHER] = { "other", FACT_STR, OPEN },
	[F_EMPTY] = { "empty", FACT_STR, OPEN },
	[F_ABSENT] = { "absent", FACT_STR, OPEN },
	[F_INT] = { "int", FACT_INT, OPEN },
	[F_UINT] = { "uint", FACT_UINT, OPEN },
	[F_BOOL] = { "bool", FACT_BOOL, OPEN },
	[F_IP] = { "ip", FACT_IP, OPEN },
	[F_IP6] = { "ip6", FACT_IP, OPEN },
	[F_MAC] = { "mac", FACT_MAC, OPEN },
	[F_TIME] = { "time", FACT_TIME, OPEN },
	[F_RAW] = { "raw", FACT_BYTES, OPEN },
	[F_LIST] = { "list", FACT_STR, OPEN },
	[F_DIGITS] = { "digits", FACT_STR, OPEN },
	[F_PHI] = { "patient", FACT_STR, PHI_MRN },
	[F_SAME_PHI] = { "patient2", FACT_STR, PHI_MRN },
	[F_OTHER_PHI] = { "patient3", FACT_STR, PHI_PATIENT_NAME },
	[F_LATIN] = { "latin", FACT_STR, OPEN },
};

static int world_field(const struct schema *s, struct bytes category, struct bytes name)
{
	(void)s;
	(void)category;
	if (bytes_is(name, "unseen"))
		return FIELD_UNSEEN;
	for (int i = 0; i < F_N; i++)
		if (bytes_is(name, fields[i].name))
			return i;
	return FIELD_UNKNOWN;
}

static enum fact_type world_type(const struct schema *s, uint16_t f)
{
	(void)s;
	return fields[f].type;
}

static enum privacy world_privacy(const struct schema *s, uint16_t f)
{
	(void)s;
	return fields[f].privacy;
}

static const char *world_name(const struct schema *s, uint16_t f)
{
	(void)s;
	return fields[f].name;
}

static const struct schema world = { .field = world_field,
	.type = world_type,
	.privacy = world_privacy,
	.name = world_name,
	.n_fields = F_N,
	.n_searched = F_N };

static struct bytes world_text(uint16_t field)
{
	switch (field) {
	case F_TEXT:
		return bytes_str("CT_Scanner");
	case F_OTHER:
		return bytes_str("scan");
	case F_DIGITS:
		return bytes_str("0104");
	case F_LATIN:
		return bytes_str("STRA\xc3\x9f"
				 "E \xc3\x84rztin \xff"
				 "x");
	default:
		return bytes_str("");
	}
}

static struct bytes world_value(uint16_t field)
{
	static const int64_t minus = -7;
	static const uint64_t large = UINT64_MAX;
	static const uint64_t noon = 1772368245000000000; /* 2026-03-01 12:30:45, a Sunday */
	static const struct mac mac = { { 0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc } };
	static const bool yes = true;
	static const struct phi_fact one = { .class = PHI_MRN, .whole = { { 1 } } };
	static const struct phi_fact another = { .class = PHI_PATIENT_NAME, .whole = { { 2 } } };
	static struct addr ip;
	switch (field) {
	case F_INT:
		return bytes_of(&minus, 8);
	case F_UINT:
		return bytes_of(&large, 8);
	case F_BOOL:
		return bytes_of(&yes, 1);
	case F_IP:
	case F_IP6:
		addr_parse(bytes_str(field == F_IP ? "10.40.3.17" : "fd00:20::1"), &ip);
		return bytes_of(&ip, sizeof ip);
	case F_MAC:
		return bytes_of(&mac, sizeof mac);
	case F_TIME:
		return bytes_of(&noon, 8);
	case F_RAW:
		return bytes_of("\xde\xad\x00", 3);
	case F_OTHER_PHI:
		return bytes_of(&another, sizeof another);
	case F_PHI:
	case F_SAME_PHI:
		return bytes_of(&one, sizeof one);
	default:
		return world_text(field);
	}
}

static struct leaf world_get(const struct view *v, uint16_t field)
{
	static struct bytes values[F_N][3];
	struct bytes *b = values[field];
	struct leaf l = { fields[field].type, NULL, b, field == F_LIST ? 3 : field != F_ABSENT };
	(void)v;
	if (privacy_is_phi(fields[field].privacy))
		l.type = FACT_PHI;
	b[0] = field == F_LIST ? bytes_str("Alpha") : world_value(field);
	b[1] = bytes_str("beta");
	b[2] = bytes_str("104");
	return l;
}

/* An hour after `time`. */
static const struct view world_view = { .phi = PHI_BIT(PHI_MRN) | PHI_BIT(PHI_IMAGE),
	.get = world_get,
	.now_ns = 1772368245000000000 + INT64_C(3600) * 1000000000 };

static struct detect *compile(const char *text, struct diag *diag)
{
	struct yaml_file f;
	struct detect *d = NULL;
	*diag = (struct diag){ 0 };
	if (yaml_parse("t.yml", bytes_str(text), &f, diag))
		d = detect_compile(f.docs[0], &world, bytes_str("test"), true, "t.yml", diag);
	yaml_fini(&f);
	return d;
}

static bool holds(const char *text)
{
	struct diag diag;
	struct detect *d = compile(text, &diag);
	if (!d)
		fail_msg("%s: %s %s", text, diag.messages[0].code, diag.messages[0].text);
	bool held = detect_eval(d, &world_view, NULL);
	struct detect_reason reason;
	assert_int_equal(detect_eval(d, &world_view, &reason), held);
	detect_free(d);
	diag_free(&diag);
	return held;
}

static void check(const char *text, bool want)
{
	if (holds(text) != want)
		fail_msg("%s is %s", text, want ? "false" : "true");
}

static void check_code(const char *text, const char *code)
{
	struct diag diag;
	struct detect *d = compile(text, &diag);
	if (d)
		fail_msg("accepted: %s", text);
	if (diag.n == 0 || strcmp(diag.messages[0].code, code) != 0)
		fail_msg("%s: %s instead of %s", text, diag.n ? diag.messages[0].code : "nothing", code);
	assert_true(diag.messages[0].line > 0);
	diag_free(&diag);
}

/* ---- items ------------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	bool want;
} item_rows[] = {
	{ "{text: ct_scanner}", true },
	{ "{text: ct_scan}", false },
	{ "{text|cased: ct_scanner}", false },
	{ "{text|cased: CT_Scanner}", true },
	{ "{text: ct*ner}", true },
	{ "{text: 'ct?scanner'}", true },
	{ "{text: 'ct??scanner'}", false },
	{ "{text|contains: SCAN}", true },
	{ "{text|startswith: ct}", true },
	{ "{text|startswith: scan}", false },
	{ "{text|endswith: ner}", true },
	{ "{text|contains|cased: SCAN}", false },
	{ "{text|cased|endswith: ner}", true },
	{ "{text|contains|all: [ct, ner]}", true },
	{ "{text|contains|all: [ct, mr]}", false },
	{ "{text|contains: [mr, ner]}", true },
	{ "{text|neq: mr}", true },
	{ "{text|neq: CT_SCANNER}", false },
	{ "{text|contains|all|neq: [ct, mr]}", true },
	/* Section 10. */
	{ "{absent: null}", true },
	{ "{empty: null}", false },
	{ "{text: null}", false },
	{ "{absent: ''}", false },
	{ "{empty: ''}", true },
	{ "{text: ''}", false },
	{ "{absent: '*'}", false },
	{ "{empty: '*'}", true },
	{ "{text: '*'}", true },
	{ "{absent|exists: true}", false },
	{ "{empty|exists: true}", true },
	{ "{absent|exists: false}", true },
	{ "{text|exists: false}", false },
	{ "{absent|neq: x}", true },
	{ "{empty|neq: x}", true },
	{ "{absent|neq: null}", false },
	{ "{absent|contains: x}", false },
	/* Section 7.3. */
	{ "{int: -7}", true },
	{ "{int: '-7'}", true },
	{ "{int: -7.0}", true },
	{ "{int: -7.5}", false },
	{ "{int|startswith: '-'}", true },
	{ "{uint: 18446744073709551615.0}", false },
	{ "{uint: '18446744073709551615'}", true },
	{ "{uint|gt: 9223372036854775807}", true },
	{ "{int|lt: -6.5}", true },
	{ "{int|lte: -7}", true },
	{ "{int|gte: -6}", false },
	{ "{int|gt: [5, -8]}", true },
	{ "{digits: 104}", true },
	{ "{digits: '104'}", false },
	{ "{digits|gt: 103}", true },
	{ "{text|gt: 0}", false },
	{ "{text: 0}", false },
	{ "{bool: true}", true },
	{ "{bool: false}", false },
	{ "{bool: 'TRUE'}", true },
	{ "{bool: 1}", false },
	{ "{text: true}", false },
	{ "{ip: 10.40.3.17}", true },
	{ "{ip: '::ffff:10.40.3.17'}", true },
	{ "{ip: 10.40.3.*}", true },
	{ "{ip|startswith: '10.40.'}", true },
	{ "{ip: 10.40.3.1}", false },
	{ "{ip: nonsense}", false },
	{ "{ip6: 'FD00:20:0:0:0:0:0:1'}", true },
	{ "{ip6: 'fd00:20::*'}", true },
	{ "{ip|cidr: 10.40.0.0/16}", true },
	{ "{ip|cidr: [10.41.0.0/16, 10.40.3.17]}", true },
	{ "{ip|cidr: 0.0.0.0/0}", true },
	{ "{ip6|cidr: 0.0.0.0/0}", false },
	{ "{ip6|cidr: fd00:20::/32}", true },
	{ "{ip|cidr: fd00:20::/32}", false },
	{ "{text|cidr: 10.0.0.0/8}", false },
	{ "{mac: '00:1B:21:aa:bb:cc'}", true },
	{ "{mac: 001b.21aa.bbcc}", true },
	{ "{mac|startswith: '00-1B-21'}", true },
	{ "{mac|startswith: '00-1B-22'}", false },
	{ "{raw: dead00}", true },
	{ "{raw: DEAD*}", true },
	{ "{time: '2026-03-01T12:30:45*'}", true },
	{ "{time|hour: 12}", true },
	{ "{time|minute: 30}", true },
	{ "{time|day: 1}", true },
	{ "{time|week: 9}", true },
	{ "{time|month: 3}", true },
	{ "{time|year: 2026}", true },
	{ "{time|hour|gte: 13}", false },
	{ "{time|hour|lt: 13}", true },
	{ "{text|hour: 12}", false },
	/* Lists: any element; all: each value by some element. */
	{ "{list: alpha}", true },
	{ "{list: 104}", true },
	{ "{list|all: [alpha, beta]}", true },
	{ "{list|all: [alpha, gamma]}", false },
	{ "{list|neq: beta}", false },
	{ "{list|count: 3}", true },
	{ "{list|count|gt: 3}", false },
	{ "{absent|count: 0}", true },
	{ "{text|len: 10}", true },
	{ "{text|len|lt: 10}", false },
	{ "{latin|len: 16}", true },
	{ "{raw|len: 3}", true },
	/* Other fields. */
	{ "{text|fieldref: text}", true },
	{ "{text|fieldref: other}", false },
	{ "{text|fieldref|contains: other}", true },
	{ "{text|fieldref|startswith: other}", false },
	{ "{text|fieldref|endswith: other}", false },
	{ "{other|fieldref: list}", false },
	{ "{absent|fieldref: text}", false },
	{ "{text|fieldref: absent}", false },
	{ "{text|fieldref|neq: other}", true },
	{ "{text|cased|fieldref|contains: other}", false },
	/* Patient data. */
	{ "{event|phi: mrn}", true },
	{ "{event|phi: any}", true },
	{ "{event|phi: [patient_name, image]}", true },
	{ "{event|phi|all: [mrn, image]}", true },
	{ "{event|phi|all: [mrn, patient_name]}", false },
	{ "{event|phi: birth_date}", false },
	{ "{event|phi|neq: birth_date}", true },
	{ "{patient|phi: mrn}", true },
	{ "{patient|phi: patient_name}", false },
	{ "{patient|exists: true}", true },
	{ "{patient|count: 1}", true },
	{ "{patient|fieldref: patient2}", true },
	{ "{patient|fieldref: patient3}", false },
	/* Simple case folding: one letter to one letter, and broken UTF-8 as bytes. */
	{ "{latin|contains: stra\xc3\x9f"
	  "e}",
		true },
	{ "{latin|contains: strasse}", false },
	{ "{latin|contains: \xc3\xa4rztin}", true },
	{ "{latin|contains|cased: \xc3\xa4rztin}", false },
	{ "{latin|endswith: '?x'}", true },
	/* Several items and keywords. */
	{ "{text: ct*, other: scan}", true },
	{ "{text: ct*, other: x}", false },
	{ "[{text: mr*}, {other: scan}]", true },
	{ "[scann, zzz]", true },
	{ "[zzz, {other: scan}]", true },
	{ "[zzz, {other: x}]", false },
	{ "{'|all': [scann, alpha]}", true },
	{ "{'|all': [scann, gamma]}", false },
	{ "{'|startswith': alph}", true },
	{ "{'|startswith': lph}", false },
	{ "[104]", true },
	{ "[105]", false },
};

static void items(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof item_rows / sizeof *item_rows; i++)
		check(item_rows[i].text, item_rows[i].want);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *code;
	} rows[] = {
		{ "{txet: x}", "E144" },
		{ "{unseen: x}", "E144" },
		{ "{text|contans: x}", "E150" },
		{ "{text|Contains: x}", "E150" },
		{ "{text|: x}", "E150" },
		{ "{text|vers: x}", "E164" },
		{ "{text|entropy|gt: 1}", "E164" },
		{ "{text|expand: '%x%'}", "E160" },
		{ "{text|contains: 5}", "E151" },
		{ "{text|contains: true}", "E151" },
		{ "{text|contains: null}", "E151" },
		{ "{text|cased: 5}", "E151" },
		{ "{text|exists: yes}", "E153" },
		{ "{text|exists: [true]}", "E153" },
		{ "{text|exists|neq: true}", "E153" },
		{ "{'|exists': true}", "E153" },
		{ "{ip|contains|cidr: 10.0.0.0/8}", "E154" },
		{ "{int|contains|gt: 5}", "E154" },
		{ "{text|startswith|fieldref: other}", "E154" },
		{ "{'|fieldref': other}", "E154" },
		{ "{ip|cidr: 10.0.0.1/8}", "E156" },
		{ "{ip|cidr: 10.0.0.0/33}", "E156" },
		{ "{ip|cidr: fd00::1/64}", "E156" },
		{ "{ip|cidr: ten}", "E156" },
		{ "{int|gt: '5'}", "E157" },
		{ "{int|gt: true}", "E157" },
		{ "{time|hour: noon}", "E157" },
		{ "{int: .inf}", "E145" },
		{ "{text: []}", "E142" },
		{ "{text: [[a]]}", "E141" },
		{ "{text: {a: b}}", "E141" },
		{ "{text: [a, null]}", "E181" },
		{ "{}", "E141" },
		{ "[]", "E141" },
		{ "{patient: 'MRN-1'}", "E182" },
		{ "{patient|contains: '1'}", "E182" },
		{ "{patient: null}", "E182" },
		{ "{patient|len: 3}", "E182" },
		{ "{patient|fieldref: text}", "E182" },
		{ "{text|fieldref: patient}", "E182" },
		{ "{patient|fieldref|contains: patient2}", "E182" },
		{ "{event|phi: name}", "E163" },
		{ "{event: x}", "E144" },
		{ "{text|fieldref: oter}", "E144" },
		{ "{text|fieldref: '*'}", "E151" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check_code(rows[i].text, rows[i].code);
}

/* The plain dialect knows no extension, and skips what this sensor cannot know. */
static void plain_dialect(void **state)
{
	static const char *const texts[] = { "{event|phi: any}", "{unseen: x}" };
	static const char *const codes[] = { "E150", "S2" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct yaml_file f;
		struct diag diag = { 0 };
		assert_true(yaml_parse("t", bytes_str(texts[i]), &f, &diag));
		assert_null(detect_compile(f.docs[0], &world, bytes_str("test"), false, "t", &diag));
		assert_string_equal(diag.messages[0].code, codes[i]);
		assert_int_equal(diag.errors, i == 0);
		yaml_fini(&f);
		diag_free(&diag);
	}
}

static void nearest_name_and_place(void **state)
{
	struct diag diag;
	(void)state;
	assert_null(compile("sel:\n    int: 1\n    othre|contains:\n        - x\ncondition: sel\n", &diag));
	assert_int_equal(diag.messages[0].line, 3);
	assert_int_equal(diag.messages[0].column, 5);
	assert_non_null(strstr(diag.messages[0].text, "is it \"other\"?"));
	diag_free(&diag);
	/* Two mistakes, two messages. */
	assert_null(compile("a: {txet: 1}\nb: {ohter: 1}\ncondition: a and c\n", &diag));
	assert_int_equal(diag.errors, 3);
	diag_free(&diag);
}

/* ---- conditions -------------------------------------------------------------------------------- */

#define T   "t: {text: ct*}\n"
#define TWO "t1: {text: ct*}\nt2: {text: '*'}\nf1: {text: x}\nf-2: {text: y}\n_h: {text: z}\n"

static void conditions(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{ TWO "condition: t1", true },
		{ TWO "condition: not t1", false },
		{ TWO "condition: not not t1", true },
		{ TWO "condition: f1 or t1 and not f-2", true },
		{ TWO "condition: (f1 or t1) and f-2", false },
		{ TWO "condition: all of t*", true },
		{ TWO "condition: all of them", false },
		{ TWO "condition: 1 of them", true },
		{ TWO "condition: any of f*", false },
		{ TWO "condition: 1 of f-*", false },
		{ TWO "condition: all of t* and not 1 of f*", true },
		{ TWO "condition: not 1 of _*", true },
		{ TWO "condition: >\n  all of t*\n  and\n  not f1", true },
		{ TWO "condition: [f1, t2]", true },
		{ TWO "condition: [f1, f-2]", false },
		{ "1: {text: ct*}\ncondition: 1", true },
		{ "of: {text: ct*}\ncondition: of", true },
	};
	static const struct {
		const char *text, *code;
	} bad[] = {
		{ T "condition: t AND t", "E171" },
		{ T "condition: ALL of them", "E171" },
		{ T "condition: NOT t", "E171" },
		{ T "condition: 2 of t*", "E172" },
		{ T "condition: t | count() > 5", "E173" },
		{ T "condition: | count() > 5", "E100" },
		{ T "condition: s", "E174" },
		{ T "condition: them", "E174" },
		{ T "condition: t and 1 of zz*", "E175" },
		{ T "condition: ''", "E170" },
		{ T "condition: not", "E170" },
		{ T "condition: t t", "E170" },
		{ T "condition: t)", "E170" },
		{ T "condition: (t", "E170" },
		{ T "condition: t and", "E170" },
		{ T "condition: 1 of", "E170" },
		{ T "condition: 1 of (t)", "E170" },
		{ T "condition: t & t", "E170" },
		{ T "condition: []", "E170" },
		{ T "condition: {a: b}", "E170" },
		{ T "timeframe: 5m\ncondition: t", "E140" },
		{ "'a b': {text: x}\ncondition: t", "E141" },
		{ "t: {}\ncondition: t", "E141" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check(rows[i].text, rows[i].want);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		check_code(bad[i].text, bad[i].code);
}

static void condition_limits(void **state)
{
	enum { N = 30000 };
	char *text = calloc(1, N + 64);
	(void)state;
	size_t n = (size_t)snprintf(text, N, "%s", T "condition: ");
	for (int i = 0; i < 63; i++)
		n += (size_t)snprintf(text + n, N + 64 - n, "(");
	n += (size_t)snprintf(text + n, N + 64 - n, "t");
	for (int i = 0; i < 63; i++)
		n += (size_t)snprintf(text + n, N + 64 - n, ")");
	check(text, true);
	n = (size_t)snprintf(text, N, "%s", T "condition: ");
	for (int i = 0; i < 70; i++)
		n += (size_t)snprintf(text + n, N + 64 - n, "not ");
	snprintf(text + n, N + 64 - n, "t");
	check_code(text, "E176");
	n = (size_t)snprintf(text, N, "%s", T "condition: t");
	while (n < N)
		n += (size_t)snprintf(text + n, N + 64 - n, " or t");
	check_code(text, "E176");
	free(text);
}

static void reason(void **state)
{
	struct diag diag;
	struct detect_reason r;
	struct detect *d =
		compile("a: {text: [mr*, ct*], int: -7}\nb: {other: x}\nc: {other: scan, bool: false}\n"
			"d: {bool: true}\ncondition: [b, (a and c or a and not b) and 1 of d*]\n",
			&diag);
	(void)state;
	assert_non_null(d);
	assert_true(detect_eval(d, &world_view, &r));
	assert_int_equal(r.condition, 1);
	assert_int_equal(r.n, 3);
	assert_string_equal(r.item[0].identifier, "a");
	assert_string_equal(r.item[0].item, "text");
	assert_int_equal(r.item[0].value_index, 1);
	assert_int_equal(r.item[0].field, F_TEXT);
	assert_string_equal(r.item[1].item, "int");
	assert_string_equal(r.item[2].identifier, "d");
	detect_free(d);
	diag_free(&diag);
}

static uint64_t asked; /* a bit per field */

static struct leaf counting_get(const struct view *v, uint16_t field)
{
	asked |= UINT64_C(1) << field;
	return world_get(v, field);
}

static void cheap_parts_first(void **state)
{
	struct view v = world_view;
	struct diag diag;
	struct detect_reason r;
	struct detect *d = compile("a: {text|re: 'C.*', other|contains: [x, y]}\nb: {bool: false}\n"
				   "c: {digits: '0104', latin|re: qz}\ncondition: [a and b, b or not c]\n",
		&diag);
	(void)state;
	assert_non_null(d);
	v.get = counting_get;
	assert_true(detect_eval(d, &v, NULL));
	assert_int_equal(asked & (UINT64_C(1) << F_TEXT | UINT64_C(1) << F_OTHER), 0);
	assert_true(asked >> F_BOOL & 1);
	/* Reasons are given in the order of the rule. */
	assert_true(detect_eval(d, &v, &r));
	assert_true(asked >> F_TEXT & 1);
	detect_free(d);
	diag_free(&diag);
}

static void words(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool cased, want;
	} rows[] = {
		{ "ok", "OK", false, true },
		{ "ok", "OK", true, false },
		{ "ok", "O\xe2\x84\xaa", false, true }, /* KELVIN SIGN folds to k */
		{ "ok", "o\xe2\x84\xaax", false, false },
		{ "ok", "o", false, false },
		{ "ok", "okx", false, false },
		{ "ok", "", false, false },
		{ "", "", false, true },
		{ "", "o", false, false },
		{ "\xc3\x84rztin", "\xc3\xa4RZTIN", false, true },
		{ "o\xff", "O\xff", false, true },
		{ "o\xff", "o\xfe", false, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena a = { 0 };
		struct pattern p;
		pattern_parse(&a, bytes_str(rows[i].pattern), rows[i].cased, &p);
		if (pattern_match(&p, bytes_str(rows[i].text)) != rows[i].want)
			fail_msg("row %zu", i);
		arena_fini(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items),
		cmocka_unit_test(refused),
		cmocka_unit_test(plain_dialect),
		cmocka_unit_test(nearest_name_and_place),
		cmocka_unit_test(conditions),
		cmocka_unit_test(condition_limits),
		cmocka_unit_test(reason),
		cmocka_unit_test(cheap_parts_first),
		cmocka_unit_test(words),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
