/* usage: replay [-n PACKETS] [-k SYNS] CAPTURE INTERFACE PACKETS-PER-SECOND SECONDS
 * Sends the capture's frames, out of memory, over and over at that speed (0: as fast as it goes), PACKETS at
 * most; with -k so many connection attempts from random addresses between each two. Prints the packets and
 * bytes sent and the nanoseconds it took. For tools/bench_live and tools/soak. */
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 32, LARGEST = 9014, SYN = 54 };

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* All frames that fit, one entry each. */
static struct iovec *load(const char *path, size_t *n)
{
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *p;
	struct iovec *frames = NULL;
	pcap_t *in = pcap_open_offline(path, why);
	for (*n = 0; in && pcap_next_ex(in, &h, &p) == 1;) {
		if (h->caplen > LARGEST || h->caplen < 15)
			continue;
		if ((*n & (*n - 1)) == 0)
			frames = reallocarray(frames, *n ? *n * 2 : 1, sizeof *frames);
		void *copy = malloc(h->caplen);
		if (!frames || !copy)
			exit(1);
		frames[(*n)++] = (struct iovec){ memcpy(copy, p, h->caplen), h->caplen };
	}
	return frames;
}

static int open_socket(const char *name)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name) };
	int s = socket(AF_PACKET, SOCK_RAW, 0), on = 1;
	if (s < 0 || bind(s, (struct sockaddr *)&to, sizeof to) != 0 ||
		setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) {
		perror(name);
		exit(1);
	}
	return s;
}

/* A connection attempt from an address that nobody has, to a server of pcaps/ward.pcap; no checksums, which
 * is what offload looks like. */
static void make_syn(uint8_t frame[SYN], uint64_t *random)
{
	static const uint8_t like[SYN] = { 0, 5, 0x69, 0, 0, 2, 0, 5, 0x69, 0, 0, 1, 8, 0, /* Ethernet */
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 0, 0, 0, 0, 10, 60, 20, 10,       /* IP */
		0, 0, 0, 104, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0 };
	uint64_t r[2];
	for (size_t i = 0; i < 2; i++) { /* xorshift64* */
		*random ^= *random >> 12;
		*random ^= *random << 25;
		*random ^= *random >> 27;
		r[i] = *random * 0x2545f4914f6cdd1du;
	}
	memcpy(frame, like, SYN);
	memcpy(frame + 26, &r[0], 4);                /* from */
	memcpy(frame + 18, (uint8_t *)&r[0] + 4, 2); /* IP id */
	memcpy(frame + 34, &r[1], 2);                /* port */
	memcpy(frame + 38, (uint8_t *)&r[1] + 2, 4); /* sequence number */
}

struct source {
	struct iovec *frames;
	size_t n, at;
	uint64_t syns, left, random; /* between two frames, still to come before the next one */
};

static struct iovec next(struct source *s, uint8_t syn[SYN])
{
	if (s->left) {
		s->left--;
		make_syn(syn, &s->random);
		return (struct iovec){ syn, SYN };
	}
	s->left = s->syns;
	struct iovec v = s->frames[s->at];
	s->at = (s->at + 1) % s->n;
	return v;
}

int main(int argc, char **argv)
{
	struct source src = { .random = 88172645463325252u };
	uint64_t most = UINT64_MAX, sent = 0, bytes = 0;
	for (int c; (c = getopt(argc, argv, "n:k:")) != -1;) {
		if (c != 'n' && c != 'k')
			return 1;
		*(c == 'n' ? &most : &src.syns) = strtoull(optarg, NULL, 10);
	}
	if (argc - optind != 4)
		return 1;
	src.frames = load(argv[optind], &src.n);
	int s = open_socket(argv[optind + 1]);
	double rate = strtod(argv[optind + 2], NULL), seconds = strtod(argv[optind + 3], NULL);
	if (src.n == 0)
		return 1;
	src.left = src.syns;
	uint64_t from = now_ns(), now = from;
	for (; (double)(now - from) < seconds * 1e9 && sent < most; now = now_ns()) {
		static uint8_t syns[BATCH][SYN];
		struct iovec v[BATCH];
		struct mmsghdr m[BATCH] = { 0 };
		unsigned n = most - sent < BATCH ? (unsigned)(most - sent) : BATCH, done = 0;
		for (unsigned i = 0; i < n; i++) {
			v[i] = next(&src, syns[i]);
			m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
			bytes += v[i].iov_len;
		}
		while (done < n) {
			int k = sendmmsg(s, m + done, n - done, 0);
			if (k < 0 && errno != ENOBUFS) {
				perror("sendmmsg");
				return 1;
			}
			done += k > 0 ? (unsigned)k : 0;
		}
		sent += n;
		uint64_t due = rate > 0 ? from + (uint64_t)((double)sent / rate * 1e9) : 0;
		struct timespec t = { (time_t)(due / 1000000000u), (long)(due % 1000000000u) };
		if (due > now_ns())
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	}
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sent, bytes, now - from);
	return 0;
}
