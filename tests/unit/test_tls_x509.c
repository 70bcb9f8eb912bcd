/* Certificates as RFC 5280 and X.690 define them: real ones made with OpenSSL, and ones written here with
 * every oddity. The capture's clock stands at 2026-03-01T08:00:00Z. */
#include "dxtest.h"
#include "tlstalk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static int reset(void **state)
{
	(void)state;
	tls_reset();
	return 0;
}

static char *text_of(struct bytes handshake)
{
	const struct dxtest t = { .proto = PROTO_tls };
	const struct chunk chunks[] = { { DIR_SERVER, records(22, 16384, handshake) } };
	return dxtest_splits(&t, chunks, 1);
}

static void chain_says(const struct bytes *list, size_t n, const char *wanted)
{
	char *text = text_of(certificates(list, n));
	bool equal = strcmp(text, wanted) == 0;
	if (!equal)
		print_error("found:\n%swanted:\n%s", text, wanted);
	free(text);
	assert_true(equal);
}

static void says(struct bytes one, const char *wanted, bool there)
{
	char *text = text_of(certificates(&one, 1));
	bool as_wanted = (strstr(text, wanted) != NULL) == there;
	if (!as_wanted)
		print_error("%s: %s", wanted, text);
	free(text);
	assert_true(as_wanted);
}

/* ---- a certificate of parts -------------------------------------------------------------- */

struct parts {
	struct bytes version, serial, signature, issuer, from, to, subject, key, extensions;
};

static struct bytes attribute(const char *oid, uint8_t tag, struct bytes value)
{
	return der(0x31, der(0x30, J(der(6, H(oid)), der(tag, value))));
}

static struct bytes name(const char *cn)
{
	return der(0x30, J(attribute("55040a", 12, B("Ward")), attribute("550403", 12, B(cn))));
}

static struct bytes rsa_key(unsigned bits)
{
	struct bytes modulus = J(H("00"), H("c3"), zeros(bits / 8 - 1));
	struct bytes numbers = der(0x30, J(der(2, modulus), der(2, H("010001"))));
	return der(0x30, J(der(0x30, H("0609 2a864886f70d010101 0500")), der(3, J(H("00"), numbers))));
}

static struct parts usual(void)
{
	return (struct parts){ .version = der(0xa0, H("0201 02")),
		.serial = der(2, H("00 f1 22")),
		.signature = der(0x30, H("0609 2a864886f70d01010b 0500")),
		.issuer = name("root"),
		.from = der(23, B("260101000000Z")),
		.to = der(23, B("270101000000Z")),
		.subject = name("pump"),
		.key = rsa_key(2048) };
}

static struct bytes built(const struct parts *p)
{
	struct bytes ext = p->extensions.n ? der(0xa3, der(0x30, p->extensions)) : p->extensions;
	struct bytes tbs = der(0x30, J(p->version, p->serial, p->signature, p->issuer,
					     der(0x30, J(p->from, p->to)), p->subject, p->key, ext));
	return der(0x30, J(tbs, p->signature, der(3, zeros(33))));
}

static struct bytes cert_extension(const char *oid, bool critical, struct bytes value)
{
	return der(0x30, J(der(6, H(oid)), critical ? H("0101ff") : H(""), der(4, value)));
}

/* ---- tests ------------------------------------------------------------------------------- */

