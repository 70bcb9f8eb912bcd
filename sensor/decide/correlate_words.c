/* What an alert says of a correlation that fired. */
#include "decide/correlate_state.h"

#include <stdio.h>

uint64_t group_counted(const struct correlation *cor, const struct group *g)
{
	return cor->closed && cor->type != CORR_VALUE_COUNT ? g->count : g->n;
}

uint32_t group_chain(const struct correlate *c, const struct group *g, unsigned place)
{
	uint32_t i = g->entries.first;
	while (i && entry_at(c, i)->what != place)
		i = entry_at(c, i)->link.next;
	return i;
}

static void decimal(i128 v, char out[48])
{
	char digits[48];
	size_t n = sizeof digits, at = 0;
	bool negative = v < 0;
	do {
		int d = (int)(v % 10);
		digits[--n] = (char)('0' + (d < 0 ? -d : d));
		v /= 10;
	} while (v);
	if (negative)
		out[at++] = '-';
	memcpy(out + at, digits + n, sizeof digits - n);
	out[at + sizeof digits - n] = 0;
}

/* "60 s", "10 min": the unit as the rule has it. */
static void span_words(const struct correlation *cor, char *out, size_t room)
{
	static const struct {
		char unit;
		const char *word;
	} units[] = { { 's', "s" }, { 'm', "min" }, { 'h', "h" }, { 'd', "d" }, { 'w', "weeks" } };
	size_t n = strlen(cor->span);
	for (size_t i = 0; n && i < sizeof units / sizeof *units; i++)
		if (cor->span[n - 1] == units[i].unit)
			snprintf(out, room, "%.*s %s", (int)(n - 1), cor->span, units[i].word);
}

static size_t names_words(const char *const *names, unsigned n, const char *joint, char *out, size_t room)
{
	size_t at = 0;
	out[0] = 0;
	for (unsigned i = 0; i < n && at < room; i++)
		at += (size_t)snprintf(out + at, room - at, "%s%s", i ? joint : "", names[i]);
	return at;
}

static void words(const struct correlation *cor, const struct group *g, struct alert_correlation *out)
{
	char span[32] = "", names[96];
	const char *at_least = g->truncated ? "at least " : "";
	span_words(cor, span, sizeof span);
	bool temporal = cor->type == CORR_TEMPORAL || cor->type == CORR_TEMPORAL_ORDERED;
	bool ordered = cor->type == CORR_TEMPORAL_ORDERED;
	names_words(temporal ? cor->names : cor->value, temporal ? cor->n_refs : cor->n_value,
		ordered    ? ", then "
		: temporal ? ", "
			   : " and ",
		names, sizeof names);
	if (cor->type == CORR_VALUE_AVG)
		snprintf(out->value, sizeof out->value, "%.15Lg",
			(long double)g->sum / (long double)group_counted(cor, g));
	else if (!temporal)
		decimal(cor->type == CORR_VALUE_SUM ? g->sum : (i128)group_counted(cor, g), out->value);
	switch (cor->type) {
	case CORR_EVENT_COUNT:
		snprintf(out->words, sizeof out->words, "%s%s matches within %s", at_least, out->value, span);
		break;
	case CORR_VALUE_COUNT:
		snprintf(out->words, sizeof out->words, "%s%s different %s within %s", at_least, out->value,
			names, span);
		break;
	case CORR_VALUE_SUM:
	case CORR_VALUE_AVG:
		snprintf(out->words, sizeof out->words, "%s %s %s within %s", names,
			cor->type == CORR_VALUE_SUM ? "adds up to" : "is on average", out->value, span);
		break;
	case CORR_TEMPORAL:
	case CORR_TEMPORAL_ORDERED:
		if (cor->n_expr)
			snprintf(names, sizeof names, "%s",
				yaml_get(yaml_get(cor->rule->doc, "correlation"), "condition")->text);
		snprintf(out->words, sizeof out->words, "%s within %s", names, span);
		break;
	}
}

/* The last matches that count; of a chain, those in it. */
static void contributors(const struct correlate *c, const struct correlation *cor, const struct group *g,
	struct alert_correlation *out)
{
	uint32_t i = g->entries.last;
	unsigned n = 0;
	if (cor->type == CORR_TEMPORAL_ORDERED) {
		uint32_t first = group_chain(c, g, cor->n_order - 1);
		for (i = first; i && entry_at(c, i)->what == cor->n_order - 1u;
			first = i, i = entry_at(c, i)->link.next)
			;
		i = first;
	}
	for (; i && n < EVIDENCE && (n < cor->n_order || !cor->n_order); i = entry_at(c, i)->link.prev)
		out->packets[n++] = entry_at(c, i)->packet & ~ENTRY_NEGATIVE;
	for (unsigned k = 0; k < n / 2; k++) {
		uint64_t swap = out->packets[k];
		out->packets[k] = out->packets[n - 1 - k];
		out->packets[n - 1 - k] = swap;
	}
	out->n_packets = n;
}

void correlation_tell(
	const struct correlate *c, uint32_t gi, const struct tuple *t, struct alert_correlation *out)
{
	static const char *const types[] = { "event_count", "value_count", "value_sum", "value_avg",
		"temporal", "temporal_ordered" };
	const struct group *g = group_at(c, gi);
	const struct correlation *cor = group_correlation(c, g);
	uint32_t first = cor->n_order ? group_chain(c, g, cor->n_order - 1) : g->entries.first;
	out->type = types[cor->type];
	out->span_ns = cor->span_ns;
	out->truncated = c->state[cor->number].lost > 0;
	out->first_ns = cor->closed ? g->since_ns : entry_at(c, first)->ts_ns;
	out->last_ns = g->last_ns;
	words(cor, g, out);
	contributors(c, cor, g, out);
	tuple_words(cor, t, out);
}
