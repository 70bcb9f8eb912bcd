#include "run/connection.h"

#include "base/assert.h"
#include "run/tcp_progress.h"
#include "run/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ASK_AGAIN_NS = 50000000, /* while the broker is at another connection's */
	KEEPALIVE_IDLE_S = 30,
	KEEPALIVE_INTERVAL_S = 10,
	KEEPALIVE_COUNT = 3,
	USER_TIMEOUT_MS = 30000,
};

/* [head, head + n) of `size` bytes, moved to the front when the end is near. */
struct buffer {
	uint8_t *p;
	size_t size, head, n;
};

struct connection {
	struct connection_setup s;
	enum connection_state state;
	int fd;
	struct tls_session *tls;
	enum tls_result handshake; /* what it waits for */
	bool write_wants_read;     /* TLS: a write that goes on when something came */
	bool is_asked;
	size_t endpoint;
	struct addr address; /* of family 0: the endpoint */
	uint16_t port;
	uint64_t deadline;
	struct buffer in, out;
	char name[CONNECTION_NAME], reason[CONNECTION_TEXT];
};

struct connection *connection_new(const struct connection_setup *s)
{
	struct connection *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	*c = (struct connection){ .s = *s, .fd = -1 };
	c->in = (struct buffer){ .p = malloc(s->in_most), .size = s->in_most };
	c->out = (struct buffer){ .p = malloc(s->out_most), .size = s->out_most };
	if (c->in.p && c->out.p)
		return c;
	connection_free(c);
	return NULL;
}

void connection_close(struct connection *c)
{
	if (c->is_asked)
		broker_cancel(c->s.broker);
	tls_close(c->tls);
	if (c->fd >= 0)
		close(c->fd);
	c->is_asked = false;
	c->tls = NULL;
	c->fd = -1;
	c->in.n = c->out.n = 0;
	c->state = CONNECTION_IDLE;
	c->reason[0] = 0;
}

void connection_free(struct connection *c)
{
	if (!c)
		return;
	connection_close(c);
	free(c->in.p);
	free(c->out.p);
	free(c);
}

void connection_fail(struct connection *c, const char *reason)
{
	size_t n = c->in.n;
	char text[CONNECTION_TEXT]; /* reason may lie in c */
	snprintf(text, sizeof text, "%s", reason);
	connection_close(c);
	c->in.n = n;
	c->state = CONNECTION_FAILED;
	snprintf(c->reason, sizeof c->reason, "%s", text);
}

static void fail_errno(struct connection *c, const char *what, int error)
{
	char text[CONNECTION_TEXT];
	snprintf(text, sizeof text, "%s %s: %s", what, c->name, strerror(error));
	connection_fail(c, text);
}

static void begin(struct connection *c, const char *name, uint64_t now_ns)
{
	ASSERT(c->state == CONNECTION_IDLE || c->state == CONNECTION_FAILED);
	connection_close(c);
	snprintf(c->name, sizeof c->name, "%s", name);
	c->deadline = now_ns + c->s.connect_ns;
	c->write_wants_read = false;
	c->state = CONNECTION_CONNECTING;
}

void connection_open(struct connection *c, size_t endpoint, const char *name, uint64_t now_ns)
{
	c->address = (struct addr){ .family = 0 };
	c->endpoint = endpoint;
	begin(c, name, now_ns);
}

void connection_open_address(
	struct connection *c, const struct addr *a, uint16_t port, const char *name, uint64_t now_ns)
{
	c->address = *a;
	c->port = port;
	begin(c, name, now_ns);
}

enum connection_state connection_state(const struct connection *c)
{
	return c->state;
}

const char *connection_reason(const struct connection *c)
{
	return c->reason;
}

const char *connection_name(const struct connection *c)
{
	return c->name;
}

/* ---- buffers ---------------------------------------------------------------------------------- */

static void to_front(struct buffer *b)
{
	if (b->head && b->n)
		memmove(b->p, b->p + b->head, b->n);
	b->head = 0;
}

static void drop(struct buffer *b, size_t n)
{
	b->head += n;
	b->n -= n;
	if (!b->n)
		b->head = 0;
}

