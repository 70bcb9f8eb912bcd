#include "dissect.h"

const struct dissector dissector_arp = { .name = "arp" };
