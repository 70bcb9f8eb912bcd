/*
 * outbox: alerts, assets and health that wait until every reliable output has acknowledged them, in the
 * store's SQLite file (siem-conventions.md section 5). What is committed here is lost by no crash and no
 * outage; what the bound forces out is counted, by class and level.
 *
 * It has a connection of its own to the file (WAL, synchronous=FULL): saves of the store hold the writer's
 * lock for a moment only (store.h). Shipper thread; may allocate, may wait for the disk. Documents are masked
 * and whole (one ECS object, no line break) before they come here.
 *
 * Numbers: each record gets the next number, for ever ascending (event.sequence), and an id for a Redis
 * stream: ms, the time at which it came but never less than that of the record before, and seq within that
 * millisecond (section 4.4). Both are kept with it.
 */
#ifndef WW_RUN_OUTBOX_H
#define WW_RUN_OUTBOX_H

#include "base/bytes.h"
#include "base/diag.h"
#include "decide/alert.h"

enum { OUTBOX_OUTPUTS = 4, OUTBOX_ID = 64 };

enum outbox_class { OUTBOX_ALERT, OUTBOX_ASSET, OUTBOX_HEALTH, OUTBOX_CLASSES };

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
	const char *outputs[OUTBOX_OUTPUTS]; /* their names; one that was there before goes on where it was */
	size_t n_outputs;
	uint64_t bytes_most; /* of documents that wait; 0: 2 GiB, at most a tenth of the file system */
	uint64_t retain_records, retain_ms; /* of acknowledged ones: the later end of the two is kept */
};

struct outbox;

/* After store_open of the same path, which makes the file and sets damage aside. NULL: said in d. */
struct outbox *outbox_open(const char *path, const struct outbox_setup *s, struct diag *d);
void outbox_close(struct outbox *o);

/* Puts a record in, in a transaction that outbox_commit ends; wall_ms: now, since 1970. Number and stream_id
 * are given by it. True also when its id is retained already (*fresh false: nothing was put) and when the
 * bound left it out. False: outbox_error, and all since the last commit is to be put again. */
bool outbox_put(struct outbox *o, const struct outbox_record *r, uint64_t wall_ms, bool *fresh);
bool outbox_commit(struct outbox *o);

/* Up to cap records after that number, in order; valid until the next call on o. */
size_t outbox_read(struct outbox *o, uint64_t after, struct outbox_record *out, size_t cap);
/* Up to where an output has acknowledged all. */
uint64_t outbox_cursor(const struct outbox *o, size_t output);
/* All up to that number is with that output; what every output has falls out of the retained in time. In the
 * transaction of the next outbox_commit: a crash before it means that records are offered twice. */
bool outbox_acknowledge(struct outbox *o, size_t output, uint64_t number);
/* A record gets a new, larger stream id, which is on disk when this returns. */
bool outbox_renew(struct outbox *o, uint64_t number, uint64_t wall_ms, struct outbox_id *fresh);
/* Stream ids given from now on are larger than this one. */
bool outbox_above(struct outbox *o, struct outbox_id id);

struct outbox_figures {
	uint64_t waiting, waiting_bytes; /* not yet acknowledged by every output */
	uint64_t oldest_ms;              /* when the oldest of them came; 0: none */
	uint64_t last_number;
	uint64_t lost[OUTBOX_CLASSES][LEVELS]; /* since the file was made */
};
void outbox_figures(const struct outbox *o, struct outbox_figures *f);
/* Losses that were not told yet: numbers and time range; told once true was returned and a commit followed.
 */
bool outbox_losses(
	struct outbox *o, uint64_t lost[OUTBOX_CLASSES][LEVELS], uint64_t *from_ms, uint64_t *to_ms);
const char *outbox_error(const struct outbox *o);

#endif
