/* The modifiers of an item: which there are and in what order they may stand (policy-language.md 8, 15). */
#include "decide/detect_impl.h"

static const struct modifier_row {
	const char *name;
	enum modifier mod;
	unsigned detail;
	bool extension;
} modifiers[] = {
	{ "contains", MOD_CONTAINS, 0, false },
	{ "startswith", MOD_STARTSWITH, 0, false },
	{ "endswith", MOD_ENDSWITH, 0, false },
	{ "all", MOD_ALL, 0, false },
	{ "neq", MOD_NEQ, 0, false },
	{ "cased", MOD_CASED, 0, false },
	{ "exists", MOD_EXISTS, 0, false },
	{ "re", MOD_RE, 0, false },
	{ "i", MOD_RE_FLAG, REGEX_I, false },
	{ "m", MOD_RE_FLAG, REGEX_M, false },
	{ "s", MOD_RE_FLAG, REGEX_S, false },
	{ "ignorecase", MOD_RE_FLAG, REGEX_I, false },
	{ "multiline", MOD_RE_FLAG, REGEX_M, false },
	{ "dotall", MOD_RE_FLAG, REGEX_S, false },
	{ "cidr", MOD_CIDR, 0, false },
	{ "lt", MOD_COMPARE, COMPARE_LT, false },
	{ "lte", MOD_COMPARE, COMPARE_LTE, false },
	{ "gt", MOD_COMPARE, COMPARE_GT, false },
	{ "gte", MOD_COMPARE, COMPARE_GTE, false },
	{ "minute", MOD_PART, PART_MINUTE, false },
	{ "hour", MOD_PART, PART_HOUR, false },
	{ "day", MOD_PART, PART_DAY, false },
	{ "week", MOD_PART, PART_WEEK, false },
	{ "month", MOD_PART, PART_MONTH, false },
	{ "year", MOD_PART, PART_YEAR, false },
	{ "base64", MOD_BASE64, 0, false },
	{ "base64offset", MOD_BASE64OFFSET, 0, false },
	{ "wide", MOD_UTF16, UTF16_LE, false },
	{ "utf16le", MOD_UTF16, UTF16_LE, false },
	{ "utf16be", MOD_UTF16, UTF16_BE, false },
	{ "utf16", MOD_UTF16, UTF16_BOM, false },
	{ "windash", MOD_WINDASH, 0, false },
	{ "expand", MOD_EXPAND, 0, false },
	{ "fieldref", MOD_FIELDREF, 0, false },
	{ "phi", MOD_PHI, 0, true },
	{ "len", MOD_MEASURE, ASPECT_LEN, true },
	{ "count", MOD_MEASURE, ASPECT_COUNT, true },
	{ "age", MOD_MEASURE, ASPECT_AGE, true },
	{ "version_lt", MOD_VERSION, COMPARE_LT, true },
	{ "version_lte", MOD_VERSION, COMPARE_LTE, true },
	{ "version_gt", MOD_VERSION, COMPARE_GT, true },
	{ "version_gte", MOD_VERSION, COMPARE_GTE, true },
	{ "version_eq", MOD_VERSION, COMPARE_EQ, true },
	{ "in_list", MOD_IN_LIST, 0, true },
	{ "uid_under", MOD_UID_UNDER, 0, true },
	{ "vers", MOD_LATER, 0, true },
	{ "entropy", MOD_LATER, 0, true },
	{ "group", MOD_MEMBER, MEMBER_GROUP, true },
	{ "zone", MOD_MEMBER, MEMBER_ZONE, true },
	{ "baseline", MOD_MEMBER, MEMBER_BASELINE, true },
};

enum { MODIFIERS = sizeof modifiers / sizeof *modifiers };

