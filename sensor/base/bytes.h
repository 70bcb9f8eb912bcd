/*
 * bytes: the borrowed view and the one cursor through which every wire byte is read.
 *
 * A struct bytes never owns: it is valid until the function that handed it out returns (a packet
 * view) or as long as the object it points into. A struct cur is sticky: after one read past the
 * end, all later reads give 0 or an empty view and cur_ok() is false. So a parser reads a whole
 * record in a straight line and asks once before it acts.
 *
 * Any thread; no function here allocates or fails otherwise.
 */
#ifndef WW_BASE_BYTES_H
#define WW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *p;
	size_t n;
};

struct cur {
	const uint8_t *p, *end;
	bool bad;
};

/* ---- views ------------------------------------------------------------------------------- */

static inline struct bytes bytes_of(const void *p, size_t n)
{
	return (struct bytes){ p, n };
}

static inline struct bytes bytes_str(const char *s)
{
	return (struct bytes){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

/* The part from `at` on, at most n long; clipped to the view, never past it. */
static inline struct bytes bytes_sub(struct bytes b, size_t at, size_t n)
{
	if (at > b.n)
		at = b.n;
	if (n > b.n - at)
		n = b.n - at;
	return (struct bytes){ b.n ? b.p + at : b.p, n };
}

static inline struct bytes bytes_from(struct bytes b, size_t at)
{
	return bytes_sub(b, at, SIZE_MAX);
}

static inline struct bytes bytes_first(struct bytes b, size_t n)
{
	return bytes_sub(b, 0, n);
}

/* The byte at `at`, or -1 past the end: the safe way to look without moving. */
static inline int bytes_at(struct bytes b, size_t at)
{
	return at < b.n ? b.p[at] : -1;
}

static inline bool bytes_eq(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool bytes_is(struct bytes b, const char *s)
{
	return bytes_eq(b, bytes_str(s));
}

static inline bool bytes_starts(struct bytes b, const char *s)
{
	size_t n = strlen(s);
	return b.n >= n && memcmp(b.p, s, n) == 0;
}

/* Copies at most cap bytes of b to `to`; gives how many. The one way to keep wire bytes beyond a call. */
static inline size_t bytes_copy(void *to, size_t cap, struct bytes b)
{
	size_t n = b.n < cap ? b.n : cap;
	if (n)
		memcpy(to, b.p, n);
	return n;
}

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static inline uint8_t ascii_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

static inline bool ascii_digit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_alpha(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static inline bool ascii_alnum(int c)
{
	return ascii_digit(c) || ascii_alpha(c);
}

/* ASCII case-insensitive. */
static inline bool bytes_eqi(struct bytes a, struct bytes b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

static inline bool bytes_isi(struct bytes b, const char *s)
{
	return bytes_eqi(b, bytes_str(s));
}

static inline bool bytes_startsi(struct bytes b, const char *s)
{
	return bytes_eqi(bytes_first(b, strlen(s)), bytes_str(s));
}

/* Offset of the first c at or after `from`, or b.n if there is none. */
static inline size_t bytes_chr(struct bytes b, size_t from, uint8_t c)
{
	if (from >= b.n)
		return b.n;
	const uint8_t *hit = memchr(b.p + from, c, b.n - from);
	return hit ? (size_t)(hit - b.p) : b.n;
}

/* Offset of the first place where s stands at or after `from`, or b.n if there is none. */
static inline size_t bytes_find(struct bytes b, size_t from, struct bytes s)
{
	if (from >= b.n || s.n == 0 || s.n > b.n - from)
		return b.n;
	const uint8_t *hit = memmem(b.p + from, b.n - from, s.p, s.n);
	return hit ? (size_t)(hit - b.p) : b.n;
}

/* Cuts at the first NUL, then trims blanks and control characters at both ends. */
static inline struct bytes bytes_trim(struct bytes b)
{
	b.n = bytes_chr(b, 0, 0);
	while (b.n && b.p[b.n - 1] <= ' ')
		b.n--;
	while (b.n && b.p[0] <= ' ') {
		b.p++;
		b.n--;
	}
	return b;
}

/* Decimal digits only, the whole view; false if empty, foreign or above UINT64_MAX. */
static inline bool bytes_to_u64(struct bytes b, uint64_t *out)
{
	uint64_t v = 0;
	if (b.n == 0 || b.n > 20)
		return false;
	for (size_t i = 0; i < b.n; i++) {
		if (!ascii_digit(b.p[i]))
			return false;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, b.p[i] - '0', &v))
			return false;
	}
	*out = v;
	return true;
}

/* ---- cursor ------------------------------------------------------------------------------ */

static inline struct cur cur_of(struct bytes b)
{
	return (struct cur){ b.p, b.n ? b.p + b.n : b.p, false };
}

static inline bool cur_ok(const struct cur *c)
{
	return !c->bad;
}

static inline size_t cur_left(const struct cur *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}

static inline bool cur_more(const struct cur *c)
{
	return cur_left(c) > 0;
}

static inline struct bytes cur_take(struct cur *c, size_t n)
{
	if (n > cur_left(c)) {
		c->bad = true;
		return (struct bytes){ 0 };
	}
	struct bytes b = { c->p, n };
	c->p = n ? c->p + n : c->p;
	return b;
}

static inline void cur_skip(struct cur *c, size_t n)
{
	(void)cur_take(c, n);
}

/* All that is left; the cursor is then at its end. */
static inline struct bytes cur_rest(struct cur *c)
{
	return cur_take(c, cur_left(c));
}

/* All that is left, without moving. */
static inline struct bytes cur_peek(const struct cur *c)
{
	return (struct bytes){ c->p, cur_left(c) };
}

/* A cursor over the next n bytes; this one moves past them. Bad if fewer are left. */
static inline struct cur cur_sub(struct cur *c, size_t n)
{
	struct bytes b = cur_take(c, n);
	struct cur s = cur_of(b);
	s.bad = c->bad;
	return s;
}

static inline uint8_t cur_u8(struct cur *c)
{
	struct bytes b = cur_take(c, 1);
	return b.n ? b.p[0] : 0;
}

static inline uint16_t cur_be16(struct cur *c)
{
	struct bytes b = cur_take(c, 2);
	return (uint16_t)(b.n ? b.p[0] << 8 | b.p[1] : 0);
}

static inline uint32_t cur_be24(struct cur *c)
{
	struct bytes b = cur_take(c, 3);
	return b.n ? (uint32_t)b.p[0] << 16 | (uint32_t)b.p[1] << 8 | b.p[2] : 0;
}

static inline uint32_t cur_be32(struct cur *c)
{
	struct bytes b = cur_take(c, 4);
	return b.n ? (uint32_t)b.p[0] << 24 | (uint32_t)b.p[1] << 16 | (uint32_t)b.p[2] << 8 | b.p[3] : 0;
}

static inline uint64_t cur_be64(struct cur *c)
{
	uint64_t hi = cur_be32(c);
	return hi << 32 | cur_be32(c);
}

static inline uint16_t cur_le16(struct cur *c)
{
	return __builtin_bswap16(cur_be16(c));
}

static inline uint32_t cur_le32(struct cur *c)
{
	return __builtin_bswap32(cur_be32(c));
}

static inline uint64_t cur_le64(struct cur *c)
{
	return __builtin_bswap64(cur_be64(c));
}

/* Up to the next sep, which is passed over; without a sep, all that is left. Never makes the cursor bad. */
static inline struct bytes cur_until(struct cur *c, uint8_t sep)
{
	struct bytes all = cur_peek(c);
	size_t at = bytes_chr(all, 0, sep);
	struct bytes b = bytes_first(all, at);
	if (!c->bad && all.n)
		c->p += at < all.n ? at + 1 : at;
	return b;
}

#endif
