/* decode: bytes of each encapsulation -> packet facts; each frame also cut at every length. */
#include "layers.h"

#include "packet/decode.h"

#include <stdio.h>

enum { LAYERS = 12 };

struct sample {
	const char *name;
	uint16_t link;
	const char *layers[LAYERS]; /* the innermost first */
	enum decoded is;
	const char *src; /* "" no IP */
	uint8_t proto;
	uint16_t sport;
	uint16_t vlan, outer_vlan;
	uint32_t vni;
	const char *outer; /* outer source, NULL: none */
	uint16_t ethertype;
	const char *payload; /* hex */
};

#define V4      "10.0.0.1"
#define V6      "2001:db8::1"
#define OUT4    "192.0.2.1"
#define NOTHING "", 0, 0, 0, 0, 0, NULL, 0, ""
#define GRE_OUT IP4_OUT("2f"), ETH("0800")

static const struct sample samples[] = {
	{ "udp", 1, { HI, UDP, IP4("11"), ETH("0800") }, DECODE_PACKET, V4, 17, 5000, 0, 0, 0, NULL, 0x800,
		HI },
	{ "tcp", 1, { HI, TCP, IP4("06"), ETH("0800") }, DECODE_PACKET, V4, 6, 5000, 0, 0, 0, NULL, 0x800,
		HI },
	{ "tcp6", 1, { HI, TCP, IP6("06"), ETH("86dd") }, DECODE_PACKET, V6, 6, 5000, 0, 0, 0, NULL, 0x86dd,
		HI },
	{ "sctp", 1, { HI, "1388 1389 00000000 00000000", IP4("84"), ETH("0800") }, DECODE_PACKET, V4, 132,
		5000, 0, 0, 0, NULL, 0x800, HI },
	{ "icmp", 1, { "0800f7fe 00010000", IP4("01"), ETH("0800") }, DECODE_PACKET, V4, 1, 0, 0, 0, 0, NULL,
		0x800, "0800f7fe00010000" },
	{ "other protocol", 1, { HI, IP4("59"), ETH("0800") }, DECODE_PACKET, V4, 0x59, 0, 0, 0, 0, NULL,
		0x800, HI },
	{ "options", 1, { HI, UDP, "4600 T 0001 0000 40 11 0000 0a000001 0a000002 94040000", ETH("0800") },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 0, NULL, 0x800, HI },
	{ "authentication header", 1,
		{ HI, UDP, "11040000 00000001 00000001 000000000000000000000000", IP4("33"), ETH("0800") },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 0, NULL, 0x800, HI },
	{ "extension headers", 1,
		{ HI, UDP, "1104 0000 00000001 00000001 000000000000000000000000", "3300 0104 00000000",
			"3c00 0104 00000000", "2b00 0104 00000000", IP6("00"), ETH("86dd") },
		DECODE_PACKET, V6, 17, 5000, 0, 0, 0, NULL, 0x86dd, HI },
	{ "atomic fragment", 1, { HI, UDP, "1100 0000 12345678", IP6("2c"), ETH("86dd") }, DECODE_PACKET, V6,
		17, 5000, 0, 0, 0, NULL, 0x86dd, HI },
	{ "no next header", 1, { IP6("3b"), ETH("86dd") }, DECODE_PACKET, V6, 59, 0, 0, 0, 0, NULL, 0x86dd,
		"" },
	{ "fragment", 1, { HI, IP4_ID("0001", "2001", "11"), ETH("0800") }, DECODE_FRAGMENT, V4, 17, 0, 0, 0,
		0, NULL, 0x800, "" },
	{ "fragment 6", 1, { HI, "1100 0009 12345678", IP6("2c"), ETH("86dd") }, DECODE_FRAGMENT, V6, 17, 0,
		0, 0, 0, NULL, 0x86dd, "" },
	{ "arp", 1, { HI, ETH("0806") }, DECODE_PACKET, "", 0, 0, 0, 0, 0, NULL, 0x806, HI },
	{ "lldp", 1, { HI, TAG("0005", "88cc"), ETH("8100") }, DECODE_PACKET, "", 0, 0, 5, 0, 0, NULL, 0x88cc,
		HI },
	{ "vlan", 1, { HI, UDP, IP4("11"), TAG("e005", "0800"), ETH("8100") }, DECODE_PACKET, V4, 17, 5000, 5,
		0, 0, NULL, 0x800, HI },
	{ "priority tag", 1, { HI, UDP, IP4("11"), TAG("e000", "0800"), ETH("8100") }, DECODE_PACKET, V4, 17,
		5000, 0, 0, 0, NULL, 0x800, HI },
	{ "802.1ad", 1, { HI, UDP, IP4("11"), TAG("0005", "0800"), TAG("0064", "8100"), ETH("88a8") },
		DECODE_PACKET, V4, 17, 5000, 5, 100, 0, NULL, 0x800, HI },
	{ "9100", 1, { HI, UDP, IP4("11"), TAG("0005", "0800"), TAG("0064", "8100"), ETH("9100") },
		DECODE_PACKET, V4, 17, 5000, 5, 100, 0, NULL, 0x800, HI },
	{ "three tags", 1,
		{ HI, UDP, IP4("11"), TAG("0005", "0800"), TAG("0006", "8100"), TAG("0064", "8100"),
			ETH("8100") },
		DECODE_PACKET, V4, 17, 5000, 5, 100, 0, NULL, 0x800, HI },
	{ "mpls", 1, { HI, UDP, IP4("11"), "000111ff", "000100ff", ETH("8847") }, DECODE_PACKET, V4, 17, 5000,
		0, 0, 0, NULL, 0x800, HI },
	{ "pseudowire, control word", 1,
		{ HI, UDP, IP4("11"), ETH_IN("0800"), "00000000", "000111ff", ETH("8847") }, DECODE_PACKET,
		V4, 17, 5000, 0, 0, 0, NULL, 0x800, HI },
	{ "pseudowire", 1, { HI, UDP, IP6("11"), ETH_IN("86dd"), "000111ff", ETH("8848") }, DECODE_PACKET, V6,
		17, 5000, 0, 0, 0, NULL, 0x86dd, HI },
	{ "pppoe", 1, { HI, UDP, IP4("11"), "1100 0007 0020 0021", ETH("8864") }, DECODE_PACKET, V4, 17, 5000,
		0, 0, 0, NULL, 0x800, HI },
	{ "pppoe lcp", 1, { "c021 0901 0008 12345678", "1100 0007 P", ETH("8864") }, DECODE_PACKET, "", 0, 0,
		0, 0, 0, NULL, 0x8864, "c0210901000812345678" },
	{ "pppoe discovery", 1, { HI, ETH("8863") }, DECODE_PACKET, "", 0, 0, 0, 0, 0, NULL, 0x8863, HI },
	{ "snap", 1, { HI, "aaaa03000000 0806", ETH("000a") }, DECODE_PACKET, "", 0, 0, 0, 0, 0, NULL, 0x806,
		HI },
	{ "cdp", 1, { HI, "aaaa0300000c 2000", ETH("000a") }, DECODE_PACKET, "", 0, 0, 0, 0, 0, NULL, 0x2000,
		HI },
	{ "spanning tree", 1, { HI, "424203 0000", ETH("0007") }, DECODE_OTHER, "", 0, 0, 0, 0, 0, NULL, 0,
		"" },
	{ "padding", 1, { "6869 000000000000", UDP, IP4("11"), ETH("0800") }, DECODE_PACKET, V4, 17, 5000, 0,
		0, 0, NULL, 0x800, "6869000000000000" },
	{ "gre", 1, { HI, UDP, IP4("11"), "0000 0800", GRE_OUT }, DECODE_PACKET, V4, 17, 5000, 0, 0, 0, OUT4,
		0x800, HI },
	{ "gre, all fields", 1, { HI, UDP, IP6("11"), "b000 86dd 12340000 00000007 00000001", GRE_OUT },
		DECODE_PACKET, V6, 17, 5000, 0, 0, 0, OUT4, 0x86dd, HI },
	{ "gre 1 (pptp)", 1,
		{ HI, UDP, IP4("11"), "ff03 0021", "3081 880b 00220001 00000001 00000002", GRE_OUT },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 0, OUT4, 0x800, HI },
	{ "gre, ethernet", 1,
		{ HI, UDP, IP4("11"), TAG("0005", "0800"), ETH_IN("8100"), "2000 6558 00000009", GRE_OUT },
		DECODE_PACKET, V4, 17, 5000, 5, 0, 0, OUT4, 0x800, HI },
	{ "gre, unknown", 1, { HI, "0000 abcd", GRE_OUT }, DECODE_PACKET, OUT4, 47, 0, 0, 0, 0, NULL, 0x800,
		"0000abcd6869" },
	{ "erspan I", 1, { HI, UDP, IP4("11"), ETH_IN("0800"), "0000 88be", GRE_OUT }, DECODE_PACKET, V4, 17,
		5000, 0, 0, 0, OUT4, 0x800, HI },
	{ "erspan II", 1,
		{ HI, UDP, IP4("11"), ETH_IN("0800"), "1005 004d 00000000", "1000 88be 00000001", GRE_OUT },
		DECODE_PACKET, V4, 17, 5000, 5, 0, 0, OUT4, 0x800, HI },
	{ "erspan III", 1,
		{ HI, UDP, IP4("11"), TAG("0006", "0800"), ETH_IN("8100"), "2005 004d 00000000 0000 0000",
			"1000 22eb 00000001", GRE_OUT },
		DECODE_PACKET, V4, 17, 5000, 6, 0, 0, OUT4, 0x800, HI },
	{ "erspan III, long", 1,
		{ HI, ETH_IN("0806"), "2005 004d 00000000 0000 0001 0000000000000000", "1000 22eb 00000001",
			GRE_OUT },
		DECODE_PACKET, "", 0, 0, 5, 0, 0, OUT4, 0x806, HI },
	{ "erspan III, ip", 1,
		{ HI, UDP, IP4("11"), "2000 004d 00000000 0000 0800", "1000 22eb 00000001", GRE_OUT },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 0, OUT4, 0x800, HI },
	{ "vxlan", 1,
		{ HI, UDP, IP4("11"), ETH_IN("0800"), "08000000 00000500", UDP_TO("12b5"), IP4_OUT("11"),
			TAG("0007", "0800"), ETH("8100") },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 5, OUT4, 0x800, HI },
	{ "vxlan of linux", 1,
		{ HI, UDP, IP4("11"), TAG("0005", "0800"), ETH_IN("8100"), "08000000 00000500",
			UDP_TO("2118"), IP4_OUT("11"), ETH("0800") },
		DECODE_PACKET, V4, 17, 5000, 5, 0, 5, OUT4, 0x800, HI },
	{ "vxlan gpe", 1,
		{ HI, UDP, IP4("11"), "0c000001 00000500", UDP_TO("12b6"), IP4_OUT("11"), ETH("0800") },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 5, OUT4, 0x800, HI },
	{ "no vxlan", 1, { "00000000 00000500 616263", UDP_TO("12b5"), IP4_OUT("11"), ETH("0800") },
		DECODE_PACKET, OUT4, 17, 0xc000, 0, 0, 0, NULL, 0x800, "0000000000000500616263" },
	{ "vxlan of nonsense", 1,
		{ "45", ETH_IN("0800"), "08000000 00000500", UDP_TO("12b5"), IP4_OUT("11"), ETH("0800") },
		DECODE_PACKET, OUT4, 17, 0xc000, 0, 0, 0, NULL, 0x800,
		"0800000000000500020000000004020000000003080045" },
	{ "geneve", 1,
		{ HI, UDP, IP4("11"), ETH_IN("0800"), "0100 6558 00000500 00000000", UDP_TO("17c1"),
			IP4_OUT("11"), ETH("0800") },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 5, OUT4, 0x800, HI },
	{ "geneve, ip", 1,
		{ HI, UDP, IP6("11"), "0000 86dd 00000500", UDP_TO("17c1"), IP4_OUT("11"), ETH("0800") },
		DECODE_PACKET, V6, 17, 5000, 0, 0, 5, OUT4, 0x86dd, HI },
	{ "gre in udp", 1, { HI, UDP, IP4("11"), "0000 0800", UDP_TO("1292"), IP4_OUT("11"), ETH("0800") },
		DECODE_PACKET, V4, 17, 5000, 0, 0, 0, OUT4, 0x800, HI },
	{ "no gre in udp", 1, { "0000 abcd 01", UDP_TO("1292"), IP4_OUT("11"), ETH("0800") }, DECODE_PACKET,
		OUT4, 17, 0xc000, 0, 0, 0, NULL, 0x800, "0000abcd01" },
	{ "ip in ip", 1, { HI, UDP, IP4("11"), IP4_OUT("04"), ETH("0800") }, DECODE_PACKET, V4, 17, 5000, 0,
		0, 0, OUT4, 0x800, HI },
	{ "6in4", 1, { HI, UDP, IP6("11"), IP4_OUT("29"), ETH("0800") }, DECODE_PACKET, V6, 17, 5000, 0, 0, 0,
		OUT4, 0x86dd, HI },
	{ "4in6", 1, { HI, UDP, IP4("11"), IP6("04"), ETH("86dd") }, DECODE_PACKET, V4, 17, 5000, 0, 0, 0, V6,
		0x800, HI },
	{ "mpls in ip", 1, { HI, UDP, IP4("11"), "000101ff", IP4_OUT("89"), ETH("0800") }, DECODE_PACKET, V4,
		17, 5000, 0, 0, 0, OUT4, 0x800, HI },
	{ "outermost wins", 1, { HI, UDP, IP6("11"), IP4("29"), IP4_OUT("04"), ETH("0800") }, DECODE_PACKET,
		V6, 17, 5000, 0, 0, 0, OUT4, 0x86dd, HI },
	{ "raw", 101, { HI, UDP, IP4("11") }, DECODE_PACKET, V4, 17, 5000, 0, 0, 0, NULL, 0x800, HI },
	{ "raw 6", 229, { HI, UDP, IP6("11") }, DECODE_PACKET, V6, 17, 5000, 0, 0, 0, NULL, 0x86dd, HI },
	{ "raw 12", 12, { HI, UDP, IP4("11") }, DECODE_PACKET, V4, 17, 5000, 0, 0, 0, NULL, 0x800, HI },
	{ "null", 0, { HI, UDP, IP4("11"), "02000000" }, DECODE_PACKET, V4, 17, 5000, 0, 0, 0, NULL, 0x800,
		HI },
	{ "null, big end", 0, { HI, UDP, IP6("11"), "0000001c" }, DECODE_PACKET, V6, 17, 5000, 0, 0, 0, NULL,
		0x86dd, HI },
	{ "loop", 108, { HI, UDP, IP6("11"), "00000018" }, DECODE_PACKET, V6, 17, 5000, 0, 0, 0, NULL, 0x86dd,
		HI },
	{ "null, foreign", 0, { HI, "07000000" }, DECODE_OTHER, "", 0, 0, 0, 0, 0, NULL, 0, "" },
	{ "cooked", 113, { HI, UDP, IP4("11"), "0000 0001 0006 020000000001 0000 0800" }, DECODE_PACKET, V4,
		17, 5000, 0, 0, 0, NULL, 0x800, HI },
	{ "cooked, tag", 113,
		{ HI, UDP, IP4("11"), TAG("0005", "0800"), "0000 0001 0006 020000000001 0000 8100" },
		DECODE_PACKET, V4, 17, 5000, 5, 0, 0, NULL, 0x800, HI },
	{ "cooked 2", 276, { HI, ("0806 0000 00000003 0001 00 06 020000000001 0000") }, DECODE_PACKET, "", 0,
		0, 0, 0, 0, NULL, 0x806, HI },
	{ "netlink", 113, { HI, "0004 0338 0000 0000000000000000 0800" }, DECODE_OTHER, "", 0, 0, 0, 0, 0,
		NULL, 0, "" },
	{ "unknown link", 147, { HI }, DECODE_OTHER, "", 0, 0, 0, 0, 0, NULL, 0, "" },
	/* what contradicts itself */
	{ "version 5", 1, { HI, UDP, "5500 T 0001 0000 40 11 0000 0a000001 0a000002", ETH("0800") },
		DECODE_MALFORMED, NOTHING },
	{ "header of 16", 1, { HI, UDP, "4400 T 0001 0000 40 11 0000 0a000001 0a000002", ETH("0800") },
		DECODE_MALFORMED, NOTHING },
	{ "total below header", 1,
		{ HI, UDP, "4500 0013 0001 0000 40 11 0000 0a000001 0a000002", ETH("0800") },
		DECODE_MALFORMED, NOTHING },
	{ "total 0, small", 1, { HI, UDP, "4500 0000 0001 0000 40 11 0000 0a000001 0a000002", ETH("0800") },
		DECODE_MALFORMED, NOTHING },
	{ "tcp header of 16", 1,
		{ HI, "1388 1389 00000001 00000002 4018 1000 0000 0000", IP4("06"), ETH("0800") },
		DECODE_MALFORMED, NOTHING },
	{ "tcp header too long", 1,
		{ HI, "1388 1389 00000001 00000002 6018 1000 0000 0000", IP4("06"), ETH("0800") },
		DECODE_MALFORMED, NOTHING },
	{ "tcp of 12", 1, { "1388 1389 00000001 00000002", IP4("06"), ETH("0800") }, DECODE_MALFORMED,
		NOTHING },
	{ "udp of 7", 1, { HI, "1388 1389 0007 0000", IP4("11"), ETH("0800") }, DECODE_MALFORMED, NOTHING },
	{ "udp beyond ip", 1, { HI, "1388 1389 000b 0000", IP4("11"), ETH("0800") }, DECODE_MALFORMED,
		NOTHING },
	{ "version 4 in 6", 1,
		{ HI, UDP, IP4("11"), "000000000000000000000000000000000000000000", ETH("86dd") },
		DECODE_MALFORMED, NOTHING },
	{ "llc length", 1, { HI, "aaaa03000000 0806", ETH("000b") }, DECODE_MALFORMED, NOTHING },
	{ "pppoe length", 1, { HI, UDP, IP4("11"), "1100 0007 0021 0021", ETH("8864") }, DECODE_MALFORMED,
		NOTHING },
	{ "ethernet of 13", 1, { "020000000002 020000000001 08" }, DECODE_MALFORMED, NOTHING },
	{ "erspan II, version", 1,
		{ HI, ETH_IN("0806"), "2005 004d 00000000", "1000 88be 00000001", GRE_OUT }, DECODE_MALFORMED,
		NOTHING },
};

