/* Records out, and what is answered to them. */
#include "run/redis_impl.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>

enum { TOPS_MOST = 4 /* so often an id is refused before the server is taken for a liar */ };

bool send_is_here(const struct redis *r, uint8_t key)
{
	return r->keys[key].is_away == r->is_asking;
}

bool send_top(struct redis *r, uint8_t key)
{
	return command_words(
		r, COMMAND_TOP, key, (const char *const[]){ "XINFO", "STREAM", r->keys[key].name }, 3);
}

static struct bytes body_of(const struct slot *s)
{
	return bytes_of(s->text + s->n_id, s->n_body);
}

/* ---- acknowledged ------------------------------------------------------------------------------- */

static void larger(struct outbox_id *of, struct outbox_id id)
{
	if (id_cmp(id, *of) > 0)
		*of = id;
}

static void done(struct redis *r, struct slot *s)
{
	struct key *k = &r->keys[s->key];
	if (s->state == SLOT_READY)
		window_take_out(&r->window, s);
	s->state = SLOT_DONE;
	if (r->s.mode == REDIS_STREAM) {
		larger(&k->acked, s->id);
		larger(&k->top, s->id);
		larger(&k->largest, s->id);
		r->history[r->history_at] = (struct acked){ .number = s->number, .id = s->id, .key = s->key };
		r->history_at = (r->history_at + 1) % REDIS_HISTORY;
		r->history_n += r->history_n < REDIS_HISTORY;
	}
	if (s->sent_ns)
		r->d.figures.latency_ns = r->now_ns - s->sent_ns;
	r->d.figures.sent++;
	r->redirections = 0;
}

static void acknowledged(struct redis *r, struct slot *s)
{
	done(r, s);
	redis_went_well(r);
	tell_right(r);
}

static void stored(struct redis *r, struct slot *s)
{
	if (!r->s.wait_replicas) {
		acknowledged(r, s);
		return;
	}
	larger(&r->keys[s->key].top, s->id);
	s->state = SLOT_STORED;
	r->window.n_stored++;
}

void send_release(struct redis *r)
{
	uint64_t number;
	while (window_pop(&r->window, &number))
		r->d.hooks.delivered(r->d.hooks.arg, number);
}

/* ---- out ------------------------------------------------------------------------------------------ */

static void set_sent(struct redis *r, struct slot *s)
{
	window_take_out(&r->window, s);
	s->sent_ns = r->now_ns;
	larger(&r->keys[s->key].sent, s->id);
	larger(&r->keys[s->key].largest, s->id);
}

static bool send_add(struct redis *r, struct slot *s, enum command c)
{
	struct bytes a[16];
	char id[48], limit[24];
	size_t n = 0;
	static const char *const classes[OUTBOX_CLASSES] = { "alert", "asset", "health" };
	snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, s->id.ms, s->id.seq);
	a[n++] = bytes_str("XADD");
	a[n++] = bytes_str(r->keys[s->key].name);
	if (r->trims && (r->s.trim_age_ms || r->s.trim_entries)) {
		uint64_t oldest = r->wall_ms > r->s.trim_age_ms ? r->wall_ms - r->s.trim_age_ms : 0;
		snprintf(limit, sizeof limit, "%" PRIu64, r->s.trim_age_ms ? oldest : r->s.trim_entries);
		a[n++] = bytes_str(r->s.trim_age_ms ? "MINID" : "MAXLEN");
		a[n++] = bytes_str(r->s.trim_exactly ? "=" : "~");
		a[n++] = bytes_str(limit);
	}
	a[n++] = bytes_str(id);
	a[n++] = bytes_str(r->s.field);
	a[n++] = body_of(s);
	if (r->s.extra_fields) {
		a[n++] = bytes_str("id");
		a[n++] = bytes_of(s->text, s->n_id);
		a[n++] = bytes_str("kind");
		a[n++] = bytes_str(classes[s->class]);
		a[n++] = bytes_str("level");
		a[n++] = bytes_str(level_name(s->level));
		a[n++] = bytes_str("v");
		a[n++] = bytes_str("1");
	}
	/* Inside MULTI the batch's EXEC answers for it. */
	bool is_alone = c == COMMAND_ADD;
	if (!command_send(r, c, a, n, s->key, is_alone ? window_index(&r->window, s) : NO_SLOT, is_alone))
		return false;
	set_sent(r, s);
	return true;
}

