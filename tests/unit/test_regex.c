/* regex: what is taken and what is refused, and that what is taken means what it says. */
#include "decide/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct built {
	struct arena memory;
	struct regex_scratch scratch;
	struct regex *regex;
	bool led;
};

static void build(struct built *b, const char *pattern, unsigned flags)
{
	struct regex_error error;
	const char *why = "";
	*b = (struct built){ 0 };
	char *text = regex_rewrite(&b->memory, bytes_str(pattern), &flags, &b->led, &error);
	if (!text)
		fail_msg("%s: at %zu %s", pattern, error.offset, error.text);
	b->regex = regex_compile(&b->memory, text, flags, &b->scratch, &why);
	if (!b->regex)
		fail_msg("%s: %s", pattern, why);
}

static void drop(struct built *b)
{
	regex_free(b->regex);
	regex_scratch_free(&b->scratch);
	arena_fini(&b->memory);
}

enum { I = REGEX_I, M = REGEX_M, S = REGEX_S };

static const struct {
	const char *pattern;
	unsigned flags;
	const char *text;
	bool want;
} rows[] = {
	/* Anywhere, unless there is an anchor. */
	{ "abc", 0, "xabcx", true },
	{ "abc", 0, "xABCx", false },
	{ "abc", I, "xABCx", true },
	{ "^abc", 0, "abcd", true },
	{ "^abc", 0, "xabc", false },
	{ "abc$", 0, "xabc", true },
	{ "abc$", 0, "abc\n", false },
	{ "^abc$", 0, "x\nabc\ny", false },
	{ "^abc$", M, "x\nabc\ny", true },
	{ "a|^b", 0, "cb", false },
	{ "", 0, "", true },
	{ "", 0, "x", true },
	{ "^$", 0, "", true },
	{ "^$", 0, "x", false },
	{ "a*", 0, "", true },
	{ "x?", 0, "y", true },
	/* Dot. */
	{ "a.c", 0, "a\nc", false },
	{ "a.c", S, "a\nc", true },
	{ "^.$", 0, "\xc3\xa9", true },
	{ "^.$", 0, "\xff", true },
	{ "^..$", 0, "\xc3\xa9", false },
	{ "^\xc3\xa9.$", 0, "\xc3\xa9\xff", true },
	{ "^\xc3\xa9.$", 0, "\xc3\xa9\xe2\x82\xac", true },
	{ "\xc3\xa9+$", 0, "x\xc3\xa9\xc3\xa9", true },
	{ "\xc3\x89", I, "\xc3\xa9", true },
	{ "\xc3\x89", 0, "\xc3\xa9", false },
	{ "k", I, "\xe2\x84\xaa", true },
	/* Repetitions, lazy or not. */
	{ "^a{2,3}$", 0, "aaa", true },
	{ "^a{2,3}$", 0, "aaaa", false },
	{ "^a{2,}$", 0, "a", false },
	{ "^a{2}?$", 0, "aa", true },
	{ "a+?b", 0, "aab", true },
	{ "a*?b??c", 0, "c", true },
	{ "^(ab)+$", 0, "abab", true },
	{ "^(?:a|bc){2}$", 0, "bca", true },
	{ "a{", 0, "a{", true },
	{ "{\"a\":", 0, "{\"a\":1}", true },
	{ "a{x}", 0, "a{x}", true },
	{ "a]b}", 0, "a]b}", true },
	{ "a{1000}", 0, "a", false },
	{ ".{150}", 0, "short", false },
	/* Classes. */
	{ "^[a-c]+$", 0, "abc", true },
	{ "^[^a-c]$", 0, "b", false },
	{ "^[^a-c]$", 0, "\xe2\x82\xac", true },
	{ "^[^a-c]$", 0, "\xfe", true },
	{ "^[]a]+$", 0, "]a", true },
	{ "^[^]]$", 0, "]", false },
	{ "^[a-]+$", 0, "-a", true },
	{ "^[-a]+$", 0, "-a", true },
	{ "^[\\d.]+$", 0, "1.2", true },
	{ "^[\\]\\\\^]+$", 0, "]\\^", true },
	{ "^[.*+?()|$]+$", 0, ".*+?()|$", true },
	{ "^[[&&~|-]+$", 0, "[&~|-", true },
	{ "^[\xc3\xa0-\xc3\xbc]$", 0, "\xc3\xa9", true },
	{ "^[^\xc3\xa0]$", 0, "\xff", true },
	{ "[a-z]", I, "Q", true },
	{ "\\bfoo\\b", 0, "a foo b", true },
	{ "\\bfoo\\b", 0, "afoo", false },
	{ "\\Boo", 0, "foo", true },
	{ "^\\w\\W\\d\\D\\s\\S$", 0, "a-1b c", true },
	{ "^\\w$", 0, "\xc3\xa9", false },
	{ "^\\W$", 0, "\xc3\xa9", true },
	{ "^\\s$", 0, "\xc2\xa0", false },
	/* Escapes. */
	{ "\\.\\*\\?\\+\\(\\)\\[\\]\\{\\}\\|\\^\\$\\\\\\/\\-\\ \\%\\\"", 0, ".*?+()[]{}|^$\\/- %\"", true },
	{ "a#b c", 0, "a#b c", true },
	{ "(?i)abc", 0, "ABC", true },
	{ "(?im)^abc$", 0, "x\nABC", true },
	{ "(?s).", 0, "\n", true },
	{ "(?i)(ipfs\\.io/|ipfs\\.io\\s).+\\..+@.+\\.[a-z]+", 0, "http://IPFS.io/x.y?a@b.c", true },
	{ "\\?d=[0-9]{1,3}\\.[0-9]{1,3}", 0, "/x?d=10.1", true },
	{ "()", 0, "x", true },
	{ "a||b", 0, "x", true },
};

