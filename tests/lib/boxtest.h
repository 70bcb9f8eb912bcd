/* Outboxes in a folder of their own. */
#ifndef WW_TESTS_BOXTEST_H
#define WW_TESTS_BOXTEST_H

#include "run/outbox.h"

enum { BOX_PATH = 128, BOX_START = 1000000 /* ms */ };

struct folder {
	char dir[64], path[BOX_PATH]; /* of a store's file, which is there */
	struct diag diag;
};

/* For cmocka_unit_test_setup_teardown. */
int box_setup(void **state);
int box_teardown(void **state);

/* Outputs redis and syslog; redis alone, with ten records retained. */
struct outbox_setup box_two(uint64_t bytes_most, uint64_t retain_records, uint64_t retain_ms);
struct outbox_setup box_one(uint64_t bytes_most);
struct outbox *box_open(struct folder *f, struct outbox_setup s);
/* Record e1-ID, its class by the rest of ID over three. fresh may be NULL. */
bool box_put(struct outbox *o, unsigned id, enum level level, size_t size, uint64_t ms, bool *fresh);
/* Behind `after` that output is given records of these numbers, and no others. */
void box_expect(struct outbox *o, size_t output, uint64_t after, const uint64_t *numbers, size_t n);
#define EXPECT(o, output, after, ...)                                                                        \
	box_expect(o, output, after, (const uint64_t[]){ __VA_ARGS__ },                                      \
		sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

#endif
