/*
 * DNS over UDP and TCP (RFC 1035), and in the same format mDNS (RFC 6762) and LLMNR (RFC 4795), told apart by
 * their ports. Answers name the hosts of the site; mDNS services say what a device offers.
 */
#include "dissect.h"

#include <stdio.h>

enum { EV_QUERY, EV_RESPONSE };
/* Each kind's query and response stand together: an event is 2 * kind + EV_... */
enum kind { KIND_DNS, KIND_MDNS, KIND_LLMNR };
static const char *const events[] = { "dns.query", "dns.response", "mdns.query", "mdns.response",
	"llmnr.query", "llmnr.response", NULL };

enum { ID, OPCODE, NAME, TYPE, ANSWERS, RCODE, REJECTED, Z };
static const struct field fields[] = {
	[ID] = { "dns.id", FACT_UINT, OPEN, false },
	[OPCODE] = { "dns.op_code", FACT_STR, OPEN, false },
	[NAME] = { "dns.question.name", FACT_STR, SUSPECT, false },
	[TYPE] = { "dns.question.type", FACT_STR, OPEN, false },
	[ANSWERS] = { "dns.answers.data", FACT_STR, SUSPECT, true },
	[RCODE] = { "dns.response_code", FACT_STR, OPEN, false },
	[REJECTED] = { "dns.rejected", FACT_BOOL, OPEN, false },
	[Z] = { "dns.header.z", FACT_UINT, OPEN, false },
	{ 0 },
};

enum { DNS_PORT = 53, MDNS_PORT = 5353, LLMNR_PORT = 5355 };
enum { HEADER_BYTES = 12, NAME_BYTES = 256, MAX_STEPS = 256 };
enum { PROBE_BYTES = 62 }; /* a probe sees 64 bytes, over TCP two of them the length */
enum {
	T_A = 1,
	T_NS = 2,
	T_CNAME = 5,
	T_SOA = 6,
	T_PTR = 12,
	T_MX = 15,
	T_TXT = 16,
	T_AAAA = 28,
	T_SRV = 33,
	T_DNAME = 39,
	T_OPT = 41
};
enum { CLASS_IN = 1, CACHE_FLUSH = 0x8000 }; /* RFC 6762 10.2; in a question, 5.4, "answer me alone" */
enum { OP_QUERY = 0, OP_UPDATE = 5, RCODE_REFUSED = 5 };
/* What the answer of a server says of another, and what mDNS says of the sender. */
enum { NAME_SURE = 50, MDNS_SURE = 70, MDNS_TEXT_SURE = 60 };

struct name {
	char s[NAME_BYTES];
	size_t n;
};

struct message {
	struct bytes all;
	enum kind kind;
	uint16_t id, flags;
	uint16_t questions, answers, authorities, additionals;
	uint16_t rcode; /* with the upper bits of EDNS, RFC 6891 6.1.3 */
	bool own;       /* an address record of the message is the sender's */
	unsigned addresses;
};

struct record {
	struct name owner;
	uint16_t type, class;
	uint32_t ttl;
	size_t at;          /* of the data in the message */
	struct bytes rdata; /* by itself */
};

static struct bytes name_bytes(const struct name *n)
{
	return bytes_of(n->s, n->n);
}

/* ---- the format ------------------------------------------------------------------------------ */

static void add_label(struct name *out, struct cur label)
{
	if (out->n)
		out->s[out->n++] = '.';
	while (cur_more(&label))
		out->s[out->n++] = (char)cur_u8(&label);
}

