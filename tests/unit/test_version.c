/* version: the order of firmware.md 2.4, by its table and by version_order_vectors.tsv where it is at hand.
 */
#include "decide/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const char signs[] = {
	[VERSION_LESS] = '<', [VERSION_EQUAL] = '=', [VERSION_GREATER] = '>', [VERSION_UNORDERED] = '?'
};

static void check(struct bytes a, struct bytes b, char want)
{
	char have = signs[version_compare(a, b, NULL)], back = signs[version_compare(b, a, NULL)];
	char mirror = want == '<' ? '>' : want == '>' ? '<' : want;
	if (have != want || back != mirror)
		fail_msg("%.*s / %.*s: %c, back %c, instead of %c", (int)a.n, (const char *)a.p, (int)b.n,
			(const char *)b.p, have, back, want);
}

/* E after the sign: EXTENDS. */
static const struct {
	const char *a, *b, *want;
} rows[] = {
	{ "1.9", "1.10", "<" },
	{ "2.2", "2.20", "<" },
	{ "06.08.00.00", "6.8", "=" },
	{ "4107600010.23", "4107600010.24", "<" },
	{ "1.7.15", "1.7.15b", "<" },
	{ "5.89.05b", "5.170.5", "<" },
	{ "1.8.4", "1.8.4 Service Pack 01", "<E" },
	{ "1.8.4 SP1", "1.8.4 Service Pack 01", "=" },
	{ "4.20 SR1", "4.20 SP1", "?" },
	{ "3.0.11.5_BN9", "3.0.11.5 BN10", "<" },
	{ "14.0.1_Build_2024-02-28", "14.0.1 (Build 2024-11-05)", "<" },
	{ "1.3.1 Build 9", "1.3.1 Build 13", "<" },
	{ "B.02", "C.03", "<" },
	{ "C.03", "C.03.06", "<E" },
	{ "N", "N.01", "<E" },
	{ "L81", "U61", "?" },
	{ "012U000061", "028U000061", "?" },
	{ "R4.1L1", "R4.1", ">" },
	{ "R4.1L1", "4.2", "?" },
	{ "VM5.0", "5.0", "?" },
	{ "6.3V1L10", "6.3V1L9", ">" },
	{ "VF10.1", "VG1.0", "?" },
	{ "2018-1", "2021-1", "<" },
	{ "1.4.2.0-9d9eff4", "1.4.2.0", "=" },
	{ "vH.10", "vH.9", ">" },
	{ "Rev. C", "Rev. D", "<" },
	{ "R5.3 SP2", "R5.3", ">E" },
	{ "syngo MR E11", "syngo MR B17", "?" },
	{ "3.1", "3.1a", "<" },
	{ "3.1a", "3.2", "<" },
	{ "V3.2", "v3.2.0", "=" },
	{ "version 2", "2", "=" },
	{ "4.30b3", "4.30", "?" },
	{ "4.30b3", "4.30b4", "<" },
	{ "1.7", "1.7.0.0", "=" },
	{ "1.7", "1.7.0.1", "<E" },
	{ "3.0.0-rc1", "3.0.0", "<" },
	{ "2024-02-28", "2024-03-01", "<" },
	{ "8/30/2024", "2024-08-31", "<" },
	{ "May 2018", "2018-05-17", "=" },
	{ "May 2018", "June 1, 2018", "<" },
	{ "2024-02-28", "2.0", "?" },
	{ "B.02", "1.2", "?" },
	/* No versions at all. */
	{ "", "", "?" },
	{ "1..2", "1.2", "?" },
	{ "1.", "1", "?" },
	{ "-1", "1", "?" },
	{ "all versions", "1", "?" },
	{ "1.2 and later", "1.2", "?" },
	{ "1.2 ", "1.2", "=" },
	{ "1.2\x01x", "1.2", "?" },
	{ "1.2\xff", "1.2", "?" },
	{ "1.2.3.4.5.6.7.8.9.10.11.12.13", "1.2", "?" },
	{ "1 SP", "1", "?" },
	{ "1 (SP1", "1", "?" },
	{ "august 28", "1", "?" },
	{ "13/45/2024", "1", "?" },
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool extends;
		check(bytes_str(rows[i].a), bytes_str(rows[i].b), rows[i].want[0]);
		(void)version_compare(bytes_str(rows[i].a), bytes_str(rows[i].b), &extends);
		if (extends != (rows[i].want[1] == 'E'))
			fail_msg("%s / %s: EXTENDS is %d", rows[i].a, rows[i].b, extends);
	}
}

static void vectors(void **state)
{
	FILE *f = fopen(WW_SOURCE_DIR "/../shared/csaf/derived/version_order_vectors.tsv", "r");
	char line[512];
	unsigned n = 0;
	(void)state;
	if (!f)
		f = fopen("/work/shared/csaf/derived/version_order_vectors.tsv", "r");
	if (!f)
		skip();
	while (fgets(line, sizeof line, f)) {
		struct cur c = cur_of(bytes_str(line));
		struct bytes a = cur_until(&c, '\t'), b = cur_until(&c, '\t'),
			     want = bytes_trim(cur_rest(&c));
		if (want.n == 1) {
			check(a, b, (char)want.p[0]);
			n++;
		}
	}
	fclose(f);
	assert_true(n > 60);
}

/* Any bytes: an answer, the mirrored one the other way round, and equal to itself or no version. */
static void hostile(void **state)
{
	static const char letters[] = "0019.-_ ()aAbBvVrRLsSpPBuild/2x";
	uint32_t seed = 7;
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		char t[2][24];
		for (unsigned k = 0; k < 2; k++) {
			unsigned n = 0;
			for (unsigned most = (seed >> 9) % 20; n < most; n++) {
				seed = seed * 1664525 + 1013904223;
				t[k][n] = letters[(seed >> 8) % (sizeof letters - 1)];
			}
			t[k][n] = 0;
			seed = seed * 1664525 + 1013904223;
		}
		struct bytes a = bytes_str(t[0]), b = bytes_str(t[1]);
		char there = signs[version_compare(a, b, NULL)], back = signs[version_compare(b, a, NULL)];
		if (back != (there == '<' ? '>' : there == '>' ? '<' : there))
			fail_msg("'%s' / '%s': %c and back %c", t[0], t[1], there, back);
		assert_int_equal(signs[version_compare(a, a, NULL)], version_known(a) ? '=' : '?');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(vectors),
		cmocka_unit_test(hostile),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
