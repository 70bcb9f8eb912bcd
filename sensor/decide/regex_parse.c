/* What a regular expression of a policy may be made of (policy-language.md section 8), and its rewriting. */
#include "decide/regex.h"

#include "base/utf8.h"

#include <stdio.h>

/* States that the repetitions of a pattern may come to, before Vectorscan spends minutes on it. A repeated
 * character is counted, not copied. Where a pattern is matched as UTF-8 (REGEX_WIDE), a dot
 * is several states. */
enum { MAX_STATES = 1500, WIDE_STATES = 8 };

struct parse {
	struct bytes in;
	size_t at;
	char *out;
	size_t n;
	unsigned flags, depth;
	bool group; /* the atom just read was a group */
	uint64_t copied;
	struct regex_error *error;
	bool failed;
};

static uint32_t parse_alternatives(struct parse *p);

/* The first mistake is the one to say. */
static uint32_t fail(struct parse *p, size_t offset, const char *text)
{
	if (!p->failed)
		*p->error = (struct regex_error){ offset, text };
	p->failed = true;
	p->at = p->in.n;
	return 0;
}

static int peek(const struct parse *p)
{
	return bytes_at(p->in, p->at);
}

static bool looking_at(const struct parse *p, const char *s)
{
	return bytes_starts(bytes_from(p->in, p->at), s);
}

/* Of a class with characters beyond ASCII. */
static uint32_t wide_states(const struct parse *p)
{
	return p->flags & REGEX_WIDE ? WIDE_STATES : 1;
}

static void put(struct parse *p, const char *s)
{
	size_t n = strlen(s);
	memcpy(p->out + p->n, s, n);
	p->n += n;
}

static uint32_t next_char(struct parse *p)
{
	struct bytes rest = bytes_from(p->in, p->at);
	uint32_t c = utf8_next(&rest);
	if (c >= UTF8_RAW)
		(void)fail(p, p->at, "this byte is not of UTF-8");
	else
		p->at = p->in.n - rest.n;
	return c;
}

/* A character as itself, in a class or outside. */
static uint32_t put_char(struct parse *p, uint32_t c, size_t from)
{
	char hex[8];
	if (c >= 0x80) {
		memcpy(p->out + p->n, p->in.p + from, p->at - from);
		p->n += p->at - from;
		return WIDE_STATES / 2; /* at most its bytes */
	}
	if (ascii_alnum((int)c))
		snprintf(hex, sizeof hex, "%c", (char)c);
	else
		snprintf(hex, sizeof hex, "\\x%02x", (unsigned)c);
	put(p, hex);
	return 1;
}

/* The character after a backslash that stands for itself; else false, and said. */
static bool escaped_char(struct parse *p, size_t backslash, uint32_t *c, size_t *from)
{
	*from = p->at;
	if (p->at == p->in.n) {
		(void)fail(p, backslash, "a backslash at the end escapes nothing");
		return false;
	}
	*c = next_char(p);
	if (ascii_alnum(*c < 0x80 ? (int)*c : 0))
		(void)fail(p, backslash,
			"of the escapes with a letter or digit only \\b \\B \\d \\D \\s \\S \\w \\W are "
			"taken");
	return !p->failed;
}

/* \d and its like; 0 when what follows the backslash is none of them. */
static int shorthand(struct parse *p, const char *letters)
{
	int c = bytes_at(p->in, p->at + 1);
	if (peek(p) != '\\' || c <= 0 || !strchr(letters, c))
		return 0;
	p->at += 2;
	put(p, (char[]){ '\\', (char)c, 0 });
	return c;
}

/* One end of a range, or a single character. */
static bool class_char(struct parse *p, uint32_t *c)
{
	size_t from = p->at;
	if (looking_at(p, "[:") || looking_at(p, "[.") || looking_at(p, "[=")) {
		(void)fail(p, p->at,
			"classes by name like [:alpha:] are not taken: write [A-Za-z], or \\[ for the "
			"bracket");
		return false;
	}
	if (peek(p) == '\\') {
		p->at++;
		if (!escaped_char(p, from, c, &from))
			return false;
	} else {
		*c = next_char(p);
	}
	if (!p->failed)
		(void)put_char(p, *c, from);
	return !p->failed;
}

