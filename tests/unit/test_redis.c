/* The Redis delivery against scripted answers: each row of the error table, hostile bytes, lost connections.
 * Time is the test's own. What a real server does is in e2e/redis.py. */
#include "run/redis.h"
#include "run/redis_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS ((uint64_t)1000000)
#define S  ((uint64_t)1000000000)

enum { RECORDS = 64 };

static struct fixture {
	struct broker broker;
	int listener, peer;
	char port[8], folder[64], password[96];
	struct delivery *d;
	struct redis_setup setup;
	uint64_t now;
	char in[65536]; /* of commands */
	size_t n_in;
	/* What the hooks heard. */
	uint64_t delivered, renewed, rewound;
	struct outbox_id above, next;
	char told[16][32];
	char sentence[256];
	unsigned n_told;
} f;

/* ---- hooks ---------------------------------------------------------------------------------------- */

static void delivered(void *arg, uint64_t number)
{
	(void)arg;
	assert_int_equal(number, f.delivered + 1);
	f.delivered = number;
}

static bool renew(void *arg, uint64_t number, struct outbox_id *id)
{
	(void)arg, (void)number;
	f.renewed++;
	f.next.seq++;
	*id = f.next;
	return true;
}

static bool above(void *arg, struct outbox_id id)
{
	(void)arg;
	f.above = id;
	if (id_cmp(id, f.next) >= 0)
		f.next = (struct outbox_id){ id.ms + 1, 0 };
	return true;
}

static void rewind_to(void *arg, uint64_t number)
{
	(void)arg;
	f.rewound = number + 1000;
	f.delivered = number;
}

static void tell(void *arg, const char *event, enum level level, const char *sentence)
{
	(void)arg, (void)level;
	snprintf(f.told[f.n_told++ % 16], sizeof f.told[0], "%s", event);
	snprintf(f.sentence, sizeof f.sentence, "%s", sentence);
}

static bool was_told(const char *event)
{
	for (unsigned i = 0; i < f.n_told && i < 16; i++)
		if (strcmp(f.told[i], event) == 0)
			return true;
	return false;
}

/* ---- the sensor's side ------------------------------------------------------------------------------ */

static void turn(uint64_t forward)
{
	struct pollfd fds[DELIVERY_FDS];
	f.now += forward;
	f.d->serve(f.d, f.now, 1700000000000);
	nfds_t n = f.d->fds(f.d, fds);
	poll(fds, n, 2);
	f.d->serve(f.d, f.now, 1700000000000);
}

static void offer(uint64_t number, bool was_offered)
{
	char id[24];
	static char body[32];
	snprintf(id, sizeof id, "e1-%04u", (unsigned)number);
	snprintf(body, sizeof body, "{\"n\":%u}", (unsigned)number);
	struct outbox_record r = { .number = number,
		.stream_id = { 1000, number },
		.level = LEVEL_LOW,
		.id = bytes_str(id),
		.document = bytes_str(body) };
	assert_true(f.d->room(f.d) > 0);
	f.d->offer(f.d, &r, was_offered, f.now);
}

/* ---- the server's side ------------------------------------------------------------------------------ */

static void say(const char *text)
{
	size_t n = strlen(text);
	assert_int_equal(send(f.peer, text, n, MSG_NOSIGNAL), n);
	turn(0);
}

static void hang_up(void)
{
	if (f.peer >= 0)
		close(f.peer);
	f.peer = -1;
	f.n_in = 0;
}

/* The connection is closed from the sensor's side. */
static bool is_closed(void)
{
	char text[512];
	ssize_t n;
	for (int i = 0; i < 20; i++) {
		turn(0);
		while ((n = recv(f.peer, text, sizeof text, MSG_DONTWAIT)) > 0)
			;
		if (n == 0)
			return true;
	}
	return false;
}

