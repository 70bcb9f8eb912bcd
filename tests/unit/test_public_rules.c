/*
 * Rules of others load unchanged, fire on a suitable event and not on a near miss: those of the public Sigma
 * repository that stand beside the checkout (../shared/sigma/rules), and a few of ours in their styles
 * (tests/policy/sigma-style).
 */
#include "satisfy.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define PUBLIC WW_SOURCE_DIR "/../shared/sigma/rules"
#define STYLE  WW_SOURCE_DIR "/tests/policy/sigma-style"

struct count {
	unsigned files, attached, skipped_s1, skipped_s2, skipped_other, bad;
};

static void both_ways(const struct policy *p, const struct rule *r, struct count *n)
{
	struct satisfied *s = calloc(1, sizeof *s);
	assert_non_null(s);
	satisfy(p, r, s);
	if (!*s->fires || !*s->misses) {
		print_error("%s: no event that %s\n  %.600s\n", r->file, *s->fires ? "just misses" : "fires",
			s->fires);
		n->bad++;
	} else if (!fires(p, r, s->fires) || fires(p, r, s->misses)) {
		print_error("%s: not as made:\n  %.600s\n  %.600s\n", r->file, s->fires, s->misses);
		n->bad++;
	}
	free(s);
}

static void messages(const struct diag *d, struct count *n)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_message *m = &d->messages[i];
		n->skipped_s1 += strcmp(m->code, "S1") == 0;
		n->skipped_s2 += strcmp(m->code, "S2") == 0;
		n->skipped_other +=
			m->level == DIAG_SKIPPED && strcmp(m->code, "S1") != 0 && strcmp(m->code, "S2") != 0;
		if (m->level == DIAG_ERROR)
			print_error("%s:%u: %s %s\n", m->file, m->line, m->code, m->text);
		n->bad += m->level == DIAG_ERROR;
	}
}

static const struct policy_options *options;
static struct count now;

/* Each file alone: one that is refused hides no other. */
static int judge_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct diag d = { 0 };
	(void)st;
	(void)ftw;
	if (type != FTW_F)
		return 0;
	struct policy *p = policy_load_with(options, &path, 1, &d);
	now.files++;
	messages(&d, &now);
	for (size_t i = 0; p && i < p->n_rules; i++)
		both_ways(p, p->rules[i], &now);
	now.attached += p ? (unsigned)p->n_rules : 0;
	if (p)
		policy_free(p);
	diag_free(&d);
	return 0;
}

static struct count judge(const char *root, const struct policy_options *o)
{
	options = o;
	now = (struct count){ 0 };
	assert_int_equal(nftw(root, judge_file, 8, FTW_PHYS), 0);
	return now;
}

static void public_rules(void **state)
{
	(void)state;
	if (access(PUBLIC, R_OK) != 0) {
		print_message("no %s: skipped\n", PUBLIC);
		skip();
	}
	/* 100 of the network's sources, and 63 of hosts', of which 23 ask for nothing that only a
	 * host knows. */
	struct count n = judge(PUBLIC, &(struct policy_options){ .compat_host = true });
	assert_int_equal(n.bad, 0);
	assert_int_equal(n.files, 163);
	assert_int_equal(n.attached, 123);
	assert_int_equal(n.skipped_s2, 40);
	assert_int_equal(n.skipped_s1 + n.skipped_other, 0);
}

static void hosts_only_when_asked_for(void **state)
{
	(void)state;
	if (access(PUBLIC, R_OK) != 0)
		skip();
	struct count n = judge(PUBLIC "/rules/windows", &(struct policy_options){ 0 });
	assert_int_equal(n.files, 49);
	assert_int_equal(n.skipped_s1, n.files);
}

static void rules_of_our_own(void **state)
{
	(void)state;
	struct count n = judge(STYLE, &(struct policy_options){ .compat_host = true });
	assert_int_equal(n.bad, 0);
	assert_true(n.attached >= 15);
	assert_int_equal(n.skipped_s1, 1);
	assert_int_equal(n.skipped_s2, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_rules),
		cmocka_unit_test(hosts_only_when_asked_for),
		cmocka_unit_test(rules_of_our_own),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
