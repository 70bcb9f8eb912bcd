/* TLS as it stands in RFC 5246, 8446, 6101 and 6066: hellos, sessions, fingerprints, odd and hostile bytes.
 * Certificates: test_tls_x509.c. */
#include "dxtest.h"
#include "tlstalk.h"

#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#define C(b)                                                                                                 \
	{                                                                                                    \
		DIR_CLIENT, b                                                                                \
	}
#define S(b)                                                                                                 \
	{                                                                                                    \
		DIR_SERVER, b                                                                                \
	}

static const struct dxtest quiet = { .proto = PROTO_tls, .quiet_observations = true };

static int reset(void **state)
{
	(void)state;
	tls_reset();
	return 0;
}

static void expect(const struct chunk *chunks, size_t n, const char *wanted)
{
	dxtest_expect(&quiet, chunks, n, wanted);
}

/* The text holds, or holds not, this. */
static void says(const struct chunk *chunks, size_t n, const char *wanted, bool there)
{
	char *text = dxtest_splits(&quiet, chunks, n);
	bool as_wanted = (strstr(text, wanted) != NULL) == there;
	if (!as_wanted)
		print_error("%s", text);
	free(text);
	assert_true(as_wanted);
}

static struct bytes ccs(void)
{
	return record(20, H("01"));
}

/* ---- fingerprints: published examples ---------------------------------------------------- */

static struct bytes list16(const uint16_t *v, size_t n)
{
	struct bytes b = { 0 };
	for (size_t i = 0; i < n; i++)
		b = J(b, number(2, v[i]));
	return b;
}

static void test_ja3(void **state)
{
	(void)state;
	static const uint16_t newer[] = { 47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4 };
	static const uint16_t older[] = { 4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99 };
	struct bytes extensions = J(server_name("a"), extension(10, prefixed(2, H("0017 0018 0019"))),
		extension(11, prefixed(1, H("00"))));
	struct chunk chunks[] = { C(
		record(22, client_hello(0x0301, H(""), list16(newer, LEN(newer)), extensions))) };
	says(chunks, 1, "tls.client.ja3=ada70206e40642a3e4461f35503241d5 ", true);
	chunks[0].data = record(22, client_hello(0x0301, H(""), list16(older, LEN(older)), H("")));
	says(chunks, 1, "tls.client.ja3=de350869b8c85de67a350c8d186f11e6 ", true);
	/* Made-up values (RFC 8701) change nothing. */
	extensions = J(extension(0x2a2a, H("00")), server_name("a"),
		extension(10, prefixed(2, H("4a4a 0017 0018 0019"))), extension(11, prefixed(1, H("00"))),
		extension(0xdada, H("")));
	chunks[0].data =
		record(22, client_hello(0x0301, H(""), J(H("fafa"), list16(newer, LEN(newer))), extensions));
	says(chunks, 1, "tls.client.ja3=ada70206e40642a3e4461f35503241d5 ", true);
}

static void test_ja3s(void **state)
{
	(void)state;
	struct bytes extensions = J(extension(65281, H("00")), extension(0, H("")), extension(11, H("0100")),
		extension(35, H("")), extension(5, H("")), extension(16, H("0003 02 'h2'")));
	const struct chunk chunks[] = { S(record(22, server_hello(0x0301, H(""), 47, extensions))) };
	expect(chunks, 1,
		"tls.server_hello server +encrypted tls.version=1.0 tls.version_protocol=tls "
		"tls.cipher=TLS_RSA_WITH_AES_128_CBC_SHA tls.next_protocol=h2 "
		"tls.server.ja3s=836ce314215654b5b1f85f97c73e506f\n");
}

