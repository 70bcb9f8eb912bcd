/* fuzz_redis: the Redis delivery in the hands of a server that does anything. The input says what it answers,
 * what it hangs up on, what time does. Records are delivered in order, each at most once between rewinds, and
 * only those that were offered; nothing is printed, nothing hangs. */
#include "run/redis.h"

#include "base/assert.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS ((uint64_t)1000000)

enum { STEPS = 400, RECORDS = 200 };

struct world {
	struct broker broker;
	int broker_end, peer;
	struct delivery *d;
	uint64_t now, offered, delivered, most;
	struct outbox_id ids[RECORDS + 1], last;
	unsigned answered;
};

static void delivered(void *arg, uint64_t number)
{
	struct world *w = arg;
	ASSERT(number == w->delivered + 1 && number <= w->offered);
	w->delivered = number;
}

static bool renew(void *arg, uint64_t number, struct outbox_id *id)
{
	struct world *w = arg;
	ASSERT(number > w->delivered && number <= w->offered);
	if (w->last.seq > 100000) /* the disk is full */
		return false;
	w->last.seq++;
	*id = w->ids[number] = w->last;
	return true;
}

static bool above(void *arg, struct outbox_id id)
{
	struct world *w = arg;
	if (id.ms == UINT64_MAX)
		return false;
	if (id.ms >= w->last.ms)
		w->last = (struct outbox_id){ id.ms + 1, 0 };
	return true;
}

static void rewind_to(void *arg, uint64_t number)
{
	struct world *w = arg;
	ASSERT(number <= w->delivered);
	w->delivered = w->offered = number;
}

static void tell(void *arg, const char *event, enum level level, const char *sentence)
{
	(void)arg, (void)level;
	ASSERT(event && strncmp(event, "redis_", 6) == 0);
	for (const char *c = sentence; *c; c++)
		ASSERT(*c >= ' ' && *c <= '~');
}

static void hang_up(struct world *w)
{
	if (w->peer >= 0)
		close(w->peer);
	w->peer = -1;
}

/* Plays the broker: each question gets one end of a pair. broker.c has the forms. */
static void play_broker(struct world *w)
{
	char request[64];
	int pair[2];
	uint32_t answer[2] = { 0, 0 };
	while (recv(w->broker_end, request, sizeof request, MSG_DONTWAIT) >= (ssize_t)sizeof answer) {
		memcpy(answer, request, sizeof answer[0]);
		struct iovec iov = { .iov_base = answer, .iov_len = sizeof answer };
		union {
			struct cmsghdr align;
			char room[CMSG_SPACE(sizeof(int))];
		} control = { .room = { 0 } };
		struct msghdr m = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.room,
			.msg_controllen = sizeof control.room };
		hang_up(w);
		ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &pair[0], sizeof(int));
		ASSERT(sendmsg(w->broker_end, &m, MSG_NOSIGNAL) == sizeof answer);
		close(pair[0]);
		w->peer = pair[1];
	}
}

static void serve(struct world *w, uint64_t forward)
{
	char waste[4096];
	w->now += forward;
	for (int i = 0; i < 3; i++) {
		uint64_t next = w->d->serve(w->d, w->now, 1700000000000);
		ASSERT(next > 0);
		play_broker(w);
		while (w->peer >= 0 && recv(w->peer, waste, sizeof waste, MSG_DONTWAIT) > 0)
			;
	}
}

