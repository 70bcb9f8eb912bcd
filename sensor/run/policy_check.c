/* wardwatch policy check, list and coverage: what is there, what is wrong, what is not proved. */
#include "base/json.h"
#include "decide/correlate.h"
#include "decide/policy_suite.h"
#include "run/policy_command.h"

#include <stdlib.h>

/* ---- check ------------------------------------------------------------------------------------------ */

static void message_json(struct json_doc *d, const struct diag_message *m)
{
	static const char *const levels[] = { "error", "warning", "skipped" };
	json_reset(d);
	json_text(d, "file", m->file ? m->file : "-");
	if (m->line) {
		json_uint(d, "line", m->line);
		json_uint(d, "column", m->column);
	}
	json_text(d, "level", levels[m->level]);
	json_text(d, "code", m->code);
	json_text(d, "message", m->text ? m->text : "out of memory");
}

static void put_line(struct bytes line)
{
	fwrite(line.p, 1, line.n, stdout);
	putchar('\n');
}

static int messages_json(const struct diag *diag)
{
	struct json_doc *d = json_new();
	if (!d)
		return policy_fail("out of memory");
	for (size_t i = 0; i < diag->n; i++) {
		if (diag->messages[i].level == DIAG_SKIPPED)
			continue;
		message_json(d, &diag->messages[i]);
		put_line(json_flat(d));
	}
	json_free(d);
	return diag->errors ? EXIT_WRONG : EXIT_GOOD;
}

int policy_check(struct policy_command *c)
{
	if (c->json)
		return messages_json(&c->diag);
	size_t skipped = policy_count(&c->diag, DIAG_SKIPPED);
	policy_say(stdout, &c->diag, 1u << DIAG_ERROR | 1u << DIAG_WARNING);
	if (c->policy)
		printf("%zu rules loaded; ", policy_rules(c->policy));
	printf("%zu errors, %zu warnings, %zu skipped%s\n", c->diag.errors,
		policy_count(&c->diag, DIAG_WARNING), skipped,
		skipped ? " (policy list --skipped says why)" : "");
	return c->diag.errors ? EXIT_WRONG : EXIT_GOOD;
}

/* ---- list --------------------------------------------------------------------------------------------- */

static struct bytes events_of(const struct policy *p, const struct rule *r)
{
	return r->category < p->schema->n_categories ? p->schema->category[r->category] : (struct bytes){ 0 };
}

static void rule_json(struct json_doc *d, const struct policy *p, const struct rule *r)
{
	const struct rule_text *t = &r->text;
	json_reset(d);
	json_text(d, "title", t->title);
	json_text(d, "id", t->id);
	json_text(d, "name", t->name);
	json_text(d, "category", t->category);
	json_text(d, "level", level_name(t->level));
	json_text(d, "folder", t->ruleset);
	json_text(d, "file", r->file);
	json_uint(d, "line", r->line);
	json_str(d, "events", events_of(p, r));
}

static const char *name_of(const struct rule *r)
{
	return *r->text.name ? r->text.name : *r->text.id ? r->text.id : "-";
}

static int list_loaded(struct policy_command *c)
{
	const struct policy *p = c->policy;
	struct json_doc *d = c->json ? json_new() : NULL;
	int widest = 4;
	for (size_t i = 0; i < p->n_rules; i++)
		if ((int)strlen(name_of(p->rules[i])) > widest)
			widest = (int)strlen(name_of(p->rules[i]));
	if (c->json && !d)
		return policy_fail("out of memory");
	if (!c->json)
		printf("%-13s %-22s %-20s %-*s %s\n", "LEVEL", "CATEGORY", "FOLDER", widest, "NAME", "TITLE");
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule_text *t = &p->rules[i]->text;
		if (c->json) {
			rule_json(d, p, p->rules[i]);
			put_line(json_flat(d));
		} else {
			printf("%-13s %-22s %-20s %-*s %s\n", level_name(t->level), t->category, t->ruleset,
				widest, name_of(p->rules[i]), t->title);
		}
	}
	if (!c->json)
		printf("%zu rules\n", p->n_rules);
	if (d)
		json_free(d);
	return EXIT_GOOD;
}

/* The title of the document that the message is about: the last one in the file to begin before it. */
static const char *title_at(const struct policy *p, const struct diag_message *m)
{
	const char *title = "";
	for (size_t i = 0; i < p->n_files; i++)
		for (size_t k = 0; m->file && strcmp(p->files[i].path, m->file) == 0 && k < p->files[i].n;
			k++) {
			const struct yaml_node *doc = p->files[i].docs[k];
			const struct yaml_node *t =
				doc->line <= m->line && doc->type == YAML_MAP ? yaml_get(doc, "title") : NULL;
			title = t && t->text ? t->text : title;
		}
	return title;
}

static int list_skipped(struct policy_command *c)
{
	struct json_doc *d = json_new();
	if (!d)
		return policy_fail("out of memory");
	for (size_t i = 0; i < c->diag.n; i++) {
		const struct diag_message *m = &c->diag.messages[i];
		if (m->level != DIAG_SKIPPED)
			continue;
		const char *title = title_at(c->policy, m);
		message_json(d, m);
		json_text(d, "title", title);
		if (c->json)
			put_line(json_flat(d));
		else
			printf("%s:%u:%u: %s %s: %s\n", m->file, m->line, m->column, m->code, title, m->text);
	}
	if (!c->json)
		printf("%zu skipped, %zu loaded\n", policy_count(&c->diag, DIAG_SKIPPED),
			policy_rules(c->policy));
	json_free(d);
	return EXIT_GOOD;
}

int policy_list(struct policy_command *c)
{
	return c->skipped ? list_skipped(c) : list_loaded(c);
}

/* ---- coverage ------------------------------------------------------------------------------------------ */

/* A rule that others count is proved with them. */
static void covered(const struct policy *p, const struct rule *r, bool *fires, bool *silent)
{
	for (size_t i = 0; r->tests && i < r->tests->n; i++) {
		const struct yaml_node *expect = yaml_get(r->tests->items[i], "expect");
		bool number = expect && expect->type == YAML_INT;
		*fires |= number && expect->integer > 0;
		*silent |= number && expect->integer == 0;
	}
	for (size_t i = 0; i < p->n_suite; i++)
		for (size_t k = 0; k < p->suite[i]->n_expects; k++) {
			const struct suite_expect *e = &p->suite[i]->expects[k];
			*fires |= e->rule == r && e->least > 0;
			*silent |= e->rule == r && e->most == 0;
		}
	for (size_t i = 0; i < r->n_feeds; i++)
		covered(p, r->feeds[i].to->rule, fires, silent);
}

int policy_coverage(struct policy_command *c)
{
	const struct policy *p = c->policy;
	size_t lacking = 0;
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule *r = p->rules[i];
		bool fires = r->silent, silent = false; /* one that never alerts cannot be seen to fire */
		covered(p, r, &fires, &silent);
		if (fires && silent)
			continue;
		lacking++;
		printf("%s:%u:1: W245 no test shows that \"%s\" %s: add one under `sensor.tests`\n", r->file,
			r->line, r->text.title,
			fires    ? "stays silent on what it does not mean"
			: silent ? "fires"
				 : "fires, and none that it stays silent on what it does not mean");
	}
	printf("%zu rules, %zu lack a test\n", p->n_rules, lacking);
	return lacking ? EXIT_WRONG : EXIT_GOOD;
}
