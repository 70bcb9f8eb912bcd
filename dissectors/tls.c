#include "dissect.h"

const struct dissector dissector_tls = { .name = "tls" };
