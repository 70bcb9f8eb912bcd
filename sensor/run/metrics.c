#include "run/metrics.h"

#include "packet/event.h"
#include "run/shipper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct out {
	char *at;
	size_t left;
	bool full;
};

static void __attribute__((format(printf, 2, 3))) put(struct out *o, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(o->at, o->left, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= o->left) {
		o->full = true;
		return;
	}
	o->at += n;
	o->left -= (size_t)n;
}

/* The format escapes backslash and line feed, and in labels the quote too. */
static void put_text(struct out *o, const char *s, bool is_label)
{
	for (; *s; s++) {
		if (*s == '\n')
			put(o, "\\n");
		else if (*s == '\\' || (is_label && *s == '"'))
			put(o, "\\%c", *s);
		else
			put(o, "%c", *s);
	}
}

/* "# HELP" and "# TYPE" of a family; its samples follow. */
static void family(struct out *o, const char *name, const char *type, const char *help)
{
	put(o, "# HELP wardwatch_%s ", name);
	put_text(o, help, false);
	put(o, "\n# TYPE wardwatch_%s %s\n", name, type);
}

static void sample(struct out *o, const char *name, const char *label, const char *value, uint64_t v)
{
	put(o, "wardwatch_%s", name);
	if (label) {
		put(o, "{%s=\"", label);
		put_text(o, value, true);
		put(o, "\"}");
	}
	put(o, " %llu\n", (unsigned long long)v);
}

static void alone(struct out *o, const char *name, const char *type, const char *help, uint64_t v)
{
	family(o, name, type, help);
	sample(o, name, NULL, NULL, v);
}

/* Of times since 1970; to the millisecond, which is all that a double keeps of them. */
static void seconds(struct out *o, const char *name, const char *label, const char *value, uint64_t ns)
{
	put(o, "wardwatch_%s", name);
	if (label) {
		put(o, "{%s=\"", label);
		put_text(o, value, true);
		put(o, "\"}");
	}
	put(o, " %llu.%03llu\n", (unsigned long long)(ns / 1000000000),
		(unsigned long long)(ns / 1000000 % 1000));
}

static bool ends_in_bytes(const char *name)
{
	size_t n = strlen(name);
	return n >= 5 && strcmp(name + n - 5, "bytes") == 0;
}

/* "alerts" and what begins with it: of each level, and what came to none. */
static void put_alerts(struct out *o, const struct counters *c)
{
	const uint64_t of_level[LEVELS] = { c->alerts_informational, c->alerts_low, c->alerts_medium,
		c->alerts_high, c->alerts_critical };
	family(o, "alerts_total", "counter", "alerts");
	for (unsigned l = 0; l < LEVELS; l++)
		sample(o, "alerts_total", "level", level_name((enum level)l), of_level[l]);
	alone(o, "alerts_folded_total", "counter", "repeats counted in an earlier alert", c->alerts_folded);
	alone(o, "policy_suppressed_total", "counter", "alerts held back by entries of kind: suppressions",
		c->alerts_suppressed);
}

/* Why a conversation left the table, and why a packet was not read to its end. */
static void put_reasons(struct out *o, const struct counters *c)
{
	const struct {
		const char *layer, *reason;
		uint64_t n;
	} errors[] = { { "link", "unsupported", c->packets_other }, { "link", "cut", c->packets_cut },
		{ "link", "malformed", c->malformed_link }, { "network", "malformed", c->malformed_network },
		{ "network", "fragments_lost", c->fragments_lost },
		{ "network", "fragments_conflicting", c->fragments_conflicting },
		{ "tunnel", "malformed", c->malformed_tunnel },
		{ "transport", "malformed", c->malformed_transport },
		{ "transport", "checksum", c->bad_checksums } };
	family(o, "decode_errors_total", "counter", "what could not be decoded, by the layer at fault");
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		put(o, "wardwatch_decode_errors_total{layer=\"%s\",reason=\"%s\"} %llu\n", errors[i].layer,
			errors[i].reason, (unsigned long long)errors[i].n);
	family(o, "flow_evictions_total", "counter",
		"conversations that left the table: silent for long, closed, or to make room");
	sample(o, "flow_evictions_total", "reason", "idle", c->conversations_idle);
	sample(o, "flow_evictions_total", "reason", "closed", c->conversations_closed);
	sample(o, "flow_evictions_total", "reason", "full", c->full_flows);
}

