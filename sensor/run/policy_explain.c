/* wardwatch policy explain: why a rule fires on an event, or which leaf keeps it from it (policy-language.md
 * 21). Told by the same program that decides; observed values as outputs would show them. */
#include "decide/correlate.h"
#include "decide/event_write.h"
#include "decide/mask.h"
#include "decide/suppress.h"
#include "packet/categories.h"
#include "run/documents.h"
#include "run/policy_command.h"

#include <errno.h>
#include <stdlib.h>

enum { STEPS = 8192, DEPTH = 256, WANTED = 120, EVENT_TEXT = 1 << 20 };

struct explanation {
	struct policy_command *c;
	const struct policy *p;
	const struct rule *rule;
	struct yaml_file file;
	struct event_writer writer;
	struct policy_run *run;
	struct event_view *view; /* the run's */
	struct counters counters;
	bool violates; /* of a segmentation policy */
	const struct event *event;
	struct json_doc *doc;
	struct mask *mask;
	struct detect_step steps[STEPS];
};

/* ---- values ------------------------------------------------------------------------------------------ */

/* What the event has there, as a document would say it; "" when it has nothing that may be shown. */
static struct bytes observed(struct explanation *x, uint16_t field)
{
	const struct view *v = event_view_as_view(x->view);
	const struct schema *s = &x->p->schema->schema;
	if (field == FIELD_EVENT)
		return (struct bytes){ 0 };
	struct leaf leaf = v->get(v, field);
	enum privacy privacy = s->privacy(s, field);
	json_reset(x->doc);
	for (unsigned i = 0; i < leaf.n; i++) {
		struct bytes raw = leaf.fact ? fact_value(leaf.fact, i) : leaf.values[i];
		if (leaf.type == FACT_PHI || privacy_is_phi(privacy))
			json_text(x->doc, "v", "(a patient's)");
		else if (field_is_withheld(bytes_str(s->name(s, field))))
			json_text(x->doc, "v", MASKED);
		else
			value_json(x->doc, "v", leaf.type, privacy, raw);
	}
	struct bytes line = mask_line(x->mask, json_flat(x->doc)); /* {"v":...} or {} */
	return line.n > 6 ? bytes_of(line.p + 5, line.n - 6) : (struct bytes){ 0 };
}

static size_t add_wanted(char out[WANTED], size_t at, const struct yaml_node *v)
{
	const char *text = v->text && *v->text ? v->text : v->type == YAML_NULL ? "null" : "''";
	int n = at < WANTED ? snprintf(out + at, WANTED - at, "%s%s", at ? ", " : "", text) : 0;
	return at + (size_t)n;
}

/* The value of that key in the mapping, or in the one mapping of the list that has it. */
static const struct yaml_node *value_in(const struct yaml_node *body, const char *item)
{
	const struct yaml_node *found = NULL;
	if (body->type == YAML_MAP)
		return yaml_get(body, item);
	for (size_t i = 0; body->type == YAML_LIST && i < body->n; i++) {
		const struct yaml_node *v =
			body->items[i]->type == YAML_MAP ? yaml_get(body->items[i], item) : NULL;
		if (v && found)
			return NULL;
		found = v ? v : found;
	}
	return found;
}

/* The values of an item as the rule has them; "" when it cannot be told which they are. */
static const char *wanted(const struct yaml_node *detection, const char *identifier, const char *item,
	bool keywords, char out[WANTED])
{
	const struct yaml_node *body = !detection || !identifier ? NULL
				       : *identifier             ? yaml_get(detection, identifier)
								 : detection;
	const struct yaml_node *v = body ? value_in(body, item) : NULL;
	size_t at = 0;
	*out = 0;
	if (!v && keywords)
		v = body;
	for (size_t i = 0; v && v->type == YAML_LIST && i < v->n; i++)
		if (v->items[i]->type != YAML_MAP)
			at = add_wanted(out, at, v->items[i]);
	if (v && v->type != YAML_LIST && v->type != YAML_MAP)
		at = add_wanted(out, 0, v);
	if (at >= WANTED)
		memcpy(out + WANTED - 4, "...", 4);
	return out;
}

