/*
 * event_write: events written as maps; and every line of events.jsonl of every golden capture, read back, is
 * the same to all our rules.
 */
#include "decide/event_write.h"
#include "decide/mask.h"
#include "decide/policy_impl.h"
#include "packet/capture.h"
#include "run/documents.h"
#include "run/worker.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct event_schema *schema;
static struct event_view *view;
static struct event_writer *writer;
static struct yaml_file file; /* of the event looked at: pretended texts stand in it */

static int start(void **state)
{
	(void)state;
	schema = event_schema_new();
	view = schema ? event_view_new(schema, NULL) : NULL;
	writer = calloc(1, sizeof *writer);
	return !view || !writer;
}

static int end(void **state)
{
	(void)state;
	yaml_fini(&file);
	event_view_free(view);
	event_schema_free(schema);
	free(writer);
	return 0;
}

/* The view of the event of that text; the first message when there is none. */
static bool look(const char *text, char message[512])
{
	struct diag d = { 0 };
	yaml_fini(&file);
	assert_true(yaml_parse("t", bytes_str(text), &file, &d) && file.n == 1);
	event_writer_init(writer, schema, view, "t", &d);
	const struct event *e = event_write(writer, file.docs[0]);
	if (e)
		event_view_look(view, e);
	snprintf(message, 512, "%s", d.n ? d.messages[0].text : "");
	diag_free(&d);
	return e != NULL;
}

static bool element_is(enum fact_type type, struct bytes v, const char *want)
{
	char text[ADDR_TEXT + MAC_TEXT + 32] = "";
	struct addr a;
	struct mac m;
	if (type == FACT_STR)
		return bytes_is(v, want);
	if (type == FACT_UINT)
		snprintf(text, sizeof text, "%llu", (unsigned long long)value_uint(v));
	else if (type == FACT_BOOL)
		snprintf(text, sizeof text, "%s", value_uint(v) ? "true" : "false");
	else if (type == FACT_IP)
		memcpy(&a, v.p, sizeof a), addr_text(&a, text);
	else if (type == FACT_MAC)
		memcpy(&m, v.p, sizeof m), mac_text(&m, text);
	else if (type == FACT_BYTES)
		for (size_t i = 0; i < v.n && i < 16; i++)
			snprintf(text + 2 * i, 3, "%02x", v.p[i]);
	return strcmp(text, want) == 0;
}

static void field_is(const char *field, unsigned index, const char *want)
{
	int n = schema->schema.field(&schema->schema, bytes_str(""), bytes_str(field));
	assert_true(n >= 0);
	const struct view *v = event_view_as_view(view);
	struct leaf l = v->get(v, (uint16_t)n);
	if (!want) {
		assert_int_equal(l.n, 0);
		return;
	}
	if (index >= l.n || !element_is(l.type, l.fact ? fact_value(l.fact, index) : l.values[index], want))
		fail_msg("%s is not %s", field, want);
}

