/* hl7: HL7 version 2 (ER7) over MLLP: what a message says, and of whom. hl7.h says how the files divide. */
#include "hl7.h"

enum { EV_MESSAGE, EV_ACK };
static const char *const hl7_events[] = { [EV_MESSAGE] = "message", [EV_ACK] = "ack", NULL };

enum {
	VERSION,
	TYPE,
	TRIGGER,
	STRUCTURE,
	CONTROL_ID,
	SENDING_APPLICATION,
	SENDING_FACILITY,
	RECEIVING_APPLICATION,
	RECEIVING_FACILITY,
	PROCESSING_ID,
	PROFILE,
	SEGMENTS,
	ACK_CODE,
	ACKED_ID,
	ACK_LATENCY,
	FRAMING,
	DEVIATION,
	BATCH,
	SECURITY,
	UDI,
	IDENTIFIER,
	CHARACTER_SET,
	PATIENT_ID,
	PATIENT_NAME,
};

static const struct field hl7_fields[] = {
	[VERSION] = { "hl7.version", FACT_STR, OPEN, false },
	[TYPE] = { "hl7.message_type", FACT_STR, OPEN, false },
	[TRIGGER] = { "hl7.trigger", FACT_STR, OPEN, false },
	[STRUCTURE] = { "hl7.structure", FACT_STR, OPEN, false },
	[CONTROL_ID] = { "hl7.control_id", FACT_STR, SUSPECT, false },
	[SENDING_APPLICATION] = { "hl7.sending_application", FACT_STR, SUSPECT, false },
	[SENDING_FACILITY] = { "hl7.sending_facility", FACT_STR, SUSPECT, false },
	[RECEIVING_APPLICATION] = { "hl7.receiving_application", FACT_STR, SUSPECT, false },
	[RECEIVING_FACILITY] = { "hl7.receiving_facility", FACT_STR, SUSPECT, false },
	[PROCESSING_ID] = { "hl7.processing_id", FACT_STR, OPEN, false },
	[PROFILE] = { "hl7.profile", FACT_STR, SUSPECT, false },
	[SEGMENTS] = { "hl7.segments", FACT_STR, OPEN, true },
	[ACK_CODE] = { "hl7.ack_code", FACT_STR, OPEN, false },
	[ACKED_ID] = { "hl7.acked_control_id", FACT_STR, SUSPECT, false },
	[ACK_LATENCY] = { "hl7.ack_latency", FACT_UINT, OPEN, false }, /* nanoseconds */
	[FRAMING] = { "hl7.framing", FACT_STR, OPEN, false },
	[DEVIATION] = { "hl7.framing_deviation", FACT_STR, OPEN, true },
	[BATCH] = { "hl7.batch", FACT_BOOL, OPEN, false },
	[SECURITY] = { "hl7.security_present", FACT_BOOL, OPEN, false },
	[UDI] = { "hl7.device_udi", FACT_STR, PRODUCT, true },
	[IDENTIFIER] = { "hl7.device_identifier", FACT_STR, PRODUCT, true },
	[CHARACTER_SET] = { "hl7.character_set", FACT_STR, OPEN, true },
	[PATIENT_ID] = { "hl7.patient_id", FACT_STR, PHI_MRN, true },
	[PATIENT_NAME] = { "hl7.patient_name", FACT_STR, PHI_PATIENT_NAME, true },
	{ 0 },
};

enum deviation {
	NO_START,
	NO_END,
	DOUBLED_START,
	END_WITHOUT_CR,
	LF_AFTER_END,
	NO_LAST_CR,
	LF_SEGMENTS,
	CRLF_SEGMENTS,
	LOWER_CASE,
	LEADING_BLANK,
	ENCODING,
	DEVIATIONS
};
static const char *const deviation_names[] = {
	[NO_START] = "no_start_block",
	[NO_END] = "no_end_block",
	[DOUBLED_START] = "doubled_start_block",
	[END_WITHOUT_CR] = "end_without_cr",
	[LF_AFTER_END] = "lf_after_end",
	[NO_LAST_CR] = "no_last_cr",
	[LF_SEGMENTS] = "lf_segments",
	[CRLF_SEGMENTS] = "crlf_segments",
	[LOWER_CASE] = "lower_case_header",
	[LEADING_BLANK] = "leading_blank",
	[ENCODING] = "encoding_characters",
};

