/*
 * redis_impl: the parts of the Redis delivery. redis.c: phases and time; redis_window.c: the records under
 * way; redis_command.c: commands out, answers matched; redis_hello.c: what is said first on a connection;
 * redis_send.c: records sent and acknowledged; redis_tell.c: what is wrong; redis_watch.c: length and lag;
 * redis_find.c: which server.
 */
#ifndef WW_RUN_REDIS_IMPL_H
#define WW_RUN_REDIS_IMPL_H

#include "run/redis.h"
#include "run/redis_reply.h"

enum {
	REDIS_KEYS = OUTBOX_CLASSES,
	REDIS_KEY_TEXT = 256,
	REDIS_NAME_TEXT = 264, /* "host:port" */
	REDIS_HISTORY = 16384, /* acknowledged ids that are remembered, to find again what a failover lost */
	REDIS_REDIRECTIONS = 5,
	REDIS_COMMANDS_MORE = 64, /* under way beside records */
};

enum redis_phase {
	PHASE_REST,    /* until r->again_ns */
	PHASE_FIND,    /* asking sentinels */
	PHASE_CONNECT, /* and TLS */
	PHASE_HELLO,
	PHASE_UP,
};

enum command {
	COMMAND_AUTH,
	COMMAND_SETNAME,
	COMMAND_SELECT,
	COMMAND_ROLE,
	COMMAND_TOP,      /* XINFO STREAM for its last id */
	COMMAND_MAY_READ, /* XRANGE of what is not there */
	COMMAND_ADD,
	COMMAND_PUSH,
	COMMAND_PUBLISH,
	COMMAND_MULTI,
	COMMAND_QUEUED, /* an ADD inside MULTI */
	COMMAND_EXEC,
	COMMAND_LOOKUP, /* XRANGE of one id */
	COMMAND_WAIT,
	COMMAND_PING,
	COMMAND_ASKING,
	COMMAND_LENGTH, /* XINFO STREAM, to watch it */
	COMMAND_GROUPS,
	COMMANDS
};

/* One that was sent and not answered; answers come in the order of commands. */
struct pending {
	enum command command;
	uint8_t key;
	uint32_t first, n; /* records, chained by slot.next */
	uint64_t sent_ns;
};

enum slot_state { SLOT_READY, SLOT_SENT, SLOT_STORED, SLOT_DONE };

enum { NO_SLOT = UINT32_MAX };

/* A record under way. */
struct slot {
	uint64_t number;
	struct outbox_id id;
	enum outbox_class class;
	enum level level;
	uint8_t key;
	enum slot_state state;
	bool is_uncertain; /* may be stored already */
	/* Commands with its id of a connection that is gone may still be carried out: its id is given up only
	 * when it has been looked up. */
	bool is_loose;
	bool is_renewing; /* is known not to be stored, and its id is used up */
	uint8_t tops;     /* how often its id was refused for being too small */
	uint8_t *text;    /* event id, then body */
	uint32_t n_id, n_body;
	uint32_t previous, next; /* READY: in the order of ids. SENT in one command: the next of it */
	uint64_t offered_ns, sent_ns;
};

/* Slots in the order in which they were offered, a ring; acknowledged to the shipper in that order. */
struct window {
	struct slot *slots;
	uint32_t cap, head, n;
	uint32_t first_ready, last_ready, n_ready;
	uint32_t n_uncertain; /* of the ready ones */
	uint32_t n_stored;
	size_t bytes, ready_bytes;
};

struct key {
	char name[REDIS_KEY_TEXT];
	struct outbox_id top;     /* the stream's last id, as far as we know */
	struct outbox_id sent;    /* the largest id sent on this connection, at least top */
	struct outbox_id acked;   /* the largest that was ever acknowledged */
	struct outbox_id largest; /* the largest that was ever sent */
	struct outbox_id found;   /* the last id when we first came here */
	bool is_found;
	bool is_stale;   /* the stream's last id is larger than we knew */
	bool is_away;    /* at the other place */
	bool is_watched; /* its trimming was told */
};

