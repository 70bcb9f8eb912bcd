#include "decide/policy_suite.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_TEXT = 1024, MANY = 65536 };

/* ---- reading -------------------------------------------------------------------------------------- */

static struct suite_expect *add_expect(struct loader *l, struct suite_test *t, const struct yaml_node *rule)
{
	arena_grow(&l->p->memory, &t->expects, &t->cap_expects, t->n_expects, sizeof *t->expects);
	struct suite_expect *e = &t->expects[t->n_expects++];
	*e = (struct suite_expect){ .node = rule, .least = 1, .most = UINT64_MAX };
	return e;
}

static void read_expect(struct loader *l, struct suite_test *t, const struct yaml_node *one)
{
	static const char *const keys[] = { "rule", "count", "has" };
	const struct yaml_node *rule = one->type == YAML_MAP ? yaml_get(one, "rule") : NULL;
	if (!rule || !rule->text) {
		load_error(l, one, "E241",
			"an expectation is a mapping like {rule: name, count: 1, has: {field: value}}");
		return;
	}
	load_keys(l, one, keys, 3, true);
	struct suite_expect *e = add_expect(l, t, rule);
	const struct yaml_node *count = yaml_get(one, "count");
	e->has = yaml_get(one, "has");
	if (count && (count->type != YAML_INT || count->integer < 0))
		load_error(l, count, "E241", "`count` is a whole number of alerts");
	else if (count)
		e->least = e->most = (uint64_t)count->integer;
	if (e->has && e->has->type != YAML_MAP) {
		load_error(l, e->has, "E241", "`has` is a mapping of the alert's fields and their values");
		e->has = NULL;
	}
}

static void read_expects(struct loader *l, struct suite_test *t, const struct yaml_node *test)
{
	const struct yaml_node *expect = yaml_get(test, "expect"), *none = yaml_get(test, "expect-none");
	if (!expect && !none)
		load_error(l, test, "E241", "a test needs `expect` or `expect-none`: it proves nothing else");
	if (expect && expect->type != YAML_LIST)
		load_error(l, expect, "E241", "`expect` is a list like [{rule: name, count: 1}]");
	for (size_t i = 0; expect && expect->type == YAML_LIST && i < expect->n; i++)
		read_expect(l, t, expect->items[i]);
	if (none && none->type != YAML_LIST)
		load_error(l, none, "E241", "`expect-none` is a list of names of rules");
	for (size_t i = 0; none && none->type == YAML_LIST && i < none->n; i++) {
		if (none->items[i]->text)
			add_expect(l, t, none->items[i])->least = 0;
		else
			load_error(l, none->items[i], "E241", "`expect-none` is a list of names of rules");
		if (none->items[i]->text)
			t->expects[t->n_expects - 1].most = 0;
	}
}

int suite_device_field(const struct event_schema *s, const char *key)
{
	char name[NAME_TEXT];
	snprintf(name, sizeof name, "source.%s%s", strcmp(key, "id") == 0 ? "device." : "", key);
	int f = s->schema.field(&s->schema, (struct bytes){ 0 }, bytes_str(name));
	return f >= s->source_device && f < s->destination_device ? f : -1;
}

static void read_device(struct loader *l, struct suite_devices *out, const struct yaml_node *one)
{
	struct suite_device *d = &out->list[out->n++];
	const struct yaml_node *ip = one->type == YAML_MAP ? yaml_get(one, "ip") : NULL;
	*d = (struct suite_device){ .node = one };
	if (!ip || !ip->text || !addr_parse(yaml_text(ip), &d->ip)) {
		load_error(l, ip ? ip : one, "E241",
			"a device has an address: {id: pump1, ip: 10.42.0.7, device.type: infusion_pump}");
		return;
	}
	for (size_t i = 0; i < one->n; i++)
		if (strcmp(one->keys[i]->text, "ip") != 0 &&
			suite_device_field(l->p->schema, one->keys[i]->text) < 0)
			load_error(
				l, one->keys[i], "E144", "a device has no field \"%s\"", one->keys[i]->text);
}

void suite_devices_load(struct loader *l, const struct yaml_node *test, struct suite_devices *out)
{
	const struct yaml_node *list = yaml_get(test, "devices");
	if (!list)
		return;
	if (list->type != YAML_LIST) {
		load_error(l, list, "E241", "`devices` is a list");
		return;
	}
	out->list = arena_get(&l->p->memory, (list->n + 1) * sizeof *out->list);
	for (size_t i = 0; i < list->n; i++)
		read_device(l, out, list->items[i]);
}

/* Beside the file that names it. */
static const char *beside(struct policy *p, const char *file, const char *path)
{
	struct bytes dir = bytes_str(file);
	while (dir.n && dir.p[dir.n - 1] != '/')
		dir.n--;
	if (*path == '/' || !dir.n)
		return path;
	size_t n = dir.n + strlen(path) + 1;
	char *out = arena_get(&p->memory, n);
	snprintf(out, n, "%.*s%s", (int)dir.n, (const char *)dir.p, path);
	return out;
}

