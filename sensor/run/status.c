#include "run/status.h"

#include "base/map.h"
#include "run/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* HEAD: room for HTTP's lines before a body. */
enum { REQUEST = 4096, HEAD = 256, ANSWER = HEAD + METRICS_MAX };

struct client {
	int fd; /* -1: free */
	uint64_t since_ns;
	size_t in_n, out_at, out_n; /* out_n 0: the request is not whole yet */
	char in[REQUEST];
	char out[ANSWER];
};

struct status {
	int fd;
	struct sockaddr_un name;
	struct stat file; /* as bound: what stands there later may be another's */
	struct status_source source;
	struct json_doc *doc;
	struct client *clients;
};

/* ---- opening -------------------------------------------------------------------------------------- */

static bool is_live(const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* EAGAIN: someone listens, and is behind. */
	bool live = fd >= 0 && (connect(fd, (const struct sockaddr *)name, sizeof *name) == 0 ||
				       errno == EAGAIN || errno == EACCES);
	if (fd >= 0)
		close(fd);
	return live;
}

/* False: what stands at the path is not ours to remove; why is then said. */
static bool make_room(const struct sockaddr_un *name, const char **why)
{
	struct stat st;
	if (lstat(name->sun_path, &st) != 0)
		return true;
	*why = !S_ISSOCK(st.st_mode) ? "is there and is no socket"
	       : is_live(name)       ? "is another process's, which listens on it"
				     : NULL;
	return !*why && (unlink(name->sun_path) == 0 || errno == ENOENT);
}

static bool bind_socket(struct status *s, const char **why)
{
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || !make_room(&s->name, why))
		return false;
	mode_t old = umask(0117); /* from its first moment 0660 */
	bool bound = bind(s->fd, (const struct sockaddr *)&s->name, sizeof s->name) == 0;
	int failure = errno;
	umask(old);
	errno = failure;
	return bound && listen(s->fd, STATUS_CLIENTS) == 0 && lstat(s->name.sun_path, &s->file) == 0;
}

struct status *status_open(const char *path, const struct status_source *source, char error[STATUS_ERROR])
{
	const char *why = NULL;
	struct status *s = calloc(1, sizeof *s);
	if (s) {
		*s = (struct status){ .fd = -1, .name = { .sun_family = AF_UNIX }, .source = *source };
		s->doc = json_new();
		s->clients = map_new(STATUS_CLIENTS * sizeof *s->clients);
	}
	for (size_t i = 0; s && s->clients && i < STATUS_CLIENTS; i++)
		s->clients[i].fd = -1;
	if (!s || !s->doc || !s->clients)
		why = "has no memory";
	else if (strlen(path) >= sizeof s->name.sun_path)
		why = "is too long a path for a socket (107 bytes)";
	else {
		memcpy(s->name.sun_path, path, strlen(path));
		if (bind_socket(s, &why))
			return s;
	}
	snprintf(error, STATUS_ERROR, "the status socket %.120s %s%s", path,
		why ? why : "cannot be made: ", why ? "" : strerror(errno));
	status_close(s);
	return NULL;
}

