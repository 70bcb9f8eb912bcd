#include "run/redis_reply.h"

#include <stdlib.h>

enum { FEED = 16384 };

struct reply_reader {
	redisReader *hiredis;
	redisReplyObjectFunctions functions, theirs;
	size_t max_reply, unfinished; /* bytes fed since the last whole reply */
	size_t elements;              /* of the reply that is being read */
	bool is_broken;
};

/* hiredis allocates what the count says, before the elements have come: a few bytes would cost gigabytes. */
static void *create_array(const redisReadTask *task, int elements)
{
	struct reply_reader *r = task->privdata;
	if (elements > 0) {
		if ((size_t)elements > REPLY_ELEMENTS - r->elements)
			return NULL;
		r->elements += (size_t)elements;
	}
	return r->theirs.createArray(task, elements);
}

bool reply_reader_reset(struct reply_reader *r)
{
	if (r->hiredis)
		redisReaderFree(r->hiredis);
	r->hiredis = redisReaderCreate();
	if (!r->hiredis)
		return false;
	r->theirs = r->functions = *r->hiredis->fn;
	r->functions.createArray = create_array;
	r->hiredis->fn = &r->functions;
	r->hiredis->privdata = r;
	r->unfinished = r->elements = 0;
	r->is_broken = false;
	return true;
}

struct reply_reader *reply_reader_new(size_t max_reply)
{
	struct reply_reader *r = calloc(1, sizeof *r);
	if (r)
		r->max_reply = max_reply;
	if (r && reply_reader_reset(r))
		return r;
	free(r);
	return NULL;
}

void reply_reader_free(struct reply_reader *r)
{
	if (r && r->hiredis)
		redisReaderFree(r->hiredis);
	free(r);
}

enum reply_result reply_read(struct reply_reader *r, struct bytes *in, redisReply **reply)
{
	while (!r->is_broken) {
		void *got = NULL;
		if (redisReaderGetReply(r->hiredis, &got) != REDIS_OK)
			break;
		if (got) {
			r->unfinished = r->hiredis->len - r->hiredis->pos;
			r->elements = 0;
			*reply = got;
			return REPLY_WHOLE;
		}
		if (in->n == 0)
			return REPLY_MORE;
		struct bytes part = bytes_first(*in, FEED);
		*in = bytes_from(*in, part.n);
		r->unfinished += part.n;
		/* What is fed may hold the end of this reply and the start of others. */
		if (r->unfinished > r->max_reply + FEED ||
			redisReaderFeed(r->hiredis, (const char *)part.p, part.n) != REDIS_OK)
			break;
	}
	r->is_broken = true;
	return REPLY_BROKEN;
}

/* ---- typed looks ------------------------------------------------------------------------------- */

bool reply_is_error(const redisReply *r)
{
	return r && r->type == REDIS_REPLY_ERROR;
}

struct bytes reply_text(const redisReply *r)
{
	if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
		return (struct bytes){ 0 };
	return bytes_of(r->str, r->len);
}

bool reply_is_status(const redisReply *r, const char *word)
{
	return r && r->type == REDIS_REPLY_STATUS && bytes_is(reply_text(r), word);
}

bool reply_number(const redisReply *r, int64_t *out)
{
	if (!r || r->type != REDIS_REPLY_INTEGER)
		return false;
	*out = r->integer;
	return true;
}

const redisReply *reply_at(const redisReply *r, size_t i)
{
	return r && r->type == REDIS_REPLY_ARRAY && i < r->elements ? r->element[i] : NULL;
}

const redisReply *reply_named(const redisReply *r, const char *name)
{
	for (size_t i = 0; reply_at(r, i); i += 2)
		if (bytes_is(reply_text(reply_at(r, i)), name))
			return reply_at(r, i + 1);
	return NULL;
}

bool id_parse(struct bytes text, struct outbox_id *out)
{
	size_t dash = bytes_chr(text, 0, '-');
	return dash < text.n && bytes_to_u64(bytes_first(text, dash), &out->ms) &&
	       bytes_to_u64(bytes_from(text, dash + 1), &out->seq);
}

bool reply_id(const redisReply *r, struct outbox_id *out)
{
	return id_parse(reply_text(r), out);
}

