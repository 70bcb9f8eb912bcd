/*
 * inventory_nodes: the inside of the inventory, for inventory*.c alone.
 *
 * What is known is kept on nodes: an address, a MAC, or an identity that was told of (a serial number with
 * its maker, an EUI-64). Nodes never melt into one another: which of them are one device is a tree over them
 * (address under MAC, identity under address), built from evidence and taken apart again when the evidence
 * turns. So nothing that was once said of an address is ever credited to the router in front of it for good.
 * The root of a tree is the device.
 */
#ifndef WW_DECIDE_INVENTORY_NODES_H
#define WW_DECIDE_INVENTORY_NODES_H

#include "base/hash.h"
#include "base/pool.h"
#include "base/table.h"
#include "decide/inventory.h"
#include "packet/dissect.h"

enum {
	VALUE_BYTES = 160, /* of one attribute value; longer ones are cut */
	VALUES_MANY = 32,  /* values of a MANY attribute of one node */
	CHILDREN_MAX = 64, /* nodes directly under one */
	GATHER_MAX = 128,  /* addresses, MACs, VLANs of one device that are told */
	CANDIDATES = 4,
	NODE_VLANS = 8,
	LABEL_BYTES = 64,
	IDENTITY_BYTES = 16,
	MADE_MOST = 4, /* whoever sends data of more devices made by others is no maker of any */
	NEXT_HOPS = 3, /* so many addresses elsewhere, and the MAC that gets their packets is a router's */
};

/* An address whose holder was silent for so long may be taken by another MAC without that being a conflict.
 */
#define TAKEOVER_NS (600ull * 1000000000u)
/* A device that turns up at another address so long after it was last seen has moved there. */
#define MOVED_NS (60ull * 1000000000u)

enum { MADE_DEVICE, MADE_SOFTWARE, MADE_KINDS };

enum node_kind { NODE_IP, NODE_MAC, NODE_IDENTITY };

enum link_kind {
	LINK_OWNER, /* an address of that MAC */
	LINK_SELF,  /* an identity that it stated of itself */
	LINK_MAKER, /* an identity in what it sends, by the rules of inventory_maker.c */
	LINK_EUI,   /* an EUI-64 made from that MAC */
	LINK_MOVED, /* the same device at its new address */
	LINK_CARD,  /* one card of the device that has that MAC too */
};

/* A node that may be gone: gen tells. */
struct ref {
	uint32_t at, gen;
};

struct value {
	uint32_t next; /* on the same node, in the order they came */
	uint8_t attr, confidence, len;
	bool by_fingerprint;
	bool masked; /* restored, with something masked: gives way to what it can have been */
	const char *source;
	uint64_t packet, first_ns, last_ns;
	uint8_t text[VALUE_BYTES];
};

struct device {
	struct inventory *inv;
	uint8_t kind, link; /* enum node_kind, enum link_kind to `up` */
	uint8_t n_vlan, n_children, n_candidates;
	bool spoke;     /* sent a packet itself */
	bool in_table;  /* its key leads to it; false: the key went to another (a lease that ended) */
	bool is_kept;   /* put aside as of a device that is known: in that list, to the end */
	bool dirty;     /* root: values changed since fingerprints were last asked */
	bool passes_on; /* root: sends on what others made */
	bool receives;  /* root: is sent what others made, and may pass it on */
	uint64_t makes; /* root: bit per protocol: what it sends by that it made itself */
	/* tree */
	uint32_t up, child, next;
	/* least recently seen first; by creation */
	uint32_t older, newer, made_before, made_after;
	uint64_t key, packet, first_ns, last_ns, fed;
	uint32_t values, last_value;
	uint16_t vlan[NODE_VLANS];
	uint32_t vni;
	uint16_t segment; /* VLAN in the key, 0: none */
	/* NODE_IP: whose it is. `carrier` was first seen sending it; claimed: ARP, ND or a lease says so. */
	struct addr ip;
	struct ref carrier, second;
	bool claimed, contested;
	uint32_t turn;      /* how many had the address before */
	struct ref managed; /* the MAC whose device says it is managed there: counts when no other has it */
	/* NODE_MAC */
	struct mac mac;
	bool told_router;  /* virtual router MAC, router advertisement */
	bool seen_forward; /* sent from, or is sent to for, addresses that live elsewhere */
	bool seen_routing; /* and those it sent for were answered: no forged sources */
	bool public_many;  /* sent from two addresses outside the home networks, or more */
	uint32_t claimed4, carried4;
	uint8_t n_next_hop; /* addresses of other VLANs whose packets are handed to this MAC */
	struct addr next_hop[NEXT_HOPS];
	uint8_t carried6; /* distinct /64 networks sent from, unclaimed: up to 3 */
	uint8_t prefix6[3][8];
	struct addr public_ip; /* the first outside address sent from */
	/* senders: the identities in their data, and whether there were more; of the devices named there, and
	 * of the software */
	struct ref made[MADE_KINDS][MADE_MOST];
	bool made_more[MADE_KINDS];
	/* NODE_IDENTITY */
	struct ref sender;                /* who carried it, or said it of itself */
	struct ref told_first;            /* by whom it was told of first */
	uint8_t identity[IDENTITY_BYTES]; /* SHA-256 of its key, cut: the id must not hang on the run's seed
					   */
	bool is_strong;           /* has a serial number or EUI-64 of its own: can be a device by itself */
	bool stated;              /* somebody said it of itself */
	uint8_t made_kind, proto; /* MADE_*; the protocol that tells of it */
	uint64_t change;          /* root: number of its last change */
	/* root: what fingerprints said */
	const char *type;
	uint8_t type_confidence;
	struct {
		const char *type;
		uint8_t confidence;
	} candidate[CANDIDATES];
	uint32_t walk; /* mark of inventory_each */
};

