/* How long our streams are, what readers have not read, and whether trimming takes it from them. */
#include "run/redis_impl.h"

#include <inttypes.h>
#include <stdio.h>

void watch_due(struct redis *r)
{
	if (r->s.mode != REDIS_STREAM || r->now_ns - r->watched_ns < r->s.watch_ns || redis_is_paused(r))
		return;
	r->watched_ns = r->now_ns;
	r->lag = -1;
	for (uint8_t i = 0; i < r->n_keys; i++) {
		if (!send_is_here(r, i))
			continue;
		command_words(
			r, COMMAND_LENGTH, i, (const char *const[]){ "XINFO", "STREAM", r->keys[i].name }, 3);
		command_words(
			r, COMMAND_GROUPS, i, (const char *const[]){ "XINFO", "GROUPS", r->keys[i].name }, 3);
	}
}

/* Approximate trimming starts only when the stream is longer than it may be. */
static void check_retention(struct redis *r, uint8_t key, const redisReply *reply)
{
	struct key *k = &r->keys[key];
	struct outbox_id first;
	int64_t length = 0;
	char text[DELIVERY_TEXT];
	bool is_trimmed = reply_number(reply_named(reply, "length"), &length) && r->s.trim_entries &&
			  length > 0 && (uint64_t)length >= r->s.trim_entries;
	bool is_short = is_trimmed && reply_id(reply_at(reply_named(reply, "first-entry"), 0), &first) &&
			first.ms + r->s.retention_ms > r->wall_ms && first.ms <= r->wall_ms;
	if (is_short && !k->is_watched) {
		snprintf(text, sizeof text,
			"%.80s keeps only %" PRIu64
			" minutes of %.60s before they are trimmed: let output.redis.trim "
			"keep more",
			connection_name(r->connection), (r->wall_ms - first.ms) / 60000, k->name);
		tell_news(r, "redis_retention", LEVEL_MEDIUM, text);
	}
	k->is_watched = is_short;
}

static void take_length(struct redis *r, const struct pending *p, const redisReply *reply)
{
	struct key *k = &r->keys[p->key];
	struct outbox_id top;
	if (!reply_id(reply_named(reply, "last-generated-id"), &top))
		return;
	/* Between ours, all answered, there is nobody else's. */
	if (id_cmp(top, k->top) > 0 && id_cmp(top, k->largest) > 0) {
		if (id_cmp(k->largest, (struct outbox_id){ 0 }) > 0)
			tell_second(r, p->key);
		k->is_stale = true;
	}
	check_retention(r, p->key, reply);
}

static void take_groups(struct redis *r, const redisReply *reply)
{
	for (size_t i = 0; reply_at(reply, i); i++) {
		int64_t lag;
		if (reply_number(reply_named(reply_at(reply, i), "lag"), &lag) && lag > r->lag)
			r->lag = lag;
	}
	r->d.figures.lag = r->lag;
}

void watch_answer(struct redis *r, const struct pending *p, const redisReply *reply)
{
	if (reply_is_error(reply)) {
		/* No stream yet, or not permitted: then it is not watched. Of the rest the records' own
		 * answers tell, but a server that is no master any more is left at once. */
		if (refusal_of(reply)->action == REFUSAL_NEXT)
			tell_refused(r, p, reply);
	} else if (reply->type != REDIS_REPLY_ARRAY) {
		redis_protocol(r, command_name(p->command));
	} else if (p->command == COMMAND_LENGTH) {
		take_length(r, p, reply);
	} else {
		take_groups(r, reply);
	}
}
