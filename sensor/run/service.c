#include "run/service.h"

#include "base/assert.h"
#include "base/map.h"
#include "run/filer.h"
#include "run/jail.h"
#include "run/links.h"
#include "run/telling.h"
#include "run/thread_name.h"
#include "run/watcher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECOND  UINT64_C(1000000000)
#define SAVE_NS (60 * SECOND)
/* Of the ten seconds of an end: the workers', and when the last save has to be over. */
#define KEEP_NS       (6 * SECOND)
#define LEAST_KEEP_NS (2 * SECOND)

enum { NAP_NS = 1000000, TELL_MS = 200, SAVE_LOOKS = 8, LAST_LOOKS = 256, GONE = 3 };
enum { SAVED_S = 15, FINISHED_S = 10 };

struct run {
	const struct service *s;
	struct watcher *watchers;
	struct lane *lanes;
	struct board *boards; /* the workers', then the hub's */
	struct hub hub;
	struct state *state; /* of what is to survive, or NULL */
	struct store_line line;
	struct links links;
	uint64_t saved_ns;
	struct filer filer;
	struct telling *telling;
	pthread_t teller;
	struct policy *policy;           /* in force; the telling thread's to free when it is another */
	_Atomic(struct policy *) coming; /* from the telling thread to the hub; NULL: none */
	_Atomic bool taken;              /* the hub has it */
	_Atomic bool reload_failed;      /* to be told by the hub */
	_Atomic bool over;               /* the hub has ended */
	_Atomic bool gone;               /* an interface */
	_Atomic bool failed;             /* an output */
	uint64_t begun_ns;
};

static bool is_ending(const struct run *r)
{
	return *r->s->stop || r->gone || r->failed;
}

/* Before anything else that a thread does. */
static bool confined(struct run *r, enum jail_kind kind)
{
	if (!r->s->confine || jail_thread(kind))
		return true;
	log_error(r->s->log, "the system call filter of a thread cannot be set: %s", strerror(errno));
	r->failed = true;
	return false;
}

/* ---- workers --------------------------------------------------------------------------------- */

static void *watch(void *arg)
{
	struct watcher *w = arg;
	thread_name("ww-work", w->index + 1);
	if (confined(w->run, JAIL_WORKER))
		watcher_run(w);
	lane_done(w->lane, LANE_OVER);
	return NULL;
}

/* ---- hub ------------------------------------------------------------------------------------- */

/* What the hub tells of itself bears the time that no record to come lies before. False: there is none yet.
 */
static bool is_present(struct run *r)
{
	uint64_t least = UINT64_MAX;
	for (unsigned i = 0; i < r->s->n_workers; i++) {
		uint64_t done = r->lanes[i].done;
		least = done < least ? done : least;
	}
	if (least != UINT64_MAX && least > r->hub.now_ns)
		r->hub.now_ns = least;
	return r->hub.now_ns > 0;
}

static const char *input_name(void *arg, uint32_t input)
{
	return live_name(arg, input);
}

static void tell_failed_reload(struct run *r)
{
	r->reload_failed = false;
	hub_tell(&r->hub, &(struct health_news){ SENSOR_EV_RELOAD_FAILED, "policies", 1, 0 });
}

static bool make_state(struct run *r)
{
	struct doc_context doc = r->s->doc;
	if (!r->s->store)
		return true;
	doc.zones = policy_zones(r->policy);
	r->state = state_new(r->hub.inventory, r->hub.policy, r->s->mask, &doc);
	return r->state != NULL;
}

static uint64_t first_ns(const struct run *r)
{
	uint64_t first = 0;
	for (unsigned i = 0; i < r->s->n_workers; i++) {
		uint64_t own = r->watchers[i].first_ns;
		first = own && (first == 0 || own < first) ? own : first;
	}
	return first;
}

/* Of the packets; the workers' clocks go on without. */
static uint64_t last_ns(const struct run *r)
{
	uint64_t last = 0;
	for (unsigned i = 0; i < r->s->n_workers; i++)
		for (size_t k = 0; k < r->s->n_interfaces; k++) {
			uint64_t own = r->watchers[i].links[k].last_ns;
			last = own > last ? own : last;
		}
	return last;
}

