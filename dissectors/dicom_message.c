/* What a DIMSE message says (PS3.7): one event, and what it tells of the devices. */
#include "dicom.h"

enum {
	RESPONSE = 0x8000,
	C_STORE = 0x0001,
	C_GET = 0x0010,
	C_FIND = 0x0020,
	C_MOVE = 0x0021,
	C_ECHO = 0x0030,
	N_EVENT_REPORT = 0x0100,
	N_GET = 0x0110,
	N_SET = 0x0120,
	N_ACTION = 0x0130,
	N_CREATE = 0x0140,
	N_DELETE = 0x0150,
	C_CANCEL = 0x0fff,
	NO_DATA_SET = 0x0101,
};

static const char *command_name(unsigned command)
{
	static const struct {
		uint16_t code;
		const char *name;
	} rows[] = { { C_STORE, "c_store" }, { C_GET, "c_get" }, { C_FIND, "c_find" }, { C_MOVE, "c_move" },
		{ C_ECHO, "c_echo" }, { N_EVENT_REPORT, "n_event_report" }, { N_GET, "n_get" },
		{ N_SET, "n_set" }, { N_ACTION, "n_action" }, { N_CREATE, "n_create" },
		{ N_DELETE, "n_delete" }, { C_CANCEL, "c_cancel" } };
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].code == (command & ~(unsigned)RESPONSE))
			return rows[i].name;
	return NULL;
}

bool dicom_command_known(const struct dicom_message *m)
{
	return dicom_has(m, NUMBER_COMMAND) && command_name(m->number[NUMBER_COMMAND]);
}

bool dicom_has_data_set(const struct dicom_message *m)
{
	return dicom_has(m, NUMBER_DATA_SET_TYPE) && m->number[NUMBER_DATA_SET_TYPE] != NO_DATA_SET;
}

enum dicom_service dicom_service(struct bytes uid)
{
	static const char root[] = "1.2.840.10008.";
	if (!bytes_starts(uid, root))
		return SERVICE_OTHER;
	uid = bytes_from(uid, sizeof root - 1);
	if (bytes_is(uid, "1.1"))
		return SERVICE_VERIFICATION;
	if (bytes_is(uid, "1.20.1"))
		return SERVICE_COMMITMENT;
	if (bytes_is(uid, "3.1.2.3.3"))
		return SERVICE_MPPS;
	if (bytes_is(uid, "5.1.4.31"))
		return SERVICE_WORKLIST;
	if (bytes_starts(uid, "5.1.4.1.2."))
		return SERVICE_QUERY;
	return bytes_starts(uid, "5.1.1.") ? SERVICE_PRINT : SERVICE_OTHER;
}

/* PS3.7 annex C. */
static const char *status_class(unsigned status)
{
	switch (status) {
	case 0x0000:
		return "success";
	case 0xff00:
	case 0xff01:
		return "pending";
	case 0xfe00:
		return "cancel";
	case 0x0001:
	case 0x0107:
	case 0x0116:
		return "warning";
	default:
		return status >> 12 == 0xb ? "warning" : "failure";
	}
}

/* One message with all that its parts decide together. */
struct telling {
	struct dx *x;
	struct dicom_state *st;
	struct dicom_side *d;
	const struct dicom_message *m;
	unsigned command; /* without RESPONSE */
	bool is_response, is_failure;
	enum dicom_service service;
	bool is_suboperation; /* a C-STORE that answers a C-GET or a C-MOVE */
};

static struct bytes sop_class(const struct dicom_message *m)
{
	struct bytes uid = dicom_uid(dicom_text(m, TEXT_SOP_CLASS));
	return uid.n ? uid : dicom_uid(dicom_text(m, TEXT_REQUESTED_CLASS));
}

/* ---- event ------------------------------------------------------------------------------- */

