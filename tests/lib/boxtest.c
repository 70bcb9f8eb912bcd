#include "boxtest.h"

#include "run/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

int box_setup(void **state)
{
	struct folder *f = calloc(1, sizeof *f);
	if (!f)
		return -1;
	snprintf(f->dir, sizeof f->dir, "/tmp/ward-outbox.XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/s.db", f->dir);
	store_close(store_open(f->path, &f->diag));
	*state = f;
	return 0;
}

int box_teardown(void **state)
{
	struct folder *f = *state;
	char command[BOX_PATH];
	diag_free(&f->diag);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	int gone = system(command);
	free(f);
	return gone;
}

struct outbox_setup box_two(uint64_t bytes_most, uint64_t retain_records, uint64_t retain_ms)
{
	return (struct outbox_setup){ .outputs = { "redis", "syslog" },
		.n_outputs = 2,
		.bytes_most = bytes_most,
		.retain_records = retain_records,
		.retain_ms = retain_ms };
}

struct outbox_setup box_one(uint64_t bytes_most)
{
	struct outbox_setup s = box_two(bytes_most, 10, 0);
	s.n_outputs = 1;
	return s;
}

struct outbox *box_open(struct folder *f, struct outbox_setup s)
{
	struct outbox *o = outbox_open(f->path, &s, &f->diag);
	if (!o)
		diag_print(&f->diag, stderr, true);
	assert_non_null(o);
	return o;
}

bool box_put(struct outbox *o, unsigned id, enum level level, size_t size, uint64_t ms, bool *fresh)
{
	char name[OUTBOX_ID], document[1024];
	bool was = false;
	snprintf(name, sizeof name, "e1-%u", id);
	assert_true(size < sizeof document);
	memset(document, 'x', size);
	struct outbox_record r = {
		.level = level, .id = bytes_str(name), .document = bytes_of(document, size)
	};
	r.class = id % 3 == 0 ? OUTBOX_ALERT : id % 3 == 1 ? OUTBOX_ASSET : OUTBOX_HEALTH;
	return outbox_put(o, &r, ms, fresh ? fresh : &was);
}

void box_expect(struct outbox *o, size_t output, uint64_t after, const uint64_t *numbers, size_t n)
{
	struct outbox_record r[64];
	assert_int_equal(outbox_read(o, output, after, r, 64), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(r[i].number, numbers[i]);
}
