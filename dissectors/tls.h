/*
 * tls: what the files of the TLS dissector share.
 *
 * tls.c        records, the handshake's messages, SSL 2.0, when a session is established
 * tls_hello.c  the two hellos: versions, names, cipher, JA3, JA4
 * tls_x509.c   certificates (RFC 5280): events x509.certificate
 */
#ifndef WW_TLS_H
#define WW_TLS_H

#include "dissect.h"

enum tls_event { TLS_CLIENT_HELLO, TLS_SERVER_HELLO, TLS_ESTABLISHED, TLS_ALERT, TLS_CERTIFICATE };

enum tls_field {
	VERSION_PROTOCOL,
	VERSION,
	CLIENT_VERSION,
	CIPHER_NAME,
	SERVER_NAME,
	NEXT_PROTOCOL,
	OFFERED_PROTOCOLS,
	IS_ESTABLISHED,
	IS_RESUMED,
	CERTIFICATE_REQUESTED,
	JA3,
	JA4,
	JA3S,
	ALERT_LEVEL,
	ALERT_DESCRIPTION,
	X_CHAIN,
	X_VERSION,
	X_SERIAL,
	X_SUBJECT_CN,
	X_SUBJECT_O,
	X_ISSUER_CN,
	X_ISSUER_O,
	X_NAMES,
	X_NOT_BEFORE,
	X_NOT_AFTER,
	X_DAYS,
	X_KEY_ALGORITHM,
	X_KEY_SIZE,
	X_SIGNATURE,
	X_SELF_SIGNED,
};

enum { TLS_NAME_MOST = 255, TLS_SESSION_MOST = 32 };

/* By direction where two. */
struct tls_state {
	uint32_t collected[2]; /* bytes of an unfinished handshake message in the extra block */
	uint32_t passing[2];   /* bytes still to come of a message that is not read further */
	uint16_t version, cipher, client_version;
	uint8_t name_n, session_n;
	uint8_t name[TLS_NAME_MOST], session[TLS_SESSION_MOST];
	bool begun[2]; /* a TLS record has been seen: SSL 2.0 can no longer come */
	bool ccs[2];
	bool data[2]; /* encrypted application data have passed */
	bool hello_seen, server_hello_seen, is_retried, is_resumed, early_data, is_established;
	bool certificate_requested, flight_seen; /* flight: the server's messages to the last */
};

/* Version 1.3 or a draft of it. */
bool tls_is_13(uint16_t version);
void tls_put_version(struct dx *x, uint16_t version);
void tls_put_client_version(struct dx *x, uint16_t version);
/* Version, cipher, name and what the client offered: of events about the whole session. */
void tls_put_session(struct dx *x, const struct tls_state *s);

/* Bodies of handshake messages. is_cut: only the head of it is there. False: malformed. */
bool tls_client_hello(struct dx *x, struct bytes body, bool is_cut);
bool tls_server_hello(struct dx *x, struct bytes body);
bool tls_certificates(struct dx *x, struct bytes body, bool is_cut);
/* One DER certificate at that place of a chain. */
bool tls_certificate(struct dx *x, struct bytes der, unsigned chain);

#endif