static void tell_command(const struct telling *t)
{
	static const uint8_t fields[NUMBER_N] = { [NUMBER_REMAINING] = F_REMAINING,
		[NUMBER_COMPLETED] = F_COMPLETED,
		[NUMBER_FAILED] = F_FAILED,
		[NUMBER_WARNING] = F_WARNING };
	const struct dicom_message *m = t->m;
	struct dx *x = t->x;
	ev_text(x, F_PDU_TYPE, "p_data_tf");
	ev_text(x, F_COMMAND, command_name(t->command));
	ev_text(x, F_TYPE, t->is_response ? "response" : "request");
	enum dicom_number id = dicom_has(m, NUMBER_MESSAGE_ID) ? NUMBER_MESSAGE_ID : NUMBER_ANSWERED_ID;
	if (dicom_has(m, id))
		ev_uint(x, F_MESSAGE_ID, m->number[id]);
	if (t->is_response && dicom_has(m, NUMBER_STATUS)) {
		ev_uint(x, F_STATUS, m->number[NUMBER_STATUS]);
		ev_text(x, F_STATUS_CLASS, status_class(m->number[NUMBER_STATUS]));
	}
	for (int i = 0; i < NUMBER_N; i++)
		if (fields[i] && dicom_has(m, (enum dicom_number)i))
			ev_uint(x, fields[i], m->number[i]);
	ev_str(x, F_SOP_CLASS, sop_class(m));
	if (t->st->requested) {
		ev_str(x, F_CALLING_AE, bytes_of(t->st->calling, t->st->calling_n));
		ev_str(x, F_CALLED_AE, bytes_of(t->st->called, t->st->called_n));
	}
	ev_bool(x, F_DATA_SET, dicom_has_data_set(m));
	if (dicom_has_data_set(m))
		ev_uint(x, F_BYTES, m->bytes);
	if (m->malformed)
		ev_bool(x, F_MALFORMED, true);
}

static bool is_ascii(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++)
		if (bytes_at(v, i) > 0x7e)
			return false;
	return true;
}

/* Text of a device in which this message's patient stands, or a name as PS3.5 writes one (`Doe^Jane`), is in
 * the wrong place: it is no maker, model or serial number. */
static bool names_person(const struct dicom_message *m, struct bytes v)
{
	static const uint8_t patient[] = { TEXT_PATIENT_NAME, TEXT_PATIENT_ID };
	struct bytes word, name;
	if (bytes_chr(v, 0, '^') < v.n)
		return true;
	for (size_t at = 0; (word = privacy_token(v, &at)).n;)
		for (size_t i = 0; i < sizeof patient; i++)
			for (size_t p = 0;
				(name = privacy_token(dicom_text(m, (enum dicom_text)patient[i]), &p)).n;)
				if (bytes_eqi(word, name))
					return true;
	return false;
}

/* CS (PS3.5 6.2): what is no code could be anything. */
static bool is_code(struct bytes v)
{
	bool ok = v.n <= 16;
	for (size_t i = 0; i < v.n; i++) {
		int c = bytes_at(v, i);
		ok &= (c >= 'A' && c <= 'Z') || ascii_digit(c) || c == '_' || c == ' ';
	}
	return ok;
}

/* A text as it may be told; those that are masked on output (station names, AE titles) stay as they are. */
static struct bytes device_text(const struct dicom_message *m, enum dicom_text which)
{
	struct bytes v = dicom_text(m, which);
	bool is_open = which == TEXT_MANUFACTURER || which == TEXT_MODEL || which == TEXT_SERIAL ||
		       which == TEXT_SOFTWARE || which == TEXT_UDI;
	bool ok = which == TEXT_MODALITY || which == TEXT_SCHEDULED_MODALITY
			  ? is_code(v)
			  : !is_open || !names_person(m, v);
	return ok ? v : (struct bytes){ 0 };
}

/* Values are separated by a backslash, whose byte is the half of a character in some character sets. */
static void tell_list(struct dx *x, unsigned field, struct bytes v)
{
	struct cur c = cur_of(v);
	if (!is_ascii(v)) {
		ev_str(x, field, v);
		return;
	}
	while (cur_more(&c))
		ev_str(x, field, bytes_trim(cur_until(&c, '\\')));
}

static void tell_texts(const struct telling *t)
{
	static const uint8_t fields[TEXT_N] = { [TEXT_MODALITY] = F_MODALITY,
		[TEXT_MANUFACTURER] = F_MANUFACTURER,
		[TEXT_MODEL] = F_MODEL,
		[TEXT_STATION_NAME] = F_STATION_NAME,
		[TEXT_SERIAL] = F_SERIAL,
		[TEXT_MOVE_DESTINATION] = F_MOVE_DESTINATION,
		[TEXT_MOVE_ORIGINATOR] = F_MOVE_ORIGINATOR };
	for (int i = 0; i < TEXT_N; i++)
		if (fields[i])
			ev_str(t->x, fields[i], device_text(t->m, (enum dicom_text)i));
	tell_list(t->x, F_SOFTWARE, device_text(t->m, TEXT_SOFTWARE));
}

/* A matching key with wildcards or several values names no one patient. */
static bool is_pattern(struct bytes v)
{
	return bytes_chr(v, 0, '*') < v.n || bytes_chr(v, 0, '?') < v.n || bytes_chr(v, 0, '\\') < v.n;
}

static void tell_patient(const struct telling *t, unsigned field, enum privacy class, struct bytes v)
{
	if (t->command == C_FIND && !t->is_response && is_pattern(v))
		dx_phi_value(t->x, class, v);
	else
		ev_str(t->x, field, v);
}

