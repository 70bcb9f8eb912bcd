/* The program that shares packets out over workers, run as the kernel runs it
 * (Documentation/networking/filter): both directions of two hosts, whatever they are wrapped in, get one
 * number. That the kernel takes it is tests/e2e/live.py's. */
#include "packet/capture.h"
#include "packet/decode.h"
#include "packet/fanout.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

struct wire {
	uint8_t b[512];
	size_t n, net; /* bytes; where the network header begins */
	uint16_t protocol;
	bool leaves; /* on its way out: loads from 0 on begin at the link header */
};

static struct sock_filter program[FANOUT_MOST];
static size_t program_n;

/* ---- a classic BPF machine --------------------------------------------------------------- */

/* False: outside the packet, for which the kernel ends the program with 0. */
static bool fetch(const struct wire *w, int64_t at, unsigned size, uint32_t *a)
{
	unsigned n = size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
	if (at == SKF_AD_OFF + SKF_AD_PROTOCOL || at == SKF_AD_OFF + SKF_AD_PKTTYPE) {
		*a = at == SKF_AD_OFF + SKF_AD_PROTOCOL ? w->protocol
		     : w->leaves                        ? PACKET_OUTGOING
							: PACKET_OTHERHOST;
		return true;
	}
	/* Before Linux 6.16 what is read by a negative offset has to be in the linear part of the buffer,
	 * which may end with the link header where a driver sends pages up. */
	size_t offset, linear = at >= 0 || w->leaves ? w->n : w->net;
	if (at >= 0)
		offset = (size_t)at + (w->leaves ? 0 : w->net);
	else if (at >= SKF_NET_OFF)
		offset = (size_t)(at - SKF_NET_OFF) + w->net;
	else
		offset = (size_t)(at - SKF_LL_OFF);
	if (offset + n > linear)
		return false;
	*a = 0;
	for (unsigned i = 0; i < n; i++)
		*a = *a << 8 | w->b[offset + i];
	return true;
}

static uint32_t calc(unsigned code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + k;
	case BPF_MUL:
		return a * k;
	case BPF_AND:
		return a & k;
	case BPF_XOR:
		return a ^ k;
	case BPF_LSH:
		return a << k;
	case BPF_RSH:
		return a >> k;
	default:
		fail_msg("unknown operation %x", code);
		return 0;
	}
}

static bool holds(unsigned code, uint32_t a, uint32_t k)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGE:
		return a >= k;
	case BPF_JSET:
		return a & k;
	default:
		fail_msg("unknown comparison %x", code);
		return false;
	}
}

static uint32_t run(const struct wire *w)
{
	uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };
	for (size_t pc = 0; pc < program_n; pc++) {
		const struct sock_filter *i = &program[pc];
		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			if (BPF_MODE(i->code) == BPF_IMM)
				a = i->k;
			else if (BPF_MODE(i->code) == BPF_MEM)
				a = mem[i->k];
			else if (!fetch(w, (int32_t)(i->k + (BPF_MODE(i->code) == BPF_IND ? x : 0)),
					 BPF_SIZE(i->code), &a))
				return 0;
			break;
		case BPF_LDX:
			x = mem[i->k];
			break;
		case BPF_ST:
			mem[i->k] = a;
			break;
		case BPF_ALU:
			a = calc(i->code, a, BPF_SRC(i->code) == BPF_X ? x : i->k);
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += holds(i->code, a, i->k) ? i->jt : i->jf;
			break;
		default:
			assert_int_equal(i->code, BPF_RET | BPF_A);
			return a;
		}
	}
	fail_msg("the program has no end");
	return 0;
}

/* ---- frames ------------------------------------------------------------------------------ */

static void add(struct wire *w, const char *hex)
{
	for (unsigned v; *hex; hex += *hex == ' ' ? 1 : 2)
		if (*hex != ' ' && sscanf(hex, "%2x", &v) == 1) {
			assert_true(w->n < sizeof w->b);
			w->b[w->n++] = (uint8_t)v;
		}
}

/* A and B are the hosts; what is between them is the same in both directions, but for `hex` with an A and a
 * B in it where the addresses stand. */
struct hosts {
	const char *a, *b;
};

static const struct hosts macs = { "020000000001", "0200000000b2" };
static const struct hosts v4 = { "0a000105", "0a0002c8" };
static const struct hosts v6 = { "20010db8000000000000000000000005", "20010db80001000000000000000000c8" };
static const struct hosts ends = { "c0a80001", "c0a80002" };

