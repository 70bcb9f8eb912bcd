/* base/json_read: what json.h writes is read back in place; all else is refused. */
#include "base/json_read.h"
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct json_tree tree;

static bool takes(const char *text)
{
	bool good = json_parse(&tree, bytes_str(text));
	assert_true(good == (tree.n > 0));
	return good;
}

static void raw_is(const char *path, const char *want)
{
	const struct json_node *n = json_at(&tree, path);
	if (!n || !bytes_is(n->raw, want))
		print_error("%s is %.*s\n", path, n ? (int)n->raw.n : 4, n ? (const char *)n->raw.p : "none");
	assert_true(n && bytes_is(n->raw, want));
}

static void good(void **state)
{
	(void)state;
	assert_true(takes("{\"a\":1,\"b\":{\"c\":[1.50,-2e+3,{\"d\":null}],\"e\":\"x\\\"y\"},\"f\":true}"));
	raw_is("a", "1");
	raw_is("b.c", "[1.50,-2e+3,{\"d\":null}]");
	raw_is("b.e", "\"x\\\"y\"");
	raw_is("f", "true");
	assert_null(json_at(&tree, "b.x"));
	assert_null(json_at(&tree, "a.x"));
	assert_null(json_at(&tree, "b.c.d"));
	size_t n = 0;
	JSON_EACH (c, &tree, json_at(&tree, "b.c"))
		n++;
	assert_int_equal(n, 3);
	json_at(&tree, "b.e")->gone = true;
	assert_null(json_at(&tree, "b.e"));
	assert_true(takes(" { \"b\" : 18446744073709551615 , \"a\" : [ ] , \"c\" : { } } "));
	raw_is("b", "18446744073709551615");
	assert_true(takes("0") && takes("-0.5E-1") && takes("\"\""));
}

static void bad(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "[1,]",
		"[1 2]", "{\"a\":1}x", "01", "-", "1.", ".5", "1e", "+1", "tru", "nul", "\"", "\"\\",
		"\"\\\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\x\"", "\"\t\"", "\"\x7f\"", "\"\xe2\x80\xae\"",
		"\"\xff\"", "\"\xc0\x80\"", "{\"a\":1,\"a\":2}", "{\"b\":1,\"a\":2,\"b\":3}",
		"{\"a\":{\"b\":1,\"b\":1}}", "{a:1}", "'a'" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		bool taken = takes(texts[i]);
		if (taken)
			print_error("taken: number %zu\n", i);
		assert_false(taken);
	}
}

/* Not so deep that the stack ends, not so wide that memory does. */
static void large(void **state)
{
	(void)state;
	static char text[2 * JSON_NODES + 8];
	memset(text, '[', JSON_DEPTH);
	memset(text + JSON_DEPTH, ']', JSON_DEPTH);
	assert_true(json_parse(&tree, bytes_of(text, 2 * JSON_DEPTH)));
	memset(text, '[', sizeof text);
	assert_false(json_parse(&tree, bytes_of(text, sizeof text)));
	text[0] = '[';
	for (size_t i = 1; i + 1 < sizeof text; i += 2)
		memcpy(text + i, "0,", 2);
	text[sizeof text - 2] = '0';
	text[sizeof text - 1] = ']';
	assert_false(json_parse(&tree, bytes_of(text, sizeof text)));
	text[2000] = ']';
	assert_true(json_parse(&tree, bytes_of(text, 2001)));
}

/* Every prefix of a document, and every single byte changed, is taken or refused and nothing else. */
static void every_change(void **state)
{
	(void)state;
	static const char text[] = "{\"a\":[1.5,\"\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":false}}";
	char copy[sizeof text];
	for (size_t n = 0; n + 1 < sizeof text; n++)
		assert_false(json_parse(&tree, bytes_of(text, n)));
	for (size_t n = 0; n + 1 < sizeof text; n++)
		for (unsigned c = 0; c < 256; c++) {
			memcpy(copy, text, sizeof text);
			copy[n] = (char)c;
			(void)json_parse(&tree, bytes_of(copy, sizeof text - 1));
		}
}

static void characters(void **state)
{
	(void)state;
	static const uint32_t want[] = { 'a', '"', '\\', '/', '\b', '\f', '\n', '\r', '\t', 0xe9, 0xe9,
		0x1f600, 0xfffd, 'x', 0xfffd, 0x202e };
	assert_true(
		takes("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\xc3\xa9\\u00E9\\ud83d\\ude00\\ud83dx\\udc00\\u202e\""));
	struct bytes t = json_inside(tree.nodes);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		assert_int_equal(json_char(&t), want[i]);
	assert_int_equal(t.n, 0);
	assert_int_equal(json_inside(NULL).n, 0);
}

static void cuts(void **state)
{
	(void)state;
	struct bytes t = bytes_str("a\\u00e9\xc3\xa9\\ud83d\\ude00z");
	static const size_t want[] = { 0, 1, 1, 1, 1, 1, 1, 7, 7, 9 };
	for (size_t n = 0; n < sizeof want / sizeof *want; n++)
		assert_int_equal(json_cut(t, n).n, want[n]);
	assert_int_equal(json_cut(t, 20).n, 9);
	assert_int_equal(json_cut(t, 21).n, 21);
	assert_int_equal(json_cut(t, 99).n, t.n);
}

/* What json.h writes of any bytes is read, and gives back the same characters. */
static void both_ways(void **state)
{
	(void)state;
	struct json_doc *doc = json_new();
	uint8_t text[96];
	uint64_t seed = 7;
	assert_non_null(doc);
	for (unsigned round = 0; round < 2000; round++) {
		for (size_t i = 0; i < sizeof text; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[i] = (uint8_t)(seed >> 56 & (round % 2 ? 0xff : 0x7f));
		}
		json_reset(doc);
		json_str(doc, "a.b", bytes_of(text, sizeof text));
		assert_true(json_parse(&tree, json_nested(doc)));
		struct bytes inside = json_inside(json_at(&tree, "a.b")), from = bytes_of(text, sizeof text);
		while (from.n) {
			uint32_t c = utf8_next(&from);
			assert_int_equal(json_char(&inside), c >= UTF8_RAW ? 0xfffd : c);
		}
		assert_int_equal(inside.n, 0);
	}
	json_free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(large),
		cmocka_unit_test(every_change),
		cmocka_unit_test(characters),
		cmocka_unit_test(cuts),
		cmocka_unit_test(both_ways),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_tree_fini(&tree);
	return failed != 0;
}
