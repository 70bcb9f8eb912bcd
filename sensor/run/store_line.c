#include "run/store_line.h"

#include "base/assert.h"

#include <string.h>

/* A record in the ring: this, then what it points to one behind the other. */
struct packed {
	struct store_record record;
	struct store_run run; /* STORE_END */
	uint32_t name, key, document, state;
};

bool store_line_init(struct store_line *l)
{
	memset(l, 0, sizeof *l);
	return ring_init(&l->ring, STORE_LINE_BYTES);
}

void store_line_fini(struct store_line *l)
{
	ring_fini(&l->ring);
}

/* ---- hub ------------------------------------------------------------------------------------------------
 */

static uint8_t *append(uint8_t *to, const void *p, size_t n)
{
	if (n)
		memcpy(to, p, n);
	return to + n;
}

/* What is larger than a record of a ring can ever be is kept without its document. */
static void clip(struct store_record *r)
{
	if (r->document.n > STORE_LINE_BYTES / 4)
		r->document = (struct bytes){ 0 };
}

static bool hand_on(struct store_line *l, const struct store_record *r, const struct store_run *run)
{
	struct packed p = { .record = *r,
		.name = (uint32_t)(r->name ? strlen(r->name) + 1 : 0),
		.key = (uint32_t)r->key.n,
		.state = (uint32_t)r->state.n };
	clip(&p.record);
	p.document = (uint32_t)p.record.document.n;
	if (run)
		p.run = *run;
	uint32_t n = (uint32_t)sizeof p + p.name + p.key + p.document + p.state;
	uint8_t *to = ring_reserve(&l->ring, n);
	if (!to)
		return false;
	to = append(to, &p, sizeof p);
	to = append(to, r->name, p.name);
	to = append(to, r->key.p, p.key);
	to = append(to, p.record.document.p, p.document);
	(void)append(to, r->state.p, p.state);
	ring_commit(&l->ring, n);
	return true;
}

static bool hand_end(
	struct store_line *l, const struct state *s, uint64_t first_ns, uint64_t last_ns, bool is_cut)
{
	struct store_record end = { .kind = STORE_END };
	struct store_run run = state_run(s);
	run.first_ns = first_ns;
	run.last_ns = last_ns;
	run.whole = run.whole && !is_cut;
	l->is_ending = !hand_on(l, &end, &run);
	l->is_begun = l->is_ending;
	return !l->is_ending;
}

bool store_line_save(
	struct store_line *l, struct state *s, uint64_t first_ns, uint64_t last_ns, unsigned looks)
{
	struct store_record r;
	if (l->is_ending)
		return hand_end(l, s, first_ns, last_ns, false);
	if (!l->is_begun && atomic_exchange(&l->lost, false))
		state_all(s);
	l->is_begun = true;
	for (; looks > 0; looks--) {
		enum state_step step = state_step(s, &r);
		if (step == STATE_STEP_OVER)
			return hand_end(l, s, first_ns, last_ns, false);
		if (step == STATE_STEP_RECORD && !hand_on(l, &r, NULL)) {
			state_again(s);
			return false;
		}
	}
	return false;
}

bool store_line_cut(struct store_line *l, struct state *s, uint64_t first_ns, uint64_t last_ns)
{
	return !l->is_begun || hand_end(l, s, first_ns, last_ns, !l->is_ending);
}

/* ---- shipper --------------------------------------------------------------------------------------------
 */

static bool write_one(struct store_line *l, struct store *s, const struct packed *p)
{
	const uint8_t *at = (const uint8_t *)(p + 1);
	struct store_record r = p->record;
	r.name = p->name ? (const char *)at : NULL;
	at += p->name;
	r.key = bytes_of(at, p->key);
	at += p->key;
	r.document = bytes_of(at, p->document);
	at += p->document;
	r.state = bytes_of(at, p->state);
	bool is_end = r.kind == STORE_END, was_skipped = l->is_skipped;
	l->is_skipped = is_end ? false : was_skipped;
	if (was_skipped)
		return true;
	if (l->on_device && r.kind == STORE_DEVICE)
		l->on_device(l->arg, &r);
	bool fine = store_is_open(s) || store_begin(s);
	fine = fine && (is_end ? store_commit(s, &p->run) : store_put(s, &r));
	if (fine)
		return true;
	l->is_skipped = !is_end;
	atomic_store(&l->lost, true);
	return false;
}

bool store_line_take(struct store_line *l, struct store *s)
{
	uint32_t n;
	bool fine = true;
	/* The next save begins with no error: that of this one is said before. */
	for (const void *p; fine && (p = ring_peek(&l->ring, &n)) != NULL; ring_pop(&l->ring)) {
		ASSERT(n >= sizeof(struct packed));
		fine = write_one(l, s, p);
	}
	return fine;
}
