/* FTP control connections, whole, split, one-sided, picked up midway and hostile. */
#include "linetalk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static void expect(const struct chunk *chunks, size_t n, const char *wanted)
{
	dxtest_expect(&(struct dxtest){ .proto = PROTO_ftp }, chunks, n, wanted);
}

static const struct chunk session[] = {
	S("220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n220-You are user number 1\r\n"
	  "220 idle for 15 minutes.\r\n"),
	C("USER dicomftp\r\n"),
	S("331 User dicomftp OK. Password required\r\n"),
	C("PASS Scan2FTP\r\n"),
	S("230-Hello\r\n 230 indented\r\n230 OK. Current directory is /\r\n"),
	C("SYST\r\n"),
	S("215 UNIX Type: L8\r\n"),
	C("PASV\r\n"),
	S("227 Entering Passive Mode (10,0,0,2,156,93)\r\n"),
	C("STOR report.txt\r\n"),
	S("150 Accepted data connection\r\n"),
	S("226-File successfully transferred\r\n226 0.000 seconds\r\n"),
	C("EPSV\r\n"),
	S("229 Extended Passive mode OK (|||40006|)\r\n"),
	C("PORT 10,0,0,9,0,22\r\n"),
	C("EPRT |2|fd20:30::65|35391|\r\n"),
	C("QUIT\r\n"),
};

static const char session_text[] =
	"ftp.banner server ftp.banner=Welcome to Pure-FTPd [privsep] [TLS]\n"
	"observe ftp sender server banner=Welcome to Pure-FTPd [privsep] [TLS]@70\n"
	"ftp.command client ftp.command=USER\n"
	"ftp.command client ftp.command=PASS\n"
	"ftp.login server ftp.auth_scheme=password event.outcome=success ftp.reply_code=230\n"
	"credential.attempt server credential.protocol=ftp credential.scheme=password "
	"credential.cleartext=true credential.username_class=service credential.outcome=accepted "
	"credential.secret_length_class=medium\n"
	"ftp.command client ftp.command=SYST\n"
	"ftp.system server ftp.system=UNIX Type: L8\n"
	"ftp.command client ftp.command=PASV\n"
	"ftp.data_port server ftp.data_ip=10.0.0.2 ftp.data_port=40029 ftp.bounce=false\n"
	"ftp.command client ftp.command=STOR ftp.path=report.txt\n"
	"ftp.command client ftp.command=EPSV\n"
	"ftp.data_port server ftp.data_ip=10.0.0.2 ftp.data_port=40006 ftp.bounce=false\n"
	"ftp.command client ftp.command=PORT ftp.data_ip=10.0.0.9 ftp.data_port=22 ftp.bounce=true\n"
	"ftp.command client ftp.command=EPRT ftp.data_ip=fd20:30::65 ftp.data_port=35391 ftp.bounce=true\n"
	"ftp.command client ftp.command=QUIT\n";

static void test_session(void **state)
{
	(void)state;
	expect(session, LEN(session), session_text);
}

static void test_refusals(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("220 ready\r\n"),
		C("USER service\r\n"),
		S("331 Go on\r\n"),
		C("NOOP\r\n"),
		S("530 Log in first\r\n"),
		C("PASS service\r\n"),
		S("530 No\r\n"),
		C("USER anonymous\r\n"),
		S("421 Unable to set up secure anonymous FTP\r\n"),
	};
	dxtest_expect(&(struct dxtest){ .proto = PROTO_ftp, .quiet_observations = true }, chunks, LEN(chunks),
		"ftp.banner server ftp.banner=ready\n"
		"ftp.command client ftp.command=USER\n"
		"ftp.command client ftp.command=NOOP\n"
		"ftp.command client ftp.command=PASS\n"
		"ftp.login server ftp.auth_scheme=password event.outcome=failure ftp.reply_code=530\n"
		"credential.attempt server credential.protocol=ftp credential.scheme=password "
		"credential.cleartext=true credential.default_match=common-default "
		"credential.username_class=default credential.outcome=refused "
		"credential.secret_length_class=short\n"
		"ftp.command client ftp.command=USER\n"
		"ftp.login server ftp.auth_scheme=anonymous event.outcome=failure ftp.reply_code=421\n"
		"credential.attempt server credential.protocol=ftp credential.scheme=anonymous "
		"credential.cleartext=true credential.username_class=default credential.outcome=refused\n");
}

