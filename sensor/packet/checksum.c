/* The Internet checksum (RFC 1071) of IPv4, TCP, UDP, ICMP and ICMPv6, when somebody asks. */
#include "packet/decode.h"

enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };

/* One's complement sum in the byte order of this machine: RFC 1071 2(B) allows it. */
static uint64_t sum(struct bytes b, uint64_t start)
{
	uint64_t total = start;
	size_t i = 0;
	for (; b.n - i >= 4; i += 4) {
		uint32_t word;
		memcpy(&word, b.p + i, sizeof word);
		total += word;
	}
	if (b.n - i) {
		uint32_t word = 0;
		memcpy(&word, b.p + i, b.n - i);
		total += word;
	}
	return total;
}

static uint64_t fold(uint64_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

static bool is_good(uint64_t total)
{
	return fold(total) == 0xffff;
}

static uint64_t pseudo_header(const struct packet *p, bool is_v4, size_t length)
{
	size_t at = is_v4 ? 12 : 0;
	uint32_t rest[2] = { __builtin_bswap32((uint32_t)length), __builtin_bswap32(p->proto) };
	uint64_t total = sum(bytes_of(p->src.b + at, 16 - at), 0);
	total = sum(bytes_of(p->dst.b + at, 16 - at), total);
	return sum(bytes_of(rest, sizeof rest), total);
}

/* Only the pseudo-header is summed up, a card is to do the rest: Linux' CHECKSUM_PARTIAL (skbuff.h), which
 * what is sent has and also what GRO has joined (tcp4_gro_complete, udp4_gro_complete); Windows leaves out
 * the length of what the card is to cut up (NDIS large send offload). */
static bool is_partial(const struct packet *p, bool is_v4)
{
	uint64_t field = fold(sum(bytes_sub(p->l4, p->proto == TCP ? 16 : 6, 2), 0));
	return (p->proto == TCP || p->proto == UDP) &&
	       (field == fold(pseudo_header(p, is_v4, p->l4.n)) || field == fold(pseudo_header(p, is_v4, 0)));
}

enum checksum decode_checksum(const struct packet *p)
{
	if (!p->is_ip || p->is_fragment)
		return CHECKSUM_UNKNOWN;
	bool is_v4 = bytes_at(p->ip, 0) >> 4 == 4;
	struct bytes head = bytes_first(p->ip, (size_t)(bytes_at(p->ip, 0) & 15) * 4);
	if (is_v4 && (bytes_at(head, 10) > 0 || bytes_at(head, 11) > 0) && !is_good(sum(head, 0)))
		return CHECKSUM_BAD;
	if (p->is_cut)
		return CHECKSUM_UNKNOWN;
	switch (p->proto) {
	case ICMP:
		return is_good(sum(p->l4, 0)) ? CHECKSUM_GOOD : CHECKSUM_BAD;
	case UDP:
		if (bytes_at(p->l4, 6) == 0 && bytes_at(p->l4, 7) == 0)
			return CHECKSUM_UNKNOWN;
		break;
	case TCP:
	case ICMP6:
		break;
	default:
		return CHECKSUM_UNKNOWN;
	}
	if (is_good(sum(p->l4, pseudo_header(p, is_v4, p->l4.n))))
		return CHECKSUM_GOOD;
	return is_partial(p, is_v4) ? CHECKSUM_UNKNOWN : CHECKSUM_BAD;
}