/* RFC 1035 4.1.4. A pointer must lead to before the piece that it ends, so that no chain can come back. */
static bool read_name(struct bytes all, struct cur *c, struct name *out)
{
	struct cur at = *c;
	size_t before = all.n - cur_left(c);
	bool jumped = false;
	out->n = 0;
	for (unsigned i = 0; i < MAX_STEPS; i++) {
		uint8_t len = cur_u8(&at);
		if (len >= 0xc0) {
			size_t target = (size_t)(len & 0x3f) << 8 | cur_u8(&at);
			if (!cur_ok(&at) || target >= before || target < HEADER_BYTES)
				break;
			if (!jumped)
				*c = at;
			jumped = true;
			before = target;
			at = cur_of(bytes_from(all, target));
			continue;
		}
		struct cur label = cur_sub(&at, len);
		if (!cur_ok(&at) || len > 63 || out->n + len + 1u >= sizeof out->s)
			break;
		if (len == 0) {
			if (!jumped)
				*c = at;
			return true;
		}
		add_label(out, label);
	}
	c->bad = true;
	return false;
}

static bool next_record(struct bytes all, struct cur *c, struct record *r)
{
	read_name(all, c, &r->owner);
	r->type = cur_be16(c);
	r->class = cur_be16(c);
	r->ttl = cur_be32(c);
	uint16_t n = cur_be16(c);
	r->at = all.n - cur_left(c);
	r->rdata = cur_take(c, n);
	return cur_ok(c);
}

/* The name that stands `skip` bytes into the data; empty if there is none. */
static struct bytes data_name(struct bytes all, const struct record *r, size_t skip, struct name *out)
{
	struct cur c = cur_of(bytes_from(all, r->at + skip));
	out->n = 0;
	if (r->rdata.n <= skip || !read_name(all, &c, out))
		out->n = 0;
	return name_bytes(out);
}

static bool skip_questions(const struct message *m, struct cur *c)
{
	struct name ignored;
	for (unsigned i = 0; i < m->questions && cur_ok(c); i++) {
		read_name(m->all, c, &ignored);
		cur_skip(c, 4);
	}
	return cur_ok(c);
}

static struct addr record_address(const struct record *r)
{
	if (r->type == T_A && r->rdata.n == 4)
		return addr_v4(r->rdata);
	return addr_v6(r->type == T_AAAA && r->rdata.n == 16 ? r->rdata : (struct bytes){ 0 });
}

static const struct addr *sender_of(const struct dx *x)
{
	return x->dir == DIR_CLIENT ? &x->conv->src : &x->conv->dst;
}

/* Reads over the whole message: is every name and length sound? */
static bool read_message(struct dx *x, struct bytes in, struct message *m)
{
	struct cur c = cur_of(in);
	struct record r;
	m->all = in;
	m->id = cur_be16(&c);
	m->flags = cur_be16(&c);
	m->questions = cur_be16(&c);
	m->answers = cur_be16(&c);
	m->authorities = cur_be16(&c);
	m->additionals = cur_be16(&c);
	m->rcode = m->flags & 15;
	if (!cur_ok(&c) || !skip_questions(m, &c))
		return false;
	unsigned n = (unsigned)m->answers + m->authorities + m->additionals;
	for (unsigned i = 0; i < n; i++) {
		if (!next_record(in, &c, &r))
			return x->cut;
		struct addr a = record_address(&r);
		m->own |= a.family && addr_eq(&a, sender_of(x));
		if (a.family && i < m->answers)
			m->addresses++;
		if (r.type == T_OPT)
			m->rcode = (uint16_t)(m->rcode | (r.ttl >> 24) << 4);
	}
	return true;
}

/* ---- events ---------------------------------------------------------------------------------- */

