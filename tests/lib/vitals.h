/* vitals: those of a sensor that does not exist, for tests. Its interfaces have hostile names. */
#ifndef WW_TESTS_VITALS_H
#define WW_TESTS_VITALS_H

#include "run/vitals.h"

/* Static: valid until the next call. Counters are 1, 2, 3... in the order of the list. */
const struct vitals *vitals_sample(void);

#endif
