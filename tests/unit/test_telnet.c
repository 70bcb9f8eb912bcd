/* Telnet logins as servers and clients type them, whole, split, one-sided, picked up midway and hostile. */
#include "linetalk.h"

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#define LOGIN(side, outcome) "telnet.login " side " telnet.auth_scheme=password event.outcome=" outcome "\n"
#define ATTEMPT(side, judged, outcome, length)                                                               \
	"credential.attempt " side " credential.protocol=telnet credential.scheme=password "                 \
	"credential.cleartext=true " judged " credential.outcome=" outcome                                   \
	" credential.secret_length_class=" length "\n"
#define DEFAULT "credential.default_match=common-default credential.username_class=default"
#define OTHER   "credential.username_class=personal"
#define USUAL   "credential.username_class=default"

static void expect(const struct chunk *chunks, size_t n, const char *wanted)
{
	dxtest_expect(
		&(struct dxtest){ .proto = PROTO_telnet, .quiet_observations = true }, chunks, n, wanted);
}

static const struct chunk typed[] = {
	S("\xff\xfd\x18\xff\xfd\x20\xff\xfd\x27"),
	C("\xff\xfb\x18\xff\xfc\x20\xff\xfb\x27"),
	S("\xff\xfa\x18\x01\xff\xf0\xff\xfa\x27\x01\xff\xf0"),
	C("\xff\xfa\x18\x00XTERM\xff\xf0\xff\xfa\x27\x00\x00USER\x01"
	  "biomed\x03OTHER\x01x\xff\xf0"),
	S("\xff\xfb\x03\xff\xfb\x01\r\nLinux 6.1 (pump.example)\r\n\r\npump login: "),
	C("b"),
	S("b"),
	C("i"),
	S("i"),
	C("o"),
	S("o"),
	C("m"),
	S("m"),
	C("\r\0"),
	S("\r\n"),
	S("Password: "),
	C("I"),
	C("n"),
	C("f"),
	C("x"),
	C("\x7f"),
	C("use8100"),
	C("\r\0"),
	S("\r\nLast login: Sat Nov 27 20:11:43 on ttyp2\r\n$ "),
	C("exit\r\0"),
	S("exit\r\n"),
};

static void test_typed_login(void **state)
{
	(void)state;
	dxtest_expect(&(struct dxtest){ .proto = PROTO_telnet }, typed, LEN(typed),
		"telnet.terminal client telnet.terminal_type=XTERM\n"
		"telnet.environment client telnet.env_names=[USER,other] telnet.auth_bypass=false\n"
		"telnet.banner server telnet.banner=Linux 6.1 (pump.example) pump login:\n"
		"observe telnet sender server banner=Linux 6.1 (pump.example) pump login:@70\n" LOGIN(
			"server", "success") ATTEMPT("server", OTHER, "accepted", "medium"));
}

static void test_attempts(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("\xff\xfb\x01login: "),
		C("root\r\n"),
		S("root\r\nPassword: "),
		C("toor-4471\r\n"),
		S("\r\nLogin incorrect\r\nlogin: "),
		C("admin\r\n"),
		S("admin\r\nPassword: "),
		C("admin\r\n"),
		S("\r\nlogin: "),
		C("admin\r\n"),
		S("admin\r\nPassword: "),
		C("admin2345\r\n"),
		S("\r\n# "),
	};
	expect(chunks, LEN(chunks),
		"telnet.banner server telnet.banner=login:\n" LOGIN("server", "failure")
			ATTEMPT("server", USUAL, "refused", "medium") LOGIN("server", "failure")
				ATTEMPT("server", DEFAULT, "refused", "short") LOGIN("server", "success")
					ATTEMPT("server", USUAL, "accepted", "medium"));
}

static void test_password_only(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("\r\nUser Access Verification\r\n\r\nPassword: "),
		C("one\r\n"),
		S("\r\nPassword: "),
		C("two\r\n"),
		S("\r\nrouter>"),
		C("show version\r\n"),
	};
	expect(chunks, LEN(chunks),
		"telnet.banner server telnet.banner=User Access Verification Password:\n" LOGIN("server",
			"failure") ATTEMPT("server", "credential.username_class=none", "refused", "short")
			LOGIN("server", "success")
				ATTEMPT("server", "credential.username_class=none", "accepted", "short"));
}

