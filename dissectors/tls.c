/*
 * TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446), SSL 2.0 and 3.0 (RFC 6101): the handshake as far as it is in
 * clear: versions, cipher, names, JA3, and the certificates (RFC 5280). What follows is never looked at.
 *
 * The framing unit is the record. A handshake message may share a record or span several; what spans is
 * collected in the conversation's extra block, the client's in its first 8 KiB, the server's in the rest.
 * A chain that is longer is read as far as it fits: the server's own certificate comes first.
 */
#include "dissect.h"

#include <stdio.h>

enum { CLIENT_HELLO, SERVER_HELLO, ESTABLISHED, ALERT, CERTIFICATE };
static const char *const events[] = { [CLIENT_HELLO] = "client_hello",
	[SERVER_HELLO] = "server_hello",
	[ESTABLISHED] = "established",
	[ALERT] = "alert",
	[CERTIFICATE] = "x509.certificate",
	NULL };

enum {
	VERSION_PROTOCOL,
	VERSION,
	CLIENT_VERSION,
	CIPHER_NAME,
	SERVER_NAME,
	NEXT_PROTOCOL,
	OFFERED_PROTOCOLS,
	IS_ESTABLISHED,
	IS_RESUMED,
	JA3,
	JA3S,
	ALERT_LEVEL,
	ALERT_DESCRIPTION,
	X_CHAIN,
	X_VERSION,
	X_SERIAL,
	X_SUBJECT_CN,
	X_SUBJECT_O,
	X_ISSUER_CN,
	X_ISSUER_O,
	X_NAMES,
	X_NOT_BEFORE,
	X_NOT_AFTER,
	X_DAYS,
	X_KEY_ALGORITHM,
	X_KEY_SIZE,
	X_SIGNATURE,
	X_SELF_SIGNED,
};
static const struct field fields[] = {
	[VERSION_PROTOCOL] = { "tls.version_protocol", FACT_STR, OPEN, false },
	[VERSION] = { "tls.version", FACT_STR, OPEN, false },
	[CLIENT_VERSION] = { "tls.client.version", FACT_STR, OPEN, false },
	[CIPHER_NAME] = { "tls.cipher", FACT_STR, OPEN, false },
	[SERVER_NAME] = { "tls.client.server_name", FACT_STR, SUSPECT, false },
	[NEXT_PROTOCOL] = { "tls.next_protocol", FACT_STR, SUSPECT, false },
	[OFFERED_PROTOCOLS] = { "tls.client.protocols", FACT_STR, SUSPECT, true },
	[IS_ESTABLISHED] = { "tls.established", FACT_BOOL, OPEN, false },
	[IS_RESUMED] = { "tls.resumed", FACT_BOOL, OPEN, false },
	[JA3] = { "tls.client.ja3", FACT_STR, OPEN, false },
	[JA3S] = { "tls.server.ja3s", FACT_STR, OPEN, false },
	[ALERT_LEVEL] = { "tls.alert.level", FACT_STR, OPEN, false },
	[ALERT_DESCRIPTION] = { "tls.alert.description", FACT_UINT, OPEN, false },
	[X_CHAIN] = { "x509.chain_index", FACT_UINT, OPEN, false },
	[X_VERSION] = { "x509.version", FACT_UINT, OPEN, false },
	[X_SERIAL] = { "x509.serial_number", FACT_BYTES, OPEN, false },
	[X_SUBJECT_CN] = { "x509.subject.common_name", FACT_STR, SUSPECT, false },
	[X_SUBJECT_O] = { "x509.subject.organization", FACT_STR, SUSPECT, false },
	[X_ISSUER_CN] = { "x509.issuer.common_name", FACT_STR, SUSPECT, false },
	[X_ISSUER_O] = { "x509.issuer.organization", FACT_STR, SUSPECT, false },
	[X_NAMES] = { "x509.alternative_names", FACT_STR, SUSPECT, true },
	[X_NOT_BEFORE] = { "x509.not_before", FACT_TIME, OPEN, false },
	[X_NOT_AFTER] = { "x509.not_after", FACT_TIME, OPEN, false },
	[X_DAYS] = { "x509.days_to_expiry", FACT_INT, OPEN, false },
	[X_KEY_ALGORITHM] = { "x509.public_key_algorithm", FACT_STR, OPEN, false },
	[X_KEY_SIZE] = { "x509.public_key_size", FACT_UINT, OPEN, false },
	[X_SIGNATURE] = { "x509.signature_algorithm", FACT_STR, OPEN, false },
	[X_SELF_SIGNED] = { "x509.self_signed", FACT_BOOL, OPEN, false },
	{ 0 },
};

