/*
 * fingerprint: what makes a device what it is: the documents `kind: fingerprints` (design.md sections 8, 12).
 *
 *	dialect: wardwatch/1
 *	kind: fingerprints
 *	fingerprints:
 *	    - id: modality-ct
 *	      match: {dicom.modality: CT}          # a Sigma detection over attrs.def names
 *	      set: {type: imaging_ct}
 *	      confidence: 85
 *	    - id: dicom-works-as-modality
 *	      match: {dicom.service: mpps_scu}
 *	      set: {makes: dicom}                  # what it sends by that protocol it made itself
 *	      confidence: 80                       # passes_on: it sends what others made (yes or maybe)
 *	prefixes:                                  # MAC blocks of 6, 7 or 9 hex digits; the longest counts
 *	    - {prefix: '0009FB', vendor: Philips Healthcare, class: patient_monitor}
 *	arcs:                                      # OID roots: whose they are, as a word of manufacturer
 *	    - {prefix: '1.2.840.113619', maker: GE}
 *
 * Loading allocates, at start or reload only. Evaluation: hub thread, no allocation.
 */
#ifndef WW_DECIDE_FINGERPRINT_H
#define WW_DECIDE_FINGERPRINT_H

#include "base/diag.h"
#include "base/yaml.h"
#include "decide/view.h"

/* At least so sure of a type before a device is called that. */
enum { TYPE_CONFIDENCE = 50 };

struct fingerprints;

struct fingerprints *fingerprints_new(void); /* NULL: no memory */
/* Takes the documents of this kind from a file, passing others by; what is wrong is said in diag, where name
 * (which must live until then) stands. Texts are copied. */
void fingerprints_add(struct fingerprints *f, const char *name, const struct yaml_file *y, struct diag *diag);
/* After the last fingerprints_add, before anything is asked. */
void fingerprints_complete(struct fingerprints *f);
/* All this from one text; NULL when anything is wrong. */
struct fingerprints *fingerprints_parse(const char *name, struct bytes yaml, struct diag *diag);
void fingerprints_free(struct fingerprints *f);
size_t fingerprints_count(const struct fingerprints *f);

/* What a fingerprint sets besides attributes: verdicts on whose the data are that the device sends. */
enum { SET_MAKES = ATTR_N, SET_PASSES_ON, SET_N };

/* Calls fn for each thing that a matching fingerprint sets (enum attr, SET_MAKES: a protocol's name,
 * SET_PASSES_ON), in file order. source is its id; texts live as long as f. present: 1 << attr of every
 * attribute that the view has a value of; fingerprints that need others are not even asked. */
void fingerprints_eval(const struct fingerprints *f, const struct view *v, uint64_t present,
	void (*fn)(void *arg, const char *source, unsigned set, struct bytes value, unsigned confidence),
	void *arg);

struct mac_prefix {
	const char *vendor, *class; /* "": none */
};
/* The longest row whose prefix the address has, or NULL. */
const struct mac_prefix *fingerprints_prefix(const struct fingerprints *f, const uint8_t mac[6]);
/* Does some arc that is a root of uid belong to a maker whose word stands in `manufacturer`? */
bool fingerprints_arc_agrees(const struct fingerprints *f, struct bytes uid, struct bytes manufacturer);

/* Fields of a fingerprint's detection: attrs.def, field number = enum attr. */
extern const struct schema attr_schema;

#endif
