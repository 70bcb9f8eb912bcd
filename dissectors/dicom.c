/*
 * DICOM upper layer (PS3.8 section 9): PDUs, associations, and P-DATA cut into fragments of messages.
 *
 * A P-DATA PDU may be 16 MiB of pixels. So what the engine frames is its header, then the header of each of
 * its presentation data values (PDVs), then the fragment in pieces of PIECE bytes; as soon as nothing of
 * interest follows the fragment is skipped. Of the last fragment of a message one byte is left, so that the
 * message's event is written with the packet that completed it.
 */
#include "dicom.h"

enum {
	RQ = 1,
	AC,
	RJ,
	P_DATA,
	RELEASE_RQ,
	RELEASE_RP,
	ABORT, /* PDU types */
	PDV_HEAD = 6,
	ASSOCIATE_FIXED = 68,
	PIECE = 1024,
	MAX_ASSOCIATE = 262144 - PDU_HEAD,
	MAX_P_DATA = 1 << 28,
	IS_COMMAND = 1,
	IS_LAST = 2,        /* message control header */
	INFLATED = 1 << 20, /* looked at of one deflated data set */
};

_Static_assert(sizeof(struct dicom_state) <= 4096, "dissect.h: state_size");

/* ---- framing ----------------------------------------------------------------------------- */

static bool length_fits(unsigned type, uint32_t length)
{
	if (type == P_DATA)
		return length <= MAX_P_DATA;
	return type >= RQ && type <= ABORT && length <= MAX_ASSOCIATE;
}

/* Called and calling AE title: text, or NUL where a stack does not fill the reserved bytes of an AC. */
static bool looks_like_titles(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++)
		if (bytes_at(v, i) != 0 && (bytes_at(v, i) < ' ' || bytes_at(v, i) > '~'))
			return false;
	return true;
}

static enum probe_result p_data_start(struct bytes in, uint32_t length)
{
	static const uint8_t group_length[] = { 0, 0, 0, 0, 4, 0, 0, 0 };
	struct cur c = cur_of(bytes_from(in, PDU_HEAD));
	uint32_t pdv = cur_be32(&c);
	uint8_t context = cur_u8(&c), control = cur_u8(&c);
	if (length < PDV_HEAD)
		return PROBE_NO;
	if (!cur_ok(&c))
		return PROBE_MORE;
	if (pdv < 2 || pdv > length - 4 || !(context & 1) || control > (IS_COMMAND | IS_LAST))
		return PROBE_NO;
	if (pdv == length - 4)
		return PROBE_YES;
	if (!(control & IS_COMMAND) || pdv < 2 + sizeof group_length)
		return PROBE_NO;
	struct bytes first = cur_take(&c, sizeof group_length);
	if (!cur_ok(&c))
		return PROBE_MORE;
	return bytes_eq(first, bytes_of(group_length, sizeof group_length)) ? PROBE_YES : PROBE_NO;
}

/* Is this the start of a PDU? Strict: used where nothing before it vouches for it. */
static enum probe_result start(struct bytes in)
{
	struct cur c = cur_of(in);
	uint8_t type = cur_u8(&c), reserved = cur_u8(&c);
	uint32_t length = cur_be32(&c);
	if (in.n == 0)
		return PROBE_MORE;
	if (type < RQ || type > ABORT || reserved != 0)
		return PROBE_NO;
	if (!cur_ok(&c))
		return PROBE_MORE;
	if (!length_fits(type, length))
		return PROBE_NO;
	if (type == P_DATA)
		return p_data_start(in, length);
	if (type == RQ || type == AC) {
		struct bytes version = cur_take(&c, 2), zero = cur_take(&c, 2), titles = cur_peek(&c);
		titles = bytes_first(titles, (size_t)2 * AE_BYTES);
		if (length < ASSOCIATE_FIXED || (version.n && !(bytes_at(version, 1) & 1)) ||
			!looks_like_titles(zero) || !looks_like_titles(titles))
			return PROBE_NO;
		return titles.n == (size_t)2 * AE_BYTES ? PROBE_YES : PROBE_MORE;
	}
	uint32_t body = cur_be32(&c);
	if (length != SHORT_BODY)
		return PROBE_NO;
	if (!cur_ok(&c))
		return PROBE_MORE;
	/* RJ: result, source, reason; ABORT: source, reason; RELEASE: reserved. */
	bool fits = type == RJ ? body >> 24 == 0 && (body >> 16 & 0xff) - 1 < 2 && (body >> 8 & 0xff) - 1 < 3
		    : type == ABORT ? body >> 16 == 0 && (body >> 8) <= 2 && (body & 0xff) <= 6
				    : body == 0;
	return fits ? PROBE_YES : PROBE_NO;
}

