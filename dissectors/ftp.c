/*
 * FTP's control connection (RFC 959, 2228, 2428): who logs in and with what success, the commands, what the
 * server calls itself. Passwords are measured and forgotten; of other arguments only paths are shown.
 */
#include "dissect.h"

#include <stdio.h>

enum { EV_BANNER, EV_COMMAND, EV_LOGIN, EV_SYSTEM, EV_DATA };
static const char *const events[] = { [EV_BANNER] = "banner",
	[EV_COMMAND] = "command",
	[EV_LOGIN] = "login",
	[EV_SYSTEM] = "system",
	[EV_DATA] = "data_port",
	NULL };

enum { BANNER, COMMAND, PATH, AUTH_SCHEME, OUTCOME, REPLY_CODE, SYSTEM, DATA_IP, DATA_PORT, BOUNCE };
static const struct field fields[] = {
	[BANNER] = { "ftp.banner", FACT_STR, SUSPECT, false },
	[COMMAND] = { "ftp.command", FACT_STR, OPEN, false },
	[PATH] = { "ftp.path", FACT_STR, SUSPECT, false },
	[AUTH_SCHEME] = { "ftp.auth_scheme", FACT_STR, OPEN, false },
	[OUTCOME] = { "event.outcome", FACT_STR, OPEN, false },
	[REPLY_CODE] = { "ftp.reply_code", FACT_UINT, OPEN, false },
	[SYSTEM] = { "ftp.system", FACT_STR, SUSPECT, false },
	[DATA_IP] = { "ftp.data_ip", FACT_IP, OPEN, false },
	[DATA_PORT] = { "ftp.data_port", FACT_UINT, OPEN, false },
	[BOUNCE] = { "ftp.bounce", FACT_BOOL, OPEN, false },
	{ 0 },
};

enum { KEPT_BYTES = 64, BANNER_SURE = 70, SYSTEM_SURE = 30 };

/* User names and secrets stay here, between the command and its reply. */
struct kept {
	uint8_t b[KEPT_BYTES];
	size_t n;
};

struct state {
	struct kept user, secret;
	uint16_t multi;     /* code of the reply that goes on over several lines, 0: none */
	bool has_user;      /* USER was sent and not yet answered but by 331 */
	bool has_secret;    /* PASS or ACCT was sent and not yet answered */
	bool is_account;    /* ACCT */
	bool server_spoke;  /* one-sided captures: nothing to wait for */
	bool has_banner;    /* said */
	bool is_lost;       /* the beginning or a part was not seen: a foreign line may be a line's rest */
	bool auth_is_other; /* the last AUTH asked for something else than TLS */
};

enum verb_kind { PLAIN, WITH_PATH, IS_USER, IS_PASS, IS_ACCT, IS_AUTH, IS_PORT, IS_EPRT };

/* RFC 959 4.1, 775, 1639, 2228, 2389, 2428, 3659, 7151. */
static const struct verb {
	const char *name;
	enum verb_kind kind;
} verbs[] = {
	{ "USER", IS_USER },
	{ "PASS", IS_PASS },
	{ "ACCT", IS_ACCT },
	{ "CWD", WITH_PATH },
	{ "CDUP", PLAIN },
	{ "SMNT", WITH_PATH },
	{ "QUIT", PLAIN },
	{ "REIN", PLAIN },
	{ "PORT", IS_PORT },
	{ "PASV", PLAIN },
	{ "TYPE", PLAIN },
	{ "STRU", PLAIN },
	{ "MODE", PLAIN },
	{ "RETR", WITH_PATH },
	{ "STOR", WITH_PATH },
	{ "STOU", WITH_PATH },
	{ "APPE", WITH_PATH },
	{ "ALLO", PLAIN },
	{ "REST", PLAIN },
	{ "RNFR", WITH_PATH },
	{ "RNTO", WITH_PATH },
	{ "ABOR", PLAIN },
	{ "DELE", WITH_PATH },
	{ "RMD", WITH_PATH },
	{ "MKD", WITH_PATH },
	{ "PWD", PLAIN },
	{ "LIST", WITH_PATH },
	{ "NLST", WITH_PATH },
	{ "SITE", PLAIN },
	{ "SYST", PLAIN },
	{ "STAT", PLAIN },
	{ "HELP", PLAIN },
	{ "NOOP", PLAIN },
	{ "XCUP", PLAIN },
	{ "XCWD", WITH_PATH },
	{ "XMKD", WITH_PATH },
	{ "XPWD", PLAIN },
	{ "XRMD", WITH_PATH },
	{ "LPRT", PLAIN },
	{ "LPSV", PLAIN },
	{ "AUTH", IS_AUTH },
	{ "ADAT", PLAIN },
	{ "PBSZ", PLAIN },
	{ "PROT", PLAIN },
	{ "CCC", PLAIN },
	{ "MIC", PLAIN },
	{ "CONF", PLAIN },
	{ "ENC", PLAIN },
	{ "FEAT", PLAIN },
	{ "OPTS", PLAIN },
	{ "LANG", PLAIN },
	{ "EPRT", IS_EPRT },
	{ "EPSV", PLAIN },
	{ "MDTM", WITH_PATH },
	{ "MFMT", PLAIN },
	{ "SIZE", WITH_PATH },
	{ "MLST", WITH_PATH },
	{ "MLSD", WITH_PATH },
	{ "HOST", PLAIN },
	{ "CLNT", PLAIN },
	{ "CSID", PLAIN },
};

