#include "run/documents.h"

#include "base/digest.h"
#include "decide/mask.h"
#include "packet/categories.h"
#include "packet/community_id.h"
#include "packet/dissect.h"

#include <stdio.h>
#include <time.h>

const char *doc_key(char out[DOC_KEY], const char *prefix, const char *name)
{
	snprintf(out, DOC_KEY, "%s%s", prefix, name);
	return out;
}

static struct bytes fact_text(const struct event *e, unsigned field)
{
	const struct fact *f = fact_find(e, field);
	return f && f->type == FACT_STR ? fact_value(f, 0) : (struct bytes){ 0 };
}

struct bytes event_protocol(const struct event *e)
{
	if (e->proto < PROTO_DISSECTED)
		return bytes_str(dissectors[e->proto]->name);
	if (e->proto == PROTO_phi)
		return fact_text(e, PHI_CONTAINER);
	if (e->proto == PROTO_credential)
		return fact_text(e, CREDENTIAL_PROTOCOL);
	if (e->proto == PROTO_segmentation)
		return fact_text(e, SEGMENTATION_PROTOCOL);
	return e->proto == PROTO_flow ? fact_text(e, FLOW_PROTOCOL) : (struct bytes){ 0 };
}

/* No scan is good enough for them. */
bool field_is_withheld(struct bytes name)
{
	static const char *const names[] = { "user.", "file.", "ftp.path", "url.original", "url.path",
		"url.query", "url.full", "http.request.referrer", "http.request.cookie", "kerberos.client",
		"smb.object", "rdp.cookie" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (bytes_starts(name, names[i]))
			return true;
	return false;
}

/* siem-conventions.md section 10: the rotation id of the key stands before the hash. */
static void pseudonym_json(struct json_doc *d, const char *key, struct bytes v)
{
	struct phi_fact phi;
	char text[3 + PSEUDONYM_BYTES * 8 / 5 + 2] = "k1:";
	if (v.n != sizeof phi)
		return;
	memcpy(&phi, v.p, sizeof phi);
	base32hex(bytes_of(phi.whole.b, PSEUDONYM_BYTES), PSEUDONYM_BYTES * 8, text + 3);
	json_text(d, key, text);
}

void value_json(
	struct json_doc *d, const char *key, enum fact_type type, enum privacy privacy, struct bytes v)
{
	struct addr ip;
	struct mac mac;
	switch (type) {
	case FACT_STR:
		if (privacy == OPEN)
			json_str(d, key, v);
		else
			json_sealed(d, key, privacy == PRODUCT ? SEAL_PRODUCT : SEAL_SUSPECT, v);
		break;
	case FACT_UINT:
		json_uint(d, key, value_uint(v));
		break;
	case FACT_INT:
		json_int(d, key, (int64_t)value_uint(v));
		break;
	case FACT_BOOL:
		json_bool(d, key, value_uint(v) != 0);
		break;
	case FACT_IP:
		memcpy(&ip, v.p, sizeof ip);
		json_ip(d, key, &ip);
		break;
	case FACT_MAC:
		memcpy(&mac, v.p, sizeof mac);
		json_mac(d, key, &mac);
		break;
	case FACT_TIME:
		if ((int64_t)value_uint(v) >= 0)
			json_time(d, key, value_uint(v));
		break;
	case FACT_BYTES:
		if (privacy == OPEN)
			json_hex(d, key, v);
		else
			json_sealed(d, key, SEAL_BYTES, v);
		break;
	case FACT_PHI:
		break;
	}
}

static unsigned field_count(const struct dissector *dc)
{
	unsigned n = 0;
	while (dc->fields[n].name)
		n++;
	return n;
}

void facts_json(struct json_doc *d, const struct doc_context *ctx, const struct event *e, const char *prefix)
{
	const struct dissector *dc = dissectors[e->proto];
	unsigned fields = field_count(dc);
	char key[DOC_KEY];
	FACT_EACH (f, e) {
		if (f->field >= fields)
			continue; /* FIELD_NONE: known to the mask only */
		const struct field *field = &dc->fields[f->field];
		doc_key(key, prefix, field->name);
		if (f->type != FACT_PHI && field_is_withheld(bytes_str(field->name))) {
			json_text(d, key, MASKED);
			continue;
		}
		if (f->count)
			json_list(d, key);
		for (unsigned i = 0; i < fact_count(f); i++) {
			if (f->type == FACT_PHI && ctx->pseudonyms)
				pseudonym_json(d, key, fact_value(f, i));
			else
				value_json(d, key, (enum fact_type)f->type, field->privacy, fact_value(f, i));
		}
	}
}

void phi_json(struct json_doc *d, const char *key, uint32_t phi)
{
	if (phi)
		json_list(d, key);
	for (unsigned c = PHI_NONE + 1; c < PHI_END; c++)
		if (phi & PHI_BIT(c))
			json_text(d, key, phi_name((enum privacy)c));
}

static void flags_json(struct json_doc *d, const struct event *e)
{
	static const struct {
		enum event_flag flag;
		const char *name;
	} flags[] = { { EVENT_AFTER_GAP, "after_gap" }, { EVENT_CUT, "facts_cut" },
		{ EVENT_PDU_CUT, "message_cut" }, { EVENT_MIDSTREAM, "midstream" } };
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (e->flags & flags[i].flag) {
			json_list(d, "event.flags");
			json_text(d, "event.flags", flags[i].name);
		}
}

static void conv_json(struct json_doc *d, const struct conv *c)
{
	char id[COMMUNITY_ID_TEXT];
	json_ip(d, "source.ip", &c->src);
	json_ip(d, "destination.ip", &c->dst);
	json_mac(d, "source.mac", &c->smac);
	json_mac(d, "destination.mac", &c->dmac);
	if (c->sport || c->dport) {
		json_uint(d, "source.port", c->sport);
		json_uint(d, "destination.port", c->dport);
	}
	if (c->vlan[0])
		json_uint(d, "network.vlan.id", c->vlan[0]);
	if (c->vlan[1] && c->vlan[1] != c->vlan[0])
		json_uint(d, "network.vlan.id", c->vlan[1]);
	if (c->vni)
		json_uint(d, "network.vni", c->vni);
	if (!c->src.family)
		return;
	if (transport_name(c->proto))
		json_text(d, "network.transport", transport_name(c->proto));
	json_text(d, "network.type", c->src.family == 4 ? "ipv4" : "ipv6");
	if (community_id(c, 0, id))
		json_text(d, "network.community_id", id);
	json_bool(d, "network.encrypted", c->encrypted);
	json_bool(d, "network.initiator_known", c->initiator_known);
	if (c->odd_port)
		json_bool(d, "network.standard_port", false);
}

void event_json(struct json_doc *d, const struct doc_context *ctx, const struct event *e)
{
	json_reset(d);
	json_time(d, "@timestamp", e->ts_ns);
	json_uint(d, "packet", e->packet);
	json_str(d, "event.category", event_category(e));
	json_str(d, "event.action", event_action(e));
	json_text(d, "event.sender", e->dir == DIR_CLIENT ? "source" : "destination");
	flags_json(d, e);
	conv_json(d, &e->conv);
	if (e->proto < PROTO_DISSECTED)
		json_text(d, "network.protocol", dissectors[e->proto]->name);
	if (e->proto != PROTO_phi) /* there it is a fact */
		phi_json(d, "phi.classes", e->phi);
	facts_json(d, ctx, e, "");
}

uint64_t doc_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void observer_json(struct json_doc *d, const struct doc_context *ctx)
{
	json_text(d, "observer.name", ctx->sensor_name);
	json_text(d, "observer.product", "Wardwatch");
	json_text(d, "observer.type", "sensor");
	json_text(d, "observer.vendor", "Wardwatch");
	json_text(d, "observer.version", WW_VERSION);
	json_text(d, "ecs.version", "8.17.0");
}
