/* The values of an item, typed by its modifiers and the YAML (policy-language.md 7.3, 8, 15). */
#include "decide/detect_impl.h"

#include <math.h>
#include <stdio.h>

/* Nodes of the document go before the detection does. */
static struct bytes kept(struct compiler *c, const struct yaml_node *v)
{
	return bytes_of(arena_text(&c->d->memory, yaml_text(v)), v->text_n);
}

static void lint_plain(struct compiler *c, const struct yaml_node *v)
{
	static const char *const words[] = { "yes", "no", "on", "off", NULL };
	struct bytes t = yaml_text(v);
	if (v->quoted)
		return;
	for (size_t i = 0; v->type == YAML_STRING && words[i]; i++)
		if (bytes_isi(t, words[i]))
			compile_warning(c, v, "W110",
				"this is a text here, but true or false to older YAML readers: quote it");
	size_t at = bytes_at(t, 0) == '-' || bytes_at(t, 0) == '+';
	if (v->type == YAML_INT && t.n - at > 1 && t.p[at] == '0' && ascii_digit(t.p[at + 1]))
		compile_warning(
			c, v, "W111", "this is decimal here, but octal to older YAML readers: drop the zero");
	if (v->type != YAML_STRING)
		return;
	size_t digits = 0, marks = 0;
	for (size_t i = 0; i < t.n; i++) {
		digits += ascii_digit(t.p[i]);
		marks += t.p[i] == '-' || t.p[i] == ':' || t.p[i] == '_';
	}
	if (marks && marks < digits && digits + marks == t.n)
		compile_warning(c, v, "W112",
			"this is a text here, but a date or number to older YAML readers: quote it");
}

/* ---- texts ------------------------------------------------------------------------------- */

static void pattern_value(struct compiler *c, bool cased, const struct pattern *text, struct value *out)
{
	struct arena *a = &c->d->memory;
	out->kind = VALUE_PATTERN;
	out->text = *text;
	if (!text->wild && text->n < ADDR_TEXT)
		out->is_ip = addr_parse(pattern_bytes(a, text), &out->ip);
	if (cased || c->env->as_written)
		out->text.cased = cased;
	else
		pattern_fold(&out->text);
	out->mac = pattern_new(a, text->n);
	out->mac.wild = text->wild;
	for (size_t i = 0; i < text->n; i++) {
		uint32_t u = text->unit[i];
		if (u != ':' && u != '-' && u != '.')
			out->mac.unit[out->mac.n++] = utf8_fold(u);
	}
}

static bool value_text(struct compiler *c, const struct chain *ch, const struct yaml_node *at,
	struct bytes text, struct value *out)
{
	struct arena *a = &c->d->memory;
	struct pattern first;
	struct texts t = { .list = &first, .n = 1 };
	if (c->units > MAX_UNITS)
		return false; /* which was said */
	pattern_parse(a, text, true, &first);
	if (!texts_fit(c, at, &t))
		return false;
	for (unsigned i = 0; i < ch->n_steps; i++)
		if (!texts_step(c, at, &ch->step[i], &t))
			return false;
	/* A keyword is looked for inside the texts of the event. */
	for (size_t i = 0; ch->it->keyword && !ch->opens_start && !ch->opens_end && i < t.n; i++)
		pattern_open(&t.list[i], true, true);
	if (!t.many) {
		pattern_value(c, ch->it->cased, &t.list[0], out);
		return true;
	}
	out->kind = VALUE_ANY;
	out->n_any = (unsigned)t.n;
	out->any = arena_get(a, (t.n + 1) * sizeof *out->any);
	for (size_t i = 0; i < t.n; i++)
		pattern_value(c, ch->it->cased, &t.list[i], &out->any[i]);
	return true;
}

/* ---- regular expressions ------------------------------------------------------------------- */

/* contains and its like: "anything" at the ends that have no anchor. For a search it changes nothing. */
static struct bytes regex_open(struct compiler *c, const struct chain *ch, struct bytes t)
{
	bool start = ch->opens_start && !bytes_starts(t, ".*") && t.p[0] != '^';
	bool end =
		ch->opens_end && t.p[t.n - 1] != '$' && !(t.n > 1 && bytes_is(bytes_from(t, t.n - 2), ".*"));
	char *out = arena_get(&c->d->memory, t.n + 5);
	size_t n = start ? 2 : 0;
	memcpy(out, ".*", n);
	memcpy(out + n, t.p, t.n);
	memcpy(out + n + t.n, ".*", end ? 2 : 0);
	return bytes_of(out, n + t.n + (end ? 2 : 0));
}

