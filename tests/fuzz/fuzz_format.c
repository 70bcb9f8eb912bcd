/* fuzz_format: any bytes as a document of the store, in every form, whole and cut short: JSON is read back by
 * our strict reader, lines have no control characters, and what fits is no longer than it may be. The first
 * byte is the class and the level. */
#include "base/assert.h"
#include "base/json_read.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "run/format.h"

static void is_line(struct bytes body, bool tabs)
{
	while (body.n) {
		uint32_t c = utf8_next(&body);
		ASSERT(c < UTF8_RAW && (!text_is_control(c) || (tabs && c == '\t')));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct formatter *formatters[FORMAT_N];
	struct json_tree tree = { 0 };
	struct bytes in = bytes_of(data, size);
	unsigned kind = size ? data[0] : 0;
	struct outbox_record r = { .number = 7,
		.class = (enum outbox_class)(kind % OUTBOX_CLASSES),
		.level = (enum level)(kind / OUTBOX_CLASSES % LEVELS),
		.document = bytes_from(in, 1) };
	for (unsigned f = 0; f < FORMAT_N; f++) {
		if (!formatters[f])
			formatters[f] = formatter_new((enum format)f, kind & 0x80);
		ASSERT(formatters[f]);
		for (size_t most = FORMAT_LEAST; most <= FORMAT_MOST; most *= FORMAT_MOST / FORMAT_LEAST) {
			formatter_most(formatters[f], most);
			struct bytes body = format_record(formatters[f], &r);
			is_line(body, f == FORMAT_LEEF);
			if (f <= FORMAT_OCSF && body.n)
				ASSERT(json_parse(&tree, body));
		}
	}
	json_tree_fini(&tree);
	return 0;
}