enum { N_VERBS = sizeof verbs / sizeof *verbs };

/* ---- lines ------------------------------------------------------------------------------------- */

static void keep(struct kept *k, struct bytes b)
{
	k->n = 0;
	for (struct cur c = cur_of(b); cur_more(&c) && k->n < sizeof k->b;)
		k->b[k->n++] = cur_u8(&c);
}

static void forget(struct kept *k)
{
	explicit_bzero(k->b, sizeof k->b);
	k->n = 0;
}

static struct bytes kept_bytes(const struct kept *k)
{
	return bytes_of(k->b, k->n);
}

/* Without the line's end; Telnet's IP and Synch before ABOR (RFC 959 4.1.3) are passed over. */
static struct bytes line_of(struct bytes in)
{
	while (in.n && (bytes_at(in, in.n - 1) == '\n' || bytes_at(in, in.n - 1) == '\r'))
		in.n--;
	while (bytes_at(in, 0) >= 0xf0)
		in = bytes_from(in, 1);
	return in;
}

static const struct verb *verb_of(struct bytes word)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (bytes_isi(word, verbs[i].name))
			return &verbs[i];
	return NULL;
}

/* Three digits, 100 to 599, and a blank, a hyphen or the end; 0: not a reply's first line. */
static unsigned code_of(struct bytes line)
{
	uint64_t code = 0;
	int after = bytes_at(line, 3);
	if (!bytes_to_u64(bytes_first(line, 3), &code) || line.n < 3 || code < 100 || code > 599)
		return 0;
	return after == ' ' || after == '-' || after < 0 ? (unsigned)code : 0;
}

/* ---- addresses ---------------------------------------------------------------------------------- */

/* h1,h2,h3,h4,p1,p2 from the first digit on (RFC 959 5.3.2, RFC 1123 4.1.2.6). */
static bool read_host_port(struct bytes in, struct addr *ip, uint16_t *port)
{
	size_t at = 0;
	uint8_t b[6];
	uint64_t v;
	while (at < in.n && !ascii_digit(bytes_at(in, at)))
		at++;
	for (unsigned i = 0; i < 6; i++) {
		size_t from = at;
		while (ascii_digit(bytes_at(in, at)))
			at++;
		if (!bytes_to_u64(bytes_sub(in, from, at - from), &v) || v > 255)
			return false;
		if (i < 5 && bytes_at(in, at++) != ',')
			return false;
		b[i] = (uint8_t)v;
	}
	*ip = addr_v4(bytes_of(b, 4));
	*port = (uint16_t)(b[4] << 8 | b[5]);
	return true;
}

/* |1|132.235.1.2|6275| (RFC 2428 2), or in a reply (|||6446|), where the address stays as it was. */
static bool read_extended(struct bytes in, struct addr *ip, uint16_t *port)
{
	uint64_t v;
	int bar = bytes_at(in, 0);
	if (bar < 33 || bar > 126)
		return false;
	struct cur c = cur_of(bytes_from(in, 1));
	cur_until(&c, (uint8_t)bar);
	struct bytes text = cur_until(&c, (uint8_t)bar);
	if (!bytes_to_u64(cur_until(&c, (uint8_t)bar), &v) || v > 65535)
		return false;
	*port = (uint16_t)v;
	return text.n == 0 || addr_parse(text, ip);
}