static bool send_publish(struct redis *r, struct slot *s)
{
	struct bytes a[] = { bytes_str("PUBLISH"), bytes_str(r->keys[s->key].name), body_of(s) };
	if (!command_send(r, COMMAND_PUBLISH, a, 3, s->key, window_index(&r->window, s), 1))
		return false;
	set_sent(r, s);
	return true;
}

/* Links what is SENT to the end of a command's chain. */
static void chain(struct redis *r, uint32_t *first, uint32_t *last, struct slot *s)
{
	uint32_t at = window_index(&r->window, s);
	if (*first == NO_SLOT)
		*first = at;
	else
		window_at(&r->window, *last)->next = at;
	*last = at;
}

/* One command for as many of one key as there are and a batch holds. */
static bool send_push(struct redis *r)
{
	struct bytes a[2 + 256] = { bytes_str("RPUSH") };
	struct slot *of[256];
	size_t n = 0, bytes = 0;
	for (uint32_t at = r->window.first_ready; at != NO_SLOT && n < r->s.max_entries;) {
		struct slot *s = window_at(&r->window, at);
		at = s->next;
		if (n && bytes + s->n_body > r->s.max_bytes)
			break;
		if (!send_is_here(r, s->key) || (n && s->key != of[0]->key))
			continue;
		bytes += s->n_body;
		a[2 + n] = body_of(s);
		of[n++] = s;
	}
	if (!n)
		return false;
	a[1] = bytes_str(r->keys[of[0]->key].name);
	if (!command_send(
		    r, COMMAND_PUSH, a, 2 + n, of[0]->key, window_index(&r->window, of[0]), (uint32_t)n))
		return false;
	uint32_t first = NO_SLOT, last = NO_SLOT;
	for (size_t i = 0; i < n; i++) {
		set_sent(r, of[i]);
		chain(r, &first, &last, of[i]);
	}
	return true;
}

/* A new id, larger than all that the stream has. False: not now. */
static bool renew(struct redis *r, struct slot *s)
{
	const struct delivery_hooks *h = &r->d.hooks;
	struct key *k = &r->keys[s->key];
	struct outbox_id id;
	bool is_new = h->renew(h->arg, s->number, &id);
	if (is_new && id_cmp(id, k->sent) <= 0)
		is_new = h->above(h->arg, k->sent) && h->renew(h->arg, s->number, &id) &&
			 id_cmp(id, k->sent) > 0;
	if (!is_new) { /* the disk: the outbox says so itself */
		redis_pause(r);
		return false;
	}
	window_take_out(&r->window, s);
	s->id = id;
	s->is_renewing = s->is_loose = false;
	window_put_back(&r->window, s, false);
	return true;
}

/* Its id is used up, but it may have come to be stored under it since it was last looked for: true, and it is
 * looked up before anything else goes. */
static bool doubt(struct redis *r, struct slot *s)
{
	if (s->is_renewing || !s->is_loose || r->may_not_read)
		return false;
	if (id_cmp(s->id, r->keys[s->key].top) <= 0)
		window_doubt(&r->window, s);
	r->is_settling = true;
	return true;
}

/* The first that can go from here, with an id that the stream will take; NULL: none. */
static struct slot *next_to_add(struct redis *r)
{
	for (uint32_t at = r->window.first_ready; at != NO_SLOT;) {
		struct slot *s = window_at(&r->window, at);
		struct key *k = &r->keys[s->key];
		at = s->next;
		if (!send_is_here(r, s->key))
			continue;
		if (r->may_not_read && s->is_uncertain && id_cmp(s->id, k->top) <= 0) {
			/* Batches are stored whole and one after the other. */
			r->d.figures.duplicates++;
			done(r, s);
		} else if (s->is_renewing || id_cmp(s->id, k->sent) <= 0) {
			if (doubt(r, s) || !renew(r, s))
				return NULL;
			at = r->window.first_ready;
		} else {
			return s;
		}
	}
	return NULL;
}

static void send_wait(struct redis *r)
{
	char replicas[16], timeout[24];
	snprintf(replicas, sizeof replicas, "%u", r->s.wait_replicas);
	snprintf(timeout, sizeof timeout, "%" PRIu64, r->s.wait_ms);
	command_words(r, COMMAND_WAIT, 0, (const char *const[]){ "WAIT", replicas, timeout }, 3);
}

