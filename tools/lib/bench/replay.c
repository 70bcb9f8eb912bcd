/* usage: replay CAPTURE INTERFACE PACKETS-PER-SECOND SECONDS
 * Sends the capture's frames over and over at that speed (0: as fast as it goes) and prints the packets and
 * bytes sent and the nanoseconds it took. For tools/bench_live. */
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

enum { BATCH = 32, LARGEST = 9014 };

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

int main(int argc, char **argv)
{
	if (argc != 5)
		return 1;
	size_t n, at = 0;
	struct iovec *frames = load(argv[1], &n);
	int s = open_socket(argv[2]);
	double rate = strtod(argv[3], NULL), seconds = strtod(argv[4], NULL);
	uint64_t sent = 0, bytes = 0, from = now_ns(), now = from;
	if (n < BATCH)
		return 1;
	for (; (double)(now - from) < seconds * 1e9; now = now_ns()) {
		struct mmsghdr m[BATCH] = { 0 };
		for (size_t i = 0; i < BATCH; i++) {
			m[i].msg_hdr = (struct msghdr){ .msg_iov = &frames[(at + i) % n], .msg_iovlen = 1 };
		}
		int done = sendmmsg(s, m, BATCH, 0);
		if (done < 0 && errno != ENOBUFS) {
			perror("sendmmsg");
			return 1;
		}
		for (int i = 0; i < done; i++)
			bytes += frames[(at + (size_t)i) % n].iov_len;
		at = (at + (size_t)(done > 0 ? done : 0)) % n;
		sent += (uint64_t)(done > 0 ? done : 0);
		uint64_t due = rate > 0 ? from + (uint64_t)((double)sent / rate * 1e9) : 0;
		struct timespec t = { (time_t)(due / 1000000000u), (long)(due % 1000000000u) };
		if (due > now_ns())
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	}
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sent, bytes, now - from);
	return 0;
}
