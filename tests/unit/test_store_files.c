/* Which files a router makes, which it refuses, and that a refusal changes nothing at all. */
#include "tests/unit/store_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

/* --- a fingerprint of a directory: names, bytes, sizes, modes and times of change --- */

enum { SNAPSHOT_FILES = 8 };

struct snapshot {
    struct {
        char name[64];
        struct stat status;
        uint64_t hash;
    } files[SNAPSHOT_FILES];
    size_t count;
};

static uint64_t hash_file(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    FILE *file = fopen(path, "rb");
    int c;

    while (file != NULL && (c = fgetc(file)) != EOF) {
        hash = (hash ^ (uint64_t)c) * UINT64_C(0x100000001b3);
    }
    if (file != NULL) {
        fclose(file);
    }
    return hash;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static struct snapshot take_snapshot(const char *directory)
{
    struct snapshot snapshot;
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, NULL, by_name);

    memset(&snapshot, 0, sizeof(snapshot));
    for (int i = 0; i < count; i++) {
        char path[400];

        if (entries[i]->d_name[0] != '.') {
            assert_true(snapshot.count < SNAPSHOT_FILES);
            snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
            snprintf(snapshot.files[snapshot.count].name, 64, "%.60s", entries[i]->d_name);
            assert_int_equal(stat(path, &snapshot.files[snapshot.count].status), 0);
            snapshot.files[snapshot.count++].hash = hash_file(path);
        }
        free(entries[i]);
    }
    free(entries);
    return snapshot;
}

static void assert_unchanged(const struct snapshot *before, const char *directory)
{
    struct snapshot after = take_snapshot(directory);

    assert_int_equal(before->count, after.count);
    for (size_t i = 0; i < after.count; i++) {
        const struct stat *was = &before->files[i].status;
        const struct stat *is = &after.files[i].status;

        assert_string_equal(before->files[i].name, after.files[i].name);
        assert_true(before->files[i].hash == after.files[i].hash);
        assert_int_equal(was->st_size, is->st_size);
        assert_int_equal(was->st_mode, is->st_mode);
        assert_int_equal(was->st_ino, is->st_ino);
        assert_int_equal(was->st_mtim.tv_sec, is->st_mtim.tv_sec);
        assert_int_equal(was->st_mtim.tv_nsec, is->st_mtim.tv_nsec);
    }
}

/* Refused twice, with nothing changed by either. */
static void assert_refused(struct store_fixture *fixture, const char *word)
{
    struct snapshot before = take_snapshot(fixture->directory);

    fixture_expect_refusal(fixture, word);
    assert_unchanged(&before, fixture->directory);
    fixture_expect_refusal(fixture, word);
    assert_unchanged(&before, fixture->directory);
}

/* --- files to be refused --- */

static void write_file(const char *path, const void *data, size_t length)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *database;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void commit_messages(struct store *store, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        struct store_batch *batch = store_batch_new(i);

        add_message(batch, 1 + i % 7, i, i, 1700000000000 + (int64_t)i, SLICE_LITERAL("{\"t\":1}"));
        assert_int_equal(commit(store, &batch), 0);
    }
}

static void make_store(struct store_fixture *fixture)
{
    struct store *store = fixture_open(fixture);

    commit_messages(store, 1, 300);
    store_close(&store);
}

static void assert_holds(struct store_fixture *fixture, size_t messages)
{
    struct store *store = fixture_open(fixture);
    struct loaded *loaded = load(store, 0);

    assert_int_equal(loaded->recent, messages);
    loaded_destroy(loaded);
    store_close(&store);
}

/* Runs `act` on a store with a log, in a process that then dies without closing it. */
static void leave_log(struct store_fixture *fixture, void (*act)(struct store_fixture *fixture))
{
    char log[160];
    struct stat status;
    int result = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        act(fixture);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    snprintf(log, sizeof(log), "%s-wal", fixture->path);
    assert_int_equal(stat(log, &status), 0);
    assert_true(status.st_size > 0);
}

static void commit_and_die(struct store_fixture *fixture)
{
    struct store *store = fixture_open(fixture);

    commit_messages(store, 1000, 50);
}

static void upgrade_and_die(struct store_fixture *fixture)
{
    sqlite3 *database;

    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database,
                                  "PRAGMA journal_mode = WAL; BEGIN; CREATE TABLE later (a);"
                                  "PRAGMA user_version = 4711; COMMIT",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
}

/* --- the tests --- */

