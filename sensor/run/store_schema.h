/*
 * store_schema: the tables of the store, for store.c alone; the outbox's are made with them.
 *
 * `state` and `baselines` are what a restart reads; everything else is for people: devices, addresses and
 * attributes are worked out of the documents, history is what attributes were before. Times are ISO 8601 UTC
 * text, which sorts. A packet number is that of the run it stands beside; NULL: not known any more.
 * Parameters of the statements about documents: 1 device, 2 save, 3 document, 4 run.
 */
#ifndef WW_RUN_STORE_SCHEMA_H
#define WW_RUN_STORE_SCHEMA_H

#define SQL_SETTINGS                                                                                         \
	"PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"                 \
	"PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864;"

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

#define SQL_PUT_RUN                                                                                          \
	"INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5)"                                                       \
	" ON CONFLICT (run) DO UPDATE SET packets = ?3, first_packet = ?4, last_packet = ?5"

#define SQL_PUT_STATE                                                                                        \
	"INSERT INTO state (id, save, sequence, last_ns, record) VALUES (?1, ?2, ?3, ?4, ?5)"                \
	" ON CONFLICT (id) DO UPDATE SET save = ?2, sequence = ?3, last_ns = ?4, record = ?5"

#define SQL_PUT_DEVICE                                                                                       \
	"REPLACE INTO devices SELECT ?1, ?3 ->> '$.wardwatch.device.type',"                                  \
	" ?3 ->> '$.wardwatch.device.confidence', ?3 ->> '$.wardwatch.device.name',"                         \
	" ?3 ->> '$.device.manufacturer', ?3 ->> '$.device.model.name',"                                     \
	" ?3 ->> '$.wardwatch.device.firmware.version', ?3 ->> '$.wardwatch.device.router',"                 \
	" ?3 ->> '$.wardwatch.device.behind', ?3 ->> '$.wardwatch.device.first_seen',"                       \
	" ?3 ->> '$.wardwatch.device.last_seen', ?3 WHERE ?2 <> 0"

#define SQL_PUT_ADDRESSES                                                                                    \
	"INSERT OR IGNORE INTO addresses"                                                                    \
	" SELECT ?1, 'ip', value FROM json_each(?3, '$.host.ip') UNION ALL"                                  \
	" SELECT ?1, 'mac', value FROM json_each(?3, '$.host.mac') UNION ALL"                                \
	" SELECT ?1, 'vlan', value FROM json_each(?3, '$.wardwatch.device.vlan') WHERE ?2 <> 0"

/* An attribute with several values has a list of each part, which run in parallel. A packet of 0 is of an
 * earlier run: the row knows it. substr: behind "$.wardwatch.attributes.". */
#define SQL_PUT_ATTRIBUTES                                                                                   \
	"INSERT INTO attributes SELECT ?1, replace(substr(t.path, 24), '\"', ''), v.value,"                  \
	" json_extract(?3, t.path || '.source' || iif(t.type = 'array', '[' || v.key || ']', '')),"          \
	" iif(json_extract(?3, t.path || '.packet' || iif(t.type = 'array', '[' || v.key || ']', '')) = 0,"  \
	" NULL, ?4),"                                                                                        \
	" nullif(json_extract(?3, t.path || '.packet' || iif(t.type = 'array', '[' || v.key || ']', '')), "  \
	"0),"                                                                                                \
	" json_extract(?3, t.path || '.confidence' || iif(t.type = 'array', '[' || v.key || ']', '')),"      \
	" json_extract(?3, t.path || '.first' || iif(t.type = 'array', '[' || v.key || ']', '')),"           \
	" json_extract(?3, t.path || '.last' || iif(t.type = 'array', '[' || v.key || ']', '')), ?2"         \
	" FROM json_tree(?3, '$.wardwatch.attributes') AS t, json_each(?3, t.fullkey) AS v"                  \
	" WHERE t.key = 'value'"                                                                             \
	" ON CONFLICT (device, attribute, value) DO UPDATE SET source = excluded.source,"                    \
	" run = iif(excluded.packet IS NULL, run, excluded.run),"                                            \
	" packet = coalesce(excluded.packet, packet), confidence = excluded.confidence,"                     \
	" first_seen = excluded.first_seen, last_seen = excluded.last_seen, save = excluded.save"

/* What has come to be masked was somebody's all along. */
#define SQL_KEEP_HISTORY                                                                                     \
	"INSERT INTO history SELECT device, attribute, iif(is_private(attribute) OR EXISTS"                  \
	" (SELECT 1 FROM attributes AS now WHERE now.device = ?1 AND now.attribute = old.attribute"          \
	" AND now.save = ?2 AND instr(now.value, '[masked]')), NULL, value), source, run,"                   \
	" packet, confidence, first_seen, last_seen FROM attributes AS old WHERE device = ?1 AND save <> ?2"

#define SQL_PUT_BASELINE "REPLACE INTO baselines VALUES (?1, ?2, ?3, ?4, ?5, ?6)"

#endif
