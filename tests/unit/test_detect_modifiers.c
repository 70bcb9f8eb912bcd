/* detect: encodings, regular expressions, dashes, placeholders, lists, versions, ages; the record of why. */
#include "decide/detect_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- a world of few fields -------------------------------------------------------------------- */

enum { F_TEXT, F_OTHER, F_INT, F_IP, F_MAC, F_RAW, F_TIME, F_UID, F_VERSION, F_ODD, F_BYTES, F_ABSENT, F_N };

static const struct {
	const char *name;
	enum fact_type type;
} fields[F_N] = { { "text", FACT_STR }, { "other", FACT_STR }, { "int", FACT_UINT }, { "ip", FACT_IP },
	{ "mac", FACT_MAC }, { "raw", FACT_BYTES }, { "time", FACT_TIME }, { "uid", FACT_STR },
	{ "version", FACT_STR }, { "odd", FACT_STR }, { "bytes", FACT_STR }, { "absent", FACT_STR } };

static const int64_t noon = 1772368245000000000; /* 2026-03-01 12:30:45 */
static struct bytes text_now;                    /* what `text` holds */

static int field_of(const struct schema *s, struct bytes category, struct bytes name)
{
	(void)s;
	(void)category;
	for (int i = 0; i < F_N; i++)
		if (bytes_is(name, fields[i].name))
			return i;
	return FIELD_UNKNOWN;
}

static enum fact_type type_of(const struct schema *s, uint16_t f)
{
	(void)s;
	return fields[f].type;
}

static enum privacy privacy_of(const struct schema *s, uint16_t f)
{
	(void)s;
	(void)f;
	return OPEN;
}

static const char *name_of(const struct schema *s, uint16_t f)
{
	(void)s;
	return fields[f].name;
}

static const struct schema world = { .field = field_of,
	.type = type_of,
	.privacy = privacy_of,
	.name = name_of,
	.n_fields = F_N,
	.n_searched = F_N };

static struct leaf get(const struct view *v, uint16_t f)
{
	static const uint64_t port = 104;
	static const struct mac mac = { { 0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc } };
	static struct addr ip;
	static struct bytes value[F_N];
	(void)v;
	(void)addr_parse(bytes_str("10.40.3.17"), &ip);
	value[F_TEXT] = text_now;
	value[F_OTHER] = bytes_str("CT_Scanner v2");
	value[F_INT] = bytes_of(&port, sizeof port);
	value[F_IP] = bytes_of(&ip, sizeof ip);
	value[F_MAC] = bytes_of(&mac, sizeof mac);
	value[F_RAW] = bytes_of("\xde\xad", 2);
	value[F_TIME] = bytes_of(&noon, sizeof noon);
	value[F_UID] = bytes_str("1.2.840.10008.5.1.4.1.1.2");
	value[F_VERSION] = bytes_str("3.1a");
	value[F_ODD] = bytes_str("no version at all");
	value[F_BYTES] = bytes_of("x\xffy", 3);
	return (struct leaf){ fields[f].type, NULL, &value[f], f != F_ABSENT };
}

/* An hour after `time`. */
static uint64_t unordered;
static const struct view view = { .get = get,
	.now_ns = 1772368245000000000 + INT64_C(3600) * 1000000000,
	.versions_unordered = &unordered };

/* ---- lists ------------------------------------------------------------------------------------ */

static struct yaml_file list_file;
static struct arena list_memory;
static const struct list *lists[16];
static size_t n_lists;

static int make_lists(void **state)
{
	static const char text[] =
		"ports: [104, 11112]\nhosts: [10.9.1.5, 10.40.3.17]\nnets: [10.40.0.0/16, "
		"'fd00::/8']\nnames: [alpha, 'CT_scanner V2', 'x*z']\nmixed: [1.5, true, "
		"'00:1b:21:aa:bb:cc', dead, '104']\nmacs: ['001b.21aa.bbcc']\none: ['a.b']\n";
	struct diag diag = { 0 };
	(void)state;
	assert_true(yaml_parse("lists.yml", bytes_str(text), &list_file, &diag));
	for (size_t i = 0; i < list_file.docs[0]->n; i++)
		lists[n_lists++] = list_new(&list_memory, list_file.docs[0]->keys[i]->text,
			list_file.docs[0]->items[i], "lists.yml", &diag);
	assert_int_equal(diag.errors, 0);
	diag_free(&diag);
	return 0;
}