static enum probe_result dicom_probe(struct bytes first, enum dir dir)
{
	(void)dir; /* mid-stream and one-sided either side may be first */
	return start(first);
}

static size_t dicom_resync(struct bytes in)
{
	size_t at = 0;
	while (at < in.n && start(bytes_from(in, at)) == PROBE_NO)
		at++;
	return at;
}

static int64_t dicom_frame(struct dx *x, struct bytes in)
{
	struct dicom_state *st = x->state;
	struct dicom_side *d = &st->side[x->dir];
	if (!x->after_gap && d->pdv_left)
		return d->pdv_left < PIECE ? d->pdv_left : PIECE;
	if (!x->after_gap && d->pdu_left)
		return d->pdu_left < PDV_HEAD ? d->pdu_left : PDV_HEAD;
	if (x->after_gap || d->lost || (x->midstream && !d->started)) {
		enum probe_result strict = start(in);
		if (strict != PROBE_YES)
			return strict == PROBE_MORE ? FRAME_MORE : FRAME_BAD;
	}
	struct cur c = cur_of(in);
	uint8_t type = cur_u8(&c);
	cur_skip(&c, 1); /* reserved, not tested (PS3.8 9.3) */
	uint32_t length = cur_be32(&c);
	if (!cur_ok(&c))
		return FRAME_MORE;
	if (!length_fits(type, length)) {
		d->lost = true;
		return FRAME_BAD;
	}
	return type == P_DATA ? PDU_HEAD : PDU_HEAD + (int64_t)length;
}

/* ---- P-DATA ------------------------------------------------------------------------------ */

static void message_drop(struct dx *x, struct dicom_side *d)
{
	d->message.stage = STAGE_NONE;
	dx_inflate_end(x);
}

/* The message can get no further: a new one began, the association is over, or bytes are lost. What its
 * command says happened nevertheless. */
static void message_flush(struct dx *x, struct dicom_state *st, struct dicom_side *d)
{
	if (d->message.stage == STAGE_WAIT_DATA || d->message.stage == STAGE_DATA)
		dicom_message_tell(x, st, d);
	message_drop(x, d);
}

static enum dicom_syntax syntax_of(const struct dicom_state *st, const struct dicom_message *m)
{
	return (enum dicom_syntax)st->context[(m->context - 1) / 2].syntax;
}

static void fragment_begin(struct dx *x, struct dicom_state *st, struct dicom_side *d, uint8_t context)
{
	struct dicom_message *m = &d->message;
	bool is_ours = m->context == context;
	d->ignore = false;
	if (d->control & IS_COMMAND) {
		if (m->stage == STAGE_COMMAND && is_ours)
			return;
		message_flush(x, st, d);
		*m = (struct dicom_message){ .stage = STAGE_COMMAND, .context = context };
		dicom_read_begin(&d->reader, SYNTAX_IMPLICIT, true);
	} else if (m->stage == STAGE_WAIT_DATA && is_ours) {
		m->stage = STAGE_DATA;
		dx_inflate_end(x);
		dicom_read_begin(&d->reader, syntax_of(st, m), false);
	} else {
		d->ignore = m->stage != STAGE_DATA || !is_ours;
	}
}

static bool is_deflated(const struct dicom_state *st, const struct dicom_side *d)
{
	return d->message.stage == STAGE_DATA && syntax_of(st, &d->message) == SYNTAX_DEFLATED;
}

static void fragment_read(struct dx *x, const struct dicom_state *st, struct dicom_side *d, struct bytes in)
{
	if (d->message.stage == STAGE_DATA)
		d->message.bytes += in.n;
	if (!is_deflated(st, d)) {
		dicom_read(&d->reader, &d->message, in);
		return;
	}
	while (!d->reader.done) {
		struct bytes out = dx_inflate(x, INFLATE_RAW, &in);
		if (out.n == 0)
			break;
		dicom_read(&d->reader, &d->message, out);
		if (d->reader.off > INFLATED)
			d->reader.done = true;
	}
}

