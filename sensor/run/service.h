/*
 * service: the sensor live on its interfaces, day and night (design.md section 1): workers that capture and
 * extract, the hub on the caller's thread, and one thread that tells of it all and reads policies anew.
 *
 * Nothing live ever waits: what finds a full ring is dropped and counted.
 */
#ifndef WW_RUN_SERVICE_H
#define WW_RUN_SERVICE_H

#include "packet/live.h"
#include "run/hub.h"
#include "run/log.h"
#include "run/shipper.h"
#include "run/store_line.h"
#include "run/worker.h"

struct service {
	struct live *live;
	size_t n_interfaces;
	unsigned n_workers;
	const struct limits *limits;
	const struct privacy_key *key;
	bool identify;
	struct policy *policy; /* of the caller; those that replace it are the service's */
	struct oui *oui;       /* may be NULL */
	struct outputs *outputs;
	struct store *store;     /* or NULL: nothing survives */
	struct shipper *shipper; /* not started; NULL: neither Redis nor syslog. With a store */
	uint64_t drain_ns;       /* how long the end waits for them */
	struct mask *mask;
	struct doc_context doc;                          /* without zones */
	const char *sensor_name, *socket, *metrics_file; /* the paths: "": none */
	struct log *log;
	/* Reads the policies again: NULL when something is wrong, and all of it is in d. On the telling
	 * thread. */
	struct policy *(*reread)(void *arg, struct diag *d);
	/* All memory is mapped and all that needs rights is open: gives rights up. False: the run ends, 1;
	 * may be NULL. */
	bool (*confine)(void *arg);
	void *arg;
	const _Atomic bool *stop; /* set by a signal: drains and ends */
	_Atomic bool *reload;     /* set by a signal */
};

/* Runs until it is stopped (0), an output failed (1), or an interface is gone (3, for who restarts it). */
int service_run(const struct service *s);

#endif
