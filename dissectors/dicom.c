#include "dissect.h"

const struct dissector dissector_dicom = { .name = "dicom" };
