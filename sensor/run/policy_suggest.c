/* wardwatch policy suggest: `kind: segmentation` documents that allow what captures show, one for each zone,
 * for a person to go through: what is left out of them will be a violation (policy-language.md section 16).
 */
#include "decide/names.h"
#include "packet/categories.h"
#include "run/documents.h"
#include "run/policy_command.h"
#include "run/replay.h"

#include <stdlib.h>

enum { PROTOCOL_TEXT = 32 };

/* One entry: who of the zone talks to whom by what. Compared as bytes, so that it has no holes. */
struct entry {
	uint16_t zone;
	uint8_t inbound; /* the peer began */
	uint8_t transport;
	uint16_t peer_zone; /* ZONE_NONE: its address */
	uint16_t port;
	struct addr peer;
	char protocol[PROTOCOL_TEXT];
};

struct seen {
	struct entry entry;
	uint64_t conversations;
};

struct suggestion {
	const struct policy *p;
	struct seen *seen;
	size_t n, cap;
	bool lost;
};

/* ---- collecting ---------------------------------------------------------------------------------------- */

static int by_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = x->zone != y->zone ? x->zone - y->zone : x->inbound - y->inbound;
	if (order == 0)
		order = x->peer_zone - y->peer_zone;
	if (order == 0)
		order = addr_cmp(&x->peer, &y->peer);
	if (order == 0)
		order = x->transport - y->transport;
	if (order == 0)
		order = x->port - y->port;
	return order ? order : strcmp(x->protocol, y->protocol);
}

static void merge(struct suggestion *s)
{
	size_t n = 0;
	if (s->n)
		qsort(s->seen, s->n, sizeof *s->seen, by_entry);
	for (size_t i = 0; i < s->n; i++) {
		if (n && by_entry(&s->seen[i].entry, &s->seen[n - 1].entry) == 0)
			s->seen[n - 1].conversations += s->seen[i].conversations;
		else
			s->seen[n++] = s->seen[i];
	}
	s->n = n;
}

static void add(struct suggestion *s, const struct entry *e)
{
	if (s->n == s->cap)
		merge(s);
	if (s->n > s->cap / 2 || !s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 4096;
		struct seen *more = reallocarray(s->seen, cap, sizeof *more);
		s->lost = s->lost || !more;
		if (!more)
			return;
		s->seen = more;
		s->cap = cap;
	}
	s->seen[s->n++] = (struct seen){ *e, 1 };
}

/* Zones of the site itself are worth a document; those of others, and none, are not. */
static bool is_ours(const struct suggestion *s, unsigned zone)
{
	const struct zones *z = s->p->names.zones;
	return zone == ZONE_UNASSIGNED ||
	       (zone >= ZONE_OWN && zone < zones_count(z) && !zone_is_outside(z, zone));
}

static void add_side(
	struct suggestion *s, const struct event *e, unsigned zone, unsigned peer_zone, bool inbound)
{
	const struct conv *c = &e->conv;
	struct bytes protocol = bytes_first(event_protocol(e), PROTOCOL_TEXT - 1);
	struct entry entry = { .zone = (uint16_t)zone,
		.inbound = inbound,
		.transport = c->proto,
		.peer_zone = (uint16_t)peer_zone,
		.port = c->dport };
	if (!is_ours(s, zone))
		return;
	if (peer_zone == ZONE_UNASSIGNED || peer_zone == ZONE_NONE) {
		entry.peer_zone = ZONE_NONE;
		entry.peer = inbound ? c->src : c->dst;
	}
	if (protocol.n)
		memcpy(entry.protocol, protocol.p, protocol.n);
	add(s, &entry);
}

static void on_record(void *arg, const struct event *e)
{
	struct suggestion *s = arg;
	const struct zones *z = s->p->names.zones;
	const struct conv *c = &e->conv;
	if (e->record != RECORD_EVENT || e->proto != PROTO_flow || e->event != FLOW_EV_END || !c->src.family)
		return;
	unsigned from = zones_of(z, &c->src, c->vlan[DIR_CLIENT]),
		 to = zones_of(z, &c->dst, c->vlan[DIR_SERVER]);
	if (to == ZONE_MULTICAST)
		return; /* to nobody in particular */
	add_side(s, e, from, to, false);
	add_side(s, e, to, from, true);
}

