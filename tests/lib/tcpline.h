/*
 * tcpline: a TCP conversation in tests, segment by segment, and the line from flow to dissector that reads
 *it.
 *
 *	session_begin(&x); session_say(&x, DIR_CLIENT, text); session_close(&x);
 *	struct line *l = line_new();
 *	line_push(l, &x.s[i]);            // each, or as the test mistreats them
 *	line_end(l);                      // l->text is what hl7 said
 *	line_free(l);
 */
#ifndef WW_TESTS_TCPLINE_H
#define WW_TESTS_TCPLINE_H

#include "dxtest.h"
#include "packet/decode.h"
#include "packet/flow.h"

enum { SEGMENTS = 512, MSS = 61 };

struct segment {
	enum dir dir;
	uint32_t seq, ack;
	uint8_t flags;
	struct bytes data; /* borrowed */
	uint32_t cut;      /* bytes of it that the capture left out */
	bool sum_good;     /* else its checksum is wrong, as behind a card that fills it in */
	bool sum_begun;    /* or holds the pseudo-header's sum, as in front of that card */
	uint16_t client;   /* each a conversation of its own, with the one server */
};

struct session {
	struct segment s[SEGMENTS];
	size_t n;
	uint32_t next[2]; /* sequence numbers */
};

/* The handshake; both sides begin near the end of sequence space, so that it wraps. */
void session_begin(struct session *x);
/* In segments of MSS bytes, and the other side's acknowledgment. The text is borrowed. */
void session_say(struct session *x, enum dir dir, const char *text);
/* Both FINs. */
void session_close(struct session *x);

struct line {
	struct limits limits;
	struct counters counters;
	struct ring ring;
	struct privacy_key key;
	struct dx_engine engine;
	struct flows flows;
	uint64_t ns, number; /* of the next packet, each a millisecond later; of the last one */
	char text[1 << 16];  /* hl7's and tls' events: the client's lines; the server's behind them at the end
			      */
	char server_text[1 << 15];
	size_t text_n, server_text_n;
	uint64_t event_ns, event_packet; /* of the last of them */
	unsigned conflicts, ends; /* events of tcp; conversations that ended, and the last one's state */
	char state[32];
};

struct line *line_new(void);
/* With room for so many conversations, of which so many are read. */
struct line *line_new_for(uint64_t flows, uint64_t halves, uint64_t states, uint64_t extras);
void line_push(struct line *l, const struct segment *s);
/* A packet of a conversation of others, each time a new one, as hard to evict as an established one. */
void line_crowd(struct line *l);
/* The run is over: nothing may be left in the pools. */
void line_end(struct line *l);
void line_free(struct line *l);

#endif