/* What a scalar that is no text says to a regular expression; the reference takes it so (Python's names). */
static struct bytes scalar_text(struct compiler *c, const struct yaml_node *v)
{
	if (v->type == YAML_STRING)
		return kept(c, v);
	compile_warning(c, v, "W160", "a regular expression is a text: put it in quotes");
	if (v->type == YAML_NULL)
		return bytes_str("None");
	return v->type == YAML_BOOL ? bytes_str(v->integer ? "True" : "False") : kept(c, v);
}

static bool regex_refused(struct compiler *c, const struct yaml_node *v, size_t offset, const char *why)
{
	if (offset == SIZE_MAX)
		compile_error(c, v, "E161", "regular expression: %s", why);
	else
		compile_error(c, v, "E161", "regular expression, at byte %zu: %s", offset, why);
	return false;
}

static bool value_regex(
	struct compiler *c, const struct chain *ch, const struct yaml_node *v, struct value *out)
{
	struct arena *a = &c->d->memory;
	struct detect *d = c->d;
	struct regex_error error;
	const char *why;
	bool led;
	if (v->type != YAML_STRING && ch->n_steps) {
		compile_error(c, v, "E151", "a text is needed here, and this is %s: put it in quotes",
			yaml_type_name(v->type));
		return false;
	}
	if (d->n_regexes == MAX_REGEXES) {
		compile_error(c, v, "E147", "more than %d regular expressions in one rule", MAX_REGEXES);
		return false;
	}
	struct bytes t = scalar_text(c, v);
	out->kind = VALUE_REGEX;
	for (unsigned i = 0; i < ch->n_steps; i++)
		if (ch->step[i].mod == MOD_EXPAND && !regex_expand(c, v, &t))
			return false;
	if ((ch->opens_start || ch->opens_end) && t.n == 0)
		return regex_refused(c, v, SIZE_MAX, "an empty one has no ends to open");
	out->written = ch->opens_start || ch->opens_end ? regex_open(c, ch, t) : t;
	out->regex_flags = ch->regex_flags;
	out->regex_rewritten = regex_rewrite(a, t, &out->regex_flags, &led, &error);
	if (!out->regex_rewritten)
		return regex_refused(c, v, error.offset, error.text);
	if (led)
		compile_warning(c, v, "W161",
			"flags inside a regular expression are deprecated: write them as modifiers, `|re|i`");
	out->regex = regex_compile(a, out->regex_rewritten, out->regex_flags, &d->scratch, &why);
	if (!out->regex)
		return regex_refused(c, v, SIZE_MAX, why);
	arena_grow(a, &d->regexes, &d->cap_regexes, d->n_regexes, sizeof(struct regex *));
	d->regexes[d->n_regexes++] = out->regex;
	return true;
}

/* ---- numbers and networks -------------------------------------------------------------------- */

static bool value_cidr(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	struct bytes t = yaml_text(v);
	size_t slash = bytes_chr(t, 0, '/');
	uint64_t bits = 0;
	bool fine = v->type == YAML_STRING && addr_parse(bytes_first(t, slash), &out->ip);
	unsigned width = fine && out->ip.family == 4 ? 32 : 128;
	fine = fine && (slash == t.n || (bytes_to_u64(bytes_from(t, slash + 1), &bits) && bits <= width));
	out->kind = VALUE_CIDR;
	out->written = kept(c, v);
	out->bits = slash == t.n ? width : (unsigned)bits;
	if (!fine) {
		compile_error(c, v, "E156", "a network like 10.40.0.0/16 or fd00:20::/32 is needed here");
		return false;
	}
	/* Byte 12 on holds an IPv4 address. */
	unsigned from = out->ip.family == 4 ? 96 : 0;
	struct addr net = out->ip;
	for (unsigned bit = from + out->bits; bit < 128; bit++)
		net.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	if (!addr_eq(&net, &out->ip)) {
		char text[ADDR_TEXT];
		compile_error(c, v, "E156", "this network has host bits set: write %s/%u",
			addr_text(&net, text), out->bits);
		return false;
	}
	return true;
}