/* Passes by what the reader would pass by. */
static void fragment_skip(struct dx *x, const struct dicom_state *st, struct dicom_side *d)
{
	struct dicom_reader *r = &d->reader;
	uint32_t n = 0;
	if (d->ignore || r->done)
		n = d->pdv_left;
	else if (!is_deflated(st, d))
		n = r->skip < d->pdv_left ? r->skip : d->pdv_left;
	if (n && n == d->pdv_left && !d->ignore && (d->control & IS_LAST))
		n--;
	if (n == 0)
		return;
	dx_skip(x, n);
	d->pdv_left -= n;
	d->pdu_left -= n;
	if (d->ignore)
		return;
	if (d->message.stage == STAGE_DATA)
		d->message.bytes += n;
	if (!r->done) {
		r->skip -= n;
		r->off += n;
	}
}

/* The fragment is complete, perhaps the set, perhaps the message. */
static bool fragment_end(struct dx *x, struct dicom_state *st, struct dicom_side *d)
{
	struct dicom_message *m = &d->message;
	if (d->ignore || !(d->control & IS_LAST))
		return true;
	/* What deflates badly ends early, which is no fault of the data set. */
	if (!dicom_read_end(&d->reader))
		m->malformed = true;
	if (m->stage == STAGE_COMMAND) {
		if (!dicom_command_known(m)) {
			m->stage = STAGE_NONE;
			return false;
		}
		m->stage = STAGE_WAIT_DATA;
		if (dicom_has_data_set(m))
			return true;
	}
	dicom_message_tell(x, st, d);
	message_drop(x, d);
	return true;
}

static bool fragment(struct dx *x, struct dicom_state *st, struct dicom_side *d, struct bytes in)
{
	d->pdv_left -= (uint32_t)in.n;
	d->pdu_left -= (uint32_t)in.n;
	if (!d->ignore)
		fragment_read(x, st, d, in);
	fragment_skip(x, st, d);
	return d->pdv_left || fragment_end(x, st, d);
}

static bool pdv_head(struct dx *x, struct dicom_state *st, struct dicom_side *d, struct bytes in)
{
	struct cur c = cur_of(in);
	uint32_t length = cur_be32(&c);
	uint8_t context = cur_u8(&c);
	d->control = cur_u8(&c);
	d->pdu_left -= (uint32_t)in.n;
	/* PS3.8 9.3.5.1: the length counts context and control; contexts are odd. */
	if (!cur_ok(&c) || length < 2 || length - 2 > d->pdu_left || !(context & 1)) {
		dx_skip(x, d->pdu_left);
		d->pdu_left = 0;
		return false;
	}
	d->pdv_left = length - 2;
	fragment_begin(x, st, d, context);
	fragment_skip(x, st, d);
	return d->pdv_left || fragment_end(x, st, d);
}

static bool p_data(struct dx *x, struct dicom_side *d, uint32_t length)
{
	if (length < PDV_HEAD) {
		dx_skip(x, length);
		return false;
	}
	d->pdu_left = length;
	return true;
}

/* ---- the end of associations -------------------------------------------------------------- */

static bool release(
	struct dx *x, struct dicom_state *st, struct dicom_side *d, struct bytes in, bool is_answer)
{
	if (in.n != PDU_HEAD + SHORT_BODY)
		return false;
	message_flush(x, st, d);
	ev_begin(x, EV_RELEASE);
	ev_text(x, F_PDU_TYPE, is_answer ? "a_release_rp" : "a_release_rq");
	ev_end(x);
	return true;
}

static bool association_abort(struct dx *x, struct dicom_state *st, struct dicom_side *d, struct bytes in)
{
	static const char *const sources[] = { "service_user", [2] = "service_provider" };
	static const char *const reasons[] = { "not_specified", "unrecognized_pdu",
		"unexpected_pdu", [4] = "unrecognized_parameter", "unexpected_parameter",
		"invalid_parameter_value" };
	struct cur c = cur_of(in);
	cur_skip(&c, PDU_HEAD + 2);
	uint8_t source = cur_u8(&c), reason = cur_u8(&c);
	if (!cur_ok(&c) || in.n != PDU_HEAD + SHORT_BODY)
		return false;
	message_flush(x, st, d);
	dicom_identity_tell(x, st, CREDENTIAL_UNKNOWN);
	ev_begin(x, EV_ABORT);
	ev_text(x, F_PDU_TYPE, "a_abort");
	ev_text(x, F_ABORT_SOURCE, DICOM_NAME(sources, source));
	if (source == 2)
		ev_text(x, F_ABORT_REASON, DICOM_NAME(reasons, reason));
	ev_end(x);
	return true;
}

