/* Alerts (offline also devices) to the shipper: to Redis and syslog. */
#include "base/map.h"
#include "decide/policy.h"
#include "run/shipper.h"
#include "run/sink.h"
#include "run/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A line of the spool begins with what is known of the record: class, level, id. */
enum { HEAD = 2 + ALERT_ID, NAP_NS = 1000000 };

struct ship {
	struct sink sink;
	struct shipper *shipper;
	struct spool spool; /* offline */
	struct json_doc *doc;
	struct doc_context ctx;
	struct mask *mask;
	uint8_t line[HEAD + JSON_MAX];
};

static enum outbox_class class_of(const struct alert *a)
{
	return strcmp(rule_text(a->rule)->category, "sensor_health") == 0 ? OUTBOX_HEALTH : OUTBOX_ALERT;
}

/* Offline. What is longer than the shipper takes, seals and all, is lost here. */
static bool put_by(
	struct ship *s, enum outbox_class class, enum level level, const char *id, struct bytes document)
{
	if (document.n > JSON_MAX) {
		shipper_lose(
			s->shipper, SHIPPER_HUB, &(struct outbox_record){ .class = class, .level = level });
		return true;
	}
	memset(s->line, ' ', HEAD);
	s->line[0] = (uint8_t)('0' + class);
	s->line[1] = (uint8_t)('0' + level);
	memcpy(s->line + 2, id, strlen(id));
	memcpy(s->line + HEAD, document.p, document.n);
	return spool_put(&s->spool, bytes_of(s->line, HEAD + document.n));
}

static bool put_alert_live(struct sink *sink, const struct alert *a)
{
	struct ship *s = (struct ship *)sink;
	s->ctx.created_ns = doc_now();
	alert_json(s->doc, &s->ctx, a);
	struct outbox_record r = { .class = class_of(a),
		.level = a->level,
		.id = bytes_str(a->id),
		.document = mask_line(s->mask, json_nested(s->doc)) };
	if (!shipper_put(s->shipper, SHIPPER_HUB, &r))
		shipper_lose(s->shipper, SHIPPER_HUB, &r);
	return true;
}

static bool put_alert(struct sink *sink, const struct alert *a)
{
	struct ship *s = (struct ship *)sink;
	alert_json(s->doc, &s->ctx, a);
	return put_by(s, class_of(a), a->level, a->id, json_nested(s->doc));
}

struct devices {
	struct ship *s;
	bool failed;
};

static void put_device(void *arg, const struct device *dev)
{
	struct devices *all = arg;
	struct ship *s = all->s;
	char id[DEVICE_FACE];
	device_face(dev, id);
	device_json(s->doc, &s->ctx, dev);
	all->failed = all->failed || !put_by(s, OUTBOX_ASSET, LEVEL_INFORMATIONAL, id, json_nested(s->doc));
}

static bool finish(struct sink *sink, const struct inventory *inv, const struct run_summary *sum)
{
	struct devices all = { (struct ship *)sink, false };
	(void)sum;
	if (all.s->spool.file)
		inventory_each(inv, put_device, &all);
	return !all.failed;
}

/* Nothing is lost offline: there is time, but no sense in waiting for a store that cannot be written. */
static bool wait_a_little(const struct ship *s)
{
	nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	errno = EIO;
	return !shipper_is_stuck(s->shipper);
}

static bool hand_on(void *arg, struct bytes line)
{
	struct ship *s = arg;
	struct bytes head = bytes_first(line, HEAD);
	struct outbox_record r = { .class = (enum outbox_class)(bytes_at(head, 0) - '0'),
		.level = (enum level)(bytes_at(head, 1) - '0'),
		.id = bytes_trim(bytes_from(head, 2)),
		.document = bytes_from(line, HEAD) };
	while (!shipper_put(s->shipper, SHIPPER_HUB, &r))
		if (!wait_a_little(s))
			return false;
	return true;
}

/* Of a run that failed nothing goes out: it is to be run again. All of it is on disk before what is known of
 * devices is, or a run that is killed in between would keep silent about them when it is repeated. */
static bool commit(struct sink *sink)
{
	struct ship *s = (struct ship *)sink;
	bool fine = !s->spool.file || spool_each(&s->spool, s->mask, hand_on, s);
	while (fine && s->spool.file && !shipper_kept(s->shipper, SHIPPER_HUB))
		fine = wait_a_little(s);
	return fine;
}

static void set_zones(struct sink *sink, const struct zones *z)
{
	((struct ship *)sink)->ctx.zones = z;
}

static void close_ship(struct sink *sink)
{
	struct ship *s = (struct ship *)sink;
	spool_close(&s->spool);
	json_free(s->doc);
	map_free(s, sizeof *s);
}

struct sink *sink_ship_new(const struct sink_config *c)
{
	struct ship *s = map_new(sizeof *s);
	if (!s)
		return NULL;
	s->sink = (struct sink){ .name = "Redis and syslog",
		.alert = c->live ? put_alert_live : put_alert,
		.finish = finish,
		.commit = commit,
		.zones = set_zones,
		.close = close_ship };
	s->shipper = c->shipper;
	s->ctx = c->doc;
	s->mask = c->mask;
	s->doc = json_new();
	if (s->doc && (c->live || spool_open(&s->spool, NULL)))
		return &s->sink;
	close_ship(&s->sink);
	return NULL;
}
