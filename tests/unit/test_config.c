/* run/config: every key, every mistake with its place and its fix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/config.h"

static void good(void **state)
{
	(void)state;
	static struct config c;
	struct diag d = { 0 };
	config_default(&c);
	assert_string_equal(c.sensor_name, "wardwatch");
	assert_true(c.identify);
	assert_false(c.events || c.key.from_file);
	assert_true(c.limits.devices == 16384);
	assert_true(config_parse(&c, "c.yml",
		bytes_str("sensor: {name: ward-east-1}\npolicies: /etc/p\nidentify: off\npolicy: "
			  "{compat_host: on, min_status: test}\n"
			  "limits:\n  flows: 64\n  ring_kib: 512\noutput: {directory: out, events: true}\n"),
		&d));
	assert_string_equal(c.sensor_name, "ward-east-1");
	assert_string_equal(c.policies, "/etc/p");
	assert_true(c.policy.compat_host && !c.policy.load_deprecated && !c.policy.strict_logsource);
	assert_int_equal(c.policy.min_status, STATUS_TEST);
	assert_string_equal(c.output, "out");
	assert_false(c.identify);
	assert_true(c.events);
	assert_true(c.limits.flows == 64 && c.limits.ring_kib == 512 && c.limits.devices == 16384);
	assert_true(config_parse(&c, "c.yml", bytes_str("limits.flows: 128\n"), &d));
	assert_true(c.limits.flows == 128);
	assert_true(c.home.n == 0);
	assert_true(config_parse(&c, "c.yml",
		bytes_str("sensor: {home_networks: [141.0.0.0/16, '2001:db8::/32', 8.8.8.8]}\n"), &d));
	assert_true(c.home.n == 3 && c.home.list[0].bits == 16 && c.home.list[1].addr.family == 6 &&
		    c.home.list[2].bits == 32);
	assert_true(c.live_promiscuous && !*c.live_filter && !*c.store_file);
	assert_true(config_parse(&c, "c.yml",
		bytes_str("live: {filter: 'ether[12:2] = 0x800 or vlan and not tcp port 104', promiscuous: "
			  "off}\n"
			  "store: {file: /var/lib/w.db}\nlimits: {snap_bytes: 2048, capture_kib: 2097151}\n"),
		&d));
	assert_string_equal(c.live_filter, "ether[12:2] = 0x800 or vlan and not tcp port 104");
	assert_string_equal(c.store_file, "/var/lib/w.db");
	assert_true(!c.live_promiscuous && c.limits.snap_bytes == 2048 && c.limits.capture_kib == 2097151);
	assert_true(config_parse(&c, "c.yml", bytes_str("live.filter: ''\n"), &d));
	assert_true(config_parse(&c, "c.yml", bytes_str(""), &d));
	assert_true(config_parse(&c, "c.yml", bytes_str("# nothing\n"), &d));
	diag_free(&d);
}

static void deliveries(void **state)
{
	(void)state;
	static struct config c;
	struct diag d = { 0 };
	config_default(&c);
	assert_true(c.redis.servers.n == 0 && c.redis.max_entries == 256 && c.redis.max_bytes == 1 << 20 &&
		    c.redis.max_delay == 50 && c.redis.backoff_factor == 2 &&
		    c.redis.trim_entries == 1000000);
	assert_string_equal(c.redis.mode, "stream");
	/* As siem-conventions.md section 4.1 writes it. */
	assert_true(config_parse(&c, "c.yml",
		bytes_str("output:\n  redis:\n    servers: ['rediss://10.20.5.10:6380']\n    mode: list\n"
			  "    extra-fields: false\n"
			  "    auth: {username: wardwatch, password-file: /etc/wardwatch/redis.pw}\n"
			  "    tls: {ca: /etc/ca.pem, cert: null, key: null, server-name: redis.example.net, "
			  "min: '1.3'}\n"
			  "    sentinel: {master: siem, servers: ['10.20.5.11:26379', '10.20.5.12:26379'], "
			  "auth: "
			  "null}\n"
			  "    cluster: auto\n    database: 3\n"
			  "    batch: {max-entries: 100, max-bytes: 64KiB, max-delay: 1s, in-flight: 2}\n"
			  "    timeouts: {connect: 1m, reply: 2h, idle-ping: 3d}\n"
			  "    backoff: {initial: 1ms, factor: 1.5, max: 30s, jitter: 0}\n"
			  "    trim: {maxlen: 0, approximate: off}\n"
			  "  syslog: {server: 'tls://siem:6514', format: cef}\n"),
		&d));
	assert_int_equal(c.redis.servers.n, 1);
	assert_string_equal(c.redis.servers.list[0], "rediss://10.20.5.10:6380");
	assert_string_equal(c.redis.mode, "list");
	assert_string_equal(c.redis.auth.password_file, "/etc/wardwatch/redis.pw");
	assert_string_equal(c.redis.tls.min, "1.3");
	assert_true(!*c.redis.tls.cert && !c.redis.extra_fields && c.redis.sentinel_servers.n == 2);
	assert_true(c.redis.max_bytes == 65536 && c.redis.max_delay == 1000 &&
		    c.redis.connect_timeout == 60000 && c.redis.reply_timeout == 7200000 &&
		    c.redis.idle_ping == 259200000);
	assert_true(c.redis.backoff_factor == 1.5 && c.redis.backoff_jitter == 0 &&
		    c.redis.trim_entries == 0 && !c.redis.trim_approximately && c.redis.database == 3);
	assert_string_equal(c.syslog.format, "cef");
	diag_free(&d);
}