/* ---- dissector --------------------------------------------------------------------------- */

static bool whole_pdu(struct dx *x, struct dicom_state *st, struct dicom_side *d, struct bytes in)
{
	struct cur c = cur_of(in);
	uint8_t type = cur_u8(&c);
	cur_skip(&c, 1);
	uint32_t length = cur_be32(&c);
	/* One-sided: the requestor goes on, so the answer was not seen. */
	if (type != RQ && st->requestor == x->dir)
		dicom_identity_tell(x, st, CREDENTIAL_UNKNOWN);
	switch (type) {
	case RQ:
		return dicom_associate_rq(x, st, in);
	case AC:
		return dicom_associate_ac(x, st, in);
	case RJ:
		return dicom_associate_rj(x, st, in);
	case P_DATA:
		return p_data(x, d, length);
	case RELEASE_RQ:
	case RELEASE_RP:
		return release(x, st, d, in, type == RELEASE_RP);
	default:
		return association_abort(x, st, d, in);
	}
}

static bool dicom_pdu(struct dx *x, struct bytes in)
{
	struct dicom_state *st = x->state;
	struct dicom_side *d = &st->side[x->dir];
	if (x->after_gap) {
		message_flush(x, st, d);
		d->pdu_left = d->pdv_left = 0;
	}
	if (d->pdv_left)
		return fragment(x, st, d, in);
	if (d->pdu_left)
		return pdv_head(x, st, d, in);
	d->started = true;
	/* What made no sense vouches for nothing behind it. */
	d->lost = !whole_pdu(x, st, d, in);
	return !d->lost;
}

static void dicom_end(struct dx *x)
{
	struct dicom_state *st = x->state;
	x->cut = true;
	for (x->dir = DIR_CLIENT; x->dir <= DIR_SERVER; x->dir++)
		message_flush(x, st, &st->side[x->dir]);
	x->cut = false;
	x->dir = st->requestor;
	dicom_identity_tell(x, st, CREDENTIAL_UNKNOWN);
}

