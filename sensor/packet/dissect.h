/*
 * dissect: the contract of a dissector (design.md section 3).
 *
 * A protocol is one file in dissectors/ that ends in one `const struct dissector dissector_NAME`, one line
 * DISSECTOR(NAME) in dissectors/registry.def, one unit test and one capture. It includes this header and no
 * other of ours. It answers two questions: how long is the next message (`frame`), and what does it say
 * (`pdu`). Buffering, gaps, splits, retransmits and skips are the engine's.
 *
 * A dissector must not allocate, log, read a clock, keep changing statics, or touch bytes but through
 * base/bytes.h. Everything is called on the worker that owns the flow; pointers handed in are borrowed until
 * the function returns. The same stream must give the same events however it is split: so no answer may
 * depend on how many bytes happen to lie behind the message.
 */
#ifndef WW_PACKET_DISSECT_H
#define WW_PACKET_DISSECT_H

#include "base/bytes.h"
#include "base/charset.h"
#include "base/digest.h"
#include "packet/event.h"

enum probe_result {
	PROBE_NO,
	PROBE_MORE, /* could be: ask again with more bytes */
	PROBE_YES,  /* sure enough to take the conversation on any port */
};

#define FRAME_MORE ((int64_t)0)  /* the length cannot be told yet */
#define FRAME_BAD  ((int64_t)-1) /* no message starts here: resync */

/* l4 of a dissector: an IP protocol number (6, 17, 58 ...) or L4_ETHER, with EtherTypes for ports. */
enum { L4_ETHER = 0, L4_ICMP = 1, L4_TCP = 6, L4_UDP = 17, L4_ICMP6 = 58 };

struct dx; /* one call's context */

struct field {
	const char *name;    /* canonical dotted name, policy-language.md section 20: "dicom.calling_ae" */
	enum fact_type type; /* FACT_PHI comes of itself for fields with a PHI class: say FACT_STR here */
	enum privacy privacy;
	bool list; /* emitted once per element, the elements one after the other */
};

struct dissector {
	const char *name; /* "hl7": category of its events, prefix of its fields */
	uint8_t l4;
	uint16_t ports[8];          /* hints only, 0 ends: bytes decide */
	uint32_t max_pdu;           /* bytes of one message that are looked at, 16 to 262144 */
	uint16_t state_size;        /* bytes of zeroed state per conversation, 4096 at most */
	const struct field *fields; /* ends with a NULL name */
	const char *const *events;  /* ends with NULL; "x509.certificate" overrides the category */
	/* Does a conversation of this protocol start here? `first` is what `dir` sent first (or, picked up
	 * mid-stream, what seems to start a message); 64 bytes at most unless the limits say more. */
	enum probe_result (*probe)(struct bytes first, enum dir dir);
	/* Length of the message at the start of `in` (may be more than in.n), FRAME_MORE or FRAME_BAD.
	 * x->seen: how many bytes an earlier call on this message has looked at. Never sees more than max_pdu
	 * bytes: a message with no end in max_pdu bytes is handed to pdu cut, and resync finds the next.
	 * When the direction is over, what is left is offered once more with x->last: a message that nothing
	 * but the end ends is as long as `in`, FRAME_MORE drops it. What is known to lack bytes is not
	 * offered: they came behind a hole, or the FIN or the other side's acknowledgment tells of more.
	 * NULL: every datagram (or EtherType/IP payload) is one message. */
	int64_t (*frame)(struct dx *x, struct bytes in);
	/* One whole message, or its first max_pdu bytes (x->cut): emits events and observations. False: not
	 * what frame took it for; three of those end this direction. */
	bool (*pdu)(struct dx *x, struct bytes in);
	/* NULL, or: the conversation is over, so what still waits for an answer is told now. Called exactly
	 * once for each conversation that has a state, after the last message of both directions, and for the
	 * same bytes with the same effect whatever ended it: FINs, RST, silence, its ports used anew, a full
	 * table, the end of the run, or that neither direction is read on (dx_done, strikes, a gap without
	 * resync). x->dir is DIR_CLIENT; it may be set to whom the event in hand is about, and x->cut, if
	 * that was never whole. x->after_gap: bytes of either direction were lost since its last message.
	 * Events carry the time at which the end was seen (of a silence the time when it was long enough) and
	 * the number of the packet that showed it. */
	void (*end)(struct dx *x);
	/* Bytes to drop from `in` to reach the next possible start of a message, in.n if there is none; a
	 * start that is only begun at the end counts. NULL: after a gap the direction is over. */
	size_t (*resync)(struct bytes in);
};

