/* How bytes become messages: framing, buffering, skips, gaps, resync. The contract is dissect.h's. */
#include "packet/engine.h"

#include "base/assert.h"
#include "base/map.h"

#include <zlib.h>

enum { STRIKES = 3, EXPECT_SECONDS = 60, INFLATE_MEMORY = 49152 };
/* What one call can take beyond the limit: the oldest gives it back when the call is over (evict.c). */
enum { SPARE_EXTRAS = 1, SPARE_INFLATERS = 2 };

struct inflater {
	z_stream z;
	size_t used;
	bool begun, ended;
	_Alignas(16) uint8_t memory[INFLATE_MEMORY];
	uint8_t out[INFLATE_BYTES];
};

bool dx_engine_init(struct dx_engine *e, const struct limits *l, struct counters *c, struct ring *r,
	const struct privacy_key *key, void (*on_full)(void *), void *arg)
{
	*e = (struct dx_engine){
		.limits = l, .counters = c, .ring = r, .key = key, .on_full = on_full, .on_full_arg = arg
	};
	bool ok = buddy_init(&e->memory, l->stream_total_mib << 20);
	for (unsigned p = 0; p < PROTO_DISSECTED; p++)
		if (dissectors[p]->state_size)
			ok &= pool_init(&e->states[p], dissectors[p]->state_size, l->states);
	ok &= pool_init(&e->extras, EXTRA_BYTES, l->extras + SPARE_EXTRAS);
	ok &= pool_init(&e->inflaters, sizeof(struct inflater), l->inflaters + SPARE_INFLATERS);
	e->expectations = map_new(l->expectations * sizeof *e->expectations);
	return ok && e->expectations;
}

void dx_engine_fini(struct dx_engine *e)
{
	buddy_fini(&e->memory);
	for (unsigned p = 0; p < PROTO_DISSECTED; p++)
		pool_fini(&e->states[p]);
	pool_fini(&e->extras);
	pool_fini(&e->inflaters);
	if (e->expectations)
		map_free(e->expectations, e->limits->expectations * sizeof *e->expectations);
}

void dx_engine_packet(struct dx_engine *e, uint64_t ts_ns, uint64_t packet)
{
	e->ts_ns = ts_ns;
	e->packet = packet;
	e->turn = TURN_PACKET;
}

bool dx_conv_init(struct dx_engine *e, struct dx_conv *dc, enum proto proto, bool midstream)
{
	*dc = (struct dx_conv){ .proto = (uint8_t)proto, .midstream = midstream };
	for (int d = 0; d < 2; d++)
		dc->s[d].resync = dc->s[d].far = midstream && dissectors[proto]->resync;
	if (dissectors[proto]->state_size == 0)
		return true;
	dc->state = pool_get(&e->states[proto]);
	if (!dc->state)
		e->counters->full_states++;
	return dc->state != 0;
}

static void tail_drop(struct dx_engine *e, struct dx_stream *s)
{
	if (s->tail)
		buddy_put(&e->memory, s->tail);
	s->tail = s->tail_n = s->need = s->seen = 0;
	s->length = 0;
}

static void inflater_drop(struct dx_engine *e, struct dx_stream *s)
{
	if (s->inflater)
		pool_put(&e->inflaters, s->inflater);
	s->inflater = 0;
}

static void stream_die(struct dx_engine *e, struct dx_stream *s)
{
	tail_drop(e, s);
	inflater_drop(e, s);
	s->dead = true;
}

void dx_conv_fini(struct dx_engine *e, struct dx_conv *dc)
{
	for (int d = 0; d < 2; d++)
		stream_die(e, &dc->s[d]);
	if (dc->state)
		pool_put(&e->states[dc->proto], dc->state);
	if (dc->extra)
		pool_put(&e->extras, dc->extra);
	dc->state = dc->extra = 0;
}

static struct dx call_begin(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv, enum dir dir)
{
	e->dc = dc;
	return (struct dx){ .dir = dir,
		.midstream = dc->midstream,
		.ts_ns = e->ts_ns,
		.conv = conv,
		.engine = e,
		.state = dc->state ? pool_at(&e->states[dc->proto], dc->state) : NULL,
		.after_gap = dc->s[dir].after_gap };
}

