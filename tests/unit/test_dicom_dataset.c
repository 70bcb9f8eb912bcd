/* dissectors/dicom_dataset.c and what is told of a data set: syntaxes, fragments, losses, devices, patients.
 */
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
#define EQUIPMENT                                                                                            \
	" dicom.modality=CT dicom.manufacturer=ACME dicom.model=SCAN 9 dicom.serial_number=SN-1 "            \
	"dicom.software_versions=[1.0,2.0] dicom.patient_id=<mrn> dicom.patient_name=<patient_name> "        \
	"(<mrn>)\n"

static void test_syntaxes(void **state)
{
	static const struct {
		const char *uid;
		enum dicom_syntax sent;
	} rows[] = { { "1.2.840.10008.1.2", SYNTAX_IMPLICIT }, { "1.2.840.10008.1.2.1", SYNTAX_EXPLICIT },
		{ "1.2.840.10008.1.2.2", SYNTAX_BIG_ENDIAN }, { "1.2.840.10008.1.2.1.99", SYNTAX_DEFLATED },
		{ "1.2.840.10008.1.2.4.70", SYNTAX_EXPLICIT }, { "1.2.840.113619.5.2", SYNTAX_IMPLICIT },
		/* not what was agreed, and not known what was */
		{ "1.2.840.10008.1.2", SYNTAX_EXPLICIT }, { "1.2.840.10008.1.2.1", SYNTAX_IMPLICIT },
		{ "1.2.3", SYNTAX_IMPLICIT }, { "1.2.3", SYNTAX_EXPLICIT }, { "1.2.3", SYNTAX_BIG_ENDIAN } };
	(void)state;
	for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
		struct talk t = { 0 };
		char want[700];
		enum dicom_syntax s = rows[i / 2].sent;
		say_association(&t, "CT1", CT, rows[i / 2].uid);
		say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
		struct out o = data_set(s == SYNTAX_DEFLATED ? SYNTAX_EXPLICIT : s, i & 1);
		struct bytes set = s == SYNTAX_DEFLATED ? deflated(o) : view(&o);
		snprintf(want, sizeof want, "%s%s dicom.data_set=true dicom.bytes=%zu%s", STORE,
			TITLES("CT1"), set.n, EQUIPMENT);
		say_p_data(&t, DIR_CLIENT, 2, set);
		expect_lines(&t, "dicom.dimse", want);
	}
}

/* Command and data set in two fragments each, cut at every byte; all in one PDU, or one PDU each. */
static void test_fragments(void **state)
{
	struct bytes cmd = command(CT, 1, true, -1, (struct out){ 0 });
	struct out o = data_set(SYNTAX_IMPLICIT, true);
	char want[700];
	(void)state;
	snprintf(want, sizeof want, "%s%s dicom.data_set=true dicom.bytes=%zu%s", STORE, TITLES("CT1"), o.n,
		EQUIPMENT);
	for (size_t cut = 0; cut <= o.n; cut++) {
		struct talk t = { 0 };
		struct out all = { 0 };
		size_t at = cut < cmd.n ? cut : cmd.n;
		say_association(&t, "CT1", CT, "1.2.840.10008.1.2");
		if (cut & 1) {
			put_pdv(&all, 1, 1, bytes_first(cmd, at));
			put_pdv(&all, 1, 3, bytes_from(cmd, at));
			put_pdv(&all, 1, 0, bytes_first(view(&o), cut));
			put_pdv(&all, 1, 2, bytes_from(view(&o), cut));
			say(&t, DIR_CLIENT, pdu(4, all));
		} else {
			say(&t, DIR_CLIENT, p_data(1, 1, bytes_first(cmd, at)));
			say(&t, DIR_CLIENT, p_data(1, 3, bytes_from(cmd, at)));
			say(&t, DIR_CLIENT, p_data(1, 0, bytes_first(view(&o), cut)));
			say(&t, DIR_CLIENT, p_data(1, 2, bytes_from(view(&o), cut)));
		}
		char *text = dxtest_run(&(struct dxtest){ .proto = PROTO_dicom }, t.chunk, t.n);
		assert_non_null(strstr(text, want));
		assert_null(strstr(text, "malformed"));
		free(text);
		talk_free(&t);
	}
	free_bytes(cmd);
	free(o.p);
}

