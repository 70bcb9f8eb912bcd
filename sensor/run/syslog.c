#include "run/syslog.h"

#include "base/addr.h"
#include "base/json_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BATCH = 256 << 10, /* bytes handed to the connection at once */
	LENGTH = 16,       /* of the octet count */
	AT_ONCE = 512,     /* records */
	ASK_NS = 1000000,  /* between looks at what was acknowledged: at first, and at most */
	ASK_MOST_NS = 32000000,
};

/* A connection that was open for so long did work. */
#define CALM_NS   UINT64_C(10000000000)

#define MARK_NONE UINT64_MAX

/* A message under way. */
struct slot {
	uint64_t number;
	uint8_t *frame; /* NULL: this record has no such form, and counts as there */
	size_t n;
	uint64_t mark;                 /* of the connection's given bytes, when all of it was among them */
	uint64_t offered_ns, taken_ns; /* taken: by the other side's kernel; 0: not yet */
};

struct syslog {
	struct delivery d; /* first: what the shipper holds */
	struct syslog_setup s;
	struct connection *connection;
	struct json_tree tree;
	struct slot *slots; /* a ring, in the order of numbers */
	size_t head, n, bytes;
	size_t n_written; /* the first of them were given to this connection */
	size_t n_marked;  /* and of those, the first were given to the kernel */
	size_t n_taken;   /* and taken by the other side's */
	char name[CONNECTION_NAME];
	uint64_t again_ns, backoff_ns, ask_ns, opened_ns, random;
	bool is_told; /* that it does not work */
};

void syslog_default(struct syslog_setup *s)
{
	*s = (struct syslog_setup){ .transport = SYSLOG_TLS,
		.app_name = "wardwatch",
		.facility = 16,
		.enterprise = SYSLOG_ENTERPRISE,
		.message_most = 8192,
		.window_records = 16384,
		.window_bytes = 32 << 20,
		.settle_ns = 1000000000,
		.connect_ns = 5000000000,
		.backoff_first_ns = 100000000,
		.backoff_most_ns = 30000000000,
		.seed = 1 };
}

struct broker_endpoint syslog_endpoint(enum syslog_transport t, const char *host, const char *port)
{
	return (struct broker_endpoint){ .host = host, .port = port, .is_datagram = t == SYSLOG_UDP };
}

/* ---- the window ------------------------------------------------------------------------------ */

static struct slot *slot_at(const struct syslog *y, size_t i)
{
	return &y->slots[(y->head + i) % y->s.window_records];
}

/* As many as fit at their longest, and no more than are formatted without holding up the other outputs. */
static size_t room(const struct delivery *d)
{
	const struct syslog *y = (const struct syslog *)d;
	if (connection_state(y->connection) != CONNECTION_OPEN)
		return 0;
	size_t bytes = y->bytes < y->s.window_bytes ? y->s.window_bytes - y->bytes : 0;
	size_t fit = bytes / y->s.message_most, left = y->s.window_records - y->n;
	if (y->n == 0 && fit == 0)
		fit = 1;
	fit = fit < AT_ONCE ? fit : AT_ONCE;
	return fit < left ? fit : left;
}

/* The whole message as it goes out; false: no memory, or no such form. */
static bool make_frame(struct syslog *y, struct slot *slot, const struct outbox_record *r)
{
	char header[SYSLOG_HEADER], count[LENGTH] = "";
	if (!json_parse(&y->tree, r->document))
		return false;
	size_t n_header = syslog_header(&y->s, r, &y->tree, header);
	formatter_most(y->s.formatter, y->s.message_most - n_header);
	struct bytes body = format_record(y->s.formatter, r);
	if (body.n == 0)
		return false;
	if (y->s.transport != SYSLOG_UDP)
		snprintf(count, sizeof count, "%zu ", n_header + body.n);
	size_t n_count = strlen(count);
	slot->n = n_count + n_header + body.n;
	slot->frame = malloc(slot->n);
	if (!slot->frame)
		return false;
	bytes_copy(slot->frame, n_count, bytes_str(count));
	bytes_copy(slot->frame + n_count, n_header, bytes_of(header, n_header));
	bytes_copy(slot->frame + n_count + n_header, body.n, body);
	return true;
}

static void offer(struct delivery *d, const struct outbox_record *r, bool was_offered, uint64_t now_ns)
{
	struct syslog *y = (struct syslog *)d;
	struct slot *slot = slot_at(y, y->n++);
	*slot = (struct slot){ .number = r->number, .mark = MARK_NONE, .offered_ns = now_ns };
	if (!make_frame(y, slot, r))
		slot->n = 0;
	d->figures.retries += was_offered;
	y->bytes += slot->n;
}

