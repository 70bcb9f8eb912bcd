/*
 * silence: interfaces and VLANs that had steady traffic and have none any more: a cable, a mirror port's
 * configuration, a switch. Whoever looks at a sensor that is quiet has to know whether it still hears.
 *
 * Traffic is steady when each of the last limits.steady_minutes had packets in all six of its ten-second
 * spans; what carries a packet now and then never is. It is silent when after that a whole minute and
 * limits.silent_vlan_s, of an interface limits.silent_interface_s, passed without any. The clock of a VLAN is
 * its interface's last packet, so that an interface which falls silent is told once and not for each of its
 * VLANs. The clock of an interface is live the time, of a capture the input's last packet: its end is no
 * silence, and neither is a pause in the whole of it. An interface that is listened to and has never had a
 * packet is told after limits.steady_minutes. What comes back is told too, and has to be steady anew.
 *
 * Hub thread. Minutes are the workers' (traffic.h); a silence is told up to two minutes late. Deterministic
 * in packet time; all memory is mapped by silence_init. A row of the table is an interface or a VLAN on it
 * (of captures also an input); those not heard of for an hour go, unless they were told as silent.
 */
#ifndef WW_PACKET_SILENCE_H
#define WW_PACKET_SILENCE_H

#include "base/limits.h"
#include "packet/traffic.h"

struct silence_row;

struct silence {
	const struct limits *limits;
	struct counters *counters;
	struct silence_row *rows;
	uint32_t n, most;
	bool is_live, is_cut;
};

struct silence_news {
	bool is_over;   /* heard again; else fallen silent */
	uint16_t vlan;  /* 0: the interface as a whole */
	uint32_t input; /* which it is, or came in with */
	uint64_t silent_ns;
	uint64_t packets, bytes; /* a minute, in the steady minutes before; is_over: 0 */
};

typedef void silence_fn(void *arg, const struct silence_news *n);

/* Live: that many interfaces (their numbers are their inputs'), else 0. False: no memory; silence_fini is
 * then still right. */
bool silence_init(struct silence *s, const struct limits *l, struct counters *counters, uint32_t interfaces);
void silence_fini(struct silence *s);
/* What a worker saw in its last minute. is_cut: of struct traffic. */
void silence_take(struct silence *s, const struct traffic_row *rows, size_t n, bool is_cut);
/* A minute is over, and every worker's was taken. */
void silence_look(struct silence *s, uint64_t now_ns, silence_fn *fn, void *arg);
/* Live: the link of one is down, which is told elsewhere: not its silence too. */
void silence_link(struct silence *s, uint32_t interface, bool is_up, uint64_t now_ns);

#endif