enum { RECORD_CCS = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_DATA = 23, RECORD_HEARTBEAT = 24 };
enum { HS_CLIENT_HELLO = 1, HS_SERVER_HELLO = 2, HS_CERTIFICATE = 11 };
enum { EXT_SNI = 0, EXT_GROUPS = 10, EXT_FORMATS = 11, EXT_ALPN = 16, EXT_PSK = 41, EXT_VERSIONS = 43 };
enum { RECORD_HEADER = 5, RECORD_MOST = 16384 + 2048, NAME_MOST = 255, CHAIN_MOST = 8 };
enum { CLIENT_ROOM = 8192, SERVER_ROOM = EXTRA_BYTES - CLIENT_ROOM };

struct state {
	uint32_t collected[2]; /* bytes of an unfinished handshake message in the extra block */
	uint32_t passing[2];   /* bytes of one too long for it still to come */
	uint16_t version, cipher, client_version;
	uint8_t name_n, session_n;
	uint8_t name[NAME_MOST], session[32];
	bool hello_seen, server_hello_seen, has_session, is_resumed, has_certificate;
	bool ccs[2];
};

/* ---- versions, ciphers ------------------------------------------------------------------- */

static const char *version_text(uint16_t v)
{
	switch (v) {
	case 0x0002:
		return "2.0";
	case 0x0300:
		return "3.0";
	case 0x0301:
		return "1.0";
	case 0x0302:
		return "1.1";
	case 0x0303:
		return "1.2";
	case 0x0304:
		return "1.3";
	default: /* drafts of 1.3 (RFC 8446 4.2.1 in its drafts) */
		return (v >> 8) == 0x7f ? "1.3" : "";
	}
}

static void put_version(struct dx *x, uint16_t v)
{
	ev_text(x, VERSION, version_text(v));
	ev_text(x, VERSION_PROTOCOL, v == 0x0002 || v == 0x0300 ? "ssl" : "tls");
}

static void put_cipher(struct dx *x, unsigned code)
{
	static const struct {
		unsigned code;
		const char *name;
	} names[] = {
#define CIPHER(code, name) { code, name },
#include "tls_ciphers.def"
#undef CIPHER
	};
	char hex[12];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].code == code) {
			ev_text(x, CIPHER_NAME, names[i].name);
			return;
		}
	snprintf(hex, sizeof hex, "0x%04x", code);
	ev_text(x, CIPHER_NAME, hex);
}

/* RFC 8701: values without meaning that clients mix in. */
static bool is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

/* ---- JA3: decimal values joined by '-', lists by ',' (siem-conventions.md section 14) ---------- */

struct ja3 {
	char text[4096];
	size_t n;
	bool in_list;
};

static void ja3_value(struct ja3 *j, unsigned v)
{
	if (j->n + 8 > sizeof j->text)
		return;
	j->n += (size_t)snprintf(j->text + j->n, 8, "%s%u", j->in_list ? "-" : "", v);
	j->in_list = true;
}

static void ja3_next(struct ja3 *j)
{
	if (j->n + 1 < sizeof j->text)
		j->text[j->n++] = ',';
	j->in_list = false;
}

static void ja3_list16(struct ja3 *j, struct cur c)
{
	while (cur_left(&c) >= 2) {
		uint16_t v = cur_be16(&c);
		if (!is_grease(v))
			ja3_value(j, v);
	}
}

static void ja3_put(struct dx *x, const struct ja3 *j, unsigned field, char hex[33])
{
	md5_hex(bytes_of(j->text, j->n), hex);
	ev_text(x, field, hex);
}

/* ---- hello ------------------------------------------------------------------------------- */

struct extensions {
	struct bytes groups, formats, name, alpn, versions;
	bool psk;
};

static void read_extension(struct extensions *e, uint16_t type, struct bytes body)
{
	struct cur c = cur_of(body);
	switch (type) {
	case EXT_SNI: /* RFC 6066 section 3: list length, type 0, name */
		cur_skip(&c, 2);
		if (cur_u8(&c) == 0)
			e->name = cur_take(&c, cur_be16(&c));
		break;
	case EXT_GROUPS:
		e->groups = cur_take(&c, cur_be16(&c));
		break;
	case EXT_FORMATS:
		e->formats = cur_take(&c, cur_u8(&c));
		break;
	case EXT_ALPN:
		e->alpn = cur_take(&c, cur_be16(&c));
		break;
	case EXT_VERSIONS:
		e->versions = body;
		break;
	case EXT_PSK:
		e->psk = true;
		break;
	default:
		break;
	}
}