/* The next whole command as its words with blanks between; "": none comes. */
static const char *command(void)
{
	static char words[4096];
	for (int i = 0; i < 50; i++) {
		struct cur c = cur_of(bytes_of(f.in, f.n_in));
		uint64_t count = 0, size;
		words[0] = 0;
		bool whole = f.n_in && cur_u8(&c) == '*' &&
			     bytes_to_u64(bytes_trim(cur_until(&c, '\n')), &count) && count;
		for (uint64_t k = 0; whole && k < count; k++) {
			whole = cur_u8(&c) == '$' && bytes_to_u64(bytes_trim(cur_until(&c, '\n')), &size);
			struct bytes word = cur_take(&c, whole ? size : 0);
			cur_skip(&c, 2);
			whole = whole && cur_ok(&c);
			size_t used = strlen(words);
			snprintf(words + used, sizeof words - used, "%s%.*s", used ? " " : "", (int)word.n,
				(const char *)word.p);
		}
		if (whole) {
			size_t used = (size_t)((const char *)c.p - f.in);
			memmove(f.in, f.in + used, f.n_in - used);
			f.n_in -= used;
			return words;
		}
		ssize_t n = f.peer < 0 ? -1 : recv(f.peer, f.in + f.n_in, sizeof f.in - f.n_in, MSG_DONTWAIT);
		if (n > 0)
			f.n_in += (size_t)n;
		else
			turn(0);
	}
	return "";
}

static void assert_command(const char *start)
{
	const char *got = command();
	if (strncmp(got, start, strlen(start)) != 0)
		fail_msg("\"%s\" came, not \"%s\"", got, start);
}