static struct limits limits;
static struct counters counters;
static struct decoder decoder;

static int setup(void **state)
{
	static const struct hash_key key = { 1, 2 };
	(void)state;
	limits_default(&limits);
	memset(&counters, 0, sizeof counters);
	return decode_init(&decoder, &limits, &counters, &key) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	decode_fini(&decoder);
	return 0;
}

static enum decoded decode(uint16_t link, const uint8_t *b, size_t n, size_t wire, struct packet *p)
{
	struct frame f = { .ts_ns = 1,
		.number = 1,
		.data = bytes_of(b, n),
		.linktype = link,
		.wire_bytes = (uint32_t)wire };
	return decode_frame(&decoder, &f, p);
}

static void check_addr(const char *name, const char *what, const char *want, const struct addr *have)
{
	char text[ADDR_TEXT] = "";
	if (have->family)
		addr_text(have, text);
	if (strcmp(text, want ? want : "") != 0)
		fail_msg("%s: %s is %s, not %s", name, what, text, want ? want : "none");
}

static void check_payload(const struct sample *s, struct bytes have)
{
	struct wire want = { .n = 0 };
	wire_wrap(&want, s->payload);
	if (!bytes_eq(have, bytes_of(want.b, want.n)))
		fail_msg("%s: wrong payload (%zu bytes, not %zu)", s->name, have.n, want.n);
}

