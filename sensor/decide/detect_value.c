/* Values of a rule: wildcards, escapes and the match without backtracking (policy-language.md 7.1, 7.2). */
#include "decide/detect_impl.h"

void pattern_parse(struct arena *a, struct bytes text, bool cased, struct pattern *out)
{
	/* Room for a wildcard at each end that a modifier may add. */
	*out = (struct pattern){ .unit = (uint32_t *)arena_get(a, (text.n + 2) * sizeof *out->unit) + 1,
		.cased = cased };
	while (text.n) {
		uint32_t c = utf8_next(&text);
		if (c == '\\' && text.n && (text.p[0] == '*' || text.p[0] == '?' || text.p[0] == '\\'))
			c = utf8_next(&text);
		else if (c == '*' || c == '?') {
			c = c == '*' ? UNIT_MANY : UNIT_ONE;
			out->wild = true;
		}
		out->unit[out->n++] = cased ? c : utf8_fold(c);
	}
}

void pattern_open(struct pattern *p, bool at_start, bool at_end)
{
	if (at_start && !(p->n && p->unit[0] == UNIT_MANY)) {
		*--p->unit = UNIT_MANY;
		p->n++;
	}
	if (at_end && !(p->n && p->unit[p->n - 1] == UNIT_MANY))
		p->unit[p->n++] = UNIT_MANY;
	p->wild = p->wild || at_start || at_end;
}

/* Two pointers: on a mismatch only the last UNIT_MANY takes one more character. */
bool pattern_match(const struct pattern *p, struct bytes text)
{
	size_t at = 0, after_many = SIZE_MAX;
	struct bytes back = text;
	while (text.n) {
		if (at < p->n && p->unit[at] == UNIT_MANY) {
			after_many = ++at;
			back = text;
			if (at == p->n)
				return true;
			continue;
		}
		struct bytes rest = text;
		uint32_t c = utf8_next(&rest);
		if (!p->cased)
			c = utf8_fold(c);
		if (at < p->n && (p->unit[at] == UNIT_ONE || p->unit[at] == c)) {
			at++;
			text = rest;
		} else if (after_many != SIZE_MAX) {
			(void)utf8_next(&back);
			text = back;
			at = after_many;
		} else {
			return false;
		}
	}
	while (at < p->n && p->unit[at] == UNIT_MANY)
		at++;
	return at == p->n;
}