static const char *type_name(uint16_t type, char out[16])
{
	static const struct {
		uint16_t type;
		const char *name;
	} names[] = {
		{ T_A, "A" },
		{ T_NS, "NS" },
		{ T_CNAME, "CNAME" },
		{ T_SOA, "SOA" },
		{ 10, "NULL" },
		{ T_PTR, "PTR" },
		{ 13, "HINFO" },
		{ T_MX, "MX" },
		{ T_TXT, "TXT" },
		{ T_AAAA, "AAAA" },
		{ T_SRV, "SRV" },
		{ 35, "NAPTR" },
		{ T_DNAME, "DNAME" },
		{ T_OPT, "OPT" },
		{ 43, "DS" },
		{ 46, "RRSIG" },
		{ 47, "NSEC" },
		{ 48, "DNSKEY" },
		{ 50, "NSEC3" },
		{ 52, "TLSA" },
		{ 64, "SVCB" },
		{ 65, "HTTPS" },
		{ 249, "TKEY" },
		{ 250, "TSIG" },
		{ 251, "IXFR" },
		{ 252, "AXFR" },
		{ 255, "ANY" },
		{ 257, "CAA" },
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].type == type)
			return names[i].name;
	snprintf(out, 16, "TYPE%u", type); /* RFC 3597 5 */
	return out;
}

/* RFC 6895 2.3. */
static const char *rcode_name(uint16_t rcode, char out[16])
{
	static const char *const names[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",
		"REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", [16] = "BADVERS" };
	if (rcode < sizeof names / sizeof *names && names[rcode])
		return names[rcode];
	snprintf(out, 16, "RCODE%u", rcode);
	return out;
}

static const char *opcode_name(unsigned opcode)
{
	static const char *const names[16] = { "QUERY", "IQUERY", "STATUS", [4] = "NOTIFY", "UPDATE", "DSO" };
	return names[opcode] ? names[opcode] : "other";
}

/* RFC 1035 3.3.14: strings, each with its length; here with blanks between. */
static struct bytes text_data(struct bytes rdata, struct name *out)
{
	struct cur c = cur_of(rdata);
	out->n = 0;
	while (cur_more(&c)) {
		struct cur s = cur_sub(&c, cur_u8(&c));
		if (out->n && out->n < sizeof out->s)
			out->s[out->n++] = ' ';
		while (cur_more(&s) && out->n < sizeof out->s)
			out->s[out->n++] = (char)cur_u8(&s);
	}
	return name_bytes(out);
}

static void emit_answer(struct dx *x, struct bytes all, const struct record *r)
{
	struct name name;
	char text[ADDR_TEXT];
	struct addr a = record_address(r);
	if (a.family)
		ev_text(x, ANSWERS, addr_text(&a, text));
	else if (r->type == T_TXT)
		ev_str(x, ANSWERS, text_data(r->rdata, &name));
	else if (r->type == T_MX)
		ev_str(x, ANSWERS, data_name(all, r, 2, &name)); /* behind the preference */
	else if (r->type == T_SRV)
		ev_str(x, ANSWERS, data_name(all, r, 6, &name)); /* priority, weight, port: RFC 2782 */
	else if (r->type == T_NS || r->type == T_CNAME || r->type == T_PTR || r->type == T_SOA ||
		 r->type == T_DNAME)
		ev_str(x, ANSWERS, data_name(all, r, 0, &name));
}

static void emit(struct dx *x, const struct message *m)
{
	bool is_response = m->flags >> 15;
	unsigned opcode = m->flags >> 11 & 15;
	char number[16];
	struct name name;
	struct record r;
	struct cur c = cur_of(m->all);
	cur_skip(&c, HEADER_BYTES);

	ev_begin(x, 2 * m->kind + (is_response ? EV_RESPONSE : EV_QUERY));
	ev_uint(x, ID, m->id);
	if (opcode != OP_QUERY)
		ev_text(x, OPCODE, opcode_name(opcode));
	struct cur first = c;
	if (m->questions && read_name(m->all, &first, &name)) {
		ev_str(x, NAME, name_bytes(&name));
		ev_text(x, TYPE, type_name(cur_be16(&first), number));
	}
	if (is_response) {
		ev_text(x, RCODE, rcode_name(m->rcode, number));
		ev_bool(x, REJECTED, m->rcode == RCODE_REFUSED);
	}
	/* RFC 6895 2.1: of the three bits that RFC 1035 left at zero two are AD and CD now. */
	ev_uint(x, Z, m->flags >> 6 & 1);
	skip_questions(m, &c);
	for (unsigned i = 0; i < m->answers && is_response && next_record(m->all, &c, &r); i++)
		emit_answer(x, m->all, &r);
	ev_end(x);
}

