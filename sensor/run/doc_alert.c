#include "run/documents.h"

#include "decide/policy.h"
#include "decide/schema.h"
#include "packet/community_id.h"
#include "packet/dissect.h"

#include <stdio.h>

struct attack_row {
	const char *tag, *id, *name;
};

static const struct attack_row tactics[] = {
#define TACTIC(tag, id, name) { tag, id, name },
#define TECHNIQUE(id, name)
#include "run/attack.def"
#undef TACTIC
#undef TECHNIQUE
};

static const struct attack_row techniques[] = {
#define TACTIC(tag, id, name)
#define TECHNIQUE(id, name) { id, id, name },
#include "run/attack.def"
#undef TACTIC
#undef TECHNIQUE
};

/* siem-conventions.md section 8: which ECS categories stand for ours. */
static const struct {
	const char *category;
	const char *ecs[2];
} categories[] = {
	{ "phi_exposure", { "intrusion_detection", "network" } },
	{ "weak_crypto", { "intrusion_detection", "network" } },
	{ "protocol_violation", { "intrusion_detection", "network" } },
	{ "policy", { "intrusion_detection", "network" } },
	{ "weak_auth", { "authentication", "network" } },
	{ "default_credentials", { "authentication", "network" } },
	{ "cleartext_credentials", { "authentication", "network" } },
	{ "certificate", { "network", "" } },
	{ "outdated_firmware", { "vulnerability", "host" } },
	{ "known_vulnerability", { "vulnerability", "host" } },
	{ "recall", { "vulnerability", "host" } },
	{ "lateral_movement", { "intrusion_detection", "network" } },
	{ "scan", { "intrusion_detection", "network" } },
	{ "segmentation", { "intrusion_detection", "network" } },
	{ "rogue_device", { "intrusion_detection", "host" } },
	{ "baseline", { "network", "" } },
	{ "sensor_health", { "host", "" } },
};

static void category_json(struct json_doc *d, const char *category)
{
	size_t row = 3; /* policy */
	for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
		if (strcmp(categories[i].category, category) == 0)
			row = i;
	json_list(d, "event.category");
	json_text(d, "event.category", categories[row].ecs[0]);
	json_text(d, "event.category", categories[row].ecs[1]);
	json_list(d, "event.type");
	json_text(d, "event.type", "info");
}

static void technique_json(struct json_doc *d, struct bytes id)
{
	char upper[16];
	size_t n = id.n < sizeof upper - 1 ? id.n : sizeof upper - 1;
	for (size_t i = 0; i < n; i++)
		upper[i] = (char)ascii_upper(id.p[i]);
	upper[n] = 0;
	bool sub = strchr(upper, '.') != NULL;
	const char *key = sub ? "threat.technique.subtechnique" : "threat.technique";
	char k[DOC_KEY];
	json_list(d, doc_key(k, key, ".id"));
	json_text(d, k, upper);
	for (size_t i = 0; i < sizeof techniques / sizeof *techniques; i++)
		if (strcmp(techniques[i].id, upper) == 0) {
			json_list(d, doc_key(k, key, ".name"));
			json_text(d, k, techniques[i].name);
		}
}

static bool same_tag(struct bytes tag, const char *name)
{
	if (tag.n != strlen(name))
		return false;
	for (size_t i = 0; i < tag.n; i++)
		if (tag.p[i] != (uint8_t)name[i] && !(tag.p[i] == '_' && name[i] == '-'))
			return false;
	return true;
}

static void threat_json(struct json_doc *d, const struct rule_text *r)
{
	bool any = false;
	for (size_t i = 0; i < r->n_tags; i++) {
		struct bytes tag = bytes_str(r->tags[i]);
		if (!bytes_starts(tag, "attack."))
			continue;
		tag = bytes_from(tag, 7);
		if (bytes_startsi(tag, "t") && ascii_digit(bytes_at(tag, 1))) {
			technique_json(d, tag);
			any = true;
		}
		for (size_t t = 0; t < sizeof tactics / sizeof *tactics; t++) {
			if (!same_tag(tag, tactics[t].tag))
				continue;
			json_list(d, "threat.tactic.id");
			json_text(d, "threat.tactic.id", tactics[t].id);
			json_list(d, "threat.tactic.name");
			json_text(d, "threat.tactic.name", tactics[t].name);
			any = true;
		}
	}
	if (any)
		json_text(d, "threat.framework", "MITRE ATT&CK");
}

