#include "packet/source.h"

#include "base/assert.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	STEP_FIRST = 4096,
	STEP_MOST = 256 * 1024,
	WINDOW = SOURCE_MOST + STEP_MOST,
	PACKED = 64 * 1024, /* compressed bytes read at once */
	ARENA = 64 * 1024,  /* zlib: its state (7 KiB) and its window (32 KiB) */
	MAPPED = WINDOW + PACKED + ARENA,
};

/* zlib's memory is ours, so that nothing reaches the heap after start. */
static void *arena_get(void *opaque, unsigned items, unsigned size)
{
	struct source *s = opaque;
	size_t n = ((size_t)items * size + 15) & ~(size_t)15;
	if (n > ARENA - s->arena_used)
		return NULL;
	void *p = s->map + WINDOW + PACKED + s->arena_used;
	s->arena_used += n;
	return p;
}

static void arena_put(void *opaque, void *p)
{
	(void)opaque;
	(void)p;
}

/* Bytes of the file itself into `to`; 0 at its end or when it cannot be read on. */
static size_t read_file(struct source *s, uint8_t *to, size_t n)
{
	struct pollfd ready = { .fd = s->fd, .events = POLLIN };
	ssize_t got;
	/* A pipe may be silent for hours. poll, unlike read, never goes on after a handler (signal(7)). */
	if (poll(&ready, 1, -1) < 0 && errno == EINTR) {
		s->is_interrupted = true;
		return 0;
	}
	do {
		got = read(s->fd, to, n);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		s->broken = "cannot be read on";
		s->read_errno = errno;
	}
	if (got <= 0)
		return 0;
	s->file_bytes += (uint64_t)got;
	return (size_t)got;
}

/* At a member's end: is there another one (RFC 1952 2.2)? Padding with zeros, as tapes leave it, is none. */
static bool next_member(struct source *s)
{
	if (s->z.next_in[0] == 0x1f)
		return inflateReset(&s->z) == Z_OK;
	if (s->z.next_in[0] != 0)
		s->broken = "has foreign bytes after its compressed data";
	s->is_end = true;
	return false;
}

/* Inflated bytes into `to`; 0 at the end. */
static size_t read_gzip(struct source *s, uint8_t *to, size_t n)
{
	s->z.next_out = to;
	s->z.avail_out = (unsigned)n;
	while (s->z.avail_out == n) {
		if (s->z.avail_in == 0) {
			s->z.next_in = s->map + WINDOW;
			s->z.avail_in = (unsigned)read_file(s, s->map + WINDOW, PACKED);
		}
		if (s->z.avail_in == 0) {
			if (!s->member_ended && !s->broken && !s->is_interrupted)
				s->broken = "ends in the middle of its compressed data";
			break;
		}
		if (s->member_ended && !next_member(s))
			break;
		s->member_ended = false;
		int rc = inflate(&s->z, Z_NO_FLUSH);
		if (rc == Z_STREAM_END) {
			s->member_ended = true;
		} else if (rc != Z_OK) {
			s->broken = "has damaged compressed data";
			break;
		}
	}
	return n - s->z.avail_out;
}

bool source_fill(struct source *s, size_t n)
{
	ASSERT(n <= SOURCE_MOST);
	size_t left = (size_t)(s->end - s->at);
	if (s->is_end)
		return left >= n;
	memmove(s->map, s->at, left);
	s->at = s->map;
	while (left < n) {
		size_t room = WINDOW - left < s->step ? WINDOW - left : s->step;
		size_t got =
			s->is_gzip ? read_gzip(s, s->map + left, room) : read_file(s, s->map + left, room);
		if (got == 0) {
			s->is_end = true;
			break;
		}
		left += got;
		s->taken += got;
		s->step = s->step < STEP_MOST ? s->step * 2 : STEP_MOST;
		if (s->broken)
			s->is_end = true;
	}
	s->end = s->map + left;
	return left >= n;
}

bool source_skip(struct source *s, uint64_t n)
{
	while (n > (uint64_t)(s->end - s->at)) {
		n -= (uint64_t)(s->end - s->at);
		s->at = s->end;
		if (!source_fill(s, 1))
			return false;
	}
	s->at += n;
	return true;
}

/* The first bytes said gzip: they become zlib's first input. */
static bool start_gzip(struct source *s)
{
	size_t n = (size_t)(s->end - s->at);
	memcpy(s->map + WINDOW, s->at, n);
	s->z.next_in = s->map + WINDOW;
	s->z.avail_in = (unsigned)n;
	s->z.zalloc = arena_get;
	s->z.zfree = arena_put;
	s->z.opaque = s;
	if (inflateInit2(&s->z, 15 + 16) != Z_OK)
		return false;
	s->is_gzip = true;
	s->is_end = false;
	s->taken = 0;
	s->at = s->end = s->map;
	return true;
}

bool source_open(struct source *s, int fd)
{
	*s = (struct source){ .fd = fd, .step = STEP_FIRST };
	void *m = mmap(
		NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m == MAP_FAILED) {
		source_close(s);
		return false;
	}
	s->map = m;
	s->at = s->end = s->map;
	source_fill(s, 2);
	struct bytes first = source_peek(s);
	/* RFC 1952 2.3.1: ID1 and ID2 */
	if (bytes_at(first, 0) != 0x1f || bytes_at(first, 1) != 0x8b)
		return true;
	if (start_gzip(s))
		return true;
	source_close(s);
	return false;
}

void source_close(struct source *s)
{
	if (s->map)
		munmap(s->map, MAPPED);
	if (s->fd > STDIN_FILENO)
		close(s->fd);
	s->map = NULL;
	s->at = s->end = NULL;
	s->is_end = true;
	s->fd = -1;
}