/* ---- observations ------------------------------------------------------------------------------ */

/* The first label, if it can be a host's name (RFC 1123 2.1; the underscore is Windows'). */
static struct bytes host_of(struct bytes name)
{
	struct bytes label = bytes_first(name, bytes_chr(name, 0, '.'));
	for (size_t i = 0; i < label.n; i++) {
		int b = bytes_at(label, i);
		if (!ascii_alnum(b) && b != '-' && (b != '_' || i == 0))
			return (struct bytes){ 0 };
	}
	return label;
}

static bool ends_with(struct bytes name, const char *end)
{
	size_t n = strlen(end);
	return name.n >= n && bytes_isi(bytes_from(name, name.n - n), end);
}

static int hex_digit(int c)
{
	if (ascii_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "31.30.20.10.in-addr.arpa" (RFC 1035 3.5) or 32 nibbles and "ip6.arpa" (RFC 3596 2.5); family 0: neither.
 */
static struct addr reverse_address(struct bytes name)
{
	uint8_t b[16] = { 0 };
	struct cur c = cur_of(name);
	if (ends_with(name, ".in-addr.arpa")) {
		for (unsigned i = 4; i > 0; i--) {
			uint64_t v;
			if (!bytes_to_u64(cur_until(&c, '.'), &v) || v > 255)
				return (struct addr){ 0 };
			b[i - 1] = (uint8_t)v;
		}
		return bytes_isi(cur_peek(&c), "in-addr.arpa") ? addr_v4(bytes_of(b, 4)) : (struct addr){ 0 };
	}
	if (!ends_with(name, ".ip6.arpa"))
		return (struct addr){ 0 };
	for (unsigned i = 32; i > 0; i--) {
		struct bytes nibble = cur_until(&c, '.');
		int v = nibble.n == 1 ? hex_digit(bytes_at(nibble, 0)) : -1;
		if (v < 0)
			return (struct addr){ 0 };
		b[(i - 1) / 2] |= (uint8_t)(i % 2 ? v << 4 : v);
	}
	return bytes_isi(cur_peek(&c), "ip6.arpa") ? addr_v6(bytes_of(b, 16)) : (struct addr){ 0 };
}

static void observe_host(struct dx *x, const struct addr *a, struct bytes name, unsigned confidence)
{
	struct bytes host = host_of(name);
	if (!addr_is_host(a) || !addr_is_private(a) || host.n == 0)
		return;
	ob_begin_address(x, a, NULL);
	ob_str(x, ATTR_HOST_NAME, host, confidence);
	ob_end(x);
}

/* RFC 6763 4.1: "Instance._service._tcp.local", and the port. The instance is often a person's. */
static void observe_service(struct dx *x, const struct record *r)
{
	struct bytes owner = name_bytes(&r->owner);
	size_t at = bytes_find(owner, 0, bytes_str("._"));
	struct cur c = cur_of(bytes_from(owner, at + 2)), data = cur_of(r->rdata);
	struct bytes service = host_of(cur_until(&c, '.')), transport = cur_until(&c, '.');
	cur_skip(&data, 4);
	uint16_t port = cur_be16(&data);
	char text[48];
	bool is_udp = bytes_isi(transport, "_udp");
	if (!cur_ok(&data) || service.n == 0 || service.n > 15 || (!is_udp && !bytes_isi(transport, "_tcp")))
		return; /* RFC 6335 5.1: 15 letters, digits and hyphens */
	snprintf(text, sizeof text, "_%.*s._%s:%u", (int)service.n, (const char *)service.p,
		is_udp ? "udp" : "tcp", port);
	ob_begin(x, OB_SENDER);
	ob_text(x, ATTR_SERVICE_OFFERED, text, MDNS_SURE);
	ob_end(x);
}

/* RFC 6763 6.3: key=value strings; the keys of printers and of _device-info say maker and model. */
static void observe_text(struct dx *x, struct bytes rdata)
{
	static const struct {
		const char *key;
		enum attr attr;
	} keys[] = { { "usb_MFG", ATTR_MANUFACTURER }, { "usb_MDL", ATTR_MODEL }, { "ty", ATTR_MODEL },
		{ "model", ATTR_MODEL } };
	struct cur c = cur_of(rdata);
	ob_begin(x, OB_SENDER);
	for (unsigned i = 0; i < 32 && cur_more(&c); i++) {
		struct cur pair = cur_sub(&c, cur_u8(&c));
		struct bytes key = cur_until(&pair, '=');
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
			if (bytes_isi(key, keys[k].key))
				ob_str(x, keys[k].attr, cur_rest(&pair), MDNS_TEXT_SURE);
	}
	ob_end(x);
}

static bool has_device_text(struct bytes rdata)
{
	struct cur c = cur_of(rdata);
	for (unsigned i = 0; i < 32 && cur_more(&c); i++) {
		struct bytes s = cur_take(&c, cur_u8(&c));
		if (bytes_startsi(s, "usb_MFG=") || bytes_startsi(s, "usb_MDL=") || bytes_startsi(s, "ty=") ||
			bytes_startsi(s, "model="))
			return true;
	}
	return false;
}

static void observe_record(struct dx *x, const struct message *m, const struct record *r)
{
	struct bytes owner = name_bytes(&r->owner);
	struct addr a = record_address(r);
	struct name name;
	bool is_mdns = m->kind == KIND_MDNS;
	if ((r->class & ~CACHE_FLUSH) != CLASS_IN || r->ttl == 0) /* RFC 6762 10.1: zero says goodbye */
		return;
	if (a.family && is_mdns && ends_with(owner, ".local"))
		observe_host(x, &a, owner, MDNS_SURE);
	else if (a.family && !is_mdns && m->addresses == 1) /* with more it names a group, not a host */
		observe_host(x, &a, owner, NAME_SURE);
	else if (r->type == T_PTR && (a = reverse_address(owner)).family)
		observe_host(x, &a, data_name(m->all, r, 0, &name), is_mdns ? MDNS_SURE : NAME_SURE);
	/* A reflector repeats what others said: only a message with the sender's address is of the sender. */
	else if (is_mdns && m->own && r->type == T_SRV)
		observe_service(x, r);
	else if (is_mdns && m->own && r->type == T_TXT && has_device_text(r->rdata))
		observe_text(x, r->rdata);
}

/* LLMNR answers are what attackers forge first (any name is theirs): nothing is learnt from them. */
static void observe(struct dx *x, const struct message *m)
{
	struct cur c = cur_of(m->all);
	struct record r;
	if (m->flags >> 15 == 0 || m->rcode || (m->flags >> 11 & 15) != OP_QUERY || m->kind == KIND_LLMNR)
		return;
	unsigned n = m->answers + (m->kind == KIND_MDNS ? (unsigned)m->authorities + m->additionals : 0);
	cur_skip(&c, HEADER_BYTES);
	skip_questions(m, &c);
	for (unsigned i = 0; i < n && next_record(m->all, &c, &r); i++)
		observe_record(x, m, &r);
}

/* ---- UDP and TCP -------------------------------------------------------------------------------- */

static bool has_port(const struct dx *x, uint16_t port)
{
	return x->conv->sport == port || x->conv->dport == port;
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct message m = { 0 };
	if (!read_message(x, in, &m))
		return false;
	m.kind = has_port(x, MDNS_PORT) ? KIND_MDNS : has_port(x, LLMNR_PORT) ? KIND_LLMNR : KIND_DNS;
	emit(x, &m);
	observe(x, &m);
	return true;
}

static bool is_sane_header(struct cur *c)
{
	cur_skip(c, 2);
	uint16_t flags = cur_be16(c), questions = cur_be16(c), answers = cur_be16(c);
	cur_skip(c, 4);
	unsigned opcode = flags >> 11 & 15;
	bool is_response = flags >> 15;
	return cur_ok(c) && opcode <= OP_UPDATE && opcode != 3 && !(flags & 0x40) && questions <= 64 &&
	       questions + answers > 0 && (is_response || (flags & 15) == 0);
}

/* NetBIOS names (RFC 1001 14.1) have DNS's format: 16 bytes, each as two letters from A to P. */
static bool is_netbios(struct bytes label)
{
	if (label.n != 32)
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (bytes_at(label, i) < 'A' || bytes_at(label, i) > 'P')
			return false;
	return true;
}

/* A sane header and a first name of printable labels, as far as it lies in the first bytes. */
static enum probe_result probe(struct bytes first, enum dir dir)
{
	(void)dir;
	struct cur c = cur_of(first);
	if (!is_sane_header(&c))
		return PROBE_NO;
	for (unsigned i = 0; i < MAX_STEPS; i++) {
		uint8_t len = cur_u8(&c);
		struct cur label = cur_of(bytes_first(cur_peek(&c), len));
		if (len > 63 || is_netbios(cur_peek(&label)))
			return PROBE_NO;
		while (cur_more(&label))
			if (cur_u8(&label) < ' ')
				return PROBE_NO;
		cur_skip(&c, len);
		if (len == 0 || !cur_ok(&c))
			break;
	}
	uint16_t type = cur_be16(&c), class = cur_be16(&c) & 0x7fff;
	if (!cur_ok(&c)) /* the first bytes ended inside the name: enough only if they could not hold it */
		return first.n >= PROBE_BYTES ? PROBE_YES : PROBE_NO;
	bool known_class = class == CLASS_IN || class == 3 || class == 4 || class >= 254;
	return type && known_class && class <= 255 ? PROBE_YES : PROBE_NO;
}

/* RFC 1035 4.2.2: two bytes of length before each message. */
static enum probe_result probe_tcp(struct bytes first, enum dir dir)
{
	struct cur c = cur_of(first);
	uint16_t length = cur_be16(&c);
	if (!cur_ok(&c))
		return PROBE_MORE;
	struct bytes message = bytes_sub(first, 2, length);
	struct cur header = c;
	if (length < HEADER_BYTES + 5 || (message.n >= HEADER_BYTES && !is_sane_header(&header)))
		return PROBE_NO;
	if (message.n < length && message.n < PROBE_BYTES)
		return PROBE_MORE;
	cur_skip(&c, 2);
	bool is_response = cur_be16(&c) >> 15;
	return is_response == (dir == DIR_SERVER) ? probe(message, dir) : PROBE_NO;
}

static int64_t frame_tcp(struct dx *x, struct bytes in)
{
	(void)x;
	struct cur c = cur_of(in);
	uint16_t length = cur_be16(&c);
	if (!cur_ok(&c))
		return FRAME_MORE;
	return length < HEADER_BYTES ? FRAME_BAD : 2 + length;
}

static bool pdu_tcp(struct dx *x, struct bytes in)
{
	return pdu(x, bytes_from(in, 2));
}

const struct dissector dissector_dns = {
	.name = "dns",
	.l4 = L4_UDP,
	.ports = { DNS_PORT, MDNS_PORT, LLMNR_PORT },
	.max_pdu = 65535,
	.fields = fields,
	.events = events,
	.probe = probe,
	.pdu = pdu,
};

const struct dissector dissector_dns_tcp = {
	.name = "dns_tcp",
	.l4 = L4_TCP,
	.ports = { DNS_PORT },
	.max_pdu = 65537,
	.fields = fields,
	.events = events,
	.probe = probe_tcp,
	.frame = frame_tcp,
	.pdu = pdu_tcp,
};
