#include "router/store/store_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buffer.h"
#include "proto/base/error.h"

/*
 * Step i turns version i into version i + 1. A step that has shipped is never edited.
 *
 * message is append-only and clustered by arrival, which is what makes commits cheap; of its two
 * indexes, the one on (room, seq) serves history, replay and, by bisection, questions about time,
 * and the one on id grows at one end only, since the ids that we mint rise with time.
 *
 * Columns of type ANY hold ids: see packed_id.h.
 */
const char *const store_sqlite_migrations[STORE_SCHEMA_VERSION] = {
    "CREATE TABLE room ("
    " number INTEGER PRIMARY KEY, id ANY NOT NULL UNIQUE, epoch INTEGER NOT NULL, server_id ANY,"
    " name TEXT, type TEXT, source_type TEXT, metadata TEXT, has_participants INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;"

    "CREATE TABLE participant ("
    " number INTEGER PRIMARY KEY, room INTEGER NOT NULL, id ANY NOT NULL,"
    " UNIQUE (room, id)) STRICT;"

    "CREATE TABLE message ("
    " number INTEGER PRIMARY KEY, room INTEGER NOT NULL, seq INTEGER NOT NULL, id ANY NOT NULL,"
    " kind INTEGER NOT NULL, sender ANY, client_message_id ANY, in_reply_to ANY,"
    " created_at INTEGER NOT NULL, body BLOB) STRICT;"
    "CREATE UNIQUE INDEX message_by_room ON message (room, seq);"
    "CREATE UNIQUE INDEX message_by_id ON message (id);"

    "CREATE TABLE job ("
    " number INTEGER PRIMARY KEY, room INTEGER NOT NULL, question_seq INTEGER NOT NULL,"
    " question ANY, agent ANY, reply ANY, asker_edge TEXT, state INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, finished_at INTEGER NOT NULL) STRICT;"
    "CREATE INDEX job_open ON job (state) WHERE state = 0;"

    "CREATE TABLE agent ("
    " id ANY PRIMARY KEY NOT NULL, name TEXT, details TEXT, updated_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;",

    /*
     * Positions rise in the order of commits, which is that of `number`; within a room, bisection
     * finds one. Messages of before have 0.
     */
    "ALTER TABLE message ADD COLUMN position INTEGER NOT NULL DEFAULT 0;"

    "CREATE TABLE secret (value BLOB NOT NULL) STRICT;"

    "CREATE TABLE session ("
    " id TEXT PRIMARY KEY NOT NULL, entity ANY, edge TEXT NOT NULL, former TEXT,"
    " ended_at INTEGER NOT NULL, is_lost INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX session_ended ON session (ended_at) WHERE ended_at > 0;"

    "CREATE TABLE membership ("
    " session TEXT NOT NULL, room ANY NOT NULL, entity ANY, name TEXT, position INTEGER NOT NULL,"
    " stamp INTEGER NOT NULL, was_replayed INTEGER NOT NULL, PRIMARY KEY (session, room)"
    ") STRICT, WITHOUT ROWID;",

    "ALTER TABLE room ADD COLUMN deleted_at INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX room_by_server ON room (server_id, number);"

    "CREATE TABLE clearing (room INTEGER PRIMARY KEY, through INTEGER NOT NULL) STRICT;"

    "CREATE TABLE record ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, id ANY NOT NULL,"
    " owner ANY, body BLOB, revision INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, UNIQUE (collection, id)) STRICT;"
    "CREATE INDEX record_by_collection ON record (collection, number);"
    "CREATE INDEX record_by_owner ON record (collection, owner, number);"
    "CREATE INDEX record_by_expiry ON record (expires_at) WHERE expires_at > 0;"
    "CREATE TABLE record_count (collection TEXT PRIMARY KEY NOT NULL, count INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER record_added AFTER INSERT ON record BEGIN"
    " INSERT INTO record_count (collection, count) VALUES (new.collection, 1)"
    " ON CONFLICT (collection) DO UPDATE SET count = count + 1; END;"
    "CREATE TRIGGER record_removed AFTER DELETE ON record BEGIN"
    " UPDATE record_count SET count = count - 1 WHERE collection = old.collection; END;",

    "CREATE INDEX session_of_entity ON session (entity, ended_at) WHERE ended_at > 0;",

    /* Jobs are the record of runs; whom they were for, and who is in which rooms, can be asked. */
    "ALTER TABLE agent ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agent ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;"
    "UPDATE agent SET created_at = updated_at;"
    "ALTER TABLE job ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN error TEXT;"
    "CREATE INDEX job_by_agent ON job (agent, number);"
    "CREATE INDEX participant_by_id ON participant (id, number);",

    /* By what a repeat of a message that was deleted is known, as long as repeats are. */
    "CREATE TABLE gone ("
    " number INTEGER PRIMARY KEY, room INTEGER NOT NULL, seq INTEGER NOT NULL, id ANY NOT NULL,"
    " kind INTEGER NOT NULL, sender ANY, client_message_id ANY, created_at INTEGER NOT NULL"
    ") STRICT;"
    "CREATE INDEX gone_by_time ON gone (created_at);"};

