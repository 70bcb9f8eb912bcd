/*
 * world: an inventory and records that come to it, for tests: who answered by ARP, who sent, what was said.
 * Everything is fed at once, a packet number and `seconds` after the start.
 */
#ifndef WW_TESTS_WORLD_H
#define WW_TESTS_WORLD_H

#include "decide/inventory.h"
#include "packet/categories.h"
#include "records.h"

#define CT   "00-01-E3-52-21-21"
#define PACS "00-25-90-4E-10-10"
#define MON  "00-09-FB-31-31-31"
#define HIS  "00-05-69-3A-11-11"
#define GW   "00-00-0C-A1-00-01"
#define EVIL "00-06-5B-02-02-02"

struct world {
	struct inventory *inv;
	struct fingerprints *f;
	struct counters counters;
	struct limits limits;
	struct diag diag;
	uint64_t packet, seconds;
	unsigned conflicts, created;
	struct conv conflict; /* of the last one */
};

void world_start(struct world *w);
int world_setup(void **state);
int world_teardown(void **state);
void feed(struct world *w, struct rec *r);
void arp(struct world *w, const char *ip, const char *mac);
void sends(struct world *w, const char *ip, const char *mac);
void talks(struct world *w, const char *ip, const char *mac, const char *peer, const char *peer_mac);
void lease(struct world *w, const char *ip, const char *mac, const char *name);
const struct device *by_ip(struct world *w, const char *ip);
const struct device *by_mac(struct world *w, const char *mac);
size_t n_ips(const struct device *d);
void check_attr(const struct device *d, enum attr a, const char *want);
void says(struct world *w, const char *ip, const char *mac, enum attr a, const char *v);
void made(struct world *w, const char *ip, const char *mac, const char *maker, const char *model,
	const char *serial);
void behind(struct world *w, const char *ip, const char *mac, const char *eui);

#endif
