/* What the forms share: the document that is being formed, and what is written. */
#ifndef WW_RUN_FORMAT_IMPL_H
#define WW_RUN_FORMAT_IMPL_H

#include "base/json_read.h"
#include "run/format.h"

struct formatter {
	enum format form;
	bool live;
	size_t most;
	struct json_tree tree;       /* the ECS document */
	struct json_doc *doc, *part; /* what is made of it, and an object for a list in it */
	const struct outbox_record *record;
	struct form_buffer {
		uint8_t *p;
		size_t n, cap;
	} out, shorter;   /* what is written; the document after parts were left out */
	size_t text_most; /* of one value of a line */
	bool failed;      /* no memory */
};

/* The document itself, without what is marked as gone, texts cut to at most `most` bytes. */
void format_ecs(struct formatter *f, size_t most, bool is_cut);

/* Each fills f->out with the form of f->tree; nothing where there is none. */
void format_eve(struct formatter *f);
void format_ocsf(struct formatter *f);
void format_cef(struct formatter *f);
void format_leef(struct formatter *f);

/* ---- reading the document; what is not there is nothing, 0 or false ------------------------ */

struct json_node *form_at(const struct formatter *f, const char *path);
struct bytes form_text(const struct formatter *f, const char *path); /* still escaped */
uint64_t form_number(const struct formatter *f, const char *path);
bool form_is(const struct formatter *f, const char *path, const char *text);
bool form_true(const struct formatter *f, const char *path);
/* A name that can be part of a dotted key. */
bool form_plain(struct bytes name);
/* Milliseconds since 1970; 0: none. */
uint64_t form_time(const struct formatter *f, const char *path);
/* The side of the conversation the alert is about: "source" or "destination"; NULL: neither is known. */
const char *form_subject(const struct formatter *f);

/* ---- writing ------------------------------------------------------------------------------- */

void form_put(struct formatter *f, struct bytes b);
void form_puts(struct formatter *f, const char *s);
/* The value at path under key, as it is; nothing where there is none. */
void form_copy(struct formatter *f, struct json_doc *d, const char *key, const char *path);
/* Every leaf within node under key and its own name, so that others can be put beside it. */
void form_leaves(struct formatter *f, struct json_doc *d, const char *key, const struct json_node *node);

#endif
