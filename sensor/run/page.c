/* The page: what a capture holds and what is wrong, for a person with half a minute. */
#include "decide/policy.h"
#include "packet/dissect.h"
#include "run/page.h"
#include "run/sink.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { DEVICE_ROWS = 30, FINDING_ROWS = 10, NOTE_ROWS = 5 };

struct page {
	struct sink sink;
	struct term term;
	struct mask *mask;
	struct findings *findings;
};

/* ---- head -------------------------------------------------------------------------------- */

static void head_inputs(struct page *p, const struct run_summary *sum, struct text *t)
{
	char name[256];
	(void)p;
	if (sum->n_inputs)
		term_escape(bytes_str(sum->inputs[0]), name, sizeof name);
	if (sum->n_inputs == 1)
		text_add(t, "%s", name);
	else if (sum->n_inputs > 1)
		text_add(t, "%s and %zu more", name, sum->n_inputs - 1);
}

/* "2026-03-01 08:00:02 to 08:59:41 (59 min)" */
static void head_times(const struct run_summary *sum, struct text *t)
{
	char first[TIME_TEXT], last[TIME_TEXT], took[TERM_NUMBER];
	if (!sum->last_ns)
		return;
	time_text(sum->first_ns, first);
	time_text(sum->last_ns, last);
	bool same_day = memcmp(first, last, 10) == 0;
	text_add(t, "   %.10s %.8s to ", first, first + 11);
	if (!same_day)
		text_add(t, "%.10s ", last);
	text_add(t, "%.8s (%s)", last + 11, term_duration(sum->last_ns - sum->first_ns, took));
}

static void add_count(struct text *t, const char **joint, uint64_t n, const char *one, const char *many)
{
	char s[TERM_NUMBER];
	if (n == 0)
		return;
	text_add(t, "%s%s %s", *joint, term_number(n, s), n == 1 ? one : many);
	*joint = "; ";
}

/* What was left out or lost: how far the page can be trusted. */
static void head_losses(const struct run_summary *sum, struct text *t)
{
	const struct counters *c = sum->counters;
	const char *joint = "";
	char bytes[TERM_NUMBER];
	add_count(t, &joint, c->duplicates, "mirror duplicate left out", "mirror duplicates left out");
	add_count(t, &joint, c->packets_cut, "packet cut short", "packets cut short");
	if (c->gaps) {
		add_count(t, &joint, c->gaps, "gap", "gaps");
		text_add(t, " (%s) in TCP streams", term_bytes(c->gap_bytes, bytes));
	}
	add_count(t, &joint, c->packets_malformed, "malformed packet", "malformed packets");
	for (unsigned i = 0; sum->proto && i < PROTO_DISSECTED; i++) {
		char words[64];
		snprintf(words, sizeof words, "malformed %s message", dissectors[i]->name);
		char many[72];
		snprintf(many, sizeof many, "%ss", words);
		add_count(t, &joint, sum->proto[i].malformed, words, many);
	}
	add_count(t, &joint, c->events_lost, "event lost", "events lost");
	for (size_t i = 0; i < counter_rows_n; i++) {
		if (!counter_rows[i].is_full || counter_get(c, &counter_rows[i]) == 0)
			continue;
		char n[TERM_NUMBER];
		text_add(t, "%slimit %s reached %s times", joint, counter_rows[i].name,
			term_number(counter_get(c, &counter_rows[i]), n));
		joint = "; ";
	}
}

static void print_indented(struct page *p, const struct text *t)
{
	if (t->n == 0)
		return;
	fprintf(p->term.out, "  ");
	term_wrap(&p->term, t->s, 2, 2);
}

static void print_head(struct page *p, const struct run_summary *sum)
{
	const struct counters *c = sum->counters;
	char packets[TERM_NUMBER], bytes[TERM_NUMBER], conversations[TERM_NUMBER];
	struct text t = { .n = 0 };
	head_inputs(p, sum, &t);
	head_times(sum, &t);
	term_style(&p->term, STYLE_BOLD);
	fputs(t.s, p->term.out);
	term_style(&p->term, STYLE_PLAIN);
	unsigned at = term_columns(bytes_of(t.s, t.n));
	t.n = 0;
	text_add(&t, "%s packet%s, %s, %s conversation%s", term_number(c->packets, packets),
		c->packets == 1 ? "" : "s", term_bytes(c->bytes, bytes),
		term_number(c->conversations, conversations), c->conversations == 1 ? "" : "s");
	bool fits = at + 3 + t.n <= p->term.width;
	fprintf(p->term.out, "%s%s\n", fits ? "   " : "\n  ", t.s);
	t.n = 0;
	t.s[0] = 0;
	head_losses(sum, &t);
	print_indented(p, &t);
	for (size_t i = 0; i < sum->notes->n && i < NOTE_ROWS; i++) {
		const struct diag_message *m = &sum->notes->messages[i];
		t.n = 0;
		text_open(&t, bytes_str(m->file));
		text_add(&t, ": ");
		text_open(&t, bytes_str(m->text));
		print_indented(p, &t);
	}
	if (sum->notes->n > NOTE_ROWS)
		fprintf(p->term.out, "  and %zu more notes: see summary.json with -o DIR\n",
			sum->notes->n - NOTE_ROWS);
	if (mask_lost(p->mask))
		fputs("  More patients' words than could be remembered: names of devices are masked.\n",
			p->term.out);
	fputc('\n', p->term.out);
}

/* ---- all --------------------------------------------------------------------------------- */

static bool on_alert(struct sink *s, const struct alert *a)
{
	findings_add(((struct page *)s)->findings, a);
	return true;
}

static bool finish(struct sink *s, const struct inventory *inv, const struct run_summary *sum)
{
	struct page *p = (struct page *)s;
	print_head(p, sum);
	if (!page_devices(&p->term, p->mask, inv, DEVICE_ROWS))
		return false;
	fputc('\n', p->term.out);
	page_findings(&p->term, p->mask, p->findings, FINDING_ROWS);
	return fflush(p->term.out) == 0 && !ferror(p->term.out);
}

static void close_page(struct sink *s)
{
	struct page *p = (struct page *)s;
	findings_free(p->findings);
	free(p);
}

struct sink *sink_page_new(const struct sink_config *c)
{
	struct page *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->sink = (struct sink){
		.name = "standard output", .alert = on_alert, .finish = finish, .close = close_page
	};
	p->mask = c->mask;
	p->findings = findings_new();
	term_init(&p->term, stdout);
	if (p->findings)
		return &p->sink;
	free(p);
	return NULL;
}
