/* policy: log sources, what they take for granted, and the options of a load. */
#include "decide/event_write.h"
#include "decide/policy_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define HEAD "title: t\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afa\nlevel: low\n"

static struct policy *load(const struct policy_options *o, const char *text, struct diag *d)
{
	*d = (struct diag){ 0 };
	return policy_load_text_with(o, "t.yml", bytes_str(text), d);
}

static struct policy *load_source(
	const struct policy_options *o, const char *source, const char *detection, struct diag *d)
{
	char text[1024];
	snprintf(text, sizeof text, "%slogsource: %s\ndetection: %s\n", HEAD, source, detection);
	return load(o, text, d);
}

static void drop(struct policy *p, struct diag *d)
{
	policy_free(p);
	diag_free(d);
}

static void attached(void **state)
{
	static const struct {
		const char *source, *category;
		enum where where;
	} rows[] = {
		{ "{product: zeek, service: conn}", "flow", WHERE_ENDED },
		{ "{product: zeek, service: ssl}", "tls", WHERE_ALL },
		{ "{product: zeek, service: rfb}", "vnc", WHERE_ALL },
		{ "{product: zeek, service: kerberos}", "kerberos", WHERE_ALL },
		{ "{product: zeek, service: dce_rpc}", "dce_rpc", WHERE_ALL },
		{ "{product: zeek, service: smb_files}", "smb", WHERE_SMB_FILE },
		{ "{product: zeek, service: smb_mapping}", "smb", WHERE_SMB_TREE },
		{ "{product: zeek, service: files}", "file", WHERE_ALL },
		{ "{category: network, service: connection}", "flow", WHERE_ENDED },
		{ "{category: network, service: dns}", "dns", WHERE_ALL },
		{ "{category: dns}", "dns", WHERE_ALL },
		{ "{category: firewall, product: anything}", "flow", WHERE_ENDED },
		{ "{category: proxy}", "http", WHERE_TO_OUTSIDE },
		{ "{category: webserver, product: apache}", "http", WHERE_TO_HOME },
		{ "{category: application, product: rpc_firewall}", "dce_rpc", WHERE_ALL },
		{ "{category: dns_query, product: windows}", "dns", WHERE_ALL },
		{ "{category: network_connection, product: macos}", "flow", WHERE_ENDED },
		{ "{product: wardwatch, service: hl7}", "hl7", WHERE_ALL },
	};
	const struct policy_options o = { .compat_host = true };
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d;
		struct policy *p =
			load_source(&o, rows[i].source, "{s: {source.ip: 10.0.0.1}, condition: s}", &d);
		if (!p || p->n_rules != 1 || p->rules[0]->where != rows[i].where ||
			!bytes_is(p->schema->category[p->rules[0]->category], rows[i].category))
			fail_msg("%s", rows[i].source);
		drop(p, &d);
	}
}

/* One message of that code; whether the rule is loaded. */
static void says(const struct policy_options *o, const char *text, const char *code, size_t rules)
{
	struct diag d;
	struct policy *p = load(o, text, &d);
	size_t loaded = p ? policy_rules(p) : 0;
	if (*code ? d.n != 1 || strcmp(d.messages[0].code, code) != 0 : d.n != 0)
		fail_msg("%s: %s", text, d.n ? d.messages[0].code : "nothing said");
	assert_int_equal(loaded, rules);
	if (p)
		policy_free(p);
	diag_free(&d);
}

#define HOST                                                                                                 \
	HEAD "logsource: {category: dns_query, product: windows}\ndetection: {s: {%s: x}, condition: s}\n"
#define NONE HEAD "logsource: {category: process_creation}\ndetection: {s: {Image: x}, condition: s}\n"
#define DNS  "logsource: {category: dns}\ndetection: {s: {query: x}, condition: s}\n"

static void options(void **state)
{
	const struct policy_options plain = { 0 }, host = { .compat_host = true },
				    strict = { .strict_logsource = true },
				    old = { .load_deprecated = true, .min_status = STATUS_STABLE },
				    test = { .min_status = STATUS_TEST };
	char names[300], image[300], unheard[300];
	(void)state;
	snprintf(names, sizeof names, HOST, "QueryName");
	snprintf(image, sizeof image, HOST, "Image|endswith");
	snprintf(unheard, sizeof unheard, HOST, "Unheard.of");
	says(&plain, names, "S1", 0);
	says(&host, names, "", 1);
	says(&host, image, "S2", 0);
	says(&host, unheard, "S2", 0);
	says(&strict, names, "E131", 0);
	says(&plain, NONE, "S1", 0);
	says(&host, NONE, "S1", 0);
	says(&strict, NONE, "E131", 0);
	says(&plain, HEAD "status: deprecated\n" DNS, "S5", 0);
	says(&old, HEAD "status: deprecated\n" DNS, "", 1);
	says(&old, HEAD "status: unsupported\n" DNS, "S5", 0);
	says(&old, HEAD "status: test\n" DNS, "S5", 0);
	says(&old, HEAD "status: stable\n" DNS, "", 1);
	says(&test, HEAD "status: experimental\n" DNS, "S5", 0);
	says(&test, HEAD "status: test\n" DNS, "", 1);
	says(&test, HEAD DNS, "", 1);
	says(&plain, HEAD "status: experimental\n" DNS, "", 1);
	says(&plain, HEAD "taxonomy: zeek\n" DNS, "", 1);
	says(&plain, HEAD "taxonomy: splunk\n" DNS, "E123", 0);
}

