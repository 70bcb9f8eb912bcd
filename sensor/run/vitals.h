/*
 * vitals: what a live sensor tells of itself at one moment. Who runs it fills this in, on the thread that
 * owns the figures; metrics.h and status.h show it. Everything is borrowed for the call.
 *
 * Nothing of it may be private: no addresses, no names of devices, no text from the wire.
 */
#ifndef WW_RUN_VITALS_H
#define WW_RUN_VITALS_H

#include "base/counters.h"
#include "packet/engine.h"
#include "run/memory.h"

struct vitals_interface {
	const char *name; /* as configured: "eth1" */
	bool is_up;
	uint64_t packets, bytes;
	uint64_t dropped;        /* by the kernel, for want of room in the capture's buffer */
	uint64_t unheard;        /* read, but some of what they said found no room on the way to the hub */
	uint64_t malformed;      /* read, with headers that contradict themselves */
	uint64_t last_packet_ns; /* since 1970; 0: none yet */
};

struct vitals_worker {
	uint64_t packets;
	uint64_t ring_used, ring_bytes; /* between it and the hub */
};

/* "conversations", "devices": a table that has a limit. Of several workers' tables the sum. */
struct vitals_table {
	const char *name; /* a word of ours: [a-z_]+ */
	uint64_t used, capacity;
};

struct shipper_figures; /* run/shipper.h */

struct vitals {
	const char *sensor_name;
	uint64_t now_ns, started_ns;           /* since 1970 */
	uint64_t last_packet_ns;               /* since 1970; 0: none yet */
	const struct counters *counters;       /* summed over threads */
	const struct dx_proto_counters *proto; /* the same, PROTO_DISSECTED of them; NULL: not known */
	const struct vitals_interface *interfaces;
	size_t n_interfaces;
	const struct vitals_worker *workers;
	size_t n_workers;
	const struct vitals_table *tables;
	size_t n_tables;
	uint64_t flows, stream_bytes; /* conversations; bytes that wait for what is missing before them */
	uint64_t devices;
	const uint64_t *attr_changes; /* ATTR_N (decide/inventory.h); NULL: not known */
	struct memory memory;
	uint64_t rules, rules_left_out;
	uint64_t policies_read_ns;              /* since 1970: when the rules in force were loaded */
	bool reload_failed;                     /* the last one; the rules before it are in force */
	const struct shipper_figures *shipping; /* NULL: neither Redis nor syslog */
};

#endif
