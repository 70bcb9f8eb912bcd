/*
 * outbox: alerts, assets and health that wait until every reliable output has acknowledged them, in the
 * store's SQLite file (siem-conventions.md section 5). What is committed here is lost by no crash and no
 * outage; what the bound forces out is counted, by class and level.
 *
 * It has a connection of its own to the file (WAL, synchronous=FULL). From the first outbox_put to its commit
 * it holds the writer's lock, so a store_commit on the same thread has to wait for the commit; on another one
 * it waits by itself. Shipper thread; may allocate, may wait for the disk. Documents are masked and whole
 * (one ECS object, no line break) before they come here.
 *
 * Numbers: each record gets the next number, for ever ascending (event.sequence; one that was lost leaves its
 * number out), and an id for a Redis stream (siem-conventions.md 4.4): ms, the time at which it came but
 * never less than that of a record before, and seq, its number. Both are kept.
 */
#ifndef WW_RUN_OUTBOX_H
#define WW_RUN_OUTBOX_H

#include "base/bytes.h"
#include "base/diag.h"
#include "decide/alert.h"

enum { OUTBOX_OUTPUTS = 4, OUTBOX_ID = 64 };

enum outbox_class { OUTBOX_ALERT, OUTBOX_ASSET, OUTBOX_HEALTH, OUTBOX_CLASSES };
const char *outbox_class_name(enum outbox_class c); /* "alert", as in keys and wardwatch.class */

struct outbox_id {
	uint64_t ms;
	uint64_t seq;
};

struct outbox_record {
	uint64_t number;
	struct outbox_id stream_id;
	enum outbox_class class;
	enum level level;
	struct bytes id;       /* event.id: one that is retained already is taken for the same */
	struct bytes document; /* ECS */
};

struct outbox_setup {
	/* Their names. One that was there before goes on where it was; a new one begins with what waits for
	 * others, else with what comes. */
	const char *outputs[OUTBOX_OUTPUTS];
	size_t n_outputs;
	/* Of documents that are kept; the file is about twice as large. 0: as many as make 2 GiB of file, or
	 * a tenth of the file system where that is less. */
	uint64_t bytes_most;
	uint64_t retain_records, retain_ms; /* of acknowledged ones: the larger of the two is kept */
};

struct outbox;

/* After store_open of the same path, which makes the file and sets damage aside; closed before it. NULL: said
 * in d. */
struct outbox *outbox_open(const char *path, const struct outbox_setup *s, struct diag *d);
void outbox_close(struct outbox *o); /* what was not committed is gone */

/* Puts a record in, in a transaction that outbox_commit ends; wall_ms: now, since 1970. Number and stream_id
 * are given by it. True also when its id is retained already (*fresh false: nothing was put) and when it was
 * counted as lost. False (also from outbox_commit): outbox_error, and all since the last commit is to be put
 * again; acknowledgements stand.
 *
 * The bound: what is retained after acknowledgement goes first, without loss. Then, of what waits, the lowest
 * level, the oldest of it; that may be the record just put. What an output has read and not acknowledged may
 * be with it already: it goes only when all else has gone. */
bool outbox_put(struct outbox *o, const struct outbox_record *r, uint64_t wall_ms, bool *fresh);
/* Records that were lost before they came here (a full ring, a full disk) are counted with the others, by the
 * next outbox_commit that succeeds: it is not to be said again. */
void outbox_lose(struct outbox *o, enum outbox_class class, enum level level, uint64_t n, uint64_t wall_ms);
/* False also when a put since the last commit was. */
bool outbox_commit(struct outbox *o);

/* Up to cap committed records after that number for that output, in order (fewer when they are large); valid
 * until the next call on o. 0 also before what was put is committed, and with outbox_error: they cannot be
 * read. Up to the highest number it was given the output may have them. */
size_t outbox_read(struct outbox *o, size_t output, uint64_t after, struct outbox_record *out, size_t cap);
/* Up to where an output has acknowledged all. */
uint64_t outbox_cursor(const struct outbox *o, size_t output);
/* All up to that number is with that output; what every output has falls out of the retained in time. In the
 * transaction of the next outbox_commit: a crash before it means that records are offered twice. */
void outbox_acknowledge(struct outbox *o, size_t output, uint64_t number);
/* A record that output was given gets a new stream id, larger than all that were given, as have those it was
 * not given yet. On disk when this returns; commits what was put. */
bool outbox_renew(
	struct outbox *o, size_t output, uint64_t number, uint64_t wall_ms, struct outbox_id *fresh);
/* Stream ids that output is given from now on are larger than this one, but of records that it was given
 * before, or an earlier run may have given it. Commits as outbox_renew does. */
bool outbox_above(struct outbox *o, size_t output, struct outbox_id id);

struct outbox_figures {
	uint64_t waiting, waiting_bytes; /* not yet acknowledged by every output */
	uint64_t oldest_ms;              /* when the oldest of them came; 0: none */
	uint64_t last_number;
	uint64_t lost[OUTBOX_CLASSES][LEVELS]; /* since the file was made */
};
void outbox_figures(struct outbox *o, struct outbox_figures *f);
/* Losses that were not told yet: numbers, and when the first and the last of them had come. False: none, or
 * outbox_error. Told once true was returned and a commit followed. */
bool outbox_losses(
	struct outbox *o, uint64_t lost[OUTBOX_CLASSES][LEVELS], uint64_t *from_ms, uint64_t *to_ms);
const char *outbox_error(const struct outbox *o); /* of the last call that can fail; "": it did not */

#endif
