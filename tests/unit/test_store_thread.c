/* The loop submits and is told, in order, and never waits; stopping loses nothing. */
#include "tests/unit/store_fixture.h"

#include <signal.h>
#include <uv.h>

#include "router/store/store_thread.h"

enum { DEADLINE_MS = 30000 };

struct shell {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct store_fixture *fixture;
    struct store_thread *thread;
    size_t committed, failed, answered;
    uint64_t last_batch;
    const struct store_operation *refused;
    size_t last_count; /* messages in the last page */
    uint64_t last_token;
    bool destroy_when_committed;
};

static void on_committed(void *context, struct store_batch *batch, int result)
{
    struct shell *shell = context;

    assert_true(batch->number > shell->last_batch);
    shell->last_batch = batch->number;
    shell->refused = batch->refused;
    if (result == 0) {
        shell->committed++;
    } else {
        shell->failed++;
    }
    store_batch_destroy(&batch);
    if (shell->destroy_when_committed) {
        store_thread_destroy(&shell->thread);
    }
}

static void on_answered(void *context, struct store_page *page)
{
    struct shell *shell = context;

    assert_true(page->token > shell->last_token);
    assert_int_equal(page->error, 0);
    shell->last_token = page->token;
    shell->last_count = page->count;
    shell->answered++;
    store_page_destroy(&page);
}

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the deadline has passed");
}

static void start(struct shell *shell, struct store_fixture *fixture)
{
    struct store_completion completion = {shell, on_committed, on_answered};

    memset(shell, 0, sizeof(*shell));
    shell->fixture = fixture;
    uv_loop_init(&shell->loop);
    uv_timer_init(&shell->loop, &shell->deadline);
    uv_timer_start(&shell->deadline, on_deadline, DEADLINE_MS, 0);
    shell->thread = store_thread_new(&shell->loop, fixture_open(fixture), &fixture->settings,
                                     completion, fixture->reason, sizeof(fixture->reason));
    assert_non_null(shell->thread);
    assert_true(store_thread_is_idle(shell->thread));
}

static void stop(struct shell *shell)
{
    store_thread_destroy(&shell->thread);
    assert_null(shell->thread);
    uv_close((uv_handle_t *)&shell->deadline, NULL);
    assert_int_equal(uv_run(&shell->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&shell->loop), 0);
}

static void run_until_idle(struct shell *shell)
{
    while (!store_thread_is_idle(shell->thread)) {
        uv_run(&shell->loop, UV_RUN_ONCE);
    }
}

static void submit(struct shell *shell, uint64_t number, struct slice body)
{
    struct store_batch *batch = store_batch_new(number);

    add_message(batch, 1, number, number, (int64_t)number, body);
    store_thread_commit(shell->thread, batch);
}

static void submit_query(struct shell *shell, uint64_t token, uint64_t after_seq)
{
    struct store_query query = {.type = STORE_QUERY_AFTER_SEQ,
                                .token = token,
                                .room = 1,
                                .after_seq = after_seq,
                                .limit = 100000};

    store_thread_query(shell->thread, &query);
}

static size_t count_stored(struct store_fixture *fixture)
{
    struct store *store = fixture_open(fixture);
    struct store_query query = {.type = STORE_QUERY_AFTER_SEQ, .room = 1, .limit = 1000000};
    struct store_page *page = ask(store, &query);
    size_t count = page->count;

    store_page_destroy(&page);
    store_close(&store);
    return count;
}

static void completions_come_in_order_on_the_loop(void **state)
{
    struct shell shell;
    struct store_thread_figures figures;

    start(&shell, *state);
    for (uint64_t i = 1; i <= 200; i++) {
        submit(&shell, i, SLICE_LITERAL("x"));
        submit_query(&shell, i, 0);
        assert_false(store_thread_is_idle(shell.thread));
        if (i % 10 == 0) {
            run_until_idle(&shell);
        }
    }
    assert_int_equal(shell.committed, 200);
    assert_int_equal(shell.answered, 200);
    submit_query(&shell, 1000, 50);
    run_until_idle(&shell);
    assert_int_equal(shell.last_count, 150);
    store_thread_figures(shell.thread, &figures);
    assert_int_equal(figures.batches, 200);
    assert_int_equal(figures.operations, 200);
    assert_int_equal(figures.queries, 201);
    assert_int_equal(figures.failures, 0);
    assert_int_equal(figures.waiting, 0);
    assert_true(figures.commit_seconds.sum >= figures.commit_seconds_last);
    assert_true(figures.writer_cpu_seconds > 0 && figures.reader_cpu_seconds > 0);
    assert_true(figures.log_bytes > 0);
    stop(&shell);
}

/* More than any default high-water mark, without the loop running once. */
static void any_number_may_be_submitted_at_once(void **state)
{
    enum { COUNT = 5000 };
    struct shell shell;

    start(&shell, *state);
    for (uint64_t i = 1; i <= COUNT; i++) {
        submit(&shell, i, SLICE_LITERAL("x"));
        submit_query(&shell, i, COUNT - 5);
    }
    run_until_idle(&shell);
    assert_int_equal(shell.committed, COUNT);
    assert_int_equal(shell.answered, COUNT);
    stop(&shell);
}

static void stopping_commits_what_was_submitted(void **state)
{
    enum { COUNT = 500 };
    struct store_fixture *fixture = *state;
    struct shell shell;

    start(&shell, fixture);
    for (uint64_t i = 1; i <= COUNT; i++) {
        submit(&shell, i, SLICE_LITERAL("x"));
        submit_query(&shell, i, 0);
    }
    uv_run(&shell.loop, UV_RUN_ONCE);
    stop(&shell);
    assert_int_equal(count_stored(fixture), COUNT);
}

