/* utf8: characters of a text that may be anything, and their simple case folding. Any thread. */
#ifndef WW_BASE_UTF8_H
#define WW_BASE_UTF8_H

#include "base/bytes.h"

/* Characters from here on are bytes that belong to no valid UTF-8 sequence: UTF8_RAW + the byte. */
enum { UTF8_RAW = 0x110000 };

/* Length of the UTF-8 sequence at the start of t (RFC 3629: no overlong forms, no surrogates), 0 if none. */
size_t utf8_length(struct bytes t);
/* Takes the next character off t, which must not be empty. */
uint32_t utf8_next(struct bytes *t);
/* Writes c (at most 10FFFFH) in UTF-8; gives its bytes. */
size_t utf8_put(uint32_t c, uint8_t out[4]);
/* Unicode simple case folding (CaseFolding.txt, C and S): one code point to one code point. */
uint32_t utf8_fold(uint32_t c);
/* Characters in t. */
size_t utf8_count(struct bytes t);

#endif
