/*
 * sink: where alerts, devices, events and the summary go. Hub thread offline; the shipper's later.
 */
#ifndef WW_RUN_SINK_H
#define WW_RUN_SINK_H

#include "decide/alert.h"

/* What a run was, for the page's head and summary.json. */
struct run_summary {
	const char *const *inputs;
	size_t n_inputs;
	const struct counters *counters;
	const uint64_t *malformed;  /* per protocol, PROTO_N */
	const uint64_t *messages;   /* per protocol, PROTO_N */
	const uint64_t *junk_bytes; /* per protocol, PROTO_N */
	uint64_t first_ns, last_ns; /* of the packets; 0: none */
	double seconds;             /* the run itself took */
	uint64_t peak_kib;
	const char *const *notes; /* "x.pcap: damaged after packet 12", one sentence each */
	size_t n_notes;
};

struct sink {
	const char *name;
	/* Any may be NULL. False from one: the output failed, errno says why; it is not called again. */
	bool (*event)(struct sink *s, const struct event *e);
	bool (*alert)(struct sink *s, const struct alert *a);
	/* After the last record: the inventory is final. */
	bool (*finish)(struct sink *s, const struct inventory *inv, const struct run_summary *sum);
	void (*close)(struct sink *s);
};

#endif
