/* hl7: the vectors of wire/clinical.md 2.10, each framing met in the field, malformed input, patients. */
#include "hl7talk.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_message_and_ack(void **state)
{
	(void)state;
	char *text = said(block(H1), block(H2));
	assert_string_equal(text,
		"hl7.message client hl7.message_type=ADT hl7.trigger=A01 hl7.structure=ADT_A01 "
		"hl7.version=2.5.1 "
		"hl7.control_id=MSG00001 hl7.sending_application=ADT1 hl7.sending_facility=GHOSP "
		"hl7.receiving_application=RIS hl7.receiving_facility=GHOSP hl7.processing_id=P "
		"hl7.framing=mllp "
		"hl7.segments=[MSH,SFT,EVN,PID,PV1] hl7.patient_id=<mrn> hl7.patient_name=<patient_name> "
		"(<birth_date>) (<phone>) (<account>) (<ssn>) (<staff_name>)\n"
		"phi.message client "
		"phi.classes=[patient_name,mrn,birth_date,address,phone,ssn,account,staff_name] "
		"phi.count=8 phi.container=hl7 phi.encrypted=false phi.patient=<mrn>\n"
		"observe hl7 sender client hl7.application=ADT1@90 hl7.facility=GHOSP@90 "
		"hl7.service=sender:ADT@90\n"
		"observe hl7 sender client hl7.software=ACME Health ACME ADT 7.2.1@60\n"
		"observe hl7 maker client hl7.software=ACME Health ACME ADT 7.2.1@90 manufacturer=ACME "
		"Health@60 "
		"model=ACME ADT@60 firmware=7.2.1@60\n"
		"hl7.ack server hl7.message_type=ACK hl7.trigger=A01 hl7.structure=ACK hl7.version=2.5.1 "
		"hl7.control_id=ACK00001 hl7.sending_application=GHOSP hl7.sending_facility=ADT1 "
		"hl7.receiving_application=GHOSP hl7.receiving_facility=ADT1 hl7.processing_id=P "
		"hl7.framing=mllp "
		"hl7.segments=[MSH,MSA] hl7.ack_code=AA hl7.acked_control_id=MSG00001 "
		"hl7.ack_latency=1000000\n"
		"observe hl7 sender server hl7.application=GHOSP@40 hl7.facility=ADT1@40 "
		"hl7.service=receiver:ADT@90\n");
	free(text);
}

static void test_cut_at_every_length(void **state)
{
	(void)state;
	static const char *const all[] = { H1, H2, H3, H4 };
	struct dxtest t = { .proto = PROTO_hl7 };
	for (unsigned i = 0; i < 4; i++) {
		struct chunk c = { DIR_CLIENT, block(all[i]) };
		/* Only without its last CR is a message already whole. */
		assert_int_equal(dxtest_cuts(&t, &c, 1, 0), 1);
	}
}

/* ---- framing ------------------------------------------------------------------------------ */

#define A    "MSH|^~\\&|A|F|B|G|20240131||ADT^A08|1|P|2.3\nPID|||77123\n"
#define B    "MSH|^~\\&|A|F|B|G|20240131||ADT^A03|2|P|2.3\nPID|||77124\n"
#define A_CR "MSH|^~\\&|A|F|B|G|20240131||ADT^A08|1|P|2.3\rPID|||77123\r"
#define B_CR "MSH|^~\\&|A|F|B|G|20240131||ADT^A03|2|P|2.3\rPID|||77124\r"

