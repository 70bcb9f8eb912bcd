/* wardwatch: from captures to a page, alerts and an inventory. */
#include "decide/oui.h"
#include "run/alerts_command.h"
#include "run/config.h"
#include "run/confine.h"
#include "run/devices_command.h"
#include "run/forwarding.h"
#include "run/offline.h"
#include "run/options.h"
#include "run/output_command.h"
#include "run/policy_command.h"
#include "run/progress.h"
#include "run/service.h"
#include "run/status_command.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All that a run needs, made in this order and given back in the other. */
struct program {
	struct options options;
	struct config config;
	struct policy *policy;
	struct oui *oui;
	unsigned n_workers;
	bool one_thread;                           /* worker and hub */
	struct capture *captures[OPTIONS_THREADS]; /* the same ones, for each worker */
	struct live *live;
	struct log log;
	struct mask *mask;
	struct outputs *outputs;
	struct store *store;
	struct forwarding forwarding;
	struct progress progress;
	struct diag diag;
};

static _Atomic bool stop, reload;
static bool must_end; /* live: also when an output does not take what is written */

enum { END_S = 10 };

static void on_signal(int number)
{
	stop = true;
	signal(number, SIG_DFL); /* the second one ends us at once */
	/* Should we be about to wait for input: its signal ends the wait. */
	alarm(must_end ? END_S : 1);
}

static void on_reload(int number)
{
	(void)number;
	reload = true;
}

static void on_alarm(int number)
{
	static const char text[] =
		"wardwatch: error: the end took too long (does an output block?): what was "
		"not written yet is lost\n";
	(void)number;
	if (!must_end)
		return;
	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	syscall(SYS_exit_group, EXIT_WRONG); /* _exit of a sanitizer waits for threads that block */
}

static void catch_signals(bool live)
{
	must_end = live;
	signal(SIGALRM, on_alarm);
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	/* A terminal that is closed ends a run as Ctrl-C does, but for one under nohup(1). */
	if (!live && signal(SIGHUP, SIG_IGN) != SIG_IGN)
		signal(SIGHUP, on_signal);
	/* A closed pipe or a file that is too large is an output that cannot be written: the sinks say so. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

/* One sentence a message, on stderr; of rules that are left out (S1 to S5) only how many. */
static void say(const struct diag *d, bool all)
{
	size_t skipped = 0;
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_message *m = &d->messages[i];
		bool named = m->file && strcmp(m->file, "-") != 0;
		bool is_rule = m->level == DIAG_SKIPPED && *m->code == 'S';
		skipped += is_rule;
		if (is_rule || (m->level != DIAG_ERROR && !all))
			continue;
		fprintf(stderr, "wardwatch: %s", named ? m->file : "");
		if (named && m->line)
			fprintf(stderr, ":%u:%u", m->line, m->column);
		fprintf(stderr, "%s%s%s%s%s\n", named ? ": " : "",
			m->level == DIAG_WARNING ? "warning: " : "", m->code, *m->code ? " " : "",
			m->text ? m->text : "out of memory");
	}
	if (skipped && all)
		fprintf(stderr, "wardwatch: %zu rules left out (wardwatch policy list --skipped says why)\n",
			skipped);
}

/* Says and forgets, so that nothing is said twice. */
static void say_all(struct diag *d, bool all)
{
	say(d, all);
	diag_free(d);
}

/* Of a binary in its build tree the source's policies, else those installed with it. */
static const char *default_policies(void)
{
	char self[4096];
	struct stat st;
	size_t n = strlen(WW_BUILD_DIR);
	ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
	self[got > 0 ? got : 0] = 0;
	bool at_home = strncmp(self, WW_BUILD_DIR, n) == 0 && self[n] == '/';
	return at_home && stat(WW_SOURCE_POLICY_DIR, &st) == 0 ? WW_SOURCE_POLICY_DIR : WW_POLICY_DIR;
}

static void can_read(const char *path, struct diag *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	else if (errno == EACCES)
		diag_add(d, DIAG_ERROR, path, 0, 0, "",
			"may not be read by the user that this runs as; a sensor that runs may read no "
			"folder either "
			"that was put in place of the one it started with: restart it then");
	else
		diag_add(d, DIAG_ERROR, path, 0, 0, "",
			"there are no policies here; -p names their directory");
}