static void drop(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void status_close(struct status *s)
{
	struct stat st;
	if (!s)
		return;
	for (size_t i = 0; s->clients && i < STATUS_CLIENTS; i++)
		drop(&s->clients[i]);
	if (s->file.st_ino && lstat(s->name.sun_path, &st) == 0 && st.st_ino == s->file.st_ino &&
		st.st_dev == s->file.st_dev)
		(void)unlink(s->name.sun_path);
	if (s->fd >= 0)
		close(s->fd);
	json_free(s->doc);
	map_free(s->clients, STATUS_CLIENTS * sizeof *s->clients);
	free(s);
}

/* ---- answering ------------------------------------------------------------------------------------ */

enum document { DOC_STATUS, DOC_METRICS, DOC_NONE };

static enum document document_of(struct bytes name)
{
	return bytes_is(name, "status") ? DOC_STATUS : bytes_is(name, "metrics") ? DOC_METRICS : DOC_NONE;
}

/* Writes the document behind HEAD; returns its bytes. */
static size_t put_body(struct status *s, struct client *c, enum document doc)
{
	static const char unknown[] = "say status or metrics\n";
	char *to = c->out + HEAD;
	size_t n = 0;
	if (doc == DOC_NONE)
		return bytes_copy(to, METRICS_MAX, bytes_str(unknown));
	struct vitals v = { 0 };
	s->source.fill(s->source.arg, &v);
	if (doc == DOC_METRICS)
		return metrics_text(&v, to, METRICS_MAX);
	json_reset(s->doc);
	status_json(&v, s->doc);
	struct bytes line = json_nested(s->doc);
	if (json_ok(s->doc) && line.n < METRICS_MAX) {
		n = bytes_copy(to, METRICS_MAX, line);
		to[n++] = '\n';
	}
	return n;
}

static void answer_line(struct status *s, struct client *c, struct bytes line)
{
	c->out_at = HEAD;
	c->out_n = HEAD + put_body(s, c, document_of(bytes_trim(line)));
}

/* RFC 9112: only what Prometheus and curl send. */
static void answer_http(struct status *s, struct client *c, struct bytes request)
{
	struct cur line = cur_of(bytes_first(request, bytes_chr(request, 0, '\n')));
	(void)cur_until(&line, ' ');
	struct bytes path = cur_until(&line, ' ');
	path = bytes_first(path, bytes_chr(path, 0, '?'));
	enum document doc = bytes_starts(path, "/") ? document_of(bytes_from(path, 1)) : DOC_NONE;
	size_t body = put_body(s, c, doc);
	char head[HEAD];
	int n = snprintf(head, sizeof head,
		"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		doc == DOC_NONE ? "404 Not Found" : "200 OK",
		doc == DOC_STATUS ? "application/json" : "text/plain; version=0.0.4; charset=utf-8", body);
	c->out_at = HEAD - (size_t)n;
	memcpy(c->out + c->out_at, head, (size_t)n);
	c->out_n = HEAD + body;
}

/* Answers when the request is whole; `over`: no more of it will come. */
static void look(struct status *s, struct client *c, bool over)
{
	struct bytes in = bytes_of(c->in, c->in_n);
	size_t end = bytes_chr(in, 0, '\n');
	if (!bytes_starts(in, "GET ")) {
		if (over || end < in.n)
			answer_line(s, c, bytes_first(in, end));
	} else if (over || bytes_find(in, 0, bytes_str("\r\n\r\n")) < in.n ||
		   bytes_find(in, 0, bytes_str("\n\n")) < in.n) {
		answer_http(s, c, in);
	}
}

/* ---- serving -------------------------------------------------------------------------------------- */

static bool must_wait(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

static void read_from(struct status *s, struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_n, sizeof c->in - c->in_n, MSG_DONTWAIT);
	if (must_wait(n))
		return;
	if (n > 0)
		c->in_n += (size_t)n;
	if (n >= 0)
		look(s, c, n == 0);
	/* A failed connection, a request that is too long, an empty one. */
	if (n < 0 || (c->out_n == 0 && (n == 0 || c->in_n == sizeof c->in)))
		drop(c);
}

static void write_to(struct client *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (must_wait(n))
		return;
	if (n > 0)
		c->out_at += (size_t)n;
	if (n <= 0 || c->out_at == c->out_n)
		drop(c);
}

static void serve(struct status *s, struct client *c)
{
	if (c->fd >= 0 && c->out_n == 0)
		read_from(s, c);
	if (c->fd >= 0 && c->out_n > 0)
		write_to(c);
}

/* A free place, else the oldest client's. */
static struct client *place(struct status *s)
{
	struct client *oldest = s->clients;
	for (struct client *c = s->clients; c < s->clients + STATUS_CLIENTS; c++) {
		if (c->fd < 0)
			return c;
		if (c->since_ns < oldest->since_ns)
			oldest = c;
	}
	drop(oldest);
	return oldest;
}

void status_serve(struct status *s, uint64_t now_ns)
{
	for (struct client *c = s->clients; c < s->clients + STATUS_CLIENTS; c++) {
		serve(s, c);
		if (c->fd >= 0 && now_ns - c->since_ns >= (uint64_t)STATUS_SECONDS * 1000000000)
			drop(c);
	}
	/* Bounded, so that no crowd of clients keeps the caller from its packets. */
	for (unsigned i = 0; i < STATUS_CLIENTS; i++) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		struct client *c = place(s);
		c->fd = fd;
		c->since_ns = now_ns;
		c->in_n = c->out_at = c->out_n = 0;
		serve(s, c);
	}
}

size_t status_fds(const struct status *s, struct pollfd fds[STATUS_FDS])
{
	size_t n = 0;
	fds[n++] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
	for (const struct client *c = s->clients; c < s->clients + STATUS_CLIENTS; c++)
		if (c->fd >= 0)
			fds[n++] = (struct pollfd){ .fd = c->fd, .events = c->out_n ? POLLOUT : POLLIN };
	return n;
}
