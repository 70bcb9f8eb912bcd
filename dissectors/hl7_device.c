/*
 * Which devices a message speaks of, and what it says of them (wire/clinical.md 2.5, 4.3, 5.6; IHE PCD TF-2
 * appendix B, HL7 v2.9 7.4.2.18 OBX-18, 7.3.4 PRT, 17.8 DEV).
 *
 * A gateway sends for many monitors: what an OBX, PRT or DEV says belongs to the device that measured. It is
 * the sender's own only when the EUI-64 there holds the sender's MAC address; it may be the sender's when the
 * message speaks of that one device alone and names it as its sending application too; all else is behind.
 */
#include "hl7.h"

/* ---- identifiers ------------------------------------------------------------------------- */

static unsigned hex_digits(struct bytes v)
{
	unsigned n = 0;
	for (; n < v.n; n++) {
		uint8_t c = ascii_lower((uint8_t)bytes_at(v, n));
		if (!ascii_digit(c) && (c < 'a' || c > 'f'))
			break;
	}
	return n;
}

/* The filler of a MAC address made an EUI-64: FFFE, or FFFF with some (IEEE's old MAC-48 rule). */
static bool has_filler(struct bytes eui)
{
	struct bytes filler = bytes_sub(eui, 6, 4);
	return bytes_isi(filler, "FFFE") || bytes_isi(filler, "FFFF");
}

/* The EUI-64 in an EI or HD: 16 hex digits, perhaps with a name behind them, and the type said; where no type
 * is said (GE: `080019FFFE0B4020^B40_GE`) only digits that hold a MAC address's filler. */
static struct bytes eui_of(const struct message *m, struct bytes v)
{
	bool typed = false;
	for (unsigned i = 2; i <= 4; i++)
		typed |= bytes_is(hl7_component(m, v, i), "EUI-64");
	for (unsigned i = 3; i >= 1; i--) {
		struct bytes c = hl7_component(m, v, i);
		if (hex_digits(c) >= 16 && (typed || (c.n == 16 && has_filler(c))))
			return bytes_first(c, 16);
	}
	return (struct bytes){ 0 };
}

/* Without a filler (Mindray) only the maker's half of the MAC address is known: then it is the sender if the
 * halves agree. U/L bit: not inverted (unlike RFC 4291). */
static bool is_sender_mac(struct dx *x, struct bytes eui)
{
	const struct mac *mac = x->dir == DIR_CLIENT ? &x->conv->smac : &x->conv->dmac;
	char text[MAC_TEXT];
	if (mac_is_zero(mac))
		return false;
	struct bytes t = bytes_str(mac_text(mac, text));
	bool same = true;
	for (unsigned i = 0; i < (has_filler(eui) ? 6u : 3u); i++)
		same &= bytes_eqi(bytes_sub(t, i * 3, 2), bytes_sub(eui, i < 3 ? i * 2 : i * 2 + 4, 2));
	return same;
}

/* UDI as issued: GS1 `(01)…` or 14 digits, HIBCC `+…`, ICCBBA `=/…`. */
static bool is_udi(struct bytes v)
{
	uint64_t number;
	bool hibcc = v.n > 6 && bytes_at(v, 0) == '+' && ascii_alpha(bytes_at(v, 1)) &&
		     bytes_chr(v, 0, ' ') == v.n;
	bool gs1 = bytes_starts(v, "(01)") || (v.n == 14 && bytes_to_u64(v, &number));
	return gs1 || hibcc || bytes_starts(v, "=/");
}

/* Digits and dots, then perhaps letters: `1.22`, `2.3.0.1905`, `3.1b`. */
static bool is_version(struct bytes v)
{
	bool dot = false, ok = ascii_digit(bytes_at(v, 0)) && v.n <= 24;
	for (size_t i = 0; i < v.n; i++) {
		int c = bytes_at(v, i);
		dot |= c == '.' && ascii_digit(bytes_at(v, i + 1));
		ok &= ascii_alnum(c) || c == '.' || c == '-' || c == '_';
	}
	return ok && dot;
}

static bool is_one_of(int c, const char *set)
{
	return c > 0 && bytes_chr(bytes_str(set), 0, (uint8_t)c) < strlen(set);
}

/* A word that can be a company's, and none of the universal id types of table 0301. */
static bool is_maker(struct bytes v)
{
	static const char *const types[] = { "ISO", "DNS", "GUID", "UUID", "CLIA", "CLIP", "HCD", "HL7",
		"URI", "CEN", "CAP", "RANDOM", "X400", "X500", "MAC", "LOCAL" };
	if (v.n < 3 || v.n > 32)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alpha(bytes_at(v, i)) && (i == 0 || !is_one_of(bytes_at(v, i), " &.-")))
			return false;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (bytes_isi(v, types[i]))
			return false;
	return true;
}

