/* zones, lists, groups: what is where and what belongs to what (policy-language.md sections 13 and 16). */
#include "decide/policy_impl.h"
#include "packet/categories.h"
#include "records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static struct policy *load(const char *text, struct diag *d)
{
	*d = (struct diag){ 0 };
	struct policy *p = policy_load_text("t.yml", bytes_str(text), d);
	if (!p || d->errors) {
		diag_print(d, stderr, true);
		fail();
	}
	return p;
}

static const char *zone_of(const struct policy *p, const char *ip, unsigned vlan)
{
	struct addr a = { 0 };
	if (*ip)
		assert_true(addr_parse(bytes_str(ip), &a));
	unsigned z = zones_of(p->names.zones, &a, (uint16_t)vlan);
	return z == ZONE_NONE ? "" : zones_at(p->names.zones, z)->name;
}

#define HEAD "dialect: wardwatch/1\nkind: zones\n"
/* Children before their parents, and documents apart. */
#define SITE                                                                                                 \
	HEAD "home: [141.1.0.0/16, 'fd00:20::/32']\n"                                                        \
	     "zones:\n"                                                                                      \
	     "    infusion: {cidr: [10.42.0.0/16], vlan: [420, 421], parent: clinical, sl: 3}\n"             \
	     "    ct: {cidr: 10.40.7.0/24, parent: imaging, purpose: radiology}\n"                           \
	     "    clinical: {cidr: [10.40.0.0/14, '2001:db8:40::/44']}\n"                                    \
	     "---\n" HEAD "zones:\n"                                                                         \
	     "    imaging: {cidr: [10.40.0.0/16], parent: clinical}\n"                                       \
	     "    one: {cidr: [10.40.7.9/32]}\n"                                                             \
	     "    last: {cidr: [255.255.255.0/24, 'ffff:ffff::/32']}\n"                                      \
	     "    lab: {vlan: 77}\n"

static void lookup(void **state)
{
	static const struct {
		const char *ip;
		unsigned vlan;
		const char *zone;
	} rows[] = {
		{ "10.40.0.0", 0, "imaging" },
		{ "10.40.6.255", 0, "imaging" },
		{ "10.40.7.0", 0, "ct" },
		{ "10.40.7.8", 0, "ct" },
		{ "10.40.7.9", 0, "one" },
		{ "10.40.7.10", 0, "ct" },
		{ "10.40.8.0", 0, "imaging" },
		{ "10.41.0.0", 0, "clinical" },
		{ "10.42.255.255", 0, "infusion" },
		{ "10.43.255.255", 0, "clinical" },
		{ "10.44.0.0", 0, "home-unassigned" },
		{ "10.39.255.255", 0, "home-unassigned" },
		{ "2001:db8:40::1", 0, "clinical" },
		{ "2001:db8:50::1", 0, "internet" },
		{ "255.255.255.7", 0, "last" },
		{ "ffff:ffff::1", 0, "last" },
		{ "::ffff:10.42.0.1", 0, "infusion" },
		/* the prefix goes before the VLAN, the VLAN before what is built in */
		{ "10.40.0.1", 420, "imaging" },
		{ "192.168.1.1", 420, "infusion" },
		{ "192.168.1.1", 77, "lab" },
		{ "192.168.1.1", 78, "home-unassigned" },
		{ "169.254.1.1", 77, "lab" },
		{ "", 77, "lab" },
		{ "", 0, "" },
		/* but no VLAN makes the internet or a group a host of ours */
		{ "8.8.8.8", 420, "internet" },
		{ "224.0.0.251", 420, "multicast" },
		{ "8.8.8.8", 0, "internet" },
		{ "141.1.2.3", 0, "home-unassigned" },
		{ "fd00:20::1", 0, "home-unassigned" },
		{ "224.0.0.251", 0, "multicast" },
		{ "ff02::1", 0, "multicast" },
		{ "169.254.1.1", 0, "local" },
		{ "127.0.0.1", 0, "local" },
		{ "fe80::1", 0, "local" },
		{ "0.0.0.0", 0, "local" },
	};
	struct diag d;
	struct policy *p = load(SITE, &d);
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(zone_of(p, rows[i].ip, rows[i].vlan), rows[i].zone) != 0)
			fail_msg("%s in VLAN %u: %s, not %s", rows[i].ip, rows[i].vlan,
				zone_of(p, rows[i].ip, rows[i].vlan), rows[i].zone);
	policy_free(p);
	diag_free(&d);
}

