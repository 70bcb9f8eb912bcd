/*
 * version: the order of software versions (firmware.md 2.3 to 2.5), one for policies and advisories.
 *
 * Two texts may have no order: other styles (1.2 and B.02), other prefixes (R4 and 4), other kinds of builds,
 * words. Then nothing is older than the other. Any thread; nothing allocates.
 */
#ifndef WW_DECIDE_VERSION_H
#define WW_DECIDE_VERSION_H

#include "base/bytes.h"

enum version_order { VERSION_LESS, VERSION_EQUAL, VERSION_GREATER, VERSION_UNORDERED };

enum { VERSION_BYTES = 128, VERSION_FIELDS = 12 };

/* How a stands to b. *extends (may be NULL): the greater one is the other with more fields or a build after
 * it, so that a range up to the other may or may not mean it. */
enum version_order version_compare(struct bytes a, struct bytes b, bool *extends);
/* Can it be read as a version at all? */
bool version_known(struct bytes text);

#endif