int store_sqlite_migrate(sqlite3 *database, const char *const *steps, int from, int to)
{
    char mark[96];
    int rc = sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    for (int version = from; version < to && rc == SQLITE_OK; version++) {
        rc = sqlite3_exec(database, steps[version], NULL, NULL, NULL);
    }
    snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             STORE_SQLITE_APPLICATION_ID, to);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(database, mark, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK && sqlite3_get_autocommit(database) == 0) {
        sqlite3_exec(database, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

int store_sqlite_ask(sqlite3 *database, const char *sql, int *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);

    *out = 0;
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (sqlite3_step(statement) == SQLITE_ROW) {
        *out = sqlite3_column_int(statement, 0);
    }
    return sqlite3_finalize(statement);
}

int store_sqlite_identify(sqlite3 *database, int *version, char *reason, size_t reason_size)
{
    int application = 0;
    int objects = 0;
    int rc = store_sqlite_ask(database, "PRAGMA application_id", &application);

    if (rc == SQLITE_OK) {
        rc = store_sqlite_ask(database, "PRAGMA user_version", version);
    }
    if (rc == SQLITE_OK) {
        rc = store_sqlite_ask(database, "SELECT count(*) FROM sqlite_schema", &objects);
    }
    if (rc != SQLITE_OK) {
        snprintf(reason, reason_size, "it cannot be read (%s)", sqlite3_errmsg(database));
        return ERROR_SCHEMA;
    }
    if (application == 0 && *version == 0 && objects == 0) {
        return 0;
    }
    if (application != STORE_SQLITE_APPLICATION_ID) {
        snprintf(reason, reason_size, "it is a database of another application");
        return ERROR_SCHEMA;
    }
    if (*version > STORE_SCHEMA_VERSION) {
        snprintf(reason, reason_size, "its schema version is %d and this version knows up to %d",
                 *version, STORE_SCHEMA_VERSION);
        return ERROR_SCHEMA;
    }
    if (*version < 1) {
        snprintf(reason, reason_size, "it has no schema version");
        return ERROR_SCHEMA;
    }
    return 0;
}

/* Reads through the whole of a database that is small enough. */
static int check_integrity(sqlite3 *database, char *reason, size_t reason_size)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database, "PRAGMA quick_check(1)", -1, &statement, NULL);

    if (rc == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const char *verdict = (const char *)sqlite3_column_text(statement, 0);

        if (verdict != NULL && strcmp(verdict, "ok") == 0) {
            return sqlite3_finalize(statement) == SQLITE_OK ? 0 : ERROR_SCHEMA;
        }
    }
    sqlite3_finalize(statement);
    snprintf(reason, reason_size, "it is damaged (%s)",
             rc == SQLITE_OK ? "integrity check failed" : sqlite3_errmsg(database));
    return ERROR_SCHEMA;
}

/* file:PATH?immutable=1: no locks, no log, no side files. */
static char *immutable_uri(const char *path)
{
    static const char digits[] = "0123456789ABCDEF";
    struct buffer uri = BUFFER_EMPTY;

    buffer_append_string(&uri, "file:");
    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '?' || *at == '#' || *at == '%') {
            buffer_append_char(&uri, '%');
            buffer_append_char(&uri, digits[(unsigned char)*at >> 4]);
            buffer_append_char(&uri, digits[(unsigned char)*at & 15]);
        } else {
            buffer_append_char(&uri, *at);
        }
    }
    buffer_append(&uri, "?immutable=1", sizeof("?immutable=1"));
    return uri.data;
}

/*
 * Opens for a look that leaves no trace. Without a log, the file is opened as if on read-only
 * media. With one, it must be read together with the log: exclusive locking before the first read
 * keeps the log's index in memory instead of in PATH-shm, and no checkpoint is made on closing.
 */
static int open_for_inspection(const char *path, bool has_log, sqlite3 **database)
{
    int rc;

    if (!has_log) {
        char *uri = immutable_uri(path);

        rc = sqlite3_open_v2(uri, database,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
        free(uri);
        return rc;
    }
    rc = sqlite3_open_v2(path, database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_db_config(*database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(*database, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = ON",
                          NULL, NULL, NULL);
    }
    return rc;
}

/* Bytes of the file beside the database, 0 if there is none. */
static off_t side_file_size(const char *path, const char *suffix)
{
    struct buffer name = BUFFER_EMPTY;
    struct stat status;
    off_t size;

    buffer_append_string(&name, path);
    buffer_append(&name, suffix, strlen(suffix) + 1);
    size = stat(name.data, &status) == 0 ? status.st_size : 0;
    buffer_deinit(&name);
    return size;
}

int store_sqlite_inspect(const char *path, int file, char *reason, size_t reason_size)
{
    static const char magic[16] = "SQLite format 3";
    char head[sizeof(magic)];
    struct stat status;
    sqlite3 *database = NULL;
    off_t log = side_file_size(path, "-wal");
    int version = 0;
    int rc;
    int result;

    if (file >= 0 && (fstat(file, &status) != 0 || !S_ISREG(status.st_mode))) {
        snprintf(reason, reason_size, "it is not a regular file");
        return ERROR_STORE;
    }
    if (file < 0 || status.st_size == 0) {
        /* SQLite would throw such a log away, or play such a journal into the new database. */
        if (log == 0 && side_file_size(path, "-journal") == 0) {
            return 0;
        }
        snprintf(reason, reason_size,
                 "it is missing or empty, but its -wal or -journal file is still there");
        return ERROR_SCHEMA;
    }
    if (pread(file, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head, magic, sizeof(magic)) != 0) {
        snprintf(reason, reason_size, "it is not an SQLite database");
        return ERROR_SCHEMA;
    }
    rc = open_for_inspection(path, log > 0, &database);
    if (rc != SQLITE_OK) {
        snprintf(reason, reason_size, "%s", sqlite3_errmsg(database));
        result = ERROR_STORE;
    } else {
        result = store_sqlite_identify(database, &version, reason, reason_size);
        if (result == 0 && status.st_size + log <= STORE_SQLITE_CHECK_MAX) {
            result = check_integrity(database, reason, reason_size);
        }
        /* Another program has the database open, so its log cannot be had alone. */
        if (result != 0 && (sqlite3_errcode(database) & 0xff) == SQLITE_BUSY) {
            result = 0;
        }
    }
    sqlite3_close(database);
    return result;
}