static void accept_it(void)
{
	hang_up();
	struct pollfd p = { .fd = f.listener, .events = POLLIN };
	for (int i = 0; i < 200 && poll(&p, 1, 0) == 0; i++)
		turn(i ? 0 : 400 * S);
	int on = 1; /* what is said in pieces comes in pieces, and at once */
	f.peer = accept(f.listener, NULL, NULL);
	assert_true(f.peer >= 0);
	setsockopt(f.peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Up to where records go; top: the stream's last id, NULL: there is no stream. */
static void greet(const char *top)
{
	char text[160];
	snprintf(text, sizeof text, "*4\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$%zu\r\n%s\r\n",
		top ? strlen(top) : 0, top ? top : "");
	for (int i = 0; i < 12 && f.d->room(f.d) == 0; i++) {
		const char *c = command();
		if (strncmp(c, "ROLE", 4) == 0)
			say("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
		else if (strncmp(c, "XINFO", 5) == 0)
			say(top ? text : "-ERR no such key\r\n");
		else if (strncmp(c, "XRANGE", 6) == 0)
			say("*0\r\n");
		else
			say("+OK\r\n");
	}
	assert_true(f.d->figures.is_connected);
}

/* ---- fixture ------------------------------------------------------------------------------------------ */

static int start_group(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	struct diag d = { 0 };
	(void)state;
	f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f.listener, (const struct sockaddr *)&a, n) != 0 || listen(f.listener, 8) != 0 ||
		getsockname(f.listener, (struct sockaddr *)&a, &n) != 0)
		return -1;
	snprintf(f.port, sizeof f.port, "%u", (unsigned)ntohs(a.sin_port));
	snprintf(f.folder, sizeof f.folder, "/tmp/ward-redis-XXXXXX");
	if (!mkdtemp(f.folder))
		return -1;
	snprintf(f.password, sizeof f.password, "%s/password", f.folder);
	struct broker_endpoint e = { .host = "127.0.0.1", .port = f.port };
	struct broker_setup s = { .user = "", .endpoints = &e, .n_endpoints = 1 };
	return broker_start(&f.broker, &s, &d) ? 0 : -1;
}

static int stop_group(void **state)
{
	(void)state;
	broker_stop(&f.broker);
	close(f.listener);
	unlink(f.password);
	rmdir(f.folder);
	return 0;
}

static int start(void **state)
{
	static struct broker_endpoint e;
	(void)state;
	e = (struct broker_endpoint){ .host = "127.0.0.1", .port = f.port };
	redis_default(&f.setup);
	f.setup.servers = &e;
	f.setup.n_servers = 1;
	f.setup.key = "k:%CLASS%";
	f.setup.backoff_jitter = 0;
	f.peer = -1;
	f.now = 1000 * S;
	f.next = (struct outbox_id){ 5000, 0 };
	f.delivered = f.renewed = f.rewound = f.n_told = 0;
	f.n_in = 0;
	return 0;
}

static void make(void)
{
	struct delivery_hooks h = {
		.delivered = delivered, .renew = renew, .above = above, .rewind = rewind_to, .tell = tell
	};
	struct diag d = { 0 };
	f.d = redis_new(&f.setup, &f.broker, &h, &d);
	diag_print(&d, stderr, true);
	diag_free(&d);
	assert_non_null(f.d);
}

static int stop(void **state)
{
	(void)state;
	hang_up();
	if (f.d)
		f.d->free(f.d);
	f.d = NULL;
	/* Connections that the broker made and nobody took. */
	struct pollfd p = { .fd = f.listener, .events = POLLIN };
	while (poll(&p, 1, 10) == 1)
		close(accept(f.listener, NULL, NULL));
	return 0;
}

static void up(const char *top)
{
	make();
	accept_it();
	greet(top);
}

/* ---- the tests ---------------------------------------------------------------------------------------- */

static void a_record_goes_and_is_acknowledged(void **state)
{
	(void)state;
	up(NULL);
	offer(1, false);
	offer(2, false);
	turn(10 * MS);
	assert_int_equal(f.n_in, 0); /* a batch waits for more, but not long */
	turn(50 * MS);
	assert_command(
		"XADD k:alert MAXLEN ~ 1000000 1000-1 body {\"n\":1} id e1-0001 kind alert level low v 1");
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-2 body {\"n\":2} id e1-0002");
	say("$6\r\n10");
	say("00-1\r");
	assert_int_equal(f.delivered, 0);
	say("\n$6\r\n1000-2\r\n");
	assert_int_equal(f.delivered, 2);
	assert_int_equal(f.d->figures.sent, 2);
	assert_int_equal(f.n_told, 0);
}

/* Each row: what is told, and whether the connection stays. It is well again when the record goes. */
static const struct {
	const char *reply, *event;
	bool stays;
} rows[] = {
	{ "-NOAUTH Authentication required.", "redis_auth", false },
	{ "-WRONGPASS invalid username-password pair", "redis_auth", false },
	{ "-NOPERM this user has no permissions to run the 'xadd' command", "redis_permission", false },
	{ "-LOADING Redis is loading the dataset in memory", "redis_loading", true },
	{ "-BUSY Redis is busy running a script.", "redis_busy", true },
	{ "-TRYAGAIN Multiple keys request during rehashing of slot", "redis_cluster", true },
	{ "-CLUSTERDOWN Hash slot not served", "redis_cluster", true },
	{ "-NOREPLICAS Not enough good replicas to write.", "redis_replicas", true },
	{ "-READONLY You can't write against a read only replica.", "redis_read_only", false },
	{ "-MASTERDOWN Link with MASTER is down", "redis_read_only", false },
	{ "-UNBLOCKED force unblock from blocking operation", "redis_read_only", false },
	{ "-MOVED 3999 10.0.0.1:6381", "redis_cluster", false },
	{ "-ASK 3999 10.0.0.1:6381", "redis_cluster", false },
	{ "-OOM command not allowed when used memory > 'maxmemory'.", "redis_oom", true },
	{ "-MISCONF Redis is configured to save RDB snapshots", "redis_misconf", true },
	{ "-WRONGTYPE Operation against a key holding the wrong kind of value", "redis_wrong_type", false },
	{ "-ERR max number of clients reached", "redis_refused", false },
	{ "-ERR something new", "redis_refused", false },
	{ "-\x1b[2J evil \xff text with no code", "redis_refused", false },
	{ "-", "redis_refused", false },
	{ "+OK", "redis_protocol", false },
	{ ":1", "redis_protocol", false },
	{ "$6\r\n1000-2", "redis_protocol", false }, /* an id that is not ours */
	{ "$-1", "redis_protocol", false },
	{ "*0", "redis_protocol", false },
};

static void every_refusal(void **state)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(state);
		up(NULL);
		offer(1, false);
		turn(60 * MS);
		assert_command("XADD k:alert");
		say(rows[i].reply);
		say("\r\n");
		if (!was_told(rows[i].event) || f.n_told != 1)
			fail_msg("%s: %s is told", rows[i].reply, f.told[0]);
		assert_null(strpbrk(f.sentence, "\x1b\xff"));
		assert_string_equal(f.d->figures.problem, f.sentence);
		assert_int_equal(f.d->room(f.d), 0);
		assert_int_equal(f.d->figures.is_connected, rows[i].stays);
		assert_int_equal(is_closed(), !rows[i].stays);
		if (!rows[i].stays) {
			accept_it();
			greet(NULL);
		}
		turn(rows[i].stays ? 1 * S : 0);
		/* PING, or a look at the stream, may come before it. */
		while (strncmp(command(), "XADD k:alert MAXLEN ~ 1000000 1000-1", 36) != 0)
			say("-ERR no such key\r\n");
		say("$6\r\n1000-1\r\n");
		assert_int_equal(f.delivered, 1);
		assert_string_equal(f.told[1], "redis_recovered");
		assert_string_equal(f.d->figures.problem, "");
		stop(state);
	}
}