static int drop_lists(void **state)
{
	(void)state;
	arena_fini(&list_memory);
	yaml_fini(&list_file);
	return 0;
}

static const struct list *list_find(void *arg, struct bytes name)
{
	(void)arg;
	for (size_t i = 0; i < n_lists; i++)
		if (bytes_is(name, list_name(lists[i])))
			return lists[i];
	return NULL;
}

static struct detect *compile(const char *text, struct diag *diag)
{
	struct yaml_file f;
	struct detect *d = NULL;
	struct detect_env env = {
		.schema = &world, .extended = true, .file = "t.yml", .diag = diag, .list = list_find
	};
	*diag = (struct diag){ 0 };
	if (yaml_parse("t.yml", bytes_str(text), &f, diag))
		d = detect_compile_in(&env, f.docs[0]);
	yaml_fini(&f);
	return d;
}

static void check(const char *text, struct bytes value, bool want)
{
	struct diag diag;
	struct detect *d = compile(text, &diag);
	text_now = value;
	if (!d)
		fail_msg("%s: %s %s", text, diag.messages[0].code, diag.messages[0].text);
	if (detect_eval(d, &view, NULL) != want)
		fail_msg("%s is %s", text, want ? "false" : "true");
	detect_free(d);
	diag_free(&diag);
}

/* ---- items ------------------------------------------------------------------------------------ */

