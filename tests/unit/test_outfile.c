/* Lines of a live sensor: over a ring to the thread that waits for the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/outfile.h"

enum { RING_KIB = 64, LINE = 1000 };

struct scene {
	char folder[64], path[96];
	struct outfile file;
	struct mask *mask;
};

static void begin(struct scene *s)
{
	static const struct privacy_key key = { 0 };
	struct limits l;
	limits_default(&l);
	snprintf(s->folder, sizeof s->folder, "/tmp/ww-filer-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof s->path, "%s/a", s->folder);
	s->mask = mask_new(&key, &l);
	assert_true(outfile_open_live(
		&s->file, s->folder, "a", &(struct outfile_live){ .ring_kib = RING_KIB }, 0));
}

static void end(struct scene *s)
{
	outfile_close(&s->file);
	mask_free(s->mask);
	unlink(s->path);
	rmdir(s->folder);
}

static off_t size_of(const struct scene *s)
{
	struct stat st;
	assert_int_equal(stat(s->path, &st), 0);
	return st.st_size;
}

/* Who puts a line in never writes: a disk that hangs is the other thread's. */
static void waits_in_the_ring(void **state)
{
	struct scene s;
	char line[LINE];
	(void)state;
	begin(&s);
	memset(line, 'x', sizeof line);
	for (unsigned i = 0; i < 10; i++)
		assert_true(outfile_put(&s.file, bytes_of(line, sizeof line), s.mask));
	assert_int_equal(size_of(&s), 0);
	assert_true(outfile_flush(&s.file));
	assert_int_equal(size_of(&s), 10 * (LINE + 1));
	assert_int_equal(s.file.lost, 0);
	end(&s);
}

static void full_ring_loses_whole_lines(void **state)
{
	struct scene s;
	char line[LINE];
	(void)state;
	begin(&s);
	memset(line, 'x', sizeof line);
	for (unsigned i = 0; i < 100; i++)
		assert_true(outfile_put(&s.file, bytes_of(line, sizeof line), s.mask));
	assert_true(s.file.lost > 30 && s.file.lost < 40);
	assert_true(outfile_flush(&s.file));
	assert_int_equal(size_of(&s), (off_t)((100 - s.file.lost) * (LINE + 1)));
	assert_true(outfile_put(&s.file, bytes_str("y"), s.mask) && outfile_flush(&s.file));
	assert_int_equal(size_of(&s), (off_t)((100 - s.file.lost) * (LINE + 1) + 2));
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_in_the_ring),
		cmocka_unit_test(full_ring_loses_whole_lines),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
