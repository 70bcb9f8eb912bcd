#include "dissect.h"

const struct dissector dissector_dns = { .name = "dns" };