/* A 16 MiB PDU of pixels: nothing of it is held, and its event comes with its last byte. */
static void test_pixels_pass(void **state)
{
	enum { PIXELS = 16 << 20 };
	struct bytes cmd = command(CT, 1, true, -1, (struct out){ 0 });
	struct out set = { 0 }, pdv = { 0 };
	struct talk t = { 0 };
	char want[400];
	(void)state;
	put_text(&set, SYNTAX_EXPLICIT, 0x00080060, "CS", "CT");
	void *pixels = calloc(1, PIXELS);
	assert_non_null(pixels);
	put_element(&set, SYNTAX_EXPLICIT, 0x7fe00010, "OW", pixels, PIXELS, PIXELS);
	free(pixels);
	put_pdv(&pdv, 1, 3, cmd);
	free_bytes(cmd);
	put_pdv(&pdv, 1, 2, view(&set));
	say_association(&t, "CT1", CT, "1.2.840.10008.1.2.1");
	struct bytes image = pdu(4, pdv);
	say(&t, DIR_CLIENT, bytes_first(image, image.n - 1));
	char *text = dxtest_run(&(struct dxtest){ .proto = PROTO_dicom }, t.chunk, t.n);
	/* Its last byte never comes: told at the end, and that it is not whole. */
	assert_null(strstr(text, "dicom.dimse client dicom"));
	assert_non_null(strstr(text, "dicom.dimse client +cut dicom"));
	free(text);
	/* A hole in the pixels costs nothing. */
	t.chunk[t.n - 1].data = bytes_first(image, 4000);
	t.chunk[t.n++] = (struct chunk){ DIR_CLIENT, { NULL, PIXELS - 100000 } };
	t.chunk[t.n++] = (struct chunk){ DIR_CLIENT, bytes_from(image, 4000 + PIXELS - 100000) };
	snprintf(want, sizeof want,
		"\n%s%s dicom.data_set=true dicom.bytes=%zu dicom.modality=CT\n"
		"phi.message client phi.classes=[image]",
		STORE, TITLES("CT1"), set.n);
	text = dxtest_run(&(struct dxtest){ .proto = PROTO_dicom }, t.chunk, t.n);
	assert_non_null(strstr(text, want));
	free(text);
	t.n = 2;
	talk_free(&t);
	free_bytes(image);
	free(set.p);
}

/* Bytes lost between the tags: the command is told all the same, and the next message is whole. */
static void test_gap(void **state)
{
	struct talk t = { 0 };
	(void)state;
	say_association(&t, "CT1", CT, "1.2.840.10008.1.2.1");
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	struct out set = data_set(SYNTAX_EXPLICIT, false);
	struct bytes data = p_data(1, 2, view(&set));
	say(&t, DIR_CLIENT, data);
	t.chunk[t.n - 1].data = bytes_first(data, 100);
	t.chunk[t.n++] = (struct chunk){ DIR_CLIENT, { NULL, 50 } };
	t.chunk[t.n++] = (struct chunk){ DIR_CLIENT, bytes_from(data, 150) };
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	char *text = dxtest_splits(&(struct dxtest){ .proto = PROTO_dicom }, t.chunk, t.n);
	assert_non_null(
		strstr(text, "dicom.dimse client +gap dicom.pdu.type=p_data_tf dicom.dimse.command=c_store"));
	assert_non_null(strstr(text, EQUIPMENT));
	assert_null(strstr(text, "malformed"));
	free(text);
	t.chunk[4] = t.chunk[--t.n];
	t.chunk[5] = t.chunk[--t.n];
	talk_free(&t);
}