static const struct {
	const char *item, *text;
	bool want;
} rows[] = {
	/* Encodings. */
	{ "{text|base64: foo}", "Zm9v", true },
	{ "{text|base64|contains: foo}", "x Zm9v y", true },
	{ "{text|base64: fo}", "Zm8=", true },
	{ "{text|base64offset|contains: foo}", "Zm9v", true },
	{ "{text|base64offset|contains: foo}", "eGZvbw==", true },     /* xfoo */
	{ "{text|base64offset|contains: foo}", "eHhmb29iYXI=", true }, /* xxfoobar */
	{ "{text|base64offset|contains: foo}", "eHhmYm8=", false },
	{ "{text|base64offset|contains: foo}", "IGZvbyE=", true },
	{ "{text|wide|base64offset|contains: cmd}", "YwBtAGQA", true },
	{ "{text|utf16be|base64: A}", "AEE=", true },
	{ "{text|utf16|base64: A}", "//5BAA==", true },
	{ "{text|wide|base64: \"\\u00e9\"}", "6QA=", true },
	{ "{text|wide|base64: \"\\U0001F600\"}", "PdgA3g==", true },
	{ "{text|cased|base64: a}", "YQ==", true },
	{ "{text|cased|base64: a}", "yq==", false },
	{ "{text|contains|cased|wide: a}", "a", false },
	/* Dashes. */
	{ "{text|windash: '-foo'}", "/FOO", true },
	{ "{text|windash: '-foo'}",
		"\xe2\x80\x93"
		"foo",
		true },
	{ "{text|windash: '-foo'}",
		"\xe2\x80\x94"
		"foo",
		true },
	{ "{text|windash: '-foo'}",
		"\xe2\x80\x95"
		"foo",
		true },
	{ "{text|windash: '-foo'}", "+foo", false },
	{ "{text|windash|contains: ' -x /y'}", "cmd /x \xe2\x80\x93y z", true },
	{ "{text|contains|windash: ' -x'}", "cmd /x", true },
	{ "{text|windash: 'a-b'}", "a/b", false },
	{ "{text|windash: '--foo'}", "-/foo", true },
	{ "{text|windash: '--foo'}", "//foo", false },
	{ "{text|windash|contains|all: ['-a', '-b']}", "/b -a", true },
	{ "{text|windash|contains|all: ['-a', '-b']}", "-a /a", false },
	{ "{text|windash: \"-\\u00e9\"}", "/\xc3\xa9", true },
	/* Regular expressions. */
	{ "{text|re: 'b.d'}", "abcde", true },
	{ "{text|re: '^b.d'}", "abcde", false },
	{ "{text|re|i: 'B.D'}", "abcde", true },
	{ "{text|re|ignorecase|multiline: '^B'}", "a\nb", true },
	{ "{text|re|s: 'a.b'}", "a\nb", true },
	{ "{text|re|dotall: 'a.b'}", "a\nb", true },
	{ "{text|re|neq: b}", "abc", false },
	{ "{text|neq|re: b}", "xyz", true },
	{ "{text|re|all: [a, b]}", "ab", true },
	{ "{text|re|all: [a, b]}", "ac", false },
	{ "{text|re|contains: 'b'}", "abc", true },
	{ "{text|re|startswith: '^a'}", "abc", true },
	{ "{text|re: 7}", "a7", true },
	{ "{int|re: '^1.4$'}", "", true },
	{ "{ip|re: '^10\\.40\\.'}", "", true },
	{ "{raw|re: '^dead$'}", "", true },
	{ "{mac|re: '^00-1B-21-'}", "", true },
	{ "{bytes|re: '^x.y$'}", "", true },
	{ "{absent|re: '.*'}", "", false },
	{ "{absent|re|neq: '.*'}", "", true },
	{ "{text|re: ''}", "", true },
	/* Keywords. */
	{ "{'|re': 'Sc.n'}", "", true },
	{ "{'|re': 'sc.n'}", "", false },
	{ "{'|re|i': 'sc.n'}", "", true },
	{ "{'|base64': foo}", "a Zm9v b", true },
	{ "{'|windash': '-q'}", "a /q b", true },
	{ "{'|windash|all': ['-q', Scanner]}", "a /q b", true },
	{ "{'|startswith': ct}", "", true },
	/* Placeholders. */
	{ "{text|expand: '%names%'}", "ALPHA", true },
	{ "{text|expand: '%names%'}", "beta", false },
	{ "{text|expand: 'pre-%names%-%ports%'}", "pre-alpha-11112", true },
	{ "{text|expand: 'pre-%names%-%ports%'}", "pre-xyz-104", true },
	{ "{text|expand: 'pre-%names%-%ports%'}", "pre-xyz-105", false },
	{ "{text|expand|contains: '%ports%'}", "a 104 b", true },
	{ "{text|expand|all: ['%names%', 'a*']}", "alpha", true },
	{ "{text|expand: '\\%names%'}", "%names%", true },
	{ "{text|expand: '100%'}", "100%", true },
	{ "{text: '%names%'}", "%names%", true },
	{ "{int|expand: '%ports%'}", "", true },
	{ "{ip|expand: '%hosts%'}", "", true },
	{ "{text|re|expand: '^%one%[0-9]$'}", "a.b1", true },
	{ "{text|re|expand: '^%one%[0-9]$'}", "axb1", false },
	{ "{text|re|i|expand: '^%ports%$'}", "11112", true },
	/* Lists. */
	{ "{int|in_list: ports}", "", true },
	{ "{int|in_list: mixed}", "", true },
	{ "{text|in_list: ports}", "104", true },
	{ "{text|in_list: ports}", "105", false },
	{ "{text|in_list: names}", "ct_SCANNER v2", true },
	{ "{text|in_list: names}", "xyz", true },
	{ "{text|in_list: names}", "alphax", false },
	{ "{text|in_list: names}", "", false },
	{ "{text|in_list: [ports, names]}", "alpha", true },
	{ "{ip|in_list: hosts}", "", true },
	{ "{ip|in_list: nets}", "", true },
	{ "{ip|in_list: ports}", "", false },
	{ "{text|in_list: nets}", "10.40.1.1", true },
	{ "{mac|in_list: mixed}", "", true },
	{ "{mac|in_list: macs}", "", true },
	{ "{mac|in_list: names}", "", false },
	{ "{raw|in_list: mixed}", "", true },
	{ "{absent|in_list: names}", "", false },
	{ "{absent|in_list|neq: names}", "", true },
	{ "{text|in_list: mixed}", "1.50", true },
	{ "{text|in_list: mixed}", "TRUE", true },
	/* Trees of identifiers. */
	{ "{uid|uid_under: '1.2.840.10008.5.1.4.1.1'}", "", true },
	{ "{uid|uid_under: '1.2.840.10008.5.1.4.1.1.2'}", "", true },
	{ "{uid|uid_under: '1.2.840.10008.5.1.4.1.1.22'}", "", false },
	{ "{uid|uid_under: '1.2.840.10008.5.1.4.1.1.2.1'}", "", false },
	{ "{uid|uid_under: '1.2.84'}", "", false },
	{ "{int|uid_under: '1'}", "", false },
	/* Versions. */
	{ "{version|version_lt: '3.2'}", "", true },
	{ "{version|version_lt: '3.1'}", "", false },
	{ "{version|version_gt: '3.1'}", "", true },
	{ "{version|version_lte: '3.1a'}", "", true },
	{ "{version|version_gte: '3.1a'}", "", true },
	{ "{version|version_eq: 'v3.1A'}", "", true },
	{ "{version|version_lt: 'B.02'}", "", false },
	{ "{version|version_gte: 'B.02'}", "", false },
	{ "{odd|version_lt: '99'}", "", false },
	{ "{odd|version_lt|neq: '99'}", "", true },
	{ "{absent|version_lt: '99'}", "", false },
	{ "{int|version_lt: '104.1'}", "", true },
	/* Ages: the event is an hour after. */
	{ "{time|age|lt: 2h}", "", true },
	{ "{time|age|lt: 1h}", "", false },
	{ "{time|age|lte: 60m}", "", true },
	{ "{time|age|gt: 3599s}", "", true },
	{ "{time|age|gte: 1d}", "", false },
	{ "{time|age|lt: -1h}", "", false },
	{ "{time|age|gt: -1h}", "", true },
	{ "{text|age|lt: 1w}", "", false },
	{ "{absent|age|lt: 1w}", "", false },
	{ "{absent|age|lt|neq: 1w}", "", true },
	{ "{time|hour|gte: 12}", "", true },
	{ "{time|hour|lt|neq: 12}", "", true },
	{ "{text|len|lte: 3}", "abc", true },
	{ "{text|len|gt: 3}", "abc", false },
	{ "{text|count|gte: 1}", "abc", true },
	{ "{absent|count|lt: 1}", "", true },
};

