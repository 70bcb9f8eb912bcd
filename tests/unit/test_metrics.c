/* run/metrics: bounded, whole or not at all. With --print the text goes to standard output, for
 * tests/e2e/metrics.py, which holds it against the format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/metrics.h"
#include "vitals.h"

static char text[METRICS_MAX];

static void values(void **state)
{
	(void)state;
	size_t n = metrics_text(vitals_sample(), text, sizeof text);
	assert_true(n > 1000 && n < sizeof text && text[n] == 0);
	static const char *const lines[] = {
		"\nwardwatch_packets_total 1\n",
		"\nwardwatch_bytes_total 2\n",
		"\nwardwatch_stream_skipped_bytes_total ",
		"\nwardwatch_limit_reached_total{limit=\"flows\"} ",
		"\nwardwatch_devices 77\n",
		"\nwardwatch_table_capacity{table=\"conversations\"} 262144\n",
		"\nwardwatch_capture_drops_total{interface=\"eth1\",reason=\"kernel\"} 12\n",
		"\nwardwatch_capture_up{interface=\"a\\\"b\\\\c\\nd\"} 0\n",
		"\nwardwatch_capture_last_packet_timestamp_seconds{interface=\"eth1\"} 1764000099.250\n",
		"\nwardwatch_build_info{version=\"" WW_VERSION "\",commit=\"",
		"\nwardwatch_capture_drops_total{interface=\"eth1\",reason=\"ring\"} 5\n",
		"\nwardwatch_capture_drops_total{interface=\"eth1\",reason=\"parse\"} 7\n",
		"\nwardwatch_decode_errors_total{layer=\"tunnel\",reason=\"malformed\"} ",
		"\nwardwatch_flow_evictions_total{reason=\"full\"} ",
		"\nwardwatch_flows_created_total ",
		"\nwardwatch_flows_active 1234\n",
		"\nwardwatch_stream_gap_bytes_total ",
		"\nwardwatch_stream_reassembly_memory_bytes 65536\n",
		"\nwardwatch_policy_evaluations_total ",
		"\nwardwatch_policy_matches_total ",
		"\nwardwatch_policy_suppressed_total ",
		"\nwardwatch_dissector_messages_total{protocol=\"hl7\"} 9\n",
		"{class=\"patient_name\",protocol=\"hl7\",encrypted=\"false\"} 21\n",
		"\nwardwatch_phi_detections_total{class=\"mrn\",protocol=\"dicom\",encrypted=\"true\"} 0\n",
		"\nwardwatch_device_changes_total{attribute=\"manufacturer\"} 100\n",
		"\nwardwatch_worker_packets_total{worker=\"2\"} 400\n",
		"\nwardwatch_policy_reload_success 1\n",
		"\nwardwatch_dissector_errors_total{protocol=\"hl7\"} 2\n",
		"\nwardwatch_memory_bytes{arena=\"workers\"} 450887680\n",
		"\nwardwatch_memory_bytes{arena=\"capture\"} 134217728\n",
	};
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if (!strstr(text, lines[i]))
			fail_msg("%s is not there", lines[i]);
	assert_null(strstr(text, "ward-east-1"));
}

/* Into every smaller buffer nothing goes, and nothing past its end; into the right one all of it. */
static void bounded(void **state)
{
	(void)state;
	size_t n = metrics_text(vitals_sample(), text, sizeof text);
	for (size_t cap = 1; cap <= n + 1; cap += cap + 67 < n ? 67 : 1) {
		char *exact = malloc(cap);
		assert_non_null(exact);
		assert_true(metrics_text(vitals_sample(), exact, cap) == (cap > n ? n : 0));
		free(exact);
	}
}

static void most(void **state)
{
	(void)state;
	static struct vitals_interface interfaces[64];
	static struct vitals_worker workers[64];
	struct vitals v = *vitals_sample();
	for (size_t i = 0; i < 64; i++)
		interfaces[i] = (struct vitals_interface){ "fifteen-letters", true, UINT64_MAX, UINT64_MAX,
			UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };
	v.interfaces = interfaces;
	v.workers = workers;
	v.n_interfaces = v.n_workers = 64;
	assert_true(metrics_text(&v, text, sizeof text) > 0);
}

static void file(void **state)
{
	(void)state;
	char dir[] = "/tmp/test_metrics.XXXXXX", path[64], temp[64], back[16] = "";
	struct stat st;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/w.prom", dir);
	snprintf(temp, sizeof temp, "%s/w.prom.new", dir);
	assert_int_equal(symlink("/dev/null", temp), 0); /* a trap */
	assert_true(metrics_file(path, bytes_str("one\n")));
	assert_true(metrics_file(path, bytes_str("two\n")));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	FILE *f = fopen(path, "r");
	assert_non_null(fgets(back, sizeof back, f));
	fclose(f);
	assert_string_equal(back, "two\n");
	assert_int_not_equal(lstat(temp, &st), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* in the way */
	assert_false(metrics_file(path, bytes_str("three\n")));
	assert_int_equal(errno, EISDIR);
	assert_int_not_equal(lstat(temp, &st), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_false(metrics_file(path, bytes_str("four\n")));
	assert_int_equal(errno, ENOENT);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--print") == 0)
		return fwrite(text, 1, metrics_text(vitals_sample(), text, sizeof text), stdout) == 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(bounded),
		cmocka_unit_test(most),
		cmocka_unit_test(file),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