/* Any word is let in: no factory default was found. */
static void test_anonymous_with_a_word(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		C("USER anonymous\r\n"),
		S("331 Any word\r\n"),
		C("PASS test\r\n"),
		S("230 In\r\n"),
	};
	expect(chunks, LEN(chunks),
		"ftp.command client ftp.command=USER\n"
		"ftp.command client ftp.command=PASS\n"
		"ftp.login server ftp.auth_scheme=anonymous event.outcome=success ftp.reply_code=230\n"
		"credential.attempt server credential.protocol=ftp credential.scheme=anonymous "
		"credential.cleartext=true credential.username_class=default credential.outcome=accepted "
		"credential.secret_length_class=short\n");
}

/* A secret like a password, and no factory default though it is called like one. */
static void test_account(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("220 ready\r\n"),
		C("USER root\r\n"),
		S("331 Go on\r\n"),
		C("PASS Scan2FTP\r\n"),
		S("332 Account\r\n"),
		C("ACCT root\r\n"),
		S("230 In\r\n"),
	};
	dxtest_expect(&(struct dxtest){ .proto = PROTO_ftp, .quiet_observations = true }, chunks, LEN(chunks),
		"ftp.banner server ftp.banner=ready\n"
		"ftp.command client ftp.command=USER\n"
		"ftp.command client ftp.command=PASS\n"
		"ftp.login server ftp.auth_scheme=password event.outcome=unknown ftp.reply_code=332\n"
		"credential.attempt server credential.protocol=ftp credential.scheme=password "
		"credential.cleartext=true credential.username_class=default credential.outcome=unknown "
		"credential.secret_length_class=medium\n"
		"ftp.command client ftp.command=ACCT\n"
		"ftp.login server ftp.auth_scheme=account event.outcome=success ftp.reply_code=230\n"
		"credential.attempt server credential.protocol=ftp credential.scheme=account "
		"credential.cleartext=true credential.username_class=default credential.outcome=accepted "
		"credential.secret_length_class=short\n");
}

static void test_auth_tls(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("220 ready\r\n"),
		C("AUTH TLS\r\n"),
		S("234 go\r\n"),
	};
	dxtest_expect(&(struct dxtest){ .proto = PROTO_ftp, .quiet_observations = true }, chunks, LEN(chunks),
		"ftp.banner server ftp.banner=ready\n"
		"ftp.command client ftp.command=AUTH ftp.auth_scheme=TLS\n");
}

static void test_one_sided(void **state)
{
	(void)state;
	static const struct chunk chunks[] = { C("USER dicomftp\r\nPASS Scan2FTP\r\n"), C("RETR a\r\n") };
	expect(chunks, LEN(chunks),
		"ftp.command client ftp.command=USER\n"
		"ftp.command client ftp.command=PASS\n"
		"ftp.login client ftp.auth_scheme=password event.outcome=unknown\n"
		"credential.attempt client credential.protocol=ftp credential.scheme=password "
		"credential.cleartext=true credential.username_class=service credential.outcome=unknown "
		"credential.secret_length_class=medium\n"
		"ftp.command client ftp.command=RETR ftp.path=a\n");
}

/* A login that the server never answers: told when the conversation is over, with its loss if there is one.
 */
