/*
 * alert: what a policy says of what was seen, before it is turned into a document.
 *
 * Made on the hub by the policy engine, handed to alert_sink by pointer, valid during the call only.
 */
#ifndef WW_DECIDE_ALERT_H
#define WW_DECIDE_ALERT_H

#include "decide/detect.h"
#include "decide/inventory.h"

enum { ALERT_ID = 24 }; /* "e1-" and 20 base32hex characters, NUL-terminated */

enum level { LEVEL_INFORMATIONAL, LEVEL_LOW, LEVEL_MEDIUM, LEVEL_HIGH, LEVEL_CRITICAL };
enum { LEVELS = LEVEL_CRITICAL + 1 };

struct rule; /* decide/policy.h */

struct score_term {
	const char *name; /* "base", "criticality", "phi" ... */
	int amount;
};

/* What a correlation counted. */
struct alert_correlation {
	const char *type; /* "value_count"; NULL: the rule is none */
	char words[256];  /* "25 different destination.ip within 60 s" */
	char value[48];   /* the aggregate; "" of a temporal one */
	uint64_t span_ns;
	uint64_t first_ns, last_ns;
	uint64_t packets[16]; /* of the last matches that counted */
	unsigned n_packets;
	bool truncated; /* state was lost: the aggregate may be too low, or alerts have gone missing */
	unsigned n_by;
	struct {
		const char *name;
		enum privacy privacy;
		uint16_t at, n; /* in text */
	} by[8];
	uint8_t text[256];
};

struct alert {
	char id[ALERT_ID];
	char first_id[ALERT_ID]; /* of the first document of this window; equal to id in it */
	const struct rule *rule;
	const struct event *event; /* that completed it; closing: the last one's head, without facts */
	const struct device *source, *destination; /* or NULL */
	struct detect_reason reason;
	enum level level;
	const char *source_zone, *destination_zone; /* NULL: no zones are named, or none */
	bool outside; /* one side is not of the site: the internet, or an external zone */
	bool unsure;  /* who began is a guess, and the rule is about who may: at most 50 sure */
	unsigned score;
	struct score_term terms[8];
	unsigned n_terms;
	bool closing;   /* the document at the window's end, with the count; only where there were repeats */
	uint64_t count; /* messages folded so far, 1 at first */
	uint64_t first_ns, last_ns, first_packet, last_packet;
	uint32_t phi;           /* PHI_BIT()s over all of them */
	uint64_t patients;      /* distinct patient pseudonyms over all of them; 0 if none */
	bool patients_at_least; /* the set was full: there may be more */
	uint64_t packets[64];   /* evidence */
	unsigned n_packets;
	struct alert_correlation correlation;
	const char *suppression;                  /* id of the entry that lowered or marked it; NULL: none */
	uint64_t suppressed, suppressed_first_ns; /* alerts of this kind held back before it */
};

/* on_alert: called for each first and each closing alert, in the order of their packets. */
struct alert_sink {
	void (*on_alert)(void *arg, const struct alert *a);
	void *arg;
};

const char *level_name(enum level l);  /* "high" */
unsigned level_severity(enum level l); /* 1, 21, 47, 73, 99 */

/* One more alert of that level. */
void alert_count(struct counters *c, enum level l);
unsigned alert_confidence(const struct alert *a);
/* Adds what is known of the alert to the score (policy-language.md section 14): a->rule, level, phi, outside,
 * source and destination are set. */
void alert_score(struct alert *a);
/* siem-conventions.md section 7: "e1-" and the first 100 bits, in base32hex, of SHA-256 over the schema
 * number, the rule's id (else its name, else its title), the conversation, the event's time in microseconds,
 * its category and the values of suppress.by (`by`, rendered), each but the first after a byte 0x1F; a
 * closing document adds one more part, "closing". The conversation is "protocol/endpoint/endpoint", the
 * endpoint "address:port" (the MAC address where there is no IP) that sorts first by its bytes going first:
 * so it is the same whoever is taken for the initiator. */
void alert_id(struct alert *a, struct bytes by);

#endif
