/* segmentation: one case for each sentence of policy-language.md section 16. */
#include "decide/event_write.h"
#include "decide/segmentation.h"
#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#define W "dialect: wardwatch/1\n"
#define WORLD                                                                                                \
	W "kind: zones\nzones:\n"                                                                            \
	  "    clinical: {cidr: [10.40.0.0/14]}\n"                                                           \
	  "    infusion: {cidr: [10.42.0.0/16], parent: clinical, sl: 3}\n"                                  \
	  "    servers: {cidr: [10.20.0.0/16]}\n"                                                            \
	  "---\n" W "kind: lists\nlists: {infra: [10.20.9.1], nms: ['10.30.0.0/24']}\n"                      \
	  "---\n" W "kind: groups\ngroups: {pump_servers: {s: {device.type: pump_server}, condition: s}}\n"
#define PUMPS                                                                                                \
	"---\n" W "kind: segmentation\nname: infusion-zone\napplies-to: {zone: infusion}\n"                  \
	"direction: [inbound, outbound]\nmode: alert\nlevel: high\nallow:\n"                                 \
	"    - {id: pump-server, to: {zone: servers, group: pump_servers}, transport: tcp, "                 \
	"ports: [443, 8443], protocol: [tls]}\n"                                                             \
	"    - {id: time-and-names, to: {list: infra}, services: [ntp, dns, dhcp]}\n"                        \
	"    - {id: monitoring, from: {list: nms}, transport: udp, ports: [161], protocol: [snmp], "         \
	"where: {snmp.version: v3}}\n"
#define POLICY(name, body) "---\n" W "kind: segmentation\nname: " name "\n" body

struct seen {
	struct policy_run *run;
	const struct event_schema *schema;
	unsigned alerts, events;
	bool unsure;
	char rule[64], last[256]; /* "policy direction reason nearest_rule nearest_miss" */
};

static void on_alert(void *arg, const struct alert *a)
{
	struct seen *s = arg;
	if (a->closing)
		return;
	s->alerts++;
	s->unsure = alert_confidence(a) == 50;
	snprintf(s->rule, sizeof s->rule, "%s", rule_text(a->rule)->name);
}

static void on_derived(void *arg, const struct event *e)
{
	struct seen *s = arg;
	size_t at = 0;
	s->events++;
	for (unsigned f = 0; f <= 4; f++) {
		const struct fact *fact = fact_find(e, f);
		struct bytes v = fact ? fact_value(fact, 0) : bytes_str("-");
		at += (size_t)snprintf(s->last + at, sizeof s->last - at, "%s%.*s", f ? " " : "", (int)v.n,
			(const char *)v.p);
	}
	if (e->event == 1)
		snprintf(s->last + at, sizeof s->last - at, " learned");
	policy_event(s->run, e);
}

static struct policy *load(const char *text, struct diag *d)
{
	*d = (struct diag){ 0 };
	struct policy *p = policy_load_text("t.yml", bytes_str(text), d);
	if (!p || d->errors) {
		diag_print(d, stderr, true);
		fail_msg("%s", text);
	}
	return p;
}

/* Runs a YAML list of events. */
static void play(const char *policies, const char *events, struct seen *s)
{
	struct diag d;
	struct limits limits;
	struct counters counters = { 0 };
	struct yaml_file file = { 0 };
	struct policy *p = load(policies, &d);
	struct event_writer *w = calloc(1, sizeof *w);
	limits_default(&limits);
	limits.alerts = limits.alert_patients = 256;
	limits.flows = 64;
	*s = (struct seen){ .schema = p->schema };
	s->run = policy_start(p, &limits, &counters, NULL, (struct alert_sink){ on_alert, s });
	assert_non_null(s->run);
	assert_non_null(w);
	policy_on_derived(s->run, on_derived, s);
	event_writer_init(w, p->schema, s->run->view, "events", &d);
	assert_true(yaml_parse("events", bytes_str(events), &file, &d));
	for (size_t i = 0; i < file.docs[0]->n; i++) {
		const struct event *e = event_write(w, file.docs[0]->items[i]);
		if (!e) {
			diag_print(&d, stderr, true);
			fail_msg("%s", events);
		}
		policy_event(s->run, e);
	}
	policy_finish(s->run);
	policy_stop(s->run);
	policy_free(p);
	yaml_fini(&file);
	diag_free(&d);
	free(w);
}