static bool class_part(struct parse *p, bool *wide)
{
	size_t from = p->at;
	uint32_t low, high;
	int c = shorthand(p, "dDsSwW");
	*wide = *wide || c == 'D' || c == 'S' || c == 'W';
	bool range = peek(p) == '-' && bytes_at(p->in, p->at + 1) != ']';
	if (c) {
		if (range)
			(void)fail(p, from, "a range goes from one character to another");
		return !p->failed;
	}
	if (!class_char(p, &low))
		return false;
	*wide = *wide || low >= 0x80;
	if (peek(p) != '-' || bytes_at(p->in, p->at + 1) == ']' || bytes_at(p->in, p->at + 1) < 0)
		return true;
	p->at++;
	put(p, "-");
	size_t to = p->at;
	if (shorthand(p, "dDsSwW")) {
		(void)fail(p, to, "a range goes from one character to another");
		return false;
	}
	if (!class_char(p, &high))
		return false;
	*wide = *wide || high >= 0x80;
	if (high < low)
		(void)fail(p, from, "this range goes backwards");
	return !p->failed;
}

static uint32_t parse_class(struct parse *p)
{
	size_t from = p->at++;
	bool wide = peek(p) == '^';
	put(p, wide ? "[^" : "[");
	p->at += wide;
	/* A closing bracket that comes first is a member. */
	for (bool first = true; first || peek(p) != ']'; first = false) {
		if (p->at == p->in.n)
			return fail(p, from, "this class has no closing bracket");
		if (!class_part(p, &wide))
			return 0;
	}
	p->at++;
	put(p, "]");
	return wide ? wide_states(p) : 1;
}

static uint32_t parse_group(struct parse *p)
{
	size_t from = p->at++;
	if (peek(p) == '?') {
		if (!looking_at(p, "?:"))
			return fail(p, from,
				"of the groups with a question mark only (?:...) is taken, and flags like "
				"(?i) at the very "
				"beginning");
		p->at += 2;
	}
	if (++p->depth > REGEX_DEPTH)
		return fail(p, from, "groups are nested too deeply");
	put(p, "(?:");
	uint32_t states = parse_alternatives(p);
	p->depth--;
	if (peek(p) != ')')
		return fail(p, from, "this group has no closing parenthesis");
	p->at++;
	put(p, ")");
	return states;
}

/* Digits alone; too many of them are more than any bound. */
static bool count_of(struct bytes t, uint64_t *out)
{
	for (size_t i = 0; i < t.n; i++)
		if (!ascii_digit(t.p[i]))
			return false;
	if (t.n && !bytes_to_u64(t, out))
		*out = REGEX_REPEAT + 1;
	return t.n > 0;
}

/* {n}, {n,} or {n,m} at `at`: its length, 0 if there is none. *most is 0 without an upper end. */
static size_t braces(struct bytes in, size_t at, uint64_t *least, uint64_t *most)
{
	size_t end = bytes_chr(in, at, '}');
	if (bytes_at(in, at) != '{' || end == in.n)
		return 0;
	struct bytes inside = bytes_sub(in, at + 1, end - at - 1);
	size_t comma = bytes_chr(inside, 0, ',');
	if (!count_of(bytes_first(inside, comma), least))
		return 0;
	*most = comma < inside.n ? 0 : *least;
	if (comma + 1 < inside.n && !count_of(bytes_from(inside, comma + 1), most))
		return 0;
	if (comma + 1 < inside.n && *most < *least)
		*most = UINT64_MAX; /* the wrong way round */
	return end + 1 - at;
}

static bool is_repeat(const struct parse *p)
{
	uint64_t least, most;
	int c = peek(p);
	return c == '*' || c == '+' || c == '?' || braces(p->in, p->at, &least, &most);
}

