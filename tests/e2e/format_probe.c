/* usage: format_probe FORM [live] [MOST]
 * ECS documents, one a line, from standard input in another form (run/format.h): one line each; an empty one
 * where there is none. Class and level are those that the document says; the number is the line's. */
#include "base/json_read.h"
#include "run/format.h"

#include <stdio.h>
#include <stdlib.h>

static enum outbox_class class_of(const struct json_tree *t)
{
	struct bytes c = json_inside(json_at(t, "wardwatch.class"));
	return bytes_is(c, "asset") ? OUTBOX_ASSET : bytes_is(c, "health") ? OUTBOX_HEALTH : OUTBOX_ALERT;
}

static enum level level_of(const struct json_tree *t)
{
	unsigned l = LEVEL_INFORMATIONAL;
	while (l < LEVEL_CRITICAL &&
		!bytes_is(json_inside(json_at(t, "wardwatch.level")), level_name((enum level)l)))
		l++;
	return json_at(t, "wardwatch.level") ? (enum level)l : LEVEL_INFORMATIONAL;
}

int main(int argc, char **argv)
{
	enum format form;
	struct json_tree tree = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	bool live = argc > 2 && strcmp(argv[2], "live") == 0;
	if (argc < 2 || !format_find(argv[1], &form))
		return 1;
	struct formatter *f = formatter_new(form, live);
	if (!f)
		return 1;
	if (argc > 2 + live)
		formatter_most(f, strtoul(argv[2 + live], NULL, 10));
	struct outbox_record r = { .stream_id = { 1772352000000, 0 } };
	while ((n = getline(&line, &room, stdin)) > 0) {
		r.document = bytes_of(line, (size_t)(line[n - 1] == '\n' ? n - 1 : n));
		(void)json_parse(&tree, r.document);
		r.number++;
		r.class = class_of(&tree);
		r.level = level_of(&tree);
		r.id = json_inside(json_at(&tree, "event.id"));
		struct bytes body = format_record(f, &r);
		if (body.n)
			fwrite(body.p, 1, body.n, stdout);
		putchar('\n');
	}
	free(line);
	json_tree_fini(&tree);
	formatter_free(f);
	return 0;
}
