/* hl7: what of a message is a patient's, a relative's or a clinician's: by the table (phi.def), by the data
 * type where a message says it, and by its look where a site made the segment up. */
#include "hl7.h"

enum kind { NAME, ID, STAFF, STAFF_WHEN, CONTACT, SPECIMEN, FIRM, LOOK, BARE, CLINICAL };

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

/* XCN, PPN, CN: id, family, given, further names. */
static void phi_staff(struct dx *x, struct message *m, enum privacy class, struct bytes v)
{
	struct bytes name = components(m, v, 2, 4);
	bool any = false;
	for (size_t i = 0; i < name.n; i++)
		any |= bytes_at(name, i) != m->component;
	phi_words_of(x, m, class, any ? name : hl7_nth(v, m->component, 1));
}

/* NDL (v2.9 2A.3.49): the first component is a CNN, whose parts are subcomponents. */
static void phi_staff_when(struct dx *x, struct message *m, enum privacy class, struct bytes v)
{
	struct bytes cnn = hl7_nth(v, m->component, 1);
	if (m->subcomponent == 0 || bytes_chr(cnn, 0, m->subcomponent) == cnn.n) {
		phi_staff(x, m, class, v); /* as v2.2 had it: CN */
		return;
	}
	struct cur c = cur_of(cnn);
	struct bytes id = cur_until(&c, m->subcomponent), name = cur_rest(&c);
	phi_words_of(x, m, class, bytes_trim(hl7_nth(name, m->subcomponent, 1)).n ? name : id);
}

static bool has_digit(struct bytes v)
{
	bool any = false;
	for (size_t i = 0; i < v.n; i++)
		any |= ascii_digit(bytes_at(v, i));
	return any;
}

/* EI or EIP: the number, without the words in it (BLOOD-17) and those of the namespaces beside it. */
static void phi_specimen(struct dx *x, struct message *m, enum privacy class, struct bytes v)
{
	for (unsigned i = 1; i <= 2; i++) {
		struct bytes id = hl7_nth(hl7_nth(v, m->component, i), m->subcomponent, 1), word;
		for (size_t at = 0; (word = privacy_token(id, &at)).n;)
			if (has_digit(word))
				phi_words_of(x, m, class, word);
	}
}

/* An XPN or XCN where there may be a firm: the name of a person has a given name in it. */
static void phi_firm(struct dx *x, struct message *m, enum privacy class, struct bytes v)
{
	struct bytes id = bytes_trim(hl7_nth(v, m->component, 1));
	unsigned family = id.n == 0 || has_digit(id) ? 2 : 1;
	if (bytes_trim(hl7_nth(v, m->component, family + 1)).n)
		phi_words_of(x, m, class, components(m, v, family, family + 2));
}

/* ---- by the look ------------------------------------------------------------------------- */

enum { LOOK_NAME = 40, LOOK_BLANKS = 3 };

/* 1: letters of a name, in capitals; 2: with small ones among them; 0: no name. */
static unsigned name_look(struct bytes v)
{
	unsigned letters = 0, blanks = 0;
	bool is_small = false;
	v = bytes_trim(v);
	for (size_t i = 0; i < v.n; i++) {
		int c = bytes_at(v, i);
		if (c == ' ')
			blanks++;
		else if (ascii_alpha(c) || c >= 0x80)
			letters++;
		else if (c != '-' && c != '\'' && c != '.')
			return 0;
		is_small |= c >= 'a' && c <= 'z';
	}
	if (letters < 2 || v.n > LOOK_NAME || blanks > LOOK_BLANKS)
		return 0;
	return 1 + is_small;
}

/* Do a family name and a given one begin at that component? What a code means is mostly not written as the
 * code is (CT^Computed tomography); a further component is a further name or none. */
static bool names_at(const struct message *m, struct bytes v, unsigned first)
{
	unsigned family = name_look(hl7_nth(hl7_nth(v, m->component, first), m->subcomponent, 1));
	struct bytes further = bytes_trim(hl7_nth(v, m->component, first + 2));
	return family && family == name_look(hl7_nth(v, m->component, first + 1)) && !has_digit(further);
}

/* An XPN, XCN or CX that nothing says to be one. */
static void phi_look(struct dx *x, struct message *m, enum privacy class, struct bytes v)
{
	static const char *const types[] = { "MR", "PI", "PT", "PN", "SS", "AN", "VN" }; /* table 0203 */
	struct bytes id = bytes_trim(hl7_nth(v, m->component, 1)), type = hl7_nth(v, m->component, 5);
	bool is_id = false;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		is_id |= bytes_is(type, types[i]);
	if (is_id && has_digit(id))
		phi_words_of(x, m, id_class(m, v, PHI_MRN), id);
	else if (names_at(m, v, 1))
		phi_words_of(x, m, class, hl7_name(m, v));
	else if ((id.n == 0 || has_digit(id)) && names_at(m, v, 2))
		phi_words_of(x, m, class, components(m, v, 2, 4));
}

/* ---- the table --------------------------------------------------------------------------- */

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
	case STAFF:
		phi_staff(x, m, class, v);
		break;
	case STAFF_WHEN:
		phi_staff_when(x, m, class, v);
		break;
	case SPECIMEN:
		phi_specimen(x, m, class, v);
		break;
	case FIRM:
		phi_firm(x, m, class, v);
		break;
	case LOOK:
		phi_look(x, m, class, v);
		break;
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

