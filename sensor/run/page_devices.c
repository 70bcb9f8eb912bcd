#include "run/columns.h"
#include "run/page.h"

#include "decide/types.h"
#include "packet/dissect.h"

#include <stdlib.h>

enum { COLUMNS_N = 7 };

struct row {
	const struct device *dev;
	size_t type;         /* index into type_rows */
	struct addr address; /* family 0: none */
	size_t addresses;
	uint64_t first_packet;
};

struct rows {
	struct row *r;
	size_t n, cap;
};

static size_t type_index(const struct device *dev)
{
	const struct type_row *t = type_find(bytes_str(device_type(dev)));
	return t ? (size_t)(t - type_rows) : type_rows_n - 1; /* unknown is the last */
}

static void take(void *arg, const struct device *dev)
{
	struct rows *rows = arg;
	if (rows->n == rows->cap)
		return;
	struct row *r = &rows->r[rows->n++];
	*r = (struct row){ .dev = dev, .type = type_index(dev), .first_packet = device_first_packet(dev) };
	r->address = device_address(dev, &r->addresses);
}

/* By group, then as types.def lists them, then by address. */
static int by_type(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	int group = (int)type_rows[a->type].group - (int)type_rows[b->type].group;
	if (group)
		return group;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	int address = addr_cmp(&a->address, &b->address);
	if (address)
		return address;
	return a->first_packet < b->first_packet ? -1 : a->first_packet > b->first_packet;
}

/* ---- cells ------------------------------------------------------------------------------- */

static bool add_attr(struct text *t, struct mask *m, const struct device *dev, enum attr a)
{
	struct attr_value v;
	if (!device_attr(dev, a, 0, &v))
		return false;
	if (attr_rows[a].privacy == OPEN)
		text_open(t, v.value);
	else if (attr_rows[a].privacy == PRODUCT)
		text_product(t, m, v.value);
	else
		text_suspect(t, m, v.value);
	return true;
}

static void cell_maker(struct text *t, struct mask *m, const struct device *dev)
{
	bool maker = add_attr(t, m, dev, ATTR_MANUFACTURER);
	struct attr_value v;
	if (device_attr(dev, ATTR_MODEL, 0, &v)) {
		text_add(t, maker ? " " : "");
		add_attr(t, m, dev, ATTR_MODEL);
	} else if (maker) {
		text_add(t, " (model unknown)");
	} else if (device_attr(dev, ATTR_MAC_VENDOR, 0, &v)) {
		/* The network card's maker, which is not the device's. */
		text_add(t, "network card: ");
		add_attr(t, m, dev, ATTR_MAC_VENDOR);
	} else {
		text_add(t, "-");
	}
}

static void cell_version(struct text *t, struct mask *m, const struct device *dev)
{
	struct attr_value v;
	if (add_attr(t, m, dev, ATTR_FIRMWARE))
		return;
	if (!device_attr(dev, ATTR_OS_NAME, 0, &v)) {
		text_add(t, "-");
		return;
	}
	text_add(t, "OS "); /* the operating system's version is not the device's */
	add_attr(t, m, dev, ATTR_OS_NAME);
	if (device_attr(dev, ATTR_OS_VERSION, 0, &v)) {
		text_add(t, " ");
		add_attr(t, m, dev, ATTR_OS_VERSION);
	}
}

static void cell_address(struct text *t, const struct row *r)
{
	const struct mac *macs;
	char s[ADDR_TEXT], mac[MAC_TEXT];
	const struct device *carrier = device_behind(r->dev);
	size_t n;
	struct addr via = carrier ? device_address(carrier, &n) : (struct addr){ .family = 0 };
	if (r->address.family)
		text_add(t, "%s", addr_text(&r->address, s));
	else if (via.family)
		text_add(t, "via %s", addr_text(&via, s));
	else if (device_macs(r->dev, &macs))
		text_add(t, "%s", mac_text(&macs[0], mac));
	else
		text_add(t, "-");
	if (r->addresses > 1)
		text_add(t, " +%zu", r->addresses - 1);
}

static void cell_vlan(struct text *t, const struct device *dev)
{
	const uint16_t *vlans;
	size_t n = device_vlans(dev, &vlans);
	for (size_t i = 0; i < n && i < 2; i++)
		text_add(t, i ? ",%u" : "%u", vlans[i]);
	text_add(t, n > 2 ? "..." : n ? "" : "-");
}

/* What a reader calls a source: a protocol, or the kind of evidence that a fingerprint's id begins with. */
static const char *source_words(const char *source)
{
	static const char *const words[][2] = { { "mac", "MAC vendor" }, { "dicom", "DICOM" },
		{ "hl7", "HL7" }, { "dhcp", "DHCP" }, { "arp", "ARP" }, { "tls", "certificate" },
		{ "dns", "DNS" }, { "lldp", "LLDP" }, { "cdp", "CDP" }, { "discovery", "announcement" },
		{ "flow", "traffic" }, { "name", "host name" }, { "banner", "banner" },
		{ "service", "services" }, { "router", "forwarding" }, { "role", "traffic" } };
	size_t n = bytes_chr(bytes_str(source), 0, '-');
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (bytes_is(bytes_of(source, n), words[i][0]))
			return words[i][1];
	return source;
}