/* Counters whose metric is called otherwise; NULL: it is part of a family of its own. */
static const char *metric_of(const struct counter_row *r)
{
	static const char *const others[][2] = { { "conversations", "flows_created" },
		{ "conversations_idle", NULL }, { "conversations_closed", NULL },
		{ "gap_bytes", "stream_gap_bytes" }, { "malformed_link", NULL },
		{ "malformed_network", NULL }, { "malformed_tunnel", NULL },
		{ "malformed_transport", NULL } };
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(others[i][0], r->name) == 0)
			return others[i][1];
	return strncmp(r->name, "alerts", 6) == 0 ? NULL : r->name;
}

static void put_counters(struct out *o, const struct counters *c)
{
	char name[96];
	for (size_t i = 0; i < counter_rows_n; i++) {
		const struct counter_row *r = &counter_rows[i];
		const char *is = r->is_full ? NULL : metric_of(r);
		if (!is)
			continue;
		bool add_unit = strcmp(r->unit, "bytes") == 0 && !ends_in_bytes(is);
		snprintf(name, sizeof name, "%s%s_total", is, add_unit ? "_bytes" : "");
		alone(o, name, "counter", r->sentence, counter_get(c, r));
	}
	family(o, "limit_reached_total", "counter", "how often a limit of the configuration was reached");
	for (size_t i = 0; i < counter_rows_n; i++)
		if (counter_rows[i].is_full)
			sample(o, "limit_reached_total", "limit", counter_rows[i].name,
				counter_get(c, &counter_rows[i]));
}

static void put_protocols(struct out *o, const struct dx_proto_counters *c)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} rows[] = {
		{ "dissector_messages_total", "messages that a protocol's dissector has read",
			offsetof(struct dx_proto_counters, messages) },
		{ "dissector_events_total", "events of a protocol's dissector",
			offsetof(struct dx_proto_counters, events) },
		{ "dissector_errors_total", "messages that a protocol's dissector called malformed",
			offsetof(struct dx_proto_counters, malformed) },
		{ "dissector_junk_bytes_total", "bytes in a protocol's conversations that were none of its",
			offsetof(struct dx_proto_counters, junk_bytes) },
	};
	for (size_t i = 0; c && i < sizeof rows / sizeof *rows; i++) {
		family(o, rows[i].name, "counter", rows[i].help);
		for (unsigned p = 0; p < PROTO_DISSECTED; p++) {
			uint64_t v;
			memcpy(&v, (const char *)&c[p] + rows[i].offset, sizeof v);
			sample(o, rows[i].name, "protocol", dissectors[p]->name, v);
		}
	}
}

/* Whether anything private can be in a protocol: the others would be rows of zeros. */
static bool may_hold_phi(unsigned proto, const struct dx_proto_counters *c)
{
	const struct field *f = dissectors[proto]->fields;
	bool may = false;
	for (; f && f->name; f++)
		may = may || privacy_is_phi(f->privacy);
	for (unsigned i = 0; i < PHI_CLASSES; i++)
		may = may || c->phi[0][i] || c->phi[1][i];
	return may;
}

