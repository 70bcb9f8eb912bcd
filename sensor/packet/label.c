#include "packet/label.h"

#include "base/assert.h"
#include "base/lru.h"
#include "base/map.h"
#include "base/pool.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <ndpi_api.h>

enum { NAME = 28, PROTOCOLS = NDPI_MAX_SUPPORTED_PROTOCOLS };

/*
 * All of nDPI's memory: powers of two out of one mapping, free lists by size. nDPI's hooks have no context
 * argument, so the arena in use is the thread's. It is bounded: past ARENA_BYTES nDPI gets NULL.
 */
enum { CLASSES = 24, LEAST_LOG2 = 5 };
#define ARENA_BYTES ((size_t)48 << 20)

struct arena_head {
	struct arena_head *next;
	size_t class;
};
_Static_assert(sizeof(struct arena_head) == 16, "keeps what follows aligned");

struct ndpi_arena {
	uint8_t *base;
	size_t used, held, most;
	struct arena_head *free[CLASSES];
};

static _Thread_local struct ndpi_arena *arena;

struct label {
	struct lru_link by_use;
	uint32_t owner;
	struct ndpi_flow_struct flow;
};

struct labels {
	const struct limits *limits;
	struct counters *counters;
	struct ndpi_arena arena;
	struct ndpi_detection_module_struct *module; /* NULL until the first packet */
	bool failed;
	struct pool pool;
	struct lru by_use;
	char names[PROTOCOLS][NAME];
};

static void *arena_alloc(size_t n)
{
	size_t class = 0;
	struct ndpi_arena *a = arena;
	while (((size_t)1 << (class + LEAST_LOG2)) < n + sizeof(struct arena_head))
		if (++class == CLASSES)
			return NULL;
	size_t size = (size_t)1 << (class + LEAST_LOG2);
	struct arena_head *h = a->free[class];
	if (h) {
		a->free[class] = h->next;
	} else {
		if (size > ARENA_BYTES - a->used)
			return NULL;
		h = (struct arena_head *)(void *)(a->base + a->used);
		a->used += size;
	}
	h->class = class;
	a->held += size;
	if (a->held > a->most)
		a->most = a->held;
	return h + 1;
}

static void arena_free(void *p)
{
	if (!p)
		return;
	struct arena_head *h = (struct arena_head *)p - 1;
	struct ndpi_arena *a = arena;
	a->held -= (size_t)1 << (h->class + LEAST_LOG2);
	h->next = a->free[h->class];
	a->free[h->class] = h;
}

struct labels *labels_new(const struct limits *l, struct counters *c)
{
	struct labels *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->limits = l;
	t->counters = c;
	t->arena.base = map_new(ARENA_BYTES);
	if (t->arena.base)
		map_huge(t->arena.base, ARENA_BYTES); /* 7 MiB at the first use */
	if (!t->arena.base || !pool_init(&t->pool, sizeof(struct label), l->labels)) {
		labels_free(t);
		return NULL;
	}
	lru_init(&t->by_use, &t->pool, offsetof(struct label, by_use));
	return t;
}

void labels_free(struct labels *t)
{
	if (!t)
		return;
	/* nDPI's own memory goes with the arena, whole. */
	map_free(t->arena.base, ARENA_BYTES);
	pool_fini(&t->pool);
	free(t);
}

