/*
 * records: event and observation records made in memory, for tests of what the hub does with them.
 *
 *	struct rec r;
 *	rec_observe(&r, PROTO_dicom, OB_SENDER);
 *	rec_from(&r, "10.0.0.5", "00-09-FB-31-31-31");
 *	rec_attr(&r, ATTR_MODEL, "MX800", 90);
 *	inventory_feed(inv, rec_event(&r));
 */
#ifndef WW_TESTS_RECORDS_H
#define WW_TESTS_RECORDS_H

#include "packet/dissect.h"

enum { REC_BYTES = 8192 };

struct rec {
	_Alignas(8) uint8_t b[REC_BYTES];
};

/* A TCP conversation of no one yet, sent by the client, packet 1, at 2026-03-01T08:00:00Z. */
void rec_begin(struct rec *r, enum proto proto, unsigned event);
void rec_observe(struct rec *r, enum proto proto, enum observation_about about);
struct event *rec_event(struct rec *r);

/* Source and destination; NULL: none. Addresses dotted or RFC 4291, MACs with any separator. */
void rec_from(struct rec *r, const char *ip, const char *mac);
void rec_to(struct rec *r, const char *ip, const char *mac);
void rec_about(struct rec *r, const char *ip, const char *mac);
void rec_ports(struct rec *r, uint16_t sport, uint16_t dport);
/* Packet number and seconds after the start. */
void rec_at(struct rec *r, uint64_t packet, uint64_t seconds);

void rec_str(struct rec *r, unsigned field, const char *text);
void rec_uint(struct rec *r, unsigned field, uint64_t v);
void rec_attr(struct rec *r, enum attr a, const char *text, unsigned confidence);

#endif