/* Takes the outer tag off the frame, as the kernel does before fanout sees it. */
static void receive(struct wire *w)
{
	w->net = 14;
	w->protocol = (uint16_t)(w->b[12] << 8 | w->b[13]);
	if (w->n >= 18 && (w->protocol == 0x8100 || w->protocol == 0x88a8)) {
		memmove(w->b + 12, w->b + 16, w->n - 16);
		w->n -= 4;
		w->protocol = (uint16_t)(w->b[12] << 8 | w->b[13]);
	}
}

/* @m @M: MAC addresses, @a @A: IPv4, @x @X: IPv6 hosts, @e @E: the ends of a tunnel, capital: the other. */
static uint32_t number(const char *format, bool back, bool leaves)
{
	static const struct {
		char key;
		const struct hosts *hosts;
	} keys[] = { { 'm', &macs }, { 'a', &v4 }, { 'x', &v6 }, { 'e', &ends } };
	struct wire w = { .n = 0 };
	char piece[3] = { 0 };
	for (const char *p = format; *p; p++) {
		if (*p == ' ')
			continue;
		piece[0] = p[0];
		piece[1] = p[1];
		for (size_t i = 0; i < 4 && *p == '@'; i++)
			if ((p[1] | 0x20) == keys[i].key)
				add(&w, (p[1] != keys[i].key) != back ? keys[i].hosts->b : keys[i].hosts->a);
		if (*p != '@')
			add(&w, piece);
		p++;
	}
	receive(&w);
	w.leaves = leaves;
	return run(&w);
}

#define MACS         "@m @M "
#define TCP          "9c40 0050 00000001 00000002 5018 0200 0000 0000 "
#define IP4          "4500 0028 0001 4000 4006 0000 @a @A " TCP
#define IP4_ICMP     "4500 0028 0001 4000 4001 0000 @a @A " TCP
#define IP6          "6000 0000 0014 0640 @x @X " TCP
#define OUTER(proto) "4500 0080 0001 0000 40" proto "0000 @e @E "
#define UDP(port)    "c000 " port " 0060 0000 "

/* Of a mirror port both directions come in; of the sensor's own host one goes out. */
static uint32_t both(const char *format)
{
	uint32_t there = number(format, false, false), back = number(format, true, false);
	if (number(format, false, true) != there)
		fail_msg("%s: in %08x, out %08x", format, there, number(format, false, true));
	if (there != back || there == 0)
		fail_msg("%s: %08x there, %08x back", format, there, back);
	return there;
}

static void test_plain(void **state)
{
	(void)state;
	uint32_t h4 = both(MACS "0800" IP4), h6 = both(MACS "86dd" IP6);
	assert_int_not_equal(h4, h6);
	assert_int_equal(both(MACS "0800" IP4_ICMP), h4);
	/* options before TCP; a first and a later fragment, which has no ports */
	assert_int_equal(both(MACS "0800 4600 002c 0001 4000 4006 0000 @a @A 01010100" TCP), h4);
	assert_int_equal(both(MACS "0800 4500 0028 0001 2000 4006 0000 @a @A" TCP), h4);
	assert_int_equal(both(MACS "0800 4500 0018 0001 0003 4006 0000 @a @A 01020304"), h4);
	assert_int_equal(both(MACS "86dd 6000 0000 001c 2c40 @x @X 0600 0009 00000001" TCP), h6);
	assert_int_equal(both(MACS "86dd 6000 0000 0000 3b40 @x @X"), h6);
}

static void test_tags(void **state)
{
	(void)state;
	uint32_t h4 = both(MACS "0800" IP4), h6 = both(MACS "86dd" IP6);
	assert_int_equal(both(MACS "8100 0064 0800" IP4), h4);
	assert_int_equal(both(MACS "8100 0064 86dd" IP6), h6);
	assert_int_equal(both(MACS "88a8 0064 8100 0065 0800" IP4), h4);
	assert_int_equal(both(MACS "9100 0064 8100 0065 0800" IP4), h4); /* not taken off by the kernel */
	assert_int_equal(both(MACS "88a8 0064 8100 0065 8100 0066 8100 0067 0800" IP4), h4);
	assert_int_equal(both(MACS "8864 1100 0001 002a 0021" IP4), h4);
	assert_int_equal(both(MACS "8100 0064 8864 1100 0001 003e 0057" IP6), h6);
	assert_int_equal(both(MACS "8847 00010140" IP4), h4);
	assert_int_equal(both(MACS "8847 00010040 00010040 00011140" IP6), h6);
	/* five labels: the MAC addresses */
	assert_int_equal(
		both(MACS "8847 00010040 00010040 00010040 00010040 45010140" IP4), both(MACS "88cc 00"));
}