static void written(void **state)
{
	static const struct {
		const char *event, *field;
		unsigned index;
		const char *want;
	} rows[] = {
		{ "{category: flow}", "source.ip", 0, "10.0.0.1" },
		{ "{category: flow}", "event.action", 0, "end" },
		{ "{category: flow, action: end}", "event.action", 0, "end" },
		{ "{category: flow, id.orig_h: 192.0.2.1, dst_port: 80}", "source.ip", 0, "192.0.2.1" },
		{ "{category: flow, id.orig_h: 192.0.2.1, dst_port: 80}", "destination.port", 0, "80" },
		{ "{category: flow, action: accept}", "firewall.action", 0, "accept" },
		{ "{category: flow, action: accept}", "event.action", 0, "end" },
		{ "{category: flow, blocked: 'False'}", "firewall.blocked", 0, "false" },
		{ "{category: flow, action: end, network.state: attempt}", "firewall.action", 0, "drop" },
		{ "{category: flow, action: end, network.state: refused}", "firewall.action", 0, "reject" },
		{ "{category: flow, action: end, network.state: refused}", "firewall.blocked", 0, "true" },
		{ "{category: flow, action: end, network.state: closed}", "firewall.action", 0, "accept" },
		{ "{category: flow, action: end, destination.packets: 0}", "firewall.action", 0, "drop" },
		{ "{category: flow, action: start, destination.packets: 0}", "firewall.action", 0, NULL },
		{ "{category: flow, action: end, network.state: closed}", "conn_state", 0, "SF" },
		{ "{category: flow, action: end, destination.packets: 0}", "conn_state", 0, "S0" },
		{ "{category: flow, action: end, network.state: reset}", "conn_state", 0, NULL },
		{ "{category: flow, network.protocol: tls}", "service", 0, "ssl" },
		{ "{category: dns}", "firewall.blocked", 0, NULL },
		{ "{category: flow, source.ip: '2001:db8::1'}", "network.is_ipv6", 0, "true" },
		{ "{category: smb, action: 'SMB::FILE_OPEN'}", "smb.action", 0, "SMB::FILE_OPEN" },
		{ "{category: smb}", "network.protocol", 0, "smb" },
		{ "{category: http, sc-status: '404', dst_port: '80'}", "http.response.status_code", 0,
			"404" },
		{ "{category: http, sc-status: '404', dst_port: '80'}", "destination.port", 0, "80" },
		{ "{category: dce_rpc}", "rpc_firewall.event_log", 0, "RPCFW" },
		{ "{category: dns, destination.domain: x.example}", "destination.domain", 0, "x.example" },
		{ "{category: dns, answers: [a, b]}", "dns.answers.data", 1, "b" },
		{ "{category: dns, query: ''}", "dns.question.name", 0, "" },
		{ "{category: dns, answers: []}", "dns.answers.data", 0, NULL },
		{ "{category: x509, certificate.serial: '8bb'}", "x509.serial_number", 0, "08bb" },
		{ "{category: x509, certificate.serial: '8BB0'}", "x509.serial_number", 0, "8bb0" },
		{ "{category: dhcp, dhcp.client_id: 'pc-17'}", "dhcp.client_id", 0, "70632d3137" },
		{ "{category: dhcp, source.device.type: pump}", "source.device.type", 0, "pump" },
		{ "{category: flow, network.vlan.id: [3, 4]}", "network.vlan.id", 1, "4" },
		/* Lines of events.jsonl leave out what there was not. */
		{ "{event.category: arp, event.action: reply}", "source.ip", 0, NULL },
		{ "{event.category: arp, event.action: reply, packet: 7}", "event.action", 0, "reply" },
		{ "{event.category: arp, observer.name: x, ecs.version: y}", "source.port", 0, NULL },
		{ "{event.category: phi, phi.classes: [mrn]}", "phi.classes", 0, "mrn" },
		{ "{event.category: dicom, network.standard_port: false}", "network.standard_port", 0,
			"false" },
	};
	char message[512];
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!look(rows[i].event, message))
			fail_msg("%s: %s", rows[i].event, message);
		field_is(rows[i].field, rows[i].index, rows[i].want);
	}
	assert_true(look("{event.category: hl7, event.action: message, phi.classes: [mrn, image]}", message));
	assert_int_equal(event_view_as_view(view)->phi, PHI_BIT(PHI_MRN) | PHI_BIT(PHI_IMAGE));
}

