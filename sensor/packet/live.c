#include "packet/live_handle.h"

#include "base/assert.h"
#include "packet/fanout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RETIRE_MS = LIVE_RETIRE_MS, CARD_FILES = 2 };

/* One worker's handle on one interface. */
struct member {
	struct live_handle h;
	uint64_t received, dropped, downs;
	bool is_down, is_gone;
};

struct interface {
	char *name;
	int index;
	int card[CARD_FILES]; /* counters of the card in sysfs, -1: there is none */
	uint64_t card_before;
	bool is_alone; /* read by the first worker only */
};

/* What one worker's thread touches; allocated by itself, so that threads share no cache line. */
struct hand {
	struct member *members; /* one per interface */
	struct pollfd *polls;
	uint64_t number;
	char problem[PCAP_ERRBUF_SIZE + 64];
};

struct live {
	struct interface *interfaces;
	size_t n;
	struct hand **hands;
	unsigned workers;
};

/* ---- opening ----------------------------------------------------------------------------- */

static void say_open(
	const char *name, const struct live_handle *h, const struct live_options *o, struct diag *d)
{
	if (h->is_down)
		diag_add(d, DIAG_WARNING, name, 0, 0, "C022",
			"is down: it is read once it is up (ip link set %s up)", name);
	if (h->ring_kib && h->ring_kib + LIVE_BLOCK_KIB <= o->buffer_kib)
		diag_add(d, DIAG_WARNING, name, 0, 0, "C030",
			"has a buffer of %llu KiB, not of the %u that limits.capture_kib asks for: the "
			"kernel had "
			"no more memory for it",
			(unsigned long long)h->ring_kib, o->buffer_kib);
}

static bool open_interface(struct live *l, size_t i, const struct live_options *o, struct diag *d)
{
	static const char *const files[CARD_FILES] = { "rx_missed_errors", "rx_fifo_errors" };
	struct interface *in = &l->interfaces[i];
	char path[128];
	int sockets[LIVE_WORKERS_MOST];
	in->index = (int)if_nametoindex(in->name);
	if (in->index == 0)
		return live_no_interface(d, in->name);
	for (size_t k = 0; k < CARD_FILES; k++) {
		snprintf(path, sizeof path, "/sys/class/net/%s/statistics/%s", in->name, files[k]);
		in->card[k] = open(path, O_RDONLY | O_CLOEXEC);
	}
	for (unsigned w = 0; w < l->workers; w++) {
		struct member *m = &l->hands[w]->members[i];
		if (!live_handle_open(&m->h, in->name, o, d))
			return false;
		m->is_down = m->h.is_down;
		l->hands[w]->polls[i] = (struct pollfd){ .fd = m->h.fd, .events = POLLIN };
		sockets[w] = m->h.fd;
	}
	const struct live_handle *first = &l->hands[0]->members[i].h;
	const char *what;
	say_open(in->name, first, o, d);
	if (l->workers == 1 || fanout_join(sockets, l->workers, &what))
		return true;
	/* Before Linux 6.13 only sockets that get packets already can join. */
	in->is_alone = first->is_down;
	if (in->is_alone) {
		diag_add(d, DIAG_WARNING, in->name, 0, 0, "C029",
			"is read by one worker only, since it is down and this kernel shares out what is up: "
			"start again when it is up");
		return true;
	}
	diag_add(d, DIAG_ERROR, in->name, 0, 0, "C026",
		"cannot be shared out over %u workers (%s: %s): use one worker", l->workers, what,
		strerror(errno));
	return false;
}

/* ---- letting packets in ------------------------------------------------------------------- */

static void ignore(u_char *arg, const struct pcap_pkthdr *h, const u_char *p)
{
	(void)arg;
	(void)h;
	(void)p;
}

/* Of one socket: the kernel's counts since the last call. */
static uint32_t kernel_drops(const struct member *m)
{
	struct tpacket_stats_v3 s = { 0 };
	socklen_t n = sizeof s;
	return getsockopt(m->h.fd, SOL_PACKET, PACKET_STATISTICS, &s, &n) == 0 ? s.tp_drops : 0;
}

/* The sockets let nothing in since they were opened, but for the moment before their filter was set: that is
 * read once its blocks are handed over, which takes the kernel up to two turns of its timer. */
