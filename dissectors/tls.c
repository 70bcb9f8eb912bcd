/*
 * TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446), SSL 2.0 and 3.0 (RFC 6101): the handshake as far as it is in
 * clear. What follows is never looked at.
 *
 * The framing unit is the record. A handshake message may share a record or span several; what spans is
 * collected in the conversation's extra block, the client's in its first 8 KiB, the server's in the rest.
 * A chain that is longer is read as far as it fits: the server's own certificate comes first.
 */
#include "tls.h"

static const char *const events[] = { [TLS_CLIENT_HELLO] = "client_hello",
	[TLS_SERVER_HELLO] = "server_hello",
	[TLS_ESTABLISHED] = "established",
	[TLS_ALERT] = "alert",
	[TLS_CERTIFICATE] = "x509.certificate",
	NULL };

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
	[CERTIFICATE_REQUESTED] = { "tls.client.certificate_requested", FACT_BOOL, OPEN, false },
	[JA3] = { "tls.client.ja3", FACT_STR, OPEN, false },
	[JA4] = { "tls.client.ja4", FACT_STR, OPEN, false },
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
enum {
	HS_CLIENT_HELLO = 1,
	HS_SERVER_HELLO = 2,
	HS_CERTIFICATE = 11,
	HS_CERTIFICATE_REQUEST = 13,
	HS_SERVER_HELLO_DONE = 14,
};
enum { RECORD_HEADER = 5, RECORD_MOST = 16384 + 2048, MESSAGE_HEADER = 4 };
enum { CLIENT_ROOM = 8192, SERVER_ROOM = EXTRA_BYTES - CLIENT_ROOM };

/* ---- established ------------------------------------------------------------------------- */

/* Up to 1.2 both sides announce the change of keys; later data say as much when a side was not seen. In 1.3
 * only what the client sends encrypted proves that it took the server for genuine. */
static void check_established(struct dx *x)
{
	struct tls_state *s = x->state;
	bool changed = s->ccs[DIR_CLIENT] && s->ccs[DIR_SERVER];
	bool is_proven = tls_is_13(s->version) ? s->data[DIR_CLIENT]
					       : changed || s->data[DIR_CLIENT] || s->data[DIR_SERVER];
	if (s->is_established || !s->server_hello_seen || !is_proven)
		return;
	s->is_established = true;
	ev_begin(x, TLS_ESTABLISHED);
	tls_put_session(x, s);
	ev_bool(x, IS_ESTABLISHED, true);
	if (s->flight_seen)
		ev_bool(x, CERTIFICATE_REQUESTED, s->certificate_requested);
	ev_end(x);
}

/* In 1.3 it is for show (RFC 8446 D.4): hellos may still follow. */
static void changed_keys(struct dx *x)
{
	struct tls_state *s = x->state;
	s->ccs[x->dir] = true;
	check_established(x);
	if (s->is_established)
		dx_done(x, false);
}

static void application_data(struct dx *x, size_t n)
{
	enum { ALERT_13 = 2 + 1 + 16 }; /* an encrypted alert of 1.3, which looks like data */
	struct tls_state *s = x->state;
	dx_encrypted(x);
	if (x->dir == DIR_CLIENT && (!s->server_hello_seen || tls_is_13(s->version)) && n <= ALERT_13)
		return;
	/* RFC 8446 2.3: these the client may send before it has heard of the server. */
	if (x->dir == DIR_CLIENT && !s->server_hello_seen && s->early_data)
		return;
	s->data[x->dir] = true;
	check_established(x);
	dx_done(x, false);
}

/* ---- handshake messages ------------------------------------------------------------------ */

static bool handshake(struct dx *x, uint8_t type, struct bytes body, bool is_cut)
{
	struct tls_state *s = x->state;
	switch (type) {
	case HS_CLIENT_HELLO:
		return tls_client_hello(x, body, is_cut);
	case HS_SERVER_HELLO:
		if (!tls_server_hello(x, body))
			return false;
		check_established(x);
		return true;
	case HS_CERTIFICATE:
		return tls_certificates(x, body, is_cut);
	case HS_CERTIFICATE_REQUEST:
		s->certificate_requested = true;
		return true;
	case HS_SERVER_HELLO_DONE:
		s->flight_seen = s->server_hello_seen;
		return true;
	default:
		return true;
	}
}

/* Goes through the whole messages of `in`; what is left over is one unfinished message. */
static bool messages(struct dx *x, struct bytes *in)
{
	bool ok = true;
	for (struct cur c = cur_of(*in);; *in = cur_peek(&c)) {
		uint8_t type = cur_u8(&c);
		struct bytes body = cur_take(&c, cur_be24(&c));
		if (!cur_ok(&c))
			return ok;
		ok &= handshake(x, type, body, false);
	}
}

static uint8_t *room_of(struct dx *x, size_t *room)
{
	uint8_t *extra = dx_extra(x);
	*room = !extra ? 0 : x->dir == DIR_CLIENT ? CLIENT_ROOM : SERVER_ROOM;
	return extra && x->dir == DIR_SERVER ? extra + CLIENT_ROOM : extra;
}

/* The message at the start of `in` will never be whole here: reads its head, passes by the rest. */
static bool give_up(struct dx *x, struct bytes in)
{
	struct tls_state *s = x->state;
	struct cur c = cur_of(in);
	uint8_t type = cur_u8(&c);
	uint32_t length = cur_be24(&c);
	if (!cur_ok(&c)) {
		dx_done(x, false); /* how much to pass by will not be known */
		return true;
	}
	s->passing[x->dir] = length - (uint32_t)cur_left(&c);
	return handshake(x, type, cur_rest(&c), true);
}