static void check(const struct sample *s, enum decoded is, const struct packet *p)
{
	if (is != s->is)
		fail_msg("%s: %d, not %d", s->name, is, s->is);
	if (is == DECODE_MALFORMED || is == DECODE_OTHER)
		return;
	check_addr(s->name, "source", s->src, &p->src);
	check_addr(s->name, "outer source", s->outer, &p->outer_src);
	if (p->proto != s->proto || p->sport != s->sport || p->vlan != s->vlan ||
		p->outer_vlan != s->outer_vlan || p->vni != s->vni || p->ethertype != s->ethertype)
		fail_msg("%s: proto %u sport %u vlan %u/%u vni %u ethertype %04x", s->name, p->proto,
			p->sport, p->vlan, p->outer_vlan, p->vni, p->ethertype);
	assert_int_equal(p->is_cut, false);
	assert_int_equal(p->is_fragment, is == DECODE_FRAGMENT);
	check_payload(s, p->payload);
	if (is == DECODE_PACKET)
		assert_int_equal(p->l4_bytes, p->payload.n);
}

static void facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct wire w;
		struct packet p;
		wire_build(&w, samples[i].layers);
		uint8_t *b = wire_copy(w.b, w.n);
		check(&samples[i], decode(samples[i].link, b, w.n, w.n, &p), &p);
		free(b);
	}
}