/* ---- tree ------------------------------------------------------------------------------------------- */

static void put_item(struct explanation *x, const struct detect_step *s, const struct yaml_node *detection,
	const char *identifier)
{
	char want[WANTED];
	struct bytes is = observed(x, s->field);
	(void)wanted(detection, identifier, s->name ? s->name : "", s->field == FIELD_EVENT, want);
	printf("%s", s->name && *s->name ? s->name : "(keywords)");
	if (*want)
		printf(": %s", want);
	if (!s->held)
		printf("  <- %s", detect_why_names[s->why]);
	if (is.n)
		printf("%s%.*s", s->held ? "  <- it is " : ", it is ", (int)is.n, (const char *)is.p);
	putchar('\n');
}

static void put_step(struct explanation *x, const struct detect_step *s, unsigned indent,
	const struct yaml_node *detection, const char *identifier)
{
	static const char *const words[] = {
		[DETECT_AND] = "all of", [DETECT_OR] = "any of", [DETECT_NOT] = "not"
	};
	printf("  %s %*s", s->held ? "yes" : "no ", (int)(2 * indent), "");
	if (s->kind == DETECT_ITEM)
		put_item(x, s, detection, identifier);
	else if (s->kind == DETECT_IDENTIFIER)
		printf("%s\n", s->name);
	else
		printf("%s\n", words[s->kind]);
}

/* Does the step only hold one other: then that one says all. */
static bool is_wrapper(const struct detect_step *s, const struct detect_step *end)
{
	unsigned kids = 0;
	if (s->kind != DETECT_AND && s->kind != DETECT_OR)
		return false;
	for (const struct detect_step *k = s + 1; k < end && k->depth > s->depth; k++)
		kids += k->depth == s->depth + 1;
	return kids == 1;
}

/* Does it hold? `detection` is what it was compiled from, or NULL; identifier "": one mapping alone. */
static bool put_tree(struct explanation *x, const struct detect *d, const struct yaml_node *detection,
	const char *identifier)
{
	struct detect_record r = { .step = x->steps, .cap = STEPS };
	unsigned condition = UINT32_MAX, wrappers[DEPTH] = { 0 }; /* above a step of that depth */
	bool held = detect_explain(d, event_view_as_view(x->view), &r);
	size_t n = r.n < STEPS ? r.n : STEPS;
	for (size_t i = 0; i < n; i++) {
		const struct detect_step *s = &r.step[i];
		if (s->condition != condition && r.step[n - 1].condition > 0)
			printf("  condition %u\n", s->condition + 1);
		condition = s->condition;
		if (s->kind == DETECT_IDENTIFIER)
			identifier = s->name;
		unsigned above = s->depth < DEPTH ? wrappers[s->depth] : 0;
		bool wrapper = is_wrapper(s, r.step + n);
		if (s->depth + 1 < DEPTH)
			wrappers[s->depth + 1] = above + wrapper;
		if (!wrapper)
			put_step(x, s, s->depth - above, detection, identifier);
	}
	if (r.n > STEPS)
		printf("  and %zu more\n", r.n - STEPS);
	return held;
}

static void put_notes(const struct rule *r)
{
	const struct yaml_node *notes = yaml_get(r->doc, "falsepositives");
	if (!notes || notes->type == YAML_NULL)
		return;
	puts("false positives");
	for (size_t i = 0; notes->type == YAML_LIST && i < notes->n; i++)
		printf("  %s\n", notes->items[i]->text ? notes->items[i]->text : "");
	if (notes->type != YAML_LIST && notes->text)
		printf("  %s\n", notes->text);
}

static bool put_filters(struct explanation *x)
{
	bool held = true;
	for (size_t i = 0; i < x->rule->n_filters; i++) {
		const struct rule_filter *f = &x->rule->filters[i];
		printf("filter \"%s\"\n", f->title);
		bool one = put_tree(x, f->detect, NULL, NULL);
		if (!one)
			puts("  it takes this event out");
		held = held && one;
	}
	return held;
}

