/* correlate_state: the groups and entries of correlations, in two pools of fixed size (policy-language.md
 * 11.3). */
#ifndef WW_DECIDE_CORRELATE_STATE_H
#define WW_DECIDE_CORRELATE_STATE_H

#include "base/pool.h"
#include "base/table.h"
#include "decide/correlate.h"

struct list {
	uint32_t first, last;
};

struct link {
	uint32_t next, prev;
};

/* A group is in the list of all groups and its correlation's, by last update, and, while a closed window is
 * open, in that of its correlation's windows, by opening. */
enum group_list { LIST_ALL, LIST_OWN, LIST_DUE, GROUP_LISTS };

typedef __int128 i128 __attribute__((aligned(8)));

struct group {
	uint64_t key[2];
	uint64_t since_ns; /* fired at; closed: the window opened at */
	uint64_t last_ns;  /* last match */
	uint64_t count;    /* closed: events, or a bit for each rule of a temporal one */
	i128 sum;          /* of the entries; closed: of all */
	struct link link[GROUP_LISTS];
	struct list entries; /* oldest first */
	uint32_t kept;       /* closed: chain of blocks with the last event's head and the tuple */
	uint32_t correlation;
	uint16_t n; /* entries */
	bool engaged, truncated;
};

/* Of an event; of a distinct value; of a rule, for the temporal types. */
struct entry {
	uint64_t what; /* hash of the value; amount; rule */
	uint64_t ts_ns;
	uint64_t packet; /* and ENTRY_NEGATIVE */
	struct link link;
};
#define ENTRY_NEGATIVE (UINT64_C(1) << 63)

struct corr_state {
	struct list own, due;
	uint32_t n_groups;
	uint64_t lost; /* groups evicted and entries dropped */
};

struct correlate {
	const struct policy *p;
	struct counters *counters;
	struct pool groups, entries;
	struct table group_of, value_of;
	struct list all;
	struct corr_state *state; /* by correlation */
	uint64_t now_ns, due_ns;  /* no window is over before due_ns */
	uint64_t *matched;        /* by correlation: which of its rules the event at hand matched */
	uint32_t *touched;        /* correlations that have a bit in `matched` */
	size_t n_touched;
};

/* ---- what a match is: correlate_tuple.c ---------------------------------------------------- */

/* The group-by values of a match. Bytes that do not fit are in the hash alone. */
struct tuple {
	uint16_t n, used;
	struct {
		uint64_t hash; /* equal for equal values; texts without case */
		uint16_t at, len;
		uint8_t type; /* enum fact_type */
		bool partly;  /* a list, or cut */
	} value[MAX_BY];
	uint8_t bytes[TUPLE_BYTES];
};

/* An event that a rule matched, or what a correlation that fired is known by. */
struct match {
	const struct view *view; /* or */
	const struct tuple *tuple;
	const struct event *event; /* the last one behind it */
	uint64_t ts_ns;
};

/* False: a value is absent. */
bool tuple_make(const struct correlation *cor, unsigned ref, const struct match *m, struct tuple *out);
void tuple_key(const struct correlation *cor, const struct tuple *t, uint64_t key[2]);
/* Like the suppress.by of a rule (policy_run.c). */
struct bytes tuple_by(const struct rule *r, const struct tuple *t, uint8_t *out, size_t room);
void tuple_words(const struct correlation *cor, const struct tuple *t, struct alert_correlation *out);
/* Calls fn with each value of the match's field, or with their combination when there are several fields.
 * False: there is none. */
bool match_values(const struct correlation *cor, unsigned ref, const struct match *m,
	void (*fn)(void *arg, enum fact_type type, struct bytes raw, uint64_t hash), void *arg);

/* ---- what is said: correlate_words.c ------------------------------------------------------- */

enum { EVIDENCE = 16 }; /* packets told of a group */

/* Of the counting types: events, values or distinct values. */
uint64_t group_counted(const struct correlation *cor, const struct group *g);
/* The chain of a temporal_ordered rule stands in entries with `what` of its place in the order; its first
 * entry, or 0. Of a temporal one: the rule's entry. */
uint32_t group_chain(const struct correlate *c, const struct group *g, unsigned place);
void correlation_tell(
	const struct correlate *c, uint32_t gi, const struct tuple *t, struct alert_correlation *out);

/* ---- groups: correlate_state.c ------------------------------------------------------------- */

struct group *group_at(const struct correlate *c, uint32_t i);
struct entry *entry_at(const struct correlate *c, uint32_t i);
/* 0: none. */
uint32_t group_find(const struct correlate *c, const uint64_t key[2]);
/* A new one, making room where there is none; 0 when that cannot be done. */
uint32_t group_get(struct correlate *c, const struct correlation *cor, const uint64_t key[2]);
void group_put(struct correlate *c, uint32_t gi);
/* It was updated at ts_ns. */
void group_touch(struct correlate *c, uint32_t gi, uint64_t ts_ns);
void group_open_window(struct correlate *c, uint32_t gi, uint64_t ts_ns);
const struct correlation *group_correlation(const struct correlate *c, const struct group *g);
/* Appends; what does not fit is counted and marks the group. False: nothing was appended. */
bool entry_add(struct correlate *c, uint32_t gi, uint64_t what, uint64_t ts_ns, uint64_t packet);
void entry_put(struct correlate *c, uint32_t gi, uint32_t ei);
/* To the end, with another time and packet. */
void entry_renew(struct correlate *c, uint32_t gi, uint32_t ei, uint64_t ts_ns, uint64_t packet);
/* Of a sum: what the entry adds. */
i128 entry_amount(const struct entry *e);
/* The entry of a distinct value, whose hash is of its group as well, or 0. */
uint32_t value_find(const struct correlate *c, uint64_t what);
void group_note_lost(struct correlate *c, uint32_t gi);
/* Bytes kept with a group; written again, the first n of them. False when there is no room. */
bool kept_write(struct correlate *c, uint32_t gi, const void *bytes, size_t n);
void kept_read(const struct correlate *c, uint32_t gi, void *bytes, size_t n);

#endif