/* FNV-1a: only compared inside one conversation. */
static uint64_t id_hash(struct bytes id)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (uint64_t)bytes_at(id, i)) * 0x100000001b3u;
	return h;
}

/* ---- between messages -------------------------------------------------------------------- */

static void flag(unsigned *deviations, enum deviation d)
{
	*deviations |= 1u << d;
}

/* One byte between two messages. */
static bool stray(struct side *side, int c)
{
	bool fresh = side->after == AFTER_FS;
	if (c == LF && side->after != AFTER_NONE)
		flag(&side->deviations, LF_AFTER_END);
	if (c == VT)
		flag(&side->deviations, DOUBLED_START);
	if (fresh && c != CR)
		flag(&side->deviations, END_WITHOUT_CR);
	if (fresh)
		side->after = AFTER_END;
	return true;
}

/* MLLP release 2: the block itself is the answer to the last message of the other side. */
static bool commit(struct dx *x, struct side *side, int code)
{
	side->after = AFTER_FS;
	side->deviations = 0;
	ev_begin(x, EV_ACK);
	ev_text(x, ACK_CODE, code == ACK ? "commit_ack" : "commit_nak");
	ev_text(x, FRAMING, "mllp");
	ev_end(x);
	return true;
}

static bool wide_message(struct dx *x, struct side *side)
{
	side->after = AFTER_END;
	side->deviations = 0;
	ev_begin(x, EV_MESSAGE);
	ev_text(x, FRAMING, "mllp");
	ev_text(x, CHARACTER_SET, "UTF-16");
	dx_phi_lost(x); /* its patients are not read, so nothing can be compared with them */
	ev_end(x);
	return true;
}

/* ---- one message ------------------------------------------------------------------------- */

/* What stood around the message. */
struct frame {
	bool vt, fs, mllp, in_batch;
	unsigned deviations;
};

/* Takes the framing off; what is left begins with the header. */
static struct bytes unwrap(struct dx *x, struct side *side, struct bytes in, struct frame *f)
{
	*f = (struct frame){ .deviations = x->after_gap ? 0 : side->deviations };
	if (x->after_gap)
		side->in_block = false;
	else if (side->after == AFTER_FS)
		flag(&f->deviations, END_WITHOUT_CR);
	for (; bytes_at(in, 0) == VT; in = bytes_from(in, 1))
		f->vt = true;
	if (f->vt && side->in_block)
		flag(&f->deviations, NO_END);
	if (bytes_at(in, 0) == ' ')
		flag(&f->deviations, LEADING_BLANK);
	for (; bytes_at(in, 0) == ' '; in = bytes_from(in, 1))
		;
	f->fs = !x->cut && in.n && bytes_at(in, in.n - 1) == FS;
	in.n -= f->fs;
	f->mllp = f->vt || f->fs || side->in_block;
	if (f->fs && !f->vt && !side->in_block)
		flag(&f->deviations, NO_START);
	if (f->fs && in.n && bytes_at(in, in.n - 1) != CR && bytes_at(in, in.n - 1) != LF)
		flag(&f->deviations, NO_LAST_CR);
	if (bytes_at(in, 0) == 'm' || bytes_at(in, 1) == 's' || bytes_at(in, 2) == 'h')
		flag(&f->deviations, LOWER_CASE);
	size_t cr = bytes_chr(in, 0, CR), lf = bytes_chr(in, 0, LF);
	if (lf < cr)
		flag(&f->deviations, LF_SEGMENTS);
	else if (lf < in.n && lf == cr + 1)
		flag(&f->deviations, CRLF_SEGMENTS);
	f->in_batch = side->in_batch;
	side->in_block = f->mllp && !f->fs && !x->cut;
	side->after = f->fs ? AFTER_FS : AFTER_NONE;
	side->deviations = 0;
	if (f->fs)
		side->in_batch = false;
	return in;
}

