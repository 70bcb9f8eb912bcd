/*
 * dicom: what the files of the DICOM dissector share.
 *
 * dicom.c              PDUs (PS3.8), cuts P-DATA into fragments
 * dicom_association.c  who asks whom for what
 * dicom_dataset.c      reads the elements of command and data sets (PS3.5) as the fragments come
 * dicom_message.c      what a whole DIMSE message says (PS3.7): event, observations
 *
 * Nothing of a message is buffered but the values that are kept: a fragment may end at any byte, so the
 * reader carries on where it stopped. All of it lies in the conversation's state.
 */
#ifndef WW_DICOM_H
#define WW_DICOM_H

#include "dissect.h"

enum dicom_event { EV_ASSOCIATE_RQ, EV_ASSOCIATE_AC, EV_ASSOCIATE_RJ, EV_RELEASE, EV_ABORT, EV_DIMSE };

enum dicom_field {
	F_PDU_TYPE,
	F_CALLING_AE,
	F_CALLED_AE,
	F_APPLICATION_CONTEXT,
	F_ABSTRACT_SYNTAX,
	F_TRANSFER_SYNTAX,
	F_CONTEXTS,
	F_CONTEXTS_ACCEPTED,
	F_MAX_PDU,
	F_IMPLEMENTATION_UID,
	F_IMPLEMENTATION_VERSION,
	F_ASYNC_INVOKED,
	F_ASYNC_PERFORMED,
	F_SCP_ROLE,
	F_EXTENDED,
	F_IDENTITY_TYPE,
	F_IDENTITY_RESPONSE,
	F_RESERVED_NONZERO,
	F_REJECT_RESULT,
	F_REJECT_SOURCE,
	F_REJECT_REASON,
	F_ABORT_SOURCE,
	F_ABORT_REASON,
	F_COMMAND,
	F_TYPE,
	F_MESSAGE_ID,
	F_STATUS,
	F_STATUS_CLASS,
	F_SOP_CLASS,
	F_MOVE_DESTINATION,
	F_MOVE_ORIGINATOR,
	F_REMAINING,
	F_COMPLETED,
	F_FAILED,
	F_WARNING,
	F_DATA_SET,
	F_BYTES,
	F_MALFORMED,
	F_MODALITY,
	F_MANUFACTURER,
	F_MODEL,
	F_SOFTWARE,
	F_STATION_NAME,
	F_SERIAL,
	F_PATIENT_NAME,
	F_PATIENT_ID,
};

/* How a data set is written (PS3.5 section 10 and annex A). UNKNOWN: told from its first element. */
enum dicom_syntax { SYNTAX_UNKNOWN, SYNTAX_IMPLICIT, SYNTAX_EXPLICIT, SYNTAX_BIG_ENDIAN, SYNTAX_DEFLATED };

enum dicom_service {
	SERVICE_OTHER,
	SERVICE_VERIFICATION,
	SERVICE_QUERY,
	SERVICE_WORKLIST,
	SERVICE_MPPS,
	SERVICE_COMMITMENT,
	SERVICE_PRINT,
};

enum dicom_text {
#define DICOM_TEXT(id, group, element, sequence) TEXT_##id,
#include "dicom_tags.def"
	TEXT_N
};

enum dicom_number {
#define DICOM_NUMBER(id, element) NUMBER_##id,
#include "dicom_tags.def"
	NUMBER_N
};

enum {
	DICOM_VALUE = 128,   /* bytes of one value that are kept: LO is 64 characters */
	DICOM_KEPT = 896,    /* bytes of all values kept of one message ... */
	DICOM_PRIVATE = 512, /* ... and, of those, how far private values may fill it */
	DICOM_LEVELS = 64,   /* sequences and their items: 32 of each */
	KEPT_PHI = 64,       /* tag of a kept private value: KEPT_PHI + its class */
};

/* Reads one command or data set. */
struct dicom_reader {
	uint32_t off;      /* bytes read so far */
	uint32_t skip;     /* bytes to pass by before the next element */
	uint32_t rest;     /* bytes of the value behind those that are kept */
	uint32_t tag;      /* of the element whose value is being read */
	uint32_t sequence; /* tag of the level-0 sequence it stands in */
	uint16_t elements;
	uint8_t class;         /* enum privacy of the element, PHI_NONE for most */
	uint8_t depth, syntax; /* syntax: enum dicom_syntax, never SYNTAX_DEFLATED */
	bool is_command;
	bool done; /* nothing of interest follows */
	bool bad;  /* not a data set: done */
	uint8_t head_n, value_n, value_want;
	uint8_t head[12], value[DICOM_VALUE];
	uint8_t level[DICOM_LEVELS];
	uint32_t end[DICOM_LEVELS]; /* in terms of off */
};