static void inside(void **state)
{
	static const struct {
		const char *zone, *outer;
		bool is;
	} rows[] = { { "ct", "ct", true }, { "ct", "imaging", true }, { "ct", "clinical", true },
		{ "infusion", "clinical", true }, { "imaging", "ct", false }, { "one", "clinical", false },
		{ "infusion", "imaging", false }, { "internet", "clinical", false },
		{ "local", "local", true } };
	struct diag d;
	struct policy *p = load(SITE, &d);
	const struct zones *z = p->names.zones;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(zone_is_inside(z, (unsigned)zones_find(z, bytes_str(rows[i].zone)),
					 (unsigned)zones_find(z, bytes_str(rows[i].outer))),
			rows[i].is);
	int ct = zones_find(z, bytes_str("ct")), infusion = zones_find(z, bytes_str("infusion"));
	assert_string_equal(zones_at(z, (unsigned)ct)->purpose, "radiology");
	assert_int_equal(zones_at(z, (unsigned)infusion)->sl, 3);
	policy_free(p);
	diag_free(&d);
}

#define LISTS  "dialect: wardwatch/1\nkind: lists\nlists:\n"
#define GROUPS "dialect: wardwatch/1\nkind: groups\ngroups:\n"
#define RULE(detection, tests)                                                                               \
	"---\ndialect: wardwatch/1\ntitle: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n"        \
	"logsource: {product: wardwatch, service: flow}\ndetection: " detection                              \
	"\nsensor:\n  tests:\n" tests
#define TEST(event, expect) "    - {name: x, events: [{category: flow, " event "}], expect: " expect "}\n"

static const struct {
	const char *text, *code;
} refused_rows[] = {
	{ HEAD "zones: {a: {cidr: 10.0.0.0/8}, b: {cidr: 10.0.0.0/8}}\n", "E220" },
	{ HEAD "zones: {a: {vlan: 7}, b: {vlan: 7}}\n", "E220" },
	{ HEAD "zones: {a: {cidr: 10.0.0.1/8}}\n", "E156" },
	{ HEAD "zones: {a: {cidr: ten}}\n", "E156" },
	{ HEAD "zones: {a: {vlan: 4095}}\n", "E113" },
	{ HEAD "zones: {a: {sl: 5}}\n", "E113" },
	{ HEAD "zones: {a: {parent: b}}\n", "E221" },
	{ HEAD "zones: {a: {parent: internet}}\n", "E221" },
	{ HEAD "zones: {a: {parent: b}, b: {parent: a}}\n", "E221" },
	{ HEAD "zones: {a: {parent: a}}\n", "E221" },
	{ HEAD "zones: {internet: {cidr: 10.0.0.0/8}}\n", "E222" },
	{ HEAD "zones: {a: {cdir: 10.0.0.0/8}}\n", "E118" },
	{ HEAD "zones: [a]\n", "E112" },
	{ HEAD "zones: {a: 7}\n", "E112" },
	{ HEAD, "E103" },
	{ "kind: zones\nzones: {}\n", "E103" },
	{ LISTS "    a: []\n", "E142" },
	{ LISTS "    a: [1]\n---\n" LISTS "    a: [2]\n", "E212" },
	{ GROUPS "    a: {s: {device.type: x}}\n", "E146" },
	{ GROUPS "    a: {s: {device.tpye: x}, condition: s}\n", "E144" },
	{ GROUPS "    a: {s: {device|group: a}, condition: s}\n", "E210" },
	{ GROUPS "    a: {s: {device|group: b}, condition: s}\n    b: {s: {device|group: a}, "
		 "condition: s}\n",
		"E210" },
	{ GROUPS "    a: {s: {device|group: c}, condition: s}\n", "E211" },
	{ GROUPS "    a: {s: {device.type: x}, condition: s}\n---\n" GROUPS
		 "    a: {s: {device.type: x}, condition: s}\n",
		"E213" },
	{ RULE("{s: {source.zone|zone: nowhere}, condition: s}", TEST("source.ip: 10.0.0.1", "0")), "E223" },
	{ RULE("{s: {source|group: nobody}, condition: s}", TEST("source.ip: 10.0.0.1", "0")), "E211" },
	{ RULE("{s: {network.protocol|zone: internet}, condition: s}", TEST("source.ip: 10.0.0.1", "0")),
		"E154" },
	{ RULE("{s: {network.protocol|group: internet}, condition: s}", TEST("source.ip: 10.0.0.1", "0")),
		"E154" },
	{ "dialect: wardwatch/1\ntitle: t\nlevel: low\nscope: [nowhere]\nlogsource: {product: "
	  "wardwatch, "
	  "service: flow}\ndetection: {s: {source.ip: '*'}, condition: s}\n",
		"E211" },
	{ "dialect: wardwatch/1\ntitle: t\nlevel: low\nlogsource: {product: wardwatch, service: "
	  "flow}\ndetection: {s: {source.ip: '*'}, condition: s}\nsensor: {zones: {source: "
	  "[nowhere]}}\n",
		"E223" },
	{ RULE("{s: {peers|baseline: new}, condition: s}", TEST("source.ip: 10.0.0.1", "0")), "E165" },
};

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused_rows / sizeof *refused_rows; i++) {
		struct diag d = { 0 };
		const char *text = refused_rows[i].text;
		struct policy *p = policy_load_text("t.yml", bytes_str(text), &d);
		bool said = false;
		for (size_t k = 0; k < d.n; k++)
			said = said || strcmp(d.messages[k].code, refused_rows[i].code) == 0;
		if (p || !said) {
			diag_print(&d, stderr, true);
			fail_msg("not refused with %s: %s", refused_rows[i].code, text);
		}
		diag_free(&d);
	}
}

