/* hl7: the devices and the software that messages speak of. */
#include "hl7talk.h"

static const struct mac ge = { { 0x08, 0x00, 0x19, 0x0b, 0x40, 0x20 } };

static char *said_by(struct mac sender, struct bytes client)
{
	struct dxtest t = { .proto = PROTO_hl7,
		.conv = { .proto = 6, .sport = 1, .dport = 2575, .smac = sender } };
	addr_parse(bytes_str("10.0.0.1"), &t.conv.src);
	addr_parse(bytes_str("10.0.0.2"), &t.conv.dst);
	struct chunk c = { DIR_CLIENT, client };
	return dxtest_splits(&t, &c, 1);
}

static void test_pcd_device(void **state)
{
	(void)state;
	static const char what[] = "eui64=080019FFFE0B4020@%d mdc.type=69965@90 hl7.application=MON_GW@90 "
				   "location=ICU 12@80\n";
	char want[256];
	/* The MAC address inside the EUI-64 is the sender's. */
	char *text = said_by(ge, block(H3));
	has(text, "hl7.device_identifier=[080019FFFE0B4020]");
	snprintf(want, sizeof want, what, 95);
	has(text, want);
	has(text, "observe hl7 sender client eui64");
	has(text, "observe hl7 sender client hl7.facility=GHOSP@90 hl7.service=sender:ORU@90 "
		  "hl7.service=sender:PCD@90\n");
	free(text);
	/* Another's: named by MSH-3 and alone, so perhaps the sender's behind a router: for the hub to judge.
	 */
	text = said(block(H3), (struct bytes){ 0 });
	snprintf(want, sizeof want, what, 90);
	has(text, want);
	has(text, "observe hl7 maker client eui64");
	free(text);
}

static void test_gateway(void **state)
{
	(void)state;
	/* Two monitors by one gateway, which has no identity in the message. */
	check(block("MSH|^~\\&|AGW|H|EMR|H|||ORU^R01^ORU_R01|1|P|2.6|||||||||"
		    "PCD_DEC_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO\n"
		    "PID|||77123\nPV1||I|ICU^^1\n"
		    "OBR|1|||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC\n"
		    "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||^^"
		    "0009FBFFFF0A0B0C^EUI-64\n"
		    "OBX|2|ST|531969^MDC_ID_MODEL_NUMBER^MDC|1.0.0.1|MX750||||||R\n"
		    "OBR|2|||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC\n"
		    "OBX|3||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||^^"
		    "0009fbffff0d0e0f^EUI-64\n"
		    "OBX|4|ST|531972^MDC_ID_PROD_SPEC_SERIAL^MDC|1.0.0.1|DE0001||||||R\n"),
		"observe hl7 behind client eui64=0009FBFFFF0A0B0C@90 model=MX750@95 mdc.type=69965@90\n"
		"observe hl7 behind client eui64=0009FBFFFF0D0E0F@90 serial=DE0001@95 mdc.type=69965@90\n",
		"location");
	/* Mindray has no filler: only the maker's half of the address can agree. */
	struct mac mindray = { { 0x00, 0xa0, 0x37, 1, 2, 3 } };
	struct bytes vs =
		block("MSH|^~\\&|MINDRAY_VS900^00A0370098007A80^EUI-64|H|EMR|H|||ORU^R01|1|P|2.6\n");
	char *text = said_by(mindray, vs);
	has(text, "observe hl7 sender client eui64=00A0370098007A80@95 hl7.application=MINDRAY_VS900@90\n");
	free(text);
	text = said_by(ge, vs);
	has(text, "observe hl7 maker client eui64=00A0370098007A80@90");
	free(text);
}

static void test_pump(void **state)
{
	(void)state;
	/* A name beside the number wins (seen with the numbers of the next rows); a list of key=value. */
	check(block("MSH|^~\\&|PCU^00B094FFFE414141^EUI-64|H|EMR|H|||ORU^R01|1|P|2.6\n"
		    "OBX|1||69986^MDC_DEV_PUMP_INFUS_VMD^MDC|1.1.0.0|||||||X|||||||PCU-8015^^"
		    "00B094FFFE414141^EUI-64\n"
		    "OBX|5|ST|531975^MDC_ID_PROD_SPEC_SERIAL^MDC|1.1.1.4|14441778||||||R\n"
		    "OBX|6|ST|531976^MDC_ID_PROD_SPEC_SW^MDC|1.1.1.5|12.1.2||||||R\n"),
		"serial=14441778@80 firmware=12.1.2@80 station_name=PCU-8015@60", "serial=12");
	check(block("MSH|^~\\&|PLUM^00B094FFFE414141^EUI-64|H|EMR|H|||ORU^R01|1|P|2.6\n"
		    "OBX|5|ST|531975^MDC_ID_PROD_SPEC_SW^MDC|1.1.1.4|InfuserType=PLUM_360~Infuser "
		    "Software=15.11.00.018~"
		    "Connectivity Engine=03.04.00.024||||||R\n"),
		"model=PLUM_360@85 firmware=15.11.00.018@90", "03.04");
}

