/* detect: patterns and the reference parser's vectors (shared/sigma/vectors.json), where they are at hand. */
#include "decide/detect_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Any name is a field here: the vectors are about values and conditions. */
static int any_field(const struct schema *s, struct bytes category, struct bytes name)
{
	(void)s;
	(void)category;
	(void)name;
	return 0;
}

static enum fact_type text_type(const struct schema *s, uint16_t f)
{
	(void)s;
	(void)f;
	return FACT_STR;
}

static enum privacy open_privacy(const struct schema *s, uint16_t f)
{
	(void)s;
	(void)f;
	return OPEN;
}

static const char *one_name(const struct schema *s, uint16_t f)
{
	(void)s;
	(void)f;
	return "f";
}

static const struct schema any = { .field = any_field,
	.type = text_type,
	.privacy = open_privacy,
	.name = one_name,
	.n_fields = 1,
	.n_searched = 1 };

static struct detect *compile(const char *text, struct diag *diag)
{
	struct yaml_file f;
	struct detect *d = NULL;
	*diag = (struct diag){ 0 };
	if (yaml_parse("t.yml", bytes_str(text), &f, diag))
		d = detect_compile(f.docs[0], &any, bytes_str("test"), true, "t.yml", diag);
	yaml_fini(&f);
	return d;
}

/* ---- the reference parser's vectors ---------------------------------------------------------- */

static struct yaml_file vectors;

static int load_vectors(void **state)
{
	struct diag diag = { 0 };
	(void)state;
	if (!yaml_load(WW_SOURCE_DIR "/../shared/sigma/vectors.json", &vectors, &diag))
		print_message("vectors.json is not here: the tests against it are skipped\n");
	diag_free(&diag);
	return 0;
}

static int free_vectors(void **state)
{
	(void)state;
	yaml_fini(&vectors);
	return 0;
}

/* [ "text", {"w": "MULTI"}, ... ] against a pattern. */
static bool same_parts(const struct yaml_node *parts, const struct pattern *p)
{
	size_t at = 0;
	for (size_t i = 0; i < parts->n; i++) {
		const struct yaml_node *wild = yaml_get(parts->items[i], "w");
		struct bytes t = yaml_text(parts->items[i]);
		if (wild && (at == p->n || p->unit[at++] != (bytes_is(yaml_text(wild), "MULTI") ? UNIT_MANY
												: UNIT_ONE)))
			return false;
		while (!wild && t.n) {
			uint32_t c = utf8_next(&t);
			if (at == p->n || p->unit[at++] != (p->cased ? c : utf8_fold(c)))
				return false;
		}
	}
	return at == p->n;
}

static void vector_strings(void **state)
{
	const struct yaml_node *rows = vectors.n ? yaml_get(vectors.docs[0], "strings") : NULL;
	(void)state;
	if (!rows)
		skip();
	for (size_t i = 0; i < rows->n; i++) {
		struct arena a = { 0 };
		struct pattern p;
		pattern_parse(&a, yaml_text(yaml_get(rows->items[i], "in")), true, &p);
		if (!same_parts(yaml_get(rows->items[i], "out"), &p))
			fail_msg("%s", yaml_get(rows->items[i], "in")->text);
		arena_fini(&a);
	}
}

/* The dump of a detection, read again. */
static void dumped(const struct detect *d, struct yaml_file *out)
{
	struct diag diag = { 0 };
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_non_null(f);
	detect_dump(d, f);
	fclose(f);
	if (!yaml_parse("dump.json", bytes_of(text, n), out, &diag))
		fail_msg("%s: %s", diag.messages[0].text, text);
	diag_free(&diag);
	free(text);
}

/* Equal documents; the texts of a list of parts may be cut differently. */
static bool same(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a->type != b->type || a->n != b->n)
		return (a->type == YAML_INT || a->type == YAML_FLOAT) &&
		       (b->type == YAML_INT || b->type == YAML_FLOAT) && a->number == b->number;
	for (size_t i = 0; i < a->n; i++) {
		const struct yaml_node *other =
			a->type == YAML_MAP ? yaml_get(b, a->keys[i]->text) : b->items[i];
		if (!other || !same(a->items[i], other))
			return false;
	}
	return a->n || a->type == YAML_LIST || a->type == YAML_MAP || bytes_eq(yaml_text(a), yaml_text(b));
}

static void vector_conditions(void **state)
{
	static const char *const names[] = { "a", "b", "sel_1", "sel_2", "sel_10", "filter_main_1",
		"filter_opt_1", "sel-1", "_x", "_y", "kw" };
	const struct yaml_node *rows = vectors.n ? yaml_get(vectors.docs[0], "conditions") : NULL;
	(void)state;
	if (!rows)
		skip();
	for (size_t i = 0; i < rows->n; i++) {
		const struct yaml_node *ast = yaml_get(rows->items[i], "ast"),
				       *in = yaml_get(rows->items[i], "in");
		char text[2048];
		int n = 0;
		for (size_t k = 0; k < sizeof names / sizeof *names; k++)
			n += snprintf(text + n, sizeof text - (size_t)n, "%s: {text: x}\n", names[k]);
		snprintf(text + n, sizeof text - (size_t)n, "condition: '%s'\n", in->text);
		struct diag diag;
		struct detect *d = compile(text, &diag);
		/* D2: a quantifier that selects nothing is refused here. */
		bool nothing =
			ast && (ast->type == YAML_NULL || (ast->n == 2 && ast->items[1]->type == YAML_NULL));
		if ((d != NULL) != (ast && !nothing))
			fail_msg("'%s' is %s", in->text, d ? "accepted" : diag.messages[0].text);
		struct yaml_file dump = { 0 };
		if (d) {
			dumped(d, &dump);
			if (!same(ast, yaml_get(dump.docs[0], "conditions")->items[0]))
				fail_msg("'%s' has another tree", in->text);
		}
		yaml_fini(&dump);
		detect_free(d);
		diag_free(&diag);
	}
}

