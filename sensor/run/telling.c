#include "run/telling.h"

#include "base/assert.h"
#include "base/map.h"
#include "run/metrics.h"
#include "run/notify.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)

struct source {
	struct figures figures; /* as last read */
	uint64_t turn;          /* of them */
	bool has_moved;         /* since the watchdog was fed */
};

struct telling {
	struct telling_setup setup;
	struct memory memory;
	struct status *status; /* NULL: none */
	int notify;
	uint64_t watchdog_ns, fed_ns, file_ns, wall_ns, started_ns;
	uint64_t rules, rules_left_out, policies_read_ns;
	bool reload_failed, is_ready;
	struct source workers[TELLING_WORKERS], hub;
	/* what the vitals of the call in hand point to */
	struct counters counters;
	struct dx_proto_counters proto[PROTO_N];
	uint64_t stream_kib;
	struct vitals_interface interfaces[TELLING_INTERFACES];
	struct vitals_worker worker_rows[TELLING_WORKERS];
	struct vitals_table tables[FIGURE_TABLES];
	struct shipper_figures shipping;
	struct json_doc *doc; /* NULL: no shipper */
	uint64_t health_ns, healths;
	char text[METRICS_MAX];
};

/* ---- figures -------------------------------------------------------------------------------------- */

static void look(struct source *s, const struct board *b)
{
	uint64_t turn = board_read(b, &s->figures);
	s->has_moved = s->has_moved || (turn && turn != s->turn);
	s->turn = turn ? turn : s->turn;
}

static void add(struct telling *t, const struct figures *f)
{
	counters_add(&t->counters, &f->counters);
	for (size_t p = 0; p < PROTO_N; p++)
		dx_proto_add(&t->proto[p], &f->proto[p]);
	for (size_t i = 0; i < FIGURE_TABLES; i++)
		t->tables[i].used += f->used[i];
	t->stream_kib += f->stream_kib;
}

static void fill(void *arg, struct vitals *v)
{
	struct telling *t = arg;
	const struct telling_setup *s = &t->setup;
	t->counters = (struct counters){ 0 };
	memset(t->proto, 0, sizeof t->proto);
	t->stream_kib = 0;
	for (unsigned i = 0; i < FIGURE_TABLES; i++)
		t->tables[i] = (struct vitals_table){ .name = figure_table_name(i),
			.capacity =
				figure_table_limit(i, s->limits) * (i == TABLE_DEVICES ? 1 : s->n_workers) };
	look(&t->hub, s->hub);
	add(t, &t->hub.figures);
	for (size_t i = 0; i < s->n_workers; i++) {
		const struct figures *f = &t->workers[i].figures;
		look(&t->workers[i], &s->workers[i]);
		add(t, f);
		t->worker_rows[i] = (struct vitals_worker){ f->packets, f->ring_used, f->ring_bytes };
	}
	*v = (struct vitals){ .sensor_name = s->sensor_name,
		.now_ns = t->wall_ns,
		.started_ns = t->started_ns,
		.counters = &t->counters,
		.proto = t->proto,
		.interfaces = t->interfaces,
		.n_interfaces = s->interfaces ? s->interfaces(s->arg, t->interfaces, TELLING_INTERFACES) : 0,
		.workers = t->worker_rows,
		.n_workers = s->n_workers,
		.tables = t->tables,
		.n_tables = FIGURE_TABLES,
		.flows = t->tables[TABLE_FLOWS].used,
		.stream_bytes = t->stream_kib << 10,
		.devices = t->hub.figures.used[TABLE_DEVICES],
		.attr_changes = t->hub.figures.attr_changes,
		.memory = t->memory,
		.rules = t->rules,
		.rules_left_out = t->rules_left_out,
		.policies_read_ns = t->policies_read_ns,
		.reload_failed = t->reload_failed };
	if (s->shipper) {
		shipper_figures(s->shipper, &t->shipping);
		v->shipping = &t->shipping;
	}
	for (size_t i = 0; i < v->n_interfaces; i++)
		if (v->interfaces[i].last_packet_ns > v->last_packet_ns)
			v->last_packet_ns = v->interfaces[i].last_packet_ns;
}

/* ---- the rest -------------------------------------------------------------------------------------- */

struct telling *telling_new(const struct telling_setup *s, char error[STATUS_ERROR])
{
	ASSERT(s->n_workers <= TELLING_WORKERS);
	struct telling *t = map_new(sizeof *t);
	if (!t) {
		snprintf(error, STATUS_ERROR, "not enough memory for status and metrics");
		return NULL;
	}
	t->setup = *s;
	t->started_ns = t->wall_ns = s->wall_ns;
	t->notify = notify_open();
	t->watchdog_ns = notify_watchdog_ns();
	if (s->shipper && !(t->doc = json_new())) {
		snprintf(error, STATUS_ERROR, "not enough memory for status and metrics");
		telling_free(t);
		return NULL;
	}
	if (!*s->socket || (t->status = status_open(s->socket, &(struct status_source){ fill, t }, error)))
		return t;
	telling_free(t);
	return NULL;
}

