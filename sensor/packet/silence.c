#include "packet/silence.h"

#include "base/map.h"

#define SECOND UINT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR   (3600 * SECOND)

enum kind { OF_INPUT, OF_INTERFACE, OF_VLAN };
enum { EVERY_SPAN = (1 << TRAFFIC_SPANS) - 1 };

struct silence_row {
	uint64_t last_ns;    /* of its packets; live and never any: since when it is listened to */
	uint64_t resumed_ns; /* the first one after its last pause of a minute or more; its link came up */
	uint64_t packets, bytes; /* of its steady minutes, the last ones at most */
	uint64_t steady;         /* minutes */
	struct traffic_row minute;
	uint8_t kind;
	bool is_broken; /* a minute was not full: the next one with a packet begins to count anew */
	bool is_told, is_down, is_unheard;
};

bool silence_init(struct silence *s, const struct limits *l, struct counters *counters, uint32_t interfaces)
{
	*s = (struct silence){ .limits = l, .counters = counters, .is_live = interfaces > 0 };
	s->most = 2 * (uint32_t)l->vlans + interfaces;
	s->rows = map_new(s->most * sizeof *s->rows);
	for (uint32_t i = 0; s->rows && i < interfaces; i++)
		s->rows[s->n++] = (struct silence_row){
			.kind = OF_INTERFACE, .is_unheard = true, .minute = { .input = i, .interface = i }
		};
	return s->rows != NULL;
}

void silence_fini(struct silence *s)
{
	map_free(s->rows, s->most * sizeof *s->rows);
	*s = (struct silence){ 0 };
}

/* ---- a minute ---------------------------------------------------------------------------- */

static bool is_of(const struct silence_row *r, enum kind kind, const struct traffic_row *t)
{
	return r->kind == kind && r->minute.input == t->input &&
	       (kind == OF_INPUT || r->minute.interface == t->interface) &&
	       (kind != OF_VLAN || r->minute.vlan == t->vlan);
}

/* NULL: there is none. There are few, and they are looked for a few times a minute. */
static struct silence_row *find(const struct silence *s, enum kind kind, const struct traffic_row *t)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (is_of(&s->rows[i], kind, t))
			return &s->rows[i];
	return NULL;
}

/* In a full table the one not heard for longest goes, those that are listened to never. */
static struct silence_row *make_room(struct silence *s)
{
	struct silence_row *oldest = NULL;
	for (uint32_t i = 0; i < s->n; i++) {
		struct silence_row *r = &s->rows[i];
		if (!(s->is_live && r->kind == OF_INTERFACE) && (!oldest || r->last_ns < oldest->last_ns))
			oldest = r;
	}
	s->counters->full_vlans++;
	return oldest;
}

static void add(struct silence *s, enum kind kind, const struct traffic_row *t)
{
	struct silence_row *r = find(s, kind, t);
	if (!r) {
		r = s->n < s->most ? &s->rows[s->n++] : make_room(s);
		*r = (struct silence_row){ .kind = (uint8_t)kind,
			.last_ns = t->first_ns,
			.resumed_ns = t->first_ns,
			.minute = { .input = t->input,
				.interface = kind == OF_INPUT ? 0 : t->interface,
				.vlan = kind == OF_VLAN ? t->vlan : 0 } };
	}
	struct traffic_row *m = &r->minute;
	m->first_ns = m->packets == 0 || t->first_ns < m->first_ns ? t->first_ns : m->first_ns;
	m->last_ns = t->last_ns > m->last_ns ? t->last_ns : m->last_ns;
	m->packets += t->packets;
	m->bytes += t->bytes;
	m->spans |= t->spans;
}

void silence_take(struct silence *s, const struct traffic_row *rows, size_t n, bool is_cut)
{
	s->is_cut = s->is_cut || is_cut;
	for (size_t i = 0; i < n; i++) {
		if (!s->is_live)
			add(s, OF_INPUT, &rows[i]);
		add(s, OF_INTERFACE, &rows[i]);
		if (rows[i].vlan)
			add(s, OF_VLAN, &rows[i]);
	}
}

/* ---- looking ----------------------------------------------------------------------------- */

static struct silence_news news_of(const struct silence_row *r, uint64_t until_ns)
{
	return (struct silence_news){ .vlan = r->minute.vlan,
		.input = r->minute.input,
		.silent_ns = until_ns > r->last_ns ? until_ns - r->last_ns : 0 };
}