/* All extensions; their types go to j in order. */
static void read_extensions(struct extensions *e, struct cur *c, struct ja3 *j)
{
	struct cur all = cur_sub(c, cur_be16(c));
	while (cur_more(&all)) {
		uint16_t type = cur_be16(&all);
		struct bytes body = cur_take(&all, cur_be16(&all));
		if (!cur_ok(&all))
			return;
		if (!is_grease(type))
			ja3_value(j, type);
		read_extension(e, type, body);
	}
}

/* The highest version offered: supported_versions if there, else the hello's own (RFC 8446 4.2.1). */
static uint16_t offered_version(uint16_t legacy, struct bytes versions)
{
	struct cur c = cur_of(versions);
	uint16_t best = 0;
	struct cur list = cur_sub(&c, cur_u8(&c));
	while (cur_left(&list) >= 2) {
		uint16_t v = cur_be16(&list);
		if (!is_grease(v) && v > best && version_text(v)[0])
			best = v;
	}
	return best ? best : legacy;
}

static void put_protocols(struct dx *x, unsigned field, struct bytes alpn)
{
	struct cur c = cur_of(alpn);
	for (unsigned i = 0; cur_more(&c) && i < 16; i++) {
		struct bytes name = cur_take(&c, cur_u8(&c));
		ev_str(x, field, name);
		if (field == NEXT_PROTOCOL)
			return;
	}
}

static size_t keep(uint8_t *to, size_t room, struct bytes v)
{
	v = bytes_first(v, room);
	return bytes_copy(to, room, v);
}

static bool client_hello(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	struct cur c = cur_of(in);
	struct extensions e = { 0 };
	struct ja3 j = { .n = 0 };
	char hex[33];
	uint16_t version = cur_be16(&c);
	cur_skip(&c, 32);
	struct bytes session = cur_take(&c, cur_u8(&c));
	struct bytes ciphers = cur_take(&c, cur_be16(&c));
	cur_skip(&c, cur_u8(&c)); /* compression methods */
	if (!cur_ok(&c))
		return false;
	ja3_value(&j, version);
	ja3_next(&j);
	ja3_list16(&j, cur_of(ciphers));
	ja3_next(&j);
	if (cur_more(&c))
		read_extensions(&e, &c, &j);
	ja3_next(&j);
	ja3_list16(&j, cur_of(e.groups));
	ja3_next(&j);
	for (struct cur f = cur_of(e.formats); cur_more(&f);)
		ja3_value(&j, cur_u8(&f));
	s->hello_seen = true;
	s->client_version = offered_version(version, e.versions);
	s->name_n = (uint8_t)keep(s->name, sizeof s->name, e.name);
	s->session_n = (uint8_t)keep(s->session, sizeof s->session, session);
	ev_begin(x, CLIENT_HELLO);
	ev_text(x, CLIENT_VERSION, version_text(s->client_version));
	ev_str(x, SERVER_NAME, e.name);
	put_protocols(x, OFFERED_PROTOCOLS, e.alpn);
	ja3_put(x, &j, JA3, hex);
	ev_end(x);
	ob_begin(x, OB_SENDER);
	ob_text(x, ATTR_TLS_JA3, hex, 30);
	ob_end(x);
	return true;
}

static void put_session_facts(struct dx *x, const struct state *s)
{
	put_version(x, s->version);
	put_cipher(x, s->cipher);
	ev_str(x, SERVER_NAME, bytes_of(s->name, s->name_n));
	if (s->hello_seen)
		ev_text(x, CLIENT_VERSION, version_text(s->client_version));
}

static bool server_hello(struct dx *x, struct bytes in)
{
	/* RFC 8446 4.1.3: this random marks a HelloRetryRequest, after which another hello follows. */
	static const uint8_t retry[] = { 0xcf, 0x21, 0xad, 0x74 };
	struct state *s = x->state;
	struct cur c = cur_of(in);
	struct extensions e = { 0 };
	struct ja3 j = { .n = 0 };
	char hex[33];
	uint16_t version = cur_be16(&c);
	struct bytes random = cur_take(&c, 32);
	struct bytes session = cur_take(&c, cur_u8(&c));
	s->cipher = cur_be16(&c);
	cur_skip(&c, 1);
	if (!cur_ok(&c))
		return false;
	ja3_value(&j, version);
	ja3_next(&j);
	ja3_value(&j, s->cipher);
	ja3_next(&j);
	if (cur_more(&c))
		read_extensions(&e, &c, &j);
	struct cur v = cur_of(e.versions);
	uint16_t chosen = cur_be16(&v);
	s->version = cur_ok(&v) && e.versions.n == 2 ? chosen : version;
	if (bytes_eq(bytes_first(random, sizeof retry), bytes_of(retry, sizeof retry)))
		return true;
	s->is_resumed = s->version == 0x0304 ? e.psk
					     : session.n > 0 && s->session_n == session.n &&
						       bytes_eq(session, bytes_of(s->session, s->session_n));
	s->server_hello_seen = true;
	dx_encrypted(x);
	ev_begin(x, SERVER_HELLO);
	put_session_facts(x, s);
	put_protocols(x, NEXT_PROTOCOL, e.alpn);
	ev_bool(x, IS_RESUMED, s->is_resumed);
	ja3_put(x, &j, JA3S, hex);
	ev_end(x);
	return true;
}

