/*
 * Telnet (RFC 854): what the server says before the login, who logs in and with what success, what the client
 * tells of its terminal and environment. Names and passwords are judged here and forgotten.
 *
 * A unit is an IAC sequence, or data up to and with one of a few bytes at which something can be decided: the
 * end of a line, or the last byte of a prompt, behind which the server waits without ending the line.
 */
#include "dissect.h"

enum { EV_BANNER, EV_LOGIN, EV_SESSION, EV_TERMINAL, EV_ENVIRONMENT, EV_AUTHENTICATION };
static const char *const events[] = {
	[EV_BANNER] = "banner",
	[EV_LOGIN] = "login",
	[EV_SESSION] = "session", /* a shell that asked for no login */
	[EV_TERMINAL] = "terminal",
	[EV_ENVIRONMENT] = "environment",
	[EV_AUTHENTICATION] = "authentication",
	NULL,
};

enum { BANNER, AUTH_SCHEME, OUTCOME, TERMINAL_TYPE, ENV_NAMES, AUTH_BYPASS };
static const struct field fields[] = {
	[BANNER] = { "telnet.banner", FACT_STR, SUSPECT, false },
	[AUTH_SCHEME] = { "telnet.auth_scheme", FACT_STR, OPEN, false },
	[OUTCOME] = { "event.outcome", FACT_STR, OPEN, false },
	[TERMINAL_TYPE] = { "telnet.terminal_type", FACT_STR, SUSPECT, false },
	[ENV_NAMES] = { "telnet.env_names", FACT_STR, OPEN, true },
	[AUTH_BYPASS] = { "telnet.auth_bypass", FACT_BOOL, OPEN, false },
	{ 0 },
};

/* RFC 854, and RFC 1184 for EOF, SUSP and ABORT, RFC 885 for EOR. */
enum { IAC = 255, DONT = 254, WILL = 251, SB = 250, SE = 240, FIRST_COMMAND = 236 };
/* RFC 1091, 2941, 2946, 1408, 1572. */
enum {
	OPT_TERMINAL_TYPE = 24,
	OPT_AUTHENTICATION = 37,
	OPT_ENCRYPT = 38,
	OPT_ENVIRON = 36,
	OPT_NEW_ENVIRON = 39
};
enum { LAST_OPTION = 49 };
enum { SUB_IS = 0, SUB_INFO = 2, ENCRYPT_START = 3 };
enum { ENV_VAR = 0, ENV_VALUE = 1, ENV_ESC = 2, ENV_USERVAR = 3 };

enum { RUN_BYTES = 256, LINE_BYTES = 128, BANNER_BYTES = 240, BANNER_SURE = 70, JUDGED_LINES = 2 };

struct text {
	uint8_t b[LINE_BYTES];
	size_t n;
};

enum phase {
	BEFORE,   /* nothing asked yet */
	HAS_USER, /* a name was given */
	WAITING,  /* a password was asked for and (if the client is seen) given */
	INSIDE,   /* the last attempt is judged */
};

struct state {
	uint8_t phase;    /* enum phase */
	bool client_seen; /* else the capture is one-sided */
	bool has_secret;  /* WAITING: the client's line was seen */
	bool after_cr;    /* client: CR LF and CR NUL are one line's end */
	bool banner_done; /* said, or the client has begun to speak */
	bool session_said;
	uint8_t lines;     /* WAITING: lines of the server since */
	struct text line;  /* the server's, since its last line's end */
	struct text typed; /* the client's */
	struct text user, secret;
	struct text asked; /* the prompt that the name, or the password alone, answered */
	uint16_t banner_n;
	uint8_t banner[BANNER_BYTES];
};

static struct bytes text_bytes(const struct text *t)
{
	return bytes_of(t->b, t->n);
}

static void forget(struct text *t)
{
	explicit_bzero(t->b, sizeof t->b);
	t->n = 0;
}

/* The end counts: when it is full the first half goes. */
static void add_byte(struct text *t, uint8_t b)
{
	if (b == 8 || b == 127) { /* BS, DEL */
		t->n -= t->n > 0;
		return;
	}
	if (b < ' ' && b != '\t')
		return;
	if (t->n == sizeof t->b) {
		t->n = sizeof t->b / 2;
		memmove(t->b, t->b + sizeof t->b / 2, t->n);
	}
	t->b[t->n++] = b;
}

static void set_text(struct text *t, struct bytes in)
{
	t->n = 0;
	for (struct cur c = cur_of(in); cur_more(&c) && t->n < sizeof t->b;)
		t->b[t->n++] = cur_u8(&c);
}