static void test_framing_deviations(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *must, *must_not;
		unsigned messages;
	} rows[] = {
		{ "\x0b" A_CR "\x1c\r\x0b" B_CR "\x1c\r", "hl7.framing=mllp", "deviation", 2 },
		{ "\x0b" A_CR "\x1c\x0b" B_CR "\x1c", "hl7.framing_deviation=[end_without_cr]", NULL, 2 },
		{ "\x0b" A_CR "\x1c\r\n\x0b" B_CR "\x1c\r\n", "hl7.framing_deviation=[lf_after_end]", NULL,
			2 },
		{ A_CR "\x1c\r" B_CR "\x1c\r", "hl7.framing_deviation=[no_start_block]", "raw", 2 },
		{ "\x0b\x0b" A_CR "\x1c\r\x0b\x0b\x0b" B_CR "\x1c\r",
			"hl7.framing_deviation=[doubled_start_block]", "junk", 2 },
		{ "\x0b" A_CR "\x0b" B_CR "\x1c\r", "hl7.framing_deviation=[no_end_block]", NULL, 2 },
		{ "\x0b\x1c\r\x0b" A_CR "\x1c\r\x0b\x1c\r\x0b" B_CR "\x1c\r\x0b\x1c\r", NULL, "deviation",
			2 },
		{ "\x0bMSH|^~\\&|A|F|B|G|||ADT^A08|1|P|2.3\x1c\r", "hl7.framing_deviation=[no_last_cr]", NULL,
			1 },
		{ "\x0bMSH|^~\\&|A|F|B|G|||ADT^A08|1|P|2.3\nPID|||77123\n\x1c\r",
			"[lf_segments] hl7.segments=[MSH,PID]", NULL, 1 },
		{ "\x0bMSH|^~\\&|A|F|B|G|||ADT^A08|1|P|2.3\r\nPID|||77123\r\n\x1c\r",
			"[crlf_segments] hl7.segments=[MSH,PID]", NULL, 1 },
		{ "\x0bmsh|^~\\&|A|F|B|G|||ADT^A08|1|P|2.3\r\x1c\r", "[lower_case_header]", NULL, 1 },
		{ "\x0b  MSH|^~\\&|A|F|B|G|||ADT^A08|1|P|2.3\r\x1c\r", "[leading_blank]", NULL, 1 },
		{ "\x0bMSH|^~\\\\&|A|F|B|G|||ADT^A08|1|P|2.3\r\x1c\r", "[encoding_characters]", NULL, 1 },
		{ "\x0bMSH|^~&\\|A|F|B|G|||ADT^A08|1|P|2.3\r\x1c\r", "[encoding_characters]", NULL, 1 },
		{ "\x0bMSH|^~\\|A|F|B|G|||ADT^A08|1|P|2.3\r\x1c\r", "[encoding_characters]", NULL, 1 },
		{ "\x0bMSH|^~\\&#|A|F|B|G|||ADT^A08|1|P|2.7\r\x1c\r", "2.7", "deviation", 1 },
		/* Foreign bytes between messages: passed over, the messages told. */
		{ "hello\r\n\x0b" A_CR "\x1c\rnoise\x0bnoise\x0b\x0b" B_CR "\x1c\r", "junk", NULL, 2 },
		/* An unframed stream: the last message ends with it, if at a segment's end. */
		{ A_CR B_CR A_CR, "hl7.framing=raw", "mllp", 3 },
		{ A_CR "\r\n" B_CR "\r\n" A_CR, "hl7.framing=raw", "junk", 3 },
		{ A_CR, "hl7.framing=raw", "+cut", 1 },
		{ A_CR "MSH", NULL, "hl7", 0 },
		{ A_CR B_CR "OBX|1|NM|", "hl7.framing=raw", "A03", 1 },
		/* In a block a message without FS is not whole. */
		{ "\x0b" A_CR, NULL, "hl7", 0 },
		{ "\x0b" A_CR B_CR, "A08", "A03", 1 },
		{ "\x0b\0M\0S\0H\0|\0\r", NULL, "hl7", 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *text = said(raw(rows[i].bytes), (struct bytes){ 0 });
		if (rows[i].must)
			has(text, rows[i].must);
		if (rows[i].must_not)
			has_not(text, rows[i].must_not);
		if (count(text, "hl7.message ") != rows[i].messages)
			fail_msg("row %zu:\n%s", i, text);
		free(text);
	}
}

