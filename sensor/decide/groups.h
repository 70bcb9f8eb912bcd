/*
 * groups: named predicates over devices (policy-language.md section 13), and the view of a device they are
 * asked through.
 *
 * Read and compiled at load; at run one struct groups_run answers, on the hub, without allocation. A device's
 * memberships are worked out when first asked for and again when it has changed; in between each is a bit.
 */
#ifndef WW_DECIDE_GROUPS_H
#define WW_DECIDE_GROUPS_H

#include "decide/detect.h"
#include "decide/schema.h"
#include "decide/zones.h"

enum { DEVICE_GROUPS = 1024 };

/* Fields of a device's record: device.<as in events>, by number those of source.device.*; then these. */
enum device_field {
	DEVICE_FIELD_IP = DEVICE_FIELDS,
	DEVICE_FIELD_MAC,
	DEVICE_FIELD_VLAN,
	DEVICE_FIELD_ZONE,
	DEVICE_RECORD_FIELDS
};

struct groups;

/* Names first, over the whole set; then groups_compile with what they may refer to (env: list, member and arg
 * are taken). E210 for a circle, E213 for a name that is there already. */
struct groups *groups_new(struct arena *a, const struct event_schema *events);
void groups_read(struct groups *g, const struct yaml_node *doc, const char *file, struct diag *diag);
void groups_compile(struct groups *g, const struct detect_env *env);
void groups_free(struct groups *g); /* the detections; the rest is the arena's */
size_t groups_count(const struct groups *g);
int groups_find(const struct groups *g, struct bytes name); /* number, or -1 */
const char *groups_name(const struct groups *g, unsigned group);

/* ---- asking ---- */

/* A device of the inventory, or one that a test pretends: fields of enum attr order, "" absent. */
struct device_look {
	const struct device *device;   /* or NULL */
	const struct bytes *pretended; /* DEVICE_FIELDS of them, or NULL */
	struct addr ip;                /* pretended devices have the conversation's address */
	struct mac mac;
	uint16_t vlan;
};

struct groups_run;
/* inv may be NULL. NULL: no memory. */
struct groups_run *groups_start(const struct groups *g, const struct zones *z, const struct inventory *inv);
void groups_stop(struct groups_run *r);
bool groups_has(struct groups_run *r, const struct device_look *look, unsigned group);
/* VLAN that the device itself stands in, 0 when that is not known: an address without a MAC of its own was
 * only seen behind a router. */
uint16_t device_vlan(const struct device *d);
/* Zone of a device: of its first address that has one by prefix, else by VLAN, else what is built in;
 * ZONE_NONE without an address. */
unsigned device_zone(const struct zones *z, const struct device *d);

#endif
