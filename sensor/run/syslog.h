/*
 * syslog: the delivery to a syslog server: RFC 5424 over UDP, over TCP with octet counting (RFC 6587) or over
 * TLS (RFC 5425).
 *
 * Syslog has no acknowledgements, so what this delivery calls acknowledged is less than it is with Redis:
 * - UDP: the datagram was sent. It may be lost, and nobody learns of it.
 * - TCP and TLS: the server's kernel has acknowledged all bytes of the message (tcp_progress.h), and the
 *   connection was whole for another moment (settle_ns) after that. What was under way when a connection
 *   broke is sent again on the next one, under the same event.id: so a server that is restarted gets some
 *   messages twice, and loses none that it took out of its socket within that moment. A server that takes
 *   bytes and then neither reads nor ends for longer, and is killed then, loses what it had not read.
 *
 * The message is <PRI>1 TIME HOST APP - MSGID [SD] BODY: the time is the event's, the host the sensor, the
 * message's id the alert's category, and the structured data hold id, score and confidence. The body is what
 * the formatter makes, in UTF-8 but without the byte order mark that RFC 5424 section 6.4 asks for: readers
 * of JSON, CEF and LEEF take it for a part of the body. A body that is too long is shortened by the formatter
 * (format.h), never cut in the middle.
 *
 * One thread, the shipper's (delivery.h). Allocates copies of what is under way.
 */
#ifndef WW_RUN_SYSLOG_H
#define WW_RUN_SYSLOG_H

#include "run/connection.h"
#include "run/delivery.h"
#include "run/format.h"

enum syslog_transport { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_TLS };

enum {
	SYSLOG_LEAST = 4096, /* of message_most */
	SYSLOG_UDP_MOST = 65000,
	SYSLOG_HEADER = 1024,      /* a header has fewer bytes */
	SYSLOG_ENTERPRISE = 32473, /* IANA's for examples */
};

/* Borrowed until the delivery is freed. */
struct syslog_setup {
	enum syslog_transport transport;
	struct broker_endpoint server; /* as syslog_endpoint gave it to the broker */
	size_t endpoint;               /* its place there */
	const struct tls *tls;         /* SYSLOG_TLS */
	const char *server_name;       /* that the certificate is for; NULL or "": the host as configured */
	bool clear_is_forced;          /* not TLS, though the server is not this machine */

	struct formatter *formatter; /* the caller's; formatter_most is called on it */
	const char *app_name;        /* "wardwatch" */
	unsigned facility;           /* 0 to 23; 16 is local0 */
	uint32_t enterprise;         /* of the structured data: wardwatch@32473 */
	size_t message_most;         /* bytes of a message, header and body */

	size_t window_records, window_bytes; /* under way at once */
	uint64_t settle_ns;
	uint64_t connect_ns, backoff_first_ns, backoff_most_ns;
	uint64_t seed; /* of how much each wait is longer than the last: sensors do not come all at once */
};

void syslog_default(struct syslog_setup *s);
struct broker_endpoint syslog_endpoint(enum syslog_transport t, const char *host, const char *port);
/* NULL: errors in d. */
struct delivery *syslog_new(
	const struct syslog_setup *s, struct broker *b, const struct delivery_hooks *h, struct diag *d);

/* The header of a record's message, up to the body, in out: SYSLOG_HEADER bytes at most. Returns how many. */
struct json_tree;
size_t syslog_header(const struct syslog_setup *s, const struct outbox_record *r, const struct json_tree *t,
	char out[SYSLOG_HEADER]);

#endif
