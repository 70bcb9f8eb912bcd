#include "decide/version.h"

enum style { STYLE_DOTTED, STYLE_LETTER, STYLE_REGION, STYLE_DATE };
enum { LEVELS = 4, ID_PARTS = 4 };

struct level {
	char letter;
	struct bytes number;
};

/* 12, 12a, 3V1L10 */
struct field {
	struct bytes number;
	char letter; /* 0: none */
	struct level level[LEVELS];
	unsigned n_levels;
	bool glued; /* a small letter before a number, 30b3: an early or a late release, who knows */
};

struct version {
	char text[VERSION_BYTES + 1]; /* folded: the views below point into it */
	enum style style;
	char prefix[5];
	struct field field[VERSION_FIELDS];
	unsigned n;
	unsigned pre; /* 0: none; 1 alpha ... */
	struct bytes pre_number;
	unsigned kind; /* of the build: 0 none, a row of kinds + 1, or a letter */
	struct bytes id[ID_PARTS];
	unsigned n_id;
};

static const struct {
	const char *word;
	unsigned kind;
} kinds[] = { { "service pack", 1 }, { "sp", 1 }, { "sr", 2 }, { "mr build", 3 }, { "build", 3 },
	{ "hotfix", 4 }, { "hf", 4 }, { "patch", 5 }, { "update", 6 }, { "cu", 7 }, { "bn", 8 }, { "gma", 9 },
	{ "mr", 10 } };

static const char *const pres[] = { "alpha", "beta", "pre", "rc" };

/* Longest first, where one begins another. */
static const char *const labels[] = { "software version", "firmware version", "versions", "version", "vers",
	"ver", "revision", "release", "rev", "v" };

static const char *const months[] = { "january", "february", "march", "april", "may", "june", "july",
	"august", "september", "october", "november", "december" };

/* ---- reading --------------------------------------------------------------------------------- */

static int first(const struct cur *c)
{
	return bytes_at(cur_peek(c), 0);
}

static struct bytes digits(struct cur *c)
{
	struct bytes rest = cur_peek(c);
	size_t n = 0;
	while (ascii_digit(bytes_at(rest, n)))
		n++;
	return cur_take(c, n);
}

static bool word(struct cur *c, const char *w)
{
	if (!bytes_startsi(cur_peek(c), w))
		return false;
	cur_skip(c, strlen(w));
	return true;
}

/* Blanks and underscores are one blank; other bytes than printable ASCII make no version. */
static bool fold(struct bytes t, struct version *v, struct bytes *out)
{
	size_t n = 0;
	t = bytes_trim(t);
	if (t.n == 0 || t.n > VERSION_BYTES)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		uint8_t c = t.p[i] == '_' || t.p[i] == '\t' ? ' ' : t.p[i];
		if (c < ' ' || c > '~')
			return false;
		if (c != ' ' || (n && v->text[n - 1] != ' '))
			v->text[n++] = (char)c;
	}
	while (n && v->text[n - 1] == ' ')
		n--;
	*out = bytes_of(v->text, n);
	return n > 0;
}

/* A label counts only before a digit or a capital: "Version 9", "vH.10", not "versatile". */
static void skip_label(struct cur *c)
{
	for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
		struct cur at = *c;
		if (!word(&at, labels[i]))
			continue;
		(void)word(&at, ".");
		(void)word(&at, " ");
		int next = first(&at);
		bool bare = strcmp(labels[i], "v") == 0 && cur_left(c) - cur_left(&at) == 1;
		/* VM5 has a prefix of two letters, vH.10 a label and a letter. */
		struct bytes rest = cur_peek(&at);
		bool letter = next >= 'A' && next <= 'Z' &&
			      (!bare || (first(c) == 'v' && (rest.n == 1 || bytes_at(rest, 1) == '.')));
		if (ascii_digit(next) || letter) {
			*c = at;
			return;
		}
	}
}

static bool read_field(struct cur *c, struct field *f)
{
	f->number = digits(c);
	while (f->number.n && ascii_alpha(first(c))) {
		struct bytes two = bytes_first(cur_peek(c), 2);
		if (!ascii_digit(bytes_at(two, 1))) {
			if (f->letter || f->n_levels || ascii_alpha(bytes_at(two, 1)))
				return false;
			f->letter = (char)ascii_lower(cur_u8(c));
			return true;
		}
		if (f->n_levels == LEVELS)
			return false;
		struct level *l = &f->level[f->n_levels++];
		f->glued = f->glued || first(c) >= 'a';
		l->letter = (char)ascii_lower(cur_u8(c));
		l->number = digits(c);
	}
	return f->number.n > 0;
}

