/* categories: field and event numbers of the events that the engine itself writes, and what an event is
 * called. */
#ifndef WW_PACKET_CATEGORIES_H
#define WW_PACKET_CATEGORIES_H

#include "packet/event.h"

enum flow_event { FLOW_EV_END, FLOW_EV_START, FLOW_EV_LABEL };
enum flow_field {
	FLOW_PROTOCOL, /* dissector's name, or nDPI's label in lower case */
	FLOW_STATE,    /* TCP: "attempt", "refused", "established", "closed", "reset", "midstream" */
	FLOW_BYTES,
	FLOW_PACKETS,
	FLOW_SOURCE_BYTES,
	FLOW_SOURCE_PACKETS,
	FLOW_DESTINATION_BYTES,
	FLOW_DESTINATION_PACKETS,
	FLOW_START,
	FLOW_DURATION,  /* nanoseconds */
	FLOW_RISKS,     /* nDPI's names */
	FLOW_ICMP_TYPE, /* of the packet that began it */
};

enum tcp_event { TCP_EV_OVERLAP };
enum tcp_field { TCP_SENDER, TCP_OFFSET, TCP_OVERLAP };

enum credential_field {
	CREDENTIAL_PROTOCOL,
	CREDENTIAL_SCHEME,
	CREDENTIAL_CLEARTEXT,
	CREDENTIAL_DEFAULT,
	CREDENTIAL_USER,    /* "none", "default", "service", "personal" */
	CREDENTIAL_OUTCOME, /* "unknown", "accepted", "refused" */
	CREDENTIAL_LENGTH,
};

enum asset_event { ASSET_EV_CREATED, ASSET_EV_UPDATED, ASSET_EV_CONFLICTING };
enum asset_field {
	ASSET_CHANGE,    /* the event's name */
	ASSET_ATTRIBUTE, /* a name of attrs.def, "ip", or none */
	ASSET_OLD,
	ASSET_NEW,
};

/* Written by the policies, on the hub: a conversation that no entry allows (policy-language.md section 16),
 * and one that a document which only learns would not allow. */
enum segmentation_event { SEGMENTATION_EV_VIOLATION, SEGMENTATION_EV_LEARNED };
enum segmentation_field {
	SEGMENTATION_POLICY,
	SEGMENTATION_DIRECTION, /* "inbound", "outbound": seen from the device that the policy is for */
	SEGMENTATION_REASON,    /* "no_rule", "port", "protocol", "protocol_mismatch", "where", "zone" */
	SEGMENTATION_NEAREST_RULE,
	SEGMENTATION_NEAREST_MISS, /* the single condition of it that failed */
	SEGMENTATION_PROTOCOL,
	SEGMENTATION_SL, /* of the device's zone */
};

/* Written by the sensor of itself: packet/health.h. */
enum sensor_event {
	SENSOR_EV_TABLE_FULL, /* a limit was hit */
	SENSOR_EV_LOSS, /* packets the kernel dropped, bytes lost in holes of streams, packets cut short */
	SENSOR_EV_ONE_SIDED,     /* of TCP conversations one side is seen */
	SENSOR_EV_DUPLICATES,    /* the mirror port sends packets twice */
	SENSOR_EV_CLOCK_JUMP,    /* a packet lies long before an earlier one */
	SENSOR_EV_RELOAD_FAILED, /* policies read anew are wrong: those before stay in force */
	SENSOR_EV_SILENT, /* an interface or a VLAN had steady traffic and has none: packet/silence.h */
	SENSOR_EV_HEARD_AGAIN,
	SENSOR_EV_LINK_DOWN, /* live: an interface is not set up, or has no carrier */
	SENSOR_EV_LINK_UP,
};
enum sensor_field {
	SENSOR_COUNTER,   /* which: a name of limits.def or counters.def, or "clock", "vlan", "interface" */
	SENSOR_VALUE,     /* how many in the minute; of the clock, and of what is silent or down: for how many
			     seconds */
	SENSOR_SHARE,     /* percent */
	SENSOR_INTERFACE, /* its name; of a capture the file's */
	SENSOR_VLAN,
	SENSOR_PACKETS, /* a minute, before it fell silent */
	SENSOR_BYTES,
};

enum phi_field { PHI_CLASSES_FIELD, PHI_COUNT, PHI_CONTAINER, PHI_ENCRYPTED, PHI_PATIENT };

/* "hl7", or "x509" when the event overrides its dissector's category; and the name without that. */
struct bytes event_category(const struct event *e);
struct bytes event_action(const struct event *e);
/* The text of IP protocol numbers that have one ("tcp"), else NULL. */
const char *transport_name(uint8_t proto);

#endif
