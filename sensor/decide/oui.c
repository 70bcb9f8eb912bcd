#include "decide/oui.h"

#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One registry file, mapped, and an index over it by address block. */
struct registry {
	const char *file;
	unsigned digits; /* of a prefix, hex */
	struct bytes text;
	uint32_t *slots; /* offset of a line plus 1, open addressing */
	uint32_t mask;
	bool indexed;
};

enum { REGISTRIES = 3 };

struct oui {
	struct registry registry[REGISTRIES]; /* the longest prefix first */
	char name[128];                       /* a vendor whose quotes had to be taken off */
};

/* ---- opening -------------------------------------------------------------------------------------- */

static bool registry_open(struct registry *r, const char *dir)
{
	char path[512];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", dir, r->file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool fits = fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < INT32_MAX;
	void *m = fits ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	close(fd);
	if (m == MAP_FAILED)
		return false;
	r->text = bytes_of(m, (size_t)st.st_size);
	/* Twice as many slots as there can be lines: no line is shorter than 32 bytes on average. */
	uint32_t slots = 1024;
	while (slots < r->text.n / 16)
		slots *= 2;
	r->slots = map_new(slots * sizeof *r->slots);
	r->mask = slots - 1;
	return r->slots != NULL;
}

static void registry_close(struct registry *r)
{
	map_free(r->slots, ((size_t)r->mask + 1) * sizeof *r->slots);
	if (r->text.n)
		munmap((void *)(uintptr_t)r->text.p, r->text.n);
}

struct oui *oui_open(const char *dir)
{
	static const struct {
		const char *file;
		unsigned digits;
	} files[REGISTRIES] = {
		{ "oui36.csv", 9 },
		{ "mam.csv", 7 },
		{ "oui.csv", 6 },
	};
	struct oui *o = calloc(1, sizeof *o);
	bool any = false;
	for (unsigned i = 0; o && i < REGISTRIES; i++) {
		o->registry[i].file = files[i].file;
		o->registry[i].digits = files[i].digits;
		any |= registry_open(&o->registry[i], dir);
	}
	if (any)
		return o;
	int saved = errno;
	oui_close(o);
	errno = saved;
	return NULL;
}

void oui_close(struct oui *o)
{
	for (unsigned i = 0; o && i < REGISTRIES; i++)
		registry_close(&o->registry[i]);
	free(o);
}

/* ---- index -------------------------------------------------------------------------------------------- */

/* Lines are `MA-L,0009FB,"Organization, Inc.",address`; an address may hold line ends, so a line that starts
 * otherwise is passed by. The files are in no order. */
static bool line_prefix(struct bytes line, unsigned digits, uint64_t *out)
{
	uint64_t v = 0;
	if (!bytes_starts(line, "MA-") || bytes_at(line, 4) != ',' || bytes_at(line, 5 + digits) != ',')
		return false;
	for (unsigned i = 0; i < digits; i++) {
		int c = bytes_at(line, 5 + i);
		if (!ascii_digit(c) && (c < 'A' || c > 'F'))
			return false;
		v = v << 4 | (uint64_t)(ascii_digit(c) ? c - '0' : c - 'A' + 10);
	}
	*out = v;
	return true;
}

static uint32_t slot_of(const struct registry *r, uint64_t prefix)
{
	return (uint32_t)(prefix * 0x9e3779b97f4a7c15u >> 32) & r->mask;
}

static void index_lines(struct registry *r)
{
	uint64_t prefix;
	uint32_t used = 0;
	r->indexed = true;
	for (size_t at = 0; at < r->text.n && used < r->mask / 2; at = bytes_chr(r->text, at, '\n') + 1) {
		if (!line_prefix(bytes_from(r->text, at), r->digits, &prefix))
			continue;
		uint32_t slot = slot_of(r, prefix);
		while (r->slots[slot])
			slot = (slot + 1) & r->mask;
		r->slots[slot] = (uint32_t)at + 1;
		used++;
	}
}

static struct bytes find_line(struct registry *r, uint64_t wanted)
{
	uint64_t prefix;
	if (!r->slots)
		return (struct bytes){ 0 };
	if (!r->indexed)
		index_lines(r);
	for (uint32_t slot = slot_of(r, wanted); r->slots[slot]; slot = (slot + 1) & r->mask) {
		struct bytes line = bytes_from(r->text, r->slots[slot] - 1);
		if (line_prefix(line, r->digits, &prefix) && prefix == wanted)
			return line;
	}
	return (struct bytes){ 0 };
}

/* ---- lookup ----------------------------------------------------------------------------------------------
 */

/* RFC 4180: a quoted field may hold commas, and quotes doubled. */
static struct bytes organisation(struct oui *o, struct bytes field)
{
	if (bytes_at(field, 0) != '"')
		return bytes_trim(bytes_first(field, bytes_chr(field, 0, ',')));
	size_t n = 0;
	for (size_t i = 1; i < field.n && n < sizeof o->name; i++) {
		if (field.p[i] == '"' && bytes_at(field, ++i) != '"')
			break;
		o->name[n++] = (char)field.p[i];
	}
	return bytes_trim(bytes_of(o->name, n));
}

struct bytes oui_vendor(struct oui *o, const struct mac *m)
{
	uint64_t address = 0;
	if (mac_is_group(m) || mac_is_local(m))
		return (struct bytes){ 0 };
	for (unsigned i = 0; i < sizeof m->b; i++)
		address = address << 8 | m->b[i];
	for (unsigned i = 0; i < REGISTRIES; i++) {
		struct registry *r = &o->registry[i];
		struct bytes line = find_line(r, address >> (48 - 4 * r->digits));
		if (line.n == 0)
			continue;
		struct bytes name = organisation(o, bytes_from(line, 6 + r->digits));
		/* The registry's own entry for a block that it splits: the owner is in a longer block. */
		if (bytes_is(name, "Private") || bytes_is(name, "IEEE Registration Authority"))
			return (struct bytes){ 0 };
		return name;
	}
	return (struct bytes){ 0 };
}