/* Where the type, maker, model and version come from, each source once, then the name it goes by. */
static void cell_from(struct text *t, struct mask *m, const struct device *dev)
{
	static const enum attr attrs[] = { ATTR_MODEL, ATTR_MANUFACTURER, ATTR_FIRMWARE, ATTR_TYPE,
		ATTR_OS_NAME, ATTR_MAC_VENDOR, ATTR_EUI64, ATTR_SERIAL, ATTR_STATION_NAME };
	const char *seen[sizeof attrs / sizeof *attrs];
	size_t n = 0;
	struct attr_value v;
	for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++) {
		size_t k = 0;
		if (!device_attr(dev, attrs[i], 0, &v))
			continue;
		const char *words = source_words(v.source);
		while (k < n && strcmp(seen[k], words) != 0)
			k++;
		if (k < n)
			continue;
		seen[n++] = words;
		text_add(t, n > 1 ? ", " : "");
		text_open(t, bytes_str(words));
	}
	if (device_attr(dev, ATTR_AE_TITLE, 0, &v)) {
		text_add(t, n ? ", AE " : "AE ");
		add_attr(t, m, dev, ATTR_AE_TITLE);
	} else if (device_attr(dev, ATTR_HOST_NAME, 0, &v)) {
		text_add(t, n ? ", name " : "name ");
		add_attr(t, m, dev, ATTR_HOST_NAME);
	} else if (device_attr(dev, ATTR_STATION_NAME, 0, &v)) {
		text_add(t, n ? ", name " : "name ");
		add_attr(t, m, dev, ATTR_STATION_NAME);
	} else if (n == 0) {
		text_add(t, "traffic");
	}
}

static void cells(char out[COLUMNS_N][CELL], struct mask *m, const struct row *r)
{
	struct text t[COLUMNS_N];
	for (size_t i = 0; i < COLUMNS_N; i++) {
		t[i].n = 0;
		t[i].s[0] = 0;
	}
	text_add(&t[0], "%s%s", type_rows[r->type].words,
		device_is_router(r->dev) && type_rows[r->type].group == GROUP_UNKNOWN ? " (router)" : "");
	cell_maker(&t[1], m, r->dev);
	cell_version(&t[2], m, r->dev);
	cell_address(&t[3], r);
	cell_vlan(&t[4], r->dev);
	text_add(&t[5], "%u%%", device_confidence(r->dev));
	cell_from(&t[6], m, r->dev);
	for (size_t i = 0; i < COLUMNS_N; i++) {
		/* Cut at a character, not inside one. */
		struct bytes b = bytes_of(t[i].s, t[i].n);
		(void)term_escape(b, out[i], CELL);
	}
}

static const struct columns table_columns = { .n = COLUMNS_N,
	.heads = { "TYPE", "MAKER AND MODEL", "VERSION", "ADDRESS", "VLAN", "SURE", "FROM" },
	.most = { 24, 44, 24, ADDR_TEXT, 9, 4, 70 },
	.least = { 8, 14, 6, 7, 4, 4, 6 },
	.gives = { 6, 1, 2, 0 },
	.n_gives = 4,
	.numbers = 1u << 4 | 1u << 5 };

/* ---- table ------------------------------------------------------------------------------- */

static void print_groups(const struct term *t, const struct rows *rows)
{
	size_t count[GROUP_N] = { 0 };
	struct text line = { .n = 0 };
	char n[TERM_NUMBER];
	for (size_t i = 0; i < rows->n; i++)
		count[type_rows[rows->r[i].type].group]++;
	for (unsigned g = 0; g < GROUP_N; g++)
		if (count[g])
			text_add(&line, "%s%s %s", line.n ? ", " : "", term_number(count[g], n),
				group_words[g]);
	term_number(rows->n, n);
	term_style(t, STYLE_BOLD);
	fprintf(t->out, "DEVICES  %s", n);
	term_style(t, STYLE_PLAIN);
	fputs(line.n ? ": " : "", t->out);
	line.s[line.n] = 0;
	term_wrap(t, line.s, 9 + (unsigned)strlen(n) + 2, 9);
}

bool page_devices(const struct term *t, struct mask *m, const struct inventory *inv, unsigned most)
{
	char n[TERM_NUMBER];
	struct rows rows = { .cap = inventory_count(inv) };
	rows.r = calloc(rows.cap + 1, sizeof *rows.r);
	char(*table)[COLUMNS_N][CELL] = calloc(most + 1, sizeof *table);
	if (!rows.r || !table) {
		free(rows.r);
		free(table);
		return false;
	}
	inventory_each(inv, take, &rows);
	qsort(rows.r, rows.n, sizeof *rows.r, by_type);
	size_t shown = rows.n < most ? rows.n : most;
	for (size_t i = 0; i < shown; i++)
		cells(table[i], m, &rows.r[i]);
	print_groups(t, &rows);
	columns_print(t, &table_columns, *table, shown);
	if (rows.n > shown)
		fprintf(t->out, "  and %s more: see -o DIR\n", term_number(rows.n - shown, n));
	free(rows.r);
	free(table);
	return true;
}
