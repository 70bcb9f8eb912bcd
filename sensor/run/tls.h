/*
 * tls: what connection.c needs of OpenSSL (tls.c, the only includer of it under run/). One session on a
 * connected, non-blocking descriptor. See connection.h.
 */
#ifndef WW_RUN_TLS_H
#define WW_RUN_TLS_H

#include "run/connection.h"

struct tls_session;

enum tls_result {
	TLS_DONE,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_ENDED, /* by the other side, in order */
	TLS_BROKEN,
};

/* NULL: no memory. */
struct tls_session *tls_open(const struct tls *t, int fd, const char *name);
void tls_close(struct tls_session *s);

enum tls_result tls_handshake(struct tls_session *s);
/* DONE: *n of them, at least one. */
enum tls_result tls_read(struct tls_session *s, uint8_t *to, size_t cap, size_t *n);
enum tls_result tls_write(struct tls_session *s, const uint8_t *from, size_t size, size_t *n);

/* After TLS_BROKEN: why, one sentence. */
void tls_reason(const struct tls_session *s, const char *name, char *text, size_t cap);

#endif
