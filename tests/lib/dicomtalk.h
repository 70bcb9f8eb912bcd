/*
 * dicomtalk: DICOM streams in tests: the vectors of wire/clinical.md 1.17, PDUs and sets made from parts, and
 * what the dissector says of them, run through every split and every cut.
 *
 * struct bytes returned are on the heap: say and say_p_data take them over, free_bytes frees.
 */
#ifndef WW_TESTS_DICOMTALK_H
#define WW_TESTS_DICOMTALK_H

#include "dicom.h"
#include "dxtest.h"

extern const char D1[], D2[], D3[], D4[], D5[], D6[], D6b[], D7[], D8[], D8b[], D9[], D9b[], D10[], D10b[],
	D11[], D12[], D13[];
/* CT Image Storage. */
extern const char CT[];

enum { CHUNKS = 64 };

struct talk {
	struct chunk chunk[CHUNKS];
	size_t n;
};

/* Bytes being put together. */
struct out {
	uint8_t *p;
	size_t n;
};

/* The next bytes of that side. */
void say(struct talk *t, enum dir dir, struct bytes data);
void say_hex(struct talk *t, enum dir dir, const char *hex);
/* A-ASSOCIATE-RQ and -AC for one abstract and one transfer syntax on context 1, called PACS. */
void say_association(struct talk *t, const char *calling, const char *abstract, const char *transfer);
/* One P-DATA PDU with one PDV on context 1; owned is freed. */
void say_p_data(struct talk *t, enum dir dir, uint8_t control, struct bytes owned);
void talk_free(struct talk *t);

/* The dissector's text of the talk, the same for every split; every cut is run too. Both free the talk. */
char *run(struct talk *t);
void expect(struct talk *t, const char *want);
/* Only the lines that begin so, and the counters. */
void expect_lines(struct talk *t, const char *prefix, const char *want);

void put(struct out *o, const void *p, size_t n);
void put_be(struct out *o, uint32_t v, unsigned n);
struct bytes view(const struct out *o);
void free_bytes(struct bytes b);
/* An element; implicit: no VR; length: what its head says. */
void put_element(struct out *o, enum dicom_syntax s, uint32_t tag, const char *vr, const void *v, size_t n,
	uint32_t length);
/* Its value padded to even length. */
void put_text(struct out *o, enum dicom_syntax s, uint32_t tag, const char *vr, const char *v);
/* A 16-bit number of a command set. */
void put_number(struct out *o, uint32_t element, uint16_t v);
/* A CT image with a sequence that names another maker and holds a patient's number; undefined: by delimiters.
 */
struct out data_set(enum dicom_syntax s, bool undefined);
/* Frees the set. */
struct bytes deflated(struct out set);
/* A command set with message id 7; sop_class NULL: none; status below 0: none; extra elements are freed. */
struct bytes command(const char *sop_class, uint16_t code, bool with_data, int status, struct out extra);
void put_pdv(struct out *o, uint8_t context, uint8_t control, struct bytes part);
/* A PDU of that type around body, which is freed. */
struct bytes pdu(uint8_t type, struct out body);
struct bytes p_data(uint8_t context, uint8_t control, struct bytes part);
/* An A-ASSOCIATE-RQ (1) or -AC (2); more: user information, as dxtest_hex reads it. */
struct bytes association(uint8_t type, const char *calling, const char *called, const char *abstract,
	const char *transfer, const char *more);

#endif
