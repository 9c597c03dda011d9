/*
 * Migrations run in order and as a whole. For each released version there is a file's worth of SQL
 * in old_versions[] that makes a database as that version left it; opening it must bring it up to
 * date with everything still there.
 */
#include "tests/unit/store_fixture.h"

#include <sqlite3.h>

#include "router/store/store_sqlite.h"

static int64_t ask_integer(const char *path, const char *sql)
{
    sqlite3 *database;
    sqlite3_stmt *statement;
    int64_t value = -1;

    assert_int_equal(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK) {
        if (sqlite3_step(statement) == SQLITE_ROW) {
            value = sqlite3_column_int64(statement, 0);
        }
        sqlite3_finalize(statement);
    }
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    return value;
}

/*
 * What a database of version i + 1 with one row in each table was made of. Frozen, like the steps.
 */
#define VERSION_1                                                                                  \
    "CREATE TABLE room (number INTEGER PRIMARY KEY, id ANY NOT NULL UNIQUE,"                       \
    " epoch INTEGER NOT NULL, server_id ANY, name TEXT, type TEXT, source_type TEXT, metadata "    \
    "TEXT,"                                                                                        \
    " has_participants INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT "     \
    "NULL)"                                                                                        \
    " STRICT;"                                                                                     \
    "CREATE TABLE participant (number INTEGER PRIMARY KEY, room INTEGER NOT NULL, id ANY NOT "     \
    "NULL,"                                                                                        \
    " UNIQUE (room, id)) STRICT;"                                                                  \
    "CREATE TABLE message (number INTEGER PRIMARY KEY, room INTEGER NOT NULL,"                     \
    " seq INTEGER NOT NULL, id ANY NOT NULL, kind INTEGER NOT NULL, sender ANY,"                   \
    " client_message_id ANY, in_reply_to ANY, created_at INTEGER NOT NULL, body BLOB) STRICT;"     \
    "CREATE UNIQUE INDEX message_by_room ON message (room, seq);"                                  \
    "CREATE UNIQUE INDEX message_by_id ON message (id);"                                           \
    "CREATE TABLE job (number INTEGER PRIMARY KEY, room INTEGER NOT NULL,"                         \
    " question_seq INTEGER NOT NULL, question ANY, agent ANY, reply ANY, asker_edge TEXT,"         \
    " state INTEGER NOT NULL, created_at INTEGER NOT NULL, finished_at INTEGER NOT NULL) STRICT;"  \
    "CREATE INDEX job_open ON job (state) WHERE state = 0;"                                        \
    "CREATE TABLE agent (id ANY PRIMARY KEY NOT NULL, name TEXT, details TEXT,"                    \
    " updated_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;"                                         \
    "INSERT INTO room VALUES (3, 'general', 77, NULL, 'General', 'GROUP', '', '{}', 1, 10, 20);"   \
    "INSERT INTO participant VALUES (1, 3, x'018f00000000700080000000000000ab');"                  \
    "INSERT INTO message VALUES (1, 3, 9, x'018f00000000700080000000000000cd', 1, 'somebody', "    \
    "'c1',"                                                                                        \
    " NULL, 15, x'7b7d');"                                                                         \
    "INSERT INTO job VALUES (5, 3, 9, x'018f00000000700080000000000000cd', 'eliza', 'r', "         \
    "'edge01',"                                                                                    \
    " 0, 15, 0);"                                                                                  \
    "INSERT INTO agent VALUES ('eliza', 'Eliza', '{}', 30);"                                       \
    "PRAGMA application_id = 1164725585; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;"