static bool let_in(struct live *l, const struct live_options *o, struct diag *d)
{
	struct timespec turns = { .tv_nsec = RETIRE_MS * 3 * 1000000L };
	nanosleep(&turns, NULL);
	for (size_t i = 0; i < l->n; i++)
		for (unsigned w = 0; w < l->workers; w++) {
			struct member *m = &l->hands[w]->members[i];
			while (pcap_dispatch(m->h.pcap, LIVE_BATCH, ignore, NULL) > 0)
				;
			kernel_drops(m);
		}
	for (size_t i = 0; i < l->n; i++)
		for (unsigned w = 0; w < l->workers; w++) {
			struct member *m = &l->hands[w]->members[i];
			const struct interface *in = &l->interfaces[i];
			bool wanted = w == 0 || !in->is_alone;
			if (wanted && !live_handle_admit(&m->h, in->name, o->filter, d))
				return false;
			if (!fanout_lock(m->h.fd))
				return live_wrong(d, in->name, "C023", strerror(errno));
		}
	return true;
}

static uint64_t card_drops(const struct interface *in)
{
	uint64_t sum = 0;
	for (size_t k = 0; k < CARD_FILES; k++) {
		char text[32];
		uint64_t value;
		ssize_t n = in->card[k] >= 0 ? pread(in->card[k], text, sizeof text, 0) : -1;
		size_t digits = n > 0 ? bytes_chr(bytes_of(text, (size_t)n), 0, '\n') : 0;
		if (n > 0 && bytes_to_u64(bytes_of(text, digits), &value))
			sum += value;
	}
	return sum;
}

static bool check_options(const struct live_options *o, struct diag *d)
{
	if (o->n == 0 || o->n > LIVE_INTERFACES_MOST)
		return live_wrong(d, "-", "C028", "name one interface at least, and 64 at most");
	for (size_t i = 0; i < o->n; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(o->interfaces[i], o->interfaces[k]) == 0)
				return live_wrong(d, o->interfaces[i], "C028", "is named twice");
	ASSERT(o->workers >= 1 && o->workers <= LIVE_WORKERS_MOST);
	ASSERT(o->snap_bytes >= 1 && o->snap_bytes <= 262144);
	ASSERT(o->buffer_kib >= 1 && o->buffer_kib <= 2097151);
	return true;
}

static bool get_memory(struct live *l, const struct live_options *o)
{
	l->interfaces = calloc(o->n, sizeof *l->interfaces);
	l->hands = calloc(o->workers, sizeof(struct hand *));
	if (!l->interfaces || !l->hands)
		return false;
	l->n = o->n;
	l->workers = o->workers;
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < CARD_FILES; k++)
			l->interfaces[i].card[k] = -1;
	for (size_t i = 0; i < l->n; i++)
		if (!(l->interfaces[i].name = strdup(o->interfaces[i])))
			return false;
	for (unsigned w = 0; w < l->workers; w++) {
		struct hand *h = l->hands[w] = calloc(1, sizeof *h);
		if (!h || !(h->members = calloc(l->n, sizeof *h->members)) ||
			!(h->polls = calloc(l->n, sizeof *h->polls)))
			return false;
	}
	return true;
}

struct live *live_open(const struct live_options *o, struct diag *d)
{
	struct live *l = check_options(o, d) ? calloc(1, sizeof *l) : NULL;
	if (!l)
		return NULL;
	bool ok = get_memory(l, o) || live_wrong(d, "-", "C009", "no memory");
	bool has_memory = ok;
	for (size_t i = 0; has_memory && i < l->n; i++) /* all, so that every wrong name is said at once */
		ok = open_interface(l, i, o, d) && ok;
	if (ok && let_in(l, o, d)) {
		for (size_t i = 0; i < l->n; i++)
			l->interfaces[i].card_before = card_drops(&l->interfaces[i]);
		return l;
	}
	live_close(l);
	return NULL;
}

static void free_hand(struct hand *h, size_t interfaces)
{
	if (!h)
		return;
	for (size_t i = 0; h->members && i < interfaces; i++)
		if (h->members[i].h.pcap)
			pcap_close(h->members[i].h.pcap);
	free(h->members);
	free(h->polls);
	free(h);
}

void live_close(struct live *l)
{
	if (!l)
		return;
	for (unsigned w = 0; w < l->workers; w++)
		free_hand(l->hands[w], l->n);
	for (size_t i = 0; i < l->n; i++) {
		free(l->interfaces[i].name);
		for (size_t k = 0; k < CARD_FILES; k++)
			if (l->interfaces[i].card[k] >= 0)
				close(l->interfaces[i].card[k]);
	}
	free(l->hands);
	free(l->interfaces);
	free(l);
}

/* ---- reading ----------------------------------------------------------------------------- */

struct batch {
	struct hand *hand;
	struct member *member;
	uint32_t interface;
	live_fn *fn;
	void *arg;
};

static void take(u_char *arg, const struct pcap_pkthdr *h, const u_char *p)
{
	const struct batch *b = (const struct batch *)(void *)arg;
	/* With nanosecond precision tv_usec holds nanoseconds (pcap_set_tstamp_precision(3)). */
	struct frame f = {
		.ts_ns = (uint64_t)h->ts.tv_sec * 1000000000u + (uint64_t)h->ts.tv_usec,
		.number = ++b->hand->number,
		.data = bytes_of(p, h->caplen),
		.wire_bytes = h->len < h->caplen ? h->caplen : h->len,
		.linktype = b->member->h.linktype,
		.interface = b->interface,
		.input = b->interface,
	};
	b->member->received++;
	b->fn(b->arg, &f);
}

