#include "packet/fanout.h"

#include "base/assert.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

/*
 * The program is written by the functions below, each a part of the headers. Jumps only go forward, so that
 * every program ends.
 *
 * Where the network header lies is two things. Of what comes in the kernel has taken the link header off: it
 * is at 0. That is the way to read, since it also reaches what a driver left in pages of their own, as with
 * all behind the UDP header of VXLAN. Of what goes out the link header is still there, and only SKF_NET_OFF,
 * which ends with the first, linear part of the buffer, says where the next one begins. The outer VLAN tag of
 * what comes in is taken off too; a second one stands where the network header begins.
 */
enum { LABEL_JUMPS = 16, LABELS = 4 /* MPLS labels on one packet */, TAGS = 3 };

struct label {
	size_t from[LABEL_JUMPS];
	size_t n;
};

struct program {
	struct sock_filter *out;
	size_t n;
	struct label transport, inner_ethernet, inner;
};

/* Words of the program's memory. */
enum word {
	AT,    /* where the header in hand begins */
	TYPE,  /* the EtherType or IP protocol that leads on */
	HASH,  /* of the outermost pair of addresses seen so far */
	FLAGS, /* of GRE */
	WORK,
};

/* ---- instructions ------------------------------------------------------------------------ */

static void op(struct program *p, unsigned code, uint32_t k)
{
	ASSERT(p->n < FANOUT_MOST);
	p->out[p->n++] = (struct sock_filter){ .code = (uint16_t)code, .k = k };
}

static void get(struct program *p, enum word w) /* A = word */
{
	op(p, BPF_LD | BPF_MEM, w);
}

static void put(struct program *p, enum word w) /* word = A */
{
	op(p, BPF_ST, w);
}

static void base(struct program *p) /* X = where the header in hand begins */
{
	op(p, BPF_LDX | BPF_MEM, AT);
}

static void load(struct program *p, unsigned size, uint32_t offset) /* A = of the header at X */
{
	op(p, BPF_LD | BPF_IND | size, offset);
}

static void calc(struct program *p, unsigned operation, uint32_t k) /* A = A operation k */
{
	op(p, BPF_ALU | operation | BPF_K, k);
}

static void calc_word(struct program *p, unsigned operation, enum word w) /* A = A operation word */
{
	op(p, BPF_LDX | BPF_MEM, w);
	op(p, BPF_ALU | operation | BPF_X, 0);
}

/* Puts the place in hand n bytes further on; A is then where that is. */
static void past(struct program *p, uint32_t n)
{
	get(p, AT);
	calc(p, BPF_ADD, n);
	put(p, AT);
}

/* What follows, up to end(), is done when A is one of n values. Conditional jumps reach 255 instructions, the
 * plain one reaches all. */
static size_t when_any(struct program *p, const uint32_t *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		op(p, BPF_JMP | BPF_JEQ | BPF_K, values[i]);
		p->out[p->n - 1].jt = (uint8_t)(n - i);
	}
	op(p, BPF_JMP | BPF_JA, 0);
	return p->n - 1;
}

/* The same for a comparison of A with k: BPF_JEQ, BPF_JGE, or BPF_JSET. */
static size_t when(struct program *p, unsigned comparison, uint32_t k)
{
	op(p, BPF_JMP | comparison | BPF_K, k);
	p->out[p->n - 1].jt = 1;
	op(p, BPF_JMP | BPF_JA, 0);
	return p->n - 1;
}

static void end(struct program *p, size_t block)
{
	p->out[block].k = (uint32_t)(p->n - block - 1);
}

static void go(struct program *p, struct label *to)
{
	ASSERT(to->n < LABEL_JUMPS);
	to->from[to->n++] = p->n;
	op(p, BPF_JMP | BPF_JA, 0);
}

static void place(struct program *p, struct label *l)
{
	for (size_t i = 0; i < l->n; i++)
		end(p, l->from[i]);
}

/* Ends the program with HASH. What addresses of one network have in common, and the last bits that
 * neighbours differ in, come to bear on all bits (Knuth's multiplicative hash); the upper ones are best. */
static void done(struct program *p)
{
	get(p, HASH);
	calc(p, BPF_MUL, 0x9e3779b1);
	calc(p, BPF_RSH, 16);
	op(p, BPF_RET | BPF_A, 0);
}

/* ---- headers ----------------------------------------------------------------------------- */

