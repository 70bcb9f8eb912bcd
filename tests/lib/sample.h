/* sample: a text that a regular expression matches; for tests. */
#ifndef WW_TESTS_SAMPLE_H
#define WW_TESTS_SAMPLE_H

#include "base/bytes.h"

/* NUL-terminated, cut to `room`; returns its length. Expressions of policy-language.md section 8 only. */
size_t regex_sample(const char *expression, char *out, size_t room);

#endif
