/*
 * The SQLite backend's insides, shared by its own files and nobody else:
 *
 *   store_sqlite.c         the handle: opening, closing, checkpoints
 *   store_sqlite_schema.c  tables and migrations; looking at a file without changing it
 *   store_sqlite_write.c   committing batches
 *   store_sqlite_load.c    loading what the router needs at start
 *   store_sqlite_query.c   answering queries
 *   store_sqlite_search.c  answering those that look into texts
 *   store_sqlite_record.c  records, written and read
 *   store_sqlite_runs.c    what agents did
 *   store_sqlite_row.c     reading rows, store_sqlite_bind.h filling parameters, for all above
 *
 * The database is PATH, with SQLite's own PATH-wal and PATH-shm beside it while a router runs. A
 * writer holds an advisory lock (flock) on PATH itself, so that there is one router per database
 * and no lock file to go stale; sqlite3(1) and backups are not in its way.
 */
#ifndef ROUTER_STORE_STORE_SQLITE_H
#define ROUTER_STORE_STORE_SQLITE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include "router/store/packed_id.h"
#include "router/store/store.h"

enum {
    STORE_SQLITE_APPLICATION_ID = 0x456c4d51, /* "ElMQ" */
    STORE_SQLITE_BUSY_MS = 5000,              /* how long another program may hold the database */
    STORE_SQLITE_WRITER_CACHE_KIB = 32 * 1024,
    STORE_SQLITE_READER_CACHE_KIB = 8 * 1024,
    STORE_SQLITE_LOG_KEPT = 64 * 1024 * 1024, /* bytes a WAL that once grew larger is cut back to */
    STORE_SQLITE_CHECK_MAX =
        64 * 1024 * 1024 /* bytes; a larger file is not read through at start */
};

#define STORE_SQLITE_MESSAGE_COLUMNS                                                               \
    "room, seq, id, kind, sender, client_message_id, in_reply_to, created_at, position, body"

/* What a repeat of a message that goes is known by. */
#define STORE_SQLITE_KEEP_KEYS                                                                     \
    "INSERT INTO gone (room, seq, id, kind, sender, client_message_id, created_at)"                \
    " SELECT room, seq, id, kind, sender, client_message_id, created_at FROM message"
/* Rows of cleared messages, piece by piece. */
#define STORE_SQLITE_CLEARED                                                                       \
    "SELECT m.number FROM clearing AS c CROSS JOIN message AS m"                                   \
    " ON m.room = c.room AND m.seq <= c.through ORDER BY c.room, m.seq LIMIT 1000"

