/*
 * inventory_codec: the bytes of a record of inventory_state.h, for inventory_*.c alone.
 *
 * Version, hash over the rest, then the nodes in preorder, each with its length. Numbers are little-endian;
 * attributes, protocols and sources stand by name, since their numbers differ between versions. Where a node
 * has a reference to another, the other's creation number stands for it.
 */
#ifndef WW_DECIDE_INVENTORY_CODEC_H
#define WW_DECIDE_INVENTORY_CODEC_H

#include "decide/inventory_nodes.h"
#include "decide/mask.h"

/* The device's record; nodes that do not fit any more are left out. */
struct bytes codec_write(const struct device *root, struct mask *m, uint8_t *buffer, size_t cap);
uint64_t codec_hash(struct bytes record);

/* Reading: the nodes one after the other. */
struct codec_node {
	struct device as; /* references: at is 0, gen the creation number; no tree, no values */
	uint32_t gen, up; /* creation numbers; up 0: the root */
	struct cur values;
	unsigned n_values;
};
/* False: damaged, or of another version. */
bool codec_open(struct bytes record, struct cur *nodes);
bool codec_node(struct cur *nodes, struct codec_node *out); /* false: damaged */
/* The next of its n_values. False: damaged, or (*known false) of an attribute that is no more. */
bool codec_value(struct codec_node *n, struct value *out, bool *known);

#endif
