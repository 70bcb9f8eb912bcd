/* run/outputs, run/outfile: files that appear whole or not at all. */
#include "records.h"
#include "run/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
	char dir[64], out[80];
	struct limits limits;
	struct counters counters;
	struct privacy_key key;
	struct mask *mask;
	struct inventory *inv;
	struct diag notes;
	struct run_summary sum;
	struct sink_config config;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	assert_non_null(w);
	snprintf(w->dir, sizeof w->dir, "/tmp/test_outputs.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->out, sizeof w->out, "%s/out", w->dir);
	limits_default(&w->limits);
	privacy_key_init(&w->key, bytes_str("test"), false);
	w->mask = mask_new(&w->key, &w->limits);
	w->inv = inventory_new(&w->limits, &w->counters, NULL, NULL);
	assert_true(w->mask && w->inv);
	w->sum = (struct run_summary){ .counters = &w->counters, .notes = &w->notes, .seconds = 0.5 };
	w->config = (struct sink_config){
		.dir = w->out, .events = true, .doc = { .sensor_name = "wardwatch" }, .mask = w->mask
	};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	static const char *const names[] = { "out/alerts.jsonl", "out/devices.jsonl", "out/events.jsonl",
		"out/summary.json", "out" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[128];
		snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
		(void)remove(path);
	}
	/* Whatever else is there was left behind. */
	assert_int_equal(rmdir(w->dir), 0);
	inventory_free(w->inv);
	mask_free(w->mask);
	free(w);
	return 0;
}

static size_t files_in(const char *dir)
{
	size_t n = 0;
	DIR *d = opendir(dir);
	if (!d)
		return 0;
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static size_t slurp(const struct world *w, const char *name, char *out, size_t cap)
{
	char path[128];
	snprintf(path, sizeof path, "%s/%s", w->out, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t n = fread(out, 1, cap - 1, f);
	out[n] = 0;
	fclose(f);
	return n;
}

static void host(struct rec *r, const char *name)
{
	rec_begin(r, PROTO_dhcp, 0);
	rec_from(r, "10.0.0.5", NULL);
	rec_to(r, "10.0.0.1", NULL);
	for (unsigned i = 0; dissectors[PROTO_dhcp]->fields[i].name; i++)
		if (strcmp(dissectors[PROTO_dhcp]->fields[i].name, "dhcp.host_name") == 0)
			rec_str(r, i, name);
}

static void learn(struct mask *m, const struct privacy_key *key, const char *name)
{
	_Alignas(8) uint8_t b[512] = { 0 };
	struct phi_fact phi = { .class = PHI_PATIENT_NAME,
		.n_tokens = 1,
		.token = { privacy_word(key, bytes_str(name)) },
		.whole = privacy_pseudonym(key, bytes_str(name)) };
	struct event e = { .n_facts = 1, .record = RECORD_OBSERVATION };
	struct fact f = { .field = FIELD_NONE, .type = FACT_PHI, .len = sizeof phi };
	e.len = (uint32_t)(sizeof e + ((sizeof f + sizeof phi + 7u) & ~7u));
	memcpy(b, &e, sizeof e);
	memcpy(b + sizeof e, &f, sizeof f);
	memcpy(b + sizeof e + sizeof f, &phi, sizeof phi);
	mask_learn(m, (const struct event *)(const void *)b);
}

/* The name is a patient's only after the line with it was written: it is masked all the same. */
static void whole_and_masked(void **state)
{
	struct world *w = *state;
	struct outputs *o = outputs_new(&w->config);
	struct rec r;
	char text[4096];
	assert_true(outputs_ok(o));
	host(&r, "brandt-ipad");
	assert_true(outputs_record(o, rec_event(&r)));
	assert_int_equal(files_in(w->out), 0); /* nothing to be seen before the end */
	learn(w->mask, &w->key, "BRANDT");
	assert_true(outputs_finish(o, w->inv, &w->sum));
	assert_int_equal(files_in(w->out), 4);
	slurp(w, "events.jsonl", text, sizeof text);
	assert_non_null(strstr(text, "\"dhcp.host_name\":\"[masked]-ipad\""));
	assert_null(strstr(text, "brandt"));
	slurp(w, "summary.json", text, sizeof text);
	assert_non_null(strstr(text, "\"seconds\":0.5"));
	assert_int_equal(slurp(w, "alerts.jsonl", text, sizeof text), 0);
	outputs_close(o);
	assert_int_equal(files_in(w->out), 4);
}

/* A run without events, into the folder of one that had them: the old ones go when the new files come, not
 * before. */
static void no_old_events(void **state)
{
	struct world *w = *state;
	for (unsigned run = 0; run < 2; run++) {
		w->config.events = run == 0;
		struct outputs *o = outputs_new(&w->config);
		assert_true(outputs_ok(o));
		assert_int_equal(files_in(w->out), run ? 4 : 0);
		assert_true(outputs_finish(o, w->inv, &w->sum));
		outputs_close(o);
		assert_int_equal(files_in(w->out), run ? 3 : 4);
	}
}

/* The old events cannot be removed (a folder of that name): a sentence, and nothing new beside them. */
static void old_events_stay(void **state)
{
	struct world *w = *state;
	char path[128];
	snprintf(path, sizeof path, "%s/events.jsonl", w->out);
	assert_int_equal(mkdir(w->out, 0700), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	w->config.events = false;
	struct outputs *o = outputs_new(&w->config);
	assert_false(outputs_finish(o, w->inv, &w->sum));
	assert_non_null(strstr(outputs_error(o), "events.jsonl: "));
	outputs_close(o);
	assert_int_equal(files_in(w->out), 1);
}

static void abandoned(void **state)
{
	struct world *w = *state;
	struct outputs *o = outputs_new(&w->config);
	assert_true(outputs_ok(o));
	outputs_close(o);
	assert_int_equal(access(w->out, F_OK), -1);
}

/* A file system without room: one sentence, no file, not even a temporary one. */
static void disk_full(void **state)
{
	struct world *w = *state;
	struct rlimit before, small = { 20000, 20000 };
	struct rec r;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	struct outputs *o = outputs_new(&w->config);
	assert_true(outputs_ok(o));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	host(&r, "pc");
	bool ok = true;
	for (unsigned i = 0; ok && i < 1000; i++)
		ok = outputs_record(o, rec_event(&r));
	ok = outputs_finish(o, w->inv, &w->sum) && ok;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_false(ok);
	assert_non_null(strstr(outputs_error(o), "events.jsonl: "));
	outputs_close(o);
	assert_int_equal(access(w->out, F_OK), -1);
}

static void no_directory(void **state)
{
	struct world *w = *state;
	w->config.dir = "/nonexistent/deeper";
	struct outputs *o = outputs_new(&w->config);
	assert_non_null(o);
	assert_false(outputs_ok(o));
	assert_non_null(strstr(outputs_error(o), "/nonexistent/deeper: "));
	outputs_close(o);
	w->config.dir = "/dev/null";
	o = outputs_new(&w->config);
	assert_false(outputs_ok(o));
	outputs_close(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_and_masked, setup, teardown),
		cmocka_unit_test_setup_teardown(no_old_events, setup, teardown),
		cmocka_unit_test_setup_teardown(old_events_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(abandoned, setup, teardown),
		cmocka_unit_test_setup_teardown(disk_full, setup, teardown),
		cmocka_unit_test_setup_teardown(no_directory, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