/* ---- writing ---------------------------------------------------------------------------------------------
 */

/* As YAML reads it back as that text. */
static void put_text(const char *text)
{
	bool plain = ascii_alpha((uint8_t)*text);
	for (const char *t = text; *t; t++)
		plain = plain && (ascii_alnum((uint8_t)*t) || *t == '-' || *t == '_' || *t == '.');
	if (plain) {
		fputs(text, stdout);
		return;
	}
	putchar('\'');
	for (const char *t = text; *t; t++)
		printf(*t == '\'' ? "''" : "%c", *t);
	putchar('\'');
}

static void put_name(const char *zone)
{
	for (const char *t = zone; *t; t++)
		putchar(ascii_alnum((uint8_t)*t) || *t == '-' || *t == '_' ? *t : '-');
}

static void put_head(const struct suggestion *s, unsigned zone, bool first)
{
	const char *name = zones_at(s->p->names.zones, zone)->name;
	printf("%sdialect: wardwatch/1\nkind: segmentation\nname: suggested-", first ? "" : "---\n");
	put_name(name);
	fputs("\napplies-to: {zone: ", stdout);
	put_text(name);
	fputs("}\ndirection: [inbound, outbound]\n"
	      "mode: learn    # alert, when what is allowed has been gone through\nallow:\n",
		stdout);
}

static void put_entry(const struct suggestion *s, const struct seen *x, unsigned number)
{
	const struct entry *e = &x->entry;
	const char *transport = transport_name(e->transport);
	char address[ADDR_TEXT];
	printf("    - {id: %s-%u, %s: {", e->inbound ? "in" : "out", number, e->inbound ? "from" : "to");
	if (e->peer_zone != ZONE_NONE) {
		fputs("zone: ", stdout);
		put_text(zones_at(s->p->names.zones, e->peer_zone)->name);
	} else {
		printf("cidr: '%s/%u'", addr_text(&e->peer, address), e->peer.family == 4 ? 32u : 128u);
	}
	putchar('}');
	if (transport)
		printf(", transport: %s", transport);
	if (e->port)
		printf(", ports: [%u]", e->port);
	if (*e->protocol) {
		fputs(", protocol: [", stdout);
		put_text(e->protocol);
		putchar(']');
	}
	printf("}    # %llu conversation%s\n", (unsigned long long)x->conversations,
		x->conversations == 1 ? "" : "s");
}

/* The same but for the protocol, which was not recognised: allowed by what names one. */
static bool is_unknown_of(const struct seen *x, const struct seen *next)
{
	struct entry e = next->entry;
	memset(e.protocol, 0, sizeof e.protocol);
	return !*x->entry.protocol && *next->entry.protocol && by_entry(&x->entry, &e) == 0;
}

static void put_all(struct suggestion *s)
{
	unsigned zone = ZONE_NONE, number = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct seen *x = &s->seen[i];
		if (i + 1 < s->n && is_unknown_of(x, x + 1)) {
			x[1].conversations += x->conversations;
			continue;
		}
		if (x->entry.zone != zone)
			put_head(s, x->entry.zone, zone == ZONE_NONE);
		if (x->entry.zone != zone)
			number = 0;
		zone = x->entry.zone;
		put_entry(s, x, ++number);
	}
	if (s->n == 0)
		puts("# no conversation between two addresses of the site");
}

int policy_suggest(struct policy_command *c)
{
	struct suggestion s = { .p = c->policy };
	struct replay r = { .limits = &c->config.limits,
		.key = &c->config.key,
		.policy = c->policy,
		.fingerprints = policy_fingerprints(c->policy),
		.tap = { .on_record = on_record, .arg = &s } };
	diag_free(&c->diag); /* warnings on the policies are no news of the captures */
	int code = replay_run(&r, c->args, c->n_args, &c->diag);
	policy_say(stderr, &c->diag, 1u << DIAG_ERROR | 1u << DIAG_WARNING);
	merge(&s);
	if (s.lost)
		code = policy_fail("out of memory");
	else if (code != EXIT_WRONG)
		put_all(&s);
	free(s.seen);
	return code;
}
