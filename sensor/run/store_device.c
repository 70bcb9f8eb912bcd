/* One device in the tables for people. Its document of before is in the file: only what differs is written,
 * since most of a save is devices that were only seen again. */
#include "base/json_read.h"
#include "base/utf8.h"
#include "packet/event.h"
#include "run/store_impl.h"

#include <stdlib.h>

/* ---- binding --------------------------------------------------------------------------------------------
 */

static void bind_bytes(sqlite3_stmt *q, int at, struct bytes v)
{
	sqlite3_bind_text64(q, at, (const char *)v.p, v.n, SQLITE_STATIC, SQLITE_UTF8);
}

/* Text without its quotes and escapes; a number as its digits, which a column of numbers takes for one. */
static void bind_raw(sqlite3_stmt *q, int at, struct bytes raw)
{
	struct bytes inside = raw.n && raw.p[0] == '"' ? bytes_sub(raw, 1, raw.n - 2) : raw;
	if (inside.n == 0)
		return; /* NULL */
	if (!memchr(inside.p, '\\', inside.n)) {
		bind_bytes(q, at, inside);
		return;
	}
	uint8_t *text = malloc(inside.n); /* an escape is longer than what it stands for */
	size_t n = 0;
	while (text && inside.n)
		n += utf8_put(json_char(&inside), text + n);
	if (text)
		sqlite3_bind_text64(q, at, (char *)text, n, free, SQLITE_UTF8);
}

static void bind_at(sqlite3_stmt *q, int at, const struct json_tree *t, const char *path)
{
	const struct json_node *node = json_at(t, path);
	if (node && node->type == JSON_BOOL)
		sqlite3_bind_int(q, at, bytes_is(node->raw, "true"));
	else if (node && (node->type == JSON_NUMBER || node->type == JSON_STRING))
		bind_raw(q, at, node->raw);
}

/* ---- attributes and their history -----------------------------------------------------------------------
 */

/* The parameters that say which row it is. */
static sqlite3_stmt *row(
	struct store *s, enum store_statement which, const char *id, const struct store_value *v)
{
	sqlite3_stmt *q = s->statements[which];
	bind_bytes(q, 1, bytes_str(id));
	bind_bytes(q, 2, bytes_str(v->attribute));
	bind_raw(q, 3, v->value);
	return q;
}

static bool put_value(struct store *s, const char *id, const struct store_value *v)
{
	sqlite3_stmt *q = row(s, STORE_PUT_ATTRIBUTE, id, v);
	bind_raw(q, 4, v->source);
	if (!bytes_is(v->packet, "0") && v->packet.n) { /* 0: of an earlier run, the row knows it */
		sqlite3_bind_int64(q, 5, s->run);
		bind_raw(q, 6, v->packet);
	}
	bind_raw(q, 7, v->confidence);
	bind_raw(q, 8, v->first);
	bind_raw(q, 9, v->last);
	sqlite3_bind_int64(q, 10, s->save);
	return store_step(s, STORE_PUT_ATTRIBUTE);
}

static bool is_as_before(const struct store_value *a, const struct store_value *before)
{
	return bytes_eq(a->last, before->last) && bytes_eq(a->first, before->first) &&
	       bytes_eq(a->confidence, before->confidence) && bytes_eq(a->source, before->source) &&
	       (bytes_eq(a->packet, before->packet) || bytes_is(a->packet, "0"));
}

/* A person could stand in it. */
static bool is_private(const char *attribute)
{
	for (unsigned a = 0; a < ATTR_N; a++)
		if (strcmp(attr_rows[a].name, attribute) == 0)
			return attr_rows[a].privacy != OPEN && attr_rows[a].privacy != PRODUCT;
	return true;
}

/* What has come to be masked was somebody's all along. */
static bool is_masked_now(const struct store_values *now, const char *attribute)
{
	static const char mark[] = "[masked]";
	for (size_t i = 0; i < now->n; i++)
		if (strcmp(now->all[i].attribute, attribute) == 0 &&
			memmem(now->all[i].value.p, now->all[i].value.n, mark, strlen(mark)))
			return true;
	return false;
}

static bool make_history(struct store *s, const char *id, const struct store_value *v)
{
	sqlite3_stmt *q = row(s, STORE_KEEP_HISTORY, id, v);
	sqlite3_bind_int(q, 4, is_private(v->attribute) || is_masked_now(&s->now, v->attribute));
	if (!store_step(s, STORE_KEEP_HISTORY))
		return false;
	(void)row(s, STORE_DROP_ATTRIBUTE, id, v);
	return store_step(s, STORE_DROP_ATTRIBUTE);
}

