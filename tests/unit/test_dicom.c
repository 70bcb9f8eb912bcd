/* dissectors/dicom.c, dicom_association.c, dicom_message.c: associations and messages. */
#include "dicomtalk.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define TITLES(calling) " dicom.calling_ae=" calling " dicom.called_ae=PACS"
#define STORE                                                                                                \
	"dicom.dimse client dicom.pdu.type=p_data_tf dicom.dimse.command=c_store dicom.dimse.type=request "  \
	"dicom.dimse.message_id=7 dicom.sop_class=1.2.840.10008.5.1.4.1.1.2"
static void test_verification(void **state)
{
	struct talk t = { 0 };
	(void)state;
	say_hex(&t, DIR_CLIENT, D1);
	say_hex(&t, DIR_SERVER, D2);
	say_hex(&t, DIR_CLIENT, D4);
	say_hex(&t, DIR_SERVER, D5);
	say_hex(&t, DIR_CLIENT, D6);
	say_hex(&t, DIR_SERVER, D6b);
	expect(&t,
		"dicom.associate_rq client dicom.pdu.type=a_associate_rq dicom.calling_ae=ECHOSCU "
		"dicom.called_ae=ANY-SCP dicom.user_identity.type=none "
		"dicom.application_context=1.2.840.10008.3.1.1.1 dicom.abstract_syntax=[1.2.840.10008.1.1] "
		"dicom.transfer_syntax=[1.2.840.10008.1.2] dicom.contexts.count=1 dicom.max_pdu=16384 "
		"dicom.implementation.class_uid=1.2.276.0.7230010.3.0.3.6.8 "
		"dicom.implementation.version=OFFIS_DCMTK_368\n"
		"observe dicom sender client ae_title=ECHOSCU@80 "
		"dicom.implementation.class_uid=1.2.276.0.7230010.3.0.3.6.8@90 "
		"dicom.implementation.version=OFFIS_DCMTK_368@90\n"
		"dicom.associate_ac server dicom.pdu.type=a_associate_ac dicom.calling_ae=ECHOSCU "
		"dicom.called_ae=ANY-SCP dicom.user_identity.type=none "
		"dicom.application_context=1.2.840.10008.3.1.1.1 dicom.transfer_syntax=[1.2.840.10008.1.2] "
		"dicom.contexts.count=1 dicom.max_pdu=16384 "
		"dicom.implementation.class_uid=1.2.276.0.7230010.3.0.3.6.7 "
		"dicom.implementation.version=OFFIS_DCMTK_367 dicom.contexts.accepted=1\n"
		"observe dicom sender server dicom.implementation.class_uid=1.2.276.0.7230010.3.0.3.6.7@90 "
		"dicom.implementation.version=OFFIS_DCMTK_367@90\n"
		"dicom.dimse client dicom.pdu.type=p_data_tf dicom.dimse.command=c_echo "
		"dicom.dimse.type=request dicom.dimse.message_id=1 dicom.sop_class=1.2.840.10008.1.1 "
		"dicom.calling_ae=ECHOSCU dicom.called_ae=ANY-SCP dicom.data_set=false\n"
		"observe dicom sender client dicom.service=verification_scu@90\n"
		"dicom.dimse server dicom.pdu.type=p_data_tf dicom.dimse.command=c_echo "
		"dicom.dimse.type=response dicom.dimse.message_id=1 dicom.dimse.status=0 "
		"dicom.dimse.status_class=success dicom.sop_class=1.2.840.10008.1.1 "
		"dicom.calling_ae=ECHOSCU dicom.called_ae=ANY-SCP dicom.data_set=false\n"
		"observe dicom sender server dicom.service=verification_scp@90\n"
		"dicom.release client dicom.pdu.type=a_release_rq\n"
		"dicom.release server dicom.pdu.type=a_release_rp\n");
}