static void read_input(struct loader *l, struct suite_test *t, const struct yaml_node *test)
{
	const struct yaml_node *zones = yaml_get(test, "zones"), *pcap = yaml_get(test, "pcap");
	t->events = yaml_get(test, "events");
	if (!t->events == !pcap)
		load_error(l, test, "E241", "a test has a list of `events` or a `pcap`, one of them");
	if (t->events && t->events->type != YAML_LIST) {
		load_error(l, t->events, "E241", "`events` is a list of mappings");
		t->events = NULL;
	}
	if (pcap && pcap->type != YAML_STRING)
		load_error(l, pcap, "E241", "`pcap` is the path of a capture, from this file's folder on");
	else if (pcap)
		t->pcap = beside(l->p, l->file, pcap->text);
	if (zones && !bytes_is(yaml_text(zones), "inherit"))
		load_error(l, zones, "E241", "`zones: inherit` (those of the policy set) is all there is");
	if (pcap && yaml_get(test, "devices"))
		load_error(l, test, "E241", "a capture shows its devices itself: leave out `devices`");
}

static void read_test(struct loader *l, const struct yaml_node *test)
{
	static const char *const keys[] = { "name", "zones", "devices", "events", "pcap", "expect",
		"expect-none" };
	struct policy *p = l->p;
	if (test->type != YAML_MAP) {
		load_error(
			l, test, "E241", "a test is a mapping, and this is %s", yaml_type_name(test->type));
		return;
	}
	struct suite_test *t = arena_get(&p->memory, sizeof *t);
	t->file = l->file;
	t->node = test;
	t->name = load_text(l, test, "name", NAME_TEXT);
	if (!*t->name)
		load_error(l, test, "E241", "a test needs a `name`");
	load_keys(l, test, keys, sizeof keys / sizeof *keys, true);
	read_input(l, t, test);
	suite_devices_load(l, test, &t->devices);
	read_expects(l, t, test);
	arena_grow(&p->memory, &p->suite, &p->cap_suite, p->n_suite, sizeof(struct suite_test *));
	p->suite[p->n_suite++] = t;
}

void suite_load(struct loader *l, const struct yaml_node *doc)
{
	static const char *const keys[] = { "dialect", "kind", "tests", "title", "description" };
	const struct yaml_node *tests = yaml_get(doc, "tests");
	load_keys(l, doc, keys, sizeof keys / sizeof *keys, true);
	if (!tests || tests->type != YAML_LIST || tests->n > MANY) {
		load_error(l, tests ? tests : doc, "E241", "`kind: tests` needs a list of `tests`");
		return;
	}
	for (size_t i = 0; i < tests->n; i++)
		read_test(l, tests->items[i]);
}

/* ---- linking --------------------------------------------------------------------------------------- */

static bool doc_is(const struct yaml_node *doc, const char *name)
{
	static const char *const keys[] = { "name", "title", "id" };
	for (size_t i = 0; doc->type == YAML_MAP && i < 3; i++) {
		const struct yaml_node *v = yaml_get(doc, keys[i]);
		if (v && v->text && strcasecmp(v->text, name) == 0)
			return true;
	}
	return false;
}

static bool is_written(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_files; i++)
		for (size_t k = 0; k < p->files[i].n; k++)
			if (doc_is(p->files[i].docs[k], name))
				return true;
	return false;
}

const struct rule *rule_named(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct rule_text *t = &p->rules[i]->text;
		if (strcmp(t->name, name) == 0 || strcasecmp(t->id, name) == 0 || strcmp(t->title, name) == 0)
			return p->rules[i];
	}
	return NULL;
}

const char *rule_nearest(const struct policy *p, const char *name)
{
	const char **names = calloc(2 * p->n_rules + 1, sizeof *names);
	size_t n = 0;
	for (size_t i = 0; names && i < p->n_rules; i++) {
		names[n++] = p->rules[i]->text.name;
		names[n++] = p->rules[i]->text.title;
	}
	const char *near = names ? diag_nearest(bytes_str(name), names, n) : NULL;
	for (size_t i = 0; !near && *name && i < n; i++) /* a part of it says it as well */
		near = strcasestr(names[i], name) ? names[i] : NULL;
	free(names);
	return near && *near ? near : NULL;
}

static void link_expect(struct loader *l, const char *file, struct suite_expect *e)
{
	const struct event_schema *s = l->p->schema;
	const char *name = e->node->text, *near;
	e->rule = rule_named(l->p, name);
	l->file = file;
	if (!e->rule && !is_written(l->p, name)) {
		near = rule_nearest(l->p, name);
		load_error(l, e->node, "E243", "there is no rule \"%s\"%s%s%s", name,
			near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	} else if (!e->rule && l->diag->errors == 0) { /* else it is one of those that are wrong */
		load_error(l, e->node, "E243",
			"the rule \"%s\" is not loaded: `wardwatch policy list --skipped` says why", name);
	}
	if (!e->rule || !e->has)
		return;
	struct bytes category =
		e->rule->category < s->n_categories ? s->category[e->rule->category] : (struct bytes){ 0 };
	struct detect_env env = names_env(l, category, true);
	e->detect = detect_compile_in(&env, e->has);
}

void suite_link(struct loader *l)
{
	for (size_t i = 0; i < l->p->n_suite; i++)
		for (size_t k = 0; k < l->p->suite[i]->n_expects; k++)
			link_expect(l, l->p->suite[i]->file, &l->p->suite[i]->expects[k]);
}

void suite_free(struct policy *p)
{
	for (size_t i = 0; i < p->n_suite; i++)
		for (size_t k = 0; k < p->suite[i]->n_expects; k++)
			detect_free(p->suite[i]->expects[k].detect);
}