static void meaning(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct built b;
		build(&b, rows[i].pattern, rows[i].flags);
		if (regex_match(b.regex, &b.scratch, bytes_str(rows[i].text)) != rows[i].want)
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
		assert_int_equal(b.led, strncmp(rows[i].pattern, "(?", 2) == 0 && rows[i].pattern[2] != ':');
		drop(&b);
	}
}

static const struct {
	const char *pattern;
	size_t offset;
} bad[] = {
	{ "(", 0 },
	{ "ab(c", 2 },
	{ "a)", 1 },
	{ "[", 0 },
	{ "x[a", 1 },
	{ "[]", 0 },
	{ "[^]", 0 },
	{ "[z-a]", 1 },
	{ "[\\d-z]", 1 },
	{ "[a-\\d]", 3 },
	{ "[[:alpha:]]", 1 },
	{ "[[.a.]]", 1 },
	{ "[\\b]", 1 },
	{ "*a", 0 },
	{ "a|*", 2 },
	{ "(+)", 1 },
	{ "{2}", 0 },
	{ "a**", 2 },
	{ "a++", 2 },
	{ "a*+", 2 },
	{ "a{2}{3}", 4 },
	{ "a{,5}", 1 },
	{ "a{5,2}", 1 },
	{ "a{1001}", 1 },
	{ "a{1,1001}", 1 },
	{ "a{99999999999999999999999}x", 1 },
	{ "^*", 1 },
	{ "\\b+", 2 },
	{ "(?=a)", 0 },
	{ "(?!a)", 0 },
	{ "(?<=a)b", 0 },
	{ "(?<n>a)", 0 },
	{ "(?P<n>a)", 0 },
	{ "(?>a)", 0 },
	{ "a(?i)b", 1 },
	{ "(?i:a)", 0 },
	{ "(?x)a", 0 },
	{ "(?-i)a", 0 },
	{ "(?)a", 0 },
	{ "(?#c)a", 0 },
	{ "(*UTF8)a", 1 },
	{ "(a)\\1", 3 },
	{ "\\x41", 0 },
	{ "\\n", 0 },
	{ "\\pL", 0 },
	{ "\\Aa", 0 },
	{ "\\Qa\\E", 0 },
	{ "a\\", 1 },
	{ "(?:(?:(?:abc){100}){100}){100}", SIZE_MAX },
	{ "\xff", 0 },
	{ "a\xc3", 1 },
};

