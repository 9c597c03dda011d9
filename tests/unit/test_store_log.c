/*
 * Collected log writes leave, at every commit, files from which SQLite recovers just that commit:
 * each time, database and log are copied as a crash would leave them, and the copy must hold what a
 * database without collecting holds. The page cache is tiny, so that SQLite also writes pages
 * before the commit, reads them back and patches frames in place.
 */
#include "tests/unit/store_fixture.h"

#include <sqlite3.h>

#include "router/store/store_sqlite_log.h"
#include "tests/unit/random.h"

enum { TRANSACTIONS = 200, ROWS = 300, TINY_CACHE = 10, ROOMY_CACHE = 1000 };

static void run(sqlite3 *database, const char *sql)
{
    char *message = NULL;

    if (sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static sqlite3 *open_database(const char *path, int cache_pages)
{
    char pragma[64];
    sqlite3 *database;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    run(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                  "PRAGMA wal_autocheckpoint = 0;"
                  "PRAGMA journal_size_limit = 100000;"
                  "CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b BLOB, c INTEGER);"
                  "CREATE INDEX IF NOT EXISTS i ON t (c, b)");
    snprintf(pragma, sizeof(pragma), "PRAGMA cache_size = %d", cache_pages);
    run(database, pragma);
    return database;
}

/* A number that says what is in the table, and that the database is sound. */
static int64_t fingerprint(sqlite3 *database)
{
    sqlite3_stmt *statement;
    uint64_t hash = 1;

    assert_int_equal(sqlite3_prepare_v2(database, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    assert_int_equal(
        sqlite3_prepare_v2(database, "SELECT a, c, b FROM t ORDER BY a", -1, &statement, NULL),
        SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const unsigned char *bytes = sqlite3_column_blob(statement, 2);
        int length = sqlite3_column_bytes(statement, 2);

        hash = hash * 31 + (uint64_t)sqlite3_column_int64(statement, 0);
        hash = hash * 31 + (uint64_t)sqlite3_column_int64(statement, 1);
        for (int i = 0; i < length; i++)
            hash = hash * 31 + bytes[i];
    }
    sqlite3_finalize(statement);
    return (int64_t)hash;
}

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    size_t length;

    assert_non_null(in);
    assert_non_null(out);
    while ((length = fread(buffer, 1, sizeof(buffer), in)) > 0)
        assert_int_equal(fwrite(buffer, 1, length, out), length);
    fclose(in);
    fclose(out);
}

static int64_t fingerprint_after_crash(const struct store_fixture *fixture)
{
    char log[160], crashed[100], crashed_log[160];
    sqlite3 *database;
    int64_t result;

    snprintf(log, sizeof(log), "%s-wal", fixture->path);
    snprintf(crashed, sizeof(crashed), "%s/crashed.db", fixture->directory);
    snprintf(crashed_log, sizeof(crashed_log), "%s-wal", crashed);
    copy_file(fixture->path, crashed);
    copy_file(log, crashed_log);
    database = open_database(crashed, ROOMY_CACHE);
    result = fingerprint(database);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    unlink(crashed);
    return result;
}

/* The same statements, each time for both databases. */
static void make_statement(struct random *random, char *sql, size_t size)
{
    unsigned a = (unsigned)random_below(random, ROWS);
    unsigned c = (unsigned)random_below(random, 1000);
    unsigned length = (unsigned)random_below(random, random_below(random, 10) == 0 ? 9000 : 500);

    switch (random_below(random, 4)) {
    case 0:
        snprintf(sql, size, "DELETE FROM t WHERE a = %u", a);
        break;
    case 1:
        snprintf(sql, size, "UPDATE t SET c = %u WHERE a %% 7 = %u", c, a % 7);
        break;
    default:
        snprintf(sql, size, "REPLACE INTO t VALUES (%u, zeroblob(%u) || %u, %u)", a, length, c, c);
        break;
    }
}

static void recover_each_commit(struct store_fixture *fixture, int cache_pages, uint64_t seed)
{
    struct random random = {.state = seed};
    char plain_path[160];
    sqlite3 *collected = open_database(fixture->path, cache_pages);
    struct store_sqlite_log *log = store_sqlite_log_attach(collected);
    sqlite3 *plain;

    assert_non_null(log);
    snprintf(plain_path, sizeof(plain_path), "%s/plain.db", fixture->directory);
    plain = open_database(plain_path, cache_pages);
    for (int i = 0; i < TRANSACTIONS; i++) {
        size_t statements = 1 + random_below(&random, random_below(&random, 8) == 0 ? 120 : 6);
        const char *end = random_below(&random, 6) == 0 ? "ROLLBACK" : "COMMIT";
        char sql[128];

        run(collected, "BEGIN IMMEDIATE");
        run(plain, "BEGIN IMMEDIATE");
        for (size_t k = 0; k < statements; k++) {
            make_statement(&random, sql, sizeof(sql));
            run(collected, sql);
            run(plain, sql);
        }
        run(collected, end);
        run(plain, end);
        assert_int_equal(fingerprint_after_crash(fixture), fingerprint(plain));
        switch (random_below(&random, 20)) {
        case 0:
            run(collected, "PRAGMA wal_checkpoint(PASSIVE)");
            break;
        case 1:
            run(collected, "PRAGMA wal_checkpoint(RESTART)");
            break;
        case 2:
            run(collected, "PRAGMA wal_checkpoint(TRUNCATE)");
            break;
        default:
            break;
        }
    }
    assert_int_equal(fingerprint(collected), fingerprint(plain));
    assert_int_equal(sqlite3_close(plain), SQLITE_OK);
    assert_int_equal(sqlite3_close(collected), SQLITE_OK);
    store_sqlite_log_destroy(&log);
    assert_null(log);
    collected = open_database(fixture->path, cache_pages);
    fingerprint(collected);
    assert_int_equal(sqlite3_close(collected), SQLITE_OK);
}

static void each_commit_is_recovered_from_the_files(void **state)
{
    recover_each_commit(*state, ROOMY_CACHE, 4);
}

static void each_commit_is_recovered_with_a_tiny_cache_too(void **state)
{
    recover_each_commit(*state, TINY_CACHE, 5);
}

static void a_database_without_a_log_is_left_alone(void **state)
{
    sqlite3 *database;
    struct store_sqlite_log *log;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &database), SQLITE_OK);
    log = store_sqlite_log_attach(database);
    assert_null(log);
    store_sqlite_log_destroy(&log);
    run(database, "CREATE TABLE t (a)");
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_commit_is_recovered_from_the_files, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(each_commit_is_recovered_with_a_tiny_cache_too,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test(a_database_without_a_log_is_left_alone),
    };

    return cmocka_run_group_tests_name("store_log", tests, NULL, NULL);
}