/* A snap length: what can still be said is the same, what cannot is called cut. A short frame on the wire: no
 * more than no crash. */
static void cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct sample *s = &samples[i];
		struct wire w;
		wire_build(&w, s->layers);
		for (size_t n = 0; n < w.n; n++) {
			struct packet p;
			uint8_t *b = wire_copy(w.b, n);
			decode(s->link, b, n, n, &p);
			enum decoded is = decode(s->link, b, n, w.n, &p);
			if (s->is == DECODE_PACKET && strstr(s->name, "nonsense") == NULL &&
				is != DECODE_CUT) {
				assert_int_equal(is, DECODE_PACKET);
				assert_true(p.is_cut);
				assert_true(p.payload.n < p.l4_bytes);
			}
			decode_checksum(&p);
			free(b);
		}
	}
}

static void ethernet_padding(void **state)
{
	static const char *const layers[] = { HI, UDP, IP4("11"), ETH("0800"), NULL };
	(void)state;
	struct wire w;
	struct packet p;
	wire_build(&w, layers);
	memset(w.b + w.n, 0xee, 60);
	assert_int_equal(decode(1, w.b, 60, 60, &p), DECODE_PACKET);
	assert_int_equal(p.payload.n, 2);
	assert_int_equal(p.ip.n, 30);
	assert_false(p.is_cut);
}