/* What a dissector may read of its call. */
struct dx {
	enum dir dir;    /* who sent these bytes */
	bool cut;        /* the message is longer than `in` */
	bool after_gap;  /* bytes were lost in this direction since the last message */
	bool midstream;  /* the conversation's beginning was not seen */
	bool last;       /* frame: no byte follows `in` in this direction */
	size_t seen;     /* frame: see above */
	uint64_t length; /* pdu: the message's whole length, 0 if unknown (cut without a length) */
	uint64_t ts_ns;  /* time of the packet that completed the message, also if its end was told later */
	void *state; /* state_size bytes, zeroed at the conversation's start, both directions'; NULL if 0 */
	const struct conv *conv; /* who talks to whom */
	struct dx_engine *engine;
};

/* ---- events: begin, facts in any order, end --------------------------------------------------
 * Field numbers index the dissector's `fields`. Strings longer than limits.fact_bytes are cut. For a field
 * with a PHI class only the class and pseudonyms are stored and the event's PHI bit is set; a SECRET field
 * must not be emitted (ASSERT). Empty strings are left out: absent and empty are not the same in a policy,
 * and on the wire an empty value says nothing. */
void ev_begin(struct dx *x, unsigned event);
void ev_str(struct dx *x, unsigned field, struct bytes v);
void ev_text(struct dx *x, unsigned field, const char *v); /* a constant of ours */
void ev_uint(struct dx *x, unsigned field, uint64_t v);
void ev_int(struct dx *x, unsigned field, int64_t v);
void ev_bool(struct dx *x, unsigned field, bool v);
void ev_ip(struct dx *x, unsigned field, const struct addr *v);
void ev_mac(struct dx *x, unsigned field, const struct mac *v);
void ev_time(struct dx *x, unsigned field, int64_t ns_since_1970);
void ev_bytes(struct dx *x, unsigned field, struct bytes v);
/* Between begin and end: this message carries that class of patient data (n values). The engine derives one
 * `phi` event from each event that carries any. ev_str on a PHI field does this by itself. */
void dx_phi(struct dx *x, enum privacy phi_class, unsigned n);
/* A patient's name or number met in the message but of no field of the event: sets the class and makes its
 * words masked on every output. Between begin and end. */
void dx_phi_value(struct dx *x, enum privacy phi_class, struct bytes value);
/* Between begin and end: the private values told from now on are written so, else CHARSET_UNSAID. */
void dx_charset(struct dx *x, enum charset set);
/* Between begin and end: there were private values that are not told with their words (too many, too long):
 * nothing suspect is shown any more. */
void dx_phi_lost(struct dx *x);
/* One patient the message is about, by record number or else name: so that patients are counted right when it
 * is about several. Between begin and end; without a call the first record number told, else the first name,
 * stands for one patient. */
void dx_patient(struct dx *x, struct bytes id);
void ev_end(struct dx *x);

/* ---- observations: begin, attributes, end ----------------------------------------------------
 * confidence 1 to 100: how sure is this attribute of that device, from this field alone. Rule of thumb:
 * 95 the device's own protocol says so of itself, 90 DICOM/HL7 self-report, 70 names and banners, 60 DHCP,
 * 40 MAC vendor, 30 behaviour. Values are trimmed, empty ones left out. */
