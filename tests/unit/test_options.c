/* run/options: the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "run/options.h"

enum { WORDS = 24 };

/* Words apart by blanks; "''" is an empty word. */
static bool parse(struct options *o, const char *line, char *buffer, size_t cap)
{
	char *argv[WORDS] = { 0 };
	int argc = 0;
	struct cur c = cur_of(bytes_str(line));
	size_t n = 0;
	while (cur_more(&c) && argc < WORDS - 1) {
		struct bytes word = cur_until(&c, ' ');
		if (bytes_is(word, "''"))
			word.n = 0;
		assert_true(n + word.n + 1 <= cap);
		argv[argc++] = buffer + n;
		if (word.n)
			memcpy(buffer + n, word.p, word.n);
		n += word.n;
		buffer[n++] = 0;
	}
	return options_parse(o, argc, argv);
}

static void good(void **state)
{
	(void)state;
	char b[256];
	struct options o;
	assert_true(parse(&o, "wardwatch -r a.pcap", b, sizeof b));
	assert_int_equal(o.n_reads, 1);
	assert_string_equal(o.reads[0], "a.pcap");
	assert_false(o.events || o.json || o.quiet || o.output || o.n_policies || o.config);
	options_fini(&o);
	assert_true(parse(
		&o, "wardwatch -r a b --read=c -r - d -o out -p pol -p site --events -c conf", b, sizeof b));
	assert_int_equal(o.n_reads, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(o.reads[i], ((const char *[]){ "a", "b", "c", "-", "d" })[i]);
	assert_string_equal(o.output, "out");
	assert_int_equal(o.n_policies, 2);
	assert_string_equal(o.policies[0], "pol");
	assert_string_equal(o.policies[1], "site");
	assert_string_equal(o.config, "conf");
	assert_true(o.events);
	options_fini(&o);
	assert_true(parse(&o, "wardwatch --read a --json --quiet", b, sizeof b));
	assert_true(o.json && o.quiet);
	options_fini(&o);
	assert_true(parse(&o, "wardwatch --version", b, sizeof b) && o.version);
	options_fini(&o);
	assert_true(parse(&o, "wardwatch --print-config -c f", b, sizeof b) && o.print_config);
	options_fini(&o);
	assert_true(parse(&o, "wardwatch --help", b, sizeof b) && o.help);
	options_fini(&o);
}

static void bad(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{ "wardwatch", "nothing to read: say -r FILE" },
		{ "wardwatch a.pcap", "a.pcap: a capture is named after -r" },
		{ "wardwatch -r", "-r needs an argument" },
		{ "wardwatch -r ''", "needs the name of a capture" },
		{ "wardwatch --bogus -r a", "--bogus is not an option" },
		{ "wardwatch -z -r a", "-z is not an option" },
		{ "wardwatch -r a -o x -o y", "the output directory (-o) is given twice" },
		{ "wardwatch -r a -c ''", "the configuration (-c) is empty" },
		{ "wardwatch -r - -r -", "can be read once only" },
		{ "wardwatch -r a --json=x", "--json=x is not an option" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char b[256];
		struct options o;
		assert_false(parse(&o, rows[i][0], b, sizeof b));
		if (!strstr(o.error, rows[i][1]))
			print_error("%s -> %s\n", rows[i][0], o.error);
		assert_non_null(strstr(o.error, rows[i][1]));
		options_fini(&o);
	}
}

/* --help is one screen: 24 lines of 80 columns at most would be ideal; 24 of 100 it is. */
static void help_is_a_screen(void **state)
{
	(void)state;
	char text[4096] = "";
	FILE *f = fmemopen(text, sizeof text - 1, "w");
	options_help(f);
	fclose(f);
	unsigned lines = 0;
	struct cur c = cur_of(bytes_str(text));
	while (cur_more(&c)) {
		assert_true(cur_until(&c, '\n').n <= 100);
		lines++;
	}
	assert_true(lines > 10 && lines <= 24);
	assert_non_null(strstr(text, "wardwatch policy | devices | alerts | status | output --help"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(help_is_a_screen),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