static void rule_json(struct json_doc *d, const struct rule_text *r)
{
	const char *name = *r->name ? r->name : r->id;
	json_text(d, "event.action", name);
	json_text(d, "event.code", r->category);
	if (*r->author) {
		json_list(d, "rule.author");
		json_text(d, "rule.author", r->author);
	}
	json_text(d, "rule.category", r->category);
	json_text(d, "rule.description", r->description);
	json_text(d, "rule.id", name);
	json_text(d, "rule.license", r->license);
	json_text(d, "rule.name", r->title);
	json_text(d, "rule.reference", r->reference);
	json_text(d, "rule.ruleset", r->ruleset);
	json_text(d, "rule.uuid", r->id);
	json_text(d, "rule.version", r->version);
	json_text(d, "wardwatch.category", r->category);
	for (size_t i = 0; i < r->n_responses; i++)
		json_text(d, "wardwatch.response", r->responses[i]);
	if (r->n_responses)
		json_list(d, "wardwatch.response");
	for (size_t i = 0; i < r->n_maps; i++) {
		char key[DOC_KEY];
		json_list(d, doc_key(key, "wardwatch.maps.", r->maps[i][0]));
		json_text(d, key, r->maps[i][1]);
	}
	threat_json(d, r);
}

static void device_core_json(struct json_doc *d, const char *prefix, const struct device *dev)
{
	static const struct {
		enum attr attr;
		const char *key;
	} attrs[] = { { ATTR_MANUFACTURER, "manufacturer" }, { ATTR_MODEL, "model.name" },
		{ ATTR_SERIAL, "serial_number" } };
	struct attr_value v;
	char key[DOC_KEY], id[DEVICE_ID];
	device_id(dev, id);
	json_text(d, doc_key(key, prefix, "id"), id);
	for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
		if (device_attr(dev, attrs[i].attr, 0, &v))
			json_sealed(d, doc_key(key, prefix, attrs[i].key), SEAL_PRODUCT, v.value);
}

/* What the rule's `fields` name of that side's device beyond what every alert says of it. */
static void asked_json(
	struct json_doc *d, const char *side, const struct device *dev, const struct rule_text *r)
{
	char field[DOC_KEY], key[DOC_KEY];
	for (unsigned a = 0; a < ATTR_N; a++) {
		if (a == ATTR_MANUFACTURER || a == ATTR_MODEL || a == ATTR_SERIAL || a == ATTR_FIRMWARE ||
			a == ATTR_TYPE)
			continue;
		snprintf(field, sizeof field, "%s.device.%s", side, device_field_name(a));
		if (rule_asks_for(r, field))
			attr_json(d, doc_key(key, "wardwatch.", field), dev, (enum attr)a);
	}
}

/* One side of the conversation: who it is, not only its address. */
static void side_json(
	struct json_doc *d, const char *side, const struct device *dev, const struct rule_text *r)
{
	char prefix[DOC_KEY], key[DOC_KEY];
	struct attr_value v;
	if (!dev)
		return;
	snprintf(prefix, sizeof prefix, "wardwatch.%s.device.", side);
	device_core_json(d, prefix, dev);
	json_suspect(d, doc_key(key, prefix, "name"), device_label(dev));
	json_text(d, doc_key(key, prefix, "type"), device_type(dev));
	json_uint(d, doc_key(key, prefix, "confidence"), device_confidence(dev));
	if (device_attr(dev, ATTR_FIRMWARE, 0, &v))
		json_sealed(d, doc_key(key, prefix, "firmware.version"), SEAL_PRODUCT, v.value);
	asked_json(d, side, dev, r);
	struct bytes name = device_name(dev);
	if (name.n == 0) /* its addresses are in related.ip */
		return;
	json_list(d, "related.hosts");
	json_suspect(d, "related.hosts", name);
}

/* The frame's MAC may be a router's: only a device's own are its. */
static void subject_json(struct json_doc *d, const struct device *dev, const struct addr *ip)
{
	struct attr_value v;
	const struct mac *macs;
	json_ip(d, "host.ip", ip);
	if (ip->family)
		json_list(d, "host.ip");
	if (!dev)
		return;
	size_t n = device_macs(dev, &macs);
	for (size_t i = 0; i < n; i++)
		json_mac(d, "host.mac", &macs[i]);
	if (n)
		json_list(d, "host.mac");
	device_core_json(d, "device.", dev);
	if (device_attr(dev, ATTR_HOST_NAME, 0, &v))
		json_suspect(d, "host.name", v.value);
	json_text(d, "wardwatch.device.type", device_type(dev));
}

