/* store_impl: shared by store.c (opening, reading), store_save.c (saves) and store_device.c (one device). */
#ifndef WW_RUN_STORE_IMPL_H
#define WW_RUN_STORE_IMPL_H

#include "run/store.h"
#include "run/store_values.h"

#include <sqlite3.h>

enum store_statement {
	STORE_BEGIN,
	STORE_COMMIT,
	STORE_PUT_RUN,
	STORE_PUT_STATE,
	STORE_SAVED_IN,
	STORE_NEXT_OTHER,
	STORE_OLD_DOCUMENT,
	STORE_PUT_DEVICE,
	STORE_DROP_ADDRESSES,
	STORE_PUT_ADDRESS,
	STORE_PUT_ATTRIBUTE,
	STORE_KEEP_HISTORY,
	STORE_DROP_ATTRIBUTE,
	STORE_DROP_STATE,
	STORE_DROP_DEVICE,
	STORE_PUT_BASELINE,
	STORE_STATEMENTS
};

/* A record of the save at hand; what it points to stands behind it. */
struct store_staged {
	struct store_staged *next;
	size_t number; /* in the stage */
	struct store_record record;
	uint8_t bytes[];
};

struct store_stage {
	struct store_staged *first, **end;
	size_t n, size; /* records, bytes */
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STORE_STATEMENTS];
	int lock; /* keeps a second writer out; closed after the database, whose locks it would break */
	int64_t run, save;
	uint64_t packets; /* of earlier runs */
	bool is_made;     /* the file: by us */
	bool is_open;     /* a save */
	bool is_writing;  /* a transaction */
	uint64_t held_ns; /* since then */
	_Atomic uint64_t until_ns;
	uint64_t packets_now;           /* at the last record of the save */
	struct store_stage there, gone; /* what is known, and what is no more, in any order */
	/* Of the device at hand. */
	struct json_tree document, old_document;
	struct store_values now, before;
	char error[512];
	char *file;
	char path[256]; /* for messages; cut if need be */
};

/* sqlite3_busy_handler, for the outbox too: looks for the lock each millisecond, five seconds long. SQLite's
 * own looks ever more seldom, and would miss the moments that a busy outbox leaves. */
int store_is_busy(void *unused, int count);
/* Says why, once; the save is over. Returns false. */
bool store_fail(struct store *s, const char *what);
/* The same for reasons that are not SQLite's. */
bool store_give_up(struct store *s, const char *why);
/* Takes back what of a save is not committed. */
void store_forget(struct store *s);
/* Executes a statement whose parameters are bound, and forgets them. */
bool store_step(struct store *s, enum store_statement which);
/* Makes the tables for people say of a device what its document says; empty: nothing. */
bool store_show(struct store *s, const char *id, struct bytes document);

#endif
