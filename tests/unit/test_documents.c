/* run/documents: event lines, alerts as siem-conventions.md section 7 requires them. */
#include "decide/policy.h"
#include "packet/categories.h"
#include "records.h"
#include "run/documents.h"

#include "decide/mask.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct rule {
	struct rule_text text;
};

const struct rule_text *rule_text(const struct rule *r)
{
	return &r->text;
}

static struct json_doc *doc;
static struct mask *mask;
static struct privacy_key key;
static const struct doc_context context = { .sensor_name = "ward-east-1" };

static unsigned field(enum proto proto, const char *name)
{
	for (unsigned i = 0; dissectors[proto]->fields[i].name; i++)
		if (strcmp(dissectors[proto]->fields[i].name, name) == 0)
			return i;
	fail_msg("no field %s", name);
	return 0;
}

static void is(struct bytes line, const char *want)
{
	struct bytes got = mask_line(mask, line);
	if (!bytes_is(got, want))
		print_error("got  %.*s\nwant %s\n", (int)got.n, (const char *)got.p, want);
	assert_true(bytes_is(got, want));
}

static void has(struct bytes line, const char *part)
{
	bool found = bytes_find(line, 0, bytes_str(part)) < line.n;
	if (!found)
		fail_msg("no %s in %.*s", part ? part : "", (int)line.n, (const char *)line.p);
}

static void event_line(void **state)
{
	(void)state;
	struct rec r;
	rec_begin(&r, PROTO_dicom, 0);
	rec_from(&r, "10.20.30.40", "00-01-E3-00-00-01");
	rec_to(&r, "10.20.1.5", NULL);
	rec_ports(&r, 49152, 104);
	rec_event(&r)->conv.initiator_known = true;
	rec_event(&r)->conv.vlan[0] = 30;
	rec_event(&r)->flags = EVENT_AFTER_GAP;
	rec_event(&r)->phi = PHI_BIT(PHI_MRN);
	rec_str(&r, field(PROTO_dicom, "dicom.calling_ae"), "CT\"1");
	rec_str(&r, field(PROTO_dicom, "dicom.called_ae"), "DOE^JANE");
	event_json(doc, &context, rec_event(&r));
	is(json_flat(doc),
		"{\"@timestamp\":\"2026-03-01T08:00:00.000000Z\",\"destination.ip\":\"10.20.1.5\","
		"\"destination.port\":104,\"dicom.called_ae\":\"[masked]\",\"dicom.calling_ae\":\"CT\\\"1\","
		"\"event.action\":\"associate_rq\",\"event.category\":\"dicom\",\"event.flags\":[\"after_"
		"gap\"],"
		"\"event.sender\":\"source\",\"network.community_id\":\"1:a3UE8K3/BzAoeFgp2anowyfVOaY=\","
		"\"network.encrypted\":false,\"network.initiator_known\":true,\"network.protocol\":\"dicom\","
		"\"network.transport\":\"tcp\",\"network.type\":\"ipv4\",\"network.vlan.id\":30,\"packet\":1,"
		"\"phi.classes\":[\"mrn\"],\"source.ip\":\"10.20.30.40\",\"source.mac\":\"00-01-E3-00-00-"
		"01\","
		"\"source.port\":49152}");
}

/* A client id that is text is masked like text; one that is a hardware address is hex. */
static void suspect_bytes(void **state)
{
	(void)state;
	static const uint8_t mac[] = { 1, 0x00, 0x01, 0xe3, 0xc1, 0xc2, 0xc3 };
	struct rec r;
	rec_begin(&r, PROTO_dhcp, 0);
	rec_str(&r, field(PROTO_dhcp, "dhcp.client_id"), "Doe^Jane");
	struct event *e = rec_event(&r);
	struct fact *f = (struct fact *)(void *)(uintptr_t)fact_first(e);
	f->type = FACT_BYTES;
	event_json(doc, &context, e);
	has(mask_line(mask, json_flat(doc)), "\"dhcp.client_id\":\"[masked]\"");
	memcpy(f->value, mac, sizeof mac);
	f->len = sizeof mac;
	event_json(doc, &context, e);
	has(mask_line(mask, json_flat(doc)), "\"dhcp.client_id\":\"010001e3c1c2c3\"");
}

