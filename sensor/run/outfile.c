#include "run/outfile.h"

#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { LIVE_BUFFER = 1 << 18, AGAIN_MS = 60000 };

bool outfile_open(struct outfile *o, const char *dir, const char *name)
{
	*o = (struct outfile){ 0 };
	if (dir && asprintf(&o->path, "%s/%s", dir, name) < 0)
		o->path = NULL;
	if (dir && (!o->path || asprintf(&o->temp, "%s/.%s.XXXXXX", dir, name) < 0)) {
		o->temp = NULL;
		errno = ENOMEM;
		return false;
	}
	return spool_open(&o->spool, dir);
}

static bool write_out(struct outfile *o)
{
	o->waiting = 0;
	return fflush(o->final) == 0;
}

/* Whole lines go out, so that who follows the file reads no half of one. */
static bool write_line(struct outfile *o, struct bytes line)
{
	if (o->waiting + line.n > LIVE_BUFFER && !write_out(o))
		return false;
	o->waiting += line.n;
	return fwrite(line.p, 1, line.n, o->final) == line.n;
}

bool outfile_flush(struct outfile *o)
{
	uint32_t n;
	for (const void *line; (line = ring_peek(&o->lines, &n)) != NULL; ring_pop(&o->lines))
		if (!write_line(o, bytes_of(line, n)))
			return false;
	return write_out(o);
}

static FILE *open_lines(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "a");
	if (f && setvbuf(f, NULL, _IOFBF, LIVE_BUFFER) == 0)
		return f;
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	return NULL;
}

bool outfile_open_live(
	struct outfile *o, const char *dir, const char *name, const struct outfile_live *l, uint64_t now_ms)
{
	*o = (struct outfile){ .final = dir ? NULL : stdout, .rotation = l->rotation };
	if (!ring_init(&o->lines, l->ring_kib << 10)) {
		errno = ENOMEM;
		return false;
	}
	if (!dir)
		return setvbuf(stdout, NULL, _IOFBF, LIVE_BUFFER) == 0;
	if (asprintf(&o->path, "%s/%s", dir, name) < 0) {
		o->path = NULL;
		errno = ENOMEM;
		return false;
	}
	o->final = open_lines(o->path);
	if (o->final)
		o->begun_ms = rotation_begun(fileno(o->final), now_ms);
	return o->final != NULL;
}

bool outfile_reopen(struct outfile *o, uint64_t now_ms)
{
	if (!o->path)
		return true;
	FILE *f = outfile_flush(o) ? open_lines(o->path) : NULL;
	if (!f)
		return false;
	fclose(o->final);
	o->final = f;
	o->begun_ms = rotation_begun(fileno(f), now_ms);
	return true;
}

bool outfile_rotate(struct outfile *o, uint64_t now_ms)
{
	if (!o->path || now_ms < o->again_ms ||
		!rotation_is_due(&o->rotation, fileno(o->final), o->begun_ms, now_ms))
		return true;
	bool done = outfile_flush(o) && rotation_shift(&o->rotation, o->path) && outfile_reopen(o, now_ms);
	o->again_ms = done ? 0 : now_ms + AGAIN_MS;
	return done;
}

static void put_live(struct outfile *o, struct bytes line, struct mask *m)
{
	struct bytes open = mask_line(m, line);
	uint32_t n = (uint32_t)open.n + 1;
	uint8_t *to = ring_reserve(&o->lines, n);
	if (!to) {
		o->lost++;
		return;
	}
	memcpy(to, open.p, open.n);
	to[open.n] = '\n';
	ring_commit(&o->lines, n);
}

bool outfile_put(struct outfile *o, struct bytes line, struct mask *m)
{
	if (o->spool.file)
		return spool_put(&o->spool, line);
	put_live(o, line, m);
	return true;
}

static bool open_final(struct outfile *o)
{
	if (!o->path) {
		o->final = stdout;
		return true;
	}
	int fd = mkostemp(o->temp, O_CLOEXEC);
	if (fd < 0) {
		int why = errno;
		free(o->temp);
		o->temp = NULL; /* nothing to remove */
		errno = why;
		return false;
	}
	o->final = fdopen(fd, "w");
	if (!o->final)
		close(fd);
	return o->final != NULL;
}

static bool copy_line(void *arg, struct bytes line)
{
	FILE *f = ((struct outfile *)arg)->final;
	return fwrite(line.p, 1, line.n, f) == line.n && fputc('\n', f) != EOF;
}

bool outfile_finish(struct outfile *o, struct mask *m)
{
	if (!o->spool.file)
		return outfile_flush(o);
	bool ok = open_final(o) && spool_each(&o->spool, m, copy_line, o) && fflush(o->final) == 0;
	/* Some file systems tell of a full disk only now. */
	return ok && (!o->path || fsync(fileno(o->final)) == 0);
}

bool outfile_commit(struct outfile *o)
{
	if (!o->path || !o->temp)
		return fflush(o->final) == 0;
	if (rename(o->temp, o->path) != 0)
		return false;
	free(o->temp);
	o->temp = NULL;
	return true;
}

void outfile_close(struct outfile *o)
{
	spool_close(&o->spool);
	ring_fini(&o->lines);
	if (o->final && o->path)
		fclose(o->final);
	if (o->final && o->temp)
		unlink(o->temp);
	free(o->path);
	free(o->temp);
	*o = (struct outfile){ 0 };
}