/* At start, and live on SIGHUP. NULL: what is wrong is in d. */
static struct policy *read_policies(void *arg, struct diag *d)
{
	struct program *p = arg;
	const char *one = *p->config.policies ? p->config.policies : default_policies();
	const char *const *paths = p->options.n_policies ? p->options.policies : &one;
	size_t n = p->options.n_policies ? p->options.n_policies : 1;
	for (size_t i = 0; i < n; i++)
		can_read(paths[i], d);
	if (d->errors)
		return NULL;
	p->config.policy.home = p->config.home.list;
	p->config.policy.n_home = p->config.home.n;
	struct policy *policy = policy_load_with(&p->config.policy, paths, n, d);
	diag_sort(d);
	/* A sensor that judges nothing must not look like one that finds nothing. */
	if (policy && d->errors == 0 && policy_rules(policy) == 0)
		diag_add(d, DIAG_ERROR, paths[0], 0, 0, "",
			"holds no rule that is loaded, so nothing would be judged; -p names a directory of "
			"*.yml (wardwatch policy list --skipped says why rules are left out)");
	if (d->errors == 0)
		return policy;
	if (policy)
		policy_free(policy);
	return NULL;
}

static bool is_live(const struct program *p)
{
	return p->options.n_interfaces > 0;
}

/* NULL: nothing survives. A configured one is the live sensor's: an old capture must not get into it unasked.
 */
static const char *store_path(const struct program *p)
{
	if (p->options.state || !is_live(p) || !*p->config.store_file)
		return p->options.state;
	return p->config.store_file;
}

static bool open_outputs(struct program *p)
{
	struct sink_config c = { .dir = p->options.output   ? p->options.output
					: *p->config.output ? p->config.output
							    : NULL,
		.events = p->options.events || p->config.events,
		.json = p->options.json,
		.page = !p->options.json && !p->options.quiet && !is_live(p),
		.live = is_live(p),
		.shipper = p->forwarding.shipper,
		.files = { .rotation = p->config.rotation, .ring_kib = p->config.limits.lines_kib },
		.doc = { .sensor_name = p->config.sensor_name,
			.pseudonyms = p->config.key.from_file,
			.zones = policy_zones(p->policy) } };
	if (c.events && !c.dir) {
		diag_add(&p->diag, DIAG_ERROR, "-", 0, 0, "", "%s needs an output directory: -o DIR",
			p->options.events ? "--events" : "`output.events: on` in the configuration");
		return false;
	}
	if (is_live(p) && !c.dir && !c.json && !c.shipper)
		diag_add(&p->diag, DIAG_WARNING, "-", 0, 0, "",
			"nobody hears of alerts: -o DIR writes them to a file there, --json to standard "
			"output, output.redis and output.syslog send them");
	p->mask = mask_new(&p->config.key, &p->config.limits);
	c.mask = p->mask;
	p->outputs = p->mask ? outputs_new(&c) : NULL;
	if (!p->outputs)
		diag_add(&p->diag, DIAG_ERROR, "-", 0, 0, "", "not enough memory for the outputs");
	else if (!outputs_ok(p->outputs))
		diag_add(&p->diag, DIAG_ERROR, "-", 0, 0, "", "%s", outputs_error(p->outputs));
	return p->diag.errors == 0;
}

/* What is said of the inputs is said once. */
static bool open_captures(struct program *p)
{
	struct stat st;
	for (size_t i = 0; p->n_workers > 1 && i < p->options.n_reads; i++)
		if (stat(p->options.reads[i], &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
			diag_add(&p->diag, DIAG_ERROR, p->options.reads[i], 0, 0, "",
				"is no file, so it can be read once only: leave out -j, or say -j 2");
			return false;
		}
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct diag again = { 0 };
		struct diag *d = i ? &again : &p->diag;
		p->captures[i] = capture_open(p->options.reads, p->options.n_reads, d);
		if (!p->captures[i] && i)
			diag_add(&p->diag, DIAG_ERROR, "-", 0, 0, "",
				"the captures cannot be opened %u times, once for each thread", i + 1);
		diag_free(&again);
		if (!p->captures[i])
			return false;
	}
	return true;
}

