/*
 * dedup: copies of a packet that the mirror port made.
 *
 * A copy has the same innermost IP header but for what routers and switches change (TTL, DSCP and ECN,
 * checksum), the same captured length and the same first 128 bytes behind the header, within 512 packets of
 * the run and 10 ms of recorded time. Link layer, VLAN tags and tunnels around it do not matter.
 *
 * A sender's own repetition differs in the IPv4 identification. Where there is none (IPv6; IPv4 with 0, as
 * Linux sends with DF) a repetition cannot be told from a copy. For TCP that does no harm: it is left out,
 * and it would have told the stream nothing. Other protocols may repeat themselves on purpose, and so may
 * what is no IP (ARP): for these the window is 1 ms, mirrors being quicker than that and senders hardly ever.
 *
 * Owner thread only; nothing allocates.
 */
#ifndef WW_PACKET_DEDUP_H
#define WW_PACKET_DEDUP_H

#include "packet/decode.h"

enum { DEDUP_PACKETS = 512, DEDUP_BUCKETS = 1024, DEDUP_WORDS = 26 };

struct dedup {
	uint64_t key[DEDUP_WORDS];
	uint32_t seen; /* entries made; the next goes to place seen % DEDUP_PACKETS */
	struct dedup_entry {
		uint64_t hash, ts_ns, number;
		uint32_t before; /* 1 + the entry that this bucket held, 0: none */
	} entries[DEDUP_PACKETS];
	uint32_t buckets[DEDUP_BUCKETS]; /* 1 + the latest entry, 0: none */
};

void dedup_init(struct dedup *g, const struct hash_key *key);

/* Is this packet or fragment, as decode_frame gave it, a copy of an earlier one? Else it is remembered.
 * ts_ns: the frame's recorded time. Never true for what decode_frame could not decode. */
bool dedup_is_copy(struct dedup *g, uint64_t ts_ns, enum decoded is, const struct packet *p);

#endif
