/*
 * store: one SQLite file (WAL) that keeps what must outlive the process: devices with their attributes and
 * what those were before, and what was learnt to be usual. A person may ask it with sqlite3, also while a
 * sensor writes it.
 *
 * Records in, records out: the store knows no inventory. Offline everything runs on the main thread; live
 * store_open, store_each and store_packets are called at start before there are threads, the rest on the
 * shipper thread alone. May allocate. Private text comes masked (decide/inventory_state.h, documents); of
 * attributes in which a person could stand the history keeps when they changed, not what they were. What is
 * replaced is overwritten in the file (secure_delete), not only freed.
 *
 * A save is written in transactions that are short, since others write the same file (outbox.h): its lock is
 * held for some 20 ms, then free for 2. A process killed in a save, or a full disk, leaves of each device and
 * baseline what this save has of it, whole, or what the one before had; what is gone goes last.
 */
#ifndef WW_RUN_STORE_H
#define WW_RUN_STORE_H

#include "base/bytes.h"
#include "base/diag.h"

enum { STORE_VERSION = 2, STORE_ID = 16, STORE_APPLICATION = 0x57617264 /* "Ward" */ };

/* Where the systemd unit has it and `wardwatch devices` looks for it. */
#define STORE_DEFAULT "/var/lib/wardwatch/state.db"

enum store_kind { STORE_DEVICE, STORE_GONE, STORE_BASELINE, STORE_END /* of a save: store_line.h */ };

struct store_record {
	enum store_kind kind;
	char id[STORE_ID]; /* a device's */
	const char *name;  /* a baseline's */
	struct bytes key;  /* of a baseline's record */
	uint32_t order;    /* devices in the order in which they came to be known */
	uint64_t first_ns, last_ns;
	uint64_t packets;      /* inventory_packets by now */
	uint64_t observations; /* of a baseline's key */
	struct bytes document; /* a line of devices.jsonl, opened; empty: it is not listed */
	struct bytes state;    /* what store_each gives back */
	bool is_news;          /* of a device: its document says something new (documents.h, device_face) */
};

/* What the records of this run stand in. */
struct store_run {
	uint64_t packets;           /* of all runs and this one: inventory_packets */
	uint64_t first_ns, last_ns; /* of its packets */
	bool whole;                 /* this save holds every device: all others are gone */
};

struct store;

/* Made when it is not there (mode 0600). A damaged database is renamed to PATH.damaged-N, said as a warning,
 * and a new one begun. NULL after saying why: cannot be opened, in use by another wardwatch, written by a
 * newer version, or no file of ours (what has no database's first bytes is not touched). */
struct store *store_open(const char *path, struct diag *d);
void store_close(struct store *s);
/* The same; but a file that store_open made, and into which nothing came (no save, nothing for an output), is
 * removed. What else has it open is closed before. */
void store_close_tidily(struct store *s);

/* Packets of all earlier runs. */
uint64_t store_packets(struct store *s);
/* Every record of that kind (STORE_DEVICE, STORE_BASELINE), the latest seen first: fn gets its state, and a
 * baseline's name; both are valid during the call. False: the file cannot be read, store_error says why. */
bool store_each(struct store *s, enum store_kind kind,
	void (*fn)(void *arg, const char *name, struct bytes state), void *arg);

/* A save. False: store_error is one sentence; it is over, and its records are to be put again: what has been
 * written of them stays, the others are as they were. The writer's lock of the file is held in store_commit
 * alone, as long as the save has less than 16 MiB. A device that comes and is gone in one save is there. */
bool store_begin(struct store *s);
bool store_is_open(const struct store *s); /* between store_begin and store_commit */
bool store_put(struct store *s, const struct store_record *r);
bool store_commit(struct store *s, const struct store_run *run);
/* Any thread: what cannot be written by then (CLOCK_MONOTONIC) fails. */
void store_until(struct store *s, uint64_t ns);
const char *store_error(const struct store *s);

#endif
