/*
 * event: the self-contained record that goes from a worker to the hub, written once, into the ring.
 *
 * A record (but RECORD_COUNTERS) is a struct event and, behind it, n_facts facts, each a struct fact and len
 * bytes, padded to 8. Nothing in it points anywhere. A record is an event (what happened in a protocol) or an
 * observation (what was said of a device). Field numbers of an event are those of its dissector's `fields`;
 * of an observation, enum attr. Written by the worker; read by the hub; any thread may read a record it
 * holds.
 */
#ifndef WW_PACKET_EVENT_H
#define WW_PACKET_EVENT_H

#include "base/addr.h"
#include "base/privacy.h"

enum record_kind {
	RECORD_EVENT,
	RECORD_OBSERVATION,
	RECORD_COUNTERS, /* no facts: a struct worker_news (health.h), then the minute's struct traffic_row */
};

/* The order of the records of one packet number, whichever worker wrote them (run/merge.h). */
enum turn {
	TURN_DUE,      /* of conversations that its time ends */
	TURN_COUNTERS, /* of a minute that it ends */
	TURN_PACKET,   /* of the packet */
	TURN_END,      /* the run is over: of conversations that are still open */
	TURN_LAST,     /* of the last minute */
};

enum dir { DIR_CLIENT, DIR_SERVER }; /* who sent: the conversation's initiator, or the other side */

/* A conversation as events name it: source is always the initiator (policy-language.md 20.3). */
struct conv {
	struct addr src, dst;  /* family 0: no IP (ARP) */
	uint16_t sport, dport; /* ICMP: 0 */
	struct mac smac, dmac; /* zero: none on this link type */
	uint16_t vlan[2];      /* as seen from the source and from the destination; 0: none */
	uint32_t vni;          /* VXLAN/GENEVE/ERSPAN segment, 0: none */
	uint8_t proto;         /* IP protocol number, 0: an EtherType's */
	bool initiator_known;  /* false: who began is a guess (mid-stream) */
	bool encrypted;        /* inside TLS */
	bool odd_port;         /* the protocol on a port that is not one of its own */
	uint8_t icmp_type, icmp_code;
};

enum event_flag {
	EVENT_CUT = 1,         /* not all facts fitted */
	EVENT_PDU_CUT = 2,     /* the message was longer than was looked at */
	EVENT_AFTER_GAP = 4,   /* bytes were lost before this message */
	EVENT_MIDSTREAM = 8,   /* the conversation's beginning was not seen */
	EVENT_PHI_LOST = 16,   /* private values did not fit: the mask cannot know their words */
	EVENT_PHI_UNREAD = 32, /* private values hold characters that could not be converted */
};

enum observation_about {
	OB_SENDER,   /* who sent these bytes says it of itself */
	OB_RECEIVER, /* the other side of the conversation */
	OB_MAKER,    /* who made the data: the sender only where the hub finds no reason against it */
	OB_BEHIND,   /* a device behind the sender: never the sender */
	OB_ADDRESS,  /* the device with `about_ip` and/or `about_mac` */
	/* The sender says it of itself, and that it is one card of the device that has `about_mac` too and is
	 * managed at `about_ip`, at whatever card that is. */
	OB_CARD,
};

struct event {
	uint32_t len;   /* of the whole record */
	uint8_t record; /* enum record_kind */
	uint8_t proto;  /* registry number of the dissector that wrote it */
	uint8_t event;  /* index into its events[]; observation: enum observation_about */
	uint8_t dir;    /* enum dir: who sent the message */
	uint16_t n_facts;
	uint8_t flags;   /* enum event_flag */
	uint8_t turn;    /* enum turn */
	uint32_t phi;    /* PHI_BIT()s of the message */
	uint64_t ts_ns;  /* of the packet that completed the message, since 1970 UTC, never going back */
	uint64_t packet; /* its number in the run, from 1 */
	struct conv conv;
	struct addr about_ip; /* OB_ADDRESS, OB_CARD; family 0: none */
	struct mac about_mac; /* OB_ADDRESS, OB_CARD; zero: none */
};

enum fact_type {
	FACT_STR,   /* bytes as sent: any encoding, hostile */
	FACT_UINT,  /* 8 bytes, host order */
	FACT_INT,   /* 8 bytes, host order */
	FACT_BOOL,  /* 1 byte */
	FACT_IP,    /* struct addr */
	FACT_MAC,   /* struct mac */
	FACT_TIME,  /* int64 nanoseconds since 1970 UTC */
	FACT_BYTES, /* shown as lower-case hex */
	FACT_PHI,   /* struct phi_fact: class and pseudonyms, no text */
};

/* Field of a fact that no rule and no output shows: a private value met, kept for masking. */
enum { FIELD_NONE = 0xffff };

struct fact {
	uint16_t field;     /* of the dissector, or enum attr, or FIELD_NONE */
	uint8_t type;       /* enum fact_type */
	uint8_t confidence; /* observations: 1 to 100 */
	uint16_t len;       /* of the value, without padding */
	uint16_t count; /* 0: one value; else a list of count values, each a uint16 length and its bytes */
	uint8_t value[];
};

struct phi_fact {
	uint8_t class; /* enum privacy, a PHI class; SECRET: kept for masking only */
	uint8_t n_tokens;
	uint8_t length; /* SECRET: bytes of it, for finding it in a text */
	struct pseudonym whole;
	struct pseudonym token[PHI_TOKENS];
};

/* ---- reading ----------------------------------------------------------------------------- */

/* The first fact, and the one after f; NULL at the end. */
static inline const struct fact *fact_first(const struct event *e)
{
	return e->len > sizeof *e ? (const struct fact *)(const void *)(e + 1) : NULL;
}

static inline const struct fact *fact_next(const struct event *e, const struct fact *f)
{
	const uint8_t *end = (const uint8_t *)e + e->len;
	const uint8_t *next = f->value + ((f->len + 7u) & ~7u);
	return next < end ? (const struct fact *)(const void *)next : NULL;
}

#define FACT_EACH(f, e) for (const struct fact *f = fact_first(e); f; f = fact_next(e, f))

/* The fact of that field, or NULL. */
static inline const struct fact *fact_find(const struct event *e, unsigned field)
{
	FACT_EACH (f, e)
		if (f->field == field)
			return f;
	return NULL;
}

static inline unsigned fact_count(const struct fact *f)
{
	return f->count ? f->count : 1;
}

/* The raw value, or of a list the i-th; empty past the end. */
static inline struct bytes fact_value(const struct fact *f, unsigned i)
{
	if (f->count == 0)
		return bytes_of(f->value, i == 0 ? f->len : 0);
	struct cur c = cur_of(bytes_of(f->value, f->len));
	for (; i > 0; i--)
		cur_skip(&c, cur_le16(&c));
	return cur_take(&c, cur_le16(&c));
}

static inline uint64_t value_uint(struct bytes v)
{
	uint64_t u = 0;
	memcpy(&u, v.p, v.n < sizeof u ? v.n : sizeof u);
	return u;
}

static inline uint64_t fact_uint(const struct fact *f)
{
	return value_uint(bytes_of(f->value, f->len));
}

/* ---- attributes of devices --------------------------------------------------------------- */

enum attr {
#define ATTR(id, name, kind, privacy) ATTR_##id,
#include "packet/attrs.def"
#undef ATTR
	ATTR_N
};

struct attr_row {
	const char *name;
	bool many;
	enum privacy privacy;
};

extern const struct attr_row attr_rows[ATTR_N];

#endif