/* ---- certificates: DER (X.690) of RFC 5280 section 4.1 ------------------------------------ */

enum { DER_BOOL = 1, DER_INTEGER = 2, DER_BITS = 3, DER_OID = 6, DER_UTC = 23, DER_GENERALIZED = 24 };
enum { DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_EXPLICIT_0 = 0xa0, DER_EXPLICIT_3 = 0xa3 };

static struct bytes der_next(struct cur *c, uint8_t *tag)
{
	*tag = cur_u8(c);
	size_t n = cur_u8(c);
	if (n & 0x80) {
		unsigned bytes = n & 0x7f;
		if (bytes == 0 || bytes > 4)
			c->bad = true; /* indefinite or absurd: not DER */
		for (n = 0; bytes && cur_ok(c); bytes--)
			n = n << 8 | cur_u8(c);
	}
	return cur_take(c, n);
}

/* The next value if it has that tag, else the cursor is bad. */
static struct bytes der_take(struct cur *c, uint8_t want)
{
	uint8_t tag;
	struct bytes v = der_next(c, &tag);
	if (tag != want)
		c->bad = true;
	return c->bad ? (struct bytes){ 0 } : v;
}

struct oid {
	const char *der; /* the value's bytes */
	uint8_t n;
	uint16_t bits; /* of a key on that curve, or of that kind */
	const char *name;
};
#define OID(der, bits, name)                                                                                 \
	{                                                                                                    \
		der, sizeof(der) - 1, bits, name                                                             \
	}

static const struct oid key_kinds[] = {
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", 0, "rsaEncryption"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 0, "rsassaPss"),
	OID("\x2a\x86\x48\xce\x3d\x02\x01", 0, "id-ecPublicKey"),
	OID("\x2a\x86\x48\xce\x38\x04\x01", 0, "dsaEncryption"),
	OID("\x2b\x65\x70", 256, "ed25519"),
	OID("\x2b\x65\x71", 456, "ed448"),
};
static const struct oid curves[] = {
	OID("\x2a\x86\x48\xce\x3d\x03\x01\x01", 192, "prime192v1"),
	OID("\x2a\x86\x48\xce\x3d\x03\x01\x07", 256, "prime256v1"),
	OID("\x2b\x81\x04\x00\x0a", 256, "secp256k1"),
	OID("\x2b\x81\x04\x00\x21", 224, "secp224r1"),
	OID("\x2b\x81\x04\x00\x22", 384, "secp384r1"),
	OID("\x2b\x81\x04\x00\x23", 521, "secp521r1"),
	OID("\x2b\x24\x03\x03\x02\x08\x01\x01\x07", 256, "brainpoolP256r1"),
	OID("\x2b\x24\x03\x03\x02\x08\x01\x01\x0b", 384, "brainpoolP384r1"),
};
static const struct oid signatures[] = {
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02", 0, "md2WithRSAEncryption"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", 0, "md5WithRSAEncryption"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", 0, "sha1WithRSAEncryption"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 0, "rsassaPss"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 0, "sha256WithRSAEncryption"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 0, "sha384WithRSAEncryption"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", 0, "sha512WithRSAEncryption"),
	OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", 0, "sha224WithRSAEncryption"),
	OID("\x2b\x0e\x03\x02\x1d", 0, "sha1WithRSAEncryption"),
	OID("\x2a\x86\x48\xce\x38\x04\x03", 0, "dsa-with-sha1"),
	OID("\x60\x86\x48\x01\x65\x03\x04\x03\x02", 0, "dsa-with-sha256"),
	OID("\x2a\x86\x48\xce\x3d\x04\x01", 0, "ecdsa-with-SHA1"),
	OID("\x2a\x86\x48\xce\x3d\x04\x03\x01", 0, "ecdsa-with-SHA224"),
	OID("\x2a\x86\x48\xce\x3d\x04\x03\x02", 0, "ecdsa-with-SHA256"),
	OID("\x2a\x86\x48\xce\x3d\x04\x03\x03", 0, "ecdsa-with-SHA384"),
	OID("\x2a\x86\x48\xce\x3d\x04\x03\x04", 0, "ecdsa-with-SHA512"),
	OID("\x2b\x65\x70", 0, "ed25519"),
	OID("\x2b\x65\x71", 0, "ed448"),
};

