/* run/rotation, and run/outfile with it: which file becomes which, when, and that no line is lost or cut. */
#include "run/outfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[64];
static struct mask *mask;

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static unsigned n;
	char *path = paths[n++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* NULL: there is no such file. */
static void holds(const char *name, const char *text)
{
	char found[4096] = "";
	FILE *f = fopen(path_of(name), "r");
	if (f) {
		found[fread(found, 1, sizeof found - 1, f)] = 0;
		fclose(f);
	}
	if (text)
		assert_string_equal(found, text);
	assert_int_equal(f != NULL, text != NULL);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/test_rotation.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "a", "a.1/x", "a.1", "a.2", "a.3", "a.4" };
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void)remove(path_of(names[i]));
	return rmdir(folder);
}

static void shifts(void **state)
{
	const struct rotation three = { .keep = 3 }, one = { .keep = 1 }, none = { .keep = 0 };
	(void)state;
	for (char c[2] = "1"; *c <= '5'; ++*c) {
		put("a", c);
		assert_true(rotation_shift(&three, path_of("a")));
		holds("a", NULL);
	}
	holds("a.1", "5");
	holds("a.2", "4");
	holds("a.3", "3");
	holds("a.4", NULL);
	put("a", "6");
	assert_true(rotation_shift(&one, path_of("a"))); /* fewer than before: those beyond stay */
	holds("a.1", "6");
	holds("a.2", "4");
	put("a", "7");
	assert_true(rotation_shift(&none, path_of("a")));
	holds("a", NULL);
	holds("a.1", "6");
	assert_int_equal(remove(path_of("a.2")), 0);
	put("a", "8");
	assert_true(rotation_shift(&three, path_of("a"))); /* into the hole */
	holds("a.1", "8");
	holds("a.2", "6");
	holds("a.3", "3");
}

static void when(void **state)
{
	const struct rotation never = { .keep = 3 }, large = { .bytes = 10 }, old = { .age_ms = 1000 };
	(void)state;
	put("a", "123456789");
	int fd = open(path_of("a"), O_WRONLY | O_APPEND);
	assert_false(rotation_is_due(&never, fd, 0, UINT64_MAX));
	assert_false(rotation_is_due(&large, fd, 0, UINT64_MAX));
	assert_int_equal(write(fd, "0", 1), 1);
	assert_true(rotation_is_due(&large, fd, 0, 0));
	assert_false(rotation_is_due(&old, fd, 5000, 5999));
	assert_true(rotation_is_due(&old, fd, 5000, 6000));
	assert_false(rotation_is_due(&old, fd, 5000, 1000)); /* the clock was set back */
	/* What was there before is as old as it is, something new is not. */
	uint64_t now = (uint64_t)time(NULL) * 1000, begun = rotation_begun(fd, now + 86400000);
	assert_true(begun == now + 86400000 || (begun + 60000 > now && begun < now + 60000));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_false(rotation_is_due(&old, fd, 0, UINT64_MAX)); /* nothing in it */
	assert_int_equal(rotation_begun(fd, 77), 77);
	close(fd);
}

/* Thousands of lines through an output: each is in one of the files, whole, in order. */
static void lines(void **state)
{
	const struct rotation r = { .bytes = 64, .keep = 4 };
	struct outfile o;
	char line[32], want[4096] = "";
	uint64_t now = 1000;
	(void)state;
	assert_true(outfile_open_live(&o, folder, "a", &(struct outfile_live){ r, 64 }, now));
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(line, sizeof line, "{\"line\":%u}", i);
		assert_true(outfile_put(&o, bytes_str(line), mask));
		if (i % 10 == 9) {
			assert_true(outfile_flush(&o));
			assert_true(outfile_rotate(&o, ++now));
		}
	}
	for (unsigned k = 4; k > 0; k--) {
		char name[8];
		want[0] = 0;
		for (unsigned i = 5000 - 10 * k; i < 5010 - 10 * k; i++)
			snprintf(want + strlen(want), sizeof want - strlen(want), "{\"line\":%u}\n", i);
		snprintf(name, sizeof name, "a.%u", k);
		holds(name, want);
	}
	holds("a", "");
	outfile_close(&o);
}

/* Where a name cannot be had the old file goes on, and it is tried again a minute later. */
static void in_the_way(void **state)
{
	const struct rotation r = { .bytes = 1, .keep = 1 };
	struct outfile o;
	(void)state;
	assert_int_equal(mkdir(path_of("a.1"), 0700), 0);
	put("a.1/x", "");
	assert_true(outfile_open_live(&o, folder, "a", &(struct outfile_live){ r, 64 }, 0));
	assert_true(outfile_put(&o, bytes_str("1"), mask) && outfile_flush(&o));
	assert_false(outfile_rotate(&o, 1000));
	assert_true(outfile_put(&o, bytes_str("2"), mask) && outfile_flush(&o));
	assert_true(outfile_rotate(&o, 60999));
	holds("a", "1\n2\n");
	assert_int_equal(remove(path_of("a.1/x")) + remove(path_of("a.1")), 0);
	assert_true(outfile_rotate(&o, 61000));
	holds("a", "");
	holds("a.1", "1\n2\n");
	outfile_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shifts, setup, teardown),
		cmocka_unit_test_setup_teardown(when, setup, teardown),
		cmocka_unit_test_setup_teardown(lines, setup, teardown),
		cmocka_unit_test_setup_teardown(in_the_way, setup, teardown),
	};
	struct limits limits;
	struct privacy_key key;
	limits_default(&limits);
	privacy_key_init(&key, bytes_str("test"), false);
	mask = mask_new(&key, &limits);
	if (!mask)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	mask_free(mask);
	return failed != 0;
}
