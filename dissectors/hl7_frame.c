/* Where a unit begins and ends: hl7.h says what ends a message. */
#include "hl7.h"

enum { HEADER_BYTES = 32 }; /* a start is no longer than this */

/* HL7 2.9 2.5.4: delimiters are printable; letters, digits and blanks cannot separate. */
static bool is_delimiter(int c)
{
	return c > ' ' && c < 0x7f && !ascii_alnum(c);
}

/* Three to five encoding characters, pairwise different (one doubled escape is met) and closed by the
 * separator: nothing else begins like this, so it needs no VT. */
static enum start encoding_at(struct bytes b)
{
	int sep = bytes_at(b, 3);
	for (size_t i = 4; i < 10; i++) {
		int c = bytes_at(b, i);
		if (c < 0)
			return START_MORE;
		if (c == sep)
			return i >= 7 ? START_YES : START_NO;
		size_t before = bytes_chr(bytes_sub(b, 4, i - 4), 0, (uint8_t)c);
		if (!is_delimiter(c) || (before < i - 4 && !(i == 7 && c == bytes_at(b, 6))))
			return START_NO;
	}
	return START_NO;
}

static enum start header_at(struct bytes in, size_t at, bool in_block)
{
	static const char *const names[] = { "MSH", "FHS", "BHS" };
	struct bytes b = bytes_from(in, at), name = bytes_first(b, 3);
	bool found = false;
	for (unsigned i = 0; i < 3; i++)
		found |= bytes_eqi(name, bytes_first(bytes_str(names[i]), name.n));
	if (!found)
		return START_NO;
	if (b.n < 4)
		return START_MORE;
	if (!is_delimiter(bytes_at(b, 3)))
		return START_NO;
	return in_block ? START_YES : encoding_at(b);
}

/* A block's or a bare message's start: up to four VT, blanks, header. */
static enum start start_at(struct bytes in, size_t at, size_t *header)
{
	size_t i = at;
	while (i < at + 4 && bytes_at(in, i) == VT)
		i++;
	bool in_block = i > at;
	for (unsigned n = 0; in_block && n < 8 && bytes_at(in, i) == ' '; n++)
		i++;
	*header = i;
	return header_at(in, i, in_block);
}

/* UTF-16 in either byte order: MLLP's search by bytes is lost in it, all we say is that it is there. */
enum start hl7_wide(struct bytes b)
{
	static const char wide[] = "\x0b\0M\0S\0H";
	size_t n = sizeof wide - 1;
	if (!bytes_eq(bytes_first(b, n), bytes_first(bytes_of(wide, n), b.n)))
		return START_NO;
	return b.n < n ? START_MORE : START_YES;
}

/* last: no byte follows, so that what is only begun at the end is no start. */
static int64_t message_end(struct bytes in, size_t from, bool wide, bool last)
{
	size_t header;
	for (size_t i = from; i < in.n; i++) {
		int c = bytes_at(in, i);
		enum start next = START_NO;
		if (c > FS)
			continue;
		if (c == FS && !wide)
			return (int64_t)i + 1;
		if (c == FS && bytes_at(in, i + 1) == 0)
			return (int64_t)i + 2;
		if (c == VT && !wide)
			next = start_at(in, i, &header);
		else if ((c == CR || c == LF) && !wide)
			next = header_at(in, i + 1, false);
		if (next == START_MORE && !last)
			return FRAME_MORE;
		if (next == START_YES)
			return (int64_t)(c == VT ? i : i + 1);
	}
	return FRAME_MORE;
}

/* Bytes that may stand between messages and say nothing. */
static bool is_between(int c)
{
	return c == CR || c == LF || c == ' ' || c == FS || c == 0;
}

/* Blocks without a header: a keep-alive `VT FS`; MLLP release 2 answers `VT ACK FS` and `VT NAK FS`. */
enum start hl7_short_block(struct bytes b)
{
	int second = bytes_at(b, 1), third = bytes_at(b, 2);
	if (bytes_at(b, 0) != VT)
		return START_NO;
	if (second == FS)
		return START_YES;
	if (second < 0 || ((second == ACK || second == NAK) && third < 0))
		return START_MORE;
	return (second == ACK || second == NAK) && third == FS ? START_YES : START_NO;
}

/* Does a unit begin here? frame and resync must agree. */
static enum start unit_at(struct bytes in, size_t at, size_t *header)
{
	struct bytes b = bytes_from(in, at);
	enum start s = hl7_short_block(b), wide = hl7_wide(b);
	if (s == START_NO)
		s = start_at(in, at, header);
	return s == START_YES || wide == START_NO ? s : wide;
}

int64_t hl7_frame(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	struct side *side = &s->side[x->dir];
	size_t header = 0;
	if (is_between(bytes_at(in, 0)))
		return 1;
	if (bytes_at(in, 0) == VT && bytes_at(in, 1) == VT)
		return 1;
	enum start start = unit_at(in, 0, &header);
	if (start == START_NO) {
		side->deviations = 0;
		side->after = AFTER_NONE;
		side->in_block = false;
		return FRAME_BAD;
	}
	if (start == START_MORE)
		return FRAME_MORE;
	if (hl7_short_block(in) == START_YES)
		return bytes_at(in, 1) == FS ? 2 : 3;
	/* The next start may have been only begun when the last call gave up. */
	size_t from = header + 4;
	if (x->seen > from + HEADER_BYTES)
		from = x->seen - HEADER_BYTES;
	bool wide = hl7_wide(in) == START_YES;
	int64_t end = message_end(in, from, wide, x->last);
	int tail = bytes_at(in, in.n - 1);
	bool in_block = bytes_at(in, 0) == VT || (side->in_block && !x->after_gap);
	bool ends_here = x->last && !in_block && (tail == CR || tail == LF);
	return end == FRAME_MORE && ends_here ? (int64_t)in.n : end;
}

size_t hl7_resync(struct bytes in)
{
	size_t header;
	for (size_t i = 0; i < in.n; i++) {
		uint8_t c = ascii_upper((uint8_t)bytes_at(in, i));
		if ((c == VT || c == 'M' || c == 'F' || c == 'B') && unit_at(in, i, &header) != START_NO)
			return i;
	}
	return in.n;
}

enum probe_result hl7_probe(struct bytes first, enum dir dir)
{
	(void)dir;
	size_t at = 0, header = 0;
	while (at < 8 && is_between(bytes_at(first, at)))
		at++;
	if (at == first.n)
		return PROBE_MORE;
	enum start wide = hl7_wide(bytes_from(first, at));
	enum start s = start_at(first, at, &header);
	/* On any port VT and MSH are not enough: the encoding characters must be right too. */
	if (s == START_YES)
		s = encoding_at(bytes_from(first, header));
	if (s == START_YES || wide == START_YES)
		return PROBE_YES;
	return s == START_MORE || wide == START_MORE ? PROBE_MORE : PROBE_NO;
}
