/*
 * baseline: what is usual (policy-language.md section 17).
 *
 * A baseline is a set of values for each key, with counts and times. A key learns until `learn` of event time
 * has passed since it was first seen and it was seen `min-observations` times; from then on an event is
 *   new      when its value is not in the set (once: then it is),
 *   rare     when its value was seen fewer times than `rare-below`, this time included,
 *   changed  when its value is another than the key's last one.
 * A value not seen for `forget` is forgotten, and so is a key. Beyond BASELINE_VALUES the key is saturated:
 * no value of it is new again. An event that lacks part of the key or of the value does not count. Of
 * conversations (category flow) their end counts, once. A rule asks with the baseline's name before the
 * modifier, where a field would stand: `peer_of_device|baseline: new`.
 *
 * All keys and values stand in two pools that are mapped at start, half of limits.policy_state_mib; when one
 * is full the key longest not seen makes room, counted. Hub thread; no allocation.
 */
#ifndef WW_DECIDE_BASELINE_H
#define WW_DECIDE_BASELINE_H

#include "base/pool.h"
#include "base/table.h"
#include "decide/policy_impl.h"

enum { MAX_BASELINES = 256, BASELINE_FIELDS = 8, BASELINE_VALUES = 4096 };

struct baseline {
	const char *name;
	unsigned category;
	uint16_t key[BASELINE_FIELDS], value[BASELINE_FIELDS];
	unsigned n_key, n_value;
	uint64_t learn_ns, forget_ns; /* forget_ns 0: never */
	uint64_t min_observations, rare_below;
	uint64_t digest; /* of its name and fields: what was learnt for another definition is not its own */
};

struct baselines {
	struct baseline list[MAX_BASELINES];
	size_t n;
	struct category_set categories; /* of events that some baseline is over */
};

/* A document of kind baselines: E165 for what is wrong with it. */
void baselines_load(struct loader *l, const struct yaml_node *doc);
/* Number of the baseline of that name over events of that category, or -1. */
int baselines_find(const struct baselines *b, unsigned category, struct bytes name);

struct baseline_run;
/* NULL: no memory. */
struct baseline_run *baselines_start(const struct policy *p, const struct limits *l, struct counters *c);
void baselines_stop(struct baseline_run *b);
/* Takes the event that the view looks at; until the next one, baselines_say tells what it was. */
void baselines_event(struct baseline_run *b, const struct view *v, const struct event *e, unsigned category);
/* What was learnt, as records that outlive the process: a key with its values each, of which hashes alone are
 * kept. baselines_save gives the next key that has changed since it was last given, false at the end of the
 * sweep; name is the baseline's, key tells the record from others; valid until the next call of anything. */
struct baseline_record {
	const char *name;
	struct bytes key, state;
	uint64_t first_ns, last_ns, observations;
};
bool baselines_save(struct baseline_run *b, struct baseline_record *out);
/* The record that was given last could not be kept: it comes again. Nothing was kept: all come again. */
void baselines_save_again(struct baseline_run *b);
void baselines_save_all(struct baseline_run *b);
/* Before the first event, latest seen first. False: damaged, of a baseline that is no more or was changed, or
 * there is no room. */
bool baselines_restore(struct baseline_run *b, struct bytes state);
bool baselines_say(const struct baseline_run *b, unsigned baseline, enum baseline_is is);

#endif
