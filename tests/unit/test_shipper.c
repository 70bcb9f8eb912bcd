/* The shipper between rings, outbox and an output that behaves in every way an output can. */
#include "boxtest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "run/shipper.h"
#include "run/shipping.h"

/* ---- how far an output is ---------------------------------------------------------------------- */

static void window(void **state)
{
	static struct shipping s;
	(void)state;
	shipping_begin(&s, 10, 12);
	assert_true(s.cursor == 10 && s.offered == 10 && shipping_room(&s) == SHIPPING_WINDOW);
	shipping_offered(&s, 11);
	shipping_offered(&s, 14); /* 12 and 13 were lost */
	shipping_offered(&s, 15);
	shipping_delivered(&s, 14);
	shipping_delivered(&s, 13); /* never offered */
	assert_int_equal(s.cursor, 10);
	shipping_delivered(&s, 11);
	assert_int_equal(s.cursor, 14);
	shipping_rewind(&s, 12); /* the other side lost 14, which had been acknowledged */
	assert_true(s.offered == 12 && s.offered_before == 15 && s.n == 0);
	shipping_offered(&s, 14);
	shipping_delivered(&s, 14);
	assert_int_equal(s.cursor, 14);
	shipping_offered(&s, 15);
	shipping_offered(&s, 16);
	shipping_rewind(&s, 15);
	assert_true(s.n == 1 && s.offered == 15);
	shipping_offered(&s, 16);
	shipping_delivered(&s, 16);
	shipping_delivered(&s, 15);
	assert_int_equal(s.cursor, 16);
	/* Round and round. */
	for (uint64_t n = 17; n < 3 * SHIPPING_WINDOW; n++) {
		shipping_offered(&s, n);
		if (n % 7 == 0)
			for (uint64_t k = n; k > n - 7 && k > 16; k--)
				shipping_delivered(&s, k);
	}
	assert_true(s.n < 7 && s.cursor >= 3 * SHIPPING_WINDOW - 8);
}

/* ---- an output ---------------------------------------------------------------------------------- */

enum { OUTPUT_MOST = 4096 };

struct output {
	struct delivery delivery;
	uint64_t got[OUTPUT_MOST]; /* numbers, in the order offered */
	size_t n, acknowledged;
	char ids[OUTPUT_MOST][32];
	bool again[OUTPUT_MOST];
	_Atomic bool is_away, is_backwards;
	_Atomic uint64_t rewind_to; /* 0: no */
};

static size_t room(const struct delivery *d)
{
	const struct output *o = (const struct output *)d;
	return o->is_away ? 0 : 16;
}

static void offer(struct delivery *d, const struct outbox_record *r, bool was_offered, uint64_t now_ns)
{
	struct output *o = (struct output *)d;
	(void)now_ns;
	assert_true(o->n < OUTPUT_MOST && r->document.n > 0 && r->stream_id.ms > 0);
	o->again[o->n] = was_offered;
	snprintf(o->ids[o->n], sizeof o->ids[0], "%.*s", (int)r->id.n, (const char *)r->id.p);
	o->got[o->n++] = r->number;
}

static size_t no_fds(const struct delivery *d, struct pollfd *fds)
{
	(void)d;
	(void)fds;
	return 0;
}

static uint64_t serve(struct delivery *d, uint64_t now_ns, uint64_t wall_ms)
{
	struct output *o = (struct output *)d;
	(void)wall_ms;
	if (o->rewind_to) {
		d->hooks.tell(d->hooks.arg, "redis_lost_entries", LEVEL_MEDIUM, "entries are gone");
		d->hooks.rewind(d->hooks.arg, o->rewind_to - 1);
		o->rewind_to = 0;
		return now_ns;
	}
	size_t from = o->acknowledged;
	for (size_t i = from; i < o->n; i++, o->acknowledged++) {
		size_t at = o->is_backwards ? o->n - 1 - (i - from) : i;
		d->hooks.delivered(d->hooks.arg, o->got[at]);
		d->figures.sent++;
	}
	return now_ns + 1000000000;
}

static void nothing(struct delivery *d)
{
	(void)d;
}

struct line {
	struct outbox *outbox;
	struct shipper *shipper;
	struct output *output;
};

static void begin(struct line *l, struct folder *f)
{
	l->output = calloc(1, sizeof *l->output);
	l->outbox = box_open(f, box_one(0));
	l->shipper =
		shipper_new(&(struct shipper_setup){ .outbox = l->outbox, .doc = { .sensor_name = "test" } });
	assert_non_null(l->shipper);
	l->output->delivery = (struct delivery){ .name = "redis",
		.hooks = shipper_hooks(l->shipper),
		.room = room,
		.offer = offer,
		.fds = no_fds,
		.serve = serve,
		.free = nothing };
	shipper_add(l->shipper, &l->output->delivery);
	assert_true(shipper_start(l->shipper, NULL, NULL));
}

static void end(struct line *l)
{
	shipper_free(l->shipper);
	outbox_close(l->outbox);
	free(l->output);
}

