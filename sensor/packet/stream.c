/*
 * TCP: bytes in order for the dissectors, whatever a mirror port makes of them (design.md section 6).
 *
 * First bytes win; other bytes for the same place are an event. A hole is a gap when the other side has
 * acknowledged past it and packets have had time to overtake each other, when too much waits behind it, or
 * after two seconds without progress. Holes inside bytes that are being passed by are no gaps at all.
 */
#include "base/assert.h"
#include "packet/categories.h"
#include "packet/decode.h"
#include "packet/flow.h"

#define SECOND 1000000000ull

enum { RANGES = 8, VOTES = 4, IGNORED = 16, HEAD = 16, PROBE_BYTES = 512 };
/* How long packets may overtake each other on their way through a mirror port. */
enum { OVERTAKE_NS = 20000000 };
enum { WINDOW = 1 << 24, RST_WINDOW = 1 << 20, MIDSTREAM_PATIENCE = 1 << 24 };

/* One out-of-order range, at the start of its buddy block; its bytes follow. */
struct range {
	uint32_t next, seq, n;
	uint32_t lost_behind; /* bytes that the capture cut off its end */
};

static struct half *half_at(const struct flows *t, const struct flow *f, enum dir dir)
{
	bool has = f->half[dir] && !(f->flags & FLOW_ISN << dir);
	return has ? pool_at(&t->halves, f->half[dir]) : NULL;
}

static struct range *range_at(const struct flows *t, uint32_t block)
{
	return block ? (struct range *)(void *)buddy_at(&t->engine->memory, block) : NULL;
}

static struct bytes range_bytes(const struct range *r)
{
	return bytes_of(r + 1, r->n);
}

static void range_drop_first(struct flows *t, struct half *h)
{
	uint32_t block = h->held;
	struct range *r = range_at(t, block);
	h->held = r->next;
	h->held_bytes -= r->n;
	h->held_n--;
	buddy_put(&t->engine->memory, block);
}

static void probe_drop(struct flows *t, struct half *h)
{
	if (h->probe)
		buddy_put(&t->engine->memory, h->probe);
	h->probe = 0;
	h->probe_n = 0;
}

void half_release(struct flows *t, struct flow *f, enum dir dir)
{
	struct half *h = half_at(t, f, dir);
	if (h) {
		while (h->held)
			range_drop_first(t, h);
		probe_drop(t, h);
		lru_del(&t->by_half, f->half[dir]);
		pool_put(&t->halves, f->half[dir]);
	}
	f->half[dir] = 0;
	f->flags = (uint16_t)(f->flags & ~(FLOW_ISN << dir));
}

bool stream_has_isn(const struct flows *t, const struct flow *f, enum dir dir, uint32_t isn)
{
	const struct half *h = half_at(t, f, dir);
	if (h)
		return h->next_seq - (uint32_t)h->offset == isn + 1;
	return f->flags & FLOW_ISN << dir && f->half[dir] == isn + 1;
}

static struct dx_conv *conv_of(const struct flows *t, const struct flow *f)
{
	return f->ident == IDENT_READ && f->reader ? pool_at(&t->convs, f->reader) : NULL;
}

/* Nothing of this conversation is reassembled any more. */
static void give_up(struct flows *t, struct flow *f)
{
	struct dx_conv *dc = conv_of(t, f);
	for (enum dir d = DIR_CLIENT; dc && d <= DIR_SERVER; d++)
		dx_gap(t->engine, dc, d, 1);
	half_release(t, f, DIR_CLIENT);
	half_release(t, f, DIR_SERVER);
	f->flags |= FLOW_REFUSED_BY_ALL;
}

/* ---- repeated bytes ---------------------------------------------------------------------- */

