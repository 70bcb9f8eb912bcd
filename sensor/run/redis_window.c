#include "run/redis_impl.h"

#include "base/assert.h"

#include <stdlib.h>

bool window_init(struct window *w, uint32_t cap)
{
	*w = (struct window){ .slots = calloc(cap, sizeof *w->slots), .cap = cap };
	w->first_ready = w->last_ready = NO_SLOT;
	return w->slots != NULL;
}

void window_clear(struct window *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		free(w->slots[(w->head + i) % w->cap].text);
	*w = (struct window){
		.slots = w->slots, .cap = w->cap, .first_ready = NO_SLOT, .last_ready = NO_SLOT
	};
}

void window_free(struct window *w)
{
	if (w->slots)
		window_clear(w);
	free(w->slots);
}

struct slot *window_at(const struct window *w, uint32_t index)
{
	ASSERT(index < w->cap);
	return &w->slots[index];
}

uint32_t window_index(const struct window *w, const struct slot *s)
{
	return (uint32_t)(s - w->slots);
}

/* By id, ascending; from the end, since new ones are the largest. */
static void insert(struct window *w, struct slot *s)
{
	uint32_t at = window_index(w, s), after = w->last_ready;
	while (after != NO_SLOT && id_cmp(w->slots[after].id, s->id) > 0)
		after = w->slots[after].previous;
	s->previous = after;
	s->next = after == NO_SLOT ? w->first_ready : w->slots[after].next;
	if (s->next == NO_SLOT)
		w->last_ready = at;
	else
		w->slots[s->next].previous = at;
	if (after == NO_SLOT)
		w->first_ready = at;
	else
		w->slots[after].next = at;
	w->n_ready++;
	w->ready_bytes += s->n_body;
	w->n_uncertain += s->is_uncertain;
	s->state = SLOT_READY;
}

void window_take_out(struct window *w, struct slot *s)
{
	ASSERT(s->state == SLOT_READY);
	if (s->previous == NO_SLOT)
		w->first_ready = s->next;
	else
		w->slots[s->previous].next = s->next;
	if (s->next == NO_SLOT)
		w->last_ready = s->previous;
	else
		w->slots[s->next].previous = s->previous;
	s->next = s->previous = NO_SLOT;
	w->n_ready--;
	w->ready_bytes -= s->n_body;
	w->n_uncertain -= s->is_uncertain;
	s->state = SLOT_SENT;
}

void window_put_back(struct window *w, struct slot *s, bool uncertain)
{
	ASSERT(s->state == SLOT_SENT || s->state == SLOT_STORED);
	s->is_uncertain = uncertain;
	s->is_loose = s->is_loose || uncertain;
	insert(w, s);
}

void window_doubt(struct window *w, struct slot *s)
{
	ASSERT(s->state == SLOT_READY);
	w->n_uncertain += !s->is_uncertain;
	s->is_uncertain = true;
}

void window_certain(struct window *w, struct slot *s)
{
	ASSERT(s->state == SLOT_READY);
	w->n_uncertain -= s->is_uncertain;
	s->is_uncertain = false;
}

struct slot *window_add(
	struct window *w, const struct outbox_record *r, uint8_t key, struct bytes body, bool uncertain)
{
	uint8_t *text = malloc(r->id.n + body.n + 1);
	if (w->n == w->cap || !text) {
		free(text);
		return NULL;
	}
	struct slot *s = &w->slots[(w->head + w->n++) % w->cap];
	*s = (struct slot){ .number = r->number,
		.id = r->stream_id,
		.class = r->class,
		.level = r->level,
		.key = key,
		.is_uncertain = uncertain,
		.text = text,
		.n_id = (uint32_t)r->id.n,
		.n_body = (uint32_t)body.n };
	bytes_copy(text, r->id.n, r->id);
	bytes_copy(text + r->id.n, body.n, body);
	w->bytes += body.n;
	insert(w, s);
	return s;
}

bool window_pop(struct window *w, uint64_t *number)
{
	struct slot *s = &w->slots[w->head];
	if (w->n == 0 || s->state != SLOT_DONE)
		return false;
	*number = s->number;
	w->bytes -= s->n_body;
	free(s->text);
	s->text = NULL;
	w->head = (w->head + 1) % w->cap;
	w->n--;
	return true;
}
