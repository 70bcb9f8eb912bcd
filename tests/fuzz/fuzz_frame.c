/*
 * fuzz_frame: raw frames through a worker, nDPI off (it is not ours to fuzz). With -DHUB fuzz_hub: on through
 * the hub with the shipped policies, at a third of the speed.
 *
 * Input: a byte that picks the link type, then frames: a little-endian uint16 length (top bit: some of the
 * frame was cut off by the capture; next bit: three seconds pass before it) and the bytes.
 */
#include "run.h"

#include "base/assert.h"
#include "fuzz.h"

#include <stdlib.h>

enum { CUT = 0x8000, WAIT = 0x4000, LENGTH = 0x3fff };

static const uint16_t links[] = { 1, 101, 113, 276, 0, 12, 108, 228, 229 };

static struct run_line *line(void)
{
#ifdef HUB
	static struct policy *policy;
	if (!policy) {
		const char *path = WW_SOURCE_DIR "/policies";
		struct diag diag = { 0 };
		policy = policy_load(&path, 1, &diag);
		ASSERT(policy);
		diag_free(&diag);
	}
	return run_line_new(policy, policy_fingerprints(policy));
#else
	return run_line_new(NULL, NULL);
#endif
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run_line *l = line();
	struct cur c = cur_of(bytes_of(data, size));
	uint16_t link = links[cur_u8(&c) % (sizeof links / sizeof *links)];
	uint64_t ts_ns = 1772352000000000000u;
	for (uint64_t n = 1; cur_more(&c); n++) {
		uint16_t head = cur_le16(&c);
		size_t left = cur_left(&c), len = head & LENGTH;
		struct bytes in = cur_take(&c, len < left ? len : left);
		uint8_t *copy = malloc(in.n ? in.n : 1); /* of exactly its size */
		ASSERT(copy);
		if (in.n)
			memcpy(copy, in.p, in.n);
		ts_ns += head & WAIT ? 3000000000u : 100000u;
		struct frame f = { .ts_ns = ts_ns,
			.number = n,
			.data = bytes_of(copy, in.n),
			.wire_bytes = (uint32_t)in.n + (head & CUT ? 100 : 0),
			.linktype = link };
		run_line_frame(l, &f);
		free(copy);
	}
	run_line_finish(l);
	run_line_free(l);
	return 0;
}