/* The example of JA4's own description. */
static struct bytes chrome(void)
{
	static const uint16_t ciphers[] = { 0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
		0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035 };
	struct bytes e = J(extension(0x001b, H("02 0002")), server_name("example"), extension(0x0033, H("")),
		extension(0x0010, H("000c 02 'h2' 08 'http/1.1'")), extension(0x4469, H("")),
		extension(0x0017, H("")), extension(0x002d, H("0101")),
		extension(0x000d, H("0010 0403 0804 0401 0503 0805 0501 0806 0601")),
		extension(0x0005, H("01 0000 0000")), extension(0x0023, H("")), extension(0x0012, H("")));
	e = J(e, extension(0x002b, H("06 5a5a 0304 0303")), extension(0xff01, H("00")),
		extension(0x000b, H("0100")), extension(0x000a, H("0008 8a8a 001d 0017 0018")),
		extension(0x0015, H("")));
	return record(22, client_hello(0x0303, zeros(32), list16(ciphers, LEN(ciphers)),
				  J(extension(0x9a9a, H("")), e)));
}

static void test_ja4(void **state)
{
	(void)state;
	const struct chunk chunks[] = { C(chrome()) };
	says(chunks, 1, "tls.client.ja4=t13d1516h2_8daaf6152771_e5627efa2ab1\n", true);
	struct {
		uint16_t version;
		const char *ciphers, *extensions, *wanted;
	} t[] = {
		{ 0x0300, "", "",
			"t"
			"s3i000000_000000000000_000000000000\n" },
		/* The shell: printf 002f | sha256sum; printf 000a,ff01 | sha256sum */
		{ 0x0302, "002f", "ff01 0001 00 000a 0002 0000", "t11i010200_ba72b8082249_7d3557dee7eb" },
		{ 0x0303, "", "0010 0004 0002 01 'x'", "t12i0001xx_000000000000_000000000000\n" },
		{ 0x0303, "", "0010 0005 0003 02 ab 'c'", "t12i0001a3_000000000000_000000000000\n" },
		{ 0x0303, "", "0010 0002 0000", "t12i000100_000000000000_000000000000\n" },
	};
	for (size_t i = 0; i < LEN(t); i++) {
		const struct chunk one[] = { C(
			record(22, client_hello(t[i].version, H(""), H(t[i].ciphers), H(t[i].extensions)))) };
		says(one, 1, t[i].wanted, true);
	}
}

/* A list longer than any stack sends gets no fingerprint rather than a wrong one. */
static void test_endless_lists(void **state)
{
	(void)state;
	const struct chunk chunks[] = { C(record(22, client_hello(0x0303, H(""), zeros(2 * 257), H("")))) };
	expect(chunks, 1, "tls.client_hello client tls.client.version=1.2\n");
	const struct chunk fits[] = { C(record(22, client_hello(0x0303, H(""), zeros(2 * 256), H("")))) };
	says(fits, 1, "tls.client.ja4=t12i990000_", true);
}

/* ---- sessions ---------------------------------------------------------------------------- */

#define HELLO_12 record(22, client_hello(0x0303, H(""), H("c02f 009c"), server_name("pacs.example")))
#define SERVER_12                                                                                            \
	"tls.server_hello server +encrypted tls.version=1.2 tls.version_protocol=tls "                       \
	"tls.cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 tls.client.server_name=pacs.example "              \
	"tls.client.version=1.2 tls.resumed=false tls.server.ja3s=174e7e4992a63f6d419626d97363adb8\n"
#define ESTABLISHED_12(side)                                                                                 \
	"tls.established " side " +encrypted tls.version=1.2 tls.version_protocol=tls "                      \
	"tls.cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 tls.client.server_name=pacs.example "              \
	"tls.client.version=1.2 tls.resumed=false tls.established=true"
#define CLIENT_12                                                                                            \
	"tls.client_hello client tls.client.version=1.2 tls.client.server_name=pacs.example "                \
	"tls.client.ja3=c6cd73bc6983b532b87fcb43f26cba39 "                                                   \
	"tls.client.ja4=t12d020100_08dfa304a768_000000000000\n"

static struct bytes flight(bool asks_certificate)
{
	return J(server_hello(0x0303, H(""), 0xc02f, H("")), certificates(NULL, 0), message(12, zeros(300)),
		asks_certificate ? message(13, H("01 01 0002 0401 0000")) : H(""), message(14, H("")));
}

/* What an end of a session sends when its keys are changed. */
static struct bytes finish(void)
{
	return J(ccs(), record(22, H("0102 0304 0506 0708 090a 0b0c 0d0e 0f10 1112 1314 1516 1718 191a")));
}

