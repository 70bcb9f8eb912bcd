/* Elements of DICOM command and data sets (PS3.5 section 7), read as their bytes come. */
#include "dicom.h"

enum {
	UNDEFINED = 0xffffffff, /* length */
	ITEM = 0xfffee000,
	ITEM_END = 0xfffee00d,
	SEQUENCE_END = 0xfffee0dd,
	PIXEL_GROUP = 0x7fe0,
	ELEMENTS = 4096, /* read of one set; identity and patient stand in front */
};

enum level {
	LEVEL_SEQUENCE = 1,
	LEVEL_ITEM = 2,
	LEVEL_FRAGMENTS = 4, /* encapsulated pixels: items that are no elements */
	LEVEL_UNDEFINED = 8, /* ends by a delimiter */
	LEVEL_IMPLICIT = 16, /* inside a UN of undefined length (PS3.5 6.2.2) */
};

enum { VR_NONE = 0 /* implicit */ };
#define VR(a, b) ((unsigned)(a) << 8 | (unsigned)(b))

static bool vr_among(unsigned vr, struct bytes list)
{
	for (size_t i = 0; i < list.n; i += 2)
		if (vr == VR((unsigned)bytes_at(list, i), (unsigned)bytes_at(list, i + 1)))
			return true;
	return false;
}

/* PS3.5 table 7.1-1: two reserved bytes and a 32-bit length. */
static bool vr_long(unsigned vr)
{
	return vr_among(vr, bytes_str("OBODOFOLOVOWSQSVUCUNURUTUV"));
}

static bool vr_known(unsigned vr)
{
	return vr_among(vr, bytes_str("UICSDALOSHPNTMISDSUSLTSTATULAEASDTFDFLSLSS")) || vr_long(vr);
}

static enum privacy phi_of(uint32_t tag)
{
	switch (tag) {
#define PHI_DICOM(group, element, class)                                                                     \
	case (uint32_t)(group) << 16 | (element):                                                            \
		return PHI_##class;
#include "phi.def"
	default:
		return PHI_NONE;
	}
}

/* An element that the table does not know, a maker's own too, is a person's name if its VR says so. */
static enum privacy class_of(uint32_t tag, unsigned vr)
{
	enum privacy class = phi_of(tag);
	return class == PHI_NONE && vr == VR('P', 'N') ? PHI_STAFF_NAME : class;
}

/* ---- what is kept ------------------------------------------------------------------------ */

static int text_of(const struct dicom_reader *r)
{
	static const struct {
		uint32_t tag, sequence;
	} rows[TEXT_N] = {
#define DICOM_TEXT(id, group, element, seq) { (uint32_t)(group) << 16 | (element), seq },
#include "dicom_tags.def"
	};
	if (r->depth != 0 && r->depth != 2)
		return -1;
	uint32_t sequence = r->depth ? r->sequence : 0;
	for (int i = 0; i < TEXT_N; i++)
		if (rows[i].tag == r->tag && rows[i].sequence == sequence)
			return i;
	return -1;
}

static int number_of(uint32_t tag)
{
	static const uint16_t elements[NUMBER_N] = {
#define DICOM_NUMBER(id, element) element,
#include "dicom_tags.def"
	};
	for (int i = 0; i < NUMBER_N; i++)
		if (elements[i] == tag)
			return i;
	return -1;
}

static bool keep(struct dicom_message *m, unsigned tag, struct bytes v, size_t room)
{
	if (m->kept_n + 2 + v.n > room)
		return false;
	uint8_t *entry = m->kept + m->kept_n;
	entry[0] = (uint8_t)tag;
	entry[1] = (uint8_t)v.n;
	m->kept_n = (uint16_t)(m->kept_n + 2 + bytes_copy(entry + 2, v.n, v));
	return true;
}

struct bytes dicom_kept_next(const struct dicom_message *m, size_t *at, unsigned *tag)
{
	struct cur c = cur_of(bytes_from(bytes_of(m->kept, m->kept_n), *at));
	*tag = cur_u8(&c);
	struct bytes v = cur_take(&c, cur_u8(&c));
	*at += 2 + v.n;
	return v;
}

