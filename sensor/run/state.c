#include "run/state.h"

#include "base/hash.h"
#include "base/map.h"
#include "decide/baseline.h"
#include "decide/inventory_state.h"

#include <stdlib.h>

/* ---- restoring ----------------------------------------------------------------------------------------- */

struct restoring {
	struct inventory *inv;
	struct baseline_run *baselines;
	unsigned devices_lost;
};

static void restore_device(void *arg, const char *name, struct bytes state)
{
	struct restoring *r = arg;
	(void)name;
	r->devices_lost += !inventory_restore(r->inv, state);
}

/* Of a baseline that is no more, or was changed, nothing is needed: that is no loss to tell of. */
static void restore_baseline(void *arg, const char *name, struct bytes state)
{
	struct restoring *r = arg;
	(void)name;
	(void)baselines_restore(r->baselines, state);
}

bool state_restore(struct store *store, struct inventory *inv, struct policy_run *policy, struct diag *d)
{
	struct restoring r = { .inv = inv, .baselines = policy_baselines(policy) };
	inventory_restore_begin(inv, store_packets(store));
	bool fine = store_each(store, STORE_DEVICE, restore_device, &r);
	if (!inventory_restore_end(inv))
		diag_add(d, DIAG_WARNING, "-", 0, 0, "C021",
			"not enough memory to tie together what is known of earlier runs");
	fine = fine && store_each(store, STORE_BASELINE, restore_baseline, &r);
	if (r.devices_lost)
		diag_add(d, DIAG_WARNING, "-", 0, 0, "C021",
			"%u devices of earlier runs are damaged in the state file or find no room "
			"(limits.devices, limits.addresses): they begin anew",
			r.devices_lost);
	if (!fine)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "%s", store_error(store));
	return fine;
}

/* ---- saving -------------------------------------------------------------------------------------------- */

enum { TOLD = 65536 };

struct state {
	const struct inventory *inv;
	struct baseline_run *baselines;
	struct inventory_saver *saver;
	struct mask *mask;
	struct json_doc *doc;
	struct doc_context context;
	struct device_state last;
	bool devices_done;
	/* Faces told, by a hash of the device's id: where two share a place, both are told more often. */
	uint64_t *told;
	uint64_t *told_last, told_before;
	bool swept, whole; /* once; the sweep that ended last was the first */
};

struct state *state_new(const struct inventory *inv, struct policy_run *policy, struct mask *mask,
	const struct doc_context *doc)
{
	struct state *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	*s = (struct state){ .inv = inv,
		.baselines = policy_baselines(policy),
		.mask = mask,
		.context = *doc,
		.saver = inventory_saver_new(inv, mask),
		.doc = json_new() };
	s->told = map_new(TOLD * sizeof *s->told);
	if (s->saver && s->doc && s->told)
		return s;
	state_free(s);
	return NULL;
}

void state_free(struct state *s)
{
	if (!s)
		return;
	inventory_saver_free(s->saver);
	if (s->doc)
		json_free(s->doc);
	map_free(s->told, TOLD * sizeof *s->told);
	free(s);
}

static bool is_news(struct state *s, const struct device *dev, const char *id)
{
	static const struct hash_key key = { 0x666163652d6f662d, 0x612d646576696365 };
	char face[DEVICE_FACE];
	device_face(dev, face);
	uint64_t now = hash_bytes(&key, face, strlen(face));
	s->told_last = &s->told[hash_bytes(&key, id, strlen(id)) % TOLD];
	s->told_before = *s->told_last;
	*s->told_last = now;
	return now != s->told_before;
}

static void device_record(struct state *s, const struct device_state *d, struct store_record *out)
{
	*out = (struct store_record){ .kind = d->device ? STORE_DEVICE : STORE_GONE,
		.order = d->order,
		.first_ns = d->first_ns,
		.last_ns = d->last_ns,
		.packets = inventory_packets(s->inv),
		.state = d->state };
	memcpy(out->id, d->id, DEVICE_ID);
	s->told_last = NULL;
	if (d->is_listed) {
		device_json(s->doc, &s->context, d->device);
		out->document = mask_line(s->mask, json_nested(s->doc));
		out->is_news = is_news(s, d->device, d->id);
	}
}

static bool next_baseline(struct state *s, struct store_record *out)
{
	struct baseline_record r;
	if (!baselines_save(s->baselines, &r))
		return false;
	*out = (struct store_record){ .kind = STORE_BASELINE,
		.name = r.name,
		.key = r.key,
		.first_ns = r.first_ns,
		.last_ns = r.last_ns,
		.observations = r.observations,
		.state = r.state };
	return true;
}

enum state_step state_step(struct state *s, struct store_record *out)
{
	enum state_kind kind = s->devices_done ? STATE_OVER : inventory_save(s->saver, &s->last);
	if (kind == STATE_PAUSE)
		return STATE_STEP_NOTHING;
	if (kind != STATE_OVER) {
		device_record(s, &s->last, out);
		return STATE_STEP_RECORD;
	}
	s->devices_done = true;
	if (next_baseline(s, out))
		return STATE_STEP_RECORD;
	s->devices_done = false;
	s->whole = !s->swept;
	s->swept = true;
	return STATE_STEP_OVER;
}

void state_again(struct state *s)
{
	if (s->devices_done)
		baselines_save_again(s->baselines);
	else
		inventory_save_again(s->saver, &s->last);
	if (!s->devices_done && s->told_last)
		*s->told_last = s->told_before;
}

void state_all(struct state *s)
{
	inventory_save_all(s->saver);
	baselines_save_all(s->baselines);
	s->swept = false;
}

struct store_run state_run(const struct state *s)
{
	return (struct store_run){ .packets = inventory_packets(s->inv), .whole = s->whole };
}

bool state_save(struct state *s, struct store *store, uint64_t first_ns, uint64_t last_ns)
{
	struct store_record r;
	enum state_step step;
	bool fine = store_begin(store);
	while ((step = state_step(s, &r)) != STATE_STEP_OVER)
		if (step == STATE_STEP_RECORD)
			fine = fine && store_put(store, &r);
	struct store_run run = state_run(s);
	run.first_ns = first_ns;
	run.last_ns = last_ns;
	return fine && store_commit(store, &run);
}