static void count_steady(const struct silence *s, struct silence_row *r)
{
	uint64_t most = s->limits->steady_minutes;
	if (r->is_broken)
		r->steady = r->packets = r->bytes = 0;
	r->is_broken = r->minute.spans != EVERY_SPAN;
	if (r->is_broken)
		return;
	if (r->steady == most) { /* one of them goes, as if all had been alike */
		r->packets -= r->packets / most;
		r->bytes -= r->bytes / most;
		r->steady--;
	}
	r->steady++;
	r->packets += r->minute.packets;
	r->bytes += r->minute.bytes;
}

static void heard(const struct silence *s, struct silence_row *r, silence_fn *fn, void *arg)
{
	const struct traffic_row *m = &r->minute;
	if (r->is_told) {
		struct silence_news n = news_of(r, m->first_ns);
		n.is_over = true;
		fn(arg, &n);
	}
	if (m->first_ns > r->last_ns + MINUTE)
		r->resumed_ns = m->first_ns;
	r->is_told = r->is_unheard = false;
	r->last_ns = m->last_ns > r->last_ns ? m->last_ns : r->last_ns;
	count_steady(s, r);
}

/* Its clock, and since when it is silent by it. False: nobody can say. */
static bool clock_of(const struct silence *s, const struct silence_row *r, uint64_t now_ns, uint64_t *clock,
	uint64_t *since)
{
	*since = r->resumed_ns > r->last_ns ? r->resumed_ns : r->last_ns;
	*clock = now_ns;
	if (s->is_live && r->kind == OF_INTERFACE)
		return true;
	const struct silence_row *above =
		r->kind == OF_INPUT ? NULL
				    : find(s, r->kind == OF_VLAN ? OF_INTERFACE : OF_INPUT, &r->minute);
	if (!above)
		return false;
	*clock = above->last_ns;
	*since = above->resumed_ns > *since ? above->resumed_ns : *since;
	return true;
}

static void judge(const struct silence *s, struct silence_row *r, uint64_t now_ns, silence_fn *fn, void *arg)
{
	const struct limits *l = s->limits;
	uint64_t clock, since;
	uint64_t wait_s = r->kind == OF_VLAN ? l->silent_vlan_s
			  : r->is_unheard    ? l->steady_minutes * 60
					     : l->silent_interface_s;
	bool was_steady = r->is_unheard || r->steady >= l->steady_minutes;
	if (r->is_told || r->is_down || !was_steady || !clock_of(s, r, now_ns, &clock, &since) ||
		clock < since + wait_s * SECOND)
		return;
	struct silence_news n = news_of(r, clock);
	if (r->steady) {
		n.packets = r->packets / r->steady;
		n.bytes = r->bytes / r->steady;
	}
	r->is_told = true;
	fn(arg, &n);
}

static bool is_kept(const struct silence *s, const struct silence_row *r, uint64_t now_ns)
{
	uint64_t longest = 2 * s->limits->silent_vlan_s * SECOND;
	return r->is_told || (s->is_live && r->kind == OF_INTERFACE) ||
	       now_ns < r->last_ns + (longest > HOUR ? longest : HOUR);
}

/* In the next minute nothing was heard yet. */
static void begin_minute(struct silence *s, uint64_t now_ns)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		struct silence_row *r = &s->rows[i];
		struct traffic_row *m = &r->minute;
		*m = (struct traffic_row){ .input = m->input, .interface = m->interface, .vlan = m->vlan };
		if (is_kept(s, r, now_ns))
			s->rows[kept++] = *r;
	}
	s->n = kept;
	s->is_cut = false;
}

void silence_look(struct silence *s, uint64_t now_ns, silence_fn *fn, void *arg)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct silence_row *r = &s->rows[i];
		if (r->minute.packets)
			heard(s, r, fn, arg);
		else if (r->last_ns == 0)
			r->last_ns = now_ns;
		else if (!s->is_cut)
			r->is_broken = true;
	}
	for (uint32_t i = 0; i < s->n && !s->is_cut; i++)
		if (s->rows[i].minute.packets == 0)
			judge(s, &s->rows[i], now_ns, fn, arg);
	begin_minute(s, now_ns);
}

void silence_link(struct silence *s, uint32_t interface, bool is_up, uint64_t now_ns)
{
	struct traffic_row t = { .input = interface, .interface = interface };
	struct silence_row *r = find(s, OF_INTERFACE, &t);
	if (!r)
		return;
	r->is_down = !is_up;
	r->resumed_ns = is_up ? now_ns : r->resumed_ns;
}
