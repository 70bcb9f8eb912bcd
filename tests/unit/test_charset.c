/* base/charset: names in the character sets of hospitals, in UTF-8 or told to be unread. */
#include "base/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned set;
	} rows[] = { { "", CHARSET_UNSAID }, { "ASCII", CHARSET_UNSAID }, { "ISO_IR 100", CHARSET_8859 + 1 },
		{ "ISO 2022 IR 101", CHARSET_8859 + 2 }, { "ISO_IR 144", CHARSET_8859 + 5 },
		{ "ISO_IR 192", CHARSET_UTF8 }, { "ISO_IR 13", CHARSET_KATAKANA },
		{ "ISO 2022 IR 13\\ISO 2022 IR 87", CHARSET_KATAKANA },
		{ "\\ISO 2022 IR 87", CHARSET_UNSAID }, { "GB18030", CHARSET_SEVERAL },
		{ "GBK", CHARSET_SEVERAL }, { "8859/1", CHARSET_8859 + 1 }, { "8859/15", CHARSET_8859 + 15 },
		{ "ISO-8859-2", CHARSET_8859 + 2 }, { "UNICODE UTF-8", CHARSET_UTF8 },
		{ "UNICODE", CHARSET_UTF8 }, { "KS X 1001", CHARSET_SEVERAL }, { "ISO IR87", CHARSET_UNSAID },
		{ "ISO IR14", CHARSET_KATAKANA }, { "BIG-5", CHARSET_SEVERAL },
		{ "GB 18030-2000", CHARSET_SEVERAL }, { "8859/99", CHARSET_UNSAID } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(charset_of(bytes_str(rows[i].name)), rows[i].set);
}

static void texts(void **state)
{
	(void)state;
	static const struct {
		unsigned set;
		const char *in, *out;
		bool unread;
	} rows[] = {
		{ CHARSET_UNSAID, "Doe^Jane", "Doe^Jane", false },
		{ CHARSET_SEVERAL, "Doe^Jane", "Doe^Jane", false },
		{ CHARSET_8859 + 1, "M\xfcller", "M\xc3\xbcller", false },
		{ CHARSET_8859 + 1, "M\xc3\xbcller", "M\xc3\xbcller", false }, /* declared wrong */
		{ CHARSET_UNSAID, "M\xc3\xbcller", "M\xc3\xbcller", false },
		{ CHARSET_UNSAID, "M\xfcller", "M\xc3\xbcller", true },
		{ CHARSET_UTF8, "M\xfcller", "M\xc3\xbcller", true },
		{ CHARSET_8859 + 2, "Wa\xb3\xeasa", "Wa\xc5\x82\xc4\x99sa", false },
		{ CHARSET_8859 + 5, "\xbb\xee\xda\x63", "\xd0\x9b\xd1\x8e\xd0\xba\x63", false },
		{ CHARSET_8859 + 5, "\xc2\xb0", "\xd0\xa2\xd0\x90", true }, /* or UTF-8 for a degree sign */
		{ CHARSET_8859 + 7, "\xc4\xe9\xef\xed", "\xce\x94\xce\xb9\xce\xbf\xce\xbd", false },
		{ CHARSET_KATAKANA, "\xd4\xcf^Taro", "\xef\xbe\x94\xef\xbe\x8f^Taro", false },
		/* PS3.5 annex H.3: kanji and hiragana between escapes, then ASCII again. */
		{ CHARSET_UNSAID, "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou= ^ ",
			true },
		/* Annex I: hangul in G1. */
		{ CHARSET_UNSAID, "Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce=x", "Hong= ^ =x", true },
		{ CHARSET_UNSAID, "\x1b-B\xb3", "\xc5\x82", false },
		{ CHARSET_SEVERAL, "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong= ^ ", true },
		{ CHARSET_SEVERAL, "\x8f\x61x\x95\x5c=T", "x =T",
			true },                                      /* Shift-JIS: second bytes of ASCII */
		{ CHARSET_SEVERAL, "\x81\x30\x81\x30T", "T", true }, /* GB18030, four bytes */
		{ CHARSET_UNSAID, "\x1b", "", false },
		{ CHARSET_UNSAID, "a\x1b$", "a", false },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		uint8_t room[128];
		bool unread = false;
		struct bytes got = charset_utf8(
			(enum charset)rows[i].set, bytes_str(rows[i].in), room, sizeof room, &unread);
		if (!bytes_is(got, rows[i].out) || unread != rows[i].unread)
			print_error("row %zu: %.*s %d\n", i, (int)got.n, (const char *)got.p, unread);
		assert_true(bytes_is(got, rows[i].out));
		assert_int_equal(unread, rows[i].unread);
	}
}

/* No room: the reader knows that something is missing. */
static void full(void **state)
{
	(void)state;
	uint8_t room[5];
	bool unread = false;
	struct bytes got =
		charset_utf8(CHARSET_8859 + 1, bytes_str("\xfc\xfc\xfc\xfc"), room, sizeof room, &unread);
	assert_true(got.n <= sizeof room);
	assert_true(unread);
}

static void hostile(void **state)
{
	(void)state;
	unsigned seed = 7;
	for (unsigned round = 0; round < 2000; round++) {
		static const char letters[] = "\x1b\x1b$()-.BCDAJ^=\\ab\x81\xe4\xff\xc3\xbc";
		uint8_t in[40], *exact, room[160];
		size_t n = round % sizeof in;
		bool unread = false;
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			in[i] = (uint8_t)letters[(seed >> 16) % (sizeof letters - 1)];
		}
		exact = malloc(n ? n : 1);
		memcpy(exact, in, n);
		for (unsigned set = CHARSET_UNSAID; set <= CHARSET_SEVERAL; set++)
			(void)charset_utf8((enum charset)set, bytes_of(exact, n), room, sizeof room, &unread);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(texts),
		cmocka_unit_test(full),
		cmocka_unit_test(hostile),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