static void tell_phi(const struct telling *t)
{
	const struct dicom_message *m = t->m;
	size_t at = 0;
	unsigned tag;
	/* PS3.15 annex E: what a de-identified set still holds there are replacements. */
	if (bytes_isi(dicom_text(m, TEXT_IDENTITY_REMOVED), "YES"))
		return;
	dx_charset(t->x, charset_of(dicom_text(m, TEXT_CHARACTER_SET)));
	if (m->phi_lost)
		dx_phi_lost(t->x);
	tell_patient(t, F_PATIENT_ID, PHI_MRN, dicom_text(m, TEXT_PATIENT_ID));
	tell_patient(t, F_PATIENT_NAME, PHI_PATIENT_NAME, dicom_text(m, TEXT_PATIENT_NAME));
	for (struct bytes v; (v = dicom_kept_next(m, &at, &tag)).n;)
		if (tag > KEPT_PHI)
			dx_phi_value(t->x, (enum privacy)(PHI_NONE + tag - KEPT_PHI), v);
	for (unsigned i = 0; i < PHI_CLASSES; i++)
		dx_phi(t->x, (enum privacy)(PHI_NONE + 1 + i), m->phi[i]);
}

/* ---- observations ------------------------------------------------------------------------ */

enum role_side { SCU, SCP };

/* The role that the sender of this message plays, or NULL. */
static const char *role(const struct telling *t, enum role_side side)
{
	static const char *const by_service[][2] = {
		[SERVICE_VERIFICATION] = { "verification_scu", "verification_scp" },
		[SERVICE_QUERY] = { "qr_scu", "qr_scp" },
		[SERVICE_WORKLIST] = { "worklist_scu", "worklist_scp" },
		[SERVICE_MPPS] = { "mpps_scu", "mpps_scp" },
		[SERVICE_COMMITMENT] = { NULL, "commitment_scp" },
		[SERVICE_PRINT] = { NULL, "print_scp" },
	};
	static const char *const storage[] = { "storage_scu", "storage_scp" };
	if (t->command == C_CANCEL)
		return NULL;
	if (t->command == C_STORE)
		return storage[side];
	return t->service == SERVICE_OTHER ? NULL : by_service[t->service][side];
}

static void observe_role(const struct telling *t)
{
	/* With N-EVENT-REPORT the SCP asks (PS3.7 10.1.1). */
	bool is_scp = t->is_response != (t->command == N_EVENT_REPORT);
	const char *name = role(t, is_scp ? SCP : SCU);
	/* C-GET turns the roles of storage around: it makes no archive of the workstation. */
	if (!name || t->is_failure ||
		(t->command == C_STORE && t->is_suboperation && !dicom_text(t->m, TEXT_MOVE_ORIGINATOR).n))
		return;
	unsigned bit = t->command == C_STORE ? 1u : 1u << (2 * t->service);
	bit <<= is_scp;
	if (t->d->roles & bit)
		return;
	t->d->roles = (uint16_t)(t->d->roles | bit);
	ob_begin(t->x, OB_SENDER);
	ob_text(t->x, ATTR_DICOM_SERVICE, name, 90);
	ob_end(t->x);
}

static bool is_calling(const struct telling *t, struct bytes ae)
{
	const struct dicom_state *st = t->st;
	return ae.n && st->requested && st->requestor == t->x->dir &&
	       bytes_eq(ae, bytes_of(st->calling, st->calling_n));
}

static void observe_equipment(const struct telling *t, enum observation_about about, unsigned sure)
{
	static const struct {
		uint8_t text, attr;
	} rows[] = { { TEXT_MANUFACTURER, ATTR_MANUFACTURER }, { TEXT_MODEL, ATTR_MODEL },
		{ TEXT_SERIAL, ATTR_SERIAL }, { TEXT_SOFTWARE, ATTR_FIRMWARE },
		{ TEXT_MODALITY, ATTR_DICOM_MODALITY }, { TEXT_STATION_NAME, ATTR_STATION_NAME },
		{ TEXT_PERFORMED_NAME, ATTR_STATION_NAME }, { TEXT_STATION_AE, ATTR_AE_TITLE },
		{ TEXT_PERFORMED_AE, ATTR_AE_TITLE }, { TEXT_UDI, ATTR_UDI },
		{ TEXT_PERFORMED_LOCATION, ATTR_LOCATION }, { TEXT_DEPARTMENT, ATTR_LOCATION } };
	uint64_t told = 0;
	ob_begin(t->x, about);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct bytes v = device_text(t->m, (enum dicom_text)rows[i].text);
		if (v.n && !(told >> rows[i].attr & 1))
			ob_str(t->x, (enum attr)rows[i].attr, v, sure);
		told |= (uint64_t)(v.n != 0) << rows[i].attr;
	}
	ob_str(t->x, ATTR_DEVICE_UID, dicom_uid(dicom_text(t->m, TEXT_DEVICE_UID)), sure);
	ob_end(t->x);
}

