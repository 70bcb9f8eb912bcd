/* The broker: connects where it is configured to, and nowhere else. */
#include "run/broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct listener {
	char folder[64], path[96], port[8], closed[8];
	int unix_fd, tcp_fd;
};

/* A TCP port of this machine; not listening: one where nobody is. */
static int tcp(char port[8], bool listening)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	snprintf(port, 8, "%u", (unsigned)ntohs(a.sin_port));
	if (listening)
		assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int open_listeners(void **state)
{
	static struct listener l;
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	snprintf(l.folder, sizeof l.folder, "/tmp/ward-broker-XXXXXX");
	if (!mkdtemp(l.folder))
		return -1;
	/* As root the broker becomes nobody, who has to get at it: a path's modes hold for it too. */
	chmod(l.folder, 0755);
	snprintf(l.path, sizeof l.path, "%s/socket", l.folder);
	snprintf(name.sun_path, sizeof name.sun_path, "%s", l.path);
	l.unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(l.unix_fd, (const struct sockaddr *)&name, sizeof name) != 0 || listen(l.unix_fd, 4) != 0)
		return -1;
	chmod(l.path, 0777);
	l.tcp_fd = tcp(l.port, true);
	*state = &l;
	return 0;
}

static int close_listeners(void **state)
{
	struct listener *l = *state;
	close(l->unix_fd);
	close(l->tcp_fd);
	unlink(l->path);
	return rmdir(l->folder);
}

static void start(struct broker *b, const struct broker_endpoint *e, size_t n)
{
	struct diag d = { 0 };
	struct broker_setup s = { .is_confined = true, .user = "", .endpoints = e, .n_endpoints = n };
	bool started = broker_start(b, &s, &d);
	diag_print(&d, stderr, true);
	diag_free(&d);
	assert_true(started);
}

static int await(struct broker *b)
{
	int got;
	while ((got = broker_answer(b)) == -EAGAIN) {
		struct pollfd p = { .fd = b->fd, .events = POLLIN };
		assert_int_equal(poll(&p, 1, 20000), 1);
	}
	return got;
}

static int connect_to(struct broker *b, size_t endpoint)
{
	int asked = broker_ask(b, endpoint);
	return asked ? asked : await(b);
}

static int connect_at(struct broker *b, const char *address, uint16_t port)
{
	struct addr a;
	assert_true(addr_parse(bytes_str(address), &a));
	int asked = broker_ask_address(b, &a, port);
	return asked ? asked : await(b);
}

/* What one end writes the other reads. */
static void assert_joined(int listener, int fd)
{
	char got[4] = "";
	int peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(write(fd, "hey", 3), 3);
	assert_int_equal(read(peer, got, sizeof got), 3);
	assert_string_equal(got, "hey");
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(peer);
	close(fd);
}

static void connects_to_what_is_configured(void **state)
{
	struct listener *l = *state;
	char closed[8];
	int nobody = tcp(closed, false);
	struct broker_endpoint e[] = { { .path = l->path }, { .host = "127.0.0.1", .port = l->port },
		{ .host = "localhost", .port = l->port }, { .host = "127.0.0.1", .port = closed },
		{ .path = "/nonexistent/socket" } };
	struct broker b;
	start(&b, e, 5);
	for (int turn = 0; turn < 3; turn++) {
		assert_joined(l->unix_fd, connect_to(&b, 0));
		assert_joined(l->tcp_fd, connect_to(&b, 1));
		assert_joined(l->tcp_fd, connect_to(&b, 2));
		assert_int_equal(connect_to(&b, 3), -ECONNREFUSED);
		assert_int_equal(connect_to(&b, 4), -ENOENT);
	}
	broker_stop(&b);
	assert_true(waitpid(b.pid, NULL, WNOHANG) < 0 && errno == ECHILD);
	close(nobody);
}

static void refuses_all_but_its_indexes(void **state)
{
	struct listener *l = *state;
	struct broker_endpoint e = { .path = l->path };
	struct broker b;
	start(&b, &e, 1);
	assert_int_equal(connect_to(&b, 1), -EINVAL);
	assert_int_equal(connect_to(&b, SIZE_MAX), -EINVAL);
	assert_joined(l->unix_fd, connect_to(&b, 0));
	/* Another request than two numbers ends it. */
	assert_int_equal(send(b.fd, "/etc/passwd", 12, MSG_NOSIGNAL), 12);
	assert_int_equal(connect_to(&b, 0), -EPIPE);
	broker_stop(&b);
}

static void an_answer_that_comes_late_is_no_other_requests(void **state)
{
	struct listener *l = *state;
	struct broker_endpoint e[] = { { .path = l->path }, { .host = "127.0.0.1", .port = l->port } };
	struct broker b;
	start(&b, e, 2);
	assert_int_equal(broker_ask(&b, 0), 0);
	assert_int_equal(broker_ask(&b, 1), -EBUSY);
	/* It is at it, so that the answer comes though nobody waits for it. */
	struct pollfd p = { .fd = l->unix_fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 20000), 1);
	broker_cancel(&b);
	assert_joined(l->tcp_fd, connect_to(&b, 1));
	close(accept(l->unix_fd, NULL, NULL));
	broker_stop(&b);
}

