/* Records: ev_*, ob_*, and the events that follow from others (credential, phi). */
#include "base/assert.h"
#include "packet/categories.h"
#include "packet/engine.h"

#include <arpa/inet.h>

static void *reserve(struct dx_engine *e)
{
	void *room = ring_reserve(e->ring, EVENT_BYTES);
	if (room)
		return room;
	e->counters->ring_full++;
	e->on_full(e->on_full_arg);
	return ring_reserve(e->ring, EVENT_BYTES);
}

static void record_begin(struct dx *x, enum record_kind kind, enum proto proto, unsigned what)
{
	struct dx_engine *e = x->engine;
	ASSERT(!e->open);
	struct event *ev = reserve(e);
	e->open = ev;
	e->last = NULL;
	e->phi = e->phi_n = 0;
	e->charset = CHARSET_UNSAID;
	e->patient_is_told = e->patient_is_mrn = false;
	e->n_patients = 0;
	if (!ev) {
		e->counters->events_lost++;
		return;
	}
	*ev = (struct event){ .len = sizeof *ev,
		.record = (uint8_t)kind,
		.proto = (uint8_t)proto,
		.event = (uint8_t)what,
		.dir = (uint8_t)x->dir,
		.ts_ns = e->ts_ns,
		.packet = e->packet,
		.conv = *x->conv };
	if (e->encrypted)
		ev->conv.encrypted |= *e->encrypted;
	ev->flags = (uint8_t)((x->cut ? EVENT_PDU_CUT : 0) | (e->gap_untold ? EVENT_AFTER_GAP : 0) |
			      (x->midstream ? EVENT_MIDSTREAM : 0));
}

static void record_end(struct dx_engine *e)
{
	struct event *ev = e->open;
	if (!ev)
		return;
	ev->phi = e->phi;
	ring_commit(e->ring, ev->len);
	e->open = NULL;
}

static void event_cut(struct dx_engine *e, struct event *ev)
{
	if (!(ev->flags & EVENT_CUT))
		e->counters->events_cut++;
	ev->flags |= EVENT_CUT;
}

static struct bytes text_first(struct dx_engine *e, struct bytes v)
{
	e->counters->full_fact_bytes += v.n > e->limits->fact_bytes;
	return bytes_first(v, e->limits->fact_bytes);
}

static struct fact *fact_add(struct dx_engine *e, unsigned field, enum fact_type type, size_t n)
{
	struct event *ev = e->open;
	if (!ev)
		return NULL;
	size_t need = sizeof(struct fact) + ((n + 7) & ~(size_t)7);
	/* What is only kept for masking counts by its bytes alone: a list of patients is longer than an
	 * event. */
	bool is_full = ev->n_facts >= e->limits->event_facts && field != FIELD_NONE;
	e->counters->full_event_facts += is_full;
	if (is_full || ev->len + need > EVENT_BYTES) {
		event_cut(e, ev);
		return NULL;
	}
	struct fact *f = (struct fact *)(void *)((uint8_t *)ev + ev->len);
	*f = (struct fact){ .field = (uint16_t)field, .type = (uint8_t)type, .len = (uint16_t)n };
	ev->len += (uint32_t)need;
	ev->n_facts++;
	e->last = NULL;
	return f;
}

static void fact_put(struct dx_engine *e, unsigned field, enum fact_type type, const void *v, size_t n)
{
	struct fact *f = fact_add(e, field, type, n);
	if (f && n)
		memcpy(f->value, v, n);
}

/* Lists grow in place while their elements come one after the other. */
static void list_put(struct dx_engine *e, unsigned field, enum fact_type type, struct bytes v)
{
	struct event *ev = e->open;
	if (!ev)
		return;
	struct fact *f = e->last && e->last->field == field ? e->last : NULL;
	size_t more = v.n + 2, old = f ? f->len : 0;
	size_t grow = ((old + more + 7) & ~(size_t)7) - ((old + 7) & ~(size_t)7);
	bool is_full = old + more > e->limits->array_bytes;
	e->counters->full_array_bytes += is_full;
	if (is_full || (f && ev->len + grow > EVENT_BYTES)) {
		event_cut(e, ev);
		return;
	}
	if (f) {
		ev->len += (uint32_t)grow;
		f->len = (uint16_t)(old + more);
	} else {
		f = fact_add(e, field, type, more);
		if (!f)
			return;
	}
	uint8_t n[2] = { (uint8_t)v.n, (uint8_t)(v.n >> 8) };
	memcpy(f->value + old, n, 2);
	if (v.n)
		memcpy(f->value + old + 2, v.p, v.n);
	f->count++;
	e->last = f;
}

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

