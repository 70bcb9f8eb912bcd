#include "decide/types.h"

const struct type_row type_rows[] = {
#define TYPE(key, words, group, criticality) { key, words, GROUP_##group, criticality },
#include "decide/types.def"
#undef TYPE
};
const size_t type_rows_n = sizeof type_rows / sizeof *type_rows;

const char *const group_words[GROUP_N] = {
	[GROUP_IMAGING] = "imaging",
	[GROUP_BEDSIDE] = "bedside",
	[GROUP_LABORATORY] = "laboratory",
	[GROUP_SERVERS] = "servers",
	[GROUP_WORKSTATIONS] = "workstations",
	[GROUP_NETWORK] = "network",
	[GROUP_BUILDING] = "building",
	[GROUP_OTHER] = "other",
	[GROUP_UNKNOWN] = "unknown",
};

const struct type_row *type_find(struct bytes key)
{
	for (size_t i = 0; i < type_rows_n; i++)
		if (bytes_is(key, type_rows[i].key))
			return &type_rows[i];
	return NULL;
}
