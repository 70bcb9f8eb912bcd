/*
 * privacy: the classes of a value and the keyed pseudonym that stands for a private one.
 *
 * design.md section 4. A PHI value leaves a dissector only as its class and pseudonyms; a SECRET value
 * not at all. A pseudonym is the first 80 bits of HMAC-SHA-256 (RFC 2104) under the site's key
 * (siem-conventions.md section 10). Without a key file the key is fixed inside a run and pseudonyms
 * never reach an output.
 *
 * privacy_key_* at start-up only; the rest on any thread. Nothing here allocates.
 */
#ifndef WW_BASE_PRIVACY_H
#define WW_BASE_PRIVACY_H

#include "base/bytes.h"

enum privacy {
	OPEN,    /* may be shown: a code, a number, a word of ours */
	PRODUCT, /* text of a device (maker, model, serial) where no person belongs: shown unless one stands
		    there */
	SUSPECT, /* text in which a person could stand: reaches the hub, masked on output */
	SECRET,  /* never leaves the dissector */
	PHI_NONE,
#define PHI(id, name, words) PHI_##id,
#include "base/privacy.def"
#undef PHI
	PHI_END
};

#define PHI_BIT(class) (1u << ((class) - PHI_NONE - 1))
#define PHI_CLASSES    (PHI_END - PHI_NONE - 1)

static inline bool privacy_is_phi(enum privacy p)
{
	return p > PHI_NONE && p < PHI_END;
}

const char *phi_name(enum privacy p);  /* "patient_name"; p must be a PHI class */
const char *phi_words(enum privacy p); /* "names" */
/* The class with that name, or PHI_NONE. */
enum privacy phi_by_name(struct bytes name);

enum { PSEUDONYM_BYTES = 10, PHI_TOKENS = 7 };

struct pseudonym {
	uint8_t b[PSEUDONYM_BYTES];
};

struct privacy_key {
	uint8_t inner[64], outer[64]; /* the key, padded and xored with ipad and opad */
	bool from_file;               /* pseudonyms may appear in outputs */
};

/* Key material of any length. */
void privacy_key_init(struct privacy_key *k, struct bytes secret, bool from_file);
/* Of one word (privacy_token) as it is compared: the canonical form below with accents dropped and the
 * letters that stand for one where there are none folded (Müller, Muller and MUELLER are one word). */
struct pseudonym privacy_word(const struct privacy_key *k, struct bytes word);
/* Of the value in canonical form: blanks at both ends cut, ASCII letters upper case, other characters folded
 * (utf8_fold) and in UTF-8; bytes that are no UTF-8 count as ISO 8859-1. */
struct pseudonym privacy_pseudonym(const struct privacy_key *k, struct bytes value);
/*
 * The next token of text that could name a person or a number: a run of letters, digits and characters above
 * 127 that are no punctuation, three or more bytes long; *at is the place to go on from, 0 at first. Empty
 * view at the end. The same cut is used on PHI in a dissector and on suspect text on output, so that the two
 * can be compared.
 */
struct bytes privacy_token(struct bytes text, size_t *at);

#endif
