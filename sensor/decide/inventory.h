/*
 * inventory: every device seen, what is known of it and from what (design.md section 8).
 *
 * Hub thread only. inventory_new maps all memory; nothing allocates afterwards (strings are interned in a
 * bounded store). Records are fed in order; the inventory never looks ahead.
 */
#ifndef WW_DECIDE_INVENTORY_H
#define WW_DECIDE_INVENTORY_H

#include "base/counters.h"
#include "base/diag.h"
#include "base/limits.h"
#include "decide/view.h"

struct inventory;
struct fingerprints;

enum { DEVICE_ID = 15 }; /* "dev-" and 10 base32 characters, NUL-terminated */

/* One attribute value with its provenance. */
struct attr_value {
	struct bytes value;
	uint8_t confidence; /* 1 to 100 */
	const char *source; /* "dicom", "dhcp", "mac", "fingerprint pump-alaris" ... */
	uint64_t packet;    /* that said it first */
	uint64_t first_ns, last_ns;
};

struct device; /* opaque; valid until the next inventory_feed */

/* Fingerprints and MAC prefixes from the policy tree (kind: fingerprints); NULL and diag on error. */
struct fingerprints *fingerprints_load(const char *const *paths, size_t n, struct diag *diag);
void fingerprints_free(struct fingerprints *f);

struct inventory *inventory_new(const struct limits *l, struct counters *c, const struct fingerprints *f);
void inventory_free(struct inventory *inv);

/* Takes what a record says: who exists (flow, arp), observations, leases, services. Calls on_event for each
 * asset event that follows (created, updated, conflicting), if set. */
void inventory_feed(struct inventory *inv, const struct event *e);
/* After the last record: joins and decides what needed the whole run. */
void inventory_finish(struct inventory *inv);

/* The device on that side of the record's conversation, or NULL. */
const struct device *inventory_of(const struct inventory *inv, const struct event *e, enum dir side);

/* All devices, in the order of their first packet. fn may keep nothing. */
void inventory_each(const struct inventory *inv, void (*fn)(void *arg, const struct device *d), void *arg);
size_t inventory_count(const struct inventory *inv);

void device_id(const struct device *d, char out[DEVICE_ID]);
/* The best value (i = 0) or the i-th of a MANY attribute; false past the end. */
bool device_attr(const struct device *d, enum attr a, unsigned i, struct attr_value *out);
size_t device_ips(const struct device *d, const struct addr **out);
size_t device_macs(const struct device *d, const struct mac **out);
size_t device_vlans(const struct device *d, const uint16_t **out);
const char *device_type(const struct device *d);    /* a class key of wire/devices.md 14.1, "unknown" */
unsigned device_confidence(const struct device *d); /* 0 to 100: how sure of what it is */
bool device_is_router(const struct device *d);
uint64_t device_first_packet(const struct device *d);
void device_times(const struct device *d, uint64_t *first_ns, uint64_t *last_ns);
/* Candidates below the confidence at which a type is said: i-th name and confidence. */
bool device_candidate(const struct device *d, unsigned i, const char **type, unsigned *confidence);
/* The device that carried the data of this one (OB_BEHIND), or NULL. */
const struct device *device_behind(const struct device *d);
/* A short name for sentences: host name, AE title, or address; suspect text: mask before printing. */
struct bytes device_label(const struct device *d);

/* The schema and view by which rules see source.device.*, destination.device.*: canonical names of
 * policy-language.md 20.4 asset without the prefix "device." */
#endif