static bool open_interfaces(struct program *p)
{
	struct live_options o = { .interfaces = p->options.interfaces,
		.n = p->options.n_interfaces,
		.workers = p->n_workers,
		.filter = p->config.live_filter,
		.promiscuous = p->config.live_promiscuous,
		.snap_bytes = (uint32_t)p->config.limits.snap_bytes,
		.buffer_kib = (uint32_t)p->config.limits.capture_kib };
	p->live = live_open(&o, &p->diag);
	return p->live != NULL;
}

/* Live the hub has a thread beside those that capture. */
static void share_out(struct program *p)
{
	cpu_set_t cpus;
	unsigned threads = p->options.threads;
	if (is_live(p)) {
		p->n_workers = threads ? threads : 1;
		return;
	}
	if (threads == 0)
		threads = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1 ? 2 : 1;
	p->n_workers = threads > 1 ? threads - 1 : 1;
	p->one_thread = threads == 1;
}

/* The brokers are processes of their own: before anything is open that they have no use for. */
static bool begin_forwarding(struct program *p)
{
	if (!forwarding_is_wanted(&p->config))
		return true;
	if (store_path(p))
		return forwarding_begin(&p->forwarding, &p->config, is_live(p), &p->diag);
	diag_add(&p->diag, DIAG_ERROR, "-", 0, 0, "",
		"alerts for Redis or syslog wait in a store until they are delivered: %s",
		is_live(p) ? "name its file with store.file or --state FILE"
			   : "name its file with --state FILE, or leave output.redis and output.syslog out");
	return false;
}

static bool open_forwarding(struct program *p)
{
	struct doc_context doc = { .sensor_name = p->config.sensor_name };
	return !forwarding_is_wanted(&p->config) ||
	       forwarding_open(&p->forwarding, store_path(p), &doc, &p->log, is_live(p), &p->diag);
}

static bool prepare(struct program *p)
{
	if (is_live(p))
		signal(SIGHUP, on_reload); /* what is asked for during the start is done after it */
	share_out(p);
	config_default(&p->config);
	if (p->options.config && !config_load(&p->config, p->options.config, &p->diag))
		return false;
	p->policy = read_policies(p, &p->diag);
	if (!p->policy)
		return false;
	if (!begin_forwarding(p))
		return false;
	say_all(&p->diag, !p->options.quiet); /* warnings on policies are no news of the captures */
	catch_signals(is_live(p));            /* standard input may be waited for from here on */
	if (!(is_live(p) ? open_interfaces(p) : open_captures(p)))
		return false;
	p->oui = oui_open(OUI_DIR);
	if (store_path(p) && !(p->store = store_open(store_path(p), &p->diag)))
		return false;
	return open_forwarding(p) && open_outputs(p);
}

static int run(struct program *p)
{
	progress_init(&p->progress, !p->options.quiet);
	struct offline o = { .captures = p->captures,
		.n_workers = p->n_workers,
		.one_thread = p->one_thread,
		.limits = &p->config.limits,
		.key = &p->config.key,
		.identify = p->config.identify,
		.policy = p->policy,
		.fingerprints = policy_fingerprints(p->policy),
		.oui = p->oui,
		.outputs = p->outputs,
		.store = p->store,
		.mask = p->mask,
		.doc = { .sensor_name = p->config.sensor_name, .zones = policy_zones(p->policy) },
		.inputs = p->options.reads,
		.n_inputs = p->options.n_reads,
		.progress = progress_show,
		.arg = &p->progress,
		.stop = &stop };
	struct shipper *shipper = p->forwarding.shipper;
	if (shipper && !shipper_start(shipper, NULL, NULL)) {
		diag_add(&p->diag, DIAG_ERROR, "-", 0, 0, "", "a thread cannot be started: %s",
			strerror(errno));
		return EXIT_WRONG;
	}
	int code = offline_run(&o, &p->diag);
	uint64_t waiting = shipper ? shipper_stop(shipper, p->config.outbox.drain * 1000000) : 0;
	if (waiting)
		diag_add(&p->diag, DIAG_WARNING, "-", 0, 0, "",
			"%llu documents for Redis or syslog wait in %s: they go out when wardwatch runs with "
			"it "
			"again",
			(unsigned long long)waiting, store_path(p));
	return code;
}

