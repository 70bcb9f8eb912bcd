/* A text that a regular expression matches, for the subset that policies may use. */
#include "sample.h"

struct sampler {
	const char *c;
	char *out;
	size_t n, room;
};

static void put(struct sampler *s, char c)
{
	if (s->n + 1 < s->room)
		s->out[s->n++] = c;
}

static char of_class(char c)
{
	return c == 'd'               ? '7'
	       : c == 'w'             ? 'a'
	       : c == 's'             ? ' '
	       : c == 'D' || c == 'S' ? 'a'
	       : c == 'W'             ? ' '
				      : c;
}

/* Behind '['; one character of the class. */
static char set_sample(struct sampler *s)
{
	char first = 0;
	const char *from = s->c + (*s->c == '^');
	bool negated = from != s->c;
	for (s->c = from; *s->c && (*s->c != ']' || s->c == from); s->c++) {
		char one = *s->c;
		if (one == '\\' && s->c[1])
			one = of_class(*++s->c);
		if (!first)
			first = one;
	}
	if (*s->c)
		s->c++;
	if (!negated)
		return first;
	/* Some character that stands nowhere between the brackets, nor in a range of letters or digits. */
	for (const char *try = "~;!%a0-"; *try; try++)
		if (!memchr(from, *try, (size_t)(s->c - from)))
			return *try;
	return '~';
}

static void alternatives(struct sampler *s);

static bool group_head(struct sampler *s)
{
	if (s->c[0] != '?')
		return true;
	while (*s->c && *s->c != ':' && *s->c != ')')
		s->c++;
	bool flags_only = *s->c == ')';
	if (*s->c && !flags_only)
		s->c++;
	return !flags_only;
}

/* One atom without its quantifier. */
static void atom(struct sampler *s)
{
	char c = *s->c++;
	if (c == '(') {
		if (group_head(s))
			alternatives(s);
		if (*s->c == ')')
			s->c++;
	} else if (c == '[') {
		put(s, set_sample(s));
	} else if (c == '\\' && *s->c) {
		char e = *s->c++;
		if (e != 'b' && e != 'B')
			put(s, of_class(e));
	} else if (c == '.') {
		put(s, 'a');
	} else if (c != '^' && c != '$') {
		put(s, c);
	}
}

/* How often, at least. */
static unsigned quantifier(struct sampler *s)
{
	unsigned least = 1;
	if (*s->c == '*' || *s->c == '?')
		least = 0, s->c++;
	else if (*s->c == '+')
		s->c++;
	else if (*s->c == '{') {
		least = 0;
		for (s->c++; ascii_digit((uint8_t)*s->c); s->c++)
			least = least * 10 + (unsigned)(*s->c - '0');
		while (*s->c && *s->c++ != '}')
			;
	} else {
		return 1;
	}
	s->c += *s->c == '?';
	return least;
}

static void sequence(struct sampler *s)
{
	while (*s->c && *s->c != '|' && *s->c != ')') {
		const char *from = s->c;
		size_t before = s->n;
		atom(s);
		unsigned times = quantifier(s);
		const char *behind = s->c;
		if (times == 0)
			s->n = before;
		for (; times > 1; times--) {
			s->c = from;
			atom(s);
		}
		s->c = behind;
	}
}

/* The first alternative; the others are read over. */
static void alternatives(struct sampler *s)
{
	sequence(s);
	size_t n = s->n;
	while (*s->c == '|') {
		s->c++;
		sequence(s);
	}
	s->n = n;
}

size_t regex_sample(const char *expression, char *out, size_t room)
{
	struct sampler s = { .c = expression, .out = out, .room = room };
	alternatives(&s);
	out[s.n] = 0;
	return s.n;
}