static const struct oid *oid_find(struct bytes der, const struct oid *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes_eq(der, bytes_of(list[i].der, list[i].n)))
			return &list[i];
	return NULL;
}
#define OID_FIND(der, list) oid_find(der, list, sizeof list / sizeof *list)

static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool two_digits(struct cur *c, int64_t *out)
{
	uint64_t v;
	if (!bytes_to_u64(cur_take(c, 2), &v))
		return false;
	*out = (int64_t)v;
	return true;
}

/* UTCTime or GeneralizedTime in the forms of RFC 5280 4.1.2.5, as seconds since 1970. */
static bool der_time(struct cur *c, int64_t *seconds)
{
	uint8_t tag;
	int64_t century = 0, year, month, day, hour, minute, second = 0;
	struct cur t = cur_of(der_next(c, &tag));
	if (tag == DER_GENERALIZED && !two_digits(&t, &century))
		return false;
	if ((tag != DER_UTC && tag != DER_GENERALIZED) || !two_digits(&t, &year) || !two_digits(&t, &month) ||
		!two_digits(&t, &day) || !two_digits(&t, &hour) || !two_digits(&t, &minute))
		return false;
	if (ascii_digit(bytes_at(cur_peek(&t), 0)) && !two_digits(&t, &second))
		return false;
	if (tag == DER_UTC)
		century = year >= 50 ? 19 : 20;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
		return false;
	*seconds = days_from_civil(century * 100 + year, month, day) * 86400 + hour * 3600 + minute * 60 +
		   second;
	return true;
}

/* The common name and the organisation of a distinguished name (RFC 5280 4.1.2.4). */
static void read_name(struct bytes dn, struct bytes *common, struct bytes *organisation)
{
	struct cur c = cur_of(dn);
	for (unsigned i = 0; cur_more(&c) && i < 32; i++) {
		struct cur set = cur_of(der_take(&c, DER_SET));
		struct cur pair = cur_of(der_take(&set, DER_SEQUENCE));
		struct bytes oid = der_take(&pair, DER_OID);
		uint8_t tag;
		struct bytes value = der_next(&pair, &tag);
		if (!cur_ok(&pair))
			return;
		if (bytes_eq(oid, bytes_of("\x55\x04\x03", 3)))
			*common = value;
		else if (bytes_eq(oid, bytes_of("\x55\x04\x0a", 3)))
			*organisation = value;
	}
}

/* Bits of an INTEGER without its leading zeros. */
static unsigned integer_bits(struct bytes v)
{
	while (v.n && bytes_at(v, 0) == 0)
		v = bytes_from(v, 1);
	unsigned bits = (unsigned)v.n * 8;
	for (int top = bytes_at(v, 0); top > 0 && top < 0x80; top <<= 1)
		bits--;
	return bits;
}

static void put_key(struct dx *x, struct bytes spki)
{
	struct cur c = cur_of(spki);
	struct cur algorithm = cur_of(der_take(&c, DER_SEQUENCE));
	struct cur key = cur_of(der_take(&c, DER_BITS));
	struct bytes oid = der_take(&algorithm, DER_OID);
	const struct oid *kind = OID_FIND(oid, key_kinds);
	unsigned bits = kind ? kind->bits : 0;
	if (!kind)
		return;
	ev_text(x, X_KEY_ALGORITHM, kind->name);
	if (bytes_starts(bytes_str(kind->name), "rsa")) {
		cur_skip(&key, 1); /* unused bits */
		struct cur numbers = cur_of(der_take(&key, DER_SEQUENCE));
		bits = integer_bits(der_take(&numbers, DER_INTEGER));
	} else if (bytes_is(bytes_str(kind->name), "id-ecPublicKey")) {
		const struct oid *curve = OID_FIND(der_take(&algorithm, DER_OID), curves);
		bits = curve ? curve->bits : 0;
	} else if (bytes_is(bytes_str(kind->name), "dsaEncryption")) {
		struct cur numbers = cur_of(der_take(&algorithm, DER_SEQUENCE));
		bits = integer_bits(der_take(&numbers, DER_INTEGER));
	}
	if (bits)
		ev_uint(x, X_KEY_SIZE, bits);
}

