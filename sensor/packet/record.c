/* Records: ev_*, ob_*, and the events that follow from others (credential, phi). */
#include "base/assert.h"
#include "packet/categories.h"
#include "packet/record.h"

bool engine_has_room(const struct dx_engine *e)
{
	uint64_t quarter = e->ring->size / 4;
	return ring_free(e->ring) >= (quarter > 2 * EVENT_BYTES ? quarter : 2 * EVENT_BYTES) &&
	       ring_reserve(e->ring, EVENT_BYTES);
}

static void *reserve(struct dx_engine *e, bool leaves_room)
{
	void *room = leaves_room && !engine_has_room(e) ? NULL : ring_reserve(e->ring, EVENT_BYTES);
	if (room)
		return room;
	e->counters->ring_full++;
	e->on_full(e->on_full_arg);
	return leaves_room && !engine_has_room(e) ? NULL : ring_reserve(e->ring, EVENT_BYTES);
}

static void record_begin(struct dx *x, enum record_kind kind, enum proto proto, unsigned what)
{
	struct dx_engine *e = x->engine;
	ASSERT(!e->open);
	struct event *ev = reserve(e, proto == PROTO_flow);
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
		.turn = (uint8_t)e->turn,
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

bool engine_counters(
	struct dx_engine *e, enum turn turn, const struct worker_news *n, const struct traffic_row *rows)
{
	size_t rows_bytes = n->n_traffic * sizeof *rows;
	uint32_t len = (uint32_t)(sizeof(struct event) + sizeof *n + rows_bytes);
	ASSERT(n->n_traffic <= TRAFFIC_MOST);
	_Static_assert(
		sizeof(struct event) + sizeof *n + TRAFFIC_MOST * sizeof *rows <= EVENT_BYTES, "one record");
	/* It finds room where an event, which may grow, does not. */
	struct event *ev = ring_reserve(e->ring, len);
	if (!ev)
		ev = reserve(e, false);
	if (!ev)
		return false;
	*ev = (struct event){ .len = len,
		.record = RECORD_COUNTERS,
		.turn = (uint8_t)turn,
		.ts_ns = e->ts_ns,
		.packet = e->packet };
	memcpy(ev + 1, n, sizeof *n);
	if (rows_bytes)
		memcpy((uint8_t *)(ev + 1) + sizeof *n, rows, rows_bytes);
	ring_commit(e->ring, ev->len);
	return true;
}

static void event_cut(struct dx_engine *e, struct event *ev)
{
	if (!(ev->flags & EVENT_CUT))
		e->counters->events_cut++;
	ev->flags |= EVENT_CUT;
}

struct bytes record_first(struct dx_engine *e, struct bytes v)
{
	e->counters->full_fact_bytes += v.n > e->limits->fact_bytes;
	return bytes_first(v, e->limits->fact_bytes);
}

struct fact *record_fact(struct dx_engine *e, unsigned field, enum fact_type type, size_t n)
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
	struct fact *f = record_fact(e, field, type, n);
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
		f = record_fact(e, field, type, more);
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
		v = record_first(e, v);
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

static void count_phi(struct dx_engine *e, enum proto container, bool is_encrypted, uint32_t classes)
{
	for (unsigned c = PHI_NONE + 1; c < PHI_END; c++)
		if (classes & PHI_BIT(c))
			e->proto[container].phi[is_encrypted][c - PHI_NONE - 1]++;
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
		bool is_encrypted = e->open->conv.encrypted;
		e->proto[proto].events++;
		e->counters->events++;
		record_end(e);
		if (classes && proto < PROTO_DISSECTED) {
			count_phi(e, proto, is_encrypted, classes);
			write_phi(x, proto, classes, n);
		}
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
	v = record_first(e, bytes_trim(v));
	if (v.n == 0)
		return;
	struct fact *f = record_fact(e, attr, FACT_STR, v.n);
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

struct bytes text_version(struct bytes description)
{
	static const char word[] = "Version ";
	struct bytes v = bytes_from(description, bytes_find(description, 0, bytes_str(word)));
	v = bytes_from(v, sizeof word - 1);
	size_t n = 0;
	while (n < v.n && (ascii_alnum(bytes_at(v, n)) ||
				  bytes_chr(bytes_str(".-_()"), 0, (uint8_t)bytes_at(v, n)) < 5))
		n++;
	return ascii_digit(bytes_at(v, 0)) ? bytes_first(v, n) : (struct bytes){ 0 };
}

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