#define FLOW(src, dst, transport, port, protocol)                                                            \
	"{category: flow, action: end, source.ip: " src ", destination.ip: " dst                             \
	", network.transport: " transport ", destination.port: " #port ", network.protocol: " protocol "}"

#define PUMP   "10.42.0.7"
#define SERVER "10.20.1.1"

static const struct {
	const char *policies, *events, *want; /* "": nothing is said */
} sentence_rows[] = {
	/* a selected device is isolated, one that is not is free */
	{ PUMPS, "[" FLOW(PUMP, "10.60.1.1", "tcp", 22, "ssh") "]",
		"infusion-zone outbound no_rule time-and-names -" },
	{ PUMPS, "[" FLOW("10.41.0.1", "10.60.1.1", "tcp", 22, "ssh") "]", "" },
	/* in the direction that was said only */
	{ POLICY("a", "applies-to: {zone: infusion}\ndirection: inbound\n"),
		"[" FLOW(PUMP, "10.60.1.1", "tcp", 22, "ssh") "]", "" },
	{ POLICY("a", "applies-to: {zone: infusion}\ndirection: inbound\n"),
		"[" FLOW("10.60.1.1", PUMP, "tcp", 22, "ssh") "]", "a inbound no_rule - -" },
	{ POLICY("a", "applies-to: {zone: infusion}\ndirection: [outbound]\n"),
		"[" FLOW("10.60.1.1", PUMP, "tcp", 22, "ssh") "]", "" },
	/* entries of several documents add up, in any order */
	{ PUMPS POLICY("more", "applies-to: {zone: clinical}\nallow: [{id: ssh, to: {cidr: 10.60.0.0/16}, "
			       "ports: [22]}]\n"),
		"[" FLOW(PUMP, "10.60.1.1", "tcp", 22, "ssh") "]", "" },
	{ POLICY("more", "applies-to: {zone: clinical}\nallow: [{id: ssh, to: {cidr: 10.60.0.0/16}, "
			 "ports: [22]}]\n") PUMPS,
		"[" FLOW(PUMP, "10.60.1.1", "tcp", 22, "ssh") "]", "" },
	/* both ends must permit */
	{ POLICY("out", "applies-to: {zone: infusion}\ndirection: outbound\nallow: [{id: all}]\n")
			POLICY("in", "applies-to: {zone: servers}\ndirection: inbound\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 443, "tls") "]", "in inbound no_rule - -" },
	{ POLICY("out", "applies-to: {zone: infusion}\ndirection: outbound\nallow: [{id: all}]\n")
			POLICY("in", "applies-to: {zone: servers}\ndirection: inbound\nallow: [{from: "
				     "{zone: clinical}}]\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 443, "tls") "]", "" },
	/* keys of a peer are ANDed */
	{ PUMPS,
		"[{category: flow, action: end, source.ip: " PUMP ", destination.ip: " SERVER
		", destination.port: 443, network.protocol: tls, destination.device.type: "
		"pump_server}]",
		"" },
	{ PUMPS,
		"[{category: flow, action: end, source.ip: " PUMP ", destination.ip: 10.21.0.1, "
		"destination.port: 443, network.protocol: tls, destination.device.type: "
		"pump_server}]",
		"infusion-zone outbound zone pump-server zone" },
	{ PUMPS, "[" FLOW(PUMP, SERVER, "tcp", 443, "tls") "]",
		"infusion-zone outbound no_rule pump-server group" },
	/* peers of a list are ORed */
	{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{to: [{cidr: 10.60.0.0/16}, {zone: "
		      "servers}]}]\n"),
		"[" FLOW(PUMP, "10.60.1.1", "tcp", 22, "ssh") ", " FLOW(PUMP, SERVER, "tcp", 22, "ssh") "]",
		"" },
	{ POLICY("a", "applies-to: [{zone: servers}, {cidr: 10.60.0.0/16}]\n"),
		"[" FLOW("10.60.1.1", "10.9.9.9", "tcp", 22, "ssh") "]", "a outbound no_rule - -" },
	/* the direction is the initiator's: what answers is not judged by itself */
	{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{from: {zone: servers}}]\n"),
		"[{category: dns, source.ip: " SERVER ", destination.ip: " PUMP
		", event.sender: source}, {category: dns, source.ip: " SERVER ", destination.ip: " PUMP
		", event.sender: destination}]",
		"" },
	/* ports, transport */
	{ PUMPS,
		"[{category: flow, action: end, source.ip: " PUMP ", destination.ip: " SERVER
		", destination.port: 80, network.protocol: tls, destination.device.type: "
		"pump_server}]",
		"infusion-zone outbound port pump-server ports" },
	{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{id: r, ports: ['8000-8100', 22]}]\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 8050, "http") ", " FLOW(PUMP, SERVER, "udp", 22, "x") "]", "" },
	{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{id: r, ports: ['8000-8100', 22], "
		      "transport: "
		      "udp}]\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 8050, "http") "]", "a outbound port r transport" },
	/* the protocol is what was dissected, not the port */
	{ PUMPS,
		"[{category: flow, action: end, source.ip: " PUMP ", destination.ip: " SERVER
		", destination.port: 443, network.protocol: ssh, destination.device.type: "
		"pump_server}]",
		"infusion-zone outbound protocol_mismatch pump-server protocol" },
	{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{id: r, protocol: [tls]}]\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 9, "ssh") "]", "a outbound protocol r protocol" },
	{ PUMPS, "[" FLOW(PUMP, "10.20.9.1", "udp", 123, "dns") "]",
		"infusion-zone outbound protocol_mismatch time-and-names protocol" },
	{ PUMPS,
		"[{category: dns, source.ip: " PUMP ", destination.ip: 10.20.9.1, network.transport: udp, "
		"destination.port: 53}, " FLOW(PUMP, "10.20.9.1", "udp", 123, "ntp") "]",
		"" },
	/* not known is not another */
	{ PUMPS,
		"[{category: flow, action: end, source.ip: " PUMP ", destination.ip: " SERVER
		", destination.port: 443, destination.device.type: pump_server}]",
		"" },
	/* where */
	{ PUMPS,
		"[{category: snmp, source.ip: 10.30.0.5, destination.ip: " PUMP
		", network.transport: udp, destination.port: 161, snmp.version: v3}]",
		"" },
	{ PUMPS,
		"[{category: snmp, source.ip: 10.30.0.5, destination.ip: " PUMP
		", network.transport: udp, destination.port: 161, snmp.version: v3}, "
		"{category: snmp, source.ip: 10.30.0.5, destination.ip: " PUMP
		", network.transport: udp, destination.port: 161, snmp.version: v2c}, "
		"{category: snmp, source.ip: 10.30.0.5, destination.ip: " PUMP
		", network.transport: udp, destination.port: 161, snmp.version: v1}]",
		"infusion-zone inbound where monitoring where" },
	{ PUMPS, "[" FLOW("10.30.0.5", PUMP, "udp", 161, "snmp") "]", "" },
	/* once, when the protocol is known */
	{ PUMPS,
		"[{category: flow, action: start, source.ip: " PUMP ", destination.ip: 10.60.1.1, "
		"destination.port: 22}]",
		"" },
	{ PUMPS,
		"[{category: flow, action: start, source.ip: " PUMP ", destination.ip: 10.60.1.1, "
		"destination.port: 22}, {category: flow, action: label, source.ip: " PUMP
		", destination.ip: 10.60.1.1, destination.port: 22, network.protocol: ssh}, "
		"{category: flow, action: end, source.ip: " PUMP ", destination.ip: 10.60.1.1, "
		"destination.port: 22, network.protocol: ssh}]",
		"infusion-zone outbound no_rule time-and-names -" },
	/* learn: recorded, nothing sent, nobody isolated; and it allows nothing to the others */
	{ POLICY("l", "applies-to: {zone: infusion}\nmode: learn\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 9, "ssh") "]", "l outbound no_rule - - learned" },
	{ POLICY("l", "applies-to: {zone: infusion}\nmode: learn\nallow: [{id: x}]\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 9, "ssh") "]", "" },
	{ POLICY("a", "applies-to: {zone: infusion}\n") POLICY("l", "applies-to: {zone: infusion}\nmode: "
								    "learn\nallow: [{id: x}]\n"),
		"[" FLOW(PUMP, SERVER, "tcp", 9, "ssh") "]", "a outbound no_rule - -" },
	/* group addresses, and ICMP that answers */
	{ PUMPS,
		"[" FLOW(PUMP, "224.0.0.251", "udp", 5353, "mdns") ", " FLOW(
			PUMP, "255.255.255.255", "udp", 67, "dhcp") "]",
		"" },
};

static void sentences(void **state)
{
	struct seen s;
	(void)state;
	for (size_t i = 0; i < sizeof sentence_rows / sizeof *sentence_rows; i++) {
		char text[8192];
		snprintf(text, sizeof text, "%s%s", sentence_rows[i].policies + 4, "---\n" WORLD);
		play(text, sentence_rows[i].events, &s);
		bool learned = strstr(sentence_rows[i].want, "learned") != NULL;
		if (strcmp(s.last, sentence_rows[i].want) != 0 || s.events != (*sentence_rows[i].want != 0) ||
			s.alerts != (*sentence_rows[i].want && !learned))
			fail_msg("row %zu: \"%s\", not \"%s\"; %u events, %u alerts", i, s.last,
				sentence_rows[i].want, s.events, s.alerts);
		if (s.alerts)
			assert_memory_equal(s.rule, sentence_rows[i].want, strlen(s.rule));
	}
}

/* The example of section 19; and who began is a guess. */
static void alerts(void **state)
{
	struct seen s;
	(void)state;
	play(WORLD PUMPS,
		"[{category: flow, time: '2026-03-01T08:00:00Z', source.ip: 10.42.0.7, source.port: 50100, "
		"destination.ip: 10.60.1.1, destination.port: 22, network.transport: tcp, network.protocol: "
		"ssh}]",
		&s);
	assert_int_equal(s.alerts, 1);
	assert_string_equal(s.rule, "infusion-zone");
	assert_false(s.unsure);
	play(WORLD PUMPS,
		"[{category: flow, source.ip: 10.42.0.7, destination.ip: 10.60.1.1, network.protocol: ssh, "
		"network.initiator_known: false}]",
		&s);
	assert_true(s.alerts == 1 && s.unsure);
	/* `alert: never` leaves the events to other rules */
	play(WORLD PUMPS
		"sensor: {alert: never}\n---\ndialect: wardwatch/1\ntitle: other\nname: other\n"
		"level: low\nlogsource: {product: wardwatch, service: segmentation}\ndetection: {s: "
		"{segmentation.reason: no_rule, segmentation.sl|gte: 3, source.zone|zone: clinical}, "
		"condition: s}\n",
		"[" FLOW(PUMP, "10.60.1.1", "tcp", 22, "ssh") "]", &s);
	assert_int_equal(s.alerts, 1);
	assert_string_equal(s.rule, "other");
}

static void refused(void **state)
{
	static const struct {
		const char *text, *code;
	} rows[] = {
		{ POLICY("a", ""), "E224" },
		{ POLICY("'a b'", "applies-to: {zone: infusion}\n"), "E126" },
		{ POLICY("a", "applies-to: {zone: nowhere}\n"), "E223" },
		{ POLICY("a", "applies-to: {group: nobody}\n"), "E211" },
		{ POLICY("a", "applies-to: {list: nobody}\n"), "E160" },
		{ POLICY("a", "applies-to: {cidr: ten}\n"), "E156" },
		{ POLICY("a", "applies-to: {zoen: infusion}\n"), "E118" },
		{ POLICY("a", "applies-to: []\n"), "E224" },
		{ POLICY("a", "applies-to: {zone: infusion}\ndirection: sideways\n"), "E113" },
		{ POLICY("a", "applies-to: {zone: infusion}\nmode: deny\n"), "E113" },
		{ POLICY("a", "applies-to: {zone: infusion}\ndeny: []\n"), "E118" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: {id: x}\n"), "E112" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [x]\n"), "E224" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{to: {zone: servers}, from: {zone: "
			      "servers}}]\n"),
			"E224" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{ports: [70000]}]\n"), "E113" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{ports: ['90-80']}]\n"), "E113" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{transport: tpc}]\n"), "E113" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{services: [npt]}]\n"), "E113" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{where: {snmp.version: v3}}]\n"),
			"E224" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{protocol: snmp, where: {snmp.versoin: "
			      "v3}}]\n"),
			"E144" },
		{ PUMPS PUMPS, "E121" },
		{ POLICY("a", "applies-to: {zone: infusion}\nallow: [{id: x, ports: [80]}, {id: x, ports: "
			      "[81]}]\n"),
			"E121" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[8192];
		struct diag d = { 0 };
		bool said = false;
		snprintf(text, sizeof text, "%s%s", WORLD, rows[i].text);
		struct policy *p = policy_load_text("t.yml", bytes_str(text), &d);
		for (size_t k = 0; k < d.n; k++)
			said = said || strcmp(d.messages[k].code, rows[i].code) == 0;
		if (p || !said) {
			diag_print(&d, stderr, true);
			fail_msg("not refused with %s: %s", rows[i].code, rows[i].text);
		}
		diag_free(&d);
	}
}

