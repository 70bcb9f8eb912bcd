#include "run/redis_impl.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS ((uint64_t)1000000)
#define S  ((uint64_t)1000000000)

void redis_default(struct redis_setup *s)
{
	*s = (struct redis_setup){ .key = "wardwatch:{%SENSOR%}:%CLASS%",
		.sensor = "wardwatch",
		.field = "body",
		.extra_fields = true,
		.trim_entries = 1000000,
		.max_entries = 256,
		.max_bytes = 1 << 20,
		.in_flight = 4,
		.max_event_bytes = 256 << 10,
		.max_delay_ns = 50 * MS,
		.connect_ns = 3 * S,
		.reply_ns = 5 * S,
		.idle_ping_ns = 15 * S,
		.backoff_first_ns = 100 * MS,
		.backoff_most_ns = 30 * S,
		.backoff_factor = 2,
		.backoff_jitter = 0.3,
		.stopped_ns = 300 * S,
		.wait_ms = 500,
		.watch_ns = 30 * S,
		.retention_ms = 24 * 3600 * 1000ULL };
}

bool redis_endpoints(const struct redis_setup *s, struct broker_endpoint out[BROKER_ENDPOINTS], size_t *n)
{
	size_t sentinels = s->sentinel.master && *s->sentinel.master ? s->sentinel.n_servers : 0;
	*n = s->n_servers + sentinels;
	if (*n > BROKER_ENDPOINTS)
		return false;
	for (size_t i = 0; i < *n; i++)
		out[i] = i < s->n_servers ? s->servers[i] : s->sentinel.servers[i - s->n_servers];
	return true;
}

/* ---- made, checked ---------------------------------------------------------------------------------- */

static bool is_near(const struct broker_endpoint *e)
{
	struct addr a;
	return e->path || strcmp(e->host, "localhost") == 0 ||
	       (addr_parse(bytes_str(e->host), &a) && addr_is_loopback(&a));
}

static void check_clear(const struct redis_setup *s, const struct tls *tls, const struct broker_endpoint *e,
	size_t n, struct diag *d)
{
	for (size_t i = 0; i < n && !tls && !s->clear_is_forced; i++)
		if (!is_near(&e[i]))
			diag_add(d, DIAG_ERROR, "-", 0, 0, "",
				"output.redis: alerts go to %s over TLS alone (rediss://), unless "
				"output.redis.allow_plaintext is true",
				e[i].host);
}

static void check(const struct redis_setup *s, struct diag *d)
{
	bool has_sentinel = s->sentinel.master && *s->sentinel.master;
	check_clear(s, s->tls, s->servers, s->n_servers, d);
	if (has_sentinel)
		check_clear(s, s->sentinel.tls, s->sentinel.servers, s->sentinel.n_servers, d);
	if (!s->n_servers && !has_sentinel)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "output.redis.servers names no server");
	if (has_sentinel && !s->sentinel.n_servers)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "output.redis.sentinel.servers names no sentinel");
	if (!s->key || !*s->key || (s->mode == REDIS_STREAM && (!s->field || !*s->field)))
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "output.redis: key and field have to be named");
	if (!s->max_entries || s->max_entries > 256 || !s->in_flight || s->in_flight > 64 || !s->max_bytes)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "",
			"output.redis.batch: max_entries is 1 to 256, in_flight 1 to 64, max_bytes more than "
			"0");
	if (s->backoff_factor < 1 || s->backoff_jitter < 0 || s->backoff_jitter >= 1 ||
		!s->backoff_first_ns || s->backoff_most_ns < s->backoff_first_ns)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "",
			"output.redis.backoff: factor is 1 or more, jitter 0 to less than 1, max not less "
			"than "
			"initial");
}

/* The template with the class and the sensor's name in it; false: too long. */
static bool make_key(const struct redis_setup *s, const char *class, char out[REDIS_KEY_TEXT])
{
	struct bytes t = bytes_str(s->key);
	struct bytes sensor = bytes_str(s->sensor ? s->sensor : "");
	size_t n = 0;
	while (t.n && n < REDIS_KEY_TEXT) {
		struct bytes part = bytes_first(t, 1);
		size_t taken = 1;
		if (bytes_starts(t, "%CLASS%")) {
			part = bytes_str(class);
			taken = 7;
		} else if (bytes_starts(t, "%SENSOR%")) {
			part = sensor;
			taken = 8;
		}
		if (part.n >= REDIS_KEY_TEXT - n)
			return false;
		n += bytes_copy(out + n, REDIS_KEY_TEXT - n, part);
		t = bytes_from(t, taken);
	}
	out[n] = 0;
	return true;
}