/* Of addresses that servers name: hosts and ports of the configuration, and what its networks hold. */
static void learned_addresses_stay_inside_the_configuration(void **state)
{
	struct listener *l = *state;
	struct network net;
	struct diag d = { 0 };
	struct broker b;
	uint16_t port = (uint16_t)strtoul(l->port, NULL, 10), other = 9;
	struct broker_endpoint e = { .host = "127.0.0.2", .port = l->port };
	struct broker_learned learned = { .networks = &net, .n_networks = 1, .ports = &other, .n_ports = 1 };
	struct broker_setup s = { .user = "", .endpoints = &e, .n_endpoints = 1 };
	assert_true(network_parse(bytes_str("127.0.0.1/32"), &net));
	assert_true(broker_start(&b, &s, &d));
	assert_int_equal(connect_at(&b, "127.0.0.2", port), -EACCES); /* no cluster, no sentinel */
	broker_stop(&b);
	s.learned = &learned;
	assert_true(broker_start(&b, &s, &d));
	assert_joined(l->tcp_fd, connect_at(&b, "127.0.0.1", port));
	assert_int_equal(connect_at(&b, "127.0.0.2", port), -ECONNREFUSED);
	assert_int_equal(connect_at(&b, "127.0.0.1", other), -ECONNREFUSED);
	assert_int_equal(connect_at(&b, "127.0.0.3", port), -EACCES);
	assert_int_equal(connect_at(&b, "127.0.0.1", (uint16_t)(port + 1)), -EACCES);
	assert_int_equal(connect_at(&b, "::1", port), -EACCES);
	broker_stop(&b);
	diag_free(&d);
}

static void datagrams_too(void **state)
{
	(void)state;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	char port[8], got[4] = "";
	struct broker_endpoint e = { .host = "127.0.0.1", .port = port, .is_datagram = true };
	struct broker b;
	int listener = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	snprintf(port, sizeof port, "%u", (unsigned)ntohs(a.sin_port));
	start(&b, &e, 1);
	int fd = connect_to(&b, 0);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hey", 3), 3);
	assert_int_equal(recv(listener, got, sizeof got, 0), 3);
	close(fd);
	close(listener);
	broker_stop(&b);
}

/* What was asked and given up while it was busy is not done any more. */
static void only_the_last_question_is_answered(void **state)
{
	struct listener *l = *state;
	struct broker_endpoint e[] = { { .path = l->path }, { .host = "127.0.0.1", .port = l->port } };
	struct broker b;
	start(&b, e, 2);
	int status;
	kill(b.pid, SIGSTOP);
	assert_int_equal(waitpid(b.pid, &status, WUNTRACED), b.pid);
	assert_true(WIFSTOPPED(status));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(broker_ask(&b, 0), 0);
		broker_cancel(&b);
	}
	assert_int_equal(broker_ask(&b, 1), 0);
	kill(b.pid, SIGCONT);
	assert_joined(l->tcp_fd, await(&b));
	struct pollfd p = { .fd = l->unix_fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 50), 0);
	broker_stop(&b);
}

static void a_broker_that_is_gone_is_told(void **state)
{
	struct listener *l = *state;
	struct broker_endpoint e = { .path = l->path };
	struct broker b;
	start(&b, &e, 1);
	kill(b.pid, SIGTERM); /* that comes to the sensor's whole group, and is the sensor's to handle */
	assert_joined(l->unix_fd, connect_to(&b, 0));
	kill(b.pid, SIGKILL);
	assert_int_equal(waitpid(b.pid, NULL, 0), b.pid);
	assert_int_equal(connect_to(&b, 0), -EPIPE);
	close(b.fd);
}

static void a_user_that_is_not_there_is_told(void **state)
{
	struct listener *l = *state;
	struct broker_endpoint e = { .path = l->path };
	struct broker b;
	struct diag d = { 0 };
	struct broker_setup s = {
		.is_confined = true, .user = "no-such-user", .endpoints = &e, .n_endpoints = 1
	};
	assert_false(broker_start(&b, &s, &d));
	assert_int_equal(d.errors, 1);
	assert_int_equal(b.fd, -1);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects_to_what_is_configured),
		cmocka_unit_test(refuses_all_but_its_indexes),
		cmocka_unit_test(an_answer_that_comes_late_is_no_other_requests),
		cmocka_unit_test(learned_addresses_stay_inside_the_configuration),
		cmocka_unit_test(datagrams_too),
		cmocka_unit_test(only_the_last_question_is_answered),
		cmocka_unit_test(a_broker_that_is_gone_is_told),
		cmocka_unit_test(a_user_that_is_not_there_is_told),
	};
	int failed = cmocka_run_group_tests(tests, open_listeners, close_listeners);
	return failed != 0;
}