static void test_batch(void **state)
{
	(void)state;
	char *text = said(block("FHS|^~\\&|A|F\nBHS|^~\\&|A|F\n" A B "BTS|2\nFTS|1\n"), (struct bytes){ 0 });
	assert_int_equal(count(text, "hl7.message "), 2);
	assert_int_equal(count(text, "hl7.batch=true"), 2);
	has(text, "hl7.segments=[MSH,PID,BTS,FTS]");
	has_not(text, "deviation");
	free(text);
	/* Two messages in one block, without a batch. */
	text = said(block(A B), (struct bytes){ 0 });
	assert_int_equal(count(text, "hl7.message "), 2);
	assert_int_equal(count(text, "hl7.framing=mllp"), 2);
	has_not(text, "batch");
	free(text);
}

static void test_commit_answers(void **state)
{
	(void)state;
	char *text = said(block(A), raw("\x0b\x06\x1c\r\x0b\x15\x1c\r"));
	has(text, "hl7.ack server hl7.ack_code=commit_ack hl7.framing=mllp\n");
	has(text, "hl7.ack server hl7.ack_code=commit_nak hl7.framing=mllp\n");
	free(text);
}

static void test_wide(void **state)
{
	(void)state;
	static const char le[] = "\x0b\0M\0S\0H\0|\0^\0~\0\\\0&\0|\0\r\0\x1c\0\r\0";
	static const char be[] = "\0\x0b\0M\0S\0H\0|\0^\0~\0\\\0&\0|\0\r\0\x1c\0\r";
	check(bytes_of(le, sizeof le - 1), "hl7.message client hl7.framing=mllp hl7.character_set=[UTF-16]\n",
		"junk");
	check(bytes_of(be, sizeof be - 1), "hl7.message client hl7.framing=mllp hl7.character_set=[UTF-16]\n",
		"junk");
}

static void test_midstream_and_gap(void **state)
{
	(void)state;
	struct dxtest t = { .proto = PROTO_hl7, .midstream = true };
	struct bytes rest =
		wrapped("", "X|1|2|MSH is no header\nOBX|7\n\x1c\n\x0b", A "\x1c\n\x0b" B "\x1c\n");
	struct chunk c[3] = { { DIR_CLIENT, rest }, { DIR_CLIENT, { NULL, 1000 } },
		{ DIR_CLIENT, wrapped("NTE|1||lost its head\n\x1c\n\x0b", A, "\x1c\n") } };
	char *text = dxtest_splits(&t, c, 3);
	assert_int_equal(count(text, "hl7.message "), 3);
	has(text, "+midstream");
	assert_int_equal(count(text, "hl7.message client +gap"), 1);
	free(text);
}

/* What an unframed stream ends with: not told if bytes of it are lost, told if they are lost before it. */
static void test_last_and_gap(void **state)
{
	(void)state;
	struct dxtest t = { .proto = PROTO_hl7 };
	struct chunk c[3] = { { DIR_CLIENT, raw(A_CR) }, { DIR_CLIENT, { NULL, 50 } },
		{ DIR_CLIENT, raw(B_CR) } };
	char *text = dxtest_splits(&t, c, 2);
	assert_int_equal(count(text, "hl7.message "), 0);
	free(text);
	text = dxtest_splits(&t, c, 3);
	assert_int_equal(count(text, "hl7.message "), 1);
	has(text, "hl7.message client +gap hl7.message_type=ADT hl7.trigger=A03");
	free(text);
}

/* The answer's last message is told when all is over: the latency is that of its bytes. */
static void test_last_ack(void **state)
{
	(void)state;
	struct bytes message = wrapped("", H1, ""), ack = wrapped("", H2, "");
	char *text = said(message, ack);
	has(text, "hl7.ack_latency=1000000\n");
	has(text, "hl7.service=receiver:ADT@90");
	free(text);
}