static const struct modifier_row *modifier_find(
	struct compiler *c, const struct yaml_node *key, struct bytes name)
{
	const char *names[MODIFIERS];
	for (size_t i = 0; i < MODIFIERS; i++) {
		names[i] = modifiers[i].name;
		if (!bytes_is(name, modifiers[i].name))
			continue;
		if (modifiers[i].extension && !c->extended) {
			compile_error(c, key, "E150",
				"the modifier \"%s\" needs `dialect: wardwatch/1` in this document",
				names[i]);
			return NULL;
		}
		if (modifiers[i].mod == MOD_LATER) {
			compile_error(c, key, "E164",
				"the modifier \"%s\" comes in a later version of this sensor", names[i]);
			return NULL;
		}
		return &modifiers[i];
	}
	const char *near = diag_nearest(name, names, MODIFIERS);
	compile_error(c, key, "E150", "there is no modifier \"%.*s\"%s%s%s", (int)name.n,
		(const char *)name.p, near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	return NULL;
}

/* What the value becomes of an untouched one; false when it is not untouched. */
static bool becomes(struct chain *ch, enum chain_type type)
{
	bool plain = ch->type == CHAIN_PLAIN;
	ch->type = type;
	return plain;
}

static bool changes_text(struct chain *ch, bool regex_too)
{
	bool text = ch->type == CHAIN_PLAIN || ch->type == CHAIN_TEXT;
	if (text)
		ch->type = CHAIN_TEXT;
	ch->only_cased = false;
	return text || (regex_too && ch->type == CHAIN_REGEX);
}

static bool opens(struct chain *ch, enum modifier mod)
{
	ch->opens_start = ch->opens_start || mod != MOD_STARTSWITH;
	ch->opens_end = ch->opens_end || mod != MOD_ENDSWITH;
	ch->it->starts = ch->opens_end;
	ch->it->ends = ch->opens_start;
	return ch->type == CHAIN_FIELD || changes_text(ch, true);
}

static bool cases(struct chain *ch)
{
	ch->it->cased = true;
	if (ch->type == CHAIN_PLAIN) {
		ch->type = CHAIN_TEXT;
		ch->only_cased = true;
	}
	return ch->type == CHAIN_TEXT || ch->type == CHAIN_FIELD;
}

/* False: this modifier cannot stand here. */
static bool modifier_apply(struct chain *ch, const struct modifier_row *m)
{
	struct item *it = ch->it;
	switch (m->mod) {
	case MOD_CONTAINS:
	case MOD_STARTSWITH:
	case MOD_ENDSWITH:
		return opens(ch, m->mod);
	case MOD_CASED:
		return cases(ch);
	case MOD_ALL:
		it->all = true;
		return true;
	case MOD_NEQ:
		it->neq = true;
		return true;
	case MOD_EXISTS:
		it->aspect = ASPECT_EXISTS;
		return becomes(ch, CHAIN_OTHER);
	case MOD_RE:
		return becomes(ch, CHAIN_REGEX);
	case MOD_RE_FLAG:
		ch->regex_flags |= m->detail;
		return ch->type == CHAIN_REGEX && !ch->opens_start && !ch->opens_end;
	case MOD_CIDR:
		return becomes(ch, CHAIN_CIDR);
	case MOD_COMPARE:
		it->compare = (enum compare)m->detail;
		return ch->type == CHAIN_MEASURE ? (ch->type = CHAIN_COMPARED) : becomes(ch, CHAIN_COMPARED);
	case MOD_PART:
		it->aspect = ASPECT_PART;
		it->part = (enum part)m->detail;
		return becomes(ch, CHAIN_MEASURE);
	case MOD_MEASURE:
		it->aspect = (enum aspect)m->detail;
		return becomes(ch, CHAIN_MEASURE);
	case MOD_BASE64:
	case MOD_BASE64OFFSET:
	case MOD_UTF16:
	case MOD_WINDASH:
		return changes_text(ch, false);
	case MOD_EXPAND:
		return changes_text(ch, true);
	case MOD_FIELDREF:
		return ch->only_cased ? (ch->type = CHAIN_FIELD) : becomes(ch, CHAIN_FIELD);
	case MOD_PHI:
		it->aspect = ASPECT_PHI;
		return becomes(ch, CHAIN_OTHER);
	case MOD_VERSION:
		it->compare = (enum compare)m->detail;
		return becomes(ch, CHAIN_OTHER);
	case MOD_IN_LIST:
	case MOD_UID_UNDER:
		return becomes(ch, CHAIN_OTHER);
	case MOD_MEMBER:
		it->aspect = ASPECT_MEMBER;
		it->member = (enum member_kind)m->detail;
		return becomes(ch, CHAIN_OTHER);
	case MOD_LATER:
		break;
	}
	return false;
}

static bool is_step(enum modifier mod)
{
	switch (mod) {
	case MOD_CONTAINS:
	case MOD_STARTSWITH:
	case MOD_ENDSWITH:
	case MOD_BASE64:
	case MOD_BASE64OFFSET:
	case MOD_UTF16:
	case MOD_WINDASH:
	case MOD_EXPAND:
	case MOD_VERSION:
	case MOD_IN_LIST:
	case MOD_UID_UNDER:
		return true;
	default:
		return false;
	}
}

static bool modifier_add(
	struct compiler *c, const struct yaml_node *key, struct chain *ch, const struct modifier_row *m)
{
	if (is_step(m->mod) && ch->n_steps < MAX_STEPS)
		ch->step[ch->n_steps++] = (struct step){ m->mod, m->detail, m->name };
	else if (is_step(m->mod)) {
		compile_error(c, key, "E154", "more than %d modifiers on one item", MAX_STEPS);
		return false;
	}
	if (modifier_apply(ch, m))
		return true;
	if (ch->it->aspect == ASPECT_EXISTS)
		compile_error(c, key, "E153", "\"exists\" must be the only modifier");
	else if (m->mod == MOD_RE_FLAG)
		compile_error(
			c, key, "E155", "\"%s\" is for regular expressions: it must follow \"re\"", m->name);
	else if (m->mod == MOD_RE)
		compile_error(c, key, "E154", "\"re\" must be the first modifier");
	else if (m->mod == MOD_CIDR)
		compile_error(c, key, "E154", "\"cidr\" must be the first modifier");
	else
		compile_error(
			c, key, "E154", "the modifier \"%s\" cannot stand after those before it", m->name);
	return false;
}

/* What can only be said when all modifiers are known. */
static bool chain_finish(struct compiler *c, const struct yaml_node *key, struct chain *ch)
{
	if (ch->it->aspect == ASPECT_EXISTS && (ch->n > 1 || ch->it->keyword)) {
		compile_error(c, key, "E153", "\"exists\" needs a field and must be the only modifier");
		return false;
	}
	if (ch->it->aspect == ASPECT_AGE && ch->type != CHAIN_COMPARED) {
		compile_error(c, key, "E154", "after \"age\" comes lt, lte, gt or gte");
		return false;
	}
	for (unsigned i = 0; i < ch->n_steps; i++)
		if (ch->step[i].mod == MOD_BASE64OFFSET && !ch->opens_start && !ch->it->keyword)
			compile_warning(c, key, "W158",
				"\"base64offset\" is for text inside other text: \"contains\" should follow "
				"it");
	return true;
}

bool chain_read(struct compiler *c, const struct yaml_node *key, struct bytes rest, struct chain *ch)
{
	struct cur cur = cur_of(rest);
	bool fine = true, end = false;
	while (!end) {
		size_t left = cur_left(&cur);
		struct bytes name = cur_until(&cur, '|');
		end = name.n == left;
		const struct modifier_row *m = modifier_find(c, key, name);
		ch->n++;
		/* After one that cannot stand there, the order of the others says nothing. */
		fine = m && (!fine || modifier_add(c, key, ch, m)) && fine;
	}
	return fine && chain_finish(c, key, ch);
}