static void test_unanswered(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		S("220 ready\r\n"),
		C("USER admin\r\n"),
		S("331 Go on\r\n"),
		C("PASS admin\r\n"),
		{ DIR_SERVER, { NULL, 9 } },
	};
	static const char attempt[] =
		"credential.attempt client%s credential.protocol=ftp credential.scheme=password "
		"credential.cleartext=true credential.default_match=common-default "
		"credential.username_class=default credential.outcome=unknown "
		"credential.secret_length_class=short\n";
	for (unsigned lost = 0; lost < 2; lost++) {
		char wanted[800], told[400];
		const char *mark = lost ? " +gap" : "";
		snprintf(told, sizeof told, attempt, mark);
		snprintf(wanted, sizeof wanted,
			"ftp.banner server ftp.banner=ready\n"
			"ftp.command client ftp.command=USER\n"
			"ftp.command client ftp.command=PASS\n"
			"ftp.login client%s ftp.auth_scheme=password event.outcome=unknown\n%s",
			mark, told);
		dxtest_expect(&(struct dxtest){ .proto = PROTO_ftp, .quiet_observations = true }, chunks,
			LEN(chunks) - !lost, wanted);
	}
}

static void test_midstream(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		C("ort.txt\r\nRETR b.txt\r\n"),
		S("ccepted\r\n226 done\r\n213 3400\r\n"),
		C("1226 secret words\r\nDELE b.txt\r\n"),
	};
	dxtest_expect(&(struct dxtest){ .proto = PROTO_ftp, .midstream = true }, chunks, LEN(chunks),
		"ftp.command client +midstream ftp.command=RETR ftp.path=b.txt\n"
		"ftp.command client +midstream ftp.command=DELE ftp.path=b.txt\n");
}

static void test_no_secret_is_said(void **state)
{
	(void)state;
	/* a password typed where a command should stand, and one behind ACCT and SITE */
	static const struct chunk chunks[] = {
		S("220 ready\r\n"),
		C("Pum1\r\n"),
		C("ACCT geheim77\r\n"),
		C("SITE PSWD geheim77 geheim78\r\n"),
		C("XYZW geheim77\r\n"),
		C("geheim77\r\n"),
	};
	char *text = dxtest_splits(&(struct dxtest){ .proto = PROTO_ftp }, chunks, LEN(chunks));
	assert_null(strstr(text, "geheim"));
	assert_null(strstr(text, "Pum1"));
	assert_non_null(strstr(text, "malformed 1"));
	free(text);
}

static void test_hostile(void **state)
{
	(void)state;
	static const struct chunk chunks[] = {
		C("PORT 1,2,3,4,5\r\nPORT 1,2,3,4,5,256\r\nEPRT |1|nowhere|5|\r\nEPRT\r\nPORT ,,,\r\n"),
		S("227 none\r\n229 (|||99999|)\r\n229 (\r\n"),
	};
	expect(chunks, LEN(chunks),
		"ftp.command client ftp.command=PORT\nftp.command client ftp.command=PORT\n"
		"ftp.command client ftp.command=EPRT\nftp.command client ftp.command=EPRT\n"
		"ftp.command client ftp.command=PORT\n");
	for (size_t i = 0; i < LEN(session); i++)
		dxtest_cuts(&(struct dxtest){ .proto = PROTO_ftp }, session, LEN(session), i);
}

static enum probe_result probe(const char *text, enum dir dir)
{
	return dissector_ftp.probe(bytes_str(text), dir);
}

static void test_probe(void **state)
{
	(void)state;
	assert_int_equal(probe("220 (vsFTPd 3.0.3)\r\n", DIR_SERVER), PROBE_YES);
	assert_int_equal(probe("220", DIR_SERVER), PROBE_MORE);
	assert_int_equal(probe("220 mail.example.org ESMTP Postfix\r\n", DIR_SERVER), PROBE_NO);
	assert_int_equal(probe("+OK POP3\r\n", DIR_SERVER), PROBE_NO);
	assert_int_equal(probe("HTTP/1.1 200 OK\r\n", DIR_SERVER), PROBE_NO);
	assert_int_equal(probe("USER x\r\n", DIR_CLIENT), PROBE_YES);
	assert_int_equal(probe("GET / HTTP/1.1\r\n", DIR_CLIENT), PROBE_NO);
	assert_int_equal(probe("EHLO x\r\n", DIR_CLIENT), PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_anonymous_with_a_word),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_auth_tls),
		cmocka_unit_test(test_one_sided),
		cmocka_unit_test(test_unanswered),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_no_secret_is_said),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_probe),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