static void test_refused(void **state)
{
	struct talk t = { 0 };
	(void)state;
	say_hex(&t, DIR_CLIENT, D1);
	say_hex(&t, DIR_SERVER, D3);
	expect_lines(&t, "dicom.associate_rj",
		"dicom.associate_rj server dicom.pdu.type=a_associate_rj dicom.calling_ae=ECHOSCU "
		"dicom.called_ae=ANY-SCP dicom.user_identity.type=none dicom.reject.result=permanent "
		"dicom.reject.source=service_user dicom.reject.reason=called_ae_not_recognized\n");
	say_hex(&t, DIR_CLIENT, D1);
	say_hex(&t, DIR_SERVER, D7);
	expect_lines(&t, "dicom.abort",
		"dicom.abort server dicom.pdu.type=a_abort dicom.abort.source=service_provider "
		"dicom.abort.reason=not_specified\n");
	/* The provider's rejection without a reason is that of an identity; codes of no standard have no
	 * name. */
	say(&t, DIR_CLIENT, association(1, "CT1", "PACS", CT, "1.2.840.10008.1.2", D8));
	say_hex(&t, DIR_SERVER, "03000000000400010201");
	expect_lines(&t, "credential",
		"credential.attempt server credential.protocol=dicom credential.scheme=password "
		"credential.cleartext=true credential.username_class=default credential.outcome=refused "
		"credential.secret_length_class=medium\n");
	say_hex(&t, DIR_SERVER, "0300000000040009FFFF");
	expect(&t, "dicom.associate_rj server dicom.pdu.type=a_associate_rj dicom.reject.result=unknown "
		   "dicom.reject.source=unknown dicom.reject.reason=unknown\n");
}

static void test_store(void **state)
{
	struct talk t = { 0 };
	(void)state;
	say_hex(&t, DIR_CLIENT, D9);
	say_hex(&t, DIR_SERVER, D9b);
	say_hex(&t, DIR_CLIENT, D10);
	say_hex(&t, DIR_CLIENT, D10b);
	say_hex(&t, DIR_CLIENT, D11);
	say_hex(&t, DIR_CLIENT, D12);
	expect(&t,
		"dicom.associate_rq client dicom.pdu.type=a_associate_rq dicom.calling_ae=CT01 "
		"dicom.called_ae=PACS1 dicom.user_identity.type=username_passcode "
		"dicom.application_context=1.2.840.10008.3.1.1.1 "
		"dicom.abstract_syntax=[1.2.840.10008.5.1.4.1.1.2,1.2.840.10008.5.1.4.1.2.2.1,"
		"1.2.840.10008.5.1.4.1.2.2.2] dicom.transfer_syntax=[1.2.840.10008.1.2.1,1.2.840.10008.1.2] "
		"dicom.contexts.count=3 dicom.max_pdu=32768 "
		"dicom.implementation.class_uid=1.3.12.2.1107.5.1.4 "
		"dicom.implementation.version=SIEMENS_S5VA47A dicom.async.invoked=1 dicom.async.performed=1\n"
		"observe dicom sender client ae_title=CT01@80 "
		"dicom.implementation.class_uid=1.3.12.2.1107.5.1.4@90 "
		"dicom.implementation.version=SIEMENS_S5VA47A@90\n"
		"dicom.associate_ac server dicom.pdu.type=a_associate_ac dicom.calling_ae=CT01 "
		"dicom.called_ae=PACS1 dicom.user_identity.type=username_passcode "
		"dicom.application_context=1.2.840.10008.3.1.1.1 "
		"dicom.transfer_syntax=[1.2.840.10008.1.2.1,1.2.840.10008.1.2] dicom.contexts.count=3 "
		"dicom.max_pdu=16384 dicom.implementation.class_uid=1.2.276.0.7230010.3.0.3.6.7 "
		"dicom.implementation.version=OFFIS_DCMTK_367 dicom.contexts.accepted=3 "
		"dicom.user_identity.response=false\n"
		"credential.attempt server credential.protocol=dicom credential.scheme=password "
		"credential.cleartext=true credential.username_class=default credential.outcome=unknown "
		"credential.secret_length_class=medium\n"
		"observe dicom sender server ae_title=PACS1@85 "
		"dicom.implementation.class_uid=1.2.276.0.7230010.3.0.3.6.7@90 "
		"dicom.implementation.version=OFFIS_DCMTK_367@90\n"
		"dicom.dimse client dicom.pdu.type=p_data_tf dicom.dimse.command=c_store "
		"dicom.dimse.type=request dicom.dimse.message_id=7 dicom.sop_class=1.2.840.10008.5.1.4.1.1.2 "
		"dicom.calling_ae=CT01 dicom.called_ae=PACS1 dicom.data_set=true dicom.bytes=258 "
		"dicom.modality=CT dicom.manufacturer=ACME MEDICAL dicom.station_name=CT01 "
		"dicom.model=SCAN 9000 dicom.serial_number=SN-77123 "
		"dicom.software_versions=[VA47A,syngo CT 2014A] dicom.patient_id=<mrn> "
		"dicom.patient_name=<patient_name> (<accession>) (<birth_date>)\n"
		"phi.message client phi.classes=[patient_name,mrn,birth_date,accession] phi.count=4 "
		"phi.container=dicom phi.encrypted=false phi.patient=<mrn>\n"
		"observe dicom sender client dicom.service=storage_scu@90\n"
		"observe dicom maker client manufacturer=ACME MEDICAL@90 model=SCAN 9000@90 "
		"serial=SN-77123@90 firmware=VA47A\\x5csyngo CT 2014A@90 dicom.modality=CT@90 "
		"station_name=CT01@90\n"
		"dicom.dimse client dicom.pdu.type=p_data_tf dicom.dimse.command=c_find "
		"dicom.dimse.type=request dicom.dimse.message_id=2 "
		"dicom.sop_class=1.2.840.10008.5.1.4.1.2.2.1 dicom.calling_ae=CT01 dicom.called_ae=PACS1 "
		"dicom.data_set=true dicom.bytes=48\n"
		"observe dicom sender client dicom.service=qr_scu@90\n"
		"dicom.dimse client dicom.pdu.type=p_data_tf dicom.dimse.command=c_move "
		"dicom.dimse.type=request dicom.dimse.message_id=3 "
		"dicom.sop_class=1.2.840.10008.5.1.4.1.2.2.2 dicom.calling_ae=CT01 dicom.called_ae=PACS1 "
		"dicom.data_set=true dicom.bytes=36 dicom.move_destination=EVILSCP\n");
}