/* HASH = all words of both addresses, which are `bytes` bytes from `offset` on: equal both ways round. */
static void hash_pair(struct program *p, uint32_t offset, uint32_t bytes)
{
	for (uint32_t at = offset; at < offset + bytes; at += 4) {
		base(p);
		load(p, BPF_W, at);
		if (at > offset)
			calc_word(p, BPF_XOR, HASH);
		put(p, HASH);
	}
}

static void hash_macs(struct program *p)
{
	static const struct {
		unsigned size;
		uint32_t offset;
	} part[] = { { BPF_W, 0 }, { BPF_W, 6 }, { BPF_H, 4 }, { BPF_H, 10 } };
	for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
		op(p, BPF_LD | BPF_ABS | part[i].size, (uint32_t)SKF_LL_OFF + part[i].offset);
		if (i > 0)
			calc_word(p, BPF_XOR, HASH);
		put(p, HASH);
	}
}

/* IEEE 802.1Q tags: AT and the type in A get past them. */
static void tags(struct program *p)
{
	static const uint32_t types[] = { 0x8100, 0x88a8, 0x9100, 0x9200 };
	for (unsigned i = 0; i < TAGS; i++) {
		size_t tag = when_any(p, types, 4);
		base(p);
		load(p, BPF_H, 2);
		put(p, TYPE);
		past(p, 4);
		get(p, TYPE);
		end(p, tag);
	}
}

/* RFC 2516 4, RFC 1661 2: the type in A becomes that of the IP packet inside. */
static void pppoe(struct program *p)
{
	size_t session = when(p, BPF_JEQ, 0x8864);
	base(p);
	load(p, BPF_H, 6);
	put(p, TYPE);
	past(p, 8);
	get(p, TYPE);
	size_t v4 = when(p, BPF_JEQ, 0x0021);
	op(p, BPF_LD | BPF_IMM, 0x0800);
	end(p, v4);
	size_t v6 = when(p, BPF_JEQ, 0x0057);
	op(p, BPF_LD | BPF_IMM, 0x86dd);
	end(p, v6);
	end(p, session);
}

/* RFC 3032 2.1; that IP follows is told by its first four bits (RFC 4928 3). */
static void mpls(struct program *p)
{
	static const uint32_t types[] = { 0x8847, 0x8848 };
	size_t label[LABELS];
	size_t labels = when_any(p, types, 2);
	for (unsigned i = 0; i < LABELS; i++) {
		base(p);
		load(p, BPF_B, 2);
		put(p, WORK);
		past(p, 4);
		get(p, WORK);
		calc(p, BPF_AND, 1);
		label[i] = when(p, BPF_JEQ, 0);
	}
	size_t too_many = p->n; /* A is 0: no type */
	op(p, BPF_JMP | BPF_JA, 0);
	for (unsigned i = 0; i < LABELS; i++)
		end(p, label[i]);
	base(p);
	load(p, BPF_B, 0);
	calc(p, BPF_RSH, 4);
	size_t v4 = when(p, BPF_JEQ, 4);
	op(p, BPF_LD | BPF_IMM, 0x0800);
	end(p, v4);
	size_t v6 = when(p, BPF_JEQ, 6);
	op(p, BPF_LD | BPF_IMM, 0x86dd);
	end(p, v6);
	end(p, too_many);
	end(p, labels);
}

/* An IP packet whose type is in A: HASH of its addresses; the outer one's payload is looked into. */
static void ip(struct program *p, bool is_inner)
{
	size_t v4 = when(p, BPF_JEQ, 0x0800);
	hash_pair(p, 12, 8);
	if (!is_inner) {
		base(p);
		load(p, BPF_H, 6); /* more fragments, or an offset: only the first has the next header */
		size_t fragment = when(p, BPF_JSET, 0x3fff);
		done(p);
		end(p, fragment);
		load(p, BPF_B, 9);
		put(p, TYPE);
		load(p, BPF_B, 0);
		calc(p, BPF_AND, 15);
		calc(p, BPF_LSH, 2);
		calc_word(p, BPF_ADD, AT);
		put(p, AT);
		go(p, &p->transport);
	} else {
		done(p);
	}
	end(p, v4);
	size_t v6 = when(p, BPF_JEQ, 0x86dd);
	hash_pair(p, 8, 32);
	if (!is_inner) {
		base(p);
		load(p, BPF_B, 6);
		put(p, TYPE);
		past(p, 40);
		go(p, &p->transport);
	} else {
		done(p);
	}
	end(p, v6);
}

