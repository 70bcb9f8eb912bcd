/* Records: private values, of which only keyed pseudonyms are kept: of the whole, and of each word that may
 * stand elsewhere (design.md section 4). */
#include "base/assert.h"
#include "packet/record.h"

/* Words of these classes name a person; of the others they are ordinary words. */
static bool has_tokens(enum privacy class)
{
	return class != PHI_FREE_TEXT && class != PHI_DIAGNOSIS && class != PHI_IMAGE;
}

enum { DATE_DIGITS = 8, PHONE_DIGITS = 7, DIGITS_MAX = 32 };

/* Dates and phone numbers are written with all kinds of signs between the digits: the mask looks for YYYYMMDD
 * and for a number's last seven digits. False: so many are not there. */
static bool digits_token(const struct dx_engine *e, struct phi_fact *p, enum privacy class, struct bytes v)
{
	uint8_t d[DIGITS_MAX];
	size_t n = 0, want = class == PHI_BIRTH_DATE ? DATE_DIGITS : PHONE_DIGITS;
	for (struct cur c = cur_of(v); cur_more(&c) && n < sizeof d;) {
		uint8_t b = cur_u8(&c);
		if (ascii_digit(b))
			d[n++] = b;
	}
	if (n >= want)
		p->token[p->n_tokens++] =
			privacy_word(e->key, bytes_of(class == PHI_BIRTH_DATE ? d : d + n - want, want));
	explicit_bzero(d, sizeof d);
	return n >= want;
}

static bool has_digit(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++)
		if (ascii_digit(bytes_at(v, i)))
			return true;
	return false;
}

/* The next tokens of v, as many as one fact holds; false when none was left. */
static bool next_tokens(const struct dx_engine *e, struct phi_fact *p, struct bytes v, size_t *at)
{
	p->n_tokens = 0;
	while (p->n_tokens < PHI_TOKENS) {
		struct bytes token = privacy_token(v, at);
		if (token.n == 0)
			break;
		/* BLOOD-4711, LAB.26.118: what a system puts before its numbers is everybody's. */
		if (p->class == PHI_ACCESSION && !has_digit(token))
			continue;
		p->token[p->n_tokens++] = privacy_word(e->key, token);
	}
	return p->n_tokens > 0;
}

void phi_fact_put(struct dx_engine *e, unsigned field, const struct phi_fact *p)
{
	struct fact *f = record_fact(e, field, FACT_PHI, sizeof *p);
	if (!f) /* no room among the fields: still to be masked */
		f = field == FIELD_NONE ? NULL : record_fact(e, FIELD_NONE, FACT_PHI, sizeof *p);
	if (f)
		memcpy(f->value, p, sizeof *p);
	else if (e->open)
		e->open->flags |= EVENT_PHI_LOST;
}

enum { UTF8_ROOM = 1024, JOINED_ROOM = 64 };

static bool is_run(int c)
{
	return ascii_alnum(c) || c >= 0x80;
}

static struct bytes next_run(struct bytes v, size_t *at)
{
	while (*at < v.n && !is_run(bytes_at(v, *at)))
		++*at;
	size_t from = *at;
	while (is_run(bytes_at(v, *at)))
		++*at;
	return bytes_sub(v, from, *at - from);
}

/* Ng^Bo, Li^Jana: a word too short to be known alone is known together with its neighbour, in either order.
 */
static void joined_tokens(const struct dx_engine *e, struct phi_fact *p, struct bytes v)
{
	uint8_t room[JOINED_ROOM];
	size_t at = 0;
	struct bytes a = next_run(v, &at), b = next_run(v, &at);
	bool is_short = a.n && b.n && (a.n < 3 || b.n < 3);
	if (!is_short || a.n + b.n < 4 || a.n + b.n > sizeof room || p->n_tokens + 2 > PHI_TOKENS)
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct bytes first = i ? b : a, second = i ? a : b;
		bytes_copy(room, sizeof room, first);
		bytes_copy(room + first.n, sizeof room - first.n, second);
		p->token[p->n_tokens++] = privacy_word(e->key, bytes_of(room, a.n + b.n));
	}
	explicit_bzero(room, sizeof room);
}