/* Facts of the open event, and what to wait for. `self` is who named the place. */
static void announce(struct dx *x, const struct addr *ip, uint16_t port, const struct addr *self)
{
	ev_ip(x, DATA_IP, ip);
	ev_uint(x, DATA_PORT, port);
	/* RFC 2577 3: a third host's address makes the server attack it. */
	ev_bool(x, BOUNCE, !addr_eq(ip, self));
	if (port)
		dx_expect(x, ip, port, "ftp_data");
}

/* ---- logins ------------------------------------------------------------------------------------- */

static bool is_anonymous(struct bytes user)
{
	return bytes_isi(user, "anonymous") || bytes_isi(user, "ftp"); /* RFC 1635 */
}

static void login(struct dx *x, struct state *s, enum credential_outcome outcome, unsigned code)
{
	static const char *const words[] = { [CREDENTIAL_UNKNOWN] = "unknown",
		[CREDENTIAL_ACCEPTED] = "success",
		[CREDENTIAL_REFUSED] = "failure" };
	struct bytes user = kept_bytes(&s->user);
	const char *scheme = s->is_account ? "account" : is_anonymous(user) ? "anonymous" : "password";
	ev_begin(x, EV_LOGIN);
	ev_text(x, AUTH_SCHEME, scheme);
	ev_text(x, OUTCOME, words[outcome]);
	if (code)
		ev_uint(x, REPLY_CODE, code);
	ev_end(x);
	dx_credential(x, &(struct credential){ .scheme = scheme,
				 .user = user,
				 .secret = kept_bytes(&s->secret),
				 .secret_seen = s->has_secret,
				 .cleartext = true,
				 .outcome = outcome });
	forget(&s->secret);
	s->has_user = s->has_secret = s->is_account = false;
}

/* RFC 959 5.4: 230 and 202 let in, 232 too (RFC 2228 5.3), 331 and 332 ask on, 4xx and 5xx refuse. Between
 * USER or PASS and its answer a client sends nothing else but pipelined commands, answered later. */
static void login_reply(struct dx *x, struct state *s, unsigned code)
{
	if (code == 331) { /* from now on a refusal is another command's until PASS comes */
		s->has_user = false;
		return;
	}
	if (!s->has_secret && !s->has_user)
		return;
	if (code == 230 || code == 232 || (code == 202 && s->has_secret))
		login(x, s, CREDENTIAL_ACCEPTED, code);
	else if (code >= 400)
		login(x, s, CREDENTIAL_REFUSED, code);
	else if (code == 332 && s->has_secret)
		login(x, s, CREDENTIAL_UNKNOWN, code);
}

static void on_user(struct dx *x, struct state *s, struct bytes argument)
{
	if (s->has_secret) /* its answer was lost */
		login(x, s, CREDENTIAL_UNKNOWN, 0);
	keep(&s->user, argument);
	s->has_user = true;
}

/* Of PASS, or of ACCT: a second secret that some servers ask for (RFC 959 4.1.1). */
static void on_pass(struct dx *x, struct state *s, struct bytes argument, bool is_account)
{
	if (s->has_secret)
		login(x, s, CREDENTIAL_UNKNOWN, 0);
	keep(&s->secret, argument);
	s->has_secret = true;
	s->is_account = is_account;
	if (!s->server_spoke)
		login(x, s, CREDENTIAL_UNKNOWN, 0);
}

/* ---- the client ---------------------------------------------------------------------------------- */

static void emit_auth(struct dx *x, struct state *s, struct bytes mechanism)
{
	/* RFC 4217 2 and the older words for the same; IANA's list of FTP security mechanisms. */
	static const char *const words[] = { "TLS", "TLS-C", "SSL", "TLS-P", "GSSAPI", "KERBEROS_V4", NULL };
	const char *word = "other";
	for (size_t i = 0; words[i]; i++)
		if (bytes_isi(mechanism, words[i]))
			word = words[i];
	ev_text(x, AUTH_SCHEME, word);
	s->auth_is_other = !bytes_startsi(bytes_str(word), "TLS") && strcmp(word, "SSL") != 0;
}

