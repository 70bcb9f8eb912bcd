/*
 * Who made what he sends?
 *
 * A data set names the device that made it, and whoever sends it may only pass it on (DICOM PS3.3 C.7.5.1
 *says whose attributes these are; nothing on the wire says it of the sender). What a sender sends is its own
 *	- when the data set names it: the station by the host name or AE title of the sender, the software by
 *the sender's application;
 *	- when it sends data of that device alone, passes nothing on, and its software or network card is of
 *the same maker, or the fingerprints say that it makes such data itself (as a modality or a bedside device
 *works). Whoever is sent objects may pass them on later: of it only the card counts, and only for a device
 *that nobody told of before;
 *	- of the devices whose data it sends, when one alone is of its card's maker and its host name has that
 *one's model in it: the others it passes on. All of it is asked anew whenever the sender's device is judged,
 *and undone when it does not hold any more.
 */
#include "decide/inventory_nodes.h"

enum { WORD_LEAST = 5, NAME_LEAST = 3, MODEL_LEAST = 5, MODEL_MOST = 64 };

static struct bytes text_of(const struct device *id, enum attr a)
{
	const struct value *v = value_best(id, a);
	return v ? bytes_of(v->text, v->len) : (struct bytes){ 0 };
}

static struct device *made_at(const struct device *s, unsigned kind, unsigned i)
{
	return ref_get(s->inv, s->made[kind][i]);
}

void maker_told(struct device *s, struct device *id)
{
	struct ref *made = s->made[id->made_kind];
	unsigned at = MADE_MOST;
	for (unsigned i = MADE_MOST; i-- > 0;) {
		struct device *other = ref_get(s->inv, made[i]);
		if (other == id)
			return;
		at = other ? at : i;
	}
	if (at == MADE_MOST)
		s->made_more[id->made_kind] = true;
	else
		made[at] = ref_of(id);
}

/* ---- what a sender says of itself -------------------------------------------------------------------------
 */

static bool is_first_label(struct bytes name, struct bytes host)
{
	return name.n >= NAME_LEAST && bytes_eqi(name, bytes_first(host, bytes_chr(host, 0, '.')));
}

/* A station names its work after itself: the station name is its host name or the AE title that it goes by,
 * or the object's AE title is; so does software whose product is the sending application. Identities do not
 * count: what a sender carries is no word about itself. */
static bool is_named(const struct device *root, const struct device *id)
{
	struct bytes station = text_of(id, ATTR_STATION_NAME), title = text_of(id, ATTR_AE_TITLE);
	struct bytes product = { 0 };
	if (id->made_kind == MADE_SOFTWARE)
		product = text_of(id, ATTR_MODEL);
	TREE_EACH (n, (struct device *)(uintptr_t)root) {
		uint32_t i = n->kind == NODE_IDENTITY ? 0 : n->values;
		for (; i; i = ((struct value *)pool_at(&n->inv->values, i))->next) {
			const struct value *v = pool_at(&n->inv->values, i);
			struct bytes own = bytes_of(v->text, v->len);
			if (v->attr == ATTR_AE_TITLE && v->confidence >= 80 &&
				((station.n && bytes_eqi(station, own)) ||
					(title.n && bytes_eqi(title, own))))
				return true;
			if (v->attr == ATTR_HOST_NAME && is_first_label(station, own))
				return true;
			if (v->attr == ATTR_HL7_APPLICATION && v->confidence >= 80 && product.n &&
				bytes_eqi(product, own))
				return true;
		}
	}
	return false;
}

/* Letters and digits in lower case: "XN-1000" and "xn1000" are one model. */
static struct bytes plain(struct bytes v, uint8_t out[MODEL_MOST], bool *has_digit)
{
	size_t n = 0;
	for (size_t i = 0; i < v.n && n < MODEL_MOST; i++) {
		if (ascii_alnum(v.p[i]))
			out[n++] = ascii_lower(v.p[i]);
		*has_digit |= ascii_digit(v.p[i]);
	}
	return bytes_of(out, n);
}