static void test_menu_is_unknown(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("Username: "),
		C("biomed\r\n"),
		S("biomed\r\nPassword: "),
		C("Infuse8100\r\n"),
		S("\r\n****\r\n1 Status\r\n2 Setup\r\nSelect: "),
		C("1\r\n"),
		S("up 50% of #3 <ok>\r\n"),
	};
	expect(chunks, LEN(chunks),
		"telnet.banner server telnet.banner=Username:\n" LOGIN("client", "unknown")
			ATTEMPT("client", OTHER, "unknown", "medium"));
}

static void test_no_login_asked(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("\xff\xfd\x03\r\nVxWorks shell\r\n-> "),
		C("i\r\n"),
		S("i\r\n...\r\n-> "),
		C("version\r\n"),
	};
	expect(chunks, LEN(chunks), "telnet.session client telnet.auth_scheme=none\n");
}

static void test_text_that_is_no_prompt(void **state)
{
	(void)state;
	/* output that speaks of logins and users, and nothing was asked */
	static const struct chunk chunks[] = {
		S("\xff\xfd\x03$ "),
		C("cat /etc/passwd\r\n"),
		S("user:x:1000:1000::/:/bin/sh\r\n$ "),
		C("ls\r\n"),
		S("login: no such file\r\n$ "),
		C("exit\r\n"),
	};
	char *text = dxtest_splits(
		&(struct dxtest){ .proto = PROTO_telnet, .quiet_observations = true }, chunks, LEN(chunks));
	assert_null(strstr(text, "credential"));
	assert_null(strstr(text, "telnet.login"));
	free(text);
}

static void test_one_sided(void **state)
{
	(void)state;
	static const struct chunk server[] = {
		S("login: "),
		S("root\r\nPassword: "),
		S("\r\nLogin incorrect\r\nlogin: "),
	};
	expect(server, LEN(server),
		"telnet.banner server telnet.banner=login:\n" LOGIN(
			"server", "failure") "credential.attempt server credential.protocol=telnet "
					     "credential.scheme=password "
					     "credential.cleartext=true credential.username_class=none "
					     "credential.outcome=refused\n");
	static const struct chunk client[] = { C("root\r\n"), C("toor\r\n") };
	expect(client, LEN(client), "");
}

static void test_midstream(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("rd: "),
		C("secret\r\n"),
		S("\r\nLogin incorrect\r\nlogin: "),
		C("root\r\n"),
		S("root\r\nPassword: "),
		C("secret12\r\n"),
		S("\r\n$ "),
	};
	dxtest_expect(&(struct dxtest){ .proto = PROTO_telnet, .midstream = true }, chunks, LEN(chunks),
		"telnet.login server +midstream telnet.auth_scheme=password event.outcome=success\n"
		"credential.attempt server +midstream credential.protocol=telnet credential.scheme=password "
		"credential.cleartext=true " USUAL " credential.outcome=accepted "
		"credential.secret_length_class=medium\n");
}

static void test_bypass(void **state)
{
	(void)state;
	static const struct chunk chunks[] = { C("\xff\xfa\x27\x00\x00USER\x01-f root\xff\xf0") };
	expect(chunks, LEN(chunks),
		"telnet.environment client telnet.env_names=[USER] telnet.auth_bypass=true\n");
}

/* RFC 1571: the codes of VAR and VALUE the wrong way round make a value look like a name. */
static void test_values_for_names(void **state)
{
	(void)state;
	static const struct chunk chunks[] = { C(
		"\xff\xfa\x24\x00\x01USER\x00kzubrowski\x01PASSWD\x00hunter2\xff\xf0") };
	expect(chunks, LEN(chunks),
		"telnet.environment client telnet.env_names=[USER,other,other] "
		"telnet.auth_bypass=false\n");
}

