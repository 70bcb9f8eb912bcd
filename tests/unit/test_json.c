/* base/json: sorted, nested, flat, and safe against hostile text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

static struct json_doc *doc;

static void is(struct bytes got, const char *want)
{
	if (!bytes_is(got, want))
		print_error("got  %.*s\nwant %s\n", (int)got.n, (const char *)got.p, want);
	assert_true(bytes_is(got, want));
}

static void nested_and_flat(void **state)
{
	(void)state;
	json_reset(doc);
	json_uint(doc, "b.port", 104);
	json_text(doc, "b.ip", "x");
	json_text(doc, "a", "1");
	json_text(doc, "b-c", "dash");
	json_text(doc, "b.d.e", "deep");
	json_text(doc, "b.d.f", "deep");
	json_text(doc, "c.d.e", "other");
	is(json_nested(doc),
		"{\"a\":\"1\",\"b\":{\"d\":{\"e\":\"deep\",\"f\":\"deep\"},\"ip\":\"x\",\"port\":104},"
		"\"b-c\":\"dash\",\"c\":{\"d\":{\"e\":\"other\"}}}");
	is(json_flat(doc),
		"{\"a\":\"1\",\"b-c\":\"dash\",\"b.d.e\":\"deep\",\"b.d.f\":\"deep\",\"b.ip\":\"x\","
		"\"b.port\":104,\"c.d.e\":\"other\"}");
	json_reset(doc);
	is(json_nested(doc), "{}");
	is(json_flat(doc), "{}");
}

static void lists(void **state)
{
	(void)state;
	json_reset(doc);
	json_text(doc, "z", "2");
	json_list(doc, "one");
	json_text(doc, "one", "x");
	json_text(doc, "z", "1");
	json_list(doc, "none");
	json_text(doc, "z", "3");
	is(json_flat(doc), "{\"none\":[],\"one\":[\"x\"],\"z\":[\"2\",\"1\",\"3\"]}");
	is(json_nested(doc), "{\"none\":[],\"one\":[\"x\"],\"z\":[\"2\",\"1\",\"3\"]}");
}

static void absent(void **state)
{
	(void)state;
	struct addr none = { .family = 0 };
	struct mac zero = { { 0 } };
	json_reset(doc);
	json_text(doc, "a", "");
	json_suspect(doc, "b", bytes_str(""));
	json_ip(doc, "c", &none);
	json_mac(doc, "d", &zero);
	json_float(doc, "e", 1.0 / 0.0);
	json_hex(doc, "f", bytes_str(""));
	is(json_flat(doc), "{}");
	assert_true(json_ok(doc));
}

static void numbers(void **state)
{
	(void)state;
	struct addr v6;
	struct mac m = { { 0, 0, 0x5e, 0, 0x53, 0x10 } };
	assert_true(addr_parse(bytes_str("fd00:20:0:0::5"), &v6));
	json_reset(doc);
	json_uint(doc, "a", UINT64_MAX);
	json_uint(doc, "b", 0);
	json_int(doc, "c", INT64_MIN);
	json_float(doc, "d", 0.1);
	json_float(doc, "e", 3);
	json_float(doc, "f", 1.0 / 3);
	json_bool(doc, "g", true);
	json_bool(doc, "h", false);
	json_ip(doc, "i", &v6);
	json_mac(doc, "j", &m);
	json_hex(doc, "k", bytes_of("\x00\xfe", 2));
	is(json_flat(doc), "{\"a\":18446744073709551615,\"b\":0,\"c\":-9223372036854775808,\"d\":0.1,\"e\":3,"
			   "\"f\":0.3333333333333333,\"g\":true,\"h\":false,\"i\":\"fd00:20::5\","
			   "\"j\":\"00-00-5E-00-53-10\",\"k\":\"00fe\"}");
}

static void times(void **state)
{
	(void)state;
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000000Z" },
		{ 999, "1970-01-01T00:00:00.000000Z" },
		{ 951782400000000000, "2000-02-29T00:00:00.000000Z" },
		{ 1772352862103394999, "2026-03-01T08:14:22.103394Z" },
		{ 4107542399999999999, "2100-02-28T23:59:59.999999Z" },
		{ 4107542400000000000, "2100-03-01T00:00:00.000000Z" },
		{ UINT64_MAX, "2554-07-21T23:34:33.709551Z" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char s[TIME_TEXT];
		time_text(rows[i].ns, s);
		assert_string_equal(s, rows[i].text);
	}
}

static void hostile(void **state)
{
	(void)state;
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} rows[] = {
		{ "a\"b\\c/d", 7, "a\\\"b\\\\c/d" },
		{ "\0\1\x1b[2J\n\r\t\b\f\x7f", 12,
			"\\u0000\\u0001\\u001b[2J\\n\\r\\t\\b\\f"
			"\\u007f" },
		{ "\xe2\x80\xae\x65\xe2\x81\xa6", 7, "\\u202ee\\u2066" },
		{ "\xc2\x9b\x31m", 4, "\\u009b1m" },                           /* C1 CSI */
		{ "\xe2\x80\xa8", 3, "\\u2028" },                              /* line separator */
		{ "M\xfcller", 6, "M\xef\xbf\xbdller" },                       /* Latin-1 */
		{ "M\xc3\xbcller", 7, "M\xc3\xbcller" },                       /* UTF-8 */
		{ "\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd" },                 /* overlong */
		{ "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
		{ "\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd" },                 /* cut */
		{ "\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f\x8f\xa5", 4, "\xf0\x9f\x8f\xa5" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char want[128];
		snprintf(want, sizeof want, "{\"k\":\"%s\"}", rows[i].out);
		json_reset(doc);
		json_str(doc, "k", bytes_of(rows[i].in, rows[i].n));
		is(json_flat(doc), want);
	}
}

