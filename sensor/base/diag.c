#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void diag_add(struct diag *d, enum diag_level level, const char *file, unsigned line, unsigned column,
	const char *code, const char *format, ...)
{
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 16;
		struct diag_message *m = reallocarray(d->messages, cap, sizeof *m);
		if (!m)
			return;
		d->messages = m;
		d->cap = cap;
	}
	struct diag_message *m = &d->messages[d->n];
	*m = (struct diag_message){ .line = line, .column = column, .level = level, .file = strdup(file) };
	snprintf(m->code, sizeof m->code, "%s", code);
	va_list ap;
	va_start(ap, format);
	if (vasprintf(&m->text, format, ap) < 0)
		m->text = NULL;
	va_end(ap);
	d->n++;
	if (level == DIAG_ERROR)
		d->errors++;
}

void diag_print(const struct diag *d, void *stdio_file, bool warnings_too)
{
	static const char *const words[] = { "error", "warning", "skipped" };
	for (size_t i = 0; i < d->n; i++) {
		const struct diag_message *m = &d->messages[i];
		if (m->level != DIAG_ERROR && !warnings_too)
			continue;
		fprintf(stdio_file, "%s", m->file ? m->file : "-");
		if (m->line)
			fprintf(stdio_file, ":%u:%u", m->line, m->column);
		fprintf(stdio_file, ": %s %s: %s\n", words[m->level], m->code,
			m->text ? m->text : "out of memory");
	}
}

static int by_place(const void *a, const void *b)
{
	const struct diag_message *x = a, *y = b;
	int order = strcmp(x->file ? x->file : "", y->file ? y->file : "");
	if (order == 0)
		order = (x->line > y->line) - (x->line < y->line);
	if (order == 0)
		order = (x->column > y->column) - (x->column < y->column);
	if (order == 0)
		order = strcmp(x->code, y->code);
	return order ? order : strcmp(x->text ? x->text : "", y->text ? y->text : "");
}

void diag_sort(struct diag *d)
{
	size_t n = 0;
	if (d->n)
		qsort(d->messages, d->n, sizeof *d->messages, by_place);
	for (size_t i = 0; i < d->n; i++) {
		struct diag_message *m = &d->messages[i];
		if (n == 0 || by_place(m, &d->messages[n - 1]) != 0) {
			d->messages[n++] = *m;
			continue;
		}
		d->errors -= m->level == DIAG_ERROR;
		free(m->file);
		free(m->text);
	}
	d->n = n;
}

void diag_free(struct diag *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->messages[i].file);
		free(d->messages[i].text);
	}
	free(d->messages);
	*d = (struct diag){ 0 };
}

/* Levenshtein distance, words longer than 63 count as far. */
static unsigned distance(struct bytes a, struct bytes b)
{
	unsigned row[64];
	if (a.n > 63 || b.n > 63)
		return 64;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			unsigned up = row[j], best = corner + (a.p[i - 1] != b.p[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			corner = up;
		}
	}
	return row[b.n];
}

const char *diag_nearest(struct bytes word, const char *const *names, size_t n)
{
	const char *best = NULL;
	unsigned least = (unsigned)(word.n / 3 + 2);
	for (size_t i = 0; i < n; i++) {
		unsigned far = distance(word, bytes_str(names[i]));
		if (far < least) {
			least = far;
			best = names[i];
		}
	}
	return best;
}
