/* The store: what is put is given back; damage, other versions and a full disk are said. With a path it
 * writes saves for ever, for tests/e2e/store.py: each is 400 devices with the number of the save as model,
 * which is printed once it is there. */
#include "run/outbox.h"
#include "run/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEVICES = 400, PATH = 128 };

struct folder {
	char dir[64], path[PATH];
	struct diag diag;
};

static int setup(void **state)
{
	struct folder *f = calloc(1, sizeof *f);
	if (!f)
		return -1;
	snprintf(f->dir, sizeof f->dir, "/tmp/ward-store.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/s.db", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct folder *f = *state;
	char command[PATH];
	diag_free(&f->diag);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	int gone = system(command);
	free(f);
	return gone;
}

static bool put(struct store *s, unsigned n, const char *model)
{
	char document[512];
	struct store_record r = { .kind = STORE_DEVICE, .order = n, .first_ns = 1, .last_ns = 1000 + n };
	snprintf(r.id, sizeof r.id, "dev-%010u", n);
	snprintf(document, sizeof document,
		"{\"device\":{\"id\":\"%s\",\"model\":{\"name\":\"%s\"}},\"host\":{\"ip\":[\"10.0.0.%u\"]},"
		"\"wardwatch\":{\"attributes\":{\"model\":{\"value\":\"%s\",\"source\":\"dicom\",\"packet\":%"
		"u,"
		"\"confidence\":90,\"first\":\"2026-03-01T08:00:00.000000Z\",\"last\":"
		"\"2026-03-01T08:00:00.000000Z\"}},\"device\":{\"type\":\"imaging_ct\",\"last_seen\":"
		"\"2026-03-01T08:00:00.000000Z\"}}}",
		r.id, model, n, model, n + 1);
	r.document = bytes_str(document);
	r.state = bytes_str(model);
	return store_put(s, &r);
}

static bool save(struct store *s, const char *model, bool whole)
{
	struct store_run run = {
		.packets = store_packets(s) + 7, .first_ns = 1, .last_ns = 2, .whole = whole
	};
	bool fine = store_begin(s);
	for (unsigned i = 0; i < DEVICES; i++)
		fine = fine && put(s, i, model);
	return fine && store_commit(s, &run);
}

static void count(void *arg, const char *name, struct bytes state)
{
	(void)name;
	*(size_t *)arg += state.n > 0;
}

static size_t records(struct store *s, enum store_kind kind)
{
	size_t n = 0;
	assert_true(store_each(s, kind, count, &n));
	return n;
}

static long long ask(const struct folder *f, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *q;
	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	long long v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return v;
}

static void change(const struct folder *f, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void comes_back(void **state)
{
	struct folder *f = *state;
	struct stat st;
	struct store *s = store_open(f->path, &f->diag);
	assert_non_null(s);
	assert_int_equal(store_packets(s), 0);
	assert_true(save(s, "A", true));
	struct store_record b = {
		.kind = STORE_BASELINE, .name = "peers", .key = bytes_str("k"), .state = bytes_str("v")
	};
	struct store_run run = { .packets = 9 };
	assert_true(store_begin(s) && store_put(s, &b) && store_commit(s, &run));
	store_close(s);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	s = store_open(f->path, &f->diag);
	assert_non_null(s);
	assert_int_equal(store_packets(s), 9);
	assert_int_equal(records(s, STORE_DEVICE), DEVICES);
	assert_int_equal(records(s, STORE_BASELINE), 1);
	/* A second one must not write the same file. */
	assert_null(store_open(f->path, &f->diag));
	assert_int_equal(f->diag.errors, 1);
	store_close(s);
}

static void history(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save(s, "A", true));
	assert_true(save(s, "A", false));
	assert_int_equal(ask(f, "SELECT count(*) FROM history"), 0);
	assert_true(save(s, "B", false));
	assert_int_equal(
		ask(f, "SELECT count(*) FROM history WHERE attribute = 'model' AND value = 'A'"), DEVICES);
	assert_int_equal(
		ask(f, "SELECT count(*) FROM attributes WHERE value = 'B' AND run = 1 AND packet > 0"),
		DEVICES);
	/* It was somebody's name: it is gone from the file. */
	assert_true(save(s, "C [masked]", false));
	assert_int_equal(ask(f, "SELECT count(*) FROM history WHERE value = 'B'"), 0);
	struct store_record gone = { .kind = STORE_GONE, .id = "dev-0000000003" };
	struct store_run run = { .packets = 9 };
	assert_true(store_begin(s) && store_put(s, &gone) && store_commit(s, &run));
	assert_int_equal(records(s, STORE_DEVICE), DEVICES - 1);
	assert_int_equal(ask(f, "SELECT count(*) FROM addresses WHERE address = '10.0.0.3'"), 0);
	/* A whole save without a device lets it go. */
	assert_true(store_begin(s) && put(s, 1, "D"));
	run.whole = true;
	assert_true(store_commit(s, &run));
	assert_int_equal(ask(f, "SELECT count(*) FROM devices"), 1);
	store_close(s);
}

/* A device whose document is given whole. */
static bool save_document(struct store *s, const char *document)
{
	struct store_record r = {
		.kind = STORE_DEVICE, .id = "dev-0000000001", .document = bytes_str(document)
	};
	struct store_run run = { .packets = store_packets(s) + 9, .first_ns = 1, .last_ns = 2 };
	return store_begin(s) && store_put(s, &r) && store_commit(s, &run);
}

#define AE(value, packet, last)                                                                              \
	"{\"wardwatch\":{\"attributes\":{\"ae_title\":{\"confidence\":[80,70],\"first\":[\"1\",\"2\"],"      \
	"\"last\":[\"" last "\",\"2\"],\"packet\":[" packet ",8],\"source\":[\"dicom\",\"hl7\"],"            \
	"\"value\":[\"" value "\",\"A\\\\B\\\"\"]},\"tls\":{\"subject\":{\"value\":\"CN=x\"}}}}}"

/* Only what differs is written, and of another run's values the packet stays. */
static void only_what_differs(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save_document(s, AE("ONE", "5", "3")));
	assert_int_equal(
		ask(f, "SELECT count(*) FROM attributes WHERE attribute = 'ae_title' AND value = 'A\\B\"'"
		       " AND source = 'hl7' AND confidence = 70 AND packet = 8 AND last_seen = '2'"),
		1);
	assert_int_equal(ask(f, "SELECT count(*) FROM attributes WHERE attribute = 'tls.subject' AND"
				" value = 'CN=x' AND source IS NULL AND run IS NULL"),
		1);
	store_close(s);
	s = store_open(f->path, &f->diag);
	assert_true(save_document(s, AE("ONE", "0", "4")));
	assert_int_equal(
		ask(f, "SELECT count(*) FROM attributes WHERE value = 'ONE' AND run = 1 AND packet = 5"
		       " AND last_seen = '4' AND save = 2"),
		1);
	assert_int_equal(ask(f, "SELECT count(*) FROM attributes WHERE save = 1"), 2);
	assert_true(save_document(s, AE("TWO", "6", "4")));
	assert_int_equal(ask(f, "SELECT count(*) FROM history WHERE attribute = 'ae_title' AND value IS NULL"
				" AND run = 1 AND packet = 5 AND last_seen = '4'"),
		1); /* it is a private one */
	assert_int_equal(ask(f, "SELECT count(*) FROM history"), 1);
	assert_int_equal(
		ask(f, "SELECT count(*) FROM attributes WHERE run = 2 AND packet = 6 AND value = 'TWO'"), 1);
	assert_int_equal(ask(f, "SELECT count(*) FROM attributes"), 3);
	store_close(s);
}