static void test_session(void **state)
{
	(void)state;
	const struct chunk chunks[] = { C(HELLO_12), S(record(22, flight(false))),
		C(J(record(22, message(16, zeros(66))), finish())), S(finish()), C(record(23, zeros(100))),
		S(record(23, zeros(5000))), C(record(21, zeros(26))) };
	expect(chunks, LEN(chunks),
		CLIENT_12 SERVER_12 ESTABLISHED_12("server") " tls.client.certificate_requested=false\n");
	const struct chunk asks[] = { C(HELLO_12), S(record(22, flight(true))),
		C(J(record(22, message(16, zeros(66))), finish())), S(finish()) };
	says(asks, LEN(asks), "tls.client.certificate_requested=true\n", true);
	for (size_t i = 0; i < LEN(chunks); i++)
		dxtest_cuts(&quiet, chunks, LEN(chunks), i);
	assert_int_equal(dxtest_cuts(&quiet, chunks, 1, 0), 0);
}

/* Messages may lie in records in any way. */
static void test_records(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 37, 100, 16384 };
	for (size_t i = 0; i < LEN(sizes); i++) {
		const struct chunk chunks[] = {
			C(records(22, sizes[i],
				client_hello(0x0303, H(""), H("c02f 009c"), server_name("pacs.example")))),
			S(records(22, sizes[i], flight(false))), C(finish()), S(finish())
		};
		expect(chunks, LEN(chunks),
			CLIENT_12 SERVER_12 ESTABLISHED_12(
				"server") " tls.client.certificate_requested=false\n");
	}
}

/* Longer than is kept, the head is read, the rest passed by, and what follows in the same record read. */
static void test_long_messages(void **state)
{
	(void)state;
	static const size_t lengths[] = { 8180, 8188, 8189, 20000, 24570, 24572, 24573, 40000, 200000 };
	for (size_t i = 0; i < LEN(lengths); i++) {
		tls_reset();
		struct bytes long_one = message(12, zeros(lengths[i]));
		const struct chunk chunks[] = { C(HELLO_12),
			S(records(22, 16384,
				J(server_hello(0x0303, H(""), 0xc02f, H("")), long_one, message(13, H("00")),
					message(14, H(""))))),
			C(J(records(22, 5000, J(long_one, message(16, zeros(66)))), finish())), S(finish()) };
		expect(chunks, LEN(chunks),
			CLIENT_12 SERVER_12 ESTABLISHED_12(
				"server") " tls.client.certificate_requested=true\n");
	}
	/* A hello so long shows its names, but not its fingerprint. */
	const struct chunk hello[] = { C(records(22, 4096,
		client_hello(0x0303, H(""), H("c02f"),
			J(server_name("pacs.example"), extension(21, zeros(9000)))))) };
	expect(hello, 1,
		"tls.client_hello client tls.client.version=1.2 tls.client.server_name=pacs.example\n");
}

static void test_resumed(void **state)
{
	(void)state;
	struct bytes id = H("0102 0304");
	const struct chunk chunks[] = { C(record(22, client_hello(0x0303, id, H("c02f"), H("")))),
		S(J(record(22, server_hello(0x0303, id, 0xc02f, H(""))), finish())), C(finish()) };
	says(chunks, LEN(chunks),
		"tls.established client +encrypted tls.version=1.2 tls.version_protocol=tls "
		"tls.cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 tls.client.version=1.2 tls.resumed=true "
		"tls.established=true\n",
		true);
	says(chunks + 1, 1, "tls.resumed", false);
	const struct chunk other[] = { chunks[0],
		S(record(22, server_hello(0x0303, H("0102 0305"), 0xc02f, H("")))) };
	says(other, 2, "tls.resumed=false", true);
}

