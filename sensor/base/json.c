#include "base/json.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* One value under a key; key and value (already JSON text) lie in the doc's text. */
struct pair {
	uint32_t key, value, value_n;
	uint16_t key_n;
	bool list;
	bool none; /* json_list: says "list", brings no value */
};

/* Nested output writes at most four bytes for each byte of text: a key's part "x." becomes "x":{}, and one
 * comma. */
enum { OUT_MAX = 4 * JSON_MAX };

struct json_doc {
	uint8_t *text, *out;
	struct pair *pairs, *scratch;
	size_t text_n, out_n;
	uint32_t n;
	bool ok;
};

struct json_doc *json_new(void)
{
	struct json_doc *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->text = map_new(JSON_MAX);
	d->out = map_new(OUT_MAX);
	d->pairs = map_new(JSON_PAIRS * sizeof *d->pairs);
	d->scratch = map_new(JSON_PAIRS * sizeof *d->pairs);
	d->ok = true;
	if (d->text && d->out && d->pairs && d->scratch)
		return d;
	json_free(d);
	return NULL;
}

void json_free(struct json_doc *d)
{
	if (!d)
		return;
	map_free(d->text, JSON_MAX);
	map_free(d->out, OUT_MAX);
	map_free(d->pairs, JSON_PAIRS * sizeof *d->pairs);
	map_free(d->scratch, JSON_PAIRS * sizeof *d->pairs);
	free(d);
}

void json_reset(struct json_doc *d)
{
	d->text_n = d->out_n = 0;
	d->n = 0;
	d->ok = true;
}

bool json_ok(const struct json_doc *d)
{
	return d->ok;
}

/* ---- text -------------------------------------------------------------------------------- */

bool text_is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static size_t escape_unit(uint32_t c, uint8_t *out)
{
	static const char hex[] = "0123456789abcdef";
	static const char *const shorts = "\"\"\\\\\bb\ff\nn\rr\tt";
	for (const char *s = shorts; *s; s += 2)
		if (c == (uint8_t)*s) {
			out[0] = '\\';
			out[1] = (uint8_t)s[1];
			return 2;
		}
	out[0] = '\\';
	out[1] = 'u';
	for (unsigned i = 0; i < 4; i++)
		out[2 + i] = (uint8_t)hex[c >> (12 - 4 * i) & 15];
	return 6;
}

size_t json_escape(struct bytes text, uint8_t *out)
{
	uint8_t *to = out;
	while (text.n) {
		uint8_t plain = text.p[0];
		if (plain >= 0x20 && plain < 0x7f && plain != '"' && plain != '\\') {
			*to++ = plain;
			text = bytes_from(text, 1);
			continue;
		}
		const uint8_t *from = text.p;
		uint32_t c = utf8_next(&text);
		size_t n = (size_t)(text.p - from);
		if (c >= UTF8_RAW) {
			memcpy(to, "\xef\xbf\xbd", 3); /* U+FFFD */
			to += 3;
		} else if (text_is_control(c) || c < 0x80) {
			to += escape_unit(c, to);
		} else {
			memcpy(to, from, n);
			to += n;
		}
	}
	return (size_t)(to - out);
}

/* Days since 1970-01-01 to year, month, day of the Gregorian calendar, by eras of 400 years from March 1. */
static void civil(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	uint64_t z = days + 719468;
	unsigned era_day = (unsigned)(z % 146097);
	unsigned y = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	unsigned year_day = era_day - (365 * y + y / 4 - y / 100);
	unsigned m = (5 * year_day + 2) / 153;
	*day = year_day - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = y + (unsigned)(z / 146097) * 400 + (*month <= 2);
}

static char *digits(char *to, unsigned n, uint64_t v)
{
	for (unsigned i = n; i-- > 0; v /= 10)
		to[i] = (char)('0' + v % 10);
	return to + n;
}

