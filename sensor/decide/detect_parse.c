/* Conditions (policy-language.md section 9): recursive descent over words and parentheses. */
#include "decide/detect_impl.h"

#include <stdarg.h>
#include <stdio.h>

struct parser {
	struct compiler *c;
	const struct yaml_node *at;
	struct cur in;
	struct bytes token; /* empty: the end */
	unsigned tokens, depth;
	bool failed;
	struct node *nothing; /* stands for a part that is left out */
};

static struct node *parse_or(struct parser *p);

static bool is_word_byte(int b)
{
	return ascii_alnum(b) || b == '_' || b == '-' || b == '*';
}

/* The first mistake is the one to say. */
__attribute__((format(printf, 3, 4))) static struct node *fail(
	struct parser *p, const char *code, const char *format, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (!p->failed)
		compile_error(p->c, p->at, code, "%s", text);
	p->failed = true;
	return NULL;
}

static void advance(struct parser *p)
{
	while (cur_more(&p->in) && bytes_chr(bytes_str(" \t\r\n"), 0, cur_peek(&p->in).p[0]) < 4)
		cur_skip(&p->in, 1);
	struct bytes rest = cur_peek(&p->in);
	size_t n = 0;
	while (is_word_byte(bytes_at(rest, n)))
		n++;
	if (n == 0 && rest.n)
		n = utf8_length(rest) ? utf8_length(rest) : 1;
	p->token = cur_take(&p->in, n);
	if (++p->tokens > MAX_TOKENS)
		(void)fail(p, "E176", "more than %d words in a condition", MAX_TOKENS);
	if (p->failed)
		p->token = (struct bytes){ 0 };
}

static bool is_token(const struct parser *p, const char *word)
{
	return bytes_is(p->token, word);
}

/* `*` is any run of characters; as in pattern_match, without folding. */
static bool name_matches(struct bytes pattern, const char *name)
{
	struct bytes t = bytes_str(name);
	size_t at = 0, back = 0, after = SIZE_MAX, i = 0;
	while (i < t.n) {
		if (bytes_at(pattern, at) == '*') {
			after = ++at;
			back = i;
		} else if (bytes_at(pattern, at) == t.p[i]) {
			at++;
			i++;
		} else if (after != SIZE_MAX) {
			i = ++back;
			at = after;
		} else {
			return false;
		}
	}
	while (bytes_at(pattern, at) == '*')
		at++;
	return at == pattern.n;
}

static struct node *ident_node(struct parser *p, struct ident *id)
{
	struct node *n = node_new(&p->c->d->memory, NODE_IDENT);
	n->ident = id;
	id->used = true;
	return n;
}

static struct node *parse_quantified(struct parser *p, bool all)
{
	struct detect *d = p->c->d;
	struct bytes pattern = p->token;
	if (pattern.n == 0 || !is_word_byte(pattern.p[0]))
		return fail(p, "E170", "after \"of\" comes `them` or a name like sel_*");
	if (is_token(p, "them"))
		pattern = bytes_str("*");
	struct node *n = node_new(&d->memory, all ? NODE_AND : NODE_OR);
	for (size_t i = 0; i < d->n_idents; i++) {
		struct ident *id = &d->idents[i];
		if ((id->name[0] != '_' || pattern.p[0] == '_') && name_matches(pattern, id->name))
			node_add(&d->memory, n, ident_node(p, id));
	}
	if (n->n == 0 && p->c->env->drop_empty) {
		compile_warning(p->c, p->at, "W175",
			"a part of the condition that selects nothing is left out, as "
			"--empty-quantifier=drop has it");
		advance(p);
		return p->nothing;
	}
	if (n->n == 0)
		return fail(p, "E175",
			"no search identifier is named like \"%.*s\": the condition would lose a part of "
			"itself",
			(int)pattern.n, (const char *)pattern.p);
	advance(p);
	return n->n == 1 ? n->kids[0] : n;
}

static struct node *unknown_word(struct parser *p)
{
	static const char *const words[] = { "and", "or", "not", "of", "all", "any", "them" };
	struct detect *d = p->c->d;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (bytes_isi(p->token, words[i]) && !is_token(p, words[i]))
			return fail(p, "E171", "operators are written in lower case: \"%s\"", words[i]);
	const char **names = arena_get(&d->memory, (d->n_idents + 1) * sizeof *names);
	for (size_t i = 0; i < d->n_idents; i++)
		names[i] = d->idents[i].name;
	const char *near = diag_nearest(p->token, names, d->n_idents);
	return fail(p, "E174", "there is no search identifier \"%.*s\"%s%s%s", (int)p->token.n,
		(const char *)p->token.p, near ? ": is it \"" : "", near ? near : "", near ? "\"?" : "");
}

