/* counters: one struct per thread, written by that thread only; whoever reports adds them up. */
#ifndef WW_BASE_COUNTERS_H
#define WW_BASE_COUNTERS_H

#include "base/bytes.h"

struct counters {
#define COUNTER(name, unit, sentence) uint64_t name;
#include "base/counters.def"
#undef COUNTER
#define LIMIT(name, def, least, most, sentence) uint64_t full_##name;
#define CAP(name, def, least, most, sentence)
#include "base/limits.def"
#undef LIMIT
};

struct counter_row {
	const char *name, *unit, *sentence;
	size_t offset; /* in struct counters */
	bool is_full;  /* counts how often a limit was hit */
};

extern const struct counter_row counter_rows[];
extern const size_t counter_rows_n;

static inline uint64_t counter_get(const struct counters *c, const struct counter_row *row)
{
	uint64_t v;
	memcpy(&v, (const char *)c + row->offset, sizeof v);
	return v;
}

void counters_add(struct counters *sum, const struct counters *more);

#endif
