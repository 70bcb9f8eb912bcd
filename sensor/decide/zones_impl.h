/* zones_impl: the inside of zones, for zones*.c alone. */
#ifndef WW_DECIDE_ZONES_IMPL_H
#define WW_DECIDE_ZONES_IMPL_H

#include "decide/zones.h"

enum { ZONE_VLANS = 4096 };

/* From this address on (to the next edge) addresses are in that zone. */
struct zone_edge {
	uint8_t from[16];
	uint16_t zone; /* ZONE_NONE: in no prefix */
};

struct zone_edges {
	struct zone_edge *list;
	size_t n;
};

/* A prefix or VLAN as written, while the documents are read. */
struct zone_place {
	struct network network;
	uint16_t vlan;
	uint16_t zone;
	const char *file;
	const struct yaml_node *at;
};

struct zone_written {
	const struct yaml_node *parent; /* or NULL */
	const char *file;
	const struct yaml_node *at;
	int up; /* in the order read, -1: none */
	unsigned number;
};

struct zones {
	struct arena *memory;
	struct zone list[MAX_ZONES];
	struct zone_written written[MAX_ZONES];
	unsigned n;
	struct network home[MAX_HOME];
	size_t n_home;
	struct zone_place *prefixes, *vlans;
	size_t n_prefixes, cap_prefixes, n_vlans, cap_vlans;
	struct zone_edges edges[2]; /* IPv4, IPv6 */
	uint16_t of_vlan[ZONE_VLANS];
	bool have_vlans;
};

#endif
