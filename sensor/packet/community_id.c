/* The Community ID v1 specification: "1:" + base64(SHA-1(seed, addresses, protocol, 0, ports)), everything
 * big endian, the endpoint with the smaller (address, port) first. */
#include "packet/community_id.h"

#include "base/digest.h"

enum { P_ICMP = 1, P_TCP = 6, P_UDP = 17, P_ICMP6 = 58, P_SCTP = 132 };

/* The ICMP type of the answer to `type`, or -1: then type and code stand for the ports. */
static int counterpart(uint8_t proto, uint8_t type)
{
	static const uint8_t pairs[][3] = {
		{ P_ICMP, 0, 8 },
		{ P_ICMP, 9, 10 },
		{ P_ICMP, 13, 14 },
		{ P_ICMP, 15, 16 },
		{ P_ICMP, 17, 18 },
		{ P_ICMP6, 128, 129 },
		{ P_ICMP6, 130, 131 },
		{ P_ICMP6, 133, 134 },
		{ P_ICMP6, 135, 136 },
		{ P_ICMP6, 139, 140 },
		{ P_ICMP6, 144, 145 },
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		if (pairs[i][0] != proto)
			continue;
		if (pairs[i][1] == type)
			return pairs[i][2];
		if (pairs[i][2] == type)
			return pairs[i][1];
	}
	return -1;
}

struct id_input {
	uint8_t b[40];
	size_t n;
};

static void add16(struct id_input *in, unsigned v)
{
	in->b[in->n++] = (uint8_t)(v >> 8);
	in->b[in->n++] = (uint8_t)v;
}

static void add_addr(struct id_input *in, const struct addr *a)
{
	size_t skip = a->family == 4 ? 12 : 0;
	memcpy(in->b + in->n, a->b + skip, 16 - skip);
	in->n += 16 - skip;
}

bool community_id(const struct conv *c, uint16_t seed, char out[COMMUNITY_ID_TEXT])
{
	struct id_input in = { .n = 0 };
	unsigned sport = c->sport, dport = c->dport;
	bool icmp = c->proto == P_ICMP || c->proto == P_ICMP6, one_way = false;
	uint8_t sum[20];
	out[0] = 0;
	if (!c->src.family || c->src.family != c->dst.family)
		return false;
	if (icmp) {
		int answer = counterpart(c->proto, c->icmp_type);
		one_way = answer < 0;
		sport = c->icmp_type;
		dport = one_way ? c->icmp_code : (unsigned)answer;
	}
	bool ports = icmp || c->proto == P_TCP || c->proto == P_UDP || c->proto == P_SCTP;
	int order = addr_cmp(&c->src, &c->dst);
	bool turn = !one_way && (order > 0 || (order == 0 && ports && sport > dport));
	add16(&in, seed);
	add_addr(&in, turn ? &c->dst : &c->src);
	add_addr(&in, turn ? &c->src : &c->dst);
	add16(&in, (unsigned)c->proto << 8);
	if (ports) {
		add16(&in, turn ? dport : sport);
		add16(&in, turn ? sport : dport);
	}
	sha1_of(bytes_of(in.b, in.n), sum);
	out[0] = '1';
	out[1] = ':';
	base64_of(bytes_of(sum, sizeof sum), out + 2);
	return true;
}