static void offload_writes_no_length(void **state)
{
	static const char *const tail[] = { HI, TCP, "4500 0000 0001 0000 40 06 0000 0a000001 0a000002",
		ETH("0800"), NULL };
	static const char *const tail6[] = { HI, TCP, "60000000 0000 06 40" A6("01") A6("02"), ETH("86dd"),
		NULL };
	(void)state;
	struct wire w;
	struct packet p;
	wire_build(&w, tail);
	memset(w.b + w.n, 'x', 4000 - w.n);
	assert_int_equal(decode(1, w.b, 4000, 4000, &p), DECODE_PACKET);
	assert_int_equal(p.payload.n, 4000 - 54);
	wire_build(&w, tail6);
	memset(w.b + w.n, 'x', 4000 - w.n);
	assert_int_equal(decode(1, w.b, 4000, 4000, &p), DECODE_PACKET);
	assert_int_equal(p.payload.n, 4000 - 74);
}

/* A mirror port that truncates writes frames shorter than their IP header says, with no snap length. */
static void truncating_mirror(void **state)
{
	static const char *const layers[] = { "68696869686968696869", TCP, IP4("06"), ETH("0800"), NULL };
	(void)state;
	struct wire w;
	struct packet p;
	wire_build(&w, layers);
	assert_int_equal(decode(1, w.b, w.n - 6, w.n - 6, &p), DECODE_PACKET);
	assert_true(p.is_cut);
	assert_int_equal(p.payload.n, 4);
	assert_int_equal(p.l4_bytes, 10);
	assert_int_equal(p.seq, 1);
	assert_int_equal(p.tcp_flags, TCP_ACK | TCP_PSH);
}