/* One batch alone under way, all of it or nothing. */
static void send_transaction(struct redis *r)
{
	uint32_t first = NO_SLOT, last = NO_SLOT, n = 0;
	size_t bytes = 0;
	struct slot *s = r->pending_n ? NULL : next_to_add(r);
	if (!s || !command_words(r, COMMAND_MULTI, s->key, (const char *const[]){ "MULTI" }, 1))
		return;
	r->aborting = NULL;
	for (; s && n < r->s.max_entries && (!n || bytes + s->n_body <= r->s.max_bytes); n++) {
		if (!send_add(r, s, COMMAND_QUEUED))
			break;
		bytes += s->n_body;
		chain(r, &first, &last, s);
		s = next_to_add(r);
	}
	struct bytes exec = bytes_str("EXEC");
	bool is_sent = command_send(r, COMMAND_EXEC, &exec, 1, 0, first, n);
	ASSERT(is_sent); /* buffers hold a batch and more (redis.c) */
	if (r->s.wait_replicas)
		send_wait(r);
}

static void send_stream(struct redis *r)
{
	struct slot *s;
	bool any = false;
	if (r->may_not_read) {
		send_transaction(r);
		return;
	}
	while ((s = next_to_add(r)) && send_add(r, s, COMMAND_ADD))
		any = true;
	if (any && r->s.wait_replicas)
		send_wait(r);
}

static void send_batches(struct redis *r)
{
	if (r->s.mode == REDIS_STREAM)
		send_stream(r);
	else if (r->s.mode == REDIS_LIST)
		while (send_push(r))
			;
	else
		for (uint32_t at = r->window.first_ready; at != NO_SLOT;) {
			struct slot *s = window_at(&r->window, at);
			at = s->next;
			if (send_is_here(r, s->key) && !send_publish(r, s))
				break;
		}
}

/* ---- what has to be known before records go ------------------------------------------------------ */

/* True: last ids are asked for, and nothing else goes meanwhile. */
static bool ask_tops(struct redis *r)
{
	bool any = false;
	for (uint8_t i = 0; i < r->n_keys; i++) {
		any = any || (r->keys[i].is_stale && send_is_here(r, i));
		if (r->keys[i].is_stale && send_is_here(r, i) && r->pending_n == 0)
			send_top(r, i);
	}
	return any;
}

static bool look_up(struct redis *r, struct slot *s)
{
	char id[48];
	snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, s->id.ms, s->id.seq);
	struct bytes a[] = { bytes_str("XRANGE"), bytes_str(r->keys[s->key].name), bytes_str(id),
		bytes_str(id) };
	if (!command_send(r, COMMAND_LOOKUP, a, 4, s->key, window_index(&r->window, s), 1))
		return false;
	window_take_out(&r->window, s);
	return true;
}

/* True: some are looked up, and nothing else goes meanwhile. */
static bool look_up_uncertain(struct redis *r)
{
	bool any = false;
	if (r->may_not_read || r->window.n_uncertain == 0)
		return false;
	for (uint32_t at = r->window.first_ready; at != NO_SLOT && r->window.n_uncertain;) {
		struct slot *s = window_at(&r->window, at);
		at = s->next;
		if (!s->is_uncertain || !send_is_here(r, s->key))
			continue;
		if (id_cmp(s->id, r->keys[s->key].top) > 0) {
			window_certain(&r->window, s);
			continue;
		}
		any = true;
		if (!look_up(r, s))
			break;
	}
	return any;
}

static bool is_due(const struct redis *r)
{
	const struct window *w = &r->window;
	return w->n_ready &&
	       (w->n_ready >= r->s.max_entries || w->ready_bytes >= r->s.max_bytes || w->n == w->cap ||
		       window_at(w, w->first_ready)->offered_ns + r->s.max_delay_ns <= r->now_ns);
}

uint64_t send_next_ns(const struct redis *r)
{
	const struct window *w = &r->window;
	if (redis_is_paused(r))
		return r->again_ns;
	if (!w->n_ready || r->pending_n)
		return UINT64_MAX; /* the answer is what is waited for */
	return window_at(w, w->first_ready)->offered_ns + r->s.max_delay_ns;
}

void send_due(struct redis *r)
{
	if (r->pending_n == 0) {
		r->is_settling = false;
		for (uint8_t i = 0; i < r->n_keys; i++)
			r->keys[i].sent = r->keys[i].top;
	}
	if (redis_is_paused(r) || r->is_settling || ask_tops(r))
		return;
	for (uint32_t i = 0; i < r->pending_n; i++)
		if (r->pending[(r->pending_head + i) % r->pending_cap].command == COMMAND_LOOKUP)
			return;
	if (r->window.n_uncertain && look_up_uncertain(r))
		return;
	if (r->window.n_stored && r->pending_n == 0)
		send_wait(r);
	if (!is_due(r))
		return;
	send_batches(r);
	if (r->pending_n == 0 && r->window.n_ready && !redis_is_paused(r))
		find_other(r);
}