/* Rules use them wherever they stand: here they all come last. */
static void rules(void **state)
{
	static const char *const texts[] = {
		RULE("{s: {source.zone|zone: clinical, destination.zone|zone|neq: imaging}, condition: s}",
			TEST("source.ip: 10.40.7.1, destination.ip: 10.20.0.1", "1") TEST(
				"source.ip: 10.40.7.1, destination.ip: 10.40.7.2",
				"0") TEST("source.ip: 10.50.7.1, destination.ip: 10.20.0.1", "0")
				TEST("source.ip: 192.168.0.1, network.vlan.id: 420, destination.ip: 8.8.8.8",
					"1")),
		RULE("{s: {source.zone: internet, destination.zone: ct}, condition: s}",
			TEST("source.ip: 8.8.8.8, destination.ip: 10.40.7.1", "1")
				TEST("source.ip: 8.8.8.8, destination.ip: 10.40.8.1", "0")),
		RULE("{s: {destination.ip|zone: [lab, imaging]}, condition: s}",
			TEST("destination.ip: 10.40.8.1", "1") TEST("destination.ip: 10.42.8.1", "0")),
		RULE("{s: {source|group: pumps}, condition: s}",
			TEST("source.device.type: infusion_pump", "1") TEST("source.device.type: other", "0")
				TEST("destination.device.type: infusion_pump", "0")),
		RULE("{s: {destination.ip|group: [old_pumps]}, condition: s}",
			TEST("destination.device.type: infusion_pump, destination.device.os.name: Windows "
			     "XP, "
			     "destination.ip: 10.42.0.1",
				"1") TEST("destination.device.type: infusion_pump, "
					  "destination.device.os.name: Windows XP, "
					  "destination.ip: 10.44.0.1",
				"0") TEST("destination.device.type: infusion_pump, destination.ip: 10.42.0.1",
				"0")),
		RULE("{s: {destination.port|in_list: ports}, condition: s}",
			TEST("destination.port: 104", "1") TEST("destination.port: 105", "0")),
		RULE("{s: {source.ip|in_list: nets}, condition: s}",
			TEST("source.ip: 203.0.113.9", "1") TEST("source.ip: 203.0.114.9", "0")
				TEST("source.ip: 10.9.1.5", "1")),
		RULE("{s: {network.protocol|expand: '%protocols%'}, condition: s}",
			TEST("network.protocol: telnet", "1") TEST("network.protocol: ssh", "0")),
	};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char text[8192];
		struct diag d;
		unsigned ran = 0;
		snprintf(text, sizeof text, "%s%s%s%s%s", texts[i],
			"---\n" GROUPS
			"    old_pumps:\n        sel: {device|group: pumps, device.ip|zone: infusion}\n"
			"        old: {device.os.name|startswith: 'Windows'}\n        condition: sel and "
			"old\n"
			"    pumps: {sel: {device.type|in_list: pump_types}, condition: sel}\n",
			"---\n" LISTS "    pump_types: [infusion_pump]\n    ports: [104, 11112]\n"
			"    nets: ['203.0.113.0/24', 10.9.1.5]\n    protocols: [telnet, ftp]\n",
			"---\n", SITE);
		struct policy *p = load(text, &d);
		if (policy_test(p, &d, &ran) != 0 || ran < 2) {
			diag_print(&d, stderr, true);
			fail_msg("rule %zu", i);
		}
		policy_free(p);
		diag_free(&d);
	}
}

