/* hl7talk: messages for tests of the HL7 dissector (H1 to H4: the vectors of wire/clinical.md 2.10), and what
 * they must and must not say. */
#ifndef WW_TESTS_HL7TALK_H
#define WW_TESTS_HL7TALK_H

#include "dxtest.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { BLOCKS = 8, BLOCK = 8192 };
static char blocks[BLOCKS][BLOCK];
static unsigned next_block;

/* Lines become segments; put between before and after. Valid for the next seven calls. */
static inline struct bytes wrapped(const char *before, const char *lines, const char *after)
{
	char *b = blocks[next_block++ % BLOCKS];
	int n = snprintf(b, BLOCK, "%s%s%s", before, lines, after);
	assert_true(n > 0 && n < BLOCK);
	for (char *p = b; *p; p++)
		if (*p == '\n')
			*p = '\r';
	return bytes_of(b, (size_t)n);
}

static inline struct bytes block(const char *lines)
{
	return wrapped("\x0b", lines, "\x1c\n");
}

/* Bytes as they are, no line made a segment. */
static inline struct bytes raw(const char *s)
{
	return bytes_str(s);
}

/* What a client's bytes (and a server's answer, if any) say, however they are cut. */
static inline char *said(struct bytes client, struct bytes server)
{
	struct dxtest t = { .proto = PROTO_hl7 };
	struct chunk c[2] = { { DIR_CLIENT, client }, { DIR_SERVER, server } };
	return dxtest_splits(&t, c, server.n ? 2 : 1);
}

static inline void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static inline void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" in:\n%s", part, text);
}

static inline unsigned count(const char *text, const char *part)
{
	unsigned n = 0;
	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

/* A line of three: what to feed, and what must and must not be said. */
static inline void check(struct bytes client, const char *must, const char *must_not)
{
	char *text = said(client, (struct bytes){ 0 });
	if (must)
		has(text, must);
	if (must_not)
		has_not(text, must_not);
	free(text);
}

#define H1                                                                                                   \
	"MSH|^~\\&|ADT1|GHOSP|RIS|GHOSP|20240131093015||ADT^A01^ADT_A01|MSG00001|P|2.5.1\n"                  \
	"SFT|ACME Health|7.2.1|ACME ADT|BIN-20240101\n"                                                      \
	"EVN|A01|20240131093015\n"                                                                           \
	"PID|1||MRN12345^^^GHOSP^MR||DOE^JANE^Q||19700102|F|||1 MAIN ST^^SPRINGFIELD^IL^62701||5551234567||" \
	"|||ACCT9|123-45-6789\n"                                                                             \
	"PV1|1|I|ICU^12^A^GHOSP||||1234^HOUSE^GREG\n"
#define H2 "MSH|^~\\&|GHOSP|ADT1|GHOSP|ADT1|20240131093016||ACK^A01^ACK|ACK00001|P|2.5.1\nMSA|AA|MSG00001\n"
#define H3                                                                                                   \
	"MSH|^~\\&|MON_GW^080019FFFE0B4020^EUI-64|GHOSP|EMR|GHOSP|20240131093100+0000||ORU^R01^ORU_R01|"     \
	"PCD00001|P|2.6|||NE|AL||UNICODE UTF-8|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\n"      \
	"PID|||MRN12345^^^GHOSP^MR||DOE^JANE||19700102|F\n"                                                  \
	"PV1||I|ICU^^12\n"                                                                                   \
	"OBR|1|||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|||20240131093100\n"                            \
	"OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||080019FFFE0B4020^B40_"    \
	"GE\n"                                                                                               \
	"OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.5.1.2|80|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||R|||"         \
	"20240131093100||||080019FFFE0B4020^B40_GE\n"
#define H4                                                                                                   \
	"MSH|^~\\&|cobas 4800 software 2.3.0.1905^56450_00001^M|LAB|LIS|GHOSP|20240131093200+0000||"         \
	"OUL^R22^OUL_R22|LAW00001|P|2.5.1|||ER|AL||UNICODE UTF-8|||LAB-29^IHE\n"                             \
	"PID|||MRN12345||DOE^JANE\n"                                                                         \
	"SPM|1|SID001&LAB||PLAS^plasma^HL70487|||||||P^^HL70369\n"                                           \
	"OBR|1|\"\"||20490^^99ROC\n"                                                                         \
	"OBX|1|NM|20490^20490^99ROC^^^IHELAW|1|32.2|mg/L^^UCUM||N^^HL70078|||F|||||ADMIN||"                  \
	"c503^ROCHE~2272-02^ROCHE~1^ROCHE|20240131093155\n"

#endif