static void tunnels_end(void **state)
{
	(void)state;
	struct wire w = { .n = 0 };
	struct packet p;
	wire_wrap(&w, HI);
	wire_wrap(&w, UDP);
	for (unsigned i = 0; i < 1000; i++)
		wire_wrap(&w, IP4("04"));
	wire_wrap(&w, ETH("0800"));
	assert_int_equal(decode(1, w.b, w.n, w.n, &p), DECODE_PACKET);
	assert_int_equal(p.proto, 4);
	assert_int_equal(counters.full_tunnel_depth, 1);
	w.n = 0;
	for (unsigned i = 0; i < 10000; i++)
		wire_wrap(&w, TAG("0001", "8100"));
	wire_wrap(&w, ETH("8100"));
	assert_int_equal(decode(1, w.b, w.n, w.n, &p), DECODE_PACKET);
	assert_int_equal(p.ethertype, 0x8100);
	assert_int_equal(counters.full_tunnel_depth, 2);
}

static void time_never_goes_back(void **state)
{
	(void)state;
	struct packet p;
	struct frame f = { .ts_ns = 500, .linktype = 1 };
	decode_frame(&decoder, &f, &p);
	f.ts_ns = 400;
	decode_frame(&decoder, &f, &p);
	assert_int_equal(p.ts_ns, 500);
	assert_int_equal(counters.packets_late, 1);
	f.ts_ns = 600;
	decode_frame(&decoder, &f, &p);
	assert_int_equal(p.ts_ns, 600);
}

