#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Rules as the shipped ones have them, in small. */
static const char rules[] =
	"dialect: wardwatch/1\nkind: fingerprints\n"
	"fingerprints:\n"
	"    - {id: archive, match: {dicom.service: [qr_scp, commitment_scp]}, set: {passes_on: true}, "
	"confidence: 80}\n"
	"    - {id: is-sent, match: {dicom.service: storage_scp}, set: {passes_on: maybe}, confidence: 80}\n"
	"    - {id: modality, match: {dicom.service: [worklist_scu, mpps_scu]}, set: {makes: dicom}, "
	"confidence: 80}\n"
	"    - {id: ct, match: {dicom.modality: CT}, set: {type: imaging_ct}, confidence: 85}\n"
	"    - {id: software, match: {dicom.implementation.class_uid|startswith: '1.2.840.113619.'}, "
	"set: {manufacturer: GE}, confidence: 50}\n"
	"    - {id: router, match: {router: 'true'}, set: {type: firewall}, confidence: 60}\n"
	"prefixes:\n    - {prefix: '0009FB', vendor: Philips, class: patient_monitor}\n"
	"arcs:\n    - {prefix: '1.3.12.2.1107.5', maker: SIEMENS}\n"
	"    - {prefix: '1.2.840.113619', maker: GE}\n";

static void on_asset(void *arg, const struct event *e)
{
	struct world *w = arg;
	w->conflicts += e->event == ASSET_EV_CONFLICTING;
	if (e->event == ASSET_EV_CONFLICTING)
		w->conflict = e->conv;
	w->created += e->event == ASSET_EV_CREATED;
}

void world_start(struct world *w)
{
	w->inv = inventory_new(&w->limits, &w->counters, w->f, NULL);
	assert_non_null(w->inv);
	inventory_on_asset(w->inv, on_asset, w);
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	limits_default(&w->limits);
	w->f = fingerprints_parse("rules", bytes_str(rules), &w->diag);
	diag_print(&w->diag, stderr, true);
	assert_non_null(w->f);
	world_start(w);
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;
	inventory_free(w->inv);
	fingerprints_free(w->f);
	diag_free(&w->diag);
	free(w);
	return 0;
}

void feed(struct world *w, struct rec *r)
{
	rec_at(r, ++w->packet, w->seconds);
	inventory_feed(w->inv, rec_event(r));
}

void arp(struct world *w, const char *ip, const char *mac)
{
	struct rec r;
	rec_observe(&r, PROTO_arp, OB_ADDRESS);
	rec_event(&r)->conv.proto = 0;
	rec_from(&r, NULL, mac);
	rec_about(&r, ip, mac);
	feed(w, &r);
}

void sends(struct world *w, const char *ip, const char *mac)
{
	struct rec r;
	rec_begin(&r, PROTO_flow, FLOW_EV_START);
	rec_from(&r, ip, mac);
	rec_to(&r, "10.0.0.250", GW);
	feed(w, &r);
}

/* A whole conversation, there and back. */
void talks(struct world *w, const char *ip, const char *mac, const char *peer, const char *peer_mac)
{
	struct rec r;
	rec_begin(&r, PROTO_flow, FLOW_EV_END);
	rec_from(&r, ip, mac);
	rec_to(&r, peer, peer_mac);
	rec_str(&r, FLOW_STATE, "closed");
	rec_uint(&r, FLOW_DESTINATION_PACKETS, 4);
	feed(w, &r);
}

void lease(struct world *w, const char *ip, const char *mac, const char *name)
{
	struct rec r;
	rec_observe(&r, PROTO_dhcp, OB_ADDRESS);
	rec_event(&r)->conv.proto = 17;
	rec_from(&r, "10.0.0.2", PACS);
	rec_about(&r, ip, mac);
	if (name)
		rec_attr(&r, ATTR_HOST_NAME, name, 60);
	feed(w, &r);
}

const struct device *by_ip(struct world *w, const char *ip)
{
	struct rec r;
	rec_begin(&r, PROTO_flow, FLOW_EV_START);
	rec_from(&r, ip, NULL);
	return inventory_of(w->inv, rec_event(&r), DIR_CLIENT);
}

const struct device *by_mac(struct world *w, const char *mac)
{
	struct rec r;
	rec_begin(&r, PROTO_arp, 0);
	rec_from(&r, NULL, mac);
	return inventory_of(w->inv, rec_event(&r), DIR_CLIENT);
}

size_t n_ips(const struct device *d)
{
	const struct addr *ips;
	return device_ips(d, &ips);
}

void check_attr(const struct device *d, enum attr a, const char *want)
{
	struct attr_value v;
	assert_non_null(d);
	if (!want) {
		assert_false(device_attr(d, a, 0, &v));
		return;
	}
	assert_true(device_attr(d, a, 0, &v));
	if (!bytes_is(v.value, want))
		fail_msg("%s is %.*s, not %s", attr_rows[a].name, (int)v.value.n, (const char *)v.value.p,
			want);
}

void says(struct world *w, const char *ip, const char *mac, enum attr a, const char *v)
{
	struct rec r;
	rec_observe(&r, PROTO_dicom, OB_SENDER);
	rec_from(&r, ip, mac);
	rec_to(&r, "10.0.0.10", PACS);
	rec_attr(&r, a, v, 90);
	feed(w, &r);
}

void made(struct world *w, const char *ip, const char *mac, const char *maker, const char *model,
	const char *serial)
{
	struct rec r;
	rec_observe(&r, PROTO_dicom, OB_MAKER);
	rec_from(&r, ip, mac);
	rec_to(&r, "10.0.0.10", PACS);
	rec_attr(&r, ATTR_MANUFACTURER, maker, 90);
	rec_attr(&r, ATTR_MODEL, model, 90);
	if (serial)
		rec_attr(&r, ATTR_SERIAL, serial, 90);
	feed(w, &r);
}

void behind(struct world *w, const char *ip, const char *mac, const char *eui)
{
	struct rec r;
	rec_observe(&r, PROTO_hl7, OB_BEHIND);
	rec_from(&r, ip, mac);
	rec_attr(&r, ATTR_EUI64, eui, 90);
	rec_attr(&r, ATTR_MODEL, "VS900", 90);
	feed(w, &r);
}