struct bytes dicom_text(const struct dicom_message *m, enum dicom_text which)
{
	size_t at = 0;
	unsigned tag;
	if (m->texts_seen >> which & 1)
		for (struct bytes v; (v = dicom_kept_next(m, &at, &tag)).n;)
			if (tag == which)
				return v;
	return (struct bytes){ 0 };
}

struct bytes dicom_uid(struct bytes v)
{
	v = bytes_trim(v);
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(bytes_at(v, i)) && bytes_at(v, i) != '.')
			return (struct bytes){ 0 };
	return v;
}

/* Blank, or a matching key that asks for anything (PS3.4 C.2.2.2.4), or a name of empty components. */
static bool says_nothing(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!memchr(" *?^=\\", bytes_at(v, i), 6) && bytes_at(v, i) != 0)
			return false;
	return true;
}

/* The same operator or reader stands in many items. */
static bool is_kept(const struct dicom_message *m, unsigned tag, struct bytes v)
{
	size_t at = 0;
	unsigned one;
	for (struct bytes b; (b = dicom_kept_next(m, &at, &one)).n;)
		if (one == tag && bytes_eq(b, v))
			return true;
	return false;
}

static void note_phi(struct dicom_message *m, enum privacy class, struct bytes v)
{
	bool has_words = class != PHI_FREE_TEXT && class != PHI_DIAGNOSIS && class != PHI_IMAGE;
	unsigned tag = KEPT_PHI + (class - PHI_NONE);
	v = bytes_trim(v);
	if (has_words && v.n && !is_kept(m, tag, v)) {
		if (keep(m, tag, v, DICOM_PRIVATE))
			return;
		m->phi_lost = true;
	}
	uint16_t *n = &m->phi[class - PHI_NONE - 1];
	*n = (uint16_t)(*n + (*n < UINT16_MAX));
}

static bool wanted(const struct dicom_reader *r)
{
	if (r->is_command && number_of(r->tag) >= 0)
		return true;
	return text_of(r) >= 0 || r->class != PHI_NONE;
}

/* The value, or its first DICOM_VALUE bytes, is complete. */
static void value_end(struct dicom_reader *r, struct dicom_message *m)
{
	struct bytes v = bytes_of(r->value, r->value_n);
	enum privacy class = (enum privacy)r->class;
	if (r->rest && class != PHI_NONE && class != PHI_FREE_TEXT && class != PHI_DIAGNOSIS)
		m->phi_lost = true;
	r->skip = r->rest;
	r->value_n = r->value_want = 0;
	int number = r->is_command ? number_of(r->tag) : -1;
	if (number >= 0) {
		struct cur c = cur_of(v);
		m->number[number] = cur_le16(&c);
		if (cur_ok(&c))
			m->numbers_seen = (uint16_t)(m->numbers_seen | 1u << number);
		return;
	}
	if (says_nothing(v))
		return;
	int text = text_of(r);
	struct bytes trimmed = bytes_trim(v);
	if (text >= 0 && trimmed.n && !(m->texts_seen >> text & 1) &&
		keep(m, (unsigned)text, trimmed, DICOM_KEPT)) {
		m->texts_seen |= 1u << text;
		return;
	}
	if (class != PHI_NONE)
		note_phi(m, class, v);
}

/* ---- elements ---------------------------------------------------------------------------- */

void dicom_read_begin(struct dicom_reader *r, enum dicom_syntax syntax, bool is_command)
{
	*r = (struct dicom_reader){ .syntax = (uint8_t)(syntax == SYNTAX_DEFLATED ? SYNTAX_EXPLICIT : syntax),
		.is_command = is_command };
}

static void fail(struct dicom_reader *r)
{
	r->bad = r->done = true;
}

static uint32_t limit(const struct dicom_reader *r)
{
	return r->depth ? r->end[r->depth - 1] : UNDEFINED;
}

static unsigned level(const struct dicom_reader *r)
{
	return r->depth ? r->level[r->depth - 1] : 0;
}

static bool is_implicit(const struct dicom_reader *r)
{
	return r->syntax == SYNTAX_IMPLICIT || (level(r) & LEVEL_IMPLICIT);
}