/* X(name, SQL) */
#define STORE_SQLITE_WRITER_STATEMENTS(X)                                                          \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(PUT_ROOM,                                                                                    \
      "INSERT INTO room (number, id, epoch, server_id, name, type, source_type, metadata,"         \
      " has_participants, created_at, updated_at, deleted_at)"                                     \
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"                                               \
      " ON CONFLICT (number) DO UPDATE SET server_id = excluded.server_id, name = excluded.name,"  \
      " type = excluded.type, source_type = excluded.source_type, metadata = excluded.metadata,"   \
      " has_participants = excluded.has_participants,"                                             \
      " updated_at = excluded.updated_at, deleted_at = excluded.deleted_at")                       \
    X(DELETE_PARTICIPANTS, "DELETE FROM participant WHERE room = ?")                               \
    X(ADD_PARTICIPANT,                                                                             \
      "INSERT INTO participant (room, id) VALUES (?, ?) ON CONFLICT (room, id) DO NOTHING")        \
    X(REMOVE_PARTICIPANT, "DELETE FROM participant WHERE room = ? AND id = ?")                     \
    X(ADD_MESSAGE, "INSERT INTO message (" STORE_SQLITE_MESSAGE_COLUMNS ") VALUES"                 \
                   " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                              \
    X(ADD_JOB,                                                                                     \
      "INSERT INTO job (number, room, question_seq, question, agent, reply, asker_edge, state,"    \
      " created_at, finished_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                           \
    X(FINISH_JOB, "UPDATE job SET state = ?, finished_at = ?, attempts = ?, error = ?"             \
                  " WHERE number = ?")                                                             \
    X(DELETE_JOB, "DELETE FROM job WHERE number = ? AND agent = ? AND state <> 0")                 \
    X(PUT_AGENT,                                                                                   \
      "INSERT INTO agent (id, name, details, state, created_at, updated_at)"                       \
      " VALUES (?, ?, ?, ?, ?, ?)"                                                                 \
      " ON CONFLICT (id) DO UPDATE SET name = excluded.name, details = excluded.details,"          \
      " state = excluded.state, updated_at = excluded.updated_at")                                 \
    X(PUT_SECRET, "INSERT INTO secret (value) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM secret)")   \
    X(OPEN_SESSION,                                                                                \
      "INSERT INTO session (id, entity, edge, ended_at, is_lost) VALUES (?, ?, ?, 0, 0)"           \
      " ON CONFLICT (id) DO UPDATE SET edge = excluded.edge, ended_at = 0, is_lost = 0")           \
    X(ADD_MEMBERSHIP,                                                                              \
      "INSERT INTO membership (session, room, entity, name, position, stamp, was_replayed)"        \
      " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM session WHERE id = ?1)"      \
      " ON CONFLICT (session, room) DO UPDATE SET entity = excluded.entity, name = excluded.name") \
    X(DROP_MEMBERSHIP, "DELETE FROM membership WHERE session = ?1 AND room = ?2"                   \
                       " AND EXISTS (SELECT 1 FROM session WHERE id = ?1 AND edge = ?3)")          \
    X(END_SESSION, "UPDATE session SET ended_at = ?, is_lost = 0"                                  \
                   " WHERE id = ? AND edge = ? AND (ended_at = 0 OR is_lost)")                     \
    X(DROP_SESSION, "DELETE FROM session WHERE id = ?1 AND (?2 IS NULL OR edge = ?2)")             \
    X(DROP_MEMBERSHIPS, "DELETE FROM membership WHERE session = ?1"                                \
                        " AND NOT EXISTS (SELECT 1 FROM session WHERE id = ?1)")                   \
    X(CLAIM_SESSION, "UPDATE session SET edge = ?2, ended_at = 0, is_lost = 0,"                    \
                     " former = CASE WHEN ended_at = 0 OR is_lost THEN edge END"                   \
                     " WHERE id = ?1 AND (ended_at = 0 OR ended_at >= ?3)"                         \
                     " AND (?4 IS NULL OR entity = ?4)")                                           \
    X(LOSE_EDGE, "UPDATE session SET ended_at = ?2, is_lost = 1"                                   \
                 " WHERE ended_at = 0 AND (?1 IS NULL OR edge = ?1)")                              \
    X(FIND_EDGE, "UPDATE session SET ended_at = 0, is_lost = 0 WHERE edge = ? AND is_lost")        \
    X(SWEEP_MEMBERSHIPS, "DELETE FROM membership WHERE session IN (SELECT id FROM session"         \
                         " WHERE ended_at > 0 AND ended_at < ? ORDER BY ended_at, id LIMIT ?)")    \
    X(SWEEP_SESSIONS, "DELETE FROM session WHERE id IN (SELECT id FROM session"                    \
                      " WHERE ended_at > 0 AND ended_at < ? ORDER BY ended_at, id LIMIT ?)")       \
    X(REPLACE_MESSAGE, "UPDATE message SET body = ? WHERE id = ? AND room = ? AND kind <> 3")      \
    X(DELETE_MESSAGE, "DELETE FROM message WHERE id = ? AND room = ? AND kind <> 3")               \
    X(KEEP_KEY, STORE_SQLITE_KEEP_KEYS " WHERE id = ? AND room = ? AND kind <> 3"                  \
                                       " AND client_message_id IS NOT NULL")                       \
    X(CLEAR_ROOM, "INSERT INTO clearing (room, through) VALUES (?, ?)"                             \
                  " ON CONFLICT (room) DO UPDATE SET through = excluded.through")                  \
    X(SWEEP_RECORDS, "DELETE FROM record WHERE number IN (SELECT number FROM record"               \
                     " WHERE expires_at > 0 AND expires_at <= ? ORDER BY expires_at LIMIT 500)")   \
    X(KEEP_CLEARED_KEYS,                                                                           \
      STORE_SQLITE_KEEP_KEYS " WHERE number IN (" STORE_SQLITE_CLEARED                             \
                             ") AND created_at > ? AND client_message_id IS NOT NULL")             \
    X(SWEEP_KEYS, "DELETE FROM gone WHERE number IN (SELECT number FROM gone"                      \
                  " WHERE created_at <= ? ORDER BY created_at LIMIT 1000)")                        \
    X(SWEEP_MESSAGES, "DELETE FROM message WHERE number IN (" STORE_SQLITE_CLEARED ")")            \
    X(SWEEP_CLEARED, "DELETE FROM clearing WHERE NOT EXISTS (SELECT 1 FROM message AS m"           \
                     " WHERE m.room = clearing.room AND m.seq <= clearing.through)")               \
    X(FIND_RECORD, "SELECT number, revision, created_at, expires_at, owner, body FROM record"      \
                   " WHERE collection = ? AND id = ?")                                             \
    X(ADD_RECORD,                                                                                  \
      "INSERT INTO record (collection, id, owner, body, revision, created_at, updated_at,"         \
      " expires_at) VALUES (?, ?, ?, ?, 1, ?, ?, ?)")                                              \
    X(REPLACE_RECORD, "UPDATE record SET owner = ?, body = ?, updated_at = ?, expires_at = ?,"     \
                      " revision = revision + 1 WHERE number = ?")                                 \
    X(DELETE_RECORD, "DELETE FROM record WHERE number = ?")

