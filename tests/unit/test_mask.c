/* decide/mask and decide/shapes: what of suspect text is shown, before and after the run has learnt names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "decide/mask.h"

static struct privacy_key key;
static struct limits limits;

static struct mask *fresh(uint64_t tokens)
{
	limits_default(&limits);
	if (tokens)
		limits.phi_tokens = tokens;
	struct mask *m = mask_new(&key, &limits);
	assert_non_null(m);
	return m;
}

static void shown(struct mask *m, const char *in, const char *want)
{
	for (unsigned again = 0; again < 2; again++) {
		struct bytes got = mask_text(m, bytes_str(in));
		if (!bytes_is(got, want))
			print_error("%s: got %.*s, want %s\n", in, (int)got.n, (const char *)got.p,
				want ? want : "(none)");
		assert_true(bytes_is(got, want));
	}
}

/* What a dissector's PHI field becomes (record.c). */
static void learn(struct mask *m, enum privacy class, const char *text)
{
	struct {
		struct event e;
		uint8_t facts[256];
	} r = { 0 };
	struct bytes value = bytes_str(text), word;
	struct phi_fact phi = { .class = (uint8_t) class, .whole = privacy_pseudonym(&key, value) };
	phi.length = (uint8_t)value.n;
	for (size_t at = 0; phi.n_tokens < PHI_TOKENS && (word = privacy_token(value, &at)).n > 0;)
		phi.token[phi.n_tokens++] = privacy_word(&key, word);
	struct fact f = { .field = FIELD_NONE, .type = FACT_PHI, .len = sizeof phi };
	memcpy(r.facts, &f, sizeof f);
	memcpy(r.facts + sizeof f, &phi, sizeof phi);
	r.e.n_facts = 1;
	r.e.len = (uint32_t)(sizeof r.e + ((sizeof f + sizeof phi + 7u) & ~7u));
	mask_learn(m, &r.e);
}

static void shapes(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{ "CTSOMA01", "CTSOMA01" },
		{ "PACS_STORE-12345", "PACS_STORE-12345" },
		{ "WS123456", "WS[masked]" },
		{ "a1234567b", "a[masked]b" },
		{ "10.20.30.21", "10.20.30.21" },
		{ "10.20.1999.21", "10.20.1999.21" },
		{ "192.168.10.12", "192.168.10.12" },
		{ "syngo CT VB20A 5.1.34.2", "syngo CT VB20A 5.1.34.2" },
		{ "born 1975-03-12.", "born [masked]." },
		{ "card 00-06-5B-02-02-02, 00:06:5b:12:03:75.",
			"card 00-06-5B-02-02-02, 00:06:5b:12:03:75." },
		{ "ZZ-06-5B-12-03-75", "ZZ-06-5B-[masked]" },
		{ "12.03.1975", "[masked]" },
		{ "3/12/75x 03/12/75", "3/12/75x [masked]" },
		{ "1975/3/2", "[masked]" },
		{ "scan_1975_03_12", "scan_[masked]" },
		{ "123-45-6789", "[masked]" },
		{ "12-MAR-1975", "[masked]" },
		{ "x 12MAR1975", "x [masked]" },
		{ "March 12, 1975", "[masked]" },
		{ "1975-Mar-12", "[masked]" },
		{ "b 1975 March 2.", "b [masked]." },
		{ "CT-MAR-1", "CT-MAR-1" },
		{ "SMITH^JOHN^^^Mr", "[masked]" },
		{ "pat=SMITH^JOHN P;x", "pat=[masked];x" },
		{ "^", "^" },
		{ "Smith, John", "[masked]" },
		{ "for van der Berg, Jan at", "[masked]" },
		{ "CN=pacs01, OU=Radiology", "CN=pacs01, OU=Radiology" },
		{ "a, b", "a, b" },
		{ "O'Neil, Mary-Ann", "[masked]" },
		{ "of SMITH, JOHN (2)", "[masked] (2)" },
		{ "(Inc) Smith, Cora", "(Inc) [masked]" },
		{ "Version 12.2(44)SE, RELEASE SOFTWARE (fc1)",
			"Version 12.2(44)SE, RELEASE SOFTWARE (fc1)" },
		{ "12.2(44)SE, Early", "12.2(44)SE, Early" },
		{ "IOS 15SE, Early", "IOS 15SE, Early" },
		{ "IOS Software, Version x", "IOS Software, Version x" },
		{ "by Cisco Systems, Inc.", "by Cisco Systems, Inc." },
		{ "Acme Co, Boston", "Acme Co, Boston" },
		{ "Smith, John, Inc", "[masked], Inc" },
		{ "Smith, Corin", "[masked]" },
		{ "Meier GmbH, Wien", "Meier GmbH, Wien" },
		{ "", "" },
	};
	struct mask *m = fresh(0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		shown(m, rows[i][0], rows[i][1]);
	mask_free(m);
}

