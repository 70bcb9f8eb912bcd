/*
 * dxtest: runs one dissector through the real engine over bytes in a test, and gives what it said as text,
 * one record a line, so that a test compares strings:
 *
 *	dicom.associate_rq client dicom.calling_ae=CT1 dicom.called_ae=PACS
 *	phi.message client phi.classes=[mrn,patient_name] phi.count=2 phi.container=hl7 ...
 *	observe hl7 sender manufacturer=ACME@90
 *	malformed 1                        (counters of the run that are not 0, at the end)
 *
 * A FACT_PHI prints as <class>. Marks behind the direction: +gap +cut +midstream +encrypted.
 */
#ifndef WW_TESTS_DXTEST_H
#define WW_TESTS_DXTEST_H

#include "packet/engine.h"

struct chunk {
	enum dir dir;
	struct bytes data; /* p NULL: a gap of n bytes */
};

#define LEN(a) (sizeof(a) / sizeof *(a))

enum split {
	SPLIT_AS_IS,
	SPLIT_BYTES,  /* one byte at a time */
	SPLIT_RANDOM, /* pieces of 1 to 40 bytes, by seed */
	SPLIT_JOINED, /* neighbours of one direction joined */
};

struct dxtest {
	enum proto proto;
	bool midstream;
	bool datagrams; /* each chunk is a datagram (EtherType or IP payload) */
	enum split split;
	uint32_t seed;
	struct conv conv; /* zero: 10.0.0.1:40000 to 10.0.0.2:port, proto of the dissector */
	uint64_t
		ts_ns; /* 0: 2026-03-01T08:00:00Z; each chunk is a millisecond later, all its pieces as one */
	bool quiet_observations; /* leave observations out of the text */
};

/* The text, to be freed; every piece is handed over in an exact-size heap block. */
char *dxtest_run(const struct dxtest *t, const struct chunk *chunks, size_t n);
/* Fails the cmocka test unless as-is, joined, byte-wise and 8 random splits give the same text; returns it.
 */
char *dxtest_splits(const struct dxtest *t, const struct chunk *chunks, size_t n);
/* Fails the cmocka test unless the chunks say `wanted`, however they are split. */
void dxtest_expect(const struct dxtest *t, const struct chunk *chunks, size_t n, const char *wanted);
/* The whole of chunk `which` cut at every length (for streams: that is all that comes): no crash. Returns
 * how many of the cuts gave any event (a cut message gives none). */
unsigned dxtest_cuts(const struct dxtest *t, const struct chunk *chunks, size_t n, size_t which);

/* Bytes written as text: "0b 4d'SH|'" -> hex pairs, blanks ignored, '...' literal. To be freed: .p */
struct bytes dxtest_hex(const char *text);

/* "category.action side facts" of one record; to be freed. */
char *record_text(const struct event *e);

#endif