static void test_old_versions(void **state)
{
	(void)state;
	static const struct {
		uint16_t version;
		const char *wanted;
	} t[] = { { 0x0300, "tls.version=3.0 tls.version_protocol=ssl tls.cipher=TLS_RSA_WITH_RC4_128_SHA " },
		{ 0x0301, "tls.version=1.0 tls.version_protocol=tls " },
		{ 0x0302, "tls.version=1.1 tls.version_protocol=tls " } };
	for (size_t i = 0; i < LEN(t); i++) {
		/* What the client offered most is another matter (RFC 8446 appendix D). */
		const struct chunk chunks[] = { C(record(22, client_hello(0x0303, H(""), H("0005"),
								     extension(43, H("04 0304 0303"))))),
			S(record(22, server_hello(t[i].version, H(""), 5, H("")))) };
		says(chunks, 2, t[i].wanted, true);
		says(chunks, 2, "tls.client.version=1.3", true);
	}
}

static void test_refused(void **state)
{
	(void)state;
	const struct chunk chunks[] = { C(HELLO_12), S(record(21, H("02 28"))) };
	expect(chunks, 2, CLIENT_12 "tls.alert server tls.alert.level=fatal tls.alert.description=40\n");
}

/* ---- 1.3 --------------------------------------------------------------------------------- */

#define CHOSEN_13 extension(43, H("0304"))
#define HELLO_13(more)                                                                                       \
	record(22, client_hello(0x0303, zeros(32), H("1301"), J(extension(43, H("02 0304")), more)))
#define SERVER_13 record(22, server_hello(0x0303, zeros(32), 0x1301, CHOSEN_13))

static unsigned lines(const char *text, const char *start)
{
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, start)); p++)
		n++;
	return n;
}

static void counts(
	const struct chunk *chunks, size_t n, unsigned clients, unsigned servers, unsigned established)
{
	char *text = dxtest_splits(&quiet, chunks, n);
	if (lines(text, "tls.client_hello") != clients || lines(text, "tls.server_hello") != servers ||
		lines(text, "tls.established client") != established || strstr(text, "malformed") ||
		strstr(text, "junk"))
		fail_msg("%s", text);
	free(text);
}

static void test_13(void **state)
{
	(void)state;
	const struct chunk chunks[] = { C(HELLO_13(H(""))), S(J(SERVER_13, ccs(), record(23, zeros(900)))),
		C(J(ccs(), record(23, zeros(53)))), C(record(23, zeros(80))), S(record(23, zeros(80))) };
	counts(chunks, LEN(chunks), 1, 1, 1);
	says(chunks, LEN(chunks),
		"tls.version=1.3 tls.version_protocol=tls tls.cipher=TLS_AES_128_GCM_SHA256 "
		"tls.client.version=1.3 tls.resumed=false tls.established=true\n",
		true);
	/* A client that does not believe the server sends an alert: 2 + 1 + 16 bytes that look like data. */
	const struct chunk refused[] = { chunks[0], chunks[1], C(J(ccs(), record(23, zeros(19)))) };
	counts(refused, LEN(refused), 1, 1, 0);
	const struct chunk only_server[] = { chunks[0], chunks[1] };
	counts(only_server, 2, 1, 1, 0);
}

static void test_13_resumed(void **state)
{
	(void)state;
	struct bytes psk = extension(41, H("0000"));
	const struct chunk chunks[] = {
		C(HELLO_13(psk)),
		S(record(22, server_hello(0x0303, zeros(32), 0x1301, J(CHOSEN_13, extension(41, H("0000"))))))
	};
	says(chunks, 2, "tls.resumed=true", true);
	says(chunks + 1, 1, "tls.resumed=true", true);
}

/* RFC 8446 2.3: data before the server has said a word. */
static void test_early_data(void **state)
{
	(void)state;
	struct bytes early = J(extension(42, H("")), extension(41, H("0000")));
	const struct chunk chunks[] = { C(J(HELLO_13(early), ccs(), record(23, zeros(300)))),
		S(J(record(22,
			    server_hello(0x0303, zeros(32), 0x1301, J(CHOSEN_13, extension(41, H("0000"))))),
			ccs(), record(23, zeros(100)))),
		C(record(23, zeros(60))) };
	counts(chunks, LEN(chunks), 1, 1, 1);
}

