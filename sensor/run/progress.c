#include "run/progress.h"

#include "run/term.h"

#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 700, EVERY_MS = 200, BAR = 40 };

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void progress_init(struct progress *p, bool wanted)
{
	*p = (struct progress){ .on = wanted && isatty(STDERR_FILENO) == 1, .next_ms = now_ms() + FIRST_MS };
}

void progress_show(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	char bytes[TERM_NUMBER], bar[BAR + 1];
	if (!p->on || now_ms() < p->next_ms)
		return;
	p->next_ms = now_ms() + EVERY_MS;
	p->drawn = true;
	if (total == 0) {
		fprintf(stderr, "\r\033[Kreading: %s", term_bytes(done, bytes));
		return;
	}
	double part = done < total ? (double)done / (double)total : 1;
	size_t full = (size_t)(part * BAR);
	memset(bar, '.', BAR);
	memset(bar, '#', full);
	bar[BAR] = 0;
	fprintf(stderr, "\r\033[Kreading: [%s] %3.0f%%", bar, part * 100);
}

void progress_clear(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