static void checksums(void **state)
{
	/* sums worked out beside this code, RFC 1071 */
	static const struct {
		const char *layers[5];
		enum checksum want;
	} sums[] = {
		{ { HI, "1388 1389 000a 5c5d", IP4("11"), ETH("0800") }, CHECKSUM_GOOD },
		{ { HI, "1388 1389 000a 5c5e", IP4("11"), ETH("0800") }, CHECKSUM_BAD },
		{ { HI, "1388 1389 000a 0000", IP4("11"), ETH("0800") }, CHECKSUM_UNKNOWN },
		{ { HI, "1388 1389 000a 5c5d", "4500 T 0001 0000 40 11 66cc 0a000001 0a000002", ETH("0800") },
			CHECKSUM_GOOD },
		{ { HI, "1388 1389 000a 5c5d", "4500 T 0001 0000 40 11 66cd 0a000001 0a000002", ETH("0800") },
			CHECKSUM_BAD },
		/* the pseudo-header's alone, with and without the length */
		{ { HI, "1388 1389 000a 141e", IP4("11"), ETH("0800") }, CHECKSUM_UNKNOWN },
		{ { HI, "1388 1389 000a 1414", IP4("11"), ETH("0800") }, CHECKSUM_UNKNOWN },
		{ { HI, "1388 1389 000a 141f", IP4("11"), ETH("0800") }, CHECKSUM_BAD },
		{ { HI, "13881389 00000001 00000001 50180100 141f0000", IP4("06"), ETH("0800") },
			CHECKSUM_UNKNOWN },
		{ { HI, "13881389 00000001 00000001 50180100 141e0000", IP4("06"), ETH("0800") },
			CHECKSUM_BAD },
		{ { "0800f7fe 00010000", IP4("01"), ETH("0800") }, CHECKSUM_GOOD },
		{ { "0800f7ff 00010000", IP4("01"), ETH("0800") }, CHECKSUM_BAD },
		{ { HI, "1388 1389 000a 14eb", IP6("11"), ETH("86dd") }, CHECKSUM_GOOD },
		{ { HI, IP4("59"), ETH("0800") }, CHECKSUM_UNKNOWN },
		{ { HI, ETH("0806") }, CHECKSUM_UNKNOWN },
	};
	(void)state;
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
		struct wire w;
		struct packet p;
		wire_build(&w, sums[i].layers);
		uint8_t *b = wire_copy(w.b, w.n);
		assert_int_equal(decode(1, b, w.n, w.n, &p), DECODE_PACKET);
		if (decode_checksum(&p) != sums[i].want)
			fail_msg("checksum %zu: %d, not %d", i, decode_checksum(&p), sums[i].want);
		free(b);
	}
}

