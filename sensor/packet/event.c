#include "packet/event.h"

enum { ONE, MANY };

const struct attr_row attr_rows[ATTR_N] = {
#define ATTR(id, name, kind, privacy) { name, kind, privacy },
#include "packet/attrs.def"
#undef ATTR
};