static bool ends_with(struct bytes in, const char *end)
{
	size_t n = strlen(end);
	return in.n >= n && bytes_isi(bytes_from(in, in.n - n), end);
}

static bool has_word(struct bytes in, const char *word)
{
	for (size_t i = 0; i < in.n; i++)
		if (bytes_startsi(bytes_from(in, i), word))
			return true;
	return false;
}

static bool has_any(struct bytes in, const char *const *words)
{
	for (; *words; words++)
		if (has_word(in, *words))
			return true;
	return false;
}

/* ---- prompts and answers ------------------------------------------------------------------------- */

enum prompt { PROMPT_NONE, PROMPT_USER, PROMPT_PASSWORD };

static const char *const last_words[] = { "last login", "last successful", "last failed", "last unsuccessful",
	"since the last", NULL };

static enum prompt asked_for(struct bytes text)
{
	static const char *const user_words[] = { "login", "logon", "user", "username", "user name", "userid",
		"user id", "benutzername", "utilisateur", "usuario", NULL };
	static const char *const password_words[] = { "password", "passwd", "passcode", "kennwort",
		"passwort", "mot de passe", NULL };
	for (size_t i = 0; password_words[i]; i++)
		if (ends_with(text, password_words[i]))
			return PROMPT_PASSWORD;
	if (has_word(text, "password for "))
		return PROMPT_PASSWORD;
	for (size_t i = 0; user_words[i]; i++)
		if (ends_with(text, user_words[i]))
			return PROMPT_USER;
	return PROMPT_NONE;
}

/* `line` ends with a colon. */
static enum prompt prompt_of(struct bytes line)
{
	struct bytes text = bytes_trim(bytes_first(line, line.n - 1));
	enum prompt kind = asked_for(text);
	bool is_report = kind != PROMPT_NONE && has_any(text, last_words); /* "Last login: Sat Nov 27" */
	return is_report ? PROMPT_NONE : kind;
}

/* "$", "host:~$", "switch#", "C:\>", "/ #", "[root@host /]#"; not "50%", "Error #", "<title>". */
static bool is_shell_prompt(struct bytes line)
{
	struct bytes text = bytes_trim(line);
	int last = bytes_at(text, text.n - 1), before = bytes_at(text, text.n - 2), first = bytes_at(text, 0);
	if (text.n == 0 || text.n > 64 || bytes_chr(bytes_str("$#%>"), 0, (uint8_t)last) == 4)
		return false;
	if ((last == '%' && ascii_digit(before)) || (last == '>' && bytes_chr(text, 0, '<') < text.n))
		return false;
	bool has_blank = bytes_chr(text, 0, ' ') < text.n;
	return !has_blank || first == '/' || first == '~' || (first == '[' && before == ']') ||
	       bytes_chr(text, 0, '@') < text.n;
}

static enum credential_outcome judge_line(struct bytes line)
{
	static const char *const refusals[] = { "incorrect", "fail", "denied", "invalid", "wrong", "refused",
		"rejected", "not allowed", "unsuccessful", "bad password", "bad login", "falsch", NULL };
	static const char *const welcomes[] = { "welcome", "logged in", "logged on", "successful", NULL };
	if (has_any(line, last_words))
		return CREDENTIAL_ACCEPTED;
	if (line.n <= 80 && has_any(line, refusals))
		return CREDENTIAL_REFUSED;
	return has_any(line, welcomes) ? CREDENTIAL_ACCEPTED : CREDENTIAL_UNKNOWN;
}

static void login(struct dx *x, struct state *s, enum credential_outcome outcome)
{
	static const char *const words[] = { [CREDENTIAL_UNKNOWN] = "unknown",
		[CREDENTIAL_ACCEPTED] = "success",
		[CREDENTIAL_REFUSED] = "failure" };
	ev_begin(x, EV_LOGIN);
	ev_text(x, AUTH_SCHEME, "password");
	ev_text(x, OUTCOME, words[outcome]);
	ev_end(x);
	dx_credential(x, &(struct credential){ .scheme = "password",
				 .user = text_bytes(&s->user),
				 .secret = text_bytes(&s->secret),
				 .secret_seen = s->has_secret,
				 .cleartext = true,
				 .outcome = outcome });
	forget(&s->secret);
	forget(&s->user);
	s->has_secret = false;
	s->phase = INSIDE;
}

/* ---- the server ---------------------------------------------------------------------------------- */

