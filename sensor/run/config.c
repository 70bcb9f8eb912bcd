#include "run/config.h"

#include "run/config_value.h"

#include "base/assert.h"
#include "base/yaml.h"
#include "packet/live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_LEAST = 16, KEY_MOST = 4096, NAMES = 256 };

const struct setting_row setting_rows[] = {
#define SETTING(key, member, type, default_text, sentence)                                                   \
	{ key, default_text, sentence, NULL, SETTING_##type, offsetof(struct config, member) },
#define CHOICE(key, member, choices, default_text, sentence)                                                 \
	{ key, default_text, sentence, choices, SETTING_CHOICE, offsetof(struct config, member) },
#include "run/settings.def"
#undef SETTING
#undef CHOICE
};
const size_t setting_rows_n = sizeof setting_rows / sizeof *setting_rows;

struct loading {
	struct config *config;
	const char *file;
	struct diag *diag;
	/* Every whole key that there is, for "did you mean". */
	const char *names[NAMES];
	char limits[NAMES][64];
	size_t n_names;
	/* Where each is set; NULL: nowhere. */
	struct {
		const struct yaml_node *key, *value;
	} set[NAMES];
};

/* YAML 1.1 and 1.2 words for truth; yaml.h makes a bool of true and false only. */
static int truth(const struct yaml_node *n)
{
	static const char *const yes[] = { "true", "on", "yes" }, *const no[] = { "false", "off", "no" };
	for (size_t i = 0; n->text && i < 3; i++) {
		if (bytes_isi(bytes_str(n->text), yes[i]))
			return 1;
		if (bytes_isi(bytes_str(n->text), no[i]))
			return 0;
	}
	return -1;
}

static char *string_at(struct config *c, const struct setting_row *row)
{
	return (char *)c + row->offset;
}

void config_default(struct config *c)
{
	*c = (struct config){ 0 };
	limits_default(&c->limits);
	for (size_t i = 0; i < setting_rows_n; i++) {
		const struct setting_row *row = &setting_rows[i];
		bool on = strcmp(row->default_text, "on") == 0;
		if (row->type >= SETTING_NUMBER)
			ASSERT(setting_value_parse(row, row->default_text, (char *)c + row->offset));
		else if (row->type == SETTING_BOOL)
			memcpy((char *)c + row->offset, &on, sizeof on);
		else if (row->type == SETTING_STRING || row->type == SETTING_FILTER)
			snprintf(string_at(c, row), CONFIG_TEXT, "%s", row->default_text);
		else if (row->type == SETTING_STATUS)
			ASSERT(rule_status_of(bytes_str(row->default_text),
				(enum rule_status *)(void *)((char *)c + row->offset)));
	}
	uint8_t secret[32];
	ASSERT(getrandom(secret, sizeof secret, 0) == sizeof secret);
	privacy_key_init(&c->key, bytes_of(secret, sizeof secret), false);
	explicit_bzero(secret, sizeof secret);
}

#define SAY(l, node, code, ...)                                                                              \
	diag_add((l)->diag, DIAG_ERROR, (l)->file, (node)->line, (node)->column, code, __VA_ARGS__)

static void set_bool(struct loading *l, const struct setting_row *row, const struct yaml_node *v)
{
	int t = truth(v);
	bool on = t == 1;
	if (t < 0)
		SAY(l, v, "C003", "%s has to be on or off", row->key);
	else
		memcpy((char *)l->config + row->offset, &on, sizeof on);
}

static void set_string(struct loading *l, const struct setting_row *row, const struct yaml_node *v)
{
	if (v->type == YAML_NULL && !*row->default_text)
		*string_at(l->config, row) = 0;
	else if (v->type == YAML_LIST || v->type == YAML_MAP || v->type == YAML_NULL ||
		 (v->text_n == 0 && *row->default_text)) /* what may be unset is unset by an empty text */
		SAY(l, v, "C004", "%s has to be a text", row->key);
	else if (v->text_n >= CONFIG_TEXT || strlen(v->text) != v->text_n)
		SAY(l, v, "C004", "%s has to be shorter than %d bytes and without NUL", row->key,
			CONFIG_TEXT);
	else
		memcpy(string_at(l->config, row), v->text, v->text_n + 1);
}

/* Said here, where the line is known; an interface may still not know what it asks for. */
static void set_filter(struct loading *l, const struct setting_row *row, const struct yaml_node *v)
{
	char why[LIVE_WHY];
	size_t errors = l->diag->errors;
	set_string(l, row, v);
	if (l->diag->errors == errors && !live_filter_ok(string_at(l->config, row), why))
		SAY(l, v, "C027", LIVE_FILTER_WRONG, string_at(l->config, row), why);
}

static void set_networks(struct loading *l, const struct setting_row *row, const struct yaml_node *v)
{
	struct networks nets = { .n = 0 };
	size_t errors = l->diag->errors;
	if (v->type != YAML_LIST || v->n > CONFIG_NETWORKS) {
		SAY(l, v, "C007", "%s has to be a list of at most %d networks, for example [141.0.0.0/16]",
			row->key, CONFIG_NETWORKS);
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		const struct yaml_node *item = v->items[i];
		if (item->type != YAML_STRING || !network_parse(yaml_text(item), &nets.list[nets.n++]))
			SAY(l, item, "C007", "%s: %s is no network; write 141.0.0.0/16 or 2001:db8::/32",
				row->key, item->text ? item->text : "this");
	}
	if (l->diag->errors == errors)
		memcpy((char *)l->config + row->offset, &nets, sizeof nets);
}

static void set_status(struct loading *l, const struct setting_row *row, const struct yaml_node *v)
{
	enum rule_status s = STATUS_UNSUPPORTED;
	if (!v->text || !rule_status_of(yaml_text(v), &s) || s < STATUS_EXPERIMENTAL)
		SAY(l, v, "C008", "%s has to be experimental, test or stable", row->key);
	else
		memcpy((char *)l->config + row->offset, &s, sizeof s);
}

static bool text_take(struct texts *to, const struct yaml_node *v)
{
	size_t most = sizeof to->list[0];
	if (v->type == YAML_LIST || v->type == YAML_MAP || v->type == YAML_NULL || v->text_n == 0 ||
		v->text_n >= most || strlen(v->text) != v->text_n || to->n == CONFIG_TEXTS)
		return false;
	memcpy(to->list[to->n++], v->text, v->text_n + 1);
	return true;
}

static void set_texts(struct loading *l, const struct setting_row *row, const struct yaml_node *v)
{
	struct texts t = { .n = 0 };
	bool fine = v->type == YAML_LIST || v->type == YAML_NULL || text_take(&t, v);
	for (size_t i = 0; v->type == YAML_LIST && i < v->n; i++)
		fine = fine && text_take(&t, v->items[i]);
	if (fine)
		memcpy((char *)l->config + row->offset, &t, sizeof t);
	else
		SAY(l, v, "C031", "%s has to be a list of at most %d texts of less than %zu bytes", row->key,
			CONFIG_TEXTS, sizeof t.list[0]);
}

static void set_value(struct loading *l, const struct setting_row *row, const struct yaml_node *v)
{
	if (!v->text || v->type == YAML_NULL ||
		!setting_value_parse(row, v->text, (char *)l->config + row->offset))
		SAY(l, v, "C032", "%s has to be %s", row->key, setting_value_wanted(row));
}

static void set_limit(struct loading *l, const struct limit_row *row, const struct yaml_node *v)
{
	bool fits = v->type == YAML_INT && v->integer >= 0 && (uint64_t)v->integer >= row->least &&
		    (uint64_t)v->integer <= row->most;
	if (!fits) {
		SAY(l, v, "C005",
			"limits.%s (%s) has to be a whole number from %llu to %llu; the default is %llu",
			row->name, row->sentence, (unsigned long long)row->least,
			(unsigned long long)row->most, (unsigned long long)row->def);
		return;
	}
	uint64_t n = (uint64_t)v->integer;
	memcpy((char *)&l->config->limits + row->offset, &n, sizeof n);
}

/* ---- walking ----------------------------------------------------------------------------- */

static bool is_section(const struct loading *l, const char *key)
{
	size_t n = strlen(key);
	for (size_t i = 0; i < l->n_names; i++)
		if (strncmp(l->names[i], key, n) == 0 && l->names[i][n] == '.')
			return true;
	return false;
}

static void say_unknown(struct loading *l, const struct yaml_node *at, const char *key)
{
	const char *near = diag_nearest(bytes_str(key), l->names, l->n_names);
	if (near)
		SAY(l, at, "C002", "there is no key %s; did you mean %s?", key, near);
	else
		SAY(l, at, "C002", "there is no key %s; wardwatch(8) lists them", key);
}

static void (*const setters[])(
	struct loading *l, const struct setting_row *row, const struct yaml_node *v) = {
	[SETTING_STRING] = set_string,
	[SETTING_FILTER] = set_filter,
	[SETTING_BOOL] = set_bool,
	[SETTING_NETWORKS] = set_networks,
	[SETTING_STATUS] = set_status,
	[SETTING_TEXTS] = set_texts,
	[SETTING_NUMBER] = set_value,
	[SETTING_COUNT] = set_value,
	[SETTING_BYTES] = set_value,
	[SETTING_DURATION] = set_value,
	[SETTING_REAL] = set_value,
	[SETTING_CHOICE] = set_value,
};

/* A key has several forms (nested or dotted, hyphens or underscores): yaml.h finds only what is alike. */
static bool is_first(
	struct loading *l, const char *key, const struct yaml_node *at, const struct yaml_node *v)
{
	for (size_t i = 0; i < l->n_names; i++) {
		if (strcmp(l->names[i], key) != 0)
			continue;
		const struct yaml_node *first = l->set[i].key;
		if (first)
			SAY(l, at, "C034", "%s is set a second time, first in line %u, column %u: remove one",
				key, first->line, first->column);
		l->set[i].key = first ? first : at;
		l->set[i].value = v;
		return !first;
	}
	return true;
}

static void set_key(struct loading *l, const char *key, const struct yaml_node *at, const struct yaml_node *v)
{
	if (!is_first(l, key, at, v))
		return;
	for (size_t i = 0; i < setting_rows_n; i++)
		if (strcmp(setting_rows[i].key, key) == 0) {
			setters[setting_rows[i].type](l, &setting_rows[i], v);
			return;
		}
	for (size_t i = 0; strncmp(key, "limits.", 7) == 0 && i < limit_rows_n; i++)
		if (strcmp(limit_rows[i].name, key + 7) == 0) {
			set_limit(l, &limit_rows[i], v);
			return;
		}
	say_unknown(l, at, key);
}

/* Keys may be nested (limits: {flows: 1}) or dotted (limits.flows: 1). */
static void walk(struct loading *l, const struct yaml_node *map, const char *prefix)
{
	char key[CONFIG_TEXT];
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *k = map->keys[i], *v = map->items[i];
		snprintf(key, sizeof key, "%s%s%s", prefix, *prefix ? "." : "", k->text ? k->text : "");
		for (char *p = key; *p; p++) /* max-entries is max_entries */
			*p = *p == '-' ? '_' : *p;
		if (!is_section(l, key))
			set_key(l, key, k, v);
		else if (v->type == YAML_MAP && strlen(prefix) < 64)
			walk(l, v, key);
		else if (v->type != YAML_NULL)
			SAY(l, v, "C001", "%s has to be a mapping of its keys", key);
	}
}