static bool is_big_endian(const struct dicom_reader *r)
{
	return r->syntax == SYNTAX_BIG_ENDIAN && !(level(r) & LEVEL_IMPLICIT);
}

static uint16_t u16(const struct dicom_reader *r, struct cur *c)
{
	return is_big_endian(r) ? cur_be16(c) : cur_le16(c);
}

static uint32_t u32(const struct dicom_reader *r, struct cur *c)
{
	return is_big_endian(r) ? cur_be32(c) : cur_le32(c);
}

/* A context's transfer syntax can be unknown (its association was not seen) or wrong (devices send explicit
 * in a context agreed as implicit, and the reverse): the first element of the set tells. */
static void settle_syntax(struct dicom_reader *r)
{
	struct cur c = cur_of(bytes_of(r->head, r->head_n));
	uint16_t group = cur_le16(&c);
	cur_skip(&c, 2);
	bool is_explicit = vr_known(cur_be16(&c));
	if (r->syntax == SYNTAX_BIG_ENDIAN)
		return;
	if (!is_explicit)
		r->syntax = SYNTAX_IMPLICIT;
	else if (r->syntax != SYNTAX_EXPLICIT)
		/* Groups of real sets begin below 0100H: swapped, the low byte is 0. */
		r->syntax = (group & 0xff) == 0 ? SYNTAX_BIG_ENDIAN : SYNTAX_EXPLICIT;
}

/* Bytes of the element's head, as far as they are known. */
static uint8_t head_length(struct dicom_reader *r)
{
	if (r->head_n < 8)
		return 8;
	if (r->off == 0 && !r->is_command)
		settle_syntax(r);
	struct cur c = cur_of(bytes_of(r->head, r->head_n));
	uint16_t group = u16(r, &c);
	cur_skip(&c, 2);
	return !is_implicit(r) && group != 0xfffe && vr_long(cur_be16(&c)) ? 12 : 8;
}

/* Goes down into a sequence, an item or pixel fragments of `length` bytes. */
static void open_level(struct dicom_reader *r, unsigned kind, uint32_t length)
{
	uint32_t end = limit(r);
	if (r->depth == DICOM_LEVELS) {
		if (length == UNDEFINED)
			r->done = true; /* too deep to find its end */
		else
			r->skip = length;
		return;
	}
	if (r->depth == 0)
		r->sequence = r->tag;
	if (length == UNDEFINED)
		kind |= LEVEL_UNDEFINED;
	else
		end = r->off + length;
	r->level[r->depth] = (uint8_t)(kind | (level(r) & LEVEL_IMPLICIT));
	r->end[r->depth++] = end;
}

static void delimiter(struct dicom_reader *r, uint32_t length)
{
	unsigned in = level(r);
	bool in_list = in & (LEVEL_SEQUENCE | LEVEL_FRAGMENTS);
	if (r->tag == ITEM && (in & LEVEL_SEQUENCE))
		open_level(r, LEVEL_ITEM, length);
	else if (r->tag == ITEM && (in & LEVEL_FRAGMENTS) && length != UNDEFINED)
		r->skip = length;
	else if ((r->tag == ITEM_END && (in & LEVEL_ITEM)) || (r->tag == SEQUENCE_END && in_list))
		r->depth--;
	else
		fail(r);
}

/* Does a value of this VR and length hold items? In implicit VR any long value may, which its
 * first bytes tell: it is taken for a sequence until it turns out not to begin with an item. */
static bool may_hold_items(const struct dicom_reader *r, unsigned vr, uint32_t length)
{
	if (length == UNDEFINED)
		return vr == VR_NONE || vr == VR('S', 'Q') || vr == VR('U', 'N');
	return vr == VR('S', 'Q') || (vr == VR_NONE && length >= 8 && !r->is_command && !wanted(r));
}

