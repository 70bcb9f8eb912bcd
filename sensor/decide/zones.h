/*
 * zones: which part of the site an address belongs to (policy-language.md section 16).
 *
 * Built from `kind: zones` documents at load, constant afterwards; zones_of is asked on the hub for both
 * sides of an event: one binary search over the edges of all prefixes, no allocation.
 */
#ifndef WW_DECIDE_ZONES_H
#define WW_DECIDE_ZONES_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/diag.h"
#include "base/yaml.h"

enum { MAX_ZONES = 1024, MAX_ZONE_DEPTH = 16, MAX_PREFIXES = 65536, MAX_HOME = 4096 };
enum { ZONE_NONE = 0xffff };

/* Those that are there without a document; the site's own follow. */
enum zone_built_in { ZONE_UNASSIGNED, ZONE_INTERNET, ZONE_MULTICAST, ZONE_LOCAL, ZONE_OWN };

struct zone {
	const char *name, *purpose; /* purpose: "" when not said */
	uint8_t sl;                 /* target security level of IEC 62443, 0 when not said */
	bool external;              /* others' devices: a vendor's VPN */
	uint16_t up;                /* the zone it lies in, ZONE_NONE */
	uint16_t last;              /* the zones inside it, itself first, are those from its number to this */
};

struct zones;

/* Reads documents into zones that are empty at first; zones_complete, when all are read, says what is wrong
 * with the whole (E220: a prefix or VLAN of two zones; E221: no such parent, a circle). Memory is a's. */
struct zones *zones_new(struct arena *a);
void zones_read(struct zones *z, const struct yaml_node *doc, const char *file, struct diag *diag);
void zones_complete(struct zones *z, struct diag *diag);

/* `home:` of all documents. */
const struct network *zones_home(const struct zones *z, size_t *n);
/* Adds to it what the configuration says; before zones_complete. */
void zones_add_home(struct zones *z, const struct network *list, size_t n);

/* How many there are, the built-in ones among them; and one of them. */
unsigned zones_count(const struct zones *z);
const struct zone *zones_at(const struct zones *z, unsigned zone);
/* Number of that name, or -1. */
int zones_find(const struct zones *z, struct bytes name);
static inline bool zone_is_inside(const struct zones *z, unsigned zone, unsigned outer)
{
	return zone >= outer && zone < zones_count(z) && zone <= zones_at(z, outer)->last;
}

/* Not the site's: the internet, and what is `external` or lies in such a zone. */
bool zone_is_outside(const struct zones *z, unsigned zone);

/* Zone of an address by its longest prefix, else of the VLAN (0: none known), else built in. An address of
 * family 0 with a VLAN of no zone is in none: ZONE_NONE. */
unsigned zones_of(const struct zones *z, const struct addr *a, uint16_t vlan);
/* Its longest prefix alone; false: it is in none. */
bool zones_by_prefix(const struct zones *z, const struct addr *a, unsigned *zone);
/* Has any zone a VLAN? */
bool zones_have_vlans(const struct zones *z);

#endif
