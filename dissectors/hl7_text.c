/* The ER7 grammar (HL7 v2.9 2.5 to 2.7) and what of a message is a patient's or a clinician's (phi.def). */
#include "hl7.h"

/* ---- grammar ----------------------------------------------------------------------------- */

static bool segment_at(const struct message *m, struct bytes in, size_t at)
{
	struct bytes name = bytes_sub(in, at, 3);
	bool ok = name.n == 3 && ascii_alpha(bytes_at(name, 0));
	for (size_t i = 1; i < name.n; i++)
		ok &= ascii_alnum(bytes_at(name, i));
	return ok && bytes_at(in, at + 3) == m->separator;
}

/* A segment ends at CR; at LF where the next begins there, since senders end them so, and an LF inside a
 * value is a fault of theirs that must not cut it. */
static size_t segment_end(const struct message *m, struct walk *w)
{
	for (size_t at = w->at;;) {
		if (!w->looked || w->cr < at)
			w->cr = bytes_chr(w->all, at, '\r');
		if (!w->looked || w->lf < at)
			w->lf = bytes_chr(w->all, at, '\n');
		w->looked = true;
		if (w->cr <= w->lf)
			return w->cr;
		if (segment_at(m, w->all, w->lf + 1))
			return w->lf;
		at = w->lf + 1;
	}
}

bool hl7_segment(const struct message *m, struct walk *w, struct bytes *segment)
{
	while (bytes_at(w->all, w->at) == '\r' || bytes_at(w->all, w->at) == '\n' ||
		bytes_at(w->all, w->at) == ' ')
		w->at++;
	if (w->at >= w->all.n)
		return false;
	size_t end = segment_end(m, w);
	*segment = bytes_sub(w->all, w->at, end - w->at);
	w->at = end;
	return true;
}

bool hl7_is(struct bytes segment, const char *name)
{
	return bytes_startsi(segment, name);
}

struct bytes hl7_nth(struct bytes v, uint8_t sep, unsigned n)
{
	if (sep == 0)
		return n == 1 ? v : (struct bytes){ 0 };
	struct cur c = cur_of(v);
	for (; n > 1 && cur_more(&c); n--)
		cur_until(&c, sep);
	return n == 1 ? cur_until(&c, sep) : (struct bytes){ 0 };
}

struct bytes hl7_field(const struct message *m, struct bytes segment, unsigned n)
{
	/* v2.9 2.14.9: MSH-1 is the separator itself, so MSH-2 is the second part. */
	bool header = hl7_is(segment, "MSH") || hl7_is(segment, "FHS") || hl7_is(segment, "BHS");
	return hl7_nth(segment, m->separator, header ? n : n + 1);
}

struct bytes hl7_repetition(const struct message *m, struct cur *c)
{
	return m->repetition ? cur_until(c, m->repetition) : cur_rest(c);
}

struct bytes hl7_component(const struct message *m, struct bytes v, unsigned n)
{
	return hl7_nth(hl7_nth(v, m->repetition, 1), m->component, n);
}

void hl7_text_add(struct text *t, struct bytes v)
{
	t->n += bytes_copy(t->b + t->n, sizeof t->b - t->n, v);
}

static void text_add_byte(struct text *t, uint8_t c)
{
	hl7_text_add(t, bytes_of(&c, 1));
}

static unsigned hex_digit(int c)
{
	return ascii_digit(c) ? (unsigned)c - '0' : ascii_lower((uint8_t)c) - 'a' + 10u;
}

