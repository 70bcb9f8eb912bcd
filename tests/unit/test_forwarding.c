/* Addresses of outputs as the configuration writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "run/forwarding.h"

static void wrong_addresses(void **state)
{
	static const char *const redis[] = { "http://a", "redis://", "redis://a:0", "redis://a:65536",
		"redis://a:b", "redis://a/b", "unix://a", "redis://[::1", "redis://:S3cret@a",
		"redis://u:S3cret@a:6379", "u:S3cret@a" };
	static const char *const syslog[] = { "a", "tls://", "tcp://a:x", "tcp://S3cret@a", "redis://a" };
	(void)state;
	for (size_t i = 0; i < sizeof redis / sizeof *redis + sizeof syslog / sizeof *syslog; i++) {
		static struct config c;
		static struct forwarding f;
		struct diag d = { 0 };
		size_t of_syslog = i - sizeof redis / sizeof *redis;
		bool is_redis = i < sizeof redis / sizeof *redis;
		config_default(&c);
		if (is_redis)
			snprintf(c.redis.servers.list[c.redis.servers.n++], sizeof c.redis.servers.list[0],
				"%s", redis[i]);
		else
			snprintf(c.syslog.server, sizeof c.syslog.server, "%s", syslog[of_syslog]);
		assert_true(forwarding_is_wanted(&c));
		if (forwarding_begin(&f, &c, false, &d))
			fail_msg("taken: %s", is_redis ? redis[i] : syslog[of_syslog]);
		assert_true(d.errors == 1 && strstr(d.messages[0].text, "write "));
		assert_null(strstr(d.messages[0].text, "S3cret"));
		forwarding_end(&f);
		diag_free(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(wrong_addresses) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