static void test_plain(void **state)
{
	(void)state;
	struct parts p = usual();
	p.extensions = cert_extension("551d11", false,
		der(0x30, J(der(0x82, B("pump.example")), der(0x87, H("0a14 1e29")),
				  der(0x81, B("biomed@example")), der(0x86, B("urn:uuid:1")),
				  der(0x87, zeros(5)), der(0xa4, name("x")),
				  der(0x87, H("fd20 0030 0000 0000 0000 0000 0000 000b")))));
	struct bytes one = built(&p);
	chain_says(&one, 1,
		"x509.certificate server x509.chain_index=0 x509.version=3 x509.serial_number=f122 "
		"x509.subject.common_name=pump x509.subject.organization=Ward x509.issuer.common_name=root "
		"x509.issuer.organization=Ward "
		"x509.alternative_names=[pump.example,10.20.30.41,biomed@example,urn:uuid:1,fd20:30::b] "
		"x509.not_before=1767225600000000000 x509.not_after=1798761600000000000 "
		"x509.days_to_expiry=305 "
		"x509.public_key_algorithm=rsaEncryption x509.public_key_size=2048 "
		"x509.signature_algorithm=sha256WithRSAEncryption x509.self_signed=false\n"
		"observe tls sender server tls.subject=CN=pump,O=Ward@50\n");
	struct bytes handshake = certificates(&one, 1);
	const struct dxtest t = { .proto = PROTO_tls };
	const struct chunk chunks[] = { { DIR_SERVER, record(22, handshake) } };
	assert_int_equal(dxtest_cuts(&t, chunks, 1, 0), 0);
	/* Cut inside, while the lengths around say that it is whole: at most what stands before the
	 * extensions. */
	const struct dxtest once = { .proto = PROTO_tls };
	for (size_t n = 0; n < one.n; n++) {
		struct bytes cut = bytes_first(one, n);
		const struct chunk part[] = { { DIR_SERVER, record(22, certificates(&cut, 1)) } };
		char *text = dxtest_run(&once, part, 1);
		assert_string_equal(text, "malformed 1\n");
		free(text);
	}
}

static void test_real(void **state)
{
	(void)state;
	static const struct {
		const char *path, *wanted;
	} t[] = {
		{ "pcaps/tls/certificates/expired.der",
			"x509.days_to_expiry=-2252 x509.public_key_algorithm=rsaEncryption "
			"x509.public_key_size=1024 "
			"x509.signature_algorithm=sha1WithRSAEncryption x509.self_signed=true\n" },
		{ "pcaps/tls/certificates/expired.der", "x509.alternative_names=[10.50.30.22]" },
		{ "pcaps/tls/certificates/expired.der",
			"x509.not_before=1420070400000000000 x509.not_after=1577836800000000000 " },
		{ "pcaps/tls/certificates/server.der",
			"x509.alternative_names=[his01.northfield.example,his.northfield.example] " },
		{ "pcaps/tls/certificates/server.der",
			"x509.public_key_size=2048 x509.signature_algorithm=sha256WithRSAEncryption "
			"x509.self_signed=false\n" },
		{ "pcaps/tls/certificates/elliptic.der",
			"x509.days_to_expiry=30 x509.public_key_algorithm=id-ecPublicKey "
			"x509.public_key_size=256 " },
		{ "tests/data/x509/p521.der",
			"x509.public_key_algorithm=id-ecPublicKey x509.public_key_size=521 "
			"x509.signature_algorithm=ecdsa-with-SHA384 x509.self_signed=true\n" },
		{ "tests/data/x509/ed25519.der", "x509.public_key_algorithm=ed25519 x509.public_key_size=256 "
						 "x509.signature_algorithm=ed25519 " },
		{ "tests/data/x509/dsa1024.der",
			"x509.public_key_algorithm=dsaEncryption x509.public_key_size=1024 "
			"x509.signature_algorithm=dsa-with-sha256 " },
		{ "tests/data/x509/rsa4096.der",
			"x509.public_key_size=4096 x509.signature_algorithm=sha512WithRSAEncryption " },
		{ "tests/data/x509/pss.der", "x509.public_key_algorithm=rsassaPss x509.public_key_size=2048 "
					     "x509.signature_algorithm=rsassaPss " },
	};
	for (size_t i = 0; i < LEN(t); i++)
		says(file_bytes(t[i].path), t[i].wanted, true);
}

