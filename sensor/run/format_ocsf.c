/* OCSF 1.5 (siem-conventions.md section 11; schema.ocsf.io/1.5.0). What its classes have no attribute for
 * stands under unmapped.wardwatch, as in ECS. */
#include "decide/types.h"
#include "run/format_impl.h"

#include <stdio.h>

enum { PATH = 128 };

/* class_uid is category_uid * 1000 and a number; type_uid is class_uid * 100 and the activity. */
struct class
{
	unsigned category, uid;
	const char *category_name, *name;
};

static const struct class detection = { 2, 2004, "Findings", "Detection Finding" };
static const struct class vulnerability = { 2, 2002, "Findings", "Vulnerability Finding" };
static const struct class inventory = { 5, 5001, "Discovery", "Device Inventory Info" };
/* The classes that come nearest to what a sensor says of itself: what is wrong, and what just is. */
static const struct class trouble = { 6, 6008, "Application Activity", "Application Error" };
static const struct class other = { 0, 0, "Uncategorized", "Base Event" };

enum { CREATE = 1, UPDATE = 2, COLLECT = 2, GENERAL_ERROR = 1, OTHER = 99 };

enum { HOSTNAME = 1, IP_ADDRESS = 2, MAC_ADDRESS = 3 }; /* of observables */

static const char *const severity[] = { "Informational", "Low", "Medium", "High", "Critical" };

static void head(struct formatter *f, const struct class *c, unsigned activity, const char *activity_name)
{
	struct json_doc *d = f->doc;
	json_uint(d, "activity_id", activity);
	json_text(d, "activity_name", activity_name);
	json_uint(d, "category_uid", c->category);
	json_text(d, "category_name", c->category_name);
	json_uint(d, "class_uid", c->uid);
	json_text(d, "class_name", c->name);
	json_uint(d, "type_uid", c->uid * 100 + activity);
	json_uint(d, "severity_id", f->record->level + 1u);
	json_text(d, "severity", severity[f->record->level]);
	form_copy(f, d, "message", "message");
}

static void put_time(struct formatter *f, struct json_doc *d, const char *key, const char *path)
{
	uint64_t ms = form_time(f, path);
	if (ms)
		json_uint(d, key, ms);
}

static void put_metadata(struct formatter *f)
{
	struct json_doc *d = f->doc;
	json_text(d, "metadata.version", "1.5.0");
	form_copy(f, d, "metadata.product.name", "observer.product");
	form_copy(f, d, "metadata.product.vendor_name", "observer.vendor");
	form_copy(f, d, "metadata.product.version", "observer.version");
	form_copy(f, d, "metadata.uid", "event.id");
	form_copy(f, d, "metadata.event_code", "event.action");
	form_copy(f, d, "metadata.log_name", "event.dataset");
	form_copy(f, d, "metadata.log_provider", "observer.name");
	form_copy(f, d, "metadata.labels", "tags");
	put_time(f, d, "metadata.logged_time", "event.created");
	if (f->live)
		json_uint(d, "metadata.sequence", f->record->number);
}

/* All of wardwatch; not its facts where they are evidence. */
static void put_unmapped(struct formatter *f, bool facts)
{
	char key[PATH];
	const struct json_node *all = form_at(f, "wardwatch");
	if (!all || all->type != JSON_OBJECT)
		return;
	JSON_EACH (c, &f->tree, all) {
		if ((!facts && bytes_is(c->name, "event")) || !form_plain(c->name))
			continue;
		int n = snprintf(
			key, sizeof key, "unmapped.wardwatch.%.*s", (int)c->name.n, (const char *)c->name.p);
		if (n > 0 && (size_t)n < sizeof key)
			json_raw(f->doc, key, c->raw);
	}
}

/* ---- devices --------------------------------------------------------------------------------- */

static unsigned type_id(struct formatter *f, struct bytes type)
{
	static const uint8_t ids[GROUP_N] = { [GROUP_IMAGING] = 7,
		[GROUP_BEDSIDE] = 7,
		[GROUP_LABORATORY] = 7,
		[GROUP_SERVERS] = 1,
		[GROUP_WORKSTATIONS] = 2,
		[GROUP_BUILDING] = 7,
		[GROUP_OTHER] = 7,
		[GROUP_NETWORK] = 99 };
	const struct type_row *row = type_find(type);
	if (bytes_is(type, "firewall"))
		return 9;
	if (bytes_is(type, "network_switch"))
		return 10;
	if (form_true(f, "wardwatch.device.router"))
		return 12;
	return row ? ids[row->group] : 0;
}