/* RFC 8446 4.1.4 and D.4: with changes of keys that change nothing between the two hellos. */
static void test_retry(void **state)
{
	(void)state;
	struct bytes retry = message(
		2, J(H("0303 cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c 00 1301 00"),
			   prefixed(2, J(CHOSEN_13, extension(51, H("0018"))))));
	struct bytes again = client_hello(0x0303, zeros(32), H("1301"), extension(43, H("02 0304")));
	const struct chunk chunks[] = { C(HELLO_13(H(""))), S(J(record(22, retry), ccs())),
		C(J(ccs(), record(22, again))), S(J(SERVER_13, record(23, zeros(500)))),
		C(record(23, zeros(53))) };
	counts(chunks, LEN(chunks), 2, 1, 1);
	/* Four equal bytes are no retry. */
	const struct chunk chance[] = { S(
		record(22, message(2, J(H("0303 cf21ad74"), zeros(28), H("00 1301 00"))))) };
	counts(chance, 1, 0, 1, 0);
}

static void test_drafts(void **state)
{
	(void)state;
	/* Up to draft 21: version 7fxx in the hello, no session id, no compression. */
	const struct chunk old[] = { S(record(22, message(2, J(H("7f12"), zeros(32), H("1302 0000"))))) };
	says(old, 1, "tls.version=1.3 tls.version_protocol=tls tls.cipher=TLS_AES_256_GCM_SHA384 ", true);
	const struct chunk late[] = { S(
		record(22, server_hello(0x0303, H(""), 0x1301, extension(43, H("7f1c"))))) };
	says(late, 1, "tls.version=1.3 ", true);
}

/* ---- SSL 2.0 ----------------------------------------------------------------------------- */

#define SSL2_HELLO(version)                                                                                  \
	J(H("802e 01 " version " 0015 0000 0010 010080 020080 030080 040080 060040 0700c0 050080"), zeros(16))

static void test_ssl2(void **state)
{
	(void)state;
	struct bytes certificate = file_bytes("pcaps/tls/certificates/expired.der");
	struct bytes hello = J(H("04 00 01 0002"), number(2, certificate.n), H("0003 0010"), certificate,
		H("010080"), zeros(16));
	const struct chunk chunks[] = { C(SSL2_HELLO("0002")), S(J(number(2, 0x8000 | hello.n), hello)),
		C(zeros(60)) };
	char *text = dxtest_splits(&quiet, chunks, LEN(chunks));
	assert_non_null(
		strstr(text, "tls.client_hello client tls.client.version=2.0\n"
			     "tls.server_hello server +encrypted tls.version=2.0 tls.version_protocol=ssl "
			     "tls.client.version=2.0\n"
			     "x509.certificate server +encrypted x509.chain_index=0 "));
	assert_null(strstr(text, "malformed"));
	free(text);
	for (size_t i = 0; i < LEN(chunks); i++)
		dxtest_cuts(&quiet, chunks, LEN(chunks), i);
	/* A newer client in old clothes (RFC 5246 E.2). */
	const struct chunk wrapped[] = { C(SSL2_HELLO("0301")),
		S(record(22, server_hello(0x0301, zeros(32), 10, H("")))), C(finish()), S(finish()) };
	counts(wrapped, LEN(wrapped), 1, 1, 0);
	says(wrapped, LEN(wrapped), "tls.client.version=1.0 tls.resumed=false tls.established=true", true);
	/* Its lengths must add up, and it comes first or not at all. */
	const struct chunk wrong[] = { C(H("800c 01 0002 0003 0000 0010 010080")) };
	expect(wrong, 1, "malformed 1\n");
	const struct chunk late[] = { C(J(HELLO_12, SSL2_HELLO("0002"))) };
	expect(late, 1, CLIENT_12 "junk 1\n");
}

/* ---- parts of sessions ------------------------------------------------------------------- */