/* ---- answers ---------------------------------------------------------------------------------------- */

static void put_back(struct redis *r, const struct pending *p, bool uncertain)
{
	uint32_t next;
	for (uint32_t at = p->first, i = 0; i < p->n; i++, at = next) {
		struct slot *s = window_at(&r->window, at);
		next = s->next;
		window_put_back(&r->window, s, uncertain);
		r->d.figures.retries++;
	}
	r->is_settling = true;
}

/* An answer that cannot be: what it was about may be there or not. */
static void no_sense(struct redis *r, const struct pending *p)
{
	put_back(r, p, r->s.mode == REDIS_STREAM);
	redis_protocol(r, command_name(p->command));
}

static void too_small(struct redis *r, struct slot *s)
{
	struct key *k = &r->keys[s->key];
	r->is_settling = true;
	if (r->may_not_read && s->is_uncertain) {
		r->d.figures.duplicates++;
		done(r, s);
		return;
	}
	r->d.figures.retries++;
	k->is_stale = true;
	s->tops++;
	s->is_renewing = r->may_not_read;
	window_put_back(&r->window, s, !r->may_not_read);
}

/* One record's answer, of XADD. Gives the refusal that is to be acted on, or NULL. */
static const struct refusal *take_add(struct redis *r, struct slot *s, const redisReply *reply)
{
	if (!reply_is_error(reply)) {
		stored(r, s);
		return NULL;
	}
	const struct refusal *f = refusal_of(reply);
	r->d.figures.errors++;
	if (f->action == REFUSAL_TOP) {
		too_small(r, s);
		return s->tops >= TOPS_MOST ? f : NULL;
	}
	window_put_back(&r->window, s, false);
	r->d.figures.retries++;
	r->is_settling = true;
	return f;
}

static bool is_id_of(const redisReply *reply, const struct slot *s)
{
	struct outbox_id id;
	return reply_is_error(reply) || (reply_id(reply, &id) && id_cmp(id, s->id) == 0);
}

static void added(struct redis *r, const struct pending *p, const redisReply *reply)
{
	struct slot *s = window_at(&r->window, p->first);
	if (!is_id_of(reply, s)) {
		no_sense(r, p);
		return;
	}
	const struct refusal *f = take_add(r, s, reply);
	if (f && f->action == REFUSAL_REDIRECT)
		find_redirect(r, p->key, reply);
	else if (f)
		tell_refusal(r, p, f);
}

static void executed(struct redis *r, const struct pending *p, const redisReply *reply)
{
	const struct refusal *f = NULL;
	uint32_t next, at = p->first;
	if (reply_is_error(reply)) {
		f = r->aborting && refusal_of(reply)->action == REFUSAL_ABORTED ? r->aborting
										: refusal_of(reply);
		r->d.figures.errors++;
		put_back(r, p, false);
		tell_refusal(r, p, f);
		return;
	}
	for (uint32_t i = 0; i < p->n; i++, at = window_at(&r->window, at)->next)
		if (!reply_at(reply, i) || !is_id_of(reply_at(reply, i), window_at(&r->window, at))) {
			no_sense(r, p);
			return;
		}
	at = p->first;
	for (uint32_t i = 0; i < p->n; i++, at = next) {
		struct slot *s = window_at(&r->window, at);
		next = s->next;
		const struct refusal *one = take_add(r, s, reply_at(reply, i));
		f = f ? f : one;
	}
	if (f)
		tell_refusal(r, p, f);
}

static void pushed(struct redis *r, const struct pending *p, const redisReply *reply)
{
	int64_t n = 0;
	uint32_t next;
	if (reply_is_error(reply)) {
		r->d.figures.errors++;
		put_back(r, p, false);
		tell_refused(r, p, reply);
		return;
	}
	/* RPUSH gives the length after it, PUBLISH the number of those who heard. */
	if (!reply_number(reply, &n) || n < (p->command == COMMAND_PUSH ? (int64_t)p->n : 0)) {
		no_sense(r, p);
		return;
	}
	r->d.figures.no_receiver += p->command == COMMAND_PUBLISH && n == 0;
	for (uint32_t at = p->first, i = 0; i < p->n; i++, at = next) {
		struct slot *s = window_at(&r->window, at);
		next = s->next;
		stored(r, s);
	}
	if (r->window.n_stored)
		send_wait(r);
}