/* RFC 5280 4.2.1.6: dNSName [2] and rfc822Name [1] are text. */
static void put_names(struct dx *x, struct bytes extensions)
{
	struct cur outer = cur_of(extensions);
	struct cur c = cur_of(der_take(&outer, DER_SEQUENCE));
	for (unsigned i = 0; cur_more(&c) && i < 32; i++) {
		struct cur one = cur_of(der_take(&c, DER_SEQUENCE));
		struct bytes oid = der_take(&one, DER_OID);
		uint8_t tag;
		struct bytes value = der_next(&one, &tag);
		if (tag == DER_BOOL)
			value = der_next(&one, &tag);
		if (!cur_ok(&one) || !bytes_eq(oid, bytes_of("\x55\x1d\x11", 3)))
			continue;
		struct cur in = cur_of(value);
		struct cur names = cur_of(der_take(&in, DER_SEQUENCE));
		for (unsigned n = 0; cur_more(&names) && n < 64; n++) {
			struct bytes name = der_next(&names, &tag);
			if (tag == 0x82 || tag == 0x81)
				ev_str(x, X_NAMES, name);
		}
		return;
	}
}

static void observe_subject(struct dx *x, struct bytes common, struct bytes organisation)
{
	char text[256];
	int n = snprintf(text, sizeof text, "CN=%.*s%s%.*s", (int)(common.n < 100 ? common.n : 100),
		common.n ? (const char *)common.p : "", organisation.n ? ",O=" : "",
		(int)(organisation.n < 100 ? organisation.n : 100),
		organisation.n ? (const char *)organisation.p : "");
	ob_begin(x, OB_SENDER);
	ob_str(x, ATTR_TLS_SUBJECT, bytes_of(text, n > 0 ? (size_t)n : 0), 50);
	ob_end(x);
}

static bool certificate(struct dx *x, struct bytes der, unsigned chain)
{
	struct cur top = cur_of(der);
	struct cur outer = cur_of(der_take(&top, DER_SEQUENCE));
	struct cur c = cur_of(der_take(&outer, DER_SEQUENCE));
	struct bytes issuer_cn = { 0 }, issuer_o = { 0 }, subject_cn = { 0 }, subject_o = { 0 };
	uint64_t version = 1;
	uint8_t tag;
	int64_t from, to;
	struct bytes serial = der_next(&c, &tag);
	if (tag == DER_EXPLICIT_0) {
		struct cur v = cur_of(serial);
		version = 1u + (unsigned)bytes_at(der_take(&v, DER_INTEGER), 0);
		serial = der_take(&c, DER_INTEGER);
	}
	struct cur algorithm = cur_of(der_take(&c, DER_SEQUENCE));
	struct bytes issuer = der_take(&c, DER_SEQUENCE);
	struct cur validity = cur_of(der_take(&c, DER_SEQUENCE));
	struct bytes subject = der_take(&c, DER_SEQUENCE);
	struct bytes spki = der_take(&c, DER_SEQUENCE);
	const struct oid *signature = OID_FIND(der_take(&algorithm, DER_OID), signatures);
	if (!cur_ok(&c) || !der_time(&validity, &from) || !der_time(&validity, &to))
		return false;
	read_name(issuer, &issuer_cn, &issuer_o);
	read_name(subject, &subject_cn, &subject_o);
	int64_t left = to - (int64_t)(x->ts_ns / 1000000000u);
	ev_begin(x, CERTIFICATE);
	ev_uint(x, X_CHAIN, chain);
	ev_uint(x, X_VERSION, version);
	ev_bytes(x, X_SERIAL, serial);
	ev_str(x, X_SUBJECT_CN, subject_cn);
	ev_str(x, X_SUBJECT_O, subject_o);
	ev_str(x, X_ISSUER_CN, issuer_cn);
	ev_str(x, X_ISSUER_O, issuer_o);
	ev_time(x, X_NOT_BEFORE, from * 1000000000);
	if (to < INT64_MAX / 1000000000)
		ev_time(x, X_NOT_AFTER, to * 1000000000);
	/* Whole days, rounded down: -1 means it expired within the last day. */
	ev_int(x, X_DAYS, left >= 0 ? left / 86400 : -((-left + 86399) / 86400));
	put_key(x, spki);
	if (signature)
		ev_text(x, X_SIGNATURE, signature->name);
	ev_bool(x, X_SELF_SIGNED, bytes_eq(issuer, subject));
	while (cur_more(&c)) {
		struct bytes rest = der_next(&c, &tag);
		if (tag == DER_EXPLICIT_3)
			put_names(x, rest);
	}
	ev_end(x);
	if (chain == 0)
		observe_subject(x, subject_cn, subject_o);
	return true;
}

