/* digest: the hashes that formats ask for, without allocation. Any thread. */
#ifndef WW_BASE_DIGEST_H
#define WW_BASE_DIGEST_H

#include "base/bytes.h"

void md5_hex(struct bytes in, char out[33]);      /* RFC 1321, for JA3; lower-case hex, NUL-terminated */
void sha1_of(struct bytes in, uint8_t out[20]);   /* FIPS 180-4, for community ids */
void sha256_of(struct bytes in, uint8_t out[32]); /* FIPS 180-4 */
/* RFC 4648 section 7, lower case, no padding, the first `bits` bits of in; out holds bits/5+2 bytes. */
void base32hex(struct bytes in, unsigned bits, char *out);
/* RFC 4648 section 4, with padding; out holds 4*((n+2)/3)+1 bytes. */
void base64_of(struct bytes in, char *out);

#endif