/* Linux puts a destination options header before what it tunnels in IPv6 (RFC 2473 5.1). */
static void options(struct program *p)
{
	size_t is_options = when(p, BPF_JEQ, 60);
	base(p);
	load(p, BPF_B, 0);
	put(p, TYPE);
	load(p, BPF_B, 1);
	calc(p, BPF_ADD, 1);
	calc(p, BPF_LSH, 3);
	calc_word(p, BPF_ADD, AT);
	put(p, AT);
	get(p, TYPE);
	end(p, is_options);
}

/* RFC 2784 2, RFC 2890 2: AT gets past the header, TYPE is what it carries. Version 1 (PPTP) and routing go
 * by the addresses outside. */
static void gre_header(struct program *p)
{
	base(p);
	load(p, BPF_H, 0);
	put(p, FLAGS);
	size_t other = when(p, BPF_JSET, 0x4007);
	done(p);
	end(p, other);
	load(p, BPF_H, 2);
	put(p, TYPE);
	get(p, FLAGS);
	calc(p, BPF_AND, 0x8000); /* each of checksum, key and sequence number takes four bytes */
	calc(p, BPF_RSH, 13);
	put(p, WORK);
	get(p, FLAGS);
	calc(p, BPF_AND, 0x2000);
	calc(p, BPF_RSH, 11);
	calc_word(p, BPF_ADD, WORK);
	put(p, WORK);
	get(p, FLAGS);
	calc(p, BPF_AND, 0x1000);
	calc(p, BPF_RSH, 10);
	calc_word(p, BPF_ADD, WORK);
	calc(p, BPF_ADD, 4);
	calc_word(p, BPF_ADD, AT);
	put(p, AT);
}

static void gre(struct program *p)
{
	static const uint32_t ip_types[] = { 0x0800, 0x86dd };
	size_t is_gre = when(p, BPF_JEQ, 47);
	gre_header(p);
	get(p, TYPE);
	size_t is_ip = when_any(p, ip_types, 2);
	go(p, &p->inner);
	end(p, is_ip);
	size_t bridged = when(p, BPF_JEQ, 0x6558);
	go(p, &p->inner_ethernet);
	end(p, bridged);
	size_t erspan =
		when(p, BPF_JEQ, 0x88be); /* draft-foschiano-erspan-03 4.1: II has the sequence number */
	get(p, FLAGS);
	calc(p, BPF_AND, 0x1000);
	calc(p, BPF_RSH, 9);
	calc_word(p, BPF_ADD, AT);
	put(p, AT);
	go(p, &p->inner_ethernet);
	end(p, erspan);
	size_t erspan3 = when(p, BPF_JEQ, 0x22eb); /* 4.2: frame type 0 is Ethernet, O adds eight bytes */
	base(p);
	load(p, BPF_H, 10);
	size_t other = when(p, BPF_JSET, 0x7c00);
	done(p);
	end(p, other);
	calc(p, BPF_AND, 1);
	calc(p, BPF_LSH, 3);
	calc(p, BPF_ADD, 12);
	calc_word(p, BPF_ADD, AT);
	put(p, AT);
	go(p, &p->inner_ethernet);
	end(p, erspan3);
	done(p);
	end(p, is_gre);
}

/* RFC 7348 5, with the port Linux had before; what does not look like the header is a datagram like any
 * other. With a next protocol (VXLAN-GPE) it goes by the addresses outside. */
static void vxlan(struct program *p)
{
	static const uint32_t ports[] = { 4789, 8472 };
	size_t is_vxlan = when_any(p, ports, 2);
	load(p, BPF_B, 8);
	calc(p, BPF_AND, 0x0c);
	size_t has_vni = when(p, BPF_JEQ, 0x08);
	load(p, BPF_B, 15);
	size_t reserved = when(p, BPF_JEQ, 0);
	past(p, 16);
	go(p, &p->inner_ethernet);
	end(p, reserved);
	end(p, has_vni);
	done(p);
	end(p, is_vxlan);
}

