/* A-ASSOCIATE-RQ, -AC and -RJ (PS3.8 9.3.2 to 9.3.4, PS3.7 annex D): who asks whom for what. */
#include "dicom.h"

enum { UIDS = 128, IDENTITY_TYPES = 6, FIXED = 10 /* PDU header, version, reserved */ };

struct uid_set {
	unsigned n;
	struct bytes uid[UIDS];
};

static void uid_add(struct uid_set *s, struct bytes v)
{
	v = dicom_uid(v);
	for (unsigned i = 0; i < s->n; i++)
		if (bytes_eq(s->uid[i], v))
			return;
	if (v.n && s->n < UIDS)
		s->uid[s->n++] = v;
}

static void uids_tell(struct dx *x, unsigned field, const struct uid_set *s)
{
	for (unsigned i = 0; i < s->n; i++)
		ev_str(x, field, s->uid[i]);
}

/* What an A-ASSOCIATE-RQ or -AC says. */
struct association {
	struct bytes called, calling, reserved;
	struct bytes application, implementation_uid, implementation_version;
	struct uid_set abstract, transfer, scp_role, extended;
	unsigned contexts, accepted;
	bool has_max_pdu, has_async, has_identity_answer, wants_answer;
	uint32_t max_pdu;
	uint16_t invoked, performed;
	uint8_t identity_type;
	struct bytes user, secret;
	struct {
		uint8_t syntax, service;
		bool seen;
	} context[CONTEXTS];
};

struct item {
	uint8_t type;
	struct cur body;
};

/* False at the end, or (the cursor is bad then) when the item runs past its parent. */
static bool next_item(struct cur *c, struct item *i)
{
	if (!cur_more(c))
		return false;
	i->type = cur_u8(c);
	cur_skip(c, 1);
	i->body = cur_sub(c, cur_be16(c));
	return cur_ok(c);
}

static enum dicom_syntax syntax_by_uid(struct bytes uid)
{
	static const char root[] = "1.2.840.10008.1.2";
	uid = dicom_uid(uid);
	if (bytes_is(uid, root) || bytes_is(uid, "1.2.840.113619.5.2"))
		return SYNTAX_IMPLICIT;
	if (bytes_is(uid, "1.2.840.10008.1.2.2"))
		return SYNTAX_BIG_ENDIAN;
	if (bytes_is(uid, "1.2.840.10008.1.2.1.99") || bytes_is(uid, "1.2.840.10008.1.2.4.95") ||
		bytes_is(uid, "1.2.840.10008.1.2.4.205"))
		return SYNTAX_DEFLATED;
	return bytes_starts(uid, root) ? SYNTAX_EXPLICIT : SYNTAX_UNKNOWN;
}

/* 20H, 21H: presentation context, proposed or answered. */
static bool read_context(struct association *a, struct cur *c, bool is_answer)
{
	uint8_t id = cur_u8(c);
	cur_skip(c, 1);
	bool accepted = cur_u8(c) == 0 && is_answer;
	cur_skip(c, 1);
	struct item i;
	enum dicom_syntax syntax = SYNTAX_UNKNOWN;
	struct bytes abstract = { 0 };
	unsigned n = 0;
	a->contexts++;
	a->accepted += accepted;
	/* PS3.8 9.3.3.2: of a refused context the transfer syntax says nothing, and may be missing. */
	if (is_answer && !accepted)
		return cur_ok(c);
	while (next_item(c, &i)) {
		struct bytes uid = cur_rest(&i.body);
		if (i.type == 0x30)
			abstract = dicom_uid(uid);
		if (i.type != 0x40)
			continue;
		enum dicom_syntax one = syntax_by_uid(uid);
		syntax = n++ == 0 || one == syntax ? one : SYNTAX_UNKNOWN;
		uid_add(&a->transfer, uid);
	}
	uid_add(&a->abstract, abstract);
	if (id & 1) {
		a->context[id / 2].seen = true;
		a->context[id / 2].syntax = (uint8_t)syntax;
		a->context[id / 2].service = (uint8_t)dicom_service(abstract);
	}
	return cur_ok(c);
}

/* 58H (PS3.7 D.3.3.7). Type 1 is met without the second field. */
static bool read_identity(struct association *a, struct cur *c)
{
	a->identity_type = cur_u8(c);
	a->wants_answer = cur_u8(c) == 1;
	struct bytes first = cur_take(c, cur_be16(c));
	struct bytes second = cur_left(c) >= 2 ? cur_take(c, cur_be16(c)) : (struct bytes){ 0 };
	a->user = a->identity_type <= 2 ? first : (struct bytes){ 0 };
	a->secret = a->identity_type <= 2 ? second : first;
	return cur_ok(c);
}