static void test_parts(void **state)
{
	(void)state;
	const struct dxtest midway = { .proto = PROTO_tls, .quiet_observations = true, .midstream = true };
	const struct chunk data[] = { C(record(23, zeros(90))), S(record(23, zeros(400))) };
	dxtest_expect(&midway, data, 2, "");
	/* Picked up between the handshake of TCP and that of TLS. */
	const struct chunk start[] = { C(HELLO_12) };
	char *text = dxtest_splits(&midway, start, 1);
	assert_non_null(strstr(text, "tls.client_hello client +midstream tls.client.version=1.2"));
	free(text);
	/* Only the client, only the server. */
	const struct chunk client[] = { C(HELLO_12), C(J(record(22, message(16, zeros(66))), finish())),
		C(record(23, zeros(99))) };
	expect(client, LEN(client), CLIENT_12);
	const struct chunk server[] = { S(record(22, flight(false))), S(finish()), S(record(23, zeros(99))) };
	says(server, LEN(server), "tls.established server +encrypted tls.version=1.2", true);
	/* The server's flight breaks off: what it asked is not known, the client's data tell the end. */
	const struct chunk gap[] = { C(HELLO_12), S(record(22, server_hello(0x0303, H(""), 0xc02f, H("")))),
		S(bytes_of(NULL, 1400)), C(J(record(22, message(16, zeros(66))), finish())), S(finish()),
		C(record(23, zeros(99))) };
	expect(gap, LEN(gap), CLIENT_12 SERVER_12 ESTABLISHED_12("client") "\n");
	/* The server's hello is known late. */
	const struct chunk late[] = { C(HELLO_12), C(J(finish(), record(23, zeros(99)))),
		S(record(22, flight(false))) };
	says(late, LEN(late), "tls.established server", true);
}

/* ---- hostile bytes ----------------------------------------------------------------------- */

static void test_hostile(void **state)
{
	(void)state;
	static const struct {
		const char *record, *wanted;
	} t[] = {
		{ "16 0303 0000", "" },                       /* an empty record */
		{ "16 0303 4801 01", "junk 1\n" },            /* longer than a record can be */
		{ "16 0203 0004 01000000", "junk 1\n" },      /* no version 2.3 */
		{ "19 0303 0004 01000000", "junk 1\n" },      /* no such type */
		{ "16 0303 0004 01000000", "malformed 1\n" }, /* an empty hello */
		{ "16 0303 0004 02000000", "malformed 1\n" },
		{ "16 0303 0004 0b000000", "malformed 1\n" }, /* an empty message of certificates */
		{ "16 0303 0007 0b000003 000000", "" },       /* no certificates at all */
		{ "16 0303 000a 0b000006 000003 000000", "malformed 1\n" }, /* an empty one */
		{ "16 0303 000a 0b000006 000003 ffffff", "malformed 1\n" },
		{ "16 0303 0007 0b000003 ffffff", "malformed 1\n" },
		{ "16 0303 0004 01ffffff", "" }, /* the rest never comes */
		{ "15 0303 0002 0328", "" },
		{ "15 0303 0003 022800", "" },
		{ "18 0303 0003 014000", "" },
	};
	for (size_t i = 0; i < LEN(t); i++) {
		const struct chunk chunks[] = { C(H(t[i].record)) };
		expect(chunks, 1, t[i].wanted);
	}
	/* Lengths inside the hello that reach outside. */
	struct bytes head = J(H("0303"), zeros(32));
	const struct bytes hellos[] = { J(head, H("ff")), J(head, H("00 ffff 1301")),
		J(head, H("00 0002 1301 ff 00")), J(head, H("00 0002 1301 0100 ffff")),
		J(head, H("00 0002 1301 0100 0004 000000ff")), J(head, H("00 0002 1301 0100 0003 000000")),
		J(head, H("00 0002 1301 0100 00")) };
	for (size_t i = 0; i < LEN(hellos); i++) {
		const struct chunk chunks[] = { C(record(22, message(1, hellos[i]))) };
		expect(chunks, 1, "malformed 1\n");
	}
	/* Extensions that lie of their insides say nothing. */
	struct bytes lies = J(extension(0, H("ffff 00 ffff 61")), extension(10, H("ffff 0017")),
		extension(16, H("0003 ff 'h2'")), extension(43, H("ff 0304")), extension(11, H("ff")),
		extension(13, H("ff")));
	const struct chunk chunks[] = { C(record(22, client_hello(0x0303, H(""), H("1301"), lies))) };
	says(chunks, 1, "tls.client_hello client tls.client.version=1.2 tls.client.ja3=", true);
}