int id_cmp(struct outbox_id a, struct outbox_id b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* ---- refusals: the first prefix that fits ------------------------------------------------------ */

static const struct refusal table[] = {
	{ "NOAUTH", REFUSAL_REST, "redis_auth", LEVEL_HIGH,
		"wants a user and password: set output.redis.auth" },
	{ "WRONGPASS", REFUSAL_REST, "redis_auth", LEVEL_HIGH,
		"refuses our user or password: put the right one in auth.password_file, which is read at "
		"each "
		"try" },
	{ "ERR invalid password", REFUSAL_REST, "redis_auth", LEVEL_HIGH,
		"refuses our password: put the right one in auth.password_file, which is read at each try" },
	{ "ERR AUTH", REFUSAL_REST, "redis_auth", LEVEL_HIGH,
		"knows no passwords: leave output.redis.auth out, or give it one" },
	{ "ERR Client sent AUTH", REFUSAL_REST, "redis_auth", LEVEL_HIGH,
		"knows no passwords: leave output.redis.auth out, or give it one" },
	{ "NOPERM", REFUSAL_REST, "redis_permission", LEVEL_HIGH,
		"does not permit our user %s: add it to the user's ACL" },
	{ "DENIED", REFUSAL_REST, "redis_auth", LEVEL_HIGH,
		"is in protected mode: give it a password, and output.redis.auth the same" },
	{ "LOADING", REFUSAL_PAUSE, "redis_loading", LEVEL_LOW, "is still loading its data" },
	{ "BUSY", REFUSAL_PAUSE, "redis_busy", LEVEL_LOW, "is busy with a script" },
	{ "TRYAGAIN", REFUSAL_PAUSE, "redis_cluster", LEVEL_LOW, "is moving our keys to another node" },
	{ "CLUSTERDOWN", REFUSAL_PAUSE, "redis_cluster", LEVEL_HIGH,
		"says that the cluster is down: see CLUSTER INFO there" },
	{ "NOREPLICAS", REFUSAL_PAUSE, "redis_replicas", LEVEL_HIGH,
		"has not enough replicas to write (min-replicas-to-write)" },
	{ "READONLY", REFUSAL_NEXT, "redis_read_only", LEVEL_HIGH,
		"is a replica: output.redis.servers has to name the master, or sentinel those who know it" },
	{ "MASTERDOWN", REFUSAL_NEXT, "redis_read_only", LEVEL_HIGH,
		"is a replica that has lost its master" },
	{ "UNBLOCKED", REFUSAL_NEXT, "redis_read_only", LEVEL_HIGH, "has just become a replica" },
	{ "MOVED", REFUSAL_REDIRECT, "redis_cluster", LEVEL_HIGH,
		"belongs to a cluster and sends us elsewhere: set output.redis.cluster" },
	{ "ASK", REFUSAL_REDIRECT, "redis_cluster", LEVEL_HIGH,
		"belongs to a cluster and sends us elsewhere: set output.redis.cluster" },
	{ "OOM", REFUSAL_PAUSE, "redis_oom", LEVEL_HIGH,
		"is out of memory (maxmemory): give it more, or let trim keep less" },
	{ "MISCONF", REFUSAL_PAUSE, "redis_misconf", LEVEL_HIGH,
		"cannot save its data and takes no more: see its disk and log" },
	{ "WRONGTYPE", REFUSAL_STOP, "redis_wrong_type", LEVEL_CRITICAL,
		"has something else under the key, so nothing can be sent (%s): name another in "
		"output.redis.key, "
		"or delete that one" },
	{ "EXECABORT", REFUSAL_ABORTED, "redis_refused", LEVEL_HIGH, "aborted a batch" },
	{ "ERR The ID specified in XADD", REFUSAL_TOP, "redis_second_producer", LEVEL_HIGH,
		"has entries of another producer in our stream (%s): each sensor needs a key of its own, see "
		"output.redis.key" },
	{ "ERR no such key", REFUSAL_NO_KEY, "redis_refused", LEVEL_HIGH, "has no such key" },
	{ "ERR max number of clients", REFUSAL_REST, "redis_refused", LEVEL_HIGH,
		"has too many clients (maxclients)" },
	{ "ERR DB index", REFUSAL_STOP, "redis_refused", LEVEL_CRITICAL,
		"has no database of that number: see output.redis.database" },
	{ "ERR syntax", REFUSAL_OPTION, "redis_unsupported", LEVEL_CRITICAL,
		"does not understand %s: Redis 6.2 is the oldest that does" },
	{ "ERR unknown command", REFUSAL_OPTION, "redis_unsupported", LEVEL_CRITICAL,
		"does not know %s: Redis 6.2 is the oldest that does" },
	{ "ERR unknown subcommand", REFUSAL_OPTION, "redis_unsupported", LEVEL_CRITICAL,
		"does not know %s: Redis 6.2 is the oldest that does" },
	{ "", REFUSAL_REST, "redis_refused", LEVEL_HIGH, "refuses %s: see its log" },
};

const struct refusal *refusal_of(const redisReply *error)
{
	struct bytes text = bytes_of(error->str, error->len);
	const struct refusal *r = table;
	while (!bytes_starts(text, r->prefix))
		r++;
	return r;
}