static const struct json_node *first_of(const struct formatter *f, const char *path)
{
	const struct json_node *list = form_at(f, path);
	if (list && list->type == JSON_ARRAY)
		JSON_EACH (c, &f->tree, list)
			return c;
	return NULL;
}

static void put_first(struct formatter *f, const char *key, const char *path)
{
	const struct json_node *n = first_of(f, path);
	if (n)
		json_raw(f->doc, key, n->raw);
}

/* One network_interface for each address beyond the one that stands with the device. */
static void put_interfaces(struct formatter *f, const char *name, const char *path)
{
	const struct json_node *list = form_at(f, path), *first = first_of(f, path);
	if (!first)
		return;
	JSON_EACH (c, &f->tree, list) {
		if (c == first)
			continue;
		json_reset(f->part);
		json_raw(f->part, name, c->raw);
		json_uint(f->part, "type_id", 0);
		json_list(f->doc, "device.network_interfaces");
		json_raw(f->doc, "device.network_interfaces", json_nested(f->part));
	}
}

static void put_device(struct formatter *f)
{
	struct json_doc *d = f->doc;
	struct bytes type = form_text(f, "wardwatch.device.type");
	if (!form_at(f, "device.id"))
		return;
	form_copy(f, d, "device.uid", "device.id");
	json_uint(d, "device.type_id", type_id(f, type));
	form_copy(f, d, "device.type", "wardwatch.device.type");
	form_copy(f, d, "device.name", "wardwatch.device.name");
	form_copy(f, d, "device.vendor_name", "device.manufacturer");
	form_copy(f, d, "device.model", "device.model.name");
	form_copy(f, d, "device.hw_info.serial_number", "device.serial_number");
	form_copy(f, d, "device.hostname", "host.name");
	form_copy(f, d, "device.zone", "wardwatch.device.zone");
	put_first(f, "device.ip", "host.ip");
	put_first(f, "device.mac", "host.mac");
	put_interfaces(f, "ip", "host.ip");
	put_interfaces(f, "mac", "host.mac");
	put_time(f, d, "device.first_seen_time", "wardwatch.device.first_seen");
	put_time(f, d, "device.last_seen_time", "wardwatch.device.last_seen");
	if (!first_of(f, "host.os.name") && form_at(f, "host.os.name")) {
		form_copy(f, d, "device.os.name", "host.os.name");
		form_copy(f, d, "device.os.version", "host.os.version");
		json_uint(d, "device.os.type_id", 0);
	}
}

/* ---- observables ----------------------------------------------------------------------------- */

static void observable(struct formatter *f, const char *name, unsigned type, const struct json_node *value)
{
	if (!value || value->type != JSON_STRING)
		return;
	json_reset(f->part);
	json_text(f->part, "name", name);
	json_uint(f->part, "type_id", type);
	json_raw(f->part, "value", value->raw);
	json_list(f->doc, "observables");
	json_raw(f->doc, "observables", json_nested(f->part));
}

static void put_observables(struct formatter *f, bool evidence)
{
	if (evidence) {
		observable(f, "evidences.src_endpoint.ip", IP_ADDRESS, form_at(f, "source.ip"));
		observable(f, "evidences.dst_endpoint.ip", IP_ADDRESS, form_at(f, "destination.ip"));
		observable(f, "evidences.src_endpoint.mac", MAC_ADDRESS, form_at(f, "source.mac"));
		observable(f, "evidences.dst_endpoint.mac", MAC_ADDRESS, form_at(f, "destination.mac"));
	}
	observable(f, "device.ip", IP_ADDRESS, first_of(f, "host.ip"));
	observable(f, "device.mac", MAC_ADDRESS, first_of(f, "host.mac"));
	observable(f, "device.hostname", HOSTNAME, form_at(f, "host.name"));
}

/* ---- findings -------------------------------------------------------------------------------- */