static bool host_names_model(const struct device *root, const struct device *id)
{
	uint8_t room[2][MODEL_MOST];
	bool digit = false, unused = false;
	struct bytes model = plain(text_of(id, ATTR_MODEL), room[0], &digit);
	if (model.n < MODEL_LEAST || !digit)
		return false;
	TREE_EACH (n, (struct device *)(uintptr_t)root) {
		if (n->kind == NODE_IDENTITY)
			continue;
		struct bytes host = plain(text_of(n, ATTR_HOST_NAME), room[1], &unused);
		for (; host.n >= model.n; host = bytes_from(host, 1))
			if (bytes_eq(bytes_first(host, model.n), model))
				return true;
	}
	return false;
}

/* ---- makers
 * -------------------------------------------------------------------------------------------------- */

static bool arc_agrees(const struct device *root, const struct device *id)
{
	struct bytes maker = text_of(id, ATTR_MANUFACTURER);
	struct attr_value uid;
	if (!maker.n || !root->inv->fingerprints)
		return false;
	for (unsigned i = 0; device_attr(root, ATTR_DICOM_IMPLEMENTATION_UID, i, &uid); i++)
		if (fingerprints_arc_agrees(root->inv->fingerprints, uid.value, maker))
			return true;
	return false;
}

static struct bytes first_word(struct bytes v)
{
	return bytes_first(v, bytes_chr(v, 0, ' '));
}

/* The sender's network card is of the maker itself ("Siemens AG", "SIEMENS"). */
static bool card_agrees(const struct device *root, const struct device *id)
{
	struct attr_value card;
	if (!device_attr(root, ATTR_MAC_VENDOR, 0, &card))
		return false;
	struct bytes word = first_word(card.value);
	return word.n >= WORD_LEAST && bytes_eqi(word, first_word(text_of(id, ATTR_MANUFACTURER)));
}