/* RFC 5280 4.1.2.5, and what is no date. Nothing of it may overflow. */
static void test_times(void **state)
{
	(void)state;
	static const struct {
		uint8_t tag;
		const char *time, *wanted; /* NULL: malformed */
	} t[] = {
		{ 23, "260301080000Z", "x509.not_after=1772352000000000000 x509.days_to_expiry=0 " },
		{ 23, "260301075959Z", "x509.not_after=1772351999000000000 x509.days_to_expiry=-1 " },
		{ 23, "260228080000Z", "x509.days_to_expiry=-1 " },
		{ 23, "260228075959Z", "x509.days_to_expiry=-2 " },
		{ 23, "260302080000Z", "x509.days_to_expiry=1 " },
		{ 23, "491231235959Z", "x509.not_after=2524607999000000000 " },
		{ 23, "500101000000Z", "x509.not_after=-631152000000000000 " },
		{ 23, "690101000000Z", "x509.not_after=-31536000000000000 " },
		{ 23, "2603010800Z",
			"x509.not_after=1772352000000000000 " }, /* seconds left out, as once allowed */
		{ 24, "20260301080000Z", "x509.not_after=1772352000000000000 x509.days_to_expiry=0 " },
		{ 24, "20400229120000Z", "x509.not_after=2214129600000000000 " },
		{ 24, "22620411234716Z", "x509.not_after=9223372036000000000 " },
		{ 24, "22620411234717Z", "x509.not_before=1767225600000000000 x509.days_to_expiry=" },
		{ 24, "99991231235959Z", "x509.not_before=1767225600000000000 x509.days_to_expiry=2912383 " },
		{ 24, "16000101000000Z", "x509.not_before=1767225600000000000 x509.days_to_expiry=-155654 " },
		{ 24, "00000101000000Z", "x509.not_before=1767225600000000000 x509.days_to_expiry=-740042 " },
		{ 23, "261301080000Z", NULL },
		{ 23, "260001080000Z", NULL },
		{ 23, "260332080000Z", NULL },
		{ 23, "260300080000Z", NULL },
		{ 23, "260301240000Z", NULL },
		{ 23, "260301086000Z", NULL },
		{ 23, "260301080061Z", NULL },
		{ 23, "26030108", NULL },
		{ 23, "", NULL },
		{ 23, "2603010800xx", "x509.not_after=" },
		{ 24, "2026030108", NULL },
		{ 12, "260301080000Z", NULL },
		{ 23, "-10301080000Z", NULL },
	};
	for (size_t i = 0; i < LEN(t); i++) {
		struct parts p = usual();
		p.to = der(t[i].tag, B(t[i].time));
		says(built(&p), t[i].wanted ? t[i].wanted : "malformed 1", true);
		p = usual();
		p.from = der(t[i].tag, B(t[i].time));
		says(built(&p), "malformed", !t[i].wanted);
	}
}

static void test_names(void **state)
{
	(void)state;
	static const struct {
		uint8_t tag;
		const char *value, *wanted;
	} t[] = {
		{ 30, "0050 0075 006d 0070 20ac",
			"x509.subject.common_name=Pump\\xe2\\x82\\xac " }, /* BMPString */
		{ 30, "0050 00e9 00", "x509.subject.common_name=P\\xc3\\xa9" },
		{ 20, "'M' fc 'ller'", "x509.subject.common_name=M\\xc3\\xbcller " }, /* TeletexString */
		{ 12, "'M' c3bc 'ller'", "x509.subject.common_name=M\\xc3\\xbcller " },
		/* The trick with the zero byte is shown as it stands. */
		{ 12, "'bank.example' 00 '.evil'", "x509.subject.common_name=bank.example\\x00.evil " },
		{ 12, "", "x509.subject.organization=Ward x509.issuer" },
	};
	for (size_t i = 0; i < LEN(t); i++) {
		struct parts p = usual();
		p.subject = der(0x30,
			J(attribute("550403", t[i].tag, H(t[i].value)), attribute("55040a", 12, B("Ward"))));
		says(built(&p), t[i].wanted, true);
	}
	struct parts p = usual();
	p.subject = der(0x30, attribute("550403", 30, zeros(5000)));
	says(built(&p), "malformed", false);
	p.subject = der(0x30, H("")); /* allowed with alternative names, 4.1.2.6 */
	says(built(&p), "observe", false);
	says(built(&p), "x509.version=3 x509.serial_number=f122 x509.issuer.common_name=root", true);
	p.subject = der(0x30, H("ffff"));
	says(built(&p), "malformed", false);
}