/* A save goes on, or one begins, each minute. True: it is over. */
static bool save(struct run *r, uint64_t now, unsigned looks)
{
	if (!r->state)
		return true;
	bool over = store_line_save(&r->line, r->state, first_ns(r), r->hub.now_ns, looks);
	if (over)
		r->saved_ns = now;
	return over;
}

/* Between two saves: a save is of one set of baselines. */
static void change_policies(struct run *r)
{
	struct policy *p = atomic_load_explicit(&r->coming, memory_order_acquire);
	if (!p || r->taken || r->line.is_begun)
		return;
	if (!hub_reload(&r->hub, p)) {
		log_error(r->s->log, "not enough memory for the new policies: the old ones stay in force");
	} else {
		r->policy = p;
		state_free(r->state);
		r->state = NULL;
		if (!make_state(r))
			log_error(r->s->log, "not enough memory to keep what is known: it will not survive");
	}
	atomic_store_explicit(&r->taken, true, memory_order_release);
}

/* Now and then. */
static void look_around(struct run *r, uint64_t *posted_ns)
{
	struct figures f;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	change_policies(r);
	if (r->reload_failed && is_present(r))
		tell_failed_reload(r);
	if (r->line.is_begun || now - r->saved_ns >= SAVE_NS)
		(void)save(r, now, SAVE_LOOKS);
	if (now - *posted_ns < POST_NS)
		return;
	*posted_ns = now;
	for (size_t i = 0; i < r->s->n_interfaces && is_present(r) && !is_ending(r); i++)
		links_tell(&r->links, &r->hub, r->s->log, i, r->watchers[0].links[i].is_up, now);
	r->failed = r->failed || !outputs_ok(r->s->outputs); /* the filer has said why */
	r->hub.counters.full_lines_kib = outputs_lost(r->s->outputs);
	figures_of_hub(&f, &r->hub);
	board_post(&r->boards[r->s->n_workers], &f);
}

static void decide(struct run *r)
{
	bool over = false;
	unsigned which = 0;
	uint64_t posted_ns = 0;
	for (uint64_t n = 0; !over; n++) {
		const struct event *e = merge_next(r->lanes, r->s->n_workers, BY_TIME, &which, &over);
		if (e) {
			hub_take(&r->hub, e, which);
			ring_pop(r->lanes[which].ring);
		} else if (!over) {
			nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
		}
		if (!e || n % 256 == 0)
			look_around(r, &posted_ns);
	}
}

/* ---- telling, and reading policies anew ------------------------------------------------------ */

static uint64_t left_out(const struct diag *d)
{
	uint64_t n = 0;
	for (size_t i = 0; i < d->n; i++)
		n += d->messages[i].level == DIAG_SKIPPED && *d->messages[i].code == 'S';
	return n;
}

static void log_diag(struct log *log, const struct diag *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_message *m = &d->messages[i];
		if (m->level == DIAG_SKIPPED)
			continue;
		if (m->line)
			log_error(log, "%s:%u:%u: %s %s", m->file ? m->file : "-", m->line, m->column,
				m->code, m->text ? m->text : "out of memory");
		else
			log_error(
				log, "%s: %s", m->file ? m->file : "-", m->text ? m->text : "out of memory");
	}
}

static void write_saves(struct run *r)
{
	while (r->s->store && !store_line_take(&r->line, r->s->store))
		log_error(r->s->log, "%s", store_error(r->s->store));
}

/* The hub takes it between two records and two saves (so those have to be written meanwhile); until then both
 * are there. */
