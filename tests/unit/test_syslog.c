/* run/syslog: headers, and configurations that are refused. Deliveries: tests/e2e/syslog_delivery.py. */
#include "base/json_read.h"
#include "run/syslog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct syslog_setup setup;
static struct json_tree tree;

static void header_is(enum outbox_class class, enum level level, const char *document, const char *want)
{
	struct outbox_record r = { .class = class, .level = level, .document = bytes_str(document) };
	char out[SYSLOG_HEADER];
	assert_true(json_parse(&tree, r.document));
	size_t n = syslog_header(&setup, &r, &tree, out);
	if (n != strlen(want) || memcmp(out, want, n) != 0)
		print_error("got  %.*s\nwant %s\n", (int)n, out, want);
	assert_true(n == strlen(want) && memcmp(out, want, n) == 0);
}

static void headers(void **state)
{
	(void)state;
	syslog_default(&setup);
	header_is(OUTBOX_ALERT, LEVEL_CRITICAL,
		"{\"@timestamp\":\"2026-03-01T08:14:22.103394Z\",\"event\":{\"id\":\"e1-3\",\"risk_score\":"
		"84},"
		"\"observer\":{\"name\":\"ward-east-1\"},\"wardwatch\":{\"category\":\"phi_exposure\","
		"\"confidence\":95}}",
		"<130>1 2026-03-01T08:14:22.103394Z ward-east-1 wardwatch - phi_exposure "
		"[wardwatch@32473 id=\"e1-3\" score=\"84\" conf=\"95\"] ");
	/* Nothing of what would be there: each has its place all the same. */
	setup.facility = 23;
	setup.enterprise = 4294967295;
	setup.app_name = "";
	header_is(OUTBOX_ASSET, LEVEL_INFORMATIONAL, "{}", "<190>1 - - - - asset [wardwatch@4294967295] ");
	/* Names that would end a field, and values that would end the data. */
	syslog_default(&setup);
	header_is(OUTBOX_HEALTH, LEVEL_LOW,
		"{\"@timestamp\":\"now\",\"event\":{\"id\":\"a\\\"b]c\\\\d\\n\xc3\xa9\\u202e\","
		"\"risk_score\":\"84] \"},\"observer\":{\"name\":\"a b\\tc\xc3\xa9\"}}",
		"<133>1 - a_b_c_ wardwatch - health "
		"[wardwatch@32473 id=\"a\\\"b\\]c\\\\d_\xc3\xa9_\"] ");
}

/* The longest of everything still fits. */
static void longest(void **state)
{
	static char document[8192];
	char name[1200], out[SYSLOG_HEADER];
	(void)state;
	syslog_default(&setup);
	for (size_t i = 0; i + 2 < sizeof name; i += 2)
		memcpy(name + i, "\\\\", 3);
	name[1000] = 0;
	setup.app_name = "a-name-of-sixty-characters-that-no-one-would-give-to-anything";
	snprintf(document, sizeof document,
		"{\"@timestamp\":\"2026-03-01T08:14:22.103394Z\",\"event\":{\"id\":\"%s\",\"risk_score\":%"
		"0200d},"
		"\"observer\":{\"name\":\"%s\"},\"wardwatch\":{\"category\":\"%s\",\"confidence\":1%0200d}}",
		name, 0, name, name, 0);
	struct outbox_record r = { .level = LEVEL_HIGH, .document = bytes_str(document) };
	assert_false(json_parse(&tree, r.document)); /* no number begins so */
	char *zeros = strstr(document, "\"risk_score\":") + 13;
	*zeros = '1';
	assert_true(json_parse(&tree, r.document));
	size_t n = syslog_header(&setup, &r, &tree, out);
	assert_true(n < SYSLOG_HEADER && memcmp(out + n - 2, "] ", 2) == 0);
}

static void refused(const char *words)
{
	struct broker none = { .fd = -1 };
	struct delivery_hooks hooks = { 0 };
	struct diag d = { 0 };
	struct delivery *y = syslog_new(&setup, &none, &hooks, &d);
	assert_true((y == NULL) == (words != NULL));
	if (words)
		assert_true(d.errors == 1 && strstr(d.messages[0].text, words));
	diag_free(&d);
	if (y) {
		assert_int_equal(y->room(y), 0); /* not connected */
		y->free(y);
	}
}

static void configurations(void **state)
{
	(void)state;
	static const char *const here[] = { "localhost", "127.0.0.1", "127.8.8.8", "::1" };
	syslog_default(&setup);
	setup.server.host = "siem.example.net";
	refused("TLS");
	setup.transport = SYSLOG_TCP;
	refused("in clear over the network");
	setup.transport = SYSLOG_UDP;
	refused("siem.example.net");
	setup.clear_is_forced = true;
	refused(NULL);
	setup.message_most = SYSLOG_UDP_MOST + 1;
	refused("65000");
	setup.transport = SYSLOG_TCP;
	refused(NULL);
	setup.message_most = SYSLOG_LEAST - 1;
	refused("4096");
	setup.message_most = SYSLOG_LEAST;
	setup.facility = 24;
	refused("16 is local0");
	setup.facility = 0;
	setup.clear_is_forced = false;
	for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
		setup.server.host = here[i];
		refused(NULL);
	}
	setup.server.host = "127.0.0.1.example.net";
	refused("in clear");
	assert_true(syslog_endpoint(SYSLOG_UDP, "a", "514").is_datagram);
	assert_false(syslog_endpoint(SYSLOG_TLS, "a", "6514").is_datagram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(longest),
		cmocka_unit_test(configurations),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_tree_fini(&tree);
	return failed != 0;
}
