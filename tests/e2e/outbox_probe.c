/* usage: outbox_probe STATE BYTES_MOST RETAIN OUTPUT...
 * For tests/e2e/alerts.py: does to an outbox what standard input says, a line each:
 * put CLASS LEVEL MS ID DOCUMENT | ack OUTPUT NUMBER | commit, which answers "done". */
#include "run/outbox.h"
#include "run/store.h"

#include <stdio.h>
#include <stdlib.h>

static struct bytes word(struct cur *c)
{
	return cur_until(c, ' ');
}

static uint64_t number(struct cur *c)
{
	uint64_t v = 0;
	return bytes_to_u64(word(c), &v) ? v : 0;
}

static bool put(struct outbox *o, struct cur *c)
{
	struct outbox_record r = { .class = OUTBOX_ALERT };
	struct bytes class = word(c), level = word(c);
	bool fresh;
	for (unsigned i = 0; i < OUTBOX_CLASSES; i++)
		r.class = bytes_is(class, outbox_class_name(i)) ? i : r.class;
	for (unsigned i = 0; i < LEVELS; i++)
		r.level = bytes_is(level, level_name(i)) ? i : r.level;
	uint64_t ms = number(c);
	r.id = word(c);
	r.document = cur_rest(c);
	return outbox_put(o, &r, ms, &fresh);
}

static bool obey(struct outbox *o, struct bytes line)
{
	struct cur c = cur_of(line);
	struct bytes verb = word(&c);
	if (bytes_is(verb, "put"))
		return put(o, &c);
	if (bytes_is(verb, "ack")) {
		size_t output = number(&c);
		outbox_acknowledge(o, output, number(&c));
		return true;
	}
	return bytes_is(verb, "commit") && outbox_commit(o) && puts("done") >= 0 && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
	struct outbox_setup s = { 0 };
	struct diag d = { 0 };
	char *line = NULL;
	size_t cap = 0;
	bool fine = argc >= 4;
	for (int i = 4; i < argc && s.n_outputs < OUTBOX_OUTPUTS; i++)
		s.outputs[s.n_outputs++] = argv[i];
	s.bytes_most = fine ? strtoull(argv[2], NULL, 10) : 0;
	s.retain_records = fine ? strtoull(argv[3], NULL, 10) : 0;
	struct store *store = fine ? store_open(argv[1], &d) : NULL;
	struct outbox *o = store ? outbox_open(argv[1], &s, &d) : NULL;
	diag_print(&d, stderr, true);
	for (ssize_t n; o && fine && (n = getline(&line, &cap, stdin)) > 0;)
		fine = obey(o, bytes_of(line, (size_t)n - 1));
	if (o && !fine)
		fprintf(stderr, "%s\n", outbox_error(o));
	free(line);
	outbox_close(o);
	store_close(store);
	diag_free(&d);
	return !(o && fine);
}
