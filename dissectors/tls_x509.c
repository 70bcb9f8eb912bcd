/* Certificates: DER (X.690) of RFC 5280 section 4.1. */
#include "tls.h"

#include <stdio.h>

enum { CHAIN_MOST = 8, NAME_ROOM = 200 };
enum { DER_BOOL = 1, DER_INTEGER = 2, DER_BITS = 3, DER_OCTETS = 4, DER_OID = 6 };
enum { DER_T61 = 20, DER_UTC = 23, DER_GENERALIZED = 24, DER_BMP = 30 };
enum { DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_EXPLICIT_0 = 0xa0, DER_EXPLICIT_3 = 0xa3, DER_KEY_ID = 0x80 };

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
	OID("\x2b\x24\x03\x03\x02\x08\x01\x01\x0d", 512, "brainpoolP512r1"),
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

/* Days since 1970-01-01 of the Gregorian calendar, for the years 0 to 9999. */
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

/* ---- names ------------------------------------------------------------------------------- */

/* What is shown of a distinguished name. */
struct dn {
	struct bytes common, organisation;
	uint8_t room[2][NAME_ROOM]; /* for those that had to be written anew */
};

static size_t put_utf8(uint8_t *to, uint16_t v)
{
	if (v < 0x80) {
		to[0] = (uint8_t)v;
		return 1;
	}
	if (v < 0x800) {
		to[0] = (uint8_t)(0xc0 | v >> 6);
		to[1] = (uint8_t)(0x80 | (v & 63));
		return 2;
	}
	to[0] = (uint8_t)(0xe0 | v >> 12);
	to[1] = (uint8_t)(0x80 | (v >> 6 & 63));
	to[2] = (uint8_t)(0x80 | (v & 63));
	return 3;
}

/* A value as UTF-8: BMPString is UCS-2, TeletexString in practice Latin-1; the other kinds are UTF-8 or ASCII
 * as they are. */
static struct bytes in_utf8(uint8_t tag, struct bytes v, uint8_t room[NAME_ROOM])
{
	size_t n = 0;
	if (tag != DER_BMP && tag != DER_T61)
		return v;
	for (struct cur c = cur_of(v); cur_more(&c) && n + 3 <= NAME_ROOM;)
		n += put_utf8(room + n, tag == DER_BMP ? cur_be16(&c) : cur_u8(&c));
	return bytes_of(room, n);
}

/* The common name and the organisation of a distinguished name (RFC 5280 4.1.2.4). */
static void read_name(struct bytes in, struct dn *name)
{
	struct cur c = cur_of(in);
	for (unsigned i = 0; cur_more(&c) && i < 32; i++) {
		struct cur set = cur_of(der_take(&c, DER_SET));
		struct cur pair = cur_of(der_take(&set, DER_SEQUENCE));
		struct bytes oid = der_take(&pair, DER_OID);
		uint8_t tag;
		struct bytes value = der_next(&pair, &tag);
		if (!cur_ok(&pair))
			return;
		if (bytes_eq(oid, bytes_of("\x55\x04\x03", 3)))
			name->common = in_utf8(tag, value, name->room[0]);
		else if (bytes_eq(oid, bytes_of("\x55\x04\x0a", 3)))
			name->organisation = in_utf8(tag, value, name->room[1]);
	}
}

/* ---- the key ----------------------------------------------------------------------------- */

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

/* ---- extensions -------------------------------------------------------------------------- */

struct extensions {
	struct bytes names;               /* of subjectAltName, 4.2.1.6 */
	struct bytes own_key, issuer_key; /* identifiers, 4.2.1.1 and 4.2.1.2 */
};

static void read_extension(struct extensions *e, struct bytes oid, struct bytes value)
{
	struct cur c = cur_of(value);
	if (bytes_eq(oid, bytes_of("\x55\x1d\x11", 3))) {
		e->names = der_take(&c, DER_SEQUENCE);
	} else if (bytes_eq(oid, bytes_of("\x55\x1d\x0e", 3))) {
		e->own_key = der_take(&c, DER_OCTETS);
	} else if (bytes_eq(oid, bytes_of("\x55\x1d\x23", 3))) {
		struct cur in = cur_of(der_take(&c, DER_SEQUENCE));
		e->issuer_key = der_take(&in, DER_KEY_ID);
	}
}

static void read_extensions(struct extensions *e, struct bytes in)
{
	struct cur outer = cur_of(in);
	struct cur c = cur_of(der_take(&outer, DER_SEQUENCE));
	for (unsigned i = 0; cur_more(&c) && i < 32; i++) {
		struct cur one = cur_of(der_take(&c, DER_SEQUENCE));
		struct bytes oid = der_take(&one, DER_OID);
		uint8_t tag;
		struct bytes value = der_next(&one, &tag);
		if (tag == DER_BOOL)
			value = der_next(&one, &tag);
		if (cur_ok(&one) && tag == DER_OCTETS)
			read_extension(e, oid, value);
	}
}

/* GeneralName: rfc822Name [1], dNSName [2] and URI [6] are text, iPAddress [7] 4 or 16 bytes. */
static void put_names(struct dx *x, struct bytes names)
{
	struct cur c = cur_of(names);
	for (unsigned i = 0; cur_more(&c) && i < 64; i++) {
		char text[ADDR_TEXT];
		uint8_t tag;
		struct bytes name = der_next(&c, &tag);
		struct addr ip = name.n == 4 ? addr_v4(name) : addr_v6(name);
		if (tag == 0x81 || tag == 0x82 || tag == 0x86)
			ev_str(x, X_NAMES, name);
		else if (tag == 0x87 && ip.family)
			ev_text(x, X_NAMES, addr_text(&ip, text));
	}
}