#define VERSION_2                                                                                  \
    VERSION_1                                                                                      \
    "ALTER TABLE message ADD COLUMN position INTEGER NOT NULL DEFAULT 0;"                          \
    "CREATE TABLE secret (value BLOB NOT NULL) STRICT;"                                            \
    "CREATE TABLE session (id TEXT PRIMARY KEY NOT NULL, entity ANY, edge TEXT NOT NULL,"          \
    " former TEXT, ended_at INTEGER NOT NULL, is_lost INTEGER NOT NULL) STRICT, WITHOUT ROWID;"    \
    "CREATE INDEX session_ended ON session (ended_at) WHERE ended_at > 0;"                         \
    "CREATE TABLE membership (session TEXT NOT NULL, room ANY NOT NULL, entity ANY, name TEXT,"    \
    " position INTEGER NOT NULL, stamp INTEGER NOT NULL, was_replayed INTEGER NOT NULL,"           \
    " PRIMARY KEY (session, room)) STRICT, WITHOUT ROWID;"                                         \
    "PRAGMA user_version = 2;"
#define VERSION_3                                                                                  \
    VERSION_2                                                                                      \
    "ALTER TABLE room ADD COLUMN deleted_at INTEGER NOT NULL DEFAULT 0;"                           \
    "CREATE INDEX room_by_server ON room (server_id, number);"                                     \
    "CREATE TABLE clearing (room INTEGER PRIMARY KEY, through INTEGER NOT NULL) STRICT;"           \
    "CREATE TABLE record (number INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL,"     \
    " id ANY NOT NULL, owner ANY, body BLOB, revision INTEGER NOT NULL,"                           \
    " created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, expires_at INTEGER NOT NULL,"      \
    " UNIQUE (collection, id)) STRICT;"                                                            \
    "CREATE INDEX record_by_collection ON record (collection, number);"                            \
    "CREATE INDEX record_by_owner ON record (collection, owner, number);"                          \
    "CREATE INDEX record_by_expiry ON record (expires_at) WHERE expires_at > 0;"                   \
    "CREATE TABLE record_count (collection TEXT PRIMARY KEY NOT NULL, count INTEGER NOT NULL)"     \
    " STRICT, WITHOUT ROWID;"                                                                      \
    "CREATE TRIGGER record_added AFTER INSERT ON record BEGIN"                                     \
    " INSERT INTO record_count (collection, count) VALUES (new.collection, 1)"                     \
    " ON CONFLICT (collection) DO UPDATE SET count = count + 1; END;"                              \
    "CREATE TRIGGER record_removed AFTER DELETE ON record BEGIN"                                   \
    " UPDATE record_count SET count = count - 1 WHERE collection = old.collection; END;"           \
    "PRAGMA user_version = 3;"
#define VERSION_4                                                                                  \
    VERSION_3                                                                                      \
    "CREATE INDEX session_of_entity ON session (entity, ended_at) WHERE ended_at > 0;"             \
    "PRAGMA user_version = 4;"
#define VERSION_5                                                                                  \
    VERSION_4                                                                                      \
    "ALTER TABLE agent ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"                               \
    "ALTER TABLE agent ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;"                          \
    "UPDATE agent SET created_at = updated_at;"                                                    \
    "ALTER TABLE job ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;"                              \
    "ALTER TABLE job ADD COLUMN error TEXT;"                                                       \
    "CREATE INDEX job_by_agent ON job (agent, number);"                                            \
    "CREATE INDEX participant_by_id ON participant (id, number);"                                  \
    "PRAGMA user_version = 5;"
#define VERSION_6                                                                                  \
    VERSION_5                                                                                      \
    "CREATE TABLE gone ("                                                                          \
    " number INTEGER PRIMARY KEY, room INTEGER NOT NULL, seq INTEGER NOT NULL, id ANY NOT NULL,"   \
    " kind INTEGER NOT NULL, sender ANY, client_message_id ANY, created_at INTEGER NOT NULL"       \
    ") STRICT;"                                                                                    \
    "CREATE INDEX gone_by_time ON gone (created_at);"                                              \
    "PRAGMA user_version = 6;"
static const char *const old_versions[STORE_SCHEMA_VERSION] = {VERSION_1, VERSION_2, VERSION_3,
                                                               VERSION_4, VERSION_5, VERSION_6};