static void items(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check(rows[i].item, bytes_str(rows[i].text), rows[i].want);
	assert_true(unordered > 0);
	check("{text|wide|contains: '\xc3\xa9x'}", bytes_of("a\0\xe9\0x\0", 6), true);
	check("{text|utf16le: 'a*c'}", bytes_of("a\0b\0c\0", 6), true);
	check("{text|utf16be|endswith: 'C'}", bytes_of("\0b\0c", 4), true);
	check("{text|utf16: a}",
		bytes_of("\xff\xfe"
			 "a\0",
			4),
		true);
	check("{text|utf16: a}",
		bytes_of("\xfe\xff"
			 "a\0",
			4),
		false);
}

/* ---- alternatives ------------------------------------------------------------------------------- */

static unsigned alternatives(const char *text)
{
	struct diag diag;
	struct detect *d = compile(text, &diag);
	if (!d)
		fail_msg("%s: %s", text, diag.messages[0].text);
	unsigned n = d->idents[0].body->kids[0]->item->values[0].n_any;
	detect_free(d);
	diag_free(&diag);
	return n;
}

static void counts(void **state)
{
	(void)state;
	assert_int_equal(alternatives("{text|windash: ' -foo'}"), 5);
	assert_int_equal(alternatives("{text|windash: '-x /y'}"), 25);
	assert_int_equal(alternatives("{text|windash: 'param-name'}"), 1);
	assert_int_equal(alternatives("{text|windash: '-a -b -c -d -e'}"), 3125);
	assert_int_equal(alternatives("{text|base64offset|contains: foo}"), 3);
	assert_int_equal(alternatives("{text|windash|base64offset|contains: '-foo'}"), 15);
	assert_int_equal(alternatives("{text|expand: '%names%%ports%'}"), 6);
}

/* ---- mistakes ------------------------------------------------------------------------------------ */

