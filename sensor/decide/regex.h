/*
 * regex: the regular expressions of policies (policy-language.md section 8), in linear time by Vectorscan.
 *
 * A small parser of ours takes exactly the accepted syntax and writes it again in a form that means the same
 * to Vectorscan whatever its options: `^` and `$` as \A and \z, every mark escaped, lazy as greedy.
 * A pattern of ASCII alone cannot tell other characters apart: it is matched in bytes, each other character
 * (or byte that is of none) being one byte 0x80. That is far smaller than an automaton of UTF-8, which is
 * for patterns with other characters (REGEX_WIDE); there a byte that is no UTF-8 is a private character.
 * So one build serves every text, and dots and classes take whole characters in all of them.
 *
 * regex_rewrite and regex_compile at load (allocate); regex_match on the hub (does not).
 */
#ifndef WW_DECIDE_REGEX_H
#define WW_DECIDE_REGEX_H

#include "base/arena.h"

/* Ignore case; ^ $ at lines; dot takes line feeds; (found out) has characters beyond ASCII. */
enum { REGEX_I = 1, REGEX_M = 2, REGEX_S = 4, REGEX_WIDE = 8 };
enum { REGEX_BYTES = 4096, REGEX_REPEAT = 1000, REGEX_DEPTH = 64 };

struct regex_error {
	size_t offset; /* into the pattern, in bytes */
	const char *text;
};

/* The pattern for Vectorscan, in the arena; NULL when it is refused, then *error says why. A leading group of
 * flags, (?ims), and REGEX_WIDE are added to *flags; *led says that there was such a group. */
char *regex_rewrite(
	struct arena *a, struct bytes pattern, unsigned *flags, bool *led, struct regex_error *error);

struct regex;
/* One for all expressions that are matched by one thread: grown by each regex_compile. */
struct regex_scratch {
	void *room;
};

/* rewritten: of regex_rewrite. NULL when Vectorscan refuses it: the reason is in the arena. */
struct regex *regex_compile(struct arena *a, const char *rewritten, unsigned flags,
	struct regex_scratch *scratch, const char **error);
void regex_free(struct regex *r);
void regex_scratch_free(struct regex_scratch *s);

/* Does it stand anywhere in the text? */
bool regex_match(const struct regex *r, const struct regex_scratch *s, struct bytes text);

#endif