static void say(struct world *w, struct bytes b)
{
	if (w->peer >= 0)
		(void)!send(w->peer, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	serve(w, 0);
}

static void offer(struct world *w, bool was)
{
	char id[24];
	if (w->d->room(w->d) == 0 || w->offered == RECORDS)
		return;
	uint64_t n = ++w->offered;
	was = was || n <= w->most;
	w->most = n > w->most ? n : w->most;
	if (!w->ids[n].ms)
		w->ids[n] = (struct outbox_id){ w->last.ms, ++w->last.seq };
	snprintf(id, sizeof id, "e1-%04u", (unsigned)n);
	struct outbox_record r = { .number = n,
		.stream_id = w->ids[n],
		.class = (enum outbox_class)(n % OUTBOX_CLASSES),
		.id = bytes_str(id),
		.document = bytes_str("{}") };
	w->d->offer(w->d, &r, was, w->now);
}

static void act(struct world *w, uint8_t what, struct cur *c)
{
	static const char *const answers[] = { "+OK\r\n", "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n",
		"-ERR no such key\r\n", "*0\r\n", "+QUEUED\r\n", "-NOPERM x\r\n", ":1\r\n", "+PONG\r\n",
		"-OOM x\r\n", "-READONLY x\r\n", "-ERR The ID specified in XADD is equal\r\n",
		"-MOVED 1 127.0.0.1:7000\r\n", "-ASK 1 127.0.0.1:7001\r\n", "-EXECABORT x\r\n",
		"-ERR syntax error\r\n", "*2\r\n$17\r\nlast-generated-id\r\n$6\r\n1000-3\r\n",
		"*2\r\n$17\r\nlast-generated-id\r\n$6\r\n9000-3\r\n", "$-1\r\n", "-LOADING x\r\n" };
	enum { ANSWERS = sizeof answers / sizeof *answers };
	char text[64];
	if (what < ANSWERS) {
		say(w, bytes_str(answers[what]));
	} else if (what < 40) {
		/* Of XADD: the ids in turn. */
		struct outbox_id id = w->ids[1 + w->answered++ % RECORDS];
		char plain[48];
		int n = snprintf(plain, sizeof plain, "%llu-%llu", (unsigned long long)id.ms,
			(unsigned long long)id.seq);
		snprintf(text, sizeof text, "$%d\r\n%s\r\n", n, plain);
		say(w, bytes_str(text));
	} else if (what < 80) {
		offer(w, what & 1);
	} else if (what < 90) {
		hang_up(w);
	} else if (what < 130) {
		serve(w, 60 * MS);
	} else if (what < 140) {
		serve(w, 6000 * MS);
	} else if (what < 150) {
		serve(w, 400000 * MS);
	} else if (what < 180) {
		w->answered = cur_u8(c);
	} else if (what < 200) {
		/* As a server should at first. */
		static const uint8_t greeting[] = { 0, 1, 3, 2, 2, 2 };
		for (size_t i = 0; i < sizeof greeting && w->d->room(w->d) == 0; i++)
			say(w, bytes_str(answers[greeting[i]]));
	} else {
		size_t n = cur_u8(c);
		say(w, cur_take(c, n < cur_left(c) ? n : cur_left(c)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct broker_endpoint servers[] = { { .host = "127.0.0.1", .port = "7000" },
		{ .host = "127.0.0.1", .port = "7001" } };
	struct cur c = cur_of(bytes_of(data, size));
	struct world w = { .peer = -1, .now = 1000000 * MS, .last = { 1000, 0 } };
	struct delivery_hooks h = { delivered, renew, above, rewind_to, tell, &w };
	struct redis_setup s;
	struct diag d = { 0 };
	int pair[2];
	uint8_t flags = cur_u8(&c);
	redis_default(&s);
	s.servers = servers;
	s.n_servers = 2;
	s.mode = (enum redis_mode)(flags % 3);
	s.is_cluster = flags & 8;
	s.wait_replicas = flags & 16 ? 1 : 0;
	s.extra_fields = !(flags & 32);
	s.max_entries = flags & 64 ? 4 : 32;
	s.max_bytes = 4096;
	s.max_event_bytes = 4096;
	ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	w.broker.fd = pair[0];
	w.broker_end = pair[1];
	w.d = redis_new(&s, &w.broker, &h, &d);
	ASSERT(w.d);
	serve(&w, 0);
	for (int i = 0; i < STEPS && cur_more(&c); i++)
		act(&w, cur_u8(&c), &c);
	w.d->free(w.d);
	hang_up(&w);
	close(pair[0]);
	close(pair[1]);
	diag_free(&d);
	return 0;
}
