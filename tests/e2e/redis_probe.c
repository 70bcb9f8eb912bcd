/*
 * redis_probe: the Redis delivery alone, fed from an outbox in memory; redis.py drives it. Options are words
 * "name=value". Prints a line for each thing told, and at the end what came of it.
 */
#include "run/jail.h"
#include "run/redis.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ENDPOINTS = 16, S = 1000000000 };

struct probe {
	uint64_t count, given, done, last_ms, last_seq, offered_below;
	uint64_t per_second, seconds, hold_ms;
	struct outbox_id *ids;
	uint8_t *seen; /* how often delivered */
	uint64_t next; /* number to offer next */
	uint64_t began_ns, rewinds, renewed, late_ns;
	char classes;
	bool quiet;
	size_t size;
};

static volatile sig_atomic_t is_over;

static void over(int signal)
{
	(void)signal;
	is_over = 1;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * S + (uint64_t)ts.tv_nsec;
}

/* ---- the outbox in memory ------------------------------------------------------------------------ */

static struct outbox_id fresh(struct probe *p)
{
	if (++p->last_seq == 64) {
		p->last_seq = 0;
		p->last_ms++;
	}
	return (struct outbox_id){ p->last_ms, p->last_seq };
}

static void delivered(void *arg, uint64_t number)
{
	struct probe *p = arg;
	p->done += p->seen[number] == 0;
	p->seen[number] = 1;
}

static bool renew(void *arg, uint64_t number, struct outbox_id *id)
{
	struct probe *p = arg;
	p->renewed++;
	*id = p->ids[number] = fresh(p);
	return true;
}

static bool above(void *arg, struct outbox_id id)
{
	struct probe *p = arg;
	if (id.ms >= p->last_ms) {
		p->last_ms = id.ms + 1;
		p->last_seq = 0;
	}
	return true;
}

static void rewind_to(void *arg, uint64_t number)
{
	struct probe *p = arg;
	p->rewinds++;
	p->next = number + 1;
	printf("rewind %" PRIu64 " of %" PRIu64 "\n", number, p->done);
}

static void tell(void *arg, const char *event, enum level level, const char *sentence)
{
	(void)arg;
	printf("tell %s %s %s\n", event, level_name(level), sentence);
}

static void offer_some(struct probe *p, struct delivery *d, uint64_t now)
{
	static char document[300000];
	char id[32];
	uint64_t due = p->per_second ? (now - p->began_ns) / 1000 * p->per_second / 1000000 + 1 : p->count;
	size_t room = d->room(d);
	for (; room && p->next <= p->count && p->next <= due; room--) {
		uint64_t n = p->next++;
		bool was = n <= p->given || n <= p->offered_below;
		if (p->ids[n].ms == 0)
			p->ids[n] = fresh(p);
		p->given = n > p->given ? n : p->given;
		int used = snprintf(document, sizeof document,
			"{\"event\":{\"id\":\"e1-%020" PRIu64 "\",\"sequence\":%" PRIu64 "},\"message\":\"",
			n, n);
		memset(document + used, 'x', p->size);
		int more = snprintf(document + used + p->size, 8, "\"}");
		snprintf(id, sizeof id, "e1-%020" PRIu64, n);
		struct outbox_record r = { .number = n,
			.stream_id = p->ids[n],
			.class = p->classes == 'a' ? OUTBOX_ALERT : (enum outbox_class)(n % OUTBOX_CLASSES),
			.level = LEVEL_HIGH,
			.id = bytes_str(id),
			.document = bytes_of(document, (size_t)used + p->size + (size_t)more) };
		d->offer(d, &r, was, now);
	}
}

/* ---- options --------------------------------------------------------------------------------------- */

static const char *option(int argc, char **argv, const char *name)
{
	size_t n = strlen(name);
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
			return argv[i] + n + 1;
	return NULL;
}

static uint64_t number(int argc, char **argv, const char *name, uint64_t otherwise)
{
	uint64_t v;
	const char *text = option(argc, argv, name);
	return text && bytes_to_u64(bytes_str(text), &v) ? v : otherwise;
}

