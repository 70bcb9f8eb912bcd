/* The transport: in clear, over TLS with a certificate that is right or wrong in one way, slow, full, cut. */
#include "run/connection.h"

#include "pki.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000 };

/* One server that listens, in clear or over TLS; children serve it. */
static struct fixture {
	struct pki pki;
	struct broker broker;
	int listener;
	char port[8];
} fix;

static uint64_t now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static int start(void **state)
{
	static char closed[8];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	struct diag d = { 0 };
	(void)state;
	pki_make(&fix.pki);
	pki_issue(&fix.pki, "server", "DNS:redis.test,IP:127.0.0.1", 30);
	pki_issue(&fix.pki, "old", "DNS:redis.test", -1);
	pki_issue(&fix.pki, "client", "DNS:sensor.test", 30);
	int unused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fix.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(unused, (const struct sockaddr *)&a, n) != 0 ||
		getsockname(unused, (struct sockaddr *)&a, &n) != 0)
		return -1;
	snprintf(closed, sizeof closed, "%u", (unsigned)ntohs(a.sin_port));
	a.sin_port = 0;
	if (bind(fix.listener, (const struct sockaddr *)&a, n) != 0 || listen(fix.listener, 8) != 0 ||
		getsockname(fix.listener, (struct sockaddr *)&a, &n) != 0)
		return -1;
	snprintf(fix.port, sizeof fix.port, "%u", (unsigned)ntohs(a.sin_port));
	struct broker_endpoint e[] = { { .host = "127.0.0.1", .port = fix.port },
		{ .host = "127.0.0.1", .port = closed } };
	struct broker_setup s = { .user = "", .endpoints = e, .n_endpoints = 2 };
	return broker_start(&fix.broker, &s, &d) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	broker_stop(&fix.broker);
	close(fix.listener);
	pki_remove(&fix.pki);
	return 0;
}

/* ---- servers ---------------------------------------------------------------------------------- */

static void echo_plain(int fd)
{
	char text[4096];
	ssize_t n;
	while ((n = read(fd, text, sizeof text)) > 0)
		if (write(fd, text, (size_t)n) != n)
			return;
}

struct server {
	const char *cert; /* NULL: in clear */
	int newest;       /* TLS version; 0: any */
	bool wants_certificate;
	bool is_silent;   /* accepts and says nothing */
	const char *says; /* and then closes */
};

static void echo_tls(int fd, const struct server *s)
{
	char file[64], text[4096];
	int n;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	snprintf(file, sizeof file, "%s.pem", s->cert);
	SSL_CTX_use_certificate_file(context, pki_path(&fix.pki, file), SSL_FILETYPE_PEM);
	snprintf(file, sizeof file, "%s.key", s->cert);
	SSL_CTX_use_PrivateKey_file(context, pki_path(&fix.pki, file), SSL_FILETYPE_PEM);
	SSL_CTX_load_verify_locations(context, pki_path(&fix.pki, "ca.pem"), NULL);
	if (s->newest) {
		SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(context, s->newest);
		SSL_CTX_set_security_level(context, 0);
	}
	if (s->wants_certificate)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL *ssl = SSL_new(context);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		while ((n = SSL_read(ssl, text, sizeof text)) > 0)
			SSL_write(ssl, text, n);
	SSL_shutdown(ssl);
	SSL_free(ssl);
	SSL_CTX_free(context);
}

/* For one connection, in a process of its own. */
static pid_t serve(const struct server *s)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	signal(SIGPIPE, SIG_IGN);
	int fd = accept(fix.listener, NULL, NULL);
	if (s->is_silent)
		sleep(30);
	else if (s->says)
		(void)!write(fd, s->says, strlen(s->says));
	else if (s->cert)
		echo_tls(fd, s);
	else
		echo_plain(fd);
	_exit(0);
}

/* ---- driving a connection --------------------------------------------------------------------- */

static void turn(struct connection *c, int at_most_ms)
{
	struct pollfd p;
	nfds_t n = connection_fds(c, &p);
	poll(&p, n, at_most_ms);
	connection_serve(c, now());
}

