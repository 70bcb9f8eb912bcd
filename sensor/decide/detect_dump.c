/* The parsed tree as JSON, so that another parser's can be laid beside it (policy-language.md section 24). */
#include "decide/detect_impl.h"

#include <math.h>
#include <stdio.h>

static const char *const compare_names[] = { "eq", "lt", "lte", "gt", "gte" };
static const char *const part_names[] = { "minute", "hour", "day", "week", "month", "year" };

static void put_char(FILE *f, uint32_t c)
{
	uint32_t unit[1] = { c };
	struct pattern one = { .unit = unit, .n = 1 };
	struct arena a = { 0 };
	/* JSON has no bytes: one that is of no character is the character of its number. */
	if (c >= UTF8_RAW) {
		fprintf(f, "\\u%04x", (unsigned)(c - UTF8_RAW));
	} else if (c < ' ' || c == '"' || c == '\\' || (c >= 0x7f && c < 0xa0) || c == 0xfeff) {
		fprintf(f, "\\u%04x", (unsigned)c);
	} else {
		struct bytes b = pattern_bytes(&a, &one);
		fwrite(b.p, 1, b.n, f);
		arena_fini(&a);
	}
}

static void put_text(FILE *f, struct bytes t)
{
	fputc('"', f);
	while (t.n)
		put_char(f, utf8_next(&t));
	fputc('"', f);
}

/* ["text", {"w": "MULTI"}, ...] */
static void put_parts(FILE *f, const struct pattern *p)
{
	bool text = false;
	fputc('[', f);
	for (size_t i = 0; i < p->n; i++) {
		bool wild = p->unit[i] >= UNIT_MANY;
		if (text && wild)
			fputc('"', f);
		if (i && (wild || !text))
			fputc(',', f);
		if (wild)
			fprintf(f, "{\"w\":\"%s\"}", p->unit[i] == UNIT_MANY ? "MULTI" : "SINGLE");
		else if (!text)
			fputc('"', f);
		if (!wild)
			put_char(f, p->unit[i]);
		text = !wild;
	}
	fputs(text ? "\"]" : "]", f);
}

static void put_number(FILE *f, long double n)
{
	if (n == truncl(n) && fabsl(n) < 1e18L)
		fprintf(f, "%.0Lf", n);
	else
		fprintf(f, "%.17Lg", n);
}

static void put_measured(FILE *f, const struct item *it, const struct value *v)
{
	static const char *const aspects[] = {
		[ASPECT_LEN] = "len", [ASPECT_COUNT] = "count", [ASPECT_AGE] = "age"
	};
	bool plain = it->aspect == ASPECT_VALUE && it->compare == COMPARE_EQ;
	fputc('{', f);
	if (it->compare != COMPARE_EQ)
		fprintf(f, "\"cmp\":\"%s\",", compare_names[it->compare]);
	fputs(plain ? "\"num\":" : "\"n\":", f);
	put_number(f, v->number);
	if (it->aspect == ASPECT_PART)
		fprintf(f, ",\"part\":\"%s\"", part_names[it->part]);
	else if (it->aspect != ASPECT_VALUE)
		fprintf(f, ",\"of\":\"%s\"", aspects[it->aspect]);
	fputc('}', f);
}

static void put_regex(FILE *f, const struct value *v)
{
	static const char *const names[] = { "\"i\"", "\"m\"", "\"s\"" };
	bool first = true;
	fputs("{\"re\":", f);
	put_text(f, v->written);
	fputs(",\"flags\":[", f);
	for (unsigned i = 0; i < 3; i++) {
		if (!(v->regex_flags & 1u << i))
			continue;
		fprintf(f, "%s%s", first ? "" : ",", names[i]);
		first = false;
	}
	fputs("]}", f);
}

static void put_named(FILE *f, const char *key, struct bytes text)
{
	fprintf(f, "{\"%s\":", key);
	put_text(f, text);
	fputc('}', f);
}

