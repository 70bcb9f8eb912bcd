/* pki: an authority and certificates made for one test, as PEM files in a temporary folder. */
#ifndef WW_TESTS_PKI_H
#define WW_TESTS_PKI_H

#include <stdbool.h>

struct pki {
	char folder[64];
};

/* ca.pem and other.pem (another authority, which nobody trusts). Asserts that it went well. */
void pki_make(struct pki *p);
/* NAME.pem and NAME.key, from ca.pem. alt: as in "DNS:redis.test,IP:127.0.0.1"; days: from now on, -1: it
 * ended a day ago. */
void pki_issue(const struct pki *p, const char *name, const char *alt, int days);
/* The path of one of them; valid until the fourth call after. */
const char *pki_path(const struct pki *p, const char *file);
void pki_remove(const struct pki *p);

#endif
