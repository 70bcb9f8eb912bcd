#include "packet/reader.h"

#include "base/map.h"

#include <stdio.h>
#include <string.h>

/* Interfaces of one section. mergecap makes one per file it merges, so it may be hundreds. */
enum { INTERFACES = 65536, RECORD_MOST = 262144 };

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_OLD_PACKET = 2,
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6
};

#define NS_PER_S 1000000000ull

static uint16_t get16(struct cur *c, bool big_endian)
{
	return big_endian ? cur_be16(c) : cur_le16(c);
}

static uint32_t get32(struct cur *c, bool big_endian)
{
	return big_endian ? cur_be32(c) : cur_le32(c);
}

static bool damaged(struct reader *r, const char *what)
{
	if (r->in.is_interrupted)
		return false; /* what did not come is no damage */
	if (r->in.broken && r->in.read_errno)
		snprintf(r->problem, sizeof r->problem, "%s after packet %llu: %s", r->in.broken,
			(unsigned long long)r->packets, strerror(r->in.read_errno));
	else
		snprintf(r->problem, sizeof r->problem,
			"%s after packet %llu (byte %llu); the packets before it were read",
			r->in.broken ? r->in.broken : what, (unsigned long long)r->packets,
			(unsigned long long)source_offset(&r->in));
	return false;
}

/* Nothing more to read here, or less than a record's header. */
static bool ended(struct reader *r)
{
	if (r->in.broken || source_peek(&r->in).n)
		return damaged(r, "ends in the middle of a record");
	return false;
}

/* ---- time -------------------------------------------------------------------------------- */

static uint64_t scale_of(uint8_t resolution)
{
	uint64_t scale = NS_PER_S;
	if (resolution & 0x80 || resolution > 9)
		return 0;
	for (unsigned i = 0; i < resolution; i++)
		scale /= 10;
	return scale;
}

/* Finer than ns, or binary fractions of a second. */
static uint64_t odd_time(uint64_t ts, uint8_t resolution)
{
	unsigned n = resolution & 0x7f;
	if (resolution & 0x80) {
		if (n >= 64)
			return 0;
		uint64_t whole = n ? ts >> n : ts, part = n ? ts & ((1ull << n) - 1) : 0;
		uint64_t ns = (uint64_t)(((unsigned __int128)part * NS_PER_S) >> n);
		return whole > UINT64_MAX / NS_PER_S - 1 ? UINT64_MAX : whole * NS_PER_S + ns;
	}
	for (; n > 9 && ts; n--)
		ts /= 10;
	return ts;
}

static uint64_t interface_time(const struct reader_interface *i, uint64_t ts)
{
	uint64_t ns;
	if (!i->scale)
		ns = odd_time(ts, i->resolution);
	else if (__builtin_mul_overflow(ts, i->scale, &ns))
		ns = UINT64_MAX;
	if (i->offset_s) {
		__int128 moved = (__int128)ns + (__int128)i->offset_s * (__int128)NS_PER_S;
		ns = moved < 0 ? 0 : moved > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)moved;
	}
	return ns;
}

/* ---- pcap -------------------------------------------------------------------------------- */

static bool pcap_next(struct reader *r)
{
	if (!source_has(&r->in, 16))
		return ended(r);
	struct cur c = cur_of(bytes_first(source_peek(&r->in), 16));
	const struct reader_interface *i = r->interfaces;
	uint64_t s = get32(&c, r->big_endian), part = get32(&c, r->big_endian);
	uint32_t captured = get32(&c, r->big_endian), wire = get32(&c, r->big_endian);
	uint64_t ns =
		part * i->scale < NS_PER_S ? part * i->scale : NS_PER_S - 1; /* never a second or more */
	if (captured > RECORD_MOST)
		return damaged(r, "has a record of an absurd length");
	if (!source_has(&r->in, 16 + (size_t)captured))
		return damaged(r, "ends in the middle of a record");
	source_take(&r->in, 16);
	r->frame = (struct frame){
		.ts_ns = s * NS_PER_S + ns,
		.data = source_take(&r->in, captured),
		.wire_bytes = wire > captured ? wire : captured,
		.linktype = i->linktype,
		.interface = i->number,
	};
	r->packets++;
	return true;
}

static bool pcap_open(struct reader *r, uint64_t scale)
{
	if (!source_has(&r->in, 24)) {
		snprintf(r->problem, sizeof r->problem, "ends within the 24 bytes of its pcap header");
		return false;
	}
	struct cur c = cur_of(source_take(&r->in, 24));
	cur_skip(&c, 4);
	unsigned major = get16(&c, r->big_endian), minor = get16(&c, r->big_endian);
	cur_skip(&c, 8); /* time zone and accuracy: always 0 */
	uint32_t snap = get32(&c, r->big_endian), link = get32(&c, r->big_endian);
	if (major != 2) {
		snprintf(r->problem, sizeof r->problem, "is pcap of version %u.%u, 2.x is understood", major,
			minor);
		return false;
	}
	/* The upper bits of the link type tell of a frame check sequence. */
	r->interfaces[0] = (struct reader_interface){
		.linktype = (uint16_t)link, .snap = snap, .scale = scale, .number = (*r->interface_count)++
	};
	r->interfaces_n = 1;
	return true;
}

