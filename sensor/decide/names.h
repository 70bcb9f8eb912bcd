/*
 * names: what rules refer to by name over the whole set of policies, whatever the order of files: lists,
 * zones, groups, baselines (policy-language.md sections 13, 16, 17). Filled at load, constant afterwards.
 *
 * struct members answers, on the hub, whether an event is a member of them.
 */
#ifndef WW_DECIDE_NAMES_H
#define WW_DECIDE_NAMES_H

#include "decide/groups.h"
#include "decide/lists.h"

struct policy;
struct loader;
struct policy_run;

struct names {
	struct lists lists;
	struct zones *zones;
	struct groups *groups;
};

void names_new(struct policy *p);
void names_free(struct policy *p);
/* Which turn a document has: names are read before what refers to them. */
enum { NAMES_TURNS = 3 };
unsigned names_turn(const struct yaml_node *doc);
/* A document of kind lists, zones or groups; false: another kind. */
bool names_read(struct loader *l, const struct yaml_node *doc, const struct yaml_node *kind);
/* After the turn. */
void names_turn_over(struct loader *l, unsigned turn);
/* What a detection over events of that category is compiled against. */
struct detect_env names_env(struct loader *l, struct bytes category, bool extended);

/* ---- at run -------------------------------------------------------------------------------------- */

/* The look of a group at the device on that side of the event. */
struct device_look names_look(const struct policy_run *r, enum dir side);
/* For event_view_members; arg: the policy_run. */
bool names_member(void *arg, enum member_kind kind, uint16_t subject, unsigned number);

#endif