static enum connection_state settle(struct connection *c)
{
	uint64_t end = now() + 10ULL * SECOND;
	while (now() < end && (connection_state(c) == CONNECTION_CONNECTING ||
				      connection_state(c) == CONNECTION_HANDSHAKING))
		turn(c, 50);
	return connection_state(c);
}

static void assert_echoes(struct connection *c, size_t total)
{
	size_t sent = 0, back = 0;
	uint64_t end = now() + 20ULL * SECOND;
	uint8_t block[1000];
	while (back < total && now() < end) {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = (uint8_t)((sent + i) * 7 % 251);
		size_t n = total - sent < sizeof block ? total - sent : sizeof block;
		if (n && connection_write(c, bytes_of(block, n)))
			sent += n;
		turn(c, sent < total ? 0 : 50);
		struct bytes in = connection_input(c);
		for (size_t i = 0; i < in.n; i++)
			assert_int_equal(bytes_at(in, i), (back + i) * 7 % 251);
		back += in.n;
		connection_eat(c, in.n);
		assert_int_equal(connection_state(c), CONNECTION_OPEN);
	}
	assert_int_equal(back, total);
}

static struct connection *open_to(size_t endpoint, const struct tls *t, const char *name, uint64_t connect_ns)
{
	struct connection_setup s = {
		.broker = &fix.broker, .tls = t, .connect_ns = connect_ns, .out_most = 8192, .in_most = 5000
	};
	struct connection *c = connection_new(&s);
	assert_non_null(c);
	connection_open(c, endpoint, name, now());
	return c;
}

static void assert_says(const struct connection *c, const char *words)
{
	assert_int_equal(connection_state(c), CONNECTION_FAILED);
	if (!strstr(connection_reason(c), words))
		fail_msg("\"%s\" does not say \"%s\"", connection_reason(c), words);
}

static struct tls *load(struct tls_setup s)
{
	struct diag d = { 0 };
	struct tls *t = tls_load(&s, &d);
	diag_print(&d, stderr, true);
	diag_free(&d);
	assert_non_null(t);
	return t;
}

/* The outcome of shaking hands with that server: NULL in says: it works, and echoes. */
static void try_tls(const struct server *s, struct tls_setup ours, const char *name, const char *says)
{
	char ca[160], cert[160], key[160];
	snprintf(ca, sizeof ca, "%s", pki_path(&fix.pki, ours.ca ? ours.ca : "ca.pem"));
	ours.ca = ca;
	if (ours.cert) {
		snprintf(cert, sizeof cert, "%s", pki_path(&fix.pki, ours.cert));
		snprintf(key, sizeof key, "%s", pki_path(&fix.pki, ours.key));
		ours.cert = cert;
		ours.key = key;
	}
	struct tls *t = load(ours);
	pid_t pid = serve(s);
	struct connection *c = open_to(0, t, name, 5ULL * SECOND);
	settle(c);
	/* What the server thinks of our certificate comes after the handshake (TLS 1.3). */
	for (int i = 0; says && i < 40 && connection_state(c) == CONNECTION_OPEN; i++)
		turn(c, 50);
	if (says)
		assert_says(c, says);
	else
		assert_echoes(c, 300000);
	connection_free(c);
	tls_free(t);
	waitpid(pid, NULL, 0);
}

/* ---- the tests -------------------------------------------------------------------------------- */

static void in_clear_through_small_buffers(void **state)
{
	(void)state;
	pid_t pid = serve(&(struct server){ 0 });
	struct connection *c = open_to(0, NULL, "127.0.0.1", 5ULL * SECOND);
	assert_int_equal(settle(c), CONNECTION_OPEN);
	assert_false(connection_write(c, bytes_of("", 8193)));
	assert_echoes(c, 1000000);
	connection_close(c);
	assert_int_equal(connection_state(c), CONNECTION_IDLE);
	waitpid(pid, NULL, 0);
	connection_free(c);
}

