#include "run/page.h"

#include <stdarg.h>

void text_add(struct text *t, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(t->s + t->n, sizeof t->s - t->n, format, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n < sizeof t->s - t->n ? (size_t)n : sizeof t->s - t->n - 1;
}

void text_open(struct text *t, struct bytes v)
{
	t->n += term_escape(v, t->s + t->n, sizeof t->s - t->n);
}

void text_product(struct text *t, struct mask *m, struct bytes v)
{
	text_open(t, mask_product(m, v));
}

void text_suspect(struct text *t, struct mask *m, struct bytes v)
{
	text_open(t, mask_text(m, v));
}