/* Section 26: what the reference does with this row and we do not; 0 none. */
static unsigned register_row(const struct yaml_node *key, const struct yaml_node *value)
{
	if (value->type == YAML_LIST && value->n == 0)
		return 10;
	if (value->type == YAML_LIST && value->n > 1 && value->items[value->n - 1]->type == YAML_NULL)
		return 9;
	if (strstr(key->text, "utf16le"))
		return 6;
	return strcmp(key->text, "f|utf16") == 0 || strstr(key->text, "utf16|") ? 7 : 0;
}

static struct detect *compile_item(
	const struct yaml_node *key, const struct yaml_node *value, struct diag *diag)
{
	struct yaml_node name = *key, *names[] = { &name },
			 *values[] = { (struct yaml_node *)(uintptr_t)value };
	struct yaml_node map = {
		.type = YAML_MAP, .text = (char[]){ "" }, .line = 1, .keys = names, .items = values, .n = 1
	};
	struct detect_env env = { .schema = &any, .file = "t", .diag = diag, .as_written = true };
	*diag = (struct diag){ 0 };
	return detect_compile_in(&env, &map);
}

static void one_item_vector(const struct yaml_node *row)
{
	const struct yaml_node *value = yaml_get(row, "value"), *out = yaml_get(row, "out"),
			       *key = yaml_get(row, "key");
	unsigned differs = register_row(key, value);
	struct diag diag;
	struct yaml_file dump = { 0 };
	struct detect *d = compile_item(key, value, &diag);
	bool wanted = differs == 6
			      ? value->type == YAML_STRING ||
					(value->type == YAML_LIST && value->items[0]->type == YAML_STRING)
			      : out && differs != 9 && differs != 10;
	if ((d != NULL) != wanted)
		fail_msg("%s with %s: %s", key->text, value->text, d ? "accepted" : diag.messages[0].text);
	if (!d)
		assert_true(diag.n > 0);
	if (d && differs == 0) {
		dumped(d, &dump);
		/* ["and", the item] */
		const struct yaml_node *item = yaml_get(dump.docs[0], "conditions")->items[0]->items[1];
		if (!same(out, yaml_get(item, "out")))
			fail_msg("%s with %s: another value", key->text, value->text);
		assert_true(same(yaml_get(row, "link"), yaml_get(item, "link")));
		assert_int_equal(yaml_get(row, "negated")->integer, yaml_get(item, "negated")->integer);
	}
	yaml_fini(&dump);
	detect_free(d);
	diag_free(&diag);
}

static void vector_items(void **state)
{
	const struct yaml_node *rows = vectors.n ? yaml_get(vectors.docs[0], "items") : NULL;
	(void)state;
	if (!rows)
		skip();
	for (size_t i = 0; i < rows->n; i++)
		one_item_vector(rows->items[i]);
}

/* ---- patterns --------------------------------------------------------------------------------- */

/* The plain recursive definition, exponential and surely right. */
static bool slow_match(const char *p, const char *t)
{
	if (*p == '*')
		return slow_match(p + 1, t) || (*t && slow_match(p, t + 1));
	if (!*p || !*t)
		return !*p && !*t;
	return (*p == '?' || *p == *t) && slow_match(p + 1, t + 1);
}

static void every_pattern(void **state)
{
	static const char letters[] = "ab*?";
	(void)state;
	for (unsigned n = 0; n < 4096; n++) {
		char p[7] = { 0 };
		for (unsigned i = 0; i < 6; i++)
			p[i] = letters[n >> 2 * i & 3];
		struct arena a = { 0 };
		struct pattern pattern;
		pattern_parse(&a, bytes_str(p), false, &pattern);
		for (unsigned m = 0; m < 128; m++) {
			char t[8] = { 0 };
			for (unsigned i = 0, k = m | 128; k > 1 && i < 7; k >>= 1, i++)
				t[i] = letters[k & 1];
			t[m % 8] = 0;
			if (pattern_match(&pattern, bytes_str(t)) != slow_match(p, t))
				fail_msg("%s against %s", p, t);
		}
		arena_fini(&a);
	}
}

static void folding(void **state)
{
	static const uint32_t rows[][2] = { { 'A', 'a' }, { 0xc4, 0xe4 }, { 0xdf, 0xdf }, { 0x1e9e, 0xdf },
		{ 0x130, 0x130 }, { 0x131, 0x131 }, { 0x178, 0xff }, { 0x391, 0x3b1 }, { 0x3c2, 0x3c3 },
		{ 0x410, 0x430 }, { 0x10a0, 0x2d00 }, { 0x1f88, 0x1f80 }, { 0x212a, 'k' },
		{ 0x10400, 0x10428 }, { 0x13f8, 0x13f0 }, { 0x100, 0x101 }, { 0x101, 0x101 },
		{ 0x110000 + 0xc4, 0x110000 + 0xc4 } };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(utf8_fold(rows[i][0]), rows[i][1]);
	for (uint32_t c = 0; c < 0x110000; c++)
		assert_int_equal(utf8_fold(utf8_fold(c)), utf8_fold(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector_strings),
		cmocka_unit_test(vector_conditions),
		cmocka_unit_test(vector_items),
		cmocka_unit_test(every_pattern),
		cmocka_unit_test(folding),
	};
	int failed = cmocka_run_group_tests(tests, load_vectors, free_vectors);
	return failed != 0;
}
