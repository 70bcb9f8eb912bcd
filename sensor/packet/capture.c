#include "packet/capture.h"

#include "packet/decode.h"
#include "packet/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOREIGN_LINKS = 8, DEEPEST = 16 };

struct input {
	char *name;
	struct reader reader;
	uint64_t size; /* bytes of the file, 0: not known */
};

struct capture {
	struct input *
		*inputs; /* in the order given; each by itself, since zlib keeps its z_stream's address */
	size_t n, room;
	uint32_t *heap; /* inputs that have a packet, the earliest on top */
	size_t heap_n;
	bool top_given; /* the packet of the top input was handed out */
	bool stdin_used;
	uint64_t packets;
	uint64_t size, read_bytes; /* progress: of all inputs; of those that are read to their end */
	bool size_known;
	uint32_t interfaces;
	struct foreign_link {
		uint16_t linktype;
		uint64_t packets;
	} foreign[FOREIGN_LINKS]; /* link types that are not decoded; the last entry takes what has no room */
	size_t foreign_n;
};

/* ---- opening ----------------------------------------------------------------------------- */

static bool no_memory(struct diag *d, const char *name)
{
	diag_add(d, DIAG_ERROR, name, 0, 0, "C009", "cannot be read: no memory");
	return false;
}

static void input_free(struct input *i)
{
	if (!i)
		return;
	reader_close(&i->reader);
	free(i->name);
	free(i);
}

/* Takes fd over. A file that is no capture is an error, or is skipped. */
static bool add_fd(struct capture *c, const char *name, int fd, enum diag_level otherwise, struct diag *d)
{
	struct stat st;
	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 16;
		struct input **more = reallocarray(c->inputs, room, sizeof(struct input *));
		if (!more) {
			close(fd);
			return no_memory(d, name);
		}
		c->inputs = more;
		c->room = room;
	}
	struct input *i = calloc(1, sizeof *i);
	if (!i || !(i->name = strdup(name))) {
		close(fd);
		input_free(i);
		return no_memory(d, name);
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		i->size = (uint64_t)st.st_size;
	if (!reader_open(&i->reader, fd, &c->interfaces)) {
		diag_add(d, otherwise, name, 0, 0, "C001", "%s", i->reader.problem);
		input_free(i);
		return otherwise != DIAG_ERROR;
	}
	c->size_known = c->size_known && i->size;
	c->size += i->size;
	c->inputs[c->n++] = i;
	return true;
}

static bool add_file(struct capture *c, const char *name, enum diag_level otherwise, struct diag *d)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return add_fd(c, name, fd, otherwise, d);
	if (errno == EMFILE ||
		errno == ENFILE) { /* never silently: the rest of the directory would be missing */
		diag_add(d, DIAG_ERROR, name, 0, 0, "C002",
			"cannot be opened beside %zu others: raise the number of open files (ulimit -n)",
			c->n);
		return false;
	}
	diag_add(d, otherwise, name, 0, 0, "C003", "cannot be read: %s", strerror(errno));
	return otherwise != DIAG_ERROR;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

/* Why a directory inside one that was named is not entered; NULL: it is. Links may lead round in a circle;
 * hidden ones are other programs' (.snapshot: the same files again). */
static const char *not_entered(const char *path, const char *entry, unsigned depth)
{
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return "is a link to a directory: it is not followed";
	if (entry[0] == '.')
		return "is a hidden directory: it is not entered";
	return depth == DEEPEST ? "lies too deep: directories are entered 16 deep" : NULL;
}

static bool add_entries(
	struct capture *c, const char *dir, unsigned depth, enum diag_level otherwise, struct diag *d);