/* "host:port,host:port" or "/path"; cut in place. */
static size_t endpoints(char *text, struct broker_endpoint out[ENDPOINTS])
{
	size_t n = 0;
	while (text && *text && n < ENDPOINTS) {
		char *end = strchr(text, ','), *colon;
		if (end)
			*end = 0;
		colon = strrchr(text, ':');
		if (*text == '/') {
			out[n++] = (struct broker_endpoint){ .path = text };
		} else if (colon) {
			*colon = 0;
			out[n++] = (struct broker_endpoint){ .host = text, .port = colon + 1 };
		}
		text = end ? end + 1 : NULL;
	}
	return n;
}

/* Kept to the end. */
static char *copy(const char *text)
{
	static char room[4][512];
	static unsigned n;
	return text ? memcpy(room[n++ % 4], text, strlen(text) + 1) : NULL;
}

static const struct tls *load_tls(int argc, char **argv, const char *ca, struct diag *d)
{
	struct tls_setup t = { .ca = option(argc, argv, ca),
		.cert = option(argc, argv, "cert"),
		.key = option(argc, argv, "certkey"),
		.min = option(argc, argv, "min") };
	return t.ca ? tls_load(&t, d) : NULL;
}

static void set_up(int argc, char **argv, struct redis_setup *s, struct diag *d)
{
	static struct broker_endpoint servers[ENDPOINTS], sentinels[ENDPOINTS];
	const char *mode = option(argc, argv, "mode"), *key = option(argc, argv, "key");
	redis_default(s);
	s->servers = servers;
	s->n_servers = endpoints(copy(option(argc, argv, "servers")), servers);
	s->sentinel = (struct redis_sentinel){ .master = option(argc, argv, "master"),
		.servers = sentinels,
		.n_servers = endpoints(copy(option(argc, argv, "sentinels")), sentinels),
		.password_file = option(argc, argv, "sentinelpassword") };
	s->is_cluster = number(argc, argv, "cluster", 0);
	s->tls = load_tls(argc, argv, "ca", d);
	s->server_name = option(argc, argv, "name");
	s->user = option(argc, argv, "user");
	s->password_file = option(argc, argv, "password");
	s->database = (unsigned)number(argc, argv, "database", 0);
	s->mode = mode && *mode == 'l' ? REDIS_LIST : mode && *mode == 'c' ? REDIS_CHANNEL : REDIS_STREAM;
	s->key = key ? key : s->key;
	s->sensor = option(argc, argv, "sensor") ? option(argc, argv, "sensor") : "probe";
	s->trim_entries = number(argc, argv, "maxlen", s->trim_entries);
	s->trim_age_ms = number(argc, argv, "minid", 0);
	s->wait_replicas = (unsigned)number(argc, argv, "replicas", 0);
	s->reply_ns = number(argc, argv, "reply", 5000) * 1000000;
	s->connect_ns = number(argc, argv, "connect", 3000) * 1000000;
	s->backoff_first_ns = number(argc, argv, "backoff", 20) * 1000000;
	s->backoff_most_ns = number(argc, argv, "most", 500) * 1000000;
	s->stopped_ns = number(argc, argv, "stopped", 1000) * 1000000;
	s->watch_ns = number(argc, argv, "watch", 30000) * 1000000;
	s->idle_ping_ns = number(argc, argv, "ping", 15000) * 1000000;
	s->max_delay_ns = number(argc, argv, "delay", 50) * 1000000;
	s->seed = number(argc, argv, "seed", 1);
}

/* ---- the loop ---------------------------------------------------------------------------------------- */

static void run(struct probe *p, struct delivery *d)
{
	uint64_t end = p->began_ns + p->seconds * S, whole = 0;
	while (!is_over && clock_ns(CLOCK_MONOTONIC) < end) {
		struct pollfd fds[DELIVERY_FDS];
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		offer_some(p, d, now);
		uint64_t next = d->serve(d, now, clock_ns(CLOCK_REALTIME) / 1000000);
		uint64_t after = clock_ns(CLOCK_MONOTONIC);
		p->late_ns = after - now > p->late_ns ? after - now : p->late_ns;
		if (p->done == p->count && !whole)
			whole = after;
		if (whole && after - whole >= p->hold_ms * 1000000)
			break;
		offer_some(p, d, after);
		nfds_t n = d->fds(d, fds);
		uint64_t wait = next > after ? (next - after) / 1000000 + 1 : 0;
		uint64_t most = p->per_second ? 1 : 100;
		poll(fds, n, (int)(wait < most ? wait : most));
	}
}

