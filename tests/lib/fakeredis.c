#include "fakeredis.h"

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

struct fake_redis fake;

/* ---- hooks ---------------------------------------------------------------------------------------- */

static void delivered(void *arg, uint64_t number)
{
	(void)arg;
	assert_int_equal(number, fake.delivered + 1);
	fake.delivered = number;
}

static bool renew(void *arg, uint64_t number, struct outbox_id *id)
{
	(void)arg, (void)number;
	fake.renewed++;
	fake.next.seq++;
	*id = fake.next;
	return true;
}

static bool above(void *arg, struct outbox_id id)
{
	(void)arg;
	fake.above = id;
	if (id_cmp(id, fake.next) >= 0)
		fake.next = (struct outbox_id){ id.ms + 1, 0 };
	return true;
}

static void rewind_to(void *arg, uint64_t number)
{
	(void)arg;
	fake.rewound = number + 1000;
	fake.delivered = number;
}

static void tell(void *arg, const char *event, enum level level, const char *sentence)
{
	(void)arg, (void)level;
	snprintf(fake.told[fake.n_told++ % 16], sizeof fake.told[0], "%s", event);
	snprintf(fake.sentence, sizeof fake.sentence, "%s", sentence);
}

bool fake_was_told(const char *event)
{
	for (unsigned i = 0; i < fake.n_told && i < 16; i++)
		if (strcmp(fake.told[i], event) == 0)
			return true;
	return false;
}

/* ---- the sensor's side ------------------------------------------------------------------------------ */

void fake_turn(uint64_t forward)
{
	struct pollfd fds[DELIVERY_FDS];
	fake.now += forward;
	fake.d->serve(fake.d, fake.now, 1700000000000);
	nfds_t n = fake.d->fds(fake.d, fds);
	poll(fds, n, 2);
	fake.d->serve(fake.d, fake.now, 1700000000000);
}

void fake_offer(uint64_t number, bool was_offered)
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
	assert_true(fake.d->room(fake.d) > 0);
	fake.d->offer(fake.d, &r, was_offered, fake.now);
}

/* ---- the server's side ------------------------------------------------------------------------------ */

void fake_say(const char *text)
{
	size_t n = strlen(text);
	assert_int_equal(send(fake.peer, text, n, MSG_NOSIGNAL), n);
	fake_turn(0);
}

void fake_hang_up(void)
{
	if (fake.peer >= 0)
		close(fake.peer);
	fake.peer = -1;
	fake.n_in = 0;
}

bool fake_is_closed(void)
{
	char text[512];
	ssize_t n;
	for (int i = 0; i < 20; i++) {
		fake_turn(0);
		while ((n = recv(fake.peer, text, sizeof text, MSG_DONTWAIT)) > 0)
			;
		if (n == 0)
			return true;
	}
	return false;
}

const char *fake_command(void)
{
	static char words[4096];
	for (int i = 0; i < 50; i++) {
		struct cur c = cur_of(bytes_of(fake.in, fake.n_in));
		uint64_t count = 0, size;
		words[0] = 0;
		bool whole = fake.n_in && cur_u8(&c) == '*' &&
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
			size_t used = (size_t)((const char *)c.p - fake.in);
			memmove(fake.in, fake.in + used, fake.n_in - used);
			fake.n_in -= used;
			return words;
		}
		ssize_t n = fake.peer < 0 ? -1
					  : recv(fake.peer, fake.in + fake.n_in, sizeof fake.in - fake.n_in,
						    MSG_DONTWAIT);
		if (n > 0)
			fake.n_in += (size_t)n;
		else
			fake_turn(0);
	}
	return "";
}

void fake_expect(const char *start)
{
	const char *got = fake_command();
	if (strncmp(got, start, strlen(start)) != 0)
		fail_msg("\"%s\" came, not \"%s\"", got, start);
}

