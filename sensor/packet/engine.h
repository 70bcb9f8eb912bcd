/*
 * engine: the side of the dissector contract that a dissector does not see: how bytes become messages, and
 * messages records in the ring.
 *
 * One dx_engine per worker, owned by it. stream.c feeds it bytes in order and gaps; datagrams come whole.
 * Nothing here allocates after dx_engine_init.
 */
#ifndef WW_PACKET_ENGINE_H
#define WW_PACKET_ENGINE_H

#include "base/buddy.h"
#include "base/counters.h"
#include "base/limits.h"
#include "base/lru.h"
#include "base/pool.h"
#include "base/ring.h"
#include "packet/dissect.h"
#include "packet/health.h"

/* One direction of a dissected conversation. */
struct dx_stream {
	uint64_t skip;     /* bytes to pass by unread */
	uint64_t junk;     /* foreign bytes since the last message */
	uint64_t length;   /* of the unfinished message, 0: not known yet */
	uint64_t tail_ns;  /* time of its last byte so far */
	uint32_t tail;     /* buddy block: the unfinished message, 0: none */
	uint32_t tail_n;   /* its bytes so far */
	uint32_t need;     /* call frame again when there are so many */
	uint32_t seen;     /* bytes of the unfinished message that frame has looked at */
	uint32_t inflater; /* pool index */
	uint8_t strikes;
	bool resync;     /* looking for the start of a message */
	bool unsure;     /* found one after resync, not yet confirmed by pdu */
	bool after_gap;  /* until the next message */
	bool gap_untold; /* until the next event: several messages may make one */
	bool far;        /* resync after a gap or mid-stream: much may have to be passed */
	bool dead;
	bool over; /* dx_end was here */
	bool good; /* a message has made sense */
};

/* A conversation that a dissector reads. */
struct dx_conv {
	struct dx_stream s[2]; /* by enum dir */
	uint32_t state;        /* in the dissector's pool */
	uint32_t extra;
	uint8_t proto;
	bool ended; /* the dissector's `end` was called */
	bool midstream;
	/* evict.c's: whose it is, and in which order those go that have what */
	uint32_t owner;
	struct lru_link by_conv, by_extra, by_inflater;
};

struct dx_proto_counters {
	uint64_t messages, malformed, junk_bytes, events;
	uint64_t phi[2][PHI_CLASSES]; /* events with private data of that class; in clear, encrypted */
};

static inline void dx_proto_add(struct dx_proto_counters *sum, const struct dx_proto_counters *c)
{
	sum->messages += c->messages;
	sum->malformed += c->malformed;
	sum->junk_bytes += c->junk_bytes;
	sum->events += c->events;
	for (unsigned i = 0; i < 2 * PHI_CLASSES; i++)
		sum->phi[i / PHI_CLASSES][i % PHI_CLASSES] += c->phi[i / PHI_CLASSES][i % PHI_CLASSES];
}

struct dx_expectation {
	struct addr ip;
	uint16_t port;
	uint8_t proto;
	uint64_t until_ns; /* 0: free */
};

enum { EVENT_BYTES = 65536, DX_CREDENTIALS = 4, DX_PATIENTS = 64, PHI_SEEN_BYTES = 512 };

struct dx_engine {
	const struct limits *limits;
	struct counters *counters;
	struct ring *ring;
	const struct privacy_key *key;
	/* Called when the ring is full: drains it or waits until engine_has_room (offline), or does nothing
	 * (live: the record is lost). */
	void (*on_full)(void *arg);
	void *on_full_arg;
	struct pool states[PROTO_DISSECTED], extras, inflaters;
	struct buddy memory;
	struct dx_proto_counters proto[PROTO_N];
	struct dx_expectation *expectations; /* limits.expectations of them, oldest overwritten */
	uint32_t expectation_next, expectations_live;

	/* of the packet in hand */
	uint64_t ts_ns, packet;
	enum turn turn;
	/* of the call in hand */
	struct dx_conv *dc;
	bool gap_untold;
	bool *encrypted; /* the flow's flag */
	/* of the record in hand */
	struct event *open;
	struct fact *last; /* for lists */
	bool open_cut;
	uint32_t phi, phi_n;
	enum charset charset;                 /* of its private values */
	bool patient_is_told, patient_is_mrn; /* by dx_patient; else the first value of its class */
	unsigned n_patients;
	struct pseudonym patients[DX_PATIENTS];
	struct {
		struct credential c;
		const char *user_class, *length_class, *default_match;
		struct phi_fact typed[2]; /* secret, user; length 0: nothing to mask */
	} credentials[DX_CREDENTIALS];
	unsigned n_credentials;
};

/* False: no memory. The pointers are borrowed. */
bool dx_engine_init(struct dx_engine *e, const struct limits *l, struct counters *c, struct ring *r,
	const struct privacy_key *key, void (*on_full)(void *), void *arg);
void dx_engine_fini(struct dx_engine *e);
void dx_engine_packet(struct dx_engine *e, uint64_t ts_ns, uint64_t packet);

/* Room for that a conversation begins or ends, of which a flood has many: a quarter of the ring, and two
 * events, are left to what is said in them. */
bool engine_has_room(const struct dx_engine *e);

/* Begins to read a conversation; false (counted) when there is no state left. */
bool dx_conv_init(struct dx_engine *e, struct dx_conv *dc, enum proto proto, bool midstream);
void dx_conv_fini(struct dx_engine *e, struct dx_conv *dc);

/* The next bytes of one direction, in order. encrypted: the conversation's flag, set by dx_encrypted. */
void dx_feed(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv, bool *encrypted, enum dir dir,
	struct bytes in);
/* n bytes of that direction are lost (n >= 1; unknown counts: 1). */
void dx_gap(struct dx_engine *e, struct dx_conv *dc, enum dir dir, uint64_t n);
/* That direction is over: what only the end ends is read, and when both are over the dissector's `end`
 * called. A second call does nothing. To be called for both before dx_conv_fini. */
void dx_end(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv, bool *encrypted, enum dir dir);
/* A message has made sense; messages of both directions have. */
static inline bool dx_is_good(const struct dx_conv *dc)
{
	return dc->s[0].good || dc->s[1].good;
}
static inline bool dx_is_talk(const struct dx_conv *dc)
{
	return dc->s[0].good && dc->s[1].good;
}
/* True when the next n bytes of this direction will be passed by whatever they hold. */
bool dx_skips(const struct dx_conv *dc, enum dir dir, uint64_t n);
/* One datagram. dc->state may be 0 for a dissector without state. False: malformed. */
bool dx_datagram(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv, bool *encrypted,
	enum dir dir, struct bytes in, bool is_cut);

/* The protocol expected at that address and port now, or PROTO_N. Takes the expectation. */
enum proto dx_expected(struct dx_engine *e, const struct addr *ip, uint16_t port);

/* Writes an event of the engine's own categories: begin, ev_* on the returned context, ev_end. */
struct dx dx_own(struct dx_engine *e, const struct conv *conv, enum dir dir);
void ev_begin_own(struct dx *x, enum proto category, unsigned event);

/* Writes a RECORD_COUNTERS; rows: n->n_traffic of them. False: the ring is full. */
bool engine_counters(
	struct dx_engine *e, enum turn turn, const struct worker_news *n, const struct traffic_row *rows);

#endif
