/* fuzz: the entry of every fuzz target: libFuzzer's, or replay.c's in builds without it. */
#ifndef WW_FUZZ_H
#define WW_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
