/*
 * flow: the conversations of one worker: found, remembered, ended.
 *
 * Owned by one worker; nothing allocates after flows_init. Per-direction arrays are indexed by enum dir: the
 * client is who began (or is taken for it: initiator_known).
 */
#ifndef WW_PACKET_FLOW_H
#define WW_PACKET_FLOW_H

#include "base/hash.h"
#include "base/table.h"
#include "base/wheel.h"
#include "packet/engine.h"
#include "packet/packet.h"

struct labels;

struct flow_key { /* the lower end first, so both directions are equal */
	uint8_t lo[16], hi[16];
	uint32_t vni;
	uint16_t lo_port, hi_port;
	uint8_t proto, family;
	uint16_t unused; /* 0: the key is hashed as bytes */
};

enum ident {
	IDENT_NEW,      /* no one has recognised it yet */
	IDENT_READ,     /* flow.reader is a dissector's conversation; 0: one without state */
	IDENT_DONE,     /* its dissector wants no more */
	IDENT_LABEL,    /* flow.reader is nDPI's */
	IDENT_LABELLED, /* flow.reader is nDPI's verdict: the number of its protocol */
	IDENT_UNKNOWN,
};

enum flow_state {
	FLOW_OTHER,   /* not TCP */
	FLOW_ATTEMPT, /* SYN without an answer */
	FLOW_REFUSED, /* RST for an answer */
	FLOW_ESTABLISHED,
	FLOW_MIDSTREAM, /* established before the capture began */
	FLOW_CLOSED,
	FLOW_RESET,
};

enum flow_flag {
	FLOW_CLIENT_IS_HI = 1,
	FLOW_INITIATOR_KNOWN = 2,
	FLOW_ENCRYPTED = 4,
	FLOW_ODD_PORT = 8,
	FLOW_ISN = 16,             /* << dir: half[dir] is not an index but the sequence number to begin at */
	FLOW_FIN = 64,             /* << dir */
	FLOW_SYN_ASKED = 512,      /* a SYN came in the midst of it: flow.syn_low */
	FLOW_REFUSED_BY_ALL = 256, /* no probe wants it: nothing is reassembled */
	FLOW_SUM_GOOD = 1024,      /* << dir: a segment had a right checksum */
	FLOW_DATA_GOOD = 4096,     /* << dir: one with data had */
	FLOW_DATA_BAD = 16384,     /* << dir: the last one with data had a wrong one, before that */
};

struct flow {
	struct flow_key key;
	struct wheel_link wheel;
	uint32_t half[2]; /* pool index, 0: nothing to read in that direction (yet) */
	uint32_t reader;
	uint32_t packets[2];
	uint64_t first_ns, last_ns, bytes[2];
	uint16_t vlan[2];
	struct mac mac[2];
	uint8_t proto_id; /* enum proto, PROTO_N: unknown */
	uint8_t ident, state;
	uint16_t flags;
	uint16_t syn_low; /* FLOW_SYN_ASKED: low half of the acknowledgment that would answer it */
};
_Static_assert(sizeof(struct flow) <= 128, "two cache lines");

enum { HISTORY = 8 };

/* A delivered segment, remembered so that a repetition with other bytes is seen. */
struct delivered {
	uint64_t offset;
	uint32_t n, hash, head_hash; /* head: of the first 16 bytes */
};

/* One direction of a TCP conversation that has, or may yet have, a dissector. */
struct half {
	uint64_t offset; /* of next_seq in the stream */
	uint64_t held_since_ns;
	uint32_t next_seq;
	uint32_t peer_ack; /* the highest acknowledgment of the other side */
	uint32_t fin_seq;  /* has_fin: behind the last byte */
	uint32_t held;     /* buddy block: the first of the out-of-order ranges, in order */
	uint32_t held_bytes;
	uint32_t probe; /* buddy block: bytes that no probe has decided on */
	uint16_t probe_n;
	uint8_t held_n;
	uint16_t votes;  /* packets since the other side acknowledged past a hole */
	uint8_t ignored; /* segments out of the window since the last in order */
	bool has_peer_ack, has_fin, midstream, refused;
	uint8_t delivered_next;
	uint32_t owner; /* its flow */
	struct lru_link by_half;
	struct delivered delivered[HISTORY];
};

