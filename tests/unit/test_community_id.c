/* packet/community_id against the vectors of the project's SIEM conventions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "packet/community_id.h"

static const struct {
	const char *src, *dst;
	uint16_t sport, dport;
	uint8_t proto, type, code;
	const char *seed0, *seed1; /* seed1 NULL: not given */
} rows[] = {
	{ "10.20.30.40", "10.20.1.5", 49152, 104, 6, 0, 0,
		"1:a3UE8K3/BzAoeFgp2anowyfVOaY=", "1:2n38Y8Fn2rS8wNkqHLFnC5L1qNQ=" },
	{ "10.20.1.5", "10.20.30.40", 104, 49152, 6, 0, 0,
		"1:a3UE8K3/BzAoeFgp2anowyfVOaY=", "1:2n38Y8Fn2rS8wNkqHLFnC5L1qNQ=" },
	{ "10.20.30.41", "10.20.1.6", 50001, 2575, 6, 0, 0,
		"1:JFOuAz+RsPWwyCXmtumnqgI1OMI=", "1:hMzKqyOnqzNX/f8hb8sP6QjeWCo=" },
	{ "10.20.30.40", "10.20.1.53", 5353, 53, 17, 0, 0,
		"1:CUxNL3FP03uxL0rwvGbG6V8pifA=", "1:/16Pj6rJ5fYyP+WKIr0W8ltst9o=" },
	{ "10.20.30.40", "10.20.1.5", 0, 0, 1, 8, 0,
		"1:1U3E1kyQC7jq9qNJHNBiAmrGsv8=", "1:CbEDBBzilCAtS92+AQuUcrf08u8=" },
	{ "10.20.1.5", "10.20.30.40", 0, 0, 1, 0, 0,
		"1:1U3E1kyQC7jq9qNJHNBiAmrGsv8=", "1:CbEDBBzilCAtS92+AQuUcrf08u8=" },
	{ "10.20.30.40", "10.20.1.5", 0, 0, 1, 3, 1,
		"1:9U8DiQY7WSYuWQn8vtEQPvNu+IA=", "1:hzRImlh6es0ohSCQgtufNs1Mk4s=" },
	{ "fd00:20::40", "fd00:20::5", 49152, 2762, 6, 0, 0,
		"1:h+N/Om55xTVQ7qMr+f/avbiKRfw=", "1:/O/c6GWol6pG7zgXcmd9P+EWVpU=" },
	{ "fd00:20::40", "fd00:20::5", 0, 0, 58, 135, 0,
		"1:PuPfmLT3bxZho97iyrN8jQZvcNs=", "1:DBhHg1QmUidtMPAWoxP1mtowrt0=" },
	{ "10.20.30.40", "224.0.0.18", 0, 0, 112, 0, 0, "1:U+9yvQU2LuTE+Ls+2ZTIKVeX53M=", NULL },
	{ "10.20.1.5", "10.20.1.5", 104, 49152, 6, 0, 0,
		"1:CepxruayNh/PtHKHBMxvbdlfo7I=", "1:W+gGUwAoxCNcX+9POz5m5pph/NI=" },
	{ "10.20.1.5", "10.20.1.5", 49152, 104, 6, 0, 0,
		"1:CepxruayNh/PtHKHBMxvbdlfo7I=", "1:W+gGUwAoxCNcX+9POz5m5pph/NI=" },
};

static void vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char id[COMMUNITY_ID_TEXT];
		struct conv c = { .sport = rows[i].sport,
			.dport = rows[i].dport,
			.proto = rows[i].proto,
			.icmp_type = rows[i].type,
			.icmp_code = rows[i].code };
		assert_true(addr_parse(bytes_str(rows[i].src), &c.src));
		assert_true(addr_parse(bytes_str(rows[i].dst), &c.dst));
		assert_true(community_id(&c, 0, id));
		assert_string_equal(id, rows[i].seed0);
		if (!rows[i].seed1)
			continue;
		assert_true(community_id(&c, 1, id));
		assert_string_equal(id, rows[i].seed1);
	}
}

static void without_addresses(void **state)
{
	(void)state;
	char id[COMMUNITY_ID_TEXT];
	struct conv c = { .proto = 6 };
	assert_false(community_id(&c, 0, id));
	assert_string_equal(id, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(without_addresses),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