/* 50H: user information. */
static bool read_user_information(struct association *a, struct cur *c)
{
	struct item i;
	bool ok = true;
	while (ok && next_item(c, &i)) {
		switch (i.type) {
		case 0x51:
			a->max_pdu = cur_be32(&i.body);
			a->has_max_pdu = cur_ok(&i.body);
			break;
		case 0x52:
			a->implementation_uid = dicom_uid(cur_rest(&i.body));
			break;
		case 0x53:
			a->invoked = cur_be16(&i.body);
			a->performed = cur_be16(&i.body);
			a->has_async = cur_ok(&i.body);
			break;
		case 0x54: {
			struct bytes uid = cur_take(&i.body, cur_be16(&i.body));
			cur_skip(&i.body, 1);
			if (cur_u8(&i.body) == 1)
				uid_add(&a->scp_role, uid);
			break;
		}
		case 0x55:
			a->implementation_version = bytes_trim(cur_rest(&i.body));
			break;
		case 0x56:
		case 0x57:
			uid_add(&a->extended, cur_take(&i.body, cur_be16(&i.body)));
			break;
		case 0x58:
			read_identity(a, &i.body);
			break;
		case 0x59:
			a->has_identity_answer = true;
			break;
		default:
			break;
		}
		ok = cur_ok(&i.body);
	}
	return ok && cur_ok(c);
}

static bool read_association(struct association *a, struct bytes in, bool is_answer)
{
	struct cur c = cur_of(in);
	struct item i;
	cur_skip(&c, PDU_HEAD + 4);
	a->called = bytes_trim(cur_take(&c, AE_BYTES));
	a->calling = bytes_trim(cur_take(&c, AE_BYTES));
	a->reserved = cur_take(&c, 32);
	if (!cur_ok(&c))
		return false;
	while (next_item(&c, &i)) {
		if (i.type == 0x10)
			a->application = dicom_uid(cur_rest(&i.body));
		if ((i.type == 0x20 || i.type == 0x21) && !read_context(a, &i.body, is_answer))
			return false;
		if (i.type == 0x50 && !read_user_information(a, &i.body))
			return false;
	}
	return cur_ok(&c);
}

static bool is_zero(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++)
		if (bytes_at(v, i))
			return false;
	return true;
}

static const char *const identity_names[IDENTITY_TYPES] = { "none", "username", "username_passcode",
	"kerberos", "saml", "jwt" };

static void tell_titles(struct dx *x, const struct dicom_state *st)
{
	if (!st->requested)
		return;
	ev_str(x, F_CALLING_AE, bytes_of(st->calling, st->calling_n));
	ev_str(x, F_CALLED_AE, bytes_of(st->called, st->called_n));
	if (st->identity_type < IDENTITY_TYPES)
		ev_text(x, F_IDENTITY_TYPE, identity_names[st->identity_type]);
}

static void tell_association(struct dx *x, const struct dicom_state *st, const struct association *a)
{
	tell_titles(x, st);
	ev_str(x, F_APPLICATION_CONTEXT, a->application);
	uids_tell(x, F_ABSTRACT_SYNTAX, &a->abstract);
	uids_tell(x, F_TRANSFER_SYNTAX, &a->transfer);
	ev_uint(x, F_CONTEXTS, a->contexts);
	if (a->has_max_pdu)
		ev_uint(x, F_MAX_PDU, a->max_pdu);
	ev_str(x, F_IMPLEMENTATION_UID, a->implementation_uid);
	ev_str(x, F_IMPLEMENTATION_VERSION, a->implementation_version);
	if (a->has_async) {
		ev_uint(x, F_ASYNC_INVOKED, a->invoked);
		ev_uint(x, F_ASYNC_PERFORMED, a->performed);
	}
	uids_tell(x, F_SCP_ROLE, &a->scp_role);
	uids_tell(x, F_EXTENDED, &a->extended);
}

static void observe_implementation(struct dx *x, const struct association *a, struct bytes ae, unsigned sure)
{
	ob_begin(x, OB_SENDER);
	ob_str(x, ATTR_AE_TITLE, ae, sure);
	ob_str(x, ATTR_DICOM_IMPLEMENTATION_UID, a->implementation_uid, 90);
	ob_str(x, ATTR_DICOM_IMPLEMENTATION_VERSION, a->implementation_version, 90);
	ob_end(x);
}

/* Tells the user identity once its outcome is known, or will not be. */
void dicom_identity_tell(struct dx *x, struct dicom_state *st, enum credential_outcome outcome)
{
	static const char *const schemes[IDENTITY_TYPES] = { "", "username", "password", "kerberos", "saml",
		"jwt" };
	struct dicom_identity *i = &st->identity;
	if (i->type == 0)
		return;
	dx_credential(x, &(struct credential){ .scheme = schemes[i->type],
				 .user = bytes_of(i->user, i->user_n),
				 .secret = bytes_of(i->secret, i->secret_n),
				 .secret_seen = i->type != 1,
				 .cleartext = !x->conv->encrypted,
				 .outcome = outcome });
	explicit_bzero(i, sizeof *i);
}