static bool give_up_rights(void *arg)
{
	struct program *p = arg;
	const char *one = *p->config.policies ? p->config.policies : default_policies();
	bool fine = confine(&(struct confine){ .user = p->config.user,
				    .policies = p->options.n_policies ? p->options.policies : &one,
				    .n_policies = p->options.n_policies ? p->options.n_policies : 1,
				    .output = p->options.output ? p->options.output : p->config.output,
				    .state = store_path(p),
				    .metrics_file = p->config.metrics_file,
				    .socket = p->config.status_socket,
				    .passwords = { p->config.redis.auth.password_file,
					    p->config.redis.sentinel_auth.password_file },
				    .live = p->live },
		&p->diag);
	say_all(&p->diag, true);
	return fine;
}

static int run_live(struct program *p)
{
	struct service s = { .live = p->live,
		.n_interfaces = p->options.n_interfaces,
		.n_workers = p->n_workers,
		.limits = &p->config.limits,
		.key = &p->config.key,
		.identify = p->config.identify,
		.policy = p->policy,
		.oui = p->oui,
		.outputs = p->outputs,
		.store = p->store,
		.shipper = p->forwarding.shipper,
		.drain_ns = p->config.outbox.drain * 1000000,
		.mask = p->mask,
		.doc = { .sensor_name = p->config.sensor_name },
		.confine = give_up_rights,
		.sensor_name = p->config.sensor_name,
		.socket = p->config.status_socket,
		.metrics_file = p->config.metrics_file,
		.log = &p->log,
		.reread = read_policies,
		.arg = p,
		.stop = &stop,
		.reload = &reload };
	return service_run(&s);
}

static void fini(struct program *p)
{
	outputs_close(p->outputs);
	forwarding_end(&p->forwarding);
	store_close_tidily(p->store);
	mask_free(p->mask);
	live_close(p->live);
	for (unsigned i = 0; i < p->n_workers; i++)
		capture_close(p->captures[i]);
	if (p->oui)
		oui_close(p->oui);
	if (p->policy)
		policy_free(p->policy);
	explicit_bzero(&p->config.key, sizeof p->config.key);
	options_fini(&p->options);
	diag_free(&p->diag);
}

/* What is asked of the program itself. */
static int tell(struct program *p)
{
	const struct options *o = &p->options;
	if (o->help) {
		options_help(stdout);
	} else if (o->version) {
		puts("wardwatch " WW_VERSION);
	} else {
		config_default(&p->config);
		if (o->config && !config_load(&p->config, o->config, &p->diag)) {
			say_all(&p->diag, true);
			return EXIT_WRONG;
		}
		config_print(&p->config, stdout);
	}
	if (fflush(stdout) == 0)
		return EXIT_GOOD;
	fprintf(stderr, "wardwatch: standard output: writing failed: %s\n", strerror(errno));
	return EXIT_WRONG;
}

/* Who started us may have closed them: no file of ours must get their numbers, or the page would be written
 * into it. Using one stays an error. */
static void keep_standard_numbers(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	static struct program p;
	int code = EXIT_WRONG;
	keep_standard_numbers();
	log_init(&p.log);
	if (argc > 1 && strcmp(argv[1], "policy") == 0)
		return policy_command(argc - 1, argv + 1, default_policies());
	if (argc > 1 && strcmp(argv[1], "devices") == 0)
		return devices_command(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "alerts") == 0)
		return alerts_command(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "output") == 0)
		return output_command(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "status") == 0)
		return status_command(argc - 1, argv + 1);
	if (!options_parse(&p.options, argc, argv)) {
		fprintf(stderr, "wardwatch: %s\n", p.options.error);
	} else if (p.options.help || p.options.version || p.options.print_config) {
		code = tell(&p);
	} else {
		code = !prepare(&p) ? EXIT_WRONG : is_live(&p) ? run_live(&p) : run(&p);
		progress_clear(&p.progress);
		/* Quiet is for what went well: a damaged capture is said all the same. */
		say_all(&p.diag, !p.options.quiet || code != EXIT_GOOD);
	}
	fini(&p);
	return code;
}