/* An id that another device has by now. */
static void gone_and_there(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save(s, "A", true));
	struct store_record gone = { .kind = STORE_GONE, .id = "dev-0000000003" };
	struct store_run run = { .packets = 9 };
	assert_true(store_begin(s) && store_put(s, &gone) && put(s, 3, "B") && store_commit(s, &run));
	assert_int_equal(ask(f, "SELECT count(*) FROM devices WHERE model = 'B'"), 1);
	assert_int_equal(records(s, STORE_DEVICE), DEVICES);
	store_close(s);
}

/* A save that is over before it was written: devices are whole, as they are now or as they were. */
static void no_time(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save(s, "A", true));
	store_until(s, 1);
	assert_false(save(s, "B", false));
	assert_true(strstr(store_error(s), "no time") != NULL);
	assert_int_equal(ask(f, "SELECT count(*) FROM devices WHERE model IN ('A', 'B')"), DEVICES);
	assert_int_equal(ask(f, "SELECT count(*) FROM devices WHERE model = 'A'"), DEVICES - 1);
	store_until(s, UINT64_MAX);
	assert_true(save(s, "C", false));
	assert_int_equal(ask(f, "SELECT count(*) FROM devices WHERE model = 'C'"), DEVICES);
	store_close(s);
}

struct other {
	const struct folder *f;
	_Atomic bool over;
	unsigned writes;
};

