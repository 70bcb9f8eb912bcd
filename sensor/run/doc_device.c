#include "run/documents.h"

#include "base/digest.h"
#include "base/hash.h"
#include "decide/groups.h"
#include "decide/types.h"

#include <stdio.h>

/* Every attribute with where it comes from. A MANY attribute's values, sources and so on are parallel lists:
 * consumers of ECS cannot read lists of objects (siem-conventions.md section 3). */
static void attribute_json(struct json_doc *d, const struct device *dev, enum attr a)
{
	const struct attr_row *row = &attr_rows[a];
	static const char *const parts[] = { "value", "source", "packet", "confidence", "first", "last" };
	char keys[6][DOC_KEY];
	struct attr_value v;
	for (size_t p = 0; p < 6; p++)
		snprintf(keys[p], DOC_KEY, "wardwatch.attributes.%s.%s", row->name, parts[p]);
	for (unsigned i = 0; device_attr(dev, a, i, &v) && (row->many || i == 0); i++) {
		for (size_t p = 0; row->many && i == 0 && p < 6; p++)
			json_list(d, keys[p]);
		value_json(d, keys[0], FACT_STR, row->privacy, v.value);
		json_text(d, keys[1], v.source && *v.source ? v.source : "unknown");
		json_uint(d, keys[2], v.packet);
		json_uint(d, keys[3], v.confidence);
		json_time(d, keys[4], v.first_ns);
		json_time(d, keys[5], v.last_ns);
	}
}

void attr_json(struct json_doc *d, const char *key, const struct device *dev, enum attr a)
{
	struct attr_value v;
	bool many = attr_rows[a].many;
	for (unsigned i = 0; device_attr(dev, a, i, &v) && (many || i == 0); i++) {
		if (many && i == 0)
			json_list(d, key);
		value_json(d, key, FACT_STR, attr_rows[a].privacy, v.value);
	}
}

/* The distinct sources of all attributes, in the order of attrs.def. */
static void sources_json(struct json_doc *d, const struct device *dev)
{
	const char *seen[32];
	size_t n = 0;
	struct attr_value v;
	for (unsigned a = 0; a < ATTR_N; a++)
		for (unsigned i = 0; device_attr(dev, (enum attr)a, i, &v) && (attr_rows[a].many || i == 0);
			i++) {
			size_t k = 0;
			while (k < n && strcmp(seen[k], v.source) != 0)
				k++;
			if (k == n && n < 32 && *v.source) {
				seen[n++] = v.source;
				json_text(d, "wardwatch.device.sources", v.source);
			}
		}
	if (n)
		json_list(d, "wardwatch.device.sources");
}

static void addresses_json(struct json_doc *d, const struct device *dev)
{
	const struct addr *ips;
	const struct mac *macs;
	const uint16_t *vlans;
	size_t n = device_ips(dev, &ips);
	if (n)
		json_list(d, "host.ip");
	for (size_t i = 0; i < n; i++)
		json_ip(d, "host.ip", &ips[i]);
	n = device_macs(dev, &macs);
	if (n)
		json_list(d, "host.mac");
	for (size_t i = 0; i < n; i++)
		json_mac(d, "host.mac", &macs[i]);
	n = device_vlans(dev, &vlans);
	if (n)
		json_list(d, "wardwatch.device.vlan");
	for (size_t i = 0; i < n; i++)
		json_uint(d, "wardwatch.device.vlan", vlans[i]);
}

static void zone_json(struct json_doc *d, const struct doc_context *ctx, const struct device *dev)
{
	const struct zones *z = ctx->zones;
	unsigned zone = z && zones_count(z) > ZONE_OWN ? device_zone(z, dev) : (unsigned)ZONE_NONE;
	if (zone != ZONE_NONE)
		json_text(d, "wardwatch.device.zone", zones_at(z, zone)->name);
}

static void type_json(struct json_doc *d, const struct device *dev)
{
	const char *type = device_type(dev), *candidate;
	const struct type_row *row = type_find(bytes_str(type));
	unsigned confidence;
	json_text(d, "wardwatch.device.type", type);
	json_uint(d, "wardwatch.device.confidence", device_confidence(dev));
	if (row)
		json_uint(d, "wardwatch.device.criticality", row->criticality);
	for (unsigned i = 0; device_candidate(dev, i, &candidate, &confidence); i++) {
		json_list(d, "wardwatch.device.candidates.type");
		json_text(d, "wardwatch.device.candidates.type", candidate);
		json_list(d, "wardwatch.device.candidates.confidence");
		json_uint(d, "wardwatch.device.candidates.confidence", confidence);
	}
	json_bool(d, "wardwatch.device.router", device_is_router(dev));
}