static const struct {
	const char *text;
	unsigned line, column;
	const char *says;
} mistakes[] = {
	{ "identify: on\nsensor:\n  nam: x\n", 3, 3, "did you mean sensor.name?" },
	{ "limit: {flows: 7}\n", 1, 1, "there is no key limit" },
	{ "zzzzzzzzzzz: 1\n", 1, 1, "wardwatch(8) lists them" },
	{ "identify: maybe\n", 1, 11, "on or off" },
	{ "limits: {flows: 3}\n", 1, 17, "whole number from 64 to 4194304; the default is 262144" },
	{ "limits: {flows: -1}\n", 1, 17, "whole number" },
	{ "limits: {flows: many}\n", 1, 17, "whole number" },
	{ "limits: 3\n", 1, 9, "mapping of its keys" },
	{ "sensor: {name: [a]}\n", 1, 16, "has to be a text" },
	{ "sensor: {name: ''}\n", 1, 16, "has to be a text" },
	{ "sensor: {home_networks: 10}\n", 1, 25, "list of at most 64 networks" },
	{ "sensor:\n  home_networks: [10.0.0.0/8, 141.0.0.0/33]\n", 2, 31,
		"141.0.0.0/33 is no network; write 141.0.0.0/16" },
	{ "sensor.home_networks: [0.0.0.0/0]\n", 1, 24, "is no network" },
	{ "sensor.home_networks: [141.0.0/16]\n", 1, 24, "is no network" },
	{ "sensor.home_networks: [[1]]\n", 1, 24, "is no network" },
	{ "live:\n  filter: tcp prt 80\n", 2, 11, "the capture filter 'tcp prt 80' is not understood: " },
	{ "live: {filter: [a]}\n", 1, 16, "has to be a text" },
	{ "live: {promiscuous: 3}\n", 1, 21, "on or off" },
	{ "limits: {snap_bytes: 100}\n", 1, 22, "whole number from 256 to 262144" },
	{ "limits: {capture_kib: 2097152}\n", 1, 23, "whole number from 256 to 2097151" },
	{ "store: {file: {a: 1}}\n", 1, 15, "has to be a text" },
	{ "output: {redis: {mode: streams}}\n", 1, 24, "has to be stream|list|channel" },
	{ "output: {redis: {mode: 'stream|list'}}\n", 1, 24, "has to be stream|list|channel" },
	{ "output.redis.batch:\n  max-delay: 50\n", 2, 14, "a duration like 50ms" },
	{ "output.redis.batch: {max-delay: 1y}\n", 1, 33, "a duration like 50ms" },
	{ "output.redis.batch: {max_bytes: 1MB}\n", 1, 33, "a size like 512" },
	{ "output.redis.batch: {max_bytes: 999999999999999GiB}\n", 1, 33, "a size like 512" },
	{ "output.redis.batch: {in_flight: 0}\n", 1, 33, "1 or more" },
	{ "output.redis.database: -1\n", 1, 24, "0 or more" },
	{ "output.redis.backoff: {factor: fast}\n", 1, 32, "a number, 0 or more" },
	{ "output.redis.backoff: {factor: .inf}\n", 1, 32, "a number, 0 or more" },
	{ "output.redis.servers: {a: b}\n", 1, 23, "a list of at most 16 texts" },
	{ "output.redis.servers: [[a]]\n", 1, 23, "a list of at most 16 texts" },
	{ "- a\n", 1, 1, "has to be a mapping" },
	{ "privacy: {key_file: /nonexistent/key}\n", 1, 21, "cannot be opened" },
	{ "privacy: {key-file: /nonexistent/key}\n", 1, 21, "cannot be opened" },
	{ "limits: {flows: 64}\nlimits.flows: 128\n", 2, 1,
		"limits.flows is set a second time, first in line 1, column 10" },
	{ "limits:\n  ring_kib: 512\n  ring-kib: 512\n", 3, 3, "first in line 2, column 3" },
	{ "sensor.name: a\nsensor: {name: b}\n", 2, 10, "sensor.name is set a second time" },
};

