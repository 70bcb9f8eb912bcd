#include "run/broker.h"

#include "base/assert.h"
#include "run/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One packet each on the socket pair (SOCK_SEQPACKET): never half of one. */
struct request {
	uint32_t number, endpoint;
};

struct answer {
	uint32_t number; /* of the request: what comes too late is told from what is waited for */
	int32_t error;   /* 0: a descriptor is with it */
};

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the broker's side -------------------------------------------------------------------- */

/* Gives *fd or an errno. */
static int connect_to(const struct sockaddr *address, socklen_t n, int *fd)
{
	int error = 0;
	socklen_t size = sizeof error;
	*fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return errno;
	struct pollfd p = { .fd = *fd, .events = POLLOUT };
	if (connect(*fd, address, n) == 0)
		return 0;
	/* EAGAIN: a Unix socket whose backlog is full; it does not become connected by waiting. */
	if (errno != EINPROGRESS)
		error = errno;
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

static int connect_path(const char *path, int *fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	if (n >= sizeof name.sun_path)
		return ENAMETOOLONG;
	memcpy(name.sun_path, path, n);
	return connect_to((const struct sockaddr *)&name, sizeof name, fd);
}

static int connect_host(const struct broker_endpoint *e, int *fd)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int error = EHOSTUNREACH;
	if (getaddrinfo(e->host, e->port, &hints, &list) != 0)
		return EHOSTUNREACH;
	for (const struct addrinfo *a = list; a && error; a = a->ai_next)
		error = connect_to(a->ai_addr, a->ai_addrlen, fd);
	freeaddrinfo(list);
	return error;
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

static void serve(int socket, const struct broker_endpoint *endpoints, size_t n)
{
	struct request r;
	for (;;) {
		ssize_t got = recv(socket, &r, sizeof r, MSG_TRUNC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got != sizeof r) /* its end, or no sensor of ours */
			return;
		struct answer a = { .number = r.number, .error = EINVAL };
		int fd = -1;
		if (r.endpoint < n) {
			const struct broker_endpoint *e = &endpoints[r.endpoint];
			a.error = e->path ? connect_path(e->path, &fd) : connect_host(e, &fd);
		}
		reply(socket, a, fd);
		if (fd >= 0)
			close(fd);
	}
}

/* What getaddrinfo reads, and the libraries that nsswitch.conf may name. */
static const struct jail_path resolver[] = { { .path = "/etc" }, { .path = "/run/systemd/resolve" },
	{ .path = "/usr/lib" }, { .path = "/lib" } };

static void broker_main(
	int socket, pid_t parent, const char *user, const struct broker_endpoint *endpoints, size_t n)
{
	struct diag d = { 0 };
	struct addrinfo *list = NULL;
	struct jail j = { .user = user,
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
	bool jailed = jail_process(&j, &d);
	/* After the change of user, which resets it; the parent may have gone in between. */
	if (jailed && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent) {
		reply(socket, (struct answer){ 0 }, -1);
		serve(socket, endpoints, n);
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

/* The answer to that request: a descriptor, 0 (of the first) or a negative errno. */
static int await(const struct broker *b, uint32_t number)
{
	int64_t end = now_ms() + BROKER_ANSWER_MS;
	for (;;) {
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
		struct pollfd p = { .fd = b->fd, .events = POLLIN };
		int64_t left = end - now_ms();
		int ready = poll(&p, 1, left > 0 ? (int)left : 0);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return -ETIMEDOUT;
		ssize_t got = recvmsg(b->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (got != sizeof a)
			return -EPIPE;
		int fd = descriptor_of(&m);
		if (a.number == number && number && fd < 0 && a.error == 0)
			return -EMFILE; /* the kernel could not give us one */
		if (a.number == number)
			return fd >= 0 ? fd : -a.error;
		if (fd >= 0)
			close(fd);
	}
}

bool broker_start(
	struct broker *b, const char *user, const struct broker_endpoint *endpoints, size_t n, struct diag *d)
{
	int pair[2];
	pid_t parent = getpid();
	ASSERT(n <= BROKER_ENDPOINTS);
	*b = (struct broker){ .fd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 || (b->pid = fork()) < 0) {
		diag_add(d, DIAG_ERROR, "-", 0, 0, "", "the process that connects cannot be made: %s",
			strerror(errno));
		return false;
	}
	if (b->pid == 0)
		broker_main(pair[1], parent, user, endpoints, n);
	close(pair[1]);
	b->fd = pair[0];
	if (await(b, 0) == 0)
		return true;
	diag_add(d, DIAG_ERROR, "-", 0, 0, "", "the process that connects cannot be jailed");
	broker_stop(b);
	return false;
}

int broker_connect(struct broker *b, size_t endpoint)
{
	b->asked = b->asked == UINT32_MAX ? 1 : b->asked + 1;
	struct request r = { .number = b->asked, .endpoint = (uint32_t)endpoint };
	if (endpoint >= BROKER_ENDPOINTS)
		return -EINVAL;
	if (send(b->fd, &r, sizeof r, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof r)
		return errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
	return await(b, r.number);
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