static bool add_entry(struct capture *c, const char *dir, const char *entry, unsigned depth, struct diag *d)
{
	struct stat st;
	char *path;
	const char *why = NULL;
	size_t n = strlen(dir);
	if (asprintf(&path, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", entry) < 0)
		return no_memory(d, dir);
	bool ok = true;
	if (stat(path, &st) != 0)
		diag_add(d, DIAG_SKIPPED, path, 0, 0, "C003", "cannot be read: %s", strerror(errno));
	else if (S_ISREG(st.st_mode))
		ok = add_file(c, path, DIAG_SKIPPED, d);
	else if (!S_ISDIR(st.st_mode)) /* opening a pipe or a device would wait or do something */
		why = "is no file: only files are read";
	else if (!(why = not_entered(path, entry, depth)))
		ok = add_entries(c, path, depth + 1, DIAG_SKIPPED, d);
	if (why)
		diag_add(d, DIAG_SKIPPED, path, 0, 0, "C004", "%s", why);
	free(path);
	return ok;
}

/* What is in a directory, by the bytes of the names. */
static bool add_entries(
	struct capture *c, const char *dir, unsigned depth, enum diag_level otherwise, struct diag *d)
{
	struct dirent **entries;
	bool ok = true;
	int n = scandir(dir, &entries, no_dots, by_bytes);
	if (n < 0) {
		diag_add(d, otherwise, dir, 0, 0, "C003", "cannot be read: %s", strerror(errno));
		return otherwise != DIAG_ERROR;
	}
	for (int i = 0; i < n; i++) {
		ok = ok && add_entry(c, dir, entries[i]->d_name, depth, d);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

static bool add_directory(struct capture *c, const char *name, struct diag *d)
{
	size_t before = c->n;
	bool ok = add_entries(c, name, 0, DIAG_ERROR, d);
	if (ok && c->n == before) {
		diag_add(d, DIAG_ERROR, name, 0, 0, "C005", "holds no capture, nor does a directory in it");
		return false;
	}
	return ok;
}

static bool add_stdin(struct capture *c, struct diag *d)
{
	if (c->stdin_used || isatty(STDIN_FILENO)) {
		diag_add(d, DIAG_ERROR, "standard input", 0, 0, "C006", "%s",
			c->stdin_used ? "is named twice: give - once"
				      : "is a terminal: send a capture into it");
		return false;
	}
	c->stdin_used = true;
	return add_fd(c, "standard input", STDIN_FILENO, DIAG_ERROR, d);
}

static bool add_path(struct capture *c, const char *path, struct diag *d)
{
	struct stat st;
	if (strcmp(path, "-") == 0)
		return add_stdin(c, d);
	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? add_directory(c, path, d) : add_file(c, path, DIAG_ERROR, d);
	if (errno == ENOENT)
		diag_add(d, DIAG_ERROR, path, 0, 0, "C007",
			"does not exist: give a capture file, a directory of captures, or - for standard "
			"input");
	else
		diag_add(d, DIAG_ERROR, path, 0, 0, "C003", "cannot be read: %s", strerror(errno));
	return false;
}

/* ---- merging ----------------------------------------------------------------------------- */

static bool earlier(const struct capture *c, uint32_t a, uint32_t b)
{
	uint64_t ta = c->inputs[a]->reader.frame.ts_ns, tb = c->inputs[b]->reader.frame.ts_ns;
	return ta != tb ? ta < tb : a < b;
}

/* The entry at `at` may be later than what is below it: let it sink. */
static void heap_sink(struct capture *c, size_t at)
{
	uint32_t *h = c->heap;
	for (;;) {
		size_t least = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < c->heap_n; child++)
			if (earlier(c, h[child], h[least]))
				least = child;
		if (least == at)
			return;
		uint32_t t = h[at];
		h[at] = h[least];
		h[least] = t;
		at = least;
	}
}

/* An input is read to its end: its memory and descriptor go back, its counts and its problem stay. */
static void input_done(struct capture *c, struct input *i)
{
	c->read_bytes += i->reader.in.file_bytes;
	reader_close(&i->reader);
}

static bool start_merge(struct capture *c, struct diag *d)
{
	c->heap = calloc(c->n, sizeof *c->heap);
	if (!c->heap)
		return no_memory(d, "-");
	for (size_t i = 0; i < c->n; i++) {
		if (reader_next(&c->inputs[i]->reader))
			c->heap[c->heap_n++] = (uint32_t)i;
		else
			input_done(c, c->inputs[i]);
	}
	for (size_t at = c->heap_n / 2; at-- > 0;)
		heap_sink(c, at);
	return true;
}

struct capture *capture_open(const char *const *paths, size_t n, struct diag *d)
{
	struct capture *c = calloc(1, sizeof *c);
	bool ok = c != NULL;
	if (!c) {
		no_memory(d, "-");
		return NULL;
	}
	c->size_known = true;
	for (size_t i = 0; i < n; i++) /* all of them, so that every wrong name is said at once */
		ok = add_path(c, paths[i], d) && ok;
	if (ok && n == 0) {
		diag_add(d, DIAG_ERROR, "-", 0, 0, "C008", "no capture is named");
		ok = false;
	}
	if (ok && start_merge(c, d))
		return c;
	capture_close(c);
	return NULL;
}

static void count_foreign(struct capture *c, uint16_t linktype)
{
	size_t i = 0;
	while (i < c->foreign_n && c->foreign[i].linktype != linktype)
		i++;
	if (i == FOREIGN_LINKS)
		i--;
	else if (i == c->foreign_n)
		c->foreign[c->foreign_n++].linktype = linktype;
	c->foreign[i].packets++;
}

bool capture_next(struct capture *c, struct frame *f)
{
	if (c->top_given && c->heap_n) {
		struct input *top = c->inputs[c->heap[0]];
		if (!reader_next(&top->reader)) {
			input_done(c, top);
			c->heap[0] = c->heap[--c->heap_n];
		}
		heap_sink(c, 0);
	}
	c->top_given = c->heap_n > 0;
	if (!c->top_given)
		return false;
	*f = c->inputs[c->heap[0]]->reader.frame;
	f->number = ++c->packets;
	f->input = c->heap[0];
	if (!decode_knows_link(f->linktype))
		count_foreign(c, f->linktype);
	return true;
}

/* ---- what there is to say ---------------------------------------------------------------- */

void capture_progress(const struct capture *c, uint64_t *done, uint64_t *total)
{
	*done = c->read_bytes;
	for (size_t i = 0; i < c->heap_n; i++)
		*done += c->inputs[c->heap[i]]->reader.in.file_bytes;
	*total = c->size_known ? c->size : 0;
}

const char *capture_name(const struct capture *c, size_t i)
{
	return i < c->n ? c->inputs[i]->name : NULL;
}

int capture_end(const struct capture *c, struct diag *d)
{
	int code = 0;
	for (size_t i = 0; i < c->n; i++) {
		if (!c->inputs[i]->reader.problem[0])
			continue;
		diag_add(d, DIAG_WARNING, c->inputs[i]->name, 0, 0, "C010", "%s",
			c->inputs[i]->reader.problem);
		code = 2;
	}
	for (size_t i = 0; i < c->foreign_n; i++)
		diag_add(d, DIAG_WARNING, "-", 0, 0, "C011",
			"%llu packets of link type %u%s are counted, not decoded: Ethernet, raw IP, Linux "
			"cooked and loopback are",
			(unsigned long long)c->foreign[i].packets, c->foreign[i].linktype,
			i == FOREIGN_LINKS - 1 ? " and others" : "");
	return code;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		input_free(c->inputs[i]);
	free(c->inputs);
	free(c->heap);
	free(c);
}
