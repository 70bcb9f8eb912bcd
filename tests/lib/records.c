#include "records.h"

#include "base/assert.h"

#define START_NS 1772352000000000000u /* 2026-03-01T08:00:00Z */

struct event *rec_event(struct rec *r)
{
	return (struct event *)(void *)r->b;
}

void rec_begin(struct rec *r, enum proto proto, unsigned event)
{
	*r = (struct rec){ 0 };
	*rec_event(r) = (struct event){ .len = sizeof(struct event),
		.record = RECORD_EVENT,
		.proto = (uint8_t)proto,
		.event = (uint8_t)event,
		.packet = 1,
		.ts_ns = START_NS,
		.conv = { .proto = L4_TCP, .sport = 40000, .dport = 104, .initiator_known = true } };
}

void rec_observe(struct rec *r, enum proto proto, enum observation_about about)
{
	rec_begin(r, proto, about);
	rec_event(r)->record = RECORD_OBSERVATION;
}

static struct addr ip_of(const char *text)
{
	struct addr a = { 0 };
	if (text)
		ASSERT(addr_parse(bytes_str(text), &a));
	return a;
}

static struct mac mac_of(const char *text)
{
	struct mac m = { 0 };
	if (text)
		ASSERT(mac_parse(bytes_str(text), &m));
	return m;
}

void rec_from(struct rec *r, const char *ip, const char *mac)
{
	rec_event(r)->conv.src = ip_of(ip);
	rec_event(r)->conv.smac = mac_of(mac);
}

void rec_to(struct rec *r, const char *ip, const char *mac)
{
	rec_event(r)->conv.dst = ip_of(ip);
	rec_event(r)->conv.dmac = mac_of(mac);
}

void rec_about(struct rec *r, const char *ip, const char *mac)
{
	rec_event(r)->about_ip = ip_of(ip);
	rec_event(r)->about_mac = mac_of(mac);
}

void rec_ports(struct rec *r, uint16_t sport, uint16_t dport)
{
	rec_event(r)->conv.sport = sport;
	rec_event(r)->conv.dport = dport;
}

void rec_at(struct rec *r, uint64_t packet, uint64_t seconds)
{
	rec_event(r)->packet = packet;
	rec_event(r)->ts_ns = START_NS + seconds * 1000000000u;
}

static void add(
	struct rec *r, unsigned field, enum fact_type type, const void *v, size_t n, unsigned confidence)
{
	struct event *e = rec_event(r);
	size_t need = sizeof(struct fact) + ((n + 7) & ~(size_t)7);
	ASSERT(e->len + need <= sizeof r->b);
	struct fact *f = (struct fact *)(void *)(r->b + e->len);
	*f = (struct fact){ .field = (uint16_t)field,
		.type = (uint8_t)type,
		.len = (uint16_t)n,
		.confidence = (uint8_t)confidence };
	memcpy(f->value, v, n);
	e->len += (uint32_t)need;
	e->n_facts++;
}

void rec_str(struct rec *r, unsigned field, const char *text)
{
	add(r, field, FACT_STR, text, strlen(text), 0);
}

void rec_uint(struct rec *r, unsigned field, uint64_t v)
{
	add(r, field, FACT_UINT, &v, sizeof v, 0);
}

void rec_attr(struct rec *r, enum attr a, const char *text, unsigned confidence)
{
	add(r, a, FACT_STR, text, strlen(text), confidence);
}
