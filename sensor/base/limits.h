/* limits: every cap, from limits.def, as read from the configuration. Constant after start. */
#ifndef WW_BASE_LIMITS_H
#define WW_BASE_LIMITS_H

#include "base/bytes.h"

struct limits {
#define LIMIT(name, def, least, most, sentence) uint64_t name;
#include "base/limits.def"
#undef LIMIT
};

struct limit_row {
	const char *name, *sentence;
	uint64_t def, least, most;
	size_t offset; /* in struct limits */
};

extern const struct limit_row limit_rows[];
extern const size_t limit_rows_n;

void limits_default(struct limits *l);

#endif
