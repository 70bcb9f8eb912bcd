/*
 * outbox_impl: shared by outbox.c (opening, transactions), outbox_put.c (what comes, what goes) and
 * outbox_read.c (what is offered).
 */
#ifndef WW_RUN_OUTBOX_IMPL_H
#define WW_RUN_OUTBOX_IMPL_H

#include "run/outbox.h"

#include <sqlite3.h>

enum { OUTBOX_NAME = 32, OUTBOX_MARKS = 16 };

enum outbox_statement {
	OUTBOX_BEGIN,
	OUTBOX_COMMIT,
	OUTBOX_PUT,
	OUTBOX_RANGE,
	OUTBOX_LOWEST,
	OUTBOX_DROP,
	OUTBOX_DROP_TO,
	OUTBOX_SET_LAST,
	OUTBOX_SET_CURSOR,
	OUTBOX_SET_LOSS,
	OUTBOX_READ,
	OUTBOX_SET_MS,
	OUTBOX_DROP_FLOORS,
	OUTBOX_PUT_FLOOR,
	OUTBOX_STATEMENTS
};

struct outbox_loss {
	uint64_t lost, untold, from_ms, to_ms; /* the times: of those not told yet */
};

/* What a rollback takes back. Of 64-bit numbers alone: it is compared as bytes. */
struct outbox_ledger {
	uint64_t number, ms;             /* the last ones given */
	uint64_t rows, bytes;            /* all that is kept */
	uint64_t settled;                /* rows up to here are retained, */
	uint64_t waiting, waiting_bytes; /* these are behind it */
	struct outbox_loss losses[OUTBOX_CLASSES][LEVELS];
};

struct outbox {
	sqlite3 *db;
	sqlite3_stmt *statements[OUTBOX_STATEMENTS];
	struct outbox_ledger now, committed;
	bool is_open;   /* a transaction */
	bool is_unsure; /* one failed: the file may know more than we do */
	bool is_broken; /* one failed, and nobody asked for its commit yet */
	/* What outbox_lose said since the last commit; is_counted: in `now` as well. */
	struct outbox_loss lost[OUTBOX_CLASSES][LEVELS];
	bool is_lost, is_counted;
	struct {
		char name[OUTBOX_NAME];
		uint64_t cursor, saved; /* acknowledged; on disk */
		uint64_t read;          /* the highest number it was given */
	} outputs[OUTBOX_OUTPUTS];
	size_t n_outputs;
	uint64_t before; /* the last number when it was opened: up to there an earlier run may have given all
			  */
	uint64_t bytes_most, retain_records, retain_ms;
	uint64_t clock_ms; /* the last that was told */
	/* What every output had at which time, the latest last. */
	struct {
		uint64_t ms, number;
	} marks[OUTBOX_MARKS];
	size_t n_marks;
	uint8_t *buffer; /* of the records read */
	size_t cap;
	char error[512];
	char path[256]; /* for messages; cut if need be */
};

/* Says why, once; takes the transaction back. Returns false. */
bool outbox_fail(struct outbox *o, const char *what);
bool outbox_begin(struct outbox *o);
/* Runs a statement to its end and clears it; what it gives is not looked at. */
bool outbox_step(struct outbox *o, enum outbox_statement which);
void outbox_clear(struct outbox *o, enum outbox_statement which);
sqlite3_stmt *outbox_statement(struct outbox *o, enum outbox_statement which, uint64_t first);
/* Up to where every output has all that was committed. */
uint64_t outbox_everywhere(const struct outbox *o);
/* What outbox_lose said comes into the transaction. */
bool outbox_count_lost(struct outbox *o);
/* What has come to be acknowledged by all does not wait any more. */
bool outbox_settle(struct outbox *o);
/* The end of what is retained. */
bool outbox_let_go(struct outbox *o);
void outbox_clock(struct outbox *o, uint64_t wall_ms);

#endif