static bool is_ours(const struct redis *r, const struct slot *s, const redisReply *entry)
{
	struct outbox_id id;
	const redisReply *fields = reply_at(entry, 1);
	if (!reply_id(reply_at(entry, 0), &id) || id_cmp(id, s->id) != 0)
		return false;
	return r->s.extra_fields ? bytes_eq(reply_text(reply_named(fields, "id")), bytes_of(s->text, s->n_id))
				 : bytes_eq(reply_text(reply_named(fields, r->s.field)), body_of(s));
}

static void looked_up(struct redis *r, const struct pending *p, const redisReply *reply)
{
	struct slot *s = window_at(&r->window, p->first);
	struct key *k = &r->keys[p->key];
	if (reply_is_error(reply)) {
		put_back(r, p, true);
		tell_refused(r, p, reply);
	} else if (reply->type != REDIS_REPLY_ARRAY || reply->elements > 1) {
		no_sense(r, p);
	} else if (reply->elements == 1 && is_ours(r, s, reply_at(reply, 0))) {
		r->d.figures.duplicates++;
		done(r, s);
	} else {
		/* What is at or below the last id and not there never will be. */
		s->is_renewing = id_cmp(s->id, k->top) <= 0;
		window_put_back(&r->window, s, false);
		if (reply->elements == 1 || (s->tops && id_cmp(k->top, k->largest) > 0))
			tell_second(r, p->key);
	}
}

static void waited(struct redis *r, const redisReply *reply, const struct pending *p)
{
	int64_t n;
	if (reply_is_error(reply)) {
		tell_refused(r, p, reply);
	} else if (!reply_number(reply, &n)) {
		redis_protocol(r, "WAIT");
	} else if (n < (int64_t)r->s.wait_replicas) {
		char text[DELIVERY_TEXT];
		snprintf(text, sizeof text,
			"%.100s has %" PRId64 " replicas that keep up, %u are asked for (wait_replicas): see "
			"INFO replication there",
			connection_name(r->connection), n < 0 ? 0 : n, r->s.wait_replicas);
		tell_problem(r, "redis_replicas", LEVEL_HIGH, true, text);
		redis_pause(r);
	} else {
		for (uint32_t i = 0; i < r->window.n; i++) {
			struct slot *s = window_at(&r->window, (r->window.head + i) % r->window.cap);
			if (s->state == SLOT_STORED)
				acknowledged(r, s);
		}
		r->window.n_stored = 0;
	}
}

static void take_top(struct redis *r, const struct pending *p, const redisReply *reply)
{
	struct key *k = &r->keys[p->key];
	struct outbox_id top = { 0 };
	if (reply_is_error(reply) && refusal_of(reply)->action != REFUSAL_NO_KEY) {
		tell_refused(r, p, reply);
		return;
	}
	if (!reply_is_error(reply) && !reply_id(reply_named(reply, "last-generated-id"), &top)) {
		redis_protocol(r, "XINFO STREAM");
		return;
	}
	k->is_stale = false;
	if (id_cmp(top, k->largest) > 0) {
		if (r->may_not_read)
			tell_second(r, p->key);
		r->d.hooks.above(r->d.hooks.arg, top);
	}
	k->top = k->sent = top;
}

void send_answer(struct redis *r, const struct pending *p, const redisReply *reply)
{
	switch (p->command) {
	case COMMAND_ADD:
		added(r, p, reply);
		break;
	case COMMAND_PUSH:
	case COMMAND_PUBLISH:
		pushed(r, p, reply);
		break;
	case COMMAND_EXEC:
		executed(r, p, reply);
		break;
	case COMMAND_QUEUED:
		if (reply_is_error(reply) && refusal_of(reply)->action == REFUSAL_REDIRECT)
			find_redirect(r, p->key, reply);
		else if (reply_is_error(reply))
			r->aborting = r->aborting ? r->aborting : refusal_of(reply);
		else if (!reply_is_status(reply, "QUEUED"))
			redis_protocol(r, "XADD");
		break;
	case COMMAND_LOOKUP:
		looked_up(r, p, reply);
		break;
	case COMMAND_WAIT:
		waited(r, reply, p);
		break;
	case COMMAND_TOP:
		take_top(r, p, reply);
		break;
	default:
		if (reply_is_error(reply))
			tell_refused(r, p, reply);
		else if (!reply_is_status(reply, "OK"))
			redis_protocol(r, command_name(p->command));
	}
}
