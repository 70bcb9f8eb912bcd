#include "run/rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t rotation_begun(int fd, uint64_t now_ms)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_SIZE, &st) != 0 || st.stx_size == 0 ||
		!(st.stx_mask & STATX_BTIME) || st.stx_btime.tv_sec < 0)
		return now_ms;
	return (uint64_t)st.stx_btime.tv_sec * 1000 + st.stx_btime.tv_nsec / 1000000;
}

bool rotation_is_due(const struct rotation *r, int fd, uint64_t begun_ms, uint64_t now_ms)
{
	struct stat st;
	if ((r->bytes == 0 && r->age_ms == 0) || fstat(fd, &st) != 0 || st.st_size <= 0)
		return false;
	return (r->bytes && (uint64_t)st.st_size >= r->bytes) ||
	       (r->age_ms && now_ms > begun_ms && now_ms - begun_ms >= r->age_ms);
}

static char *numbered(const char *path, uint64_t number)
{
	char *name;
	int n = number ? asprintf(&name, "%s.%" PRIu64, path, number) : asprintf(&name, "%s", path);
	if (n >= 0)
		return name;
	errno = ENOMEM;
	return NULL;
}

/* How many there are without a hole: a hole ends what has to move. */
static uint64_t in_a_row(const struct rotation *r, const char *path)
{
	uint64_t n = 0;
	bool is_there = true;
	while (is_there && n < r->keep && n < ROTATION_KEEP_MOST) {
		char *name = numbered(path, n + 1);
		struct stat st;
		is_there = name && lstat(name, &st) == 0;
		free(name);
		n += is_there;
	}
	return n;
}

bool rotation_shift(const struct rotation *r, const char *path)
{
	if (r->keep == 0)
		return unlink(path) == 0;
	uint64_t last = in_a_row(r, path);
	if (last == r->keep || last == ROTATION_KEEP_MOST)
		last--;
	bool done = true;
	for (uint64_t i = last + 1; done && i-- > 0;) {
		char *from = numbered(path, i), *to = numbered(path, i + 1);
		done = from && to && rename(from, to) == 0;
		int why = errno;
		free(from);
		free(to);
		errno = why;
	}
	return done;
}
