#include "run/broker.h"

#include "base/assert.h"
#include "run/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* One packet each on the socket pair (SOCK_SEQPACKET): never half of one. */
struct request {
	uint32_t number, endpoint;
	struct addr address; /* of family 0: the endpoint */
	uint16_t port;
};

struct answer {
	uint32_t number; /* of the request: what comes too late is told from what is waited for */
	int32_t error;   /* 0: a descriptor is with it */
};

/* ---- the broker's side -------------------------------------------------------------------- */

/* Gives *fd or an errno. */
static int connect_to(const struct sockaddr *address, socklen_t n, int type, int *fd)
{
	int error = 0;
	socklen_t size = sizeof error;
	*fd = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return errno;
	struct pollfd p = { .fd = *fd, .events = POLLOUT };
	if (connect(*fd, address, n) == 0)
		return 0; /* a Unix socket, UDP */
	/* EAGAIN: a Unix socket whose backlog is full; it does not become connected by waiting. */
	if (errno != EINPROGRESS)
		error = errno == EAGAIN ? ECONNREFUSED : errno;
	else if (poll(&p, 1, BROKER_CONNECT_MS) != 1)
		error = ETIMEDOUT;
	else if (getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error) {
		close(*fd);
		*fd = -1;
	}
	return error;
}

static int type_of(const struct broker_endpoint *e)
{
	return e->is_datagram ? SOCK_DGRAM : SOCK_STREAM;
}

static int connect_path(const struct broker_endpoint *e, int *fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t n = strlen(e->path);
	if (n >= sizeof name.sun_path)
		return ENAMETOOLONG;
	memcpy(name.sun_path, e->path, n);
	return connect_to((const struct sockaddr *)&name, sizeof name, type_of(e), fd);
}

static int connect_host(const struct broker_endpoint *e, int *fd)
{
	struct addrinfo hints = { .ai_socktype = type_of(e) }, *list = NULL;
	int error = EHOSTUNREACH;
	if (getaddrinfo(e->host, e->port, &hints, &list) != 0)
		return EHOSTUNREACH;
	for (const struct addrinfo *a = list; a && error; a = a->ai_next)
		error = connect_to(a->ai_addr, a->ai_addrlen, type_of(e), fd);
	freeaddrinfo(list);
	return error;
}

static bool host_is_known(const struct broker_setup *s, const struct addr *a)
{
	struct addr own;
	for (size_t i = 0; i < s->n_endpoints; i++)
		if (s->endpoints[i].host && addr_parse(bytes_str(s->endpoints[i].host), &own) &&
			addr_eq(&own, a))
			return true;
	for (size_t i = 0; i < s->learned->n_networks; i++)
		if (addr_in(a, &s->learned->networks[i].addr, s->learned->networks[i].bits))
			return true;
	return false;
}

static bool port_is_known(const struct broker_setup *s, uint16_t port)
{
	uint64_t own;
	for (size_t i = 0; i < s->n_endpoints; i++)
		if (s->endpoints[i].port && bytes_to_u64(bytes_str(s->endpoints[i].port), &own) &&
			own == port)
			return true;
	for (size_t i = 0; i < s->learned->n_ports; i++)
		if (s->learned->ports[i] == port)
			return true;
	return false;
}

/* An address that a server named. */
static int connect_learned(const struct broker_setup *s, const struct request *r, int *fd)
{
	if (!s->learned || !host_is_known(s, &r->address) || !port_is_known(s, r->port))
		return EACCES;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(r->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(r->port) };
	memcpy(&v4.sin_addr, r->address.b + 12, 4);
	memcpy(&v6.sin6_addr, r->address.b, 16);
	return r->address.family == 4 ? connect_to((const struct sockaddr *)&v4, sizeof v4, SOCK_STREAM, fd)
				      : connect_to((const struct sockaddr *)&v6, sizeof v6, SOCK_STREAM, fd);
}

static int connect_as_asked(const struct broker_setup *s, const struct request *r, int *fd)
{
	if (r->address.family)
		return connect_learned(s, r, fd);
	if (r->endpoint >= s->n_endpoints)
		return EINVAL;
	const struct broker_endpoint *e = &s->endpoints[r->endpoint];
	return e->path ? connect_path(e, fd) : connect_host(e, fd);
}

static void reply(int socket, struct answer a, int fd)
{
	struct iovec iov = { .iov_base = &a, .iov_len = sizeof a };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (fd >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof control.room;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS
		};
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	(void)sendmsg(socket, &m, MSG_NOSIGNAL); /* that the sensor is gone, recv says next */
}

static void serve(int socket, const struct broker_setup *s)
{
	struct request r;
	for (;;) {
		ssize_t got = recv(socket, &r, sizeof r, MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got != sizeof r) /* its end, or no sensor of ours */
			return;
		/* While it was busy with one that took too long the sensor has given up some. */
		struct request newer;
		while ((got = recv(socket, &newer, sizeof newer, MSG_TRUNC | MSG_DONTWAIT)) == sizeof newer)
			r = newer;
		if (got >= 0)
			return;
		int fd = -1;
		int error = connect_as_asked(s, &r, &fd);
		reply(socket, (struct answer){ .number = r.number, .error = error }, fd);
		if (fd >= 0)
			close(fd);
	}
}

