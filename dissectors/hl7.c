#include "dissect.h"

const struct dissector dissector_hl7 = { .name = "hl7" };