static void learnt(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	shown(m, "smith-laptop", "smith-laptop");
	learn(m, PHI_PATIENT_NAME, "SMITH^JOHN");
	learn(m, PHI_MRN, "MR4711");
	learn(m, PHI_MRN, "4712");
	learn(m, PHI_ADDRESS, "RADIOLOGY ROAD 5^^BERLIN");
	learn(m, PHI_FREE_TEXT, "LAB");
	static const char *const rows[][2] = {
		{ "smith-laptop", "[masked]-laptop" },
		{ "SmithPC", "[masked]" },
		{ "jsmith.lan", "[masked].lan" },
		{ "JohnDevice", "[masked]" },
		{ "JOHNSON", "JOHNSON" }, /* four letters at an edge are anybody's */
		{ "ws-john2", "ws-[masked]" },
		{ "AE_MR4711", "AE_[masked]" },
		{ "PC4712", "[masked]" },
		{ "PC47120", "PC47120" },
		{ "RADIOLOGY", "RADIOLOGY" },
		{ "LABSRV", "LABSRV" },
		{ "LAB", "[masked]" },
		{ "CTSOMA01", "CTSOMA01" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		shown(m, rows[i][0], rows[i][1]);
	mask_free(m);
}

static void lines(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	struct json_doc *d = json_new();
	json_suspect(d, "dicom.calling_ae", bytes_str("SMITHCT"));
	json_suspect(d, "x", bytes_str("a\"\x01\n"));
	json_text(d, "y", "SMITH");
	struct bytes line = json_flat(d);
	assert_true(bytes_is(mask_line(m, line),
		"{\"dicom.calling_ae\":\"SMITHCT\",\"x\":\"a\\\"\\u0001\\n\",\"y\":\"SMITH\"}"));
	learn(m, PHI_PATIENT_NAME, "Smith");
	assert_true(bytes_is(mask_line(m, line),
		"{\"dicom.calling_ae\":\"[masked]\",\"x\":\"a\\\"\\u0001\\n\",\"y\":\"SMITH\"}"));
	json_free(d);
	mask_free(m);
}

static void shown_product(struct mask *m, const char *in, const char *want)
{
	struct bytes got = mask_product(m, bytes_str(in));
	if (!bytes_is(got, want))
		print_error("%s: got %.*s, want %s\n", in, (int)got.n, (const char *)got.p,
			want ? want : "(none)");
	assert_true(bytes_is(got, want));
}

/* A device may be called as a patient is; a person's whole name, number or birth date is no device's. */
static void products(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	learn(m, PHI_PATIENT_NAME, "Philips^Johanna Maria");
	learn(m, PHI_PATIENT_NAME, "Force^Adam");
	learn(m, PHI_MRN, "NF-204417");
	learn(m, PHI_MRN, "5114");
	learn(m, PHI_MRN, "12-34-56");
	learn(m, PHI_BIRTH_DATE, "19701231");
	learn(m, PHI_FREE_TEXT, "SOMATOM");
	static const char *const rows[][2] = {
		{ "Philips", "Philips" }, { "SOMATOM Force", "SOMATOM Force" }, { "SOMATOM", "SOMATOM" },
		{ "Adam Philips", "Adam Philips" }, /* two people */
		{ "Philips Johanna", "[masked] [masked]" }, { "philips_maria CT", "[masked]_[masked] CT" },
		{ "JohannaPhilips", "[masked]" }, { "philipsjohanna 2", "[masked] 2" },
		{ "204417", "[masked]" }, { "SN204417", "SN[masked]" }, { "VB20A 5114", "VB20A 5114" },
		{ "12-34-56", "[masked]" }, { "75214", "75214" }, { "19701231", "[masked]" },
		{ "v 1970-12-31", "v [masked]" }, { "31.12.1970", "[masked]" }, { "12/31/1970", "[masked]" },
		{ "2.19.70.12.31", "2.19.70.12.31" }, { "31.12.1971", "31.12.1971" },
		{ "UGhpbGlwc15Kb2hhbm5h", "[masked]" }, /* Base64 */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		shown_product(m, rows[i][0], rows[i][1]);
	mask_free(m);
}

/* One name in the ways it can be written. */
static void spellings(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	learn(m, PHI_PATIENT_NAME, "M\xc3\xbcller^J\xc3\xb6rg");
	learn(m, PHI_PATIENT_NAME, "Haverkamp^Dorothea");
	learn(m, PHI_PATIENT_NAME, "Wa\xc5\x82\xc4\x99sa");
	learn(m, PHI_PHONE, "x"); /* phone numbers come as their last seven digits */
	learn(m, PHI_PHONE, "5550177");
	static const char *const rows[][2] = {
		{ "Muller", "[masked]" },
		{ "mueller-pc", "[masked]-pc" },
		{ "M\xfcller", "[masked]" },
		{ "Mu\xcc\x88ller", "[masked]" },
		{ "joerg", "[masked]" },
		{ "walesa.lan", "[masked].lan" },
		{ "xn--mller-kva.example", "[masked].example" },
		{ "www.xn--bcher-kva.example", "www.xn--bcher-kva.example" },
		{ "a.xn--99999999999", "a.[masked]" }, /* cannot be read */
		{ "h%61verkamp", "[masked]" },
		{ "x%20y", "x%20y" },
		{ "48617665726b616d70", "[masked]" },
		{ "486176", "[masked]" }, /* six digits */
		{ "cat-48617665726b616d70-1", "cat-[masked]-1" },
		{ "SGF2ZXJrYW1wXkRvcm90aGVh", "[masked]" },
		{ "id=SGF2ZXJrYW1w;", "id=[masked];" },
		{ "SABhAHYAZQByAGsAYQBtAHAA", "[masked]" }, /* Base64 of UTF-16 */
		{ "Radiology", "Radiology" },
		{ "caf\xe9", "[masked]" }, /* of what alphabet? */
		{ "caf\xc3\xa9", "caf\xc3\xa9" },
		{ "\x1b$B;3ED\x1b(B", "[masked]" },
		{ "tel 555-0177", "tel [masked]" },
		{ "(555) 01 77", "([masked]" },
		{ "1-555-0178", "1-555-0178" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		shown(m, rows[i][0], rows[i][1]);
	static const char wide[] = "\0H\0a\0v\0e\0r\0k\0a\0m\0p";
	assert_true(bytes_is(mask_text(m, bytes_of(wide, sizeof wide - 1)), "[masked]"));
	assert_true(bytes_is(mask_text(m, bytes_of(wide + 1, sizeof wide - 2)), "[masked]"));
	mask_free(m);
}

/* What was typed at a login, with the signs in it, as a server prints it back. */
static void typed(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	learn(m, SECRET, "Pump#6610");
	learn(m, SECRET, "open sesame");
	static const char *const rows[][2] = {
		{ "user biomed pass Pump#6610 ok", "user biomed pass [masked] ok" },
		{ "pass=pump#6610", "pass=[masked]" },
		{ "'open sesame'", "'[masked]'" },
		{ "Pump 6610", "Pump 6610" },
		{ "sesame", "sesame" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		shown(m, rows[i][0], rows[i][1]);
	shown_product(m, "FW Pump#6610", "FW [masked]");
	mask_free(m);
}

/* Names that could not be converted: texts with anything but ASCII in them cannot be compared. */
static void unread(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	struct event e = { .len = sizeof e, .flags = EVENT_PHI_UNREAD };
	learn(m, PHI_PATIENT_NAME, "Yamada^Tarou");
	shown(m, "\xe5\xb1\xb1\xe7\x94\xb0-pc", "\xe5\xb1\xb1\xe7\x94\xb0-pc");
	mask_learn(m, &e);
	shown(m, "\xe5\xb1\xb1\xe7\x94\xb0-pc", "[masked]-pc");
	shown(m, "xn--rht68p.lan", "[masked].lan");
	shown(m, "CTSOMA01", "CTSOMA01");
	shown_product(m, "CT \xe5\xb1\xb1", "CT [masked]");
	mask_free(m);
}

/* Bytes are shown in hex unless they are text. */
static void bytes(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	struct json_doc *d = json_new();
	learn(m, PHI_PATIENT_NAME, "Smith");
	json_sealed(d, "a", SEAL_BYTES, bytes_of("\x01\x00\x1a\xff", 4));
	json_sealed(d, "b", SEAL_BYTES, bytes_str("smith-1"));
	json_sealed(d, "c", SEAL_BYTES, bytes_of("s\0m\0i\0t\0h\0", 10));
	assert_true(bytes_is(
		mask_line(m, json_flat(d)), "{\"a\":\"01001aff\",\"b\":\"[masked]-1\",\"c\":\"[masked]\"}"));
	json_free(d);
	mask_free(m);
}

/* When words were lost, nothing is shown. */
static void full(void **state)
{
	(void)state;
	struct mask *m = fresh(64);
	for (unsigned i = 0; i < 64; i++) {
		char name[32];
		snprintf(name, sizeof name, "NAME%c%c", 'K' + i / 8, 'F' + i % 8);
		learn(m, PHI_PATIENT_NAME, name);
	}
	assert_true(mask_lost(m) == 0);
	shown(m, "CTSOMA01", "CTSOMA01");
	learn(m, PHI_PATIENT_NAME, "Another");
	assert_true(mask_lost(m) > 0);
	shown(m, "CTSOMA01", "[masked]");
	mask_free(m);
}

static void hostile(void **state)
{
	(void)state;
	struct mask *m = fresh(0);
	static char big[9000];
	unsigned seed = 1;
	learn(m, PHI_PATIENT_NAME, "abc");
	for (unsigned round = 0; round < 300; round++) {
		static const char letters[] = "^,. -/_1234567890abcABCmar\x80\xff\n=";
		size_t n = round % 30 == 0 ? sizeof big : round;
		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			big[i] = letters[(seed >> 16) % (sizeof letters - 1)];
		}
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, big, n);
		(void)mask_text(m, bytes_of(exact, n));
		free(exact);
	}
	mask_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(learnt),
		cmocka_unit_test(lines),
		cmocka_unit_test(products),
		cmocka_unit_test(spellings),
		cmocka_unit_test(typed),
		cmocka_unit_test(unread),
		cmocka_unit_test(bytes),
		cmocka_unit_test(full),
		cmocka_unit_test(hostile),
	};
	privacy_key_init(&key, bytes_str("test"), false);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
