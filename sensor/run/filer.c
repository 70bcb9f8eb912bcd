#include "run/filer.h"

#include "run/thread_name.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { NAP_NS = 50000000 };

static uint64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool write_lines(struct filer *f)
{
	if (outputs_flush(f->outputs))
		return true;
	log_error(f->log, "%s", outputs_error(f->outputs));
	return false;
}

static void look_at_files(struct filer *f)
{
	const char *name;
	if (atomic_exchange(&f->wants_reopen, false) && (name = outputs_reopen(f->outputs, now_ms())) != NULL)
		log_error(f->log, "%s cannot be begun anew, the old file goes on: %s", name, strerror(errno));
	if ((name = outputs_rotate(f->outputs, now_ms())) != NULL)
		log_error(f->log, "%s cannot be rotated, it grows: %s", name, strerror(errno));
}

static void *file(void *arg)
{
	struct filer *f = arg;
	thread_name("ww-file", 0);
	bool fine = f->begin(f->arg);
	while (fine && !f->is_over) {
		fine = write_lines(f);
		if (fine)
			look_at_files(f);
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
	if (fine)
		(void)write_lines(f);
	return NULL;
}

bool filer_start(struct filer *f)
{
	f->is_over = f->wants_reopen = false;
	errno = pthread_create(&f->thread, NULL, file, f);
	f->is_running = errno == 0;
	return f->is_running;
}

void filer_reopen(struct filer *f)
{
	f->wants_reopen = true;
}

void filer_stop(struct filer *f)
{
	f->is_over = true;
	if (f->is_running)
		pthread_join(f->thread, NULL);
	f->is_running = false;
}