/* ECS has tactics and techniques in lists of their own, so that each is an attack by itself here. */
static void put_attacks(struct formatter *f, const char *kind, const char *path)
{
	char ids[PATH], names[PATH], key[PATH];
	snprintf(ids, sizeof ids, "%s.id", path);
	snprintf(names, sizeof names, "%s.name", path);
	const struct json_node *id = form_at(f, ids), *name = form_at(f, names);
	if (!id || id->type != JSON_ARRAY)
		return;
	/* A technique without a known name is missing in the list of names: they pair only at equal length.
	 */
	size_t n_ids = 0, n_names = 0, at = 0;
	JSON_EACH (c, &f->tree, id)
		n_ids++;
	if (name && name->type == JSON_ARRAY)
		JSON_EACH (c, &f->tree, name)
			n_names++;
	JSON_EACH (c, &f->tree, id) {
		json_reset(f->part);
		snprintf(key, sizeof key, "%s.uid", kind);
		json_raw(f->part, key, c->raw);
		snprintf(key, sizeof key, "%s.name", kind);
		if (n_ids == n_names)
			json_raw(f->part, key, name[at + 1].raw);
		json_list(f->doc, "finding_info.attacks");
		json_raw(f->doc, "finding_info.attacks", json_nested(f->part));
		at++;
	}
}

static void put_rule(struct formatter *f)
{
	struct json_doc *d = f->doc;
	form_copy(f, d, "finding_info.analytic.name", "rule.name");
	form_copy(f, d, "finding_info.analytic.category", "rule.ruleset");
	form_copy(f, d, "finding_info.analytic.uid", form_at(f, "rule.uuid") ? "rule.uuid" : "rule.id");
	form_copy(f, d, "finding_info.analytic.version", "rule.version");
	json_text(d, "finding_info.analytic.type", "Rule");
	json_uint(d, "finding_info.analytic.type_id", 1);
}

static void put_info(struct formatter *f)
{
	struct json_doc *d = f->doc;
	/* The document at a window's end is about the finding of its first. */
	form_copy(f, d, "finding_info.uid",
		form_at(f, "wardwatch.first_id") ? "wardwatch.first_id" : "event.id");
	form_copy(f, d, "finding_info.title", "message");
	form_copy(f, d, "finding_info.desc", "rule.description");
	if (form_at(f, "rule"))
		put_rule(f);
	put_time(f, d, "finding_info.first_seen_time", "event.start");
	put_time(f, d, "finding_info.last_seen_time", form_at(f, "event.end") ? "event.end" : "@timestamp");
	if (form_at(f, "wardwatch.category")) {
		json_list(d, "finding_info.types");
		form_copy(f, d, "finding_info.types", "wardwatch.category");
	}
	put_attacks(f, "tactic", "threat.tactic");
	put_attacks(f, "technique", "threat.technique");
	put_attacks(f, "sub_technique", "threat.technique.subtechnique");
}

static void put_endpoint(struct formatter *f, const char *end, const char *side)
{
	static const char *const names[][3] = { { "ip", "", "ip" }, { "port", "", "port" },
		{ "mac", "", "mac" }, { "uid", "wardwatch.", "device.id" },
		{ "name", "wardwatch.", "device.name" }, { "type", "wardwatch.", "device.type" },
		{ "zone", "wardwatch.", "zone" } };
	char key[PATH], path[PATH];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(key, sizeof key, "%s.%s", end, names[i][0]);
		snprintf(path, sizeof path, "%s%s.%s", names[i][1], side, names[i][2]);
		form_copy(f, f->part, key, path);
	}
}

/* The conversation, and what was seen in it. */
static void put_evidence(struct formatter *f)
{
	const struct json_node *facts = form_at(f, "wardwatch.event");
	json_reset(f->part);
	put_endpoint(f, "src_endpoint", "source");
	put_endpoint(f, "dst_endpoint", "destination");
	json_uint(f->part, "connection_info.direction_id", 0);
	form_copy(f, f->part, "connection_info.protocol_name", "network.transport");
	form_copy(f, f->part, "connection_info.community_uid", "network.community_id");
	if (form_at(f, "network.type"))
		json_uint(f->part, "connection_info.protocol_ver_id",
			form_is(f, "network.type", "ipv6") ? 6 : 4);
	if (form_at(f, "wardwatch.event.tls.version")) {
		form_copy(f, f->part, "tls.version", "wardwatch.event.tls.version");
		form_copy(f, f->part, "tls.cipher", "wardwatch.event.tls.cipher");
		form_copy(f, f->part, "tls.sni", "wardwatch.event.tls.client.server_name");
	}
	if (facts)
		json_raw(f->part, "data", facts->raw);
	json_list(f->doc, "evidences");
	json_raw(f->doc, "evidences", json_nested(f->part));
}

static void put_resource(struct formatter *f)
{
	const struct json_node *ip = first_of(f, "host.ip");
	if (!form_at(f, "device.id"))
		return;
	json_reset(f->part);
	form_copy(f, f->part, "uid", "device.id");
	form_copy(f, f->part, "type", "wardwatch.device.type");
	form_copy(f, f->part, "hostname", "host.name");
	if (ip)
		json_raw(f->part, "ip", ip->raw);
	json_list(f->doc, "resources");
	json_raw(f->doc, "resources", json_nested(f->part));
}

