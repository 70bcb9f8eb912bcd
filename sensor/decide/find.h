/*
 * find: where in a text somebody stands: the rules by which decide/mask.h masks.
 *
 * Suspect text: shapes (decide/shapes.h); every word, and every part of a word where letters and digits or
 * lower and upper case meet, that is known of a name or number; words that begin or end in such a word
 * (jsmith, smithpc); a known phone number however it is written; two words side by side of which one
 * is too short to be known by itself (Ng Bo).
 *
 * A device's text (maker, model, serial number, version) is shown though a patient may be called Philips or
 * Force: there only what cannot be a product's by accident counts. That is two different words of one
 * person's name (also joined: haverkampdorothea), an identifier of five or more characters with a digit in
 * it, and a birth date.
 *
 * Both: what was typed at a login; what stands there in percent signs, UTF-16, hexadecimal, Base64 or
 * punycode; and characters that cannot be compared, as soon as anything is known that they could be.
 *
 * Hub thread only; memory is taken at find_new.
 */
#ifndef WW_DECIDE_FIND_H
#define WW_DECIDE_FIND_H

#include "decide/known.h"

enum { FIND_MAX = 4096 }; /* bytes of a text */

struct find;

struct find *find_new(const struct known *k); /* NULL: no memory; k is the caller's */
void find_free(struct find *f);
/* Sets hit[i] for each byte of text (hit holds text.n, FIND_MAX at most) that must not be shown. */
void find_mark(struct find *f, bool product, struct bytes text, uint8_t *hit);

#endif
