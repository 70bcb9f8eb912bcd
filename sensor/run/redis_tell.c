/* What is wrong with the server, told once, and what follows from it. */
#include "run/redis_impl.h"

#include <stdio.h>
#include <string.h>

void tell_news(struct redis *r, const char *event, enum level level, const char *sentence)
{
	r->d.hooks.tell(r->d.hooks.arg, event, level, sentence);
}

void tell_problem(struct redis *r, const char *event, enum level level, bool is_writing, const char *sentence)
{
	bool is_new = !r->problem_event || strcmp(r->problem_event, event) != 0;
	r->problem_event = event;
	r->problem_is_writing = is_writing;
	snprintf(r->d.figures.problem, sizeof r->d.figures.problem, "%s", sentence);
	if (is_new)
		tell_news(r, event, level, sentence);
}

void tell_right(struct redis *r)
{
	char text[DELIVERY_TEXT];
	if (!r->problem_event)
		return;
	r->problem_event = NULL;
	r->d.figures.problem[0] = 0;
	snprintf(text, sizeof text, "%.200s takes alerts again", connection_name(r->connection));
	tell_news(r, "redis_recovered", LEVEL_INFORMATIONAL, text);
}

/* "NAME " and the row's sentence, with command and key in it. */
static void say(
	const struct redis *r, const struct pending *p, const struct refusal *f, char *text, size_t cap)
{
	const char *gap = strstr(f->sentence, "%s");
	bool has_key = p->command != COMMAND_AUTH && p->command != COMMAND_SELECT &&
		       p->command != COMMAND_ROLE && p->command != COMMAND_PING;
	if (!gap)
		snprintf(text, cap, "%.100s %s", connection_name(r->connection), f->sentence);
	else
		snprintf(text, cap, "%.100s %.*s%s%s%.60s%s", connection_name(r->connection),
			(int)(gap - f->sentence), f->sentence, command_name(p->command),
			has_key ? " on " : "", has_key ? r->keys[p->key].name : "", gap + 2);
}

void tell_second(struct redis *r, uint8_t key)
{
	char text[DELIVERY_TEXT];
	if (r->is_second_told)
		return;
	r->is_second_told = true;
	snprintf(text, sizeof text,
		"%.60s has entries of another producer in %.60s: each sensor needs a key of its own "
		"(output.redis.key)",
		connection_name(r->connection), r->keys[key].name);
	tell_news(r, "redis_second_producer", LEVEL_HIGH, text);
}

/* An option less and once more, or it is the configuration. */
static bool without_option(struct redis *r, const struct pending *p)
{
	char text[DELIVERY_TEXT];
	bool is_adding =
		p->command == COMMAND_ADD || p->command == COMMAND_QUEUED || p->command == COMMAND_EXEC;
	if (!r->trims || !is_adding || (!r->s.trim_age_ms && !r->s.trim_entries))
		return false;
	r->trims = false;
	snprintf(text, sizeof text,
		"%.100s cannot trim a stream as output.redis.trim says: it is sent without, and grows",
		connection_name(r->connection));
	tell_news(r, "redis_unsupported", LEVEL_MEDIUM, text);
	return true;
}

bool tell_refusal(struct redis *r, const struct pending *p, const struct refusal *f)
{
	char text[DELIVERY_TEXT];
	bool is_writing = r->phase == PHASE_UP;
	if (f->action == REFUSAL_OPTION && without_option(r, p))
		return true;
	say(r, p, f, text, sizeof text);
	tell_problem(r, f->event, f->level, is_writing, text);
	switch (f->action) {
	case REFUSAL_PAUSE:
	case REFUSAL_ABORTED:
		redis_pause(r);
		return true;
	case REFUSAL_NEXT:
		find_next(r);
		redis_rest(r, 0);
		return false;
	case REFUSAL_STOP:
	case REFUSAL_OPTION:
	case REFUSAL_REDIRECT: /* that is not to be followed */
		redis_rest(r, r->s.stopped_ns);
		return false;
	default:
		redis_rest(r, r->s.backoff_most_ns);
		return false;
	}
}

bool tell_refused(struct redis *r, const struct pending *p, const redisReply *error)
{
	const struct refusal *f = refusal_of(error);
	if (f->action == REFUSAL_REDIRECT && r->s.is_cluster)
		return find_redirect(r, p->key, error);
	return tell_refusal(r, p, f);
}