/* Tells what was taken and has settled, in order. */
static void acknowledge(struct syslog *y, uint64_t now_ns)
{
	struct delivery *d = &y->d;
	uint64_t settle = y->s.transport == SYSLOG_UDP ? 0 : y->s.settle_ns;
	while (y->n) {
		struct slot *slot = slot_at(y, 0);
		if (slot->frame && (y->n_taken == 0 || now_ns - slot->taken_ns < settle))
			return;
		if (slot->frame) {
			d->figures.sent++;
			d->figures.latency_ns = now_ns - slot->offered_ns;
		}
		y->bytes -= slot->n;
		free(slot->frame);
		slot->frame = NULL;
		uint64_t number = slot->number;
		y->head = (y->head + 1) % y->s.window_records;
		y->n--;
		y->n_written -= y->n_written > 0;
		y->n_marked -= y->n_marked > 0;
		y->n_taken -= y->n_taken > 0;
		d->hooks.delivered(d->hooks.arg, number);
	}
}

/* ---- sending --------------------------------------------------------------------------------- */

/* All that was written is with our kernel: it is with the other side's when that has so much. */
static void mark(struct syslog *y, uint64_t now_ns)
{
	uint64_t given, taken;
	if (connection_unsent(y->connection))
		return;
	if (y->s.transport == SYSLOG_UDP) {
		for (; y->n_taken < y->n_written; y->n_taken++)
			slot_at(y, y->n_taken)->taken_ns = now_ns;
		y->n_marked = y->n_written;
		return;
	}
	bool known = connection_progress(y->connection, &given, &taken);
	for (; known && y->n_marked < y->n_written; y->n_marked++)
		slot_at(y, y->n_marked)->mark = given;
	for (; known && y->n_taken < y->n_marked && slot_at(y, y->n_taken)->mark <= taken; y->n_taken++) {
		slot_at(y, y->n_taken)->taken_ns = now_ns;
		y->ask_ns = ASK_NS;
	}
}

/* The next batch; a datagram at a time. The next one only when this one is with the kernel, so that there is
 * a mark. */
static void write_batch(struct syslog *y)
{
	size_t bytes = 0;
	while (y->n_written < y->n && bytes < BATCH) {
		const struct slot *slot = slot_at(y, y->n_written);
		if (slot->n && !connection_write(y->connection, bytes_of(slot->frame, slot->n)))
			return;
		bytes += slot->n;
		y->n_written++;
	}
}

