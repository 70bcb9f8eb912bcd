#include "run/output_command.h"

#include "base/digest.h"
#include "run/forwarding.h"
#include "run/options.h"
#include "run/store.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 15, TRIES_S = 3, LOOK_NS = 20000000, TEST_ID = 24, TEST_ID_BITS = 100 };

static const struct {
	int letter;
	const char *name, *argument, *sentence;
} rows[] = {
#define OUTPUT_OPTION(letter, name, argument, sentence) { letter, name, argument, sentence },
#include "run/output.def"
#undef OUTPUT_OPTION
};

enum { ROWS = sizeof rows / sizeof *rows };

static int help(void)
{
	puts("Usage: wardwatch output test -c FILE\n"
	     "Sends one alert, marked as a test, to Redis and syslog as FILE has them, and says what came "
	     "back.\n");
	for (size_t i = 0; i < ROWS; i++)
		printf("  -%c, --%s%s%-*s %s\n", rows[i].letter, rows[i].name, *rows[i].argument ? " " : "",
			(int)(15 - strlen(rows[i].name) - (*rows[i].argument != 0)), rows[i].argument,
			rows[i].sentence);
	puts("\nExit status: 0 each output has taken it; 1 one has not.");
	return fflush(stdout) == 0 ? EXIT_GOOD : EXIT_WRONG;
}

static int say(const struct diag *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_message *m = &d->messages[i];
		bool named = m->file && strcmp(m->file, "-") != 0;
		fprintf(stderr, "wardwatch: %s", named ? m->file : "");
		if (named && m->line)
			fprintf(stderr, ":%u:%u", m->line, m->column);
		fprintf(stderr, "%s%s%s%s\n", named ? ": " : "", m->code, *m->code ? " " : "",
			m->text ? m->text : "out of memory");
	}
	return EXIT_WRONG;
}

/* ---- the alert ---------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void id_of(const char *sensor, uint64_t ns, char id[TEST_ID])
{
	char text[CONFIG_TEXT + 64];
	uint8_t digest[32];
	int n = snprintf(text, sizeof text, "%s\x1ftest\x1f%llu\x1f%ld", sensor, (unsigned long long)ns,
		(long)getpid());
	sha256_of(bytes_of(text, (size_t)n), digest);
	memcpy(id, "t1-", 3);
	base32hex(bytes_of(digest, sizeof digest), TEST_ID_BITS, id + 3);
}

/* With all that every alert has (siem-conventions.md section 7), and nothing that could be taken for one. */
static struct bytes test_alert(struct json_doc *d, const char *sensor, char id[TEST_ID])
{
	struct doc_context ctx = { .sensor_name = sensor };
	uint64_t now = now_ns();
	id_of(sensor, now, id);
	json_reset(d);
	json_time(d, "@timestamp", now);
	json_text(d, "message", "Test alert of Wardwatch: nothing has happened");
	json_text(d, "event.action", "output_test");
	json_list(d, "event.category");
	json_text(d, "event.category", "host");
	json_text(d, "event.code", "sensor_health");
	json_time(d, "event.created", now);
	json_text(d, "event.dataset", "wardwatch.alert");
	json_text(d, "event.id", id);
	json_text(d, "event.kind", "alert");
	json_text(d, "event.module", "wardwatch");
	json_text(d, "event.outcome", "unknown");
	json_text(d, "event.reason", "asked for with `wardwatch output test`");
	json_uint(d, "event.risk_score", level_severity(LEVEL_INFORMATIONAL));
	json_uint(d, "event.risk_score_norm", level_severity(LEVEL_INFORMATIONAL));
	json_uint(d, "event.severity", level_severity(LEVEL_INFORMATIONAL));
	json_list(d, "event.type");
	json_text(d, "event.type", "info");
	json_text(d, "rule.id", "output_test");
	json_text(d, "rule.name", "Test of an output");
	json_list(d, "tags");
	json_text(d, "tags", "wardwatch");
	json_text(d, "tags", "test");
	json_text(d, "wardwatch.category", "sensor_health");
	json_text(d, "wardwatch.class", "alert");
	json_uint(d, "wardwatch.confidence", 100);
	json_text(d, "wardwatch.level", level_name(LEVEL_INFORMATIONAL));
	json_uint(d, "wardwatch.schema", 1);
	observer_json(d, &ctx);
	return json_nested(d);
}

/* ---- the way there ---------------------------------------------------------------------------------------
 */

/* Nothing to wait for: each has taken it or, after some tries, said why not. */
static bool is_settled(struct shipper *s, struct shipper_figures *f, time_t waited_s)
{
	shipper_figures(s, f);
	for (size_t i = 0; i < f->n_outputs; i++)
		if (f->outputs[i].figures.sent == 0 &&
			(waited_s < TRIES_S || !*f->outputs[i].figures.problem))
			return false;
	return true;
}

