/* wardwatch policy dump: the compiled set, a JSON object a line. */
#include "base/json.h"
#include "decide/correlate.h"
#include "run/policy_command.h"

#include <stdlib.h>

struct dumped {
	struct json_doc *d;
	const struct schema *schema;
	bool seen[SCHEMA_FIELDS + 1]; /* the last: any, of keywords */
};

static void on_field(void *arg, uint16_t field)
{
	struct dumped *x = arg;
	bool any = field == DETECT_ANY_FIELD, *seen = &x->seen[any ? SCHEMA_FIELDS : field];
	if (*seen)
		return;
	*seen = true;
	json_text(x->d, "fields", any ? "*" : x->schema->name(x->schema, field));
}

static void correlation_json(struct json_doc *d, const struct correlation *k)
{
	static const char *const types[] = { "event_count", "value_count", "value_sum", "value_avg",
		"temporal", "temporal_ordered" };
	json_text(d, "correlation.type", types[k->type]);
	json_list(d, "correlation.rules");
	for (unsigned i = 0; i < k->n_refs; i++)
		json_text(d, "correlation.rules", k->names[i]);
	json_list(d, "correlation.group-by");
	for (unsigned i = 0; i < k->n_by; i++)
		json_text(d, "correlation.group-by", k->by[i]);
	json_text(d, "correlation.timespan", k->span);
}

static void rule_json(struct dumped *x, const struct policy *p, const struct rule *r)
{
	const struct rule_text *t = &r->text;
	struct json_doc *d = x->d;
	json_reset(d);
	memset(x->seen, 0, sizeof x->seen);
	json_text(d, "title", t->title);
	json_text(d, "id", t->id);
	json_text(d, "name", t->name);
	json_text(d, "level", level_name(t->level));
	json_text(d, "category", t->category);
	json_uint(d, "confidence", t->confidence);
	json_text(d, "folder", t->ruleset);
	json_text(d, "file", r->file);
	json_uint(d, "line", r->line);
	json_text(d, "kind", r->correlation ? "correlation" : "rule");
	if (r->category < p->schema->n_categories)
		json_str(d, "events", p->schema->category[r->category]);
	json_text(d, "alert", r->silent ? "never" : r->counted ? "counted" : "normal");
	json_list(d, "filters");
	for (size_t i = 0; i < r->n_filters; i++)
		json_text(d, "filters", r->filters[i].title);
	json_list(d, "fields");
	if (r->detect)
		detect_fields(r->detect, on_field, x);
	if (r->correlation)
		correlation_json(d, r->correlation);
	json_uint(d, "tests", r->tests ? r->tests->n : 0);
}

/* Compiled anew, since what is run has folded its texts. False: a rule without a detection. */
static bool put_ast(struct policy *p, const struct rule *r)
{
	const struct yaml_node *detection = yaml_get(r->doc, "detection");
	struct diag said = { 0 }; /* all of it was said at loading */
	struct loader l = { .p = p, .diag = &said, .file = r->file };
	struct detect_env env = names_env(&l, p->schema->category[r->category], is_wardwatch(r->doc));
	env.as_written = true;
	struct detect *d = detection ? detect_compile_in(&env, detection) : NULL;
	char *line = NULL;
	size_t n = 0;
	FILE *f = d ? open_memstream(&line, &n) : NULL;
	if (f) {
		detect_dump(d, f);
		fclose(f);
		fwrite(line, 1, n - 1, stdout); /* without its LF */
	}
	free(line);
	detect_free(d);
	diag_free(&said);
	return f != NULL;
}

static void put_tree(struct policy *p, struct json_doc *d, const struct rule *r)
{
	json_reset(d);
	json_text(d, "title", r->text.title);
	json_text(d, "id", r->text.id);
	struct bytes head = json_flat(d);
	printf("%.*s,\"ast\":", (int)head.n - 1, (const char *)head.p);
	if (!put_ast(p, r))
		fputs("null", stdout);
	puts("}");
}

int policy_dump(struct policy_command *c)
{
	struct dumped *x = calloc(1, sizeof *x);
	if (x)
		x->d = json_new();
	if (!x || !x->d) {
		free(x);
		return policy_fail("out of memory");
	}
	x->schema = &c->policy->schema->schema;
	for (size_t i = 0; i < c->policy->n_rules; i++) {
		const struct rule *r = c->policy->rules[i];
		if (c->ast && r->correlation)
			continue;
		if (c->ast) {
			put_tree(c->policy, x->d, r);
			continue;
		}
		rule_json(x, c->policy, r);
		struct bytes line = json_nested(x->d);
		printf("%.*s\n", (int)line.n, (const char *)line.p);
	}
	json_free(x->d);
	free(x);
	return EXIT_GOOD;
}
