/*
 * sink: where alerts, devices, events and the summary go, and the list of them. Hub thread offline; the
 * shipper's later.
 *
 * Nothing half-written: a sink's finish writes under a temporary name, and only when every sink has finished
 * are all of them committed. Text from the wire is sealed until finish (decide/mask.h).
 */
#ifndef WW_RUN_SINK_H
#define WW_RUN_SINK_H

#include "decide/alert.h"
#include "decide/mask.h"
#include "packet/engine.h"
#include "run/documents.h"
#include "run/outfile.h"

struct shipper;

/* What a run was, for the page's head and summary.json. */
struct run_summary {
	const char *const *inputs;
	size_t n_inputs;
	const struct counters *counters;
	const struct dx_proto_counters *proto; /* PROTO_N; NULL: not known */
	uint64_t first_ns, last_ns;            /* of the packets; 0: none */
	double seconds;                        /* the run itself took */
	uint64_t peak_kib;
	const struct diag *notes; /* what was said of the inputs: "x.pcap: damaged after packet 12" */
};

struct sink {
	const char *name; /* for messages: a path, or "standard output" */
	/* Any may be NULL. False from one: the output failed, errno says why; it is not called again. */
	bool (*event)(struct sink *s, const struct event *e);
	bool (*alert)(struct sink *s, const struct alert *a);
	/* After the last record: the inventory and the mask are final. */
	bool (*finish)(struct sink *s, const struct inventory *inv, const struct run_summary *sum);
	bool (*commit)(struct sink *s);
	/* Live, these three on the files' thread: what waits is written. */
	bool (*flush)(struct sink *s);
	/* Begins a new file where the old one was renamed. False: the old one goes on. */
	bool (*reopen)(struct sink *s, uint64_t now_ms);
	/* Begins a new file where the old one is large or old enough. False: the old one goes on. */
	bool (*rotate)(struct sink *s, uint64_t now_ms);
	/* Live: lines that were lost, their ring being full. */
	uint64_t (*lost)(const struct sink *s);
	/* Live: other zones from now on. */
	void (*zones)(struct sink *s, const struct zones *z);
	/* Removes what was not committed. */
	void (*close)(struct sink *s);
};

struct sink_config {
	const char *dir; /* NULL: no files */
	bool events;     /* also events.jsonl; without, an earlier run's goes: it is no part of this one */
	bool json;       /* alerts on standard output */
	bool live; /* lines go out at once, masked by what is known so far, and behind those of earlier runs
		    */
	bool page; /* the page on standard output */
	struct doc_context doc;
	struct shipper *shipper;   /* to Redis and syslog; NULL: neither */
	struct mask *mask;         /* the caller's, kept until outputs_close */
	struct outfile_live files; /* live */
};

/* NULL: no memory; errno says why. */
struct sink *sink_alerts_new(const struct sink_config *c, bool to_stdout);
struct sink *sink_devices_new(const struct sink_config *c);
struct sink *sink_events_new(const struct sink_config *c);
/* Its commit removes an earlier run's events.jsonl. */
struct sink *sink_no_events_new(const struct sink_config *c);
struct sink *sink_summary_new(const struct sink_config *c);
struct sink *sink_page_new(const struct sink_config *c);
struct sink *sink_ship_new(const struct sink_config *c);

/* All outputs of a run. Live the hub puts in and another thread writes to files; either may be the one that
 * fails. Each function returns false once something failed; outputs_error is then one sentence
 * that says what. */
struct outputs;
struct outputs *outputs_new(const struct sink_config *c); /* NULL: no memory */
bool outputs_ok(const struct outputs *o);
const char *outputs_error(const struct outputs *o);
/* Every record, observations too: the mask learns from all. */
bool outputs_record(struct outputs *o, const struct event *e);
bool outputs_alert(struct outputs *o, const struct alert *a);
/* Live, these three on the files' thread: writes what waits. */
bool outputs_flush(struct outputs *o);
/* New files where the old ones were renamed. NULL, or the name of one that cannot be made (errno):
 * there the old one goes on. */
const char *outputs_reopen(struct outputs *o, uint64_t now_ms);
/* After a flush: the same for files that are large or old enough (rotation.h). */
const char *outputs_rotate(struct outputs *o, uint64_t now_ms);
/* Live: lines that were lost so far. */
uint64_t outputs_lost(const struct outputs *o);
void outputs_zones(struct outputs *o, const struct zones *z);
bool outputs_finish(struct outputs *o, const struct inventory *inv, const struct run_summary *sum);
void outputs_close(struct outputs *o);

#endif
