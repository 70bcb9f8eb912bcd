#include "run/memory.h"

#include "base/map.h"

#include <stdio.h>

void memory_begin(struct memory *m)
{
	*m = (struct memory){ .hub_bytes = map_total() };
}

void memory_workers(struct memory *m, unsigned workers)
{
	uint64_t now = map_total();
	m->workers = workers;
	m->worker_bytes = now - m->hub_bytes;
}

/* What was mapped before the first worker is the hub's too: the mask, the makers of network cards. */
void memory_hub(struct memory *m)
{
	m->hub_bytes = map_total() - m->worker_bytes;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

const char *memory_text(const struct memory *m, char out[MEMORY_TEXT])
{
	snprintf(out, MEMORY_TEXT,
		"tables take at most %.0f MiB, whatever the traffic: %u worker%s of %.0f MiB, and %.0f MiB "
		"to judge and to write",
		mib(memory_bytes(m)), m->workers, m->workers == 1 ? "" : "s",
		mib(m->worker_bytes / (m->workers ? m->workers : 1)), mib(m->hub_bytes));
	size_t used = strlen(out);
	if (m->capture_bytes)
		snprintf(out + used, MEMORY_TEXT - used, "; packets wait in %.0f MiB of the kernel",
			mib(m->capture_bytes));
	return out;
}