/* RFC 8926 3.4 */
static void geneve(struct program *p)
{
	static const uint32_t ip_types[] = { 0x0800, 0x86dd };
	size_t is_geneve = when(p, BPF_JEQ, 6081);
	load(p, BPF_B, 8);
	size_t version = when(p, BPF_JSET, 0xc0);
	done(p);
	end(p, version);
	calc(p, BPF_LSH, 2); /* the options' length, in words */
	calc(p, BPF_ADD, 16);
	calc_word(p, BPF_ADD, AT);
	put(p, WORK);
	base(p);
	load(p, BPF_H, 10);
	put(p, TYPE);
	get(p, WORK);
	put(p, AT);
	get(p, TYPE);
	size_t bridged = when(p, BPF_JEQ, 0x6558);
	go(p, &p->inner_ethernet);
	end(p, bridged);
	size_t is_ip = when_any(p, ip_types, 2);
	go(p, &p->inner);
	end(p, is_ip);
	done(p);
	end(p, is_geneve);
}

static void udp(struct program *p)
{
	enum {
		LEAST = 8 + 8 + 14 + 20
	}; /* with a tunnel's header, Ethernet and IP: shorter ones hold none */
	size_t is_udp = when(p, BPF_JEQ, 17);
	base(p);
	load(p, BPF_H, 4);
	size_t is_long = when(p, BPF_JGE, LEAST);
	load(p, BPF_H, 2);
	vxlan(p);
	geneve(p);
	end(p, is_long);
	done(p);
	end(p, is_udp);
}

/* The IP protocol is in TYPE. */
static void transport(struct program *p)
{
	place(p, &p->transport);
	get(p, TYPE);
	options(p);
	gre(p);
	udp(p);
	size_t v4 = when(p, BPF_JEQ, 4); /* RFC 2003 */
	op(p, BPF_LD | BPF_IMM, 0x0800);
	go(p, &p->inner);
	end(p, v4);
	size_t v6 = when(p, BPF_JEQ, 41); /* RFC 2473, RFC 4213 */
	op(p, BPF_LD | BPF_IMM, 0x86dd);
	go(p, &p->inner);
	end(p, v6);
	done(p);
}

size_t fanout_program(struct sock_filter out[FANOUT_MOST])
{
	struct program p = { .out = out };
	/* All words that another part reads have a value: the kernel's check does not see that a return ends
	 * a path (check_load_and_stores() in its net/core/filter.c). */
	op(&p, BPF_LD | BPF_IMM, 0);
	put(&p, AT);
	put(&p, TYPE);
	put(&p, HASH);
	op(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	size_t leaves = when(&p, BPF_JEQ, PACKET_OUTGOING);
	op(&p, BPF_LD | BPF_IMM, (uint32_t)SKF_NET_OFF);
	put(&p, AT);
	end(&p, leaves);
	op(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
	tags(&p);
	pppoe(&p);
	mpls(&p);
	ip(&p, false);
	hash_macs(&p);
	done(&p);

	transport(&p);
	place(&p, &p.inner_ethernet);
	base(&p);
	load(&p, BPF_H, 12);
	put(&p, TYPE);
	past(&p, 14);
	get(&p, TYPE);
	place(&p, &p.inner);
	tags(&p);
	ip(&p, true);
	done(&p);
	return p.n;
}

/* ---- sockets ----------------------------------------------------------------------------- */

bool fanout_join(const int *sockets, size_t n, const char **what)
{
	struct sock_filter program[FANOUT_MOST];
	struct sock_fprog f = { .len = (unsigned short)fanout_program(program), .filter = program };
	/* Type and flags in the upper half, the group's number in the lower: for the first the kernel picks
	 * one that no other program has. */
	int group = (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	socklen_t bytes = sizeof group;
	*what = "PACKET_FANOUT";
	for (size_t i = 0; i < n; i++) {
		if (setsockopt(sockets[i], SOL_PACKET, PACKET_FANOUT, &group, sizeof group) != 0)
			return false;
		if (i == 0 && getsockopt(sockets[0], SOL_PACKET, PACKET_FANOUT, &group, &bytes) != 0)
			return false;
		if (i == 0)
			group = (int)((unsigned)group & 0xffff) | PACKET_FANOUT_CBPF << 16;
	}
	*what = "PACKET_FANOUT_DATA";
	return setsockopt(sockets[0], SOL_PACKET, PACKET_FANOUT_DATA, &f, sizeof f) == 0;
}

bool fanout_refuse(int socket)
{
	struct sock_filter none = { .code = BPF_RET | BPF_K, .k = 0 };
	struct sock_fprog f = { .len = 1, .filter = &none };
	return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f) == 0;
}

bool fanout_admit(int socket)
{
	int unused = 0;
	return setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) == 0;
}

bool fanout_lock(int socket)
{
	int on = 1;
	return setsockopt(socket, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on) == 0;
}
