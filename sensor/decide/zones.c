#include "decide/zones.h"

#include "base/assert.h"
#include "decide/zones_impl.h"

/* ---- edges ---------------------------------------------------------------------------------------- */

static const struct zone_edges *edges_of(const struct zones *z, unsigned family)
{
	return &z->edges[family == 6];
}

bool zones_by_prefix(const struct zones *z, const struct addr *a, unsigned *zone)
{
	const struct zone_edges *e = edges_of(z, a->family);
	size_t low = 0, high = e->n;
	while (low < high) { /* the last edge that is not above the address */
		size_t middle = low + (high - low) / 2;
		if (memcmp(e->list[middle].from, a->b, sizeof a->b) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (!a->family || low == 0 || e->list[low - 1].zone == ZONE_NONE)
		return false;
	*zone = e->list[low - 1].zone;
	return true;
}

/* ---- asking --------------------------------------------------------------------------------------- */

static bool is_home(const struct zones *z, const struct addr *a)
{
	if (addr_is_private(a))
		return true;
	for (size_t i = 0; i < z->n_home; i++)
		if (addr_in(a, &z->home[i].addr, z->home[i].bits))
			return true;
	return false;
}

static unsigned built_in(const struct zones *z, const struct addr *a)
{
	if (addr_is_multicast(a) || addr_is_broadcast(a))
		return ZONE_MULTICAST;
	if (addr_is_loopback(a) || addr_is_link_local(a) || addr_is_unspecified(a))
		return ZONE_LOCAL;
	return is_home(z, a) ? ZONE_UNASSIGNED : ZONE_INTERNET;
}

unsigned zones_of(const struct zones *z, const struct addr *a, uint16_t vlan)
{
	unsigned zone = ZONE_NONE;
	if (zones_by_prefix(z, a, &zone))
		return zone;
	/* A VLAN says where a host of the site is, not where the internet or a group begins. */
	unsigned kind = a->family ? built_in(z, a) : ZONE_LOCAL;
	bool hosts = kind == ZONE_UNASSIGNED || kind == ZONE_LOCAL;
	if (hosts && vlan && vlan < ZONE_VLANS && z->of_vlan[vlan] != ZONE_NONE)
		return z->of_vlan[vlan];
	return a->family ? kind : ZONE_NONE;
}

unsigned zones_count(const struct zones *z)
{
	return z->n;
}

const struct zone *zones_at(const struct zones *z, unsigned zone)
{
	ASSERT(zone < z->n);
	return &z->list[zone];
}

int zones_find(const struct zones *z, struct bytes name)
{
	for (unsigned i = 0; i < z->n; i++)
		if (bytes_is(name, z->list[i].name))
			return (int)i;
	return -1;
}

bool zone_is_outside(const struct zones *z, unsigned zone)
{
	for (; zone < z->n; zone = z->list[zone].up)
		if (zone == ZONE_INTERNET || z->list[zone].external)
			return true;
	return false;
}

const struct network *zones_home(const struct zones *z, size_t *n)
{
	*n = z->n_home;
	return z->home;
}

bool zones_have_vlans(const struct zones *z)
{
	return z->have_vlans;
}