bool connection_write(struct connection *c, struct bytes b)
{
	struct buffer *out = &c->out;
	if (b.n > out->size - out->n || (c->s.is_datagram && out->n))
		return false;
	if (b.n > out->size - out->head - out->n)
		to_front(out);
	out->n += bytes_copy(out->p + out->head + out->n, b.n, b);
	return true;
}

size_t connection_room(const struct connection *c)
{
	return c->s.is_datagram && c->out.n ? 0 : c->out.size - c->out.n;
}

size_t connection_unsent(const struct connection *c)
{
	return c->out.n;
}

struct bytes connection_input(const struct connection *c)
{
	return bytes_of(c->in.p + c->in.head, c->in.n);
}

void connection_eat(struct connection *c, size_t n)
{
	ASSERT(n <= c->in.n);
	drop(&c->in, n);
}

/* ---- connecting ------------------------------------------------------------------------------- */

static void broker_words(struct connection *c, int error)
{
	char text[CONNECTION_TEXT];
	const char *remedy = error == ECONNREFUSED || error == ENOENT ? "is the server running there?"
			     : error == ETIMEDOUT    ? "is it up, and does a firewall let the sensor through?"
			     : error == EHOSTUNREACH ? "its name cannot be resolved, or there is no route"
						     : "see the output's addresses in the configuration";
	if (error == EPIPE)
		snprintf(text, sizeof text,
			"the process that connects is gone: restart the sensor to connect to %s", c->name);
	else if (error == EACCES && c->address.family)
		snprintf(text, sizeof text,
			"a server names %s, which the configuration does not: add its address or network, "
			"and its port",
			c->name);
	else
		snprintf(text, sizeof text, "cannot connect to %s: %s: %s", c->name, strerror(error), remedy);
	connection_fail(c, text);
}

