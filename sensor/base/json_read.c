#include "base/json_read.h"

#include "base/utf8.h"

#include <stdlib.h>

static bool value(struct json_tree *t, struct cur *c, struct bytes name, unsigned depth);

static int peek(const struct cur *c)
{
	return bytes_at(cur_peek(c), 0);
}

static bool eat(struct cur *c, uint8_t what)
{
	bool is = peek(c) == what;
	if (is)
		cur_skip(c, 1);
	return is;
}

static void blanks(struct cur *c)
{
	while (peek(c) == ' ' || peek(c) == '\t' || peek(c) == '\n' || peek(c) == '\r')
		cur_skip(c, 1);
}

/* What was read since `from`. */
static struct bytes since(const struct cur *c, const uint8_t *from)
{
	return bytes_of(from, (size_t)(c->p - from));
}

static bool word(struct cur *c, const char *w)
{
	return bytes_is(cur_take(c, strlen(w)), w);
}

static bool digits(struct cur *c)
{
	const uint8_t *from = c->p;
	while (peek(c) >= '0' && peek(c) <= '9')
		cur_skip(c, 1);
	return c->p > from;
}

static bool number(struct cur *c)
{
	(void)eat(c, '-');
	if (!eat(c, '0') && !digits(c))
		return false;
	if (eat(c, '.') && !digits(c))
		return false;
	if (!eat(c, 'e') && !eat(c, 'E'))
		return true;
	if (!eat(c, '+'))
		(void)eat(c, '-');
	return digits(c);
}

