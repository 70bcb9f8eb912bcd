/*
 * Serial numbers, EUI-64 and makers: which device is it that data speak of?
 *
 * A data set names the device that made it, and whoever sends it may only pass it on. It is the sender that
 * made it when the sender's software or network card is of the same maker, or the fingerprints say that it
 * makes such data itself (as a modality or a bedside device works), and it passes nothing on: it never sent
 * data of a second device, and no fingerprint says so (DICOM PS3.3 C.7.5.1 says whose attributes these are;
 * nothing on the wire says it of the sender).
 */
#include "decide/inventory_nodes.h"

#include "packet/categories.h"

#include <stdio.h>

enum { KEY_BYTES = 256 };

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

/* A serial number in which nothing stands: "0", "000000", "N/A", "none". */
static bool is_empty_serial(struct bytes v)
{
	bool zeros = true;
	for (size_t i = 0; i < v.n; i++)
		zeros &= !ascii_alnum(v.p[i]) || v.p[i] == '0';
	return zeros || bytes_isi(v, "n/a") || bytes_isi(v, "na") || bytes_isi(v, "none") ||
	       bytes_isi(v, "unknown") || bytes_isi(v, "null");
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

/* Whoever spoke last is the device; a device that spoke from its old address after all is two. */
static void moved(struct device *id, struct device *from, struct device *to)
{
	if (id->contested)
		return;
	if (to->first_ns < from->last_ns || to->first_ns - from->last_ns < MOVED_NS) {
		id->contested = true;
		asset_event(to, ASSET_EV_CONFLICTING, ATTR_SERIAL, (struct bytes){ 0 }, (struct bytes){ 0 });
		return;
	}
	id->sender = ref_of(to);
	node_link(node_root(to), node_root(from), LINK_MOVED);
}

static void state(struct device *n, struct bytes key)
{
	struct device *id = get_identity(n->inv, key);
	if (!id)
		return;
	struct device *before = id->stated ? ref_get(n->inv, id->sender) : NULL;
	if (before && node_root(before) != node_root(n)) {
		moved(id, before, n);
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
	if (serial && maker && !is_empty_serial(bytes_of(serial->text, serial->len))) {
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
	if (serial.n && maker.n && !is_empty_serial(serial)) {
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
	return false;
}

static bool same_make(const struct device *id, const struct event *e)
{
	const struct value *maker = value_best(id, ATTR_MANUFACTURER), *model = value_best(id, ATTR_MODEL);
	struct bytes a = fact_of(e, ATTR_MANUFACTURER), b = fact_of(e, ATTR_MODEL);
	return (!a.n || !maker || bytes_eqi(a, bytes_of(maker->text, maker->len))) &&
	       (!b.n || !model || bytes_eqi(b, bytes_of(model->text, model->len)));
}

static bool arc_agrees(const struct device *root, const struct device *id)
{
	const struct value *maker = value_best(id, ATTR_MANUFACTURER);
	struct attr_value uid;
	if (!maker || !root->inv->fingerprints)
		return false;
	for (unsigned i = 0; device_attr(root, ATTR_DICOM_IMPLEMENTATION_UID, i, &uid); i++)
		if (fingerprints_arc_agrees(
			    root->inv->fingerprints, uid.value, bytes_of(maker->text, maker->len)))
			return true;
	return false;
}

/* The sender's network card is of the maker itself ("Siemens AG", "SIEMENS"): with nothing passed on and no
 * second device, that is the maker's own (PS3.3 says nothing of senders; wire facts' rule (d), made
 * narrower). */
static bool card_agrees(const struct device *root, const struct device *id)
{
	enum { WORD_LEAST = 5 };
	const struct value *maker = value_best(id, ATTR_MANUFACTURER);
	struct attr_value card;
	if (!maker || !device_attr(root, ATTR_MAC_VENDOR, 0, &card))
		return false;
	struct bytes told = bytes_of(maker->text, maker->len);
	struct bytes word = bytes_first(card.value, bytes_chr(card.value, 0, ' '));
	return word.n >= WORD_LEAST && bytes_eqi(word, bytes_first(told, bytes_chr(told, 0, ' ')));
}

/* Does n's device state another serial number (or, without one, another maker or model) than id has? */
static bool states_another(const struct device *root, const struct device *id)
{
	static const enum attr strong[] = { ATTR_SERIAL, ATTR_MANUFACTURER, ATTR_MODEL };
	TREE_EACH (n, (struct device *)(uintptr_t)root) {
		if (n->kind == NODE_IDENTITY)
			continue;
		for (size_t i = 0; i < sizeof strong / sizeof *strong; i++) {
			const struct value *a = value_best(n, strong[i]), *b = value_best(id, strong[i]);
			/* A fingerprint's word for the maker of its software ("GE") is no other maker's. */
			if (a && a->by_fingerprint && arc_agrees(root, id))
				continue;
			if (a && b && !bytes_eqi(bytes_of(a->text, a->len), bytes_of(b->text, b->len)))
				return true;
		}
	}
	return false;
}

/* The card on the sender's side of a segment is not the one that the EUI-64 was made from. */
static bool other_card(const struct device *sender, const struct device *id)
{
	const struct value *eui = value_best(id, ATTR_EUI64);
	const struct device *root = node_root(sender);
	uint8_t e[8] = { 0 };
	struct mac m;
	return eui && root->kind == NODE_MAC && eui_parse(bytes_of(eui->text, eui->len), e) &&
	       eui_mac(e, &m) && !mac_eq(&m, &root->mac);
}

static bool may_be_maker(const struct device *sender, const struct device *id)
{
	const struct device *root = node_root(sender);
	if (sender->made_many[id->made_kind] || root->passes_on || states_another(root, id) ||
		other_card(sender, id))
		return false;
	return (root->makes >> id->proto & 1) || arc_agrees(root, id) || card_agrees(root, id);
}

static void rebind(struct device *s, struct device *id)
{
	if (!id || id->stated || (id->up && id->link != LINK_MAKER))
		return;
	bool may = may_be_maker(s, id);
	if (id->up == 0 && may) {
		id->sender = ref_of(s);
		node_link(id, s, LINK_MAKER);
	} else if (id->up == node_index(s) && !may) {
		node_unlink(id);
	}
}

void identity_rebind(struct device *n)
{
	struct device *next, *root = node_root(n);
	for (struct device *s = root; s; s = next) {
		/* An identity has no senders below it, so what is linked or unlinked here is not walked. */
		next = tree_next(s, root);
		while (next && next->kind == NODE_IDENTITY)
			next = tree_next(next, root);
		for (unsigned k = 0; k < MADE_KINDS; k++)
			rebind(s, ref_get(n->inv, s->made_first[k]));
	}
}

/* A station names its work after itself: the station name or its AE title is the title it calls with. */
bool identity_is_senders(const struct device *sender, const struct event *e)
{
	struct bytes name = fact_of(e, ATTR_STATION_NAME), title = fact_of(e, ATTR_AE_TITLE);
	struct attr_value own;
	for (unsigned i = 0; device_attr(sender, ATTR_AE_TITLE, i, &own); i++)
		if (own.confidence >= 80 &&
			((name.n && bytes_eqi(own.value, name)) || (title.n && bytes_eqi(own.value, title))))
			return true;
	return false;
}

static void carried_by(struct device *sender, struct device *id, bool is_maker)
{
	struct device *first = ref_get(sender->inv, sender->made_first[id->made_kind]);
	bool *many = &sender->made_many[id->made_kind];
	if (is_maker && !first)
		sender->made_first[id->made_kind] = ref_of(id);
	else if (is_maker && first != id && !*many) {
		*many = true;
		identity_rebind(sender);
	}
	if (!id->stated && id->up == 0)
		id->sender = ref_of(sender);
}

struct device *identity_told(struct device *sender, const struct event *e)
{
	struct text key = { 0 };
	struct mac m = { 0 };
	bool is_maker = e->event == OB_MAKER;
	uint8_t kind = fact_find(e, ATTR_HL7_SOFTWARE) ? MADE_SOFTWARE : MADE_DEVICE;
	struct device *first = ref_get(sender->inv, sender->made_first[kind]);
	bool strong = told_key(&key, sender, e, &m);
	/* An anonymised object lacks the number that others of the same device carry. */
	if (!strong && is_maker && first && same_make(first, e))
		return first;
	struct device *id = get_identity(sender->inv, text_bytes(&key));
	if (!id)
		return NULL;
	id->is_strong |= strong;
	id->made_kind = kind;
	id->proto = e->proto;
	node_touch(id);
	carried_by(sender, id, is_maker);
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