/* A PDF in OBX-5: the head is told, the rest passed by, the next message found. */
static void test_huge(void **state)
{
	(void)state;
	size_t n = 700000, at;
	uint8_t *b = malloc(n + 1000);
	assert_non_null(b);
	struct bytes head = wrapped("\x0b", A "OBX|1|ED|PDF||^^^Base64^", "");
	struct bytes tail = wrapped("", "||||||F\n\x1c\n\x0b", B "\x1c\n");
	memcpy(b, head.p, at = head.n);
	memset(b + at, 'M', n);
	memcpy(b + at + n, tail.p, tail.n);
	struct dxtest t = { .proto = PROTO_hl7 };
	struct chunk c = { DIR_CLIENT, bytes_of(b, at + n + tail.n) };
	char *whole = dxtest_run(&t, &c, 1);
	assert_int_equal(count(whole, "hl7.message "), 2);
	has(whole, "hl7.message client +cut hl7.message_type=ADT hl7.trigger=A08");
	has(whole, "free_text");
	has(whole, "hl7.trigger=A03");
	t.split = SPLIT_RANDOM;
	char *parts = dxtest_run(&t, &c, 1);
	assert_string_equal(whole, parts);
	free(parts);
	free(whole);
	free(b);
}

static void test_probe(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		enum probe_result want;
	} rows[] = {
		{ "\x0bMSH|^~\\&|A", PROBE_YES },
		{ "\x0b"
		  "FHS|^~\\&|A",
			PROBE_YES },
		{ "\r\n\x0b\x0bMSH|^~\\&|A", PROBE_YES },
		{ "MSH|^~\\&|A", PROBE_YES },
		{ "MSH#^~\\&#A", PROBE_YES },
		{ "\x0bMSH|^~\\&#|A", PROBE_YES },
		{ "\x0bMSH|^~\\\\&|A", PROBE_YES },
		{ "\x0bMSH|^", PROBE_MORE },
		{ "\x0bM", PROBE_MORE },
		{ "BHS", PROBE_MORE },
		{ "\x0b", PROBE_MORE },
		{ "", PROBE_MORE },
		{ "MSH Messages", PROBE_NO },
		{ "MSH|name|value|", PROBE_NO },
		{ "MSH|^^^^|A", PROBE_NO },
		{ "\x0bMSHA^~\\&|A", PROBE_NO },
		{ "\x0bPID|1||", PROBE_NO },
		{ "GET / HTTP/1.1\r\n", PROBE_NO },
		{ "\x0b\x06\x1c\r", PROBE_NO },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (dissector_hl7.probe(bytes_str(rows[i].bytes), DIR_CLIENT) != rows[i].want)
			fail_msg("row %zu", i);
}

static void test_malformed(void **state)
{
	(void)state;
	/* Letters as encoding characters; MSH alone; CR in MSH-2: counted, no event. */
	check(block("MSH|abcd|A|F|B|G|||ADT^A08|1|P|2.3\n"), "malformed 1\n", "hl7.message");
	check(block("MSH|\n"), "malformed 1\n", "hl7.message");
	check(block("MSH|^~\n&|A|F\n"), NULL, "hl7.message_type");
	/* No type, foreign type, foreign version, processing id and segment names: nothing of them is told.
	 */
	check(block("MSH|^~\\&|A|F|B|G|||Doe Jane^x|1|Jane|Doe\nDOe|1\nJane Doe\n"), "hl7.segments=[MSH]\n",
		"oe");
	/* More fields than defined, an escape that is not closed, an odd \X: accepted. */
	check(block("MSH|^~\\&|A\\|F\\X414\\|B|G|||ADT^A08|1|P|2.3||||||||||||||||||||||||||||||||x|\n"),
		"hl7.sending_application=A\\x5c hl7.sending_facility=FA ", "malformed");
	/* 100 repetitions and a NUL. */
	char many[3000] = "MSH|^~\\&|A|F|B|G|||ADT^A08|1|P|2.3\nPID|||";
	for (unsigned i = 0; i < 100; i++)
		strncat(many, "9~", 3);
	check(block(strncat(many, "\n", 2)), "phi.count=32 ", "malformed");
}

/* ---- what it says ------------------------------------------------------------------------- */