static bool is_hex(uint8_t c)
{
	return ascii_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

static bool escape(struct cur *c)
{
	uint8_t kind = cur_u8(c);
	if (kind != 'u')
		return kind && strchr("\"\\/bfnrt", kind);
	struct bytes hex = cur_take(c, 4);
	for (size_t i = 0; i < hex.n; i++)
		if (!is_hex(hex.p[i]))
			return false;
	return hex.n == 4;
}

/* What nearly all text is made of. */
static size_t plain(struct bytes t)
{
	size_t n = 0;
	while (n < t.n && t.p[n] >= 0x20 && t.p[n] < 0x7f && t.p[n] != '"' && t.p[n] != '\\')
		n++;
	return n;
}

static bool string(struct cur *c)
{
	if (!eat(c, '"'))
		return false;
	for (;;) {
		cur_skip(c, plain(cur_peek(c)));
		struct bytes rest = cur_peek(c);
		if (rest.n == 0)
			return false;
		if (eat(c, '"'))
			return true;
		if (eat(c, '\\')) {
			if (!escape(c))
				return false;
			continue;
		}
		uint32_t ch = utf8_next(&rest);
		if (ch >= UTF8_RAW || text_is_control(ch))
			return false;
		cur_skip(c, (size_t)(rest.p - c->p));
	}
}

/* Members come sorted, so that a look at the greatest name so far is nearly always enough. */
static bool is_new(const struct json_tree *t, uint32_t object, uint32_t *greatest, struct bytes name)
{
	const struct bytes before = *greatest ? t->nodes[*greatest].name : (struct bytes){ 0 };
	size_t least = before.n < name.n ? before.n : name.n;
	int order = least ? memcmp(before.p, name.p, least) : 0;
	if (*greatest == 0 || order < 0 || (order == 0 && before.n < name.n)) {
		*greatest = t->n;
		return true;
	}
	for (uint32_t i = object + 1; i < t->n; i = t->nodes[i].next)
		if (bytes_eq(t->nodes[i].name, name))
			return false;
	return true;
}

static bool object(struct json_tree *t, struct cur *c, uint32_t self, unsigned depth)
{
	uint32_t greatest = 0;
	blanks(c);
	if (eat(c, '}'))
		return true;
	do {
		blanks(c);
		const uint8_t *from = c->p;
		if (!string(c))
			return false;
		struct bytes name = since(c, from);
		name = bytes_sub(name, 1, name.n - 2);
		blanks(c);
		if (!eat(c, ':') || !is_new(t, self, &greatest, name))
			return false;
		if (!value(t, c, name, depth))
			return false;
		blanks(c);
	} while (eat(c, ','));
	return eat(c, '}');
}

static bool array(struct json_tree *t, struct cur *c, unsigned depth)
{
	blanks(c);
	if (eat(c, ']'))
		return true;
	do {
		if (!value(t, c, (struct bytes){ 0 }, depth))
			return false;
		blanks(c);
	} while (eat(c, ','));
	return eat(c, ']');
}

static bool room(struct json_tree *t)
{
	if (t->n < t->cap)
		return true;
	uint32_t cap = t->cap ? 2 * t->cap : 512;
	struct json_node *nodes = cap <= JSON_NODES ? realloc(t->nodes, cap * sizeof *nodes) : NULL;
	if (!nodes)
		return false;
	t->nodes = nodes;
	t->cap = cap;
	return true;
}

static bool value(struct json_tree *t, struct cur *c, struct bytes name, unsigned depth)
{
	blanks(c);
	if (depth == JSON_DEPTH || !cur_more(c) || !room(t))
		return false;
	uint32_t self = t->n++;
	const uint8_t *from = c->p;
	enum json_type type = JSON_NUMBER;
	bool good;
	switch (peek(c)) {
	case '{':
		type = JSON_OBJECT;
		cur_skip(c, 1);
		good = object(t, c, self, depth + 1);
		break;
	case '[':
		type = JSON_ARRAY;
		cur_skip(c, 1);
		good = array(t, c, depth + 1);
		break;
	case '"':
		type = JSON_STRING;
		good = string(c);
		break;
	case 't':
	case 'f':
		type = JSON_BOOL;
		good = word(c, peek(c) == 't' ? "true" : "false");
		break;
	case 'n':
		type = JSON_NULL;
		good = word(c, "null");
		break;
	default:
		good = number(c);
	}
	if (good)
		t->nodes[self] =
			(struct json_node){ .name = name, .raw = since(c, from), .next = t->n, .type = type };
	return good;
}

bool json_parse(struct json_tree *t, struct bytes text)
{
	struct cur c = cur_of(text);
	t->n = 0;
	bool good = value(t, &c, (struct bytes){ 0 }, 0);
	blanks(&c);
	if (good && !cur_more(&c))
		return true;
	t->n = 0;
	return false;
}

void json_tree_fini(struct json_tree *t)
{
	free(t->nodes);
	*t = (struct json_tree){ 0 };
}

static struct json_node *member(const struct json_tree *t, const struct json_node *of, struct bytes name)
{
	if (of->type != JSON_OBJECT)
		return NULL;
	for (uint32_t i = (uint32_t)(of - t->nodes) + 1; i < of->next; i = t->nodes[i].next)
		if (!t->nodes[i].gone && bytes_eq(t->nodes[i].name, name))
			return &t->nodes[i];
	return NULL;
}

struct json_node *json_at(const struct json_tree *t, const char *path)
{
	struct json_node *at = t->n ? t->nodes : NULL;
	struct cur c = cur_of(bytes_str(path));
	while (at && cur_more(&c))
		at = member(t, at, cur_until(&c, '.'));
	return at;
}

struct bytes json_inside(const struct json_node *s)
{
	return s && s->type == JSON_STRING ? bytes_sub(s->raw, 1, s->raw.n - 2) : (struct bytes){ 0 };
}

static uint32_t hex4(struct bytes *t)
{
	uint32_t v = 0;
	for (size_t i = 0; i < 4; i++) {
		int c = bytes_at(*t, i);
		v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	*t = bytes_from(*t, 4);
	return v & 0xffff;
}

/* RFC 8259 section 7: characters beyond FFFFH are written as two escapes. */
static uint32_t escaped_unit(struct bytes *t)
{
	uint32_t high = hex4(t);
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || bytes_at(*t, 0) != '\\' || bytes_at(*t, 1) != 'u')
		return 0xfffd;
	struct bytes after = bytes_from(*t, 2);
	uint32_t low = hex4(&after);
	if (low < 0xdc00 || low > 0xdfff)
		return 0xfffd;
	*t = after;
	return 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
}

uint32_t json_char(struct bytes *t)
{
	static const char shorts[] = "b\bf\fn\nr\rt\t";
	if (t->p[0] != '\\')
		return utf8_next(t);
	int kind = bytes_at(*t, 1);
	*t = bytes_from(*t, 2);
	if (kind == 'u')
		return escaped_unit(t);
	for (const char *s = shorts; *s; s += 2)
		if (kind == *s)
			return (uint8_t)s[1];
	return (uint32_t)kind; /* itself */
}

struct bytes json_cut(struct bytes inside, size_t n)
{
	struct bytes rest = inside;
	size_t end = 0;
	while (rest.n) {
		(void)json_char(&rest);
		if (inside.n - rest.n > n)
			break;
		end = inside.n - rest.n;
	}
	return bytes_first(inside, end);
}