static void check_code(const char *text, const char *code)
{
	struct diag diag;
	struct detect *d = compile(text, &diag);
	bool found = false;
	for (size_t i = 0; i < diag.n; i++)
		found = found || strcmp(diag.messages[i].code, code) == 0;
	if (!found)
		fail_msg("%s: %s instead of %s", text, diag.n ? diag.messages[0].code : "nothing", code);
	if ((code[0] == 'W') != (d != NULL))
		fail_msg("%s is %s", text, d ? "accepted" : "refused");
	detect_free(d);
	diag_free(&diag);
}

static const char *const codes_bad[][2] = {
	{ "{text|re: 'a**'}", "E161" },
	{ "{text|re: '(?=a)'}", "E161" },
	{ "{text|re: 'x^'}", "E161" },
	{ "{text|re|contains: ''}", "E161" },
	{ "{text|re|startswith: 7}", "E151" },
	{ "{text|re|expand: 7}", "E151" },
	{ "{text|re: [a, null]}", "E181" },
	{ "{text|contains|re: a}", "E154" },
	{ "{text|cased|re: a}", "E154" },
	{ "{text|re|re: a}", "E154" },
	{ "{text|re|cased: a}", "E154" },
	{ "{text|re|base64: a}", "E154" },
	{ "{text|re|windash: a}", "E154" },
	{ "{text|re|fieldref: other}", "E154" },
	{ "{text|re|exists: true}", "E153" },
	{ "{text|exists|re: true}", "E153" },
	{ "{text|re|gt: 1}", "E154" },
	{ "{text|i: a}", "E155" },
	{ "{text|i|re: a}", "E155" },
	{ "{text|contains|m: a}", "E155" },
	{ "{text|dotall: a}", "E155" },
	{ "{text|re|contains|i: a}", "E155" },
	{ "{text|base64: 'a*'}", "E158" },
	{ "{text|contains|base64: a}", "E158" },
	{ "{text|base64offset: 'a?'}", "E158" },
	{ "{text|base64: 5}", "E151" },
	{ "{text|wide: true}", "E151" },
	{ "{text|windash: 5}", "E151" },
	{ "{text|expand: 5}", "E151" },
	{ "{ip|cidr|base64: 10.0.0.0/8}", "E154" },
	{ "{int|gt|windash: 1}", "E154" },
	{ "{text|windash: '-a -b -c -d -e -f'}", "E159" },
	{ "{text|windash|windash: '-a -b -c -d -e -f'}", "E159" },
	{ "{text|expand: '%nothing%'}", "E160" },
	{ "{text|re|expand: 'a%nothing%'}", "E160" },
	{ "{text|in_list: nothing}", "E160" },
	{ "{text|expand: '%Servers%'}", "S3" },
	{ "{text|expand: '%a%%names%%names%%names%'}", "E160" },
	{ "{text|expand: '%names%%names%%names%%names%%names%%names%%names%%names%%names%'}", "E147" },
	{ "{text|in_list: 5}", "E151" },
	{ "{text|in_list|contains: names}", "E154" },
	{ "{text|contains|in_list: names}", "E154" },
	{ "{uid|uid_under: '1.2.'}", "E163" },
	{ "{uid|uid_under: '.1'}", "E163" },
	{ "{uid|uid_under: '1..2'}", "E163" },
	{ "{uid|uid_under: '1.02'}", "E163" },
	{ "{uid|uid_under: 'ct'}", "E163" },
	{ "{uid|uid_under: 1.2}", "E163" },
	{ "{version|version_lt: 2.20}", "E151" },
	{ "{version|version_lt: 'all versions'}", "E163" },
	{ "{version|version_lt|gt: '1'}", "E154" },
	{ "{time|age: 1h}", "E154" },
	{ "{time|age|lt: 5}", "E163" },
	{ "{time|age|lt: 5x}", "E163" },
	{ "{time|age|lt: h}", "E163" },
	{ "{time|age|lt: 99999999999999w}", "E163" },
	{ "{time|age|len|lt: 1h}", "E154" },
	{ "{text|len|count: 1}", "E154" },
	{ "{'|cidr': 10.0.0.0/8}", "E154" },
	{ "{'|in_list': names}", "E154" },
	{ "{text|group: x}", "E154" },
	{ "{text|wide|wide|wide|wide|wide|wide|wide|wide|wide|wide|wide|wide|wide|wide|wide|wide: "
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
		"E147" },
	{ "{text|base64offset|base64offset|base64offset|base64offset|base64offset|base64offset|"
	  "base64offset|base64offset|base64offset|base64offset|base64offset|base64offset: abcdefgh}",
		"E147" },
	{ "{text|windash: [&a '-a -b -c -d -e', *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, "
	  "*a, *a, "
	  "*a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, "
	  "*a, *a, *a, "
	  "*a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a, "
	  "*a, *a, *a]}",
		"E147" },
	{ "{text|contains|contains|contains|contains|contains|contains|contains|contains|contains|"
	  "contains|"
	  "contains|contains|contains|contains|contains|contains|contains: a}",
		"E154" },
	/* Taken, and said. */
	{ "{text|re: '(?i)a'}", "W161" },
	{ "{text|re: 5}", "W160" },
	{ "{text|base64offset: foo}", "W158" },
	{ "{text|contains|all: a}", "W152" },
	{ "{text|re|all: a}", "W152" },
	{ "{text|base64: 'a\\*'}", "W159" },
};