static void bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
		static struct config c;
		struct diag d = { 0 };
		config_default(&c);
		assert_false(config_parse(&c, "c.yml", bytes_str(mistakes[i].text), &d));
		assert_true(d.n >= 1);
		if (!strstr(d.messages[0].text, mistakes[i].says) || d.messages[0].line != mistakes[i].line ||
			d.messages[0].column != mistakes[i].column)
			print_error("%s -> %u:%u %s\n", mistakes[i].text, d.messages[0].line,
				d.messages[0].column, d.messages[0].text);
		assert_non_null(strstr(d.messages[0].text, mistakes[i].says));
		assert_int_equal(d.messages[0].line, mistakes[i].line);
		assert_int_equal(d.messages[0].column, mistakes[i].column);
		diag_free(&d);
	}
}

/* All mistakes at once, not the first only. */
static void all_said(void **state)
{
	(void)state;
	static struct config c;
	struct diag d = { 0 };
	config_default(&c);
	assert_false(config_parse(&c, "c.yml", bytes_str("a: 1\nidentify: 7\nlimits: {flows: 1}\n"), &d));
	assert_true(d.errors == 3);
	diag_free(&d);
}

static void key_file(void **state)
{
	(void)state;
	static struct config c;
	char path[] = "/tmp/test_config.XXXXXX", text[64];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	snprintf(text, sizeof text, "privacy: {key_file: %s}\n", path);
	const struct {
		const char *secret;
		mode_t mode;
		const char *says; /* NULL: good */
	} rows[] = {
		{ "0123456789abcdef", 0600, NULL },
		{ "0123456789abcdef", 0640, "chmod 600" },
		{ "0123456789abcdef", 0604, "chmod 600" },
		{ "short", 0600, "fewer than 16 bytes" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct diag d = { 0 };
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_true(pwrite(fd, rows[i].secret, strlen(rows[i].secret), 0) > 0);
		assert_int_equal(fchmod(fd, rows[i].mode), 0);
		config_default(&c);
		assert_int_equal(config_parse(&c, "c.yml", bytes_str(text), &d), rows[i].says == NULL);
		assert_int_equal(c.key.from_file, rows[i].says == NULL);
		if (rows[i].says)
			assert_non_null(strstr(d.messages[0].text, rows[i].says));
		diag_free(&d);
	}
	close(fd);
	unlink(path);
}

static char *printed(const struct config *c, size_t *n)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, n);
	assert_non_null(f);
	config_print(c, f);
	fclose(f);
	return text;
}

static void round_trip(const char *text)
{
	static struct config c, back;
	struct diag d = { 0 };
	size_t n, again_n;
	config_default(&c);
	assert_true(config_parse(&c, "c.yml", bytes_str(text), &d));
	char *once = printed(&c, &n);
	config_default(&back);
	if (!config_parse(&back, "printed.yml", bytes_of(once, n), &d))
		print_error("%u: %s\n%s\n", d.messages[0].line, d.messages[0].text, once);
	assert_int_equal(d.n, 0);
	char *again = printed(&back, &again_n);
	assert_string_equal(once, again);
	c.key = back.key; /* random for each */
	assert_memory_equal(&c, &back, sizeof c);
	free(once);
	free(again);
	diag_free(&d);
}

/* What --print-config prints is taken back and means the same. */
static void print(void **state)
{
	(void)state;
	round_trip("");
	round_trip("sensor: {name: \"a: #b \\\"q\\\" \\\\ \\n \\u0085 \\u202e caf\u00e9 'x'\", "
		   "home_networks: [141.0.0.0/16, '2001:db8::/32', 8.8.8.8]}\n"
		   "policies: 'null'\nidentify: off\npolicy: {min_status: stable, compat_host: on}\n"
		   "output: {directory: 007, events: on}\nlimits: {flows: 64, tunnel_depth: 32}\n");
	static struct config c;
	size_t n;
	config_default(&c);
	char *text = printed(&c, &n), line[2048];
	for (size_t i = 0; i < setting_rows_n; i++) {
		snprintf(line, sizeof line, "\n# %s", setting_rows[i].sentence);
		assert_non_null(strstr(text, line));
		snprintf(line, sizeof line, "\n%s: ", setting_rows[i].key);
		assert_non_null(strstr(text, line));
	}
	for (size_t i = 0; i < limit_rows_n; i++) {
		snprintf(line, sizeof line, "\n# %s (%llu to %llu, default %llu)\nlimits.%s: %llu\n",
			limit_rows[i].sentence, (unsigned long long)limit_rows[i].least,
			(unsigned long long)limit_rows[i].most, (unsigned long long)limit_rows[i].def,
			limit_rows[i].name, (unsigned long long)limit_rows[i].def);
		assert_non_null(strstr(text, line));
	}
	free(text);
}

/* Without a key file no two runs share a key. */
static void random_key(void **state)
{
	(void)state;
	static struct config a, b;
	config_default(&a);
	config_default(&b);
	assert_memory_not_equal(a.key.inner, b.key.inner, sizeof a.key.inner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(deliveries),
		cmocka_unit_test(bad),
		cmocka_unit_test(all_said),
		cmocka_unit_test(key_file),
		cmocka_unit_test(print),
		cmocka_unit_test(random_key),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
