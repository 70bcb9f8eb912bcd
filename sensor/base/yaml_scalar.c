/* What a plain scalar is: the table of policy-language.md section 2, fixed because YAML's versions differ. */
#include "base/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_one_of(struct bytes t, const char *const *words)
{
	for (; *words; words++)
		if (bytes_is(t, *words))
			return true;
	return false;
}

static size_t digits(struct bytes t, size_t at)
{
	size_t n = 0;
	while (ascii_digit(bytes_at(t, at + n)))
		n++;
	return n;
}

static bool is_integer(struct bytes t)
{
	size_t at = bytes_at(t, 0) == '-' || bytes_at(t, 0) == '+';
	size_t n = digits(t, at);
	return n > 0 && at + n == t.n;
}

static bool is_hex(struct bytes t)
{
	if (!bytes_starts(t, "0x") || t.n < 3)
		return false;
	for (size_t i = 2; i < t.n; i++)
		if (!ascii_digit(t.p[i]) && !(ascii_lower(t.p[i]) >= 'a' && ascii_lower(t.p[i]) <= 'f'))
			return false;
	return true;
}

/* [-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?, with a point or an exponent. */
static bool is_decimal(struct bytes t)
{
	size_t at = bytes_at(t, 0) == '-' || bytes_at(t, 0) == '+';
	size_t whole = digits(t, at), part = 0;
	at += whole;
	bool point = bytes_at(t, at) == '.', exponent = false;
	if (point) {
		part = digits(t, at + 1);
		at += 1 + part;
	}
	if (whole + part > 0 && (bytes_at(t, at) == 'e' || bytes_at(t, at) == 'E')) {
		at++;
		at += bytes_at(t, at) == '-' || bytes_at(t, at) == '+';
		size_t n = digits(t, at);
		exponent = n > 0;
		at += n;
		if (!exponent)
			return false;
	}
	return whole + part > 0 && (point || exponent) && at == t.n;
}

static bool is_special_float(struct bytes t)
{
	static const char *const words[] = { ".inf", ".Inf", ".INF", "-.inf", "-.Inf", "-.INF", "+.inf",
		"+.Inf", "+.INF", ".nan", ".NaN", ".NAN", NULL };
	return is_one_of(t, words);
}

bool yaml_type_plain(struct bytes t, struct yaml_node *out)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };
	char number[64];
	size_t n = t.n < sizeof number ? t.n : sizeof number - 1;
	memcpy(number, t.p, n);
	number[n] = 0;
	out->type = YAML_STRING;
	if (is_one_of(t, nulls)) {
		out->type = YAML_NULL;
	} else if (is_one_of(t, yes) || is_one_of(t, no)) {
		out->type = YAML_BOOL;
		out->integer = is_one_of(t, yes);
	} else if (is_integer(t) || is_hex(t)) {
		out->type = YAML_INT;
		errno = 0;
		out->integer = strtoll(number, NULL, is_hex(t) ? 16 : 10);
		out->number = (double)out->integer;
		return errno == 0 && t.n < sizeof number;
	} else if (is_decimal(t) || is_special_float(t)) {
		out->type = YAML_FLOAT;
		if (is_special_float(t)) /* strtod has no leading point */
			out->number = strtod(ascii_lower(t.p[t.n - 1]) == 'n' ? "nan"
					     : t.p[0] == '-'                  ? "-inf"
									      : "inf",
				NULL);
		else
			out->number = strtod(number, NULL);
		return t.n < sizeof number;
	}
	return true;
}
