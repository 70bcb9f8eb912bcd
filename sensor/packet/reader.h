/*
 * reader: the records of one capture file, pcap or pcapng, one after the other.
 *
 * pcap: draft-ietf-opsawg-pcap, with micro- or nanoseconds, in either byte order. pcapng:
 * draft-ietf-opsawg-pcapng; sections of either byte order, enhanced, simple and obsolete packet blocks, link
 * type, time resolution and offset per interface; other blocks are passed by. Every length is hostile.
 * Owner thread only; nothing allocates after reader_open.
 */
#ifndef WW_PACKET_READER_H
#define WW_PACKET_READER_H

#include "packet/packet.h"
#include "packet/source.h"

struct reader_interface {
	uint16_t linktype;
	uint8_t resolution; /* if_tsresol: 10^-n s, or 2^-n s with the high bit set */
	uint32_t snap;      /* most bytes of a packet, 0: no limit */
	uint32_t number;    /* in the run, from 0 */
	uint64_t scale;     /* ns per unit, 0: see reader.c */
	int64_t offset_s;   /* if_tsoffset */
};

struct reader {
	struct source in;
	bool is_ng, big_endian;
	struct reader_interface *interfaces; /* of this section; pcap: one */
	uint32_t interfaces_n;
	uint32_t *interface_count; /* of the run: the next interface's number */
	uint64_t packets;
	uint64_t last_ns;   /* for packets without a time */
	struct frame frame; /* the record that reader_next found; its `number` is the caller's */
	char problem[160];  /* why it is no capture, or what is damaged: the rest of a sentence; "" if nothing
			     */
};

/* Takes the descriptor over. *interface_count is borrowed and moves on with each interface.
 * False: no capture, see problem; the reader is closed. */
bool reader_open(struct reader *r, int fd, uint32_t *interface_count);
/* The next packet into r->frame, its data valid until the next call. False: no more; problem says if that is
 * the file's end or its damage. */
bool reader_next(struct reader *r);
void reader_close(struct reader *r);

#endif