/* The next tokens of v, as many as one fact holds; false when none was left. */
static bool next_tokens(const struct dx_engine *e, struct phi_fact *p, struct bytes v, size_t *at)
{
	p->n_tokens = 0;
	while (p->n_tokens < PHI_TOKENS) {
		struct bytes token = privacy_token(v, at);
		if (token.n == 0)
			break;
		p->token[p->n_tokens++] = privacy_word(e->key, token);
	}
	return p->n_tokens > 0;
}

static void phi_fact_put(struct dx_engine *e, unsigned field, const struct phi_fact *p)
{
	struct fact *f = fact_add(e, field, FACT_PHI, sizeof *p);
	if (!f) /* no room among the fields: still to be masked */
		f = field == FIELD_NONE ? NULL : fact_add(e, FIELD_NONE, FACT_PHI, sizeof *p);
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
	*v = charset_utf8(e->charset, text_first(e, *v), room, UTF8_ROOM, unread);
	return privacy_pseudonym(e->key, *v);
}

static void phi_put(struct dx_engine *e, unsigned field, enum privacy class, struct bytes v)
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

/* ---- events ------------------------------------------------------------------------------ */

static const struct field *field_of(const struct dx_engine *e, unsigned field)
{
	return e->open ? &dissectors[e->open->proto]->fields[field] : NULL;
}

void ev_begin_own(struct dx *x, enum proto category, unsigned event)
{
	record_begin(x, RECORD_EVENT, category, event);
}

void ev_begin(struct dx *x, unsigned event)
{
	record_begin(x, RECORD_EVENT, x->engine->dc->proto, event);
}

static void put(struct dx *x, unsigned field, enum fact_type type, struct bytes v)
{
	struct dx_engine *e = x->engine;
	const struct field *f = field_of(e, field);
	if (!f)
		return;
	ASSERT(f->privacy != SECRET);
	if ((type == FACT_STR || type == FACT_BYTES) && !privacy_is_phi(f->privacy))
		v = text_first(e, v);
	if (privacy_is_phi(f->privacy))
		phi_put(e, field, f->privacy, v);
	else if (f->list)
		list_put(e, field, type, v);
	else
		fact_put(e, field, type, v.p, v.n);
}

void ev_str(struct dx *x, unsigned field, struct bytes v)
{
	if (v.n)
		put(x, field, FACT_STR, v);
}

void ev_text(struct dx *x, unsigned field, const char *v)
{
	ev_str(x, field, bytes_str(v));
}

void ev_uint(struct dx *x, unsigned field, uint64_t v)
{
	put(x, field, FACT_UINT, bytes_of(&v, sizeof v));
}

void ev_int(struct dx *x, unsigned field, int64_t v)
{
	put(x, field, FACT_INT, bytes_of(&v, sizeof v));
}

void ev_bool(struct dx *x, unsigned field, bool v)
{
	uint8_t b = v;
	put(x, field, FACT_BOOL, bytes_of(&b, 1));
}

void ev_ip(struct dx *x, unsigned field, const struct addr *v)
{
	if (v->family)
		put(x, field, FACT_IP, bytes_of(v, sizeof *v));
}

void ev_mac(struct dx *x, unsigned field, const struct mac *v)
{
	put(x, field, FACT_MAC, bytes_of(v, sizeof *v));
}

void ev_time(struct dx *x, unsigned field, int64_t ns_since_1970)
{
	put(x, field, FACT_TIME, bytes_of(&ns_since_1970, sizeof ns_since_1970));
}

