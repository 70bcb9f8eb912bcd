/*
 * usage: rules_batch RULES EVENTS: for each document of EVENTS (an event, written as policy tests write them)
 * one line with the numbers of the rules that hold, counted from 0 in the order of RULES; a rule that the
 * index passes over does not. For tests/diff/rules.py, whose slow evaluator says what the lines must be.
 */
#include "decide/event_write.h"
#include "decide/index.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(const struct diag *d)
{
	diag_print(d, stderr, false);
	return 1;
}

static void judge(
	const struct policy *p, struct candidates *c, struct event_view *view, const struct event *e)
{
	unsigned category = event_schema_category_of(p->schema, e);
	size_t n = p->n_of_category[category];
	event_view_look(view, e);
	candidates_find(c, p->index[category], view);
	for (size_t i = 0; (i = candidates_next(c, i)) < n; i++)
		if (rule_holds(p->of_category[category][i], event_view_as_view(view), NULL))
			printf("%u ", p->of_category[category][i]->number);
	printf("\n");
}

int main(int argc, char **argv)
{
	static struct event_writer writer;
	struct diag d = { 0 };
	struct yaml_file events = { 0 };
	struct policy *p = argc == 3 ? policy_load((const char *const *)argv + 1, 1, &d) : NULL;
	if (!p || d.errors || !yaml_load(argv[2], &events, &d))
		return fail(&d);
	struct event_view *view = event_view_new(p->schema, NULL);
	struct candidates *c = candidates_new(p);
	if (!view || !c)
		return 1;
	for (size_t i = 0; i < events.n; i++) {
		event_writer_init(&writer, p->schema, view, argv[2], &d);
		const struct event *e = event_write(&writer, events.docs[i]);
		if (!e)
			return fail(&d);
		judge(p, c, view, e);
	}
	candidates_free(c);
	event_view_free(view);
	yaml_fini(&events);
	policy_free(p);
	diag_free(&d);
	return 0;
}
