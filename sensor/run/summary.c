/* summary.json: what was counted, and the only output that holds the time and memory of the run itself. */
#include "packet/dissect.h"
#include "run/outfile.h"
#include "run/sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct summary {
	struct sink sink;
	struct outfile file;
	struct json_doc *doc;
	struct mask *mask;
};

static void protocols_json(struct json_doc *d, const struct run_summary *sum)
{
	char key[DOC_KEY];
	for (unsigned p = 0; sum->proto && p < PROTO_DISSECTED; p++) {
		const struct dx_proto_counters *c = &sum->proto[p];
		const struct {
			const char *name;
			uint64_t count;
		} rows[] = { { "events", c->events }, { "malformed", c->malformed },
			{ "junk_bytes", c->junk_bytes } };
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			snprintf(key, sizeof key, "protocols.%s.%s", dissectors[p]->name, rows[i].name);
			json_uint(d, key, rows[i].count);
		}
	}
}

static void summary_json(struct json_doc *d, const struct inventory *inv, const struct run_summary *sum)
{
	char key[DOC_KEY];
	for (size_t i = 0; i < counter_rows_n; i++) {
		uint64_t v = counter_get(sum->counters, &counter_rows[i]);
		const char *name = counter_rows[i].name;
		if (counter_rows[i].is_full)
			name = doc_key(key, "full.", name);
		if (!counter_rows[i].is_full || v)
			json_uint(d, name, v);
	}
	protocols_json(d, sum);
	json_uint(d, "devices", inv ? inventory_count(inv) : 0);
	json_list(d, "inputs");
	for (size_t i = 0; i < sum->n_inputs; i++)
		json_text(d, "inputs", sum->inputs[i]);
	json_list(d, "notes");
	for (size_t i = 0; i < sum->notes->n; i++) {
		const struct diag_message *m = &sum->notes->messages[i];
		char note[1024];
		snprintf(note, sizeof note, "%s: %s", m->file ? m->file : "-", m->text ? m->text : "");
		json_text(d, "notes", note);
	}
	if (sum->last_ns) {
		json_time(d, "first", sum->first_ns);
		json_time(d, "last", sum->last_ns);
	}
	json_float(d, "seconds", (double)(uint64_t)(sum->seconds * 1000) / 1000);
	json_uint(d, "peak_kib", sum->peak_kib);
	json_text(d, "version", WW_VERSION);
}

static bool finish(struct sink *sink, const struct inventory *inv, const struct run_summary *sum)
{
	struct summary *s = (struct summary *)sink;
	json_reset(s->doc);
	summary_json(s->doc, inv, sum);
	return outfile_put(&s->file, json_nested(s->doc), s->mask) && outfile_finish(&s->file, s->mask);
}

static bool commit(struct sink *s)
{
	return outfile_commit(&((struct summary *)s)->file);
}

static void close_summary(struct sink *sink)
{
	struct summary *s = (struct summary *)sink;
	outfile_close(&s->file);
	json_free(s->doc);
	free(s);
}

struct sink *sink_summary_new(const struct sink_config *c)
{
	struct summary *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->mask = c->mask;
	s->doc = json_new();
	if (s->doc && outfile_open(&s->file, c->dir, "summary.json")) {
		s->sink = (struct sink){
			.name = s->file.path, .finish = finish, .commit = commit, .close = close_summary
		};
		return &s->sink;
	}
	int why = s->doc ? errno : ENOMEM;
	close_summary(&s->sink);
	errno = why;
	return NULL;
}
