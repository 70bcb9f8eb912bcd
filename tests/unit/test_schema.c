/* schema: every name of every dissector is found where it belongs, and a view gives what the event holds. */
#include "decide/schema.h"
#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct event_schema *s;

static int make(void **state)
{
	(void)state;
	s = event_schema_new();
	return s == NULL;
}

static int unmake(void **state)
{
	(void)state;
	event_schema_free(s);
	return 0;
}

static int number(const char *category, const char *name)
{
	return s->schema.field(&s->schema, bytes_str(category), bytes_str(name));
}

/* Two dissectors may share a name, but not for two types. */
static void registry_is_consistent(void **state)
{
	(void)state;
	for (unsigned p = 0; p < PROTO_N; p++) {
		for (const struct field *f = dissectors[p]->fields; f && f->name; f++) {
			int n = number(p == PROTO_named ? "" : dissectors[p]->name, f->name);
			if (n < 0 || s->field[n].type != f->type)
				fail_msg("%s of %s has another type elsewhere", f->name, dissectors[p]->name);
			if (s->field[n].privacy < f->privacy)
				fail_msg("%s of %s is less private elsewhere", f->name, dissectors[p]->name);
		}
		for (uint8_t i = 0; dissectors[p]->events && dissectors[p]->events[i]; i++) {
			struct event e = { .proto = (uint8_t)p, .event = i };
			unsigned c = event_schema_category_of(s, &e);
			assert_true(bytes_eq(s->category[c], event_category(&e)));
		}
	}
}

static void names(void **state)
{
	(void)state;
	assert_int_equal(number("dicom", "source.ip"), COMMON_SOURCE_IP);
	assert_int_equal(number("flow", "id.orig_h"), COMMON_SOURCE_IP);
	assert_int_equal(number("dns", "DestinationPort"), COMMON_DESTINATION_PORT);
	assert_int_equal(number("dns", "query"), number("dns", "dns.question.name"));
	assert_int_equal(number("dicom", "query"), FIELD_UNKNOWN);
	assert_true(number("dicom", "dicom.called_ae") >= 0);
	assert_int_equal(number("hl7", "dicom.called_ae"), FIELD_UNKNOWN);
	assert_true(number("", "dicom.called_ae") >= 0);
	assert_true(number("x509", "x509.days_to_expiry") >= 0);
	assert_int_equal(number("x509", "certificate.key_length"), number("x509", "x509.public_key_size"));
	assert_true(number("flow", "network.history") >= 0);
	assert_int_equal(number("flow", "history"), number("flow", "network.history"));
	assert_int_equal(number("dns", "network.history"), FIELD_UNKNOWN);
	assert_int_equal(number("flow", "Image"), FIELD_UNSEEN);
	assert_int_equal(number("flow", "process.executable"), FIELD_UNKNOWN);
	assert_true(number("dns", "destination.domain") >= 0);
	assert_int_equal(number("kerberos", "service"), number("kerberos", "kerberos.service"));
	assert_int_equal(number("flow", "service"), COMMON_ZEEK_SERVICE);
	assert_int_equal(number("smb", "service"), FIELD_UNKNOWN);
	assert_int_equal(number("flow", "action"), COMMON_FIREWALL_ACTION);
	assert_int_equal(number("dns", "firewall.action"), FIELD_UNKNOWN);
	assert_int_equal(number("smb", "action"), number("smb", "smb.action"));
	assert_int_equal(number("flow", "network.protocol"), COMMON_PROTOCOL);
	assert_true(number("dicom", "source.device.model.name") >= 0);
	assert_true(number("dicom", "destination.device.type") >= 0);
	assert_int_equal(number("dicom", "source.device.model.nam"), FIELD_UNKNOWN);
	assert_int_equal(event_schema_category(s, bytes_str("nothing")), -1);
	assert_true(event_schema_category(s, bytes_str("x509")) >= 0);
}

/* Every category of policy-language.md 20.1, and every alias of ours to a field there is. */
static void taxonomy(void **state)
{
	static const char *const categories[] = { "flow", "arp", "icmp", "dhcp", "dns", "mdns", "llmnr",
		"nbns", "ssdp", "ntp", "syslog", "snmp", "radius", "http", "tls", "x509", "quic", "ssh",
		"smb", "dce_rpc", "kerberos", "ntlm", "ldap", "rdp", "vnc", "telnet", "ftp", "tftp", "smtp",
		"sip", "mqtt", "tds", "mysql", "postgresql", "redis", "mongodb", "dicom", "hl7", "fhir",
		"lis", "ieee11073", "monitor", "pump", "bacnet", "modbus", "credential", "phi", "asset",
		"vulnerability", "file", "segmentation", "baseline", "anomaly", "sensor" };
	static const char *const rows[][3] = {
#define ALIAS(category, name, canonical) { category, name, canonical },
#include "decide/aliases.def"
#undef ALIAS
	};
	(void)state;
	for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
		if (event_schema_category(s, bytes_str(categories[i])) < 0)
			fail_msg("no category %s", categories[i]);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int n = number(rows[i][0], rows[i][1]);
		bool host = strncmp(rows[i][2], "process.", 8) == 0 || strncmp(rows[i][2], "host.", 5) == 0;
		if (host ? n != FIELD_UNSEEN : n < 0 || n != number(rows[i][0], rows[i][2]))
			fail_msg("%s in \"%s\"", rows[i][1], rows[i][0]);
	}
}