static void wrong(void **state)
{
	static const char *const rows[][2] = {
		{ "{category: dns, dns.question.nam: x}", "is it \"dns.question.name\"?" },
		{ "{category: dns, smb.object: x}", "this event has no field" },
		{ "{category: smb, kerberos.cipher: x}", "this event has no field" },
		{ "{category: flow, action: strat}", "no such event" },
		{ "{category: hl7, action: strat}", "no such event" },
		{ "{category: dns, source.port: 70000}", "not a value of" },
		{ "{category: dns, rejected: maybe}", "not a value of" },
		{ "{category: http, sc-status: '4o4'}", "not a value of" },
		{ "{category: http, sc-status: -1}", "not a value of" },
		{ "{category: flow, network.vlan.id: [1, 2, 3]}", "not a value of" },
		{ "{event.category: dns, '@timestamp': noon}", "a time like" },
	};
	char message[512];
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (look(rows[i][0], message) || !strstr(message, rows[i][1]))
			fail_msg("%s: %s", rows[i][0], message);
}

/* More than fits in one value's room: many elements, long ones. */
static void long_lists(void **state)
{
	char text[8000] = "{category: dns, dns.answers.data: [a", message[512];
	(void)state;
	for (unsigned i = 0; i < 900; i++)
		strncat(text, ", name", sizeof text - strlen(text) - 1);
	strncat(text, "]}", sizeof text - strlen(text) - 1);
	assert_true(look(text, message));
	field_is("dns.answers.data", 900, "name");
	/* Longer than a value may be, of every kind of field. */
	static const char *const fields[] = { "x509.serial_number", "x509.subject.common_name", "source.ip",
		"x509.not_after", "x509.self_signed", "x509.version" };
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		snprintf(text, sizeof text, "{category: x509, %s: '%05000d'}", fields[i], 0);
		assert_false(look(text, message));
		assert_non_null(strstr(message, "not a value of"));
	}
}

/* ---- lines of events.jsonl --------------------------------------------------------------------------- */

enum { MOST_RULES = 256 };

struct line {
	char *text;
	size_t n;
	bool holds[MOST_RULES];
};

struct reading {
	struct policy *policy;
	struct event_view *view;
	struct worker worker;
	struct inventory *inventory;
	struct counters counters;
	struct mask *mask;
	struct json_doc *doc;
	struct line *lines;
	size_t n, cap;
	unsigned held;
};

static void verdicts(struct reading *r, const struct event *e, bool holds[MOST_RULES])
{
	unsigned category = event_schema_category_of(r->policy->schema, e);
	event_view_look(r->view, e);
	for (size_t i = 0; i < r->policy->n_rules; i++) {
		const struct rule *rule = r->policy->rules[i];
		holds[i] = rule->category == category && rule_holds(rule, event_view_as_view(r->view), NULL);
	}
}

static void on_event(void *arg, const struct event *e)
{
	struct reading *r = arg;
	struct doc_context context = { .sensor_name = "test" };
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->lines = realloc(r->lines, r->cap * sizeof *r->lines);
		assert_non_null(r->lines);
	}
	struct line *l = &r->lines[r->n++];
	event_json(r->doc, &context, e);
	struct bytes text = json_flat(r->doc);
	*l = (struct line){ .text = malloc(text.n), .n = text.n };
	memcpy(l->text, text.p, text.n);
	verdicts(r, e, l->holds);
	for (size_t i = 0; i < r->policy->n_rules; i++)
		r->held += l->holds[i];
}

static void drain(void *arg)
{
	struct reading *r = arg;
	uint32_t n;
	for (const void *record; (record = ring_peek(&r->worker.ring, &n)); ring_pop(&r->worker.ring)) {
		const struct event *e = record;
		if (e->record == RECORD_COUNTERS)
			continue;
		mask_learn(r->mask, e);
		inventory_feed(r->inventory, e);
		if (e->record == RECORD_EVENT)
			on_event(r, e);
	}
}