static void file_and_directory_are_made(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store;
    struct stat status;
    char directory[160];
    mode_t mask = umask(022);

    fixture_use_path(fixture, "data/elizamq.db");
    store = fixture_open(fixture);
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    snprintf(directory, sizeof(directory), "%s/data", fixture->directory);
    assert_int_equal(stat(directory, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0750);
    commit_messages(store, 1, 1);
    snprintf(directory, sizeof(directory), "%s-wal", fixture->path);
    assert_int_equal(stat(directory, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    store_close(&store);
    assert_int_equal(stat(directory, &status), -1); /* a clean stop leaves one file */
    umask(mask);
}

static void more_than_one_missing_directory_is_refused(void **state)
{
    struct store_fixture *fixture = *state;

    fixture_use_path(fixture, "a/b/elizamq.db");
    assert_refused(fixture, "No such file or directory");
}

static void odd_paths_are_taken_literally(void **state)
{
    const char *const names[] = {"a b.db", "100%41.db", "what?mode=ro",
                                 "c#d.db", "file:x.db", "\xc3\xa9.db"};
    struct store_fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct stat status;

        fixture_use_path(fixture, names[i]);
        make_store(fixture);
        assert_int_equal(stat(fixture->path, &status), 0);
        assert_holds(fixture, 300);
        unlink(fixture->path);
    }
}

static void a_symbolic_link_is_followed(void **state)
{
    struct store_fixture *fixture = *state;
    char target[128];
    struct store *store;
    struct loaded *loaded;

    make_store(fixture);
    snprintf(target, sizeof(target), "%s", fixture->path);
    fixture_use_path(fixture, "link.db");
    assert_int_equal(symlink(target, fixture->path), 0);
    store = fixture_open(fixture);
    fixture_use_path(fixture, "store.db");
    fixture_expect_refusal(fixture, "another router");
    loaded = load(store, 0);
    assert_int_equal(loaded->recent, 300);
    loaded_destroy(loaded);
    store_close(&store);
}

static void a_log_is_seen_through_a_symbolic_link(void **state)
{
    struct store_fixture *fixture = *state;
    char target[128];

    make_store(fixture);
    leave_log(fixture, upgrade_and_die);
    snprintf(target, sizeof(target), "%s", fixture->path);
    fixture_use_path(fixture, "link.db");
    assert_int_equal(symlink(target, fixture->path), 0);
    assert_refused(fixture, "schema version is 4711");
}

static void a_second_router_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct snapshot before;
    pid_t child;
    int result = 0;

    commit_messages(store, 1, 10);
    before = take_snapshot(fixture->directory);
    fixture_expect_refusal(fixture, "another router is using it");
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(fixture_try_open(fixture) == NULL ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    assert_unchanged(&before, fixture->directory);
    commit_messages(store, 11, 10);
    store_close(&store);
    store = fixture_open(fixture);
    store_close(&store);
}

static void the_lock_dies_with_the_process(void **state)
{
    struct store_fixture *fixture = *state;

    leave_log(fixture, commit_and_die);
    assert_holds(fixture, 50);
}

static void what_is_no_database_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    char text[5000];

    memset(text, 'x', sizeof(text));
    write_file(fixture->path, "hello", 5);
    assert_refused(fixture, "not an SQLite database");
    write_file(fixture->path, text, sizeof(text));
    assert_refused(fixture, "not an SQLite database");
    memcpy(text, "SQLite format 3", 16);
    write_file(fixture->path, text, sizeof(text));
    assert_refused(fixture, "not a database");
    write_file(fixture->path, text, 16);
    assert_refused(fixture, "not a database");
    unlink(fixture->path);
    assert_int_equal(mkdir(fixture->path, 0755), 0);
    assert_refused(fixture, "Is a directory");
    rmdir(fixture->path);
    assert_int_equal(mkfifo(fixture->path, 0644), 0);
    fixture_expect_refusal(fixture, "not a regular file");
}

static void databases_of_others_are_refused(void **state)
{
    struct store_fixture *fixture = *state;

    run_sql(fixture->path, "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    assert_refused(fixture, "another application");
    run_sql(fixture->path, "PRAGMA application_id = 77");
    assert_refused(fixture, "another application");
    run_sql(fixture->path, "PRAGMA journal_mode = WAL; INSERT INTO t VALUES (2)");
    assert_refused(fixture, "another application");
    unlink(fixture->path);
    run_sql(fixture->path, "PRAGMA user_version = 1");
    assert_refused(fixture, "another application");
}

static void an_empty_database_is_filled(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store;

    write_file(fixture->path, "", 0);
    store = fixture_open(fixture);
    store_close(&store);
    unlink(fixture->path);
    run_sql(fixture->path, "VACUUM"); /* a database without anything in it */
    store = fixture_open(fixture);
    store_close(&store);
    make_store(fixture);
}

static void newer_databases_are_refused(void **state)
{
    struct store_fixture *fixture = *state;

    make_store(fixture);
    run_sql(fixture->path, "PRAGMA user_version = 99");
    assert_refused(fixture, "schema version is 99");
    run_sql(fixture->path, "PRAGMA user_version = 0");
    assert_refused(fixture, "no schema version");
}

static void a_newer_version_that_is_only_in_the_log_is_seen(void **state)
{
    struct store_fixture *fixture = *state;

    make_store(fixture);
    leave_log(fixture, upgrade_and_die);
    assert_refused(fixture, "schema version is 4711");
}

static void damaged_databases_are_refused(void **state)
{
    struct store_fixture *fixture = *state;
    struct stat status;
    char *original;
    FILE *file;

    make_store(fixture);
    assert_int_equal(stat(fixture->path, &status), 0);
    original = malloc((size_t)status.st_size);
    file = fopen(fixture->path, "rb");
    assert_int_equal(fread(original, 1, (size_t)status.st_size, file), status.st_size);
    fclose(file);

    /* Each page in turn has its beginning overwritten. */
    for (long page = 0; page < status.st_size / 4096; page++) {
        char *copy = malloc((size_t)status.st_size);

        memcpy(copy, original, (size_t)status.st_size);
        memset(copy + page * 4096 + (page == 0 ? 100 : 0), 0x5a, 64);
        write_file(fixture->path, copy, (size_t)status.st_size);
        assert_refused(fixture, "d"); /* damaged, malformed, … */
        free(copy);
    }
    /* Cut short. */
    for (long pages = 1; pages < status.st_size / 4096; pages++) {
        write_file(fixture->path, original, (size_t)pages * 4096);
        assert_refused(fixture, "");
    }
    write_file(fixture->path, original, (size_t)status.st_size);
    free(original);
    assert_holds(fixture, 300);
}

static void damage_is_found_beside_a_log_too(void **state)
{
    struct store_fixture *fixture = *state;
    int file;
    char junk[64];

    make_store(fixture);
    leave_log(fixture, commit_and_die);
    memset(junk, 0x5a, sizeof(junk));
    file = open(fixture->path, O_RDWR);
    assert_int_equal(pwrite(file, junk, sizeof(junk), 100), sizeof(junk));
    assert_int_equal(pwrite(file, junk, sizeof(junk), 2 * 4096), sizeof(junk));
    assert_int_equal(pwrite(file, junk, sizeof(junk), 3 * 4096), sizeof(junk));
    close(file);
    assert_refused(fixture, "d");
}

/* SQLite would delete the log, and with it what was acknowledged. */
static void a_log_without_its_database_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    char aside[160];

    leave_log(fixture, commit_and_die);
    snprintf(aside, sizeof(aside), "%s.aside", fixture->path);
    assert_int_equal(rename(fixture->path, aside), 0);
    assert_refused(fixture, "-wal");
    assert_int_equal(rename(aside, fixture->path), 0);
    assert_holds(fixture, 50);
}

static void a_program_that_reads_does_not_keep_a_router_from_starting(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store;
    struct loaded *loaded;
    sqlite3 *database;
    sqlite3_stmt *statement;
    pid_t child;
    int ready[2];
    char byte;

    leave_log(fixture, commit_and_die);
    assert_int_equal(pipe(ready), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) { /* sqlite3(1) in the middle of a query */
        sqlite3_open_v2(fixture->path, &database, SQLITE_OPEN_READWRITE, NULL);
        sqlite3_prepare_v2(database, "SELECT * FROM message", -1, &statement, NULL);
        if (sqlite3_step(statement) != SQLITE_ROW || write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    store = fixture_open(fixture);
    commit_messages(store, 1, 10);
    loaded = load(store, 0);
    assert_int_equal(loaded->recent, 60);
    loaded_destroy(loaded);
    store_close(&store);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        FILE_TEST(file_and_directory_are_made),
        FILE_TEST(more_than_one_missing_directory_is_refused),
        FILE_TEST(odd_paths_are_taken_literally),
        FILE_TEST(a_symbolic_link_is_followed),
        FILE_TEST(a_log_is_seen_through_a_symbolic_link),
        FILE_TEST(a_second_router_is_refused),
        FILE_TEST(the_lock_dies_with_the_process),
        FILE_TEST(what_is_no_database_is_refused),
        FILE_TEST(databases_of_others_are_refused),
        FILE_TEST(an_empty_database_is_filled),
        FILE_TEST(newer_databases_are_refused),
        FILE_TEST(a_newer_version_that_is_only_in_the_log_is_seen),
        FILE_TEST(damaged_databases_are_refused),
        FILE_TEST(damage_is_found_beside_a_log_too),
        FILE_TEST(a_log_without_its_database_is_refused),
        FILE_TEST(a_program_that_reads_does_not_keep_a_router_from_starting),
    };

    return cmocka_run_group_tests_name("store_files", tests, NULL, NULL);
}