static void network_json(struct json_doc *d, const struct event *e)
{
	const struct conv *c = &e->conv;
	char text[COMMUNITY_ID_TEXT];
	json_ip(d, "source.ip", &c->src);
	json_ip(d, "destination.ip", &c->dst);
	json_mac(d, "source.mac", &c->smac);
	json_mac(d, "destination.mac", &c->dmac);
	if (c->src.family || c->dst.family)
		json_list(d, "related.ip");
	json_ip(d, "related.ip", &c->src);
	if (!addr_eq(&c->src, &c->dst))
		json_ip(d, "related.ip", &c->dst);
	if (c->sport || c->dport) {
		json_uint(d, "source.port", c->sport);
		json_uint(d, "destination.port", c->dport);
	}
	json_str(d, "network.protocol", event_protocol(e));
	if (c->vlan[0] || c->vlan[1]) { /* ECS: a keyword */
		snprintf(text, sizeof text, "%u", c->vlan[0] ? c->vlan[0] : c->vlan[1]);
		json_text(d, "network.vlan.id", text);
	}
	if (!c->src.family)
		return;
	if (transport_name(c->proto))
		json_text(d, "network.transport", transport_name(c->proto));
	json_text(d, "network.type", c->src.family == 4 ? "ipv4" : "ipv6");
	if (community_id(c, 0, text))
		json_text(d, "network.community_id", text);
	json_bool(d, "wardwatch.network.encrypted", c->encrypted);
	json_bool(d, "wardwatch.network.initiator_known", c->initiator_known);
	json_text(d, "wardwatch.network.sender", e->dir == DIR_CLIENT ? "source" : "destination");
}

/* What the event said where the rule looked: "tls.version 1.0". Open values only. */
static size_t observed(const struct alert *a, char *text, size_t room)
{
	size_t n = 0;
	for (unsigned i = 0; i < a->reason.n && n < room; i++) {
		struct bytes item = bytes_str(a->reason.item[i].item), name;
		const struct field *f = dissectors[a->event->proto]->fields;
		unsigned k = 0;
		name = bytes_first(item, bytes_chr(item, 0, '|'));
		while (f && f[k].name && !bytes_is(name, f[k].name))
			k++;
		const struct fact *fact =
			f && f[k].name && f[k].privacy == OPEN ? fact_find(a->event, k) : NULL;
		struct bytes v = fact ? fact_value(fact, 0) : (struct bytes){ 0 };
		if (v.n && fact->type == FACT_STR)
			n += (size_t)snprintf(text + n, room - n, "; %.*s %.*s", (int)name.n,
				(const char *)name.p, (int)bytes_first(v, 64).n, (const char *)v.p);
		else if (v.n && (fact->type == FACT_UINT || fact->type == FACT_INT))
			n += (size_t)snprintf(text + n, room - n, "; %.*s %lld", (int)name.n,
				(const char *)name.p, (long long)value_uint(v));
	}
	return n;
}

/* One sentence of open values only; names are beside it, masked. */
static void sentence_json(struct json_doc *d, const struct alert *a)
{
	const struct conv *c = &a->event->conv;
	char text[512], from[ADDR_TEXT], to[ADDR_TEXT];
	struct bytes protocol = event_protocol(a->event);
	size_t n = (size_t)snprintf(
		text, sizeof text, "%.*s", (int)bytes_first(protocol, 32).n, (const char *)protocol.p);
	if (c->src.family)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%s%s", n ? " " : "",
			addr_text(&c->src, from), c->dst.family ? " to " : "", addr_text(&c->dst, to));
	if (c->dport)
		n += (size_t)snprintf(text + n, sizeof text - n, " port %u", c->dport);
	const char *joint = "; ";
	for (unsigned p = PHI_NONE + 1; p < PHI_END && n < sizeof text; p++)
		if (a->phi & PHI_BIT(p)) {
			n += (size_t)snprintf(
				text + n, sizeof text - n, "%s%s", joint, phi_words((enum privacy)p));
			joint = ", ";
		}
	if (n < sizeof text)
		n += observed(a, text + n, sizeof text - n);
	if (n < sizeof text && a->correlation.type)
		n += (size_t)snprintf(text + n, sizeof text - n, "; %s", a->correlation.words);
	if (n < sizeof text && a->count > 1)
		snprintf(text + n, sizeof text - n, "; %llu messages", (unsigned long long)a->count);
	/* Of what has no conversation the first words are those of the rule. */
	json_text(d, "event.reason", strncmp(text, "; ", 2) == 0 ? text + 2 : text);
}

/* Which parts of the rule held. The values they looked at are the event's facts, under wardwatch.event. */
static void reason_json(struct json_doc *d, const struct alert *a)
{
	char line[256];
	for (unsigned i = 0; i < a->reason.n; i++) {
		json_list(d, "wardwatch.reason.matched");
		const char *identifier = a->reason.item[i].identifier, *item = a->reason.item[i].item;
		snprintf(line, sizeof line, "%s: %s", identifier ? identifier : "", item ? item : "");
		json_text(d, "wardwatch.reason.matched", line);
	}
	json_uint(d, "wardwatch.reason.condition", a->reason.condition + 1);
	for (unsigned i = 0; i < a->n_terms; i++) {
		char key[DOC_KEY];
		json_int(d, doc_key(key, "wardwatch.score.", a->terms[i].name), a->terms[i].amount);
	}
}