/* The repetition after an atom of so many states. */
static uint32_t parse_repeat(struct parse *p, uint32_t states)
{
	uint64_t least = 0, most = 0;
	size_t from = p->at, n = braces(p->in, p->at, &least, &most);
	if (looking_at(p, "{,"))
		return fail(p, from, "write {0,m} for at most m");
	if (!is_repeat(p))
		return states;
	if (n && most == UINT64_MAX)
		return fail(p, from, "this repetition has its ends in the wrong order");
	if (least > REGEX_REPEAT || most > REGEX_REPEAT)
		return fail(p, from, "nothing can be repeated more than 1000 times by number");
	for (size_t i = 0; i < (n ? n : 1); i++)
		p->out[p->n++] = (char)bytes_at(p->in, p->at++);
	/* For a yes or no the shortest match is as good as the longest. */
	if (peek(p) == '?')
		p->at++;
	if (is_repeat(p))
		return fail(
			p, p->at, "a repetition cannot be repeated, nor be possessive: put it in a group");
	uint64_t times = least > most ? least : most;
	if (!p->group && states == 1)
		return states;
	p->copied += states * (times ? times : 1);
	if (p->copied > MAX_STATES)
		return fail(p, from, "the pattern becomes too large: repeat less");
	return (uint32_t)(states * (times ? times : 1));
}

/* ^, $, \b or \B: has no characters, so nothing to repeat. */
static bool parse_assertion(struct parse *p)
{
	bool lines = (p->flags & REGEX_M) != 0;
	int c = peek(p);
	if (c == '^' || c == '$') {
		p->at++;
		put(p, lines ? (c == '^' ? "^" : "$") : c == '^' ? "\\A" : "\\z");
	} else if (!shorthand(p, "bB")) {
		return false;
	}
	if (is_repeat(p))
		(void)fail(p, p->at, "there is nothing to repeat here");
	return true;
}

static uint32_t parse_atom(struct parse *p)
{
	size_t from = p->at;
	int c = peek(p);
	uint32_t wide;
	if (c == '(')
		return parse_group(p);
	if (c == '[')
		return parse_class(p);
	if (is_repeat(p))
		return fail(p, from, "there is nothing to repeat here");
	if (c == '.') {
		p->at++;
		put(p, ".");
		return wide_states(p);
	}
	if ((c = shorthand(p, "dDsSwW")))
		return c < 'a' ? wide_states(p) : 1;
	if (peek(p) == '\\') {
		p->at++;
		return escaped_char(p, from, &wide, &from) ? put_char(p, wide, from) : 0;
	}
	wide = next_char(p);
	return p->failed ? 0 : put_char(p, wide, from);
}

static uint32_t parse_sequence(struct parse *p)
{
	uint32_t states = 1;
	while (p->at < p->in.n && peek(p) != '|' && peek(p) != ')') {
		if (parse_assertion(p))
			continue;
		bool group = peek(p) == '(';
		uint32_t atom = parse_atom(p);
		p->group = group;
		states += p->failed ? 0 : parse_repeat(p, atom);
	}
	return states;
}

static uint32_t parse_alternatives(struct parse *p)
{
	uint32_t states = parse_sequence(p);
	while (peek(p) == '|') {
		p->at++;
		put(p, "|");
		states += parse_sequence(p);
	}
	return states;
}

/* (?ims) at the very beginning. */
static bool leading_flags(struct parse *p)
{
	size_t end = bytes_chr(p->in, 0, ')');
	unsigned flags = 0;
	if (!looking_at(p, "(?") || end == p->in.n || end == 2)
		return false;
	for (size_t i = 2; i < end; i++) {
		int c = bytes_at(p->in, i);
		if (c != 'i' && c != 'm' && c != 's')
			return false;
		flags |= c == 'i' ? REGEX_I : c == 'm' ? REGEX_M : REGEX_S;
	}
	p->flags |= flags;
	p->at = end + 1;
	return true;
}

char *regex_rewrite(
	struct arena *a, struct bytes pattern, unsigned *flags, bool *led, struct regex_error *error)
{
	struct parse p = { .in = pattern, .flags = *flags, .error = error };
	*led = false;
	if (pattern.n > REGEX_BYTES) {
		(void)fail(&p, REGEX_BYTES, "a pattern may have 4096 bytes at most");
		return NULL;
	}
	/* A byte becomes at most the four of \xHH. */
	p.out = arena_get(a, 4 * pattern.n + 1);
	for (size_t i = 0; i < pattern.n; i++)
		if (pattern.p[i] >= 0x80)
			p.flags |= REGEX_WIDE;
	*led = leading_flags(&p);
	(void)parse_alternatives(&p);
	if (!p.failed && p.at < pattern.n)
		(void)fail(&p, p.at, "this closing parenthesis belongs to no group");
	*flags = p.flags;
	return p.failed ? NULL : p.out;
}
