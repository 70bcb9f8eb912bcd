/*
 * source: the bytes of one input in order, inflated if it is gzipped, through one window.
 *
 * Plain files are read, not mapped: a file that somebody truncates while we read it must not kill us with
 * SIGBUS, and a window that stays in the cache is as fast. Whoever reads asks source_has(n) and then takes
 * views of the window; a view is valid until the next source_has or source_skip. All memory is one mapping,
 * made by source_open and touched only as far as it is used, so thousands of inputs may be open at once.
 * Owner thread only.
 */
#ifndef WW_PACKET_SOURCE_H
#define WW_PACKET_SOURCE_H

#include "base/bytes.h"

#include <zlib.h>

/* The most that source_has can be asked for: one record of the largest snap length libpcap knows (262144)
 * and its headers. */
enum { SOURCE_MOST = 262144 + 4096 };

struct source {
	const uint8_t *at, *end; /* what is in the window and not yet taken */
	uint8_t *map;
	int fd;
	bool is_gzip, is_end;
	bool is_interrupted; /* is_end: a signal's handler ran while nothing came, so whoever waits wants no
				more */
	bool member_ended;   /* gzip: nothing of the next member was seen yet */
	size_t step;         /* bytes the next read asks for: grows, so that a short file costs few pages */
	uint64_t taken;      /* offset of the window's end in the (inflated) bytes */
	uint64_t file_bytes; /* read of the file itself */
	const char *broken;  /* why the bytes ended early; NULL: they did not */
	int read_errno;      /* with broken: of read(2), 0: the data is at fault */
	size_t arena_used;
	z_stream z;
};

/* Takes the descriptor over, open for reading, whatever it answers. False: no memory. */
bool source_open(struct source *s, int fd);
/* Gives memory and descriptor back; a second call does nothing. */
void source_close(struct source *s);
/* Slow path of source_has. */
bool source_fill(struct source *s, size_t n);
/* Passes by n bytes; false when they end before. */
bool source_skip(struct source *s, uint64_t n);

/* Are n bytes (SOURCE_MOST at most) in the window? False: the input ends before. */
static inline bool source_has(struct source *s, size_t n)
{
	return (size_t)(s->end - s->at) >= n || source_fill(s, n);
}

/* What is in the window. */
static inline struct bytes source_peek(const struct source *s)
{
	return bytes_of(s->at, (size_t)(s->end - s->at));
}

/* Passes by n bytes that source_has said are there, and gives them. */
static inline struct bytes source_take(struct source *s, size_t n)
{
	struct bytes b = bytes_first(source_peek(s), n);
	s->at += b.n;
	return b;
}

/* Offset of the next byte in the (inflated) bytes. */
static inline uint64_t source_offset(const struct source *s)
{
	return s->taken - (uint64_t)(s->end - s->at);
}

#endif
