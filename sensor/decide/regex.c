#include "decide/regex.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <hs/hs.h>
#include <stdlib.h>

/* FOREIGN + byte: the last 256 characters of Unicode, which are private, four bytes of UTF-8 each.
 * TEXT_BYTES: the longest element of a fact (limits.array_bytes), or its hex. */
enum { FOREIGN = 0x10ff00, OTHER = 0x80, TEXT_BYTES = 16384 };

struct regex {
	hs_database_t *database;
	unsigned flags;
};

struct regex *regex_compile(struct arena *a, const char *rewritten, unsigned flags,
	struct regex_scratch *scratch, const char **error)
{
	hs_compile_error_t *why = NULL;
	hs_scratch_t *room = scratch->room;
	struct regex *r = calloc(1, sizeof *r);
	unsigned mode = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
	mode |= (flags & REGEX_WIDE) ? HS_FLAG_UTF8 : 0;
	mode |= (flags & REGEX_I) ? HS_FLAG_CASELESS : 0;
	mode |= (flags & REGEX_M) ? HS_FLAG_MULTILINE : 0;
	mode |= (flags & REGEX_S) ? HS_FLAG_DOTALL : 0;
	*error = "not enough memory";
	if (!r)
		return NULL;
	r->flags = flags;
	if (hs_compile(rewritten, mode, HS_MODE_BLOCK, NULL, &r->database, &why) != HS_SUCCESS) {
		*error = arena_text(a, bytes_str(why->message));
		hs_free_compile_error(why);
		free(r);
		return NULL;
	}
	hs_error_t got = hs_alloc_scratch(r->database, &room);
	scratch->room = room;
	if (got == HS_SUCCESS)
		return r;
	regex_free(r);
	return NULL;
}

void regex_free(struct regex *r)
{
	if (r)
		hs_free_database(r->database);
	free(r);
}

void regex_scratch_free(struct regex_scratch *s)
{
	hs_free_scratch(s->room);
	s->room = NULL;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *found)
{
	(void)id;
	(void)from;
	(void)to;
	(void)flags;
	*(bool *)found = true;
	return 1;
}

static bool scan(const struct regex *r, const struct regex_scratch *s, struct bytes t)
{
	bool found = false;
	const char *p = t.n ? (const char *)t.p : "";
	hs_error_t got = hs_scan(r->database, p, (unsigned)t.n, 0, (hs_scratch_t *)s->room, on_match, &found);
	ASSERT(got == HS_SUCCESS || got == HS_SCAN_TERMINATED);
	return found;
}

/* Each character beyond ASCII as one byte; but two of them are letters of ASCII when case is ignored. */
static size_t narrow(const struct regex *r, struct bytes t, uint8_t out[TEXT_BYTES])
{
	size_t n = 0;
	while (t.n && n < TEXT_BYTES) {
		uint32_t c = utf8_next(&t);
		if (c >= 0x80 && (r->flags & REGEX_I))
			c = utf8_fold(c);
		out[n++] = c < 0x80 ? (uint8_t)c : OTHER;
	}
	return n;
}

/* Each byte that is not of UTF-8 as a private character. */
static size_t widen(struct bytes t, uint8_t out[TEXT_BYTES])
{
	size_t n = 0;
	while (t.n && n + 4 <= TEXT_BYTES) {
		struct bytes from = t;
		uint32_t c = utf8_next(&t);
		if (c < UTF8_RAW) {
			n += bytes_copy(out + n, 4, bytes_first(from, from.n - t.n));
			continue;
		}
		c = FOREIGN + (c - UTF8_RAW);
		out[n++] = 0xf4;
		out[n++] = 0x8f;
		out[n++] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[n++] = (uint8_t)(0x80 | (c & 0x3f));
	}
	return n;
}

static bool is_ascii(struct bytes t)
{
	uint8_t all = 0;
	for (size_t i = 0; i < t.n; i++)
		all |= t.p[i];
	return all < 0x80;
}

bool regex_match(const struct regex *r, const struct regex_scratch *s, struct bytes text)
{
	uint8_t other[TEXT_BYTES];
	if (is_ascii(text))
		return scan(r, s, text);
	size_t n = r->flags & REGEX_WIDE ? widen(text, other) : narrow(r, text, other);
	return scan(r, s, bytes_of(other, n));
}