/* A bad message does not take the good ones beside it along. */
static void test_bad_among_good(void **state)
{
	(void)state;
	const struct chunk chunks[] = { C(HELLO_12),
		S(records(22, 50,
			J(server_hello(0x0303, H(""), 0xc02f, H("")), message(11, H("000003 000000")),
				message(14, H(""))))),
		C(finish()), S(finish()) };
	expect(chunks, LEN(chunks),
		CLIENT_12 SERVER_12 ESTABLISHED_12(
			"server") " tls.client.certificate_requested=false\nmalformed 1\n");
}

static void test_probe(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		enum dir dir;
		enum probe_result wanted;
	} t[] = {
		{ "16", DIR_CLIENT, PROBE_MORE }, { "16 0301 0050", DIR_CLIENT, PROBE_MORE },
		{ "16 0301 0050 01", DIR_CLIENT, PROBE_YES }, { "16 0301 0050 02", DIR_SERVER, PROBE_YES },
		{ "16 0301 0050 01", DIR_SERVER, PROBE_NO }, { "16 0301 0050 0b", DIR_CLIENT, PROBE_NO },
		{ "16 0201 0050 01", DIR_CLIENT, PROBE_NO }, { "17 0303 0050 01", DIR_CLIENT, PROBE_NO },
		{ "16 0301 ffff 01", DIR_CLIENT, PROBE_NO }, { "'GET / HTTP/1.1'", DIR_CLIENT, PROBE_NO },
		{ "80 2e 01 0002", DIR_CLIENT, PROBE_MORE },
		{ "80 2e 01 0002 0015 0000 0010", DIR_CLIENT, PROBE_YES },
		{ "80 2f 01 0002 0015 0000 0010", DIR_CLIENT, PROBE_NO },
		{ "80 2e 01 0102 0015 0000 0010", DIR_CLIENT, PROBE_NO },
		{ "ff fd 18", DIR_SERVER, PROBE_NO }, /* Telnet */
	};
	for (size_t i = 0; i < LEN(t); i++)
		if (dissector_tls.probe(H(t[i].bytes), t[i].dir) != t[i].wanted)
			fail_msg("%s", t[i].bytes);
}

/* Every suite that is weak bears a name by which a rule finds it (wire/devices.md 9.6). */
static void test_weak_ciphers(void **state)
{
	(void)state;
	static const struct {
		const char *codes, *word;
	} t[] = {
		{ "0001 0002 003b c001 c006 c00b c010 c015 002c 002d 002e 00b0 c039", "NULL" },
		{ "0003 0006 0008 000b 000e 0011 0014 0017 0019 0026 002b 0062", "EXPORT" },
		{ "0004 0005 0018 0020 008a c002 c007 c00c c011 c016 c033", "RC4" },
		{ "0009 000c 000f 0012 0015 001a 001e", "WITH_DES_" },
		{ "000a 000d 0010 0013 0016 001b 001f 008b c003 c008 c00d c012 c017 c01a", "3DES" },
		{ "0017 0018 0019 001a 001b 0034 003a 0046 006c 006d 0089 00a6 00a7 c015 c019", "anon" },
	};
	for (size_t i = 0; i < LEN(t); i++)
		for (struct cur c = cur_of(H(t[i].codes)); cur_more(&c);) {
			const struct chunk chunks[] = { S(
				record(22, server_hello(0x0301, H(""), cur_be16(&c), H("")))) };
			says(chunks, 1, t[i].word, true);
		}
	const struct chunk unknown[] = { S(record(22, server_hello(0x0303, H(""), 0xfefe, H("")))) };
	says(unknown, 1, "tls.cipher=0xfefe ", true);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, reset)
	const struct CMUnitTest tests[] = {
		TEST(test_ja3),
		TEST(test_ja3s),
		TEST(test_ja4),
		TEST(test_endless_lists),
		TEST(test_session),
		TEST(test_records),
		TEST(test_long_messages),
		TEST(test_resumed),
		TEST(test_old_versions),
		TEST(test_refused),
		TEST(test_13),
		TEST(test_13_resumed),
		TEST(test_early_data),
		TEST(test_retry),
		TEST(test_drafts),
		TEST(test_ssl2),
		TEST(test_parts),
		TEST(test_hostile),
		TEST(test_bad_among_good),
		TEST(test_probe),
		TEST(test_weak_ciphers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
