#include "run/format_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 10, PATH = 256 };

static const char *const names[] = { "ecs", "eve", "ocsf", "cef", "leef" };

/* What goes first when a document is too long: what helps to look into it, then what an alert can be told
 * without. */
static const char *const parts[PARTS] = { "wardwatch.evidence", "wardwatch.correlation.packets",
	"wardwatch.event", "wardwatch.attributes", "wardwatch.reason", "wardwatch.score", "wardwatch.maps",
	"rule.description", "wardwatch.response", "related" };

/* What section 7 requires, with who it is about. */
static const char *const required[] = { "@timestamp", "ecs.version", "event.action", "event.category",
	"event.code", "event.created", "event.dataset", "event.id", "event.kind", "event.module",
	"event.risk_score", "event.severity", "event.type", "message", "observer", "rule.id", "rule.name",
	"rule.uuid", "source.ip", "source.port", "destination.ip", "destination.port", "device.id",
	"network.protocol", "network.transport", "wardwatch.category", "wardwatch.class", "wardwatch.closing",
	"wardwatch.confidence", "wardwatch.count", "wardwatch.level", "wardwatch.schema",
	"wardwatch.device.name", "wardwatch.device.type", "wardwatch.device.confidence",
	"wardwatch.device.first_seen", "wardwatch.device.last_seen" };

const char *format_name(enum format f)
{
	return names[f];
}

