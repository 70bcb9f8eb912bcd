/* Writing nodes as records. The layout is said once, in inventory_codec.c. */
#include "decide/inventory_state.h"

#include "base/map.h"
#include "decide/inventory_codec.h"

#include <stdlib.h>

/* What was written of the device whose root has that node's place. */
struct saved {
	char id[DEVICE_ID]; /* "": nothing */
	uint64_t hash;      /* of the record */
};

struct inventory_saver {
	const struct inventory *inv;
	struct mask *mask;
	struct saved *saved; /* by node index */
	size_t saved_bytes;
	uint8_t *buffer;
	uint32_t at; /* node index of the sweep; first all that is gone, then all that is there */
	bool past_gone;
};

struct inventory_saver *inventory_saver_new(const struct inventory *inv, struct mask *m)
{
	struct inventory_saver *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->inv = inv;
	s->mask = m;
	s->saved_bytes = inventory_slots(inv) * sizeof *s->saved;
	s->saved = map_new(s->saved_bytes);
	s->buffer = map_new(STATE_MAX);
	if (s->saved && s->buffer)
		return s;
	inventory_saver_free(s);
	return NULL;
}

void inventory_saver_free(struct inventory_saver *s)
{
	if (!s)
		return;
	if (s->saved)
		map_free(s->saved, s->saved_bytes);
	if (s->buffer)
		map_free(s->buffer, STATE_MAX);
	free(s);
}

uint64_t inventory_packets(const struct inventory *inv)
{
	return inv->packets_before + inv->packets;
}

static uint32_t order_of(const struct device *root)
{
	uint32_t first = UINT32_MAX;
	TREE_EACH (n, (struct device *)(uintptr_t)root)
		first = n->inv->gens[node_index(n)] < first ? n->inv->gens[node_index(n)] : first;
	return first;
}

static bool is_root(const struct inventory *inv, uint32_t i)
{
	return inv->gens[i] && !node_at(inv, i)->up;
}

static bool save_gone(struct inventory_saver *s, struct device_state *out)
{
	struct saved *saved = &s->saved[s->at];
	char id[DEVICE_ID];
	if (!*saved->id)
		return false;
	if (is_root(s->inv, s->at)) {
		device_id(node_at(s->inv, s->at), id);
		if (strcmp(id, saved->id) == 0)
			return false;
	}
	*out = (struct device_state){ .order = 0 };
	memcpy(out->id, saved->id, DEVICE_ID);
	*saved = (struct saved){ .hash = 0 };
	return true;
}

static bool save_device(struct inventory_saver *s, struct device_state *out)
{
	struct saved *saved = &s->saved[s->at];
	if (!is_root(s->inv, s->at))
		return false;
	const struct device *root = node_at(s->inv, s->at);
	struct bytes state = codec_write(root, s->mask, s->buffer, STATE_MAX);
	uint64_t hash = codec_hash(state);
	if (*saved->id && saved->hash == hash)
		return false;
	*out = (struct device_state){
		.device = root, .order = order_of(root), .is_listed = device_is_listed(root), .state = state
	};
	device_id(root, out->id);
	device_times(root, &out->first_ns, &out->last_ns);
	memcpy(saved->id, out->id, DEVICE_ID);
	saved->hash = hash;
	return true;
}

enum state_kind inventory_save(struct inventory_saver *s, struct device_state *out)
{
	for (unsigned looks = 0; looks < STATE_LOOKS; looks++) {
		if (s->at + 1 < s->inv->nodes.fresh) {
			s->at++;
			if (s->past_gone ? save_device(s, out) : save_gone(s, out))
				return s->past_gone ? STATE_DEVICE : STATE_GONE;
		} else if (!s->past_gone) {
			s->past_gone = true;
			s->at = 0;
		} else {
			s->past_gone = false;
			s->at = 0;
			return STATE_OVER;
		}
	}
	return STATE_PAUSE;
}

void inventory_save_again(struct inventory_saver *s, const struct device_state *last)
{
	struct saved *saved = &s->saved[s->at];
	if (s->past_gone)
		*saved->id = 0;
	else
		memcpy(saved->id, last->id, DEVICE_ID);
	s->at--;
}

void inventory_save_all(struct inventory_saver *s)
{
	memset(s->saved, 0, s->inv->nodes.fresh * sizeof *s->saved);
}