static struct node *parse_word(struct parser *p)
{
	struct bytes word = p->token;
	struct parser ahead = *p;
	advance(&ahead);
	if (is_token(&ahead, "of")) {
		bool all = is_token(p, "all");
		uint64_t number;
		if (!all && !is_token(p, "1") && !is_token(p, "any")) {
			if (bytes_to_u64(word, &number))
				return fail(p, "E172", "only `1 of`, `any of` and `all of` can be counted");
			return unknown_word(p);
		}
		*p = ahead;
		advance(p);
		return parse_quantified(p, all);
	}
	for (size_t i = 0; i < p->c->d->n_idents; i++) {
		if (bytes_is(word, p->c->d->idents[i].name)) {
			advance(p);
			return ident_node(p, &p->c->d->idents[i]);
		}
	}
	return unknown_word(p);
}

static struct node *parse_primary(struct parser *p)
{
	if (p->token.n == 0)
		return fail(p, "E170", "the condition ends where a search identifier is needed");
	if (is_token(p, "|"))
		return fail(p, "E173", "counting with | is of Sigma 1: use a correlation");
	if (is_token(p, "(")) {
		advance(p);
		struct node *n = parse_or(p);
		if (n && !is_token(p, ")"))
			return fail(p, "E170", "a closing parenthesis is missing");
		advance(p);
		return n;
	}
	if (!is_word_byte(p->token.p[0]))
		return fail(
			p, "E170", "\"%.*s\" cannot stand here", (int)p->token.n, (const char *)p->token.p);
	return parse_word(p);
}

static struct node *parse_not(struct parser *p)
{
	struct node *n;
	if (++p->depth > MAX_CONDITION_DEPTH)
		return fail(p, "E176", "a condition nested deeper than %d", MAX_CONDITION_DEPTH);
	if (is_token(p, "not")) {
		advance(p);
		struct node *kid = parse_not(p);
		n = node_new(&p->c->d->memory, NODE_NOT);
		if (kid == p->nothing)
			n = kid;
		else if (kid)
			node_add(&p->c->d->memory, n, kid);
	} else {
		n = parse_primary(p);
	}
	p->depth--;
	return p->failed ? NULL : n;
}

/* A chain of the same operator is one node. */
static struct node *parse_chain(
	struct parser *p, const char *word, enum node_kind kind, struct node *(*next)(struct parser *))
{
	struct node *first = next(p), *chain = NULL;
	while (first && is_token(p, word)) {
		advance(p);
		struct node *n = next(p);
		if (!n)
			return NULL;
		if (n == p->nothing || first == p->nothing) {
			first = first == p->nothing ? n : first;
			continue;
		}
		if (!chain) {
			chain = node_new(&p->c->d->memory, kind);
			node_add(&p->c->d->memory, chain, first);
		}
		node_add(&p->c->d->memory, chain, n);
	}
	return chain ? chain : first;
}

static struct node *parse_and(struct parser *p)
{
	return parse_chain(p, "and", NODE_AND, parse_not);
}

static struct node *parse_or(struct parser *p)
{
	return parse_chain(p, "or", NODE_OR, parse_and);
}

struct node *condition_parse(struct compiler *c, const struct yaml_node *text)
{
	struct parser p = { .c = c, .at = text, .in = cur_of(yaml_text(text)) };
	if (text->type != YAML_STRING && text->type != YAML_INT && text->type != YAML_BOOL) {
		compile_error(c, text, "E170", "a condition is a text like `selection and not filter`");
		return NULL;
	}
	p.nothing = node_new(&c->d->memory, NODE_AND);
	advance(&p);
	struct node *n = parse_or(&p);
	if (n == p.nothing)
		return fail(&p, "E175",
			"nothing of the condition is left: no search identifier is named like that");
	if (n && is_token(&p, "|"))
		return fail(&p, "E173", "counting with | is of Sigma 1: use a correlation");
	if (n && p.token.n && !is_word_byte(p.token.p[0]))
		return fail(
			&p, "E170", "\"%.*s\" cannot stand here", (int)p.token.n, (const char *)p.token.p);
	if (n && p.token.n) {
		for (size_t i = 0; i < 3; i++)
			if (bytes_isi(p.token, (const char *[]){ "and", "or", "not" }[i]))
				return unknown_word(&p);
		return fail(&p, "E170", "`and` or `or` is missing before \"%.*s\"", (int)p.token.n,
			(const char *)p.token.p);
	}
	return n;
}
