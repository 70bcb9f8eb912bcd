/* Rules against events. An event looks only at the rules of its category. */
#include "decide/baseline.h"
#include "decide/correlate.h"
#include "decide/index.h"
#include "decide/segmentation.h"
#include "decide/suppress.h"

#include "base/assert.h"
#include "packet/categories.h"

#include <stdio.h>
#include <stdlib.h>

enum { BY_TEXT = 512 };

static uint16_t field_of(const struct policy *p, const char *name)
{
	int field = p->schema->schema.field(&p->schema->schema, bytes_str("dns"), bytes_str(name));
	ASSERT(field >= 0);
	return (uint16_t)field;
}

struct policy_run *policy_start(const struct policy *p, const struct limits *l, struct counters *c,
	const struct inventory *inv, struct alert_sink sink)
{
	struct policy_run *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	*r = (struct policy_run){ .p = p, .counters = c, .inv = inv, .sink = sink };
	r->view = event_view_new(p->schema, inv);
	r->names = resolved_new(l->resolved_names);
	r->fold = fold_new(p, l, c);
	struct limits of_correlations = *l; /* baselines have the other half of their pool */
	if (p->baselines->n)
		of_correlations.policy_state_mib -= l->policy_state_mib / 2;
	r->correlate = correlate_new(p, &of_correlations, c);
	r->suppress = suppress_new(p, l, c);
	r->groups = groups_start(p->names.groups, p->names.zones, inv);
	r->segmentation = segmentation_start(p, l);
	r->baselines = baselines_start(p, l, c);
	r->dns_name = field_of(p, "dns.question.name");
	r->dns_type = field_of(p, "dns.question.type");
	r->dns_answers = field_of(p, "dns.answers.data");
	r->candidates = candidates_new(p);
	if (r->view && r->candidates && r->names && r->fold && r->correlate && r->suppress && r->groups &&
		r->segmentation && r->baselines) {
		event_view_names(r->view, r->names);
		event_view_zones(r->view, p->names.zones);
		event_view_members(r->view, names_member, r);
		return r;
	}
	policy_stop(r);
	return NULL;
}

void policy_stop(struct policy_run *r)
{
	if (!r)
		return;
	event_view_free(r->view);
	resolved_free(r->names);
	candidates_free(r->candidates);
	fold_free(r->fold);
	correlate_free(r->correlate);
	groups_stop(r->groups);
	suppress_free(r->suppress);
	segmentation_stop(r->segmentation);
	baselines_stop(r->baselines);
	free(r);
}

static size_t by_element(char *out, size_t room, enum fact_type type, struct bytes raw)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;
	if (type == FACT_STR) {
		at = raw.n < room ? raw.n : room;
		memcpy(out, raw.p, at);
		return at;
	}
	for (size_t i = 0; i < raw.n && at + 2 <= room; i++) {
		out[at++] = hex[raw.p[i] >> 4];
		out[at++] = hex[raw.p[i] & 15];
	}
	return at;
}

/* An address stands for the device that has it: behind it stands its turn, if it is not the first that had
 * it. The device's id would not do: it is another when more is known. */
