#include "dissect.h"

const struct dissector dissector_dhcp = { .name = "dhcp" };
