/* fuzz_redis_reply: what a server says: read whole and in small pieces it is the same; every look at it, and
 * the sorting of refusals, holds for anything. */
#include "run/redis_reply.h"

#include "base/assert.h"
#include "fuzz.h"

enum { MAX_REPLY = 4096, REPLIES = 64 };

/* A number that two equal replies share. */
static uint64_t sum(const redisReply *r, uint64_t so_far)
{
	struct outbox_id id;
	int64_t n = 0;
	so_far = so_far * 31 + (uint64_t)r->type;
	struct bytes text = reply_text(r);
	for (size_t i = 0; i < text.n; i++)
		so_far = so_far * 31 + (uint64_t)bytes_at(text, i);
	if (reply_number(r, &n))
		so_far = so_far * 31 + (uint64_t)n;
	if (reply_is_error(r))
		so_far = so_far * 31 + (uint64_t)refusal_of(r)->action;
	if (reply_id(r, &id))
		so_far = so_far * 31 + id.ms + id.seq;
	if (reply_named(r, "last-generated-id"))
		so_far++;
	for (size_t i = 0; reply_at(r, i); i++)
		so_far = sum(reply_at(r, i), so_far);
	return so_far;
}

static size_t read_all(struct bytes all, size_t piece, uint64_t sums[REPLIES])
{
	struct reply_reader *r = reply_reader_new(MAX_REPLY);
	size_t n = 0;
	enum reply_result result = REPLY_MORE;
	ASSERT(r);
	while (all.n && result != REPLY_BROKEN && n < REPLIES) {
		struct bytes in = bytes_first(all, piece);
		all = bytes_from(all, in.n);
		redisReply *reply;
		while (n < REPLIES && (result = reply_read(r, &in, &reply)) == REPLY_WHOLE) {
			sums[n++] = sum(reply, 0);
			freeReplyObject(reply);
		}
	}
	reply_reader_free(r);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole[REPLIES], split[REPLIES];
	size_t piece = size ? 1 + *data % 7U : 1;
	size_t n = read_all(bytes_of(data, size), size + 1, whole);
	/* Of an answer that is too large the pieces tell sooner than the whole. */
	size_t m = read_all(bytes_of(data, size), piece, split);
	ASSERT(m <= n || size > MAX_REPLY);
	for (size_t i = 0; i < m && i < n; i++)
		ASSERT(whole[i] == split[i]);
	ASSERT(m == n || size > MAX_REPLY);
	return 0;
}
