/* Does an item hold? Types of policy-language.md 7.3, absence of section 10. No allocation. */
#include "decide/detect_impl.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- canonical texts --------------------------------------------------------------------- */

static struct bytes hex_text(struct bytes raw, char text[ELEMENT_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	raw = bytes_first(raw, ELEMENT_TEXT / 2);
	for (size_t i = 0; i < raw.n; i++) {
		text[2 * i] = digits[raw.p[i] >> 4];
		text[2 * i + 1] = digits[raw.p[i] & 15];
	}
	return bytes_of(text, 2 * raw.n);
}

static struct addr addr_value(struct bytes raw)
{
	struct addr a = { 0 };
	memcpy(&a, raw.p, raw.n < sizeof a ? raw.n : sizeof a);
	return a;
}

struct bytes element_text(enum fact_type type, struct bytes raw, char text[ELEMENT_TEXT])
{
	struct addr ip;
	switch (type) {
	case FACT_STR:
		return raw;
	case FACT_UINT:
		snprintf(text, ELEMENT_TEXT, "%llu", (unsigned long long)value_uint(raw));
		return bytes_str(text);
	case FACT_INT:
		snprintf(text, ELEMENT_TEXT, "%lld", (long long)value_uint(raw));
		return bytes_str(text);
	case FACT_BOOL:
		return bytes_str(bytes_at(raw, 0) > 0 ? "true" : "false");
	case FACT_IP:
		ip = addr_value(raw);
		return bytes_str(addr_text(&ip, text));
	case FACT_TIME:
		time_text(value_uint(raw), text);
		return bytes_str(text);
	case FACT_MAC:
	case FACT_BYTES:
		return hex_text(raw, text);
	case FACT_PHI:
		break; /* has no text */
	}
	return (struct bytes){ 0 };
}

/* ---- numbers ----------------------------------------------------------------------------- */

static bool number_holds(long double have, enum compare compare, long double want)
{
	switch (compare) {
	case COMPARE_EQ:
		return have == want;
	case COMPARE_LT:
		return have < want;
	case COMPARE_LTE:
		return have <= want;
	case COMPARE_GT:
		return have > want;
	case COMPARE_GTE:
		return have >= want;
	}
	return false;
}

/* A text that is entirely a decimal number. */
static bool text_number(struct bytes t, long double *out)
{
	struct yaml_node typed = { 0 };
	char copy[64];
	if (t.n == 0 || t.n >= sizeof copy || bytes_starts(t, "0x") || memchr(t.p, 0, t.n))
		return false;
	(void)yaml_type_plain(t, &typed);
	if (typed.type != YAML_INT && typed.type != YAML_FLOAT)
		return false;
	if (!ascii_digit(t.p[t.n - 1]) && t.p[t.n - 1] != '.') /* .inf, .nan */
		return false;
	memcpy(copy, t.p, t.n);
	copy[t.n] = 0;
	/* Fractions are what a rule's are, so that 0.1 is equal to 0.1; whole numbers are exact. */
	*out = typed.type == YAML_FLOAT ? (long double)strtod(copy, NULL) : strtold(copy, NULL);
	return true;
}

bool element_number(enum fact_type type, struct bytes raw, long double *out)
{
	if (type == FACT_UINT)
		*out = (long double)value_uint(raw);
	else if (type == FACT_INT)
		*out = (long double)(int64_t)value_uint(raw);
	else
		return type == FACT_STR && text_number(raw, out);
	return true;
}

/* ---- one value, one element ---------------------------------------------------------------- */

static bool pattern_holds(const struct value *val, enum fact_type type, struct bytes raw)
{
	char text[ELEMENT_TEXT];
	struct addr ip;
	if (type == FACT_PHI)
		return false;
	if (type == FACT_IP && !val->text.wild) {
		ip = addr_value(raw);
		return val->is_ip && addr_eq(&ip, &val->ip);
	}
	if (type == FACT_MAC)
		return pattern_match(&val->mac, hex_text(raw, text));
	struct bytes have = element_text(type, raw, text);
	/* Numbers in hex, like the serial numbers of certificates, are written with and without their zero.
	 */
	return pattern_match(&val->text, have) || (type == FACT_BYTES && bytes_at(have, 0) == '0' &&
							  pattern_match(&val->text, bytes_from(have, 1)));
}

static bool cidr_holds(const struct value *val, enum fact_type type, struct bytes raw)
{
	struct addr a;
	if (type == FACT_IP)
		a = addr_value(raw);
	else if (type != FACT_STR || !addr_parse(raw, &a))
		return false;
	return addr_in(&a, &val->ip, val->bits);
}

static bool bool_holds(const struct value *val, enum fact_type type, struct bytes raw)
{
	if (type == FACT_BOOL)
		return (bytes_at(raw, 0) > 0) == val->truth;
	return type == FACT_STR && bytes_isi(raw, val->truth ? "true" : "false");
}

static bool number_value_holds(const struct item *it, const struct value *val, const struct view *v,
	enum fact_type type, struct bytes raw)
{
	long double have;
	if (it->aspect == ASPECT_PART) {
		if (type != FACT_TIME)
			return false;
		have = (long double)time_part((int64_t)value_uint(raw), it->part);
	} else if (it->aspect == ASPECT_AGE) {
		if (type != FACT_TIME || v->now_ns == 0)
			return false;
		have = (long double)v->now_ns - (long double)(int64_t)value_uint(raw);
	} else if (it->aspect == ASPECT_LEN) {
		if (type != FACT_STR && type != FACT_BYTES)
			return false;
		have = (long double)(type == FACT_STR ? utf8_count(raw) : raw.n);
	} else if (!element_number(type, raw, &have)) {
		return false;
	}
	return number_holds(have, it->compare, val->number);
}

/* Is b the whole of a, its start, its end, or in it? */
static bool text_holds(const struct item *it, struct bytes a, struct bytes b)
{
	bool anywhere = it->starts && it->ends;
	for (;;) {
		struct bytes x = a, y = b;
		bool same = true;
		while (same && x.n && y.n) {
			uint32_t p = utf8_next(&x), q = utf8_next(&y);
			same = it->cased ? p == q : utf8_fold(p) == utf8_fold(q);
		}
		if (same && y.n == 0 && (x.n == 0 || it->starts))
			return true;
		if (a.n == 0 || !(it->ends || anywhere))
			return false;
		(void)utf8_next(&a);
	}
}

static bool field_holds(const struct item *it, const struct value *val, const struct view *v,
	enum fact_type type, struct bytes raw)
{
	char one[ELEMENT_TEXT], two[ELEMENT_TEXT];
	struct leaf other = v->get(v, val->field);
	struct leaf_walk w = leaf_walk(&other);
	struct bytes with;
	while (leaf_next(&w, &with)) {
		if (type == FACT_PHI || other.type == FACT_PHI) {
			const size_t at = offsetof(struct phi_fact, whole);
			if (type == other.type && bytes_eq(bytes_sub(raw, at, PSEUDONYM_BYTES),
							  bytes_sub(with, at, PSEUDONYM_BYTES)))
				return true;
			continue;
		}
		if (text_holds(it, element_text(type, raw, one), element_text(other.type, with, two)))
			return true;
	}
	return false;
}

/* ---- extensions ---------------------------------------------------------------------------- */

static bool version_holds(const struct item *it, const struct value *val, const struct view *v,
	enum fact_type type, struct bytes raw)
{
	char text[ELEMENT_TEXT];
	if (type == FACT_PHI)
		return false;
	enum version_order o = version_compare(element_text(type, raw, text), val->written, NULL);
	if (o == VERSION_UNORDERED && v->versions_unordered)
		++*v->versions_unordered;
	switch (it->compare) {
	case COMPARE_EQ:
		return o == VERSION_EQUAL;
	case COMPARE_LT:
		return o == VERSION_LESS;
	case COMPARE_LTE:
		return o == VERSION_LESS || o == VERSION_EQUAL;
	case COMPARE_GT:
		return o == VERSION_GREATER;
	case COMPARE_GTE:
		return o == VERSION_GREATER || o == VERSION_EQUAL;
	}
	return false;
}

/* By components: 1.2.84 is not above 1.2.840. DICOM pads identifiers with a zero byte. */
static bool uid_holds(const struct value *val, enum fact_type type, struct bytes raw)
{
	struct bytes t = type == FACT_STR ? bytes_trim(raw) : (struct bytes){ 0 };
	if (!bytes_eq(bytes_first(t, val->written.n), val->written))
		return false;
	return t.n == val->written.n || bytes_at(t, val->written.n) == '.';
}

static bool regex_holds(
	const struct detect *d, const struct value *val, enum fact_type type, struct bytes raw)
{
	char text[ELEMENT_TEXT];
	if (type == FACT_PHI)
		return false;
	if (type == FACT_MAC) {
		struct mac mac = { 0 };
		(void)bytes_copy(&mac, sizeof mac, raw);
		return regex_match(val->regex, &d->scratch, bytes_str(mac_text(&mac, text)));
	}
	return regex_match(val->regex, &d->scratch, element_text(type, raw, text));
}

static bool element_holds(const struct detect *d, const struct item *it, const struct value *val,
	const struct view *v, enum fact_type type, struct bytes raw)
{
	switch (val->kind) {
	case VALUE_PATTERN:
		return pattern_holds(val, type, raw);
	case VALUE_NUMBER:
		return number_value_holds(it, val, v, type, raw);
	case VALUE_BOOL:
		return bool_holds(val, type, raw);
	case VALUE_CIDR:
		return cidr_holds(val, type, raw);
	case VALUE_FIELD:
		return field_holds(it, val, v, type, raw);
	case VALUE_PHI:
		return type == FACT_PHI && raw.n > 0 && (val->phi & PHI_BIT(raw.p[0])) != 0;
	case VALUE_REGEX:
		return regex_holds(d, val, type, raw);
	case VALUE_LIST:
		return type != FACT_PHI && list_has(val->list, type, raw);
	case VALUE_VERSION:
		return version_holds(it, val, v, type, raw);
	case VALUE_UID:
		return uid_holds(val, type, raw);
	case VALUE_ANY:
		for (unsigned i = 0; i < val->n_any; i++)
			if (pattern_holds(&val->any[i], type, raw))
				return true;
		return false;
	case VALUE_MEMBER:
	case VALUE_NULL:
		break;
	}
	return false;
}

bool list_value_holds(const struct value *val, enum fact_type type, struct bytes raw)
{
	static const struct item equal = { 0 };
	return element_holds(NULL, &equal, val, NULL, type, raw);
}

static bool keyword_holds(
	const struct detect *d, const struct item *it, const struct value *val, const struct view *v)
{
	const struct schema *s = d->schema;
	for (uint16_t f = 0; f < s->n_searched; f++) {
		if (!schema_searches(s, f))
			continue;
		struct leaf leaf = v->get(v, f);
		struct leaf_walk w = leaf_walk(&leaf);
		struct bytes raw;
		while (keyword_sees(leaf.type) && leaf_next(&w, &raw))
			if (element_holds(d, it, val, v, leaf.type, raw))
				return true;
	}
	return false;
}

static bool value_holds(const struct detect *d, const struct item *it, const struct value *val,
	const struct view *v, const struct leaf *leaf)
{
	if (it->keyword)
		return keyword_holds(d, it, val, v);
	if (it->aspect == ASPECT_EXISTS)
		return (leaf->n > 0) == val->truth;
	if (it->aspect == ASPECT_COUNT)
		return number_holds(leaf->n, it->compare, val->number);
	if (val->kind == VALUE_MEMBER)
		return v->member &&
		       v->member(v, it->member, it->member == MEMBER_BASELINE ? it->baseline : it->field,
			       val->member);
	if (it->field == FIELD_EVENT)
		return (v->phi & val->phi) != 0;
	if (val->kind == VALUE_NULL)
		return leaf->n == 0;
	struct leaf_walk w = leaf_walk(leaf);
	struct bytes raw;
	while (leaf_next(&w, &raw))
		if (element_holds(d, it, val, v, leaf->type, raw))
			return true;
	return false;
}

bool item_holds(const struct detect *d, const struct item *it, const struct view *v, unsigned *which)
{
	struct leaf leaf = { 0 };
	bool held = it->all;
	if (!it->keyword && !field_is_whole(it->field))
		leaf = v->get(v, it->field);
	*which = 0;
	for (unsigned i = 0; i < it->n; i++) {
		if (value_holds(d, it, &it->values[i], v, &leaf) == it->all)
			continue;
		held = !it->all;
		*which = i;
		break;
	}
	return held != it->neq;
}

/* ---- why not -------------------------------------------------------------------------------- */

/* Can values of this kind be compared with such a leaf? */
static bool comparable(const struct item *it, const struct value *val, enum fact_type type, struct bytes raw)
{
	long double number;
	if (it->aspect == ASPECT_PART || it->aspect == ASPECT_AGE)
		return type == FACT_TIME;
	if (it->aspect == ASPECT_LEN)
		return type == FACT_STR || type == FACT_BYTES;
	switch (val->kind) {
	case VALUE_NUMBER:
		return element_number(type, raw, &number);
	case VALUE_BOOL:
		return type == FACT_BOOL || type == FACT_STR;
	case VALUE_CIDR:
		return type == FACT_IP || type == FACT_STR;
	case VALUE_UID:
		return type == FACT_STR;
	case VALUE_VERSION:
		return version_known(raw);
	case VALUE_PHI:
		return true;
	default:
		return type != FACT_PHI;
	}
}

static bool differs_by_case(
	const struct item *it, const struct value *val, enum fact_type type, struct bytes raw)
{
	char text[ELEMENT_TEXT];
	if (!it->cased || type != FACT_STR)
		return false;
	if (val->kind == VALUE_PATTERN)
		return pattern_match_any_case(&val->text, element_text(type, raw, text));
	for (unsigned i = 0; val->kind == VALUE_ANY && i < val->n_any; i++)
		if (pattern_match_any_case(&val->any[i].text, raw))
			return true;
	return false;
}

/* Is there nothing in the fields that this one is compared with? */
static bool others_absent(const struct item *it, const struct view *v)
{
	for (unsigned i = 0; i < it->n; i++)
		if (it->values[i].kind != VALUE_FIELD || v->get(v, it->values[i].field).n > 0)
			return false;
	return true;
}

enum detect_why item_why(const struct detect *d, const struct item *it, const struct view *v)
{
	struct leaf leaf = { 0 };
	const struct value *val = &it->values[0];
	struct bytes raw;
	bool type = true;
	(void)d;
	if (it->keyword || it->neq)
		return WHY_DIFFERS;
	if (field_is_whole(it->field) || it->aspect == ASPECT_MEMBER)
		return WHY_NOT_MEMBER;
	leaf = v->get(v, it->field);
	if (it->aspect == ASPECT_COUNT)
		return WHY_OUT_OF_RANGE;
	if (leaf.n == 0)
		return WHY_ABSENT;
	if (it->aspect == ASPECT_EXISTS || val->kind == VALUE_NULL)
		return WHY_DIFFERS;
	if (others_absent(it, v))
		return WHY_ABSENT;
	struct leaf_walk w = leaf_walk(&leaf);
	while (leaf_next(&w, &raw)) {
		for (unsigned i = 0; i < it->n; i++)
			if (differs_by_case(it, &it->values[i], leaf.type, raw))
				return WHY_CASE;
			else if (comparable(it, &it->values[i], leaf.type, raw))
				type = false;
	}
	if (type)
		return WHY_TYPE;
	if (val->kind == VALUE_LIST || val->kind == VALUE_PHI || val->kind == VALUE_UID)
		return WHY_NOT_MEMBER;
	bool bound = val->kind == VALUE_NUMBER || val->kind == VALUE_VERSION;
	return val->kind == VALUE_CIDR || (bound && it->compare != COMPARE_EQ) ? WHY_OUT_OF_RANGE
									       : WHY_DIFFERS;
}
