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