enum dicom_stage { STAGE_NONE, STAGE_COMMAND, STAGE_WAIT_DATA, STAGE_DATA };

/* One message of one direction. */
struct dicom_message {
	uint64_t bytes; /* of the data set, as sent */
	uint8_t stage;  /* enum dicom_stage */
	uint8_t context;
	bool malformed;
	uint16_t numbers_seen; /* bits of enum dicom_number */
	uint16_t number[NUMBER_N];
	bool phi_lost;             /* some of them are not kept, or cut */
	uint16_t phi[PHI_CLASSES]; /* private values met and not kept, by class */
	uint32_t texts_seen;       /* bits of enum dicom_text */
	uint16_t kept_n;
	uint8_t kept[DICOM_KEPT]; /* entries: enum dicom_text or KEPT_PHI + class, length, bytes */
};

struct dicom_side {
	uint32_t pdu_left, pdv_left; /* bytes of the P-DATA PDU and of the fragment still to come */
	uint8_t control;             /* message control header of the fragment */
	bool ignore;                 /* the fragment belongs to no message */
	bool started, lost;          /* a PDU was read; the order of PDUs was lost since */
	uint16_t roles;              /* told already, bits of dicom_message.c's roles */
	struct dicom_message message;
	struct dicom_reader reader;
};

/* A user identity that waits for the acceptor's answer; wiped when it is told. */
struct dicom_identity {
	uint8_t type; /* 58H: 1 to 5; 0: none */
	uint8_t user_n, secret_n;
	uint8_t user[64], secret[64];
};

enum { AE_BYTES = 16, CONTEXTS = 128, PDU_HEAD = 6, SHORT_BODY = 4 /* of RJ, RELEASE, ABORT */ };

struct dicom_state {
	bool requested;    /* the A-ASSOCIATE-RQ was seen */
	bool wants_answer; /* it asked for a user identity response */
	bool get[2];       /* that side asked for images on this association (C-GET) */
	uint8_t requestor; /* enum dir, if requested */
	uint8_t identity_type;
	uint8_t calling_n, called_n;
	uint8_t calling[AE_BYTES], called[AE_BYTES];
	struct {
		uint8_t syntax, service;
	} context[CONTEXTS]; /* by (id - 1) / 2 */
	struct dicom_identity identity;
	struct dicom_side side[2]; /* by enum dir */
};

/* The name of a code, "unknown" for those without. */
static inline const char *dicom_name(const char *const *names, unsigned n, unsigned i)
{
	return i < n && names[i] ? names[i] : "unknown";
}

#define DICOM_NAME(names, i) dicom_name(names, sizeof(names) / sizeof *(names), i)

/* ---- dicom_association.c ----------------------------------------------------------------------- */

/* Whole PDUs; false: malformed. */
bool dicom_associate_rq(struct dx *x, struct dicom_state *st, struct bytes in);
bool dicom_associate_ac(struct dx *x, struct dicom_state *st, struct bytes in);
bool dicom_associate_rj(struct dx *x, struct dicom_state *st, struct bytes in);
/* Tells the requestor's user identity, if one waits, and wipes it. Not inside an event. */
void dicom_identity_tell(struct dx *x, struct dicom_state *st, enum credential_outcome outcome);

/* ---- dicom_dataset.c --------------------------------------------------------------------------- */

void dicom_read_begin(struct dicom_reader *r, enum dicom_syntax syntax, bool is_command);
/* The next bytes of the set; what is kept goes into m. */
void dicom_read(struct dicom_reader *r, struct dicom_message *m, struct bytes in);
/* After the last: false if the set was damaged or ended inside an element. */
bool dicom_read_end(const struct dicom_reader *r);
/* The kept text, or empty. */
struct bytes dicom_text(const struct dicom_message *m, enum dicom_text which);
/* The next kept entry and its tag; *at is 0 at first. Empty at the end. */
struct bytes dicom_kept_next(const struct dicom_message *m, size_t *at, unsigned *tag);
/* A UID's text, without the padding and anything that is no UID. */
struct bytes dicom_uid(struct bytes v);

/* ---- dicom_message.c --------------------------------------------------------------------------- */

enum dicom_service dicom_service(struct bytes abstract_syntax);
static inline bool dicom_has(const struct dicom_message *m, enum dicom_number n)
{
	return m->numbers_seen >> n & 1;
}

/* The command is one of PS3.7's. */
bool dicom_command_known(const struct dicom_message *m);
/* A data set follows (PS3.7 E.1: any other value than 0101H). */
bool dicom_has_data_set(const struct dicom_message *m);
/* Writes the event and the observations of the sender's message. */
void dicom_message_tell(struct dx *x, struct dicom_state *st, struct dicom_side *d);

#endif