/* nDPI 4.2 fills tables of its own, without locks, while a module is made. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static void make(struct labels *t)
{
	NDPI_PROTOCOL_BITMASK all;
	set_ndpi_malloc(arena_alloc);
	set_ndpi_free(arena_free);
	set_ndpi_flow_malloc(arena_alloc);
	set_ndpi_flow_free(arena_free);
	t->module = ndpi_init_detection_module(ndpi_dont_load_tor_hosts | ndpi_dont_init_libgcrypt);
	t->failed = !t->module;
	if (t->failed)
		return;
	NDPI_BITMASK_SET_ALL(all);
	ndpi_set_protocol_detection_bitmask2(t->module, &all);
	ndpi_finalize_initialization(t->module);
	for (unsigned i = 1; i < PROTOCOLS; i++) {
		snprintf(t->names[i], NAME, "%s", ndpi_get_proto_name(t->module, (uint16_t)i));
		for (char *c = t->names[i]; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
}

static bool start(struct labels *t)
{
	arena = &t->arena;
	if (!t->module && !t->failed) {
		pthread_mutex_lock(&making);
		make(t);
		pthread_mutex_unlock(&making);
	}
	return t->module != NULL;
}

static struct label *label_at(const struct labels *t, uint32_t label)
{
	return pool_at(&t->pool, label);
}

uint32_t label_get(struct labels *t, uint32_t owner)
{
	uint32_t label = start(t) ? pool_get(&t->pool) : 0;
	if (label)
		label_at(t, label)->owner = owner;
	else
		t->counters->full_labels++;
	return label;
}

uint32_t label_evict(struct labels *t)
{
	uint32_t oldest = t->pool.used == t->pool.cap ? lru_oldest(&t->by_use, 0) : 0;
	if (!oldest)
		return 0;
	t->counters->full_labels++;
	return label_at(t, oldest)->owner;
}

void label_put(struct labels *t, uint32_t label)
{
	if (!label)
		return;
	arena = &t->arena;
	ndpi_free_flow_data(&label_at(t, label)->flow);
	lru_del(&t->by_use, label);
	pool_put(&t->pool, label);
}

static uint32_t verdict_of(const struct ndpi_flow_struct *flow, ndpi_protocol p)
{
	/* A word out of nDPI's caches depends on which other conversations it has seen: not ours to repeat.
	 */
	if (flow->confidence == NDPI_CONFIDENCE_DPI_CACHE)
		return NDPI_PROTOCOL_UNKNOWN;
	uint32_t id = p.master_protocol != NDPI_PROTOCOL_UNKNOWN ? p.master_protocol : p.app_protocol;
	return id < PROTOCOLS ? id : NDPI_PROTOCOL_UNKNOWN;
}

bool label_packet(struct labels *t, uint32_t label, const struct packet *p, uint32_t *verdict)
{
	/* nDPI 4.2 trusts headers that contradict the packet's length and crashes on them. */
	bool is_safe = p->is_ip && !p->is_fragment && !p->is_joined && !p->is_cut && p->ip.n <= UINT16_MAX &&
		       p->payload.n == p->l4_bytes && p->payload.n > 0;
	lru_touch(&t->by_use, label, false, p->ts_ns / 1000000000);
	if (!is_safe)
		return false;
	arena = &t->arena;
	struct ndpi_flow_struct *flow = &label_at(t, label)->flow;
	ndpi_protocol found = ndpi_detection_process_packet(
		t->module, flow, p->ip.p, (uint16_t)p->ip.n, p->ts_ns / 1000000);
	*verdict = verdict_of(flow, found);
	return *verdict != NDPI_PROTOCOL_UNKNOWN;
}

uint32_t label_giveup(struct labels *t, uint32_t label)
{
	uint8_t was_guessed = 0;
	arena = &t->arena;
	struct ndpi_flow_struct *flow = &label_at(t, label)->flow;
	return verdict_of(flow, ndpi_detection_giveup(t->module, flow, 0, &was_guessed));
}

void label_risks(struct labels *t, uint32_t label, void (*fn)(void *arg, const char *risk), void *arg)
{
	const struct ndpi_flow_struct *flow = &label_at(t, label)->flow;
	for (unsigned r = 1; r < NDPI_MAX_RISK; r++)
		if (flow->risk >> r & 1)
			fn(arg, ndpi_risk2str((ndpi_risk_enum)r));
}

const char *label_name(const struct labels *t, uint32_t verdict)
{
	return t && verdict < PROTOCOLS ? t->names[verdict] : "";
}

uint64_t labels_arena_bytes(const struct labels *t)
{
	return t ? t->arena.most : 0;
}
