#include "decide/correlate.h"
#include "decide/suppress.h"

#include <stdio.h>

/* ---- one entry ------------------------------------------------------------------------------ */

static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int64_t leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	int64_t p = y - 1;
	return 365 * (y - 1970) + (p / 4 - p / 100 + p / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400) +
	       before[m - 1] + (m > 2 && leap) + d - 1;
}

/* The end of the day YYYY-MM-DD, UTC; 0: no date. */
static uint64_t end_of_day(struct bytes t)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint64_t y, m, d;
	bool fine = t.n == 10 && bytes_at(t, 4) == '-' && bytes_at(t, 7) == '-' &&
		    bytes_to_u64(bytes_first(t, 4), &y) &&
		    bytes_to_u64(bytes_first(bytes_from(t, 5), 2), &m) && bytes_to_u64(bytes_from(t, 8), &d);
	if (!fine || y < 1970 || y > 2500 || m < 1 || m > 12 || d < 1 || d > (uint64_t)days[m - 1])
		return 0;
	return (uint64_t)(days_from_civil((int64_t)y, (int64_t)m, (int64_t)d) + 1) * 86400 * 1000000000;
}

static const char *needed(struct loader *l, const struct yaml_node *entry, const char *key)
{
	const char *text = load_text(l, entry, key, 1024);
	if (!*text)
		load_error(l, entry, "E230",
			"a suppression needs `%s`: who answers for it, why and until when must be on record",
			key);
	return text;
}

/* A rule in whose name something is said of the entry. */
static void speaker(struct loader *l, struct suppression *s, struct rule *r, const char *title,
	enum level level, const char *reason)
{
	char text[256];
	struct rule_text *t = &r->text;
	snprintf(text, sizeof text, title, s->id);
	*t = (struct rule_text){ .title = arena_text(&l->p->memory, bytes_str(text)),
		.id = "",
		.name = s->id,
		.description = reason,
		.license = "",
		.author = "",
		.reference = "",
		.version = "",
		.category = "sensor_health",
		.ruleset = l->ruleset,
		.level = level,
		.confidence = 100 };
	r->file = l->file;
	r->line = s->at->line;
}

static void speakers(struct loader *l, struct suppression *s, const char *reason)
{
	static const char *const done[] = { "Alerts held back by the suppression %s",
		"Alerts lowered by the suppression %s", "Alerts marked by the suppression %s",
		"Alerts summed up by the suppression %s" };
	speaker(l, s, &s->summary, done[s->action], LEVEL_INFORMATIONAL, reason);
	speaker(l, s, &s->expired, "The suppression %s has expired: its alerts are given again", LEVEL_LOW,
		reason);
}

static void check_id(struct loader *l, const struct suppression *s)
{
	for (size_t i = 0; i < l->p->n_suppressions; i++)
		if (*s->id && strcmp(l->p->suppressions[i]->id, s->id) == 0)
			load_error(l, s->at, "E231", "there is another suppression \"%s\" in %s:%u", s->id,
				l->p->suppressions[i]->file, l->p->suppressions[i]->at->line);
}

static void entry_load(struct loader *l, const struct yaml_node *entry)
{
	static const char *const keys[] = { "id", "rules", "match", "reason", "owner", "expires", "action" };
	static const char *const actions[] = { "drop", "lower", "tag", "summarize" };
	struct policy *p = l->p;
	if (entry->type != YAML_MAP) {
		load_error(l, entry, "E230", "a suppression is a mapping, and this is %s",
			yaml_type_name(entry->type));
		return;
	}
	load_keys(l, entry, keys, sizeof keys / sizeof *keys, true);
	struct suppression *s = arena_get(&p->memory, sizeof *s);
	const struct yaml_node *action = yaml_get(entry, "action");
	s->at = entry;
	s->file = l->file;
	s->id = needed(l, entry, "id");
	const char *reason = needed(l, entry, "reason"), *expires = needed(l, entry, "expires");
	(void)needed(l, entry, "owner");
	s->expires_ns = end_of_day(bytes_str(expires));
	if (*expires && !s->expires_ns)
		load_error(l, yaml_get(entry, "expires"), "E230", "`expires` is a date like 2026-12-31");
	int a = action ? load_choice(l, action, actions, 4) : 0;
	s->action = a < 0 ? SUPPRESS_DROP : (enum suppress_action)a;
	s->rules = yaml_get(entry, "rules");
	s->match = yaml_get(entry, "match");
	if (!s->rules || s->rules->type == YAML_MAP || (s->rules->type == YAML_LIST && s->rules->n == 0))
		load_error(l, entry, "E230", "a suppression needs `rules`: their names or ids");
	if (s->match && s->match->type != YAML_MAP)
		load_error(l, s->match, "E230", "`match` is a mapping of fields and values");
	check_id(l, s);
	speakers(l, s, reason);
	s->number = (uint32_t)p->n_suppressions;
	arena_grow(&p->memory, &p->suppressions, &p->cap_suppressions, p->n_suppressions,
		sizeof(struct suppression *));
	p->suppressions[p->n_suppressions++] = s;
}

void suppressions_load(struct loader *l, const struct yaml_node *doc)
{
	static const char *const keys[] = { "dialect", "kind", "suppressions" };
	const struct yaml_node *list = yaml_get(doc, "suppressions");
	load_keys(l, doc, keys, 3, true);
	if (!list || list->type != YAML_LIST) {
		load_error(l, list ? list : doc, "E230", "`suppressions` is a list of entries");
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		entry_load(l, list->items[i]);
}

/* ---- the rules ------------------------------------------------------------------------------ */

static void apply(struct loader *l, struct suppression *s, struct rule *r)
{
	const struct event_schema *schema = l->p->schema;
	unsigned c = r->correlation ? SCHEMA_CATEGORIES : r->category;
	if (s->match && !s->tried[c]) {
		struct detect_env env =
			names_env(l, r->correlation ? (struct bytes){ 0 } : schema->category[c], true);
		env.file = s->file;
		s->of_category[c] = detect_compile_in(&env, s->match);
	}
	s->tried[c] = true;
	if (s->match && !s->of_category[c])
		return;
	arena_grow(&l->p->memory, &r->suppressions, &r->cap_suppressions, r->n_suppressions,
		sizeof *r->suppressions);
	r->suppressions[r->n_suppressions++] =
		(struct rule_suppression){ s, s->of_category[c], l->p->n_suppressed++ };
}

void suppressions_apply(struct loader *l)
{
	for (size_t i = 0; i < l->p->n_suppressions; i++) {
		struct suppression *s = l->p->suppressions[i];
		bool list = s->rules && s->rules->type == YAML_LIST;
		l->file = s->file;
		for (size_t k = 0; s->rules && k < (list ? s->rules->n : 1); k++) {
			const struct yaml_node *name = list ? s->rules->items[k] : s->rules;
			struct rule *r = name->text ? rule_find(l->p, yaml_text(name)) : NULL;
			if (r)
				apply(l, s, r);
			else if (!name->text || !rule_was_skipped(l->p, yaml_text(name)))
				load_error(l, name, "E232", "no rule has the name or id \"%s\"",
					name->text ? name->text : "");
		}
	}
}

void suppressions_free(struct policy *p)
{
	for (size_t i = 0; i < p->n_suppressions; i++)
		for (size_t c = 0; c <= SCHEMA_CATEGORIES; c++)
			detect_free(p->suppressions[i]->of_category[c]);
}
