/*
 * Acknowledged is committed: processes are killed in the middle of commits, disks fill up and
 * writes fail, and what was reported is there afterwards, what failed is not, and the database is
 * sound.
 */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/random.h"

/* --- batches that can be told again from their number --- */

enum { ROOM = 1, BIG_BATCH = 5, BIG_MESSAGES = 48, BIG_SIZE = 1 << 20 };

/* One batch in a while is larger than the writer's page cache. */
static size_t messages_in(uint64_t number)
{
    return number == BIG_BATCH ? BIG_MESSAGES : 1 + (size_t)(number * 7 % 23);
}

static size_t body_size(uint64_t number, size_t index)
{
    return number == BIG_BATCH ? BIG_SIZE : (number * 131 + index * 17) % 900;
}

static uint64_t seq_of(uint64_t number, size_t index)
{
    return number * 100 + index;
}

static struct store_batch *make_batch(uint64_t number)
{
    struct store_batch *batch = store_batch_new(number);
    char *body = malloc(BIG_SIZE);

    memset(body, 'a' + (int)(number % 26), BIG_SIZE);
    for (size_t i = 0; i < messages_in(number); i++) {
        add_message(batch, ROOM, seq_of(number, i), seq_of(number, i), (int64_t)number,
                    slice_of(body, body_size(number, i)));
    }
    free(body);
    return batch;
}

/* How many of a batch's messages are there, each byte for byte. */
static size_t count_found(struct store *store, uint64_t number)
{
    struct store_query query = {.type = STORE_QUERY_AFTER_SEQ,
                                .room = ROOM,
                                .after_seq = seq_of(number, 0) - 1,
                                .limit = 100};
    size_t found = 0;

    for (bool more = true; more;) {
        struct store_page *page = ask(store, &query);

        more = !page->complete;
        for (size_t i = 0; i < page->count; i++) {
            const struct message_record *message = &page->messages[i];

            query.after_seq = message->seq;
            if (message->seq >= seq_of(number + 1, 0)) {
                more = false;
                break;
            }
            assert_int_equal(message->created_at, number);
            assert_int_equal(message->body.length, body_size(number, message->seq % 100));
            for (size_t k = 0; k < message->body.length; k += 97) {
                assert_int_equal(message->body.data[k], 'a' + (int)(number % 26));
            }
            found++;
        }
        store_page_destroy(&page);
    }
    return found;
}

static void assert_whole(struct store *store, uint64_t number)
{
    assert_int_equal(count_found(store, number), messages_in(number));
}

static void assert_sound(const char *path)
{
    sqlite3 *database;
    sqlite3_stmt *statement;

    assert_int_equal(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* --- killed --- */

/* Commits batch after batch and reports each on `pipe` once it is committed. */
static void commit_until_killed(struct store_fixture *fixture, uint64_t number, int pipe)
{
    struct store *store = fixture_try_open(fixture);

    if (store == NULL) {
        _exit(1);
    }
    for (;; number++) {
        struct store_batch *batch = make_batch(number);

        if (store->backend->commit(store, batch) != 0 ||
            write(pipe, &number, sizeof(number)) != (ssize_t)sizeof(number)) {
            _exit(2);
        }
        store_batch_destroy(&batch);
        if (number % 11 == 0) {
            store->backend->checkpoint(store);
        }
    }
}

/*
 * Kills the child after it has reported `reports` batches; the number of the last one it reported.
 */
static uint64_t run_and_kill(struct store_fixture *fixture, uint64_t first, size_t reports)
{
    int ends[2];
    uint64_t number = 0;
    uint64_t last = first - 1;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        commit_until_killed(fixture, first, ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &number, sizeof(number)) == (ssize_t)sizeof(number)) {
        assert_int_equal(number, last + 1);
        last = number;
        if (last - first + 1 == reports) {
            assert_int_equal(kill(child, SIGKILL), 0);
        }
    }
    close(ends[0]);
    waitpid(child, NULL, 0);
    assert_true(last - first + 1 >= reports);
    return last;
}

static void what_was_reported_survives_kill_9(struct store_fixture *fixture)
{
    const int rounds = getenv("ELIZAMQ_LONG") == NULL ? 8 : 60;
    struct random random = {.state = 9};
    uint64_t next = 1;

    for (int round = 0; round < rounds; round++) {
        size_t reports = 5 + random_below(&random, 40);
        uint64_t last = run_and_kill(fixture, next, reports);
        struct store *store = fixture_open(fixture);
        size_t unreported;

        for (uint64_t number = next; number <= last; number++) {
            assert_whole(store, number);
        }
        /* The one it was at is there or not, but never in part; none follows it. */
        unreported = count_found(store, last + 1);
        assert_true(unreported == 0 || unreported == messages_in(last + 1));
        assert_int_equal(count_found(store, last + 2), 0);
        store_close(&store);
        assert_sound(fixture->path);
        next = last + 2;
    }
}

static void reported_batches_survive_kill_9(void **state)
{
    what_was_reported_survives_kill_9(*state);
}

static void reported_batches_survive_kill_9_with_full_sync(void **state)
{
    struct store_fixture *fixture = *state;

    fixture->settings.sync_full = true;
    what_was_reported_survives_kill_9(fixture);
}

/* --- full --- */

static void set_file_size_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void commits_fail_while_there_is_no_room_and_then_go_on(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    bool committed[200] = {false};
    size_t failures = 0;
    uint64_t number;

    signal(SIGXFSZ, SIG_IGN);
    for (number = 10; number < 200; number++) {
        struct store_batch *batch = make_batch(number);

        if (number == 20) {
            set_file_size_limit(store->log_bytes + 30000);
        }
        if (number == 60) {
            store->backend->checkpoint(store); /* the log may start anew: room again */
        }
        if (number == 100) {
            set_file_size_limit(RLIM_INFINITY);
        }
        committed[number] = store->backend->commit(store, batch) == 0;
        assert_null(store->refused);
        failures += !committed[number];
        store_batch_destroy(&batch);
    }
    signal(SIGXFSZ, SIG_DFL);
    assert_true(failures > 0);
    assert_true(committed[19] && committed[100] && committed[199]);
    store_close(&store);
    assert_sound(fixture->path);
    store = fixture_open(fixture);
    for (number = 10; number < 200; number++) {
        assert_int_equal(count_found(store, number), committed[number] ? messages_in(number) : 0);
    }
    store_close(&store);
}

/* --- failing --- */

/* SQLite's own seam for tests: the system calls of its unix VFS can be exchanged. */
static struct {
    long countdown;   /* writes until one fails; < 0: none does */
    long failures;    /* how many fail in a row from there on */
    bool short_first; /* the first failing one writes half */
} fault = {.countdown = -1};

static bool fault_strikes(void)
{
    if (fault.countdown < 0 || fault.countdown-- > 0) {
        return false;
    }
    fault.countdown = --fault.failures > 0 ? 0 : -1;
    return true;
}

static ssize_t failing_pwrite(int file, const void *data, size_t size, off_t offset)
{
    if (!fault_strikes()) {
        return pwrite(file, data, size, offset);
    }
    if (fault.short_first) {
        fault.short_first = false;
        return pwrite(file, data, size / 2, offset);
    }
    errno = ENOSPC;
    return -1;
}

static int failing_ftruncate(int file, off_t size)
{
    if (!fault_strikes()) {
        return ftruncate(file, size);
    }
    errno = EIO;
    return -1;
}

static void exchange_system_calls(bool exchange)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr write = exchange ? (sqlite3_syscall_ptr)failing_pwrite : NULL;

    vfs->xSetSystemCall(vfs, "pwrite", write);
    vfs->xSetSystemCall(vfs, "pwrite64", write);
    vfs->xSetSystemCall(vfs, "ftruncate", exchange ? (sqlite3_syscall_ptr)failing_ftruncate : NULL);
}

