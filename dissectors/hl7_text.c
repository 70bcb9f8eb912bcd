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

/* ---- patients ---------------------------------------------------------------------------- */

enum kind { NAME, ID, STAFF, CONTACT, BARE, CLINICAL };

struct phi_row {
	char segment[4];
	uint8_t field, kind, class;
};

static const struct phi_row phi_rows[] = {
#define PHI_HL7(segment, field, kind, class) { segment, field, kind, PHI_##class },
#include "phi.def"
};
enum { PHI_ROWS = sizeof phi_rows / sizeof *phi_rows };

/* The first row of the segment, or PHI_ROWS. */
static size_t phi_find(struct bytes segment)
{
	size_t low = 0, high = PHI_ROWS;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = 0;
		for (size_t i = 0; i < 3 && order == 0; i++)
			order = phi_rows[mid].segment[i] - ascii_upper((uint8_t)bytes_at(segment, i));
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < PHI_ROWS && hl7_is(segment, phi_rows[low].segment) ? low : PHI_ROWS;
}

bool hl7_names_patient(const struct message *m, struct bytes v)
{
	struct bytes token;
	for (size_t at = 0; m->n_words && (token = privacy_token(v, &at)).n;)
		for (unsigned i = 0; i < m->n_words; i++)
			if (bytes_eqi(token, m->word[i]))
				return true;
	return false;
}

/* Components from to to, as they stand. */
static struct bytes components(const struct message *m, struct bytes v, unsigned from, unsigned to)
{
	struct cur c = cur_of(v);
	for (unsigned i = 1; i < from; i++)
		cur_until(&c, m->component);
	struct bytes rest = cur_peek(&c);
	size_t end = 0;
	for (unsigned i = from; i <= to && end < rest.n; i++)
		end = bytes_chr(rest, end + (i > from), m->component);
	return bytes_first(rest, end);
}

struct bytes hl7_name(const struct message *m, struct bytes v)
{
	v = components(m, v, 1, 3);
	while (v.n && bytes_at(v, v.n - 1) == m->component)
		v.n--;
	return v;
}

static void add_words(struct message *m, struct bytes v)
{
	struct bytes token;
	for (size_t at = 0; m->n_words < HL7_WORDS && (token = privacy_token(v, &at)).n;)
		m->word[m->n_words++] = token;
}

void hl7_patient(struct message *m)
{
	struct bytes s;
	for (struct walk w = { .all = m->all }; hl7_segment(m, &w, &s);) {
		if (hl7_is(s, "BTS") || hl7_is(s, "FTS"))
			m->has_trailer = true;
		bool pid = hl7_is(s, "PID");
		if (!pid && !hl7_is(s, "MRG"))
			continue;
		struct cur ids = cur_of(hl7_field(m, s, pid ? 3 : 1));
		for (unsigned i = 0; i < HL7_REPETITIONS && cur_more(&ids); i++)
			add_words(m, hl7_nth(hl7_repetition(m, &ids), m->component, 1));
		add_words(m, hl7_nth(hl7_field(m, s, 2), m->component, 1));
		add_words(m, hl7_name(m, hl7_field(m, s, pid ? 5 : 7)));
		m->has_patient |=
			hl7_field(m, s, 3).n || hl7_field(m, s, pid ? 5 : 1).n || hl7_field(m, s, 2).n;
	}
}

bool hl7_is_ssn(const struct message *m, struct bytes id)
{
	return bytes_is(hl7_nth(id, m->component, 5), "SS");
}

/* CX-5, table 0203. */
static enum privacy id_class(const struct message *m, struct bytes v, enum privacy class)
{
	struct bytes type = hl7_nth(v, m->component, 5);
	if (class != PHI_MRN)
		return class;
	if (hl7_is_ssn(m, v))
		return PHI_SSN;
	return bytes_is(type, "AN") || bytes_is(type, "VN") ? PHI_ACCOUNT : PHI_MRN;
}

static void phi_words_of(struct dx *x, struct message *m, enum privacy class, struct bytes v)
{
	struct text room;
	v = hl7_unescape(m, bytes_trim(v), &room);
	dx_phi_value(x, class, v);
}

/* XTN: a number in component 1 or 12, or in 6 and 7 (area, number); a mail address in 4, or in 1. */
static void phi_contact(struct dx *x, struct message *m, enum privacy class, struct bytes v)
{
	static const unsigned places[] = { 4, 1, 12, 7 };
	if (bytes_chr(v, 0, '@') < v.n)
		class = PHI_EMAIL;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct bytes c = hl7_nth(v, m->component, places[i]);
		if (bytes_trim(c).n && (class != PHI_EMAIL || bytes_chr(c, 0, '@') < c.n)) {
			phi_words_of(x, m, class, c);
			return;
		}
	}
	dx_phi(x, class, 1);
}

