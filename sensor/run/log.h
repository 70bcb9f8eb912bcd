/*
 * log: what a person who runs the sensor live has to know, on standard error: one line a message.
 *
 * In systemd's journal (JOURNAL_STREAM) lines begin with <N>, their priority (sd-daemon(3)), else with
 * "wardwatch: ". Each place in the code has LOG_BURST messages in LOG_WINDOW_S; of the others one line says
 * how many there were. Control characters, from whoever they came, are escaped (run/term.h). A reader who is
 * too slow costs messages (counted in `lost`), never time.
 *
 * Any thread but the workers, which count and do not log; no locks. Live only: offline runs speak through
 * base/diag.h. Nothing allocates.
 */
#ifndef WW_RUN_LOG_H
#define WW_RUN_LOG_H

#include "base/bytes.h"

#include <stdatomic.h>

enum { LOG_BURST = 10, LOG_WINDOW_S = 60, LOG_LINE = 1024 };

/* syslog(3)'s numbers; not its names, which are macros. */
enum log_level { LEVEL_ERROR = 3, LEVEL_WARNING = 4, LEVEL_NOTICE = 5, LEVEL_INFO = 6 };

/* A place in the code; the macros below make one each. It belongs to the first log that it writes to. */
struct log_site {
	_Atomic uint64_t until_ns; /* end of the window; 0: none has begun */
	_Atomic uint32_t said, left_out;
	_Atomic(const char *) format; /* NULL: not listed yet */
	enum log_level level;
	struct log_site *next;
};

struct log {
	int fd;
	bool journal;
	uint64_t (*now_ns)(void); /* monotonic */
	_Atomic(struct log_site *) sites;
	_Atomic uint64_t lost;
};

/* To standard error. */
void log_init(struct log *l);
void log_at(struct log *l, struct log_site *site, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Says how many were left out where a window is over: to be called every second or so, and at the end with
 * `all`. */
void log_tick(struct log *l, bool all);

/* The one static that changes: what a place has said is no one else's business (rule 9 of the style). */
#define LOG_AT(l, level, ...)                                                                                \
	do {                                                                                                 \
		static struct log_site log_site_here;                                                        \
		log_at(l, &log_site_here, level, __VA_ARGS__);                                               \
	} while (0)
#define log_error(l, ...)   LOG_AT(l, LEVEL_ERROR, __VA_ARGS__)
#define log_warning(l, ...) LOG_AT(l, LEVEL_WARNING, __VA_ARGS__)
#define log_notice(l, ...)  LOG_AT(l, LEVEL_NOTICE, __VA_ARGS__)
#define log_info(l, ...)    LOG_AT(l, LEVEL_INFO, __VA_ARGS__)

#endif
