/*
 * store_schema: the tables of the store, for store.c alone; the outbox's are made with them.
 *
 * `state` and `baselines` are what a restart reads; everything else is for people: devices, addresses and
 * attributes are worked out of the documents, history is what attributes were before. Times are ISO 8601 UTC
 * text, which sorts. A packet number is that of the run it stands beside; NULL: not known any more.
 */
#ifndef WW_RUN_STORE_SCHEMA_H
#define WW_RUN_STORE_SCHEMA_H

#define SQL_SETTINGS                                                                                         \
	"PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"                 \
	"PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;"     \
	"PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -8192;"

/* outbox.h; came, ms, from_ms, to_ms: milliseconds since 1970. came: by the clock; ms: of the stream's id, at
 * least that of the last floor at or before the number. The index is what sums and the choice of what goes
 * are read from, without the documents. An output has what is behind start, up to cursor; used: it is
 * configured. */
#define SQL_OUTBOX                                                                                           \
	"CREATE TABLE outbox (number INTEGER PRIMARY KEY, came INTEGER NOT NULL, ms INTEGER NOT NULL,"       \
	" class TEXT NOT NULL, level TEXT NOT NULL, size INTEGER NOT NULL, id TEXT NOT NULL UNIQUE,"         \
	" document TEXT NOT NULL);"                                                                          \
	"CREATE INDEX outbox_by ON outbox (level, number, size);"                                            \
	"CREATE TABLE outbox_outputs (name TEXT PRIMARY KEY, start INTEGER NOT NULL,"                        \
	" cursor INTEGER NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;"                                    \
	"CREATE TABLE outbox_floors (number INTEGER PRIMARY KEY, ms INTEGER NOT NULL);"                      \
	"CREATE TABLE outbox_losses (class TEXT NOT NULL, level TEXT NOT NULL, lost INTEGER NOT NULL,"       \
	" untold INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,"                        \
	" PRIMARY KEY (class, level)) WITHOUT ROWID;"                                                        \
	"CREATE TABLE outbox_last (number INTEGER NOT NULL, ms INTEGER NOT NULL);"                           \
	"INSERT INTO outbox_last VALUES (0, 0);"

#define SQL_SCHEMA                                                                                           \
	"BEGIN;"                                                                                             \
	"CREATE TABLE runs (run INTEGER PRIMARY KEY, packets_before INTEGER NOT NULL,"                       \
	" packets INTEGER NOT NULL, first_packet TEXT, last_packet TEXT);"                                   \
	"CREATE TABLE state (id TEXT PRIMARY KEY, save INTEGER NOT NULL, sequence INTEGER NOT NULL,"         \
	" last_ns INTEGER NOT NULL, record BLOB NOT NULL);"                                                  \
	"CREATE TABLE devices (id TEXT PRIMARY KEY, type TEXT, confidence INTEGER, name TEXT, maker TEXT,"   \
	" model TEXT, version TEXT, router INTEGER, behind TEXT, first_seen TEXT, last_seen TEXT,"           \
	" document TEXT NOT NULL);"                                                                          \
	"CREATE TABLE addresses (device TEXT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL,"           \
	" PRIMARY KEY (device, kind, address)) WITHOUT ROWID;"                                               \
	"CREATE INDEX addresses_by ON addresses (address);"                                                  \
	"CREATE TABLE attributes (device TEXT NOT NULL, attribute TEXT NOT NULL, value TEXT NOT NULL,"       \
	" source TEXT, run INTEGER, packet INTEGER, confidence INTEGER, first_seen TEXT, last_seen TEXT,"    \
	" save INTEGER NOT NULL, PRIMARY KEY (device, attribute, value)) WITHOUT ROWID;"                     \
	"CREATE TABLE history (device TEXT NOT NULL, attribute TEXT NOT NULL, value TEXT, source TEXT,"      \
	" run INTEGER, packet INTEGER, confidence INTEGER, first_seen TEXT, last_seen TEXT);"                \
	"CREATE INDEX history_of ON history (device, attribute);"                                            \
	"CREATE TABLE baselines (key BLOB PRIMARY KEY, name TEXT, first_seen TEXT, last_seen TEXT,"          \
	" observations INTEGER, state BLOB NOT NULL) WITHOUT ROWID;" SQL_OUTBOX                              \
	"PRAGMA application_id = 1466004068; PRAGMA user_version = 2;"                                       \
	"COMMIT;"

/* Version 1 had no outbox. */
#define SQL_FROM_1 "BEGIN;" SQL_OUTBOX "PRAGMA user_version = 2; COMMIT;"

/* Times are not known while a save is under way. */
#define SQL_PUT_RUN                                                                                          \
	"INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5)"                                                       \
	" ON CONFLICT (run) DO UPDATE SET packets = max(packets, ?3),"                                       \
	" first_packet = coalesce(?4, first_packet), last_packet = coalesce(?5, last_packet)"

#define SQL_PUT_STATE                                                                                        \
	"INSERT INTO state (id, save, sequence, last_ns, record) VALUES (?1, ?2, ?3, ?4, ?5)"                \
	" ON CONFLICT (id) DO UPDATE SET save = ?2, sequence = ?3, last_ns = ?4, record = ?5"

#define SQL_NEXT_OTHER "SELECT id FROM state WHERE id > ?1 AND save <> ?2 ORDER BY id LIMIT 1"

#define SQL_PUT_DEVICE                                                                                       \
	"INSERT INTO devices VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"                     \
	" ON CONFLICT (id) DO UPDATE SET type = ?2, confidence = ?3, name = ?4, maker = ?5, model = ?6,"     \
	" version = ?7, router = ?8, behind = ?9, first_seen = ?10, last_seen = ?11, document = ?12"

/* Parameters of the next three: 1 device, 2 attribute, 3 value. Without a packet the row knows it. */
#define SQL_PUT_ATTRIBUTE                                                                                    \
	"INSERT INTO attributes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"                            \
	" ON CONFLICT (device, attribute, value) DO UPDATE SET source = ?4,"                                 \
	" run = iif(?6 IS NULL, run, ?5), packet = coalesce(?6, packet), confidence = ?7,"                   \
	" first_seen = ?8, last_seen = ?9, save = ?10"

#define SQL_KEEP_HISTORY                                                                                     \
	"INSERT INTO history SELECT device, attribute, iif(?4, NULL, value), source, run, packet,"           \
	" confidence, first_seen, last_seen FROM attributes WHERE device = ?1 AND attribute = ?2"            \
	" AND value = ?3"

#define SQL_DROP_ATTRIBUTE "DELETE FROM attributes WHERE device = ?1 AND attribute = ?2 AND value = ?3"

#define SQL_PUT_BASELINE   "REPLACE INTO baselines VALUES (?1, ?2, ?3, ?4, ?5, ?6)"

#endif
