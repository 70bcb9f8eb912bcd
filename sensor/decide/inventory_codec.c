#include "decide/inventory_codec.h"

#include "base/assert.h"
#include "decide/inventory_state.h"
#include "packet/categories.h"

enum { HEAD_BYTES = 9 };

/* One description of the layout serves both ways. */
struct codec {
	struct cur in; /* reading */
	uint8_t *out;  /* writing; NULL: reading */
	size_t n, cap;
	bool full;
};

static void put(struct codec *c, const void *p, size_t n)
{
	if (n > c->cap - c->n) {
		c->full = true;
		return;
	}
	if (n)
		memcpy(c->out + c->n, p, n);
	c->n += n;
}

static uint64_t number(struct codec *c, uint64_t v, unsigned bytes)
{
	uint8_t b[8];
	if (c->out) {
		for (unsigned i = 0; i < bytes; i++)
			b[i] = (uint8_t)(v >> 8 * i);
		put(c, b, bytes);
		return v;
	}
	return bytes == 8   ? cur_le64(&c->in)
	       : bytes == 4 ? cur_le32(&c->in)
	       : bytes == 2 ? cur_le16(&c->in)
			    : cur_u8(&c->in);
}

static void u64(struct codec *c, uint64_t *v)
{
	*v = number(c, *v, 8);
}

static void u32(struct codec *c, uint32_t *v)
{
	*v = (uint32_t)number(c, *v, 4);
}

static void u16(struct codec *c, uint16_t *v)
{
	*v = (uint16_t)number(c, *v, 2);
}

static void u8(struct codec *c, uint8_t *v)
{
	*v = (uint8_t)number(c, *v, 1);
}

static void flag(struct codec *c, bool *v)
{
	*v = number(c, *v, 1) & 1;
}

static void raw(struct codec *c, uint8_t *v, size_t n)
{
	if (c->out)
		put(c, v, n);
	else
		bytes_copy(v, n, cur_take(&c->in, n));
}

static struct bytes text(struct codec *c, struct bytes v)
{
	uint8_t n = (uint8_t)number(c, v.n > UINT8_MAX ? UINT8_MAX : v.n, 1);
	if (!c->out)
		return cur_take(&c->in, n);
	put(c, v.p, n);
	return v;
}

static void address(struct codec *c, struct addr *a)
{
	u8(c, &a->family);
	if (a->family)
		raw(c, a->b, sizeof a->b);
	if (a->family && a->family != 4 && a->family != 6)
		c->in.bad = true;
}

/* A count that must not pass the room there is for it. */
static void count(struct codec *c, uint8_t *n, size_t most)
{
	u8(c, n);
	if (*n <= most)
		return;
	c->in.bad = true;
	*n = 0;
}

static void refer(struct codec *c, const struct inventory *inv, struct ref *r)
{
	bool is_there = !c->out || ref_get(inv, *r);
	uint32_t gen = is_there ? r->gen : 0;
	u32(c, &gen);
	if (!c->out)
		*r = (struct ref){ .gen = gen };
}

/* ---- nodes -------------------------------------------------------------------------------------------- */

static void key_fields(struct codec *c, struct device *n)
{
	u8(c, &n->kind);
	u8(c, &n->link);
	flag(c, &n->spoke);
	flag(c, &n->in_table);
	u64(c, &n->packet);
	u64(c, &n->first_ns);
	u64(c, &n->last_ns);
	u32(c, &n->vni);
	u16(c, &n->segment);
	count(c, &n->n_vlan, NODE_VLANS);
	for (unsigned i = 0; i < n->n_vlan; i++)
		u16(c, &n->vlan[i]);
	if (n->kind > NODE_IDENTITY || n->link > LINK_CARD)
		c->in.bad = true;
}

static void ip_fields(struct codec *c, struct device *n)
{
	address(c, &n->ip);
	refer(c, n->inv, &n->carrier);
	refer(c, n->inv, &n->second);
	refer(c, n->inv, &n->managed);
	flag(c, &n->claimed);
	u32(c, &n->turn);
}

static void mac_fields(struct codec *c, struct device *n)
{
	raw(c, n->mac.b, sizeof n->mac.b);
	flag(c, &n->told_router);
	flag(c, &n->seen_forward);
	flag(c, &n->seen_routing);
	flag(c, &n->public_many);
	u32(c, &n->claimed4);
	u32(c, &n->carried4);
	count(c, &n->n_next_hop, NEXT_HOPS);
	for (unsigned i = 0; i < n->n_next_hop; i++)
		address(c, &n->next_hop[i]);
	count(c, &n->carried6, sizeof n->prefix6 / sizeof *n->prefix6);
	for (unsigned i = 0; i < n->carried6; i++)
		raw(c, n->prefix6[i], sizeof n->prefix6[i]);
	address(c, &n->public_ip);
}

static uint8_t protocol_named(struct bytes name)
{
	uint8_t p = 0;
	while (p < PROTO_N && !bytes_is(name, dissectors[p]->name))
		p++;
	return p;
}

static void identity_fields(struct codec *c, struct device *n)
{
	raw(c, n->identity, sizeof n->identity);
	refer(c, n->inv, &n->sender);
	refer(c, n->inv, &n->told_first);
	flag(c, &n->is_strong);
	flag(c, &n->stated);
	u8(c, &n->made_kind);
	struct bytes name = text(c, bytes_str(c->out ? dissectors[n->proto]->name : ""));
	n->proto = c->out ? n->proto : protocol_named(name);
	if (n->made_kind >= MADE_KINDS)
		c->in.bad = true;
	n->proto = n->proto < PROTO_DISSECTED ? n->proto : 0;
}

