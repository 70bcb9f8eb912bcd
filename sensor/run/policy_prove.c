/* wardwatch policy test: the tests of a policy set, one line each. */
#include "decide/mask.h"
#include "run/documents.h"
#include "run/policy_command.h"
#include "run/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct proof {
	struct policy_command *c;
	struct diag why; /* of the tests so far */
	size_t said;
	/* All alerts, when they are asked for: a length and a line of JSON, sealed, each. */
	FILE *alerts;
	char *text;
	size_t n;
	struct json_doc *doc;
	struct mask *mask;
	struct privacy_key key;
	/* of the capture being replayed */
	const struct policy_replay *to;
};

static void on_test(void *arg, const struct policy_test_result *r)
{
	struct proof *p = arg;
	printf("%s %s:%u: %s\n", r->passed ? "ok    " : "FAILED", r->file, r->line, r->name);
	for (; p->said < p->why.n; p->said++) {
		struct diag one = { .messages = &p->why.messages[p->said], .n = 1 };
		fputs("       ", stdout);
		policy_say(stdout, &one, ~0u);
	}
}

static void on_alert(void *arg, const struct alert *a)
{
	struct proof *p = arg;
	if (!p->alerts)
		return;
	alert_json(p->doc, &(struct doc_context){ .sensor_name = p->c->config.sensor_name }, a);
	struct bytes line = json_nested(p->doc);
	uint32_t n = (uint32_t)line.n;
	fwrite(&n, sizeof n, 1, p->alerts);
	fwrite(line.p, 1, n, p->alerts);
}

static void on_record(void *arg, const struct event *e)
{
	struct proof *p = arg;
	if (p->mask)
		mask_learn(p->mask, e);
}

static void on_replayed(void *arg, struct hub *h, const struct alert *a)
{
	struct proof *p = arg;
	p->to->on_alert(p->to->to, h->policy, a);
}

static bool replay(void *arg, const struct policy *policy, const char *path, const struct policy_replay *to,
	struct diag *diag)
{
	struct proof *p = arg;
	struct replay r = { .limits = &p->c->config.limits,
		.key = &p->key,
		.policy = policy,
		.fingerprints = policy_fingerprints(p->c->policy),
		.tap = { on_record, on_replayed, p } };
	p->to = to;
	return replay_run(&r, &path, 1, diag) == 0;
}

/* ---- all alerts ------------------------------------------------------------------------------------- */

static bool open_alerts(struct proof *p)
{
	privacy_key_init(&p->key, bytes_str("policy test"), false);
	if (!p->c->golden && !p->c->alerts)
		return true;
	p->alerts = open_memstream(&p->text, &p->n);
	p->doc = json_new();
	p->mask = mask_new(&p->key, &p->c->config.limits);
	return p->alerts && p->doc && p->mask;
}

static bool next_line(struct proof *p, size_t *at, struct bytes *line)
{
	uint32_t n;
	if (*at + sizeof n > p->n)
		return false;
	memcpy(&n, p->text + *at, sizeof n);
	*line = mask_line(p->mask, bytes_of(p->text + *at + sizeof n, n));
	*at += sizeof n + n;
	return true;
}

static int write_alerts(struct proof *p)
{
	struct bytes line;
	FILE *f = fopen(p->c->alerts, "we");
	for (size_t at = 0; f && next_line(p, &at, &line);) {
		fwrite(line.p, 1, line.n, f);
		fputc('\n', f);
	}
	bool ok = f && !ferror(f);
	if (f && fclose(f) != 0)
		ok = false;
	return ok ? EXIT_GOOD : policy_fail("%s: cannot be written: %s", p->c->alerts, strerror(errno));
}

/* The first line that is not the same is said. */
static int compare_alerts(struct proof *p)
{
	struct bytes line;
	char *want = NULL;
	size_t cap = 0, number = 1;
	FILE *f = fopen(p->c->golden, "re");
	if (!f)
		return policy_fail("%s: cannot be read: %s; --alerts %s writes it", p->c->golden,
			strerror(errno), p->c->golden);
	bool same = true;
	for (size_t at = 0; same && next_line(p, &at, &line); number++) {
		ssize_t n = getline(&want, &cap, f);
		same = n == (ssize_t)line.n + 1 && want[n - 1] == '\n' &&
		       bytes_eq(bytes_of(want, (size_t)n - 1), line);
	}
	if (same && fgetc(f) != EOF)
		same = false;
	else
		number -= !same;
	fclose(f);
	free(want);
	if (same)
		return EXIT_GOOD;
	printf("FAILED %s:%zu: the tests' alerts differ from here on; --alerts FILE writes them\n",
		p->c->golden, number);
	return EXIT_WRONG;
}

static int judge_alerts(struct proof *p)
{
	int code = EXIT_GOOD;
	if (!p->alerts)
		return code;
	if (fflush(p->alerts) != 0)
		return policy_fail("out of memory");
	if (p->c->alerts)
		code = write_alerts(p);
	if (p->c->golden && compare_alerts(p) != EXIT_GOOD)
		code = EXIT_WRONG;
	return code;
}

int policy_prove(struct policy_command *c)
{
	struct proof p = { .c = c };
	unsigned ran = 0, failed = 0;
	int code = EXIT_WRONG;
	struct policy_tests tests = { on_test, on_alert, replay, &p };
	if (open_alerts(&p)) {
		failed = policy_tests_run(c->policy, &tests, &p.why, &ran);
		code = judge_alerts(&p);
		printf("%u passed, %u failed\n", ran - failed, failed);
		if (failed)
			code = EXIT_WRONG;
	} else {
		policy_fail("out of memory");
	}
	if (p.alerts)
		fclose(p.alerts);
	free(p.text);
	if (p.doc)
		json_free(p.doc);
	mask_free(p.mask);
	diag_free(&p.why);
	return code;
}
