#include "run/log.h"

#include "run/term.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_NS ((uint64_t)LOG_WINDOW_S * 1000000000)

static uint64_t monotonic_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* systemd.exec(5): JOURNAL_STREAM names device and inode of the stream, which may have been redirected. */
static bool is_journal(int fd)
{
	const char *s = getenv("JOURNAL_STREAM");
	struct stat st;
	char own[64];
	if (!s || fstat(fd, &st) != 0)
		return false;
	snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(own, s) == 0;
}

void log_init(struct log *l)
{
	*l = (struct log){ .fd = STDERR_FILENO, .now_ns = monotonic_ns };
	l->journal = is_journal(l->fd);
}

/* One write: lines of several threads do not mix. Waiting for a slow reader would stop the caller. */
static void put_line(struct log *l, enum log_level level, const char *text)
{
	static const char *const words[] = { [LEVEL_ERROR] = "error: ",
		[LEVEL_WARNING] = "warning: ",
		[LEVEL_NOTICE] = "",
		[LEVEL_INFO] = "" };
	char line[LOG_LINE + 32];
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };
	int n = l->journal ? snprintf(line, sizeof line, "<%d>", level)
			   : snprintf(line, sizeof line, "wardwatch: %s", words[level]);
	size_t at = (size_t)n;
	at += term_escape(bytes_str(text), line + at, sizeof line - at - 1);
	line[at++] = '\n';
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT) || write(l->fd, line, at) != (ssize_t)at)
		atomic_fetch_add_explicit(&l->lost, 1, memory_order_relaxed);
}

static void put_left_out(struct log *l, struct log_site *s, enum log_level level)
{
	char text[LOG_LINE];
	uint32_t n = atomic_exchange(&s->left_out, 0);
	if (n == 0)
		return;
	snprintf(text, sizeof text, "%u more message%s of the kind \"%s\" left out", n, n == 1 ? "" : "s",
		atomic_load(&s->format));
	put_line(l, level, text);
}

/* The first message of a place lists it, once, whoever else is at it. */
static void list_site(struct log *l, struct log_site *s, enum log_level level, const char *format)
{
	const char *none = NULL;
	if (!atomic_compare_exchange_strong(&s->format, &none, format))
		return;
	s->level = level;
	s->next = atomic_load(&l->sites);
	while (!atomic_compare_exchange_weak(&l->sites, &s->next, s))
		;
}

/* Begins a new window if the old one is over; true: we did. */
static bool begin_window(struct log_site *s, uint64_t now, bool all, uint64_t until)
{
	uint64_t old = atomic_load(&s->until_ns);
	if (now < old && !all)
		return false;
	return atomic_compare_exchange_strong(&s->until_ns, &old, until);
}

void log_at(struct log *l, struct log_site *site, enum log_level level, const char *format, ...)
{
	char text[LOG_LINE];
	uint64_t now = l->now_ns();
	list_site(l, site, level, format);
	if (begin_window(site, now, false, now + WINDOW_NS)) {
		put_left_out(l, site, level);
		atomic_store(&site->said, 0);
	}
	if (atomic_fetch_add(&site->said, 1) >= LOG_BURST) {
		atomic_fetch_add(&site->left_out, 1);
		return;
	}
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (n >= 0)
		put_line(l, level, text);
}

void log_tick(struct log *l, bool all)
{
	uint64_t now = l->now_ns();
	for (struct log_site *s = atomic_load(&l->sites); s; s = s->next)
		if (atomic_load(&s->left_out) && begin_window(s, now, all, 0)) {
			put_left_out(l, s, s->level);
			atomic_store(&s->said, 0);
		}
}
