/* The document of `status`: a moment's figures; rows of one kind are lists that run in parallel. */
#include "run/status.h"

#include "run/documents.h"
#include "run/shipper.h"

static void put_counters(struct json_doc *d, const struct counters *c)
{
	char key[DOC_KEY];
	for (size_t i = 0; i < counter_rows_n; i++) {
		uint64_t v = counter_get(c, &counter_rows[i]);
		bool is_full = counter_rows[i].is_full;
		if (!is_full || v)
			json_uint(d, doc_key(key, is_full ? "full." : "counters.", counter_rows[i].name), v);
	}
}

static void put_protocols(struct json_doc *d, const struct dx_proto_counters *c)
{
	json_list(d, "protocols.name");
	json_list(d, "protocols.events");
	json_list(d, "protocols.malformed");
	for (unsigned p = 0; c && p < PROTO_DISSECTED; p++) {
		if (c[p].events == 0 && c[p].malformed == 0)
			continue;
		json_text(d, "protocols.name", dissectors[p]->name);
		json_uint(d, "protocols.events", c[p].events);
		json_uint(d, "protocols.malformed", c[p].malformed);
	}
}

/* To the millisecond; a clock that was set back gives 0. */
static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns < to_ns ? (double)((to_ns - from_ns) / 1000000) / 1000 : 0;
}

/* Since the last packet; -1: there was none. */
static double idle(const struct vitals *v, uint64_t last_ns)
{
	return last_ns ? seconds_between(last_ns, v->now_ns) : -1;
}

static void put_interfaces(struct json_doc *d, const struct vitals *v)
{
	static const char *const keys[] = { "interfaces.name", "interfaces.up", "interfaces.packets",
		"interfaces.bytes", "interfaces.dropped", "interfaces.idle_seconds" };
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_list(d, keys[i]);
	for (size_t i = 0; i < v->n_interfaces; i++) {
		const struct vitals_interface *f = &v->interfaces[i];
		json_text(d, "interfaces.name", f->name);
		json_bool(d, "interfaces.up", f->is_up);
		json_uint(d, "interfaces.packets", f->packets);
		json_uint(d, "interfaces.bytes", f->bytes);
		json_uint(d, "interfaces.dropped", f->dropped);
		json_float(d, "interfaces.idle_seconds", idle(v, f->last_packet_ns));
	}
}

static void put_workers(struct json_doc *d, const struct vitals *v)
{
	json_list(d, "workers.packets");
	json_list(d, "workers.ring_used");
	json_list(d, "workers.ring_bytes");
	for (size_t i = 0; i < v->n_workers; i++) {
		json_uint(d, "workers.packets", v->workers[i].packets);
		json_uint(d, "workers.ring_used", v->workers[i].ring_used);
		json_uint(d, "workers.ring_bytes", v->workers[i].ring_bytes);
	}
}

static void put_tables(struct json_doc *d, const struct vitals *v)
{
	json_list(d, "tables.name");
	json_list(d, "tables.used");
	json_list(d, "tables.capacity");
	for (size_t i = 0; i < v->n_tables; i++) {
		json_text(d, "tables.name", v->tables[i].name);
		json_uint(d, "tables.used", v->tables[i].used);
		json_uint(d, "tables.capacity", v->tables[i].capacity);
	}
}

static void put_shipping(struct json_doc *d, const struct shipper_figures *f, uint64_t now_ns)
{
	static const char *const keys[] = { "outputs.name", "outputs.connected", "outputs.sent",
		"outputs.waiting", "outputs.errors", "outputs.problem" };
	uint64_t lost = 0;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned l = 0; l < LEVELS; l++)
			lost += f->outbox.lost[c][l];
	json_uint(d, "outbox.waiting", f->outbox.waiting);
	json_uint(d, "outbox.bytes", f->outbox.waiting_bytes);
	json_float(d, "outbox.oldest_seconds",
		f->outbox.oldest_ms ? seconds_between(f->outbox.oldest_ms * 1000000, now_ns) : 0);
	json_uint(d, "outbox.lost", lost);
	json_text(d, "outbox.problem", *f->problem ? f->problem : "-");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_list(d, keys[i]);
	for (size_t i = 0; i < f->n_outputs; i++) {
		const struct shipper_output *o = &f->outputs[i];
		json_text(d, "outputs.name", o->name);
		json_bool(d, "outputs.connected", o->figures.is_connected);
		json_uint(d, "outputs.sent", o->figures.sent);
		json_uint(d, "outputs.waiting", o->waiting);
		json_uint(d, "outputs.errors", o->figures.errors);
		json_text(d, "outputs.problem", *o->figures.problem ? o->figures.problem : "-");
	}
}

void status_json(const struct vitals *v, struct json_doc *d)
{
	char text[MEMORY_TEXT];
	json_text(d, "sensor", v->sensor_name);
	json_text(d, "version", WW_VERSION);
	json_time(d, "now", v->now_ns);
	json_time(d, "started", v->started_ns);
	json_float(d, "uptime_seconds", seconds_between(v->started_ns, v->now_ns));
	json_float(d, "idle_seconds", idle(v, v->last_packet_ns));
	json_uint(d, "devices", v->devices);
	json_uint(d, "memory.bytes", memory_bytes(&v->memory));
	json_text(d, "memory.text", memory_text(&v->memory, text));
	json_uint(d, "policies.rules", v->rules);
	json_uint(d, "policies.left_out", v->rules_left_out);
	json_time(d, "policies.read", v->policies_read_ns);
	json_bool(d, "policies.reload_failed", v->reload_failed);
	put_counters(d, v->counters);
	put_protocols(d, v->proto);
	put_interfaces(d, v);
	put_workers(d, v);
	put_tables(d, v);
	if (v->shipping)
		put_shipping(d, v->shipping, v->now_ns);
}
