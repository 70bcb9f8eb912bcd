/*
 * fanout: which of the sockets on one interface gets a packet: PACKET_FANOUT_CBPF (packet(7)).
 *
 * The kernel runs a small classic BPF program over each packet and gives it to the socket of that number,
 * modulo their count. The number is a hash over the two hosts, equal for both directions and for all
 * fragments: of the inner addresses in GRE, ERSPAN, VXLAN, GENEVE and IP-in-IP, of IP behind VLAN tags,
 * PPPoE and up to four MPLS labels, and of the MAC addresses where there is no IP. A tunnel's fragments, what
 * is no IP in a tunnel, and a tunnel in a tunnel go by the addresses outside. Start-up thread only.
 */
#ifndef WW_PACKET_FANOUT_H
#define WW_PACKET_FANOUT_H

#include "base/bytes.h"

#include <linux/filter.h>

enum { FANOUT_MOST = 512 /* instructions: the program has fewer */ };

/* Writes the program; gives its length. A packet that ends within the headers looked at gets 0. */
size_t fanout_program(struct sock_filter out[FANOUT_MOST]);

/* Joins n packet sockets, bound to one interface and running, to a group of their own; packets are numbered
 * in the order given. False: errno says why, and *what which call. */
bool fanout_join(const int *sockets, size_t n, const char **what);

/* Lets no packet into the socket until another filter is attached, or fanout_admit. False: errno. */
bool fanout_refuse(int socket);
bool fanout_admit(int socket);
/* No filter can be attached, replaced or taken off from now on (socket(7), SO_LOCK_FILTER). */
bool fanout_lock(int socket);

#endif
