#include "run/redis_impl.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS = 272 };

static const char *const names[COMMANDS] = {
	[COMMAND_AUTH] = "AUTH",
	[COMMAND_SETNAME] = "CLIENT SETNAME",
	[COMMAND_SELECT] = "SELECT",
	[COMMAND_ROLE] = "ROLE",
	[COMMAND_TOP] = "XINFO STREAM",
	[COMMAND_MAY_READ] = "XRANGE",
	[COMMAND_ADD] = "XADD",
	[COMMAND_PUSH] = "RPUSH",
	[COMMAND_PUBLISH] = "PUBLISH",
	[COMMAND_MULTI] = "MULTI",
	[COMMAND_QUEUED] = "XADD",
	[COMMAND_EXEC] = "EXEC",
	[COMMAND_LOOKUP] = "XRANGE",
	[COMMAND_WAIT] = "WAIT",
	[COMMAND_PING] = "PING",
	[COMMAND_ASKING] = "ASKING",
	[COMMAND_LENGTH] = "XINFO STREAM",
	[COMMAND_GROUPS] = "XINFO GROUPS",
};

const char *command_name(enum command c)
{
	return names[c];
}

/* Those that a node that is only about to get the key takes after ASKING alone. */
static bool names_a_key(enum command c)
{
	return c == COMMAND_TOP || c == COMMAND_MAY_READ || c == COMMAND_ADD || c == COMMAND_PUSH ||
	       c == COMMAND_PUBLISH || c == COMMAND_QUEUED || c == COMMAND_LOOKUP || c == COMMAND_LENGTH ||
	       c == COMMAND_GROUPS;
}

bool command_send(struct redis *r, enum command c, const struct bytes *arguments, size_t n, uint8_t key,
	uint32_t first, uint32_t n_slots)
{
	static const struct bytes asking = { (const uint8_t *)"ASKING", 6 };
	const char *p[ARGUMENTS];
	size_t sizes[ARGUMENTS];
	char *text = NULL;
	ASSERT(n <= ARGUMENTS);
	if (r->is_asking && names_a_key(c) && !command_send(r, COMMAND_ASKING, &asking, 1, key, NO_SLOT, 0))
		return false;
	for (size_t i = 0; i < n; i++) {
		p[i] = (const char *)arguments[i].p;
		sizes[i] = arguments[i].n;
	}
	if (r->pending_n == r->pending_cap)
		return false;
	int size = redisFormatCommandArgv(&text, (int)n, p, sizes);
	bool done = size > 0 && connection_write(r->connection, bytes_of(text, (size_t)size));
	if (c == COMMAND_AUTH && size > 0)
		explicit_bzero(text, (size_t)size);
	redisFreeCommand(text);
	if (!done)
		return false;
	r->pending[(r->pending_head + r->pending_n++) % r->pending_cap] = (struct pending){
		.command = c, .key = key, .first = first, .n = n_slots, .sent_ns = r->now_ns
	};
	r->said_ns = r->now_ns;
	return true;
}

bool command_words(struct redis *r, enum command c, uint8_t key, const char *const *words, size_t n)
{
	struct bytes arguments[8];
	ASSERT(n <= 8);
	for (size_t i = 0; i < n; i++)
		arguments[i] = bytes_str(words[i]);
	return command_send(r, c, arguments, n, key, NO_SLOT, 0);
}

static void answer(struct redis *r, const struct pending *p, const redisReply *reply)
{
	r->heard_ns = r->now_ns;
	if (r->phase == PHASE_HELLO) {
		hello_answer(r, p, reply);
		return;
	}
	switch (p->command) {
	case COMMAND_LENGTH:
	case COMMAND_GROUPS:
		watch_answer(r, p, reply);
		break;
	case COMMAND_PING:
		if (reply_is_error(reply))
			tell_refused(r, p, reply);
		else if (!reply_is_status(reply, "PONG"))
			redis_protocol(r, "PING");
		else
			redis_went_well(r);
		break;
	default:
		send_answer(r, p, reply);
	}
}

static void take_reply(struct redis *r, const redisReply *reply)
{
	if (r->pending_n == 0) {
		/* Before we have said anything: too many clients, protected mode. */
		if (!reply_is_error(reply))
			redis_protocol(r, "no command");
		else if (tell_refused(r, &(struct pending){ .command = COMMAND_PING }, reply))
			redis_rest(r, 0);
		return;
	}
	struct pending p = r->pending[r->pending_head];
	r->pending_head = (r->pending_head + 1) % r->pending_cap;
	r->pending_n--;
	answer(r, &p, reply);
}

void command_answers(struct redis *r)
{
	struct bytes in = connection_input(r->connection);
	size_t all = in.n;
	enum reply_result result = REPLY_MORE;
	enum redis_phase phase = r->phase;
	/* A phase that has changed has no use for what comes behind, but for HELLO turning UP. */
	while (r->phase >= PHASE_HELLO && r->phase >= phase) {
		redisReply *reply = NULL;
		result = reply_read(r->reader, &in, &reply);
		if (result != REPLY_WHOLE)
			break;
		take_reply(r, reply);
		freeReplyObject(reply);
	}
	if (r->phase < PHASE_HELLO)
		return; /* the connection is closed, its input gone */
	connection_eat(r->connection, all - in.n);
	if (result == REPLY_BROKEN)
		redis_protocol(r, NULL);
}

static void back(struct redis *r, const struct pending *p)
{
	uint32_t next;
	for (uint32_t at = p->first, i = 0; i < p->n; i++, at = next) {
		struct slot *s = window_at(&r->window, at);
		next = s->next;
		if (s->state == SLOT_SENT)
			window_put_back(&r->window, s, r->s.mode == REDIS_STREAM);
		r->d.figures.retries++;
	}
}

void command_forget(struct redis *r)
{
	for (; r->pending_n; r->pending_n--) {
		back(r, &r->pending[r->pending_head]);
		r->pending_head = (r->pending_head + 1) % r->pending_cap;
	}
	/* Stored, but perhaps not on enough replicas: the next master may not have them. */
	for (uint32_t i = 0; i < r->window.n; i++) {
		struct slot *s = window_at(&r->window, (r->window.head + i) % r->window.cap);
		if (s->state != SLOT_STORED)
			continue;
		r->window.n_stored--;
		window_put_back(&r->window, s, r->s.mode == REDIS_STREAM);
	}
}

uint64_t command_deadline(const struct redis *r)
{
	if (r->pending_n == 0)
		return UINT64_MAX;
	const struct pending *p = &r->pending[r->pending_head];
	uint64_t from = p->sent_ns > r->heard_ns ? p->sent_ns : r->heard_ns;
	return from + r->s.reply_ns + (p->command == COMMAND_WAIT ? r->s.wait_ms * 1000000 : 0);
}