static void put_phi(struct out *o, const struct dx_proto_counters *c)
{
	family(o, "phi_detections_total", "counter", "events with private data of a class");
	for (unsigned p = 0; c && p < PROTO_DISSECTED; p++) {
		if (!may_hold_phi(p, &c[p]))
			continue;
		for (unsigned i = 0; i < 2 * PHI_CLASSES; i++)
			put(o,
				"wardwatch_phi_detections_total{class=\"%s\",protocol=\"%s\",encrypted=\"%"
				"s\"} "
				"%llu\n",
				phi_name((enum privacy)(PHI_NONE + 1 + i % PHI_CLASSES)), dissectors[p]->name,
				i < PHI_CLASSES ? "false" : "true",
				(unsigned long long)c[p].phi[i / PHI_CLASSES][i % PHI_CLASSES]);
	}
}

static void put_changes(struct out *o, const uint64_t *changes)
{
	if (!changes)
		return;
	family(o, "device_changes_total", "counter",
		"values of an attribute that became known of a device, or took another's place");
	for (unsigned a = 0; a < ATTR_N; a++)
		sample(o, "device_changes_total", "attribute", attr_rows[a].name, changes[a]);
}

/* One family over an array of structs, a uint64_t of each. */
struct column {
	const char *name, *type, *help;
	size_t offset;
};

static uint64_t cell(const void *rows, size_t size, size_t i, size_t offset)
{
	uint64_t v;
	memcpy(&v, (const char *)rows + i * size + offset, sizeof v);
	return v;
}

static void put_drops(struct out *o, const struct vitals *v)
{
	static const struct column reasons[] = {
		{ .name = "kernel", .offset = offsetof(struct vitals_interface, dropped) },
		{ .name = "ring", .offset = offsetof(struct vitals_interface, unheard) },
		{ .name = "parse", .offset = offsetof(struct vitals_interface, malformed) },
	};
	family(o, "capture_drops_total", "counter",
		"packets that were not read (kernel), whose events found no room on the way to the judging "
		"side "
		"(ring: events_lost_total counts those), or whose headers contradict themselves (parse)");
	for (size_t i = 0; i < v->n_interfaces; i++)
		for (size_t k = 0; k < sizeof reasons / sizeof *reasons; k++) {
			put(o, "wardwatch_capture_drops_total{interface=\"");
			put_text(o, v->interfaces[i].name, true);
			put(o, "\",reason=\"%s\"} %llu\n", reasons[k].name,
				(unsigned long long)cell(
					v->interfaces, sizeof *v->interfaces, i, reasons[k].offset));
		}
}

static void put_interfaces(struct out *o, const struct vitals *v)
{
#define AT(member) offsetof(struct vitals_interface, member)
	static const struct column columns[] = {
		{ "capture_packets_total", "counter", "packets read from an interface", AT(packets) },
		{ "capture_bytes_total", "counter", "bytes of those packets on the wire", AT(bytes) },
	};
#undef AT
	if (v->n_interfaces == 0)
		return;
	for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
		family(o, columns[k].name, columns[k].type, columns[k].help);
		for (size_t i = 0; i < v->n_interfaces; i++)
			sample(o, columns[k].name, "interface", v->interfaces[i].name,
				cell(v->interfaces, sizeof *v->interfaces, i, columns[k].offset));
	}
	put_drops(o, v);
	family(o, "capture_up", "gauge", "1: the interface's link is up");
	for (size_t i = 0; i < v->n_interfaces; i++)
		sample(o, "capture_up", "interface", v->interfaces[i].name, v->interfaces[i].is_up);
	family(o, "capture_last_packet_timestamp_seconds", "gauge",
		"time of the last packet from an interface, 0 before the first");
	for (size_t i = 0; i < v->n_interfaces; i++)
		seconds(o, "capture_last_packet_timestamp_seconds", "interface", v->interfaces[i].name,
			v->interfaces[i].last_packet_ns);
}