void time_text(uint64_t ns, char out[TIME_TEXT])
{
	uint64_t us = ns / 1000, s = us / 1000000;
	unsigned year, month, day, second = (unsigned)(s % 86400);
	civil(s / 86400, &year, &month, &day);
	char *to = digits(out, 4, year);
	*to++ = '-';
	to = digits(to, 2, month);
	*to++ = '-';
	to = digits(to, 2, day);
	*to++ = 'T';
	to = digits(to, 2, second / 3600);
	*to++ = ':';
	to = digits(to, 2, second / 60 % 60);
	*to++ = ':';
	to = digits(to, 2, second % 60);
	*to++ = '.';
	to = digits(to, 6, us % 1000000);
	*to++ = 'Z';
	*to = 0;
}

/* ---- adding ------------------------------------------------------------------------------ */

/* Opens a pair with room for value_max bytes; its value is what the caller writes at the returned place and
 * closes with pair_end. NULL: the doc is full. */
static uint8_t *pair_begin(struct json_doc *d, const char *key, size_t value_max)
{
	size_t key_n = strlen(key);
	ASSERT(key_n > 0 && key_n < 1024);
	if (d->n == JSON_PAIRS || JSON_MAX - d->text_n < key_n || JSON_MAX - d->text_n - key_n < value_max) {
		d->ok = false;
		return NULL;
	}
	struct pair *p = &d->pairs[d->n];
	*p = (struct pair){ .key = (uint32_t)d->text_n, .key_n = (uint16_t)key_n };
	memcpy(d->text + d->text_n, key, key_n);
	p->value = (uint32_t)(d->text_n + key_n);
	return d->text + p->value;
}

static void pair_end(struct json_doc *d, size_t value_n)
{
	struct pair *p = &d->pairs[d->n++];
	p->value_n = (uint32_t)value_n;
	d->text_n = p->value + value_n;
}

static void add_raw(struct json_doc *d, const char *key, const void *value, size_t n)
{
	uint8_t *to = pair_begin(d, key, n);
	if (!to)
		return;
	memcpy(to, value, n);
	pair_end(d, n);
}

static void add_quoted(struct json_doc *d, const char *key, const char *plain)
{
	char s[80];
	int n = snprintf(s, sizeof s, "\"%s\"", plain);
	ASSERT(n > 1 && (size_t)n < sizeof s);
	add_raw(d, key, s, (size_t)n);
}

void json_str(struct json_doc *d, const char *key, struct bytes v)
{
	if (v.n == 0)
		return;
	if (v.n > JSON_MAX / 6) {
		d->ok = false;
		return;
	}
	uint8_t *to = pair_begin(d, key, 6 * v.n + 2);
	if (!to)
		return;
	to[0] = '"';
	size_t n = json_escape(v, to + 1);
	to[n + 1] = '"';
	pair_end(d, n + 2);
}

void json_text(struct json_doc *d, const char *key, const char *v)
{
	json_str(d, key, bytes_str(v));
}

void json_suspect(struct json_doc *d, const char *key, struct bytes v)
{
	json_sealed(d, key, SEAL_SUSPECT, v);
}

void json_sealed(struct json_doc *d, const char *key, enum seal kind, struct bytes v)
{
	char head[JSON_SEAL_HEAD + 2];
	v = bytes_first(v, 0xffff);
	if (v.n == 0)
		return;
	uint8_t *to = pair_begin(d, key, v.n + JSON_SEAL_HEAD + 2);
	if (!to)
		return;
	snprintf(head, sizeof head, "\"%c%c%04zx", JSON_SEAL, kind, v.n);
	memcpy(to, head, JSON_SEAL_HEAD + 1);
	memcpy(to + JSON_SEAL_HEAD + 1, v.p, v.n);
	to[JSON_SEAL_HEAD + 1 + v.n] = '"';
	pair_end(d, v.n + JSON_SEAL_HEAD + 2);
}

