/*
 * dhcp: what DHCP for IPv4 (dhcp.c) and for IPv6 (dhcp_v6.c) share; dhcp_client.c holds it. Both are one
 * category of facts. Lengths and numbers are one byte wide in the one and two (big endian) in the other:
 * `wide`. Worker thread.
 */
#ifndef WW_DISSECTORS_DHCP_H
#define WW_DISSECTORS_DHCP_H

#include "dissect.h"

enum { SURE = 60, SERVER_SURE = 90 }; /* DHCP self-report; a server that answered */
enum { NAME_BYTES = 256, LIST_BYTES = 1024, MAX_OPTIONS = 512 };

/* Room for a name; the views given are into it. */
struct dhcp_name {
	char s[NAME_BYTES];
	size_t n;
};

/* What a client says of itself. */
struct dhcp_client {
	struct bytes host_name, fqdn, vendor_class, param_list;
	struct bytes user_class; /* the first of them */
};

/* A domain name in wire form without compression (RFC 1035 3.1, RFC 4702 2.3.1), perhaps partial (no root).
 */
struct bytes dhcp_wire_name(struct bytes in, struct dhcp_name *room);
/* "1,3,6": the order is part of the fingerprint. */
struct bytes dhcp_number_list(struct bytes in, bool wide, char room[LIST_BYTES]);
/* Inside an event: user classes, each with its length before it, as elements of the list `field`. Gives the
 * first. */
struct bytes dhcp_user_classes(struct dx *x, unsigned field, struct bytes in, bool wide);
/* Between ob_begin and ob_end: name and classes. */
void dhcp_observe_client(struct dx *x, const struct dhcp_client *k);
struct mac dhcp_mac(struct cur *c);
bool dhcp_mac_is_host(const struct mac *m);
/* The port that the message was sent to. */
uint16_t dhcp_port_to(const struct dx *x);

#endif