void ev_bytes(struct dx *x, unsigned field, struct bytes v)
{
	if (v.n)
		put(x, field, FACT_BYTES, v);
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

static void write_phi(struct dx *x, enum proto container, uint32_t classes, uint32_t n)
{
	struct dx_engine *e = x->engine;
	struct pseudonym patients[DX_PATIENTS];
	unsigned n_patients = e->n_patients;
	bool is_name = !e->patient_is_told && !e->patient_is_mrn;
	memcpy(patients, e->patients, sizeof patients);
	ev_begin_own(x, PROTO_phi, 0);
	for (unsigned c = PHI_NONE + 1; c < PHI_END; c++)
		if (classes & PHI_BIT(c))
			ev_text(x, PHI_CLASSES_FIELD, phi_name((enum privacy)c));
	ev_uint(x, PHI_COUNT, n);
	ev_text(x, PHI_CONTAINER, dissectors[container]->name);
	if (e->open) {
		ev_bool(x, PHI_ENCRYPTED, e->open->conv.encrypted);
		for (unsigned i = 0; i < n_patients; i++) {
			struct phi_fact p = { .class = is_name ? PHI_PATIENT_NAME : PHI_MRN,
				.whole = patients[i] };
			fact_put(e, PHI_PATIENT, FACT_PHI, &p, sizeof p);
		}
	}
	e->phi = classes;
	e->counters->events++;
	record_end(e);
}

static void write_credentials(struct dx *x)
{
	static const char *const outcomes[] = { "unknown", "accepted", "refused" };
	struct dx_engine *e = x->engine;
	unsigned n = e->n_credentials;
	e->n_credentials = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct credential *c = &e->credentials[i].c;
		ev_begin_own(x, PROTO_credential, 0);
		ev_text(x, CREDENTIAL_PROTOCOL, dissectors[e->dc->proto]->name);
		ev_text(x, CREDENTIAL_SCHEME, c->scheme);
		ev_bool(x, CREDENTIAL_CLEARTEXT, c->cleartext);
		ev_text(x, CREDENTIAL_DEFAULT, e->credentials[i].default_match);
		ev_text(x, CREDENTIAL_USER, e->credentials[i].user_class);
		ev_text(x, CREDENTIAL_OUTCOME, outcomes[c->outcome]);
		ev_text(x, CREDENTIAL_LENGTH, e->credentials[i].length_class);
		for (unsigned t = 0; t < 2; t++)
			if (e->credentials[i].typed[t].length)
				phi_fact_put(e, FIELD_NONE, &e->credentials[i].typed[t]);
		e->counters->events++;
		record_end(e);
	}
}

void ev_end(struct dx *x)
{
	struct dx_engine *e = x->engine;
	if (e->open) {
		enum proto proto = (enum proto)e->open->proto;
		uint32_t classes = e->phi, n = e->phi_n;
		e->proto[proto].events++;
		e->counters->events++;
		record_end(e);
		if (classes && proto < PROTO_DISSECTED)
			write_phi(x, proto, classes, n);
	}
	write_credentials(x);
}

/* ---- observations ------------------------------------------------------------------------ */

static void observe(struct dx *x, enum observation_about about)
{
	record_begin(x, RECORD_OBSERVATION, x->engine->dc->proto, about);
}

void ob_begin(struct dx *x, enum observation_about about)
{
	observe(x, about);
}

static void observe_about(
	struct dx *x, enum observation_about about, const struct addr *ip, const struct mac *mac)
{
	observe(x, about);
	struct event *ev = x->engine->open;
	if (!ev)
		return;
	if (ip)
		ev->about_ip = *ip;
	if (mac)
		ev->about_mac = *mac;
}

void ob_begin_address(struct dx *x, const struct addr *ip, const struct mac *mac)
{
	observe_about(x, OB_ADDRESS, ip, mac);
}

void ob_begin_card(struct dx *x, const struct addr *managed_at, const struct mac *chassis)
{
	observe_about(x, OB_CARD, managed_at, chassis);
}

void ob_str(struct dx *x, enum attr attr, struct bytes v, unsigned confidence)
{
	struct dx_engine *e = x->engine;
	v = text_first(e, bytes_trim(v));
	if (v.n == 0)
		return;
	struct fact *f = fact_add(e, attr, FACT_STR, v.n);
	if (!f)
		return;
	memcpy(f->value, v.p, v.n);
	f->confidence = (uint8_t)confidence;
}