static void phi_value(struct dx *x, struct message *m, const struct phi_row *row, struct bytes v)
{
	enum privacy class = (enum privacy)row->class;
	struct bytes all = v;
	bool pid = !strcmp(row->segment, "PID");
	if (bytes_is(v, "\"\""))
		return;
	for (; all.n && (bytes_at(all, 0) == m->component || bytes_at(all, 0) == ' ');
		all = bytes_from(all, 1))
		;
	if (all.n == 0) /* `^^^` says nothing */
		return;
	unsigned *told = pid && row->field == 5   ? &m->names_told
			 : pid && row->field == 3 ? &m->ids_told
						  : NULL;
	if (told && *told && !(row->field == 3 && hl7_is_ssn(m, v))) {
		--*told; /* as a field of the event */
		return;
	}
	switch (row->kind) {
	case NAME:
		phi_words_of(x, m, class, hl7_name(m, v));
		break;
	case ID:
		phi_words_of(x, m, id_class(m, v, class), hl7_nth(v, m->component, 1));
		break;
	case STAFF: {
		struct bytes name = components(m, v, 2, 3);
		phi_words_of(x, m, class, name.n > 1 ? name : hl7_nth(v, m->component, 1));
		break;
	}
	case CONTACT:
		phi_contact(x, m, class, v);
		break;
	default:
		if (class == PHI_BIRTH_DATE) /* DTM: the mask knows it by its day */
			phi_words_of(x, m, class, hl7_nth(v, m->component, 1));
		else
			dx_phi(x, class, 1);
	}
}

static void phi_segment(struct dx *x, struct message *m, struct bytes segment)
{
	struct cur c = cur_of(segment);
	unsigned at = 0;
	cur_until(&c, m->separator);
	for (size_t row = phi_find(segment); row < PHI_ROWS && hl7_is(segment, phi_rows[row].segment);
		row++) {
		const struct phi_row *r = &phi_rows[row];
		struct bytes value = { 0 };
		for (; at < r->field && cur_more(&c); at++)
			value = cur_until(&c, m->separator);
		if (at < r->field)
			return;
		/* An order number of PCD-01 is the device's own count. */
		if (r->kind == CLINICAL && (!m->has_patient || (m->pcd && r->class == PHI_ACCESSION)))
			continue;
		struct cur all = cur_of(value);
		for (unsigned i = 0; i < HL7_REPETITIONS && cur_more(&all); i++)
			phi_value(x, m, r, hl7_repetition(m, &all));
	}
}

/* QPD (v2.9 5.5.3): `@PID.5.1^SMITH` in a demographics query; in a PIX query (Q23) the number itself. */
static void phi_query(struct dx *x, struct message *m, struct bytes segment)
{
	struct cur c = cur_of(hl7_field(m, segment, 3));
	for (unsigned i = 0; i < HL7_REPETITIONS && cur_more(&c); i++) {
		struct bytes v = hl7_repetition(m, &c);
		struct bytes name = hl7_nth(v, m->component, 1);
		uint64_t field;
		if (!bytes_starts(name, "@PID.")) {
			if (bytes_is(m->trigger, "Q23") || bytes_is(m->trigger, "Q24"))
				phi_words_of(x, m, PHI_MRN, name);
			continue;
		}
		if (!bytes_to_u64(hl7_nth(bytes_from(name, 5), '.', 1), &field))
			continue;
		for (size_t row = phi_find(bytes_str("PID"));
			row < PHI_ROWS && !strcmp(phi_rows[row].segment, "PID"); row++)
			if (phi_rows[row].field == field)
				phi_words_of(
					x, m, (enum privacy)phi_rows[row].class, hl7_nth(v, m->component, 2));
	}
}

/* Words of what is worth looking at in a segment that a site made up. */
enum { SITE_BYTES = 4096 };

/* The first identifier of PID-3, else the older PID-2, else the name. */
static struct bytes patient_id(const struct message *m, struct bytes pid)
{
	static const unsigned fields[] = { 3, 2, 5 };
	struct bytes id = { 0 };
	for (size_t i = 0; i < sizeof fields / sizeof *fields && id.n == 0; i++) {
		struct cur c = cur_of(hl7_field(m, pid, fields[i]));
		struct bytes first = hl7_repetition(m, &c);
		id = bytes_trim(fields[i] == 5 ? hl7_name(m, first) : hl7_nth(first, m->component, 1));
	}
	return id;
}

void hl7_phi(struct dx *x, struct message *m)
{
	struct bytes s;
	for (struct walk w = { .all = m->all }; hl7_segment(m, &w, &s);) {
		phi_segment(x, m, s);
		if (hl7_is(s, "PID"))
			dx_patient(x, patient_id(m, s));
		if (hl7_is(s, "QPD"))
			phi_query(x, m, s);
		if (hl7_is(s, "Z") && hl7_names_patient(m, bytes_first(s, SITE_BYTES)))
			dx_phi(x, PHI_FREE_TEXT, 1);
		/* Results as text or documents; single numbers and codes name nobody and have no class. */
		if (m->has_patient && hl7_is(s, "OBX") && hl7_field(m, s, 5).n) {
			struct bytes type = hl7_field(m, s, 2);
			if (bytes_is(type, "TX") || bytes_is(type, "FT") || bytes_is(type, "ED"))
				dx_phi(x, PHI_FREE_TEXT, 1);
		}
	}
}
