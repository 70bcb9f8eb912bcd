/* The hellos of TLS (RFC 5246 7.4.1, 8446 4.1) and their fingerprints JA3, JA3S and JA4. */
#include "tls.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	EXT_SNI = 0,
	EXT_GROUPS = 10,
	EXT_FORMATS = 11,
	EXT_SCHEMES = 13,
	EXT_ALPN = 16,
	EXT_PSK = 41,
	EXT_EARLY_DATA = 42,
	EXT_VERSIONS = 43,
};

/* ---- versions, ciphers ------------------------------------------------------------------- */

bool tls_is_13(uint16_t version)
{
	return version == 0x0304 || version >> 8 == 0x7f; /* 7fxx: drafts of 1.3, 4.2.1 in each */
}

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
	default:
		return tls_is_13(v) ? "1.3" : "";
	}
}

void tls_put_version(struct dx *x, uint16_t v)
{
	ev_text(x, VERSION, version_text(v));
	ev_text(x, VERSION_PROTOCOL, v == 0x0002 || v == 0x0300 ? "ssl" : "tls");
}

void tls_put_client_version(struct dx *x, uint16_t v)
{
	ev_text(x, CLIENT_VERSION, version_text(v));
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

void tls_put_session(struct dx *x, const struct tls_state *s)
{
	tls_put_version(x, s->version);
	put_cipher(x, s->cipher);
	ev_str(x, SERVER_NAME, bytes_of(s->name, s->name_n));
	if (s->hello_seen)
		tls_put_client_version(x, s->client_version);
	/* Without the client's hello a taken-up session of 1.2 looks like any other. */
	if (s->hello_seen || tls_is_13(s->version))
		ev_bool(x, IS_RESUMED, s->is_resumed);
}

/* ---- what a hello holds ------------------------------------------------------------------ */

/* Longer lists are no stack's habit: such a hello gets no fingerprint. */
enum { LIST_MOST = 256 };

struct list {
	uint16_t v[LIST_MOST];
	unsigned n;
	bool over;
};

struct hello {
	uint16_t version;
	struct list ciphers, types, groups, schemes;
	struct bytes session, formats, name, alpn, versions;
	bool psk, early_data, is_short;
};

/* RFC 8701: values without meaning that clients mix in. */
static bool is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void list_add(struct list *l, uint16_t v)
{
	if (is_grease(v))
		return;
	if (l->n == LIST_MOST)
		l->over = true;
	else
		l->v[l->n++] = v;
}

static void list_read(struct list *l, struct bytes in)
{
	for (struct cur c = cur_of(in); cur_left(&c) >= 2;)
		list_add(l, cur_be16(&c));
}

static void list_sort(struct list *l)
{
	for (unsigned i = 1; i < l->n; i++) {
		uint16_t v = l->v[i];
		unsigned at = i;
		for (; at > 0 && l->v[at - 1] > v; at--)
			l->v[at] = l->v[at - 1];
		l->v[at] = v;
	}
}

static void read_extension(struct hello *h, uint16_t type, struct bytes body)
{
	struct cur c = cur_of(body);
	switch (type) {
	case EXT_SNI: /* RFC 6066 section 3: list length, type 0, name */
		cur_skip(&c, 2);
		if (cur_u8(&c) == 0)
			h->name = cur_take(&c, cur_be16(&c));
		break;
	case EXT_GROUPS:
		list_read(&h->groups, cur_take(&c, cur_be16(&c)));
		break;
	case EXT_FORMATS:
		h->formats = cur_take(&c, cur_u8(&c));
		break;
	case EXT_SCHEMES:
		list_read(&h->schemes, cur_take(&c, cur_be16(&c)));
		break;
	case EXT_ALPN:
		h->alpn = cur_take(&c, cur_be16(&c));
		break;
	case EXT_PSK:
		h->psk = true;
		break;
	case EXT_EARLY_DATA:
		h->early_data = true;
		break;
	case EXT_VERSIONS:
		h->versions = body;
		break;
	default:
		break;
	}
}

/* False when they do not fill their own length. No extensions at all is well too (RFC 5246 7.4.1.2). */
static bool read_extensions(struct hello *h, struct cur *c)
{
	if (!cur_more(c))
		return true;
	uint16_t n = cur_be16(c);
	h->is_short = n > cur_left(c);
	struct cur all = cur_of(bytes_first(cur_peek(c), n));
	while (cur_more(&all)) {
		uint16_t type = cur_be16(&all);
		struct bytes body = cur_take(&all, cur_be16(&all));
		if (!cur_ok(&all))
			break;
		list_add(&h->types, type);
		read_extension(h, type, body);
	}
	return cur_ok(&all) && !h->is_short && cur_ok(c);
}

/* ---- fingerprints (siem-conventions.md section 14) ------------------------------------------- */

struct text {
	char p[4 * LIST_MOST * 6];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(t->p + t->n, sizeof t->p - t->n, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof t->p - t->n)
		t->n += (size_t)n;
}

static void text_decimal(struct text *t, const struct list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		text_add(t, i ? "-%u" : "%u", l->v[i]);
}

static bool has_fingerprint(const struct hello *h)
{
	return !h->is_short && !h->ciphers.over && !h->types.over && !h->groups.over && !h->schemes.over &&
	       h->formats.n <= 255;
}

static void ja3(const struct hello *h, char out[33])
{
	struct text t = { .n = 0 };
	text_add(&t, "%u,", h->version);
	text_decimal(&t, &h->ciphers);
	text_add(&t, ",");
	text_decimal(&t, &h->types);
	text_add(&t, ",");
	text_decimal(&t, &h->groups);
	text_add(&t, ",");
	for (struct cur f = cur_of(h->formats); cur_more(&f);) {
		uint8_t format = cur_u8(&f);
		text_add(&t, cur_left(&f) + 1 == h->formats.n ? "%u" : "-%u", format);
	}
	md5_hex(bytes_of(t.p, t.n), out);
}

static void ja3s(const struct hello *h, uint16_t cipher, char out[33])
{
	struct text t = { .n = 0 };
	text_add(&t, "%u,%u,", h->version, cipher);
	text_decimal(&t, &h->types);
	md5_hex(bytes_of(t.p, t.n), out);
}

static const char *ja4_version(uint16_t v)
{
	switch (v) {
	case 0x0300:
		return "s3";
	case 0x0301:
		return "10";
	case 0x0302:
		return "11";
	case 0x0303:
		return "12";
	default:
		return tls_is_13(v) ? "13" : "00";
	}
}

/* First and last character of the first name, of its hex digits if one of them is no letter or digit. */
static void ja4_alpn(struct bytes alpn, char out[3])
{
	static const char digits[] = "0123456789abcdef";
	struct cur c = cur_of(alpn);
	struct bytes name = cur_take(&c, cur_u8(&c));
	int first = bytes_at(name, 0), last = name.n ? bytes_at(name, name.n - 1) : -1;
	if (name.n == 0)
		snprintf(out, 3, "00");
	else if (ascii_alnum(first) && ascii_alnum(last))
		snprintf(out, 3, "%c%c", first, last);
	else
		snprintf(out, 3, "%c%c", digits[first >> 4 & 15], digits[last & 15]);
}

static void text_hex(struct text *t, const struct list *l)
{
	for (unsigned i = 0; i < l->n; i++)
		text_add(t, i ? ",%04x" : "%04x", l->v[i]);
}

static void ja4_hash(const struct text *t, char out[13])
{
	uint8_t hash[32];
	sha256_of(bytes_of(t->p, t->n), hash);
	for (unsigned i = 0; i < 6; i++)
		snprintf(out + 2 * i, 3, "%02x", t->n ? hash[i] : 0);
}

static void ja4(const struct hello *h, uint16_t version, char out[40])
{
	struct list ciphers = h->ciphers, types = { .n = 0 };
	struct text b = { .n = 0 }, c = { .n = 0 };
	char alpn[3], b_hash[13], c_hash[13];
	bool has_name = false;
	for (unsigned i = 0; i < h->types.n; i++) {
		has_name |= h->types.v[i] == EXT_SNI;
		if (h->types.v[i] != EXT_SNI && h->types.v[i] != EXT_ALPN)
			list_add(&types, h->types.v[i]);
	}
	list_sort(&ciphers);
	list_sort(&types);
	text_hex(&b, &ciphers);
	text_hex(&c, &types);
	if (types.n && h->schemes.n) {
		text_add(&c, "_");
		text_hex(&c, &h->schemes);
	}
	ja4_alpn(h->alpn, alpn);
	ja4_hash(&b, b_hash);
	ja4_hash(&c, c_hash);
	snprintf(out, 40, "t%s%c%02u%02u%s_%s_%s", ja4_version(version), has_name ? 'd' : 'i',
		h->ciphers.n < 99 ? h->ciphers.n : 99, h->types.n < 99 ? h->types.n : 99, alpn, b_hash,
		c_hash);
}

/* ---- the messages ------------------------------------------------------------------------ */

/* The highest version offered: supported_versions if there, else the hello's own (RFC 8446 4.2.1). */
static uint16_t offered_version(const struct hello *h)
{
	struct cur c = cur_of(h->versions);
	uint16_t best = 0;
	struct cur list = cur_sub(&c, cur_u8(&c));
	while (cur_left(&list) >= 2) {
		uint16_t v = cur_be16(&list);
		if (v > best && version_text(v)[0])
			best = v;
	}
	return best ? best : h->version;
}

static void put_offered_protocols(struct dx *x, struct bytes alpn)
{
	struct cur c = cur_of(alpn);
	for (unsigned i = 0; cur_more(&c) && i < 16; i++)
		ev_str(x, OFFERED_PROTOCOLS, cur_take(&c, cur_u8(&c)));
}

bool tls_client_hello(struct dx *x, struct bytes body, bool is_cut)
{
	struct tls_state *s = x->state;
	struct cur c = cur_of(body);
	struct hello h = { .version = cur_be16(&c) };
	char hash[33], name[40];
	cur_skip(&c, 32);
	h.session = cur_take(&c, cur_u8(&c));
	struct bytes ciphers = cur_take(&c, cur_be16(&c));
	cur_skip(&c, cur_u8(&c)); /* compression methods */
	if (!cur_ok(&c))
		return is_cut;
	list_read(&h.ciphers, ciphers);
	if (!read_extensions(&h, &c) && !is_cut)
		return false;
	h.is_short |= is_cut;
	s->hello_seen = true;
	s->early_data = h.early_data;
	s->client_version = offered_version(&h);
	s->name_n = (uint8_t)bytes_copy(s->name, sizeof s->name, h.name);
	s->session_n = (uint8_t)bytes_copy(s->session, sizeof s->session, h.session);
	ev_begin(x, TLS_CLIENT_HELLO);
	tls_put_client_version(x, s->client_version);
	ev_str(x, SERVER_NAME, h.name);
	put_offered_protocols(x, h.alpn);
	bool is_known = has_fingerprint(&h);
	if (is_known) {
		ja3(&h, hash);
		ja4(&h, s->client_version, name);
		ev_text(x, JA3, hash);
		ev_text(x, JA4, name);
	}
	ev_end(x);
	if (is_known) {
		ob_begin(x, OB_SENDER);
		ob_text(x, ATTR_TLS_JA3, hash, 30);
		ob_end(x);
	}
	return true;
}

/* RFC 8446 4.1.3: the random of a HelloRetryRequest, after which both sides' hellos follow once more. */
static bool is_retry(struct bytes random)
{
	static const uint8_t retry[] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
		0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e,
		0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };
	return bytes_eq(random, bytes_of(retry, sizeof retry));
}

