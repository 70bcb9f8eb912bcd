/* run/telling, run/figures, run/notify: what other threads count is told whole, and the watchdog is fed only
 * while all of them live. */
#include "run.h"
#include "run/metrics.h"
#include "run/notify.h"
#include "run/telling.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static char dir[] = "/tmp/test_telling.XXXXXX", path[64];

/* ---- boards --------------------------------------------------------------------------------------- */

static void same(struct figures *f, uint64_t v)
{
	for (size_t i = 0; i < sizeof *f / sizeof v; i++)
		memcpy((char *)f + i * sizeof v, &v, sizeof v);
}

static struct board shared;
static _Atomic bool over;

static void *post(void *arg)
{
	struct figures f;
	for (uint64_t v = 1; !atomic_load(&over); v++) {
		same(&f, v);
		board_post(&shared, &f);
	}
	return arg;
}

/* Figures of one moment only, and never older than those before. */
static void board_threads(void **state)
{
	(void)state;
	struct figures f = { 0 }, want;
	pthread_t t;
	uint64_t last = 0, read = 0;
	assert_true(board_read(&shared, &f) == 0);
	assert_int_equal(pthread_create(&t, NULL, post, NULL), 0);
	while (read < 20000) {
		if (board_read(&shared, &f) == 0)
			continue;
		read++;
		same(&want, f.packets);
		if (memcmp(&f, &want, sizeof f) != 0 || f.packets < last)
			fail_msg("torn after %llu", (unsigned long long)last);
		last = f.packets;
	}
	atomic_store(&over, true);
	pthread_join(t, NULL);
	assert_true(last > 1);
}

/* ---- telling --------------------------------------------------------------------------------------- */

static size_t two_interfaces(void *arg, struct vitals_interface *out, size_t cap)
{
	assert_true(cap >= 2);
	out[0] = (struct vitals_interface){ .name = "eth1",
		.is_up = true,
		.packets = *(uint64_t *)arg,
		.last_packet_ns = 1764000000 * SECOND };
	out[1] = (struct vitals_interface){ .name = "eth2", .last_packet_ns = 1763999999 * SECOND };
	return 2;
}

static int listen_as_systemd(const char *at)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	snprintf(name.sun_path, sizeof name.sun_path, "%s", at);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
	setenv("NOTIFY_SOCKET", at, 1);
	return fd;
}

static const char *heard(int fd)
{
	static char text[128];
	ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = 0;
	return text;
}

struct scene {
	struct board workers[2], hub;
	struct limits limits;
	struct log log;
	char file[64], error[STATUS_ERROR];
	uint64_t packets;
	struct telling *t;
};

static void begin(struct scene *s, const char *socket)
{
	*s = (struct scene){ .packets = 9 };
	limits_default(&s->limits);
	log_init(&s->log);
	s->log.fd = open("/dev/null", O_WRONLY);
	snprintf(s->file, sizeof s->file, "%s/ward.prom", dir);
	struct telling_setup setup = { .socket = socket,
		.metrics_file = s->file,
		.sensor_name = "ward-east-1",
		.limits = &s->limits,
		.workers = s->workers,
		.n_workers = 2,
		.hub = &s->hub,
		.interfaces = two_interfaces,
		.arg = &s->packets,
		.log = &s->log,
		.wall_ns = 1764000000 * SECOND };
	s->t = telling_new(&setup, s->error);
}

static void post_all(struct scene *s, uint64_t packets)
{
	struct figures f = { .packets = packets };
	f.counters.packets = packets;
	f.proto[0].events = 2;
	f.used[TABLE_FLOWS] = 5;
	f.stream_kib = 3;
	board_post(&s->workers[0], &f);
	board_post(&s->workers[1], &f);
	struct figures h = { .used = { [TABLE_DEVICES] = 7 } };
	h.attr_changes[ATTR_SERIAL] = 8;
	h.counters.alerts = h.counters.alerts_high = 3;
	board_post(&s->hub, &h);
}

static const char *file_text(const struct scene *s)
{
	static char text[METRICS_MAX];
	FILE *f = fopen(s->file, "r");
	text[f ? fread(text, 1, sizeof text - 1, f) : 0] = 0;
	if (f)
		fclose(f);
	return text;
}

static void told(void **state)
{
	(void)state;
	static struct scene s;
	char line[128];
	begin(&s, "");
	assert_non_null(s.t);
	struct pollfd fds[STATUS_FDS];
	assert_int_equal(telling_fds(s.t, fds), 0);
	telling_memory(s.t, &(struct memory){ .workers = 2, .worker_bytes = 8192, .hub_bytes = 4096 });
	telling_policies(s.t, 432, 3, 1764000000 * SECOND, true);
	post_all(&s, 100);
	telling_serve(s.t, SECOND, 1764000001 * SECOND);
	static const char *const lines[] = { "wardwatch_packets_total 200",
		"wardwatch_alerts_total{level=\"high\"} 3", "wardwatch_devices 7",
		"wardwatch_memory_bytes{arena=\"workers\"} 8192",
		"wardwatch_table_entries{table=\"flows\"} 10",
		"wardwatch_table_capacity{table=\"flows\"} 524288",
		"wardwatch_table_capacity{table=\"devices\"} 16384",
		"wardwatch_worker_packets_total{worker=\"2\"} 100",
		"wardwatch_capture_packets_total{interface=\"eth1\"} 9", "wardwatch_policy_rules 432",
		"wardwatch_policy_reload_success 0", "wardwatch_last_packet_timestamp_seconds 1764000000.000",
		"wardwatch_dissector_events_total{protocol=\"dicom\"} 4", "wardwatch_flows_active 10",
		"wardwatch_stream_reassembly_memory_bytes 6144",
		"wardwatch_device_changes_total{attribute=\"serial\"} 8" };
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		snprintf(line, sizeof line, "\n%s\n", lines[i]);
		if (!strstr(file_text(&s), line))
			fail_msg("no %s in %s", lines[i], file_text(&s));
	}
	/* Anew every 15 seconds, and at the end. */
	post_all(&s, 200);
	telling_serve(s.t, (TELLING_FILE_S + 1) * SECOND - 1, 1764000001 * SECOND);
	assert_non_null(strstr(file_text(&s), "wardwatch_packets_total 200\n"));
	telling_serve(s.t, (TELLING_FILE_S + 1) * SECOND, 1764000001 * SECOND);
	assert_non_null(strstr(file_text(&s), "wardwatch_packets_total 400\n"));
	post_all(&s, 300);
	telling_free(s.t);
	assert_non_null(strstr(file_text(&s), "wardwatch_packets_total 600\n"));
	unlink(s.file);
	close(s.log.fd);
}

