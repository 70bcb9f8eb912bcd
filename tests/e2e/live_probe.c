/*
 * usage: live_probe [-w WORKERS] [-f FILTER] [-b BUFFER_KIB] [-s SNAP] [-d MICROSECONDS] [-o FOLDER]
 * INTERFACE...
 *
 * Captures with packet/live.h alone until SIGTERM: prints "ready", then at the end one line of figures for
 * each worker and interface. With -o each worker writes a line for each frame; -d makes it slow. For
 * tests/e2e/live.py and tools/bench_live.
 */
#include "packet/live.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct worker {
	struct live *live;
	unsigned number;
	FILE *out;
	useconds_t delay;
	uint64_t bytes;
	int result;
	pthread_t thread;
};

static atomic_bool stop;

static void on_frame(void *arg, const struct frame *f)
{
	struct worker *w = arg;
	w->bytes += f->wire_bytes;
	if (w->delay)
		usleep(w->delay);
	if (!w->out)
		return;
	fprintf(w->out, "%" PRIu32 " %" PRIu64 " %" PRIu64 " %u %" PRIu32 " ", f->interface, f->number,
		f->ts_ns, f->linktype, f->wire_bytes);
	for (size_t i = 0; i < f->data.n; i++)
		fprintf(w->out, "%02x", (unsigned)bytes_at(f->data, i));
	putc('\n', w->out);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	bool last = false;
	for (;;) { /* once more after the end: what is in the buffer */
		int n = live_read(w->live, w->number, on_frame, w, 100);
		w->result = n < 0 ? n : 0;
		if (n < 0 || (n == 0 && last))
			break;
		last = atomic_load(&stop);
	}
	if (w->result < 0) {
		fprintf(stderr, "%s\n", live_problem(w->live, w->number));
		kill(getpid(), SIGTERM);
	}
	return NULL;
}

static void report(struct worker *w, size_t interfaces)
{
	for (size_t i = 0; i < interfaces; i++) {
		struct live_stats s;
		live_stats(w->live, w->number, i, &s);
		printf("{\"worker\":%u,\"interface\":\"%s\",\"received\":%" PRIu64 ",\"dropped\":%" PRIu64
		       ",\"interface_dropped\":%" PRIu64 ",\"downs\":%" PRIu64
		       ",\"up\":%s,\"gone\":%s,\"bytes\":%" PRIu64 ",\"buffers_kib\":%" PRIu64 "}\n",
			w->number, live_name(w->live, i), s.received, s.dropped, s.interface_dropped, s.downs,
			s.is_up ? "true" : "false", s.is_gone ? "true" : "false", w->bytes,
			live_buffers_kib(w->live));
	}
}

static int run(struct worker *workers, unsigned n, struct live *l, size_t interfaces, const char *folder)
{
	sigset_t term;
	int sig, result = 0;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	for (unsigned i = 0; i < n; i++) {
		char path[512];
		workers[i].live = l;
		workers[i].number = i;
		snprintf(path, sizeof path, "%s/frames.%u", folder ? folder : "", i);
		workers[i].out = folder ? fopen(path, "w") : NULL;
		if ((folder && !workers[i].out) ||
			pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			return 1;
	}
	printf("ready\n");
	fflush(stdout);
	sigwait(&term, &sig);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].out)
			fclose(workers[i].out);
		report(&workers[i], interfaces);
		if (workers[i].result < 0)
			result = workers[i].result == LIVE_GONE ? 3 : 4;
	}
	return result;
}

int main(int argc, char **argv)
{
	struct live_options o = {
		.workers = 1, .snap_bytes = 65535, .buffer_kib = 8192, .promiscuous = true
	};
	struct worker workers[8] = { 0 };
	struct diag d = { 0 };
	const char *folder = NULL;
	useconds_t delay = 0;
	for (int c; (c = getopt(argc, argv, "w:f:b:s:d:o:")) != -1;) {
		uint64_t v = 0;
		bytes_to_u64(bytes_str(optarg), &v);
		if (c == 'w' && v >= 1 && v <= 8)
			o.workers = (unsigned)v;
		else if (c == 'f')
			o.filter = optarg;
		else if (c == 'b')
			o.buffer_kib = (uint32_t)v;
		else if (c == 's')
			o.snap_bytes = (uint32_t)v;
		else if (c == 'd')
			delay = (useconds_t)v;
		else if (c == 'o')
			folder = optarg;
		else
			return 1;
	}
	o.interfaces = (const char *const *)&argv[optind];
	o.n = (size_t)(argc - optind);
	for (unsigned i = 0; i < o.workers; i++)
		workers[i].delay = delay;
	struct live *l = live_open(&o, &d);
	diag_print(&d, stderr, true);
	diag_free(&d);
	int result = l ? run(workers, o.workers, l, o.n, folder) : 1;
	live_close(l);
	return result;
}
