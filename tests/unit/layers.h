/* layers: frames written as hexadecimal layers, the innermost first, for the tests of the packet side. In a
 * layer T stands for two bytes of length with this header, P for two bytes of length behind it. */
#ifndef WW_TESTS_LAYERS_H
#define WW_TESTS_LAYERS_H

#include "base/bytes.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#define HI                    "6869"
#define UDP                   "1388 1389 T 0000"
#define UDP_TO(port)          "c000" port "T 0000"
#define TCP                   "1388 1389 00000001 00000002 5018 1000 0000 0000"
#define IP4_ID(id, fr, proto) "4500 T" id fr "40" proto "0000 0a000001 0a000002"
#define IP4(proto)            IP4_ID("0001", "0000", proto)
#define IP4_OUT(proto)        "4500 T 0002 0000 40" proto "0000 c0000201 c0000202"
#define A6(last)              "20010db8 00000000 00000000 000000" last
#define IP6(next)             "60000000 P" next "40" A6("01") A6("02")
#define ETH(type)             "020000000002 020000000001" type
#define ETH_IN(type)          "020000000004 020000000003" type
#define TAG(id, type)         id type

struct wire {
	uint8_t b[70000];
	size_t n;
};

static inline unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Puts a layer in front of what is there. */
static inline void wire_wrap(struct wire *w, const char *hex)
{
	static uint8_t head[4096];
	size_t n = 0, length_at = 0;
	char kind = 0;
	for (const char *s = hex; *s;) {
		if (*s == ' ') {
			s++;
		} else if (*s == 'T' || *s == 'P') {
			kind = *s++;
			length_at = n;
			n += 2;
		} else {
			head[n++] = (uint8_t)(nibble(s[0]) << 4 | nibble(s[1]));
			s += 2;
		}
		assert_true(n < sizeof head);
	}
	size_t length = kind == 'T' ? n + w->n : w->n;
	if (kind) {
		head[length_at] = (uint8_t)(length >> 8);
		head[length_at + 1] = (uint8_t)length;
	}
	assert_true(n + w->n < sizeof w->b);
	memmove(w->b + n, w->b, w->n);
	memcpy(w->b, head, n);
	w->n += n;
}

/* Layers up to NULL. */
static inline void wire_build(struct wire *w, const char *const *layers)
{
	w->n = 0;
	for (; *layers; layers++)
		wire_wrap(w, *layers);
}

/* A heap copy of exactly that size, so that the sanitizer sees one byte too many. The caller frees it. */
static inline uint8_t *wire_copy(const uint8_t *b, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);
	assert_non_null(p);
	memcpy(p, b, n);
	return p;
}

#endif
