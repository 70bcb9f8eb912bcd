/* One rule: its fields, log source and detection (policy-language.md sections 4 and 5). */
#include "decide/policy_impl.h"

#include <stdio.h>

enum { TITLE = 256, LONG_TEXT = 65535, SHORT_TEXT = 1024 };

bool is_wardwatch(const struct yaml_node *doc)
{
	const struct yaml_node *d = yaml_get(doc, "dialect");
	return d && bytes_is(yaml_text(d), "wardwatch/1");
}

/* ---- small fields ------------------------------------------------------------------------------- */

static bool is_uuid(const char *t)
{
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		uint8_t c = ascii_lower((uint8_t)t[i]);
		if (dash ? c != '-' : !(ascii_digit(c) || (c >= 'a' && c <= 'f')))
			return false;
	}
	return t[36] == 0;
}

static bool is_name(const char *t)
{
	for (const char *c = t; *c; c++)
		if (!(*c == '_' || ascii_alpha(*c) || (c > t && ascii_digit(*c))))
			return false;
	return *t != 0;
}

/* YYYY-MM-DD; the older YYYY/MM/DD of Sigma 1 is none. */
static bool is_date(const char *t)
{
	for (size_t i = 0; i < 10; i++)
		if (i == 4 || i == 7 ? t[i] != '-' : !ascii_digit(t[i]))
			return false;
	return t[10] == 0;
}

/* namespace.value */
static bool is_tag(const char *t)
{
	size_t dot = 0, n = strlen(t);
	for (size_t i = 0; i < n; i++) {
		if (t[i] == '.' && !dot)
			dot = i;
		else if (!((t[i] >= 'a' && t[i] <= 'z') || ascii_digit(t[i]) || t[i] == '_' || t[i] == '-' ||
				 (t[i] == '.' && dot)))
			return false;
	}
	return dot > 0 && dot + 1 < n;
}

static void check_format(struct loader *l, const struct yaml_node *doc, const char *key, const char *text,
	bool (*is_good)(const char *), const char *code, const char *want)
{
	if (*text && !is_good(text))
		load_error(l, yaml_get(doc, key), code, "`%s` must be %s", key, want);
}

static void load_identity(struct loader *l, const struct yaml_node *doc, struct rule_text *t)
{
	t->title = load_text(l, doc, "title", TITLE);
	t->id = load_text(l, doc, "id", SHORT_TEXT);
	t->name = load_text(l, doc, "name", SHORT_TEXT);
	t->description = load_text(l, doc, "description", LONG_TEXT);
	t->license = load_text(l, doc, "license", SHORT_TEXT);
	t->author = load_text(l, doc, "author", SHORT_TEXT);
	const char *modified = load_text(l, doc, "modified", SHORT_TEXT),
		   *date = load_text(l, doc, "date", SHORT_TEXT);
	t->version = *modified ? modified : date;
	if (!*t->title)
		load_error(l, doc, "E116", "a rule needs a `title`");
	if (!*t->id)
		load_warning(l, doc, "W120",
			"this rule has no `id`: give it a UUID, so that alerts can refer to it");
	check_format(
		l, doc, "id", t->id, is_uuid, "E125", "a UUID like 2f6c5c06-0a0f-4f25-9ef2-6f2f8d1f9a42");
	check_format(
		l, doc, "name", t->name, is_name, "E126", "of letters, digits and _, and no digit first");
	check_format(l, doc, "date", date, is_date, "E115", "a date like 2026-03-01");
	check_format(l, doc, "modified", modified, is_date, "E115", "a date like 2026-03-01");
}

static void load_lists(struct loader *l, const struct yaml_node *doc, struct rule_text *t)
{
	size_t n;
	const char *const *references = load_texts(l, doc, "references", &n);
	t->reference = n ? references[0] : "";
	(void)load_texts(l, doc, "falsepositives", &n);
	(void)load_texts(l, doc, "scope", &n);
	t->tags = load_texts(l, doc, "tags", &t->n_tags);
	for (size_t i = 0; i < t->n_tags; i++)
		if (!is_tag(t->tags[i]))
			load_error(l, yaml_get(doc, "tags"), "E114",
				"\"%s\" is no tag: write namespace.value in lower case, like attack.t1040",
				t->tags[i]);
}

/* Fields to copy, by their canonical names. */
static void load_fields(
	struct loader *l, const struct yaml_node *doc, const struct rule *r, struct rule_text *t)
{
	const struct event_schema *s = l->p->schema;
	size_t n;
	const char *const *names = load_texts(l, doc, "fields", &n);
	const char **out = arena_get(&l->p->memory, (n + 1) * sizeof *out);
	for (size_t i = 0; i < n; i++) {
		int f = s->schema.field(&s->schema, s->category[r->category], bytes_str(names[i]));
		if (f >= 0)
			out[t->n_fields++] = s->field[f].name;
		else if (is_wardwatch(doc))
			load_error(l, yaml_get(doc, "fields"), "E144",
				"there is no field \"%s\" in these events", names[i]);
	}
	t->fields = out;
}

static void load_level(struct loader *l, const struct yaml_node *doc, struct rule_text *t)
{
	static const char *const levels[] = { "informational", "low", "medium", "high", "critical" };
	const struct yaml_node *level = yaml_get(doc, "level");
	int i = level ? load_choice(l, level, levels, 5) : (int)LEVEL_MEDIUM;
	if (!level)
		load_warning(l, doc, "W124", "this rule has no `level`: medium is taken");
	t->level = i < 0 ? LEVEL_MEDIUM : (enum level)i;
}

static bool is_one_of(const struct yaml_node *v, const char *const *names, size_t n)
{
	for (size_t i = 0; v->type == YAML_STRING && i < n; i++)
		if (bytes_is(yaml_text(v), names[i]))
			return true;
	return false;
}

