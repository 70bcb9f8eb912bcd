/*
 * fuzz_rules: rules put together from the input, and events with its bytes as values.
 *
 * Input: a byte of switches, rules (each a byte of how many items; items of a field, modifiers and values),
 * then events of facts, until it ends. What a rule is refused for is left out, so that the rest is run.
 * Oracle beside the sanitizers: a rule that holds is one the index looks at, and what detect_eval says
 * detect_explain says.
 */
#include "decide/index.h"

#include "base/assert.h"
#include "base/utf8.h"
#include "packet/categories.h"

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { RULES = 4, RULE_TEXT = 16384, EVENTS = 16, RECORD = 65536, STEPS = 256 };

struct text {
	char s[RULE_TEXT];
	size_t n;
};

static void put(struct text *t, const char *s)
{
	size_t n = strlen(s);
	if (n < sizeof t->s - t->n) {
		memcpy(t->s + t->n, s, n + 1);
		t->n += n;
	}
}

static void put_quoted(struct text *t, struct bytes b)
{
	put(t, "\"");
	while (b.n) {
		char one[16];
		uint32_t c = utf8_next(&b);
		c = c >= UTF8_RAW ? c - UTF8_RAW : c;
		snprintf(one, sizeof one, c >= ' ' && c < 0x7f && c != '"' && c != '\\' ? "%c" : "\\U%08x",
			(unsigned)c);
		put(t, one);
	}
	put(t, "\"");
}

static const char *pick(struct cur *c, const char *const *list, size_t n)
{
	return list[cur_u8(c) % n];
}

#define PICK(c, list) pick(c, list, sizeof(list) / sizeof *(list))

/* ---- rules ------------------------------------------------------------------------------------- */

static void put_value(struct text *t, struct cur *c)
{
	static const char *const plain[] = { "true", "false", "null", "0", "-1", "10", "0.1",
		"9007199254740993", "443" };
	static const char *const known[] = { "'10.0.0.0/8'", "'2001:db8::/33'", "1.2.840", "x509.version",
		"x509.subject.common_name", "mrn", "any", "30s", "'1.7.15b'", "R4.1", "'*'", "''" };
	unsigned kind = cur_u8(c);
	if (kind < 32)
		put(t, PICK(c, plain));
	else if (kind < 64)
		put(t, PICK(c, known));
	else
		put_quoted(t, cur_take(c, kind % 32 < cur_left(c) ? kind % 32 : cur_left(c)));
}

static void put_item(struct text *t, struct cur *c)
{
	static const char *const fields[] = { "", "event", "x509.version", "x509.serial_number",
		"x509.subject.common_name", "x509.alternative_names", "x509.not_after", "x509.days_to_expiry",
		"x509.public_key_size", "x509.self_signed", "source.ip", "source.mac", "source.port",
		"network.encrypted", "event.action", "source.device.firmware.version" };
	static const char *const modifiers[] = { "contains", "startswith", "endswith", "all", "neq", "cased",
		"exists", "re", "i", "m", "s", "cidr", "lt", "lte", "gt", "gte", "hour", "week", "base64",
		"base64offset", "wide", "utf16", "windash", "fieldref", "phi", "len", "count", "age",
		"version_lt", "version_gte", "version_eq", "uid_under" };
	put(t, "\"");
	put(t, PICK(c, fields));
	for (unsigned n = cur_u8(c) % 4; n; n--) {
		put(t, "|");
		put(t, PICK(c, modifiers));
	}
	put(t, "\": ");
	unsigned n = cur_u8(c) % 4;
	if (n)
		put(t, "[");
	for (unsigned i = 0; i < (n ? n : 1); i++) {
		put(t, i ? ", " : "");
		put_value(t, c);
	}
	if (n)
		put(t, "]");
}

static void put_rule(struct text *t, struct cur *c, unsigned number)
{
	static const char *const conditions[] = { "a", "not a", "a and b", "a or not b", "1 of them",
		"all of *", "not (a and not b)", "[a, b]" };
	char head[160];
	snprintf(head, sizeof head,
		"---\n{dialect: wardwatch/1, title: r%u, name: r%u, level: low, logsource: {product: "
		"wardwatch, service: x509}, detection: {",
		number, number);
	put(t, head);
	for (unsigned i = 0; i < 2; i++) {
		put(t, i ? "b: {" : "a: {");
		for (unsigned n = 1 + cur_u8(c) % 2; n; n--) {
			put_item(t, c);
			put(t, n > 1 ? ", " : "}, ");
		}
	}
	put(t, "condition: ");
	put(t, PICK(c, conditions));
	put(t, "}}\n");
}

static void put_correlation(struct text *t, struct cur *c)
{
	static const char *const rows[] = { "type: event_count, condition: {gte: 2}",
		"type: value_count, condition: {gt: 1, field: x509.subject.common_name}",
		"type: value_sum, condition: {gte: 10, field: x509.public_key_size}", "type: temporal",
		"type: temporal_ordered", "type: temporal, condition: 'r0 and not r1'" };
	static const char *const groups[] = { "", ", group-by: [source.ip]",
		", group-by: [x509.alternative_names]", ", group-by: [source.ip, x509.version]" };
	put(t, "---\n{dialect: wardwatch/1, title: c, level: low, correlation: {rules: [r0, r1], timespan: "
	       "4s, ");
	put(t, PICK(c, rows));
	put(t, PICK(c, groups));
	put(t, "}}\n");
}