static void refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct arena a = { 0 };
		struct regex_error error = { 0 };
		unsigned flags = 0;
		bool led;
		char *text = regex_rewrite(&a, bytes_str(bad[i].pattern), &flags, &led, &error);
		if (text)
			fail_msg("taken: %s as %s", bad[i].pattern, text);
		if (!text && bad[i].offset != SIZE_MAX && error.offset != bad[i].offset)
			fail_msg("%s: at %zu (%s) instead of %zu", bad[i].pattern, error.offset, error.text,
				bad[i].offset);
		arena_fini(&a);
	}
}

static void sizes(void **state)
{
	char long_one[REGEX_BYTES + 2], deep[3 * REGEX_DEPTH];
	struct regex_error error;
	struct arena a = { 0 };
	unsigned flags = 0;
	bool led;
	(void)state;
	memset(long_one, 'a', sizeof long_one);
	assert_non_null(regex_rewrite(&a, bytes_of(long_one, REGEX_BYTES), &flags, &led, &error));
	assert_null(regex_rewrite(&a, bytes_of(long_one, REGEX_BYTES + 1), &flags, &led, &error));
	memset(deep, '(', REGEX_DEPTH);
	memset(deep + REGEX_DEPTH, ')', REGEX_DEPTH + 1);
	assert_non_null(regex_rewrite(&a, bytes_of(deep, 2 * REGEX_DEPTH), &flags, &led, &error));
	memset(deep, '(', REGEX_DEPTH + 1);
	assert_null(regex_rewrite(&a, bytes_of(deep, 2 * REGEX_DEPTH + 2), &flags, &led, &error));
	arena_fini(&a);
}

/* Texts of any bytes, also the longest: no crash, and a dot for each character. */
static void any_text(void **state)
{
	static uint8_t text[16384];
	struct built narrow, wide;
	uint32_t seed = 3;
	(void)state;
	build(&narrow, "x[^a]*z|needle", I);
	build(&wide, "x[^\xc3\xa9]*z|needle", 0);
	for (unsigned round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof text; i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = (uint8_t)(seed >> 16);
		}
		size_t n = round % 2 ? (seed >> 8) % 4000 : (seed >> 8) % sizeof text;
		(void)regex_match(narrow.regex, &narrow.scratch, bytes_of(text, n));
		(void)regex_match(wide.regex, &wide.scratch, bytes_of(text, n));
		memcpy(text + n / 8, "needle", 6);
		if (n > 100) {
			assert_true(regex_match(narrow.regex, &narrow.scratch, bytes_of(text, n)));
			assert_true(regex_match(wide.regex, &wide.scratch, bytes_of(text, n)));
		}
	}
	drop(&narrow);
	drop(&wide);
}

/* Every short pattern over the marks of the language is taken or refused in one of the two places. */
static void every_pattern(void **state)
{
	static const char letters[] = "a(|)*?[]^$.\\{2,}-";
	const unsigned n = sizeof letters - 1;
	unsigned taken = 0;
	(void)state;
	for (unsigned i = 0; i < n * n * n * n; i++) {
		struct arena a = { 0 };
		struct regex_error error = { 0 };
		char p[5] = { letters[i % n], letters[i / n % n], letters[i / n / n % n],
			letters[i / n / n / n], 0 };
		unsigned flags = 0;
		bool led;
		char *text = regex_rewrite(&a, bytes_str(p), &flags, &led, &error);
		assert_true(text || (error.text && error.offset <= 4));
		taken += text != NULL;
		if (text && i % 97 == 0) {
			struct regex_scratch scratch = { 0 };
			const char *why = NULL;
			struct regex *r = regex_compile(&a, text, flags, &scratch, &why);
			if (!r && !strstr(why, "never match") && !strstr(why, "anchors"))
				fail_msg("%s as %s: %s", p, text, why);
			regex_free(r);
			regex_scratch_free(&scratch);
		}
		arena_fini(&a);
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(meaning),
		cmocka_unit_test(refusals),
		cmocka_unit_test(sizes),
		cmocka_unit_test(any_text),
		cmocka_unit_test(every_pattern),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
