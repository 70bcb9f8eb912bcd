/*
 * mask: what of suspect text may be shown (design.md sections 4 and 12).
 *
 * A host name or an AE title is shown unless a person stands in it, a device's maker, model or number unless
 * it says who a patient is: decide/find.h has the rules.
 *
 * A name may stand in a host name long before HL7 says that it is a patient's. So outputs hold suspect text
 * sealed (json_suspect) until the last record has been learnt; mask_line opens the seals then. When more
 * words came than limits.phi_tokens, nothing can be promised any more, and all suspect text is masked;
 * devices' texts, in which nobody should stand, are still compared with what is known.
 *
 * Hub thread only. All memory is mapped at mask_new.
 */
#ifndef WW_DECIDE_MASK_H
#define WW_DECIDE_MASK_H

#include "base/limits.h"
#include "packet/event.h"

struct mask;

#define MASKED "[masked]"

/* The key is that of the workers, kept by the caller. NULL: no address space. */
struct mask *mask_new(const struct privacy_key *key, const struct limits *l);
void mask_free(struct mask *m);
/* Takes the pseudonyms of a record; every record of the run passes here. */
void mask_learn(struct mask *m, const struct event *e);
/* How many words found no room, here (full_phi_tokens) or in their event (EVENT_PHI_LOST). Not 0: everything
 * suspect is masked. */
uint64_t mask_lost(const struct mask *m);

/* The text as it may be shown, not yet escaped; at most its first 4096 bytes. Valid until the next call. */
struct bytes mask_text(struct mask *m, struct bytes suspect);
struct bytes mask_product(struct mask *m, struct bytes text); /* privacy class PRODUCT */
/* A line of json_nested or json_flat with its seals opened: JSON. Valid until the next call. */
struct bytes mask_line(struct mask *m, struct bytes line);

#endif