/* What becomes of the alert. */
static void put_suppressions(struct explanation *x)
{
	static const char *const does[] = { [SUPPRESS_DROP] = "holds the alert back",
		[SUPPRESS_LOWER] = "lowers its level",
		[SUPPRESS_TAG] = "tags it",
		[SUPPRESS_SUMMARIZE] = "holds it back for its summary" };
	char until[TIME_TEXT];
	for (size_t i = 0; i < x->rule->n_suppressions; i++) {
		const struct rule_suppression *s = &x->rule->suppressions[i];
		time_text(s->entry->expires_ns, until);
		printf("suppression \"%s\", until %.10s\n", s->entry->id, until);
		bool held = !s->match || put_tree(x, s->match, s->entry->match, "");
		if (held)
			printf("  %s\n", x->event->ts_ns < s->entry->expires_ns ? does[s->entry->action]
										: "has expired");
	}
}

static void put_head(struct explanation *x)
{
	const struct rule_text *t = &x->rule->text;
	const struct conv *c = &x->event->conv;
	struct bytes category = event_category(x->event), action = event_action(x->event);
	char from[ADDR_TEXT], to[ADDR_TEXT], time[TIME_TEXT];
	printf("rule \"%s\"%s%s (%s:%u)\n", t->title, *t->name ? ", " : "", t->name, x->rule->file,
		x->rule->line);
	time_text(x->event->ts_ns, time);
	printf("event %.*s %.*s, %s", (int)category.n, (const char *)category.p, (int)action.n,
		(const char *)action.p, time);
	if (c->src.family)
		printf(", %s:%u to %s:%u", addr_text(&c->src, from), c->sport, addr_text(&c->dst, to),
			c->dport);
	putchar('\n');
}

static void put_correlation(const struct rule *r)
{
	printf("rule \"%s\" counts matches of other rules within %s: explain each of them\n", r->text.title,
		r->correlation->span);
	for (unsigned i = 0; i < r->correlation->n_refs; i++)
		printf("  %s\n", r->correlation->names[i]);
}

/* What the segmentation policy says of the conversation. */
static void on_derived(void *arg, const struct event *e)
{
	static const unsigned fields[] = { SEGMENTATION_DIRECTION, SEGMENTATION_REASON,
		SEGMENTATION_NEAREST_RULE, SEGMENTATION_NEAREST_MISS };
	struct explanation *x = arg;
	const struct fact *policy = e->proto == PROTO_segmentation ? fact_find(e, SEGMENTATION_POLICY) : NULL;
	if (!policy || !bytes_is(fact_value(policy, 0), x->rule->text.name))
		return;
	x->violates = true;
	puts("no entry allows it");
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const struct fact *f = fact_find(e, fields[i]);
		struct bytes v = f ? fact_value(f, 0) : (struct bytes){ 0 };
		if (v.n)
			printf("  %s: %.*s\n", dissectors[PROTO_segmentation]->fields[fields[i]].name,
				(int)v.n, (const char *)v.p);
	}
}

static void explain_segmentation(struct explanation *x)
{
	policy_on_derived(x->run, on_derived, x);
	policy_event(x->run, x->event);
	puts(x->violates
			? "yes: the rule fires"
			: "no: the policy is for neither side, or an entry allows it, or this event does not "
			  "settle what the conversation is");
}

