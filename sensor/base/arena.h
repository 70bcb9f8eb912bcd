/*
 * arena: memory for what is built once and given back whole: documents, compiled rules.
 *
 * Start-up and reload only. Everything is zeroed and 16-aligned. Running out of memory at start-up ends the
 * program with one sentence (design.md section 7), so no caller checks.
 */
#ifndef WW_BASE_ARENA_H
#define WW_BASE_ARENA_H

#include "base/bytes.h"

struct arena {
	struct arena_block *blocks;
};

void *arena_get(struct arena *a, size_t n);
/* A NUL-terminated copy. */
char *arena_text(struct arena *a, struct bytes text);
/* Makes room for one more in the array *list of *cap elements of `size` bytes, n of them used. */
void arena_grow(struct arena *a, void *list, size_t *cap, size_t n, size_t size);
void arena_fini(struct arena *a);

#endif
