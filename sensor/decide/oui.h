/*
 * oui: who a MAC address block is registered to, from Debian's ieee-data (oui.csv, mam.csv, oui36.csv).
 *
 * The files are mapped at start and indexed in one pass when the first vendor is asked for; nothing is
 * allocated then. Hub thread only.
 */
#ifndef WW_DECIDE_OUI_H
#define WW_DECIDE_OUI_H

#include "base/addr.h"

struct oui;

#define OUI_DIR "/usr/share/ieee-data"

/* NULL: none of the files is there (errno says why); then no vendor is known. */
struct oui *oui_open(const char *dir);
void oui_close(struct oui *o);
/* The organisation of the longest block (36, 28, 24 bits) with that address, valid while o is open; empty
 * when none, "Private", or the address is locally administered or a group's. */
struct bytes oui_vendor(struct oui *o, const struct mac *m);

#endif