/* The category where the service belongs: the message shows the line as it would be right. */
static void named_by_service(void **state)
{
	static const struct policy_options plain = { 0 };
	struct diag d;
	(void)state;
	assert_null(
		load_source(&plain, "{product: wardwatch, category: hl7}", "{a: {x: 1}, condition: a}", &d));
	assert_string_equal(d.messages[0].code, "E131");
	assert_non_null(strstr(d.messages[0].text, "{product: wardwatch, service: hl7}"));
	diag_free(&d);
	assert_null(load_source(&plain, "{product: wardwatch}", "{a: {x: 1}, condition: a}", &d));
	assert_non_null(strstr(d.messages[0].text, "{product: wardwatch, service: dicom}"));
	diag_free(&d);
}

#define OTHER "---\ntitle: u\nid: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afb\nlevel: low\n" DNS

static void related(void **state)
{
	const struct policy_options o = { 0 };
	(void)state;
	says(&o, HEAD "related: [{id: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afb, type: similar}]\n" DNS OTHER, "",
		2);
	says(&o, HEAD "related: [{id: 5E72a5b6-e903-4cb4-b2c9-30c4311a9afb, type: obsolete}]\n" DNS OTHER,
		"W122", 2);
	says(&o, HEAD "related: [{id: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afb, type: obsolete}]\n" DNS, "", 1);
	says(&o, HEAD "related: [{id: 5e72a5b6-e903-4cb4-b2c9-30c4311a9afb}]\n" DNS, "E127", 0);
	says(&o, HEAD "related: x\n" DNS, "E127", 0);
}

static bool holds(const struct policy *p, const char *event)
{
	struct event_view *v = event_view_new(p->schema, NULL);
	struct event_writer *w = calloc(1, sizeof *w);
	struct yaml_file file;
	struct diag d = { 0 };
	assert_true(v && w && yaml_parse("t", bytes_str(event), &file, &d));
	event_writer_init(w, p->schema, v, "t", &d);
	const struct event *e = event_write(w, file.docs[0]);
	assert_non_null(e);
	event_view_look(v, e);
	bool held = rule_holds(p->rules[0], event_view_as_view(v), NULL);
	yaml_fini(&file);
	event_view_free(v);
	free(w);
	return held;
}

/* The home networks are the private ranges and those of the site. */
static void where(void **state)
{
	static const struct {
		const char *source, *event;
		bool held;
	} rows[] = {
		{ "{category: webserver}", "{category: http, method: GET, destination.ip: 10.1.1.1}", true },
		{ "{category: webserver}", "{category: http, method: GET, destination.ip: 203.0.113.1}",
			false },
		{ "{category: webserver}", "{category: http, method: GET, destination.ip: 141.5.6.7}", true },
		{ "{category: webserver}", "{category: http, method: GET, destination.ip: 'fd00::1'}", true },
		{ "{category: webserver}", "{category: http, method: PUT, destination.ip: 10.1.1.1}", false },
		{ "{category: proxy}", "{category: http, method: GET, destination.ip: 10.1.1.1}", false },
		{ "{category: proxy}", "{category: http, method: GET, destination.ip: 203.0.113.1}", true },
		{ "{category: proxy}", "{category: http, method: GET, destination.ip: '2a00::1'}", true },
		{ "{category: proxy}", "{category: http, method: GET, destination.ip: 141.5.6.7}", false },
		{ "{category: proxy}", "{category: http, method: GET, destination.ip: '2001:db8:7::1'}",
			false },
		{ "{category: proxy}", "{category: http, method: GET, destination.ip: 224.0.0.9}", false },
		{ "{category: proxy}", "{event.category: http, method: GET}", false },
	};
	struct network home[2];
	(void)state;
	assert_true(network_parse(bytes_str("141.5.3.1/16"), &home[0]));
	assert_true(network_parse(bytes_str("2001:db8:7::1/48"), &home[1]));
	const struct policy_options o = { .home = home, .n_home = 2 };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d;
		struct policy *p =
			load_source(&o, rows[i].source, "{s: {http.request.method: GET}, condition: s}", &d);
		assert_non_null(p);
		if (holds(p, rows[i].event) != rows[i].held)
			fail_msg("%s: %s", rows[i].source, rows[i].event);
		drop(p, &d);
	}
}

static void smb_objects(void **state)
{
	const struct policy_options o = { 0 };
	struct diag d;
	(void)state;
	struct policy *p = load_source(
		&o, "{product: zeek, service: smb_files}", "{s: {path|endswith: 'C$'}, condition: s}", &d);
	assert_true(holds(p, "{category: smb, smb.object: file, path: 'x/C$'}"));
	assert_false(holds(p, "{category: smb, smb.object: tree, path: 'x/C$'}"));
	assert_false(holds(p, "{category: smb, path: 'x/C$'}"));
	drop(p, &d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attached),
		cmocka_unit_test(options),
		cmocka_unit_test(named_by_service),
		cmocka_unit_test(related),
		cmocka_unit_test(where),
		cmocka_unit_test(smb_objects),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