bool dicom_associate_rq(struct dx *x, struct dicom_state *st, struct bytes in)
{
	struct association a = { 0 };
	if (!read_association(&a, in, false))
		return false;
	dicom_identity_tell(x, st, CREDENTIAL_UNKNOWN);
	for (int s = 0; s < 2; s++)
		st->side[s].message.stage = STAGE_NONE;
	st->requested = true;
	st->requestor = (uint8_t)x->dir;
	st->get[0] = st->get[1] = false;
	st->calling_n = (uint8_t)bytes_copy(st->calling, sizeof st->calling, a.calling);
	st->called_n = (uint8_t)bytes_copy(st->called, sizeof st->called, a.called);
	st->identity_type = a.identity_type;
	st->wants_answer = a.wants_answer;
	for (unsigned i = 0; i < CONTEXTS; i++) {
		st->context[i].syntax = a.context[i].syntax;
		st->context[i].service = a.context[i].service;
	}
	if (a.identity_type && a.identity_type < IDENTITY_TYPES) {
		st->identity.type = a.identity_type;
		st->identity.user_n =
			(uint8_t)bytes_copy(st->identity.user, sizeof st->identity.user, a.user);
		st->identity.secret_n =
			(uint8_t)bytes_copy(st->identity.secret, sizeof st->identity.secret, a.secret);
	}
	ev_begin(x, EV_ASSOCIATE_RQ);
	ev_text(x, F_PDU_TYPE, "a_associate_rq");
	tell_association(x, st, &a);
	if (!is_zero(a.reserved))
		ev_bool(x, F_RESERVED_NONZERO, true);
	ev_end(x);
	observe_implementation(x, &a, a.calling, 80);
	return true;
}

bool dicom_associate_ac(struct dx *x, struct dicom_state *st, struct bytes in)
{
	struct association a = { 0 };
	if (!read_association(&a, in, true))
		return false;
	/* The request came from the other side; else it was another association's. */
	if (st->requestor == x->dir)
		st->requested = false;
	for (unsigned i = 0; i < CONTEXTS; i++)
		if (a.context[i].seen)
			st->context[i].syntax = a.context[i].syntax;
	bool asked = st->requested && st->identity_type && st->wants_answer;
	ev_begin(x, EV_ASSOCIATE_AC);
	ev_text(x, F_PDU_TYPE, "a_associate_ac");
	tell_association(x, st, &a);
	ev_uint(x, F_CONTEXTS_ACCEPTED, a.accepted);
	if (a.has_identity_answer || asked)
		ev_bool(x, F_IDENTITY_RESPONSE, a.has_identity_answer);
	ev_end(x);
	/* Asked and not answered: the server looks at no identity (PS3.7 D.3.3.7.1). */
	dicom_identity_tell(
		x, st, asked && !a.has_identity_answer ? CREDENTIAL_UNKNOWN : CREDENTIAL_ACCEPTED);
	/* Bytes 10 to 41 of an AC are no statement of the server: its title is what it was called and
	 * accepted. */
	struct bytes called = bytes_of(st->called, st->requested ? st->called_n : 0);
	if (bytes_is(called, "ANY-SCP"))
		called.n = 0;
	observe_implementation(x, &a, called, 85);
	return true;
}

bool dicom_associate_rj(struct dx *x, struct dicom_state *st, struct bytes in)
{
	static const char *const results[] = { [1] = "permanent", "transient" };
	static const char *const sources[] = { [1] = "service_user", "acse", "presentation" };
	static const char *const reasons[4][8] = {
		[1] = { [1] = "none_given",
			"application_context_not_supported",
			"calling_ae_not_recognized",
			[7] = "called_ae_not_recognized" },
		[2] = { [1] = "none_given", "protocol_version_not_supported" },
		[3] = { [1] = "temporary_congestion", "local_limit_exceeded" },
	};
	struct cur c = cur_of(in);
	cur_skip(&c, PDU_HEAD + 1);
	uint8_t result = cur_u8(&c), source = cur_u8(&c), reason = cur_u8(&c);
	if (!cur_ok(&c) || in.n != PDU_HEAD + SHORT_BODY)
		return false;
	ev_begin(x, EV_ASSOCIATE_RJ);
	ev_text(x, F_PDU_TYPE, "a_associate_rj");
	tell_titles(x, st);
	ev_text(x, F_REJECT_RESULT, DICOM_NAME(results, result));
	ev_text(x, F_REJECT_SOURCE, DICOM_NAME(sources, source));
	ev_text(x, F_REJECT_REASON, source < 4 ? DICOM_NAME(reasons[source], reason) : "unknown");
	ev_end(x);
	/* PS3.7 D.3.3.7.2: a refused identity is refused by the provider without a reason. */
	dicom_identity_tell(x, st, source == 2 && reason == 1 ? CREDENTIAL_REFUSED : CREDENTIAL_UNKNOWN);
	return true;
}
