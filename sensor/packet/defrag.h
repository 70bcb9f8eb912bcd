/*
 * defrag: IP fragments back into datagrams.
 *
 * A datagram is known by its addresses, protocol, identification and VNI; not by its VLAN, which a mirror
 * port may give as it likes. Fragments are copied into a pool; a datagram waits 30 s of packet time (RFC
 * 791 3.2, RFC 8200 4.5 allow 60), the oldest gives way when limits.fragments or limits.fragment_kib is
 * reached. IPv4: the first bytes for a place win. IPv6: overlapping fragments drop the datagram (RFC 5722),
 * exact repeats do not. All memory is mapped by defrag_init. Owner thread only.
 */
#ifndef WW_PACKET_DEFRAG_H
#define WW_PACKET_DEFRAG_H

#include "base/counters.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/pool.h"
#include "base/table.h"
#include "packet/packet.h"

/* One fragment as the decoder found it. */
struct fragment {
	struct bytes head; /* IPv4 header, or IPv6 header and extension headers up to the fragment header */
	size_t next_at;    /* IPv6: where in head the fragment header is announced */
	struct bytes data;
	uint32_t id, at; /* identification; offset of data in the datagram's payload */
	uint8_t proto;   /* of the joined payload */
	bool more, is_v6;
	bool is_cut;    /* data is less than was on the wire */
	unsigned depth; /* encapsulations around it */
};

struct piece;

struct defrag {
	struct counters *counters;
	struct hash_key key;
	struct table table;
	struct pool datagrams, pieces; /* pieces: their bytes */
	struct piece *heads;           /* of the piece with that index: its place, and the next one */
	uint32_t oldest, newest;       /* datagrams by the time they were begun */
	uint8_t *joined;               /* the last joined datagram */
};

/* counters is borrowed. False: no memory; defrag_fini is then still right. */
bool defrag_init(
	struct defrag *g, const struct limits *limits, struct counters *counters, const struct hash_key *key);
/* Counts the datagrams that still wait as lost. */
void defrag_fini(struct defrag *g);

/* Adds a fragment of packet p (addresses, VNI, time). A view of the whole datagram with a header of its own,
 * valid until the next call, when this was the last that was missing; else empty. *malformed: the fragment
 * contradicts itself and was left out. */
struct bytes defrag_add(struct defrag *g, const struct packet *p, const struct fragment *f, bool *malformed);

#endif