static void add_to_banner(struct state *s, struct bytes line)
{
	line = bytes_trim(line);
	if (s->banner_done || line.n == 0)
		return;
	if (s->banner_n && s->banner_n < BANNER_BYTES)
		s->banner[s->banner_n++] = ' ';
	for (struct cur c = cur_of(line); cur_more(&c) && s->banner_n < BANNER_BYTES;)
		s->banner[s->banner_n++] = cur_u8(&c);
}

static void say_banner(struct dx *x, struct state *s)
{
	struct bytes text = bytes_of(s->banner, s->banner_n);
	if (s->banner_done || x->midstream)
		return;
	s->banner_done = true;
	if (text.n == 0)
		return;
	ev_begin(x, EV_BANNER);
	ev_str(x, BANNER, text);
	ev_end(x);
	ob_begin(x, OB_SENDER);
	ob_str(x, ATTR_BANNER, text, BANNER_SURE);
	ob_end(x);
}

static void server_prompt(struct dx *x, struct state *s)
{
	struct bytes line = text_bytes(&s->line);
	enum prompt kind = prompt_of(line);
	if (kind == PROMPT_NONE)
		return;
	add_to_banner(s, line);
	say_banner(x, s);
	/* The first question again: what came between was not taken. */
	if (s->phase == WAITING && bytes_eq(bytes_trim(line), text_bytes(&s->asked)))
		login(x, s, CREDENTIAL_REFUSED);
	if (s->client_seen)
		return;
	/* One-sided: only the questions and the verdict are there. */
	if (kind == PROMPT_USER || s->phase != HAS_USER)
		set_text(&s->asked, bytes_trim(line));
	s->phase = kind == PROMPT_USER ? HAS_USER : WAITING;
	s->lines = 0;
}

static void server_line(struct dx *x, struct state *s)
{
	struct bytes line = bytes_trim(text_bytes(&s->line));
	while (bytes_at(line, 0) == '*') /* an echo of typed bytes */
		line = bytes_from(line, 1);
	if (line.n == 0)
		return;
	add_to_banner(s, line);
	if (s->phase != WAITING || s->lines >= JUDGED_LINES)
		return;
	s->lines++;
	enum credential_outcome outcome = judge_line(line);
	if (outcome != CREDENTIAL_UNKNOWN)
		login(x, s, outcome);
}

static void from_server(struct dx *x, struct state *s, struct bytes in)
{
	int last = bytes_at(in, in.n - 1);
	for (struct cur c = cur_of(in); cur_more(&c);)
		add_byte(&s->line, cur_u8(&c));
	if (last == '\r' || last == '\n') {
		server_line(x, s);
		s->line.n = 0;
	} else if (last == ':')
		server_prompt(x, s);
	else if (s->phase == WAITING && is_shell_prompt(text_bytes(&s->line)))
		login(x, s, CREDENTIAL_ACCEPTED);
}

/* ---- the client ---------------------------------------------------------------------------------- */

/* What the server stands at, its echo of the typed line (perhaps half of it yet) left out. */
static enum prompt open_prompt(const struct state *s, struct bytes typed, struct bytes *prompt)
{
	struct bytes line = text_bytes(&s->line);
	for (size_t n = line.n; n > 0; n--) {
		if (bytes_at(line, n - 1) != ':')
			continue;
		struct bytes echo = bytes_trim(bytes_from(line, n));
		*prompt = bytes_first(line, n);
		enum prompt kind = prompt_of(*prompt);
		if (kind != PROMPT_NONE && bytes_eq(echo, bytes_first(typed, echo.n)))
			return kind;
	}
	return PROMPT_NONE;
}

static void client_line(struct dx *x, struct state *s)
{
	struct bytes typed = text_bytes(&s->typed), prompt;
	enum prompt kind = open_prompt(s, typed, &prompt);
	if (kind == PROMPT_USER && typed.n) {
		if (s->phase == WAITING && s->has_secret)
			login(x, s, CREDENTIAL_UNKNOWN);
		set_text(&s->user, typed);
		set_text(&s->asked, bytes_trim(prompt));
		s->phase = HAS_USER;
	} else if (kind == PROMPT_PASSWORD) {
		if (s->phase == WAITING && s->has_secret)
			login(x, s, CREDENTIAL_UNKNOWN);
		if (s->phase != HAS_USER)
			set_text(&s->asked, bytes_trim(prompt));
		set_text(&s->secret, typed);
		s->has_secret = true;
		s->phase = WAITING;
		s->lines = 0;
	} else if (s->phase == WAITING && s->has_secret && s->lines) {
		login(x, s, CREDENTIAL_UNKNOWN); /* it went on with something that is no shell */
	} else if (s->phase == BEFORE && !s->session_said && !x->midstream && !x->after_gap &&
		   is_shell_prompt(text_bytes(&s->line))) {
		s->session_said = true;
		ev_begin(x, EV_SESSION);
		ev_text(x, AUTH_SCHEME, "none");
		ev_end(x);
	}
	s->banner_done = true; /* what the server echoes from now on may be a name */
}

