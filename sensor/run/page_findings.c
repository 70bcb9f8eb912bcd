#include "run/page.h"

#include "decide/policy.h"
#include "run/documents.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { FINDINGS = 4096, LABEL = 64, INDENT = 10 };

struct side {
	uint8_t label[LABEL]; /* suspect */
	uint8_t n;
};

/* The worst alert of one rule. */
struct finding {
	const struct rule *rule;
	char id[ALERT_ID];
	char protocol[32];
	enum level level;
	unsigned score;
	uint64_t count, patients, first_packet;
	bool patients_at_least;
	uint32_t phi;
	struct conv conv;
	struct side source, destination;
	uint64_t alerts; /* of the rule, closing ones not counted */
};

struct findings {
	struct finding *rows;
	size_t n;
	uint64_t alerts;
};

struct findings *findings_new(void)
{
	struct findings *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->rows = mmap(NULL, FINDINGS * sizeof *f->rows, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (f->rows != MAP_FAILED)
		return f;
	free(f);
	return NULL;
}

void findings_free(struct findings *f)
{
	if (f)
		munmap(f->rows, FINDINGS * sizeof *f->rows);
	free(f);
}

static void set_side(struct side *s, const struct device *dev)
{
	struct bytes label = dev ? bytes_first(device_label(dev), LABEL) : (struct bytes){ 0 };
	s->n = (uint8_t)label.n;
	if (label.n)
		memcpy(s->label, label.p, label.n);
}

static void set(struct finding *f, const struct alert *a)
{
	struct bytes protocol = bytes_first(event_protocol(a->event), sizeof f->protocol - 1);
	memcpy(f->id, a->id, sizeof f->id);
	memset(f->protocol, 0, sizeof f->protocol);
	for (size_t i = 0; i < protocol.n; i++)
		f->protocol[i] = (char)ascii_upper(protocol.p[i]);
	f->rule = a->rule;
	f->level = a->level;
	f->score = a->score;
	f->count = a->count;
	f->patients = a->patients;
	f->patients_at_least = a->patients_at_least;
	f->first_packet = a->first_packet;
	f->phi = a->phi;
	f->conv = a->event->conv;
	set_side(&f->source, a->source);
	set_side(&f->destination, a->destination);
}

static int more(uint64_t a, uint64_t b)
{
	return a > b ? -1 : a < b;
}

/* What matters to patients first: the level, the score (which holds how much they depend on the device), how
 * many of them, how often. */
static int worse(const void *x, const void *y)
{
	const struct finding *a = x, *b = y;
	int c = more(a->level, b->level);
	c = c ? c : more(a->score, b->score);
	c = c ? c : more(a->patients, b->patients);
	c = c ? c : more(a->count, b->count);
	return c ? c : -more(a->first_packet, b->first_packet);
}

void findings_add(struct findings *f, const struct alert *a)
{
	struct finding now = { .alerts = 0 };
	size_t i = 0;
	f->alerts += !a->closing;
	while (i < f->n && f->rows[i].rule != a->rule)
		i++;
	if (i == FINDINGS)
		return;
	set(&now, a);
	struct finding *row = &f->rows[i];
	now.alerts = row->alerts + !a->closing;
	if (i == f->n) {
		f->n++;
		*row = now;
	} else if (strcmp(row->id, now.id) == 0 || worse(&now, row) < 0) {
		*row = now;
	} else {
		row->alerts = now.alerts;
	}
}

/* ---- printing ---------------------------------------------------------------------------- */

static void add_side(struct text *t, struct mask *m, const struct side *s, const struct addr *ip,
	const struct mac *mac, uint16_t port)
{
	char address[ADDR_TEXT];
	if (ip->family)
		addr_text(ip, address);
	else
		mac_text(mac, address);
	struct bytes label = bytes_of(s->label, s->n);
	bool named = s->n > 0 && !bytes_is(label, address);
	if (named) {
		text_suspect(t, m, label);
		text_add(t, " (");
	}
	bool brackets = port && ip->family == 6;
	text_add(t, brackets ? "[%s]" : "%s", address);
	if (port)
		text_add(t, ":%u", port);
	if (named)
		text_add(t, ")");
}

static void add_phi(struct text *t, uint32_t phi)
{
	const char *joint = "; ";
	for (unsigned p = PHI_NONE + 1; p < PHI_END; p++)
		if (phi & PHI_BIT(p)) {
			text_add(t, "%s%s", joint, phi_words((enum privacy)p));
			joint = ", ";
		}
}

static void add_counts(struct text *t, const struct finding *f)
{
	char a[TERM_NUMBER], b[TERM_NUMBER];
	if (f->patients)
		text_add(t, "; %s%s patient%s in %s message%s", f->patients_at_least ? "at least " : "",
			term_number(f->patients, a), f->patients == 1 ? "" : "s", term_number(f->count, b),
			f->count == 1 ? "" : "s");
	else if (f->count > 1)
		text_add(t, "; %s times", term_number(f->count, a));
	if (f->alerts > 1)
		text_add(t, "; and %s more such", term_number(f->alerts - 1, a));
	text_add(t, ".");
}

/* "Patient data in clear: HL7, his01 (10.20.30.11) to lis01 (10.20.30.12:2575); names; 42 patients ..." */
static void add_what(struct text *t, struct mask *m, const struct finding *f)
{
	struct bytes title = bytes_str(rule_text(f->rule)->title);
	while (title.n && title.p[title.n - 1] == '.')
		title.n--;
	text_open(t, title);
	text_add(t, ": ");
	if (*f->protocol) {
		text_open(t, bytes_str(f->protocol));
		text_add(t, ", ");
	}
	add_side(t, m, &f->source, &f->conv.src, &f->conv.smac, 0);
	if (f->conv.dst.family) {
		text_add(t, " to ");
		add_side(t, m, &f->destination, &f->conv.dst, &f->conv.dmac, f->conv.dport);
	}
	add_phi(t, f->phi);
	add_counts(t, f);
}

static void add_remedy(struct text *t, const struct finding *f)
{
	const struct rule_text *r = rule_text(f->rule);
	char packet[TERM_NUMBER];
	text_add(t, "First seen in packet %s. Policy ", term_number(f->first_packet, packet));
	text_open(t, bytes_str(*r->name ? r->name : r->id));
	text_add(t, ".");
	for (size_t i = 0; i < r->n_responses; i++) {
		struct bytes said = bytes_str(r->responses[i]);
		text_add(t, i ? " " : " Remedy: ");
		text_open(t, said);
		if (bytes_at(said, said.n - 1) != '.')
			text_add(t, ".");
	}
}

static void print_finding(const struct term *t, struct mask *m, const struct finding *f)
{
	static const struct {
		const char *word;
		enum term_style style;
	} levels[] = { [LEVEL_INFORMATIONAL] = { "INFO", STYLE_DIM },
		[LEVEL_LOW] = { "LOW", STYLE_CYAN },
		[LEVEL_MEDIUM] = { "MEDIUM", STYLE_YELLOW },
		[LEVEL_HIGH] = { "HIGH", STYLE_RED },
		[LEVEL_CRITICAL] = { "CRITICAL", STYLE_RED } };
	struct text what = { .n = 0 }, then = { .n = 0 };
	add_what(&what, m, f);
	add_remedy(&then, f);
	fputs("  ", t->out);
	term_style(t, levels[f->level].style);
	fprintf(t->out, "%-8s", levels[f->level].word);
	term_style(t, STYLE_PLAIN);
	fputc(' ', t->out);
	term_wrap(t, what.s, INDENT + 1, INDENT + 1);
	fprintf(t->out, "%*s", INDENT + 1, "");
	term_wrap(t, then.s, INDENT + 1, INDENT + 1);
}

void page_findings(const struct term *t, struct mask *m, struct findings *f, unsigned rows)
{
	char n[TERM_NUMBER], alerts[TERM_NUMBER];
	qsort(f->rows, f->n, sizeof *f->rows, worse);
	term_style(t, STYLE_BOLD);
	fprintf(t->out, "FINDINGS  %s", term_number(f->n, n));
	term_style(t, STYLE_PLAIN);
	if (f->alerts > f->n)
		fprintf(t->out, " in %s alerts", term_number(f->alerts, alerts));
	fputc('\n', t->out);
	for (size_t i = 0; i < f->n && i < rows; i++)
		print_finding(t, m, &f->rows[i]);
	if (f->n > rows)
		fprintf(t->out, "  and %s more: see -o DIR\n", term_number(f->n - rows, n));
}
