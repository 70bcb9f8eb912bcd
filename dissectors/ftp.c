#include "dissect.h"

const struct dissector dissector_ftp = { .name = "ftp" };
