#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

/* Each block is twice the last, so that a small detection costs a small block. */
enum { BLOCK_LEAST = 2 << 10, BLOCK_MOST = 64 << 10, ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(ALIGN) uint8_t data[];
};

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = calloc(1, sizeof *b + size);
	if (!b) {
		fprintf(stderr, "wardwatch: not enough memory to read policies and configuration\n");
		exit(1);
	}
	b->size = size;
	return b;
}

void *arena_get(struct arena *a, size_t n)
{
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!a->blocks || n > a->blocks->size - a->blocks->used) {
		size_t size = a->blocks ? a->blocks->size * 2 : BLOCK_LEAST;
		size = size > BLOCK_MOST ? BLOCK_MOST : size;
		struct arena_block *b = block_new(n > size ? n : size);
		b->next = a->blocks;
		a->blocks = b;
	}
	void *p = a->blocks->data + a->blocks->used;
	a->blocks->used += n;
	return p;
}

char *arena_text(struct arena *a, struct bytes text)
{
	char *s = arena_get(a, text.n + 1);
	if (text.n)
		memcpy(s, text.p, text.n);
	return s;
}

void arena_grow(struct arena *a, void *list, size_t *cap, size_t n, size_t size)
{
	if (n < *cap)
		return;
	size_t more = *cap ? *cap * 2 : 8;
	void *fresh = arena_get(a, more * size), *old;
	memcpy(&old, list, sizeof old);
	if (n)
		memcpy(fresh, old, n * size);
	memcpy(list, &fresh, sizeof fresh);
	*cap = more;
}

void arena_fini(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *next = a->blocks->next;
		free(a->blocks);
		a->blocks = next;
	}
}