/* A pseudonym is shown only when the site has a key; its text never. */
static void pseudonyms(void **state)
{
	(void)state;
	static const struct doc_context keyed = { .sensor_name = "w", .pseudonyms = true };
	struct phi_fact phi = { .class = PHI_MRN, .whole = privacy_pseudonym(&key, bytes_str("4711")) };
	_Alignas(8) uint8_t b[512] = { 0 };
	struct rec r;
	rec_begin(&r, PROTO_phi, 0);
	struct event e = *rec_event(&r);
	struct fact f = { .field = PHI_PATIENT, .type = FACT_PHI, .len = sizeof phi };
	e.len = (uint32_t)(sizeof e + ((sizeof f + sizeof phi + 7u) & ~7u));
	e.n_facts = 1;
	memcpy(b, &e, sizeof e);
	memcpy(b + sizeof e, &f, sizeof f);
	memcpy(b + sizeof e + sizeof f, &phi, sizeof phi);
	const struct event *stored = (const struct event *)(const void *)b;
	event_json(doc, &context, stored);
	assert_true(bytes_find(json_flat(doc), 0, bytes_str("phi.patient")) == json_flat(doc).n);
	event_json(doc, &keyed, stored);
	has(json_flat(doc), "\"phi.patient\":\"k1:");
}

static const char *const tags[] = { "attack.credential_access", "attack.t1040", "attack.t1021.004",
	"attack.t9999", "cve.2020" };
static const char *maps[][2] = { { "hipaa", "164.312(e)(1)" } };
static const char *const responses[] = { "TLS." };
static const struct rule login = { { .title = "Clear",
	.id = "2f6c",
	.name = "clear",
	.description = "",
	.license = "",
	.author = "",
	.reference = "",
	.version = "",
	.category = "weak_auth",
	.ruleset = "weak-auth",
	.tags = tags,
	.n_tags = 5,
	.responses = responses,
	.n_responses = 1,
	.maps = maps,
	.n_maps = 1,
	.level = LEVEL_HIGH,
	.confidence = 95 } };

static void alert(void **state)
{
	(void)state;
	struct rec r;
	rec_begin(&r, PROTO_dicom, 0);
	rec_from(&r, "10.20.30.40", NULL);
	rec_to(&r, "10.20.1.5", NULL);
	rec_ports(&r, 49152, 104);
	rec_str(&r, field(PROTO_dicom, "dicom.calling_ae"), "WS1234567");
	struct alert a = { .id = "e1-00000000000000000000",
		.rule = &login,
		.event = rec_event(&r),
		.level = LEVEL_HIGH,
		.score = 84,
		.count = 1,
		.first_ns = rec_event(&r)->ts_ns,
		.last_ns = rec_event(&r)->ts_ns,
		.first_packet = 1,
		.last_packet = 1,
		.phi = PHI_BIT(PHI_PATIENT_NAME),
		.packets = { 1 },
		.n_packets = 1 };
	rec_str(&r, field(PROTO_dicom, "dicom.user_identity.type"), "none");
	a.reason.n = 2;
	a.reason.item[0].identifier = "sel";
	a.reason.item[0].item = "dicom.calling_ae|exists";
	a.reason.item[1].identifier = "sel";
	a.reason.item[1].item = "dicom.user_identity.type";
	alert_json(doc, &context, &a);
	struct bytes line = mask_line(mask, json_nested(doc));
	/* Required in every alert. */
	static const char *const parts[] = { "{\"@timestamp\":\"2026-03-01T08:00:00.000000Z\"",
		"\"ecs\":{\"version\":\"8.17.0\"}",
		"\"event\":{\"action\":\"clear\",\"category\":[\"authentication\",\"network\"],\"code\":"
		"\"weak_"
		"auth\",\"dataset\":\"wardwatch.alert\",\"id\":\"e1-00000000000000000000\",\"kind\":"
		"\"alert\","
		"\"module\":\"wardwatch\"",
		"\"risk_score\":84", "\"severity\":73", "\"type\":[\"info\"]", "\"message\":\"Clear\"",
		"\"observer\":{\"name\":\"ward-east-1\",\"product\":\"Wardwatch\",\"type\":\"sensor\","
		"\"vendor\":"
		"\"Wardwatch\",\"version\":\"" WW_VERSION "\"}",
		"\"rule\":{\"category\":\"weak_auth\",\"id\":\"clear\",\"name\":\"Clear\",\"ruleset\":\"weak-"
		"auth\","
		"\"uuid\":\"2f6c\"}",
		"\"threat\":{\"framework\":\"MITRE "
		"ATT&CK\",\"tactic\":{\"id\":[\"TA0006\"],\"name\":[\"Credential "
		"Access\"]},\"technique\":{\"id\":[\"T1040\",\"T9999\"],\"name\":[\"Network Sniffing\"],"
		"\"subtechnique\":{\"id\":[\"T1021.004\"],\"name\":[\"SSH\"]}}}",
		"\"community_id\":\"1:a3UE8K3/BzAoeFgp2anowyfVOaY=\"",
		"\"maps\":{\"hipaa\":[\"164.312(e)(1)\"]}", "\"confidence\":95", "\"class\":\"alert\"",
		"\"schema\":1", "\"tags\":[\"wardwatch\",\"phi\"]",
		"\"event\":{\"dicom\":{\"calling_ae\":\"WS[masked]\",\"user_identity\":{\"type\":\"none\"}}}",
		"port 104; names; dicom.user_identity.type none\"", "\"evidence\":{\"first_packet\":1,",
		"\"matched\":[\"sel: dicom.calling_ae|exists\",\"sel: dicom.user_identity.type\"]",
		"\"response\":[\"TLS.\"]", "\"phi\":{\"classes\":[\"patient_name\"],\"count\":1}" };
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		has(line, parts[i]);
	static const char *const none[] = { "null", "\"\"", "event.created", "\x01" };
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_true(bytes_find(line, 0, bytes_str(none[i])) == line.n);
}