static void phi_values(struct dx *x, struct message *m, const struct phi_row *row, struct bytes field)
{
	struct cur all = cur_of(field);
	for (unsigned i = 0; i < HL7_REPETITIONS && cur_more(&all); i++)
		phi_value(x, m, row, hl7_repetition(m, &all));
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
		if (r->kind == SPECIMEN && !m->has_patient)
			continue;
		phi_values(x, m, r, value);
	}
}

/* The row of a data type (v2.9 2A), or NULL: no person's. */
static const struct phi_row *type_row(struct bytes type)
{
	static const struct {
		char type[4];
		struct phi_row row;
	} rows[] = {
		{ "XPN", { "", 0, NAME, PHI_RELATIVE } },
		{ "PN", { "", 0, NAME, PHI_RELATIVE } },
		{ "XCN", { "", 0, STAFF, PHI_STAFF_NAME } },
		{ "CN", { "", 0, STAFF, PHI_STAFF_NAME } },
		{ "PPN", { "", 0, STAFF, PHI_STAFF_NAME } },
		{ "NDL", { "", 0, STAFF_WHEN, PHI_STAFF_NAME } },
		{ "CX", { "", 0, ID, PHI_MRN } },
		{ "CK", { "", 0, ID, PHI_MRN } },
		{ "XTN", { "", 0, CONTACT, PHI_PHONE } },
		{ "TN", { "", 0, CONTACT, PHI_PHONE } },
		{ "XAD", { "", 0, BARE, PHI_ADDRESS } },
		{ "AD", { "", 0, BARE, PHI_ADDRESS } },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (bytes_eqi(type, bytes_str(rows[i].type)))
			return &rows[i].row;
	return NULL;
}

/* OBX-5 is of the type that OBX-2 says. Texts and documents have a class; single numbers and codes name
 * nobody. The words of a text are anybody's: none is learnt. */
static void phi_result(struct dx *x, struct message *m, struct bytes segment)
{
	struct bytes type = hl7_field(m, segment, 2), value = hl7_field(m, segment, 5);
	const struct phi_row *row = type_row(type);
	if (row)
		phi_values(x, m, row, value);
	else if (m->has_patient && value.n &&
		 (bytes_is(type, "TX") || bytes_is(type, "FT") || bytes_is(type, "ED")))
		dx_phi(x, PHI_FREE_TEXT, 1);
}

/* RDT (v2.9 5.5.7): a row of the table whose columns RDF-2 describes, each as name, type and width. */
static void phi_table_row(struct dx *x, struct message *m, struct bytes rdf, struct bytes segment)
{
	struct cur columns = cur_of(hl7_field(m, rdf, 2)), c = cur_of(segment);
	cur_until(&c, m->separator);
	while (m->repetition && cur_more(&columns) && cur_more(&c)) {
		const struct phi_row *row = type_row(hl7_nth(hl7_repetition(m, &columns), m->component, 2));
		struct bytes value = cur_until(&c, m->separator);
		if (row)
			phi_values(x, m, row, value);
	}
}

/* The fields from that one on, by their look. */
static void phi_looks(struct dx *x, struct message *m, struct bytes segment, unsigned from)
{
	static const struct phi_row row = { "", 0, LOOK, PHI_PATIENT_NAME };
	struct cur c = cur_of(segment);
	for (unsigned i = 0; cur_more(&c); i++) {
		struct bytes value = cur_until(&c, m->separator);
		if (i >= from)
			phi_values(x, m, &row, value);
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

/* QPD-3 and on: parameters as @PID.5.1^SMITH, or, as in immunization queries, values in their places. */
static void phi_parameters(struct dx *x, struct message *m, struct bytes segment)
{
	if (bytes_starts(hl7_field(m, segment, 3), "@"))
		phi_query(x, m, segment);
	else if (bytes_is(m->trigger, "Q23") || bytes_is(m->trigger, "Q24"))
		phi_query(x, m, segment);
	else
		phi_looks(x, m, segment, 3);
}

/* A segment that a site made up, as far as it is looked at. */
static void phi_site(struct dx *x, struct message *m, struct bytes segment)
{
	segment = bytes_first(segment, SITE_BYTES);
	if (hl7_names_patient(m, segment))
		dx_phi(x, PHI_FREE_TEXT, 1);
	if (m->has_patient)
		phi_looks(x, m, segment, 1);
}

void hl7_phi(struct dx *x, struct message *m)
{
	struct bytes s, rdf = { 0 };
	for (struct walk w = { .all = m->all }; hl7_segment(m, &w, &s);) {
		phi_segment(x, m, s);
		if (hl7_is(s, "PID"))
			dx_patient(x, patient_id(m, s));
		else if (hl7_is(s, "QPD"))
			phi_parameters(x, m, s);
		else if (hl7_is(s, "Z"))
			phi_site(x, m, s);
		else if (hl7_is(s, "OBX"))
			phi_result(x, m, s);
		else if (hl7_is(s, "RDF"))
			rdf = s;
		else if (hl7_is(s, "RDT"))
			phi_table_row(x, m, rdf, s);
	}
}