static void sealed(void **state)
{
	(void)state;
	json_reset(doc);
	json_suspect(doc, "k", bytes_str("pc\"1\n"));
	is(json_flat(doc), "{\"k\":\"\x01"
			   "s0005pc\"1\n\"}");
	json_reset(doc);
	json_sealed(doc, "k", SEAL_BYTES, bytes_str("ab"));
	is(json_flat(doc), "{\"k\":\"\x01"
			   "b0002ab\"}");
	/* Nothing else can bring a seal into a line. */
	json_reset(doc);
	json_text(doc, "k",
		"\x01"
		"0003abc");
	is(json_flat(doc), "{\"k\":\"\\u00010003abc\"}");
}

static void full(void **state)
{
	(void)state;
	static uint8_t big[JSON_MAX];
	memset(big, 1, sizeof big);
	json_reset(doc);
	json_str(doc, "big", bytes_of(big, sizeof big));
	assert_false(json_ok(doc));
	json_text(doc, "small", "x");
	is(json_flat(doc), "{\"small\":\"x\"}");
	json_reset(doc);
	assert_true(json_ok(doc));
	for (unsigned i = 0; i < JSON_PAIRS + 1; i++)
		json_uint(doc, "a.b", i);
	assert_false(json_ok(doc));
	struct bytes out = json_nested(doc);
	assert_true(bytes_starts(out, "{\"a\":{\"b\":[0,1,2,"));
	assert_true(bytes_eq(bytes_from(out, out.n - 8), bytes_str("65535]}}")));
}

/* Random keys: the order is that of a plain stable sort. */
static void sorted(void **state)
{
	(void)state;
	unsigned seed = 7;
	json_reset(doc);
	for (unsigned i = 0; i < 999; i++) {
		char key[16];
		seed = seed * 1103515245 + 12345;
		snprintf(key, sizeof key, "k%u", seed >> 16 & 255);
		json_uint(doc, key, i);
	}
	struct bytes out = json_flat(doc);
	char before[16] = "";
	struct cur c = cur_of(bytes_from(out, 1));
	while (cur_more(&c)) {
		char key[16];
		cur_until(&c, '"');
		struct bytes k = cur_until(&c, '"');
		if (k.n == 0)
			break;
		snprintf(key, sizeof key, "%.*s", (int)k.n, (const char *)k.p);
		assert_true(strcmp(before, key) < 0);
		memcpy(before, key, sizeof key);
		long last = -1;
		struct cur v = cur_of(cur_until(&c, cur_peek(&c).p[1] == '[' ? ']' : ','));
		cur_until(&v, ':');
		while (cur_more(&v)) {
			struct bytes n = cur_until(&v, ',');
			while (n.n && !ascii_digit(n.p[0]))
				n = bytes_from(n, 1);
			if (n.n == 0)
				continue;
			long now = strtol((const char *)n.p, NULL, 10);
			assert_true(now > last);
			last = now;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_and_flat),
		cmocka_unit_test(lists),
		cmocka_unit_test(absent),
		cmocka_unit_test(numbers),
		cmocka_unit_test(times),
		cmocka_unit_test(hostile),
		cmocka_unit_test(sealed),
		cmocka_unit_test(full),
		cmocka_unit_test(sorted),
	};
	doc = json_new();
	if (!doc)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_free(doc);
	return failed != 0;
}