/* ---- the certificate --------------------------------------------------------------------- */

struct certificate {
	uint64_t version;
	struct bytes serial, spki;
	const struct oid *signature;
	struct dn issuer, subject;
	int64_t from, to; /* seconds since 1970 */
	bool is_self_issued;
	struct extensions extensions;
};

/* RFC 5280 4.1.2: TBSCertificate. */
static bool read_certificate(struct certificate *k, struct bytes der)
{
	struct cur top = cur_of(der);
	struct cur outer = cur_of(der_take(&top, DER_SEQUENCE));
	struct cur c = cur_of(der_take(&outer, DER_SEQUENCE));
	uint8_t tag;
	k->version = 1;
	k->serial = der_next(&c, &tag);
	if (tag == DER_EXPLICIT_0) {
		struct cur v = cur_of(k->serial);
		struct cur number = cur_of(der_take(&v, DER_INTEGER));
		k->version = 1u + cur_u8(&number);
		k->serial = der_next(&c, &tag);
	}
	struct cur algorithm = cur_of(der_take(&c, DER_SEQUENCE));
	struct bytes issuer = der_take(&c, DER_SEQUENCE);
	struct cur validity = cur_of(der_take(&c, DER_SEQUENCE));
	struct bytes subject = der_take(&c, DER_SEQUENCE);
	k->spki = der_take(&c, DER_SEQUENCE);
	k->signature = OID_FIND(der_take(&algorithm, DER_OID), signatures);
	if (!cur_ok(&c) || tag != DER_INTEGER || !der_time(&validity, &k->from) ||
		!der_time(&validity, &k->to))
		return false;
	/* The sign's zero byte is no part of the number. */
	while (k->serial.n > 1 && bytes_at(k->serial, 0) == 0)
		k->serial = bytes_from(k->serial, 1);
	read_name(issuer, &k->issuer);
	read_name(subject, &k->subject);
	k->is_self_issued = bytes_eq(issuer, subject);
	while (cur_more(&c)) {
		struct bytes rest = der_next(&c, &tag);
		if (tag == DER_EXPLICIT_3)
			read_extensions(&k->extensions, rest);
	}
	return true;
}

/* An authority may bear the name of whom it certifies: then the identifiers of the two keys differ. */
static bool is_self_signed(const struct certificate *k)
{
	const struct extensions *e = &k->extensions;
	return k->is_self_issued &&
	       (e->own_key.n == 0 || e->issuer_key.n == 0 || bytes_eq(e->own_key, e->issuer_key));
}

/* Nanoseconds since 1970 reach from 1677 to 2262; "never" (99991231235959Z, 4.1.2.5) and its like are left
 * out. */
static void put_time(struct dx *x, unsigned field, int64_t seconds)
{
	int64_t ns;
	if (!__builtin_mul_overflow(seconds, (int64_t)1000000000, &ns))
		ev_time(x, field, ns);
}

static void observe_subject(struct dx *x, const struct dn *subject)
{
	uint8_t text[2 * NAME_ROOM + 8];
	size_t n = bytes_copy(text, sizeof text, bytes_str("CN="));
	n += bytes_copy(text + n, NAME_ROOM, bytes_trim(subject->common));
	if (subject->organisation.n) {
		n += bytes_copy(text + n, sizeof text - n, bytes_str(",O="));
		n += bytes_copy(text + n, NAME_ROOM, bytes_trim(subject->organisation));
	}
	ob_begin(x, OB_SENDER);
	ob_str(x, ATTR_TLS_SUBJECT, bytes_of(text, n), 50);
	ob_end(x);
}

bool tls_certificate(struct dx *x, struct bytes der, unsigned chain)
{
	struct certificate k = { .version = 0 };
	if (!read_certificate(&k, der))
		return false;
	int64_t left = k.to - (int64_t)(x->ts_ns / 1000000000u);
	ev_begin(x, TLS_CERTIFICATE);
	ev_uint(x, X_CHAIN, chain);
	ev_uint(x, X_VERSION, k.version);
	ev_bytes(x, X_SERIAL, k.serial);
	ev_str(x, X_SUBJECT_CN, k.subject.common);
	ev_str(x, X_SUBJECT_O, k.subject.organisation);
	ev_str(x, X_ISSUER_CN, k.issuer.common);
	ev_str(x, X_ISSUER_O, k.issuer.organisation);
	put_names(x, k.extensions.names);
	put_time(x, X_NOT_BEFORE, k.from);
	put_time(x, X_NOT_AFTER, k.to);
	/* Whole days, rounded down: -1 means it expired within the last day. */
	ev_int(x, X_DAYS, left >= 0 ? left / 86400 : -((-left + 86399) / 86400));
	put_key(x, k.spki);
	if (k.signature)
		ev_text(x, X_SIGNATURE, k.signature->name);
	ev_bool(x, X_SELF_SIGNED, is_self_signed(&k));
	ev_end(x);
	if (chain == 0 && (k.subject.common.n || k.subject.organisation.n))
		observe_subject(x, &k.subject);
	return true;
}

/* RFC 5246 7.4.2; in TLS 1.3 it is encrypted. Of a cut message the whole certificates at its head count. */
bool tls_certificates(struct dx *x, struct bytes body, bool is_cut)
{
	struct cur c = cur_of(body);
	uint32_t total = cur_be24(&c);
	bool ok = is_cut || total == cur_left(&c);
	for (unsigned i = 0; cur_more(&c) && i < CHAIN_MOST; i++) {
		struct bytes der = cur_take(&c, cur_be24(&c));
		if (!cur_ok(&c))
			return is_cut && ok;
		ok &= tls_certificate(x, der, i);
	}
	return ok && (is_cut || cur_ok(&c));
}
