/* W300 (policy-language.md section 23): constants that no value of their field can ever hold of. */
#include "decide/detect_impl.h"

#include <math.h>
#include <stdio.h>

enum { MAX_CLOSED = 512, MAX_PORT = 65535, WHY_TEXT = 400 };

struct domain {
	struct compiler *c;
	const struct item *it;
	const struct yaml_node *at; /* the value */
	enum fact_type type;
	bool port;
	const char *name;
};

/* near: what was perhaps meant, or NULL. */
static void warn_near(const struct domain *d, const char *why, const char *near)
{
	char text[WHY_TEXT];
	snprintf(text, sizeof text, "\"%.80s\" is never %.80s: %s%s%s%s", d->name,
		d->at->text ? d->at->text : yaml_type_name(d->at->type), why, near ? ": is it \"" : "",
		near ? near : "", near ? "\"?" : "");
	compile_warning(d->c, d->at, "W300", text);
}

static void warn(const struct domain *d, const char *why)
{
	warn_near(d, why, NULL);
}

/* ---- closed sets ----------------------------------------------------------------------------------- */

static bool matches_any(const struct value *val, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (pattern_match(&val->text, bytes_str(names[i])))
			return true;
	return false;
}

static void closed_set(const struct domain *d, const struct value *val)
{
	const struct schema *s = d->c->d->schema;
	const char *names[MAX_CLOSED];
	size_t n = 0;
	while (s->value && n < MAX_CLOSED && (names[n] = s->value(s, d->c->category, d->it->field, n)))
		n++;
	if (n == 0 || (val->kind == VALUE_PATTERN && matches_any(val, names, n)))
		return;
	const char *near = d->at->text ? diag_nearest(yaml_text(d->at), names, n) : NULL;
	warn_near(d, "it is one of a fixed set", n == 1 ? names[0] : near);
}

/* ---- types ------------------------------------------------------------------------------------------ */

static bool only_of(const struct pattern *p, const char *wanted)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->unit[i] < UNIT_MANY && (p->unit[i] >= 0x80 || !strchr(wanted, (int)p->unit[i])))
			return false;
	return true;
}

static void address(const struct domain *d, const struct value *val)
{
	bool slash = d->at->text && strchr(d->at->text, '/');
	if (val->kind == VALUE_PATTERN ? val->text.wild || val->is_ip : val->kind == VALUE_CIDR)
		return;
	warn(d, slash ? "the field is an address: add |cidr" : "the field is an address, and this is none");
}

static void mac_address(const struct domain *d, const struct value *val)
{
	bool whole = val->kind == VALUE_PATTERN && (val->text.wild || val->mac.n == 12);
	if (!whole || !only_of(&val->mac, "0123456789abcdef"))
		warn(d, "the field is a MAC address, and this is none");
}

static void truth(const struct domain *d, const struct value *val)
{
	static const char *const words[] = { "true", "false" };
	if (val->kind != VALUE_BOOL && !(val->kind == VALUE_PATTERN && matches_any(val, words, 2)))
		warn(d, "the field is true or false");
}

/* Of whole numbers from least to most: is there one of which it holds? */
static bool in_range(enum compare compare, long double n, long double least, long double most)
{
	switch (compare) {
	case COMPARE_EQ:
		return n >= least && n <= most && n == truncl(n);
	case COMPARE_LT:
		return n > least;
	case COMPARE_LTE:
		return n >= least;
	case COMPARE_GT:
		return n < most;
	case COMPARE_GTE:
		return n <= most;
	}
	return true;
}

static void number(const struct domain *d, const struct value *val)
{
	long double least = d->type == FACT_INT ? -0x1p63L : 0, most = d->port ? MAX_PORT : 0x1p64L, n;
	bool text = val->kind == VALUE_PATTERN && only_of(&val->text, "0123456789-");
	if (val->kind != VALUE_NUMBER && !text) {
		warn(d, "the field is a number");
		return;
	}
	n = val->number;
	if (text && (val->text.wild || !d->at->text || !element_number(FACT_STR, yaml_text(d->at), &n)))
		return;
	if (!in_range(text ? COMPARE_EQ : d->it->compare, n, least, most))
		warn(d, d->port ? "a port is 0 to 65535" : "no value of the field lies there");
}

static void of_type(const struct domain *d, const struct value *val)
{
	switch (d->type) {
	case FACT_STR:
		closed_set(d, val);
		break;
	case FACT_UINT:
	case FACT_INT:
		number(d, val);
		break;
	case FACT_BOOL:
		truth(d, val);
		break;
	case FACT_IP:
		address(d, val);
		break;
	case FACT_MAC:
		mac_address(d, val);
		break;
	case FACT_TIME:
		if (val->kind != VALUE_PATTERN)
			warn(d, "the field is a time: ask for its age, or for a part like |hour");
		break;
	case FACT_BYTES:
	case FACT_PHI:
		break;
	}
}

/* ---- items ------------------------------------------------------------------------------------------ */

static bool is_constant(enum value_kind kind)
{
	return kind == VALUE_PATTERN || kind == VALUE_NUMBER || kind == VALUE_BOOL || kind == VALUE_CIDR;
}

void domain_check(struct compiler *c, const struct item *it, const struct yaml_node *key,
	const struct yaml_node *values)
{
	const struct schema *s = c->d->schema;
	if (it->keyword || field_is_whole(it->field) || it->aspect == ASPECT_MEMBER)
		return;
	struct domain d = { c, it, key, s->type(s, it->field), false, s->name(s, it->field) };
	struct bytes name = bytes_str(d.name);
	d.port = name.n > 5 && bytes_is(bytes_from(name, name.n - 5), ".port");
	if ((it->aspect == ASPECT_PART || it->aspect == ASPECT_AGE) && d.type != FACT_TIME)
		warn(&d, "the field is no time");
	if (it->aspect == ASPECT_LEN && d.type != FACT_STR && d.type != FACT_BYTES)
		warn(&d, "only texts have a length");
	for (unsigned i = 0; it->aspect == ASPECT_VALUE && i < it->n; i++) {
		d.at = values->type == YAML_LIST ? values->items[i] : values;
		if (is_constant(it->values[i].kind))
			of_type(&d, &it->values[i]);
	}
}