static void evidence_json(struct json_doc *d, const struct alert *a)
{
	json_list(d, "wardwatch.evidence.packets");
	for (unsigned i = 0; i < a->n_packets; i++)
		json_uint(d, "wardwatch.evidence.packets", a->packets[i]);
	json_uint(d, "wardwatch.evidence.first_packet", a->first_packet);
	json_uint(d, "wardwatch.evidence.last_packet", a->last_packet);
	json_uint(d, "wardwatch.count", a->count);
	json_bool(d, "wardwatch.closing", a->closing);
	if (a->closing)
		json_text(d, "wardwatch.first_id", a->first_id);
	if (!a->phi)
		return;
	phi_json(d, "wardwatch.phi.classes", a->phi);
	json_uint(d, "wardwatch.phi.count", (unsigned)__builtin_popcount(a->phi));
	if (a->patients) {
		json_uint(d, "wardwatch.phi.patients", a->patients);
		json_bool(d, "wardwatch.phi.patients_at_least", a->patients_at_least);
	}
}

static void correlation_json(struct json_doc *d, const struct alert_correlation *c)
{
	char key[DOC_KEY];
	if (!c->type)
		return;
	json_text(d, "wardwatch.correlation.type", c->type);
	json_text(d, "wardwatch.correlation.value", c->value);
	json_uint(d, "wardwatch.correlation.timespan", c->span_ns / 1000000000);
	json_time(d, "wardwatch.correlation.first", c->first_ns);
	json_time(d, "wardwatch.correlation.last", c->last_ns);
	json_bool(d, "wardwatch.correlation.truncated", c->truncated);
	json_list(d, "wardwatch.correlation.packets");
	for (unsigned i = 0; i < c->n_packets; i++)
		json_uint(d, "wardwatch.correlation.packets", c->packets[i]);
	for (unsigned i = 0; i < c->n_by; i++) {
		struct bytes value = bytes_of(c->text + c->by[i].at, c->by[i].n);
		doc_key(key, "wardwatch.correlation.group.", c->by[i].name);
		(c->by[i].privacy == OPEN ? json_str : json_suspect)(d, key, value);
	}
}

void alert_json(struct json_doc *d, const struct doc_context *ctx, const struct alert *a)
{
	const struct rule_text *r = rule_text(a->rule);
	const struct event *e = a->event;
	bool destination = r->subject_is_destination, health = strcmp(r->category, "sensor_health") == 0;
	json_reset(d);
	json_time(d, "@timestamp", e->ts_ns);
	if (ctx->created_ns)
		json_time(d, "event.created", ctx->created_ns);
	json_text(d, "message", r->title);
	json_text(d, "event.id", a->id);
	json_text(d, "event.kind", health && a->level < LEVEL_HIGH ? "event" : "alert");
	json_text(d, "event.dataset", health ? "wardwatch.health" : "wardwatch.alert");
	json_text(d, "event.module", "wardwatch");
	json_text(d, "event.provider", "policy");
	json_text(d, "event.outcome", "unknown");
	json_time(d, "event.start", a->first_ns);
	if (a->last_ns > a->first_ns)
		json_time(d, "event.end", a->last_ns);
	json_uint(d, "event.severity", level_severity(a->level));
	json_uint(d, "event.risk_score", a->score);
	json_uint(d, "event.risk_score_norm", a->score);
	json_text(d, "wardwatch.level", level_name(a->level));
	json_text(d, "wardwatch.class", health ? "health" : "alert");
	json_uint(d, "wardwatch.schema", 1);
	json_list(d, "tags");
	json_text(d, "tags", "wardwatch");
	if (a->phi)
		json_text(d, "tags", "phi");
	if (a->suppression) {
		json_text(d, "tags", a->suppression);
		json_text(d, "wardwatch.suppression", a->suppression);
	}
	if (a->suppressed) {
		json_uint(d, "wardwatch.suppressed.count", a->suppressed);
		json_time(d, "wardwatch.suppressed.first", a->suppressed_first_ns);
	}
	category_json(d, r->category);
	rule_json(d, r);
	json_uint(d, "wardwatch.confidence", alert_confidence(a));
	observer_json(d, ctx);
	network_json(d, e);
	subject_json(d, destination ? a->destination : a->source, destination ? &e->conv.dst : &e->conv.src);
	side_json(d, "source", a->source, r);
	if (a->destination != a->source)
		side_json(d, "destination", a->destination, r);
	if (a->source_zone)
		json_text(d, "wardwatch.source.zone", a->source_zone);
	if (a->destination_zone)
		json_text(d, "wardwatch.destination.zone", a->destination_zone);
	sentence_json(d, a);
	reason_json(d, a);
	evidence_json(d, a);
	correlation_json(d, &a->correlation);
	facts_json(d, ctx, e, "wardwatch.event.");
}
