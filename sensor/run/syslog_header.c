/* RFC 5424 section 6: what stands before a message's body. */
#include "base/json_read.h"
#include "base/utf8.h"
#include "run/syslog.h"

#include <stdio.h>

enum { HOST = 255, APP = 48, MSGID = 32, VALUE = 128 };

static const uint8_t severity[] = { 6, 5, 4, 3, 2 };

struct line {
	char *p;
	size_t n;
};

static void put(struct line *l, const char *s)
{
	l->n += bytes_copy(l->p + l->n, SYSLOG_HEADER - l->n, bytes_str(s));
}

static void put_byte(struct line *l, char c)
{
	char text[2] = { c, 0 };
	put(l, text);
}

/* PRINTUSASCII: what is not becomes an underscore; nothing is "-". */
static void put_word(struct line *l, struct bytes inside, size_t most)
{
	size_t n = 0;
	for (; inside.n && n < most; n++) {
		uint32_t c = json_char(&inside);
		put_byte(l, c > 0x20 && c < 0x7f ? (char)c : '_');
	}
	put(l, n ? " " : "- ");
}

/* PARAM-VALUE: `"`, `\` and `]` are escaped (section 6.3.3). */
static void put_parameter(struct line *l, const char *name, struct bytes inside)
{
	uint8_t utf8[4];
	if (inside.n == 0)
		return;
	put_byte(l, ' ');
	put(l, name);
	put(l, "=\"");
	inside = json_cut(inside, VALUE);
	while (inside.n) {
		uint32_t c = json_char(&inside);
		if (c == '"' || c == '\\' || c == ']')
			put_byte(l, '\\');
		size_t n = utf8_put(text_is_control(c) ? '_' : c, utf8);
		for (size_t i = 0; i < n; i++)
			put_byte(l, (char)utf8[i]);
	}
	put_byte(l, '"');
}

static struct bytes number(const struct json_node *n)
{
	return n && n->type == JSON_NUMBER ? bytes_first(n->raw, VALUE) : (struct bytes){ 0 };
}

size_t syslog_header(const struct syslog_setup *s, const struct outbox_record *r, const struct json_tree *t,
	char out[SYSLOG_HEADER])
{
	static const char *const classes[] = { "alert", "asset", "health" };
	struct line l = { .p = out };
	char text[64];
	struct bytes category = json_inside(json_at(t, "wardwatch.category"));
	struct bytes time = json_inside(json_at(t, "@timestamp"));
	snprintf(text, sizeof text, "<%u>1 ", s->facility * 8 + severity[r->level]);
	put(&l, text);
	put_word(&l, time.n == TIME_TEXT - 1 ? time : (struct bytes){ 0 }, TIME_TEXT);
	put_word(&l, json_inside(json_at(t, "observer.name")), HOST);
	put_word(&l, bytes_str(s->app_name), APP);
	put(&l, "- ");
	put_word(&l, category.n ? category : bytes_str(classes[r->class]), MSGID);
	snprintf(text, sizeof text, "[wardwatch@%u", s->enterprise);
	put(&l, text);
	put_parameter(&l, "id", json_inside(json_at(t, "event.id")));
	put_parameter(&l, "score", number(json_at(t, "event.risk_score")));
	put_parameter(&l, "conf", number(json_at(t, "wardwatch.confidence")));
	put(&l, "] ");
	return l.n;
}
