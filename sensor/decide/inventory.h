/*
 * inventory: every device seen, what is known of it and from what (design.md section 8).
 *
 * Hub thread only. inventory_new maps all memory; nothing allocates afterwards. Records are fed in packet
 * order; the inventory never looks ahead, but what it once took for one device it may later, on better
 * evidence, take for two (a MAC that turns out to be a router's), and the other way round.
 *
 * What a host says to itself (127.0.0.0/8, ::1; RFC 1122 3.2.1.3) is no device: every host has those
 * addresses, so they tell nobody apart, and captures of two hosts read in one run would melt into one.
 */
#ifndef WW_DECIDE_INVENTORY_H
#define WW_DECIDE_INVENTORY_H

#include "base/counters.h"
#include "base/limits.h"
#include "decide/fingerprint.h"
#include "decide/oui.h"
#include "packet/event.h"

struct inventory;

enum { DEVICE_ID = 15 }; /* "dev-" and 10 base32 characters, NUL-terminated */

/* One attribute value with its provenance. */
struct attr_value {
	struct bytes value;
	uint8_t confidence; /* 1 to 100 */
	const char *source; /* "dicom", "dhcp", "mac", or a fingerprint's id */
	bool by_fingerprint;
	uint64_t packet; /* that said it first; of a fingerprint: that completed its evidence */
	uint64_t first_ns, last_ns;
};

struct device; /* opaque; valid until the next inventory_feed */

/* f and o may be NULL: no fingerprints, no MAC vendors. NULL: no address space. */
struct inventory *inventory_new(
	const struct limits *l, struct counters *c, const struct fingerprints *f, struct oui *o);
void inventory_free(struct inventory *inv);

/* Networks whose addresses are devices besides the private ranges; before the first record, and borrowed. */
void inventory_home(struct inventory *inv, const struct network *list, size_t n);

/* Other fingerprints and networks (borrowed) from now on: every device is judged anew, and nothing of the old
 * ones is referred to any more. */
void inventory_reload(
	struct inventory *inv, const struct fingerprints *f, const struct network *home, size_t n);

/* Calls fn for each asset event (PROTO_asset: created, updated, conflicting) that a fed record brings about,
 * before inventory_feed returns; the event is valid during the call. fn must not feed this inventory. */
void inventory_on_asset(struct inventory *inv, void (*fn)(void *arg, const struct event *asset), void *arg);

/* Takes what a record says: who exists (flow, arp), observations, leases, services. */
void inventory_feed(struct inventory *inv, const struct event *e);
/* After the last record: brings every device's type up to date. */
void inventory_finish(struct inventory *inv);

/* The device on that side of the record's conversation, or NULL: an address outside the home networks, a
 * group address, or one that nothing is known of yet. */
const struct device *inventory_of(const struct inventory *inv, const struct event *e, enum dir side);

/* Who had that side's address at the time of the record. An address goes from device to device (a lease that
 * ended), and two networks may use the same: `turn` tells those apart, whatever else comes to be known of
 * them. 0: the first that had the address, or no device is known. */
struct holder {
	uint32_t at, gen;
	uint64_t turn;
};
struct holder inventory_holder(const struct inventory *inv, const struct event *e, enum dir side);
/* The device of that holder as it is known now; NULL: none, or let go. */
const struct device *inventory_held(const struct inventory *inv, struct holder h);

/* All devices that spoke themselves or were told of by name (OB_BEHIND), in the order of their first packet.
 * fn may keep nothing. */
void inventory_each(const struct inventory *inv, void (*fn)(void *arg, const struct device *d), void *arg);
size_t inventory_count(const struct inventory *inv);
/* ATTR_N: how often a value of that attribute became known of a device, or took another's place; of types,
 * which are judged, how often the judgement changed. */
const uint64_t *inventory_attr_changes(const struct inventory *inv);

/* A hash of what the device was first known by: its MAC (a virtual or locally administered one with its
 * VLAN), a serial number with its maker or an EUI-64 (told of by another), else its address. So it does not
 * depend on policies or on when it is asked for; devices found to be one keep the older id. */
void device_id(const struct device *d, char out[DEVICE_ID]);
/* The best value (i = 0) of a ONE attribute or the i-th of a MANY attribute, in the order they came; false
 * past the end. */
bool device_attr(const struct device *d, enum attr a, unsigned i, struct attr_value *out);
/* The arrays are valid until the next call of the same function. */
size_t device_ips(const struct device *d, const struct addr **out);
size_t device_macs(const struct device *d, const struct mac **out);
size_t device_vlans(const struct device *d, const uint16_t **out);
const char *device_type(const struct device *d);    /* a key of types.def, or "unknown" */
unsigned device_confidence(const struct device *d); /* in that type, 1 to 100; 0 for unknown */
bool device_is_router(const struct device *d);
uint64_t device_first_packet(const struct device *d);
void device_times(const struct device *d, uint64_t *first_ns, uint64_t *last_ns);
/* What it could be when the type is unknown (or also be): the i-th by confidence; false past the end. */
bool device_candidate(const struct device *d, unsigned i, const char **type, unsigned *confidence);
/* The device that carried the data of this one (OB_BEHIND, OB_MAKER), or NULL: it speaks for itself. */
const struct device *device_behind(const struct device *d);
/* Where what was worked out of a device may be kept, below inventory_slots, and a number that is never the
 * same again when the device has become another or changed; 0: it is changing now. */
uint32_t device_slot(const struct device *d, uint64_t *change);
uint32_t inventory_slots(const struct inventory *inv);
/* The device of an address or MAC (the other is NULL) in that VLAN, or NULL. */
const struct device *inventory_at(
	const struct inventory *inv, const struct addr *ip, const struct mac *mac, uint16_t vlan);
/* The address to call it by: an IPv4 one before an IPv6 one, a global one before a link-local one; family 0:
 * none. *n: how many it has. */
struct addr device_address(const struct device *d, size_t *n);

/* What it is called: host name, station or AE title, empty if by nothing; device_label: then its address.
 * Suspect text: mask before printing. Valid until the next call of either. */
struct bytes device_name(const struct device *d);
struct bytes device_label(const struct device *d);

#endif