/* A server: one of the broker's endpoints, or an address that a server named. */
struct place {
	bool is_known;
	size_t endpoint;
	struct addr address; /* of family 0: the endpoint */
	uint16_t port;
	char name[REDIS_NAME_TEXT];
};

struct acked {
	uint64_t number;
	struct outbox_id id;
	uint8_t key;
};

struct redis {
	struct delivery d; /* first: what the shipper holds */
	struct redis_setup s;
	struct broker *broker;
	struct connection *connection;
	struct reply_reader *reader;
	enum redis_phase phase;
	uint64_t now_ns, wall_ms, random;

	struct key keys[REDIS_KEYS];
	uint8_t n_keys, key_of[OUTBOX_CLASSES];
	struct window window;
	struct pending *pending; /* a ring */
	uint32_t pending_cap, pending_head, pending_n;
	struct acked *history; /* a ring */
	uint32_t history_at, history_n;

	size_t server;     /* the next one to try, of setup.servers */
	unsigned hello;    /* the step that is under way */
	bool may_not_read; /* no XRANGE: MULTI it is */
	bool trims;        /* false: the server knows no such option */
	bool was_up;       /* this connection came to PHASE_UP */
	bool is_second_told, is_behind_told;
	uint64_t again_ns; /* REST: when to connect; UP: not to send before */
	uint64_t backoff_ns;
	uint64_t said_ns;  /* last time anything was sent */
	uint64_t heard_ns; /* last whole answer */
	uint64_t watched_ns;
	int64_t lag;      /* largest so far in this round */
	bool is_settling; /* a record was refused: what is under way is waited for before more is sent */
	const struct refusal *aborting; /* what was refused inside MULTI */

	const char *problem_event; /* NULL: nothing is wrong */
	bool problem_is_writing;   /* only an acknowledgement ends it */

	struct place home;     /* the server to connect to */
	struct place other;    /* where a cluster is moving our keys to: some may be there already (ASK) */
	bool is_asking;        /* this connection is to the other place */
	unsigned redirections; /* since a record was acknowledged */
	struct sentinel *sentinel; /* NULL: none */
};

/* ---- redis_window.c ---------------------------------------------------------------------------- */

bool window_init(struct window *w, uint32_t cap);
void window_free(struct window *w);
/* NULL: full, or no memory. Its text is copied; it is READY, at its place by id. */
struct slot *window_add(
	struct window *w, const struct outbox_record *r, uint8_t key, struct bytes body, bool uncertain);
struct slot *window_at(const struct window *w, uint32_t index);
uint32_t window_index(const struct window *w, const struct slot *s);
void window_take_out(struct window *w, struct slot *s);                 /* READY to SENT */
void window_put_back(struct window *w, struct slot *s, bool uncertain); /* to READY */
void window_doubt(struct window *w, struct slot *s);                    /* READY: to be looked up */
void window_certain(struct window *w, struct slot *s);                  /* READY: not uncertain any more */
/* The first in the ring, when it is DONE: gone. False: it is not. */
bool window_pop(struct window *w, uint64_t *number);
void window_clear(struct window *w);

/* ---- redis_command.c --------------------------------------------------------------------------- */

/* Formats and queues it; false: no room now. n_slots records from `first`. */
bool command_send(struct redis *r, enum command c, const struct bytes *arguments, size_t n, uint8_t key,
	uint32_t first, uint32_t n_slots);
bool command_words(struct redis *r, enum command c, uint8_t key, const char *const *words, size_t n);
const char *command_name(enum command c);
/* All answers that have come. */
void command_answers(struct redis *r);
void command_forget(struct redis *r); /* what is pending goes back to the window, uncertain */
/* When an answer is too late; UINT64_MAX: none is awaited. */
uint64_t command_deadline(const struct redis *r);

