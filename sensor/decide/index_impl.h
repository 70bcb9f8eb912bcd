/* index_impl: the parts of rules, while the index is built. */
#ifndef WW_DECIDE_INDEX_IMPL_H
#define WW_DECIDE_INDEX_IMPL_H

#include "decide/detect_impl.h"
#include "decide/index.h"

enum atom_kind {
	ATOM_TEXT,    /* an element equals `text` (folded; of MAC fields without separators) */
	ATOM_LITERAL, /* an element contains `text` */
	ATOM_ANY,     /* a text of the event contains it */
	ATOM_NUMBER,
	ATOM_ADDRESS,
	ATOM_NETWORK,
	ATOM_PHI,
	ATOM_EXISTS,
};
enum { ATOM_KINDS = ATOM_EXISTS + 1 };

/* Something that an event must have, or one of several such. */
struct atom {
	enum atom_kind kind;
	uint16_t field;
	uint8_t bits;      /* ATOM_NETWORK: of IPv6 */
	struct bytes text; /* folded; in the arena */
	uint64_t key;      /* two atoms with the same are the same */
	uint32_t rule;
};

struct atoms {
	struct atom *list;
	size_t n, cap;
};

/* The parts of which one must be true if the value of the item holds; false: there are none. */
bool value_atoms(struct arena *a, const struct detect *d, const struct item *it, const struct value *v,
	struct atoms *out);
void atoms_add(struct arena *a, struct atoms *to, const struct atom *one);

#endif