/* The card is of a maker of devices, who is not the maker told of: the sender is a device of its own. */
static bool card_denies(const struct device *root, const struct device *id)
{
	struct attr_value class;
	return device_attr(root, ATTR_MAC_CLASS, 0, &class) && text_of(id, ATTR_MANUFACTURER).n &&
	       !card_agrees(root, id);
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
static bool other_card(const struct device *root, const struct device *id)
{
	struct mac m;
	return root->kind == NODE_MAC && identity_card(id, &m) && !mac_eq(&m, &root->mac);
}

/* ---- one device or several
 * ------------------------------------------------------------------------------------ */

static bool differ(const struct device *a, const struct device *b, enum attr what)
{
	struct bytes x = text_of(a, what), y = text_of(b, what);
	if (what == ATTR_MANUFACTURER) { /* "SIEMENS", "Siemens Healthineers" */
		x = first_word(x);
		y = first_word(y);
	}
	return x.n && y.n && !bytes_eqi(x, y);
}

/* Can both be one device: the same number (its maker may be spelt in two ways), or one without a number that
 * says nothing else? */
static bool alike(const struct device *a, const struct device *b)
{
	if (a->is_strong && b->is_strong)
		return text_of(a, ATTR_SERIAL).n && text_of(b, ATTR_SERIAL).n && !differ(a, b, ATTR_SERIAL);
	return !differ(a, b, ATTR_MANUFACTURER) && !differ(a, b, ATTR_MODEL) &&
	       !differ(a, b, ATTR_STATION_NAME);
}

/* What a sender's data name besides id. */
struct others {
	bool are_alike;   /* all of it can be one device */
	bool other_named; /* another device than id is named as the sender */
	bool any_named;   /* the sender is named by something that can be the same device as id */
	bool other_card;  /* another device than id is of the card's maker */
};

static struct others look_round(const struct device *s, const struct device *root, const struct device *id)
{
	struct others o = { .are_alike = !s->made_more[id->made_kind] };
	for (unsigned i = 0; i < MADE_MOST; i++) {
		const struct device *a = made_at(s, id->made_kind, i);
		for (unsigned k = 0; a && k < i; k++) {
			const struct device *b = made_at(s, id->made_kind, k);
			o.are_alike &= !b || alike(a, b);
		}
		if (!a || a == id)
			continue;
		bool is_same = alike(a, id), named = is_named(root, a);
		o.any_named |= is_same && named;
		o.other_named |= !is_same && named;
		o.other_card |= !is_same && card_agrees(root, a);
	}
	return o;
}

static bool is_told_first(const struct device *s, const struct device *id)
{
	const struct device *first = ref_get(s->inv, id->told_first);
	return first && node_root(first) == node_root(s);
}

static bool may_be_maker(const struct device *s, const struct device *id)
{
	const struct device *root = node_root(s);
	if (states_another(root, id) || other_card(root, id))
		return false;
	struct others o = look_round(s, root, id);
	if (is_named(root, id))
		return !o.other_named && !s->made_more[id->made_kind];
	if (o.other_named || root->passes_on || s->made_more[id->made_kind])
		return false;
	bool card = card_agrees(root, id);
	if (!o.are_alike)
		return card && !o.other_card && !root->receives && host_names_model(root, id);
	if (root->receives)
		return (card && is_told_first(s, id)) || o.any_named;
	return o.any_named || card || arc_agrees(root, id) ||
	       ((root->makes >> id->proto & 1) && !card_denies(root, id));
}

/* Has the sender an AE title of its own that other has too? Data carry the title of another device only in
 * identities. */
static bool share_title(const struct device *a, const struct device *b)
{
	TREE_EACH (n, (struct device *)(uintptr_t)a) {
		uint32_t i = n->kind == NODE_IDENTITY ? 0 : n->values;
		for (; i; i = ((struct value *)pool_at(&n->inv->values, i))->next) {
			const struct value *v = pool_at(&n->inv->values, i);
			struct attr_value theirs;
			for (unsigned k = 0;
				v->attr == ATTR_AE_TITLE && device_attr(b, ATTR_AE_TITLE, k, &theirs); k++)
				if (bytes_eq(theirs.value, bytes_of(v->text, v->len)))
					return true;
		}
	}
	return false;
}

bool maker_contends(const struct device *s, const struct device *at, const struct device *id)
{
	const struct device *root = node_root(s);
	return card_agrees(root, id) && may_be_maker(s, id) &&
	       (is_named(root, id) || share_title(root, node_root(at)));
}

/* ---- binding
 * ----------------------------------------------------------------------------------------------------- */

static void rebind(struct device *s, struct device *id)
{
	if (!id || id->stated || (id->up && id->link != LINK_MAKER))
		return;
	struct device *at = id->up ? node_at(id->inv, id->up) : NULL;
	if (at && at != s && (node_root(at) == node_root(s) || !is_named(node_root(s), id)))
		return;
	bool may = may_be_maker(s, id);
	if (!at && may) {
		id->sender = ref_of(s);
		node_link(id, s, LINK_MAKER);
	} else if (at == s && !may) {
		node_unlink(id);
	} else if (at && at != s && may) {
		identity_moved(id, at, s);
	}
}

void maker_rebind(struct device *n)
{
	struct device *next, *root = node_root(n);
	for (struct device *s = root; s; s = next) {
		/* An identity has no senders below it, so what is linked or unlinked here is not walked. */
		next = tree_next(s, root);
		while (next && next->kind == NODE_IDENTITY)
			next = tree_next(next, root);
		for (unsigned k = 0; k < MADE_KINDS; k++)
			for (unsigned i = 0; i < MADE_MOST; i++)
				rebind(s, made_at(s, k, i));
	}
}
