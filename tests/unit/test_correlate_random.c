/* correlate against a slow reference: all types, random conditions, 20,000 random streams of events. The
 * reference keeps every event and looks at all of them anew each time; it shares nothing with the engine. */
#include "decide/policy_impl.h"
#include "packet/categories.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { SPECS = 400, STREAMS = 50, EVENTS = 40, FIRED = 256, RULES = 3, NO_GROUP = 99 };
#define SECOND UINT64_C(1000000000)

static uint64_t seed = 20261125;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* ---- what is asked -------------------------------------------------------------------------------- */

enum type { EVENT_COUNT, VALUE_COUNT, SUM, AVG, TEMPORAL, ORDERED };
enum op { GT, GTE, LT, LTE, EQ, NEQ };

static bool e0(unsigned m)
{
	return (m & 3) == 3;
}
static bool e1(unsigned m)
{
	return (m & 1) && !(m & 2);
}
static bool e2(unsigned m)
{
	return (m & 1) && ((m & 2) || (m & 4));
}
static bool e3(unsigned m)
{
	return !((m & 1) && (m & 2)) && (m & 4);
}

static const struct {
	const char *text;
	bool (*holds)(unsigned mask);
	bool closed, ordered; /* ordered: also fit for temporal_ordered, rule b being forbidden */
} expressions[] = { { "a and b", e0, false, false }, { "a and not b", e1, true, true },
	{ "a and (b or c)", e2, false, false }, { "not (a and b) and c", e3, true, false } };

struct spec {
	enum type type;
	unsigned order[4], n_order; /* rules */
	bool grouped, closed;
	uint64_t span, rearm;
	struct {
		enum op op;
		int number;
	} bound[2];
	unsigned n_bounds;
	int expression; /* -1: none */
};

static struct spec spec_make(void)
{
	struct spec s = { .type = (enum type)rnd(6), .expression = -1 };
	s.span = 3 + rnd(15);
	s.rearm = rnd(3) ? s.span : 1 + rnd(30);
	s.grouped = rnd(4) > 0;
	s.n_order = 1 + rnd(3) + (s.type == ORDERED && rnd(2));
	for (unsigned i = 0; i < s.n_order; i++)
		s.order[i] = s.type == ORDERED ? rnd(RULES) : (i + s.type) % RULES;
	if (s.type < TEMPORAL) {
		s.n_bounds = 1 + rnd(2);
		for (unsigned i = 0; i < s.n_bounds; i++) {
			s.bound[i].op = i && s.bound[0].op == GT ? (enum op)(LT + rnd(4))
								 : (enum op)(rnd(2) ? rnd(2) : rnd(6));
			s.bound[i].number = 1 + (int)rnd(s.type == SUM ? 20 : 5);
			s.closed = s.closed || s.bound[i].op >= LT;
		}
		if (s.n_bounds == 2 && s.bound[0].op == s.bound[1].op)
			s.n_bounds = 1;
	} else if (rnd(3) == 0) {
		s.expression = (int)rnd(4);
		if (s.type == ORDERED)
			s.expression = 1;
		s.closed = expressions[s.expression].closed;
		s.n_order = 0;
		for (unsigned i = 0; i < RULES; i++)
			if (strchr(expressions[s.expression].text, (int)('a' + i)))
				s.order[s.n_order++] = i;
	}
	return s;
}

static const char *spec_text(const struct spec *s, char *out, size_t room)
{
	static const char *const types[] = { "event_count", "value_count", "value_sum", "value_avg",
		"temporal", "temporal_ordered" };
	static const char *const ops[] = { "gt", "gte", "lt", "lte", "eq", "neq" };
	size_t n = (size_t)snprintf(out, room, "%s", "");
	for (unsigned i = 0; i < RULES; i++)
		n += (size_t)snprintf(out + n, room - n,
			"title: r\nname: %c\nlogsource: {product: wardwatch, service: phi}\ndetection:\n"
			"    s: {source.port: %s}\n    condition: s\nlevel: low\n---\n",
			'a' + (int)i,
			i == 0   ? "[1, 3]"
			: i == 1 ? "[2, 3]"
				 : "4");
	n += (size_t)snprintf(out + n, room - n,
		"dialect: wardwatch/1\ntitle: c\nname: c0\ncorrelation:\n    type: %s\n    rules: [",
		types[s->type]);
	for (unsigned i = 0; i < s->n_order; i++)
		n += (size_t)snprintf(out + n, room - n, "%s%c", i ? ", " : "", 'a' + (int)s->order[i]);
	n += (size_t)snprintf(out + n, room - n, "]\n    timespan: %us\n%s", (unsigned)s->span,
		s->grouped ? "    group-by: [network.vlan.id]\n" : "");
	if (s->expression >= 0)
		n += (size_t)snprintf(
			out + n, room - n, "    condition: %s\n", expressions[s->expression].text);
	for (unsigned i = 0; i < s->n_bounds; i++)
		n += (size_t)snprintf(out + n, room - n, "%s%s: %d", i ? ", " : "    condition: {",
			ops[s->bound[i].op], s->bound[i].number);
	if (s->n_bounds)
		n += (size_t)snprintf(out + n, room - n, "%s}\n",
			s->type == VALUE_COUNT             ? ", field: destination.ip"
			: s->type == SUM || s->type == AVG ? ", field: destination.port"
							   : "");
	snprintf(out + n, room - n, "level: high\nsensor: {rearm: %us, suppress: {count: 100000, for: 1s}}\n",
		(unsigned)s->rearm);
	return out;
}

