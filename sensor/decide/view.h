/*
 * view: what a detection looks at, whatever it is: an event with its conversation and devices, or one
 * device's attributes. Field numbers are those of the schema it was compiled for.
 *
 * Hub thread only; nothing allocates at evaluation.
 */
#ifndef WW_DECIDE_VIEW_H
#define WW_DECIDE_VIEW_H

#include "packet/event.h"

/* A field's value in a view: n elements of one type (a list has several). n = 0: absent. */
struct leaf {
	enum fact_type type;
	const struct fact *fact;    /* elements are fact_value(fact, i); or */
	const struct bytes *values; /* elements, when fact is NULL */
	unsigned n;
};

/* What stands where a field would and is none: `event` of `event|phi: class`, the whole event; the devices of
 * `source|group: name`. */
enum { FIELD_EVENT = UINT16_MAX, FIELD_SOURCE = UINT16_MAX - 3, FIELD_DESTINATION, FIELD_DEVICE };

static inline bool field_is_whole(uint16_t field)
{
	return field >= FIELD_SOURCE;
}

/* What more than values a view can be asked: is that field's device in the group, its address in the zone (or
 * is the zone it names inside); is the event new, rare or changed to the baseline. */
enum member_kind { MEMBER_GROUP, MEMBER_ZONE, MEMBER_BASELINE };
enum baseline_is { BASELINE_NEW, BASELINE_RARE, BASELINE_CHANGED };

/* The elements of a leaf, one after the other. */
struct leaf_walk {
	const struct leaf *leaf;
	struct cur list; /* of a fact that is a list: a uint16 length and its bytes each (packet/event.h) */
	unsigned i;
};

static inline struct leaf_walk leaf_walk(const struct leaf *l)
{
	struct leaf_walk w = { .leaf = l };
	if (l->fact && l->fact->count)
		w.list = cur_of(bytes_of(l->fact->value, l->fact->len));
	return w;
}

static inline bool leaf_next(struct leaf_walk *w, struct bytes *out)
{
	if (w->i >= w->leaf->n)
		return false;
	if (!w->leaf->fact)
		*out = w->leaf->values[w->i];
	else if (w->leaf->fact->count == 0)
		*out = bytes_of(w->leaf->fact->value, w->leaf->fact->len);
	else
		*out = cur_take(&w->list, cur_le16(&w->list));
	w->i++;
	return true;
}

struct view {
	uint32_t phi; /* PHI_BIT()s of the event; 0 for a device */
	/* The leaf of a field, n = 0 when absent; valid until the view looks at another thing. */
	struct leaf (*get)(const struct view *v, uint16_t field);
	int64_t now_ns;               /* the event's time, for ages; 0: no age can be told */
	uint64_t *versions_unordered; /* counts comparisons of versions that have no order; may be NULL */
	/* subject: a field; of MEMBER_BASELINE the baseline. number: the group, zone, or enum baseline_is.
	 * NULL: nothing is a member of anything. */
	bool (*member)(const struct view *v, enum member_kind kind, uint16_t subject, unsigned number);
};

/* What fields there are. A compiler asks it once per name. */
struct schema {
	/* Field number of a canonical or alias name in that category ("" for any), FIELD_UNKNOWN, or
	 * FIELD_UNSEEN for a name of the taxonomy that nothing here fills. */
	int (*field)(const struct schema *s, struct bytes category, struct bytes name);
	enum fact_type (*type)(const struct schema *s, uint16_t field);
	enum privacy (*privacy)(const struct schema *s, uint16_t field);
	const char *(*name)(const struct schema *s, uint16_t field);
	/* The i-th other name that fields have in that category; NULL: no more. NULL itself: there are none.
	 */
	const char *(*alias)(const struct schema *s, struct bytes category, size_t i);
	uint16_t n_fields;
	uint16_t n_searched; /* keywords look at the fields below this number */
	/* Nor at this one: its texts are digests, in which any short word may stand by chance. 0: none. */
	uint16_t unsearched;
	/* The i-th text of a field that holds one of a fixed set in that category; NULL: no more, or the
	 * field holds anything. NULL itself: of no field is such a set known. */
	const char *(*value)(const struct schema *s, struct bytes category, uint16_t field, size_t i);
};

/* Section 6: keywords are looked for in texts, and in numbers as decimal text. */
static inline bool keyword_sees(enum fact_type type)
{
	return type == FACT_STR || type == FACT_UINT || type == FACT_INT;
}

/* Do keywords look at the field? */
static inline bool schema_searches(const struct schema *s, uint16_t field)
{
	return field < s->n_searched && (!field || field != s->unsearched) &&
	       keyword_sees(s->type(s, field)) && s->privacy(s, field) <= SUSPECT;
}

enum { FIELD_UNKNOWN = -1, FIELD_UNSEEN = -2 };

#endif
