/* EVE, as Suricata's tools read it (siem-conventions.md section 12). What EVE has no word for stands under
 * wardwatch, as in ECS; facts of protocols that EVE does not know go up to wardwatch.dicom and the like. */
#include "base/digest.h"
#include "run/format_impl.h"

#include <stdio.h>

enum { GENERATOR = 4242 };

/* Ours within wardwatch: the document's own go before. */
static const char *const own[] = { "id", "message", "sensor", "sequence" };

static const unsigned severity[] = { 4, 3, 2, 1, 1 };

/* What is written about public rules: four words. */
static const char *const severity_word[] = { "Informational", "Minor", "Major", "Major", "Critical" };

static void put_time(struct formatter *f)
{
	char text[TIME_TEXT + 8];
	struct bytes t = form_text(f, "@timestamp");
	if (t.n != TIME_TEXT - 1)
		return;
	snprintf(text, sizeof text, "%.*s+0000", (int)t.n - 1, (const char *)t.p);
	json_text(f->doc, "timestamp", text);
}

static int digit64(int c)
{
	return c >= 'A' && c <= 'Z'   ? c - 'A'
	       : c >= 'a' && c <= 'z' ? c - 'a' + 26
	       : c >= '0' && c <= '9' ? c - '0' + 52
	       : c == '+'             ? 62
				      : 63;
}

/* 48 bits of the community id: less than 2^53, which is where numbers end for many readers of JSON. */
static void put_flow(struct formatter *f)
{
	struct bytes id = form_text(f, "network.community_id");
	uint64_t flow = 0;
	if (id.n < 10)
		return;
	for (size_t i = 2; i < 10; i++)
		flow = flow << 6 | (unsigned)digit64(bytes_at(id, i));
	json_uint(f->doc, "flow_id", flow);
	form_copy(f, f->doc, "community_id", "network.community_id");
}

static void put_mac(struct formatter *f, const char *key, const char *path)
{
	char text[18];
	struct bytes mac = form_text(f, path);
	if (mac.n != sizeof text - 1)
		return;
	for (size_t i = 0; i < mac.n; i++)
		text[i] = mac.p[i] == '-' ? ':' : (char)ascii_lower(mac.p[i]);
	text[mac.n] = 0;
	json_text(f->doc, key, text);
}

static void put_upper(struct formatter *f, const char *key, const char *path)
{
	char text[16];
	struct bytes t = bytes_first(form_text(f, path), sizeof text - 1);
	for (size_t i = 0; i < t.n; i++)
		text[i] = (char)ascii_upper(t.p[i]);
	text[t.n] = 0;
	json_text(f->doc, key, text);
}

/* EVE's source is who sent the packet, ECS's who began. */
static void put_network(struct formatter *f)
{
	bool turned = form_is(f, "wardwatch.network.sender", "destination");
	uint64_t vlan;
	form_copy(f, f->doc, turned ? "dest_ip" : "src_ip", "source.ip");
	form_copy(f, f->doc, turned ? "src_ip" : "dest_ip", "destination.ip");
	form_copy(f, f->doc, turned ? "dest_port" : "src_port", "source.port");
	form_copy(f, f->doc, turned ? "src_port" : "dest_port", "destination.port");
	put_mac(f, turned ? "ether.dest_mac" : "ether.src_mac", "source.mac");
	put_mac(f, turned ? "ether.src_mac" : "ether.dest_mac", "destination.mac");
	put_upper(f, "proto", "network.transport");
	form_copy(f, f->doc, "app_proto", "network.protocol");
	form_copy(f, f->doc, "in_iface", "observer.ingress.interface.name");
	if (bytes_to_u64(form_text(f, "network.vlan.id"), &vlan)) {
		json_list(f->doc, "vlan");
		json_uint(f->doc, "vlan", vlan);
	}
	put_flow(f);
}

/* A number of 31 bits that is the rule's for ever; what the sensor tells of itself has no rule. */
static uint64_t signature_id(struct formatter *f)
{
	uint8_t hash[32];
	struct bytes uuid = form_text(f, "rule.uuid");
	sha256_of(uuid.n ? uuid : form_text(f, form_at(f, "rule.id") ? "rule.id" : "event.action"), hash);
	struct cur c = cur_of(bytes_of(hash, sizeof hash));
	uint64_t id = cur_be32(&c) & 0x7fffffff;
	return id ? id : 1;
}

