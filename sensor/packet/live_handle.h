/*
 * live_handle: one worker's packet socket on one interface, by libpcap. Start-up thread only.
 */
#ifndef WW_PACKET_LIVE_HANDLE_H
#define WW_PACKET_LIVE_HANDLE_H

#include "packet/live.h"

#include <pcap/pcap.h>

struct live_handle {
	pcap_t *pcap;
	int fd;
	uint16_t linktype;
	uint64_t ring_kib; /* as the kernel has it: libpcap asks for less until it gets it; 0: not known */
	bool is_down;      /* packets come once it is up */
};

/* Open, and refusing all packets (fanout.h) but for the moment before it does. False: d says why. What is
 * open belongs to the caller in both cases (h->pcap, or NULL). */
bool live_handle_open(struct live_handle *h, const char *name, const struct live_options *o, struct diag *d);
/* Lets in what the filter (NULL or "": everything) wants. False: d says why. */
bool live_handle_admit(const struct live_handle *h, const char *name, const char *filter, struct diag *d);
/* Adds an error; gives false. */
bool live_wrong(struct diag *d, const char *name, const char *code, const char *why);
/* The same for a name that no interface has: those that there are. */
bool live_no_interface(struct diag *d, const char *name);

#endif