static void hand_over(struct run *r, struct policy *p)
{
	struct policy *old = r->policy;
	atomic_store_explicit(&r->taken, false, memory_order_relaxed);
	atomic_store_explicit(&r->coming, p, memory_order_release);
	while (!atomic_load_explicit(&r->taken, memory_order_acquire) && !r->over) {
		write_saves(r);
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
	atomic_store_explicit(&r->coming, NULL, memory_order_relaxed);
	bool in_force = r->taken && r->policy == p;
	struct policy *loser = in_force ? old : p;
	if (loser != r->s->policy)
		policy_free(loser);
}

static void reread(struct run *r)
{
	const struct service *s = r->s;
	struct diag d = { 0 };
	char state[64];
	*s->reload = false;
	filer_reopen(&r->filer); /* they were renamed perhaps */
	snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)(clock_ns(CLOCK_MONOTONIC) / 1000));
	telling_notify(r->telling, state);
	struct policy *p = s->reread(s->arg, &d);
	uint64_t now = clock_ns(CLOCK_REALTIME);
	if (p) {
		size_t rules = policy_rules(p);
		hand_over(r, p);
		telling_policies(r->telling, rules, left_out(&d), now, false);
		log_notice(s->log, "policies read anew: %zu rules", rules);
	} else {
		log_diag(s->log, &d);
		log_error(s->log, "the policies have %zu error%s: the ones before stay in force", d.errors,
			d.errors == 1 ? "" : "s");
		telling_policies(r->telling, policy_rules(r->policy), 0, now, true);
		r->reload_failed = true;
	}
	telling_notify(r->telling, "READY=1");
	diag_free(&d);
}

/* A device of a save that has changed is an asset document. */
static void tell_device(void *arg, const struct store_record *d)
{
	const struct run *r = arg;
	struct bytes id = document_id(d->document);
	struct outbox_record asset = { .class = OUTBOX_ASSET, .id = id, .document = d->document };
	if (d->is_news && id.n && !shipper_put(r->s->shipper, SHIPPER_TELLING, &asset))
		shipper_lose(r->s->shipper, SHIPPER_TELLING, &asset);
}

/* The thread waits for files or sockets and decides nothing. */
static bool confined_carrier(void *arg)
{
	return confined(arg, JAIL_SHIPPER);
}

/* What has come so far goes out, for as long as the end may take. */
static void drain(struct run *r)
{
	uint64_t waiting = r->s->shipper ? shipper_stop(r->s->shipper, r->s->drain_ns) : 0;
	if (waiting)
		log_notice(r->s->log, "%llu documents wait in the outbox: they go out when it runs again",
			(unsigned long long)waiting);
}

static void *tell(void *arg)
{
	struct run *r = arg;
	struct pollfd fds[STATUS_FDS];
	thread_name("ww-tell", 0);
	if (!confined(r, JAIL_SHIPPER))
		return NULL;
	while (!r->over) {
		size_t n = telling_fds(r->telling, fds);
		/* At the end the hub waits for its last save to be written. */
		(void)poll(fds, n, is_ending(r) ? 1 : TELL_MS);
		telling_serve(r->telling, clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME));
		write_saves(r);
		if (*r->s->reload && !is_ending(r))
			reread(r);
	}
	write_saves(r);
	telling_notify(r->telling, "STOPPING=1");
	return NULL;
}

static size_t interfaces(void *arg, struct vitals_interface *out, size_t cap)
{
	const struct run *r = arg;
	size_t n = r->s->n_interfaces < cap ? r->s->n_interfaces : cap;
	for (size_t i = 0; i < n; i++) {
		out[i] = (struct vitals_interface){ .name = live_name(r->s->live, i), .is_up = true };
		for (unsigned k = 0; k < r->s->n_workers; k++) {
			const struct link *link = &r->watchers[k].links[i];
			uint64_t last = link->last_ns;
			out[i].is_up = out[i].is_up && link->is_up;
			out[i].packets += link->packets;
			out[i].bytes += link->bytes;
			out[i].dropped += link->dropped;
			out[i].unheard += link->unheard;
			out[i].malformed += link->malformed;
			out[i].last_packet_ns = last > out[i].last_packet_ns ? last : out[i].last_packet_ns;
		}
	}
	return n;
}

/* ---- start and end --------------------------------------------------------------------------- */

