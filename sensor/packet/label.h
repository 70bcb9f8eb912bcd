/*
 * label: nDPI's word for conversations that none of our dissectors reads. The only file that includes nDPI;
 * version differences live here.
 *
 * One struct labels per worker, used on that worker only (nDPI's allocator hooks are global: the arena is
 * thread-local). nDPI is started at the first packet it is asked about.
 */
#ifndef WW_PACKET_LABEL_H
#define WW_PACKET_LABEL_H

#include "base/counters.h"
#include "base/limits.h"
#include "packet/packet.h"

struct labels;

struct labels *labels_new(const struct limits *l, struct counters *c);
void labels_free(struct labels *t);
/* A label for a new conversation, the caller's number `owner`; 0 (counted) when none is left or nDPI cannot
 * start. To be shown a packet at once. */
uint32_t label_get(struct labels *t, uint32_t owner);
/* None is left: the owner of the one shown no packet for longest, who has to put it back (counted). Else 0.
 */
uint32_t label_evict(struct labels *t);
void label_put(struct labels *t, uint32_t label);
/* Shows it one packet (whole, consistent, no fragment: else it is not shown). True when it is sure; *verdict
 * is then the number label_name() knows, 0: unknown. */
bool label_packet(struct labels *t, uint32_t label, const struct packet *p, uint32_t *verdict);
/* No more packets come: what it makes of those it has seen. */
uint32_t label_giveup(struct labels *t, uint32_t label);
/* Calls fn with the name of each risk that nDPI saw. */
void label_risks(struct labels *t, uint32_t label, void (*fn)(void *arg, const char *risk), void *arg);
/* Lower-case name, as network.protocol: "http". "" for 0. */
const char *label_name(const struct labels *t, uint32_t verdict);
uint64_t labels_arena_bytes(const struct labels *t); /* most that nDPI ever held */

#endif
