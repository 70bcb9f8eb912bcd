/* fuzz_language: the small parsers of the policy language, with what must always hold. The first byte
 * chooses: three versions, one a line: their order is an order. A regular expression and, below it, a text:
 * what is taken has an answer, and the same one as a whole group. */
#include "decide/regex.h"
#include "decide/version.h"

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool holds)
{
	if (!holds)
		abort();
}

static enum version_order mirror(enum version_order o)
{
	return o == VERSION_LESS ? VERSION_GREATER : o == VERSION_GREATER ? VERSION_LESS : o;
}

static void versions(struct cur *c)
{
	struct bytes v[3] = { cur_until(c, '\n'), cur_until(c, '\n'), cur_rest(c) };
	enum version_order o[3][3];
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 3; k++)
			o[i][k] = version_compare(v[i], v[k], NULL);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 3; k++)
			must(o[k][i] == mirror(o[i][k]));
	for (unsigned i = 0; i < 3; i++)
		must(o[i][i] == (version_known(v[i]) ? VERSION_EQUAL : VERSION_UNORDERED));
	/* What is before what is before a third is not after it. */
	must(!(o[0][1] == VERSION_LESS && o[1][2] == VERSION_LESS && o[0][2] == VERSION_GREATER));
}

static bool answer(struct bytes pattern, unsigned flags, struct bytes text, bool *answered)
{
	struct arena a = { 0 };
	struct regex_scratch scratch = { 0 };
	struct regex_error error = { 0 };
	const char *why;
	bool led, held = false;
	char *rewritten = regex_rewrite(&a, pattern, &flags, &led, &error);
	must(rewritten || (error.text && error.offset <= pattern.n));
	struct regex *r = rewritten ? regex_compile(&a, rewritten, flags, &scratch, &why) : NULL;
	*answered = r != NULL;
	if (r)
		held = regex_match(r, &scratch, text);
	regex_free(r);
	regex_scratch_free(&scratch);
	arena_fini(&a);
	return held;
}

static void regex(unsigned flags, struct cur *c)
{
	struct bytes pattern = bytes_first(cur_until(c, '\n'), 256), text = bytes_first(cur_rest(c), 4096);
	char group[300];
	bool one, other;
	bool held = answer(pattern, flags, text, &one);
	int n = snprintf(group, sizeof group, "(?:%.*s)", (int)pattern.n, (const char *)pattern.p);
	/* A zero byte ends the copy; flags stand at the very beginning only. */
	if (!one || pattern.n == 0 || memchr(pattern.p, 0, pattern.n) || bytes_starts(pattern, "(?"))
		return;
	bool again = answer(bytes_of(group, (size_t)n), flags, text, &other);
	must(!other || again == held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(bytes_of(data, size));
	unsigned choice = cur_u8(&c);
	if (choice & 8)
		versions(&c);
	else
		regex(choice & 7, &c);
	return 0;
}