struct dx dx_own(struct dx_engine *e, const struct conv *conv, enum dir dir)
{
	return (struct dx){ .dir = dir, .ts_ns = e->ts_ns, .conv = conv, .engine = e };
}

/* ---- messages ---------------------------------------------------------------------------- */

/* What is cut off by the capture (not by us) may well make no sense: that is nobody's fault. */
static bool call_pdu(struct dx *x, const struct dissector *d, struct bytes in, bool is_snapped)
{
	struct dx_engine *e = x->engine;
	struct dx_stream *s = &e->dc->s[x->dir];
	bool ok = d->pdu(x, in);
	ASSERT(!e->open);
	struct dx_proto_counters *count = &e->proto[e->dc->proto];
	if (ok) {
		s->good = true;
		count->messages++;
	} else if (!is_snapped) {
		count->malformed++;
	}
	return ok;
}

/* A message of `use` bytes (the first of `length`) begins at in. Gives the bytes of `in` that it took. */
static size_t message(struct dx *x, struct dx_stream *s, struct bytes in, size_t use, uint64_t length)
{
	struct dx_engine *e = x->engine;
	const struct dissector *d = dissectors[e->dc->proto];
	uint64_t junk = s->junk;
	x->length = length;
	x->cut = length != use;
	x->after_gap = s->after_gap;
	s->seen = s->need = 0;
	s->length = 0;
	s->skip = 0;
	uint64_t events = e->proto[e->dc->proto].events;
	e->gap_untold = s->gap_untold;
	bool ok = call_pdu(x, d, bytes_first(in, use), false);
	e->gap_untold = false;
	if (!ok && s->unsure) {
		/* It only looked like a start: go on looking right behind it. */
		e->proto[e->dc->proto].malformed--;
		s->resync = true;
		s->skip = 0;
		s->junk = junk + 1;
		return 1;
	}
	s->unsure = s->far = false;
	s->junk = 0;
	s->after_gap = x->after_gap = false;
	if (e->proto[e->dc->proto].events != events)
		s->gap_untold = false;
	if (!ok && ++s->strikes >= STRIKES)
		s->dead = true;
	if (length > use)
		s->skip += length - use;
	else if (length == 0)
		s->resync = s->far = true; /* no end in sight: what follows is the rest of it */
	return use;
}

static void lose_sync(struct dx_stream *s, const struct dissector *d)
{
	s->seen = s->need = 0;
	s->length = 0;
	s->resync = true;
	if (!d->resync)
		s->dead = true;
}

/* Drops what cannot begin a message; false when nothing is left to look at. */
static bool find_start(struct dx_engine *e, struct dx_stream *s, const struct dissector *d, struct bytes *in)
{
	size_t n = d->resync(*in);
	if (n > in->n)
		n = in->n;
	*in = bytes_from(*in, n);
	s->junk += n;
	e->proto[e->dc->proto].junk_bytes += n;
	/* After a loss a whole image may have to pass before the next message begins. */
	uint64_t patience = e->limits->junk_kib << (s->far ? 18 : 10);
	if (s->junk > patience) {
		e->counters->full_junk_kib++;
		s->dead = true;
	}
	if (s->dead || in->n == 0)
		return false;
	s->resync = false;
	s->unsure = true;
	return true;
}

/* Reads whole messages from the start of `in`; gives how many bytes are done with. The rest is the unfinished
 * message. Stops early when bytes beyond `in` have to be skipped. */
static size_t messages(struct dx *x, struct dx_stream *s, struct bytes all)
{
	const struct dissector *d = dissectors[x->engine->dc->proto];
	struct bytes in = all;
	while (in.n && !s->dead) {
		if (s->skip) {
			size_t n = s->skip < in.n ? (size_t)s->skip : in.n;
			s->skip -= n;
			x->engine->counters->stream_skipped += n;
			in = bytes_from(in, n);
			continue;
		}
		if (s->resync && !find_start(x->engine, s, d, &in))
			break;
		struct bytes head = bytes_first(in, d->max_pdu);
		x->seen = s->seen < head.n ? s->seen : head.n;
		x->after_gap = s->after_gap;
		int64_t length = d->frame(x, head);
		if (length == FRAME_BAD || length < 0) {
			lose_sync(s, d);
			in = bytes_from(in, 1);
			s->junk++;
			x->engine->proto[x->engine->dc->proto].junk_bytes++;
		} else if (length == FRAME_MORE) {
			if (head.n < d->max_pdu) {
				s->seen = (uint32_t)head.n;
				break;
			}
			in = bytes_from(in, message(x, s, in, d->max_pdu, 0));
		} else {
			size_t use = (uint64_t)length < d->max_pdu ? (size_t)length : d->max_pdu;
			if (use > in.n) {
				s->need = (uint32_t)use;
				s->length = (uint64_t)length;
				s->seen = (uint32_t)in.n;
				break;
			}
			in = bytes_from(in, message(x, s, in, use, (uint64_t)length));
		}
	}
	return all.n - in.n;
}