static void put_workers(struct out *o, const struct vitals *v)
{
#define AT(member) offsetof(struct vitals_worker, member)
	static const struct column columns[] = {
		{ "worker_packets_total", "counter", "packets read by a worker", AT(packets) },
		{ "worker_ring_used_bytes", "gauge", "bytes that wait between a worker and the judging side",
			AT(ring_used) },
		{ "worker_ring_size_bytes", "gauge", "room between a worker and the judging side",
			AT(ring_bytes) },
	};
#undef AT
	char number[24];
	for (size_t k = 0; v->n_workers && k < sizeof columns / sizeof *columns; k++) {
		family(o, columns[k].name, columns[k].type, columns[k].help);
		for (size_t i = 0; i < v->n_workers; i++) {
			snprintf(number, sizeof number, "%zu", i + 1);
			sample(o, columns[k].name, "worker", number,
				cell(v->workers, sizeof *v->workers, i, columns[k].offset));
		}
	}
}

static void put_tables(struct out *o, const struct vitals *v)
{
	if (v->n_tables == 0)
		return;
	family(o, "table_entries", "gauge", "entries in a table");
	for (size_t i = 0; i < v->n_tables; i++)
		sample(o, "table_entries", "table", v->tables[i].name, v->tables[i].used);
	family(o, "table_capacity", "gauge", "entries that a table can hold");
	for (size_t i = 0; i < v->n_tables; i++)
		sample(o, "table_capacity", "table", v->tables[i].name, v->tables[i].capacity);
}

static void put_self(struct out *o, const struct vitals *v)
{
	family(o, "build_info", "gauge",
		"always 1; the version of the sensor, and the commit it was built from");
	put(o, "wardwatch_build_info{version=\"" WW_VERSION "\",commit=\"" WW_COMMIT "\"} 1\n");
	family(o, "start_timestamp_seconds", "gauge", "when the sensor was started");
	seconds(o, "start_timestamp_seconds", NULL, NULL, v->started_ns);
	family(o, "last_packet_timestamp_seconds", "gauge", "time of the last packet, 0 before the first");
	seconds(o, "last_packet_timestamp_seconds", NULL, NULL, v->last_packet_ns);
	alone(o, "flows_active", "gauge", "conversations in the table", v->flows);
	alone(o, "stream_reassembly_memory_bytes", "gauge",
		"memory in use for parts of messages and for segments that wait for one before them",
		v->stream_bytes);
	alone(o, "devices", "gauge", "devices in the inventory", v->devices);
	family(o, "memory_bytes", "gauge",
		"bytes that tables take at most, mapped at start, and the kernel's buffers of packets");
	sample(o, "memory_bytes", "arena", "workers", v->memory.worker_bytes);
	sample(o, "memory_bytes", "arena", "hub", v->memory.hub_bytes);
	sample(o, "memory_bytes", "arena", "capture", v->memory.capture_bytes);
	alone(o, "policy_rules", "gauge", "rules in force", v->rules);
	alone(o, "policy_skipped_rules", "gauge", "rules left out", v->rules_left_out);
	family(o, "policy_reload_timestamp_seconds", "gauge", "when the rules in force were loaded");
	seconds(o, "policy_reload_timestamp_seconds", NULL, NULL, v->policies_read_ns);
	alone(o, "policy_reload_success", "gauge", "0: the last reload failed", !v->reload_failed);
}

static void put_outbox(struct out *o, const struct shipper_figures *f, uint64_t now_ns)
{
	static const char *const classes[] = {
		[OUTBOX_ALERT] = "alert", [OUTBOX_ASSET] = "asset", [OUTBOX_HEALTH] = "health"
	};
	uint64_t now_ms = now_ns / 1000000, oldest = f->outbox.oldest_ms;
	alone(o, "spool_records", "gauge", "documents that wait for Redis or syslog", f->outbox.waiting);
	alone(o, "spool_bytes", "gauge", "bytes of those documents", f->outbox.waiting_bytes);
	family(o, "spool_oldest_seconds", "gauge", "how long the oldest of them waits");
	seconds(o, "spool_oldest_seconds", NULL, NULL,
		oldest && oldest < now_ms ? (now_ms - oldest) * 1000000 : 0);
	alone(o, "spool_commits_total", "counter", "groups of documents written to the store", f->commits);
	alone(o, "spool_ok", "gauge", "0: the store cannot be written", !*f->problem);
	family(o, "spool_lost_total", "counter", "documents that were lost before they were delivered");
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned l = 0; l < LEVELS; l++)
			put(o, "wardwatch_spool_lost_total{class=\"%s\",level=\"%s\"} %llu\n", classes[c],
				level_name((enum level)l), (unsigned long long)f->outbox.lost[c][l]);
}

