/* Serial numbers and EUI-64: which device is it that data speak of? */
#include "decide/inventory_nodes.h"

#include "packet/categories.h"

#include <stdio.h>

enum { KEY_BYTES = 256, COUNTED_LEAST = 6 /* digits of "123456" */ };

struct text {
	uint8_t b[KEY_BYTES];
	size_t n;
};

/* Letters and digits only, in lower case: "GE MEDICAL SYSTEMS" and "GE Medical Systems " are one maker. */
static void text_add(struct text *t, struct bytes v)
{
	for (size_t i = 0; i < v.n && t->n < sizeof t->b - 1; i++) {
		uint8_t c = ascii_lower(v.p[i]);
		if (ascii_alnum(c) || c > 127)
			t->b[t->n++] = c;
	}
	if (t->n < sizeof t->b)
		t->b[t->n++] = '|';
}

static struct bytes text_bytes(const struct text *t)
{
	return bytes_of(t->b, t->n);
}

/* A serial number in which nothing stands: "0", "000000", "N/A", or what a form shows where one belongs. */
bool identity_no_serial(struct bytes v)
{
	static const char *const words[] = { "n/a", "na", "none", "null", "nil", "unknown", "unspecified",
		"not available", "not specified", "serial", "serial number", "serialnumber", "s/n", "sn",
		"default", "test" };
	bool zeros = true, letters = true, counted = v.n >= COUNTED_LEAST;
	for (size_t i = 0; i < v.n; i++) {
		zeros &= !ascii_alnum(v.p[i]) || v.p[i] == '0';
		letters &= ascii_lower(v.p[i]) == 'x';
		counted &= v.p[i] == '0' + (i + 1) % 10;
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (bytes_isi(v, words[i]))
			return true;
	return zeros || letters || counted;
}

static void serial_key(struct text *t, struct bytes maker, struct bytes serial)
{
	text_add(t, bytes_str("serial"));
	text_add(t, maker);
	text_add(t, serial);
}

static int hex_digit(int c)
{
	if (ascii_digit(c))
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The first 16 hex digits, separators left out. */
static bool eui_parse(struct bytes v, uint8_t out[8])
{
	unsigned digits = 0;
	for (size_t i = 0; i < v.n && digits < 16; i++) {
		int d = hex_digit(v.p[i]);
		if (d < 0) {
			if (v.p[i] == '-' || v.p[i] == ':' || v.p[i] == '.')
				continue;
			break;
		}
		out[digits / 2] = (uint8_t)(digits & 1 ? out[digits / 2] | d : d << 4);
		digits++;
	}
	return digits == 16;
}

/* An EUI-64 made from a MAC carries FFFE (GE and others) or FFFF (Philips) in the middle; with neither, only
 * its first 24 bits say anything. The universal bit is not inverted here. */
static bool eui_mac(const uint8_t e[8], struct mac *m)
{
	if (e[3] != 0xff || (e[4] != 0xfe && e[4] != 0xff))
		return false;
	*m = (struct mac){ { e[0], e[1], e[2], e[5], e[6], e[7] } };
	return true;
}

bool identity_card(const struct device *id, struct mac *m)
{
	const struct value *eui = value_best(id, ATTR_EUI64);
	uint8_t e[8] = { 0 };
	return eui && eui_parse(bytes_of(eui->text, eui->len), e) && eui_mac(e, m);
}

static void mac_identity_key(struct text *t, const struct mac *m)
{
	char text[MAC_TEXT];
	text_add(t, bytes_str("mac"));
	text_add(t, bytes_str(mac_text(m, text)));
}

static bool eui_key(struct text *t, struct bytes v, struct mac *m)
{
	uint8_t e[8] = { 0 };
	if (!eui_parse(v, e))
		return false;
	if (eui_mac(e, m)) {
		mac_identity_key(t, m);
	} else {
		text_add(t, bytes_str("eui"));
		text_add(t, bytes_first(v, 24));
	}
	return true;
}

/* ---- what a node states of itself --------------------------------------------------------------------- */

static bool can_have_moved(const struct device *from, const struct device *to)
{
	return to->first_ns >= from->last_ns && to->first_ns - from->last_ns >= MOVED_NS;
}

/* Whoever spoke last is the device; a device that spoke from its old address after all is two. */
bool identity_moved(struct device *id, struct device *from, struct device *to)
{
	if (id->contested || !can_have_moved(from, to))
		return false;
	id->sender = ref_of(to);
	node_link(node_root(to), node_root(from), LINK_MOVED);
	return true;
}

static void contest(struct device *id, struct device *n)
{
	if (id->contested)
		return;
	id->contested = true;
	asset_event(n, ASSET_EV_CONFLICTING, ATTR_SERIAL, (struct bytes){ 0 }, (struct bytes){ 0 });
}

static void state(struct device *n, struct bytes key)
{
	struct device *id = get_identity(n->inv, key);
	if (!id)
		return;
	struct device *before = id->stated ? ref_get(n->inv, id->sender) : NULL;
	if (before && node_root(before) != node_root(n)) {
		if (!identity_moved(id, before, n))
			contest(id, n);
		return;
	}
	id->stated = true;
	id->is_strong = true;
	if (!before)
		id->sender = ref_of(n);
	if (id->up == 0 || id->link == LINK_MAKER)
		node_link(id, n, LINK_SELF);
}

void identity_stated(struct device *n)
{
	const struct value *serial = value_best(n, ATTR_SERIAL), *maker = value_best(n, ATTR_MANUFACTURER);
	const struct value *eui = value_best(n, ATTR_EUI64);
	struct mac m;
	if (serial && maker && !identity_no_serial(bytes_of(serial->text, serial->len))) {
		struct text key = { 0 };
		serial_key(&key, bytes_of(maker->text, maker->len), bytes_of(serial->text, serial->len));
		state(n, text_bytes(&key));
	}
	struct text key = { 0 };
	if (eui && eui_key(&key, bytes_of(eui->text, eui->len), &m))
		state(n, text_bytes(&key));
}

/* A device that was found at a new address speaks from the old one: they are two. */
void identity_woke(struct device *n)
{
	struct device *root = node_root(n);
	uint32_t i = root->child;
	while (i) {
		struct device *c = node_at(n->inv, i);
		i = c->next;
		bool in_moved = false;
		for (struct device *up = n; up != root; up = node_at(n->inv, up->up))
			in_moved |= up == c;
		if (c->link != LINK_MOVED || in_moved)
			continue;
		node_unlink(c);
		asset_event(c, ASSET_EV_CONFLICTING, ATTR_SERIAL, (struct bytes){ 0 }, (struct bytes){ 0 });
	}
}

/* ---- what senders carry of others ------------------------------------------------------------------------
 */

static struct bytes fact_of(const struct event *e, enum attr a)
{
	const struct fact *f = fact_find(e, a);
	return f ? bytes_trim(fact_value(f, 0)) : (struct bytes){ 0 };
}

static bool told_key(struct text *key, struct device *sender, const struct event *e, struct mac *m)
{
	struct bytes serial = fact_of(e, ATTR_SERIAL), maker = fact_of(e, ATTR_MANUFACTURER);
	if (eui_key(key, fact_of(e, ATTR_EUI64), m))
		return true;
	if (serial.n && maker.n && !identity_no_serial(serial)) {
		serial_key(key, maker, serial);
		return true;
	}
	/* Without a number of its own it is known only as "what that sender carries". */
	struct bytes model = fact_of(e, ATTR_MODEL), uid = fact_of(e, ATTR_DEVICE_UID);
	if (uid.n) {
		text_add(key, bytes_str("uid"));
		text_add(key, uid);
		return true;
	}
	char by[24];
	snprintf(by, sizeof by, "by%u", (unsigned)ref_of(sender).gen);
	text_add(key, bytes_str(by));
	text_add(key, fact_of(e, ATTR_HL7_SOFTWARE));
	text_add(key, maker);
	text_add(key, model);
	text_add(key, fact_of(e, ATTR_STATION_NAME));
	return false;
}

/* An anonymised object lacks the number that others of the same device carry. */
static bool may_be_of(const struct device *id, const struct event *e)
{
	static const enum attr same[] = { ATTR_MANUFACTURER, ATTR_MODEL, ATTR_STATION_NAME };
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		const struct value *v = value_best(id, same[i]);
		struct bytes told = fact_of(e, same[i]);
		if (v && told.n && !bytes_eqi(told, bytes_of(v->text, v->len)))
			return false;
	}
	return true;
}

static struct device *told_before(const struct device *sender, const struct event *e, unsigned kind)
{
	for (unsigned i = 0; i < MADE_MOST; i++) {
		struct device *id = ref_get(sender->inv, sender->made[kind][i]);
		if (id && may_be_of(id, e))
			return id;
	}
	return NULL;
}

/* Two senders name themselves by one identity: one device with two cards that may never be told from two with
 * one number. The second keeps what it says on a node of its own, which is no device without its sender. */
static struct device *identity_for(struct device *sender, struct device *id, struct text *key)
{
	struct device *at = id->up && id->link != LINK_EUI ? node_at(id->inv, id->up) : NULL;
	if (!at || node_root(at) == node_root(sender) || (!id->contested && can_have_moved(at, sender)) ||
		!maker_contends(sender, at, id))
		return id;
	contest(id, sender);
	char by[24];
	snprintf(by, sizeof by, "at%u", (unsigned)ref_of(sender).gen);
	text_add(key, bytes_str(by));
	return get_identity(sender->inv, text_bytes(key));
}

struct device *identity_told(struct device *sender, const struct event *e)
{
	struct text key = { 0 };
	struct mac m = { 0 };
	bool is_maker = e->event == OB_MAKER;
	uint8_t kind = fact_find(e, ATTR_HL7_SOFTWARE) ? MADE_SOFTWARE : MADE_DEVICE;
	bool strong = told_key(&key, sender, e, &m);
	struct device *id = !strong && is_maker ? told_before(sender, e, kind) : NULL;
	if (id)
		return id;
	struct device *named = get_identity(sender->inv, text_bytes(&key));
	id = named && strong && is_maker ? identity_for(sender, named, &key) : named;
	if (!id)
		return NULL;
	id->is_strong |= strong && id == named;
	id->made_kind = kind;
	id->proto = e->proto;
	node_touch(id);
	if (id->told_first.at == 0)
		id->told_first = ref_of(sender);
	if (!id->stated && id->up == 0)
		id->sender = ref_of(sender);
	if (is_maker)
		maker_told(sender, id);
	struct device *at = mac_is_zero(&m) ? NULL : find_mac(sender->inv, &m, 0, 0);
	if (at && id->up == 0)
		node_link(id, at, LINK_EUI);
	return id;
}

void identity_mac_seen(struct device *m)
{
	struct text key = { 0 };
	mac_identity_key(&key, &m->mac);
	struct device *id = find_identity(m->inv, text_bytes(&key));
	if (id && id->up == 0)
		node_link(id, m, LINK_EUI);
}
