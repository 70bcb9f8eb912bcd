/* The registry by number: what dissectors/registry.def lists, then the engine's own categories. */
#include "packet/categories.h"

#include "packet/dissect.h"

static const struct field flow_fields[] = {
	[FLOW_PROTOCOL] = { "network.protocol", FACT_STR, OPEN, false },
	[FLOW_STATE] = { "network.state", FACT_STR, OPEN, false },
	[FLOW_BYTES] = { "network.bytes", FACT_UINT, OPEN, false },
	[FLOW_PACKETS] = { "network.packets", FACT_UINT, OPEN, false },
	[FLOW_SOURCE_BYTES] = { "source.bytes", FACT_UINT, OPEN, false },
	[FLOW_SOURCE_PACKETS] = { "source.packets", FACT_UINT, OPEN, false },
	[FLOW_DESTINATION_BYTES] = { "destination.bytes", FACT_UINT, OPEN, false },
	[FLOW_DESTINATION_PACKETS] = { "destination.packets", FACT_UINT, OPEN, false },
	[FLOW_START] = { "event.start", FACT_TIME, OPEN, false },
	[FLOW_DURATION] = { "event.duration", FACT_UINT, OPEN, false },
	[FLOW_RISKS] = { "flow.risks", FACT_STR, OPEN, true },
	[FLOW_ICMP_TYPE] = { "network.icmp.type", FACT_UINT, OPEN, false },
	{ 0 },
};
static const char *const flow_events[] = {
	[FLOW_EV_END] = "end", [FLOW_EV_START] = "start", [FLOW_EV_LABEL] = "label", NULL
};
static const struct dissector dissector_flow = {
	.name = "flow", .fields = flow_fields, .events = flow_events
};

static const struct field tcp_fields[] = {
	[TCP_SENDER] = { "tcp.sender", FACT_STR, OPEN, false },
	[TCP_OFFSET] = { "tcp.offset", FACT_UINT, OPEN, false },
	[TCP_OVERLAP] = { "tcp.overlap_bytes", FACT_UINT, OPEN, false },
	{ 0 },
};
static const char *const tcp_events[] = { [TCP_EV_OVERLAP] = "overlap_conflict", NULL };
static const struct dissector dissector_tcp = { .name = "tcp", .fields = tcp_fields, .events = tcp_events };

static const struct field credential_fields[] = {
	[CREDENTIAL_PROTOCOL] = { "credential.protocol", FACT_STR, OPEN, false },
	[CREDENTIAL_SCHEME] = { "credential.scheme", FACT_STR, OPEN, false },
	[CREDENTIAL_CLEARTEXT] = { "credential.cleartext", FACT_BOOL, OPEN, false },
	[CREDENTIAL_DEFAULT] = { "credential.default_match", FACT_STR, OPEN, false },
	[CREDENTIAL_USER] = { "credential.username_class", FACT_STR, OPEN, false },
	[CREDENTIAL_OUTCOME] = { "credential.outcome", FACT_STR, OPEN, false },
	[CREDENTIAL_LENGTH] = { "credential.secret_length_class", FACT_STR, OPEN, false },
	{ 0 },
};
static const char *const credential_events[] = { "attempt", NULL };
static const struct dissector dissector_credential = {
	.name = "credential", .fields = credential_fields, .events = credential_events
};

static const struct field phi_fields[] = {
	[PHI_CLASSES_FIELD] = { "phi.classes", FACT_STR, OPEN, true },
	[PHI_COUNT] = { "phi.count", FACT_UINT, OPEN, false },
	[PHI_CONTAINER] = { "phi.container", FACT_STR, OPEN, false },
	[PHI_ENCRYPTED] = { "phi.encrypted", FACT_BOOL, OPEN, false },
	[PHI_PATIENT] = { "phi.patient", FACT_STR, PHI_MRN, false },
	{ 0 },
};
static const char *const phi_events[] = { "message", NULL };
static const struct dissector dissector_phi = { .name = "phi", .fields = phi_fields, .events = phi_events };

/* Written by the inventory, on the hub. */
static const struct field asset_fields[] = {
	[ASSET_CHANGE] = { "asset.change", FACT_STR, OPEN, false },
	[ASSET_ATTRIBUTE] = { "asset.attribute", FACT_STR, OPEN, false },
	[ASSET_OLD] = { "asset.old", FACT_STR, SUSPECT, false },
	[ASSET_NEW] = { "asset.new", FACT_STR, SUSPECT, false },
	{ 0 },
};
static const char *const asset_events[] = { [ASSET_EV_CREATED] = "created",
	[ASSET_EV_UPDATED] = "updated",
	[ASSET_EV_CONFLICTING] = "conflicting",
	NULL };
static const struct dissector dissector_asset = {
	.name = "asset", .fields = asset_fields, .events = asset_events
};