static void an_unknown_option_is_left_out_once(void **state)
{
	(void)state;
	f.setup.trim_age_ms = 1000;
	up(NULL);
	offer(1, false);
	turn(60 * MS);
	assert_command("XADD k:alert MINID ~ 1699999999000 1000-1 body");
	say("-ERR syntax error\r\n");
	turn(60 * MS);
	assert_command("XADD k:alert 1000-1 body");
	assert_true(was_told("redis_unsupported"));
	say("-ERR syntax error\r\n");
	assert_true(is_closed());
	assert_false(f.d->figures.is_connected);
}

static void hostile_bytes(void **state)
{
	static const char *const bytes[] = {
		"*2147483647\r\n", "*16385\r\n", "*4294967296\r\n", "*-2\r\n", "$-2\r\n",
		"$99999999999999999999\r\n", "$5x\r\n", ":\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
		"HTTP/1.1 400 Bad Request\r\n\r\n", "%1\r\n+a\r\n:1\r\n", "\r\n",
		"$6\r\n1000-1\r\n$6\r\n1000-2\r\n", /* one more than was asked */
	};
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
		start(state);
		up(NULL);
		offer(1, false);
		turn(60 * MS);
		assert_command("XADD");
		say(bytes[i]);
		if (!was_told("redis_protocol"))
			fail_msg("%s: %u told, the last %s", bytes[i], f.n_told, f.sentence);
		assert_true(is_closed());
		stop(state);
	}
}