/* Identity answered; each kind of identity; the requestor alone on the wire. */
static void test_identity(void **state)
{
	static const struct {
		const char *item, *want;
	} rows[] = {
		{ "5800000a 01 00 0004 'anna' 0000", "username credential.cleartext=true "
						     "credential.username_class=personal" },
		{ "58000007 01 00 0003 'bob'", "username credential.cleartext=true "
					       "credential.username_class=personal" }, /* no second field */
		{ "58000009 05 00 0003 'abc' 0000",
			"jwt credential.cleartext=true credential.username_class=none" },
	};
	struct talk t = { 0 };
	(void)state;
	say(&t, DIR_CLIENT, association(1, "CT1", "PACS", CT, "1.2.840.10008.1.2", D8));
	say(&t, DIR_SERVER, association(2, "CT1", "PACS", CT, "1.2.840.10008.1.2", D8b));
	expect_lines(&t, "credential",
		"credential.attempt server credential.protocol=dicom credential.scheme=password "
		"credential.cleartext=true credential.username_class=default credential.outcome=accepted "
		"credential.secret_length_class=medium\n");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char want[400];
		bool has_secret = strncmp(rows[i].want, "jwt", 3) == 0;
		say(&t, DIR_CLIENT, association(1, "CT1", "PACS", CT, "1.2.840.10008.1.2", rows[i].item));
		say_hex(&t, DIR_CLIENT, D6);
		snprintf(want, sizeof want,
			"credential.attempt client credential.protocol=dicom credential.scheme=%s "
			"credential.outcome=unknown%s\n",
			rows[i].want, has_secret ? " credential.secret_length_class=short" : "");
		expect_lines(&t, "credential", want);
	}
}

static void test_user_information(void **state)
{
	struct talk t = { 0 };
	(void)state;
	/* Role selection, extended negotiation, common extended negotiation, NUL-padded UID, unknown item. */
	say(&t, DIR_CLIENT,
		association(1, "CT1", "PACS", CT, "1.2.840.10008.1.2",
			"54000009 0005 '1.2.3' 0001 54000009 0005 '1.2.4' 0100 56000008 0005 '1.2.5' 01 "
			"5700000b 0005 '1.2.6' 0000 0000 52000006 '1.2.7' 00 77000000"));
	expect_lines(&t, "dicom.associate_rq",
		"dicom.associate_rq client dicom.pdu.type=a_associate_rq" TITLES(
			"CT1") " dicom.user_identity.type=none "
			       "dicom.application_context=1.2.840.10008.3.1.1.1 "
			       "dicom.abstract_syntax=[1.2.840.10008.5.1.4.1.1.2] "
			       "dicom.transfer_syntax=[1.2.840.10008.1.2] "
			       "dicom.contexts.count=1 dicom.implementation.class_uid=1.2.7 "
			       "dicom.scp_role=[1.2.3] "
			       "dicom.extended_negotiation=[1.2.5,1.2.6]\n");
}