static void it_may_be_stopped_by_a_completion(void **state)
{
    enum { COUNT = 100 };
    struct store_fixture *fixture = *state;
    struct shell shell;

    start(&shell, fixture);
    shell.destroy_when_committed = true;
    for (uint64_t i = 1; i <= COUNT; i++) {
        submit(&shell, i, SLICE_LITERAL("x"));
    }
    while (shell.thread != NULL) {
        uv_run(&shell.loop, UV_RUN_ONCE);
    }
    assert_int_equal(shell.committed, 1);
    stop(&shell);
    assert_int_equal(count_stored(fixture), COUNT);
}

static void a_refused_batch_holds_up_no_other(void **state)
{
    struct shell shell;
    struct store_batch *batch = store_batch_new(2);
    const struct store_operation *culprit;
    struct store_thread_figures figures;

    start(&shell, *state);
    submit(&shell, 1, SLICE_LITERAL("x"));
    add_message(batch, 1, 2, 2, 2, SLICE_LITERAL("x"));
    add_message(batch, 1, 3, 1, 2, SLICE_LITERAL("x"));
    culprit = batch->last;
    store_thread_commit(shell.thread, batch);
    while (shell.failed == 0) {
        uv_run(&shell.loop, UV_RUN_ONCE);
    }
    assert_ptr_equal(shell.refused, culprit); /* compared only: the batch is gone */
    submit(&shell, 3, SLICE_LITERAL("x"));
    run_until_idle(&shell);
    assert_null(shell.refused);
    assert_int_equal(shell.committed, 2);
    store_thread_figures(shell.thread, &figures);
    assert_int_equal(figures.failures, 1);
    stop(&shell);
}

static void the_log_is_folded_back_meanwhile(void **state)
{
    struct shell shell;
    struct store_thread_figures figures;

    start(&shell, *state);
    submit(&shell, 1, SLICE_LITERAL("x"));
    do {
        uv_run(&shell.loop, UV_RUN_ONCE);
        store_thread_figures(shell.thread, &figures);
    } while (figures.checkpoints == 0);
    assert_true(store_thread_is_idle(shell.thread));
    stop(&shell);
}

/* Commits without a pause: a log that is never idle must start anew all the same. */
static void the_log_is_bounded_under_constant_load(void **state)
{
    enum { SIZE = 1 << 20, IN_FLIGHT = 4 };
    struct shell shell;
    struct store_thread_figures figures;
    char *body = malloc(SIZE);
    uint64_t number = 0;
    uint64_t largest = 0;
    uint64_t before = 0;
    bool shrunk = false;

    memset(body, 'x', SIZE);
    start(&shell, *state);
    while (!shrunk) {
        /* Large ones until the log is over its bound, then small ones. */
        struct slice part = slice_of(body, largest < 40 * (uint64_t)SIZE ? SIZE : 100);

        while (number < shell.committed + IN_FLIGHT) {
            submit(&shell, ++number, part);
        }
        uv_run(&shell.loop, UV_RUN_ONCE);
        store_thread_figures(shell.thread, &figures);
        if (figures.log_bytes > largest) {
            largest = figures.log_bytes;
        }
        shrunk = before > 32 * (uint64_t)SIZE && figures.log_bytes < before / 2;
        before = figures.log_bytes;
    }
    assert_true(largest > 32 * (uint64_t)SIZE);
    run_until_idle(&shell);
    stop(&shell);
    free(body);
}

static void signals_stay_the_programs(void **state)
{
    const int signals[] = {SIGINT, SIGTERM};
    struct shell shell;
    sigset_t before, after;

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    signal(SIGINT, SIG_IGN);
    start(&shell, *state);
    for (size_t i = 0; i < 2; i++) {
        struct sigaction action;

        sigaction(signals[i], NULL, &action);
        assert_ptr_equal(action.sa_handler, i == 0 ? SIG_IGN : SIG_DFL);
    }
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int number = 1; number < 32; number++) {
        assert_int_equal(sigismember(&before, number), sigismember(&after, number));
    }
    stop(&shell);
    signal(SIGINT, SIG_DFL);
}

static void without_a_reader_the_writer_stays_the_callers(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_settings elsewhere = {.url = "sqlite:/nonexistent/x.db"};
    struct store_completion completion = {NULL, on_committed, on_answered};
    struct store_batch *batch = store_batch_new(1);
    uv_loop_t loop;

    uv_loop_init(&loop);
    assert_null(store_thread_new(&loop, store, &elsewhere, completion, fixture->reason,
                                 sizeof(fixture->reason)));
    assert_non_null(strstr(fixture->reason, "/nonexistent/x.db"));
    assert_int_equal(uv_loop_close(&loop), 0);
    add_message(batch, 1, 1, 1, 1, SLICE_LITERAL("x"));
    assert_int_equal(commit(store, &batch), 0);
    store_close(&store);
}

int main(void)
{
#define THREAD_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        THREAD_TEST(signals_stay_the_programs), /* first: czmq sets itself up only once */
        THREAD_TEST(completions_come_in_order_on_the_loop),
        THREAD_TEST(any_number_may_be_submitted_at_once),
        THREAD_TEST(stopping_commits_what_was_submitted),
        THREAD_TEST(it_may_be_stopped_by_a_completion),
        THREAD_TEST(a_refused_batch_holds_up_no_other),
        THREAD_TEST(the_log_is_folded_back_meanwhile),
        THREAD_TEST(the_log_is_bounded_under_constant_load),
        THREAD_TEST(without_a_reader_the_writer_stays_the_callers),
    };

    return cmocka_run_group_tests_name("store_thread", tests, NULL, NULL);
}
