/* Sentinel: asked for the master's address before each connection; then one of them is listened to, which
 * says when another server becomes the master. */
#include "run/redis_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum sentinel_state { SENTINEL_REST, SENTINEL_CONNECT, SENTINEL_AUTH, SENTINEL_ASKED, SENTINEL_LISTENING };

enum { SENTINEL_REPLY = 65536 };

struct sentinel {
	const struct redis_sentinel *s;
	struct connection *connection;
	struct reply_reader *reader;
	enum sentinel_state state;
	size_t server, tried; /* tried: in this search */
	uint64_t again_ns, deadline_ns;
};

struct sentinel *sentinel_new(struct redis *r)
{
	struct sentinel *s = calloc(1, sizeof *s);
	struct connection_setup c = { .broker = r->broker,
		.tls = r->s.sentinel.tls,
		.connect_ns = r->s.connect_ns,
		.out_most = 4096,
		.in_most = 16384 };
	if (!s)
		return NULL;
	*s = (struct sentinel){ .s = &r->s.sentinel,
		.connection = connection_new(&c),
		.reader = reply_reader_new(SENTINEL_REPLY) };
	if (s->connection && s->reader)
		return s;
	sentinel_free(s);
	return NULL;
}

void sentinel_free(struct sentinel *s)
{
	if (!s)
		return;
	connection_free(s->connection);
	reply_reader_free(s->reader);
	free(s);
}

static void open_next(struct redis *r)
{
	struct sentinel *s = r->sentinel;
	const struct broker_endpoint *e = &s->s->servers[s->server];
	bool has_name = s->s->tls && s->s->server_name && *s->s->server_name;
	connection_close(s->connection);
	connection_open(s->connection, r->s.n_servers + s->server,
		has_name  ? s->s->server_name
		: e->path ? e->path
			  : e->host,
		r->now_ns);
	if (!reply_reader_reset(s->reader))
		connection_fail(s->connection, "no memory");
	s->state = SENTINEL_CONNECT;
}

void sentinel_ask(struct redis *r)
{
	r->phase = PHASE_FIND;
	r->sentinel->tried = 0;
	open_next(r);
}

static void send_words(struct redis *r, const char *const *words, size_t n)
{
	struct sentinel *s = r->sentinel;
	const char *p[4];
	size_t sizes[4];
	char *text = NULL;
	for (size_t i = 0; i < n; i++) {
		p[i] = words[i];
		sizes[i] = strlen(words[i]);
	}
	int size = redisFormatCommandArgv(&text, (int)n, p, sizes);
	if (size <= 0 || !connection_write(s->connection, bytes_of(text, (size_t)size)))
		connection_fail(s->connection, "a sentinel takes no question");
	if (size > 0)
		explicit_bzero(text, (size_t)size);
	redisFreeCommand(text);
	s->deadline_ns = r->now_ns + r->s.reply_ns;
}

/* Not this one; the next, and when none knew, later. */
static void failed(struct redis *r, const char *why)
{
	struct sentinel *s = r->sentinel;
	char text[DELIVERY_TEXT];
	snprintf(text, sizeof text, "no sentinel tells where the master is: %.180s", why);
	connection_close(s->connection);
	s->server = (s->server + 1) % s->s->n_servers;
	s->state = SENTINEL_REST;
	s->again_ns = r->now_ns + r->s.backoff_most_ns;
	if (r->phase != PHASE_FIND)
		return;
	if (++s->tried < s->s->n_servers) {
		open_next(r);
		return;
	}
	tell_problem(r, "redis_sentinel", LEVEL_HIGH, false, text);
	redis_rest(r, 0);
}

static void ask(struct redis *r)
{
	struct sentinel *s = r->sentinel;
	s->state = SENTINEL_ASKED;
	send_words(r, (const char *const[]){ "SENTINEL", "GET-MASTER-ADDR-BY-NAME", s->s->master }, 3);
}

static void greet(struct redis *r)
{
	struct sentinel *s = r->sentinel;
	char password[512], why[CONNECTION_TEXT];
	const char *words[3] = { "AUTH" };
	size_t n = 1;
	if (!s->s->password_file || !*s->s->password_file) {
		ask(r);
		return;
	}
	s->state = SENTINEL_AUTH;
	if (hello_password(s->s->password_file, password, sizeof password, why, sizeof why)) {
		if (s->s->user && *s->s->user)
			words[n++] = s->s->user;
		words[n++] = password;
		send_words(r, words, n);
	} else {
		failed(r, why);
	}
	explicit_bzero(password, sizeof password);
}