static size_t by_turn(const struct policy_run *r, uint16_t field, char *out, size_t room)
{
	if (!r->inv || (field != COMMON_SOURCE_IP && field != COMMON_DESTINATION_IP))
		return 0;
	struct holder h = inventory_holder(
		r->inv, event_view_event(r->view), field == COMMON_SOURCE_IP ? DIR_CLIENT : DIR_SERVER);
	int n = h.turn ? snprintf(out, room, "\x1d%llu", (unsigned long long)h.turn) : 0;
	return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* What tells a group from another, and is part of an alert's id: the values of suppress.by, a byte 0x1E
 * before each, 0x1D between elements of a list; texts as they are, others as hex of their bytes, absent ones
 * as nothing. */
static struct bytes by_values(const struct policy_run *r, const struct rule *rule, char out[BY_TEXT])
{
	const struct view *v = event_view_as_view(r->view);
	size_t at = 0;
	for (unsigned i = 0; i < rule->n_by; i++) {
		struct leaf leaf = v->get(v, rule->by[i]);
		if (at < BY_TEXT)
			out[at++] = 0x1e;
		for (unsigned k = 0; k < leaf.n && at < BY_TEXT; k++) {
			struct bytes raw = leaf.fact ? fact_value(leaf.fact, k) : leaf.values[k];
			if (k)
				out[at++] = 0x1d;
			at += by_element(out + at, BY_TEXT - at, leaf.type, raw);
		}
		at += by_turn(r, rule->by[i], out + at, BY_TEXT - at);
	}
	return bytes_of(out, at);
}

/* Where nobody named zones, those that are built in say nothing that the address does not: to who asks. */
static const char *zone_name(const struct policy_run *r, const struct rule *rule, enum dir side)
{
	const struct zones *z = r->p->names.zones;
	bool wanted = zones_count(z) > ZONE_OWN ||
		      rule_asks_for(&rule->text, side == DIR_CLIENT ? "source.zone" : "destination.zone");
	unsigned zone = wanted ? event_view_zone(r->view, side) : (unsigned)ZONE_NONE;
	return zone == ZONE_NONE ? NULL : zones_at(z, zone)->name;
}

static bool is_outside(const struct policy_run *r, enum dir side)
{
	return zone_is_outside(r->p->names.zones, event_view_zone(r->view, side));
}

void policy_alert(struct policy_run *r, struct alert *a, struct bytes by)
{
	a->source = event_view_device(r->view, DIR_CLIENT);
	a->destination = event_view_device(r->view, DIR_SERVER);
	a->source_zone = zone_name(r, a->rule, DIR_CLIENT);
	a->destination_zone = zone_name(r, a->rule, DIR_SERVER);
	a->outside = is_outside(r, DIR_CLIENT) || is_outside(r, DIR_SERVER);
	a->unsure = a->event->proto == PROTO_segmentation && !a->event->conv.initiator_known;
	if (!suppress_alert(r, a, by))
		fold_hit(r->fold, r, a, by);
}

bool rule_speaks(const struct policy_run *r, const struct rule *rule)
{
	return !rule->silent && (!rule->counted || r->loud == rule);
}

static void hit(struct policy_run *r, const struct rule *rule, const struct event *e)
{
	char by[BY_TEXT];
	struct alert a = { .rule = rule, .event = e, .level = rule->text.level };
	if (!rule_speaks(r, rule))
		return;
	(void)rule_holds(rule, event_view_as_view(r->view), &a.reason);
	policy_alert(r, &a, by_values(r, rule, by));
}

static struct bytes text_of(const struct view *v, uint16_t field)
{
	struct leaf l = v->get(v, field);
	return l.fact ? fact_value(l.fact, 0) : (struct bytes){ 0 };
}

/* The addresses that DNS answered with, for destination.domain. */
static void learn_names(struct policy_run *r, const struct event *e)
{
	const struct view *v = event_view_as_view(r->view);
	if (!bytes_is(event_category(e), "dns") || !bytes_is(event_action(e), "response"))
		return;
	event_view_look(r->view, e);
	struct bytes name = text_of(v, r->dns_name), type = text_of(v, r->dns_type);
	struct leaf answers = v->get(v, r->dns_answers);
	if (!bytes_is(type, "A") && !bytes_is(type, "AAAA"))
		return;
	for (unsigned i = 0; answers.fact && i < answers.n; i++)
		resolved_learn(r->names, &e->conv.src, name, fact_value(answers.fact, i), e->ts_ns);
}

void policy_on_derived(struct policy_run *r, void (*fn)(void *arg, const struct event *e), void *arg)
{
	r->on_derived = fn;
	r->on_derived_arg = arg;
}

void policy_derived(struct policy_run *r, const struct event *e)
{
	if (r->on_derived)
		r->on_derived(r->on_derived_arg, e);
	else
		policy_event(r, e);
}

static void judge_by_rules(struct policy_run *r, const struct event *e)
{
	const struct policy *p = r->p;
	unsigned category = event_schema_category_of(p->schema, e);
	candidates_find(r->candidates, r->look_at_all ? NULL : p->index[category], r->view);
	size_t n = p->n_of_category[category];
	uint64_t held = 0, matched = 0;
	for (size_t i = 0; (i = candidates_next(r->candidates, i)) < n; i++) {
		const struct rule *rule = p->of_category[category][i];
		if ((rule->silent && !rule->n_feeds) || !schedule_holds(rule->schedule, e->ts_ns))
			continue;
		held++;
		if (!rule_holds(rule, event_view_as_view(r->view), NULL))
			continue;
		matched++;
		hit(r, rule, e);
		correlate_match(r->correlate, rule);
	}
	r->counters->policy_evaluations += held;
	r->counters->policy_matches += matched;
	correlate_event(r, e);
}

/* What is learned only is told, and nothing answers to it. */
static bool is_for_outputs(const struct event *e)
{
	return e->proto == PROTO_segmentation && e->event == SEGMENTATION_EV_LEARNED;
}

void policy_event(struct policy_run *r, const struct event *e)
{
	const struct policy *p = r->p;
	if (e->record != RECORD_EVENT || is_for_outputs(e))
		return;
	fold_close(r->fold, r, e->ts_ns);
	correlate_clock(r, e->ts_ns);
	learn_names(r, e);
	suppress_clock(r, e->ts_ns);
	if (p->n_of_category[event_schema_category_of(p->schema, e)] == 0 && p->segmentation->n == 0 &&
		p->baselines->n == 0)
		return;
	event_view_look(r->view, e);
	baselines_event(r->baselines, event_view_as_view(r->view), e, event_schema_category_of(p->schema, e));
	judge_by_rules(r, e);
	segmentation_event(r, e);
}

void policy_finish(struct policy_run *r)
{
	correlate_clock(r, UINT64_MAX);
	fold_close(r->fold, r, UINT64_MAX);
	suppress_clock(r, UINT64_MAX);
}

struct baseline_run *policy_baselines(struct policy_run *r)
{
	return r->baselines;
}