bool format_find(const char *name, enum format *f)
{
	for (unsigned i = 0; i < FORMAT_N; i++)
		if (strcmp(name, names[i]) == 0) {
			*f = (enum format)i;
			return true;
		}
	return false;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct json_node *form_at(const struct formatter *f, const char *path)
{
	return json_at(&f->tree, path);
}

struct bytes form_text(const struct formatter *f, const char *path)
{
	return json_inside(form_at(f, path));
}

uint64_t form_number(const struct formatter *f, const char *path)
{
	const struct json_node *n = form_at(f, path);
	uint64_t v = 0;
	return n && n->type == JSON_NUMBER && bytes_to_u64(n->raw, &v) ? v : 0;
}

bool form_is(const struct formatter *f, const char *path, const char *text)
{
	return bytes_is(json_inside(form_at(f, path)), text);
}

bool form_true(const struct formatter *f, const char *path)
{
	const struct json_node *n = form_at(f, path);
	return n && bytes_is(n->raw, "true");
}

bool form_plain(struct bytes name)
{
	return name.n && name.n < PATH && bytes_chr(name, 0, '.') == name.n &&
	       bytes_chr(name, 0, '\\') == name.n;
}

static uint64_t part(struct bytes t, size_t at, size_t n)
{
	uint64_t v = 0;
	return bytes_to_u64(bytes_sub(t, at, n), &v) ? v : 0;
}

uint64_t form_time(const struct formatter *f, const char *path)
{
	struct bytes t = json_inside(form_at(f, path)); /* YYYY-MM-DDTHH:MM:SS.ssssssZ */
	if (t.n != TIME_TEXT - 1)
		return 0;
	/* The year begins in March: leap days are its last. */
	uint64_t month = part(t, 5, 2), year = part(t, 0, 4) - (month <= 2);
	uint64_t day = (153 * (month + (month > 2 ? 0 : 12) - 3) + 2) / 5 + part(t, 8, 2) - 1;
	uint64_t days = year * 365 + year / 4 - year / 100 + year / 400 + day - 719468;
	uint64_t seconds = days * 86400 + part(t, 11, 2) * 3600 + part(t, 14, 2) * 60 + part(t, 17, 2);
	return seconds * 1000 + part(t, 20, 3);
}

const char *form_subject(const struct formatter *f)
{
	static const char *const sides[] = { "source", "destination" };
	static const char *const paths[] = { "wardwatch.source.device.id",
		"wardwatch.destination.device.id" };
	struct bytes id = json_inside(form_at(f, "device.id"));
	for (size_t i = 0; i < 2; i++)
		if (id.n && bytes_eq(id, json_inside(form_at(f, paths[i]))))
			return sides[i];
	return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

void form_put(struct formatter *f, struct bytes b)
{
	struct form_buffer *o = &f->out;
	if (o->cap - o->n < b.n) {
		size_t cap = 2 * (o->n + b.n) + 4096;
		uint8_t *p = realloc(o->p, cap);
		if (!p) {
			f->failed = true;
			return;
		}
		*o = (struct form_buffer){ p, o->n, cap };
	}
	o->n += bytes_copy(o->p + o->n, b.n, b);
}

void form_puts(struct formatter *f, const char *s)
{
	form_put(f, bytes_str(s));
}

void form_copy(struct formatter *f, struct json_doc *d, const char *key, const char *path)
{
	const struct json_node *n = form_at(f, path);
	if (n)
		json_raw(d, key, n->raw);
}

void form_leaves(struct formatter *f, struct json_doc *d, const char *key, const struct json_node *node)
{
	char inner[PATH];
	if (node->type != JSON_OBJECT) {
		json_raw(d, key, node->raw);
		return;
	}
	JSON_EACH (c, &f->tree, node) {
		int n = snprintf(
			inner, sizeof inner, "%s.%.*s", key, (int)c->name.n, (const char *)c->name.p);
		if (form_plain(c->name) && n > 0 && (size_t)n < sizeof inner)
			form_leaves(f, d, inner, c);
	}
}

/* ---- ECS ------------------------------------------------------------------------------------- */

struct addition {
	const char *object, *name;
	char value[24];
};

struct additions {
	struct addition a[2];
	size_t n;
};

/* Those of this object that sort before `name`; all that are left where it is empty. */
static void put_additions(struct formatter *f, const struct additions *all, struct bytes object,
	struct bytes name, size_t *done)
{
	for (; *done < all->n; ++*done) {
		const struct addition *a = &all->a[*done];
		if (!bytes_is(object, a->object))
			continue;
		size_t n = strlen(a->name), least = n < name.n ? n : name.n;
		int order = memcmp(a->name, name.n ? (const char *)name.p : "", least);
		if (name.n && (order > 0 || (order == 0 && n >= name.n)))
			return;
		form_puts(f, f->out.p[f->out.n - 1] == '{' ? "\"" : ",\"");
		form_puts(f, a->name);
		form_puts(f, "\":");
		form_puts(f, a->value);
	}
}

static bool is_added(const struct additions *all, struct bytes object, struct bytes name)
{
	for (size_t i = 0; i < all->n; i++)
		if (bytes_is(object, all->a[i].object) && bytes_is(name, all->a[i].name))
			return true;
	return false;
}

static void put_node(struct formatter *f, const struct json_node *node, size_t most,
	const struct additions *all, unsigned depth)
{
	struct bytes object = depth == 1 ? node->name : (struct bytes){ 0 };
	size_t done = 0;
	if (node->type == JSON_STRING && node->raw.n - 2 > most) {
		form_puts(f, "\"");
		form_put(f, json_cut(json_inside(node), most));
		form_puts(f, "\"");
		return;
	}
	if (node->type != JSON_OBJECT) {
		form_put(f, node->raw);
		return;
	}
	form_puts(f, "{");
	JSON_EACH (c, &f->tree, node) {
		if (is_added(all, object, c->name))
			continue;
		put_additions(f, all, object, c->name, &done);
		form_puts(f, f->out.n && f->out.p[f->out.n - 1] == '{' ? "\"" : ",\"");
		form_put(f, c->name);
		form_puts(f, "\":");
		put_node(f, c, most, all, depth + 1);
	}
	put_additions(f, all, object, (struct bytes){ 0 }, &done);
	form_puts(f, "}");
}

void format_ecs(struct formatter *f, size_t most, bool is_cut)
{
	struct additions all = { 0 };
	if (f->live) {
		struct addition *a = &all.a[all.n++];
		*a = (struct addition){ .object = "event", .name = "sequence" };
		snprintf(a->value, sizeof a->value, "%" PRIu64, f->record->number);
	}
	if (is_cut)
		all.a[all.n++] =
			(struct addition){ .object = "wardwatch", .name = "truncated", .value = "true" };
	put_node(f, f->tree.nodes, most, &all, 0);
}

/* ---- one record ------------------------------------------------------------------------------ */

static void form(struct formatter *f)
{
	switch (f->form) {
	case FORMAT_ECS:
		format_ecs(f, SIZE_MAX, false);
		break;
	case FORMAT_EVE:
		format_eve(f);
		break;
	case FORMAT_OCSF:
		format_ocsf(f);
		break;
	case FORMAT_CEF:
		format_cef(f);
		break;
	case FORMAT_LEEF:
		format_leef(f);
		break;
	case FORMAT_N:
		break;
	}
}

static bool is_required(const char *path)
{
	for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
		size_t n = strlen(required[i]);
		if (strncmp(path, required[i], n) == 0 && (path[n] == 0 || path[n] == '.'))
			return true;
	}
	return false;
}

/* Marks what is not required within node; true: nothing is left of it. */
static bool strip(struct formatter *f, struct json_node *node, const char *path)
{
	char inner[PATH];
	bool all = true;
	if (is_required(path))
		return false;
	if (node->type == JSON_OBJECT)
		JSON_EACH (c, &f->tree, node) {
			snprintf(inner, sizeof inner, "%s%s%.*s", path, *path ? "." : "",
				(int)bytes_first(c->name, sizeof inner).n, (const char *)c->name.p);
			all = strip(f, c, inner) && all;
		}
	node->gone = all && *path;
	return node->gone;
}

/* The document with less in it, as f->tree. Each step takes what those before took, and more. */
static bool shorten(struct formatter *f, unsigned step)
{
	size_t most = step <= PARTS + 1 ? SIZE_MAX : (size_t)512 >> 2 * (step - PARTS - 2);
	if (!json_parse(&f->tree, f->record->document))
		return false;
	for (unsigned i = 0; i < PARTS && i < step; i++) {
		struct json_node *part_node = form_at(f, parts[i]);
		if (part_node)
			part_node->gone = true;
	}
	if (step > PARTS)
		(void)strip(f, f->tree.nodes, "");
	f->out.n = 0;
	format_ecs(f, most, true);
	struct form_buffer b = f->out;
	f->out = f->shorter;
	f->shorter = b;
	return !f->failed && json_parse(&f->tree, bytes_of(b.p, b.n));
}

struct bytes format_record(struct formatter *f, const struct outbox_record *r)
{
	f->record = r;
	f->failed = false;
	f->out.n = 0;
	if (!json_parse(&f->tree, r->document) || f->tree.nodes->type != JSON_OBJECT)
		return (struct bytes){ 0 };
	form(f);
	for (unsigned step = 1; f->out.n > f->most && step <= PARTS + 4; step++) {
		if (!shorten(f, step))
			return (struct bytes){ 0 };
		f->out.n = 0;
		form(f);
	}
	return f->failed ? (struct bytes){ 0 } : bytes_of(f->out.p, f->out.n);
}

struct formatter *formatter_new(enum format form_wanted, bool live)
{
	struct formatter *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	*f = (struct formatter){ .form = form_wanted, .live = live, .most = FORMAT_MOST };
	f->doc = json_new();
	f->part = json_new();
	if (f->doc && f->part)
		return f;
	formatter_free(f);
	return NULL;
}

void formatter_most(struct formatter *f, size_t bytes)
{
	f->most = bytes;
}

void formatter_free(struct formatter *f)
{
	if (!f)
		return;
	json_tree_fini(&f->tree);
	json_free(f->doc);
	json_free(f->part);
	free(f->out.p);
	free(f->shorter.p);
	free(f);
}