static void put(struct line *l, unsigned from, unsigned to)
{
	char id[32], document[64];
	for (unsigned i = from; i <= to; i++) {
		int n = snprintf(id, sizeof id, "e1-%u", i);
		int d = snprintf(document, sizeof document, "{\"event\":{\"id\":\"e1-%u\"}}", i);
		struct outbox_record r = { .class = OUTBOX_ALERT,
			.level = LEVEL_HIGH,
			.id = bytes_of(id, (size_t)n),
			.document = bytes_of(document, (size_t)d) };
		while (!shipper_put(l->shipper, i % 2 ? SHIPPER_HUB : SHIPPER_TELLING, &r))
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

enum { MINUTE_NS = 60 };
#define DRAIN_NS (MINUTE_NS * UINT64_C(1000000000))

static void carries(void **state)
{
	struct line l;
	begin(&l, *state);
	l.output->is_backwards = true;
	put(&l, 1, 2000);
	assert_int_equal(shipper_stop(l.shipper, DRAIN_NS), 0);
	assert_int_equal(l.output->n, 2000);
	for (size_t i = 1; i < l.output->n; i++)
		assert_true(l.output->got[i] > l.output->got[i - 1] && !l.output->again[i]);
	struct shipper_figures f;
	shipper_figures(l.shipper, &f);
	assert_true(f.n_outputs == 1 && f.outputs[0].figures.sent == 2000 && f.outputs[0].waiting == 0);
	assert_true(f.commits >= 1 && f.outbox.last_number == 2000);
	assert_int_equal(outbox_cursor(l.outbox, 0), 2000);
	end(&l);
}

/* What waits at the end is there at the next start, and may have been sent already. */
static void waits(void **state)
{
	struct line l;
	begin(&l, *state);
	l.output->is_away = true;
	put(&l, 1, 50);
	assert_int_equal(shipper_stop(l.shipper, 200000000), 50);
	assert_int_equal(l.output->n, 0);
	end(&l);
	begin(&l, *state);
	put(&l, 51, 60);
	assert_int_equal(shipper_stop(l.shipper, DRAIN_NS), 0);
	assert_int_equal(l.output->n, 60);
	assert_true(l.output->again[0] && l.output->again[49] && !l.output->again[50]);
	end(&l);
	begin(&l, *state);
	put(&l, 51, 60); /* a replay: they are retained */
	assert_int_equal(shipper_stop(l.shipper, DRAIN_NS), 0);
	assert_int_equal(l.output->n, 0);
	end(&l);
}

static void goes_back(void **state)
{
	struct line l;
	begin(&l, *state);
	put(&l, 1, 20);
	struct shipper_figures f;
	do {
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		shipper_figures(l.shipper, &f);
	} while (f.outbox.last_number < 20 || f.outbox.waiting);
	l.output->rewind_to = 11;
	while (l.output->rewind_to)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_int_equal(shipper_stop(l.shipper, DRAIN_NS), 0);
	/* 11 to 20 again, and the note about it. */
	assert_int_equal(l.output->n, 31);
	assert_true(l.output->got[20] == 11 && l.output->again[20] && l.output->again[29]);
	assert_true(l.output->got[30] == 21 && strncmp(l.output->ids[30], "h1-", 3) == 0);
	end(&l);
}

/* A ring that nobody empties: what finds it full is counted, and told when there is room again. */
static void losses(void **state)
{
	static uint8_t document[65536];
	struct line l;
	l.output = calloc(1, sizeof *l.output);
	l.outbox = box_open(*state, box_one(0));
	l.shipper =
		shipper_new(&(struct shipper_setup){ .outbox = l.outbox, .doc = { .sensor_name = "test" } });
	l.output->delivery = (struct delivery){ .name = "redis",
		.hooks = shipper_hooks(l.shipper),
		.room = room,
		.offer = offer,
		.fds = no_fds,
		.serve = serve,
		.free = nothing };
	shipper_add(l.shipper, &l.output->delivery);
	memset(document, 'x', sizeof document);
	unsigned put = 0, lost = 0;
	char id[32];
	for (unsigned i = 0; i < 400; i++) {
		int n = snprintf(id, sizeof id, "e1-%u", i);
		struct outbox_record r = { .class = OUTBOX_ALERT,
			.level = LEVEL_CRITICAL,
			.id = bytes_of(id, (size_t)n),
			.document = bytes_of(document, sizeof document) };
		if (shipper_put(l.shipper, SHIPPER_HUB, &r)) {
			put++;
		} else {
			shipper_lose(l.shipper, SHIPPER_HUB, &r);
			lost++;
		}
	}
	assert_true(put > 200 && lost > 100);
	l.output->is_away = true;
	assert_true(shipper_start(l.shipper, NULL, NULL));
	assert_int_equal(shipper_stop(l.shipper, 300000000), put); /* nobody to tell */
	struct shipper_figures f;
	shipper_figures(l.shipper, &f);
	assert_int_equal(f.outbox.lost[OUTBOX_ALERT][LEVEL_CRITICAL], lost);
	assert_int_equal(f.outputs[0].waiting, put);
	end(&l);
	begin(&l, *state);
	l.output->delivery.figures.is_connected = true;
	assert_int_equal(shipper_stop(l.shipper, DRAIN_NS), 0);
	assert_int_equal(l.output->n, put + 1); /* and one note */
	assert_true(strncmp(l.output->ids[put], "h1-", 3) == 0);
	shipper_figures(l.shipper, &f);
	assert_int_equal(f.outputs[0].waiting, 0);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window),
		cmocka_unit_test_setup_teardown(carries, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(waits, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(goes_back, box_setup, box_teardown),
		cmocka_unit_test_setup_teardown(losses, box_setup, box_teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
