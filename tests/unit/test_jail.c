/* The jail: what it says when it cannot be made, and that the sensor's parts work in it. Each case is a
 * process of its own; what the jail refuses is in tests/e2e/jail.py. */
#include "decide/policy.h"
#include "run/confine.h"
#include "run/jail.h"
#include "run/log.h"
#include "run/metrics.h"
#include "run/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH = 128 };

static char folder[64];

/* Exit statuses of the processes. */
enum { FINE, NO_JAIL, NO_THREAD, WRONG };

static bool enter(const struct jail *j)
{
	struct diag d = { 0 };
	bool in = jail_process(j, &d);
	if (!in)
		diag_print(&d, stderr, true);
	diag_free(&d);
	return in;
}

/* _exit: what the parent has open, its leak search too, is its own. */
static int in_a_process(int (*fn)(void))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/ward-jail.XXXXXX");
	/* Whoever root becomes has to be able to write there. */
	return mkdtemp(folder) && chmod(folder, 0777) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	char command[PATH];
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

/* ---- what works in it ----------------------------------------------------------------------------- */

static bool write_store(const char *path)
{
	struct diag d = { 0 };
	struct store_run run = { .packets = 1 };
	struct store_record r = { .kind = STORE_DEVICE,
		.id = "dev-aaaaaaaaaa",
		.document = bytes_str("{\"device\":{\"id\":\"dev-aaaaaaaaaa\"}}"),
		.state = bytes_str("state") };
	struct store *s = store_open(path, &d);
	bool done = s && store_begin(s) && store_put(s, &r) && store_commit(s, &run);
	if (s && !done)
		fprintf(stderr, "%s\n", store_error(s));
	diag_print(&d, stderr, true);
	diag_free(&d);
	store_close(s);
	return done;
}

static void *ship(void *result)
{
	char path[PATH];
	int *code = result;
	struct log log;
	*code = NO_THREAD;
	if (!jail_thread(JAIL_SHIPPER))
		return NULL;
	*code = WRONG;
	log_init(&log);
	log_info(&log, "a line");
	snprintf(path, sizeof path, "%s/store.db", folder);
	if (!write_store(path) || !write_store(path))
		return NULL;
	snprintf(path, sizeof path, "%s/ward.prom", folder);
	if (metrics_file(path, bytes_str("a 1\n")) && metrics_file(path, bytes_str("a 2\n")))
		*code = log.lost ? WRONG : FINE;
	return NULL;
}

static void *reload(void *result)
{
	static const char *const paths[] = { WW_SOURCE_DIR "/policies" };
	int *code = result;
	struct diag d = { 0 };
	struct policy_options o = { 0 };
	*code = NO_THREAD;
	if (!jail_thread(JAIL_SHIPPER))
		return NULL;
	struct policy *p = policy_load_with(&o, paths, 1, &d);
	*code = p && d.errors == 0 && policy_rules(p) > 10 ? FINE : WRONG;
	if (p)
		policy_free(p);
	diag_free(&d);
	return NULL;
}

/* Threads made by a main thread that has its filter already. */
static int run_parts(void)
{
	static void *(*const parts[])(void *) = { ship, reload };
	const struct jail_path paths[] = { { folder, JAIL_WRITE }, { WW_SOURCE_DIR "/policies", JAIL_READ } };
	struct jail j = { .user = "", .paths = paths, .n_paths = 2 };
	if (!enter(&j) || !jail_thread(JAIL_MAIN))
		return NO_JAIL;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		pthread_t t;
		int code = WRONG;
		if (pthread_create(&t, NULL, parts[i], &code) != 0 || pthread_join(t, NULL) != 0 || code)
			return code ? code : WRONG;
	}
	return FINE;
}

static void store_metrics_and_policies_work_in_it(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(run_parts), FINE);
}

static int guard_the_most(void)
{
	int captures[JAIL_CAPTURES_MOST];
	for (int i = 0; i < JAIL_CAPTURES_MOST; i++)
		captures[i] = 3 + i;
	struct jail j = { .user = "", .captures = captures, .n_captures = JAIL_CAPTURES_MOST };
	return enter(&j) && jail_thread(JAIL_WORKER) ? FINE : NO_JAIL;
}

static void as_many_captures_as_promised_fit_the_filter(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(guard_the_most), FINE);
}

/* 0 or an errno; name is in the folder. */
static int opened(const char *name, int flags)
{
	char path[PATH];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, flags | O_CLOEXEC, 0600), error = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return error;
}