struct inventory {
	struct limits limits;
	struct counters *counters;
	const struct fingerprints *fingerprints;
	struct oui *oui;
	const struct network *home;
	size_t n_home;
	struct hash_key hash;
	struct pool nodes, values;
	uint32_t *gens; /* by node index */
	uint32_t gen, roots, walk;
	struct table keys; /* all nodes by key */
	uint32_t made_first, made_last;
	struct sightings {
		uint32_t oldest, newest, n;
	} seen[2];        /* all nodes, and those put aside: node_make_room */
	bool has_twins;   /* some address is used in two VLANs by two hosts: there are nodes of one VLAN's */
	uint64_t fed;     /* records so far */
	uint64_t changes; /* of devices so far */
	uint64_t attr_changes[ATTR_N];
	/* nodes and values count packets through all runs: of earlier ones, and of this one */
	uint64_t packets_before, packets;
	const struct event *now;
	void (*on_asset)(void *arg, const struct event *asset);
	void *on_asset_arg;
	/* what the reading functions hand out */
	struct addr ips[GATHER_MAX];
	struct mac macs[GATHER_MAX];
	uint16_t vlans[GATHER_MAX];
	char label[LABEL_BYTES];
	uint32_t touched[8];
	unsigned n_touched;
	/* the last service noted, so that a busy conversation is looked up once */
	struct {
		struct ref server, client;
		uint16_t port;
		uint8_t proto;
	} service;
};

/* ---- inventory_nodes.c: nodes and their tree --------------------------------------------------- */

static inline struct device *node_at(const struct inventory *inv, uint32_t i)
{
	return pool_at(&inv->nodes, i);
}

uint32_t node_index(const struct device *n);
struct ref ref_of(const struct device *n);                         /* n may be NULL */
struct device *ref_get(const struct inventory *inv, struct ref r); /* NULL: none, or gone */
struct device *node_root(const struct device *n);
/* The node after n in its tree in preorder, NULL at the end; start with the root. */
struct device *tree_next(const struct device *n, const struct device *root);
#define TREE_EACH(n, root) for (struct device *n = (root); n; n = tree_next(n, root))
bool node_link(struct device *n, struct device *up, enum link_kind kind); /* false: full, or a circle */
void node_unlink(struct device *n);

struct device *find_ip(const struct inventory *inv, const struct addr *ip, uint16_t vlan, uint32_t vni);
struct device *find_mac(const struct inventory *inv, const struct mac *m, uint16_t vlan, uint32_t vni);
struct device *find_identity(const struct inventory *inv, struct bytes key);
/* A node of an earlier run by what its key is made of; NULL: no room, or there is such a node. Not yet in any
 * tree. */
struct device *node_restore(struct inventory *inv, const struct device *as, uint32_t gen);
/* When all are there: the orders by creation and by last sight. */
void nodes_reorder(struct inventory *inv, const uint32_t *by_creation, const uint32_t *by_sight, size_t n);
/* The same, made if there is none; never NULL unless the pool refuses (tests). */
struct device *get_ip(struct inventory *inv, const struct addr *ip, uint16_t vlan, uint32_t vni);
struct device *get_mac(struct inventory *inv, const struct mac *m, uint16_t vlan, uint32_t vni);
struct device *get_identity(struct inventory *inv, struct bytes key);
/* A new node of that address in that segment (0: in all), which must have none. */
struct device *new_ip(struct inventory *inv, const struct addr *ip, uint16_t segment, uint32_t vni);
/* A device is let go: the oldest weakly known, never one that the record in hand is about. */
void node_make_room(struct inventory *inv);
/* Forgets one node; what hung under it stands by itself. */
void node_drop(struct device *n);
/* Its key is free again for another node; what is known stays on it. */
void node_close(struct device *n);
/* Seen now: it and its device are the last to be let go, and are looked at at the end of the record. */
void node_touch(struct device *n);
void node_vlan(struct device *n, uint16_t vlan);
/* The VLAN in which to look for that side's address: its own, of a silent side the other's. */
static inline uint16_t side_vlan(const struct event *e, unsigned side)
{
	return e->conv.vlan[side] ? e->conv.vlan[side] : e->conv.vlan[!side];
}
/* Home networks: private and link-local ranges, and those that inventory_home named. */
bool addr_is_home(const struct inventory *inv, const struct addr *a);
bool mac_is_virtual_router(const struct mac *m);