static void send_all(struct syslog *y, uint64_t now_ns)
{
	size_t before;
	do {
		before = y->n_written;
		if (connection_unsent(y->connection) == 0 && y->n_marked == y->n_written)
			write_batch(y);
		(void)connection_serve(y->connection, now_ns);
		connection_eat(y->connection, connection_input(y->connection).n);
		if (connection_state(y->connection) == CONNECTION_OPEN)
			mark(y, now_ns);
	} while (connection_state(y->connection) == CONNECTION_OPEN && y->n_written > before);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void problem(struct syslog *y, const char *sentence)
{
	struct delivery *d = &y->d;
	snprintf(d->figures.problem, sizeof d->figures.problem, "%s", sentence);
	if (!y->is_told && d->hooks.tell)
		d->hooks.tell(d->hooks.arg, "syslog_down", LEVEL_MEDIUM, d->figures.problem);
	y->is_told = true;
}

/* Twice as long as the last, and up to a third more (xorshift64). */
static void back_off(struct syslog *y, uint64_t now_ns)
{
	y->random ^= y->random << 13;
	y->random ^= y->random >> 7;
	y->random ^= y->random << 17;
	y->again_ns = now_ns + y->backoff_ns + y->random % (y->backoff_ns / 3 + 1);
	y->backoff_ns = y->backoff_ns * 2 < y->s.backoff_most_ns ? y->backoff_ns * 2 : y->s.backoff_most_ns;
}

/* What had not settled goes again on the next connection. Servers end what is idle, and are restarted: that
 * is told only if the next connection does not come about either. */
static void failed(struct syslog *y, bool was_open, uint64_t now_ns)
{
	bool was_calm = was_open && now_ns - y->opened_ns >= CALM_NS;
	if (was_calm) {
		y->backoff_ns = y->s.backoff_first_ns;
		y->is_told = false;
	} else {
		y->d.figures.errors++;
		problem(y, connection_reason(y->connection));
	}
	y->d.figures.retries += y->n_written;
	y->d.figures.reconnects += was_open;
	y->d.figures.is_connected = false;
	for (size_t i = 0; i < y->n; i++)
		slot_at(y, i)->mark = MARK_NONE;
	y->n_written = y->n_marked = y->n_taken = 0;
	connection_close(y->connection);
	back_off(y, now_ns);
}

static void opened(struct syslog *y, uint64_t now_ns)
{
	y->d.figures.is_connected = true;
	y->d.figures.problem[0] = 0;
	y->opened_ns = now_ns;
}

static uint64_t when_next(struct syslog *y, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;
	if (y->s.transport == SYSLOG_UDP)
		return next;
	if (y->n_taken)
		next = slot_at(y, 0)->taken_ns + y->s.settle_ns;
	if (y->n_taken < y->n_written) { /* nobody tells when an acknowledgement comes */
		uint64_t ask = now_ns + y->ask_ns;
		y->ask_ns = y->ask_ns * 2 < ASK_MOST_NS ? y->ask_ns * 2 : ASK_MOST_NS;
		next = ask < next ? ask : next;
	}
	return next;
}

static uint64_t serve(struct delivery *d, uint64_t now_ns, uint64_t wall_ms)
{
	struct syslog *y = (struct syslog *)d;
	uint64_t next = UINT64_MAX;
	(void)wall_ms;
	if (connection_state(y->connection) == CONNECTION_IDLE) {
		if (now_ns < y->again_ns)
			return y->again_ns;
		connection_open(y->connection, y->s.endpoint, y->name, now_ns);
	}
	if (connection_state(y->connection) != CONNECTION_OPEN) {
		next = connection_serve(y->connection, now_ns);
		if (connection_state(y->connection) == CONNECTION_OPEN)
			opened(y, now_ns);
	}
	bool was_open = connection_state(y->connection) == CONNECTION_OPEN;
	if (was_open)
		send_all(y, now_ns);
	if (connection_state(y->connection) == CONNECTION_FAILED) {
		failed(y, was_open, now_ns);
		return y->again_ns;
	}
	if (connection_state(y->connection) == CONNECTION_OPEN) {
		acknowledge(y, now_ns);
		next = when_next(y, now_ns);
	}
	return next;
}

static size_t fds(const struct delivery *d, struct pollfd *out)
{
	return connection_fds(((const struct syslog *)d)->connection, out);
}

static void free_syslog(struct delivery *d)
{
	struct syslog *y = (struct syslog *)d;
	connection_free(y->connection);
	for (size_t i = 0; y->slots && i < y->n; i++)
		free(slot_at(y, i)->frame);
	free(y->slots);
	json_tree_fini(&y->tree);
	free(y);
}

/* ---- the setup ------------------------------------------------------------------------------- */

static bool is_here(const char *host)
{
	struct addr a;
	if (strcmp(host, "localhost") == 0 || !addr_parse(bytes_str(host), &a))
		return strcmp(host, "localhost") == 0;
	return addr_is_loopback(&a);
}

static bool check(const struct syslog_setup *s, struct diag *d)
{
	const char *host = s->server.host ? s->server.host : "";
	bool udp = s->transport == SYSLOG_UDP;
	if (s->message_most < SYSLOG_LEAST || (udp && s->message_most > SYSLOG_UDP_MOST))
		diag_add(d, DIAG_ERROR, "syslog", 0, 0, "",
			"a message of at most %zu bytes: at least %d, and over UDP no more than %d",
			s->message_most, SYSLOG_LEAST, SYSLOG_UDP_MOST);
	else if (s->facility > 23)
		diag_add(d, DIAG_ERROR, "syslog", 0, 0, "", "facility %u: there are 0 to 23, 16 is local0",
			s->facility);
	else if (s->transport != SYSLOG_TLS && !s->clear_is_forced && !is_here(host))
		diag_add(d, DIAG_ERROR, "syslog", 0, 0, "",
			"%s would get alerts in clear over the network: use TLS, or allow it explicitly",
			host);
	else if (s->transport == SYSLOG_TLS && !s->tls)
		diag_add(d, DIAG_ERROR, "syslog", 0, 0, "", "TLS without its settings");
	else
		return true;
	return false;
}

static struct connection *make_connection(const struct syslog_setup *s, struct broker *b)
{
	struct connection_setup cs = { .broker = b,
		.tls = s->transport == SYSLOG_TLS ? s->tls : NULL,
		.connect_ns = s->connect_ns,
		.out_most = BATCH + s->message_most + LENGTH,
		.in_most = 1024,
		.is_datagram = s->transport == SYSLOG_UDP };
	return connection_new(&cs);
}

struct delivery *syslog_new(
	const struct syslog_setup *s, struct broker *b, const struct delivery_hooks *h, struct diag *d)
{
	if (!check(s, d))
		return NULL;
	struct syslog *y = calloc(1, sizeof *y);
	const char *name = s->server_name && *s->server_name ? s->server_name : s->server.host;
	if (y) {
		*y = (struct syslog){ .s = *s, .backoff_ns = s->backoff_first_ns, .ask_ns = ASK_NS };
		y->random = s->seed ? s->seed : 1;
		y->slots = calloc(s->window_records, sizeof *y->slots);
		y->connection = make_connection(s, b);
		snprintf(y->name, sizeof y->name, "%s", name);
		y->d = (struct delivery){ .name = "syslog",
			.hooks = *h,
			.figures = { .lag = -1 },
			.room = room,
			.offer = offer,
			.fds = fds,
			.serve = serve,
			.free = free_syslog };
		if (y->slots && y->connection)
			return &y->d;
		free_syslog(&y->d);
	}
	diag_add(d, DIAG_ERROR, "syslog", 0, 0, "", "not enough memory");
	return NULL;
}
