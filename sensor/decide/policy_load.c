/* The tree of policy files: which documents there are, what of them this version takes (policy-language.md 2,
 * 3). */
#include "decide/correlate.h"
#include "decide/index.h"
#include "decide/suppress.h"
#include "decide/policy_suite.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAX_TREE_DEPTH = 16, MAX_FOR = 32 };

/* ---- messages and checks ---------------------------------------------------------------------- */

void load_error(struct loader *l, const struct yaml_node *at, const char *code, const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	diag_add(l->diag, DIAG_ERROR, l->file, at->line, at->column, code, "%s", text);
}

void load_warning(struct loader *l, const struct yaml_node *at, const char *code, const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	diag_add(l->diag, DIAG_WARNING, l->file, at->line, at->column, code, "%s", text);
}

const char *load_text(struct loader *l, const struct yaml_node *map, const char *key, size_t most)
{
	const struct yaml_node *v = yaml_get(map, key);
	if (!v || v->type == YAML_NULL)
		return "";
	if (v->type != YAML_STRING)
		load_error(l, v, "E112", "`%s` must be a text, and this is %s", key, yaml_type_name(v->type));
	else if (v->text_n > most)
		load_error(l, v, "E112", "`%s` may have %zu characters at most", key, most);
	else
		return v->text;
	return "";
}

const char *const *load_texts(struct loader *l, const struct yaml_node *map, const char *key, size_t *n)
{
	const struct yaml_node *v = yaml_get(map, key);
	bool list = v && v->type == YAML_LIST;
	size_t count = list ? v->n : v && v->type != YAML_NULL;
	const char **out = arena_get(&l->p->memory, (count + 1) * sizeof *out);
	*n = 0;
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *one = list ? v->items[i] : v;
		if (one->type == YAML_LIST || one->type == YAML_MAP || one->type == YAML_NULL)
			load_error(l, one, "E112", "`%s` must be a list of texts, and this is %s", key,
				yaml_type_name(one->type));
		else
			out[(*n)++] = one->text;
	}
	return out;
}

int load_choice(struct loader *l, const struct yaml_node *value, const char *const *names, size_t n)
{
	char all[400] = "";
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		if (value->type != YAML_LIST && value->type != YAML_MAP &&
			bytes_is(yaml_text(value), names[i]))
			return (int)i;
		if (at < sizeof all)
			at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", names[i]);
	}
	load_error(l, value, "E113", "\"%s\" is not one of: %s", value->text ? value->text : "", all);
	return -1;
}