static void test_no_ip(void **state)
{
	(void)state;
	uint32_t h = both(MACS "0806 0001 0800 0604 0001");
	assert_int_equal(both(MACS "8892 8000"), h);
	assert_int_equal(both(MACS "0003 424203"), h);
	assert_int_equal(both(MACS "8100 0064 8892 8000"), h);
}

static void test_tunnels(void **state)
{
	(void)state;
	static const char *const wrap4[] = {
		OUTER("04"),
		OUTER("2f") "0000 0800",
		OUTER("2f") "2000 0800 00000007",
		OUTER("2f") "b000 0800 00000000 00000007 00000001",
		OUTER("2f") "0000 6558" MACS "0800",
		OUTER("2f") "0000 6558" MACS "8100 0064 0800",
		OUTER("2f") "0000 88be" MACS "0800",
		OUTER("2f") "1000 88be 00000001 1001 0001 00000000" MACS "8100 0064 0800",
		OUTER("2f") "1000 22eb 00000001 2001 0001 00000000 0000 0000" MACS "0800",
		OUTER("2f") "1000 22eb 00000001 2001 0001 00000000 0000 0001 0000000000000000" MACS "0800",
		OUTER("11") UDP("12b5") "08000000 00002a00" MACS "0800",
		OUTER("11") UDP("2118") "08000000 00002a00" MACS "8100 0064 0800",
		OUTER("11") UDP("17c1") "0000 6558 00002a00" MACS "0800",
		OUTER("11") UDP("17c1") "0200 0800 00002a00 0102030405060708",
		"4600 0080 0001 0000 40 04 0000 @e @E 01010100 ",
	};
	static const char *const wrap6[] = {
		OUTER("29"),
		OUTER("2f") "0000 86dd",
		OUTER("11") UDP("17c1") "0000 86dd 00002a00",
		OUTER("11") UDP("12b5") "08000000 00002a00" MACS "86dd",
	};
	char frame[2048];
	for (size_t i = 0; i < sizeof wrap4 / sizeof *wrap4; i++) {
		snprintf(frame, sizeof frame, "%s %s" IP4, MACS "0800", wrap4[i]);
		if (both(frame) != both(MACS "0800" IP4))
			fail_msg("not the inner hosts': %s", frame);
	}
	for (size_t i = 0; i < sizeof wrap6 / sizeof *wrap6; i++) {
		snprintf(frame, sizeof frame, MACS "0800 %s" IP6, wrap6[i]);
		if (both(frame) != both(MACS "86dd" IP6))
			fail_msg("not the inner hosts': %s", frame);
	}
	/* tunnels over IPv6, one with the options Linux adds */
	assert_int_equal(both(MACS "86dd 6000 0000 0028 0440 @x @X" IP4), both(MACS "0800" IP4));
	assert_int_equal(both(MACS "86dd 6000 0000 0034 3c40 @x @X 2f00 040104010100 0000 0800" IP4),
		both(MACS "0800" IP4));
}

/* What is not read further goes by the addresses outside, all of it. */
static void test_tunnel_outside(void **state)
{
	(void)state;
	uint32_t outside = both(MACS "0800" OUTER("06") TCP);
	static const char *const frames[] = {
		"4500 0080 0001 2000 4004 0000 @e @E " IP4,              /* a first fragment */
		OUTER("2f") "3081 880b 0010 0001 00000001 00000002",     /* PPTP */
		OUTER("2f") "4000 0800 00000000" IP4,                    /* routing */
		OUTER("2f") "0000 0000",                                 /* keep-alive */
		OUTER("2f") "0000 6558" MACS "0806 0001 0800 0604 0001", /* no IP inside */
		OUTER("2f") "1000 22eb 00000001 2001 0001 00000000 0000 0800" IP4,
		OUTER("11") UDP("12b5") "00000000 00002a00" MACS "0800" IP4, /* no VXLAN on its port */
		OUTER("11") UDP("12b5") "0c000001 00002a00" IP4,
		OUTER("11") UDP("12b5") "08000000 00002a01" MACS "0800" IP4,
		OUTER("11") UDP("17c1") "c000 6558 00002a00" MACS "0800" IP4,
		OUTER("11") UDP("17c1") "0000 0806 00002a00" IP4,
		OUTER("11") "c000 12b5 000c 0000 08000000", /* shorter than a tunnel */
		OUTER("11") UDP("0035") "0000",
	};
	char frame[2048];
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		snprintf(frame, sizeof frame, MACS "0800 %s", frames[i]);
		if (both(frame) != outside)
			fail_msg("not the outer hosts': %s", frame);
	}
}