/* RFC 8446 4.2.11; before, a server takes a session up by the id that the client asked for, real or made up
 * beside a ticket (RFC 5246 7.4.1.3, 5077 3.4). */
static bool is_resumption(const struct tls_state *s, const struct hello *h)
{
	if (tls_is_13(s->version))
		return h->psk;
	return h->session.n > 0 && bytes_eq(h->session, bytes_of(s->session, s->session_n));
}

bool tls_server_hello(struct dx *x, struct bytes body)
{
	struct tls_state *s = x->state;
	struct cur c = cur_of(body);
	struct hello h = { .version = cur_be16(&c) };
	char hash[33];
	struct bytes random = cur_take(&c, 32);
	/* The drafts of 1.3 before the 22nd have neither session id nor compression. */
	bool is_draft = h.version >> 8 == 0x7f;
	h.session = cur_take(&c, is_draft ? 0 : cur_u8(&c));
	uint16_t cipher = cur_be16(&c);
	cur_skip(&c, is_draft ? 0 : 1);
	if (!cur_ok(&c) || !read_extensions(&h, &c))
		return false;
	if (is_retry(random)) {
		s->is_retried = true;
		return true;
	}
	struct cur v = cur_of(h.versions);
	uint16_t chosen = cur_be16(&v);
	s->version = cur_ok(&v) ? chosen : h.version;
	s->cipher = cipher;
	s->is_resumed = is_resumption(s, &h);
	s->server_hello_seen = true;
	dx_encrypted(x);
	ev_begin(x, TLS_SERVER_HELLO);
	tls_put_session(x, s);
	struct cur alpn = cur_of(h.alpn);
	ev_str(x, NEXT_PROTOCOL, cur_take(&alpn, cur_u8(&alpn)));
	if (has_fingerprint(&h)) {
		ja3s(&h, cipher, hash);
		ev_text(x, JA3S, hash);
	}
	ev_end(x);
	return true;
}