static bool client_line(struct dx *x, struct state *s, struct bytes line)
{
	struct cur c = cur_of(line);
	struct bytes word = cur_until(&c, ' '), argument = cur_rest(&c);
	const struct verb *verb = verb_of(word);
	struct addr ip = x->conv->src;
	uint16_t port;
	/* RFC 959 5.3.1: three or four letters. Others' words are not shown: it may be a mistyped password.
	 */
	if (!verb && (word.n < 3 || word.n > 4 || !ascii_alpha(bytes_at(word, 0))))
		return s->is_lost;
	ev_begin(x, EV_COMMAND);
	ev_text(x, COMMAND, verb ? verb->name : "other");
	if (verb && verb->kind == WITH_PATH)
		ev_str(x, PATH, argument);
	else if (verb && verb->kind == IS_AUTH)
		emit_auth(x, s, argument);
	else if (verb && verb->kind == IS_PORT && read_host_port(argument, &ip, &port))
		announce(x, &ip, port, &x->conv->src);
	else if (verb && verb->kind == IS_EPRT && read_extended(argument, &ip, &port))
		announce(x, &ip, port, &x->conv->src);
	ev_end(x);
	if (verb && verb->kind == IS_USER)
		on_user(x, s, argument);
	else if (verb && (verb->kind == IS_PASS || verb->kind == IS_ACCT))
		on_pass(x, s, argument, verb->kind == IS_ACCT);
	return true;
}

/* ---- the server ---------------------------------------------------------------------------------- */

/* A first line is often only decoration: "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------". */
static struct bytes without_frame(struct bytes text)
{
	text = bytes_trim(text);
	while (text.n && bytes_chr(bytes_str("-=*#_ "), 0, (uint8_t)bytes_at(text, 0)) < 6)
		text = bytes_from(text, 1);
	while (text.n && bytes_chr(bytes_str("-=*#_ "), 0, (uint8_t)bytes_at(text, text.n - 1)) < 6)
		text.n--;
	return text;
}

/* The greeting's first line with words in it. */
static void banner_line(struct dx *x, struct state *s, struct bytes text)
{
	text = without_frame(text);
	if (s->has_banner || text.n == 0)
		return;
	s->has_banner = true;
	ev_begin(x, EV_BANNER);
	ev_str(x, BANNER, text);
	ev_end(x);
	ob_begin(x, OB_SENDER);
	ob_str(x, ATTR_BANNER, text, BANNER_SURE);
	ob_end(x);
}

/* RFC 959 5.4 SYST: a name of the Assigned Numbers. "UNIX" is what every server says, also on Windows. */
static void system_reply(struct dx *x, struct bytes text)
{
	text = bytes_trim(text);
	ev_begin(x, EV_SYSTEM);
	ev_str(x, SYSTEM, text);
	ev_end(x);
	const char *os = bytes_startsi(text, "Windows")   ? "Windows"
			 : bytes_startsi(text, "VxWorks") ? "VxWorks"
							  : NULL;
	if (!os)
		return;
	ob_begin(x, OB_SENDER);
	ob_text(x, ATTR_OS_NAME, os, SYSTEM_SURE);
	ob_end(x);
}

static void passive_reply(struct dx *x, unsigned code, struct bytes text)
{
	struct addr ip = x->conv->dst;
	uint16_t port;
	bool ok = code == 227 ? read_host_port(text, &ip, &port)
			      : read_extended(bytes_from(text, bytes_chr(text, 0, '(') + 1), &ip, &port);
	if (!ok)
		return;
	ev_begin(x, EV_DATA);
	announce(x, &ip, port, &x->conv->dst);
	ev_end(x);
}

static void reply(struct dx *x, struct state *s, unsigned code, struct bytes text)
{
	login_reply(x, s, code);
	if (code == 215)
		system_reply(x, text);
	else if (code == 227 || code == 229)
		passive_reply(x, code, text);
	else if (code == 234 && !s->auth_is_other) /* RFC 4217 4: TLS begins behind this line */
		dx_encrypted(x);
}

/* RFC 959 4.2: "123-" begins a reply of several lines, "123 " ends it, between them anything may stand. */
static bool server_line(struct dx *x, struct state *s, struct bytes line)
{
	unsigned code = code_of(line);
	struct bytes text = bytes_from(line, 4);
	bool goes_on = bytes_at(line, 3) == '-';
	s->server_spoke = true;
	if (s->multi) {
		if (s->multi == 220)
			banner_line(x, s, code == 220 ? text : line);
		if (code != s->multi || goes_on)
			return true;
		s->multi = 0;
		if (code != 220)
			reply(x, s, code, text);
		return true;
	}
	if (code == 0)
		return s->is_lost;
	if (code == 220)
		banner_line(x, s, text);
	if (goes_on)
		s->multi = (uint16_t)code;
	else if (code != 220)
		reply(x, s, code, text);
	return true;
}