void fake_accept(void)
{
	fake_hang_up();
	struct pollfd p = { .fd = fake.listener, .events = POLLIN };
	for (int i = 0; i < 200 && poll(&p, 1, 0) == 0; i++)
		fake_turn(i ? 0 : 400 * S);
	int on = 1; /* what is said in pieces comes in pieces, and at once */
	fake.peer = accept(fake.listener, NULL, NULL);
	assert_true(fake.peer >= 0);
	setsockopt(fake.peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void fake_greet(const char *top)
{
	char text[160];
	snprintf(text, sizeof text, "*4\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$%zu\r\n%s\r\n",
		top ? strlen(top) : 0, top ? top : "");
	for (int i = 0; i < 12 && fake.d->room(fake.d) == 0; i++) {
		const char *c = fake_command();
		if (strncmp(c, "ROLE", 4) == 0)
			fake_say("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
		else if (strncmp(c, "XINFO", 5) == 0)
			fake_say(top ? text : "-ERR no such key\r\n");
		else if (strncmp(c, "XRANGE", 6) == 0)
			fake_say("*0\r\n");
		else
			fake_say("+OK\r\n");
	}
	assert_true(fake.d->figures.is_connected);
}

/* ---- fixture ------------------------------------------------------------------------------------------ */

int fake_start_group(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	struct diag d = { 0 };
	(void)state;
	fake.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fake.listener, (const struct sockaddr *)&a, n) != 0 || listen(fake.listener, 8) != 0 ||
		getsockname(fake.listener, (struct sockaddr *)&a, &n) != 0)
		return -1;
	snprintf(fake.port, sizeof fake.port, "%u", (unsigned)ntohs(a.sin_port));
	snprintf(fake.folder, sizeof fake.folder, "/tmp/ward-redis-XXXXXX");
	if (!mkdtemp(fake.folder))
		return -1;
	snprintf(fake.password, sizeof fake.password, "%s/password", fake.folder);
	struct broker_endpoint e = { .host = "127.0.0.1", .port = fake.port };
	struct broker_setup s = { .user = "", .endpoints = &e, .n_endpoints = 1 };
	return broker_start(&fake.broker, &s, &d) ? 0 : -1;
}

int fake_stop_group(void **state)
{
	(void)state;
	broker_stop(&fake.broker);
	close(fake.listener);
	unlink(fake.password);
	rmdir(fake.folder);
	return 0;
}

int fake_start(void **state)
{
	static struct broker_endpoint e;
	(void)state;
	e = (struct broker_endpoint){ .host = "127.0.0.1", .port = fake.port };
	redis_default(&fake.setup);
	fake.setup.servers = &e;
	fake.setup.n_servers = 1;
	fake.setup.key = "k:%CLASS%";
	fake.setup.backoff_jitter = 0;
	fake.peer = -1;
	fake.now = 1000 * S;
	fake.next = (struct outbox_id){ 5000, 0 };
	fake.delivered = fake.renewed = fake.rewound = fake.n_told = 0;
	fake.n_in = 0;
	return 0;
}

void fake_make(void)
{
	struct delivery_hooks h = {
		.delivered = delivered, .renew = renew, .above = above, .rewind = rewind_to, .tell = tell
	};
	struct diag d = { 0 };
	fake.d = redis_new(&fake.setup, &fake.broker, &h, &d);
	diag_print(&d, stderr, true);
	diag_free(&d);
	assert_non_null(fake.d);
}

int fake_stop(void **state)
{
	(void)state;
	fake_hang_up();
	if (fake.d)
		fake.d->free(fake.d);
	fake.d = NULL;
	/* Connections that the broker made and nobody took. */
	struct pollfd p = { .fd = fake.listener, .events = POLLIN };
	while (poll(&p, 1, 10) == 1)
		close(accept(fake.listener, NULL, NULL));
	return 0;
}

void fake_up(const char *top)
{
	fake_make();
	fake_accept();
	fake_greet(top);
}