static bool put_values(struct store *s, const char *id)
{
	for (size_t i = 0; i < s->now.n; i++) {
		const struct store_value *v = &s->now.all[i], *old = store_values_find(&s->before, v, i);
		if ((!old || !is_as_before(v, old)) && !put_value(s, id, v))
			return false;
	}
	for (size_t i = 0; i < s->before.n; i++) {
		const struct store_value *v = &s->before.all[i];
		if (!store_values_find(&s->now, v, i) && !make_history(s, id, v))
			return false;
	}
	return true;
}

/* ---- addresses ------------------------------------------------------------------------------------------
 */

static const struct {
	const char *kind, *path;
} addresses[] = { { "ip", "host.ip" }, { "mac", "host.mac" }, { "vlan", "wardwatch.device.vlan" } };

static bool has_moved(const struct store *s)
{
	bool moved = false;
	for (size_t k = 0; k < sizeof addresses / sizeof *addresses; k++) {
		const struct json_node *now = json_at(&s->document, addresses[k].path);
		const struct json_node *old = json_at(&s->old_document, addresses[k].path);
		moved |= now && old ? !bytes_eq(now->raw, old->raw) : now != old;
	}
	return moved;
}

static bool put_addresses(struct store *s, const char *id)
{
	if (s->old_document.n) {
		bind_bytes(s->statements[STORE_DROP_ADDRESSES], 1, bytes_str(id));
		if (!store_step(s, STORE_DROP_ADDRESSES))
			return false;
	}
	for (size_t k = 0; k < sizeof addresses / sizeof *addresses; k++) {
		const struct json_node *list = json_at(&s->document, addresses[k].path);
		if (!list || list->type != JSON_ARRAY)
			continue;
		JSON_EACH (c, &s->document, list) {
			sqlite3_stmt *q = s->statements[STORE_PUT_ADDRESS];
			bind_bytes(q, 1, bytes_str(id));
			bind_bytes(q, 2, bytes_str(addresses[k].kind));
			bind_raw(q, 3, c->raw);
			if (!store_step(s, STORE_PUT_ADDRESS))
				return false;
		}
	}
	return true;
}

/* ---- a device -------------------------------------------------------------------------------------------
 */

static bool put_row(struct store *s, const char *id, struct bytes document)
{
	static const char *const columns[] = { "wardwatch.device.type", "wardwatch.device.confidence",
		"wardwatch.device.name", "device.manufacturer", "device.model.name",
		"wardwatch.device.firmware.version", "wardwatch.device.router", "wardwatch.device.behind",
		"wardwatch.device.first_seen", "wardwatch.device.last_seen" };
	sqlite3_stmt *q = s->statements[STORE_PUT_DEVICE];
	int at = 1;
	bind_bytes(q, at++, bytes_str(id));
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		bind_at(q, at++, &s->document, columns[i]);
	bind_bytes(q, at, document);
	return store_step(s, STORE_PUT_DEVICE);
}

static bool drop_row(struct store *s, const char *id)
{
	bind_bytes(s->statements[STORE_DROP_ADDRESSES], 1, bytes_str(id));
	bind_bytes(s->statements[STORE_DROP_DEVICE], 1, bytes_str(id));
	return store_step(s, STORE_DROP_ADDRESSES) && store_step(s, STORE_DROP_DEVICE);
}

static bool compare(struct store *s, struct bytes old, struct bytes document)
{
	/* Ours are all such JSON; of another one nothing would be said but that it is there. */
	(void)json_parse(&s->old_document, old);
	(void)json_parse(&s->document, document);
	return (store_values_of(&s->before, &s->old_document) && store_values_of(&s->now, &s->document)) ||
	       store_give_up(s, "out of memory");
}

bool store_show(struct store *s, const char *id, struct bytes document)
{
	sqlite3_stmt *q = s->statements[STORE_OLD_DOCUMENT];
	bind_bytes(q, 1, bytes_str(id));
	int got = sqlite3_step(q);
	struct bytes old = { 0 };
	if (got == SQLITE_ROW)
		old = bytes_of(sqlite3_column_text(q, 0), (size_t)sqlite3_column_bytes(q, 0));
	bool fine = got == SQLITE_ROW || got == SQLITE_DONE || store_fail(s, "cannot be written");
	/* The statement keeps the old text until all is compared. */
	if (fine && !bytes_eq(old, document))
		fine = compare(s, old, document) && put_values(s, id) &&
		       (document.n == 0 || !has_moved(s) || put_addresses(s, id)) &&
		       (document.n == 0 ? drop_row(s, id) : put_row(s, id, document));
	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return fine;
}
