/* Values of a rule: wildcards, escapes and the match without backtracking (policy-language.md 7.1, 7.2). */
#include "decide/detect_impl.h"

struct pattern pattern_new(struct arena *a, size_t n)
{
	struct pattern p = { .cased = true };
	p.unit = (uint32_t *)arena_get(a, (n + 2) * sizeof *p.unit) + 1;
	return p;
}

void pattern_fold(struct pattern *p)
{
	p->cased = false;
	for (size_t i = 0; i < p->n; i++)
		p->unit[i] = utf8_fold(p->unit[i]);
}

void pattern_parse(struct arena *a, struct bytes text, bool cased, struct pattern *out)
{
	*out = pattern_new(a, text.n);
	while (text.n) {
		uint32_t c = utf8_next(&text);
		if (c == '\\' && text.n && (text.p[0] == '*' || text.p[0] == '?' || text.p[0] == '\\'))
			c = utf8_next(&text);
		else if (c == '*' || c == '?') {
			c = c == '*' ? UNIT_MANY : UNIT_ONE;
			out->wild = true;
		}
		out->unit[out->n++] = c;
	}
	if (!cased)
		pattern_fold(out);
}

struct bytes pattern_bytes(struct arena *a, const struct pattern *p)
{
	uint8_t *out = arena_get(a, 4 * p->n + 1);
	size_t n = 0;
	for (size_t i = 0; i < p->n; i++) {
		uint32_t c = p->unit[i];
		if (c >= UTF8_RAW) {
			out[n++] = (uint8_t)(c - UTF8_RAW);
		} else if (c < 0x80) {
			out[n++] = (uint8_t)c;
		} else {
			if (c >= 0x10000)
				out[n++] = (uint8_t)(0xf0 | c >> 18);
			if (c >= 0x800)
				out[n++] = (uint8_t)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12);
			out[n++] = (uint8_t)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6);
			out[n++] = (uint8_t)(0x80 | (c & 0x3f));
		}
	}
	return bytes_of(out, n);
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

/* Two pointers: on a mismatch only the last UNIT_MANY takes one more character. fold_both: the pattern is not
 * folded, and case does not matter all the same. */
static bool match(const struct pattern *p, struct bytes text, bool fold_text, bool fold_both)
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
		if (fold_text)
			c = utf8_fold(c);
		if (at < p->n && (p->unit[at] == UNIT_ONE || p->unit[at] == c ||
					 (fold_both && utf8_fold(p->unit[at]) == c))) {
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

bool pattern_match(const struct pattern *p, struct bytes text)
{
	/* Nearly all are words of ASCII, and differ early. Characters fold to one character each. */
	for (size_t i = 0; !p->wild; i++) {
		if (i == p->n || i == text.n)
			return p->n == text.n;
		if (text.p[i] >= 0x80)
			break;
		if (p->unit[i] != (p->cased ? text.p[i] : ascii_lower(text.p[i])))
			return false;
	}
	return match(p, text, !p->cased, false);
}

bool pattern_match_any_case(const struct pattern *p, struct bytes text)
{
	return match(p, text, true, true);
}