/* RFC 5246 7.4.2; in TLS 1.3 it is encrypted. The message may be cut: whole certificates at its head count.
 */
static bool certificates(struct dx *x, struct bytes in, bool is_cut)
{
	struct state *s = x->state;
	struct cur c = cur_of(in);
	uint32_t total = cur_be24(&c);
	bool ok = is_cut || total == cur_left(&c);
	for (unsigned i = 0; cur_more(&c) && i < CHAIN_MOST; i++) {
		struct bytes der = cur_take(&c, cur_be24(&c));
		if (!cur_ok(&c))
			return is_cut;
		s->has_certificate = true;
		ok &= certificate(x, der, i);
	}
	return ok;
}

/* ---- records ----------------------------------------------------------------------------- */

static bool handshake(struct dx *x, uint8_t type, struct bytes body, bool is_cut)
{
	switch (type) {
	case HS_CLIENT_HELLO:
		return client_hello(x, body);
	case HS_SERVER_HELLO:
		return server_hello(x, body);
	case HS_CERTIFICATE:
		return certificates(x, body, is_cut);
	default:
		return true;
	}
}

static uint8_t *room_of(struct dx *x, size_t *room)
{
	uint8_t *extra = dx_extra(x);
	*room = x->dir == DIR_CLIENT ? CLIENT_ROOM : SERVER_ROOM;
	return extra && x->dir == DIR_SERVER ? extra + CLIENT_ROOM : extra;
}

/* Goes through the whole messages of `in`; what is left over is one unfinished message. */
static bool messages(struct dx *x, struct bytes *in)
{
	for (struct cur c = cur_of(*in);; *in = cur_peek(&c)) {
		uint8_t type = cur_u8(&c);
		struct bytes body = cur_take(&c, cur_be24(&c));
		if (!cur_ok(&c))
			return true;
		if (!handshake(x, type, body, false))
			return false;
	}
}

static bool collect(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	size_t room, have = s->collected[x->dir];
	uint8_t *store = room_of(x, &room);
	if (!store)
		return true; /* none left: this message is not read */
	have += bytes_copy(store + have, room - have, in);
	struct bytes all = bytes_of(store, have);
	if (!messages(x, &all))
		return false;
	struct cur c = cur_of(all);
	uint8_t type = cur_u8(&c);
	uint32_t length = cur_be24(&c);
	s->collected[x->dir] = 0;
	if (all.n < room || !cur_ok(&c)) {
		memmove(store, all.p, all.n);
		s->collected[x->dir] = (uint32_t)all.n;
		return true;
	}
	/* It can never be whole here: read its head, pass the rest. */
	s->passing[x->dir] = length - (uint32_t)cur_left(&c);
	return handshake(x, type, cur_rest(&c), true);
}

static bool handshakes(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	uint32_t *passing = &s->passing[x->dir];
	if (*passing) {
		uint32_t n = *passing < in.n ? *passing : (uint32_t)in.n;
		*passing -= n;
		in = bytes_from(in, n);
	}
	if (s->collected[x->dir])
		return in.n == 0 || collect(x, in);
	if (!messages(x, &in))
		return false;
	return in.n == 0 || collect(x, in);
}

static void established(struct dx *x)
{
	struct state *s = x->state;
	if (s->server_hello_seen) {
		ev_begin(x, ESTABLISHED);
		put_session_facts(x, s);
		ev_bool(x, IS_ESTABLISHED, true);
		ev_bool(x, IS_RESUMED, s->is_resumed);
		ev_end(x);
	}
	dx_encrypted(x);
	dx_done(x, true);
}

static bool alert(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	uint8_t level = cur_u8(&c), description = cur_u8(&c);
	if (in.n != 2 || level < 1 || level > 2)
		return true; /* encrypted */
	ev_begin(x, ALERT);
	ev_text(x, ALERT_LEVEL, level == 2 ? "fatal" : "warning");
	ev_uint(x, ALERT_DESCRIPTION, description);
	ev_end(x);
	return true;
}