static void tell(struct dx *x, const struct message *m, unsigned field, struct bytes v)
{
	struct text room;
	ev_str(x, field, hl7_unescape(m, v, &room));
}

/* Of an open field only what its table allows: anything else could be a name. */
static void tell_code(struct dx *x, unsigned field, struct bytes v, size_t most)
{
	bool ok = v.n <= most;
	for (size_t i = 0; i < v.n; i++) {
		int c = bytes_at(v, i);
		ok &= (c >= 'A' && c <= 'Z') || (ascii_digit(c) && i) || (c == '_' && i);
	}
	if (ok)
		ev_str(x, field, v);
}

static void tell_version(struct dx *x, struct bytes v)
{
	bool ok = v.n <= 7 && bytes_at(v, 0) == '2';
	for (size_t i = 0; i < v.n; i++)
		ok &= i % 2 ? bytes_at(v, i) == '.' : ascii_digit(bytes_at(v, i));
	if (ok)
		ev_str(x, VERSION, v);
}

static bool is_character_set(struct bytes v)
{
	static const char *const known[] = { "ASCII", "8859/", "UNICODE", "GB 18030", "ISO IR", "ISO-8859",
		"ISO_8859", "KS X 1001", "BIG-5", "CNS 11643", "JIS", "UTF-8", "UTF8" };
	for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
		if (!bytes_startsi(v, known[k]))
			continue;
		/* Behind it a part, a year, or UTF-8; six digits and more could be a number of somebody's. */
		struct bytes rest = bytes_from(v, strlen(known[k]));
		size_t digits = 0;
		bool ok = rest.n <= 6;
		for (size_t i = 0; i < rest.n; i++) {
			int c = bytes_at(rest, i);
			digits += ascii_digit(c);
			ok &= ascii_digit(c) || c == '-' || c == ' ';
		}
		return (ok && digits <= 4) || bytes_isi(rest, " UTF-8") || bytes_isi(rest, " UTF-16");
	}
	return false;
}

static void tell_character_sets(struct dx *x, const struct message *m)
{
	struct cur c = cur_of(hl7_field(m, m->msh, 18));
	for (unsigned i = 0; i < 4 && cur_more(&c); i++) {
		struct bytes v = bytes_trim(hl7_repetition(m, &c));
		if (v.n)
			ev_str(x, CHARACTER_SET, is_character_set(v) ? v : bytes_str("other"));
	}
}

enum { SEGMENT_NAMES = 32 };

static void tell_segments(struct dx *x, const struct message *m)
{
	struct bytes seen[SEGMENT_NAMES], s;
	unsigned n = 0;
	for (struct walk w = { .all = m->all }; n < SEGMENT_NAMES && hl7_segment(m, &w, &s);) {
		struct bytes name = hl7_nth(s, m->separator, 1);
		unsigned i = 0;
		while (i < n && !bytes_eq(seen[i], name))
			i++;
		if (i < n || name.n != 3)
			continue;
		seen[n++] = name;
		tell_code(x, SEGMENTS, name, 3);
	}
}