/* ---- pcapng ------------------------------------------------------------------------------ */

/* The body of the block whose 8 header bytes were read: n bytes and the length again. */
static bool block_take(struct reader *r, uint32_t total, struct cur *body)
{
	if (total > SOURCE_MOST)
		return damaged(r, "has a block of an absurd length");
	if (!source_has(&r->in, total))
		return damaged(r, "ends in the middle of a block");
	struct cur c = cur_of(bytes_from(bytes_first(source_peek(&r->in), total), total - 4));
	if (get32(&c, r->big_endian) != total)
		return damaged(r, "has a block whose two lengths differ");
	*body = cur_of(bytes_sub(source_take(&r->in, total), 8, total - 12));
	return true;
}

/* Byte order and version of a section; its 12 first bytes are in the window. */
static bool section_begin(struct reader *r, uint32_t *total)
{
	struct cur c = cur_of(bytes_first(source_peek(&r->in), 12));
	cur_skip(&c, 4);
	struct bytes length = cur_take(&c, 4);
	uint32_t magic = cur_be32(&c);
	if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
		return damaged(r, "has a section without a byte-order mark");
	r->big_endian = magic == 0x1a2b3c4d;
	c = cur_of(length);
	*total = get32(&c, r->big_endian);
	if (*total < 28 || *total % 4)
		return damaged(r, "has a section header of an absurd length");
	struct cur body;
	if (!block_take(r, *total, &body))
		return false;
	cur_skip(&body, 4);
	if (get16(&body, r->big_endian) != 1)
		return damaged(r, "has a section of another version than 1");
	r->interfaces_n = 0;
	return true;
}

static void interface_options(struct reader_interface *i, struct cur *c, bool big_endian)
{
	enum { END = 0, TSRESOL = 9, TSOFFSET = 14 };
	while (cur_left(c) >= 4) {
		uint16_t code = get16(c, big_endian), n = get16(c, big_endian);
		struct cur v = cur_sub(c, n);
		cur_skip(c, (size_t)(-n & 3));
		if (code == END || !cur_ok(&v))
			return;
		if (code == TSRESOL && n == 1) {
			i->resolution = cur_u8(&v);
		} else if (code == TSOFFSET && n == 8) {
			uint64_t a = get32(&v, big_endian), b = get32(&v, big_endian);
			i->offset_s = (int64_t)(big_endian ? a << 32 | b : b << 32 | a);
		}
	}
}

static bool interface_add(struct reader *r, struct cur *body)
{
	struct reader_interface i = { .resolution = 6 };
	i.linktype = get16(body, r->big_endian);
	cur_skip(body, 2);
	i.snap = get32(body, r->big_endian);
	if (!cur_ok(body))
		return damaged(r, "has an interface block that is too short");
	if (r->interfaces_n == INTERFACES)
		return damaged(r, "describes more than 65,536 interfaces in one section");
	interface_options(&i, body, r->big_endian);
	i.scale = scale_of(i.resolution);
	i.number = (*r->interface_count)++;
	r->interfaces[r->interfaces_n++] = i;
	return true;
}

static bool packet_block(struct reader *r, uint32_t type, struct cur *c)
{
	bool be = r->big_endian;
	uint32_t at = 0, hi = 0, lo = 0, captured = 0, wire;
	if (type == BLOCK_ENHANCED) {
		at = get32(c, be);
	} else if (type == BLOCK_OLD_PACKET) {
		at = get16(c, be);
		cur_skip(c, 2); /* drops */
	}
	if (type != BLOCK_SIMPLE) {
		hi = get32(c, be);
		lo = get32(c, be);
		captured = get32(c, be);
	}
	wire = get32(c, be);
	if (at >= r->interfaces_n)
		return damaged(r, "has a packet of an interface it does not describe");
	const struct reader_interface *i = &r->interfaces[at];
	if (type == BLOCK_SIMPLE) /* all of it, or the snap length; the rest of the block is padding */
		captured = i->snap && i->snap < wire ? i->snap : wire;
	struct bytes data = cur_take(c, captured);
	if (!cur_ok(c) || captured > RECORD_MOST)
		return damaged(r, "has a packet longer than its block");
	if (type != BLOCK_SIMPLE)
		r->last_ns = interface_time(i, (uint64_t)hi << 32 | lo);
	r->frame = (struct frame){ .ts_ns = r->last_ns,
		.data = data,
		.linktype = i->linktype,
		.wire_bytes = wire > captured ? wire : captured,
		.interface = i->number };
	r->packets++;
	return true;
}