static bool make_workers(struct run *r)
{
	const struct service *s = r->s;
	struct hash_key seed;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return false;
	for (unsigned i = 0; i < s->n_workers; i++) {
		struct watcher *w = &r->watchers[i];
		w->run = r;
		w->live = s->live;
		w->n_interfaces = s->n_interfaces;
		w->log = s->log;
		w->stop = s->stop;
		w->gone = &r->gone;
		w->failed = &r->failed;
		w->index = i;
		w->lane = &r->lanes[i];
		w->board = &r->boards[i];
		w->lane->ring = &w->worker.ring;
		struct worker_setup ws = { .limits = s->limits,
			.key = s->key,
			.seed = seed,
			.identify = s->identify,
			.on_full = watcher_on_full,
			.arg = w };
		if (!worker_init(&w->worker, &ws))
			return false;
	}
	return true;
}

static bool restore(struct run *r)
{
	struct diag d = { 0 };
	bool fine = state_restore(r->s->store, r->hub.inventory, r->hub.policy, &d) && make_state(r) &&
		    store_line_init(&r->line);
	log_diag(r->s->log, &d);
	diag_free(&d);
	r->line.on_device = r->s->shipper ? tell_device : NULL;
	r->line.arg = r;
	r->saved_ns = clock_ns(CLOCK_MONOTONIC);
	return fine;
}

static bool prepare(struct run *r)
{
	const struct service *s = r->s;
	char error[STATUS_ERROR] = "not enough memory for the limits that are configured";
	struct memory memory;
	struct hub_setup hs = { .limits = s->limits,
		.policy = r->policy,
		.fingerprints = policy_fingerprints(r->policy),
		.oui = s->oui,
		.outputs = s->outputs,
		.n_workers = s->n_workers,
		.n_interfaces = (uint32_t)s->n_interfaces,
		.input_name = input_name,
		.input_arg = s->live };
	memory_begin(&memory);
	r->watchers = map_new(s->n_workers * sizeof *r->watchers);
	r->lanes = map_new(s->n_workers * sizeof *r->lanes);
	r->boards = map_new((s->n_workers + 1) * sizeof *r->boards);
	bool fine = r->watchers && r->lanes && r->boards && make_workers(r);
	memory_workers(&memory, s->n_workers);
	fine = fine && hub_init(&r->hub, &hs) && (!s->store || restore(r));
	if (fine) {
		struct telling_setup ts = { .socket = s->socket,
			.metrics_file = s->metrics_file,
			.sensor_name = s->sensor_name,
			.limits = s->limits,
			.workers = r->boards,
			.hub = &r->boards[s->n_workers],
			.n_workers = s->n_workers,
			.interfaces = interfaces,
			.arg = r,
			.log = s->log,
			.shipper = s->shipper,
			.doc = s->doc,
			.wall_ns = clock_ns(CLOCK_REALTIME) };
		r->telling = telling_new(&ts, error);
	}
	if (!r->telling) {
		log_error(s->log, "%s", error);
		return false;
	}
	memory_hub(&memory);
	memory.capture_bytes = live_buffers_kib(s->live) << 10;
	telling_memory(r->telling, &memory);
	log_info(s->log, "%s", memory_text(&memory, (char[MEMORY_TEXT]){ 0 }));
	return true;
}

static bool start_threads(struct run *r)
{
	bool fine = true;
	for (unsigned i = 0; i < r->s->n_workers; i++) {
		struct watcher *w = &r->watchers[i];
		w->is_running = fine && pthread_create(&w->thread, NULL, watch, w) == 0;
		fine = fine && w->is_running;
		if (!w->is_running)
			lane_done(w->lane, LANE_OVER);
	}
	if (!fine)
		r->failed = true;
	return fine;
}

static void finish(struct run *r)
{
	const struct service *s = r->s;
	struct dx_proto_counters proto[PROTO_N] = { 0 };
	struct counters counters = { 0 };
	struct run_summary sum = { .counters = &counters,
		.proto = proto,
		.first_ns = first_ns(r),
		.last_ns = last_ns(r),
		.seconds = (double)(clock_ns(CLOCK_MONOTONIC) - r->begun_ns) / (double)SECOND };
	struct diag none = { 0 };
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	sum.peak_kib = (uint64_t)usage.ru_maxrss;
	sum.notes = &none;
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_add(&r->watchers[i].worker, &counters, proto);
	hub_finish(&r->hub);
	filer_stop(&r->filer);
	bool is_said = !outputs_ok(s->outputs);
	r->hub.counters.full_lines_kib = outputs_lost(s->outputs);
	counters_add(&counters, &r->hub.counters);
	if (!outputs_finish(s->outputs, r->hub.inventory, &sum)) {
		if (!is_said)
			log_error(s->log, "%s", outputs_error(s->outputs));
		r->failed = true;
	}
}