bool hl7_is_open(const struct message *m, struct bytes v)
{
	if (bytes_is(v, "\"\""))
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (bytes_at(v, i) < ' ' || bytes_at(v, i) == 0x7f)
			return false;
	return v.n > 0 && !hl7_names_patient(m, v);
}

/* ---- collecting -------------------------------------------------------------------------- */

static void say(struct said *s, struct bytes v, unsigned confidence)
{
	v = bytes_trim(v);
	if (v.n && confidence > s->confidence)
		*s = (struct said){ v, (uint8_t)confidence };
}

static void add_type(struct device *d, struct bytes code)
{
	for (unsigned i = 0; code.n && i < 2; i++) {
		if (bytes_eq(d->type[i], code))
			return;
		if (d->type[i].n == 0) {
			d->type[i] = code;
			return;
		}
	}
}

/* The same device: the same EUI-64, else the same OBX-18, else the same subtree in the same OBR group. */
static bool is_same(const struct message *m, const struct device *d, struct bytes eui, struct bytes instance,
	struct bytes mds)
{
	if (eui.n && d->eui.n)
		return bytes_eqi(eui, d->eui);
	if (instance.n && d->instance.n)
		return bytes_eq(instance, d->instance);
	return d->obr == m->obr && bytes_eq(d->mds, mds);
}

static struct device *device_for(struct message *m, struct bytes instance, struct bytes mds)
{
	struct bytes eui = eui_of(m, instance);
	struct device *d = NULL;
	for (unsigned i = 0; i < m->n_devices && !d; i++)
		if (is_same(m, &m->device[i], eui, instance, mds))
			d = &m->device[i];
	if (!d) {
		if (m->n_devices == HL7_DEVICES)
			return NULL;
		d = &m->device[m->n_devices++];
	}
	if (eui.n)
		d->eui = eui;
	if (d->instance.n == 0)
		d->instance = instance;
	d->mds = mds;
	d->obr = m->obr;
	add_type(d, m->obr_type);
	return d;
}

/* Without the profile: `cobas pro^Roche~1234^Roche` of an application of the first's name, where the
 * namespace is a company's and no site's own. */
static bool is_law_shape(const struct message *m, struct bytes first, struct bytes second)
{
	struct bytes app = hl7_component(m, hl7_field(m, m->msh, 3), 1);
	struct bytes model = hl7_nth(first, m->component, 1), vendor = hl7_nth(first, m->component, 2);
	struct bytes serial = hl7_nth(second, m->component, 1);
	bool digit = false;
	for (size_t i = 0; i < serial.n; i++)
		digit |= ascii_digit(bytes_at(serial, i));
	return model.n && bytes_eqi(model, app) && digit && is_maker(vendor) && vendor.n > 3 &&
	       bytes_eqi(vendor, hl7_nth(second, m->component, 2)) && !hl7_nth(first, m->component, 3).n &&
	       !bytes_eqi(vendor, hl7_label(m, hl7_field(m, m->msh, 4)));
}

/* OBX-18. LAW: model, serial and module, each `value^vendor`. Else one EI, whose parts are taken for what
 * they say themselves: an EUI-64, a UDI, `SN:`. */
static void read_instance(struct message *m, struct device *d, struct bytes instance)
{
	struct cur c = cur_of(instance);
	struct bytes first = hl7_repetition(m, &c), second = hl7_repetition(m, &c);
	struct bytes id = hl7_nth(first, m->component, 1);
	if (second.n && (m->law || is_law_shape(m, first, second))) {
		unsigned sure = m->law ? 90 : 75;
		say(&d->model, id, sure);
		say(&d->maker, hl7_nth(first, m->component, 2), sure);
		say(&d->serial, hl7_nth(second, m->component, 1), sure);
		d->is_sender = true;
		return;
	}
	for (unsigned i = 1; i <= 4; i++) {
		struct bytes part = hl7_nth(first, m->component, i);
		if (bytes_startsi(part, "SN:"))
			say(&d->serial, bytes_from(part, 3), 85);
	}
	struct bytes application = hl7_field(m, m->msh, 3), maker = hl7_nth(first, m->component, 3);
	if (id.n && bytes_eq(id, hl7_component(m, application, 1))) {
		d->is_sender = true;
		say(&d->model, id, 70);
		if (is_maker(maker) && bytes_eq(maker, hl7_component(m, application, 3)))
			say(&d->maker, maker, 75);
	} else if (is_udi(id)) {
		say(&d->udi, id, 90);
	} else if (hex_digits(id) < 16) {
		say(&d->name, id, 60);
	}
}