static int report(const struct config *c, const struct shipper_figures *f, const char *id)
{
	int code = EXIT_GOOD;
	for (size_t i = 0; i < f->n_outputs; i++) {
		const struct shipper_output *o = &f->outputs[i];
		bool redis = strcmp(o->name, "redis") == 0;
		const char *where = redis ? c->redis.servers.list[0] : c->syslog.server;
		if (o->figures.sent) {
			printf("%-7s %s took test alert %s after %llu ms%s\n", o->name, where, id,
				(unsigned long long)(o->figures.latency_ns / 1000000),
				o->figures.no_receiver ? ", but nobody listens to its channel" : "");
			continue;
		}
		printf("%-7s %s did NOT take the test alert: %s\n", o->name, where,
			*o->figures.problem ? o->figures.problem : "it does not answer");
		code = EXIT_WRONG;
	}
	return fflush(stdout) == 0 ? code : EXIT_WRONG;
}

static int send_one(const struct config *c, struct forwarding *f)
{
	struct shipper_figures figures;
	struct json_doc *d = json_new();
	char id[TEST_ID];
	if (!d || !shipper_start(f->shipper, NULL, NULL))
		return EXIT_WRONG;
	struct outbox_record r = { .class = OUTBOX_ALERT, .document = test_alert(d, c->sensor_name, id) };
	r.id = bytes_str(id);
	(void)shipper_put(f->shipper, SHIPPER_HUB, &r);
	time_t began = time(NULL);
	while (!is_settled(f->shipper, &figures, time(NULL) - began) && time(NULL) < began + PATIENCE_S)
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
	(void)shipper_stop(f->shipper, 0);
	json_free(d);
	return report(c, &figures, id);
}

/* An outbox of its own, since that of the sensor may be in use: nothing else than the test is in it. */
static int test(const struct config *c, struct diag *d)
{
	static struct forwarding f;
	char folder[] = "/tmp/wardwatch.XXXXXX", path[sizeof folder + 16];
	int code = EXIT_WRONG;
	if (!mkdtemp(folder)) {
		diag_add(d, DIAG_ERROR, "/tmp", 0, 0, "", "no folder can be made there");
		return EXIT_WRONG;
	}
	snprintf(path, sizeof path, "%s/outbox.db", folder);
	struct store *store = NULL;
	struct doc_context doc = { .sensor_name = c->sensor_name };
	bool fine = forwarding_begin(&f, c, false, d) && (store = store_open(path, d)) != NULL &&
		    forwarding_open(&f, path, &doc, NULL, false, d);
	if (fine)
		code = send_one(c, &f);
	forwarding_end(&f);
	store_close(store);
	for (const char *const *end = (const char *const[]){ "", "-wal", "-shm", NULL }; *end; end++) {
		char file[sizeof path + 8];
		snprintf(file, sizeof file, "%s%s", path, *end);
		(void)unlink(file);
	}
	(void)rmdir(folder);
	return code;
}

static int test_as(const char *config)
{
	static struct config c;
	struct diag d = { 0 };
	int code = EXIT_WRONG;
	config_default(&c);
	if (config_load(&c, config, &d)) {
		if (forwarding_is_wanted(&c))
			code = test(&c, &d);
		else
			diag_add(&d, DIAG_ERROR, config, 0, 0, "",
				"names neither output.redis.servers nor output.syslog.server: there is "
				"nothing to "
				"test");
	}
	if (d.n)
		(void)say(&d);
	explicit_bzero(&c.key, sizeof c.key);
	diag_free(&d);
	return code;
}

int output_command(int argc, char **argv)
{
	struct option longs[ROWS + 1] = { { 0 } };
	const char *config = NULL;
	for (int i = 0; i < ROWS; i++)
		longs[i] = (struct option){ rows[i].name, *rows[i].argument ? required_argument : no_argument,
			NULL, rows[i].letter };
	opterr = 0;
	for (int got; (got = getopt_long(argc, argv, ":c:h", longs, NULL)) != -1;) {
		if (got == 'h')
			return help();
		if (got != 'c') {
			fprintf(stderr, "wardwatch: output: %s %s (--help lists the options)\n",
				argv[optind - 1], got == ':' ? "needs an argument" : "is not an option");
			return EXIT_WRONG;
		}
		config = optarg;
	}
	if (argc - optind != 1 || strcmp(argv[optind], "test") != 0 || !config) {
		fputs("wardwatch: output: say `wardwatch output test -c FILE` (--help says more)\n", stderr);
		return EXIT_WRONG;
	}
	return test_as(config);
}