/* 100 documents: what a conversation costs, and that an event of one that was judged costs next to nothing.
 */
static void many(void **state)
{
	size_t room = 1 << 18, at = 0;
	char *text = malloc(room);
	struct diag d;
	struct limits limits;
	struct counters counters = { 0 };
	struct seen s = { 0 };
	(void)state;
	assert_non_null(text);
	at += (size_t)snprintf(text, room, "%s", WORLD);
	for (unsigned i = 0; i < 100; i++)
		at += (size_t)snprintf(text + at, room - at,
			"---\n" W "kind: segmentation\nname: p%u\napplies-to: {cidr: 10.42.%u.0/24}\n"
			"allow: [{to: {zone: servers}, ports: [443]}, {from: {list: nms}}]\n",
			i, i);
	struct policy *p = load(text, &d);
	limits_default(&limits);
	s.run = policy_start(p, &limits, &counters, NULL, (struct alert_sink){ on_alert, &s });
	clock_t begun = clock();
	for (unsigned i = 0; i < 20000; i++) {
		struct event e = {
			.len = sizeof e, .proto = PROTO_flow, .event = FLOW_EV_END, .ts_ns = i, .packet = i
		};
		e.conv = (struct conv){ .proto = L4_TCP, .sport = (uint16_t)i, .dport = 443 };
		e.conv.src =
			addr_v4(bytes_of((uint8_t[]){ 10, 42, (uint8_t)(i % 100), (uint8_t)(i / 5000) }, 4));
		e.conv.dst = addr_v4(bytes_of((uint8_t[]){ 10, 20, 0, 1 }, 4));
		policy_event(s.run, &e);
	}
	print_message("%.0f ns a conversation\n", (double)(clock() - begun) / CLOCKS_PER_SEC * 1e9 / 20000);
	assert_int_equal(s.alerts, 0);
	policy_stop(s.run);
	policy_free(p);
	diag_free(&d);
	free(text);
}