static void explain(struct explanation *x)
{
	const struct rule *r = x->rule;
	const struct event_schema *s = x->p->schema;
	unsigned category = event_schema_category_of(s, x->event);
	put_head(x);
	if (category != r->category && bytes_is(s->category[r->category], "segmentation")) {
		explain_segmentation(x);
		return;
	}
	if (category != r->category) {
		printf("no: the rule looks at events of %.*s, and this is one of %.*s\n",
			(int)s->category[r->category].n, (const char *)s->category[r->category].p,
			(int)s->category[category].n, (const char *)s->category[category].p);
		return;
	}
	event_view_look(x->view, x->event);
	bool held = true;
	if (r->source) {
		puts("log source");
		held = put_tree(x, r->source, NULL, NULL);
	}
	puts("detection");
	held = put_tree(x, r->detect, yaml_get(r->doc, "detection"), NULL) && held;
	held = put_filters(x) && held;
	if (held && !schedule_holds(r->schedule, x->event->ts_ns)) {
		puts("schedule\n  not at this time");
		held = false;
	}
	if (held)
		put_suppressions(x);
	printf("%s%s\n", held ? "yes: the rule fires" : "no: the rule does not fire",
		held && r->silent    ? ", but says nothing of its own (alert: never)"
		: held && r->counted ? ", which the correlations that count it hear of"
				     : "");
	put_notes(r);
}

/* ---- the event ------------------------------------------------------------------------------------------
 */

static bool read_stdin(struct explanation *x)
{
	char *text = malloc(EVENT_TEXT);
	size_t n = text ? fread(text, 1, EVENT_TEXT, stdin) : 0;
	bool ok = text && n < EVENT_TEXT;
	if (ok)
		ok = yaml_parse("standard input", bytes_of(text, n), &x->file, &x->c->diag);
	else
		diag_add(&x->c->diag, DIAG_ERROR, "standard input", 0, 0, "E240",
			"more than a MiB is no single event");
	free(text);
	return ok;
}

static bool read_event(struct explanation *x)
{
	struct policy_command *c = x->c;
	const char *name = strcmp(c->event, "-") == 0 ? "standard input" : c->event;
	diag_free(&c->diag); /* warnings on the rules are no news of the event */
	bool ok = name == c->event ? yaml_load(name, &x->file, &c->diag) : read_stdin(x);
	bool lines = !ok && x->file.n == 1 && yaml_get(x->file.docs[0], "event.category");
	if (lines)
		diag_free(&c->diag); /* the second line is no YAML behind the first */
	if (lines || (ok && x->file.n != 1))
		diag_add(&c->diag, DIAG_ERROR, name, lines ? 2 : 0, 1, "E240",
			"one event is explained at a time: of events.jsonl give one line");
	if (!ok || x->file.n != 1)
		return false;
	event_writer_init(&x->writer, x->p->schema, x->view, name, &c->diag);
	x->event = event_write(&x->writer, x->file.docs[0]);
	return x->event != NULL;
}

static void no_alert(void *arg, const struct alert *a)
{
	(void)arg;
	(void)a;
}

static int explain_event(struct explanation *x)
{
	x->run = policy_start(
		x->p, &x->c->config.limits, &x->counters, NULL, (struct alert_sink){ no_alert, NULL });
	x->doc = json_new();
	x->mask = mask_new(&x->c->config.key, &x->c->config.limits);
	if (!x->run || !x->doc || !x->mask)
		return policy_fail("out of memory");
	x->view = x->run->view;
	if (!read_event(x))
		return policy_refuse(x->c);
	mask_learn(x->mask, x->event);
	explain(x);
	return EXIT_GOOD;
}

int policy_explain(struct policy_command *c)
{
	const char *name = c->args[0], *near = rule_nearest(c->policy, name);
	const struct rule *r = rule_named(c->policy, name);
	if (!r)
		return policy_fail("there is no rule \"%s\" (policy list names them)%s%s%s", name,
			near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	if (r->correlation) {
		put_correlation(r);
		return EXIT_GOOD;
	}
	struct explanation *x = calloc(1, sizeof *x);
	if (!x)
		return policy_fail("out of memory");
	x->c = c;
	x->p = c->policy;
	x->rule = r;
	int code = explain_event(x);
	policy_stop(x->run);
	if (x->doc)
		json_free(x->doc);
	mask_free(x->mask);
	yaml_fini(&x->file);
	free(x);
	return code;
}