/* ---- the reference -------------------------------------------------------------------------------- */

struct ev {
	uint64_t raw, t; /* seconds; t never goes back */
	unsigned port, group, dst, value;
};

struct fired {
	uint64_t packet;
	char value[48];
};

struct outcome {
	struct fired fired[FIRED];
	unsigned n;
};

static unsigned mask_of(const struct ev *e)
{
	return e->port == 1 ? 1 : e->port == 2 ? 2 : e->port == 3 ? 3 : e->port == 4 ? 4 : 0;
}

static unsigned mask_wanted(const struct spec *s)
{
	unsigned m = 0;
	for (unsigned i = 0; i < s->n_order; i++)
		m |= 1u << s->order[i];
	return m;
}

static bool counts(const struct spec *s, const struct ev *e)
{
	return (mask_of(e) & mask_wanted(s)) && (!s->grouped || e->group != NO_GROUP);
}

static bool same_group(const struct spec *s, const struct ev *a, const struct ev *b)
{
	return !s->grouped || a->group == b->group;
}

static bool compare(enum op op, double have, double want)
{
	switch (op) {
	case GT:
		return have > want;
	case GTE:
		return have >= want;
	case LT:
		return have < want;
	case LTE:
		return have <= want;
	case EQ:
		return have == want;
	case NEQ:
		break;
	}
	return have != want;
}

static bool sequence(const struct spec *s, const struct ev *const *w, unsigned n)
{
	unsigned forbidden = s->expression == 1 ? 2 : 0, place = 0, mask = 0;
	unsigned length = s->expression == 1 ? 1 : s->n_order;
	for (unsigned i = 0; i < n; i++) {
		mask |= mask_of(w[i]);
		if (place < length && (mask_of(w[i]) >> s->order[place] & 1))
			place++;
	}
	return place == length && !(mask & forbidden);
}

/* Over all events of the window, in order. */
static bool judge(const struct spec *s, const struct ev *const *w, unsigned n, char value[48])
{
	unsigned mask = 0, distinct = 0;
	double sum = 0, have;
	for (unsigned i = 0; i < n; i++) {
		bool fresh = true;
		for (unsigned k = 0; k < i; k++)
			fresh = fresh && w[k]->dst != w[i]->dst;
		distinct += fresh;
		sum += w[i]->value;
		mask |= mask_of(w[i]);
	}
	value[0] = 0;
	if (n == 0)
		return false;
	if (s->type == ORDERED)
		return sequence(s, w, n);
	if (s->type == TEMPORAL)
		return s->expression >= 0 ? expressions[s->expression].holds(mask)
					  : (mask & mask_wanted(s)) == mask_wanted(s);
	have = s->type == EVENT_COUNT   ? n
	       : s->type == VALUE_COUNT ? distinct
	       : s->type == SUM         ? sum
					: sum / n;
	for (unsigned i = 0; i < s->n_bounds; i++)
		if (!compare(s->bound[i].op, have, s->bound[i].number))
			return false;
	snprintf(value, 48, "%.15g", have);
	return true;
}

static void note(struct outcome *o, unsigned event, const char *value)
{
	assert_true(o->n < FIRED);
	o->fired[o->n].packet = event + 1;
	snprintf(o->fired[o->n++].value, 48, "%s", value);
}

static void sliding(const struct spec *s, const struct ev *e, struct outcome *o)
{
	bool engaged[EVENTS] = { false }; /* by event: as it is after it, of its group */
	uint64_t since[EVENTS] = { 0 };
	for (unsigned i = 0; i < EVENTS; i++) {
		const struct ev *w[EVENTS];
		unsigned n = 0;
		int last = -1;
		char value[48];
		if (!counts(s, &e[i]))
			continue;
		for (unsigned k = 0; k <= i; k++) {
			if (!counts(s, &e[k]) || !same_group(s, &e[k], &e[i]))
				continue;
			if (e[k].t + s->span > e[i].t)
				w[n++] = &e[k];
			if (k < i)
				last = (int)k;
		}
		bool on = last >= 0 && engaged[last] && n > 1;
		uint64_t at = last >= 0 ? since[last] : 0;
		bool held = judge(s, w, n, value);
		if (held && (!on || e[i].t - at >= s->rearm)) {
			note(o, i, value);
			at = e[i].t;
			on = true;
		}
		engaged[i] = held && on;
		since[i] = at;
	}
}

