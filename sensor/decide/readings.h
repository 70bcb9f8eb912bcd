/* readings: a text as another program would read it, so that a name written in code is found. Any thread. */
#ifndef WW_DECIDE_READINGS_H
#define WW_DECIDE_READINGS_H

#include "base/bytes.h"

/* Each writes at most room bytes to out and gives how many; 0: the text is not written so. */

/* %xx (RFC 3986 2.1): of a text with at least one. */
size_t read_percent(struct bytes text, uint8_t *out, size_t room);
/* UTF-16 in the byte order whose zeros are there, in UTF-8. */
size_t read_utf16(struct bytes text, uint8_t *out, size_t room);
/* Pairs of hexadecimal digits, all of them. */
size_t read_hex(struct bytes word, uint8_t *out, size_t room);
/* Base64 (RFC 4648 4 and 5) without padding, of a word with letters of both cases. */
size_t read_base64(struct bytes word, uint8_t *out, size_t room);
/* A label xn--... (RFC 3492, RFC 5891), in UTF-8. */
size_t read_punycode(struct bytes label, uint8_t *out, size_t room);

#endif