void json_uint(struct json_doc *d, const char *key, uint64_t v)
{
	char s[20], *from = s + sizeof s;
	do
		*--from = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	add_raw(d, key, from, (size_t)(s + sizeof s - from));
}

void json_int(struct json_doc *d, const char *key, int64_t v)
{
	char s[24];
	add_raw(d, key, s, (size_t)snprintf(s, sizeof s, "%lld", (long long)v));
}

void json_float(struct json_doc *d, const char *key, double v)
{
	char s[40];
	if (!isfinite(v))
		return;
	for (int precision = 1; precision <= 17; precision++) {
		snprintf(s, sizeof s, "%.*g", precision, v);
		if (strtod(s, NULL) == v) /* exactly: that is the point */
			break;
	}
	add_raw(d, key, s, strlen(s));
}

void json_bool(struct json_doc *d, const char *key, bool v)
{
	add_raw(d, key, v ? "true" : "false", v ? 4 : 5);
}

void json_ip(struct json_doc *d, const char *key, const struct addr *v)
{
	char s[ADDR_TEXT];
	if (v->family)
		add_quoted(d, key, addr_text(v, s));
}

void json_mac(struct json_doc *d, const char *key, const struct mac *v)
{
	char s[MAC_TEXT];
	if (!mac_is_zero(v))
		add_quoted(d, key, mac_text(v, s));
}

void json_hex(struct json_doc *d, const char *key, struct bytes v)
{
	static const char hex[] = "0123456789abcdef";
	if (v.n == 0)
		return;
	if (v.n > JSON_MAX / 2) {
		d->ok = false;
		return;
	}
	uint8_t *to = pair_begin(d, key, 2 * v.n + 2);
	if (!to)
		return;
	uint8_t *at = to;
	*at++ = '"';
	for (size_t i = 0; i < v.n; i++) {
		*at++ = (uint8_t)hex[v.p[i] >> 4];
		*at++ = (uint8_t)hex[v.p[i] & 15];
	}
	*at++ = '"';
	pair_end(d, (size_t)(at - to));
}

void json_time(struct json_doc *d, const char *key, uint64_t ns)
{
	char s[TIME_TEXT];
	time_text(ns, s);
	add_quoted(d, key, s);
}

void json_raw(struct json_doc *d, const char *key, struct bytes v)
{
	if (v.n)
		add_raw(d, key, v.p, v.n);
}

