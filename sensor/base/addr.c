#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

struct addr addr_v6(struct bytes sixteen)
{
	struct addr a = { .family = 0 };
	if (sixteen.n != 16)
		return a;
	memcpy(a.b, sixteen.p, 16);
	a.family = memcmp(a.b, mapped, sizeof mapped) == 0 ? 4 : 6;
	return a;
}

bool addr_parse(struct bytes text, struct addr *out)
{
	char s[ADDR_TEXT];
	uint8_t raw[16];
	if (text.n == 0 || text.n >= sizeof s)
		return false;
	memcpy(s, text.p, text.n);
	s[text.n] = 0;
	if (strlen(s) != text.n)
		return false;
	if (inet_pton(AF_INET, s, raw) == 1)
		*out = addr_v4(bytes_of(raw, 4));
	else if (inet_pton(AF_INET6, s, raw) == 1)
		*out = addr_v6(bytes_of(raw, 16));
	else
		return false;
	return true;
}

const char *addr_text(const struct addr *a, char out[ADDR_TEXT])
{
	const char *ok = NULL;
	if (a->family == 4)
		ok = inet_ntop(AF_INET, a->b + 12, out, ADDR_TEXT);
	else if (a->family == 6)
		ok = inet_ntop(AF_INET6, a->b, out, ADDR_TEXT);
	if (!ok)
		out[0] = 0;
	return out;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, 16);
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, 16) == 0;
}

bool network_parse(struct bytes text, struct network *out)
{
	size_t slash = bytes_chr(text, 0, '/');
	uint64_t bits;
	if (!addr_parse(bytes_first(text, slash), &out->addr))
		return false;
	uint64_t width = out->addr.family == 4 ? 32 : 128;
	if (slash == text.n)
		bits = width;
	else if (!bytes_to_u64(bytes_from(text, slash + 1), &bits))
		return false;
	out->bits = (uint8_t)bits;
	return bits > 0 && bits <= width;
}

bool addr_in(const struct addr *a, const struct addr *net, unsigned bits)
{
	if (a->family != net->family || a->family == 0)
		return false;
	if (a->family == 4)
		bits += 96;
	if (bits > 128)
		return false;
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a->b, net->b, whole) != 0)
		return false;
	return rest == 0 || ((a->b[whole] ^ net->b[whole]) >> (8 - rest)) == 0;
}

bool addr_is_multicast(const struct addr *a)
{
	return a->family == 4 ? (a->b[12] & 0xf0) == 0xe0 : a->family == 6 && a->b[0] == 0xff;
}

bool addr_is_broadcast(const struct addr *a)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };
	return a->family == 4 && memcmp(a->b + 12, ones, 4) == 0;
}

bool addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];
	return a->family == 4 ? memcmp(a->b + 12, zero, 4) == 0
			      : a->family == 6 && memcmp(a->b, zero, 16) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	return a->family == 4 ? a->b[12] == 127 : a->family == 6 && memcmp(a->b, one, 16) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
	if (a->family == 4)
		return a->b[12] == 169 && a->b[13] == 254;
	return a->family == 6 && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_is_private(const struct addr *a)
{
	if (addr_is_link_local(a) || addr_is_loopback(a))
		return true;
	if (a->family == 6)
		return (a->b[0] & 0xfe) == 0xfc;
	const uint8_t *v4 = a->b + 12;
	return a->family == 4 &&
	       (v4[0] == 10 || (v4[0] == 172 && (v4[1] & 0xf0) == 16) || (v4[0] == 192 && v4[1] == 168) ||
		       (v4[0] == 100 && (v4[1] & 0xc0) == 64));
}

bool addr_is_host(const struct addr *a)
{
	return a->family != 0 && !addr_is_multicast(a) && !addr_is_broadcast(a) && !addr_is_unspecified(a) &&
	       !addr_is_loopback(a);
}

static int hex_digit(uint8_t c)
{
	c = ascii_lower(c);
	if (ascii_digit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool mac_parse(struct bytes text, struct mac *out)
{
	unsigned digits = 0;
	struct mac m = { { 0 } };
	for (size_t i = 0; i < text.n; i++) {
		int v = hex_digit(text.p[i]);
		if (v < 0 && (text.p[i] == ':' || text.p[i] == '-' || text.p[i] == '.'))
			continue;
		if (v < 0 || digits == 12)
			return false;
		m.b[digits / 2] = (uint8_t)(m.b[digits / 2] << 4 | v);
		digits++;
	}
	*out = m;
	return digits == 12;
}

const char *mac_text(const struct mac *m, char out[MAC_TEXT])
{
	snprintf(out, MAC_TEXT, "%02X-%02X-%02X-%02X-%02X-%02X", m->b[0], m->b[1], m->b[2], m->b[3], m->b[4],
		m->b[5]);
	return out;
}

bool mac_eq(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, 6) == 0;
}

bool mac_is_zero(const struct mac *m)
{
	static const struct mac zero;
	return mac_eq(m, &zero);
}

bool mac_is_group(const struct mac *m)
{
	return m->b[0] & 1;
}

bool mac_is_local(const struct mac *m)
{
	return m->b[0] & 2;
}