static void take_address(struct redis *r, const redisReply *reply)
{
	struct sentinel *s = r->sentinel;
	struct place master;
	if (!find_place(r, reply_text(reply_at(reply, 0)), reply_text(reply_at(reply, 1)), &master)) {
		failed(r, "what it says is no literal address and none of output.redis.servers, or it knows "
			  "no master of "
			  "that name (sentinel.master)");
		return;
	}
	send_words(r, (const char *const[]){ "SUBSCRIBE", "+switch-master" }, 2);
	s->state = SENTINEL_LISTENING;
	if (r->phase == PHASE_FIND) {
		r->home = master;
		redis_connect(r, &r->home);
	} else if (strcmp(master.name, r->home.name) != 0) {
		redis_move(r); /* it has changed while nobody listened */
	}
}

/* ["message", "+switch-master", "NAME old-address old-port new-address new-port"] */
static void take_message(struct redis *r, const redisReply *reply)
{
	struct cur c = cur_of(reply_text(reply_at(reply, 2)));
	if (bytes_is(reply_text(reply_at(reply, 0)), "message") &&
		bytes_is(cur_until(&c, ' '), r->sentinel->s->master) && r->phase >= PHASE_CONNECT)
		redis_move(r);
}

static void take_reply(struct redis *r, const redisReply *reply)
{
	switch (r->sentinel->state) {
	case SENTINEL_AUTH:
		if (reply_is_status(reply, "OK"))
			ask(r);
		else
			failed(r, "it refuses the password in sentinel.auth");
		break;
	case SENTINEL_ASKED:
		if (reply_is_error(reply))
			failed(r, refusal_of(reply)->action == REFUSAL_REST
					  ? "it wants a user and password that may ask it: see sentinel.auth"
					  : "it answers as no sentinel: see sentinel.servers");
		else
			take_address(r, reply);
		break;
	default:
		take_message(r, reply);
	}
}

static void serve_open(struct redis *r)
{
	struct sentinel *s = r->sentinel;
	struct bytes in = connection_input(s->connection);
	size_t all = in.n;
	enum reply_result result = REPLY_MORE;
	redisReply *reply = NULL;
	enum sentinel_state state = s->state;
	if (s->state == SENTINEL_CONNECT) {
		greet(r);
		return;
	}
	while ((result = reply_read(s->reader, &in, &reply)) == REPLY_WHOLE) {
		take_reply(r, reply);
		freeReplyObject(reply);
		if (s->state < state)
			return; /* closed, its input gone */
		state = s->state;
	}
	connection_eat(s->connection, all - in.n);
	if (result == REPLY_BROKEN)
		failed(r, "it answers as no sentinel: see sentinel.servers");
	else if ((state == SENTINEL_ASKED || state == SENTINEL_AUTH) && r->now_ns >= s->deadline_ns)
		failed(r, "it does not answer");
}

uint64_t sentinel_serve(struct redis *r)
{
	struct sentinel *s = r->sentinel;
	char why[CONNECTION_TEXT];
	if (s->state == SENTINEL_REST) {
		if (r->phase != PHASE_UP)
			return UINT64_MAX;
		if (r->now_ns < s->again_ns)
			return s->again_ns;
		open_next(r);
	}
	uint64_t next = UINT64_MAX;
	for (int i = 0; i < 4 && s->state != SENTINEL_REST; i++) {
		next = connection_serve(s->connection, r->now_ns);
		if (connection_state(s->connection) == CONNECTION_OPEN) {
			serve_open(r);
		} else if (connection_state(s->connection) == CONNECTION_FAILED) {
			snprintf(why, sizeof why, "%s", connection_reason(s->connection));
			failed(r, why);
		}
	}
	if (s->state == SENTINEL_ASKED || s->state == SENTINEL_AUTH)
		return s->deadline_ns < next ? s->deadline_ns : next;
	return s->state == SENTINEL_REST ? s->again_ns : next;
}

size_t sentinel_fds(const struct redis *r, struct pollfd *fd)
{
	return connection_fds(r->sentinel->connection, fd);
}