void json_list(struct json_doc *d, const char *key)
{
	if (!pair_begin(d, key, 0))
		return;
	d->pairs[d->n].list = d->pairs[d->n].none = true;
	pair_end(d, 0);
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Nested, a dot ends an object's name, so it sorts before every other byte: "a.b" before "a-b". */
static int key_cmp(const struct json_doc *d, const struct pair *a, const struct pair *b, bool nested)
{
	const uint8_t *x = d->text + a->key, *y = d->text + b->key;
	size_t n = a->key_n < b->key_n ? a->key_n : b->key_n;
	if (!nested) {
		int c = memcmp(x, y, n);
		return c ? c : (int)a->key_n - (int)b->key_n;
	}
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return (x[i] == '.' ? 0 : x[i]) - (y[i] == '.' ? 0 : y[i]);
	return (int)a->key_n - (int)b->key_n;
}

static void merge(struct json_doc *d, uint32_t from, uint32_t mid, uint32_t to, bool nested)
{
	const struct pair *in = d->pairs;
	uint32_t i = from, j = mid;
	if (mid < to && key_cmp(d, &in[mid - 1], &in[mid], nested) <= 0)
		return;
	for (uint32_t k = from; k < to; k++) {
		bool left = j == to || (i < mid && key_cmp(d, &in[i], &in[j], nested) <= 0);
		d->scratch[k] = left ? in[i++] : in[j++];
	}
	memcpy(d->pairs + from, d->scratch + from, (to - from) * sizeof *in);
}

/* Stable: values of one key keep the order in which they were added. (qsort is neither that nor free of
 * allocation.) */
static void sort(struct json_doc *d, bool nested)
{
	for (uint32_t width = 1; width < d->n; width *= 2)
		for (uint32_t at = 0; d->n - at > width; at += 2 * width) {
			uint32_t end = d->n - at > 2 * width ? at + 2 * width : d->n;
			merge(d, at, at + width, end, nested);
			if (end == d->n)
				break;
		}
}

static void put(struct json_doc *d, const void *p, size_t n)
{
	ASSERT(OUT_MAX - d->out_n >= n);
	memcpy(d->out + d->out_n, p, n);
	d->out_n += n;
}

static void put_char(struct json_doc *d, char c)
{
	put(d, &c, 1);
}

/* Key names are ours, and from YAML at most: escaped all the same. */
static void put_key(struct json_doc *d, struct bytes name)
{
	put_char(d, '"');
	ASSERT(OUT_MAX - d->out_n >= 6 * name.n);
	d->out_n += json_escape(name, d->out + d->out_n);
	put(d, "\":", 2);
}

static struct bytes key_of(const struct json_doc *d, uint32_t i)
{
	return bytes_of(d->text + d->pairs[i].key, d->pairs[i].key_n);
}

/* The value or list of the pairs from i on that share a key; returns the pair after them. */
static uint32_t put_values(struct json_doc *d, uint32_t i)
{
	uint32_t end = i + 1, values = !d->pairs[i].none;
	bool list = d->pairs[i].list;
	for (; end < d->n && bytes_eq(key_of(d, i), key_of(d, end)); end++) {
		values += !d->pairs[end].none;
		list = list || d->pairs[end].list;
	}
	list = list || values > 1;
	if (list)
		put_char(d, '[');
	for (bool first = true; i < end; i++) {
		const struct pair *p = &d->pairs[i];
		if (p->none)
			continue;
		if (!first)
			put_char(d, ',');
		put(d, d->text + p->value, p->value_n);
		first = false;
	}
	if (list)
		put_char(d, ']');
	return end;
}

struct bytes json_flat(struct json_doc *d)
{
	sort(d, false);
	d->out_n = 0;
	put_char(d, '{');
	for (uint32_t i = 0; i < d->n;) {
		if (i)
			put_char(d, ',');
		put_key(d, key_of(d, i));
		i = put_values(d, i);
	}
	put_char(d, '}');
	return bytes_of(d->out, d->out_n);
}

/* How many leading bytes of both keys are whole object names, each with its dot. */
static size_t shared(struct bytes a, struct bytes b)
{
	size_t n = 0;
	for (size_t i = 0; i < a.n && i < b.n && a.p[i] == b.p[i]; i++)
		if (a.p[i] == '.')
			n = i + 1;
	return n;
}

static unsigned dots(struct bytes key, size_t from)
{
	unsigned n = 0;
	for (size_t i = from; i < key.n; i++)
		n += key.p[i] == '.';
	return n;
}

struct bytes json_nested(struct json_doc *d)
{
	struct bytes before = { 0 };
	sort(d, true);
	d->out_n = 0;
	put_char(d, '{');
	for (uint32_t i = 0; i < d->n;) {
		struct bytes key = key_of(d, i);
		size_t same = shared(before, key);
		ASSERT(before.n == 0 || !(key.n > before.n && key.p[before.n] == '.' &&
						bytes_eq(bytes_first(key, before.n), before)));
		for (unsigned close = dots(before, same); close > 0; close--)
			put_char(d, '}');
		if (i)
			put_char(d, ',');
		struct cur c = cur_of(bytes_from(key, same));
		for (unsigned open = dots(key, same); open > 0; open--) {
			put_key(d, cur_until(&c, '.'));
			put_char(d, '{');
		}
		put_key(d, cur_rest(&c));
		i = put_values(d, i);
		before = key;
	}
	for (unsigned close = dots(before, 0) + 1; close > 0; close--)
		put_char(d, '}');
	return bytes_of(d->out, d->out_n);
}