void load_keys(struct loader *l, const struct yaml_node *map, const char *const *names, size_t n, bool error)
{
	for (size_t i = 0; i < map->n; i++) {
		bool known = false;
		for (size_t k = 0; k < n && !known; k++)
			known = bytes_is(yaml_text(map->keys[i]), names[k]);
		const char *near = known ? NULL : diag_nearest(yaml_text(map->keys[i]), names, n);
		if (!known && (error || near))
			(error ? load_error : load_warning)(l, map->keys[i], error ? "E118" : "W126",
				"there is no key \"%s\" here%s%s%s", map->keys[i]->text,
				near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
	}
}

/* ---- documents ---------------------------------------------------------------------------------- */

static bool is_one_of(const struct yaml_node *v, const char *const *names, size_t n)
{
	for (size_t i = 0; v->type == YAML_STRING && i < n; i++)
		if (bytes_is(yaml_text(v), names[i]))
			return true;
	return false;
}

static void kind_load(struct loader *l, const struct yaml_node *doc, const struct yaml_node *kind)
{
	static const char *const later[] = { "firmware" };
	static const char *const ours[] = { "tests", "suppressions", "lists", "zones", "groups",
		"segmentation", "baselines" };
	static const char *const others[] = { "fingerprints" }; /* identity_load reads them */
	const struct yaml_node *dialect = yaml_get(doc, "dialect");
	if (is_one_of(kind, later, sizeof later / sizeof *later))
		load_error(l, kind, "E164", "`kind: %s` comes in a later version of this sensor", kind->text);
	else if (!is_one_of(kind, ours, sizeof ours / sizeof *ours) && !is_one_of(kind, others, 1))
		load_error(l, kind, "E103", "there is no kind \"%s\"", kind->text ? kind->text : "");
	else if (!dialect || !bytes_is(yaml_text(dialect), "wardwatch/1"))
		load_error(l, kind, "E103", "`kind` needs `dialect: wardwatch/1` in this document");
	else if (bytes_is(yaml_text(kind), "suppressions"))
		suppressions_load(l, doc);
	else if (bytes_is(yaml_text(kind), "tests"))
		suite_load(l, doc);
	else
		(void)names_read(l, doc, kind);
}

static void document_load(struct loader *l, const struct yaml_node *doc)
{
	static const char *const actions[] = { "global", "reset", "repeat" };
	const struct yaml_node *action = yaml_get(doc, "action"), *kind = yaml_get(doc, "kind");
	if (doc->type == YAML_NULL)
		return;
	if (doc->type != YAML_MAP)
		load_error(l, doc, "E103", "a policy document is a mapping, and this is %s",
			yaml_type_name(doc->type));
	else if (action && is_one_of(action, actions, 3))
		load_error(l, action, "E102",
			"`action: %s` is of Sigma 1: write each rule as a document of its own", action->text);
	else if (yaml_get(doc, "correlation"))
		correlation_load(l, doc);
	else if (yaml_get(doc, "filter"))
		filter_load(l, doc);
	else if (yaml_get(doc, "detection"))
		rule_load(l, doc);
	else if (kind)
		kind_load(l, doc, kind);
	else
		load_error(l, doc, "E103", "a policy document needs `detection` (a rule) or `kind`");
}

static struct yaml_file *file_new(struct loader *l, const char *path, const char *ruleset)
{
	struct policy *p = l->p;
	arena_grow(&p->memory, &p->files, &p->cap_files, p->n_files, sizeof *p->files);
	arena_grow(&p->memory, &l->origins, &l->cap_origins, p->n_files, sizeof *l->origins);
	l->file = arena_text(&p->memory, bytes_str(path));
	l->ruleset = ruleset;
	l->origins[p->n_files] = (struct origin){ l->file, ruleset };
	return &p->files[p->n_files++];
}

static void file_load(struct loader *l, const char *path, const char *ruleset)
{
	struct yaml_file *f = file_new(l, path, ruleset);
	(void)yaml_load(path, f, l->diag);
}

/* When all files are read: names first, so that their order does not matter. */
static void documents_load(struct loader *l)
{
	for (unsigned turn = 0; turn < NAMES_TURNS; turn++) {
		for (size_t i = 0; i < l->p->n_files; i++) {
			const struct yaml_file *f = &l->p->files[i];
			l->file = l->origins[i].file;
			l->ruleset = l->origins[i].ruleset;
			for (size_t k = 0; k < f->n; k++)
				if (names_turn(f->docs[k]) == turn)
					document_load(l, f->docs[k]);
		}
		names_turn_over(l, turn);
	}
}

static void identity_load(struct loader *l)
{
	struct policy *p = l->p;
	p->fingerprints = fingerprints_new();
	if (!p->fingerprints) {
		diag_add(l->diag, DIAG_ERROR, "-", 0, 0, "E111", "not enough memory");
		return;
	}
	for (size_t i = 0; i < p->n_files; i++)
		fingerprints_add(p->fingerprints, l->origins[i].file, &p->files[i], l->diag);
	fingerprints_complete(p->fingerprints);
}

/* ---- tree --------------------------------------------------------------------------------------- */

struct paths {
	struct arena *memory;
	const char **path;
	size_t n, cap;
};

static bool is_yaml(const char *name)
{
	size_t n = strlen(name);
	return name[0] != '.' && ((n > 4 && strcmp(name + n - 4, ".yml") == 0) ||
					 (n > 5 && strcmp(name + n - 5, ".yaml") == 0));
}

bool policy_is_example(const char *folder)
{
	size_t n = strlen(folder);
	return n > 8 && strcmp(folder + n - 8, ".example") == 0;
}

static void collect(struct loader *l, struct paths *out, const char *dir, unsigned depth)
{
	DIR *d = depth > MAX_TREE_DEPTH ? NULL : opendir(dir);
	if (!d) {
		diag_add(l->diag, DIAG_ERROR, dir, 0, 0, "E111", "cannot be read: %s",
			strerror(depth > MAX_TREE_DEPTH ? ELOOP : errno));
		return;
	}
	for (struct dirent *e; (e = readdir(d));) {
		char *path = NULL;
		struct stat st;
		if (e->d_name[0] == '.' || asprintf(&path, "%s/%s", dir, e->d_name) < 0)
			continue;
		bool there = stat(path, &st) == 0;
		if (there && S_ISDIR(st.st_mode) && policy_is_example(e->d_name)) {
			free(path);
			continue;
		}
		if (there && S_ISDIR(st.st_mode)) {
			collect(l, out, path, depth + 1);
		} else if (is_yaml(e->d_name)) {
			arena_grow(out->memory, &out->path, &out->cap, out->n, sizeof *out->path);
			out->path[out->n++] = arena_text(out->memory, bytes_str(path));
		}
		free(path);
	}
	closedir(d);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first folder below the root; of a file in the root itself, the root's own name. */
static const char *ruleset_of(struct policy *p, const char *root, const char *path)
{
	struct bytes below = bytes_from(bytes_str(path), strlen(root));
	while (bytes_at(below, 0) == '/')
		below = bytes_from(below, 1);
	size_t slash = bytes_chr(below, 0, '/');
	if (slash < below.n)
		return arena_text(&p->memory, bytes_first(below, slash));
	struct bytes dir = bytes_str(path);
	while (dir.n && dir.p[dir.n - 1] != '/')
		dir.n--;
	while (dir.n && dir.p[dir.n - 1] == '/')
		dir.n--;
	size_t at = dir.n;
	while (at && dir.p[at - 1] != '/')
		at--;
	return arena_text(&p->memory, bytes_from(dir, at));
}

static void root_load(struct loader *l, const char *root)
{
	struct arena memory = { 0 };
	struct paths paths = { .memory = &memory };
	struct stat st;
	if (stat(root, &st) != 0) {
		diag_add(l->diag, DIAG_ERROR, root, 0, 0, "E111", "cannot be read: %s", strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		file_load(l, root, ruleset_of(l->p, root, root));
		return;
	}
	collect(l, &paths, root, 0);
	if (paths.n)
		qsort(paths.path, paths.n, sizeof *paths.path, by_bytes);
	for (size_t i = 0; i < paths.n; i++)
		file_load(l, paths.path[i], ruleset_of(l->p, root, paths.path[i]));
	arena_fini(&memory);
}

/* ---- the whole set -------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct rule *x = *(struct rule *const *)a, *y = *(struct rule *const *)b;
	int order = strcasecmp(x->text.id, y->text.id);
	return order ? order : x->number < y->number ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
	const struct rule *x = *(struct rule *const *)a, *y = *(struct rule *const *)b;
	int order = strcmp(x->text.name, y->text.name);
	return order ? order : x->number < y->number ? -1 : 1;
}

/* Ids and names stand for one rule each, whatever file it is in. */
static void check_unique(struct loader *l)
{
	struct policy *p = l->p;
	struct rule **sorted = arena_get(&p->memory, (p->n_rules + 1) * sizeof(struct rule *));
	for (unsigned pass = 0; pass < 2; pass++) {
		if (p->n_rules)
			memcpy(sorted, p->rules, p->n_rules * sizeof(struct rule *));
		qsort(sorted, p->n_rules, sizeof *sorted, pass ? by_name : by_id);
		for (size_t i = 1; i < p->n_rules; i++) {
			const struct rule *a = sorted[i - 1], *b = sorted[i];
			const char *one = pass ? a->text.name : a->text.id,
				   *two = pass ? b->text.name : b->text.id;
			if (*one && (pass ? strcmp(one, two) : strcasecmp(one, two)) == 0)
				diag_add(l->diag, DIAG_ERROR, b->file, b->line, 1, "E121",
					"the %s \"%s\" is also that of the rule in %s:%u",
					pass ? "name" : "id", two, a->file, a->line);
		}
	}
}

static void check_durations(struct loader *l)
{
	uint64_t seen[MAX_FOR];
	unsigned n = 0;
	for (size_t i = 0; i < l->p->n_rules; i++) {
		const struct rule *r = l->p->rules[i];
		unsigned k = 0;
		while (k < n && seen[k] != r->for_ns)
			k++;
		if (k < n)
			continue;
		if (n == MAX_FOR) {
			diag_add(l->diag, DIAG_ERROR, r->file, r->line, 1, "E119",
				"all rules together may have %d different suppress.for", MAX_FOR);
			return;
		}
		seen[n++] = r->for_ns;
	}
}

static void index_rules(struct policy *p, bool fine)
{
	for (unsigned c = 0; c < SCHEMA_CATEGORIES; c++) {
		size_t n = 0;
		p->of_category[c] = arena_get(&p->memory, (p->n_rules + 1) * sizeof(struct rule *));
		for (size_t i = 0; i < p->n_rules; i++)
			if (p->rules[i]->category == c)
				p->of_category[c][n++] = p->rules[i];
		p->n_of_category[c] = n;
		if (n && fine)
			p->index[c] = index_build(p, c);
	}
}

static struct policy *policy_new(struct diag *diag)
{
	struct policy *p = calloc(1, sizeof *p);
	if (p && (p->schema = event_schema_new())) {
		names_new(p);
		return p;
	}
	free(p);
	diag_add(diag, DIAG_ERROR, "-", 0, 0, "E111", "not enough memory");
	return NULL;
}

/* What can be said only of the whole set; NULL when anything is wrong. */
static struct policy *policy_complete(struct loader *l, size_t errors_before)
{
	documents_load(l);
	identity_load(l);
	check_unique(l);
	filters_apply(l);
	suppressions_apply(l);
	correlations_link(l);
	check_durations(l);
	related_complete(l);
	logsource_complete(l);
	suite_link(l);
	index_rules(l->p, l->diag->errors == errors_before);
	if (l->diag->errors == errors_before)
		return l->p;
	policy_free(l->p);
	return NULL;
}

struct policy *policy_load_with(
	const struct policy_options *o, const char *const *paths, size_t n, struct diag *diag)
{
	size_t errors = diag->errors;
	struct loader l = { .p = policy_new(diag), .diag = diag };
	if (!l.p)
		return NULL;
	l.p->options = *o;
	for (size_t i = 0; i < n; i++)
		root_load(&l, paths[i]);
	return policy_complete(&l, errors);
}

struct policy *policy_load(const char *const *paths, size_t n, struct diag *diag)
{
	return policy_load_with(&(struct policy_options){ 0 }, paths, n, diag);
}

struct policy *policy_load_text_with(
	const struct policy_options *o, const char *name, struct bytes text, struct diag *diag)
{
	size_t errors = diag->errors;
	struct loader l = { .p = policy_new(diag), .diag = diag };
	if (!l.p)
		return NULL;
	l.p->options = *o;
	struct yaml_file *f = file_new(&l, name, "");
	(void)yaml_parse(name, text, f, diag);
	return policy_complete(&l, errors);
}

struct policy *policy_load_text(const char *name, struct bytes text, struct diag *diag)
{
	return policy_load_text_with(&(struct policy_options){ 0 }, name, text, diag);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	logsource_free(p);
	suite_free(p);
	names_free(p);
	for (size_t i = 0; i < p->n_rules; i++)
		detect_free(p->rules[i]->detect);
	for (size_t i = 0; i < p->n_files; i++)
		yaml_fini(&p->files[i]);
	fingerprints_free(p->fingerprints);
	filters_free(p);
	suppressions_free(p);
	event_schema_free(p->schema);
	arena_fini(&p->memory);
	free(p);
}

const struct fingerprints *policy_fingerprints(const struct policy *p)
{
	return p->fingerprints;
}

const struct network *policy_home(const struct policy *p, size_t *n)
{
	return zones_home(p->names.zones, n);
}

const struct zones *policy_zones(const struct policy *p)
{
	return p->names.zones;
}

size_t policy_rules(const struct policy *p)
{
	return p->n_rules;
}

const struct rule_text *rule_text(const struct rule *r)
{
	return &r->text;
}