/* Cut anywhere the machine stays inside, and what is cut behind the addresses stays with its hosts. */
static void test_short(void **state)
{
	(void)state;
	static const char *const frames[] = { MACS "0800" IP4, MACS "86dd" IP6,
		MACS "0800" OUTER("11") UDP("12b5") "08000000 00002a00" MACS "0800" IP4,
		MACS
		"0800" OUTER("2f") "1000 22eb 00000001 2001 0001 00000000 0000 0001 0000000000000000" MACS
				   "0800" IP4,
		MACS "8847 00010040 00010040 00010140" IP4 };
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
		char cut[1024] = { 0 };
		for (size_t n = 28; n < strlen(frames[i]); n++) {
			if (frames[i][n] == ' ' || frames[i][n - 1] == '@')
				continue;
			memcpy(cut, frames[i], n);
			assert_int_equal(number(cut, false, false), number(cut, true, false));
		}
	}
}

/* Any socket's filter goes through the checks that fanout's program does. */
static void test_kernel_takes_it(void **state)
{
	(void)state;
	struct sock_fprog f = { .len = (unsigned short)program_n, .filter = program };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_return_code(s, errno);
	assert_return_code(setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof f), errno);
	close(s);
}

/* Pairs of neighbouring addresses spread over few workers. */
static void test_spread(void **state)
{
	(void)state;
	for (uint32_t workers = 2; workers <= 8; workers++) {
		unsigned count[8] = { 0 };
		for (unsigned i = 0; i < 4096; i++) {
			struct wire w = { .n = 0 };
			char frame[512];
			snprintf(frame, sizeof frame,
				"020000000001 020000000002 0800 4500 0028 0001 4000 4006 0000 0a0001%02x "
				"0a0002%02x " TCP,
				i & 255, i >> 8);
			add(&w, frame);
			receive(&w);
			count[run(&w) % workers]++;
		}
		for (uint32_t k = 0; k < workers; k++)
			assert_in_range(count[k], 4096 / workers * 7 / 10, 4096 / workers * 13 / 10);
	}
}

/* ---- captures ---------------------------------------------------------------------------- */

struct pair {
	struct addr a, b;
	uint32_t number;
};

/* The pair's number, or that of the first packet of these two hosts. */
static uint32_t number_of_pair(struct pair *pairs, size_t *n, size_t room, const struct pair *now)
{
	for (size_t i = 0; i < *n; i++)
		if (addr_eq(&pairs[i].a, &now->a) && addr_eq(&pairs[i].b, &now->b))
			return pairs[i].number;
	if (*n < room)
		pairs[(*n)++] = *now;
	return now->number;
}

/* Packets between what the decoder calls the same two hosts that get another number than their first. */
static unsigned elsewhere(const char *folder, size_t *n)
{
	static struct pair pairs[4096];
	struct limits limits;
	struct counters counters = { 0 };
	const struct hash_key key = { 1, 2 };
	struct decoder decoder;
	struct diag d = { 0 };
	struct frame f;
	struct packet p;
	unsigned bad = 0;
	limits_default(&limits);
	assert_true(decode_init(&decoder, &limits, &counters, &key));
	struct capture *c = capture_open(&folder, 1, &d);
	for (*n = 0; c && capture_next(c, &f);) {
		struct wire w = { .n = f.data.n < sizeof w.b ? f.data.n : sizeof w.b };
		if (f.linktype != 1 || w.n < 14 || decode_frame(&decoder, &f, &p) == DECODE_MALFORMED ||
			!p.is_ip)
			continue;
		memcpy(w.b, f.data.p, w.n);
		receive(&w);
		bool swap = addr_cmp(&p.src, &p.dst) > 0;
		struct pair now = { swap ? p.dst : p.src, swap ? p.src : p.dst, run(&w) };
		if (number_of_pair(pairs, n, sizeof pairs / sizeof *pairs, &now) == now.number)
			continue;
		printf("%s: packet %llu\n", capture_name(c, f.interface), (unsigned long long)f.number);
		bad++;
	}
	capture_close(c);
	decode_fini(&decoder);
	diag_free(&d);
	return bad;
}

static void test_captures(void **state)
{
	(void)state;
	size_t n;
	assert_int_equal(elsewhere(WW_SOURCE_DIR "/pcaps", &n), 0);
	assert_true(n > 40);
	/* with tunnels of many kinds; stands beside the checkout, or does not */
	assert_int_equal(elsewhere(WW_SOURCE_DIR "/../shared/captures", &n), 0);
}

static int setup(void **state)
{
	(void)state;
	program_n = fanout_program(program);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_no_ip),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_tunnel_outside),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_kernel_takes_it),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_captures),
	};
	int failed = cmocka_run_group_tests(tests, setup, NULL);
	return failed != 0;
}
