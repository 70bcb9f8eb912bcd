/* `group`, `zone` and `baseline` (policy-language.md section 15): what is a member of what. */
#include "decide/detect_impl.h"

static const char *const kind_names[] = {
	[MEMBER_GROUP] = "group", [MEMBER_ZONE] = "zone", [MEMBER_BASELINE] = "baseline"
};

static bool ends_with_zone(const char *name)
{
	struct bytes t = bytes_str(name);
	return t.n > 5 && bytes_is(bytes_from(t, t.n - 5), ".zone");
}

static int number_of(struct compiler *c, const struct yaml_node *at, enum member_kind kind, struct bytes name)
{
	int number = c->env->member ? c->env->member(c->env, kind, name) : -1;
	if (number < 0)
		compile_error(c, at,
			kind == MEMBER_ZONE    ? "E223"
			: kind == MEMBER_GROUP ? "E211"
					       : "E165",
			kind == MEMBER_BASELINE ? "no document has a %s \"%.*s\" over these events"
						: "no document has a %s \"%.*s\"",
			kind_names[kind], (int)name.n, (const char *)name.p);
	return number;
}

/* The devices of both sides, or of a record of one device. */
static uint16_t whole_of(struct bytes name)
{
	return bytes_is(name, "source")        ? FIELD_SOURCE
	       : bytes_is(name, "destination") ? FIELD_DESTINATION
	       : bytes_is(name, "device")      ? FIELD_DEVICE
					       : FIELD_EVENT;
}

bool member_subject(struct compiler *c, const struct yaml_node *key, struct bytes name, struct item *it)
{
	const struct schema *s = c->d->schema;
	it->field = FIELD_EVENT;
	if (it->member == MEMBER_BASELINE) {
		int number = number_of(c, key, MEMBER_BASELINE, name);
		it->baseline = (uint16_t)(number < 0 ? 0 : number);
		return number >= 0;
	}
	if (it->member == MEMBER_GROUP && (it->field = whole_of(name)) != FIELD_EVENT)
		return true;
	int field = field_resolve(c, key, name);
	if (field < 0)
		return false;
	it->field = (uint16_t)field;
	enum fact_type type = s->type(s, it->field);
	if (it->member == MEMBER_GROUP ? type == FACT_IP || type == FACT_MAC
				       : type == FACT_IP || ends_with_zone(s->name(s, it->field)))
		return true;
	compile_error(c, key, "E154",
		it->member == MEMBER_GROUP
			? "\"group\" asks of source, destination or device, or of a field that is an address"
			: "\"zone\" asks of source.zone or destination.zone, or of a field that is an IP "
			  "address");
	return false;
}

bool member_value(struct compiler *c, const struct item *it, const struct yaml_node *v, struct value *out)
{
	static const char *const states[] = {
		[BASELINE_NEW] = "new", [BASELINE_RARE] = "rare", [BASELINE_CHANGED] = "changed"
	};
	struct bytes text = v->text ? yaml_text(v) : (struct bytes){ 0 };
	out->kind = VALUE_MEMBER;
	out->written = bytes_of(arena_text(&c->d->memory, text), text.n);
	if (it->member != MEMBER_BASELINE) {
		int number = number_of(c, v, it->member, text);
		out->member = (unsigned)(number < 0 ? 0 : number);
		return number >= 0;
	}
	for (unsigned i = 0; i < sizeof states / sizeof *states; i++)
		if (bytes_is(text, states[i])) {
			out->member = i;
			return true;
		}
	bool absent = bytes_is(text, "absent");
	compile_error(c, v, absent ? "E164" : "E113",
		absent ? "`absent` comes in a later version of this sensor"
		       : "what a baseline says is new, rare or changed");
	return false;
}