static void codes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof codes_bad / sizeof *codes_bad; i++)
		check_code(codes_bad[i][0], codes_bad[i][1]);
}

static void bad_lists(void **state)
{
	static const char *const bad[][2] = { { "l: []", "E142" }, { "l: x", "E142" },
		{ "l: {a: b}", "E142" }, { "l: [a, null]", "E181" }, { "l: [a, [b]]", "E141" },
		{ "l: [10.0.0.1/8]", "E156" }, { "l: [.inf]", "E145" } };
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct yaml_file f;
		struct arena a = { 0 };
		struct diag diag = { 0 };
		assert_true(yaml_parse("l.yml", bytes_str(bad[i][0]), &f, &diag));
		assert_null(list_new(&a, "l", f.docs[0]->items[0], "l.yml", &diag));
		assert_string_equal(diag.messages[0].code, bad[i][1]);
		arena_fini(&a);
		yaml_fini(&f);
		diag_free(&diag);
	}
}

/* ---- why ------------------------------------------------------------------------------------------ */

static void reasons(void **state)
{
	static const struct {
		const char *item;
		enum detect_why why;
	} why[] = {
		{ "{text: abc}", WHY_NONE },
		{ "{absent: abc}", WHY_ABSENT },
		{ "{text|fieldref: absent}", WHY_ABSENT },
		{ "{text: abd}", WHY_DIFFERS },
		{ "{text|cased: ABC}", WHY_CASE },
		{ "{text|cased|contains: B}", WHY_CASE },
		{ "{text|cased: ABD}", WHY_DIFFERS },
		{ "{text|windash|cased: ABC}", WHY_CASE },
		{ "{text: 5}", WHY_TYPE },
		{ "{int: true}", WHY_TYPE },
		{ "{int: 5}", WHY_DIFFERS },
		{ "{int|gt: 104}", WHY_OUT_OF_RANGE },
		{ "{ip|cidr: 10.41.0.0/16}", WHY_OUT_OF_RANGE },
		{ "{mac|cidr: 10.41.0.0/16}", WHY_TYPE },
		{ "{text|in_list: ports}", WHY_NOT_MEMBER },
		{ "{uid|uid_under: '1.3'}", WHY_NOT_MEMBER },
		{ "{version|version_gt: '4'}", WHY_OUT_OF_RANGE },
		{ "{odd|version_gt: '4'}", WHY_TYPE },
		{ "{text|hour: 3}", WHY_TYPE },
		{ "{time|hour|lt: 3}", WHY_OUT_OF_RANGE },
		{ "{time|age|gt: 1d}", WHY_OUT_OF_RANGE },
		{ "{text|len|gt: 3}", WHY_OUT_OF_RANGE },
		{ "{raw|re: x}", WHY_DIFFERS },
		{ "{text|re: x}", WHY_DIFFERS },
		{ "{text: null}", WHY_DIFFERS },
		{ "{text|exists: false}", WHY_DIFFERS },
		{ "{absent|exists: true}", WHY_ABSENT },
		{ "{text|neq: abc}", WHY_DIFFERS },
		{ "{event|phi: mrn}", WHY_NOT_MEMBER },
	};
	(void)state;
	text_now = bytes_str("abc");
	for (size_t i = 0; i < sizeof why / sizeof *why; i++) {
		struct diag diag;
		struct detect_step step[4];
		struct detect_record r = { step, 4, 0 };
		struct detect *d = compile(why[i].item, &diag);
		if (!d)
			fail_msg("%s: %s", why[i].item, diag.messages[0].text);
		bool held = detect_explain(d, &view, &r);
		assert_int_equal(held, why[i].why == WHY_NONE);
		assert_int_equal(held, detect_eval(d, &view, NULL));
		assert_int_equal(r.n, 2);
		if (step[1].why != why[i].why)
			fail_msg("%s: %s", why[i].item, detect_why_names[step[1].why]);
		detect_free(d);
		diag_free(&diag);
	}
}

