#include "decide/resolved.h"

#include "base/hash.h"
#include "base/map.h"

#include <stdlib.h>

enum { NAME_BYTES = 253 }; /* RFC 1035 section 2.3.4, without the root's dot */

#define A_DAY (UINT64_C(86400) * 1000000000)

struct entry {
	struct addr client, server;
	uint8_t n;
	uint8_t name[NAME_BYTES];
	uint64_t ts_ns;
};

struct resolved {
	uint64_t cap;
	struct entry *entries;
};

struct resolved *resolved_new(uint64_t cap)
{
	struct resolved *r = calloc(1, sizeof *r);
	if (r && (r->entries = map_new(cap * sizeof *r->entries))) {
		r->cap = cap;
		return r;
	}
	free(r);
	return NULL;
}

void resolved_free(struct resolved *r)
{
	if (r)
		map_free(r->entries, r->cap * sizeof *r->entries);
	free(r);
}

/* Who aims for one place takes a name away from it, no more: the key need not be secret. */
static struct entry *place(const struct resolved *r, const struct addr *client, const struct addr *server)
{
	static const struct hash_key key = { 1, 2 };
	uint8_t pair[32];
	memcpy(pair, client->b, 16);
	memcpy(pair + 16, server->b, 16);
	return &r->entries[hash_bytes(&key, pair, sizeof pair) % r->cap];
}

void resolved_learn(
	struct resolved *r, const struct addr *client, struct bytes name, struct bytes answer, uint64_t ts_ns)
{
	struct addr server;
	if (client->family == 0 || name.n == 0 || name.n > NAME_BYTES || !addr_parse(answer, &server))
		return;
	struct entry *e = place(r, client, &server);
	*e = (struct entry){ .client = *client, .server = server, .n = (uint8_t)name.n, .ts_ns = ts_ns };
	memcpy(e->name, name.p, name.n);
}

struct bytes resolved_name(
	const struct resolved *r, const struct addr *client, const struct addr *server, uint64_t ts_ns)
{
	const struct entry *e = place(r, client, server);
	bool fits = e->n && addr_eq(&e->client, client) && addr_eq(&e->server, server) &&
		    ts_ns - e->ts_ns <= A_DAY;
	return bytes_of(e->name, fits ? e->n : 0);
}