/* -9d9eff4: the hash of a source tree. */
static bool skip_hash(struct cur *c)
{
	struct bytes rest = cur_peek(c);
	bool letter = false;
	size_t n = 1;
	for (int b; ascii_digit(b = bytes_at(rest, n)) || (b >= 'a' && b <= 'f'); n++)
		letter = letter || b >= 'a';
	if (bytes_at(rest, 0) != '-' || !letter || n < 8 || n > 41 || ascii_alnum(bytes_at(rest, n)))
		return false;
	cur_skip(c, n);
	return true;
}

static bool read_pre(struct cur *c, struct version *v)
{
	for (unsigned i = 0; i < sizeof pres / sizeof *pres; i++) {
		struct cur at = *c;
		if (!word(&at, "-") || !word(&at, pres[i]))
			continue;
		(void)word(&at, ".");
		v->pre = i + 1;
		v->pre_number = digits(&at);
		*c = at;
		return true;
	}
	return false;
}

static bool read_fields(struct cur *c, struct version *v)
{
	while (first(c) == '.' || first(c) == '-') {
		if (skip_hash(c) || read_pre(c, v))
			return true;
		cur_skip(c, 1);
		if (v->n == VERSION_FIELDS || !read_field(c, &v->field[v->n++]))
			return false;
	}
	return true;
}

/* 012U000040: module and region, then a number. */
static bool read_region(struct cur *c, struct version *v)
{
	struct bytes t = cur_peek(c);
	struct cur at = *c;
	struct bytes module = digits(&at);
	uint8_t region = cur_u8(&at);
	struct bytes number = digits(&at);
	if (module.n != 3 || region < 'A' || region > 'Z' || number.n < 5 || number.n > 6 || cur_more(&at))
		return false;
	v->style = STYLE_REGION;
	memcpy(v->prefix, t.p, 4);
	v->field[v->n++].number = number;
	*c = at;
	return true;
}

static bool read_core(struct cur *c, struct version *v)
{
	size_t letters = 0;
	while (ascii_alpha(bytes_at(cur_peek(c), letters)))
		letters++;
	int after = bytes_at(cur_peek(c), letters);
	if (letters == 0) {
		if (read_region(c, v))
			return true;
	} else if (ascii_digit(after) && letters <= 4) {
		for (size_t i = 0; i < letters; i++)
			v->prefix[i] = (char)ascii_lower(cur_u8(c));
	} else if (letters == 1 && (after < 0 || after == '.' || after == ' ')) {
		v->style = STYLE_LETTER;
		v->field[v->n++].letter = (char)ascii_lower(cur_u8(c));
		return read_fields(c, v);
	} else {
		return false;
	}
	return read_field(c, &v->field[v->n++]) && read_fields(c, v);
}

/* SP1, (Build 8154), Build 2024-02-28, D15 */
static bool read_build(struct cur *c, struct version *v)
{
	bool bracket = word(c, " (") || word(c, "(");
	if (!bracket && !word(c, " "))
		return true;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !v->kind; i++) {
		struct cur at = *c;
		if (!word(&at, kinds[i].word))
			continue;
		(void)word(&at, " ");
		if (ascii_digit(first(&at))) {
			v->kind = kinds[i].kind;
			*c = at;
		}
	}
	if (!v->kind && first(c) > 0 && strchr("DUPL", first(c)))
		v->kind = cur_u8(c);
	if (!v->kind)
		return false;
	do {
		if (v->n_id == ID_PARTS || !(v->id[v->n_id++] = digits(c)).n)
			return false;
	} while (!(first(c) == '-' && skip_hash(c)) && (word(c, "-") || word(c, ".")));
	return !bracket || word(c, ")");
}

/* ---- dates ------------------------------------------------------------------------------------- */

static bool date_of(struct version *v, struct bytes y, struct bytes m, struct bytes d)
{
	uint64_t month, day = 1;
	v->style = STYLE_DATE;
	v->field[0].number = y;
	v->field[1].number = m;
	v->field[2].number = d;
	v->n = 3;
	return y.n == 4 && m.n <= 2 && d.n <= 2 && bytes_to_u64(m, &month) && month >= 1 && month <= 12 &&
	       (d.n == 0 || bytes_to_u64(d, &day)) && day >= 1 && day <= 31;
}

/* 2024-02-28, 8/30/2024, May 2018, September 19 2025 */
static bool read_date(struct bytes t, struct version *v)
{
	static const char numbers[] = "010203040506070809101112";
	struct cur c = cur_of(t);
	struct bytes a = digits(&c), b, d;
	if (a.n == 4 && word(&c, "-")) {
		b = digits(&c);
		return b.n == 2 && word(&c, "-") && (d = digits(&c)).n == 2 && !cur_more(&c) &&
		       date_of(v, a, b, d);
	}
	if (a.n && word(&c, "/")) {
		b = digits(&c);
		return b.n && word(&c, "/") && (d = digits(&c)).n == 4 && !cur_more(&c) &&
		       date_of(v, d, a, b);
	}
	for (size_t i = 0; a.n == 0 && i < sizeof months / sizeof *months; i++) {
		if (!word(&c, months[i]))
			continue;
		a = bytes_of(numbers + 2 * i, 2);
		if (!word(&c, " "))
			return false;
		b = digits(&c);
		(void)word(&c, ",");
		d = word(&c, " ") ? digits(&c) : (struct bytes){ 0 };
		if (cur_more(&c))
			return false;
		return d.n ? date_of(v, d, a, b) : date_of(v, b, a, d);
	}
	return false;
}