enum { FLOWS_RECENT = 256 };

struct flows {
	const struct limits *limits;
	struct counters *counters;
	struct pool pool, halves, convs;
	struct lru by_half, by_conv, by_extra, by_inflater;
	struct table table;
	struct wheel wheel;
	struct hash_key seed;
	struct dx_engine *engine;
	struct labels *labels; /* NULL: identify is off */
	bool evicting;         /* an end is being told: nobody else is let out for it */
	uint32_t clock_hand;
	uint32_t recent[FLOWS_RECENT]; /* indexes of flows that had a packet lately, 0: none */
	uint64_t now_ns;
};

bool flows_init(struct flows *t, const struct limits *l, struct counters *c, struct dx_engine *e,
	struct labels *labels, const struct hash_key *seed);
void flows_fini(struct flows *t);
/* The packet's conversation, made if new; *dir says who sent it. NULL: no room at all. */
struct flow *flow_of(struct flows *t, const struct packet *p, enum dir *dir);
/* Ends what is due before the packet in hand; to be called with every packet's time. */
void flows_advance(struct flows *t, uint64_t now_ns);
/* Ends all (the run is over). */
void flows_finish(struct flows *t);

/* Its index in the pool. */
uint32_t flow_index(const struct flows *t, const struct flow *f);
/* As events name it. */
void flow_conv(const struct flow *f, const struct packet *p, struct conv *out);
/* Earlier than planned: after a change of state. */
void flow_rearm(struct flows *t, struct flow *f);
/* Gives the readers' memory back; f stays and is counted on. */
void flow_release(struct flows *t, struct flow *f);
/* Ends it now and takes it off the table. */
void flow_end(struct flows *t, struct flow *f);

/* ---- stream.c: TCP ----------------------------------------------------------------------- */

void stream_push(struct flows *t, struct flow *f, enum dir dir, const struct packet *p);
/* What is held back is overdue. */
void stream_overdue(struct flows *t, struct flow *f);
/* The conversation, TCP or not, is over for whoever reads it. */
void stream_end(struct flows *t, struct flow *f);
void half_release(struct flows *t, struct flow *f, enum dir dir);
/* Whether this SYN is the one that the conversation began with, sent again. */
bool stream_has_isn(const struct flows *t, const struct flow *f, enum dir dir, uint32_t isn);

/* ---- evict.c: who makes room ------------------------------------------------------------- */

/* No conversation (or direction) is left for a new one: lets one out, counted. keep: of the same flow, 0:
 * none.
 */
void evict_conv(struct flows *t);
void evict_half(struct flows *t, uint32_t keep);
/* After each call of this conversation's dissector: it is of use, and may have taken what is scarce. */
void evict_after_call(struct flows *t, uint32_t conv);
/* Before its place in the pool is given back. */
void evict_forget(struct flows *t, uint32_t conv);

/* ---- identify.c: who reads it ------------------------------------------------------------ */

/* The dissector that announced itself for this conversation's server, or PROTO_N. */
enum proto identify_expected(struct flows *t, const struct flow *f);
/* Which probe takes these first bytes: PROBE_YES and *proto, PROBE_MORE, PROBE_NO. */
enum probe_result identify_probe(const struct flow *f, struct bytes first, enum dir dir, enum proto *proto);
/* The ports of the conversation are those of a dissector that can find a message's start in the middle. */
bool identify_is_hinted(const struct flow *f);
/* Mid-stream: looks for a message's start anywhere in `in` with the dissectors of the flow's ports, and at
 * its beginning with all. */
bool identify_midstream(const struct flow *f, struct bytes in, enum dir dir, enum proto *proto);
/* The flow is read by that dissector from now on; false: no state left. */
bool identify_begin(struct flows *t, struct flow *f, enum proto proto, bool midstream);
/* A datagram or a packet of another IP protocol. */
void datagram_push(struct flows *t, struct flow *f, enum dir dir, const struct packet *p);
/* A frame without IP. */
void ether_push(struct flows *t, const struct packet *p);
/* nDPI looks at this packet of a conversation nobody reads. */
void identify_label(struct flows *t, struct flow *f, const struct packet *p);

#endif