/* Every list of records is a range of an index. */
#define STORE_SQLITE_RECORDS(condition, order)                                                     \
    "SELECT " STORE_SQLITE_RECORD_COLUMNS " FROM record WHERE collection = ?1 AND " condition      \
    " AND (expires_at = 0 OR expires_at > ?3) ORDER BY number " order
#define STORE_SQLITE_RECORD_COLUMNS                                                                \
    "collection, id, owner, body, number, revision, created_at, updated_at, expires_at"
#define STORE_SQLITE_ROOM_COLUMNS                                                                  \
    "number, id, epoch, server_id, name, type, source_type, metadata, has_participants,"           \
    " created_at, updated_at, deleted_at"

#define STORE_SQLITE_READER_STATEMENTS(X)                                                          \
    X(BEGIN_READ, "BEGIN")                                                                         \
    X(END, "COMMIT")                                                                               \
    X(ROOMS, "SELECT " STORE_SQLITE_ROOM_COLUMNS " FROM room ORDER BY number")                     \
    X(ROOMS_OF_SERVER, "SELECT " STORE_SQLITE_ROOM_COLUMNS " FROM room"                            \
                       " WHERE server_id = ? AND number < ? AND deleted_at = 0"                    \
                       " ORDER BY number DESC")                                                    \
    X(LISTED_PARTICIPANTS,                                                                         \
      "SELECT p.room, p.id FROM room AS r CROSS JOIN participant AS p ON p.room = r.number"        \
      " WHERE r.has_participants ORDER BY r.number, p.number")                                     \
    X(ALL_PARTICIPANTS, "SELECT room, id FROM participant ORDER BY number")                        \
    X(AGENTS, "SELECT id, name, details, state, created_at, updated_at FROM agent"                 \
              " ORDER BY created_at, id")                                                          \
    X(OPEN_JOBS,                                                                                   \
      "SELECT number, room, question_seq, question, agent, reply, asker_edge, state, created_at,"  \
      " finished_at FROM job WHERE state = 0 ORDER BY number")                                     \
    X(NEWEST_TIMES, "SELECT number, created_at FROM message ORDER BY number DESC")                 \
    X(MESSAGES_FROM, "SELECT room, seq, id, kind, sender, client_message_id, in_reply_to,"         \
                     " created_at, position FROM message WHERE number >= ? ORDER BY number")       \
    X(LAST_NUMBERS, "SELECT (SELECT max(number) FROM room), (SELECT max(number) FROM job)")        \
    X(FIRST_SEQ_FROM, "SELECT seq, created_at FROM message WHERE room = ? AND seq >= ?"            \
                      " ORDER BY seq LIMIT 1")                                                     \
    X(FIRST_POSITION_FROM, "SELECT seq, position FROM message WHERE room = ? AND seq >= ?"         \
                           " ORDER BY seq LIMIT 1")                                                \
    X(LAST_POSITION, "SELECT seq, position FROM message WHERE room = ? ORDER BY seq DESC LIMIT 1") \
    X(NEWEST_POSITION, "SELECT number, position FROM message ORDER BY number DESC LIMIT 1")        \
    X(SECRET, "SELECT value FROM secret LIMIT 1")                                                  \
    X(SESSION, "SELECT id, entity, edge, former, ended_at FROM session WHERE id = ?")              \
    X(LAST_SESSION, "SELECT id, entity, edge, former, ended_at FROM session"                       \
                    " WHERE entity = ? AND ended_at > 0 ORDER BY ended_at DESC LIMIT 1")           \
    X(MEMBERSHIPS, "SELECT session, room, entity, name, position, stamp, was_replayed"             \
                   " FROM membership WHERE session = ? ORDER BY position, room")                   \
    X(LAST_SEQ, "SELECT seq, created_at FROM message WHERE room = ? ORDER BY seq DESC LIMIT 1")    \
    X(SEQ_OF_ID, "SELECT seq FROM message WHERE id = ? AND room = ?")                              \
    X(MESSAGE, "SELECT " STORE_SQLITE_MESSAGE_COLUMNS " FROM message WHERE id = ? AND kind <> 3")  \
    X(ID_TAKEN, "SELECT seq, room FROM message WHERE id = ?")                                      \
    X(CLEARED, "SELECT through, through FROM clearing WHERE room = ?")                             \
    X(GONE, "SELECT room, seq, id, kind, sender, client_message_id, NULL, created_at, 0 FROM gone" \
            " WHERE created_at > ? ORDER BY created_at")                                           \
    X(NEEDS_SWEEP, "SELECT EXISTS (SELECT 1 FROM clearing) OR EXISTS (SELECT 1 FROM gone),"        \
                   " EXISTS (SELECT 1 FROM record WHERE expires_at > 0)")                          \
    X(OLDEST_SHOWN, "SELECT " STORE_SQLITE_MESSAGE_COLUMNS " FROM message"                         \
                    " WHERE room = ? AND seq >= ? AND seq < ? AND kind <> 3 ORDER BY seq")         \
    X(NEWEST_SHOWN, "SELECT " STORE_SQLITE_MESSAGE_COLUMNS " FROM message"                         \
                    " WHERE room = ? AND seq >= ? AND seq < ? AND kind <> 3 ORDER BY seq DESC")    \
    X(NEWEST_OF_ALL, "SELECT " STORE_SQLITE_MESSAGE_COLUMNS " FROM message ORDER BY number DESC")  \
    X(RECORD, STORE_SQLITE_RECORDS("id = ?2", "ASC"))                                              \
    X(RECORDS_UP, STORE_SQLITE_RECORDS("number > ?2", "ASC"))                                      \
    X(RECORDS_DOWN, STORE_SQLITE_RECORDS("number < ?2", "DESC"))                                   \
    X(OWNED_UP, STORE_SQLITE_RECORDS("owner = ?4 AND number > ?2", "ASC"))                         \
    X(OWNED_DOWN, STORE_SQLITE_RECORDS("owner = ?4 AND number < ?2", "DESC"))                      \
    X(RECORD_COUNT, "SELECT count, count FROM record_count WHERE collection = ?")                  \
    X(OLDEST_BETWEEN, "SELECT " STORE_SQLITE_MESSAGE_COLUMNS " FROM message"                       \
                      " WHERE room = ? AND seq >= ? AND seq < ? ORDER BY seq")                     \
    X(PARTICIPANTS, "SELECT id FROM participant WHERE room = ? ORDER BY number")                   \
    X(IS_PARTICIPANT, "SELECT number, room FROM participant WHERE room = ?2 AND id = ?1")          \
    X(RUNS, "SELECT number, room, state, created_at, error, question, reply, finished_at,"         \
            " attempts FROM job WHERE agent = ? AND number < ? ORDER BY number DESC")              \
    X(RUN_COUNT, "SELECT count(*), 0 FROM (SELECT 1 FROM job WHERE agent = ? AND number < ?"       \
                 " ORDER BY number DESC LIMIT ?)")                                                 \
    X(RUN_PLACE, "SELECT r.id, m.sender FROM room AS r LEFT JOIN message AS m ON m.id = ?"         \
                 " WHERE r.number = ?")                                                            \
    X(JOBS_OF_AGENT, "SELECT question, reply, created_at FROM job WHERE agent = ?"                 \
                     " ORDER BY number DESC")                                                      \
    X(ROOMS_OF, "SELECT r.number, r.id, r.epoch, r.server_id, r.name, r.type, r.source_type,"      \
                " r.metadata, r.has_participants, r.created_at, r.updated_at, r.deleted_at,"       \
                " p.number FROM participant AS p CROSS JOIN room AS r ON r.number = p.room"        \
                " WHERE p.id = ? AND p.number < ? AND r.deleted_at = 0 ORDER BY p.number DESC")    \
    X(ROOMS_OF_VIEWER,                                                                             \
      "SELECT r.number, r.id, r.epoch, r.server_id, r.name, r.type, r.source_type, r.metadata,"    \
      " r.has_participants, r.created_at, r.updated_at, r.deleted_at"                              \
      " FROM participant AS p CROSS JOIN room AS r ON r.number = p.room"                           \
      " WHERE p.id = ?3 AND r.server_id = ?1 AND r.number < ?2 AND r.deleted_at = 0"               \
      " ORDER BY r.number DESC")

