/* alerts.jsonl, devices.jsonl, events.jsonl, and alerts as JSON lines on standard output. */
#include "run/outfile.h"
#include "run/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct jsonl {
	struct sink sink;
	struct outfile file;
	struct json_doc *doc;
	struct doc_context ctx;
	struct mask *mask;
	bool live;
	bool failed; /* inventory_each cannot be stopped */
};

static bool put_event(struct sink *s, const struct event *e)
{
	struct jsonl *j = (struct jsonl *)s;
	event_json(j->doc, &j->ctx, e);
	return outfile_put(&j->file, json_flat(j->doc), j->mask);
}

static bool put_alert(struct sink *s, const struct alert *a)
{
	struct jsonl *j = (struct jsonl *)s;
	if (j->live)
		j->ctx.created_ns = doc_now();
	alert_json(j->doc, &j->ctx, a);
	return outfile_put(&j->file, json_nested(j->doc), j->mask);
}

static void put_device(void *arg, const struct device *dev)
{
	struct jsonl *j = arg;
	device_json(j->doc, &j->ctx, dev);
	j->failed = j->failed || !outfile_put(&j->file, json_nested(j->doc), j->mask);
}

static bool finish(struct sink *s, const struct inventory *inv, const struct run_summary *sum)
{
	struct jsonl *j = (struct jsonl *)s;
	(void)inv;
	(void)sum;
	return outfile_finish(&j->file, j->mask);
}

static bool finish_devices(struct sink *s, const struct inventory *inv, const struct run_summary *sum)
{
	struct jsonl *j = (struct jsonl *)s;
	inventory_each(inv, put_device, j);
	return !j->failed && finish(s, inv, sum);
}

static bool commit(struct sink *s)
{
	return outfile_commit(&((struct jsonl *)s)->file);
}

static void close_jsonl(struct sink *s)
{
	struct jsonl *j = (struct jsonl *)s;
	outfile_close(&j->file);
	json_free(j->doc);
	free(j);
}

static bool flush(struct sink *s)
{
	return outfile_flush(&((struct jsonl *)s)->file);
}

static bool reopen(struct sink *s, uint64_t now_ms)
{
	return outfile_reopen(&((struct jsonl *)s)->file, now_ms);
}

static bool rotate(struct sink *s, uint64_t now_ms)
{
	return outfile_rotate(&((struct jsonl *)s)->file, now_ms);
}

static uint64_t lost(const struct sink *s)
{
	return ((const struct jsonl *)s)->file.lost;
}

static void set_zones(struct sink *s, const struct zones *z)
{
	((struct jsonl *)s)->ctx.zones = z;
}

static struct jsonl *jsonl_new(const struct sink_config *c, const char *dir, const char *name, bool live)
{
	struct jsonl *j = calloc(1, sizeof *j);
	if (!j)
		return NULL;
	j->ctx = c->doc;
	j->mask = c->mask;
	j->live = live;
	j->doc = json_new();
	bool opened = live ? outfile_open_live(&j->file, dir, name, &c->files, doc_now() / 1000000)
			   : outfile_open(&j->file, dir, name);
	if (j->doc && opened) {
		j->sink = (struct sink){ .name = j->file.path ? j->file.path : "standard output",
			.finish = finish,
			.commit = commit,
			.flush = live ? flush : NULL,
			.reopen = live ? reopen : NULL,
			.rotate = live ? rotate : NULL,
			.lost = live ? lost : NULL,
			.zones = set_zones,
			.close = close_jsonl };
		return j;
	}
	int why = j->doc ? errno : ENOMEM;
	close_jsonl(&j->sink);
	errno = why;
	return NULL;
}

struct sink *sink_alerts_new(const struct sink_config *c, bool to_stdout)
{
	struct jsonl *j = jsonl_new(c, to_stdout ? NULL : c->dir, "alerts.jsonl", c->live);
	if (!j)
		return NULL;
	j->sink.alert = put_alert;
	return &j->sink;
}

struct sink *sink_devices_new(const struct sink_config *c)
{
	struct jsonl *j = jsonl_new(c, c->dir, "devices.jsonl", false);
	if (!j)
		return NULL;
	j->sink.finish = finish_devices;
	return &j->sink;
}

struct sink *sink_events_new(const struct sink_config *c)
{
	struct jsonl *j = jsonl_new(c, c->dir, "events.jsonl", c->live);
	if (!j)
		return NULL;
	j->sink.event = put_event;
	return &j->sink;
}

static bool commit_removal(struct sink *s)
{
	return unlink(s->name) == 0 || errno == ENOENT;
}

struct sink *sink_no_events_new(const struct sink_config *c)
{
	struct jsonl *j = calloc(1, sizeof *j);
	if (!j || asprintf(&j->file.path, "%s/events.jsonl", c->dir) < 0) {
		free(j);
		errno = ENOMEM;
		return NULL;
	}
	j->sink = (struct sink){ .name = j->file.path, .commit = commit_removal, .close = close_jsonl };
	return &j->sink;
}