/* ---- inventory_attrs.c: values ------------------------------------------------------------------ */

/* Notes a value; source must live as long as the inventory. True when something changed. */
bool value_put(struct device *n, enum attr a, struct bytes v, unsigned confidence, const char *source);
/* The best value of a on that node alone, or NULL. */
const struct value *value_best(const struct device *n, enum attr a);
void values_free(struct device *n);
/* A value as it was restored; false: no room. */
bool value_restore(struct device *n, const struct value *v);
/* Captures of earlier days may be read later. */
static inline void seen_at(uint64_t *first_ns, uint64_t *last_ns, uint64_t now_ns)
{
	*first_ns = now_ns < *first_ns ? now_ns : *first_ns;
	*last_ns = now_ns > *last_ns ? now_ns : *last_ns;
}
/* This run's packet number; 0: of an earlier run. */
static inline uint64_t packet_here(const struct inventory *inv, uint64_t packet)
{
	return packet > inv->packets_before ? packet - inv->packets_before : 0;
}
/* Asks the fingerprints anew if something changed. */
void device_judge(struct device *root);
void mac_describe(struct device *m); /* vendor and class from its prefix */

/* ---- inventory_join.c: which nodes are one device ------------------------------------------------ */

bool mac_forwards(const struct device *m);
/* That MAC sent a packet from that address (a NULL: one outside the home networks that has no node).
 * answered: there is a conversation of two, so the address is no forged one. */
void join_carried(struct device *m, const struct addr *ip, struct device *a, uint16_t vlan, bool answered);
/* A host of that VLAN (0: frames carry none) handed m a packet for the address a. */
void join_next_hop(struct device *m, const struct device *a, uint16_t vlan);
/* ARP, ND (lease false) or DHCP (lease true) says that the address is that MAC's. */
void join_claimed(struct device *m, const struct addr *ip, bool lease);
/* m's device says that it can be managed at that address: its own, unless another MAC is seen to have it. */
void join_managed(struct device *m, const struct addr *ip);
/* m says that it is one card of the device with that MAC. */
void join_chassis(struct device *m, const struct mac *chassis);
void join_node_dropped(struct device *n);

/* ---- inventory_identity.c: serial numbers, EUI-64 ------------------------------------------------- */

/* The node stated what is now in its values: a serial number or EUI-64 of its own may lead elsewhere. */
void identity_stated(struct device *n);
/* The identity of an observation OB_MAKER or OB_BEHIND of that sender, or NULL when it names none. */
struct device *identity_told(struct device *sender, const struct event *e);
bool identity_no_serial(struct bytes serial); /* it is a placeholder: says nothing of the device */
bool identity_card(const struct device *id, struct mac *m); /* that its EUI-64 was made from, if any was */
/* The identity was from's and is now seen at to: true when it can have moved there, and was made to. */
bool identity_moved(struct device *id, struct device *from, struct device *to);
void identity_mac_seen(struct device *m); /* a MAC that an EUI-64 may have been waiting for */
void identity_woke(struct device *n);     /* the node spoke: has it really moved away? */

/* ---- inventory_maker.c: who made what he sends --------------------------------------------------------- */

void maker_told(struct device *sender, struct device *id); /* its data name that identity: rebind then */
void maker_rebind(struct device *n);                       /* after n's device was judged */
/* That identity is bound to `at`: has s, of another device, as good a claim to it? By the data alone everyone
 * has who passes them on, and routers go by others' titles: it must have the maker's card and the title. */
bool maker_contends(const struct device *s, const struct device *at, const struct device *id);

/* ---- inventory_device.c ------------------------------------------------------------------------------ */

bool device_is_listed(const struct device *root);

/* ---- inventory.c ---------------------------------------------------------------------------------- */

void asset_event(const struct device *n, unsigned what, enum attr a, struct bytes old, struct bytes new);
/* A card claims the address a, which another holds. The source is the claimant: who holds an address already
 * has done nothing. */
void asset_claimed(const struct device *claimant, const struct device *holder, const struct device *a);

#endif