enum store_sqlite_statement {
#define X(name, sql) STATEMENT_##name,
    STORE_SQLITE_READER_STATEMENTS(X) STORE_SQLITE_WRITER_STATEMENTS(X)
#undef X
        STATEMENT_COUNT
};

struct store_sqlite {
    struct store base;
    sqlite3 *database;                         /* owns */
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* owns; kept prepared */
    char *path;                                /* owns; real path */
    int lock;      /* the writer's descriptor of PATH, locked; -1 for a reader */
    int page_size; /* bytes */
};

extern const struct store_backend store_sqlite_backend;

/* Runs a statement that yields no rows. */
int store_sqlite_run(struct store_sqlite *self, enum store_sqlite_statement statement);

/* Members of the backend. */
int store_sqlite_commit(struct store *store, const struct store_batch *batch);
int store_sqlite_load(struct store *store, struct store_loader *loader);
int store_sqlite_query(struct store *store, const struct store_query *query,
                       struct store_page *page);

/* store_sqlite_record.c: SQLite's results; what became of the record is in its outcome. */
int store_sqlite_put_record(struct store_sqlite *self, const struct store_operation *operation);
int store_sqlite_delete_record(struct store_sqlite *self, const struct store_operation *operation);
int store_sqlite_read_record(struct store_sqlite *self, const struct store_query *query,
                             struct store_page *page);