/* ---- the face of a device -------------------------------------------------------------------- */

static void face_add(uint64_t face[2], const void *p, size_t n)
{
	for (unsigned i = 0; i < 2; i++)
		face[i] = hash_bytes(&(struct hash_key){ face[i], i }, p, n);
}

/* Of values in which a person may stand, when they came stands for what they are. */
static void face_of(uint64_t face[2], const struct device *dev)
{
	char id[DEVICE_ID] = "";
	const struct addr *ips;
	const struct mac *macs;
	const uint16_t *vlans;
	const char *type = device_type(dev);
	struct attr_value v;
	device_id(dev, id);
	face_add(face, id, strlen(id));
	face_add(face, type, strlen(type));
	for (unsigned a = 0; a < ATTR_N; a++)
		for (unsigned i = 0; device_attr(dev, (enum attr)a, i, &v) && (attr_rows[a].many || i == 0);
			i++) {
			face_add(face, &a, sizeof a);
			if (attr_rows[a].privacy == OPEN)
				face_add(face, v.value.p, v.value.n);
			else
				face_add(face, &v.first_ns, sizeof v.first_ns);
		}
	size_t n = device_ips(dev, &ips);
	for (size_t i = 0; i < n; i++)
		face_add(face, ips[i].b, sizeof ips[i].b);
	n = device_macs(dev, &macs);
	for (size_t i = 0; i < n; i++)
		face_add(face, macs[i].b, sizeof macs[i].b);
	n = device_vlans(dev, &vlans);
	for (size_t i = 0; i < n; i++)
		face_add(face, &vlans[i], sizeof vlans[i]);
}

void device_face(const struct device *dev, char id[DEVICE_FACE])
{
	enum { FACE_BITS = 100 };
	uint64_t face[2] = { 0 };
	face_of(face, dev);
	memcpy(id, "a1-", 3);
	base32hex(bytes_of(face, sizeof face), FACE_BITS, id + 3);
}

void device_json(struct json_doc *d, const struct doc_context *ctx, const struct device *dev)
{
	static const struct {
		enum attr attr;
		const char *key;
	} attrs[] = { { ATTR_MANUFACTURER, "device.manufacturer" }, { ATTR_MODEL, "device.model.name" },
		{ ATTR_MODEL_ID, "device.model.identifier" }, { ATTR_SERIAL, "device.serial_number" },
		{ ATTR_HOST_NAME, "host.name" }, { ATTR_OS_NAME, "host.os.name" },
		{ ATTR_OS_VERSION, "host.os.version" }, { ATTR_ROLE, "wardwatch.device.role" },
		{ ATTR_FIRMWARE, "wardwatch.device.firmware.version" },
		{ ATTR_LOCATION, "wardwatch.device.location" },
		{ ATTR_AE_TITLE, "wardwatch.device.ae_titles" },
		{ ATTR_SERVICE_OFFERED, "wardwatch.device.services" },
		{ ATTR_SERVICE_USED, "wardwatch.device.clients_of" } };
	char id[DEVICE_ID], face[DEVICE_FACE];
	uint64_t first, last;
	json_reset(d);
	device_id(dev, id);
	device_times(dev, &first, &last);
	json_time(d, "@timestamp", last);
	json_text(d, "message", "Device seen on the network");
	json_text(d, "event.kind", "asset");
	json_list(d, "event.category");
	json_text(d, "event.category", "host");
	json_list(d, "event.type");
	json_text(d, "event.type", "info");
	json_text(d, "event.action", "device_seen");
	device_face(dev, face);
	json_text(d, "event.id", face);
	json_text(d, "event.dataset", "wardwatch.asset");
	json_text(d, "event.module", "wardwatch");
	json_text(d, "wardwatch.class", "asset");
	json_uint(d, "wardwatch.schema", 1);
	json_text(d, "device.id", id);
	for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
		attr_json(d, attrs[i].key, dev, attrs[i].attr);
	json_suspect(d, "wardwatch.device.name", device_label(dev));
	json_uint(d, "wardwatch.device.first_packet", device_first_packet(dev));
	json_time(d, "wardwatch.device.first_seen", first);
	json_time(d, "wardwatch.device.last_seen", last);
	addresses_json(d, dev);
	zone_json(d, ctx, dev);
	type_json(d, dev);
	if (device_behind(dev)) {
		device_id(device_behind(dev), id);
		json_text(d, "wardwatch.device.behind", id);
	}
	sources_json(d, dev);
	observer_json(d, ctx);
	for (unsigned a = 0; a < ATTR_N; a++)
		attribute_json(d, dev, (enum attr)a);
}
