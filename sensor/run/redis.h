/*
 * redis: the delivery into Redis 6.2 or newer: streams (each record once, by explicit ids), lists and
 * channels (siem-conventions.md sections 4 to 6). One server at a time, found by a list, by Sentinel or by a
 * Cluster's redirections.
 *
 * How a record is in a stream once, though connections break and servers die: its id (outbox.h) is fixed
 * before it is sent, and a stream takes ascending ids alone. What was under way when a connection broke is
 * read back by id; what is there is acknowledged, what is not is sent again, under its old id where the
 * stream's last one is smaller (so that commands of the broken connection that the server still comes to do
 * no harm), under a new one where it is not (an old command with it would be refused). Without the right to
 * read, one batch at a time is sent in a transaction: then a refused id says that its batch is there.
 *
 * One thread, the shipper's (delivery.h). Allocates copies of what is under way. Sentences it tells hold our
 * own words and the configuration's, nothing a server says, and no secret.
 */
#ifndef WW_RUN_REDIS_H
#define WW_RUN_REDIS_H

#include "run/broker.h"
#include "run/connection.h"
#include "run/delivery.h"

enum redis_mode { REDIS_STREAM, REDIS_LIST, REDIS_CHANNEL };

/* Sentinels that say which server is the master. */
struct redis_sentinel {
	const char *master; /* its name there; NULL: no Sentinel, and servers are asked in turn */
	const struct broker_endpoint *servers;
	size_t n_servers;
	const struct tls *tls;
	const char *server_name, *user, *password_file;
};

/* Borrowed until the delivery is freed. Strings: NULL or "" is none. Start from redis_default. */
struct redis_setup {
	const struct broker_endpoint *servers;
	size_t n_servers;
	struct redis_sentinel sentinel;
	bool is_cluster;       /* follow MOVED and ASK */
	const struct tls *tls; /* NULL: in clear, only to this machine unless clear_is_forced */
	bool clear_is_forced;
	const char *server_name;   /* that the certificate is for; none: the host as configured */
	const char *user;          /* none: Redis's default user */
	const char *password_file; /* mode 0600 or less, read at each connection; none: no AUTH */
	unsigned database;

	enum redis_mode mode;
	const char *key;    /* with %CLASS% (alert, asset, health) and %SENSOR% */
	const char *sensor; /* for %SENSOR% and the connection's name */
	const char *field;  /* of the body in a stream's entry */
	bool extra_fields;  /* and id, kind, level, v */
	uint64_t trim_entries;
	bool trim_exactly;
	uint64_t trim_age_ms; /* instead, where not 0 */

	size_t max_entries, max_bytes, in_flight; /* of a batch; batches */
	size_t max_event_bytes;                   /* the largest document there is */
	uint64_t max_delay_ns;                    /* that a record waits for others */
	uint64_t connect_ns, reply_ns, idle_ping_ns;
	uint64_t backoff_first_ns, backoff_most_ns;
	double backoff_factor, backoff_jitter; /* 2: twice as long each time; 0.3: 30 % more or less */
	uint64_t stopped_ns;                   /* until a wrong configuration of the server is tried again */
	unsigned wait_replicas;                /* that have to have a batch too; 0: none */
	uint64_t wait_ms;
	uint64_t watch_ns;     /* between looks at length and lag */
	uint64_t retention_ms; /* entries trimmed younger than that are told */

	/* The body; NULL: the document as it is. Empty: this record has no form here, and counts as there. */
	struct bytes (*format)(void *arg, const struct outbox_record *r);
	void *format_arg;
	uint64_t seed; /* of the jitter */
};

void redis_default(struct redis_setup *s);
/* What the broker has to know: the servers, then the sentinels. False: more than out holds. */
bool redis_endpoints(const struct redis_setup *s, struct broker_endpoint out[BROKER_ENDPOINTS], size_t *n);
/* With a broker that was started with redis_endpoints. NULL: errors in d. */
struct delivery *redis_new(
	const struct redis_setup *s, struct broker *b, const struct delivery_hooks *h, struct diag *d);

#endif
