/*
 * rotation: a file of lines that has become large or old gives way to a new one: NAME becomes NAME.1, that
 * NAME.2, and so on; the oldest goes. Where logrotate(8) does that (outfile_reopen), leave this off: both use
 * the same names.
 *
 * The hub's thread, between two lines, so that none is cut in two. On false errno says why.
 */
#ifndef WW_RUN_ROTATION_H
#define WW_RUN_ROTATION_H

#include <stdbool.h>
#include <stdint.h>

/* 0 bytes: never for its size; 0 ms: never for its age; keep 0: the old file is removed. */
struct rotation {
	uint64_t bytes, age_ms;
	uint64_t keep;
};

enum { ROTATION_KEEP_MOST = 10000 };

/* When the open file was made, in ms since 1970; now_ms where the file system does not say. */
uint64_t rotation_begun(int fd, uint64_t now_ms);
/* Never for an empty file. */
bool rotation_is_due(const struct rotation *r, int fd, uint64_t begun_ms, uint64_t now_ms);
/* Afterwards there is no file at path. */
bool rotation_shift(const struct rotation *r, const char *path);

#endif