/* A ping asks; an answer and an error are no conversations of their own. */
static void icmp(void **state)
{
	static const struct {
		uint8_t proto, type, alerts;
	} rows[] = { { 1, 8, 1 }, { 1, 0, 0 }, { 1, 3, 0 }, { 1, 11, 0 }, { 58, 128, 1 }, { 58, 135, 0 },
		{ 58, 1, 0 } };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d;
		struct limits limits;
		struct counters counters = { 0 };
		struct seen s = { 0 };
		struct policy *p = load(WORLD PUMPS, &d);
		limits_default(&limits);
		s.run = policy_start(p, &limits, &counters, NULL, (struct alert_sink){ on_alert, &s });
		struct event e = {
			.len = sizeof e, .proto = PROTO_flow, .event = FLOW_EV_START, .ts_ns = 1, .packet = 1
		};
		e.conv = (struct conv){ .proto = rows[i].proto, .icmp_type = rows[i].type };
		addr_parse(bytes_str(PUMP), &e.conv.src);
		addr_parse(bytes_str(SERVER), &e.conv.dst);
		policy_event(s.run, &e);
		assert_int_equal(s.alerts, rows[i].alerts);
		policy_stop(s.run);
		policy_free(p);
		diag_free(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sentences), cmocka_unit_test(alerts),
		cmocka_unit_test(refused), cmocka_unit_test(icmp), cmocka_unit_test(many) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
