/*
 * packet: the flat result of decoding one frame. Later code sees no headers.
 *
 * Views point into the frame or the defragmenter's buffer: valid until the next frame is read.
 */
#ifndef WW_PACKET_PACKET_H
#define WW_PACKET_PACKET_H

#include "base/addr.h"

enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

/* One record of a capture, as read. */
struct frame {
	uint64_t ts_ns;      /* since 1970 UTC, as recorded (may go back) */
	uint64_t number;     /* in the run, from 1 */
	struct bytes data;   /* what was captured */
	uint32_t wire_bytes; /* what was on the wire, >= data.n */
	uint16_t linktype;   /* LINKTYPE_*, tcpdump.org/linktypes.html */
	uint32_t interface;  /* which of the run's inputs' interfaces, from 0 */
	uint32_t input;      /* which of its inputs (capture_name); live the interface */
};

struct packet {
	uint64_t ts_ns; /* clamped: never before an earlier packet's */
	uint64_t number;
	uint32_t wire_bytes;
	struct mac smac, dmac; /* of the innermost Ethernet header; zero: none */
	bool has_mac;
	uint16_t vlan; /* innermost 802.1Q id of the frame that holds the innermost IP header, 0: none */
	uint16_t outer_vlan; /* QinQ service tag, 0: none */
	uint32_t vni; /* VXLAN or GENEVE: a network of its own, 0: none. Not an ERSPAN session or a GRE key,
			 with which mirrors tell directions apart */
	uint16_t ethertype;               /* of the innermost layer */
	struct addr src, dst;             /* family 0: no IP */
	struct addr outer_src, outer_dst; /* of the outermost tunnel, family 0: none */
	uint16_t sport, dport;
	uint8_t proto; /* IP protocol of the payload (after extension headers) */
	uint8_t ttl, tcp_flags;
	uint8_t icmp_type, icmp_code;
	bool is_ip;
	bool is_fragment; /* a fragment that was not joined: no ports, no payload */
	bool is_joined;   /* put together from fragments */
	bool is_cut;      /* the capture holds less than the headers announce */
	uint32_t seq, ack;
	uint16_t window;
	uint32_t l4_bytes; /* length of the L4 payload as the headers say; >= payload.n */
	struct bytes ip;   /* from the innermost IP header on, as captured (nDPI's view) */
	/* Of TCP, UDP or SCTP; of another IP protocol all behind the IP headers (so an ICMP message from its
	 * type on); of an EtherType without IP (for LLC frames with Cisco's OUI, the protocol number stands
	 * for one). */
	struct bytes payload;
	struct bytes l4; /* L4 header and payload: what decode_checksum() reads */
};

#endif