static void *write_too(void *arg)
{
	struct other *o = arg;
	sqlite3 *db;
	if (sqlite3_open(o->f->path, &db) != SQLITE_OK)
		return NULL;
	while (!o->over) {
		o->writes += sqlite3_exec(db, "BEGIN IMMEDIATE; COMMIT", NULL, NULL, NULL) == SQLITE_OK;
		usleep(500);
	}
	sqlite3_close(db);
	return NULL;
}

/* A long save lets others write in between: the outbox (outbox.h). */
static void others_write(void **state)
{
	enum { MANY = 12000 };
	struct folder *f = *state;
	struct other o = { .f = f };
	pthread_t thread;
	struct store_run run = { .packets = 1 };
	struct store *s = store_open(f->path, &f->diag);
	assert_true(store_begin(s));
	for (unsigned i = 0; i < MANY; i++)
		assert_true(put(s, i, "A"));
	assert_int_equal(pthread_create(&thread, NULL, write_too, &o), 0);
	assert_true(store_commit(s, &run));
	o.over = true;
	pthread_join(thread, NULL);
	assert_int_equal(records(s, STORE_DEVICE), MANY);
	assert_true(o.writes >= 5);
	store_close(s);
}

static void unfinished(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save(s, "A", true));
	assert_true(store_begin(s) && put(s, 1, "B"));
	store_close(s);
	assert_int_equal(ask(f, "SELECT count(*) FROM devices WHERE model = 'A'"), DEVICES);
}

static void full_disk(void **state)
{
	struct folder *f = *state;
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save(s, "A", true));
	struct rlimit old, small;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 16384;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool fine = save(s, "B", false);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_false(fine);
	assert_true(strstr(store_error(s), f->path) != NULL);
	assert_int_equal(ask(f, "SELECT count(*) FROM devices WHERE model = 'A'"), DEVICES);
	assert_true(save(s, "C", false)); /* there is room again */
	store_close(s);
}

static void versions(void **state)
{
	struct folder *f = *state;
	store_close(store_open(f->path, &f->diag));
	change(f, "PRAGMA user_version = 99");
	assert_null(store_open(f->path, &f->diag));
	assert_true(strstr(f->diag.messages[0].text, "newer") != NULL);
	diag_free(&f->diag);
	change(f, "PRAGMA user_version = 1; PRAGMA application_id = 7");
	assert_null(store_open(f->path, &f->diag));
	assert_true(strstr(f->diag.messages[0].text, "no state of wardwatch") != NULL);
}

/* A file from before there was an outbox keeps what is in it. */
static void older(void **state)
{
	struct folder *f = *state;
	struct outbox_setup none = { .n_outputs = 0 };
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save(s, "A", true));
	store_close(s);
	change(f, "DROP TABLE outbox; DROP TABLE outbox_outputs; DROP TABLE outbox_floors;"
		  "DROP TABLE outbox_losses; DROP TABLE outbox_last; PRAGMA user_version = 1");
	s = store_open(f->path, &f->diag);
	assert_non_null(s);
	assert_int_equal(f->diag.n, 0);
	assert_int_equal(records(s, STORE_DEVICE), DEVICES);
	assert_int_equal(ask(f, "PRAGMA user_version"), STORE_VERSION);
	struct outbox *o = outbox_open(f->path, &none, &f->diag);
	assert_non_null(o);
	outbox_close(o);
	store_close(s);
}