static bool read_version(struct bytes text, struct version *v)
{
	struct bytes t;
	*v = (struct version){ 0 };
	if (!fold(text, v, &t))
		return false;
	struct cur c = cur_of(t);
	skip_label(&c);
	if (read_date(cur_peek(&c), v))
		return true;
	v->style = STYLE_DOTTED;
	v->n = 0;
	memset(v->field, 0, sizeof v->field);
	if (!read_core(&c, v) || !read_build(&c, v))
		return false;
	(void)skip_hash(&c);
	return !cur_more(&c);
}

bool version_known(struct bytes text)
{
	struct version v;
	return read_version(text, &v);
}

/* ---- order --------------------------------------------------------------------------------------- */

static enum version_order order(int difference)
{
	return difference < 0 ? VERSION_LESS : difference > 0 ? VERSION_GREATER : VERSION_EQUAL;
}

/* Decimal numbers of any length; an absent one is 0. */
static enum version_order number_order(struct bytes a, struct bytes b)
{
	while (a.n && a.p[0] == '0')
		a = bytes_from(a, 1);
	while (b.n && b.p[0] == '0')
		b = bytes_from(b, 1);
	if (a.n != b.n)
		return order(a.n < b.n ? -1 : 1);
	return order(a.n ? memcmp(a.p, b.p, a.n) : 0);
}

static enum version_order field_order(const struct field *a, const struct field *b)
{
	enum version_order o = number_order(a->number, b->number);
	if (o != VERSION_EQUAL)
		return o;
	if ((a->glued || b->glued) && a->n_levels != b->n_levels)
		return VERSION_UNORDERED;
	if ((a->letter && b->n_levels) || (b->letter && a->n_levels))
		return VERSION_UNORDERED;
	if (a->letter != b->letter)
		return order(a->letter - b->letter);
	for (unsigned i = 0; i < a->n_levels && i < b->n_levels; i++) {
		if (a->level[i].letter != b->level[i].letter)
			return VERSION_UNORDERED;
		o = number_order(a->level[i].number, b->level[i].number);
		if (o != VERSION_EQUAL)
			return o;
	}
	return order((int)a->n_levels - (int)b->n_levels);
}

static enum version_order core_order(const struct version *a, const struct version *b, bool *extends)
{
	static const struct field none = { 0 };
	unsigned n = a->n > b->n ? a->n : b->n;
	for (unsigned i = 0; i < n; i++) {
		bool one = i >= a->n || i >= b->n;
		/* A date without a day is any day of its month. */
		if (a->style == STYLE_DATE && i == 2 &&
			(a->field[2].number.n == 0 || b->field[2].number.n == 0))
			return VERSION_EQUAL;
		enum version_order o =
			field_order(i < a->n ? &a->field[i] : &none, i < b->n ? &b->field[i] : &none);
		if (o == VERSION_EQUAL)
			continue;
		*extends = one && o != VERSION_UNORDERED;
		return o;
	}
	return VERSION_EQUAL;
}

static enum version_order pre_order(const struct version *a, const struct version *b)
{
	if (!a->pre || !b->pre)
		return order((a->pre == 0) - (b->pre == 0));
	return a->pre == b->pre ? number_order(a->pre_number, b->pre_number)
				: order((int)a->pre - (int)b->pre);
}

static enum version_order build_order(const struct version *a, const struct version *b, bool *extends)
{
	if (!a->kind || !b->kind) {
		*extends = a->kind != b->kind;
		return order((a->kind != 0) - (b->kind != 0));
	}
	if (a->kind != b->kind)
		return VERSION_UNORDERED;
	for (unsigned i = 0; i < ID_PARTS; i++) {
		enum version_order o = number_order(a->id[i], b->id[i]);
		if (o != VERSION_EQUAL)
			return o;
	}
	return VERSION_EQUAL;
}

enum version_order version_compare(struct bytes a, struct bytes b, bool *extends)
{
	struct version x, y;
	bool more = false;
	enum version_order o = VERSION_UNORDERED;
	if (read_version(a, &x) && read_version(b, &y) && x.style == y.style &&
		memcmp(x.prefix, y.prefix, sizeof x.prefix) == 0) {
		o = core_order(&x, &y, &more);
		if (o == VERSION_EQUAL)
			o = pre_order(&x, &y);
		if (o == VERSION_EQUAL)
			o = build_order(&x, &y, &more);
	}
	if (extends)
		*extends = more;
	return o;
}