/* What a correlation counted; of its group, suspect text is masked as elsewhere. */
static void correlation(void **state)
{
	(void)state;
	struct rec r;
	rec_begin(&r, PROTO_dicom, 0);
	rec_from(&r, "10.20.30.40", NULL);
	rec_to(&r, "10.20.1.5", NULL);
	struct alert a = { .rule = &login,
		.event = rec_event(&r),
		.count = 1,
		.suppression = "sup-1",
		.suppressed = 7,
		.suppressed_first_ns = 1000000000 };
	a.correlation = (struct alert_correlation){ .type = "value_count",
		.words = "25 different destination.ip within 60 s",
		.value = "25",
		.span_ns = 60000000000,
		.truncated = true,
		.packets = { 3, 4 },
		.n_packets = 2,
		.n_by = 2,
		.by = { { "source.ip", OPEN, 0, 11 }, { "dicom.calling_ae", SUSPECT, 11, 9 } },
		.text = "10.20.30.40WS1234567" };
	alert_json(doc, &context, &a);
	struct bytes line = mask_line(mask, json_nested(doc));
	static const char *const parts[] = {
		"to 10.20.1.5 port 104; 25 different destination.ip within 60 s\"", "\"correlation\":{",
		("\"group\":{\"dicom\":{\"calling_ae\":\"WS[masked]\"},\"source\":{\"ip\":"
		 "\"10.20.30.40\"}}"),
		"\"packets\":[3,4]", "\"timespan\":60", "\"truncated\":true", "\"type\":\"value_count\"",
		"\"value\":\"25\"", "\"suppression\":\"sup-1\"",
		"\"suppressed\":{\"count\":7,\"first\":\"1970-01-01T00:00:01.000000Z\"}",
		"\"tags\":[\"wardwatch\",\"sup-1\"]"
	};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		has(line, parts[i]);
}

/* What a rule's `fields` ask of a device, sealed as in devices.jsonl, beside what every alert says of it; and
 * no list of parts of the rule where there are none. */
static void asked_of_devices(void **state)
{
	static const char *const fields[] = { "source.device.os.name", "source.device.ae_title",
		"source.device.firmware.version", "destination.device.os.name" };
	static const char *const parts[] = { "\"os\":{\"name\":\"Windows 7\"}",
		"\"ae_title\":[\"WS[masked]\"]", "\"firmware\":{\"version\":\"VB20A\"}" };
	static const char *const none[] = { "Windows 10", "matched" };
	struct rule asks = login;
	struct rec r;
	void *w = NULL;
	(void)state;
	asks.text.fields = fields;
	asks.text.n_fields = 3;
	assert_int_equal(world_setup(&w), 0);
	arp(w, "10.20.30.40", CT);
	says(w, "10.20.30.40", CT, ATTR_OS_NAME, "Windows 7");
	says(w, "10.20.30.40", CT, ATTR_AE_TITLE, "WS1234567");
	says(w, "10.20.30.40", CT, ATTR_FIRMWARE, "VB20A");
	arp(w, "10.20.1.5", PACS);
	says(w, "10.20.1.5", PACS, ATTR_OS_NAME, "Windows 10");
	rec_begin(&r, PROTO_dicom, 0);
	rec_from(&r, "10.20.30.40", CT);
	rec_to(&r, "10.20.1.5", PACS);
	struct alert a = { .rule = &asks,
		.event = rec_event(&r),
		.source = by_ip(w, "10.20.30.40"),
		.destination = by_ip(w, "10.20.1.5"),
		.count = 1 };
	alert_json(doc, &context, &a);
	struct bytes line = mask_line(mask, json_nested(doc));
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		has(line, parts[i]);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_true(bytes_find(line, 0, bytes_str(none[i])) == line.n);
	asks.text.n_fields = 4;
	alert_json(doc, &context, &a);
	has(mask_line(mask, json_nested(doc)), "Windows 10");
	assert_int_equal(world_teardown(&w), 0);
}