static void damage(void **state)
{
	struct folder *f = *state;
	char aside[PATH + 32];
	for (unsigned round = 1; round <= 4; round++) {
		struct store *s = store_open(f->path, &f->diag);
		assert_non_null(s);
		for (unsigned i = 0; i < 8; i++)
			assert_true(save(s, "A", true));
		store_close(s);
		struct stat st;
		assert_int_equal(stat(f->path, &st), 0);
		int fd = open(f->path, O_RDWR);
		if (round == 1) /* cut */
			assert_int_equal(ftruncate(fd, st.st_size / 2 + 100), 0);
		for (off_t at = round == 2 ? 16 : 4096;
			/* behind what makes it a database */ round > 1 && at < st.st_size;
			at += round == 4 ? 4096 : 7)
			assert_int_equal(pwrite(fd, "\x9c\x03", 2, at), 2);
		close(fd);
		snprintf(aside, sizeof aside, "%s-wal", f->path); /* of one that was killed */
		fd = open(aside, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(pwrite(fd, "log", 3, 4000), 3);
		close(fd);
		s = store_open(f->path, &f->diag);
		assert_non_null(s);
		assert_int_equal(f->diag.errors, 0);
		assert_int_equal(f->diag.n, round);
		snprintf(aside, sizeof aside, "%s.damaged-%u", f->path, round);
		assert_int_equal(access(aside, F_OK), 0);
		snprintf(aside, sizeof aside, "%s.damaged-%u-wal", f->path, round);
		assert_int_equal(stat(aside, &st), 0);
		assert_int_equal(st.st_size, 4003);
		assert_int_equal(records(s, STORE_DEVICE), 0);
		assert_true(save(s, "A", true));
		store_close(s);
	}
}

/* Somebody else's file, named by mistake. */
static void no_database(void **state)
{
	struct folder *f = *state;
	static const char *const texts[] = { "x", "SQLite format",
		"patients.csv: not to be touched at all\n" };
	char back[64], aside[sizeof f->path + 16];
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		FILE *file = fopen(f->path, "w");
		fputs(texts[i], file);
		fclose(file);
		assert_null(store_open(f->path, &f->diag));
		assert_int_equal(f->diag.errors, i + 1);
		assert_non_null(strstr(f->diag.messages[i].text, "left as it is"));
		file = fopen(f->path, "r");
		back[fread(back, 1, sizeof back - 1, file)] = 0;
		fclose(file);
		assert_string_equal(back, texts[i]);
		snprintf(aside, sizeof aside, "%s.damaged-1", f->path);
		assert_int_not_equal(access(aside, F_OK), 0);
	}
}

/* A file that was made for nothing goes; one that was there, or holds something, stays. */
static void unused(void **state)
{
	struct folder *f = *state;
	char beside[sizeof f->path + 16];
	store_close_tidily(store_open(f->path, &f->diag));
	static const char *const all[] = { "", "-wal", "-shm" };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		snprintf(beside, sizeof beside, "%s%s", f->path, all[i]);
		assert_int_not_equal(access(beside, F_OK), 0);
	}
	close(open(f->path, O_WRONLY | O_CREAT, 0600));
	store_close_tidily(store_open(f->path, &f->diag));
	assert_int_equal(access(f->path, F_OK), 0);
	unlink(f->path);
	struct store *s = store_open(f->path, &f->diag);
	assert_true(save(s, "A", true));
	store_close_tidily(s);
	assert_int_equal(access(f->path, F_OK), 0);
	assert_int_equal(f->diag.errors, 0);
}

static void no_folder(void **state)
{
	struct folder *f = *state;
	assert_null(store_open("/no/such/folder/s.db", &f->diag));
	assert_int_equal(f->diag.errors, 1);
}

static int write_for_ever(const char *path)
{
	struct diag d = { 0 };
	struct store *s = store_open(path, &d);
	char model[32];
	diag_print(&d, stderr, true);
	for (unsigned n = 1; s; n++) {
		snprintf(model, sizeof model, "save %u", n);
		if (!save(s, model, n == 1))
			break;
		printf("%u\n", n);
		fflush(stdout);
	}
	return 1;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return write_for_ever(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(history, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_differs, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_and_there, setup, teardown),
		cmocka_unit_test_setup_teardown(no_time, setup, teardown),
		cmocka_unit_test_setup_teardown(others_write, setup, teardown),
		cmocka_unit_test_setup_teardown(unfinished, setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(versions, setup, teardown),
		cmocka_unit_test_setup_teardown(older, setup, teardown),
		cmocka_unit_test_setup_teardown(damage, setup, teardown),
		cmocka_unit_test_setup_teardown(no_database, setup, teardown),
		cmocka_unit_test_setup_teardown(unused, setup, teardown),
		cmocka_unit_test_setup_teardown(no_folder, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
