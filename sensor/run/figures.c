#include "run/figures.h"

_Static_assert(sizeof(struct figures) % sizeof(uint64_t) == 0, "a board holds whole words");

static const struct {
	const char *name;
	size_t offset; /* in struct limits */
} tables[FIGURE_TABLES] = {
#define TABLE(limit)                                                                                         \
	{                                                                                                    \
#limit, offsetof(struct limits, limit)                                                       \
	}
	[TABLE_FLOWS] = TABLE(flows),
	[TABLE_HALVES] = TABLE(halves),
	[TABLE_STATES] = TABLE(states),
	[TABLE_STREAM_MIB] = TABLE(stream_total_mib),
	[TABLE_FRAGMENTS] = TABLE(fragments),
	[TABLE_DEVICES] = TABLE(devices),
#undef TABLE
};

const char *figure_table_name(enum figure_table t)
{
	return tables[t].name;
}

uint64_t figure_table_limit(enum figure_table t, const struct limits *l)
{
	uint64_t v;
	memcpy(&v, (const char *)l + tables[t].offset, sizeof v);
	return v;
}

void figures_of_worker(struct figures *f, const struct worker *w)
{
	const struct flows *flows = &w->flows;
	*f = (struct figures){ .ring_used = atomic_load_explicit(&w->ring.head, memory_order_relaxed) -
					    atomic_load_explicit(&w->ring.tail, memory_order_relaxed),
		.ring_bytes = w->ring.size };
	worker_add(w, &f->counters, f->proto);
	f->packets = f->counters.packets;
	f->used[TABLE_FLOWS] = flows->pool.used;
	f->used[TABLE_HALVES] = flows->halves.used;
	f->used[TABLE_STATES] = flows->convs.used;
	f->used[TABLE_STREAM_MIB] = w->engine.memory.used_kib / 1024;
	f->stream_kib = w->engine.memory.used_kib;
	f->used[TABLE_FRAGMENTS] = w->decode.defrag.datagrams.used;
}

void figures_of_hub(struct figures *f, const struct hub *h)
{
	*f = (struct figures){ .counters = h->counters };
	f->used[TABLE_DEVICES] = inventory_count(h->inventory);
	memcpy(f->attr_changes, inventory_attr_changes(h->inventory), sizeof f->attr_changes);
}

/* A reader that sees one new word sees the odd turn before it, or a later one. */
void board_post(struct board *b, const struct figures *f)
{
	uint64_t turn = atomic_load_explicit(&b->turn, memory_order_relaxed), word;
	atomic_store_explicit(&b->turn, turn + 1, memory_order_relaxed);
	for (size_t i = 0; i < sizeof b->words / sizeof *b->words; i++) {
		memcpy(&word, (const char *)f + i * sizeof word, sizeof word);
		atomic_store_explicit(&b->words[i], word, memory_order_release);
	}
	atomic_store_explicit(&b->turn, turn + 2, memory_order_release);
}

uint64_t board_read(const struct board *b, struct figures *f)
{
	enum { TRIES = 1000 }; /* an owner that was stopped in the middle is not waited for */
	struct figures read;
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t turn = atomic_load_explicit(&b->turn, memory_order_acquire);
		if (turn == 0)
			return 0;
		for (size_t k = 0; k < sizeof b->words / sizeof *b->words; k++) {
			uint64_t word = atomic_load_explicit(&b->words[k], memory_order_acquire);
			memcpy((char *)&read + k * sizeof word, &word, sizeof word);
		}
		if (turn % 2 == 0 && atomic_load_explicit(&b->turn, memory_order_relaxed) == turn) {
			*f = read;
			return turn;
		}
	}
	return 0;
}
