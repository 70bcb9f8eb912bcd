#include "run/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SINKS = 7 };

struct outputs {
	struct sink *sinks[SINKS];
	size_t n;
	struct mask *mask;
	bool wants_events;
	bool made_dir; /* removed again when the run fails */
	bool done;
	char *dir;
	_Atomic bool is_failing, failed; /* the first to fail says why; it is said */
	char error[512];
};

static bool fail(struct outputs *o, const char *what, const char *name)
{
	if (!atomic_exchange(&o->is_failing, true)) {
		snprintf(o->error, sizeof o->error, "%s: %s: %s", name, what, strerror(errno));
		o->failed = true;
	}
	return false;
}

static bool add(struct outputs *o, struct sink *s, const char *name)
{
	if (!s)
		return fail(o, "cannot be written", name);
	o->sinks[o->n++] = s;
	o->wants_events = o->wants_events || s->event;
	return true;
}

/* The folder itself is made, not those above it: a mistyped path should say so. */
static bool make_dir(struct outputs *o, const char *dir)
{
	struct stat st;
	if (mkdir(dir, 0700) == 0) {
		o->made_dir = true;
		return true;
	}
	if (errno != EEXIST)
		return fail(o, "this output directory cannot be made", dir);
	if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	errno = ENOTDIR;
	return fail(o, "cannot be the output directory", dir);
}

static bool open_all(struct outputs *o, const struct sink_config *c)
{
	if (c->dir) {
		o->dir = strdup(c->dir);
		/* Events first: those of an earlier run never stand beside this one's alerts. */
		if (!o->dir || !make_dir(o, c->dir) ||
			((c->events || !c->live) &&
				!add(o, c->events ? sink_events_new(c) : sink_no_events_new(c), c->dir)) ||
			!add(o, sink_alerts_new(c, false), c->dir) || !add(o, sink_devices_new(c), c->dir) ||
			!add(o, sink_summary_new(c), c->dir))
			return false;
	}
	if (c->json && !add(o, sink_alerts_new(c, true), "alerts for standard output"))
		return false;
	if (c->page && !add(o, sink_page_new(c), "the page"))
		return false;
	return !c->shipper || add(o, sink_ship_new(c), "Redis and syslog");
}

struct outputs *outputs_new(const struct sink_config *c)
{
	struct outputs *o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	o->mask = c->mask;
	(void)open_all(o, c);
	return o;
}

bool outputs_ok(const struct outputs *o)
{
	return !o->failed;
}

const char *outputs_error(const struct outputs *o)
{
	return o->error;
}

bool outputs_record(struct outputs *o, const struct event *e)
{
	mask_learn(o->mask, e);
	if (!outputs_ok(o) || !o->wants_events || e->record != RECORD_EVENT)
		return outputs_ok(o);
	for (size_t i = 0; i < o->n; i++)
		if (o->sinks[i]->event && !o->sinks[i]->event(o->sinks[i], e))
			return fail(o, "writing failed", o->sinks[i]->name);
	return true;
}

bool outputs_alert(struct outputs *o, const struct alert *a)
{
	for (size_t i = 0; i < o->n && outputs_ok(o); i++)
		if (o->sinks[i]->alert && !o->sinks[i]->alert(o->sinks[i], a))
			return fail(o, "writing failed", o->sinks[i]->name);
	return outputs_ok(o);
}

bool outputs_flush(struct outputs *o)
{
	for (size_t i = 0; i < o->n && outputs_ok(o); i++)
		if (o->sinks[i]->flush && !o->sinks[i]->flush(o->sinks[i]))
			return fail(o, "writing failed", o->sinks[i]->name);
	return outputs_ok(o);
}

const char *outputs_reopen(struct outputs *o, uint64_t now_ms)
{
	const char *wrong = NULL;
	for (size_t i = 0; i < o->n && outputs_ok(o); i++)
		if (o->sinks[i]->reopen && !o->sinks[i]->reopen(o->sinks[i], now_ms))
			wrong = o->sinks[i]->name;
	return wrong;
}

const char *outputs_rotate(struct outputs *o, uint64_t now_ms)
{
	const char *wrong = NULL;
	for (size_t i = 0; i < o->n && outputs_ok(o); i++)
		if (o->sinks[i]->rotate && !o->sinks[i]->rotate(o->sinks[i], now_ms))
			wrong = o->sinks[i]->name;
	return wrong;
}

uint64_t outputs_lost(const struct outputs *o)
{
	uint64_t n = 0;
	for (size_t i = 0; i < o->n; i++)
		n += o->sinks[i]->lost ? o->sinks[i]->lost(o->sinks[i]) : 0;
	return n;
}

void outputs_zones(struct outputs *o, const struct zones *z)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->sinks[i]->zones)
			o->sinks[i]->zones(o->sinks[i], z);
}

bool outputs_finish(struct outputs *o, const struct inventory *inv, const struct run_summary *run)
{
	struct counters counters = *run->counters;
	struct run_summary all = *run, *sum = &all;
	counters.full_phi_tokens = mask_lost(o->mask);
	all.counters = &counters;
	for (size_t i = 0; i < o->n && outputs_ok(o); i++)
		if (o->sinks[i]->finish && !o->sinks[i]->finish(o->sinks[i], inv, sum))
			return fail(o, "writing failed", o->sinks[i]->name);
	for (size_t i = 0; i < o->n && outputs_ok(o); i++)
		if (o->sinks[i]->commit && !o->sinks[i]->commit(o->sinks[i]))
			return fail(o, "writing failed", o->sinks[i]->name);
	o->done = outputs_ok(o);
	return o->done;
}

void outputs_close(struct outputs *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n; i++)
		o->sinks[i]->close(o->sinks[i]);
	if (o->made_dir && !o->done)
		rmdir(o->dir);
	free(o->dir);
	free(o);
}