/* ---- view -------------------------------------------------------------------------------------- */

union record {
	struct event e;
	uint8_t bytes[512];
};

static void add(union record *u, uint16_t field, enum fact_type type, struct bytes v, uint16_t count)
{
	if (u->e.len == 0)
		u->e.len = sizeof u->e;
	struct fact *f = (struct fact *)(void *)(u->bytes + u->e.len);
	*f = (struct fact){ .field = field, .type = (uint8_t)type, .len = (uint16_t)v.n, .count = count };
	memcpy(f->value, v.p, v.n);
	u->e.len += (uint32_t)(sizeof *f + ((v.n + 7) & ~(size_t)7));
	u->e.n_facts++;
}

static struct leaf get(const struct event_view *v, const char *category, const char *name)
{
	int n = number(category, name);
	assert_true(n >= 0);
	const struct view *view = event_view_as_view(v);
	return view->get(view, (uint16_t)n);
}

static void facts(void **state)
{
	struct event_view *v = event_view_new(s, NULL);
	union record one = { .e = { .proto = PROTO_phi, .phi = PHI_BIT(PHI_MRN) } },
		     two = { .e = { .proto = PROTO_phi } };
	(void)state;
	add(&one, PHI_CLASSES_FIELD, FACT_STR, bytes_of("\3\0mrn\5\0image", 12), 2);
	add(&one, PHI_CONTAINER, FACT_STR, bytes_str("hl7"), 0);
	add(&one, UINT16_MAX, FACT_PHI,
		bytes_of((struct phi_fact[1]){ { .class = PHI_MRN } }, sizeof(struct phi_fact)), 0);
	add(&two, PHI_COUNT, FACT_UINT, bytes_of((uint64_t[]){ 7 }, 8), 0);
	event_view_look(v, &one.e);
	struct leaf l = get(v, "phi", "phi.classes");
	assert_int_equal(l.n, 2);
	assert_true(bytes_is(fact_value(l.fact, 1), "image"));
	assert_true(bytes_is(fact_value(get(v, "phi", "phi.container").fact, 0), "hl7"));
	assert_int_equal(event_view_as_view(v)->phi, PHI_BIT(PHI_MRN));
	assert_true(bytes_is(get(v, "phi", "network.protocol").values[0], "hl7"));
	/* Nothing of the last event is left. */
	event_view_look(v, &two.e);
	assert_int_equal(get(v, "phi", "phi.classes").n, 0);
	assert_int_equal(get(v, "phi", "phi.count").n, 1);
	assert_int_equal(get(v, "phi", "network.protocol").n, 0);
	event_view_free(v);
}

static void conversation(void **state)
{
	struct event_view *v = event_view_new(s, NULL);
	struct event e = { .len = sizeof e, .proto = PROTO_dicom, .dir = DIR_SERVER };
	(void)state;
	e.conv = (struct conv){ .sport = 40000,
		.dport = 104,
		.proto = L4_TCP,
		.vlan = { 30, 31 },
		.encrypted = true,
		.odd_port = true };
	addr_parse(bytes_str("10.0.0.1"), &e.conv.src);
	event_view_look(v, &e);
	assert_int_equal(get(v, "dicom", "source.ip").n, 1);
	assert_int_equal(get(v, "dicom", "destination.ip").n, 0);
	assert_int_equal(get(v, "dicom", "source.mac").n, 0);
	struct leaf source = get(v, "dicom", "source.port"),
		    destination = get(v, "dicom", "destination.port");
	assert_int_equal(value_uint(source.values[0]), 40000);
	assert_int_equal(value_uint(destination.values[0]), 104);
	struct leaf vlan = get(v, "dicom", "network.vlan.id");
	assert_int_equal(vlan.n, 2);
	assert_int_equal(value_uint(vlan.values[1]), 31);
	assert_true(bytes_is(get(v, "dicom", "event.sender").values[0], "destination"));
	assert_true(bytes_is(get(v, "dicom", "network.transport").values[0], "tcp"));
	assert_true(bytes_is(get(v, "dicom", "network.protocol").values[0], "dicom"));
	assert_int_equal(bytes_at(get(v, "dicom", "network.encrypted").values[0], 0), 1);
	assert_int_equal(bytes_at(get(v, "dicom", "network.standard_port").values[0], 0), 0);
	assert_int_equal(get(v, "dicom", "source.device.type").n, 0);
	event_view_pretend_none(v);
	event_view_pretend(v, (uint16_t)number("dicom", "destination.device.type"), bytes_str("pacs"));
	assert_true(bytes_is(get(v, "dicom", "destination.device.type").values[0], "pacs"));
	assert_int_equal(get(v, "dicom", "source.device.type").n, 0);
	e.conv = (struct conv){ 0 };
	event_view_look(v, &e);
	assert_int_equal(get(v, "dicom", "source.port").n, 0);
	assert_int_equal(get(v, "dicom", "network.transport").n, 0);
	assert_int_equal(get(v, "dicom", "network.vlan.id").n, 0);
	assert_int_equal(get(v, "dicom", "network.community_id").n, 0);
	event_view_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_is_consistent),
		cmocka_unit_test(names),
		cmocka_unit_test(taxonomy),
		cmocka_unit_test(facts),
		cmocka_unit_test(conversation),
	};
	int failed = cmocka_run_group_tests(tests, make, unmake);
	return failed != 0;
}