/* What getaddrinfo reads, and the libraries that nsswitch.conf may name. */
static const struct jail_path resolver[] = { { .path = "/etc" }, { .path = "/run/systemd/resolve" },
	{ .path = "/usr/lib" }, { .path = "/lib" } };

static void broker_main(int socket, pid_t parent, const struct broker_setup *s)
{
	struct diag d = { 0 };
	struct addrinfo *list = NULL;
	struct jail j = { .user = s->user,
		.paths = resolver,
		.n_paths = sizeof resolver / sizeof *resolver,
		.may_connect = true };
	/* The signals that end or reload the sensor go to its whole group: until it closes the socket there
	 * may be alerts to deliver. */
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGPIPE };
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		signal(signals[i], SIG_IGN);
	/* Nothing of what the sensor has open; standard error stays for assertions. */
	if (socket > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)socket - 1, 0);
	close_range((unsigned)socket + 1, ~0U, 0);
	prctl(PR_SET_NAME, "broker");
	setenv("RES_OPTIONS", "timeout:3 attempts:2", 1);
	/* A name service that is a library is loaded while that can be done: code is not mapped in the jail.
	 */
	if (getaddrinfo("localhost", NULL, NULL, &list) == 0)
		freeaddrinfo(list);
	bool jailed = !s->is_confined || jail_process(&j, &d);
	/* After the change of user, which resets it; the parent may have gone in between. */
	if (jailed && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent) {
		reply(socket, (struct answer){ 0 }, -1);
		serve(socket, s);
	}
	/* The sensor's own jail says the same of the user; of the rest, this is the only word. */
	for (size_t i = 0; !jailed && i < d.n; i++)
		if (d.messages[i].level == DIAG_ERROR && d.messages[i].text)
			fprintf(stderr, "wardwatch: broker: %s\n", d.messages[i].text);
	_exit(!jailed);
}

/* ---- the sensor's side -------------------------------------------------------------------- */

/* The descriptor that came with the answer, -1: none. */
static int descriptor_of(struct msghdr *m)
{
	int fd = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
			c->cmsg_len == CMSG_LEN(sizeof fd))
			memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* The next answer that waits: its descriptor, 0 where it has none, or a negative errno; -EAGAIN: there is
 * none. */
static int receive(const struct broker *b, uint32_t *number)
{
	struct answer a = { 0 };
	struct iovec iov = { .iov_base = &a, .iov_len = sizeof a };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof control.room };
	ssize_t got = recvmsg(b->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (got != sizeof a)
		return -EPIPE;
	int fd = descriptor_of(&m);
	*number = a.number;
	return fd >= 0 ? fd : -a.error;
}

bool broker_start(struct broker *b, const struct broker_setup *s, struct diag *d)
{
	int pair[2];
	uint32_t number = 1;
	pid_t parent = getpid();
	ASSERT(s->n_endpoints <= BROKER_ENDPOINTS);
	*b = (struct broker){ .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 || (b->pid = fork()) < 0) {
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "the process that connects cannot be made: %s",
			strerror(errno));
		return false;
	}
	if (b->pid == 0)
		broker_main(pair[1], parent, s);
	close(pair[1]);
	b->fd = pair[0];
	struct pollfd ready = { .fd = b->fd, .events = POLLIN };
	while (poll(&ready, 1, -1) < 0 && errno == EINTR)
		;
	if (receive(b, &number) == 0 && number == 0)
		return true;
	diag_add(d, DIAG_ERROR, "-", 0, 0, "", "the process that connects cannot be jailed");
	broker_stop(b);
	return false;
}

static int ask(struct broker *b, struct request r)
{
	if (b->is_asked)
		return -EBUSY;
	b->number = b->number == UINT32_MAX ? 1 : b->number + 1;
	r.number = b->number;
	if (send(b->fd, &r, sizeof r, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof r)
		return errno == EAGAIN ? -EBUSY : -EPIPE; /* of requests that were cancelled */
	b->is_asked = true;
	return 0;
}

int broker_ask(struct broker *b, size_t endpoint)
{
	return ask(
		b, (struct request){ .endpoint = endpoint < UINT32_MAX ? (uint32_t)endpoint : UINT32_MAX });
}

int broker_ask_address(struct broker *b, const struct addr *address, uint16_t port)
{
	return ask(b, (struct request){ .address = *address, .port = port });
}

int broker_answer(struct broker *b)
{
	uint32_t number = 0;
	for (;;) {
		int fd = receive(b, &number);
		if (fd == -EAGAIN)
			return fd;
		if (fd == -EPIPE || (b->is_asked && number == b->number)) {
			b->is_asked = false;
			return fd ? fd : -EMFILE; /* the kernel could not give us one */
		}
		if (fd > 0)
			close(fd);
	}
}

void broker_cancel(struct broker *b)
{
	b->is_asked = false;
}

void broker_stop(struct broker *b)
{
	if (b->fd < 0)
		return;
	close(b->fd);
	b->fd = -1;
	while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