/* ---- the unfinished message -------------------------------------------------------------- */

/* Room for n bytes behind those of the tail; false (counted) when there is no memory. */
static bool tail_room(struct dx_engine *e, struct dx_stream *s, size_t n)
{
	size_t want = s->tail_n + n;
	if (s->need > want)
		want = s->need;
	if (s->tail && buddy_size(&e->memory, s->tail) >= s->tail_n + n)
		return true;
	uint32_t block = buddy_get(&e->memory, want);
	if (!block && want > s->tail_n + n)
		block = buddy_get(&e->memory, s->tail_n + n);
	if (!block) {
		e->counters->full_stream_total_mib++;
		return false;
	}
	if (s->tail) {
		memcpy(buddy_at(&e->memory, block), buddy_at(&e->memory, s->tail), s->tail_n);
		buddy_put(&e->memory, s->tail);
	}
	s->tail = block;
	return true;
}

static bool tail_add(struct dx_engine *e, struct dx_stream *s, struct bytes in)
{
	if (!tail_room(e, s, in.n))
		return false;
	memcpy(buddy_at(&e->memory, s->tail) + s->tail_n, in.p, in.n);
	s->tail_n += (uint32_t)in.n;
	s->tail_ns = e->ts_ns;
	return true;
}

/* The tail's first n bytes are done with. */
static void tail_eat(struct dx_engine *e, struct dx_stream *s, size_t n)
{
	s->tail_n -= (uint32_t)n;
	if (s->tail_n) {
		uint8_t *p = buddy_at(&e->memory, s->tail);
		memmove(p, p + n, s->tail_n);
	} else if (s->tail) {
		buddy_put(&e->memory, s->tail);
		s->tail = 0;
	}
}

/* Adds what the unfinished message still needs, tries again; gives the bytes of `in` taken. */
static size_t feed_tail(struct dx *x, struct dx_stream *s, struct bytes in)
{
	struct dx_engine *e = x->engine;
	size_t room = dissectors[e->dc->proto]->max_pdu - s->tail_n;
	size_t take = s->need > s->tail_n ? s->need - s->tail_n : room;
	if (take > in.n)
		take = in.n;
	if (!tail_add(e, s, bytes_first(in, take))) {
		dx_gap(e, e->dc, x->dir, take);
		return take;
	}
	if (s->need > s->tail_n)
		return take;
	size_t done = messages(x, s, bytes_of(buddy_at(&e->memory, s->tail), s->tail_n));
	tail_eat(e, s, s->dead ? s->tail_n : done);
	return take;
}

/* Gives back what dead directions hold. */
static void bury(struct dx_engine *e, struct dx_conv *dc)
{
	for (int d = 0; d < 2; d++)
		if (dc->s[d].dead)
			stream_die(e, &dc->s[d]);
}

/* ---- the end ----------------------------------------------------------------------------- */

static void end_if_over(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv)
{
	const struct dissector *d = dissectors[dc->proto];
	struct dx_stream *s = dc->s;
	bool is_over = (s[0].dead || s[0].over) && (s[1].dead || s[1].over);
	if (!is_over || dc->ended)
		return;
	dc->ended = true;
	if (!d->end)
		return;
	struct dx x = call_begin(e, dc, conv, DIR_CLIENT);
	x.after_gap = s[0].after_gap || s[1].after_gap;
	e->gap_untold = s[0].gap_untold || s[1].gap_untold;
	d->end(&x);
	e->gap_untold = false;
	ASSERT(!e->open);
}

