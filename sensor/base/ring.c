#include "base/ring.h"

#include "base/assert.h"
#include "base/map.h"

/* Each record is preceded by 8 bytes: its length, or WRAP for "go on at the start of the buffer". */
enum { HEAD = 8 };
#define WRAP UINT32_MAX

static uint64_t padded(uint32_t n)
{
	return HEAD + (((uint64_t)n + 7) & ~7ull);
}

bool ring_init(struct ring *r, uint64_t size)
{
	uint64_t n = 4096;
	while (n < size)
		n *= 2;
	r->base = map_new(n);
	if (!r->base)
		return false;
	map_huge(r->base, n);
	r->size = n;
	atomic_store(&r->head, 0);
	atomic_store(&r->tail, 0);
	return true;
}

void ring_fini(struct ring *r)
{
	map_free(r->base, r->size);
	r->base = NULL;
}

/* Where a record of `need` bytes goes when the next byte to write is `head`: there, or past the end. */
static uint64_t place(const struct ring *r, uint64_t head, uint64_t need)
{
	uint64_t to_end = r->size - (head & (r->size - 1));
	return need <= to_end ? head : head + to_end;
}

void *ring_reserve(struct ring *r, uint32_t n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint64_t need = padded(n), at = place(r, head, need);
	if (need > r->size / 2 || at + need - tail > r->size)
		return NULL;
	if (at != head) {
		uint32_t wrap = WRAP;
		memcpy(r->base + (head & (r->size - 1)), &wrap, sizeof wrap);
		/* The mark alone may be published: the consumer passes over it. */
		atomic_store_explicit(&r->head, at, memory_order_release);
	}
	return r->base + (at & (r->size - 1)) + HEAD;
}

uint64_t ring_free(const struct ring *r)
{
	return r->size - (atomic_load_explicit(&r->head, memory_order_relaxed) -
				 atomic_load_explicit(&r->tail, memory_order_acquire));
}

void ring_commit(struct ring *r, uint32_t n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	memcpy(r->base + (head & (r->size - 1)), &n, sizeof n);
	atomic_store_explicit(&r->head, head + padded(n), memory_order_release);
}

const void *ring_peek(struct ring *r, uint32_t *n)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	uint32_t len;
	if (tail == head)
		return NULL;
	memcpy(&len, r->base + (tail & (r->size - 1)), sizeof len);
	if (len == WRAP) {
		tail += r->size - (tail & (r->size - 1));
		atomic_store_explicit(&r->tail, tail, memory_order_release);
		if (tail == head)
			return NULL;
		memcpy(&len, r->base + (tail & (r->size - 1)), sizeof len);
	}
	*n = len;
	return r->base + (tail & (r->size - 1)) + HEAD;
}

void ring_pop(struct ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t len;
	memcpy(&len, r->base + (tail & (r->size - 1)), sizeof len);
	ASSERT(len != WRAP);
	atomic_store_explicit(&r->tail, tail + padded(len), memory_order_release);
}