static void end(struct dx *x)
{
	struct state *s = x->state;
	if (s->has_secret) /* nobody answered */
		login(x, s, CREDENTIAL_UNKNOWN, 0);
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	struct bytes line = line_of(in);
	if (x->after_gap && x->dir == DIR_SERVER)
		s->multi = 0;
	s->is_lost |= x->after_gap || x->midstream;
	if (line.n == 0)
		return true;
	return x->dir == DIR_CLIENT ? client_line(x, s, line) : server_line(x, s, line);
}

/* ---- where it begins ------------------------------------------------------------------------------ */

static bool has_word(struct bytes in, const char *word)
{
	for (size_t i = 0; i < in.n; i++)
		if (bytes_startsi(bytes_from(in, i), word))
			return true;
	return false;
}

/* SMTP greets with 220 as well, POP3 knows USER, PASS, LIST and RETR: the server's own word decides, else a
 * command or a reply that only FTP has. */
static enum probe_result probe_server(struct bytes line, bool is_whole)
{
	static const char *const only_ftp[] = { "150 ", "226 ", "226-", "227 ", "229 ", "331 ", NULL };
	for (size_t i = 0; only_ftp[i]; i++)
		if (bytes_startsi(line, only_ftp[i]))
			return PROBE_YES;
	if (line.n < 4 && ascii_digit(bytes_at(line, 0)))
		return PROBE_MORE;
	if (code_of(line) != 220 || has_word(line, "SMTP"))
		return PROBE_NO;
	if (has_word(line, "FTP"))
		return PROBE_YES;
	if (has_word(line, "mail"))
		return PROBE_NO;
	return is_whole ? PROBE_YES : PROBE_MORE;
}

static enum probe_result probe(struct bytes first, enum dir dir)
{
	static const char *const only_ftp[] = { "USER ", "AUTH TLS", "AUTH SSL", "FEAT", "SYST", "OPTS ",
		"PASV", "EPSV", "PORT ", "EPRT ", "CWD ", "PWD", "TYPE ", "STOR ", "APPE ", "NLST", "MLSD",
		"MDTM ", "SIZE ", NULL };
	struct bytes line = bytes_first(first, bytes_chr(first, 0, '\n'));
	bool is_whole = line.n < first.n || first.n >= 64;
	if (dir == DIR_SERVER)
		return probe_server(line, is_whole);
	for (size_t i = 0; only_ftp[i]; i++)
		if (bytes_startsi(line, only_ftp[i]))
			return is_whole ? PROBE_YES : PROBE_MORE;
	return !is_whole && (verb_of(bytes_first(line, 4)) || line.n < 4) ? PROBE_MORE : PROBE_NO;
}

/* Lines find themselves: a line's rest behind a gap is no command and no reply, and is passed over. */
static size_t resync(struct bytes in)
{
	(void)in;
	return 0;
}

const struct dissector dissector_ftp = {
	.name = "ftp",
	.l4 = L4_TCP,
	.ports = { 21 },
	.max_pdu = 4096,
	.state_size = sizeof(struct state),
	.fields = fields,
	.events = events,
	.probe = probe,
	.frame = frame_line,
	.pdu = pdu,
	.end = end,
	.resync = resync,
};

/* ---- ftp_data: the announced connections. They are named by this, and nothing in them is read. ------ */

static const struct field data_fields[] = { { 0 } };
static const char *const data_events[] = { NULL };

static enum probe_result data_probe(struct bytes first, enum dir dir)
{
	(void)first;
	(void)dir;
	return PROBE_NO; /* only an expectation tells it */
}

static int64_t data_frame(struct dx *x, struct bytes in)
{
	(void)x;
	return in.n ? 1 : FRAME_MORE;
}

static bool data_pdu(struct dx *x, struct bytes in)
{
	(void)in;
	dx_done(x, true);
	return true;
}

const struct dissector dissector_ftp_data = {
	.name = "ftp_data",
	.l4 = L4_TCP,
	.max_pdu = 16,
	.fields = data_fields,
	.events = data_events,
	.probe = data_probe,
	.frame = data_frame,
	.pdu = data_pdu,
};