static void element(struct dicom_reader *r, struct dicom_message *m, unsigned vr, uint32_t length)
{
	enum privacy class = (enum privacy)r->class;
	bool is_pixels = r->tag >> 16 == PIXEL_GROUP;
	if (class == PHI_IMAGE && length && !r->is_command && (r->depth == 0 || !is_pixels))
		note_phi(m, class, (struct bytes){ 0 });
	if (r->depth == 0 && is_pixels) {
		r->done = true;
	} else if (length == UNDEFINED && is_pixels) {
		open_level(r, LEVEL_FRAGMENTS, length);
	} else if (may_hold_items(r, vr, length)) {
		if (class == PHI_HEALTH_PLAN && length)
			note_phi(m, class, (struct bytes){ 0 });
		open_level(r, LEVEL_SEQUENCE | (vr == VR('U', 'N') ? LEVEL_IMPLICIT : 0), length);
	} else if (length == UNDEFINED) {
		fail(r);
	} else if (wanted(r) && class != PHI_IMAGE) {
		r->value_want = (uint8_t)(length < DICOM_VALUE ? length : DICOM_VALUE);
		r->rest = length - r->value_want;
	} else {
		r->skip = length;
	}
}

/* The head of an element is complete. */
static void head_end(struct dicom_reader *r, struct dicom_message *m)
{
	struct cur c = cur_of(bytes_of(r->head, r->head_n));
	unsigned vr = VR_NONE;
	bool vr_fits = true;
	uint32_t length;
	r->tag = (uint32_t)u16(r, &c) << 16;
	r->tag |= u16(r, &c);
	bool is_delimiter = r->tag >> 16 == 0xfffe;
	if (is_implicit(r) || is_delimiter) {
		length = u32(r, &c);
	} else {
		vr = cur_be16(&c);
		vr_fits = vr_known(vr);
		length = u16(r, &c);
		if (vr_long(vr))
			length = u32(r, &c);
	}
	r->class = (uint8_t)class_of(r->tag, vr);
	r->off += r->head_n;
	r->head_n = 0;
	if (++r->elements == ELEMENTS)
		r->done = true;
	bool fits = r->off <= limit(r) && (length == UNDEFINED || length <= limit(r) - r->off);
	if (!is_delimiter && (level(r) & LEVEL_SEQUENCE) && !(level(r) & LEVEL_UNDEFINED)) {
		/* Not a sequence, or an empty shell of one: pass by the rest of it. */
		r->skip = r->off < limit(r) ? limit(r) - r->off : 0;
		r->depth--;
	} else if (!fits || (r->is_command && r->tag >> 16 != 0) || !vr_fits) {
		fail(r);
	} else if (is_delimiter) {
		delimiter(r, length);
	} else if (level(r) & (LEVEL_SEQUENCE | LEVEL_FRAGMENTS)) {
		fail(r);
	} else {
		element(r, m, vr, length);
	}
}

void dicom_read(struct dicom_reader *r, struct dicom_message *m, struct bytes in)
{
	struct cur c = cur_of(in);
	while (cur_more(&c) && !r->done) {
		if (r->skip) {
			size_t n = cur_left(&c) < r->skip ? cur_left(&c) : r->skip;
			cur_skip(&c, n);
			r->skip -= (uint32_t)n;
			r->off += (uint32_t)n;
		} else if (r->value_n < r->value_want) {
			size_t n = bytes_copy(
				r->value + r->value_n, (size_t)(r->value_want - r->value_n), cur_peek(&c));
			cur_skip(&c, n);
			r->value_n = (uint8_t)(r->value_n + n);
			r->off += (uint32_t)n;
			if (r->value_n == r->value_want)
				value_end(r, m);
		} else {
			while (r->head_n == 0 && r->depth && r->off >= limit(r))
				r->depth--;
			if (r->off > UNDEFINED - sizeof r->head) {
				r->done = true; /* 4 GiB without pixels: offsets end here */
				break;
			}
			uint8_t want = head_length(r);
			size_t n = bytes_copy(r->head + r->head_n, (size_t)(want - r->head_n), cur_peek(&c));
			cur_skip(&c, n);
			r->head_n = (uint8_t)(r->head_n + n);
			if (r->head_n >= 8 && r->head_n == head_length(r))
				head_end(r, m);
		}
	}
}

bool dicom_read_end(const struct dicom_reader *r)
{
	return !r->bad && (r->done || (r->head_n == 0 && r->skip == 0 && r->value_n == r->value_want));
}
