#include "base/limits.h"

const struct limit_row limit_rows[] = {
#define LIMIT(name, def, least, most, sentence)                                                              \
	{ #name, sentence, def, least, most, offsetof(struct limits, name) },
#include "base/limits.def"
#undef LIMIT
};
const size_t limit_rows_n = sizeof limit_rows / sizeof *limit_rows;

void limits_default(struct limits *l)
{
#define LIMIT(name, def, least, most, sentence) l->name = def;
#include "base/limits.def"
#undef LIMIT
}