/* Opens, commits ten batches with a checkpoint on the way; notes which of them were. */
static void commit_ten(struct store_fixture *fixture, bool committed[11])
{
    struct store *store = fixture_try_open(fixture);

    if (store == NULL) {
        return;
    }
    for (uint64_t number = 1; number <= 10; number++) {
        struct store_batch *batch = make_batch(number + 10);

        committed[number] = store->backend->commit(store, batch) == 0;
        store_batch_destroy(&batch);
        if (number == 4) {
            store->backend->checkpoint(store);
        }
    }
    fault.countdown = -1; /* not in closing: a failed checkpoint leaves the log, which is fine */
    store_close(&store);
}

/* Lets each write in turn fail, of making the file as well as of commits and checkpoints. */
static void any_write_may_fail(struct store_fixture *fixture, long failures, bool short_first)
{
    long strikes = 0;

    exchange_system_calls(true);
    for (long nth = 0; nth < 200; nth++) {
        bool committed[11] = {false};
        struct store *store;
        bool struck;
        char name[40];

        snprintf(name, sizeof(name), "fault%ld.db", nth);
        fixture_use_path(fixture, name);
        fault.countdown = nth;
        fault.failures = failures;
        fault.short_first = short_first;
        commit_ten(fixture, committed);
        struck = fault.failures < failures;
        fault.countdown = -1;
        strikes += struck;

        store = fixture_open(fixture);
        for (uint64_t number = 1; number <= 10; number++) {
            assert_int_equal(count_found(store, number + 10),
                             committed[number] ? messages_in(number + 10) : 0);
        }
        store_close(&store);
        assert_sound(fixture->path);
        unlink(fixture->path);
        if (!struck) {
            break;
        }
    }
    exchange_system_calls(false);
    assert_true(strikes > 20);
}

static void any_one_write_may_fail(void **state)
{
    any_write_may_fail(*state, 1, false);
}

static void any_one_write_may_be_cut_short_and_the_next_fail(void **state)
{
    any_write_may_fail(*state, 2, true);
}

static void all_writes_may_fail_for_a_while(void **state)
{
    any_write_may_fail(*state, 12, false);
}

int main(void)
{
#define DURABILITY_TEST(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        DURABILITY_TEST(reported_batches_survive_kill_9),
        DURABILITY_TEST(reported_batches_survive_kill_9_with_full_sync),
        DURABILITY_TEST(commits_fail_while_there_is_no_room_and_then_go_on),
        DURABILITY_TEST(any_one_write_may_fail),
        DURABILITY_TEST(any_one_write_may_be_cut_short_and_the_next_fail),
        DURABILITY_TEST(all_writes_may_fail_for_a_while),
    };

    return cmocka_run_group_tests_name("store_durability", tests, NULL, NULL);
}