/* One block. *found: r->frame is a packet. */
static bool block_next(struct reader *r, bool *found)
{
	struct cur c, body;
	uint32_t type, total;
	*found = false;
	if (!source_has(&r->in, 12))
		return ended(r);
	c = cur_of(bytes_first(source_peek(&r->in), 8));
	type = get32(&c, r->big_endian);
	total = get32(&c, r->big_endian);
	if (type == BLOCK_SECTION)
		return section_begin(r, &total);
	if (total < 12 || total % 4)
		return damaged(r, "has a block of an absurd length");
	switch (type) {
	case BLOCK_INTERFACE:
		return block_take(r, total, &body) && interface_add(r, &body);
	case BLOCK_ENHANCED:
	case BLOCK_OLD_PACKET:
	case BLOCK_SIMPLE:
		*found = block_take(r, total, &body) && packet_block(r, type, &body);
		return *found;
	default:
		return source_skip(&r->in, total) || damaged(r, "ends in the middle of a block");
	}
}

static bool pcapng_next(struct reader *r)
{
	bool found = false;
	while (!found)
		if (!block_next(r, &found))
			return false;
	return true;
}

static bool pcapng_open(struct reader *r)
{
	uint32_t total;
	r->is_ng = true;
	if (!source_has(&r->in, 28) || !section_begin(r, &total)) {
		snprintf(r->problem, sizeof r->problem,
			"begins like pcapng, but its first section header is damaged");
		return false;
	}
	return true;
}

/* ---- both -------------------------------------------------------------------------------- */

/* What people mistake for a capture, to say what would be right. */
static void say_foreign(struct reader *r)
{
	static const struct {
		const char *magic, *what;
	} known[] = {
		{ "\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it first (unzstd)" },
		{ "\xfd\x37zXZ", "is compressed with xz: unpack it first (unxz)" },
		{ "BZh", "is compressed with bzip2: unpack it first (bunzip2)" },
		{ "PK\x03\x04", "is a zip archive: unpack it first (unzip)" },
		{ "snoop", "is a Sun snoop capture: convert it first (editcap -F pcapng)" },
		{ "GMBU", "is a Microsoft Network Monitor capture: convert it first (editcap -F pcapng)" },
	};
	const char *what = "is no capture: it does not begin like pcap or pcapng, plain or gzipped";
	struct bytes first = source_peek(&r->in);
	if (r->in.read_errno)
		what = strerror(r->in.read_errno);
	else if (r->in.is_interrupted)
		what = "was stopped by a signal before it began";
	else if (first.n == 0)
		what = r->in.is_gzip ? "is gzipped, but nothing can be unpacked from it"
				     : "is empty: a capture has at least a header";
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (bytes_starts(first, known[i].magic))
			what = known[i].what;
	snprintf(r->problem, sizeof r->problem, "%s%s", r->in.read_errno ? "cannot be read: " : "", what);
}

static bool open_by_magic(struct reader *r)
{
	if (!source_has(&r->in, 4)) {
		say_foreign(r);
		return false;
	}
	struct cur c = cur_of(source_peek(&r->in));
	uint32_t magic = cur_be32(&c);
	r->big_endian = magic == 0xa1b2c3d4 || magic == 0xa1b23c4d;
	switch (magic) {
	case 0xa1b2c3d4:
	case 0xd4c3b2a1:
		return pcap_open(r, 1000);
	case 0xa1b23c4d:
	case 0x4d3cb2a1:
		return pcap_open(r, 1);
	case BLOCK_SECTION:
		return pcapng_open(r);
	default:
		say_foreign(r);
		return false;
	}
}

bool reader_open(struct reader *r, int fd, uint32_t *interface_count)
{
	*r = (struct reader){ .interface_count = interface_count };
	bool have = source_open(&r->in, fd);
	r->interfaces = map_new(INTERFACES * sizeof *r->interfaces);
	if (!have || !r->interfaces)
		snprintf(r->problem, sizeof r->problem, "cannot be read: no memory");
	else if (open_by_magic(r))
		return true;
	reader_close(r);
	return false;
}

bool reader_next(struct reader *r)
{
	if (r->problem[0])
		return false;
	return r->is_ng ? pcapng_next(r) : pcap_next(r);
}

void reader_close(struct reader *r)
{
	map_free(r->interfaces, INTERFACES * sizeof *r->interfaces);
	r->interfaces = NULL;
	r->interfaces_n = 0;
	source_close(&r->in);
}