/* Titles padded with NUL, a byte in the reserved bytes, no user information. */
static void test_odd_association(void **state)
{
	struct talk t = { 0 };
	struct out o = { 0 };
	(void)state;
	put(&o, "\0\3\0\0PACS\0\0\0\0\0\0\0\0\0\0\0\0  CT1\0XXXXXXXXXX0", 37);
	put(&o, (uint8_t[31]){ 0 }, 31);
	say(&t, DIR_CLIENT, pdu(1, o));
	expect(&t, "dicom.associate_rq client dicom.pdu.type=a_associate_rq" TITLES(
			   "CT1") " dicom.user_identity.type=none dicom.contexts.count=0 "
				  "dicom.reserved_nonzero=true\n"
				  "observe dicom sender client ae_title=CT1@80\n");
}

static void test_probe(void **state)
{
	static const struct {
		const char *hex;
		enum probe_result want;
	} rows[] = {
		{ D1, PROBE_YES },
		{ D2, PROBE_YES },
		{ D3, PROBE_YES },
		{ D4, PROBE_YES },
		{ D6, PROBE_YES },
		{ D7, PROBE_YES },
		{ D10b, PROBE_YES },
		{ D11, PROBE_YES }, /* command and data in one PDU */
		{ "01", PROBE_MORE },
		{ "0100000000cd0001", PROBE_MORE },
		{ "04000000004a00", PROBE_MORE },
		{ "'GET / HTTP/1.1'", PROBE_NO },
		{ "160301020001", PROBE_NO },
		{ "0b 'MSH|^~'", PROBE_NO },
		{ "0100000000cd0000", PROBE_NO },             /* not version 1 */
		{ "0100000000cd00010000ff", PROBE_NO },       /* a title of no text */
		{ "0400ffffffff000000460103", PROBE_NO },     /* too long */
		{ "04000000004a000000460203", PROBE_NO },     /* even context */
		{ "04000000004a0000001001000000", PROBE_NO }, /* data that does not fill its PDU */
		{ "05000000000400000001", PROBE_NO },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct bytes in = dxtest_hex(rows[i].hex);
		assert_int_equal(dissector_dicom.probe(bytes_first(in, 64), DIR_CLIENT), rows[i].want);
		free_bytes(in);
	}
}