/* A secondary capture was made by a workstation, a digitizer or a grabber, and its General Equipment may be
 * the original's (PS3.3 C.8.6.1, wire/clinical.md 1.9.1): whose it is, is not its sender's to say. */
static bool is_secondary(const struct dicom_message *m)
{
	static const char *const converted[] = { "WSD", "DF", "SD", "SI", "DRW", "SYN" };
	static const char capture[] = "1.2.840.10008.5.1.4.1.1.7";
	struct bytes class = sop_class(m), type = dicom_text(m, TEXT_CONVERSION_TYPE);
	for (size_t i = 0; i < sizeof converted / sizeof *converted; i++)
		if (bytes_isi(type, converted[i]))
			return true;
	return bytes_starts(class, capture) &&
	       (class.n == sizeof capture - 1 || bytes_at(class, sizeof capture - 1) == '.');
}

/* A stored object names the device that made it, which need not be its sender (wire/clinical.md 1.9.1): there
 * are routers that call by the title of whomever they stand for. */
static void observe_maker(const struct telling *t)
{
	bool is_own = is_calling(t, dicom_text(t->m, TEXT_STATION_AE)) ||
		      is_calling(t, dicom_text(t->m, TEXT_PERFORMED_AE)) ||
		      is_calling(t, dicom_text(t->m, TEXT_STATION_NAME));
	bool is_behind = t->is_suboperation || is_secondary(t->m);
	observe_equipment(t, is_behind ? OB_BEHIND : OB_MAKER, is_own && !is_behind ? 90 : 80);
}

/* A performed step is the modality's own word; a broker's, who hands it on, is of another title. */
static void observe_step(const struct telling *t)
{
	struct bytes title = dicom_text(t->m, TEXT_PERFORMED_AE);
	bool is_own = !title.n || !t->st->requested || is_calling(t, title);
	observe_equipment(t, is_own ? OB_SENDER : OB_MAKER, 90);
}

/* A worklist query by the station that the work is scheduled for. */
static void observe_worklist(const struct telling *t)
{
	if (!is_calling(t, dicom_text(t->m, TEXT_SCHEDULED_AE)))
		return;
	ob_begin(t->x, OB_SENDER);
	ob_str(t->x, ATTR_DICOM_MODALITY, device_text(t->m, TEXT_SCHEDULED_MODALITY), 85);
	ob_end(t->x);
}

static void observe(const struct telling *t)
{
	observe_role(t);
	if (t->is_response) {
		if (t->command == N_GET && t->service == SERVICE_PRINT && !t->is_failure)
			observe_equipment(t, OB_SENDER, 90);
	} else if (t->command == C_STORE) {
		observe_maker(t);
	} else if ((t->command == N_CREATE || t->command == N_SET) && t->service == SERVICE_MPPS) {
		observe_step(t);
	} else if (t->command == C_FIND && t->service == SERVICE_WORKLIST) {
		observe_worklist(t);
	}
}

/* Who asked for the association; a guess of the engine when it began before the capture. */
static enum dir requestor(const struct telling *t)
{
	return t->st->requested ? (enum dir)t->st->requestor : DIR_CLIENT;
}

void dicom_message_tell(struct dx *x, struct dicom_state *st, struct dicom_side *d)
{
	const struct dicom_message *m = &d->message;
	unsigned command = m->number[NUMBER_COMMAND];
	struct telling t = { .x = x, .st = st, .d = d, .m = m };
	t.command = command & ~(unsigned)RESPONSE;
	t.is_response = command & RESPONSE;
	t.is_failure = t.is_response && dicom_has(m, NUMBER_STATUS) &&
		       bytes_is(bytes_str(status_class(m->number[NUMBER_STATUS])), "failure");
	t.service = dicom_service(sop_class(m));
	if (t.service == SERVICE_OTHER && !sop_class(m).n)
		t.service = (enum dicom_service)st->context[(m->context - 1) / 2].service;
	if (t.command == C_GET && !t.is_response)
		st->get[x->dir] = true;
	enum dir receiver = t.is_response ? x->dir : (x->dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT);
	t.is_suboperation = t.command == C_STORE && (st->get[receiver] || receiver == requestor(&t) ||
							    dicom_text(m, TEXT_MOVE_ORIGINATOR).n);
	ev_begin(x, EV_DIMSE);
	tell_command(&t);
	tell_texts(&t);
	tell_phi(&t);
	ev_end(x);
	observe(&t);
}