/* Fast and good enough to tell two honest segments apart; seeded, so that nobody can aim for equality. */
static uint32_t content_hash(const struct flows *t, struct bytes b)
{
	uint64_t h = t->seed.k0 ^ b.n, m;
	size_t i = 0;
	for (; i + 8 <= b.n; i += 8) {
		memcpy(&m, b.p + i, 8);
		h = (h ^ m) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	m = 0;
	if (i < b.n)
		memcpy(&m, b.p + i, b.n - i);
	h = (h ^ m ^ t->seed.k1) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

static void remember(const struct flows *t, struct half *h, struct bytes in)
{
	h->delivered[h->delivered_next] = (struct delivered){ h->offset, (uint32_t)in.n, content_hash(t, in),
		content_hash(t, bytes_first(in, HEAD)) };
	h->delivered_next = (uint8_t)((h->delivered_next + 1) % HISTORY);
}

static void conflict(struct flows *t, const struct flow *f, enum dir dir, const struct packet *p,
	uint64_t offset, uint64_t n)
{
	struct conv c;
	flow_conv(f, p, &c);
	struct dx x = dx_own(t->engine, &c, dir);
	ev_begin_own(&x, PROTO_tcp, TCP_EV_OVERLAP);
	ev_text(&x, TCP_SENDER, dir == DIR_CLIENT ? "client" : "server");
	ev_uint(&x, TCP_OFFSET, offset);
	ev_uint(&x, TCP_OVERLAP, n);
	ev_end(&x);
	t->counters->overlap_conflicts++;
}

/* Bytes for places from `offset` on that have been delivered before: the same ones? */
static void check_repeat(struct flows *t, struct flow *f, enum dir dir, const struct packet *p,
	struct half *h, uint64_t offset, struct bytes again)
{
	t->counters->overlaps++;
	if (again.n <= 1)
		return; /* a keep-alive's byte means nothing (RFC 1122 4.2.3.6) */
	for (unsigned i = 0; i < HISTORY; i++) {
		const struct delivered *d = &h->delivered[i];
		if (d->n == 0 || d->offset < offset || d->offset >= offset + again.n)
			continue;
		struct bytes same = bytes_from(again, d->offset - offset);
		bool differs = false;
		if (same.n >= d->n)
			differs = content_hash(t, bytes_first(same, d->n)) != d->hash;
		else if (same.n >= HEAD && d->n >= HEAD)
			differs = content_hash(t, bytes_first(same, HEAD)) != d->head_hash;
		if (differs) {
			conflict(t, f, dir, p, d->offset, same.n < d->n ? same.n : d->n);
			return;
		}
	}
}

/* ---- in order ---------------------------------------------------------------------------- */

/* The next bytes of a direction, or (no bytes) that it is over. */
static void feed(struct flows *t, struct flow *f, enum dir dir, const struct packet *p, struct bytes in)
{
	struct dx_conv *dc = conv_of(t, f);
	struct conv c;
	bool encrypted = f->flags & FLOW_ENCRYPTED;
	if (!dc)
		return;
	flow_conv(f, p, &c);
	if (in.n)
		dx_feed(t->engine, dc, &c, &encrypted, dir, in);
	else
		dx_end(t->engine, dc, &c, &encrypted, dir);
	if (encrypted)
		f->flags |= FLOW_ENCRYPTED;
	if (!dc->s[0].dead || !dc->s[1].dead) {
		evict_after_call(t, f->reader);
		return;
	}
	bool good = dx_is_good(dc);
	flow_release(t, f);
	f->ident = IDENT_DONE;
	f->flags |= FLOW_REFUSED_BY_ALL;
	if (!good) { /* the port and the first bytes deceived */
		f->proto_id = PROTO_N;
		f->flags = (uint16_t)(f->flags & ~FLOW_ODD_PORT);
		f->ident = IDENT_NEW;
		if (p)
			identify_label(t, f, p);
	}
}

static void feed_probed(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	struct half *h = half_at(t, f, dir);
	if (!h || !h->probe)
		return;
	uint8_t first[PROBE_BYTES];
	size_t n = h->probe_n;
	memcpy(first, buddy_at(&t->engine->memory, h->probe), n);
	probe_drop(t, h);
	feed(t, f, dir, p, bytes_of(first, n));
}

static void begin_reading(struct flows *t, struct flow *f, enum dir dir, const struct packet *p,
	enum proto proto, bool midstream, struct bytes in)
{
	if (!identify_begin(t, f, proto, midstream)) {
		give_up(t, f);
		return;
	}
	t->counters->streams += 2;
	if (dir == DIR_SERVER)
		feed_probed(t, f, DIR_CLIENT, p);
	feed_probed(t, f, dir, p);
	feed(t, f, dir, p, in);
	feed_probed(t, f, !dir, p);
}

static void refuse(struct flows *t, struct flow *f, enum dir dir, const struct packet *p, struct half *h)
{
	struct half *other = half_at(t, f, !dir);
	h->refused = true;
	probe_drop(t, h);
	bool all = other && other->refused;
	if (p)
		identify_label(t, f, p);
	if (all || f->ident == IDENT_LABELLED || f->ident == IDENT_UNKNOWN)
		give_up(t, f);
}

/* Bytes of a conversation that nobody reads yet. */
static void recognise(struct flows *t, struct flow *f, enum dir dir, const struct packet *p, struct half *h,
	struct bytes in)
{
	enum proto proto = PROTO_N;
	if (h->refused) {
		if (p)
			identify_label(t, f, p);
		return;
	}
	if (h->midstream) {
		if (identify_midstream(f, in, dir, &proto))
			begin_reading(t, f, dir, p, proto, true, in);
		else if (h->offset > MIDSTREAM_PATIENCE ||
			 (f->packets[0] + f->packets[1] > t->limits->probe_packets && !identify_is_hinted(f)))
			refuse(t, f, dir, p, h);
		return;
	}
	uint8_t first[PROBE_BYTES];
	size_t n = h->probe_n, more = in.n < PROBE_BYTES - n ? in.n : PROBE_BYTES - n;
	if (n)
		memcpy(first, buddy_at(&t->engine->memory, h->probe), n);
	memcpy(first + n, in.p, more);
	struct bytes known = bytes_of(first, n + more);
	enum probe_result r = identify_probe(f, known, dir, &proto);
	if (r == PROBE_YES) {
		begin_reading(t, f, dir, p, proto, false, in);
	} else if (r == PROBE_MORE && known.n < PROBE_BYTES) {
		if (!h->probe)
			h->probe = buddy_get(&t->engine->memory, PROBE_BYTES);
		if (!h->probe) {
			t->counters->full_stream_total_mib++;
			refuse(t, f, dir, p, h);
			return;
		}
		memcpy(buddy_at(&t->engine->memory, h->probe), first, known.n);
		h->probe_n = (uint16_t)known.n;
	} else {
		refuse(t, f, dir, p, h);
	}
}

/* The next bytes of the stream. The half may be gone afterwards. */
static void deliver(struct flows *t, struct flow *f, enum dir dir, const struct packet *p, struct bytes in)
{
	struct half *h = half_at(t, f, dir);
	const struct dx_conv *dc = conv_of(t, f);
	if (!dc || !dx_skips(dc, dir, in.n))
		remember(t, h, in);
	h->offset += in.n;
	h->next_seq += (uint32_t)in.n;
	h->ignored = 0;
	h->votes = 0;
	if (h->held)
		h->held_since_ns = t->now_ns;
	t->counters->stream_bytes += in.n;
	if (f->ident == IDENT_READ)
		feed(t, f, dir, p, in);
	else if (f->ident == IDENT_NEW || f->ident == IDENT_LABEL)
		recognise(t, f, dir, p, h, in);
}

/* The next n bytes of the stream will not come. */
static void lose(struct flows *t, struct flow *f, enum dir dir, uint32_t n)
{
	struct half *h = half_at(t, f, dir);
	struct dx_conv *dc = conv_of(t, f);
	h->offset += n;
	h->next_seq += n;
	h->votes = 0;
	if (dc && dx_skips(dc, dir, n)) {
		dx_gap(t->engine, dc, dir, n);
		return;
	}
	t->counters->gaps++;
	t->counters->gap_bytes += n;
	if (dc)
		dx_gap(t->engine, dc, dir, n);
	probe_drop(t, h);
	h->midstream = true;
}

/* Delivers what waits and has come in order. */
static void deliver_held(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	struct half *h;
	while ((h = half_at(t, f, dir)) && h->held) {
		struct range *r = range_at(t, h->held);
		int32_t ahead = (int32_t)(r->seq - h->next_seq);
		if (ahead > 0)
			return;
		uint32_t block = h->held, lost = r->lost_behind;
		struct bytes fresh = bytes_from(range_bytes(r), (size_t) - (int64_t)ahead);
		h->held = r->next;
		h->held_bytes -= r->n;
		h->held_n--;
		if (fresh.n)
			deliver(t, f, dir, p, fresh);
		buddy_put(&t->engine->memory, block);
		if (lost && half_at(t, f, dir))
			lose(t, f, dir, lost);
	}
}

/* ---- out of order ------------------------------------------------------------------------ */

/* What lies before the first held range is lost. */
static void skip_hole(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	struct half *h = half_at(t, f, dir);
	if (!h || !h->held)
		return;
	int32_t hole = (int32_t)(range_at(t, h->held)->seq - h->next_seq);
	if (hole > 0)
		lose(t, f, dir, (uint32_t)hole);
	deliver_held(t, f, dir, p);
}

static bool hold_piece(
	struct flows *t, struct half *h, uint32_t *link, uint32_t seq, struct bytes in, uint32_t lost)
{
	uint32_t block = 0;
	if (h->held_n < RANGES && h->held_bytes + in.n <= t->limits->stream_held_kib << 10)
		block = buddy_get(&t->engine->memory, sizeof(struct range) + in.n);
	if (!block)
		return false;
	struct range *r = range_at(t, block);
	*r = (struct range){ *link, seq, (uint32_t)in.n, lost };
	memcpy(r + 1, in.p, in.n);
	*link = block;
	if (h->held_n++ == 0)
		h->held_since_ns = t->now_ns;
	h->held_bytes += (uint32_t)in.n;
	return true;
}

/* Keeps what of `in` no held range has yet; false when it does not fit. */
static bool hold(struct flows *t, struct flow *f, enum dir dir, const struct packet *p, uint32_t seq,
	struct bytes in, uint32_t lost)
{
	struct half *h = half_at(t, f, dir);
	uint32_t *link = &h->held;
	while (in.n) {
		struct range *r = range_at(t, *link);
		int32_t before = r ? (int32_t)(r->seq - seq) : INT32_MAX;
		if (before > 0) {
			size_t n = (size_t)before < in.n ? (size_t)before : in.n;
			if (!hold_piece(t, h, link, seq, bytes_first(in, n), n == in.n ? lost : 0))
				return false;
			seq += (uint32_t)n;
			in = bytes_from(in, n);
			link = &range_at(t, *link)->next;
			continue;
		}
		size_t into = (size_t) - (int64_t)before;
		if (into < r->n) {
			struct bytes old = bytes_sub(range_bytes(r), into, in.n);
			struct bytes same = bytes_first(in, old.n);
			t->counters->overlaps++;
			if (!bytes_eq(old, same))
				conflict(t, f, dir, p, h->offset + (seq - h->next_seq), old.n);
			seq += (uint32_t)old.n;
			in = bytes_from(in, old.n);
		}
		link = &r->next;
	}
	return true;
}

/* ---- the end ----------------------------------------------------------------------------- */

/* All that came before the FIN is read or lost: the direction is over. */
static void end_if_reached(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	const struct half *h = half_at(t, f, dir);
	if (h && h->has_fin && h->next_seq == h->fin_seq)
		feed(t, f, dir, p, (struct bytes){ 0 });
}

void stream_overdue(struct flows *t, struct flow *f)
{
	for (enum dir d = DIR_CLIENT; d <= DIR_SERVER; d++) {
		struct half *h;
		while ((h = half_at(t, f, d)) && h->held)
			skip_hole(t, f, d, NULL);
		end_if_reached(t, f, d, NULL);
	}
}

/* Bytes behind all that came: the FIN lies behind them, or the other side has them. */
static uint32_t missing(const struct half *h)
{
	int32_t n = h->has_fin ? (int32_t)(h->fin_seq - h->next_seq) : 0;
	if (!h->has_fin && h->has_peer_ack)
		n = (int32_t)(h->peer_ack - h->next_seq) - 1; /* one more than the bytes: of a FIN not seen */
	return n > 0 && n <= WINDOW ? (uint32_t)n : 0;
}

void stream_end(struct flows *t, struct flow *f)
{
	stream_overdue(t, f);
	for (enum dir d = DIR_CLIENT; d <= DIR_SERVER; d++) {
		const struct half *h = half_at(t, f, d);
		uint32_t n = h && conv_of(t, f) ? missing(h) : 0;
		if (n)
			lose(t, f, d, n);
		feed(t, f, d, NULL, (struct bytes){ 0 });
	}
}

/* ---- segments ---------------------------------------------------------------------------- */

static struct half *half_get(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	struct half *h = half_at(t, f, dir);
	if (h)
		return h;
	bool has_isn = f->flags & FLOW_ISN << dir, has_other = half_at(t, f, !dir);
	if (t->halves.used == t->halves.cap)
		evict_half(t, has_other ? f->half[!dir] : 0);
	uint32_t i = pool_get(&t->halves), isn = f->half[dir];
	f->flags = (uint16_t)(f->flags & ~(FLOW_ISN << dir));
	f->half[dir] = i;
	if (!i) {
		t->counters->full_halves++;
		give_up(t, f);
		return NULL;
	}
	h = pool_at(&t->halves, i);
	h->next_seq = has_isn ? isn : p->seq;
	h->midstream = !has_isn;
	h->owner = flow_index(t, f);
	lru_touch(&t->by_half, i, false, t->engine->ts_ns / SECOND);
	return h;
}

/* Wrong checksums count only where right ones have been seen: else it is the sender's network card that fills
 * them in, behind the point of capture. Data is measured by data: a SYN's may be right where those of
 * segments that a card joined, or an anonymiser rewrote, are not; a lie told first is still an overlap
 * conflict. Of 65,536 wrong ones one is right by chance: behind a wrong one it takes two in a row. */
static bool is_corrupt(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	enum checksum sum = decode_checksum(p);
	bool is_data = p->payload.n > 0;
	unsigned good = (unsigned)(is_data ? FLOW_DATA_GOOD : FLOW_SUM_GOOD) << dir;
	unsigned wrong = is_data ? (unsigned)FLOW_DATA_BAD << dir : 0;
	if (sum == CHECKSUM_GOOD) {
		if (!(f->flags & wrong))
			f->flags |= (uint16_t)(good | (unsigned)FLOW_SUM_GOOD << dir);
		f->flags &= (uint16_t)~wrong;
	}
	if (sum != CHECKSUM_BAD)
		return false;
	t->counters->bad_checksums++;
	if (!(f->flags & good)) {
		f->flags |= (uint16_t)wrong;
		return false;
	}
	t->counters->segments_ignored++;
	return true;
}

static void ignore(struct flows *t, struct flow *f, enum dir dir, struct half *h, uint32_t seq)
{
	t->counters->segments_ignored++;
	if (++h->ignored < IGNORED)
		return;
	/* So many in a row are the stream itself, after a very long hole. */
	while (h->held)
		range_drop_first(t, h);
	lose(t, f, dir, 1);
	h->next_seq = seq;
	h->ignored = 0;
}

/* False: the segment is corrupt, nothing in it counts. */
static bool data(struct flows *t, struct flow *f, enum dir dir, const struct packet *p, uint32_t seq)
{
	struct half *h = half_get(t, f, dir, p);
	struct bytes in = p->payload;
	uint32_t lost = p->l4_bytes > in.n ? (uint32_t)(p->l4_bytes - in.n) : 0;
	if (!h)
		return true;
	const struct dx_conv *dc = conv_of(t, f);
	int32_t ahead = (int32_t)(seq - h->next_seq);
	bool passed_by = dc && ahead >= 0 && dx_skips(dc, dir, (uint64_t)ahead + in.n);
	if (!passed_by && is_corrupt(t, f, dir, p))
		return false;
	if (ahead > WINDOW || ahead < -WINDOW) {
		ignore(t, f, dir, h, seq);
		return true;
	}
	if (ahead > 0 && !passed_by) {
		if (hold(t, f, dir, p, seq, in, lost)) {
			if (h->held_n == 1)
				flow_rearm(t, f);
			return true;
		}
		/* No room to wait: the holes are given up. */
		t->counters->full_stream_held_kib++;
		while ((h = half_at(t, f, dir)) != NULL && h->held)
			skip_hole(t, f, dir, p);
		if (!h)
			return true;
		ahead = (int32_t)(seq - h->next_seq);
	}
	if (ahead > 0)
		lose(t, f, dir, (uint32_t)ahead);
	else if (ahead < 0) {
		size_t old = (size_t) - (int64_t)ahead < in.n ? (size_t) - (int64_t)ahead : in.n;
		check_repeat(t, f, dir, p, h, h->offset - (uint64_t) - (int64_t)ahead, bytes_first(in, old));
		in = bytes_from(in, old);
		if (in.n == 0)
			return true;
	}
	deliver(t, f, dir, p, in);
	if (lost && half_at(t, f, dir))
		lose(t, f, dir, lost);
	deliver_held(t, f, dir, p);
	return true;
}

static void note_fin(const struct flows *t, const struct flow *f, enum dir dir, uint32_t seq)
{
	struct half *h = half_at(t, f, dir);
	if (!h || (int32_t)(seq - h->next_seq) > WINDOW || (int32_t)(seq - h->next_seq) < 0)
		return;
	h->has_fin = true;
	h->fin_seq = seq;
}

/* Both directions are of use, whoever speaks. */
static void touch(struct flows *t, struct flow *f)
{
	const struct dx_conv *dc = conv_of(t, f);
	for (enum dir d = DIR_CLIENT; d <= DIR_SERVER; d++)
		if (half_at(t, f, d))
			lru_touch(&t->by_half, f->half[d], dc && dx_is_talk(dc), t->engine->ts_ns / SECOND);
}

/* What this packet acknowledges of the other direction; holes there that it proves. */
static void acknowledge(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	struct half *other = half_at(t, f, !dir);
	if (!other || !(p->tcp_flags & TCP_ACK))
		return;
	if (!other->has_peer_ack || (int32_t)(p->ack - other->peer_ack) > 0)
		other->peer_ack = p->ack;
	other->has_peer_ack = true;
}

static void vote(struct flows *t, struct flow *f, const struct packet *p)
{
	for (enum dir d = DIR_CLIENT; d <= DIR_SERVER; d++) {
		struct half *h = half_at(t, f, d);
		if (!h || !h->held || !h->has_peer_ack)
			continue;
		bool acked = (int32_t)(h->peer_ack - range_at(t, h->held)->seq) >= 0;
		if (acked && ++h->votes >= VOTES && t->now_ns - h->held_since_ns >= OVERTAKE_NS)
			skip_hole(t, f, d, p);
	}
}

static void follow_state(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	enum flow_state old = (enum flow_state)f->state;
	const struct half *h = half_at(t, f, dir);
	if (p->tcp_flags & TCP_RST) {
		int32_t off = h ? (int32_t)(p->seq - h->next_seq) : 0;
		if (off < -RST_WINDOW || off > RST_WINDOW)
			return; /* blindly forged (RFC 5961 section 3) */
		if (old == FLOW_ATTEMPT)
			f->state = dir == DIR_SERVER ? FLOW_REFUSED : FLOW_RESET;
		else if (old != FLOW_CLOSED && old != FLOW_REFUSED)
			f->state = FLOW_RESET;
	} else if (p->tcp_flags & TCP_SYN) {
		if (old == FLOW_ATTEMPT && dir == DIR_SERVER && p->tcp_flags & TCP_ACK)
			f->state = FLOW_ESTABLISHED;
	} else if (p->tcp_flags & TCP_FIN) {
		f->flags |= (uint16_t)(FLOW_FIN << dir);
		if ((f->flags & FLOW_FIN) && (f->flags & FLOW_FIN << 1) && old != FLOW_RESET)
			f->state = FLOW_CLOSED;
	} else if (old == FLOW_ATTEMPT && p->tcp_flags & TCP_ACK && p->payload.n) {
		f->state = FLOW_ESTABLISHED; /* the answer was not seen: a one-sided mirror port */
	}
	if (f->state != old)
		flow_rearm(t, f);
}

void stream_push(struct flows *t, struct flow *f, enum dir dir, const struct packet *p)
{
	if (p->is_fragment)
		return;
	bool wanted = f->ident == IDENT_NEW || f->ident == IDENT_LABEL || f->ident == IDENT_READ;
	/* What carries data is judged where it is read: not if it is passed by. */
	if (wanted && !p->payload.n && is_corrupt(t, f, dir, p))
		return;
	follow_state(t, f, dir, p);
	if (!wanted)
		return;
	if (f->flags & FLOW_REFUSED_BY_ALL) {
		if (f->ident != IDENT_READ && p->payload.n)
			identify_label(t, f, p);
		return;
	}
	uint32_t seq = p->seq;
	if (p->tcp_flags & TCP_SYN) {
		if (f->flags & FLOW_SYN_ASKED)
			return; /* not of this connection, unless it is answered */
		seq++;
		if (!f->half[dir] && !(f->flags & FLOW_ISN << dir)) {
			f->half[dir] = seq;
			f->flags |= (uint16_t)(FLOW_ISN << dir);
		}
		/* The answer tells where the other side begins, should its SYN not have been seen. */
		if (p->tcp_flags & TCP_ACK && !f->half[!dir] && !(f->flags & FLOW_ISN << !dir)) {
			f->half[!dir] = p->ack;
			f->flags |= (uint16_t)(FLOW_ISN << !dir);
		}
		enum proto expected = f->ident == IDENT_NEW ? identify_expected(t, f) : PROTO_N;
		if (expected != PROTO_N)
			identify_begin(t, f, expected, false);
	}
	if (p->payload.n && !data(t, f, dir, p, seq))
		return;
	if (p->payload.n)
		touch(t, f);
	acknowledge(t, f, dir, p);
	if (p->tcp_flags & TCP_FIN)
		note_fin(t, f, dir, seq + p->l4_bytes);
	vote(t, f, p);
	end_if_reached(t, f, DIR_CLIENT, p);
	end_if_reached(t, f, DIR_SERVER, p);
}