static void closed(const struct spec *s, const struct ev *e, struct outcome *o)
{
	bool used[EVENTS] = { false };
	for (unsigned i = 0; i < EVENTS; i++) {
		const struct ev *w[EVENTS];
		unsigned n = 0, last = i;
		char value[48];
		if (used[i] || !counts(s, &e[i]))
			continue;
		for (unsigned k = i; k < EVENTS; k++) {
			if (!counts(s, &e[k]) || !same_group(s, &e[k], &e[i]) || e[k].t >= e[i].t + s->span)
				continue;
			used[k] = true;
			w[n++] = &e[k];
			last = k;
		}
		if (judge(s, w, n, value))
			note(o, last, value);
	}
}

/* ---- the comparison ------------------------------------------------------------------------------- */

static void on_alert(void *arg, const struct alert *a)
{
	struct outcome *o = arg;
	if (a->correlation.type && !a->closing)
		note(o, (unsigned)a->event->packet - 1, a->correlation.value);
}

static void events_make(struct ev *e)
{
	uint64_t t = 1000;
	for (unsigned i = 0; i < EVENTS; i++) {
		e[i].raw = t + (rnd(3) ? 0 : rnd(7)) - (i && rnd(20) == 0);
		t = e[i].raw > t ? e[i].raw : t;
		e[i].t = t;
		e[i].port = 1 + rnd(5);
		e[i].group = rnd(12) ? rnd(2) : NO_GROUP;
		e[i].dst = rnd(4);
		e[i].value = 1 + rnd(6);
	}
}

static void feed(struct policy_run *r, const struct ev *e, unsigned i)
{
	struct event out = { .len = sizeof out,
		.record = RECORD_EVENT,
		.proto = PROTO_phi,
		.ts_ns = e->raw * SECOND,
		.packet = i + 1 };
	out.conv.src = addr_v4(bytes_of((uint8_t[]){ 10, 0, 0, 1 }, 4));
	out.conv.dst = addr_v4(bytes_of((uint8_t[]){ 10, 1, 0, (uint8_t)e->dst }, 4));
	out.conv.proto = 6;
	out.conv.sport = (uint16_t)e->port;
	out.conv.dport = (uint16_t)e->value;
	out.conv.vlan[0] = e->group == NO_GROUP ? 0 : (uint16_t)(e->group + 1);
	policy_event(r, &out);
}

static unsigned one_stream(const struct policy *p, const struct spec *s, const char *text)
{
	struct ev e[EVENTS];
	struct outcome want = { 0 }, got = { 0 };
	struct limits l;
	struct counters c = { 0 };
	limits_default(&l);
	l.policy_state_mib = 1;
	l.alerts = l.alert_patients = 64;
	events_make(e);
	(s->closed ? closed : sliding)(s, e, &want);
	struct policy_run *r = policy_start(p, &l, &c, NULL, (struct alert_sink){ on_alert, &got });
	for (unsigned i = 0; i < EVENTS; i++)
		feed(r, &e[i], i);
	policy_finish(r);
	policy_stop(r);
	bool same = want.n == got.n;
	for (unsigned i = 0; same && i < want.n; i++)
		same = want.fired[i].packet == got.fired[i].packet &&
		       strcmp(want.fired[i].value, got.fired[i].value) == 0;
	if (same)
		return want.n;
	for (unsigned i = 0; i < EVENTS; i++)
		print_message("%2u t=%llu port=%u group=%u dst=%u value=%u\n", i + 1,
			(unsigned long long)e[i].t, e[i].port, e[i].group, e[i].dst, e[i].value);
	for (unsigned i = 0; i < want.n; i++)
		print_message(
			"want %llu %s\n", (unsigned long long)want.fired[i].packet, want.fired[i].value);
	for (unsigned i = 0; i < got.n; i++)
		print_message("got %llu %s\n", (unsigned long long)got.fired[i].packet, got.fired[i].value);
	fail_msg("%s", text);
	return 0;
}

static void against_reference(void **state)
{
	unsigned fired = 0;
	(void)state;
	for (unsigned i = 0; i < SPECS; i++) {
		char text[4096];
		struct diag d = { 0 };
		struct spec s = spec_make();
		spec_text(&s, text, sizeof text);
		struct policy *p = policy_load_text("random.yml", bytes_str(text), &d);
		if (!p) {
			diag_print(&d, stderr, true);
			fail_msg("%s", text);
		}
		for (unsigned k = 0; k < STREAMS; k++)
			fired += one_stream(p, &s, text);
		policy_free(p);
		diag_free(&d);
	}
	assert_true(fired > SPECS * STREAMS); /* there was something to compare */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(against_reference) };
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