static int be_confined(void)
{
	char paths[6][PATH];
	static const char *const names[] = { "rules", "single/rules.yml", "out", "state/s.db",
		"metrics/w.prom", "socket/s.sock" };
	for (size_t i = 0; i < 6; i++)
		snprintf(paths[i], PATH, "%s/%s", folder, names[i]);
	const char *const policies[] = { paths[0], paths[1] };
	struct diag d = { 0 };
	struct confine c = { .user = "",
		.policies = policies,
		.n_policies = 2,
		.output = paths[2],
		.state = paths[3],
		.metrics_file = paths[4],
		.socket = paths[5] };
	if (!confine(&c, &d)) {
		diag_print(&d, stderr, true);
		return NO_JAIL;
	}
	diag_free(&d);
	const int make = O_WRONLY | O_CREAT;
	bool fine = opened("rules/a.yml", O_RDONLY) == ENOENT && opened("single/b.yml", O_RDONLY) == ENOENT &&
		    opened("out/alerts.jsonl", make) == 0 && opened("state/s.db-wal", make) == 0 &&
		    opened("metrics/w.prom.new", make) == 0 && unlink(paths[5]) == 0;
	bool fenced = opened("rules/new", make) == EACCES && opened("single/new", make) == EACCES &&
		      opened("socket/new", make) == EACCES && opened("other/file", O_RDONLY) == EACCES &&
		      opened("new", make) == EACCES;
	return fine && fenced ? FINE : WRONG;
}

static void a_configured_sensor_reaches_its_own_alone(void **state)
{
	static const char *const folders[] = { "rules", "single", "out", "state", "metrics", "socket",
		"other" };
	char path[PATH];
	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) < 1) {
		print_message("this kernel has no Landlock\n");
		skip();
	}
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(chmod(path, 0777), 0);
	}
	assert_int_equal(opened("socket/s.sock", O_WRONLY | O_CREAT), 0);
	assert_int_equal(opened("other/file", O_WRONLY | O_CREAT), 0);
	assert_int_equal(opened("single/rules.yml", O_WRONLY | O_CREAT), 0);
	assert_int_equal(in_a_process(be_confined), FINE);
}

/* ---- what it says --------------------------------------------------------------------------------- */

/* FINE: it says so and is not entered. */
static int says(const struct jail *j, const char *what)
{
	struct diag d = { 0 };
	bool in = jail_process(j, &d), said = false;
	for (size_t i = 0; i < d.n; i++)
		said = said || (d.messages[i].level == DIAG_ERROR && strstr(d.messages[i].text, what));
	if (!said)
		diag_print(&d, stderr, true);
	return in || !said || d.errors == 0 ? WRONG : FINE;
}

static int no_such_user(void)
{
	return says(&(struct jail){ .user = "no-such-user" }, "there is no user no-such-user");
}

static int user_root(void)
{
	return says(&(struct jail){ .user = "root" }, "unprivileged user, not root");
}

static int folder_missing(void)
{
	const struct jail_path p = { "/nonexistent/out", JAIL_WRITE };
	return says(&(struct jail){ .user = "", .paths = &p, .n_paths = 1 }, "No such file or directory");
}

static int folder_of_another(void)
{
	const struct jail_path p = { "/usr", JAIL_WRITE };
	return says(&(struct jail){ .user = "", .paths = &p, .n_paths = 1 }, "cannot be written by the user");
}

/* Only where there are filters. */
static int too_many_captures(void)
{
	static const int captures[JAIL_CAPTURES_MOST + 1];
	return JAIL_SANITIZED ? FINE
			      : says(&(struct jail){ .user = "",
					     .captures = captures,
					     .n_captures = JAIL_CAPTURES_MOST + 1 },
					"are too many to guard");
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	assert_int_equal(in_a_process(no_such_user), FINE);
	assert_int_equal(in_a_process(user_root), FINE);
	assert_int_equal(in_a_process(folder_missing), FINE);
	assert_int_equal(in_a_process(folder_of_another), FINE);
	assert_int_equal(in_a_process(too_many_captures), FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(store_metrics_and_policies_work_in_it),
		cmocka_unit_test(a_configured_sensor_reaches_its_own_alone),
		cmocka_unit_test(as_many_captures_as_promised_fit_the_filter),
		cmocka_unit_test(what_is_wrong_is_said),
	};
	int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
	return failed != 0;
}