/* Joined in the middle of an image, with no association seen: from the next command on all is told. */
static void test_midstream(void **state)
{
	static const uint8_t pixels[3000] = { 4, 0, 0, 0, 4, 0, 0, 0, 1, 0 };
	struct dxtest how = { .proto = PROTO_dicom, .midstream = true };
	struct talk t = { 0 };
	(void)state;
	say(&t, DIR_CLIENT, p_data(1, 0, bytes_of(pixels, sizeof pixels)));
	say(&t, DIR_CLIENT, p_data(1, 2, bytes_of(pixels, sizeof pixels)));
	say_p_data(&t, DIR_SERVER, 3, command(CT, 0x8001, false, 0, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	struct out set = data_set(SYNTAX_EXPLICIT, true);
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	struct bytes whole = t.chunk[0].data;
	for (size_t cut = 0; cut < whole.n; cut += 97) {
		t.chunk[0].data = bytes_from(whole, cut);
		char *text = dxtest_splits(&how, t.chunk, t.n);
		assert_non_null(strstr(text, "dicom.dimse server +midstream dicom.pdu.type=p_data_tf "
					     "dicom.dimse.command=c_store dicom.dimse.type=response"));
		assert_non_null(strstr(text, EQUIPMENT));
		assert_null(strstr(text, "malformed"));
		free(text);
	}
	t.chunk[0].data = whole;
	talk_free(&t);
}

/* Whom the equipment of a stored object is told of. */
static void test_maker(void **state)
{
	static const struct {
		const char *calling, *station_ae, *station_name, *originator;
		enum dir sender;
		const char *want;
	} rows[] = {
		{ "CT1", "CT1", "HOST", NULL, DIR_CLIENT,
			"maker client serial=SN-1@90 station_name=HOST@90 "
			"ae_title=CT1@90" },
		{ "CT1", NULL, "CT1", NULL, DIR_CLIENT, "maker client serial=SN-1@90 station_name=CT1@90" },
		{ "GW", "CT1", "HOST", NULL, DIR_CLIENT,
			"maker client serial=SN-1@80 station_name=HOST@80 "
			"ae_title=CT1@80" },
		{ "ARCHIVE", "CT1", "HOST", "WS1", DIR_CLIENT,
			"behind client serial=SN-1@80 "
			"station_name=HOST@80 ae_title=CT1@80" },
		{ "CT1", "CT1", "HOST", NULL, DIR_SERVER,
			"behind server serial=SN-1@80 station_name=HOST@80 "
			"ae_title=CT1@80" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct talk t = { 0 };
		struct out set = { 0 }, extra = { 0 };
		char want[300];
		if (rows[i].station_ae)
			put_text(&set, SYNTAX_IMPLICIT, 0x00080055, "AE", rows[i].station_ae);
		put_text(&set, SYNTAX_IMPLICIT, 0x00081010, "SH", rows[i].station_name);
		put_text(&set, SYNTAX_IMPLICIT, 0x00181000, "LO", "SN-1");
		if (rows[i].originator)
			put_text(&extra, SYNTAX_IMPLICIT, 0x00001030, "AE", rows[i].originator);
		say_association(&t, rows[i].calling, CT, "1.2.840.10008.1.2");
		say_p_data(&t, rows[i].sender, 3, command(CT, 1, true, -1, extra));
		say_p_data(&t, rows[i].sender, 2, view(&set));
		snprintf(want, sizeof want, "observe dicom %s\n", rows[i].want);
		char prefix[40];
		snprintf(prefix, sizeof prefix, "observe dicom %.6s %s serial", rows[i].want,
			rows[i].sender == DIR_CLIENT ? "client" : "server");
		if (rows[i].want[0] == 'm')
			snprintf(prefix, sizeof prefix, "observe dicom maker client");
		expect_lines(&t, prefix, want);
	}
}

/* Worklist keys of the asking station, and the step it reports: nested keys, level-0 identity. */
static void test_modality_of_itself(void **state)
{
	struct talk t = { 0 };
	struct out step = { 0 }, item = { 0 }, set = { 0 };
	(void)state;
	put_text(&step, SYNTAX_IMPLICIT, 0x00080060, "CS", "MR");
	put_text(&step, SYNTAX_IMPLICIT, 0x00400001, "AE", "MR1");
	put_element(&item, SYNTAX_IMPLICIT, 0xfffee000, "", step.p, step.n, (uint32_t)step.n);
	put_text(
		&set, SYNTAX_IMPLICIT, 0x00100010, "PN", ""); /* a key without a value is no patient's name */
	put_element(&set, SYNTAX_IMPLICIT, 0x00400100, "SQ", item.p, item.n, (uint32_t)item.n);
	say_association(&t, "MR1", "1.2.840.10008.5.1.4.31", "1.2.840.10008.1.2");
	say_p_data(&t, DIR_CLIENT, 3, command("1.2.840.10008.5.1.4.31", 0x20, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	expect_lines(&t, "observe dicom sender client dicom.mod",
		"observe dicom sender client dicom.modality=MR@85\n");
	free(step.p);
	free(item.p);

	set = (struct out){ 0 };
	put_text(&set, SYNTAX_IMPLICIT, 0x00080060, "CS", "MR");
	put_text(&set, SYNTAX_IMPLICIT, 0x00400241, "AE", "MR1");
	put_text(&set, SYNTAX_IMPLICIT, 0x00400242, "SH", "MRHOST");
	put_text(&set, SYNTAX_IMPLICIT, 0x00400243, "SH", "ROOM 4");
	say_association(&t, "MR1", "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.1.2");
	say_p_data(&t, DIR_CLIENT, 3, command("1.2.840.10008.3.1.2.3.3", 0x140, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	expect_lines(&t, "observe dicom sender client dicom.mod",
		"observe dicom sender client dicom.modality=MR@90 station_name=MRHOST@90 ae_title=MR1@90 "
		"location=ROOM 4@90\n");
}

/* Where the patient stands in the fields of the equipment, by mistake or to hide a leak, nothing is told. */
static void test_patient_in_equipment(void **state)
{
	struct talk t = { 0 };
	struct out set = { 0 };
	(void)state;
	put_text(&set, SYNTAX_IMPLICIT, 0x00080060, "CS", "Jane Doe");
	put_text(&set, SYNTAX_IMPLICIT, 0x00080070, "LO", "ROE^RICHARD");
	put_text(&set, SYNTAX_IMPLICIT, 0x00081090, "LO", "Scan of jane");
	put_text(&set, SYNTAX_IMPLICIT, 0x00100010, "PN", "DOE^JANE");
	put_text(&set, SYNTAX_IMPLICIT, 0x00100020, "LO", "MRN12345");
	put_text(&set, SYNTAX_IMPLICIT, 0x00181000, "LO", "MRN12345");
	put_text(&set, SYNTAX_IMPLICIT, 0x00181020, "LO", "2.0");
	say_association(&t, "CT1", CT, "1.2.840.10008.1.2");
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	expect_lines(&t, "observe dicom maker", "observe dicom maker client firmware=2.0@80\n");
}

static void expect_find(const char *name, const char *id, const char *removed, const char *want)
{
	struct talk t = { 0 };
	struct out set = { 0 };
	put_text(&set, SYNTAX_IMPLICIT, 0x00100010, "PN", name);
	put_text(&set, SYNTAX_IMPLICIT, 0x00100020, "LO", id);
	put_text(&set, SYNTAX_IMPLICIT, 0x00120062, "CS", removed);
	say_association(&t, "WS1", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.1.2");
	say_p_data(
		&t, DIR_CLIENT, 3, command("1.2.840.10008.5.1.4.1.2.2.1", 0x20, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	expect_lines(&t, "phi", want);
}

static void test_query_phi(void **state)
{
	(void)state;
	expect_find("", "", "", "");
	expect_find("*", "?*", "", "");
	expect_find("^^^^", "", "", "");
	expect_find("DOE*", "", "",
		"phi.message client phi.classes=[patient_name] phi.count=1 "
		"phi.container=dicom phi.encrypted=false phi.patient=<patient_name>\n");
	expect_find("", "MRN1", "",
		"phi.message client phi.classes=[mrn] phi.count=1 phi.container=dicom "
		"phi.encrypted=false phi.patient=<mrn>\n");
	expect_find("ANON", "1234", "YES", "");
}

static void expect_classes(enum dicom_syntax syntax, uint32_t tag, const char *vr, const char *want)
{
	struct talk t = { 0 };
	struct out set = { 0 };
	put_text(&set, syntax, 0x00080060, "CS", "CT");
	put_text(&set, syntax, tag, vr, "Roe^Richard");
	say_association(
		&t, "CT1", CT, syntax == SYNTAX_IMPLICIT ? "1.2.840.10008.1.2" : "1.2.840.10008.1.2.1");
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	expect_lines(&t, "phi", want);
}

/* Every person's name: those of PS3.6 without being told, a maker's own where the VR says so. */
static void test_person_names(void **state)
{
	static const uint32_t tags[] = { 0x0008009c, 0x00142006, 0x00401010, 0x00402008, 0x00404037,
		0x0040a075, 0x00700084, 0x0072006a, 0x300600a6, 0x300e0008, 0x40080102, 0x4008010a,
		0x4008010c, 0x40080114, 0x40080119 };
	static const char staff[] =
		"phi.message client phi.classes=[staff_name] phi.count=1 phi.container=dicom "
		"phi.encrypted=false\n";
	(void)state;
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
		expect_classes(SYNTAX_IMPLICIT, tags[i], "PN", staff);
	expect_classes(SYNTAX_EXPLICIT, 0x00091010, "PN", staff);
	expect_classes(SYNTAX_EXPLICIT, 0x00091010, "LO", "");
	expect_classes(SYNTAX_IMPLICIT, 0x00091010, "PN", "");
}

/* One observer of many findings is told once, so that there is room for others. */
static void test_same_observer(void **state)
{
	struct talk t = { 0 };
	struct out set = { 0 };
	(void)state;
	put_text(&set, SYNTAX_IMPLICIT, 0x00080060, "CS", "CT");
	for (unsigned i = 0; i < 6; i++)
		put_text(&set, SYNTAX_IMPLICIT, 0x0040a123, "PN", i % 2 ? "Roe^Richard" : "Poe^Jim");
	say_association(&t, "CT1", CT, "1.2.840.10008.1.2");
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&set));
	expect_lines(&t, "dicom.dimse",
		STORE TITLES("CT1") " dicom.data_set=true dicom.bytes=118 dicom.modality=CT "
				    "(<staff_name>) (<staff_name>)\n");
}

static void test_malformed_sets(void **state)
{
	static const char *const sets[] = {
		"0800 6000 'CS' 0200 'CT' 0800 7000 'LO' ff00 'ACME'",          /* ends inside a value */
		"0800 6000 'CS' 0200 'CT' 0800 7000 0000 0400 'ACME'",          /* no VR */
		"0800 6000 'CS' 0200 'CT' 1000 2000 'UT' 0000 ffffffff 'X' 00", /* text of no length */
		"0800 6000 'CS' 0200 'CT' feff 0de0 00000000",                  /* delimiter without start */
		/* an element past its item, an item past its sequence */
		("0800 6000 'CS' 0200 'CT' 0800 4011 'SQ' 0000 12000000 feff00e0 0a000000 0800 7000 'LO' "
		 "0400 "
		 "'AB'"),
		"0800 6000 'CS' 0200 'CT' 0800 4011 'SQ' 0000 0a000000 feff00e0 09000000 0000",
	};
	(void)state;
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
		struct talk t = { 0 };
		say_association(&t, "CT1", CT, "1.2.840.10008.1.2.1");
		say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
		struct bytes set = dxtest_hex(sets[i]);
		size_t n = set.n;
		char want[400];
		say_p_data(&t, DIR_CLIENT, 2, set);
		snprintf(want, sizeof want,
			"%s%s dicom.data_set=true dicom.bytes=%zu dicom.malformed=true dicom.modality=CT\n",
			STORE, TITLES("CT1"), n);
		expect_lines(&t, "dicom.dimse", want);
	}
	/* 10,000 items inside each other: passed by, not followed. */
	struct talk t = { 0 };
	struct out deep = { 0 };
	put_text(&deep, SYNTAX_EXPLICIT, 0x00080060, "CS", "CT");
	for (int i = 0; i < 10000; i++) {
		put_element(&deep, SYNTAX_EXPLICIT, 0x00081140, "SQ", NULL, 0, 0xffffffff);
		put_element(&deep, SYNTAX_EXPLICIT, 0xfffee000, "", NULL, 0, 0xffffffff);
	}
	say_p_data(&t, DIR_CLIENT, 3, command(CT, 1, true, -1, (struct out){ 0 }));
	say_p_data(&t, DIR_CLIENT, 2, view(&deep));
	char *text = dxtest_run(&(struct dxtest){ .proto = PROTO_dicom }, t.chunk, t.n);
	assert_non_null(strstr(text, "dicom.bytes=200010 dicom.modality=CT\n"));
	free(text);
	talk_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntaxes),
		cmocka_unit_test(test_patient_in_equipment),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_pixels_pass),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_maker),
		cmocka_unit_test(test_modality_of_itself),
		cmocka_unit_test(test_query_phi),
		cmocka_unit_test(test_person_names),
		cmocka_unit_test(test_same_observer),
		cmocka_unit_test(test_malformed_sets),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