static void tell_header(struct dx *x, const struct message *m, const struct frame *f)
{
	struct bytes type = hl7_field(m, m->msh, 9);
	ev_str(x, TYPE, m->type);
	ev_str(x, TRIGGER, m->trigger);
	struct bytes structure = hl7_component(m, type, 3);
	if (structure.n == 3 || bytes_at(structure, 3) == '_')
		tell_code(x, STRUCTURE, structure, 7);
	tell_version(x, hl7_component(m, hl7_field(m, m->msh, 12), 1));
	tell(x, m, CONTROL_ID, hl7_field(m, m->msh, 10));
	tell(x, m, SENDING_APPLICATION, hl7_label(m, hl7_field(m, m->msh, 3)));
	tell(x, m, SENDING_FACILITY, hl7_label(m, hl7_field(m, m->msh, 4)));
	tell(x, m, RECEIVING_APPLICATION, hl7_label(m, hl7_field(m, m->msh, 5)));
	tell(x, m, RECEIVING_FACILITY, hl7_label(m, hl7_field(m, m->msh, 6)));
	tell_code(x, PROCESSING_ID, hl7_component(m, hl7_field(m, m->msh, 11), 1), 1);
	tell(x, m, PROFILE, hl7_label(m, hl7_field(m, m->msh, 21)));
	ev_text(x, FRAMING, f->mllp ? "mllp" : "raw");
	for (unsigned i = 0; i < DEVIATIONS; i++)
		if (f->deviations & 1u << i)
			ev_text(x, DEVIATION, deviation_names[i]);
	if (f->in_batch)
		ev_bool(x, BATCH, true);
	if (bytes_trim(hl7_field(m, m->msh, 8)).n)
		ev_bool(x, SECURITY, true);
}

/* v2.9 2.14.8, table 0008. */
static const char *ack_code(struct bytes v)
{
	static const char *const codes[] = { "AA", "AE", "AR", "CA", "CE", "CR" };
	for (unsigned i = 0; i < 6; i++)
		if (bytes_is(v, codes[i]))
			return codes[i];
	return NULL;
}

/* The message of the other side with that control id, if it is among the last ones. */
static const struct sent *find_sent(const struct side *other, struct bytes id)
{
	uint64_t hash = id_hash(id);
	for (unsigned i = 1; id.n && i <= IDS; i++) {
		const struct sent *s = &other->sent[(other->next + IDS - i) % IDS];
		if (s->ts_ns && s->id == hash)
			return s;
	}
	return NULL;
}

static void remember(struct dx *x, struct side *side, const struct message *m)
{
	struct bytes id = hl7_field(m, m->msh, 10);
	struct sent *s = &side->sent[side->next];
	side->next = (side->next + 1) % IDS;
	*s = (struct sent){ .id = id_hash(id), .ts_ns = id.n ? x->ts_ns : 0 };
	bytes_copy(s->type, sizeof s->type, m->type);
}

/* hl7.patient_id or hl7.patient_name of the first patients; gives how many values. */
static unsigned tell_patients(struct dx *x, const struct message *m, unsigned field, unsigned pid)
{
	struct bytes s;
	unsigned told = 0;
	for (struct walk w = { .all = m->all }; told < HL7_PATIENTS && hl7_segment(m, &w, &s);) {
		if (!hl7_is(s, "PID"))
			continue;
		struct cur c = cur_of(hl7_field(m, s, pid));
		for (unsigned i = 0; i < HL7_REPETITIONS && told < HL7_PATIENTS && cur_more(&c); i++) {
			struct bytes v = hl7_repetition(m, &c);
			struct bytes said = pid == 5 ? hl7_name(m, v) : hl7_nth(v, m->component, 1);
			if ((pid == 3 && hl7_is_ssn(m, v)) || bytes_is(said, "\"\"") || !bytes_trim(said).n)
				continue;
			tell(x, m, field, said);
			told++;
		}
	}
	return told;
}