static void test_no_secret_is_said(void **state)
{
	(void)state;
	/* the name and the password echoed, a prompt in an unknown tongue */
	static const struct chunk chunks[] = {
		S("\xff\xfb\x01Pumpe 4\r\nIhr Name: "),
		C("h"),
		S("h"),
		C("averkamp:"),
		S("averkamp:"),
		C("\r\n"),
		S("\r\nGeheim: "),
		C("Saturn:99\r\n"),
		S("Saturn:99\r\nfalsch: Saturn\r\nlogin: "),
		C("haverkamp\r\n"),
		S("haverkamp\r\nPassword: "),
		C("Saturn99\r\n"),
		S("Saturn99\r\nNo: haverkamp Saturn99\r\nlogin:"),
	};
	char *text = dxtest_splits(&(struct dxtest){ .proto = PROTO_telnet }, chunks, LEN(chunks));
	assert_null(strstr(text, "averkamp"));
	assert_null(strstr(text, "Saturn"));
	assert_non_null(strstr(text, "failure"));
	free(text);
}

/* The conversation is over before the server says how the login went. */
static void test_unanswered(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("login: "),
		C("root\r\n"),
		S("root\r\nPassword: "),
		C("toor\r\n"),
		S("\r\n"),
	};
	expect(chunks, LEN(chunks),
		"telnet.banner server telnet.banner=login:\n" LOGIN("client", "unknown")
			ATTEMPT("client", DEFAULT, "unknown", "short"));
	expect(chunks, 3, "telnet.banner server telnet.banner=login:\n"); /* nothing was tried */
}

static void test_hostile(void **state)
{
	(void)state;
	static uint8_t flood[5000];
	memset(flood, 'A', sizeof flood);
	const struct chunk chunks[] = {
		{ DIR_SERVER, bytes_of(flood, sizeof flood) },
		S("\xff\xfa\x18"),
		{ DIR_SERVER, bytes_of(flood, 1100) },
		S("\xff\xf0login: "),
		C("\xff\xff\xff\xf3\xff\xfa\xff\xf0\xff\xfa\x18\xff\xf0\xff\xfa\x27\x00\x00\x02\xff\xf0"),
		C("root\r\n"),
		{ DIR_SERVER, { NULL, 100 } },
		S("\r\nlogin: "),
	};
	free(dxtest_splits(&(struct dxtest){ .proto = PROTO_telnet }, chunks, LEN(chunks)));
	static const struct chunk bad[] = { S("\xff\x01\xff\x02\xff\x03login: ") };
	expect(bad, LEN(bad), "malformed 3\n");
	for (size_t i = 0; i < LEN(typed); i++)
		dxtest_cuts(&(struct dxtest){ .proto = PROTO_telnet }, typed, LEN(typed), i);
}

static void test_probe(void **state)
{
	(void)state;
	const struct dissector *d = &dissector_telnet;
	assert_int_equal(d->probe(bytes_str("\xff\xfd\x18\xff"), DIR_SERVER), PROBE_YES);
	assert_int_equal(d->probe(bytes_str("\xff\xfd"), DIR_SERVER), PROBE_MORE);
	assert_int_equal(d->probe(bytes_str("\xff\xd8\xff\xe0"), DIR_SERVER), PROBE_NO);
	assert_int_equal(d->probe(bytes_str("\r\nVxWorks login: "), DIR_SERVER), PROBE_YES);
	assert_int_equal(d->probe(bytes_str("\r\nWelcome\r\n"), DIR_SERVER), PROBE_MORE);
	assert_int_equal(d->probe(bytes_str("GET / HTTP/1.1\r\n"), DIR_CLIENT), PROBE_NO);
	assert_int_equal(d->probe(bytes_str("\x0bMSH|"), DIR_SERVER), PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typed_login),
		cmocka_unit_test(test_attempts),
		cmocka_unit_test(test_unanswered),
		cmocka_unit_test(test_password_only),
		cmocka_unit_test(test_menu_is_unknown),
		cmocka_unit_test(test_no_login_asked),
		cmocka_unit_test(test_text_that_is_no_prompt),
		cmocka_unit_test(test_one_sided),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_bypass),
		cmocka_unit_test(test_values_for_names),
		cmocka_unit_test(test_no_secret_is_said),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_probe),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
