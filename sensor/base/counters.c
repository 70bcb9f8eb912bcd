#include "base/counters.h"

const struct counter_row counter_rows[] = {
#define COUNTER(name, unit, sentence) { #name, unit, sentence, offsetof(struct counters, name), false },
#include "base/counters.def"
#undef COUNTER
#define LIMIT(name, def, least, most, sentence)                                                              \
	{ #name, "times", sentence, offsetof(struct counters, full_##name), true },
#define CAP(name, def, least, most, sentence)
#include "base/limits.def"
#undef LIMIT
};
const size_t counter_rows_n = sizeof counter_rows / sizeof *counter_rows;

void counters_add(struct counters *sum, const struct counters *more)
{
	for (size_t i = 0; i < counter_rows_n; i++) {
		uint64_t v = counter_get(sum, &counter_rows[i]) + counter_get(more, &counter_rows[i]);
		memcpy((char *)sum + counter_rows[i].offset, &v, sizeof v);
	}
}