static void counts(void **state)
{
	static const char *const arp[] = { HI, ETH("0806"), NULL };
	(void)state;
	struct wire w;
	struct packet p;
	wire_build(&w, arp);
	decode(1, w.b, w.n, w.n + 10, &p);
	decode(147, w.b, w.n, w.n, &p);
	decode(1, w.b, 4, 4, &p);
	assert_int_equal(counters.packets, 3);
	assert_int_equal(counters.bytes, w.n + 10 + w.n + 4);
	assert_int_equal(counters.packets_cut, 1);
	assert_int_equal(counters.packets_other, 1);
	assert_int_equal(counters.packets_malformed, 1);
	assert_int_equal(counters.malformed_link, 1);
}

/* Whose fault it is: of a tunnel's inner packet its own layers'. */
static void counts_by_layer(void **state)
{
	static const char *const frames[][5] = {
		{ HI, TCP, "5500 0030 0000 0000 40 06 0000 0a000001 0a000002", ETH("0800") },
		{ "1388 1389 00000001 00000002", IP4("06"), ETH("0800") },
		{ "0003 0800", IP4("2f"), ETH("0800") },
		{ "1388 1389 00000001 00000002", IP4("06"), "0000 0800", IP4("2f"), ETH("0800") },
		{ "1388", ETH("0003") },
	};
	(void)state;
	struct counters before = counters;
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		const char *layers[6] = { 0 };
		struct wire w;
		struct packet p;
		memcpy(layers, frames[i], sizeof frames[i]);
		wire_build(&w, layers);
		decode(1, w.b, w.n, w.n, &p);
	}
	assert_int_equal(counters.packets_malformed - before.packets_malformed, 5);
	assert_int_equal(counters.malformed_network - before.malformed_network, 1);
	assert_int_equal(counters.malformed_transport - before.malformed_transport, 2);
	assert_int_equal(counters.malformed_tunnel - before.malformed_tunnel, 1);
	assert_int_equal(counters.malformed_link - before.malformed_link, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(facts, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(ethernet_padding, setup, teardown),
		cmocka_unit_test_setup_teardown(offload_writes_no_length, setup, teardown),
		cmocka_unit_test_setup_teardown(truncating_mirror, setup, teardown),
		cmocka_unit_test_setup_teardown(tunnels_end, setup, teardown),
		cmocka_unit_test_setup_teardown(time_never_goes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(checksums, setup, teardown),
		cmocka_unit_test_setup_teardown(counts, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_by_layer, setup, teardown),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