static void tell_event(struct dx *x, struct message *m, const struct frame *f, const struct sent *acked)
{
	bool is_ack = bytes_is(m->type, "ACK") || bytes_is(m->type, "MCF") || (!m->type.n && m->msa.n);
	ev_begin(x, is_ack ? EV_ACK : EV_MESSAGE);
	tell_header(x, m, f);
	tell_segments(x, m);
	if (m->msa.n) {
		const char *code = ack_code(hl7_field(m, m->msa, 1));
		if (code)
			ev_text(x, ACK_CODE, code);
		tell(x, m, ACKED_ID, hl7_field(m, m->msa, 2));
	}
	if (acked && x->ts_ns >= acked->ts_ns) /* the last message of an unframed stream is told late */
		ev_uint(x, ACK_LATENCY, x->ts_ns - acked->ts_ns);
	hl7_device_facts(x, m, IDENTIFIER, UDI);
	tell_character_sets(x, m);
	dx_charset(x, charset_of(hl7_nth(hl7_field(m, m->msh, 18), m->repetition, 1)));
	m->ids_told = tell_patients(x, m, PATIENT_ID, 3);
	m->names_told = tell_patients(x, m, PATIENT_NAME, 5);
	hl7_phi(x, m);
	ev_end(x);
}

/* ---- what is said of the two sides ------------------------------------------------------- */

static void observe_service(struct dx *x, const char *side, struct bytes what)
{
	struct text t = { 0 };
	hl7_text_add(&t, bytes_str(side));
	hl7_text_add(&t, what);
	if (what.n)
		ob_str(x, ATTR_HL7_SERVICE, bytes_of(t.b, t.n), 90);
}

/* SFT (v2.9 2.14.12): one for each program that touched the message. The sender's own is the only one, or the
 * one whose product is the sending application. */
static bool sender_software(const struct message *m, struct bytes *sft, bool *named)
{
	struct bytes s, app = hl7_label(m, hl7_field(m, m->msh, 3));
	unsigned n = 0;
	*named = false;
	for (struct walk w = { .all = m->all }; hl7_segment(m, &w, &s);) {
		if (!hl7_is(s, "SFT"))
			continue;
		bool is_app = app.n && bytes_eqi(app, bytes_trim(hl7_component(m, hl7_field(m, s, 3), 1)));
		if (n++ == 0 || (is_app && !*named))
			*sft = s;
		*named |= is_app;
	}
	return n == 1 || *named;
}

static void observe_software(struct dx *x, const struct message *m)
{
	struct bytes sft;
	bool named;
	if (!sender_software(m, &sft, &named))
		return;
	struct text all = { 0 }, room[3];
	struct bytes part[3] = { hl7_component(m, hl7_field(m, sft, 1), 1), hl7_field(m, sft, 3),
		hl7_field(m, sft, 2) };
	for (unsigned i = 0; i < 3; i++) {
		part[i] = hl7_unescape(m, part[i], &room[i]);
		if (!hl7_is_open(m, part[i]))
			part[i].n = 0;
		if (part[i].n && all.n)
			hl7_text_add(&all, bytes_str(" "));
		hl7_text_add(&all, part[i]);
	}
	if (m->n_devices == 0) {
		ob_begin(x, OB_SENDER);
		ob_str(x, ATTR_HL7_SOFTWARE, bytes_of(all.b, all.n), named ? 80 : 60);
		ob_end(x);
	}
	ob_begin(x, OB_MAKER);
	ob_str(x, ATTR_HL7_SOFTWARE, bytes_of(all.b, all.n), 90);
	ob_str(x, ATTR_MANUFACTURER, part[0], 60);
	ob_str(x, ATTR_MODEL, part[1], 60);
	ob_str(x, ATTR_FIRMWARE, part[2], 60);
	ob_end(x);
}