static void test_analysers(void **state)
{
	(void)state;
	char *text = said(block(H4), (struct bytes){ 0 });
	has(text, "observe hl7 maker client manufacturer=ROCHE@90 model=c503@90 serial=2272-02@90 "
		  "firmware=2.3.0.1905@70 hl7.application=cobas 4800 software 2.3.0.1905@90\n");
	has(text, "hl7.service=sender:LAW@90");
	free(text);
	check(block("MSH|^~\\&|cobas 4800 software 2.3.0.1905^56450_00001^M|LAB|LIS|G|||OUL^R22|1|P|2.5.1\n"),
		"model=cobas 4800@60 serial=56450_00001@60 firmware=2.3.0.1905@70", NULL);
	struct bytes xn = block("MSH|^~\\&|XN-1000^1.22^SYSMEX|LAB|LIS|G|||ORU^R01|1|P|2.5.1\n"
				"OBX|1|NM|6690-2^WBC^LN||11.2||||||F|||||||XN-1000^SN:A8812^SYSMEX\n");
	check(xn, "manufacturer=SYSMEX@75 model=XN-1000@70 serial=A8812@85 firmware=1.22@60",
		"sender client hl7.appl");
	/* Without the profile the shape tells, if the namespace is no site's. */
	check(block("MSH|^~\\&|cobas pro|LAB|LIS|G|||OUL^R22|1|P|2.5.1\n"
		    "OBX|1|NM|GLU||5|||||F||||||||cobas pro^Roche~1234^Roche\n"),
		"manufacturer=Roche@75 model=cobas pro@75 serial=1234@75", NULL);
	check(block("MSH|^~\\&|CHEM1|LABOR|LIS|G|||OUL^R22|1|P|2.5.1\n"
		    "OBX|1|NM|GLU||5|||||F||||||||CHEM1^LABOR~7^LABOR\n"),
		NULL, "manufacturer");
	/* An OID, a local id, a name of a server: no product. */
	check(block("MSH|^~\\&|LABX^1.2.840.1^ISO|LAB|LIS|G|||ORU^R01|1|P|2.5.1\n"), "hl7.application=LABX",
		"maker");
	check(block("MSH|^~\\&|LABX^1^L|LAB|LIS|G|||ORU^R01|1|P|2.5.1\n"), "hl7.application=LABX", "maker");
	check(block("MSH|^~\\&|HIS^his01.example^DNS|LAB|LIS|G|||ADT^A01|1|P|2.5.1\n"), "hl7.application=HIS",
		"maker");
}

static void test_udi(void **state)
{
	(void)state;
	check(block("MSH|^~\\&|A|F|B|G|||ORU^R01|1|P|2.8\nOBX|1|||||||||||||||||(01)00884521012345(21)S1^^^"
		    "\n"),
		"hl7.device_udi=[(01)00884521012345(21)S1]", "identifier");
	check(block("MSH|^~\\&|A|F|B|G|||ADT^A01|1|P|2.8\nPRT|A||||||||||||||||Hospira Plum A+\n"), NULL,
		"behind");
	check(block("MSH|^~\\&|A|F|B|G|||ADT^A01|1|P|2.8\n"
		    "PRT|1|AD||EQUIP||||||||||||00884521012345||||S77\n"),
		"observe hl7 behind client serial=S77@85 udi=00884521012345@90\n", NULL);
	check(block("MSH|^~\\&|A|F|B|G|||ADT^A01|1|P|2.9\n"
		    "DEV|1|(01)00884521012345|x||ACME|Brand|M1|C|D|L|SN9|||||3.1\n"),
		"observe hl7 behind client manufacturer=ACME@90 model=M1@90 serial=SN9@90 firmware=3.1@90 "
		"udi=(01)00884521012345@90\n",
		NULL);
}

/* Of several programs that touched the message the sender's is the one that it is called by. */
static void test_software_of_the_application(void **state)
{
	(void)state;
	static const char two[] = "MSH|^~\\&|ACME ADT|NF|LIS|NF|1||ADT^A01|1|P|2.5.1\n"
				  "SFT|Mirth Corp|3.12.0|Mirth Connect|1\nSFT|ACME Health^L|7.2.1|Acme "
				  "ADT|BIN-2\nPID|1||NF-1\n";
	static const char none[] =
		"MSH|^~\\&|HIS|NF|LIS|NF|1||ADT^A01|1|P|2.5.1\n"
		"SFT|Mirth Corp|3.12.0|Mirth Connect|1\nSFT|ACME|7.2.1|ADT|B\nPID|1||NF-1\n";
	check(block(two), "sender client hl7.software=ACME Health Acme ADT 7.2.1@80", "Mirth");
	check(block(two), "model=Acme ADT@60 firmware=7.2.1@60", NULL);
	check(block(none), NULL, "hl7.software");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_software_of_the_application),
		cmocka_unit_test(test_pcd_device),
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_pump),
		cmocka_unit_test(test_analysers),
		cmocka_unit_test(test_udi),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