static void from_client(struct dx *x, struct state *s, struct bytes in)
{
	for (struct cur c = cur_of(in); cur_more(&c);) {
		uint8_t b = cur_u8(&c);
		bool is_second = s->after_cr && (b == '\n' || b == 0); /* RFC 854: CR LF or CR NUL */
		s->after_cr = b == '\r';
		if (b == 21) /* ^U kills the line */
			forget(&s->typed);
		if (b != '\r' && b != '\n')
			add_byte(&s->typed, b);
		else if (!is_second) {
			client_line(x, s);
			forget(&s->typed);
		}
	}
}

/* ---- IAC ------------------------------------------------------------------------------------------- */

/* A name or value of an environment: up to the next mark; ESC takes a byte's meaning (RFC 1572). */
static struct bytes env_part(struct cur *c)
{
	struct bytes all = cur_peek(c);
	size_t n = 0;
	for (int b; (b = bytes_at(all, n)) >= 0; n++) {
		if (b == ENV_ESC)
			n++;
		else if (b <= ENV_USERVAR)
			break;
	}
	return cur_take(c, n < all.n ? n : all.n);
}

/* Well-known variables (RFC 1408, 1572) and those that clients send. Another name may be a value: early
 * implementations had the codes of VAR and VALUE the wrong way round (RFC 1571). */
static const char *env_name(struct bytes name)
{
	static const char *const known[] = { "USER", "JOB", "ACCT", "PRINTER", "SYSTEMTYPE", "DISPLAY",
		"TERM", "LANG", "PATH", "HOME", "SHELL", "LOGNAME", "HOSTNAME", "TZ", "LD_LIBRARY_PATH",
		"LD_PRELOAD", "IFS", "ENV", "COLORTERM", "DEVNAME", "KBDTYPE", "CODEPAGE", "CHARSET",
		"IBMRSEED", "IBMSUBSPW" };
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (bytes_isi(name, known[i]))
			return known[i];
	return "other";
}

/* Only the names are shown. A USER that is an option ("-f root") is handed to login(1) by servers that do not
 * look: CVE-2007-0882, CVE-2026-24061. */
static void environment(struct dx *x, struct cur c)
{
	bool bypass = false;
	ev_begin(x, EV_ENVIRONMENT);
	for (unsigned i = 0; i < 32 && cur_more(&c); i++) {
		cur_skip(&c, 1);
		struct bytes name = env_part(&c), value = { 0 };
		if (bytes_at(cur_peek(&c), 0) == ENV_VALUE) {
			cur_skip(&c, 1);
			value = env_part(&c);
		}
		if (name.n)
			ev_text(x, ENV_NAMES, env_name(name));
		bypass |= bytes_isi(name, "USER") && bytes_at(bytes_trim(value), 0) == '-';
	}
	ev_bool(x, AUTH_BYPASS, bypass);
	ev_end(x);
}

/* RFC 2941 4, the numbers of IANA's registry. */
static void authentication(struct dx *x, uint8_t type)
{
	static const char *const names[] = { NULL, "kerberos_v4", "kerberos_v5", "spx", "minipk", "srp",
		"rsa", "ssl", [10] = "loki", "ssa", "kea_sj", "kea_sj_integ", "dss", "ntlm" };
	if (type == 0) /* the client will not */
		return;
	ev_begin(x, EV_AUTHENTICATION);
	ev_text(x, AUTH_SCHEME, type < sizeof names / sizeof *names && names[type] ? names[type] : "other");
	ev_end(x);
}

/* IAC SB option ... IAC SE. */
static void subnegotiation(struct dx *x, struct bytes in)
{
	struct cur c = cur_of(bytes_sub(in, 2, in.n - 4));
	uint8_t option = cur_u8(&c), verb = cur_u8(&c);
	if (!cur_ok(&c))
		return;
	if (option == OPT_TERMINAL_TYPE && verb == SUB_IS) {
		ev_begin(x, EV_TERMINAL);
		ev_str(x, TERMINAL_TYPE, bytes_trim(cur_rest(&c)));
		ev_end(x);
	} else if ((option == OPT_NEW_ENVIRON || option == OPT_ENVIRON) &&
		   (verb == SUB_IS || verb == SUB_INFO) && cur_more(&c))
		environment(x, c);
	else if (option == OPT_AUTHENTICATION && verb == SUB_IS)
		authentication(x, cur_u8(&c));
	else if (option == OPT_ENCRYPT && verb == ENCRYPT_START)
		dx_done(x, false); /* RFC 2946 3: what follows in this direction cannot be read */
}

