#include "dissect.h"

const struct dissector dissector_telnet = { .name = "telnet" };
