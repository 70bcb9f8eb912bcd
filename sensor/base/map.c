#include "base/map.h"

#include "base/assert.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

/* Of the process, as its address space is: the one thing that the owners of all tables share. */
static _Atomic uint64_t total;

static uint64_t pages(size_t n)
{
	return ((uint64_t)n + PAGE - 1) / PAGE * PAGE;
}

void *map_new(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	atomic_fetch_add_explicit(&total, pages(n), memory_order_relaxed);
	return p;
}

void map_free(void *p, size_t n)
{
	if (!p)
		return;
	ASSERT(munmap(p, n) == 0);
	atomic_fetch_sub_explicit(&total, pages(n), memory_order_relaxed);
}

void map_huge(void *p, size_t n)
{
	(void)madvise(p, n, MADV_HUGEPAGE);
}

uint64_t map_total(void)
{
	return atomic_load_explicit(&total, memory_order_relaxed);
}