static void write_file(struct telling *t)
{
	struct vitals v;
	if (!*t->setup.metrics_file)
		return;
	fill(t, &v);
	size_t n = metrics_text(&v, t->text, sizeof t->text);
	if (n == 0 || !metrics_file(t->setup.metrics_file, bytes_of(t->text, n)))
		log_warning(t->setup.log, "metrics cannot be written to %s: %s", t->setup.metrics_file,
			strerror(n ? errno : EMSGSIZE));
}

/* systemd wants it within watchdog_ns, and sensibly at half of that (sd_watchdog_enabled(3)). A thread that
 * hangs is as bad as a process that does: it is restarted for it. */
static void feed(struct telling *t, uint64_t now_ns)
{
	bool all = true;
	if (t->watchdog_ns == 0 || now_ns - t->fed_ns < t->watchdog_ns / 3)
		return;
	look(&t->hub, t->setup.hub);
	all = t->hub.has_moved;
	for (size_t i = 0; i < t->setup.n_workers; i++) {
		look(&t->workers[i], &t->setup.workers[i]);
		all = all && t->workers[i].has_moved;
	}
	if (!all)
		return;
	t->hub.has_moved = false;
	for (size_t i = 0; i < t->setup.n_workers; i++)
		t->workers[i].has_moved = false;
	t->fed_ns = now_ns;
	notify_send(t->notify, "WATCHDOG=1");
}

/* systemd starts what comes after us once packets are read and judged: every thread has posted. The hub does
 * after it has started the shipper. */
static void say_ready(struct telling *t)
{
	look(&t->hub, t->setup.hub);
	bool all = t->hub.turn;
	for (size_t i = 0; i < t->setup.n_workers; i++) {
		look(&t->workers[i], &t->setup.workers[i]);
		all = all && t->workers[i].turn;
	}
	if (!all)
		return;
	t->is_ready = true;
	notify_send(t->notify, "READY=1");
}

/* So that a SIEM sees that the sensor lives and what it sees; silence is then news. */
static void send_health(struct telling *t)
{
	struct vitals v;
	char id[HEALTH_ID];
	fill(t, &v);
	struct health_note n = { .action = "sensor_alive",
		.sentence = "The sensor is at work",
		.level = LEVEL_INFORMATIONAL,
		.vitals = &v };
	health_json(t->doc, &t->setup.doc, &n, t->wall_ns, t->healths++, id);
	struct outbox_record r = {
		.class = OUTBOX_HEALTH, .level = n.level, .id = bytes_str(id), .document = json_nested(t->doc)
	};
	if (!shipper_put(t->setup.shipper, SHIPPER_TELLING, &r))
		shipper_lose(t->setup.shipper, SHIPPER_TELLING, &r);
}

void telling_serve(struct telling *t, uint64_t now_ns, uint64_t wall_ns)
{
	t->wall_ns = wall_ns;
	if (t->status)
		status_serve(t->status, now_ns);
	if (t->file_ns == 0 || now_ns - t->file_ns >= TELLING_FILE_S * SECOND) {
		t->file_ns = now_ns;
		write_file(t);
	}
	if (t->doc && (t->health_ns == 0 || now_ns - t->health_ns >= TELLING_HEALTH_S * SECOND)) {
		t->health_ns = now_ns;
		send_health(t);
	}
	if (!t->is_ready)
		say_ready(t);
	feed(t, now_ns);
	log_tick(t->setup.log, false);
}

size_t telling_fds(const struct telling *t, struct pollfd fds[STATUS_FDS])
{
	return t->status ? status_fds(t->status, fds) : 0;
}

void telling_memory(struct telling *t, const struct memory *m)
{
	t->memory = *m;
}

void telling_policies(struct telling *t, uint64_t rules, uint64_t left_out, uint64_t read_ns, bool failed)
{
	t->rules = rules;
	t->rules_left_out = left_out;
	t->policies_read_ns = read_ns;
	t->reload_failed = failed;
}

void telling_notify(struct telling *t, const char *state)
{
	notify_send(t->notify, state);
}

void telling_free(struct telling *t)
{
	if (!t)
		return;
	if (t->file_ns)
		write_file(t);
	status_close(t->status);
	if (t->doc)
		json_free(t->doc);
	if (t->notify >= 0)
		close(t->notify);
	log_tick(t->setup.log, true);
	map_free(t, sizeof *t);
}