static struct policy *load(const char *s)
{
	struct diag d = { 0 };
	struct policy *p = policy_load_text("input.yml", bytes_str(s), &d);
	diag_free(&d);
	return p;
}

/* The rules that load by themselves, and the correlation if they all load with it. */
static struct policy *rules_of(struct cur *c)
{
	static struct text all, one, with;
	unsigned switches = cur_u8(c), kept = 0;
	all.n = 0;
	all.s[0] = 0;
	for (unsigned i = 0; i < 1 + switches % RULES; i++) {
		one.n = 0;
		one.s[0] = 0;
		put_rule(&one, c, kept);
		struct policy *p = load(one.s);
		if (p) {
			put(&all, one.s);
			kept++;
		}
		policy_free(p);
	}
	with = all;
	if (switches & 0x80)
		put_correlation(&with, c);
	struct policy *p = load(with.s);
	return p || !kept ? p : load(all.s);
}

/* ---- events ------------------------------------------------------------------------------------ */

static size_t value_size(enum fact_type type, struct cur *c)
{
	switch (type) {
	case FACT_UINT:
	case FACT_INT:
	case FACT_TIME:
		return 8;
	case FACT_BOOL:
		return 1;
	case FACT_IP:
		return sizeof(struct addr);
	case FACT_MAC:
		return sizeof(struct mac);
	case FACT_PHI:
		return sizeof(struct phi_fact);
	default:
		return cur_u8(c) % 64;
	}
}

static void add_fact(struct event *e, const struct field *f, uint16_t number, struct cur *c)
{
	struct fact *fact = (struct fact *)(void *)((uint8_t *)e + e->len);
	unsigned count = f->list ? cur_u8(c) % 4 : 0;
	*fact = (struct fact){ .field = number, .type = (uint8_t)f->type, .count = (uint16_t)count };
	for (unsigned i = 0; i < (count ? count : 1); i++) {
		uint16_t n = (uint16_t)value_size(f->type, c);
		uint8_t room[256] = { 0 };
		(void)bytes_copy(room, sizeof room, cur_take(c, n < cur_left(c) ? n : cur_left(c)));
		if (count) {
			fact->value[fact->len++] = (uint8_t)n;
			fact->value[fact->len++] = 0;
		}
		memcpy(fact->value + fact->len, room, n);
		fact->len = (uint16_t)(fact->len + n);
	}
	e->len += (uint32_t)(sizeof *fact + ((fact->len + 7u) & ~7u));
	e->n_facts++;
}

static const struct event *event_of(struct cur *c, unsigned number)
{
	static _Alignas(8) uint8_t record[RECORD];
	struct event *e = (struct event *)(void *)record;
	const struct dissector *d = dissectors[PROTO_tls];
	unsigned first = 0, n = 0;
	memset(record, 0, sizeof *e);
	while (!bytes_starts(bytes_str(d->fields[first].name), "x509."))
		first++;
	while (d->fields[first + n].name)
		n++;
	e->len = sizeof *e;
	e->record = RECORD_EVENT;
	e->proto = PROTO_tls;
	while (!bytes_is(event_category(e), "x509"))
		e->event++;
	e->phi = cur_u8(c) % 4;
	e->packet = number + 1;
	e->ts_ns = UINT64_C(1772352000000000000) + number * UINT64_C(1000000000);
	e->conv.src = addr_v4(cur_take(c, 4));
	e->conv.dst = addr_v4(bytes_of("\x0a\0\0\2", 4));
	e->conv.proto = 6;
	for (unsigned i = cur_u8(c) % 8; i; i--) {
		uint16_t f = (uint16_t)(first + cur_u8(c) % n);
		add_fact(e, &d->fields[f], f, c);
	}
	return e;
}

/* ---- judging ------------------------------------------------------------------------------------- */

static void on_alert(void *arg, const struct alert *a)
{
	*(uint64_t *)arg += a->count;
}

static void judge(
	const struct policy *p, struct event_view *view, struct candidates *c, const struct event *e)
{
	static struct detect_step steps[STEPS];
	unsigned category = event_schema_category_of(p->schema, e);
	struct detect_record record = { steps, STEPS, 0 };
	event_view_look(view, e);
	candidates_find(c, p->index[category], view);
	const struct view *v = event_view_as_view(view);
	for (size_t i = 0; i < p->n_of_category[category]; i++) {
		const struct rule *r = p->of_category[category][i];
		bool holds = rule_holds(r, v, NULL);
		ASSERT(!holds || candidates_next(c, i) == i);
		ASSERT(detect_explain(r->detect, v, &record) == detect_eval(r->detect, v, NULL));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(bytes_of(data, size));
	struct limits limits;
	struct counters counters = { 0 };
	uint64_t alerts = 0;
	struct policy *p = rules_of(&c);
	if (!p)
		return 0;
	limits_default(&limits);
	limits.alerts = limits.alert_patients = 64;
	limits.policy_state_mib = 1;
	struct policy_run *run =
		policy_start(p, &limits, &counters, NULL, (struct alert_sink){ on_alert, &alerts });
	struct event_view *view = event_view_new(p->schema, NULL);
	struct candidates *candidates = candidates_new(p);
	ASSERT(run && view && candidates);
	for (unsigned i = 0; i < EVENTS && cur_more(&c); i++) {
		const struct event *e = event_of(&c, i);
		judge(p, view, candidates, e);
		policy_event(run, e);
	}
	policy_finish(run);
	policy_stop(run);
	candidates_free(candidates);
	event_view_free(view);
	policy_free(p);
	return 0;
}