static void read_capture(
	struct reading *r, const char *path, const struct limits *limits, const struct privacy_key *key)
{
	struct diag d = { 0 };
	struct frame f;
	struct worker_setup setup = { .limits = limits, .key = key, .on_full = drain, .arg = r };
	struct capture *c = capture_open(&path, 1, &d);
	assert_non_null(c);
	assert_true(worker_init(&r->worker, &setup));
	r->mask = mask_new(key, limits);
	r->inventory = inventory_new(limits, &r->counters, NULL, NULL);
	assert_true(r->mask && r->inventory);
	inventory_on_asset(r->inventory, on_event, r);
	while (capture_next(c, &f)) {
		worker_packet(&r->worker, &f);
		drain(r);
	}
	worker_finish(&r->worker);
	drain(r);
	capture_close(c);
	diag_free(&d);
}

static void read_back(struct reading *r, const char *path, struct line *l)
{
	struct diag d = { 0 };
	yaml_fini(&file);
	struct bytes json = mask_line(r->mask, bytes_of(l->text, l->n));
	bool read = yaml_parse("line", json, &file, &d) && file.n == 1;
	event_writer_init(writer, r->policy->schema, r->view, "line", &d);
	const struct event *e = read ? event_write(writer, file.docs[0]) : NULL;
	if (!e)
		fail_msg("%s: %.*s: %s", path, (int)json.n, (const char *)json.p,
			d.n ? d.messages[0].text : "");
	/* What the rule asked for may be what is masked. */
	bool holds[MOST_RULES], masked = memmem(json.p, json.n, MASKED, sizeof MASKED - 1);
	verdicts(r, e, holds);
	for (size_t i = 0; i < r->policy->n_rules; i++)
		if (holds[i] != l->holds[i] && !masked)
			fail_msg("%s: \"%s\" %s of %.*s", path, r->policy->rules[i]->text.title,
				holds[i] ? "holds only" : "no longer holds", (int)json.n,
				(const char *)json.p);
	diag_free(&d);
}

static void one_capture(const struct policy *p, const char *path, unsigned *lines, unsigned *held)
{
	struct reading *r = calloc(1, sizeof *r);
	struct limits limits;
	struct privacy_key key;
	limits_default(&limits);
	limits.flows = limits.halves = limits.states = limits.devices = limits.addresses = 1024;
	limits.ring_kib = 1024;
	limits.stream_total_mib = 4;
	privacy_key_init(&key, bytes_str("test"), false);
	assert_non_null(r);
	r->policy = (struct policy *)(void *)p;
	r->view = event_view_new(p->schema, NULL);
	r->doc = json_new();
	assert_true(r->view && r->doc);
	read_capture(r, path, &limits, &key);
	for (size_t i = 0; i < r->n; i++) {
		read_back(r, path, &r->lines[i]);
		free(r->lines[i].text);
	}
	*lines += (unsigned)r->n;
	*held += r->held;
	free(r->lines);
	worker_fini(&r->worker);
	inventory_free(r->inventory);
	mask_free(r->mask);
	json_free(r->doc);
	event_view_free(r->view);
	free(r);
}

static void lines_are_events(void **state)
{
	const char *paths[] = { WW_SOURCE_DIR "/policies", WW_SOURCE_DIR "/tests/policy/language.yml" };
	struct diag d = { 0 };
	glob_t found = { 0 };
	unsigned lines = 0, held = 0;
	struct policy *p = policy_load(paths, 2, &d);
	(void)state;
	assert_non_null(p);
	assert_true(p->n_rules < MOST_RULES);
	assert_int_equal(glob(WW_SOURCE_DIR "/pcaps/*/*.pcap", 0, NULL, &found), 0);
	(void)glob(WW_SOURCE_DIR "/../shared/captures/lab/*.pcap*", GLOB_APPEND, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		one_capture(p, found.gl_pathv[i], &lines, &held);
	print_message("%zu captures, %u lines, %u verdicts\n", found.gl_pathc, lines, held);
	assert_true(lines > 300 && held > 30);
	globfree(&found);
	policy_free(p);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(wrong),
		cmocka_unit_test(long_lists),
		cmocka_unit_test(lines_are_events),
	};
	int failed = cmocka_run_group_tests(tests, start, end);
	return failed != 0;
}
