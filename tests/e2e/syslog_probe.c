/* usage: syslog_probe udp|tcp|tls HOST PORT FORM [CA [NAME]] < DOCUMENTS
 * Delivers ECS documents, one a line, as the shipper does (run/delivery.h): prints `acknowledged N` for each,
 * `told EVENT: SENTENCE` for what an operator would read, and figures at the end. Gives up a minute after the
 * last acknowledgement. Environment: SETTLE_MS, MOST. */
#include "base/json_read.h"
#include "run/syslog.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SECOND = 1000000000, PATIENCE_S = 60, BATCH = 256 };

static uint64_t acknowledged;

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void delivered(void *arg, uint64_t number)
{
	(void)arg;
	if (number != acknowledged + 1)
		printf("out of order: %llu after %llu\n", (unsigned long long)number,
			(unsigned long long)acknowledged);
	acknowledged = number;
	printf("acknowledged %llu\n", (unsigned long long)number);
	fflush(stdout);
}

static void tell(void *arg, const char *event, enum level level, const char *sentence)
{
	(void)arg;
	printf("told %s, %s: %s\n", event, level_name(level), sentence);
	fflush(stdout);
}

static void run(struct delivery *d, char **lines, uint64_t n)
{
	struct pollfd fds[DELIVERY_FDS];
	uint64_t offered = 0, last = 0, since = now_ns();
	struct outbox_record r = { .level = LEVEL_HIGH };
	while (acknowledged < n && now_ns() - since < (uint64_t)PATIENCE_S * SECOND) {
		for (size_t i = 0; i < BATCH && d->room(d) > 0 && offered < n; i++) {
			r.document = bytes_str(lines[offered]);
			r.number = ++offered;
			d->offer(d, &r, false, now_ns());
		}
		uint64_t now = now_ns(), next = d->serve(d, now, 0);
		if (acknowledged > last) {
			last = acknowledged;
			since = now;
			continue; /* there may be room now */
		}
		uint64_t most = now + SECOND / 5;
		next = offered < n && d->room(d) > 0 ? now : next < most ? next : most;
		(void)poll(fds, d->fds(d, fds), next > now ? (int)((next - now) / 1000000 + 1) : 0);
	}
	printf("sent %llu, retries %llu, reconnects %llu, errors %llu\n", (unsigned long long)d->figures.sent,
		(unsigned long long)d->figures.retries, (unsigned long long)d->figures.reconnects,
		(unsigned long long)d->figures.errors);
}

static int complain(const struct diag *d)
{
	for (size_t i = 0; i < d->n; i++)
		fprintf(stderr, "%s\n", d->messages[i].text);
	return 1;
}

int main(int argc, char **argv)
{
	static char *lines[200000];
	size_t n = 0, room = 0;
	struct diag d = { 0 };
	struct syslog_setup s;
	enum format form;
	const char *settle = getenv("SETTLE_MS"), *most = getenv("MOST");
	if (argc < 5 || !format_find(argv[4], &form))
		return 2;
	syslog_default(&s);
	s.transport = strcmp(argv[1], "udp") == 0   ? SYSLOG_UDP
		      : strcmp(argv[1], "tcp") == 0 ? SYSLOG_TCP
						    : SYSLOG_TLS;
	s.server = syslog_endpoint(s.transport, argv[2], argv[3]);
	s.formatter = formatter_new(form, true);
	s.settle_ns = settle ? strtoull(settle, NULL, 10) * 1000000 : s.settle_ns;
	s.message_most = most ? strtoull(most, NULL, 10) : s.message_most;
	s.server_name = argc > 6 ? argv[6] : NULL;
	struct tls_setup ts = { .ca = argc > 5 ? argv[5] : NULL };
	struct tls *tls = s.transport == SYSLOG_TLS ? tls_load(&ts, &d) : NULL;
	s.tls = tls;
	struct broker_setup bs = { .endpoints = &s.server, .n_endpoints = 1 };
	struct broker b;
	for (; n + 1 < sizeof lines / sizeof *lines && getline(&lines[n], &room, stdin) > 0; n++, room = 0)
		lines[n][strcspn(lines[n], "\n")] = 0;
	if (d.errors || !broker_start(&b, &bs, &d))
		return complain(&d);
	struct delivery_hooks hooks = { .delivered = delivered, .tell = tell };
	struct delivery *y = syslog_new(&s, &b, &hooks, &d);
	if (y) {
		run(y, lines, n);
		y->free(y);
	}
	broker_stop(&b);
	tls_free(tls);
	formatter_free(s.formatter);
	for (size_t i = 0; i <= n; i++)
		free(lines[i]);
	return y ? 0 : complain(&d);
}