static void refused(void **state)
{
	(void)state;
	static struct scene s;
	begin(&s, "/nonexistent/socket");
	assert_null(s.t);
	assert_non_null(strstr(s.error, "/nonexistent/socket cannot be made"));
	close(s.log.fd);
}

/* Fed at a third of its time, as long as every board moves; not when one stands still. */
static void watchdog(void **state)
{
	(void)state;
	static struct scene s;
	struct pollfd fds[STATUS_FDS];
	char at[64];
	snprintf(at, sizeof at, "%s/notify", dir);
	snprintf(path, sizeof path, "%s/s", dir);
	int fd = listen_as_systemd(at);
	setenv("WATCHDOG_USEC", "30000000", 1);
	begin(&s, path);
	assert_non_null(s.t);
	assert_int_equal(telling_fds(s.t, fds), 1);
	telling_notify(s.t, "RELOADING=1");
	assert_string_equal(heard(fd), "RELOADING=1");
	telling_serve(s.t, 100 * SECOND, 1764000000 * SECOND); /* no board has been posted */
	assert_string_equal(heard(fd), "");
	board_post(&s.workers[0], &(struct figures){ .packets = 1 });
	board_post(&s.hub, &(struct figures){ .packets = 1 }); /* the second worker does not run yet */
	telling_serve(s.t, 100 * SECOND, 1764000000 * SECOND);
	assert_string_equal(heard(fd), "");
	post_all(&s, 1);
	telling_serve(s.t, 101 * SECOND, 1764000000 * SECOND);
	assert_string_equal(heard(fd), "READY=1");
	assert_string_equal(heard(fd), "WATCHDOG=1");
	post_all(&s, 1);
	telling_serve(s.t, 110 * SECOND, 1764000000 * SECOND);
	assert_string_equal(heard(fd), "");
	telling_serve(s.t, 111 * SECOND, 1764000000 * SECOND);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	struct figures f = { .packets = 1 };
	board_post(&s.workers[0], &f);
	board_post(&s.hub, &f); /* the second worker hangs */
	for (uint64_t now = 121; now < 200; now++)
		telling_serve(s.t, now * SECOND, 1764000000 * SECOND);
	assert_string_equal(heard(fd), "");
	board_post(&s.workers[1], &f);
	telling_serve(s.t, 200 * SECOND, 1764000000 * SECOND);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	telling_free(s.t);
	unlink(s.file);
	unlink(at);
	close(fd);
	close(s.log.fd);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

static void environment(void **state)
{
	(void)state;
	char own[32];
	assert_int_equal(notify_open(), -1);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	assert_int_equal(notify_open(), -1);
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	assert_int_equal(notify_open(), -1);
	unsetenv("NOTIFY_SOCKET");
	notify_send(-1, "READY=1");
	assert_true(notify_watchdog_ns() == 0);
	setenv("WATCHDOG_USEC", "5000000", 1);
	assert_true(notify_watchdog_ns() == 5 * SECOND);
	setenv("WATCHDOG_PID", "1", 1);
	assert_true(notify_watchdog_ns() == 0);
	snprintf(own, sizeof own, "%d", (int)getpid());
	setenv("WATCHDOG_PID", own, 1);
	assert_true(notify_watchdog_ns() == 5 * SECOND);
	setenv("WATCHDOG_USEC", "much", 1);
	assert_true(notify_watchdog_ns() == 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* Of a worker and a hub that have read a capture. */
static void of_threads(void **state)
{
	(void)state;
	struct diag d = { 0 };
	static const char *const paths[] = { WW_SOURCE_DIR "/policies" };
	struct policy *p = policy_load(paths, 1, &d);
	assert_non_null(p);
	struct run_line *l = run_line_new(p, policy_fingerprints(p));
	struct figures f;
	run_line_capture(l, WW_SOURCE_DIR "/pcaps/hl7/adt.pcap");
	figures_of_worker(&f, &l->worker);
	assert_true(f.packets > 10 && f.counters.packets == f.packets);
	assert_true(f.used[TABLE_FLOWS] > 0 && f.ring_used == 0 && f.ring_bytes == l->limits.ring_kib << 10);
	figures_of_hub(&f, &l->hub);
	assert_true(f.used[TABLE_DEVICES] > 0 && f.counters.packets == 0);
	assert_string_equal(figure_table_name(TABLE_STREAM_MIB), "stream_total_mib");
	assert_true(figure_table_limit(TABLE_STATES, &l->limits) == l->limits.states);
	run_line_finish(l);
	run_line_free(l);
	policy_free(p);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(board_threads),
		cmocka_unit_test(told),
		cmocka_unit_test(refused),
		cmocka_unit_test(watchdog),
		cmocka_unit_test(environment),
		cmocka_unit_test(of_threads),
	};
	if (!mkdtemp(dir))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed != 0;
}