void dx_end(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv, bool *encrypted, enum dir dir)
{
	struct dx_stream *s = &dc->s[dir];
	if (s->over)
		return;
	s->over = true;
	e->encrypted = encrypted;
	if (s->tail_n && s->need <= s->tail_n) {
		struct dx x = call_begin(e, dc, conv, dir);
		x.ts_ns = s->tail_ns;
		x.last = true;
		messages(&x, s, bytes_of(buddy_at(&e->memory, s->tail), s->tail_n));
	}
	tail_drop(e, s);
	bury(e, dc);
	end_if_over(e, dc, conv);
	e->encrypted = NULL;
}

/* ---- what comes in ----------------------------------------------------------------------- */

void dx_feed(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv, bool *encrypted, enum dir dir,
	struct bytes in)
{
	struct dx_stream *s = &dc->s[dir];
	struct dx x = call_begin(e, dc, conv, dir);
	e->encrypted = encrypted;
	while (in.n && !s->dead) {
		if (s->tail_n && !s->skip) {
			in = bytes_from(in, feed_tail(&x, s, in));
			continue;
		}
		in = bytes_from(in, messages(&x, s, in));
		if (s->dead || s->skip)
			continue;
		if (in.n && !tail_add(e, s, in)) {
			dx_gap(e, dc, dir, in.n);
			break;
		}
		break;
	}
	bury(e, dc);
	end_if_over(e, dc, conv);
	e->encrypted = NULL;
}

bool dx_skips(const struct dx_conv *dc, enum dir dir, uint64_t n)
{
	return dc->s[dir].dead || dc->s[dir].skip >= n;
}

void dx_gap(struct dx_engine *e, struct dx_conv *dc, enum dir dir, uint64_t n)
{
	struct dx_stream *s = &dc->s[dir];
	const struct dissector *d = dissectors[dc->proto];
	if (s->dead)
		return;
	if (n <= s->skip) {
		s->skip -= n;
		return;
	}
	n -= s->skip;
	s->skip = 0;
	/* A hole inside a message whose end is known costs that message, not the order of those behind. */
	bool inside = s->length && s->tail_n + n <= s->length && !s->unsure;
	uint64_t rest = inside ? s->length - s->tail_n - n : 0;
	tail_drop(e, s);
	inflater_drop(e, s);
	s->after_gap = s->gap_untold = true;
	s->skip = rest;
	s->far = true; /* the end of that message need not be where the next one begins: DICOM's PDVs */
	if (!inside) {
		lose_sync(s, d);
		if (s->dead)
			stream_die(e, s);
	}
}

bool dx_datagram(struct dx_engine *e, struct dx_conv *dc, const struct conv *conv, bool *encrypted,
	enum dir dir, struct bytes in, bool is_cut)
{
	const struct dissector *d = dissectors[dc->proto];
	struct dx_stream *s = &dc->s[dir];
	if (s->dead)
		return true;
	struct dx x = call_begin(e, dc, conv, dir);
	e->encrypted = encrypted;
	x.cut = is_cut || in.n > d->max_pdu;
	x.length = in.n;
	bool ok = call_pdu(&x, d, bytes_first(in, d->max_pdu), is_cut);
	if (!ok && !x.cut && ++s->strikes >= STRIKES)
		s->dead = true;
	bury(e, dc);
	end_if_over(e, dc, conv);
	e->encrypted = NULL;
	return ok;
}

/* ---- what a dissector asks for ----------------------------------------------------------- */

void dx_skip(struct dx *x, uint64_t n)
{
	struct dx_stream *s = &x->engine->dc->s[x->dir];
	if (__builtin_add_overflow(s->skip, n, &s->skip))
		s->skip = UINT64_MAX;
}

void dx_done(struct dx *x, bool both)
{
	struct dx_stream *s = x->engine->dc->s;
	s[x->dir].dead = true;
	if (both)
		s[0].dead = s[1].dead = true;
}

void dx_encrypted(struct dx *x)
{
	if (x->engine->encrypted)
		*x->engine->encrypted = true;
}

void *dx_extra(struct dx *x)
{
	struct dx_engine *e = x->engine;
	if (!e->dc->extra) {
		e->dc->extra = pool_get(&e->extras);
		if (!e->dc->extra) {
			e->counters->full_extras++;
			return NULL;
		}
	}
	return pool_at(&e->extras, e->dc->extra);
}

