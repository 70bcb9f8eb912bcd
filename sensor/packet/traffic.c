#include "packet/traffic.h"

#include "base/assert.h"
#include "base/map.h"

#define SECOND UINT64_C(1000000000)

enum { SLOTS = 4096 }; /* one for each VLAN of one interface: no search there */

bool traffic_init(struct traffic *t, uint32_t most, struct counters *counters)
{
	ASSERT(most <= TRAFFIC_MOST);
	*t = (struct traffic){ .most = most, .counters = counters };
	t->rows = map_new(most * sizeof *t->rows);
	t->slots = map_new(SLOTS * sizeof *t->slots);
	return t->rows && t->slots;
}

void traffic_fini(struct traffic *t)
{
	map_free(t->rows, t->most * sizeof *t->rows);
	map_free(t->slots, SLOTS * sizeof *t->slots);
	*t = (struct traffic){ 0 };
}

/* NULL: the table is full. */
static struct traffic_row *row_of(struct traffic *t, const struct frame *f, uint16_t vlan)
{
	uint32_t at = (vlan + f->interface * 509) % SLOTS;
	for (; t->slots[at]; at = (at + 1) % SLOTS) {
		struct traffic_row *r = &t->rows[t->slots[at] - 1];
		if (r->vlan == vlan && r->interface == f->interface)
			return r;
	}
	if (t->n == t->most)
		return NULL;
	struct traffic_row *r = &t->rows[t->n++];
	t->slots[at] = (uint16_t)t->n;
	*r = (struct traffic_row){ .input = f->input, .interface = f->interface, .vlan = vlan };
	return r;
}

void traffic_count(struct traffic *t, const struct frame *f, uint16_t vlan, uint64_t now_ns)
{
	struct traffic_row *r = row_of(t, f, vlan);
	if (!r) {
		t->counters->full_vlans++;
		t->is_cut = true;
		return;
	}
	if (r->packets == 0)
		r->first_ns = now_ns;
	r->last_ns = now_ns;
	r->packets++;
	r->bytes += f->wire_bytes;
	r->spans |= (uint8_t)(1u << (now_ns / SECOND / TRAFFIC_SPAN_S % TRAFFIC_SPANS));
}

void traffic_clear(struct traffic *t)
{
	if (t->n)
		memset(t->slots, 0, SLOTS * sizeof *t->slots);
	t->n = 0;
	t->is_cut = false;
}