/* What a rule is limited to. */
static void limits(void **state)
{
	static const struct {
		const char *limit, *scope;
		unsigned alerts; /* of the three events below */
	} rows[] = {
		{ "zones: {source: [clinical]}", "", 2 },
		{ "zones: {destination: [clinical, lab]}", "", 1 },
		{ "zones: {any: [imaging]}", "", 2 },
		{ "zones: {source: [clinical], destination: [internet]}", "", 1 },
		{ "groups: {source: [pumps]}", "", 1 },
		{ "groups: {any: [pumps]}, zones: {destination: [internet]}", "", 1 },
		{ "groups: {destination: [pumps]}", "", 0 },
		{ "alert: normal", "scope: [imaging, pumps]\n", 3 },
		{ "alert: normal", "scope: [ct]\n", 1 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[8192];
		struct diag d;
		unsigned ran = 0;
		snprintf(text, sizeof text,
			"%s---\ndialect: wardwatch/1\ntitle: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\n"
			"level: low\n%slogsource: {product: wardwatch, service: flow}\ndetection: {s: "
			"{source.ip: '*'}, condition: s}\nsensor: {%s, tests: [{name: x, expect: %u, events: "
			"["
			"{category: flow, source.ip: 10.42.0.1, destination.ip: 8.8.8.8, source.device.type: "
			"infusion_pump}, {category: flow, source.ip: 10.40.7.1, destination.ip: 10.20.0.1}, "
			"{category: flow, source.ip: 10.20.0.1, destination.ip: 10.40.8.1}]}]}\n---\n%s",
			SITE, rows[i].scope, rows[i].limit, rows[i].alerts,
			GROUPS "    pumps: {sel: {device.type: infusion_pump}, condition: sel}\n");
		struct policy *p = load(text, &d);
		if (policy_test(p, &d, &ran) != 0 || ran != 1) {
			diag_print(&d, stderr, true);
			fail_msg("row %zu", i);
		}
		policy_free(p);
		diag_free(&d);
	}
}

/* 10,000 prefixes cost a binary search. */
static void many(void **state)
{
	size_t room = 1 << 20, at = 0;
	char *text = malloc(room);
	struct diag d;
	(void)state;
	assert_non_null(text);
	at += (size_t)snprintf(text, room, "%szones:\n", HEAD);
	for (unsigned z = 0; z < 100; z++) {
		at += (size_t)snprintf(text + at, room - at, "    z%u: {cidr: [", z);
		for (unsigned i = 0; i < 100; i++)
			at += (size_t)snprintf(text + at, room - at, "%s10.%u.%u.0/24", i ? ", " : "", z, i);
		at += (size_t)snprintf(text + at, room - at, "]}\n");
	}
	struct policy *p = load(text, &d);
	clock_t begun = clock();
	unsigned wrong = 0;
	for (unsigned i = 0; i < 200000; i++) {
		struct addr a = addr_v4(
			bytes_of((uint8_t[]){ 10, (uint8_t)(i % 100), (uint8_t)(i / 100 % 100), 7 }, 4));
		wrong += zones_of(p->names.zones, &a, 0) != ZONE_OWN + i % 100;
	}
	print_message("%.0f ns a lookup\n", (double)(clock() - begun) / CLOCKS_PER_SEC * 1e9 / 200000);
	assert_int_equal(wrong, 0);
	policy_free(p);
	diag_free(&d);
	free(text);
}

#define CLEAR_HL7                                                                                            \
	"dialect: wardwatch/1\ntitle: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n"             \
	"logsource: {product: wardwatch, service: phi}\ndetection: {s: {phi.container: hl7}, condition: "    \
	"s}\n"

struct told {
	unsigned score;
	const char *source, *destination; /* zones */
};

static void note(void *arg, const struct alert *a)
{
	*(struct told *)arg = (struct told){ a->score, a->source_zone, a->destination_zone };
}

/* What the policy's one rule says of a message. */
static struct told judge(const struct policy *p, const char *from, const char *to)
{
	struct told told = { 0 };
	struct limits limits;
	struct counters counters = { 0 };
	struct rec r;
	limits_default(&limits);
	struct policy_run *run =
		policy_start(p, &limits, &counters, NULL, (struct alert_sink){ note, &told });
	assert_non_null(run);
	rec_begin(&r, PROTO_phi, 0);
	rec_from(&r, from, NULL);
	rec_to(&r, to, NULL);
	rec_str(&r, PHI_CONTAINER, "hl7");
	policy_event(run, rec_event(&r));
	policy_stop(run);
	return told;
}

/* The internet, and what the site calls external, count on either side; a zone of its own with public
 * addresses, a group and a host that has no address yet do not. */
static void outside(void **state)
{
	static const struct {
		const char *from, *to;
		bool outside;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.2", false },
		{ "10.0.0.1", "8.8.8.8", true },
		{ "8.8.8.8", "10.0.0.1", true },
		{ "10.0.0.1", "10.250.0.9", true },
		{ "10.0.0.1", "10.250.1.9", true },
		{ "10.0.0.1", "141.1.0.9", false },
		{ "10.0.0.1", "141.2.0.9", false },
		{ "0.0.0.0", "255.255.255.255", false },
		{ "10.0.0.1", "224.0.0.251", false },
	};
	struct diag d;
	struct policy *p = load(HEAD "home: [141.1.0.0/16]\n"
				     "zones:\n"
				     "    vpn: {cidr: [10.250.0.0/24], external: true}\n"
				     "    far: {cidr: [10.250.1.0/24], parent: vpn}\n"
				     "    own: {cidr: [141.2.0.0/16]}\n---\n" CLEAR_HL7,
		&d);
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned score = judge(p, rows[i].from, rows[i].to).score;
		if (score != (rows[i].outside ? 31u : 21u))
			fail_msg("%s to %s: %u", rows[i].from, rows[i].to, score);
	}
	policy_free(p);
}

