#include "run/page.h"

#include "base/hash.h"
#include "base/map.h"
#include "decide/policy.h"
#include "run/documents.h"

#include <stdio.h>
#include <stdlib.h>

enum { GROUPS = 16384, SLOTS = 2 * GROUPS, LABEL = 64, INDENT = 11 };

struct side {
	uint8_t label[LABEL]; /* suspect */
	uint8_t n;
};

/* One group of alerts (policy-language.md section 18): its first alert, brought up to date by its closing
 * one, which has no facts any more. The two have the first packet in common. */
struct finding {
	const struct rule *rule;
	char protocol[32];
	enum level level;
	unsigned score;
	uint64_t count, patients, first_packet;
	bool patients_at_least;
	uint32_t phi;
	char counted[128]; /* by a correlation */
	struct conv conv;
	struct side source, destination;
	uint64_t more; /* when printing: further groups of the rule */
};

struct findings {
	struct finding *rows;
	uint32_t *slots; /* row + 1 by rule and first packet, 0: empty */
	size_t n;
};

struct findings *findings_new(void)
{
	struct findings *f = calloc(1, sizeof *f);
	if (!f)
		return NULL;
	f->rows = map_new(GROUPS * sizeof *f->rows);
	f->slots = map_new(SLOTS * sizeof *f->slots);
	if (f->rows && f->slots)
		return f;
	findings_free(f);
	return NULL;
}

void findings_free(struct findings *f)
{
	if (!f)
		return;
	map_free(f->rows, GROUPS * sizeof *f->rows);
	map_free(f->slots, SLOTS * sizeof *f->slots);
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
	for (size_t i = 0; i < protocol.n && !a->closing; i++)
		f->protocol[i] = (char)ascii_upper(protocol.p[i]);
	f->rule = a->rule;
	f->level = a->level;
	f->score = a->score;
	f->count = a->count;
	f->patients = a->patients;
	f->patients_at_least = a->patients_at_least;
	f->first_packet = a->first_packet;
	f->phi = a->phi;
	if (a->correlation.type)
		snprintf(f->counted, sizeof f->counted, "%.*s", (int)sizeof f->counted - 1,
			a->correlation.words);
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
	c = c ? c : -more(a->first_packet, b->first_packet);
	return c ? c : strcmp(rule_text(a->rule)->id, rule_text(b->rule)->id);
}

static struct finding *group_of(struct findings *f, const struct alert *a)
{
	static const struct hash_key key = { 3, 4 }; /* not the attacker's: at most GROUPS rows, half full */
	uint64_t parts[2] = { (uintptr_t)a->rule, a->first_packet };
	uint64_t at = hash_bytes(&key, parts, sizeof parts);
	for (;; at++) {
		uint32_t *slot = &f->slots[at % SLOTS];
		struct finding *row = &f->rows[*slot ? *slot - 1 : f->n];
		if (*slot && row->rule == a->rule && row->first_packet == a->first_packet)
			return row;
		if (*slot)
			continue;
		if (f->n == GROUPS)
			return NULL;
		*slot = (uint32_t)++f->n;
		return row;
	}
}

void findings_add(struct findings *f, const struct alert *a)
{
	struct finding *row = group_of(f, a);
	if (row)
		set(row, a);
}

/* Sorts, and keeps of each rule the worst group with the number of the others. */
static void fold(struct findings *f)
{
	size_t kept = 0;
	qsort(f->rows, f->n, sizeof *f->rows, worse);
	for (size_t i = 0; i < f->n; i++) {
		size_t k = 0;
		while (k < kept && f->rows[k].rule != f->rows[i].rule)
			k++;
		if (k < kept)
			f->rows[k].more++;
		else
			f->rows[kept++] = f->rows[i];
	}
	f->n = kept;
}

/* ---- printing ---------------------------------------------------------------------------- */

static void add_side(struct text *t, struct mask *m, const struct side *s, const struct addr *ip,
	const struct mac *mac, uint16_t port)
{
	char address[ADDR_TEXT];
	if (ip->family)
		addr_text(ip, address);
	else if (mac_is_zero(mac))
		snprintf(address, sizeof address, "this sensor"); /* its own health */
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
	if (*f->counted) {
		text_add(t, "; ");
		text_open(t, bytes_str(f->counted));
	}
	if (f->patients)
		text_add(t, "; %s%s patient%s in %s message%s", f->patients_at_least ? "at least " : "",
			term_number(f->patients, a), f->patients == 1 ? "" : "s", term_number(f->count, b),
			f->count == 1 ? "" : "s");
	else if (f->count > 1)
		text_add(t, "; %s times", term_number(f->count, a));
	if (f->more)
		text_add(t, "; and %s more like this", term_number(f->more, a));
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
	if (*f->protocol && !strcasestr(rule_text(f->rule)->title, f->protocol)) {
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
	term_wrap(t, what.s, INDENT, INDENT);
	fprintf(t->out, "%*s", INDENT, "");
	term_wrap(t, then.s, INDENT, INDENT);
}

void page_findings(const struct term *t, struct mask *m, struct findings *f, unsigned rows)
{
	char n[TERM_NUMBER], places[TERM_NUMBER];
	size_t groups = f->n;
	fold(f);
	term_style(t, STYLE_BOLD);
	fprintf(t->out, "FINDINGS  %s", term_number(f->n, n));
	term_style(t, STYLE_PLAIN);
	if (groups > f->n)
		fprintf(t->out, " kind%s in %s places", f->n == 1 ? "" : "s", term_number(groups, places));
	fputc('\n', t->out);
	for (size_t i = 0; i < f->n && i < rows; i++)
		print_finding(t, m, &f->rows[i]);
	if (f->n > rows)
		fprintf(t->out, "  and %s more: see -o DIR\n", term_number(f->n - rows, n));
}