/* ISO/IEEE 11073-10101, partition 8. Where name and number disagree (seen), the name is what the sender's
 * author could read. */
static const struct mdc_row {
	uint32_t code;
	const char *name;
	enum { MODEL, MAKER, SERIAL, SOFTWARE, FIRMWARE } what;
} mdc_rows[] = {
	{ 531969, "MDC_ID_MODEL_NUMBER", MODEL },
	{ 531970, "MDC_ID_MODEL_MANUFACTURER", MAKER },
	{ 531972, "MDC_ID_PROD_SPEC_SERIAL", SERIAL },
	{ 531975, "MDC_ID_PROD_SPEC_SW", SOFTWARE },
	{ 531976, "MDC_ID_PROD_SPEC_FW", FIRMWARE },
};

static const struct mdc_row *mdc_row(uint64_t code, struct bytes name, unsigned *confidence)
{
	const struct mdc_row *by_code = NULL;
	for (size_t i = 0; i < sizeof mdc_rows / sizeof *mdc_rows; i++) {
		if (bytes_is(name, mdc_rows[i].name)) {
			*confidence = code == mdc_rows[i].code ? 95 : 80;
			return &mdc_rows[i];
		}
		if (code == mdc_rows[i].code)
			by_code = &mdc_rows[i];
	}
	*confidence = 75;
	/* Another MDC name beside a number of the table: the sender means something else. */
	return bytes_starts(name, "MDC_") ? NULL : by_code;
}

/* A list of `key=value` (ICU Medical: `InfuserType=PLUM_360~Infuser Software=15.11.00.018~…`). */
static void read_pairs(struct message *m, struct device *d, struct bytes value)
{
	struct cur c = cur_of(value);
	for (unsigned i = 0; i < HL7_REPETITIONS && cur_more(&c); i++) {
		struct cur pair = cur_of(hl7_repetition(m, &c));
		struct bytes key = bytes_trim(cur_until(&pair, '=')), v = cur_rest(&pair);
		if (key.n > 4 && bytes_isi(bytes_from(key, key.n - 4), "Type"))
			say(&d->model, v, 85);
		else if (key.n >= 8 && bytes_isi(bytes_from(key, key.n - 8), "Software"))
			say(&d->software, v, 90);
	}
}

static void read_identity(struct message *m, struct device *d, const struct mdc_row *row, unsigned confidence,
	struct bytes value)
{
	struct bytes v = hl7_component(m, value, 1);
	switch (row->what) {
	case MODEL:
		say(&d->model, v, confidence);
		break;
	case MAKER:
		say(&d->maker, v, confidence);
		break;
	case SERIAL:
		say(&d->serial, v, confidence);
		break;
	case SOFTWARE:
		if (bytes_chr(value, 0, '=') < value.n)
			read_pairs(m, d, value);
		else
			say(&d->software, v, confidence);
		break;
	case FIRMWARE: /* less of a version than the software's */
		say(&d->software, v, confidence - 10);
		break;
	}
}

/* The MDC code of a device (partition 1: objects), as its number where there is one. */
static struct bytes device_type_of(const struct message *m, struct bytes field)
{
	struct bytes number = hl7_component(m, field, 1), name = hl7_component(m, field, 2);
	uint64_t code = 0;
	bool is_number = bytes_to_u64(number, &code);
	if (bytes_starts(name, "MDC_DEV_") || bytes_starts(number, "MDC_DEV_"))
		return is_number || bytes_starts(number, "MDC_DEV_") ? number : name;
	bool is_object =
		is_number && code >> 16 == 1 && bytes_is(hl7_component(m, field, 3), "MDC") && name.n == 0;
	return is_object ? number : (struct bytes){ 0 };
}

/* OBX-18; one field late is met, where a time belongs. */
static struct bytes instance_of(const struct message *m, struct bytes obx)
{
	struct bytes v = hl7_field(m, obx, 18), late = hl7_field(m, obx, 19);
	return v.n == 0 && ascii_alpha(bytes_at(late, 0)) ? late : v;
}

static void read_obx(struct message *m, struct bytes s)
{
	struct bytes what = hl7_field(m, s, 3), instance = instance_of(m, s);
	struct bytes mds = hl7_nth(hl7_field(m, s, 4), '.', 1);
	struct bytes type = device_type_of(m, what);
	uint64_t code = 0;
	unsigned confidence = 0;
	bytes_to_u64(hl7_component(m, what, 1), &code);
	const struct mdc_row *row = mdc_row(code, hl7_component(m, what, 2), &confidence);
	if (!row && !type.n && !bytes_trim(instance).n)
		return;
	struct device *d = device_for(m, instance, mds);
	if (!d)
		return;
	add_type(d, type);
	read_instance(m, d, instance);
	if (row)
		read_identity(m, d, row, confidence, hl7_field(m, s, 5));
}