/* The same as a field that rules ask for. */
static void outside_field(void **state)
{
	struct diag d;
	unsigned ran = 0;
	struct policy *p = load(
		RULE("{s: {destination.outside: true}, condition: s}",
			TEST("destination.ip: 8.8.8.8", "1") TEST("destination.ip: 10.250.1.9", "1")
				TEST("destination.ip: 10.0.0.2", "0") TEST("destination.ip: 141.1.0.9", "0")
					TEST("destination.ip: 141.2.0.9", "0") TEST(
						"destination.ip: 224.0.0.251", "0") TEST("source.ip: 8.8.8.8",
						"0")) "---\n" HEAD "home: [141.1.0.0/16]\n"
						      "zones:\n"
						      "    vpn: {cidr: [10.250.0.0/24], external: true}\n"
						      "    far: {cidr: [10.250.1.0/24], parent: vpn}\n"
						      "    own: {cidr: [141.2.0.0/16]}\n",
		&d);
	(void)state;
	assert_int_equal(policy_test(p, &d, &ran), 0);
	assert_int_equal(ran, 7);
	policy_free(p);
}

/* Without zones of the site an alert names none, but to who asks. */
static void named_in_alerts(void **state)
{
	struct diag d;
	struct policy *plain = load(CLEAR_HL7, &d),
		      *asks = load(CLEAR_HL7 "fields: [destination.zone]\n", &d);
	(void)state;
	struct told told = judge(plain, "10.0.0.1", "8.8.8.8");
	assert_null(told.source);
	assert_null(told.destination);
	told = judge(asks, "10.0.0.1", "8.8.8.8");
	assert_null(told.source);
	assert_string_equal(told.destination, "internet");
	policy_free(plain);
	policy_free(asks);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lookup), cmocka_unit_test(inside),
		cmocka_unit_test(refused), cmocka_unit_test(rules), cmocka_unit_test(limits),
		cmocka_unit_test(many), cmocka_unit_test(outside), cmocka_unit_test(outside_field),
		cmocka_unit_test(named_in_alerts) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