static void test_separators_and_escapes(void **state)
{
	(void)state;
	check(block("MSH#*!?%#A*1.2.3*ISO#F#B#G###ADT*A08*ADT_A01#1#P#2.5\nPID###77123***H*MR!88123##DOE*"
		    "JANE\n"),
		"hl7.structure=ADT_A01 hl7.version=2.5 hl7.control_id=1 hl7.sending_application=A ",
		"malformed");
	check(block("MSH|^~\\&|L\\T\\R "
		    "\\X4d\\\\E\\\\.br\\x\\H\\|F\\F\\G\\S\\H\\R\\I|B|G|||ADT^A08|1|P|2.3\n"),
		"hl7.sending_application=L&R M\\x5c x hl7.sending_facility=F|G^H~I", NULL);
	/* Unescaped after splitting, never before: no segment comes of this. */
	check(block("MSH|^~\\&|A\\X0D\\PID|F|B|G|||ADT^A08|1|P|2.3\n"), "hl7.segments=[MSH]", "PID|");
	check(block("MSH|^~\\&|\"\"|F|B|G||secret|ADT^A08|1|P|2.3||||||UNICODE UTF-8~8859/1~Doe\n"),
		"hl7.security_present=true hl7.segments=[MSH] hl7.character_set=[UNICODE UTF-8,8859/1,other]",
		"secret|");
}

static void test_ack_pairs(void **state)
{
	(void)state;
	struct dxtest t = { .proto = PROTO_hl7 };
	struct chunk c[] = { { DIR_CLIENT, block(A) }, { DIR_CLIENT, block(B) },
		{ DIR_SERVER, block("MSH|^~\\&|B|G|A|F|||ACK|9|P|2.3\nMSA|AE|1|text\n") },
		{ DIR_SERVER, block("MSH|^~\\&|B|G|A|F|||ACK|9|P|2.3\nMSA|CA|2\n") },
		{ DIR_SERVER, block("MSH|^~\\&|B|G|A|F||||9|P|2.1\nMSA|AR|3\n") },
		{ DIR_SERVER, block("MSH|^~\\&|B|G|A|F|||RSP^K11^RSP_K11|10|P|2.5\nMSA|AA|2\nQAK|1\n") } };
	char *text = dxtest_run(&t, c, 6); /* joined, the times would differ */
	has(text, "hl7.ack_code=AE hl7.acked_control_id=1 hl7.ack_latency=2000000\n");
	has(text, "hl7.ack_code=CA hl7.acked_control_id=2 hl7.ack_latency=2000000\n");
	has(text, "hl7.ack_code=AR hl7.acked_control_id=3\n");
	has(text, "hl7.message server hl7.message_type=RSP");
	assert_int_equal(count(text, "hl7.ack server"), 3);
	/* Only who accepts is known to receive; an answer with data is a message of its own. */
	assert_int_equal(count(text, "hl7.service=receiver:ADT"), 2);
	free(text);
}

static void test_old_control_ids_are_forgotten(void **state)
{
	(void)state;
	struct dxtest t = { .proto = PROTO_hl7 };
	struct chunk c[34] = { { DIR_CLIENT, block(A) } };
	struct bytes other = block("MSH|^~\\&|A|F|B|G|||ADT^A08|x|P|2.3\n");
	for (unsigned i = 1; i < 33; i++)
		c[i] = (struct chunk){ DIR_CLIENT, other };
	c[33] = (struct chunk){ DIR_SERVER, block("MSH|^~\\&|B|G|A|F|||ACK|9|P|2.3\nMSA|AA|1\n") };
	char *text = dxtest_run(&t, c, 34);
	has(text, "hl7.acked_control_id=1\n");
	free(text);
	text = dxtest_run(&t, c + 1, 33);
	has_not(text, "latency");
	free(text);
}

/* ---- patients ----------------------------------------------------------------------------- */