static void read_prt(struct message *m, struct bytes s)
{
	struct bytes id = hl7_field(m, s, 10), udi = hl7_field(m, s, 16);
	if (!id.n && !udi.n)
		return;
	struct device *d = device_for(m, id.n ? id : udi, (struct bytes){ 0 });
	if (!d)
		return;
	read_instance(m, d, id);
	if (is_udi(hl7_component(m, udi, 1)))
		say(&d->udi, hl7_component(m, udi, 1), 90);
	say(&d->serial, hl7_component(m, hl7_field(m, s, 20), 1), 85);
}

static void read_dev(struct message *m, struct bytes s)
{
	struct bytes serial = hl7_component(m, hl7_field(m, s, 11), 1),
		     udi = hl7_component(m, hl7_field(m, s, 2), 1);
	struct bytes key = udi.n ? udi : serial;
	struct device *d = key.n ? device_for(m, key, (struct bytes){ 0 }) : NULL;
	if (!d)
		return;
	say(&d->udi, is_udi(udi) ? udi : (struct bytes){ 0 }, 90);
	say(&d->maker, hl7_label(m, hl7_field(m, s, 5)), 90);
	say(&d->model, hl7_component(m, hl7_field(m, s, 7), 1), 90);
	say(&d->serial, serial, 90);
	say(&d->software, hl7_component(m, hl7_field(m, s, 16), 1), 90);
}

/* MSH-3 of an analyser, which has no better place: `XN-1000^1.22^SYSMEX` (product, version, and a maker where
 * the type of a universal id should be), `cobas 4800 software 2.3.0.1905^56450_00001^M` (product, version,
 * serial as a local id). Other shapes say nothing sure. */
static void read_application(struct message *m, struct bytes app)
{
	struct bytes name = hl7_component(m, app, 1), id = hl7_component(m, app, 2),
		     third = hl7_component(m, app, 3);
	struct bytes word = bytes_str(" software ");
	size_t at = bytes_find(name, 0, word);
	bool is_local = bytes_is(third, "L") || bytes_is(third, "M") || bytes_is(third, "N");
	bool is_product = name.n && is_version(id) && is_maker(third);
	bool is_software = at < name.n && is_version(bytes_from(name, at + word.n));
	if (!is_product && !is_software)
		return;
	struct device *d = m->n_devices == 1 && m->device[0].is_sender ? &m->device[0] : NULL;
	if (!d && m->n_devices == 0)
		d = device_for(m, name, (struct bytes){ 0 });
	if (!d)
		return;
	d->is_sender = true;
	if (is_product) {
		say(&d->model, name, 60);
		say(&d->software, id, 60);
		say(&d->maker, third, 60);
	} else {
		say(&d->model, bytes_first(name, at), 60);
		say(&d->software, bytes_from(name, at + word.n), 70);
		if (is_local && ascii_digit(bytes_at(id, 0)))
			say(&d->serial, id, 60);
	}
}

void hl7_devices(struct message *m)
{
	struct bytes s, app = hl7_field(m, m->msh, 3);
	m->eui = eui_of(m, app);
	for (struct walk w = { .all = m->all }; hl7_segment(m, &w, &s);) {
		if (hl7_is(s, "OBR")) {
			m->obr++;
			m->obr_type = device_type_of(m, hl7_field(m, s, 4));
		} else if (hl7_is(s, "OBX")) {
			read_obx(m, s);
		} else if (hl7_is(s, "PRT")) {
			read_prt(m, s);
		} else if (hl7_is(s, "DEV")) {
			read_dev(m, s);
		} else if (hl7_is(s, "PV1") && m->location.n == 0) {
			m->location = hl7_nth(hl7_field(m, s, 3), m->repetition, 1);
		}
	}
	/* The one device of the message, named by its application alone. */
	if (m->eui.n && m->n_devices == 0)
		device_for(m, app, (struct bytes){ 0 });
	else if (m->eui.n && m->n_devices == 1 && m->device[0].eui.n == 0)
		m->device[0].eui = m->eui;
	read_application(m, app);
}

/* ---- telling ----------------------------------------------------------------------------- */

static bool is_first(const struct bytes *seen, unsigned n, struct bytes v)
{
	for (unsigned i = 0; i < n; i++)
		if (bytes_eqi(seen[i], v))
			return false;
	return true;
}

