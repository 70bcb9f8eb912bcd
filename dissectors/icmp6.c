#include "dissect.h"

const struct dissector dissector_icmp6 = { .name = "icmp6" };