static void *inflate_alloc(void *opaque, unsigned items, unsigned size)
{
	struct inflater *f = opaque;
	size_t n = ((size_t)items * size + 15) & ~(size_t)15;
	if (n > sizeof f->memory - f->used)
		return NULL;
	void *p = f->memory + f->used;
	f->used += n;
	return p;
}

static void inflate_free(void *opaque, void *p)
{
	(void)opaque;
	(void)p; /* the whole memory goes back with the inflater */
}

static struct inflater *inflater_of(struct dx *x, enum inflate_kind kind)
{
	static const int window_bits[] = { [INFLATE_RAW] = -15, [INFLATE_ZLIB] = 15, [INFLATE_GZIP] = 31 };
	struct dx_engine *e = x->engine;
	struct dx_stream *s = &e->dc->s[x->dir];
	if (s->inflater)
		return pool_at(&e->inflaters, s->inflater);
	s->inflater = pool_get(&e->inflaters);
	if (!s->inflater) {
		e->counters->full_inflaters++;
		return NULL;
	}
	struct inflater *f = pool_at(&e->inflaters, s->inflater);
	f->z.zalloc = inflate_alloc;
	f->z.zfree = inflate_free;
	f->z.opaque = f;
	f->ended = inflateInit2(&f->z, window_bits[kind]) != Z_OK;
	return f;
}

struct bytes dx_inflate(struct dx *x, enum inflate_kind kind, struct bytes *in)
{
	struct inflater *f = inflater_of(x, kind);
	if (!f || f->ended) {
		*in = (struct bytes){ 0 };
		return *in;
	}
	f->z.next_in = (z_const Bytef *)in->p;
	f->z.avail_in = (uInt)in->n;
	f->z.next_out = f->out;
	f->z.avail_out = sizeof f->out;
	int rc = inflate(&f->z, Z_NO_FLUSH);
	if (rc != Z_OK && rc != Z_BUF_ERROR)
		f->ended = true;
	*in = bytes_from(*in, in->n - f->z.avail_in);
	return bytes_of(f->out, sizeof f->out - f->z.avail_out);
}

void dx_inflate_end(struct dx *x)
{
	inflater_drop(x->engine, &x->engine->dc->s[x->dir]);
}

int64_t frame_line(struct dx *x, struct bytes in)
{
	size_t at = bytes_chr(in, x->seen, '\n');
	return at < in.n ? (int64_t)at + 1 : FRAME_MORE;
}

/* ---- expectations ------------------------------------------------------------------------ */

void dx_expect(struct dx *x, const struct addr *ip, uint16_t port, const char *dissector)
{
	struct dx_engine *e = x->engine;
	for (unsigned p = 0; p < PROTO_DISSECTED; p++) {
		if (strcmp(dissectors[p]->name, dissector) != 0)
			continue;
		struct dx_expectation *slot = &e->expectations[e->expectation_next];
		if (slot->until_ns > e->ts_ns)
			e->counters->full_expectations++;
		if (!slot->until_ns)
			e->expectations_live++;
		*slot = (struct dx_expectation){ *ip, port, (uint8_t)p,
			e->ts_ns + EXPECT_SECONDS * 1000000000ull };
		e->expectation_next = (uint32_t)((e->expectation_next + 1) % e->limits->expectations);
		return;
	}
}

/* Newest first; they are few and asked for only at a conversation's start while any is live. */
enum proto dx_expected(struct dx_engine *e, const struct addr *ip, uint16_t port)
{
	uint32_t n = (uint32_t)e->limits->expectations;
	for (uint32_t i = 1, left = e->expectations_live; i <= n && left; i++) {
		struct dx_expectation *x = &e->expectations[(e->expectation_next + n - i) % n];
		if (!x->until_ns)
			continue;
		left--;
		bool is_over = x->until_ns < e->ts_ns, hit = x->port == port && addr_eq(&x->ip, ip);
		enum proto proto = (enum proto)x->proto;
		if (is_over || hit) {
			x->until_ns = 0;
			e->expectations_live--;
		}
		if (hit && !is_over)
			return proto;
	}
	return PROTO_N;
}
