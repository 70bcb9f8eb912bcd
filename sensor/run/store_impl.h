/* store_impl: shared by store.c (opening, reading) and store_save.c (writing). */
#ifndef WW_RUN_STORE_IMPL_H
#define WW_RUN_STORE_IMPL_H

#include "run/store.h"

#include <sqlite3.h>

enum store_statement {
	STORE_PUT_STATE,
	STORE_PUT_DEVICE,
	STORE_DROP_ADDRESSES,
	STORE_PUT_ADDRESSES,
	STORE_PUT_ATTRIBUTES,
	STORE_KEEP_HISTORY,
	STORE_DROP_ATTRIBUTES,
	STORE_DROP_STATE,
	STORE_DROP_DEVICE,
	STORE_PUT_BASELINE,
	STORE_STATEMENTS
};

/* A record of the save at hand; what it points to stands behind it. */
struct store_staged {
	struct store_staged *next;
	struct store_record record;
	uint8_t bytes[];
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
	struct store_staged *first, **end;
	size_t staged; /* bytes */
	char error[512];
	char *file;
	char path[256]; /* for messages; cut if need be */
};

/* sqlite3_busy_handler, for the outbox too: looks for the lock each millisecond, five seconds long. SQLite's
 * own looks ever more seldom, and would miss the moments that a busy outbox leaves. */
int store_is_busy(void *unused, int count);
/* Says why, once; the save is over. Returns false. */
bool store_fail(struct store *s, const char *what);
/* Takes back what of a save is not committed. */
void store_forget(struct store *s);

#endif
