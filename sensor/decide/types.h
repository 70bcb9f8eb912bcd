/* types: the closed list of device types (types.def), for fingerprints, scores and the page. Any thread. */
#ifndef WW_DECIDE_TYPES_H
#define WW_DECIDE_TYPES_H

#include "base/bytes.h"

/* In the order of the page. */
enum type_group {
	GROUP_IMAGING,
	GROUP_BEDSIDE,
	GROUP_LABORATORY,
	GROUP_SERVERS,
	GROUP_WORKSTATIONS,
	GROUP_NETWORK,
	GROUP_BUILDING,
	GROUP_OTHER,
	GROUP_UNKNOWN,
	GROUP_N
};

struct type_row {
	const char *key;   /* "imaging_ct" */
	const char *words; /* "CT scanner" */
	enum type_group group;
	unsigned criticality; /* 1 to 5 */
};

extern const struct type_row type_rows[];
extern const size_t type_rows_n;
extern const char *const group_words[GROUP_N]; /* "imaging" */

/* NULL: no such type. */
const struct type_row *type_find(struct bytes key);

#endif
