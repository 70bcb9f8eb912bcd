/*
 * known: the words, numbers and secrets that the run has seen as somebody's, as pseudonyms; never their text.
 *
 * Hub thread only. All memory is mapped at known_new; the table stays at most half full, and counts what
 * found no room (limits.phi_tokens).
 */
#ifndef WW_DECIDE_KNOWN_H
#define WW_DECIDE_KNOWN_H

#include "base/limits.h"
#include "packet/event.h"

struct known;

/* The key is that of the workers, kept by the caller. NULL: no address space. */
struct known *known_new(const struct privacy_key *key, const struct limits *l);
void known_free(struct known *k);
/* Takes the pseudonyms of a record. */
void known_learn(struct known *k, const struct event *e);

/* How many words found no room, here or in their event (EVENT_PHI_LOST). */
uint64_t known_lost(const struct known *k);
bool known_any(const struct known *k);
/* Names were met in characters that could not be converted (EVENT_PHI_UNREAD). */
bool known_unread(const struct known *k);

/* A whole private value. */
bool known_value(const struct known *k, struct bytes text);
/* A word (privacy_token) of a name, a number, a date as YYYYMMDD, the last seven digits of a phone number. */
bool known_word(const struct known *k, struct bytes word);
/* The same, of an identifier or a date only. */
bool known_number(const struct known *k, struct bytes word);
/* Two different words of one person's name, by privacy_word. */
bool known_pair(const struct known *k, const struct pseudonym *a, const struct pseudonym *b);
/* What was typed at a login. The lengths of all of them are the set bits of known_typed_lengths. */
bool known_typed(const struct known *k, struct bytes text);
uint64_t known_typed_lengths(const struct known *k);

struct pseudonym known_pseudonym(const struct known *k, struct bytes word);

#endif
