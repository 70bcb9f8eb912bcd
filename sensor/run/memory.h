/*
 * memory: what the sensor maps at start, as one sentence for the log and figures for status (design.md
 * section 7). Limits alone decide it; no traffic changes it. Start-up only.
 */
#ifndef WW_RUN_MEMORY_H
#define WW_RUN_MEMORY_H

#include "base/bytes.h"

struct memory {
	unsigned workers;
	uint64_t worker_bytes, /* of all workers together */
		hub_bytes,     /* inventory, policies' state, outputs */
		capture_bytes; /* live: the kernel's buffers of packets; set by who opened them */
};

/* In this order: before the first worker_init, after the last one, after hub and outputs. */
void memory_begin(struct memory *m);
void memory_workers(struct memory *m, unsigned workers);
void memory_hub(struct memory *m);

static inline uint64_t memory_bytes(const struct memory *m)
{
	return m->worker_bytes + m->hub_bytes;
}

/* "tables take at most 1.2 GiB, whatever the traffic: ..."; returns out. */
enum { MEMORY_TEXT = 224 };
const char *memory_text(const struct memory *m, char out[MEMORY_TEXT]);

#endif
