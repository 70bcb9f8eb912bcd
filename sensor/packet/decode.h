/*
 * decode: from a frame to a struct packet: link layer, tags, tunnels, IP, and the ports.
 *
 * Each encapsulation is one function (tunnel.c, ip.c); at most limits.tunnel_depth are taken off. What the
 * innermost layer says wins; the outermost tunnel's addresses are remembered. Lengths in the headers cut
 * padding; where they announce more than was captured the packet is marked is_cut (a snap length, or a
 * mirror port that truncates). Headers that contradict themselves make the packet malformed: it is counted
 * and not handed on. Nothing here allocates after decode_init, and all is done on the owner's thread.
 *
 *	void worker_packet(struct worker *w, const struct frame *f)
 *	{
 *		struct packet p;
 *		enum decoded is = decode_frame(&w->decode, f, &p);
 *		if (dedup_is_copy(&w->dedup, f->ts_ns, is, &p))
 *			return;
 *		if (is == DECODE_FRAGMENT)
 *			is = decode_join(&w->decode, &p);
 *		if (is != DECODE_PACKET)
 *			return;
 *		... flow, stream, identify, dissect
 *	}
 */
#ifndef WW_PACKET_DECODE_H
#define WW_PACKET_DECODE_H

#include "packet/defrag.h"

enum decoded {
	DECODE_PACKET,    /* *p is whole: IP (is_ip), or the payload of p->ethertype */
	DECODE_FRAGMENT,  /* an IP fragment: addresses, no ports; waits for the others */
	DECODE_CUT,       /* the capture ends within the headers: *p holds what was read of them */
	DECODE_OTHER,     /* a link type or a layer that is not decoded: *p may hold MAC addresses */
	DECODE_MALFORMED, /* the headers contradict themselves: *p is not to be used */
};

struct decoder {
	const struct limits *limits;
	struct counters *counters;
	uint64_t last_ns; /* the latest time seen: packets' time never goes back */
	struct defrag defrag;
	struct fragment fragment; /* after DECODE_FRAGMENT: what decode_join needs */
};

/* Both pointers are borrowed for the decoder's life. False: no memory. */
bool decode_init(struct decoder *d, const struct limits *limits, struct counters *counters,
	const struct hash_key *key);
/* Counts what still waits for fragments as lost, and gives the memory back. */
void decode_fini(struct decoder *d);

/* Counts the frame and fills *p, whose views live as long as the frame's data. p->ts_ns is the frame's time,
 * or the latest before it if the frame's is earlier. */
enum decoded decode_frame(struct decoder *d, const struct frame *f, struct packet *p);

/* Right after decode_frame said DECODE_FRAGMENT: adds that fragment. DECODE_FRAGMENT: its datagram is not
 * whole, *p stays as it was. Else the joined datagram was decoded into *p (is_joined), whose views then live
 * until the next decode_join. */
enum decoded decode_join(struct decoder *d, struct packet *p);

/* Is this LINKTYPE_ one that decode_frame knows? */
bool decode_knows_link(uint16_t linktype);

enum checksum {
	CHECKSUM_UNKNOWN, /* cut, of another protocol, none sent (UDP over IPv4, RFC 768), or begun only:
			     offload */
	CHECKSUM_GOOD,
	CHECKSUM_BAD, /* wrong: damage, an attempt to mislead us, or offload on the capturing host */
};

/* The checksums of the innermost IPv4 header (0 is taken as offloaded) and of TCP, UDP, ICMP or ICMPv6.
 * Reads the whole payload: ask only when the answer matters.
 *
 * In TCP a bad one counts only in a direction that has shown a good one, for data on data, and behind a bad
 * one two good ones in a row. Captures whose payloads were edited, and offload, have good ones on bare
 * segments but not on data, and of 65,536 that a card was to fill in one is good by chance (stream.c). */
enum checksum decode_checksum(const struct packet *p);

#endif
