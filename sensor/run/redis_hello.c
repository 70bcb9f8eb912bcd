/* The first words on a connection, one command at a time: who we are, whether it is a master, and how far our
 * streams are. */
#include "run/redis_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	STEP_AUTH,
	STEP_SETNAME,
	STEP_SELECT,
	STEP_ROLE,
	STEP_MAY_READ,
	STEP_MULTI, /* where it may not: whether it can do without */
	STEP_EXEC,
	STEP_TOP, /* of the first key, then of the others */
};

bool hello_password(const char *path, char *out, size_t cap, char *why, size_t why_cap)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		snprintf(why, why_cap, "the password file %s cannot be read: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	ssize_t n = -1;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		snprintf(why, why_cap, "the password file %s can be read by others: chmod 0600 it", path);
	else if ((n = read(fd, out, cap)) <= 0 || (size_t)n == cap)
		snprintf(why, why_cap,
			"the password file %s holds no password, or one of more than %zu bytes", path,
			cap - 1);
	close(fd);
	if (n <= 0 || (size_t)n == cap)
		return false;
	while (n && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	out[n] = 0;
	return true;
}

/* False: no password to be had, told. */
static bool send_auth(struct redis *r)
{
	char password[512], why[CONNECTION_TEXT];
	const char *words[3] = { "AUTH" };
	size_t n = 1;
	if (!hello_password(r->s.password_file, password, sizeof password, why, sizeof why)) {
		explicit_bzero(password, sizeof password);
		tell_problem(r, "redis_auth", LEVEL_HIGH, false, why);
		redis_rest(r, r->s.backoff_most_ns);
		return false;
	}
	if (r->s.user && *r->s.user)
		words[n++] = r->s.user;
	words[n++] = password;
	command_words(r, COMMAND_AUTH, 0, words, n);
	explicit_bzero(password, sizeof password);
	return true;
}

/* CLIENT SETNAME takes no blanks, and nothing but printable ASCII. */
static void send_name(struct redis *r)
{
	char name[80];
	snprintf(name, sizeof name, "wardwatch-%s", r->s.sensor ? r->s.sensor : "");
	for (char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '_';
	command_words(r, COMMAND_SETNAME, 0, (const char *const[]){ "CLIENT", "SETNAME", name }, 3);
}

/* The next step that there is to take; after the last one records may go. */
static void step(struct redis *r)
{
	char number[16];
	bool streams = r->s.mode == REDIS_STREAM;
	uint8_t key = r->hello >= STEP_TOP ? (uint8_t)(r->hello - STEP_TOP) : 0;
	while (r->hello >= STEP_TOP && key < r->n_keys && !send_is_here(r, key)) {
		r->hello++;
		key++;
	}
	if (r->hello == STEP_AUTH && r->s.password_file && *r->s.password_file) {
		send_auth(r);
	} else if (r->hello <= STEP_SETNAME) {
		r->hello = STEP_SETNAME;
		send_name(r);
	} else if (r->hello == STEP_SELECT && r->s.database) {
		snprintf(number, sizeof number, "%u", r->s.database);
		command_words(r, COMMAND_SELECT, 0, (const char *const[]){ "SELECT", number }, 2);
	} else if (r->hello <= STEP_ROLE) {
		r->hello = STEP_ROLE;
		command_words(r, COMMAND_ROLE, 0, (const char *const[]){ "ROLE" }, 1);
	} else if (r->hello == STEP_MAY_READ && streams) {
		uint8_t first = 0;
		while (first + 1 < r->n_keys && !send_is_here(r, first))
			first++;
		command_words(r, COMMAND_MAY_READ, first,
			(const char *const[]){ "XRANGE", r->keys[first].name, "0-1", "0-1" }, 4);
	} else if (r->hello <= STEP_MULTI && r->may_not_read) {
		r->hello = STEP_MULTI;
		command_words(r, COMMAND_MULTI, 0, (const char *const[]){ "MULTI" }, 1);
	} else if (r->hello == STEP_EXEC && r->may_not_read) {
		command_words(r, COMMAND_EXEC, 0, (const char *const[]){ "EXEC" }, 1);
	} else if (r->hello < STEP_TOP) {
		r->hello = STEP_TOP;
		step(r);
	} else if (streams && key < r->n_keys) {
		send_top(r, key);
	} else {
		redis_up(r);
	}
}

void hello_begin(struct redis *r)
{
	r->hello = STEP_AUTH;
	r->may_not_read = false;
	r->phase = PHASE_HELLO;
	step(r);
}

void hello_again(struct redis *r)
{
	step(r);
}

/* Where to begin again when this stream has lost entries: at its first that is missing, or earlier where
 * other streams, which will have lost theirs with it, have what is remembered (what is still there is found
 * when it is looked up), or what is under way. 0: further back than is remembered. */
static uint64_t first_to_repeat(const struct redis *r, uint8_t key)
{
	uint64_t first = UINT64_MAX;
	bool is_covered = false; /* some of what is still there is remembered: then all that is not there */
	for (uint32_t i = 0; i < r->history_n; i++) {
		const struct acked *a = &r->history[i];
		if (a->key == key && id_cmp(a->id, r->keys[key].top) <= 0)
			is_covered = true;
		else if (a->number < first)
			first = a->number;
	}
	if (!is_covered || first == UINT64_MAX)
		return 0;
	uint64_t under_way = r->window.n ? window_at(&r->window, r->window.head)->number : first;
	return under_way < first ? under_way : first;
}

/* The server has lost what it had acknowledged: it is offered again. True: so it is. */
static bool find_loss(struct redis *r, uint8_t key)
{
	struct key *k = &r->keys[key];
	if (id_cmp(k->top, k->acked) >= 0)
		return false;
	uint64_t first = first_to_repeat(r, key);
	char text[DELIVERY_TEXT];
	snprintf(text, sizeof text,
		"%.100s has lost entries of a stream that it had acknowledged (a failover, or a crash "
		"without "
		"appendfsync always): what the sensor still has is sent again",
		connection_name(r->connection));
	tell_news(r, "redis_data_lost", LEVEL_HIGH, text);
	for (uint8_t i = 0; i < r->n_keys; i++)
		r->keys[i].acked = r->keys[i].largest = (struct outbox_id){ 0 };
	r->history_n = r->history_at = 0;
	window_clear(&r->window);
	r->d.hooks.rewind(r->d.hooks.arg, first ? first - 1 : 0);
	return true;
}

static void learn_top(struct redis *r, uint8_t key, struct outbox_id top)
{
	struct key *k = &r->keys[key];
	struct outbox_id none = { 0 };
	k->top = k->sent = top;
	if (!k->is_found)
		k->found = top;
	k->is_found = true;
	k->is_stale = false;
	if (find_loss(r, key))
		return;
	if (id_cmp(k->largest, none) > 0 && id_cmp(top, k->largest) > 0)
		tell_second(r, key);
	if (id_cmp(top, k->largest) > 0)
		r->d.hooks.above(r->d.hooks.arg, top);
}

/* MASTER or not; a sentinel's answer to ROLE would be "sentinel". */
static void take_role(struct redis *r, const redisReply *reply)
{
	struct bytes role = reply_text(reply_at(reply, 0));
	char text[DELIVERY_TEXT];
	if (bytes_is(role, "master"))
		return;
	snprintf(text, sizeof text,
		"%.100s is no master: output.redis.servers has to name it, or output.redis.sentinel those "
		"who "
		"know it",
		connection_name(r->connection));
	tell_problem(r, "redis_read_only", LEVEL_HIGH, false, text);
	find_next(r);
	redis_rest(r, 0);
}

static bool is_no_permission(const redisReply *reply)
{
	return reply_is_error(reply) && strcmp(refusal_of(reply)->prefix, "NOPERM") == 0;
}

/* Neither may it read back nor send in transactions: the first is what it should get. */
static void refuse_both(struct redis *r, const redisReply *error)
{
	uint8_t first = 0;
	while (first + 1 < r->n_keys && !send_is_here(r, first))
		first++;
	tell_refused(r, &(struct pending){ .command = COMMAND_MAY_READ, .key = first }, error);
}

static void take_top(struct redis *r, const struct pending *p, const redisReply *reply)
{
	struct outbox_id top = { 0 };
	if (reply_is_error(reply) && refusal_of(reply)->action != REFUSAL_NO_KEY)
		tell_refused(r, p, reply);
	else if (!reply_is_error(reply) && !reply_id(reply_named(reply, "last-generated-id"), &top))
		redis_protocol(r, "XINFO STREAM");
	else
		learn_top(r, p->key, top);
}

void hello_answer(struct redis *r, const struct pending *p, const redisReply *reply)
{
	bool is_error = reply_is_error(reply);
	switch (p->command) {
	case COMMAND_ASKING:
		return;
	case COMMAND_SETNAME: /* a courtesy: not known, or not permitted, it is none of our needs */
		if (is_error && !is_no_permission(reply) && refusal_of(reply)->action != REFUSAL_OPTION)
			tell_refused(r, p, reply);
		break;
	case COMMAND_MAY_READ:
		r->may_not_read = is_no_permission(reply);
		if (is_error && !r->may_not_read)
			tell_refused(r, p, reply);
		else if (!is_error && reply->type != REDIS_REPLY_ARRAY)
			redis_protocol(r, "XRANGE");
		break;
	case COMMAND_EXEC:
		if (is_error)
			refuse_both(r, reply);
		else if (reply->type != REDIS_REPLY_ARRAY)
			redis_protocol(r, "EXEC");
		break;
	case COMMAND_TOP:
		take_top(r, p, reply);
		break;
	case COMMAND_ROLE:
		if (is_error)
			tell_refused(r, p, reply);
		else if (reply->type != REDIS_REPLY_ARRAY)
			redis_protocol(r, "ROLE");
		else
			take_role(r, reply);
		break;
	default:
		if (is_error && p->command == COMMAND_MULTI)
			refuse_both(r, reply);
		else if (is_error)
			tell_refused(r, p, reply);
		else if (!reply_is_status(reply, "OK"))
			redis_protocol(r, command_name(p->command));
	}
	if (r->phase != PHASE_HELLO)
		return;
	/* LOADING and its like: the same step again later (redis.c). */
	if (redis_is_paused(r))
		return;
	r->hello++;
	step(r);
}