/* Adds as much of `in` as the unfinished message has room for. */
static bool collect(struct dx *x, struct bytes *in)
{
	struct tls_state *s = x->state;
	size_t room, have = s->collected[x->dir];
	uint8_t *store = room_of(x, &room);
	if (!store) {
		struct bytes all = *in;
		*in = bytes_first(*in, 0);
		return give_up(x, all);
	}
	size_t n = bytes_copy(store + have, room - have, *in);
	*in = bytes_from(*in, n);
	struct bytes all = bytes_of(store, have + n);
	s->collected[x->dir] = 0;
	bool ok = messages(x, &all);
	if (all.n == room)
		return give_up(x, all) && ok;
	if (all.n)
		memmove(store, all.p, all.n);
	s->collected[x->dir] = (uint32_t)all.n;
	return ok;
}

static bool handshakes(struct dx *x, struct bytes in)
{
	struct tls_state *s = x->state;
	bool ok = true;
	while (in.n) {
		uint32_t *passing = &s->passing[x->dir];
		size_t n = *passing < in.n ? *passing : in.n;
		*passing -= (uint32_t)n;
		in = bytes_from(in, n);
		if (!s->collected[x->dir])
			ok &= messages(x, &in);
		if (in.n)
			ok &= collect(x, &in);
	}
	return ok;
}

static bool alert(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	uint8_t level = cur_u8(&c), description = cur_u8(&c);
	if (in.n != 2 || level < 1 || level > 2)
		return true; /* encrypted */
	ev_begin(x, TLS_ALERT);
	ev_text(x, ALERT_LEVEL, level == 2 ? "fatal" : "warning");
	ev_uint(x, ALERT_DESCRIPTION, description);
	ev_end(x);
	return true;
}

/* ---- SSL 2.0 (Netscape, 1995) ---------------------------------------------------------------- */

/* The client's hello also wraps a newer client's offer (RFC 5246 E.2). */
static bool ssl2_client_hello(struct dx *x, struct cur *c)
{
	struct tls_state *s = x->state;
	uint16_t version = cur_be16(c);
	size_t rest = cur_be16(c);
	rest += cur_be16(c);
	rest += cur_be16(c);
	if (!cur_ok(c) || rest != cur_left(c))
		return false;
	s->client_version = version;
	s->hello_seen = true;
	ev_begin(x, TLS_CLIENT_HELLO);
	tls_put_client_version(x, version);
	ev_end(x);
	return true;
}

static bool ssl2_server_hello(struct dx *x, struct cur *c)
{
	struct tls_state *s = x->state;
	cur_skip(c, 2); /* session id hit, certificate type */
	s->version = cur_be16(c);
	size_t n = cur_be16(c);
	cur_skip(c, 4); /* cipher specs' and connection id's lengths */
	struct bytes der = cur_take(c, n);
	if (!cur_ok(c) || s->version != 0x0002)
		return false;
	dx_encrypted(x);
	ev_begin(x, TLS_SERVER_HELLO);
	tls_put_version(x, s->version);
	if (s->hello_seen)
		tls_put_client_version(x, s->client_version);
	ev_end(x);
	bool ok = der.n == 0 || tls_certificate(x, der, 0);
	dx_done(x, true);
	return ok;
}

static bool ssl2(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(in);
	cur_skip(&c, 2);
	uint8_t type = cur_u8(&c);
	return type == HS_CLIENT_HELLO ? ssl2_client_hello(x, &c) : ssl2_server_hello(x, &c);
}

/* ---- records ----------------------------------------------------------------------------- */

static bool is_ssl2(struct bytes in)
{
	return bytes_at(in, 0) >= 0x80;
}

static int64_t frame(struct dx *x, struct bytes in)
{
	const struct tls_state *s = x->state;
	struct cur c = cur_of(in);
	if (is_ssl2(in)) {
		uint8_t want = x->dir == DIR_CLIENT ? 1 : 4;
		uint16_t n = cur_be16(&c) & 0x7fff;
		uint8_t type = cur_u8(&c);
		if (s->begun[x->dir])
			return FRAME_BAD;
		if (!cur_ok(&c))
			return FRAME_MORE;
		return n >= 9 && type == want ? 2 + (int64_t)n : FRAME_BAD;
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
	struct tls_state *s = x->state;
	struct cur c = cur_of(in);
	if (is_ssl2(in))
		return ssl2(x, in);
	uint8_t type = cur_u8(&c);
	cur_skip(&c, RECORD_HEADER - 1);
	struct bytes body = cur_rest(&c);
	s->begun[x->dir] = true;
	switch (type) {
	case RECORD_CCS:
		changed_keys(x);
		return true;
	case RECORD_ALERT:
		return alert(x, body);
	case RECORD_HANDSHAKE:
		/* Encrypted behind the change of keys, but after a HelloRetryRequest. */
		return (s->ccs[x->dir] && !s->is_retried) || handshakes(x, body);
	case RECORD_DATA:
		application_data(x, body.n);
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
	.state_size = sizeof(struct tls_state),
	.fields = fields,
	.events = events,
	.probe = probe,
	.frame = frame,
	.pdu = pdu,
};