static void observe(struct dx *x, const struct message *m, const struct sent *acked)
{
	bool is_ack = bytes_is(m->type, "ACK") || bytes_is(m->type, "MCF");
	struct bytes code = hl7_field(m, m->msa, 1);
	bool accepted = bytes_is(code, "AA") || bytes_is(code, "CA");
	struct text room[2];
	/* Who answers often only turns MSH-3 and MSH-5 round: it took what was meant for that name. */
	unsigned confidence = is_ack ? 40 : 90;
	if (is_ack && !accepted)
		return;
	ob_begin(x, OB_SENDER);
	if (!hl7_is_device_application(m))
		ob_str(x, ATTR_HL7_APPLICATION,
			hl7_unescape(m, hl7_label(m, hl7_field(m, m->msh, 3)), &room[0]), confidence);
	ob_str(x, ATTR_HL7_FACILITY, hl7_unescape(m, hl7_label(m, hl7_field(m, m->msh, 4)), &room[1]),
		confidence);
	if (acked && accepted)
		observe_service(x, "receiver:", bytes_trim(bytes_of(acked->type, sizeof acked->type)));
	if (!is_ack)
		observe_service(x, "sender:", m->type);
	if (m->pcd || m->law)
		observe_service(x, "sender:", bytes_str(m->pcd ? "PCD" : "LAW"));
	ob_end(x);
	observe_software(x, m);
	hl7_device_observe(x, m);
}

/* UAC (v2.9 2.14.16): a Kerberos ticket or SAML assertion, readable by anyone on the path. */
static void tell_credential(struct dx *x, const struct message *m)
{
	struct bytes s;
	for (struct walk w = { .all = m->all }; hl7_segment(m, &w, &s);) {
		if (!hl7_is(s, "UAC"))
			continue;
		struct bytes scheme = hl7_component(m, hl7_field(m, s, 1), 1);
		struct credential c = { .scheme = bytes_startsi(scheme, "KERB")   ? "kerberos"
						  : bytes_startsi(scheme, "SAML") ? "saml"
										  : "token",
			.secret = hl7_field(m, s, 2),
			.secret_seen = true,
			.cleartext = !x->conv->encrypted };
		dx_credential(x, &c);
		return;
	}
}

static bool hl7_pdu(struct dx *x, struct bytes in)
{
	struct state *st = x->state;
	struct side *side = &st->side[x->dir];
	struct frame f;
	struct message m;
	if (in.n == 1)
		return stray(side, bytes_at(in, 0));
	if (hl7_short_block(in) == START_YES) {
		if (bytes_at(in, 1) != FS)
			return commit(x, side, bytes_at(in, 1));
		side->after = AFTER_FS;
		side->deviations = 0;
		return true;
	}
	if (hl7_wide(in) == START_YES)
		return wide_message(x, side);
	if (!hl7_header(&m, unwrap(x, side, in, &f))) {
		/* Only looked like one: what stood around it is of no other message. */
		side->after = AFTER_NONE;
		side->in_block = false;
		return false;
	}
	if (hl7_is(m.msh, "FHS") || hl7_is(m.msh, "BHS")) {
		side->in_batch = true;
		return true;
	}
	if (m.odd_encoding)
		flag(&f.deviations, ENCODING);
	struct bytes s;
	for (struct walk w = { .all = m.all }; !m.msa.n && hl7_segment(&m, &w, &s);)
		if (hl7_is(s, "MSA"))
			m.msa = s;
	hl7_patient(&m);
	hl7_devices(&m);
	const struct sent *acked = m.msa.n ? find_sent(&st->side[!x->dir], hl7_field(&m, m.msa, 2)) : NULL;
	tell_event(x, &m, &f, acked);
	observe(x, &m, acked);
	tell_credential(x, &m);
	remember(x, side, &m);
	if (m.has_trailer)
		side->in_batch = false;
	return true;
}

const struct dissector dissector_hl7 = {
	.name = "hl7",
	.l4 = L4_TCP,
	.ports = { 2575 },
	.max_pdu = 262144,
	.state_size = sizeof(struct state),
	.fields = hl7_fields,
	.events = hl7_events,
	.probe = hl7_probe,
	.frame = hl7_frame,
	.pdu = hl7_pdu,
	.resync = hl7_resync,
};