/* What a Unix socket or UDP does not know is refused, and does not matter. */
static void set_options(const struct connection *c)
{
	int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S, count = KEEPALIVE_COUNT;
	unsigned timeout = c->s.user_timeout_ms ? c->s.user_timeout_ms : USER_TIMEOUT_MS;
	setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(c->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

static void take_fd(struct connection *c, int fd)
{
	c->fd = fd;
	set_options(c);
	c->state = CONNECTION_OPEN;
	if (!c->s.tls)
		return;
	c->tls = tls_open(c->s.tls, fd, c->name);
	c->handshake = TLS_WANT_WRITE;
	c->state = CONNECTION_HANDSHAKING;
	if (!c->tls)
		fail_errno(c, "no TLS session for", ENOMEM);
}

static void serve_connecting(struct connection *c)
{
	if (!c->is_asked) {
		int asked = c->address.family ? broker_ask_address(c->s.broker, &c->address, c->port)
					      : broker_ask(c->s.broker, c->endpoint);
		if (asked == -EPIPE)
			broker_words(c, EPIPE);
		c->is_asked = asked == 0;
	}
	int fd = c->is_asked ? broker_answer(c->s.broker) : -EAGAIN;
	if (fd == -EAGAIN)
		return;
	c->is_asked = false;
	if (fd < 0)
		broker_words(c, -fd);
	else
		take_fd(c, fd);
}

static void tls_broke(struct connection *c)
{
	char text[CONNECTION_TEXT];
	tls_reason(c->tls, c->name, text, sizeof text);
	connection_fail(c, text);
}

static void peer_ended(struct connection *c)
{
	char text[CONNECTION_TEXT];
	snprintf(text, sizeof text, "%s closed the connection", c->name);
	connection_fail(c, text);
}

static void serve_handshake(struct connection *c)
{
	c->handshake = tls_handshake(c->tls);
	if (c->handshake == TLS_DONE)
		c->state = CONNECTION_OPEN;
	else if (c->handshake == TLS_BROKEN || c->handshake == TLS_ENDED)
		tls_broke(c);
}

/* ---- reading and writing: true when something was done, so that it can be tried again -------- */

static bool write_plain(struct connection *c)
{
	ssize_t n = send(c->fd, c->out.p + c->out.head, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		drop(&c->out, (size_t)n);
	else if (c->s.is_datagram && errno == EMSGSIZE) /* one too large must not block those behind it */
		drop(&c->out, c->out.n);
	else if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		fail_errno(c, "the connection broke to", errno);
	return n > 0;
}

static bool read_plain(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in.p + c->in.n, c->in.size - c->in.n, MSG_DONTWAIT);
	if (n > 0)
		c->in.n += (size_t)n;
	else if (n == 0 && !c->s.is_datagram)
		peer_ended(c);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		fail_errno(c, "the connection broke to", errno);
	return n > 0;
}

static bool write_tls(struct connection *c)
{
	size_t n = 0;
	enum tls_result r = tls_write(c->tls, c->out.p + c->out.head, c->out.n, &n);
	c->write_wants_read = r == TLS_WANT_READ;
	if (r == TLS_DONE)
		drop(&c->out, n);
	else if (r == TLS_ENDED)
		peer_ended(c);
	else if (r == TLS_BROKEN)
		tls_broke(c);
	return r == TLS_DONE;
}

static bool read_tls(struct connection *c)
{
	size_t n = 0;
	enum tls_result r = tls_read(c->tls, c->in.p + c->in.n, c->in.size - c->in.n, &n);
	if (r == TLS_DONE)
		c->in.n += n;
	else if (r == TLS_ENDED)
		peer_ended(c);
	else if (r == TLS_BROKEN)
		tls_broke(c);
	return r == TLS_DONE;
}

/* Reading goes first, so that what the other side said before it broke the link is not lost; it ends when the
 * buffer is full, which the caller empties. */
static void serve_open(struct connection *c)
{
	to_front(&c->in);
	while (c->state == CONNECTION_OPEN && c->in.n < c->in.size && (c->tls ? read_tls(c) : read_plain(c)))
		;
	while (c->state == CONNECTION_OPEN && c->out.n && (c->tls ? write_tls(c) : write_plain(c)))
		;
}

bool connection_progress(const struct connection *c, uint64_t *given, uint64_t *taken)
{
	return c->state == CONNECTION_OPEN && tcp_progress(c->fd, given, taken);
}

size_t connection_fds(const struct connection *c, struct pollfd *fd)
{
	short events = 0;
	switch (c->state) {
	case CONNECTION_CONNECTING:
		*fd = (struct pollfd){ .fd = c->s.broker->fd, .events = POLLIN };
		return c->is_asked;
	case CONNECTION_HANDSHAKING:
		events = c->handshake == TLS_WANT_READ ? POLLIN : POLLOUT;
		break;
	case CONNECTION_OPEN:
		events = c->in.n < c->in.size ? POLLIN : 0;
		if (c->out.n && !c->write_wants_read)
			events |= POLLOUT;
		break;
	default:
		return 0;
	}
	*fd = (struct pollfd){ .fd = c->fd, .events = events };
	return 1;
}

static void too_slow(struct connection *c)
{
	char text[CONNECTION_TEXT];
	snprintf(text, sizeof text, "%s did not %s in time: is it up, and is the port the right one?",
		c->name, c->state == CONNECTION_CONNECTING ? "let us connect" : "shake hands (TLS)");
	connection_fail(c, text);
}

uint64_t connection_serve(struct connection *c, uint64_t now_ns)
{
	if (c->state == CONNECTION_CONNECTING)
		serve_connecting(c);
	if (c->state == CONNECTION_HANDSHAKING)
		serve_handshake(c);
	if (c->state == CONNECTION_OPEN)
		serve_open(c);
	/* What TLS has taken from the socket already, poll does not see. */
	if (c->state == CONNECTION_OPEN && c->tls && c->in.n == c->in.size)
		return now_ns;
	if (c->state != CONNECTION_CONNECTING && c->state != CONNECTION_HANDSHAKING)
		return UINT64_MAX;
	if (now_ns >= c->deadline) {
		too_slow(c);
		return UINT64_MAX;
	}
	uint64_t again = now_ns + ASK_AGAIN_NS;
	return c->state == CONNECTION_CONNECTING && !c->is_asked && again < c->deadline ? again : c->deadline;
}