void ob_begin(struct dx *x, enum observation_about about);
void ob_begin_address(struct dx *x, const struct addr *ip, const struct mac *mac); /* either may be NULL */
/* OB_CARD: the address and the MAC that the sender's device has besides; either may be NULL. */
void ob_begin_card(struct dx *x, const struct addr *managed_at, const struct mac *chassis);
void ob_str(struct dx *x, enum attr attr, struct bytes v, unsigned confidence);
void ob_text(struct dx *x, enum attr attr, const char *v, unsigned confidence);
void ob_end(struct dx *x);

/* ---- what else a message can mean ------------------------------------------------------------ */

enum credential_outcome { CREDENTIAL_UNKNOWN, CREDENTIAL_ACCEPTED, CREDENTIAL_REFUSED };

/* One authentication attempt. The secret itself is only measured and compared here. */
struct credential {
	const char *scheme; /* "password", "username", "kerberos", "saml", "jwt", "basic" ... */
	/* Both are judged and never kept; a secret that is no known default and a personal user become masked
	 * wherever they stand, a server may print them back. */
	struct bytes user;   /* default, service, personal, none */
	struct bytes secret; /* measured and compared with known defaults */
	bool secret_seen;    /* false: `secret` was not on the wire */
	bool cleartext;      /* it could be read by anyone on the path */
	enum credential_outcome outcome;
};

void dx_credential(struct dx *x, const struct credential *c);
/* From now on both directions of this conversation are inside TLS (or the like). */
void dx_encrypted(struct dx *x);
/* A conversation to that address and port, soon (within 60 s of packet time), speaks `dissector`. */
void dx_expect(struct dx *x, const struct addr *ip, uint16_t port, const char *dissector);
/* pdu: pass by the next n bytes of this direction unread, whatever they hold. */
void dx_skip(struct dx *x, uint64_t n);
/* This direction holds nothing more of interest (or the conversation, both). */
void dx_done(struct dx *x, bool both);
/* One zeroed block of EXTRA_BYTES for this conversation, the same at every call; NULL: none left. */
enum { EXTRA_BYTES = 32768 };
void *dx_extra(struct dx *x);

enum inflate_kind { INFLATE_RAW, INFLATE_ZLIB, INFLATE_GZIP }; /* RFC 1951, 1950, 1952 */
/* At most INFLATE_BYTES inflated bytes of the compressed bytes `*in`, which moves on; call again while it
 * gives bytes. The stream of this direction goes on from call to call until dx_inflate_end. The view is valid
 * until the next call. Empty: no more input, damaged, or no inflater left. */
enum { INFLATE_BYTES = 16384 };
struct bytes dx_inflate(struct dx *x, enum inflate_kind kind, struct bytes *in);
void dx_inflate_end(struct dx *x);

/* frame for line protocols: up to and with LF. */
int64_t frame_line(struct dx *x, struct bytes in);

/* "12.2(44)SE" of "Cisco IOS Software, Version 12.2(44)SE, RELEASE SOFTWARE", the version that a maker wrote
 * into a description; empty: none is said. */
struct bytes text_version(struct bytes description);

/* Length class of a secret: "none", "short" (1-7), "medium" (8-15), "long". */
const char *secret_length_class(struct bytes secret);

/* ---- registry -------------------------------------------------------------------------------- */

#define DISSECTOR(name) extern const struct dissector dissector_##name;
#include "registry.def"
#undef DISSECTOR

enum proto {
#define DISSECTOR(name) PROTO_##name,
#include "registry.def"
#undef DISSECTOR
	PROTO_DISSECTED, /* from here on the engine's own categories: no probe, no frame, no pdu */
	PROTO_flow = PROTO_DISSECTED,
	PROTO_tcp,
	PROTO_credential,
	PROTO_phi,
	PROTO_asset,
	PROTO_segmentation,
	PROTO_sensor,
	PROTO_named, /* named.def: written in tests only */
	PROTO_N
};

/* All of them by number: what names an event's category and fields. */
extern const struct dissector *const dissectors[PROTO_N];

#endif