static void test_no_value_leaves(void **state)
{
	(void)state;
	static const char *const planted[] = { "MRN12345", "DOE", "JANE", "19700102", "MAIN", "SPRINGFIELD",
		"5551234567", "ACCT9", "123-45", "HOUSE", "GREG", "Smith", "4711", "penicillin", "shock" };
	char *text = said(
		block(H1
			"NK1|1|Smith^Bob|SPO|2 MAIN ST||5551234567\nAL1|1||^penicillin||shock\n"
			"GT1|1||Smith^Bob\nMRG|4711\nZXX|1|jane doe\n"
			"OBX|1|ST|531969^MDC_ID_MODEL_NUMBER^MDC|1.0.0.1|Jane Doe||||||R\n"
			"OBX|1||69965^MDC_DEV_X^MDC|1.0.0.0|||||||X|||||||DOE JANE^^0009FBFFFF0A0B0C^EUI-64\n"
			"OBX|2||69965^MDC_DEV_X^MDC|1.0.0.0|||||||X|||||||mrn12345\n"),
		(struct bytes){ 0 });
	for (size_t i = 0; i < sizeof planted / sizeof *planted; i++)
		has_not(text, planted[i]);
	has_not(text, "Jane");
	has_not(text, "mrn12345");
	has(text, "relative");
	has(text, "diagnosis");
	has(text, "free_text");
	free(text);
}

static void test_phi_classes(void **state)
{
	(void)state;
	static const char head[] = "\x0bMSH|^~\\&|A|F|B|G|||ADT^A08|1|P|2.5\n";
	static const struct {
		const char *segments, *classes;
	} rows[] = {
		{ "PID|||1^^^H^MR~2^^^H^SS\n", "phi.classes=[mrn,ssn] phi.count=2" },
		{ "PID|||77^^^H^MR||A^B~C^D\n", "phi.classes=[patient_name,mrn] phi.count=3" },
		{ "PID|||77||||||||||a@b.c~555\n", "phi.classes=[mrn,phone,email] phi.count=3" },
		{ "PID|1||||^^^^^^L\n", NULL },
		{ "PID|||\"\"||\"\"\n", NULL },
		/* Results and comments without a patient are a machine's. */
		{ "OBX|1|TX|x||text\nNTE|1||comment\nDG1|1||I10\n", NULL },
		{ "PID|||77\nOBX|1|TX|x||text\nOBX|2|NM|x||4.2\n",
			"phi.classes=[mrn,free_text] phi.count=2" },
		{ "PID|||77\nDG1|1||I10\nIN1|1|||||||||||||||Smith^Bob||19300101||||||||||||||||||POL77\n",
			"phi.classes=[mrn,birth_date,health_plan,diagnosis,relative] phi.count=5" },
		{ "MRG|88||A1\n", "phi.classes=[mrn,account] phi.count=2" },
		{ "QPD|Q22^x|t1|@PID.5.1^DOE~@PID.3.1^123~@PID.7^19700102\n",
			"phi.classes=[patient_name,mrn,birth_date] phi.count=3" },
		{ "QRD|1|R|I|Q1||||^DOE^JANE|DEM\n", "phi.classes=[patient_name] phi.count=1" },
		/* A result of a person's type. */
		{ "OBX|1|XPN|x||Doe^Jane\nOBX|2|XCN|x||7^Poe^Jim~8^Roe^Bob\nOBX|3|CX|x||77^^^H^SS\n",
			"phi.classes=[ssn,relative,staff_name] phi.count=4" },
		{ "OBX|1|CE|x||Doe^Jane\nOBX|1|EI|x||Doe^Jane\n", NULL },
		{ "RDF|3|@PID.5^XPN^48~@PID.8^IS^1~@PID.13^XTN^40\nRDT|Doe^Jane|F|5550199\n",
			"phi.classes=[phone,relative] phi.count=2" },
		{ "QPD|Z34^Request^CDC|t1|77^^^H^MR|Doe^Jane^^^^^L|||F\n",
			"phi.classes=[patient_name,mrn] phi.count=2" },
		{ "OBR|1|||||||||7^Poe^Jim||||||||||||||||||||||&Oxenius&Int^202401\n",
			"phi.classes=[staff_name] phi.count=2" },
		/* An employer is a firm unless it has a given name. */
		{ "GT1|1|||||||||||||||Acme Works\nIN2|||12^Acme\n", NULL },
		{ "GT1|1|||||||||||||||Acme^Bob\nIN2|||12^Acme^Bob\n", "phi.classes=[relative] phi.count=2" },
		{ "SPM|1|S-4711\nSAC|1|C-4711^LAB\n", NULL }, /* of no patient: a control */
		{ "PID|||77\nSPM|1|S-4711&LAB^F-4712&LAB\n", "phi.classes=[mrn,accession] phi.count=3" },
		/* Segments of a site, by the look. */
		{ "PID|||77\nZXX|1|Doe^Jane~POE^JIM|7^Roe^Bob|4711^^^H^PI\n",
			"phi.classes=[patient_name,mrn] phi.count=5" },
		{ "PID|||77\nZXX|CT^Computed tomography|7^Male^L1|20260301^x|M^m|I10^Flu^I10\n",
			"phi.classes=[mrn] phi.count=1" },
		{ "ZXX|1|Doe^Jane\n", NULL },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char *text = said(wrapped(head, rows[i].segments, "\x1c\n"), (struct bytes){ 0 });
		if (rows[i].classes)
			has(text, rows[i].classes);
		else
			has_not(text, "phi.message");
		free(text);
	}
}