static void list_names(struct loading *l)
{
	ASSERT(setting_rows_n + limit_rows_n <= NAMES);
	for (size_t i = 0; i < setting_rows_n; i++)
		l->names[l->n_names++] = setting_rows[i].key;
	for (size_t i = 0; i < limit_rows_n; i++) {
		snprintf(l->limits[i], sizeof l->limits[i], "limits.%s", limit_rows[i].name);
		l->names[l->n_names++] = l->limits[i];
	}
}

/* ---- the key ----------------------------------------------------------------------------- */

static bool read_key(int fd, struct config *c, const char **wrong)
{
	uint8_t secret[KEY_MOST];
	struct stat st;
	*wrong = NULL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		*wrong = "is not a regular file";
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		*wrong = "can be used by others than its owner: chmod 600 it";
	if (*wrong)
		return false;
	ssize_t n = read(fd, secret, sizeof secret);
	if (n < KEY_LEAST)
		*wrong = "holds fewer than 16 bytes: head -c 32 /dev/urandom makes a good one";
	else
		privacy_key_init(&c->key, bytes_of(secret, (size_t)n), true);
	explicit_bzero(secret, sizeof secret);
	return !*wrong;
}

static void load_key(struct loading *l)
{
	const char *path = l->config->key_file, *wrong;
	const struct yaml_node *at = NULL;
	for (size_t i = 0; i < l->n_names; i++)
		if (strcmp(l->names[i], "privacy.key_file") == 0)
			at = l->set[i].value;
	if (!at || !*path)
		return;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		SAY(l, at, "C006", "the key file %s cannot be opened: %s", path, strerror(errno));
		return;
	}
	if (!read_key(fd, l->config, &wrong))
		SAY(l, at, "C006", "the key file %s %s", path, wrong);
	close(fd);
}