static void print_result(const struct probe *p, const struct delivery *d)
{
	const struct delivery_figures *f = &d->figures;
	double seconds = (double)(clock_ns(CLOCK_MONOTONIC) - p->began_ns) / S;
	printf("result {\"done\":%" PRIu64 ",\"count\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"retries\":%" PRIu64
	       ",\"errors\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"reconnects\":%" PRIu64
	       ",\"no_receiver\":%" PRIu64 ",\"lag\":%" PRId64 ",\"connected\":%s,\"renewed\":%" PRIu64
	       ",\"rewinds\":%" PRIu64 ",\"longest_ms\":%.1f,\"seconds\":%.2f,\"problem\":\"%s\"}\n",
		p->done, p->count, f->sent, f->retries, f->errors, f->duplicates, f->reconnects,
		f->no_receiver, f->lag, f->is_connected ? "true" : "false", p->renewed, p->rewinds,
		(double)p->late_ns / 1e6, seconds, f->problem);
}

/* As the shipper's thread is (jail.h): whatever is needed later has to be had by now. */
static bool confine_it(const struct redis_setup *s, struct diag *d)
{
	struct jail_path paths[] = { { s->password_file, JAIL_READ } };
	struct jail j = { .user = "", .paths = paths, .n_paths = 1 };
	bool done = jail_process(&j, d) && jail_thread(JAIL_SHIPPER);
	diag_print(d, stdout, false);
	return done;
}

int main(int argc, char **argv)
{
	static struct redis_setup s;
	struct broker_endpoint all[BROKER_ENDPOINTS];
	struct broker_learned learned = { 0 };
	struct broker_setup b = {
		.endpoints = all, .user = "", .is_confined = number(argc, argv, "jail", 0)
	};
	struct broker broker;
	struct diag d = { 0 };
	struct probe p = { .count = number(argc, argv, "count", 1000),
		.per_second = number(argc, argv, "rate", 0),
		.seconds = number(argc, argv, "seconds", 60),
		.hold_ms = number(argc, argv, "hold", 0),
		.offered_below = number(argc, argv, "offered", 0),
		.last_ms = number(argc, argv, "ms", 1700000000000),
		.size = number(argc, argv, "size", 200),
		.classes = option(argc, argv, "classes") ? *option(argc, argv, "classes") : 'a',
		.next = 1 };
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, over);
	set_up(argc, argv, &s, &d);
	p.ids = calloc(p.count + 1, sizeof *p.ids);
	p.seen = calloc(p.count + 1, 1);
	for (uint64_t n = 1; n <= p.offered_below && n <= p.count; n++)
		p.ids[n] = fresh(&p);
	if (s.is_cluster || s.sentinel.master)
		b.learned = &learned;
	struct delivery_hooks h = { .delivered = delivered,
		.renew = renew,
		.above = above,
		.rewind = rewind_to,
		.tell = tell,
		.arg = &p };
	struct delivery *redis = NULL;
	if (d.errors == 0 && redis_endpoints(&s, all, &b.n_endpoints) && broker_start(&broker, &b, &d))
		redis = redis_new(&s, &broker, &h, &d);
	diag_print(&d, stdout, true);
	if (!redis || (b.is_confined && !confine_it(&s, &d)))
		return 1;
	p.began_ns = clock_ns(CLOCK_MONOTONIC);
	run(&p, redis);
	print_result(&p, redis);
	redis->free(redis);
	broker_stop(&broker);
	tls_free((struct tls *)(uintptr_t)s.tls);
	free(p.ids);
	free(p.seen);
	diag_free(&d);
	return 0;
}