static bool is_hex(int c)
{
	return ascii_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void add_escape(const struct message *m, struct text *t, struct bytes code)
{
	static const char letters[] = "FSTRE";
	const uint8_t means[] = { m->separator, m->component, m->subcomponent, m->repetition, m->escape };
	int first = bytes_at(code, 0);
	for (unsigned i = 0; code.n == 1 && i < sizeof means; i++)
		if (first == letters[i])
			text_add_byte(t, means[i]);
	/* v2.9 2.7.5: \Cxxyy\ and \Mxxyyzz\ are the escape sequences of other character sets. */
	if (first == 'C' || first == 'M')
		text_add_byte(t, 0x1b);
	/* v2.9 2.7.6: hexadecimal bytes, in pairs; an odd digit at the end says nothing. */
	for (size_t i = 1; (first == 'X' || first == 'C' || first == 'M') && is_hex(bytes_at(code, i)) &&
			   is_hex(bytes_at(code, i + 1));
		i += 2)
		text_add_byte(
			t, (uint8_t)(hex_digit(bytes_at(code, i)) << 4 | hex_digit(bytes_at(code, i + 1))));
	if (first == '.')
		text_add_byte(t, ' ');
}

struct bytes hl7_unescape(const struct message *m, struct bytes v, struct text *room)
{
	if (bytes_is(v, "\"\""))
		return (struct bytes){ 0 };
	if (m->escape == 0 || bytes_chr(v, 0, m->escape) == v.n)
		return v;
	struct cur c = cur_of(v);
	room->n = 0;
	while (cur_more(&c) && room->n < sizeof room->b) {
		struct bytes rest = cur_peek(&c);
		size_t from = bytes_chr(rest, 0, m->escape), to = bytes_chr(rest, from + 1, m->escape);
		if (to >= rest.n) { /* an escape that is not closed stands for itself */
			hl7_text_add(room, rest);
			break;
		}
		hl7_text_add(room, bytes_first(rest, from));
		add_escape(m, room, bytes_sub(rest, from + 1, to - from - 1));
		cur_skip(&c, to + 1);
	}
	return bytes_of(room->b, room->n);
}

struct bytes hl7_label(const struct message *m, struct bytes v)
{
	for (unsigned i = 1; i <= 3; i++) {
		struct bytes c = hl7_component(m, v, i);
		if (bytes_trim(c).n)
			return c;
	}
	return (struct bytes){ 0 };
}

static bool is_code(struct bytes v, size_t least, size_t most)
{
	if (v.n < least || v.n > most)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!(bytes_at(v, i) >= 'A' && bytes_at(v, i) <= 'Z') && !(i && ascii_digit(bytes_at(v, i))))
			return false;
	return true;
}

/* v2.9 2.14.9.2: component, repetition, escape, subcomponent. Two broken forms are met: the escape doubled by
 * a program that quoted it, and `&` and `\` exchanged; they mean the usual. */
static bool read_encoding(struct message *m, struct bytes e)
{
	bool odd = e.n < 4 || e.n > 5;
	for (size_t i = 0; i < e.n; i++) {
		int c = bytes_at(e, i);
		if (c <= ' ' || c >= 0x7f || ascii_alnum(c))
			return false;
	}
	size_t sub = 3;
	if (e.n > 4 && bytes_at(e, 2) == bytes_at(e, 3)) {
		sub = 4;
		odd = true;
	}
	m->component = (uint8_t)(e.n > 0 ? bytes_at(e, 0) : 0);
	m->repetition = (uint8_t)(e.n > 1 ? bytes_at(e, 1) : 0);
	m->escape = (uint8_t)(e.n > 2 ? bytes_at(e, 2) : 0);
	m->subcomponent = (uint8_t)(e.n > sub ? bytes_at(e, sub) : 0);
	if (m->escape == '&' && m->subcomponent == '\\') {
		m->escape = '\\';
		m->subcomponent = '&';
		odd = true;
	}
	m->odd_encoding = odd;
	return e.n > 0 && e.n <= 8;
}

bool hl7_header(struct message *m, struct bytes all)
{
	*m = (struct message){ .all = all };
	int sep = bytes_at(all, 3);
	if (sep <= ' ' || sep >= 0x7f || ascii_alnum(sep))
		return false;
	m->separator = (uint8_t)sep;
	struct walk w = { .all = all };
	if (!hl7_segment(m, &w, &m->msh) || m->msh.n < 8 ||
		!read_encoding(m, hl7_nth(m->msh, m->separator, 2)))
		return false;
	struct bytes type = hl7_field(m, m->msh, 9), profile = hl7_field(m, m->msh, 21);
	m->type = hl7_component(m, type, 1);
	m->trigger = hl7_component(m, type, 2);
	if (!is_code(m->type, 3, 3))
		m->type.n = 0;
	if (!is_code(m->trigger, 2, 3))
		m->trigger.n = 0;
	m->pcd = bytes_starts(hl7_component(m, profile, 3), "1.3.6.1.4.1.19376.1.6.");
	m->law = bytes_starts(profile, "LAB-2");
	return true;
}