/* Written by the policies, on the hub. */
static const struct field segmentation_fields[] = {
	[SEGMENTATION_POLICY] = { "segmentation.policy", FACT_STR, OPEN, false },
	[SEGMENTATION_DIRECTION] = { "segmentation.direction", FACT_STR, OPEN, false },
	[SEGMENTATION_REASON] = { "segmentation.reason", FACT_STR, OPEN, false },
	[SEGMENTATION_NEAREST_RULE] = { "segmentation.nearest_rule", FACT_STR, OPEN, false },
	[SEGMENTATION_NEAREST_MISS] = { "segmentation.nearest_miss", FACT_STR, OPEN, false },
	[SEGMENTATION_PROTOCOL] = { "network.protocol", FACT_STR, OPEN, false },
	[SEGMENTATION_SL] = { "segmentation.sl", FACT_UINT, OPEN, false },
	{ 0 },
};
static const char *const segmentation_events[] = {
	[SEGMENTATION_EV_VIOLATION] = "violation", [SEGMENTATION_EV_LEARNED] = "learned", NULL
};
static const struct dissector dissector_segmentation = {
	.name = "segmentation", .fields = segmentation_fields, .events = segmentation_events
};

static const struct field sensor_fields[] = {
	[SENSOR_COUNTER] = { "sensor.counter", FACT_STR, OPEN, false },
	[SENSOR_VALUE] = { "sensor.value", FACT_UINT, OPEN, false },
	[SENSOR_SHARE] = { "sensor.share", FACT_UINT, OPEN, false },
	[SENSOR_INTERFACE] = { "sensor.interface", FACT_STR, SUSPECT, false },
	[SENSOR_VLAN] = { "sensor.vlan", FACT_UINT, OPEN, false },
	[SENSOR_PACKETS] = { "sensor.packets_per_minute", FACT_UINT, OPEN, false },
	[SENSOR_BYTES] = { "sensor.bytes_per_minute", FACT_UINT, OPEN, false },
	{ 0 },
};
static const char *const sensor_events[] = { [SENSOR_EV_TABLE_FULL] = "table_full",
	[SENSOR_EV_LOSS] = "loss",
	[SENSOR_EV_ONE_SIDED] = "one_sided",
	[SENSOR_EV_DUPLICATES] = "duplicates",
	[SENSOR_EV_CLOCK_JUMP] = "clock_jump",
	[SENSOR_EV_RELOAD_FAILED] = "reload_failed",
	[SENSOR_EV_SILENT] = "silent",
	[SENSOR_EV_HEARD_AGAIN] = "heard_again",
	[SENSOR_EV_LINK_DOWN] = "link_down",
	[SENSOR_EV_LINK_UP] = "link_up",
	NULL };
static const struct dissector dissector_sensor = {
	.name = "sensor", .fields = sensor_fields, .events = sensor_events
};

static const struct field named_fields[] = {
#define NAMED_CATEGORY(name)
#define NAMED(category, name, type, privacy, list) { name, type, privacy, list },
#include "packet/named.def"
#undef NAMED_CATEGORY
#undef NAMED
	{ 0 },
};
static const char *const named_events[] = {
#define NAMED_CATEGORY(name) #name ".event",
#define NAMED(category, name, type, privacy, list)
#include "packet/named.def"
#undef NAMED_CATEGORY
#undef NAMED
	NULL,
};
static const struct dissector dissector_named = {
	.name = "named", .fields = named_fields, .events = named_events
};

const struct dissector *const dissectors[PROTO_N] = {
#define DISSECTOR(name) [PROTO_##name] = &dissector_##name,
#include "registry.def"
#undef DISSECTOR
	[PROTO_flow] = &dissector_flow,
	[PROTO_tcp] = &dissector_tcp,
	[PROTO_credential] = &dissector_credential,
	[PROTO_phi] = &dissector_phi,
	[PROTO_asset] = &dissector_asset,
	[PROTO_segmentation] = &dissector_segmentation,
	[PROTO_sensor] = &dissector_sensor,
	[PROTO_named] = &dissector_named,
};

static struct bytes event_name(const struct event *e)
{
	return bytes_str(dissectors[e->proto]->events[e->event]);
}

/* Offset behind the last dot, 0 when there is none. */
static size_t behind_dot(struct bytes name)
{
	size_t at = name.n;
	while (at > 0 && name.p[at - 1] != '.')
		at--;
	return at;
}

struct bytes event_category(const struct event *e)
{
	struct bytes name = event_name(e);
	size_t at = behind_dot(name);
	return at ? bytes_first(name, at - 1) : bytes_str(dissectors[e->proto]->name);
}

struct bytes event_action(const struct event *e)
{
	struct bytes name = event_name(e);
	return bytes_from(name, behind_dot(name));
}

const char *transport_name(uint8_t proto)
{
	static const struct {
		uint8_t number;
		const char *name;
	} names[] = { { 1, "icmp" }, { 2, "igmp" }, { 6, "tcp" }, { 17, "udp" }, { 58, "ipv6-icmp" },
		{ 112, "vrrp" }, { 132, "sctp" } };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].number == proto)
			return names[i].name;
	return NULL;
}