/* 2026-11-25 is revision 20261125. */
static uint64_t revision(struct formatter *f)
{
	uint64_t rev = 0;
	struct bytes version = form_text(f, "rule.version");
	for (size_t i = 0; i < version.n && rev < 100000000; i++)
		if (ascii_digit(version.p[i]))
			rev = 10 * rev + (version.p[i] - '0');
	return rev ? rev : 1;
}

static void put_word(struct formatter *f, const char *key, const char *word)
{
	json_list(f->doc, key);
	json_text(f->doc, key, word);
}

static void put_alert(struct formatter *f)
{
	uint64_t sure = form_number(f, "wardwatch.confidence");
	enum level level = f->record->level;
	json_text(f->doc, "alert.action", "allowed");
	json_uint(f->doc, "alert.gid", GENERATOR);
	json_uint(f->doc, "alert.signature_id", signature_id(f));
	json_uint(f->doc, "alert.rev", revision(f));
	form_copy(f, f->doc, "alert.signature", "message");
	form_copy(f, f->doc, "alert.category", "wardwatch.category");
	json_uint(f->doc, "alert.severity", severity[level]);
	put_word(f, "alert.metadata.signature_severity", severity_word[level]);
	put_word(f, "alert.metadata.confidence", sure >= 80 ? "High" : sure >= 50 ? "Medium" : "Low");
	form_copy(f, f->doc, "alert.metadata.mitre_tactic_id", "threat.tactic.id");
	form_copy(f, f->doc, "alert.metadata.mitre_tactic_name", "threat.tactic.name");
	form_copy(f, f->doc, "alert.metadata.mitre_technique_id", "threat.technique.id");
	form_copy(f, f->doc, "alert.metadata.mitre_technique_name", "threat.technique.name");
}

static bool is_own(struct bytes name)
{
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (bytes_is(name, own[i]))
			return true;
	return false;
}

static bool has_member(const struct formatter *f, const struct json_node *of, struct bytes name)
{
	JSON_EACH (c, &f->tree, of)
		if (bytes_eq(c->name, name))
			return true;
	return false;
}

static void put_under(struct formatter *f, const char *prefix, const struct json_node *member)
{
	char key[256];
	if (!form_plain(member->name) || member->name.n > 128)
		return;
	snprintf(key, sizeof key, "%s.%.*s", prefix, (int)member->name.n, (const char *)member->name.p);
	form_leaves(f, f->doc, key, member);
}

static void put_own(struct formatter *f)
{
	const struct json_node *all = form_at(f, "wardwatch");
	form_copy(f, f->doc, "wardwatch.id", "event.id");
	form_copy(f, f->doc, "wardwatch.sensor", "observer.name");
	if (f->live)
		json_uint(f->doc, "wardwatch.sequence", f->record->number);
	if (!all || all->type != JSON_OBJECT)
		return;
	JSON_EACH (c, &f->tree, all) {
		if (is_own(c->name))
			continue;
		if (!bytes_is(c->name, "event") || c->type != JSON_OBJECT) {
			put_under(f, "wardwatch", c);
			continue;
		}
		JSON_EACH (fact, &f->tree, c) {
			bool taken = is_own(fact->name) || has_member(f, all, fact->name);
			put_under(f, taken ? "wardwatch.event" : "wardwatch", fact);
		}
	}
}

void format_eve(struct formatter *f)
{
	bool alert = form_is(f, "event.kind", "alert");
	json_reset(f->doc);
	put_time(f);
	json_text(f->doc, "event_type",
		alert                              ? "alert"
		: f->record->class == OUTBOX_ASSET ? "wardwatch_asset"
						   : "wardwatch_health");
	form_copy(f, f->doc, "host", "observer.name");
	json_text(f->doc, "pkt_src", "wire/pcap");
	put_network(f);
	if (alert)
		put_alert(f);
	else
		form_copy(f, f->doc, "wardwatch.message", "message");
	put_own(f);
	form_put(f, json_nested(f->doc));
}