static void an_endless_answer_is_cut(void **state)
{
	static char block[16001];
	(void)state;
	up(NULL);
	offer(1, false);
	turn(60 * MS);
	assert_command("XADD");
	say("$500000000\r\n");
	memset(block, 'x', sizeof block - 1);
	size_t fed = 0;
	while (fed < 2000000 && f.d->figures.is_connected) {
		ssize_t n = send(f.peer, block, sizeof block - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		fed += n > 0 ? (size_t)n : 0;
		turn(0);
	}
	assert_true(was_told("redis_protocol"));
	assert_true(fed < 1500000);
	assert_int_equal(f.delivered, 0);
}

static void silence_is_not_waited_for(void **state)
{
	(void)state;
	up(NULL);
	offer(1, false);
	turn(60 * MS);
	assert_command("XADD");
	say("$6\r\n100");
	turn(4900 * MS);
	assert_int_equal(f.n_told, 0);
	turn(200 * MS);
	assert_true(was_told("redis_timeout"));
	assert_true(is_closed());
	/* One that says nothing to PING on an idle connection. */
	accept_it();
	greet("1000-0");
	turn(60 * MS);
	assert_command("XADD");
	say("$6\r\n1000-1\r\n");
	turn(15 * S);
	for (int i = 0; i < 7; i++)
		command(); /* XINFO of the watch, then PING */
	turn(6 * S);
	assert_true(is_closed());
}

/* What was under way when the connection broke is read back. */
static void uncertain_records_are_looked_up(void **state)
{
	(void)state;
	up(NULL);
	for (uint64_t n = 1; n <= 4; n++)
		offer(n, false);
	turn(60 * MS);
	for (int i = 0; i < 4; i++)
		assert_command("XADD");
	hang_up();
	turn(0);
	accept_it();
	greet("1000-3");
	assert_command("XRANGE k:alert 1000-1 1000-1");
	say("*1\r\n*2\r\n$6\r\n1000-1\r\n*4\r\n$4\r\nbody\r\n$7\r\n{\"n\":1}\r\n$2\r\nid\r\n$7\r\ne1-"
	    "0001\r\n");
	assert_command("XRANGE k:alert 1000-2 1000-2");
	say("*0\r\n");
	assert_command("XRANGE k:alert 1000-3 1000-3");
	say("*1\r\n*2\r\n$6\r\n1000-3\r\n*4\r\n$4\r\nbody\r\n$7\r\n{\"n\":3}\r\n$2\r\nid\r\n$7\r\ne1-"
	    "0003\r\n");
	assert_int_equal(f.delivered, 1);
	assert_int_equal(f.d->figures.duplicates, 2);
	turn(60 * MS);
	/* The fourth is above the last id, and goes as it was; the second cannot any more. */
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-4");
	assert_command("XADD k:alert MAXLEN ~ 1000000 5000-1 body {\"n\":2}");
	assert_int_equal(f.renewed, 1);
	say("$6\r\n1000-4\r\n$6\r\n5000-1\r\n");
	assert_int_equal(f.delivered, 4);
	assert_false(was_told("redis_second_producer"));
}

static void an_id_that_is_taken_by_another(void **state)
{
	(void)state;
	up(NULL);
	offer(1, false);
	turn(60 * MS);
	assert_command("XADD");
	say("-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n");
	assert_command("XINFO STREAM k:alert");
	say("*2\r\n$17\r\nlast-generated-id\r\n$6\r\n7000-0\r\n");
	assert_int_equal(f.above.ms, 7000);
	assert_command("XRANGE k:alert 1000-1 1000-1");
	say("*0\r\n");
	assert_true(was_told("redis_second_producer"));
	turn(60 * MS);
	assert_command("XADD k:alert MAXLEN ~ 1000000 7001-1");
	say("$6\r\n7001-1\r\n");
	assert_int_equal(f.delivered, 1);
}

/* A server that always says so is not asked for ever. */
static void an_id_that_is_refused_again_and_again(void **state)
{
	(void)state;
	up(NULL);
	offer(1, false);
	for (int i = 0; i < 40 && f.d->figures.is_connected; i++) {
		turn(60 * MS);
		const char *c = command();
		if (strncmp(c, "XADD", 4) == 0)
			say("-ERR The ID specified in XADD is equal or smaller than the target stream top "
			    "item\r\n");
		else if (strncmp(c, "XINFO", 5) == 0)
			say("*2\r\n$17\r\nlast-generated-id\r\n$3\r\n0-0\r\n");
		else if (strncmp(c, "XRANGE", 6) == 0)
			say("*0\r\n");
	}
	assert_false(f.d->figures.is_connected);
}

static void without_the_right_to_read(void **state)
{
	(void)state;
	make();
	accept_it();
	for (int i = 0; i < 12 && f.d->room(f.d) == 0; i++) {
		const char *c = command();
		say(strncmp(c, "ROLE", 4) == 0         ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
			: strncmp(c, "XINFO", 5) == 0  ? "-ERR no such key\r\n"
			: strncmp(c, "XRANGE", 6) == 0 ? "-NOPERM no\r\n"
			: strncmp(c, "EXEC", 4) == 0   ? "*0\r\n"
						       : "+OK\r\n");
	}
	offer(1, false);
	offer(2, false);
	turn(60 * MS);
	assert_command("MULTI");
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-1");
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-2");
	assert_command("EXEC");
	say("+OK\r\n+QUEUED\r\n-OOM command not allowed\r\n-EXECABORT Transaction discarded\r\n");
	assert_true(was_told("redis_oom"));
	assert_int_equal(f.delivered, 0);
	turn(1 * S);
	assert_command("MULTI");
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-1");
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-2");
	assert_command("EXEC");
	say("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$6\r\n1000-1\r\n$6\r\n1000-2\r\n");
	assert_int_equal(f.delivered, 2);
}

static void what_a_failover_lost_is_offered_again(void **state)
{
	(void)state;
	up(NULL);
	for (uint64_t n = 1; n <= 6; n++)
		offer(n, false);
	turn(60 * MS);
	for (uint64_t n = 1; n <= 6; n++) {
		char text[32];
		assert_command("XADD");
		snprintf(text, sizeof text, "$6\r\n1000-%u\r\n", (unsigned)n);
		say(text);
	}
	assert_int_equal(f.delivered, 6);
	hang_up();
	turn(0);
	accept_it();
	greet("1000-4");
	assert_true(was_told("redis_data_lost"));
	assert_int_equal(f.rewound, 1004);
	offer(5, true);
	offer(6, true);
	turn(60 * MS);
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-5");
	assert_command("XADD k:alert MAXLEN ~ 1000000 1000-6");
}

static void the_password_is_read_anew_and_told_nobody(void **state)
{
	(void)state;
	f.setup.password_file = f.password;
	f.setup.user = "sensor";
	FILE *file = fopen(f.password, "w");
	assert_true(file && fputs("s3cret-one\n", file) >= 0 && fclose(file) == 0);
	chmod(f.password, 0640);
	make();
	accept_it();
	assert_true(is_closed());
	assert_non_null(strstr(f.sentence, "chmod 0600"));
	chmod(f.password, 0600);
	accept_it();
	assert_command("AUTH sensor s3cret-one");
	say("-WRONGPASS invalid username-password pair or user is disabled.\r\n");
	assert_null(strstr(f.sentence, "s3cret"));
	file = fopen(f.password, "w");
	assert_true(file && fputs("s3cret-two", file) >= 0 && fclose(file) == 0);
	accept_it();
	assert_command("AUTH sensor s3cret-two");
	say("+OK\r\n");
	assert_command("CLIENT SETNAME wardwatch-wardwatch");
}

static void no_master_no_delivery(void **state)
{
	(void)state;
	make();
	accept_it();
	assert_command("CLIENT");
	say("-ERR unknown command\r\n"); /* a courtesy: it goes on */
	assert_command("ROLE");
	say("*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:1\r\n");
	assert_true(was_told("redis_read_only"));
	assert_true(is_closed());
}

/* What a server sends us to: itself by another word, in circles, or where nobody said that we may go. */
static void redirections(void **state)
{
	char text[64];
	(void)state;
	f.setup.is_cluster = true;
	f.setup.clear_is_forced = true;
	up(NULL);
	offer(1, false);
	turn(60 * MS);
	assert_command("XADD k:alert");
	say("-MOVED 3999 10.9.9.9:6379\r\n");
	for (int i = 0; i < 20 && !f.n_told; i++)
		turn(0);
	assert_true(was_told("redis_unreachable"));
	assert_non_null(strstr(f.sentence, "10.9.9.9:6379, which the configuration does not"));
	accept_it();
	greet(NULL);
	turn(60 * MS);
	snprintf(text, sizeof text, "-MOVED 3999 :%s\r\n", f.port); /* no host: the one we are at */
	for (int i = 0; i < 5; i++) {
		assert_command("XADD k:alert");
		say(text);
		if (was_told("redis_cluster"))
			break;
		accept_it();
		greet(NULL);
		turn(60 * MS);
	}
	assert_true(was_told("redis_cluster"));
	assert_non_null(strstr(f.sentence, "in circles"));
	accept_it();
	greet(NULL);
	turn(60 * MS);
	assert_command("XADD k:alert");
	say("-MOVED 3999 \x1b[31mnode.example:6379\r\n");
	/* Of the same kind as what was told already: not told again, but it is what is wrong now. */
	assert_non_null(strstr(f.d->figures.problem, "without a literal address"));
	assert_null(strchr(f.d->figures.problem, '\x1b'));
}

/* The watch of a stream: who else writes there, how much is not read, how soon it is trimmed. */
static void the_stream_is_watched(void **state)
{
	(void)state;
	f.setup.trim_entries = 10;
	up("900-0");
	offer(1, false);
	turn(60 * MS);
	assert_command("XADD k:alert");
	say("$6\r\n1000-1\r\n");
	turn(31 * S);
	const char *c = command();
	for (int i = 0; i < 8 && strcmp(c, "XINFO STREAM k:alert") != 0; i++) {
		say("+PONG\r\n");
		c = command();
	}
	assert_string_equal(c, "XINFO STREAM k:alert");
	/* 1699999999000: one second old, where a day is asked for. */
	say("*6\r\n$6\r\nlength\r\n:10\r\n$17\r\nlast-generated-id\r\n$6\r\n1000-1\r\n"
	    "$11\r\nfirst-entry\r\n*2\r\n$15\r\n1699999999000-0\r\n*0\r\n");
	assert_true(was_told("redis_retention"));
	assert_command("XINFO GROUPS k:alert");
	say("*2\r\n*4\r\n$4\r\nname\r\n$1\r\na\r\n$3\r\nlag\r\n:7\r\n*4\r\n$4\r\nname\r\n$1\r\nb\r\n$"
	    "3\r\nlag\r\n$-1\r\n");
	assert_int_equal(f.d->figures.lag, 7);
	for (int i = 0; i < 4; i++) {
		assert_command("XINFO");
		say("-ERR no such key\r\n");
	}
	assert_int_equal(f.n_told, 1);
	turn(31 * S);
	for (c = command(); strcmp(c, "XINFO STREAM k:alert") != 0; c = command())
		say("+PONG\r\n");
	say("*4\r\n$6\r\nlength\r\n:10\r\n$17\r\nlast-generated-id\r\n$6\r\n8000-1\r\n");
	assert_true(was_told("redis_second_producer"));
	assert_true(f.d->figures.is_connected);
}

static void replicas_that_do_not_keep_up(void **state)
{
	(void)state;
	f.setup.wait_replicas = 2;
	up(NULL);
	offer(1, false);
	turn(60 * MS);
	assert_command("XADD k:alert");
	assert_command("WAIT 2 500");
	say("$6\r\n1000-1\r\n:1\r\n");
	assert_true(was_told("redis_replicas"));
	assert_int_equal(f.delivered, 0);
	turn(1 * S);
	assert_command("WAIT 2 500"); /* the record itself is there, and does not go again */
	say(":2\r\n");
	assert_int_equal(f.delivered, 1);
	assert_true(was_told("redis_recovered"));
}

static void what_is_wrong_in_the_configuration(void **state)
{
	struct broker_endpoint far = { .host = "10.20.5.10", .port = "6379" };
	struct delivery_hooks h = { 0 };
	struct diag d = { 0 };
	(void)state;
	f.setup.servers = &far;
	assert_null(redis_new(&f.setup, &f.broker, &h, &d));
	assert_int_equal(d.errors, 1);
	assert_non_null(strstr(d.messages[0].text, "over TLS alone"));
	f.setup.clear_is_forced = true;
	f.setup.max_entries = 1000;
	f.setup.n_servers = 0;
	assert_null(redis_new(&f.setup, &f.broker, &h, &d));
	assert_int_equal(d.errors, 3);
	diag_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_record_goes_and_is_acknowledged, start, stop),
		cmocka_unit_test(every_refusal),
		cmocka_unit_test_setup_teardown(an_unknown_option_is_left_out_once, start, stop),
		cmocka_unit_test(hostile_bytes),
		cmocka_unit_test_setup_teardown(an_endless_answer_is_cut, start, stop),
		cmocka_unit_test_setup_teardown(silence_is_not_waited_for, start, stop),
		cmocka_unit_test_setup_teardown(uncertain_records_are_looked_up, start, stop),
		cmocka_unit_test_setup_teardown(an_id_that_is_taken_by_another, start, stop),
		cmocka_unit_test_setup_teardown(an_id_that_is_refused_again_and_again, start, stop),
		cmocka_unit_test_setup_teardown(without_the_right_to_read, start, stop),
		cmocka_unit_test_setup_teardown(what_a_failover_lost_is_offered_again, start, stop),
		cmocka_unit_test_setup_teardown(the_password_is_read_anew_and_told_nobody, start, stop),
		cmocka_unit_test_setup_teardown(no_master_no_delivery, start, stop),
		cmocka_unit_test_setup_teardown(redirections, start, stop),
		cmocka_unit_test_setup_teardown(the_stream_is_watched, start, stop),
		cmocka_unit_test_setup_teardown(replicas_that_do_not_keep_up, start, stop),
		cmocka_unit_test_setup_teardown(what_is_wrong_in_the_configuration, start, stop),
	};
	int failed = cmocka_run_group_tests(tests, start_group, stop_group);
	return failed != 0;
}