void ob_text(struct dx *x, enum attr attr, const char *v, unsigned confidence)
{
	ob_str(x, attr, bytes_str(v), confidence);
}

void ob_end(struct dx *x)
{
	struct dx_engine *e = x->engine;
	if (!e->open)
		return;
	/* Without an attribute only addresses say something. */
	if (e->open->n_facts == 0 && e->open->event != OB_ADDRESS && e->open->event != OB_CARD) {
		e->open = NULL;
		return;
	}
	e->counters->observations++;
	record_end(e);
}

/* ---- credentials ------------------------------------------------------------------------- */

const char *secret_length_class(struct bytes secret)
{
	return secret.n == 0 ? "none" : secret.n < 8 ? "short" : secret.n < 16 ? "medium" : "long";
}

/* Accounts that come with the product: wire/devices.md section 11 and every scanner's list. */
static const char *const default_users[] = { "admin", "administrator", "root", "user", "guest", "anonymous",
	"ftp", "service", "default", "manager", "operator", "supervisor", "tech", "test", "support", "pi",
	"ubnt", "cisco" };
static const char *const default_secrets[] = { "admin", "administrator", "root", "user", "guest", "password",
	"default", "1234", "12345", "123456", "0000", "1111", "manager", "operator", "service", "support",
	"test", "tech", "changeme", "public", "private", "toor", "ubnt", "cisco", "super", "master" };
static const char *const service_marks[] = { "svc", "service", "srv", "dicom", "hl7", "pacs", "ftp", "sql",
	"app", "kiosk", "backup", "scan", "robot", "daemon", "system", "interface" };

static bool among(struct bytes v, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes_isi(v, list[i]))
			return true;
	return false;
}

#define AMONG(v, list) among(v, list, sizeof list / sizeof *list)

static bool looks_service(struct bytes user)
{
	for (size_t i = 0; i < sizeof service_marks / sizeof *service_marks; i++)
		for (size_t at = 0; at + strlen(service_marks[i]) <= user.n; at++)
			if (bytes_startsi(bytes_from(user, at), service_marks[i]))
				return true;
	return false;
}

static const char *user_class(struct bytes user)
{
	user = bytes_trim(user);
	if (user.n == 0)
		return "none";
	return AMONG(user, default_users) ? "default" : looks_service(user) ? "service" : "personal";
}

enum { TYPED_MIN = 4, TYPED_MAX = 63 };

/* What was typed and must be recognised when it is printed back. The words of the lists above are
 * everybody's. */
static struct phi_fact typed(const struct dx_engine *e, struct bytes v, bool is_common)
{
	v = bytes_trim(v);
	if (is_common || v.n < TYPED_MIN || v.n > TYPED_MAX)
		return (struct phi_fact){ .class = SECRET };
	return (struct phi_fact){
		.class = SECRET, .length = (uint8_t)v.n, .whole = privacy_pseudonym(e->key, v)
	};
}

void dx_credential(struct dx *x, const struct credential *c)
{
	struct dx_engine *e = x->engine;
	if (e->n_credentials == DX_CREDENTIALS)
		return;
	/* An anonymous login takes any word (RFC 1635): that it took this one says nothing. An account's name
	 * is asked for beside a password. */
	bool is_default =
		c->secret_seen && strcmp(c->scheme, "anonymous") != 0 && strcmp(c->scheme, "account") != 0 &&
		AMONG(bytes_trim(c->user), default_users) &&
		(c->secret.n == 0 || bytes_eqi(c->secret, c->user) || AMONG(c->secret, default_secrets));
	unsigned i = e->n_credentials++;
	e->credentials[i].c = *c;
	e->credentials[i].c.user = e->credentials[i].c.secret = (struct bytes){ 0 };
	e->credentials[i].user_class = user_class(c->user);
	e->credentials[i].typed[0] =
		typed(e, c->secret, !c->secret_seen || AMONG(c->secret, default_secrets));
	e->credentials[i].typed[1] = typed(e, c->user, strcmp(e->credentials[i].user_class, "personal") != 0);
	e->credentials[i].length_class = c->secret_seen ? secret_length_class(c->secret) : "";
	e->credentials[i].default_match = is_default ? "common-default" : "";
	if (!e->open)
		write_credentials(x);
}
