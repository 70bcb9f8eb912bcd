/* What the sensor says of itself: siem-conventions.md sections 8 and 16. */
#include "run/documents.h"

#include "base/digest.h"

#include <stdio.h>

enum { ID_BITS = 100 };

static void id_of(const struct doc_context *ctx, const struct health_note *n, uint64_t now_ns,
	uint64_t number, char id[HEALTH_ID])
{
	char text[2048];
	uint8_t digest[32];
	int at = snprintf(text, sizeof text, "%s\x1f%s\x1f%llu\x1f%llu", ctx->sensor_name, n->action,
		(unsigned long long)now_ns, (unsigned long long)number);
	sha256_of(bytes_of(text, (size_t)at < sizeof text ? (size_t)at : sizeof text - 1), digest);
	memcpy(id, "h1-", 3);
	base32hex(bytes_of(digest, sizeof digest), ID_BITS, id + 3);
}

struct bytes document_id(struct bytes document)
{
	/* The keys of an object are sorted, and no value can hold a bare quote. */
	struct cur c = cur_of(document);
	static const char event[] = "\"event\":{", id[] = "\"id\":\"";
	const uint8_t *at = memmem(document.p, document.n, event, strlen(event));
	size_t from = at ? (size_t)(at - document.p) : document.n;
	const uint8_t *key = memmem(document.p + from, document.n - from, id, strlen(id));
	if (!key)
		return (struct bytes){ 0 };
	cur_skip(&c, (size_t)(key - document.p) + strlen(id));
	return cur_until(&c, '"');
}

static void lost_json(struct json_doc *d, const struct health_note *n)
{
	static const char *const classes[] = {
		[OUTBOX_ALERT] = "alert", [OUTBOX_ASSET] = "asset", [OUTBOX_HEALTH] = "health"
	};
	char key[DOC_KEY];
	uint64_t all = 0;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned l = 0; l < LEVELS; l++) {
			all += n->lost[c][l];
			snprintf(key, sizeof key, "wardwatch.lost.%s.%s", classes[c],
				level_name((enum level)l));
			if (n->lost[c][l])
				json_uint(d, key, n->lost[c][l]);
		}
	json_uint(d, "wardwatch.lost.all", all);
	json_time(d, "wardwatch.lost.from", n->from_ms * 1000000);
	json_time(d, "wardwatch.lost.to", n->to_ms * 1000000);
}

static void vitals_json(struct json_doc *d, const struct vitals *v)
{
	uint64_t packets = 0, dropped = 0;
	for (size_t i = 0; i < v->n_interfaces; i++) {
		packets += v->interfaces[i].packets;
		dropped += v->interfaces[i].dropped;
	}
	json_time(d, "wardwatch.health.started", v->started_ns);
	json_uint(d, "wardwatch.health.uptime", (v->now_ns - v->started_ns) / 1000000000);
	if (v->last_packet_ns)
		json_time(d, "wardwatch.health.last_packet", v->last_packet_ns);
	json_uint(d, "wardwatch.health.packets", packets);
	json_uint(d, "wardwatch.health.dropped", dropped);
	json_uint(d, "wardwatch.health.ring_lost", v->counters->events_lost);
	json_uint(d, "wardwatch.health.devices", v->devices);
	json_uint(d, "wardwatch.health.rules", v->rules);
	json_uint(d, "wardwatch.health.rules_left_out", v->rules_left_out);
	json_time(d, "wardwatch.health.policies_read", v->policies_read_ns);
	json_bool(d, "wardwatch.health.reload_failed", v->reload_failed);
}

void health_json(struct json_doc *d, const struct doc_context *ctx, const struct health_note *n,
	uint64_t now_ns, uint64_t number, char id[HEALTH_ID])
{
	id_of(ctx, n, now_ns, number, id);
	json_reset(d);
	json_time(d, "@timestamp", now_ns);
	json_text(d, "message", n->sentence);
	json_text(d, "event.id", id);
	json_text(d, "event.kind", n->level >= LEVEL_HIGH ? "alert" : "event");
	json_list(d, "event.category");
	json_text(d, "event.category", "host");
	json_list(d, "event.type");
	json_text(d, "event.type", "info");
	json_text(d, "event.action", n->action);
	json_text(d, "event.code", "sensor_health");
	json_text(d, "event.dataset", "wardwatch.health");
	json_text(d, "event.module", "wardwatch");
	json_text(d, "event.outcome", "unknown");
	json_time(d, "event.created", now_ns);
	json_uint(d, "event.severity", level_severity(n->level));
	json_uint(d, "event.risk_score", level_severity(n->level));
	json_uint(d, "event.risk_score_norm", level_severity(n->level));
	json_list(d, "tags");
	json_text(d, "tags", "wardwatch");
	json_text(d, "wardwatch.category", "sensor_health");
	json_text(d, "wardwatch.class", "health");
	json_uint(d, "wardwatch.confidence", 100);
	json_text(d, "wardwatch.level", level_name(n->level));
	json_uint(d, "wardwatch.schema", 1);
	if (n->has_lost)
		lost_json(d, n);
	if (n->vitals)
		vitals_json(d, n->vitals);
	observer_json(d, ctx);
}
