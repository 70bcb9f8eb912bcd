/*
 * usage: bench_store SEED [DEVICES]
 *
 * What a save costs: the devices of a state file (each taken as several, when there are fewer than DEVICES;
 * 16384 by default) are saved in a new file in TMPDIR: as news; with nothing changed but when they were seen
 * last, which is what most of a minute's saves are; with another model, which makes history. For each the
 * processor's time, the time it took, and how long another writer had to wait at most: that is the outbox.
 */
#include "run/store_impl.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DEVICES = 16384 };

struct device {
	char id[STORE_ID];
	char *document;
	uint8_t *state;
	size_t n_state;
};

struct other {
	char path[256];
	pthread_t thread;
	_Atomic bool over;
	_Atomic uint64_t most_ns;
};

static uint64_t now(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static size_t load(const char *seed, struct device *to, size_t n)
{
	sqlite3 *db;
	sqlite3_stmt *q;
	size_t had = 0, has;
	if (sqlite3_open_v2(seed, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, "SELECT id, document, record FROM devices JOIN state USING (id)", -1,
			&q, NULL) != SQLITE_OK)
		return 0;
	do {
		has = had;
		while (had < n && sqlite3_step(q) == SQLITE_ROW) {
			struct device *d = &to[had++];
			snprintf(d->id, sizeof d->id, "%s", (const char *)sqlite3_column_text(q, 0));
			d->id[5] = (char)(d->id[5] + (int)(has ? had / has : 0)); /* another one */
			d->document = strdup((const char *)sqlite3_column_text(q, 1));
			d->n_state = (size_t)sqlite3_column_bytes(q, 2);
			d->state = malloc(d->n_state);
			memcpy(d->state, sqlite3_column_blob(q, 2), d->n_state);
		}
		sqlite3_reset(q);
	} while (had > has && had < n);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return had;
}

/* The minutes of all times behind a name: "last":"2026-11-25T10:57:16.830627Z" or a list of such. */
static void later(char *document, const char *name, unsigned round)
{
	for (char *at = document; (at = strstr(at, name)) != NULL;) {
		at += strlen(name);
		for (const char *end = at + strcspn(at, *at == '[' ? "]" : ",}"); at < end; at++)
			if (*at == 'T')
				at[4] = (char)('0' + round);
	}
}

static void age(struct device *d, unsigned round)
{
	later(d->document, "\"last\":", round);
	later(d->document, "\"last_seen\":", round);
	later(d->document, "\"@timestamp\":", round);
	d->state[d->n_state - 1] ^= 1;
}

static void rename_model(struct device *d)
{
	static const char name[] = "\"model\":{\"confidence\":";
	char *at = strstr(d->document, name);
	at = at ? strstr(at, "\"value\":\"") : NULL;
	if (at)
		at[9] = 'X';
}

static void *write_too(void *arg)
{
	struct other *o = arg;
	sqlite3 *db;
	if (sqlite3_open(o->path, &db) != SQLITE_OK)
		return NULL;
	sqlite3_busy_handler(db, store_is_busy, NULL);
	while (!o->over) {
		uint64_t from = now(CLOCK_MONOTONIC);
		while (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
			;
		uint64_t took = now(CLOCK_MONOTONIC) - from;
		o->most_ns = took > o->most_ns ? took : o->most_ns;
		sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
		usleep(5000);
	}
	sqlite3_close(db);
	return NULL;
}

static bool save(struct store *s, struct other *o, struct device *all, size_t n, const char *what)
{
	struct store_run run = { .packets = 1, .first_ns = 1, .last_ns = 2, .whole = true };
	o->over = false;
	o->most_ns = 0;
	pthread_create(&o->thread, NULL, write_too, o);
	usleep(20000);
	uint64_t from = now(CLOCK_MONOTONIC), cpu = now(CLOCK_THREAD_CPUTIME_ID);
	bool fine = store_begin(s);
	for (size_t i = 0; i < n; i++) {
		struct store_record r = { .kind = STORE_DEVICE,
			.order = (uint32_t)i,
			.document = bytes_str(all[i].document),
			.state = bytes_of(all[i].state, all[i].n_state) };
		memcpy(r.id, all[i].id, STORE_ID);
		fine = fine && store_put(s, &r);
	}
	fine = fine && store_commit(s, &run);
	uint64_t took = now(CLOCK_MONOTONIC) - from;
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	o->over = true;
	pthread_join(o->thread, NULL);
	printf("%-24s %6.2f s of processor, %6.2f s, another writer waits %6.3f s\n", what, (double)cpu / 1e9,
		(double)took / 1e9, (double)o->most_ns / 1e9);
	if (!fine)
		printf("%s\n", store_error(s));
	return fine;
}

int main(int argc, char **argv)
{
	size_t n = argc > 2 ? (size_t)atol(argv[2]) : DEVICES;
	const char *tmp = getenv("TMPDIR");
	struct device *all = calloc(n, sizeof *all);
	struct other other = { .over = false };
	struct diag d = { 0 };
	n = argc > 1 && all ? load(argv[1], all, n) : 0;
	snprintf(other.path, sizeof other.path, "%s/bench-store.%d", tmp ? tmp : "/tmp", (int)getpid());
	struct store *s = n ? store_open(other.path, &d) : NULL;
	diag_print(&d, stderr, true);
	if (!s)
		return 1;
	printf("%zu devices\n", n);
	bool fine = save(s, &other, all, n, "new");
	for (unsigned round = 1; fine && round <= 2; round++) {
		for (size_t i = 0; i < n; i++)
			age(&all[i], round);
		fine = save(s, &other, all, n, "seen again");
	}
	for (size_t i = 0; i < n; i++)
		rename_model(&all[i]);
	fine = fine && save(s, &other, all, n, "another model");
	store_close(s);
	unlink(other.path);
	return !fine;
}