static void upper(struct bytes v, struct text *t)
{
	t->n = bytes_copy(t->b, sizeof t->b, v);
	for (size_t i = 0; i < t->n; i++)
		t->b[i] = ascii_upper(t->b[i]);
}

/* One list of identifiers: of OBX-18 and PRT-10, or (want_udi) what stands where a UDI belongs or is one. */
static void facts(struct dx *x, const struct message *m, unsigned field, bool want_udi)
{
	struct bytes seen[HL7_DEVICES * 2], s;
	unsigned n = 0;
	for (struct walk w = { .all = m->all }; hl7_segment(m, &w, &s);) {
		bool obx = hl7_is(s, "OBX"), prt = hl7_is(s, "PRT"), dev = hl7_is(s, "DEV");
		if (!obx && !prt && !dev)
			continue;
		struct bytes at[2] = { obx ? instance_of(m, s) : hl7_field(m, s, prt ? 10 : 11), { 0 } };
		if (!obx)
			at[1] = hl7_field(m, s, prt ? 16 : 2);
		for (unsigned i = 0; i < 2; i++) {
			struct bytes eui = eui_of(m, at[i]), v = eui.n ? eui : hl7_component(m, at[i], 1);
			struct text room, plain;
			if ((i == 1 || is_udi(v)) != want_udi || n == HL7_DEVICES * 2 ||
				!is_first(seen, n, v))
				continue;
			seen[n++] = v;
			v = hl7_unescape(m, v, &plain);
			if (!hl7_is_open(m, v))
				continue;
			if (eui.n) {
				upper(v, &room);
				v = bytes_of(room.b, room.n);
			}
			ev_str(x, field, v);
		}
	}
}

void hl7_device_facts(struct dx *x, const struct message *m, unsigned identifier, unsigned udi)
{
	facts(x, m, identifier, false);
	facts(x, m, udi, true);
}

static void tell(struct dx *x, const struct message *m, enum attr attr, struct said s)
{
	struct text room;
	s.value = hl7_unescape(m, s.value, &room);
	if (s.confidence && hl7_is_open(m, s.value))
		ob_str(x, attr, s.value, s.confidence);
}

/* `ICU^07^A` as "ICU 07 A": point of care, room, bed. */
static void tell_location(struct dx *x, const struct message *m)
{
	struct text t = { 0 };
	for (unsigned i = 1; i <= 3; i++) {
		struct bytes v = hl7_component(m, m->location, i);
		if (v.n && t.n)
			hl7_text_add(&t, bytes_str(" "));
		hl7_text_add(&t, v);
	}
	ob_str(x, ATTR_LOCATION, bytes_of(t.b, t.n), 80);
}

static bool is_named(const struct message *m, const struct device *d)
{
	return d->is_sender || (d->eui.n && bytes_eqi(d->eui, m->eui));
}

bool hl7_is_device_application(const struct message *m)
{
	return m->eui.n || (m->n_devices == 1 && m->device[0].is_sender);
}

void hl7_device_observe(struct dx *x, const struct message *m)
{
	for (unsigned i = 0; i < m->n_devices; i++) {
		const struct device *d = &m->device[i];
		bool alone = m->n_devices == 1;
		bool is_key = d->eui.n || d->serial.confidence || d->udi.confidence;
		bool named = is_named(m, d);
		enum observation_about about = OB_BEHIND;
		if (d->eui.n && is_sender_mac(x, d->eui))
			about = OB_SENDER;
		else if (alone && (named || (m->pcd && !is_key)))
			about = OB_MAKER;
		else if (!is_key)
			continue;
		ob_begin(x, about);
		struct text room;
		upper(d->eui, &room);
		ob_str(x, ATTR_EUI64, bytes_of(room.b, room.n), about == OB_SENDER ? 95 : 90);
		tell(x, m, ATTR_MANUFACTURER, d->maker);
		tell(x, m, ATTR_MODEL, d->model);
		tell(x, m, ATTR_SERIAL, d->serial);
		tell(x, m, ATTR_FIRMWARE, d->software);
		tell(x, m, ATTR_UDI, d->udi);
		if (is_key || named)
			tell(x, m, ATTR_STATION_NAME, d->name);
		for (unsigned t = 0; t < 2; t++)
			tell(x, m, ATTR_MDC_TYPE, (struct said){ d->type[t], 90 });
		if (named && hl7_is_device_application(m))
			ob_str(x, ATTR_HL7_APPLICATION, hl7_label(m, hl7_field(m, m->msh, 3)), 90);
		if (m->pcd && alone)
			tell_location(x, m);
		ob_end(x);
	}
}