/* ---- redis_hello.c ----------------------------------------------------------------------------- */

void hello_begin(struct redis *r);
void hello_again(struct redis *r); /* the step that was put off */
void hello_answer(struct redis *r, const struct pending *p, const redisReply *reply);
/* A password from its file into out (NUL-terminated); false: why, in one sentence. */
bool hello_password(const char *path, char *out, size_t cap, char *why, size_t why_cap);

/* ---- redis_send.c ------------------------------------------------------------------------------ */

/* Sends what is due, as far as window and buffers allow. */
void send_due(struct redis *r);
uint64_t send_next_ns(const struct redis *r); /* when something is due; UINT64_MAX: nothing waits */
void send_answer(struct redis *r, const struct pending *p, const redisReply *reply);
/* XINFO STREAM for the last id. */
bool send_top(struct redis *r, uint8_t key);
/* The key is where this connection leads. */
bool send_is_here(const struct redis *r, uint8_t key);
void send_release(struct redis *r); /* tells the shipper of those that are done */

/* ---- redis_tell.c ------------------------------------------------------------------------------ */

/* Something is wrong until it is right again: told when it was not already. */
void tell_problem(
	struct redis *r, const char *event, enum level level, bool is_writing, const char *sentence);
/* Once, whatever else is wrong. */
void tell_news(struct redis *r, const char *event, enum level level, const char *sentence);
void tell_right(struct redis *r);
/* An answer that is an error: does what the table says. p: of what command. False: the connection is given
 * up. */
bool tell_refused(struct redis *r, const struct pending *p, const redisReply *error);
bool tell_refusal(struct redis *r, const struct pending *p, const struct refusal *f);
void tell_second(struct redis *r, uint8_t key); /* a second producer, once for a connection */

/* ---- redis_watch.c ----------------------------------------------------------------------------- */

void watch_due(struct redis *r);
void watch_answer(struct redis *r, const struct pending *p, const redisReply *reply);

/* ---- redis_find.c ------------------------------------------------------------------------------ */

void find_connect(struct redis *r);
/* The server cannot be reached, or is not the master: another one. */
void find_next(struct redis *r);
/* MOVED or ASK, which one of our commands on that key got; false: not followed, and why was told. */
bool find_redirect(struct redis *r, uint8_t key, const redisReply *error);
/* Nothing can be sent here, but there: goes to the other place, or back. */
void find_other(struct redis *r);
/* "host:port" or host and port as servers say them. False: neither an endpoint nor a literal address. */
bool find_place(const struct redis *r, struct bytes host, struct bytes port, struct place *out);
/* The name for the certificate. */
const char *find_name(const struct redis *r, const struct place *p);

/* ---- redis_sentinel.c: asks sentinels, and hears from one when the master changes --------------- */

struct sentinel *sentinel_new(struct redis *r);
void sentinel_free(struct sentinel *s);
/* Asks for the master; then r->home is set and PHASE_CONNECT begun. */
void sentinel_ask(struct redis *r);
uint64_t sentinel_serve(struct redis *r);
size_t sentinel_fds(const struct redis *r, struct pollfd *fd);

/* ---- redis.c ----------------------------------------------------------------------------------- */

/* Gives the connection up: all that was under way is uncertain. wait_ns 0: as long as the backoff says. */
void redis_rest(struct redis *r, uint64_t wait_ns);
void redis_move(struct redis *r); /* gives it up for another that is connected to at once */
void redis_up(struct redis *r);
void redis_pause(struct redis *r); /* keeps it, and sends nothing for as long as the backoff says */
bool redis_is_paused(const struct redis *r);
/* The server answers a command as Redis does not: told, and the connection given up. */
void redis_protocol(struct redis *r, const char *command);
void redis_went_well(struct redis *r); /* the backoff begins anew */
void redis_connect(struct redis *r, const struct place *p);

#endif