static void test_self_signed(void **state)
{
	(void)state;
	struct parts p = usual();
	p.issuer = p.subject;
	says(built(&p), "x509.self_signed=true", true);
	struct bytes own = cert_extension("551d0e", false, der(4, H("aa01")));
	p.extensions = J(own, cert_extension("551d23", false, der(0x30, der(0x80, H("aa01")))));
	says(built(&p), "x509.self_signed=true", true);
	/* The authority has the same name and another key. */
	p.extensions = J(own, cert_extension("551d23", false, der(0x30, der(0x80, H("bb02")))));
	says(built(&p), "x509.self_signed=false", true);
	p.extensions = own;
	says(built(&p), "x509.self_signed=true", true);
}

static void test_keys(void **state)
{
	(void)state;
	static const struct {
		unsigned bits;
		const char *wanted;
	} t[] = { { 512, "x509.public_key_size=512 " }, { 1024, "x509.public_key_size=1024 " },
		{ 16384, "x509.public_key_size=16384 " } };
	struct parts p = usual();
	for (size_t i = 0; i < LEN(t); i++) {
		p.key = rsa_key(t[i].bits);
		says(built(&p), t[i].wanted, true);
	}
	/* Of a kind or curve that is not known no size is guessed. */
	p.key = der(0x30, J(der(0x30, H("0603 2a0304")), der(3, zeros(33))));
	says(built(&p), "public_key", false);
	p.key = der(0x30, J(der(0x30, J(H("0607 2a8648ce3d0201"), der(6, H("2a0304")))), der(3, zeros(33))));
	says(built(&p), "x509.public_key_algorithm=id-ecPublicKey x509.signature", true);
	p.key = der(0x30, J(der(0x30, H("0609 2a864886f70d010101 0500")), der(3, H("00 30 84ffffffff"))));
	says(built(&p), "x509.public_key_algorithm=rsaEncryption x509.signature", true);
	p.key = der(0x30, H(""));
	says(built(&p), "public_key", false);
}

static void test_version_1(void **state)
{
	(void)state;
	struct parts p = usual();
	p.version = H("");
	says(built(&p), "x509.version=1 x509.serial_number=f122 ", true);
	p.version = der(0xa0, H(""));
	says(built(&p), "x509.version=1 ", true);
	p.version = der(0xa0, H("0201 ff"));
	says(built(&p), "x509.version=256 ", true);
	p.serial = der(2, H("00"));
	says(built(&p), "x509.serial_number=00 ", true);
	p.serial = der(4, H("01"));
	says(built(&p), "malformed 1", true);
}

/* Not DER, or lengths that reach outside: malformed, without a word of it. */
static void test_hostile(void **state)
{
	(void)state;
	struct parts p = usual();
	struct bytes good = built(&p);
	const struct bytes bad[] = {
		H("30"),
		H("3080"),
		H("30 80 30 80 0000 0000"), /* indefinite length, X.690 8.1.3.6 */
		H("30 84 ffffffff 30"),
		H("30 88 ffffffffffffffff 30"),
		H("30 ff 30"),
		H("30 85 0000000001 00"),
		H("31 00"),
		H("30 00"),
		H("30 02 3000"),
		J(H("3082 ffff"), bytes_from(good, 4)),
		J(bytes_first(good, 4), H("3082 ffff"), bytes_from(good, 8)),
		zeros(1),
		zeros(300),
	};
	for (size_t i = 0; i < LEN(bad); i++)
		chain_says(&bad[i], 1, "malformed 1\n");
	/* Extensions that make no sense take nothing away. */
	static const char *const odd[] = { "ff", "30 80", "0500", "30 03 0603 55", "3007 0603 551d11 0400",
		"3009 0603 551d11 0402 30ff", "300b 0603 551d11 0404 3002 82ff", "3006 0101ff 0101ff",
		"3005 0603 551d23", "3009 0603 551d23 0402 3080", "300a 0603 551d0e 0101ff 0400" };
	for (size_t i = 0; i < LEN(odd); i++) {
		p.extensions = H(odd[i]);
		says(built(&p), "x509.self_signed=false\nobserve", true);
	}
	/* Thousands of names and of extensions are looked at up to a limit. */
	struct bytes names = H("");
	for (unsigned i = 0; i < 200; i++)
		names = J(names, der(0x82, B("a")));
	p.extensions = cert_extension("551d11", true, der(0x30, names));
	says(built(&p),
		"[a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,"
		"a,a,a,a,a,a,a,a,a,"
		"a,a,a,a,a,a,a,a,a,a]",
		true);
}