static void make_keys(struct redis *r, struct diag *d)
{
	static const char *const classes[OUTBOX_CLASSES] = { "alert", "asset", "health" };
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++) {
		uint8_t k = 0;
		char name[REDIS_KEY_TEXT];
		if (!make_key(&r->s, classes[c], name)) {
			diag_add(d, DIAG_ERROR, "-", 0, 0, "",
				"output.redis.key makes a key of more than %d bytes", REDIS_KEY_TEXT - 1);
			return;
		}
		while (k < r->n_keys && strcmp(r->keys[k].name, name) != 0)
			k++;
		if (k == r->n_keys)
			memcpy(r->keys[r->n_keys++].name, name, sizeof name);
		r->key_of[c] = k;
	}
}

static void redis_free(struct delivery *d)
{
	struct redis *r = (struct redis *)d;
	connection_free(r->connection);
	reply_reader_free(r->reader);
	window_free(&r->window);
	sentinel_free(r->sentinel);
	free(r->pending);
	free(r->history);
	free(r);
}

static bool make_parts(struct redis *r)
{
	const struct redis_setup *s = &r->s;
	uint32_t records = (uint32_t)(s->max_entries * s->in_flight);
	struct connection_setup c = { .broker = r->broker,
		.tls = s->tls,
		.connect_ns = s->connect_ns,
		.user_timeout_ms = (uint32_t)(2 * s->reply_ns / MS),
		/* A batch at its largest, and a record that is larger than all a batch may be. */
		.out_most = s->max_bytes * 2 + s->max_event_bytes * 2 + 1024 * s->max_entries,
		.in_most = 65536 };
	r->pending_cap = 2 * records + REDIS_COMMANDS_MORE;
	r->pending = calloc(r->pending_cap, sizeof *r->pending);
	r->history = calloc(REDIS_HISTORY, sizeof *r->history);
	r->connection = connection_new(&c);
	/* XINFO STREAM gives the first and the last entry whole. */
	r->reader = reply_reader_new(2 * s->max_event_bytes + 65536);
	if (s->sentinel.master && *s->sentinel.master && !(r->sentinel = sentinel_new(r)))
		return false;
	return window_init(&r->window, records) && r->pending && r->history && r->connection && r->reader;
}

static size_t room(const struct delivery *d)
{
	const struct redis *r = (const struct redis *)d;
	size_t most = r->s.max_bytes * r->s.in_flight;
	if (r->phase != PHASE_UP || redis_is_paused(r) || r->window.bytes >= most)
		return 0;
	/* Documents have a few KiB: by their number it is a bound that is kept more or less. */
	size_t by_bytes = (most - r->window.bytes) / 4096 + 1, by_slots = r->window.cap - r->window.n;
	return by_bytes < by_slots ? by_bytes : by_slots;
}

static void offer(struct delivery *d, const struct outbox_record *record, bool was_offered, uint64_t now_ns)
{
	struct redis *r = (struct redis *)d;
	struct bytes body = r->s.format ? r->s.format(r->s.format_arg, record) : record->document;
	uint8_t key = r->key_of[record->class];
	const struct key *k = &r->keys[key];
	bool is_stream = r->s.mode == REDIS_STREAM;
	ASSERT(r->window.n < r->window.cap);
	bool is_old = is_stream && id_cmp(record->stream_id, k->top) <= 0;
	/* Above the last id it cannot be there, but that commands of a connection before are still to be
	 * carried out: then the id is refused, and can be looked up if that is permitted. */
	bool is_uncertain = is_stream && was_offered && (is_old || r->may_not_read);
	struct slot *s = window_add(&r->window, record, key, body, is_uncertain);
	ASSERT(s);
	s->is_loose = was_offered;
	s->offered_ns = now_ns;
	if (body.n == 0 || body.n > r->s.max_event_bytes) {
		window_take_out(&r->window, s);
		s->state = SLOT_DONE;
	}
	if (body.n > r->s.max_event_bytes) {
		d->figures.errors++;
		tell_news(r, "redis_too_large", LEVEL_HIGH,
			"a document larger than max_event_bytes was left out of Redis");
	}
	if (is_stream && !was_offered && id_cmp(record->stream_id, k->found) <= 0 && !r->is_behind_told) {
		r->is_behind_told = true;
		tell_news(r, "redis_ids_behind", LEVEL_MEDIUM,
			"the stream in Redis is ahead of this sensor's numbers (its state was restored, its "
			"clock "
			"moved, or another producer writes there): new ones are taken");
	}
}

static size_t fds(const struct delivery *d, struct pollfd *out)
{
	const struct redis *r = (const struct redis *)d;
	size_t n = connection_fds(r->connection, out);
	if (r->sentinel)
		n += sentinel_fds(r, out + n);
	return n;
}

