/*
 * hl7: what the files of the HL7 version 2 dissector share (ER7 over MLLP, and over bare TCP as it is met in
 * the field; wire/clinical.md 2). hl7_frame.c finds messages, hl7.c tells events and observations, hl7_text.c
 * reads the grammar, hl7_phi.c knows whose data is in it, hl7_device.c finds the devices a message speaks of.
 *
 * What ends a message, so that no answer depends on the bytes behind it:
 *  - FS (1C). The CR that belongs behind it, and whatever else stands between two messages (CR, LF, NUL,
 * blanks, a second VT or FS), is taken byte by byte, each a unit of its own that says nothing.
 *  - a block start or header behind a segment's end: `VT MSH|`, `CR MSH|^~\&|`. So a batch in one block, two
 *    messages without an end between them and unframed streams are cut into their MSH groups. The last
 * message of an unframed stream has no end of its own: it is told when the direction is over, if it stops at
 * a segment's end. In a block it is not whole without FS. Deviations seen between two messages are told with
 * the second.
 *
 * A struct message lives for one pdu call; all its views are into the message. Worker thread.
 */
#ifndef WW_DISSECTORS_HL7_H
#define WW_DISSECTORS_HL7_H

#include "dissect.h"

enum { HL7_PATIENTS = 64 }; /* of one event's fields; the others are told beside them */
enum { HL7_DEVICES = 8, HL7_WORDS = 24, HL7_REPETITIONS = 32, HL7_TEXT = 256 };

enum { VT = 0x0b, FS = 0x1c, CR = 0x0d, LF = 0x0a, ACK = 0x06, NAK = 0x15 };
enum { IDS = 32 };

/* ---- state: both directions of one conversation ---------------------------------------------- */

struct sent {
	uint64_t id, ts_ns; /* hash of MSH-10; when it was sent */
	uint8_t type[3];    /* MSH-9.1 */
};

struct side {
	enum { AFTER_NONE, AFTER_FS, AFTER_END } after; /* what the last unit was */
	unsigned deviations;                            /* between the last message and the next */
	bool in_block, in_batch;
	unsigned next; /* place in `sent` */
	struct sent sent[IDS];
};

struct state {
	struct side side[2];
};

/* A value put together: what does not fit is cut. */
struct text {
	size_t n;
	uint8_t b[HL7_TEXT];
};

struct said {
	struct bytes value;
	uint8_t confidence;
};

/* A device the message speaks of. */
struct device {
	struct bytes eui;      /* 16 hex digits */
	struct bytes instance; /* OBX-18 as it stands */
	struct bytes mds;      /* number of its subtree in OBX-4 */
	unsigned obr;          /* order of the OBR group that spoke of it last */
	struct said name, maker, model, serial, software, udi;
	struct bytes type[2]; /* MDC codes of the MDS and VMD */
	bool is_sender;       /* the message says it of its own application */
};

struct message {
	struct bytes all;                                               /* segments, without the framing */
	uint8_t separator, component, repetition, escape, subcomponent; /* 0: none */
	bool odd_encoding;                                              /* MSH-2 is none of the usual */
	struct bytes msh, msa;
	struct bytes type, trigger; /* MSH-9.1 and .2, empty if they are no code */
	struct bytes eui;           /* of MSH-3 */
	bool pcd, law;              /* MSH-21: IHE PCD, IHE LAW */
	bool has_patient, has_trailer;
	unsigned n_words; /* words that name the patient, for what else must not hold them */
	struct bytes word[HL7_WORDS];
	unsigned ids_told, names_told; /* of patients, while the event is written */
	unsigned n_devices, obr;
	struct bytes obr_type; /* OBR-4, if it is a device's MDC code */
	struct bytes location; /* PV1-3 */
	struct device device[HL7_DEVICES];
};

/* Walks the segments of a message; start with { .all = m->all }. */
struct walk {
	struct bytes all;
	size_t at, cr, lf; /* cr, lf: the next ones, if not before `at` */
	bool looked;
};

/* ---- hl7_frame.c ---- */

enum start { START_NO, START_MORE, START_YES };

int64_t hl7_frame(struct dx *x, struct bytes in);
size_t hl7_resync(struct bytes in);
enum probe_result hl7_probe(struct bytes first, enum dir dir);
/* Does b begin with UTF-16, or with a block without a header (keep-alive, commit answer)? */
enum start hl7_wide(struct bytes b);
enum start hl7_short_block(struct bytes b);

/* ---- hl7_text.c ---- */

/* Reads MSH; false if it is none: no separators, or letters for them. */
bool hl7_header(struct message *m, struct bytes all);
bool hl7_segment(const struct message *m, struct walk *w, struct bytes *segment);
bool hl7_is(struct bytes segment, const char *name);
/* The n-th part, from 1, of a value split at sep; empty past the end. */
struct bytes hl7_nth(struct bytes v, uint8_t sep, unsigned n);
struct bytes hl7_field(
	const struct message *m, struct bytes segment, unsigned n); /* MSH, FHS, BHS counted right */
/* The next repetition of a field, which c is over. */
struct bytes hl7_repetition(const struct message *m, struct cur *c);
struct bytes hl7_component(const struct message *m, struct bytes v, unsigned n); /* of the first repetition */
/* Escapes undone (v2.9 2.7), in *room if there are any; `""` gives an empty view. */
struct bytes hl7_unescape(const struct message *m, struct bytes v, struct text *room);
void hl7_text_add(struct text *t, struct bytes v);
/* First component that says anything: of an HD, EI or XON the name a person knows it by. */
struct bytes hl7_label(const struct message *m, struct bytes v);

/* ---- hl7_phi.c ---- */

struct bytes hl7_name(const struct message *m, struct bytes v); /* of an XPN: family, given, further names */
bool hl7_is_ssn(const struct message *m, struct bytes id);      /* of a CX: a social security number */
/* True if v holds a word of the patient's names and numbers. */
bool hl7_names_patient(const struct message *m, struct bytes v);
/* First reading: the words that name the patient. */
void hl7_patient(struct message *m);
/* Between ev_begin and ev_end: all classes of patient data in the message. */
void hl7_phi(struct dx *x, struct message *m);

/* ---- hl7_device.c ---- */

void hl7_devices(struct message *m);
/* MSH-3 names the one device of the message, which need not be who sends. */
bool hl7_is_device_application(const struct message *m);
/* hl7.device_identifier and hl7.device_udi of the event. */
void hl7_device_facts(struct dx *x, const struct message *m, unsigned identifier, unsigned udi);
/* After ev_end. */
void hl7_device_observe(struct dx *x, const struct message *m);
/* An identity that anyone may read: printable, and no word of the patient's in it. */
bool hl7_is_open(const struct message *m, struct bytes v);

#endif