static bool value_number(
	struct compiler *c, const struct yaml_node *v, const struct item *it, struct value *out)
{
	out->kind = VALUE_NUMBER;
	if (v->type != YAML_INT && v->type != YAML_FLOAT) {
		compile_error(c, v, "E157", "a number without quotes is needed here");
		return false;
	}
	if (v->type == YAML_FLOAT && !isfinite(v->number)) {
		compile_error(c, v, "E145", "infinity and not-a-number are no values to compare with");
		return false;
	}
	out->number = v->type == YAML_INT ? (long double)v->integer : (long double)v->number;
	if (v->type == YAML_FLOAT && it->aspect != ASPECT_VALUE) {
		compile_warning(c, v, "W157", "only the whole part of this number counts here");
		out->number = truncl(out->number);
	}
	return true;
}

static bool value_phi(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	const char *names[PHI_CLASSES];
	struct bytes t = yaml_text(v);
	enum privacy class = v->type == YAML_STRING ? phi_by_name(t) : PHI_NONE;
	out->kind = VALUE_PHI;
	out->phi = bytes_is(t, "any") ? UINT32_MAX : class != PHI_NONE ? PHI_BIT(class) : 0;
	if (out->phi)
		return true;
	for (unsigned i = 0; i < PHI_CLASSES; i++)
		names[i] = phi_name((enum privacy)(PHI_NONE + 1 + i));
	const char *near = diag_nearest(t, names, PHI_CLASSES);
	compile_error(c, v, "E163", "there is no class of patient data \"%s\"%s%s%s", v->text ? v->text : "",
		near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	return false;
}

static bool value_field(
	struct compiler *c, const struct chain *ch, const struct yaml_node *v, struct value *out)
{
	struct pattern p;
	const struct schema *s = c->d->schema;
	out->kind = VALUE_FIELD;
	out->written = kept(c, v);
	pattern_parse(&c->d->memory, yaml_text(v), true, &p);
	if (v->type != YAML_STRING || p.wild) {
		compile_error(c, v, "E151", "\"fieldref\" takes the name of a field, without wildcards");
		return false;
	}
	int field = field_resolve(c, v, yaml_text(v));
	if (field < 0)
		return false;
	out->field = (uint16_t)field;
	bool other_phi = privacy_is_phi(s->privacy(s, out->field));
	bool phi = ch->it->field != FIELD_EVENT && privacy_is_phi(s->privacy(s, ch->it->field));
	if (phi != other_phi || (phi && (ch->opens_start || ch->opens_end))) {
		compile_error(
			c, v, "E182", "patient data can only be compared as a whole, and with patient data");
		return false;
	}
	return true;
}

/* ---- extensions ----------------------------------------------------------------------------- */

static bool value_age(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	uint64_t ns = 0;
	out->kind = VALUE_NUMBER;
	struct bytes text = v->type == YAML_STRING ? yaml_text(v) : (struct bytes){ 0 };
	bool future = bytes_starts(text, "-"); /* what is in an hour is an hour less than nothing old */
	bool fine = duration_parse(bytes_from(text, future), &ns);
	out->number = future ? -(long double)ns : (long double)ns;
	if (!fine)
		compile_error(c, v, "E163", "a duration like 30s, 10m, 4h, 7d, 2w or -1h is needed here");
	return fine;
}

static bool value_version(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	out->kind = VALUE_VERSION;
	out->written = kept(c, v);
	if (v->type != YAML_STRING) {
		compile_error(c, v, "E151", "a version is a text, as 2.20 is not 2.2: put it in quotes");
		return false;
	}
	if (version_known(out->written))
		return true;
	compile_error(c, v, "E163",
		"\"%s\" cannot be read as a version, so nothing would ever compare with it", v->text);
	return false;
}

static bool value_uid(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	struct bytes t = out->written = kept(c, v);
	bool fine = v->type == YAML_STRING && t.n > 0 && t.n <= 64;
	for (size_t i = 0; fine && i < t.n; i++) {
		bool first = i == 0 || t.p[i - 1] == '.', last = i + 1 == t.n || t.p[i + 1] == '.';
		fine = t.p[i] == '.' ? !first && i + 1 < t.n
				     : ascii_digit(t.p[i]) && !(first && !last && t.p[i] == '0');
	}
	out->kind = VALUE_UID;
	if (!fine)
		compile_error(
			c, v, "E163", "an object identifier like '1.2.840.10008.5.1.4.1.1' is needed here");
	return fine;
}

static bool value_in_list(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	out->kind = VALUE_LIST;
	if (v->type != YAML_STRING) {
		compile_error(c, v, "E151", "\"in_list\" takes the name of a list, and this is %s",
			yaml_type_name(v->type));
		return false;
	}
	out->list = list_named(c, v, yaml_text(v));
	return out->list != NULL;
}

/* ---- all of them ------------------------------------------------------------------------------ */

static bool needs_text(struct compiler *c, const struct yaml_node *v)
{
	if (v->type == YAML_STRING)
		return true;
	compile_error(c, v, "E151", "a text is needed here, and this is %s: put it in quotes",
		yaml_type_name(v->type));
	return false;
}

/* A value without modifiers that give it a type: what the YAML says it is. */
static bool value_typed(
	struct compiler *c, const struct chain *ch, const struct yaml_node *v, struct value *out)
{
	char number[32];
	bool keyword = ch->it->keyword && ch->n == 0;
	if (keyword && v->type == YAML_INT) {
		snprintf(number, sizeof number, "%lld", (long long)v->integer);
		return value_text(c, ch, v, bytes_str(number), out);
	}
	if (v->type == YAML_STRING || (keyword && v->type != YAML_NULL))
		return value_text(c, ch, v, yaml_text(v), out);
	if (ch->it->keyword)
		return needs_text(c, v);
	if (v->type == YAML_INT || v->type == YAML_FLOAT)
		return value_number(c, v, ch->it, out);
	out->kind = v->type == YAML_BOOL ? VALUE_BOOL : VALUE_NULL;
	out->truth = v->integer != 0;
	return true;
}

static bool value_exists(struct compiler *c, const struct yaml_node *v, bool in_list, struct value *out)
{
	out->kind = VALUE_BOOL;
	out->truth = v->integer != 0;
	if (v->type != YAML_BOOL || in_list)
		compile_error(c, v, "E153", "\"exists\" takes true or false");
	return v->type == YAML_BOOL && !in_list;
}

/* After exists, phi, version_..., in_list, uid_under. */
static bool value_other(struct compiler *c, const struct chain *ch, const struct yaml_node *v, bool in_list,
	struct value *out)
{
	if (ch->it->aspect == ASPECT_EXISTS)
		return value_exists(c, v, in_list, out);
	if (ch->it->aspect == ASPECT_PHI)
		return value_phi(c, v, out);
	if (ch->step[0].mod == MOD_VERSION)
		return value_version(c, v, out);
	return ch->step[0].mod == MOD_UID_UNDER ? value_uid(c, v, out) : value_in_list(c, v, out);
}

bool value_compile(struct compiler *c, const struct chain *ch, const struct yaml_node *v, bool in_list,
	struct value *out)
{
	if (v->type == YAML_LIST || v->type == YAML_MAP) {
		compile_error(c, v, "E141", "a single value is needed here, and this is %s",
			yaml_type_name(v->type));
		return false;
	}
	if (v->type == YAML_NULL && in_list) {
		compile_error(
			c, v, "E181", "null cannot stand in a list: write an item of its own, `field: null`");
		return false;
	}
	if (ch->it->aspect == ASPECT_MEMBER)
		return member_value(c, ch->it, v, out);
	if (ch->it->aspect != ASPECT_EXISTS)
		lint_plain(c, v);
	switch (ch->type) {
	case CHAIN_TEXT:
		return needs_text(c, v) && value_text(c, ch, v, yaml_text(v), out);
	case CHAIN_REGEX:
		return value_regex(c, ch, v, out);
	case CHAIN_CIDR:
		return value_cidr(c, v, out);
	case CHAIN_FIELD:
		return value_field(c, ch, v, out);
	case CHAIN_COMPARED:
	case CHAIN_MEASURE:
		return ch->it->aspect == ASPECT_AGE ? value_age(c, v, out) : value_number(c, v, ch->it, out);
	case CHAIN_OTHER:
		return value_other(c, ch, v, in_list, out);
	case CHAIN_PLAIN:
		break;
	}
	return value_typed(c, ch, v, out);
}

bool value_of_list(struct compiler *c, const struct yaml_node *v, struct value *out)
{
	struct item any = { 0 };
	struct chain plain = { .it = &any };
	bool network = v->type == YAML_STRING && bytes_chr(yaml_text(v), 0, '/') < v->text_n;
	struct addr a;
	if (network && addr_parse(bytes_first(yaml_text(v), bytes_chr(yaml_text(v), 0, '/')), &a))
		return value_cidr(c, v, out);
	return value_compile(c, &plain, v, true, out);
}
