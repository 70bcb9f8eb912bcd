/*
 * addr: IP and MAC addresses as values.
 *
 * IPv4 is kept IPv4-mapped (RFC 4291 2.5.5.2) with family 4, so that 16 bytes compare for both.
 * family 0 means "none". Any thread; nothing allocates.
 */
#ifndef WW_BASE_ADDR_H
#define WW_BASE_ADDR_H

#include "base/bytes.h"

enum { ADDR_TEXT = 46, MAC_TEXT = 18 };

struct addr {
	uint8_t b[16];
	uint8_t family; /* 4, 6 or 0 */
};

struct mac {
	uint8_t b[6];
};

struct network {
	struct addr addr;
	uint8_t bits; /* 1 to 32 for v4, to 128 for v6 */
};

/* 4 network-order bytes, else family 0. Inline: it is asked twice for every packet. */
static inline struct addr addr_v4(struct bytes four)
{
	struct addr a = { .family = 0 };
	if (four.n != 4)
		return a;
	a.b[10] = a.b[11] = 0xff;
	memcpy(a.b + 12, four.p, 4);
	a.family = 4;
	return a;
}

struct addr addr_v6(struct bytes sixteen);            /* a mapped IPv4 becomes family 4 */
bool addr_parse(struct bytes text, struct addr *out); /* dotted or RFC 4291 text, no zone id */
/* "141.0.0.0/16"; without a length one address. False, and out is undefined: not so, or all addresses (/0).
 */
bool network_parse(struct bytes text, struct network *out);
/* Dotted or RFC 5952 text, NUL-terminated; returns out. */
const char *addr_text(const struct addr *a, char out[ADDR_TEXT]);
int addr_cmp(const struct addr *a, const struct addr *b); /* bytes of 16, like memcmp; v4 < v6 by mapping */
bool addr_eq(const struct addr *a, const struct addr *b);
/* True when the first `bits` bits (0..32 for v4, 0..128 for v6) agree and the families do. */
bool addr_in(const struct addr *a, const struct addr *net, unsigned bits);
bool addr_is_multicast(const struct addr *a); /* 224/4, ff00::/8 */
bool addr_is_broadcast(const struct addr *a); /* 255.255.255.255 */
bool addr_is_unspecified(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_link_local(const struct addr *a); /* 169.254/16, fe80::/10 */
bool addr_is_private(const struct addr *a);    /* RFC 1918, RFC 6598, RFC 4193, link-local, loopback */
/* One host that can be a device: not multicast, broadcast, unspecified or loopback. */
bool addr_is_host(const struct addr *a);

bool mac_parse(struct bytes text, struct mac *out); /* separators : - . or none; 12 hex digits */
/* Upper case with hyphens (ECS), NUL-terminated; returns out. */
const char *mac_text(const struct mac *m, char out[MAC_TEXT]);
bool mac_eq(const struct mac *a, const struct mac *b);
bool mac_is_zero(const struct mac *m);
bool mac_is_group(const struct mac *m); /* multicast or broadcast */
bool mac_is_local(const struct mac *m); /* locally administered: names no vendor */

#endif
