#include "decide/detect_impl.h"

#include <stdlib.h>

struct list {
	const char *name;
	struct bytes *text;
	struct value *values;
	size_t n;
	/* Of values: */
	const struct value **exact; /* texts without wildcards, sorted */
	long double *number;        /* sorted */
	struct addr *address;       /* sorted */
	const struct value **rest;  /* networks, texts with wildcards, truths: looked at one by one */
	size_t n_exact, n_number, n_address, n_rest;
};

static int by_unit(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

static int by_text(const void *a, const void *b)
{
	const struct pattern *x = &(*(const struct value *const *)a)->text,
			     *y = &(*(const struct value *const *)b)->text;
	for (size_t i = 0; i < x->n && i < y->n; i++)
		if (x->unit[i] != y->unit[i])
			return by_unit(x->unit[i], y->unit[i]);
	return (x->n > y->n) - (x->n < y->n);
}

/* In the order of by_text. */
static int text_against(const void *key, const void *entry)
{
	struct bytes t = *(const struct bytes *)key;
	const struct pattern *p = &(*(const struct value *const *)entry)->text;
	size_t i = 0;
	for (; t.n && i < p->n; i++) {
		uint32_t c = utf8_fold(utf8_next(&t));
		if (c != p->unit[i])
			return by_unit(c, p->unit[i]);
	}
	return t.n ? 1 : i < p->n ? -1 : 0;
}

static int by_number(const void *a, const void *b)
{
	long double x = *(const long double *)a, y = *(const long double *)b;
	return (x > y) - (x < y);
}

static int by_address(const void *a, const void *b)
{
	const struct addr *x = a, *y = b;
	return x->family != y->family ? x->family - y->family : memcmp(x->b, y->b, sizeof x->b);
}

static void sort_out(struct list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct value *v = &l->values[i];
		if (v->kind == VALUE_NUMBER)
			l->number[l->n_number++] = v->number;
		else if (v->kind == VALUE_PATTERN && !v->text.wild)
			l->exact[l->n_exact++] = v;
		else
			l->rest[l->n_rest++] = v;
		if (v->kind == VALUE_PATTERN && v->is_ip)
			l->address[l->n_address++] = v->ip;
	}
	qsort(l->exact, l->n_exact, sizeof(struct value *), by_text);
	qsort(l->number, l->n_number, sizeof *l->number, by_number);
	qsort(l->address, l->n_address, sizeof *l->address, by_address);
}

const struct list *list_new(struct arena *a, const char *name, const struct yaml_node *values,
	const char *file, struct diag *diag)
{
	struct list *l = arena_get(a, sizeof *l);
	struct detect room = { .memory = *a };
	struct detect_env env = { .file = file, .diag = diag, .extended = true };
	struct compiler c = {
		.d = &room, .env = &env, .extended = true, .file = file, .diag = diag, .ok = true
	};
	if (values->type != YAML_LIST || values->n == 0 || values->n > MAX_VALUES) {
		compile_error(&c, values, "E142",
			"the list \"%s\" needs between 1 and %d values, as a YAML list", name, MAX_VALUES);
		return NULL;
	}
	size_t n = values->n;
	l->name = arena_text(&room.memory, bytes_str(name));
	l->text = arena_get(&room.memory, n * sizeof *l->text);
	l->values = arena_get(&room.memory, n * sizeof *l->values);
	l->exact = arena_get(&room.memory, n * sizeof(struct value *));
	l->number = arena_get(&room.memory, n * sizeof *l->number);
	l->address = arena_get(&room.memory, n * sizeof *l->address);
	l->rest = arena_get(&room.memory, n * sizeof(struct value *));
	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *v = values->items[i];
		if (!value_of_list(&c, v, &l->values[l->n]))
			continue;
		l->text[l->n++] = bytes_of(arena_text(&room.memory, yaml_text(v)), v->text_n);
	}
	*a = room.memory;
	sort_out(l);
	return c.ok ? l : NULL;
}

bool list_has(const struct list *l, enum fact_type type, struct bytes raw)
{
	long double number;
	if (type == FACT_STR && l->n_exact &&
		bsearch(&raw, l->exact, l->n_exact, sizeof(struct value *), text_against))
		return true;
	if (l->n_number && element_number(type, raw, &number) &&
		bsearch(&number, l->number, l->n_number, sizeof number, by_number))
		return true;
	if (type == FACT_IP) {
		struct addr ip = { 0 };
		memcpy(&ip, raw.p, raw.n < sizeof ip ? raw.n : sizeof ip);
		if (bsearch(&ip, l->address, l->n_address, sizeof ip, by_address))
			return true;
	} else if (type != FACT_STR) {
		for (size_t i = 0; i < l->n_exact; i++)
			if (list_value_holds(l->exact[i], type, raw))
				return true;
	}
	for (size_t i = 0; i < l->n_rest; i++)
		if (list_value_holds(l->rest[i], type, raw))
			return true;
	return false;
}

size_t list_size(const struct list *l)
{
	return l->n;
}

const char *list_name(const struct list *l)
{
	return l->name;
}

struct bytes list_text(const struct list *l, size_t i)
{
	return l->text[i];
}
