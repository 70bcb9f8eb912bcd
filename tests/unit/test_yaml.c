/* yaml: typing, places, limits and what is refused (policy-language.md section 2). */
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static bool read_text(const char *text, struct yaml_file *f, struct diag *d)
{
	*d = (struct diag){ 0 };
	return yaml_parse("t.yml", bytes_str(text), f, d);
}

static void refused(const char *text, size_t n, const char *code, unsigned line, unsigned column)
{
	struct yaml_file f;
	struct diag d = { 0 };
	assert_false(yaml_parse("t.yml", bytes_of(text, n), &f, &d));
	assert_true(d.n > 0);
	assert_string_equal(d.messages[0].code, code);
	assert_int_equal(d.messages[0].line, line);
	if (column)
		assert_int_equal(d.messages[0].column, column);
	yaml_fini(&f);
	diag_free(&d);
}

#define REFUSED(text, code, line, column) refused(text, sizeof(text) - 1, code, line, column)

static void types(void **state)
{
	static const struct {
		const char *text;
		enum yaml_type type;
		int64_t integer;
	} rows[] = {
		{ "true", YAML_BOOL, 1 },
		{ "False", YAML_BOOL, 0 },
		{ "TRUE", YAML_BOOL, 1 },
		{ "tRue", YAML_STRING, 0 },
		{ "yes", YAML_STRING, 0 },
		{ "no", YAML_STRING, 0 },
		{ "on", YAML_STRING, 0 },
		{ "off", YAML_STRING, 0 },
		{ "", YAML_NULL, 0 },
		{ "~", YAML_NULL, 0 },
		{ "null", YAML_NULL, 0 },
		{ "NULL", YAML_NULL, 0 },
		{ "42", YAML_INT, 42 },
		{ "-7", YAML_INT, -7 },
		{ "+7", YAML_INT, 7 },
		{ "017", YAML_INT, 17 },
		{ "0x1F", YAML_INT, 31 },
		{ "0x", YAML_STRING, 0 },
		{ "1.5", YAML_FLOAT, 0 },
		{ "1e3", YAML_FLOAT, 0 },
		{ ".5", YAML_FLOAT, 0 },
		{ "5.", YAML_FLOAT, 0 },
		{ ".inf", YAML_FLOAT, 0 },
		{ ".nan", YAML_FLOAT, 0 },
		{ "1e", YAML_STRING, 0 },
		{ "1.2.3", YAML_STRING, 0 },
		{ "2026-03-01", YAML_STRING, 0 },
		{ "1:30", YAML_STRING, 0 },
		{ "1_000", YAML_STRING, 0 },
		{ "\"42\"", YAML_STRING, 0 },
		{ "'true'", YAML_STRING, 0 },
		{ "10.1.2.3", YAML_STRING, 0 },
		{ "!!str 5", YAML_STRING, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[64];
		struct yaml_file f;
		struct diag d;
		snprintf(text, sizeof text, "k: %s\n", rows[i].text);
		assert_true(read_text(text, &f, &d));
		const struct yaml_node *v = yaml_get(f.docs[0], "k");
		if (v->type != rows[i].type)
			fail_msg("%s is %s", rows[i].text, yaml_type_name(v->type));
		if (v->type == YAML_INT || v->type == YAML_BOOL)
			assert_int_equal(v->integer, rows[i].integer);
		yaml_fini(&f);
		diag_free(&d);
	}
}

static void places_and_quotes(void **state)
{
	struct yaml_file f;
	struct diag d;
	(void)state;
	assert_true(read_text("\xef\xbb\xbf"
			      "a: 1\r\nb:\r\n  - x\r\n  - 'y'\r\n---\r\nc: {d: \"e\"}\r\n",
		&f, &d));
	assert_int_equal(f.n, 2);
	const struct yaml_node *b = yaml_get(f.docs[0], "b"), *c = yaml_get(f.docs[1], "c");
	assert_int_equal(b->items[1]->line, 4);
	assert_int_equal(b->items[1]->column, 5);
	assert_true(b->items[1]->quoted);
	assert_false(b->items[0]->quoted);
	assert_int_equal(c->keys[0]->line, 6);
	assert_int_equal(c->keys[0]->column, 5);
	assert_null(yaml_get(c, "nothing"));
	yaml_fini(&f);
}

static void aliases(void **state)
{
	struct yaml_file f;
	struct diag d;
	(void)state;
	assert_true(read_text("a: &x [1, 2]\nb: *x\n", &f, &d));
	assert_ptr_equal(yaml_get(f.docs[0], "a"), yaml_get(f.docs[0], "b"));
	yaml_fini(&f);
	REFUSED("a: *nobody\n", "E106", 1, 4);
	REFUSED("a: &x [1, *x]\n", "E106", 1, 11);
	REFUSED("a: &x 1\n---\nb: *x\n", "E106", 3, 4);
}

/* Ten levels of ten aliases are ten thousand million values. */
static void alias_bomb(void **state)
{
	char text[2048];
	int n = snprintf(text, sizeof text, "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
	(void)state;
	for (int i = 1; i < 10; i++)
		n += snprintf(text + n, sizeof text - (size_t)n,
			"a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
			i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	refused(text, (size_t)n, "E104", 6, 0);
}

static void merge_keys(void **state)
{
	struct yaml_file f;
	struct diag d;
	(void)state;
	assert_true(read_text("dialect: wardwatch/1\nbase: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\n"
			      "m: {x: 9, <<: [*b, *o]}\n",
		&f, &d));
	const struct yaml_node *m = yaml_get(f.docs[0], "m");
	assert_int_equal(m->n, 3);
	assert_int_equal(yaml_get(m, "x")->integer, 9);
	assert_int_equal(yaml_get(m, "y")->integer, 2);
	assert_int_equal(yaml_get(m, "z")->integer, 4);
	assert_int_equal(yaml_get(f.docs[0], "base")->n, 2);
	yaml_fini(&f);
	REFUSED("b: &b {x: 1}\nm: {<<: *b}\n", "E107", 2, 5);
	REFUSED("dialect: wardwatch/1\nm: {<<: 5}\n", "E107", 2, 9);
}

static void refusals(void **state)
{
	struct yaml_file f;
	struct diag d;
	(void)state;
	REFUSED("a: 1\nb: 2\na: 3\n", "E101", 3, 1);
	REFUSED("a: {b: 1, b: 2}\n", "E101", 1, 11);
	REFUSED("a: [1\n", "E100", 2, 1);
	REFUSED("a: 1\nb: \xff\n", "E110", 2, 4);
	REFUSED("a: \xc0\x80\n", "E110", 1, 4);
	REFUSED("a: \xed\xa0\x80\n", "E110", 1, 4);
	REFUSED("? [1, 2]\n: x\n", "E105", 1, 3);
	REFUSED("a: !!binary x\n", "E108", 1, 4);
	REFUSED("a: 99999999999999999999\n", "E109", 1, 4);
	/* Several mistakes of one file are all said, and the good document is there. */
	assert_false(read_text("a: 1\na: 2\n---\nb: *x\nb: 3\n---\nc: 1\n", &f, &d));
	assert_int_equal(d.errors, 3);
	assert_int_equal(f.n, 3);
	yaml_fini(&f);
	diag_free(&d);
	assert_false(yaml_load("/nonexistent/x.yml", &f, &d));
	assert_string_equal(d.messages[0].code, "E111");
	yaml_fini(&f);
	diag_free(&d);
}

static void limits(void **state)
{
	char deep[80];
	(void)state;
	memset(deep, '[', 32);
	memset(deep + 32, ']', 32);
	struct yaml_file f;
	struct diag d = { 0 };
	assert_true(yaml_parse("t", bytes_of(deep, 64), &f, &d));
	yaml_fini(&f);
	memset(deep, '[', 34);
	memset(deep + 34, ']', 34);
	refused(deep, 68, "E104", 1, 34);

	char *big = malloc((4 << 20) + 2);
	memset(big, 'x', (4 << 20) + 2);
	big[0] = '#';
	refused(big, (4 << 20) + 2, "E104", 1, 0);
	refused(big + 1, (64 << 10) + 1, "E104", 1, 0); /* one scalar */
	for (size_t i = 0; i < (600 << 10); i += 2)
		memcpy(big + i, "-\n", 2);
	refused(big, 600 << 10, "E104", 200000, 0);
	free(big);
}

static void empty(void **state)
{
	struct yaml_file f;
	struct diag d;
	(void)state;
	assert_true(read_text("", &f, &d));
	assert_int_equal(f.n, 0);
	yaml_fini(&f);
	assert_true(read_text("# only a word\n", &f, &d));
	assert_int_equal(f.n, 0);
	yaml_fini(&f);
	assert_true(read_text("---\n---\na: 1\n", &f, &d));
	assert_int_equal(f.n, 2);
	assert_int_equal(f.docs[0]->type, YAML_NULL);
	yaml_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(places_and_quotes),
		cmocka_unit_test(aliases),
		cmocka_unit_test(alias_bomb),
		cmocka_unit_test(merge_keys),
		cmocka_unit_test(refusals),
		cmocka_unit_test(limits),
		cmocka_unit_test(empty),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