static void whole_tree(void **state)
{
	static const char text[] = "a: {text: [x, abc], int: 104}\nb: {absent: x}\nc: {text: y}\n"
				   "condition: ['a and not b', 'c or (b and a)']\n";
	static const struct detect_step want[] = {
		{ DETECT_AND, 0, 0, true, NULL, 0, 0, WHY_NONE },
		{ DETECT_IDENTIFIER, 0, 1, true, "a", 0, 0, WHY_NONE },
		{ DETECT_AND, 0, 2, true, NULL, 0, 0, WHY_NONE },
		{ DETECT_ITEM, 0, 3, true, "text", F_TEXT, 1, WHY_NONE },
		{ DETECT_ITEM, 0, 3, true, "int", F_INT, 0, WHY_NONE },
		{ DETECT_NOT, 0, 1, true, NULL, 0, 0, WHY_NONE },
		{ DETECT_IDENTIFIER, 0, 2, false, "b", 0, 0, WHY_NONE },
		{ DETECT_AND, 0, 3, false, NULL, 0, 0, WHY_NONE },
		{ DETECT_ITEM, 0, 4, false, "absent", F_ABSENT, 0, WHY_ABSENT },
		{ DETECT_OR, 1, 0, false, NULL, 0, 0, WHY_NONE },
		{ DETECT_IDENTIFIER, 1, 1, false, "c", 0, 0, WHY_NONE },
		{ DETECT_AND, 1, 2, false, NULL, 0, 0, WHY_NONE },
		{ DETECT_ITEM, 1, 3, false, "text", F_TEXT, 0, WHY_DIFFERS },
		{ DETECT_AND, 1, 1, false, NULL, 0, 0, WHY_NONE },
	};
	struct diag diag;
	struct detect_step step[32];
	struct detect_record r = { step, 32, 0 }, small = { step, 3, 0 };
	(void)state;
	text_now = bytes_str("abc");
	struct detect *d = compile(text, &diag);
	assert_non_null(d);
	assert_true(detect_explain(d, &view, &r));
	assert_int_equal(r.n, 21);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		assert_int_equal(step[i].kind, want[i].kind);
		assert_int_equal(step[i].condition, want[i].condition);
		assert_int_equal(step[i].depth, want[i].depth);
		assert_int_equal(step[i].held, want[i].held);
		assert_int_equal(step[i].why, want[i].why);
		assert_int_equal(step[i].field, want[i].field);
		assert_int_equal(step[i].value_index, want[i].value_index);
		if (want[i].name)
			assert_string_equal(step[i].name, want[i].name);
	}
	/* Without room the answer is the same. */
	assert_true(detect_explain(d, &view, &small));
	assert_int_equal(small.n, 21);
	detect_free(d);
	diag_free(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items),
		cmocka_unit_test(counts),
		cmocka_unit_test(codes),
		cmocka_unit_test(bad_lists),
		cmocka_unit_test(reasons),
		cmocka_unit_test(whole_tree),
	};
	int failed = cmocka_run_group_tests(tests, make_lists, drop_lists);
	return failed != 0;
}
