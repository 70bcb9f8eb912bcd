/*
 * redis_reply: what a Redis server says, read with a cap on all that it could make us allocate, and its
 * refusals sorted by what is to be done (siem-conventions.md section 6). Servers are not trusted.
 */
#ifndef WW_RUN_REDIS_REPLY_H
#define WW_RUN_REDIS_REPLY_H

#include "base/bytes.h"
#include "run/outbox.h"

#include <hiredis/hiredis.h>

enum { REPLY_ELEMENTS = 16384 }; /* of one reply, all arrays together */

enum reply_result { REPLY_MORE, REPLY_WHOLE, REPLY_BROKEN };

struct reply_reader;

struct reply_reader *reply_reader_new(size_t max_reply); /* bytes; NULL: no memory */
void reply_reader_free(struct reply_reader *r);
bool reply_reader_reset(struct reply_reader *r); /* for a new connection; false: no memory */
/* Takes from *in and gives the next whole reply, the caller's until freeReplyObject. MORE: *in is used up.
 * BROKEN: no protocol of Redis, or larger than the cap; for ever, until reset. */
enum reply_result reply_read(struct reply_reader *r, struct bytes *in, redisReply **reply);

/* ---- typed looks; a NULL or other reply is simply not it ----------------------------------------- */

bool reply_is_error(const redisReply *r);
bool reply_is_status(const redisReply *r, const char *word);
struct bytes reply_text(const redisReply *r); /* of a string or status, else empty */
bool reply_number(const redisReply *r, int64_t *out);
/* Element i of an array, or NULL. */
const redisReply *reply_at(const redisReply *r, size_t i);
/* The value after that name in an array of names and values, or NULL. */
const redisReply *reply_named(const redisReply *r, const char *name);
bool reply_id(const redisReply *r, struct outbox_id *out);

bool id_parse(struct bytes text, struct outbox_id *out); /* "1700000000000-3" */
int id_cmp(struct outbox_id a, struct outbox_id b);

/* ---- refusals ------------------------------------------------------------------------------------- */

enum refusal_action {
	REFUSAL_REST,     /* disconnect, back off at the most */
	REFUSAL_PAUSE,    /* keep the connection, back off, try again */
	REFUSAL_NEXT,     /* disconnect, look for the master */
	REFUSAL_STOP,     /* configuration: try again seldom */
	REFUSAL_OPTION,   /* a capability is missing: without it, once, then STOP */
	REFUSAL_REDIRECT, /* MOVED, ASK */
	REFUSAL_TOP,      /* the id is not above the stream's last */
	REFUSAL_NO_KEY,   /* of XINFO: there is none yet */
	REFUSAL_ABORTED,  /* EXEC: because of what was refused before it */
};

struct refusal {
	const char *prefix; /* of the error's text */
	enum refusal_action action;
	const char *event; /* for health */
	enum level level;
	const char *sentence; /* after the server's name; %s: the command and the key */
};

/* Never NULL. */
const struct refusal *refusal_of(const redisReply *error);

#endif