/* What the sensor says of itself is a class of its own; live a document says when it was made, the closing
 * one which it closes, and who sent what completed it. */
static void health(void **state)
{
	(void)state;
	static const struct doc_context live = { .sensor_name = "w", .created_ns = 1000000000 };
	struct rule about = login;
	struct rec r;
	about.text.category = "sensor_health";
	rec_begin(&r, PROTO_dicom, 0);
	rec_str(&r, field(PROTO_dicom, "dicom.user_identity.type"), "none");
	struct alert a = { .rule = &about,
		.first_id = "e1-0",
		.event = rec_event(&r),
		.level = LEVEL_MEDIUM,
		.count = 2,
		.closing = true };
	a.reason.n = 1;
	a.reason.item[0].item = "dicom.user_identity.type";
	alert_json(doc, &live, &a);
	struct bytes line = mask_line(mask, json_nested(doc));
	static const char *const parts[] = { "\"class\":\"health\"", "\"dataset\":\"wardwatch.health\"",
		"\"kind\":\"event\"", "\"created\":\"1970-01-01T00:00:01.000000Z\"", "\"first_id\":\"e1-0\"",
		"\"category\":[\"host\"]" };
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		has(line, parts[i]);
	a.level = LEVEL_HIGH;
	a.closing = false;
	alert_json(doc, &context, &a);
	line = mask_line(mask, json_nested(doc));
	has(line, "\"kind\":\"alert\"");
	assert_true(bytes_find(line, 0, bytes_str("first_id")) == line.n);
	rec_from(&r, "10.20.30.40", NULL);
	rec_event(&r)->dir = DIR_SERVER;
	a.rule = &login;
	alert_json(doc, &context, &a);
	has(mask_line(mask, json_nested(doc)), "\"sender\":\"destination\"");
}

/* A reason begins with no joint where there is nothing before it, and no list of addresses is empty. */
static void no_conversation(void **state)
{
	(void)state;
	struct rec r;
	rec_begin(&r, PROTO_sensor, 0);
	rec_ports(&r, 0, 0);
	rec_str(&r, 0, "one");
	struct alert a = { .rule = &login, .event = rec_event(&r), .count = 3 };
	alert_json(doc, &context, &a);
	struct bytes line = mask_line(mask, json_nested(doc));
	has(line, "\"reason\":\"3 messages\"");
	assert_true(bytes_find(line, 0, bytes_str("related")) == line.n);
}

/* Nested under wardwatch.event, a field may not be another's object. */
static void names_nest(void **state)
{
	(void)state;
	for (unsigned p = 0; p < PROTO_N; p++) {
		const struct field *f = dissectors[p]->fields;
		for (size_t i = 0; f[i].name; i++)
			for (size_t k = 0; f[k].name; k++) {
				size_t n = strlen(f[i].name);
				bool inside = strncmp(f[i].name, f[k].name, n) == 0 && f[k].name[n] == '.';
				if (inside)
					print_error("%s and %s\n", f[i].name, f[k].name);
				assert_false(inside);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_line),
		cmocka_unit_test(suspect_bytes),
		cmocka_unit_test(pseudonyms),
		cmocka_unit_test(alert),
		cmocka_unit_test(correlation),
		cmocka_unit_test(asked_of_devices),
		cmocka_unit_test(health),
		cmocka_unit_test(no_conversation),
		cmocka_unit_test(names_nest),
	};
	struct limits limits;
	limits_default(&limits);
	privacy_key_init(&key, bytes_str("test"), false);
	doc = json_new();
	mask = mask_new(&key, &limits);
	if (!doc || !mask)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_free(doc);
	mask_free(mask);
	return failed != 0;
}
