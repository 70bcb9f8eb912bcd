#include "run/spool.h"

#include "base/assert.h"
#include "base/map.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A file without a name, or (file systems without O_TMPFILE) one whose name is gone at once. */
static int unnamed_file(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
	char *name;
	if (fd >= 0 || asprintf(&name, "%s/.wardwatch.XXXXXX", dir) < 0)
		return fd;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	free(name);
	return fd;
}

bool spool_open(struct spool *s, const char *dir)
{
	const char *tmp = getenv("TMPDIR");
	int fd = unnamed_file(dir ? dir : tmp && *tmp ? tmp : "/tmp");
	s->file = fd < 0 ? NULL : fdopen(fd, "w+");
	if (!s->file && fd >= 0)
		close(fd);
	return s->file != NULL;
}

bool spool_put(struct spool *s, struct bytes line)
{
	uint32_t n = (uint32_t)line.n;
	ASSERT(n <= SPOOL_LINE);
	return fwrite(&n, sizeof n, 1, s->file) == 1 && fwrite(line.p, 1, n, s->file) == n;
}

bool spool_each(struct spool *s, struct mask *m, bool (*fn)(void *arg, struct bytes line), void *arg)
{
	uint32_t n;
	uint8_t *line = map_new(SPOOL_LINE); /* pages that no line needs are never touched */
	bool ok = line && fflush(s->file) == 0 && fseek(s->file, 0, SEEK_SET) == 0;
	while (ok && fread(&n, sizeof n, 1, s->file) == 1)
		ok = n <= SPOOL_LINE && fread(line, 1, n, s->file) == n &&
		     fn(arg, mask_line(m, bytes_of(line, n)));
	map_free(line, SPOOL_LINE);
	return ok && !ferror(s->file);
}

void spool_close(struct spool *s)
{
	if (s->file)
		fclose(s->file);
	s->file = NULL;
}
