/*
 * A full pool lets the oldest out (design.md section 7): the conversation that was silent longest gives up
 * what it holds, first one of which no whole message was understood. So that neither many conversations nor
 * many that are made up leave the next one unread.
 *
 * What a dissector asks for in the midst of its call comes out of a reserve (dissect.c); the oldest goes when
 * the call is over, since its end calls a dissector too.
 */
#include "packet/flow.h"

#define SECOND 1000000000ull

static struct dx_conv *conv_at(const struct flows *t, uint32_t i)
{
	return pool_at(&t->convs, i);
}

/* Its end is told. When it speaks again it is read again, from the middle. */
static void end_reading(struct flows *t, struct flow *f)
{
	t->evicting = true;
	stream_end(t, f);
	t->evicting = false;
	if (f->ident != IDENT_READ)
		return; /* the end was its dissector's last word */
	flow_release(t, f);
	f->ident = IDENT_NEW;
}

static void end_reader(struct flows *t, uint32_t conv)
{
	end_reading(t, pool_at(&t->pool, conv_at(t, conv)->owner));
}

void evict_conv(struct flows *t)
{
	uint32_t i = lru_oldest(&t->by_conv, 0);
	t->counters->full_states++;
	if (i)
		end_reader(t, i);
}

void evict_half(struct flows *t, uint32_t keep)
{
	uint32_t i = lru_oldest(&t->by_half, keep);
	t->counters->full_halves++;
	if (!i)
		return;
	struct flow *f = pool_at(&t->pool, ((struct half *)pool_at(&t->halves, i))->owner);
	if (f->ident == IDENT_READ) {
		end_reading(t, f);
		return;
	}
	half_release(t, f, DIR_CLIENT);
	half_release(t, f, DIR_SERVER);
}

static void note(struct lru *l, uint32_t conv, bool has, bool is_talk, uint64_t now_s)
{
	if (has)
		lru_touch(l, conv, is_talk, now_s);
	else
		lru_del(l, conv);
}

static bool has_inflater(const struct dx_conv *dc)
{
	return dc->s[0].inflater || dc->s[1].inflater;
}

void evict_after_call(struct flows *t, uint32_t conv)
{
	const struct dx_conv *dc = conv_at(t, conv);
	struct dx_engine *e = t->engine;
	uint64_t now_s = e->ts_ns / SECOND;
	uint32_t i;
	lru_touch(&t->by_conv, conv, dx_is_talk(dc), now_s);
	note(&t->by_extra, conv, dc->extra, dx_is_talk(dc), now_s);
	note(&t->by_inflater, conv, has_inflater(dc), dx_is_talk(dc), now_s);
	if (t->evicting)
		return;
	while (e->extras.used > t->limits->extras && (i = lru_oldest(&t->by_extra, conv))) {
		t->counters->full_extras++;
		end_reader(t, i);
	}
	while (e->inflaters.used > t->limits->inflaters && (i = lru_oldest(&t->by_inflater, conv))) {
		if (!has_inflater(conv_at(t, i))) { /* lost with bytes of the stream */
			lru_del(&t->by_inflater, i);
			continue;
		}
		t->counters->full_inflaters++;
		end_reader(t, i);
	}
}

void evict_forget(struct flows *t, uint32_t conv)
{
	lru_del(&t->by_conv, conv);
	lru_del(&t->by_extra, conv);
	lru_del(&t->by_inflater, conv);
}