static void put_phi(FILE *f, const struct value *v)
{
	const char *name = "any";
	for (unsigned i = 0; v->phi != UINT32_MAX && i < PHI_CLASSES; i++)
		if (v->phi & PHI_BIT(PHI_NONE + 1 + i))
			name = phi_name((enum privacy)(PHI_NONE + 1 + i));
	put_named(f, "phi", bytes_str(name));
}

static void put_value(FILE *f, const struct item *it, const struct value *v)
{
	switch (v->kind) {
	case VALUE_PATTERN:
		fputs(it->cased ? "{\"cased\":" : "{\"str\":", f);
		put_parts(f, &v->text);
		fputc('}', f);
		break;
	case VALUE_NUMBER:
		put_measured(f, it, v);
		break;
	case VALUE_BOOL:
		fprintf(f, "{\"%s\":%s}", it->aspect == ASPECT_EXISTS ? "exists" : "bool",
			v->truth ? "true" : "false");
		break;
	case VALUE_NULL:
		fputs("{\"null\":true}", f);
		break;
	case VALUE_CIDR:
		put_named(f, "cidr", v->written);
		break;
	case VALUE_FIELD:
		fputs("{\"fieldref\":", f);
		put_text(f, v->written);
		fprintf(f, ",\"starts\":%s,\"ends\":%s}", it->starts ? "true" : "false",
			it->ends ? "true" : "false");
		break;
	case VALUE_PHI:
		put_phi(f, v);
		break;
	case VALUE_REGEX:
		put_regex(f, v);
		break;
	case VALUE_ANY:
		fputs("{\"any\":[", f);
		for (unsigned i = 0; i < v->n_any; i++) {
			fputs(i ? "," : "", f);
			put_value(f, it, &v->any[i]);
		}
		fputs("]}", f);
		break;
	case VALUE_LIST:
		put_named(f, "list", bytes_str(list_name(v->list)));
		break;
	case VALUE_VERSION:
		fprintf(f, "{\"cmp\":\"%s\",\"version\":", compare_names[it->compare]);
		put_text(f, v->written);
		fputc('}', f);
		break;
	case VALUE_UID:
		put_named(f, "under", v->written);
		break;
	case VALUE_MEMBER:
		put_named(f, "member", v->written);
		break;
	}
}

static void put_item(FILE *f, const struct item *it)
{
	fputs("{\"key\":", f);
	put_text(f, bytes_str(it->written));
	fprintf(f, ",\"link\":\"%s\",\"negated\":%s,\"out\":[", it->all ? "and" : "or",
		it->neq ? "true" : "false");
	for (unsigned i = 0; i < it->n; i++) {
		fputs(i ? "," : "", f);
		put_value(f, it, &it->values[i]);
	}
	fputs("]}", f);
}

/* "name", {item} or ["and", node, ...] */
static void put_node(FILE *f, const struct node *n)
{
	static const char *const words[] = { "and", "or", "not" };
	if (n->kind == NODE_ITEM) {
		put_item(f, n->item);
	} else if (n->kind == NODE_IDENT) {
		put_text(f, bytes_str(n->ident->name));
	} else {
		fprintf(f, "[\"%s\"", words[n->kind]);
		for (unsigned i = 0; i < n->n; i++) {
			fputc(',', f);
			put_node(f, n->kids[i]);
		}
		fputc(']', f);
	}
}

void detect_dump(const struct detect *d, void *stdio_file)
{
	FILE *f = stdio_file;
	fputs("{\"identifiers\":{", f);
	for (size_t i = 0; i < d->n_idents; i++) {
		fputs(i ? "," : "", f);
		put_text(f, bytes_str(d->idents[i].name));
		fputc(':', f);
		put_node(f, d->idents[i].body);
	}
	fputs("},\"conditions\":[", f);
	for (size_t i = 0; i < d->n_conditions; i++) {
		fputs(i ? "," : "", f);
		put_node(f, d->conditions[i]);
	}
	fputs("]}\n", f);
}