static const char *const statuses[] = { [STATUS_UNSUPPORTED] = "unsupported",
	[STATUS_DEPRECATED] = "deprecated",
	[STATUS_EXPERIMENTAL] = "experimental",
	[STATUS_TEST] = "test",
	[STATUS_STABLE] = "stable" };

bool rule_status_of(struct bytes name, enum rule_status *out)
{
	for (unsigned i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		*out = (enum rule_status)i;
		if (bytes_is(name, statuses[i]))
			return true;
	}
	return false;
}

const char *rule_status_name(enum rule_status status)
{
	return statuses[status];
}

/* False: not to be loaded. */
static bool check_status(struct loader *l, const struct yaml_node *doc)
{
	const struct policy_options *o = &l->p->options;
	static const char *const taxonomies[] = { "sigma", "ecs", "zeek" };
	const struct yaml_node *status = yaml_get(doc, "status"), *taxonomy = yaml_get(doc, "taxonomy");
	const struct yaml_node *dialect = yaml_get(doc, "dialect");
	int i = status ? load_choice(l, status, statuses, 5) : STATUS_TEST;
	if (dialect && !bytes_is(yaml_text(dialect), "wardwatch/1") && !bytes_is(yaml_text(dialect), "sigma"))
		load_error(l, dialect, "E113", "`dialect` is sigma or wardwatch/1");
	if (taxonomy && !is_one_of(taxonomy, taxonomies, 3)) {
		load_error(l, taxonomy, "E123", "`taxonomy` is sigma, ecs or zeek");
		return false;
	}
	bool loads = i == STATUS_DEPRECATED ? o->load_deprecated
					    : i > STATUS_DEPRECATED && i >= (int)o->min_status;
	if (loads || i < 0)
		return loads;
	diag_add(l->diag, DIAG_SKIPPED, l->file, status ? status->line : doc->line,
		status ? status->column : doc->column, "S5", "its status is %s%s%s", statuses[i],
		i > STATUS_DEPRECATED ? ", and min-status is " : "",
		i > STATUS_DEPRECATED ? statuses[o->min_status] : "");
	return false;
}

/* ---- rules -------------------------------------------------------------------------------------- */

static void check_keys(struct loader *l, const struct yaml_node *doc)
{
	static const char *const keys[] = { "title", "id", "name", "related", "taxonomy", "status",
		"description", "license", "author", "references", "date", "modified", "logsource",
		"detection", "fields", "falsepositives", "level", "tags", "scope", "dialect", "sensor" };
	if (is_wardwatch(doc))
		load_keys(l, doc, keys, sizeof keys / sizeof *keys, false);
	else if (yaml_get(doc, "sensor"))
		load_warning(l, yaml_get(doc, "sensor"), "W125",
			"`sensor` counts only with `dialect: wardwatch/1`");
}

static bool check_detection(struct loader *l, const struct yaml_node *detection)
{
	bool fine = detection->type == YAML_MAP && yaml_get(detection, "condition");
	if (!fine)
		load_error(l, detection, "E146",
			"a detection is a mapping of search identifiers and a `condition`");
	return fine;
}

void rule_defaults(struct rule *r)
{
	r->text.category = "policy";
	r->text.confidence = 80;
	r->by[0] = COMMON_SOURCE_IP;
	r->by[1] = COMMON_DESTINATION_IP;
	r->n_by = 2;
	r->for_ns = UINT64_C(86400) * 1000000000;
	r->first_alerts = 1;
	r->evidence = 8;
}

bool document_head(struct loader *l, const struct yaml_node *doc, struct rule *r)
{
	r->file = l->file;
	r->line = doc->line;
	r->doc = doc;
	r->text.ruleset = l->ruleset;
	if (!check_status(l, doc))
		return false;
	load_identity(l, doc, &r->text);
	load_lists(l, doc, &r->text);
	return true;
}

bool rule_head(struct loader *l, const struct yaml_node *doc, struct rule *r)
{
	rule_defaults(r);
	if (!document_head(l, doc, r))
		return false;
	load_level(l, doc, &r->text);
	related_load(l, r, doc);
	return true;
}

bool rule_add(struct loader *l, struct rule *r)
{
	struct policy *p = l->p;
	if (p->n_rules == MAX_RULES) {
		load_error(l, r->doc, "E119", "more than %d rules", MAX_RULES);
		return false;
	}
	r->number = (uint32_t)p->n_rules;
	arena_grow(&p->memory, &p->rules, &p->cap_rules, p->n_rules, sizeof(struct rule *));
	p->rules[p->n_rules++] = r;
	return true;
}

void rule_load(struct loader *l, const struct yaml_node *doc)
{
	struct policy *p = l->p;
	struct rule *r = arena_get(&p->memory, sizeof *r);
	const struct yaml_node *detection = yaml_get(doc, "detection"), *sensor = yaml_get(doc, "sensor");
	if (!rule_head(l, doc, r))
		return;
	check_keys(l, doc);
	int category = logsource_attach(l, r, doc, yaml_get(doc, "logsource"));
	if (category < 0 || !check_detection(l, detection))
		return;
	r->category = (unsigned)category;
	if (!logsource_can_judge(l, r, detection))
		return;
	load_fields(l, doc, r, &r->text);
	if (sensor && is_wardwatch(doc))
		rule_sensor(l, r, sensor);
	if (is_wardwatch(doc))
		rule_scope(l, r, doc);
	struct detect_env env = names_env(l, p->schema->category[category], is_wardwatch(doc));
	env.foreign = r->foreign && !is_wardwatch(doc);
	r->detect = detect_compile_in(&env, detection);
	if (r->detect && !rule_add(l, r))
		detect_free(r->detect);
}