/* What to do: the sentences of the rule as one text. */
static void put_remediation(struct formatter *f, struct json_doc *d)
{
	const struct json_node *list = form_at(f, "wardwatch.response");
	size_t from = f->out.n;
	if (!list || list->type != JSON_ARRAY)
		return;
	JSON_EACH (c, &f->tree, list) {
		form_puts(f, f->out.n == from ? "\"" : " ");
		form_put(f, json_inside(c));
	}
	if (f->out.n > from + 1) {
		form_puts(f, "\"");
		json_raw(d, "remediation.desc", bytes_of(f->out.p + from, f->out.n - from));
		if (form_at(f, "rule.reference")) {
			json_list(d, "remediation.references");
			form_copy(f, d, "remediation.references", "rule.reference");
		}
	}
	f->out.n = from;
}

/* An advisory where it is no CVE, and where only the rule has a name for it. */
static void put_vulnerability(struct formatter *f)
{
	struct bytes id = form_text(f, "vulnerability.id");
	const char *kind = bytes_starts(id, "CVE-") ? "cve" : "advisory";
	const char *path = id.n ? "vulnerability.id" : form_at(f, "rule.uuid") ? "rule.uuid" : "rule.id";
	char key[PATH];
	json_reset(f->part);
	snprintf(key, sizeof key, "%s.uid", kind);
	form_copy(f, f->part, key, path);
	form_copy(f, f->part, "title", "message");
	form_copy(f, f->part, "desc", "vulnerability.description");
	form_copy(f, f->part, "severity", "vulnerability.severity");
	form_copy(f, f->part, "vendor_name", "device.manufacturer");
	put_remediation(f, f->part);
	if (form_at(f, "vulnerability.reference")) {
		json_list(f->part, "references");
		form_copy(f, f->part, "references", "vulnerability.reference");
	}
	json_list(f->doc, "vulnerabilities");
	json_raw(f->doc, "vulnerabilities", json_nested(f->part));
}

static bool is_vulnerability(struct formatter *f)
{
	return form_is(f, "wardwatch.category", "outdated_firmware") ||
	       form_is(f, "wardwatch.category", "known_vulnerability") ||
	       form_is(f, "wardwatch.category", "recall");
}

static void put_finding(struct formatter *f, bool vulnerable)
{
	struct json_doc *d = f->doc;
	bool update = form_true(f, "wardwatch.closing");
	head(f, vulnerable ? &vulnerability : &detection, update ? UPDATE : CREATE,
		update ? "Update" : "Create");
	put_info(f);
	put_resource(f);
	if (vulnerable)
		put_vulnerability(f);
	else
		put_remediation(f, d);
	json_list(d, "metadata.profiles");
	json_text(d, "metadata.profiles", "host");
	json_text(d, "metadata.profiles", "security_control");
	json_bool(d, "is_alert", true);
	json_uint(d, "action_id", 3); /* Observed: nothing was stopped */
	json_uint(d, "disposition_id", 15);
	json_uint(d, "status_id", 1);
	json_uint(d, "risk_level_id", f->record->level);
	form_copy(f, d, "risk_score", "event.risk_score");
	form_copy(f, d, "confidence_score", "wardwatch.confidence");
	form_copy(f, d, "count", "wardwatch.count");
	form_copy(f, d, "status_detail", "event.reason");
	put_time(f, d, "start_time", "event.start");
	put_time(f, d, "end_time", "event.end");
}

void format_ocsf(struct formatter *f)
{
	bool alert = form_is(f, "event.kind", "alert"), vulnerable = alert && is_vulnerability(f);
	bool evidence = alert && !vulnerable && (form_at(f, "source.ip") || form_at(f, "source.mac"));
	json_reset(f->doc);
	if (f->record->class == OUTBOX_ASSET)
		head(f, &inventory, COLLECT, "Collect");
	else if (alert)
		put_finding(f, vulnerable);
	else if (f->record->level > LEVEL_INFORMATIONAL)
		head(f, &trouble, GENERAL_ERROR, "General Error");
	else
		head(f, &other, OTHER, "Other");
	if (evidence)
		put_evidence(f);
	put_time(f, f->doc, "time", "@timestamp");
	put_metadata(f);
	put_device(f);
	put_observables(f, evidence);
	put_unmapped(f, !evidence);
	form_put(f, json_nested(f->doc));
}