static void test_roles(void **state)
{
	static const struct {
		const char *sop_class;
		uint16_t code;
		int status;
		const char *want;
	} rows[] = {
		{ "1.2.840.10008.5.1.4.31", 0x0020, -1, "worklist_scu" },
		{ "1.2.840.10008.5.1.4.31", 0x8020, 0xff00, "worklist_scp" },
		{ "1.2.840.10008.5.1.4.31", 0x8020, 0x0122, NULL }, /* it does not */
		{ "1.2.840.10008.5.1.4.1.2.2.1", 0x8020, 0, "qr_scp" },
		{ "1.2.840.10008.5.1.4.1.2.1.2", 0x0021, -1, "qr_scu" },
		{ "1.2.840.10008.3.1.2.3.3", 0x0140, -1, "mpps_scu" },
		{ "1.2.840.10008.3.1.2.3.3", 0x8120, 0, "mpps_scp" },
		{ NULL, 0x8120, 0, "mpps_scp" }, /* from the presentation context */
		{ "1.2.840.10008.1.20.1", 0x0130, -1, NULL },
		{ "1.2.840.10008.1.20.1", 0x0100, -1, "commitment_scp" },
		{ "1.2.840.10008.5.1.1.9", 0x8140, 0, "print_scp" },
		{ "1.2.840.10008.5.1.4.1.2.2.1", 0x0fff, -1, NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct talk t = { 0 };
		char want[100] = "";
		say_association(&t, "CT1", "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.1.2");
		say_p_data(&t, DIR_CLIENT, 3,
			command(rows[i].sop_class, rows[i].code, false, rows[i].status, (struct out){ 0 }));
		if (rows[i].want)
			snprintf(want, sizeof want, "observe dicom sender client dicom.service=%s@90\n",
				rows[i].want);
		expect_lines(&t, "observe dicom sender client dicom.service", want);
	}
}

/* D13: sequence and item of undefined length with the requested procedure's id. */
static void test_sub_operations(void **state)
{
	struct talk t = { 0 };
	struct out extra = { 0 };
	(void)state;
	put_number(&extra, 0x1020, 1);
	put_number(&extra, 0x1021, 2);
	put_number(&extra, 0x1022, 3);
	put_number(&extra, 0x1023, 4);
	say_p_data(&t, DIR_SERVER, 3, command("1.2.840.10008.5.1.4.1.2.2.2", 0x8021, true, 0xb000, extra));
	struct bytes set = dxtest_hex(D13);
	say_p_data(&t, DIR_SERVER, 2, set);
	expect(&t, "dicom.dimse server dicom.pdu.type=p_data_tf dicom.dimse.command=c_move "
		   "dicom.dimse.type=response dicom.dimse.message_id=7 dicom.dimse.status=45056 "
		   "dicom.dimse.status_class=warning dicom.suboperations.remaining=1 "
		   "dicom.suboperations.completed=2 dicom.suboperations.failed=3 "
		   "dicom.suboperations.warning=4 dicom.sop_class=1.2.840.10008.5.1.4.1.2.2.2 "
		   "dicom.data_set=true dicom.bytes=44 (<accession>)\n"
		   "phi.message server phi.classes=[accession] phi.count=1 phi.container=dicom "
		   "phi.encrypted=false\n"
		   "observe dicom sender server dicom.service=qr_scp@90\n");
}

/* What is malformed is counted or marked, and what follows is read. */
static void test_malformed(void **state)
{
	static const struct {
		const char *hex;
		unsigned malformed;
	} rows[] = {
		{ "040000000000", 1 },
		{ "0400000000050000000000", 1 },
		{ "040000000006000000000103", 1 },       /* PDV shorter than its head */
		{ "040000000006000000ff0103", 1 },       /* and past its PDU */
		{ "040000000008 000000020103 ffff", 2 }, /* an empty command; a scrap behind the PDV */
		{ "040000000006000000020203", 1 },       /* even context */
		{ "040000000010 0000000c0103 00000001 02000000 3412", 1 }, /* no such command */
		{ "050000000003000000", 1 },
		{ "07000000000500000000ff", 1 },
		{ "03000000000100", 1 },
		{ "0100000000020001", 1 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct talk t = { 0 };
		char want[600];
		say_hex(&t, DIR_CLIENT, rows[i].hex);
		say_hex(&t, DIR_CLIENT, D4);
		snprintf(want, sizeof want,
			"dicom.dimse client dicom.pdu.type=p_data_tf dicom.dimse.command=c_echo "
			"dicom.dimse.type=request dicom.dimse.message_id=1 dicom.sop_class=1.2.840.10008.1.1 "
			"dicom.data_set=false\nobserve dicom sender client "
			"dicom.service=verification_scu@90\n"
			"malformed %u\n",
			rows[i].malformed);
		expect(&t, want);
	}
	/* An item past its parent, or past the PDU, makes the association nothing. */
	struct talk t = { 0 };
	say(&t, DIR_CLIENT, association(1, "CT1", "PACS", CT, "1.2.840.10008.1.2", "51000009 00004000"));
	expect(&t, "malformed 1\n");
}

/* A message that its data set never follows is told when the next begins, or the association ends. */
static void test_unfinished(void **state)
{
	struct talk t = { 0 };
	(void)state;
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	say_hex(&t, DIR_CLIENT, D7);
	expect_lines(&t, "dicom.",
		STORE " dicom.data_set=true dicom.bytes=0\n" STORE " dicom.data_set=true dicom.bytes=0\n"
		      "dicom.abort client dicom.pdu.type=a_abort dicom.abort.source=service_provider "
		      "dicom.abort.reason=not_specified\n");
}

/* Damaged streams: no crash, and the same however they are split. */
static void test_damage(void **state)
{
	struct talk t = { 0 };
	uint32_t seed = 1;
	(void)state;
	say_hex(&t, DIR_CLIENT, D9);
	say_hex(&t, DIR_SERVER, D9b);
	say_hex(&t, DIR_CLIENT, D10);
	say_hex(&t, DIR_CLIENT, D10b);
	say_hex(&t, DIR_CLIENT, D11);
	say_hex(&t, DIR_SERVER, D5);
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	struct out set = data_set(SYNTAX_EXPLICIT, true);
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	for (int round = 0; round < 400; round++) {
		struct dxtest how = { .proto = PROTO_dicom, .midstream = round & 1, .seed = seed };
		seed = seed * 1664525u + 1013904223u;
		struct bytes hit = t.chunk[(seed >> 8) % t.n].data;
		uint8_t *p = (uint8_t *)(uintptr_t)hit.p + (seed >> 12) % hit.n, was = *p;
		*p = (uint8_t)(seed >> 24);
		free(dxtest_splits(&how, t.chunk, t.n));
		if (round % 3)
			*p = was;
	}
	talk_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verification),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_user_information),
		cmocka_unit_test(test_odd_association),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_sub_operations),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_unfinished),
		cmocka_unit_test(test_damage),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