/* SSL 2.0 (Netscape, 1995) hellos, also as the wrapping of a newer client's (RFC 5246 E.2). */
static bool ssl2(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	struct cur c = cur_of(in);
	cur_skip(&c, 2);
	uint8_t type = cur_u8(&c);
	if (type == 1) {
		s->client_version = cur_be16(&c);
		s->hello_seen = true;
		ev_begin(x, CLIENT_HELLO);
		ev_text(x, CLIENT_VERSION, version_text(s->client_version));
		ev_end(x);
		return cur_ok(&c);
	}
	cur_skip(&c, 2); /* session id hit, certificate type */
	s->version = cur_be16(&c);
	size_t n = cur_be16(&c);
	cur_skip(&c, 4); /* cipher specs' and connection id's lengths */
	struct bytes der = cur_take(&c, n);
	if (type != 4 || !cur_ok(&c))
		return false;
	s->server_hello_seen = true;
	dx_encrypted(x);
	ev_begin(x, SERVER_HELLO);
	put_version(x, s->version);
	ev_end(x);
	bool ok = der.n == 0 || certificate(x, der, 0);
	dx_done(x, true);
	return ok;
}

static bool is_ssl2(struct bytes in)
{
	return bytes_at(in, 0) >= 0x80;
}

static int64_t frame(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	(void)x;
	if (is_ssl2(in)) {
		uint16_t n = cur_be16(&c) & 0x7fff;
		uint8_t type = cur_u8(&c);
		if (!cur_ok(&c))
			return FRAME_MORE;
		return n >= 9 && (type == 1 || type == 4) ? 2 + (int64_t)n : FRAME_BAD;
	}
	uint8_t type = cur_u8(&c), major = cur_u8(&c);
	bool plausible = type >= RECORD_CCS && type <= RECORD_HEARTBEAT;
	if (cur_ok(&c) && (!plausible || major != 3))
		return FRAME_BAD;
	cur_skip(&c, 1);
	uint16_t n = cur_be16(&c);
	if (!cur_ok(&c))
		return FRAME_MORE;
	return n <= RECORD_MOST ? RECORD_HEADER + (int64_t)n : FRAME_BAD;
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	struct cur c = cur_of(in);
	if (is_ssl2(in))
		return ssl2(x, in);
	uint8_t type = cur_u8(&c);
	cur_skip(&c, RECORD_HEADER - 1);
	struct bytes body = cur_rest(&c);
	switch (type) {
	case RECORD_CCS:
		s->ccs[x->dir] = true;
		/* TLS 1.3 sends it for show (RFC 8446 D.4), the rest is encrypted all the same. */
		if (s->ccs[!x->dir])
			established(x);
		return true;
	case RECORD_ALERT:
		return s->ccs[x->dir] || alert(x, body);
	case RECORD_HANDSHAKE:
		return s->ccs[x->dir] || handshakes(x, body);
	case RECORD_DATA:
		established(x);
		return true;
	default:
		return true;
	}
}

static enum probe_result probe_ssl2(struct bytes first)
{
	struct cur c = cur_of(first);
	uint16_t length = cur_be16(&c) & 0x7fff;
	uint8_t type = cur_u8(&c);
	if (cur_ok(&c) && type != 1)
		return PROBE_NO;
	uint16_t version = cur_be16(&c), ciphers = cur_be16(&c), session = cur_be16(&c),
		 challenge = cur_be16(&c);
	if (!cur_ok(&c))
		return PROBE_MORE;
	bool known = version == 0x0002 || (version >= 0x0300 && version <= 0x0303);
	bool adds_up = length == 9u + ciphers + session + challenge && ciphers % 3 == 0 && ciphers > 0;
	return known && adds_up && challenge >= 16 && challenge <= 32 ? PROBE_YES : PROBE_NO;
}

static enum probe_result probe(struct bytes first, enum dir dir)
{
	struct cur c = cur_of(first);
	if (is_ssl2(first))
		return dir == DIR_CLIENT ? probe_ssl2(first) : PROBE_NO;
	uint8_t type = cur_u8(&c);
	if (cur_ok(&c) && type != RECORD_HANDSHAKE)
		return PROBE_NO;
	uint8_t major = cur_u8(&c), minor = cur_u8(&c);
	uint16_t n = cur_be16(&c);
	uint8_t message = cur_u8(&c);
	if (!cur_ok(&c))
		return PROBE_MORE;
	bool fits = major == 3 && minor <= 4 && n >= 4 && n <= RECORD_MOST;
	return fits && message == (dir == DIR_CLIENT ? HS_CLIENT_HELLO : HS_SERVER_HELLO) ? PROBE_YES
											  : PROBE_NO;
}

const struct dissector dissector_tls = {
	.name = "tls",
	.l4 = L4_TCP,
	.ports = { 443, 2762, 8443, 636, 990, 6514, 8883, 6380 },
	.max_pdu = RECORD_HEADER + RECORD_MOST,
	.state_size = sizeof(struct state),
	.fields = fields,
	.events = events,
	.probe = probe,
	.frame = frame,
	.pdu = pdu,
};