/* A query's answer with more patients than an event holds: all counted, once. */
static void test_many_patients(void **state)
{
	(void)state;
	char many[BLOCK - 100] = "MSH|^~\\&|A|F|B|G|||RSP^K22|1|P|2.5\n";
	size_t at = strlen(many);
	for (unsigned i = 0; i < 150; i++)
		at += (size_t)snprintf(
			many + at, sizeof many - at, "PID|||%u||N%u^M~A%u^B\n", 1000 + i, i, i);
	check(block(many), "phi.classes=[patient_name,mrn] phi.count=450 ", "N149");
}

/* Each PID is a patient, however many numbers stand in it. */
static void test_patients_are_counted(void **state)
{
	(void)state;
	char *text = said(block("MSH|^~\\&|LAB|C|HIS|C|20260301080000||ORU^R01|1|P|2.5\n"
				"PID|1||A-1001^^^C^MR~77-1^^^N^PI||Roe^Jane\n"
				"PID|2||A-1002^^^C^MR~77-2^^^N^PI||Doe^John\n"
				"PID|3|OLD-3|||Poe^Jim\n"),
		(struct bytes){ 0 });
	assert_int_equal(count(text, "phi.patient=<mrn>"), 3);
	free(text);
}

static void test_credential(void **state)
{
	(void)state;
	check(block("MSH|^~\\&|A|F|B|G|||ADT^A08|1|P|2.8\nUAC|SAML^x|^^^Base64^c2VjcmV0\n"),
		"credential.attempt client credential.protocol=hl7 credential.scheme=saml", "c2VjcmV0");
}

/* The table of patient data is searched: it must be sorted. */
static void test_phi_rows_are_sorted(void **state)
{
	(void)state;
	static const struct {
		const char *segment;
		unsigned field;
	} rows[] = {
#define PHI_HL7(segment, field, kind, class) { segment, field },
#include "phi.def"
	};
	for (size_t i = 1; i < sizeof rows / sizeof *rows; i++) {
		int order = strcmp(rows[i - 1].segment, rows[i].segment);
		assert_true(order < 0 || (order == 0 && rows[i - 1].field < rows[i].field));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_and_ack),
		cmocka_unit_test(test_cut_at_every_length),
		cmocka_unit_test(test_framing_deviations),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_commit_answers),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_midstream_and_gap),
		cmocka_unit_test(test_last_and_gap),
		cmocka_unit_test(test_last_ack),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_separators_and_escapes),
		cmocka_unit_test(test_ack_pairs),
		cmocka_unit_test(test_old_control_ids_are_forgotten),
		cmocka_unit_test(test_no_value_leaves),
		cmocka_unit_test(test_phi_classes),
		cmocka_unit_test(test_many_patients),
		cmocka_unit_test(test_patients_are_counted),
		cmocka_unit_test(test_credential),
		cmocka_unit_test(test_phi_rows_are_sorted),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