int store_sqlite_read_records(struct store_sqlite *self, const struct store_query *query,
                              struct store_page *page);

/* store_sqlite_query.c: the first seq of a room that has not been cleared. */
int store_sqlite_first_kept(struct store_sqlite *self, uint64_t room, int64_t *seq);

/* store_sqlite_runs.c */
int store_sqlite_read_runs(struct store_sqlite *self, const struct store_query *query,
                           struct store_page *page);
int store_sqlite_read_agent_history(struct store_sqlite *self, const struct store_query *query,
                                    struct store_page *page);

/* store_sqlite_session.c: of an id, and the last one of an entity */
int store_sqlite_read_session(struct store_sqlite *self, const struct store_query *query,
                              struct store_page *page);
int store_sqlite_read_last_session(struct store_sqlite *self, const struct store_query *query,
                                   struct store_page *page);

/* store_sqlite_search.c */
int store_sqlite_search(struct store_sqlite *self, const struct store_query *query, int64_t from,
                        struct store_page *page);

/* store_sqlite_schema.c. Results are SQLite's unless said otherwise. */

/*
 * 0 when a router may open the file: it is empty, or one of ours up to STORE_SCHEMA_VERSION; else
 * ERROR_SCHEMA or ERROR_STORE with a reason. Changes neither the file nor those beside it, and
 * makes none. `file` is a descriptor of it, or -1 when it does not exist.
 */
int store_sqlite_inspect(const char *path, int file, char *reason, size_t reason_size);
/* The one integer that sql yields, 0 if it yields no row. */
int store_sqlite_ask(sqlite3 *database, const char *sql, int *out);
/* 0 or ERROR_SCHEMA: is the opened database ours, and of a version up to ours? */
int store_sqlite_identify(sqlite3 *database, int *version, char *reason, size_t reason_size);
/* Runs steps[from] to steps[to - 1] and notes version `to`, all in one transaction. */
int store_sqlite_migrate(sqlite3 *database, const char *const *steps, int from, int to);
extern const char *const store_sqlite_migrations[STORE_SCHEMA_VERSION];

#endif
