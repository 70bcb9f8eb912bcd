/*
 * tlstalk: writes TLS (RFC 5246, 8446) and DER (X.690) for tests. Everything lies in one static arena until
 * tls_reset; views from it may be joined and wrapped freely.
 */
#ifndef WW_TESTS_TLSTALK_H
#define WW_TESTS_TLSTALK_H

#include "base/bytes.h"

void tls_reset(void);
struct bytes H(const char *hex);  /* "16 03 01", as dxtest_hex */
struct bytes B(const char *text); /* the text itself */
struct bytes zeros(size_t n);     /* n bytes 00 */
struct bytes join(const struct bytes *b, size_t n);
#define J(...)                                                                                               \
	join((const struct bytes[]){ __VA_ARGS__ },                                                          \
		sizeof((const struct bytes[]){ __VA_ARGS__ }) / sizeof(struct bytes))
struct bytes prefixed(unsigned width, struct bytes b); /* its length in `width` bytes, then b */
struct bytes number(unsigned width, uint64_t v);
struct bytes file_bytes(const char *path); /* below WW_SOURCE_DIR; fails the test if not there */

struct bytes record(uint8_t type, struct bytes body); /* version 3.3 */
/* The body in records of at most n bytes. */
struct bytes records(uint8_t type, size_t n, struct bytes body);
struct bytes message(uint8_t type, struct bytes body);
struct bytes extension(uint16_t type, struct bytes body);
/* Whole messages. Session and extensions may be empty: then no extensions block is written. */
struct bytes client_hello(
	uint16_t version, struct bytes session, struct bytes ciphers, struct bytes extensions);
struct bytes server_hello(uint16_t version, struct bytes session, uint16_t cipher, struct bytes extensions);
struct bytes server_name(const char *name); /* extension 0 */
struct bytes certificates(const struct bytes *der, size_t n);

struct bytes der(uint8_t tag, struct bytes body);

#endif