static void learn_words(struct dx_engine *e, unsigned field, struct phi_fact *p, struct bytes v)
{
	enum privacy class = (enum privacy)p->class;
	size_t at = 0;
	if (class == PHI_BIRTH_DATE || class == PHI_PHONE) {
		(void)digits_token(e, p, class, v);
		phi_fact_put(e, field, p);
		return;
	}
	if (class == PHI_EMAIL)
		v = bytes_first(v, bytes_chr(v, 0, '@'));
	bool has_words = has_tokens(class);
	if (has_words)
		(void)next_tokens(e, p, v, &at);
	if (class == PHI_PATIENT_NAME || class == PHI_RELATIVE || class == PHI_STAFF_NAME)
		joined_tokens(e, p, v);
	phi_fact_put(e, field, p);
	while (has_words && next_tokens(e, p, v, &at))
		phi_fact_put(e, FIELD_NONE, p);
}

/* Of the value, which becomes what is read of it, in UTF-8 (in room unless it is ASCII). */
static struct pseudonym whole_pseudonym(
	struct dx_engine *e, struct bytes *v, uint8_t room[UTF8_ROOM], bool *unread)
{
	*v = charset_utf8(e->charset, record_first(e, *v), room, UTF8_ROOM, unread);
	return privacy_pseudonym(e->key, *v);
}

void phi_put(struct dx_engine *e, unsigned field, enum privacy class, struct bytes v)
{
	if (v.n > e->limits->fact_bytes && has_tokens(class) && e->open)
		e->open->flags |= EVENT_PHI_LOST;
	uint8_t room[UTF8_ROOM];
	bool unread = false;
	e->phi |= PHI_BIT(class);
	e->phi_n++;
	struct phi_fact p = { .class = (uint8_t) class, .whole = whole_pseudonym(e, &v, room, &unread) };
	if (unread && e->open && has_tokens(class))
		e->open->flags |= EVENT_PHI_UNREAD;
	bool is_mrn = class == PHI_MRN;
	bool is_better = is_mrn ? !e->patient_is_mrn : class == PHI_PATIENT_NAME && e->n_patients == 0;
	if (!e->patient_is_told && is_better) {
		e->patients[0] = p.whole;
		e->n_patients = 1;
		e->patient_is_mrn = is_mrn;
	}
	learn_words(e, field, &p, v);
	explicit_bzero(room, v.p == room ? v.n : 0);
}

void dx_charset(struct dx *x, enum charset set)
{
	x->engine->charset = set;
}

void dx_phi_lost(struct dx *x)
{
	if (x->engine->open)
		x->engine->open->flags |= EVENT_PHI_LOST;
}

void dx_phi(struct dx *x, enum privacy phi_class, unsigned n)
{
	ASSERT(privacy_is_phi(phi_class));
	if (n) {
		x->engine->phi |= PHI_BIT(phi_class);
		x->engine->phi_n += n;
	}
}

void dx_phi_value(struct dx *x, enum privacy phi_class, struct bytes value)
{
	ASSERT(privacy_is_phi(phi_class));
	if (bytes_trim(value).n && x->engine->open)
		phi_put(x->engine, FIELD_NONE, phi_class, value);
}

void dx_patient(struct dx *x, struct bytes id)
{
	struct dx_engine *e = x->engine;
	uint8_t room[UTF8_ROOM];
	bool unread = false;
	if (bytes_trim(id).n == 0)
		return;
	if (!e->patient_is_told)
		e->n_patients = 0;
	e->patient_is_told = true;
	if (e->n_patients < DX_PATIENTS)
		e->patients[e->n_patients++] = whole_pseudonym(e, &id, room, &unread);
}