/* ---- all --------------------------------------------------------------------------------- */

static bool config_take(struct config *c, const struct yaml_file *file, struct diag *diag)
{
	struct loading *l = calloc(1, sizeof *l);
	if (!l)
		return false;
	*l = (struct loading){ .config = c, .file = file->path, .diag = diag };
	list_names(l);
	const struct yaml_node *root = file->n ? file->docs[0] : NULL;
	if (file->n > 1)
		SAY(l, file->docs[1], "C001", "the configuration is one YAML document, here begins a second");
	if (root && root->type == YAML_MAP) {
		walk(l, root, "");
		if (diag->errors == 0)
			load_key(l);
	} else if (root && root->type != YAML_NULL) {
		SAY(l, root, "C001",
			"the configuration has to be a mapping, for example \"sensor: {name: ward-east-1}\"");
	}
	free(l);
	return diag->errors == 0;
}

bool config_load(struct config *c, const char *path, struct diag *diag)
{
	struct yaml_file file = { 0 };
	bool ok = yaml_load(path, &file, diag) && config_take(c, &file, diag);
	yaml_fini(&file);
	return ok;
}

bool config_parse(struct config *c, const char *name, struct bytes text, struct diag *diag)
{
	struct yaml_file file = { 0 };
	bool ok = yaml_parse(name, text, &file, diag) && config_take(c, &file, diag);
	yaml_fini(&file);
	return ok;
}