static void put_outputs(struct out *o, const struct shipper_figures *f)
{
#define AT(member) offsetof(struct shipper_output, figures.member)
	static const struct column columns[] = {
		{ "output_sent_total", "counter", "documents that an output has acknowledged", AT(sent) },
		{ "output_retries_total", "counter", "documents that were sent again", AT(retries) },
		{ "output_errors_total", "counter", "errors that an output answered with", AT(errors) },
		{ "output_duplicates_total", "counter", "documents that were there already", AT(duplicates) },
		{ "output_reconnects_total", "counter", "connections that were made anew", AT(reconnects) },
	};
#undef AT
	for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
		family(o, columns[k].name, columns[k].type, columns[k].help);
		for (size_t i = 0; i < f->n_outputs; i++)
			sample(o, columns[k].name, "output", f->outputs[i].name,
				cell(f->outputs, sizeof *f->outputs, i, columns[k].offset));
	}
	family(o, "output_connected", "gauge", "1: the output is connected");
	for (size_t i = 0; i < f->n_outputs; i++)
		sample(o, "output_connected", "output", f->outputs[i].name,
			f->outputs[i].figures.is_connected);
	family(o, "output_waiting", "gauge", "documents that an output has not acknowledged");
	for (size_t i = 0; i < f->n_outputs; i++)
		sample(o, "output_waiting", "output", f->outputs[i].name, f->outputs[i].waiting);
	family(o, "output_latency_seconds", "gauge", "how long the last acknowledgement took");
	for (size_t i = 0; i < f->n_outputs; i++)
		seconds(o, "output_latency_seconds", "output", f->outputs[i].name,
			f->outputs[i].figures.latency_ns);
	family(o, "output_stream_lag", "gauge",
		"entries that the slowest group of readers has not read; where known");
	for (size_t i = 0; i < f->n_outputs; i++)
		if (f->outputs[i].figures.lag >= 0)
			sample(o, "output_stream_lag", "output", f->outputs[i].name,
				(uint64_t)f->outputs[i].figures.lag);
}

size_t metrics_text(const struct vitals *v, char *out, size_t cap)
{
	struct out o = { .at = out, .left = cap };
	put_self(&o, v);
	put_interfaces(&o, v);
	put_workers(&o, v);
	put_tables(&o, v);
	put_alerts(&o, v->counters);
	put_reasons(&o, v->counters);
	put_counters(&o, v->counters);
	put_protocols(&o, v->proto);
	put_phi(&o, v->proto);
	put_changes(&o, v->attr_changes);
	if (v->shipping) {
		put_outbox(&o, v->shipping, v->now_ns);
		put_outputs(&o, v->shipping);
	}
	return o.full ? 0 : (size_t)(o.at - out);
}

static bool write_all(int fd, struct bytes text)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno != EINTR)
			return false;
		text = bytes_from(text, n > 0 ? (size_t)n : 0);
	}
	return true;
}

bool metrics_file(const char *path, struct bytes text)
{
	char temp[4096];
	int n = snprintf(temp, sizeof temp, "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof temp) {
		errno = ENAMETOOLONG;
		return false;
	}
	/* Ours from an earlier life may be left; someone else's link is not followed. */
	(void)unlink(temp);
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	bool ok = write_all(fd, text) && fchmod(fd, 0644) == 0;
	ok = close(fd) == 0 && ok;
	ok = ok && rename(temp, path) == 0;
	if (!ok) {
		int why = errno;
		(void)unlink(temp);
		errno = why;
	}
	return ok;
}
