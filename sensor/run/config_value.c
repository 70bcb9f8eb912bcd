#include "run/config_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct unit {
	const char *name;
	uint64_t times;
};

static const struct unit none[] = { { "", 1 }, { NULL, 0 } };
static const struct unit sizes[] = { { "", 1 }, { "B", 1 }, { "KiB", 1024 }, { "MiB", 1 << 20 },
	{ "GiB", 1 << 30 }, { NULL, 0 } };
static const struct unit times[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
	{ "d", 86400000 }, { NULL, 0 } };

/* At most 15 digits: with its unit it is no more than a uint64_t holds. */
static bool whole(const char *text, const struct unit *units, uint64_t least, uint64_t *out)
{
	uint64_t n = 0;
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 9 + 6)
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (uint64_t)(text[i] - '0');
	for (; units->name; units++)
		if (strcmp(units->name, text + digits) == 0)
			break;
	if (!units->name || __builtin_mul_overflow(n, units->times, &n) || n < least || n > INT64_MAX)
		return false;
	*out = n;
	return true;
}

static bool is_choice(const char *choices, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = choices; n; at++) {
		size_t one = strcspn(at, "|");
		if (one == n && strncmp(at, word, n) == 0)
			return true;
		at += one;
		if (!*at)
			break;
	}
	return false;
}

bool setting_value_parse(const struct setting_row *row, const char *text, void *to)
{
	const struct unit *units = row->type == SETTING_BYTES      ? sizes
				   : row->type == SETTING_DURATION ? times
								   : none;
	uint64_t n;
	char *end;
	if (row->type == SETTING_CHOICE) {
		if (!is_choice(row->choices, text))
			return false;
		snprintf(to, CONFIG_WORD, "%s", text);
		return true;
	}
	if (row->type == SETTING_REAL) {
		double d = strtod(text, &end);
		if (end == text || *end || !isfinite(d) || d < 0)
			return false;
		memcpy(to, &d, sizeof d);
		return true;
	}
	if (!whole(text, units, row->type == SETTING_COUNT, &n))
		return false;
	memcpy(to, &n, sizeof n);
	return true;
}

const char *setting_value_wanted(const struct setting_row *row)
{
	switch (row->type) {
	case SETTING_NUMBER:
		return "a whole number, 0 or more";
	case SETTING_COUNT:
		return "a whole number, 1 or more";
	case SETTING_BYTES:
		return "a size like 512, 64KiB, 1MiB or 2GiB";
	case SETTING_DURATION:
		return "a duration like 50ms, 3s, 15m, 24h or 7d";
	case SETTING_REAL:
		return "a number, 0 or more";
	default:
		return row->choices; /* "one|two": read as "one or two" */
	}
}