static void refused_and_cut_and_opened_again(void **state)
{
	(void)state;
	struct connection *c = open_to(1, NULL, "10.1.2.3", 5ULL * SECOND);
	settle(c);
	assert_says(c, "cannot connect to 10.1.2.3: Connection refused: is the server running there?");
	pid_t pid = serve(&(struct server){ 0 });
	connection_open(c, 0, "again", now());
	assert_int_equal(settle(c), CONNECTION_OPEN);
	assert_string_equal(connection_reason(c), "");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 20 && connection_state(c) == CONNECTION_OPEN; i++)
		turn(c, 50);
	assert_says(c, "again closed the connection");
	connection_free(c);
}

static void a_server_that_shakes_no_hands(void **state)
{
	(void)state;
	struct tls *t = load((struct tls_setup){ .ca = pki_path(&fix.pki, "ca.pem") });
	pid_t pid = serve(&(struct server){ .is_silent = true });
	struct connection *c = open_to(0, t, "redis.test", SECOND / 4);
	uint64_t begun = now();
	settle(c);
	assert_says(c, "redis.test did not shake hands (TLS) in time");
	assert_true(now() - begun < 2ULL * SECOND);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	connection_free(c);
	tls_free(t);
}

static void tls_as_it_should_be(void **state)
{
	struct server s = { .cert = "server" };
	(void)state;
	try_tls(&s, (struct tls_setup){ 0 }, "redis.test", NULL);
	try_tls(&s, (struct tls_setup){ .min = "1.3" }, "127.0.0.1", NULL);
	s.newest = TLS1_2_VERSION;
	try_tls(&s, (struct tls_setup){ .min = "1.2" }, "redis.test", NULL);
	s.wants_certificate = true;
	try_tls(&s, (struct tls_setup){ .cert = "client.pem", .key = "client.key" }, "redis.test", NULL);
}

static void tls_that_is_refused(void **state)
{
	struct server s = { .cert = "server" };
	(void)state;
	try_tls(&s, (struct tls_setup){ 0 }, "other.test", "is for another name: tls.server_name");
	try_tls(&s, (struct tls_setup){ 0 }, "127.0.0.2", "is for another name");
	try_tls(&s, (struct tls_setup){ .ca = "other.pem" }, "redis.test", "not from an authority");
	s.wants_certificate = true;
	try_tls(&s, (struct tls_setup){ 0 }, "redis.test", "it wants a certificate");
	s = (struct server){ .cert = "server", .newest = TLS1_2_VERSION };
	try_tls(&s, (struct tls_setup){ .min = "1.3" }, "redis.test", "no TLS version that is allowed");
	s.newest = TLS1_1_VERSION;
	try_tls(&s, (struct tls_setup){ 0 }, "redis.test", "no TLS version that is allowed");
	s = (struct server){ .cert = "old" };
	try_tls(&s, (struct tls_setup){ 0 }, "redis.test", "has expired");
	s = (struct server){ .says = "-ERR unknown command\r\n" };
	try_tls(&s, (struct tls_setup){ 0 }, "redis.test", "no TLS at all");
}

static void files_that_are_wrong_are_told(void **state)
{
	char ca[160], key[160];
	struct diag d = { 0 };
	(void)state;
	snprintf(ca, sizeof ca, "%s", pki_path(&fix.pki, "ca.pem"));
	snprintf(key, sizeof key, "%s", pki_path(&fix.pki, "server.key"));
	assert_null(tls_load(&(struct tls_setup){ .ca = "/nonexistent.pem" }, &d));
	assert_null(tls_load(&(struct tls_setup){ .ca = key }, &d));
	assert_null(tls_load(&(struct tls_setup){ .ca = ca, .cert = ca }, &d));
	assert_null(tls_load(&(struct tls_setup){ .ca = ca, .cert = ca, .key = key }, &d));
	assert_null(tls_load(&(struct tls_setup){ .ca = ca, .min = "1.1" }, &d));
	assert_int_equal(d.errors, 5);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_clear_through_small_buffers),
		cmocka_unit_test(refused_and_cut_and_opened_again),
		cmocka_unit_test(a_server_that_shakes_no_hands),
		cmocka_unit_test(tls_as_it_should_be),
		cmocka_unit_test(tls_that_is_refused),
		cmocka_unit_test(files_that_are_wrong_are_told),
	};
	int failed = cmocka_run_group_tests(tests, start, stop);
	return failed != 0;
}