static void fields(struct codec *c, struct device *n)
{
	key_fields(c, n);
	flag(c, &n->contested);
	if (n->kind == NODE_IP)
		ip_fields(c, n);
	else if (n->kind == NODE_MAC)
		mac_fields(c, n);
	else
		identity_fields(c, n);
	for (unsigned k = 0; k < MADE_KINDS; k++) {
		flag(c, &n->made_more[k]);
		for (unsigned i = 0; i < MADE_MOST; i++)
			refer(c, n->inv, &n->made[k][i]);
	}
}

/* ---- values ------------------------------------------------------------------------------------------- */

static void value_fields(struct codec *c, struct value *v)
{
	u8(c, &v->confidence);
	flag(c, &v->masked);
	u64(c, &v->packet);
	u64(c, &v->first_ns);
	u64(c, &v->last_ns);
}

/* Values have sources that live as long as the program: names of dissectors, or the MAC's. */
static const char *source_named(struct bytes name)
{
	uint8_t p = protocol_named(name);
	return p < PROTO_N ? dissectors[p]->name : bytes_is(name, "mac") ? "mac" : "unknown";
}

static void put_value(struct codec *c, const struct value *v, struct mask *m)
{
	const struct attr_row *row = &attr_rows[v->attr];
	struct value as = *v;
	struct bytes own = bytes_of(v->text, v->len), shown = own;
	if (row->privacy != OPEN)
		shown = row->privacy == PRODUCT ? mask_product(m, own) : mask_text(m, own);
	as.masked |= !bytes_eq(own, shown);
	text(c, bytes_str(row->name));
	value_fields(c, &as);
	text(c, bytes_str(v->source));
	text(c, bytes_first(shown, VALUE_BYTES));
}

bool codec_value(struct codec_node *n, struct value *out, bool *known)
{
	struct codec c = { .in = n->values };
	*out = (struct value){ .attr = 0 };
	struct bytes name = text(&c, (struct bytes){ 0 });
	while (out->attr < ATTR_N && !bytes_is(name, attr_rows[out->attr].name))
		out->attr++;
	value_fields(&c, out);
	out->source = source_named(text(&c, (struct bytes){ 0 }));
	struct bytes v = text(&c, (struct bytes){ 0 });
	out->len = (uint8_t)bytes_copy(out->text, sizeof out->text, v);
	n->values = c.in;
	*known = cur_ok(&c.in) && out->attr < ATTR_N && v.n > 0 && v.n <= VALUE_BYTES &&
		 out->confidence >= 1 && out->confidence <= 100;
	return cur_ok(&c.in);
}

/* ---- records ------------------------------------------------------------------------------------------ */

uint64_t codec_hash(struct bytes record)
{
	static const struct hash_key key = { 0x7265636f7264206f, 0x6620646576696365 };
	return hash_bytes(&key, record.p, record.n);
}

static void put_node(struct codec *c, const struct device *n, const struct device *root, struct mask *m)
{
	const struct inventory *inv = n->inv;
	struct device as = *n;
	uint32_t gen = inv->gens[node_index(n)], up = n == root ? 0 : inv->gens[n->up];
	uint16_t n_values = 0;
	u32(c, &gen);
	u32(c, &up);
	fields(c, &as);
	for (uint32_t i = n->values; i; i = ((struct value *)pool_at(&inv->values, i))->next)
		if (!((struct value *)pool_at(&inv->values, i))->by_fingerprint)
			n_values++;
	u16(c, &n_values);
	for (uint32_t i = n->values; i; i = ((struct value *)pool_at(&inv->values, i))->next)
		if (!((struct value *)pool_at(&inv->values, i))->by_fingerprint)
			put_value(c, pool_at(&inv->values, i), m);
}

struct bytes codec_write(const struct device *root, struct mask *m, uint8_t *buffer, size_t cap)
{
	struct codec c = { .out = buffer, .n = HEAD_BYTES, .cap = cap };
	ASSERT(cap > HEAD_BYTES);
	TREE_EACH (n, (struct device *)(uintptr_t)root) {
		size_t begun = c.n;
		uint32_t length = 0;
		u32(&c, &length);
		size_t from = c.n;
		put_node(&c, n, root, m);
		length = (uint32_t)(c.n - from);
		size_t end = c.full ? begun : c.n;
		if (!c.full) {
			c.n = begun;
			u32(&c, &length);
		}
		c.n = end;
		if (c.full)
			break;
	}
	struct codec head = { .out = buffer, .cap = HEAD_BYTES };
	number(&head, STATE_VERSION, 1);
	number(&head, codec_hash(bytes_of(buffer + HEAD_BYTES, c.n - HEAD_BYTES)), 8);
	return bytes_of(buffer, c.n);
}

bool codec_open(struct bytes record, struct cur *nodes)
{
	*nodes = cur_of(record);
	uint8_t version = cur_u8(nodes);
	uint64_t hash = cur_le64(nodes);
	return cur_ok(nodes) && version == STATE_VERSION && hash == codec_hash(cur_peek(nodes));
}

bool codec_node(struct cur *nodes, struct codec_node *out)
{
	struct codec c = { .in = cur_of(cur_take(nodes, cur_le32(nodes))) };
	uint16_t n_values = 0;
	*out = (struct codec_node){ .gen = 0 };
	u32(&c, &out->gen);
	u32(&c, &out->up);
	fields(&c, &out->as);
	u16(&c, &n_values);
	out->n_values = n_values;
	out->values = c.in;
	return cur_ok(nodes) && cur_ok(&c.in) && out->gen != 0;
}