static uint64_t serve(struct delivery *d, uint64_t now_ns, uint64_t wall_ms);

struct delivery *redis_new(
	const struct redis_setup *s, struct broker *b, const struct delivery_hooks *h, struct diag *d)
{
	size_t errors = d->errors;
	struct redis *r = calloc(1, sizeof *r);
	check(s, d);
	if (!r || d->errors != errors) {
		free(r);
		return NULL;
	}
	r->d = (struct delivery){ .name = "redis",
		.hooks = *h,
		.figures = { .lag = -1 },
		.room = room,
		.offer = offer,
		.fds = fds,
		.serve = serve,
		.free = redis_free };
	r->s = *s;
	r->broker = b;
	r->random = s->seed;
	/* Sentinel and Cluster are two ways to the same: with the one there is none of the other. */
	r->s.is_cluster = s->is_cluster && !(s->sentinel.master && *s->sentinel.master);
	r->trims = true;
	r->backoff_ns = s->backoff_first_ns;
	make_keys(r, d);
	if (d->errors == errors && make_parts(r))
		return &r->d;
	if (d->errors == errors)
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "output.redis: not enough memory for its buffers");
	redis_free(&r->d);
	return NULL;
}

/* ---- phases ------------------------------------------------------------------------------------------ */

/* Some more, some less, so that many sensors do not come back together. */
static uint64_t jittered(struct redis *r, uint64_t ns)
{
	r->random = r->random * 6364136223846793005u + 1442695040888963407u;
	double part = (double)(r->random >> 11) / 9007199254740992.0 * 2 - 1; /* -1 to 1 */
	return (uint64_t)((double)ns * (1 + part * r->s.backoff_jitter));
}

static uint64_t next_backoff(struct redis *r)
{
	uint64_t ns = jittered(r, r->backoff_ns);
	double longer = (double)r->backoff_ns * r->s.backoff_factor;
	r->backoff_ns = longer < (double)r->s.backoff_most_ns ? (uint64_t)longer : r->s.backoff_most_ns;
	return ns;
}

void redis_went_well(struct redis *r)
{
	r->backoff_ns = r->s.backoff_first_ns;
}

bool redis_is_paused(const struct redis *r)
{
	return r->again_ns > r->now_ns;
}

void redis_pause(struct redis *r)
{
	if (!redis_is_paused(r)) /* one answer of a batch, and those to the rest */
		r->again_ns = r->now_ns + next_backoff(r);
}

void redis_move(struct redis *r)
{
	r->d.figures.reconnects += r->phase == PHASE_UP;
	connection_close(r->connection);
	r->phase = PHASE_REST;
	r->again_ns = r->now_ns;
	r->d.figures.is_connected = false;
	command_forget(r);
}

void redis_rest(struct redis *r, uint64_t wait_ns)
{
	redis_move(r);
	r->again_ns = r->now_ns + (wait_ns ? jittered(r, wait_ns) : next_backoff(r));
	r->is_asking = false;
	r->other.is_known = false;
	for (uint8_t i = 0; i < r->n_keys; i++)
		r->keys[i].is_away = false;
}

void redis_connect(struct redis *r, const struct place *p)
{
	char name[REDIS_NAME_TEXT], text[DELIVERY_TEXT];
	const char *colon = strrchr(p->name, ':');
	bool is_learned = p->address.family != 0;
	r->phase = PHASE_CONNECT;
	snprintf(name, sizeof name, "%s", find_name(r, p));
	if (r->s.tls && is_learned && colon && strcmp(name, p->name) == 0)
		name[colon - p->name] = 0;
	if (is_learned && !r->s.tls && !r->s.clear_is_forced && !addr_is_loopback(&p->address)) {
		snprintf(text, sizeof text,
			"%.100s is named by a server, and alerts go there over TLS alone (rediss://)",
			p->name);
		tell_problem(r, "redis_cluster", LEVEL_HIGH, false, text);
		find_next(r);
		redis_rest(r, r->s.backoff_most_ns);
		return;
	}
	if (is_learned)
		connection_open_address(r->connection, &p->address, p->port, name, r->now_ns);
	else
		connection_open(r->connection, p->endpoint, name, r->now_ns);
}

void redis_up(struct redis *r)
{
	r->phase = PHASE_UP;
	r->d.figures.is_connected = true;
	r->is_second_told = false;
	r->is_settling = false;
	/* Where nothing waits to be sent there is no acknowledgement to see that it is well. */
	if (r->window.n == 0 && !r->problem_is_writing)
		tell_right(r);
}

