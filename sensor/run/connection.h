/*
 * connection: one byte stream to a server that alerts go to: TCP, a Unix socket, TLS 1.2 or newer with the
 * server's certificate always verified. Datagrams (syslog over UDP) go the same way, without TLS.
 *
 * It connects by the broker (broker.h), never blocks, and its two buffers never grow. A connection is opened,
 * served whenever poll says so or its time has come, and fails with one sentence that says what is wrong and
 * what would help; then it can be opened again. Nothing of what the other side sends is ever in that
 * sentence.
 *
 * One thread, the delivery's. All times are CLOCK_MONOTONIC nanoseconds. After connection_new nothing is
 * allocated but by OpenSSL.
 */
#ifndef WW_RUN_CONNECTION_H
#define WW_RUN_CONNECTION_H

#include "run/broker.h"

#include <poll.h>

enum { CONNECTION_TEXT = 640, CONNECTION_NAME = 256 };

/* ---- TLS: what is loaded once, at start ------------------------------------------------------ */

/* Paths; NULL or "": none. */
struct tls_setup {
	const char *ca;         /* PEM, the authorities that are trusted; none: the system's */
	const char *cert, *key; /* PEM, what we show if the server asks; the certificate's chain with it */
	const char *min;        /* "1.2" (also if NULL) or "1.3" */
};

struct tls;

/* Before the process is confined, for it reads files. NULL: errors in d. */
struct tls *tls_load(const struct tls_setup *s, struct diag *d);
void tls_free(struct tls *t); /* after the connections that use it; NULL: nothing */

/* ---- the connection --------------------------------------------------------------------------- */

enum connection_state {
	CONNECTION_IDLE,        /* never opened, or closed */
	CONNECTION_CONNECTING,  /* the broker is at it */
	CONNECTION_HANDSHAKING, /* TLS */
	CONNECTION_OPEN,
	CONNECTION_FAILED, /* connection_reason says why; input that came before can still be read */
};

/* Borrowed for as long as the connection is. */
struct connection_setup {
	struct broker *broker;
	const struct tls *tls; /* NULL: in clear */
	uint64_t connect_ns;   /* for all of it, from the question to the broker to the handshake's end */
	uint32_t
		user_timeout_ms; /* TCP: sent and not acknowledged for so long is a broken link; 0: default */
	size_t out_most, in_most; /* bytes */
	bool is_datagram;         /* each connection_write is one datagram */
};

struct connection;

struct connection *connection_new(const struct connection_setup *s); /* NULL: no memory */
void connection_free(struct connection *c);                          /* closes; NULL: nothing */

/* From IDLE or FAILED. name: whom the certificate has to be for, a host name or a literal address; also the
 * name in our sentences, so never NULL. Buffers are emptied. */
void connection_open(struct connection *c, size_t endpoint, const char *name, uint64_t now_ns);
/* At an address that a server named (see struct broker_learned). */
void connection_open_address(
	struct connection *c, const struct addr *a, uint16_t port, const char *name, uint64_t now_ns);
/* To IDLE, at once: what is not sent yet is thrown away. */
void connection_close(struct connection *c);
/* To FAILED, with a sentence of the caller's: the other side breaks the protocol. */
void connection_fail(struct connection *c, const char *reason);

enum connection_state connection_state(const struct connection *c);
const char *connection_reason(const struct connection *c); /* "" unless FAILED */
const char *connection_name(const struct connection *c);

/* All of b into the out-buffer, which serve writes out; false: it does not fit now, and nothing was taken.
 * Before OPEN it waits there. */
bool connection_write(struct connection *c, struct bytes b);
size_t connection_room(const struct connection *c);
size_t connection_unsent(const struct connection *c);
/* What came and was not eaten; valid until the next call on c. */
struct bytes connection_input(const struct connection *c);
void connection_eat(struct connection *c, size_t n);

/* See tcp_progress.h; over TLS its own bytes are among them. Bytes that are unsent are in neither. */
bool connection_progress(const struct connection *c, uint64_t *given, uint64_t *taken);

/* What to poll for, at most one; returns how many. */
size_t connection_fds(const struct connection *c, struct pollfd *fd);
/* Connects, shakes hands, reads and writes as far as that goes without waiting. Returns when it wants to be
 * called at the latest, UINT64_MAX: not for time's sake. */
uint64_t connection_serve(struct connection *c, uint64_t now_ns);

#endif
