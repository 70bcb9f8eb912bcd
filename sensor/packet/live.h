/*
 * live: packets from network interfaces, shared out over workers by the kernel (fanout.h).
 *
 * Every worker has a capture handle of its own on every interface. No threads inside: live_open, live_close
 * and live_descriptors on the thread that starts the others, live_read, live_stats and live_problem of a
 * worker on that worker's thread only. All memory, the kernel's buffers too, is taken in live_open.
 *
 *	struct live *l = live_open(&options, &d);
 *	if (!l) { diag_print(&d, stderr, true); return 1; }
 *	while ((n = live_read(l, worker, on_frame, w, 100)) >= 0)
 *		... publish, look at the clock and at what stops us
 *	if (n == LIVE_GONE) return 3;
 *
 * An interface that goes down and comes up again is waited for, and so is one that is down at first (a
 * warning says so). The kernel numbers a group's sockets anew
 * then, in the same order.
 *
 * Nothing here sends. A packet socket as such can, so the jail has to deny it: after live_open no thread may
 * send or write on these descriptors (live_descriptors) or make new ones of them. live_read and live_stats
 * need, on descriptors that are open, poll, getsockopt, getsockname, ioctl (SIOCGIFNAME, SIOCGIFFLAGS),
 * pread64, and recvfrom for other versions of libpcap than 1.10.3; live_close setsockopt, munmap and close.
 * In live_read no file is opened. The filter of a socket cannot be changed any more (SO_LOCK_FILTER).
 */
#ifndef WW_PACKET_LIVE_H
#define WW_PACKET_LIVE_H

#include "base/diag.h"
#include "packet/packet.h"

enum {
	LIVE_GONE = -1,   /* an interface is no longer there: live_problem says which; exit code 3 */
	LIVE_FAILED = -2, /* the capture of one does not work any more: live_problem; exit code 3 */
};

enum {
	LIVE_RETIRE_MS = 50,  /* how long a packet waits in the kernel for its block to fill up */
	LIVE_BLOCK_KIB = 256, /* of a buffer */
};
enum { LIVE_BATCH = 64, LIVE_WORKERS_MOST = 256, LIVE_INTERFACES_MOST = 64 };

struct live;

struct live_options {
	const char *const *interfaces; /* names, each once */
	size_t n;                      /* 1 to LIVE_INTERFACES_MOST */
	unsigned workers;              /* 1 to LIVE_WORKERS_MOST; one: no fanout */
	const char *filter;            /* pcap-filter(7) of what is wanted; NULL or "": everything */
	uint32_t snap_bytes;           /* of a packet, 1 to 262144 */
	uint32_t buffer_kib;           /* for each worker and interface, in blocks of 256; to 2097151 */
	bool promiscuous;              /* also what is not for our MAC address: a mirror port */
};

struct live_stats {
	uint64_t received;          /* frames handed to this worker from this interface */
	uint64_t dropped;           /* those for this worker that found its buffer full */
	uint64_t interface_dropped; /* by the card or its driver, since live_open: of all workers together */
	uint64_t downs;             /* how often this worker saw the interface go down */
	bool is_up;                 /* set up, and there is a carrier */
	bool is_gone;
};

/* Is this a filter to libpcap, on some kind of link? False: why is its reason. Start-up only. */
enum { LIVE_WHY = 256 };
#define LIVE_FILTER_WRONG                                                                                    \
	"the capture filter '%s' is not understood: %s (its language is that of pcap-filter(7))"
bool live_filter_ok(const char *filter, char why[LIVE_WHY]);

/* Opens all handles and lets packets in once all are joined: what came before is dropped, so that no
 * conversation begins at one worker and goes on at another. Takes 0.2 seconds. NULL: d holds a sentence for
 * each interface that cannot be used (exit code 1). */
struct live *live_open(const struct live_options *o, struct diag *d);
void live_close(struct live *l); /* NULL is allowed */

/* Hands over at most LIVE_BATCH frames of each interface, or waits up to timeout_ms for some (a packet waits
 * up to 50 ms in the kernel until its block is full). Frames are numbered from 1 per worker; the times of two
 * interfaces' frames may lie 50 ms and a batch apart the wrong way round. A frame and its data live until fn
 * returns. Gives the number of frames, 0 on a timeout or a signal, or LIVE_GONE or LIVE_FAILED. */
typedef void live_fn(void *arg, const struct frame *f);
int live_read(struct live *l, unsigned worker, live_fn *fn, void *arg, int timeout_ms);

/* Totals of one worker and interface (by its place in the options). Some system calls: once a second is
 * right. */
void live_stats(struct live *l, unsigned worker, size_t interface, struct live_stats *s);
/* One sentence on why live_read gave LIVE_GONE or LIVE_FAILED; "" before. */
const char *live_problem(const struct live *l, unsigned worker);
const char *live_name(const struct live *l, size_t interface); /* as given; NULL: no such */
/* What all buffers take in the kernel, where it says so: it may give less than was asked for (a warning). */
uint64_t live_buffers_kib(const struct live *l);
/* All packet sockets: how many there are; the first `room` are written to out. */
size_t live_descriptors(const struct live *l, int *out, size_t room);

#endif