static const struct field fields[] = {
	[F_PDU_TYPE] = { "dicom.pdu.type", FACT_STR, OPEN, false },
	[F_CALLING_AE] = { "dicom.calling_ae", FACT_STR, SUSPECT, false },
	[F_CALLED_AE] = { "dicom.called_ae", FACT_STR, SUSPECT, false },
	[F_APPLICATION_CONTEXT] = { "dicom.application_context", FACT_STR, PRODUCT, false },
	[F_ABSTRACT_SYNTAX] = { "dicom.abstract_syntax", FACT_STR, PRODUCT, true },
	[F_TRANSFER_SYNTAX] = { "dicom.transfer_syntax", FACT_STR, PRODUCT, true },
	[F_CONTEXTS] = { "dicom.contexts.count", FACT_UINT, OPEN, false },
	[F_CONTEXTS_ACCEPTED] = { "dicom.contexts.accepted", FACT_UINT, OPEN, false },
	[F_MAX_PDU] = { "dicom.max_pdu", FACT_UINT, OPEN, false },
	[F_IMPLEMENTATION_UID] = { "dicom.implementation.class_uid", FACT_STR, PRODUCT, false },
	[F_IMPLEMENTATION_VERSION] = { "dicom.implementation.version", FACT_STR, PRODUCT, false },
	[F_ASYNC_INVOKED] = { "dicom.async.invoked", FACT_UINT, OPEN, false },
	[F_ASYNC_PERFORMED] = { "dicom.async.performed", FACT_UINT, OPEN, false },
	[F_SCP_ROLE] = { "dicom.scp_role", FACT_STR, OPEN, true },
	[F_EXTENDED] = { "dicom.extended_negotiation", FACT_STR, OPEN, true },
	[F_IDENTITY_TYPE] = { "dicom.user_identity.type", FACT_STR, OPEN, false },
	[F_IDENTITY_RESPONSE] = { "dicom.user_identity.response", FACT_BOOL, OPEN, false },
	[F_RESERVED_NONZERO] = { "dicom.reserved_nonzero", FACT_BOOL, OPEN, false },
	[F_REJECT_RESULT] = { "dicom.reject.result", FACT_STR, OPEN, false },
	[F_REJECT_SOURCE] = { "dicom.reject.source", FACT_STR, OPEN, false },
	[F_REJECT_REASON] = { "dicom.reject.reason", FACT_STR, OPEN, false },
	[F_ABORT_SOURCE] = { "dicom.abort.source", FACT_STR, OPEN, false },
	[F_ABORT_REASON] = { "dicom.abort.reason", FACT_STR, OPEN, false },
	[F_COMMAND] = { "dicom.dimse.command", FACT_STR, OPEN, false },
	[F_TYPE] = { "dicom.dimse.type", FACT_STR, OPEN, false },
	[F_MESSAGE_ID] = { "dicom.dimse.message_id", FACT_UINT, OPEN, false },
	[F_STATUS] = { "dicom.dimse.status", FACT_UINT, OPEN, false },
	[F_STATUS_CLASS] = { "dicom.dimse.status_class", FACT_STR, OPEN, false },
	[F_SOP_CLASS] = { "dicom.sop_class", FACT_STR, PRODUCT, false },
	[F_MOVE_DESTINATION] = { "dicom.move_destination", FACT_STR, SUSPECT, false },
	[F_MOVE_ORIGINATOR] = { "dicom.move_originator", FACT_STR, SUSPECT, false },
	[F_REMAINING] = { "dicom.suboperations.remaining", FACT_UINT, OPEN, false },
	[F_COMPLETED] = { "dicom.suboperations.completed", FACT_UINT, OPEN, false },
	[F_FAILED] = { "dicom.suboperations.failed", FACT_UINT, OPEN, false },
	[F_WARNING] = { "dicom.suboperations.warning", FACT_UINT, OPEN, false },
	[F_DATA_SET] = { "dicom.data_set", FACT_BOOL, OPEN, false },
	[F_BYTES] = { "dicom.bytes", FACT_UINT, OPEN, false },
	[F_MALFORMED] = { "dicom.malformed", FACT_BOOL, OPEN, false },
	[F_MODALITY] = { "dicom.modality", FACT_STR, SUSPECT, false },
	[F_MANUFACTURER] = { "dicom.manufacturer", FACT_STR, PRODUCT, false },
	[F_MODEL] = { "dicom.model", FACT_STR, PRODUCT, false },
	[F_SOFTWARE] = { "dicom.software_versions", FACT_STR, PRODUCT, true },
	[F_STATION_NAME] = { "dicom.station_name", FACT_STR, SUSPECT, false },
	[F_SERIAL] = { "dicom.serial_number", FACT_STR, PRODUCT, false },
	[F_PATIENT_NAME] = { "dicom.patient_name", FACT_STR, PHI_PATIENT_NAME, false },
	[F_PATIENT_ID] = { "dicom.patient_id", FACT_STR, PHI_MRN, false },
	{ 0 },
};

static const char *const events[] = {
	[EV_ASSOCIATE_RQ] = "associate_rq",
	[EV_ASSOCIATE_AC] = "associate_ac",
	[EV_ASSOCIATE_RJ] = "associate_rj",
	[EV_RELEASE] = "release",
	[EV_ABORT] = "abort",
	[EV_DIMSE] = "dimse",
	NULL,
};

const struct dissector dissector_dicom = {
	.name = "dicom",
	.l4 = L4_TCP,
	/* 104 and 11112: PS3.8 9.1; 4242 Orthanc, 5678 Conquest */
	.ports = { 104, 11112, 4242, 5678 },
	.max_pdu = MAX_ASSOCIATE + PDU_HEAD,
	.state_size = sizeof(struct dicom_state),
	.fields = fields,
	.events = events,
	.probe = dicom_probe,
	.frame = dicom_frame,
	.pdu = dicom_pdu,
	.end = dicom_end,
	.resync = dicom_resync,
};