/* Flags of the interface, under whatever name it has now (netdevice(7)). False: it is gone. */
static bool flags_of(const struct member *m, int index, short *flags)
{
	struct ifreq r = { .ifr_ifindex = index };
	*flags = 0;
	if (ioctl(m->h.fd, SIOCGIFNAME, &r) != 0)
		return errno != ENODEV && errno != ENXIO;
	if (ioctl(m->h.fd, SIOCGIFFLAGS, &r) != 0)
		return errno != ENODEV && errno != ENXIO;
	*flags = r.ifr_flags;
	return true;
}

/* Is there still something to wait for? Asked when there is nothing to read, or reading failed. */
static int look_at(const struct live *l, struct hand *h, size_t i, bool failed)
{
	struct member *m = &h->members[i];
	short flags;
	if (!flags_of(m, l->interfaces[i].index, &flags)) {
		m->is_gone = true;
		snprintf(h->problem, sizeof h->problem, "interface %s is no longer there",
			l->interfaces[i].name);
		return LIVE_GONE;
	}
	bool is_down = !(flags & IFF_UP);
	m->downs += is_down && !m->is_down;
	m->is_down = is_down;
	if (!failed || is_down)
		return 0;
	snprintf(h->problem, sizeof h->problem, "interface %s: %s", l->interfaces[i].name,
		pcap_geterr(m->h.pcap));
	return LIVE_FAILED;
}

/* The kernel says once that an interface went down. libpcap, hearing it, asks for the interface by the name
 * that it was opened with, and takes one that was renamed meanwhile for gone: so it does not hear it. */
static void hear_down(struct member *m)
{
	int why = 0;
	socklen_t n = sizeof why;
	if (getsockopt(m->h.fd, SOL_SOCKET, SO_ERROR, &why, &n) != 0 || why != ENETDOWN || m->is_down)
		return;
	m->is_down = true;
	m->downs++;
}

static int read_all(const struct live *l, struct hand *h, live_fn *fn, void *arg)
{
	int sum = 0;
	for (size_t i = 0; i < l->n; i++) {
		struct member *m = &h->members[i];
		struct batch b = { h, m, (uint32_t)i, fn, arg };
		hear_down(m);
		int n = pcap_dispatch(m->h.pcap, LIVE_BATCH, take, (u_char *)(void *)&b);
		if (n <= 0 && (n = look_at(l, h, i, n < 0)) < 0)
			return n;
		sum += n;
	}
	return sum;
}

int live_read(struct live *l, unsigned worker, live_fn *fn, void *arg, int timeout_ms)
{
	struct hand *h = l->hands[worker];
	int n = read_all(l, h, fn, arg);
	if (n != 0 || poll(h->polls, (nfds_t)l->n, timeout_ms) < 0)
		return n;
	return read_all(l, h, fn, arg);
}

/* ---- what there is to say ---------------------------------------------------------------- */

void live_stats(struct live *l, unsigned worker, size_t interface, struct live_stats *s)
{
	const struct interface *in = &l->interfaces[interface];
	struct member *m = &l->hands[worker]->members[interface];
	uint64_t card = card_drops(in);
	short flags;
	m->dropped += kernel_drops(m);
	m->is_gone = !flags_of(m, in->index, &flags);
	*s = (struct live_stats){
		.received = m->received,
		.dropped = m->dropped,
		.interface_dropped = card > in->card_before ? card - in->card_before : 0,
		.downs = m->downs,
		.is_up = (flags & IFF_UP) && (flags & IFF_RUNNING),
		.is_gone = m->is_gone,
	};
}

const char *live_problem(const struct live *l, unsigned worker)
{
	return l->hands[worker]->problem;
}

const char *live_name(const struct live *l, size_t interface)
{
	return interface < l->n ? l->interfaces[interface].name : NULL;
}

uint64_t live_buffers_kib(const struct live *l)
{
	uint64_t kib = 0;
	for (unsigned w = 0; w < l->workers; w++)
		for (size_t i = 0; i < l->n; i++)
			kib += l->hands[w]->members[i].h.ring_kib;
	return kib;
}

size_t live_descriptors(const struct live *l, int *out, size_t room)
{
	size_t n = 0;
	for (unsigned w = 0; w < l->workers; w++)
		for (size_t i = 0; i < l->n; i++, n++)
			if (n < room)
				out[n] = l->hands[w]->members[i].h.fd;
	return n;
}
