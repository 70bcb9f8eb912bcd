#include "decide/oui.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const char *vendor(struct oui *o, const char *mac, char out[128])
{
	struct mac m;
	assert_true(mac_parse(bytes_str(mac), &m));
	struct bytes v = oui_vendor(o, &m);
	snprintf(out, 128, "%.*s", (int)v.n, v.n ? (const char *)v.p : "");
	return out;
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_made_up(void **state)
{
	(void)state;
	char dir[] = "/tmp/ww-oui-XXXXXX", name[128], path[256];
	assert_non_null(mkdtemp(dir));
	put(dir, "oui.csv",
		"Registry,Assignment,Organization Name,Organization Address\r\n"
		"MA-L,0009FB,Philips,\"a street,\r\nMA-L,AAAAAA,no line of its own\"\r\n"
		"MA-L,000001,\"XEROX, \"\"the\"\" CORP\",x\r\n"
		"MA-L,70B3D5,IEEE Registration Authority,x\r\n"
		"MA-L,0050C2,Private,\r\n"
		"MA-L,ABC,short,\r\nMA-L,00000G,no hex,\r\n"
		"MA-L,00AA00,Last"); /* without a line end */
	put(dir, "oui36.csv", "MA-S,70B3D5E57,IRadimed,x\n");
	struct oui *o = oui_open(dir);
	assert_non_null(o);
	assert_string_equal(vendor(o, "00-09-FB-00-00-01", name), "Philips");
	assert_string_equal(vendor(o, "00-00-01-00-00-01", name), "XEROX, \"the\" CORP");
	assert_string_equal(vendor(o, "70-B3-D5-E5-71-01", name), "IRadimed");
	assert_string_equal(vendor(o, "70-B3-D5-00-00-01", name), "");
	assert_string_equal(vendor(o, "00-50-C2-00-00-01", name), "");
	assert_string_equal(vendor(o, "00-AA-00-00-00-01", name), "Last");
	/* Locally administered and group addresses have no vendor, whatever their first bytes. */
	assert_string_equal(vendor(o, "02-09-FB-00-00-01", name), "");
	assert_string_equal(vendor(o, "01-09-FB-00-00-01", name), "");
	oui_close(o);
	const char *names[] = { "oui.csv", "oui36.csv" };
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
	assert_null(oui_open(dir));
}

static void test_debian(void **state)
{
	(void)state;
	char name[128];
	struct oui *o = oui_open(OUI_DIR);
	if (!o) {
		print_message("skipped: the package ieee-data is not installed\n");
		skip();
	}
	assert_string_equal(vendor(o, "00-06-6B-51-51-51", name), "Sysmex Corporation");
	assert_string_equal(vendor(o, "00-00-0C-A1-00-01", name), "Cisco Systems, Inc");
	oui_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_made_up), cmocka_unit_test(test_debian) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