static bool is_data(struct bytes in)
{
	return bytes_at(in, 0) != IAC || bytes_at(in, 1) == IAC;
}

static bool pdu(struct dx *x, struct bytes in)
{
	struct state *s = x->state;
	if (x->dir == DIR_CLIENT)
		s->client_seen = true;
	if (x->after_gap)
		(x->dir == DIR_CLIENT ? &s->typed : &s->line)->n = 0;
	if (!is_data(in)) {
		if (bytes_at(in, 1) == SB && !x->cut && in.n >= 5)
			subnegotiation(x, in);
		return bytes_at(in, 1) >= FIRST_COMMAND;
	}
	if (bytes_at(in, 0) == IAC) /* IAC IAC is one byte 255 */
		in = bytes_from(in, 1);
	if (x->dir == DIR_CLIENT)
		from_client(x, s, in);
	else
		from_server(x, s, in);
	return true;
}

static void end(struct dx *x)
{
	struct state *s = x->state;
	if (s->phase == WAITING && s->has_secret) /* nobody answered, or nothing that says how it went */
		login(x, s, CREDENTIAL_UNKNOWN);
}

/* ---- units ----------------------------------------------------------------------------------------- */

static int64_t frame_iac(struct bytes in)
{
	int command = bytes_at(in, 1);
	if (command < 0)
		return FRAME_MORE;
	if (command >= WILL && command <= DONT)
		return 3;
	if (command != SB)
		return 2;
	for (size_t at = bytes_chr(in, 2, IAC); at < in.n; at = bytes_chr(in, at + 2, IAC))
		if (bytes_at(in, at + 1) == SE)
			return (int64_t)at + 2;
	return FRAME_MORE;
}

static int64_t frame(struct dx *x, struct bytes in)
{
	static const char ends[] = "\r\n:>#$%";
	if (bytes_at(in, 0) == IAC)
		return frame_iac(in);
	for (size_t i = x->seen; i < in.n; i++) {
		int b = bytes_at(in, i);
		if (b == IAC)
			return (int64_t)i;
		if (bytes_chr(bytes_str(ends), 0, (uint8_t)b) < sizeof ends - 1 || i + 1 == RUN_BYTES)
			return (int64_t)i + 1;
	}
	return FRAME_MORE;
}

/* Any byte can begin a unit. */
static size_t resync(struct bytes in)
{
	(void)in;
	return 0;
}

/* Two negotiations in a row, or one and then text; or a prompt for a name or a password. */
static enum probe_result probe(struct bytes first, enum dir dir)
{
	struct cur c = cur_of(first);
	if (bytes_at(first, 0) == IAC) {
		cur_skip(&c, 1);
		uint8_t command = cur_u8(&c), option = cur_u8(&c);
		if (!cur_ok(&c))
			return first.n == 1 || command >= SB ? PROBE_MORE : PROBE_NO;
		int next = bytes_at(first, 3);
		bool goes_on = command == SB || next < 0 || next == IAC || next == '\r' || next == '\n' ||
			       (next >= ' ' && next < 127);
		return command >= SB && command < IAC && option <= LAST_OPTION && goes_on ? PROBE_YES
											  : PROBE_NO;
	}
	for (size_t i = 0; i < first.n; i++) {
		int b = bytes_at(first, i);
		if ((dir == DIR_CLIENT && b > ' ') || b >= 127 ||
			(b < ' ' && b != '\r' && b != '\n' && b != '\t' && b != 0 && b != 27))
			return PROBE_NO;
		if (b == ':' && dir == DIR_SERVER && prompt_of(bytes_first(first, i + 1)) != PROMPT_NONE)
			return PROBE_YES;
	}
	return first.n < 64 ? PROBE_MORE : PROBE_NO;
}

const struct dissector dissector_telnet = {
	.name = "telnet",
	.l4 = L4_TCP,
	.ports = { 23, 2323, 1023 },
	.max_pdu = 1024,
	.state_size = sizeof(struct state),
	.fields = fields,
	.events = events,
	.probe = probe,
	.frame = frame,
	.pdu = pdu,
	.end = end,
	.resync = resync,
};