void redis_protocol(struct redis *r, const char *command)
{
	char text[DELIVERY_TEXT];
	if (command)
		snprintf(text, sizeof text,
			"%.100s answers %s as Redis does not: is there a Redis at this port?",
			connection_name(r->connection), command);
	else
		snprintf(text, sizeof text,
			"%.100s sends what is no answer of Redis, or one that is too large: is there a Redis "
			"at this "
			"port?",
			connection_name(r->connection));
	tell_problem(r, "redis_protocol", LEVEL_HIGH, false, text);
	redis_rest(r, 0);
}

static void lost(struct redis *r)
{
	char text[CONNECTION_TEXT];
	snprintf(text, sizeof text, "%s", connection_reason(r->connection));
	tell_problem(r, "redis_unreachable", LEVEL_HIGH, false, text);
	if (r->phase == PHASE_CONNECT)
		find_next(r);
	redis_rest(r, 0);
}

static void silent(struct redis *r)
{
	char text[DELIVERY_TEXT];
	snprintf(text, sizeof text, "%.100s does not answer %s in time: see its load and its log",
		connection_name(r->connection), command_name(r->pending[r->pending_head].command));
	tell_problem(r, "redis_timeout", LEVEL_HIGH, false, text);
	redis_rest(r, 0);
}

/* ---- time -------------------------------------------------------------------------------------------- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void open_now(struct redis *r)
{
	if (r->phase == PHASE_REST && !redis_is_paused(r))
		find_connect(r);
}

static void serve_up(struct redis *r)
{
	if (r->phase == PHASE_HELLO && r->pending_n == 0 && !redis_is_paused(r))
		hello_again(r);
	if (r->phase != PHASE_UP)
		return;
	send_due(r);
	if (r->phase != PHASE_UP)
		return;
	watch_due(r);
	if (r->pending_n == 0 && r->now_ns - r->said_ns >= r->s.idle_ping_ns)
		command_words(r, COMMAND_PING, 0, (const char *const[]){ "PING" }, 1);
	if (r->window.n == 0 && r->pending_n == 0 && r->problem_event && !r->problem_is_writing &&
		!redis_is_paused(r))
		tell_right(r);
}

/* One round: what came, what follows, what goes out. */
static uint64_t turn(struct redis *r)
{
	open_now(r);
	uint64_t next = connection_serve(r->connection, r->now_ns);
	if (r->phase == PHASE_CONNECT && connection_state(r->connection) == CONNECTION_OPEN) {
		r->said_ns = r->heard_ns = r->now_ns;
		r->watched_ns = r->now_ns - r->s.watch_ns / 2;
		if (reply_reader_reset(r->reader))
			hello_begin(r);
		else
			redis_rest(r, 0);
	} else if (r->phase >= PHASE_HELLO) {
		command_answers(r);
	}
	if (r->phase >= PHASE_CONNECT && connection_state(r->connection) == CONNECTION_FAILED)
		lost(r);
	if (r->phase >= PHASE_HELLO)
		serve_up(r);
	if (r->phase >= PHASE_HELLO && r->now_ns >= command_deadline(r))
		silent(r);
	return next;
}

static uint64_t wake(const struct redis *r)
{
	uint64_t next = command_deadline(r);
	if (r->phase == PHASE_REST)
		return r->again_ns;
	if (r->phase == PHASE_HELLO && redis_is_paused(r))
		return sooner(next, r->again_ns);
	if (r->phase != PHASE_UP)
		return next;
	next = sooner(next, send_next_ns(r));
	if (redis_is_paused(r))
		return next;
	if (r->pending_n == 0)
		next = sooner(next, r->said_ns + r->s.idle_ping_ns);
	return r->s.mode == REDIS_STREAM ? sooner(next, r->watched_ns + r->s.watch_ns) : next;
}

static uint64_t serve(struct delivery *d, uint64_t now_ns, uint64_t wall_ms)
{
	enum { TURNS = 16 };
	struct redis *r = (struct redis *)d;
	uint64_t next = UINT64_MAX;
	r->now_ns = now_ns;
	r->wall_ms = wall_ms;
	for (int i = 0; i < TURNS; i++) {
		enum redis_phase phase = r->phase;
		uint64_t sentinel = r->sentinel ? sentinel_serve(r) : UINT64_MAX;
		next = sooner(turn(r), sentinel);
		/* What a turn has written goes out in the next one. */
		bool is_idle =
			connection_unsent(r->connection) == 0 && connection_input(r->connection).n == 0;
		if (phase == r->phase && (is_idle || i > 1))
			break;
	}
	send_release(r);
	return sooner(next, wake(r));
}
