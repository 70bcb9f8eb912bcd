#include "run/shipper.h"

#include "base/map.h"
#include "base/ring.h"
#include "run/shipping.h"
#include "run/thread_name.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND      UINT64_C(1000000000)
#define MILLISECOND UINT64_C(1000000)

enum {
	TICK_MS = 20,
	COMMIT_MS = 100 /* acknowledgements alone */,
	FIGURES_NS = 250000000,
	GROUP = 1024,
	OFFERED_AT_ONCE = 256,
	STUCK_S = 10,
	LOSSES_S = 10, /* at least, between two notes of losses */
	LOG_S = 60
};

/* A record in a ring: this, then id and document. */
struct packed {
	enum outbox_class class;
	enum level level;
	uint32_t id, document;
};

struct lost {
	_Atomic uint64_t n[OUTBOX_CLASSES][LEVELS];
};

struct shipper {
	struct shipper_setup setup;
	struct ring rings[SHIPPER_ENDS];
	struct lost lost[SHIPPER_ENDS];
	uint64_t put[SHIPPER_ENDS], taken[SHIPPER_ENDS]; /* by who puts in; by the thread, into the group */
	_Atomic uint64_t kept[SHIPPER_ENDS];             /* of what was taken: committed */
	struct shipping outputs[OUTBOX_OUTPUTS];
	size_t n_outputs;
	struct json_doc *doc;
	/* What was taken from the rings and is not committed: a copy, since a failed group is put again. */
	uint8_t *group;
	size_t group_bytes, n_group;
	uint64_t retry_ns;  /* not before; 0: the store is fine */
	uint64_t broken_ns; /* since then it is not; 0: it is */
	_Atomic bool is_stuck;
	uint64_t notes; /* told so far: part of their ids */
	uint64_t now_ns, wall_ms;
	bool is_untold; /* there may be losses that were told nobody, also of earlier runs */
	uint64_t lost_seen, told_ns, logged_ns;
	bool is_dirty; /* the outbox has what is not committed */
	uint64_t committed_ns, progress_ns;
	bool is_running;
	_Atomic bool is_ending;
	uint64_t drain_ns;
	pthread_t thread;
	pthread_mutex_t lock; /* of shown */
	struct shipper_figures shown;
	uint64_t shown_ns, commits;
	char problem[DELIVERY_TEXT];
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

/* ---- in: hub and telling ------------------------------------------------------------------------ */

bool shipper_put(struct shipper *s, enum shipper_end end, const struct outbox_record *r)
{
	struct packed p = { r->class, r->level, (uint32_t)r->id.n, (uint32_t)r->document.n };
	if (r->document.n > SHIPPER_DOCUMENT || r->id.n > OUTBOX_ID) {
		shipper_lose(s, end, r);
		return true;
	}
	uint32_t n = (uint32_t)sizeof p + p.id + p.document;
	uint8_t *to = ring_reserve(&s->rings[end], n);
	if (!to)
		return false;
	memcpy(to, &p, sizeof p);
	memcpy(to + sizeof p, r->id.p, p.id);
	memcpy(to + sizeof p + p.id, r->document.p, p.document);
	ring_commit(&s->rings[end], n);
	s->put[end]++;
	return true;
}

bool shipper_kept(const struct shipper *s, enum shipper_end end)
{
	return atomic_load(&s->kept[end]) == s->put[end];
}

bool shipper_is_stuck(const struct shipper *s)
{
	return s->is_stuck;
}

void shipper_lose(struct shipper *s, enum shipper_end end, const struct outbox_record *r)
{
	atomic_fetch_add_explicit(&s->lost[end].n[r->class][r->level], 1, memory_order_relaxed);
}

/* ---- health ---------------------------------------------------------------------------------------- */

/* Straight into the outbox, in the transaction at hand. */
static void put_note(struct shipper *s, const struct health_note *n)
{
	char id[HEALTH_ID];
	bool fresh;
	s->notes++;
	health_json(s->doc, &s->setup.doc, n, s->wall_ms * MILLISECOND, s->notes, id);
	struct bytes document = json_nested(s->doc);
	struct outbox_record r = {
		.class = OUTBOX_HEALTH, .level = n->level, .id = bytes_str(id), .document = document
	};
	(void)outbox_put(s->setup.outbox, &r, s->wall_ms, &fresh);
	s->is_dirty = true;
}

static void tell(void *arg, const char *event, enum level level, const char *sentence)
{
	struct shipping *to = arg;
	struct shipper *s = to->owner;
	if (s->setup.log && level >= LEVEL_MEDIUM)
		log_error(s->setup.log, "%s: %s", to->delivery ? to->delivery->name : event, sentence);
	else if (s->setup.log)
		log_notice(s->setup.log, "%s: %s", to->delivery ? to->delivery->name : event, sentence);
	put_note(s, &(struct health_note){ .action = event, .level = level, .sentence = sentence });
}

static const char loss_sentence[] = "Documents for Redis and syslog were lost: the outputs were away for "
				    "longer than the outbox can hold, or "
				    "alerts came faster than the disk takes them";

/* Lost where there was no room: counted by the outbox from now on. */
static void count_lost(struct shipper *s)
{
	for (unsigned end = 0; end < SHIPPER_ENDS; end++)
		for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
			for (unsigned l = 0; l < LEVELS; l++) {
				uint64_t n = atomic_exchange_explicit(
					&s->lost[end].n[c][l], 0, memory_order_relaxed);
				outbox_lose(s->setup.outbox, c, l, n, s->wall_ms);
				s->is_dirty |= n > 0;
			}
}

/* For the log: that it is going on, while nobody else can be told. */
static void log_losses(struct shipper *s, uint64_t lost)
{
	if (!s->setup.log || (s->logged_ns && s->now_ns - s->logged_ns < LOG_S * SECOND))
		return;
	s->logged_ns = s->now_ns;
	log_error(s->setup.log, "%llu documents were lost since the state file was begun: %s",
		(unsigned long long)lost, loss_sentence);
}

static void look_for_losses(struct shipper *s, const struct outbox_figures *f)
{
	uint64_t lost = 0;
	for (unsigned c = 0; c < OUTBOX_CLASSES; c++)
		for (unsigned l = 0; l < LEVELS; l++)
			lost += f->lost[c][l];
	if (lost == s->lost_seen)
		return;
	s->is_untold = true;
	s->lost_seen = lost;
	log_losses(s, lost);
}

/* When somebody hears it: while all outputs are away the bound would force the note out as well. */
static bool may_tell_losses(const struct shipper *s)
{
	bool is_heard = false;
	for (size_t i = 0; i < s->n_outputs; i++)
		is_heard = is_heard || s->outputs[i].delivery->figures.is_connected;
	return s->is_untold && is_heard && (s->told_ns == 0 || s->now_ns - s->told_ns >= LOSSES_S * SECOND);
}

static void tell_losses(struct shipper *s)
{
	struct health_note n = {
		.action = "alerts_lost", .level = LEVEL_HIGH, .sentence = loss_sentence, .has_lost = true
	};
	if (!may_tell_losses(s))
		return;
	s->is_untold = false;
	if (!outbox_losses(s->setup.outbox, n.lost, &n.from_ms, &n.to_ms))
		return;
	s->told_ns = s->now_ns;
	put_note(s, &n);
}

/* ---- the outbox ------------------------------------------------------------------------------------- */

static size_t packed_bytes(const struct packed *p)
{
	return (sizeof *p + p->id + p->document + 7) & ~(size_t)7;
}

static void gather(struct shipper *s)
{
	uint32_t n;
	for (unsigned end = 0; end < SHIPPER_ENDS; end++) {
		const struct packed *p;
		while (s->n_group < GROUP && (p = ring_peek(&s->rings[end], &n)) != NULL &&
			s->group_bytes + packed_bytes(p) <= SHIPPER_RING_BYTES) {
			memcpy(s->group + s->group_bytes, p, n);
			s->group_bytes += packed_bytes(p);
			s->n_group++;
			s->taken[end]++;
			ring_pop(&s->rings[end]);
		}
	}
}

static bool put_group(struct shipper *s)
{
	bool fresh, fine = true;
	for (size_t at = 0, i = 0; fine && i < s->n_group; i++) {
		const struct packed *p = (const struct packed *)(const void *)(s->group + at);
		const uint8_t *text = (const uint8_t *)(p + 1);
		struct outbox_record r = { .class = p->class,
			.level = p->level,
			.id = bytes_of(text, p->id),
			.document = bytes_of(text + p->id, p->document) };
		fine = outbox_put(s->setup.outbox, &r, s->wall_ms, &fresh);
		at += packed_bytes(p);
	}
	return fine;
}

static void store_failed(struct shipper *s)
{
	s->retry_ns = s->now_ns + SECOND;
	s->broken_ns = s->broken_ns ? s->broken_ns : s->now_ns;
	s->is_stuck = s->now_ns - s->broken_ns >= STUCK_S * SECOND;
	snprintf(s->problem, sizeof s->problem, "%s", outbox_error(s->setup.outbox));
	if (s->setup.log)
		log_error(s->setup.log, "%s", s->problem);
}

/* Everything that came, and how far the deliveries are, is one transaction. True: something came. */
static bool keep(struct shipper *s)
{
	if (s->retry_ns > s->now_ns)
		return false;
	gather(s);
	count_lost(s);
	bool due = s->is_dirty && s->now_ns - s->committed_ns >= COMMIT_MS * MILLISECOND;
	if (s->n_group == 0 && !due && s->retry_ns == 0 && !may_tell_losses(s))
		return false;
	if (!put_group(s) || (tell_losses(s), !outbox_commit(s->setup.outbox))) {
		s->is_untold = true;
		store_failed(s);
		return false;
	}
	bool came = s->n_group > 0;
	s->commits++;
	s->n_group = s->group_bytes = 0;
	s->is_dirty = false;
	s->committed_ns = s->now_ns;
	for (unsigned end = 0; end < SHIPPER_ENDS; end++)
		atomic_store(&s->kept[end], s->taken[end]);
	s->retry_ns = s->broken_ns = 0;
	s->is_stuck = false;
	*s->problem = 0;
	return came;
}

/* ---- out: deliveries --------------------------------------------------------------------------------- */

static void offer(struct shipper *s, size_t which)
{
	struct shipping *to = &s->outputs[which];
	struct outbox_record records[OFFERED_AT_ONCE];
	size_t room = to->delivery->room(to->delivery), left = shipping_room(to);
	room = room < left ? room : left;
	while (room > 0) {
		size_t cap = room < OFFERED_AT_ONCE ? room : OFFERED_AT_ONCE;
		size_t n = outbox_read(s->setup.outbox, which, to->offered, records, cap);
		for (size_t i = 0; i < n; i++) {
			bool again = records[i].number <= to->offered_before;
			shipping_offered(to, records[i].number);
			to->delivery->offer(to->delivery, &records[i], again, s->now_ns);
		}
		room -= n;
		if (n == 0)
			return;
	}
}

static void delivered(void *arg, uint64_t number)
{
	struct shipping *to = arg;
	uint64_t before = to->cursor;
	shipping_delivered(to, number);
	if (to->cursor == before)
		return;
	outbox_acknowledge(to->owner->setup.outbox, to->index, to->cursor);
	to->owner->is_dirty = true;
	to->owner->progress_ns = to->owner->now_ns;
}

static bool renew(void *arg, uint64_t number, struct outbox_id *fresh)
{
	struct shipping *to = arg;
	return outbox_renew(to->owner->setup.outbox, to->index, number, to->owner->wall_ms, fresh);
}

static bool above(void *arg, struct outbox_id id)
{
	struct shipping *to = arg;
	return outbox_above(to->owner->setup.outbox, to->index, id);
}

static void rewind_to(void *arg, uint64_t number)
{
	shipping_rewind(arg, number);
}

/* ---- the thread -----------------------------------------------------------------------------------------
 */

static void show(struct shipper *s, bool now)
{
	if (!now && s->now_ns - s->shown_ns < FIGURES_NS)
		return;
	s->shown_ns = s->now_ns;
	pthread_mutex_lock(&s->lock);
	outbox_figures(s->setup.outbox, &s->shown.outbox);
	look_for_losses(s, &s->shown.outbox);
	for (size_t i = 0; i < s->n_outputs; i++) {
		s->shown.outputs[i].figures = s->outputs[i].delivery->figures;
		/* Numbers that were lost are none that wait. */
		uint64_t behind = s->shown.outbox.last_number - s->outputs[i].cursor;
		s->shown.outputs[i].waiting =
			behind < s->shown.outbox.waiting ? behind : s->shown.outbox.waiting;
	}
	s->shown.commits = s->commits;
	memcpy(s->shown.problem, s->problem, sizeof s->problem);
	pthread_mutex_unlock(&s->lock);
}

static bool is_empty(struct shipper *s)
{
	uint32_t n;
	bool empty = s->n_group == 0;
	for (unsigned end = 0; end < SHIPPER_ENDS; end++)
		empty = empty && !ring_peek(&s->rings[end], &n);
	return empty;
}

static bool all_delivered(const struct shipper *s)
{
	struct outbox_figures f;
	outbox_figures(s->setup.outbox, &f);
	return f.waiting == 0 && !s->is_dirty;
}

/* Without any output to wait for, or with a store that is broken, it ends when its time is over. */
static bool is_over(struct shipper *s, uint64_t *deadline_ns)
{
	if (!s->is_ending)
		return false;
	/* Offline there is time for as long as somebody takes what there is. */
	if (*deadline_ns == 0 || (!s->setup.log && s->progress_ns + s->drain_ns > *deadline_ns))
		*deadline_ns = s->now_ns + s->drain_ns;
	return s->now_ns >= *deadline_ns || (is_empty(s) && all_delivered(s));
}

static void *ship(void *arg)
{
	struct shipper *s = arg;
	struct pollfd fds[OUTBOX_OUTPUTS * DELIVERY_FDS];
	uint64_t deadline_ns = 0;
	thread_name("ww-ship", 0);
	if (s->setup.begin && !s->setup.begin(s->setup.arg))
		return NULL;
	do {
		uint64_t next_ns;
		size_t n = 0;
		s->now_ns = clock_ns(CLOCK_MONOTONIC);
		s->wall_ms = clock_ns(CLOCK_REALTIME) / MILLISECOND;
		bool busy = keep(s);
		next_ns = s->now_ns + TICK_MS * MILLISECOND;
		for (size_t i = 0; i < s->n_outputs; i++) {
			struct delivery *d = s->outputs[i].delivery;
			offer(s, i);
			uint64_t due = d->serve(d, s->now_ns, s->wall_ms);
			next_ns = due < next_ns ? due : next_ns;
			n += d->fds(d, fds + n);
		}
		show(s, false);
		uint64_t wait = next_ns > s->now_ns ? (next_ns - s->now_ns) / MILLISECOND + 1 : 0;
		if (!busy)
			(void)poll(fds, n, (int)(wait < TICK_MS ? wait : TICK_MS));
	} while (!is_over(s, &deadline_ns));
	(void)keep(s);
	show(s, true);
	return NULL;
}

/* ---- start and end
 * ----------------------------------------------------------------------------------------- */

struct shipper *shipper_new(const struct shipper_setup *setup)
{
	struct shipper *s = map_new(sizeof *s);
	if (!s)
		return NULL;
	s->setup = *setup;
	s->is_untold = true;
	pthread_mutex_init(&s->lock, NULL);
	s->doc = json_new();
	s->group = map_new(SHIPPER_RING_BYTES);
	bool fine = s->doc && s->group;
	for (unsigned end = 0; end < SHIPPER_ENDS; end++)
		fine = ring_init(&s->rings[end], SHIPPER_RING_BYTES) && fine;
	if (fine)
		return s;
	shipper_free(s);
	return NULL;
}

struct delivery_hooks shipper_hooks(struct shipper *s)
{
	struct shipping *to = &s->outputs[s->n_outputs];
	to->owner = s;
	to->index = s->n_outputs;
	return (struct delivery_hooks){ .delivered = delivered,
		.renew = renew,
		.above = above,
		.rewind = rewind_to,
		.tell = tell,
		.arg = to };
}

void shipper_add(struct shipper *s, struct delivery *d)
{
	struct outbox_figures f;
	struct shipping *to = &s->outputs[s->n_outputs];
	outbox_figures(s->setup.outbox, &f);
	to->delivery = d;
	/* A run before this one may have sent all that it left. */
	shipping_begin(to, outbox_cursor(s->setup.outbox, s->n_outputs), f.last_number);
	s->shown.outputs[s->n_outputs].name = d->name;
	s->shown.n_outputs = ++s->n_outputs;
}

bool shipper_start(struct shipper *s, bool (*begin)(void *arg), void *arg)
{
	s->setup.begin = begin;
	s->setup.arg = arg;
	errno = pthread_create(&s->thread, NULL, ship, s);
	s->is_running = errno == 0;
	return s->is_running;
}

void shipper_figures(struct shipper *s, struct shipper_figures *f)
{
	pthread_mutex_lock(&s->lock);
	*f = s->shown;
	pthread_mutex_unlock(&s->lock);
}

uint64_t shipper_stop(struct shipper *s, uint64_t drain_ns)
{
	struct shipper_figures f = { 0 };
	s->drain_ns = drain_ns;
	atomic_store(&s->is_ending, true);
	if (s->is_running)
		pthread_join(s->thread, NULL);
	s->is_running = false;
	shipper_figures(s, &f);
	return f.outbox.waiting;
}

void shipper_free(struct shipper *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_outputs; i++)
		s->outputs[i].delivery->free(s->outputs[i].delivery);
	for (unsigned end = 0; end < SHIPPER_ENDS; end++)
		ring_fini(&s->rings[end]);
	json_free(s->doc);
	map_free(s->group, SHIPPER_RING_BYTES);
	pthread_mutex_destroy(&s->lock);
	map_free(s, sizeof *s);
}