static void test_chains(void **state)
{
	(void)state;
	struct bytes list[12];
	for (size_t i = 0; i < LEN(list); i++) {
		char cn[8];
		struct parts p = usual();
		snprintf(cn, sizeof cn, "ca%zu", i);
		p.subject = name(cn);
		list[i] = built(&p);
	}
	char *text = text_of(certificates(list, LEN(list)));
	assert_non_null(strstr(text,
		"x509.chain_index=7 x509.version=3 x509.serial_number=f122 x509.subject.common_name=ca7 "));
	assert_null(strstr(text, "x509.chain_index=8"));
	/* The device is who the first certificate says. */
	assert_non_null(strstr(text, "observe tls sender server tls.subject=CN=ca0,O=Ward@50\n"));
	assert_null(strstr(text, "tls.subject=CN=ca1"));
	free(text);
	/* A chain longer than there is room for: what is whole at its head is read. */
	struct parts p = usual();
	p.extensions = cert_extension("2a03", false, zeros(9000));
	list[1] = list[2] = list[3] = built(&p);
	text = text_of(certificates(list, 4));
	assert_non_null(strstr(text, "x509.chain_index=2 "));
	assert_null(strstr(text, "x509.chain_index=3 "));
	assert_null(strstr(text, "malformed"));
	free(text);
	/* One damaged link leaves the others. */
	list[1] = H("3000");
	text = text_of(certificates(list, 3));
	assert_non_null(strstr(text, "x509.chain_index=2 "));
	assert_non_null(strstr(text, "malformed 1\n"));
	free(text);
}

/* A client's certificate (RFC 5246 7.4.6), longer chain than the client's room. */
static void test_client_certificate(void **state)
{
	(void)state;
	const struct dxtest t = { .proto = PROTO_tls };
	struct parts p = usual();
	struct bytes one = built(&p);
	p.extensions = cert_extension("2a03", false, zeros(9000));
	const struct bytes list[] = { one, built(&p) };
	const struct chunk chunks[] = { { DIR_CLIENT,
		records(22, 16384, J(certificates(list, 1), message(16, zeros(60)))) } };
	char *text = dxtest_splits(&t, chunks, 1);
	assert_non_null(strstr(text, "x509.certificate client x509.chain_index=0 "));
	assert_non_null(strstr(text, "observe tls sender client tls.subject=CN=pump,O=Ward@50\n"));
	free(text);
	const struct chunk longer[] = { { DIR_CLIENT, records(22, 1000, certificates(list, 2)) } };
	text = dxtest_splits(&t, longer, 1);
	assert_non_null(strstr(text, "x509.chain_index=0 "));
	assert_null(strstr(text, "x509.chain_index=1 "));
	assert_null(strstr(text, "malformed"));
	free(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, reset)
	const struct CMUnitTest tests[] = {
		TEST(test_plain),
		TEST(test_real),
		TEST(test_times),
		TEST(test_names),
		TEST(test_self_signed),
		TEST(test_keys),
		TEST(test_version_1),
		TEST(test_hostile),
		TEST(test_chains),
		TEST(test_client_certificate),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