static void every_old_version_is_opened_with_all_it_has(void **state)
{
    struct store_fixture *fixture = *state;

    for (int version = 1; version <= STORE_SCHEMA_VERSION; version++) {
        sqlite3 *database;
        struct store *store;
        struct loaded *loaded;
        struct store_query query = {.type = STORE_QUERY_HISTORY, .room = 3, .limit = 10};
        struct store_page *page;

        assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_exec(database, old_versions[version - 1], NULL, NULL, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);

        store = fixture_open(fixture);
        loaded = load(store, 0);
        assert_int_equal(loaded->rooms, 1);
        assert_slice(loaded->last_room.id, "general");
        assert_int_equal(loaded->last_room.last_seq, 9);
        assert_int_equal(loaded->participants, 1);
        assert_slice(loaded->participant_ids[0], "018f0000-0000-7000-8000-0000000000ab");
        assert_int_equal(loaded->agents, 1);
        assert_int_equal(loaded->last_agent.created_at, 30);
        assert_int_equal(loaded->jobs, 1);
        assert_int_equal(loaded->last_job.number, 5);
        assert_int_equal(loaded->recent, 1);
        assert_slice(loaded->last_recent.client_message_id, "c1");
        loaded_destroy(loaded);
        page = ask(store, &query);
        assert_int_equal(page->count, 1);
        assert_slice(page->messages[0].id, "018f0000-0000-7000-8000-0000000000cd");
        assert_slice(page->messages[0].body, "{}");
        store_page_destroy(&page);
        store_close(&store);
        assert_int_equal(ask_integer(fixture->path, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
        unlink(fixture->path);
    }
}

static void a_new_database_is_marked_in_the_file_itself(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    unsigned char head[100];
    int file = open(fixture->path, O_RDONLY);

    /* Read past SQLite, as file(1) and a router that must refuse it would. */
    assert_int_equal(pread(file, head, sizeof(head), 0), sizeof(head));
    assert_int_equal(head[63], STORE_SCHEMA_VERSION);
    assert_memory_equal(head + 68, "ElMQ", 4);
    store_close(&store);
    close(file);
    assert_int_equal(ask_integer(fixture->path, "PRAGMA application_id"),
                     STORE_SQLITE_APPLICATION_ID);
}

static void steps_run_in_order_from_where_the_database_is(void **state)
{
    static const char *const steps[] = {
        "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
        "UPDATE t SET a = a * 10",
        "UPDATE t SET a = a + 3",
    };
    struct store_fixture *fixture = *state;
    sqlite3 *database;

    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(store_sqlite_migrate(database, steps, 0, 2), SQLITE_OK);
    assert_int_equal(ask_integer(fixture->path, "SELECT a FROM t"), 10);
    assert_int_equal(ask_integer(fixture->path, "PRAGMA user_version"), 2);
    assert_int_equal(store_sqlite_migrate(database, steps, 2, 3), SQLITE_OK);
    assert_int_equal(ask_integer(fixture->path, "SELECT a FROM t"), 13);
    assert_int_equal(ask_integer(fixture->path, "PRAGMA user_version"), 3);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void a_step_that_fails_undoes_all(void **state)
{
    static const char *const steps[] = {
        "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 2; CREATE TABLE u (a)",
        "INSERT INTO nowhere VALUES (1)",
    };
    struct store_fixture *fixture = *state;
    sqlite3 *database;

    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(store_sqlite_migrate(database, steps, 0, 1), SQLITE_OK);
    assert_int_not_equal(store_sqlite_migrate(database, steps, 1, 3), SQLITE_OK);
    assert_int_not_equal(sqlite3_get_autocommit(database), 0);
    assert_int_equal(ask_integer(fixture->path, "SELECT a FROM t"), 1);
    assert_int_equal(ask_integer(fixture->path, "PRAGMA user_version"), 1);
    assert_int_equal(ask_integer(fixture->path, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

int main(void)
{
#define MIGRATION_TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        MIGRATION_TEST(every_old_version_is_opened_with_all_it_has),
        MIGRATION_TEST(a_new_database_is_marked_in_the_file_itself),
        MIGRATION_TEST(steps_run_in_order_from_where_the_database_is),
        MIGRATION_TEST(a_step_that_fails_undoes_all),
    };

    return cmocka_run_group_tests_name("store_migration", tests, NULL, NULL);
}
