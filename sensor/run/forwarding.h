/*
 * forwarding: Redis and syslog as the configuration has them: endpoints, brokers, TLS, forms, outbox,
 * shipper, made in the one order in which they can be and given back in the other. Start-up only, main
 * thread.
 */
#ifndef WW_RUN_FORWARDING_H
#define WW_RUN_FORWARDING_H

#include "run/config.h"
#include "run/connection.h"
#include "run/format.h"
#include "run/shipper.h"

enum { FORWARDING_SERVERS = 2 * CONFIG_TEXTS, FORWARDING_HOST = 256, FORWARDING_PORT = 8 };

/* A server as the configuration writes it. */
struct forwarding_server {
	struct broker_endpoint endpoint; /* into what follows */
	char host[FORWARDING_HOST], port[FORWARDING_PORT];
	bool is_tls;
};

struct forwarding_output {
	struct broker broker; /* fd -1: none */
	struct tls *tls;
	struct formatter *formatter;
};

struct forwarding {
	const struct config *config;
	struct forwarding_server servers[FORWARDING_SERVERS], syslog;
	struct broker_endpoint endpoints[FORWARDING_SERVERS];
	size_t n_servers, n_sentinels; /* of Redis: servers, and behind them sentinels */
	struct forwarding_output redis, to_syslog;
	struct outbox *outbox;
	struct shipper *shipper;
};

/* Is anything to be forwarded? */
bool forwarding_is_wanted(const struct config *c);

/* Before captures are opened, since brokers are processes of their own, and before rights are given up.
 * confined: the brokers' too. False: errors in d; forwarding_end is then still right. */
bool forwarding_begin(struct forwarding *f, const struct config *c, bool is_live, struct diag *d);
/* With the file of a store that is open. Then f->shipper is there. */
bool forwarding_open(struct forwarding *f, const char *store, const struct doc_context *doc, struct log *log,
	bool is_live, struct diag *d);
/* After shipper_stop. */
void forwarding_end(struct forwarding *f);

#endif