static uint64_t save_until(const struct run *r)
{
	uint64_t least = clock_ns(CLOCK_MONOTONIC) + LEAST_KEEP_NS, until = 0;
	for (unsigned i = 0; i < r->s->n_workers; i++)
		if (r->watchers[i].ended_ns + KEEP_NS > until)
			until = r->watchers[i].ended_ns + KEEP_NS;
	return until > least ? until : least;
}

/* What is under way may be a save of before the end, so there are two. */
static void save_the_rest(struct run *r)
{
	uint64_t now, until = save_until(r);
	unsigned saves = 0;
	while (saves < 2 && (now = clock_ns(CLOCK_MONOTONIC)) < until) {
		saves += save(r, now, LAST_LOOKS);
		nanosleep(&(struct timespec){ .tv_nsec = NAP_NS }, NULL);
	}
	if (saves == 2)
		return;
	bool cut = store_line_cut(&r->line, r->state, first_ns(r), r->hub.now_ns);
	log_error(r->s->log, "there was no time to keep all that is known in the state file: %s",
		cut ? "the rest is as it was a save before" : "it is as it was a save before");
	r->failed = true;
}

/* The signal that ends us has set an alarm. What comes now is bounded, and must not be cut off: not what is
 * known of thousands of devices while it is being written. */
static void more_time(const struct run *r, unsigned seconds)
{
	if (*r->s->stop)
		alarm(seconds);
}

static int run_prepared(struct run *r)
{
	const struct service *s = r->s;
	if (s->confine && !s->confine(s->arg))
		return 1;
	telling_policies(r->telling, policy_rules(r->policy), 0, clock_ns(CLOCK_REALTIME), false);
	r->filer.outputs = s->outputs;
	r->filer.log = s->log;
	r->filer.begin = confined_carrier;
	r->filer.arg = r;
	if (pthread_create(&r->teller, NULL, tell, r) != 0) {
		log_error(s->log, "threads cannot be started");
		return 1;
	}
	if (!start_threads(r) || !filer_start(&r->filer) ||
		(s->shipper && !shipper_start(s->shipper, confined_carrier, r))) {
		log_error(s->log, "threads cannot be started");
		r->failed = true;
	}
	(void)confined(r, JAIL_MAIN);
	decide(r);
	more_time(r, SAVED_S);
	for (unsigned i = 0; i < s->n_workers; i++)
		if (r->watchers[i].is_running)
			pthread_join(r->watchers[i].thread, NULL);
	if (r->state)
		save_the_rest(r);
	const char *problem = "";
	for (unsigned i = 0; i < s->n_workers && !*problem; i++)
		problem = live_problem(s->live, i);
	if (*problem)
		log_error(s->log, "%s", problem);
	r->over = true;
	pthread_join(r->teller, NULL);
	r->failed = r->failed || (r->state && r->line.lost);
	more_time(r, FINISHED_S);
	finish(r);
	drain(r);
	return r->failed ? 1 : r->gone ? GONE : 0;
}

int service_run(const struct service *s)
{
	struct run r = { .s = s, .policy = s->policy, .begun_ns = clock_ns(CLOCK_MONOTONIC) };
	int code = prepare(&r) ? run_prepared(&r) : 1;
	telling_free(r.telling);
	state_free(r.state);
	if (s->store)
		store_line_fini(&r.line);
	hub_fini(&r.hub);
	for (unsigned i = 0; r.watchers && i < s->n_workers; i++)
		worker_fini(&r.watchers[i].worker);
	if (r.policy != s->policy)
		policy_free(r.policy);
	map_free(r.watchers, s->n_workers * sizeof *r.watchers);
	map_free(r.lanes, s->n_workers * sizeof *r.lanes);
	map_free(r.boards, (s->n_workers + 1) * sizeof *r.boards);
	return code;
}
