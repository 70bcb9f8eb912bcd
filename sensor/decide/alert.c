#include "decide/alert.h"

#include "base/digest.h"
#include "decide/policy_impl.h"
#include "decide/types.h"

#include <stdio.h>

enum { SCHEMA_NUMBER = 1, ID_BITS = 100 };

static const char *const names[] = { "informational", "low", "medium", "high", "critical" };
static const unsigned severities[] = { 1, 21, 47, 73, 99 };

const char *level_name(enum level l)
{
	return names[l];
}

unsigned level_severity(enum level l)
{
	return severities[l];
}

/* ---- score --------------------------------------------------------------------------------- */

static void term(struct alert *a, int *sum, const char *name, int amount)
{
	if (amount == 0 || a->n_terms == sizeof a->terms / sizeof *a->terms)
		return;
	a->terms[a->n_terms++] = (struct score_term){ name, amount };
	*sum += amount;
}

/* Criticality 1 to 5 of types.def as 0, 0, 5, 10, 15. */
static int criticality_amount(const struct device *d)
{
	const struct type_row *t = d ? type_find(bytes_str(device_type(d))) : NULL;
	return t && t->criticality > 2 ? 5 * ((int)t->criticality - 2) : 0;
}

void alert_count(struct counters *c, enum level l)
{
	uint64_t *const of_level[LEVELS] = { &c->alerts_informational, &c->alerts_low, &c->alerts_medium,
		&c->alerts_high, &c->alerts_critical };
	c->alerts++;
	(*of_level[l])++;
}

unsigned alert_confidence(const struct alert *a)
{
	unsigned sure = a->rule->text.confidence;
	return a->unsure && sure > 50 ? 50 : sure;
}

void alert_score(struct alert *a)
{
	const struct rule *r = a->rule;
	int sum = 0, classes = __builtin_popcount(a->phi), doubt = 80 - (int)alert_confidence(a);
	a->n_terms = 0;
	term(a, &sum, "base", (int)level_severity(a->level));
	if (r->score_criticality)
		term(a, &sum, "criticality",
			criticality_amount(r->text.subject_is_destination ? a->destination : a->source));
	term(a, &sum, "phi", classes > 5 ? 10 : 2 * classes);
	term(a, &sum, "outside", a->outside ? 10 : 0);
	term(a, &sum, "rule", r->score_add);
	if (doubt > 0)
		term(a, &sum, "confidence", -(doubt / 2));
	a->score = (unsigned)(sum < 1 ? 1 : sum > 100 ? 100 : sum);
}

/* ---- id ------------------------------------------------------------------------------------ */

enum { ENDPOINT = 64 };

static void endpoint(const struct addr *ip, const struct mac *mac, uint16_t port, char out[ENDPOINT])
{
	char text[ADDR_TEXT];
	if (ip->family)
		snprintf(out, ENDPOINT, "%s:%u", addr_text(ip, text), port);
	else
		snprintf(out, ENDPOINT, "%s", mac_text(mac, text));
}

void alert_id(struct alert *a, struct bytes by)
{
	char one[ENDPOINT], two[ENDPOINT], text[2048];
	uint8_t digest[32];
	const struct conv *c = &a->event->conv;
	const struct rule_text *t = &a->rule->text;
	const char *rule = *t->id ? t->id : *t->name ? t->name : t->title;
	endpoint(&c->src, &c->smac, c->sport, one);
	endpoint(&c->dst, &c->dmac, c->dport, two);
	bool swap = strcmp(one, two) > 0;
	int n = snprintf(text, sizeof text, "%d\x1f%s\x1f%u/%s/%s\x1f%llu\x1f%s\x1f", SCHEMA_NUMBER, rule,
		c->proto, swap ? two : one, swap ? one : two, (unsigned long long)(a->event->ts_ns / 1000),
		t->category);
	size_t at = n < 0 ? 0 : (size_t)n < sizeof text / 2 ? (size_t)n : sizeof text / 2;
	/* The values may hold any byte. */
	by = bytes_first(by, sizeof text - 16 - at);
	memcpy(text + at, by.p, by.n);
	at += by.n;
	if (a->closing)
		at += (size_t)snprintf(text + at, sizeof text - at, "\x1f%s", "closing");
	sha256_of(bytes_of(text, at), digest);
	memcpy(a->id, "e1-", 3);
	base32hex(bytes_of(digest, sizeof digest), ID_BITS, a->id + 3);
}
